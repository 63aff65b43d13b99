/* net/http_client.h - HTTP client on libcurl with deadlines and cancel.
 *
 * Owns:    a client keeps connections; a response lives in the arena of the caller.
 * Threads: any; connections are checked out of a pool, one easy handle per call.
 * Limits:  response bytes_max of the request; redirects are not followed; http and https only.
 * Formats: HTTP/1.1, HTTP/2 where curl offers it.
 * Why:     kept connections give 53 k req/s (deps.md section 5); the deadline and cancel are cx's.
 *          */
#ifndef LH_NET_HTTP_CLIENT_H
#define LH_NET_HTTP_CLIENT_H

#include "base/ctx.h"

typedef struct lh_http_client lh_http_client;
LH_WARN_UNUSED lh_rc lh_http_client_new(lh_ctx *cx, uint32_t handles_max,
                                        lh_http_client **ret_client);
lh_http_client *lh_http_client_free(lh_http_client *client);
LH_DEFINE_CLEANUP(lh_http_client, lh_http_client_free)

typedef struct lh_http_call {
    const char *method;
    lh_str url;
    const lh_str *headers; /* "Name: value" */
    size_t headers_count;
    lh_str body;
    /* Instead of body: fills up to size bytes, returns how many; 0 = end. body_bytes_total as
     * Content-Length (0: not known, sent chunked). */
    lh_rc (*read_body)(lh_ctx *cx, void *arg, char *out, size_t size, size_t *ret_bytes);
    uint64_t body_bytes_total;
    /* Called with each piece instead of collecting the response's body. */
    lh_rc (*on_body)(lh_ctx *cx, void *arg, lh_str bytes);
    void *arg;
    size_t response_bytes_max; /* 0 = 64 MiB */
    int64_t idle_timeout_us;   /* no byte for so long: LH_E_DEADLINE; 0 = 30 s */
} lh_http_call;
typedef struct lh_http_response {
    int status;
    lh_str body;
    lh_str_list headers; /* "Name: value" */
} lh_http_response;
/* Errors: LH_E_UNAVAILABLE (cannot connect), LH_E_PROVIDER (broken reply), LH_E_DEADLINE,
 *          LH_E_CANCELLED,
 * LH_E_TOO_LARGE. Any HTTP status is a success here. */
LH_WARN_UNUSED lh_rc lh_http_send(lh_ctx *cx, lh_http_client *client, const lh_http_call *call,
                                  lh_http_response *ret);
lh_str lh_http_response_header(const lh_http_response *response, const char *name);

#endif
