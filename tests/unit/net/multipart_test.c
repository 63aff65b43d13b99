/* multipart_test.c - the same parts come out wherever the bytes are cut, and nonsense is refused.
 * */
#include "base/buf.h"
#include "base/mem.h"
#include "net/multipart_private.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct pieces {
    const char *text;
    size_t len;
    size_t at;
    size_t cut;  /* the first piece ends here */
    size_t step; /* then pieces of so many bytes */
    char *copy;  /* of exactly the piece's size */
} pieces;

static lh_rc next_piece(lh_ctx *cx, void *arg, lh_str *ret_piece)
{
    (void)cx;
    pieces *p = arg;
    size_t len = p->at < p->cut ? p->cut - p->at : LH_MIN(p->step, p->len - p->at);
    free(p->copy);
    p->copy = malloc(len > 0 ? len : 1);
    memcpy(p->copy, p->text + p->at, len);
    *ret_piece = lh_str_n(p->copy, len);
    p->at += len;
    return LH_OK;
}

/* "name[filename]type=bytes;" of every part; *ret_rc as the reader said. */
static void read_parts(lh_ctx *cx, const char *type, pieces *source, lh_buf *out, lh_rc *ret_rc)
{
    lh_multipart *mp;
    *ret_rc = lhi_multipart_open(cx, lh_str_from(type), next_piece, source, &mp);
    while (*ret_rc == LH_OK) {
        lh_part part;
        lh_str bytes;
        int found;
        *ret_rc = lh_multipart_next(cx, mp, &part, &found);
        if (*ret_rc != LH_OK || !found)
            break;
        ck_assert_int_eq(lh_buf_printf(cx, out, "%.*s[%.*s]%.*s=", LH_STR_ARG(part.name),
                                       LH_STR_ARG(part.filename), LH_STR_ARG(part.content_type)),
                         LH_OK);
        do {
            *ret_rc = lh_multipart_read(cx, mp, &bytes);
            if (*ret_rc == LH_OK)
                ck_assert_int_eq(lh_buf_append(cx, out, bytes), LH_OK);
        } while (*ret_rc == LH_OK && bytes.len > 0);
        ck_assert_int_eq(lh_buf_append_char(cx, out, ';'), LH_OK);
    }
    free(source->copy);
    source->copy = NULL;
}

static void check(const char *type, const char *text, size_t len, size_t cut, size_t step, lh_rc rc,
                  const char *parts)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_ctx cx;
    lh_rc got;
    lh_ctx_init(&cx, arena);
    lh_buf_init(&out, 10 * 1024 * 1024);
    pieces source = {.text = text, .len = len, .cut = cut, .step = step};
    read_parts(&cx, type, &source, &out, &got);
    ck_assert_msg(got == rc, "cut %zu step %zu: %s (%s) after %.*s", cut, step, lh_rc_code(got),
                  cx.err.message, LH_STR_ARG(lh_buf_str(&out)));
    if (rc == LH_OK && parts != NULL)
        ck_assert_msg(lh_str_eq(lh_buf_str(&out), lh_str_from(parts)), "cut %zu step %zu: %.*s",
                      cut, step, LH_STR_ARG(lh_buf_str(&out)));
}

#define TYPE "multipart/form-data; boundary=XyZ"
static const char good[] =
    "--XyZ\r\nContent-Disposition: form-data; name=\"dataset\"\r\n\r\npeople\r\n"
    "--XyZ\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n"
    "Content-Type: text/csv\r\n\r\na,b\r\n1,2\r\n--XyZnot\r\n--Xy\r\n\r\n--XyZ  \r\n"
    "Content-Disposition: form-data; name=empty\r\n\r\n\r\n--XyZ--\r\n";
LH_TEST(data_must_not_contain_the_boundary)
{
    /* A sender must choose a boundary that its data does not contain: CRLF--XyZ with more behind it
     * is an error. */
    check(TYPE, good, sizeof(good) - 1, 0, 1000000, LH_E_BAD_MULTIPART, NULL);
}

static const char plain[] =
    "--XyZ\r\nContent-Disposition: form-data; name=\"dataset\"\r\n\r\npeople\r\n"
    "--XyZ\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n"
    "Content-Type: text/csv\r\n\r\na,b\r\n1,2\r\n\r\r\n-\r\n--\r\n--X\r\n--Xy\r\n\r\n--XyZ  \r\n"
    "Content-Disposition: form-data; name=empty\r\n\r\n\r\n--XyZ--\r\nbye";
