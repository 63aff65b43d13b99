#include "os/thread.h"

#include "os/process.h"
#include "support/scratch.h"

#include <stdbool.h>

typedef struct parked {
    lh_mutex lock;
    lh_cond changed;
    bool woken;
    int cpu;
} parked;

static void wait_for_it(void *arg)
{
    parked *p = arg;
    LH_WITH_LOCK(&p->lock);
    while (!p->woken)
        lh_cond_wait(&p->changed, &p->lock);
    p->cpu = lh_thread_cpu();
}

/* Wakes one; true when the caller stayed where it was, so that `elsewhere` says something. */
static bool wake_one(lh_ctx *cx, bool *ret_elsewhere)
{
    parked p = {.lock = LH_MUTEX_INIT};
    lh_thread *thread = NULL;
    lh_cond_init(&p.changed);
    ck_assert_int_eq(lh_thread_start(cx, "parked", 0, wait_for_it, &p, &thread), LH_OK);
    const int own = lh_thread_cpu();
    lh_thread_wake_elsewhere(thread);
    const bool stayed = lh_thread_cpu() == own;
    lh_mutex_lock(&p.lock);
    p.woken = true;
    lh_mutex_unlock(&p.lock);
    lh_cond_broadcast(&p.changed);
    thread = lh_thread_join(thread);
    *ret_elsewhere = p.cpu != own;
    lh_cond_done(&p.changed);
    lh_mutex_done(&p.lock);
    return stayed;
}

LH_TEST(a_sleeping_thread_wakes_on_another_processor)
{
    if (lh_machine_cpus() < 2) {
        printf("skipped: there is one processor\n");
        return;
    }
    lh_scratch s;
    lh_scratch_open(&s);
    for (int seen = 0, tries = 0; seen < 20 && tries < 1000; tries++) {
        bool elsewhere = false;
        if (!wake_one(&s.cx, &elsewhere))
            continue;
        ck_assert(elsewhere);
        seen++;
    }
    lh_scratch_close(&s);
}
