/* fuzz_http.c - a whole connection fed bytes in pieces, with memory in place of the socket:
 * scanner, llhttp, router, query, body limits, JSON and multipart bodies, pipelining, replies,
 * partial writes. links: net
 *
 * Input: byte 0 = size of the pieces (0: one piece), byte 1 = flags (see below), then what the
 * client sends. */
#include "base/log.h"
#include "base/mem.h"
#include "net/net_private.h"

#include <stdlib.h>

enum { SLOW_WRITES = 1, END_OF_INPUT = 2, HANG_UP = 4, LATE = 8, WITH_CORS = 16 };

typedef struct memory_peer {
    lhi_conn *closed; /* to be freed */
    size_t written;
    char first[9];
    bool slow;
    bool block_next;
    size_t unread;
} memory_peer;
static memory_peer peer;

static ssize_t memory_write(lhi_conn *conn, const struct iovec *iov, int count)
{
    lh_assert(!conn->closed);
    if (peer.slow && (peer.block_next = !peer.block_next))
        return LHI_WOULD_BLOCK;
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        size_t len = iov[i].iov_len;
        if (peer.slow && total + len > 33)
            len = 33 - total;
        for (size_t k = 0; k < len && peer.written + k < sizeof(peer.first); k++)
            peer.first[peer.written + k] = ((const char *)iov[i].iov_base)[k];
        peer.written += len;
        total += len;
        if (len < iov[i].iov_len)
            break;
    }
    return (ssize_t)total;
}

static void memory_want(lhi_conn *conn, uint8_t wanted)
{
    (void)wanted;
    lh_assert(!conn->closed);
}

static void memory_close(lhi_conn *conn, int reset)
{
    (void)reset;
    lh_assert(peer.closed == NULL);
    peer.closed = conn;
}

static void memory_nothing(lhi_conn *conn)
{
    lh_assert(!conn->closed);
}

static bool memory_is_gone(lhi_conn *conn)
{
    (void)conn;
    return false;
}

static size_t memory_unread(lhi_conn *conn)
{
    (void)conn;
    return peer.unread;
}

static const lhi_io memory_io = {.write = memory_write,
                                 .want = memory_want,
                                 .close = memory_close,
                                 .finish_writing = memory_nothing,
                                 .is_gone = memory_is_gone,
                                 .unread = memory_unread,
                                 .unsent = memory_unread};

/* ---- rows of every kind ---- */

static lh_rc hello(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    return lh_reply_json_text(
        cx, rp,
        lh_ctx_fmt(cx, "[%zu,%zu]", lh_request_path(rq).len, lh_request_query(rq, "q").len));
}

static lh_rc param(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    LH_TRY(lh_reply_header(cx, rp, "X-Key", lh_request_param(rq, "key")));
    return lh_reply_bytes(cx, rp, "text/plain", lh_request_param(rq, "key"));
}

typedef struct thing {
    lh_str text;
    int64_t n;
    lh_list list;
} thing;
static const lh_field thing_fields[] = {
    LH_FIELD("text", STR, thing, text, .flags = LH_FIELD_REQUIRED, .max = 100, .doc = "d"),
    LH_FIELD("n", I64, thing, n, .min = 1, .max = 9, .def = "2", .doc = "d"),
    LH_FIELD("list", LIST, thing, list, .item = LH_F_F64, .max = 5, .doc = "d"),
    {0}};
static const lh_record thing_record = {
    .name = "Thing", .size = sizeof(thing), .fields = thing_fields, .doc = "d"};

static lh_rc json(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    thing body;
    LH_TRY(lh_request_json(cx, rq, &body));
    return lh_reply_json(cx, rp, &thing_record, &body);
}

static lh_rc upload(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_str piece;
    LH_TRY(lh_reply_stream(cx, rp, "text/plain"));
    do {
        LH_TRY(lh_request_read(cx, rq, &piece));
        LH_TRY(lh_reply_write(cx, rp, piece));
    } while (piece.len > 0);
    return LH_OK;
}

static lh_rc form(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_multipart *mp;
    lh_part part;
    int found;
    LH_TRY(lh_reply_sse(cx, rp));
    LH_TRY(lh_multipart_begin(cx, rq, &mp));
    for (;;) {
        lh_str text;
        LH_TRY(lh_multipart_next(cx, mp, &part, &found));
        if (!found)
            return LH_OK;
        LH_TRY(lh_multipart_text(cx, mp, 1000, &text));
        LH_TRY(lh_reply_event(cx, rp, part.name, part.filename, text));
    }
}

