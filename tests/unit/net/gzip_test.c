/* gzip_test.c - which replies are compressed, and that they come out as they went in. */
#include "live.h"

#include <zlib.h>

/* Joins the chunks of a chunked body. */
static size_t join_chunks(const char *at, char *out)
{
    size_t total = 0;
    for (;;) {
        size_t len = strtoul(at, NULL, 16);
        if (len == 0)
            return total;
        at = strstr(at, "\r\n") + 2;
        memcpy(out + total, at, len);
        total += len;
        at += len + 2;
    }
}

static size_t inflate_all(const char *in, size_t in_len, char *out, size_t out_max)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in,
                  .avail_in = (uInt)in_len,
                  .next_out = (Bytef *)out,
                  .avail_out = (uInt)out_max};
    ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
    ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    size_t len = z.total_out;
    inflateEnd(&z);
    return len;
}

static const char *ask(const char *path, const char *accept)
{
    static char request[512];
    snprintf(request, sizeof(request),
             "GET %s HTTP/1.1\r\nHost: t\r\n%s%s%sConnection: close\r\n\r\n", path,
             accept[0] != '\0' ? "Accept-Encoding: " : "", accept, accept[0] != '\0' ? "\r\n" : "");
    int fd = live_connect();
    live_send(fd, request);
    const char *reply = live_read_all(fd);
    live_disconnect(fd);
    return reply;
}

static void check_unpacks(const char *path)
{
    enum { MAX = 4 * 1024 * 1024 };
    static char packed[MAX], plain[MAX], wanted[MAX];
    const char *reply = ask(path, "");
    size_t wanted_len = strlen(live_body(reply));
    if (strstr(reply, "chunked") != NULL)
        wanted_len = join_chunks(live_body(reply), wanted);
    else
        memcpy(wanted, live_body(reply), wanted_len);
    reply = ask(path, "deflate, gzip;q=0.5");
    ck_assert_msg(strstr(reply, "Content-Encoding: gzip\r\n") != NULL, "%.300s", reply);
    ck_assert_ptr_nonnull(strstr(reply, "Vary: Accept-Encoding\r\n"));
    size_t len = join_chunks(live_body(reply), packed);
    ck_assert_uint_lt(len, wanted_len / 2);
    ck_assert_uint_eq(inflate_all(packed, len, plain, MAX), wanted_len);
    ck_assert_int_eq(memcmp(plain, wanted, wanted_len), 0);
}

LH_TEST(text_is_compressed_for_those_who_take_it)
{
    lh_server_options opts = live_options();
    live_open(&opts);
    check_unpacks("/big");
    check_unpacks("/download?bytes=1000000");
    live_close();
}

LH_TEST(nobody_else_gets_it)
{
    static const char *const refused[] = {"",   "identity", "gzip;q=0", "gzip; q=0.000, *;q=0",
                                          "br", "deflate"};
    lh_server_options opts = live_options();
    live_open(&opts);
    for (size_t i = 0; i < LH_ARRAY_LEN(refused); i++) {
        const char *reply = ask("/big", refused[i]);
        ck_assert_msg(strstr(reply, "Content-Encoding") == NULL, "%s: %.300s", refused[i], reply);
        ck_assert_ptr_nonnull(strstr(reply, "Vary: Accept-Encoding\r\n"));
    }
    ck_assert_ptr_null(strstr(ask("/inline", "gzip"), "Content-Encoding")); /* too small */
    live_close();
}
