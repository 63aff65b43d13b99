/* cors.c - which pages of other origins may read our replies
 * (https://fetch.spec.whatwg.org/#http-cors-protocol).
 *
 * Keys travel in headers and never in cookies, so credentials mode is not offered and "*" is
 * honest. */
#include "net/net_private.h"

#include "net/text_private.h"

enum { ALLOW_BYTES_MAX = 256 };

/* The value of Access-Control-Allow-Origin, or LH_STR_NONE. */
static lh_str allowed_origin(const lh_request *rq)
{
    lh_str_list origins = rq->server->opts.cors_origins;
    lh_str origin = lhi_parser_header(&rq->parser, LH_S("Origin"), NULL);
    if (origin.len == 0)
        return LH_STR_NONE;
    for (size_t i = 0; i < origins.count; i++) {
        if (lh_str_eq(origins.items[i], LH_S("*")))
            return LH_S("*");
        if (lh_str_eq_nocase(origins.items[i], origin))
            return origin;
    }
    return LH_STR_NONE;
}

lh_rc lhi_cors_headers(lh_request *rq)
{
    lh_ctx *cx = &rq->cx;
    lh_reply *rp = &rq->reply;
    lh_str origin = allowed_origin(rq);
    LH_TRY(lh_reply_header(cx, rp, "Vary", LH_S("Origin")));
    if (origin.len == 0)
        return LH_OK;
    LH_TRY(lh_reply_header(cx, rp, "Access-Control-Allow-Origin", origin));
    return lh_reply_header(cx, rp, "Access-Control-Expose-Headers",
                           LH_S("X-Request-Id, Retry-After, Allow, X-Lakehouse-Rescue-Used"));
}

/* Answers OPTIONS: what the path can do; for a preflight also which headers may be sent. */
lh_rc lhi_cors_options(lh_request *rq, const lhi_endpoint *endpoints)
{
    lh_ctx *cx = &rq->cx;
    lh_reply *rp = &rq->reply;
    LH_CLEANUP(lh_buf_done) lh_buf allow;
    lh_buf_init(&allow, ALLOW_BYTES_MAX);
    LH_TRY(lhi_router_allow(cx, endpoints, &allow));
    lh_reply_status(rp, 204);
    LH_TRY(lh_reply_header(cx, rp, "Allow", lh_buf_str(&allow)));
    lh_str method = lhi_parser_header(&rq->parser, LH_S("Access-Control-Request-Method"), NULL);
    if (method.len == 0 || allowed_origin(rq).len == 0)
        return LH_OK;
    LH_TRY(lh_reply_header(cx, rp, "Access-Control-Allow-Methods", lh_buf_str(&allow)));
    lh_str asked = lhi_parser_header(&rq->parser, LH_S("Access-Control-Request-Headers"), NULL);
    if (asked.len > 0)
        LH_TRY(lh_reply_header(cx, rp, "Access-Control-Allow-Headers", asked));
    return lh_reply_header(cx, rp, "Access-Control-Max-Age", LH_S("600"));
}
