/* vector_measure.c - times searches: a clock around each call, threads that take every n-th
 * query. */
#include "cli/vector_measure.h"

#include "base/clock.h"
#include "os/thread.h"

#include <stdlib.h>

enum { THREADS_MAX = 64, BATCH_MAX = 256 };
#define NS_PER_US 1e3
#define NS_PER_S  1e9

typedef struct pass_worker {
    lh_vector_measure *m;
    lh_ctx *parent;
    uint32_t number;
    uint32_t threads;
    lh_err err; /* rc LH_OK when all went well */
} pass_worker;

lh_rc lh_vector_measure_init(lh_ctx *cx, lh_vector_measure *m)
{
    const uint64_t queries = m->queries->rows;
    m->threads = LH_MIN(LH_MAX(m->threads, 1u), (uint32_t)THREADS_MAX);
    m->rounds = LH_MAX(m->rounds, 1u);
    m->batch = LH_MIN(m->batch, (uint32_t)BATCH_MAX);
    m->hits = lh_alloc_zero(queries + 1, m->query.k * sizeof *m->hits);
    m->counts = lh_alloc_zero(queries + 1, sizeof *m->counts);
    m->stats = lh_alloc_zero(queries + 1, sizeof *m->stats);
    m->took_ns = lh_alloc_zero(queries + 1, sizeof *m->took_ns);
    if (!m->hits || !m->counts || !m->stats || !m->took_ns)
        return lh_fail(cx, LH_E_NO_MEMORY, "answers of %llu queries", (unsigned long long)queries);
    return LH_OK;
}

void lh_vector_measure_done(lh_vector_measure *m)
{
    m->hits = lh_free(m->hits);
    m->counts = lh_free(m->counts);
    m->stats = lh_free(m->stats);
    m->took_ns = lh_free(m->took_ns);
}

static lh_vector_query query_at(const lh_vector_measure *m, uint64_t at)
{
    lh_vector_query query = m->query;
    query.vector = m->queries->values + at * m->queries->dimensions;
    return query;
}

static lh_rc search_one(lh_ctx *cx, lh_vector_measure *m, uint64_t at)
{
    lh_vector_query query = query_at(m, at);
    int64_t begun = lh_clock_mono_ns();
    lh_rc rc = lh_vector_index_search(cx, m->index, &query, m->hits + at * m->query.k,
                                      &m->counts[at], &m->stats[at]);
    m->took_ns[at] = lh_clock_mono_ns() - begun;
    return rc;
}

/* Neighbouring queries in one call; each is said to have taken its share. */
static lh_rc search_batch(lh_ctx *cx, lh_vector_measure *m, uint64_t first, uint32_t count)
{
    lh_vector_query queries[BATCH_MAX];
    for (uint32_t i = 0; i < count; i++)
        queries[i] = query_at(m, first + i);
    lh_vector_batch batch = {.queries = queries,
                             .count = count,
                             .hits = m->hits + first * m->query.k,
                             .hits_stride = m->query.k,
                             .counts = m->counts + first,
                             .stats = m->stats + first};
    int64_t begun = lh_clock_mono_ns();
    lh_rc rc = lh_vector_index_search_batch(cx, m->index, &batch);
    int64_t took = lh_clock_mono_ns() - begun;
    for (uint32_t i = 0; i < count; i++)
        m->took_ns[first + i] = took / count;
    return rc;
}

static lh_rc search_part(lh_ctx *cx, pass_worker *w)
{
    lh_vector_measure *m = w->m;
    const uint64_t step = LH_MAX(m->batch, 1u);
    for (uint64_t at = w->number * step; at < m->queries->rows; at += w->threads * step) {
        lh_arena_reset(cx->arena);
        if (m->batch > 0)
            LH_TRY(search_batch(cx, m, at, (uint32_t)LH_MIN(step, m->queries->rows - at)));
        else
            LH_TRY(search_one(cx, m, at));
    }
    return LH_OK;
}

static void run_worker(void *arg)
{
    pass_worker *w = arg;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    if (!arena) {
        w->err.rc = LH_E_NO_MEMORY;
        return;
    }
    lh_ctx_init_child(&cx, arena, w->parent);
    if (search_part(&cx, w) != LH_OK)
        w->err = cx.err;
}

