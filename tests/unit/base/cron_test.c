/* Schedules mean the minutes cron says they mean; what is not a schedule is refused. links: os */
#include "base/cron.h"

#include "base/clock.h"
#include "support/scratch.h"

/* Asserts that after `after` come the times of `next`, one after another. */
static void check_times(const char *line, const char *after, const char *const *next, size_t count)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_cron cron;
    int64_t at_us;
    char text[LH_TIME_TEXT_BYTES];
    ck_lh_ok(&s, lh_cron_parse(&s.cx, lh_str_from(line), &cron));
    ck_assert(lh_time_parse(lh_str_from(after), &at_us));
    for (size_t i = 0; i < count; i++) {
        at_us = lh_cron_next(&cron, at_us);
        lh_str shown = lh_time_text(at_us, text);
        ck_assert_msg(lh_str_starts(shown, lh_str_from(next[i])), "'%s' after %s: %s, not %s", line,
                      after, text, next[i]);
        ck_assert_int_eq(at_us % 60000000, 0);
    }
    lh_scratch_close(&s);
}
#define TIMES(line, after, ...)                                                                    \
    do {                                                                                           \
        static const char *const times[] = {__VA_ARGS__};                                          \
        check_times((line), (after), times, LH_ARRAY_LEN(times));                                  \
    } while (0)

LH_TEST(minutes_hours_and_steps)
{
    TIMES("* * * * *", "2026-11-21T10:00:00Z", "2026-11-21T10:01", "2026-11-21T10:02");
    TIMES("* * * * *", "2026-11-21T23:59:59.999999Z", "2026-11-22T00:00");
    TIMES("0 * * * *", "2026-11-21T10:00:00Z", "2026-11-21T11:00", "2026-11-21T12:00");
    TIMES("*/20 * * * *", "2026-11-21T10:45:00Z", "2026-11-21T11:00", "2026-11-21T11:20",
          "2026-11-21T11:40", "2026-11-21T12:00");
    TIMES("5-20/7 3 * * *", "2026-11-21T03:05:00Z", "2026-11-21T03:12", "2026-11-21T03:19",
          "2026-11-22T03:05");
    TIMES("59 23 31 12 *", "2026-11-21T10:00:00Z", "2026-12-31T23:59", "2027-12-31T23:59");
    TIMES("1,3,2 0,12 * * *", "2026-11-21T00:02:30Z", "2026-11-21T00:03", "2026-11-21T12:01");
    TIMES("  15\t3  *  * * ", "2026-11-21T00:00:00Z", "2026-11-21T03:15");
}

LH_TEST(days_months_and_leap_years)
{
    TIMES("0 0 31 * *", "2026-01-31T00:00:00Z", "2026-03-31", "2026-05-31", "2026-07-31");
    TIMES("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29", "2032-02-29");
    TIMES("0 0 29 feb *", "2096-03-01T00:00:00Z", "2104-02-29"); /* 2100 is no leap year */
    TIMES("0 0 1 JAN,jul *", "2026-11-21T00:00:00Z", "2027-01-01", "2027-07-01");
    TIMES("0 12 * * sun", "2026-11-21T00:00:00Z", "2026-11-22T12:00", "2026-11-29T12:00");
    TIMES("0 12 * * 7", "2026-11-21T00:00:00Z", "2026-11-22T12:00");
    TIMES("0 12 * * 5-7", "2026-11-22T12:00:00Z", "2026-11-27T12:00", "2026-11-28T12:00",
          "2026-11-29T12:00");
    TIMES("30 8 * * mon-fri", "2026-11-20T08:30:00Z", "2026-11-23T08:30");
}

LH_TEST(two_restricted_days_mean_either)
{
    TIMES("0 0 13 * fri", "2026-11-01T00:00:00Z", "2026-11-06", "2026-11-13", "2026-11-20");
    TIMES("0 0 15 * mon", "2026-11-10T00:00:00Z", "2026-11-15", "2026-11-16");
    TIMES("0 0 */10 * mon", "2026-11-01T00:00:00Z", "2026-12-21"); /* a star: both must fit */
}

LH_TEST(names_of_whole_schedules)
{
    TIMES("@hourly", "2026-11-21T10:10:00Z", "2026-11-21T11:00");
    TIMES("@daily", "2026-11-21T10:10:00Z", "2026-11-22T00:00");
    TIMES("@weekly", "2026-11-21T10:10:00Z", "2026-11-22T00:00", "2026-11-29T00:00");
    TIMES("@monthly", "2026-11-21T10:10:00Z", "2026-12-01T00:00");
    TIMES("@YEARLY", "2026-11-21T10:10:00Z", "2027-01-01T00:00");
}

/* No zone, no summer time: every day has 24 hours, also where Europe and America change theirs. */
LH_TEST(no_hour_comes_twice_or_never)
{
    TIMES("30 1,2 * * *", "2026-03-29T00:00:00Z", "2026-03-29T01:30", "2026-03-29T02:30",
          "2026-03-30T01:30");
    TIMES("30 1,2 * * *", "2026-10-25T00:00:00Z", "2026-10-25T01:30", "2026-10-25T02:30",
          "2026-10-26T01:30");
    TIMES("0 0 * * *", "1969-12-31T23:00:00Z", "1970-01-01T00:00");
    TIMES("0 0 1 1 *", "1969-06-01T00:00:00Z", "1970-01-01T00:00");
}

LH_TEST(what_is_no_schedule_is_refused)
{
    static const char *const lines[] = {"",
                                        "* * * *",
                                        "* * * * * *",
                                        "60 * * * *",
                                        "* 24 * * *",
                                        "* * 0 * *",
                                        "* * 32 * *",
                                        "* * * 0 *",
                                        "* * * 13 *",
                                        "* * * * 8",
                                        "-1 * * * *",
                                        "1- * * * *",
                                        "5-1 * * * *",
                                        "*/0 * * * *",
                                        "*/61 * * * *",
                                        "1/5 * * * *",
                                        "1,,2 * * * *",
                                        ",1 * * * *",
                                        "1, * * * *",
                                        "a * * * *",
                                        "* * * foo *",
                                        "* * * * mondays",
                                        "0 0 30 2 *",
                                        "0 0 31 4,6 *",
                                        "@reboot",
                                        "@dailyx",
                                        "* * * * *;x",
                                        "1.5 * * * *",
                                        "001 * * * *",
                                        "*-5 * * * *",
                                        "** * * * *",
                                        "* * * janfeb *"};
    lh_scratch s;
    lh_scratch_open(&s);
    lh_cron cron;
    for (size_t i = 0; i < LH_ARRAY_LEN(lines); i++)
        ck_assert_msg(lh_cron_parse(&s.cx, lh_str_from(lines[i]), &cron) == LH_E_BAD_VALUE, "'%s'",
                      lines[i]);
    char longest[LH_CRON_TEXT_MAX + 20];
    memset(longest, '1', sizeof longest);
    ck_lh_fails(lh_cron_parse(&s.cx, lh_str_n(longest, sizeof longest), &cron), LH_E_BAD_VALUE);
    lh_scratch_close(&s);
}
