/* embed/kernels_vector.h - the vector kernels, written once over 16 lanes; included by
 * kernels_avx2.c and kernels_avx512.c, which say what 16 lanes are.
 *
 * Owns:    nothing; static functions of the file that includes it.
 * Threads: pure.
 * Limits:  see kernels.h. The includer defines the type v16 (16 floats), TILE_PANELS (1 or 4:
 *          panels that fit the registers beside six rows) and the v_* functions used here.
 * Formats: see kernels.h.
 * Why:     both sets do the same operations on the same lanes in the same order, sums included,
 *          so they give the same bits: an index does not change its meaning with the machine.
 *          Multiplications are fused by name (v_fma), never left to the compiler.
 *
 * The one product (tile): R <= 6 rows times P <= 4 panels, accumulated in named registers along
 * k. Weights, keys (transposed into panels) and values (read in place, a row of the text = a
 * line) all go through it. */
#ifndef LH_EMBED_KERNELS_VECTOR_H
#define LH_EMBED_KERNELS_VECTOR_H

#include "embed/kernels.h"

#include <math.h>

#define LHI_INLINE static inline __attribute__((always_inline))

enum { TILE_ROWS = 6 };

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

/* rows x depth times depth x panels. Line k of panel p of the right side: b + k * line_stride +
 * p * panel_stride. */
typedef struct product {
    const float *a;
    size_t a_stride;
    const float *b;
    size_t line_stride;
    size_t panel_stride;
    size_t depth;
    const float *bias;     /* by column; NULL: none */
    const float *residual; /* like out; NULL: none */
    float *out;
    size_t out_stride;
    int gelu;
} product;

/* One row of a tile. A struct, not an array: gcc keeps arrays in memory through the inner loop. */
typedef struct tile_row {
    v16 c0, c1, c2, c3;
} tile_row;

LHI_INLINE void tile_step(const int panels, tile_row *row, float a, const tile_row *b)
{
    v16 x = v_set(a);
    row->c0 = v_fma(x, b->c0, row->c0);
    if (panels > 1)
        row->c1 = v_fma(x, b->c1, row->c1);
    if (panels > 2) {
        row->c2 = v_fma(x, b->c2, row->c2);
        row->c3 = v_fma(x, b->c3, row->c3);
    }
}

LHI_INLINE void tile_store(const product *p, size_t row, size_t column, v16 value)
{
    size_t at = row * p->out_stride + column;
    if (p->bias != NULL)
        value = v_add(value, v_load(p->bias + column));
    if (p->gelu)
        value = gelu_of(value);
    if (p->residual != NULL)
        value = v_add(value, v_load(p->residual + at));
    v_store(p->out + at, value);
}

LHI_INLINE void tile_store_row(const int panels, const product *p, size_t row, size_t column,
                               const tile_row *r)
{
    tile_store(p, row, column, r->c0);
    if (panels > 1)
        tile_store(p, row, column + LH_EMBED_PANEL, r->c1);
    if (panels > 2) {
        tile_store(p, row, column + 2 * LH_EMBED_PANEL, r->c2);
        tile_store(p, row, column + 3 * LH_EMBED_PANEL, r->c3);
    }
}

LHI_INLINE void tile(const int rows, const int panels, const product *p, size_t row, size_t panel)
{
    const size_t stride = p->a_stride;
    const float *a = p->a + row * stride;
    const float *line = p->b + panel * p->panel_stride;
    const tile_row zero = {v_set(0), v_set(0), v_set(0), v_set(0)};
    tile_row r0 = zero, r1 = zero, r2 = zero, r3 = zero, r4 = zero, r5 = zero;
    for (size_t k = 0; k < p->depth; k++, a++, line += p->line_stride) {
        tile_row b = zero;
        b.c0 = v_load(line);
        if (panels > 1)
            b.c1 = v_load(line + p->panel_stride);
        if (panels > 2) {
            b.c2 = v_load(line + 2 * p->panel_stride);
            b.c3 = v_load(line + 3 * p->panel_stride);
        }
        tile_step(panels, &r0, a[0], &b);
        if (rows > 1)
            tile_step(panels, &r1, a[stride], &b);
        if (rows > 2)
            tile_step(panels, &r2, a[2 * stride], &b);
        if (rows > 3)
            tile_step(panels, &r3, a[3 * stride], &b);
        if (rows > 4)
            tile_step(panels, &r4, a[4 * stride], &b);
        if (rows > 5)
            tile_step(panels, &r5, a[5 * stride], &b);
    }
    size_t column = panel * LH_EMBED_PANEL;
    tile_store_row(panels, p, row, column, &r0);
    if (rows > 1)
        tile_store_row(panels, p, row + 1, column, &r1);
    if (rows > 2)
        tile_store_row(panels, p, row + 2, column, &r2);
    if (rows > 3)
        tile_store_row(panels, p, row + 3, column, &r3);
    if (rows > 4)
        tile_store_row(panels, p, row + 4, column, &r4);
    if (rows > 5)
        tile_store_row(panels, p, row + 5, column, &r5);
}

