/* reply.c - status line and headers, then one body or a stream.
 *
 * The head is written when the kind of body is known, straight into the first chunk, so a small
 * reply is one piece of memory and one write. Everything every reply has (request id, nosniff,
 * CORS, connection) is put in here and nowhere else. */
#include "net/net_private.h"

#include "base/mem.h"
#include "base/num.h"
#include "net/text_private.h"

enum { HEADERS_BYTES_MAX = 16 * 1024, GZIP_BYTES_MIN = 1024, JSON_BYTES_MAX = 64 * 1024 * 1024 };
#define LENGTH_UNKNOWN UINT64_MAX

void lhi_reply_reset(lh_request *rq)
{
    lh_reply *rp = &rq->reply;
    lh_buf headers = rp->headers;
    lhi_gzip_done(rp);
    if (rp->cur != NULL)
        lhi_chunk_give(rq, rp->cur);
    *rp = (lh_reply){.frame = UINT32_MAX};
    if (headers.ptr == NULL)
        lh_buf_init(&headers, HEADERS_BYTES_MAX);
    headers.len = 0;
    rp->headers = headers;
}

void lhi_reply_done(lh_request *rq)
{
    lhi_reply_reset(rq);
    lh_buf_done(&rq->reply.headers);
}

void lh_reply_status(lh_reply *rp, int status)
{
    lh_assert(!rp->started);
    lh_assert(status >= 200 && status <= 599);
    rp->status = status;
}

int lh_reply_started(const lh_reply *rp)
{
    return rp->started;
}

lh_rc lh_reply_header(lh_ctx *cx, lh_reply *rp, const char *name, lh_str value)
{
    static const char *const ours[] = {"Connection", "Content-Length",    "Content-Type",
                                       "Date",       "Transfer-Encoding", "X-Request-Id"};
    lh_str text = lh_str_from(name);
    if (rp->started)
        return lh_fail(cx, LH_E_INTERNAL, "header %s after the reply was started", name);
    if (!lhi_is_token(text) || !lhi_is_header_value(value))
        return lh_fail(cx, LH_E_BAD_VALUE, "header %s with a value that cannot be sent", name);
    for (size_t i = 0; i < LH_ARRAY_LEN(ours); i++)
        if (lh_str_eq_nocase(text, lh_str_from(ours[i])))
            return lh_fail(cx, LH_E_INTERNAL, "header %s is written by the server", name);
    if (lh_str_eq_nocase(text, LH_S("Content-Encoding")))
        rp->has_encoding = true;
    size_t before = rp->headers.len;
    const lh_str parts[] = {text, LH_S(": "), value, LH_S("\r\n")};
    for (size_t i = 0; i < LH_ARRAY_LEN(parts); i++) {
        lh_rc rc = lh_buf_append(cx, &rp->headers, parts[i]);
        if (rc != LH_OK) {
            lh_buf_truncate(&rp->headers, before);
            return rc;
        }
    }
    return LH_OK;
}

/* ---- the head ---- */

typedef struct head_text {
    char bytes[512];
    size_t len;
} head_text;

static void put(head_text *head, lh_str text)
{
    lh_assert(text.len <= sizeof(head->bytes) - head->len);
    memcpy(head->bytes + head->len, text.ptr, text.len);
    head->len += text.len;
}

static void put_number(head_text *head, uint64_t number)
{
    char digits[20];
    put(head, lh_str_n(digits, lh_u64_text(number, digits)));
}

static void put_status(head_text *head, int status)
{
    if (status == 200) {
        put(head, LH_S("HTTP/1.1 200 OK\r\nDate: "));
    } else {
        put(head, LH_S("HTTP/1.1 "));
        put_number(head, (uint64_t)status);
        put(head, LH_S(" "));
        put(head, lh_str_from(lhi_status_reason(status)));
        put(head, LH_S("\r\nDate: "));
    }
    char date[LHI_DATE_BYTES];
    lhi_http_date(lh_clock_real_us(), date);
    put(head, lh_str_n(date, sizeof(date)));
    put(head, LH_S("\r\n"));
}

/* The connection can go on only when nothing of this request is left to read and the length of the
 * reply is plain. */
