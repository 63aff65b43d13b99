/* vector/vector_encode_private.h - vectors to codes, written once over lanes of 16 and compiled for
 * each instruction set: the same operations in the same order, so the same bytes.
 *
 * Rounding adds and takes away 1.5 * 2^23, which rounds to even for small magnitudes. */
#ifndef LH_VECTOR_VECTOR_ENCODE_PRIVATE_H
#define LH_VECTOR_VECTOR_ENCODE_PRIVATE_H

#include "vector/vector_float_private.h"

#include <math.h>

typedef int32_t lhi_i16 __attribute__((vector_size(64)));
typedef uint8_t lhi_b16 __attribute__((vector_size(16)));
typedef int8_t lhi_s16 __attribute__((vector_size(16)));

#define LHI_ROUNDER 12582912.0f

LHI_INLINE lhi_v16 load16(const float *at)
{
    return load_lanes(LHI_ROW_F32, at, 0);
}

LHI_INLINE void store16(float *at, lhi_v16 v)
{
    memcpy(at, &v, sizeof v);
}

LHI_INLINE lhi_v16 select16(lhi_i16 mask, lhi_v16 yes, lhi_v16 no)
{
    return (lhi_v16)(((lhi_i16)yes & mask) | ((lhi_i16)no & ~mask));
}

LHI_INLINE lhi_v16 all16(float value)
{
    return (lhi_v16){0} + value;
}

LHI_INLINE lhi_v16 clamp16(lhi_v16 v, float low, float high)
{
    v = select16(v < low, all16(low), v);
    return select16(v > high, all16(high), v);
}

LHI_INLINE lhi_v16 magnitude16(lhi_v16 v)
{
    return (lhi_v16)((lhi_i16)v & 0x7fffffff);
}

LHI_INLINE int32_t sum_ints(lhi_i16 v)
{
    int32_t s = 0;
    for (int i = 0; i < LHI_LANES; i++)
        s += v[i];
    return s;
}

