/* messages_test.c - control messages keep their content from one side to the other. links: base */
#include "support/unit.h"

#include "worker/messages.h"
#include "worker/pool.h"

static lh_str written(lh_ctx *cx, lh_buf *out, const lh_record *record, const void *message)
{
    lh_buf_init(out, 1024 * 1024);
    ck_assert_int_eq(lh_record_append(cx, record, message, out), LH_OK);
    return lh_buf_str(out);
}

LH_TEST(sql_task_round_trips)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_sql_task in = {.sql = LH_S("SELECT \"ä\"\n"),
                      .params = LH_S("[1,\"x\",null]"),
                      .format = LH_SQL_ARROW,
                      .limit = 7,
                      .offset = INT64_MAX,
                      .big_ints_as_text = true};
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_sql_task out;
    ck_assert_int_eq(lh_record_parse(&cx, &lh_sql_task_record,
                                     written(&cx, &json, &lh_sql_task_record, &in), &out),
                     LH_OK);
    ck_assert(lh_str_eq(out.sql, in.sql));
    ck_assert(lh_str_eq(out.params, in.params));
    ck_assert_int_eq(out.format, in.format);
    ck_assert_uint_eq(out.limit, in.limit);
    ck_assert_uint_eq(out.offset, in.offset);
    ck_assert(out.big_ints_as_text);
}

LH_TEST(views_round_trip)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_str near[] = {LH_S("a"), LH_S("b")};
    lh_view_message views[] = {{.name = LH_S("x"), .version = LH_S("1"), .sql = LH_S("SELECT 1")},
                               {.name = LH_S("y"), .near = {near, 2}}};
    lh_give_views in = {.views = {views, 2}};
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_give_views out;
    ck_assert_int_eq(lh_record_parse(&cx, &lh_give_views_record,
                                     written(&cx, &json, &lh_give_views_record, &in), &out),
                     LH_OK);
    ck_assert_uint_eq(out.views.count, 2);
    const lh_view_message *got = out.views.items;
    ck_assert(lh_str_eq(got[0].sql, views[0].sql));
    ck_assert_uint_eq(got[1].near.count, 2);
    ck_assert(lh_str_empty(got[1].sql));
}

LH_TEST(every_kind_has_a_name)
{
    for (int kind = 0; kind < LH_WORKER_KIND_COUNT; kind++)
        ck_assert_ptr_nonnull(lh_worker_kind_names[kind]);
    ck_assert_ptr_null(lh_worker_kind_names[LH_WORKER_KIND_COUNT]);
}

LH_TEST(unknown_field_of_a_worker_is_refused)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_sql_done done;
    ck_assert_int_eq(
        lh_record_parse(&cx, &lh_sql_done_record, LH_S("{\"rows\":1,\"evil\":2}"), &done),
        LH_E_UNKNOWN_FIELD);
    ck_assert_int_ne(lh_record_parse(&cx, &lh_sql_done_record, LH_S("{\"rows\":-1}"), &done),
                     LH_OK);
}
