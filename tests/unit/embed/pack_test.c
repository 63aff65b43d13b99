#include "embed/pack.h"

#include "embed/image.h"
#include "embed/safetensors.h"
#include "unit/embed/embed_fixture.h"

enum { PACKED_BYTES_MAX = 8 * 1024 * 1024 };

static lh_str read_packed(lh_scratch *s, lh_str path)
{
    lh_str bytes;
    ck_lh_ok(s, lh_file_read_all(&s->cx, path, PACKED_BYTES_MAX, &bytes));
    return bytes;
}

LH_TEST(the_same_folder_gives_the_same_bytes)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_model_info info;
    lh_str first = read_packed(&s, embed_pack_tiny(&s));
    lh_str second = lh_scratch_path(&s, "second");
    ck_lh_ok(&s, lh_file_replace(&s.cx, second, LH_S("old"))); /* is replaced */
    ck_lh_ok(&s, lh_embed_pack(&s.cx, embed_data_path(&s, "tiny/"), second, 0, &info));
    ck_assert(lh_str_eq(first, read_packed(&s, second)));
    ck_assert(lh_str_eq(info.name, LH_S("tiny")));
    ck_assert_uint_eq(info.hidden, 48);
    ck_assert_uint_eq(info.tokens_max, 24);
    ck_assert_int_eq(info.pooling, LH_EMBED_POOLING_CLS);
    ck_assert(lh_str_eq(info.query_prefix, LH_S("query: ")));
    ck_assert(lh_str_eq(info.text_prefix, LH_S("passage: ")));
    lh_scratch_close(&s);
}

/* A copy of the tiny folder with one file changed; packing it must fail and name `named`. */
static void ck_refused(const char *file, const char *content, const char *named)
{
    static const char *const files[] = {"config.json",
                                        "1_Pooling/config.json",
                                        "sentence_bert_config.json",
                                        "config_sentence_transformers.json",
                                        "vocab.txt",
                                        "model.safetensors"};
    lh_scratch s;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_dir_make(&s.cx, lh_scratch_path(&s, "m/1_Pooling")));
    for (size_t i = 0; i < LH_ARRAY_LEN(files); i++) {
        lh_str bytes = embed_data(&s, lh_ctx_fmt(&s.cx, "tiny/%s", files[i]).ptr);
        ck_lh_ok(&s, lh_file_replace(&s.cx,
                                     lh_scratch_path(&s, lh_ctx_fmt(&s.cx, "m/%s", files[i]).ptr),
                                     bytes));
    }
    lh_str changed = lh_scratch_path(&s, lh_ctx_fmt(&s.cx, "m/%s", file).ptr);
    ck_lh_ok(&s, lh_file_replace(&s.cx, changed, lh_str_from(content)));
    lh_str out = lh_scratch_path(&s, "out");
    lh_rc rc = lh_embed_pack(&s.cx, lh_scratch_path(&s, "m"), out, 0, NULL);
    ck_assert_msg(rc == LH_E_UNPROCESSABLE || rc == LH_E_BAD_JSON, "%s: %s", file, lh_rc_code(rc));
    ck_assert_msg(strstr(s.cx.err.message, named) != NULL, "%s is not in: %s", named,
                  s.cx.err.message);
    ck_assert(!lh_file_exists(out));
    ck_assert(!lh_file_exists(lh_scratch_path(&s, "out.tmp")));
    lh_scratch_close(&s);
}

#define CONFIG(changes)                                                                            \
    "{\"hidden_size\":48,\"num_attention_heads\":3,\"num_hidden_layers\":2,"                       \
    "\"intermediate_size\":80,\"max_position_embeddings\":40,\"vocab_size\":98" changes "}"

LH_TEST(what_is_not_supported_is_refused_by_name)
{
    ck_refused("config.json", CONFIG(",\"model_type\":\"roberta\""), "roberta");
    ck_refused("config.json", CONFIG(",\"hidden_act\":\"relu\""), "hidden_act");
    ck_refused("config.json", CONFIG(",\"position_embedding_type\":\"relative_key\""),
               "relative_key");
    ck_refused("config.json", CONFIG(",\"is_decoder\":true"), "is_decoder");
    ck_refused("config.json", CONFIG(",\"layer_norm_eps\":\"x\""), "layer_norm_eps");
    ck_refused("config.json", CONFIG(",\"layer_norm_eps\":-1"), "epsilon");
    ck_refused("config.json", CONFIG(",\"num_attention_heads\":5"), "heads");
    ck_refused("config.json", CONFIG(",\"intermediate_size\":90"), "intermediate");
    ck_refused("config.json", CONFIG(",\"num_hidden_layers\":-2"), "num_hidden_layers");
    ck_refused("config.json", "{", "config.json");
    ck_refused("config.json", "[]", "num_hidden_layers");
    ck_refused("1_Pooling/config.json", "{\"pooling_mode_max_tokens\":true}",
               "pooling_mode_max_tokens");
    ck_refused("1_Pooling/config.json", "{\"pooling_mode_cls_token\":false}", "pooling");
    ck_refused("modules.json", "[{\"type\":\"sentence_transformers.models.Dense\"}]", "Dense");
    ck_refused("tokenizer_config.json", "{\"do_lower_case\":false}", "do_lower_case");
    ck_refused("tokenizer_config.json", "{\"tokenizer_class\":\"T5Tokenizer\"}", "T5Tokenizer");
}

