/* image.c - opening a packed model: container, checksums, record, then every section against the
 * record's sizes. */
#include "embed/image.h"

#include "base/container.h"
#include "embed/pack.h"

#include <stdio.h>

/* A section of exactly `count` floats. */
static lh_rc get_floats(lh_ctx *cx, const lh_container *file, lh_str name, size_t count,
                        const float **ret)
{
    lh_str bytes = LH_STR_NONE;
    LH_TRY(lh_container_get(cx, file, name, sizeof(float), &bytes));
    if (bytes.len != count * sizeof(float))
        return lh_fail(cx, LH_E_CORRUPT,
                       "packed model: section \"%.*s\" has %zu bytes, its shape needs %zu",
                       LH_STR_ARG(name), bytes.len, count * sizeof(float));
    *ret = (const float *)(const void *)bytes.ptr;
    return LH_OK;
}

static lh_rc open_layer(lh_ctx *cx, const lh_container *file, const lh_embed_model_info *info,
                        uint32_t number, lh_embed_layer *layer)
{
    char name[LH_CONTAINER_NAME_MAX];
    lh_embed_layer_layout layout;
    const float *base = NULL;
    LH_IGNORE(snprintf(name, sizeof(name), LH_EMBED_MODEL_SECTION_LAYER, number));
    lh_embed_layer_layout_of(info, &layout);
    LH_TRY(get_floats(cx, file, lh_str_from(name), layout.at[LH_EMBED_PART_COUNT], &base));

    const size_t *at = layout.at;
    const float epsilon = (float)info->norm_epsilon;
    const uint32_t hidden = info->hidden;
    const uint32_t wide = info->intermediate;
    *layer = (lh_embed_layer){
        .qkv = {base + at[LH_EMBED_PART_QKV_PANELS], base + at[LH_EMBED_PART_QKV_BIAS], hidden,
                3 * hidden},
        .mix = {base + at[LH_EMBED_PART_MIX_PANELS], base + at[LH_EMBED_PART_MIX_BIAS], hidden,
                hidden},
        .mix_norm = {base + at[LH_EMBED_PART_MIX_NORM_SCALE],
                     base + at[LH_EMBED_PART_MIX_NORM_SHIFT], epsilon},
        .up = {base + at[LH_EMBED_PART_UP_PANELS], base + at[LH_EMBED_PART_UP_BIAS], hidden, wide},
        .down = {base + at[LH_EMBED_PART_DOWN_PANELS], base + at[LH_EMBED_PART_DOWN_BIAS], wide,
                 hidden},
        .out_norm = {base + at[LH_EMBED_PART_OUT_NORM_SCALE],
                     base + at[LH_EMBED_PART_OUT_NORM_SHIFT], epsilon}};
    return LH_OK;
}

static lh_rc open_info(lh_ctx *cx, const lh_container *file, lh_embed_model_info *info)
{
    lh_str json = LH_STR_NONE;
    LH_TRY(lh_container_get(cx, file, LH_S(LH_EMBED_MODEL_SECTION_INFO), 1, &json));
    lh_rc rc = lh_record_parse(cx, &lh_embed_model_info_record, json, info);
    if (rc == LH_OK && !lh_str_eq(info->architecture, LH_S("bert")))
        return lh_fail(cx, LH_E_UNPROCESSABLE,
                       "packed model: architecture \"%.*s\", supported: bert",
                       LH_STR_ARG(info->architecture));
    if (rc == LH_OK)
        rc = lh_embed_model_info_check(cx, info);
    if (rc != LH_OK && rc != LH_E_NO_MEMORY) {
        LH_IGNORE(lh_err_prefix(cx, "packed model: "));
        cx->err.rc = LH_E_CORRUPT;
        return LH_E_CORRUPT;
    }
    return rc;
}

static lh_rc open_tokenizer(lh_ctx *cx, const lh_container *file, lh_embed_image *image)
{
    lh_str bytes = LH_STR_NONE;
    lh_embed_vocab vocab;
    LH_TRY(lh_container_get(cx, file, LH_S(LH_EMBED_MODEL_SECTION_TRIE),
                            sizeof(lh_embed_vocab_unit), &bytes));
    LH_TRY(lh_embed_vocab_open(cx, bytes, image->info.vocabulary, &vocab));
    if (lh_embed_tokenizer_init(cx, &vocab, &image->tokenizer) != LH_OK) {
        cx->err.rc = LH_E_CORRUPT;
        return LH_E_CORRUPT;
    }
    return LH_OK;
}

static lh_rc open_embeddings(lh_ctx *cx, const lh_container *file, lh_embed_image *image)
{
    const lh_embed_model_info *info = &image->info;
    const size_t hidden = info->hidden;
    const float *norm = NULL;
    LH_TRY(get_floats(cx, file, LH_S(LH_EMBED_MODEL_SECTION_WORDS), info->vocabulary * hidden,
                      &image->words));
    LH_TRY(get_floats(cx, file, LH_S(LH_EMBED_MODEL_SECTION_POSITIONS), info->positions * hidden,
                      &image->positions));
    LH_TRY(get_floats(cx, file, LH_S(LH_EMBED_MODEL_SECTION_NORM), 2 * hidden, &norm));
    image->norm = (lh_embed_norm){norm, norm + hidden, (float)info->norm_epsilon};
    return LH_OK;
}

lh_rc lh_embed_image_open(lh_ctx *cx, lh_str bytes, lh_embed_image *ret_image)
{
    lh_container file;
    lh_embed_image image = {0};
    LH_TRY(lh_container_open(cx, bytes, LH_S(LH_EMBED_MODEL_KIND), &file));
    if (file.kind_version != LH_EMBED_MODEL_KIND_VERSION)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "packed model: version %u, supported: %d",
                       file.kind_version, LH_EMBED_MODEL_KIND_VERSION);
    LH_TRY(lh_container_verify(cx, &file));
    LH_TRY(open_info(cx, &file, &image.info));
    image.heads = (lh_embed_heads){image.info.heads, image.info.hidden / image.info.heads};
    LH_TRY(open_tokenizer(cx, &file, &image));
    LH_TRY(open_embeddings(cx, &file, &image));
    lh_embed_layer *layers = LH_NEW_ARRAY(cx, lh_embed_layer, image.info.layers);
    if (layers == NULL)
        return LH_E_NO_MEMORY;
    for (uint32_t i = 0; i < image.info.layers; i++)
        LH_TRY(open_layer(cx, &file, &image.info, i, &layers[i]));
    image.layers = layers;
    *ret_image = image;
    return LH_OK;
}
