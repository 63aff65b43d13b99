/* api/catalog_types.c - the type of a column that a client writes: known, and in the engine's own
 * spelling.
 *
 * Types out of files come from the engine and are known by birth; those of a client may be
 * anything. A word nobody knows would be stored well and fail every later query, so it is refused
 * here; an alias becomes the name that files carry, because types of one name are compared as texts
 * when rows are appended. */
#include "api/api_private.h"
#include "catalog/coltype.h"

/* To add a type: a row, alias first. KEEP SORTED */
static const char *const words[][2] = {
    {"BIGINT", "BIGINT"},
    {"BIT", "BIT"},
    {"BLOB", "BLOB"},
    {"BOOL", "BOOLEAN"},
    {"BOOLEAN", "BOOLEAN"},
    {"BYTEA", "BLOB"},
    {"CHAR", "VARCHAR"},
    {"DATE", "DATE"},
    {"DATETIME", "TIMESTAMP"},
    {"DOUBLE", "DOUBLE"},
    {"FLOAT", "FLOAT"},
    {"FLOAT4", "FLOAT"},
    {"FLOAT8", "DOUBLE"},
    {"HUGEINT", "HUGEINT"},
    {"INT", "INTEGER"},
    {"INT1", "TINYINT"},
    {"INT2", "SMALLINT"},
    {"INT4", "INTEGER"},
    {"INT8", "BIGINT"},
    {"INTEGER", "INTEGER"},
    {"INTERVAL", "INTERVAL"},
    {"LONG", "BIGINT"},
    {"REAL", "FLOAT"},
    {"SHORT", "SMALLINT"},
    {"SMALLINT", "SMALLINT"},
    {"STRING", "VARCHAR"},
    {"TEXT", "VARCHAR"},
    {"TIME", "TIME"},
    {"TIME WITH TIME ZONE", "TIME WITH TIME ZONE"},
    {"TIMESTAMP", "TIMESTAMP"},
    {"TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"},
    {"TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"},
    {"TIMESTAMP_MS", "TIMESTAMP_MS"},
    {"TIMESTAMP_NS", "TIMESTAMP_NS"},
    {"TIMESTAMP_S", "TIMESTAMP_S"},
    {"TIMETZ", "TIME WITH TIME ZONE"},
    {"TINYINT", "TINYINT"},
    {"UBIGINT", "UBIGINT"},
    {"UHUGEINT", "UHUGEINT"},
    {"UINTEGER", "UINTEGER"},
    {"USMALLINT", "USMALLINT"},
    {"UTINYINT", "UTINYINT"},
    {"UUID", "UUID"},
    {"VARCHAR", "VARCHAR"},
};

static lh_rc refuse_word(lh_ctx *cx, lh_str word)
{
    const char *near = NULL;
    uint32_t best = 4;
    for (size_t i = 0; i < LH_ARRAY_LEN(words); i++) {
        uint32_t distance = lh_str_distance(word, lh_str_from(words[i][0]), best);
        if (distance < best) {
            best = distance;
            near = words[i][1];
        }
    }
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "there is no type '%.*s'",
                      LH_STR_ARG(lh_str_sub(word, 0, LH_MIN(word.len, (size_t)80)))));
    if (near)
        return lh_err_hint(cx, "Did you mean %s?", near);
    return lh_err_hint(cx, "types are those of SQL: BIGINT, DOUBLE, VARCHAR, DATE, TIMESTAMP, ...");
}

/* Depth is bounded by the parser of types. */
static lh_rc know(lh_ctx *cx, lh_coltype *type)
{
    if (type->kind == LH_COLTYPE_WORD) {
        for (size_t i = 0; i < LH_ARRAY_LEN(words); i++) {
            if (lh_str_eq_nocase(type->word, lh_str_from(words[i][0]))) {
                type->word = lh_str_from(words[i][1]);
                return LH_OK;
            }
        }
        return refuse_word(cx, type->word);
    }
    for (size_t i = 0; type->kind != LH_COLTYPE_ENUM && i < type->count; i++)
        LH_TRY(know(cx, type->parts[i]));
    return LH_OK;
}

lh_rc lhi_column_type(lh_ctx *cx, lh_str text, size_t column, lh_str *ret_type)
{
    lh_coltype *type;
    lh_rc rc = lh_coltype_parse(cx, text, &type);
    if (rc == LH_OK)
        rc = know(cx, type);
    if (rc == LH_OK)
        rc = lh_coltype_text(cx, type, ret_type);
    if (rc == LH_E_BAD_VALUE)
        return lh_err_field(cx, "columns[%zu].type", column);
    return rc;
}
