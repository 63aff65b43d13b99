/* embed/kernels.h - the arithmetic of an encoder, once per instruction set.
 *
 * Owns:    nothing; every pointer is the caller's.
 * Threads: pure functions; the choice is made once.
 * Limits:  all widths are multiples of LH_EMBED_PANEL columns (a packed model guarantees it); at
 *          least one row.
 * Formats: state: row-major f32. Weights: panels of LH_EMBED_PANEL output columns; a line is 64
 *          bytes, one 32-bit word for each column, with the weights of 1 (f32), 2 (bf16) or 4
 *          (int8) inputs in it. One image serves every instruction set.
 *
 *            panel 0                 panel 1
 *            +-- 16 columns x u32 -+ +---------------------+
 *   word 0   | line 0              | | line 0              |   f32:  word k = input k
 *   word 1   | line 1              | | line 1              |   bf16: inputs 2k, 2k+1
 *     ...                                                      int8: inputs 4k .. 4k+3
 *
 *          An int8 operand's row, and a panel for it, have more in front:
 *
 *            operand:         both  | peaks | wides | inputs
 *            panel:   start | lines | lines | lines | lines
 *            sum = (both * 32 + start + peaks + wides) * 32 + inputs
 *
 *          Peaks are inputs of a matrix that are far larger than the others: they count an
 *          LH_EMBED_PEAK_REACH-th for the range of their row and have 13 bits instead of 8. Wides
 *          are inputs with weights far larger than the others of an output: those weights have
 *          13 bits. What lies in front: of peaks the upper parts, with LH_EMBED_PEAK_ZERO added,
 *          which start (int32) takes off, times the lower parts of their weights; of wides the
 *          input (its lower part) times the upper parts of weights; of inputs that are both, the
 *          upper parts of the two. leads lists peaks, then wides, each with both at its front.
 *
 *          Operands (what a linear layer reads): the set's own form of the layer's precision,
 *          made by encode. "half" is a number rounded to bf16: 2 bytes on avx512, an f32 with a
 *          cleared lower part on the others.
 * Why:     our own kernels are as fast as a library's here and cost 40 MB less
 *          (docs/adr/0009-embedder.md). Each output value is computed from its own row alone, in
 *          one fixed order: results do not depend on how texts are batched, and avx2 and avx512
 *          agree bit for bit in every precision: the product of two bf16 is exact in f32, and
 *          the sums are made in the order of the instruction (odd input of a pair first). scalar
 *          is the plain reading, compared with a tolerance. */
#ifndef LH_EMBED_KERNELS_H
#define LH_EMBED_KERNELS_H

#include "os/simd.h"

#include <stdint.h>

#define LH_EMBED_PANEL      16
#define LH_EMBED_WORD       4 /* int8 numbers */
#define LH_EMBED_PEAK_REACH 15.0f
#define LH_EMBED_PEAK_SHIFT 5 /* an upper part's unit: 32 steps */
#define LH_EMBED_PEAK_ZERO  128
#define LH_EMBED_PEAK_MOST  4095 /* of a peak's whole value; the least is -4096 */
#define LH_EMBED_KERNELS_REVISION                                                                  \
    4 /* raise when the bits of a result change: it is part of an index's identity */

typedef enum lh_embed_precision {
    LH_EMBED_PRECISION_F32,
    LH_EMBED_PRECISION_BF16,
    LH_EMBED_PRECISION_INT8,
    LH_EMBED_PRECISIONS
} lh_embed_precision;

typedef enum lh_embed_epilogue {
    LH_EMBED_EPILOGUE_STORE,      /* out = in * W + bias */
    LH_EMBED_EPILOGUE_STORE_HALF, /* the same, rounded to half */
    LH_EMBED_EPILOGUE_GELU,       /* out = gelu(in * W + bias), the exact one by erf */
    LH_EMBED_EPILOGUE_GELU_HALF,  /* the same, rounded to half */
    LH_EMBED_EPILOGUE_RESIDUAL,   /* out = in * W + bias + residual */
    LH_EMBED_EPILOGUES
} lh_embed_epilogue;

typedef struct lh_embed_linear {
    const void *panels;
    const float *bias;
    const float *scales;   /* int8: a column's weights are scale times the stored ones */
    const float *sums;     /* int8: of a column's weights, as stored times scale */
    const float *reach;    /* int8: 1 for each input, 1 / LH_EMBED_PEAK_REACH for peaks */
    const uint32_t *leads; /* int8: [peaks + wides], which inputs; then any, up to a line */
    uint32_t inputs;
    uint32_t outputs;
    uint32_t stride; /* numbers from one row of outputs to the next: outputs of the whole layer */
    uint32_t backwards; /* the columns before these are computed next, not those behind */
    uint32_t both;      /* int8: how many are both, peaks, wides; multiples of LH_EMBED_WORD */
    uint32_t peaks;
    uint32_t wides;
    lh_embed_precision precision;
} lh_embed_linear;

