/* vector/vector_walk_private.h - what one search works with: the query in the shapes of the codes,
 * a scratch that is used again, and the steps of the plans.
 *
 * Owns: a scratch is lent by its index. Threads: one per scratch. Limits: vector_index.h. Formats:
 *       none. Why: plans and the probe of a build run the same steps. */
#ifndef LH_VECTOR_VECTOR_WALK_PRIVATE_H
#define LH_VECTOR_VECTOR_WALK_PRIVATE_H

#include "vector/vector_private.h"

#define LHI_EF_MAX     4096u
#define LHI_DEPTH_MAX  65536u /* rows a 1-bit scan keeps */
#define LHI_EXPANDED   0x80000000u
#define LHI_ENTRIES    8u
#define LHI_NEAR_LISTS 12u
#define LHI_WALK_IDS   (LHI_DEGREE_MAX + 4) /* neighbours of a place, and the last again */

/* A query as codes see it. */
typedef struct lhi_coded_query {
    float *values;   /* padded, centred for euclidean, rotated */
    int8_t *i8;      /* padded */
    int8_t *b1;      /* padded, small: sums of six stay below 64 */
    uint8_t *table;  /* of b1 */
    float i8_middle; /* 7.5 x sum of i8 */
    float i8_unit;
    int32_t b1_base;
    float b1_unit;
    float offset; /* of an estimate to the exact score, for euclidean to minus half its square */
    float norm;   /* length of values */
} lhi_coded_query;

typedef struct lhi_near {
    float score;
    uint32_t place; /* with LHI_EXPANDED when its neighbours were read */
} lhi_near;

typedef struct lhi_scratch {
    struct lhi_scratch *next;
    lhi_coded_query query;
    uint64_t *visited; /* rows bits, all zero between searches */
    lhi_near *pool;    /* LHI_EF_MAX + 1 */
    lhi_near *answers; /* as many */
    uint64_t *keys;    /* grows */
    size_t keys_max;
    size_t keys_count;
    uint64_t *blocks; /* bits: blocks scanned first */
    uint32_t *lists;
    uint64_t *allowed; /* bits by place */
    lh_pages memory;
    lh_pages keys_memory;
} lhi_scratch;

/* vector_scratch.c */
LH_WARN_UNUSED lh_rc lhi_scratch_get(lh_ctx *cx, const lh_vector_index *index,
                                     lhi_scratch **ret_scratch);
void lhi_scratch_put(const lh_vector_index *index, lhi_scratch *scratch);
LH_WARN_UNUSED lh_rc lhi_scratch_keys(lh_ctx *cx, lhi_scratch *scratch, size_t keys);
void lhi_scratch_free_all(lh_vector_index *index);

/* vector_coded_query.c: values as lhi_vector_query_values gives them. */
void lhi_code_query(const lh_vector_index *index, const float *values, lhi_coded_query *q);
void lhi_code_query_b1(const lh_vector_index *index, lhi_coded_query *q);

static inline float lhi_i4_score(const lhi_coded_query *q, int32_t sum, float factor)
{
    return ((float)sum - q->i8_middle) * factor * q->i8_unit;
}

static inline lh_vector_i4_ask lhi_i4_ask(const lh_vector_index *x, const lhi_coded_query *q)
{
    return (lh_vector_i4_ask){.codes = x->i4,
                              .factors = x->i4_factors,
                              .halves = x->halves,
                              .query = q->i8,
                              .chunks = x->meta.padded / 128,
                              .middle = q->i8_middle,
                              .unit = q->i8_unit};
}

/* Best first, linear: position of the new one, or count when it is not taken. Ties: the one that
 * came first stays ahead. */
static inline uint32_t lhi_pool_insert(lhi_near *pool, uint32_t *count, uint32_t most, lhi_near one)
{
    uint32_t low = 0;
    uint32_t length = *count;
    while (length > 1) {
        uint32_t half = length >> 1;
        low += pool[low + half - 1].score >= one.score ? half : 0;
        length -= half;
    }
    if (*count > 0 && low < *count && pool[low].score >= one.score)
        low++;
    if (low >= most)
        return most;
    if (*count < most)
        (*count)++;
    memmove(pool + low + 1, pool + low, sizeof *pool * (*count - 1 - low));
    pool[low] = one;
    return low;
}

