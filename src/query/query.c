/* query/query.c - opens the engine and runs one statement: lease, task, views on demand, result
 * through the sink.
 *
 * The frames of a run: TASK ->, <- NEED(names), GIVE(views) ->, <- HEAD, <- DATA ..., <- DONE |
 * ERROR. A snapshot of every dataset that was asked for is held until the end, so that its files
 * stay. */
#include "query/query.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/num.h"
#include "os/process.h"
#include "query/query_private.h"

typedef struct run {
    lh_query_engine *engine;
    const lh_query_request *request;
    const lh_query_sink *sink;
    lhi_query_entry entry;
    lh_snapshot **held;
    size_t held_count;
    size_t held_cap;
    lh_pair_i64 *commits;
    size_t commits_count;
    size_t commits_cap;
    int64_t cpu_us;
    bool truncated;
    uint64_t rows;
    int heard; /* the worker said something */
} run;

lh_rc lh_query_engine_open(lh_ctx *cx, lh_catalog *catalog, lh_policy *policy, lh_pool *pool,
                           const lh_query_options *opts, lh_query_engine **ret_engine)
{
    lh_query_engine *engine = lh_alloc_zero(1, sizeof *engine);
    if (!engine)
        return lh_fail(cx, LH_E_NO_MEMORY, "query engine");
    engine->catalog = catalog;
    engine->policy = policy;
    engine->pool = pool;
    engine->opts = *opts;
    lh_mutex_init(&engine->lock);
    *ret_engine = engine;
    return LH_OK;
}

lh_query_engine *lh_query_engine_close(lh_query_engine *engine)
{
    if (!engine)
        return NULL;
    lh_assert(engine->running == NULL);
    lh_mutex_done(&engine->lock);
    return lh_free(engine);
}

static lh_rc entry_begin(lh_ctx *cx, run *r)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t random[8];
    LH_TRY(lh_random_bytes(cx, random, sizeof random));
    lhi_query_entry *e = &r->entry;
    char *id = e->query_id;
    *id++ = 'q';
    *id++ = '-';
    for (size_t i = 0; i < sizeof random; i++) {
        *id++ = digits[random[i] >> 4];
        *id++ = digits[random[i] & 15];
    }
    *id = '\0';
    lh_str who = cx->principal ? cx->principal->name : LH_S("");
    size_t who_len = lh_utf8_cut(who, sizeof e->principal - 1);
    memcpy(e->principal, who.len ? who.ptr : "", who_len);
    e->sql_len = lh_utf8_cut(r->request->sql, sizeof e->sql);
    memcpy(e->sql, r->request->sql.ptr, e->sql_len);
    e->state = LH_QUERY_RUNNING;
    e->cancel = cx->cancel;
    e->started_at = lh_clock_real_us();
    e->started_mono_us = lh_clock_mono_us();
    LH_WITH_LOCK(&r->engine->lock);
    e->next = r->engine->running;
    r->engine->running = e;
    return LH_OK;
}

static void entry_end(run *r, lh_rc rc)
{
    lh_query_engine *engine = r->engine;
    lhi_query_entry *e = &r->entry;
    int64_t took_us = lh_clock_mono_us() - e->started_mono_us;
    {
        LH_WITH_LOCK(&engine->lock);
        lhi_query_entry **at = &engine->running;
        while (*at != e)
            at = &(*at)->next;
        *at = e->next;
        e->state = rc == LH_OK ? LH_QUERY_DONE : LH_QUERY_FAILED;
        e->error_code = rc == LH_OK ? NULL : lh_rc_code(rc);
        e->cancel = NULL;
        e->took_us = took_us;
        e->cpu_us = r->cpu_us;
        e->rows = r->rows;
        engine->recent[engine->recent_count++ % LH_QUERY_RECENT] = *e;
    }
    lh_metric_observe_us(LH_M_QUERY_SECONDS, took_us);
    lh_metric_add(LH_M_QUERY_ROWS, (int64_t)r->rows);
}

static uint64_t asked_commit(const lh_query_request *request, lh_str name)
{
    const lh_pair_i64 *pairs = request->snapshots.items;
    for (size_t i = 0; i < request->snapshots.count; i++) {
        if (lh_str_eq_nocase(pairs[i].key, name))
            return (uint64_t)pairs[i].value;
    }
    return 0;
}

