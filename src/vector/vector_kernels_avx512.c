/* vector/vector_kernels_avx512.c - AVX-512 with VNNI and VBMI: products of bytes by dpbusd,
 * look-ups of six dimensions at once in tables of 64 bytes (vpermb), so 1-bit blocks are arranged
 * anew when a segment is opened. */
#include "vector/vector_encode_private.h"
#include "vector/vector_transpose_private.h"

LHI_INLINE __m512i load(const void *at)
{
    return _mm512_loadu_si512(at);
}

LHI_INLINE __m128i sums_of_four(__m512i a, __m512i b, __m512i c, __m512i d)
{
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    __m512i t = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    __m256i h = _mm256_add_epi32(_mm512_castsi512_si256(t), _mm512_extracti64x4_epi64(t, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
}

LHI_INLINE __m512i i4_chunk(__m512i sum, const uint8_t *row, __m512i low, __m512i high)
{
    const __m512i mask = _mm512_set1_epi8(15);
    __m512i v = load(row);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(v, mask), low);
    return _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(v, 4), mask), high);
}

LHI_INLINE __m128i i4_sums(const uint8_t *const rows[4], const int8_t *query, const size_t chunks)
{
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
#pragma GCC unroll 4
    for (size_t i = 0; i < chunks; i++) {
        __m512i low = load(query + i * 128);
        __m512i high = load(query + i * 128 + 64);
        a = i4_chunk(a, rows[0] + i * 64, low, high);
        b = i4_chunk(b, rows[1] + i * 64, low, high);
        c = i4_chunk(c, rows[2] + i * 64, low, high);
        d = i4_chunk(d, rows[3] + i * 64, low, high);
    }
    return sums_of_four(a, b, c, d);
}

static void i4_four(const uint8_t *const rows[4], const int8_t *query, size_t chunks,
                    int32_t ret[4])
{
    _mm_storeu_si128((void *)ret, i4_sums(rows, query, chunks));
}

#include "vector/vector_i4_private.h"

/* ---- 1 bit: 64 rows: per 24 dimensions three times 64 bytes; then 64 factors, even rows first.
 * The low six bits of the three are the first sextets of a row, the upper two bits together the
 * fourth: a scan of all rows is bound by what it reads, and the look-up ignores upper bits. ---- */

LHI_INLINE size_t sextets(size_t padded)
{
    return ((padded + 5) / 6 + 7) / 8 * 8; /* eight are summed at once */
}

static size_t arranged_bytes(size_t padded)
{
    return sextets(padded) * 48 + 64 * sizeof(uint16_t);
}

LHI_INLINE __m512i nibbles_of_64(const uint8_t *stored, size_t stored_blocks, size_t padded,
                                 size_t group)
{
    if (group >= padded / 4)
        return _mm512_setzero_si512();
    __m128i a = _mm_loadu_si128((const void *)(stored + group * 16));
    __m128i b = _mm_setzero_si128();
    if (stored_blocks > 1)
        b = _mm_loadu_si128((const void *)(stored + padded * 4 + group * 16));
    const __m128i low = _mm_set1_epi8(15);
    __m256i x = _mm256_set_m128i(_mm_and_si128(_mm_srli_epi16(a, 4), low), _mm_and_si128(a, low));
    __m256i y = _mm256_set_m128i(_mm_and_si128(_mm_srli_epi16(b, 4), low), _mm_and_si128(b, low));
    return _mm512_inserti64x4(_mm512_castsi256_si512(x), y, 1);
}

/* Two sextets of three nibbles. */
LHI_INLINE void sextets_of(__m512i a, __m512i b, __m512i c, __m512i ret[2])
{
    const __m512i two = _mm512_set1_epi8(3);
    ret[0] = _mm512_or_si512(a, _mm512_slli_epi16(_mm512_and_si512(b, two), 4));
    ret[1] =
        _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(b, 2), two), _mm512_slli_epi16(c, 2));
}

