/* parser_test.c - what counts as a request: the table of oddities that llhttp 8.1.0 and others
 * disagree about. */
#include "base/mem.h"
#include "net/parser_private.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct oddity {
    const char *text;
    size_t len;
    lh_rc rc; /* LH_OK: accepted */
} oddity;
#define ODD(text, rc)                                                                              \
    {                                                                                              \
        text, sizeof(text) - 1, rc                                                                 \
    }
#define POST "POST /a HTTP/1.1\r\nHost: a\r\n"

static const oddity oddities[] = {
    ODD("GET / HTTP/1.1\r\nHost: a\r\n\r\n", LH_OK),
    ODD("GET / HTTP/1.1\r\nhost:a\r\nX: \t b \t\r\n\r\n", LH_OK),
    ODD("GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", LH_OK),
    ODD("GET / HTTP/1.1\r\nHost: a\r\nX: caf\xc3\xa9\r\n\r\n", LH_OK),
    ODD("GET / HTTP/1.0\r\n\r\n", LH_OK),
    ODD(POST "Content-Length: 2\r\n\r\nab", LH_OK),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", LH_OK),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\n\r\n", LH_OK),
    ODD(POST "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Content-Length: 2\r\nContent-Length: 3\r\n\r\nab", LH_E_BAD_REQUEST),
    ODD(POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", LH_E_BAD_REQUEST),
    ODD(POST "Content-Length: +2\r\n\r\nab", LH_E_BAD_REQUEST),
    ODD(POST "Content-Length: -2\r\n\r\nab", LH_E_BAD_REQUEST),
    ODD(POST "Content-Length: 2 2\r\n\r\nab", LH_E_BAD_REQUEST),
    ODD(POST "Content-Length: 0x2\r\n\r\nab", LH_E_BAD_REQUEST),
    ODD(POST "Content-Length: 99999999999999999999\r\n\r\nab", LH_E_BAD_REQUEST),
    ODD(POST "Content-Length : 2\r\n\r\nab", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\rX\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\rXGET / HTTP/1.1\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n0\rX\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n2\rXab\r\n0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n2\r\nab\rX0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n2\r\nab\n0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n2 \r\nab\r\n0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n2;a\rb\r\nab\r\n0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\nab\r\n0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n\r\n2\r\nab\r\n0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked\r\n\r\n;x\r\n0\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: chunked, identity\r\n\r\n", LH_E_BAD_REQUEST),
    ODD(POST "Transfer-Encoding: xchunked\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost : a\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHo st: a\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\n Host: a\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost: a\r\nX: b\rTransfer-Encoding: chunked\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\rHost: a\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\nHost: a\n\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost: a\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/2.5\r\nHost: a\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("GET /\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("get / HTTP/1.1\r\nHost: a\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("NONSENSE / HTTP/1.1\r\nHost: a\r\n\r\n", LH_E_BAD_REQUEST),
    ODD("\x16\x03\x01\x02\x00\x01\x00", LH_E_BAD_REQUEST), /* a TLS hello */
    ODD("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", LH_E_BAD_REQUEST),
};

static const lhi_limits limits = {.header_bytes_max = 300, .headers_max = 10, .url_bytes_max = 60};

typedef struct fixture {
    lh_arena *arena;
    lh_ctx cx;
    lhi_header headers[10];
    lhi_parser parser;
    char body[256];
    size_t body_len;
} fixture;

static lh_rc take_body(void *arg, lh_str bytes)
{
    fixture *f = arg;
    ck_assert_uint_le(f->body_len + bytes.len, sizeof(f->body));
    memcpy(f->body + f->body_len, bytes.ptr, bytes.len);
    f->body_len += bytes.len;
    return LH_OK;
}

static void setup(fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->arena = lh_arena_new(0);
    lh_ctx_init(&f->cx, f->arena);
    lhi_parser_init(&f->parser, &f->cx, &limits, f->headers);
    f->parser.on_body = take_body;
    f->parser.on_body_arg = f;
}

static void teardown(fixture *f)
{
    lhi_parser_done(&f->parser);
    lh_arena_free(f->arena);
}

/* Feeds text in two parts, each in memory of exactly its size. */
static lh_rc feed_split(fixture *f, const char *text, size_t len, size_t split)
{
    size_t at = 0;
    for (int part = 0; part < 2; part++) {
        size_t end = part == 0 ? split : len;
        while (at < end && !f->parser.complete) {
            char *copy = malloc(end - at);
            memcpy(copy, text + at, end - at);
            size_t used;
            lhi_parse_event event = lhi_parser_feed(&f->parser, copy, end - at, &used);
            free(copy);
            if (event == LHI_PARSE_ERROR)
                return f->cx.err.rc;
            at += used;
        }
    }
    return LH_OK;
}

LH_TEST_LOOP(oddities_are_judged_the_same_wherever_they_are_split, LH_ARRAY_LEN(oddities))
{
    const oddity *odd = &oddities[_i];
    for (size_t split = 0; split <= odd->len; split++) {
        fixture f;
        setup(&f);
        lh_rc rc = feed_split(&f, odd->text, odd->len, split);
        ck_assert_msg(rc == odd->rc, "%.60s split at %zu: %s (%s)", odd->text, split,
                      lh_rc_code(rc), f.cx.err.message);
        if (rc == LH_OK)
            ck_assert(f.parser.complete);
        teardown(&f);
    }
}

LH_TEST(head_and_body_are_what_was_sent)
{
    static const char text[] =
        "PUT /p?q=1 HTTP/1.1\r\nHost: h\r\nX-A:  one two \r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\nGET /next";
    for (size_t split = 0; split < sizeof(text) - 1; split++) {
        fixture f;
        setup(&f);
        ck_assert_int_eq(feed_split(&f, text, sizeof(text) - 1, split), LH_OK);
        ck_assert(lh_str_eq(f.parser.url, LH_S("/p?q=1")));
        ck_assert(lh_str_eq(lhi_parser_header(&f.parser, LH_S("x-a"), NULL), LH_S("one two")));
        ck_assert(lhi_parser_header(&f.parser, LH_S("X-B"), NULL).ptr == NULL);
        ck_assert(lh_str_eq(lh_str_n(f.body, f.body_len), LH_S("abcdefg")));
        ck_assert(f.parser.keep_alive);
        teardown(&f);
    }
}

static lh_rc feed_text(const char *text)
{
    fixture f;
    setup(&f);
    lh_rc rc = feed_split(&f, text, strlen(text), strlen(text));
    teardown(&f);
    return rc;
}

LH_TEST(limits_are_exact)
{
    char text[1024];
    for (int url = 59; url <= 61; url++) {
        snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", url - 1, 0);
        ck_assert_int_eq(feed_text(text), url <= 60 ? LH_OK : LH_E_URL_TOO_LONG);
    }
    for (int bytes = 299; bytes <= 301; bytes++) { /* "X: " + CRLF are 5 */
        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nX: %0*d\r\n\r\n", bytes - 5, 0);
        ck_assert_int_eq(feed_text(text), bytes <= 300 ? LH_OK : LH_E_HEADERS_TOO_LARGE);
    }
    for (int count = 9; count <= 11; count++) {
        size_t len = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");
        for (int i = 0; i < count; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "X%d: y\r\n", i);
        snprintf(text + len, sizeof(text) - len, "\r\n");
        ck_assert_int_eq(feed_text(text), count <= 10 ? LH_OK : LH_E_HEADERS_TOO_LARGE);
    }
}

LH_TEST(an_endless_head_is_refused_before_it_ends)
{
    fixture f;
    setup(&f);
    static const char start[] = "GET / HTTP/1.1\r\nX: ";
    size_t used;
    ck_assert_int_eq(lhi_parser_feed(&f.parser, start, sizeof(start) - 1, &used), LHI_PARSE_MORE);
    lhi_parse_event event = LHI_PARSE_MORE;
    int fed = 0;
    while (event == LHI_PARSE_MORE && fed < 1000) {
        event = lhi_parser_feed(&f.parser, "aaaaaaaa", 8, &used);
        fed++;
    }
    ck_assert_int_eq(event, LHI_PARSE_ERROR);
    ck_assert_int_eq(f.cx.err.rc, LH_E_HEADERS_TOO_LARGE);
    ck_assert_int_le(fed, 40);
    teardown(&f);
}
