/* sql_gate.c - the walk.
 *
 * Every JSON object with a "class" is an expression, every one with a "type" text is a node of
 * another sort; both must be in the tables below. Everything is descended into, so a subquery in a
 * window frame or a PIVOT list is seen as any other. Scoping follows the engine: a CTE is visible
 * to its later siblings and to the node that defines it, and the anchor of a recursive one does not
 * see itself (a walker that pushes the name too early lets the anchor read the real table of that
 * name). When in doubt a name counts as a table, which only means that it has to be granted. */
#include "worker/programs/sql_gate.h"

#include "base/json.h"
#include "base/num.h"
#include "worker/programs/sql_lex.h"

#include <stdio.h>

#define AMPLIFIED_UNITS_MAX                                                                        \
    1e7 /* product of nested amplifiers: repeat(repeat('x', 1000), 1000) ... */

typedef struct scope {
    lh_str name;
    const struct scope *outer;
} scope;

typedef struct gate {
    lh_ctx *cx;
    const lh_gate_input *in;
    lh_gate_tables tables;
    size_t tables_capacity;
    uint32_t nodes;
    double amplified; /* product of the amplifiers around this place */
} gate;

typedef lh_rc (*node_check)(gate *g, const lh_json *node, const scope *visible);

static lh_rc walk(gate *g, const lh_json *value, const scope *visible);
static lh_rc walk_children(gate *g, const lh_json *value, const scope *visible);

/* ---------------------------------------------------------------- saying no */

/* Byte offset of a node in the whole text. */
static size_t offset_of(const gate *g, const lh_json *node)
{
    const lh_json *at = lh_json_get(node, LH_S("query_location"));
    uint64_t offset;
    if (at == NULL || at->kind != LH_JSON_NUMBER || !lh_parse_u64(at->text, &offset) ||
        offset > g->in->sql.len - LH_MIN(g->in->sql_offset, g->in->sql.len))
        return LH_STR_NPOS;
    return g->in->sql_offset + (size_t)offset;
}

static void place(gate *g, const lh_json *node)
{
    size_t offset = offset_of(g, node);
    if (offset == LH_STR_NPOS)
        return;
    int line, column;
    lh_json_place(g->in->sql, offset, &line, &column);
    LH_IGNORE(lh_err_place(g->cx, line, column));
}

LH_PRINTF(3, 4)
static lh_rc deny(gate *g, const lh_json *node, const char *format, ...)
{
    char what[384];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    size_t bytes = lh_utf8_cut(lh_str_n(what, LH_MIN((size_t)LH_MAX(length, 0), sizeof(what) - 1)),
                               sizeof(what) - 1);
    LH_IGNORE(lh_fail(g->cx, LH_E_SQL_DENIED, "%.*s", (int)bytes, what));
    place(g, node);
    return LH_E_SQL_DENIED;
}

#define HINT_TABLES "Name a dataset as a table: SELECT * FROM my_dataset."

/* ---------------------------------------------------------------- names */

static int plain_name(lh_str name)
{
    if (name.len == 0 || name.len > 128)
        return 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        int letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                     (unsigned char)c >= 0x80;
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return 0;
    }
    return 1;
}

static int in_scope(const scope *visible, lh_str name)
{
    for (; visible != NULL; visible = visible->outer)
        if (lh_str_eq_nocase(visible->name, name))
            return 1;
    return 0;
}

static lh_rc note_table(gate *g, const lh_json *node, lh_str name)
{
    for (size_t i = 0; i < g->tables.count; i++)
        if (lh_str_eq_nocase(g->tables.names[i], name))
            return LH_OK;
    if (g->tables.count >= LH_GATE_TABLES_MAX)
        return lh_fail(g->cx, LH_E_SQL_DENIED, "a statement over more than %u tables",
                       LH_GATE_TABLES_MAX);
    size_t capacity = g->tables_capacity;
    LH_TRY(
        lh_ctx_grow(g->cx, (void **)&g->tables.names, g->tables.count, &capacity, sizeof(lh_str)));
    capacity = g->tables_capacity;
    LH_TRY(lh_ctx_grow(g->cx, (void **)&g->tables.offsets, g->tables.count, &capacity,
                       sizeof(size_t)));
    g->tables_capacity = capacity;
    g->tables.offsets[g->tables.count] = offset_of(g, node);
    g->tables.names[g->tables.count++] = name;
    return LH_OK;
}

