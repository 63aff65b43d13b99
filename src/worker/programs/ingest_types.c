/* ingest_types.c - texts to typed values. Written by hand because the question is not "can it be
 * read as a number" but "would writing the number give this text back"; the checks fall out of the
 * same loop that reads the digits. */
#include "worker/programs/ingest_types.h"

#include "base/clock.h"
#include "base/num.h"

enum {
    BIGINT_DIGITS_MAX = 14,     /* 15 digits and more are ids (card, account, phone numbers) */
    DOUBLE_DIGITS_EXACT = 15,   /* any decimal of so many digits survives a double */
    DOUBLE_DIGITS_MAX = 17,     /* so many may, which is then tried */
    DOUBLE_FRACTION_EXACT = 22, /* 10^22 is exact in a double */
    DATE_BYTES = 10,            /* yyyy-mm-dd */
    TIME_BYTES_MIN = 5          /* hh:mm */
};

const char *lh_cell_type_name(lh_cell_type type)
{
    static const char *const names[LH_CELL_TYPE_COUNT] = {
        "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"};
    lh_assert((unsigned)type < LH_CELL_TYPE_COUNT);
    return names[type];
}

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

bool lh_cell_bigint(lh_str text, int64_t *ret)
{
    const char *p = text.ptr;
    size_t digits = text.len;
    bool negative = digits > 0 && *p == '-';
    if (negative) {
        p++;
        digits--;
    }
    if (digits == 0 || digits > BIGINT_DIGITS_MAX)
        return false;
    if (*p == '0' && (digits > 1 || negative))
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        unsigned digit = (unsigned char)(p[i] - '0');
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    *ret = negative ? -value : value;
    return true;
}

/* The parts of a decimal text: [-] digits [. digits] [e [sign] digits]. */
typedef struct decimal {
    bool negative;
    bool has_point;
    bool has_exponent;
    bool exponent_signed;
    bool leading_zero;  /* 01.5 */
    uint64_t mantissa;  /* of the first 19 significant digits */
    size_t significant; /* digits from the first that is not 0 */
    size_t trailing_zeros;
    size_t whole_digits;
    size_t fraction_digits;
} decimal;

static const char *scan_digits(const char *p, const char *end, decimal *d)
{
    for (; p < end && is_digit(*p); p++) {
        unsigned digit = (unsigned char)(*p - '0');
        if (digit != 0 || d->significant > 0) {
            d->significant++;
            d->trailing_zeros = digit == 0 ? d->trailing_zeros + 1 : 0;
            if (d->significant <= 19)
                d->mantissa = d->mantissa * 10 + digit;
        }
    }
    return p;
}

static bool scan_exponent(const char *p, const char *end, decimal *d)
{
    d->has_exponent = true;
    p++;
    if (p < end && (*p == '-' || *p == '+')) {
        d->exponent_signed = true;
        p++;
    }
    if (p == end || end - p > 4)
        return false;
    for (; p < end; p++)
        if (!is_digit(*p))
            return false;
    return true;
}

/* False when the text is not a decimal. A point needs digits behind it; before it they may be
 * missing. */
static bool scan_decimal(lh_str text, decimal *d)
{
    const char *p = text.ptr;
    const char *end = p + text.len;
    *d = (decimal){0};
    if (p < end && *p == '-') {
        d->negative = true;
        p++;
    }
    const char *whole = p;
    p = scan_digits(p, end, d);
    d->whole_digits = (size_t)(p - whole);
    d->leading_zero = d->whole_digits > 1 && *whole == '0';
    if (p < end && *p == '.') {
        d->has_point = true;
        const char *fraction = ++p;
        p = scan_digits(p, end, d);
        d->fraction_digits = (size_t)(p - fraction);
        if (d->fraction_digits == 0)
            return false;
    }
    if (d->whole_digits + d->fraction_digits == 0)
        return false;
    if (p < end && (*p == 'e' || *p == 'E'))
        return scan_exponent(p, end, d);
    return p == end;
}

static const double powers_of_ten[DOUBLE_FRACTION_EXACT + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Significant digits of a number's text without zeros at either end; returns how many. */
static size_t pure_digits(lh_str text, char out[LH_F64_TEXT_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] != 'e' && text.ptr[i] != 'E'; i++)
        if (is_digit(text.ptr[i]) && (count > 0 || text.ptr[i] != '0') && count < LH_F64_TEXT_MAX)
            out[count++] = text.ptr[i];
    while (count > 0 && out[count - 1] == '0')
        count--;
    return count;
}

/* Slow road: 16 or 17 digits, or an exponent. Right when the shortest text of the double has the
 * same digits. */
