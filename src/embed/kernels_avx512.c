/* kernels_avx512.c - 16 lanes are one 512-bit register: six rows by four panels fill 24 of the
 * 32 registers. */
#if defined(__x86_64__)
#include <immintrin.h>

#define TILE_PANELS 4
#define V_INLINE    static inline __attribute__((always_inline))

typedef __m512 v16;

V_INLINE v16 v_set(float x)
{
    return _mm512_set1_ps(x);
}
V_INLINE v16 v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
V_INLINE void v_store(float *p, v16 x)
{
    _mm512_storeu_ps(p, x);
}
V_INLINE v16 v_add(v16 x, v16 y)
{
    return _mm512_add_ps(x, y);
}
V_INLINE v16 v_sub(v16 x, v16 y)
{
    return _mm512_sub_ps(x, y);
}
V_INLINE v16 v_mul(v16 x, v16 y)
{
    return _mm512_mul_ps(x, y);
}
V_INLINE v16 v_fma(v16 x, v16 y, v16 sum)
{
    return _mm512_fmadd_ps(x, y, sum);
}
V_INLINE v16 v_max(v16 x, v16 y)
{
    return _mm512_max_ps(x, y);
}
V_INLINE v16 v_min(v16 x, v16 y)
{
    return _mm512_min_ps(x, y);
}
V_INLINE v16 v_abs(v16 x)
{
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x);
}
V_INLINE v16 v_round(v16 x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
V_INLINE v16 v_power_of_two(v16 whole)
{
    __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(whole), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
}
/* The same tree as avx2 has: halves, quarters, pairs. */
V_INLINE float v_sum(v16 x)
{
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
V_INLINE float v_largest(v16 x)
{
    __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#include "embed/kernels_vector.h"

const lh_embed_kernels lh_embed_kernels_avx512 = {.name = "avx512",
                                                  .linear = linear,
                                                  .layer_norm = layer_norm,
                                                  .attention = attention,
                                                  .pool = pool};
#endif