/* ---------------------------------------------------------------- tables */

static lh_rc check_base_table(gate *g, const lh_json *node, const scope *visible)
{
    lh_str name = lh_json_get_str(node, LH_S("table_name"));
    lh_str schema = lh_json_get_str(node, LH_S("schema_name"));
    lh_str catalog = lh_json_get_str(node, LH_S("catalog_name"));
    int recurring = lh_str_eq_nocase(schema, LH_S("recurring")); /* USING KEY: all rows so far */
    if (lh_str_empty(catalog) && (lh_str_empty(schema) || recurring) && in_scope(visible, name))
        return LH_OK;
    const lh_json *at = lh_json_get(node, LH_S("at_clause"));
    if (at != NULL && at->kind != LH_JSON_NULL) {
        LH_IGNORE(deny(g, node, "AT (VERSION or TIMESTAMP) is not allowed in the statement"));
        return lh_err_hint(g->cx, "Give \"snapshot\" or \"as_of\" with the request instead.");
    }
    if (!lh_str_empty(catalog) ||
        (!lh_str_empty(schema) && !lh_str_eq_nocase(schema, LH_S(LH_SQL_VIEWS_SCHEMA)))) {
        LH_IGNORE(deny(
            g, node, "table %.*s.%.*s is not allowed: datasets have no schema or catalog in front",
            LH_STR_ARG(lh_str_empty(schema) ? catalog : schema), LH_STR_ARG(name)));
        return lh_err_hint(g->cx, HINT_TABLES);
    }
    for (size_t i = 0; i < name.len; i++)
        if (strchr("/\\:*?[", name.ptr[i]) != NULL) {
            LH_IGNORE(deny(g, node, "files cannot be read by name in a statement: %.*s",
                           LH_STR_ARG(name)));
            return lh_err_hint(g->cx,
                               "Ingest the file first (POST /ingest/file), then name the dataset.");
        }
    if (lh_str_empty(name))
        return deny(g, node, "a table without a name");
    return note_table(g, node, name);
}

static lh_rc check_table_function(gate *g, const lh_json *node, const scope *visible)
{
    (void)visible;
    const lh_json *function = lh_json_get(node, LH_S("function"));
    lh_str class = lh_json_get_str(function, LH_S("class"));
    lh_str name = lh_json_get_str(function, LH_S("function_name"));
    if (!lh_str_eq(class, LH_S("FUNCTION")))
        return deny(g, node, "a table function of an unknown form");
    if (!lh_sql_table_function_allowed(name)) {
        LH_IGNORE(deny(g, function, "table function %.*s is not allowed", LH_STR_ARG(name)));
        return lh_err_hint(
            g->cx, "Tables come from datasets; allowed: range, generate_series, unnest, json_each, "
                   "json_tree.");
    }
    return LH_OK;
}

static lh_rc check_show(gate *g, const lh_json *node, const scope *visible)
{
    (void)visible;
    lh_str type = lh_json_get_str(node, LH_S("show_type"));
    const lh_json *query = lh_json_get(node, LH_S("query"));
    int described = lh_str_eq(type, LH_S("DESCRIBE")) || lh_str_eq(type, LH_S("SUMMARY"));
    if (described && query != NULL && query->kind == LH_JSON_OBJECT)
        return LH_OK;
    LH_IGNORE(deny(g, node, "SHOW is not allowed"));
    return lh_err_hint(
        g->cx, "GET /catalog/datasets lists the datasets; DESCRIBE name shows the columns of one.");
}

/* ---------------------------------------------------------------- functions */

/* The number a constant stands for; 0 = it is not a constant, 2 = a constant that is no number one
 * can judge. */
