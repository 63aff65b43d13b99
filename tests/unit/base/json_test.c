#include "base/json.h"

#include "base/json_scan_private.h"
#include "fixture.h"

#include <stdio.h>

/* The tokens of a text as one word: n null, t f, # number, s string, k key, brackets, '.' end. */
static lh_rc tokens_of(lh_ctx *cx, lh_str text, uint32_t flags, char *out, size_t room)
{
    static const char letters[] = "nft#s[{k]}.";
    lh_json_reader reader;
    lh_json_token t;
    size_t at = 0;
    lh_json_reader_init(&reader, cx, text, flags, 0);
    do {
        LH_TRY(lh_json_next(&reader, &t));
        if (at + 1 < room)
            out[at++] = letters[t.kind];
        out[at] = '\0';
    } while (t.kind != LH_JSON_END);
    return LH_OK;
}

/* The text in memory of exactly its size, so that ASan sees a read past it. */
static lh_str exact(lh_ctx *cx, lh_str text)
{
    char *copy = lh_arena_alloc(cx->arena, text.len);
    memcpy(copy, text.ptr, text.len);
    return (lh_str){copy, text.len};
}

LH_TEST(tokens_come_in_the_order_of_the_text)
{
    WITH_CX;
    char out[100];
    lh_str text = LH_S(" {\"a\":[1,-2.5e+3,\"x\",true,false,null,{}],\"b\":{\"c\":[]}} \n");
    ck_assert_int_eq(tokens_of(cx, exact(cx, text), 0, out, sizeof(out)), LH_OK);
    ck_assert_str_eq(out, "{k[##stfn{}]k{k[]}}.");
    ck_assert_int_eq(tokens_of(cx, LH_S("0"), 0, out, sizeof(out)), LH_OK);
    ck_assert_str_eq(out, "#.");
}

static const struct {
    const char *text;
    int line, column;
} bad_texts[] = {
    {"", 1, 1},
    {"  ", 1, 3},
    {"{", 1, 2},
    {"[", 1, 2},
    {"[1", 1, 3},
    {"[1,", 1, 4},
    {"[1,]", 1, 4},
    {"[,1]", 1, 2},
    {"[1 2]", 1, 4},
    {"{\"a\"}", 1, 5},
    {"{\"a\":}", 1, 6},
    {"{\"a\":1,}", 1, 8},
    {"{a:1}", 1, 2},
    {"{'a':1}", 1, 2},
    {"{\"a\":1 \"b\":2}", 1, 8},
    {"[1}", 1, 3},
    {"{]", 1, 2},
    {"]", 1, 1},
    {"01", 1, 2},
    {"-", 1, 2},
    {"+1", 1, 1},
    {".5", 1, 1},
    {"1.", 1, 3},
    {"1.e3", 1, 3},
    {"1e", 1, 3},
    {"1e+", 1, 4},
    {"0x10", 1, 2},
    {"--1", 1, 2},
    {"tru", 1, 1},
    {"truex", 1, 5},
    {"NaN", 1, 1},
    {"Infinity", 1, 1},
    {"1 1", 1, 3},
    {"{} {}", 1, 4},
    {"\"abc", 1, 5},
    {"\"a\nb\"", 1, 3},
    {"\"a\tb\"", 1, 3},
    {"\"\\x\"", 1, 3},
    {"\"\\", 1, 3},
    {"\"\\u12\"", 1, 2},
    {"\"\\u12g4\"", 1, 2},
    {"\"\\ud800\"", 1, 2},
    {"\"\\udc00\"", 1, 2},
    {"\"\\ud800\\u0041\"", 1, 2},
    {"\"ab\xff\"", 1, 4},
    {"\"\xC3\xA9\xC3\"", 1, 3},
    {"\xEF\xBB\xBF{}", 1, 1},
    {"/* c */1", 1, 1},
    {"[1]\n\n x", 3, 2},
    {"{\n  \"caf\xC3\xA9\": oops\n}", 2, 11},
    {"\f1", 1, 1},
};

