/* vector/vector_run_private.h - one search under way: what is asked, what was chosen, what was
 * found.
 *
 * Owns: a run borrows its scratch from the index until lhi_run_end. Threads: one. Limits:
 *       vector_index.h. Formats: none. Why: single searches and batches take the same steps. */
#ifndef LH_VECTOR_VECTOR_RUN_PRIVATE_H
#define LH_VECTOR_VECTOR_RUN_PRIVATE_H

#include "vector/vector_walk_private.h"

typedef struct lhi_run {
    lh_ctx *cx;
    const lh_vector_index *index;
    const lh_vector_query *query;
    const float *values;
    lhi_vector_allowed allowed;
    lhi_vector_allowed bits; /* allowed as the walk wants it */
    lhi_vector_best best;
    lh_vector_search_stats *stats;
    lhi_plan_choice plan;
    lhi_scratch *scratch;
    lhi_walk walk;
} lhi_run;

/* Chooses the plan; takes a scratch when one is needed. */
LH_WARN_UNUSED lh_rc lhi_run_begin(lhi_run *r);
/* All of a plan that does not take turns. */
LH_WARN_UNUSED lh_rc lhi_run_plan(lhi_run *r);
/* The graph plan in turns: begin, step until it says 0 in *ret_more, finish. */
void lhi_run_walk_begin(lhi_run *r);
LH_WARN_UNUSED lh_rc lhi_run_walk_finish(lhi_run *r);
void lhi_run_end(lhi_run *r);

/* vector_diverse.c: the k of count hits (best first) that are near and unlike one another. */
LH_WARN_UNUSED lh_rc lhi_vector_diversify(lh_ctx *cx, const lh_vector_index *index, float weight,
                                          lhi_vector_best *from, lhi_vector_best *to);

#endif
