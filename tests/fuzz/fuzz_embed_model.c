/* fuzz_embed_model.c - hostile models are refused or run within their buffers. The first byte
 * chooses:
 *   0: the rest is a packed file                    1: the rest is a safetensors file
 *   2: u16 section, u16 offset, bytes ...: a small model is written with those bytes over its
 *      sections and true checksums, so that what a checksum cannot see is reached, and a text is
 *      embedded with it
 *   3: as 2, but the rest replaces the section
 * links: embed */
#include "base/container.h"
#include "embed/embed.h"
#include "embed/pack.h"
#include "embed/safetensors.h"
#include "embed/vocab.h"

#include <math.h>

enum {
    HIDDEN = 16,
    WIDE = 16,
    TOKENS = 9,
    POSITIONS = 8,
    LAYERS = 1,
    FILE_BYTES_MAX = 1 << 20,
    SECTIONS = 9
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

typedef struct part {
    lh_str name;
    uint32_t item_bytes;
    lh_str bytes;
} part;

static part parts[SECTIONS];
_Alignas(64) static char file[FILE_BYTES_MAX];

static lh_rc write_at(lh_ctx *cx, void *arg, uint64_t offset, lh_str bytes)
{
    size_t *end = arg;
    if (offset + bytes.len > FILE_BYTES_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "the file");
    if (bytes.len > 0)
        memcpy(file + offset, bytes.ptr, bytes.len);
    *end = LH_MAX(*end, (size_t)(offset + bytes.len));
    return LH_OK;
}

static lh_str floats(size_t count)
{
    float *values = lh_alloc_zero(count, sizeof(float));
    lh_assert(values != NULL);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i * 37 % 19) / 19.0f - 0.5f;
    return lh_str_n(values, count * sizeof(float));
}

/* Bits that are harmless as bf16, and as f32 two at a time. */
static lh_str halves(size_t count)
{
    uint16_t *values = lh_alloc_zero(count, sizeof(uint16_t));
    lh_assert(values != NULL);
    for (size_t i = 0; i < count; i++)
        values[i] = (uint16_t)((i & 1u) << 15 | 0x3E00u | (i * 37 % 128));
    return lh_str_n(values, count * sizeof(uint16_t));
}

/* Small weights as int8; small numbers where they are read as f32. */
static lh_str bytes_of(size_t count)
{
    uint8_t *values = lh_alloc_zero(count, 1);
    lh_assert(values != NULL);
    for (size_t i = 0; i < count; i++)
        values[i] = (uint8_t)(i % 4 == 3 ? 0x3C : i * 37 % 97);
    return lh_str_n(values, count);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    static lh_ctx cx;
    static lh_embed_vocab vocab;
    lh_embed_layer_layout layout;
    lh_embed_model_info info = {.hidden = HIDDEN, .intermediate = WIDE};
    lh_ctx_init(&cx, lh_arena_new(0));
    lh_assert(lh_embed_vocab_build(&cx, LH_S("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n##a\n##b\n.\n"),
                                   &vocab) == LH_OK);
    lh_embed_layer_layout_of(&info, LH_EMBED_PRECISION_F32, &layout);
    lh_str json = LH_S(
        "{\"name\":\"m\",\"architecture\":\"bert\",\"precisions\":[\"f32\",\"bf16\",\"int8\"],"
        "\"pooling\":"
        "\"mean\","
        "\"layers\":1,"
        "\"hidden\":16,\"heads\":1,\"intermediate\":16,\"vocabulary\":9,\"positions\":8,\"tokens_"
        "max\":8,"
        "\"norm_epsilon\":1e-12,\"query_prefix\":\"a\",\"text_prefix\":\"\",\"source_sha256\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\",\"tokenizer_sha256\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\"}");
    parts[0] = (part){LH_S(LH_EMBED_MODEL_SECTION_INFO), 1, json};
    parts[1] = (part){LH_S(LH_EMBED_MODEL_SECTION_TRIE), sizeof(lh_embed_vocab_unit),
                      lh_str_n(vocab.units, vocab.units_count * sizeof(lh_embed_vocab_unit))};
    parts[2] = (part){LH_S("embed.words"), sizeof(float), floats(TOKENS * HIDDEN)};
    parts[3] =
        (part){LH_S(LH_EMBED_MODEL_SECTION_POSITIONS), sizeof(float), floats(POSITIONS * HIDDEN)};
    parts[4] = (part){LH_S(LH_EMBED_MODEL_SECTION_NORM), sizeof(float), floats(2 * HIDDEN)};
    parts[5] = (part){LH_S("layer.0"), sizeof(float), floats(layout.bytes / sizeof(float))};
    lh_embed_layer_layout_of(&info, LH_EMBED_PRECISION_BF16, &layout);
    parts[6] = (part){LH_S("bf16.words"), sizeof(uint16_t), halves(TOKENS * HIDDEN)};
    parts[7] = (part){LH_S("bf16.layer.0"), sizeof(float), halves(layout.bytes / sizeof(uint16_t))};
    lh_embed_layer_layout_of(&info, LH_EMBED_PRECISION_INT8, &layout);
    parts[8] = (part){LH_S("int8.layer.0"), sizeof(float), bytes_of(layout.bytes)};
    return 0;
}

