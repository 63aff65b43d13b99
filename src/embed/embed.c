/* embed.c - opening a model, and sharing a batch among threads.
 *
 * A thread takes the next text until its chunk is full, tokenises it into place and runs the
 * chunk alone through all layers. There is no sorting, no padding and no barrier. A small batch
 * gets chunks so small that every thread has one. What somebody waits for and fits one chunk is the
 * exception: two threads run it step by step, which takes little more than half of the time, as
 * each of them reads half of the weights. */
#include "embed/embed.h"

#include "base/clock.h"
#include "embed/forward.h"
#include "embed/helper.h"
#include "os/file.h"

#include <stdbool.h>
#include <stdio.h>

enum {
    ARENA_BYTES_MAX = 64 * 1024 * 1024,
    BYTES_PER_TOKEN = 4,
    READY_NS = 20 * 1000,
    CROWDED_ALONE = 4, /* batches */
    LATE_ALONE = 64,
    LATE_ALONE_MAX = 1024
};

/* A thread of a batch, other than the caller's. */
typedef struct helper {
    struct run *run;
    lh_embed_forward *pass;
    lh_ctx cx;
    lh_rc rc;
    lh_embed_helper thread;
} helper;

struct lh_embed_model {
    lh_arena *arena; /* of image */
    lh_map map;
    lh_embed_image image;
    uint32_t threads;
    char kernel[32];
    atomic_int busy; /* one batch at a time */
    uint32_t flags;
    uint32_t alone;                                /* so many batches more are not shared */
    uint32_t alone_late;                           /* after the last one whose helper was late */
    lh_embed_share share;                          /* of passes[0] */
    lh_embed_forward passes[LH_EMBED_THREADS_MAX]; /* the caller's, then the helpers' */
    lh_arena *arenas[LH_EMBED_THREADS_MAX];        /* of the helpers' contexts */
    helper helpers[LH_EMBED_THREADS_MAX];          /* one less than there are passes */
};

/* One batch in flight. */
typedef struct run {
    lh_embed_model *model;
    lh_embed_batch *batch;
    uint32_t chunk_tokens;
    uint32_t helpers;   /* that were given the run */
    atomic_size_t next; /* text to take */
    atomic_size_t done;
    atomic_uint_fast64_t tokens;
    atomic_uint truncated;
    atomic_int failed; /* somebody has: the others stop */
} run;

static lh_rc open_image(lh_ctx *cx, lh_embed_model *model, lh_str bytes, lh_str precision,
                        unsigned flags)
{
    lh_ctx inner;
    lh_ctx_init_child(&inner, model->arena, cx);
    lh_rc rc = lh_embed_image_open(&inner, bytes, precision, flags, &model->image);
    cx->err = inner.err;
    return rc;
}

static void init_threads(lh_embed_model *model, const lh_embed_options *opts)
{
    model->threads = opts->threads == 0 ? 1 : LH_MIN(opts->threads, LH_EMBED_THREADS_MAX);
    model->flags = opts->flags;
    lh_embed_share_init(&model->share, lh_embed_forward_part, &model->passes[0]);
    for (uint32_t i = 0; i + 1 < model->threads; i++)
        lh_embed_helper_init(&model->helpers[i].thread);
}

