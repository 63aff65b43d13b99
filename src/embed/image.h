/* embed/image.h - a packed model as the forward pass sees it: pointers into checked bytes.
 *
 * Owns:    borrows the bytes; info's texts and the layer list are the arena's or the bytes'.
 * Threads: immutable after open.
 * Limits:  lh_model_info_record, lh_model_info_check.
 * Formats: embed/pack.h.
 * Why:     everything that could lie (sizes, offsets, trie units, checksums) is looked at here once, so that the loops
 *          behind it need no checks. Weights may still be any number: vectors are checked to be finite. */
#ifndef LH_EMBED_IMAGE_H
#define LH_EMBED_IMAGE_H

#include "embed/kernels.h"
#include "embed/model_info.h"
#include "embed/tokenizer.h"

typedef struct lh_layer {
    lh_linear qkv;
    lh_linear mix;
    lh_norm mix_norm;
    lh_linear up;
    lh_linear down;
    lh_norm out_norm;
} lh_layer;

typedef struct lh_model_image {
    lh_model_info info;
    lh_heads heads;
    lh_tokenizer tokenizer;
    const float *words;     /* [vocabulary][hidden] */
    const float *positions; /* [positions][hidden] */
    lh_norm norm;
    const lh_layer *layers;
} lh_model_image;

/* bytes: the whole packed file, 64-byte aligned (a mapping is), borrowed for the life of the image; so is the arena.
 * Errors: LH_E_CORRUPT that names the section; LH_E_UNPROCESSABLE for a file of a later version or another kind. */
LH_WARN_UNUSED lh_rc lh_model_image_open(lh_ctx *cx, lh_str bytes, lh_model_image *ret_image);

#endif