static void b1_arrange(const uint8_t *stored, size_t stored_blocks, const uint16_t *factors,
                       size_t padded, uint8_t *ret)
{
    const __m512i upper = _mm512_set1_epi8((char)0xc0);
    size_t groups = sextets(padded);
    for (size_t s = 0, g = 0; s < groups; s += 4, g += 6) {
        __m512i n[6], x[4];
        for (size_t i = 0; i < 6; i++)
            n[i] = nibbles_of_64(stored, stored_blocks, padded, g + i);
        sextets_of(n[0], n[1], n[2], x);
        sextets_of(n[3], n[4], n[5], x + 2);
        for (size_t i = 0; i < 3; i++) {
            __m512i part = _mm512_sll_epi16(x[3], _mm_cvtsi32_si128(6 - 2 * (int)i));
            _mm512_storeu_si512(ret + s * 48 + i * 64,
                                _mm512_or_si512(x[i], _mm512_and_si512(part, upper)));
        }
    }
    uint16_t *ordered = (uint16_t *)(void *)(ret + groups * 48);
    for (size_t r = 0; r < 64; r++)
        ordered[r % 2 * 32 + r / 2] = r < stored_blocks * 32 ? factors[r] : 0;
}

static size_t table_bytes(size_t padded)
{
    return sextets(padded) * 64;
}

static void b1_table(const int8_t *query, size_t padded, uint8_t *ret)
{
    static const uint64_t with_bit[6] = {0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc,
                                         0xf0f0f0f0f0f0f0f0, 0xff00ff00ff00ff00,
                                         0xffff0000ffff0000, 0xffffffff00000000};
    for (size_t s = 0; s < sextets(padded); s++) {
        __m512i t = _mm512_setzero_si512();
        int lift = 0;
#pragma GCC unroll 6
        for (size_t j = 0; j < 6; j++) {
            int8_t q = s * 6 + j < padded ? query[s * 6 + j] : 0;
            lift += q < 0 ? -q : 0;
            t = _mm512_mask_add_epi8(t, with_bit[j], t, _mm512_set1_epi8(q));
        }
        _mm512_storeu_si512(ret + s * 64, _mm512_add_epi8(t, _mm512_set1_epi8((char)lift)));
    }
}

LHI_INLINE __m512i look_up(__m512i at, const uint8_t *table)
{
    return _mm512_permutexvar_epi8(at, load(table));
}

/* Where the mask has ones, of the first; else of the second. */
LHI_INLINE __m512i choose_bits(__m512i ones, __m512i zeros, __m512i mask)
{
    return _mm512_ternarylogic_epi32(ones, zeros, mask, 0xe4);
}

/* Sums of four look-ups, of at most 31 each. */
LHI_INLINE __m512i four_sums(const uint8_t *block, const uint8_t *table)
{
    __m512i a = load(block);
    __m512i b = load(block + 64);
    __m512i c = load(block + 128);
    __m512i d = choose_bits(_mm512_srli_epi16(a, 6), _mm512_srli_epi16(b, 4), _mm512_set1_epi8(3));
    d = choose_bits(d, _mm512_srli_epi16(c, 2), _mm512_set1_epi8(15));
    __m512i x = _mm512_add_epi8(look_up(a, table), look_up(b, table + 64));
    return _mm512_add_epi8(x, _mm512_add_epi8(look_up(c, table + 128), look_up(d, table + 192)));
}

/* Sums of rows 0, 2 .. 62 and of rows 1, 3 .. 63. */
LHI_INLINE void block_sums(const uint8_t *block, const uint8_t *table, size_t groups,
                           __m512i ret[2])
{
    __m512i even = _mm512_setzero_si512(), odd = even;
    for (size_t g = 0; g < groups; g += 8, block += 384, table += 512) {
        __m512i x = _mm512_add_epi8(four_sums(block, table), four_sums(block + 192, table + 256));
        even = _mm512_add_epi16(even, x); /* eight sums of at most 31 fit a byte */
        odd = _mm512_add_epi16(odd, _mm512_srli_epi16(x, 8));
    }
    ret[0] = _mm512_sub_epi16(even, _mm512_slli_epi16(odd, 8));
    ret[1] = odd;
}

