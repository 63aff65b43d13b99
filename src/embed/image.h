/* embed/image.h - a packed model as the forward pass sees it: pointers into checked bytes.
 *
 * Owns:    borrows the bytes; info's texts and the layer list are the arena's or the bytes'; a copy
 *          of the layers' weights if one was asked for.
 * Threads: immutable after open.
 * Limits:  lh_embed_model_info_record, lh_embed_model_info_check.
 * Formats: embed/layout.h.
 * Why:     everything that could lie (sizes, offsets, trie units, checksums) is looked at here
 *          once, so that the loops behind it need no checks. Weights may still be any number:
 *          vectors are checked to be finite. */
#ifndef LH_EMBED_IMAGE_H
#define LH_EMBED_IMAGE_H

#include "embed/kernels.h"
#include "embed/model_info.h"
#include "embed/tokenizer.h"
#include "os/pages.h"

typedef struct lh_embed_layer {
    lh_embed_linear qkv;
    lh_embed_linear mix;
    lh_embed_norm mix_norm;
    lh_embed_linear up;
    lh_embed_linear down;
    lh_embed_norm out_norm;
} lh_embed_layer;

typedef struct lh_embed_image {
    lh_embed_model_info info;
    lh_embed_heads heads;
    lh_embed_tokenizer tokenizer;
    const void *words;      /* [vocabulary][hidden]: f32 or u16 (bf16, int8) */
    const float *positions; /* [positions][hidden] */
    lh_embed_norm norm;
    const lh_embed_layer *layers;
    lh_pages weights; /* of the layers, if they were copied */
} lh_embed_image;

enum {
    LH_EMBED_PREFER_HALF = 1, /* of the precisions there are, if none is named */
    LH_EMBED_COPY_WEIGHTS = 2 /* of the layers, into huge pages: all of them are read for every
                               * chunk, which in small pages is more than a processor keeps
                               * translations for */
};

/* bytes: the whole packed file, 64-byte aligned (a mapping is), borrowed for the life of the
 * image; so is the arena. Only the sections of this precision are touched.
 * precision: a name; empty: with LH_EMBED_PREFER_HALF bf16 if the file has it, else f32, else what
 *          there is.
 * Errors: LH_E_CORRUPT that names the section; LH_E_UNPROCESSABLE for a file of a later version
 *          or another kind, or one without the precision. */
LH_WARN_UNUSED lh_rc lh_embed_image_open(lh_ctx *cx, lh_str bytes, lh_str precision, unsigned flags,
                                         lh_embed_image *ret_image);
void lh_embed_image_done(lh_embed_image *image); /* safe on a zeroed one; needed for a copy only */
LH_DEFINE_CLEANUP_VALUE(lh_embed_image, lh_embed_image_done)

#endif
