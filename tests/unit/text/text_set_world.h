/* text_set_world.h - documents by id as a set of texts must hold them, and what a search of the set
 * must find: a fresh segment of the same documents, and a look at their words. */
#ifndef LH_TESTS_UNIT_TEXT_SET_WORLD_H
#define LH_TESTS_UNIT_TEXT_SET_WORLD_H

#include "support/dying_home.h"
#include "text/text_set.h"

enum { SET_IDS = 240, SET_WORDS = 30, SET_LENGTH_MAX = 14 };

/* Of each id: how often it was written, and its words. The words depend on both alone. */
typedef struct set_model {
    unsigned char there[SET_IDS];
    uint32_t version[SET_IDS];
} set_model;

size_t set_model_count(const set_model *m);
/* The words of an id's version; word 0 is the commonest. */
size_t set_words(uint64_t id, uint32_t version, unsigned char *ret_words);
/* Its text ("w3 w0 ... v<id>x<version>") and facet ("c0" to "c4") as a document, in the arena. */
lh_text_doc set_doc(lh_scratch *s, uint64_t id, uint32_t version);
/* A merge policy that has work to do with so few documents. */
lh_text_set_options set_options(void);
/* Exactly the model's documents, each with its newest words. */
int set_equals(lh_scratch *s, lh_text_set *set, const set_model *m);
/* A random query with a random filter: hits are live and allowed, best first, all of them when k
 * allows, the same from every plan; and where nothing is dead, points are those of one segment. */
void set_check_search(lh_scratch *s, lh_text_set *set, const set_model *m, uint64_t *random);

#endif