static const char plain_parts[] =
    "dataset[]=people;file[a.csv]text/csv=a,b\r\n1,2\r\n\r\r\n-\r\n--\r\n--X\r\n--Xy\r\n;empty[]=;";

LH_TEST(every_split_gives_the_same_parts)
{
    for (size_t cut = 0; cut < sizeof(plain) - 1; cut++)
        check(TYPE, plain, sizeof(plain) - 1, cut, 1000000, LH_OK, plain_parts);
    for (size_t step = 1; step < 20; step++)
        check(TYPE, plain, sizeof(plain) - 1, 0, step, LH_OK, plain_parts);
}

LH_TEST(every_truncation_is_refused)
{
    size_t whole = sizeof(plain) - 1 - 5; /* without CRLF and epilogue it is still complete */
    for (size_t len = 0; len < whole; len++)
        check(TYPE, plain, len, 0, 7, LH_E_BAD_MULTIPART, NULL);
    check(TYPE, plain, whole, 0, 7, LH_OK, plain_parts);
}

LH_TEST(a_big_part_passes_through_the_window)
{
    enum { BYTES = 1000003 };
    static const char head[] =
        "--XyZ\r\nContent-Disposition: form-data; name=f; filename=b\r\n\r\n";
    static const char tail[] = "\r\n--XyZ--";
    size_t len = sizeof(head) - 1 + BYTES + sizeof(tail) - 1;
    char *text = malloc(len);
    memcpy(text, head, sizeof(head) - 1);
    for (size_t i = 0; i < BYTES; i++)
        text[sizeof(head) - 1 + i] = "\r\n--Xy"[(i * 7919) % 6];
    memcpy(text + sizeof(head) - 1 + BYTES, tail, sizeof(tail) - 1);
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, 2 * BYTES);
    pieces source = {.text = text, .len = len, .step = 50001};
    lh_rc rc;
    read_parts(&cx, TYPE, &source, &out, &rc);
    ck_assert_int_eq(rc, LH_OK);
    ck_assert_uint_eq(out.len, BYTES + strlen("f[b]=;"));
    ck_assert_int_eq(memcmp(out.ptr + 5, text + sizeof(head) - 1, BYTES), 0);
    free(text);
}

static const struct {
    const char *type;
    const char *text;
    lh_rc rc;
} hostile[] = {
    {"application/json", "", LH_E_UNSUPPORTED_MEDIA},
    {"", "", LH_E_UNSUPPORTED_MEDIA},
    {"multipart/form-data", "", LH_E_BAD_MULTIPART},
    {"multipart/form-data; boundary=", "", LH_E_BAD_MULTIPART},
    {"multipart/form-data; boundary=\"a", "", LH_E_BAD_MULTIPART},
    {"multipart/form-data; boundary=\"a\r\n\"", "", LH_E_BAD_MULTIPART},
    {"multipart/form-data; boundary=a; boundary=b", "", LH_E_BAD_MULTIPART},
    {"multipart/form-data; "
     "boundary=01234567890123456789012345678901234567890123456789012345678901234567890",
     "", LH_E_BAD_MULTIPART},
    {TYPE, "", LH_E_BAD_MULTIPART},
    {TYPE, "preamble\r\n--XyZ--", LH_E_BAD_MULTIPART},
    {TYPE, "--XyZ--", LH_OK},
    {TYPE, "--Xyz--", LH_E_BAD_MULTIPART},
    {TYPE, "--XyZ\r\n\r\n\r\n--XyZ--", LH_E_BAD_MULTIPART},
    {TYPE, "--XyZ\r\nContent-Type: a\r\n\r\n\r\n--XyZ--", LH_E_BAD_MULTIPART},
    {TYPE, "--XyZ\r\nContent-Disposition: attachment; name=a\r\n\r\n\r\n--XyZ--",
     LH_E_BAD_MULTIPART},
    {TYPE, "--XyZ\r\nContent-Disposition: form-data\r\n\r\n\r\n--XyZ--", LH_E_BAD_MULTIPART},
    {TYPE, "--XyZ\r\nContent-Disposition: form-data; name=\"a\r\n\r\n\r\n--XyZ--",
     LH_E_BAD_MULTIPART},
    {TYPE, "--XyZ\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n\r\n--XyZ--",
     LH_E_BAD_MULTIPART},
    {TYPE,
     "--XyZ\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; "
     "name=b\r\n\r\n\r\n--XyZ--",
     LH_E_BAD_MULTIPART},
    {TYPE, "--XyZ\r\nContent-Disposition form-data; name=a\r\n\r\n\r\n--XyZ--", LH_E_BAD_MULTIPART},
    {TYPE, "--XyZ\r\nContent-Disposition: form-data; name=a\x01\r\n\r\n\r\n--XyZ--",
     LH_E_BAD_MULTIPART},
    {TYPE,
     "--XyZ\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: "
     "base64\r\n\r\n\r\n--XyZ--",
     LH_E_UNSUPPORTED_MEDIA},
};

