/* sql_functions.c - the tables: refused functions with their reasons, table functions that are
 * allowed, amplifiers.
 *
 * To refuse a function: 1. a row in `denied` (KEEP SORTED); 2. a case in tests/golden/sql_gate/. To
 * cap one: a row in `amplifiers`. Caps hold for constants; what is computed from data is held by
 * the worker's memory limit. */
#include "worker/programs/sql_functions.h"

#include <stdlib.h>

typedef struct denied_row {
    const char *name; /* a trailing * refuses every name with that beginning */
    const char *reason;
} denied_row;

#define PRIVILEGE "there are no engine privileges here"
#define ENGINE    "it shows the engine, not data"
#define STATE     "it changes or reads state of the engine"
#define INTERNAL  "it is internal to the engine"
#define SQL_TEXT  "it turns text into statements"

/* KEEP SORTED */
static const denied_row denied[] = {
    {"__*", INTERNAL},
    {"col_description", ENGINE},
    {"combine", INTERNAL},
    {"create_sort_key", INTERNAL},
    {"current_connection_id", ENGINE},
    {"current_query", "it shows statement text"},
    {"current_query_id", ENGINE},
    {"current_schemas", ENGINE},
    {"current_setting", "it reads settings of the engine"},
    {"current_transaction_id", ENGINE},
    {"currval", STATE},
    {"error", "it puts values into error messages"},
    {"finalize", INTERNAL},
    {"format_type", ENGINE},
    {"get_block_size", ENGINE},
    {"getenv", "it reads the environment"},
    {"getvariable", STATE},
    {"has_*", PRIVILEGE},
    {"in_search_path", ENGINE},
    {"inet_*", ENGINE},
    {"json_deserialize_sql", SQL_TEXT},
    {"json_execute_serialized_sql", SQL_TEXT},
    {"json_serialize_plan", SQL_TEXT},
    {"json_serialize_sql", SQL_TEXT},
    {"nextval", STATE},
    {"obj_description", ENGINE},
    {"parse_duckdb_log_message", ENGINE},
    {"pg_get_*", "it shows definitions"},
    {"pg_sleep", "it only waits"},
    {"query", SQL_TEXT},
    {"query_table", SQL_TEXT},
    {"setseed", STATE},
    {"shobj_description", ENGINE},
    {"sleep_ms", "it only waits"},
    {"sql_auto_complete", SQL_TEXT},
    {"stats", "it shows statistics of rows a filter hides"},
    {"txid_current", ENGINE},
    {"variant_to_parquet_variant", INTERNAL},
    {"vector_type", INTERNAL},
    {"write_log", STATE},
};

static const char *const table_functions[] = {"generate_series", "json_each", "json_tree", "range",
                                              "unnest"};

/* Not listed by duckdb_functions() as scalars, yet legal where an expression stands. */
static const char *const also_allowed[] = {"unnest"};

#define TEXT_UNITS_MAX 1000000.0  /* characters or items one constant may ask for */
#define SPAN_MAX       10000000.0 /* items of a list made by range() */
#define WIDTH_MAX      10000.0

static const lh_sql_amplifier amplifiers[] = {
    {"array_resize", LH_GROWTH_ARGUMENT, 1, TEXT_UNITS_MAX},
    {"bar", LH_GROWTH_ARGUMENT, 3, WIDTH_MAX},
    {"equi_width_bins", LH_GROWTH_ARGUMENT, 2, TEXT_UNITS_MAX},
    {"format", LH_GROWTH_FORMAT, 0, WIDTH_MAX},
    {"generate_series", LH_GROWTH_SPAN, 0, SPAN_MAX},
    {"list_resize", LH_GROWTH_ARGUMENT, 1, TEXT_UNITS_MAX},
    {"lpad", LH_GROWTH_ARGUMENT, 1, TEXT_UNITS_MAX},
    {"printf", LH_GROWTH_FORMAT, 0, WIDTH_MAX},
    {"range", LH_GROWTH_SPAN, 0, SPAN_MAX},
    {"repeat", LH_GROWTH_ARGUMENT, 1, TEXT_UNITS_MAX},
    {"rpad", LH_GROWTH_ARGUMENT, 1, TEXT_UNITS_MAX},
    {"to_base", LH_GROWTH_ARGUMENT, 2, WIDTH_MAX},
};

const char *lh_sql_function_denied(lh_str name)
{
    for (size_t i = 0; i < LH_ARRAY_LEN(denied); i++) {
        lh_str row = lh_str_from(denied[i].name);
        int matches = lh_str_ends(row, LH_S("*"))
                          ? lh_str_starts_nocase(name, lh_str_sub(row, 0, row.len - 1))
                          : lh_str_eq_nocase(name, row);
        if (matches)
            return denied[i].reason;
    }
    return NULL;
}

