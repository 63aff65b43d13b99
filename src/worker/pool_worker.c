/* pool_worker.c - one worker: started, killed, buried.
 *
 * Starting never waits: the socket pair is made first, SETUP is written into it and the other end
 * is given to the zygote, which may not even be warm yet. Whoever needs the worker waits for READY
 * later, with its own deadline. Killing is always SIGKILL by pidfd: a worker keeps nothing worth
 * saving, and what it spilled is removed after it is gone. */
#include "worker/pool_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "os/file.h"

#include <poll.h>
#include <signal.h>

static lh_rc write_setup(lh_ctx *cx, lh_pool *pool, lhi_worker *worker)
{
    lh_setup_message setup = {
        .kind = lh_str_from(lh_worker_kind_names[worker->kind]),
        .domain = worker->domain,
        .read_root = pool->opts.read_root,
        .spill_dir = pool->opts.spill_dir,
        .staging_dir = pool->opts.staging_dir,
        .model_path = pool->opts.model_path,
        .memory_bytes = pool->kinds[worker->kind].limits.memory_bytes,
        .threads = pool->threads,
        .background = pool->kinds[worker->kind].limits.background,
    };
    LH_CLEANUP(lh_buf_done) lh_buf json = {0};
    lh_buf_init(&json, LH_FRAME_BYTES_MAX);
    LH_TRY(lh_record_append(cx, &lh_setup_record, &setup, &json));
    return lh_channel_write(cx, worker->channel, LH_FRAME_SETUP, 0, lh_buf_str(&json));
}

static lh_rc ask_zygote(lh_ctx *cx, lh_pool *pool, lhi_worker *worker, int child_socket)
{
    lh_zygote_message message = {.op = LH_ZYGOTE_FORK, .id = worker->id};
    return lh_socket_send_fds(cx, pool->control, lh_str_n(&message, sizeof(message)), &child_socket,
                              1);
}

static lhi_worker *worker_free(lhi_worker *worker)
{
    lh_channel_close(worker->channel);
    lh_process_close(&worker->process);
    lh_free((void *)(uintptr_t)worker->domain.ptr);
    return lh_free(worker);
}

static lhi_worker *worker_new(lh_pool *pool, lh_worker_kind kind, lh_str domain)
{
    lhi_worker *worker = lh_alloc_zero(1, sizeof(*worker));
    char *text = lh_alloc(domain.len + 1);
    if (worker == NULL || text == NULL) {
        lh_free(worker);
        lh_free(text);
        return NULL;
    }
    if (domain.len > 0)
        memcpy(text, domain.ptr, domain.len);
    *worker = (lhi_worker){.kind = kind,
                           .id = ++pool->id_last,
                           .zygote_generation = pool->zygote_generation,
                           .domain = {text, domain.len},
                           .process = {.pidfd = -1},
                           .status = -1,
                           .stuck_after_us = LH_NO_DEADLINE,
                           .idle_since_us = lh_clock_mono_us()};
    return worker;
}

static lh_rc connect_worker(lh_ctx *cx, lh_pool *pool, lhi_worker *worker)
{
    int fds[2];
    LH_TRY(lh_socket_pair(cx, fds));
    lh_rc rc = lh_channel_open(cx, fds[0], &worker->channel);
    if (rc != LH_OK)
        lh_fd_close(fds[0]);
    if (rc == LH_OK)
        rc = write_setup(cx, pool, worker);
    if (rc == LH_OK)
        rc = ask_zygote(cx, pool, worker, fds[1]);
    lh_fd_close(fds[1]); /* the zygote has its copy */
    return rc;
}

