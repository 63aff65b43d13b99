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
#include "embed/kernels_math.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { TILE_ROWS = 6, LINE_BYTES = 64 };

/* Where a tile stands in the output. */
typedef struct tile_place {
    size_t row;
    size_t column;
    size_t rows;
    size_t panels;
} tile_place;

/* rows x depth times depth x panels; depth counts words. Line k of panel p of the right side: b +
 * k * line_stride + p * panel_stride. Strides and b in bytes. */
typedef struct product {
    const uint8_t *a;
    size_t a_stride;
    const uint8_t *b;
    size_t line_stride;
    size_t panel_stride;
    bool backwards; /* the panels before these are next */
    size_t depth;
    size_t both;                     /* int8: words of inputs that are peak and wide */
    size_t leads;                    /* and of peaks and wides */
    const lh_embed_linear *layer;    /* bias and column scales; NULL for attention */
    const lh_embed_operand *operand; /* int8: row scales and zeros */
    const float *row_factors;        /* of attention */
    const float *residual;           /* like out */
    void *out;
    size_t out_stride; /* in numbers */
    /* Makes output of the sums of a tile. */
    void (*finish)(const struct product *p, const tile_place *at, const v16 *sums);
} product;

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

/* What is done to a sum before it is stored. */
typedef enum finish_form {
    FINISH_BARE,   /* nothing */
    FINISH_SHARES, /* times row_factors */
    FINISH_F32,    /* bias, epilogue */
    FINISH_HALF,   /* the same, after halves were multiplied */
    FINISH_INT8    /* scaled, what the zeros of the inputs added taken off, bias, epilogue */
} finish_form;

/* What a row of a tile meets at its columns. */
typedef struct tile_columns {
    tile_row bias;
    tile_row scales; /* int8, as the one below */
    tile_row sums;
} tile_columns;

LHI_INLINE tile_row row_load(const int panels, const float *from)
{
    tile_row row = {v_load(from), v_set(0), v_set(0), v_set(0)};
    if (panels > 1)
        row.c1 = v_load(from + LH_EMBED_PANEL);
    if (panels > 2) {
        row.c2 = v_load(from + (size_t)2 * LH_EMBED_PANEL);
        row.c3 = v_load(from + (size_t)3 * LH_EMBED_PANEL);
    }
    return row;
}

LHI_INLINE tile_columns columns_load(const finish_form form, const int panels,
                                     const lh_embed_linear *layer, size_t column)
{
    const tile_row none = {v_set(0), v_set(0), v_set(0), v_set(0)};
    tile_columns columns = {none, none, none};
    if (form != FINISH_BARE && form != FINISH_SHARES)
        columns.bias = row_load(panels, layer->bias + column);
    if (form == FINISH_INT8) {
        columns.scales = row_load(panels, layer->scales + column);
        columns.sums = row_load(panels, layer->sums + column);
    }
    return columns;
}

/* Sums to values. */
LHI_INLINE tile_row row_values(const finish_form form, const int panels, const product *p,
                               const tile_columns *columns, size_t row, tile_row x)
{
    const float factor = form == FINISH_INT8     ? p->operand->scales[row]
                         : form == FINISH_SHARES ? p->row_factors[row]
                                                 : 1.0f;
    const float zero = form == FINISH_INT8 ? factor * -(float)p->operand->zeros[row] : 0.0f;
    const v16 factors = v_set(factor);
    const v16 zeros = v_set(zero);
#define WHOLE(c)                                                                                   \
    x.c = v_fma(v_whole(x.c), v_mul(factors, columns->scales.c),                                   \
                v_fma(zeros, columns->sums.c, columns->bias.c))
#define SHARE(c) x.c = v_mul(x.c, factors)
#define BIAS(c)  x.c = v_add(x.c, columns->bias.c)
    if (form == FINISH_INT8)
        EACH_PANEL(panels, WHOLE);
    else if (form == FINISH_SHARES)
        EACH_PANEL(panels, SHARE);
    else if (form != FINISH_BARE)
        EACH_PANEL(panels, BIAS);
#undef WHOLE
#undef SHARE
#undef BIAS
    return x;
}

