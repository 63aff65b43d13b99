/* vector/vector_search.c - one search: check the question, make it ready, choose a plan, run it.
 *
 * Exact search is one of the plans: the truth the others are measured against, and what remains
 * when few rows may answer. */
#include "vector/vector_walk_private.h"

#include <math.h>

#define ROWS_BETWEEN_CHECKS  4096u
#define STEPS_BETWEEN_CHECKS 64u

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

typedef struct run {
    lh_ctx *cx;
    const lh_vector_index *index;
    const lh_vector_query *query;
    lhi_vector_allowed allowed;
    const float *values;
    lhi_vector_best best;
    lh_vector_search_stats *stats;
    lhi_plan_choice plan;
    lhi_scratch *scratch;
} run;

static int is_example(const lhi_vector_allowed *a, uint64_t row)
{
    for (size_t i = 0; i < a->never_count; i++)
        if (a->never[i] == row)
            return 1;
    for (size_t i = 0; i < a->never2_count; i++)
        if (a->never2[i] == row)
            return 1;
    return 0;
}

/* ---- exact scores ---- */

static lh_rc offer_exact(run *r, uint64_t row)
{
    LH_TRY(lhi_vector_check_row(r->cx, r->index, row));
    if (++r->stats->exact % ROWS_BETWEEN_CHECKS == 0)
        LH_TRY(lh_ctx_check(r->cx));
    if (is_example(&r->allowed, row))
        return LH_OK;
    float score = lhi_vector_exact(r->index, r->values, row);
    if (!r->query->has_score_min || score >= r->query->score_min)
        lhi_vector_best_offer(&r->best, (lh_vector_hit){row, score});
    return LH_OK;
}

static void prefetch_row(const lh_vector_index *x, uint64_t row)
{
    const char *at = (const char *)x->rows + row * x->row_bytes;
    for (size_t i = 0; i < x->row_bytes; i += 64)
        __builtin_prefetch(at + i);
}

#define ROWS_AHEAD 4u

/* Exact scores of places; place_at reads the i-th. */
static lh_rc rerank(run *r, uint32_t count, uint32_t (*place_at)(const run *r, uint32_t i))
{
    const uint32_t *row_of = r->index->row_of;
    for (uint32_t i = 0; i < LH_MIN(count, ROWS_AHEAD); i++)
        prefetch_row(r->index, row_of[place_at(r, i)]);
    for (uint32_t i = 0; i < count; i++) {
        if (i + ROWS_AHEAD < count)
            prefetch_row(r->index, row_of[place_at(r, i + ROWS_AHEAD)]);
        LH_TRY(offer_exact(r, row_of[place_at(r, i)]));
    }
    return LH_OK;
}

static uint32_t key_place(const run *r, uint32_t i)
{
    return lh_vector_key_row(r->scratch->keys[i]);
}

static uint32_t pool_place(const run *r, uint32_t i)
{
    return r->scratch->pool[i].place & ~LHI_EXPANDED;
}

static uint32_t answer_place(const run *r, uint32_t i)
{
    return r->scratch->answers[i].place;
}

/* ---- plans ---- */

/* Calls fn for every row that may answer, in order. */
static lh_rc each_allowed(run *r, lh_rc (*fn)(run *r, uint64_t row))
{
    const lhi_vector_allowed *a = &r->allowed;
    uint64_t rows = r->index->meta.rows;
    for (size_t i = 0; a->list && i < a->list_count; i++)
        LH_TRY(fn(r, a->list[i]));
    if (a->list)
        return LH_OK;
    for (uint64_t w = 0; w * 64 < rows; w++) {
        for (uint64_t bits = a->words ? a->words[w] : ~0ull; bits; bits &= bits - 1) {
            uint64_t row = w * 64 + (uint64_t)__builtin_ctzll(bits);
            if (row < rows)
                LH_TRY(fn(r, row));
        }
    }
    return LH_OK;
}

static lh_rc run_exact(run *r)
{
    r->stats->plan = "exact";
    return each_allowed(r, offer_exact);
}

static lh_rc note_place(run *r, uint64_t row)
{
    r->scratch->keys[r->scratch->keys_count++] = lh_vector_key(0, r->index->place_of[row]);
    return LH_OK;
}

/* Examples are left out at the end: as many more candidates. */
static uint32_t exact_most(const run *r)
{
    uint64_t more = r->allowed.never_count + r->allowed.never2_count;
    return (uint32_t)LH_MIN(r->plan.exact + more, (uint64_t)LHI_DEPTH_MAX);
}

static lh_rc run_scan(run *r)
{
    r->stats->plan = "scan";
    LH_TRY(lhi_scratch_keys(r->cx, r->scratch, (size_t)r->allowed.count + 1));
    r->scratch->keys_count = 0;
    LH_TRY(each_allowed(r, note_place));
    uint32_t count = (uint32_t)r->scratch->keys_count;
    r->stats->evaluations += count;
    uint32_t kept = count ? lhi_i4_select(r->index, r->scratch, count, exact_most(r)) : 0;
    return rerank(r, kept, key_place);
}

static lh_rc note_allowed(run *r, uint64_t row)
{
    uint32_t place = r->index->place_of[row];
    r->scratch->allowed[place / 64] |= 1ull << (place % 64);
    return LH_OK;
}

