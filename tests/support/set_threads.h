/* set_threads.h - readers and a merger of a segment set, while the test changes it.
 *
 *     set_threads t = {.set = set, .groups = 10, .look = look, .merge = merge};
 *     set_threads_start(&s, &t);
 *     ... changes ...
 *     set_threads_stop(&t);                joins, and checks what was seen
 *
 * Owns:    its threads.
 * Threads: look and merge are called from several.
 * Limits:  SET_READERS readers.
 * Formats: none.
 * Why:     both engines promise the same: a view sees whole changes only. */
#ifndef LH_TESTS_SUPPORT_SET_THREADS_H
#define LH_TESTS_SUPPORT_SET_THREADS_H

#include "os/thread.h"
#include "support/scratch.h"
#include "support/unit.h"

#include <stdatomic.h>

enum { SET_READERS = 2 };

typedef struct set_threads {
    void *set;
    uint64_t groups;
    /* *ret_torn: a group was seen in part, or in two versions. */
    lh_rc (*look)(lh_ctx *cx, void *set, uint64_t group, int *ret_torn);
    lh_rc (*merge)(lh_ctx *cx, void *set);
    lh_thread *threads[SET_READERS + 1];
    atomic_int stop;
    atomic_uint searches;
    atomic_uint torn;
} set_threads;

static inline void set_threads_read(void *arg)
{
    set_threads *t = arg;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    for (uint64_t n = 0; !atomic_load(&t->stop); n++) {
        int torn = 0;
        if (t->look(&cx, t->set, n % t->groups, &torn) != LH_OK)
            atomic_fetch_add(&t->torn, 1000);
        else
            atomic_fetch_add(&t->searches, 1);
        atomic_fetch_add(&t->torn, torn != 0);
        lh_arena_reset(arena);
    }
    lh_arena_free(arena);
}

static inline void set_threads_merge(void *arg)
{
    set_threads *t = arg;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    while (!atomic_load(&t->stop)) {
        if (t->merge(&cx, t->set) != LH_OK)
            atomic_fetch_add(&t->torn, 1000);
        lh_arena_reset(arena);
    }
    lh_arena_free(arena);
}

static inline void set_threads_start(lh_scratch *s, set_threads *t)
{
    for (size_t i = 0; i < SET_READERS; i++)
        ck_lh_ok(s, lh_thread_start(&s->cx, "reader", 0, set_threads_read, t, &t->threads[i]));
    ck_lh_ok(s, lh_thread_start(&s->cx, "merger", 1 << 20, set_threads_merge, t,
                                &t->threads[SET_READERS]));
}

static inline void set_threads_stop(set_threads *t)
{
    atomic_store(&t->stop, 1);
    for (size_t i = 0; i <= SET_READERS; i++)
        lh_thread_join(t->threads[i]);
    ck_assert_uint_eq(atomic_load(&t->torn), 0);
    ck_assert_uint_gt(atomic_load(&t->searches), 0);
}

#endif
