/* kernels.c - which instruction set runs: looked up once, overridable for tests and for
 * comparing machines. */
#include "embed/kernels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Rows of queries that attention takes at a time (the vector kernels' tile). */
enum { ATTENTION_ROWS = 6 };

#if defined(__x86_64__)
static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
}

/* All that kernels_avx512.c is compiled for, as the compiler may use any of it. */
static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("avx512bf16");
}
#endif

static int always(void)
{
    return 1;
}

/* Best first. */
static const struct {
    const lh_embed_kernels *kernels;
    int (*runs_here)(void);
} sets[] = {
#if defined(__x86_64__)
    {&lh_embed_kernels_avx512, has_avx512},
    {&lh_embed_kernels_avx2, has_avx2},
#endif
    {&lh_embed_kernels_scalar, always},
};

float lh_embed_half_value(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

uint16_t lh_embed_half_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint32_t exponent = bits & 0x7F800000u;
    if (exponent == 0)
        return (uint16_t)(bits >> 16 & 0x8000u);
    if (exponent == 0x7F800000u) /* rounding must not make an infinity of a NaN */
        return (uint16_t)(bits >> 16 | ((bits & 0x007FFFFFu) != 0 ? 0x40u : 0u));
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

const lh_embed_kernels *lh_embed_kernels_find(lh_str name)
{
    for (size_t i = 0; i < LH_ARRAY_LEN(sets); i++)
        if (lh_str_eq(name, lh_str_from(sets[i].kernels->name)) && sets[i].runs_here())
            return sets[i].kernels;
    return NULL;
}

static const lh_embed_kernels *choose(void)
{
    const char *name = getenv("LH_SIMD"); /* check: allow getenv, chosen before any configuration */
    const lh_embed_kernels *asked = lh_embed_kernels_find(lh_str_from(name));
    for (size_t i = 0; asked == NULL && i < LH_ARRAY_LEN(sets); i++)
        if (sets[i].runs_here())
            asked = sets[i].kernels;
    return asked;
}

const lh_embed_kernels *lh_embed_kernels_get(void)
{
    static _Atomic(const lh_embed_kernels *) chosen; /* two threads at once find the same */
    const lh_embed_kernels *kernels = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (kernels == NULL) {
        kernels = choose();
        atomic_store_explicit(&chosen, kernels, memory_order_relaxed);
    }
    return kernels;
}

size_t lh_embed_kernels_scratch_floats(const lh_embed_heads *heads, size_t tokens_max)
{
    size_t keys = (tokens_max + LH_EMBED_PANEL - 1) / LH_EMBED_PANEL * LH_EMBED_PANEL;
    return keys * (heads->head_width + 2 * (size_t)ATTENTION_ROWS); /* keys, values; two a score */
}
