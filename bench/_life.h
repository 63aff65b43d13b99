/* bench/_life.h - searches on one thread by turns quiet and beside a thread that changes what is
 * searched; what they took.
 *
 * Owns:    its samples, for the life of the process.
 * Threads: one that searches, one that changes.
 * Limits:  4 million samples of each kind.
 * Formats: prints "quiet":{..},"busy":{..},"changes":n - members of a JSON object.
 * Why:     every index that lives is asked the same question with the same words. */
#ifndef LH_BENCH_LIFE_H
#define LH_BENCH_LIFE_H

#include "base/clock.h"
#include "os/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { LIFE_SAMPLES_MAX = 4 << 20 };

typedef struct life {
    lh_ctx *cx;
    void *arg;
    lh_rc (*search)(lh_ctx *cx, void *arg, size_t n); /* the n-th; cx is reset after it */
    lh_rc (*change)(lh_ctx *cx, void *arg, uint64_t n);
} life;

/* Searches that the kernel did not put aside for somebody else are kept apart: on a busy machine
 * the others measure that somebody. A search that waited for a lock or the disk is among the
 * former. */
typedef struct life_samples {
    int32_t *us10; /* tenths of a microsecond */
    size_t count;
    int32_t *own10; /* of those that were not put aside */
    size_t own_count;
    size_t waited; /* searches that slept */
} life_samples;

typedef struct life_churn {
    const life *l;
    atomic_int go; /* 1: change things */
    atomic_int stop;
    atomic_ullong changes;
    lh_rc rc;
    char message[256];
} life_churn;

static void life_change(void *arg)
{
    life_churn *c = arg;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    for (uint64_t n = 0; !atomic_load(&c->stop) && c->rc == LH_OK;) {
        if (!atomic_load(&c->go)) {
            struct timespec nap = {0, 1000000};
            nanosleep(&nap, NULL);
            continue;
        }
        c->rc = c->l->change(&cx, c->l->arg, n++);
        atomic_fetch_add(&c->changes, 2);
        if (c->rc == LH_OK)
            lh_arena_reset(arena);
    }
    snprintf(c->message, sizeof c->message, "%s", cx.err.message);
    lh_arena_free(arena);
}

static int life_by_time(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t life_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static lh_rc life_window(const life *l, int64_t ms, life_samples *s)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init_child(&cx, arena, l->cx);
    int64_t end = life_now_ns() + ms * 1000000;
    for (size_t n = s->count; life_now_ns() < end && s->count < LIFE_SAMPLES_MAX; n++) {
        struct rusage before;
        struct rusage after;
        getrusage(RUSAGE_THREAD, &before);
        int64_t began = life_now_ns();
        lh_rc rc = l->search(&cx, l->arg, n);
        if (rc != LH_OK)
            return lh_fail(l->cx, rc, "a search failed: %s", cx.err.message);
        int32_t took = (int32_t)((life_now_ns() - began) / 100);
        getrusage(RUSAGE_THREAD, &after);
        s->us10[s->count++] = took;
        s->waited += after.ru_nvcsw != before.ru_nvcsw;
        if (after.ru_nivcsw == before.ru_nivcsw)
            s->own10[s->own_count++] = took;
        lh_arena_reset(arena);
    }
    return LH_OK;
}

static void life_print_times(const char *name, int32_t *us10, size_t count)
{
    static const double shares[] = {0.5, 0.99, 0.999, 1};
    qsort(us10, count, sizeof *us10, life_by_time);
    printf("\"%s\":{\"n\":%zu", name, count);
    for (size_t i = 0; i < LH_ARRAY_LEN(shares) && count > 0; i++) {
        size_t at = LH_MIN(count - 1, (size_t)(shares[i] * (double)count));
        printf(",\"p%g_us\":%.1f", shares[i] * 100, (double)us10[at] / 10);
    }
    printf("}");
}

static void life_print(const char *name, life_samples *s)
{
    printf("\"%s\":{", name);
    life_print_times("all", s->us10, s->count);
    printf(",");
    life_print_times("own", s->own10, s->own_count);
    printf(",\"waited\":%zu}", s->waited);
}

static lh_rc life_run(const life *l, int64_t windows, int64_t ms)
{
    life_samples of[2] = {{.count = 0}, {.count = 0}};
    static life_churn c;
    lh_thread *thread = NULL;
    c.l = l;
    LH_TRY(lh_thread_start(l->cx, "changes", 8 << 20, life_change, &c, &thread));
    for (int i = 0; i < 2; i++) {
        of[i].us10 = lh_alloc_zero(LIFE_SAMPLES_MAX, sizeof(int32_t));
        of[i].own10 = lh_alloc_zero(LIFE_SAMPLES_MAX, sizeof(int32_t));
    }
    life_samples warm = {.us10 = of[1].us10, .own10 = of[1].own10};
    lh_rc rc = life_window(l, ms, &warm);
    for (int64_t w = 0; w < windows * 2 && rc == LH_OK; w++) {
        atomic_store(&c.go, w % 2 == 1);
        struct timespec nap = {0, 200000000}; /* what was begun in a busy window ends in its gap */
        nanosleep(&nap, NULL);
        rc = life_window(l, ms, &of[w % 2]);
    }
    atomic_store(&c.stop, 1);
    lh_thread_join(thread);
    LH_TRY(rc);
    if (c.rc != LH_OK)
        return lh_fail(l->cx, c.rc, "a change failed: %s", c.message);
    life_print("quiet", &of[0]);
    printf(",");
    life_print("busy", &of[1]);
    printf(",\"changes\":%llu", (unsigned long long)atomic_load(&c.changes));
    return LH_OK;
}

#endif
