/* http_client_test.c - our client against our server: bodies both ways, limits, deadlines, cancel.
 * */
#include "live.h"

#include "net/http_client.h"
#include "os/thread.h"

static lh_http_client *client;

static void setup(const lh_server_options *opts)
{
    lh_server_options usual = live_options();
    live_open(opts != NULL ? opts : &usual);
    ck_assert_int_eq(lh_http_client_new(live_cx(), 2, &client), LH_OK);
}

static void teardown(void)
{
    client = lh_http_client_free(client);
    live_close();
}

static lh_str url(const char *path)
{
    return lh_ctx_fmt(live_cx(), "http://%.*s%s", LH_STR_ARG(lh_server_address(live_server())),
                      path);
}

static lh_rc send_call(const lh_http_call *call, lh_http_response *response)
{
    return lh_http_send(live_cx(), client, call, response);
}

LH_TEST(any_status_is_an_answer)
{
    lh_http_response response;
    setup(NULL);
    lh_http_call call = {.method = "GET", .url = url("/pooled?n=7")};
    ck_assert_msg(send_call(&call, &response) == LH_OK, "%s", live_cx()->err.message);
    ck_assert_int_eq(response.status, 200);
    ck_assert(lh_str_eq(response.body, LH_S("{\"pooled\":\"7\"}")));
    ck_assert(
        lh_str_eq(lh_http_response_header(&response, "content-type"), LH_S("application/json")));
    ck_assert_ptr_null(lh_http_response_header(&response, "X-None").ptr);
    call.url = url("/nowhere");
    ck_assert_int_eq(send_call(&call, &response), LH_OK);
    ck_assert_int_eq(response.status, 404);
    call = (lh_http_call){.method = "HEAD", .url = url("/inline")};
    ck_assert_int_eq(send_call(&call, &response), LH_OK);
    ck_assert_uint_eq(response.body.len, 0);
    call = (lh_http_call){.method = "DELETE", .url = url("/created")};
    ck_assert_int_eq(send_call(&call, &response), LH_OK);
    ck_assert_int_eq(response.status, 204);
    teardown();
}

LH_TEST(bodies_and_headers_are_sent)
{
    static const lh_str headers[] = {LH_S_INIT("Content-Type: application/json"),
                                     LH_S_INIT("X-Request-Id: mine"), LH_S_INIT("X-Empty:")};
    static const lh_str bad[] = {LH_S_INIT("X: a\r\nY: b")};
    lh_http_response response;
    setup(NULL);
    lh_http_call call = {.method = "POST",
                         .url = url("/echo"),
                         .headers = headers,
                         .headers_count = 3,
                         .body = LH_S("{\"text\":\"hello\"}")};
    ck_assert_int_eq(send_call(&call, &response), LH_OK);
    ck_assert_int_eq(response.status, 200);
    ck_assert(lh_str_find(response.body, LH_S("\"hello\"")) != LH_STR_NPOS);
    ck_assert(lh_str_eq(lh_http_response_header(&response, "X-Request-Id"), LH_S("mine")));
    call.headers = bad;
    call.headers_count = 1;
    ck_assert_int_eq(send_call(&call, &response), LH_E_BAD_VALUE);
    teardown();
}

typedef struct stream {
    uint64_t sent;
    uint64_t total;
    uint64_t received;
    lh_rc refuse;
} stream;

static lh_rc give(lh_ctx *cx, void *arg, char *out, size_t size, size_t *ret_bytes)
{
    (void)cx;
    stream *s = arg;
    *ret_bytes = (size_t)LH_MIN((uint64_t)size, s->total - s->sent);
    memset(out, 'x', *ret_bytes);
    s->sent += *ret_bytes;
    return LH_OK;
}

static lh_rc take(lh_ctx *cx, void *arg, lh_str bytes)
{
    stream *s = arg;
    s->received += bytes.len;
    return s->refuse == LH_OK ? LH_OK : lh_fail(cx, s->refuse, "enough");
}

