/* search/search_lane.c - a ring of batches: filled by one thread, embedded by another, drained by
 * the first in the same order. */
#include "search/search_lane_private.h"

#include "base/clock.h"
#include "os/thread.h"

#define BATCH_ARENA_BYTES (64u * 1024u * 1024u)
#define WAIT_SLICE_US     50000
/* A background worker may starve for minutes while people keep the processors busy. */
#define BATCH_TIMEOUT_US (30 * 60 * 1000000ll)

enum { FREE, SEALED, DONE };

struct lhi_lane {
    lhi_lane_options opts;
    lh_mutex lock;
    lh_cond changed;
    lh_cancel stop; /* of the batch that is embedded, and of the thread */
    lh_thread *thread;
    lhi_batch batches[LHI_LANE_BATCHES];
    uint32_t filling; /* next to be filled */
    uint32_t working; /* next to be embedded */
    uint32_t oldest;  /* next to be drained */
};

static lhi_batch *at(lhi_lane *lane, uint32_t number)
{
    return &lane->batches[number % LHI_LANE_BATCHES];
}

static lh_rc embed(lhi_lane *lane, lhi_batch *b)
{
    lh_str *texts = LH_NEW_ARRAY(&b->cx, lh_str, b->count);
    b->vectors = LH_NEW_ARRAY(&b->cx, float, b->count * lane->opts.dimensions);
    if (!texts || !b->vectors)
        return b->cx.err.rc;
    for (size_t i = 0; i < b->count; i++)
        texts[i] = b->items[i].text;
    b->cx.deadline_us = lh_clock_mono_us() + BATCH_TIMEOUT_US;
    b->cx.cancel = &lane->stop;
    lh_embed_request request = {.texts = texts,
                                .count = b->count,
                                .precision = lane->opts.precision,
                                .purpose = LH_EMBED_AS_DOCUMENT,
                                .lane = LH_EMBED_BULK,
                                .out = b->vectors};
    LH_TRY(lh_embedder_embed(&b->cx, lane->opts.embedder, &request));
    b->from_model = request.from_model;
    return LH_OK;
}

static void work(void *arg)
{
    lhi_lane *lane = arg;
    lh_mutex_lock(&lane->lock);
    while (!lh_cancel_requested(&lane->stop)) {
        lhi_batch *b = at(lane, lane->working);
        if (b->state != SEALED) {
            lh_cond_wait(&lane->changed, &lane->lock);
            continue;
        }
        lh_mutex_unlock(&lane->lock);
        lh_rc rc = embed(lane, b);
        lh_mutex_lock(&lane->lock);
        b->rc = rc;
        b->state = DONE;
        lane->working++;
        lh_cond_broadcast(&lane->changed);
    }
    lh_mutex_unlock(&lane->lock);
}

lh_rc lhi_lane_open(lh_ctx *cx, const lhi_lane_options *opts, lhi_lane **ret_lane)
{
    LH_CLEANUP(lhi_lane_close) lhi_lane *lane = lh_alloc_zero(1, sizeof *lane);
    if (!lane)
        return lh_fail(cx, LH_E_NO_MEMORY, "embedding lane");
    lane->opts = *opts;
    lh_mutex_init(&lane->lock);
    lh_cond_init(&lane->changed);
    for (uint32_t i = 0; i < LHI_LANE_BATCHES; i++) {
        lhi_batch *b = &lane->batches[i];
        b->arena = lh_arena_new(BATCH_ARENA_BYTES);
        if (!b->arena)
            return lh_fail(cx, LH_E_NO_MEMORY, "embedding lane");
        lh_ctx_init_child(&b->cx, b->arena, cx);
    }
    LH_TRY(lh_thread_start(cx, "lh-embed", 0, work, lane, &lane->thread));
    *ret_lane = LH_TAKE(lane);
    return LH_OK;
}

lhi_lane *lhi_lane_close(lhi_lane *lane)
{
    if (!lane)
        return NULL;
    lh_cancel_request(&lane->stop);
    {
        LH_WITH_LOCK(&lane->lock);
        lh_cond_broadcast(&lane->changed);
    }
    lh_thread_join(lane->thread);
    for (uint32_t i = 0; i < LHI_LANE_BATCHES; i++)
        lh_arena_free(lane->batches[i].arena);
    lh_cond_done(&lane->changed);
    lh_mutex_done(&lane->lock);
    return lh_free(lane);
}

lhi_batch *lhi_lane_fill(lhi_lane *lane)
{
    LH_WITH_LOCK(&lane->lock);
    lhi_batch *b = at(lane, lane->filling);
    return b->state == FREE ? b : NULL;
}

lh_rc lhi_batch_add(lh_ctx *cx, lhi_batch *b, const lhi_pending *item)
{
    lh_assert(b->count < LHI_BATCH_TEXTS);
    lhi_pending *to = &b->items[b->count];
    *to =
        (lhi_pending){lh_ctx_dup(&b->cx, item->id), item->chunk_no, lh_ctx_dup(&b->cx, item->text)};
    if (!to->id.ptr || !to->text.ptr)
        return lh_fail(cx, LH_E_NO_MEMORY, "texts of a batch");
    b->count++;
    b->bytes += item->text.len;
    return LH_OK;
}

int lhi_batch_full(const lhi_batch *b)
{
    return b->count == LHI_BATCH_TEXTS || b->bytes >= LHI_BATCH_BYTES;
}

void lhi_lane_seal(lhi_lane *lane)
{
    LH_WITH_LOCK(&lane->lock);
    lhi_batch *b = at(lane, lane->filling);
    lh_assert(b->state == FREE && b->count > 0);
    b->state = SEALED;
    lane->filling++;
    lh_cond_broadcast(&lane->changed);
}

lh_rc lhi_lane_drain(lh_ctx *cx, lhi_lane *lane, int wait, lhi_batch **ret_batch)
{
    *ret_batch = NULL;
    LH_WITH_LOCK(&lane->lock);
    lhi_batch *b = at(lane, lane->oldest);
    while (b->state == SEALED && wait) {
        (void)lh_cond_wait_for(&lane->changed, &lane->lock, WAIT_SLICE_US);
        LH_TRY(lh_ctx_check(cx));
    }
    if (b->state != DONE)
        return LH_OK;
    if (b->rc != LH_OK) {
        cx->err = b->cx.err;
        return b->rc;
    }
    *ret_batch = b;
    return LH_OK;
}

void lhi_lane_give_back(lhi_lane *lane, lhi_batch *b)
{
    LH_WITH_LOCK(&lane->lock);
    lh_assert(b == at(lane, lane->oldest) && b->state == DONE);
    lh_arena_reset(b->arena);
    b->count = 0;
    b->bytes = 0;
    b->vectors = NULL;
    b->state = FREE;
    lane->oldest++;
}
