/* append_log_write.c - append and flush: group commit with one leader.
 *
 * Records gather in the current group. Whoever finds a flush due and nobody writing becomes the
 * leader: it takes the group, writes it without the lock, and tells everybody who waits for it.
 * Records that come meanwhile gather in the next group, so under load one fsync serves many
 * appenders, and alone an append costs one put.
 *
 * A group whose put failed is not written again: its appenders are told, and its key is deleted in
 * case the put had happened. Only what a buffered log has acknowledged before goes back to the
 * front of the current group. */
#include "base/clock.h"
#include "base/fault.h"
#include "storage/append_log_private.h"

static lh_rc check_line(lh_ctx *cx, lh_str line)
{
    if (line.len > LH_APPEND_LOG_RECORD_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "record of %zu bytes, limit %d", line.len,
                       LH_APPEND_LOG_RECORD_MAX);
    if (line.len < 2 || line.ptr[0] != '{' || line.ptr[line.len - 1] != '}' ||
        lh_str_find_char(line, '\n') != LH_STR_NPOS)
        return lh_fail(cx, LH_E_BAD_VALUE, "a record is one JSON object on one line");
    return LH_OK;
}

static lh_rc check_lines(lh_ctx *cx, const lh_str *lines, size_t count, size_t *ret_bytes)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        LH_TRY(check_line(cx, lines[i]));
        bytes += lines[i].len + 1;
    }
    if (bytes > LH_APPEND_LOG_BATCH_MAX / 2)
        return lh_fail(cx, LH_E_TOO_LARGE, "%zu bytes of records at once, limit %d", bytes,
                       LH_APPEND_LOG_BATCH_MAX / 2);
    *ret_bytes = bytes;
    return LH_OK;
}

static int is_due(const lh_append_log *log, const lh_append_log_group *group)
{
    return group->records >= log->flush_records || group->bytes.len >= log->tail_bytes_max;
}

static lh_rc ensure_spare(lh_ctx *cx, lh_append_log *log)
{
    return log->spare != NULL ? LH_OK : lhi_log_group_new(cx, &log->spare);
}

lh_rc lh_append_log_enqueue(lh_ctx *cx, lh_append_log *log, const lh_str *lines, size_t count,
                            lh_append_log_group **ret_ticket)
{
    size_t bytes = 0;
    LH_TRY(check_lines(cx, lines, count, &bytes));
    LH_WITH_LOCK(&log->lock);
    while (log->flushing != NULL && log->current->bytes.len + bytes > LH_APPEND_LOG_BATCH_MAX)
        lh_cond_wait(&log->changed,
                     &log->lock); /* back-pressure: the store is slower than the appenders */
    LH_TRY(ensure_spare(cx, log));
    lh_append_log_group *group = log->current;
    size_t before = group->bytes.len;
    LH_TRY(lh_buf_reserve(cx, &group->bytes, bytes));
    for (size_t i = 0; i < count; i++) {
        lh_rc rc = lh_buf_append(cx, &group->bytes, lines[i]);
        if (rc == LH_OK)
            rc = lh_buf_append_char(cx, &group->bytes, '\n');
        lh_assert(rc == LH_OK); /* reserved */
    }
    group->records += count;
    *ret_ticket = NULL;
    if (is_due(log, group)) {
        group->refs++;
        *ret_ticket = group;
        return LH_OK;
    }
    group->acked_bytes = group->bytes.len;
    group->acked_records = group->records;
    lhi_log_ring_push_lines(log, lh_str_from_offset(lh_buf_str(&group->bytes), before));
    return LH_OK;
}

