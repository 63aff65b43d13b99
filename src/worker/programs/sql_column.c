/* sql_column.c - reads a result's logical types into columns, and follows the vectors of each
 * chunk.
 *
 * Types that have no stable meaning outside the engine (VARIANT, GEOMETRY, aggregate states) are
 * refused by name with the cast that helps, instead of being written as bytes nobody can read. */
#include "worker/programs/sql_column.h"

#include "base/buf.h"

typedef struct type_row {
    duckdb_type type;
    lh_column_shape shape;
    const char *name;
} type_row;

static const type_row rows[] = {
    {DUCKDB_TYPE_BOOLEAN, LH_SHAPE_BOOL, "BOOLEAN"},
    {DUCKDB_TYPE_TINYINT, LH_SHAPE_NUMBER, "TINYINT"},
    {DUCKDB_TYPE_SMALLINT, LH_SHAPE_NUMBER, "SMALLINT"},
    {DUCKDB_TYPE_INTEGER, LH_SHAPE_NUMBER, "INTEGER"},
    {DUCKDB_TYPE_BIGINT, LH_SHAPE_NUMBER, "BIGINT"},
    {DUCKDB_TYPE_UTINYINT, LH_SHAPE_NUMBER, "UTINYINT"},
    {DUCKDB_TYPE_USMALLINT, LH_SHAPE_NUMBER, "USMALLINT"},
    {DUCKDB_TYPE_UINTEGER, LH_SHAPE_NUMBER, "UINTEGER"},
    {DUCKDB_TYPE_UBIGINT, LH_SHAPE_NUMBER, "UBIGINT"},
    {DUCKDB_TYPE_FLOAT, LH_SHAPE_NUMBER, "FLOAT"},
    {DUCKDB_TYPE_DOUBLE, LH_SHAPE_NUMBER, "DOUBLE"},
    {DUCKDB_TYPE_HUGEINT, LH_SHAPE_NUMBER, "HUGEINT"},
    {DUCKDB_TYPE_UHUGEINT, LH_SHAPE_NUMBER, "UHUGEINT"},
    {DUCKDB_TYPE_DECIMAL, LH_SHAPE_NUMBER, "DECIMAL"},
    {DUCKDB_TYPE_DATE, LH_SHAPE_QUOTED, "DATE"},
    {DUCKDB_TYPE_TIME, LH_SHAPE_QUOTED, "TIME"},
    {DUCKDB_TYPE_TIME_NS, LH_SHAPE_QUOTED, "TIME_NS"},
    {DUCKDB_TYPE_TIME_TZ, LH_SHAPE_QUOTED, "TIME WITH TIME ZONE"},
    {DUCKDB_TYPE_TIMESTAMP, LH_SHAPE_QUOTED, "TIMESTAMP"},
    {DUCKDB_TYPE_TIMESTAMP_S, LH_SHAPE_QUOTED, "TIMESTAMP_S"},
    {DUCKDB_TYPE_TIMESTAMP_MS, LH_SHAPE_QUOTED, "TIMESTAMP_MS"},
    {DUCKDB_TYPE_TIMESTAMP_NS, LH_SHAPE_QUOTED, "TIMESTAMP_NS"},
    {DUCKDB_TYPE_TIMESTAMP_TZ, LH_SHAPE_QUOTED, "TIMESTAMP WITH TIME ZONE"},
    {DUCKDB_TYPE_INTERVAL, LH_SHAPE_QUOTED, "INTERVAL"},
    {DUCKDB_TYPE_UUID, LH_SHAPE_QUOTED, "UUID"},
    {DUCKDB_TYPE_VARCHAR, LH_SHAPE_STRING, "VARCHAR"},
    {DUCKDB_TYPE_BLOB, LH_SHAPE_BLOB, "BLOB"},
    {DUCKDB_TYPE_BIT, LH_SHAPE_BIT, "BIT"},
    {DUCKDB_TYPE_ENUM, LH_SHAPE_ENUM, "ENUM"},
    {DUCKDB_TYPE_LIST, LH_SHAPE_LIST, "LIST"},
    {DUCKDB_TYPE_ARRAY, LH_SHAPE_LIST, "ARRAY"},
    {DUCKDB_TYPE_STRUCT, LH_SHAPE_STRUCT, "STRUCT"},
    {DUCKDB_TYPE_MAP, LH_SHAPE_MAP, "MAP"},
    {DUCKDB_TYPE_UNION, LH_SHAPE_UNION, "UNION"},
    {DUCKDB_TYPE_SQLNULL, LH_SHAPE_NULL, "NULL"},
};

