/* text/text_kernels_private.h - the loops that take the time, one table per instruction set.
 *
 * Owns: nothing. Threads: pure. Limits: 25-bit gaps, blocks of 128. Formats: README.md.
 * Why: os/simd.h chooses; scalar is the reference and all agree bit for bit, as scores are
 *      integers. */
#ifndef LH_TEXT_TEXT_KERNELS_PRIVATE_H
#define LH_TEXT_TEXT_KERNELS_PRIVATE_H

#include "base/str.h"
#include "os/simd.h"

#include <stdint.h>

struct lhi_text_any;
struct lhi_text_all;
struct lhi_text_cursor;

typedef struct lhi_text_kernels {
    const char *name;
    /* count (<= 128) gaps of bits (<= 25) to numbers: out[i] = out[i-1] + gap + 1, out[-1] = base.
     * Reads up to 64 bytes past the gaps, writes up to 16 numbers past count. */
    void (*unpack)(const uint8_t *gaps, uint32_t bits, uint32_t base, uint32_t count,
                   uint32_t *out);
    /* out[i] = points of impacts[i] (lhi_text_points). */
    void (*weigh)(const double *impacts, uint32_t count, double weight, uint32_t *out);
    /* The plans of text_loops_private.h. */
    void (*any)(struct lhi_text_any *run);
    void (*all)(struct lhi_text_all *run);
    /* One list: points of doc (0 = not there) and its place; a block decoded. */
    uint32_t (*look_up)(struct lhi_text_cursor *c, uint32_t doc, uint32_t *ret_index);
    void (*decode)(struct lhi_text_cursor *c, uint32_t block);
} lhi_text_kernels;

extern const lhi_text_kernels lhi_text_kernels_scalar;
extern const lhi_text_kernels lhi_text_kernels_avx2;
extern const lhi_text_kernels lhi_text_kernels_avx512;
const lhi_text_kernels *lhi_text_kernels_get(void); /* of lh_simd_chosen */
/* NULL when this CPU cannot run it. */
const lhi_text_kernels *lhi_text_kernels_find(lh_simd set);

#endif
