/* calibrate.c - runs the calibration texts through the f32 model and adds up what each matrix
 * reads. The products of inputs are matrix products of a chunk with itself, made by the same
 * kernels as everything else. */
#include "embed/calibrate.h"

#include "embed/forward.h"

#include <math.h>

enum { PIECES = 3 };

typedef struct sums {
    uint32_t inputs;
    size_t rows;
    float *fourth;
    float *mean; /* the sum, until it is finished */
    float *products;
} sums;

struct lh_embed_calibration {
    uint32_t layers;
    const lh_embed_kernels *kernels;
    sums *of; /* [layers][LH_EMBED_LINEARS] */
    float *memory;
    float *columns; /* a chunk by inputs, for the products */
    float *panels;  /* the same in panels of 16 inputs */
    float *none;    /* bias of the products */
};

static uint32_t block_width(uint32_t inputs, uint32_t first)
{
    return LH_MIN(inputs - first, (uint32_t)LH_EMBED_CALIBRATION_BLOCK);
}

static size_t products_count(uint32_t inputs)
{
    const size_t rest = inputs % LH_EMBED_CALIBRATION_BLOCK;
    return (size_t)(inputs - rest) * LH_EMBED_CALIBRATION_BLOCK + rest * rest;
}

/* products += in' * in for one block of columns. */
static void add_products(lh_embed_calibration *c, const sums *s, uint32_t first, const float *in,
                         size_t rows)
{
    const uint32_t width = block_width(s->inputs, first);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i++) {
            float value = in[r * s->inputs + first + i];
            c->columns[i * rows + r] = value;
            c->panels[(i / LH_EMBED_PANEL * rows + r) * LH_EMBED_PANEL + i % LH_EMBED_PANEL] =
                value;
        }
    float *products = s->products + (size_t)first * LH_EMBED_CALIBRATION_BLOCK;
    const lh_embed_linear square = {.panels = c->panels,
                                    .bias = c->none,
                                    .inputs = (uint32_t)rows,
                                    .outputs = width,
                                    .stride = width};
    const lh_embed_operand operand = {.values = c->columns};
    c->kernels->linear(&square, LH_EMBED_EPILOGUE_RESIDUAL, width, &operand, products, products);
}

static void see(void *arg, uint32_t layer, lh_embed_linear_name which, const float *in, size_t rows)
{
    lh_embed_calibration *c = arg;
    sums *s = &c->of[layer * LH_EMBED_LINEARS + (uint32_t)which];
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < s->inputs; i++) {
            float value = in[r * s->inputs + i];
            s->fourth[i] += value * value * value * value;
            s->mean[i] += value;
        }
    s->rows += rows;
    for (uint32_t first = 0; first < s->inputs; first += LH_EMBED_CALIBRATION_BLOCK)
        add_products(c, s, first, in, rows);
}

/* A text, or its part: cut texts are what lines and chunks are in daily use. */
static lh_str piece_of(size_t number)
{
    lh_str whole = lh_str_from(lh_embed_calibration_texts[number / PIECES]);
    const size_t middle = lh_utf8_cut(whole, whole.len / 2);
    switch (number % PIECES) {
    case 1: return lh_str_sub(whole, 0, middle);
    case 2: return lh_str_from_offset(whole, middle);
    default: return whole;
    }
}

static void add_text(lh_embed_chunk *chunk, const lh_embed_image *image, lh_str text)
{
    lh_embed_token_list list = {.items = chunk->tokens + chunk->tokens_count,
                                .capacity = image->info.tokens_max};
    lh_embed_tokenizer_encode(&image->tokenizer, image->info.text_prefix, text, 0, &list);
    chunk->texts[chunk->texts_count].index = 0; /* nobody wants the vector */
    chunk->texts[chunk->texts_count++].tokens_count = list.count;
    chunk->tokens_count += list.count;
}

