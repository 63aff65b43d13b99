/* jobs/jobs_private.h - the registry's insides, shared by its files.
 *
 * Owns:    the registry holds one reference to each job it remembers; a running thread and every
 *          waiter hold one more.
 * Threads: everything under `lock`, except a job's cancel flag and what its header comments say.
 * Limits:  jobs.h.
 * Formats: none.
 * Why:     a job may be forgotten while somebody still waits for it. */
#ifndef LH_JOBS_PRIVATE_H
#define LH_JOBS_PRIVATE_H

#include "jobs/jobs.h"
#include "os/thread.h"

enum { LHI_JOB_ID_BYTES = 21 }; /* "job-" + 16 hex + NUL */

struct lh_job {
    lh_jobs *jobs; /* borrowed: outlives the job */
    lh_job *newer; /* all jobs, newest first */
    lh_job *older;
    lh_job *next_queued;
    uint32_t refs;
    char id[LHI_JOB_ID_BYTES];
    lh_str kind;    /* heap */
    lh_str subject; /* heap */
    lh_rc (*run)(lh_ctx *cx, lh_job *job, void *arg);
    void (*done_fn)(void *arg);
    void *arg;
    const struct lh_principal *principal;
    lh_cancel cancel;

    lh_job_state state;
    const char *phase; /* static */
    const char *unit;  /* static */
    uint64_t done;
    uint64_t total;
    int64_t phase_began_us; /* monotonic */
    int64_t phase_ended_us; /* monotonic; 0 = goes on */
    int64_t created_at;     /* real */
    int64_t started_at;
    int64_t ended_at;
    lh_str error;  /* heap JSON */
    lh_str result; /* heap JSON */
    uint64_t version;
    int64_t told_us; /* when waiters were last woken for progress */
};

struct lh_jobs {
    lh_mutex lock;
    lh_cond work;    /* something is queued, or the end */
    lh_cond changed; /* a job changed */
    lh_job *newest;
    lh_job *oldest;
    lh_job *queue_first;
    lh_job *queue_last;
    uint32_t queued;
    uint32_t running;
    uint32_t ended;
    lh_jobs_options opts;
    int stopping;
    lh_thread **threads; /* heap */
    uint32_t threads_count;
};

/* Under the lock. */
lh_job *lhi_job_find(const lh_jobs *jobs, lh_str job_id); /* NULL when not known */
lh_job *lhi_job_ref(lh_job *job);
void lhi_job_unref(lh_job *job);
int lhi_job_ended(const lh_job *job);
LH_WARN_UNUSED lh_rc lhi_job_view(lh_ctx *cx, const lh_job *job, lh_job_view *ret_view);

#endif
