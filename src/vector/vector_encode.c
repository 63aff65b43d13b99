/* vector/vector_encode.c - reads the rows once and keeps only codes of them.
 *
 * Centre and scale come from a sample in a fixed stride, so a second reading is not needed. Rows
 * are centred because embeddings lie in a cone: the common part says nothing about who is near. */
#include "vector/vector_build_private.h"

#include "vector/vector_half_private.h"

#include <math.h>

#define LENGTH_INVERSE_MIN 1e-15f /* squares of longer rows leave the range of floats */
#define SAMPLE_ROWS        20000u
#define SAMPLE_RUN         512u
#define ROWS_PER_PIECE     256u
#define SCALE_DEVIATIONS   4.2f /* int8 reaches so far; beyond is cut */
#define UNEVEN_TO_ROTATE   8.0  /* largest variance of a dimension against the mean */

/* One over the length; 0 for a zero row. Doubles only where floats overflow or vanish. */
lh_rc lhi_vector_inverse_norm(lh_ctx *cx, const lh_vector_kernels *kernels, const float *row,
                              uint32_t dimensions, float *ret_inverse)
{
    float quick = kernels->floats.dot_f32(row, row, dimensions);
    if (isfinite(quick) && quick > 1e-20f) {
        *ret_inverse = 1.0f / sqrtf(quick);
        return LH_OK;
    }
    double square = 0;
    for (uint32_t i = 0; i < dimensions; i++)
        square += (double)row[i] * (double)row[i];
    if (!isfinite(square))
        return lh_fail(cx, LH_E_BAD_VALUE, "a vector holds NaN or infinity");
    *ret_inverse = square > 0 ? (float)(1.0 / sqrt(square)) : 0.0f;
    return LH_OK;
}

static lh_rc read_rows(lh_ctx *cx, const lhi_build *b, uint64_t first, size_t rows, float *out)
{
    if (!b->source->floats)
        return b->source->read(cx, b->source->arg, first, rows, out);
    memcpy(out, b->source->floats + first * b->dimensions, rows * b->dimensions * sizeof(float));
    return LH_OK;
}

/* As scores see it: of length one for cosine. */
static lh_rc prepare(lh_ctx *cx, const lhi_build *b, uint64_t row, float *values)
{
    float inverse;
    lh_rc rc = lhi_vector_inverse_norm(cx, b->kernels, values, b->dimensions, &inverse);
    if (rc != LH_OK)
        return lh_err_prefix(cx, "row %llu", (unsigned long long)row);
    if (b->options->metric == LH_VECTOR_COSINE)
        for (uint32_t i = 0; i < b->dimensions; i++)
            values[i] *= inverse;
    else if (inverse > 0 && inverse < LENGTH_INVERSE_MIN)
        return lh_fail(cx, LH_E_BAD_VALUE, "row %llu is longer than 1e15", (unsigned long long)row);
    return LH_OK;
}

lh_rc lhi_build_row(lh_ctx *cx, const lhi_build *b, uint64_t row, float *out)
{
    LH_TRY(read_rows(cx, b, row, 1, out));
    return prepare(cx, b, row, out);
}

/* Sums of a run of the sample; the runs are added in order, so that threads do not matter. */
typedef struct sampling {
    const lhi_build *b;
    uint64_t stride;
    double *sums; /* runs x (sums, then squares) */
} sampling;

static lh_rc sample_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    const sampling *s = arg;
    const uint32_t n = s->b->dimensions;
    double *sums = s->sums + first / SAMPLE_RUN * 2 * n;
    double *squares = sums + n;
    float *row = lhi_worker_memory(w, n * sizeof(float));
    if (!row)
        return w->cx->err.rc;
    for (uint64_t i = first; i < end; i++) {
        LH_TRY(lhi_build_row(w->cx, s->b, i * s->stride, row));
        for (uint32_t d = 0; d < n; d++) {
            sums[d] += (double)row[d];
            squares[d] += (double)row[d] * (double)row[d];
        }
    }
    return LH_OK;
}

/* To b->mean, and the variance of every dimension. */
static lh_rc sample_mean(lhi_build *b, double *variance)
{
    const uint32_t n = b->dimensions;
    sampling s = {.b = b, .stride = LH_MAX(b->rows / SAMPLE_ROWS, 1u)};
    uint64_t count = (b->rows + s.stride - 1) / s.stride;
    uint64_t runs = (count + SAMPLE_RUN - 1) / SAMPLE_RUN;
    s.sums = LH_NEW_ARRAY(b->cx, double, (size_t)runs * 2 * n);
    if (!s.sums)
        return b->cx->err.rc;
    lhi_loop loop = {sample_piece, &s, count, SAMPLE_RUN};
    LH_TRY(lhi_vector_parallel(b->cx, b->threads, &loop));
    for (uint64_t run = 1; run < runs; run++)
        for (uint32_t i = 0; i < 2 * n; i++)
            s.sums[i] += s.sums[run * 2 * n + i];
    for (uint32_t i = 0; count > 0 && i < n; i++) {
        double mean = s.sums[i] / (double)count;
        b->mean[i] = (float)mean;
        variance[i] = LH_MAX(s.sums[n + i] / (double)count - mean * mean, 0);
    }
    return LH_OK;
}