static lh_rc run_texts(lh_ctx *cx, lh_embed_forward *pass)
{
    lh_embed_chunk *chunk = &pass->chunk;
    float *out = LH_NEW_ARRAY(cx, float, pass->image->info.hidden);
    if (out == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; lh_embed_calibration_texts[i / PIECES] != NULL;) {
        chunk->tokens_count = 0;
        chunk->texts_count = 0;
        while (lh_embed_calibration_texts[i / PIECES] != NULL &&
               chunk->tokens_count < LH_EMBED_CHUNK_TOKENS &&
               chunk->texts_count < LH_EMBED_CHUNK_TEXTS_MAX)
            add_text(chunk, pass->image, piece_of(i++));
        LH_TRY(lh_ctx_check(cx));
        LH_TRY(lh_embed_forward_run(cx, pass, out));
    }
    return LH_OK;
}

static lh_rc allocate(lh_ctx *cx, const lh_embed_model_info *info, lh_embed_calibration *c)
{
    const uint32_t inputs[LH_EMBED_LINEARS] = {info->hidden, info->hidden, info->hidden,
                                               info->intermediate};
    const size_t rows = LH_EMBED_CHUNK_TOKENS + (size_t)info->tokens_max;
    size_t floats = 2 * rows * LH_EMBED_CALIBRATION_BLOCK + LH_EMBED_CALIBRATION_BLOCK;
    for (size_t i = 0; i < LH_EMBED_LINEARS; i++)
        floats += info->layers * (2 * (size_t)inputs[i] + products_count(inputs[i]));
    c->layers = info->layers;
    c->of = lh_alloc_zero((size_t)info->layers * LH_EMBED_LINEARS, sizeof(sums));
    c->memory = lh_alloc_zero(floats, sizeof(float));
    if (c->of == NULL || c->memory == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "%zu bytes to calibrate a model",
                       floats * sizeof(float));
    float *at = c->memory;
    for (size_t i = 0; i < (size_t)info->layers * LH_EMBED_LINEARS; i++) {
        sums *s = &c->of[i];
        s->inputs = inputs[i % LH_EMBED_LINEARS];
        s->fourth = at;
        s->mean = s->fourth + s->inputs;
        s->products = s->mean + s->inputs;
        at = s->products + products_count(s->inputs);
    }
    c->none = at;
    c->columns = c->none + LH_EMBED_CALIBRATION_BLOCK;
    c->panels = c->columns + rows * LH_EMBED_CALIBRATION_BLOCK;
    return LH_OK;
}

lh_rc lh_embed_calibrate(lh_ctx *cx, const lh_embed_image *image,
                         lh_embed_calibration **ret_calibration)
{
    lh_assert(image->info.precision == LH_EMBED_PRECISION_F32);
    LH_CLEANUP(lh_embed_calibration_free)
    lh_embed_calibration *c = lh_alloc_zero(1, sizeof(*c));
    if (c == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory to calibrate a model");
    LH_TRY(allocate(cx, &image->info, c));
    c->kernels = lh_embed_kernels_get();
    LH_CLEANUP(lh_embed_forward_done) lh_embed_forward pass = {0};
    LH_TRY(lh_embed_forward_init(cx, &pass, image, c->kernels));
    pass.observer = (lh_embed_observer){see, c};
    LH_TRY(run_texts(cx, &pass));
    for (size_t i = 0; i < (size_t)c->layers * LH_EMBED_LINEARS; i++)
        for (size_t k = 0; k < c->of[i].inputs; k++)
            c->of[i].mean[k] /= (float)LH_MAX(c->of[i].rows, (size_t)1);
    *ret_calibration = LH_TAKE(c);
    return LH_OK;
}

lh_embed_calibration *lh_embed_calibration_free(lh_embed_calibration *c)
{
    if (c == NULL)
        return NULL;
    lh_free(c->of);
    lh_free(c->memory);
    return lh_free(c);
}

lh_embed_input_stats lh_embed_calibration_get(const lh_embed_calibration *c, uint32_t layer,
                                              lh_embed_linear_name which)
{
    lh_assert(layer < c->layers);
    const sums *s = &c->of[layer * LH_EMBED_LINEARS + (uint32_t)which];
    return (lh_embed_input_stats){.inputs = s->inputs,
                                  .rows = s->rows,
                                  .fourth = s->fourth,
                                  .mean = s->mean,
                                  .products = s->products};
}
