/* http_client.c - calls to other servers on libcurl: a pool of handles, each driven by the thread
 * that makes the call.
 *
 * Each place in the pool is a curl multi handle with one easy handle: the multi keeps the
 * connections between calls, and lets us wait in slices, so that a cancel or the deadline is seen
 * within SLICE_MS even on a silent connection (a plain easy handle asks once a second). curl cannot
 * share connections between threads, so a call owns its place. */
#include "net/http_client.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/text_private.h"
#include "os/thread.h"

#include <curl/curl.h>

enum {
    SLICE_MS = 50,
    CONNECT_TIMEOUT_MS = 10000,
    HEADERS_BYTES_MAX = 256 * 1024,
    HEADERS_MAX = 500
};
#define RESPONSE_BYTES_DEFAULT  ((size_t)64 * 1024 * 1024)
#define IDLE_TIMEOUT_DEFAULT_US ((int64_t)30 * 1000 * 1000)

typedef struct place {
    CURLM *multi;
    CURL *easy;
    struct place *next; /* free ones */
} place;

struct lh_http_client {
    lh_mutex lock;
    lh_cond changed;
    place *places;
    place *free;
    uint32_t places_max;
};

/* One call. Callbacks run on its own thread. */
typedef struct call_state {
    lh_ctx *cx;
    const lh_http_call *call;
    lh_buf body;
    lh_buf header_text; /* lines, each ended by a NUL */
    size_t headers_count;
    int64_t active_us; /* a byte went or came */
    lh_rc rc;          /* why a callback stopped the call */
    char error[CURL_ERROR_SIZE];
} call_state;

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

lh_rc lh_http_client_new(lh_ctx *cx, uint32_t handles_max, lh_http_client **ret_client)
{
    lh_assert(handles_max > 0);
    (void)pthread_once(&curl_once, init_curl);
    lh_http_client *client = lh_alloc_zero(1, sizeof(*client));
    place *places = lh_alloc_zero(handles_max, sizeof(*places));
    if (client == NULL || places == NULL) {
        lh_free(client);
        lh_free(places);
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for an HTTP client");
    }
    lh_mutex_init(&client->lock);
    lh_cond_init(&client->changed);
    client->places = places;
    client->places_max = handles_max;
    for (uint32_t i = handles_max; i > 0;
         i--) { /* the first is used first: connections stay few and warm */
        places[i - 1].next = client->free;
        client->free = &places[i - 1];
    }
    *ret_client = client;
    return LH_OK;
}

lh_http_client *lh_http_client_free(lh_http_client *client)
{
    if (client == NULL)
        return NULL;
    for (uint32_t i = 0; i < client->places_max; i++) {
        curl_easy_cleanup(client->places[i].easy);
        (void)curl_multi_cleanup(client->places[i].multi);
    }
    lh_free(client->places);
    lh_cond_done(&client->changed);
    lh_mutex_done(&client->lock);
    return lh_free(client);
}

