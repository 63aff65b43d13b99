/* forward.c - embeddings, then per layer: attention with residual and norm, feed-forward with
 * residual and norm (post-norm, as BERT has it: Devlin et al. 2019), then one vector per text.
 *
 * A layer is a table of steps over rows, panels of columns, or heads of texts. One thread takes
 * each step whole; two share its parts. */
#include "embed/forward.h"

#include "base/num.h"
#include "embed/layout.h"

#include <math.h>
#include <stdbool.h>

enum {
    ALIGNMENT = 64,
    PART_PANELS = 4, /* of columns that one thread takes at a time */
    PARTS = 12,      /* of the rows or heads */
    NORM_ROWS = 2    /* that are normed side by side, and then encoded */
};

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
static void embed_token(const lh_embed_forward *e, int32_t id, const float *position, float *out)
{
    const lh_embed_image *image = e->image;
    const size_t hidden = image->info.hidden;
    const size_t at = (size_t)id * hidden;
    if (lh_embed_words_precision((lh_embed_precision)image->info.precision) ==
        LH_EMBED_PRECISION_BF16) {
        e->kernels->add_word(hidden, (const uint16_t *)image->words + at, position, out);
        return;
    }
    const float *word = (const float *)image->words + at;
    for (size_t k = 0; k < hidden; k++)
        out[k] = word[k] + position[k];
}

/* One of the threads of a pass. */
typedef struct hand {
    lh_embed_forward *e;
    const lh_embed_layer *layer;
    uint32_t number; /* of the layer */
    float *scratch;
    bool backwards; /* takes its parts from the last one on */
} hand;

/* Some units of a step: rows, panels of columns, or heads (all of the first text come first). */
typedef struct range {
    size_t first;
    size_t end;
} range;

/* Rows as the layer reads them: f32 rows are read where they are. */
static void encode(lh_embed_forward *e, const lh_embed_linear *layer, const float *in, range rows)
{
    if (layer->precision == LH_EMBED_PRECISION_F32)
        return;
    const lh_embed_operand out = lh_embed_operand_from(e->kernels, layer, &e->operand, rows.first);
    e->kernels->encode(layer, rows.end - rows.first, in + rows.first * layer->inputs, &out);
}

