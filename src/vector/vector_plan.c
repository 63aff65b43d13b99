/* vector/vector_plan.c - which plan answers a query: the cheapest that meets the recall asked for.
 *
 * Costs are rough times per step on one core of 2024 (research/vector_real.md); only their ratios
 * matter. What an effort comes to in recall is read from the segment's own calibration. */
#include "vector/vector_walk_private.h"

#include <math.h>
#include <stdio.h>

#define B1_NS_PER_DIMENSION    0.0024
#define I4_RANDOM_NS           12.0
#define I4_NS_PER_DIMENSION    0.06
#define EXACT_RANDOM_NS        40.0
#define EXACT_NS_PER_DIMENSION 0.17
#define MAP_NS                 1.6  /* a row of the filter to its place */
#define GRAPH_NEAR_LEAST       0.06 /* share of the rows near the query that may answer */
/* Of what may be lost, kept for queries that are harder than the sample. */
#define SAFETY_GRAPH    0.3f
#define SAFETY_FLAT     0.5f
#define SAFETY_LISTS    0.7f
#define FLAT_SURE_DEPTH 800u
#define CONSIDERED      60u

typedef struct costs {
    double b1, i4, exact;
    double last; /* of the last step: exact scores of the candidates that get one */
} costs;

static costs costs_of(const lh_vector_index *x, uint32_t k, uint32_t considered)
{
    costs c = {B1_NS_PER_DIMENSION * x->meta.padded,
               I4_RANDOM_NS + I4_NS_PER_DIMENSION * x->meta.padded,
               EXACT_RANDOM_NS + EXACT_NS_PER_DIMENSION * x->meta.dimensions, 0};
    int some = x->sample && x->sample->i4_error > 0; /* those that can still be answers */
    c.last = c.exact * (some ? LH_MIN(1.5 * k, considered) : considered);
    return c;
}

/* The least setting that reached the recall at k = 10, and its evaluations; NULL: none did. */
static const lh_vector_point *point_for(const lh_vector_point *points, uint32_t count, float recall,
                                        float safety)
{
    recall += (1 - recall) * safety;
    for (uint32_t i = 0; i < LH_MIN(count, (uint32_t)LH_VECTOR_POINTS_MAX); i++)
        if (points[i].recall >= recall)
            return &points[i];
    return NULL;
}

/* Settings are measured at k = 10: more answers need as many more candidates. */
static uint32_t for_k(uint32_t setting, uint32_t k, uint32_t most)
{
    uint64_t wanted = k <= 10 ? setting : setting + (uint64_t)(k - 10) * 3 / 2;
    return (uint32_t)LH_MIN(wanted, (uint64_t)most);
}

/* What an effort came to on the sample; 0: less than any that was tried, or not known. */
static float recall_of(const lh_vector_point *points, uint32_t count, uint32_t setting)
{
    float recall = 0;
    for (uint32_t i = 0; i < LH_MIN(count, (uint32_t)LH_VECTOR_POINTS_MAX); i++)
        if (points[i].setting <= setting)
            recall = points[i].recall;
    return recall;
}

/* How many deviations of the codes' error an answer may be misjudged by. One in so many of the
 * answers that stand at the very end of the k is lost, others hardly ever. */
static float deviations_for(float recall)
{
    return recall >= 0.9985f ? 4.0f : recall >= 0.98f ? 3.0f : 2.0f;
}

/* Candidates of the codes that may get exact scores, so that the 4-bit codes lose no more than a
 * third of what the recall allows to lose; 0: they lose more. The sample cannot tell .999 from 1,
 * so near it some more. */
static uint32_t exact_rows(const lh_vector_index *x, const lh_vector_query *q, float recall)
{
    const lhi_sample *s = x->sample;
    uint32_t k = q->k;
    float codes = 1 - (1 - recall) / 2;
    const lh_vector_point *p =
        s ? point_for(s->exact_points, s->exact_points_count, LH_MIN(codes, 0.9999f), SAFETY_FLAT)
          : NULL;
    int known = s && s->i4_error > 0; /* then the error decides, one by one */
    if (q->ef_search && !known)
        return k + LH_MIN(LH_MAX(k, q->ef_search / 4), 40u) + k / 2;
    if (q->ef_search && !p)
        return for_k(CONSIDERED, k, LHI_DEPTH_MAX);
    if (!p)
        return 0;
    if (known)
        return for_k(LH_MAX(p->setting, CONSIDERED), k, LHI_DEPTH_MAX);
    uint32_t least = recall > 0.997f ? 50 : recall > 0.98f ? 22 : 14;
    return for_k(LH_MAX(p->setting, least), k, LHI_DEPTH_MAX);
}

