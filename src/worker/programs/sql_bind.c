/* sql_bind.c - parameters of a statement from JSON: an array for $1, $2 or ?, an object for $name.
 *
 * Every parameter of the statement needs a value and every value a parameter: a name that matches
 * nothing is more often a typing mistake than a wish. Integers stay integers up to 64 bits, larger
 * ones and fractions become doubles. */
#include "worker/programs/sql_private.h"

#include "base/json.h"
#include "base/num.h"

static lh_rc bind_number(lh_ctx *cx, duckdb_prepared_statement statement, idx_t index, lh_str text)
{
    int64_t integer;
    uint64_t positive;
    double real;
    duckdb_state state;
    if (lh_parse_i64(text, &integer))
        state = duckdb_bind_int64(statement, index, integer);
    else if (lh_parse_u64(text, &positive))
        state = duckdb_bind_uint64(statement, index, positive);
    else if (lh_parse_f64(text, &real))
        state = duckdb_bind_double(statement, index, real);
    else
        return lh_fail(cx, LH_E_BAD_VALUE, "the number %.*s is out of range", LH_STR_ARG(text));
    if (state != DuckDBSuccess)
        return lh_duck_fail(cx, LH_E_SQL_INVALID, duckdb_prepare_error(statement));
    return LH_OK;
}

static lh_rc bind_one(lh_ctx *cx, duckdb_prepared_statement statement, idx_t index,
                      const lh_json *value)
{
    duckdb_state state = DuckDBSuccess;
    switch (value->kind) {
    case LH_JSON_NULL: state = duckdb_bind_null(statement, index); break;
    case LH_JSON_TRUE: state = duckdb_bind_boolean(statement, index, true); break;
    case LH_JSON_FALSE: state = duckdb_bind_boolean(statement, index, false); break;
    case LH_JSON_NUMBER: return bind_number(cx, statement, index, value->text);
    case LH_JSON_STRING:
        state = duckdb_bind_varchar_length(statement, index, value->text.ptr, value->text.len);
        break;
    case LH_JSON_ARRAY:
    case LH_JSON_OBJECT:
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE,
                          "a parameter is a number, text, true, false or null, not an %s",
                          lh_json_kind_name(value->kind)));
        return lh_err_hint(cx, "Send it as JSON text and cast: $1::JSON.");
    case LH_JSON_KEY:
    case LH_JSON_ARRAY_END:
    case LH_JSON_OBJECT_END:
    case LH_JSON_END: return lh_fail(cx, LH_E_INTERNAL, "a JSON token where a value belongs");
    }
    if (state != DuckDBSuccess)
        return lh_duck_fail(cx, LH_E_SQL_INVALID, duckdb_prepare_error(statement));
    return LH_OK;
}

static lh_rc bind_array(lh_ctx *cx, duckdb_prepared_statement statement, const lh_json *values)
{
    idx_t wanted = duckdb_nparams(statement);
    if (values->count != wanted)
        return lh_fail(cx, LH_E_SQL_INVALID,
                       "the statement has %llu parameters, %zu values were given",
                       (unsigned long long)wanted, values->count);
    idx_t index = 1;
    for (const lh_json *v = values->first; v != NULL; v = v->next, index++) {
        LH_DUCK_TEXT name = NULL;
        union { /* the engine's own memory, typed const in its header */
            const char *in;
            char *out;
        } given = {.in = duckdb_parameter_name(statement, index)};
        name = given.out;
        uint64_t number;
        if (name == NULL || !lh_parse_u64(lh_str_from(name), &number))
            return lh_fail(cx, LH_E_SQL_INVALID,
                           "the parameters have names: give an object {\"%s\": ...}",
                           name != NULL ? name : "name");
        if (bind_one(cx, statement, index, v) != LH_OK)
            return lh_err_field(cx, "params[%llu]", (unsigned long long)(index - 1));
    }
    return LH_OK;
}

static lh_rc bind_object(lh_ctx *cx, duckdb_prepared_statement statement, const lh_json *values)
{
    idx_t wanted = duckdb_nparams(statement);
    for (const lh_json *v = values->first; v != NULL; v = v->next) {
        const char *name = lh_ctx_cstr(cx, v->key);
        idx_t index = 0;
        if (name == NULL || duckdb_bind_parameter_index(statement, &index, name) != DuckDBSuccess) {
            LH_IGNORE(lh_fail(cx, LH_E_SQL_INVALID, "the statement has no parameter $%.*s",
                              LH_STR_ARG(v->key)));
            return lh_err_field(cx, "params.%.*s", LH_STR_ARG(v->key));
        }
        if (bind_one(cx, statement, index, v) != LH_OK)
            return lh_err_field(cx, "params.%.*s", LH_STR_ARG(v->key));
    }
    if (values->count != wanted)
        return lh_fail(cx, LH_E_SQL_INVALID,
                       "the statement has %llu parameters, %zu values were given",
                       (unsigned long long)wanted, values->count);
    return LH_OK;
}

lh_rc lhi_sql_bind(lh_ctx *cx, duckdb_prepared_statement statement, lh_str params)
{
    params = lh_str_trim(params);
    if (lh_str_empty(params) || lh_str_eq(params, LH_S("null"))) {
        idx_t wanted = duckdb_nparams(statement);
        if (wanted == 0)
            return LH_OK;
        LH_IGNORE(lh_fail(cx, LH_E_SQL_INVALID,
                          "the statement has %llu parameters, no values were given",
                          (unsigned long long)wanted));
        return lh_err_hint(cx, "Give \"params\": [..] for $1 or ?, {..} for $name.");
    }
    const lh_json *root;
    LH_TRY(lh_json_parse(cx, params, 0, &root));
    if (root->kind == LH_JSON_ARRAY)
        return bind_array(cx, statement, root);
    if (root->kind == LH_JSON_OBJECT)
        return bind_object(cx, statement, root);
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "parameters are an array or an object, not a %s",
                      lh_json_kind_name(root->kind)));
    return lh_err_field(cx, "params");
}
