/* vector/vector_kernels_avx512.c - the table of avx512. */
#include "vector/vector_float_private.h"

const lh_vector_kernels lh_vector_kernels_avx512 = {
    .name = "avx512",
    .floats = LHI_FLOAT_KERNELS,
};