static int constant_number(const lh_json *expression, double *ret)
{
    lh_str class = lh_json_get_str(expression, LH_S("class"));
    if (lh_str_eq(class, LH_S("CAST")))
        return constant_number(lh_json_get(expression, LH_S("child")), ret);
    if (lh_str_eq(class, LH_S("FUNCTION")) &&
        lh_str_eq(lh_json_get_str(expression, LH_S("function_name")), LH_S("-"))) {
        const lh_json *children = lh_json_get(expression, LH_S("children"));
        if (children != NULL && children->count == 1) {
            int known = constant_number(children->first, ret);
            *ret = -*ret;
            return known;
        }
        return 0;
    }
    if (!lh_str_eq(class, LH_S("CONSTANT")))
        return 0;
    const lh_json *value = lh_json_get(expression, LH_S("value"));
    if (lh_json_is_true(lh_json_get(value, LH_S("is_null")))) {
        *ret = 0;
        return 1;
    }
    const lh_json *inner = lh_json_get(value, LH_S("value"));
    if (inner == NULL || (inner->kind != LH_JSON_NUMBER && inner->kind != LH_JSON_STRING))
        return 2; /* a 128-bit number, a nested value */
    return lh_parse_f64(lh_str_trim(inner->text), ret) ? 1 : 2;
}

/* x.repeat(3) has x where the schema stands, so its arguments count from one. */
static int is_chained(const lh_json *call)
{
    lh_str schema = lh_json_get_str(call, LH_S("schema"));
    return !lh_str_empty(schema) && !lh_str_eq(schema, LH_S("main"));
}

/* NULL: there is none, or it is what the call is chained to. */
static const lh_json *argument(const lh_json *call, size_t index)
{
    if (is_chained(call) && index-- == 0)
        return NULL;
    const lh_json *children = lh_json_get(call, LH_S("children"));
    const lh_json *child = children != NULL ? children->first : NULL;
    while (child != NULL && index-- > 0)
        child = child->next;
    return child;
}

/* Widths and precisions of a printf or {fmt} format: every run of digits counts, and those taken
 * from arguments are refused, because their size is not known. */
static int format_is_small(lh_str format, double max)
{
    double run = 0;
    int depth = 0;
    for (size_t i = 0; i < format.len; i++) {
        char c = format.ptr[i];
        run = c >= '0' && c <= '9' ? run * 10 + (c - '0') : 0;
        if (run > max)
            return 0;
        if (c == '{' && i + 1 < format.len && format.ptr[i + 1] == '{' && depth == 0) {
            i++;
        } else if (c == '{') {
            if (++depth > 1)
                return 0;
        } else if (c == '}' && depth > 0) {
            depth--;
        } else if (c == '*') {
            for (size_t back = i; back > 0; back--) { /* %*d, %-*d, %0*d */
                char before = format.ptr[back - 1];
                if (before == '%')
                    return 0;
                if (strchr("-+ #0123456789.", before) == NULL)
                    break;
            }
        }
    }
    return 1;
}

static lh_rc deny_growth(gate *g, const lh_json *call, lh_str name, double max)
{
    LH_IGNORE(deny(g, call, "%.*s would make a value too large: the limit here is %.0f",
                   LH_STR_ARG(name), max));
    return lh_err_hint(g->cx, "Use a smaller constant.");
}

static lh_rc check_format(gate *g, const lh_json *call, const lh_sql_amplifier *row, lh_str name)
{
    const lh_json *first = argument(call, row->argument);
    const lh_json *value = lh_json_get(lh_json_get(first, LH_S("value")), LH_S("value"));
    if (!lh_str_eq(lh_json_get_str(first, LH_S("class")), LH_S("CONSTANT")) || value == NULL ||
        value->kind != LH_JSON_STRING) {
        LH_IGNORE(deny(g, call, "the format of %.*s must be a constant text", LH_STR_ARG(name)));
        return lh_err_hint(g->cx, "Write the format as a literal.");
    }
    if (!format_is_small(value->text, row->max)) {
        LH_IGNORE(
            deny(g, call,
                 "the format of %.*s asks for a width beyond %.0f, or takes it from an argument",
                 LH_STR_ARG(name), row->max));
        return lh_err_hint(g->cx, "Write small widths as digits.");
    }
    return LH_OK;
}

/* range(stop), range(start, stop), range(start, stop, step). Not all constant: the memory limit
 * holds it. */
static lh_rc check_span(gate *g, const lh_json *call, const lh_sql_amplifier *row, lh_str name)
{
    const lh_json *second = argument(call, 1);
    const lh_json *third = argument(call, 2);
    double from = 0;
    double to = 0;
    double step = 1;
    int known = second == NULL ? constant_number(argument(call, 0), &to) == 1
                               : constant_number(argument(call, 0), &from) == 1 &&
                                     constant_number(second, &to) == 1;
    if (third != NULL)
        known = known && constant_number(third, &step) == 1;
    if (!known)
        return LH_OK;
    double span = to > from ? to - from : from - to;
    if (step != 0)
        span /= step > 0 ? step : -step;
    if (span > row->max)
        return deny_growth(g, call, name, row->max);
    g->amplified *= LH_MAX(span, 1.0);
    return LH_OK;
}

