/* test_pool.h - a worker pool over the real lakehouse-worker in a fresh temporary folder, and SQL
 * through it in one call.
 *
 * Owns:    folders, pool, arena; lh_test_pool_close removes all.
 * Threads: as the pool; one lh_test_sql at a time per lh_ctx.
 * Limits:  none.
 * Formats: none.
 * Why:     tests of workers use the processes that will run, not a stand-in. */
#ifndef LH_TESTS_SUPPORT_TEST_POOL_H
#define LH_TESTS_SUPPORT_TEST_POOL_H

#include "base/buf.h"
#include "worker/pool.h"

typedef struct lh_test_pool {
    lh_arena *arena;
    lh_ctx cx;
    lh_pool *pool;
    char root[64]; /* bucket root; spill/ and staging/ below it */
} lh_test_pool;

/* limits: NULL = 2 workers, 8 waiting, 1 GiB, for every kind. Ends the test when it cannot. */
void lh_test_pool_open(lh_test_pool *t, const lh_worker_limits *limits);
void lh_test_pool_close(lh_test_pool *t);

/* A view the fake server gives for a table of that name. */
typedef struct lh_test_view {
    const char *name;
    const char *version;
    const char *sql;
} lh_test_view;

typedef struct lh_test_query {
    lh_str sql;
    const char *params; /* JSON, NULL = none */
    int format;
    uint64_t limit;
    uint64_t offset;
    bool big_ints_as_text;
    const char *domain;        /* NULL = "test" */
    const lh_test_view *views; /* ends with {0}; NULL = none */
} lh_test_query;

typedef struct lh_test_answer {
    lh_buf body; /* of DATA */
    lh_sql_done done;
    size_t columns_count;
    lh_column_message columns[64];
    size_t frames_count;
} lh_test_answer;

/* Lease, task, views as asked, frames, release. answer may be NULL; free it with
 * lh_test_answer_done. */
lh_rc lh_test_sql(lh_ctx *cx, lh_pool *pool, const lh_test_query *query, lh_test_answer *answer);
void lh_test_answer_done(lh_test_answer *answer);
LH_DEFINE_CLEANUP_VALUE(lh_test_answer, lh_test_answer_done)

#endif
