/* embed/quantize.h - a matrix of f32 weights becomes int8.
 *
 * Owns:    nothing; every array is the caller's, work memory is the arena's.
 * Threads: pure.
 * Limits:  inputs and outputs of lh_embed_model_info_record.
 * Formats: a row of inputs for each output; weight = scale[output] * (stored + 32 * upper).
 * Why:     three things keep what rounding loses small, each measured in docs/embedder.md: a few
 *          inputs, and a few weights, that are far larger than the others are kept out of the
 *          range of their row (outliers: Dettmers et al., LLM.int8(), 2022), rounding one input
 *          after another so that later ones make up for earlier ones (nearest plane: Babai 1986;
 *          for weights: Frantar et al., GPTQ, 2023), and a bias that takes the mean error off
 *          (Nagel et al., 2019). */
#ifndef LH_EMBED_QUANTIZE_H
#define LH_EMBED_QUANTIZE_H

#include "embed/calibrate.h"

typedef struct lh_embed_int8_matrix {
    uint32_t inputs;
    uint32_t outputs;
    float *weights; /* in: [outputs][inputs] */
    float *bias;    /* in and out: [outputs] */
    uint32_t both;  /* in: how many, as in lh_embed_linear */
    uint32_t peaks;
    uint32_t wides;
    int8_t *stored;  /* out: [outputs][inputs], of a wide's weight the lower part */
    int8_t *upper;   /* out: [outputs][wides] */
    float *scales;   /* out: [outputs] */
    float *reach;    /* out: [inputs], what each counts for the range of its row */
    uint32_t *leads; /* out: [peaks + wides], which inputs */
} lh_embed_int8_matrix;

/* Errors: LH_E_NO_MEMORY; LH_E_UNPROCESSABLE for weights that are not finite. */
LH_WARN_UNUSED lh_rc lh_embed_quantize(lh_ctx *cx, const lh_embed_input_stats *stats,
                                       lh_embed_int8_matrix *matrix);

#endif
