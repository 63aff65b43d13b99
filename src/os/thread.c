/* thread.c - pthreads with our defaults: small stacks, blocked signals, monotonic waits.
 *
 * A failing lock call is a mistake of ours (a destroyed or foreign lock), so it is asserted, never
 * returned. */
#include "os/thread.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES_DEFAULT = 256 * 1024, NAME_BYTES = 16, BACKGROUND_NICENESS = 10 };

/* Instrumented frames are several times as large. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_BYTES_MIN = 1024 * 1024 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { STACK_BYTES_MIN = 1024 * 1024 };
#else
enum { STACK_BYTES_MIN = 64 * 1024 };
#endif
#else
enum { STACK_BYTES_MIN = 64 * 1024 };
#endif

struct lh_thread {
    pthread_t id;
    void (*fn)(void *arg);
    void *arg;
    char name[NAME_BYTES];
    cpu_set_t cpus; /* of whoever started it; empty: not known */
};

void lh_mutex_init(lh_mutex *mutex)
{
    int rc = pthread_mutex_init(&mutex->m, NULL);
    lh_assert(rc == 0);
}

void lh_mutex_done(lh_mutex *mutex)
{
    int rc = pthread_mutex_destroy(&mutex->m);
    lh_assert(rc == 0); /* EBUSY: still locked */
}

void lh_mutex_lock(lh_mutex *mutex)
{
    int rc = pthread_mutex_lock(&mutex->m);
    lh_assert(rc == 0);
}

void lh_mutex_unlock(lh_mutex *mutex)
{
    int rc = pthread_mutex_unlock(&mutex->m);
    lh_assert(rc == 0);
}

void lh_cond_init(lh_cond *cond)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);
    lh_assert(rc == 0);
    rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    lh_assert(rc == 0);
    rc = pthread_cond_init(&cond->c, &attr);
    lh_assert(rc == 0);
    (void)pthread_condattr_destroy(&attr);
}

void lh_cond_done(lh_cond *cond)
{
    int rc = pthread_cond_destroy(&cond->c);
    lh_assert(rc == 0);
}

void lh_cond_wait(lh_cond *cond, lh_mutex *mutex)
{
    int rc = pthread_cond_wait(&cond->c, &mutex->m);
    lh_assert(rc == 0);
}

int lh_cond_wait_until(lh_cond *cond, lh_mutex *mutex, int64_t deadline_us)
{
    if (deadline_us == LH_NO_DEADLINE) {
        lh_cond_wait(cond, mutex);
        return 1;
    }
    int64_t at_us = LH_MAX(deadline_us, (int64_t)0);
    struct timespec at = {.tv_sec = at_us / 1000000, .tv_nsec = (long)(at_us % 1000000) * 1000};
    int rc = pthread_cond_timedwait(&cond->c, &mutex->m, &at);
    lh_assert(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

int lh_cond_wait_for(lh_cond *cond, lh_mutex *mutex, int64_t wait_us)
{
    struct timespec now;
    int rc = clock_gettime(CLOCK_MONOTONIC, &now);
    lh_assert(rc == 0);
    int64_t now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    int64_t deadline_us;
    if (wait_us == LH_NO_DEADLINE || __builtin_add_overflow(now_us, wait_us, &deadline_us))
        deadline_us = LH_NO_DEADLINE;
    return lh_cond_wait_until(cond, mutex, deadline_us);
}

void lh_cond_signal(lh_cond *cond)
{
    (void)pthread_cond_signal(&cond->c);
}

void lh_cond_broadcast(lh_cond *cond)
{
    (void)pthread_cond_broadcast(&cond->c);
}

static void *thread_main(void *arg)
{
    lh_thread *thread = arg;
    (void)pthread_setname_np(pthread_self(), thread->name);
    thread->fn(thread->arg);
    return NULL;
}

/* The new thread inherits the caller's mask, so the mask is changed around the creation: no signal
 * can slip in between. */
static int create_blocked(lh_thread *thread, const pthread_attr_t *attr)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    int rc = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (rc != 0)
        return rc;
    rc = pthread_create(&thread->id, attr, thread_main, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

lh_rc lh_thread_start(lh_ctx *cx, const char *name, size_t stack_bytes, void (*fn)(void *arg),
                      void *arg, lh_thread **ret_thread)
{
    lh_assert(fn != NULL && strlen(name) < NAME_BYTES);
    lh_thread *thread = lh_alloc_zero(1, sizeof(*thread));
    if (thread == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for thread %s", name);
    thread->fn = fn;
    thread->arg = arg;
    memcpy(thread->name, name, strlen(name));
    if (sched_getaffinity(0, sizeof(thread->cpus), &thread->cpus) != 0)
        CPU_ZERO(&thread->cpus);

    size_t wanted = stack_bytes != 0 ? stack_bytes : (size_t)STACK_BYTES_DEFAULT;
    wanted = LH_MAX(wanted, (size_t)STACK_BYTES_MIN);
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc == 0) {
        rc = pthread_attr_setstacksize(&attr, wanted);
        if (rc == 0)
            rc = create_blocked(thread, &attr);
        (void)pthread_attr_destroy(&attr);
    }
    if (rc != 0) {
        lh_free(thread);
        return lh_fail(cx, rc == ENOMEM ? LH_E_NO_MEMORY : LH_E_UNAVAILABLE,
                       "thread %s with a stack of %zu bytes: %s", name, wanted,
                       strerrordesc_np(rc));
    }
    *ret_thread = thread;
    return LH_OK;
}

/* Niceness belongs to the thread on Linux, and new threads inherit it. Batch scheduling also spares
 * others the preemption when this one wakes. */
void lh_thread_lower_priority(void)
{
    struct sched_param none = {0};
    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), BACKGROUND_NICENESS);
}

int lh_thread_cpu(void)
{
    return sched_getcpu();
}

/* Hints: what the kernel refuses stays as it is. */
static void place(lh_thread *thread, const cpu_set_t *cpus)
{
    if (CPU_COUNT(cpus) > 0)
        (void)pthread_setaffinity_np(thread->id, sizeof(*cpus), cpus);
}

void lh_thread_wake_elsewhere(lh_thread *thread)
{
    cpu_set_t cpus = thread->cpus;
    const int own = sched_getcpu();
    if (own >= 0 && own < CPU_SETSIZE)
        CPU_CLR((size_t)own, &cpus);
    place(thread, &cpus);
}

void lh_thread_run_anywhere(lh_thread *thread)
{
    place(thread, &thread->cpus);
}

lh_thread *lh_thread_join(lh_thread *thread)
{
    if (thread == NULL)
        return NULL;
    int rc = pthread_join(thread->id, NULL);
    lh_assert(rc == 0); /* joined twice, or by itself */
    lh_free(thread);
    return NULL;
}
