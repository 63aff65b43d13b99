/* os/thread.h - threads, locks and waits with a deadline.
 *
 * Owns:    a thread belongs to whoever started it and must be joined once.
 * Threads: obviously.
 * Limits:  stack size is given at start (0 = 256 KiB; code that calls foreign libraries asks for 8
 *          MiB).
 * Formats: none.
 * Why:     one face over pthreads: waits use the monotonic clock, locks release by scope. */
#ifndef LH_OS_THREAD_H
#define LH_OS_THREAD_H

#include "base/ctx.h"

#include <pthread.h>

typedef struct lh_mutex {
    pthread_mutex_t m;
} lh_mutex;
typedef struct lh_cond {
    pthread_cond_t c; /* monotonic */
} lh_cond;
#define LH_MUTEX_INIT                                                                              \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER                                                                  \
    }

void lh_mutex_init(lh_mutex *mutex);
void lh_mutex_done(lh_mutex *mutex);
void lh_mutex_lock(lh_mutex *mutex);
void lh_mutex_unlock(lh_mutex *mutex);
static inline void lh_mutex_scope_end(lh_mutex **mutex)
{
    lh_mutex_unlock(*mutex);
}
static inline lh_mutex *lh_mutex_scope_begin(lh_mutex *mutex)
{
    lh_mutex_lock(mutex);
    return mutex;
}
#define LH_LOCK_NAME2(line) lock_scope_##line##_
#define LH_LOCK_NAME(line)  LH_LOCK_NAME2(line)
/* Holds the lock until the end of the enclosing block. */
#define LH_WITH_LOCK(mutex)                                                                        \
    __attribute__((cleanup(lh_mutex_scope_end), unused)) lh_mutex *LH_LOCK_NAME(__LINE__) =        \
        lh_mutex_scope_begin(mutex)

void lh_cond_init(lh_cond *cond);
void lh_cond_done(lh_cond *cond);
void lh_cond_wait(lh_cond *cond, lh_mutex *mutex);
/* 0 when the time passed. deadline_us is a lh_clock_mono_us() value (real clock, not the test
 * clock's offset). */
int lh_cond_wait_until(lh_cond *cond, lh_mutex *mutex, int64_t deadline_us);
/* The same with a span of real time from now, whatever the test clock reads. 0 when it passed. */
int lh_cond_wait_for(lh_cond *cond, lh_mutex *mutex, int64_t wait_us);
void lh_cond_signal(lh_cond *cond);
void lh_cond_broadcast(lh_cond *cond);

typedef struct lh_thread lh_thread;
/* name <= 15 bytes, shown by ps -L. All signals are blocked in the new thread. */
LH_WARN_UNUSED lh_rc lh_thread_start(lh_ctx *cx, const char *name, size_t stack_bytes,
                                     void (*fn)(void *arg), void *arg, lh_thread **ret_thread);
/* The calling thread, and threads it starts from now on, give way to others: for work nobody waits
 * for. What the kernel refuses stays as it is. */
void lh_thread_lower_priority(void);
/* The processor the caller runs on, which may change at any time; negative: not known. */
int lh_thread_cpu(void);
/* A thread that sleeps will wake on another processor than the caller's, if it may use one, and
 * stays off the caller's until it says that it may run anywhere. */
void lh_thread_wake_elsewhere(lh_thread *thread);
void lh_thread_run_anywhere(lh_thread *thread);
lh_thread *lh_thread_join(lh_thread *thread); /* waits, frees; NULL ok; returns NULL */

#endif
