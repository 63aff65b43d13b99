/* net/server.h - the HTTP server: one libuv loop, llhttp, a pool of handler threads, a router over
 * route rows.
 *
 * Owns:    the loop thread, connections, handler threads.
 * Threads: open/start/drain/close from one thread; handlers see net/http.h.
 * Limits:  all in lh_server_options; each refusal is counted and says which limit.
 * Formats: HTTP/1.1 with keep-alive and pipelining; gzip replies when asked for.
 * Why:     deps.md section 1: own loop over libuv + llhttp: 1 KB per idle connection, real
 *          deadlines, sees the client leave. */
#ifndef LH_NET_SERVER_H
#define LH_NET_SERVER_H

#include "net/http.h"

typedef struct lh_server lh_server;

/* Who calls: sets cx->principal or fails with LH_E_UNAUTHORIZED / LH_E_FORBIDDEN. Runs before the
 * handler, on its thread (INLINE rows: on the loop, so it must not block). `secret` is the Bearer
 * or X-API-Key value, LH_STR_NONE when absent. */
typedef lh_rc (*lh_authenticate)(lh_ctx *cx, void *arg, const lh_request *rq, lh_str secret);

typedef struct lh_server_options {
    lh_str listen;                 /* "127.0.0.1:3100", "[::1]:0"; port 0 picks one */
    const lh_route *const *routes; /* NULL-terminated list of tables; borrowed */
    void *app;                     /* lh_request_app */
    lh_authenticate authenticate;
    void *authenticate_arg;
    uint32_t handler_threads;
    uint32_t long_threads_max; /* open LH_ROUTE_LONG exchanges */
    /* LH_ROUTE_STREAM_BODY requests at once, 0 = as handler_threads; more get 503 + Retry-After, so
     * that slow senders hold up nobody but each other */
    uint32_t stream_threads_max;
    uint32_t connections_max;
    uint32_t connections_per_ip_max; /* 0 = no limit; loopback is not limited */
    /* requests being answered or waiting for a thread; more get 503 + Retry-After */
    uint32_t in_flight_max;
    uint32_t header_bytes_max;
    uint32_t headers_max;
    uint32_t url_bytes_max;
    int64_t header_timeout_us;     /* from the first byte of a request to the end of its headers */
    int64_t body_idle_timeout_us;  /* between two pieces of a body */
    uint64_t body_rate_min;        /* bytes per second, over each body_idle_timeout_us; 0 = any */
    int64_t write_idle_timeout_us; /* a client that does not read */
    int64_t idle_timeout_us;       /* keep-alive */
    int64_t request_timeout_us;    /* default deadline of a handler */
    lh_str_list cors_origins;      /* empty: no CORS headers; "*" any */
    int log_access;
} lh_server_options;

LH_WARN_UNUSED lh_rc lh_server_open(lh_ctx *cx, const lh_server_options *opts,
                                    lh_server **ret_server);         /* binds */
LH_WARN_UNUSED lh_rc lh_server_start(lh_ctx *cx, lh_server *server); /* starts threads, accepts */
lh_str lh_server_address(const lh_server *server); /* "127.0.0.1:45123" really bound */
/* Stops accepting, lets open requests finish until the deadline of cx, then cuts them. */
void lh_server_drain(lh_ctx *cx, lh_server *server);
/* NULL ok; cuts what is open, waits for the handlers */
lh_server *lh_server_close(lh_server *server);
LH_DEFINE_CLEANUP(lh_server, lh_server_close)
int lh_server_draining(const lh_server *server); /* any thread; readiness is over */

/* Row flags and labels for OpenAPI and docs: visits all rows in table order. */
typedef void (*lh_route_visit)(void *arg, const lh_route *route);
void lh_routes_each(const lh_route *const *tables, lh_route_visit visit, void *arg);

#endif
