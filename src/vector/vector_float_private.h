/* vector/vector_float_private.h - scores of float rows, written once over lanes of 16 and compiled
 * for each instruction set.
 *
 * Element i goes to lane i % 16 of sum (i / 16) % 4; the last piece is filled up with zeros. The
 * order of additions is therefore the same everywhere. */
#ifndef LH_VECTOR_VECTOR_FLOAT_PRIVATE_H
#define LH_VECTOR_VECTOR_FLOAT_PRIVATE_H

#include "vector/vector_kernels.h"

#include <string.h>

/* Wide vectors are passed only to functions that are always inlined: there is no ABI to change. */
#pragma GCC diagnostic ignored "-Wpsabi"

#define LHI_LANES  16
#define LHI_INLINE static inline __attribute__((always_inline))

typedef float lhi_v16 __attribute__((vector_size(64)));
typedef uint32_t lhi_u16 __attribute__((vector_size(64)));
typedef uint16_t lhi_h16 __attribute__((vector_size(32)));

typedef enum lhi_row_type { LHI_ROW_F32, LHI_ROW_F16, LHI_ROW_BF16 } lhi_row_type;

/* Half to single, exactly: shift the fraction into place and let one multiplication by 2^112 set
 * the exponent; it also brings subnormals. Infinities and NaN cannot be stored rows. */
LHI_INLINE lhi_v16 from_halves(lhi_u16 h)
{
    lhi_u16 magnitude = (h & 0x7fffu) << 13;
    lhi_u16 sign = (h & 0x8000u) << 16;
    lhi_v16 value = (lhi_v16)magnitude * 0x1p112f;
    return (lhi_v16)((lhi_u16)value | sign);
}

LHI_INLINE lhi_v16 load_lanes(const lhi_row_type type, const void *row, size_t at)
{
    if (type == LHI_ROW_F32) {
        lhi_v16 v;
        memcpy(&v, (const float *)row + at, sizeof v);
        return v;
    }
    lhi_h16 h;
    memcpy(&h, (const uint16_t *)row + at, sizeof h);
    lhi_u16 wide = __builtin_convertvector(h, lhi_u16);
    return type == LHI_ROW_F16 ? from_halves(wide) : (lhi_v16)(wide << 16);
}

LHI_INLINE lhi_v16 load_some(const lhi_row_type type, const void *row, size_t at, size_t count)
{
    if (type == LHI_ROW_F32) {
        float v[LHI_LANES] = {0};
        memcpy(v, (const float *)row + at, count * sizeof v[0]);
        return load_lanes(type, v, 0);
    }
    uint16_t h[LHI_LANES] = {0};
    memcpy(h, (const uint16_t *)row + at, count * sizeof h[0]);
    return load_lanes(type, h, 0);
}

LHI_INLINE float sum_lanes(lhi_v16 v)
{
    float s[LHI_LANES];
    memcpy(s, &v, sizeof s);
    for (size_t half = LHI_LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            s[i] += s[i + half];
    return s[0];
}

LHI_INLINE lhi_v16 step(const int squares, lhi_v16 sum, lhi_v16 a, lhi_v16 b)
{
    if (squares) {
        lhi_v16 away = a - b;
        return sum + away * away;
    }
    return sum + a * b;
}

LHI_INLINE float score(const lhi_row_type type, const int squares, const void *row,
                       const float *query, size_t n)
{
    lhi_v16 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    size_t i = 0;
#define PIECE(sum, from)                                                                           \
    sum = step(squares, sum, load_lanes(type, row, (from)), load_lanes(LHI_ROW_F32, query, (from)))
    for (; i + 4 * LHI_LANES <= n; i += 4 * LHI_LANES) {
        PIECE(s0, i);
        PIECE(s1, i + LHI_LANES);
        PIECE(s2, i + 2 * LHI_LANES);
        PIECE(s3, i + 3 * LHI_LANES);
    }
    if (i + LHI_LANES <= n) {
        PIECE(s0, i);
        i += LHI_LANES;
        if (i + LHI_LANES <= n) {
            PIECE(s1, i);
            i += LHI_LANES;
            if (i + LHI_LANES <= n) {
                PIECE(s2, i);
                i += LHI_LANES;
            }
        }
    }
#undef PIECE
    if (i < n) {
        lhi_v16 a = load_some(type, row, i, n - i);
        s3 = step(squares, s3, a, load_some(LHI_ROW_F32, query, i, n - i));
    }
    return sum_lanes((s0 + s1) + (s2 + s3));
}

#define LHI_FLOAT_KERNEL(name, type, squares)                                                      \
    static float name(const void *row, const float *query, size_t dimensions)                      \
    {                                                                                              \
        return score(type, squares, row, query, dimensions);                                       \
    }
LHI_FLOAT_KERNEL(dot_f32, LHI_ROW_F32, 0)
LHI_FLOAT_KERNEL(dot_f16, LHI_ROW_F16, 0)
LHI_FLOAT_KERNEL(dot_bf16, LHI_ROW_BF16, 0)
LHI_FLOAT_KERNEL(square_f32, LHI_ROW_F32, 1)
LHI_FLOAT_KERNEL(square_f16, LHI_ROW_F16, 1)
LHI_FLOAT_KERNEL(square_bf16, LHI_ROW_BF16, 1)

#define LHI_FLOAT_KERNELS                                                                          \
    {                                                                                              \
        dot_f32, dot_f16, dot_bf16, square_f32, square_f16, square_bf16                            \
    }

#endif
