/* Every table of kernels equals the scalar one, bit for bit, at every dimension and at the
 * extremes. */
#include "support/unit.h"
#include "vector/vector_kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIMENSIONS = 520, PADDED_MAX = 4096 };

static uint32_t state = 7;
static uint32_t draw(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}
static float draw_float(void)
{
    return (float)draw() / (float)(1 << 24) - 0.5f;
}

static const lh_vector_kernels *const scalar = &lh_vector_kernels_scalar;
static const lh_simd sets[] = {LH_SIMD_AVX2, LH_SIMD_AVX512};

static int same(const void *a, const void *b, size_t bytes)
{
    return memcmp(a, b, bytes) == 0;
}

static void floats_equal(const lh_vector_kernels *k, size_t n, float size)
{
    static float a[DIMENSIONS + 1], q[DIMENSIONS];
    static uint16_t h[DIMENSIONS + 1];
    for (size_t i = 0; i < n; i++) {
        a[i + 1] = draw_float() * size;
        q[i] = draw_float() * size;
        h[i + 1] = (uint16_t)(draw() & 0xbbff); /* finite as f16 and as bf16 */
    }
#define CHECK(kernel, row)                                                                         \
    do {                                                                                           \
        float x = scalar->floats.kernel(row, q, n);                                                \
        float y = k->floats.kernel(row, q, n);                                                     \
        ck_assert_msg(same(&x, &y, sizeof x), "%s %s, %zu: %a, %a", k->name, #kernel, n,           \
                      (double)x, (double)y);                                                       \
    } while (0)
    CHECK(dot_f32, a + 1); /* unaligned on purpose */
    CHECK(dot_f16, h + 1);
    CHECK(dot_bf16, h + 1);
    CHECK(square_f32, a + 1);
    CHECK(square_f16, h + 1);
    CHECK(square_bf16, h + 1);
#undef CHECK
}

LH_TEST_LOOP(float_scores_equal_scalar_at_every_dimension, 2)
{
    const lh_vector_kernels *k = lh_vector_kernels_find(sets[_i]);
    if (!k)
        return;
    for (size_t n = 0; n <= DIMENSIONS; n++) {
        floats_equal(k, n, 1.0f);
        floats_equal(k, n, 1e15f);
        floats_equal(k, n, 1e-20f);
    }
}

LH_TEST(a_float_score_is_right)
{
    float a[100], q[100];
    double dot = 0, square = 0;
    for (size_t i = 0; i < 100; i++) {
        a[i] = draw_float();
        q[i] = draw_float();
        dot += (double)a[i] * (double)q[i];
        square += ((double)a[i] - (double)q[i]) * ((double)a[i] - (double)q[i]);
    }
    ck_assert(fabs((double)scalar->floats.dot_f32(a, q, 100) - dot) < 1e-5);
    ck_assert(fabs((double)scalar->floats.square_f32(a, q, 100) - square) < 1e-5);
    uint16_t one[2] = {0x3c00, 0xc000}; /* 1 and -2 as f16 */
    float two[2] = {3, 5};
    ck_assert(scalar->floats.dot_f16(one, two, 2) == -7.0f);
    uint16_t bf[2] = {0x3f80, 0xc000};
    ck_assert(scalar->floats.dot_bf16(bf, two, 2) == -7.0f);
}

typedef struct coded {
    uint8_t i8[PADDED_MAX], i4[PADDED_MAX / 2], b1[PADDED_MAX / 8];
    int8_t rounded[PADDED_MAX];
    float values[PADDED_MAX];
    lh_vector_codes codes;
} coded;

static void code(const lh_vector_kernels *k, const float *signs, size_t used, coded *c)
{
    size_t padded = (used + 127) / 128 * 128;
    k->encode.rotate(signs, padded, 128, c->values);
    float largest = k->encode.largest(c->values, padded);
    c->codes = (lh_vector_codes){.i8 = c->i8, .i4 = c->i4, .b1 = c->b1};
    k->encode.encode(c->values, padded, used, largest > 0 ? 90.0f / largest : 0, &c->codes);
    k->encode.round(c->values, padded, largest > 0 ? 200.0f / largest : 0, c->rounded);
}

