/* net/http.h - what a handler sees of one HTTP exchange, and the route rows that everything else is
 * derived from.
 *
 * Owns:    request and reply belong to the server and end when the handler returns.
 * Threads: a handler runs on one handler thread and may block (body reads, reply writes, waits).
 *          Rows flagged LH_ROUTE_INLINE run on the event loop and must neither block nor allocate
 *          much. Rows flagged LH_ROUTE_LONG (SSE, streams without end) get a thread of their own.
 * Limits:  each row's body_max; header, URL and time limits are the server's options.
 * Formats: HTTP/1.1.
 * Why:     a route is a row: routing, 404/405, limits, access, metrics label, OpenAPI and the e2e
 *          probes follow from it. */
#ifndef LH_NET_HTTP_H
#define LH_NET_HTTP_H

#include "base/record.h"

typedef struct lh_request lh_request;
typedef struct lh_reply lh_reply;
typedef lh_rc (*lh_handler)(lh_ctx *cx, lh_request *rq, lh_reply *rp);

typedef enum lh_access {
    LH_ACCESS_PUBLIC,
    LH_ACCESS_READ,
    LH_ACCESS_WRITE,
    LH_ACCESS_ADMIN
} lh_access;

enum {
    LH_ROUTE_INLINE = 1, /* answered on the event loop */
    LH_ROUTE_LONG = 2,   /* may stay open without end; own thread */
    LH_ROUTE_STREAM_BODY =
        4, /* the handler reads the body itself; otherwise it is complete before the handler runs */
    LH_ROUTE_NO_DEADLINE = 8, /* the server's request deadline does not apply (uploads) */
    LH_ROUTE_DRAIN_OK = 16    /* answered while the server drains (health, metrics) */
};

typedef struct lh_query_param {
    const char *name;
    const char *type; /* "string", "integer", "boolean" */
    const char *doc;
} lh_query_param;

/* To add a route: 1. write the handler; 2. add a row to its resource's table; 3. describe its
 * records; 4. `make check` tells that docs/api/routes.json changed. Router, limits, access check,
 * OpenAPI, metrics label and probes follow. */
typedef struct lh_route {
    const char *method; /* "GET" also answers HEAD */
    const char *path;   /* "/jobs/{id}"; a last "{key*}" takes the rest of the path */
    lh_handler handler;
    lh_access access;
    uint32_t flags;
    uint64_t body_max_bytes; /* 0 = no body allowed */
    const lh_record *body;   /* JSON request; NULL = none or not JSON */
    const lh_record *reply;  /* JSON reply of the success status; NULL = described by reply_type */
    const char *reply_type;  /* "application/json" when NULL */
    int reply_status;        /* 200 when 0 */
    const lh_query_param *query; /* ends with {0}; unknown parameters are a 400 */
    const char *errors;          /* space-separated wire codes beyond those every route can give */
    const char *tag;             /* group in the docs */
    const char *summary;         /* one sentence */
} lh_route;                      /* tables end with {0} */

/* ---- request ---- */
lh_str lh_request_method(const lh_request *rq);
lh_str lh_request_path(const lh_request *rq); /* decoded */
const lh_route *lh_request_route(const lh_request *rq);
lh_str lh_request_param(const lh_request *rq,
                        const char *name); /* path parameter, percent-decoded */
lh_str lh_request_query(const lh_request *rq,
                        const char *name); /* query parameter, decoded; LH_STR_NONE absent */
lh_str lh_request_header(const lh_request *rq, const char *name); /* any case; LH_STR_NONE absent */
/* Index of the media type the Accept header likes best (RFC 9110, 12.5.1): by quality, then as they
 * are named there, then as they stand here; count: none is acceptable. */
size_t lh_request_prefers(const lh_request *rq, const char *const *types, size_t count);
int lh_request_peer_is_loopback(const lh_request *rq);
typedef struct lh_query_number {
    const char *name;
    int64_t def; /* when the parameter is absent */
    int64_t min;
    int64_t max;
} lh_query_number;
/* Query parameter as a number. LH_E_BAD_VALUE with its name as field. */
LH_WARN_UNUSED lh_rc lh_request_query_number(lh_ctx *cx, const lh_request *rq,
                                             const lh_query_number *number, int64_t *ret);
