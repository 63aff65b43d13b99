#include "base/record.h"

#include "base/buf.h"
#include "fixture.h"
#include "record_sample.h"

#include <stdio.h>

static lh_str written(lh_ctx *cx, const lh_record *record, const void *in)
{
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 1 << 20);
    ck_assert_int_eq(lh_record_append(cx, record, in, &buf), LH_OK);
    return lh_ctx_dup(cx, lh_buf_str(&buf));
}

LH_TEST(defaults_come_first_and_nested)
{
    WITH_CX;
    sample s;
    ck_assert_int_eq(lh_record_parse(cx, &sample_record,
                                     LH_S("{\"name\":\"x\",\"columns\":[{\"name\":\"c\"}]}"), &s),
                     LH_OK);
    ck_assert(s.flag && s.i64 == 10 && s.u32 == 1 && s.mode == 0 && s.inner.depth == 3);
    ck_assert_uint_eq(s.words.count, 2);
    ck_assert_text(((lh_str *)s.words.items)[1], "b");
    const sample_column *column = s.columns.items;
    ck_assert(s.columns.count == 1 && column->type == 1 && column->nullable);
    ck_assert_uint_eq(s.present, 1u | 1u << 11);
}

LH_TEST(every_type_is_read)
{
    WITH_CX;
    sample s;
    lh_str json =
        LH_S("{\"name\":\"\\u00e9\",\"flag\":false,\"i64\":-5,\"u64\":18446744073709551615,\"i32\":"
             "-2147483648,"
             "\"u32\":4294967295,\"f64\":0.25,\"mode\":\"upsert\",\"time\":\"2026-11-21T13:36:00+"
             "01:00\","
             "\"json\": {\"a\": [1] } ,\"inner\":{\"depth\":7,\"note\":\"n\"},\"words\":[],"
             "\"numbers\":[1,2,3,4,5],\"counts\":{\"a\":1,\"b\":-2},\"labels\":{\"k\":\"v\"},"
             "\"secret\":\"s\"}");
    ck_assert_int_eq(lh_record_parse(cx, &sample_record, json, &s), LH_OK);
    ck_assert_text(s.name, "\xC3\xA9");
    ck_assert(!s.flag && s.i64 == -5 && s.u64 == UINT64_MAX && s.i32 == INT32_MIN &&
              s.u32 == UINT32_MAX);
    ck_assert(s.f64 == 0.25 && s.mode == 2 && s.time == 1795264560000000);
    ck_assert_text(s.json, "{\"a\": [1] }");
    ck_assert(s.inner.depth == 7 && s.words.count == 0 && s.numbers.count == 5);
    ck_assert_int_eq(((int64_t *)s.numbers.items)[4], 5);
    ck_assert_int_eq(((lh_pair_i64 *)s.counts.items)[1].value, -2);
    ck_assert_text(((lh_pair_str *)s.labels.items)[0].value, "v");
}

