/* text/text_set.h - a set of documents that lives: append, upsert, delete and search go on while
 * segments are merged behind them. segset/segset.h says how; here is what words add.
 *
 * Owns:    its segment set, copies of its options; borrows its home.
 * Threads: as a segment set: all functions from any thread, searches wait for nobody.
 * Limits:  those of a segment set, LH_TEXT_DOCS_MAX documents a segment. Memory: beside the set's
 *          own, build.memory_bytes_max of a change or merge (with a scratch folder).
 * Formats: src/segset/README.md; segments are "segment-<n>.lht". The shape of a set is a hash of
 *          fields, facets, analyser, k1 and b.
 * Why:     an answer must not depend on how documents are cut into segments: statistics are those
 *          of the whole view and ties come by id, so hits, scores and order are those of one
 *          segment with the same documents. Deleted documents count in statistics until a merge
 *          drops them (taking them out would mean reading their postings). */
#ifndef LH_TEXT_TEXT_SET_H
#define LH_TEXT_TEXT_SET_H

#include "segset/segset.h"
#include "text/text_search.h"

typedef struct lh_text_set lh_text_set;

typedef struct lh_text_set_options {
    lh_text_build_options build; /* of a set that exists: the same but memory, scratch and progress
                                    (LH_E_BAD_VALUE) */
    uint32_t fan_in;             /* these as in lh_segset_options */
    uint32_t tier_rows;
    uint32_t flags;
} lh_text_set_options;

/* Opens the set of that home, or makes an empty one. Errors of lh_segset_open and of
 * lh_text_builder_new. */
LH_WARN_UNUSED lh_rc lh_text_set_open(lh_ctx *cx, const lh_segset_home *home,
                                      const lh_text_set_options *opts, lh_text_set **ret_set);
/* As lh_segset_close. NULL ok. */
lh_text_set *lh_text_set_close(lh_text_set *set);
LH_DEFINE_CLEANUP(lh_text_set, lh_text_set_close)

/* 1..LH_SEGSET_BATCH_ROWS_MAX documents; the id of each is its row. Searchable and durable when it
 * returns LH_OK, on an error nothing of it is. As lh_segset_put, and the errors of
 * lh_text_builder_add. */
LH_WARN_UNUSED lh_rc lh_text_set_append(lh_ctx *cx, lh_text_set *set, const lh_text_doc *docs,
                                        size_t count);
LH_WARN_UNUSED lh_rc lh_text_set_upsert(lh_ctx *cx, lh_text_set *set, const lh_text_doc *docs,
                                        size_t count);
/* Appends docs and deletes ids in one change: readers see both or none. */
typedef struct lh_text_change {
    const lh_text_doc *docs;
    size_t count;
    const uint64_t *deletes;
    size_t deletes_count;
} lh_text_change;
LH_WARN_UNUSED lh_rc lh_text_set_change(lh_ctx *cx, lh_text_set *set, const lh_text_change *change);
LH_WARN_UNUSED lh_rc lh_text_set_delete(lh_ctx *cx, lh_text_set *set, const uint64_t *ids,
                                        size_t count, uint64_t *ret_deleted);
LH_WARN_UNUSED lh_rc lh_text_set_merge(lh_ctx *cx, lh_text_set *set, lh_segset_merge_how how,
                                       uint64_t *ret_merged);

/* A state of the set that does not change, to be unreffed. */
lh_segset_view *lh_text_set_view(lh_text_set *set);
void lh_text_set_get_stats(lh_text_set *set, lh_segset_stats *ret_stats);
/* How texts are cut, for highlights; borrowed. */
const lh_text_analyzer *lh_text_set_analyzer(const lh_text_set *set);

typedef struct lh_text_set_query {
    lh_text_request request; /* allow must be NULL */
    lh_segset_filter filter; /* ids that may be answers; applied before scoring */
} lh_text_set_query;
/* As lh_text_search; the row of a hit is its id. */
LH_WARN_UNUSED lh_rc lh_text_view_search(lh_ctx *cx, lh_segset_view *view,
                                         const lh_text_set_query *query,
                                         lh_text_result *ret_result);
/* As lh_text_explain, of a hit of the same view. */
LH_WARN_UNUSED lh_rc lh_text_view_explain(lh_ctx *cx, lh_segset_view *view,
                                          const lh_text_node *query, const lh_text_hit *hit,
                                          lh_text_reason *ret_reason, int *ret_matches);

#endif
