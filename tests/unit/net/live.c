/* live.c - see live.h. */
#include "live.h"

#include "base/mem.h"
#include "os/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, REPLY_BYTES_MAX = 64 * 1024 * 1024 };

live_app live_state;
static lh_server *server;
static lh_arena *arena;
static lh_ctx test_cx;
static char *reply_text;

/* ---- handlers ---- */

static lh_rc inline_hello(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    (void)rq;
    return lh_reply_json_text(cx, rp, LH_S("{\"inline\":true}"));
}

static lh_rc pooled_hello(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_str n = lh_request_query(rq, "n");
    return lh_reply_json_text(cx, rp, lh_ctx_fmt(cx, "{\"pooled\":\"%.*s\"}", LH_STR_ARG(n)));
}

static lh_rc inline_number(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_str n = lh_request_param(rq, "n");
    return lh_reply_json_text(cx, rp, lh_ctx_fmt(cx, "{\"inline\":\"%.*s\"}", LH_STR_ARG(n)));
}

static lh_rc ended(lh_rc rc)
{
    if (rc == LH_E_CANCELLED)
        atomic_fetch_add(&live_state.cancelled, 1);
    atomic_store(&live_state.last_rc, (int)rc);
    atomic_fetch_add(&live_state.left, 1);
    return rc;
}

static void nap(void)
{
    struct timespec t = {0, 1000000};
    nanosleep(&t, NULL);
}

/* Works until it is released or told to stop. */
static lh_rc wait_released(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    (void)rq;
    atomic_fetch_add(&live_state.entered, 1);
    while (!atomic_load(&live_state.release)) {
        lh_rc rc = lh_ctx_check(cx);
        if (rc != LH_OK)
            return ended(rc);
        nap();
    }
    return ended(lh_reply_json_text(cx, rp, LH_S("{\"waited\":true}")));
}

typedef struct echo_body {
    lh_str text;
    int64_t n;
} echo_body;
static const lh_field echo_fields[] = {
    LH_FIELD("text", STR, echo_body, text, .flags = LH_FIELD_REQUIRED, .max = 1000000,
             .doc = "Any text."),
    LH_FIELD("n", I64, echo_body, n, .min = 1, .max = 10, .def = "1", .doc = "How often."),
    {0}};
static const lh_record echo_record = {
    .name = "Echo", .size = sizeof(echo_body), .fields = echo_fields, .doc = "An echo."};

static lh_rc echo(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    echo_body body;
    LH_TRY(lh_request_json(cx, rq, &body));
    return lh_reply_json(cx, rp, &echo_record, &body);
}

static lh_rc upload(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_str piece;
    uint64_t bytes = 0;
    atomic_fetch_add(&live_state.entered, 1);
    while (lh_request_query(rq, "hold").ptr != NULL && !atomic_load(&live_state.release)) {
        lh_rc rc = lh_ctx_check(cx);
        if (rc != LH_OK)
            return ended(rc);
        nap();
    }
    do {
        lh_rc rc = lh_request_read(cx, rq, &piece);
        if (rc != LH_OK)
            return ended(rc);
        bytes += piece.len;
        atomic_store(&live_state.bytes, bytes);
    } while (piece.len > 0);
    return ended(
        lh_reply_json_text(cx, rp, lh_ctx_fmt(cx, "{\"bytes\":%llu}", (unsigned long long)bytes)));
}

static lh_rc refuse_upload(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    (void)rq;
    (void)rp;
    return lh_fail(cx, LH_E_CONFLICT, "not now");
}

static lh_rc form(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_multipart *mp;
    lh_part part;
    int found;
    lh_str text = LH_S("");
    LH_TRY(lh_multipart_begin(cx, rq, &mp));
    for (;;) {
        lh_str value;
        LH_TRY(lh_multipart_next(cx, mp, &part, &found));
        if (!found)
            break;
        LH_TRY(lh_multipart_text(cx, mp, 100000, &value));
        text = lh_ctx_fmt(cx, "%.*s%.*s=%zu;", LH_STR_ARG(text), LH_STR_ARG(part.name), value.len);
    }
    return lh_reply_bytes(cx, rp, "text/plain", text);
}