static const struct {
    const char *json;
    lh_rc rc;
    const char *field;
    int line, column;
} refused[] = {
    {"", LH_E_BAD_JSON, "", 1, 1},
    {"[]", LH_E_BAD_VALUE, "", 1, 1},
    {"{\"name\":\"x\"} x", LH_E_BAD_JSON, "", 1, 14},
    {"{}", LH_E_MISSING_FIELD, "name", 1, 1},
    {"{\"name\":\"x\",\n \"limt\":1}", LH_E_UNKNOWN_FIELD, "limt", 2, 2},
    {"{\"name\":\"x\",\"name\":\"y\"}", LH_E_BAD_JSON, "name", 1, 13},
    {"{\"name\":1}", LH_E_BAD_VALUE, "name", 1, 9},
    {"{\"name\":null}", LH_E_BAD_VALUE, "name", 1, 9},
    {"{\"name\":\"x\",\"version\":1}", LH_E_UNKNOWN_FIELD, "version", 1, 13},
    {"{\"name\":\"x\",\"flag\":0}", LH_E_BAD_VALUE, "flag", 1, 20},
    {"{\"name\":\"x\",\"i64\":1.0}", LH_E_BAD_VALUE, "i64", 1, 19},
    {"{\"name\":\"x\",\"i64\":1e1}", LH_E_BAD_VALUE, "i64", 1, 19},
    {"{\"name\":\"x\",\"i64\":\"1\"}", LH_E_BAD_VALUE, "i64", 1, 19},
    {"{\"name\":\"x\",\"i64\":-6}", LH_E_BAD_VALUE, "i64", 1, 19},
    {"{\"name\":\"x\",\"i64\":101}", LH_E_BAD_VALUE, "i64", 1, 19},
    {"{\"name\":\"x\",\"i64\":99999999999999999999}", LH_E_BAD_VALUE, "i64", 1, 19},
    {"{\"name\":\"x\",\"u64\":-1}", LH_E_BAD_VALUE, "u64", 1, 19},
    {"{\"name\":\"x\",\"u64\":18446744073709551616}", LH_E_BAD_VALUE, "u64", 1, 19},
    {"{\"name\":\"x\",\"i32\":2147483648}", LH_E_BAD_VALUE, "i32", 1, 19},
    {"{\"name\":\"x\",\"u32\":4294967296}", LH_E_BAD_VALUE, "u32", 1, 19},
    {"{\"name\":\"x\",\"u32\":0}", LH_E_BAD_VALUE, "u32", 1, 19},
    {"{\"name\":\"x\",\"f64\":1.01}", LH_E_BAD_VALUE, "f64", 1, 19},
    {"{\"name\":\"x\",\"f64\":-0.1}", LH_E_BAD_VALUE, "f64", 1, 19},
    {"{\"name\":\"x\",\"f64\":1e999}", LH_E_BAD_VALUE, "f64", 1, 19},
    {"{\"name\":\"x\",\"mode\":\"apend\"}", LH_E_BAD_VALUE, "mode", 1, 20},
    {"{\"name\":\"x\",\"mode\":1}", LH_E_BAD_VALUE, "mode", 1, 20},
    {"{\"name\":\"x\",\"time\":\"yesterday\"}", LH_E_BAD_VALUE, "time", 1, 20},
    {"{\"name\":\"x\",\"inner\":{\"deph\":1}}", LH_E_UNKNOWN_FIELD, "inner.deph", 1, 22},
    {"{\"name\":\"x\",\"inner\":[]}", LH_E_BAD_VALUE, "inner", 1, 21},
    {"{\"name\":\"x\",\"columns\":[{\"name\":\"a\"},{\"name\":\"\"}]}", LH_E_BAD_VALUE,
     "columns[1].name", 1, 45},
    {"{\"name\":\"x\",\"columns\":[{}]}", LH_E_MISSING_FIELD, "columns[0].name", 1, 24},
    {"{\"name\":\"x\",\"columns\":[{\"name\":\"01234567890\"}]}", LH_E_BAD_VALUE, "columns[0].name",
     1, 32},
    {"{\"name\":\"x\",\"columns\":[null]}", LH_E_BAD_VALUE, "columns[0]", 1, 24},
    {"{\"name\":\"x\",\"words\":[\"a\",2]}", LH_E_BAD_VALUE, "words[1]", 1, 26},
    {"{\"name\":\"x\",\"counts\":{\"a\":1.5}}", LH_E_BAD_VALUE, "counts.a", 1, 27},
    {"{\"name\":\"x\",\"counts\":{\"a\":1,\"b\":2,\"a\":3}}", LH_E_BAD_JSON, "counts", 1, 35},
    {"{\"name\":\"x\",\"labels\":[]}", LH_E_BAD_VALUE, "labels", 1, 22},
    {"{\"name\":\"x\",\"json\":}", LH_E_BAD_JSON, "", 1, 20},
};

