/* journal.c - opening, appending, and the thread that keeps the number of batches small.
 *
 * Ids are given and records queued under one lock, so the order of the log is the order of the ids;
 * the wait for the disk is outside of it, so appenders share an fsync. */
#include "journal/journal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "journal/journal_private.h"

enum {
    RECENT_DEFAULT = 1000,
    BATCHES_DEFAULT = 64,
    COUNTER_MAX = 9999,
    INDEX_ENTRIES_DEFAULT = 4 << 20,
    MERGER_STACK_BYTES = 512 * 1024
};

static const lh_field stats_fields[] = {
    LH_FIELD("buffer_size", U64, lh_journal_stats, buffer_size,
             .doc = "Events that wait for a flush."),
    LH_FIELD("persisted_files", U64, lh_journal_stats, persisted_files,
             .doc = "Batches in the store."),
    LH_FIELD("total_events_created", U64, lh_journal_stats, total_events_created,
             .doc = "Events of all time."),
    LH_FIELD("bytes", U64, lh_journal_stats, bytes, .doc = "Size of all batches in bytes."),
    LH_FIELD("corrupt_files", U64, lh_journal_stats, corrupt_files,
             .doc = "Batches left out because of damage."),
    LH_FIELD("index_entries", U64, lh_journal_stats, index_entries,
             .doc = "Pairs of entity and batch in memory."),
    {0}};
const lh_record lh_journal_stats_record = {.name = "JournalStats",
                                           .size = sizeof(lh_journal_stats),
                                           .fields = stats_fields,
                                           .doc = "State of the event journal."};

static void see_id(lh_journal *journal, lh_str id)
{
    int64_t us;
    uint32_t counter;
    if (!lhi_event_id_parse(id, &us, &counter))
        return;
    if (us > journal->last_us || (us == journal->last_us && counter > journal->last_counter)) {
        journal->last_us = us;
        journal->last_counter = counter;
    }
}

/* Ids go on above everything written, also when the clock was set back while we were away. */
static lh_rc find_last_id(lh_ctx *cx, lh_journal *journal)
{
    lh_append_log_pin pin;
    lh_journal_event *events;
    size_t count;
    LH_TRY(lh_append_log_pin_batches(cx, journal->log, &pin));
    if (pin.count > 0)
        journal->last_us = pin.batches[pin.count - 1].newest_us;
    lh_append_log_unpin(journal->log, &pin);
    LH_TRY(lh_journal_recent(cx, journal, 0, &events, &count));
    for (size_t i = 0; i < count; i++)
        see_id(journal, events[i].event_id);
    return LH_OK;
}

static void merge_once(lh_journal *journal)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (arena == NULL)
        return;
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    cx.cancel = &journal->cancel;
    lh_append_log_compacted done;
    lh_rc rc = lh_append_log_compact(&cx, journal->log, LH_APPEND_LOG_COMPACT_TIERED, &done);
    if (rc != LH_OK && rc != LH_E_CONFLICT && rc != LH_E_CANCELLED)
        LH_LOG(&cx, JOURNAL_MERGE_FAILED, LH_KS("code", lh_str_from(lh_rc_code(rc))),
               LH_KS("message", lh_str_from(cx.err.message)));
}

static void merger_main(void *arg)
{
    lh_journal *journal = arg;
    lh_mutex_lock(&journal->lock);
    for (;;) {
        while (!journal->stopping && !journal->merge_due)
            lh_cond_wait(&journal->wake, &journal->lock);
        if (journal->stopping)
            break;
        journal->merge_due = 0;
        lh_mutex_unlock(&journal->lock);
        merge_once(journal); /* an error has been logged; the next append asks again */
        lh_mutex_lock(&journal->lock);
    }
    lh_mutex_unlock(&journal->lock);
}

static void ask_for_merge(lh_journal *journal)
{
    lh_append_log_stats stats;
    lh_append_log_get_stats(journal->log, &stats);
    if (stats.batches < journal->batches_max)
        return;
    LH_WITH_LOCK(&journal->lock);
    journal->merge_due = 1;
    lh_cond_signal(&journal->wake);
}