LH_TEST_LOOP(a_mistake_is_refused_at_its_place, (int)LH_ARRAY_LEN(bad_texts))
{
    WITH_CX;
    char out[100];
    lh_str text = exact(cx, lh_str_from(bad_texts[_i].text));
    ck_assert_int_eq(tokens_of(cx, text, 0, out, sizeof(out)), LH_E_BAD_JSON);
    ck_assert_msg(cx->err.line == bad_texts[_i].line && cx->err.column == bad_texts[_i].column,
                  "%s: %d:%d %s", bad_texts[_i].text, cx->err.line, cx->err.column,
                  cx->err.message);
}

LH_TEST(a_nul_is_no_space_and_no_end)
{
    WITH_CX;
    char out[100];
    static const lh_str bad[] = {LH_S_INIT("1\0"),   LH_S_INIT("{}\0"),     LH_S_INIT("\0"),
                                 LH_S_INIT("[1\0]"), LH_S_INIT("\"\\\0\""), LH_S_INIT("{\0}"),
                                 LH_S_INIT("[\0]")};
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++)
        ck_assert_int_eq(tokens_of(cx, bad[i], 0, out, sizeof(out)), LH_E_BAD_JSON);
}

static lh_rc read_one_string(lh_ctx *cx, lh_str text, uint32_t flags, lh_str *ret,
                             uint32_t *ret_replaced)
{
    lh_json_reader reader;
    lh_json_token t;
    lh_json_reader_init(&reader, cx, text, flags, 0);
    LH_TRY(lh_json_next(&reader, &t));
    *ret = t.text;
    *ret_replaced = reader.replaced_count;
    return lh_json_next(&reader, &t);
}

LH_TEST(strings_are_decoded_or_borrowed)
{
    WITH_CX;
    lh_str s;
    uint32_t replaced;
    lh_str plain = LH_S("\"caf\xC3\xA9 with no escape\"");
    ck_assert_int_eq(read_one_string(cx, plain, 0, &s, &replaced), LH_OK);
    ck_assert_ptr_eq(s.ptr, plain.ptr + 1);
    ck_assert_int_eq(
        read_one_string(cx,
                        LH_S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\uD83D\\ude00\\uFFFD\""),
                        0, &s, &replaced),
        LH_OK);
    ck_assert(lh_str_eq(s, LH_S("\"\\/\b\f\n\r\t\0\xC3\xA9\xF0\x9F\x98\x80\xEF\xBF\xBD")));
    ck_assert_uint_eq(replaced, 0);
}

LH_TEST(lenient_text_is_replaced_and_counted)
{
    WITH_CX;
    lh_str s;
    uint32_t replaced;
    ck_assert_int_eq(read_one_string(cx, LH_S("\"a\xff\\ud800b\xC3\\udc00\\u0041\xEF\xBF\xBD\""),
                                     LH_JSON_LENIENT_TEXT, &s, &replaced),
                     LH_OK);
    ck_assert_text(s, "a\xEF\xBF\xBD\xEF\xBF\xBD"
                      "b\xEF\xBF\xBD\xEF\xBF\xBD"
                      "A\xEF\xBF\xBD");
    ck_assert_uint_eq(replaced, 4);
    ck_assert_int_eq(
        read_one_string(cx, LH_S("\xEF\xBB\xBF\"x\""), LH_JSON_LENIENT_TEXT, &s, &replaced), LH_OK);
    ck_assert_text(s, "x");
}

