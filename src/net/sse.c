/* sse.c - server-sent events: one event per call, on the wire at once.
 *
 * An event is queued whole or marked as half queued, so that the loop never puts its ping into the
 * middle of one. */
#include "net/net_private.h"

lh_rc lh_reply_sse(lh_ctx *cx, lh_reply *rp)
{
    LH_TRY(lh_reply_header(cx, rp, "Cache-Control", LH_S("no-store")));
    /* Proxies of the nginx kind. */
    LH_TRY(lh_reply_header(cx, rp, "X-Accel-Buffering", LH_S("no")));
    rp->sse = true;
    LH_TRY(lh_reply_stream(cx, rp, "text/event-stream"));
    lh_request *rq = lhi_request_of(rp);
    lh_mutex_lock(&rq->lock);
    rq->pings = !rp->discard && !rq->http_1_0;
    lh_mutex_unlock(&rq->lock);
    return lh_reply_flush(cx, rp);
}

static lh_rc write_field(lh_ctx *cx, lh_reply *rp, lh_str name, lh_str value)
{
    if (value.len == 0)
        return LH_OK;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] == '\r' || value.ptr[i] == '\n' || value.ptr[i] == '\0')
            return lh_fail(cx, LH_E_BAD_VALUE, "the %.*s of an event has a line end",
                           LH_STR_ARG(name));
    LH_TRY(lh_reply_write(cx, rp, name));
    LH_TRY(lh_reply_write(cx, rp, LH_S(": ")));
    LH_TRY(lh_reply_write(cx, rp, value));
    return lh_reply_write(cx, rp, LH_S("\n"));
}

/* One "data:" line per line of data; CR, LF and CRLF all end one (the reader would treat them so
 * anyway). */
static lh_rc write_data(lh_ctx *cx, lh_reply *rp, lh_str data)
{
    for (;;) {
        size_t end = 0;
        while (end < data.len && data.ptr[end] != '\n' && data.ptr[end] != '\r')
            end++;
        LH_TRY(lh_reply_write(cx, rp, LH_S("data: ")));
        LH_TRY(lh_reply_write(cx, rp, lh_str_sub(data, 0, end)));
        LH_TRY(lh_reply_write(cx, rp, LH_S("\n")));
        if (end == data.len)
            return LH_OK;
        size_t line_end =
            data.ptr[end] == '\r' && end + 1 < data.len && data.ptr[end + 1] == '\n' ? 2 : 1;
        data = lh_str_from_offset(data, end + line_end);
    }
}

static void set_mid_event(lh_request *rq, bool mid_event)
{
    LH_WITH_LOCK(&rq->lock);
    rq->mid_event = mid_event;
}

lh_rc lh_reply_event(lh_ctx *cx, lh_reply *rp, lh_str event, lh_str id, lh_str data)
{
    lh_request *rq = lhi_request_of(rp);
    lh_assert(rp->sse);
    LH_TRY(lh_ctx_check(cx));
    set_mid_event(rq, true);
    lh_rc rc = write_field(cx, rp, LH_S("event"), event);
    if (rc == LH_OK)
        rc = write_field(cx, rp, LH_S("id"), id);
    if (rc == LH_OK)
        rc = write_data(cx, rp, data);
    if (rc == LH_OK)
        rc = lh_reply_write(cx, rp, LH_S("\n"));
    if (rc == LH_OK)
        rc = lh_reply_flush(cx, rp);
    set_mid_event(rq, false);
    return rc;
}
