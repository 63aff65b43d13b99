/* text_kernels_avx512.c - sixteen numbers at a time: one permutation of 64 bytes (VBMI) brings each
 * number's four bytes to its lane. */
#include "text/text_plan_private.h"

#if defined(__x86_64__)
#include <immintrin.h>

typedef struct lane_table {
    uint8_t bytes[64];
    uint32_t shifts[16];
} lane_table;
#define FOUR(b, i)                                                                                 \
    (uint8_t)(((i) * (b)) >> 3), (uint8_t)((((i) * (b)) >> 3) + 1),                                \
        (uint8_t)((((i) * (b)) >> 3) + 2), (uint8_t)((((i) * (b)) >> 3) + 3)
#define AT(b, i) (((i) * (b)) & 7)
#define ROW(b)                                                                                     \
    {                                                                                              \
        {FOUR(b, 0),  FOUR(b, 1),  FOUR(b, 2),  FOUR(b, 3), FOUR(b, 4),  FOUR(b, 5),               \
         FOUR(b, 6),  FOUR(b, 7),  FOUR(b, 8),  FOUR(b, 9), FOUR(b, 10), FOUR(b, 11),              \
         FOUR(b, 12), FOUR(b, 13), FOUR(b, 14), FOUR(b, 15)},                                      \
        {                                                                                          \
            AT(b, 0), AT(b, 1), AT(b, 2), AT(b, 3), AT(b, 4), AT(b, 5), AT(b, 6), AT(b, 7),        \
                AT(b, 8), AT(b, 9), AT(b, 10), AT(b, 11), AT(b, 12), AT(b, 13), AT(b, 14),         \
                AT(b, 15)                                                                          \
        }                                                                                          \
    }
static const lane_table lanes[LHI_TEXT_BITS_MAX + 1] = {
    ROW(0),  ROW(1),  ROW(2),  ROW(3),  ROW(4),  ROW(5),  ROW(6),  ROW(7),  ROW(8),
    ROW(9),  ROW(10), ROW(11), ROW(12), ROW(13), ROW(14), ROW(15), ROW(16), ROW(17),
    ROW(18), ROW(19), ROW(20), ROW(21), ROW(22), ROW(23), ROW(24), ROW(25)};

static inline void unpack_block(const uint8_t *gaps, uint32_t bits, uint32_t base, uint32_t count,
                                uint32_t *out)
{
    const __m512i bytes = _mm512_loadu_si512(lanes[bits].bytes);
    const __m512i shifts = _mm512_loadu_si512(lanes[bits].shifts);
    const __m512i mask = _mm512_set1_epi32((int)((1u << bits) - 1));
    const __m512i zero = _mm512_setzero_si512();
    const __m512i last = _mm512_set1_epi32(15);
    const __m512i steps = _mm512_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
    __m512i carry = _mm512_set1_epi32((int)base);
    for (uint32_t i = 0; i < count; i += 16, gaps += 2 * (size_t)bits) {
        __m512i x = _mm512_permutexvar_epi8(bytes, _mm512_loadu_si512(gaps));
        x = _mm512_and_si512(_mm512_srlv_epi32(x, shifts), mask);
        x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 15));
        x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 14));
        x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 12));
        x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 8));
        x = _mm512_add_epi32(_mm512_add_epi32(x, steps), carry);
        _mm512_storeu_si512(out + i, x);
        carry = _mm512_permutexvar_epi32(last, x);
    }
}

static inline uint32_t lower_bound(const uint32_t *sorted, uint32_t count, uint32_t x)
{
    const __m512i value = _mm512_set1_epi32((int)x);
    uint32_t below = 0;
    for (uint32_t i = 0; i < count; i += 16) {
        __mmask16 hits = _mm512_cmplt_epu32_mask(_mm512_loadu_si512(sorted + i), value);
        if (count - i < 16)
            hits &= (__mmask16)((1u << (count - i)) - 1);
        below += (uint32_t)__builtin_popcount(hits);
    }
    return below;
}

static inline uint32_t collect_group(lhi_text_work *work, uint32_t at, uint32_t start,
                                     uint32_t threshold, const uint64_t *allow, uint32_t n)
{
    const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i sums = _mm512_loadu_si512(work->sums + at);
    __mmask16 hits = _mm512_cmpgt_epu32_mask(sums, _mm512_set1_epi32((int)threshold));
    _mm512_storeu_si512(work->sums + at, _mm512_setzero_si512());
    if (allow)
        hits &= (__mmask16)(allow[(start + at) >> 6] >> ((start + at) & 63));
    if (hits) {
        __m512i docs = _mm512_add_epi32(_mm512_set1_epi32((int)(start + at)), steps);
        _mm512_storeu_si512(work->points + n, _mm512_maskz_compress_epi32(hits, sums));
        _mm512_storeu_si512(work->docs + n, _mm512_maskz_compress_epi32(hits, docs));
        n += (uint32_t)__builtin_popcount(hits);
    }
    return n;
}

/* Points are below 2^31: a conversion to signed numbers will do. */
static void weigh(const double *impacts, uint32_t count, double weight, uint32_t *out)
{
    const __m512d w = _mm512_set1_pd(weight);
    const __m512d half = _mm512_set1_pd(0.5);
    const __m256i one = _mm256_set1_epi32(1);
    uint32_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m512d x = _mm512_add_pd(_mm512_mul_pd(_mm512_loadu_pd(impacts + i), w), half);
        _mm256_storeu_si256((__m256i *)(void *)(out + i),
                            _mm256_max_epi32(_mm512_cvttpd_epi32(x), one));
    }
    for (; i < count; i++)
        out[i] = lhi_text_points(impacts[i], weight);
}

#include "text/text_loops_private.h"

const lhi_text_kernels lhi_text_kernels_avx512 = {"avx512", LHI_TEXT_LOOPS};
#endif
