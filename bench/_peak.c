/* _peak.c - how fast this machine multiplies, with nothing in the way: the share of it that the
 * embedder reaches is what bench/embed prints. Loops over registers, one line for each pair of
 * precision and width that the CPU has: name, 10^9 multiply-adds a second of one thread's CPU
 * time. usage: _peak [ROUNDS] links: base */
#include "base/clock.h"
#include "base/num.h"

#include <stdio.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>

enum { STEPS = 2000000, SUMS = 12 };

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Twelve sums that do not wait for one another hide the latency of an instruction. */
#define TWELVE(op)                                                                                 \
    op " %[x], %[y], %%" R "0\n\t" op " %[x], %[y], %%" R "1\n\t" op " %[x], %[y], %%" R           \
       "2\n\t" op " %[x], %[y], %%" R "3\n\t" op " %[x], %[y], %%" R "4\n\t" op                    \
       " %[x], %[y], %%" R "5\n\t" op " %[x], %[y], %%" R "6\n\t" op " %[x], %[y], %%" R           \
       "7\n\t" op " %[x], %[y], %%" R "8\n\t" op " %[x], %[y], %%" R "9\n\t" op                    \
       " %[x], %[y], %%" R "10\n\t" op " %[x], %[y], %%" R "11\n\t"
#define CLOBBERS                                                                                   \
    R "0", R "1", R "2", R "3", R "4", R "5", R "6", R "7", R "8", R "9", R "10", R "11"

#define LOOP(name, isa, type, zero, op, macs)                                                      \
    __attribute__((target(isa))) static double name(void)                                          \
    {                                                                                              \
        type x = zero;                                                                             \
        type y = zero;                                                                             \
        double from = cpu_seconds();                                                               \
        for (long i = 0; i < STEPS; i++)                                                           \
            __asm__ volatile(TWELVE(op) : : [x] "v"(x), [y] "v"(y) : CLOBBERS);                    \
        return (double)STEPS * SUMS * (macs) / (cpu_seconds() - from) / 1e9;                       \
    }

#define R "ymm"
LOOP(f32_256, "avx2,fma", __m256, _mm256_setzero_ps(), "vfmadd231ps", 8)
#undef R
#define R "zmm"
LOOP(f32_512, "avx512f", __m512, _mm512_setzero_ps(), "vfmadd231ps", 16)
LOOP(bf16_512, "avx512f,avx512bf16", __m512i, _mm512_setzero_si512(), "vdpbf16ps", 32)
LOOP(int8_512, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(), "vpdpbusd", 64)

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        int there;
        double (*run)(void);
    } loops[] = {
        {"f32_256", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), f32_256},
        {"f32_512", __builtin_cpu_supports("avx512f"), f32_512},
        {"bf16_512", __builtin_cpu_supports("avx512bf16"), bf16_512},
        {"int8_512", __builtin_cpu_supports("avx512vnni"), int8_512}};
    uint64_t rounds = 5;
    if (argc > 1 && !lh_parse_u64(lh_str_from(argv[1]), &rounds))
        return 2;
    for (size_t i = 0; i < LH_ARRAY_LEN(loops); i++) {
        double best = 0;
        for (uint64_t r = 0; loops[i].there && r < rounds; r++)
            best = LH_MAX(best, loops[i].run());
        printf("%s %.2f\n", loops[i].name, best);
    }
    return 0;
}
#else
int main(void)
{
    return 0; /* no limit is known: nothing is printed */
}
#endif