LH_TEST(weights_and_vocabulary_must_fit_the_configuration)
{
    ck_refused("config.json", CONFIG(",\"num_hidden_layers\":3"), "encoder.layer.2");
    ck_refused("config.json", CONFIG(",\"vocab_size\":99"), "word_embeddings");
    ck_refused("config.json", CONFIG(",\"vocab_size\":20"), "vocab");
    ck_refused("vocab.txt", "[UNK]\n[SEP]\n", "[CLS]");
    ck_refused("vocab.txt", "", "vocabulary");
    ck_refused("model.safetensors", "short", "safetensors");
    ck_refused("model.safetensors", "\xff\xff\xff\xff\xff\xff\xff\xff{}", "safetensors");
}

static lh_rc open_tensors(lh_scratch *s, const char *header, size_t data_bytes)
{
    lh_embed_safetensors file;
    size_t length = strlen(header);
    char *bytes = LH_NEW_ARRAY(&s->cx, char, 8 + length + data_bytes);
    ck_assert_ptr_nonnull(bytes);
    uint64_t number = length;
    memcpy(bytes, &number, sizeof(number));
    memcpy(bytes + 8, header, length);
    return lh_embed_safetensors_open(&s->cx, lh_str_n(bytes, 8 + length + data_bytes), &file);
}

LH_TEST(tensors_that_lie_about_their_place_are_refused)
{
    lh_scratch s;
    lh_scratch_open(&s);
    ck_lh_ok(&s,
             open_tensors(&s, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}",
                          24));
    static const char *const bad[] = {
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,25]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[24,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2,3],\"data_offsets\":[0,24]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":6,\"data_offsets\":[0,24]}}",
        "{\"a\":7}",
        "[1]",
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++)
        ck_assert_msg(open_tensors(&s, bad[i], 24) == LH_E_UNPROCESSABLE, "%s", bad[i]);
    ck_lh_fails(open_tensors(&s, "{\"a\":", 24), LH_E_BAD_JSON);
    lh_scratch_close(&s);
}

LH_TEST(half_floats_are_read_exactly)
{
    static const uint16_t halves[] = {0x3C00, 0xC000, 0x0001, 0x7BFF, 0x8000, 0x7C00, 0x03FF};
    static const float values[] = {1.0f,  -2.0f,       0x1p-24f,    65504.0f,
                                   -0.0f, (float)1e39, 0x1.ff8p-15f};
    lh_embed_tensor tensor = {.type = LH_EMBED_TENSOR_F16,
                              .rows = 1,
                              .columns = 7,
                              .bytes = lh_str_n(halves, sizeof(halves))};
    float out[7];
    lh_embed_tensor_read(&tensor, 0, 7, out);
    ck_assert_mem_eq(out, values, sizeof(values));
    tensor.type = LH_EMBED_TENSOR_BF16;
    lh_embed_tensor_read(&tensor, 0, 1, out);
    ck_assert(out[0] == 0x1p-7f);
}

static lh_rc open_copy(lh_scratch *s, const char *bytes, size_t count, lh_embed_model **ret)
{
    char *copy = aligned_alloc(64, (count + 63) / 64 * 64 + 64);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, count);
    lh_rc rc = lh_embed_open_bytes(&s->cx, lh_str_n(copy, count), NULL, ret);
    if (rc == LH_OK)
        *ret = lh_embed_close(*ret);
    free(copy);
    return rc;
}

LH_TEST(a_file_cut_anywhere_is_refused)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str whole = read_packed(&s, embed_pack_tiny(&s));
    lh_embed_model *model = NULL;
    ck_lh_ok(&s, open_copy(&s, whole.ptr, whole.len, &model));
    for (size_t cut = 0; cut < whole.len; cut += cut < 512 ? 1 : 997)
        ck_assert_msg(open_copy(&s, whole.ptr, cut, &model) != LH_OK, "cut at %zu", cut);
    lh_scratch_close(&s);
}