LH_TEST(many_values_follow_one_another)
{
    WITH_CX;
    char out[100];
    ck_assert_int_eq(
        tokens_of(cx, LH_S("{\"a\":1}\n\n[2] 3\n\"x\"\r\n"), LH_JSON_MANY, out, sizeof(out)),
        LH_OK);
    ck_assert_str_eq(out, "{k#}[#]#s.");
    ck_assert_int_eq(tokens_of(cx, LH_S(""), LH_JSON_MANY, out, sizeof(out)), LH_OK);
    ck_assert_str_eq(out, ".");
    ck_assert_int_eq(tokens_of(cx, LH_S("1-2"), LH_JSON_MANY, out, sizeof(out)), LH_E_BAD_JSON);
    ck_assert_int_eq(tokens_of(cx, LH_S("{}\n{\"a\":}\n"), LH_JSON_MANY, out, sizeof(out)),
                     LH_E_BAD_JSON);
    ck_assert_int_eq(cx->err.line, 2);
    ck_assert_int_eq(tokens_of(cx, LH_S("{},{}"), LH_JSON_MANY, out, sizeof(out)), LH_E_BAD_JSON);
}

static lh_rc read_nested(lh_ctx *cx, size_t levels, uint32_t depth_max)
{
    char text[2 * LH_JSON_DEPTH_MAX + 4];
    for (size_t i = 0; i < levels; i++) {
        text[i] = '[';
        text[levels + i] = ']';
    }
    const lh_json *root;
    return lh_json_parse(cx, lh_str_n(text, 2 * levels), depth_max, &root);
}

LH_TEST(depth_is_limited)
{
    WITH_CX;
    ck_assert_int_eq(read_nested(cx, 63, 0), LH_OK);
    ck_assert_int_eq(read_nested(cx, 64, 0), LH_OK);
    ck_assert_int_eq(read_nested(cx, 65, 0), LH_E_BAD_JSON);
    ck_assert_int_eq(cx->err.column, 65);
    ck_assert_int_eq(read_nested(cx, 1, 1), LH_OK);
    ck_assert_int_eq(read_nested(cx, 2, 1), LH_E_BAD_JSON);
    ck_assert_int_eq(read_nested(cx, LH_JSON_DEPTH_MAX, LH_JSON_DEPTH_MAX), LH_OK);
    ck_assert_int_eq(read_nested(cx, LH_JSON_DEPTH_MAX + 1, LH_JSON_DEPTH_MAX), LH_E_BAD_JSON);
}

LH_TEST(skipping_gives_the_exact_text)
{
    WITH_CX;
    lh_json_reader reader;
    lh_json_token t;
    lh_str raw;
    lh_json_reader_init(&reader, cx,
                        LH_S("{ \"a\" : [1, {\"x\": \"\\u0041\"} ] , \"b\": 1.50 ,\"c\":\"\\n\"}"),
                        0, 0);
    ck_assert_int_eq(lh_json_next(&reader, &t), LH_OK); /* { */
    ck_assert_int_eq(lh_json_next(&reader, &t), LH_OK); /* a */
    ck_assert_int_eq(lh_json_next(&reader, &t), LH_OK); /* [ */
    ck_assert_int_eq(lh_json_skip(&reader, &t, &raw), LH_OK);
    ck_assert_text(raw, "[1, {\"x\": \"\\u0041\"} ]");
    ck_assert_int_eq(lh_json_next(&reader, &t), LH_OK); /* b: a key skips its value */
    ck_assert_int_eq(lh_json_skip(&reader, &t, &raw), LH_OK);
    ck_assert_text(raw, "1.50");
    ck_assert_int_eq(lh_json_next(&reader, &t), LH_OK);
    ck_assert_int_eq(lh_json_next(&reader, &t), LH_OK);
    ck_assert_int_eq(lh_json_skip(&reader, &t, &raw), LH_OK);
    ck_assert_text(raw, "\"\\n\"");
    ck_assert_int_eq(lh_json_next(&reader, &t), LH_OK);
    ck_assert_int_eq(t.kind, LH_JSON_OBJECT_END);
}

LH_TEST(skipping_still_refuses_what_is_broken)
{
    WITH_CX;
    lh_json_reader reader;
    lh_json_token t;
    lh_json_reader_init(&reader, cx, LH_S("[{\"a\":\"\\ud800\"}]"), 0, 0);
    ck_assert_int_eq(lh_json_next(&reader, &t), LH_OK);
    ck_assert_int_eq(lh_json_skip(&reader, &t, NULL), LH_E_BAD_JSON);
}

