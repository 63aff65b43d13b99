/* sql_gate_test.c - the lexer and the walker without an engine: trees by hand. links: base */
#include "support/unit.h"

#include "worker/programs/sql_gate.h"
#include "worker/programs/sql_lex.h"

typedef struct fixture {
    lh_arena *arena;
    lh_ctx cx;
    lh_sql_functions functions;
} fixture;

static void open_fixture(fixture *f)
{
    static const lh_str names[] = {LH_S_INIT("abs"), LH_S_INIT("repeat"), LH_S_INIT("SUM"),
                                   LH_S_INIT("sleep_ms"), LH_S_INIT("sum")};
    static const lh_str views[] = {LH_S_INIT("pg_tables")};
    f->arena = lh_arena_new(0);
    lh_ctx_init(&f->cx, f->arena);
    ck_assert_int_eq(
        lh_sql_functions_build(&f->cx, names, LH_ARRAY_LEN(names), views, 1, &f->functions), LH_OK);
}

static lh_rc gate(fixture *f, const char *statements, lh_gate_tables *ret)
{
    lh_str tree = lh_ctx_fmt(&f->cx, "{\"error\":false,\"statements\":%s}", statements);
    lh_gate_input input = {.tree = tree, .sql = LH_S("SELECT"), .functions = &f->functions};
    return lh_sql_gate(&f->cx, &input, ret);
}

#define SELECT_FROM(table) "[{\"node\":{\"type\":\"SELECT_NODE\",\"from_table\":" table "}}]"
#define SELECT_EXPR(e)     "[{\"node\":{\"type\":\"SELECT_NODE\",\"select_list\":[" e "]}}]"
#define TABLE(schema, name)                                                                        \
    "{\"type\":\"BASE_TABLE\",\"schema_name\":\"" schema "\",\"table_name\":\"" name               \
    "\",\"catalog_name\":\"\"}"

typedef struct row {
    const char *statements;
    lh_rc wanted;
} row;

static const row rows[] = {
    {SELECT_FROM(TABLE("", "people")), LH_OK},
    {SELECT_FROM(TABLE("lake", "people")), LH_OK},
    {SELECT_FROM(TABLE("main", "people")), LH_E_SQL_DENIED},
    {SELECT_FROM(TABLE("", "a/b")), LH_E_SQL_DENIED},
    {SELECT_FROM(TABLE("", "")), LH_E_SQL_DENIED},
    {SELECT_FROM("{\"type\":\"COLUMN_DATA\"}"), LH_E_SQL_DENIED},
    {SELECT_FROM("{\"type\":\"SHOW_REF\",\"show_type\":\"DESCRIBE\",\"query\":null}"),
     LH_E_SQL_DENIED},
    {SELECT_FROM("{\"type\":\"TABLE_FUNCTION\",\"function\":{\"class\":\"FUNCTION\",\"function_"
                 "name\":\"range\"}}"),
     LH_OK},
    {SELECT_FROM("{\"type\":\"TABLE_FUNCTION\",\"function\":{\"class\":\"FUNCTION\",\"function_"
                 "name\":\"read_text\"}}"),
     LH_E_SQL_DENIED},
    {SELECT_FROM("{\"type\":\"TABLE_FUNCTION\",\"function\":{\"class\":\"OPERATOR\",\"function_"
                 "name\":\"range\"}}"),
     LH_E_SQL_DENIED},
    {SELECT_FROM("{\"type\":\"TABLE_FUNCTION\",\"function\":null}"), LH_E_SQL_DENIED},
    {SELECT_EXPR("{\"class\":\"FUNCTION\",\"function_name\":\"abs\"}"), LH_OK},
    {SELECT_EXPR("{\"class\":\"FUNCTION\",\"function_name\":\"ABS\"}"), LH_OK},
    {SELECT_EXPR("{\"class\":\"FUNCTION\",\"function_name\":\"sleep_ms\"}"), LH_E_SQL_DENIED},
    {SELECT_EXPR("{\"class\":\"FUNCTION\",\"function_name\":\"unheard_of\"}"), LH_E_SQL_DENIED},
    {SELECT_EXPR("{\"class\":\"FUNCTION\"}"), LH_E_SQL_DENIED},
    {SELECT_EXPR("{\"class\":\"BOUND_FUNCTION\"}"), LH_E_SQL_DENIED},
    {SELECT_EXPR("{\"class\":null}"), LH_E_SQL_DENIED},
    {SELECT_EXPR("{\"type\":\"SOMETHING_NEW\"}"), LH_E_SQL_DENIED},
    {SELECT_EXPR(
         "{\"class\":\"WINDOW\",\"function_name\":\"sum\",\"partitions\":[{\"class\":\"FUNCTION\","
         "\"function_name\":\"sleep_ms\"}]}"),
     LH_E_SQL_DENIED},
    {"[]", LH_E_SQL_DENIED},
    {"{}", LH_E_SQL_DENIED},
    {"null", LH_E_SQL_DENIED},
    {"[{}]", LH_E_SQL_DENIED},
    {"[{\"node\":null}]", LH_E_SQL_DENIED},
    {"[{\"node\":{\"type\":\"INSERT_NODE\"}}]", LH_E_SQL_DENIED},
    {"[{\"node\":{\"type\":\"SELECT_NODE\"}},{\"node\":{\"type\":\"SELECT_NODE\"}}]",
     LH_E_SQL_DENIED},
};