/* Hadamard within 16 lanes. */
LHI_INLINE lhi_v16 hadamard16(lhi_v16 v)
{
    static const lhi_v16 sign[4] = {{1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1},
                                    {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1},
                                    {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1},
                                    {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1}};
#define MIXED(...) __builtin_shufflevector(v, v, __VA_ARGS__)
    v = v * sign[0] + MIXED(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    v = v * sign[1] + MIXED(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v = v * sign[2] + MIXED(4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    v = v * sign[3] + MIXED(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
#undef MIXED
    return v;
}

LHI_INLINE void hadamard_across(float *block, size_t length)
{
    for (size_t h = LHI_LANES; h < length; h *= 2)
        for (size_t i = 0; i < length; i += 2 * h)
            for (size_t j = i; j < i + h; j += LHI_LANES) {
                lhi_v16 a = load16(block + j);
                lhi_v16 b = load16(block + j + h);
                store16(block + j, a + b);
                store16(block + j + h, a - b);
            }
}

/* x - 2/n (sum over blocks): mixes the blocks, orthogonal. */
LHI_INLINE void mirror_blocks(float *values, size_t padded, size_t block)
{
    size_t blocks = padded / block;
    for (size_t i = 0; i < block; i += LHI_LANES) {
        lhi_v16 sum = load16(values + i);
        for (size_t b = 1; b < blocks; b++)
            sum += load16(values + b * block + i);
        sum *= 2.0f / (float)blocks;
        for (size_t b = 0; b < blocks; b++)
            store16(values + b * block + i, load16(values + b * block + i) - sum);
    }
}

static void rotate(const float *signs, size_t padded, size_t block, float *values)
{
    for (size_t round = 0; round < 3; round++, signs += padded) {
        for (size_t i = 0; i < padded; i += LHI_LANES)
            store16(values + i, hadamard16(load16(values + i) * load16(signs + i)));
        for (size_t b = 0; b < padded; b += block)
            hadamard_across(values + b, block);
        if (padded > block)
            mirror_blocks(values, padded, block);
    }
}

LHI_INLINE void encode_i8(const float *values, size_t padded, float scale, lh_vector_codes *ret)
{
    lhi_i16 sum = {0};
    lhi_i16 norm = {0};
    for (size_t i = 0; i < padded; i += LHI_LANES) {
        lhi_v16 v = clamp16(load16(values + i) * scale, -127.0f, 127.0f);
        lhi_i16 code = __builtin_convertvector((v + LHI_ROUNDER) - LHI_ROUNDER, lhi_i16);
        sum += code;
        norm += code * code;
        lhi_b16 bytes = __builtin_convertvector(code + 128, lhi_b16);
        memcpy(ret->i8 + i, &bytes, sizeof bytes);
    }
    ret->i8_sum = sum_ints(sum);
    ret->i8_norm = sum_ints(norm);
}

/* Sixteen even steps of 0.31 standard deviations of the row; factor = |x|^2 / <x, code>, so that
 * the estimate of an inner product has no bias along the row (RaBitQ, arXiv 2405.12497). */
LHI_INLINE float encode_i4(const float *values, size_t padded, float step, uint8_t *out)
{
    lhi_v16 along = {0};
    for (size_t c = 0; c < padded; c += 128)
        for (size_t j = 0; j < 64; j += LHI_LANES) {
            lhi_v16 x = load16(values + c + j);
            lhi_v16 y = load16(values + c + j + 64);
            lhi_i16 low = __builtin_convertvector(clamp16(x * step + 8.0f, 0, 15), lhi_i16);
            lhi_i16 high = __builtin_convertvector(clamp16(y * step + 8.0f, 0, 15), lhi_i16);
            along += x * (__builtin_convertvector(low, lhi_v16) - 7.5f);
            along += y * (__builtin_convertvector(high, lhi_v16) - 7.5f);
            lhi_b16 bytes = __builtin_convertvector(low | high << 4, lhi_b16);
            memcpy(out + c / 2 + j, &bytes, sizeof bytes);
        }
    return sum_lanes(along);
}

LHI_INLINE float encode_b1(const float *values, size_t padded, uint8_t *out)
{
    static const lhi_i16 bit = {1,   2,   4,    8,    16,   32,   64,    128,
                                256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
    lhi_v16 sum = {0};
    for (size_t i = 0; i < padded; i += LHI_LANES) {
        lhi_v16 v = load16(values + i);
        uint16_t bits = (uint16_t)sum_ints((v > 0.0f) & bit);
        sum += magnitude16(v);
        memcpy(out + i / 8, &bits, sizeof bits);
    }
    return sum_lanes(sum);
}

static void encode(const float *values, size_t padded, size_t used, float scale,
                   lh_vector_codes *ret)
{
    lhi_v16 squares = {0};
    for (size_t i = 0; i < padded; i += LHI_LANES) {
        lhi_v16 v = load16(values + i);
        squares += v * v;
    }
    float square = sum_lanes(squares);
    float deviation = sqrtf(square / (float)used) * 0.31f;
    if (ret->i8)
        encode_i8(values, padded, scale, ret);
    float along = encode_i4(values, padded, deviation > 1e-30f ? 1.0f / deviation : 0.0f, ret->i4);
    float sum = encode_b1(values, padded, ret->b1);
    ret->i4_factor = along > 1e-30f ? square / along : 0.0f;
    ret->b1_factor = sum > 1e-30f ? square / sum : 0.0f;
    ret->half_square = -0.5f * square;
}

static void round_values(const float *values, size_t padded, float scale, int8_t *ret)
{
    for (size_t i = 0; i < padded; i += LHI_LANES) {
        lhi_v16 v = clamp16(load16(values + i) * scale, -127.0f, 127.0f);
        lhi_i16 code = __builtin_convertvector((v + LHI_ROUNDER) - LHI_ROUNDER, lhi_i16);
        lhi_s16 bytes = __builtin_convertvector(code, lhi_s16);
        memcpy(ret + i, &bytes, sizeof bytes);
    }
}

static float largest_value(const float *values, size_t padded)
{
    lhi_v16 most = {0};
    for (size_t i = 0; i < padded; i += LHI_LANES) {
        lhi_v16 v = magnitude16(load16(values + i));
        most = select16(v > most, v, most);
    }
    float best = 0;
    for (int i = 0; i < LHI_LANES; i++)
        best = most[i] > best ? most[i] : best;
    return best;
}

#define LHI_ENCODE_KERNELS                                                                         \
    {                                                                                              \
        rotate, encode, round_values, largest_value                                                \
    }

#endif
