/* vector/vector_kernels.c - the scalar reference, and the choice of a table at start. */
#include "vector/vector_kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Eight running sums: the order of additions is fixed, so a result does not depend on the
 * compiler's choice. */
static float dot_scalar(const float *a, const float *b, size_t dimensions)
{
    float sums[8] = {0};
    size_t i = 0;
    for (; i + 8 <= dimensions; i += 8) {
        for (size_t j = 0; j < 8; j++)
            sums[j] += a[i + j] * b[i + j];
    }
    for (size_t j = 0; i < dimensions; i++, j++)
        sums[j] += a[i] * b[i];
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) +
           ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

const lh_vector_kernels lh_vector_kernels_scalar = {"scalar", dot_scalar};

static const lh_vector_kernels *chosen = &lh_vector_kernels_scalar;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
    const char *forced = getenv("LH_SIMD"); /* check: allow getenv, before any configuration */
    int scalar = forced && strcmp(forced, "scalar") == 0;
    if (!scalar && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        chosen = &lh_vector_kernels_avx2;
}

const lh_vector_kernels *lh_vector_kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}
