/* _http_hello.c - the smallest server on net/: what one request costs before anybody does anything.
 * Driven by bench/http/run.py. usage: _http_hello READY_FILE; runs until SIGTERM. links: net os */
#include "base/clock.h"
#include "net/server.h"
#include "os/file.h"

#include <signal.h>
#include <stdio.h>

static lh_rc health(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    (void)rq;
    return lh_reply_bytes(cx, rp, "application/json", LH_S("{\"status\":\"ok\"}"));
}

static lh_rc pooled(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    return health(cx, rq, rp);
}

static lh_rc upload(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_str piece;
    uint64_t bytes = 0;
    do {
        LH_TRY(lh_request_read(cx, rq, &piece));
        bytes += piece.len;
    } while (piece.len > 0);
    return lh_reply_json_text(cx, rp,
                              lh_ctx_fmt(cx, "{\"bytes\":%llu}", (unsigned long long)bytes));
}

static lh_rc download(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    static char block[64 * 1024];
    int64_t blocks;
    LH_TRY(lh_request_query_i64(cx, rq, "blocks", 16, 0, 1 << 20, &blocks));
    LH_TRY(lh_reply_stream(cx, rp, "application/octet-stream"));
    for (int64_t i = 0; i < blocks; i++)
        LH_TRY(lh_reply_write(cx, rp, lh_str_n(block, sizeof(block))));
    return LH_OK;
}

static const lh_query_param download_query[] = {{"blocks", "integer", "of 64 KiB"}, {0}};
static const lh_route routes[] = {
    {.method = "GET",
     .path = "/health",
     .handler = health,
     .flags = LH_ROUTE_INLINE | LH_ROUTE_DRAIN_OK,
     .summary = "Inline."},
    {.method = "GET", .path = "/pooled", .handler = pooled, .summary = "On a handler thread."},
    {.method = "POST",
     .path = "/upload",
     .handler = upload,
     .body_max_bytes = UINT64_MAX,
     .flags = LH_ROUTE_STREAM_BODY | LH_ROUTE_NO_DEADLINE,
     .summary = "Counts bytes."},
    {.method = "GET",
     .path = "/download",
     .handler = download,
     .query = download_query,
     .flags = LH_ROUTE_NO_DEADLINE,
     .summary = "Sends zeros."},
    {0}};

int main(int argc, char **argv)
{
    static const lh_route *const tables[] = {routes, NULL};
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    if (argc != 2 || arena == NULL)
        return 2;
    lh_ctx_init(&cx, arena);
    sigset_t wait_for;
    sigemptyset(&wait_for);
    sigaddset(&wait_for, SIGTERM);
    sigaddset(&wait_for, SIGINT);
    sigprocmask(SIG_BLOCK, &wait_for, NULL);
    const lh_server_options opts = {.listen = LH_S("127.0.0.1:0"),
                                    .routes = tables,
                                    .handler_threads = 4,
                                    .long_threads_max = 4,
                                    .connections_max = 20000,
                                    .in_flight_max = 1000,
                                    .header_bytes_max = 16384,
                                    .headers_max = 100,
                                    .url_bytes_max = 8192,
                                    .header_timeout_us = 10000000,
                                    .body_idle_timeout_us = 30000000,
                                    .write_idle_timeout_us = 30000000,
                                    .idle_timeout_us = 300000000,
                                    .request_timeout_us = 30000000};
    LH_CLEANUP(lh_server_close) lh_server *server = NULL;
    if (lh_server_open(&cx, &opts, &server) != LH_OK || lh_server_start(&cx, server) != LH_OK ||
        lh_file_replace(&cx, lh_str_from(argv[1]), lh_server_address(server)) != LH_OK) {
        fprintf(stderr, "http_hello: %s\n", cx.err.message);
        return 1;
    }
    int number;
    sigwait(&wait_for, &number);
    cx.deadline_us = lh_clock_mono_us() + 1000000;
    lh_server_drain(&cx, server);
    return 0;
}