/* Bytes between sections belong to nobody; any other flipped bit must be seen. */
LH_TEST(a_flipped_bit_is_refused)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str whole = read_packed(&s, embed_pack_tiny(&s));
    lh_container file;
    ck_lh_ok(&s, lh_container_open(&s.cx, whole, LH_S(LH_EMBED_MODEL_KIND), &file));
    char *bytes = aligned_alloc(64, (whole.len + 63) / 64 * 64);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, whole.ptr, whole.len);
    for (size_t at = 0; at < whole.len; at += at < 64 || at + 2000 > whole.len ? 1 : 211) {
        bool padding = at >= 64 && at < whole.len;
        for (uint32_t i = 0; i < file.section_count; i++)
            padding = padding && (at < file.sections[i].offset ||
                                  at >= file.sections[i].offset + file.sections[i].bytes);
        uint64_t table = (uint64_t)((const uint8_t *)file.sections - (const uint8_t *)whole.ptr);
        if (padding && at < table)
            continue;
        bytes[at] ^= 0x10;
        bool seen = false; /* each precision looks at its own sections */
        for (int i = 0; i < LH_EMBED_PRECISIONS && !seen; i++) {
            lh_embed_image image;
            lh_str precision = lh_str_from(lh_embed_precision_names[i]);
            seen = lh_embed_image_open(&s.cx, lh_str_n(bytes, whole.len), precision, 0, &image) !=
                   LH_OK;
        }
        ck_assert_msg(seen, "byte %zu", at);
        bytes[at] ^= 0x10;
    }
    free(bytes);
    lh_scratch_close(&s);
}

static lh_rc write_file(lh_ctx *cx, void *arg, uint64_t offset, lh_str bytes)
{
    lh_buf *out = arg;
    if (out->len < offset + bytes.len) {
        size_t more = (size_t)(offset + bytes.len) - out->len;
        LH_TRY(lh_buf_reserve(cx, out, more));
        memset(out->ptr + out->len, 0, more);
        out->len += more;
    }
    if (bytes.len > 0)
        memcpy(out->ptr + offset, bytes.ptr, bytes.len);
    return LH_OK;
}

/* The content of a section with the last place in its last list of leads set to what is not there:
 * a lead, or what fills the line. */
static lh_str with_lead_outside(lh_scratch *s, lh_str content, const lh_embed_model_info *info)
{
    lh_embed_layer_layout layout;
    lh_str copy = lh_ctx_dup(&s->cx, content);
    lh_embed_layer_layout_of(info, LH_EMBED_PRECISION_INT8, &layout);
    const lh_embed_linear_layout *down = &layout.linears[LH_EMBED_DOWN];
    const size_t last = down->leads + (lh_embed_leads_room(down) - 1) * sizeof(uint32_t);
    uint32_t outside = info->intermediate;
    memcpy((char *)(uintptr_t)copy.ptr + last, &outside, sizeof(outside));
    return copy;
}

/* A packed file again: as version 1 only its f32 sections; with info, a lead that lies. */
static lh_str as_version(lh_scratch *s, lh_str whole, uint32_t version,
                         const lh_embed_model_info *info)
{
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *w = NULL;
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_container file;
    uint64_t bytes = 0;
    lh_buf_init(&out, PACKED_BYTES_MAX);
    ck_lh_ok(s, lh_container_open(&s->cx, whole, LH_S(LH_EMBED_MODEL_KIND), &file));
    ck_lh_ok(s, lh_container_writer_new(&s->cx, (lh_container_sink){write_file, &out},
                                        LH_S(LH_EMBED_MODEL_KIND), version, &w));
    for (uint32_t i = 0; i < file.section_count; i++) {
        const lh_container_section *section = &file.sections[i];
        lh_str name = lh_str_n(section->name, strnlen(section->name, LH_CONTAINER_NAME_MAX));
        lh_str content = lh_str_n(file.bytes + section->offset, section->bytes);
        if (version == 1 &&
            (lh_str_starts(name, LH_S("bf16.")) || lh_str_starts(name, LH_S("int8."))))
            continue;
        if (info != NULL && lh_str_eq(name, LH_S("int8.layer.0")))
            content = with_lead_outside(s, content, info);
        if (i == 0 && version == 1) { /* "precisions":[...] becomes "precision":"f32" */
            const char *list = strstr(lh_ctx_dup(&s->cx, content).ptr, "\"precisions\"");
            const char *end = strchr(list, ']') + 1;
            size_t before = content.len - strlen(list);
            content =
                lh_ctx_fmt(&s->cx, "%.*s\"precision\":\"f32\"%s", (int)before, content.ptr, end);
        }
        ck_lh_ok(s, lh_container_add(&s->cx, w, name, section->item_bytes, content));
    }
    ck_lh_ok(s, lh_container_finish(&s->cx, w, &bytes));
    lh_str path = lh_scratch_path(s, "version");
    ck_lh_ok(s, lh_file_replace(&s->cx, path, lh_buf_str(&out)));
    return path;
}

