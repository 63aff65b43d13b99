/* pool_lease.c - who gets which worker, and in which order.
 *
 * First come, first served per kind: while somebody waits, nobody else may claim, and only the
 * first in line claims. Claiming prefers an idle worker of the same domain, then an unused spare,
 * then a new process, then the place of the domain that has been idle longest. Waiting is in
 * slices, because a cancel flag has nobody to signal a condition. */
#include "worker/pool_private.h"

#include "base/clock.h"
#include "base/metric.h"

#define WAIT_SLICE_US    20000
#define DOMAIN_BYTES_MAX 4096
#define SETUP_ATTEMPTS                                                                             \
    2 /* a zygote that died takes unborn workers with it; that is not the request's fault */

void lhi_queue_wake(lh_pool *pool, lh_worker_kind kind)
{
    if (pool->kinds[kind].queue != NULL)
        lh_cond_signal(&pool->kinds[kind].queue->turn);
}

/* ---------------------------------------------------------------- claim */

/* A spare belongs to whom it is lent first. */
static lh_rc adopt(lh_ctx *cx, lhi_worker *worker, lh_str domain)
{
    if (lh_str_eq(worker->domain, domain))
        return LH_OK;
    lh_assert(lh_str_empty(worker->domain));
    char *text = lh_alloc(domain.len + 1);
    if (text == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a worker's domain");
    memcpy(text, domain.ptr, domain.len);
    lh_free((void *)(uintptr_t)worker->domain.ptr);
    worker->domain = (lh_str){text, domain.len};
    return LH_OK;
}

typedef struct idle_choice {
    lhi_worker *same;  /* of the domain: the one used last, its caches are warm */
    lhi_worker *spare; /* of no domain yet */
    lhi_worker *other; /* of another domain: the one idle longest */
} idle_choice;

static idle_choice look_at_idle(lh_pool *pool, lh_worker_kind kind, lh_str domain)
{
    idle_choice found = {0};
    for (lhi_worker *w = pool->workers, *next; w != NULL; w = next) {
        next = w->next;
        if (w->kind != kind || w->state != LHI_WORKER_IDLE)
            continue;
        if (!lhi_worker_alive(w)) {
            lhi_worker_kill(pool, w, LHI_KILL_NONE); /* its exit is on the way to the watcher */
        } else if (lh_str_eq(w->domain, domain)) {
            if (found.same == NULL || w->idle_since_us > found.same->idle_since_us)
                found.same = w;
        } else if (lh_str_empty(w->domain)) {
            if (found.spare == NULL || w->ready > found.spare->ready)
                found.spare = w;
        } else if (found.other == NULL || w->idle_since_us < found.other->idle_since_us) {
            found.other = w;
        }
    }
    return found;
}

/* *ret_worker NULL: all are busy. */
static lh_rc claim(lh_ctx *cx, lh_pool *pool, lh_worker_kind kind, lh_str domain,
                   lhi_worker **ret_worker)
{
    lhi_kind *k = &pool->kinds[kind];
    idle_choice idle = look_at_idle(pool, kind, domain);
    lhi_worker *worker = idle.same != NULL ? idle.same : idle.spare;
    *ret_worker = NULL;
    if (worker == NULL && k->live >= k->limits.workers_max && idle.other != NULL)
        lhi_worker_kill(pool, idle.other, LHI_KILL_RETIRED);
    if (worker == NULL && k->live >= k->limits.workers_max)
        return LH_OK;
    if (worker == NULL)
        LH_TRY(lhi_worker_start(cx, pool, kind, domain, &worker));
    else
        LH_TRY(adopt(cx, worker, domain));
    worker->state = LHI_WORKER_BUSY;
    worker->held = 1;
    k->busy++;
    lh_metric_add_label(LH_M_WORKERS_BUSY, (size_t)kind, 1);
    *ret_worker = worker;
    return LH_OK;
}

/* ---------------------------------------------------------------- queue */

static lh_rc fail_full(lh_ctx *cx, const lhi_kind *k, lh_worker_kind kind)
{
    LH_IGNORE(lh_fail(cx, LH_E_POOL_FULL, "%u %s workers are busy and %u requests wait, the limit",
                      k->busy, lh_worker_kind_names[kind], k->queued));
    cx->err.retry_after_s = 1;
    return LH_E_POOL_FULL;
}

static lh_rc fail_resting(lh_ctx *cx, const lhi_kind *k, lh_worker_kind kind, int64_t now_us)
{
    LH_IGNORE(lh_fail(cx, LH_E_UNAVAILABLE, "%s workers failed %u times in a row as they started",
                      lh_worker_kind_names[kind], k->setup_failures));
    cx->err.retry_after_s = (int)((k->rests_until_us - now_us) / 1000000) + 1;
    return lh_err_hint(cx, "Run `lakehouse doctor`; the server's log has the first failure.");
}

static lh_rc check_open(lh_ctx *cx, lh_pool *pool, lh_worker_kind kind)
{
    const lhi_kind *k = &pool->kinds[kind];
    int64_t now_us = lh_clock_mono_us();
    if (pool->closing)
        return lh_fail(cx, LH_E_UNAVAILABLE, "the server is shutting down");
    if (now_us < k->rests_until_us)
        return fail_resting(cx, k, kind, now_us);
    return LH_OK;
}

static void enqueue(lhi_kind *k, lhi_waiter *waiter)
{
    lhi_waiter **link = &k->queue;
    while (*link != NULL)
        link = &(*link)->next;
    *link = waiter;
    k->queued++;
}

static void dequeue(lhi_kind *k, lhi_waiter *waiter)
{
    lhi_waiter **link = &k->queue;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
    k->queued--;
}

/* Under the lock, which the wait gives up meanwhile. */
static lh_rc wait_in_line(lh_ctx *cx, lh_pool *pool, lh_worker_kind kind, lh_str domain,
                          lhi_worker **ret_worker)
{
    lhi_kind *k = &pool->kinds[kind];
    lhi_waiter me = {0};
    lh_cond_init(&me.turn);
    enqueue(k, &me);
    lh_metric_add_label(LH_M_WORKER_QUEUE, (size_t)kind, 1);
    lh_rc rc = LH_OK;
    while (rc == LH_OK && *ret_worker == NULL) {
        int64_t slice_us = lh_clock_mono_us() + WAIT_SLICE_US;
        (void)lh_cond_wait_until(&me.turn, &pool->lock, LH_MIN(slice_us, cx->deadline_us));
        rc = lh_ctx_check(cx);
        if (rc == LH_OK)
            rc = check_open(cx, pool, kind);
        if (rc == LH_OK && k->queue == &me)
            rc = claim(cx, pool, kind, domain, ret_worker);
    }
    dequeue(k, &me);
    lh_metric_add_label(LH_M_WORKER_QUEUE, (size_t)kind, -1);
    lh_cond_done(&me.turn);
    lhi_queue_wake(pool, kind); /* there may be room for the next one too */
    lh_cond_broadcast(&pool->changed);
    return rc;
}

static lh_rc get_worker(lh_ctx *cx, lh_pool *pool, lh_worker_kind kind, lh_str domain,
                        lhi_worker **ret_worker)
{
    LH_WITH_LOCK(&pool->lock);
    lhi_kind *k = &pool->kinds[kind];
    lhi_worker *worker = NULL;
    LH_TRY(check_open(cx, pool, kind));
    if (k->queue == NULL)
        LH_TRY(claim(cx, pool, kind, domain, &worker));
    if (worker == NULL && k->queued >= k->limits.queue_max)
        return fail_full(cx, k, kind);
    if (worker == NULL)
        LH_TRY(wait_in_line(cx, pool, kind, domain, &worker));
    pool->leases++;
    if (pool->watcher_sleeps)
        lhi_watch_wake(pool);
    *ret_worker = worker;
    return LH_OK;
}

/* ---------------------------------------------------------------- ready */

lh_str lh_lease_ready(const lh_lease *lease)
{
    return lh_str_n(lease->worker->ready_text, lease->worker->ready_bytes);
}

/* Waits for READY of a worker that nobody has used yet. */
static lh_rc wait_ready(lh_ctx *cx, lh_lease *lease)
{
    lhi_worker *worker = lease->worker;
    if (worker->ready)
        return LH_OK;
    int64_t deadline_us = cx->deadline_us;
    int64_t setup_us = lh_clock_mono_us() + LHI_SETUP_US_MAX;
    cx->deadline_us = LH_MIN(deadline_us, setup_us);
    lh_frame frame;
    lh_rc rc = lh_channel_read(cx, worker->channel, &frame);
    cx->deadline_us = deadline_us;
    if (rc == LH_OK && frame.kind == LH_FRAME_READY) {
        LH_WITH_LOCK(&lease->pool->lock);
        worker->ready = 1;
        worker->ready_bytes = LH_MIN(frame.payload.len, sizeof worker->ready_text);
        if (worker->ready_bytes > 0)
            memcpy(worker->ready_text, frame.payload.ptr, worker->ready_bytes);
        lease->pool->kinds[worker->kind].setup_failures = 0;
        return LH_OK;
    }
    lease->lost = 1;
    if (rc == LH_OK && frame.kind == LH_FRAME_ERROR) {
        rc = lhi_error_from_frame(cx, frame.payload);
        LH_IGNORE(
            lh_err_prefix(cx, "a %s worker cannot start", lh_worker_kind_names[worker->kind]));
    } else if (rc == LH_OK) {
        rc = lh_fail(cx, LH_E_WORKER_CRASHED, "a worker began with a frame of kind %d",
                     (int)frame.kind);
    } else if (rc == LH_E_WORKER_CRASHED) {
        rc = lhi_lease_explain_death(cx, lease);
    } else if (rc == LH_E_DEADLINE && lh_clock_mono_us() >= setup_us) {
        rc = lh_fail(cx, LH_E_UNAVAILABLE, "a %s worker was not ready after %d s",
                     lh_worker_kind_names[worker->kind], LHI_SETUP_US_MAX / 1000000);
    } else if (rc == LH_E_DEADLINE || rc == LH_E_CANCELLED) {
        lease->lost =
            0; /* the request gave up, the worker is fine and will be ready for the next one */
        return rc;
    }
    LH_WITH_LOCK(&lease->pool->lock);
    lhi_setup_failed(lease->pool, worker->kind);
    return rc;
}

lh_rc lh_pool_lease(lh_ctx *cx, lh_pool *pool, lh_worker_kind kind, lh_str domain,
                    lh_lease **ret_lease)
{
    lh_assert(kind < LH_WORKER_KIND_COUNT);
    lh_assert(!lh_str_empty(domain)); /* the empty domain is that of spares */
    if (domain.len > DOMAIN_BYTES_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "a security domain of %zu bytes, limit %d", domain.len,
                       DOMAIN_BYTES_MAX);
    lh_rc rc = LH_OK;
    for (int attempt = 0; attempt < SETUP_ATTEMPTS; attempt++) {
        lh_lease *lease = lh_alloc_zero(1, sizeof(*lease));
        if (lease == NULL)
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a lease");
        lease->pool = pool;
        rc = get_worker(cx, pool, kind, domain, &lease->worker);
        if (rc != LH_OK) {
            lh_free(lease);
            return rc;
        }
        rc = wait_ready(cx, lease);
        if (rc == LH_OK) {
            *ret_lease = lease;
            return LH_OK;
        }
        lh_lease_release(lease);
        if (rc != LH_E_WORKER_CRASHED)
            return rc;
    }
    return rc;
}

/* Under the lock. Enough tasks, or so much memory kept of them (caches, what its allocators do not
 * give back) that the next one would be refused for what it did not use. */
static int is_worn(const lh_pool *pool, const lhi_worker *worker)
{
    const lh_worker_limits *limits = &pool->kinds[worker->kind].limits;
    if (limits->tasks_per_life > 0 && worker->tasks >= limits->tasks_per_life)
        return 1;
    return limits->memory_bytes > 0 && worker->process.pid > 0 &&
           lh_process_rss_bytes(worker->process.pid) >
               limits->memory_bytes / 100 * LHI_KEPT_PERCENT_MAX;
}

lh_lease *lh_lease_release(lh_lease *lease)
{
    if (lease == NULL)
        return NULL;
    if (lease->in_task && !lease->lost) {
        lh_arena *arena = lh_arena_new(0);
        if (arena == NULL || !lhi_lease_stop_task(lease, arena))
            lease->lost = 1;
        lh_arena_free(arena);
    }
    lh_pool *pool = lease->pool;
    lhi_worker *worker = lease->worker;
    LH_WITH_LOCK(&pool->lock);
    lhi_kind *k = &pool->kinds[worker->kind];
    worker->held = 0;
    worker->stuck_after_us = LH_NO_DEADLINE;
    worker->idle_since_us = lh_clock_mono_us();
    k->busy--;
    lh_metric_add_label(LH_M_WORKERS_BUSY, (size_t)worker->kind, -1);
    if (worker->state == LHI_WORKER_BUSY)
        worker->state = LHI_WORKER_IDLE;
    if (worker->exited)
        lhi_worker_kill(pool, worker, LHI_KILL_NONE); /* leaves the count */
    else if (lease->lost)
        lhi_worker_kill(pool, worker, LHI_KILL_PROTOCOL);
    else if (pool->closing || is_worn(pool, worker))
        lhi_worker_kill(pool, worker, LHI_KILL_RETIRED);
    pool->leases--;
    lh_cond_broadcast(&pool->changed);
    lhi_queue_wake(pool, worker->kind);
    return lh_free(lease);
}
