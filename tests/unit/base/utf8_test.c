#include "base/str.h"

#include "fixture.h"

LH_TEST(every_code_point_is_encoded_and_read_back)
{
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        char bytes[4];
        lh_str s = {bytes, lh_utf8_encode(c, bytes)};
        size_t at = 0;
        uint32_t back;
        if (!lh_utf8_valid(s) || !lh_utf8_next(s, &at, &back) || back != c || at != s.len)
            ck_abort_msg("U+%04X", c);
    }
    char bytes[4];
    ck_assert_uint_eq(lh_utf8_encode(0xD800, bytes), 3); /* U+FFFD */
    ck_assert_uint_eq(lh_utf8_encode(0x110000, bytes), 3);
}

LH_TEST(ill_formed_text_is_refused_at_every_offset)
{
    static const lh_str bad[] = {
        LH_S_INIT("\x80"),
        LH_S_INIT("\xC0\x80"),
        LH_S_INIT("\xC1\xBF"),
        LH_S_INIT("\xE0\x9F\xBF"),
        LH_S_INIT("\xED\xA0\x80"),
        LH_S_INIT("\xF0\x8F\xBF\xBF"),
        LH_S_INIT("\xF4\x90\x80\x80"),
        LH_S_INIT("\xF5\x80\x80\x80"),
        LH_S_INIT("\xC3"),
        LH_S_INIT("\xE2\x82"),
        LH_S_INIT("\xF0\x9F\x98"),
        LH_S_INIT("\xFF"),
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++)
        for (size_t before = 0; before < 40; before++) {
            char text[64];
            memset(text, 'a', sizeof(text));
            memcpy(text + before, bad[i].ptr, bad[i].len);
            ck_assert(!lh_utf8_valid(lh_str_n(text, before + bad[i].len)));
            ck_assert(!lh_utf8_valid(lh_str_n(text, sizeof(text))));
        }
    ck_assert(lh_utf8_valid(LH_STR_NONE));
    ck_assert(lh_utf8_valid(
        LH_S("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 and plenty of plain text behind it")));
}

static size_t replacements(lh_str s)
{
    size_t at = 0;
    size_t count = 0;
    uint32_t c;
    while (lh_utf8_next(s, &at, &c))
        count += c == 0xFFFD;
    ck_assert_uint_eq(at, s.len);
    return count;
}

LH_TEST(each_maximal_subpart_becomes_one_replacement)
{
    /* The example of the Unicode standard, table 3-11, and its neighbours. */
    ck_assert_uint_eq(replacements(LH_S("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41")), 4);
    ck_assert_uint_eq(replacements(LH_S("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41")), 8);
    ck_assert_uint_eq(replacements(LH_S("\xED\xA0\x80")), 3);
    ck_assert_uint_eq(replacements(LH_S("\xF0\x9F\x98")), 1);
}

LH_TEST(a_cut_never_splits_a_character)
{
    lh_str s = LH_S("a\xE2\x82\xAC"
                    "b");
    ck_assert_uint_eq(lh_utf8_cut(s, 5), 5);
    ck_assert_uint_eq(lh_utf8_cut(s, 99), 5);
    ck_assert_uint_eq(lh_utf8_cut(s, 4), 4);
    ck_assert_uint_eq(lh_utf8_cut(s, 3), 1);
    ck_assert_uint_eq(lh_utf8_cut(s, 2), 1);
    ck_assert_uint_eq(lh_utf8_cut(s, 1), 1);
    ck_assert_uint_eq(lh_utf8_cut(s, 0), 0);
    ck_assert_uint_eq(lh_utf8_cut(LH_S("\x80\x80\x80\x80\x80\x80"), 5), 5);
}