static lh_rc check_amplifier(gate *g, const lh_json *call, lh_str name)
{
    const lh_sql_amplifier *row = lh_sql_amplifier_find(name);
    if (row == NULL)
        return LH_OK;
    if (row->growth == LH_GROWTH_FORMAT)
        return check_format(g, call, row, name);
    if (row->growth == LH_GROWTH_SPAN) {
        LH_TRY(check_span(g, call, row, name));
    } else {
        double asked = 0;
        int known = constant_number(argument(call, row->argument), &asked);
        if (known == 2 || (known == 1 && asked > row->max))
            return deny_growth(g, call, name, row->max);
        if (known == 1)
            g->amplified *= LH_MAX(asked, 1.0);
    }
    if (g->amplified > AMPLIFIED_UNITS_MAX) {
        LH_IGNORE(deny(g, call, "nested calls around %.*s would make a value too large",
                       LH_STR_ARG(name)));
        return lh_err_hint(g->cx, "Use smaller constants.");
    }
    return LH_OK;
}

/* "schema" may be a column: nm.upper() is a call chained to it. There are no functions but the
 * engine's own, so the name alone decides. */
static lh_rc check_function(gate *g, const lh_json *node, const scope *visible)
{
    (void)visible;
    lh_str name = lh_json_get_str(node, LH_S("function_name"));
    const char *reason = lh_sql_function_denied(name);
    if (reason != NULL) {
        LH_IGNORE(deny(g, node, "function %.*s is not allowed: %s", LH_STR_ARG(name), reason));
        return lh_err_hint(g->cx, "Leave it out.");
    }
    if (!lh_sql_function_known(g->in->functions, name)) {
        LH_IGNORE(
            deny(g, node, "function %.*s is not known or not allowed here", LH_STR_ARG(name)));
        return lh_sql_function_hint(g->cx, g->in->functions, name);
    }
    return check_amplifier(g, node, name);
}

/* ---------------------------------------------------------------- the tables of the gate */

typedef struct node_row {
    const char *name;
    node_check check; /* NULL: nothing but its children */
} node_row;

static lh_rc check_type_name(gate *g, const lh_json *node, const scope *visible)
{
    (void)visible;
    if (lh_str_empty(lh_json_get_str(node, LH_S("schema"))) &&
        lh_str_empty(lh_json_get_str(node, LH_S("catalog"))))
        return LH_OK;
    return deny(g, node, "a type with a schema in front is not allowed");
}

/* Expressions, by "class". */
static const node_row classes[] = {
    {"BETWEEN", NULL},
    {"CASE", NULL},
    {"CAST", NULL},
    {"COLLATE", NULL},
    {"COLUMN_REF", NULL},
    {"COMPARISON", NULL},
    {"CONJUNCTION", NULL},
    {"CONSTANT", NULL},
    {"DEFAULT", NULL},
    {"FUNCTION", check_function},
    {"LAMBDA", NULL},
    {"LAMBDA_REF", NULL},
    {"OPERATOR", NULL},
    {"PARAMETER", NULL},
    {"POSITIONAL_REFERENCE", NULL},
    {"STAR", NULL},
    {"SUBQUERY", NULL},
    {"TYPE", check_type_name},
    {"WINDOW", check_function},
};

/* Everything else, by "type". */
static const node_row types[] = {
    {"ARRAY_TYPE_INFO", NULL},
    {"ASCENDING", NULL},
    {"BASE_TABLE", check_base_table},
    {"CTE_NODE", NULL},
    {"DECIMAL_TYPE_INFO", NULL},
    {"DESCENDING", NULL},
    {"DISTINCT_MODIFIER", NULL},
    {"EMPTY", NULL},
    {"ENUM_TYPE_INFO", NULL},
    {"EXPRESSION_LIST", NULL},
    {"GENERIC_TYPE_INFO", NULL},
    {"GEO_TYPE_INFO", NULL},
    {"INTEGER_LITERAL_TYPE_INFO", NULL},
    {"JOIN", NULL},
    {"LIMIT_MODIFIER", NULL},
    {"LIMIT_PERCENT_MODIFIER", NULL},
    {"LIST_TYPE_INFO", NULL},
    {"ORDER_DEFAULT", NULL},
    {"ORDER_MODIFIER", NULL},
    {"PIVOT", NULL},
    {"RECURSIVE_CTE_NODE", NULL},
    {"SELECT_NODE", NULL},
    {"SET_OPERATION_NODE", NULL},
    {"SHOW_REF", check_show},
    {"STRING_TYPE_INFO", NULL},
    {"STRUCT_TYPE_INFO", NULL},
    {"SUBQUERY", NULL},
    {"TABLE_FUNCTION", check_table_function},
    {"UNBOUND_TYPE_INFO", check_type_name},
    {"USER_TYPE_INFO", check_type_name},
};