static lh_rc hold(lh_ctx *cx, run *r, lh_snapshot *snapshot)
{
    if (lh_ctx_grow(cx, (void **)&r->held, r->held_count, &r->held_cap, sizeof *r->held) != LH_OK ||
        lh_ctx_grow(cx, (void **)&r->commits, r->commits_count, &r->commits_cap,
                    sizeof *r->commits) != LH_OK) {
        lh_snapshot_unref(snapshot);
        return cx->err.rc;
    }
    r->held[r->held_count++] = snapshot;
    const lh_manifest *manifest = lh_snapshot_manifest(snapshot);
    for (size_t i = 0; i < r->commits_count; i++) {
        if (lh_str_eq(r->commits[i].key, manifest->name))
            return LH_OK;
    }
    r->commits[r->commits_count++] = (lh_pair_i64){manifest->name, (int64_t)manifest->commit};
    return LH_OK;
}

static lh_rc view_of(lh_ctx *cx, run *r, lh_str name, lh_view_message *ret_view)
{
    const lh_query_request *rq = r->request;
    lh_snapshot *snapshot = NULL;
    lh_view_message view = {.name = name};
    lh_rc rc = lh_catalog_get(cx, r->engine->catalog, name, asked_commit(rq, name), rq->as_of_us,
                              &snapshot);
    if (rc == LH_E_UNKNOWN_DATASET || rc == LH_E_BAD_NAME) {
        lh_str_list near;
        lh_err_clear(cx);
        LH_TRY(lh_catalog_near(cx, r->engine->catalog, name, &near));
        view.near = (lh_list){near.items, near.count};
        *ret_view = view;
        return LH_OK;
    }
    LH_TRY(rc);
    LH_TRY(hold(cx, r, snapshot));
    lh_grant grant;
    LH_TRY(lh_policy_grant(cx, r->engine->policy, cx->principal, snapshot, &grant));
    view.version = grant.version;
    view.sql = grant.sql;
    *ret_view = view;
    return LH_OK;
}

static lh_rc give_views(lh_ctx *cx, run *r, lh_lease *lease, lh_str payload)
{
    lh_need_views need;
    LH_TRY(lh_record_parse(cx, &lh_need_views_record, lh_ctx_dup(cx, payload), &need));
    const lh_str *names = need.names.items;
    lh_view_message *views = LH_NEW_ARRAY(cx, lh_view_message, LH_MAX(need.names.count, (size_t)1));
    if (!views)
        return cx->err.rc;
    for (size_t i = 0; i < need.names.count; i++)
        LH_TRY(view_of(cx, r, names[i], &views[i]));
    lh_give_views give = {.views = {views, need.names.count}};
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, LH_FRAME_BYTES_MAX);
    LH_TRY(lh_record_append(cx, &lh_give_views_record, &give, &json));
    return lh_lease_write(cx, lease, LH_FRAME_GIVE, lh_buf_str(&json));
}

static lh_rc send_head(lh_ctx *cx, run *r, lh_str payload)
{
    if (!r->sink->head)
        return LH_OK;
    lh_sql_head head;
    LH_TRY(lh_record_parse(cx, &lh_sql_head_record, lh_ctx_dup(cx, payload), &head));
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, LH_FRAME_BYTES_MAX);
    lh_json_writer w;
    lh_jw_init(&w, cx, &json);
    lh_jw_array_begin(&w);
    const lh_column_message *columns = head.columns.items;
    for (size_t i = 0; i < head.columns.count; i++) {
        lh_jw_object_begin(&w);
        lh_jw_kv_str(&w, LH_S("name"), columns[i].name);
        lh_jw_kv_str(&w, LH_S("type"), columns[i].type);
        lh_jw_object_end(&w);
    }
    lh_jw_array_end(&w);
    LH_TRY(lh_jw_end(&w));
    return r->sink->head(cx, r->sink->arg, lh_str_from(r->entry.query_id), lh_buf_str(&json));
}

static lh_rc finish(lh_ctx *cx, run *r, lh_str payload)
{
    lh_sql_done done;
    LH_TRY(lh_record_parse(cx, &lh_sql_done_record, lh_ctx_dup(cx, payload), &done));
    r->rows = done.rows;
    r->truncated = done.truncated;
    r->cpu_us = done.cpu_us;
    return LH_OK;
}

static lh_rc read_frames(lh_ctx *cx, run *r, lh_lease *lease)
{
    for (;;) {
        lh_frame frame;
        LH_TRY(lh_lease_read(cx, lease, &frame));
        r->heard = 1;
        switch (frame.kind) {
        case LH_FRAME_NEED: LH_TRY(give_views(cx, r, lease, frame.payload)); break;
        case LH_FRAME_HEAD: LH_TRY(send_head(cx, r, frame.payload)); break;
        case LH_FRAME_DATA:
            atomic_fetch_add_explicit(&r->entry.bytes, frame.payload.len, memory_order_relaxed);
            LH_TRY(r->sink->data(cx, r->sink->arg, frame.payload));
            break;
        case LH_FRAME_PROGRESS: break;
        case LH_FRAME_DONE: return finish(cx, r, frame.payload);
        case LH_FRAME_SETUP:
        case LH_FRAME_READY:
        case LH_FRAME_TASK:
        case LH_FRAME_GIVE:
        case LH_FRAME_ERROR:
        case LH_FRAME_CANCEL:
        case LH_FRAME_EXIT:
        default: return lh_fail(cx, LH_E_INTERNAL, "frame kind %d in a query", (int)frame.kind);
        }
    }
}

