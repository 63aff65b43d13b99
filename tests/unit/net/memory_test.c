/* memory_test.c - a connection survives the failure of any allocation: the client gets a reply or
 * is cut, nothing leaks, and the next connection is served. No sockets: what is written is thrown
 * away. */
#include "base/log.h"
#include "base/mem.h"
#include "net/net_private.h"
#include "support/unit.h"

static lhi_conn *closed;

static ssize_t write_nowhere(lhi_conn *conn, const struct iovec *iov, int count)
{
    (void)conn;
    ssize_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += (ssize_t)iov[i].iov_len;
    return bytes;
}

static void want_nothing(lhi_conn *conn, uint8_t wanted)
{
    (void)conn;
    (void)wanted;
}

static void keep_closed(lhi_conn *conn, int reset)
{
    (void)reset;
    closed = conn;
}

static void finish(lhi_conn *conn)
{
    (void)conn;
}

static bool is_gone(lhi_conn *conn)
{
    (void)conn;
    return false;
}

static size_t no_bytes(lhi_conn *conn)
{
    (void)conn;
    return 0;
}

static const lhi_io nowhere = {.write = write_nowhere,
                               .want = want_nothing,
                               .close = keep_closed,
                               .finish_writing = finish,
                               .is_gone = is_gone,
                               .unread = no_bytes,
                               .unsent = no_bytes};

static lh_rc text(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    LH_TRY(lh_reply_header(cx, rp, "X-A", LH_S("b")));
    return lh_reply_bytes(cx, rp, "text/plain",
                          lh_ctx_fmt(cx, "%03000d%zu", 0, lh_request_query(rq, "q").len));
}

static lh_rc form(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_multipart *mp;
    lh_part part;
    lh_str value;
    int found;
    LH_TRY(lh_reply_stream(cx, rp, "text/plain"));
    LH_TRY(lh_multipart_begin(cx, rq, &mp));
    LH_TRY(lh_multipart_next(cx, mp, &part, &found));
    LH_TRY(lh_multipart_text(cx, mp, 100, &value));
    return lh_reply_write(cx, rp, value);
}

static const lh_query_param query[] = {{"q", "string", "d"}, {0}};
static const lh_route rows[] = {
    {.method = "GET", .path = "/t/{id}", .handler = text, .query = query},
    {.method = "POST", .path = "/t/{id}", .handler = text, .body_max_bytes = 100},
    {.method = "POST",
     .path = "/m",
     .handler = form,
     .flags = LH_ROUTE_STREAM_BODY,
     .body_max_bytes = 500},
    {0}};
static const char requests[] =
    "GET /t/%41?q=%42 HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nOrigin: http://o\r\n\r\n"
    "POST /t/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789"
    "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\nPUT /t/1 HTTP/1.1\r\nHost: a\r\n\r\n"
    "OPTIONS /t/1 HTTP/1.1\r\nHost: a\r\n\r\n"
    "POST /m HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; "
    "boundary=B\r\nContent-Length: 72\r\n\r\n"
    "--B\r\nContent-Disposition: form-data; name=\"a\"; filename=b\r\n\r\nv\r\n--B--\r\n\r\n";

static void drop_line(void *arg, lh_str line)
{
    (void)arg;
    (void)line;
}

static lh_rc open_server(struct lh_server *server, lh_ctx *cx)
{
    static const lh_route *const tables[] = {rows, NULL};
    static lh_str origins[] = {LH_S_INIT("http://o")};
    const lh_server_options opts = {.listen = LH_S("-"),
                                    .routes = tables,
                                    .handler_threads = 1,
                                    .connections_max = 1,
                                    .in_flight_max = 1,
                                    .header_bytes_max = 1000,
                                    .headers_max = 10,
                                    .url_bytes_max = 100,
                                    .header_timeout_us = 1000000,
                                    .body_idle_timeout_us = 1000000,
                                    .write_idle_timeout_us = 1000000,
                                    .idle_timeout_us = 1000000,
                                    .request_timeout_us = 1000000,
                                    .cors_origins = {origins, 1}};
    memset(server, 0, sizeof(*server));
    server->io = &nowhere;
    server->run_on_loop = true;
    return lhi_server_init(cx, server, &opts);
}

/* Sends everything over one connection; 0 when even that could not be made. */
static void serve_all(struct lh_server *server)
{
    closed = NULL;
    lhi_conn *conn = lhi_conn_new(server, -1);
    if (conn == NULL)
        return;
    lhi_conn_update(conn);
    for (size_t at = 0; at + 1 < sizeof(requests) && !conn->closed; at += 37) /* in pieces */
        lhi_conn_input(conn, requests + at, LH_MIN((size_t)37, sizeof(requests) - 1 - at));
    if (!conn->closed)
        lhi_conn_close(conn, 0);
    ck_assert_ptr_eq(closed, conn);
    lh_free(conn);
}

LH_TEST(any_allocation_may_fail)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    struct lh_server server;
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_log_set_sink(drop_line, NULL);
    uint64_t failures = 1;
    for (uint64_t n = 0; failures > 0; n++) {
        ck_assert_uint_lt(n, 10000);
        ck_assert_int_eq(open_server(&server, &cx), LH_OK);
        lh_alloc_fail_after(n, 0);
        serve_all(&server);
        failures = lh_alloc_failures();
        lh_alloc_fail_off();
        serve_all(&server); /* it is not worse for it */
        ck_assert_uint_eq(server.in_flight, 0);
        ck_assert_ptr_null(server.conns);
        ck_assert_ptr_nonnull(server.free_requests);
        lhi_server_done(&server);
    }
    lh_log_set_sink(NULL, NULL);
}

LH_TEST(a_server_that_cannot_be_made_leaves_nothing)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    struct lh_server server;
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    uint64_t failures = 1;
    for (uint64_t n = 0; failures > 0; n++) {
        lh_alloc_fail_after(n, 0);
        lh_rc rc = open_server(&server, &cx);
        failures = lh_alloc_failures();
        lh_alloc_fail_off();
        if (failures > 0)
            ck_assert_int_eq(rc, LH_E_NO_MEMORY);
        lhi_server_done(&server);
    }
}
