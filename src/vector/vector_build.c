/* vector/vector_build.c - writes a segment: rows first, codes and graph after them, the header
 * last. */
#include "vector/vector_private.h"

#include "vector/vector_half_private.h"

#include <math.h>

#define BLOCK_ROWS 256u

lh_rc lhi_vector_options_check(lh_ctx *cx, const lh_vector_options *o)
{
    if (o->dimensions == 0 || o->dimensions > LH_VECTOR_DIMENSIONS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%u dimensions, limits 1 and %u", o->dimensions,
                       LH_VECTOR_DIMENSIONS_MAX);
    if (o->ef_construction != 0 && (o->ef_construction < LH_VECTOR_EF_CONSTRUCTION_MIN ||
                                    o->ef_construction > LH_VECTOR_EF_CONSTRUCTION_MAX))
        return lh_fail(cx, LH_E_BAD_VALUE, "ef_construction %u, limits %d and %d",
                       o->ef_construction, LH_VECTOR_EF_CONSTRUCTION_MIN,
                       LH_VECTOR_EF_CONSTRUCTION_MAX);
    if (o->metric > LH_VECTOR_EUCLIDEAN || o->kind > LH_VECTOR_EXACT ||
        o->preset > LH_VECTOR_FRESH || o->rows_as > LH_VECTOR_ROWS_EXTERNAL ||
        o->rotation > LH_VECTOR_ROTATE_ON)
        return lh_fail(cx, LH_E_BAD_VALUE, "a vector option that does not exist");
    return LH_OK;
}

/* One over the length, 0 for a zero row; LH_E_BAD_VALUE for a row that is no numbers. */
static lh_rc inverse_norm(lh_ctx *cx, const float *row, uint32_t n, uint64_t number, float *ret)
{
    double square = 0;
    for (uint32_t i = 0; i < n; i++)
        square += (double)row[i] * (double)row[i];
    if (!isfinite(square))
        return lh_fail(cx, LH_E_BAD_VALUE, "vector %llu holds NaN or infinity",
                       (unsigned long long)number);
    *ret = square > 0 ? (float)(1.0 / sqrt(square)) : 0.0f;
    return LH_OK;
}

typedef struct row_writer {
    lh_ctx *cx;
    const lh_vector_options *options;
    const lh_vector_source *source;
    lh_container_writer *out;
    float *block;
    uint16_t *halves;
} row_writer;

static lh_rc write_block(row_writer *w, uint64_t first, size_t rows)
{
    uint32_t n = w->options->dimensions;
    if (w->source->floats)
        memcpy(w->block, w->source->floats + first * n, rows * n * sizeof(float));
    else
        LH_TRY(w->source->read(w->cx, w->source->arg, first, rows, w->block));
    for (size_t r = 0; r < rows; r++) {
        float scale;
        LH_TRY(inverse_norm(w->cx, w->block + r * n, n, first + r, &scale));
        if (w->options->metric == LH_VECTOR_COSINE)
            for (uint32_t i = 0; i < n; i++)
                w->block[r * n + i] *= scale;
    }
    if (w->options->rows_as == LH_VECTOR_ROWS_F32)
        return lh_container_section_write(w->cx, w->out,
                                          lh_str_n(w->block, rows * n * sizeof(float)));
    int f16 = w->options->rows_as == LH_VECTOR_ROWS_F16;
    for (size_t i = 0; i < rows * n; i++)
        w->halves[i] = f16 ? lhi_f16_of_f32(w->block[i]) : lhi_bf16_of_f32(w->block[i]);
    return lh_container_section_write(w->cx, w->out,
                                      lh_str_n(w->halves, rows * n * sizeof(uint16_t)));
}

static lh_rc write_rows(row_writer *w)
{
    static const char *const sections[] = {"f32", "f16", "bf16"};
    const lh_vector_options *o = w->options;
    if (o->rows_as == LH_VECTOR_ROWS_EXTERNAL)
        return LH_OK;
    LH_TRY(lh_container_section_begin(w->cx, w->out, lh_str_from(sections[o->rows_as]),
                                      o->rows_as == LH_VECTOR_ROWS_F32 ? 4 : 2));
    for (uint64_t row = 0; row < w->source->rows; row += BLOCK_ROWS) {
        LH_TRY(lh_ctx_check(w->cx));
        LH_TRY(write_block(w, row, (size_t)LH_MIN(w->source->rows - row, (uint64_t)BLOCK_ROWS)));
    }
    return lh_container_section_end(w->cx, w->out);
}

static lh_rc write_norms(row_writer *w)
{
    const lh_vector_options *o = w->options;
    if (o->rows_as != LH_VECTOR_ROWS_EXTERNAL || o->metric != LH_VECTOR_COSINE)
        return LH_OK;
    LH_TRY(lh_container_section_begin(w->cx, w->out, LH_S("norms"), sizeof(float)));
    for (uint64_t row = 0; row < w->source->rows; row++) {
        const float *values = w->source->floats + row * o->dimensions;
        float scale;
        if (!w->source->floats) {
            LH_TRY(w->source->read(w->cx, w->source->arg, row, 1, w->block));
            values = w->block;
        }
        LH_TRY(inverse_norm(w->cx, values, o->dimensions, row, &scale));
        LH_TRY(lh_container_section_write(w->cx, w->out, lh_str_n(&scale, sizeof scale)));
    }
    return lh_container_section_end(w->cx, w->out);
}

lh_rc lh_vector_build(lh_ctx *cx, const lh_vector_options *options, const lh_vector_source *source,
                      lh_container_sink sink, uint64_t *ret_file_bytes)
{
    LH_TRY(lhi_vector_options_check(cx, options));
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *out = NULL;
    LH_TRY(lh_container_writer_new(cx, sink, LHI_VECTOR_KIND, LHI_VECTOR_VERSION, &out));
    row_writer w = {.cx = cx, .options = options, .source = source, .out = out};
    w.block = LH_NEW_ARRAY(cx, float, (size_t)BLOCK_ROWS * options->dimensions);
    w.halves = LH_NEW_ARRAY(cx, uint16_t, (size_t)BLOCK_ROWS * options->dimensions);
    if (!w.block || !w.halves)
        return cx->err.rc;
    LH_TRY(write_rows(&w));
    LH_TRY(write_norms(&w));
    lhi_vector_meta meta = {.rows = source->rows,
                            .seed = options->seed,
                            .dimensions = options->dimensions,
                            .padded = (options->dimensions + 127) / 128 * 128,
                            .kind = LH_VECTOR_EXACT,
                            .metric = (uint32_t)options->metric,
                            .preset = (uint32_t)options->preset,
                            .rows_as = (uint32_t)options->rows_as,
                            .ef_construction = options->ef_construction};
    LH_TRY(lh_container_add(cx, out, LH_S("meta"), sizeof meta, lh_str_n(&meta, sizeof meta)));
    return lh_container_finish(cx, out, ret_file_bytes);
}
