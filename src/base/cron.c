/* cron.c - a line becomes five bit sets; the next minute is found day by day, hour by hour. */
#include "base/cron.h"

#include "base/clock.h"

#define US_PER_MINUTE (INT64_C(60) * 1000000)
#define US_PER_DAY    (INT64_C(1440) * US_PER_MINUTE)
#define DAYS_LOOKED   (366 * 8 + 1) /* two leap days are at most eight years apart */

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                     "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

typedef struct field_kind {
    const char *name;
    unsigned low;
    unsigned high;
    const char *const *words; /* of low, low + 1, ... */
    size_t words_count;
} field_kind;

static const field_kind kinds[] = {{"minute", 0, 59, NULL, 0},
                                   {"hour", 0, 23, NULL, 0},
                                   {"day of month", 1, 31, NULL, 0},
                                   {"month", 1, 12, months, LH_ARRAY_LEN(months)},
                                   {"day of week", 0, 7, weekdays, LH_ARRAY_LEN(weekdays)}};

static const struct {
    const char *word;
    const char *line;
} macros[] = {{"@hourly", "0 * * * *"},
              {"@daily", "0 0 * * *"},
              {"@weekly", "0 0 * * 0"},
              {"@monthly", "0 0 1 * *"},
              {"@yearly", "0 0 1 1 *"}};

static lh_rc wrong(lh_ctx *cx, const field_kind *kind, lh_str text)
{
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "'%.*s' is no %s of a schedule",
                      LH_STR_ARG(lh_str_sub(text, 0, lh_utf8_cut(text, 40))), kind->name));
    return lh_err_hint(cx, "%u to %u, '*', lists, ranges and steps: \"*/15 8-18 * * mon-fri\"",
                       kind->low, kind->high);
}

static bool take_number(lh_str *text, unsigned *ret)
{
    unsigned value = 0;
    size_t digits = 0;
    while (digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9') {
        value = value * 10 + (unsigned)(text->ptr[digits] - '0');
        if (++digits > 2)
            return false;
    }
    *text = lh_str_from_offset(*text, digits);
    *ret = value;
    return digits > 0;
}

static bool take_value(const field_kind *kind, lh_str *text, unsigned *ret)
{
    for (size_t i = 0; i < kind->words_count; i++) {
        if (text->len >= 3 &&
            lh_str_eq_nocase(lh_str_sub(*text, 0, 3), lh_str_from(kind->words[i]))) {
            *text = lh_str_from_offset(*text, 3);
            *ret = kind->low + (unsigned)i;
            return true;
        }
    }
    return take_number(text, ret) && *ret >= kind->low && *ret <= kind->high;
}

static bool take_char(lh_str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = lh_str_from_offset(*text, 1);
    return true;
}

/* "*", "n" or "a-b", and "/n" behind the first and the last of them. */
static bool add_item(const field_kind *kind, lh_str item, uint64_t *bits)
{
    unsigned first = kind->low;
    unsigned last = kind->high;
    unsigned step = 1;
    bool many = take_char(&item, '*');
    if (!many) {
        if (!take_value(kind, &item, &first))
            return false;
        last = first;
        if (take_char(&item, '-')) {
            if (!take_value(kind, &item, &last) || last < first)
                return false;
            many = true;
        }
    }
    if (take_char(&item, '/') && (!many || !take_number(&item, &step) || step == 0 || step > 60))
        return false;
    if (item.len > 0)
        return false;
    for (unsigned value = first; value <= last; value += step)
        *bits |= UINT64_C(1) << value;
    return true;
}

static lh_rc parse_field(lh_ctx *cx, const field_kind *kind, lh_str text, uint64_t *ret_bits)
{
    uint64_t bits = 0;
    lh_str rest = text;
    for (;;) {
        size_t comma = lh_str_find_char(rest, ',');
        lh_str item = lh_str_sub(rest, 0, comma == LH_STR_NPOS ? rest.len : comma);
        if (item.len == 0 || !add_item(kind, item, &bits))
            return wrong(cx, kind, text);
        if (comma == LH_STR_NPOS)
            break;
        rest = lh_str_from_offset(rest, comma + 1);
    }
    *ret_bits = bits;
    return LH_OK;
}