LH_TEST_LOOP(codes_equal_scalar_at_every_dimension, 2)
{
    static coded a, b;
    static float signs[3 * PADDED_MAX];
    const lh_vector_kernels *k = lh_vector_kernels_find(sets[_i]);
    for (size_t i = 0; i < 3 * PADDED_MAX; i++)
        signs[i] = (draw() & 1 ? 1.0f : -1.0f) / sqrtf(128);
    for (size_t n = 1; k && n <= DIMENSIONS + 2; n++) {
        size_t used = n > DIMENSIONS ? 4095 + (n - DIMENSIONS) - 1 : n;
        size_t padded = (used + 127) / 128 * 128;
        for (size_t i = 0; i < padded; i++)
            a.values[i] = i >= used ? 0 : n % 7 == 3 ? 0 : draw_float() * (i % 5 == 0 ? 9.0f : 1);
        memcpy(b.values, a.values, sizeof a.values);
        code(scalar, signs, used, &a);
        code(k, signs, used, &b);
        ck_assert(same(a.values, b.values, padded * sizeof(float)));
        ck_assert(same(a.i8, b.i8, padded));
        ck_assert(same(a.i4, b.i4, padded / 2));
        ck_assert(same(a.b1, b.b1, padded / 8));
        ck_assert(same(a.rounded, b.rounded, padded));
        ck_assert(same(&a.codes.i4_factor, &b.codes.i4_factor, sizeof(float)));
        ck_assert(same(&a.codes.b1_factor, &b.codes.b1_factor, sizeof(float)));
        ck_assert(same(&a.codes.half_square, &b.codes.half_square, sizeof(float)));
        ck_assert_int_eq(a.codes.i8_sum, b.codes.i8_sum);
        ck_assert_int_eq(a.codes.i8_norm, b.codes.i8_norm);
    }
}

static void fill(uint8_t *at, size_t bytes, int how)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = how == 0 ? (uint8_t)draw() : how == 1 ? 0xff : 0x01;
}

LH_TEST_LOOP(products_of_codes_equal_scalar, 2)
{
    static uint8_t rows[16][PADDED_MAX];
    static uint8_t left[2][2 * 16 * PADDED_MAX], right[2][2 * 16 * PADDED_MAX];
    const lh_vector_kernels *k = lh_vector_kernels_find(sets[_i]);
    const lh_vector_kernels *both[2] = {scalar, k};
    for (size_t padded = 128; k && padded <= PADDED_MAX; padded += padded < 1024 ? 128 : 1024)
        for (int how = 0; how < 3; how++) {
            int8_t query[PADDED_MAX];
            const uint8_t *at[16];
            int32_t four[2][4], dots[2][4], block[2][256];
            for (size_t r = 0; r < 16; r++) {
                fill(rows[r], padded, how);
                at[r] = rows[r];
            }
            for (size_t i = 0; i < padded; i++)
                query[i] = (int8_t)(how == 0 ? (int)(draw() % 255) - 127 : how == 1 ? 127 : -127);
            for (size_t t = 0; t < 2; t++) {
                both[t]->search.i4_four(at, query, padded / 128, four[t]);
                both[t]->build.dot_four(rows[0], (const int8_t *)rows[1], PADDED_MAX, dots[t]);
                both[t]->build.pack(right[t], at, padded);
                both[t]->build.unbias(left[t], right[t], padded);
                both[t]->build.multiply(left[t], right[t], padded, block[t]);
            }
            ck_assert(same(four[0], four[1], sizeof four[0]));
            ck_assert(same(dots[0], dots[1], sizeof dots[0]));
            ck_assert(same(block[0], block[1], sizeof block[0]));
        }
}

