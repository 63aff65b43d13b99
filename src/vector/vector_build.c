/* vector/vector_build.c - writes a flat segment: rows are normalised and streamed, so memory does
 * not grow with them. */
#include "vector/vector_private.h"

#include <math.h>

struct lh_vector_builder {
    lh_container_writer *writer;
    uint32_t dimensions;
    lh_vector_metric metric;
    uint64_t rows;
    float *row; /* one normalised row */
};

lh_rc lh_vector_builder_new(lh_ctx *cx, lh_container_sink sink, uint32_t dimensions,
                            lh_vector_metric metric, lh_vector_builder **ret_builder)
{
    if (dimensions == 0 || dimensions > LH_VECTOR_DIMENSIONS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%u dimensions, limits 1 and %u", dimensions,
                       LH_VECTOR_DIMENSIONS_MAX);
    LH_CLEANUP(lh_vector_builder_free) lh_vector_builder *b = lh_alloc_zero(1, sizeof *b);
    if (!b || !(b->row = lh_alloc_zero(dimensions, sizeof(float))))
        return lh_fail(cx, LH_E_NO_MEMORY, "vector builder");
    b->dimensions = dimensions;
    b->metric = metric;
    LH_TRY(lh_container_writer_new(cx, sink, LHI_VECTOR_KIND, LHI_VECTOR_VERSION, &b->writer));
    LH_TRY(lh_container_section_begin(cx, b->writer, LH_S("f32"), sizeof(float)));
    *ret_builder = LH_TAKE(b);
    return LH_OK;
}

static lh_rc add_one(lh_ctx *cx, lh_vector_builder *b, const float *vector)
{
    double square = 0;
    for (uint32_t i = 0; i < b->dimensions; i++)
        square += (double)vector[i] * (double)vector[i];
    if (!isfinite(square))
        return lh_fail(cx, LH_E_BAD_VALUE, "vector %llu holds NaN or infinity",
                       (unsigned long long)b->rows);
    float scale = square > 0 ? (float)(1.0 / sqrt(square)) : 0.0f;
    for (uint32_t i = 0; i < b->dimensions; i++)
        b->row[i] = vector[i] * scale;
    b->rows++;
    return lh_container_section_write(cx, b->writer,
                                      lh_str_n(b->row, b->dimensions * sizeof(float)));
}

lh_rc lh_vector_builder_add(lh_ctx *cx, lh_vector_builder *builder, const float *vectors,
                            size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        LH_TRY(add_one(cx, builder, vectors + r * builder->dimensions));
    return LH_OK;
}

lh_rc lh_vector_builder_finish(lh_ctx *cx, lh_vector_builder *b, uint64_t *ret_file_bytes)
{
    lhi_vector_meta meta = {b->rows, b->dimensions, LHI_VECTOR_FLAT, (uint32_t)b->metric, 0};
    LH_TRY(lh_container_section_end(cx, b->writer));
    LH_TRY(
        lh_container_add(cx, b->writer, LH_S("meta"), sizeof meta, lh_str_n(&meta, sizeof meta)));
    return lh_container_finish(cx, b->writer, ret_file_bytes);
}

lh_vector_builder *lh_vector_builder_free(lh_vector_builder *builder)
{
    if (!builder)
        return NULL;
    lh_container_writer_free(builder->writer);
    lh_free(builder->row);
    return lh_free(builder);
}
