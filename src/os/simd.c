/* simd.c - looks at the CPU once. */
#include "os/simd.h"

#include <stdatomic.h>
#include <stdlib.h>

static const char *const names[LH_SIMD_COUNT] = {"scalar", "avx2", "avx512"};
static _Atomic(lh_simd) chosen = LH_SIMD_COUNT; /* two threads at once find the same */

const char *lh_simd_name(lh_simd set)
{
    return names[set];
}

#if defined(__x86_64__)
static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2"); /* every CPU with these has F16C */
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bf16");
}

#else
static int has_avx2(void)
{
    return 0;
}

static int has_avx512(void)
{
    return 0;
}
#endif

int lh_simd_runs(lh_simd set)
{
    return set == LH_SIMD_SCALAR || (set == LH_SIMD_AVX2 && has_avx2()) ||
           (set == LH_SIMD_AVX512 && has_avx512());
}

static lh_simd choose(void)
{
    const char *forced = getenv("LH_SIMD"); /* check: allow getenv, before any configuration */
    for (size_t i = 0; i < LH_SIMD_COUNT; i++)
        if (lh_str_eq(lh_str_from(forced), lh_str_from(names[i])) && lh_simd_runs((lh_simd)i))
            return (lh_simd)i;
    lh_simd widest = LH_SIMD_AVX512;
    while (!lh_simd_runs(widest))
        widest--;
    return widest;
}

lh_simd lh_simd_chosen(void)
{
    lh_simd set = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (set == LH_SIMD_COUNT) {
        set = choose();
        atomic_store_explicit(&chosen, set, memory_order_relaxed);
    }
    return set;
}

void lh_simd_set_test(lh_simd set)
{
    atomic_store_explicit(&chosen, set, memory_order_relaxed);
}
