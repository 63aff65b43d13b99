/* vector/vector_kernels_avx2.c - AVX2: products of bytes by maddubs where 16 bits hold them (4-bit
 * codes), else by sign extension; table look-ups of nibbles by pshufb (FastScan, André et al.,
 * VLDB 2015). */
#include "vector/vector_encode_private.h"
#include "vector/vector_transpose_private.h"

LHI_INLINE __m256i load(const void *at)
{
    return _mm256_loadu_si256(at);
}

LHI_INLINE __m128i sums_of_four(__m256i a, __m256i b, __m256i c, __m256i d)
{
    __m256i t = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    return _mm_add_epi32(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1));
}

/* One chunk in 16-bit lanes: at most 4 x 2 x 15 x 127 = 15,240, so two of them fit. */
LHI_INLINE __m256i i4_chunk(const uint8_t *row, const __m256i q[4])
{
    const __m256i low = _mm256_set1_epi8(15);
    __m256i x = load(row);
    __m256i y = load(row + 32);
    __m256i a = _mm256_maddubs_epi16(_mm256_and_si256(x, low), q[0]);
    __m256i b = _mm256_maddubs_epi16(_mm256_and_si256(y, low), q[1]);
    __m256i c = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(x, 4), low), q[2]);
    __m256i d = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(y, 4), low), q[3]);
    return _mm256_add_epi16(_mm256_add_epi16(a, b), _mm256_add_epi16(c, d));
}

LHI_INLINE __m128i i4_sums(const uint8_t *const rows[4], const int8_t *query, const size_t chunks)
{
    const __m256i one = _mm256_set1_epi16(1);
    __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                      _mm256_setzero_si256()};
    for (size_t c = 0; c < chunks; c++, query += 128) {
        const __m256i q[4] = {load(query), load(query + 32), load(query + 64), load(query + 96)};
#pragma GCC unroll 4
        for (size_t r = 0; r < 4; r++)
            sum[r] =
                _mm256_add_epi32(sum[r], _mm256_madd_epi16(i4_chunk(rows[r] + c * 64, q), one));
    }
    return sums_of_four(sum[0], sum[1], sum[2], sum[3]);
}

static void i4_four(const uint8_t *const rows[4], const int8_t *query, size_t chunks,
                    int32_t ret[4])
{
    _mm_storeu_si128((void *)ret, i4_sums(rows, query, chunks));
}

#include "vector/vector_i4_private.h"

static size_t table_bytes(size_t padded)
{
    return padded * 4;
}

static void b1_table(const int8_t *query, size_t padded, uint8_t *ret)
{
    const __m128i bit0 = _mm_set1_epi16((short)0xff00);
    const __m128i bit1 = _mm_set1_epi32((int)0xffff0000);
    const __m128i bit2 = _mm_set1_epi64x((long long)0xffffffff00000000ull);
    const __m128i bit3 = _mm_set_epi64x(-1, 0);
    for (size_t g = 0; g < padded / 4; g++, query += 4, ret += 16) {
        int lift = 0;
        for (size_t j = 0; j < 4; j++)
            lift += query[j] < 0 ? -query[j] : 0;
        __m128i t = _mm_set1_epi8((char)lift);
        t = _mm_add_epi8(t, _mm_and_si128(bit0, _mm_set1_epi8(query[0])));
        t = _mm_add_epi8(t, _mm_and_si128(bit1, _mm_set1_epi8(query[1])));
        t = _mm_add_epi8(t, _mm_and_si128(bit2, _mm_set1_epi8(query[2])));
        t = _mm_add_epi8(t, _mm_and_si128(bit3, _mm_set1_epi8(query[3])));
        _mm_storeu_si128((void *)ret, t);
    }
}

/* Even bytes gather in one sum, odd bytes in the upper halves of the other. */
typedef struct byte_sums {
    __m256i even, odd;
} byte_sums;

LHI_INLINE byte_sums add_bytes(byte_sums s, __m256i v)
{
    s.even = _mm256_add_epi16(s.even, v);
    s.odd = _mm256_add_epi16(s.odd, _mm256_srli_epi16(v, 8));
    return s;
}

