/* journal/journal.h - what happened to what, by whom: append-only, never changed.
 *
 * Owns:    its append log and an index of entities; borrows the store.
 * Threads: all functions from any thread. One thread of its own merges batches when there are many.
 * Limits:  one event <= 64 KiB as JSON; the index holds at most index_entries_max (entity, batch)
 *          pairs of 8 bytes; a batch beyond that is read whenever a history is asked for.
 * Formats: append log under "journal/" (storage/append_log.h), one JournalEvent per line.
 * Why:     contract B8 and ADR-012: history is complete or it is worthless, so an event is durable
 *          when append returns, in order, once. Events that first live elsewhere (a manifest) get
 *          their permanent id there: lh_journal_assign. */
#ifndef LH_JOURNAL_JOURNAL_H
#define LH_JOURNAL_JOURNAL_H

#include "base/record.h"
#include "storage/store.h"

typedef struct lh_journal lh_journal;

typedef struct lh_journal_event {
    lh_str
        /* "<microseconds, 16 digits>-<counter, 4 digits>": permanent, rising; empty = to be
         * assigned */
        event_id;
    lh_str entity_type; /* "dataset", "candidate" ... */
    lh_str entity_id;
    lh_str field;     /* empty = the whole entity */
    lh_str action;    /* "insert", "update", "ingest", "delete" ... */
    lh_str old_value; /* any JSON; empty = null */
    lh_str new_value;
    lh_str actor;
    lh_str source;
    lh_str workspace_id;
    int64_t timestamp; /* real microseconds; 0 = when it is assigned */
} lh_journal_event;
extern const lh_record lh_journal_event_record; /* of lh_journal_event */

enum {
    LH_JOURNAL_SALVAGE = 1
}; /* open: a batch that fails its checks is left out and counted, not an error */

typedef struct lh_journal_options {
    uint32_t
        /* 0 or 1: durable when append returns; more: buffered so far (contract B8: 100) */
        flush_records;
    uint32_t recent_max;        /* events kept in memory; 0 = 1000 */
    uint64_t index_entries_max; /* 0 = 4 Mi (32 MiB) */
    uint32_t batches_max;       /* merge from so many on; 0 = 64 */
    uint32_t flags;
} lh_journal_options;

/* Errors: LH_E_CORRUPT names the batch; those of the store. */
LH_WARN_UNUSED lh_rc lh_journal_open(lh_ctx *cx, lh_store *store, const lh_journal_options *opts,
                                     lh_journal **ret_journal);
lh_journal *lh_journal_close(lh_journal *journal); /* NULL ok; flush first. Returns NULL. */
LH_DEFINE_CLEANUP(lh_journal, lh_journal_close)

/* Fills event_id and timestamp where they are empty (texts in the arena) and checks the events,
 * without writing: for events that are stored in a manifest first. LH_E_MISSING_FIELD,
 * LH_E_BAD_VALUE, LH_E_BAD_JSON. */
LH_WARN_UNUSED lh_rc lh_journal_assign(lh_ctx *cx, lh_journal *journal, lh_journal_event *events,
                                       size_t count);
/* Assigns as above and appends: all events or none. Durable when it returns, unless buffered.
 * Errors: those of assign, LH_E_TOO_LARGE, those of the store; then nothing was appended
 * (storage/append_log.h says when that cannot be known). */
LH_WARN_UNUSED lh_rc lh_journal_append(lh_ctx *cx, lh_journal *journal, lh_journal_event *events,
                                       size_t count);
/* Appends those whose event_id is not in the journal yet: what a restart does with the events of
 * its newest manifests. */
LH_WARN_UNUSED lh_rc lh_journal_append_missing(lh_ctx *cx, lh_journal *journal,
                                               lh_journal_event *events, size_t count,
                                               size_t *ret_appended);
/* Whether an event of that id was written. Reads the batches since the id was given until it is
 * found, not the journal; flushes first. LH_E_BAD_VALUE (no event id). */
LH_WARN_UNUSED lh_rc lh_journal_contains(lh_ctx *cx, lh_journal *journal, lh_str event_id,
                                         int *ret_found);
LH_WARN_UNUSED lh_rc lh_journal_flush(lh_ctx *cx, lh_journal *journal);

/* Newest first, at most limit and options.recent_max; in the arena. */
LH_WARN_UNUSED lh_rc lh_journal_recent(lh_ctx *cx, lh_journal *journal, size_t limit,
                                       lh_journal_event **ret_events, size_t *ret_count);

typedef struct lh_journal_query {
    lh_str entity_id;
    lh_str entity_type; /* empty = any */
    lh_str after;       /* event_id of the last page's last; empty = from the beginning */
    int64_t until_us;   /* events up to this time ("as of"); 0 = all */
    size_t limit;       /* 0 = all */
} lh_journal_query;
typedef struct lh_journal_page {
    lh_journal_event *events; /* arena; in order of event_id, oldest first */
    size_t count;
    int more;
} lh_journal_page;
LH_WARN_UNUSED lh_rc lh_journal_history(lh_ctx *cx, lh_journal *journal,
                                        const lh_journal_query *query, lh_journal_page *ret_page);

/* Merges all batches into few (the thread of the journal does so by tiers on its own). */
LH_WARN_UNUSED lh_rc lh_journal_compact(lh_ctx *cx, lh_journal *journal);

typedef struct lh_journal_stats {
    uint64_t buffer_size;          /* events that wait for a flush */
    uint64_t persisted_files;      /* batches */
    uint64_t total_events_created; /* in batches or waiting */
    uint64_t bytes;
    uint64_t corrupt_files;
    uint64_t index_entries;
} lh_journal_stats;
extern const lh_record lh_journal_stats_record; /* of lh_journal_stats */
void lh_journal_get_stats(lh_journal *journal, lh_journal_stats *ret_stats);

#endif
