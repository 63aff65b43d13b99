/* text.c - see text_private.h. Tables instead of <ctype.h>: the locale must not decide what a token
 * is. */
#include "net/text_private.h"

#include "base/clock.h"
#include "base/num.h"

bool lhi_is_token_char(unsigned char c)
{
    /* One bit per ASCII character: !#$%&'*+-.^_`|~ digits and letters. */
    static const uint32_t bits[4] = {0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff};
    return c < 128 && ((bits[c >> 5] >> (c & 31)) & 1u) != 0;
}

bool lhi_is_token(lh_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!lhi_is_token_char((unsigned char)text.ptr[i]))
            return false;
    return text.len > 0;
}

bool lhi_is_header_value(lh_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

int lhi_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool lhi_percent_decode(lh_str in, int plus_is_space, char *out, size_t *ret_len)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            if (in.len - i < 3)
                return false;
            int high = lhi_hex_digit(in.ptr[i + 1]);
            int low = lhi_hex_digit(in.ptr[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[n++] = c;
    }
    *ret_len = n;
    return true;
}

const char *lhi_status_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } rows[] = {{200, "OK"},
                {201, "Created"},
                {202, "Accepted"},
                {204, "No Content"},
                {206, "Partial Content"},
                {304, "Not Modified"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {409, "Conflict"},
                {411, "Length Required"},
                {413, "Content Too Large"},
                {414, "URI Too Long"},
                {415, "Unsupported Media Type"},
                {422, "Unprocessable Content"},
                {429, "Too Many Requests"},
                {431, "Request Header Fields Too Large"},
                {500, "Internal Server Error"},
                {502, "Bad Gateway"},
                {503, "Service Unavailable"},
                {504, "Gateway Timeout"},
                {507, "Insufficient Storage"}};
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++)
        if (rows[i].status == status)
            return rows[i].reason;
    return "Status";
}

static void put_digits(char *out, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

void lhi_http_date(int64_t real_us, char out[LHI_DATE_BYTES])
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t seconds = real_us > 0 ? real_us / 1000000 : 0;
    int64_t days = seconds / 86400;
    int in_day = (int)(seconds % 86400);
    int year, month, day;
    lh_civil_from_days(days, &year, &month, &day);
    memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", LHI_DATE_BYTES);
    memcpy(out, weekdays + (days % 7) * 3, 3);
    put_digits(out + 5, day, 2);
    memcpy(out + 8, months + (month - 1) * 3, 3);
    put_digits(out + 12, year, 4);
    put_digits(out + 17, in_day / 3600, 2);
    put_digits(out + 20, in_day / 60 % 60, 2);
    put_digits(out + 23, in_day % 60, 2);
}

static lh_str media_type(lh_str header)
{
    size_t end = lh_str_find_char(header, ';');
    return lh_str_trim(end == LH_STR_NPOS ? header : lh_str_sub(header, 0, end));
}

bool lhi_media_type_is(lh_str header, lh_str type)
{
    return lh_str_eq_nocase(media_type(header), type);
}

static bool ends_nocase(lh_str text, lh_str suffix)
{
    return text.len >= suffix.len &&
           lh_str_eq_nocase(lh_str_from_offset(text, text.len - suffix.len), suffix);
}

bool lhi_media_type_is_json(lh_str header)
{
    lh_str type = media_type(header);
    return lh_str_eq_nocase(type, LH_S("application/json")) || ends_nocase(type, LH_S("+json"));
}

bool lhi_media_type_is_text(lh_str header)
{
    static const lh_str others[] = {LH_S_INIT("application/x-ndjson"), LH_S_INIT("application/xml"),
                                    LH_S_INIT("application/javascript"),
                                    LH_S_INIT("image/svg+xml")};
    lh_str type = media_type(header);
    if (lh_str_starts_nocase(type, LH_S("text/")) || lhi_media_type_is_json(type))
        return true;
    for (size_t i = 0; i < LH_ARRAY_LEN(others); i++)
        if (lh_str_eq_nocase(type, others[i]))
            return true;
    return false;
}

/* "q=0", "q=0.0", "q=0.000" forbid; anything else allows. */
static bool quality_is_zero(lh_str parameters)
{
    lh_str one;
    while (lh_str_split_next(&parameters, ';', &one)) {
        one = lh_str_trim(one);
        if (!lh_str_starts_nocase(one, LH_S("q=")))
            continue;
        lh_str q = lh_str_from_offset(one, 2);
        for (size_t i = 0; i < q.len; i++)
            if (q.ptr[i] != '0' && q.ptr[i] != '.')
                return false;
        return true;
    }
    return false;
}

bool lhi_accepts_gzip(lh_str accept_encoding)
{
    lh_str one;
    bool any = false;
    while (lh_str_split_next(&accept_encoding, ',', &one)) {
        lh_str name = media_type(one);
        size_t parameters = lh_str_find_char(one, ';');
        bool refused =
            parameters != LH_STR_NPOS && quality_is_zero(lh_str_from_offset(one, parameters + 1));
        if (lh_str_eq_nocase(name, LH_S("gzip")) || lh_str_eq_nocase(name, LH_S("x-gzip")))
            return !refused;
        if (lh_str_eq(name, LH_S("*")))
            any = !refused;
    }
    return any;
}

bool lhi_list_has(lh_str list, lh_str token)
{
    lh_str one;
    while (lh_str_split_next(&list, ',', &one))
        if (lh_str_eq_nocase(lh_str_trim(one), token))
            return true;
    return false;
}
