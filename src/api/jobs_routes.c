/* api/jobs_routes.c - jobs: list, look, watch as events, cancel. /vectors/jobs is the same list,
 * filtered. */
#include "api/api_private.h"

LHI_LIST_RECORD(job_list, "JobList", lh_job_record, "A page of jobs, newest first.");

static lh_rc list_kind(lh_ctx *cx, lh_request *rq, lh_reply *rp, lh_str kind)
{
    int64_t limit;
    lh_str after;
    lh_jobs_page page;
    LH_TRY(lhi_page(cx, rq, &limit, &after));
    lh_jobs_query query = {.kind = kind, .after = after, .limit = (size_t)limit};
    LH_TRY(lh_jobs_list(cx, lhi_app(rq)->jobs, &query, &page));
    int more = page.more && page.count > 0;
    lhi_list_reply reply = {.items = {page.views, page.count},
                            .next_cursor = more ? page.views[page.count - 1].job_id : LH_STR_NONE};
    return lh_reply_json(cx, rp, &job_list, &reply);
}

static lh_rc jobs_list(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    return list_kind(cx, rq, rp, lh_request_query(rq, "kind"));
}

static lh_rc vector_jobs_list(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    return list_kind(cx, rq, rp, LH_S("index"));
}

static lh_rc job_get(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_job_view view;
    LH_TRY(lh_jobs_get(cx, lhi_app(rq)->jobs, lh_request_param(rq, "id"), &view));
    return lh_reply_json(cx, rp, &lh_job_record, &view);
}

static lh_rc job_cancel(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_str job_id = lh_request_param(rq, "id");
    LH_TRY(lh_jobs_cancel(cx, lhi_app(rq)->jobs, job_id));
    lh_job_view view;
    LH_TRY(lh_jobs_wait_end(cx, lhi_app(rq)->jobs, job_id, 2000, &view));
    return lh_reply_json(cx, rp, &lh_job_record, &view);
}

static lh_rc send_view(lh_ctx *cx, lh_reply *rp, const lh_job_view *view)
{
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, 64u * 1024u * 1024u);
    LH_TRY(lh_record_append(cx, &lh_job_record, view, &json));
    lh_str id = lh_ctx_fmt(cx, "%llu", (unsigned long long)view->version);
    return lh_reply_event(cx, rp, view->ended_at ? LH_S("end") : LH_S("progress"), id,
                          lh_buf_str(&json));
}

/* An event when something changed, at most some ten a second because each carries the whole job. */
static lh_rc job_events(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_jobs *jobs = lhi_app(rq)->jobs;
    lh_str job_id = lh_request_param(rq, "id");
    lh_job_view view;
    LH_TRY(lh_jobs_get(cx, jobs, job_id, &view));
    LH_TRY(lh_reply_sse(cx, rp));
    for (;;) {
        LH_TRY(send_view(cx, rp, &view));
        if (view.ended_at)
            return LH_OK;
        LH_TRY(lh_jobs_wait(cx, jobs, job_id, view.version, &view));
    }
}

static const lh_query_param list_params[] = {
    LHI_PAGE_PARAMS, {"kind", "string", "Only jobs of this kind: ingest, index."}, {0}};
static const lh_query_param page_params[] = {LHI_PAGE_PARAMS, {0}};

const lh_route lh_jobs_routes[] = {
    {.method = "GET",
     .path = "/jobs",
     .handler = jobs_list,
     .access = LH_ACCESS_READ,
     .reply = &job_list,
     .query = list_params,
     .tag = "jobs",
     .summary = "List jobs, newest first."},
    {.method = "GET",
     .path = "/jobs/{id}",
     .handler = job_get,
     .access = LH_ACCESS_READ,
     .reply = &lh_job_record,
     .errors = "not_found",
     .tag = "jobs",
     .summary = "Show one job."},
    {.method = "GET",
     .path = "/jobs/{id}/events",
     .handler = job_events,
     .access = LH_ACCESS_READ,
     .flags = LH_ROUTE_LONG | LH_ROUTE_NO_DEADLINE,
     .reply_type = "text/event-stream",
     .errors = "not_found",
     .tag = "jobs",
     .summary = "Watch one job: an event at each change, the last one is named end."},
    {.method = "DELETE",
     .path = "/jobs/{id}",
     .handler = job_cancel,
     .access = LH_ACCESS_WRITE,
     .reply = &lh_job_record,
     .errors = "not_found conflict",
     .tag = "jobs",
     .summary = "Cancel one job."},
    {.method = "GET",
     .path = "/vectors/jobs",
     .handler = vector_jobs_list,
     .access = LH_ACCESS_READ,
     .reply = &job_list,
     .query = page_params,
     .tag = "vectors",
     .summary = "List jobs that build indexes."},
    {.method = "GET",
     .path = "/vectors/jobs/{id}",
     .handler = job_get,
     .access = LH_ACCESS_READ,
     .reply = &lh_job_record,
     .errors = "not_found",
     .tag = "vectors",
     .summary = "Show one index job."},
    {0}};