static bool must_close(lh_request *rq)
{
    if (!rq->keep_alive || atomic_load_explicit(&rq->server->draining, memory_order_relaxed))
        return true;
    if (rq->endpoint == NULL || !(rq->endpoint->route->flags & LH_ROUTE_STREAM_BODY))
        return !rq->body_complete;
    LH_WITH_LOCK(&rq->lock);
    return !rq->body_complete;
}

static void put_framing(head_text *head, lh_request *rq, uint64_t length)
{
    lh_reply *rp = &rq->reply;
    bool no_body = rp->status == 204 || rp->status == 304;
    if (length != LENGTH_UNKNOWN && !no_body) {
        put(head, LH_S("Content-Length: "));
        put_number(head, length);
        put(head, LH_S("\r\n"));
    } else if (!no_body && !rq->http_1_0) {
        put(head, LH_S("Transfer-Encoding: chunked\r\n"));
        rp->chunked = !rp->discard;
    } else if (!no_body) {
        rq->keep_alive = false; /* HTTP/1.0: the end of the connection ends the body */
    }
    rp->close = must_close(rq);
    if (rp->close)
        put(head, LH_S("Connection: close\r\n"));
    else if (rq->http_1_0)
        put(head, LH_S("Connection: keep-alive\r\n"));
    rp->discard = rp->discard || no_body;
}

static lh_rc start(lh_request *rq, lh_str content_type, uint64_t length, int gzip)
{
    lh_reply *rp = &rq->reply;
    if (rp->started)
        return lh_fail(&rq->cx, LH_E_INTERNAL, "the reply was started twice");
    if (rp->status == 0)
        rp->status = rq->endpoint != NULL && rq->endpoint->route->reply_status != 0
                         ? rq->endpoint->route->reply_status
                         : 200;
    if (rq->server->opts.cors_origins.count > 0)
        LH_TRY(lhi_cors_headers(rq));
    rp->started = true;
    head_text head = {.len = 0};
    put_status(&head, rp->status);
    put_framing(&head, rq, length);
    put(&head, LH_S("X-Content-Type-Options: nosniff\r\nX-Request-Id: "));
    put(&head, lh_str_from(rq->cx.request_id));
    put(&head, LH_S("\r\n"));
    if (gzip)
        put(&head, LH_S("Content-Encoding: gzip\r\n"));
    LH_TRY(lhi_reply_raw(rq, lh_str_n(head.bytes, head.len)));
    if (content_type.len > 0) {
        LH_TRY(lhi_reply_raw(rq, LH_S("Content-Type: ")));
        LH_TRY(lhi_reply_raw(rq, content_type));
        LH_TRY(lhi_reply_raw(rq, LH_S("\r\n")));
    }
    LH_TRY(lhi_reply_raw(rq, lh_buf_str(&rp->headers)));
    return lhi_reply_raw(rq, LH_S("\r\n"));
}

/* Says Vary for what could have been compressed; *ret_gzip when it will be. */
static lh_rc choose_encoding(lh_request *rq, lh_str content_type, uint64_t length, int *ret_gzip)
{
    lh_reply *rp = &rq->reply;
    *ret_gzip = 0;
    if (length < GZIP_BYTES_MIN || rp->has_encoding || !lhi_media_type_is_text(content_type))
        return LH_OK;
    LH_TRY(lh_reply_header(&rq->cx, rp, "Vary", LH_S("Accept-Encoding")));
    if (rp->discard || rq->http_1_0)
        return LH_OK;
    lh_str accepted = lhi_parser_header(&rq->parser, LH_S("Accept-Encoding"), NULL);
    if (accepted.len == 0 || !lhi_accepts_gzip(accepted))
        return LH_OK;
    LH_TRY(lhi_gzip_begin(rq));
    *ret_gzip = 1;
    return LH_OK;
}

/* Handlers may use a child context: it gets the words as well. */
static lh_rc say(lh_ctx *cx, const lh_request *rq, lh_rc rc)
{
    if (rc != LH_OK && cx != &rq->cx)
        cx->err = rq->cx.err;
    return rc;
}

/* ---- one body ---- */

