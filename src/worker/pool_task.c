/* pool_task.c - the frames of one task, and every way it can end badly.
 *
 * A deadline or a cancel is first a request (CANCEL, then up to the grace for the worker's own end
 * of the task), then SIGKILL. A closed socket becomes a sentence about what happened to the
 * process: the exit status comes from the zygote through the watcher, so it is waited for a moment.
 * What a worker says is checked: kinds, sequences, error codes. */
#include "worker/pool_private.h"

#include "base/clock.h"

#include <signal.h>
#include <sys/wait.h>

#define STUCK_BELT_US                                                                              \
    250000 /* beyond deadline and grace: the watcher kills, whatever the lease's thread does */

static int64_t grace_us(const lh_pool *pool)
{
    return pool->opts.grace_us > 0 ? pool->opts.grace_us : LHI_GRACE_US_DEFAULT;
}

static void kill_worker(lh_lease *lease, lhi_kill_reason reason)
{
    LH_WITH_LOCK(&lease->pool->lock);
    lease->lost = 1;
    lease->in_task = 0;
    lhi_worker_kill(lease->pool, lease->worker, reason);
}

/* ---------------------------------------------------------------- death */

static lh_rc fail_killed(lh_ctx *cx, const lhi_worker *worker, const lh_worker_limits *limits)
{
    const char *kind = lh_worker_kind_names[worker->kind];
    switch (worker->reason) {
    case LHI_KILL_MEMORY:
        LH_IGNORE(lh_fail(cx, LH_E_MEMORY_LIMIT,
                          "the %s worker used more than its %llu MiB of memory", kind,
                          (unsigned long long)(limits->memory_bytes >> 20)));
        return lh_err_hint(cx, "Ask for less at once: filter earlier, aggregate, or add a LIMIT.");
    case LHI_KILL_STUCK:
        return lh_fail(cx, LH_E_DEADLINE,
                       "the %s worker did not stop at its deadline and was killed", kind);
    case LHI_KILL_RETIRED:
        return lh_fail(cx, LH_E_UNAVAILABLE, "the %s worker was ended: the server is shutting down",
                       kind);
    case LHI_KILL_PROTOCOL:
    case LHI_KILL_NONE: break;
    }
    return lh_fail(cx, LH_E_WORKER_CRASHED, "the %s worker was killed", kind);
}

static lh_rc fail_crashed(lh_ctx *cx, const lhi_worker *worker)
{
    const char *kind = lh_worker_kind_names[worker->kind];
    int status = worker->status;
    if (!worker->exited || status == -1)
        LH_IGNORE(lh_fail(cx, LH_E_WORKER_CRASHED, "the %s worker ended unexpectedly", kind));
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        LH_IGNORE(lh_fail(
            cx, LH_E_WORKER_CRASHED,
            "the %s worker was killed from outside (signal 9), for example for want of memory",
            kind));
    else if (WIFSIGNALED(status))
        LH_IGNORE(lh_fail(cx, LH_E_WORKER_CRASHED, "the %s worker crashed (signal %d)", kind,
                          WTERMSIG(status)));
    else
        LH_IGNORE(lh_fail(cx, LH_E_WORKER_CRASHED,
                          "the %s worker ended in the middle of its work (exit %d)", kind,
                          WEXITSTATUS(status)));
    return lh_err_hint(cx, "Only this request is lost; the next one gets a fresh worker.");
}

lh_rc lhi_lease_explain_death(lh_ctx *cx, lh_lease *lease)
{
    lh_pool *pool = lease->pool;
    lhi_worker *worker = lease->worker;
    LH_WITH_LOCK(&pool->lock);
    lease->lost = 1;
    lease->in_task = 0;
    int64_t until_us = lh_clock_mono_us() + LHI_EXIT_WAIT_US;
    while (!worker->exited && lh_cond_wait_until(&pool->changed, &pool->lock, until_us))
        continue;
    if (worker->reason != LHI_KILL_NONE)
        return fail_killed(cx, worker, &pool->kinds[worker->kind].limits);
    return fail_crashed(cx, worker);
}

/* ---------------------------------------------------------------- stop */

/* Reads and drops until the task's last frame. */
static lh_rc drain(lh_ctx *cx, lh_lease *lease)
{
    for (;;) {
        lh_frame frame;
        LH_TRY(lh_channel_read(cx, lease->worker->channel, &frame));
        if (frame.sequence == lease->sequence &&
            (frame.kind == LH_FRAME_DONE || frame.kind == LH_FRAME_ERROR))
            return LH_OK;
    }
}

