/* jobs/jobs.h - background work that somebody can watch, wait for and cancel.
 *
 * Owns:    the registry owns its jobs; a job's function runs on a job thread with a context of its
 *          own.
 * Threads: all functions from any thread; a job's progress is set by its own thread.
 * Limits:  jobs running at once and jobs remembered after the end come from options; a full queue
 *          is LH_E_POOL_FULL.
 * Formats: the Job record (surface.md).
 * Why:     one job object for ingest, index builds and whatever comes: polling, SSE and cancel for
 *          all. */
#ifndef LH_JOBS_JOBS_H
#define LH_JOBS_JOBS_H

#include "base/ctx.h"
#include "base/record.h"

typedef struct lh_jobs lh_jobs;
typedef struct lh_job lh_job;

typedef enum lh_job_state {
    LH_JOB_QUEUED,
    LH_JOB_RUNNING,
    LH_JOB_DONE,
    LH_JOB_FAILED,
    LH_JOB_CANCELLED
} lh_job_state;

/* A copy of what is known now; texts in the arena of the caller's context. */
typedef struct lh_job_view {
    lh_str job_id; /* "job-<16 hex>" */
    lh_str kind;   /* "ingest", "index" */
    int state;     /* lh_job_state */
    lh_str phase;
    lh_str subject; /* dataset or index */
    uint64_t done;
    uint64_t total; /* 0 = not known */
    lh_str unit;    /* "rows", "bytes", "chunks" */
    double rate;    /* units per second, since the phase began */
    int64_t eta_ms; /* -1 = not known */
    int64_t created_at;
    int64_t started_at;
    int64_t ended_at;
    lh_str error;     /* JSON of the error shape; empty = none */
    lh_str result;    /* JSON of the kind's own record; empty = none */
    uint64_t version; /* grows with every change */
} lh_job_view;
extern const lh_record lh_job_record; /* of lh_job_view */

typedef struct lh_jobs_options {
    uint32_t threads; /* jobs running at once */
    uint32_t queued_max;
    uint32_t remembered_max; /* ended jobs kept for GET */
} lh_jobs_options;
LH_WARN_UNUSED lh_rc lh_jobs_open(lh_ctx *cx, const lh_jobs_options *opts, lh_jobs **ret_jobs);
/* Cancels everything, waits for the running ones, joins. */
lh_jobs *lh_jobs_close(lh_jobs *jobs);

typedef struct lh_job_spec {
    lh_str kind;    /* copied */
    lh_str subject; /* copied */
    /* Runs on a job thread. cx has the job's cancel flag and a fresh arena. Its error becomes the
     * job's error. */
    lh_rc (*run)(lh_ctx *cx, lh_job *job, void *arg);
    /* frees arg; always called once, after run or when run never came; may be NULL */
    void (*done)(void *arg);
    void *arg;
    const struct lh_principal *principal; /* must outlive the job */
} lh_job_spec;
/* On success the registry has taken arg. On failure arg is still the caller's. */
LH_WARN_UNUSED lh_rc lh_jobs_start(lh_ctx *cx, lh_jobs *jobs, const lh_job_spec *spec,
                                   lh_str *ret_job_id);

/* From the job's thread. */
/* static texts; resets done */
void lh_job_phase(lh_job *job, const char *phase, const char *unit, uint64_t total);
void lh_job_progress(lh_job *job, uint64_t done);
void lh_job_add(lh_job *job, uint64_t n);
void lh_job_result(lh_job *job, lh_str json); /* copied */
lh_str lh_job_id(const lh_job *job);          /* borrowed while it runs */

/* LH_E_NOT_FOUND */
LH_WARN_UNUSED lh_rc lh_jobs_get(lh_ctx *cx, lh_jobs *jobs, lh_str job_id, lh_job_view *ret_view);
typedef struct lh_jobs_query {
    lh_str kind;  /* empty = all */
    lh_str after; /* job_id of the last page's last; empty = from the start */
    size_t limit; /* 0 = all */
} lh_jobs_query;
typedef struct lh_jobs_page {
    lh_job_view *views; /* arena; newest first */
    size_t count;
    int more;
} lh_jobs_page;
LH_WARN_UNUSED lh_rc lh_jobs_list(lh_ctx *cx, lh_jobs *jobs, const lh_jobs_query *query,
                                  lh_jobs_page *ret_page);
/* ended already: LH_E_CONFLICT */
LH_WARN_UNUSED lh_rc lh_jobs_cancel(lh_ctx *cx, lh_jobs *jobs, lh_str job_id);
/* Says the error of a failed or cancelled job in cx and returns its code; LH_E_CANCELLED when it
 * says nothing more. */
LH_COLD lh_rc lh_job_view_error(lh_ctx *cx, const lh_job_view *view);
/* Waits until the job's version is above seen_version, or it ended, or cx's deadline/cancel
 * (LH_E_DEADLINE...). */
LH_WARN_UNUSED lh_rc lh_jobs_wait(lh_ctx *cx, lh_jobs *jobs, lh_str job_id, uint64_t seen_version,
                                  lh_job_view *ret_view);
/* Waits for the end at most wait_ms; *ret_view is what is known then (state tells). */
LH_WARN_UNUSED lh_rc lh_jobs_wait_end(lh_ctx *cx, lh_jobs *jobs, lh_str job_id, int64_t wait_ms,
                                      lh_job_view *ret_view);

#endif
