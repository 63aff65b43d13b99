/* record_schema.c - a record's table as JSON Schema 2020-12, the dialect of OpenAPI 3.1.
 *
 * Our limits of texts are bytes, minLength and maxLength are characters: the schema is a little
 * wider than the parser, never narrower for text that the parser takes. */
#include "base/record_private.h"

static void write_type(lh_json_writer *w, const char *type, int nullable)
{
    lh_jw_key(w, LH_S("type"));
    if (!nullable) {
        lh_jw_str(w, lh_str_from(type));
        return;
    }
    lh_jw_array_begin(w);
    lh_jw_str(w, lh_str_from(type));
    lh_jw_str(w, LH_S("null"));
    lh_jw_array_end(w);
}

static void write_ref(lh_json_writer *w, const lh_record *record, int nullable)
{
    lh_str target = lh_ctx_fmt(w->cx, "#/components/schemas/%s", record->name);
    if (!nullable) {
        lh_jw_kv_str(w, LH_S("$ref"), target);
        return;
    }
    lh_jw_key(w, LH_S("anyOf"));
    lh_jw_array_begin(w);
    lh_jw_object_begin(w);
    lh_jw_kv_str(w, LH_S("$ref"), target);
    lh_jw_object_end(w);
    lh_jw_object_begin(w);
    lh_jw_kv_str(w, LH_S("type"), LH_S("null"));
    lh_jw_object_end(w);
    lh_jw_array_end(w);
}

static void write_number_limits(lh_json_writer *w, const lh_field *field)
{
    lhi_limits limits = lhi_field_limits(field);
    int is_unsigned = field->type == LH_F_U64 || field->type == LH_F_U32;
    if (limits.has_min || is_unsigned)
        lh_jw_kv_i64(w, LH_S("minimum"), limits.has_min ? limits.min : 0);
    if (limits.has_max)
        lh_jw_kv_i64(w, LH_S("maximum"), limits.max);
    else if (field->type == LH_F_U64)
        lh_jw_kv_u64(w, LH_S("maximum"), UINT64_MAX);
}

/* "minLength" and "maxLength", "minItems" and "maxItems" ... */
static void write_count_limits(lh_json_writer *w, const lh_record *owner, const lh_field *field,
                               lh_str min_name, lh_str max_name)
{
    uint64_t most = lhi_field_count_max(owner, field);
    if (field->min > 0)
        lh_jw_kv_i64(w, min_name, field->min);
    if (most != UINT64_MAX)
        lh_jw_kv_u64(w, max_name, most);
}

static void write_enum(lh_json_writer *w, const lh_field *field, int nullable)
{
    write_type(w, "string", nullable);
    lh_jw_key(w, LH_S("enum"));
    lh_jw_array_begin(w);
    for (const char *const *name = field->names; *name != NULL; name++)
        lh_jw_str(w, lh_str_from(*name));
    if (nullable)
        lh_jw_null(w);
    lh_jw_array_end(w);
}

static void write_integer(lh_json_writer *w, const lh_field *field, int nullable)
{
    static const char *const formats[] = {
        [LH_F_I64] = "int64", [LH_F_U64] = "uint64", [LH_F_I32] = "int32", [LH_F_U32] = "uint32"};
    write_type(w, "integer", nullable);
    lh_jw_kv_str(w, LH_S("format"), lh_str_from(formats[field->type]));
    write_number_limits(w, field);
}

static void write_map(lh_json_writer *w, const lh_record *owner, const lh_field *field,
                      int nullable)
{
    write_type(w, "object", nullable);
    lh_jw_key(w, LH_S("additionalProperties"));
    lh_jw_object_begin(w);
    lh_jw_kv_str(w, LH_S("type"), field->type == LH_F_MAP_I64 ? LH_S("integer") : LH_S("string"));
    lh_jw_object_end(w);
    write_count_limits(w, owner, field, LH_S("minProperties"), LH_S("maxProperties"));
}

static void write_field_type(lh_json_writer *w, const lh_record *owner, const lh_field *field,
                             int nullable);

