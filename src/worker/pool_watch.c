/* pool_watch.c - the pool's own thread: starts the zygote, hears from it, kills what is too big,
 * too late or too idle.
 *
 * It is the only thread that reads the control socket and the only one that starts the zygote: the
 * kernel's parent-death signal fires when the starting THREAD ends, so that thread must live as
 * long as the pool. */
#include "worker/pool_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define SLEEP_MS_MAX 1000
#define CHECK_MS     (LHI_CHECK_US / 1000)
#define SPARE_KIND   LH_WORKER_SQL /* the kind whose first answer people wait for */

void lhi_watch_wake(lh_pool *pool)
{
    uint64_t one = 1;
    while (write(pool->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

/* ---------------------------------------------------------------- zygote */

#define ENV_COUNT_MAX 5

/* The zygote starts with an empty environment but for the choice of kernels, which must hold in
 * workers as well; instrumented builds hand on what steers the instruments. */
static void zygote_env(const char *ret_env[ENV_COUNT_MAX + 1])
{
    static const char *const names[] = {
#if defined(LH_FAULTS) && LH_FAULTS
        "ASAN_OPTIONS=",
        "LAKEHOUSE_FAULTS_OF_WORKERS=",
        "TSAN_OPTIONS=",
        "UBSAN_OPTIONS=",
#endif
        "LH_SIMD="
    };
    _Static_assert(LH_ARRAY_LEN(names) <= ENV_COUNT_MAX, "all of them may be set");
    size_t count = 0;
    for (char **entry = environ; *entry != NULL && count < ENV_COUNT_MAX; entry++)
        for (size_t i = 0; i < LH_ARRAY_LEN(names); i++)
            if (lh_str_starts(lh_str_from(*entry), lh_str_from(names[i])))
                ret_env[count++] = *entry;
    ret_env[count] = NULL;
}

/* Under the lock. The pair is there from the pool's birth, so that requests may be written before
 * the spawn. */
static lh_rc open_control(lh_ctx *cx, lh_pool *pool)
{
    if (pool->control >= 0)
        return LH_OK;
    int fds[2];
    LH_TRY(lh_socket_pair(cx, fds));
    pool->control = fds[0];
    pool->control_child = fds[1];
    pool->zygote_generation++;
    return LH_OK;
}

static void close_control(lh_pool *pool)
{
    lh_fd_close(pool->control);
    lh_fd_close(pool->control_child);
    pool->control = -1;
    pool->control_child = -1;
    pool->zygote_ready = 0;
}

static void note_zygote_error(lh_pool *pool, const lh_ctx *cx)
{
    size_t bytes = lh_utf8_cut(lh_str_from(cx->err.message), sizeof(pool->zygote_error) - 1);
    memcpy(pool->zygote_error, cx->err.message, bytes);
    pool->zygote_error[bytes] = '\0';
    pool->zygote_down = 1;
}

/* Under the lock: a spawn is short. */
static lh_rc spawn_zygote(lh_ctx *cx, lh_pool *pool)
{
    LH_TRY(open_control(cx, pool));
    const char *argv[] = {pool->worker_path, NULL};
    const char *env[ENV_COUNT_MAX + 1];
    zygote_env(env);
    lh_spawn_options spawn = {.path = pool->worker_path,
                              .argv = argv,
                              .env = env,
                              .fds = &pool->control_child,
                              .fds_count = 1,
                              .stderr_fd = -1};
    LH_TRY(lh_process_spawn(cx, &spawn, &pool->zygote));
    lh_fd_close(pool->control_child);
    pool->control_child = -1;
    pool->zygote_down = 0;
    return LH_OK;
}

/* All workers of a dead zygote are dead or about to be: the kernel sends them SIGKILL. */
static void bury_generation(lh_pool *pool)
{
    for (lhi_worker *w = pool->workers; w != NULL; w = w->next) {
        if (w->zygote_generation != pool->zygote_generation || w->exited)
            continue;
        if (w->process.pidfd >= 0)
            lh_process_kill(&w->process, SIGKILL);
        lhi_worker_exited(pool, w, -1);
    }
}

/* Under the lock. */
static void zygote_died(lh_ctx *cx, lh_pool *pool)
{
    if (pool->zygote.pidfd >= 0) {
        int status = 0;
        lh_process_kill(&pool->zygote, SIGKILL);
        LH_IGNORE(lh_process_wait(cx, &pool->zygote, &status));
        lh_process_close(&pool->zygote);
        if (!pool->closing)
            LH_LOG(cx, WORKER_CRASHED, LH_KS("kind", LH_S("zygote")), LH_KI("status", status));
        if (!pool->zygote_ready)
            for (int kind = 0; kind < LH_WORKER_KIND_COUNT; kind++)
                lhi_setup_failed(pool, (lh_worker_kind)kind);
    }
    close_control(pool);
    bury_generation(pool);
}

static lhi_worker *find_worker(lh_pool *pool, uint32_t id)
{
    for (lhi_worker *w = pool->workers; w != NULL; w = w->next)
        if (w->id == id)
            return w;
    return NULL;
}

/* Under the lock. Takes fd (-1 = none). */
static void take_message(lh_pool *pool, const lh_zygote_message *message, int fd)
{
    lhi_worker *worker = find_worker(pool, message->id);
    switch ((lh_zygote_op)message->op) {
    case LH_ZYGOTE_READY: pool->zygote_ready = 1; break;
    case LH_ZYGOTE_FORKED:
        if (worker == NULL || worker->process.pidfd >= 0)
            break;
        worker->process = (lh_process){.pid = message->pid, .pidfd = fd};
        fd = -1;
        if (worker->kill_wanted)
            lh_process_kill(&worker->process, SIGKILL);
        break;
    case LH_ZYGOTE_FAILED:
    case LH_ZYGOTE_EXITED:
        if (worker != NULL)
            lhi_worker_exited(pool, worker, message->op == LH_ZYGOTE_EXITED ? message->status : -1);
        break;
    case LH_ZYGOTE_FORK: break;
    }
    lh_fd_close(fd);
}

static void hear_zygote(lh_ctx *cx, lh_pool *pool)
{
    lh_zygote_message message;
    lh_received got;
    lh_rc rc = lh_socket_recv_fds(cx, pool->control, &message, sizeof(message), 1, &got);
    LH_WITH_LOCK(&pool->lock);
    if (rc != LH_OK || got.bytes == 0) {
        zygote_died(cx, pool);
        return;
    }
    take_message(pool, &message, got.fds_count > 0 ? got.fds[0] : -1);
}

/* ---------------------------------------------------------------- checks, all under the lock */

/* 1 when a busy worker has to be looked at again soon. */
static int check_busy(lh_pool *pool, int64_t now_us)
{
    int any = 0;
    for (lhi_worker *w = pool->workers; w != NULL; w = w->next) {
        if (w->state != LHI_WORKER_BUSY || w->exited)
            continue;
        any = 1;
        uint64_t limit = pool->kinds[w->kind].limits.memory_bytes;
        if (now_us > w->stuck_after_us)
            lhi_worker_kill(pool, w, LHI_KILL_STUCK);
        else if (limit > 0 && w->process.pid > 0 && lh_process_rss_bytes(w->process.pid) > limit)
            lhi_worker_kill(pool, w, LHI_KILL_MEMORY);
    }
    return any;
}

static void retire_idle(lh_pool *pool, int64_t now_us)
{
    for (lhi_worker *w = pool->workers; w != NULL; w = w->next) {
        const lhi_kind *k = &pool->kinds[w->kind];
        if (w->state == LHI_WORKER_IDLE && k->limits.idle_us > 0 && k->live > 1 &&
            now_us - w->idle_since_us > k->limits.idle_us)
            lhi_worker_kill(pool, w, LHI_KILL_RETIRED);
    }
}

/* Keeps one warm worker that nobody uses, while there is room for it. */
static void keep_spare(lh_ctx *cx, lh_pool *pool, int64_t now_us)
{
    const lhi_kind *k = &pool->kinds[SPARE_KIND];
    if (!pool->zygote_ready || k->live >= k->limits.workers_max || k->live > k->busy ||
        now_us < k->rests_until_us || k->limits.tasks_per_life == 1)
        return;
    lhi_worker *spare;
    LH_IGNORE(lhi_worker_start(cx, pool, SPARE_KIND, LH_STR_NONE,
                               &spare)); /* the next request reports why not */
}

/* One look around. *ret_sleep_ms: when to look again. */
static void check_all(lh_ctx *cx, lh_pool *pool, int64_t *zygote_next_us, int *ret_sleep_ms)
{
    LH_WITH_LOCK(&pool->lock);
    int64_t now_us = lh_clock_mono_us();
    if (pool->zygote.pidfd < 0 && !pool->closing && now_us >= *zygote_next_us) {
        *zygote_next_us = now_us + LHI_ZYGOTE_RESTART_US;
        if (spawn_zygote(cx, pool) != LH_OK) {
            note_zygote_error(pool, cx);
            close_control(pool);
            bury_generation(pool);
        }
    }
    int busy = check_busy(pool, now_us);
    retire_idle(pool, now_us);
    lhi_workers_sweep(pool);
    keep_spare(cx, pool, now_us);
    *ret_sleep_ms = busy ? CHECK_MS : SLEEP_MS_MAX;
    if (pool->zygote.pidfd < 0)
        *ret_sleep_ms = (int)LH_MAX((*zygote_next_us - now_us) / 1000, 1);
    pool->watcher_sleeps = !busy;
}

static int closing(lh_pool *pool)
{
    LH_WITH_LOCK(&pool->lock);
    return pool->closing && pool->leases == 0;
}

static void empty_wake(lh_pool *pool)
{
    uint64_t count;
    LH_IGNORE(read(pool->wake_fd, &count, sizeof(count))); /* one read empties it */
}

/* The end: everybody dies, nobody is waited for but the zygote. */
static void end_all(lh_ctx *cx, lh_pool *pool)
{
    LH_WITH_LOCK(&pool->lock);
    for (lhi_worker *w = pool->workers; w != NULL; w = w->next)
        lhi_worker_kill(pool, w, LHI_KILL_RETIRED);
    zygote_died(cx, pool);
    lhi_workers_sweep(pool);
}

void lhi_watch(void *arg)
{
    lh_pool *pool = arg;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(4 * 1024 * 1024);
    lh_assert(arena != NULL);
    int64_t zygote_next_us = 0;
    while (!closing(pool)) {
        lh_ctx cx;
        lh_arena_reset(arena);
        lh_ctx_init(&cx, arena);
        int sleep_ms;
        check_all(&cx, pool, &zygote_next_us, &sleep_ms);
        struct pollfd waits[2] = {{.fd = pool->wake_fd, .events = POLLIN},
                                  {.fd = pool->control, .events = POLLIN}}; /* -1 is skipped */
        if (poll(waits, 2, sleep_ms) < 0)
            continue;
        if (waits[0].revents != 0)
            empty_wake(pool);
        if (waits[1].revents != 0)
            hear_zygote(&cx, pool);
    }
    lh_ctx cx;
    lh_arena_reset(arena);
    lh_ctx_init(&cx, arena);
    end_all(&cx, pool);
}