static lh_rc download(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    int64_t bytes;
    char line[64];
    LH_TRY(lh_request_query_i64(cx, rq, "bytes", 1000, 0, 1 << 30, &bytes));
    LH_TRY(lh_reply_stream(cx, rp, "text/plain"));
    atomic_fetch_add(&live_state.entered, 1);
    for (int64_t at = 0; at < bytes; at += 64) {
        (void)snprintf(line, sizeof(line), "%062lld", (long long)at);
        line[62] = '.';
        line[63] = '\n';
        lh_rc rc = lh_reply_write(cx, rp, lh_str_n(line, (size_t)LH_MIN((int64_t)64, bytes - at)));
        if (rc != LH_OK)
            return ended(rc);
    }
    return ended(LH_OK);
}

static lh_rc big_json(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    (void)rq;
    LH_CLEANUP(lh_buf_done) lh_buf text;
    lh_buf_init(&text, 10 * 1024 * 1024);
    LH_TRY(lh_buf_append(cx, &text, LH_S("[0")));
    for (int i = 1; i < 20000; i++)
        LH_TRY(lh_buf_printf(cx, &text, ",%d", i));
    LH_TRY(lh_buf_append(cx, &text, LH_S("]")));
    return lh_reply_json_text(cx, rp, lh_buf_str(&text));
}

static lh_rc events(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    (void)rq;
    LH_TRY(lh_reply_sse(cx, rp));
    atomic_fetch_add(&live_state.entered, 1);
    LH_TRY(lh_reply_event(cx, rp, LH_S("tick"), LH_S("1"), LH_S("{\"a\":1}")));
    LH_TRY(lh_reply_event(cx, rp, LH_STR_NONE, LH_STR_NONE, LH_S("two\nlines")));
    while (!atomic_load(&live_state.release)) {
        lh_rc rc = lh_ctx_check(cx);
        if (rc != LH_OK)
            return ended(rc);
        nap();
    }
    return ended(LH_OK);
}

static lh_rc fails(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_str how = lh_request_param(rq, "how");
    if (lh_str_eq(how, LH_S("place"))) {
        (void)lh_fail(cx, LH_E_SQL_SYNTAX, "broken \"here\"");
        (void)lh_err_field(cx, "sql");
        (void)lh_err_place(cx, 3, 14);
        return lh_err_hint(cx, "try that");
    }
    if (lh_str_eq(how, LH_S("busy"))) {
        lh_rc rc = lh_fail(cx, LH_E_UNAVAILABLE, "busy");
        cx->err.retry_after_s = 7;
        return rc;
    }
    if (lh_str_eq(how, LH_S("silent")))
        return LH_E_NOT_FOUND;
    LH_TRY(lh_reply_stream(cx, rp, "text/plain"));
    LH_TRY(lh_reply_write(cx, rp, LH_S("the first half")));
    LH_TRY(lh_reply_flush(cx, rp));
    return lh_fail(cx, LH_E_IO, "the second half is lost");
}

static lh_rc created(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    (void)rq;
    LH_TRY(lh_reply_header(cx, rp, "X-Test", LH_S("yes")));
    if (lh_reply_header(cx, rp, "X-Bad", LH_S("a\r\nB: c")) == LH_OK)
        return LH_E_INTERNAL;
    lh_err_clear(cx);
    return LH_OK;
}

static lh_rc file(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    return lh_reply_bytes(cx, rp, "text/plain", lh_request_param(rq, "key"));
}

static const lh_query_param n_query[] = {{"n", "string", "Any."},
                                         {"count", "integer", "A number."},
                                         {"deep", "boolean", "Or not."},
                                         {0}};