/* Sums of 16 rows in their order. */
LHI_INLINE __m256i in_order(byte_sums s)
{
    s.even = _mm256_sub_epi16(s.even, _mm256_slli_epi16(s.odd, 8));
    __m128i even =
        _mm_add_epi16(_mm256_castsi256_si128(s.even), _mm256_extracti128_si256(s.even, 1));
    __m128i odd = _mm_add_epi16(_mm256_castsi256_si128(s.odd), _mm256_extracti128_si256(s.odd, 1));
    return _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
}

LHI_INLINE void block_sums(const uint8_t *block, const uint8_t *table, size_t padded,
                           __m256i ret[2])
{
    const __m256i low = _mm256_set1_epi8(15);
    byte_sums a = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    byte_sums b = a;
    for (size_t g = 0; g < padded / 4; g += 16, block += 256, table += 256) {
        __m256i x = _mm256_setzero_si256();
        __m256i y = x;
#pragma GCC unroll 8
        for (size_t j = 0; j < 8; j++) { /* eight sums of at most 31 fit a byte */
            __m256i v = load(block + j * 32);
            __m256i t = load(table + j * 32);
            __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
            x = _mm256_add_epi8(x, _mm256_shuffle_epi8(t, _mm256_and_si256(v, low)));
            y = _mm256_add_epi8(y, _mm256_shuffle_epi8(t, high));
        }
        a = add_bytes(a, x);
        b = add_bytes(b, y);
    }
    ret[0] = in_order(a);
    ret[1] = in_order(b);
}

/* Estimates of 8 rows; the mask of those that reach the threshold. */
LHI_INLINE uint32_t estimate8(const lh_vector_b1_scan *s, __m128i sums, size_t row, float *ret)
{
    __m256i doubled = _mm256_slli_epi32(_mm256_cvtepu16_epi32(sums), 1);
    __m256 e = _mm256_cvtepi32_ps(_mm256_sub_epi32(doubled, _mm256_set1_epi32(s->base)));
    __m256i factor = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(s->factors + row)));
    e = _mm256_mul_ps(e, _mm256_castsi256_ps(_mm256_slli_epi32(factor, 16)));
    e = _mm256_mul_ps(e, _mm256_set1_ps(s->unit));
    if (s->offsets)
        e = _mm256_add_ps(e, _mm256_loadu_ps(s->offsets + row));
    _mm256_storeu_ps(ret, e);
    __m256 reach = _mm256_cmp_ps(e, _mm256_set1_ps(s->threshold), _CMP_GE_OQ);
    return (uint32_t)_mm256_movemask_ps(reach);
}

static size_t b1_scan(lh_vector_b1_scan *s, size_t first, size_t end)
{
    size_t b = first;
    for (; b < end && s->keys_count + 32 <= s->keys_max; b++) {
        uint32_t mask = b * 32 + 32 <= s->rows ? ~0u : (1u << (s->rows - b * 32)) - 1;
        if (s->allowed)
            mask &= (uint32_t)(s->allowed[b / 2] >> (b % 2 * 32));
        if (!mask)
            continue;
        const uint8_t *block = s->blocks + b * s->block_bytes;
        LHI_UNSET __m256i sums[2];
        LHI_UNSET float e[32];
        _mm_prefetch((const char *)(block + 2 * s->block_bytes), _MM_HINT_T1);
        block_sums(block, s->table, s->padded, sums);
        uint32_t reach = estimate8(s, _mm256_castsi256_si128(sums[0]), b * 32, e);
        reach |= estimate8(s, _mm256_extracti128_si256(sums[0], 1), b * 32 + 8, e + 8) << 8;
        reach |= estimate8(s, _mm256_castsi256_si128(sums[1]), b * 32 + 16, e + 16) << 16;
        reach |= estimate8(s, _mm256_extracti128_si256(sums[1], 1), b * 32 + 24, e + 24) << 24;
        for (mask &= reach; mask; mask &= mask - 1) {
            uint32_t r = (uint32_t)__builtin_ctz(mask);
            s->keys[s->keys_count++] = lh_vector_key(e[r], (uint32_t)(b * 32 + r));
        }
    }
    return b;
}

/* ---- build: panels of 16-bit values, [pair of dimensions][16 rows][2] ---- */

