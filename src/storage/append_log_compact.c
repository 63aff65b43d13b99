/* append_log_compact.c - merging batches: the one verb that is long.
 *
 * A merge stages one object with the lines of its parts in order, publishes it under a name that
 * covers their span, swaps it for them in the list, waits for readers of the old list, and deletes
 * the parts. The name alone decides what counts (append_log.h), so a crash anywhere in between
 * needs no repair but deleting what is covered. Corrupt batches are never covered: a merge stops
 * before one and goes on behind it. */
#include "base/fault.h"
#include "storage/append_log_private.h"
#include "storage/store_private.h"

enum { TIER_BATCHES_MIN = 8, TIER_RATIO = 4, TIER_BYTES_FLOOR = 64 * 1024 };

typedef struct run {
    size_t first; /* index into log->entries */
    size_t count;
} run;

static lh_rc copy_part(lh_ctx *cx, lh_append_log *log, const lh_append_log_batch *part,
                       lh_staged *staged, lhi_log_content *sum)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0); /* one part in memory at a time */
    if (arena == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory to merge batches");
    lh_ctx own;
    lh_ctx_init_child(&own, arena, cx);
    lhi_log_content content;
    lh_rc rc = lhi_log_read_content(&own, log, part, &content);
    if (rc == LH_OK && content.lines.len > 0)
        rc = lh_staged_write(&own, staged, content.lines);
    if (rc != LH_OK) {
        cx->err = own.err;
        return rc;
    }
    sum->records += content.records;
    sum->chain = lhi_log_chain(content.lines, sum->chain);
    return LH_OK;
}

/* A name that is taken already was published by an attempt that failed later: the same span holds
 * the same records. */
static lh_rc check_earlier_attempt(lh_ctx *cx, lh_append_log *log,
                                   const lh_append_log_batch *merged, const lhi_log_content *sum)
{
    lhi_log_content there;
    LH_TRY(lhi_log_read_content(cx, log, merged, &there));
    if (there.records != sum->records || there.chain != sum->chain)
        return lh_fail(cx, LH_E_CORRUPT, "a merged batch is there with other records");
    return LH_OK;
}

