/* vector/vector_search.c - a search: check the question, make it ready, run a plan; alone or
 * several side by side. */
#include "vector/vector_run_private.h"

#include <math.h>

#define WALKS             4u   /* side by side: while one waits for memory the others compute */
#define DIVERSE_K_MAX     200u /* pairs grow with its square */
#define DIVERSE_TIMES     4u   /* candidates per answer */
#define STEPS_BEFORE_LOOK 64u

static lh_rc bad(lh_ctx *cx, const char *field, const char *what)
{
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "%s", what));
    return lh_err_field(cx, "%s", field);
}

static lh_rc check_query(lh_ctx *cx, const lh_vector_index *index, const lh_vector_query *q)
{
    uint64_t rows = index->meta.rows;
    if (q->k == 0 || q->k > LH_VECTOR_K_MAX)
        return bad(cx, "k", "k is 1 to 10000");
    if (q->filter && q->rows)
        return bad(cx, "filter", "a bitmap and a list of rows were both given");
    if (q->filter && q->filter->words && q->filter->rows != rows)
        return bad(cx, "filter", "the bitmap is for another number of rows");
    for (size_t i = 0; q->rows && i < q->rows_count; i++) {
        if (q->rows[i] >= rows || (i > 0 && q->rows[i] <= q->rows[i - 1]))
            return bad(cx, "rows", "rows must rise and be rows of the index");
    }
    if (!(q->recall >= 0 && q->recall <= 1))
        return bad(cx, "recall", "recall is 0 to 1");
    if (!(q->diversity >= 0 && q->diversity <= 1))
        return bad(cx, "diversity", "diversity is 0 to 1");
    if (q->ef_search != 0 && (q->ef_search < LH_VECTOR_EF_SEARCH_MIN || q->ef_search > 4096))
        return bad(cx, "ef_search", "ef_search is 10 to 4096");
    if (q->diversity > 0 && q->k > DIVERSE_K_MAX)
        return bad(cx, "diversity", "with diversity k is at most 200");
    if (q->has_score_min && !isfinite(q->score_min))
        return bad(cx, "score_min", "score_min is no number");
    return LH_OK;
}

static void allow(const lh_vector_index *index, const lh_vector_query *q, lhi_vector_allowed *a)
{
    *a = (lhi_vector_allowed){.count = index->meta.rows};
    if (!q->vector) {
        a->never = q->like;
        a->never_count = q->like_count;
        a->never2 = q->unlike;
        a->never2_count = q->unlike_count;
    }
    if (q->rows) {
        a->list = q->rows;
        a->list_count = q->rows_count;
        a->count = q->rows_count;
    } else if (q->filter && q->filter->words) {
        a->words = q->filter->words;
        a->count = 0;
        for (uint64_t w = 0; w < index->meta.rows / 64; w++)
            a->count += (uint64_t)__builtin_popcountll(a->words[w]);
        uint64_t rest = index->meta.rows % 64;
        if (rest)
            a->count += (uint64_t)__builtin_popcountll(a->words[index->meta.rows / 64] &
                                                       ((1ull << rest) - 1));
    }
}

/* With diversity, more hits than asked for are found first: into the arena. */
static lh_rc begin(lh_ctx *cx, lhi_run *r, const lh_vector_query *query, float *values,
                   lh_vector_hit *hits)
{
    LH_TRY(lh_ctx_check(cx));
    LH_TRY(check_query(cx, r->index, query));
    LH_TRY(lhi_vector_query_values(cx, r->index, query, values));
    r->cx = cx;
    r->query = query;
    r->values = values;
    r->best = (lhi_vector_best){hits, 0, query->k};
    *r->stats = (lh_vector_search_stats){.plan = "exact"};
    allow(r->index, query, &r->allowed);
    LH_TRY(lhi_run_begin(r));
    if (query->diversity > 0) {
        r->best.k = query->k * DIVERSE_TIMES;
        r->best.hits = LH_NEW_ARRAY(cx, lh_vector_hit, r->best.k);
        r->plan.exact = LH_MAX(r->plan.exact, r->best.k);
        r->plan.ef = LH_MAX(r->plan.ef, r->best.k);
        r->plan.kept = LH_MAX(r->plan.kept, r->best.k);
        if (!r->best.hits)
            return cx->err.rc;
    }
    return LH_OK;
}

