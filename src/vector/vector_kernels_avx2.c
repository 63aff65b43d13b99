/* vector/vector_kernels_avx2.c - the table of avx2. */
#include "vector/vector_float_private.h"

const lh_vector_kernels lh_vector_kernels_avx2 = {
    .name = "avx2",
    .floats = LHI_FLOAT_KERNELS,
};