LH_TEST_LOOP(what_does_not_fit_is_refused_at_its_place, (int)LH_ARRAY_LEN(refused))
{
    WITH_CX;
    sample s;
    lh_rc rc = lh_record_parse(cx, &sample_record, lh_str_from(refused[_i].json), &s);
    ck_assert_msg(rc == refused[_i].rc, "%s: %s %s", refused[_i].json, lh_rc_code(rc),
                  cx->err.message);
    ck_assert_msg(cx->err.line == refused[_i].line && cx->err.column == refused[_i].column,
                  "%s: %d:%d", refused[_i].json, cx->err.line, cx->err.column);
    ck_assert_str_eq(cx->err.field, refused[_i].field);
    ck_assert_uint_gt(strlen(cx->err.message), 5);
}

static lh_str hint_of(lh_ctx *cx, lh_str json)
{
    sample s;
    ck_assert_int_ne(lh_record_parse(cx, &sample_record, json, &s), LH_OK);
    return lh_str_from(cx->err.hint);
}

LH_TEST(hints_name_what_was_meant)
{
    WITH_CX;
    ck_assert_uint_ne(lh_str_find(hint_of(cx, LH_S("{\"wrods\":[]}")), LH_S("\"words\"")),
                      LH_STR_NPOS);
    ck_assert_uint_ne(
        lh_str_find(hint_of(cx, LH_S("{\"name\":\"x\",\"mode\":\"apend\"}")), LH_S("\"append\"")),
        LH_STR_NPOS);
    ck_assert_uint_ne(lh_str_find(hint_of(cx, LH_S("{\"i64\":1e1}")), LH_S("10")), LH_STR_NPOS);
    ck_assert_uint_ne(lh_str_find(hint_of(cx, LH_S("{\"qqqqqqqqqqq\":1}")), LH_S("name")),
                      LH_STR_NPOS);
    ck_assert_uint_ne(lh_str_find(lh_str_from(cx->err.message), LH_S("Sample")), LH_STR_NPOS);
}

static lh_rc parse_columns(lh_ctx *cx, int count)
{
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 4096);
    LH_TRY(lh_buf_printf(cx, &buf, "{\"name\":\"x\",\"columns\":["));
    for (int i = 0; i < count; i++)
        LH_TRY(lh_buf_printf(cx, &buf, "%s{\"name\":\"c%d\"}", i ? "," : "", i));
    LH_TRY(lh_buf_printf(cx, &buf, "]}"));
    sample s;
    return lh_record_parse(cx, &sample_record, lh_buf_str(&buf), &s);
}

static lh_rc parse_name_of(lh_ctx *cx, const lh_record *record, size_t bytes)
{
    char *json = lh_ctx_alloc(cx, 1, bytes + 16);
    memset(json, 'x', bytes + 16);
    memcpy(json, "{\"name\":\"", 9);
    memcpy(json + 9 + bytes, "\"}", 2);
    sample s;
    return lh_record_parse(cx, record, lh_str_n(json, bytes + 11), &s);
}

LH_TEST(limits_hold_at_their_edge)
{
    WITH_CX;
    ck_assert_int_eq(parse_columns(cx, 2), LH_OK);
    ck_assert_int_eq(parse_columns(cx, 3), LH_OK);
    ck_assert_int_eq(parse_columns(cx, 4), LH_E_BAD_VALUE);
    ck_assert_int_eq(parse_name_of(cx, &sample_record, LH_RECORD_TEXT_MAX - 1), LH_OK);
    ck_assert_int_eq(parse_name_of(cx, &sample_record, LH_RECORD_TEXT_MAX), LH_OK);
    ck_assert_int_eq(parse_name_of(cx, &sample_record, LH_RECORD_TEXT_MAX + 1), LH_E_BAD_VALUE);
    ck_assert_int_eq(parse_name_of(cx, &sample_file_record, LH_RECORD_TEXT_MAX + 1), LH_OK);
}