static bool double_by_trial(lh_str text, const decimal *d, double *ret)
{
    char fixed[64];
    if (text.len >= sizeof(fixed) - 1)
        return false;
    if (d->whole_digits == 0) { /* ".5" is no JSON number */
        size_t sign = d->negative ? 1 : 0;
        memcpy(fixed, "-", sign);
        fixed[sign] = '0';
        memcpy(fixed + sign + 1, text.ptr + sign, text.len - sign);
        text = (lh_str){fixed, text.len + 1};
    }
    char shortest[LH_F64_TEXT_MAX];
    char ours[LH_F64_TEXT_MAX];
    char theirs[LH_F64_TEXT_MAX];
    if (!lh_parse_f64(text, ret) || (*ret == 0 && d->significant > 0) || *ret - *ret != 0)
        return false;
    size_t shortest_len = lh_f64_text(*ret, shortest);
    size_t ours_count = pure_digits(lh_str_n(shortest, shortest_len), ours);
    size_t theirs_count = pure_digits(text, theirs);
    return ours_count == theirs_count && memcmp(ours, theirs, ours_count) == 0;
}

static bool double_of_decimal(lh_str text, const decimal *d, double *ret)
{
    if (d->leading_zero || d->significant - d->trailing_zeros > DOUBLE_DIGITS_MAX)
        return false;
    if (!d->has_exponent && d->significant <= DOUBLE_DIGITS_EXACT &&
        d->fraction_digits <= DOUBLE_FRACTION_EXACT) {
        /* Both operands are exact, so the one division rounds correctly (Clinger 1990). */
        double value = (double)d->mantissa / powers_of_ten[d->fraction_digits];
        *ret = d->negative ? -value : value;
        return true;
    }
    return double_by_trial(text, d, ret);
}

bool lh_cell_double(lh_str text, double *ret)
{
    decimal d;
    if (!scan_decimal(text, &d))
        return false;
    if (!d.has_point && !d.has_exponent) { /* a whole number in a column of decimals */
        int64_t whole;
        if (d.negative && d.significant == 0)
            return false;
        if (!lh_cell_bigint(text, &whole))
            return false;
        *ret = (double)whole;
        return true;
    }
    if (d.has_exponent && !d.has_point && !d.exponent_signed)
        return false; /* 12E5 is a part number, 1e-05 and 1.2e5 are numbers */
    return double_of_decimal(text, &d, ret);
}

bool lh_cell_boolean(lh_str text, uint8_t *ret)
{
    if (lh_str_eq(text, LH_S("true")) || lh_str_eq(text, LH_S("True")) ||
        lh_str_eq(text, LH_S("TRUE"))) {
        *ret = 1;
        return true;
    }
    *ret = 0;
    return lh_str_eq(text, LH_S("false")) || lh_str_eq(text, LH_S("False")) ||
           lh_str_eq(text, LH_S("FALSE"));
}

/* count digits at p as a number; false when one is not a digit. */
static inline bool read_digits(const char *p, size_t count, int *ret)
{
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned char)(p[i] - '0');
        if (digit > 9)
            return false;
        value = value * 10 + (int)digit;
    }
    *ret = value;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month];
}

