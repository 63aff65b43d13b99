/* error_reply.c - contract A3: one JSON shape for every error, and the headers that go with a
 * status. */
#include "net/net_private.h"

#include "base/num.h"

enum { ERROR_BYTES_MAX = 16 * 1024, RETRY_AFTER_DEFAULT_S = 1 };

static void text_or_null(lh_json_writer *w, lh_str key, const char *text)
{
    if (text[0] != '\0')
        lh_jw_kv_str(w, key, lh_str_from(text));
    else
        lh_jw_kv_null(w, key);
}

lh_rc lh_error_json(lh_ctx *cx, lh_buf *out)
{
    const lh_err err = cx->err; /* the writer may say its own */
    lh_json_writer w;
    lh_jw_init(&w, cx, out);
    lh_jw_object_begin(&w);
    lh_jw_key(&w, LH_S("error"));
    lh_jw_object_begin(&w);
    lh_jw_kv_str(&w, LH_S("code"), lh_str_from(lh_rc_code(err.rc)));
    lh_jw_kv_str(&w, LH_S("message"),
                 lh_str_from(err.message[0] != '\0' ? err.message : lh_rc_text(err.rc)));
    text_or_null(&w, LH_S("hint"), err.hint);
    text_or_null(&w, LH_S("field"), err.field);
    if (err.line > 0) {
        lh_jw_kv_i64(&w, LH_S("line"), err.line);
        if (err.column > 0)
            lh_jw_kv_i64(&w, LH_S("column"), err.column);
    }
    text_or_null(&w, LH_S("request_id"), cx->request_id);
    lh_jw_object_end(&w);
    lh_jw_object_end(&w);
    return lh_jw_end(&w);
}

static lh_rc error_headers(lh_request *rq, const lh_err *err)
{
    lh_ctx *cx = &rq->cx;
    lh_reply *rp = &rq->reply;
    int status = lh_rc_status(err->rc);
    if (err->retry_after_s > 0 || status == 503 || status == 429) {
        char digits[20];
        uint64_t seconds =
            err->retry_after_s > 0 ? (uint64_t)err->retry_after_s : RETRY_AFTER_DEFAULT_S;
        LH_TRY(
            lh_reply_header(cx, rp, "Retry-After", lh_str_n(digits, lh_u64_text(seconds, digits))));
    }
    if (rq->allow.len > 0)
        LH_TRY(lh_reply_header(cx, rp, "Allow", rq->allow));
    if (status == 401)
        LH_TRY(lh_reply_header(cx, rp, "WWW-Authenticate", LH_S("Bearer")));
    return LH_OK;
}

void lhi_reply_error(lh_request *rq)
{
    lh_ctx *cx = &rq->cx;
    lh_err err = cx->err;
    if (err.rc ==
        LH_OK) { /* a handler failed and said nothing: our mistake, but the client gets an answer */
        (void)lh_fail(cx, LH_E_INTERNAL, "%s", lh_rc_text(LH_E_INTERNAL));
        err = cx->err;
    }
    LH_CLEANUP(lh_buf_done) lh_buf text;
    lh_buf_init(&text, ERROR_BYTES_MAX);
    lh_buf_truncate(&rq->reply.headers,
                    0); /* what the handler meant to send does not fit an error */
    rq->reply.has_encoding = false;
    lh_reply_status(&rq->reply, lh_rc_status(err.rc));
    lh_rc rc = error_headers(rq, &err);
    if (rc == LH_OK)
        rc = lh_error_json(cx, &text);
    if (rc == LH_OK)
        rc = lh_reply_bytes(cx, &rq->reply, "application/json", lh_buf_str(&text));
    if (rc != LH_OK)
        rq->reply.cut = true;
    cx->err = err; /* for the log */
}
