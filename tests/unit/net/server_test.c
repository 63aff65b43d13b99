/* server_test.c - what a client may rely on: order, limits, deadlines, leaving, draining. */
#include "live.h"

#include "base/metric.h"
#include "os/thread.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define GET(path)       "GET " path " HTTP/1.1\r\nHost: t\r\n\r\n"
#define GET_CLOSE(path) "GET " path " HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"

static void open_default(void)
{
    lh_server_options opts = live_options();
    live_open(&opts);
}

static void ck_status(const char *reply, int status)
{
    ck_assert_msg(live_status(reply) == status, "wanted %d: %.400s", status, reply);
}

static void ck_has(const char *reply, const char *text)
{
    ck_assert_msg(strstr(reply, text) != NULL, "no \"%s\" in: %.600s", text, reply);
}

LH_TEST(every_reply_has_its_headers)
{
    open_default();
    const char *reply = live_ask(GET("/inline"));
    ck_status(reply, 200);
    ck_has(reply, "X-Request-Id: ");
    ck_has(reply, "X-Content-Type-Options: nosniff\r\n");
    ck_has(reply, "Content-Type: application/json\r\n");
    ck_has(reply, "Date: ");
    ck_assert_ptr_null(strstr(reply, "Server:"));
    ck_has(live_ask("GET /inline HTTP/1.1\r\nHost: t\r\nX-Request-Id: abc-1.2_Z\r\n\r\n"),
           "X-Request-Id: abc-1.2_Z\r\n");
    reply = live_ask("GET /inline HTTP/1.1\r\nHost: t\r\nX-Request-Id: a b\r\n\r\n");
    ck_assert_ptr_null(strstr(reply, "a b"));
    reply = live_ask("POST /created HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n");
    ck_status(reply, 201);
    ck_has(reply, "X-Test: yes\r\n");
    ck_assert_ptr_null(strstr(reply, "B: c"));
    reply = live_ask("DELETE /created HTTP/1.1\r\nHost: t\r\n\r\n");
    ck_status(reply, 204);
    ck_assert_ptr_null(strstr(reply, "Content-Length"));
    live_close();
}

LH_TEST(head_says_the_length_and_sends_nothing)
{
    open_default();
    const char *reply = live_ask("HEAD /inline HTTP/1.1\r\nHost: t\r\n\r\n");
    ck_status(reply, 200);
    ck_has(reply, "Content-Length: 15\r\n");
    ck_assert_str_eq(live_body(reply), "");
    reply = live_ask("HEAD /download?bytes=100000 HTTP/1.1\r\nHost: t\r\n\r\n");
    ck_status(reply, 200);
    ck_assert_str_eq(live_body(reply), "");
    live_close();
}

LH_TEST(ten_pipelined_requests_are_answered_in_order)
{
    char requests[2048] = "";
    open_default();
    for (int i = 0; i < 10; i++)
        snprintf(requests + strlen(requests), sizeof(requests) - strlen(requests),
                 i % 2 == 0 ? "GET /pooled?n=%d HTTP/1.1\r\nHost: t\r\n\r\n"
                            : "GET /inline/%d HTTP/1.1\r\nHost: t\r\n\r\n",
                 i);
    int fd = live_connect();
    live_send(fd, requests);
    const char *at = live_replies(fd, 10);
    for (int i = 0; i < 10; i++) {
        char wanted[64];
        snprintf(wanted, sizeof(wanted), i % 2 == 0 ? "{\"pooled\":\"%d\"}" : "{\"inline\":\"%d\"}",
                 i);
        at = strstr(at, wanted);
        ck_assert_msg(at != NULL, "reply %d is not in its place", i);
    }
    live_disconnect(fd);
    live_close();
}

