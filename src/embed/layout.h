/* embed/layout.h - where everything stands in a packed model.
 *
 * Owns:    nothing.
 * Threads: pure.
 * Limits:  those of a checked lh_embed_model_info.
 * Formats: base/container.h, kind "embed-model"; sections drawn in README.md.
 * Why:     what writes the file and what opens it ask the same functions, so they cannot differ. */
#ifndef LH_EMBED_LAYOUT_H
#define LH_EMBED_LAYOUT_H

#include "embed/model_info.h"

#define LH_EMBED_MODEL_KIND              "embed-model"
#define LH_EMBED_MODEL_KIND_VERSION      5 /* 1 (f32 only), 2 to 4 (no int8) are read as well */
#define LH_EMBED_MODEL_KIND_VERSION_INT8 5 /* the first with int8 as it is read now */

/* Sections. Those of layers come once a precision, under its own names. */
#define LH_EMBED_MODEL_SECTION_INFO "model"      /* JSON, lh_embed_model_info_record */
#define LH_EMBED_MODEL_SECTION_TRIE "vocab.trie" /* lh_embed_vocab_unit[] */
#define LH_EMBED_MODEL_SECTION_POSITIONS                                                           \
    "embed.positions"                            /* f32 [positions][hidden], token type 0 added */
#define LH_EMBED_MODEL_SECTION_NORM "embed.norm" /* f32 scale[hidden], shift[hidden] */

/* The word table of that precision's weights: f32 [vocabulary][hidden], or u16 for bf16 and int8,
 * which share it: a row is looked up, not multiplied, so fewer bits would save no time. */
lh_embed_precision lh_embed_words_precision(lh_embed_precision precision);
lh_str lh_embed_words_section(lh_embed_precision words);
/* "layer.0", "bf16.layer.0": the parts below, one after another; LH_CONTAINER_NAME_MAX bytes. */
void lh_embed_layer_section(lh_embed_precision precision, uint32_t layer, char *ret_name);

/* Where the parts of a linear layer begin, in bytes from the start of its layer; in this order. */
typedef struct lh_embed_linear_layout {
    lh_embed_precision precision;
    uint32_t inputs;
    uint32_t outputs;
    uint32_t both; /* int8: how many, as in lh_embed_linear */
    uint32_t peaks;
    uint32_t wides;
    size_t panels;
    size_t bias;
    size_t scales; /* int8 only, as the two below */
    size_t sums;
    size_t reach;
    size_t leads; /* u32 [peaks + wides], then zeros up to 64 bytes */
} lh_embed_linear_layout;

/* Numbers of the list of leads: it fills lines, so that what follows begins at one. */
size_t lh_embed_leads_room(const lh_embed_linear_layout *linear);

/* qkv, mix, mix_norm, up, down, out_norm; all parts are multiples of 64 bytes. */
typedef struct lh_embed_layer_layout {
    lh_embed_linear_layout linears[LH_EMBED_LINEARS];
    size_t mix_norm; /* f32 scale[hidden], shift[hidden] */
    size_t out_norm;
    size_t bytes;
} lh_embed_layer_layout;
/* The layer without its numbers. */
lh_embed_linear lh_embed_linear_shape(const lh_embed_linear_layout *layout);
/* Of a checked info. */
void lh_embed_layer_layout_of(const lh_embed_model_info *info, lh_embed_precision precision,
                              lh_embed_layer_layout *ret_layout);

#endif
