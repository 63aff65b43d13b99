/* embed/kernels_vector.h - the vector kernels, written once over 16 lanes; included by
 * kernels_avx2.c and kernels_avx512.c, which say what 16 lanes are.
 *
 * Owns:    nothing; static functions of the file that includes it.
 * Threads: pure.
 * Limits:  see kernels.h. The includer defines the type v16 (16 floats, or 16 int32 in the same
 *          registers), v_half (its form of a half), TILE_PANELS (1 or 4: panels that fit the
 *          registers beside six rows), the bytes of one word of an
 *          operand (HALF_WORD_BYTES, INT8_WORD_BYTES) and the v_* functions used here.
 * Formats: see kernels.h.
 * Why:     both sets do the same operations on the same lanes in the same order, sums included,
 *          so they give the same bits: an index does not change its meaning with the machine.
 *          Multiplications are fused by name (v_fma), never left to the compiler.
 *
 * The one product (tile): R <= 6 rows times P <= 4 panels, accumulated in named registers along
 * the words of a line. Weights, keys and values (both laid into panels; values of f32 are read in
 * place, a row of the text = a line) all go through it; finish makes a tile's sums into output. */
#ifndef LH_EMBED_KERNELS_VECTOR_H
#define LH_EMBED_KERNELS_VECTOR_H

#include "embed/kernels.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define LHI_INLINE static inline __attribute__((always_inline))

enum { TILE_ROWS = 6, LINE_BYTES = 64 };

/* 2^x for x in [-126, 127]; fitted by tools/fit_kernels.py, error below 2e-9 + rounding. */
LHI_INLINE v16 exp2_of(v16 x)
{
    v16 whole = v_round(x);
    v16 part = v_sub(x, whole);
    v16 p = v_set(0.00015345819701906294f);
    p = v_fma(p, part, v_set(0.0013399936724454165f));
    p = v_fma(p, part, v_set(0.009618489071726799f));
    p = v_fma(p, part, v_set(0.05550328642129898f));
    p = v_fma(p, part, v_set(0.24022646248340607f));
    p = v_fma(p, part, v_set(0.6931471824645996f));
    p = v_fma(p, part, v_set(1.0f));
    return v_mul(p, v_power_of_two(whole));
}

/* e^x for x <= 0, as softmax needs it. */
LHI_INLINE v16 exp_of(v16 x)
{
    return exp2_of(v_max(v_mul(x, v_set(1.44269504f)), v_set(-126.0f)));
}

/* gelu(x) = max(x, 0) - |x| * tail(|x|), tail = upper tail of the normal distribution = 2^p;
 * same source. */
LHI_INLINE v16 gelu_of(v16 x)
{
    v16 size = v_abs(x);
    v16 u = v_min(size, v_set(6.0f));
    v16 p = v_set(3.668858141736564e-07f);
    p = v_fma(p, u, v_set(-7.368955721176462e-06f));
    p = v_fma(p, u, v_set(6.141285848570988e-05f));
    p = v_fma(p, u, v_set(-0.00023938270169310272f));
    p = v_fma(p, u, v_set(-7.193938654381782e-05f));
    p = v_fma(p, u, v_set(0.007031067740172148f));
    p = v_fma(p, u, v_set(-0.05250157415866852f));
    p = v_fma(p, u, v_set(-0.4591972231864929f));
    p = v_fma(p, u, v_set(-1.1511083841323853f));
    p = v_fma(p, u, v_set(-0.9999997615814209f));
    return v_sub(v_max(x, v_set(0.0f)), v_mul(size, exp2_of(p)));
}

/* rows x depth times depth x panels; depth counts words. Line k of panel p of the right side: b +
 * k * line_stride + p * panel_stride. Strides and b in bytes. */
