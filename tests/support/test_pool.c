/* test_pool.c - see the header. */
#include "support/test_pool.h"

#include "base/clock.h"
#include "os/file.h"

#include <check.h>
#include <stdlib.h>
#include <sys/stat.h>

#define TEST_DEADLINE_US 60000000

static lh_str below(lh_ctx *cx, const char *root, const char *name)
{
    lh_str path = lh_path_join(cx, lh_str_from(root), lh_str_from(name));
    ck_assert_int_eq(mkdir(path.ptr, 0700), 0);
    return path;
}

void lh_test_pool_open(lh_test_pool *t, const lh_worker_limits *limits)
{
    static const lh_worker_limits usual = {
        .workers_max = 2, .queue_max = 8, .memory_bytes = UINT64_C(1) << 30, .idle_us = 60000000};
    *t = (lh_test_pool){.root = "/tmp/lh_test_pool_XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(t->root));
    t->arena = lh_arena_new(0);
    ck_assert_ptr_nonnull(t->arena);
    lh_ctx_init(&t->cx, t->arena);
    t->cx.deadline_us = lh_clock_mono_us() + TEST_DEADLINE_US;
    lh_pool_options opts = {.read_root = lh_str_from(t->root),
                            .spill_dir = below(&t->cx, t->root, "spill"),
                            .staging_dir = below(&t->cx, t->root, "staging")};
    for (int kind = 0; kind < LH_WORKER_KIND_COUNT; kind++)
        opts.kinds[kind] = limits != NULL ? *limits : usual;
    lh_rc rc = lh_pool_open(&t->cx, &opts, &t->pool);
    ck_assert_msg(rc == LH_OK, "pool: %s", t->cx.err.message);
}

void lh_test_pool_close(lh_test_pool *t)
{
    t->pool = lh_pool_close(t->pool);
    LH_IGNORE(lh_dir_remove_all(&t->cx, lh_str_from(t->root)));
    t->arena = lh_arena_free(t->arena);
}

/* ---------------------------------------------------------------- the server's side of a query */

static lh_rc write_task(lh_ctx *cx, lh_lease *lease, const lh_test_query *query)
{
    lh_sql_task task = {.sql = query->sql,
                        .params = lh_str_from(query->params),
                        .format = query->format,
                        .limit = query->limit,
                        .offset = query->offset,
                        .big_ints_as_text = query->big_ints_as_text};
    return lh_lease_task_record(cx, lease, &lh_sql_task_record, &task, NULL, 0);
}

static const lh_test_view *find_view(const lh_test_view *views, lh_str name)
{
    for (; views != NULL && views->name != NULL; views++)
        if (lh_str_eq_nocase(name, lh_str_from(views->name)))
            return views;
    return NULL;
}

static lh_rc give_views(lh_ctx *cx, lh_lease *lease, const lh_test_query *query, lh_str payload)
{
    lh_need_views need;
    LH_TRY(lh_record_parse(cx, &lh_need_views_record, payload, &need));
    lh_view_message *given = LH_NEW_ARRAY(cx, lh_view_message, need.names.count);
    static lh_str near[] = {LH_S_INIT("candidates")};
    for (size_t i = 0; i < need.names.count; i++) {
        lh_str name = ((const lh_str *)need.names.items)[i];
        const lh_test_view *view = find_view(query->views, name);
        given[i] = (lh_view_message){.name = name};
        if (view != NULL) {
            given[i].version = lh_str_from(view->version);
            given[i].sql = lh_str_from(view->sql);
        } else {
            given[i].near = (lh_list){near, 1};
        }
    }
    lh_give_views give = {.views = {given, need.names.count}};
    LH_CLEANUP(lh_buf_done) lh_buf json = {0};
    lh_buf_init(&json, 16 * 1024 * 1024);
    LH_TRY(lh_record_append(cx, &lh_give_views_record, &give, &json));
    return lh_lease_write(cx, lease, LH_FRAME_GIVE, lh_buf_str(&json));
}

static lh_rc take_head(lh_ctx *cx, lh_str payload, lh_test_answer *answer)
{
    lh_sql_head head;
    lh_str copy = lh_ctx_dup(cx, payload);
    LH_TRY(lh_record_parse(cx, &lh_sql_head_record, copy, &head));
    answer->columns_count = head.columns.count;
    for (size_t i = 0; i < LH_MIN(head.columns.count, LH_ARRAY_LEN(answer->columns)); i++)
        answer->columns[i] = ((const lh_column_message *)head.columns.items)[i];
    return LH_OK;
}

static lh_rc talk(lh_ctx *cx, lh_lease *lease, const lh_test_query *query, lh_test_answer *answer)
{
    LH_TRY(write_task(cx, lease, query));
    for (;;) {
        lh_frame frame;
        LH_TRY(lh_lease_read(cx, lease, &frame));
        if (frame.kind == LH_FRAME_NEED)
            LH_TRY(give_views(cx, lease, query, frame.payload));
        else if (frame.kind == LH_FRAME_HEAD)
            LH_TRY(take_head(cx, frame.payload, answer));
        else if (frame.kind == LH_FRAME_DATA) {
            answer->frames_count++;
            LH_TRY(lh_buf_append(cx, &answer->body, frame.payload));
        } else if (frame.kind == LH_FRAME_DONE)
            return lh_record_parse(cx, &lh_sql_done_record, lh_ctx_dup(cx, frame.payload),
                                   &answer->done);
    }
}

lh_rc lh_test_sql(lh_ctx *cx, lh_pool *pool, const lh_test_query *query, lh_test_answer *answer)
{
    LH_CLEANUP(lh_test_answer_done) lh_test_answer unwanted = {0};
    if (answer == NULL)
        answer = &unwanted;
    *answer = (lh_test_answer){0};
    lh_buf_init(&answer->body, (size_t)1 << 31);
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    const char *domain = query->domain != NULL ? query->domain : "test";
    LH_TRY(lh_pool_lease(cx, pool, LH_WORKER_SQL, lh_str_from(domain), &lease));
    return talk(cx, lease, query, answer);
}

void lh_test_answer_done(lh_test_answer *answer)
{
    lh_buf_done(&answer->body);
}
