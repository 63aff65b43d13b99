/* dispatch.c - what happens to a request between its head and its handler, and what is said about
 * it afterwards.
 *
 * Everything that can be known from the head is judged before a byte of the body is accepted: path,
 * method, parameters, size, load. The key is checked on the handler's thread, because looking it up
 * may take time. */
#include "net/net_private.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/num.h"
#include "net/text_private.h"

/* xorshift128+: ids must differ, not be secret. Seeded from the kernel at start. */
static uint64_t next_random(struct lh_server *server)
{
    uint64_t a = server->random[0];
    uint64_t b = server->random[1];
    server->random[0] = b;
    a ^= a << 23;
    server->random[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return server->random[1] + b;
}

/* The client's id when it is harmless in logs and headers, else 16 hex digits. */
static void set_request_id(lh_request *rq)
{
    lh_str given = lhi_parser_header(&rq->parser, LH_S("X-Request-Id"), NULL);
    bool sane = given.len > 0 && given.len < sizeof(rq->cx.request_id);
    for (size_t i = 0; i < given.len && sane; i++) {
        char c = given.ptr[i];
        sane = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '_' || c == '.';
    }
    if (sane) {
        memcpy(rq->cx.request_id, given.ptr, given.len);
        rq->cx.request_id[given.len] = '\0';
        return;
    }
    uint64_t number = next_random(rq->server);
    lh_hex_text((const uint8_t *)&number, sizeof(number), rq->cx.request_id);
    rq->cx.request_id[16] = '\0';
}

/* A page of another origin may send simple requests without asking; with no key to show (loopback)
 * it would be obeyed. Browsers say where such a request comes from. */
static lh_rc check_origin(lh_request *rq)
{
    lh_str origin = lhi_parser_header(&rq->parser, LH_S("Origin"), NULL);
    lh_str host = lhi_parser_header(&rq->parser, LH_S("Host"), NULL);
    if (origin.ptr == NULL || lh_str_eq(rq->method, LH_S("GET")) ||
        lh_str_eq(rq->method, LH_S("HEAD")))
        return LH_OK;
    size_t scheme = lh_str_find(origin, LH_S("://"));
    if (scheme != LH_STR_NPOS && lh_str_eq_nocase(lh_str_from_offset(origin, scheme + 3), host))
        return LH_OK;
    lh_str_list allowed = rq->server->opts.cors_origins;
    for (size_t i = 0; i < allowed.count; i++)
        if (lh_str_eq(allowed.items[i], LH_S("*")) || lh_str_eq_nocase(allowed.items[i], origin))
            return LH_OK;
    (void)lh_fail(&rq->cx, LH_E_FORBIDDEN, "pages of %.*s may not change anything here",
                  LH_STR_ARG(lh_str_sub(origin, 0, 100)));
    (void)lh_err_field(&rq->cx, "Origin");
    return lh_err_hint(&rq->cx, "add the origin to server.cors_origins");
}

static lh_rc check_body_allowed(lh_request *rq)
{
    lh_ctx *cx = &rq->cx;
    const lh_route *route = rq->endpoint->route;
    const lhi_parser *p = &rq->parser;
    bool has_framing = p->has_length || p->chunked;
    if (!has_framing && (route->body != NULL || (route->flags & LH_ROUTE_STREAM_BODY)))
        return lh_fail(cx, LH_E_LENGTH_REQUIRED,
                       "%s %s needs a body with Content-Length or chunked", route->method,
                       route->path);
    if (p->complete)
        return LH_OK;
    if (p->has_length && p->content_length > route->body_max_bytes)
        return lh_fail(cx, LH_E_TOO_LARGE, "a body of %llu bytes, limit %llu",
                       (unsigned long long)p->content_length,
                       (unsigned long long)route->body_max_bytes);
    if (route->body_max_bytes == 0)
        return lh_fail(cx, LH_E_TOO_LARGE, "%s %s takes no body", route->method, route->path);
    lh_str encoding = lhi_parser_header(p, LH_S("Content-Encoding"), NULL);
    if (encoding.len > 0 && !lh_str_eq_nocase(encoding, LH_S("identity"))) {
        (void)lh_fail(cx, LH_E_UNSUPPORTED_MEDIA, "content encoding %.*s is not supported",
                      LH_STR_ARG(lh_str_sub(encoding, 0, 40)));
        return lh_err_field(cx, "Content-Encoding");
    }
    return LH_OK;
}

static lh_rc admit(lh_request *rq)
{
    struct lh_server *server = rq->server;
    lh_ctx *cx = &rq->cx;
    uint32_t flags = rq->endpoint->route->flags;
    LH_TRY(check_origin(rq));
    if (!(flags & LH_ROUTE_DRAIN_OK) &&
        atomic_load_explicit(&server->draining, memory_order_relaxed)) {
        lh_rc rc = lh_fail(cx, LH_E_UNAVAILABLE, "the server is shutting down");
        cx->err.retry_after_s = 5;
        return rc;
    }
    LH_TRY(check_body_allowed(rq));
    if (flags & LH_ROUTE_INLINE)
        return LH_OK;
    if (server->in_flight >= server->opts.in_flight_max) {
        lh_metric_add(LH_M_HTTP_REJECTED, 1);
        lh_rc rc =
            lh_fail(cx, LH_E_UNAVAILABLE, "%u requests are being answered, that is the limit",
                    server->opts.in_flight_max);
        cx->err.retry_after_s = 1;
        return rc;
    }
    rq->counted = true;
    lh_metric_set(LH_M_HTTP_IN_FLIGHT, ++server->in_flight);
    return LH_OK;
}

static lh_rc count_body(lh_request *rq, lh_ctx *cx, size_t len)
{
    uint64_t limit = rq->endpoint->route->body_max_bytes;
    if (len > limit - rq->body_bytes)
        return lh_fail(cx, LH_E_TOO_LARGE, "a body of more than %llu bytes",
                       (unsigned long long)limit);
    rq->body_bytes += len;
    return LH_OK;
}

static lh_rc collect_body(void *arg, lh_str bytes)
{
    lh_request *rq = arg;
    LH_TRY(count_body(rq, &rq->cx, bytes.len));
    return lh_buf_append(&rq->cx, &rq->body, bytes);
}

static lh_rc stream_body(void *arg, lh_str bytes)
{
    lh_request *rq = arg;
    LH_TRY(count_body(rq, &rq->server->loop_cx, bytes.len));
    lhi_ring_put(rq, bytes);
    return LH_OK;
}

static lh_rc submit(lh_request *rq)
{
    struct lh_server *server = rq->server;
    uint32_t flags = rq->endpoint->route->flags;
    lhi_crew *crew = flags & LH_ROUTE_LONG          ? &server->long_crew
                     : flags & LH_ROUTE_STREAM_BODY ? &server->stream_crew
                                                    : &server->pool;
    rq->dispatched = true;
    lh_rc rc = lhi_crew_submit(crew, rq, crew == &server->pool);
    if (rc != LH_OK) {
        rq->dispatched = false;
        lh_metric_add(LH_M_HTTP_REJECTED, 1);
    }
    return rc;
}

static void run_inline(lh_request *rq)
{
    rq->ran_inline = true;
    rq->stage = LHI_ANSWERING;
    lhi_dispatch_run(rq);
}

static lh_rc begin_stream(lh_request *rq)
{
    struct lh_server *server = rq->server;
    LH_TRY(lhi_ring_open(rq));
    rq->parser.on_body = stream_body;
    rq->want_continue = !rq->parser.complete && !rq->http_1_0 &&
                        lhi_parser_header(&rq->parser, LH_S("Expect"), NULL).ptr != NULL;
    rq->stage = rq->parser.complete ? LHI_ANSWERING : LHI_IN_BODY;
    if (server->run_on_loop)
        return LH_OK; /* when the body is complete */
    lh_err_clear(&server->loop_cx);
    rq->parser.cx = &server->loop_cx; /* from here on the handler owns rq->cx */
    lh_rc rc = submit(rq);
    if (rc != LH_OK)
        rq->parser.cx = &rq->cx;
    return rc;
}

static lh_rc begin(lhi_conn *conn, lh_request *rq)
{
    const lh_route *route = rq->endpoint->route;
    rq->cx.deadline_us = route->flags & LH_ROUTE_NO_DEADLINE
                             ? LH_NO_DEADLINE
                             : conn->server->now_us + conn->server->opts.request_timeout_us;
    rq->parser.on_body_arg = rq;
    rq->window_us = conn->server->now_us;
    if (route->flags & LH_ROUTE_STREAM_BODY) {
        LH_TRY(begin_stream(rq));
        if (rq->parser.complete && conn->server->run_on_loop)
            run_inline(rq);
        return LH_OK;
    }
    if (rq->parser.complete) {
        lhi_dispatch_body(conn);
        return LH_OK;
    }
    if (rq->body.ptr == NULL)
        lh_buf_init(&rq->body, 0);
    rq->body.bytes_max = (size_t)LH_MIN(route->body_max_bytes, (uint64_t)SIZE_MAX);
    rq->parser.on_body = collect_body;
    rq->stage = LHI_IN_BODY;
    if (!rq->http_1_0 && lhi_parser_header(&rq->parser, LH_S("Expect"), NULL).ptr != NULL)
        lhi_conn_interim(conn);
    return LH_OK;
}

void lhi_dispatch_head(lhi_conn *conn)
{
    lh_request *rq = conn->rq;
    rq->keep_alive = rq->parser.keep_alive;
    rq->body_complete = rq->parser.complete;
    rq->peer_loopback = conn->loopback;
    set_request_id(rq);
    lh_rc rc = lhi_target_route(rq);
    if (rc == LH_OK && rq->endpoint == NULL) { /* OPTIONS: its headers are set */
        rq->ran_inline = true;
        rq->stage = LHI_ANSWERING;
        lhi_reply_finish(rq, LH_OK);
        return;
    }
    if (rc == LH_OK)
        rc = admit(rq);
    if (rc == LH_OK)
        rc = begin(conn, rq);
    if (rc != LH_OK)
        lhi_dispatch_refuse(conn);
}

void lhi_dispatch_body(lhi_conn *conn)
{
    lh_request *rq = conn->rq;
    uint32_t flags = rq->endpoint->route->flags;
    rq->stage = LHI_ANSWERING;
    if (flags & LH_ROUTE_STREAM_BODY) {
        lhi_ring_end(rq, NULL);
        if (conn->server->run_on_loop)
            run_inline(rq);
        return;
    }
    rq->body_complete = true;
    if ((flags & LH_ROUTE_INLINE) || conn->server->run_on_loop)
        run_inline(rq);
    else if (submit(rq) != LH_OK)
        lhi_dispatch_refuse(conn);
}

void lhi_dispatch_refuse(lhi_conn *conn)
{
    lh_request *rq = conn->rq;
    lh_assert(!rq->dispatched);
    if (rq->cx.request_id[0] == '\0')
        set_request_id(rq);
    rq->ran_inline = true;
    rq->stage = LHI_ANSWERING;
    lhi_reply_finish(rq, rq->cx.err.rc != LH_OK ? rq->cx.err.rc : LH_E_INTERNAL);
}

/* ---- on the handler's thread ---- */

static lh_str secret_of(const lh_request *rq)
{
    lh_str key = lh_request_header(rq, "X-API-Key");
    if (key.len > 0)
        return key;
    lh_str authorization = lh_request_header(rq, "Authorization");
    if (!lh_str_starts_nocase(authorization, LH_S("Bearer ")))
        return LH_STR_NONE;
    return lh_str_trim(lh_str_from_offset(authorization, 7));
}

void lhi_dispatch_run(lh_request *rq)
{
    const lh_server_options *opts = &rq->server->opts;
    const lh_route *route = rq->endpoint->route;
    lh_ctx *cx = &rq->cx;
    lh_rc rc = lh_ctx_check(cx);
    if (rc == LH_OK && route->access != LH_ACCESS_PUBLIC && opts->authenticate != NULL)
        rc = opts->authenticate(cx, opts->authenticate_arg, rq, secret_of(rq));
    if (rc == LH_OK)
        rc = route->handler(cx, rq, &rq->reply);
    lhi_reply_finish(rq, rc);
}

void lhi_request_log(lh_request *rq)
{
    const lh_reply *rp = &rq->reply;
    uint32_t label = rq->endpoint != NULL ? rq->endpoint->label : 0;
    lh_str path = rq->endpoint != NULL ? lh_str_from(rq->endpoint->route->path) : LH_S("-");
    lh_metric_add_label(LH_M_HTTP_REQUESTS, label, 1);
    if (rp->status >= 400 && rp->status < 500)
        lh_metric_add(LH_M_HTTP_RESPONSES_CLIENT_ERROR, 1);
    else if (rp->status >= 500 && !lh_cancel_requested(&rq->cancel))
        lh_metric_add(LH_M_HTTP_RESPONSES_SERVER_ERROR, 1);
    if (rq->rc != LH_OK && lh_rc_status(rq->rc) >= 500 && rq->rc != LH_E_CANCELLED) {
        const lh_err *err = &rq->cx.err;
        LH_LOG(&rq->cx, HTTP_ERROR, LH_KS("method", rq->method), LH_KS("route", path),
               LH_KS("code", lh_str_from(lh_rc_code(rq->rc))),
               LH_KS("message", lh_str_from(err->message)),
               LH_KS("source", lh_str_from(err->source != NULL ? err->source : "")),
               LH_KI("source_line", err->source_line));
    }
    if (rq->server->opts.log_access)
        LH_LOG(&rq->cx, HTTP_ACCESS, LH_KS("method", rq->method), LH_KS("route", path),
               LH_KI("status", rp->status), LH_KI("bytes", rp->bytes),
               LH_KI("took_us", lh_clock_mono_us() - rq->started_us));
}
