/* pack.c - writes the packed model: reorders weights into panels, folds what can be folded,
 * builds the trie.
 *
 * Folded at this point, once, instead of for every token: 1/sqrt(head_width) into the query's
 * weights and bias, the token type's row (always type 0) into every position. */
#include "embed/pack.h"

#include "base/container.h"
#include "base/hash.h"
#include "embed/quantize.h"
#include "embed/safetensors.h"
#include "embed/tokenizer.h"
#include "os/file.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    VOCAB_BYTES_MAX = 64 * 1024 * 1024,
    NAME_BYTES_MAX = 128,
    ARENA_BYTES_MAX = 1024 * 1024 * 1024
};

/* Inputs whose weights share a word of a line. */
static const uint32_t inputs_of_word[] = {1, 2, LH_EMBED_WORD};

typedef struct packer {
    lh_ctx *cx;
    lh_container_writer *writer;
    lh_embed_safetensors tensors;
    const char *prefix; /* of tensor names: "" or "bert." */
    const lh_embed_model_info *info;
    lh_embed_precision precision;            /* of the weights that are being written */
    float *rows;                             /* LH_EMBED_PANEL rows of the widest tensor */
    void *lines;                             /* the same as a panel */
    const lh_embed_calibration *calibration; /* int8 */
} packer;

/* "<prefix><group><leaf>", in a buffer that the next call overwrites. */
static lh_rc get(packer *p, const char *group, const char *leaf, uint64_t rows, uint64_t columns,
                 const lh_embed_tensor **ret)
{
    lh_str name = lh_ctx_fmt(p->cx, "%s%s%s", p->prefix, group, leaf);
    if (name.ptr == NULL)
        return LH_E_NO_MEMORY;
    return lh_embed_safetensors_get(p->cx, &p->tensors, name, rows, columns, ret);
}

static lh_rc write_floats(packer *p, const float *values, size_t count)
{
    return lh_container_section_write(p->cx, p->writer, lh_str_n(values, count * sizeof(float)));
}

static lh_rc write_vector(packer *p, const char *group, const char *leaf, size_t columns,
                          float factor)
{
    const lh_embed_tensor *tensor = NULL;
    LH_TRY(get(p, group, leaf, 1, columns, &tensor));
    lh_embed_tensor_read(tensor, 0, columns, p->rows);
    for (size_t i = 0; i < columns; i++)
        p->rows[i] *= factor;
    return write_floats(p, p->rows, columns);
}

/* The file has a row of inputs for each output; a panel has a line of 16 outputs for each word of
 * inputs. */
static size_t panel_place(size_t input, size_t output, size_t per_word)
{
    return (input / per_word * LH_EMBED_PANEL + output) * per_word + input % per_word;
}

static lh_rc write_panels(packer *p, const char *group, const char *leaf, size_t outputs,
                          size_t inputs, float factor)
{
    const lh_embed_tensor *tensor = NULL;
    const size_t per_word = inputs_of_word[p->precision];
    LH_TRY(get(p, group, leaf, outputs, inputs, &tensor));
    for (size_t first = 0; first < outputs; first += LH_EMBED_PANEL) {
        lh_embed_tensor_read(tensor, first * inputs, LH_EMBED_PANEL * inputs, p->rows);
        for (size_t j = 0; j < LH_EMBED_PANEL; j++)
            for (size_t k = 0; k < inputs; k++) {
                const float weight = p->rows[j * inputs + k] * factor;
                const size_t place = panel_place(k, j, per_word);
                if (p->precision == LH_EMBED_PRECISION_BF16)
                    ((uint16_t *)p->lines)[place] = lh_embed_half_of(weight);
                else
                    ((float *)p->lines)[place] = weight;
            }
        LH_TRY(write_floats(p, p->lines, LH_EMBED_PANEL * inputs / per_word));
    }
    return LH_OK;
}

/* The tensors a matrix is made of, one below the other. */
typedef struct part {
    const char *leaf;
    uint32_t outputs;
    float factor;
} part;
enum { PARTS_MAX = 3 };
typedef struct matrix {
    const char *group; /* "encoder.layer.0." */
    uint32_t layer;
    lh_embed_linear_name which;
    uint32_t inputs;
    uint32_t outputs;
    part parts[PARTS_MAX];
} matrix;