LH_TEST_LOOP(hostile_bodies_are_refused, LH_ARRAY_LEN(hostile))
{
    for (size_t step = 1; step < 4; step++)
        check(hostile[_i].type, hostile[_i].text, strlen(hostile[_i].text), 0, step, hostile[_i].rc,
              NULL);
}

LH_TEST(limits_of_headers_and_parts)
{
    enum { BYTES = 200000 };
    char *text = malloc(BYTES);
    size_t len = (size_t)snprintf(
        text, BYTES,
        "--XyZ\r\nContent-Disposition: form-data; name=a\r\nX: %08200d\r\n\r\n\r\n--XyZ--", 0);
    check(TYPE, text, len, 0, 4096, LH_E_BAD_MULTIPART, NULL);
    for (int count = LHI_PARTS_MAX; count <= LHI_PARTS_MAX + 1; count++) {
        len = 0;
        for (int i = 0; i < count; i++)
            len += (size_t)snprintf(text + len, BYTES - len,
                                    "--XyZ\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n");
        len += (size_t)snprintf(text + len, BYTES - len, "--XyZ--");
        check(TYPE, text, len, 0, 4096, count <= LHI_PARTS_MAX ? LH_OK : LH_E_BAD_MULTIPART, NULL);
    }
    free(text);
}

static const struct {
    const char *value;
    const char *name;
    const char *filename; /* NULL: none */
} names[] = {
    {"form-data; name=a", "a", NULL},
    {"Form-Data;NAME=\"a b\" ; filename=\"x.csv\"", "a b", "x.csv"},
    {"form-data; name=\"f\"; filename=\"C:\\dir\\x.csv\"", "f", "x.csv"},
    {"form-data; name=\"f\"; filename=\"../../etc/passwd\"", "f", "passwd"},
    {"form-data; name=\"f\"; filename=\"a\\\"b.csv\"", "f", "a\"b.csv"},
    {"form-data; name=\"f\"; filename=\"caf\xc3\xa9.csv\"", "f", "caf\xc3\xa9.csv"},
    {"form-data; name=\"f\"; filename=\"caf\xe9.csv\"", "f", "caf\xc3\xa9.csv"},
    {"form-data; name=f; filename=x; filename*=UTF-8''na%C3%AFve%20file.csv", "f",
     "na\xc3\xafve file.csv"},
    {"form-data; name=f; filename*=iso-8859-1'en'caf%E9", "f", "caf\xc3\xa9"},
    {"form-data; name=f; filename*=UTF-8''..%2F..%2Fx", "f", "x"},
    {"form-data; name=f; filename=\"\"", "f", ""},
    {"form-data; name=f;", "f", NULL},
};

LH_TEST_LOOP(names_and_file_names, LH_ARRAY_LEN(names))
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_part part = {LH_STR_NONE, LH_STR_NONE, LH_STR_NONE};
    lh_ctx_init(&cx, arena);
    lh_rc rc = lhi_part_disposition(&cx, lh_str_from(names[_i].value), &part);
    ck_assert_msg(rc == LH_OK, "%s: %s", names[_i].value, cx.err.message);
    ck_assert(lh_str_eq(part.name, lh_str_from(names[_i].name)));
    if (names[_i].filename == NULL)
        ck_assert_ptr_null(part.filename.ptr);
    else
        ck_assert_msg(part.filename.ptr != NULL &&
                          lh_str_eq(part.filename, lh_str_from(names[_i].filename)),
                      "%s: %.*s", names[_i].value, LH_STR_ARG(part.filename));
}