static lh_rc finish(lhi_run *r, lh_vector_hit *hits, uint32_t *ret_count)
{
    lhi_vector_best_sort(&r->best);
    r->stats->evaluations += r->stats->exact;
    *ret_count = r->best.count;
    if (r->best.hits == hits)
        return LH_OK;
    lhi_vector_best out = {hits, 0, r->query->k};
    LH_TRY(lhi_vector_diversify(r->cx, r->index, r->query->diversity, &r->best, &out));
    *ret_count = out.count;
    return LH_OK;
}

lh_rc lh_vector_index_search(lh_ctx *cx, const lh_vector_index *index, const lh_vector_query *query,
                             lh_vector_hit *ret_hits, uint32_t *ret_count,
                             lh_vector_search_stats *ret_stats)
{
    LHI_UNSET float values[LH_VECTOR_DIMENSIONS_MAX];
    lh_vector_search_stats stats;
    lhi_run r = {.index = index, .stats = &stats};
    lh_rc rc = begin(cx, &r, query, values, ret_hits);
    if (rc == LH_OK)
        rc = lhi_run_plan(&r);
    lhi_run_end(&r);
    LH_TRY(rc);
    LH_TRY(finish(&r, ret_hits, ret_count));
    if (ret_stats)
        *ret_stats = stats;
    return LH_OK;
}

/* ---- several ---- */

typedef struct lane {
    lhi_run run;
    lh_vector_search_stats stats;
    size_t at; /* query */
    int walking;
    float *values;
} lane;

typedef struct lanes {
    lh_ctx *cx;
    const lh_vector_index *index;
    const lh_vector_batch *batch;
    lane lane[WALKS];
    size_t next;
} lanes;

static lh_rc complete(lanes *l, lane *n, lh_rc rc)
{
    const lh_vector_batch *b = l->batch;
    n->walking = 0;
    lhi_run_end(&n->run);
    LH_TRY(rc);
    LH_TRY(finish(&n->run, b->hits + n->at * b->hits_stride, &b->counts[n->at]));
    if (b->stats)
        b->stats[n->at] = n->stats;
    return LH_OK;
}

/* Takes queries until one walks; the others are answered at once. */
static lh_rc take(lanes *l, lane *n)
{
    const lh_vector_batch *b = l->batch;
    while (l->next < b->count) {
        n->at = l->next++;
        lh_assert(b->queries[n->at].k <= b->hits_stride);
        n->run = (lhi_run){.index = l->index, .stats = &n->stats};
        lh_rc rc =
            begin(l->cx, &n->run, &b->queries[n->at], n->values, b->hits + n->at * b->hits_stride);
        if (rc == LH_OK && n->run.plan.plan == LH_VECTOR_PLAN_GRAPH) {
            lhi_run_walk_begin(&n->run);
            n->walking = 1;
            return LH_OK;
        }
        if (rc == LH_OK)
            rc = lhi_run_plan(&n->run);
        LH_TRY(complete(l, n, rc));
    }
    return LH_OK;
}

static lh_rc advance(lanes *l, lane *n)
{
    if (lhi_walk_step(&n->run.walk))
        return LH_OK;
    lhi_walk_end(&n->run.walk);
    LH_TRY(complete(l, n, lhi_run_walk_finish(&n->run)));
    return take(l, n);
}

static lh_rc run_lanes(lanes *l)
{
    for (size_t i = 0; i < WALKS; i++)
        LH_TRY(take(l, &l->lane[i]));
    for (uint32_t steps = 1;; steps++) {
        int walking = 0;
        for (size_t i = 0; i < WALKS; i++) {
            if (!l->lane[i].walking)
                continue;
            LH_TRY(advance(l, &l->lane[i]));
            walking = 1;
        }
        if (!walking)
            return LH_OK;
        if (steps % STEPS_BEFORE_LOOK == 0)
            LH_TRY(lh_ctx_check(l->cx));
    }
}

lh_rc lh_vector_index_search_batch(lh_ctx *cx, const lh_vector_index *index,
                                   const lh_vector_batch *batch)
{
    lanes l = {.cx = cx, .index = index, .batch = batch};
    for (size_t i = 0; i < WALKS; i++) {
        l.lane[i].values = LH_NEW_ARRAY(cx, float, index->meta.dimensions);
        if (!l.lane[i].values)
            return cx->err.rc;
    }
    lh_rc rc = run_lanes(&l);
    for (size_t i = 0; i < WALKS; i++) {
        if (l.lane[i].walking)
            lhi_walk_end(&l.lane[i].run.walk);
        lhi_run_end(&l.lane[i].run);
    }
    return rc;
}
