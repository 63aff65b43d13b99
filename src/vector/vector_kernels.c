/* vector/vector_kernels.c - the choice of a table, once, from the CPU; LH_SIMD forces one. */
#include "vector/vector_kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const lh_vector_kernels *chosen = &lh_vector_kernels_scalar;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bf16");
}

const lh_vector_kernels *lh_vector_kernels_find(const char *name)
{
    if (strcmp(name, "scalar") == 0)
        return &lh_vector_kernels_scalar;
    if (strcmp(name, "avx2") == 0 && has_avx2())
        return &lh_vector_kernels_avx2;
    if (strcmp(name, "avx512") == 0 && has_avx512())
        return &lh_vector_kernels_avx512;
    return NULL;
}

static void choose(void)
{
    const char *forced = getenv("LH_SIMD"); /* check: allow getenv, before any configuration */
    const lh_vector_kernels *found = forced ? lh_vector_kernels_find(forced) : NULL;
    if (!found && has_avx512())
        found = &lh_vector_kernels_avx512;
    if (!found && has_avx2())
        found = &lh_vector_kernels_avx2;
    if (found)
        chosen = found;
}

const lh_vector_kernels *lh_vector_kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}

void lh_vector_kernels_set_test(const lh_vector_kernels *kernels)
{
    pthread_once(&once, choose);
    chosen = kernels;
}