static const node_row *find_row(const node_row *rows, size_t count, lh_str name)
{
    for (size_t i = 0; i < count; i++)
        if (lh_str_eq(name, lh_str_from(rows[i].name)))
            return &rows[i];
    return NULL;
}

/* ---------------------------------------------------------------- the walk */

static lh_rc walk_cte_map(gate *g, const lh_json *map, const scope *visible,
                          const scope **ret_visible);

/* One CTE: its body before its name is visible; of a recursive one only the second half sees the
 * name. */
static lh_rc walk_cte_body(gate *g, const lh_json *entry, lh_str name, const scope *visible)
{
    const lh_json *value = lh_json_get(entry, LH_S("value"));
    const lh_json *query = lh_json_get(value, LH_S("query"));
    const lh_json *node = lh_json_get(query, LH_S("node"));
    if (!lh_str_eq(lh_json_get_str(node, LH_S("type")), LH_S("RECURSIVE_CTE_NODE")))
        return walk(g, value, visible);
    const scope *anchor;
    LH_TRY(walk_cte_map(g, lh_json_get(node, LH_S("cte_map")), visible, &anchor));
    LH_TRY(walk(g, lh_json_get(node, LH_S("left")), anchor));
    const scope with_self = {.name = name, .outer = visible};
    return walk(g, query, &with_self);
}

static lh_rc walk_cte_map(gate *g, const lh_json *map, const scope *visible,
                          const scope **ret_visible)
{
    const lh_json *entries = lh_json_get(map, LH_S("map"));
    *ret_visible = visible;
    for (const lh_json *e = entries != NULL ? entries->first : NULL; e != NULL; e = e->next) {
        lh_str name = lh_json_get_str(e, LH_S("key"));
        if (!plain_name(name) || lh_sql_internal_view(g->in->functions, name)) {
            LH_IGNORE(deny(g, e,
                           "a WITH name must be a plain identifier that is no system table: %.*s",
                           LH_STR_ARG(name)));
            return lh_err_hint(g->cx, "Rename it: letters, digits and _ only.");
        }
        LH_TRY(walk_cte_body(g, e, name, *ret_visible));
        scope *next = LH_NEW(g->cx, scope);
        if (next == NULL)
            return g->cx->err.rc;
        *next = (scope){.name = name, .outer = *ret_visible};
        *ret_visible = next;
    }
    return LH_OK;
}

static lh_rc check_node(gate *g, const lh_json *node, const scope *visible)
{
    const lh_json *class = lh_json_get(node, LH_S("class"));
    const lh_json *type = lh_json_get(node, LH_S("type"));
    const node_row *row;
    if (class != NULL) {
        lh_str name = class->kind == LH_JSON_STRING ? class->text : LH_STR_NONE;
        row = find_row(classes, LH_ARRAY_LEN(classes), name);
        if (row == NULL)
            return deny(g, node, "an expression of class %.*s is not allowed", LH_STR_ARG(name));
    } else if (type != NULL && type->kind == LH_JSON_STRING) {
        row = find_row(types, LH_ARRAY_LEN(types), type->text);
        if (row == NULL)
            return deny(g, node, "a part of type %.*s is not allowed", LH_STR_ARG(type->text));
    } else {
        return LH_OK; /* a holder: CASE branches, order entries, values */
    }
    if (++g->nodes > LH_GATE_NODES_MAX)
        return lh_fail(g->cx, LH_E_SQL_DENIED, "a statement of more than %u parts",
                       LH_GATE_NODES_MAX);
    return row->check != NULL ? row->check(g, node, visible) : LH_OK;
}

