/* journal/journal_private.h - the journal's insides, shared by its files.
 *
 * Owns:    see journal.h.
 * Threads: `lock` orders ids and the log's queue and guards the thread's state; `index_lock` guards
 *          the index. A holder of index_lock may take the log's own lock, never `lock`.
 * Limits:  see journal.h.
 * Formats: none.
 * Why:     asking for a history must not hold up appends. */
#ifndef LH_JOURNAL_PRIVATE_H
#define LH_JOURNAL_PRIVATE_H

#include "journal/journal.h"
#include "os/thread.h"
#include "storage/append_log.h"

/* Which entities a batch speaks of: sorted, distinct XXH3-64 of their ids. */
typedef struct lhi_batch_index {
    int64_t newest_us;
    int64_t oldest_us;
    uint64_t records;
    uint64_t *hashes; /* heap; NULL with scan: over the limit, the batch is always read */
    size_t count;
    int scan;
} lhi_batch_index;

struct lh_journal {
    lh_append_log *log;
    lh_mutex lock;
    lh_cond wake;    /* of the merging thread */
    int64_t last_us; /* of the newest id given */
    uint32_t last_counter;
    uint32_t batches_max;
    int stopping;
    int merge_due;
    lh_cancel cancel; /* stops a merge at close */
    lh_thread *merger;

    lh_mutex index_lock;
    lhi_batch_index *index; /* by newest_us, as the log's batches */
    size_t index_count;
    size_t index_capacity;
    uint64_t index_entries;
    uint64_t index_entries_max;
};

/* journal_event.c */
LH_WARN_UNUSED lh_rc lhi_event_check(lh_ctx *cx,
                                     lh_journal_event *event); /* makes values fit on one line */
LH_WARN_UNUSED lh_rc lhi_event_line(lh_ctx *cx, const lh_journal_event *event, lh_str *ret_line);
LH_WARN_UNUSED lh_rc lhi_event_parse(lh_ctx *cx, lh_str line, lh_journal_event *ret_event);
int lhi_event_id_parse(lh_str id, int64_t *ret_us, uint32_t *ret_counter);

/* journal_batch.c: reads a batch, has its lines used, forgets them: own's arena goes with them. */
typedef lh_rc (*lhi_batch_use)(lh_ctx *own, void *arg, const lh_str *lines, size_t count);
LH_WARN_UNUSED lh_rc lhi_batch_read(lh_ctx *cx, lh_journal *journal,
                                    const lh_append_log_batch *batch, lhi_batch_use use, void *arg);

/* journal_index.c; under index_lock */
LH_WARN_UNUSED lh_rc lhi_index_refresh(lh_ctx *cx, lh_journal *journal,
                                       const lh_append_log_pin *pin);
int lhi_index_may_hold(const lh_journal *journal, const lh_append_log_batch *batch,
                       lh_str entity_id);
void lhi_index_done(lh_journal *journal);

#endif
