/* text_world.h - documents of made-up words, their segments, and a plain model of what a search
 * must find: it reads the texts, not the index. */
#ifndef LH_TESTS_UNIT_TEXT_WORLD_H
#define LH_TESTS_UNIT_TEXT_WORLD_H

#include "support/scratch.h"
#include "text/text_search.h"

#include <math.h>

typedef struct world_doc {
    lh_str texts[2];
    lh_str facet;
    uint64_t row;
    uint32_t *terms[2]; /* numbers of the words, in order */
    uint32_t lengths[2];
} world_doc;

typedef struct world {
    lh_scratch s;
    lh_arena *arena; /* of texts and segments */
    lh_ctx own;
    uint32_t fields;
    uint32_t seed;
    uint32_t words; /* of the vocabulary */
    world_doc *docs;
    uint32_t docs_count;
    lh_text_segment *segments[8];
    lh_str bytes[8];
    uint32_t firsts[9]; /* first document of each segment */
    uint32_t segments_count;
    lh_text_searcher *searcher;
    uint64_t memory_max;
    const char *scratch;
} world;

uint32_t world_draw(world *w, uint32_t below);
uint32_t world_word(world *w); /* skewed: 0 is the commonest */
lh_str world_word_text(world *w, uint32_t word);
void world_open(world *w, uint32_t docs, uint32_t words, uint32_t fields);
void world_close(world *w);
lh_text_builder *world_builder(world *w);
void world_add(world *w, lh_text_builder *b, uint32_t first, uint32_t end);
lh_str world_finish(world *w, lh_text_builder *b); /* the segment's bytes */
/* Builds segments that end at the given documents, and a searcher over them. */
void world_build(world *w, const uint32_t *ends, uint32_t count);

/* ---- the model ---- */

enum { MODEL_MAX = 64 };
typedef enum model_mode { MODEL_ANY, MODEL_ALL, MODEL_LEAST, MODEL_PHRASE } model_mode;
typedef struct model_query {
    model_mode mode;
    uint32_t words[MODEL_MAX];
    uint32_t count;
    uint32_t least;
    int field;            /* -1: all */
    uint32_t not_word;    /* UINT32_MAX: none */
    const uint8_t *allow; /* a byte a document; NULL: all */
} model_query;
typedef struct model_hit {
    uint32_t points;
    uint32_t doc;
} model_hit;
/* All matches, best first. Returns how many. */
uint32_t model_search(world *w, const model_query *q, model_hit *ret_hits);
lh_text_node *model_node(world *w, const model_query *q);
/* The model's hits are those of the engine, with every plan and kernel. */
void check_query(world *w, const model_query *q, uint32_t k, uint32_t flags);

#endif
