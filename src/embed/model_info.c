/* model_info.c - the record of a model, and reading it from the configuration files of a Hugging
 * Face folder. Everything a BERT configuration may say that would change the arithmetic is
 * looked at; what we do not compute is refused by its name rather than computed wrongly. */
#include "embed/model_info.h"

#include "base/num.h"
#include "os/file.h"

enum { CONFIG_BYTES_MAX = 1024 * 1024 };

const char *const lh_embed_pooling_names[] = {"mean", "cls", NULL};
const char *const lh_embed_precision_names[] = {"f32", "bf16", "int8", NULL};

static const lh_field fields[] = {
    LH_FIELD("name", STR, lh_embed_model_info, name, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = 200, .doc = "Name of the model."),
    LH_FIELD("architecture", STR, lh_embed_model_info, architecture, .flags = LH_FIELD_REQUIRED,
             .min = 1, .max = 32, .doc = "Family of encoders."),
    LH_FIELD("precision", ENUM, lh_embed_model_info, precision, .flags = LH_FIELD_OMIT_EMPTY,
             .names = lh_embed_precision_names, .doc = "Version 1: of the weights."),
    LH_FIELD("precisions", LIST, lh_embed_model_info, precisions, .flags = LH_FIELD_OMIT_EMPTY,
             .item = LH_F_STR, .max = 8, .doc = "Weights there are, by precision."),
    LH_FIELD("pooling", ENUM, lh_embed_model_info, pooling, .flags = LH_FIELD_REQUIRED,
             .names = lh_embed_pooling_names, .doc = "How tokens become one vector."),
    LH_FIELD("layers", U32, lh_embed_model_info, layers, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = LH_EMBED_MODEL_LAYERS_MAX, .doc = "Encoder layers."),
    LH_FIELD("hidden", U32, lh_embed_model_info, hidden, .flags = LH_FIELD_REQUIRED, .min = 16,
             .max = 4096, .doc = "Width of a token, dimensions of a vector."),
    LH_FIELD("heads", U32, lh_embed_model_info, heads, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = 128, .doc = "Attention heads."),
    LH_FIELD("intermediate", U32, lh_embed_model_info, intermediate, .flags = LH_FIELD_REQUIRED,
             .min = 16, .max = 16384, .doc = "Width between the two feed-forward matrices."),
    LH_FIELD("vocabulary", U32, lh_embed_model_info, vocabulary, .flags = LH_FIELD_REQUIRED,
             .min = 1, .max = 2000000, .doc = "Tokens known."),
    LH_FIELD("positions", U32, lh_embed_model_info, positions, .flags = LH_FIELD_REQUIRED, .min = 2,
             .max = 8192, .doc = "Rows of the position table."),
    LH_FIELD("tokens_max", U32, lh_embed_model_info, tokens_max, .flags = LH_FIELD_REQUIRED,
             .min = 2, .max = 8192, .doc = "Tokens of a text at most."),
    LH_FIELD("norm_epsilon", F64, lh_embed_model_info, norm_epsilon, .flags = LH_FIELD_REQUIRED,
             .doc = "Added to the variance in a layer norm."),
    LH_FIELD("query_prefix", STR, lh_embed_model_info, query_prefix, .max = 1000,
             .doc = "Put before a question."),
    LH_FIELD("text_prefix", STR, lh_embed_model_info, text_prefix, .max = 1000,
             .doc = "Put before a text that is stored."),
    LH_FIELD("source_sha256", STR, lh_embed_model_info, source_sha256, .flags = LH_FIELD_REQUIRED,
             .min = 64, .max = 64, .doc = "Of the weights this was made from, hex."),
    LH_FIELD("tokenizer_sha256", STR, lh_embed_model_info, tokenizer_sha256,
             .flags = LH_FIELD_REQUIRED, .min = 64, .max = 64,
             .doc = "Of the vocabulary this was made from, hex."),
    {0},
};

const lh_record lh_embed_model_info_record = {.name = "EmbedModel",
                                              .size = sizeof(lh_embed_model_info),
                                              .fields = fields,
                                              .doc = "What a packed model is."};

lh_embed_precision lh_embed_precision_find(lh_str name)
{
    int i = 0;
    while (i < LH_EMBED_PRECISIONS && !lh_str_eq(name, lh_str_from(lh_embed_precision_names[i])))
        i++;
    return (lh_embed_precision)i;
}

bool lh_embed_model_info_has(const lh_embed_model_info *info, lh_embed_precision precision)
{
    const lh_str *names = info->precisions.items;
    for (size_t i = 0; i < info->precisions.count; i++)
        if (lh_embed_precision_find(names[i]) == precision)
            return true;
    return info->precisions.count == 0 && precision == LH_EMBED_PRECISION_F32;
}

