/* jobs_view.c - looking at jobs: one, many, and waiting for a change.
 *
 * Waits look up every 50 ms besides being woken: a request's cancel flag has nobody who would wake
 * us. */
#include "base/clock.h"
#include "jobs/jobs_private.h"

enum { WAIT_SLICE_MS = 50 };

static const char *const state_names[] = {"queued", "running", "done", "failed", "cancelled", NULL};

static const lh_field job_fields[] = {
    LH_FIELD("job_id", STR, lh_job_view, job_id, .doc = "Id for GET /jobs/{id}."),
    LH_FIELD("kind", STR, lh_job_view, kind, .doc = "What sort of work: ingest, index."),
    LH_FIELD("state", ENUM, lh_job_view, state, .names = state_names, .doc = "Where it stands."),
    LH_FIELD("phase", STR, lh_job_view, phase, .doc = "Which step is running, or was last."),
    LH_FIELD("subject", STR, lh_job_view, subject, .doc = "Dataset or index it works on."),
    LH_FIELD("done", U64, lh_job_view, done, .doc = "Units of this phase that are done."),
    LH_FIELD("total", U64, lh_job_view, total, .doc = "Units of this phase in all; 0: not known."),
    LH_FIELD("unit", STR, lh_job_view, unit, .doc = "What is counted: rows, bytes, chunks."),
    LH_FIELD("rate", F64, lh_job_view, rate, .doc = "Units per second since the phase began."),
    LH_FIELD("eta_ms", I64, lh_job_view, eta_ms,
             .doc = "Milliseconds until this phase ends; -1: not known."),
    LH_FIELD("created_at", TIME, lh_job_view, created_at, .doc = "When it was asked for."),
    LH_FIELD("started_at", TIME, lh_job_view, started_at,
             .doc = "When it began to run; null: not yet."),
    LH_FIELD("ended_at", TIME, lh_job_view, ended_at, .doc = "When it ended; null: not yet."),
    LH_FIELD("error", JSON, lh_job_view, error,
             .doc = "Why it failed: code, message, hint, field."),
    LH_FIELD("result", JSON, lh_job_view, result, .doc = "What it made; the record of its kind."),
    LH_FIELD("version", U64, lh_job_view, version, .doc = "Grows with every change."),
    {0}};

const lh_record lh_job_record = {
    .name = "Job",
    .size = sizeof(lh_job_view),
    .fields = job_fields,
    .doc = "Background work that can be watched, waited for and cancelled."};

static void measure(const lh_job *job, lh_job_view *view)
{
    view->eta_ms = -1;
    if (job->started_at == 0)
        return;
    int64_t until_us = job->phase_ended_us != 0 ? job->phase_ended_us : lh_clock_mono_us();
    int64_t took_us = until_us - job->phase_began_us;
    if (took_us > 0)
        view->rate = (double)job->done * 1e6 / (double)took_us;
    if (job->state == LH_JOB_RUNNING && job->total >= job->done && job->total > 0 &&
        view->rate > 0) {
        double left_ms = (double)(job->total - job->done) / view->rate * 1e3;
        if (left_ms < 1e15)
            view->eta_ms = (int64_t)left_ms;
    }
}

lh_rc lhi_job_view(lh_ctx *cx, const lh_job *job, lh_job_view *ret_view)
{
    lh_job_view view = {.job_id = lh_str_from(job->id),
                        .kind = job->kind,
                        .state = (int)job->state,
                        .phase = lh_str_from(job->phase),
                        .subject = job->subject,
                        .done = job->done,
                        .total = job->total,
                        .unit = lh_str_from(job->unit),
                        .created_at = job->created_at,
                        .started_at = job->started_at,
                        .ended_at = job->ended_at,
                        .error = job->error,
                        .result = job->result,
                        .version = job->version};
    lh_str *texts[] = {&view.job_id, &view.kind,  &view.subject, &view.phase,
                       &view.unit,   &view.error, &view.result};
    for (size_t i = 0; i < LH_ARRAY_LEN(texts); i++) {
        *texts[i] = lh_ctx_dup(cx, *texts[i]);
        if (texts[i]->ptr == NULL)
            return LH_E_NO_MEMORY;
    }
    measure(job, &view);
    *ret_view = view;
    return LH_OK;
}