int lhi_lease_stop_task(lh_lease *lease, lh_arena *arena)
{
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    cx.deadline_us = lh_clock_mono_us() + grace_us(lease->pool);
    lh_channel *channel = lease->worker->channel;
    lh_rc rc = lh_channel_write(&cx, channel, LH_FRAME_CANCEL, lease->sequence, LH_STR_NONE);
    if (rc == LH_OK)
        rc = drain(&cx, lease);
    if (rc == LH_OK) {
        lease->in_task = 0;
        return 1;
    }
    kill_worker(lease, rc == LH_E_CORRUPT ? LHI_KILL_PROTOCOL : LHI_KILL_STUCK);
    return 0;
}

/* The request's own deadline or cancel: its error stays, the worker is stopped. */
static lh_rc give_up(lh_ctx *cx, lh_lease *lease, lh_rc rc)
{
    if (!lease->in_task || lease->lost)
        return rc;
    lh_err said = cx->err;
    (void)lhi_lease_stop_task(lease, cx->arena);
    cx->err = said;
    if (rc != LH_E_DEADLINE)
        return rc;
    LH_IGNORE(lh_fail(cx, rc, "the %s work was not finished at its deadline and was stopped",
                      lh_worker_kind_names[lease->worker->kind]));
    return lh_err_hint(cx, "Ask for less at once, or give it more time.");
}

static lh_rc fail_channel(lh_ctx *cx, lh_lease *lease, lh_rc rc)
{
    if (rc == LH_E_DEADLINE || rc == LH_E_CANCELLED)
        return give_up(cx, lease, rc);
    if (rc == LH_E_WORKER_CRASHED)
        return lhi_lease_explain_death(cx, lease);
    if (rc == LH_E_TOO_LARGE)
        return rc; /* refused before a byte was sent */
    kill_worker(lease, LHI_KILL_PROTOCOL);
    if (rc != LH_E_CORRUPT)
        return rc;
    LH_IGNORE(lh_err_prefix(cx, "the %s worker broke its protocol and was killed",
                            lh_worker_kind_names[lease->worker->kind]));
    cx->err.rc = LH_E_WORKER_CRASHED;
    return LH_E_WORKER_CRASHED;
}

/* ---------------------------------------------------------------- task */

lh_rc lh_lease_task(lh_ctx *cx, lh_lease *lease, lh_str task_json, const int *fds, size_t fds_count)
{
    lh_assert(!lease->in_task);
    lhi_worker *worker = lease->worker;
    lh_pool *pool = lease->pool;
    if (lease->lost)
        return lh_fail(cx, LH_E_WORKER_CRASHED, "the worker of this lease is gone");
    lease->sequence = ++worker->sequence;
    worker->tasks++;
    if (cx->deadline_us != LH_NO_DEADLINE) {
        LH_WITH_LOCK(&pool->lock);
        int64_t margin_us = grace_us(pool) + STUCK_BELT_US;
        worker->stuck_after_us = cx->deadline_us > LH_NO_DEADLINE - margin_us
                                     ? LH_NO_DEADLINE
                                     : cx->deadline_us + margin_us;
    }
    lease->in_task = 1;
    lh_frame frame = {.kind = LH_FRAME_TASK, .sequence = lease->sequence, .payload = task_json};
    lh_rc rc = lh_channel_write_fds(cx, worker->channel, &frame, fds, fds_count);
    if (rc == LH_E_TOO_LARGE)
        lease->in_task = 0;
    return rc == LH_OK ? LH_OK : fail_channel(cx, lease, rc);
}

lh_rc lh_lease_task_record(lh_ctx *cx, lh_lease *lease, const lh_record *record, const void *task,
                           const int *fds, size_t fds_count)
{
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, LH_FRAME_BYTES_MAX);
    LH_TRY(lh_record_append(cx, record, task, &json));
    return lh_lease_task(cx, lease, lh_buf_str(&json), fds, fds_count);
}

lh_rc lh_lease_write(lh_ctx *cx, lh_lease *lease, lh_frame_kind kind, lh_str payload)
{
    lh_assert(kind == LH_FRAME_GIVE || kind == LH_FRAME_DATA);
    if (!lease->in_task)
        return lh_fail(cx, LH_E_WORKER_CRASHED, "the task of this worker has ended");
    lh_rc rc = lh_channel_write(cx, lease->worker->channel, kind, lease->sequence, payload);
    return rc == LH_OK ? LH_OK : fail_channel(cx, lease, rc);
}

