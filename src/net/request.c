/* request.c - the pool of requests, and what a handler may ask of one.
 *
 * A request is a few KB (head buffer, header table, arena, first reply chunk). Making one costs a
 * dozen allocations, so a finished one is wiped and kept; an idle connection has none. */
#include "net/net_private.h"

#include "base/mem.h"
#include "base/num.h"
#include "net/text_private.h"

static lh_request *make(struct lh_server *server)
{
    lh_request *rq = lh_alloc_zero(1, sizeof(*rq));
    if (rq == NULL)
        return NULL;
    rq->server = server;
    lh_mutex_init(&rq->lock);
    lh_cond_init(&rq->changed);
    lh_arena *arena = lh_arena_new(0);
    lhi_header *headers = lh_alloc_zero(server->limits.headers_max, sizeof(*headers));
    rq->first_chunk = lh_alloc(sizeof(lhi_chunk) + LHI_CHUNK_FIRST_BYTES);
    if (rq->first_chunk != NULL)
        rq->first_chunk->cap = LHI_CHUNK_FIRST_BYTES;
    if (arena != NULL)
        lh_ctx_init(&rq->cx, arena);
    lhi_parser_init(&rq->parser, &rq->cx, &server->limits, headers);
    if (arena == NULL || headers == NULL || rq->first_chunk == NULL)
        return lhi_request_free(rq);
    return rq;
}

lh_request *lhi_request_free(lh_request *rq)
{
    if (rq == NULL)
        return NULL;
    lhi_reply_done(rq);
    while (rq->out_first != NULL) {
        lhi_chunk *chunk = rq->out_first;
        rq->out_first = chunk->next;
        lhi_chunk_give(rq, chunk);
    }
    lh_free(rq->first_chunk);
    lh_free(rq->ring);
    lh_buf_done(&rq->body);
    lh_free(rq->parser.headers);
    lhi_parser_done(&rq->parser);
    lh_arena_free(rq->cx.arena);
    lh_cond_done(&rq->changed);
    lh_mutex_done(&rq->lock);
    lh_free(rq);
    return NULL;
}

lh_request *lhi_request_take(struct lh_server *server)
{
    lh_request *rq = server->free_requests;
    if (rq != NULL) {
        server->free_requests = rq->next;
        server->free_requests_count--;
    } else if ((rq = make(server)) == NULL) {
        return NULL;
    }
    lh_ctx_init(&rq->cx, rq->cx.arena);
    atomic_store_explicit(&rq->cancel.requested, 0, memory_order_relaxed);
    rq->cx.cancel = &rq->cancel;
    lhi_reply_reset(rq);
    rq->started_us = server->now_us;
    rq->stage = LHI_IN_HEAD;
    return rq;
}

/* Back to what make() left, keeping the memory that is worth keeping. */
static void wipe(lh_request *rq)
{
    while (rq->out_first != NULL) {
        lhi_chunk *chunk = rq->out_first;
        rq->out_first = chunk->next;
        lhi_chunk_give(rq, chunk);
    }
    rq->ring = lh_free(rq->ring);
    if (rq->body.cap > LHI_BODY_KEPT_BYTES)
        lh_buf_done(&rq->body);
    rq->body.len = 0;
    lhi_reply_reset(rq);
    lhi_parser_reset(&rq->parser);
    rq->parser.cx = &rq->cx; /* a streamed body had lent it to the loop's */
    lh_arena_reset(rq->cx.arena);
    rq->conn = NULL;
    rq->endpoint = NULL;
    rq->method = rq->path = rq->allow = LH_STR_NONE;
    rq->query = NULL;
    rq->query_count = 0;
    rq->rc = rq->body_rc = LH_OK;
    rq->keep_alive = rq->http_1_0 = rq->counted = rq->dispatched = rq->ran_inline = rq->wrote =
        false;
    rq->body_bytes = 0;
    rq->window_bytes = 0;
    rq->window_us = rq->paused_us = 0;
    rq->out_last = NULL;
    rq->out_bytes = rq->ring_read = rq->ring_used = rq->ring_lent = 0;
    rq->body_complete = rq->want_room = rq->want_continue = rq->read_asked = false;
    rq->finished = rq->gone = rq->pings = rq->mid_event = rq->release_on_wake = false;
}