/* The next word; empty at the end. */
static lh_str take_word(lh_str *text)
{
    size_t begin = 0;
    while (begin < text->len && (text->ptr[begin] == ' ' || text->ptr[begin] == '\t'))
        begin++;
    size_t end = begin;
    while (end < text->len && text->ptr[end] != ' ' && text->ptr[end] != '\t')
        end++;
    lh_str word = lh_str_sub(*text, begin, end - begin);
    *text = lh_str_from_offset(*text, end);
    return word;
}

static lh_rc wrong_count(lh_ctx *cx)
{
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "a schedule has five fields"));
    return lh_err_hint(cx, "minute hour day-of-month month day-of-week, UTC: \"0 3 * * *\"");
}

static bool day_fits(const lh_cron *cron, int64_t days)
{
    int year;
    int month;
    int day;
    lh_civil_from_days(days, &year, &month, &day);
    int64_t weekday = ((days + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
    bool by_day = (cron->days >> day & 1u) != 0;
    bool by_weekday = (cron->weekdays >> weekday & 1u) != 0;
    if ((cron->months >> month & 1u) == 0)
        return false;
    return cron->any_day || cron->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

static int64_t next_of_day(const lh_cron *cron, int64_t from_minute)
{
    for (int64_t minute = from_minute; minute < 1440; minute++) {
        if ((cron->hours >> (minute / 60) & 1u) == 0)
            minute += 59 - minute % 60;
        else if ((cron->minutes >> (minute % 60) & 1u) != 0)
            return minute;
    }
    return -1;
}

int64_t lh_cron_next(const lh_cron *cron, int64_t after_us)
{
    int64_t day = after_us / US_PER_DAY - (after_us % US_PER_DAY < 0);
    int64_t from_minute = (after_us - day * US_PER_DAY) / US_PER_MINUTE + 1;
    for (int looked = 0; looked < DAYS_LOOKED; looked++, day++, from_minute = 0) {
        int64_t minute = day_fits(cron, day) ? next_of_day(cron, from_minute) : -1;
        if (minute >= 0)
            return day * US_PER_DAY + minute * US_PER_MINUTE;
    }
    return INT64_MAX;
}

lh_rc lh_cron_parse(lh_ctx *cx, lh_str text, lh_cron *ret_cron)
{
    uint64_t bits[LH_ARRAY_LEN(kinds)];
    lh_str words[LH_ARRAY_LEN(kinds)];
    text = lh_str_trim(text);
    if (text.len > LH_CRON_TEXT_MAX)
        return wrong_count(cx);
    for (size_t i = 0; i < LH_ARRAY_LEN(macros); i++) {
        if (lh_str_eq_nocase(text, lh_str_from(macros[i].word)))
            text = lh_str_from(macros[i].line);
    }
    for (size_t i = 0; i < LH_ARRAY_LEN(kinds); i++) {
        words[i] = take_word(&text);
        if (words[i].len == 0)
            return wrong_count(cx);
    }
    if (lh_str_trim(text).len > 0)
        return wrong_count(cx);
    for (size_t i = 0; i < LH_ARRAY_LEN(kinds); i++)
        LH_TRY(parse_field(cx, &kinds[i], words[i], &bits[i]));
    lh_cron cron = {.minutes = bits[0],
                    .hours = (uint32_t)bits[1],
                    .days = (uint32_t)bits[2],
                    .months = (uint32_t)bits[3],
                    .weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f),
                    .any_day = words[2].ptr[0] == '*',
                    .any_weekday = words[4].ptr[0] == '*'};
    if (lh_cron_next(&cron, 0) == INT64_MAX) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "a schedule of days that never come"));
        return lh_err_hint(cx, "that month has no such day");
    }
    *ret_cron = cron;
    return LH_OK;
}
