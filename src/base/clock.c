/* clock.c - two clocks behind one switch for tests, and RFC 3339 by calendar arithmetic of our own:
 * the C library's depends on the time zone and the locale. */
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

#define NS_PER_S   INT64_C(1000000000)
#define US_PER_S   INT64_C(1000000)
#define US_PER_DAY (INT64_C(86400) * US_PER_S)

static atomic_int test_clock;
static _Atomic int64_t test_mono_us;
static _Atomic int64_t test_real_us;

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now); /* cannot fail for these two */
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

int64_t lh_clock_mono_us(void)
{
    if (LH_UNLIKELY(atomic_load_explicit(&test_clock, memory_order_relaxed)))
        return atomic_load(&test_mono_us);
    return read_clock(CLOCK_MONOTONIC);
}

int64_t lh_clock_mono_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this one */
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t lh_clock_real_us(void)
{
    if (LH_UNLIKELY(atomic_load_explicit(&test_clock, memory_order_relaxed)))
        return atomic_load(&test_real_us);
    return read_clock(CLOCK_REALTIME);
}

void lh_clock_set_test(int64_t mono_us, int64_t real_us)
{
    atomic_store(&test_mono_us, mono_us);
    atomic_store(&test_real_us, real_us);
    atomic_store(&test_clock, 1);
}

void lh_clock_advance_test(int64_t us)
{
    lh_assert(atomic_load(&test_clock));
    atomic_fetch_add(&test_mono_us, us);
    atomic_fetch_add(&test_real_us, us);
}

void lh_clock_reset(void)
{
    atomic_store(&test_clock, 0);
}

/* Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years start in March, eras have
 * 400 years. */
int64_t lh_days_from_civil(int year, int month, int day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void lh_civil_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *ret_day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *ret_month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

static char *put_digits(char *out, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + count;
}

static int64_t real_us_min(void)
{
    return lh_days_from_civil(1, 1, 1) * US_PER_DAY;
}

static int64_t real_us_max(void)
{
    return lh_days_from_civil(10000, 1, 1) * US_PER_DAY - 1;
}

lh_str lh_time_text(int64_t real_us, char out[LH_TIME_TEXT_BYTES])
{
    real_us = LH_MAX(real_us_min(), LH_MIN(real_us, real_us_max()));
    int64_t days = real_us / US_PER_DAY - (real_us % US_PER_DAY < 0);
    int64_t us = real_us - days * US_PER_DAY;
    int year, month, day;
    lh_civil_from_days(days, &year, &month, &day);
    char *p = put_digits(out, year, 4);
    *p++ = '-';
    p = put_digits(p, month, 2);
    *p++ = '-';
    p = put_digits(p, day, 2);
    *p++ = 'T';
    p = put_digits(p, us / (3600 * US_PER_S), 2);
    *p++ = ':';
    p = put_digits(p, us / (60 * US_PER_S) % 60, 2);
    *p++ = ':';
    p = put_digits(p, us / US_PER_S % 60, 2);
    *p++ = '.';
    p = put_digits(p, us % US_PER_S, 6);
    *p++ = 'Z';
    *p = '\0';
    return (lh_str){out, (size_t)(p - out)};
}

/* Takes count digits off the front of *text. */
static bool take_digits(lh_str *text, size_t count, int *ret)
{
    if (text->len < count)
        return false;
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        if (text->ptr[i] < '0' || text->ptr[i] > '9')
            return false;
        value = value * 10 + (text->ptr[i] - '0');
    }
    *text = lh_str_from_offset(*text, count);
    *ret = value;
    return true;
}

static bool take_char(lh_str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = lh_str_from_offset(*text, 1);
    return true;
}

static bool take_date(lh_str *text, int64_t *ret_days)
{
    static const int days_of_month[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!take_digits(text, 4, &year) || !take_char(text, '-') || !take_digits(text, 2, &month) ||
        !take_char(text, '-') || !take_digits(text, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_of_month[month - 1])
        return false;
    int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month == 2 && day == 29 && !is_leap)
        return false;
    *ret_days = lh_days_from_civil(year, month, day);
    return true;
}

/* ".5" -> 500000; nothing there -> 0. Digits behind the sixth are read and dropped. */
static bool take_fraction(lh_str *text, int64_t *ret_us)
{
    *ret_us = 0;
    if (!take_char(text, '.'))
        return true;
    int64_t unit = US_PER_S;
    int count = 0;
    int digit;
    while (take_digits(text, 1, &digit)) {
        unit /= 10;
        *ret_us += digit * unit;
        count++;
    }
    return count >= 1 && count <= 9;
}

static bool take_offset(lh_str *text, int64_t *ret_minutes)
{
    *ret_minutes = 0;
    if (take_char(text, 'Z') || take_char(text, 'z'))
        return true;
    int sign = take_char(text, '+') ? 1 : take_char(text, '-') ? -1 : 0;
    int hours, minutes;
    if (sign == 0 || !take_digits(text, 2, &hours) || !take_char(text, ':') ||
        !take_digits(text, 2, &minutes))
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return hours <= 23 && minutes <= 59;
}

bool lh_time_parse(lh_str text, int64_t *ret_real_us)
{
    int64_t days, fraction_us, offset_minutes;
    int hour, minute, second;
    if (!take_date(&text, &days) ||
        !(take_char(&text, 'T') || take_char(&text, 't') || take_char(&text, ' ')))
        return false;
    if (!take_digits(&text, 2, &hour) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &minute) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &second) || hour > 23 || minute > 59 || second > 59)
        return false;
    if (!take_fraction(&text, &fraction_us) || !take_offset(&text, &offset_minutes) ||
        text.len != 0)
        return false;
    int64_t real_us = days * US_PER_DAY +
                      ((int64_t)hour * 3600 + (minute - offset_minutes) * 60 + second) * US_PER_S +
                      fraction_us;
    if (real_us < real_us_min() || real_us > real_us_max())
        return false;
    *ret_real_us = real_us;
    return true;
}