static const lh_query_param bytes_query[] = {{"bytes", "integer", "How many."}, {0}};
static const lh_query_param hold_query[] = {{"hold", "string", "Reads when released."}, {0}};
static const lh_route routes[] = {
    {.method = "GET",
     .path = "/inline",
     .handler = inline_hello,
     .flags = LH_ROUTE_INLINE | LH_ROUTE_DRAIN_OK,
     .summary = "s"},
    {.method = "GET",
     .path = "/inline/{n}",
     .handler = inline_number,
     .flags = LH_ROUTE_INLINE,
     .summary = "s"},
    {.method = "GET", .path = "/pooled", .handler = pooled_hello, .query = n_query, .summary = "s"},
    {.method = "GET", .path = "/wait", .handler = wait_released, .summary = "s"},
    {.method = "GET",
     .path = "/secret",
     .handler = pooled_hello,
     .access = LH_ACCESS_READ,
     .summary = "s"},
    {.method = "POST",
     .path = "/echo",
     .handler = echo,
     .body_max_bytes = 1000,
     .body = &echo_record,
     .reply = &echo_record,
     .summary = "s"},
    {.method = "POST",
     .path = "/upload",
     .handler = upload,
     .body_max_bytes = 100000000,
     .flags = LH_ROUTE_STREAM_BODY,
     .query = hold_query,
     .summary = "s"},
    {.method = "POST",
     .path = "/refuse",
     .handler = refuse_upload,
     .body_max_bytes = 100000000,
     .flags = LH_ROUTE_STREAM_BODY,
     .summary = "s"},
    {.method = "POST",
     .path = "/form",
     .handler = form,
     .body_max_bytes = 1000000,
     .flags = LH_ROUTE_STREAM_BODY,
     .summary = "s"},
    {.method = "GET",
     .path = "/download",
     .handler = download,
     .query = bytes_query,
     .summary = "s"},
    {.method = "GET", .path = "/big", .handler = big_json, .summary = "s"},
    {.method = "GET", .path = "/events", .handler = events, .flags = LH_ROUTE_LONG, .summary = "s"},
    {.method = "GET", .path = "/fails/{how}", .handler = fails, .summary = "s"},
    {.method = "POST", .path = "/created", .handler = created, .reply_status = 201, .summary = "s"},
    {.method = "DELETE",
     .path = "/created",
     .handler = created,
     .reply_status = 204,
     .summary = "s"},
    {.method = "GET", .path = "/files/{key*}", .handler = file, .summary = "s"},
    {0}};
static const lh_route *const tables[] = {routes, NULL};

static lh_rc authenticate(lh_ctx *cx, void *arg, const lh_request *rq, lh_str secret)
{
    (void)arg;
    if (lh_request_route(rq)->access == LH_ACCESS_READ && !lh_str_eq_secret(secret, LH_S("s3cret")))
        return lh_fail(cx, LH_E_UNAUTHORIZED, "no key");
    return LH_OK;
}

/* ---- server ---- */

lh_server_options live_options(void)
{
    return (lh_server_options){.listen = LH_S("127.0.0.1:0"),
                               .routes = tables,
                               .app = &live_state,
                               .authenticate = authenticate,
                               .handler_threads = 4,
                               .long_threads_max = 2,
                               .connections_max = 100,
                               .in_flight_max = 50,
                               .header_bytes_max = 2000,
                               .headers_max = 20,
                               .url_bytes_max = 500,
                               .header_timeout_us = 5000000,
                               .body_idle_timeout_us = 5000000,
                               .write_idle_timeout_us = 5000000,
                               .idle_timeout_us = 20000000,
                               .request_timeout_us = 20000000};
}

void live_open(const lh_server_options *opts)
{
    memset(&live_state, 0, sizeof(live_state));
    arena = lh_arena_new(0);
    ck_assert_ptr_nonnull(arena);
    lh_ctx_init(&test_cx, arena);
    lh_rc rc = lh_server_open(&test_cx, opts, &server);
    ck_assert_msg(rc == LH_OK, "open: %s", test_cx.err.message);
    ck_assert_int_eq(lh_server_start(&test_cx, server), LH_OK);
}

void live_close(void)
{
    server = lh_server_close(server);
    arena = lh_arena_free(arena);
    free(reply_text);
    reply_text = NULL;
}

lh_server *live_server(void)
{
    return server;
}

lh_ctx *live_cx(void)
{
    return &test_cx;
}

/* ---- clients ---- */

