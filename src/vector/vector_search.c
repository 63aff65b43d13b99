/* vector/vector_search.c - one search: check the question, make it ready, choose a plan, run it.
 *
 * Exact search is one of the plans: the truth the others are measured against, and what remains
 * when few rows may answer. */
#include "vector/vector_private.h"

#include <math.h>
#include <stdio.h>

#define ROWS_BETWEEN_CHECKS 4096u

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

typedef struct run {
    lh_ctx *cx;
    const lh_vector_index *index;
    const lh_vector_query *query;
    lhi_vector_allowed allowed;
    const float *values;
    lhi_vector_best best;
    lh_vector_search_stats *stats;
} run;

static lh_rc offer_exact(run *r, uint64_t row)
{
    LH_TRY(lhi_vector_check_row(r->cx, r->index, row));
    if (r->stats->exact++ % ROWS_BETWEEN_CHECKS == 0)
        LH_TRY(lh_ctx_check(r->cx));
    if (is_example(&r->allowed, row))
        return LH_OK;
    float score = lhi_vector_exact(r->index, r->values, row);
    if (!r->query->has_score_min || score >= r->query->score_min)
        lhi_vector_best_offer(&r->best, (lh_vector_hit){row, score});
    return LH_OK;
}

static lh_rc run_exact(run *r)
{
    const lhi_vector_allowed *a = &r->allowed;
    uint64_t rows = r->index->meta.rows;
    r->stats->plan = "exact";
    if (a->list) {
        for (size_t i = 0; i < a->list_count; i++)
            LH_TRY(offer_exact(r, a->list[i]));
        return LH_OK;
    }
    if (!a->words) {
        for (uint64_t row = 0; row < rows; row++)
            LH_TRY(offer_exact(r, row));
        return LH_OK;
    }
    for (uint64_t w = 0; w * 64 < rows; w++) {
        for (uint64_t bits = a->words[w]; bits; bits &= bits - 1) {
            uint64_t row = w * 64 + (uint64_t)__builtin_ctzll(bits);
            if (row < rows)
                LH_TRY(offer_exact(r, row));
        }
    }
    return LH_OK;
}

lh_rc lh_vector_index_search(lh_ctx *cx, const lh_vector_index *index, const lh_vector_query *query,
                             lh_vector_hit *ret_hits, uint32_t *ret_count,
                             lh_vector_search_stats *ret_stats)
{
    float *values;
    lh_vector_search_stats stats = {.plan = "exact"};
    LH_TRY(check_query(cx, index, query));
    LH_TRY(lhi_vector_query_values(cx, index, query, &values));
    run r = {.cx = cx,
             .index = index,
             .query = query,
             .values = values,
             .best = {ret_hits, 0, query->k},
             .stats = &stats};
    allow(index, query, &r.allowed);
    LH_TRY(run_exact(&r));
    lhi_vector_best_sort(&r.best);
    *ret_count = r.best.count;
    stats.evaluations += stats.exact;
    LH_IGNORE(snprintf(stats.why, sizeof stats.why, "%llu rows may answer",
                       (unsigned long long)r.allowed.count));
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
