/* fuzz_sql_gate.c - any text as a statement for the lexer, any JSON as a syntax tree for the
 * walker. links: programs base
 *
 * The first byte chooses: even = tree, odd = statement text. */
#include "worker/programs/sql_gate.h"
#include "worker/programs/sql_lex.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void lex(lh_ctx *cx, lh_str sql)
{
    size_t inner = 0;
    LH_IGNORE(lh_sql_check_text(cx, sql));
    LH_IGNORE(lh_sql_strip_explain(cx, sql, &inner));
    lh_assert(inner <= sql.len);
    lh_sql_lexer lexer = {.text = sql};
    lh_str word;
    while (lh_sql_next_word(&lexer, &word))
        lh_assert(word.len > 0);
}

static void walk(lh_ctx *cx, lh_str tree)
{
    static const lh_str names[] = {LH_S_INIT("abs"),   LH_S_INIT("repeat"), LH_S_INIT("format"),
                                   LH_S_INIT("range"), LH_S_INIT("-"),      LH_S_INIT("lpad")};
    static const lh_str views[] = {LH_S_INIT("pg_tables")};
    lh_sql_functions functions;
    if (lh_sql_functions_build(cx, names, LH_ARRAY_LEN(names), views, 1, &functions) != LH_OK)
        return;
    lh_gate_input input = {.tree = tree, .sql = LH_S("SELECT 1 FROM t"), .functions = &functions};
    lh_gate_tables tables = {0};
    if (lh_sql_gate(cx, &input, &tables) == LH_OK)
        for (size_t i = 0; i < tables.count; i++)
            lh_assert(tables.names[i].len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    lh_arena *arena = lh_arena_new(64 * 1024 * 1024);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_str input = lh_str_n(data + 1, size - 1);
    if (data[0] & 1)
        lex(&cx, input);
    else
        walk(&cx, input);
    lh_arena_free(arena);
    return 0;
}