typedef struct lh_embed_operand {
    void *values;   /* at most 4 bytes a value; int8: at most 2, of what lies in front too */
    float *scales;  /* int8: of a row; value = scale * (stored - zero) */
    int32_t *zeros; /* int8: of a row */
} lh_embed_operand;

typedef struct lh_embed_norm {
    const float *scale;
    const float *shift;
    float epsilon;
} lh_embed_norm;

/* Heads lie side by side: hidden = heads * head_width; a row of qkv is query, key, value, each
 * hidden wide. */
typedef struct lh_embed_heads {
    uint32_t heads; /* how many are attended to */
    uint32_t head_width;
    uint32_t hidden;
} lh_embed_heads;

enum {
    LH_EMBED_ATTEND_HALF = 1, /* qkv is half; products of half, sums and softmax in f32 */
    LH_EMBED_OUT_HALF = 2     /* out is half */
};

typedef struct lh_embed_kernels {
    const char *name; /* "scalar", "avx2", "avx512" */
    int fast_half;    /* bf16 is faster than f32 here */
    size_t half_bytes;
    size_t int8_bytes; /* of a number of an int8 operand */
    /* A word of the table of halves plus its position. */
    void (*add_word)(size_t width, const uint16_t *word, const float *position, float *out);
    /* rows of f32 to what the layer reads. Not for f32 layers: those read the rows themselves. */
    void (*encode)(const lh_embed_linear *layer, size_t rows, const float *in,
                   const lh_embed_operand *out);
    /* in [rows][inputs], residual and out [rows][outputs], stride apart; residual may be NULL
     * unless asked for. */
    void (*linear)(const lh_embed_linear *layer, lh_embed_epilogue epilogue, size_t rows,
                   const lh_embed_operand *in, const float *residual, void *out);
    /* in, out [rows][width]; may be the same. */
    void (*layer_norm)(const lh_embed_norm *norm, size_t width, size_t rows, const float *in,
                       float *out);
    /* One text: every token attends to every token. qkv [tokens][3 * hidden], out
     * [tokens][hidden], both from the first head's column on; flags LH_EMBED_ATTEND_HALF,
     * LH_EMBED_OUT_HALF. The factor 1/sqrt(head_width) is in the weights of the query already. */
    void (*attention)(const lh_embed_heads *heads, unsigned flags, size_t tokens, const void *qkv,
                      void *out, float *scratch);
    /* Sum of the rows, scaled to length 1, into out[width]. Returns the squared length before
     * scaling. */
    float (*pool)(size_t width, size_t rows, const float *in, float *out);
} lh_embed_kernels;

/* 64-byte lines of a panel. */
size_t lh_embed_panel_lines(const lh_embed_linear *layer);
/* Numbers of a row of an operand. */
size_t lh_embed_operand_width(const lh_embed_linear *layer);
/* A layer with some of its columns. */
lh_embed_linear lh_embed_linear_part(const lh_embed_linear *layer, size_t first_panel,
                                     size_t panels);
/* An operand from a row on. */
lh_embed_operand lh_embed_operand_from(const lh_embed_kernels *kernels,
                                       const lh_embed_linear *layer,
                                       const lh_embed_operand *operand, size_t row);

/* Floats of scratch that attention needs for texts of at most tokens_max tokens. */
size_t lh_embed_kernels_scratch_floats(const lh_embed_heads *heads, size_t tokens_max);

/* The upper half of an f32, rounded to nearest even; subnormal numbers become zero, as the
 * processors' conversion has it. */
uint16_t lh_embed_half_of(float value);
float lh_embed_half_value(uint16_t half);

/* int8: numbers of an operand's row before the inputs themselves. */
static inline size_t lh_embed_front_width(const lh_embed_linear *layer)
{
    return (size_t)layer->both + layer->peaks + layer->wides;
}

const lh_embed_kernels *lh_embed_kernels_get(void); /* of lh_simd_chosen */
/* NULL when the CPU cannot run it. */
const lh_embed_kernels *lh_embed_kernels_find(lh_simd set);

extern const lh_embed_kernels lh_embed_kernels_scalar;
#if defined(__x86_64__)
extern const lh_embed_kernels lh_embed_kernels_avx2;
extern const lh_embed_kernels lh_embed_kernels_avx512;
#endif

#endif
