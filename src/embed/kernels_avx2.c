/* kernels_avx2.c - 16 lanes are two 256-bit registers: six rows by one panel fill 12 of the 16
 * registers. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "embed/kernels.h"

#define TILE_PANELS     1
#define HALF_WORD_BYTES 8
#define INT8_WORD_BYTES 8
#define INT8_BY_PAIRS   1 /* products of int8 have their own tile, below */
#define V_INLINE        static inline __attribute__((always_inline))

typedef struct v16 {
    __m256 low;
    __m256 high;
} v16;
/* A word of an operand, in every lane; f32 has no odd value. */
typedef struct v_word {
    __m256 even;
    __m256 odd;
} v_word;
typedef float v_half; /* its lower part is zero */
typedef int16_t v_byte;

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

V_INLINE v16 v_load_line(const uint8_t *line)
{
    return v_load((const float *)(const void *)line);
}
V_INLINE v_word v_word_load(const lh_embed_precision precision, const uint8_t *a)
{
    const float *values = (const float *)(const void *)a;
    __m256 even = _mm256_broadcast_ss(values);
    return (v_word){even,
                    precision == LH_EMBED_PRECISION_BF16 ? _mm256_broadcast_ss(values + 1) : even};
}
/* Both halves of each word widened; the odd one first, as vdpbf16ps adds them. */
V_INLINE __m256 multiply_halves(__m256 sum, v_word x, __m256 line)
{
    __m256i words = _mm256_castps_si256(line);
    __m256 odd = _mm256_castsi256_ps(_mm256_and_si256(words, _mm256_set1_epi32(-65536)));
    __m256 even = _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
    return _mm256_fmadd_ps(x.even, even, _mm256_fmadd_ps(x.odd, odd, sum));
}
V_INLINE void v_multiply(const lh_embed_precision precision, v16 *sum, v_word x, v16 line)
{
    if (precision == LH_EMBED_PRECISION_BF16) {
        sum->low = multiply_halves(sum->low, x, line.low);
        sum->high = multiply_halves(sum->high, x, line.high);
    } else {
        sum->low = _mm256_fmadd_ps(x.even, line.low, sum->low);
        sum->high = _mm256_fmadd_ps(x.even, line.high, sum->high);
    }
}
V_INLINE __m256 raise_peaks(__m256 sum)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(sum), LH_EMBED_PEAK_SHIFT));
}
/* Sums of int8 products, from the unit of the peaks' upper parts to that of all inputs. */
V_INLINE v16 v_raise_peaks(v16 sum)
{
    return (v16){raise_peaks(sum.low), raise_peaks(sum.high)};
}
V_INLINE v16 v_add_whole(v16 x, v16 y)
{
    return (v16){_mm256_castsi256_ps(
                     _mm256_add_epi32(_mm256_castps_si256(x.low), _mm256_castps_si256(y.low))),
                 _mm256_castsi256_ps(
                     _mm256_add_epi32(_mm256_castps_si256(x.high), _mm256_castps_si256(y.high)))};
}
V_INLINE v16 v_whole(v16 sum)
{
    return (v16){_mm256_cvtepi32_ps(_mm256_castps_si256(sum.low)),
                 _mm256_cvtepi32_ps(_mm256_castps_si256(sum.high))};
}
V_INLINE __m256 first_lanes(__m256 x, __m256i place, size_t lanes, float other)
{
    __m256i within = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)lanes), place);
    return _mm256_blendv_ps(_mm256_set1_ps(other), x, _mm256_castsi256_ps(within));
}
/* The first lanes of x, fewer than 16; other in the rest. */
V_INLINE v16 v_first(v16 x, size_t lanes, float other)
{
    return (v16){
        first_lanes(x.low, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), lanes, other),
        first_lanes(x.high, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15), lanes, other)};
}
/* As lh_embed_half_of, the upper part left in place. */
V_INLINE __m256 round_half(__m256 x)
{
    __m256i bits = _mm256_castps_si256(x);
    __m256i exponent = _mm256_and_si256(bits, _mm256_set1_epi32(0x7F800000));
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    __m256i tiny = _mm256_cmpeq_epi32(exponent, _mm256_setzero_si256());
    __m256i large = _mm256_cmpeq_epi32(exponent, _mm256_set1_epi32(0x7F800000));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    __m256i quiet = _mm256_or_si256(bits, _mm256_and_si256(nan, _mm256_set1_epi32(0x400000)));
    __m256i result = _mm256_blendv_epi8(up, quiet, large);
    result = _mm256_blendv_epi8(result, _mm256_and_si256(bits, _mm256_set1_epi32(INT32_MIN)), tiny);
    return _mm256_castsi256_ps(_mm256_and_si256(result, _mm256_set1_epi32(-65536)));
}
V_INLINE __m256 from_halves(const uint16_t *p)
{
    __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
}
V_INLINE v16 v_from_halves(const uint16_t *p)
{
    return (v16){from_halves(p), from_halves(p + 8)};
}
V_INLINE void v_store_half(v_half *p, v16 x)
{
    _mm256_storeu_ps(p, round_half(x.low));
    _mm256_storeu_ps(p + 8, round_half(x.high));
}
V_INLINE __m256i to_bytes(__m256 x, int32_t zero)
{
    __m256i whole = _mm256_add_epi32(_mm256_cvtps_epi32(x), _mm256_set1_epi32(zero));
    whole = _mm256_max_epi32(whole, _mm256_setzero_si256());
    return _mm256_min_epi32(whole, _mm256_set1_epi32(255));
}
V_INLINE void v_store_bytes(v_byte *p, v16 x, int32_t zero)
{
    __m256i mixed = _mm256_packs_epi32(to_bytes(x.low, zero), to_bytes(x.high, zero));
    _mm256_storeu_si256((__m256i *)(void *)p, _mm256_permute4x64_epi64(mixed, 0xD8));
}
V_INLINE void v_store_line_of_bytes(v_byte *p, const v16 *x, int32_t zero)
{
    for (size_t i = 0; i < 4; i++)
        v_store_bytes(p + i * LH_EMBED_PANEL, x[i], zero);
}
V_INLINE v16 v_gather(const float *from, const uint32_t *places)
{
    const __m256i *lanes = (const __m256i *)(const void *)places;
    return (v16){_mm256_i32gather_ps(from, _mm256_loadu_si256(lanes), sizeof(float)),
                 _mm256_i32gather_ps(from, _mm256_loadu_si256(lanes + 1), sizeof(float))};
}