/* One object per group: the put is atomic, so a crash leaves the batch whole or absent. */
static lh_rc put_group(lh_ctx *cx, lh_append_log *log, lh_append_log_group *group,
                       lh_append_log_batch *batch)
{
    size_t lines_bytes = group->bytes.len;
    uint64_t chain = lhi_log_chain(lh_buf_str(&group->bytes), 0);
    lh_str key = lhi_log_key(cx, log, batch);
    if (key.ptr == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(lhi_log_append_seal(cx, &group->bytes, group->records, chain));
    lh_str object = lh_buf_str(&group->bytes);
    lh_buf_truncate(&group->bytes,
                    lines_bytes); /* the seal stays behind the end until the next append */
    LH_FAULT(cx, APPEND_LOG_BEFORE_PUT);
    LH_TRY(lh_store_put_if_absent(cx, log->store, key, object));
    LH_FAULT(cx, APPEND_LOG_AFTER_PUT);
    batch->bytes = object.len;
    batch->records = group->records;
    return LH_OK;
}

/* Not acknowledged, so it must not surface with the next open. Tells nothing: the caller's error is
 * the first one. */
static void undo_put(const lh_ctx *cx, lh_append_log *log, const lh_append_log_batch *batch)
{
    lh_ctx own;
    lh_ctx_init_child(&own, cx->arena, cx);
    lh_str key = lhi_log_key(&own, log, batch);
    if (key.ptr != NULL)
        LH_IGNORE(lh_store_delete(&own, log->store, key));
}

/* What was acknowledged without being durable goes before what came since. */
static lh_rc put_back_acked(lh_ctx *cx, lh_append_log *log, lh_append_log_group *failed)
{
    lh_append_log_group *current = log->current;
    if (failed->acked_records == 0)
        return LH_OK;
    lh_buf_truncate(&failed->bytes, failed->acked_bytes);
    LH_TRY(lh_buf_append(cx, &failed->bytes, lh_buf_str(&current->bytes)));
    lh_buf joined = failed->bytes;
    failed->bytes = current->bytes;
    current->bytes = joined;
    current->records += failed->acked_records;
    current->acked_bytes += failed->acked_bytes;
    current->acked_records += failed->acked_records;
    return LH_OK;
}

static void end_group(lh_append_log *log, lh_append_log_group *group, lh_rc rc, const lh_err *err)
{
    group->rc = rc;
    if (rc != LH_OK)
        group->err = *err;
    group->ended = 1;
    log->flushing = NULL;
    lh_cond_broadcast(&log->changed);
    lhi_log_group_unref(group); /* the log's own reference */
}

/* Called and returns with the lock held; the lock is open during the put. The leader's deadline and
 * cancel do not reach the put: it works for others, too. */
static void lead(lh_ctx *cx, lh_append_log *log)
{
    lh_append_log_group *group = log->current;
    lh_ctx own;
    lh_ctx_init_child(&own, cx->arena, cx);
    own.deadline_us = LH_NO_DEADLINE;
    own.cancel = NULL;
    lh_assert(log->flushing == NULL && log->spare != NULL && group->records > 0);
    log->current = LH_TAKE(log->spare);
    log->flushing = group;
    log->last_us = LH_MAX(lh_clock_real_us(), log->last_us + 1);
    lh_append_log_batch batch = {.newest_us = log->last_us, .oldest_us = log->last_us};
    lh_rc rc = lhi_log_reserve_entry(&own, log); /* before the put: after it nothing may fail */

    if (rc == LH_OK) {
        lh_mutex_unlock(&log->lock);
        rc = put_group(&own, log, group, &batch);
        if (rc != LH_OK)
            undo_put(&own, log, &batch);
        lh_mutex_lock(&log->lock);
    }
    if (rc == LH_OK) {
        log->entries[log->entries_count++] = (lhi_log_entry){.batch = batch};
        lhi_log_ring_push_lines(log,
                                lh_str_from_offset(lh_buf_str(&group->bytes), group->acked_bytes));
    } else {
        lh_err first = own.err;
        rc = put_back_acked(&own, log, group) == LH_OK ? rc : LH_E_NO_MEMORY;
        if (rc != LH_E_NO_MEMORY)
            own.err = first;
    }
    end_group(log, group, rc, &own.err);
}

lh_rc lh_append_log_wait(lh_ctx *cx, lh_append_log *log, lh_append_log_group *ticket)
{
    if (ticket == NULL)
        return LH_OK;
    LH_WITH_LOCK(&log->lock);
    while (!ticket->ended) {
        if (ticket == log->current && log->flushing == NULL)
            lead(cx, log);
        else
            lh_cond_wait(&log->changed, &log->lock);
    }
    lh_rc rc = ticket->rc;
    if (rc != LH_OK)
        cx->err = ticket->err;
    lhi_log_group_unref(ticket);
    return rc;
}

lh_rc lh_append_log_append(lh_ctx *cx, lh_append_log *log, const lh_str *lines, size_t count)
{
    lh_append_log_group *ticket = NULL;
    if (count == 0)
        return LH_OK;
    LH_TRY(lh_append_log_enqueue(cx, log, lines, count, &ticket));
    return lh_append_log_wait(cx, log, ticket);
}

lh_rc lh_append_log_flush(lh_ctx *cx, lh_append_log *log)
{
    lh_append_log_group *last = NULL;
    {
        LH_WITH_LOCK(&log->lock);
        LH_TRY(ensure_spare(cx, log));
        last = log->current->records > 0 ? log->current : log->flushing;
        if (last != NULL)
            last->refs++;
    }
    return lh_append_log_wait(cx, log, last);
}
