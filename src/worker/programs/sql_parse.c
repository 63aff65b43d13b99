/* sql_parse.c - the engine's own parser gives the tree that the gate walks, so there is no second
 * parser to disagree with.
 *
 * json_serialize_sql never throws: a syntax error comes back as JSON with a byte position. It
 * refuses everything but SELECT, which makes "it serialises" the read-only check; the refusal gets
 * a better message here. */
#include "worker/programs/sql_private.h"

#include "base/json.h"
#include "base/num.h"
#include "worker/programs/sql_lex.h"

static lh_rc read_texts(lh_ctx *cx, duckdb_connection connection, const char *sql,
                        lh_str **ret_texts, size_t *ret_count)
{
    LH_DUCK_RESULT result = {0};
    if (duckdb_query(connection, sql, &result) != DuckDBSuccess)
        return lh_duck_fail(cx, LH_E_UNAVAILABLE, duckdb_result_error(&result));
    lh_str *texts = NULL;
    size_t count = 0;
    size_t capacity = 0;
    for (;;) {
        LH_DUCKDB(duckdb_data_chunk, duckdb_destroy_data_chunk) chunk = duckdb_fetch_chunk(result);
        idx_t rows = chunk != NULL ? duckdb_data_chunk_get_size(chunk) : 0;
        if (rows == 0)
            break;
        duckdb_string_t *strings = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
        for (idx_t i = 0; i < rows; i++) {
            LH_TRY(lh_ctx_grow(cx, (void **)&texts, count, &capacity, sizeof(lh_str)));
            lh_str text =
                lh_str_n(duckdb_string_t_data(&strings[i]), duckdb_string_t_length(strings[i]));
            texts[count] = lh_ctx_dup(cx, text);
            if (texts[count++].ptr == NULL)
                return cx->err.rc;
        }
    }
    *ret_texts = texts;
    *ret_count = count;
    return LH_OK;
}

lh_rc lhi_sql_list_functions(lh_ctx *cx, duckdb_connection connection, lh_sql_functions *ret)
{
    lh_str *names = NULL;
    lh_str *views = NULL;
    size_t names_count = 0;
    size_t views_count = 0;
    LH_TRY(read_texts(cx, connection,
                      "SELECT DISTINCT function_name FROM duckdb_functions() "
                      "WHERE function_type IN ('scalar', 'aggregate', 'macro')",
                      &names, &names_count));
    LH_TRY(read_texts(cx, connection,
                      "SELECT DISTINCT view_name FROM duckdb_views() WHERE internal", &views,
                      &views_count));
    return lh_sql_functions_build(cx, names, names_count, views, views_count, ret);
}

lh_rc lhi_sql_prepare_parser(lh_ctx *cx, lhi_sql *s)
{
    if (duckdb_prepare(s->admin, "SELECT json_serialize_sql($1::VARCHAR)", &s->serialize) !=
        DuckDBSuccess)
        return lh_duck_fail(cx, LH_E_UNAVAILABLE, duckdb_prepare_error(s->serialize));
    return LH_OK;
}

/* ---------------------------------------------------------------- refusals */

static lh_rc fail_not_select(lh_ctx *cx, lh_str sql)
{
    if (lh_sql_has_word(sql, LH_S("pivot"))) {
        LH_IGNORE(lh_fail(cx, LH_E_SQL_DENIED, "a PIVOT without a list of values is not allowed"));
        return lh_err_hint(cx, "Add IN (...): PIVOT t ON column IN ('a', 'b') USING sum(x).");
    }
    LH_IGNORE(lh_fail(cx, LH_E_SQL_DENIED, "only one SELECT (or EXPLAIN of one) can be run here"));
    return lh_err_hint(cx, "Data is changed by ingesting files, settings by the configuration.");
}

/* The engine's own advice is to change a setting, which nobody here can. */
static const char *const too_deep[] = {"Max expression depth", "memory exhausted"};

static lh_rc fail_parser(lh_ctx *cx, lh_str sql, size_t offset, const lh_json *root)
{
    lh_str type = lh_json_get_str(root, LH_S("error_type"));
    lh_str message = lh_json_get_str(root, LH_S("error_message"));
    if (lh_str_starts(message, LH_S("Only SELECT statements")))
        return fail_not_select(cx, sql);
    const char *text = lh_ctx_cstr(cx, message);
    for (size_t i = 0; i < LH_ARRAY_LEN(too_deep); i++)
        if (lh_str_starts(message, lh_str_from(too_deep[i])))
            text = "the statement is nested too deeply";
    lh_rc rc =
        lh_duck_fail(cx, LH_E_SQL_SYNTAX, text != NULL ? text : "the statement does not parse");
    uint64_t position;
    if (lh_parse_u64(lh_json_get_str(root, LH_S("position")), &position)) {
        int line, column;
        lh_json_place(sql, LH_MIN(offset + (size_t)position, sql.len), &line, &column);
        LH_IGNORE(lh_err_place(cx, line, column));
    }
    if (rc == LH_E_SQL_SYNTAX && !lh_str_eq(type, LH_S("parser")))
        LH_IGNORE(lh_err_hint(cx, "DuckDB's dialect is used; see its documentation of SELECT."));
    return rc;
}

/* ---------------------------------------------------------------- tree */

static lh_rc serialize(lh_ctx *cx, lhi_sql *s, lh_str sql, lh_str *ret_tree)
{
    LH_DUCK_RESULT result = {0};
    if (duckdb_bind_varchar_length(s->serialize, 1, sql.ptr, sql.len) != DuckDBSuccess)
        return lh_fail(cx, LH_E_INTERNAL, "the statement cannot be handed to the parser");
    if (duckdb_execute_prepared(s->serialize, &result) != DuckDBSuccess)
        return lh_duck_fail(cx, LH_E_SQL_SYNTAX, duckdb_result_error(&result));
    LH_DUCKDB(duckdb_data_chunk, duckdb_destroy_data_chunk) chunk = duckdb_fetch_chunk(result);
    if (chunk == NULL || duckdb_data_chunk_get_size(chunk) != 1)
        return lh_fail(cx, LH_E_INTERNAL, "the parser gave no tree");
    duckdb_string_t *text = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    size_t bytes = duckdb_string_t_length(*text);
    if (bytes > LH_GATE_TREE_BYTES_MAX)
        return lh_fail(cx, LH_E_SQL_DENIED,
                       "the statement is too complex: %zu bytes of syntax tree, limit %u", bytes,
                       LH_GATE_TREE_BYTES_MAX);
    *ret_tree = lh_ctx_dup(cx, lh_str_n(duckdb_string_t_data(text), bytes));
    return ret_tree->ptr == NULL ? cx->err.rc : LH_OK;
}

lh_rc lhi_sql_tree(lh_ctx *cx, lhi_sql *s, lh_str sql, size_t offset, lh_str *ret_tree)
{
    lh_str tree = LH_STR_NONE;
    LH_TRY(serialize(cx, s, lh_str_from_offset(sql, offset), &tree));
    if (!lh_str_starts(tree, LH_S("{\"error\":false"))) {
        const lh_json *root;
        LH_TRY(lh_json_parse(cx, tree, LH_JSON_DEPTH_MAX, &root));
        return fail_parser(cx, sql, offset, root);
    }
    *ret_tree = tree;
    return LH_OK;
}
