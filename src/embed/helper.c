/* helper.c - a parked thread: started when it is first needed, woken for each work. */
#include "embed/helper.h"

enum { STACK_BYTES = 1024 * 1024 };

void lh_embed_helper_init(lh_embed_helper *helper)
{
    *helper = (lh_embed_helper){0};
    lh_mutex_init(&helper->lock);
    lh_cond_init(&helper->changed);
}

void lh_embed_helper_done(lh_embed_helper *helper)
{
    if (helper->thread != NULL) {
        lh_mutex_lock(&helper->lock);
        helper->stops = true;
        lh_mutex_unlock(&helper->lock);
        lh_cond_broadcast(&helper->changed);
        helper->thread = lh_thread_join(helper->thread);
    }
    lh_cond_done(&helper->changed);
    lh_mutex_done(&helper->lock);
}

static void live(void *arg)
{
    lh_embed_helper *helper = arg;
    LH_WITH_LOCK(&helper->lock);
    for (;;) {
        while (helper->work == NULL && !helper->stops)
            lh_cond_wait(&helper->changed, &helper->lock);
        if (helper->work == NULL)
            return;
        lh_mutex_unlock(&helper->lock);
        lh_thread_run_anywhere(helper->thread);
        helper->work(helper->arg);
        lh_mutex_lock(&helper->lock);
        helper->work = NULL;
        lh_cond_broadcast(&helper->changed);
    }
}

bool lh_embed_helper_ready(lh_ctx *cx, lh_embed_helper *helper)
{
    if (helper->thread == NULL &&
        lh_thread_start(cx, "embed", STACK_BYTES, live, helper, &helper->thread) != LH_OK) {
        lh_err_clear(cx);
        return false;
    }
    LH_WITH_LOCK(&helper->lock);
    return helper->work == NULL;
}

/* Woken when the lock is free: it need not wait twice. The kernel likes to wake a thread beside the
 * one that wakes it, where it would keep that one from working. */
void lh_embed_helper_give(lh_embed_helper *helper, void (*work)(void *arg), void *arg)
{
    lh_thread_wake_elsewhere(helper->thread);
    lh_mutex_lock(&helper->lock);
    lh_assert(helper->work == NULL);
    helper->work = work;
    helper->arg = arg;
    lh_mutex_unlock(&helper->lock);
    lh_cond_broadcast(&helper->changed);
}

void lh_embed_helper_wait(lh_embed_helper *helper)
{
    LH_WITH_LOCK(&helper->lock);
    while (helper->work != NULL)
        lh_cond_wait(&helper->changed, &helper->lock);
}