/* Candidates among which the codes have the answers: twice as many, more where codes say little. */
static uint32_t kept_rows(const lh_vector_index *x, const lh_vector_query *q, float recall)
{
    const lhi_sample *s = x->sample;
    const lh_vector_point *p =
        s ? point_for(s->exact_points, s->exact_points_count, recall, SAFETY_FLAT) : NULL;
    return LH_MAX(2 * q->k, for_k(p ? p->setting : LHI_EF_MAX, q->k, LHI_EF_MAX));
}

static double flat_cost(const lh_vector_index *x, const costs *c, const lhi_plan_choice *p,
                        uint64_t may_answer)
{
    double map = may_answer < x->meta.rows ? MAP_NS * (double)may_answer : 0;
    return c->b1 * (double)x->meta.rows + c->i4 * p->depth + c->last + map + 3000;
}

static double graph_cost(const lh_vector_index *x, const costs *c, float evaluations)
{
    return (c->i4 + 10) * (double)evaluations + c->last + (double)x->meta.rows / 64 * 0.3 + 3000;
}

/* Flat: depth for the recall; 0 when the 1-bit codes of this set cannot reach it. */
static uint32_t flat_depth(const lh_vector_index *x, const lh_vector_query *q, float recall)
{
    const lhi_sample *s = x->sample;
    if (q->ef_search > 0 && x->meta.kind != LH_VECTOR_IVF)
        return LH_MAX(q->ef_search, q->k);
    if (q->ef_search > 0) /* the effort is lists: what they hold must not be lost by the codes */
        recall = LH_MAX(recall, 0.999f);
    const lh_vector_point *p =
        s ? point_for(s->flat_points, s->flat_points_count, recall, SAFETY_FLAT) : NULL;
    if (!s)
        return for_k(FLAT_SURE_DEPTH, q->k, LHI_DEPTH_MAX);
    return p ? for_k(p->setting, q->k * 4 > 40 ? q->k * 2 : q->k, LHI_DEPTH_MAX) : 0;
}

static lh_rc forced(lh_ctx *cx, const lh_vector_index *x, const lh_vector_query *q,
                    lhi_plan_choice *p)
{
    int codes = x->i4 != NULL;
    int can = q->plan == LH_VECTOR_PLAN_EXACT || (q->plan == LH_VECTOR_PLAN_SCAN && codes) ||
              (q->plan == LH_VECTOR_PLAN_FLAT && codes) ||
              (q->plan == LH_VECTOR_PLAN_IVF && x->meta.kind == LH_VECTOR_IVF) ||
              (q->plan == LH_VECTOR_PLAN_GRAPH && x->graph);
    if (!can) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "the segment has no such plan"));
        return lh_err_field(cx, "plan");
    }
    if (p->depth == 0)
        p->depth = for_k(FLAT_SURE_DEPTH, q->k, LHI_DEPTH_MAX);
    if (p->lists == 0)
        p->lists = LH_MAX(x->meta.lists / 8, 1u);
    if (p->ef == 0)
        p->ef = 512;
    p->ef = LH_MAX(p->ef, LH_MIN(q->k, LHI_EF_MAX));
    p->plan = q->plan;
    return LH_OK;
}

typedef struct option {
    lh_vector_plan plan;
    double ns;
} option;

static void consider(option *best, lh_vector_plan plan, double ns)
{
    if (best->plan == LH_VECTOR_PLAN_AUTO || ns < best->ns)
        *best = (option){plan, ns};
}

/* Effort of the graph and its cost; 0: it cannot meet the recall, or too few of the rows near the
 * query may answer: the walk would run through the others. */
static double graph_option(const lh_vector_index *x, const lh_vector_query *q, float recall,
                           double near, lhi_plan_choice *p)
{
    const lhi_sample *s = x->sample;
    const costs c = costs_of(x, q->k, p->exact);
    if (!x->graph || near < GRAPH_NEAR_LEAST)
        return 0;
    const lh_vector_point *at =
        s ? point_for(s->graph_points, s->graph_points_count, recall, SAFETY_GRAPH) : NULL;
    uint32_t ef = q->ef_search ? q->ef_search : at ? at->setting : 0;
    if (ef == 0 || q->k > LHI_EF_MAX / 2)
        return 0;
    uint32_t wanted = for_k(ef, q->k, LHI_EF_MAX);
    wanted = LH_MAX(wanted, q->k);
    p->ef = (uint32_t)LH_MIN((double)wanted / sqrt(near), (double)LHI_EF_MAX);
    float evaluations = at && !q->ef_search ? at->evaluations : 14.0f * (float)ef;
    return graph_cost(x, &c, evaluations * (float)p->ef / (float)ef);
}