int lh_sql_table_function_allowed(lh_str name)
{
    for (size_t i = 0; i < LH_ARRAY_LEN(table_functions); i++)
        if (lh_str_eq_nocase(name, lh_str_from(table_functions[i])))
            return 1;
    return 0;
}

const lh_sql_amplifier *lh_sql_amplifier_find(lh_str name)
{
    for (size_t i = 0; i < LH_ARRAY_LEN(amplifiers); i++)
        if (lh_str_eq_nocase(name, lh_str_from(amplifiers[i].name)))
            return &amplifiers[i];
    return NULL;
}

/* ---------------------------------------------------------------- set */

static int compare(const void *a, const void *b)
{
    return lh_str_cmp(*(const lh_str *)a, *(const lh_str *)b);
}

static int by_lower_case(const void *key, const void *row)
{
    const lh_str *a = key;
    const lh_str *b = row;
    size_t common = LH_MIN(a->len, b->len);
    for (size_t i = 0; i < common; i++) {
        unsigned char c = (unsigned char)a->ptr[i];
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c + ('a' - 'A'));
        if (c != (unsigned char)b->ptr[i])
            return c < (unsigned char)b->ptr[i] ? -1 : 1;
    }
    return a->len == b->len ? 0 : (a->len < b->len ? -1 : 1);
}

static lh_rc copy_lower(lh_ctx *cx, lh_str name, lh_str *ret_copy)
{
    char *text = lh_ctx_alloc(cx, name.len + 1, 1);
    if (text == NULL)
        return cx->err.rc;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        text[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    *ret_copy = (lh_str){text, name.len};
    return LH_OK;
}

lh_rc lh_sql_functions_build(lh_ctx *cx, const lh_str *names, size_t count, const lh_str *views,
                             size_t views_count, lh_sql_functions *ret_functions)
{
    lh_sql_functions set = {.internal_views_count = views_count};
    set.names = LH_NEW_ARRAY(cx, lh_str, count + LH_ARRAY_LEN(also_allowed) + 1);
    set.internal_views = LH_NEW_ARRAY(cx, lh_str, views_count + 1);
    if (set.names == NULL || set.internal_views == NULL)
        return cx->err.rc;
    for (size_t i = 0; i < count; i++)
        if (lh_sql_function_denied(names[i]) == NULL)
            LH_TRY(copy_lower(cx, names[i], &set.names[set.count++]));
    for (size_t i = 0; i < LH_ARRAY_LEN(also_allowed); i++)
        set.names[set.count++] = lh_str_from(also_allowed[i]);
    for (size_t i = 0; i < views_count; i++)
        LH_TRY(copy_lower(cx, views[i], &set.internal_views[i]));
    qsort(set.names, set.count, sizeof(lh_str), compare);
    qsort(set.internal_views, views_count, sizeof(lh_str), compare);
    *ret_functions = set;
    return LH_OK;
}

int lh_sql_function_known(const lh_sql_functions *functions, lh_str name)
{
    return bsearch(&name, functions->names, functions->count, sizeof(lh_str), by_lower_case) !=
           NULL;
}

/* Two mistakes from four letters on; of equal ones that with the same beginning. */
static lh_str find_near(const lh_sql_functions *functions, lh_str name)
{
    lh_str best = LH_STR_NONE;
    uint32_t best_score = UINT32_MAX;
    for (size_t i = 0; i < functions->count; i++) {
        lh_str known = functions->names[i];
        size_t len = LH_MIN(known.len, name.len);
        uint32_t max = len < 3 ? 0 : len == 3 ? 1 : 2;
        uint32_t distance = lh_str_distance(name, known, max);
        if (distance > max || known.ptr[0] == '_')
            continue;
        uint32_t score =
            2 * distance + !lh_str_eq_nocase(lh_str_sub(name, 0, 1), lh_str_sub(known, 0, 1));
        if (score >= best_score)
            continue;
        best = known;
        best_score = score;
    }
    return best;
}

lh_rc lh_sql_function_hint(lh_ctx *cx, const lh_sql_functions *functions, lh_str name)
{
    lh_str near = find_near(functions, name);
    if (near.len == 0)
        return lh_err_hint(cx, "Check the spelling; functions are DuckDB's.");
    return lh_err_hint(cx, "Did you mean \"%.*s\"? Functions are DuckDB's.", LH_STR_ARG(near));
}

int lh_sql_internal_view(const lh_sql_functions *functions, lh_str name)
{
    return bsearch(&name, functions->internal_views, functions->internal_views_count,
                   sizeof(lh_str), by_lower_case) != NULL;
}