/* A special byte at every offset of texts of every length: wide and narrow path must agree. */
LH_TEST_LOOP(the_scan_finds_every_special_byte_everywhere, 40)
{
    static const char specials[] = {'"', '\\', '\0', '\x1f', '\n'};
    char text[40];
    for (size_t at = 0; at < (size_t)_i; at++)
        for (size_t s = 0; s < sizeof(specials); s++) {
            memset(text, 'a', sizeof(text));
            text[at] = specials[s];
            unsigned high = 0;
            ck_assert_ptr_eq(lhi_json_find_special(text, text + _i, &high), text + at);
            ck_assert_uint_eq(high, 0);
            if (at > 0) {
                text[at - 1] = '\x80';
                (void)lhi_json_find_special(text, text + _i, &high);
                ck_assert_uint_ne(high, 0);
            }
        }
    memset(text, 0x7f, sizeof(text));
    unsigned high = 0;
    ck_assert_ptr_eq(lhi_json_find_special(text, text + _i, &high), text + _i);
}

LH_TEST(places_count_lines_and_characters)
{
    int line, column;
    lh_str text = LH_S("ab\nc\xC3\xA9"
                       "d\r\n\nx");
    static const struct {
        size_t offset;
        int line, column;
    } cases[] = {{0, 1, 1}, {2, 1, 3},  {3, 2, 1},  {6, 2, 3},
                 {9, 3, 1}, {10, 4, 1}, {11, 4, 2}, {99, 4, 2}};
    for (size_t i = 0; i < LH_ARRAY_LEN(cases); i++) {
        lh_json_place(text, cases[i].offset, &line, &column);
        ck_assert_int_eq(line, cases[i].line);
        ck_assert_int_eq(column, cases[i].column);
    }
}

LH_TEST(the_tree_keeps_order_places_and_texts)
{
    WITH_CX;
    const lh_json *root;
    lh_str text = LH_S("{\"a\": 12345678901234567890123, \"b\": [true, \"x\\ty\"], \"a\": null}");
    ck_assert_int_eq(lh_json_parse(cx, text, 0, &root), LH_OK);
    ck_assert_uint_eq(root->count, 3);
    ck_assert_text(root->first->text, "12345678901234567890123");
    ck_assert_uint_eq(root->first->offset, 6);
    ck_assert_int_eq(lh_json_get(root, LH_S("a"))->kind, LH_JSON_NULL); /* the last wins */
    const lh_json *b = lh_json_get(root, LH_S("b"));
    ck_assert_text(b->raw, "[true, \"x\\ty\"]");
    ck_assert(lh_json_is_true(b->first) && !lh_json_is_true(b) && !lh_json_is_true(NULL));
    ck_assert_text(b->first->next->text, "x\ty");
    ck_assert_ptr_null(lh_json_get(b, LH_S("a")));
    ck_assert_ptr_null(lh_json_get(NULL, LH_S("a")));
    ck_assert_ptr_null(lh_json_get_str(root, LH_S("a")).ptr);
    ck_assert_text(root->raw, text.ptr);
}

LH_TEST(a_tree_without_memory_is_an_error_at_every_allocation)
{
    lh_str text = LH_S("{\"list\":[{\"a\":\"\\u0041\"},{\"b\":[[[[[1]]]]]},2,3,4,5,6,7,8,9]}");
    int succeeded = 0;
    for (uint64_t n = 0; !succeeded; n++) {
        WITH_CX;
        void *filler = lh_arena_alloc(cx->arena, 3500); /* so that blocks are asked for */
        ck_assert_ptr_nonnull(filler);
        lh_alloc_fail_after(n, 1);
        const lh_json *root;
        lh_rc rc = lh_json_parse(cx, text, 0, &root);
        lh_alloc_fail_off();
        succeeded = rc == LH_OK;
        ck_assert(succeeded || rc == LH_E_NO_MEMORY);
    }
}