static const type_row *find_type(duckdb_type type)
{
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++)
        if (rows[i].type == type)
            return &rows[i];
    return NULL;
}

static lh_rc fill(lh_ctx *cx, lh_column *column, duckdb_logical_type type, uint32_t depth);

static lh_rc copy_text(lh_ctx *cx, const char *text, lh_str *ret_copy)
{
    *ret_copy = lh_ctx_dup(cx, lh_str_from(text));
    return ret_copy->ptr == NULL ? cx->err.rc : LH_OK;
}

/* ---------------------------------------------------------------- nested types */

static lh_rc new_children(lh_ctx *cx, lh_column *column, size_t count)
{
    column->children_count = count;
    column->children = LH_NEW_ARRAY(cx, lh_column, LH_MAX(count, (size_t)1));
    return column->children == NULL ? cx->err.rc : LH_OK;
}

static lh_rc fill_one(lh_ctx *cx, lh_column *column, duckdb_logical_type child, uint32_t depth)
{
    LH_TRY(new_children(cx, column, 1));
    column->children[0].name = LH_S("item");
    LH_TRY(fill(cx, &column->children[0], child, depth));
    column->type_name =
        column->type == DUCKDB_TYPE_ARRAY
            ? lh_ctx_fmt(cx, "%.*s[%llu]", LH_STR_ARG(column->children[0].type_name),
                         (unsigned long long)column->array_size)
            : lh_ctx_fmt(cx, "%.*s[]", LH_STR_ARG(column->children[0].type_name));
    return column->type_name.ptr == NULL ? cx->err.rc : LH_OK;
}

static lh_rc fill_map(lh_ctx *cx, lh_column *column, duckdb_logical_type type, uint32_t depth)
{
    LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
    key = duckdb_map_type_key_type(type);
    LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
    value = duckdb_map_type_value_type(type);
    LH_TRY(new_children(cx, column, 2));
    column->children[0].name = LH_S("key");
    column->children[1].name = LH_S("value");
    LH_TRY(fill(cx, &column->children[0], key, depth));
    LH_TRY(fill(cx, &column->children[1], value, depth));
    column->type_name = lh_ctx_fmt(cx, "MAP(%.*s, %.*s)", LH_STR_ARG(column->children[0].type_name),
                                   LH_STR_ARG(column->children[1].type_name));
    return column->type_name.ptr == NULL ? cx->err.rc : LH_OK;
}

static int plain(lh_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9')))
            return 0;
    }
    return name.len > 0;
}

/* STRUCT(a INTEGER, "b c" VARCHAR), UNION(...) */
static lh_rc name_fields(lh_ctx *cx, lh_column *column, const char *word)
{
    LH_CLEANUP(lh_buf_done) lh_buf text = {0};
    lh_buf_init(&text, 1024 * 1024);
    LH_TRY(lh_buf_printf(cx, &text, "%s(", word));
    for (size_t i = 0; i < column->children_count; i++) {
        const lh_column *child = &column->children[i];
        const char *quote = plain(child->name) ? "" : "\"";
        LH_TRY(lh_buf_printf(cx, &text, "%s%s%.*s%s %.*s", i > 0 ? ", " : "", quote,
                             LH_STR_ARG(child->name), quote, LH_STR_ARG(child->type_name)));
    }
    LH_TRY(lh_buf_append_char(cx, &text, ')'));
    column->type_name = lh_ctx_dup(cx, lh_buf_str(&text));
    return column->type_name.ptr == NULL ? cx->err.rc : LH_OK;
}