V_INLINE uint32_t word_of(v_half even, v_half odd)
{
    return (uint32_t)lh_embed_half_of(even) | (uint32_t)lh_embed_half_of(odd) << 16;
}

/* Rows of keys, stride halves apart, to panels of 16 keys, two columns in a word; keys beyond the
 * last are zero. */
static void v_pack_keys(const v_half *keys, size_t stride, size_t count, size_t width,
                        uint32_t *out)
{
    for (size_t first = 0; first < count; first += 16)
        for (size_t i = 0; i < width; i += 2)
            for (size_t j = first; j < first + 16; j++, out++)
                *out = j < count ? word_of(keys[j * stride + i], keys[j * stride + i + 1]) : 0;
}

/* Rows of values to panels of 16 columns, two rows in a word; a row beyond the last is zero. */
static void v_pack_values(const v_half *values, size_t stride, size_t count, size_t width,
                          uint32_t *out)
{
    for (size_t column = 0; column < width; column += 16)
        for (size_t j = 0; j < count; j += 2)
            for (size_t i = column; i < column + 16; i++, out++)
                *out = word_of(values[j * stride + i],
                               j + 1 < count ? values[(j + 1) * stride + i] : 0.0f);
}

struct product;
static void multiply_int8(const struct product *p, size_t rows, size_t panels);

#include "embed/kernels_vector.h"

/* Four columns by four inputs; a lane holds the sum of two products, of the inputs 0, 1 or 2, 3. */
typedef struct int8_row {
    __m256i c0, c1, c2, c3;
} int8_row;

