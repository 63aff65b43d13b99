/* embed/calibrate.h - what the matrices of a model read, measured on texts: their inputs' means,
 * large values and covariances.
 *
 * Owns:    a calibration owns its numbers.
 * Threads: one.
 * Limits:  LH_EMBED_CALIBRATION_BLOCK inputs vary together at most; memory: inputs * block floats
 *          a matrix, 67 MB for MiniLM.
 * Formats: none; the texts are in calibration_texts.c.
 * Why:     weights that are rounded knowing what they will be multiplied with lose a third of the
 *          error (embed/quantize.h). */
#ifndef LH_EMBED_CALIBRATE_H
#define LH_EMBED_CALIBRATE_H

#include "embed/image.h"

#define LH_EMBED_CALIBRATION_BLOCK 1536

/* Of the inputs of one matrix. Block b is about inputs [b * BLOCK, b * BLOCK + width). */
typedef struct lh_embed_input_stats {
    uint32_t inputs;
    size_t rows;
    const float *fourth; /* [inputs], sum of fourth powers: who sets the range of a row */
    const float *mean;   /* [inputs] */
    /* One block after another: sum of the products of two inputs, [width][width]; row i of block b
     * at products + b * BLOCK * BLOCK + i * width. */
    const float *products;
} lh_embed_input_stats;

typedef struct lh_embed_calibration lh_embed_calibration;

/* Runs the texts through image, which must have been opened as f32. Errors: LH_E_NO_MEMORY, what
 * the forward pass gives. */
LH_WARN_UNUSED lh_rc lh_embed_calibrate(lh_ctx *cx, const lh_embed_image *image,
                                        lh_embed_calibration **ret_calibration);
lh_embed_calibration *lh_embed_calibration_free(lh_embed_calibration *calibration);
LH_DEFINE_CLEANUP(lh_embed_calibration, lh_embed_calibration_free)

/* Borrowed. */
lh_embed_input_stats lh_embed_calibration_get(const lh_embed_calibration *calibration,
                                              uint32_t layer, lh_embed_linear_name which);

extern const char *const lh_embed_calibration_texts[]; /* ends with NULL */

#endif