static lh_rc fill_fields(lh_ctx *cx, lh_column *column, duckdb_logical_type type, uint32_t depth)
{
    int is_union = column->type == DUCKDB_TYPE_UNION;
    idx_t count =
        is_union ? duckdb_union_type_member_count(type) : duckdb_struct_type_child_count(type);
    LH_TRY(new_children(cx, column, count));
    for (idx_t i = 0; i < count; i++) {
        LH_DUCK_TEXT name = is_union ? duckdb_union_type_member_name(type, i)
                                     : duckdb_struct_type_child_name(type, i);
        LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
        child = is_union ? duckdb_union_type_member_type(type, i)
                         : duckdb_struct_type_child_type(type, i);
        LH_TRY(copy_text(cx, name, &column->children[i].name));
        LH_TRY(fill(cx, &column->children[i], child, depth));
    }
    return name_fields(cx, column, is_union ? "UNION" : "STRUCT");
}

#define ENUM_LABELS_SHOWN 64 /* in the type's name; a longer list is only called ENUM */

/* ENUM('a', 'it''s') */
static lh_rc name_enum(lh_ctx *cx, lh_column *column)
{
    if (column->labels_count > ENUM_LABELS_SHOWN)
        return LH_OK;
    LH_CLEANUP(lh_buf_done) lh_buf text = {0};
    lh_buf_init(&text, 1024 * 1024);
    LH_TRY(lh_buf_append(cx, &text, LH_S("ENUM(")));
    for (size_t i = 0; i < column->labels_count; i++) {
        LH_TRY(lh_buf_append(cx, &text, i > 0 ? LH_S(", '") : LH_S("'")));
        for (size_t j = 0; j < column->labels[i].len; j++) {
            if (column->labels[i].ptr[j] == '\'')
                LH_TRY(lh_buf_append_char(cx, &text, '\''));
            LH_TRY(lh_buf_append_char(cx, &text, column->labels[i].ptr[j]));
        }
        LH_TRY(lh_buf_append_char(cx, &text, '\''));
    }
    LH_TRY(lh_buf_append_char(cx, &text, ')'));
    column->type_name = lh_ctx_dup(cx, lh_buf_str(&text));
    return column->type_name.ptr == NULL ? cx->err.rc : LH_OK;
}

static lh_rc fill_enum(lh_ctx *cx, lh_column *column, duckdb_logical_type type)
{
    column->storage = duckdb_enum_internal_type(type);
    column->labels_count = duckdb_enum_dictionary_size(type);
    column->labels = LH_NEW_ARRAY(cx, lh_str, column->labels_count + 1);
    if (column->labels == NULL)
        return cx->err.rc;
    for (size_t i = 0; i < column->labels_count; i++) {
        LH_DUCK_TEXT label = duckdb_enum_dictionary_value(type, i);
        LH_TRY(copy_text(cx, label, &column->labels[i]));
    }
    return name_enum(cx, column);
}

/* ---------------------------------------------------------------- one type */

static lh_rc fail_type(lh_ctx *cx, const lh_column *column)
{
    LH_IGNORE(lh_fail(cx, LH_E_SQL_INVALID, "column \"%.*s\" has a type that cannot be sent",
                      LH_STR_ARG(column->name)));
    LH_IGNORE(lh_err_field(cx, "%.*s", LH_STR_ARG(column->name)));
    return lh_err_hint(cx, "Cast it: column::VARCHAR.");
}