lh_rc lh_embed_model_info_check(lh_ctx *cx, const lh_embed_model_info *info)
{
    if (info->hidden % info->heads != 0 || info->hidden / info->heads % LH_EMBED_PANEL != 0)
        return lh_fail(cx, LH_E_UNPROCESSABLE,
                       "%u hidden columns over %u heads: a head must be a multiple of %d columns",
                       info->hidden, info->heads, LH_EMBED_PANEL);
    if (info->intermediate % LH_EMBED_PANEL != 0)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "intermediate size %u is not a multiple of %d",
                       info->intermediate, LH_EMBED_PANEL);
    if (info->tokens_max > info->positions)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "%u tokens, but only %u positions", info->tokens_max,
                       info->positions);
    if (!(info->norm_epsilon >= 1e-20 && info->norm_epsilon <= 0.1))
        return lh_fail(cx, LH_E_UNPROCESSABLE, "layer norm epsilon %g is not within 1e-20 and 0.1",
                       info->norm_epsilon);
    return LH_OK;
}

typedef struct config_file {
    lh_ctx *cx;
    const char *name; /* for messages */
    const lh_json *root;
} config_file;

/* root NULL when the file is optional and absent. */
static lh_rc read_file(lh_ctx *cx, lh_str folder, const char *name, bool optional, config_file *ret)
{
    *ret = (config_file){.cx = cx, .name = name};
    lh_str path = lh_path_join(cx, folder, lh_str_from(name));
    if (path.ptr == NULL)
        return LH_E_NO_MEMORY;
    if (optional && !lh_file_exists(path))
        return LH_OK;
    lh_str text = LH_STR_NONE;
    LH_TRY(lh_file_read_all(cx, path, CONFIG_BYTES_MAX, &text));
    if (lh_json_parse(cx, text, 0, &ret->root) != LH_OK)
        return lh_err_prefix(cx, "%s: ", name);
    return LH_OK;
}

static lh_rc refuse(const config_file *file, const char *key, lh_str value, const char *supported)
{
    return lh_fail(file->cx, LH_E_UNPROCESSABLE, "%s: \"%s\" is %.*s; supported: %s", file->name,
                   key, LH_STR_ARG(value), supported);
}

/* The value must be the text, or null or absent. */
static lh_rc expect_text(const config_file *file, const char *key, lh_str wanted)
{
    const lh_json *value = lh_json_get(file->root, lh_str_from(key));
    if (value == NULL || value->kind == LH_JSON_NULL)
        return LH_OK;
    if (value->kind != LH_JSON_STRING || !lh_str_eq(value->text, wanted))
        return refuse(file, key, value->raw, wanted.ptr);
    return LH_OK;
}

/* The value must not be that (false or true); null and absent are fine. */
static lh_rc expect_not(const config_file *file, const char *key, lh_json_kind unwanted)
{
    const lh_json *value = lh_json_get(file->root, lh_str_from(key));
    if (value != NULL && value->kind == unwanted)
        return refuse(file, key, value->raw, unwanted == LH_JSON_TRUE ? "false" : "true");
    return LH_OK;
}

/* fallback 0: required. */
static lh_rc get_size(const config_file *file, const char *key, uint32_t fallback, uint32_t *ret)
{
    const lh_json *value = lh_json_get(file->root, lh_str_from(key));
    uint64_t number = 0;
    if ((value == NULL || value->kind == LH_JSON_NULL) && fallback != 0) {
        *ret = fallback;
        return LH_OK;
    }
    if (value == NULL || value->kind != LH_JSON_NUMBER || !lh_parse_u64(value->text, &number) ||
        number == 0 || number > INT32_MAX)
        return refuse(file, key, value == NULL ? LH_S("missing") : value->raw, "a size");
    *ret = (uint32_t)number;
    return LH_OK;
}

static lh_rc read_bert(lh_ctx *cx, lh_str folder, lh_embed_model_info *info)
{
    config_file file;
    LH_TRY(read_file(cx, folder, "config.json", false, &file));
    LH_TRY(expect_text(&file, "model_type", LH_S("bert")));
    LH_TRY(expect_text(&file, "hidden_act", LH_S("gelu")));
    LH_TRY(expect_text(&file, "position_embedding_type", LH_S("absolute")));
    LH_TRY(expect_not(&file, "is_decoder", LH_JSON_TRUE));
    LH_TRY(expect_not(&file, "add_cross_attention", LH_JSON_TRUE));
    LH_TRY(get_size(&file, "num_hidden_layers", 0, &info->layers));
    LH_TRY(get_size(&file, "hidden_size", 0, &info->hidden));
    LH_TRY(get_size(&file, "num_attention_heads", 0, &info->heads));
    LH_TRY(get_size(&file, "intermediate_size", 0, &info->intermediate));
    LH_TRY(get_size(&file, "vocab_size", 0, &info->vocabulary));
    LH_TRY(get_size(&file, "max_position_embeddings", 512, &info->positions));
    info->norm_epsilon = 1e-12;
    const lh_json *epsilon = lh_json_get(file.root, LH_S("layer_norm_eps"));
    if (epsilon != NULL &&
        (epsilon->kind != LH_JSON_NUMBER || !lh_parse_f64(epsilon->text, &info->norm_epsilon)))
        return refuse(&file, "layer_norm_eps", epsilon->raw, "a number");
    return LH_OK;
}

