/* vector/vector_kernels.h - the inner loops, one table per instruction set.
 *
 * Owns:    nothing.
 * Threads: pure.
 * Limits:  any number of dimensions for floats; codes have dimensions padded to a multiple of 128.
 * Formats: f32, f16, bf16 rows; int8 codes biased by 128; 4-bit and 1-bit codes of README.md.
 * Why:     os/simd.h chooses; scalar is the reference. Every
 *          function gives the same bits in each table: integers are exact, floats are multiplied
 *          and added in one fixed order, never fused. */
#ifndef LH_VECTOR_VECTOR_KERNELS_H
#define LH_VECTOR_VECTOR_KERNELS_H

#include "os/simd.h"

#include <stddef.h>
#include <stdint.h>

/* A row of each stored type with a query of floats. */
typedef struct lh_vector_float_kernels {
    float (*dot_f32)(const void *row, const float *query, size_t dimensions);
    float (*dot_f16)(const void *row, const float *query, size_t dimensions);
    float (*dot_bf16)(const void *row, const float *query, size_t dimensions);
    /* sum of squared differences */
    float (*square_f32)(const void *row, const float *query, size_t dimensions);
    float (*square_f16)(const void *row, const float *query, size_t dimensions);
    float (*square_bf16)(const void *row, const float *query, size_t dimensions);
} lh_vector_float_kernels;

/* Vectors to codes: centre, rotate, quantise. All arrays of floats here are padded and end in
 * zeros unless rotated. */
typedef struct lh_vector_codes {
    uint8_t *i8; /* padded bytes, biased by 128 */
    int32_t i8_sum;
    int32_t i8_norm; /* sum of squares */
    uint8_t *i4;     /* padded / 2 bytes: per 64 bytes 128 dimensions, j low and j + 64 high */
    float i4_factor;
    uint8_t *b1; /* padded / 8 bytes, bit i % 8 of byte i / 8 is dimension i > 0 */
    float b1_factor;
    float half_square; /* minus half the squared length */
} lh_vector_codes;
typedef struct lh_vector_encode_kernels {
    /* Three rounds of signs, Hadamard on power-of-two blocks and a Householder mirror across them;
     * signs: 3 x padded values of +-1/sqrt(block). */
    void (*rotate)(const float *signs, size_t padded, size_t block, float *values);
    /* scale: of int8. used: dimensions that are not padding. */
    void (*encode)(const float *values, size_t padded, size_t used, float scale,
                   lh_vector_codes *ret);
    /* values * scale rounded to even; |result| <= 127 by the caller's choice of scale. */
    void (*round)(const float *values, size_t padded, float scale, int8_t *ret);
    /* Largest magnitude. */
    float (*largest)(const float *values, size_t padded);
} lh_vector_encode_kernels;

/* A scan of 1-bit codes: estimates of a range of blocks, those above the threshold come out. */
typedef struct lh_vector_b1_scan {
    const uint8_t *blocks; /* as arranged by this table */
    size_t block_bytes;
    const uint16_t *factors; /* bf16, by row; part of the blocks when this table arranges them */
    const float *offsets;    /* by row, added to the estimate; NULL: none */
    const uint64_t *allowed; /* bit per row; NULL: all */
    const uint8_t *table;    /* of the query */
    size_t padded;
    uint32_t rows;
    int32_t base; /* estimate = ((2 sum - base) * factor) * unit + offset */
    float unit;
    float threshold; /* lower estimates stay out */
    /* Keys: estimate in the order of unsigned integers, then 2^32 - 1 - row. Room for keys_max. */
    uint64_t *keys;
    size_t keys_count;
    size_t keys_max;
} lh_vector_b1_scan;
static inline uint64_t lh_vector_key(float score, uint32_t row)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &score, sizeof bits);
    bits ^= bits & 0x80000000u ? 0xffffffffu : 0x80000000u;
    return (uint64_t)bits << 32 | (0xffffffffu - row);
}
static inline float lh_vector_key_score(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    float score;
    bits ^= bits & 0x80000000u ? 0x80000000u : 0xffffffffu;
    __builtin_memcpy(&score, &bits, sizeof score);
    return score;
}
static inline uint32_t lh_vector_key_row(uint64_t key)
{
    return 0xffffffffu - (uint32_t)key;
}

/* 4-bit scores of some rows: ((sum - middle) * factor) * unit + half, in this order. */
typedef struct lh_vector_i4_ask {
    const uint8_t *codes;
    const float *factors;
    const float *halves; /* NULL: none */
    const int8_t *query;
    size_t chunks; /* of 128 dimensions: 64 bytes of a row */
    float middle;
    float unit;
    int asked;   /* rows of the front were asked for by the call before, as soon to come */
    size_t soon; /* rows behind the padded ones, to be scored by the next call: asked for too */
} lh_vector_i4_ask;