static void write_list(lh_json_writer *w, const lh_record *owner, const lh_field *field,
                       int nullable)
{
    const lh_field item = lhi_item_field(field);
    write_type(w, "array", nullable);
    lh_jw_key(w, LH_S("items"));
    lh_jw_object_begin(w);
    write_field_type(w, owner, &item, 0);
    lh_jw_object_end(w);
    write_count_limits(w, owner, field, LH_S("minItems"), LH_S("maxItems"));
}

static void write_field_type(lh_json_writer *w, const lh_record *owner, const lh_field *field,
                             int nullable)
{
    switch (field->type) {
    case LH_F_BOOL: write_type(w, "boolean", nullable); return;
    case LH_F_I64:
    case LH_F_U64:
    case LH_F_I32:
    case LH_F_U32: write_integer(w, field, nullable); return;
    case LH_F_F64:
        write_type(w, "number", nullable);
        lh_jw_kv_str(w, LH_S("format"), LH_S("double"));
        write_number_limits(w, field);
        return;
    case LH_F_STR:
        write_type(w, "string", nullable);
        write_count_limits(w, owner, field, LH_S("minLength"), LH_S("maxLength"));
        return;
    case LH_F_ENUM: write_enum(w, field, nullable); return;
    case LH_F_TIME:
        write_type(w, "string", nullable);
        lh_jw_kv_str(w, LH_S("format"), LH_S("date-time"));
        return;
    case LH_F_JSON: return; /* no type: anything */
    case LH_F_OBJECT: write_ref(w, field->record, nullable); return;
    case LH_F_LIST: write_list(w, owner, field, nullable); return;
    case LH_F_MAP_I64:
    case LH_F_MAP_STR: write_map(w, owner, field, nullable); return;
    }
}

static void write_property(lh_json_writer *w, const lh_record *record, const lh_field *field)
{
    lh_jw_key(w, lh_str_from(field->name));
    lh_jw_object_begin(w);
    write_field_type(w, record, field, lhi_field_takes_null(record, field));
    if (field->def != NULL) {
        lh_jw_key(w, LH_S("default"));
        lh_jw_raw(w, lh_str_from(field->def));
    }
    if (field->doc != NULL)
        lh_jw_kv_str(w, LH_S("description"), lh_str_from(field->doc));
    if (field->flags & LH_FIELD_READ_ONLY)
        lh_jw_kv_bool(w, LH_S("readOnly"), 1);
    if (field->flags & LH_FIELD_SECRET)
        lh_jw_kv_bool(w, LH_S("writeOnly"), 1);
    lh_jw_object_end(w);
}

static void write_required(lh_json_writer *w, const lh_record *record)
{
    int count = 0;
    for (const lh_field *field = record->fields; field->name != NULL; field++)
        count += (field->flags & LH_FIELD_REQUIRED) != 0;
    if (count == 0)
        return; /* an empty list is not allowed in older drafts that tools still read */
    lh_jw_key(w, LH_S("required"));
    lh_jw_array_begin(w);
    for (const lh_field *field = record->fields; field->name != NULL; field++)
        if (field->flags & LH_FIELD_REQUIRED)
            lh_jw_str(w, lh_str_from(field->name));
    lh_jw_array_end(w);
}

void lh_record_write_schema(lh_json_writer *w, const lh_record *record)
{
    lh_jw_object_begin(w);
    lh_jw_kv_str(w, LH_S("type"), LH_S("object"));
    if (record->doc != NULL)
        lh_jw_kv_str(w, LH_S("description"), lh_str_from(record->doc));
    lh_jw_key(w, LH_S("properties"));
    lh_jw_object_begin(w);
    for (const lh_field *field = record->fields; field->name != NULL; field++)
        write_property(w, record, field);
    lh_jw_object_end(w);
    write_required(w, record);
    if (!(record->flags & LH_RECORD_OPEN))
        lh_jw_kv_bool(w, LH_S("additionalProperties"), 0);
    lh_jw_object_end(w);
}
