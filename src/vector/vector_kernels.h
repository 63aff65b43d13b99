/* vector/vector_kernels.h - the inner loops, one table per instruction set.
 *
 * Owns:    nothing.
 * Threads: pure.
 * Limits:  any number of dimensions for floats; codes have dimensions padded to a multiple of 128.
 * Formats: f32, f16, bf16 rows; int8 codes biased by 128; 4-bit and 1-bit codes of README.md.
 * Why:     one table per instruction set, chosen once from the CPU; scalar is the reference. Every
 *          function gives the same bits in each table: integers are exact, floats are multiplied
 *          and added in one fixed order, never fused. LH_SIMD=scalar|avx2|avx512 forces. */
#ifndef LH_VECTOR_VECTOR_KERNELS_H
#define LH_VECTOR_VECTOR_KERNELS_H

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

typedef struct lh_vector_kernels {
    const char *name;
    lh_vector_float_kernels floats;
} lh_vector_kernels;

extern const lh_vector_kernels lh_vector_kernels_scalar;
extern const lh_vector_kernels lh_vector_kernels_avx2;
extern const lh_vector_kernels lh_vector_kernels_avx512;

const lh_vector_kernels *lh_vector_kernels_get(void);
/* By name; NULL when unknown or when this CPU cannot. */
const lh_vector_kernels *lh_vector_kernels_find(const char *name);

#endif
