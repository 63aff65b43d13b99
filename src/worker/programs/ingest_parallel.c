/* ingest_parallel.c - one shared counter hands out the pieces; the caller waits, reports and
 * cancels. */
#include "worker/programs/ingest_parallel.h"

#include "base/clock.h"
#include "os/thread.h"

enum { STACK_BYTES = 8 * 1024 * 1024, TICK_US = 100 * 1000 };

typedef struct shared {
    const lh_parallel *job;
    lh_ctx *parent;
    lh_cancel cancel; /* of the pieces */
    atomic_uint next;
    lh_mutex lock;
    lh_cond ended;
    uint32_t running; /* under lock, as what follows */
    bool failed;
    lh_err err;
} shared;

static void fail_all(shared *s, const lh_err *err)
{
    LH_WITH_LOCK(&s->lock);
    if (!s->failed) {
        s->failed = true;
        s->err = *err;
    }
    lh_cancel_request(&s->cancel);
}

static void run_pieces(shared *s, lh_arena *arena)
{
    for (;;) {
        uint32_t index = atomic_fetch_add(&s->next, 1);
        if (index >= s->job->count || lh_cancel_requested(&s->cancel))
            return;
        lh_ctx cx;
        lh_ctx_init_child(&cx, arena, s->parent);
        cx.cancel = &s->cancel;
        if (s->job->fn(&cx, s->job->arg, index) != LH_OK)
            fail_all(s, &cx.err);
        lh_arena_reset(arena);
    }
}

static void thread_main(void *arg)
{
    shared *s = arg;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (arena != NULL) {
        run_pieces(s, arena);
    } else {
        const lh_err err = {.rc = LH_E_NO_MEMORY, .message = "no memory for a thread's arena"};
        fail_all(s, &err);
    }
    LH_WITH_LOCK(&s->lock);
    s->running--;
    lh_cond_signal(&s->ended);
}

static void wait_for_all(lh_ctx *cx, shared *s)
{
    for (;;) {
        lh_mutex_lock(&s->lock);
        if (s->running > 0)
            LH_IGNORE(lh_cond_wait_until(&s->ended, &s->lock, lh_clock_mono_us() + TICK_US));
        bool done = s->running == 0;
        lh_mutex_unlock(&s->lock);
        if (done)
            return;
        if (lh_cancel_requested(&s->cancel))
            continue;
        lh_rc rc = s->job->tick != NULL ? s->job->tick(cx, s->job->tick_arg) : LH_OK;
        if (rc == LH_OK)
            rc = lh_ctx_check(cx);
        if (rc != LH_OK)
            fail_all(s, &cx->err);
    }
}

lh_rc lh_parallel_run(lh_ctx *cx, const lh_parallel *job)
{
    lh_assert(job->threads > 0);
    if (job->count == 0)
        return LH_OK;
    shared s = {.job = job, .parent = cx};
    lh_thread *threads[LH_PARALLEL_THREADS_MAX] = {0};
    uint32_t count = LH_MIN(LH_MIN(job->threads, job->count), LH_PARALLEL_THREADS_MAX);
    lh_mutex_init(&s.lock);
    lh_cond_init(&s.ended);
    for (uint32_t i = 0; i < count; i++) {
        lh_mutex_lock(&s.lock);
        s.running++;
        lh_mutex_unlock(&s.lock);
        if (lh_thread_start(cx, "ingest", STACK_BYTES, thread_main, &s, &threads[i]) != LH_OK) {
            lh_mutex_lock(&s.lock);
            s.running--;
            lh_mutex_unlock(&s.lock);
            if (i == 0)
                fail_all(&s, &cx->err);
            break; /* fewer threads do the same work */
        }
    }
    wait_for_all(cx, &s);
    for (uint32_t i = 0; i < count; i++)
        lh_thread_join(threads[i]);
    lh_cond_done(&s.ended);
    lh_mutex_done(&s.lock);
    if (s.failed)
        cx->err = s.err;
    else
        lh_err_clear(cx);
    return s.failed ? s.err.rc : LH_OK;
}