static lh_rc fill(lh_ctx *cx, lh_column *column, duckdb_logical_type type, uint32_t depth)
{
    column->type = duckdb_get_type_id(type);
    const type_row *row = find_type(column->type);
    if (row == NULL || depth >= LH_COLUMN_DEPTH_MAX)
        return fail_type(cx, column);
    column->shape = row->shape;
    LH_DUCK_TEXT alias = duckdb_logical_type_get_alias(type);
    LH_TRY(
        copy_text(cx, alias != NULL && alias[0] != '\0' ? alias : row->name, &column->type_name));
    switch (column->type) {
    case DUCKDB_TYPE_DECIMAL:
        column->width = duckdb_decimal_width(type);
        column->scale = duckdb_decimal_scale(type);
        column->storage = duckdb_decimal_internal_type(type);
        column->type_name = lh_ctx_fmt(cx, "DECIMAL(%u,%u)", column->width, column->scale);
        break;
    case DUCKDB_TYPE_ENUM: LH_TRY(fill_enum(cx, column, type)); break;
    case DUCKDB_TYPE_LIST: {
        LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
        child = duckdb_list_type_child_type(type);
        LH_TRY(fill_one(cx, column, child, depth + 1));
        break;
    }
    case DUCKDB_TYPE_ARRAY: {
        LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
        child = duckdb_array_type_child_type(type);
        column->array_size = duckdb_array_type_array_size(type);
        LH_TRY(fill_one(cx, column, child, depth + 1));
        break;
    }
    case DUCKDB_TYPE_MAP: LH_TRY(fill_map(cx, column, type, depth + 1)); break;
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_UNION: LH_TRY(fill_fields(cx, column, type, depth + 1)); break;
    default: break;
    }
    column->text = lh_column_text_of(column->type, column->storage);
    return column->type_name.ptr == NULL ? cx->err.rc : LH_OK;
}

lh_rc lh_columns_of_result(lh_ctx *cx, duckdb_result *result, lh_column **ret_columns,
                           size_t *ret_count)
{
    size_t count = duckdb_column_count(result);
    lh_column *columns = LH_NEW_ARRAY(cx, lh_column, count + 1);
    if (columns == NULL)
        return cx->err.rc;
    for (size_t i = 0; i < count; i++) {
        LH_TRY(copy_text(cx, duckdb_column_name(result, i), &columns[i].name));
        LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
        type = duckdb_column_logical_type(result, i);
        LH_TRY(fill(cx, &columns[i], type, 0));
    }
    *ret_columns = columns;
    *ret_count = count;
    return LH_OK;
}

/* ---------------------------------------------------------------- binding */

static void bind(lh_column *column, duckdb_vector vector)
{
    column->data = duckdb_vector_get_data(vector);
    column->validity = duckdb_vector_get_validity(vector);
    switch (column->type) {
    case DUCKDB_TYPE_LIST: bind(&column->children[0], duckdb_list_vector_get_child(vector)); break;
    case DUCKDB_TYPE_ARRAY:
        bind(&column->children[0], duckdb_array_vector_get_child(vector));
        break;
    case DUCKDB_TYPE_MAP: {
        duckdb_vector entries = duckdb_list_vector_get_child(vector);
        bind(&column->children[0], duckdb_struct_vector_get_child(entries, 0));
        bind(&column->children[1], duckdb_struct_vector_get_child(entries, 1));
        break;
    }
    case DUCKDB_TYPE_STRUCT:
        for (size_t i = 0; i < column->children_count; i++)
            bind(&column->children[i], duckdb_struct_vector_get_child(vector, i));
        break;
    case DUCKDB_TYPE_UNION: /* a struct whose first field is the tag */
        column->tags = duckdb_vector_get_data(duckdb_struct_vector_get_child(vector, 0));
        for (size_t i = 0; i < column->children_count; i++)
            bind(&column->children[i], duckdb_struct_vector_get_child(vector, i + 1));
        break;
    default: break;
    }
}

void lh_columns_bind(lh_column *columns, size_t count, duckdb_data_chunk chunk)
{
    for (size_t i = 0; i < count; i++)
        bind(&columns[i], duckdb_data_chunk_get_vector(chunk, i));
}
