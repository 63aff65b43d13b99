/* vector/vector_i4_private.h - 4-bit scores of rows by number, for a table that defines i4_sums:
 * four sums of a group of rows in one register.
 *
 * Owns: nothing. Threads: any. Limits: none. Formats: README.md (i4). Why: the tables differ in how
 *       a sum is made, not in how codes are asked for ahead and sums become scores. */
#ifndef LH_VECTOR_VECTOR_I4_PRIVATE_H
#define LH_VECTOR_VECTOR_I4_PRIVATE_H

#include "vector/vector_encode_private.h"

#define LHI_I4_AHEAD 12u /* rows asked for in advance, a multiple of four */

LHI_INLINE void i4_ask_for(const lh_vector_i4_ask *a, const uint32_t *rows, const size_t chunks)
{
#pragma GCC unroll 4
    for (size_t z = 0; z < 4; z++) {
        const uint8_t *at = a->codes + rows[z] * (chunks * 64);
        for (size_t c = 0; c < chunks; c++)
            _mm_prefetch((const char *)at + c * 64, _MM_HINT_T0);
        _mm_prefetch((const char *)(a->factors + rows[z]), _MM_HINT_T0);
    }
}

LHI_INLINE void i4_scores_of(const lh_vector_i4_ask *a, const uint32_t *rows, size_t count,
                             const size_t chunks, float *ret)
{
    const __m128 middle = _mm_set1_ps(a->middle);
    const __m128 unit = _mm_set1_ps(a->unit);
    const size_t all = (count + 3) / 4 * 4 + a->soon;
    for (size_t i = 0; !a->asked && i < all && i < LHI_I4_AHEAD; i += 4)
        i4_ask_for(a, rows + i, chunks);
    for (size_t i = 0; i < count; i += 4, rows += 4) {
        LHI_UNSET const uint8_t *at[4];
        for (size_t z = 0; z < 4; z++)
            at[z] = a->codes + rows[z] * (chunks * 64);
        if (i + LHI_I4_AHEAD < all)
            i4_ask_for(a, rows + LHI_I4_AHEAD, chunks);
        __m128 factors = _mm_setr_ps(a->factors[rows[0]], a->factors[rows[1]], a->factors[rows[2]],
                                     a->factors[rows[3]]);
        __m128 score = _mm_sub_ps(_mm_cvtepi32_ps(i4_sums(at, a->query, chunks)), middle);
        score = _mm_mul_ps(_mm_mul_ps(score, factors), unit);
        if (a->halves)
            score = _mm_add_ps(score, _mm_setr_ps(a->halves[rows[0]], a->halves[rows[1]],
                                                  a->halves[rows[2]], a->halves[rows[3]]));
        _mm_storeu_ps(ret + i, score);
    }
}

static void i4_scores(const lh_vector_i4_ask *a, const uint32_t *rows, size_t count, float *ret)
{
    if (a->chunks == 3)
        i4_scores_of(a, rows, count, 3, ret); /* 384 dimensions, the most common model */
    else
        i4_scores_of(a, rows, count, a->chunks, ret);
}

#endif
