/* safetensors.c - the header is small JSON, so it is read as a tree; the data stays where it is. */
#include "embed/safetensors.h"

#include "base/json.h"
#include "base/num.h"

#include <stdbool.h>

enum { HEADER_LENGTH_BYTES = 8 };

static const struct {
    lh_str name;
    lh_embed_tensor_type type;
    uint32_t bytes;
} types[] = {
    {LH_S_INIT("F32"), LH_EMBED_TENSOR_F32, 4},    {LH_S_INIT("F16"), LH_EMBED_TENSOR_F16, 2},
    {LH_S_INIT("BF16"), LH_EMBED_TENSOR_BF16, 2},  {LH_S_INIT("F64"), LH_EMBED_TENSOR_OTHER, 8},
    {LH_S_INIT("I64"), LH_EMBED_TENSOR_OTHER, 8},  {LH_S_INIT("U64"), LH_EMBED_TENSOR_OTHER, 8},
    {LH_S_INIT("I32"), LH_EMBED_TENSOR_OTHER, 4},  {LH_S_INIT("U32"), LH_EMBED_TENSOR_OTHER, 4},
    {LH_S_INIT("I16"), LH_EMBED_TENSOR_OTHER, 2},  {LH_S_INIT("U16"), LH_EMBED_TENSOR_OTHER, 2},
    {LH_S_INIT("I8"), LH_EMBED_TENSOR_OTHER, 1},   {LH_S_INIT("U8"), LH_EMBED_TENSOR_OTHER, 1},
    {LH_S_INIT("BOOL"), LH_EMBED_TENSOR_OTHER, 1},
};

static lh_rc bad(lh_ctx *cx, lh_str name, const char *what)
{
    return lh_fail(cx, LH_E_UNPROCESSABLE, "safetensors: tensor \"%.*s\": %s", LH_STR_ARG(name),
                   what);
}

static bool number_at(const lh_json *list, size_t index, uint64_t *ret)
{
    if (list == NULL || list->kind != LH_JSON_ARRAY || index >= list->count)
        return false;
    const lh_json *item = list->first;
    for (size_t i = 0; i < index; i++)
        item = item->next;
    return item->kind == LH_JSON_NUMBER && lh_parse_u64(item->text, ret);
}

/* Product of the dimensions; rows and columns when there are one or two. */
static bool read_shape(const lh_json *shape, lh_embed_tensor *tensor, uint64_t *ret_values)
{
    if (shape == NULL || shape->kind != LH_JSON_ARRAY)
        return false;
    uint64_t values = 1;
    for (const lh_json *item = shape->first; item != NULL; item = item->next) {
        uint64_t size = 0;
        if (item->kind != LH_JSON_NUMBER || !lh_parse_u64(item->text, &size) ||
            !lh_mul_u64(values, size, &values))
            return false;
    }
    if (shape->count == 1) {
        tensor->rows = 1;
        tensor->columns = values;
    } else if (shape->count == 2) {
        LH_IGNORE(number_at(shape, 0, &tensor->rows));
        LH_IGNORE(number_at(shape, 1, &tensor->columns));
    }
    *ret_values = values;
    return true;
}

static lh_rc read_tensor(lh_ctx *cx, const lh_json *entry, lh_str data, lh_embed_tensor *tensor)
{
    *tensor = (lh_embed_tensor){.name = entry->key, .type = LH_EMBED_TENSOR_OTHER};
    uint64_t item_bytes = 0;
    lh_str type = lh_json_get_str(entry, LH_S("dtype"));
    for (size_t i = 0; i < LH_ARRAY_LEN(types); i++) {
        if (lh_str_eq(type, types[i].name)) {
            tensor->type = types[i].type;
            item_bytes = types[i].bytes;
        }
    }
    uint64_t values = 0;
    if (!read_shape(lh_json_get(entry, LH_S("shape")), tensor, &values))
        return bad(cx, entry->key, "its shape is not a list of sizes");
    const lh_json *offsets = lh_json_get(entry, LH_S("data_offsets"));
    uint64_t from = 0;
    uint64_t to = 0;
    if (!number_at(offsets, 0, &from) || !number_at(offsets, 1, &to) || from > to || to > data.len)
        return bad(cx, entry->key, "its data lies outside the file");
    uint64_t bytes = 0;
    if (item_bytes != 0 && (!lh_mul_u64(values, item_bytes, &bytes) || bytes != to - from))
        return bad(cx, entry->key, "its shape and its bytes differ");
    tensor->bytes = lh_str_sub(data, from, to - from);
    return LH_OK;
}