static const lh_query_param query[] = {
    {"q", "string", "d"}, {"n", "integer", "d"}, {"b", "boolean", "d"}, {0}};
static const lh_route rows[] = {
    {.method = "GET", .path = "/", .handler = hello, .flags = LH_ROUTE_INLINE, .query = query},
    {.method = "GET", .path = "/a/{key}", .handler = param},
    {.method = "GET", .path = "/a/{key}/b", .handler = param, .query = query},
    {.method = "DELETE", .path = "/a/{key}", .handler = param, .reply_status = 204},
    {.method = "GET", .path = "/f/{key*}", .handler = param},
    {.method = "POST", .path = "/j", .handler = json, .body = &thing_record, .body_max_bytes = 200},
    {.method = "POST",
     .path = "/u",
     .handler = upload,
     .flags = LH_ROUTE_STREAM_BODY,
     .body_max_bytes = 5000},
    {.method = "POST",
     .path = "/m",
     .handler = form,
     .flags = LH_ROUTE_STREAM_BODY,
     .body_max_bytes = 5000},
    {0}};

static struct lh_server *make_server(void)
{
    static const lh_route *const tables[] = {rows, NULL};
    static lh_str origins[] = {LH_S_INIT("http://o")};
    static struct lh_server server;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_assert(arena != NULL);
    lh_ctx_init(&cx, arena);
    lh_log_configure(LH_LOG_ERROR, LH_LOG_JSON);
    const lh_server_options opts = {.listen = LH_S("-"),
                                    .routes = tables,
                                    .handler_threads = 1,
                                    .connections_max = 1,
                                    .in_flight_max = 1,
                                    .header_bytes_max = 1000,
                                    .headers_max = 16,
                                    .url_bytes_max = 200,
                                    .header_timeout_us = 1000000,
                                    .body_idle_timeout_us = 1000000,
                                    .write_idle_timeout_us = 1000000,
                                    .idle_timeout_us = 1000000,
                                    .request_timeout_us = 1000000000,
                                    .cors_origins = {origins, 1}};
    lh_rc rc = lhi_server_init(&cx, &server, &opts);
    lh_assert(rc == LH_OK);
    server.io = &memory_io;
    server.run_on_loop = true;
    return &server;
}

static void drop_log(void *arg, lh_str line)
{
    (void)arg;
    (void)line;
}

/* As the loop does: no more than the connection takes, nothing when it wants nothing. */
static void feed(lhi_conn *conn, const char *data, size_t len, size_t step)
{
    while (len > 0 && !conn->closed) {
        size_t room = lhi_conn_read_max(conn);
        size_t n = LH_MIN(LH_MIN(len, step > 0 ? step : len), room);
        peer.unread = len - n;
        if (n == 0)
            return;
        char *copy = malloc(n); /* of exactly its size, so that a read past it is seen */
        memcpy(copy, data, n);
        lhi_conn_input(conn, copy, n);
        free(copy);
        data += n;
        len -= n;
        for (int i = 0; i < 5 && !conn->closed && conn->blocked; i++)
            lhi_conn_pump(conn);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lh_server *server;
    if (server == NULL) {
        lh_log_set_sink(drop_log, NULL);
        server = make_server();
    }
    if (size < 2 || size > 64 * 1024)
        return 0;
    uint8_t flags = data[1];
    server->opts.cors_origins.count = flags & WITH_CORS ? 1 : 0;
    server->now_us = lh_clock_mono_us();
    peer = (memory_peer){.slow = (flags & SLOW_WRITES) != 0};
    lhi_conn *conn = lhi_conn_new(server, -1);
    lh_assert(conn != NULL);
    lhi_conn_update(conn);
    feed(conn, (const char *)data + 2, size - 2, data[0]);
    for (int i = 0; i < 20000 && !conn->closed && conn->blocked; i++)
        lhi_conn_pump(conn);
    if (!conn->closed && (flags & LATE)) {
        server->now_us += 2000000;
        lhi_wheel_turn(server);
    }
    if (!conn->closed && (flags & HANG_UP))
        lhi_conn_hangup(conn);
    if (!conn->closed && (flags & END_OF_INPUT))
        lhi_conn_eof(conn);
    if (!conn->closed)
        lhi_conn_close(conn, 0);
    lh_assert(peer.closed == conn);
    lh_assert(peer.written < sizeof(peer.first) || memcmp(peer.first, "HTTP/1.1 ", 9) == 0);
    lh_assert(server->in_flight == 0 && server->conns == NULL && server->wheel.count == 0);
    lh_free(conn);
    return 0;
}
