/* kernels_scalar.c - the definition of the results, as plainly as it can be written; libm's erf
 * and exp. Runs where no vector set does, and is what the tests compare the others with.
 *
 * A half is kept as an f32 whose lower part is zero. */
#include "embed/kernels.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static float half(float x)
{
    return lh_embed_half_value(lh_embed_half_of(x));
}

static float gelu(float x)
{
    return 0.5f * x * (1.0f + erff(x * 0.70710678f));
}

static void encode_half(const lh_embed_linear *layer, size_t rows, const float *in,
                        const lh_embed_operand *out)
{
    float *values = out->values;
    for (size_t i = 0; i < rows * layer->inputs; i++)
        values[i] = half(in[i]);
}

/* A peak's whole value: x rounded, plus the zero of its row, within what its parts can say. */
static int32_t peak_value(float x, int32_t zero)
{
    float within = fminf(fmaxf(x, -LH_EMBED_PEAK_MOST), LH_EMBED_PEAK_MOST);
    int32_t value = (int32_t)lrintf(within) + zero;
    return LH_MIN(LH_MAX(value, -LH_EMBED_PEAK_MOST - 1), LH_EMBED_PEAK_MOST);
}

/* The peaks of a row in two parts, the wides once more (kernels.h). */
static void encode_front(const lh_embed_linear *layer, const float *in, float inverse, int32_t zero,
                         uint8_t *row)
{
    const int32_t unit = 1 << LH_EMBED_PEAK_SHIFT;
    uint8_t *peaks = row + layer->both;
    uint8_t *values = row + lh_embed_front_width(layer);
    for (size_t i = 0; i < layer->peaks; i++) {
        int32_t value = peak_value(in[layer->leads[i]] * inverse, zero);
        int32_t low = (value % unit + unit) % unit;
        peaks[i] = (uint8_t)((value - low) / unit + LH_EMBED_PEAK_ZERO);
        values[layer->leads[i]] = (uint8_t)low;
    }
    for (size_t i = 0; i < layer->wides; i++)
        peaks[layer->peaks + i] = values[layer->leads[layer->peaks + i]];
    memcpy(row, peaks, layer->both);
}

/* 0 is always a value that can be said exactly: padding and dead inputs add nothing. */
static void encode_int8(const lh_embed_linear *layer, size_t rows, const float *in,
                        const lh_embed_operand *out)
{
    const size_t inputs = layer->inputs;
    const size_t width = lh_embed_operand_width(layer);
    uint8_t *row = out->values;
    for (size_t r = 0; r < rows; r++, in += inputs, row += width) {
        uint8_t *values = row + (width - inputs);
        float low = 0;
        float high = 0;
        for (size_t k = 0; k < inputs; k++) {
            float x = in[k] * layer->reach[k];
            low = x < low ? x : low;
            high = x > high ? x : high;
        }
        float range = fmaxf(high - low, 1e-12f);
        bool finite = range <= FLT_MAX;
        float inverse = finite ? 255.0f / range : 0.0f;
        out->scales[r] = finite ? range / 255.0f : NAN;
        out->zeros[r] = finite ? (int32_t)lrintf(-low * inverse) : 0;
        for (size_t k = 0; k < inputs; k++) {
            float x = fminf(fmaxf(in[k] * inverse, -255.0f), 255.0f);
            int32_t q = (int32_t)lrintf(x) + out->zeros[r];
            values[k] = (uint8_t)LH_MIN(LH_MAX(q, 0), 255);
        }
        encode_front(layer, in, inverse, out->zeros[r], row);
    }
}

static void encode(const lh_embed_linear *layer, size_t rows, const float *in,
                   const lh_embed_operand *out)
{
    if (layer->precision == LH_EMBED_PRECISION_INT8)
        encode_int8(layer, rows, in, out);
    else
        encode_half(layer, rows, in, out);
}

static void add_bias(const lh_embed_linear *layer, size_t first, float *sums)
{
    for (size_t j = 0; j < LH_EMBED_PANEL; j++)
        sums[j] += layer->bias[first + j];
}