/* Lists to look into and their cost. Effort given is the number of lists. A filter leaves fewer
 * rows per list: so many more lists. */
static double ivf_option(const lh_vector_index *x, const lh_vector_query *q, float recall,
                         double selectivity, lhi_plan_choice *p)
{
    const lhi_sample *s = x->sample;
    const costs c = costs_of(x, q->k, p->exact);
    if (x->meta.kind != LH_VECTOR_IVF || !s)
        return 0;
    const lh_vector_point *at =
        point_for(s->graph_points, s->graph_points_count, recall, SAFETY_LISTS);
    uint32_t lists = q->ef_search ? q->ef_search : at ? at->setting : 0;
    if (lists == 0 || selectivity <= 0)
        return 0;
    double wanted = (double)for_k(lists, q->k, x->meta.lists) / sqrt(selectivity);
    p->lists = (uint32_t)LH_MIN(wanted, (double)x->meta.lists);
    double share = (double)p->lists / x->meta.lists;
    return c.b1 * 2 * share * (double)x->meta.rows + c.i4 * (p->depth + (double)x->meta.lists / 4) +
           c.last + 3000;
}

lh_rc lhi_plan(lh_ctx *cx, const lh_vector_index *x, const lh_vector_query *q, uint64_t may_answer,
               lhi_plan_choice *ret)
{
    float recall = q->recall > 0 ? q->recall : LHI_RECALL_DEFAULT;
    double selectivity = x->meta.rows ? (double)may_answer / (double)x->meta.rows : 1;
    lhi_plan_choice p = {.exact = x->i4 ? exact_rows(x, q, recall) : 0, .near = ret->near};
    p.kept = kept_rows(x, q, recall);
    p.deviations = deviations_for(recall);
    if (q->ef_search > 0 && q->recall == 0 && x->graph && x->sample)
        p.deviations = deviations_for(
            recall_of(x->sample->graph_points, x->sample->graph_points_count, q->ef_search));
    int codes_do = p.exact > 0;
    if (!codes_do)
        p.exact = for_k(800, q->k, LHI_DEPTH_MAX); /* only when a plan is forced */
    const costs c = costs_of(x, q->k, p.exact);
    option best = {LH_VECTOR_PLAN_AUTO, 0};
    double graph_ns = graph_option(x, q, recall, p.near, &p);
    p.depth = x->i4 ? flat_depth(x, q, recall) : 0;
    if (may_answer < x->meta.rows) /* answers may be far off: codes tell those apart less well */
        p.depth *= 2;
    if (p.depth > 0)
        p.depth = LH_MAX(p.depth, p.exact);
    double ivf_ns = ivf_option(x, q, recall, selectivity, &p);
    if (q->plan != LH_VECTOR_PLAN_AUTO) {
        LH_TRY(forced(cx, x, q, &p));
        LH_IGNORE(snprintf(p.why, sizeof p.why, "asked for"));
        *ret = p;
        return LH_OK;
    }
    consider(&best, LH_VECTOR_PLAN_EXACT, c.exact * (double)may_answer);
    if (codes_do && recall < 1) {
        consider(&best, LH_VECTOR_PLAN_SCAN, c.i4 * (double)may_answer + c.last + 2000);
        if (p.depth > 0)
            consider(&best, LH_VECTOR_PLAN_FLAT, flat_cost(x, &c, &p, may_answer));
        if (ivf_ns > 0 && p.depth > 0)
            consider(&best, LH_VECTOR_PLAN_IVF, ivf_ns);
        if (graph_ns > 0)
            consider(&best, LH_VECTOR_PLAN_GRAPH, graph_ns);
    }
    p.plan = best.plan;
    LH_IGNORE(snprintf(p.why, sizeof p.why, "recall %.4g, %llu of %llu rows: about %.0f us",
                       (double)recall, (unsigned long long)may_answer,
                       (unsigned long long)x->meta.rows, best.ns / 1000));
    *ret = p;
    return LH_OK;
}
