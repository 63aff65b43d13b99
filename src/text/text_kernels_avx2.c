/* text_kernels_avx2.c - eight numbers at a time. Gaps are gathered by a byte shuffle (four numbers
 * of at most 25 bits lie in 16 bytes) and a shift per lane; sums of gaps by shifted additions. */
#include "text/text_plan_private.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Byte shuffle and shift of numbers 0..7 for each width; made once by the compiler. */
typedef struct lane_table {
    uint8_t bytes[32];
    uint32_t shifts[8];
} lane_table;
#define AT(b, i)    (((i) * (b)) & 7)
#define LOW(b, i)   ((((i) * (b)) >> 3))
#define HIGH_(b, i) ((((i) * (b)) >> 3) - ((4 * (b)) >> 3))
#define FOUR(x)     (uint8_t)(x), (uint8_t)((x) + 1), (uint8_t)((x) + 2), (uint8_t)((x) + 3)
#define ROW(b)                                                                                     \
    {                                                                                              \
        {FOUR(LOW(b, 0)),   FOUR(LOW(b, 1)),   FOUR(LOW(b, 2)),   FOUR(LOW(b, 3)),                 \
         FOUR(HIGH_(b, 4)), FOUR(HIGH_(b, 5)), FOUR(HIGH_(b, 6)), FOUR(HIGH_(b, 7))},              \
        {                                                                                          \
            AT(b, 0), AT(b, 1), AT(b, 2), AT(b, 3), AT(b, 4), AT(b, 5), AT(b, 6), AT(b, 7)         \
        }                                                                                          \
    }
static const lane_table lanes[LHI_TEXT_BITS_MAX + 1] = {
    ROW(0),  ROW(1),  ROW(2),  ROW(3),  ROW(4),  ROW(5),  ROW(6),  ROW(7),  ROW(8),
    ROW(9),  ROW(10), ROW(11), ROW(12), ROW(13), ROW(14), ROW(15), ROW(16), ROW(17),
    ROW(18), ROW(19), ROW(20), ROW(21), ROW(22), ROW(23), ROW(24), ROW(25)};

static inline __m256i load256(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline __m128i load128(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static inline void unpack_block(const uint8_t *gaps, uint32_t bits, uint32_t base, uint32_t count,
                                uint32_t *out)
{
    const __m256i shuffle = load256(lanes[bits].bytes);
    const __m256i shift = load256(lanes[bits].shifts);
    const __m256i mask = _mm256_set1_epi32((int)((1u << bits) - 1));
    const __m256i one = _mm256_set1_epi32(1);
    const __m256i last = _mm256_set1_epi32(7);
    const __m256i third = _mm256_set1_epi32(3);
    const __m256i upper = _mm256_setr_epi32(0, 0, 0, 0, -1, -1, -1, -1);
    const size_t half = (4 * (size_t)bits) >> 3;
    __m256i carry = _mm256_set1_epi32((int)base);
    for (uint32_t i = 0; i < count; i += 8, gaps += bits) {
        __m256i x =
            _mm256_inserti128_si256(_mm256_castsi128_si256(load128(gaps)), load128(gaps + half), 1);
        x = _mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(x, shuffle), shift), mask);
        x = _mm256_add_epi32(x, one);
        x = _mm256_add_epi32(x, _mm256_slli_si256(x, 4));
        x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
        __m256i low = _mm256_permutevar8x32_epi32(x, third);
        x = _mm256_add_epi32(_mm256_add_epi32(x, _mm256_and_si256(low, upper)), carry);
        _mm256_storeu_si256((__m256i *)(void *)(out + i), x);
        carry = _mm256_permutevar8x32_epi32(x, last);
    }
}

/* Numbers are below 2^25, so a signed comparison will do; what lies past count is masked off. */
static inline uint32_t lower_bound(const uint32_t *sorted, uint32_t count, uint32_t x)
{
    const __m256i value = _mm256_set1_epi32((int)x);
    uint32_t at = 0;
    while (at + 32 < count && sorted[at + 31] < x)
        at += 32;
    uint32_t below = 0;
    for (uint32_t i = at; i < LH_MIN(at + 32, count); i += 8) {
        __m256i less = _mm256_cmpgt_epi32(value, load256(sorted + i));
        uint32_t hits = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(less));
        if (count - i < 8)
            hits &= (1u << (count - i)) - 1;
        below += (uint32_t)__builtin_popcount(hits);
    }
    return at + below;
}

static inline uint32_t collect_group(lhi_text_work *work, uint32_t at, uint32_t start,
                                     uint32_t threshold, const uint64_t *allow, uint32_t n)
{
    const __m256i least = _mm256_set1_epi32((int)threshold);
    uint32_t *sums = work->sums + at;
    __m256i a = load256(sums);
    __m256i b = load256(sums + 8);
    uint32_t hits =
        (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(a, least))) |
        (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(b, least))) << 8;
    if (allow)
        hits &= (uint32_t)(allow[(start + at) >> 6] >> ((start + at) & 63)) & 0xFFFF;
    for (; hits; hits &= hits - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(hits);
        work->docs[n] = start + at + i;
        work->points[n++] = sums[i];
    }
    _mm256_storeu_si256((__m256i *)(void *)sums, _mm256_setzero_si256());
    _mm256_storeu_si256((__m256i *)(void *)(sums + 8), _mm256_setzero_si256());
    return n;
}

/* Points are below 2^31: a conversion to signed numbers will do. */
static void weigh(const double *impacts, uint32_t count, double weight, uint32_t *out)
{
    const __m256d w = _mm256_set1_pd(weight);
    const __m256d half = _mm256_set1_pd(0.5);
    const __m128i one = _mm_set1_epi32(1);
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        __m256d x = _mm256_add_pd(_mm256_mul_pd(_mm256_loadu_pd(impacts + i), w), half);
        _mm_storeu_si128((__m128i *)(void *)(out + i), _mm_max_epi32(_mm256_cvttpd_epi32(x), one));
    }
    for (; i < count; i++)
        out[i] = lhi_text_points(impacts[i], weight);
}

#include "text/text_loops_private.h"

const lhi_text_kernels lhi_text_kernels_avx2 = {"avx2", LHI_TEXT_LOOPS};
#endif