typedef struct product {
    const uint8_t *a;
    size_t a_stride;
    const uint8_t *b;
    size_t line_stride;
    size_t panel_stride;
    size_t depth;
    lh_embed_precision precision;
    lh_embed_epilogue epilogue;
    const lh_embed_linear *layer;    /* bias and column scales; NULL: neither */
    const lh_embed_operand *operand; /* int8: row scales and zeros */
    const float *row_factors;        /* sums are multiplied by these; NULL: not */
    const float *residual;           /* like out */
    void *out;
    size_t out_stride; /* in numbers */
} product;

/* One row of a tile. A struct, not an array: gcc keeps arrays in memory through the inner loop. */
typedef struct tile_row {
    v16 c0, c1, c2, c3;
} tile_row;

/* Bytes of an operand that meet one line. */
LHI_INLINE size_t word_bytes(const lh_embed_precision precision)
{
    return precision == LH_EMBED_PRECISION_F32    ? sizeof(float)
           : precision == LH_EMBED_PRECISION_BF16 ? HALF_WORD_BYTES
                                                  : INT8_WORD_BYTES;
}

LHI_INLINE void tile_step(const lh_embed_precision precision, const int panels, tile_row *row,
                          const uint8_t *a, const tile_row *b)
{
    v_word x = v_word_load(precision, a);
    v_multiply(precision, &row->c0, x, b->c0);
    if (panels > 1)
        v_multiply(precision, &row->c1, x, b->c1);
    if (panels > 2) {
        v_multiply(precision, &row->c2, x, b->c2);
        v_multiply(precision, &row->c3, x, b->c3);
    }
}

LHI_INLINE void tile_keep(const int panels, v16 *sums, const tile_row *row)
{
    sums[0] = row->c0;
    if (panels > 1)
        sums[1] = row->c1;
    if (panels > 2) {
        sums[2] = row->c2;
        sums[3] = row->c3;
    }
}

/* The sums of integer products as numbers; the products of zeros with the weights are taken off. */
LHI_INLINE v16 finish_int8(const product *p, size_t row, size_t column, v16 sum)
{
    v16 scale = v_mul(v_set(p->operand->scales[row]), v_load(p->layer->scales + column));
    return v_mul(v_int_less(sum, p->operand->zeros[row], p->layer->sums + column), scale);
}

LHI_INLINE v16 finish_one(const product *p, size_t row, size_t column, v16 value)
{
    if (p->precision == LH_EMBED_PRECISION_INT8)
        value = finish_int8(p, row, column, value);
    if (p->row_factors != NULL)
        value = v_mul(value, v_set(p->row_factors[row]));
    if (p->layer != NULL)
        value = v_add(value, v_load(p->layer->bias + column));
    if (p->epilogue == LH_EMBED_EPILOGUE_GELU || p->epilogue == LH_EMBED_EPILOGUE_GELU_HALF)
        value = gelu_of(value);
    if (p->epilogue == LH_EMBED_EPILOGUE_RESIDUAL)
        value = v_add(value, v_load(p->residual + row * p->out_stride + column));
    return value;
}

/* Outside the tiles: there are many of those, and this is long. */
static __attribute__((noinline)) void finish(const product *p, size_t row, size_t column,
                                             size_t rows, size_t panels, const v16 *sums)
{
    const bool halves =
        p->epilogue == LH_EMBED_EPILOGUE_STORE_HALF || p->epilogue == LH_EMBED_EPILOGUE_GELU_HALF;
    for (size_t end = row + rows; row < end; row++) {
        for (size_t i = 0; i < panels; i++) {
            size_t at = column + i * LH_EMBED_PANEL;
            v16 value = finish_one(p, row, at, *sums++);
            if (halves)
                v_store_half((v_half *)p->out + row * p->out_stride + at, value);
            else
                v_store((float *)p->out + row * p->out_stride + at, value);
        }
    }
}

