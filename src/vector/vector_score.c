/* vector/vector_score.c - makes a query ready and keeps the best answers.
 *
 * Equal scores are ordered by row, so that answers have one order however they were found. */
#include "vector/vector_build_private.h"

static lh_rc unit_length(lh_ctx *cx, const lh_vector_index *index, float *values)
{
    uint32_t n = index->meta.dimensions;
    float inverse;
    if (lhi_vector_inverse_norm(cx, index->kernels, values, n, &inverse) != LH_OK)
        return lh_err_field(cx, "vector");
    if (index->meta.metric != LH_VECTOR_COSINE)
        return LH_OK;
    if (inverse == 0) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "the query vector is zero, it has no direction"));
        return lh_err_field(cx, "vector");
    }
    for (uint32_t i = 0; i < n; i++)
        values[i] *= inverse;
    return LH_OK;
}

/* Adds weight x the mean of rows. */
static lh_rc add_mean(lh_ctx *cx, const lh_vector_index *index, const uint64_t *rows, size_t count,
                      float weight, float *values)
{
    float row[LH_VECTOR_DIMENSIONS_MAX];
    for (size_t r = 0; r < count; r++) {
        LH_TRY(lh_vector_index_row(cx, index, rows[r], row));
        float scale = index->inverse_norms ? index->inverse_norms[rows[r]] : 1.0f;
        scale *= weight / (float)count;
        for (uint32_t i = 0; i < index->meta.dimensions; i++)
            values[i] += row[i] * scale;
    }
    return LH_OK;
}

/* like + (like - unlike): the mean of what is wanted, pushed away from what is not. */
static lh_rc by_example(lh_ctx *cx, const lh_vector_index *index, const lh_vector_query *q,
                        float *values)
{
    if (q->like_count > LH_VECTOR_EXAMPLES_MAX || q->unlike_count > LH_VECTOR_EXAMPLES_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%zu and %zu examples, the most is %d each",
                       q->like_count, q->unlike_count, LH_VECTOR_EXAMPLES_MAX);
    if (q->like_count == 0 && q->unlike_count == 0) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "neither a vector nor examples to look for"));
        return lh_err_field(cx, "vector");
    }
    LH_TRY(add_mean(cx, index, q->like, q->like_count, q->unlike_count > 0 ? 2.0f : 1.0f, values));
    return add_mean(cx, index, q->unlike, q->unlike_count, -1.0f, values);
}

lh_rc lhi_vector_query_values(lh_ctx *cx, const lh_vector_index *index,
                              const lh_vector_query *query, float *values)
{
    if (query->vector)
        memcpy(values, query->vector, index->meta.dimensions * sizeof(float));
    else {
        memset(values, 0, index->meta.dimensions * sizeof(float));
        LH_TRY(by_example(cx, index, query, values));
    }
    return unit_length(cx, index, values);
}

/* a is a worse answer than b: lower score, or equal and a later row. */
static int worse(lh_vector_hit a, lh_vector_hit b)
{
    return a.score < b.score || (a.score == b.score && a.row > b.row);
}

static void sift_down(lh_vector_hit *heap, uint32_t count, uint32_t at)
{
    lh_vector_hit moving = heap[at];
    for (;;) {
        uint32_t child = at * 2 + 1;
        if (child >= count)
            break;
        if (child + 1 < count && worse(heap[child + 1], heap[child]))
            child++;
        if (!worse(heap[child], moving))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

void lhi_vector_best_offer(lhi_vector_best *best, lh_vector_hit hit)
{
    if (best->count == best->k) {
        if (best->k == 0 || worse(hit, best->hits[0]))
            return;
        best->hits[0] = hit;
        sift_down(best->hits, best->k, 0);
        return;
    }
    uint32_t at = best->count++;
    while (at > 0 && worse(hit, best->hits[(at - 1) / 2])) {
        best->hits[at] = best->hits[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    best->hits[at] = hit;
}

void lhi_vector_best_sort(lhi_vector_best *best)
{
    for (uint32_t end = best->count; end > 1; end--) {
        lh_vector_hit worst = best->hits[0];
        best->hits[0] = best->hits[end - 1];
        sift_down(best->hits, end - 1, 0);
        best->hits[end - 1] = worst;
    }
}
