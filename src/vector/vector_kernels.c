/* vector/vector_kernels.c - the tables by instruction set. */
#include "vector/vector_kernels.h"

static const lh_vector_kernels *const tables[LH_SIMD_COUNT] = LH_SIMD_TABLES(lh_vector_kernels);

const lh_vector_kernels *lh_vector_kernels_find(lh_simd set)
{
    return lh_simd_runs(set) ? tables[set] : NULL;
}

const lh_vector_kernels *lh_vector_kernels_get(void)
{
    return tables[lh_simd_chosen()];
}