static lh_rc take_place(lh_ctx *cx, lh_http_client *client, place **ret)
{
    LH_WITH_LOCK(&client->lock);
    while (client->free == NULL) {
        LH_TRY(lh_ctx_check(cx));
        (void)lh_cond_wait_until(&client->changed, &client->lock,
                                 lh_clock_mono_us() + SLICE_MS * 1000);
    }
    place *one = client->free;
    if (one->easy == NULL)
        one->easy = curl_easy_init();
    if (one->multi == NULL)
        one->multi = curl_multi_init();
    if (one->easy == NULL || one->multi == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for an HTTP call");
    client->free = one->next;
    *ret = one;
    return LH_OK;
}

static void give_place(lh_http_client *client, place *one)
{
    LH_WITH_LOCK(&client->lock);
    one->next = client->free;
    client->free = one;
    lh_cond_signal(&client->changed);
}

/* ---- callbacks: return less than they got to stop the call ---- */

static size_t stop(call_state *state, lh_rc rc)
{
    state->rc = rc;
    return 0;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    call_state *state = arg;
    lh_str line = lh_str_n(bytes, size * count);
    state->active_us = lh_clock_mono_us();
    if (lh_str_starts(line,
                      LH_S("HTTP/"))) { /* also after an interim reply: only the last head counts */
        lh_buf_truncate(&state->header_text, 0);
        state->headers_count = 0;
        return line.len;
    }
    lh_str text = lh_str_trim(line);
    if (text.len == 0)
        return line.len;
    if (++state->headers_count > HEADERS_MAX)
        return stop(state, lh_fail(state->cx, LH_E_PROVIDER, "a reply with more than %d headers",
                                   HEADERS_MAX));
    lh_rc rc = lh_buf_append(state->cx, &state->header_text, text);
    if (rc == LH_OK)
        rc = lh_buf_append_char(state->cx, &state->header_text, '\0');
    return rc == LH_OK ? line.len : stop(state, rc);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    call_state *state = arg;
    lh_str piece = lh_str_n(bytes, size * count);
    lh_rc rc;
    state->active_us = lh_clock_mono_us();
    if (state->call->on_body != NULL)
        rc = state->call->on_body(state->cx, state->call->arg, piece);
    else if (piece.len > state->body.bytes_max - state->body.len)
        rc = lh_fail(state->cx, LH_E_TOO_LARGE, "a reply of more than %zu bytes",
                     state->body.bytes_max);
    else
        rc = lh_buf_append(state->cx, &state->body, piece);
    state->active_us = lh_clock_mono_us(); /* the callee's own time is not idleness */
    if (rc == LH_OK)
        return piece.len;
    state->rc = rc;
    return piece.len + 1; /* an empty piece must stop the call too */
}

static size_t on_read(char *out, size_t size, size_t count, void *arg)
{
    call_state *state = arg;
    size_t bytes = 0;
    lh_rc rc = state->call->read_body(state->cx, state->call->arg, out, size * count, &bytes);
    state->active_us = lh_clock_mono_us();
    if (rc == LH_OK)
        return bytes;
    state->rc = rc;
    return CURL_READFUNC_ABORT;
}

/* ---- one call ---- */

/* "Name: value"; curl drops a header without a value unless it ends in a semicolon. */
static lh_rc add_header(lh_ctx *cx, lh_str header, struct curl_slist **list)
{
    size_t colon = lh_str_find_char(header, ':');
    if (colon == LH_STR_NPOS || !lhi_is_token(lh_str_sub(header, 0, colon)) ||
        !lhi_is_header_value(lh_str_from_offset(header, colon + 1)))
        return lh_fail(cx, LH_E_BAD_VALUE, "a header that cannot be sent");
    lh_str value = lh_str_trim(lh_str_from_offset(header, colon + 1));
    lh_str text = value.len > 0 ? lh_ctx_dup(cx, header)
                                : lh_ctx_fmt(cx, "%.*s;", LH_STR_ARG(lh_str_sub(header, 0, colon)));
    struct curl_slist *longer = text.ptr != NULL ? curl_slist_append(*list, text.ptr) : NULL;
    if (longer == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a header");
    *list = longer;
    return LH_OK;
}

static lh_rc make_headers(lh_ctx *cx, const lh_http_call *call, struct curl_slist **list)
{
    for (size_t i = 0; i < call->headers_count; i++)
        LH_TRY(add_header(cx, call->headers[i], list));
    /* Its wait costs a second on old servers. */
    struct curl_slist *longer = curl_slist_append(*list, "Expect:");
    if (longer == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a header");
    *list = longer;
    return LH_OK;
}

static void set_body(CURL *easy, call_state *state)
{
    const lh_http_call *call = state->call;
    if (call->read_body != NULL) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(easy, CURLOPT_READDATA, state);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                         call->body_bytes_total > 0 ? (curl_off_t)call->body_bytes_total
                                                    : (curl_off_t)-1);
    } else if (call->body.len > 0 || strcmp(call->method, "POST") == 0 ||
               strcmp(call->method, "PUT") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.ptr != NULL ? call->body.ptr : "");
    } else if (strcmp(call->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}

static lh_rc set_up(CURL *easy, call_state *state, struct curl_slist *headers)
{
    lh_ctx *cx = state->cx;
    const char *url = lh_ctx_cstr(cx, state->call->url);
    if (url == NULL)
        return lh_fail(cx, LH_E_BAD_VALUE, "a URL that cannot be used");
    curl_easy_reset(easy);
    if (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for an HTTP call");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS,
                     1L); /* a signature covers the path as it is written */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)lh_ctx_left_ms(cx, CONNECT_TIMEOUT_MS) + 1);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, state);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, state);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, state->error);
    set_body(easy, state);
    return LH_OK;
}

static lh_rc translate(call_state *state, CURLcode code)
{
    if (code == CURLE_OK)
        return LH_OK;
    if (state->rc != LH_OK)
        return state->rc;
    lh_rc rc = LH_E_PROVIDER;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_OPERATION_TIMEDOUT:
        rc = LH_E_UNAVAILABLE;
        break; /* only connecting has curl's own limit */
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: rc = LH_E_BAD_VALUE; break;
    case CURLE_OUT_OF_MEMORY: rc = LH_E_NO_MEMORY; break;
    default: break;
    }
    const char *text = state->error[0] != '\0' ? state->error : curl_easy_strerror(code);
    lh_str copy = lh_ctx_dup(state->cx, lh_str_from(text));
    if (copy.ptr != NULL)
        lh_redact((char *)(uintptr_t)copy.ptr, copy.len);
    return lh_fail(state->cx, rc, "HTTP call failed: %s",
                   copy.ptr != NULL ? copy.ptr : "out of memory");
}