LHI_INLINE tile_row row_add(const int panels, tile_row x, const tile_row *more)
{
#define STEP(c) x.c = v_add(x.c, more->c)
    EACH_PANEL(panels, STEP);
#undef STEP
    return x;
}

LHI_INLINE tile_row row_gelu(const finish_form form, const int panels, tile_row x)
{
#define STEP(c) x.c = gelu_of(x.c)
    if (form == FINISH_INT8)
        return gelu_of_byte(panels, x);
    if (form == FINISH_HALF)
        return gelu_of_half(panels, x);
    EACH_PANEL(panels, STEP);
#undef STEP
    return x;
}

/* at counts numbers from the start of the output. */
LHI_INLINE void row_store(const lh_embed_epilogue epilogue, const int panels, void *out, size_t at,
                          const tile_row *x)
{
    const v16 values[] = {x->c0, x->c1, x->c2, x->c3};
    for (int i = 0; i < panels; i++, at += LH_EMBED_PANEL) {
        if (epilogue == LH_EMBED_EPILOGUE_STORE_HALF || epilogue == LH_EMBED_EPILOGUE_GELU_HALF)
            v_store_half((v_half *)out + at, values[i]);
        else
            v_store((float *)out + at, values[i]);
    }
}

LHI_INLINE void finish_rows(const finish_form form, const lh_embed_epilogue epilogue,
                            const int panels, const product *p, const tile_place *place,
                            const v16 *sums)
{
    const tile_columns columns = columns_load(form, panels, p->layer, place->column);
    size_t at = place->row * p->out_stride + place->column;
    for (size_t i = 0; i < place->rows; i++, sums += panels, at += p->out_stride) {
        tile_row x = {sums[0], sums[panels > 1 ? 1 : 0], sums[panels > 2 ? 2 : 0],
                      sums[panels > 2 ? 3 : 0]};
        x = row_values(form, panels, p, &columns, place->row + i, x);
        if (epilogue == LH_EMBED_EPILOGUE_GELU || epilogue == LH_EMBED_EPILOGUE_GELU_HALF)
            x = row_gelu(form, panels, x);
        if (epilogue == LH_EMBED_EPILOGUE_RESIDUAL) {
            const tile_row more = row_load(panels, p->residual + at);
            x = row_add(panels, x, &more);
        }
        row_store(epilogue, panels, p->out, at, &x);
    }
}

LHI_INLINE void finish_tile(const finish_form form, const lh_embed_epilogue epilogue,
                            const product *p, const tile_place *place, const v16 *sums)
{
    if (TILE_PANELS == 4 && place->panels == 4)
        finish_rows(form, epilogue, 4, p, place, sums);
    else if (TILE_PANELS == 4 && place->panels == 2)
        finish_rows(form, epilogue, 2, p, place, sums);
    else
        finish_rows(form, epilogue, 1, p, place, sums);
}

/* Functions of their own, not parts of the tiles: there are many of those, and these are long. */
#define FINISH(name, form, epilogue)                                                               \
    static void name(const product *p, const tile_place *at, const v16 *sums)                      \
    {                                                                                              \
        finish_tile(form, epilogue, p, at, sums);                                                  \
    }
