#include "base/clock.h"

#include "fixture.h"

#include <time.h>

LH_TEST(times_print_and_parse_as_rfc3339)
{
    char text[LH_TIME_TEXT_BYTES];
    ck_assert_text(lh_time_text(0, text), "1970-01-01T00:00:00.000000Z");
    ck_assert_text(lh_time_text(-1, text), "1969-12-31T23:59:59.999999Z");
    ck_assert_text(lh_time_text(1795268160123456, text), "2026-11-21T13:36:00.123456Z");
    ck_assert_text(lh_time_text(INT64_MAX, text), "9999-12-31T23:59:59.999999Z");
    ck_assert_text(lh_time_text(INT64_MIN, text), "0001-01-01T00:00:00.000000Z");
}

LH_TEST(parsing_takes_offsets_and_fractions)
{
    static const struct {
        lh_str text;
        int64_t us;
    } good[] = {
        {LH_S_INIT("1970-01-01T00:00:00Z"), 0},
        {LH_S_INIT("1970-01-01t00:00:00.5z"), 500000},
        {LH_S_INIT("1970-01-01 00:00:01.123456789Z"), 1123456},
        {LH_S_INIT("1970-01-01T02:00:00+02:00"), 0},
        {LH_S_INIT("1969-12-31T23:30:00-00:30"), 0},
        {LH_S_INIT("2024-02-29T00:00:00Z"), 1709164800000000},
        {LH_S_INIT("0001-01-01T00:00:00Z"), -62135596800000000},
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(good); i++) {
        int64_t us = 1;
        ck_assert_msg(lh_time_parse(good[i].text, &us), "%s", good[i].text.ptr);
        ck_assert_int_eq(us, good[i].us);
    }
    static const lh_str bad[] = {LH_S_INIT(""),
                                 LH_S_INIT("2026-11-21"),
                                 LH_S_INIT("2026-11-21T13:36:00"),
                                 LH_S_INIT("2023-02-29T00:00:00Z"),
                                 LH_S_INIT("1900-02-29T00:00:00Z"),
                                 LH_S_INIT("2026-13-01T00:00:00Z"),
                                 LH_S_INIT("2026-00-01T00:00:00Z"),
                                 LH_S_INIT("2026-01-32T00:00:00Z"),
                                 LH_S_INIT("2026-01-01T24:00:00Z"),
                                 LH_S_INIT("2026-01-01T00:60:00Z"),
                                 LH_S_INIT("2026-01-01T00:00:60Z"),
                                 LH_S_INIT("2026-01-01T00:00:00.Z"),
                                 LH_S_INIT("2026-01-01T00:00:00.1234567890Z"),
                                 LH_S_INIT("2026-01-01T00:00:00+2:00"),
                                 LH_S_INIT("2026-01-01T00:00:00Zx"),
                                 LH_S_INIT("0000-01-01T00:00:00Z"),
                                 LH_S_INIT("0001-01-01T00:00:00+00:01"),
                                 LH_S_INIT("9999-12-31T23:59:59-00:01"),
                                 LH_S_INIT("2026-01-01T00:00:00+24:00")};
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++) {
        int64_t us;
        ck_assert_msg(!lh_time_parse(bad[i], &us), "%s", bad[i].ptr);
    }
}

LH_TEST(days_agree_with_the_c_library)
{
    for (int64_t day = -200000; day < 200000; day += 17) {
        time_t seconds = (time_t)(day * 86400);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        int year, month, date;
        lh_civil_from_days(day, &year, &month, &date);
        ck_assert(year == tm.tm_year + 1900 && month == tm.tm_mon + 1 && date == tm.tm_mday);
        ck_assert_int_eq(lh_days_from_civil(year, month, date), day);
    }
}

LH_TEST(tests_drive_both_clocks)
{
    lh_clock_set_test(10, 20);
    lh_clock_advance_test(5);
    ck_assert_int_eq(lh_clock_mono_us(), 15);
    ck_assert_int_eq(lh_clock_real_us(), 25);
    lh_clock_reset();
    ck_assert_int_gt(lh_clock_real_us(), 1700000000000000);
}