LH_TEST_LOOP(scores_of_rows_by_number_equal_scalar, 2)
{
    enum { ROWS = 40, CHUNKS_MAX = 9, SOON = 16 };
    static uint8_t codes[ROWS * CHUNKS_MAX * 64];
    static int8_t query[CHUNKS_MAX * 128];
    static float factors[ROWS], halves[ROWS];
    const lh_vector_kernels *k = lh_vector_kernels_find(sets[_i]);
    fill(codes, sizeof codes, 0);
    fill((uint8_t *)query, sizeof query, 0);
    for (size_t i = 0; i < ROWS; i++) {
        factors[i] = (float)(draw() % 1000) * 1e-4f;
        halves[i] = (float)(draw() % 1000) * -1e-2f;
    }
    for (size_t chunks = 1; k && chunks <= CHUNKS_MAX; chunks++)
        for (size_t count = 1; count <= 36; count++) {
            uint32_t rows[36 + SOON];
            float found[2][36];
            lh_vector_i4_ask ask = {.codes = codes,
                                    .factors = factors,
                                    .halves = count % 2 ? halves : NULL,
                                    .query = query,
                                    .chunks = chunks,
                                    .middle = 123.5f,
                                    .unit = 0.0625f,
                                    .asked = count % 3 == 0,
                                    .soon = count % 5 * 4};
            for (size_t i = 0; i < 36 + SOON; i++)
                rows[i] = i < count || i >= 36 ? draw() % ROWS : rows[count - 1];
            scalar->search.i4_scores(&ask, rows, count, found[0]);
            k->search.i4_scores(&ask, rows, count, found[1]);
            ck_assert(same(found[0], found[1], count * sizeof(float)));
        }
}

LH_TEST_LOOP(leaf_steps_equal_scalar, 2)
{
    const lh_vector_kernels *k = lh_vector_kernels_find(sets[_i]);
    const lh_vector_kernels *both[2] = {scalar, k};
    for (int round = 0; k && round < 200; round++) {
        enum { COUNT = 320, LD = 352 };
        static int16_t tile[2][16 * LD], mirror[2][16 * LD], half[COUNT], scores[2][COUNT + 32];
        uint16_t columns[2][COUNT + 32];
        int32_t value[256], less[16], leaders[2][16] = {{0}};
        uint32_t masks[2], ids[37], largest[2];
        size_t found[2];
        for (size_t i = 0; i < 256; i++)
            value[i] = (int32_t)(draw() % 2000000) - 1000000;
        for (size_t i = 0; i < 16; i++)
            less[i] = (int32_t)(draw() % 20000);
        for (size_t i = 0; i < COUNT; i++)
            half[i] = round % 5 == 0 && i > 200 ? 32767 : (int16_t)(draw() % 20000);
        for (size_t i = 0; i < 37; i++)
            ids[i] = draw() % 3 == 0 ? UINT32_MAX : draw();
        for (size_t t = 0; t < 2; t++) {
            for (size_t i = 0; i < 16 * LD; i++)
                tile[t][i] = (int16_t)((int)(i * 7919 % 65536) - 32768);
            both[t]->build.store_tile(value, less, 6, tile[t], mirror[t], LD);
            found[t] = both[t]->build.leaf_best(tile[t] + LD, half, COUNT, 1 + round % 16,
                                                columns[t], scores[t]);
            masks[t] = both[t]->build.leader_scores(value, 55, value + 16, 1000, leaders[t]);
            largest[t] = both[t]->build.largest_id(ids, (size_t)(round % 37));
        }
        ck_assert(same(tile[0], tile[1], sizeof tile[0]));
        for (size_t r = 0; r < 16; r++)
            ck_assert(same(mirror[0] + r * LD, mirror[1] + r * LD, 16 * sizeof(int16_t)));
        ck_assert_uint_eq(found[0], found[1]);
        ck_assert(same(columns[0], columns[1], found[0] * sizeof columns[0][0]));
        ck_assert(same(scores[0], scores[1], found[0] * sizeof scores[0][0]));
        ck_assert_uint_eq(masks[0], masks[1]);
        ck_assert(masks[0] == 0 || same(leaders[0], leaders[1], sizeof leaders[0]));
        ck_assert_uint_eq(largest[0], largest[1]);
    }
}

/* One-bit scans: as stored by scalar, as arranged by the table, with and without filter, offsets
 * and a last block that is not full. */
