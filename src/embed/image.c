/* image.c - opening a packed model: container, record, then every section of the wanted precision:
 * checksums, and its length against the record's sizes. The other precisions' sections are left
 * alone, so that their pages are never read. */
#include "embed/image.h"

#include "base/container.h"
#include "embed/layout.h"

#include <stdio.h>
#include <string.h>

/* A section of exactly `count` items, checksums verified. */
static lh_rc get_items(lh_ctx *cx, const lh_container *file, lh_str name, size_t count,
                       size_t item_bytes, const void **ret)
{
    lh_str bytes = LH_STR_NONE;
    LH_TRY(lh_container_get(cx, file, name, (uint32_t)item_bytes, &bytes));
    LH_TRY(lh_container_verify_section(cx, file, name));
    if (bytes.len != count * item_bytes)
        return lh_fail(cx, LH_E_CORRUPT,
                       "packed model: section \"%.*s\" has %zu bytes, its shape needs %zu",
                       LH_STR_ARG(name), bytes.len, count * item_bytes);
    *ret = bytes.ptr;
    return LH_OK;
}

static lh_rc get_floats(lh_ctx *cx, const lh_container *file, lh_str name, size_t count,
                        const float **ret)
{
    const void *items = NULL;
    LH_TRY(get_items(cx, file, name, count, sizeof(float), &items));
    *ret = items;
    return LH_OK;
}

static lh_embed_linear linear_at(const uint8_t *base, const lh_embed_linear_layout *at)
{
    lh_embed_linear linear = lh_embed_linear_shape(at);
    linear.panels = base + at->panels;
    linear.bias = (const float *)(const void *)(base + at->bias);
    if (at->precision == LH_EMBED_PRECISION_INT8) {
        linear.scales = (const float *)(const void *)(base + at->scales);
        linear.sums = (const float *)(const void *)(base + at->sums);
        linear.reach = (const float *)(const void *)(base + at->reach);
        linear.leads = (const uint32_t *)(const void *)(base + at->leads);
    }
    return linear;
}

/* The only offsets within a layer; those that fill the last line are looked up as well. */
static lh_rc check_leads(lh_ctx *cx, const lh_embed_linear *linear, const char *section)
{
    const size_t leads = ((size_t)linear->peaks + linear->wides + LH_EMBED_PANEL - 1) /
                         LH_EMBED_PANEL * LH_EMBED_PANEL;
    for (size_t i = 0; i < leads; i++)
        if (linear->leads[i] >= linear->inputs)
            return lh_fail(cx, LH_E_CORRUPT,
                           "packed model: section \"%s\" has lead %u of %u inputs", section,
                           linear->leads[i], linear->inputs);
    return LH_OK;
}

static lh_embed_norm norm_at(const uint8_t *base, const lh_embed_model_info *info)
{
    const float *scale = (const float *)(const void *)base;
    return (lh_embed_norm){scale, scale + info->hidden, (float)info->norm_epsilon};
}

/* Layers are of one shape: at. Copied to its place in weights if there are any. */
static lh_rc open_layer(lh_ctx *cx, const lh_container *file, const lh_embed_image *image,
                        const lh_embed_layer_layout *at, uint32_t number, lh_embed_layer *layer)
{
    char name[LH_CONTAINER_NAME_MAX];
    const void *items = NULL;
    const lh_embed_model_info *info = &image->info;
    lh_embed_layer_section((lh_embed_precision)info->precision, number, name);
    LH_TRY(
        get_items(cx, file, lh_str_from(name), at->bytes / sizeof(float), sizeof(float), &items));
    const uint8_t *base = items;
    if (image->weights.ptr != NULL)
        base = memcpy((uint8_t *)image->weights.ptr + number * at->bytes, base, at->bytes);
    *layer = (lh_embed_layer){.qkv = linear_at(base, &at->linears[LH_EMBED_QKV]),
                              .mix = linear_at(base, &at->linears[LH_EMBED_MIX]),
                              .mix_norm = norm_at(base + at->mix_norm, info),
                              .up = linear_at(base, &at->linears[LH_EMBED_UP]),
                              .down = linear_at(base, &at->linears[LH_EMBED_DOWN]),
                              .out_norm = norm_at(base + at->out_norm, info)};
    LH_TRY(check_leads(cx, &layer->qkv, name));
    LH_TRY(check_leads(cx, &layer->mix, name));
    LH_TRY(check_leads(cx, &layer->up, name));
    return check_leads(cx, &layer->down, name);
}