LHI_INLINE __m512 estimate16(const lh_vector_b1_scan *s, __m256i sums, const uint16_t *factors)
{
    __m512i doubled = _mm512_slli_epi32(_mm512_cvtepu16_epi32(sums), 1);
    __m512 e = _mm512_cvtepi32_ps(_mm512_sub_epi32(doubled, _mm512_set1_epi32(s->base)));
    __m512i f = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)factors));
    e = _mm512_mul_ps(e, _mm512_castsi512_ps(_mm512_slli_epi32(f, 16)));
    return _mm512_mul_ps(e, _mm512_set1_ps(s->unit));
}

/* Every second offset from `from` on, 16 of them. The last row's block may end early. */
LHI_INLINE __m512 offsets16(const lh_vector_b1_scan *s, size_t from, size_t odd)
{
    float some[32] = {0};
    size_t have = s->rows > from ? s->rows - from : 0;
    memcpy(some, s->offsets + from, (have < 32 ? have : 32) * sizeof(float));
    const __m512i pick = _mm512_add_epi32(
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30),
        _mm512_set1_epi32((int)odd));
    return _mm512_permutex2var_ps(_mm512_loadu_ps(some), pick, _mm512_loadu_ps(some + 16));
}

LHI_INLINE uint64_t rows_of(const lh_vector_b1_scan *s, size_t b)
{
    uint64_t mask = b * 64 + 64 <= s->rows ? ~0ull : (1ull << (s->rows - b * 64)) - 1;
    return s->allowed ? mask & s->allowed[b] : mask;
}

/* Estimates of a block, even rows first; the mask of those that reach the threshold. */
LHI_INLINE uint64_t estimate_block(const lh_vector_b1_scan *s, size_t b, size_t groups, float e[64])
{
    const uint8_t *block = s->blocks + b * s->block_bytes;
    const uint16_t *factors = (const uint16_t *)(const void *)(block + groups * 48);
    const __m512 threshold = _mm512_set1_ps(s->threshold);
    LHI_UNSET __m512i sums[2];
    LHI_UNSET __m512 v[4];
    uint64_t reach = 0;
    block_sums(block, s->table, groups, sums);
    v[0] = estimate16(s, _mm512_castsi512_si256(sums[0]), factors);
    v[1] = estimate16(s, _mm512_extracti64x4_epi64(sums[0], 1), factors + 16);
    v[2] = estimate16(s, _mm512_castsi512_si256(sums[1]), factors + 32);
    v[3] = estimate16(s, _mm512_extracti64x4_epi64(sums[1], 1), factors + 48);
#pragma GCC unroll 4
    for (size_t h = 0; h < 4; h++) {
        if (s->offsets)
            v[h] = _mm512_add_ps(v[h], offsets16(s, b * 64 + h % 2 * 32, h / 2));
        reach |= (uint64_t)_mm512_cmp_ps_mask(v[h], threshold, _CMP_GE_OQ) << (16 * h);
    }
    if (reach)
#pragma GCC unroll 4
        for (size_t h = 0; h < 4; h++)
            _mm512_storeu_ps(e + 16 * h, v[h]);
    return reach;
}

