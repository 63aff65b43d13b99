/* storage/append_log_private.h - the log's insides, shared by its files.
 *
 * Owns:    see append_log.h.
 * Threads: everything below `lock` is read and written under it; a group that is being flushed
 *          belongs to its leader.
 * Limits:  see append_log.h.
 * Formats: names and seals are made and read in append_log_read.c only.
 * Why:     write, read and merge are one verb per file. */
#ifndef LH_STORAGE_APPEND_LOG_PRIVATE_H
#define LH_STORAGE_APPEND_LOG_PRIVATE_H

#include "base/buf.h"
#include "os/thread.h"
#include "storage/append_log.h"

/* What one flush writes. Appenders that made it due hold a reference and learn its result. */
struct lh_append_log_group {
    lh_buf bytes; /* lines, each with its line break */
    uint64_t records;
    size_t
        /* a beginning of `bytes` that was acknowledged without being durable (buffered logs) */
        acked_bytes;
    uint64_t acked_records;
    uint32_t refs;
    int ended;
    lh_rc rc; /* when ended */
    lh_err err;
};

typedef struct lhi_log_entry {
    lh_append_log_batch batch;
    int corrupt; /* found at open: kept out of sight, never merged over */
} lhi_log_entry;

struct lh_append_log {
    lh_store *store; /* borrowed */
    lh_str prefix;   /* heap */
    uint64_t tail_bytes_max;
    uint32_t flush_records;
    uint32_t flags;

    lh_mutex lock;
    lh_cond changed; /* a flush ended, a pin went, a merge ended */
    lh_append_log_group *current;
    lh_append_log_group *flushing; /* NULL: nobody writes */
    lh_append_log_group
        *spare;             /* made before records are taken, so a flush needs no memory for it */
    int64_t last_us;        /* newest time used as a name */
    lhi_log_entry *entries; /* oldest first */
    size_t entries_count;
    size_t entries_capacity;
    lh_str *ring; /* heap texts */
    uint32_t ring_max;
    uint32_t ring_count;
    uint32_t ring_next;
    uint32_t pins[2];  /* readers by slot */
    uint32_t pin_slot; /* of new readers */
    int merging;
    uint64_t corrupt_batches;
};

/* append_log.c; all under the lock */
void lhi_log_ring_push(lh_append_log *log, lh_str line);
void lhi_log_ring_push_lines(lh_append_log *log, lh_str lines);
LH_WARN_UNUSED lh_rc lhi_log_reserve_entry(lh_ctx *cx, lh_append_log *log);
LH_WARN_UNUSED lh_rc lhi_log_group_new(lh_ctx *cx, lh_append_log_group **ret_group);
lh_append_log_group *lhi_log_group_unref(lh_append_log_group *group);

/* append_log_read.c */
lh_str lhi_log_key(lh_ctx *cx, const lh_append_log *log,
                   const lh_append_log_batch *batch); /* arena */
int lhi_log_parse_key(const lh_append_log *log, lh_str key,
                      lh_append_log_batch *ret_batch); /* 0: not a batch */
uint64_t lhi_log_chain(lh_str lines, uint64_t chain);
LH_WARN_UNUSED lh_rc lhi_log_append_seal(lh_ctx *cx, lh_buf *out, uint64_t records, uint64_t chain);
/* Content without seal, checked; *ret_records and *ret_chain are the seal's. */
typedef struct lhi_log_content {
    lh_str lines;
    uint64_t records;
    uint64_t chain;
} lhi_log_content;
LH_WARN_UNUSED lh_rc lhi_log_read_content(lh_ctx *cx, lh_append_log *log,
                                          const lh_append_log_batch *batch,
                                          lhi_log_content *ret_content);
/* Only the count, from the last bytes. */
LH_WARN_UNUSED lh_rc lhi_log_read_count(lh_ctx *cx, lh_append_log *log, lh_append_log_batch *batch);

#endif
