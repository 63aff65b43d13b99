/* cli/vector_measure.h - passes of queries over an open index, timed one by one.
 *
 * Owns:    a measure owns its arrays, until lh_vector_measure_done.
 * Threads: as many as it is told; each measures its own queries.
 * Limits:  queries x k hits in memory.
 * Formats: none.
 * Why:     a time per query on one thread is what a user waits for; a mean over a batch hides it.
 *          The first pass is not counted: it brings pages in. Of several rounds the one with the
 *          median p50 speaks. */
#ifndef LH_CLI_VECTOR_MEASURE_H
#define LH_CLI_VECTOR_MEASURE_H

#include "cli/vector_truth.h"

typedef struct lh_vector_measure {
    const lh_vector_index *index; /* borrowed */
    const lh_f32_rows *queries;   /* borrowed */
    uint32_t threads;             /* 0 = 1 */
    uint32_t rounds;              /* 0 = 1 */
    uint32_t batch;               /* queries per call; 0 = one by one */
    lh_vector_query query;        /* all but the vector */
    /* what a pass leaves behind, per query */
    lh_vector_hit *hits; /* queries x k */
    uint32_t *counts;
    lh_vector_search_stats *stats;
    int64_t *took_ns;
} lh_vector_measure;

typedef struct lh_vector_timing {
    double p50_us;
    double p95_us;
    double p99_us;
    double qps; /* of all threads, by the wall clock */
} lh_vector_timing;

/* Makes room; after this the query may change between runs, except k which must not grow. */
LH_WARN_UNUSED lh_rc lh_vector_measure_init(lh_ctx *cx, lh_vector_measure *measure);
/* warm: a first pass that is not counted. What lh_vector_index_search gives, and the cancel. */
LH_WARN_UNUSED lh_rc lh_vector_measure_run(lh_ctx *cx, lh_vector_measure *measure, int warm,
                                           lh_vector_timing *ret_timing);
void lh_vector_measure_done(lh_vector_measure *measure);
LH_DEFINE_CLEANUP_VALUE(lh_vector_measure, lh_vector_measure_done)

/* Of the last pass. 1 when there was nothing to find. */
double lh_vector_measure_recall(const lh_vector_measure *measure, const lh_vector_truth *truth);
double lh_vector_measure_evaluations(const lh_vector_measure *measure);

#endif