LH_TEST(version_1_opens_as_f32_and_a_later_one_is_refused)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_model *model = NULL;
    lh_str whole = read_packed(&s, embed_pack_tiny(&s));
    lh_str old = as_version(&s, whole, 1, NULL);
    ck_lh_ok(&s, lh_embed_open(&s.cx, old, NULL, &model));
    ck_assert_int_eq(lh_embed_info(model)->precision, LH_EMBED_PRECISION_F32);
    model = lh_embed_close(model);
    lh_embed_options opts = {.precision = LH_S("bf16")};
    ck_lh_fails(lh_embed_open(&s.cx, old, &opts, &model), LH_E_UNPROCESSABLE);
    ck_assert_msg(strstr(s.cx.err.hint, "--pack") != NULL, "%s", s.cx.err.hint);
    lh_str later = as_version(&s, whole, LH_EMBED_MODEL_KIND_VERSION + 1, NULL);
    ck_lh_fails(lh_embed_open(&s.cx, later, NULL, &model), LH_E_UNPROCESSABLE);
    ck_assert_msg(strstr(s.cx.err.hint, "--pack") != NULL, "%s", s.cx.err.hint);
    lh_scratch_close(&s);
}

LH_TEST(int8_of_an_older_version_or_with_a_lead_outside_is_refused)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_model *model = NULL;
    lh_str whole = read_packed(&s, embed_pack_tiny(&s));
    lh_embed_options int8 = {.precision = LH_S("int8")};
    lh_embed_options bf16 = {.precision = LH_S("bf16")};
    lh_str older = as_version(&s, whole, LH_EMBED_MODEL_KIND_VERSION_INT8 - 1, NULL);
    ck_lh_ok(&s, lh_embed_open(&s.cx, older, &bf16, &model));
    lh_embed_model_info info = *lh_embed_info(model);
    model = lh_embed_close(model);
    ck_lh_fails(lh_embed_open(&s.cx, older, &int8, &model), LH_E_UNPROCESSABLE);
    ck_assert_msg(strstr(s.cx.err.hint, "--pack") != NULL, "%s", s.cx.err.hint);
    lh_str lies = as_version(&s, whole, LH_EMBED_MODEL_KIND_VERSION, &info);
    ck_lh_fails(lh_embed_open(&s.cx, lies, &int8, &model), LH_E_CORRUPT);
    ck_assert_msg(strstr(s.cx.err.message, "int8.layer.0") != NULL, "%s", s.cx.err.message);
    lh_scratch_close(&s);
}

LH_TEST(a_file_holds_the_precisions_that_were_asked_for)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_model *model = NULL;
    lh_str path = lh_scratch_path(&s, "half");
    ck_lh_ok(&s, lh_embed_pack(&s.cx, embed_data_path(&s, "tiny"), path,
                               1u << LH_EMBED_PRECISION_BF16, NULL));
    ck_lh_ok(&s, lh_embed_open(&s.cx, path, NULL, &model)); /* what there is, on any CPU */
    ck_assert_int_eq(lh_embed_info(model)->precision, LH_EMBED_PRECISION_BF16);
    model = lh_embed_close(model);
    lh_embed_options opts = {.precision = LH_S("f32")};
    ck_lh_fails(lh_embed_open(&s.cx, path, &opts, &model), LH_E_UNPROCESSABLE);
    opts.precision = LH_S("f16");
    ck_lh_fails(lh_embed_open(&s.cx, path, &opts, &model), LH_E_BAD_VALUE);
    lh_scratch_close(&s);
}

LH_TEST(another_kind_of_file_is_refused)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_model *model = NULL;
    ck_assert_int_ne(
        lh_embed_open(&s.cx, embed_data_path(&s, "tiny/model.safetensors"), NULL, &model), LH_OK);
    ck_lh_fails(lh_embed_open(&s.cx, lh_scratch_path(&s, "absent"), NULL, &model), LH_E_NOT_FOUND);
    ck_lh_ok(&s, lh_file_replace(&s.cx, lh_scratch_path(&s, "empty"), LH_STR_NONE));
    ck_lh_fails(lh_embed_open(&s.cx, lh_scratch_path(&s, "empty"), NULL, &model), LH_E_CORRUPT);
    ck_assert_ptr_null(model);
    lh_scratch_close(&s);
}