static lh_rc fill(lh_ctx *cx, lh_store *store, const lh_journal_options *opts, lh_journal *journal)
{
    lh_append_log_options log_opts = {
        .prefix = LH_S("journal/"),
        .flush_records = opts->flush_records,
        .recent_max = opts->recent_max != 0 ? opts->recent_max : (uint32_t)RECENT_DEFAULT,
        .flags = (opts->flags & LH_JOURNAL_SALVAGE) != 0 ? (uint32_t)LH_APPEND_LOG_SALVAGE : 0u};
    journal->batches_max = opts->batches_max != 0 ? opts->batches_max : (uint32_t)BATCHES_DEFAULT;
    journal->index_entries_max =
        opts->index_entries_max != 0 ? opts->index_entries_max : (uint64_t)INDEX_ENTRIES_DEFAULT;
    LH_TRY(lh_append_log_open(cx, store, &log_opts, &journal->log));
    LH_TRY(find_last_id(cx, journal));
    return lh_thread_start(cx, "journal", MERGER_STACK_BYTES, merger_main, journal,
                           &journal->merger);
}

lh_rc lh_journal_open(lh_ctx *cx, lh_store *store, const lh_journal_options *opts,
                      lh_journal **ret_journal)
{
    lh_journal *journal = lh_alloc_zero(1, sizeof(*journal));
    if (journal == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a journal");
    lh_mutex_init(&journal->lock);
    lh_mutex_init(&journal->index_lock);
    lh_cond_init(&journal->wake);
    lh_rc rc = fill(cx, store, opts, journal);
    if (rc != LH_OK) {
        lh_journal_close(journal);
        return rc;
    }
    ask_for_merge(journal);
    *ret_journal = journal;
    return LH_OK;
}

lh_journal *lh_journal_close(lh_journal *journal)
{
    if (journal == NULL)
        return NULL;
    lh_cancel_request(&journal->cancel);
    lh_mutex_lock(&journal->lock);
    journal->stopping = 1;
    lh_cond_signal(&journal->wake);
    lh_mutex_unlock(&journal->lock);
    lh_thread_join(journal->merger);
    lhi_index_done(journal);
    lh_append_log_close(journal->log);
    lh_cond_done(&journal->wake);
    lh_mutex_done(&journal->index_lock);
    lh_mutex_done(&journal->lock);
    lh_free(journal);
    return NULL;
}

/* Under the lock: the next id, above all given so far, whatever the clock says. */
static lh_rc give_id(lh_ctx *cx, lh_journal *journal, lh_journal_event *event)
{
    if (event->timestamp == 0)
        event->timestamp = lh_clock_real_us();
    if (event->event_id.len > 0) {
        see_id(journal, event->event_id);
        return LH_OK;
    }
    int64_t now_us = lh_clock_real_us();
    if (now_us > journal->last_us) {
        journal->last_us = now_us;
        journal->last_counter = 0;
    } else if (journal->last_counter < COUNTER_MAX) {
        journal->last_counter++;
    } else {
        journal->last_us++;
        journal->last_counter = 0;
    }
    event->event_id =
        lh_ctx_fmt(cx, "%016lld-%04u", (long long)journal->last_us, journal->last_counter);
    return event->event_id.ptr != NULL ? LH_OK : LH_E_NO_MEMORY;
}

static lh_rc check_all(lh_ctx *cx, lh_journal_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        LH_TRY(lhi_event_check(cx, &events[i]));
    return LH_OK;
}

lh_rc lh_journal_assign(lh_ctx *cx, lh_journal *journal, lh_journal_event *events, size_t count)
{
    LH_TRY(check_all(cx, events, count));
    LH_WITH_LOCK(&journal->lock);
    for (size_t i = 0; i < count; i++)
        LH_TRY(give_id(cx, journal, &events[i]));
    return LH_OK;
}

static lh_rc enqueue(lh_ctx *cx, lh_journal *journal, lh_journal_event *events, size_t count,
                     lh_append_log_group **ret_ticket)
{
    lh_str *lines = LH_NEW_ARRAY(cx, lh_str, count);
    if (lines == NULL)
        return LH_E_NO_MEMORY;
    LH_WITH_LOCK(&journal->lock);
    for (size_t i = 0; i < count; i++) {
        LH_TRY(give_id(cx, journal, &events[i]));
        LH_TRY(lhi_event_line(cx, &events[i], &lines[i]));
    }
    return lh_append_log_enqueue(cx, journal->log, lines, count, ret_ticket);
}

lh_rc lh_journal_append(lh_ctx *cx, lh_journal *journal, lh_journal_event *events, size_t count)
{
    if (count == 0)
        return LH_OK;
    lh_append_log_group *ticket = NULL;
    LH_TRY(check_all(cx, events, count));
    LH_TRY(enqueue(cx, journal, events, count, &ticket));
    LH_TRY(lh_append_log_wait(cx, journal->log, ticket));
    lh_metric_add(LH_M_JOURNAL_EVENTS, (int64_t)count);
    ask_for_merge(journal);
    return LH_OK;
}

static lh_rc is_there(lh_ctx *cx, lh_journal *journal, const lh_journal_event *event,
                      int *ret_found)
{
    lh_journal_page page;
    lh_journal_query query = {.entity_id = event->entity_id, .entity_type = event->entity_type};
    LH_TRY(lh_journal_history(cx, journal, &query, &page));
    *ret_found = 0;
    for (size_t i = 0; i < page.count && !*ret_found; i++)
        *ret_found = lh_str_eq(page.events[i].event_id, event->event_id);
    return LH_OK;
}

lh_rc lh_journal_append_missing(lh_ctx *cx, lh_journal *journal, lh_journal_event *events,
                                size_t count, size_t *ret_appended)
{
    lh_journal_event *missing = LH_NEW_ARRAY(cx, lh_journal_event, count + 1);
    if (missing == NULL)
        return LH_E_NO_MEMORY;
    size_t missing_count = 0;
    for (size_t i = 0; i < count; i++) {
        int found = 0;
        if (events[i].event_id.len > 0)
            LH_TRY(is_there(cx, journal, &events[i], &found));
        if (!found)
            missing[missing_count++] = events[i];
    }
    LH_TRY(lh_journal_append(cx, journal, missing, missing_count));
    *ret_appended = missing_count;
    return LH_OK;
}

lh_rc lh_journal_flush(lh_ctx *cx, lh_journal *journal)
{
    return lh_append_log_flush(cx, journal->log);
}

lh_rc lh_journal_recent(lh_ctx *cx, lh_journal *journal, size_t limit,
                        lh_journal_event **ret_events, size_t *ret_count)
{
    lh_str *lines;
    size_t count;
    LH_TRY(lh_append_log_recent(cx, journal->log, limit, &lines, &count));
    lh_journal_event *events = LH_NEW_ARRAY(cx, lh_journal_event, count + 1);
    if (events == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        LH_TRY(lhi_event_parse(cx, lines[i], &events[i]));
    *ret_events = events;
    *ret_count = count;
    return LH_OK;
}

lh_rc lh_journal_compact(lh_ctx *cx, lh_journal *journal)
{
    lh_append_log_compacted done;
    return lh_append_log_compact(cx, journal->log, LH_APPEND_LOG_COMPACT_ALL, &done);
}

void lh_journal_get_stats(lh_journal *journal, lh_journal_stats *ret_stats)
{
    lh_append_log_stats log;
    lh_append_log_get_stats(journal->log, &log);
    lh_mutex_lock(&journal->index_lock);
    uint64_t entries = journal->index_entries;
    lh_mutex_unlock(&journal->index_lock);
    *ret_stats = (lh_journal_stats){.buffer_size = log.waiting_records,
                                    .persisted_files = log.batches,
                                    .total_events_created = log.records + log.waiting_records,
                                    .bytes = log.bytes,
                                    .corrupt_files = log.corrupt_batches,
                                    .index_entries = entries};
}
