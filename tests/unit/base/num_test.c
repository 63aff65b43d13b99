#include "base/num.h"

#include "fixture.h"

#include <math.h>
#include <stdio.h>

LH_TEST(integers_parse_in_range_and_nothing_else)
{
    int64_t i;
    uint64_t u;
    ck_assert(lh_parse_i64(LH_S("9223372036854775807"), &i) && i == INT64_MAX);
    ck_assert(lh_parse_i64(LH_S("-9223372036854775808"), &i) && i == INT64_MIN);
    ck_assert(!lh_parse_i64(LH_S("9223372036854775808"), &i));
    ck_assert(!lh_parse_i64(LH_S("-9223372036854775809"), &i));
    ck_assert(lh_parse_u64(LH_S("18446744073709551615"), &u) && u == UINT64_MAX);
    ck_assert(!lh_parse_u64(LH_S("18446744073709551616"), &u));
    ck_assert(!lh_parse_u64(LH_S("99999999999999999999"), &u));
    ck_assert(!lh_parse_u64(LH_S("100000000000000000000"), &u));
    static const lh_str bad[] = {LH_S_INIT(""),   LH_S_INIT("-"),  LH_S_INIT("+1"),
                                 LH_S_INIT(" 1"), LH_S_INIT("1 "), LH_S_INIT("0x1"),
                                 LH_S_INIT("1a"), LH_S_INIT("--1")};
    for (size_t n = 0; n < LH_ARRAY_LEN(bad); n++)
        ck_assert(!lh_parse_i64(bad[n], &i));
    ck_assert(lh_parse_i64(LH_S("007"), &i) && i == 7);
    ck_assert(!lh_parse_u64(LH_S("-1"), &u));
}

LH_TEST(integers_print_as_printf_does)
{
    char text[24], expected[32];
    uint64_t values[400];
    size_t count = 0;
    for (uint64_t power = 1; count<360; power = power> UINT64_MAX / 10 ? 1 : power * 10) {
        values[count++] = power - 1;
        values[count++] = power;
        values[count++] = power + 1;
        values[count] = power * 7 + count;
        count++;
    }
    values[count++] = UINT64_MAX;
    values[count++] = (uint64_t)INT64_MAX + 1;
    for (size_t n = 0; n < count; n++) {
        snprintf(expected, sizeof(expected), "%llu", (unsigned long long)values[n]);
        ck_assert_text(lh_str_n(text, lh_u64_text(values[n], text)), expected);
        snprintf(expected, sizeof(expected), "%lld", (long long)values[n]);
        ck_assert_text(lh_str_n(text, lh_i64_text((int64_t)values[n], text)), expected);
    }
}

LH_TEST(sizes_and_durations_know_their_units)
{
    uint64_t bytes;
    int64_t us;
    ck_assert(lh_parse_size(LH_S("512MiB"), &bytes) && bytes == 512ull << 20);
    ck_assert(lh_parse_size(LH_S("4gb"), &bytes) && bytes == 4000000000ull);
    ck_assert(lh_parse_size(LH_S("100"), &bytes) && bytes == 100);
    ck_assert(lh_parse_size(LH_S("16777215TiB"), &bytes));
    ck_assert(!lh_parse_size(LH_S("16777216TiB"), &bytes));
    ck_assert(!lh_parse_size(LH_S("1.5GB"), &bytes) && !lh_parse_size(LH_S("GB"), &bytes) &&
              !lh_parse_size(LH_S("5 MB"), &bytes) && !lh_parse_size(LH_S("-1"), &bytes));
    ck_assert(lh_parse_duration_us(LH_S("250ms"), &us) && us == 250000);
    ck_assert(lh_parse_duration_us(LH_S("5m"), &us) && us == 300000000);
    ck_assert(lh_parse_duration_us(LH_S("2h"), &us) && us == 7200000000);
    ck_assert(lh_parse_duration_us(LH_S("1d"), &us) && us == 86400000000);
    ck_assert(lh_parse_duration_us(LH_S("300us"), &us) && us == 300);
    ck_assert(lh_parse_duration_us(LH_S("3"), &us) && us == 3000000);
    ck_assert(!lh_parse_duration_us(LH_S("106751992d"), &us) &&
              !lh_parse_duration_us(LH_S("5w"), &us));
}

LH_TEST(doubles_take_the_grammar_of_json)
{
    double d;
    ck_assert(lh_parse_f64(LH_S("0.1"), &d) && d == 0.1);
    ck_assert(lh_parse_f64(LH_S("-0"), &d) && d == 0 && signbit(d));
    ck_assert(lh_parse_f64(LH_S("1E+2"), &d) && d == 100);
    ck_assert(lh_parse_f64(LH_S("1.7976931348623157e308"), &d) && d == 1.7976931348623157e308);
    ck_assert(!lh_parse_f64(LH_S("1e309"), &d) &&
              !lh_parse_f64(LH_S("-1e99999999999999999999"), &d));
    ck_assert(lh_parse_f64(LH_S("1e-400"), &d) && d == 0);
    ck_assert(lh_parse_f64(LH_S("0e99999999999999999999"), &d) && d == 0);
    ck_assert(lh_parse_f64(LH_S("0.00000000000000000000000000001e-99999999999"), &d) && d == 0);
    ck_assert(lh_parse_f64(LH_S("4.9406564584124654e-324"), &d) && d > 0);
    static const lh_str bad[] = {LH_S_INIT(""),   LH_S_INIT("nan"), LH_S_INIT("inf"),
                                 LH_S_INIT("1."), LH_S_INIT(".5"),  LH_S_INIT("01"),
                                 LH_S_INIT("+1"), LH_S_INIT("1e"),  LH_S_INIT("0x1"),
                                 LH_S_INIT("1 "), LH_S_INIT("-"),   LH_S_INIT("1e5x")};
    for (size_t n = 0; n < LH_ARRAY_LEN(bad); n++)
        ck_assert_msg(!lh_parse_f64(bad[n], &d), "%s", bad[n].ptr);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

LH_TEST(doubles_read_back_as_they_were)
{
    uint64_t state = 88172645463325252ull;
    for (int n = 0; n < 200000; n++) {
        uint64_t bits = next_random(&state);
        double value, back;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        char text[LH_F64_TEXT_MAX];
        size_t len = lh_f64_text(value, text);
        ck_assert_uint_le(len, sizeof(text));
        if (!lh_parse_f64(lh_str_n(text, len), &back) || memcmp(&back, &value, 8) != 0)
            ck_abort_msg("%.*s", (int)len, text);
    }
}

LH_TEST(doubles_look_as_people_write_them)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {1, "1"},
                 {0.1, "0.1"},
                 {100000, "100000"},
                 {1e16, "10000000000000000"},
                 {1e300, "1e+300"},
                 {1e17, "1e+17"},
                 {0.000001, "0.000001"},
                 {1e-7, "1e-07"},
                 {-2.5, "-2.5"},
                 {123456.789, "123456.789"},
                 {5e-324, "5e-324"},
                 {(double)INFINITY, "inf"},
                 {-(double)INFINITY, "-inf"},
                 {(double)NAN, "nan"}};
    char text[LH_F64_TEXT_MAX];
    for (size_t n = 0; n < LH_ARRAY_LEN(cases); n++)
        ck_assert_text(lh_str_n(text, lh_f64_text(cases[n].value, text)), cases[n].text);
    ck_assert_text(lh_str_n(text, lh_f32_text(0.1F, text)), "0.1");
    ck_assert_text(lh_str_n(text, lh_f32_text(16777216.0F, text)), "16777216");
}
