/* pool.c - birth, end and figures of the pool.
 *
 * Opening costs no process: the control socket's pair is made here, the watcher thread starts the
 * zygote, and requests that come before it is warm are written into the socket and answered
 * later. */
#include "worker/pool_private.h"

#include "base/clock.h"
#include "base/metric.h"
#include "os/file.h"

#include <sys/eventfd.h>

#define WATCHER_STACK_BYTES (512u * 1024u)
#define THREADS_MAX         16u /* per worker: more gains nothing against the coordination */
#define TEXTS_BYTES_MAX     (64u * 1024u)

static lh_rc copy_options(lh_ctx *cx, lh_pool *pool, const lh_pool_options *opts)
{
    pool->opts = *opts;
    const lh_str *from[] = {&opts->read_root, &opts->spill_dir, &opts->staging_dir,
                            &opts->model_path};
    lh_str *to[] = {&pool->opts.read_root, &pool->opts.spill_dir, &pool->opts.staging_dir,
                    &pool->opts.model_path};
    for (size_t i = 0; i < LH_ARRAY_LEN(from); i++) {
        char *text = lh_arena_alloc(pool->arena, from[i]->len + 1);
        if (text == NULL)
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the worker pool");
        if (from[i]->len > 0)
            memcpy(text, from[i]->ptr, from[i]->len);
        text[from[i]->len] = '\0';
        *to[i] = (lh_str){text, from[i]->len};
    }
    lh_str path = opts->worker_path;
    if (lh_str_empty(path)) {
        lh_str folder;
        LH_TRY(lh_program_dir(cx, &folder));
        path = lh_path_join(cx, folder, LH_S("lakehouse-worker"));
    }
    const char *c_path = lh_ctx_cstr(cx, path);
    if (c_path == NULL)
        return lh_fail(cx, LH_E_BAD_VALUE, "the path of lakehouse-worker cannot be used");
    pool->worker_path = lh_strdup(c_path);
    if (pool->worker_path == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the worker pool");
    pool->opts.worker_path = lh_str_from(pool->worker_path);
    return LH_OK;
}

/* Once per process: labels may not change under those who count. */
static void register_metrics(void)
{
    static atomic_flag registered = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&registered))
        return;
    static const lh_metric metrics[] = {LH_M_WORKERS_BUSY, LH_M_WORKERS_CRASHED,
                                        LH_M_WORKERS_KILLED, LH_M_WORKERS_STARTED,
                                        LH_M_WORKER_QUEUE};
    for (size_t i = 0; i < LH_ARRAY_LEN(metrics); i++)
        lh_metric_set_labels(metrics[i], lh_worker_kind_names, LH_WORKER_KIND_COUNT);
}

static lh_rc open_parts(lh_ctx *cx, lh_pool *pool, const lh_pool_options *opts)
{
    pool->arena = lh_arena_new(TEXTS_BYTES_MAX);
    if (pool->arena == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the worker pool");
    LH_TRY(copy_options(cx, pool, opts));
    pool->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pool->wake_fd < 0)
        return lh_fail(cx, LH_E_UNAVAILABLE, "no descriptor for the worker pool");
    int fds[2];
    LH_TRY(lh_socket_pair(cx, fds));
    pool->control = fds[0];
    pool->control_child = fds[1];
    pool->threads = LH_MIN(LH_MAX(lh_machine_cpus(), 1u), THREADS_MAX);
    for (int kind = 0; kind < LH_WORKER_KIND_COUNT; kind++) {
        pool->kinds[kind].limits = opts->kinds[kind];
        if (pool->kinds[kind].limits.workers_max == 0)
            pool->kinds[kind].limits.workers_max = 1;
    }
    return lh_thread_start(cx, "lh-pool", WATCHER_STACK_BYTES, lhi_watch, pool, &pool->watcher);
}

lh_rc lh_pool_open(lh_ctx *cx, const lh_pool_options *opts, lh_pool **ret_pool)
{
    lh_pool *pool = lh_alloc_zero(1, sizeof(*pool));
    if (pool == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the worker pool");
    lh_mutex_init(&pool->lock);
    lh_cond_init(&pool->changed);
    pool->zygote.pidfd = -1;
    pool->control = -1;
    pool->control_child = -1;
    pool->wake_fd = -1;
    pool->zygote_generation = 1;
    register_metrics();
    lh_rc rc = open_parts(cx, pool, opts);
    if (rc != LH_OK) {
        lh_pool_close(pool);
        return rc;
    }
    *ret_pool = pool;
    return LH_OK;
}

static uint32_t waiting(const lh_pool *pool)
{
    uint32_t count = 0;
    for (int kind = 0; kind < LH_WORKER_KIND_COUNT; kind++)
        count += pool->kinds[kind].queued;
    return count;
}

/* Leases that are out see their workers die and are given back by their threads. */
static void end_leases(lh_pool *pool)
{
    LH_WITH_LOCK(&pool->lock);
    pool->closing = 1;
    for (lhi_worker *w = pool->workers; w != NULL; w = w->next)
        lhi_worker_kill(pool, w, LHI_KILL_RETIRED);
    for (int kind = 0; kind < LH_WORKER_KIND_COUNT; kind++)
        lhi_queue_wake(pool, (lh_worker_kind)kind);
    while (pool->leases > 0 || waiting(pool) > 0)
        lh_cond_wait(&pool->changed, &pool->lock);
    lhi_watch_wake(pool);
}

lh_pool *lh_pool_close(lh_pool *pool)
{
    if (pool == NULL)
        return NULL;
    if (pool->watcher != NULL) {
        end_leases(pool);
        pool->watcher = lh_thread_join(pool->watcher);
    }
    lh_assert(pool->workers == NULL);
    lh_fd_close(pool->control);
    lh_fd_close(pool->control_child);
    lh_fd_close(pool->wake_fd);
    lh_free(pool->worker_path);
    lh_arena_free(pool->arena);
    lh_cond_done(&pool->changed);
    lh_mutex_done(&pool->lock);
    return lh_free(pool);
}

void lh_pool_get_stats(lh_pool *pool, lh_worker_kind kind, lh_pool_stats *ret_stats)
{
    LH_WITH_LOCK(&pool->lock);
    const lhi_kind *k = &pool->kinds[kind];
    *ret_stats = (lh_pool_stats){.workers = k->live,
                                 .busy = k->busy,
                                 .queued = k->queued,
                                 .started = k->started,
                                 .crashed = k->crashed,
                                 .killed = k->killed};
}

int lh_pool_ready(lh_pool *pool)
{
    LH_WITH_LOCK(&pool->lock);
    return pool->zygote_ready;
}
