/* kernels_scalar.c - the definition of the results, as plainly as it can be written; libm's erf
 * and exp. Runs where no vector set does, and is what the tests compare the others with. */
#include "embed/kernels.h"

#include <math.h>

static float gelu(float x)
{
    return 0.5f * x * (1.0f + erff(x * 0.70710678f));
}

static void linear(const lh_embed_linear *layer, lh_embed_epilogue epilogue, size_t rows,
                   const float *in, const float *residual, float *out)
{
    size_t inputs = layer->inputs;
    size_t outputs = layer->outputs;
    for (size_t first = 0; first < outputs; first += LH_EMBED_PANEL) {
        const float *panel = layer->panels + first * inputs;
        for (size_t r = 0; r < rows; r++) {
            float sums[LH_EMBED_PANEL] = {0};
            for (size_t k = 0; k < inputs; k++)
                for (size_t j = 0; j < LH_EMBED_PANEL; j++)
                    sums[j] += in[r * inputs + k] * panel[k * LH_EMBED_PANEL + j];
            for (size_t j = 0; j < LH_EMBED_PANEL; j++) {
                size_t at = r * outputs + first + j;
                float value = sums[j] + layer->bias[first + j];
                if (epilogue == LH_EMBED_EPILOGUE_GELU)
                    value = gelu(value);
                else if (epilogue == LH_EMBED_EPILOGUE_RESIDUAL)
                    value += residual[at];
                out[at] = value;
            }
        }
    }
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
    for (size_t i = 0; i < head->width; i++) {
        float total = 0;
        for (size_t j = 0; j < head->tokens; j++)
            total += weights[j] / sum * head->values[j * head->stride + i];
        out[i] = total;
    }
}

static void attention(const lh_embed_heads *heads, size_t tokens, const float *qkv, float *out,
                      float *scratch)
{
    size_t width = heads->head_width;
    size_t hidden = heads->heads * width;
    for (size_t h = 0; h < heads->heads; h++) {
        const float *queries = qkv + h * width;
        head_rows head = {.keys = queries + hidden,
                          .values = queries + 2 * hidden,
                          .stride = 3 * hidden,
                          .width = width,
                          .tokens = tokens};
        for (size_t t = 0; t < tokens; t++)
            attend(&head, queries + t * head.stride, out + t * hidden + h * width, scratch);
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
                                                  .linear = linear,
                                                  .layer_norm = layer_norm,
                                                  .attention = attention,
                                                  .pool = pool};