LH_TEST_LOOP(tree_is_judged, (int)LH_ARRAY_LEN(rows))
{
    fixture f;
    open_fixture(&f);
    lh_gate_tables tables;
    ck_assert_msg(gate(&f, rows[_i].statements, &tables) == rows[_i].wanted, "%s: %s",
                  rows[_i].statements, f.cx.err.message);
    lh_arena_free(f.arena);
}

LH_TEST(tables_are_collected_once_and_without_ctes)
{
    fixture f;
    open_fixture(&f);
    lh_gate_tables tables;
    const char *statements =
        "[{\"node\":{\"type\":\"SELECT_NODE\",\"cte_map\":{\"map\":[{\"key\":\"c\",\"value\":{"
        "\"query\":{\"node\":"
        "{\"type\":\"SELECT_NODE\",\"from_table\":" TABLE(
            "", "one") "}}}}]},\"from_table\":{\"type\":\"JOIN\","
                       "\"left\":" TABLE("", "C") ",\"right\":{\"type\":\"JOIN\",\"left\":" TABLE(
                           "", "two") ",\"right\":" TABLE("", "ONE") "}}}}]";
    ck_assert_int_eq(gate(&f, statements, &tables), LH_OK);
    ck_assert_uint_eq(tables.count, 2);
    ck_assert(lh_str_eq(tables.names[0], LH_S("one")));
    ck_assert(lh_str_eq(tables.names[1], LH_S("two")));
    lh_arena_free(f.arena);
}

LH_TEST(explain_is_stripped_and_analyze_refused)
{
    fixture f;
    open_fixture(&f);
    size_t inner;
    ck_assert_int_eq(lh_sql_strip_explain(&f.cx, LH_S("SELECT 1"), &inner), LH_OK);
    ck_assert_uint_eq(inner, 0);
    ck_assert_int_eq(
        lh_sql_strip_explain(&f.cx, LH_S(" -- x\n/* a /* b */ */ ExPlain /**/SELECT 1"), &inner),
        LH_OK);
    ck_assert_uint_eq(inner, 34);
    ck_assert_int_eq(lh_sql_strip_explain(&f.cx, LH_S("EXPLAIN/**/aNalyze SELECT 1"), &inner),
                     LH_E_SQL_DENIED);
    ck_assert_int_eq(lh_sql_strip_explain(&f.cx, LH_S("explained"), &inner), LH_OK);
    ck_assert_uint_eq(inner, 0);
    lh_arena_free(f.arena);
}

LH_TEST(words_in_quotes_and_comments_are_not_words)
{
    static const char *const hidden[] = {"'pivot'",      "\"pivot\"",    "-- pivot",
                                         "/* pivot */",  "$$ pivot $$",  "$a$pivot$a$",
                                         "E'\\' pivot'", "'it''s pivot'"};
    for (size_t i = 0; i < LH_ARRAY_LEN(hidden); i++)
        ck_assert_msg(!lh_sql_has_word(lh_str_from(hidden[i]), LH_S("pivot")), "%s", hidden[i]);
    ck_assert(lh_sql_has_word(LH_S("'x' PiVoT t"), LH_S("pivot")));
    ck_assert(lh_sql_has_word(LH_S("$1 pivot"), LH_S("pivot")));
}

LH_TEST(text_is_checked_before_it_is_parsed)
{
    fixture f;
    open_fixture(&f);
    ck_assert_int_eq(lh_sql_check_text(&f.cx, LH_S("SELECT 1")), LH_OK);
    ck_assert_int_eq(lh_sql_check_text(&f.cx, LH_S("SELECT\0 1")), LH_E_SQL_SYNTAX);
    ck_assert_int_eq(lh_sql_check_text(&f.cx, LH_S("SELECT '\xff'")), LH_E_SQL_SYNTAX);
    ck_assert_int_eq(lh_sql_check_text(&f.cx, LH_S("  -- nothing")), LH_E_SQL_SYNTAX);
    lh_str huge = lh_str_n(lh_ctx_alloc(&f.cx, LH_SQL_BYTES_MAX + 1, 1), LH_SQL_BYTES_MAX + 1);
    ck_assert_int_eq(lh_sql_check_text(&f.cx, huge), LH_E_TOO_LARGE);
    lh_arena_free(f.arena);
}

LH_TEST(denied_rows_win_over_the_engine_list)
{
    ck_assert_ptr_nonnull(lh_sql_function_denied(LH_S("STATS")));
    ck_assert_ptr_nonnull(lh_sql_function_denied(LH_S("__internal_anything")));
    ck_assert_ptr_nonnull(lh_sql_function_denied(LH_S("pg_get_viewdef")));
    ck_assert_ptr_null(lh_sql_function_denied(LH_S("pg_typeof")));
    ck_assert_ptr_null(lh_sql_function_denied(LH_S("abs")));
}
