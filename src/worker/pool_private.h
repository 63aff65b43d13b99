/* worker/pool_private.h - what the files of the pool share.
 *
 * Owns:    the pool owns its workers; a worker owns its channel and pidfd. A worker that is gone
 *          stays in the list until nobody holds it and its exit status is known (or its zygote is
 *          dead), then it is freed.
 * Threads: everything below pool->lock, except a held worker's channel, which belongs to the
 *          lease's thread.
 * Limits:  as lh_pool_options.
 * Formats: none.
 * Why:     pool.c (life), pool_worker.c (one worker), pool_lease.c (queue), pool_task.c (frames),
 *          pool_watch.c (thread). */
#ifndef LH_WORKER_POOL_PRIVATE_H
#define LH_WORKER_POOL_PRIVATE_H

#include "os/process.h"
#include "os/thread.h"
#include "worker/pool.h"
#include "worker/zygote.h"

#define LHI_GRACE_US_DEFAULT   500000
#define LHI_SETUP_US_MAX       20000000 /* fork to READY; sanitized builds are slow */
#define LHI_SETUP_FAILURES_MAX 5        /* in a row, then the kind rests */
#define LHI_REST_US            5000000
#define LHI_EXIT_WAIT_US       500000 /* for the exit status of a worker whose socket closed */
#define LHI_CHECK_US           20000  /* how often busy workers' memory is looked at */
/* Of its memory, what a worker may keep between tasks: above the engine's own share of 60, whose
 * cache gives way to the next statement. */
#define LHI_KEPT_PERCENT_MAX  75
#define LHI_CONTROL_US_MAX    1000000
#define LHI_ZYGOTE_RESTART_US 1000000 /* between attempts to start a zygote that does not start */

#define LHI_READY_BYTES_MAX   1024

typedef enum lhi_worker_state {
    LHI_WORKER_IDLE, /* nobody holds it */
    LHI_WORKER_BUSY, /* lent */
    LHI_WORKER_GONE  /* dead or told to die; does not count as a worker any more */
} lhi_worker_state;

typedef enum lhi_kill_reason {
    LHI_KILL_NONE,
    LHI_KILL_RETIRED, /* idle too long, enough tasks, evicted, pool closes */
    LHI_KILL_STUCK,   /* did not obey a cancel in time */
    LHI_KILL_MEMORY,
    LHI_KILL_PROTOCOL
} lhi_kill_reason;

typedef struct lhi_worker {
    struct lhi_worker *next;
    lh_worker_kind kind;
    lhi_worker_state state;
    lhi_kill_reason reason;
    uint32_t id;
    uint32_t zygote_generation;
    lh_str domain; /* owned text; empty: a spare that has served nobody */
    lh_channel *channel;
    lh_process process; /* pid 0, pidfd -1 until the zygote answered */
    int held;           /* a lease points here */
    int ready;          /* READY was read */
    char
        ready_text[LHI_READY_BYTES_MAX]; /* its payload, cut at the limit: then it parses no more */
    size_t ready_bytes;
    int kill_wanted; /* before there was a pidfd */
    int exited;
    int status; /* as waitpid's; -1 = unknown */
    uint32_t tasks;
    uint64_t sequence;
    int64_t idle_since_us;
    int64_t stuck_after_us; /* busy beyond this: killed by the watcher */
} lhi_worker;

typedef struct lhi_waiter {
    struct lhi_waiter *next;
    lh_cond turn;
} lhi_waiter;

typedef struct lhi_kind {
    lh_worker_limits limits;
    uint32_t live; /* idle and busy */
    uint32_t busy;
    uint32_t queued;
    lhi_waiter *queue; /* first in line; only it may claim */
    uint32_t setup_failures;
    int64_t rests_until_us;
    uint64_t started;
    uint64_t crashed;
    uint64_t killed;
} lhi_kind;

struct lh_pool {
    lh_mutex lock;
    lh_cond changed; /* a worker exited, a lease ended */
    lh_arena *arena; /* texts of the options */
    lh_pool_options opts;
    char *worker_path;
    lhi_kind kinds[LH_WORKER_KIND_COUNT];
    lhi_worker *workers;
    uint32_t leases;
    uint32_t id_last;
    uint32_t threads; /* per worker */
    int closing;

    lh_process zygote; /* of the watcher's thread */
    int control;       /* our end; -1 = none */
    int control_child; /* the zygote's end until it is spawned; -1 = none */
    uint32_t zygote_generation;
    int zygote_ready;
    int zygote_down; /* it could not be started */
    char zygote_error[256];

    lh_thread *watcher;
    int wake_fd;
    int watcher_sleeps; /* it looks at no clock until woken */
};

struct lh_lease {
    lh_pool *pool;
    lhi_worker *worker;
    uint64_t sequence;
    int in_task;
    int lost; /* the worker is gone or must go */
};

/* pool_worker.c; all under pool->lock. */
LH_WARN_UNUSED lh_rc lhi_worker_start(lh_ctx *cx, lh_pool *pool, lh_worker_kind kind, lh_str domain,
                                      lhi_worker **ret_worker);
/* It stops counting; LHI_KILL_NONE: it is dead already. */
void lhi_worker_kill(lh_pool *pool, lhi_worker *worker, lhi_kill_reason reason);
void lhi_worker_exited(lh_pool *pool, lhi_worker *worker, int status); /* -1: how is not known */
int lhi_worker_alive(const lhi_worker *worker);
/* Frees gone workers that nobody holds and whose end is known. Their spill folders go too. */
void lhi_workers_sweep(lh_pool *pool);
void lhi_setup_failed(lh_pool *pool, lh_worker_kind kind);

/* pool_lease.c, under pool->lock: tells the first waiter to try. */
void lhi_queue_wake(lh_pool *pool, lh_worker_kind kind);

/* pool_task.c, without the lock: why the lease's worker is gone, as an error in cx. */
LH_COLD lh_rc lhi_lease_explain_death(lh_ctx *cx, lh_lease *lease);
/* Stops the running task: 1 = the worker is free again, 0 = it had to be killed. Takes at most the
 * grace. */
int lhi_lease_stop_task(lh_lease *lease, lh_arena *arena);
/* An ERROR frame's payload into cx; its code. */
LH_COLD lh_rc lhi_error_from_frame(lh_ctx *cx, lh_str payload);

/* pool_watch.c */
void lhi_watch(void *pool);
void lhi_watch_wake(lh_pool *pool);

#endif