LH_TEST(bodies_stream_both_ways)
{
    stream s = {.total = 3000000};
    lh_http_response response;
    setup(NULL);
    lh_http_call call = {.method = "POST",
                         .url = url("/upload"),
                         .read_body = give,
                         .body_bytes_total = 3000000,
                         .arg = &s};
    ck_assert_msg(send_call(&call, &response) == LH_OK, "%s", live_cx()->err.message);
    ck_assert(lh_str_eq(response.body, LH_S("{\"bytes\":3000000}")));
    s.sent = 0;
    call.body_bytes_total = 0; /* chunked */
    ck_assert_int_eq(send_call(&call, &response), LH_OK);
    ck_assert(lh_str_eq(response.body, LH_S("{\"bytes\":3000000}")));
    call = (lh_http_call){
        .method = "GET", .url = url("/download?bytes=5000000"), .on_body = take, .arg = &s};
    ck_assert_int_eq(send_call(&call, &response), LH_OK);
    ck_assert_uint_eq(s.received, 5000000);
    ck_assert_uint_eq(response.body.len, 0);
    s.refuse = LH_E_CONFLICT;
    ck_assert_int_eq(send_call(&call, &response), LH_E_CONFLICT);
    teardown();
}

LH_TEST(a_reply_past_its_limit_is_refused)
{
    lh_http_response response;
    setup(NULL);
    for (size_t n = 999; n <= 1001; n++) {
        lh_http_call call = {
            .method = "GET", .url = url("/download?bytes=1000"), .response_bytes_max = n};
        ck_assert_int_eq(send_call(&call, &response), n >= 1000 ? LH_OK : LH_E_TOO_LARGE);
    }
    teardown();
}

LH_TEST(a_server_that_is_not_there_is_unavailable)
{
    lh_http_response response;
    setup(NULL);
    lh_http_call call = {.method = "GET", .url = LH_S("http://127.0.0.1:1/")};
    ck_assert_int_eq(send_call(&call, &response), LH_E_UNAVAILABLE);
    call.url = LH_S("file:///etc/passwd");
    ck_assert_int_eq(send_call(&call, &response), LH_E_BAD_VALUE);
    teardown();
}

LH_TEST(a_reply_that_breaks_is_the_providers_fault)
{
    lh_http_response response;
    setup(NULL);
    lh_http_call call = {.method = "GET", .url = url("/fails/middle")};
    ck_assert_int_eq(send_call(&call, &response), LH_E_PROVIDER);
    teardown();
}

LH_TEST(deadline_and_idle_time_end_a_silent_call)
{
    lh_http_response response;
    setup(NULL);
    lh_http_call call = {.method = "GET", .url = url("/wait"), .idle_timeout_us = 150000};
    int64_t began_us = lh_clock_mono_us();
    ck_assert_int_eq(send_call(&call, &response), LH_E_DEADLINE);
    call.idle_timeout_us = 0;
    live_cx()->deadline_us = lh_clock_mono_us() + 150000;
    ck_assert_int_eq(send_call(&call, &response), LH_E_DEADLINE);
    ck_assert_int_lt(lh_clock_mono_us() - began_us, 5000000);
    live_wait_for(&live_state.cancelled, 2); /* the other side saw us leave */
    live_cx()->deadline_us = LH_NO_DEADLINE;
    call.url = url("/inline");
    ck_assert_int_eq(send_call(&call, &response), LH_OK);
    teardown();
}

static lh_cancel cancel;

static void cancel_when_entered(void *arg)
{
    (void)arg;
    live_wait_for(&live_state.entered, 1);
    lh_cancel_request(&cancel);
}

LH_TEST(cancel_ends_a_silent_call)
{
    lh_http_response response;
    lh_thread *thread;
    setup(NULL);
    memset(&cancel, 0, sizeof(cancel));
    live_cx()->cancel = &cancel;
    lh_http_call call = {.method = "GET", .url = url("/wait")};
    ck_assert_int_eq(lh_thread_start(live_cx(), "cancel", 0, cancel_when_entered, NULL, &thread),
                     LH_OK);
    ck_assert_int_eq(send_call(&call, &response), LH_E_CANCELLED);
    lh_thread_join(thread);
    live_wait_for(&live_state.cancelled, 1);
    live_cx()->cancel = NULL;
    teardown();
}