static lh_rc parse_words(lh_ctx *cx, const lh_record *record, size_t count)
{
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 1 << 20);
    LH_TRY(lh_buf_printf(cx, &buf, "{\"name\":\"x\",\"words\":[\"a\""));
    for (size_t i = 1; i < count; i++)
        LH_TRY(lh_buf_append(cx, &buf, LH_S(",\"a\"")));
    LH_TRY(lh_buf_printf(cx, &buf, "]}"));
    sample s;
    return lh_record_parse(cx, record, lh_buf_str(&buf), &s);
}

LH_TEST(lists_of_requests_are_limited_those_of_files_are_not)
{
    WITH_CX;
    ck_assert_int_eq(parse_words(cx, &sample_record, LH_RECORD_ITEMS_MAX), LH_OK);
    ck_assert_int_eq(parse_words(cx, &sample_record, LH_RECORD_ITEMS_MAX + 1), LH_E_BAD_VALUE);
    ck_assert_str_eq(cx->err.field, "words");
    ck_assert_int_eq(parse_words(cx, &sample_file_record, LH_RECORD_ITEMS_MAX + 1), LH_OK);
}

LH_TEST(files_of_later_versions_are_read)
{
    WITH_CX;
    sample s;
    lh_str json =
        LH_S("{\"new\":{\"a\":[1,2]},\"name\":\"x\",\"version\":7,\"new\":1,\"inner\":null}");
    ck_assert_int_eq(lh_record_parse(cx, &sample_file_record, json, &s), LH_OK);
    ck_assert_int_eq(s.version, 7);
    ck_assert_int_eq(s.inner.depth, 3);
    ck_assert_int_eq(lh_record_parse(cx, &sample_file_record, LH_S("{\"new\":[}"), &s),
                     LH_E_BAD_JSON);
}

LH_TEST(what_is_written_reads_back_equal)
{
    WITH_CX;
    sample s, back;
    lh_str json = LH_S("{\"name\":\"n\\n\",\"i64\":-5,\"u64\":18446744073709551615,\"f64\":0.1,"
                       "\"mode\":\"append\","
                       "\"time\":\"2026-11-21T13:36:00Z\",\"json\":[1,2],\"columns\":[{\"name\":"
                       "\"a\",\"type\":\"date\"}],"
                       "\"numbers\":[1],\"labels\":{\"a\":\"b\"},\"secret\":\"hidden\"}");
    ck_assert_int_eq(lh_record_parse(cx, &sample_record, json, &s), LH_OK);
    lh_str text = written(cx, &sample_record, &s);
    ck_assert_uint_eq(lh_str_find(text, LH_S("hidden")), LH_STR_NPOS);
    ck_assert_uint_eq(lh_str_find(text, LH_S("note")), LH_STR_NPOS);
    ck_assert_uint_ne(lh_str_find(text, LH_S("\"counts\":null")), LH_STR_NPOS);
    ck_assert_int_eq(lh_record_parse(cx, &sample_file_record, text, &back), LH_OK);
    ck_assert(lh_str_eq(text, written(cx, &sample_file_record, &back)));
}

LH_TEST(an_empty_record_reads_back_as_well)
{
    WITH_CX;
    sample s;
    ck_assert_int_eq(lh_record_defaults(cx, &sample_record, &s), LH_OK);
    lh_str text = written(cx, &sample_record, &s);
    ck_assert_uint_ne(lh_str_find(text, LH_S("\"time\":null,\"json\":null")), LH_STR_NPOS);
    ck_assert_uint_eq(lh_str_find(text, LH_S("numbers")), LH_STR_NPOS);
    ck_assert_int_eq(lh_record_parse(cx, &sample_file_record, text, &s), LH_OK);
}