#define lh_request_query_i64(cx, rq, param, def_value, min_value, max_value, ret)                  \
    lh_request_query_number(                                                                       \
        (cx), (rq),                                                                                \
        &(const lh_query_number){                                                                  \
            .name = (param), .def = (def_value), .min = (min_value), .max = (max_value)},          \
        (ret))
/* The complete body (rows without STREAM_BODY). Lives as long as the request. */
lh_str lh_request_body(const lh_request *rq);
/* Checks the content type and parses the body by the row's record into out. */
LH_WARN_UNUSED lh_rc lh_request_json(lh_ctx *cx, lh_request *rq, void *out);
/* STREAM_BODY rows: the next piece, blocks; *ret_bytes.len 0 = end. Valid until the next call.
 * Reading slowly holds the client back. Errors: LH_E_TOO_LARGE, LH_E_CANCELLED (client left),
 * LH_E_DEADLINE (idle). */
LH_WARN_UNUSED lh_rc lh_request_read(lh_ctx *cx, lh_request *rq, lh_str *ret_bytes);
uint64_t lh_request_content_length(const lh_request *rq); /* UINT64_MAX: not given (chunked) */

/* ---- multipart over a STREAM_BODY request ---- */
typedef struct lh_multipart lh_multipart;
typedef struct lh_part {
    lh_str name;     /* of the form field */
    lh_str filename; /* LH_STR_NONE when it is a plain field */
    lh_str content_type;
} lh_part;
/* LH_E_UNSUPPORTED_MEDIA when it is not multipart/form-data, LH_E_BAD_MULTIPART. Lives in the
 * arena. */
LH_WARN_UNUSED lh_rc lh_multipart_begin(lh_ctx *cx, lh_request *rq, lh_multipart **ret);
LH_WARN_UNUSED lh_rc lh_multipart_next(lh_ctx *cx, lh_multipart *mp, lh_part *ret_part,
                                       int *ret_found);
LH_WARN_UNUSED lh_rc lh_multipart_read(lh_ctx *cx, lh_multipart *mp,
                                       lh_str *ret_bytes); /* of this part; len 0 = its end */
LH_WARN_UNUSED lh_rc lh_multipart_text(lh_ctx *cx, lh_multipart *mp, size_t bytes_max,
                                       lh_str *ret_text); /* whole part */

/* ---- reply ---- status and headers first, then either one body or a stream. A handler that
 * returns an error before anything was sent gets the error reply written for it; after that the
 * connection is cut, so that a client can tell. */
void lh_reply_status(lh_reply *rp, int status); /* default: the row's */
LH_WARN_UNUSED lh_rc lh_reply_header(lh_ctx *cx, lh_reply *rp, const char *name,
                                     lh_str value); /* refuses CR, LF, NUL */
LH_WARN_UNUSED lh_rc lh_reply_json(lh_ctx *cx, lh_reply *rp, const lh_record *record,
                                   const void *value);
LH_WARN_UNUSED lh_rc lh_reply_json_text(lh_ctx *cx, lh_reply *rp, lh_str json);
LH_WARN_UNUSED lh_rc lh_reply_bytes(lh_ctx *cx, lh_reply *rp, const char *content_type,
                                    lh_str bytes);
/* Streams: begin, write..., then return LH_OK. Writes block while the client is slow.
 * LH_E_CANCELLED when it left. */
LH_WARN_UNUSED lh_rc lh_reply_stream(lh_ctx *cx, lh_reply *rp, const char *content_type);
LH_WARN_UNUSED lh_rc lh_reply_write(lh_ctx *cx, lh_reply *rp, lh_str bytes);
LH_WARN_UNUSED lh_rc lh_reply_flush(lh_ctx *cx, lh_reply *rp); /* what is buffered goes out now */
/* Server-sent events: begins the stream, then one event per call. Comments every 15 s keep proxies
 * awake. */
LH_WARN_UNUSED lh_rc lh_reply_sse(lh_ctx *cx, lh_reply *rp);
LH_WARN_UNUSED lh_rc lh_reply_event(lh_ctx *cx, lh_reply *rp, lh_str event, lh_str id, lh_str data);
int lh_reply_started(const lh_reply *rp); /* something was sent */

/* The JSON shape of contract A3 for cx->err; for replies, jobs and streams that fail in the middle.
 * */
LH_WARN_UNUSED lh_rc lh_error_json(lh_ctx *cx, lh_buf *out);

/* Handler state: what the program registered under its name at start (lh_server_options.app). */
void *lh_request_app(const lh_request *rq);

#endif
