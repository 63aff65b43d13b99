/* query/query.h - one SELECT of one principal over one snapshot, run in a sandboxed worker and
 * streamed through.
 *
 * Owns:    the lists of running and recent queries.
 * Threads: all functions from any thread; a run stays on the caller's thread.
 * Limits:  SQL of LH_SQL_BYTES_MAX; options give default and maximum time; LH_QUERY_RECENT recent
 *          ones are remembered.
 * Formats: worker/messages.h; result bodies are made by the worker, the server passes bytes on.
 * Why:     the worker names the datasets a statement uses, the policy answers with views of exactly
 *          those, and only then the statement is bound: no road to a raw table
 *          (docs/adr/0010-policy-gate.md). */
#ifndef LH_QUERY_QUERY_H
#define LH_QUERY_QUERY_H

#include "policy/policy.h"
#include "worker/pool.h"

#define LH_SQL_BYTES_MAX (256u * 1024u)
#define LH_QUERY_RECENT  200

typedef struct lh_query_engine lh_query_engine;

typedef struct lh_query_options {
    int64_t timeout_us_default;
    int64_t timeout_us_max;
} lh_query_options;

/* catalog, policy and pool are borrowed. */
LH_WARN_UNUSED lh_rc lh_query_engine_open(lh_ctx *cx, lh_catalog *catalog, lh_policy *policy,
                                          lh_pool *pool, const lh_query_options *opts,
                                          lh_query_engine **ret_engine);
lh_query_engine *lh_query_engine_close(lh_query_engine *engine);

typedef struct lh_query_request {
    lh_str sql;
    lh_str params;      /* raw JSON array or object; empty = none */
    int format;         /* lh_sql_format */
    uint64_t limit;     /* rows; 0 = no limit */
    uint64_t offset;    /* rows skipped first */
    int64_t timeout_us; /* 0 = default */
    lh_list snapshots; /* lh_pair_i64: dataset -> commit; others are read at their current commit */
    int64_t as_of_us;  /* 0 = now: newest commits not after that time */
    bool big_ints_as_text;
} lh_query_request;

/* Where a result goes, in this order: head once, data any number of times. Called on the thread of
 * the run. */
typedef struct lh_query_sink {
    lh_rc (*head)(lh_ctx *cx, void *arg, lh_str query_id,
                  lh_str columns_json); /* [{"name","type"},...] */
    lh_rc (*data)(lh_ctx *cx, void *arg, lh_str bytes);
    void *arg;
} lh_query_sink;

/* What a run came to; in the arena. */
typedef struct lh_query_outcome {
    lh_str query_id;
    uint64_t rows;
    bool truncated;
    int64_t took_us;
    lh_list snapshots; /* lh_pair_i64: dataset -> commit that was read */
} lh_query_outcome;

/* cx->principal asks. cx's deadline and cancel hold, the request's timeout besides. Errors:
 * LH_E_SQL_SYNTAX, LH_E_SQL_INVALID, LH_E_SQL_DENIED, LH_E_UNKNOWN_DATASET, LH_E_DEADLINE,
 * LH_E_MEMORY_LIMIT, LH_E_POOL_FULL, ... with line, column and hint. */
LH_WARN_UNUSED lh_rc lh_query_run(lh_ctx *cx, lh_query_engine *engine,
                                  const lh_query_request *request, const lh_query_sink *sink,
                                  lh_query_outcome *ret_outcome);

typedef enum lh_query_state { LH_QUERY_RUNNING, LH_QUERY_DONE, LH_QUERY_FAILED } lh_query_state;
typedef struct lh_query_info {
    lh_str query_id;
    int state; /* lh_query_state */
    lh_str principal;
    lh_str sql; /* the first LH_QUERY_SQL_SHOWN bytes */
    int64_t started_at;
    int64_t took_ms;
    uint64_t rows;
    uint64_t bytes;
    int64_t cpu_ms;
    lh_str error_code; /* empty = none */
} lh_query_info;
extern const lh_record lh_query_info_record;
#define LH_QUERY_SQL_SHOWN 1000

/* Running first, then recent, newest first; in the arena. */
LH_WARN_UNUSED lh_rc lh_query_list(lh_ctx *cx, lh_query_engine *engine, int running_only,
                                   lh_query_info **ret_items, size_t *ret_count);
LH_WARN_UNUSED lh_rc lh_query_cancel(lh_ctx *cx, lh_query_engine *engine,
                                     lh_str query_id); /* LH_E_NOT_FOUND */

/* Paging: an opaque text that continues a statement at a row, over the commits the first page
 * read. */
LH_WARN_UNUSED lh_rc lh_query_cursor_write(lh_ctx *cx, const lh_query_request *request,
                                           const lh_query_outcome *outcome, lh_str *ret_cursor);
/* Sets offset and snapshots of request. LH_E_BAD_VALUE when it is damaged or of another
 * statement. */
LH_WARN_UNUSED lh_rc lh_query_cursor_apply(lh_ctx *cx, lh_str cursor, lh_query_request *request);

/* A condition that may stand inside WHERE (...): one expression, nothing that could leave the
 * brackets. LH_E_SQL_SYNTAX. */
LH_WARN_UNUSED lh_rc lh_sql_check_condition(lh_ctx *cx, lh_str condition);

#endif