static lh_rc walk_children(gate *g, const lh_json *value, const scope *visible)
{
    for (const lh_json *child = value->first; child != NULL; child = child->next)
        if (!lh_str_eq(child->key, LH_S("cte_map")) || value->kind == LH_JSON_ARRAY)
            LH_TRY(walk(g, child, visible));
    return LH_OK;
}

/* The function of a table function is not a scalar call: its name was checked above, its arguments
 * are walked. */
static lh_rc walk_table_function(gate *g, const lh_json *node, const scope *visible)
{
    for (const lh_json *child = node->first; child != NULL; child = child->next) {
        if (lh_str_eq(child->key, LH_S("function")))
            LH_TRY(walk_children(g, child, visible));
        else
            LH_TRY(walk(g, child, visible));
    }
    return LH_OK;
}

static lh_rc walk(gate *g, const lh_json *value, const scope *visible)
{
    if (value == NULL || (value->kind != LH_JSON_OBJECT && value->kind != LH_JSON_ARRAY))
        return LH_OK;
    if (value->kind == LH_JSON_ARRAY)
        return walk_children(g, value, visible);
    double amplified = g->amplified;
    const lh_json *map = lh_json_get(value, LH_S("cte_map"));
    if (map != NULL)
        LH_TRY(walk_cte_map(g, map, visible, &visible));
    LH_TRY(check_node(g, value, visible));
    if (lh_str_eq(lh_json_get_str(value, LH_S("type")), LH_S("TABLE_FUNCTION")))
        LH_TRY(walk_table_function(g, value, visible));
    else
        LH_TRY(walk_children(g, value, visible));
    g->amplified = amplified;
    return LH_OK;
}

/* ---------------------------------------------------------------- entry */

lh_rc lh_sql_check_text(lh_ctx *cx, lh_str sql)
{
    if (sql.len > LH_SQL_BYTES_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "a statement of %zu bytes, limit %u", sql.len,
                       LH_SQL_BYTES_MAX);
    if (lh_str_find_char(sql, '\0') != LH_STR_NPOS)
        return lh_fail(cx, LH_E_SQL_SYNTAX, "the statement contains a NUL byte");
    if (!lh_utf8_valid(sql))
        return lh_fail(cx, LH_E_SQL_SYNTAX, "the statement is not valid UTF-8");
    if (lh_sql_skip_blank(sql, 0) == sql.len)
        return lh_fail(cx, LH_E_SQL_SYNTAX, "the statement is empty");
    return LH_OK;
}

lh_rc lh_sql_gate(lh_ctx *cx, const lh_gate_input *input, lh_gate_tables *ret_tables)
{
    if (input->tree.len > LH_GATE_TREE_BYTES_MAX)
        return lh_fail(cx, LH_E_SQL_DENIED,
                       "the statement is too complex: %zu bytes of syntax tree, limit %u",
                       input->tree.len, LH_GATE_TREE_BYTES_MAX);
    const lh_json *root;
    lh_rc rc = lh_json_parse(cx, input->tree, LH_JSON_DEPTH_MAX, &root);
    if (rc == LH_E_BAD_JSON) {
        LH_IGNORE(lh_fail(cx, LH_E_SQL_DENIED, "the statement is nested too deeply"));
        return lh_err_hint(cx, "Split it with WITH, or put long lists into IN (...).");
    }
    LH_TRY(rc);
    const lh_json *statements = lh_json_get(root, LH_S("statements"));
    if (statements == NULL || statements->kind != LH_JSON_ARRAY)
        return lh_fail(cx, LH_E_SQL_DENIED, "the statement has no form that is known here");
    if (statements->count != 1) {
        LH_IGNORE(lh_fail(cx, LH_E_SQL_DENIED,
                          "%zu statements at once; exactly one SELECT is allowed",
                          statements->count));
        return lh_err_hint(cx, "Send them one by one.");
    }
    gate g = {.cx = cx, .in = input, .amplified = 1};
    const lh_json *node = lh_json_get(statements->first, LH_S("node"));
    if (node == NULL || node->kind != LH_JSON_OBJECT)
        return lh_fail(cx, LH_E_SQL_DENIED, "the statement has no form that is known here");
    LH_TRY(walk(&g, statements, NULL));
    *ret_tables = g.tables;
    return LH_OK;
}