LHI_INLINE void tile(const lh_embed_precision precision, const int rows, const int panels,
                     const product *p, size_t row, size_t panel)
{
    const size_t stride = p->a_stride;
    const uint8_t *a = p->a + row * stride;
    const uint8_t *line = p->b + panel * p->panel_stride;
    const tile_row zero = {v_set(0), v_set(0), v_set(0), v_set(0)};
    tile_row r0 = zero, r1 = zero, r2 = zero, r3 = zero, r4 = zero, r5 = zero;
    for (size_t k = 0; k < p->depth; k++, a += word_bytes(precision), line += p->line_stride) {
        tile_row b = zero;
        b.c0 = v_load_line(line);
        if (panels > 1)
            b.c1 = v_load_line(line + p->panel_stride);
        if (panels > 2) {
            b.c2 = v_load_line(line + 2 * p->panel_stride);
            b.c3 = v_load_line(line + 3 * p->panel_stride);
        }
        tile_step(precision, panels, &r0, a, &b);
        if (rows > 1)
            tile_step(precision, panels, &r1, a + stride, &b);
        if (rows > 2)
            tile_step(precision, panels, &r2, a + 2 * stride, &b);
        if (rows > 3)
            tile_step(precision, panels, &r3, a + 3 * stride, &b);
        if (rows > 4)
            tile_step(precision, panels, &r4, a + 4 * stride, &b);
        if (rows > 5)
            tile_step(precision, panels, &r5, a + 5 * stride, &b);
    }
    v16 sums[TILE_ROWS * TILE_PANELS];
    tile_keep(panels, sums, &r0);
    if (rows > 1)
        tile_keep(panels, sums + panels, &r1);
    if (rows > 2)
        tile_keep(panels, sums + 2 * panels, &r2);
    if (rows > 3)
        tile_keep(panels, sums + 3 * panels, &r3);
    if (rows > 4)
        tile_keep(panels, sums + 4 * panels, &r4);
    if (rows > 5)
        tile_keep(panels, sums + 5 * panels, &r5);
    finish(p, row, panel * LH_EMBED_PANEL, (size_t)rows, (size_t)panels, sums);
}

/* All rows of one group of panels: the group's weights stay in the cache while the rows pass. */
LHI_INLINE void tile_column(const lh_embed_precision precision, const int panels, const product *p,
                            size_t rows, size_t panel)
{
    size_t row = 0;
    for (; row + TILE_ROWS <= rows; row += TILE_ROWS)
        tile(precision, TILE_ROWS, panels, p, row, panel);
    switch (rows - row) {
    case 5: tile(precision, 5, panels, p, row, panel); break;
    case 4: tile(precision, 4, panels, p, row, panel); break;
    case 3: tile(precision, 3, panels, p, row, panel); break;
    case 2: tile(precision, 2, panels, p, row, panel); break;
    case 1: tile(precision, 1, panels, p, row, panel); break;
    default: break;
    }
}

LHI_INLINE void multiply_all(const lh_embed_precision precision, const product *p, size_t rows,
                             size_t panels)
{
    size_t panel = 0;
#if TILE_PANELS == 4
    for (; panel + 4 <= panels; panel += 4)
        tile_column(precision, 4, p, rows, panel);
    for (; panel + 2 <= panels; panel += 2)
        tile_column(precision, 2, p, rows, panel);
#endif
    for (; panel < panels; panel++)
        tile_column(precision, 1, p, rows, panel);
}

static void multiply_f32(const product *p, size_t rows, size_t panels)
{
    multiply_all(LH_EMBED_PRECISION_F32, p, rows, panels);
}

static void multiply_half(const product *p, size_t rows, size_t panels)
{
    multiply_all(LH_EMBED_PRECISION_BF16, p, rows, panels);
}

#ifndef INT8_BY_PAIRS
static void multiply_int8(const product *p, size_t rows, size_t panels)
{
    multiply_all(LH_EMBED_PRECISION_INT8, p, rows, panels);
}
#endif

