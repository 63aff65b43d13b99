/* num.c - exact parsing and printing of integers, sizes and durations. Doubles: f64_text.cc. */
#include "base/num.h"

bool lh_parse_u64(lh_str text, uint64_t *ret)
{
    if (text.len == 0 || text.len > 20)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.ptr[i] - '0';
        if (digit > 9 || !lh_mul_u64(value, 10, &value) || !lh_add_u64(value, digit, &value))
            return false;
    }
    *ret = value;
    return true;
}

bool lh_parse_i64(lh_str text, int64_t *ret)
{
    int negative = text.len > 0 && text.ptr[0] == '-';
    uint64_t magnitude;
    if (!lh_parse_u64(lh_str_from_offset(text, (size_t)negative), &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + (uint64_t)negative)
        return false;
    *ret = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

/* Splits "512MiB" into its digits and the unit behind them. */
static bool parse_with_unit(lh_str text, uint64_t *ret_value, lh_str *ret_unit)
{
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    *ret_unit = lh_str_from_offset(text, digits);
    return lh_parse_u64(lh_str_sub(text, 0, digits), ret_value);
}

typedef struct unit_row {
    lh_str name;
    uint64_t factor;
} unit_row;

static bool scale(uint64_t value, lh_str unit, const unit_row *rows, size_t count, uint64_t *ret)
{
    for (size_t i = 0; i < count; i++)
        if (lh_str_eq_nocase(unit, rows[i].name))
            return lh_mul_u64(value, rows[i].factor, ret);
    return false;
}

bool lh_parse_size(lh_str text, uint64_t *ret_bytes)
{
    static const unit_row rows[] = {
        {LH_S_INIT(""), 1},
        {LH_S_INIT("B"), 1},
        {LH_S_INIT("KB"), UINT64_C(1000)},
        {LH_S_INIT("MB"), UINT64_C(1000000)},
        {LH_S_INIT("GB"), UINT64_C(1000000000)},
        {LH_S_INIT("TB"), UINT64_C(1000000000000)},
        {LH_S_INIT("KiB"), UINT64_C(1) << 10},
        {LH_S_INIT("MiB"), UINT64_C(1) << 20},
        {LH_S_INIT("GiB"), UINT64_C(1) << 30},
        {LH_S_INIT("TiB"), UINT64_C(1) << 40},
    };
    uint64_t value;
    uint64_t bytes;
    lh_str unit;
    if (!parse_with_unit(text, &value, &unit) ||
        !scale(value, unit, rows, LH_ARRAY_LEN(rows), &bytes))
        return false;
    *ret_bytes = bytes;
    return true;
}

bool lh_parse_duration_us(lh_str text, int64_t *ret_us)
{
    static const unit_row rows[] = {
        {LH_S_INIT(""), UINT64_C(1000000)},
        {LH_S_INIT("us"), 1},
        {LH_S_INIT("ms"), 1000},
        {LH_S_INIT("s"), UINT64_C(1000000)},
        {LH_S_INIT("m"), UINT64_C(60000000)},
        {LH_S_INIT("h"), UINT64_C(3600000000)},
        {LH_S_INIT("d"), UINT64_C(86400000000)},
    };
    uint64_t value;
    uint64_t us;
    lh_str unit;
    if (!parse_with_unit(text, &value, &unit) || !scale(value, unit, rows, LH_ARRAY_LEN(rows), &us))
        return false;
    if (us > (uint64_t)INT64_MAX)
        return false;
    *ret_us = (int64_t)us;
    return true;
}

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static size_t digits_count(uint64_t value)
{
    /* log10 from log2 (1233/4096 is just above log10(2)), then one comparison corrects it. */
    static const uint64_t powers[] = {
        0,
        UINT64_C(10),
        UINT64_C(100),
        UINT64_C(1000),
        UINT64_C(10000),
        UINT64_C(100000),
        UINT64_C(1000000),
        UINT64_C(10000000),
        UINT64_C(100000000),
        UINT64_C(1000000000),
        UINT64_C(10000000000),
        UINT64_C(100000000000),
        UINT64_C(1000000000000),
        UINT64_C(10000000000000),
        UINT64_C(100000000000000),
        UINT64_C(1000000000000000),
        UINT64_C(10000000000000000),
        UINT64_C(100000000000000000),
        UINT64_C(1000000000000000000),
        UINT64_C(10000000000000000000),
    };
    size_t guess = (size_t)(64 - __builtin_clzll(value | 1)) * 1233 >> 12;
    return guess + (value >= powers[guess]);
}

size_t lh_u64_text(uint64_t value, char *out)
{
    size_t count = value == 0 ? 1 : digits_count(value);
    char *end = out + count;
    while (value >= 100) {
        uint64_t rest = value / 100;
        end -= 2;
        memcpy(end, &digit_pairs[2 * (value - rest * 100)], 2);
        value = rest;
    }
    if (value >= 10)
        memcpy(end - 2, &digit_pairs[2 * value], 2);
    else
        end[-1] = (char)('0' + value);
    return count;
}

size_t lh_i64_text(int64_t value, char *out)
{
    if (value >= 0)
        return lh_u64_text((uint64_t)value, out);
    out[0] = '-';
    return 1 + lh_u64_text(0 - (uint64_t)value, out + 1);
}
