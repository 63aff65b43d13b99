/* worker/pool.h - sandboxed worker processes, forked from a warmed zygote, lent to one request at a
 * time.
 *
 * Owns:    the zygote (one `lakehouse-worker` process with one thread that has loaded DuckDB), all
 *          workers, their queues.
 * Threads: all functions from any thread; a lease belongs to one thread.
 * Limits:  per kind: workers, waiting requests (full = LH_E_POOL_FULL with Retry-After), memory,
 *          idle time, tasks per life.
 * Formats: worker/protocol.h.
 * Why:     11 ms from fork to first answer and 3 MB private memory, against 23-28 ms and 20 MB for
 *          exec (duckdb.md 0).
 *
 * Life of a request: lease -> write TASK -> read frames -> release. A deadline or cancel of the
 * lease's context sends CANCEL, waits grace, then SIGKILL. A worker that died, was killed or broke
 * the protocol is replaced by a fresh one. */
#ifndef LH_WORKER_POOL_H
#define LH_WORKER_POOL_H

#include "worker/messages.h"
#include "worker/protocol.h"

typedef enum lh_worker_kind {
    LH_WORKER_SQL,
    LH_WORKER_INGEST,
    LH_WORKER_EMBED,
    LH_WORKER_EMBED_BULK, /* the same program behind a queue of its own: jobs, not people, wait */
    LH_WORKER_INDEX,      /* builds one vector segment a task */
    LH_WORKER_KIND_COUNT
} lh_worker_kind;
extern const char *const lh_worker_kind_names[]; /* "sql", "ingest", "embed", ..., NULL */

typedef struct lh_worker_limits {
    uint32_t workers_max;
    uint32_t queue_max;
    uint32_t tasks_per_life; /* 0 = no limit; 1 = a fresh process for every task (ingest) */
    /* watched RSS in all builds; in release builds RLIMIT_AS is half as much again. 0 = no limit */
    uint64_t memory_bytes;
    int64_t idle_us; /* an idle worker beyond the first ends after so long */
    bool background; /* its processes run only while nobody else wants the processor */
} lh_worker_limits;

typedef struct lh_pool lh_pool;
typedef struct lh_pool_options {
    lh_str worker_path; /* of lakehouse-worker; empty = beside the running program */
    lh_worker_limits kinds[LH_WORKER_KIND_COUNT];
    int64_t grace_us;   /* between CANCEL and SIGKILL; 0 = 500 ms */
    lh_str read_root;   /* folder sql and ingest workers may read (bucket root) */
    lh_str spill_dir;   /* folder workers may write: spill */
    lh_str staging_dir; /* folder ingest workers may write their results to */
    lh_str model_path;  /* packed model file of embed workers; may be empty */
} lh_pool_options;
/* Returns at once; the zygote warms up beside. Texts are copied. */
LH_WARN_UNUSED lh_rc lh_pool_open(lh_ctx *cx, const lh_pool_options *opts, lh_pool **ret_pool);
lh_pool *lh_pool_close(lh_pool *pool); /* kills what is left */

typedef struct lh_lease lh_lease;
/* A worker of that kind bound to that security domain (an opaque name: role + policy version; a
 * worker never changes its domain). Waits in the queue until cx's deadline. Errors: LH_E_POOL_FULL,
 * LH_E_DEADLINE, LH_E_CANCELLED, LH_E_UNAVAILABLE. */
LH_WARN_UNUSED lh_rc lh_pool_lease(lh_ctx *cx, lh_pool *pool, lh_worker_kind kind, lh_str domain,
                                   lh_lease **ret_lease);
/* Payload of the worker's READY (embed: lh_model_message). Borrowed until release. */
lh_str lh_lease_ready(const lh_lease *lease);
/* Task record as JSON, with descriptors (the caller keeps and closes its own copies). */
LH_WARN_UNUSED lh_rc lh_lease_task(lh_ctx *cx, lh_lease *lease, lh_str task_json, const int *fds,
                                   size_t fds_count);
LH_WARN_UNUSED lh_rc lh_lease_task_record(lh_ctx *cx, lh_lease *lease, const lh_record *record,
                                          const void *task, const int *fds, size_t fds_count);
LH_WARN_UNUSED lh_rc lh_lease_write(lh_ctx *cx, lh_lease *lease, lh_frame_kind kind,
                                    lh_str payload); /* GIVE, DATA */
/* The next frame of this task. ERROR frames become cx->err and their rc (a worker's code is checked
 * against the table). Deadline, cancel, crash, memory: LH_E_DEADLINE, LH_E_CANCELLED,
 * LH_E_WORKER_CRASHED, LH_E_MEMORY_LIMIT; the worker is then gone. */
LH_WARN_UNUSED lh_rc lh_lease_read(lh_ctx *cx, lh_lease *lease, lh_frame *ret_frame);
/* The end of a task that sends nothing but progress, which is dropped: its DONE as a record. */
LH_WARN_UNUSED lh_rc lh_lease_done(lh_ctx *cx, lh_lease *lease, const lh_record *record,
                                   void *ret_done);
/* Gives the worker back; one in the middle of a task is cancelled or killed first. NULL ok; returns
 * NULL. */
lh_lease *lh_lease_release(lh_lease *lease);
LH_DEFINE_CLEANUP(lh_lease, lh_lease_release)

typedef struct lh_pool_stats {
    uint32_t workers;
    uint32_t busy;
    uint32_t queued;
    uint64_t started;
    uint64_t crashed;
    uint64_t killed;
} lh_pool_stats;
void lh_pool_get_stats(lh_pool *pool, lh_worker_kind kind, lh_pool_stats *ret_stats);
int lh_pool_ready(lh_pool *pool); /* the zygote answered */

#endif