LH_TEST(pipelined_requests_behind_bodies_byte_by_byte)
{
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 14\r\n\r\n{\"text\":\"one\"}\r\n"
        "POST /upload HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: "
        "chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n" GET("/inline/9");
    open_default();
    int fd = live_connect();
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        live_send_bytes(fd, text + i, 1);
    const char *replies = live_replies(fd, 3);
    ck_has(replies, "\"text\":\"one\"");
    ck_has(replies, "{\"bytes\":5}");
    ck_has(replies, "{\"inline\":\"9\"}");
    live_disconnect(fd);
    live_close();
}

LH_TEST(keep_alive_is_what_the_client_asks)
{
    open_default();
    int fd = live_connect();
    for (int i = 0; i < 5; i++) {
        live_send(fd, GET("/inline"));
        ck_status(live_replies(fd, 1), 200);
    }
    live_send(fd, GET_CLOSE("/pooled"));
    ck_has(live_read_all(fd), "Connection: close\r\n");
    live_disconnect(fd);
    fd = live_connect();
    live_send(fd, "GET /inline HTTP/1.0\r\n\r\n");
    ck_has(live_read_all(fd), "{\"inline\":true}");
    live_disconnect(fd);
    fd = live_connect();
    live_send(fd, "GET /inline HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ck_has(live_replies(fd, 1), "Connection: keep-alive\r\n");
    live_send(fd, GET("/inline"));
    ck_status(live_replies(fd, 1), 200);
    live_disconnect(fd);
    live_close();
}

static const struct {
    const char *request;
    int status;
    const char *code;
    const char *more; /* somewhere in the reply */
} refusals[] = {
    {GET("/inlin"), 404, "not_found", "/inline"},
    {GET("/a/../b"), 400, "bad_name", NULL},
    {GET("/files/a%2fb"), 400, "bad_name", NULL},
    {"POST /inline HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n", 405, "method_not_allowed",
     "Allow: GET, HEAD, OPTIONS\r\n"},
    {GET("/pooled?m=1"), 400, "unknown_field", "\"field\":\"m\""},
    {GET("/pooled?count=x"), 400, "bad_value", "\"field\":\"count\""},
    {GET("/pooled?deep=1"), 400, "bad_value", "\"field\":\"deep\""},
    {GET("/pooled?n=1&n=2"), 400, "bad_value", "\"field\":\"n\""},
    {GET("/pooled?n=%zz"), 400, "bad_value", NULL},
    {GET("/inline?x=1"), 400, "unknown_field", NULL},
    {"GET /inline HTTP/1.1\r\n\r\n", 400, "bad_request", "\"field\":\"Host\""},
    {"GET /inline HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request",
     "\"field\":\"Host\""},
    {"GET /inline HTTP/1.1\r\nHost : a\r\n\r\n", 400, "bad_request", "Connection: close\r\n"},
    {"GET /inline HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 413, "too_large", NULL},
    {"POST /echo HTTP/1.1\r\nHost: t\r\n\r\n", 411, "length_required", NULL},
    {"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1001\r\n\r\n", 413, "too_large",
     "Connection: close\r\n"},
    {"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\n{}",
     415, "unsupported_media", NULL},
    {"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}", 415,
     "unsupported_media", NULL},
    {"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}", 400, "missing_field", NULL},
    {"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{x", 400, "bad_json",
     "\"line\":1"},
    {"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 15\r\n\r\n{\"textt\":\"one\"}", 400,
     "unknown_field", "\"field\":\"textt\""},
    {"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_request",
     NULL},
    {"GET /inline HTTP/1.1\r\nHost: t\r\nExpect: magic\r\n\r\n", 400, "bad_request", NULL},
    {"POST /echo HTTP/1.1\r\nHost: t\r\nOrigin: http://evil.example\r\nContent-Length: "
     "12\r\n\r\n{\"text\":\"a\"}",
     403, "forbidden", NULL},
    {GET("/secret"), 401, "unauthorized", "WWW-Authenticate: Bearer\r\n"},
    {GET("/fails/place"), 400, "sql_syntax",
     "\"hint\":\"try that\",\"field\":\"sql\",\"line\":3,\"column\":14"},
    {GET("/fails/busy"), 503, "unavailable", "Retry-After: 7\r\n"},
    {GET("/fails/silent"), 500, "internal", NULL},
    {"GET /inline HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: "
     "x\r\n\r\n",
     400, "bad_request", NULL},
    {"CONNECT t:80 HTTP/1.1\r\nHost: t\r\n\r\n", 400, "bad_name", NULL},
};

LH_TEST_LOOP(refusals_have_status_code_and_place, LH_ARRAY_LEN(refusals))
{
    char code[64];
    open_default();
    const char *reply = live_ask(refusals[_i].request);
    ck_status(reply, refusals[_i].status);
    snprintf(code, sizeof(code), "{\"error\":{\"code\":\"%s\",\"message\":\"", refusals[_i].code);
    ck_has(reply, code);
    ck_has(reply, "\"request_id\":\"");
    if (refusals[_i].more != NULL)
        ck_has(reply, refusals[_i].more);
    live_close();
}

LH_TEST(what_is_fine_is_answered)
{
    open_default();
    ck_status(live_ask("GET /secret HTTP/1.1\r\nHost: t\r\nAuthorization: bearer s3cret\r\n\r\n"),
              200);
    ck_status(live_ask("GET /secret HTTP/1.1\r\nHost: t\r\nX-API-Key: s3cret\r\n\r\n"), 200);
    ck_has(live_ask(GET("/files/a/b%20c.csv")), "a/b c.csv");
    ck_has(live_ask(GET("/pooled?n=a+b%26c&count=-3&deep=true")), "{\"pooled\":\"a b&c\"}");
    ck_status(live_ask("GET http://other/inline HTTP/1.1\r\nHost: t\r\n\r\n"), 200);
    ck_status(
        live_ask("GET /inline HTTP/1.1\r\nHost: t\r\nConnection: Upgrade, "
                 "HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"),
        200);
    ck_status(
        live_ask("POST /echo HTTP/1.1\r\nHost: t\r\nOrigin: http://t\r\nContent-Type: "
                 "Application/JSON; charset=utf-8\r\nContent-Length: 12\r\n\r\n{\"text\":\"a\"}"),
        200);
    ck_status(live_ask("\r\n\r\n" GET("/inline")), 200);
    live_close();
}

LH_TEST(options_and_preflight_come_from_the_rows)
{
    lh_str origins[] = {LH_S_INIT("http://ui.example")};
    lh_server_options opts = live_options();
    opts.cors_origins = (lh_str_list){origins, 1};
    live_open(&opts);
    const char *reply = live_ask(
        "OPTIONS /echo HTTP/1.1\r\nHost: t\r\nOrigin: http://ui.example\r\n"
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: X-API-Key\r\n\r\n");
    ck_status(reply, 204);
    ck_has(reply, "Access-Control-Allow-Origin: http://ui.example\r\n");
    ck_has(reply, "Access-Control-Allow-Methods: POST, OPTIONS\r\n");
    ck_has(reply, "Access-Control-Allow-Headers: X-API-Key\r\n");
    reply = live_ask("OPTIONS /echo HTTP/1.1\r\nHost: t\r\nOrigin: "
                     "http://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n");
    ck_assert_ptr_null(strstr(reply, "Access-Control-Allow"));
    reply = live_ask("GET /inlin HTTP/1.1\r\nHost: t\r\nOrigin: http://ui.example\r\n\r\n");
    ck_status(reply, 404); /* a page must be able to read our errors */
    ck_has(reply, "Access-Control-Allow-Origin: http://ui.example\r\n");
    ck_status(live_ask("OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n"), 204);
    ck_status(live_ask("POST /created HTTP/1.1\r\nHost: t\r\nOrigin: "
                       "http://ui.example\r\nContent-Length: 0\r\n\r\n"),
              201);
    live_close();
}

LH_TEST(limits_of_a_request_are_exact)
{
    char text[4096];
    open_default();
    for (int n = 499; n <= 501; n++) {
        snprintf(text, sizeof(text), "GET /files/%0*d HTTP/1.1\r\nHost: t\r\n\r\n", n - 7, 0);
        ck_status(live_ask(text), n <= 500 ? 200 : 414);
    }
    for (int n = 1999; n <= 2001; n++) { /* "Host: t" + CRLF are 9, "X: " + CRLF are 5 */
        snprintf(text, sizeof(text), "GET /inline HTTP/1.1\r\nHost: t\r\nX: %0*d\r\n\r\n", n - 14,
                 0);
        ck_status(live_ask(text), n <= 2000 ? 200 : 431);
    }
    for (int n = 19; n <= 21; n++) {
        int len = snprintf(text, sizeof(text), "GET /inline HTTP/1.1\r\nHost: t\r\n");
        for (int i = 1; i < n; i++)
            len += snprintf(text + len, sizeof(text) - (size_t)len, "X: y\r\n");
        snprintf(text + len, sizeof(text) - (size_t)len, "\r\n");
        ck_status(live_ask(text), n <= 20 ? 200 : 431);
    }
    for (int n = 999; n <= 1001; n++) {
        int len = snprintf(
            text, sizeof(text),
            "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", n);
        snprintf(text + len, sizeof(text) - (size_t)len, "{\"text\":\"%0*d\"}\r\n0\r\n\r\n", n - 11,
                 0);
        ck_status(live_ask(text), n <= 1000 ? 200 : 413);
    }
    live_close();
}

LH_TEST(connections_beyond_the_limit_are_told)
{
    lh_server_options opts = live_options();
    opts.connections_max = 3;
    live_open(&opts);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = live_connect();
        live_send(fds[i], GET("/inline"));
        ck_status(live_replies(fds[i], 1), 200);
    }
    int fd = live_connect();
    const char *reply = live_read_all(fd);
    ck_status(reply, 503);
    ck_has(reply, "Retry-After: ");
    ck_has(reply, "{\"error\":{\"code\":\"unavailable\"");
    live_disconnect(fd);
    for (int i = 0; i < 3; i++)
        live_disconnect(fds[i]);
    live_close();
}

LH_TEST(requests_in_flight_beyond_the_limit_are_told)
{
    lh_server_options opts = live_options();
    opts.in_flight_max = 2;
    opts.handler_threads = 1; /* the second one waits for the thread, and counts */
    live_open(&opts);
    int fds[2] = {live_connect(), live_connect()};
    live_send(fds[0], GET("/wait"));
    live_wait_for(&live_state.entered, 1);
    live_send(fds[1], GET("/wait"));
    int probe = live_connect();
    while (lh_metric_value(LH_M_HTTP_IN_FLIGHT, 0) < 2)
        usleep(1000);
    live_send(probe, GET("/pooled"));
    const char *reply = live_replies(probe, 1);
    ck_status(reply, 503);
    ck_has(reply, "Retry-After: ");
    live_send(probe, GET("/inline")); /* the loop still answers */
    ck_status(live_replies(probe, 1), 200);
    atomic_store(&live_state.release, 1);
    ck_status(live_replies(fds[0], 1), 200);
    ck_status(live_replies(fds[1], 1), 200);
    live_send(probe, GET("/pooled"));
    ck_status(live_replies(probe, 1), 200);
    for (int i = 0; i < 2; i++)
        live_disconnect(fds[i]);
    live_disconnect(probe);
    live_close();
}

LH_TEST(long_rows_have_threads_of_their_own)
{
    lh_server_options opts = live_options();
    opts.handler_threads = 1;
    opts.long_threads_max = 2;
    live_open(&opts);
    int a = live_connect(), b = live_connect(), c = live_connect();
    live_send(a, GET("/events"));
    live_send(b, GET("/events"));
    ck_has(live_read_until(a, "lines\n\n"), "event: tick\nid: 1\ndata: {\"a\":1}\n\n");
    ck_has(live_read_until(b, "lines\n\n"), "data: two\ndata: lines\n\n");
    live_send(c, GET("/events"));
    const char *reply = live_replies(c, 1);
    ck_status(reply, 503);
    ck_has(reply, "Retry-After: ");
    live_send(c, GET("/pooled"));
    ck_status(live_replies(c, 1), 200);
    atomic_store(&live_state.release, 1);
    live_disconnect(a);
    live_disconnect(b);
    live_disconnect(c);
    live_close();
}

LH_TEST(an_event_stream_is_not_compressed_and_not_cached)
{
    open_default();
    int fd = live_connect();
    live_send(fd, "GET /events HTTP/1.1\r\nHost: t\r\nAccept-Encoding: gzip\r\n\r\n");
    const char *reply = live_read_until(fd, "lines\n\n");
    ck_has(reply, "Content-Type: text/event-stream\r\n");
    ck_has(reply, "Cache-Control: no-store\r\n");
    ck_assert_ptr_null(strstr(reply, "gzip"));
    atomic_store(&live_state.release, 1);
    live_disconnect(fd);
    live_close();
}

LH_TEST(a_silent_event_stream_gets_comments)
{
    open_default();
    int fd = live_connect();
    live_send(fd, GET("/events"));
    ck_has(live_read_until(fd, "lines\n\n"), "tick");
    lh_clock_set_test(lh_clock_mono_us(), lh_clock_real_us());
    lh_clock_advance_test(16000000);
    ck_has(live_read_until(fd, ":\n\n"), "3\r\n:\n\n\r\n");
    lh_clock_reset();
    ck_assert_int_eq(atomic_load(&live_state.cancelled), 0);
    atomic_store(&live_state.release, 1);
    ck_has(live_read_until(fd, "0\r\n\r\n"), "0\r\n\r\n");
    live_disconnect(fd);
    live_close();
}

LH_TEST(a_late_header_ends_the_connection)
{
    lh_server_options opts = live_options();
    opts.header_timeout_us = 300000;
    live_open(&opts);
    int fd = live_connect();
    int64_t began_us = lh_clock_mono_us();
    live_send(fd, "GET /inline HTTP/1.1\r\nHo");
    /* A byte now and then must not help. */
    while (live_try_send(fd, "s", 1) && lh_clock_mono_us() - began_us < 5000000)
        usleep(50000);
    int64_t took_us = lh_clock_mono_us() - began_us;
    ck_assert_msg(took_us > 250000 && took_us < 2000000, "cut after %lld us", (long long)took_us);
    live_disconnect(fd);
    fd = live_connect();
    live_send(fd, "GET /inline HTTP/1.1\r\n");
    const char *reply = live_read_all(fd);
    ck_status(reply, 504);
    ck_has(reply, "\"code\":\"deadline\"");
    live_disconnect(fd);
    live_close();
}

LH_TEST(idle_connections_and_idle_bodies_end)
{
    lh_server_options opts = live_options();
    opts.idle_timeout_us = 200000;
    opts.body_idle_timeout_us = 200000;
    live_open(&opts);
    int fd = live_connect();
    live_send(fd, GET("/inline"));
    ck_status(live_replies(fd, 1), 200);
    ck_assert(live_is_closed(fd));
    live_disconnect(fd);
    fd = live_connect();
    live_send(fd, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{");
    ck_status(live_read_all(fd), 504);
    live_disconnect(fd);
    fd = live_connect();
    live_send(fd, "POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nabc");
    ck_status(live_read_all(fd), 504);
    ck_assert_int_eq(atomic_load(&live_state.last_rc), LH_E_DEADLINE);
    live_disconnect(fd);
    live_close();
}

/* Sends a byte now and then, each well within the idle time, until the server speaks. */
static const char *drip(const char *head)
{
    int fd = live_connect();
    live_send(fd, head);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 20) > 0)
            break;
        live_send(fd, "x");
    }
    const char *reply = live_read_all(fd);
    live_disconnect(fd);
    return reply;
}

LH_TEST(a_body_that_drips_ends)
{
    lh_server_options opts = live_options();
    opts.body_idle_timeout_us = 300000;
    opts.body_rate_min = 1000;
    live_open(&opts);
    ck_status(drip("POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\nabc"), 504);
    ck_assert_int_eq(atomic_load(&live_state.last_rc), LH_E_DEADLINE);
    ck_status(drip("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 900\r\n\r\n{"), 504);
    live_close();
}

LH_TEST(a_body_of_enough_bytes_per_second_may_take_long)
{
    lh_server_options opts = live_options();
    opts.body_idle_timeout_us = 600000;
    opts.body_rate_min = 100;
    live_open(&opts);
    int fd = live_connect();
    live_send(fd, "POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 2500\r\n\r\n");
    char piece[101];
    memset(piece, 'x', 100);
    piece[100] = '\0';
    for (int i = 0; i < 25; i++) { /* more than one window */
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ck_assert_int_eq(poll(&p, 1, 50), 0);
        live_send(fd, piece);
    }
    ck_status(live_replies(fd, 1), 200);
    live_disconnect(fd);
    live_close();
}

LH_TEST(slow_uploads_hold_up_nobody_else)
{
    static const char head[] = "POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 6\r\n\r\nabc";
    lh_server_options opts = live_options();
    opts.handler_threads = 1;
    opts.stream_threads_max = 2;
    live_open(&opts);
    int slow[2] = {live_connect(), live_connect()};
    for (int i = 0; i < 2; i++)
        live_send(slow[i], head);
    live_wait_for(&live_state.entered, 2);
    ck_status(live_ask(GET("/pooled")), 200);
    int fd = live_connect();
    live_send(fd, head);
    const char *reply = live_read_all(fd);
    ck_status(reply, 503);
    ck_has(reply, "Retry-After: ");
    live_disconnect(fd);
    for (int i = 0; i < 2; i++) {
        live_send(slow[i], "def");
        ck_status(live_replies(slow[i], 1), 200);
        live_disconnect(slow[i]);
    }
    live_close();
}

LH_TEST(a_handler_has_a_deadline)
{
    lh_server_options opts = live_options();
    opts.request_timeout_us = 100000;
    live_open(&opts);
    ck_status(live_ask(GET("/wait")), 504);
    live_close();
}

LH_TEST(a_client_that_leaves_cancels_its_request)
{
    open_default();
    int fd = live_connect();
    live_send(fd, GET("/wait"));
    live_wait_for(&live_state.entered, 1);
    int64_t began_us = lh_clock_mono_us();
    live_disconnect(fd);
    live_wait_for(&live_state.cancelled, 1);
    ck_assert_int_lt(lh_clock_mono_us() - began_us, 2000000);
    fd = live_connect(); /* an event stream */
    live_send(fd, GET("/events"));
    ck_has(live_read_until(fd, "lines\n\n"), "tick");
    live_disconnect(fd);
    live_wait_for(&live_state.cancelled, 2);
    fd = live_connect(); /* in the middle of a body */
    live_send(fd, "POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nabc");
    live_wait_for(&live_state.entered, 3);
    live_disconnect(fd);
    live_wait_for(&live_state.cancelled, 3);
    fd = live_connect(); /* with pipelined requests behind it */
    live_send(fd, GET("/wait") GET("/inline") GET("/inline"));
    live_wait_for(&live_state.entered, 4);
    live_disconnect(fd);
    live_wait_for(&live_state.cancelled, 4);
    live_close();
}

LH_TEST(a_client_that_leaves_while_the_body_waits_cancels)
{
    enum {
        /* More than the ring takes, no more than the kernel holds for us. */
        BYTES = 260 * 1024
    };
    static char block[BYTES];
    open_default();
    int fd = live_connect();
    live_send(fd, "POST /upload?hold=1 HTTP/1.1\r\nHost: t\r\nContent-Length: 90000000\r\n\r\n");
    live_wait_for(&live_state.entered, 1);
    struct timeval now = {.tv_usec = 200000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &now, sizeof(now));
    (void)live_try_send(fd, block, BYTES);
    live_disconnect(fd);
    live_wait_for(&live_state.cancelled, 1);
    live_close();
}

LH_TEST(a_half_closed_client_gets_its_reply)
{
    open_default();
    int fd = live_connect();
    live_send(fd, GET("/wait"));
    live_wait_for(&live_state.entered, 1);
    shutdown(fd, SHUT_WR);
    usleep(150000); /* long enough for the probe */
    atomic_store(&live_state.release, 1);
    const char *reply = live_read_all(fd);
    ck_has(reply, "{\"waited\":true}");
    ck_assert_int_eq(atomic_load(&live_state.cancelled), 0);
    live_disconnect(fd);
    ck_has(live_ask(GET("/pooled?n=1") GET("/pooled?n=2")), "{\"pooled\":\"2\"}");
    ck_has(live_ask(GET("/download?bytes=3000000")), "0\r\n\r\n");
    live_close();
}

LH_TEST(uploads_are_held_back_by_a_slow_handler)
{
    enum { BYTES = 8 * 1024 * 1024 };
    static char block[BYTES];
    char head[128];
    open_default();
    int fd = live_connect();
    int small = 64 * 1024;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    snprintf(head, sizeof(head),
             "POST /upload?hold=1 HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n", BYTES);
    live_send(fd, head);
    live_wait_for(&live_state.entered, 1);
    size_t sent = 0;
    ssize_t n;
    struct timeval patience = {.tv_usec = 300000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    while (sent < BYTES && (n = send(fd, block + sent, BYTES - sent, MSG_NOSIGNAL)) > 0)
        sent += (size_t)n;
    ck_assert_msg(sent < BYTES, "all %zu bytes were taken although nobody reads", sent);
    atomic_store(&live_state.release, 1);
    patience.tv_sec = 10;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    live_send_bytes(fd, block + sent, BYTES - sent);
    ck_has(live_replies(fd, 1), "{\"bytes\":8388608}");
    live_send(fd, GET("/inline"));
    ck_status(live_replies(fd, 1), 200);
    live_disconnect(fd);
    live_close();
}

/* The room of the ring changes while the loop looks at it: a limit that was computed twice once
 * read more than the loop's buffer holds. */
LH_TEST(a_full_ring_and_a_fast_handler_race_safely)
{
    enum { BLOCK = 1024 * 1024, BLOCKS = 90 };
    static char block[BLOCK];
    char head[128], wanted[64];
    open_default();
    int fd = live_connect();
    snprintf(head, sizeof(head), "POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n",
             BLOCK * BLOCKS);
    live_send(fd, head);
    for (int i = 0; i < BLOCKS; i++)
        live_send_bytes(fd, block, BLOCK);
    snprintf(wanted, sizeof(wanted), "{\"bytes\":%d}", BLOCK * BLOCKS);
    ck_has(live_replies(fd, 1), wanted);
    live_disconnect(fd);
    live_close();
}

LH_TEST(chunked_uploads_arrive_whole)
{
    enum { BYTES = 100000, ROUNDS = 30 };
    static char block[BYTES + 32];
    open_default();
    int fd = live_connect();
    live_send(fd, "POST /upload HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < ROUNDS; i++) {
        int len = snprintf(block, sizeof(block), "%x;ext=1\r\n", BYTES);
        memset(block + len, 'x', BYTES);
        memcpy(block + len + BYTES, "\r\n", 2);
        live_send_bytes(fd, block, (size_t)len + BYTES + 2);
    }
    live_send(fd, "0\r\n\r\n");
    ck_has(live_replies(fd, 1), "{\"bytes\":3000000}");
    live_disconnect(fd);
    live_close();
}

LH_TEST(a_body_past_the_limit_is_refused_in_the_middle)
{
    open_default();
    int fd = live_connect();
    live_send(fd, "POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 100000001\r\n\r\nabc");
    ck_status(live_read_all(fd), 413);
    live_disconnect(fd);
    fd = live_connect();
    live_send(fd, "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n");
    char block[1024];
    memset(block, 'x', sizeof(block));
    live_send_bytes(fd, block, sizeof(block));
    ck_status(live_read_all(fd), 413);
    live_disconnect(fd);
    live_close();
}

LH_TEST(an_early_reply_reaches_a_client_that_still_sends)
{
    static char block[1024 * 1024];
    open_default();
    int fd = live_connect();
    live_send(fd, "POST /refuse HTTP/1.1\r\nHost: t\r\nContent-Length: 50000000\r\n\r\n");
    struct timeval patience = {.tv_sec = 1};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    (void)live_try_send(fd, block, 600000);
    const char *reply = live_read_all(fd);
    ck_status(reply, 409);
    ck_has(reply, "Connection: close\r\n");
    live_disconnect(fd);
    live_close();
}

LH_TEST(expect_100_is_answered_when_the_body_is_wanted)
{
    open_default();
    int fd = live_connect();
    live_send(
        fd, "POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 12\r\n\r\n");
    ck_has(live_read_until(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    live_send(fd, "{\"text\":\"a\"}");
    ck_status(live_replies(fd, 1), 200);
    live_send(
        fd,
        "POST /upload HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    ck_has(live_read_until(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    live_send(fd, "abc");
    ck_status(live_replies(fd, 1), 200);
    live_send(
        fd,
        "POST /refuse HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    const char *reply = live_read_all(fd);
    ck_status(reply, 409); /* the body was never asked for */
    live_disconnect(fd);
    live_close();
}

LH_TEST(a_slow_reader_holds_back_its_own_reply_only)
{
    open_default();
    int fd = live_connect();
    int small = 16 * 1024;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    live_send(fd, GET("/download?bytes=12000000"));
    live_wait_for(&live_state.entered, 1);
    usleep(100000);
    ck_assert_int_eq(atomic_load(&live_state.left), 0);
    ck_status(live_ask(GET("/pooled")), 200);
    const char *reply = live_replies(fd, 1);
    ck_status(reply, 200);
    live_wait_for(&live_state.left, 1);
    ck_assert_int_eq(atomic_load(&live_state.last_rc), LH_OK);
    live_disconnect(fd);
    live_close();
}

LH_TEST(a_reader_that_stops_is_cut)
{
    lh_server_options opts = live_options();
    opts.write_idle_timeout_us = 200000;
    live_open(&opts);
    int fd = live_connect();
    live_send(fd, GET("/download?bytes=100000000"));
    live_wait_for(&live_state.cancelled, 1);
    live_disconnect(fd);
    live_close();
}

LH_TEST(a_stream_that_fails_in_the_middle_has_no_proper_end)
{
    open_default();
    const char *reply = live_ask(GET("/fails/middle"));
    ck_status(reply, 200);
    ck_has(reply, "the first half");
    ck_assert_ptr_null(strstr(reply, "\r\n0\r\n\r\n"));
    live_close();
}

LH_TEST(forms_go_through_the_server)
{
    static const char body[] =
        "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n12345\r\n"
        "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n\r\n--B--\r\n";
    char text[1024];
    open_default();
    snprintf(text, sizeof(text),
             "POST /form HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; "
             "boundary=B\r\nContent-Length: %zu\r\n\r\n%s",
             sizeof(body) - 1, body);
    const char *reply = live_ask(text);
    ck_status(reply, 200);
    ck_has(reply, "a=5;f=0;");
    snprintf(text, sizeof(text),
             "POST /form HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; "
             "boundary=C\r\nContent-Length: %zu\r\n\r\n%s",
             sizeof(body) - 1, body);
    reply = live_ask(text);
    ck_status(reply, 400);
    ck_has(reply, "bad_multipart");
    live_close();
}

static void drain(void *arg)
{
    lh_ctx *cx = arg;
    lh_server_drain(cx, live_server());
}

LH_TEST(draining_finishes_what_is_open_and_takes_nothing_new)
{
    open_default();
    int busy = live_connect(), idle = live_connect();
    live_send(idle, GET("/inline"));
    ck_status(live_replies(idle, 1), 200);
    live_send(busy, GET("/wait"));
    live_wait_for(&live_state.entered, 1);
    lh_thread *thread;
    lh_ctx cx;
    lh_ctx_init(&cx, live_cx()->arena);
    cx.deadline_us = lh_clock_mono_us() + 8000000;
    ck_assert_int_eq(lh_thread_start(live_cx(), "drain", 0, drain, &cx, &thread), LH_OK);
    while (!lh_server_draining(live_server()))
        usleep(1000);
    live_send(idle, GET("/inline")); /* may be answered while draining */
    const char *reply = live_replies(idle, 1);
    ck_status(reply, 200);
    ck_has(reply, "Connection: close\r\n");
    atomic_store(&live_state.release, 1);
    reply = live_read_all(busy);
    ck_status(reply, 200);
    ck_has(reply, "Connection: close\r\n");
    lh_thread_join(thread);
    ck_assert_int_eq(atomic_load(&live_state.cancelled), 0);
    live_disconnect(busy);
    live_disconnect(idle);
    live_close();
}

LH_TEST(draining_cuts_what_does_not_end)
{
    open_default();
    int busy = live_connect();
    live_send(busy, GET("/wait"));
    live_wait_for(&live_state.entered, 1);
    lh_ctx *cx = live_cx();
    cx->deadline_us = lh_clock_mono_us() + 200000;
    lh_server_drain(cx, live_server());
    live_wait_for(&live_state.cancelled, 1);
    ck_assert(live_is_closed(busy));
    live_disconnect(busy);
    live_close();
}

LH_TEST(a_server_that_never_started_closes)
{
    lh_server_options opts = live_options();
    lh_server *server;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    ck_assert_int_eq(lh_server_open(&cx, &opts, &server), LH_OK);
    lh_server *second;
    opts.listen = lh_server_address(server);
    ck_assert_int_eq(lh_server_open(&cx, &opts, &second), LH_E_CONFLICT);
    opts.listen = LH_S("nonsense");
    ck_assert_int_eq(lh_server_open(&cx, &opts, &second), LH_E_BAD_CONFIG);
    opts.listen = LH_S("[::1]:0");
    if (lh_server_open(&cx, &opts, &second) == LH_OK) /* a machine may lack IPv6 */
        lh_server_close(second);
    lh_server_close(server);
}
