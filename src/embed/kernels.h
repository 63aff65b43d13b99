/* embed/kernels.h - the arithmetic of an encoder, once per instruction set.
 *
 * Owns:    nothing; every pointer is the caller's.
 * Threads: pure functions; the choice is made once.
 * Limits:  all widths are multiples of LH_EMBED_PANEL columns (a packed model guarantees it); at
 *          least one row.
 * Formats: activations: row-major f32. Weights: panels of LH_EMBED_PANEL output columns, line k
 *          of a panel = the weights of input k for its 16 columns (64 bytes in f32; bf16 and
 *          int8 will hold 2 and 4 inputs in such a line).
 *
 *            panel 0           panel 1
 *            +-- 16 columns -+ +---------------+
 *   input 0  | line 0        | | line 0        |
 *   input 1  | line 1        | | line 1        |   one image serves every instruction set
 *     ...
 *
 * Why:     our own kernels are as fast as a library's here and cost 40 MB less
 *          (docs/adr/0009-embedder.md). Each output value is computed from its own row alone, in
 *          one fixed order: results do not depend on how texts are batched, and avx2 and avx512
 *          agree bit for bit. scalar is the plain reading, compared with a tolerance. */
#ifndef LH_EMBED_KERNELS_H
#define LH_EMBED_KERNELS_H

#include "base/str.h"

#include <stdint.h>

#define LH_EMBED_PANEL 16
#define LH_EMBED_KERNELS_REVISION                                                                  \
    1 /* raise when the bits of a result change: it is part of an index's identity */

typedef enum lh_embed_epilogue {
    LH_EMBED_EPILOGUE_STORE,   /* out = in * W + bias */
    LH_EMBED_EPILOGUE_GELU,    /* out = gelu(in * W + bias), the exact one by erf */
    LH_EMBED_EPILOGUE_RESIDUAL /* out = in * W + bias + residual */
} lh_embed_epilogue;

typedef struct lh_embed_linear {
    const float *panels;
    const float *bias;
    uint32_t inputs;
    uint32_t outputs;
} lh_embed_linear;

typedef struct lh_embed_norm {
    const float *scale;
    const float *shift;
    float epsilon;
} lh_embed_norm;

/* Heads lie side by side: hidden = heads * head_width; a row of qkv is query, key, value, each
 * hidden wide. */
typedef struct lh_embed_heads {
    uint32_t heads;
    uint32_t head_width;
} lh_embed_heads;

typedef struct lh_embed_kernels {
    const char *name; /* "scalar", "avx2", "avx512" */
    /* in [rows][inputs], residual and out [rows][outputs]; residual may be NULL unless asked
     * for. */
    void (*linear)(const lh_embed_linear *layer, lh_embed_epilogue epilogue, size_t rows,
                   const float *in, const float *residual, float *out);
    /* in, out [rows][width]; may be the same. */
    void (*layer_norm)(const lh_embed_norm *norm, size_t width, size_t rows, const float *in,
                       float *out);
    /* One text: every token attends to every token. qkv [tokens][3 * hidden], out
     * [tokens][hidden]. The factor 1/sqrt(head_width) is in the weights of the query already. */
    void (*attention)(const lh_embed_heads *heads, size_t tokens, const float *qkv, float *out,
                      float *scratch);
    /* Sum of the rows, scaled to length 1, into out[width]. Returns the squared length before
     * scaling. */
    float (*pool)(size_t width, size_t rows, const float *in, float *out);
} lh_embed_kernels;

/* Floats of scratch that attention needs for texts of at most tokens_max tokens. */
size_t lh_embed_kernels_scratch_floats(const lh_embed_heads *heads, size_t tokens_max);

/* The best set this CPU has, or what LH_SIMD=scalar|avx2|avx512 names if the CPU has it. */
const lh_embed_kernels *lh_embed_kernels_get(void);
/* By name; NULL when unknown or when the CPU cannot run it. */
const lh_embed_kernels *lh_embed_kernels_find(lh_str name);

extern const lh_embed_kernels lh_embed_kernels_scalar;
#if defined(__x86_64__)
extern const lh_embed_kernels lh_embed_kernels_avx2;
extern const lh_embed_kernels lh_embed_kernels_avx512;
#endif

#endif
