/* vector/vector_write.c - the sections of a segment, small ones first, rows last. */
#include "vector/vector_build_private.h"

#include "vector/vector_half_private.h"

#define BLOCK_ROWS 256u

void lhi_build_meta(const lhi_build *b, lhi_vector_meta *ret_meta)
{
    const lh_vector_options *o = b->options;
    *ret_meta = (lhi_vector_meta){.rows = b->rows,
                                  .seed = o->seed,
                                  .dimensions = b->dimensions,
                                  .padded = b->padded,
                                  .kind = (uint32_t)b->kind,
                                  .metric = (uint32_t)o->metric,
                                  .preset = (uint32_t)o->preset,
                                  .rows_as = (uint32_t)o->rows_as,
                                  .rotated = b->signs != NULL,
                                  .degree = b->kind == LH_VECTOR_GRAPH ? b->shape.degree : 0,
                                  .lists = b->lists,
                                  .supers = b->supers,
                                  .ef_construction = o->ef_construction};
    memcpy(ret_meta->spread, b->spread, sizeof b->spread);
}

static lh_rc write_items(lhi_build *b, lh_container_writer *out, const char *name, uint64_t items,
                         size_t item_bytes, const void *at)
{
    return lh_container_add(b->cx, out, lh_str_from(name), (uint32_t)item_bytes,
                            lh_str_n(at, (size_t)items * item_bytes));
}

/* Factors of whole blocks of 64 rows, so that a kernel may read to the end of one. */
static lh_rc write_b1_factors(lhi_build *b, lh_container_writer *out)
{
    static const uint16_t zeros[64];
    uint64_t more = (64 - b->rows % 64) % 64;
    LH_TRY(lh_container_section_begin(b->cx, out, LH_S("b1.factors"), sizeof(uint16_t)));
    LH_TRY(lh_container_section_write(b->cx, out,
                                      lh_str_n(b->b1_factors.ptr, b->rows * sizeof(uint16_t))));
    LH_TRY(lh_container_section_write(b->cx, out, lh_str_n(zeros, more * sizeof(uint16_t))));
    return lh_container_section_end(b->cx, out);
}

static lh_rc write_codes(lhi_build *b, lh_container_writer *out)
{
    const size_t u32 = sizeof(uint32_t);
    uint64_t n = b->rows;
    int halves = b->half_squares.ptr != NULL;
    LH_TRY(write_items(b, out, "mean", b->padded, sizeof(float), b->mean));
    LH_TRY(write_items(b, out, "rows", n, u32, b->row_of.ptr));
    LH_TRY(write_items(b, out, "lists", (uint64_t)b->lists + 1, u32, b->list_starts));
    LH_TRY(write_items(b, out, "supers", (uint64_t)b->supers + 1, u32, b->super_starts));
    LH_TRY(write_items(b, out, "leaders", b->lists, u32, b->leaders));
    LH_TRY(write_items(b, out, "supers.i4", b->supers, b->padded / 2, b->super_codes.ptr));
    LH_TRY(write_items(b, out, "supers.factors", b->supers, sizeof(float), b->super_factors));
    if (halves) {
        LH_TRY(write_items(b, out, "supers.halves", b->supers, sizeof(float), b->super_halves));
        LH_TRY(write_items(b, out, "halves", n, sizeof(float), b->half_squares.ptr));
    }
    LH_TRY(write_items(b, out, "b1", (n + 31) / 32, (size_t)b->padded * 4, b->b1_blocks.ptr));
    LH_TRY(write_b1_factors(b, out));
    LH_TRY(write_items(b, out, "i4", n, b->padded / 2, b->i4.ptr));
    LH_TRY(write_items(b, out, "i4.factors", n, sizeof(float), b->i4_factors.ptr));
    if (b->graph.ptr)
        LH_TRY(write_items(b, out, "graph", n, b->shape.degree * u32, b->graph.ptr));
    return write_items(b, out, "sample", 1, sizeof b->sample, &b->sample);
}

/* ---- rows ---- */

typedef struct row_writer {
    lhi_build *b;
    lh_container_writer *out;
    float *block;
    uint16_t *halves;
} row_writer;

static lh_rc write_block(row_writer *w, uint64_t first, size_t rows)
{
    lhi_build *b = w->b;
    size_t values = rows * b->dimensions;
    for (size_t r = 0; r < rows; r++)
        LH_TRY(lhi_build_row(b->cx, b, first + r, w->block + r * b->dimensions));
    if (b->options->rows_as == LH_VECTOR_ROWS_F32)
        return lh_container_section_write(b->cx, w->out,
                                          lh_str_n(w->block, values * sizeof(float)));
    int f16 = b->options->rows_as == LH_VECTOR_ROWS_F16;
    for (size_t i = 0; i < values; i++)
        w->halves[i] = f16 ? lhi_f16_of_f32(w->block[i]) : lhi_bf16_of_f32(w->block[i]);
    return lh_container_section_write(b->cx, w->out,
                                      lh_str_n(w->halves, values * sizeof(uint16_t)));
}

static lh_rc write_norms(row_writer *w)
{
    lhi_build *b = w->b;
    LH_TRY(lh_container_section_begin(b->cx, w->out, LH_S("norms"), sizeof(float)));
    for (uint64_t row = 0; row < b->rows; row++) {
        const float *values = b->source->floats ? b->source->floats + row * b->dimensions : NULL;
        float inverse;
        if (!values) {
            LH_TRY(b->source->read(b->cx, b->source->arg, row, 1, w->block));
            values = w->block;
        }
        LH_TRY(lhi_vector_inverse_norm(b->cx, b->kernels, values, b->dimensions, &inverse));
        LH_TRY(lh_container_section_write(b->cx, w->out, lh_str_n(&inverse, sizeof inverse)));
    }
    return lh_container_section_end(b->cx, w->out);
}

static lh_rc write_rows(row_writer *w)
{
    static const char *const sections[] = {"f32", "f16", "bf16"};
    lhi_build *b = w->b;
    lh_vector_rows_as as = b->options->rows_as;
    if (as == LH_VECTOR_ROWS_EXTERNAL)
        return b->options->metric == LH_VECTOR_COSINE ? write_norms(w) : LH_OK;
    LH_TRY(lh_container_section_begin(b->cx, w->out, lh_str_from(sections[as]),
                                      as == LH_VECTOR_ROWS_F32 ? 4 : 2));
    for (uint64_t row = 0; row < b->rows; row += BLOCK_ROWS) {
        LH_TRY(lh_ctx_check(b->cx));
        LH_TRY(write_block(w, row, (size_t)LH_MIN(b->rows - row, (uint64_t)BLOCK_ROWS)));
    }
    return lh_container_section_end(b->cx, w->out);
}

lh_rc lhi_build_write(lhi_build *b, lh_container_writer *out)
{
    lhi_vector_meta meta;
    row_writer w = {.b = b, .out = out};
    w.block = LH_NEW_ARRAY(b->cx, float, (size_t)BLOCK_ROWS * b->dimensions);
    w.halves = LH_NEW_ARRAY(b->cx, uint16_t, (size_t)BLOCK_ROWS * b->dimensions);
    if (!w.block || !w.halves)
        return b->cx->err.rc;
    lhi_build_phase(b, "write", 0);
    lhi_build_meta(b, &meta);
    LH_TRY(write_items(b, out, "meta", 1, sizeof meta, &meta));
    if (b->kind != LH_VECTOR_EXACT)
        LH_TRY(write_codes(b, out));
    return write_rows(&w);
}
