/* cli/vector_truth.h - the exact answers that recall is measured against.
 *
 * Owns:    the arrays of a truth, until lh_vector_truth_done.
 * Threads: find uses as many as it is told; the result is read-only.
 * Limits:  queries x k hits in memory.
 * Formats: none.
 * Why:     recall against an approximation is worth nothing: every score of every row that may
 *          answer is computed in float, query blocks over the rows. Rows that tie with the k-th
 *          count as right, so that duplicates in a set do not look like misses. */
#ifndef LH_CLI_VECTOR_TRUTH_H
#define LH_CLI_VECTOR_TRUTH_H

#include "cli/vector_files.h"

/* What is searched exactly: borrowed until the truth is done. */
typedef struct lh_vector_exact {
    const lh_f32_rows *base;
    const lh_f32_rows *queries;
    lh_vector_metric metric;
    const lh_bitmap *filter; /* NULL = all rows */
    uint32_t threads;        /* 0 = 1 */
} lh_vector_exact;

typedef struct lh_vector_truth {
    const lh_vector_exact *exact;
    uint32_t k;
    float *factors; /* per row: scale and offset that make a score of an inner product */
    int32_t *ids;   /* queries x k, rising; -1 where there is no more */
    float *worst;   /* per query: the score of its last hit */
} lh_vector_truth;

/* Computes the k best rows of each query. LH_E_CANCELLED, LH_E_DEADLINE, LH_E_NO_MEMORY. */
LH_WARN_UNUSED lh_rc lh_vector_truth_find(lh_ctx *cx, const lh_vector_exact *exact, uint32_t k,
                                          lh_vector_truth *ret_truth);
/* Takes the ids from a file instead; its lists must be at least k long. */
LH_WARN_UNUSED lh_rc lh_vector_truth_from(lh_ctx *cx, const lh_vector_exact *exact, uint32_t k,
                                          const lh_vector_neighbours *neighbours,
                                          lh_vector_truth *ret_truth);
void lh_vector_truth_done(lh_vector_truth *truth);
LH_DEFINE_CLEANUP_VALUE(lh_vector_truth, lh_vector_truth_done)

/* How many of hits are as good as the k best of query, and how many there are to find. */
void lh_vector_truth_count(const lh_vector_truth *truth, uint64_t query, const lh_vector_hit *hits,
                           uint32_t hits_count, uint32_t *ret_found, uint32_t *ret_wanted);
/* The rows nearest to one stored row, as a bitmap: a condition that goes with the vectors. */
LH_WARN_UNUSED lh_rc lh_vector_nearest_rows(lh_ctx *cx, const lh_vector_exact *exact, uint64_t row,
                                            uint64_t count, lh_bitmap **ret_bitmap);

#endif