/* vector_graph.c: a walk over the graph, in steps so that several can take turns. */
typedef struct lhi_walk {
    const lh_vector_index *index;
    const lhi_coded_query *query;
    lhi_scratch *scratch;
    const lhi_vector_allowed *allowed; /* NULL: all rows may answer */
    /* Of lhi_walk_effort. */
    uint32_t pool_most;
    uint32_t kept;  /* candidates at least, though not expanded: codes err, exact scores decide */
    uint32_t known; /* so many best must be found before the walk may end; 0: it ends when all of
                     * the pool are expanded */
    float margin;   /* times the distance of the last known one: what stands further is not
                     * expanded */
    float reach;    /* the score at no distance */
    float bound;    /* scores below it are not expanded */
    uint32_t count; /* in the pool */
    uint32_t answers;
    uint32_t at;                    /* first place of the pool that may not be expanded */
    uint32_t ids_count;             /* found and asked for, not yet scored */
    uint32_t ids[2 * LHI_WALK_IDS]; /* those, then what is found meanwhile */
    lhi_near good[LHI_WALK_IDS];    /* of those, what may enter the pool */
    lh_vector_i4_ask ask;
    uint64_t evaluations;
    uint64_t hops;
} lhi_walk;
/* What an effort of ef means for k answers: the margin within which a query with distances like the
 * sample's has ef places; a pool of ef when rows are filtered (how far the answers are is not known
 * then) or distances are not known. Index, query and filter are there. */
void lhi_walk_effort(lhi_walk *w, uint32_t ef, uint32_t k, uint32_t kept);
void lhi_walk_begin(lhi_walk *w);
/* Reads the neighbours of the best place not yet expanded, scores those of the step before and asks
 * for the codes of the new ones meanwhile. 0: done. */
int lhi_walk_step(lhi_walk *w);
/* The bits of visited places are cleared; the scratch can be used again. */
void lhi_walk_end(lhi_walk *w);
/* Leaders near the query, best first, at most LHI_ENTRIES or most. Returns how many. */
uint32_t lhi_entries(const lh_vector_index *index, const lhi_coded_query *q, lhi_near *ret,
                     uint32_t *ret_lists, uint32_t most, uint64_t *evaluations);

/* vector_flat.c: the depth best by 1-bit codes, into scratch->keys and keys_count (any order). */
typedef struct lhi_flat_ask {
    const uint64_t *allowed_places; /* bits; NULL: all */
    uint32_t depth;
    uint32_t lists;   /* only the rows of so many nearest lists; 0: all rows */
    uint64_t scanned; /* out: codes looked at */
} lhi_flat_ask;
LH_WARN_UNUSED lh_rc lhi_flat_scan(lh_ctx *cx, const lh_vector_index *index, lhi_scratch *s,
                                   lhi_flat_ask *ask);
/* The `count` lists nearest to the query, nearest first, into scratch->lists. */
LH_WARN_UNUSED lh_rc lhi_rank_lists(lh_ctx *cx, const lh_vector_index *index, lhi_scratch *s,
                                    uint32_t count);
/* 4-bit scores of the places in scratch->keys, the `keep` best into keys (any order). */
uint32_t lhi_i4_select(const lh_vector_index *index, lhi_scratch *s, uint32_t count, uint32_t keep);
/* The `keep` largest keys to the front. */
void lhi_select_keys(uint64_t *keys, size_t count, size_t keep);
void lhi_sort_keys(uint64_t *keys, size_t count); /* largest first */

/* vector_plan.c: ret->near is read, all is written. */
typedef struct lhi_plan_choice {
    double near; /* in: share of the rows near the query that may answer; 1 without a filter */
    lh_vector_plan plan;
    uint32_t ef;      /* of the graph */
    uint32_t depth;   /* of the 1-bit scan */
    uint32_t lists;   /* of ivf */
    uint32_t exact;   /* candidates that may be given exact scores */
    uint32_t kept;    /* of them, what a walk must bring */
    float deviations; /* of the codes' error: how far below the last answer one may stand */
    char why[96];
} lhi_plan_choice;
LH_WARN_UNUSED lh_rc lhi_plan(lh_ctx *cx, const lh_vector_index *index,
                              const lh_vector_query *query, uint64_t may_answer,
                              lhi_plan_choice *ret);

#endif