static lh_rc fail_unknown(lh_ctx *cx, lh_str job_id)
{
    LH_IGNORE(lh_fail(cx, LH_E_NOT_FOUND, "no job '%.*s'", LH_STR_ARG(lh_str_sub(job_id, 0, 64))));
    return lh_err_hint(cx, "Ended jobs are forgotten when many have ended since.");
}

lh_rc lh_jobs_get(lh_ctx *cx, lh_jobs *jobs, lh_str job_id, lh_job_view *ret_view)
{
    LH_WITH_LOCK(&jobs->lock);
    const lh_job *job = lhi_job_find(jobs, job_id);
    return job != NULL ? lhi_job_view(cx, job, ret_view) : fail_unknown(cx, job_id);
}

lh_rc lh_jobs_list(lh_ctx *cx, lh_jobs *jobs, const lh_jobs_query *query, lh_jobs_page *ret_page)
{
    LH_WITH_LOCK(&jobs->lock);
    const lh_job *job = jobs->newest;
    if (query->after.len > 0) { /* forgotten: so is all that is older */
        const lh_job *last = lhi_job_find(jobs, query->after);
        job = last != NULL ? last->older : NULL;
    }
    lh_jobs_page page = {0};
    size_t capacity = 0;
    for (; job != NULL && !page.more; job = job->older) {
        if (query->kind.len > 0 && !lh_str_eq(query->kind, job->kind))
            continue;
        if (query->limit != 0 && page.count == query->limit) {
            page.more = 1;
            break;
        }
        void *grown = page.views;
        LH_TRY(lh_ctx_grow(cx, &grown, page.count, &capacity, sizeof(*page.views)));
        page.views = grown;
        LH_TRY(lhi_job_view(cx, job, &page.views[page.count]));
        page.count++;
    }
    *ret_page = page;
    return LH_OK;
}

/* One look and, when it is not enough, one nap. 1 = look again. */
static int nap(lh_ctx *cx, lh_jobs *jobs, int max_ms, lh_rc *ret_rc)
{
    *ret_rc = lh_ctx_check(cx);
    if (*ret_rc != LH_OK)
        return 0;
    int ms = lh_ctx_left_ms(cx, LH_MIN(max_ms, (int)WAIT_SLICE_MS));
    (void)lh_cond_wait_for(&jobs->changed, &jobs->lock, (int64_t)ms * 1000);
    return 1;
}

lh_rc lh_jobs_wait(lh_ctx *cx, lh_jobs *jobs, lh_str job_id, uint64_t seen_version,
                   lh_job_view *ret_view)
{
    LH_WITH_LOCK(&jobs->lock);
    lh_job *job = lhi_job_find(jobs, job_id);
    if (job == NULL)
        return fail_unknown(cx, job_id);
    lhi_job_ref(job);
    lh_rc rc = LH_OK;
    while (job->version <= seen_version && !lhi_job_ended(job) && nap(cx, jobs, WAIT_SLICE_MS, &rc))
        ;
    if (rc == LH_OK)
        rc = lhi_job_view(cx, job, ret_view);
    lhi_job_unref(job);
    return rc;
}

lh_rc lh_jobs_wait_end(lh_ctx *cx, lh_jobs *jobs, lh_str job_id, int64_t wait_ms,
                       lh_job_view *ret_view)
{
    LH_WITH_LOCK(&jobs->lock);
    lh_job *job = lhi_job_find(jobs, job_id);
    if (job == NULL)
        return fail_unknown(cx, job_id);
    lhi_job_ref(job);
    lh_rc rc = LH_OK;
    int64_t began_us = lh_clock_mono_us();
    while (!lhi_job_ended(job)) {
        int64_t left_ms = wait_ms - (lh_clock_mono_us() - began_us) / 1000;
        if (left_ms <= 0 || !nap(cx, jobs, (int)LH_MIN(left_ms, (int64_t)WAIT_SLICE_MS), &rc))
            break;
    }
    if (rc == LH_OK)
        rc = lhi_job_view(cx, job, ret_view);
    lhi_job_unref(job);
    return rc;
}
