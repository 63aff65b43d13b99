/* vector/vector_set.h - a set of vectors that lives: append, upsert, delete and search go on while
 * segments are merged behind them.
 *
 *     batch 7   batch 8   batch 9        one object per acknowledged change, numbered without gaps
 *        \         |         /
 *      segment 3  segment 4              what merges made of earlier batches
 *             \    /
 *            manifest 5                  "these segments, these live rows, all changes up to 6"
 *
 * State = newest manifest + the batches after it, in order. A row is live until a later change
 * deletes or replaces its id, so an id has at most one live row.
 *
 * Owns:    the open segments, the views on them and, if asked, one merge thread; borrows its home.
 * Threads: all functions from any thread. Changes go one after another; searches never wait for
 *          them or for merges: they hold a counted view. Objects of a segment are removed after its
 *          last reader left, by the merge thread or the next change, never by a reader.
 * Limits:  LH_VECTOR_SET_BATCH_ROWS_MAX rows a change, LH_VECTOR_SET_SEGMENTS_MAX segments (changes
 *          wait for a merge there), 2^32 - 2 rows a segment. Memory: a bit per row, 16 bytes per
 *          row of the change that is written plus its encoded segment; of a merge 16 bytes per row
 *          and what lh_vector_build needs (build.memory_bytes_max).
 * Formats: see README.md: "batch-<n>.lhb", "segment-<n>.lhv", "segment-<n>.lhi",
 *          "manifest-<n>.lhm", all containers.
 * Why:     a graph that is repaired in place has races and unreachable rows in every tracker of the
 *          field; rebuilding is deterministic and fast (12 to 18 times hnswlib's build). */
#ifndef LH_VECTOR_VECTOR_SET_H
#define LH_VECTOR_VECTOR_SET_H

#include "vector/vector_home.h"
#include "vector/vector_index.h"

#define LH_VECTOR_SET_BATCH_ROWS_MAX 100000
#define LH_VECTOR_SET_SEGMENTS_MAX   64

typedef struct lh_vector_set lh_vector_set;

enum {
    LH_VECTOR_SET_BACKGROUND = 1 /* a thread of low priority merges what is due */
};
typedef struct lh_vector_set_options {
    /* How segments are built. Dimensions and metric of a set that exists: 0 dimensions, or both the
     * same (LH_E_BAD_VALUE). The preset is chosen by size; rows cannot be external. The progress
     * function is called from changes and merges. */
    lh_vector_options build;
    uint32_t fan_in;     /* segments of like size that are merged into one; 0 = 4 */
    uint32_t tier_rows;  /* rows of the smallest tier; 0 = 256 */
    uint32_t fresh_rows; /* merged segments up to so many rows are built fast; 0 = 20,000 */
    uint32_t flags;
} lh_vector_set_options;

/* Opens the set of that home, or makes an empty one. Objects that a crash left without owner are
 * removed. LH_E_CORRUPT names the object; LH_E_BAD_VALUE when options do not fit what is there. */
LH_WARN_UNUSED lh_rc lh_vector_set_open(lh_ctx *cx, const lh_vector_home *home,
                                        const lh_vector_set_options *opts, lh_vector_set **ret_set);
/* Cancels a merge that runs and waits for it. No search may run any more. Writes nothing that is
 * needed: what was acknowledged is durable already. NULL ok. */
lh_vector_set *lh_vector_set_close(lh_vector_set *set);
LH_DEFINE_CLEANUP(lh_vector_set, lh_vector_set_close)

typedef struct lh_vector_rows {
    const uint64_t *ids;  /* the caller's names of the rows */
    const float *vectors; /* count x dimensions */
    size_t count;         /* 1..LH_VECTOR_SET_BATCH_ROWS_MAX */
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
/* Ids that are not there are no error; *ret_deleted says how many were. */
LH_WARN_UNUSED lh_rc lh_vector_set_delete(lh_ctx *cx, lh_vector_set *set, const uint64_t *ids,
                                          size_t count, uint64_t *ret_deleted);

typedef enum lh_vector_merge_how {
    LH_VECTOR_MERGE_DUE, /* one merge, if a tier is full, a segment is mostly dead, or changes piled
                            up */
    LH_VECTOR_MERGE_ALL  /* everything into one segment without dead rows */
} lh_vector_merge_how;
/* *ret_merged: segments that were replaced; 0 when nothing was due. One merge runs at a time,
 * others wait. Checks cx's deadline and cancel. */
LH_WARN_UNUSED lh_rc lh_vector_set_merge(lh_ctx *cx, lh_vector_set *set, lh_vector_merge_how how,
                                         uint64_t *ret_merged);

/* A state of the set that does not change: repeated searches see the same rows. */
typedef struct lh_vector_view lh_vector_view;
lh_vector_view *lh_vector_set_view(lh_vector_set *set);
lh_vector_view *lh_vector_view_unref(lh_vector_view *view);
LH_DEFINE_CLEANUP(lh_vector_view, lh_vector_view_unref)

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
} lh_vector_set_search_stats;
/* Best first, equal scores in order of id; only live rows that the filter allows are scored.
 * ret_hits has room for k. */
LH_WARN_UNUSED lh_rc lh_vector_view_search(lh_ctx *cx, const lh_vector_view *view,
                                           const lh_vector_set_query *query,
                                           lh_vector_set_hit *ret_hits, uint32_t *ret_count,
                                           lh_vector_set_search_stats *ret_stats);
/* On the newest view. */
LH_WARN_UNUSED lh_rc lh_vector_set_search(lh_ctx *cx, lh_vector_set *set,
                                          const lh_vector_set_query *query,
                                          lh_vector_set_hit *ret_hits, uint32_t *ret_count,
                                          lh_vector_set_search_stats *ret_stats);
/* The stored vector of an id (of length one for cosine). LH_E_NOT_FOUND. */
LH_WARN_UNUSED lh_rc lh_vector_view_get(lh_ctx *cx, const lh_vector_view *view, uint64_t id,
                                        float *ret_vector);
/* Live ids in rising order, in the arena. */
LH_WARN_UNUSED lh_rc lh_vector_view_ids(lh_ctx *cx, const lh_vector_view *view, uint64_t **ret_ids,
                                        size_t *ret_count);

typedef struct lh_vector_set_stats {
    uint64_t rows_live;
    uint64_t rows_dead;
    uint32_t segments; /* batches included */
    uint32_t batches;
    uint64_t manifest; /* number of the newest */
    uint64_t changes;  /* acknowledged since the set was made */
    uint64_t merges;   /* since it was opened */
    uint64_t bytes_mapped;
    uint64_t bytes_resident;
    uint32_t dimensions;
} lh_vector_set_stats;
void lh_vector_set_get_stats(lh_vector_set *set, lh_vector_set_stats *ret_stats);

#endif