static lh_rc publish(lh_ctx *cx, lh_append_log *log, const lh_append_log_batch *parts, size_t count,
                     lh_append_log_batch *merged)
{
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    LH_CLEANUP(lh_buf_done) lh_buf seal = {0};
    lhi_log_content sum = {0};
    lh_str key = lhi_log_key(cx, log, merged);
    if (key.ptr == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(lh_store_stage(cx, log->store, &staged));
    for (size_t i = 0; i < count; i++) {
        LH_TRY(lh_ctx_check(cx));
        LH_TRY(copy_part(cx, log, &parts[i], staged, &sum));
    }
    lh_buf_init(&seal, 256);
    LH_TRY(lhi_log_append_seal(cx, &seal, sum.records, sum.chain));
    LH_TRY(lh_staged_write(cx, staged, lh_buf_str(&seal)));
    merged->bytes = lh_staged_bytes(staged);
    merged->records = sum.records;
    LH_FAULT(cx, APPEND_LOG_COMPACT_BEFORE_PUT);
    lh_object_sum object;
    lh_rc rc = lh_staged_publish(cx, staged, key, &object);
    return rc == LH_E_ALREADY_EXISTS ? check_earlier_attempt(cx, log, merged, &sum) : rc;
}

/* Appends only add behind, and nobody else merges: the run is still where it was. */
static void swap_entries(lh_append_log *log, run parts, const lh_append_log_batch *merged)
{
    LH_WITH_LOCK(&log->lock);
    lhi_log_entry *at = &log->entries[parts.first];
    size_t behind = log->entries_count - parts.first - parts.count;
    at[0] = (lhi_log_entry){.batch = *merged};
    memmove(at + 1, at + parts.count, behind * sizeof(*at));
    log->entries_count -= parts.count - 1;

    uint32_t old = log->pin_slot;
    log->pin_slot = 1 - old;
    while (log->pins[old] > 0)
        lh_cond_wait(&log->changed, &log->lock);
}

static lh_rc merge(lh_ctx *cx, lh_append_log *log, run parts)
{
    lh_append_log_batch *copies = LH_NEW_ARRAY(cx, lh_append_log_batch, parts.count);
    if (copies == NULL)
        return LH_E_NO_MEMORY;
    {
        LH_WITH_LOCK(&log->lock);
        for (size_t i = 0; i < parts.count; i++)
            copies[i] = log->entries[parts.first + i].batch;
    }
    lh_append_log_batch merged = {.newest_us = copies[parts.count - 1].newest_us,
                                  .oldest_us = copies[0].oldest_us};
    LH_TRY(publish(cx, log, copies, parts.count, &merged));
    swap_entries(log, parts, &merged);
    LH_FAULT(cx, APPEND_LOG_COMPACT_BEFORE_DELETE);
    for (size_t i = 0; i < parts.count; i++) {
        lh_str key = lhi_log_key(cx, log, &copies[i]);
        if (key.ptr == NULL)
            return LH_E_NO_MEMORY;
        LH_TRY(lhi_store_delete_later(cx, log->store,
                                      key)); /* covered: back again, it would not count */
        LH_FAULT(cx, APPEND_LOG_COMPACT_IN_DELETE);
    }
    return LH_OK;
}

static int can_join(const lhi_log_entry *entry, uint64_t bytes_so_far)
{
    return !entry->corrupt && bytes_so_far + entry->batch.bytes <= LH_APPEND_LOG_BATCH_MAX;
}

/* The next run from `from` on; count < 2 when there is none. */
static run next_full_run(const lh_append_log *log, size_t from)
{
    run found = {.first = from};
    uint64_t bytes = 0;
    for (size_t i = from; i < log->entries_count; i++) {
        if (can_join(&log->entries[i], bytes)) {
            bytes += log->entries[i].batch.bytes;
            found.count++;
            continue;
        }
        if (found.count >= 2)
            break;
        int fits_alone = can_join(&log->entries[i], 0);
        found = (run){.first = fits_alone ? i : i + 1, .count = fits_alone ? 1 : 0};
        bytes = fits_alone ? log->entries[i].batch.bytes : 0;
    }
    return found;
}

/* From the newest back, as long as the older one is not much larger than all newer together. */
static run tiered_run(const lh_append_log *log)
{
    run found = {.first = log->entries_count};
    uint64_t bytes = 0;
    while (found.first > 0) {
        const lhi_log_entry *older = &log->entries[found.first - 1];
        uint64_t like = TIER_RATIO * LH_MAX(bytes, (uint64_t)TIER_BYTES_FLOOR / TIER_RATIO);
        if (!can_join(older, bytes) || older->batch.bytes > like)
            break;
        bytes += older->batch.bytes;
        found.first--;
        found.count++;
    }
    if (found.count < TIER_BATCHES_MIN)
        found.count = 0;
    return found;
}

static lh_rc merge_all(lh_ctx *cx, lh_append_log *log)
{
    size_t from = 0;
    for (;;) {
        run found;
        {
            LH_WITH_LOCK(&log->lock);
            found = next_full_run(log, from);
        }
        if (found.count < 2)
            return LH_OK;
        LH_TRY(merge(cx, log, found));
        from = found.first + 1;
    }
}

static lh_rc merge_tier(lh_ctx *cx, lh_append_log *log)
{
    run found;
    {
        LH_WITH_LOCK(&log->lock);
        found = tiered_run(log);
    }
    return found.count >= 2 ? merge(cx, log, found) : LH_OK;
}

static lh_rc begin(lh_ctx *cx, lh_append_log *log, uint64_t *ret_batches)
{
    LH_WITH_LOCK(&log->lock);
    if (log->merging)
        return lh_fail(cx, LH_E_CONFLICT, "batches are being merged already");
    log->merging = 1;
    *ret_batches = log->entries_count;
    return LH_OK;
}

static uint64_t end(lh_append_log *log)
{
    LH_WITH_LOCK(&log->lock);
    log->merging = 0;
    lh_cond_broadcast(&log->changed);
    return log->entries_count;
}

lh_rc lh_append_log_compact(lh_ctx *cx, lh_append_log *log, lh_append_log_compact_how how,
                            lh_append_log_compacted *ret_done)
{
    lh_append_log_compacted done = {0};
    LH_TRY(begin(cx, log, &done.batches_before));
    lh_rc rc = how == LH_APPEND_LOG_COMPACT_ALL ? merge_all(cx, log) : merge_tier(cx, log);
    done.batches_after = end(log);
    LH_TRY(rc);
    *ret_done = done;
    return LH_OK;
}
