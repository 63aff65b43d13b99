/* utf8.c - UTF-8 by the table of well-formed byte sequences (Unicode 15, table 3-7), with a wide
 * path over ASCII. */
#include "base/str.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Length of the run of ASCII at the front of p[0..len). */
static size_t ascii_run(const char *p, size_t len)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= len; i += 16) {
        int high = _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i)));
        if (high != 0)
            return i + (size_t)__builtin_ctz((unsigned)high);
    }
#else
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
#endif
    while (i < len && (unsigned char)p[i] < 0x80)
        i++;
    return i;
}

/* What may follow a lead byte: how many continuation bytes, and the range of the first of them (it
 * excludes overlong forms, surrogates and code points above 0x10FFFF). 0 bytes: not a lead byte. */
typedef struct lead_rule {
    unsigned rest;
    unsigned char low, high;
} lead_rule;

static lead_rule rule_of(unsigned char lead)
{
    if (lead >= 0xC2 && lead <= 0xDF)
        return (lead_rule){1, 0x80, 0xBF};
    if (lead >= 0xE0 && lead <= 0xEF)
        return (lead_rule){2, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF};
    if (lead >= 0xF0 && lead <= 0xF4)
        return (lead_rule){3, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF};
    return (lead_rule){0, 0, 0};
}

int lh_utf8_valid(lh_str s)
{
    size_t at = 0;
    if (s.len == 0)
        return 1; /* the pointer may be NULL */
    for (;;) {
        at += ascii_run(s.ptr + at, s.len - at);
        /* Text that is not ASCII tends to stay so for a while: no wide scan between its
         * characters. */
        while (at < s.len && (unsigned char)s.ptr[at] >= 0x80) {
            lead_rule rule = rule_of((unsigned char)s.ptr[at]);
            if (rule.rest == 0 || s.len - at <= rule.rest)
                return 0;
            unsigned char second = (unsigned char)s.ptr[at + 1];
            if (second < rule.low || second > rule.high)
                return 0;
            for (unsigned i = 2; i <= rule.rest; i++)
                if (((unsigned char)s.ptr[at + i] & 0xC0) != 0x80)
                    return 0;
            at += rule.rest + 1;
        }
        if (at == s.len)
            return 1;
    }
}

int lh_utf8_next(lh_str s, size_t *offset, uint32_t *ret_code_point)
{
    size_t at = *offset;
    if (at >= s.len)
        return 0;
    unsigned char lead = (unsigned char)s.ptr[at++];
    uint32_t code_point = lead;
    if (lead >= 0x80) {
        lead_rule rule = rule_of(lead);
        code_point = rule.rest ? lead & (0x3Fu >> rule.rest) : 0xFFFD;
        for (unsigned i = 0; i < rule.rest; i++) {
            unsigned char c = at < s.len ? (unsigned char)s.ptr[at] : 0;
            if (c < (i ? 0x80 : rule.low) || c > (i ? 0xBF : rule.high)) {
                code_point = 0xFFFD;
                break;
            }
            code_point = (code_point << 6) | (c & 0x3Fu);
            at++;
        }
    }
    *offset = at;
    *ret_code_point = code_point;
    return 1;
}

size_t lh_utf8_encode(uint32_t code_point, char out[4])
{
    if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
        code_point = 0xFFFD;
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    size_t rest = code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
    static const unsigned char lead_bits[] = {0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(lead_bits[rest] | (code_point >> (6 * rest)));
    for (size_t i = 1; i <= rest; i++)
        out[i] = (char)(0x80 | ((code_point >> (6 * (rest - i))) & 0x3F));
    return rest + 1;
}

size_t lh_utf8_cut(lh_str s, size_t bytes_max)
{
    if (s.len <= bytes_max)
        return s.len;
    size_t cut = bytes_max;
    for (int i = 0; i < 3 && cut > 0 && ((unsigned char)s.ptr[cut] & 0xC0) == 0x80; i++)
        cut--;
    /* Continuation bytes without a lead byte belong to nothing: any place is a boundary then. */
    if (((unsigned char)s.ptr[cut] & 0xC0) == 0x80)
        cut = bytes_max;
    return cut;
}
