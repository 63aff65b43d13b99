/* kernels_avx512.c - 16 lanes are one 512-bit register: six rows by four panels fill 24 of the
 * 32 registers. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "embed/kernels.h"

#define TILE_PANELS     4
#define HALF_WORD_BYTES 4
#define INT8_WORD_BYTES 4
#define V_INLINE        static inline __attribute__((always_inline))

typedef __m512 v16;
typedef __m512i v_word; /* a word of an operand, in every lane */
typedef uint16_t v_half;
typedef uint8_t v_byte;

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

V_INLINE v16 v_load_line(const uint8_t *line)
{
    return _mm512_loadu_ps(line);
}
V_INLINE v_word v_word_load(const lh_embed_precision precision, const uint8_t *a)
{
    (void)precision;
    int word;
    memcpy(&word, a, sizeof(word));
    return _mm512_set1_epi32(word);
}
/* The compiler keeps sums of the intrinsics in memory (gcc 12); those of the instructions not. */
V_INLINE void v_multiply(const lh_embed_precision precision, v16 *sum, v_word x, v16 line)
{
    if (precision == LH_EMBED_PRECISION_INT8)
        __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(x), "v"(line));
    else if (precision == LH_EMBED_PRECISION_BF16)
        __asm__("vdpbf16ps %2, %1, %0" : "+v"(*sum) : "v"(x), "v"(line));
    else
        *sum = _mm512_fmadd_ps(_mm512_castsi512_ps(x), line, *sum);
}
/* Sums of int8 products, from the unit of the peaks' upper parts to that of all inputs. */
V_INLINE v16 v_raise_peaks(v16 sum)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(sum), LH_EMBED_PEAK_SHIFT));
}
V_INLINE v16 v_add_whole(v16 x, v16 y)
{
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_castps_si512(y)));
}
V_INLINE v16 v_whole(v16 sum)
{
    return _mm512_cvtepi32_ps(_mm512_castps_si512(sum));
}
/* The first lanes of x, fewer than 16; other in the rest. */
V_INLINE v16 v_first(v16 x, size_t lanes, float other)
{
    return _mm512_mask_mov_ps(_mm512_set1_ps(other), (__mmask16)((1u << lanes) - 1), x);
}
V_INLINE v16 v_from_halves(const uint16_t *p)
{
    __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
}
V_INLINE void v_store_half(v_half *p, v16 x)
{
    _mm256_storeu_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh(x));
}
V_INLINE void v_store_bytes(v_byte *p, v16 x, int32_t zero)
{
    __m512i whole = _mm512_add_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(zero));
    whole = _mm512_max_epi32(whole, _mm512_setzero_si512());
    _mm_storeu_si128((__m128i *)p, _mm512_cvtusepi32_epi8(whole));
}
V_INLINE __m512i whole_bytes(v16 x, __m512i zero)
{
    return _mm512_add_epi32(_mm512_cvtps_epi32(x), zero);
}
/* Four of those. Packing takes quarters of registers: 0, 4, 8 and 12 stand side by side then. */
V_INLINE void v_store_line_of_bytes(v_byte *p, const v16 *x, int32_t zero)
{
    const __m512i zeros = _mm512_set1_epi32(zero);
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i low = _mm512_packs_epi32(whole_bytes(x[0], zeros), whole_bytes(x[1], zeros));
    __m512i high = _mm512_packs_epi32(whole_bytes(x[2], zeros), whole_bytes(x[3], zeros));
    __m512i mixed = _mm512_packus_epi16(low, high);
    _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, mixed));
}
V_INLINE v16 v_gather(const float *from, const uint32_t *places)
{
    return _mm512_i32gather_ps(_mm512_loadu_si512(places), from, sizeof(float));
}

/* 16 rows of 16 words, transposed in place: by pairs, by fours, then whole quarters. Unrolled, the
 * rows stay in registers, and there is nothing for a hardened build to clear first. */
V_INLINE void transpose_words(__m512i r[16])
{
    __attribute__((uninitialized)) __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
        t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xDD);
        t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
        t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xDD);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
        r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xDD);
        r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
        r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xDD);
    }
}

/* 16 keys' words from one on, or as many as there are of both; those beyond are zero. */
V_INLINE void pack_16_keys(const v_half *keys, size_t stride, size_t count, size_t lines,
                           uint32_t *out)
{
    const __mmask16 mask = (__mmask16)((1u << LH_MIN(lines, 16)) - 1);
    __attribute__((uninitialized)) __m512i r[16];
#pragma GCC unroll 16
    for (size_t j = 0; j < 16; j++)
        r[j] = _mm512_maskz_loadu_epi32(j < count ? mask : 0, keys + (j < count ? j : 0) * stride);
    transpose_words(r);
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++)
        if (i < lines)
            _mm512_storeu_si512(out + i * 16, r[i]);
}

/* Rows of keys, stride halves apart, to panels of 16 keys, two columns in a word; keys beyond the
 * last are zero. */
static void v_pack_keys(const v_half *keys, size_t stride, size_t count, size_t width,
                        uint32_t *out)
{
    const size_t words = width / 2;
    for (size_t first = 0; first < count; first += 16)
        for (size_t word = 0; word < words; word += 16) {
            const size_t lines = LH_MIN(words - word, 16);
            pack_16_keys(keys + first * stride + 2 * word, stride, count - first, lines, out);
            out += lines * 16;
        }
}

/* Rows of values to panels of 16 columns, two rows in a word; a row beyond the last is zero. */
static void v_pack_values(const v_half *values, size_t stride, size_t count, size_t width,
                          uint32_t *out)
{
    for (size_t column = 0; column < width; column += 16) {
        for (size_t j = 0; j < count; j += 2, out += 16) {
            const v_half *row = values + j * stride + column;
            __m512i even = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)row));
            __m512i odd = _mm512_setzero_si512();
            if (j + 1 < count)
                odd = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(row + stride)));
            _mm512_storeu_si512(out, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
        }
    }
}

#include "embed/kernels_vector.h"

const lh_embed_kernels lh_embed_kernels_avx512 = {.name = "avx512",
                                                  .fast_half = 1,
                                                  .half_bytes = sizeof(v_half),
                                                  .int8_bytes = sizeof(v_byte),
                                                  .add_word = add_word,
                                                  .encode = encode,
                                                  .linear = linear,
                                                  .layer_norm = layer_norm,
                                                  .attention = attention,
                                                  .pool = pool};
#endif