static lh_rc run_pass(lh_ctx *cx, lh_vector_measure *m, int64_t *ret_took_ns)
{
    pass_worker workers[THREADS_MAX];
    lh_thread *threads[THREADS_MAX];
    lh_assert(m->threads > 0 && m->threads <= THREADS_MAX);
    for (uint32_t i = 0; i < m->threads; i++)
        workers[i] = (pass_worker){.m = m, .parent = cx, .number = i, .threads = m->threads};
    uint32_t started = 1;
    lh_rc rc = LH_OK;
    int64_t begun = lh_clock_mono_ns();
    for (; started < m->threads && rc == LH_OK; started++)
        rc = lh_thread_start(cx, "search", 1u << 20, run_worker, &workers[started],
                             &threads[started]);
    if (rc == LH_OK)
        run_worker(&workers[0]);
    else
        started--; /* the one that did not start */
    for (uint32_t i = 1; i < started; i++)
        threads[i] = lh_thread_join(threads[i]);
    *ret_took_ns = lh_clock_mono_ns() - begun;
    for (uint32_t i = 0; i < m->threads && rc == LH_OK; i++) {
        if (workers[i].err.rc != LH_OK) {
            cx->err = workers[i].err;
            rc = cx->err.rc;
        }
    }
    return rc;
}

static int shorter_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int faster_first(const void *a, const void *b)
{
    double x = ((const lh_vector_timing *)a)->p50_us;
    double y = ((const lh_vector_timing *)b)->p50_us;
    return (x > y) - (x < y);
}

/* Of sorted times, in microseconds. */
static double at_percent(const lh_vector_measure *m, uint64_t percent)
{
    const uint64_t at = m->queries->rows * percent / 100;
    return (double)m->took_ns[at] / NS_PER_US;
}

/* Sorts took_ns: which query took how long is not asked for afterwards. */
static lh_vector_timing timing_of(lh_vector_measure *m, int64_t wall_ns)
{
    const uint64_t n = m->queries->rows;
    lh_vector_timing t = {0};
    if (n == 0)
        return t;
    qsort(m->took_ns, n, sizeof *m->took_ns, shorter_first);
    t.p50_us = at_percent(m, 50);
    t.p95_us = at_percent(m, 95);
    t.p99_us = at_percent(m, 99);
    t.qps = (double)n * NS_PER_S / (double)LH_MAX(wall_ns, (int64_t)1);
    return t;
}

lh_rc lh_vector_measure_run(lh_ctx *cx, lh_vector_measure *m, int warm,
                            lh_vector_timing *ret_timing)
{
    lh_vector_timing *rounds = LH_NEW_ARRAY(cx, lh_vector_timing, m->rounds);
    int64_t wall_ns;
    if (!rounds)
        return cx->err.rc;
    if (warm)
        LH_TRY(run_pass(cx, m, &wall_ns));
    for (uint32_t i = 0; i < m->rounds; i++) {
        LH_TRY(run_pass(cx, m, &wall_ns));
        rounds[i] = timing_of(m, wall_ns);
    }
    qsort(rounds, m->rounds, sizeof *rounds, faster_first);
    *ret_timing = rounds[m->rounds / 2];
    return LH_OK;
}

double lh_vector_measure_recall(const lh_vector_measure *m, const lh_vector_truth *truth)
{
    uint64_t found = 0;
    uint64_t wanted = 0;
    for (uint64_t q = 0; q < m->queries->rows; q++) {
        uint32_t one_found;
        uint32_t one_wanted;
        lh_vector_truth_count(truth, q, m->hits + q * m->query.k, m->counts[q], &one_found,
                              &one_wanted);
        found += one_found;
        wanted += one_wanted;
    }
    return wanted > 0 ? (double)found / (double)wanted : 1;
}

double lh_vector_measure_evaluations(const lh_vector_measure *m)
{
    uint64_t sum = 0;
    for (uint64_t q = 0; q < m->queries->rows; q++)
        sum += m->stats[q].evaluations;
    return m->queries->rows > 0 ? (double)sum / (double)m->queries->rows : 0;
}
