/* ring.c - body bytes on their way from the loop to a handler: a ring of fixed size.
 *
 * The handler gets a piece of the ring itself (no copy) and gives it back with its next read. The
 * loop reads no more from the socket than the ring has room for, so put never waits; a full ring
 * stops reading, which the client's TCP feels. Reading starts again when half of the ring is free,
 * so that the two sides do not hand over crumbs. */
#include "net/net_private.h"

#include "base/mem.h"

lh_rc lhi_ring_open(lh_request *rq)
{
    rq->ring = lh_alloc(LHI_RING_BYTES);
    if (rq->ring == NULL)
        return lh_fail(&rq->cx, LH_E_NO_MEMORY, "no memory for the body");
    return LH_OK;
}

size_t lhi_ring_room(lh_request *rq)
{
    LH_WITH_LOCK(&rq->lock);
    size_t room = LHI_RING_BYTES - rq->ring_used;
    if (room < LHI_RING_BYTES / 4) {
        rq->want_room = true;
        return 0;
    }
    return room;
}

void lhi_ring_put(lh_request *rq, lh_str bytes)
{
    LH_WITH_LOCK(&rq->lock);
    lh_assert(bytes.len <= LHI_RING_BYTES - rq->ring_used);
    size_t to = (rq->ring_read + rq->ring_used) % LHI_RING_BYTES;
    size_t first = LH_MIN(bytes.len, (size_t)LHI_RING_BYTES - to);
    memcpy(rq->ring + to, bytes.ptr, first);
    memcpy(rq->ring, bytes.ptr + first, bytes.len - first);
    rq->ring_used += bytes.len;
    lh_cond_signal(&rq->changed);
}

void lhi_ring_end(lh_request *rq, const lh_err *err)
{
    LH_WITH_LOCK(&rq->lock);
    if (err == NULL) {
        rq->body_complete = true;
    } else if (rq->body_rc == LH_OK) {
        rq->body_rc = err->rc;
        rq->body_err = *err;
    }
    lh_cond_broadcast(&rq->changed);
}

/* Waits until there are bytes, the end, or a reason to stop. Lock held. */
static lh_rc wait_for_bytes(lh_ctx *cx, lh_request *rq)
{
    enum { SLICE_US = 250 * 1000 }; /* a cancel from elsewhere (a job) does not wake us */
    while (rq->ring_used == 0 && !rq->body_complete) {
        if (rq->gone)
            return lh_fail(cx, LH_E_CANCELLED, "the client left in the middle of the body");
        if (rq->body_rc != LH_OK) {
            cx->err = rq->body_err;
            return rq->body_rc;
        }
        LH_TRY(lh_ctx_check(cx));
        int64_t until_us = LH_MIN(cx->deadline_us, lh_clock_mono_us() + SLICE_US);
        (void)lh_cond_wait_until(&rq->changed, &rq->lock, until_us);
    }
    return LH_OK;
}

lh_rc lh_request_read(lh_ctx *cx, lh_request *rq, lh_str *ret_bytes)
{
    lh_assert(rq->endpoint->route->flags & LH_ROUTE_STREAM_BODY);
    LH_WITH_LOCK(&rq->lock);
    rq->ring_read = (rq->ring_read + rq->ring_lent) % LHI_RING_BYTES;
    rq->ring_used -= rq->ring_lent;
    rq->ring_lent = 0;
    bool ask = !rq->read_asked && rq->want_continue;
    rq->read_asked = true;
    if (ask || (rq->want_room && rq->ring_used <= LHI_RING_BYTES / 2)) {
        rq->want_room = false;
        lhi_wake(rq);
    }
    LH_TRY(wait_for_bytes(cx, rq));
    size_t len = LH_MIN(rq->ring_used, (size_t)LHI_RING_BYTES - rq->ring_read);
    len = LH_MIN(len, (size_t)LHI_RING_BYTES /
                          4); /* so that room grows while the handler works on a piece */
    rq->ring_lent = len;
    *ret_bytes = lh_str_n(rq->ring + rq->ring_read, len);
    return LH_OK;
}