/* sum, normed, into state, and at once as `next` reads it. */
static void norm_rows(lh_embed_forward *e, const lh_embed_norm *norm, const lh_embed_linear *next,
                      range rows)
{
    const size_t hidden = e->image->info.hidden;
    for (size_t r = rows.first, end; r < rows.end; r = end) {
        end = LH_MIN(r + NORM_ROWS, rows.end);
        e->kernels->layer_norm(norm, hidden, end - r, e->sum + r * hidden, e->state + r * hidden);
        if (next != NULL)
            encode(e, next, e->state, (range){r, end});
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
            embed_token(e, token->id, image->positions + i * hidden, out);
    norm_rows(e, &image->norm, &image->layers[0].qkv, (range){0, e->chunk.tokens_count});
}

static void show(const hand *h, lh_embed_linear_name which, const void *in)
{
    const lh_embed_observer *observer = &h->e->observer;
    if (observer->see != NULL)
        observer->see(observer->arg, h->number, which, in, h->e->chunk.tokens_count);
}

/* What a linear layer reads and writes. f32 rows are read where they are, so are halves that the
 * step before has made; else the operand. */
typedef struct flow {
    void *in;
    bool in_half;
    lh_embed_epilogue epilogue;
    const float *residual;
    void *out;
} flow;

static void multiply(const hand *h, const lh_embed_linear *layer, const flow *f, range panels)
{
    const lh_embed_forward *e = h->e;
    const bool as_it_is = layer->precision == LH_EMBED_PRECISION_F32 || f->in_half;
    const lh_embed_operand in = as_it_is ? (lh_embed_operand){.values = f->in} : e->operand;
    const size_t column = panels.first * LH_EMBED_PANEL;
    const bool halves =
        f->epilogue == LH_EMBED_EPILOGUE_STORE_HALF || f->epilogue == LH_EMBED_EPILOGUE_GELU_HALF;
    lh_embed_linear part = lh_embed_linear_part(layer, panels.first, panels.end - panels.first);
    part.backwards = h->backwards;
    e->kernels->linear(&part, f->epilogue, e->chunk.tokens_count, &in,
                       f->residual != NULL ? f->residual + column : NULL,
                       (uint8_t *)f->out +
                           column * (halves ? e->kernels->half_bytes : sizeof(float)));
}

static bool is_exact(const hand *h)
{
    return h->layer->qkv.precision == LH_EMBED_PRECISION_F32;
}

static bool reads_half(const lh_embed_linear *layer)
{
    return layer->precision == LH_EMBED_PRECISION_BF16;
}

static void run_qkv(const hand *h, range panels)
{
    lh_embed_forward *e = h->e;
    show(h, LH_EMBED_QKV, e->state);
    const lh_embed_epilogue epilogue =
        is_exact(h) ? LH_EMBED_EPILOGUE_STORE : LH_EMBED_EPILOGUE_STORE_HALF;
    multiply(h, &h->layer->qkv, &(flow){.in = e->state, .epilogue = epilogue, .out = e->qkv},
             panels);
}

/* Heads of one text, whose first row is `row`. */
static void attend_text(const hand *h, size_t row, size_t tokens, range heads)
{
    lh_embed_forward *e = h->e;
    const bool exact = is_exact(h);
    const bool out_half = reads_half(&h->layer->mix);
    const size_t in_bytes = exact ? sizeof(float) : e->kernels->half_bytes;
    const size_t out_bytes = out_half ? e->kernels->half_bytes : sizeof(float);
    const size_t hidden = e->image->info.hidden;
    const size_t column = heads.first * e->image->heads.head_width;
    lh_embed_heads some = e->image->heads;
    some.heads = (uint32_t)(heads.end - heads.first);
    e->kernels->attention(&some,
                          (exact ? 0 : LH_EMBED_ATTEND_HALF) | (out_half ? LH_EMBED_OUT_HALF : 0),
                          tokens, (uint8_t *)e->qkv + (row * 3 * hidden + column) * in_bytes,
                          (uint8_t *)e->mixed + (row * hidden + column) * out_bytes, h->scratch);
}

static void run_attention(const hand *h, range units)
{
    const lh_embed_chunk *chunk = &h->e->chunk;
    const size_t heads = h->e->image->heads.heads;
    size_t row = 0;
    for (size_t t = 0; t < chunk->texts_count; row += chunk->texts[t++].tokens_count) {
        const size_t from = LH_MAX(units.first, t * heads);
        const size_t end = LH_MIN(units.end, (t + 1) * heads);
        if (from < end)
            attend_text(h, row, chunk->texts[t].tokens_count,
                        (range){from - t * heads, end - t * heads});
    }
}

static void encode_mixed(const hand *h, range rows)
{
    encode(h->e, &h->layer->mix, h->e->mixed, rows);
}

static void run_mix(const hand *h, range panels)
{
    lh_embed_forward *e = h->e;
    show(h, LH_EMBED_MIX, e->mixed);
    multiply(h, &h->layer->mix,
             &(flow){.in = e->mixed,
                     .in_half = reads_half(&h->layer->mix),
                     .epilogue = LH_EMBED_EPILOGUE_RESIDUAL,
                     .residual = e->state,
                     .out = e->sum},
             panels);
}

static void norm_mix(const hand *h, range rows)
{
    norm_rows(h->e, &h->layer->mix_norm, &h->layer->up, rows);
}

static void run_up(const hand *h, range panels)
{
    lh_embed_forward *e = h->e;
    show(h, LH_EMBED_UP, e->state);
    const lh_embed_epilogue epilogue =
        reads_half(&h->layer->down) ? LH_EMBED_EPILOGUE_GELU_HALF : LH_EMBED_EPILOGUE_GELU;
    multiply(h, &h->layer->up, &(flow){.in = e->state, .epilogue = epilogue, .out = e->wide},
             panels);
}

static void encode_wide(const hand *h, range rows)
{
    encode(h->e, &h->layer->down, h->e->wide, rows);
}

static void run_down(const hand *h, range panels)
{
    lh_embed_forward *e = h->e;
    show(h, LH_EMBED_DOWN, e->wide);
    multiply(h, &h->layer->down,
             &(flow){.in = e->wide,
                     .in_half = reads_half(&h->layer->down),
                     .epilogue = LH_EMBED_EPILOGUE_RESIDUAL,
                     .residual = e->state,
                     .out = e->sum},
             panels);
}

static void norm_out(const hand *h, range rows)
{
    const bool last = h->number + 1 == h->e->image->info.layers;
    norm_rows(h->e, &h->layer->out_norm, last ? NULL : &h->layer[1].qkv, rows);
}

typedef enum unit {
    UNIT_QKV, /* panels */
    UNIT_HIDDEN,
    UNIT_WIDE,
    UNIT_HEADS,
    UNIT_ROWS,
    UNIT_MIX_ROWS, /* if they have to be encoded */
    UNIT_DOWN_ROWS
} unit;

/* The steps of a layer, each of which needs all of the one before. What passes from one to the next
 * is rounded to half where the next reads halves. */
static const struct {
    unit unit;
    void (*run)(const hand *h, range units);
} steps[] = {
    {UNIT_QKV, run_qkv},           {UNIT_HEADS, run_attention}, {UNIT_MIX_ROWS, encode_mixed},
    {UNIT_HIDDEN, run_mix},        {UNIT_ROWS, norm_mix},       {UNIT_WIDE, run_up},
    {UNIT_DOWN_ROWS, encode_wide}, {UNIT_HIDDEN, run_down},     {UNIT_ROWS, norm_out}};

/* Others read what the step before wrote. */
static size_t rows_to_encode(const lh_embed_forward *e, const lh_embed_linear *layer)
{
    return layer->precision == LH_EMBED_PRECISION_INT8 ? e->chunk.tokens_count : 0;
}

static size_t units_of(const lh_embed_forward *e, uint32_t step)
{
    const lh_embed_model_info *info = &e->image->info;
    const lh_embed_layer *layer = &e->image->layers[step / LH_ARRAY_LEN(steps)];
    switch (steps[step % LH_ARRAY_LEN(steps)].unit) {
    case UNIT_QKV: return (size_t)3 * info->hidden / LH_EMBED_PANEL;
    case UNIT_HIDDEN: return info->hidden / LH_EMBED_PANEL;
    case UNIT_WIDE: return info->intermediate / LH_EMBED_PANEL;
    case UNIT_HEADS: return (size_t)e->chunk.texts_count * info->heads;
    case UNIT_MIX_ROWS: return rows_to_encode(e, &layer->mix);
    case UNIT_DOWN_ROWS: return rows_to_encode(e, &layer->down);
    case UNIT_ROWS:
    default: return e->chunk.tokens_count;
    }
}

/* Panels go in the groups that the kernels multiply at a time, the others in a dozen parts. */
static size_t units_of_part(const lh_embed_forward *e, uint32_t step)
{
    const bool panels = steps[step % LH_ARRAY_LEN(steps)].unit <= UNIT_WIDE;
    return panels ? PART_PANELS : (units_of(e, step) + PARTS - 1) / PARTS;
}

static void run_step(lh_embed_forward *e, uint32_t step, lh_embed_side side, range units)
{
    const bool helps = side == LH_EMBED_HELPER;
    const uint32_t number = step / LH_ARRAY_LEN(steps);
    const hand h = {.e = e,
                    .layer = &e->image->layers[number],
                    .number = number,
                    .scratch = helps ? e->helper_scratch : e->scratch,
                    .backwards = helps};
    steps[step % LH_ARRAY_LEN(steps)].run(&h, units);
}

void lh_embed_forward_part(void *arg, const lh_embed_part *part)
{
    lh_embed_forward *e = arg;
    const size_t count = units_of_part(e, part->step);
    const size_t first = part->part * count;
    run_step(e, part->step, part->side,
             (range){first, LH_MIN(first + count, units_of(e, part->step))});
}

static void run_layers(lh_embed_forward *e)
{
    const uint32_t count = e->image->info.layers * (uint32_t)LH_ARRAY_LEN(steps);
    for (uint32_t step = 0; step < count; step++) {
        const size_t units = units_of(e, step);
        const size_t part = units_of_part(e, step);
        if (units == 0)
            continue;
        if (e->share != NULL)
            lh_embed_share_step(e->share, step, (uint32_t)((units + part - 1) / part));
        else
            run_step(e, step, LH_EMBED_OWNER, (range){0, units});
    }
}

lh_rc lh_embed_forward_run(lh_ctx *cx, lh_embed_forward *e, float *out)
{
    const size_t hidden = e->image->info.hidden;
    embed_tokens(e);
    run_layers(e);
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