static void linear(const lh_embed_linear *layer, lh_embed_epilogue epilogue, size_t rows,
                   const lh_embed_operand *in, const float *residual, void *out)
{
    static const uint32_t inputs_of_word[] = {1, 2, 4};
    const size_t words = layer->inputs / inputs_of_word[layer->precision];
    const size_t panels = layer->outputs / LH_EMBED_PANEL;
    product p = {.a = in->values,
                 .a_stride = words * word_bytes(layer->precision),
                 .b = layer->panels,
                 .line_stride = LINE_BYTES,
                 .panel_stride = words * LINE_BYTES,
                 .depth = words,
                 .precision = layer->precision,
                 .epilogue = epilogue,
                 .layer = layer,
                 .operand = in,
                 .residual = residual,
                 .out = out,
                 .out_stride = layer->outputs};
    switch (layer->precision) {
    case LH_EMBED_PRECISION_BF16: multiply_half(&p, rows, panels); break;
    case LH_EMBED_PRECISION_INT8: multiply_int8(&p, rows, panels); break;
    case LH_EMBED_PRECISION_F32:
    case LH_EMBED_PRECISIONS: multiply_f32(&p, rows, panels); break;
    }
}

/* Lowest and highest value of a row times its factors, 0 among them. */
LHI_INLINE void range_of(const lh_embed_linear *layer, const float *in, float *ret_low,
                         float *ret_high)
{
    v16 low = v_set(0);
    v16 high = v_set(0);
    for (size_t k = 0; k < layer->inputs; k += LH_EMBED_PANEL) {
        v16 x = v_mul(v_load(in + k), v_load(layer->factors + k));
        low = v_min(low, x);
        high = v_max(high, x);
    }
    *ret_low = -v_largest(v_sub(v_set(0), low));
    *ret_high = v_largest(high);
}

static void encode_int8(const lh_embed_linear *layer, size_t rows, const float *in,
                        const lh_embed_operand *out)
{
    const size_t inputs = layer->inputs;
    v_byte *values = out->values;
    for (size_t r = 0; r < rows; r++, in += inputs, values += inputs) {
        float low;
        float high;
        range_of(layer, in, &low, &high);
        float range = fmaxf(high - low, 1e-12f);
        bool finite = range <= FLT_MAX; /* else a vector that is not finite comes out */
        float inverse = finite ? 255.0f / range : 0.0f;
        out->scales[r] = finite ? range / 255.0f : NAN;
        out->zeros[r] = finite ? (int32_t)lrintf(-low * inverse) : 0;
        for (size_t k = 0; k < inputs; k += LH_EMBED_PANEL) {
            v16 x = v_mul(v_load(in + k), v_load(layer->factors + k));
            v_store_bytes(values + k, v_mul(x, v_set(inverse)), out->zeros[r]);
        }
    }
}

static void encode(const lh_embed_linear *layer, size_t rows, const float *in,
                   const lh_embed_operand *out)
{
    if (layer->precision == LH_EMBED_PRECISION_INT8) {
        encode_int8(layer, rows, in, out);
        return;
    }
    v_half *values = out->values;
    for (size_t i = 0; i < rows * layer->inputs; i += LH_EMBED_PANEL)
        v_store_half(values + i, v_load(in + i));
}

static void layer_norm(const lh_embed_norm *norm, size_t width, size_t rows, const float *in,
                       float *out)
{
    for (size_t r = 0; r < rows; r++, in += width, out += width) {
        v16 sum = v_set(0);
        for (size_t i = 0; i < width; i += LH_EMBED_PANEL)
            sum = v_add(sum, v_load(in + i));
        v16 mean = v_set(v_sum(sum) / (float)width);
        v16 squares = v_set(0);
        for (size_t i = 0; i < width; i += LH_EMBED_PANEL) {
            v16 away = v_sub(v_load(in + i), mean);
            squares = v_fma(away, away, squares);
        }
        float variance = v_sum(squares) / (float)width;
        v16 inverse = v_set(1.0f / sqrtf(variance + norm->epsilon));
        for (size_t i = 0; i < width; i += LH_EMBED_PANEL) {
            v16 unit = v_mul(v_sub(v_load(in + i), mean), inverse);
            v_store(out + i, v_fma(unit, v_load(norm->scale + i), v_load(norm->shift + i)));
        }
    }
}

