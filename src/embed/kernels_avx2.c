/* kernels_avx2.c - 16 lanes are two 256-bit registers: six rows by one panel fill 12 of the 16
 * registers. */
#if defined(__x86_64__)
#include <immintrin.h>

#define TILE_PANELS 1
#define V_INLINE    static inline __attribute__((always_inline))

typedef struct v16 {
    __m256 low;
    __m256 high;
} v16;

V_INLINE v16 v_set(float x)
{
    __m256 all = _mm256_set1_ps(x);
    return (v16){all, all};
}
V_INLINE v16 v_load(const float *p)
{
    return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
V_INLINE void v_store(float *p, v16 x)
{
    _mm256_storeu_ps(p, x.low);
    _mm256_storeu_ps(p + 8, x.high);
}
V_INLINE v16 v_add(v16 x, v16 y)
{
    return (v16){_mm256_add_ps(x.low, y.low), _mm256_add_ps(x.high, y.high)};
}
V_INLINE v16 v_sub(v16 x, v16 y)
{
    return (v16){_mm256_sub_ps(x.low, y.low), _mm256_sub_ps(x.high, y.high)};
}
V_INLINE v16 v_mul(v16 x, v16 y)
{
    return (v16){_mm256_mul_ps(x.low, y.low), _mm256_mul_ps(x.high, y.high)};
}
V_INLINE v16 v_fma(v16 x, v16 y, v16 sum)
{
    return (v16){_mm256_fmadd_ps(x.low, y.low, sum.low), _mm256_fmadd_ps(x.high, y.high, sum.high)};
}
V_INLINE v16 v_max(v16 x, v16 y)
{
    return (v16){_mm256_max_ps(x.low, y.low), _mm256_max_ps(x.high, y.high)};
}
V_INLINE v16 v_min(v16 x, v16 y)
{
    return (v16){_mm256_min_ps(x.low, y.low), _mm256_min_ps(x.high, y.high)};
}
V_INLINE v16 v_abs(v16 x)
{
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (v16){_mm256_andnot_ps(sign, x.low), _mm256_andnot_ps(sign, x.high)};
}
V_INLINE v16 v_round(v16 x)
{
    return (v16){_mm256_round_ps(x.low, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                 _mm256_round_ps(x.high, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
V_INLINE __m256 power_of_two(__m256 whole)
{
    __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}
V_INLINE v16 v_power_of_two(v16 whole)
{
    return (v16){power_of_two(whole.low), power_of_two(whole.high)};
}
V_INLINE float v_sum(v16 x)
{
    __m256 eight = _mm256_add_ps(x.low, x.high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
V_INLINE float v_largest(v16 x)
{
    __m256 eight = _mm256_max_ps(x.low, x.high);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#include "embed/kernels_vector.h"

const lh_embed_kernels lh_embed_kernels_avx2 = {.name = "avx2",
                                                .linear = linear,
                                                .layer_norm = layer_norm,
                                                .attention = attention,
                                                .pool = pool};
#endif