static size_t b1_scan(lh_vector_b1_scan *s, size_t first, size_t end)
{
    const size_t groups = sextets(s->padded);
    size_t b = first;
    for (; b < end && s->keys_count + 64 <= s->keys_max; b++) {
        LHI_UNSET float e[64];
        uint64_t rows = rows_of(s, b);
        if (!rows)
            continue;
        _mm_prefetch((const char *)(s->blocks + (b + 2) * s->block_bytes), _MM_HINT_T1);
        for (uint64_t reach = estimate_block(s, b, groups, e); reach; reach &= reach - 1) {
            uint32_t lane = (uint32_t)__builtin_ctzll(reach);
            uint32_t row = lane % 32 * 2 + lane / 32;
            if (rows >> row & 1)
                s->keys[s->keys_count++] = lh_vector_key(e[lane], (uint32_t)(b * 64) + row);
        }
    }
    return b;
}

/* ---- build: panels [4 dimensions][16 rows][4] ---- */

static size_t panel_bytes(size_t padded)
{
    return LH_VECTOR_PANEL * padded;
}

/* Transposes 16 x 16 words of 32 bits: four dimensions of a row are one word. */
LHI_INLINE void transpose_words(__m512i r[16], uint8_t *out)
{
    LHI_UNSET __m512i t[16];
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
    for (int j = 0; j < 4; j++) { /* lane L of r[4i + j]: rows 4i .. 4i + 3 of word 4L + j */
        __m512i a = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x44);
        __m512i b = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xee);
        __m512i c = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x44);
        __m512i d = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xee);
        _mm512_storeu_si512(out + j * 64, _mm512_shuffle_i32x4(a, c, 0x88));
        _mm512_storeu_si512(out + (4 + j) * 64, _mm512_shuffle_i32x4(a, c, 0xdd));
        _mm512_storeu_si512(out + (8 + j) * 64, _mm512_shuffle_i32x4(b, d, 0x88));
        _mm512_storeu_si512(out + (12 + j) * 64, _mm512_shuffle_i32x4(b, d, 0xdd));
    }
}

static void pack(uint8_t *panel, const uint8_t *const rows[LH_VECTOR_PANEL], size_t padded)
{
    for (size_t i = 0; i < padded; i += 64) {
        LHI_UNSET __m512i r[16];
#pragma GCC unroll 16
        for (size_t c = 0; c < 16; c++)
            r[c] = load(rows[c] + i);
        transpose_words(r, panel + i * LH_VECTOR_PANEL);
    }
}

static void unbias(uint8_t *ret, const uint8_t *panel, size_t padded)
{
    for (size_t i = 0; i < panel_bytes(padded); i += 64)
        _mm512_storeu_si512(ret + i,
                            _mm512_xor_si512(load(panel + i), _mm512_set1_epi8((char)0x80)));
}

static void multiply(const uint8_t *left, const uint8_t *right, size_t padded, int32_t ret[256])
{
    __m512i s[16];
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++)
        s[r] = _mm512_setzero_si512();
    for (size_t k = 0; k < padded / 4; k++, left += 64) {
        __m512i y = load(right + k * 64);
#pragma GCC unroll 16
        for (int r = 0; r < 16; r++) {
            int four;
            memcpy(&four, left + 4 * r, sizeof four);
            s[r] = _mm512_dpbusd_epi32(s[r], y, _mm512_set1_epi32(four));
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++)
        _mm512_storeu_si512(ret + r * 16, s[r]);
}

static void dot_four(const uint8_t *row, const int8_t *kept, size_t padded, int32_t ret[4])
{
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (size_t i = 0; i < padded; i += 64) {
        __m512i x = load(row + i);
        a = _mm512_dpbusd_epi32(a, x, load(kept + i));
        b = _mm512_dpbusd_epi32(b, x, load(kept + padded + i));
        c = _mm512_dpbusd_epi32(c, x, load(kept + 2 * padded + i));
        d = _mm512_dpbusd_epi32(d, x, load(kept + 3 * padded + i));
    }
    _mm_storeu_si128((void *)ret, sums_of_four(a, b, c, d));
}

