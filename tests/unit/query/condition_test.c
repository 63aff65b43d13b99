/* Conditions: one expression passes, whatever could leave the brackets does not. Cursors: only
 * their own statement. */
#include "query/query.h"
#include "support/scratch.h"

LH_TEST(one_expression_passes)
{
    static const char *const good[] = {
        "status = 'active'", "(a OR b) AND c", "name = 'O''Brien; --'", "x IN (1,2,3)",
        "\"odd; name\" > 1", "list[1] = 2",    "{'a': 1}.a = 1",        "city LIKE '%/*%'"};
    lh_scratch s;
    lh_scratch_open(&s);
    for (size_t i = 0; i < LH_ARRAY_LEN(good); i++)
        ck_assert_msg(lh_sql_check_condition(&s.cx, lh_str_from(good[i])) == LH_OK, "%s", good[i]);
    lh_scratch_close(&s);
}

LH_TEST(what_could_leave_the_brackets_does_not_pass)
{
    static const char *const bad[] = {
        "",       "  ", "a) OR (1=1", "1=1; SELECT 2", "a -- b",        "a /* b */", "a = 'open",
        "\"open", "(a", "a)",         "$$x$$",         "$tag$ x $tag$", "a[1",       "x = $name"};
    lh_scratch s;
    lh_scratch_open(&s);
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++) {
        ck_assert_msg(lh_sql_check_condition(&s.cx, lh_str_from(bad[i])) == LH_E_SQL_SYNTAX, "%s",
                      bad[i]);
        ck_assert_str_eq(s.cx.err.field, "filter");
        ck_assert_int_ge(s.cx.err.line, 1);
    }
    lh_scratch_close(&s);
}

LH_TEST(a_cursor_continues_its_own_statement_only)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_pair_i64 read[] = {{LH_S("orders"), 7}};
    lh_query_request request = {.sql = LH_S("SELECT 1"), .params = LH_S("[1]"), .offset = 10};
    lh_query_outcome outcome = {.rows = 5, .snapshots = {read, 1}};
    lh_str cursor;
    ck_assert_int_eq(lh_query_cursor_write(&s.cx, &request, &outcome, &cursor), LH_OK);
    lh_query_request next = {.sql = LH_S("SELECT 1"), .params = LH_S("[1]")};
    ck_assert_int_eq(lh_query_cursor_apply(&s.cx, cursor, &next), LH_OK);
    ck_assert_uint_eq(next.offset, 15);
    ck_assert_uint_eq(next.snapshots.count, 1);
    ck_assert_int_eq(((lh_pair_i64 *)next.snapshots.items)[0].value, 7);
    lh_query_request other = {.sql = LH_S("SELECT 2"), .params = LH_S("[1]")};
    ck_assert_int_eq(lh_query_cursor_apply(&s.cx, cursor, &other), LH_E_BAD_VALUE);
    ck_assert_int_eq(lh_query_cursor_apply(&s.cx, LH_S("zz"), &next), LH_E_BAD_VALUE);
    ck_assert_int_eq(lh_query_cursor_apply(&s.cx, LH_S(""), &next), LH_E_BAD_VALUE);
    ck_assert_int_eq(lh_query_cursor_apply(&s.cx, lh_str_sub(cursor, 0, cursor.len - 2), &next),
                     LH_E_BAD_VALUE);
    lh_scratch_close(&s);
}