/* A worker that was killed while idle may be lent before its end is known. It says nothing and ends
 * at once: then nobody has lost anything but time, and another one is asked. */
#define DEAD_WORKER_US 100000

static lh_rc run_task(lh_ctx *cx, run *r, const lh_sql_task *task, int *ret_again)
{
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    LH_TRY(lh_pool_lease(cx, r->engine->pool, LH_WORKER_SQL, cx->principal->domain, &lease));
    int64_t sent_us = lh_clock_mono_us();
    lh_rc rc = lh_lease_task_record(cx, lease, &lh_sql_task_record, task, NULL, 0);
    if (rc == LH_OK)
        rc = read_frames(cx, r, lease);
    *ret_again =
        rc == LH_E_WORKER_CRASHED && !r->heard && lh_clock_mono_us() - sent_us < DEAD_WORKER_US;
    return rc;
}

static lh_rc run_leased(lh_ctx *cx, run *r)
{
    const lh_query_request *rq = r->request;
    lh_sql_task task = {.sql = rq->sql,
                        .params = rq->params,
                        .format = rq->format,
                        .limit = rq->limit,
                        .offset = rq->offset,
                        .big_ints_as_text = rq->big_ints_as_text};
    int again = 0;
    lh_rc rc = run_task(cx, r, &task, &again);
    if (!again)
        return rc;
    lh_err_clear(cx);
    return run_task(cx, r, &task, &again);
}

static lh_rc check_request(lh_ctx *cx, const lh_query_engine *engine, const lh_query_request *rq)
{
    if (!cx->principal)
        return lh_fail(cx, LH_E_UNAUTHORIZED, "a query needs a principal");
    if (lh_str_trim(rq->sql).len == 0) {
        LH_IGNORE(lh_fail(cx, LH_E_SQL_SYNTAX, "the SQL text is empty"));
        LH_IGNORE(lh_err_field(cx, "sql"));
        return lh_err_hint(cx, "send one SELECT, for example SELECT 42");
    }
    if (rq->sql.len > LH_SQL_BYTES_MAX) {
        LH_IGNORE(lh_fail(cx, LH_E_TOO_LARGE, "SQL of %zu bytes, limit %u", rq->sql.len,
                          LH_SQL_BYTES_MAX));
        return lh_err_field(cx, "sql");
    }
    if (rq->timeout_us > engine->opts.timeout_us_max) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "timeout of %lld ms, limit %lld ms",
                          (long long)(rq->timeout_us / 1000),
                          (long long)(engine->opts.timeout_us_max / 1000)));
        return lh_err_field(cx, "timeout_ms");
    }
    return LH_OK;
}

lh_rc lh_query_run(lh_ctx *cx, lh_query_engine *engine, const lh_query_request *request,
                   const lh_query_sink *sink, lh_query_outcome *ret_outcome)
{
    LH_TRY(check_request(cx, engine, request));
    run r = {.engine = engine, .request = request, .sink = sink};
    int64_t deadline_before = cx->deadline_us;
    lh_cancel *cancel_before = cx->cancel;
    lh_cancel own = {0};
    if (!cx->cancel)
        cx->cancel = &own;
    int64_t timeout_us =
        request->timeout_us > 0 ? request->timeout_us : engine->opts.timeout_us_default;
    cx->deadline_us = LH_MIN(cx->deadline_us, lh_clock_mono_us() + timeout_us);
    lh_rc rc = entry_begin(cx, &r);
    if (rc == LH_OK) {
        rc = run_leased(cx, &r);
        entry_end(&r, rc);
    }
    lh_query_outcome outcome = {.query_id = lh_ctx_dup(cx, lh_str_from(r.entry.query_id)),
                                .rows = r.rows,
                                .truncated = r.truncated,
                                .took_us = r.entry.took_us};
    for (size_t i = 0; i < r.commits_count; i++)
        r.commits[i].key = lh_ctx_dup(cx, r.commits[i].key);
    outcome.snapshots = (lh_list){r.commits, r.commits_count};
    for (size_t i = 0; i < r.held_count; i++)
        lh_snapshot_unref(r.held[i]);
    cx->deadline_us = deadline_before;
    cx->cancel = cancel_before;
    if (rc == LH_OK)
        *ret_outcome = outcome;
    return rc;
}
