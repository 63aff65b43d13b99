/* vector/vector_finish.c - puts codes into the shapes that searches read: 1-bit codes in blocks of
 * 32 rows, a code for the middle of each group of leaders; and looks at the build as an index, so
 * that the probe runs the very searches users run. */
#include "vector/vector_build_private.h"

static lh_rc block_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    lhi_build *b = arg;
    size_t row_bytes = b->padded / 8;
    (void)w;
    for (uint64_t block = first; block < end; block++) {
        uint8_t *to = (uint8_t *)b->b1_blocks.ptr + block * b->padded * 4;
        for (uint64_t r = 0; r < 32 && block * 32 + r < b->rows; r++) {
            const uint8_t *bits = (const uint8_t *)b->b1.ptr + (block * 32 + r) * row_bytes;
            unsigned up = r < 16 ? 0 : 4;
            for (size_t i = 0; i < row_bytes; i++) {
                to[i * 32 + r % 16] |= (uint8_t)((bits[i] & 15u) << up);
                to[i * 32 + 16 + r % 16] |= (uint8_t)(((unsigned)bits[i] >> 4) << up);
            }
        }
    }
    return LH_OK;
}

/* The mean of the leaders' int8 codes, as a 4-bit code. */
static void encode_super(lhi_build *b, uint32_t s, float *values, uint8_t *unused_b1)
{
    uint32_t first = b->super_starts[s];
    uint32_t end = b->super_starts[s + 1];
    memset(values, 0, b->padded * sizeof *values);
    if (first == end)
        return;
    for (uint32_t l = first; l < end; l++) {
        const uint8_t *code = lhi_i8(b, b->leaders[l]);
        for (uint32_t i = 0; i < b->padded; i++)
            values[i] += (float)((int)code[i] - 128);
    }
    float scale = 1.0f / ((float)(end - first) * b->scale);
    for (uint32_t i = 0; i < b->padded; i++)
        values[i] *= scale;
    lh_vector_codes codes = {.i4 = (uint8_t *)b->super_codes.ptr + (size_t)s * (b->padded / 2),
                             .b1 = unused_b1};
    b->kernels->encode.encode(values, b->padded, b->used, b->scale, &codes);
    b->super_factors[s] = codes.i4_factor;
    b->super_halves[s] = codes.half_square;
}

lh_rc lhi_build_arrange(lhi_build *b)
{
    lh_ctx *cx = b->cx;
    uint64_t blocks = (b->rows + 31) / 32;
    LH_TRY(lhi_build_pages(b, &b->b1_blocks, blocks, (size_t)b->padded * 4));
    lhi_loop loop = {block_piece, b, blocks, 64};
    LH_TRY(lhi_vector_parallel(cx, b->threads, &loop));
    lh_pages_free(&b->b1);
    float *values = LH_NEW_ARRAY(cx, float, b->padded);
    uint8_t *bits = LH_NEW_ARRAY(cx, uint8_t, b->padded / 8);
    b->super_factors = LH_NEW_ARRAY(cx, float, (size_t)b->supers + 1);
    b->super_halves = LH_NEW_ARRAY(cx, float, (size_t)b->supers + 1);
    if (!values || !bits || !b->super_factors || !b->super_halves)
        return cx->err.rc;
    LH_TRY(lhi_build_pages(b, &b->super_codes, b->supers, b->padded / 2));
    for (uint32_t s = 0; s < b->supers; s++)
        encode_super(b, s, values, bits);
    return LH_OK;
}

void lhi_build_as_index(const lhi_build *b, lh_vector_index *ret_index)
{
    *ret_index = (lh_vector_index){.kernels = b->kernels,
                                   .mean = b->mean,
                                   .signs = b->signs,
                                   .row_of = LHI_U32(b->row_of),
                                   .i4 = b->i4.ptr,
                                   .i4_factors = LHI_F32(b->i4_factors),
                                   .halves = LHI_F32(b->half_squares),
                                   .b1_blocks = b->b1_blocks.ptr,
                                   .b1_block_bytes = (size_t)b->padded * 4,
                                   .b1_factors = b->b1_factors.ptr,
                                   .list_starts = b->list_starts,
                                   .super_starts = b->super_starts,
                                   .leaders = b->leaders,
                                   .super_codes = b->super_codes.ptr,
                                   .super_factors = b->super_factors,
                                   .super_halves = b->half_squares.ptr ? b->super_halves : NULL,
                                   .graph = LHI_U32(b->graph)};
    lhi_build_meta(b, &ret_index->meta);
}
