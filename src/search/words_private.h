/* search/words_private.h - text indexes as they are open; shared by the files words_*.c.
 *
 * Owns: see word_search.h. Threads: the list of indexes and their current states are guarded by the
 *       lock of lh_words; rows of a set by the set's own; a state is immutable and counted.
 * Limits: word_search.h. Formats: word_search.h. Why: registry, build, rows and search are separate
 *         verbs. */
#ifndef LH_SEARCH_WORDS_PRIVATE_H
#define LH_SEARCH_WORDS_PRIVATE_H

#include "search/numbered_private.h"
#include "search/search_private.h"
#include "search/word_search.h"
#include "text/text_highlight.h"
#include "text/text_set.h"

/* The documents of one generation. */
typedef struct lhi_words_set {
    atomic_uint references;
    lhi_numbered numbered; /* which rows they are */
    lh_text_set *set;
    struct lhi_words_set *next_retired;
} lhi_words_set;
lhi_words_set *lhi_words_set_unref(lhi_words_set *set);
LH_DEFINE_CLEANUP(lhi_words_set, lhi_words_set_unref)
/* Opens or makes the set of that generation, with what is known of its documents. flags: of
 * lh_segset_options. */
LH_WARN_UNUSED lh_rc lhi_words_set_open(lh_ctx *cx, lh_store *store, const lh_words_meta *meta,
                                        uint32_t flags, lhi_words_set **ret_set);

/* A state of an index. */
typedef struct lhi_words_state {
    atomic_uint references;
    lh_arena *arena; /* of meta */
    lh_words_meta meta;
    lhi_words_set *set; /* NULL when damaged */
} lhi_words_state;
lhi_words_state *lhi_words_state_unref(lhi_words_state *state);
LH_DEFINE_CLEANUP(lhi_words_state, lhi_words_state_unref)
/* Takes over a reference of set (may be NULL: damaged). */
LH_WARN_UNUSED lh_rc lhi_words_state_new(lh_ctx *cx, const lh_words_meta *meta, lhi_words_set *set,
                                         lhi_words_state **ret_state);

typedef struct lhi_words_slot {
    struct lhi_words_slot *next;
    char name[LH_DATASET_NAME_MAX + 1];
    lhi_words_state *current; /* NULL while its first build runs */
    int building;
} lhi_words_slot;
typedef struct lhi_words {
    lh_mutex lock;
    lhi_words_slot *slots;  /* in order of name */
    lhi_words_set *retired; /* replaced; one reference each */
    lhi_filter_cache *filters;
} lhi_words;

/* word_search.c; called with lh_search. */
LH_WARN_UNUSED lh_rc lhi_words_open(lh_ctx *cx, lh_search *search);
LH_WARN_UNUSED lh_rc lhi_words_resume(lh_ctx *cx, lh_search *search,
                                      const struct lh_principal *principal);
void lhi_words_close(lh_search *search);
/* LH_E_NOT_FOUND with the names there are, LH_E_CONFLICT (its first build runs), LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lhi_words_ref(lh_ctx *cx, lh_search *search, lh_str index_name,
                                   lhi_words_state **ret_state);
/* The only text index of a dataset, by name. */
LH_WARN_UNUSED lh_rc lhi_words_of_dataset(lh_ctx *cx, lh_search *search, lh_str dataset,
                                          lh_str *ret_name);
LH_WARN_UNUSED lh_rc lhi_words_swap(lh_ctx *cx, lh_search *search, lhi_words_state *taken);
LH_WARN_UNUSED lh_rc lhi_words_begin_build(lh_ctx *cx, lh_search *search, lh_str index_name);
void lhi_words_end_build(lh_search *search, lh_str index_name);
/* Removes objects of generations that nobody reads any more. Only while the caller has begun a
 * build of it. */
LH_WARN_UNUSED lh_rc lhi_words_collect(lh_ctx *cx, lh_search *search, lh_str index_name,
                                       lhi_collected *ret_collected);
/* Every text index of the dataset but this one has that fingerprint. */
int lhi_words_all_have(lh_search *search, lh_str dataset, lh_str index_name, lh_str fingerprint);
lh_str lhi_words_meta_key(lh_ctx *cx, lh_str index_name);
lh_str lhi_words_plan_key(lh_ctx *cx, lh_str index_name);
/* Name of the field or facet of a column. */
lh_str lhi_words_name(lh_ctx *cx, const lh_list *columns, size_t number);
/* The analyser's options of an index. */
lh_text_set_options lhi_words_options(lh_ctx *cx, const lh_words_meta *meta);

/* words_build.c: a build that was cut off begins again. */
LH_WARN_UNUSED lh_rc lhi_words_start(lh_ctx *cx, lh_search *search, const lh_words_meta *plan,
                                     int is_refresh, const struct lh_principal *principal,
                                     lh_str *ret_job_id);

#endif