static void store_tile(const int32_t value[256], const int32_t less[16], int shift, int16_t *tile,
                       int16_t *mirror, size_t ld)
{
    const __m128i by = _mm_cvtsi32_si128(shift);
    for (size_t r = 0; r < 16; r++) {
        __m512i v = _mm512_sub_epi32(load(value + r * 16), _mm512_set1_epi32(less[r]));
        v = _mm512_sra_epi32(v, by);
        _mm256_storeu_si256((void *)(tile + r * ld), _mm512_cvtepi32_epi16(v));
    }
    if (mirror)
        transpose16(tile, mirror, ld);
}

LHI_INLINE int16_t kth_of_lanes(__m512i v, int k)
{
    LHI_UNSET int16_t lanes[32];
    int16_t best = -32767;
    _mm512_storeu_si512(lanes, v);
    for (size_t i = 0; i < 32; i++) {
        int reach = __builtin_popcount(_mm512_cmpge_epi16_mask(v, _mm512_set1_epi16(lanes[i])));
        int16_t at = reach >= k ? lanes[i] : (int16_t)-32767;
        best = at > best ? at : best;
    }
    return best;
}

/* Compressing 16-bit lanes is VBMI2: every CPU with VBMI and VNNI has it, and the table asks. */
__attribute__((target("avx512vbmi2"))) static size_t leaf_best(const int16_t *row,
                                                               const int16_t *half, size_t count,
                                                               int k, uint16_t *columns,
                                                               int16_t *scores)
{
    static const uint16_t iota[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                      11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                      22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
    const __m512i ids = load(iota);
    __m512i most = _mm512_set1_epi16(INT16_MIN);
    size_t found = 0;
    for (size_t j = 0; j < count; j += 32)
        most = _mm512_max_epi16(most, _mm512_subs_epi16(load(row + j), load(half + j)));
    const __m512i least = _mm512_set1_epi16(kth_of_lanes(most, k));
    for (size_t j = 0; j < count; j += 32) {
        __m512i s = _mm512_subs_epi16(load(row + j), load(half + j));
        uint32_t mask = _mm512_cmpge_epi16_mask(s, least);
        if (!mask)
            continue;
        __m512i at = _mm512_add_epi16(ids, _mm512_set1_epi16((short)j));
        _mm512_storeu_si512(columns + found, _mm512_maskz_compress_epi16(mask, at));
        _mm512_storeu_si512(scores + found, _mm512_maskz_compress_epi16(mask, s));
        found += (size_t)__builtin_popcount(mask);
    }
    return found;
}

static uint32_t leader_scores(const int32_t *value, int32_t less, const int32_t *norms,
                              int32_t least, int32_t *scores)
{
    __m512i v = _mm512_slli_epi32(_mm512_sub_epi32(load(value), _mm512_set1_epi32(less)), 1);
    v = _mm512_sub_epi32(v, load(norms));
    uint32_t mask = _mm512_cmpge_epi32_mask(v, _mm512_set1_epi32(least));
    if (mask)
        _mm512_storeu_si512(scores, v);
    return mask;
}

static uint32_t largest_id(const uint32_t *ids, size_t count)
{
    const __m512i one = _mm512_set1_epi32(1);
    __m512i most = one; /* ids + 1, so that none becomes 0 */
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        most = _mm512_max_epu32(most, _mm512_add_epi32(load(ids + i), one));
    uint32_t largest = _mm512_reduce_max_epu32(most);
    for (; i < count; i++)
        largest = ids[i] + 1 > largest ? ids[i] + 1 : largest;
    return largest - 1;
}

const lh_vector_kernels lh_vector_kernels_avx512 = {
    .name = "avx512",
    .floats = LHI_FLOAT_KERNELS,
    .encode = LHI_ENCODE_KERNELS,
    .search = {.i4_four = i4_four,
               .i4_scores = i4_scores,
               .b1_block_rows = 64,
               .b1_arranged_bytes = arranged_bytes,
               .b1_arrange = b1_arrange,
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
