/* crew.c - threads that run handlers: started when needed, up to a maximum, kept until the server
 * closes.
 *
 * Started on demand because a fresh server must be small and quick to start; kept because starting
 * costs more than an idle stack. One crew serves ordinary rows (requests wait in line). Another
 * serves the rows that may stay open for long, a third those that read a body as it comes (no line:
 * 503 when all are taken), so that ordinary requests never wait behind an event stream or a slow
 * sender. */
#include "net/net_private.h"

#include "base/mem.h"

void lhi_crew_init(lhi_crew *crew, struct lh_server *server, const char *name)
{
    *crew = (lhi_crew){.server = server, .name = name};
    crew->end = &crew->first;
    lh_mutex_init(&crew->lock);
    lh_cond_init(&crew->changed);
}

lh_rc lhi_crew_open(lh_ctx *cx, lhi_crew *crew, uint32_t threads_max)
{
    crew->threads = lh_alloc_zero(LH_MAX(threads_max, 1u), sizeof(*crew->threads));
    if (crew->threads == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for %u handler threads", threads_max);
    crew->threads_max = threads_max;
    return LH_OK;
}

static void work(void *arg)
{
    lhi_crew *crew = arg;
    lh_mutex_lock(&crew->lock);
    for (;;) {
        while (crew->first == NULL && !crew->stop) {
            crew->idle_count++;
            lh_cond_wait(&crew->changed, &crew->lock);
            crew->idle_count--;
        }
        lh_request *rq = crew->first;
        if (rq == NULL)
            break;
        crew->first = rq->next;
        if (crew->first == NULL)
            crew->end = &crew->first;
        crew->waiting_count--;
        lh_mutex_unlock(&crew->lock);
        lhi_dispatch_run(rq);
        lh_mutex_lock(&crew->lock);
    }
    lh_mutex_unlock(&crew->lock);
}

/* One more thread when the idle ones cannot take all that waits. Lock held. */
static lh_rc start_thread(lh_ctx *cx, lhi_crew *crew)
{
    lh_thread *thread = NULL;
    LH_TRY(lh_thread_start(cx, crew->name, LHI_HANDLER_STACK_BYTES, work, crew, &thread));
    crew->threads[crew->threads_count++] = thread;
    return LH_OK;
}

lh_rc lhi_crew_submit(lhi_crew *crew, lh_request *rq, int queue)
{
    LH_WITH_LOCK(&crew->lock);
    bool has_idle = crew->idle_count > crew->waiting_count;
    if (!has_idle && crew->threads_count < crew->threads_max) {
        lh_rc rc = start_thread(&rq->cx, crew);
        if (rc != LH_OK && crew->threads_count == 0)
            return rc;
        has_idle = rc == LH_OK;
        lh_err_clear(&rq->cx);
    }
    if (!has_idle && (!queue || crew->threads_count == 0)) {
        lh_rc rc = lh_fail(&rq->cx, LH_E_POOL_FULL, "all %u threads for such requests are busy",
                           crew->threads_max);
        rq->cx.err.retry_after_s = 1;
        return rc;
    }
    rq->next = NULL;
    *crew->end = rq;
    crew->end = &rq->next;
    crew->waiting_count++;
    lh_cond_signal(&crew->changed);
    return LH_OK;
}

void lhi_crew_stop(lhi_crew *crew)
{
    lh_mutex_lock(&crew->lock);
    crew->stop = true;
    lh_cond_broadcast(&crew->changed);
    lh_mutex_unlock(&crew->lock);
    for (uint32_t i = 0; i < crew->threads_count; i++)
        lh_thread_join(crew->threads[i]);
    crew->threads_count = 0;
}

void lhi_crew_done(lhi_crew *crew)
{
    lh_assert(crew->threads_count == 0);
    crew->threads = lh_free(crew->threads);
    lh_cond_done(&crew->changed);
    lh_mutex_done(&crew->lock);
}