static lh_rc write_biases(packer *p, const matrix *m)
{
    for (size_t i = 0; i < PARTS_MAX && m->parts[i].leaf != NULL; i++) {
        lh_str leaf = lh_ctx_fmt(p->cx, "%s.bias", m->parts[i].leaf);
        if (leaf.ptr == NULL)
            return LH_E_NO_MEMORY;
        LH_TRY(write_vector(p, m->group, leaf.ptr, m->parts[i].outputs, m->parts[i].factor));
    }
    return LH_OK;
}

static lh_rc write_plain(packer *p, const matrix *m)
{
    for (size_t i = 0; i < PARTS_MAX && m->parts[i].leaf != NULL; i++) {
        lh_str leaf = lh_ctx_fmt(p->cx, "%s.weight", m->parts[i].leaf);
        if (leaf.ptr == NULL)
            return LH_E_NO_MEMORY;
        LH_TRY(write_panels(p, m->group, leaf.ptr, m->parts[i].outputs, m->inputs,
                            m->parts[i].factor));
    }
    return write_biases(p, m);
}

/* All parts as f32, into q. */
static lh_rc read_matrix(packer *p, const matrix *m, lh_embed_int8_matrix *q)
{
    size_t row = 0;
    for (size_t i = 0; i < PARTS_MAX && m->parts[i].leaf != NULL; i++) {
        const part *at = &m->parts[i];
        const lh_embed_tensor *weights = NULL;
        const lh_embed_tensor *bias = NULL;
        lh_str weight_leaf = lh_ctx_fmt(p->cx, "%s.weight", at->leaf);
        lh_str bias_leaf = lh_ctx_fmt(p->cx, "%s.bias", at->leaf);
        if (weight_leaf.ptr == NULL || bias_leaf.ptr == NULL)
            return LH_E_NO_MEMORY;
        LH_TRY(get(p, m->group, weight_leaf.ptr, at->outputs, m->inputs, &weights));
        LH_TRY(get(p, m->group, bias_leaf.ptr, 1, at->outputs, &bias));
        const size_t count = (size_t)at->outputs * m->inputs;
        lh_embed_tensor_read(weights, 0, count, q->weights + row * m->inputs);
        lh_embed_tensor_read(bias, 0, at->outputs, q->bias + row);
        for (size_t k = 0; k < count; k++)
            q->weights[row * m->inputs + k] *= at->factor;
        for (size_t k = 0; k < at->outputs; k++)
            q->bias[row + k] *= at->factor;
        row += at->outputs;
    }
    return LH_OK;
}

/* The panel of 16 outputs (kernels.h), and the sum of each one's weights. */
static void fill_panel(const lh_embed_int8_matrix *q, size_t first, int8_t *panel, float *sums)
{
    enum { UNIT = 1 << LH_EMBED_PEAK_SHIFT, LINE_BYTES = LH_EMBED_WORD * LH_EMBED_PANEL };
    int8_t *both = panel + LINE_BYTES;
    int8_t *peaks = both + (size_t)q->both * LH_EMBED_PANEL;
    int8_t *wides = peaks + (size_t)q->peaks * LH_EMBED_PANEL;
    int8_t *lines = wides + (size_t)q->wides * LH_EMBED_PANEL;
    for (size_t j = 0; j < LH_EMBED_PANEL; j++) {
        const int8_t *row = q->stored + (first + j) * q->inputs;
        const int8_t *upper = q->upper + (first + j) * q->wides;
        int32_t start = 0;
        int32_t sum = 0;
        for (size_t i = 0; i < q->both; i++) {
            both[panel_place(i, j, LH_EMBED_WORD)] = upper[i];
            start -= LH_EMBED_PEAK_ZERO * UNIT * upper[i];
        }
        for (size_t i = 0; i < q->peaks; i++) {
            peaks[panel_place(i, j, LH_EMBED_WORD)] = row[q->leads[i]];
            start -= LH_EMBED_PEAK_ZERO * row[q->leads[i]];
        }
        for (size_t i = 0; i < q->wides; i++) {
            wides[panel_place(i, j, LH_EMBED_WORD)] = upper[i];
            sum += UNIT * upper[i];
        }
        for (size_t k = 0; k < q->inputs; k++) {
            lines[panel_place(k, j, LH_EMBED_WORD)] = row[k];
            sum += row[k];
        }
        memcpy(panel + j * sizeof(start), &start, sizeof(start));
        sums[j] = (float)sum * q->scales[first + j];
    }
}

