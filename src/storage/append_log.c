/* append_log.c - opening and closing a log, what it remembers, and who is looking at which batches.
 *
 * Opening lists the batches, drops those that lie in the span of a merged one, and reads the newest
 * until the ring is full; of the others only the seal (their last bytes) is read, so opening does
 * not grow with the data. */
#include "storage/append_log.h"

#include "storage/append_log_private.h"
#include "storage/store_private.h"

#include <stdlib.h>

enum { TAIL_BYTES_DEFAULT = 1 << 20, RECENT_DEFAULT = 256, PAGE_KEYS = 1000 };

lh_rc lhi_log_group_new(lh_ctx *cx, lh_append_log_group **ret_group)
{
    lh_append_log_group *group = lh_alloc_zero(1, sizeof(*group));
    if (group == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a batch of records");
    lh_buf_init(&group->bytes, 2 * (size_t)LH_APPEND_LOG_BATCH_MAX);
    group->refs = 1;
    *ret_group = group;
    return LH_OK;
}

lh_append_log_group *lhi_log_group_unref(lh_append_log_group *group)
{
    if (group != NULL && --group->refs == 0) {
        lh_buf_done(&group->bytes);
        lh_free(group);
    }
    return NULL;
}

static char *heap_text(lh_str text)
{
    char *copy = lh_alloc(text.len + 1);
    if (copy != NULL) {
        memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

/* Memory for people who look; when there is none, a record is missing here and nowhere else. */
void lhi_log_ring_push(lh_append_log *log, lh_str line)
{
    char *copy = heap_text(line);
    if (copy == NULL)
        return;
    lh_str *slot = &log->ring[log->ring_next];
    lh_free((void *)(uintptr_t)slot->ptr);
    *slot = (lh_str){copy, line.len};
    log->ring_next = (log->ring_next + 1) % log->ring_max;
    log->ring_count = LH_MIN(log->ring_count + 1, log->ring_max);
}

void lhi_log_ring_push_lines(lh_append_log *log, lh_str lines)
{
    lh_str line;
    while (lines.len > 0 && lh_str_split_next(&lines, '\n', &line))
        lhi_log_ring_push(log, line);
}

lh_rc lhi_log_reserve_entry(lh_ctx *cx, lh_append_log *log)
{
    if (log->entries_count < log->entries_capacity)
        return LH_OK;
    size_t capacity = log->entries_capacity != 0 ? 2 * log->entries_capacity : 64;
    void *grown = lh_realloc_array(log->entries, capacity, sizeof(*log->entries));
    if (grown == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a list of %zu batches", capacity);
    log->entries = grown;
    log->entries_capacity = capacity;
    return LH_OK;
}

static int by_time(const void *left, const void *right)
{
    const lh_append_log_batch *a = &((const lhi_log_entry *)left)->batch;
    const lh_append_log_batch *b = &((const lhi_log_entry *)right)->batch;
    if (a->newest_us != b->newest_us)
        return a->newest_us < b->newest_us ? -1 : 1;
    return (a->oldest_us < b->oldest_us) - (a->oldest_us > b->oldest_us); /* the widest last */
}

static lh_rc list_batches(lh_ctx *cx, lh_append_log *log)
{
    lh_str after = LH_S("");
    lh_object_page page = {.more = 1};
    while (page.more) {
        LH_TRY(lh_store_list(cx, log->store, log->prefix, after, PAGE_KEYS, &page));
        for (size_t i = 0; i < page.count; i++) {
            lhi_log_entry entry = {0};
            after = page.items[i].key;
            if (!lhi_log_parse_key(log, after, &entry.batch))
                continue; /* another file of this prefix */
            entry.batch.bytes = page.items[i].bytes;
            LH_TRY(lhi_log_reserve_entry(cx, log));
            log->entries[log->entries_count++] = entry;
        }
    }
    if (log->entries_count > 1)
        qsort(log->entries, log->entries_count, sizeof(*log->entries), by_time);
    return LH_OK;
}

/* Spans are disjoint or nested, and a wider one sorts behind all it holds: so from the newest on,
 * whatever reaches into the span kept last is part of it. */
static lh_rc drop_merged_parts(lh_ctx *cx, lh_append_log *log)
{
    int64_t covered_from_us = INT64_MAX;
    size_t kept = log->entries_count;
    for (size_t i = log->entries_count; i-- > 0;) {
        lhi_log_entry entry = log->entries[i];
        if (entry.batch.newest_us >= covered_from_us) {
            LH_TRY(lhi_store_delete_later(cx, log->store, lhi_log_key(cx, log, &entry.batch)));
            continue;
        }
        covered_from_us = entry.batch.oldest_us;
        log->entries[--kept] = entry;
    }
    log->entries_count -= kept;
    if (log->entries_count > 0 && kept > 0)
        memmove(log->entries, log->entries + kept, log->entries_count * sizeof(*log->entries));
    return LH_OK;
}

/* In reverse, because the ring must hold the newest and they are read newest batch first. */
static lh_rc load_ring(lh_ctx *cx, lh_append_log *log, size_t first_batch)
{
    for (size_t i = first_batch; i < log->entries_count; i++) {
        lhi_log_content content;
        if (log->entries[i].corrupt)
            continue;
        LH_TRY(lhi_log_read_content(cx, log, &log->entries[i].batch, &content));
        lhi_log_ring_push_lines(log, content.lines);
    }
    return LH_OK;
}

/* Checks every batch as far as its count is needed; *ret_first is the first whose records the ring
 * wants. */
static lh_rc check_batches(lh_ctx *cx, lh_append_log *log, size_t *ret_first)
{
    uint64_t wanted = log->ring_max;
    *ret_first = log->entries_count;
    for (size_t i = log->entries_count; i-- > 0;) {
        lhi_log_entry *entry = &log->entries[i];
        lhi_log_content content;
        lh_rc rc = wanted > 0 ? lhi_log_read_content(cx, log, &entry->batch, &content)
                              : lhi_log_read_count(cx, log, &entry->batch);
        if (rc == LH_E_CORRUPT && (log->flags & LH_APPEND_LOG_SALVAGE) != 0) {
            lh_err_clear(cx);
            entry->corrupt = 1;
            log->corrupt_batches++;
            continue;
        }
        LH_TRY(rc);
        if (wanted == 0)
            continue;
        entry->batch.records = content.records;
        wanted -= LH_MIN(wanted, content.records);
        *ret_first = i;
    }
    return LH_OK;
}

static lh_rc load(lh_ctx *cx, lh_append_log *log)
{
    LH_TRY(list_batches(cx, log));
    LH_TRY(drop_merged_parts(cx, log));
    if (log->entries_count > 0)
        log->last_us = log->entries[log->entries_count - 1].batch.newest_us;
    size_t first = 0;
    LH_TRY(check_batches(cx, log, &first));
    return load_ring(cx, log, first);
}

static lh_rc make(lh_ctx *cx, lh_store *store, const lh_append_log_options *opts,
                  lh_append_log *log)
{
    log->store = store;
    log->tail_bytes_max =
        opts->tail_bytes_max != 0 ? opts->tail_bytes_max : (uint64_t)TAIL_BYTES_DEFAULT;
    log->tail_bytes_max = LH_MIN(log->tail_bytes_max, (uint64_t)LH_APPEND_LOG_BATCH_MAX);
    log->flush_records = LH_MAX(opts->flush_records, 1u);
    log->flags = opts->flags;
    log->ring_max = opts->recent_max != 0 ? opts->recent_max : (uint32_t)RECENT_DEFAULT;
    log->ring = lh_alloc_zero(log->ring_max, sizeof(*log->ring));
    char *prefix = heap_text(opts->prefix);
    log->prefix = (lh_str){prefix, opts->prefix.len};
    if (log->ring == NULL || prefix == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a log");
    LH_TRY(lhi_log_group_new(cx, &log->current));
    return lhi_log_group_new(cx, &log->spare);
}

lh_rc lh_append_log_open(lh_ctx *cx, lh_store *store, const lh_append_log_options *opts,
                         lh_append_log **ret_log)
{
    lh_assert(store != NULL && opts->prefix.len > 1 && lh_str_ends(opts->prefix, LH_S("/")));
    LH_CLEANUP(lh_arena_free)
    lh_arena *arena = lh_arena_new(0); /* batches pass through: not the caller's memory */
    LH_CLEANUP(lh_append_log_close) lh_append_log *log = lh_alloc_zero(1, sizeof(*log));
    if (arena == NULL || log == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a log");
    lh_mutex_init(&log->lock);
    lh_cond_init(&log->changed);
    LH_TRY(make(cx, store, opts, log));
    lh_ctx own;
    lh_ctx_init_child(&own, arena, cx);
    lh_rc rc = load(&own, log);
    if (rc != LH_OK) {
        cx->err = own.err;
        return rc;
    }
    *ret_log = LH_TAKE(log);
    return LH_OK;
}

lh_append_log *lh_append_log_close(lh_append_log *log)
{
    if (log == NULL)
        return NULL;
    lh_assert(log->flushing == NULL && !log->merging);
    lhi_log_group_unref(log->current);
    lhi_log_group_unref(log->spare);
    for (uint32_t i = 0; log->ring != NULL && i < log->ring_max; i++)
        lh_free((void *)(uintptr_t)log->ring[i].ptr);
    lh_free(log->ring);
    lh_free(log->entries);
    lh_free((void *)(uintptr_t)log->prefix.ptr);
    lh_cond_done(&log->changed);
    lh_mutex_done(&log->lock);
    lh_free(log);
    return NULL;
}

lh_rc lh_append_log_recent(lh_ctx *cx, lh_append_log *log, size_t limit, lh_str **ret_lines,
                           size_t *ret_count)
{
    LH_WITH_LOCK(&log->lock);
    size_t count = limit != 0 ? LH_MIN(limit, (size_t)log->ring_count) : log->ring_count;
    lh_str *lines = LH_NEW_ARRAY(cx, lh_str, count + 1);
    if (lines == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        size_t slot = (log->ring_next + 2 * (size_t)log->ring_max - 1 - i) % log->ring_max;
        lines[i] = lh_ctx_dup(cx, log->ring[slot]);
        if (lines[i].ptr == NULL)
            return LH_E_NO_MEMORY;
    }
    *ret_lines = lines;
    *ret_count = count;
    return LH_OK;
}

lh_rc lh_append_log_pin_batches(lh_ctx *cx, lh_append_log *log, lh_append_log_pin *ret_pin)
{
    LH_WITH_LOCK(&log->lock);
    lh_append_log_batch *batches = LH_NEW_ARRAY(cx, lh_append_log_batch, log->entries_count + 1);
    if (batches == NULL)
        return LH_E_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < log->entries_count; i++)
        if (!log->entries[i].corrupt)
            batches[count++] = log->entries[i].batch;
    *ret_pin = (lh_append_log_pin){.batches = batches, .count = count, .slot = log->pin_slot};
    log->pins[log->pin_slot]++;
    return LH_OK;
}

void lh_append_log_unpin(lh_append_log *log, lh_append_log_pin *pin)
{
    LH_WITH_LOCK(&log->lock);
    lh_assert(log->pins[pin->slot] > 0);
    log->pins[pin->slot]--;
    lh_cond_broadcast(&log->changed);
}

void lh_append_log_get_stats(lh_append_log *log, lh_append_log_stats *ret_stats)
{
    LH_WITH_LOCK(&log->lock);
    lh_append_log_stats stats = {.waiting_records = log->current->records,
                                 .corrupt_batches = log->corrupt_batches};
    if (log->flushing != NULL)
        stats.waiting_records += log->flushing->records;
    for (size_t i = 0; i < log->entries_count; i++) {
        if (log->entries[i].corrupt)
            continue;
        stats.batches++;
        stats.records += log->entries[i].batch.records;
        stats.bytes += log->entries[i].batch.bytes;
    }
    *ret_stats = stats;
}