lh_rc lhi_error_from_frame(lh_ctx *cx, lh_str payload)
{
    lh_error_message said;
    lh_rc parsed = lh_record_parse(cx, &lh_error_message_record, payload, &said);
    const char *code = parsed == LH_OK ? lh_ctx_cstr(cx, said.code) : NULL;
    lh_rc rc = code != NULL ? lh_rc_find(code) : LH_RC_COUNT;
    if (rc == LH_OK || rc >= LH_RC_COUNT)
        return lh_fail(cx, LH_E_WORKER_CRASHED,
                       "a worker reported an error that is not in the table");
    LH_IGNORE(lh_fail(cx, rc, "%.*s", LH_STR_ARG(said.message)));
    if (said.hint.len > 0)
        LH_IGNORE(lh_err_hint(cx, "%.*s", LH_STR_ARG(said.hint)));
    if (said.field.len > 0)
        LH_IGNORE(lh_err_field(cx, "%.*s", LH_STR_ARG(said.field)));
    if (said.line > 0)
        LH_IGNORE(lh_err_place(cx, said.line, said.column));
    return rc;
}

/* A frame of this task, or none of it (left over from a task that was cancelled): *ret_ours. */
static lh_rc check_frame(lh_ctx *cx, const lh_lease *lease, const lh_frame *frame, int *ret_ours)
{
    *ret_ours = frame->sequence == lease->sequence;
    if (frame->sequence > lease->sequence)
        return lh_fail(cx, LH_E_CORRUPT, "a frame of task %llu during task %llu",
                       (unsigned long long)frame->sequence, (unsigned long long)lease->sequence);
    switch (frame->kind) {
    case LH_FRAME_NEED:
    case LH_FRAME_HEAD:
    case LH_FRAME_DATA:
    case LH_FRAME_PROGRESS:
    case LH_FRAME_DONE:
    case LH_FRAME_ERROR: return LH_OK;
    case LH_FRAME_SETUP:
    case LH_FRAME_READY:
    case LH_FRAME_TASK:
    case LH_FRAME_GIVE:
    case LH_FRAME_CANCEL:
    case LH_FRAME_EXIT: break;
    }
    return lh_fail(cx, LH_E_CORRUPT, "a frame of kind %d from a worker", (int)frame->kind);
}

/* An error of the worker itself: when it is out of a deadline or cancel of ours, ours is the better
 * word. */
static lh_rc fail_task(lh_ctx *cx, lh_lease *lease, lh_str payload)
{
    lease->in_task = 0;
    lh_rc rc = lhi_error_from_frame(cx, payload);
    if (rc == LH_E_CANCELLED) {
        lh_err said = cx->err;
        lh_rc ours = lh_ctx_check(cx);
        if (ours != LH_OK)
            return ours;
        cx->err = said;
    }
    return rc;
}

lh_rc lh_lease_read(lh_ctx *cx, lh_lease *lease, lh_frame *ret_frame)
{
    if (!lease->in_task)
        return lh_fail(cx, LH_E_WORKER_CRASHED, "the task of this worker has ended");
    for (;;) {
        lh_frame frame;
        int ours = 0;
        lh_rc rc = lh_channel_read(cx, lease->worker->channel, &frame);
        if (rc == LH_OK)
            rc = check_frame(cx, lease, &frame, &ours);
        if (rc != LH_OK)
            return fail_channel(cx, lease, rc);
        if (!ours)
            continue;
        if (frame.kind == LH_FRAME_ERROR)
            return fail_task(cx, lease, frame.payload);
        if (frame.kind == LH_FRAME_DONE)
            lease->in_task = 0;
        *ret_frame = frame;
        return LH_OK;
    }
}

lh_rc lh_lease_done(lh_ctx *cx, lh_lease *lease, const lh_record *record, void *ret_done)
{
    for (;;) {
        lh_frame frame = {0};
        LH_TRY(lh_lease_read(cx, lease, &frame));
        if (frame.kind == LH_FRAME_DONE)
            return lh_record_parse(cx, record, lh_ctx_dup(cx, frame.payload), ret_done);
        if (frame.kind != LH_FRAME_PROGRESS)
            return lh_fail(cx, LH_E_INTERNAL, "frame kind %d of a %s worker", (int)frame.kind,
                           lh_worker_kind_names[lease->worker->kind]);
    }
}