static size_t scan_with(const lh_vector_kernels *k, lh_vector_b1_scan *s, const uint8_t *stored,
                        const int8_t *query)
{
    static uint8_t arranged[16 * (PADDED_MAX * 64 / 6 + 1024)], table[PADDED_MAX * 64 / 6 + 1024];
    size_t stored_blocks = (s->rows + 31) / 32;
    size_t block_rows = k->search.b1_block_rows;
    s->blocks = stored;
    s->block_bytes = s->padded * 4;
    if (k->search.b1_arranged_bytes) {
        s->block_bytes = k->search.b1_arranged_bytes(s->padded);
        for (size_t b = 0; b * 2 < stored_blocks; b++)
            k->search.b1_arrange(stored + b * 2 * s->padded * 4, b * 2 + 2 <= stored_blocks ? 2 : 1,
                                 s->factors + b * 64, s->padded, arranged + b * s->block_bytes);
        s->blocks = arranged;
    }
    ck_assert_uint_le(k->search.b1_table_bytes(s->padded), sizeof table);
    k->search.b1_table(query, s->padded, table);
    s->table = table;
    s->keys_count = 0;
    size_t blocks = (s->rows + block_rows - 1) / block_rows;
    ck_assert_uint_eq(k->search.b1_scan(s, 0, blocks), blocks);
    return s->keys_count;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

LH_TEST_LOOP(one_bit_scans_equal_scalar, 2)
{
    static uint8_t stored[8 * PADDED_MAX * 4];
    static uint16_t factors[256];
    static float offsets[256];
    static uint64_t keys[2][600], allowed[4];
    const lh_vector_kernels *k = lh_vector_kernels_find(sets[_i]);
    for (size_t padded = 128; k && padded <= PADDED_MAX; padded += padded < 1024 ? 128 : 1024)
        for (int round = 0; round < 6; round++) {
            int8_t query[PADDED_MAX];
            fill(stored, sizeof stored, round == 5);
            for (size_t i = 0; i < padded; i++) /* six neighbours: at most 30 */
                query[i] = (int8_t)(round == 5 ? (i % 2 ? 5 : -5) : (int)(draw() % 11) - 5);
            for (size_t i = 0; i < 256; i++) {
                factors[i] = (uint16_t)(0x3f00 + draw() % 256);
                offsets[i] = draw_float() * 100;
                allowed[i / 64] = (uint64_t)draw() << 40 ^ (uint64_t)draw() << 20 ^ draw();
            }
            lh_vector_b1_scan s = {.factors = factors,
                                   .offsets = round % 2 ? offsets : NULL,
                                   .allowed = round % 3 == 1 ? allowed : NULL,
                                   .padded = padded,
                                   .rows = 256 - (uint32_t)round * 17,
                                   .base = 123,
                                   .unit = 0.37f,
                                   .threshold = round == 2 ? 10.0f : -INFINITY,
                                   .keys_max = 600};
            size_t found[2];
            for (size_t t = 0; t < 2; t++) {
                s.keys = keys[t];
                found[t] = scan_with(t ? k : scalar, &s, stored, query);
                qsort(keys[t], found[t], sizeof keys[t][0], by_value);
            }
            ck_assert_uint_eq(found[0], found[1]);
            ck_assert(found[0] > 0 || round == 2);
            ck_assert(same(keys[0], keys[1], found[0] * sizeof keys[0][0]));
        }
}

LH_TEST(keys_keep_the_order_of_scores_and_rows)
{
    float scores[] = {-INFINITY, -3.5f, -1e-20f, 0.0f, 1e-20f, 2.0f, INFINITY};
    for (size_t i = 0; i + 1 < sizeof scores / sizeof scores[0]; i++) {
        ck_assert(lh_vector_key(scores[i], 5) < lh_vector_key(scores[i + 1], 9));
        ck_assert(lh_vector_key(scores[i], 5) > lh_vector_key(scores[i], 6));
        ck_assert(lh_vector_key_score(lh_vector_key(scores[i], 5)) == scores[i]);
        ck_assert_uint_eq(lh_vector_key_row(lh_vector_key(scores[i], 5)), 5);
    }
}