typedef struct lh_vector_search_kernels {
    /* Four 4-bit rows of chunks x 64 bytes with one query of int8 (chunks x 128 values):
     * sums of code x value. */
    void (*i4_four)(const uint8_t *const rows[4], const int8_t *query, size_t chunks,
                    int32_t ret[4]);
    /* Scores of rows by number, their codes asked for ahead. Both arrays go on to a multiple of
     * four: the last number is repeated there. Rows soon to come follow behind that. */
    void (*i4_scores)(const lh_vector_i4_ask *ask, const uint32_t *rows, size_t count, float *ret);
    /* Stored: blocks of 32 rows, per 4 dimensions 16 bytes: nibble of row r in byte r % 16, low for
     * r < 16. A table may arrange pairs of them its own way. */
    size_t b1_block_rows;                       /* 32 or 64 */
    size_t (*b1_arranged_bytes)(size_t padded); /* of one block; NULL: used as stored */
    void (*b1_arrange)(const uint8_t *stored, size_t stored_blocks, const uint16_t *factors,
                       size_t padded, uint8_t *ret);
    size_t (*b1_table_bytes)(size_t padded);
    /* query: int8 with sums of magnitudes of any 4 or 6 neighbours (from a multiple) <= 31. */
    void (*b1_table)(const int8_t *query, size_t padded, uint8_t *ret);
    /* Blocks [first, end); stops early when keys are nearly full. Returns the next block. */
    size_t (*b1_scan)(lh_vector_b1_scan *scan, size_t first, size_t end);
} lh_vector_search_kernels;

/* Hardened builds zero every local: not in inner loops. */
#define LHI_UNSET __attribute__((uninitialized))
/* A function that only prefetches has no effect the compiler can see: it leaves out calls of it. */
#define LHI_PREFETCHES  static inline __attribute__((always_inline))

#define LH_VECTOR_PANEL 16 /* rows of a panel */
/* int8 rows by 16: products of panels, exact. */
typedef struct lh_vector_build_kernels {
    size_t (*panel_bytes)(size_t padded);
    void (*pack)(uint8_t *panel, const uint8_t *const rows[LH_VECTOR_PANEL], size_t padded);
    void (*unbias)(uint8_t *ret, const uint8_t *panel, size_t padded);
    /* ret[r * 16 + c] = <row r - 128, row c>, left unbiased, right biased. */
    void (*multiply)(const uint8_t *left, const uint8_t *right, size_t padded, int32_t ret[256]);
    /* One biased row with four signed rows, padded bytes apart. */
    void (*dot_four)(const uint8_t *row, const int8_t *kept, size_t padded, int32_t ret[4]);
    /* The 16 x 16 block at tile (rows ld apart) and its mirror: (value - less[r]) >> shift. mirror
     * may be NULL. */
    void (*store_tile)(const int32_t value[256], const int32_t less[16], int shift, int16_t *tile,
                       int16_t *mirror, size_t ld);
    /* Columns of a row whose score (row[j] - half[j], saturated) reaches the k-th best of 32 lane
     * maxima; count is a multiple of 32. Columns and scores go out, with room for count + 32 each;
     * returns how many. */
    size_t (*leaf_best)(const int16_t *row, const int16_t *half, size_t count, int k,
                        uint16_t *columns, int16_t *scores);
    /* 2 (value - less) - norms, 16 at once; bit mask of those >= least. */
    uint32_t (*leader_scores)(const int32_t *value, int32_t less, const int32_t *norms,
                              int32_t least, int32_t *scores);
    /* Largest of count u32 values but 2^32 - 1, which stands for none; 0 when there is none. */
    uint32_t (*largest_id)(const uint32_t *ids, size_t count);
} lh_vector_build_kernels;

typedef struct lh_vector_kernels {
    const char *name;
    lh_vector_float_kernels floats;
    lh_vector_encode_kernels encode;
    lh_vector_search_kernels search;
    lh_vector_build_kernels build;
} lh_vector_kernels;

extern const lh_vector_kernels lh_vector_kernels_scalar;
extern const lh_vector_kernels lh_vector_kernels_avx2;
extern const lh_vector_kernels lh_vector_kernels_avx512;

const lh_vector_kernels *lh_vector_kernels_get(void); /* of lh_simd_chosen */
/* NULL when this CPU cannot run it. */
const lh_vector_kernels *lh_vector_kernels_find(lh_simd set);

#endif