bool lh_cell_date(lh_str text, int32_t *ret_days)
{
    int year;
    int month;
    int day;
    const char *p = text.ptr;
    if (text.len != DATE_BYTES || p[4] != '-' || p[7] != '-')
        return false;
    if (!read_digits(p, 4, &year) || !read_digits(p + 5, 2, &month) || !read_digits(p + 8, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *ret_days = (int32_t)lh_days_from_civil(year, month, day);
    return true;
}

/* hh:mm[:ss[.f{1,6}]]; returns the bytes used, 0 when it is no time of day. */
static size_t scan_time(lh_str text, int64_t *ret_us)
{
    int hour;
    int minute;
    int second = 0;
    int64_t us = 0;
    size_t used = TIME_BYTES_MIN;
    const char *p = text.ptr;
    if (text.len < used || p[2] != ':' || !read_digits(p, 2, &hour) ||
        !read_digits(p + 3, 2, &minute))
        return 0;
    if (text.len >= 8 && p[5] == ':') {
        if (!read_digits(p + 6, 2, &second))
            return 0;
        used = 8;
        if (text.len > used && p[used] == '.') {
            int64_t scale = 100000;
            size_t first = ++used;
            for (; used < text.len && is_digit(p[used]); used++, scale /= 10)
                us += (p[used] - '0') * scale;
            if (used == first || used - first > 6)
                return 0;
        }
    }
    if (hour > 23 || minute > 59 || second > 59)
        return 0;
    *ret_us = ((int64_t)hour * 3600 + minute * 60 + second) * 1000000 + us;
    return used;
}

/* Z, +hh, +hhmm, +hh:mm, whole text; false when it is no zone. */
static bool scan_zone(lh_str text, int64_t *ret_us)
{
    int hour;
    int minute = 0;
    *ret_us = 0;
    if (lh_str_eq(text, LH_S("Z")) || lh_str_eq(text, LH_S("z")))
        return true;
    const char *p = text.ptr;
    if (text.len < 3 || (p[0] != '+' && p[0] != '-') || !read_digits(p + 1, 2, &hour))
        return false;
    if (text.len > 3) {
        size_t colon = p[3] == ':' ? 1 : 0;
        if (text.len != 5 + colon || !read_digits(p + 3 + colon, 2, &minute))
            return false;
    }
    if (hour > 15 || minute > 59)
        return false;
    int64_t us = ((int64_t)hour * 3600 + minute * 60) * 1000000;
    *ret_us = p[0] == '-' ? -us : us;
    return true;
}

bool lh_cell_timestamp(lh_str text, lh_cell_type type, int64_t *ret_us)
{
    int32_t days;
    int64_t day_us;
    int64_t zone_us = 0;
    if (text.len < DATE_BYTES + 1 + TIME_BYTES_MIN)
        return false;
    if (text.ptr[DATE_BYTES] != 'T' && text.ptr[DATE_BYTES] != ' ')
        return false;
    if (!lh_cell_date(lh_str_n(text.ptr, DATE_BYTES), &days))
        return false;
    lh_str rest = lh_str_from_offset(text, DATE_BYTES + 1);
    size_t used = scan_time(rest, &day_us);
    if (used == 0)
        return false;
    rest = lh_str_from_offset(rest, used);
    if (type == LH_CELL_TIMESTAMP) {
        if (rest.len > 0)
            return false;
    } else if (!scan_zone(rest, &zone_us)) {
        return false;
    }
    *ret_us = (int64_t)days * 86400 * 1000000 + day_us - zone_us;
    return true;
}

lh_type_mask lh_cell_mask_of_string(lh_str text)
{
    int32_t days;
    int64_t us;
    if (text.len < DATE_BYTES || text.len > 40 || !is_digit(text.ptr[0]) || text.ptr[4] != '-')
        return LH_TYPE_MASK_NONE;
    if (text.len == DATE_BYTES)
        return lh_cell_date(text, &days) ? LH_TYPE_BIT(LH_CELL_DATE) : LH_TYPE_MASK_NONE;
    if (lh_cell_timestamp(text, LH_CELL_TIMESTAMP, &us))
        return LH_TYPE_BIT(LH_CELL_TIMESTAMP);
    if (lh_cell_timestamp(text, LH_CELL_TIMESTAMPTZ, &us))
        return LH_TYPE_BIT(LH_CELL_TIMESTAMPTZ);
    return LH_TYPE_MASK_NONE;
}

lh_type_mask lh_cell_mask_of_number(lh_str text)
{
    int64_t whole;
    decimal d;
    double value;
    const int64_t exact_max = INT64_C(1) << 53;
    if (!scan_decimal(text, &d))
        return LH_TYPE_MASK_NONE;
    if (!d.has_point && !d.has_exponent) {
        if (d.negative && d.significant == 0)
            return LH_TYPE_BIT(LH_CELL_DOUBLE); /* -0 */
        if (!lh_parse_i64(text, &whole))
            return LH_TYPE_MASK_NONE;
        return whole >= -exact_max && whole <= exact_max
                   ? LH_TYPE_BIT(LH_CELL_BIGINT) | LH_TYPE_BIT(LH_CELL_DOUBLE)
                   : LH_TYPE_BIT(LH_CELL_BIGINT);
    }
    return double_of_decimal(text, &d, &value) ? LH_TYPE_BIT(LH_CELL_DOUBLE) : LH_TYPE_MASK_NONE;
}

lh_type_mask lh_cell_mask(lh_str text)
{
    int64_t whole;
    double real;
    uint8_t truth;
    if (text.len == 0)
        return LH_TYPE_MASK_NONE;
    char first = text.ptr[0];
    if (is_digit(first) || first == '-' || first == '.') {
        if (lh_cell_bigint(text, &whole))
            return LH_TYPE_BIT(LH_CELL_BIGINT) | LH_TYPE_BIT(LH_CELL_DOUBLE);
        if (lh_cell_double(text, &real))
            return LH_TYPE_BIT(LH_CELL_DOUBLE);
        return lh_cell_mask_of_string(text);
    }
    return lh_cell_boolean(text, &truth) ? LH_TYPE_BIT(LH_CELL_BOOLEAN) : LH_TYPE_MASK_NONE;
}

bool lh_cell_null_spelling(lh_str text)
{
    static const lh_str spellings[] = {
        LH_S_INIT("-"),    LH_S_INIT("--"),   LH_S_INIT("?"),    LH_S_INIT("\\N"),
        LH_S_INIT("na"),   LH_S_INIT("n/a"),  LH_S_INIT("nan"),  LH_S_INIT("nil"),
        LH_S_INIT("null"), LH_S_INIT("none"), LH_S_INIT("#n/a"),
    };
    if (text.len > 4)
        return false;
    if (text.len == 0)
        return true;
    for (size_t i = 0; i < LH_ARRAY_LEN(spellings); i++)
        if (lh_str_eq_nocase(text, spellings[i]))
            return true;
    return false;
}

lh_cell_type lh_column_guess_type(lh_column_guess guess)
{
    if (!guess.has_value)
        return LH_CELL_VARCHAR;
    for (int type = LH_CELL_BIGINT; type < LH_CELL_TYPE_COUNT; type++)
        if (guess.mask & LH_TYPE_BIT(type))
            return (lh_cell_type)type;
    return LH_CELL_VARCHAR;
}