static lh_rc run_flat(run *r)
{
    const uint64_t *places = NULL;
    r->stats->plan = "flat";
    r->stats->ef = r->plan.depth;
    lhi_code_query_b1(r->index, &r->scratch->query);
    if (r->allowed.words || r->allowed.list) {
        memset(r->scratch->allowed, 0, (size_t)(r->index->meta.rows / 64 + 1) * sizeof(uint64_t));
        LH_TRY(each_allowed(r, note_allowed));
        places = r->scratch->allowed;
    }
    uint32_t depth = LH_MAX(r->plan.depth, exact_most(r));
    LH_TRY(lhi_flat_scan(r->cx, r->index, r->scratch, places, depth, &r->stats->scanned));
    uint32_t count = (uint32_t)r->scratch->keys_count;
    r->stats->evaluations += count;
    uint32_t kept = count ? lhi_i4_select(r->index, r->scratch, count, exact_most(r)) : 0;
    return rerank(r, kept, key_place);
}

/* The walk tests rows in a bitmap. */
static const lhi_vector_allowed *as_bitmap(run *r, lhi_vector_allowed *bits)
{
    *bits = r->allowed;
    if (r->allowed.list) {
        memset(r->scratch->allowed, 0, (size_t)(r->index->meta.rows / 64 + 1) * sizeof(uint64_t));
        for (size_t i = 0; i < r->allowed.list_count; i++)
            r->scratch->allowed[r->allowed.list[i] / 64] |= 1ull << (r->allowed.list[i] % 64);
        bits->words = r->scratch->allowed;
    }
    return bits->words ? bits : NULL;
}

static lh_rc run_graph(run *r)
{
    lhi_vector_allowed bits;
    lhi_walk w = {.index = r->index,
                  .query = &r->scratch->query,
                  .scratch = r->scratch,
                  .allowed = as_bitmap(r, &bits),
                  .ef = r->plan.ef,
                  .answers_most = LH_MIN(exact_most(r), LHI_EF_MAX)};
    lh_rc rc = LH_OK;
    r->stats->plan = "graph";
    r->stats->ef = w.ef;
    lhi_walk_begin(&w);
    for (uint32_t steps = 1; rc == LH_OK && lhi_walk_gather(&w); steps++) {
        lhi_walk_score(&w);
        if (steps % STEPS_BETWEEN_CHECKS == 0)
            rc = lh_ctx_check(r->cx);
    }
    lhi_walk_end(&w);
    r->stats->evaluations += w.evaluations;
    r->stats->hops += w.hops;
    LH_TRY(rc);
    if (w.allowed)
        return rerank(r, LH_MIN(w.answers, exact_most(r)), answer_place);
    return rerank(r, LH_MIN(w.count, exact_most(r)), pool_place);
}

static lh_rc run_plan(run *r)
{
    switch (r->plan.plan) {
    case LH_VECTOR_PLAN_SCAN: return run_scan(r);
    case LH_VECTOR_PLAN_FLAT: return run_flat(r);
    case LH_VECTOR_PLAN_GRAPH: return run_graph(r);
    default: return run_exact(r);
    }
}

static lh_rc with_scratch(run *r)
{
    LH_TRY(lhi_plan(r->cx, r->index, r->query, r->allowed.count, &r->plan));
    memcpy(r->stats->why, r->plan.why, sizeof r->stats->why);
    if (r->plan.plan == LH_VECTOR_PLAN_EXACT || r->allowed.count == 0)
        return run_exact(r);
    LH_TRY(lhi_scratch_get(r->cx, r->index, &r->scratch));
    lhi_code_query(r->index, r->values, &r->scratch->query);
    lh_rc rc = run_plan(r);
    lhi_scratch_put(r->index, r->scratch);
    return rc;
}

lh_rc lh_vector_index_search(lh_ctx *cx, const lh_vector_index *index, const lh_vector_query *query,
                             lh_vector_hit *ret_hits, uint32_t *ret_count,
                             lh_vector_search_stats *ret_stats)
{
    float values[LH_VECTOR_DIMENSIONS_MAX];
    lh_vector_search_stats stats = {.plan = "exact"};
    LH_TRY(lh_ctx_check(cx));
    LH_TRY(check_query(cx, index, query));
    LH_TRY(lhi_vector_query_values(cx, index, query, values));
    run r = {.cx = cx,
             .index = index,
             .query = query,
             .values = values,
             .best = {ret_hits, 0, query->k},
             .stats = &stats};
    allow(index, query, &r.allowed);
    LH_TRY(with_scratch(&r));
    lhi_vector_best_sort(&r.best);
    *ret_count = r.best.count;
    stats.evaluations += stats.exact;
    if (ret_stats)
        *ret_stats = stats;
    return LH_OK;
}

lh_rc lh_vector_index_search_batch(lh_ctx *cx, const lh_vector_index *index,
                                   const lh_vector_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        lh_assert(batch->queries[i].k <= batch->hits_stride);
        LH_TRY(lh_vector_index_search(cx, index, &batch->queries[i],
                                      batch->hits + i * batch->hits_stride, &batch->counts[i],
                                      batch->stats ? &batch->stats[i] : NULL));
    }
    return LH_OK;
}
