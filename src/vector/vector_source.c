/* vector/vector_source.c - rows that come once, kept until they can be built from.
 *
 * Chunks instead of one growing array: no row is ever copied again. */
#include "vector/vector_private.h"

#include <math.h>

#define CHUNK_FLOATS (1u << 20)

struct lh_vector_builder {
    lh_container_sink sink;
    lh_vector_options options;
    float **chunks;
    size_t chunks_count;
    size_t chunk_rows;
    uint64_t rows;
};

lh_rc lh_vector_builder_new(lh_ctx *cx, lh_container_sink sink, const lh_vector_options *options,
                            lh_vector_builder **ret_builder)
{
    LH_TRY(lhi_vector_options_check(cx, options));
    lh_vector_builder *b = lh_alloc_zero(1, sizeof *b);
    if (!b)
        return lh_fail(cx, LH_E_NO_MEMORY, "vector builder");
    b->sink = sink;
    b->options = *options;
    b->chunk_rows = CHUNK_FLOATS / options->dimensions;
    *ret_builder = b;
    return LH_OK;
}

static lh_rc add_chunk(lh_ctx *cx, lh_vector_builder *b)
{
    float **grown = lh_realloc_array(b->chunks, b->chunks_count + 1, sizeof *grown);
    if (!grown)
        return lh_fail(cx, LH_E_NO_MEMORY, "vector builder");
    b->chunks = grown;
    grown[b->chunks_count] = lh_alloc(b->chunk_rows * b->options.dimensions * sizeof(float));
    if (!grown[b->chunks_count])
        return lh_fail(cx, LH_E_NO_MEMORY, "vector builder: %llu rows",
                       (unsigned long long)b->rows);
    b->chunks_count++;
    return LH_OK;
}

lh_rc lh_vector_builder_add(lh_ctx *cx, lh_vector_builder *b, const float *vectors, size_t rows)
{
    uint32_t n = b->options.dimensions;
    for (size_t r = 0; r < rows; r++, vectors += n) {
        if (b->rows >= LH_VECTOR_ROWS_MAX)
            return lh_fail(cx, LH_E_TOO_LARGE, "more than %u rows", LH_VECTOR_ROWS_MAX);
        for (uint32_t i = 0; i < n; i++) {
            if (!isfinite(vectors[i]))
                return lh_fail(cx, LH_E_BAD_VALUE, "vector %llu holds NaN or infinity",
                               (unsigned long long)b->rows);
        }
        if (b->rows == b->chunks_count * b->chunk_rows)
            LH_TRY(add_chunk(cx, b));
        memcpy(b->chunks[b->chunks_count - 1] + b->rows % b->chunk_rows * n, vectors,
               n * sizeof(float));
        b->rows++;
    }
    return LH_OK;
}

static lh_rc read_chunks(lh_ctx *cx, void *arg, uint64_t first, size_t rows, float *out)
{
    const lh_vector_builder *b = arg;
    uint32_t n = b->options.dimensions;
    (void)cx;
    while (rows > 0) {
        size_t at = first % b->chunk_rows;
        size_t some = LH_MIN(rows, b->chunk_rows - at);
        memcpy(out, b->chunks[first / b->chunk_rows] + at * n, some * n * sizeof(float));
        out += some * n;
        first += some;
        rows -= some;
    }
    return LH_OK;
}

lh_rc lh_vector_builder_finish(lh_ctx *cx, lh_vector_builder *b, uint64_t *ret_file_bytes)
{
    lh_vector_source source = {.rows = b->rows, .read = read_chunks, .arg = b};
    return lh_vector_build(cx, &b->options, &source, b->sink, ret_file_bytes);
}

lh_vector_builder *lh_vector_builder_free(lh_vector_builder *b)
{
    if (!b)
        return NULL;
    for (size_t i = 0; i < b->chunks_count; i++)
        lh_free(b->chunks[i]);
    lh_free(b->chunks);
    return lh_free(b);
}