#define FINISH_OF_LAYER(name, form)                                                                \
    FINISH(name##_store, form, LH_EMBED_EPILOGUE_STORE)                                            \
    FINISH(name##_store_half, form, LH_EMBED_EPILOGUE_STORE_HALF)                                  \
    FINISH(name##_gelu, form, LH_EMBED_EPILOGUE_GELU)                                              \
    FINISH(name##_gelu_half, form, LH_EMBED_EPILOGUE_GELU_HALF)                                    \
    FINISH(name##_residual, form, LH_EMBED_EPILOGUE_RESIDUAL)
FINISH(finish_bare, FINISH_BARE, LH_EMBED_EPILOGUE_STORE)
FINISH(finish_shares, FINISH_SHARES, LH_EMBED_EPILOGUE_STORE)
FINISH(finish_shares_half, FINISH_SHARES, LH_EMBED_EPILOGUE_STORE_HALF)
FINISH_OF_LAYER(finish_f32, FINISH_F32)
FINISH_OF_LAYER(finish_half, FINISH_HALF)
FINISH_OF_LAYER(finish_int8, FINISH_INT8)
#define FINISHES(name)                                                                             \
    {                                                                                              \
        name##_store, name##_store_half, name##_gelu, name##_gelu_half, name##_residual            \
    }

/* The sums of a tile. */
typedef struct tile_sums {
    tile_row r0, r1, r2, r3, r4, r5;
} tile_sums;

/* Where a tile has come to, in its operand and in its first panel, and how many words are next. */
typedef struct tile_cursor {
    const uint8_t *a;
    const uint8_t *line;
    size_t words;
    ptrdiff_t ahead; /* bytes from a line to the one that is asked for beside it; 0: none */
} tile_cursor;

/* Into the second cache: the first one is the group's that is being multiplied. */
LHI_INLINE void tile_ask(const int panels, const product *p, const uint8_t *line)
{
    __builtin_prefetch(line, 0, 2);
    if (panels > 1)
        __builtin_prefetch(line + p->panel_stride, 0, 2);
    if (panels > 2) {
        __builtin_prefetch(line + 2 * p->panel_stride, 0, 2);
        __builtin_prefetch(line + 3 * p->panel_stride, 0, 2);
    }
}

LHI_INLINE tile_row tile_lines(const int panels, const product *p, const uint8_t *line)
{
    tile_row b = {v_set(0), v_set(0), v_set(0), v_set(0)};
    b.c0 = v_load_line(line);
    if (panels > 1)
        b.c1 = v_load_line(line + p->panel_stride);
    if (panels > 2) {
        b.c2 = v_load_line(line + 2 * p->panel_stride);
        b.c3 = v_load_line(line + 3 * p->panel_stride);
    }
    return b;
}

LHI_INLINE void tile_add(const lh_embed_precision precision, const int rows, const int panels,
                         const product *p, tile_cursor *at, tile_sums *s)
{
    const size_t stride = p->a_stride;
    const uint8_t *a = at->a;
    const uint8_t *line = at->line;
    for (size_t k = 0; k < at->words; k++, a += word_bytes(precision), line += p->line_stride) {
        tile_ask(panels, p, line + at->ahead);
        const tile_row b = tile_lines(panels, p, line);
        tile_step(precision, panels, &s->r0, a, &b);
        if (rows > 1)
            tile_step(precision, panels, &s->r1, a + stride, &b);
        if (rows > 2)
            tile_step(precision, panels, &s->r2, a + 2 * stride, &b);
        if (rows > 3)
            tile_step(precision, panels, &s->r3, a + 3 * stride, &b);
        if (rows > 4)
            tile_step(precision, panels, &s->r4, a + 4 * stride, &b);
        if (rows > 5)
            tile_step(precision, panels, &s->r5, a + 5 * stride, &b);
    }
    at->a = a;
    at->line = line;
}

LHI_INLINE void row_raise(const int panels, tile_row *row, const tile_row *more)
{
    row->c0 = v_add_whole(v_raise_peaks(row->c0), more->c0);
    if (panels > 1)
        row->c1 = v_add_whole(v_raise_peaks(row->c1), more->c1);
    if (panels > 2) {
        row->c2 = v_add_whole(v_raise_peaks(row->c2), more->c2);
        row->c3 = v_add_whole(v_raise_peaks(row->c3), more->c3);
    }
}

/* Sums to the smaller unit, and more of that. */
LHI_INLINE void tile_raise(const int rows, const int panels, tile_sums *s, const tile_row *more)
{
    row_raise(panels, &s->r0, more);
    if (rows > 1)
        row_raise(panels, &s->r1, more);
    if (rows > 2)
        row_raise(panels, &s->r2, more);
    if (rows > 3)
        row_raise(panels, &s->r3, more);
    if (rows > 4)
        row_raise(panels, &s->r4, more);
    if (rows > 5)
        row_raise(panels, &s->r5, more);
}

/* The parts of int8 sums that have larger units. */
LHI_INLINE void tile_front(const int rows, const int panels, const product *p, tile_cursor *at,
                           tile_sums *s)
{
    const tile_row none = {v_set(0), v_set(0), v_set(0), v_set(0)};
    const tile_row start = tile_lines(panels, p, at->line);
    at->line += p->line_stride;
    if (p->both > 0) {
        at->words = p->both;
        tile_add(LH_EMBED_PRECISION_INT8, rows, panels, p, at, s);
        tile_raise(rows, panels, s, &start);
    } else {
        *s = (tile_sums){start, start, start, start, start, start};
    }
    at->words = p->leads;
    tile_add(LH_EMBED_PRECISION_INT8, rows, panels, p, at, s);
    tile_raise(rows, panels, s, &none);
}

LHI_INLINE void tile(const lh_embed_precision precision, const int rows, const int panels,
                     const product *p, size_t row, size_t panel)
{
    const tile_row none = {v_set(0), v_set(0), v_set(0), v_set(0)};
    const ptrdiff_t next = panels * (ptrdiff_t)p->panel_stride;
    tile_cursor from = {.a = p->a + row * p->a_stride,
                        .line = p->b + panel * p->panel_stride,
                        .ahead = row > 0        ? 0
                                 : p->backwards ? -next
                                                : next};
    tile_sums s = {none, none, none, none, none, none};
    if (precision == LH_EMBED_PRECISION_INT8)
        tile_front(rows, panels, p, &from, &s);
    from.words = p->depth;
    tile_add(precision, rows, panels, p, &from, &s);
    /* A hardened build would clear it first, which takes as long as a tenth of a tile. */
    __attribute__((uninitialized)) v16 sums[TILE_ROWS * TILE_PANELS];
    tile_keep(panels, sums, &s.r0);
    if (rows > 1)
        tile_keep(panels, sums + panels, &s.r1);
    if (rows > 2)
        tile_keep(panels, sums + 2 * panels, &s.r2);
    if (rows > 3)
        tile_keep(panels, sums + 3 * panels, &s.r3);
    if (rows > 4)
        tile_keep(panels, sums + 4 * panels, &s.r4);
    if (rows > 5)
        tile_keep(panels, sums + 5 * panels, &s.r5);
    const tile_place at = {row, panel * LH_EMBED_PANEL, (size_t)rows, (size_t)panels};
    p->finish(p, &at, sums);
}

/* All rows of one group of panels, in tiles as even as can be: the group's weights stay in the
 * cache while the rows pass, and during the first tile those of the next group are asked for. */
LHI_INLINE void tile_column(const lh_embed_precision precision, const int panels, const product *p,
                            size_t rows, size_t panel)
{
    size_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t row = 0, count; tiles > 0; tiles--, row += count) {
        count = (rows - row + tiles - 1) / tiles;
        switch (count) {
        case 6: tile(precision, 6, panels, p, row, panel); break;
        case 5: tile(precision, 5, panels, p, row, panel); break;
        case 4: tile(precision, 4, panels, p, row, panel); break;
        case 3: tile(precision, 3, panels, p, row, panel); break;
        case 2: tile(precision, 2, panels, p, row, panel); break;
        default: tile(precision, 1, panels, p, row, panel); break;
        }
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
    static void (*const finishes[][LH_EMBED_EPILOGUES])(const product *, const tile_place *,
                                                        const v16 *) = {
        FINISHES(finish_f32), FINISHES(finish_half), FINISHES(finish_int8)};
    const size_t words = layer->inputs / inputs_of_word[layer->precision];
    const size_t row_words = lh_embed_operand_width(layer) / inputs_of_word[layer->precision];
    const size_t panels = layer->outputs / LH_EMBED_PANEL;
    product p = {.a = in->values,
                 .a_stride = row_words * word_bytes(layer->precision),
                 .b = layer->panels,
                 .line_stride = LINE_BYTES,
                 .panel_stride = lh_embed_panel_lines(layer) * LINE_BYTES,
                 .backwards = layer->backwards,
                 .depth = words,
                 .both = layer->both / LH_EMBED_WORD,
                 .leads = (layer->peaks + layer->wides) / LH_EMBED_WORD,
                 .layer = layer,
                 .operand = in,
                 .residual = residual,
                 .out = out,
                 .out_stride = layer->stride,
                 .finish = finishes[layer->precision][epilogue]};
    switch (layer->precision) {
    case LH_EMBED_PRECISION_BF16: multiply_half(&p, rows, panels); break;
    case LH_EMBED_PRECISION_INT8: multiply_int8(&p, rows, panels); break;
    case LH_EMBED_PRECISION_F32:
    case LH_EMBED_PRECISIONS: multiply_f32(&p, rows, panels); break;
    }
}

#include "embed/kernels_encode.h"

static void add_word(size_t width, const uint16_t *word, const float *position, float *out)
{
    for (size_t i = 0; i < width; i += LH_EMBED_PANEL)
        v_store(out + i, v_add(v_from_halves(word + i), v_load(position + i)));
}

/* One row or two, side by side: sums of one alone wait for themselves. */
LHI_INLINE void norm_together(const int rows, const lh_embed_norm *norm, size_t width,
                              const float *in, float *out)
{
    const float *more = in + (rows > 1 ? width : 0);
    v16 sum = v_set(0);
    v16 more_sum = v_set(0);
    for (size_t i = 0; i < width; i += LH_EMBED_PANEL) {
        sum = v_add(sum, v_load(in + i));
        if (rows > 1)
            more_sum = v_add(more_sum, v_load(more + i));
    }
    const v16 mean = v_set(v_sum(sum) / (float)width);
    const v16 more_mean = v_set(v_sum(more_sum) / (float)width);
    v16 squares = v_set(0);
    v16 more_squares = v_set(0);
    for (size_t i = 0; i < width; i += LH_EMBED_PANEL) {
        const v16 away = v_sub(v_load(in + i), mean);
        squares = v_fma(away, away, squares);
        if (rows > 1) {
            const v16 more_away = v_sub(v_load(more + i), more_mean);
            more_squares = v_fma(more_away, more_away, more_squares);
        }
    }
    const v16 inverse = v_set(1.0f / sqrtf(v_sum(squares) / (float)width + norm->epsilon));
    const v16 more_inverse =
        v_set(1.0f / sqrtf(v_sum(more_squares) / (float)width + norm->epsilon));
    for (size_t i = 0; i < width; i += LH_EMBED_PANEL) {
        const v16 scale = v_load(norm->scale + i);
        const v16 shift = v_load(norm->shift + i);
        const v16 unit = v_mul(v_sub(v_load(in + i), mean), inverse);
        v_store(out + i, v_fma(unit, scale, shift));
        if (rows > 1) {
            const v16 more_unit = v_mul(v_sub(v_load(more + i), more_mean), more_inverse);
            v_store(out + width + i, v_fma(more_unit, scale, shift));
        }
    }
}

static void layer_norm(const lh_embed_norm *norm, size_t width, size_t rows, const float *in,
                       float *out)
{
    size_t r = 0;
    for (; r + 2 <= rows; r += 2)
        norm_together(2, norm, width, in + r * width, out + r * width);
    if (r < rows)
        norm_together(1, norm, width, in + r * width, out + r * width);
}

#include "embed/kernels_attention.h"

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
