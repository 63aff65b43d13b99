/* embed/model_info.h - what a model is: its shape, its names and how it wants to be used.
 *
 * Owns:    texts live as long as the arena or the mapped file they were read from.
 * Threads: plain data.
 * Limits:  the rows of lh_embed_model_info_record; lh_embed_model_info_check for what one row
 *          cannot say.
 * Formats: the JSON of section "model" in a packed file is this record.
 * Why:     the configuration files of a model folder say it in five places; the packed file in
 *          one. */
#ifndef LH_EMBED_MODEL_INFO_H
#define LH_EMBED_MODEL_INFO_H

#include "base/record.h"
#include "embed/kernels.h"

#include <stdbool.h>

#define LH_EMBED_MODEL_LAYERS_MAX 72 /* three precisions of it fit a container */

typedef enum lh_embed_pooling { LH_EMBED_POOLING_MEAN, LH_EMBED_POOLING_CLS } lh_embed_pooling;

extern const char *const lh_embed_pooling_names[];   /* mean cls */
extern const char *const lh_embed_precision_names[]; /* f32 bf16 int8, by lh_embed_precision */

/* The matrices of one layer. */
typedef enum lh_embed_linear_name {
    LH_EMBED_QKV,
    LH_EMBED_MIX,  /* attention output */
    LH_EMBED_UP,   /* hidden -> intermediate */
    LH_EMBED_DOWN, /* intermediate -> hidden */
    LH_EMBED_LINEARS
} lh_embed_linear_name;

typedef struct lh_embed_model_info {
    lh_str name;         /* of the folder: "all-MiniLM-L6-v2" */
    lh_str architecture; /* "bert" */
    int precision;       /* lh_embed_precision: of the weights that were opened */
    lh_list precisions;  /* lh_str: the precisions the file has; none in version 1: f32 */
    int pooling;         /* lh_embed_pooling */
    uint32_t layers;
    uint32_t hidden; /* = dimensions of a vector */
    uint32_t heads;
    uint32_t intermediate;
    uint32_t vocabulary; /* tokens */
    uint32_t positions;
    uint32_t tokens_max; /* of a text, [CLS] and [SEP] included; longer texts are cut */
    double norm_epsilon;
    lh_str query_prefix;     /* put before a question; often empty */
    lh_str text_prefix;      /* put before a text that is stored */
    lh_str source_sha256;    /* of model.safetensors, hex */
    lh_str tokenizer_sha256; /* of vocab.txt, hex */
} lh_embed_model_info;

extern const lh_record lh_embed_model_info_record;

/* LH_EMBED_PRECISIONS when there is none of that name. */
lh_embed_precision lh_embed_precision_find(lh_str name);
bool lh_embed_model_info_has(const lh_embed_model_info *info, lh_embed_precision precision);

/* What the kernels need of a shape. Errors: LH_E_UNPROCESSABLE that names the size. */
LH_WARN_UNUSED lh_rc lh_embed_model_info_check(lh_ctx *cx, const lh_embed_model_info *info);

/* Reads a model folder's configuration: config.json, and when there: modules.json,
 * 1_Pooling/config.json, sentence_bert_config.json, tokenizer_config.json,
 * config_sentence_transformers.json. Fills everything but the hashes.
 * Errors: LH_E_NOT_FOUND, LH_E_BAD_JSON, LH_E_UNPROCESSABLE naming the file, the key and what it
 *          would have to be. */
LH_WARN_UNUSED lh_rc lh_embed_model_info_read(lh_ctx *cx, lh_str folder,
                                              lh_embed_model_info *ret_info);

#endif
