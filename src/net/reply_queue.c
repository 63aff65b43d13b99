/* reply_queue.c - reply bytes on their way from a handler to the loop, in chunks, with a bound on
 * what is under way.
 *
 * A handler fills a chunk of its own and only takes the lock to hand it over, so writing row after
 * row costs a memcpy. When more than LHI_OUT_BYTES_MAX wait for the kernel the handler waits too: a
 * slow client slows its own query, nothing else. Inline handlers run on the loop and cannot wait
 * for it: what they write is queued whole. */
#include "net/net_private.h"

#include "base/mem.h"

enum {
    FRAME_HEAD_BYTES = 6, /* "1a2b\r\n" */
    FRAME_TAIL_BYTES = 2, /* "\r\n" */
    FRAME_LAST_BYTES = 5  /* "0\r\n\r\n" */
};
#define NO_FRAME UINT32_MAX

lhi_chunk *lhi_chunk_take(lh_request *rq, size_t bytes)
{
    if (bytes <= LHI_CHUNK_FIRST_BYTES) {
        LH_WITH_LOCK(&rq->lock);
        if (!rq->first_chunk_busy) {
            rq->first_chunk_busy = true;
            lhi_chunk *chunk = rq->first_chunk;
            chunk->next = NULL;
            chunk->len = chunk->sent = 0;
            return chunk;
        }
    }
    lhi_chunk *chunk = lh_alloc(sizeof(*chunk) + bytes);
    if (chunk != NULL) {
        chunk->next = NULL;
        chunk->cap = (uint32_t)bytes;
        chunk->len = chunk->sent = 0;
    }
    return chunk;
}

/* Lock held, or nobody else knows the request. */
void lhi_chunk_give(lh_request *rq, lhi_chunk *chunk)
{
    if (chunk == rq->first_chunk)
        rq->first_chunk_busy = false;
    else
        lh_free(chunk);
}

void lhi_reply_queue_chunk(lh_request *rq, lhi_chunk *chunk)
{
    if (rq->out_last != NULL)
        rq->out_last->next = chunk;
    else
        rq->out_first = chunk;
    rq->out_last = chunk;
    rq->out_bytes += chunk->len;
}

void lhi_wake(lh_request *rq)
{
    struct lh_server *server = rq->server;
    if (rq->woken)
        return;
    rq->woken = true;
    rq->wake_next = NULL;
    lh_mutex_lock(&server->lock);
    bool first = server->wake_first == NULL;
    *server->wake_end = rq;
    server->wake_end = &rq->wake_next;
    lh_mutex_unlock(&server->lock);
    if (first && server->loop_open)
        (void)uv_async_send(&server->wake);
}

static lh_rc need_chunk(lh_request *rq)
{
    lh_reply *rp = &rq->reply;
    if (rp->cur != NULL)
        return LH_OK;
    /* The first chunk is small and at hand: most replies fit, and the first bytes of a stream leave
     * early. */
    rp->cur = lhi_chunk_take(rq, rp->any_pushed ? LHI_CHUNK_BYTES : LHI_CHUNK_FIRST_BYTES);
    if (rp->cur == NULL)
        return lh_fail(&rq->cx, LH_E_NO_MEMORY, "no memory for the reply");
    rp->frame = NO_FRAME;
    return LH_OK;
}

/* Writes the length in front of the payload, now that it is known. */
static void close_frame(lh_reply *rp)
{
    static const char digits[] = "0123456789abcdef";
    if (rp->cur == NULL || rp->frame == NO_FRAME)
        return;
    uint32_t payload = rp->cur->len - rp->frame - FRAME_HEAD_BYTES;
    char *head = rp->cur->data + rp->frame;
    if (payload == 0) {
        rp->cur->len = rp->frame; /* a length of 0 would end the body */
    } else {
        for (int i = 0; i < 4; i++)
            head[i] = digits[(payload >> (12 - 4 * i)) & 15];
        memcpy(head + 4, "\r\n", 2);
        memcpy(rp->cur->data + rp->cur->len, "\r\n", FRAME_TAIL_BYTES);
        rp->cur->len += FRAME_TAIL_BYTES;
    }
    rp->frame = NO_FRAME;
}

lh_rc lhi_reply_push(lh_request *rq)
{
    lh_reply *rp = &rq->reply;
    close_frame(rp);
    if (rp->cur == NULL || rp->cur->len == 0)
        return LH_OK;
    LH_WITH_LOCK(&rq->lock);
    if (rq->gone)
        return lh_fail(&rq->cx, LH_E_CANCELLED, "the client left");
    lhi_reply_queue_chunk(rq, LH_TAKE(rp->cur));
    rp->any_pushed = true;
    if (rq->ran_inline)
        return LH_OK;
    lhi_wake(rq);
    while (rq->out_bytes > LHI_OUT_BYTES_MAX && !rq->gone)
        lh_cond_wait(&rq->changed, &rq->lock);
    if (rq->gone)
        return lh_fail(&rq->cx, LH_E_CANCELLED, "the client left");
    return LH_OK;
}

lh_rc lhi_reply_raw(lh_request *rq, lh_str bytes)
{
    lh_reply *rp = &rq->reply;
    close_frame(rp);
    while (bytes.len > 0) {
        LH_TRY(need_chunk(rq));
        size_t n = LH_MIN(bytes.len, (size_t)(rp->cur->cap - rp->cur->len));
        memcpy(rp->cur->data + rp->cur->len, bytes.ptr, n);
        rp->cur->len += (uint32_t)n;
        bytes = lh_str_from_offset(bytes, n);
        if (rp->cur->len == rp->cur->cap)
            LH_TRY(lhi_reply_push(rq));
    }
    return LH_OK;
}

lh_rc lhi_reply_framed(lh_request *rq, lh_str bytes)
{
    lh_reply *rp = &rq->reply;
    if (!rp->chunked)
        return lhi_reply_raw(rq, bytes);
    while (bytes.len > 0) {
        LH_TRY(need_chunk(rq));
        uint32_t reserve =
            FRAME_TAIL_BYTES + FRAME_LAST_BYTES + (rp->frame == NO_FRAME ? FRAME_HEAD_BYTES : 0);
        uint32_t room = rp->cur->cap - rp->cur->len;
        if (room <= reserve) {
            LH_TRY(lhi_reply_push(rq));
            continue;
        }
        if (rp->frame == NO_FRAME) {
            rp->frame = rp->cur->len;
            rp->cur->len += FRAME_HEAD_BYTES;
        }
        size_t n = LH_MIN(bytes.len, (size_t)(room - reserve));
        memcpy(rp->cur->data + rp->cur->len, bytes.ptr, n);
        rp->cur->len += (uint32_t)n;
        bytes = lh_str_from_offset(bytes, n);
    }
    return LH_OK;
}

/* The last bytes and the word that it was all, in one step: the loop wakes once. */
void lhi_reply_end(lh_request *rq)
{
    lh_reply *rp = &rq->reply;
    close_frame(rp);
    LH_WITH_LOCK(&rq->lock);
    if (rp->cur != NULL) {
        lhi_chunk *last = LH_TAKE(rp->cur);
        if (rq->gone || last->len == 0)
            lhi_chunk_give(rq, last);
        else
            lhi_reply_queue_chunk(rq, last);
    }
    rq->finished = true;
    if (!rq->ran_inline)
        lhi_wake(rq);
}