/* Panels, bias, scales, sums, reach, leads. */
static lh_rc write_int8(packer *p, const matrix *m, const lh_embed_linear_layout *layout,
                        const lh_embed_int8_matrix *q, float *sums)
{
    const lh_embed_linear shape = lh_embed_linear_shape(layout);
    const size_t panel_words = lh_embed_panel_lines(&shape) * LH_EMBED_PANEL;
    for (size_t first = 0; first < m->outputs; first += LH_EMBED_PANEL) {
        fill_panel(q, first, p->lines, sums + first);
        LH_TRY(write_floats(p, p->lines, panel_words));
    }
    LH_TRY(write_floats(p, q->bias, m->outputs));
    LH_TRY(write_floats(p, q->scales, m->outputs));
    LH_TRY(write_floats(p, sums, m->outputs));
    LH_TRY(write_floats(p, q->reach, m->inputs));
    return lh_container_section_write(
        p->cx, p->writer, lh_str_n(q->leads, lh_embed_leads_room(layout) * sizeof(uint32_t)));
}

static lh_rc write_quantized(packer *p, const matrix *m)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(ARENA_BYTES_MAX);
    lh_ctx inner;
    if (arena == NULL)
        return lh_fail(p->cx, LH_E_NO_MEMORY, "no memory to pack a matrix");
    lh_ctx_init_child(&inner, arena, p->cx);
    const size_t count = (size_t)m->inputs * m->outputs;
    lh_embed_layer_layout layer;
    lh_embed_layer_layout_of(p->info, p->precision, &layer);
    const lh_embed_linear_layout *layout = &layer.linears[m->which];
    lh_embed_int8_matrix q = {.inputs = m->inputs,
                              .outputs = m->outputs,
                              .weights = LH_NEW_ARRAY(&inner, float, count),
                              .bias = LH_NEW_ARRAY(&inner, float, m->outputs),
                              .both = layout->both,
                              .peaks = layout->peaks,
                              .wides = layout->wides,
                              .stored = LH_NEW_ARRAY(&inner, int8_t, count),
                              .upper = LH_NEW_ARRAY(&inner, int8_t, m->outputs * layout->wides + 1),
                              .scales = LH_NEW_ARRAY(&inner, float, m->outputs),
                              .reach = LH_NEW_ARRAY(&inner, float, m->inputs),
                              .leads = LH_NEW_ARRAY(&inner, uint32_t, lh_embed_leads_room(layout))};
    float *sums = LH_NEW_ARRAY(&inner, float, m->outputs);
    lh_rc rc = LH_E_NO_MEMORY;
    if (q.weights != NULL && q.bias != NULL && q.stored != NULL && q.upper != NULL &&
        q.scales != NULL && q.reach != NULL && q.leads != NULL && sums != NULL) {
        lh_embed_input_stats stats = lh_embed_calibration_get(p->calibration, m->layer, m->which);
        rc = read_matrix(p, m, &q);
        if (rc != LH_OK)
            return rc;
        rc = lh_embed_quantize(&inner, &stats, &q);
        if (rc == LH_OK)
            return write_int8(p, m, layout, &q, sums);
    }
    p->cx->err = inner.err;
    return rc;
}

static lh_rc write_matrix(packer *p, const matrix *m)
{
    return p->precision == LH_EMBED_PRECISION_INT8 ? write_quantized(p, m) : write_plain(p, m);
}