/* The small model with section `changed` replaced by bytes; its size, 0 when it does not fit. */
static size_t write_model(lh_ctx *cx, size_t changed, lh_str bytes)
{
    size_t end = 0;
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *w = NULL;
    uint64_t total = 0;
    bytes.len -= bytes.len % parts[changed].item_bytes;
    lh_rc rc = lh_container_writer_new(cx, (lh_container_sink){write_at, &end},
                                       LH_S(LH_EMBED_MODEL_KIND), LH_EMBED_MODEL_KIND_VERSION, &w);
    for (size_t i = 0; rc == LH_OK && i < SECTIONS; i++)
        rc = lh_container_add(cx, w, parts[i].name, parts[i].item_bytes,
                              i == changed ? bytes : parts[i].bytes);
    if (rc == LH_OK)
        rc = lh_container_finish(cx, w, &total);
    return rc == LH_OK ? end : 0;
}

static void embed_in(lh_ctx *cx, lh_str bytes, lh_str precision)
{
    LH_CLEANUP(lh_embed_close) lh_embed_model *model = NULL;
    lh_embed_options opts = {.precision = precision};
    if (lh_embed_open_bytes(cx, bytes, &opts, &model) != LH_OK)
        return;
    const lh_embed_model_info *info = lh_embed_info(model);
    lh_str texts[] = {LH_S("ab. b ba.a unknown ab ab ab"), LH_STR_NONE, LH_S("b")};
    float *out = lh_alloc_zero(3 * (size_t)info->hidden, sizeof(float));
    lh_embed_batch batch = {.texts = texts, .count = 3, .flags = LH_EMBED_QUERY, .out = out};
    lh_assert(out != NULL);
    if (lh_embed_texts(cx, model, &batch) == LH_OK)
        for (size_t i = 0; i < 3 * (size_t)info->hidden; i++)
            lh_assert(isfinite(out[i]));
    lh_free(out);
}

static void embed(lh_ctx *cx, lh_str bytes)
{
    for (int i = 0; i < LH_EMBED_PRECISIONS; i++)
        embed_in(cx, bytes, lh_str_from(lh_embed_precision_names[i]));
}

static void patch(lh_ctx *cx, const uint8_t *data, size_t size, int replace)
{
    uint16_t place[2];
    if (size < sizeof(place))
        return;
    memcpy(place, data, sizeof(place));
    size_t section = place[0] % SECTIONS;
    lh_str bytes = lh_str_n(data + sizeof(place), size - sizeof(place));
    if (!replace) {
        lh_str copy = lh_ctx_dup(cx, parts[section].bytes);
        size_t at = place[1] % copy.len;
        memcpy((char *)(uintptr_t)copy.ptr + at, bytes.ptr, LH_MIN(bytes.len, copy.len - at));
        bytes = copy;
    }
    size_t end = write_model(cx, section, bytes);
    if (end > 0)
        embed(cx, lh_str_n(file, end));
}

static void read_tensors(lh_ctx *cx, lh_str bytes)
{
    lh_embed_safetensors tensors;
    if (lh_embed_safetensors_open(cx, bytes, &tensors) != LH_OK)
        return;
    for (size_t i = 0; i < tensors.count; i++) {
        const lh_embed_tensor *tensor = &tensors.items[i];
        if (tensor->type == LH_EMBED_TENSOR_OTHER)
            continue;
        float value[4];
        size_t values = tensor->rows * tensor->columns;
        for (size_t at = 0; at < values; at += 4)
            lh_embed_tensor_read(tensor, at, LH_MIN(values - at, 4), value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > FILE_BYTES_MAX)
        return 0;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    switch (data[0] & 3) {
    case 0:
        memcpy(file, data + 1, size - 1);
        embed(&cx, lh_str_n(file, size - 1));
        break;
    case 1: read_tensors(&cx, lh_str_n(data + 1, size - 1)); break;
    default: patch(&cx, data + 1, size - 1, data[0] & 1); break;
    }
    return 0;
}
