/* query/query_list.c - what runs now and what ran lately, with its cost; cancel by id. */
#include "base/clock.h"
#include "query/query_private.h"

static const char *const state_names[] = {"running", "done", "failed", NULL};

static const lh_field info_fields[] = {
    LH_FIELD("query_id", STR, lh_query_info, query_id, .doc = "Id of the query."),
    LH_FIELD("state", ENUM, lh_query_info, state, .names = state_names,
             .doc = "running, done or failed."),
    LH_FIELD("principal", STR, lh_query_info, principal, .doc = "Who asked."),
    LH_FIELD("sql", STR, lh_query_info, sql, .doc = "The statement, its first 1,000 bytes."),
    LH_FIELD("started_at", TIME, lh_query_info, started_at, .doc = "When it began."),
    LH_FIELD("took_ms", I64, lh_query_info, took_ms, .doc = "Time so far or in all, milliseconds."),
    LH_FIELD("rows", U64, lh_query_info, rows, .doc = "Rows sent; known at the end."),
    LH_FIELD("bytes", U64, lh_query_info, bytes, .doc = "Bytes of result sent."),
    LH_FIELD("cpu_ms", I64, lh_query_info, cpu_ms,
             .doc = "CPU time of the worker, milliseconds; known at the end."),
    LH_FIELD("error_code", STR, lh_query_info, error_code, .flags = LH_FIELD_NULL_EMPTY,
             .doc = "Wire code of the failure, or null."),
    {0}};
const lh_record lh_query_info_record = {.name = "QueryInfo",
                                        .size = sizeof(lh_query_info),
                                        .fields = info_fields,
                                        .doc = "One running or recent query."};

static lh_query_info info_of(lh_ctx *cx, const lhi_query_entry *e, int64_t now_us)
{
    int64_t took_us = e->state == LH_QUERY_RUNNING ? now_us - e->started_mono_us : e->took_us;
    return (lh_query_info){.query_id = lh_ctx_dup(cx, lh_str_from(e->query_id)),
                           .state = (int)e->state,
                           .principal = lh_ctx_dup(cx, lh_str_from(e->principal)),
                           .sql = lh_ctx_dup(cx, lh_str_n(e->sql, e->sql_len)),
                           .started_at = e->started_at,
                           .took_ms = took_us / 1000,
                           .rows = e->rows,
                           .bytes = e->bytes,
                           .cpu_ms = e->cpu_us / 1000,
                           .error_code = lh_str_from(e->error_code)};
}

lh_rc lh_query_list(lh_ctx *cx, lh_query_engine *engine, int running_only,
                    lh_query_info **ret_items, size_t *ret_count)
{
    int64_t now_us = lh_clock_mono_us();
    LH_WITH_LOCK(&engine->lock);
    size_t count = 0;
    for (const lhi_query_entry *e = engine->running; e; e = e->next)
        count++;
    uint64_t recent = running_only ? 0 : LH_MIN(engine->recent_count, (uint64_t)LH_QUERY_RECENT);
    lh_query_info *items =
        LH_NEW_ARRAY(cx, lh_query_info, LH_MAX(count + (size_t)recent, (size_t)1));
    if (!items)
        return cx->err.rc;
    size_t n = 0;
    for (const lhi_query_entry *e = engine->running; e; e = e->next)
        items[n++] = info_of(cx, e, now_us);
    for (uint64_t i = 0; i < recent; i++)
        items[n++] =
            info_of(cx, &engine->recent[(engine->recent_count - 1 - i) % LH_QUERY_RECENT], now_us);
    *ret_items = items;
    *ret_count = n;
    return LH_OK;
}

lh_rc lh_query_cancel(lh_ctx *cx, lh_query_engine *engine, lh_str query_id)
{
    LH_WITH_LOCK(&engine->lock);
    for (lhi_query_entry *e = engine->running; e; e = e->next) {
        if (lh_str_eq(lh_str_from(e->query_id), query_id)) {
            lh_cancel_request(e->cancel);
            return LH_OK;
        }
    }
    LH_IGNORE(lh_fail(cx, LH_E_NOT_FOUND, "no running query '%.*s'", LH_STR_ARG(query_id)));
    return lh_err_hint(cx, "GET /query/running lists what runs now");
}
