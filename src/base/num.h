/* base/num.h - checked arithmetic and exact parsing of numbers, sizes and durations.
 *
 * Owns: nothing. Threads: pure. Limits: 64-bit. Formats: decimal text. Why: no silent wrap, no
 *       strtol. */
#ifndef LH_BASE_NUM_H
#define LH_BASE_NUM_H

#include "base/attr.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* False when the result does not fit; *ret is then unspecified. */
static inline bool lh_add_size(size_t a, size_t b, size_t *ret)
{
    return !__builtin_add_overflow(a, b, ret);
}
static inline bool lh_mul_size(size_t a, size_t b, size_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}
static inline bool lh_add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
    return !__builtin_add_overflow(a, b, ret);
}
static inline bool lh_mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}

/* Whole text, optional '-', decimal digits, in range; no spaces, no '+'. */
LH_WARN_UNUSED bool lh_parse_i64(lh_str text, int64_t *ret);
LH_WARN_UNUSED bool lh_parse_u64(lh_str text, uint64_t *ret);
/* Whole text, JSON number syntax (also inf/nan refused). Correctly rounded. */
LH_WARN_UNUSED bool lh_parse_f64(lh_str text, double *ret);
/* "512MiB", "4GB", "100" (bytes). Units: B KB MB GB TB KiB MiB GiB TiB, any case. */
LH_WARN_UNUSED bool lh_parse_size(lh_str text, uint64_t *ret_bytes);
/* "10s", "250ms", "5m", "2h", "1d", "300us"; a bare number is seconds. */
LH_WARN_UNUSED bool lh_parse_duration_us(lh_str text, int64_t *ret_us);

/* Shortest text that reads back to the same double ("1", "0.1", "1e+300"); NaN and infinities as
 * nan, inf, -inf. out has room for LH_F64_TEXT_MAX bytes; returns the length, no NUL. */
#define LH_F64_TEXT_MAX 32
size_t lh_f64_text(double value, char *out);
size_t lh_f32_text(float value, char *out);

/* Decimal digits of value; out has room for 20 / 21 bytes. Returns the length, no NUL. */
size_t lh_u64_text(uint64_t value, char *out);
size_t lh_i64_text(int64_t value, char *out);

#endif
