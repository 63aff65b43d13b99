/* jobs.c - the registry: queue, threads, the life of a job from start to forgotten.
 *
 * One lock for all: jobs are few and long, and what is done under it is short. A job's function,
 * its done function and the freeing of memory run outside of it. */
#include "jobs/jobs.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "jobs/jobs_private.h"
#include "os/process.h"

#include <stdio.h>

enum {
    THREAD_STACK_BYTES = 8 << 20,
    PROGRESS_TELL_US = 50 * 1000,
    RETRY_AFTER_S = 5,
    ERROR_JSON_MAX = 8192
};

static lh_str heap_text(lh_str text)
{
    char *copy = lh_alloc(text.len + 1);
    if (copy == NULL)
        return LH_STR_NONE;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return (lh_str){copy, text.len};
}

static void free_text(lh_str *text)
{
    lh_free((void *)(uintptr_t)text->ptr);
    *text = LH_STR_NONE;
}

lh_job *lhi_job_ref(lh_job *job)
{
    job->refs++;
    return job;
}

void lhi_job_unref(lh_job *job)
{
    lh_assert(job->refs > 0);
    if (--job->refs > 0)
        return;
    free_text(&job->kind);
    free_text(&job->subject);
    free_text(&job->error);
    free_text(&job->result);
    lh_free(job);
}

int lhi_job_ended(const lh_job *job)
{
    return job->state != LH_JOB_QUEUED && job->state != LH_JOB_RUNNING;
}

lh_job *lhi_job_find(const lh_jobs *jobs, lh_str job_id)
{
    for (lh_job *job = jobs->newest; job != NULL; job = job->older)
        if (lh_str_eq(job_id, lh_str_from(job->id)))
            return job;
    return NULL;
}

static void tell(lh_job *job)
{
    job->version++;
    lh_cond_broadcast(&job->jobs->changed);
}

static void link_newest(lh_jobs *jobs, lh_job *job)
{
    job->older = jobs->newest;
    if (jobs->newest != NULL)
        jobs->newest->newer = job;
    else
        jobs->oldest = job;
    jobs->newest = job;
}

static void unlink_job(lh_jobs *jobs, lh_job *job)
{
    *(job->newer != NULL ? &job->newer->older : &jobs->newest) = job->older;
    *(job->older != NULL ? &job->older->newer : &jobs->oldest) = job->newer;
    job->newer = job->older = NULL;
}

static void forget_old(lh_jobs *jobs)
{
    lh_job *job = jobs->oldest;
    while (job != NULL && jobs->ended > jobs->opts.remembered_max) {
        lh_job *newer = job->newer;
        if (lhi_job_ended(job)) {
            unlink_job(jobs, job);
            jobs->ended--;
            lhi_job_unref(job);
        }
        job = newer;
    }
}

/* The job's last change. After it the registry may forget the job, so callers hold a reference. */
static void end_job(lh_job *job, lh_job_state state)
{
    lh_jobs *jobs = job->jobs;
    job->state = state;
    job->ended_at = lh_clock_real_us();
    job->phase_ended_us = lh_clock_mono_us();
    jobs->ended++;
    tell(job);
    forget_old(jobs);
}

static void push_queue(lh_jobs *jobs, lh_job *job)
{
    if (jobs->queue_last != NULL)
        jobs->queue_last->next_queued = job;
    else
        jobs->queue_first = job;
    jobs->queue_last = job;
    jobs->queued++;
    lh_cond_signal(&jobs->work);
}

static lh_job *pop_queue(lh_jobs *jobs)
{
    lh_job *job = jobs->queue_first;
    jobs->queue_first = job->next_queued;
    if (jobs->queue_first == NULL)
        jobs->queue_last = NULL;
    job->next_queued = NULL;
    jobs->queued--;
    return job;
}