static lh_rc write_norm(packer *p, const char *group, const char *leaf)
{
    lh_str scale = lh_ctx_fmt(p->cx, "%s.weight", leaf);
    lh_str shift = lh_ctx_fmt(p->cx, "%s.bias", leaf);
    if (scale.ptr == NULL || shift.ptr == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(write_vector(p, group, scale.ptr, p->info->hidden, 1));
    return write_vector(p, group, shift.ptr, p->info->hidden, 1);
}

/* The order of lh_embed_layer_layout. */
static lh_rc write_layer(packer *p, uint32_t layer)
{
    const uint32_t hidden = p->info->hidden;
    const uint32_t wide = p->info->intermediate;
    const float share = 1.0f / sqrtf((float)(p->info->hidden / p->info->heads));
    char group[NAME_BYTES_MAX];
    char section[LH_CONTAINER_NAME_MAX];
    LH_IGNORE(snprintf(group, sizeof(group), "encoder.layer.%u.", layer));
    lh_embed_layer_section(p->precision, layer, section);
    const matrix matrices[LH_EMBED_LINEARS] = {
        {group,
         layer,
         LH_EMBED_QKV,
         hidden,
         3 * hidden,
         {{"attention.self.query", hidden, share},
          {"attention.self.key", hidden, 1},
          {"attention.self.value", hidden, 1}}},
        {group, layer, LH_EMBED_MIX, hidden, hidden, {{"attention.output.dense", hidden, 1}}},
        {group, layer, LH_EMBED_UP, hidden, wide, {{"intermediate.dense", wide, 1}}},
        {group, layer, LH_EMBED_DOWN, wide, hidden, {{"output.dense", hidden, 1}}}};

    LH_TRY(lh_container_section_begin(p->cx, p->writer, lh_str_from(section), sizeof(float)));
    LH_TRY(write_matrix(p, &matrices[LH_EMBED_QKV]));
    LH_TRY(write_matrix(p, &matrices[LH_EMBED_MIX]));
    LH_TRY(write_norm(p, group, "attention.output.LayerNorm"));
    LH_TRY(write_matrix(p, &matrices[LH_EMBED_UP]));
    LH_TRY(write_matrix(p, &matrices[LH_EMBED_DOWN]));
    LH_TRY(write_norm(p, group, "output.LayerNorm"));
    return lh_container_section_end(p->cx, p->writer);
}

/* A row of the word table; returns its bytes. */
static lh_str word_row(packer *p, const lh_embed_tensor *tensor, lh_embed_precision words,
                       size_t row)
{
    const size_t hidden = p->info->hidden;
    lh_embed_tensor_read(tensor, row * hidden, hidden, p->rows);
    if (words == LH_EMBED_PRECISION_F32)
        return lh_str_n(p->rows, hidden * sizeof(float));
    for (size_t i = 0; i < hidden; i++)
        ((uint16_t *)p->lines)[i] = lh_embed_half_of(p->rows[i]);
    return lh_str_n(p->lines, hidden * sizeof(uint16_t));
}

static lh_rc write_words(packer *p, lh_embed_precision words)
{
    const lh_embed_tensor *tensor = NULL;
    const size_t count = p->info->vocabulary;
    LH_TRY(get(p, "embeddings.", "word_embeddings.weight", count, p->info->hidden, &tensor));
    LH_TRY(lh_container_section_begin(p->cx, p->writer, lh_embed_words_section(words),
                                      words == LH_EMBED_PRECISION_F32 ? sizeof(float)
                                                                      : sizeof(uint16_t)));
    for (size_t row = 0; row < count; row++)
        LH_TRY(lh_container_section_write(p->cx, p->writer, word_row(p, tensor, words, row)));
    return lh_container_section_end(p->cx, p->writer);
}

/* The token type's row is added to every position: it is always type 0. */
static lh_rc write_positions(packer *p)
{
    const size_t hidden = p->info->hidden;
    lh_str type_name = lh_ctx_fmt(p->cx, "%sembeddings.token_type_embeddings.weight", p->prefix);
    const lh_embed_tensor *types =
        type_name.ptr == NULL ? NULL : lh_embed_safetensors_find(&p->tensors, type_name);
    if (types == NULL || types->columns != hidden || types->rows == 0 ||
        types->type == LH_EMBED_TENSOR_OTHER)
        return lh_fail(p->cx, LH_E_UNPROCESSABLE,
                       "safetensors: the token type table is missing or not %zu wide", hidden);
    float *type = LH_NEW_ARRAY(p->cx, float, hidden);
    if (type == NULL)
        return LH_E_NO_MEMORY;
    lh_embed_tensor_read(types, 0, hidden, type);
    const lh_embed_tensor *tensor = NULL;
    LH_TRY(
        get(p, "embeddings.", "position_embeddings.weight", p->info->positions, hidden, &tensor));
    LH_TRY(lh_container_section_begin(p->cx, p->writer, LH_S(LH_EMBED_MODEL_SECTION_POSITIONS),
                                      sizeof(float)));
    for (size_t row = 0; row < p->info->positions; row++) {
        lh_embed_tensor_read(tensor, row * hidden, hidden, p->rows);
        for (size_t i = 0; i < hidden; i++)
            p->rows[i] += type[i];
        LH_TRY(write_floats(p, p->rows, hidden));
    }
    return lh_container_section_end(p->cx, p->writer);
}

static lh_rc write_first_norm(packer *p)
{
    const size_t hidden = p->info->hidden;
    LH_TRY(lh_container_section_begin(p->cx, p->writer, LH_S(LH_EMBED_MODEL_SECTION_NORM),
                                      sizeof(float)));
    LH_TRY(write_vector(p, "embeddings.", "LayerNorm.weight", hidden, 1));
    LH_TRY(write_vector(p, "embeddings.", "LayerNorm.bias", hidden, 1));
    return lh_container_section_end(p->cx, p->writer);
}

static lh_rc hash_of(lh_ctx *cx, lh_str bytes, lh_str *ret_hex)
{
    uint8_t digest[LH_SHA256_BYTES];
    LH_TRY(lh_sha256_of(cx, bytes, digest));
    char *hex = LH_NEW_ARRAY(cx, char, LH_SHA256_HEX + 1);
    if (hex == NULL)
        return LH_E_NO_MEMORY;
    lh_hex_text(digest, LH_SHA256_BYTES, hex);
    *ret_hex = lh_str_n(hex, LH_SHA256_HEX);
    return LH_OK;
}

static lh_rc write_info(packer *p)
{
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, LH_RECORD_TEXT_MAX);
    LH_TRY(lh_record_append(p->cx, &lh_embed_model_info_record, p->info, &json));
    return lh_container_add(p->cx, p->writer, LH_S(LH_EMBED_MODEL_SECTION_INFO), 1,
                            lh_buf_str(&json));
}

