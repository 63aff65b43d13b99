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

#define LH_EMBED_MODEL_KIND              "embed-model"
#define LH_EMBED_MODEL_KIND_VERSION      3 /* 1 (f32 only) and 2 (but for int8) are read as well */
#define LH_EMBED_MODEL_KIND_VERSION_INT8 3 /* the first with int8 as it is read now */

/* Sections. Those of weights come once a precision, under its own names. */
#define LH_EMBED_MODEL_SECTION_INFO "model"      /* JSON, lh_embed_model_info_record */
#define LH_EMBED_MODEL_SECTION_TRIE "vocab.trie" /* lh_embed_vocab_unit[] */
#define LH_EMBED_MODEL_SECTION_POSITIONS                                                           \
    "embed.positions"                              /* f32 [positions][hidden], token type 0 added */
#define LH_EMBED_MODEL_SECTION_NORM   "embed.norm" /* f32 scale[hidden], shift[hidden] */
#define LH_EMBED_MODEL_SECTION_SCALES "int8.word_scales" /* f32 [vocabulary] */
/* f32 or u16 or int8 [vocabulary][hidden] */
extern const char *const lh_embed_model_section_words[LH_EMBED_PRECISIONS];
/* "layer.0", "bf16.layer.0": the parts below, one after another; LH_CONTAINER_NAME_MAX bytes. */
void lh_embed_layer_section(lh_embed_precision precision, uint32_t layer, char *ret_name);

/* The numbers of one matrix in weights of that precision: the last of an int8 layer stays bf16,
 * because most of what rounding weights loses is lost there (docs/embedder.md). */
lh_embed_precision lh_embed_linear_precision(lh_embed_precision precision,
                                             lh_embed_linear_name which);

/* Where the parts of a linear layer begin, in bytes from the start of its layer; in this order. */
typedef struct lh_embed_linear_layout {
    lh_embed_precision precision;
    uint32_t inputs;
    uint32_t outputs;
    size_t panels;
    size_t bias;
    size_t scales; /* int8 only, as the two below */
    size_t sums;
    size_t reach;
    size_t peaks; /* u32 [LH_EMBED_PEAKS], then zeros up to 64 bytes */
} lh_embed_linear_layout;

/* qkv, mix, mix_norm, up, down, out_norm; all parts are multiples of 64 bytes. */
typedef struct lh_embed_layer_layout {
    lh_embed_linear_layout linears[LH_EMBED_LINEARS];
    size_t mix_norm; /* f32 scale[hidden], shift[hidden] */
    size_t out_norm;
    size_t bytes;
} lh_embed_layer_layout;
/* Of a checked info. */
void lh_embed_layer_layout_of(const lh_embed_model_info *info, lh_embed_precision precision,
                              lh_embed_layer_layout *ret_layout);

/* Reads folder (config.json, model.safetensors, vocab.txt ...) and writes the packed file; the
 * same folder gives the same bytes. out_path is replaced, after everything is written and
 * synced. precisions: bit 1 << lh_embed_precision for each that shall be there; 0: all.
 * *ret_info (may be NULL) = what was packed.
 * Errors: as lh_embed_model_info_read, lh_embed_safetensors_open, lh_embed_vocab_build;
 *          LH_E_NO_SPACE, LH_E_IO. */
LH_WARN_UNUSED lh_rc lh_embed_pack(lh_ctx *cx, lh_str folder, lh_str out_path, unsigned precisions,
                                   lh_embed_model_info *ret_info);

#endif