/* e to the scores less their largest, in place; the scores up to the next multiple of 16 are
 * written too, as 0. Returns the sum. */
LHI_INLINE float soften(float *scores, size_t keys, size_t padded)
{
    for (size_t j = keys; j < padded; j++)
        scores[j] = -INFINITY;
    v16 largest = v_load(scores);
    for (size_t j = LH_EMBED_PANEL; j < padded; j += LH_EMBED_PANEL)
        largest = v_max(largest, v_load(scores + j));
    v16 top = v_set(v_largest(largest));
    v16 sum = v_set(0);
    for (size_t j = 0; j < padded; j += LH_EMBED_PANEL) {
        v16 weight = exp_of(v_sub(v_load(scores + j), top));
        sum = v_add(sum, weight);
        v_store(scores + j, weight);
    }
    return v_sum(sum);
}

/* Weights that sum to 1. */
static void softmax(float *scores, size_t keys, size_t padded)
{
    v16 share = v_set(1.0f / soften(scores, keys, padded));
    for (size_t j = 0; j < padded; j += LH_EMBED_PANEL)
        v_store(scores + j, v_mul(v_load(scores + j), share));
}

/* Rows of keys, stride floats apart, to panels of 16 keys; keys beyond the last are zero. */
static void transpose_keys(const float *keys, size_t stride, size_t count, size_t width, float *out)
{
    size_t padded = (count + LH_EMBED_PANEL - 1) / LH_EMBED_PANEL * LH_EMBED_PANEL;
    for (size_t j = 0; j < padded; j++) {
        float *column = out + j / LH_EMBED_PANEL * LH_EMBED_PANEL * width + j % LH_EMBED_PANEL;
        for (size_t i = 0; i < width; i++)
            column[i * LH_EMBED_PANEL] = j < count ? keys[j * stride + i] : 0.0f;
    }
}

/* One head of one text. */
typedef struct head {
    size_t tokens;
    size_t padded; /* to whole panels */
    size_t width;
    size_t hidden;
    float *scratch;
} head;

static void attend_f32(const head *h, const float *queries, float *out)
{
    const size_t stride = 3 * h->hidden;
    float *keys = h->scratch;
    float *scores = keys + h->padded * h->width;
    transpose_keys(queries + h->hidden, stride, h->tokens, h->width, keys);
    for (size_t t = 0; t < h->tokens; t += TILE_ROWS) {
        size_t rows = LH_MIN(h->tokens - t, (size_t)TILE_ROWS);
        product score = {.a = (const uint8_t *)(queries + t * stride),
                         .a_stride = stride * sizeof(float),
                         .b = (const uint8_t *)keys,
                         .line_stride = LINE_BYTES,
                         .panel_stride = h->width * LINE_BYTES,
                         .depth = h->width,
                         .out = scores,
                         .out_stride = h->padded};
        multiply_f32(&score, rows, h->padded / LH_EMBED_PANEL);
        for (size_t r = 0; r < rows; r++)
            softmax(scores + r * h->padded, h->tokens, h->padded);
        product mix = {.a = (const uint8_t *)scores,
                       .a_stride = h->padded * sizeof(float),
                       .b = (const uint8_t *)(queries + 2 * h->hidden),
                       .line_stride = stride * sizeof(float),
                       .panel_stride = LINE_BYTES,
                       .depth = h->tokens,
                       .out = out + t * h->hidden,
                       .out_stride = h->hidden};
        multiply_f32(&mix, rows, h->width / LH_EMBED_PANEL);
    }
}

