/* vector/vector_half_private.h - f16 and bf16 values, one at a time, without hardware.
 *
 * Owns: nothing. Threads: pure. Limits: values out of the range of f16 become its largest.
 * Formats: IEEE 754 binary16; bf16 is the upper half of f32. Both round to nearest, ties to even.
 * Why: stored rows and factors are the same bytes on every machine. */
#ifndef LH_VECTOR_VECTOR_HALF_PRIVATE_H
#define LH_VECTOR_VECTOR_HALF_PRIVATE_H

#include <stdint.h>
#include <string.h>

static inline uint32_t lhi_bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float lhi_float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float lhi_f32_of_bf16(uint16_t half)
{
    return lhi_float_of((uint32_t)half << 16);
}

static inline uint16_t lhi_bf16_of_f32(float value)
{
    uint32_t bits = lhi_bits_of(value);
    uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
    if ((rounded & 0x7f800000u) == 0x7f800000u)
        rounded = (bits & 0x80000000u) | 0x7f7f0000u;
    return (uint16_t)(rounded >> 16);
}

static inline float lhi_f32_of_f16(uint16_t half)
{
    float value = lhi_float_of((uint32_t)(half & 0x7fffu) << 13) * 0x1p112f;
    return lhi_float_of(lhi_bits_of(value) | (uint32_t)(half & 0x8000u) << 16);
}

static inline uint16_t lhi_f16_of_f32(float value)
{
    uint16_t sign = (uint16_t)((lhi_bits_of(value) >> 16) & 0x8000u);
    float size = __builtin_fabsf(value);
    if (size >= 65504.0f)
        return sign | 0x7bffu;
    if (size < 0x1p-14f) /* subnormal: steps of 2^-24; adding 2^23 rounds to even */
        return sign | (uint16_t)(lhi_bits_of(size * 0x1p24f + 0x1p23f) - 0x4b000000u);
    uint32_t bits = lhi_bits_of(size);
    bits += 0xfffu + ((bits >> 13) & 1u);
    uint32_t half = (bits - 0x38000000u) >> 13;
    return sign | (uint16_t)(half > 0x7bffu ? 0x7bffu : half);
}

#endif