/* All rows of one group of panels: the group's weights stay in the cache while the rows pass. */
LHI_INLINE void tile_column(const int panels, const product *p, size_t rows, size_t panel)
{
    size_t row = 0;
    for (; row + TILE_ROWS <= rows; row += TILE_ROWS)
        tile(TILE_ROWS, panels, p, row, panel);
    switch (rows - row) {
    case 5: tile(5, panels, p, row, panel); break;
    case 4: tile(4, panels, p, row, panel); break;
    case 3: tile(3, panels, p, row, panel); break;
    case 2: tile(2, panels, p, row, panel); break;
    case 1: tile(1, panels, p, row, panel); break;
    default: break;
    }
}

static void multiply(const product *p, size_t rows, size_t panels)
{
    size_t panel = 0;
#if TILE_PANELS == 4
    for (; panel + 4 <= panels; panel += 4)
        tile_column(4, p, rows, panel);
    for (; panel + 2 <= panels; panel += 2)
        tile_column(2, p, rows, panel);
#endif
    for (; panel < panels; panel++)
        tile_column(1, p, rows, panel);
}

static void linear(const lh_embed_linear *layer, lh_embed_epilogue epilogue, size_t rows,
                   const float *in, const float *residual, float *out)
{
    product p = {.a = in,
                 .a_stride = layer->inputs,
                 .b = layer->panels,
                 .line_stride = LH_EMBED_PANEL,
                 .panel_stride = (size_t)layer->inputs * LH_EMBED_PANEL,
                 .depth = layer->inputs,
                 .bias = layer->bias,
                 .residual = epilogue == LH_EMBED_EPILOGUE_RESIDUAL ? residual : NULL,
                 .out = out,
                 .out_stride = layer->outputs,
                 .gelu = epilogue == LH_EMBED_EPILOGUE_GELU};
    multiply(&p, rows, layer->outputs / LH_EMBED_PANEL);
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

/* scores[0..keys) become weights that sum to 1; scores up to the next multiple of 16 are written
 * too. */
static void softmax(float *scores, size_t keys)
{
    size_t padded = (keys + LH_EMBED_PANEL - 1) / LH_EMBED_PANEL * LH_EMBED_PANEL;
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
    v16 share = v_set(1.0f / v_sum(sum));
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

static void attention(const lh_embed_heads *heads, size_t tokens, const float *qkv, float *out,
                      float *scratch)
{
    const size_t width = heads->head_width;
    const size_t hidden = heads->heads * width;
    const size_t stride = 3 * hidden;
    const size_t key_panels = (tokens + LH_EMBED_PANEL - 1) / LH_EMBED_PANEL;
    const size_t padded = key_panels * LH_EMBED_PANEL;
    float *keys = scratch;
    float *scores = scratch + padded * width;

    for (size_t h = 0; h < heads->heads; h++) {
        const float *queries = qkv + h * width;
        transpose_keys(queries + hidden, stride, tokens, width, keys);
        for (size_t t = 0; t < tokens; t += TILE_ROWS) {
            size_t rows = LH_MIN(tokens - t, (size_t)TILE_ROWS);
            product score = {.a = queries + t * stride,
                             .a_stride = stride,
                             .b = keys,
                             .line_stride = LH_EMBED_PANEL,
                             .panel_stride = width * LH_EMBED_PANEL,
                             .depth = width,
                             .out = scores,
                             .out_stride = padded};
            multiply(&score, rows, key_panels);
            for (size_t r = 0; r < rows; r++)
                softmax(scores + r * padded, tokens);
            product mix = {.a = scores,
                           .a_stride = padded,
                           .b = queries + 2 * hidden,
                           .line_stride = stride,
                           .panel_stride = LH_EMBED_PANEL,
                           .depth = tokens,
                           .out = out + t * hidden + h * width,
                           .out_stride = hidden};
            multiply(&mix, rows, width / LH_EMBED_PANEL);
        }
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
