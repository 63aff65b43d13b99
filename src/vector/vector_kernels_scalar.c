/* vector/vector_kernels_scalar.c - the table of scalar. */
#include "vector/vector_float_private.h"

const lh_vector_kernels lh_vector_kernels_scalar = {
    .name = "scalar",
    .floats = LHI_FLOAT_KERNELS,
};
