/* record_write.c - struct to JSON, by its table. Secrets are not written by anyone. */
#include "base/record_private.h"

#define COPY_BYTES_MAX (64u * 1024u * 1024u)

static int is_empty(const lh_field *field, const void *from);

static int is_empty_record(const lh_record *record, const void *in)
{
    for (const lh_field *field = record->fields; field->name != NULL; field++)
        if (!is_empty(field, (const char *)in + field->offset))
            return 0;
    return 1;
}

/* Zero or without items; -0.0 counts as zero. */
static int is_empty(const lh_field *field, const void *from)
{
    switch (field->type) {
    case LH_F_BOOL: return !*(const bool *)from;
    case LH_F_I32: return *(const int32_t *)from == 0;
    case LH_F_U32: return *(const uint32_t *)from == 0;
    case LH_F_ENUM: return *(const int *)from == 0;
    case LH_F_I64:
    case LH_F_TIME: return *(const int64_t *)from == 0;
    case LH_F_U64: return *(const uint64_t *)from == 0;
    case LH_F_F64: return *(const double *)from == 0.0;
    case LH_F_STR:
    case LH_F_JSON: return ((const lh_str *)from)->len == 0;
    case LH_F_LIST:
    case LH_F_MAP_I64:
    case LH_F_MAP_STR: return ((const lh_list *)from)->count == 0;
    case LH_F_OBJECT: return is_empty_record(field->record, from);
    }
    return 0;
}

static void write_value(lh_json_writer *w, const lh_field *field, const void *from);

static void write_enum(lh_json_writer *w, const lh_field *field, int value)
{
    int count = 0;
    while (field->names[count] != NULL)
        count++;
    lh_assert(value >= 0 && value < count);
    lh_jw_str(w, lh_str_from(field->names[value]));
}

static void write_list(lh_json_writer *w, const lh_field *field, const lh_list *list)
{
    const lh_field item = lhi_item_field(field);
    size_t item_bytes = lhi_field_bytes(item.type, item.record);
    const char *at = list->items;
    lh_jw_array_begin(w);
    for (size_t i = 0; i < list->count && w->rc == LH_OK; i++, at += item_bytes)
        write_value(w, &item, at);
    lh_jw_array_end(w);
}

static void write_map(lh_json_writer *w, const lh_field *field, const lh_list *list)
{
    lh_jw_object_begin(w);
    for (size_t i = 0; i < list->count && w->rc == LH_OK; i++) {
        if (field->type == LH_F_MAP_I64) {
            const lh_pair_i64 *pair = &((const lh_pair_i64 *)list->items)[i];
            lh_jw_kv_i64(w, pair->key, pair->value);
        } else {
            const lh_pair_str *pair = &((const lh_pair_str *)list->items)[i];
            lh_jw_kv_str(w, pair->key, pair->value);
        }
    }
    lh_jw_object_end(w);
}

static void write_value(lh_json_writer *w, const lh_field *field, const void *from)
{
    switch (field->type) {
    case LH_F_BOOL: lh_jw_bool(w, *(const bool *)from); return;
    case LH_F_I32: lh_jw_i64(w, *(const int32_t *)from); return;
    case LH_F_U32: lh_jw_u64(w, *(const uint32_t *)from); return;
    case LH_F_I64: lh_jw_i64(w, *(const int64_t *)from); return;
    case LH_F_U64: lh_jw_u64(w, *(const uint64_t *)from); return;
    case LH_F_F64: lh_jw_f64(w, *(const double *)from); return;
    case LH_F_STR: lh_jw_str(w, *(const lh_str *)from); return;
    case LH_F_ENUM: write_enum(w, field, *(const int *)from); return;
    case LH_F_LIST: write_list(w, field, from); return;
    case LH_F_MAP_I64:
    case LH_F_MAP_STR: write_map(w, field, from); return;
    case LH_F_OBJECT: lh_record_write(w, field->record, from); return;
    case LH_F_TIME:
        if (*(const int64_t *)from == 0)
            lh_jw_null(w);
        else
            lh_jw_time(w, *(const int64_t *)from);
        return;
    case LH_F_JSON:
        if (((const lh_str *)from)->len == 0)
            lh_jw_null(w);
        else
            lh_jw_raw(w, *(const lh_str *)from);
        return;
    }
}

void lh_record_write(lh_json_writer *w, const lh_record *record, const void *in)
{
    lh_jw_object_begin(w);
    for (const lh_field *field = record->fields; field->name != NULL && w->rc == LH_OK; field++) {
        const void *from = (const char *)in + field->offset;
        if (field->flags & LH_FIELD_SECRET)
            continue;
        int empty =
            (field->flags & (LH_FIELD_OMIT_EMPTY | LH_FIELD_NULL_EMPTY)) && is_empty(field, from);
        if (empty && (field->flags & LH_FIELD_OMIT_EMPTY))
            continue;
        lh_jw_key(w, lh_str_from(field->name));
        if (empty)
            lh_jw_null(w);
        else
            write_value(w, field, from);
    }
    lh_jw_object_end(w);
}

lh_rc lh_record_append(lh_ctx *cx, const lh_record *record, const void *in, lh_buf *out)
{
    lh_json_writer writer;
    lh_jw_init(&writer, cx, out);
    lh_record_write(&writer, record, in);
    return lh_jw_end(&writer);
}

lh_rc lh_record_copy(lh_ctx *cx, const lh_record *record, const void *in, void *out)
{
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, COPY_BYTES_MAX);
    LH_TRY(lh_record_append(cx, record, in, &json));
    lh_str copy = lh_ctx_dup(cx, lh_buf_str(&json));
    return copy.ptr ? lh_record_parse(cx, record, copy, out) : cx->err.rc;
}