/* modules.json: an encoder, a pooling, a normalisation, nothing between. */
static lh_rc read_modules(lh_ctx *cx, lh_str folder)
{
    config_file file;
    LH_TRY(read_file(cx, folder, "modules.json", true, &file));
    for (const lh_json *item = file.root == NULL ? NULL : file.root->first; item != NULL;
         item = item->next) {
        lh_str type = lh_json_get_str(item, LH_S("type"));
        lh_str last = lh_str_from_offset(type, lh_str_rfind_char(type, '.') + 1);
        if (!lh_str_eq(last, LH_S("Transformer")) && !lh_str_eq(last, LH_S("Pooling")) &&
            !lh_str_eq(last, LH_S("Normalize")))
            return refuse(&file, "type", last, "Transformer, Pooling, Normalize");
    }
    return LH_OK;
}

static lh_rc read_pooling(lh_ctx *cx, lh_str folder, lh_embed_model_info *info)
{
    config_file file;
    LH_TRY(read_file(cx, folder, "1_Pooling/config.json", true, &file));
    info->pooling = LH_EMBED_POOLING_MEAN;
    if (file.root == NULL)
        return LH_OK;
    static const char *const others[] = {
        "pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens",
        "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"};
    for (size_t i = 0; i < LH_ARRAY_LEN(others); i++)
        LH_TRY(expect_not(&file, others[i], LH_JSON_TRUE));
    bool cls = lh_json_is_true(lh_json_get(file.root, LH_S("pooling_mode_cls_token")));
    bool mean = lh_json_is_true(lh_json_get(file.root, LH_S("pooling_mode_mean_tokens")));
    if (cls == mean)
        return refuse(&file, "pooling_mode_*", LH_S("none or two at once"),
                      "cls_token or mean_tokens");
    info->pooling = cls ? LH_EMBED_POOLING_CLS : LH_EMBED_POOLING_MEAN;
    return LH_OK;
}

static lh_rc read_tokenizer(lh_ctx *cx, lh_str folder)
{
    config_file file;
    LH_TRY(read_file(cx, folder, "tokenizer_config.json", true, &file));
    LH_TRY(expect_not(&file, "do_lower_case", LH_JSON_FALSE));
    LH_TRY(expect_not(&file, "tokenize_chinese_chars", LH_JSON_FALSE));
    LH_TRY(expect_not(&file, "strip_accents", LH_JSON_FALSE));
    lh_str class = lh_json_get_str(file.root, LH_S("tokenizer_class"));
    if (class.len > 0 && !lh_str_eq(class, LH_S("BertTokenizer")) &&
        !lh_str_eq(class, LH_S("BertTokenizerFast")))
        return refuse(&file, "tokenizer_class", class, "BertTokenizer");
    return LH_OK;
}

/* The length a sentence model was trained for, and the words it wants before a text. */
static lh_rc read_usage(lh_ctx *cx, lh_str folder, lh_embed_model_info *info)
{
    config_file file;
    LH_TRY(read_file(cx, folder, "sentence_bert_config.json", true, &file));
    LH_TRY(get_size(&file, "max_seq_length", info->positions, &info->tokens_max));
    info->tokens_max = LH_MIN(info->tokens_max, info->positions);
    LH_TRY(read_file(cx, folder, "config_sentence_transformers.json", true, &file));
    const lh_json *prompts = lh_json_get(file.root, LH_S("prompts"));
    info->query_prefix = lh_json_get_str(prompts, LH_S("query"));
    info->text_prefix = lh_json_get_str(prompts, LH_S("document"));
    if (info->text_prefix.ptr == NULL)
        info->text_prefix = lh_json_get_str(prompts, LH_S("passage"));
    return LH_OK;
}

lh_rc lh_embed_model_info_read(lh_ctx *cx, lh_str folder, lh_embed_model_info *ret_info)
{
    lh_embed_model_info info = {.architecture = LH_S("bert"), .precision = LH_EMBED_PRECISION_F32};
    while (folder.len > 1 && folder.ptr[folder.len - 1] == '/')
        folder.len--;
    info.name = lh_path_base(folder);
    LH_TRY(read_bert(cx, folder, &info));
    LH_TRY(read_modules(cx, folder));
    LH_TRY(read_pooling(cx, folder, &info));
    LH_TRY(read_tokenizer(cx, folder));
    LH_TRY(read_usage(cx, folder, &info));
    LH_TRY(lh_embed_model_info_check(cx, &info));
    *ret_info = info;
    return LH_OK;
}