/* Which weights are opened. */
static lh_rc choose_precision(lh_ctx *cx, lh_str wanted, unsigned flags, lh_embed_model_info *info)
{
    lh_embed_precision precision = LH_EMBED_PRECISION_F32;
    if (wanted.len > 0) {
        precision = lh_embed_precision_find(wanted);
        if (precision == LH_EMBED_PRECISIONS) {
            LH_IGNORE(
                lh_fail(cx, LH_E_BAD_VALUE, "there is no precision \"%.*s\"", LH_STR_ARG(wanted)));
            return lh_err_hint(cx, "f32, bf16 or int8");
        }
        if (!lh_embed_model_info_has(info, precision)) {
            LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "the packed model has no %.*s weights",
                              LH_STR_ARG(wanted)));
            return lh_err_hint(cx, "pack it again: lakehouse embed --pack FOLDER FILE");
        }
    } else if ((flags & LH_EMBED_PREFER_HALF) != 0 &&
               lh_embed_model_info_has(info, LH_EMBED_PRECISION_BF16)) {
        precision = LH_EMBED_PRECISION_BF16;
    } else {
        while (precision < LH_EMBED_PRECISIONS && !lh_embed_model_info_has(info, precision))
            precision++;
        if (precision == LH_EMBED_PRECISIONS)
            return lh_fail(cx, LH_E_UNPROCESSABLE, "packed model: no precision that is known");
    }
    info->precision = (int)precision;
    return LH_OK;
}

static lh_rc open_info(lh_ctx *cx, const lh_container *file, lh_embed_model_info *info)
{
    lh_str json = LH_STR_NONE;
    LH_TRY(lh_container_get(cx, file, LH_S(LH_EMBED_MODEL_SECTION_INFO), 1, &json));
    LH_TRY(lh_container_verify_section(cx, file, LH_S(LH_EMBED_MODEL_SECTION_INFO)));
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
    LH_TRY(lh_container_verify_section(cx, file, LH_S(LH_EMBED_MODEL_SECTION_TRIE)));
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
    const lh_embed_precision words = lh_embed_words_precision((lh_embed_precision)info->precision);
    const size_t hidden = info->hidden;
    const float *norm = NULL;
    LH_TRY(get_items(cx, file, lh_embed_words_section(words), info->vocabulary * hidden,
                     words == LH_EMBED_PRECISION_F32 ? sizeof(float) : sizeof(uint16_t),
                     &image->words));
    LH_TRY(get_floats(cx, file, LH_S(LH_EMBED_MODEL_SECTION_POSITIONS), info->positions * hidden,
                      &image->positions));
    LH_TRY(get_floats(cx, file, LH_S(LH_EMBED_MODEL_SECTION_NORM), 2 * hidden, &norm));
    image->norm = (lh_embed_norm){norm, norm + hidden, (float)info->norm_epsilon};
    return LH_OK;
}

static lh_rc open_layers(lh_ctx *cx, const lh_container *file, unsigned flags,
                         lh_embed_image *image)
{
    const lh_embed_model_info *info = &image->info;
    lh_embed_layer_layout at;
    lh_embed_layer_layout_of(info, (lh_embed_precision)info->precision, &at);
    const size_t bytes = info->layers * at.bytes;
    if ((flags & LH_EMBED_COPY_WEIGHTS) != 0 && !lh_pages_alloc(&image->weights, bytes))
        return lh_fail(cx, LH_E_NO_MEMORY, "%zu bytes of weights", bytes);
    lh_embed_layer *layers = LH_NEW_ARRAY(cx, lh_embed_layer, info->layers);
    if (layers == NULL)
        return LH_E_NO_MEMORY;
    for (uint32_t i = 0; i < info->layers; i++)
        LH_TRY(open_layer(cx, file, image, &at, i, &layers[i]));
    image->layers = layers;
    return LH_OK;
}

void lh_embed_image_done(lh_embed_image *image)
{
    lh_pages_free(&image->weights);
}

lh_rc lh_embed_image_open(lh_ctx *cx, lh_str bytes, lh_str precision, unsigned flags,
                          lh_embed_image *ret_image)
{
    lh_container file;
    LH_CLEANUP(lh_embed_image_done) lh_embed_image image = {0};
    LH_TRY(lh_container_open(cx, bytes, LH_S(LH_EMBED_MODEL_KIND), &file));
    if (file.kind_version == 0 || file.kind_version > LH_EMBED_MODEL_KIND_VERSION) {
        LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "packed model: version %u, supported: 1 to %d",
                          file.kind_version, LH_EMBED_MODEL_KIND_VERSION));
        return lh_err_hint(cx, "pack it again: lakehouse embed --pack FOLDER FILE");
    }
    LH_TRY(open_info(cx, &file, &image.info));
    LH_TRY(choose_precision(cx, precision, flags, &image.info));
    if (image.info.precision == LH_EMBED_PRECISION_INT8 &&
        file.kind_version < LH_EMBED_MODEL_KIND_VERSION_INT8) {
        LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "packed model: int8 weights of version %u",
                          file.kind_version));
        return lh_err_hint(cx, "pack it again: lakehouse embed --pack FOLDER FILE");
    }
    image.heads = (lh_embed_heads){.heads = image.info.heads,
                                   .head_width = image.info.hidden / image.info.heads,
                                   .hidden = image.info.hidden};
    LH_TRY(open_tokenizer(cx, &file, &image));
    LH_TRY(open_embeddings(cx, &file, &image));
    LH_TRY(open_layers(cx, &file, flags, &image));
    *ret_image = image;
    image.weights = (lh_pages){0};
    return LH_OK;
}
