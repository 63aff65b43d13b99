#include "base/str.h"

#include "fixture.h"

LH_TEST(comparing_knows_length_and_case)
{
    ck_assert(lh_str_eq(LH_S(""), LH_STR_NONE));
    ck_assert(!lh_str_eq(LH_S("a"), LH_S("a\0")));
    ck_assert(lh_str_eq_nocase(LH_S("Content-TYPE"), LH_S("content-type")));
    ck_assert(
        !lh_str_eq_nocase(LH_S("@"), LH_S("`"))); /* differ by 0x20 only, but are no letters */
    ck_assert_int_lt(lh_str_cmp(LH_S("a"), LH_S("ab")), 0);
    ck_assert_int_gt(lh_str_cmp(LH_S("\xff"), LH_S("a")), 0);
    ck_assert_int_eq(lh_str_cmp(LH_STR_NONE, LH_S("")), 0);
    ck_assert(lh_str_starts(LH_S("abc"), LH_S("ab")) && !lh_str_starts(LH_S("a"), LH_S("ab")));
    ck_assert(lh_str_ends(LH_S("abc"), LH_S("bc")) && lh_str_ends(LH_S("abc"), LH_S("")));
    ck_assert(lh_str_starts_nocase(LH_S("BEARER x"), LH_S("bearer ")));
}

LH_TEST(finding_gives_offsets_or_npos)
{
    ck_assert_uint_eq(lh_str_find(LH_S("abcabc"), LH_S("ca")), 2);
    ck_assert_uint_eq(lh_str_find(LH_S("abc"), LH_S("")), 0);
    ck_assert_uint_eq(lh_str_find(LH_STR_NONE, LH_S("a")), LH_STR_NPOS);
    ck_assert_uint_eq(lh_str_find_char(LH_S("a\0b"), '\0'), 1);
    ck_assert_uint_eq(lh_str_rfind_char(LH_S("a/b/c"), '/'), 3);
    ck_assert_uint_eq(lh_str_rfind_char(LH_STR_NONE, '/'), LH_STR_NPOS);
}

LH_TEST(cutting_is_clamped)
{
    ck_assert_text(lh_str_sub(LH_S("abc"), 1, 99), "bc");
    ck_assert_text(lh_str_sub(LH_S("abc"), 99, 1), "");
    ck_assert_text(lh_str_from_offset(LH_S("abc"), 3), "");
    ck_assert_text(lh_str_trim(LH_S(" \t\r\n a b \n")), "a b");
    ck_assert_text(lh_str_trim(LH_S("  ")), "");
}

LH_TEST(splitting_keeps_empty_parts)
{
    lh_str rest = LH_S("a,,b,");
    lh_str part;
    const char *expected[] = {"a", "", "b", ""};
    for (size_t i = 0; i < LH_ARRAY_LEN(expected); i++) {
        ck_assert(lh_str_split_next(&rest, ',', &part));
        ck_assert_text(part, expected[i]);
    }
    ck_assert(!lh_str_split_next(&rest, ',', &part));
    rest = LH_S("");
    ck_assert(lh_str_split_next(&rest, ',', &part));
    ck_assert(!lh_str_split_next(&rest, ',', &part));
}

LH_TEST(distance_counts_edits_and_swaps_up_to_the_bound)
{
    ck_assert_uint_eq(lh_str_distance(LH_S("limit"), LH_S("LIMIT"), 3), 0);
    ck_assert_uint_eq(lh_str_distance(LH_S("limit"), LH_S("limits"), 3), 1);
    ck_assert_uint_eq(lh_str_distance(LH_S("limit"), LH_S("limti"), 3), 1);
    ck_assert_uint_eq(lh_str_distance(LH_S("kitten"), LH_S("sitting"), 5), 3);
    ck_assert_uint_eq(lh_str_distance(LH_S("kitten"), LH_S("sitting"), 2), 3);
    ck_assert_uint_eq(lh_str_distance(LH_S(""), LH_S("abc"), 3), 3);
    ck_assert_uint_eq(lh_str_distance(LH_S(""), LH_S("abcd"), 3), 4);
    ck_assert_uint_eq(lh_str_distance(LH_S("abcd"), LH_S("wxyz"), 9), 4);
}

LH_TEST(distance_of_very_long_names_is_refused)
{
    char a[129], b[129];
    memset(a, 'x', sizeof(a));
    memset(b, 'x', sizeof(b));
    b[5] = 'y';
    ck_assert_uint_eq(lh_str_distance(lh_str_n(a, 128), lh_str_n(b, 128), 3), 1);
    ck_assert_uint_eq(lh_str_distance(lh_str_n(a, 129), lh_str_n(b, 129), 3), 4);
    ck_assert_uint_eq(lh_str_distance(lh_str_n(a, 129), lh_str_n(a, 129), 3), 0);
}

LH_TEST(secrets_compare_like_texts)
{
    ck_assert(lh_str_eq_secret(LH_S("key"), LH_S("key")));
    ck_assert(!lh_str_eq_secret(LH_S("key"), LH_S("kez")));
    ck_assert(!lh_str_eq_secret(LH_S("key"), LH_S("key\0")));
    ck_assert(!lh_str_eq_secret(LH_S("key"), LH_STR_NONE));
    ck_assert(lh_str_eq_secret(LH_STR_NONE, LH_S("")));
}
