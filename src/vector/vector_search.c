/* vector/vector_search.c - opens a flat segment and finds the k best rows exactly: one pass, a heap
 * of k.
 *
 * Exact search is the truth other kinds are measured against, and enough for some hundred thousand
 * rows (9 ms for 100,000 x 768, research/duckdb.md section 2). */
#include "vector/vector_kernels.h"
#include "vector/vector_private.h"

#include <math.h>

#define ROWS_BETWEEN_CHECKS 8192u

struct lh_vector_index {
    lh_str bytes;
    const float *rows;
    lhi_vector_meta meta;
    const lh_vector_kernels *kernels;
};

lh_rc lh_vector_index_open(lh_ctx *cx, lh_str bytes, lh_vector_index **ret_index)
{
    lh_container c;
    lh_str meta_bytes;
    lh_str rows;
    LH_TRY(lh_container_open(cx, bytes, LHI_VECTOR_KIND, &c));
    if (c.kind_version != LHI_VECTOR_VERSION)
        return lh_fail(cx, LH_E_CORRUPT, "vector segment of version %u, this program reads %u",
                       c.kind_version, LHI_VECTOR_VERSION);
    lhi_vector_meta meta;
    LH_TRY(lh_container_get(cx, &c, LH_S("meta"), sizeof meta, &meta_bytes));
    LH_TRY(lh_container_get(cx, &c, LH_S("f32"), sizeof(float), &rows));
    if (meta_bytes.len != sizeof meta)
        return lh_fail(cx, LH_E_CORRUPT, "vector segment: meta of %zu bytes", meta_bytes.len);
    memcpy(&meta, meta_bytes.ptr, sizeof meta);
    uint64_t floats = rows.len / sizeof(float);
    if (meta.kind != LHI_VECTOR_FLAT || meta.metric != LH_VECTOR_COSINE || meta.dimensions == 0 ||
        meta.dimensions > LH_VECTOR_DIMENSIONS_MAX || floats % meta.dimensions != 0 ||
        floats / meta.dimensions != meta.rows || meta.rows >= UINT32_MAX)
        return lh_fail(cx, LH_E_CORRUPT, "vector segment: meta does not fit its rows");
    lh_vector_index *index = lh_alloc_zero(1, sizeof *index);
    if (!index)
        return lh_fail(cx, LH_E_NO_MEMORY, "vector index");
    *index = (lh_vector_index){bytes, (const float *)(const void *)rows.ptr, meta,
                               lh_vector_kernels_get()};
    *ret_index = index;
    return LH_OK;
}

lh_vector_index *lh_vector_index_close(lh_vector_index *index)
{
    return lh_free(index);
}

void lh_vector_index_stats(const lh_vector_index *index, lh_vector_stats *ret_stats)
{
    *ret_stats = (lh_vector_stats){.kind = "flat",
                                   .rows = index->meta.rows,
                                   .dimensions = index->meta.dimensions,
                                   .bytes_mapped = index->bytes.len,
                                   .bytes_resident = sizeof *index,
                                   .simd = index->kernels->name};
}

/* a is a worse answer than b: lower score, or equal and a later row. */
static int worse(lh_vector_hit a, lh_vector_hit b)
{
    return a.score < b.score || (a.score == b.score && a.row > b.row);
}

/* Moves the root down; the heap keeps the worst answer on top. */
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

static void offer(lh_vector_hit *heap, uint32_t *count, uint32_t k, lh_vector_hit hit)
{
    if (*count == k) {
        if (worse(hit, heap[0]) || k == 0)
            return;
        heap[0] = hit;
        sift_down(heap, k, 0);
        return;
    }
    uint32_t at = (*count)++;
    while (at > 0 && worse(hit, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = hit;
}

static void sort_best_first(lh_vector_hit *heap, uint32_t count)
{
    for (uint32_t end = count; end > 1; end--) {
        lh_vector_hit worst = heap[0];
        heap[0] = heap[end - 1];
        sift_down(heap, end - 1, 0);
        heap[end - 1] = worst;
    }
}

static lh_rc normalise(lh_ctx *cx, const lh_vector_index *index, const float *vector, float **ret)
{
    uint32_t dimensions = index->meta.dimensions;
    float *unit = LH_NEW_ARRAY(cx, float, dimensions);
    if (!unit)
        return cx->err.rc;
    double square = 0;
    for (uint32_t i = 0; i < dimensions; i++)
        square += (double)vector[i] * (double)vector[i];
    if (!isfinite(square) || square == 0) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "the query vector is zero, NaN or infinite"));
        return lh_err_field(cx, "vector");
    }
    float scale = (float)(1.0 / sqrt(square));
    for (uint32_t i = 0; i < dimensions; i++)
        unit[i] = vector[i] * scale;
    *ret = unit;
    return LH_OK;
}

lh_rc lh_vector_index_search(lh_ctx *cx, const lh_vector_index *index, const lh_vector_query *query,
                             lh_vector_hit *ret_hits, uint32_t *ret_count,
                             lh_vector_search_stats *ret_stats)
{
    lh_assert(query->k > 0 && query->k <= LH_VECTOR_K_MAX);
    lh_assert(!query->filter || query->filter->rows == index->meta.rows);
    float *unit;
    LH_TRY(normalise(cx, index, query->vector, &unit));
    uint32_t dimensions = index->meta.dimensions;
    uint32_t count = 0;
    uint64_t evaluations = 0;
    for (uint64_t row = 0; row < index->meta.rows; row++) {
        if (row % ROWS_BETWEEN_CHECKS == 0)
            LH_TRY(lh_ctx_check(cx));
        if (query->filter && !lh_bitmap_get(query->filter, row))
            continue;
        float score = index->kernels->dot(index->rows + row * dimensions, unit, dimensions);
        evaluations++;
        offer(ret_hits, &count, query->k, (lh_vector_hit){row, score});
    }
    sort_best_first(ret_hits, count);
    *ret_count = count;
    *ret_stats = (lh_vector_search_stats){evaluations, "flat"};
    return LH_OK;
}