/* Widened to 16 bits the products are exact (pmaddubsw would saturate). As instructions, because
 * the compiler keeps sums of the intrinsics in memory (gcc 12). */
V_INLINE void int8_add(__m256i *sum, const uint8_t *a, __m256i weights)
{
    __m256i products;
    __m256i x = _mm256_castpd_si256(_mm256_broadcast_sd((const double *)(const void *)a));
    __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
            : "+x"(*sum), "=&x"(products)
            : "x"(x), "x"(weights));
}

V_INLINE __m256i int8_weights(const uint8_t *line)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)line));
}

V_INLINE __m256 int8_pairs(__m256i low, __m256i high)
{
    return _mm256_castsi256_ps(_mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xD8));
}

V_INLINE v16 int8_sum(const int8_row *row)
{
    return (v16){int8_pairs(row->c0, row->c1), int8_pairs(row->c2, row->c3)};
}

/* Three rows by one panel. */
typedef struct int8_sums {
    int8_row r0, r1, r2;
} int8_sums;

#define INT8_COLUMNS(part)                                                                         \
    do {                                                                                           \
        __m256i weights = int8_weights(line + 16 * (0##part));                                     \
        int8_add(&s.r0.c##part, a, weights);                                                       \
        if (rows > 1)                                                                              \
            int8_add(&s.r1.c##part, a + p->a_stride, weights);                                     \
        if (rows > 2)                                                                              \
            int8_add(&s.r2.c##part, a + 2 * p->a_stride, weights);                                 \
    } while (0)

V_INLINE int8_sums int8_words(const int rows, const product *p, size_t words, tile_cursor *at)
{
    const __m256i none = _mm256_setzero_si256();
    const int8_row zero = {none, none, none, none};
    int8_sums s = {zero, zero, zero};
    const uint8_t *a = at->a;
    const uint8_t *line = at->line;
    for (size_t k = 0; k < words; k++, a += INT8_WORD_BYTES, line += LINE_BYTES) {
        INT8_COLUMNS(0);
        INT8_COLUMNS(1);
        INT8_COLUMNS(2);
        INT8_COLUMNS(3);
    }
    at->a = a;
    at->line = line;
    return s;
}

V_INLINE void int8_tile(const int rows, const product *p, size_t row, size_t panel)
{
    tile_cursor from = {.a = p->a + row * p->a_stride, .line = p->b + panel * p->panel_stride};
    const v16 start = v_load_line(from.line);
    from.line += LINE_BYTES;
    const size_t words[] = {p->both, p->leads, p->depth};
    v16 sums[3] = {v_set(0), v_set(0), v_set(0)};
    for (int part = 0; part < 3; part++) {
        const int8_sums s = int8_words(rows, p, words[part], &from);
        const v16 more[3] = {int8_sum(&s.r0), int8_sum(&s.r1), int8_sum(&s.r2)};
        for (int i = 0; i < rows; i++) {
            sums[i] = v_add_whole(v_raise_peaks(sums[i]), more[i]);
            if (part == 1)
                sums[i] = v_add_whole(sums[i], start);
        }
    }
    const tile_place at = {row, panel * LH_EMBED_PANEL, (size_t)rows, 1};
    p->finish(p, &at, sums);
}

static void multiply_int8(const product *p, size_t rows, size_t panels)
{
    for (size_t panel = 0; panel < panels; panel++) {
        size_t row = 0;
        for (; row + 3 <= rows; row += 3)
            int8_tile(3, p, row, panel);
        if (rows - row == 2)
            int8_tile(2, p, row, panel);
        else if (rows - row == 1)
            int8_tile(1, p, row, panel);
    }
}

const lh_embed_kernels lh_embed_kernels_avx2 = {.name = "avx2",
                                                .half_bytes = sizeof(v_half),
                                                .int8_bytes = sizeof(v_byte),
                                                .add_word = add_word,
                                                .encode = encode,
                                                .linear = linear,
                                                .layer_norm = layer_norm,
                                                .attention = attention,
                                                .pool = pool};
#endif