static size_t panel_bytes(size_t padded)
{
    return 2 * LH_VECTOR_PANEL * padded;
}

/* Transposes 8 x 8 words of 32 bits. */
LHI_INLINE void transpose8(const __m256i in[8], __m256i out[8])
{
    LHI_UNSET __m256i t[8], u[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_epi32(in[2 * i], in[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi32(in[2 * i], in[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        u[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        u[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        u[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        u[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        out[i] = _mm256_permute2x128_si256(u[i], u[4 + i], 0x20);
        out[4 + i] = _mm256_permute2x128_si256(u[i], u[4 + i], 0x31);
    }
}

static void pack(uint8_t *panel, const uint8_t *const rows[LH_VECTOR_PANEL], size_t padded)
{
    for (size_t i = 0; i < padded; i += 16)
        for (size_t half = 0; half < 2; half++) {
            LHI_UNSET __m256i in[8], out[8];
#pragma GCC unroll 8
            for (size_t r = 0; r < 8; r++)
                in[r] =
                    _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)(rows[half * 8 + r] + i)));
            transpose8(in, out);
#pragma GCC unroll 8
            for (size_t k = 0; k < 8; k++)
                _mm256_storeu_si256((void *)(panel + (i / 2 + k) * 64 + half * 32), out[k]);
        }
}

static void unbias(uint8_t *ret, const uint8_t *panel, size_t padded)
{
    for (size_t i = 0; i < panel_bytes(padded); i += 32)
        _mm256_storeu_si256((void *)(ret + i),
                            _mm256_sub_epi16(load(panel + i), _mm256_set1_epi16(128)));
}

static void multiply(const uint8_t *left, const uint8_t *right, size_t padded, int32_t ret[256])
{
    for (size_t h = 0; h < 16; h += 4) {
        const uint8_t *at = left + h * 4;
        __m256i s[4], t[4];
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++)
            s[r] = t[r] = _mm256_setzero_si256();
        for (size_t k = 0; k < padded / 2; k++, at += 64) {
            __m256i y = load(right + k * 64);
            __m256i z = load(right + k * 64 + 32);
#pragma GCC unroll 4
            for (int r = 0; r < 4; r++) {
                int pair;
                memcpy(&pair, at + 4 * r, sizeof pair);
                __m256i a = _mm256_set1_epi32(pair);
                s[r] = _mm256_add_epi32(s[r], _mm256_madd_epi16(a, y));
                t[r] = _mm256_add_epi32(t[r], _mm256_madd_epi16(a, z));
            }
        }
#pragma GCC unroll 4
        for (size_t r = 0; r < 4; r++) {
            _mm256_storeu_si256((void *)(ret + (h + r) * 16), s[r]);
            _mm256_storeu_si256((void *)(ret + (h + r) * 16 + 8), t[r]);
        }
    }
}

static void dot_four(const uint8_t *row, const int8_t *kept, size_t padded, int32_t ret[4])
{
    __m256i s[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                    _mm256_setzero_si256()};
    for (size_t i = 0; i < padded; i += 16) {
        __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)(row + i)));
#pragma GCC unroll 4
        for (size_t k = 0; k < 4; k++) {
            __m128i y = _mm_loadu_si128((const void *)(kept + k * padded + i));
            s[k] = _mm256_add_epi32(s[k], _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(y)));
        }
    }
    _mm_storeu_si128((void *)ret, sums_of_four(s[0], s[1], s[2], s[3]));
}

static void store_tile(const int32_t value[256], const int32_t less[16], int shift, int16_t *tile,
                       int16_t *mirror, size_t ld)
{
    const __m128i by = _mm_cvtsi32_si128(shift);
    for (size_t r = 0; r < 16; r++) {
        __m256i c = _mm256_set1_epi32(less[r]);
        __m256i a = _mm256_sra_epi32(_mm256_sub_epi32(load(value + r * 16), c), by);
        __m256i b = _mm256_sra_epi32(_mm256_sub_epi32(load(value + r * 16 + 8), c), by);
        __m256i v = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
        _mm256_storeu_si256((void *)(tile + r * ld), v);
    }
    if (mirror)
        transpose16(tile, mirror, ld);
}

