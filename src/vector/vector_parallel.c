/* vector/vector_parallel.c - one loop on several threads: pieces are taken from a counter, each
 * piece writes its own places, so the result does not depend on who took it. */
#include "vector/vector_build_private.h"

typedef struct shared {
    const lhi_loop *loop;
    atomic_ullong next;
    atomic_int failed;
} shared;

typedef struct runner {
    shared *shared;
    lh_ctx cx;
    lhi_worker worker;
    lh_thread *thread;
    lh_rc rc;
} runner;

static void run(void *arg)
{
    runner *r = arg;
    const lhi_loop *loop = r->shared->loop;
    while (r->rc == LH_OK && !atomic_load(&r->shared->failed)) {
        uint64_t first = atomic_fetch_add(&r->shared->next, loop->piece);
        if (first >= loop->count)
            return;
        r->rc = lh_ctx_check(&r->cx);
        if (r->rc == LH_OK)
            r->rc =
                loop->fn(&r->worker, loop->arg, first, LH_MIN(first + loop->piece, loop->count));
    }
    if (r->rc != LH_OK)
        atomic_store(&r->shared->failed, 1);
}

static lh_rc start(lh_ctx *cx, runner *runners, uint32_t threads, shared *s)
{
    for (uint32_t t = 0; t < threads; t++) {
        runner *r = &runners[t];
        lh_arena *arena = lh_arena_new(0);
        r->shared = s;
        r->worker.cx = &r->cx;
        if (!arena)
            return lh_fail(cx, LH_E_NO_MEMORY, "a thread of the build");
        lh_ctx_init_child(&r->cx, arena, cx);
        if (t > 0)
            LH_TRY(lh_thread_start(cx, "lh-vector", 1u << 20, run, r, &r->thread));
    }
    return LH_OK;
}

lh_rc lhi_vector_parallel(lh_ctx *cx, uint32_t threads, const lhi_loop *loop)
{
    shared s = {.loop = loop};
    uint64_t pieces = (loop->count + loop->piece - 1) / loop->piece;
    threads = (uint32_t)LH_MAX(LH_MIN((uint64_t)threads, pieces), 1);
    runner *runners = LH_NEW_ARRAY(cx, runner, threads);
    if (!runners)
        return cx->err.rc;
    lh_rc rc = start(cx, runners, threads, &s);
    if (rc == LH_OK)
        run(&runners[0]);
    else
        atomic_store(&s.failed, 1);
    for (uint32_t t = 0; t < threads; t++) {
        lh_thread_join(runners[t].thread);
        if (rc == LH_OK && runners[t].rc != LH_OK) {
            rc = runners[t].rc;
            cx->err = runners[t].cx.err;
        }
        lh_pages_free(&runners[t].worker.memory);
        lh_arena_free(runners[t].cx.arena);
    }
    return rc;
}

void *lhi_worker_memory(lhi_worker *worker, size_t bytes)
{
    if (worker->memory.bytes < bytes || !worker->memory.ptr) {
        lh_pages_free(&worker->memory);
        if (!lh_pages_alloc(&worker->memory, bytes)) {
            LH_IGNORE(lh_fail(worker->cx, LH_E_NO_MEMORY, "%zu bytes for a thread", bytes));
            return NULL;
        }
    }
    return worker->memory.ptr;
}
