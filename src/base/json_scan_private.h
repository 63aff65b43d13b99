/* json_scan_private.h - finds the next byte of a JSON string that is not plain text; private to
 * base/.
 *
 * Owns:    nothing.
 * Threads: pure.
 * Limits:  none; never reads outside [p, end).
 * Formats: bytes.
 * Why:     reader and writer look for the same bytes: quote, backslash, control. Sixteen at a time
 *          with SSE2, which every x86-64 has; eight at a time elsewhere. */
#ifndef LH_BASE_JSON_SCAN_PRIVATE_H
#define LH_BASE_JSON_SCAN_PRIVATE_H

#include "base/attr.h"

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline int lhi_json_is_special(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/* First quote, backslash or control in [p, end), or end. *high becomes non-zero when a byte before
 * it is not ASCII. */
static inline const char *lhi_json_find_special(const char *p, const char *end, unsigned *high)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1F);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        unsigned high_mask = (unsigned)_mm_movemask_epi8(v);
        if (mask != 0) {
            *high |= high_mask & (mask - 1) & ~mask; /* only bytes before the first hit */
            return p + __builtin_ctz(mask);
        }
        *high |= high_mask;
    }
#else
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = UINT64_C(0x8080808080808080);
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        uint64_t quote = word ^ (ones * '"');
        uint64_t backslash = word ^ (ones * '\\');
        /* Each term has its top bit set in bytes that are zero (or below 0x20); a borrow may mark a
         * later byte as well, which only ends the wide loop early. */
        uint64_t hit = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                       ((word - ones * 0x20) & ~word);
        if ((hit | word) & tops)
            break;
    }
#endif
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (lhi_json_is_special(c))
            return p;
        *high |= c & 0x80u;
    }
    return end;
}

#endif