LHI_INLINE int16_t kth_of_lanes(__m256i low, __m256i high, int k)
{
    int16_t lanes[32];
    int16_t best = -32767;
    _mm256_storeu_si256((void *)lanes, low);
    _mm256_storeu_si256((void *)(lanes + 16), high);
    for (size_t i = 0; i < 32; i++) {
        __m256i v = _mm256_set1_epi16(lanes[i]);
        __m256i above = _mm256_packs_epi16(_mm256_cmpgt_epi16(v, low), _mm256_cmpgt_epi16(v, high));
        int reach = 32 - __builtin_popcount((uint32_t)_mm256_movemask_epi8(above));
        int16_t at = reach >= k ? lanes[i] : (int16_t)-32767;
        best = at > best ? at : best;
    }
    return best;
}

static size_t leaf_best(const int16_t *row, const int16_t *half, size_t count, int k,
                        uint16_t *columns, int16_t *scores)
{
    __m256i x = _mm256_set1_epi16(INT16_MIN);
    __m256i y = x;
    size_t found = 0;
    for (size_t j = 0; j < count; j += 32) {
        x = _mm256_max_epi16(x, _mm256_subs_epi16(load(row + j), load(half + j)));
        y = _mm256_max_epi16(y, _mm256_subs_epi16(load(row + j + 16), load(half + j + 16)));
    }
    __m256i below = _mm256_set1_epi16((int16_t)(kth_of_lanes(x, y, k) - 1));
    for (size_t j = 0; j < count; j += 16) {
        __m256i s = _mm256_subs_epi16(load(row + j), load(half + j));
        uint32_t mask = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi16(s, below));
        if (!mask)
            continue;
        LHI_UNSET int16_t v[16];
        _mm256_storeu_si256((void *)v, s);
        while (mask) {
            uint32_t i = (uint32_t)__builtin_ctz(mask) / 2;
            mask &= ~(3u << (2 * i));
            columns[found] = (uint16_t)(j + i);
            scores[found++] = v[i];
        }
    }
    return found;
}

static uint32_t leader_scores(const int32_t *value, int32_t less, const int32_t *norms,
                              int32_t least, int32_t *scores)
{
    uint32_t mask = 0;
    const __m256i bound = _mm256_set1_epi32(least);
    for (size_t i = 0; i < 16; i += 8) {
        __m256i v =
            _mm256_slli_epi32(_mm256_sub_epi32(load(value + i), _mm256_set1_epi32(less)), 1);
        v = _mm256_sub_epi32(v, load(norms + i));
        _mm256_storeu_si256((void *)(scores + i), v);
        __m256i under = _mm256_cmpgt_epi32(bound, v);
        mask |= (0xffu & ~(uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(under))) << i;
    }
    return mask;
}

static uint32_t largest_id(const uint32_t *ids, size_t count)
{
    const __m256i one = _mm256_set1_epi32(1);
    __m256i most = one; /* ids + 1, so that none becomes 0 */
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        most = _mm256_max_epu32(most, _mm256_add_epi32(load(ids + i), one));
    uint32_t lanes[8];
    uint32_t largest = 1;
    _mm256_storeu_si256((void *)lanes, most);
    for (size_t l = 0; l < 8; l++)
        largest = lanes[l] > largest ? lanes[l] : largest;
    for (; i < count; i++)
        largest = ids[i] + 1 > largest ? ids[i] + 1 : largest;
    return largest - 1;
}

const lh_vector_kernels lh_vector_kernels_avx2 = {
    .name = "avx2",
    .floats = LHI_FLOAT_KERNELS,
    .encode = LHI_ENCODE_KERNELS,
    .search = {.i4_four = i4_four,
               .i4_scores = i4_scores,
               .b1_block_rows = 32,
               .b1_table_bytes = table_bytes,
               .b1_table = b1_table,
               .b1_scan = b1_scan},
    .build = {.panel_bytes = panel_bytes,
              .pack = pack,
              .unbias = unbias,
              .multiply = multiply,
              .dot_four = dot_four,
              .store_tile = store_tile,
              .leaf_best = leaf_best,
              .leader_scores = leader_scores,
              .largest_id = largest_id},
};
