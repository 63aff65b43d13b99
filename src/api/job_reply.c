/* api/job_reply.c - requests that start a job: how long they wait for it, and what they answer. */
#include "api/api_private.h"

#define WAIT_MS_MAX 3600000
#define REPLY_MS    500 /* kept of the request's time for the answer */

lh_rc lhi_wait_ms(lh_ctx *cx, const lh_request *rq, int64_t default_ms, int64_t *ret_ms)
{
    return lh_request_query_i64(cx, rq, "wait_ms", default_ms, 0, WAIT_MS_MAX, ret_ms);
}

lh_rc lhi_wait_job(lh_ctx *cx, lh_request *rq, lh_str job_id, int64_t wait_ms,
                   lh_job_view *ret_view)
{
    int left_ms = lh_ctx_left_ms(cx, (int)wait_ms + REPLY_MS);
    wait_ms = LH_MAX(LH_MIN(wait_ms, (int64_t)left_ms - REPLY_MS), (int64_t)0);
    LH_TRY(lh_jobs_wait_end(cx, lhi_app(rq)->jobs, job_id, wait_ms, ret_view));
    if (ret_view->state == LH_JOB_FAILED || ret_view->state == LH_JOB_CANCELLED)
        return lh_job_view_error(cx, ret_view);
    return LH_OK;
}

lh_rc lhi_reply_job(lh_ctx *cx, lh_reply *rp, const lh_job_view *view, const lh_record *record,
                    const void *running)
{
    if (view->state == LH_JOB_DONE)
        return lh_reply_json_text(cx, rp, view->result);
    lh_reply_status(rp, 202);
    return lh_reply_json(cx, rp, record, running);
}

static const lh_field started_fields[] = {
    LH_FIELD("job_id", STR, lhi_index_started, job_id, .doc = "Job that builds it."),
    LH_FIELD("index_name", STR, lhi_index_started, index_name, .doc = "Name of the index."),
    {0}};
const lh_record lhi_index_started_record = {.name = "IndexStarted",
                                            .size = sizeof(lhi_index_started),
                                            .fields = started_fields,
                                            .doc = "A build was started."};

lh_rc lhi_reply_started(lh_ctx *cx, lh_request *rq, lh_reply *rp, const lhi_index_started *started,
                        int64_t wait_ms)
{
    lh_job_view view;
    if (wait_ms > 0)
        LH_TRY(lhi_wait_job(cx, rq, started->job_id, wait_ms, &view));
    return lh_reply_json(cx, rp, &lhi_index_started_record, started);
}