static lh_rc open_common(lh_ctx *cx, lh_embed_model *model, lh_str bytes,
                         const lh_embed_options *opts, unsigned flags)
{
    static const lh_embed_options defaults = {0};
    opts = opts != NULL ? opts : &defaults;
    const lh_embed_kernels *kernels =
        opts->kernels != NULL ? opts->kernels : lh_embed_kernels_get();
    init_threads(model, opts);
    model->arena = lh_arena_new(ARENA_BYTES_MAX);
    if (model->arena == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory to open a model");
    LH_TRY(open_image(cx, model, bytes, opts->precision,
                      flags | (kernels->fast_half ? LH_EMBED_PREFER_HALF : 0)));
    for (uint32_t i = 0; i < model->threads; i++) {
        LH_TRY(lh_embed_forward_init(cx, &model->passes[i], &model->image, kernels));
        model->arenas[i] = lh_arena_new(ARENA_BYTES_MAX);
        if (model->arenas[i] == NULL)
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory to open a model");
    }
    LH_IGNORE(snprintf(model->kernel, sizeof(model->kernel), "%s/%d", kernels->name,
                       LH_EMBED_KERNELS_REVISION));
    return LH_OK;
}

lh_rc lh_embed_open_bytes(lh_ctx *cx, lh_str bytes, const lh_embed_options *opts,
                          lh_embed_model **ret_model)
{
    LH_CLEANUP(lh_embed_close) lh_embed_model *model = lh_alloc_zero(1, sizeof(*model));
    if (model == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory to open a model");
    LH_TRY(open_common(cx, model, bytes, opts, 0));
    *ret_model = LH_TAKE(model);
    return LH_OK;
}

lh_rc lh_embed_open(lh_ctx *cx, lh_str path, const lh_embed_options *opts,
                    lh_embed_model **ret_model)
{
    LH_CLEANUP(lh_embed_close) lh_embed_model *model = lh_alloc_zero(1, sizeof(*model));
    if (model == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory to open a model");
    LH_TRY(lh_map_open(cx, path, &model->map));
    LH_TRY(open_common(cx, model, model->map.bytes, opts, LH_EMBED_COPY_WEIGHTS));
    lh_map_forget(model->map.bytes); /* of the rest, only the pages of words that are met return */
    *ret_model = LH_TAKE(model);
    return LH_OK;
}

lh_embed_model *lh_embed_close(lh_embed_model *model)
{
    if (model == NULL)
        return NULL;
    for (uint32_t i = 0; i + 1 < model->threads; i++)
        lh_embed_helper_done(&model->helpers[i].thread);
    if (model->threads > 0)
        lh_embed_share_done(&model->share);
    for (uint32_t i = 0; i < model->threads; i++) {
        lh_embed_forward_done(&model->passes[i]);
        LH_IGNORE(lh_arena_free(model->arenas[i]));
    }
    lh_embed_image_done(&model->image);
    LH_IGNORE(lh_arena_free(model->arena));
    lh_map_close(&model->map);
    return lh_free(model);
}

const lh_embed_model_info *lh_embed_info(const lh_embed_model *model)
{
    return &model->image.info;
}

lh_str lh_embed_kernel(const lh_embed_model *model)
{
    return lh_str_from(model->kernel);
}

/* Takes texts until the chunk is full; false when none was left. */
static bool fill_chunk(run *r, lh_embed_forward *pass)
{
    const lh_embed_image *image = pass->image;
    lh_embed_chunk *chunk = &pass->chunk;
    lh_str prefix =
        r->batch->flags & LH_EMBED_QUERY ? image->info.query_prefix : image->info.text_prefix;
    chunk->tokens_count = 0;
    chunk->texts_count = 0;
    while (chunk->tokens_count < r->chunk_tokens && chunk->texts_count < LH_EMBED_CHUNK_TEXTS_MAX) {
        size_t index = atomic_fetch_add(&r->next, 1);
        if (index >= r->batch->count)
            break;
        lh_embed_token_list list = {.items = chunk->tokens + chunk->tokens_count,
                                    .capacity = image->info.tokens_max};
        lh_embed_tokenizer_encode(&image->tokenizer, prefix, r->batch->texts[index], 0, &list);
        chunk->texts[chunk->texts_count].tokens_count = list.count;
        chunk->texts[chunk->texts_count++].index = index;
        chunk->tokens_count += list.count;
        atomic_fetch_add(&r->truncated, list.truncated);
    }
    return chunk->texts_count > 0;
}

/* The work of one thread; progress is reported by the caller's only. */
static lh_rc work(lh_ctx *cx, run *r, lh_embed_forward *pass, bool reports)
{
    while (!atomic_load(&r->failed) && fill_chunk(r, pass)) {
        LH_TRY(lh_ctx_check(cx));
        LH_TRY(lh_embed_forward_run(cx, pass, r->batch->out));
        size_t texts = pass->chunk.texts_count;
        size_t done = atomic_fetch_add(&r->done, texts) + texts;
        atomic_fetch_add(&r->tokens, pass->chunk.tokens_count);
        if (reports && r->batch->on_progress != NULL)
            LH_TRY(r->batch->on_progress(cx, r->batch->arg, done));
    }
    return LH_OK;
}

static void help(void *arg)
{
    helper *h = arg;
    h->rc = work(&h->cx, h->run, h->pass, false);
    if (h->rc != LH_OK)
        atomic_store(&h->run->failed, 1);
}

/* Tokens guessed from bytes: good enough to share a small batch among the threads. */
static uint32_t guess_tokens(const lh_embed_model *model, const lh_embed_batch *batch)
{
    uint64_t enough = (uint64_t)LH_EMBED_CHUNK_TOKENS * model->threads;
    uint64_t tokens = 0;
    for (size_t i = 0; i < batch->count && tokens < enough; i++)
        tokens += LH_MIN(batch->texts[i].len / BYTES_PER_TOKEN + LH_EMBED_TOKENS_MIN,
                         (size_t)model->image.info.tokens_max);
    return (uint32_t)LH_MIN(tokens, enough);
}

/* Helpers that cannot be started are done without: the caller's thread works through everything
 * that is left. */
static void start_helpers(lh_ctx *cx, run *r)
{
    uint32_t wanted = (uint32_t)LH_MIN((size_t)r->model->threads, r->batch->count);
    for (uint32_t i = 1; i < wanted; i++) {
        helper *h = &r->model->helpers[i - 1];
        lh_embed_helper_wait(&h->thread); /* it may be about to leave a share */
        h->run = r;
        h->pass = &r->model->passes[i];
        h->rc = LH_OK;
        lh_arena_reset(r->model->arenas[i]);
        lh_ctx_init_child(&h->cx, r->model->arenas[i], cx);
        if (!lh_embed_helper_ready(cx, &h->thread))
            break;
        lh_embed_helper_give(&h->thread, help, h);
        r->helpers++;
    }
}

/* Each thread runs chunks of its own. */
static lh_rc run_apart(lh_ctx *cx, run *r)
{
    start_helpers(cx, r);
    lh_rc rc = work(cx, r, &r->model->passes[0], true);
    if (rc != LH_OK)
        atomic_store(&r->failed, 1);
    for (uint32_t i = 0; i < r->helpers; i++) {
        helper *h = &r->model->helpers[i];
        lh_embed_helper_wait(&h->thread);
        if (rc == LH_OK && h->rc != LH_OK) {
            rc = h->rc;
            cx->err = h->cx.err;
        }
    }
    return rc;
}

static void share(void *arg)
{
    lh_embed_share_help(arg);
}

/* It may be about to leave what it shared last. */
static bool is_soon_ready(lh_ctx *cx, lh_embed_helper *thread)
{
    const int64_t until_ns = lh_clock_mono_ns() + READY_NS;
    bool ready = lh_embed_helper_ready(cx, thread);
    while (!ready && lh_clock_mono_ns() < until_ns)
        ready = lh_embed_helper_ready(cx, thread);
    return ready;
}

/* How many batches more go without help. A machine whose processors are taken stays so for a while,
 * and a helper that loses its own costs as much as three texts. */
static uint32_t alone_after(lh_embed_model *model, lh_embed_help help)
{
    switch (help) {
    case LH_EMBED_HELP_LATE:
        model->alone_late =
            LH_MIN(LH_MAX(2 * model->alone_late, (uint32_t)LATE_ALONE), (uint32_t)LATE_ALONE_MAX);
        return model->alone_late;
    case LH_EMBED_HELP_CROWDED: return CROWDED_ALONE;
    case LH_EMBED_HELP_GOOD:
    default: model->alone_late -= model->alone_late > 0; return 0;
    }
}

/* Two threads run the caller's chunks, if the other one is there in time. */
static lh_rc run_shared(lh_ctx *cx, run *r)
{
    lh_embed_model *model = r->model;
    lh_embed_forward *pass = &model->passes[0];
    lh_embed_helper *thread = &model->helpers[0].thread;
    if (model->alone > 0 || !is_soon_ready(cx, thread)) {
        model->alone -= model->alone > 0;
        return work(cx, r, pass, true);
    }
    lh_embed_share_open(&model->share);
    lh_embed_helper_give(thread, share, &model->share);
    pass->share = &model->share;
    pass->helper_scratch = model->passes[1].scratch;
    lh_rc rc = work(cx, r, pass, true);
    pass->share = NULL;
    model->alone = alone_after(model, lh_embed_share_end(&model->share));
    return rc;
}

lh_rc lh_embed_texts(lh_ctx *cx, lh_embed_model *model, lh_embed_batch *batch)
{
    lh_assert(atomic_exchange(&model->busy, 1) == 0 && model->threads > 0);
    run r = {.model = model, .batch = batch, .chunk_tokens = LH_EMBED_CHUNK_TOKENS};
    const uint32_t tokens = guess_tokens(model, batch);
    const bool one_chunk =
        batch->count == 1 || (batch->count > 1 && tokens <= LH_EMBED_CHUNK_TOKENS);
    lh_rc rc = LH_OK;
    if (one_chunk && model->threads > 1 && (model->flags & LH_EMBED_SOON) != 0) {
        rc = run_shared(cx, &r);
    } else {
        r.chunk_tokens = LH_MAX(1, tokens / model->threads);
        rc = run_apart(cx, &r);
    }
    batch->tokens = atomic_load(&r.tokens);
    batch->truncated = atomic_load(&r.truncated);
    atomic_store(&model->busy, 0);
    return rc;
}
