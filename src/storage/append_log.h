/* storage/append_log.h - many small records become few immutable objects.
 *
 *     journal/batch_1763733360123456.jsonl                     one flush: its time in microseconds
 *     journal/batch_1763733999000000_1763733360123456.jsonl    merged: newest, oldest time of parts
 *
 *     {"event_id":...}                                         records, one JSON object per line
 *     {"event_id":...}
 *     {"lh_batch":1,"records":2,"chain":"9c1185a5c5e9fc54"}    seal: count, XXH3-64 over the lines
 *
 * A merged batch covers a span of time. Whatever lies inside the span of another batch was merged
 * into it and does not count any more: so a crash between "merged is there" and "parts are gone"
 * neither loses nor doubles a record, and the next open removes the parts. Times only grow, so no
 * new batch can fall into an old span, whatever the clock does.
 *
 * Owns:    the unflushed tail and the ring of recent records; never the store.
 * Threads: all functions from any thread. One flush at a time: who comes meanwhile shares the next
 *          one (group commit).
 * Limits:  record <= LH_APPEND_LOG_RECORD_MAX, tail <= tail_bytes_max, batch <=
 *          LH_APPEND_LOG_BATCH_MAX after merging.
 * Formats: as drawn. A batch without a seal is cut or foreign: LH_E_CORRUPT, unless
 *          LH_APPEND_LOG_UNSEALED allows it.
 * Why:     object stores have no append; rewriting a growing object loses it on a torn write
 *          (docs/adr/0006). */
#ifndef LH_STORAGE_APPEND_LOG_H
#define LH_STORAGE_APPEND_LOG_H

#include "base/ctx.h"
#include "storage/store.h"

#define LH_APPEND_LOG_RECORD_MAX (64 * 1024)
#define LH_APPEND_LOG_BATCH_MAX  (16 * 1024 * 1024)

typedef struct lh_append_log lh_append_log;

enum {
    LH_APPEND_LOG_SALVAGE = 1, /* open: a batch that fails its checks is left out, not an error */
    LH_APPEND_LOG_UNSEALED = 2 /* batches of the reference system, which had no seal, are read */
};

typedef struct lh_append_log_options {
    lh_str prefix;           /* copied; ends with '/' */
    uint64_t tail_bytes_max; /* flush when so many bytes wait; 0 = 1 MiB */
    /* flush when so many wait; 0 or 1 = every append is durable when it returns */
    uint32_t flush_records;
    uint32_t recent_max; /* records kept in memory for lh_append_log_recent; 0 = 256 */
    uint32_t flags;
} lh_append_log_options;

/* Opens the log under opts->prefix in store (borrowed: must outlive the log), removes parts of
 * finished merges, and loads the ring from the newest batches. Errors: LH_E_CORRUPT names the
 * batch; those of the store. */
LH_WARN_UNUSED lh_rc lh_append_log_open(lh_ctx *cx, lh_store *store,
                                        const lh_append_log_options *opts, lh_append_log **ret_log);
/* NULL ok; flushes nothing: call flush first. Returns NULL. */
lh_append_log *lh_append_log_close(lh_append_log *log);
LH_DEFINE_CLEANUP(lh_append_log, lh_append_log_close)

/* Appends records (JSON objects without line breaks) that stay together: all are in the log or
 * none. Durable when it returns if they made a flush due; otherwise after the next one. Errors:
 * LH_E_TOO_LARGE, LH_E_BAD_VALUE (a line break), those of the store. On error they are not in the
 * log, except when the store itself cannot tell (a power cut or a failure after the put): then they
 * may be found at the next open. */
LH_WARN_UNUSED lh_rc lh_append_log_append(lh_ctx *cx, lh_append_log *log, const lh_str *lines,
                                          size_t count);

/* The two halves of append, for callers that must fix an order under a lock of their own: enqueue
 * never does I/O unless the tail is full; *ret_ticket then goes to wait, which returns when the
 * records are durable (or at once, when no flush is due and the log is buffered). Every ticket must
 * be waited for, once. */
typedef struct lh_append_log_group lh_append_log_group;
LH_WARN_UNUSED lh_rc lh_append_log_enqueue(lh_ctx *cx, lh_append_log *log, const lh_str *lines,
                                           size_t count, lh_append_log_group **ret_ticket);
LH_WARN_UNUSED lh_rc lh_append_log_wait(lh_ctx *cx, lh_append_log *log,
                                        lh_append_log_group *ticket);

/* All that was appended before is durable. */
LH_WARN_UNUSED lh_rc lh_append_log_flush(lh_ctx *cx, lh_append_log *log);

/* Newest first, at most limit (0 = all that the ring holds), in the arena. Acknowledged records
 * only. */
LH_WARN_UNUSED lh_rc lh_append_log_recent(lh_ctx *cx, lh_append_log *log, size_t limit,
                                          lh_str **ret_lines, size_t *ret_count);

/* Reading everything: pin, look at the batches oldest first, read those you want, unpin. While
 * pinned no batch that was listed is removed. Do not append or compact between pin and unpin on the
 * same thread. */
typedef struct lh_append_log_batch {
    int64_t newest_us;
    int64_t oldest_us; /* = newest_us when it was never merged */
    uint64_t bytes;
    uint64_t records;
} lh_append_log_batch;
typedef struct lh_append_log_pin {
    const lh_append_log_batch *batches; /* arena */
    size_t count;
    uint32_t slot; /* private */
} lh_append_log_pin;
LH_WARN_UNUSED lh_rc lh_append_log_pin_batches(lh_ctx *cx, lh_append_log *log,
                                               lh_append_log_pin *ret_pin);
void lh_append_log_unpin(lh_append_log *log, lh_append_log_pin *pin);
/* The records of one batch as lines, checked against its seal, in the arena. LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lh_append_log_read(lh_ctx *cx, lh_append_log *log,
                                        const lh_append_log_batch *batch, lh_str **ret_lines,
                                        size_t *ret_count);

/* Merges neighbouring batches. ALL: into as few as LH_APPEND_LOG_BATCH_MAX allows. TIERED: the
 * newest run whose batches are of like size, so that a record is rewritten O(log n) times; nothing
 * when there are few. Order is kept. */
typedef enum lh_append_log_compact_how {
    LH_APPEND_LOG_COMPACT_ALL,
    LH_APPEND_LOG_COMPACT_TIERED
} lh_append_log_compact_how;
typedef struct lh_append_log_compacted {
    uint64_t batches_before;
    uint64_t batches_after;
} lh_append_log_compacted;
LH_WARN_UNUSED lh_rc lh_append_log_compact(lh_ctx *cx, lh_append_log *log,
                                           lh_append_log_compact_how how,
                                           lh_append_log_compacted *ret_done);

typedef struct lh_append_log_stats {
    uint64_t waiting_records; /* not flushed yet */
    uint64_t batches;
    uint64_t records; /* in batches */
    uint64_t bytes;
    uint64_t corrupt_batches; /* left out at open */
} lh_append_log_stats;
void lh_append_log_get_stats(lh_append_log *log, lh_append_log_stats *ret_stats);

#endif