lh_rc lh_embed_safetensors_open(lh_ctx *cx, lh_str bytes, lh_embed_safetensors *ret_file)
{
    uint64_t header_bytes = 0;
    if (bytes.len < HEADER_LENGTH_BYTES)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "safetensors: %zu bytes are too short", bytes.len);
    memcpy(&header_bytes, bytes.ptr, HEADER_LENGTH_BYTES);
    if (header_bytes > bytes.len - HEADER_LENGTH_BYTES ||
        header_bytes > LH_EMBED_SAFETENSORS_HEADER_MAX)
        return lh_fail(cx, LH_E_UNPROCESSABLE,
                       "safetensors: a header of %llu bytes, limit %u and the file",
                       (unsigned long long)header_bytes, LH_EMBED_SAFETENSORS_HEADER_MAX);
    const lh_json *root = NULL;
    lh_str header = lh_str_sub(bytes, HEADER_LENGTH_BYTES, header_bytes);
    LH_TRY(lh_json_parse(cx, header, 0, &root));
    if (root->kind != LH_JSON_OBJECT)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "safetensors: the header is not an object");

    lh_embed_tensor *items = LH_NEW_ARRAY(cx, lh_embed_tensor, root->count + 1);
    if (items == NULL)
        return LH_E_NO_MEMORY;
    lh_str data = lh_str_from_offset(bytes, HEADER_LENGTH_BYTES + header_bytes);
    size_t count = 0;
    for (const lh_json *entry = root->first; entry != NULL; entry = entry->next) {
        if (lh_str_eq(entry->key, LH_S("__metadata__")))
            continue;
        LH_TRY(read_tensor(cx, entry, data, &items[count++]));
    }
    *ret_file = (lh_embed_safetensors){items, count};
    return LH_OK;
}

const lh_embed_tensor *lh_embed_safetensors_find(const lh_embed_safetensors *file, lh_str name)
{
    for (size_t i = 0; i < file->count; i++)
        if (lh_str_eq(file->items[i].name, name))
            return &file->items[i];
    return NULL;
}

lh_rc lh_embed_safetensors_get(lh_ctx *cx, const lh_embed_safetensors *file, lh_str name,
                               uint64_t rows, uint64_t columns, const lh_embed_tensor **ret_tensor)
{
    const lh_embed_tensor *tensor = lh_embed_safetensors_find(file, name);
    if (tensor == NULL)
        return bad(cx, name, "it is missing");
    if (tensor->type == LH_EMBED_TENSOR_OTHER)
        return bad(cx, name, "its type is none of F32, F16, BF16");
    if (tensor->rows != rows || tensor->columns != columns)
        return lh_fail(
            cx, LH_E_UNPROCESSABLE,
            "safetensors: tensor \"%.*s\" is %llu x %llu, the configuration says %llu x %llu",
            LH_STR_ARG(name), (unsigned long long)tensor->rows, (unsigned long long)tensor->columns,
            (unsigned long long)rows, (unsigned long long)columns);
    *ret_tensor = tensor;
    return LH_OK;
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* IEEE 754 half; subnormals by exact multiplication. */
static float from_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 31u;
    uint32_t fraction = half & 1023u;
    if (exponent == 31)
        return from_bits(sign | 0x7F800000u | fraction << 13);
    if (exponent == 0) {
        float tiny = (float)fraction * 0x1p-24f;
        return sign != 0 ? -tiny : tiny;
    }
    return from_bits(sign | (exponent + 112u) << 23 | fraction << 13);
}

void lh_embed_tensor_read(const lh_embed_tensor *tensor, uint64_t first, size_t count, float *out)
{
    lh_assert(tensor->type != LH_EMBED_TENSOR_OTHER);
    lh_assert(first + count <= tensor->rows * tensor->columns);
    if (tensor->type == LH_EMBED_TENSOR_F32) {
        memcpy(out, tensor->bytes.ptr + first * sizeof(float), count * sizeof(float));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, tensor->bytes.ptr + (first + i) * sizeof(bits), sizeof(bits));
        out[i] =
            tensor->type == LH_EMBED_TENSOR_F16 ? from_half(bits) : from_bits((uint32_t)bits << 16);
    }
}
