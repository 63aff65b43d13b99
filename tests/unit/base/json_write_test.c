#include "base/json_write.h"

#include "base/json.h"
#include "fixture.h"

LH_TEST(commas_and_escapes_are_put_by_the_writer)
{
    WITH_CX;
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 4096);
    lh_json_writer w;
    lh_jw_init(&w, cx, &buf);
    lh_jw_object_begin(&w);
    lh_jw_kv_str(&w, LH_S("a\"b"), LH_S("x\n\x01\x7f\xC3\xA9"));
    lh_jw_key(&w, LH_S("list"));
    lh_jw_array_begin(&w);
    lh_jw_i64(&w, INT64_MIN);
    lh_jw_u64(&w, UINT64_MAX);
    lh_jw_f64(&w, 0.5);
    lh_jw_f64(&w, 1.0 / 0.0);
    lh_jw_bool(&w, 2);
    lh_jw_null(&w);
    lh_jw_raw(&w, LH_S("[1]"));
    lh_jw_time(&w, 0);
    lh_jw_array_begin(&w);
    lh_jw_array_end(&w);
    lh_jw_array_end(&w);
    lh_jw_kv_bool(&w, LH_S("f"), 0);
    lh_jw_kv_null(&w, LH_S("n"));
    lh_jw_kv_u64(&w, LH_S("u"), 7);
    lh_jw_kv_f64(&w, LH_S("d"), 2);
    lh_jw_object_end(&w);
    ck_assert_int_eq(lh_jw_end(&w), LH_OK);
    ck_assert_text(lh_buf_str(&buf), "{\"a\\\"b\":\"x\\n\\u0001\x7f\xC3\xA9\",\"list\":[-"
                                     "9223372036854775808,18446744073709551615,0.5,null,"
                                     "true,null,[1],\"1970-01-01T00:00:00.000000Z\",[]],\"f\":"
                                     "false,\"n\":null,\"u\":7,\"d\":2}");
}

LH_TEST(pretty_text_is_indented)
{
    WITH_CX;
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 4096);
    lh_json_writer w;
    lh_jw_init(&w, cx, &buf);
    w.pretty = 1;
    lh_jw_object_begin(&w);
    lh_jw_key(&w, LH_S("a"));
    lh_jw_array_begin(&w);
    lh_jw_i64(&w, 1);
    lh_jw_i64(&w, 2);
    lh_jw_array_end(&w);
    lh_jw_key(&w, LH_S("e"));
    lh_jw_object_begin(&w);
    lh_jw_object_end(&w);
    lh_jw_object_end(&w);
    ck_assert_int_eq(lh_jw_end(&w), LH_OK);
    ck_assert_text(lh_buf_str(&buf), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"e\": {}\n}");
}

LH_TEST(values_at_the_top_follow_without_comma)
{
    WITH_CX;
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 4096);
    lh_json_writer w;
    lh_jw_init(&w, cx, &buf);
    for (int i = 0; i < 2; i++) {
        lh_jw_object_begin(&w);
        lh_jw_object_end(&w);
        lh_jw_raw(&w, LH_S("\n"));
    }
    ck_assert_int_eq(lh_jw_end(&w), LH_OK);
    ck_assert_text(lh_buf_str(&buf), "{}\n{}\n");
}

LH_TEST(bad_bytes_become_replacements)
{
    WITH_CX;
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 4096);
    ck_assert_int_eq(lh_json_escape(cx, &buf, LH_S("a\xff\"\xC3")), LH_OK);
    ck_assert_text(lh_buf_str(&buf), "\"a\xEF\xBF\xBD\\\"\xEF\xBF\xBD\"");
    lh_buf_truncate(&buf, 0);
    ck_assert_int_eq(lh_json_escape(cx, &buf, LH_STR_NONE), LH_OK);
    ck_assert_text(lh_buf_str(&buf), "\"\"");
}

LH_TEST(escape_that_does_not_fit_leaves_nothing)
{
    WITH_CX;
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 10);
    ck_assert_int_eq(lh_json_escape(cx, &buf, LH_S("12345678")), LH_OK);
    lh_buf_truncate(&buf, 0);
    ck_assert_int_eq(lh_json_escape(cx, &buf, LH_S("123456789")), LH_E_TOO_LARGE);
    ck_assert_uint_eq(buf.len, 0);
}

LH_TEST(the_first_error_sticks)
{
    WITH_CX;
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 16);
    lh_json_writer w;
    lh_jw_init(&w, cx, &buf);
    lh_jw_array_begin(&w);
    for (int i = 0; i < 100; i++)
        lh_jw_str(&w, LH_S("abcdef"));
    ck_assert_int_eq(lh_jw_end(&w), LH_E_TOO_LARGE);
}

static lh_rc write_levels(lh_ctx *cx, int levels)
{
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 4096);
    lh_json_writer w;
    lh_jw_init(&w, cx, &buf);
    for (int i = 0; i < levels; i++)
        lh_jw_array_begin(&w);
    for (int i = 0; i < levels; i++)
        lh_jw_array_end(&w);
    return lh_jw_end(&w);
}

LH_TEST(nesting_is_limited)
{
    WITH_CX;
    ck_assert_int_eq(write_levels(cx, LH_JSON_WRITE_DEPTH - 2), LH_OK);
    ck_assert_int_eq(write_levels(cx, LH_JSON_WRITE_DEPTH - 1), LH_OK);
    ck_assert_int_eq(write_levels(cx, LH_JSON_WRITE_DEPTH), LH_E_INTERNAL);
}

typedef struct taken {
    lh_buf all;
    int calls;
    int fail_at; /* 0 = never */
} taken;

static lh_rc take(lh_ctx *cx, void *arg, lh_str bytes)
{
    taken *t = arg;
    if (++t->calls == t->fail_at)
        return lh_fail(cx, LH_E_IO, "the sink is gone");
    return lh_buf_append(cx, &t->all, bytes);
}

/* A text far beyond the buffer, all escapes: the worst growth there is. */
static lh_rc write_flushed(lh_ctx *cx, taken *t, size_t bytes_max, lh_str text)
{
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, bytes_max);
    lh_json_writer w;
    lh_jw_init_flush(&w, cx, &buf, take, t);
    lh_jw_array_begin(&w);
    for (int i = 0; i < 100; i++)
        lh_jw_i64(&w, i);
    lh_jw_str(&w, text);
    lh_jw_raw(&w, LH_S("[1,2,3]"));
    lh_jw_array_end(&w);
    return lh_jw_end(&w);
}

LH_TEST(a_flushed_writer_needs_little_memory_for_any_text)
{
    WITH_CX;
    char *text = lh_ctx_alloc(cx, 1, 200000);
    memset(text, 1, 200000);
    taken t = {.fail_at = 0};
    lh_buf_init(&t.all, 1 << 24);
    ck_assert_int_eq(write_flushed(cx, &t, 4096, lh_str_n(text, 200000)), LH_OK);
    ck_assert_int_gt(t.calls, 10);
    const lh_json *root;
    ck_assert_int_eq(lh_json_parse(cx, lh_buf_str(&t.all), 0, &root), LH_OK);
    ck_assert_uint_eq(root->count, 102);
    t.fail_at = t.calls + 2;
    ck_assert_int_eq(write_flushed(cx, &t, 4096, lh_str_n(text, 200000)), LH_E_IO);
    ck_assert_int_eq(t.calls, t.fail_at); /* not called again after its error */
    lh_buf_done(&t.all);
}