lh_rc lhi_build_sample(lhi_build *b)
{
    lh_ctx *cx = b->cx;
    double *variance = LH_NEW_ARRAY(cx, double, b->dimensions);
    b->mean = LH_NEW_ARRAY(cx, float, b->padded);
    if (!variance || !b->mean)
        return cx->err.rc;
    LH_TRY(sample_mean(b, variance));
    double total = 0;
    double largest = 0;
    for (uint32_t i = 0; i < b->dimensions; i++) {
        total += variance[i];
        largest = LH_MAX(largest, variance[i]);
    }
    int uneven = largest * b->dimensions > UNEVEN_TO_ROTATE * total;
    int rotate = b->options->rotation == LH_VECTOR_ROTATE_ON ||
                 (b->options->rotation == LH_VECTOR_ROTATE_AUTO && uneven && b->dimensions > 1);
    b->used = rotate ? b->padded : b->dimensions;
    float deviation = (float)sqrt(total / b->used);
    b->scale = deviation > 1e-30f ? 127.0f / (SCALE_DEVIATIONS * deviation) : 1.0f;
    if (!isfinite(b->scale))
        b->scale = 1.0f;
    if (!rotate)
        return LH_OK;
    b->signs = LH_NEW_ARRAY(cx, float, 3 * (size_t)b->padded);
    if (!b->signs)
        return cx->err.rc;
    lhi_rotation_signs(b->options->seed, b->padded, b->signs);
    return LH_OK;
}

/* The codes of one prepared row, at its place. */
static void encode_row(const lhi_build *b, uint64_t row, float *values)
{
    for (uint32_t i = 0; i < b->dimensions; i++)
        values[i] -= b->mean[i];
    if (b->signs)
        b->kernels->encode.rotate(b->signs, b->padded, lhi_rotation_block(b->padded), values);
    lh_vector_codes codes = {.i8 = b->i8.ptr ? lhi_i8(b, row) : NULL,
                             .i4 = (uint8_t *)b->i4.ptr + row * (b->padded / 2),
                             .b1 = (uint8_t *)b->b1.ptr + row * (b->padded / 8)};
    b->kernels->encode.encode(values, b->padded, b->used, b->scale, &codes);
    LHI_I32(b->i8_sum)[row] = codes.i8_sum;
    LHI_I32(b->i8_norm)[row] = codes.i8_norm;
    LHI_F32(b->i4_factors)[row] = codes.i4_factor;
    ((uint16_t *)b->b1_factors.ptr)[row] = lhi_bf16_of_f32(codes.b1_factor);
    if (b->half_squares.ptr)
        LHI_F32(b->half_squares)[row] = codes.half_square;
}

static lh_rc encode_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    lhi_build *b = arg;
    size_t rows = (size_t)(end - first);
    float *block =
        lhi_worker_memory(w, ((size_t)ROWS_PER_PIECE * b->dimensions + b->padded) * sizeof(float));
    if (!block)
        return w->cx->err.rc;
    float *values = block + (size_t)ROWS_PER_PIECE * b->dimensions;
    LH_TRY(read_rows(w->cx, b, first, rows, block));
    for (size_t r = 0; r < rows; r++) {
        memset(values, 0, b->padded * sizeof(float));
        memcpy(values, block + r * b->dimensions, b->dimensions * sizeof(float));
        LH_TRY(prepare(w->cx, b, first + r, values));
        encode_row(b, first + r, values);
    }
    return LH_OK;
}

lh_rc lhi_build_encode(lhi_build *b)
{
    uint64_t n = b->rows;
    lhi_build_phase(b, "codes", 0);
    LH_TRY(lhi_build_pages(b, &b->i8, n, b->padded));
    LH_TRY(lhi_build_pages(b, &b->i8_sum, n, sizeof(int32_t)));
    LH_TRY(lhi_build_pages(b, &b->i8_norm, n, sizeof(int32_t)));
    LH_TRY(lhi_build_pages(b, &b->i4, n, b->padded / 2));
    LH_TRY(lhi_build_pages(b, &b->i4_factors, n, sizeof(float)));
    LH_TRY(lhi_build_pages(b, &b->b1, n, b->padded / 8));
    LH_TRY(lhi_build_pages(b, &b->b1_factors, n, sizeof(uint16_t)));
    if (b->options->metric == LH_VECTOR_EUCLIDEAN)
        LH_TRY(lhi_build_pages(b, &b->half_squares, n, sizeof(float)));
    lhi_loop loop = {encode_piece, b, n, ROWS_PER_PIECE};
    return lhi_vector_parallel(b->cx, b->threads, &loop);
}