/* Cancel, deadline and idleness, once per slice. */
static lh_rc check_patience(call_state *state)
{
    int64_t idle_us =
        state->call->idle_timeout_us > 0 ? state->call->idle_timeout_us : IDLE_TIMEOUT_DEFAULT_US;
    LH_TRY(lh_ctx_check(state->cx));
    if (lh_clock_mono_us() - state->active_us > idle_us)
        return lh_fail(state->cx, LH_E_DEADLINE, "no byte from the other server for %lld ms",
                       (long long)(idle_us / 1000));
    return LH_OK;
}

static lh_rc drive(place *one, call_state *state)
{
    int running = 1;
    state->active_us = lh_clock_mono_us();
    while (running > 0) {
        LH_TRY(check_patience(state));
        if (curl_multi_perform(one->multi, &running) != CURLM_OK)
            return lh_fail(state->cx, LH_E_INTERNAL, "curl refused to work");
        if (running > 0 && curl_multi_poll(one->multi, NULL, 0, SLICE_MS, NULL) != CURLM_OK)
            return lh_fail(state->cx, LH_E_INTERNAL, "curl refused to wait");
    }
    int left;
    const CURLMsg *message = curl_multi_info_read(one->multi, &left);
    if (message == NULL || message->msg != CURLMSG_DONE)
        return lh_fail(state->cx, LH_E_INTERNAL, "curl ended a call without a word");
    return translate(state, message->data.result);
}

static lh_rc copy_response(lh_ctx *cx, CURL *easy, call_state *state, lh_http_response *ret)
{
    long status = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    lh_http_response response = {.status = (int)status};
    response.body = lh_ctx_dup(cx, state->body.len > 0 ? lh_buf_str(&state->body) : LH_S(""));
    lh_str text =
        lh_ctx_dup(cx, state->header_text.len > 0 ? lh_buf_str(&state->header_text) : LH_S(""));
    response.headers.items = LH_NEW_ARRAY(cx, lh_str, state->headers_count + 1);
    if (response.body.ptr == NULL || text.ptr == NULL || response.headers.items == NULL)
        return LH_E_NO_MEMORY;
    lh_str line;
    while (text.len > 0 && lh_str_split_next(&text, '\0', &line))
        if (line.len > 0 && response.headers.count < state->headers_count)
            response.headers.items[response.headers.count++] = line;
    *ret = response;
    return LH_OK;
}

static lh_rc run(lh_ctx *cx, place *one, call_state *state, lh_http_response *ret)
{
    struct curl_slist *headers = NULL;
    lh_rc rc = make_headers(cx, state->call, &headers);
    if (rc == LH_OK)
        rc = set_up(one->easy, state, headers);
    if (rc == LH_OK && curl_multi_add_handle(one->multi, one->easy) != CURLM_OK)
        rc = lh_fail(cx, LH_E_INTERNAL, "curl refused a call");
    if (rc == LH_OK) {
        rc = drive(one, state);
        if (rc == LH_OK)
            rc = copy_response(cx, one->easy, state, ret);
        /* Ends what is under way: a call that was stopped closes its connection here. */
        (void)curl_multi_remove_handle(one->multi, one->easy);
    }
    curl_slist_free_all(headers);
    return rc;
}

lh_rc lh_http_send(lh_ctx *cx, lh_http_client *client, const lh_http_call *call,
                   lh_http_response *ret)
{
    place *one;
    lh_assert(call->method != NULL && lhi_is_token(lh_str_from(call->method)));
    LH_TRY(take_place(cx, client, &one));
    call_state state = {.cx = cx, .call = call};
    lh_buf_init(&state.body,
                call->response_bytes_max > 0 ? call->response_bytes_max : RESPONSE_BYTES_DEFAULT);
    lh_buf_init(&state.header_text, HEADERS_BYTES_MAX);
    lh_rc rc = run(cx, one, &state, ret);
    lh_buf_done(&state.body);
    lh_buf_done(&state.header_text);
    give_place(client, one);
    return rc;
}

lh_str lh_http_response_header(const lh_http_response *response, const char *name)
{
    lh_str wanted = lh_str_from(name);
    for (size_t i = 0; i < response->headers.count; i++) {
        lh_str line = response->headers.items[i];
        size_t colon = lh_str_find_char(line, ':');
        if (colon != LH_STR_NPOS && lh_str_eq_nocase(lh_str_sub(line, 0, colon), wanted))
            return lh_str_trim(lh_str_from_offset(line, colon + 1));
    }
    return LH_STR_NONE;
}