lh_rc lhi_worker_start(lh_ctx *cx, lh_pool *pool, lh_worker_kind kind, lh_str domain,
                       lhi_worker **ret_worker)
{
    if (pool->control < 0) {
        LH_IGNORE(lh_fail(cx, LH_E_UNAVAILABLE, "the worker program does not start: %s",
                          pool->zygote_error));
        return lh_err_hint(cx, "Run `lakehouse doctor`.");
    }
    lhi_worker *worker = worker_new(pool, kind, domain);
    if (worker == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a worker");
    int64_t deadline_us =
        cx->deadline_us; /* both writes go into empty socket buffers: this is a safety net */
    cx->deadline_us = LH_MIN(deadline_us, lh_clock_mono_us() + LHI_CONTROL_US_MAX);
    lh_rc rc = connect_worker(cx, pool, worker);
    cx->deadline_us = deadline_us;
    if (rc != LH_OK) {
        worker_free(worker);
        return rc;
    }
    worker->next = pool->workers;
    pool->workers = worker;
    pool->kinds[kind].live++;
    pool->kinds[kind].started++;
    lh_metric_add_label(LH_M_WORKERS_STARTED, (size_t)kind, 1);
    LH_LOG(cx, WORKER_STARTED, LH_KS("kind", lh_str_from(lh_worker_kind_names[kind])),
           LH_KI("worker", worker->id));
    *ret_worker = worker;
    return LH_OK;
}

static const char *reason_text(lhi_kill_reason reason)
{
    switch (reason) {
    case LHI_KILL_NONE:
    case LHI_KILL_RETIRED: return "retired";
    case LHI_KILL_STUCK: return "did not stop in time";
    case LHI_KILL_MEMORY: return "over its memory limit";
    case LHI_KILL_PROTOCOL: return "broke the protocol";
    }
    return "";
}

/* The worker stops counting, whoever waits may start another. */
static void leave(lh_pool *pool, lhi_worker *worker)
{
    if (worker->state == LHI_WORKER_GONE)
        return;
    worker->state = LHI_WORKER_GONE;
    pool->kinds[worker->kind].live--;
    lhi_queue_wake(pool, worker->kind);
}

void lhi_worker_kill(lh_pool *pool, lhi_worker *worker, lhi_kill_reason reason)
{
    leave(pool, worker);
    if (reason == LHI_KILL_NONE || worker->reason != LHI_KILL_NONE || worker->exited)
        return;
    worker->reason = reason;
    if (worker->process.pidfd >= 0)
        lh_process_kill(&worker->process, SIGKILL);
    else
        worker->kill_wanted = 1;
    if (reason == LHI_KILL_RETIRED)
        return;
    pool->kinds[worker->kind].killed++;
    lh_metric_add_label(LH_M_WORKERS_KILLED, (size_t)worker->kind, 1);
    LH_LOG(NULL, WORKER_KILLED, LH_KS("kind", lh_str_from(lh_worker_kind_names[worker->kind])),
           LH_KI("worker", worker->id), LH_KI("pid", worker->process.pid),
           LH_KS("why", lh_str_from(reason_text(reason))));
}

void lhi_setup_failed(lh_pool *pool, lh_worker_kind kind)
{
    lhi_kind *k = &pool->kinds[kind];
    k->setup_failures++;
    if (k->setup_failures >= LHI_SETUP_FAILURES_MAX)
        k->rests_until_us = lh_clock_mono_us() + LHI_REST_US;
}

void lhi_worker_exited(lh_pool *pool, lhi_worker *worker, int status)
{
    if (worker->exited)
        return;
    worker->exited = 1;
    worker->status = status;
    if (worker->reason == LHI_KILL_NONE) {
        pool->kinds[worker->kind].crashed++;
        lh_metric_add_label(LH_M_WORKERS_CRASHED, (size_t)worker->kind, 1);
        LH_LOG(NULL, WORKER_CRASHED, LH_KS("kind", lh_str_from(lh_worker_kind_names[worker->kind])),
               LH_KI("worker", worker->id), LH_KI("pid", worker->process.pid),
               LH_KI("status", status));
        if (!worker->held && !worker->ready)
            lhi_setup_failed(
                pool, worker->kind); /* a spare that never got there; leases count their own */
    }
    if (!worker->held)
        leave(pool, worker);
    lh_cond_broadcast(&pool->changed);
}

int lhi_worker_alive(const lhi_worker *worker)
{
    if (worker->exited)
        return 0;
    if (worker->process.pidfd < 0)
        return 1; /* not forked yet */
    struct pollfd ended = {.fd = worker->process.pidfd, .events = POLLIN};
    return poll(&ended, 1, 0) <= 0;
}

static void remove_spill(lh_pool *pool, const lhi_worker *worker)
{
    if (lh_str_empty(pool->opts.spill_dir) || worker->process.pid <= 0)
        return;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(1024 * 1024);
    if (arena == NULL)
        return;
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_str name = lh_ctx_fmt(&cx, "w%d", (int)worker->process.pid);
    lh_str path = lh_path_join(&cx, pool->opts.spill_dir, name);
    LH_IGNORE(lh_dir_remove_all(&cx, path)); /* left-overs are removed at the next start as well */
}

void lhi_workers_sweep(lh_pool *pool)
{
    lhi_worker **link = &pool->workers;
    while (*link != NULL) {
        lhi_worker *worker = *link;
        if (worker->state != LHI_WORKER_GONE || worker->held || !worker->exited) {
            link = &worker->next;
            continue;
        }
        *link = worker->next;
        remove_spill(pool, worker);
        worker_free(worker);
    }
}
