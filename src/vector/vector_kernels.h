/* vector/vector_kernels.h - inner products of one query with rows of floats, per instruction set.
 *
 * Owns:    nothing.
 * Threads: pure.
 * Limits:  any number of dimensions.
 * Formats: f32.
 * Why:     one table per instruction set, chosen once from the CPU; scalar is the reference.
 *          LH_SIMD=scalar|avx2 forces. */
#ifndef LH_VECTOR_VECTOR_KERNELS_H
#define LH_VECTOR_VECTOR_KERNELS_H

#include <stddef.h>

typedef struct lh_vector_kernels {
    const char *name;
    float (*dot)(const float *a, const float *b, size_t dimensions);
} lh_vector_kernels;

extern const lh_vector_kernels lh_vector_kernels_scalar;
extern const lh_vector_kernels lh_vector_kernels_avx2;
const lh_vector_kernels *lh_vector_kernels_get(void);

#endif