/* out is half or f32: the head's first column of row 0. */
static void attend_half(const head *h, const v_half *queries, void *out, bool out_half)
{
    const size_t stride = 3 * h->hidden;
    const size_t pairs = (h->tokens + 1) / 2;
    uint32_t *keys = (uint32_t *)h->scratch;
    uint32_t *values = keys + h->padded * h->width / 2;
    float *scores = (float *)(values + h->padded * h->width / 2);
    v_half *weights = (v_half *)(scores + TILE_ROWS * h->padded);
    v_pack_keys(queries + h->hidden, stride, h->tokens, h->width, keys);
    v_pack_values(queries + 2 * h->hidden, stride, h->tokens, h->width, values);
    for (size_t t = 0; t < h->tokens; t += TILE_ROWS) {
        size_t rows = LH_MIN(h->tokens - t, (size_t)TILE_ROWS);
        float shares[TILE_ROWS];
        product score = {.a = (const uint8_t *)(queries + t * stride),
                         .a_stride = stride * sizeof(v_half),
                         .b = (const uint8_t *)keys,
                         .line_stride = LINE_BYTES,
                         .panel_stride = h->width / 2 * LINE_BYTES,
                         .depth = h->width / 2,
                         .out = scores,
                         .out_stride = h->padded};
        multiply_half(&score, rows, h->padded / LH_EMBED_PANEL);
        for (size_t r = 0; r < rows; r++) {
            float *row = scores + r * h->padded;
            shares[r] = 1.0f / soften(row, h->tokens, h->padded);
            for (size_t j = 0; j < h->padded; j += LH_EMBED_PANEL)
                v_store_half(weights + r * h->padded + j, v_load(row + j));
        }
        size_t at = t * h->hidden;
        product mix = {.a = (const uint8_t *)weights,
                       .a_stride = h->padded * sizeof(v_half),
                       .b = (const uint8_t *)values,
                       .line_stride = LINE_BYTES,
                       .panel_stride = pairs * LINE_BYTES,
                       .depth = pairs,
                       .epilogue =
                           out_half ? LH_EMBED_EPILOGUE_STORE_HALF : LH_EMBED_EPILOGUE_STORE,
                       .row_factors = shares,
                       .out = out_half ? (void *)((v_half *)out + at) : (float *)out + at,
                       .out_stride = h->hidden};
        multiply_half(&mix, rows, h->width / LH_EMBED_PANEL);
    }
}

static void attention(const lh_embed_heads *heads, unsigned flags, size_t tokens, const void *qkv,
                      void *out, float *scratch)
{
    head h = {.tokens = tokens,
              .padded = (tokens + LH_EMBED_PANEL - 1) / LH_EMBED_PANEL * LH_EMBED_PANEL,
              .width = heads->head_width,
              .hidden = (size_t)heads->heads * heads->head_width,
              .scratch = scratch};
    const bool out_half = flags & LH_EMBED_OUT_HALF;
    for (size_t i = 0; i < heads->heads; i++) {
        size_t at = i * h.width;
        if (flags & LH_EMBED_ATTEND_HALF)
            attend_half(&h, (const v_half *)qkv + at,
                        out_half ? (void *)((v_half *)out + at) : (float *)out + at, out_half);
        else
            attend_f32(&h, (const float *)qkv + at, (float *)out + at);
    }
}

static float pool(size_t width, size_t rows, const float *in, float *out)
{
    v16 squares = v_set(0);
    for (size_t i = 0; i < width; i += LH_EMBED_PANEL) {
        v16 sum = v_load(in + i);
        for (size_t r = 1; r < rows; r++)
            sum = v_add(sum, v_load(in + r * width + i));
        squares = v_fma(sum, sum, squares);
        v_store(out + i, sum);
    }
    float total = v_sum(squares);
    v16 inverse = v_set(1.0f / sqrtf(fmaxf(total, 1e-24f)));
    for (size_t i = 0; i < width; i += LH_EMBED_PANEL)
        v_store(out + i, v_mul(v_load(out + i), inverse));
    return total;
}

#endif
