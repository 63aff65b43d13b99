/* vector/vector_transpose_private.h - 16 x 16 values of 16 bits, mirrored; for AVX2 and above.
 *
 * Owns: nothing. Threads: pure. Limits: none. Formats: rows ld values apart. Why: a leaf computes
 *       each pair once and stores it twice. */
#ifndef LH_VECTOR_VECTOR_TRANSPOSE_PRIVATE_H
#define LH_VECTOR_VECTOR_TRANSPOSE_PRIVATE_H

#include "vector/vector_float_private.h"

#include <immintrin.h>

LHI_INLINE void transpose16(const int16_t *in, int16_t *out, size_t ld)
{
    LHI_UNSET __m256i r[16], t[16];
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++)
        r[i] = _mm256_loadu_si256((const void *)(in + i * ld));
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm256_unpacklo_epi16(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi16(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm256_unpacklo_epi32(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm256_unpackhi_epi32(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm256_unpacklo_epi32(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm256_unpackhi_epi32(t[4 * i + 1], t[4 * i + 3]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            t[8 * i + 2 * j] = _mm256_unpacklo_epi64(r[8 * i + j], r[8 * i + 4 + j]);
            t[8 * i + 2 * j + 1] = _mm256_unpackhi_epi64(r[8 * i + j], r[8 * i + 4 + j]);
        }
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; j++) {
        _mm256_storeu_si256((void *)(out + j * ld),
                            _mm256_permute2x128_si256(t[j], t[8 + j], 0x20));
        _mm256_storeu_si256((void *)(out + (j + 8) * ld),
                            _mm256_permute2x128_si256(t[j], t[8 + j], 0x31));
    }
}

#endif