static lh_rc write_vocab(packer *p, lh_str text)
{
    lh_embed_vocab vocab;
    lh_embed_tokenizer tokenizer;
    LH_TRY(lh_embed_vocab_build(p->cx, text, &vocab));
    if (vocab.tokens_count > p->info->vocabulary)
        return lh_fail(p->cx, LH_E_UNPROCESSABLE, "vocab.txt has %u tokens, config.json says %u",
                       vocab.tokens_count, p->info->vocabulary);
    LH_TRY(lh_embed_tokenizer_init(p->cx, &vocab, &tokenizer));
    return lh_container_add(p->cx, p->writer, LH_S(LH_EMBED_MODEL_SECTION_TRIE),
                            sizeof(lh_embed_vocab_unit),
                            lh_str_n(vocab.units, vocab.units_count * sizeof(lh_embed_vocab_unit)));
}

static lh_rc write_sections(packer *p, lh_str vocab_text)
{
    const size_t widest = LH_MAX(p->info->hidden, p->info->intermediate);
    p->rows = LH_NEW_ARRAY(p->cx, float, widest *LH_EMBED_PANEL);
    p->lines = LH_NEW_ARRAY(p->cx, float, widest *LH_EMBED_PANEL);
    if (p->rows == NULL || p->lines == NULL)
        return LH_E_NO_MEMORY;
    p->prefix = lh_embed_safetensors_find(&p->tensors,
                                          LH_S("bert.embeddings.word_embeddings.weight")) != NULL
                    ? "bert."
                    : "";
    LH_TRY(write_info(p));
    LH_TRY(write_vocab(p, vocab_text));
    LH_TRY(write_positions(p));
    LH_TRY(write_first_norm(p));
    bool written[LH_EMBED_PRECISIONS] = {false}; /* word tables */
    for (int precision = 0; precision < LH_EMBED_PRECISIONS; precision++) {
        p->precision = (lh_embed_precision)precision;
        if (!lh_embed_model_info_has(p->info, p->precision))
            continue;
        const lh_embed_precision words = lh_embed_words_precision(p->precision);
        if (!written[words])
            LH_TRY(write_words(p, words));
        written[words] = true;
        for (uint32_t layer = 0; layer < p->info->layers; layer++)
            LH_TRY(write_layer(p, layer));
    }
    uint64_t bytes = 0;
    return lh_container_finish(p->cx, p->writer, &bytes);
}