int live_connect(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    lh_str address = lh_server_address(server);
    at.sin_port = htons((uint16_t)atoi(strrchr(address.ptr, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

int live_try_send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return 0;
        at += n;
        len -= (size_t)n;
    }
    return 1;
}

void live_send_bytes(int fd, const void *bytes, size_t len)
{
    ck_assert_msg(live_try_send(fd, bytes, len), "send: %s", strerror(errno));
}

void live_send(int fd, const char *text)
{
    live_send_bytes(fd, text, strlen(text));
}

/* 1: there are more bytes; 0: the server closed. */
static int read_more(int fd, size_t *len)
{
    struct pollfd poll_one = {.fd = fd, .events = POLLIN};
    if (reply_text == NULL)
        reply_text = malloc(REPLY_BYTES_MAX + 1);
    ck_assert_ptr_nonnull(reply_text);
    ck_assert_msg(poll(&poll_one, 1, PATIENCE_MS) == 1, "the server does not answer; so far: %.*s",
                  (int)*len, reply_text);
    ssize_t n = recv(fd, reply_text + *len, REPLY_BYTES_MAX - *len, 0);
    if (n <= 0)
        return 0;
    *len += (size_t)n;
    reply_text[*len] = '\0';
    return 1;
}

static void clear(size_t *len)
{
    if (reply_text == NULL)
        reply_text = malloc(REPLY_BYTES_MAX + 1);
    reply_text[0] = '\0';
    *len = 0;
}

/* Bytes of the first complete reply in text, 0 when there is none. Knows Content-Length and
 * chunked. */
static size_t reply_length(const char *text, size_t len)
{
    const char *end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - text) + 4;
    const char *length = strstr(text, "Content-Length: ");
    if (length != NULL && length < end) {
        size_t whole = head + (size_t)atoll(length + 16);
        return whole <= len ? whole : 0;
    }
    const char *chunked = strstr(text, "Transfer-Encoding: chunked");
    if (chunked == NULL || chunked > end)
        return head;
    return len > head + 5 && memcmp(text + len - 5, "0\r\n\r\n", 5) == 0
               ? len
               : 0; /* nothing may follow it */
}

const char *live_replies(int fd, int count)
{
    size_t len, at = 0;
    clear(&len);
    for (int done = 0; done < count;) {
        size_t one = reply_length(reply_text + at, len - at);
        if (one > 0) {
            at += one;
            done++;
        } else if (!read_more(fd, &len)) {
            break;
        }
    }
    return reply_text;
}

const char *live_read_all(int fd)
{
    size_t len;
    clear(&len);
    while (read_more(fd, &len))
        ;
    return reply_text;
}

const char *live_read_until(int fd, const char *mark)
{
    size_t len;
    clear(&len);
    while (strstr(reply_text, mark) == NULL && read_more(fd, &len))
        ;
    return reply_text;
}

int live_is_closed(int fd)
{
    size_t len;
    clear(&len);
    return !read_more(fd, &len);
}

void live_disconnect(int fd)
{
    close(fd);
}

const char *live_ask(const char *request)
{
    int fd = live_connect();
    live_send(fd, request);
    shutdown(fd, SHUT_WR);
    const char *reply = live_read_all(fd);
    close(fd);
    /* The server asks whether we are still here. */
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    return strncmp(reply, interim, sizeof(interim) - 1) == 0 ? reply + sizeof(interim) - 1 : reply;
}

int live_status(const char *reply)
{
    return strncmp(reply, "HTTP/1.1 ", 9) == 0 ? atoi(reply + 9) : 0;
}

const char *live_body(const char *reply)
{
    const char *end = strstr(reply, "\r\n\r\n");
    return end != NULL ? end + 4 : "";
}

void live_wait_for(atomic_int *value, int wanted)
{
    int64_t until_us = lh_clock_mono_us() + (int64_t)PATIENCE_MS * 1000;
    while (atomic_load(value) < wanted) {
        ck_assert_msg(lh_clock_mono_us() < until_us, "waited in vain for %d, it is %d", wanted,
                      atomic_load(value));
        nap();
    }
}