lh_rc lh_reply_bytes(lh_ctx *cx, lh_reply *rp, const char *content_type, lh_str bytes)
{
    lh_request *rq = lhi_request_of(rp);
    lh_str type = lh_str_from(content_type);
    if (!lhi_is_header_value(type))
        return lh_fail(cx, LH_E_INTERNAL, "a content type that cannot be sent");
    int gzip;
    LH_TRY(say(cx, rq, choose_encoding(rq, type, bytes.len, &gzip)));
    LH_TRY(say(cx, rq, start(rq, type, gzip ? LENGTH_UNKNOWN : bytes.len, gzip)));
    rp->bytes += bytes.len;
    if (gzip) {
        rp->streaming = true; /* lhi_reply_finish ends it */
        return say(cx, rq, lhi_gzip_write(rq, bytes, 0));
    }
    return rp->discard ? LH_OK : say(cx, rq, lhi_reply_raw(rq, bytes));
}

lh_rc lh_reply_json_text(lh_ctx *cx, lh_reply *rp, lh_str json)
{
    return lh_reply_bytes(cx, rp, "application/json", json);
}

lh_rc lh_reply_json(lh_ctx *cx, lh_reply *rp, const lh_record *record, const void *value)
{
    LH_CLEANUP(lh_buf_done) lh_buf text;
    lh_buf_init(&text, JSON_BYTES_MAX);
    LH_TRY(lh_record_append(cx, record, value, &text));
    return lh_reply_json_text(cx, rp, lh_buf_str(&text));
}

/* ---- streams ---- */

lh_rc lh_reply_stream(lh_ctx *cx, lh_reply *rp, const char *content_type)
{
    lh_request *rq = lhi_request_of(rp);
    lh_str type = lh_str_from(content_type);
    if (!lhi_is_header_value(type))
        return lh_fail(cx, LH_E_INTERNAL, "a content type that cannot be sent");
    int gzip = 0;
    if (!rp->sse)
        LH_TRY(say(cx, rq, choose_encoding(rq, type, LENGTH_UNKNOWN, &gzip)));
    LH_TRY(say(cx, rq, start(rq, type, LENGTH_UNKNOWN, gzip)));
    rp->streaming = true;
    return LH_OK;
}

lh_rc lh_reply_write(lh_ctx *cx, lh_reply *rp, lh_str bytes)
{
    lh_request *rq = lhi_request_of(rp);
    lh_assert(rp->streaming);
    rp->bytes += bytes.len;
    if (rp->discard)
        return lh_ctx_check(cx);
    return say(cx, rq,
               rp->gzip != NULL ? lhi_gzip_write(rq, bytes, 0) : lhi_reply_framed(rq, bytes));
}

lh_rc lh_reply_flush(lh_ctx *cx, lh_reply *rp)
{
    lh_request *rq = lhi_request_of(rp);
    lh_assert(rp->streaming);
    if (rp->gzip != NULL)
        LH_TRY(say(cx, rq, lhi_gzip_write(rq, LH_STR_NONE, 1)));
    return say(cx, rq, lhi_reply_push(rq));
}

/* ---- the end ---- */

static lh_rc end_stream(lh_request *rq)
{
    lh_reply *rp = &rq->reply;
    if (rp->gzip != NULL)
        LH_TRY(lhi_gzip_write(rq, LH_STR_NONE, 2));
    if (rp->chunked)
        return lhi_reply_raw(rq, LH_S("0\r\n\r\n"));
    return LH_OK;
}

void lhi_reply_finish(lh_request *rq, lh_rc rc)
{
    lh_reply *rp = &rq->reply;
    rq->rc = rc;
    if (rc != LH_OK && !rp->started) {
        lhi_reply_error(rq);
    } else if (rc != LH_OK) {
        rp->cut = true;
    } else {
        if (!rp->started)
            rc = start(rq, LH_STR_NONE, 0, 0);
        if (rc == LH_OK && rp->streaming)
            rc = end_stream(rq);
        rp->cut = rp->cut || rc != LH_OK;
    }
    lhi_request_log(rq);
    lhi_gzip_done(rp);
    lh_arena_reset(rq->cx.arena); /* here and not on the loop: deferred calls may close files */
    lhi_reply_end(rq);
}
