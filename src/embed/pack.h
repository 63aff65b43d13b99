/* embed/pack.h - a model folder becomes one file that is mapped as it is.
 *
 * Owns:    nothing after it returns.
 * Threads: any; one output path at a time.
 * Limits:  lh_embed_model_info_record.
 * Formats: base/container.h, kind "embed-model"; sections drawn in README.md.
 * Why:     weights in the order the kernels read them, a tokenizer that needs no building,
 *          checksums: opening costs the time to map and check, and every worker shares the same
 *          pages. */
#ifndef LH_EMBED_PACK_H
#define LH_EMBED_PACK_H

#include "embed/model_info.h"

#define LH_EMBED_MODEL_KIND         "embed-model"
#define LH_EMBED_MODEL_KIND_VERSION 1

/* Sections. */
#define LH_EMBED_MODEL_SECTION_INFO  "model"       /* JSON, lh_embed_model_info_record */
#define LH_EMBED_MODEL_SECTION_TRIE  "vocab.trie"  /* lh_embed_vocab_unit[] */
#define LH_EMBED_MODEL_SECTION_WORDS "embed.words" /* f32 [vocabulary][hidden] */
#define LH_EMBED_MODEL_SECTION_POSITIONS                                                           \
    "embed.positions"                             /* f32 [positions][hidden], token type 0 added */
#define LH_EMBED_MODEL_SECTION_NORM  "embed.norm" /* f32 scale[hidden], shift[hidden] */
#define LH_EMBED_MODEL_SECTION_LAYER "layer.%u"   /* the parts below, one after another */

/* Parts of a layer, in the order of the file; all are multiples of 64 bytes. */
typedef enum lh_embed_layer_part {
    LH_EMBED_PART_QKV_PANELS,
    LH_EMBED_PART_QKV_BIAS,
    LH_EMBED_PART_MIX_PANELS, /* attention output */
    LH_EMBED_PART_MIX_BIAS,
    LH_EMBED_PART_MIX_NORM_SCALE,
    LH_EMBED_PART_MIX_NORM_SHIFT,
    LH_EMBED_PART_UP_PANELS, /* hidden -> intermediate */
    LH_EMBED_PART_UP_BIAS,
    LH_EMBED_PART_DOWN_PANELS, /* intermediate -> hidden */
    LH_EMBED_PART_DOWN_BIAS,
    LH_EMBED_PART_OUT_NORM_SCALE,
    LH_EMBED_PART_OUT_NORM_SHIFT,
    LH_EMBED_PART_COUNT
} lh_embed_layer_part;

/* at[part] = offset of the part in its layer, at[LH_EMBED_PART_COUNT] = the whole layer; in
 * floats. */
typedef struct lh_embed_layer_layout {
    size_t at[LH_EMBED_PART_COUNT + 1];
} lh_embed_layer_layout;
void lh_embed_layer_layout_of(const lh_embed_model_info *info,
                              lh_embed_layer_layout *ret_layout); /* of a checked info */

/* Reads folder (config.json, model.safetensors, vocab.txt ...) and writes the packed file; the
 * same folder gives the same bytes. out_path is replaced, after everything is written and
 * synced. *ret_info (may be NULL) = what was packed.
 * Errors: as lh_embed_model_info_read, lh_embed_safetensors_open, lh_embed_vocab_build;
 *          LH_E_NO_SPACE, LH_E_IO. */
LH_WARN_UNUSED lh_rc lh_embed_pack(lh_ctx *cx, lh_str folder, lh_str out_path,
                                   lh_embed_model_info *ret_info);

#endif
