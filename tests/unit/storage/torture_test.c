/* torture_test.c - every allocation fails once: the call says so or works, nothing leaks, nothing
 * half-done is left. */
#include "storage/append_log.h"
#include "support/scratch.h"

enum { ALLOCATIONS_MAX = 400 };

typedef struct bench {
    lh_scratch s;
    lh_store *store;
    lh_append_log *log;
} bench;

static lh_rc store_put(bench *b, lh_ctx *cx)
{
    lh_rc rc = lh_store_put_if_absent(cx, b->store, LH_S("x/y"), LH_S("whole"));
    lh_str bytes;
    if (rc == LH_OK || rc == LH_E_ALREADY_EXISTS)
        rc = lh_store_get(cx, b->store, LH_S("x/y"), 100, &bytes);
    if (rc == LH_OK)
        ck_assert(lh_str_eq(bytes, LH_S("whole")));
    return rc;
}

static lh_rc store_list(bench *b, lh_ctx *cx)
{
    lh_object_page page;
    lh_rc rc = lh_store_list(cx, b->store, LH_S(""), LH_S(""), 0, &page);
    if (rc == LH_OK)
        ck_assert_uint_gt(page.count, 0);
    return rc;
}

static lh_rc store_publish(bench *b, lh_ctx *cx)
{
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    lh_object_sum sum;
    LH_TRY(lh_store_stage(cx, b->store, &staged));
    LH_TRY(lh_staged_write(cx, staged, LH_S("abc")));
    lh_rc rc = lh_staged_publish(cx, staged, LH_S("published"), &sum);
    return rc == LH_E_ALREADY_EXISTS ? LH_OK : rc;
}

static lh_rc store_open(bench *b, lh_ctx *cx)
{
    lh_store *store = NULL;
    LH_TRY(lh_store_open_local(cx, lh_scratch_path(&b->s, "other"),
                               lh_scratch_path(&b->s, "other-staging"), &store));
    lh_store_close(store);
    return LH_OK;
}

static lh_rc log_append(bench *b, lh_ctx *cx)
{
    lh_append_log_stats before;
    lh_append_log_stats after;
    lh_append_log_get_stats(b->log, &before);
    lh_str line = LH_S("{\"a\":1}");
    lh_rc rc = lh_append_log_append(cx, b->log, &line, 1);
    lh_append_log_get_stats(b->log, &after);
    ck_assert_uint_eq(after.records, before.records + (rc == LH_OK));
    ck_assert_uint_eq(after.waiting_records, 0);
    return rc;
}

static lh_rc log_open(bench *b, lh_ctx *cx)
{
    LH_CLEANUP(lh_append_log_close) lh_append_log *log = NULL;
    lh_append_log_options opts = {.prefix = LH_S("log/")};
    LH_TRY(lh_append_log_open(cx, b->store, &opts, &log));
    lh_str *lines;
    size_t count;
    return lh_append_log_recent(cx, log, 0, &lines, &count);
}

static lh_rc log_compact(bench *b, lh_ctx *cx)
{
    lh_append_log_compacted done;
    lh_append_log_stats before;
    lh_append_log_stats after;
    lh_append_log_get_stats(b->log, &before);
    lh_rc rc = lh_append_log_compact(cx, b->log, LH_APPEND_LOG_COMPACT_ALL, &done);
    lh_append_log_get_stats(b->log, &after);
    ck_assert_uint_eq(after.records, before.records);
    return rc;
}

static const struct {
    const char *name;
    lh_rc (*call)(bench *b, lh_ctx *cx);
} calls[] = {{"put", store_put},      {"list", store_list},   {"publish", store_publish},
             {"open", store_open},    {"append", log_append}, {"log open", log_open},
             {"compact", log_compact}};

/* One call with its k-th allocation failing. 1 = it needs more than k. */
static int torture(bench *b, size_t which, uint64_t k, int forever)
{
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    ck_assert_ptr_nonnull(arena);
    lh_ctx_init(&cx, arena);
    lh_str line = LH_S("{\"more\":1}");
    lh_append_log_stats stats;
    lh_append_log_get_stats(b->log, &stats);
    for (; stats.batches < 3 && calls[which].call == log_compact; stats.batches++)
        ck_lh_ok(&b->s, lh_append_log_append(&b->s.cx, b->log, &line, 1)); /* something to merge */
    lh_alloc_fail_after(k, forever);
    lh_rc rc = calls[which].call(b, &cx);
    int refused = lh_alloc_failures() > 0;
    lh_alloc_fail_off();
    ck_assert_msg(rc == LH_OK || rc == LH_E_NO_MEMORY, "%s, allocation %llu: %s: %s",
                  calls[which].name, (unsigned long long)k, lh_rc_code(rc), cx.err.message);
    ck_assert_msg(refused || rc == LH_OK, "%s: no memory, but none was refused", calls[which].name);
    lh_arena_free(arena);
    return refused;
}

LH_TEST_LOOP(no_allocation_is_taken_for_granted, (int)(2 * LH_ARRAY_LEN(calls)))
{
    bench b = {0};
    lh_scratch_open(&b.s);
    lh_append_log_options opts = {.prefix = LH_S("log/"), .recent_max = 4};
    ck_lh_ok(&b.s, lh_store_open_local(&b.s.cx, lh_scratch_path(&b.s, "data"),
                                       lh_scratch_path(&b.s, "staging"), &b.store));
    ck_lh_ok(&b.s, lh_store_put(&b.s.cx, b.store, LH_S("first"), LH_S("x")));
    ck_lh_ok(&b.s, lh_append_log_open(&b.s.cx, b.store, &opts, &b.log));
    lh_str line = LH_S("{\"first\":1}");
    ck_lh_ok(&b.s, lh_append_log_append(&b.s.cx, b.log, &line, 1));
    uint64_t k = 0;
    while (torture(&b, (size_t)_i / 2, k, _i % 2))
        ck_assert_uint_lt(++k, ALLOCATIONS_MAX);
    lh_append_log_close(b.log);
    ck_lh_ok(&b.s, lh_append_log_open(&b.s.cx, b.store, &opts, &b.log)); /* all of it still reads */
    lh_append_log_close(b.log);
    lh_store_close(b.store);
    lh_scratch_close(&b.s);
}
