/* worker/programs/ingest_parallel.h - the same function over numbered pieces, on a few threads.
 *
 * Owns:    its threads, which end before it returns.
 * Threads: fn runs on several at once, each call with a context and arena of its own.
 * Limits:  LH_PARALLEL_THREADS_MAX threads with 8 MiB of stack (the engine needs it).
 * Formats: none.
 * Why:     scanning and writing parts have the same shape: take the next, stop all at the first
 *          error. */
#ifndef LH_WORKER_PROGRAMS_INGEST_PARALLEL_H
#define LH_WORKER_PROGRAMS_INGEST_PARALLEL_H

#include "base/ctx.h"

#define LH_PARALLEL_THREADS_MAX 16u

typedef struct lh_parallel {
    uint32_t threads;
    uint32_t count; /* pieces 0 .. count-1, taken in this order */
    lh_rc (*fn)(lh_ctx *cx, void *arg, uint32_t index);
    void *arg;
    /* On the calling thread, about every 100 ms: progress, cancel. NULL ok. */
    lh_rc (*tick)(lh_ctx *cx, void *arg);
    void *tick_arg;
} lh_parallel;

/* The first error of any piece (in time) or of tick; the others see their context cancelled. */
LH_WARN_UNUSED lh_rc lh_parallel_run(lh_ctx *cx, const lh_parallel *job);

#endif
