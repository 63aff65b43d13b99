/* query/query_private.h - the entry of one query, shared by the files of this folder.
 *
 * Owns: see query.h. Threads: entries are guarded by the engine's lock. Limits: query.h. Formats:
 *       none.
 * Why: running and recent queries are one list, so that nothing is lost between the two. */
#ifndef LH_QUERY_QUERY_PRIVATE_H
#define LH_QUERY_QUERY_PRIVATE_H

#include "os/thread.h"
#include "query/query.h"

#include <stdatomic.h>

typedef struct lhi_query_entry {
    char query_id[24];
    char principal[64];
    char sql[LH_QUERY_SQL_SHOWN];
    size_t sql_len;
    lh_query_state state;
    lh_cancel *cancel; /* borrowed from the run; only while it runs */
    int64_t started_at;
    int64_t started_mono_us;
    int64_t took_us;
    int64_t cpu_us;
    uint64_t rows;
    _Atomic(uint64_t) bytes; /* grows while lists look at it */
    const char *error_code;
    struct lhi_query_entry *next;
} lhi_query_entry;

struct lh_query_engine {
    lh_catalog *catalog;
    lh_policy *policy;
    lh_pool *pool;
    lh_query_options opts;
    lh_mutex lock;
    lhi_query_entry *running;                /* on the stacks of their runs */
    lhi_query_entry recent[LH_QUERY_RECENT]; /* ring */
    uint64_t recent_count;
};

#endif
