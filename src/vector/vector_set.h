/* vector/vector_set.h - a set of vectors that lives: append, upsert, delete and search go on while
 * segments are merged behind them. segset/segset.h says how; here is what vectors add.
 *
 * Owns:    its segment set; borrows its home.
 * Threads: as a segment set: all functions from any thread, searches wait for nobody.
 * Limits:  those of a segment set, 2^32 - 3 rows a segment. Memory: beside the set's own, what
 *          lh_vector_build needs of a merge (build.memory_bytes_max).
 * Formats: src/segset/README.md; segments are "segment-<n>.lhv".
 * Why:     a graph that is repaired in place has races and unreachable rows in every tracker of the
 *          field; rebuilding is deterministic and fast (12 to 18 times hnswlib's build). */
#ifndef LH_VECTOR_VECTOR_SET_H
#define LH_VECTOR_VECTOR_SET_H

#include "segset/segset.h"
#include "vector/vector_index.h"

typedef struct lh_vector_set lh_vector_set;

typedef struct lh_vector_set_options {
    /* How segments are built. Dimensions and metric of a set that exists: 0 dimensions, or both the
     * same (LH_E_BAD_VALUE). The preset is chosen by size; rows cannot be external. The progress
     * function is called from changes and merges. */
    lh_vector_options build;
    uint32_t fan_in;     /* segments of like size that are merged into one; 0 = 4 */
    uint32_t tier_rows;  /* rows of the smallest tier; 0 = 256 */
    uint32_t fresh_rows; /* merged segments up to so many rows are built fast; 0 = 20,000 */
    uint32_t flags;      /* LH_SEGSET_BACKGROUND */
} lh_vector_set_options;

/* Opens the set of that home, or makes an empty one. Objects that a crash left without owner are
 * removed. LH_E_CORRUPT names the object; LH_E_BAD_VALUE when options do not fit what is there. */
LH_WARN_UNUSED lh_rc lh_vector_set_open(lh_ctx *cx, const lh_segset_home *home,
                                        const lh_vector_set_options *opts, lh_vector_set **ret_set);
/* Cancels a merge that runs and waits for it. No search may run any more. Writes nothing that is
 * needed: what was acknowledged is durable already. NULL ok. */
lh_vector_set *lh_vector_set_close(lh_vector_set *set);
LH_DEFINE_CLEANUP(lh_vector_set, lh_vector_set_close)

typedef struct lh_vector_rows {
    const uint64_t *ids;  /* the caller's names of the rows */
    const float *vectors; /* count x dimensions */
    size_t count;         /* 1..LH_SEGSET_BATCH_ROWS_MAX */
} lh_vector_rows;
/* Searchable and durable when it returns LH_OK; on an error nothing of it is. Append:
 * LH_E_ALREADY_EXISTS names an id that is there or comes twice. Upsert: replaces the rows of ids
 * that are there; of an id that comes twice the last one stays. LH_E_BAD_VALUE (NaN, infinity),
 * LH_E_TOO_LARGE, LH_E_UNAVAILABLE (a change failed and could not be taken back: open the set
 * again), those of the home. */
LH_WARN_UNUSED lh_rc lh_vector_set_append(lh_ctx *cx, lh_vector_set *set,
                                          const lh_vector_rows *rows);
LH_WARN_UNUSED lh_rc lh_vector_set_upsert(lh_ctx *cx, lh_vector_set *set,
                                          const lh_vector_rows *rows);
/* Appends rows and deletes ids in one change: readers see both or none. */
typedef struct lh_vector_change {
    lh_vector_rows rows; /* count may be 0 */
    const uint64_t *deletes;
    size_t deletes_count;
} lh_vector_change;
LH_WARN_UNUSED lh_rc lh_vector_set_change(lh_ctx *cx, lh_vector_set *set,
                                          const lh_vector_change *change);
/* As lh_segset_import: bytes is a whole vector segment. */
LH_WARN_UNUSED lh_rc lh_vector_set_import(lh_ctx *cx, lh_vector_set *set, uint64_t rows,
                                          lh_str bytes);
/* Ids that are not there are no error; *ret_deleted says how many were. */
LH_WARN_UNUSED lh_rc lh_vector_set_delete(lh_ctx *cx, lh_vector_set *set, const uint64_t *ids,
                                          size_t count, uint64_t *ret_deleted);

/* As lh_segset_merge. */
LH_WARN_UNUSED lh_rc lh_vector_set_merge(lh_ctx *cx, lh_vector_set *set, lh_segset_merge_how how,
                                         uint64_t *ret_merged);

/* A state of the set that does not change, to be unreffed: lh_segset_view_ids and the like work. */
lh_segset_view *lh_vector_set_view(lh_vector_set *set);

typedef struct lh_vector_set_query {
    const float *vector;
    uint32_t k; /* 1..LH_VECTOR_K_MAX */
    /* Ids that may be answers; both NULL = all. by_id: bit per id, ids past its end may not.
     * ids: rising. */
    const lh_bitmap *by_id;
    const uint64_t *ids;
    size_t ids_count;
    float recall; /* these as in lh_vector_query */
    uint32_t ef_search;
    int has_score_min;
    float score_min;
} lh_vector_set_query;
typedef struct lh_vector_set_hit {
    uint64_t id;
    float score;
} lh_vector_set_hit;
typedef struct lh_vector_set_search_stats {
    uint64_t evaluations; /* these as in lh_vector_search_stats, over all segments */
    uint64_t hops;
    uint64_t scanned;
    uint64_t exact;
    uint32_t segments; /* that were searched */
    /* Of the largest segment. */
    const char *plan;
    uint32_t ef;
    char why[96];
} lh_vector_set_search_stats;
/* Best first, equal scores in order of id; only live rows that the filter allows are scored.
 * ret_hits has room for k. */
LH_WARN_UNUSED lh_rc lh_vector_view_search(lh_ctx *cx, const lh_segset_view *view,
                                           const lh_vector_set_query *query,
                                           lh_vector_set_hit *ret_hits, uint32_t *ret_count,
                                           lh_vector_set_search_stats *ret_stats);
/* On the newest view. */
LH_WARN_UNUSED lh_rc lh_vector_set_search(lh_ctx *cx, lh_vector_set *set,
                                          const lh_vector_set_query *query,
                                          lh_vector_set_hit *ret_hits, uint32_t *ret_count,
                                          lh_vector_set_search_stats *ret_stats);
/* The stored vector of an id (of length one for cosine). LH_E_NOT_FOUND. */
LH_WARN_UNUSED lh_rc lh_vector_view_get(lh_ctx *cx, const lh_segset_view *view, uint64_t id,
                                        float *ret_vector);

void lh_vector_set_get_stats(lh_vector_set *set, lh_segset_stats *ret_stats);

#endif
