/* vector_model.h - what a set of vectors must hold, kept the plain way.
 *
 *     model_check_search(&s, set, &model, query, k, filter)    against a loop over all rows
 *
 * Owns:    the model is plain data.
 * Threads: one.
 * Limits:  MODEL_IDS ids, MODEL_DIM dimensions.
 * Formats: none.
 * Why:     the same oracle serves the unit tests and the long random runs. */
#ifndef LH_TESTS_SUPPORT_VECTOR_MODEL_H
#define LH_TESTS_SUPPORT_VECTOR_MODEL_H

#include "support/dying_home.h"
#include "vector/vector_set.h"

#include <math.h>

enum { MODEL_IDS = 700, MODEL_DIM = 12 };

typedef struct model {
    unsigned char there[MODEL_IDS];
    float vectors[MODEL_IDS][MODEL_DIM]; /* as stored: of length one */
} model;

/* Some vectors come twice or are zero: ties and rows without direction must work as well. */
static inline void model_draw(uint64_t *state, float *out)
{
    uint32_t kind = model_below(state, 40);
    uint64_t same = 77 + model_below(state, 3);
    for (size_t i = 0; i < MODEL_DIM; i++) {
        uint32_t drawn = model_random(kind == 1 ? &same : state);
        out[i] = kind == 0 ? 0.0f : (float)(drawn % 2001) / 1000.0f - 1.0f;
    }
}

static inline void model_normalise(const float *in, float *out)
{
    double square = 0;
    for (size_t i = 0; i < MODEL_DIM; i++)
        square += (double)in[i] * (double)in[i];
    float scale = square > 0 ? (float)(1.0 / sqrt(square)) : 0.0f;
    for (size_t i = 0; i < MODEL_DIM; i++)
        out[i] = in[i] * scale;
}

static inline double model_dot(const float *a, const float *b)
{
    double sum = 0;
    for (size_t i = 0; i < MODEL_DIM; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static inline size_t model_count(const model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < MODEL_IDS; i++)
        n += m->there[i];
    return n;
}

static inline int model_by_score(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x > y ? -1 : x < y;
}

/* The k best scores, best first; allowed may be NULL. */
static inline size_t model_best(const model *m, const float *unit, const unsigned char *allowed,
                                double *scores)
{
    size_t n = 0;
    for (size_t i = 0; i < MODEL_IDS; i++)
        if (m->there[i] && (!allowed || allowed[i]))
            scores[n++] = model_dot(m->vectors[i], unit);
    qsort(scores, n, sizeof *scores, model_by_score);
    return n;
}

/* Of kinds that are not exact: how many of the best were found, over all searches. */
typedef struct model_recall {
    uint64_t found;
    uint64_t wanted;
} model_recall;

/* Every hit is a live, allowed row with its exact score, in order, once; the scores are the best
 * there are, or, when there is a recall to add to, that many of them are. */
typedef struct model_query {
    const float *vector;
    const unsigned char *allowed; /* by id; NULL = all */
    uint32_t k;
    model_recall *recall; /* NULL: every hit must be one of the best */
} model_query;
static inline void model_check_query(const model *m, const model_query *q,
                                     const lh_vector_set_hit *hits, uint32_t count)
{
    const unsigned char *allowed = q->allowed;
    model_recall *recall = q->recall;
    static double scores[MODEL_IDS];
    unsigned char seen[MODEL_IDS] = {0};
    float unit[MODEL_DIM];
    model_normalise(q->vector, unit);
    size_t n = model_best(m, unit, allowed, scores);
    ck_assert_uint_eq(count, LH_MIN((size_t)q->k, n));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = hits[i].id;
        ck_assert_uint_lt(id, MODEL_IDS);
        ck_assert_msg(m->there[id] && (!allowed || allowed[id]) && !seen[id],
                      "hit %u: id %llu is dead, filtered or there twice", i,
                      (unsigned long long)id);
        seen[id] = 1;
        double exact = model_dot(m->vectors[id], unit);
        ck_assert_msg(fabs(exact - (double)hits[i].score) < 1e-5, "id %llu: score %g, exact %g",
                      (unsigned long long)id, (double)hits[i].score, exact);
        if (recall)
            recall->found += exact > scores[count - 1] - 1e-5;
        else
            ck_assert_msg(fabs(scores[i] - exact) < 1e-5, "hit %u of %u: score %g, the best is %g",
                          i, count, exact, scores[i]);
        if (i > 0)
            ck_assert(hits[i - 1].score > hits[i].score ||
                      (hits[i - 1].score == hits[i].score && hits[i - 1].id < hits[i].id));
    }
    if (recall)
        recall->wanted += count;
}

static inline void model_check_hits(const model *m, const float *query,
                                    const unsigned char *allowed, uint32_t k,
                                    const lh_vector_set_hit *hits, uint32_t count)
{
    model_query q = {query, allowed, k, NULL};
    model_check_query(m, &q, hits, count);
}

/* Exactly the model's rows, each with its vector. */
static inline int model_equals(lh_scratch *s, lh_vector_set *set, const model *m)
{
    uint64_t *ids;
    size_t count;
    size_t n = 0;
    int same = 1;
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = lh_vector_set_view(set);
    ck_lh_ok(s, lh_segset_view_ids(&s->cx, view, &ids, &count));
    if (count != model_count(m))
        return 0;
    for (uint64_t id = 0; id < MODEL_IDS && same; id++) {
        float found[MODEL_DIM];
        if (!m->there[id])
            continue;
        same = ids[n++] == id;
        ck_assert(!same || lh_vector_view_get(&s->cx, view, id, found) == LH_OK);
        for (size_t i = 0; i < MODEL_DIM && same; i++)
            same = fabsf(found[i] - m->vectors[id][i]) < 1e-6f;
    }
    return same;
}

#endif