static lh_rc pack_into(lh_ctx *cx, lh_str folder, lh_file *out,
                       const lh_embed_calibration *calibration, lh_embed_model_info *info)
{
    LH_CLEANUP(lh_map_close) lh_map weights = {0};
    lh_str weights_path = lh_path_join(cx, folder, LH_S("model.safetensors"));
    lh_str vocab_path = lh_path_join(cx, folder, LH_S("vocab.txt"));
    if (weights_path.ptr == NULL || vocab_path.ptr == NULL)
        return LH_E_NO_MEMORY;
    lh_str vocab_text = LH_STR_NONE;
    LH_TRY(lh_file_read_all(cx, vocab_path, VOCAB_BYTES_MAX, &vocab_text));
    LH_TRY(lh_map_open(cx, weights_path, &weights));
    LH_TRY(hash_of(cx, weights.bytes, &info->source_sha256));
    LH_TRY(hash_of(cx, vocab_text, &info->tokenizer_sha256));

    packer p = {.cx = cx, .info = info, .calibration = calibration};
    LH_TRY(lh_embed_safetensors_open(cx, weights.bytes, &p.tensors));
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *writer = NULL;
    LH_TRY(lh_container_writer_new(cx, lh_file_container_sink(out), LH_S(LH_EMBED_MODEL_KIND),
                                   LH_EMBED_MODEL_KIND_VERSION, &writer));
    p.writer = writer;
    LH_TRY(write_sections(&p, vocab_text));
    return lh_file_sync(cx, out);
}

static lh_rc name_precisions(lh_ctx *cx, unsigned precisions, lh_embed_model_info *info)
{
    lh_str *names = LH_NEW_ARRAY(cx, lh_str, LH_EMBED_PRECISIONS);
    if (names == NULL)
        return LH_E_NO_MEMORY;
    info->precisions = (lh_list){.items = names};
    for (unsigned i = 0; i < LH_EMBED_PRECISIONS; i++)
        if (precisions == 0 || (precisions & 1u << i) != 0)
            names[info->precisions.count++] = lh_str_from(lh_embed_precision_names[i]);
    return LH_OK;
}

/* Writes one file under a name that is not yet final. */
static lh_rc pack_as(lh_ctx *cx, lh_str folder, lh_str path,
                     const lh_embed_calibration *calibration, lh_embed_model_info *info)
{
    LH_TRY(lh_file_remove(cx, path)); /* of a run that was killed */
    LH_CLEANUP(lh_file_close) lh_file *out = NULL;
    LH_TRY(lh_file_open(cx, path, LH_FILE_CREATE, &out));
    return pack_into(cx, folder, out, calibration, info);
}

/* Runs the model in f32, for which it is packed once by itself. */
static lh_rc calibrate(lh_ctx *cx, lh_str folder, lh_str path, lh_embed_model_info info,
                       lh_embed_calibration **ret_calibration)
{
    LH_CLEANUP(lh_map_close) lh_map map = {0};
    lh_embed_image image;
    LH_TRY(name_precisions(cx, 1u << LH_EMBED_PRECISION_F32, &info));
    LH_TRY(pack_as(cx, folder, path, NULL, &info));
    LH_TRY(lh_map_open(cx, path, &map));
    LH_TRY(lh_embed_image_open(cx, map.bytes, LH_STR_NONE, 0, &image));
    return lh_embed_calibrate(cx, &image, ret_calibration);
}

static lh_rc pack_all(lh_ctx *cx, lh_str folder, lh_str temporary, lh_embed_model_info *info)
{
    LH_CLEANUP(lh_embed_calibration_free) lh_embed_calibration *calibration = NULL;
    if (lh_embed_model_info_has(info, LH_EMBED_PRECISION_INT8))
        LH_TRY(calibrate(cx, folder, temporary, *info, &calibration));
    return pack_as(cx, folder, temporary, calibration, info);
}

lh_rc lh_embed_pack(lh_ctx *cx, lh_str folder, lh_str out_path, unsigned precisions,
                    lh_embed_model_info *ret_info)
{
    lh_embed_model_info info;
    LH_TRY(lh_embed_model_info_read(cx, folder, &info));
    LH_TRY(name_precisions(cx, precisions, &info));
    lh_str temporary = lh_ctx_fmt(cx, "%.*s.tmp", LH_STR_ARG(out_path));
    if (temporary.ptr == NULL)
        return LH_E_NO_MEMORY;
    lh_rc rc = pack_all(cx, folder, temporary, &info);
    if (rc == LH_OK)
        rc = lh_file_remove(
            cx, out_path); /* a packed model can be made again: absent for a moment is fine */
    if (rc == LH_OK)
        rc = lh_file_move_new(cx, temporary, out_path);
    if (rc != LH_OK) {
        lh_err why = cx->err;
        LH_IGNORE(lh_file_remove(cx, temporary));
        cx->err = why;
        return rc;
    }
    if (ret_info != NULL)
        *ret_info = info;
    return LH_OK;
}