LH_TEST(texts_of_queries_set_fields)
{
    WITH_CX;
    sample s;
    ck_assert_int_eq(lh_record_defaults(cx, &sample_record, &s), LH_OK);
    ck_assert_int_eq(lh_record_check_required(cx, &sample_record, &s), LH_E_MISSING_FIELD);
    ck_assert_str_eq(cx->err.field, "name");
    static const lh_str pairs[][2] = {
        {LH_S_INIT("name"), LH_S_INIT("12")},
        {LH_S_INIT("flag"), LH_S_INIT("false")},
        {LH_S_INIT("i64"), LH_S_INIT("7")},
        {LH_S_INIT("f64"), LH_S_INIT("0.5")},
        {LH_S_INIT("mode"), LH_S_INIT("append")},
        {LH_S_INIT("words"), LH_S_INIT("x, y,z")},
        {LH_S_INIT("numbers"), LH_S_INIT("[1,2]")},
        {LH_S_INIT("columns"), LH_S_INIT("[{\"name\":\"c\"}]")},
        {LH_S_INIT("time"), LH_S_INIT("1970-01-01T00:00:01Z")},
        {LH_S_INIT("json"), LH_S_INIT("{\"a\":1}")},
        {LH_S_INIT("counts"), LH_S_INIT("{\"a\":1}")},
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(pairs); i++)
        ck_assert_msg(lh_record_set_text(cx, &sample_record, pairs[i][0], pairs[i][1], &s) == LH_OK,
                      "%s: %s", pairs[i][0].ptr, cx->err.message);
    ck_assert_text(s.name, "12");
    ck_assert(!s.flag && s.i64 == 7 && s.f64 == 0.5 && s.mode == 1 && s.time == 1000000);
    ck_assert(s.words.count == 3 && s.numbers.count == 2 && s.columns.count == 1 &&
              s.counts.count == 1);
    ck_assert_text(((lh_str *)s.words.items)[1], "y");
    ck_assert_int_eq(lh_record_check_required(cx, &sample_record, &s), LH_OK);
}

LH_TEST(texts_of_queries_are_judged_like_json)
{
    WITH_CX;
    sample s;
    static const struct {
        lh_str name, text;
        lh_rc rc;
    } cases[] = {
        {LH_S_INIT("limt"), LH_S_INIT("1"), LH_E_UNKNOWN_FIELD},
        {LH_S_INIT("version"), LH_S_INIT("1"), LH_E_UNKNOWN_FIELD},
        {LH_S_INIT("i64"), LH_S_INIT("101"), LH_E_BAD_VALUE},
        {LH_S_INIT("i64"), LH_S_INIT("1.0"), LH_E_BAD_VALUE},
        {LH_S_INIT("i64"), LH_S_INIT(""), LH_E_BAD_VALUE},
        {LH_S_INIT("u64"), LH_S_INIT("-1"), LH_E_BAD_VALUE},
        {LH_S_INIT("flag"), LH_S_INIT("yes"), LH_E_BAD_VALUE},
        {LH_S_INIT("mode"), LH_S_INIT("x"), LH_E_BAD_VALUE},
        {LH_S_INIT("numbers"), LH_S_INIT("1,x"), LH_E_BAD_VALUE},
        {LH_S_INIT("columns"), LH_S_INIT("[{"), LH_E_BAD_JSON},
        {LH_S_INIT("json"), LH_S_INIT("{} {}"), LH_E_BAD_JSON},
    };
    ck_assert_int_eq(lh_record_defaults(cx, &sample_record, &s), LH_OK);
    for (size_t i = 0; i < LH_ARRAY_LEN(cases); i++) {
        ck_assert_int_eq(lh_record_set_text(cx, &sample_record, cases[i].name, cases[i].text, &s),
                         cases[i].rc);
        ck_assert(lh_str_starts(lh_str_from(cx->err.field), cases[i].name));
    }
    ck_assert_uint_eq(s.present, 0);
}

