/* forward.c - embeddings, then per layer: attention with residual and norm, feed-forward with
 * residual and norm (post-norm, as BERT has it: Devlin et al. 2019), then one vector per text. */
#include "embed/forward.h"

#include "base/num.h"
#include "embed/layout.h"

#include <math.h>
#include <stdbool.h>

enum { ALIGNMENT = 64 };

/* Takes `count` items from a block that is being laid out; base NULL: only counts. */
static void *lay(uint8_t *base, size_t *at, size_t count, size_t item_bytes)
{
    void *here = base == NULL ? NULL : base + *at;
    *at += (count * item_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return here;
}

/* Of a row of what any linear layer reads: a half has up to 4 bytes, an int8 up to 2. Layers are of
 * one shape. */
static size_t operand_bytes(const lh_embed_image *image)
{
    const lh_embed_layer *layer = &image->layers[0];
    const lh_embed_linear *linears[] = {&layer->qkv, &layer->mix, &layer->up, &layer->down};
    size_t bytes = 0;
    for (size_t i = 0; i < LH_ARRAY_LEN(linears); i++) {
        const size_t item = linears[i]->precision == LH_EMBED_PRECISION_INT8 ? 2 : sizeof(float);
        bytes = LH_MAX(bytes, lh_embed_operand_width(linears[i]) * item);
    }
    return bytes;
}

/* Sizes are bounded by lh_embed_model_info_record, so the sums fit size_t. */
static size_t lay_out(lh_embed_forward *e, uint8_t *base)
{
    const lh_embed_model_info *info = &e->image->info;
    const size_t rows = LH_EMBED_CHUNK_TOKENS - 1 + (size_t)info->tokens_max;
    const size_t hidden = info->hidden;
    size_t at = 0;
    e->chunk.tokens = lay(base, &at, rows, sizeof(lh_embed_token));
    e->state = lay(base, &at, rows * hidden, sizeof(float));
    e->sum = lay(base, &at, rows * hidden, sizeof(float));
    e->qkv = lay(base, &at, rows * hidden * 3, sizeof(float));
    e->mixed = lay(base, &at, rows * hidden, sizeof(float));
    e->wide = lay(base, &at, rows * info->intermediate, sizeof(float));
    e->operand.values = lay(base, &at, rows, operand_bytes(e->image));
    e->operand.scales = lay(base, &at, rows, sizeof(float));
    e->operand.zeros = lay(base, &at, rows, sizeof(int32_t));
    e->scratch = lay(base, &at, lh_embed_kernels_scratch_floats(&e->image->heads, info->tokens_max),
                     sizeof(float));
    return at;
}

lh_rc lh_embed_forward_init(lh_ctx *cx, lh_embed_forward *pass, const lh_embed_image *image,
                            const lh_embed_kernels *kernels)
{
    *pass = (lh_embed_forward){.image = image, .kernels = kernels};
    size_t bytes = lay_out(pass, NULL);
    pass->memory = lh_alloc(bytes + ALIGNMENT);
    if (pass->memory == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "%zu bytes of buffers for embedding", bytes);
    uintptr_t start = ((uintptr_t)pass->memory + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    LH_IGNORE(lay_out(pass, (uint8_t *)pass->memory + (start - (uintptr_t)pass->memory)));
    return LH_OK;
}

void lh_embed_forward_done(lh_embed_forward *pass)
{
    pass->memory = lh_free(pass->memory);
}

/* Word and position of one token. */
static void embed_token(const lh_embed_image *image, int32_t id, const float *position, float *out)
{
    const size_t hidden = image->info.hidden;
    const size_t at = (size_t)id * hidden;
    if (lh_embed_words_precision((lh_embed_precision)image->info.precision) ==
        LH_EMBED_PRECISION_BF16) {
        const uint16_t *word = (const uint16_t *)image->words + at;
        for (size_t k = 0; k < hidden; k++)
            out[k] = lh_embed_half_value(word[k]) + position[k];
    } else {
        const float *word = (const float *)image->words + at;
        for (size_t k = 0; k < hidden; k++)
            out[k] = word[k] + position[k];
    }
}

/* Word + position of every token, normed, into state. */
static void embed_tokens(lh_embed_forward *e)
{
    const lh_embed_image *image = e->image;
    const size_t hidden = image->info.hidden;
    float *out = e->sum;
    const lh_embed_token *token = e->chunk.tokens;
    for (uint32_t t = 0; t < e->chunk.texts_count; t++)
        for (uint32_t i = 0; i < e->chunk.texts[t].tokens_count; i++, token++, out += hidden)
            embed_token(image, token->id, image->positions + i * hidden, out);
    e->kernels->layer_norm(&image->norm, hidden, e->chunk.tokens_count, e->sum, e->state);
}

/* in as the layer reads it: f32 rows are read where they are, so are halves that were made by the
 * layer before; the rest is encoded. */
static lh_embed_operand operand_of(lh_embed_forward *e, const lh_embed_linear *layer, void *in,
                                   bool is_half)
{
    if (layer->precision == LH_EMBED_PRECISION_F32 || is_half)
        return (lh_embed_operand){.values = in};
    e->kernels->encode(layer, e->chunk.tokens_count, in, &e->operand);
    return e->operand;
}

static void attend(lh_embed_forward *e, unsigned flags, size_t out_bytes)
{
    const size_t hidden = e->image->info.hidden;
    const size_t in_bytes = flags & LH_EMBED_ATTEND_HALF ? e->kernels->half_bytes : sizeof(float);
    size_t row = 0;
    for (uint32_t t = 0; t < e->chunk.texts_count; t++) {
        uint32_t tokens = e->chunk.texts[t].tokens_count;
        e->kernels->attention(&e->image->heads, flags, tokens,
                              (uint8_t *)e->qkv + row * 3 * hidden * in_bytes,
                              (uint8_t *)e->mixed + row * hidden * out_bytes, e->scratch);
        row += tokens;
    }
}

static void show(const lh_embed_forward *e, uint32_t layer, lh_embed_linear_name which,
                 const void *in)
{
    if (e->observer.see != NULL)
        e->observer.see(e->observer.arg, layer, which, in, e->chunk.tokens_count);
}

/* What passes from one step to the next is rounded to half where the next step reads halves. */
static void run_layer(lh_embed_forward *e, uint32_t number)
{
    const lh_embed_layer *layer = &e->image->layers[number];
    const lh_embed_kernels *k = e->kernels;
    const size_t hidden = e->image->info.hidden;
    const size_t rows = e->chunk.tokens_count;
    const bool exact = layer->qkv.precision == LH_EMBED_PRECISION_F32;
    const bool mix_half = layer->mix.precision == LH_EMBED_PRECISION_BF16;
    const bool down_half = layer->down.precision == LH_EMBED_PRECISION_BF16;

    show(e, number, LH_EMBED_QKV, e->state);
    lh_embed_operand in = operand_of(e, &layer->qkv, e->state, false);
    k->linear(&layer->qkv, exact ? LH_EMBED_EPILOGUE_STORE : LH_EMBED_EPILOGUE_STORE_HALF, rows,
              &in, NULL, e->qkv);
    attend(e, (exact ? 0 : LH_EMBED_ATTEND_HALF) | (mix_half ? LH_EMBED_OUT_HALF : 0),
           mix_half ? k->half_bytes : sizeof(float));
    show(e, number, LH_EMBED_MIX, e->mixed);
    in = operand_of(e, &layer->mix, e->mixed, mix_half);
    k->linear(&layer->mix, LH_EMBED_EPILOGUE_RESIDUAL, rows, &in, e->state, e->sum);
    k->layer_norm(&layer->mix_norm, hidden, rows, e->sum, e->state);
    show(e, number, LH_EMBED_UP, e->state);
    in = operand_of(e, &layer->up, e->state, false);
    k->linear(&layer->up, down_half ? LH_EMBED_EPILOGUE_GELU_HALF : LH_EMBED_EPILOGUE_GELU, rows,
              &in, NULL, e->wide);
    show(e, number, LH_EMBED_DOWN, e->wide);
    in = operand_of(e, &layer->down, e->wide, down_half);
    k->linear(&layer->down, LH_EMBED_EPILOGUE_RESIDUAL, rows, &in, e->state, e->sum);
    k->layer_norm(&layer->out_norm, hidden, rows, e->sum, e->state);
}

lh_rc lh_embed_forward_run(lh_ctx *cx, lh_embed_forward *e, float *out)
{
    const size_t hidden = e->image->info.hidden;
    embed_tokens(e);
    for (uint32_t i = 0; i < e->image->info.layers; i++)
        run_layer(e, i);
    const float *row = e->state;
    for (uint32_t t = 0; t < e->chunk.texts_count; t++) {
        uint32_t tokens = e->chunk.texts[t].tokens_count;
        size_t pooled = e->image->info.pooling == LH_EMBED_POOLING_CLS ? 1 : tokens;
        float squares =
            e->kernels->pool(hidden, pooled, row, out + e->chunk.texts[t].index * hidden);
        if (!isfinite(squares))
            return lh_fail(cx, LH_E_CORRUPT, "model %.*s gave a vector that is not finite",
                           LH_STR_ARG(e->image->info.name));
        row += tokens * hidden;
    }
    return LH_OK;
}