/* Sums of one row and one panel, with the bias. */
static void sum_f32(const lh_embed_linear *layer, const float *in, size_t first, float *sums)
{
    const float *line = (const float *)layer->panels + first * layer->inputs;
    for (size_t k = 0; k < layer->inputs; k++, line += LH_EMBED_PANEL)
        for (size_t j = 0; j < LH_EMBED_PANEL; j++)
            sums[j] += in[k] * line[j];
    add_bias(layer, first, sums);
}

static void sum_half(const lh_embed_linear *layer, const float *in, size_t first, float *sums)
{
    const uint16_t *line = (const uint16_t *)layer->panels + first * layer->inputs;
    for (size_t k = 0; k < layer->inputs; k += 2, line += (size_t)2 * LH_EMBED_PANEL)
        for (size_t j = 0; j < LH_EMBED_PANEL; j++) {
            sums[j] += in[k + 1] * lh_embed_half_value(line[2 * j + 1]);
            sums[j] += in[k] * lh_embed_half_value(line[2 * j]);
        }
    add_bias(layer, first, sums);
}

/* Adds the products of some words; wraps, as the instructions do. */
static void add_words(const uint8_t *values, const int8_t *line, size_t words, uint32_t *totals)
{
    for (size_t k = 0; k < words; k++, values += 4, line += (size_t)4 * LH_EMBED_PANEL)
        for (size_t j = 0; j < LH_EMBED_PANEL; j++)
            for (size_t i = 0; i < 4; i++)
                totals[j] += (uint32_t)(values[i] * line[4 * j + i]);
}

static void sum_int8(const lh_embed_linear *layer, const lh_embed_operand *in, size_t row,
                     size_t first, float *sums)
{
    enum { LINE_BYTES = 4 * LH_EMBED_PANEL };
    const uint8_t *values = (const uint8_t *)in->values + row * lh_embed_operand_width(layer);
    const int8_t *line = (const int8_t *)layer->panels +
                         first / LH_EMBED_PANEL * lh_embed_panel_lines(layer) * LINE_BYTES;
    const uint32_t widths[] = {layer->both, layer->peaks + layer->wides, layer->inputs};
    uint32_t start[LH_EMBED_PANEL];
    memcpy(start, line, sizeof(start));
    line += LINE_BYTES;
    uint32_t totals[LH_EMBED_PANEL] = {0};
    for (size_t i = 0; i < LH_ARRAY_LEN(widths); i++) {
        for (size_t j = 0; j < LH_EMBED_PANEL; j++)
            totals[j] = (totals[j] << LH_EMBED_PEAK_SHIFT) + (i == 1 ? start[j] : 0);
        add_words(values, line, widths[i] / LH_EMBED_WORD, totals);
        values += widths[i];
        line += widths[i] / LH_EMBED_WORD * LINE_BYTES;
    }
    /* Fused, as the vector sets have it. */
    const float row_scale = in->scales[row];
    const float zero = row_scale * -(float)in->zeros[row];
    for (size_t j = 0; j < LH_EMBED_PANEL; j++) {
        float base = fmaf(zero, layer->sums[first + j], layer->bias[first + j]);
        sums[j] = fmaf((float)(int32_t)totals[j], row_scale * layer->scales[first + j], base);
    }
}

static void linear(const lh_embed_linear *layer, lh_embed_epilogue epilogue, size_t rows,
                   const lh_embed_operand *in, const float *residual, void *out)
{
    for (size_t first = 0; first < layer->outputs; first += LH_EMBED_PANEL) {
        for (size_t r = 0; r < rows; r++) {
            const float *values = (const float *)in->values + r * layer->inputs;
            float sums[LH_EMBED_PANEL] = {0};
            if (layer->precision == LH_EMBED_PRECISION_INT8)
                sum_int8(layer, in, r, first, sums);
            else if (layer->precision == LH_EMBED_PRECISION_BF16)
                sum_half(layer, values, first, sums);
            else
                sum_f32(layer, values, first, sums);
            for (size_t j = 0; j < LH_EMBED_PANEL; j++) {
                size_t at = r * layer->stride + first + j;
                float value = sums[j];
                if (epilogue == LH_EMBED_EPILOGUE_GELU || epilogue == LH_EMBED_EPILOGUE_GELU_HALF)
                    value = gelu(value);
                else if (epilogue == LH_EMBED_EPILOGUE_RESIDUAL)
                    value += residual[at];
                if (epilogue == LH_EMBED_EPILOGUE_GELU_HALF ||
                    epilogue == LH_EMBED_EPILOGUE_STORE_HALF)
                    value = half(value);
                ((float *)out)[at] = value;
            }
        }
    }
}