LH_TEST(the_schema_says_what_the_parser_does)
{
    WITH_CX;
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 1 << 20);
    lh_json_writer w;
    lh_jw_init(&w, cx, &buf);
    lh_record_write_schema(&w, &sample_record);
    ck_assert_int_eq(lh_jw_end(&w), LH_OK);
    const lh_json *root;
    ck_assert_int_eq(lh_json_parse(cx, lh_buf_str(&buf), 0, &root), LH_OK);
    const lh_json *p = lh_json_get(root, LH_S("properties"));
#define RAW(name) lh_json_get(p, LH_S(name))->raw
    ck_assert_text(
        RAW("i64"),
        "{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":-5,\"maximum\":100,\"default\":10,"
        "\"description\":\"Rows.\"}");
    ck_assert_text(RAW("name"),
                   "{\"type\":\"string\",\"maxLength\":65536,\"description\":\"Its name.\"}");
    ck_assert_text(
        RAW("time"),
        "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\",\"description\":\"When.\"}");
    ck_assert_text(RAW("mode"), "{\"type\":\"string\",\"enum\":[\"replace\",\"append\",\"upsert\"],"
                                "\"description\":\"How.\"}");
    ck_assert_text(
        RAW("inner"),
        "{\"anyOf\":[{\"$ref\":\"#/components/schemas/SampleInner\"},{\"type\":\"null\"}],"
        "\"description\":\"Inside.\"}");
    ck_assert_text(RAW("columns"),
                   "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/SampleColumn\"},"
                   "\"maxItems\":3,\"description\":\"Columns.\"}");
    ck_assert_text(
        RAW("secret"),
        "{\"type\":\"string\",\"maxLength\":65536,\"description\":\"Hidden.\",\"writeOnly\":true}");
    ck_assert_text(lh_json_get(root, LH_S("required"))->raw, "[\"name\"]");
    ck_assert_int_eq(lh_json_get(root, LH_S("additionalProperties"))->kind, LH_JSON_FALSE);
    ck_assert_int_eq(lh_json_get(lh_json_get(p, LH_S("version")), LH_S("readOnly"))->kind,
                     LH_JSON_TRUE);
}

LH_TEST(a_parse_without_memory_is_an_error_at_every_allocation)
{
    lh_str json = LH_S("{\"name\":\"\\n\",\"columns\":[{\"name\":\"a\"},{\"name\":\"b\"}],"
                       "\"counts\":{\"a\":1,\"b\":2,\"c\":3,"
                       "\"d\":4,\"e\":5},\"numbers\":[1,2,3,4,5,6,7,8,9],\"json\":{\"x\":[]}}");
    int succeeded = 0;
    for (uint64_t n = 0; !succeeded; n++) {
        WITH_CX;
        ck_assert_ptr_nonnull(lh_ctx_alloc(cx, 1, 3700)); /* so that blocks are asked for */
        lh_alloc_fail_after(n, 1);
        sample s;
        lh_rc rc = lh_record_parse(cx, &sample_record, json, &s);
        lh_alloc_fail_off();
        succeeded = rc == LH_OK;
        ck_assert(succeeded || rc == LH_E_NO_MEMORY);
        ck_assert(succeeded || cx->err.rc == LH_E_NO_MEMORY);
    }
}

LH_TEST(an_arena_that_is_full_is_an_error_at_every_size)
{
    lh_str json = LH_S("{\"name\":\"\\n\",\"columns\":[{\"name\":\"a\"},{\"name\":\"b\"}],"
                       "\"counts\":{\"a\":1},\"words\":[\"x\"]}");
    int succeeded = 0;
    for (size_t bytes = 16; !succeeded; bytes += 16) {
        lh_arena *arena = lh_arena_new(bytes);
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        sample s;
        lh_rc rc = lh_record_parse(&cx, &sample_record, json, &s);
        succeeded = rc == LH_OK;
        ck_assert(succeeded || rc == LH_E_NO_MEMORY);
        lh_arena_free(arena);
    }
}
