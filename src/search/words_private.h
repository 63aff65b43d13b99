/* search/words_private.h - text indexes as they are open; shared by the files words_*.c.
 *
 * Owns: see word_search.h. Threads: rows of a set are guarded by the set's own lock; a
 *       state is immutable and counted.
 * Limits: word_search.h. Formats: word_search.h. Why: build, rows and search are separate verbs. */
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
} lhi_words_set;
lhi_words_set *lhi_words_set_unref(lhi_words_set *set);
LH_DEFINE_CLEANUP(lhi_words_set, lhi_words_set_unref)
/* Opens or makes the set of that generation, with what is known of its documents. flags: of
 * lh_segset_options. */
LH_WARN_UNUSED lh_rc lhi_words_set_open(lh_ctx *cx, lh_store *store, const lh_words_meta *meta,
                                        uint32_t flags, lhi_words_set **ret_set);

/* A state of an index. */
typedef struct lhi_words_state {
    lhi_state state;
    lh_arena *arena; /* of meta */
    lh_words_meta meta;
    lhi_words_set *set; /* NULL when damaged; states that refreshes made share it */
} lhi_words_state;
lhi_words_state *lhi_words_state_unref(lhi_words_state *state);
LH_DEFINE_CLEANUP(lhi_words_state, lhi_words_state_unref)
/* Takes the reference of set (may be NULL: damaged), also when it fails. */
LH_WARN_UNUSED lh_rc lhi_words_state_new(lh_ctx *cx, const lh_words_meta *meta,
                                         lhi_words_set *taken, lhi_words_state **ret_state);

/* A reference; see lhi_indexes_ref. */
LH_WARN_UNUSED lh_rc lhi_words_ref(lh_ctx *cx, lh_search *search, lh_str index_name,
                                   lhi_words_state **ret_state);
/* Name of the field or facet of a column. */
lh_str lhi_words_name(lh_ctx *cx, const lh_list *columns, size_t number);
/* The analyser's options of an index. */
lh_text_set_options lhi_words_options(lh_ctx *cx, const lh_words_meta *meta);

/* words_texts.c: the texts of a row as the body of its number, and back. In the arena. */
lh_str lhi_words_body(lh_ctx *cx, const lh_str_list *texts);
/* The texts of some columns of the index; columns: their numbers in it. LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lhi_words_texts(lh_ctx *cx, lh_str body, const size_t *columns, size_t count,
                                     lh_str *texts);

/* words_build.c: a build that was cut off begins again. */
LH_WARN_UNUSED lh_rc lhi_words_start(lh_ctx *cx, lh_search *search, const lh_words_meta *plan,
                                     int is_refresh, const struct lh_principal *principal,
                                     lh_str *ret_job_id);

#endif