static void take_from_queue(lh_jobs *jobs, lh_job *wanted)
{
    lh_job *before = NULL;
    for (lh_job *job = jobs->queue_first; job != NULL; before = job, job = job->next_queued) {
        if (job != wanted)
            continue;
        *(before != NULL ? &before->next_queued : &jobs->queue_first) = job->next_queued;
        if (jobs->queue_last == job)
            jobs->queue_last = before;
        job->next_queued = NULL;
        jobs->queued--;
        return;
    }
}

/* The error shape of contract A3, its inner object. Heap; empty when there is no memory. */
static lh_str error_json(lh_ctx *cx, lh_rc rc)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, ERROR_JSON_MAX);
    lh_json_writer w;
    lh_jw_init(&w, cx, &out);
    lh_jw_object_begin(&w);
    lh_jw_kv_str(&w, LH_S("code"), lh_str_from(lh_rc_code(rc)));
    lh_jw_kv_str(&w, LH_S("message"), lh_str_from(cx->err.message));
    const struct {
        lh_str key;
        const char *text;
    } maybe[] = {{LH_S("hint"), cx->err.hint},
                 {LH_S("field"), cx->err.field},
                 {LH_S("request_id"), cx->request_id}};
    for (size_t i = 0; i < LH_ARRAY_LEN(maybe); i++) {
        if (maybe[i].text[0] != '\0')
            lh_jw_kv_str(&w, maybe[i].key, lh_str_from(maybe[i].text));
        else
            lh_jw_kv_null(&w, maybe[i].key);
    }
    if (cx->err.line > 0) {
        lh_jw_kv_i64(&w, LH_S("line"), cx->err.line);
        lh_jw_kv_i64(&w, LH_S("column"), cx->err.column);
    }
    lh_jw_object_end(&w);
    return lh_jw_end(&w) == LH_OK ? heap_text(lh_buf_str(&out)) : LH_STR_NONE;
}

static void log_end(lh_ctx *cx, const lh_job *job, lh_rc rc)
{
    if (rc == LH_OK)
        LH_LOG(cx, JOB_DONE, LH_KS("kind", job->kind), LH_KS("subject", job->subject));
    else
        LH_LOG(cx, JOB_FAILED, LH_KS("kind", job->kind), LH_KS("subject", job->subject),
               LH_KS("code", lh_str_from(lh_rc_code(rc))),
               LH_KS("message", lh_str_from(cx->err.message)));
}

/* Whatever a function returns after it was told to stop is the stopping, unless it got to its
 * end. */
static lh_job_state state_of(const lh_job *job, lh_rc rc)
{
    if (rc == LH_OK)
        return LH_JOB_DONE;
    return rc == LH_E_CANCELLED || lh_cancel_requested(&job->cancel) ? LH_JOB_CANCELLED
                                                                     : LH_JOB_FAILED;
}

static lh_rc run_job(lh_ctx *cx, lh_job *job, lh_str *ret_error)
{
    lh_rc rc = job->run(cx, job, job->arg);
    if (rc != LH_OK) {
        *ret_error = error_json(cx, rc);
        if (state_of(job, rc) == LH_JOB_FAILED)
            log_end(cx, job, rc);
    } else {
        log_end(cx, job, LH_OK);
    }
    if (job->done_fn != NULL)
        job->done_fn(job->arg);
    return rc;
}

/* Called and returns with the lock held; it is open while the job runs. */
static void run_next(lh_jobs *jobs)
{
    lh_job *job = pop_queue(jobs); /* the queue's reference is now ours */
    job->state = LH_JOB_RUNNING;
    job->started_at = lh_clock_real_us();
    job->phase_began_us = lh_clock_mono_us();
    jobs->running++;
    lh_metric_set(LH_M_JOBS_RUNNING, (int64_t)jobs->running);
    tell(job);
    lh_mutex_unlock(&jobs->lock);

    lh_str error = LH_STR_NONE;
    lh_rc rc = LH_E_NO_MEMORY;
    lh_arena *arena = lh_arena_new(0);
    if (arena != NULL) {
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        cx.cancel = &job->cancel;
        cx.principal = job->principal;
        memcpy(cx.request_id, job->id, sizeof(job->id));
        rc = run_job(&cx, job, &error);
        lh_arena_free(arena);
    } else if (job->done_fn != NULL) {
        job->done_fn(job->arg);
    }

    lh_mutex_lock(&jobs->lock);
    jobs->running--;
    lh_metric_set(LH_M_JOBS_RUNNING, (int64_t)jobs->running);
    job->error = error;
    end_job(job, state_of(job, rc));
    lhi_job_unref(job);
}