static void add_word(size_t width, const uint16_t *word, const float *position, float *out)
{
    for (size_t i = 0; i < width; i++)
        out[i] = lh_embed_half_value(word[i]) + position[i];
}

static void layer_norm(const lh_embed_norm *norm, size_t width, size_t rows, const float *in,
                       float *out)
{
    for (size_t r = 0; r < rows; r++, in += width, out += width) {
        float sum = 0;
        for (size_t i = 0; i < width; i++)
            sum += in[i];
        float mean = sum / (float)width;
        float squares = 0;
        for (size_t i = 0; i < width; i++)
            squares += (in[i] - mean) * (in[i] - mean);
        float inverse = 1.0f / sqrtf(squares / (float)width + norm->epsilon);
        for (size_t i = 0; i < width; i++)
            out[i] = (in[i] - mean) * inverse * norm->scale[i] + norm->shift[i];
    }
}

/* softmax(query . keys) . values of one token and head. keys and values are rows of stride
 * floats; weights has room for one float a token. */
typedef struct head_rows {
    const float *keys;
    const float *values;
    size_t stride;
    size_t width;
    size_t tokens;
    unsigned flags;
} head_rows;

static void attend(const head_rows *head, const float *query, float *out, float *weights)
{
    float sum = 0;
    float largest = -INFINITY;
    for (size_t j = 0; j < head->tokens; j++) {
        weights[j] = 0;
        for (size_t i = 0; i < head->width; i++)
            weights[j] += query[i] * head->keys[j * head->stride + i];
        largest = fmaxf(largest, weights[j]);
    }
    for (size_t j = 0; j < head->tokens; j++) {
        weights[j] = expf(weights[j] - largest);
        sum += weights[j];
    }
    bool halves = head->flags & LH_EMBED_ATTEND_HALF; /* those are divided after the sum */
    for (size_t j = 0; j < head->tokens; j++)
        weights[j] = halves ? half(weights[j]) : weights[j] / sum;
    for (size_t i = 0; i < head->width; i++) {
        float total = 0;
        for (size_t j = 0; j < head->tokens; j++)
            total += weights[j] * head->values[j * head->stride + i];
        total = halves ? total / sum : total;
        out[i] = head->flags & LH_EMBED_OUT_HALF ? half(total) : total;
    }
}

static void attention(const lh_embed_heads *heads, unsigned flags, size_t tokens, const void *qkv,
                      void *out, float *scratch)
{
    size_t width = heads->head_width;
    size_t hidden = heads->hidden;
    for (size_t h = 0; h < heads->heads; h++) {
        const float *queries = (const float *)qkv + h * width;
        head_rows head = {.keys = queries + hidden,
                          .values = queries + 2 * hidden,
                          .stride = 3 * hidden,
                          .width = width,
                          .tokens = tokens,
                          .flags = flags};
        for (size_t t = 0; t < tokens; t++)
            attend(&head, queries + t * head.stride, (float *)out + t * hidden + h * width,
                   scratch);
    }
}

static float pool(size_t width, size_t rows, const float *in, float *out)
{
    float squares = 0;
    for (size_t i = 0; i < width; i++) {
        out[i] = 0;
        for (size_t r = 0; r < rows; r++)
            out[i] += in[r * width + i];
        squares += out[i] * out[i];
    }
    float inverse = 1.0f / sqrtf(fmaxf(squares, 1e-24f));
    for (size_t i = 0; i < width; i++)
        out[i] *= inverse;
    return squares;
}

const lh_embed_kernels lh_embed_kernels_scalar = {.name = "scalar",
                                                  .half_bytes = sizeof(float),
                                                  .int8_bytes = sizeof(uint8_t),
                                                  .add_word = add_word,
                                                  .encode = encode,
                                                  .linear = linear,
                                                  .layer_norm = layer_norm,
                                                  .attention = attention,
                                                  .pool = pool};
