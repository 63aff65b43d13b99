/* sql_text.c - values of fixed size as text: numbers, dates, times, intervals, UUIDs.
 *
 * Dates and times are ISO 8601 (RFC 3339 where it has a form): 2024-02-29, 2024-02-29T12:00:00.5,
 * with Z for a TIMESTAMP WITH TIME ZONE, infinity and -infinity as the engine says, years outside
 * 0000..9999 signed. Intervals are ISO 8601 durations. Fractions carry as many digits as they
 * need. */
#include "worker/programs/sql_column.h"

#include "base/clock.h"
#include "base/num.h"

#include <math.h>

#define US_PER_S  INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)
#define S_PER_DAY INT64_C(86400)
#define TEN_TO_19 UINT64_C(10000000000000000000)

/* ---------------------------------------------------------------- integers */

#define INTEGER_TEXT(name, c_type, print)                                                          \
    static size_t name(const lh_column *column, idx_t row, char *out)                              \
    {                                                                                              \
        return print(((const c_type *)column->data)[row], out);                                    \
    }
INTEGER_TEXT(text_i8, int8_t, lh_i64_text)
INTEGER_TEXT(text_i16, int16_t, lh_i64_text)
INTEGER_TEXT(text_i32, int32_t, lh_i64_text)
INTEGER_TEXT(text_i64, int64_t, lh_i64_text)
INTEGER_TEXT(text_u8, uint8_t, lh_u64_text)
INTEGER_TEXT(text_u16, uint16_t, lh_u64_text)
INTEGER_TEXT(text_u32, uint32_t, lh_u64_text)
INTEGER_TEXT(text_u64, uint64_t, lh_u64_text)