static void thread_main(void *arg)
{
    lh_jobs *jobs = arg;
    lh_mutex_lock(&jobs->lock);
    for (;;) {
        while (jobs->queue_first == NULL && !jobs->stopping)
            lh_cond_wait(&jobs->work, &jobs->lock);
        if (jobs->queue_first == NULL)
            break;
        run_next(jobs);
    }
    lh_mutex_unlock(&jobs->lock);
}

lh_rc lh_jobs_open(lh_ctx *cx, const lh_jobs_options *opts, lh_jobs **ret_jobs)
{
    lh_assert(opts->threads > 0);
    lh_jobs *jobs = lh_alloc_zero(1, sizeof(*jobs));
    if (jobs == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the job registry");
    lh_mutex_init(&jobs->lock);
    lh_cond_init(&jobs->work);
    lh_cond_init(&jobs->changed);
    jobs->opts = *opts;
    jobs->threads = lh_alloc_zero(opts->threads, sizeof(*jobs->threads));
    lh_rc rc = jobs->threads != NULL ? LH_OK
                                     : lh_fail(cx, LH_E_NO_MEMORY, "no memory for the job threads");
    while (rc == LH_OK && jobs->threads_count < opts->threads) {
        char name[16];
        (void)snprintf(name, sizeof(name), "job-%u", jobs->threads_count % 1000);
        rc = lh_thread_start(cx, name, THREAD_STACK_BYTES, thread_main, jobs,
                             &jobs->threads[jobs->threads_count]);
        jobs->threads_count += rc == LH_OK;
    }
    if (rc != LH_OK) {
        lh_jobs_close(jobs);
        return rc;
    }
    *ret_jobs = jobs;
    return LH_OK;
}

/* Ends a job that never ran. The lock is open while its done function frees what it was given. */
static void end_queued(lh_jobs *jobs, lh_job *job)
{
    take_from_queue(jobs, job); /* its reference is now ours */
    end_job(job, LH_JOB_CANCELLED);
    lh_mutex_unlock(&jobs->lock);
    if (job->done_fn != NULL)
        job->done_fn(job->arg);
    lh_mutex_lock(&jobs->lock);
    lhi_job_unref(job);
}

lh_jobs *lh_jobs_close(lh_jobs *jobs)
{
    if (jobs == NULL)
        return NULL;
    lh_mutex_lock(&jobs->lock);
    jobs->stopping = 1;
    while (jobs->queue_first != NULL)
        end_queued(jobs, jobs->queue_first);
    for (lh_job *job = jobs->newest; job != NULL; job = job->older)
        lh_cancel_request(&job->cancel);
    lh_cond_broadcast(&jobs->work);
    lh_mutex_unlock(&jobs->lock);
    for (uint32_t i = 0; i < jobs->threads_count; i++)
        lh_thread_join(jobs->threads[i]);
    lh_free(jobs->threads);
    while (jobs->newest != NULL) {
        lh_job *job = jobs->newest;
        unlink_job(jobs, job);
        lhi_job_unref(job);
    }
    lh_cond_done(&jobs->changed);
    lh_cond_done(&jobs->work);
    lh_mutex_done(&jobs->lock);
    lh_free(jobs);
    return NULL;
}

static lh_rc make_job(lh_ctx *cx, lh_jobs *jobs, const lh_job_spec *spec, lh_job **ret_job)
{
    uint64_t random;
    LH_TRY(lh_random_bytes(cx, &random, sizeof(random)));
    lh_job *job = lh_alloc_zero(1, sizeof(*job));
    if (job == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a job");
    job->refs = 1;
    job->jobs = jobs;
    job->kind = heap_text(spec->kind);
    job->subject = heap_text(spec->subject);
    if (job->kind.ptr == NULL || job->subject.ptr == NULL) {
        lhi_job_unref(job);
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a job");
    }
    (void)snprintf(job->id, sizeof(job->id), "job-%016llx", (unsigned long long)random);
    job->run = spec->run;
    job->done_fn = spec->done;
    job->arg = spec->arg;
    job->principal = spec->principal;
    job->phase = job->unit = "";
    job->created_at = lh_clock_real_us();
    job->version = 1;
    *ret_job = job;
    return LH_OK;
}

lh_rc lh_jobs_start(lh_ctx *cx, lh_jobs *jobs, const lh_job_spec *spec, lh_str *ret_job_id)
{
    lh_job *job = NULL;
    LH_TRY(make_job(cx, jobs, spec, &job));
    lh_str id = lh_ctx_dup(cx, lh_str_from(job->id));
    LH_WITH_LOCK(&jobs->lock);
    lh_rc rc = id.ptr != NULL ? LH_OK : LH_E_NO_MEMORY;
    if (rc == LH_OK && jobs->stopping)
        rc = lh_fail(cx, LH_E_UNAVAILABLE, "the server is stopping");
    if (rc == LH_OK && jobs->queued >= jobs->opts.queued_max) {
        rc = lh_fail(cx, LH_E_POOL_FULL, "%u jobs are waiting already, limit %u", jobs->queued,
                     jobs->opts.queued_max);
        cx->err.retry_after_s = RETRY_AFTER_S;
    }
    if (rc != LH_OK) {
        lhi_job_unref(job);
        return rc;
    }
    link_newest(jobs, job);
    push_queue(jobs, lhi_job_ref(job));
    *ret_job_id = id;
    return LH_OK;
}

lh_rc lh_jobs_cancel(lh_ctx *cx, lh_jobs *jobs, lh_str job_id)
{
    LH_WITH_LOCK(&jobs->lock);
    lh_job *job = lhi_job_find(jobs, job_id);
    if (job == NULL)
        return lh_fail(cx, LH_E_NOT_FOUND, "no job '%.*s'", LH_STR_ARG(lh_str_sub(job_id, 0, 64)));
    if (lhi_job_ended(job))
        return lh_fail(cx, LH_E_CONFLICT, "the job has ended already");
    lh_cancel_request(&job->cancel);
    if (job->state == LH_JOB_QUEUED)
        end_queued(jobs, job);
    else
        tell(job);
    return LH_OK;
}

void lh_job_phase(lh_job *job, const char *phase, const char *unit, uint64_t total)
{
    LH_WITH_LOCK(&job->jobs->lock);
    job->phase = phase;
    job->unit = unit;
    job->total = total;
    job->done = 0;
    job->phase_began_us = lh_clock_mono_us();
    tell(job);
}

/* Every call counts as a change; waiters are woken at most 20 times a second, and look by
 * themselves as often. */
static void set_done(lh_job *job, uint64_t done)
{
    int64_t now_us = lh_clock_mono_us();
    job->done = done;
    job->version++;
    if (now_us - job->told_us >= PROGRESS_TELL_US) {
        job->told_us = now_us;
        lh_cond_broadcast(&job->jobs->changed);
    }
}

void lh_job_progress(lh_job *job, uint64_t done)
{
    LH_WITH_LOCK(&job->jobs->lock);
    set_done(job, done);
}

void lh_job_add(lh_job *job, uint64_t n)
{
    LH_WITH_LOCK(&job->jobs->lock);
    set_done(job, job->done + n);
}

void lh_job_result(lh_job *job, lh_str json)
{
    lh_str copy = heap_text(json);
    LH_WITH_LOCK(&job->jobs->lock);
    free_text(&job->result);
    job->result = copy;
    tell(job);
}

lh_str lh_job_id(const lh_job *job)
{
    return lh_str_from(job->id);
}