void lhi_request_release(lh_request *rq)
{
    struct lh_server *server = rq->server;
    lh_mutex_lock(&rq->lock);
    bool woken = rq->woken;
    rq->release_on_wake = woken; /* the wake list still points here */
    lh_mutex_unlock(&rq->lock);
    if (woken) {
        rq->conn = NULL;
        return;
    }
    wipe(rq);
    if (server->free_requests_count == LHI_REQUESTS_KEPT) {
        lhi_request_free(rq);
        return;
    }
    rq->next = server->free_requests;
    server->free_requests = rq;
    server->free_requests_count++;
}

void lhi_request_gone(lh_request *rq)
{
    LH_WITH_LOCK(&rq->lock);
    rq->gone = true;
    lh_cancel_request(&rq->cancel);
    lh_cond_broadcast(&rq->changed);
}

/* ---- what a handler asks ---- */

lh_str lh_request_method(const lh_request *rq)
{
    return rq->method;
}

lh_str lh_request_path(const lh_request *rq)
{
    return rq->path;
}

const lh_route *lh_request_route(const lh_request *rq)
{
    return rq->endpoint != NULL ? rq->endpoint->route : NULL;
}

lh_str lh_request_param(const lh_request *rq, const char *name)
{
    lh_str wanted = lh_str_from(name);
    for (uint32_t i = 0; rq->endpoint != NULL && i < rq->endpoint->params_count; i++)
        if (lh_str_eq(rq->endpoint->param_names[i], wanted))
            return rq->params[i];
    lh_assert(!"the route has no such parameter");
    return LH_STR_NONE;
}

lh_str lh_request_query(const lh_request *rq, const char *name)
{
    lh_str wanted = lh_str_from(name);
    for (size_t i = 0; i < rq->query_count; i++)
        if (lh_str_eq(rq->query[i].name, wanted))
            return rq->query[i].value;
    return LH_STR_NONE;
}

lh_str lh_request_header(const lh_request *rq, const char *name)
{
    return lhi_parser_header(&rq->parser, lh_str_from(name), NULL);
}

int lh_request_peer_is_loopback(const lh_request *rq)
{
    return rq->peer_loopback;
}

lh_rc lh_request_query_number(lh_ctx *cx, const lh_request *rq, const lh_query_number *number,
                              int64_t *ret)
{
    lh_str text = lh_request_query(rq, number->name);
    int64_t value = number->def;
    if (text.ptr != NULL &&
        (!lh_parse_i64(text, &value) || value < number->min || value > number->max)) {
        (void)lh_fail(cx, LH_E_BAD_VALUE, "query parameter %s must be an integer from %lld to %lld",
                      number->name, (long long)number->min, (long long)number->max);
        return lh_err_field(cx, "%s", number->name);
    }
    *ret = value;
    return LH_OK;
}

lh_str lh_request_body(const lh_request *rq)
{
    return lh_buf_str(&rq->body);
}

uint64_t lh_request_content_length(const lh_request *rq)
{
    return rq->parser.chunked ? UINT64_MAX : rq->parser.content_length;
}

lh_rc lh_request_json(lh_ctx *cx, lh_request *rq, void *out)
{
    const lh_route *route = rq->endpoint->route;
    lh_assert(route->body != NULL);
    lh_str type = lh_request_header(rq, "Content-Type");
    /* Form types are refused too, although curl -d sends one: any web page may post a form to any
     * address. */
    if (type.len > 0 && !lhi_media_type_is_json(type)) {
        (void)lh_fail(cx, LH_E_UNSUPPORTED_MEDIA, "content type %.*s; this takes application/json",
                      LH_STR_ARG(lh_str_sub(type, 0, 100)));
        (void)lh_err_field(cx, "Content-Type");
        return lh_err_hint(cx, "with curl: -H 'Content-Type: application/json'");
    }
    return lh_record_parse(cx, route->body, lh_request_body(rq), out);
}

void *lh_request_app(const lh_request *rq)
{
    return rq->server->opts.app;
}