static size_t pad_u64(uint64_t value, size_t digits, char *out)
{
    for (size_t i = digits; i > 0; i--) {
        out[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return digits;
}

static size_t u128_text(unsigned __int128 value, char *out)
{
    if (value <= UINT64_MAX)
        return lh_u64_text((uint64_t)value, out);
    size_t len = u128_text(value / TEN_TO_19, out);
    return len + pad_u64((uint64_t)(value % TEN_TO_19), 19, out + len);
}

static size_t text_i128(const lh_column *column, idx_t row, char *out)
{
    duckdb_hugeint h = ((const duckdb_hugeint *)column->data)[row];
    unsigned __int128 bits = (unsigned __int128)(uint64_t)h.upper << 64 | h.lower;
    if (h.upper >= 0)
        return u128_text(bits, out);
    out[0] = '-';
    return 1 + u128_text(-bits, out + 1);
}

static size_t text_u128(const lh_column *column, idx_t row, char *out)
{
    duckdb_uhugeint h = ((const duckdb_uhugeint *)column->data)[row];
    return u128_text((unsigned __int128)h.upper << 64 | h.lower, out);
}

/* ---------------------------------------------------------------- reals and decimals */

static size_t text_f64(const lh_column *column, idx_t row, char *out)
{
    double value = ((const double *)column->data)[row];
    return isfinite(value) ? lh_f64_text(value, out) : 0;
}

static size_t text_f32(const lh_column *column, idx_t row, char *out)
{
    float value = ((const float *)column->data)[row];
    return isfinite(value) ? lh_f32_text(value, out) : 0;
}

/* Puts the point into the digits of an integer: 5 with scale 2 is 0.05. */
static size_t point_text(char *digits, size_t len, size_t scale, char *out)
{
    size_t n = 0;
    if (len > 0 && digits[0] == '-') {
        out[n++] = '-';
        digits++;
        len--;
    }
    if (len <= scale) {
        out[n++] = '0';
    } else {
        memcpy(out + n, digits, len - scale);
        n += len - scale;
    }
    if (scale == 0)
        return n;
    out[n++] = '.';
    for (size_t i = len; i < scale; i++)
        out[n++] = '0';
    size_t tail = LH_MIN(len, scale);
    memcpy(out + n, digits + len - tail, tail);
    return n + tail;
}

#define DECIMAL_TEXT(name, integer)                                                                \
    static size_t name(const lh_column *column, idx_t row, char *out)                              \
    {                                                                                              \
        char digits[48];                                                                           \
        return point_text(digits, integer(column, row, digits), column->scale, out);               \
    }
DECIMAL_TEXT(text_decimal_16, text_i16)
DECIMAL_TEXT(text_decimal_32, text_i32)
DECIMAL_TEXT(text_decimal_64, text_i64)
DECIMAL_TEXT(text_decimal_128, text_i128)

/* ---------------------------------------------------------------- dates and times */

static size_t word(const char *text, char *out)
{
    size_t len = strlen(text);
    memcpy(out, text, len);
    return len;
}

static size_t days_text(int64_t days, char *out)
{
    int year, month, day;
    lh_civil_from_days(days, &year, &month, &day);
    size_t n = 0;
    if (year < 0 || year > 9999)
        out[n++] = year < 0 ? '-' : '+';
    uint64_t shown = (uint64_t)(year < 0 ? -(int64_t)year : year);
    if (shown > 9999)
        n += lh_u64_text(shown, out + n);
    else
        n += pad_u64(shown, 4, out + n);
    out[n++] = '-';
    n += pad_u64((uint64_t)month, 2, out + n);
    out[n++] = '-';
    return n + pad_u64((uint64_t)day, 2, out + n);
}

/* .5, .000001; nothing when it is zero. */
static size_t fraction_text(uint64_t fraction, size_t digits, char *out)
{
    if (fraction == 0)
        return 0;
    out[0] = '.';
    pad_u64(fraction, digits, out + 1);
    while (out[digits] == '0')
        digits--;
    return digits + 1;
}

/* Time of day from units since midnight. */
static size_t time_text(int64_t units, int64_t per_s, size_t digits, char *out)
{
    int64_t s = units / per_s;
    size_t n = pad_u64((uint64_t)(s / 3600), 2, out);
    out[n++] = ':';
    n += pad_u64((uint64_t)(s / 60 % 60), 2, out + n);
    out[n++] = ':';
    n += pad_u64((uint64_t)(s % 60), 2, out + n);
    return n + fraction_text((uint64_t)(units % per_s), digits, out + n);
}

static size_t stamp_text(int64_t units, int64_t per_s, size_t digits, int utc, char *out)
{
    if (units == INT64_MAX)
        return word("infinity", out);
    if (units == -INT64_MAX)
        return word("-infinity", out);
    int64_t per_day = per_s * S_PER_DAY;
    int64_t days = units / per_day;
    int64_t rest = units % per_day;
    if (rest < 0) {
        rest += per_day;
        days--;
    }
    size_t n = days_text(days, out);
    out[n++] = 'T';
    n += time_text(rest, per_s, digits, out + n);
    if (utc)
        out[n++] = 'Z';
    return n;
}

static size_t text_date(const lh_column *column, idx_t row, char *out)
{
    int32_t days = ((const int32_t *)column->data)[row];
    if (days == INT32_MAX)
        return word("infinity", out);
    if (days == -INT32_MAX)
        return word("-infinity", out);
    return days_text(days, out);
}

#define STAMP_TEXT(name, per_s, digits, utc)                                                       \
    static size_t name(const lh_column *column, idx_t row, char *out)                              \
    {                                                                                              \
        return stamp_text(((const int64_t *)column->data)[row], (per_s), (digits), (utc), out);    \
    }
STAMP_TEXT(text_stamp_s, 1, 0, 0)
STAMP_TEXT(text_stamp_ms, 1000, 3, 0)
STAMP_TEXT(text_stamp_us, US_PER_S, 6, 0)
STAMP_TEXT(text_stamp_ns, NS_PER_S, 9, 0)
STAMP_TEXT(text_stamp_tz, US_PER_S, 6, 1)

static size_t text_time(const lh_column *column, idx_t row, char *out)
{
    return time_text(((const int64_t *)column->data)[row], US_PER_S, 6, out);
}

static size_t text_time_ns(const lh_column *column, idx_t row, char *out)
{
    return time_text(((const int64_t *)column->data)[row], NS_PER_S, 9, out);
}

static size_t text_time_tz(const lh_column *column, idx_t row, char *out)
{
    duckdb_time_tz_struct parts = duckdb_from_time_tz(((const duckdb_time_tz *)column->data)[row]);
    int64_t us =
        ((parts.time.hour * INT64_C(60) + parts.time.min) * 60 + parts.time.sec) * US_PER_S +
        parts.time.micros;
    size_t n = time_text(us, US_PER_S, 6, out);
    int32_t offset = parts.offset;
    out[n++] = offset < 0 ? '-' : '+';
    uint32_t shift = (uint32_t)(offset < 0 ? -offset : offset);
    n += pad_u64(shift / 3600, 2, out + n);
    out[n++] = ':';
    n += pad_u64(shift / 60 % 60, 2, out + n);
    if (shift % 60 != 0) {
        out[n++] = ':';
        n += pad_u64(shift % 60, 2, out + n);
    }
    return n;
}

static size_t part_text(int64_t value, char unit, char *out)
{
    if (value == 0)
        return 0;
    size_t n = lh_i64_text(value, out);
    out[n] = unit;
    return n + 1;
}

/* P1Y2M3DT4H5M6.5S; every part carries its own sign. */
static size_t text_interval(const lh_column *column, idx_t row, char *out)
{
    duckdb_interval v = ((const duckdb_interval *)column->data)[row];
    size_t n = 0;
    out[n++] = 'P';
    n += part_text(v.months / 12, 'Y', out + n);
    n += part_text(v.months % 12, 'M', out + n);
    n += part_text(v.days, 'D', out + n);
    if (v.micros == 0 && n > 1)
        return n;
    out[n++] = 'T';
    int64_t s = v.micros / US_PER_S;
    int64_t us = v.micros % US_PER_S;
    n += part_text(s / 3600, 'H', out + n);
    n += part_text(s / 60 % 60, 'M', out + n);
    if (s % 60 == 0 && us == 0 && v.micros != 0)
        return n;
    if (s % 60 == 0 && us < 0)
        out[n++] = '-';
    n += lh_i64_text(s % 60, out + n);
    n += fraction_text((uint64_t)(us < 0 ? -us : us), 6, out + n);
    out[n++] = 'S';
    return n;
}

/* Stored as a 128-bit number whose top bit is flipped, so that it sorts. */
static size_t text_uuid(const lh_column *column, idx_t row, char *out)
{
    static const char hex[] = "0123456789abcdef";
    duckdb_hugeint h = ((const duckdb_hugeint *)column->data)[row];
    uint64_t words[2] = {(uint64_t)h.upper ^ UINT64_C(0x8000000000000000), h.lower};
    size_t n = 0;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            out[n++] = '-';
        out[n++] = hex[words[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    return n;
}

/* ---------------------------------------------------------------- table */

lh_column_text lh_column_text_of(duckdb_type type, duckdb_type storage)
{
    switch (type) {
    case DUCKDB_TYPE_TINYINT: return text_i8;
    case DUCKDB_TYPE_SMALLINT: return text_i16;
    case DUCKDB_TYPE_INTEGER: return text_i32;
    case DUCKDB_TYPE_BIGINT: return text_i64;
    case DUCKDB_TYPE_UTINYINT: return text_u8;
    case DUCKDB_TYPE_USMALLINT: return text_u16;
    case DUCKDB_TYPE_UINTEGER: return text_u32;
    case DUCKDB_TYPE_UBIGINT: return text_u64;
    case DUCKDB_TYPE_HUGEINT: return text_i128;
    case DUCKDB_TYPE_UHUGEINT: return text_u128;
    case DUCKDB_TYPE_FLOAT: return text_f32;
    case DUCKDB_TYPE_DOUBLE: return text_f64;
    case DUCKDB_TYPE_DATE: return text_date;
    case DUCKDB_TYPE_TIME: return text_time;
    case DUCKDB_TYPE_TIME_NS: return text_time_ns;
    case DUCKDB_TYPE_TIME_TZ: return text_time_tz;
    case DUCKDB_TYPE_TIMESTAMP: return text_stamp_us;
    case DUCKDB_TYPE_TIMESTAMP_S: return text_stamp_s;
    case DUCKDB_TYPE_TIMESTAMP_MS: return text_stamp_ms;
    case DUCKDB_TYPE_TIMESTAMP_NS: return text_stamp_ns;
    case DUCKDB_TYPE_TIMESTAMP_TZ: return text_stamp_tz;
    case DUCKDB_TYPE_INTERVAL: return text_interval;
    case DUCKDB_TYPE_UUID: return text_uuid;
    case DUCKDB_TYPE_DECIMAL:
        switch (storage) {
        case DUCKDB_TYPE_SMALLINT: return text_decimal_16;
        case DUCKDB_TYPE_INTEGER: return text_decimal_32;
        case DUCKDB_TYPE_BIGINT: return text_decimal_64;
        default: return text_decimal_128;
        }
    default: return NULL;
    }
}
