/* journal_index.c - which batches speak of an entity, so that a history reads those and no others.
 *
 * A sorted list of 64-bit hashes per batch: a false hit costs one read, a miss cannot happen. Lists
 * are built when a history is first asked for (each batch is read once in the life of the process);
 * a merged batch takes the union of its parts' lists when all of them are known, and is read only
 * otherwise. */
#include "base/hash.h"
#include "journal/journal_private.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts, drops repetitions, gives back memory. hashes is taken. */
static void settle(lh_journal *journal, lhi_batch_index *entry, uint64_t *hashes, size_t count)
{
    size_t kept = 0;
    if (count > 1)
        qsort(hashes, count, sizeof(*hashes), by_value);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || hashes[kept - 1] != hashes[i])
            hashes[kept++] = hashes[i];
    if (journal->index_entries + kept > journal->index_entries_max) {
        lh_free(hashes);
        entry->scan = 1;
        return;
    }
    uint64_t *smaller = kept > 0 ? lh_realloc_array(hashes, kept, sizeof(*hashes)) : NULL;
    entry->hashes = smaller != NULL ? smaller : hashes;
    entry->count = kept;
    journal->index_entries += kept;
}

static size_t find(const lh_journal *journal, const lh_append_log_batch *batch)
{
    for (size_t i = 0; i < journal->index_count; i++)
        if (journal->index[i].newest_us == batch->newest_us &&
            journal->index[i].oldest_us == batch->oldest_us)
            return i;
    return SIZE_MAX;
}

static int is_part(const lhi_batch_index *entry, const lh_append_log_batch *whole)
{
    return entry->oldest_us >= whole->oldest_us && entry->newest_us <= whole->newest_us;
}

typedef struct batch_hashes {
    uint64_t *items; /* heap */
    size_t count;
} batch_hashes;

static lh_rc hash_lines(lh_ctx *own, void *arg, const lh_str *lines, size_t count)
{
    batch_hashes *of = arg;
    of->items = lh_alloc_zero(count + 1, sizeof(*of->items));
    if (of->items == NULL)
        return lh_fail(own, LH_E_NO_MEMORY, "no memory to index %zu events", count);
    for (; of->count < count; of->count++) {
        lh_journal_event event;
        LH_TRY(lhi_event_parse(own, lines[of->count], &event));
        of->items[of->count] = lh_hash64(event.entity_id, 0);
    }
    return LH_OK;
}

static lh_rc build(lh_ctx *cx, lh_journal *journal, const lh_append_log_batch *batch,
                   lhi_batch_index *entry)
{
    batch_hashes of = {0};
    lh_rc rc = lhi_batch_read(cx, journal, batch, hash_lines, &of);
    if (rc == LH_OK)
        settle(journal, entry, of.items, of.count);
    else
        lh_free(of.items);
    return rc;
}

/* 1 when all parts of the merged batch are indexed: entry then has their union. */
static int join_parts(lh_journal *journal, const lh_append_log_batch *batch, lhi_batch_index *entry)
{
    uint64_t records = 0;
    size_t count = 0;
    for (size_t i = 0; i < journal->index_count; i++) {
        const lhi_batch_index *part = &journal->index[i];
        if (!is_part(part, batch))
            continue;
        if (part->scan)
            return 0;
        records += part->records;
        count += part->count;
    }
    if (records != batch->records)
        return 0;
    uint64_t *hashes = lh_alloc_zero(count + 1, sizeof(*hashes));
    if (hashes == NULL)
        return 0;
    size_t at = 0;
    for (size_t i = 0; i < journal->index_count; i++) {
        const lhi_batch_index *part = &journal->index[i];
        if (is_part(part, batch) && part->count > 0) {
            memcpy(hashes + at, part->hashes, part->count * sizeof(*hashes));
            at += part->count;
            journal->index_entries -= part->count; /* they go with drop_parts */
        }
    }
    settle(journal, entry, hashes, count);
    return 1;
}

static void drop_parts(lh_journal *journal, const lh_append_log_batch *batch,
                       uint64_t already_uncounted)
{
    size_t kept = 0;
    for (size_t i = 0; i < journal->index_count; i++) {
        if (is_part(&journal->index[i], batch)) {
            if (!already_uncounted)
                journal->index_entries -= journal->index[i].count;
            lh_free(journal->index[i].hashes);
        } else {
            journal->index[kept++] = journal->index[i];
        }
    }
    journal->index_count = kept;
}

static lh_rc add(lh_ctx *cx, lh_journal *journal, const lh_append_log_batch *batch)
{
    if (journal->index_count == journal->index_capacity) {
        size_t capacity = journal->index_capacity != 0 ? 2 * journal->index_capacity : 64;
        void *grown = lh_realloc_array(journal->index, capacity, sizeof(*journal->index));
        if (grown == NULL)
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory to index %zu batches", capacity);
        journal->index = grown;
        journal->index_capacity = capacity;
    }
    lhi_batch_index entry = {
        .newest_us = batch->newest_us, .oldest_us = batch->oldest_us, .records = batch->records};
    int joined = batch->newest_us != batch->oldest_us && join_parts(journal, batch, &entry);
    if (!joined)
        LH_TRY(build(cx, journal, batch, &entry));
    drop_parts(journal, batch, (uint64_t)joined);
    journal->index[journal->index_count++] = entry;
    return LH_OK;
}

lh_rc lhi_index_refresh(lh_ctx *cx, lh_journal *journal, const lh_append_log_pin *pin)
{
    for (size_t i = 0; i < pin->count; i++) {
        if (find(journal, &pin->batches[i]) != SIZE_MAX)
            continue;
        LH_TRY(lh_ctx_check(cx));
        LH_TRY(add(cx, journal, &pin->batches[i]));
    }
    return LH_OK;
}

int lhi_index_may_hold(const lh_journal *journal, const lh_append_log_batch *batch,
                       lh_str entity_id)
{
    size_t at = find(journal, batch);
    if (at == SIZE_MAX || journal->index[at].scan)
        return 1;
    const lhi_batch_index *entry = &journal->index[at];
    uint64_t hash = lh_hash64(entity_id, 0);
    return entry->count > 0 &&
           bsearch(&hash, entry->hashes, entry->count, sizeof(hash), by_value) != NULL;
}

void lhi_index_done(lh_journal *journal)
{
    for (size_t i = 0; i < journal->index_count; i++)
        lh_free(journal->index[i].hashes);
    journal->index = lh_free(journal->index);
    journal->index_count = 0;
}
