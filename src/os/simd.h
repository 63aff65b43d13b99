/* os/simd.h - which instruction set the inner loops of the engines run on.
 *
 * Owns:    nothing.
 * Threads: all functions from any thread.
 * Limits:  three sets on x86-64, the scalar one elsewhere.
 * Formats: LH_SIMD=scalar|avx2|avx512 in the environment forces one that this CPU has; anything
 *          else there is ignored.
 * Why:     one choice for all engines, so that a forced or tested set is the same everywhere. A set
 *          names all that files of its name are compiled for (cmake/modules.cmake), as the compiler
 *          may use any of it. */
#ifndef LH_OS_SIMD_H
#define LH_OS_SIMD_H

#include "base/str.h"

/* Narrowest first. */
typedef enum lh_simd {
    LH_SIMD_SCALAR,
    LH_SIMD_AVX2,   /* with FMA, BMI2, F16C */
    LH_SIMD_AVX512, /* F, BW, DQ, VL with VNNI, VBMI, VBMI2, BF16 */
    LH_SIMD_COUNT
} lh_simd;

const char *lh_simd_name(lh_simd set);
int lh_simd_runs(lh_simd set); /* this CPU and system have all of it */
/* The widest that runs, or what LH_SIMD names; looked up once. */
lh_simd lh_simd_chosen(void);
/* Tests: what lh_simd_chosen says from now on; LH_SIMD_COUNT = looked up anew. */
void lh_simd_set_test(lh_simd set);

/* Initialiser of an array by lh_simd: tables named PREFIX_scalar, PREFIX_avx2, PREFIX_avx512. */
#if defined(__x86_64__)
#define LH_SIMD_TABLES(prefix)                                                                     \
    {                                                                                              \
        &prefix##_scalar, &prefix##_avx2, &prefix##_avx512                                         \
    }
#else
#define LH_SIMD_TABLES(prefix)                                                                     \
    {                                                                                              \
        &prefix##_scalar                                                                           \
    }
#endif

#endif
