/* vector_truth.c - exact search by brute force: blocks of queries stay in the cache while the rows
 * stream by, so that each row is read once per block and not once per query. */
#include "cli/vector_truth.h"

#include "os/thread.h"
#include "vector/vector_kernels.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { QUERIES_PER_BLOCK = 16, ROWS_BETWEEN_CHECKS = 4096, THREADS_MAX = 64 };

/* ---- scores ---- */

/* Score of a row = scale * (row . query) + offset. The order is the metric's; a query's length,
 * equal for all rows, is left out. */
static void factors_of(const lh_vector_exact *exact, uint64_t row, float *ret_two)
{
    const uint32_t dimensions = exact->base->dimensions;
    const float *values = exact->base->values + row * dimensions;
    double square = 0;
    for (uint32_t i = 0; i < dimensions; i++)
        square += (double)values[i] * (double)values[i];
    ret_two[0] = 1;
    ret_two[1] = 0;
    if (exact->metric == LH_VECTOR_COSINE)
        ret_two[0] = square > 0 ? (float)(1 / sqrt(square)) : 0;
    if (exact->metric == LH_VECTOR_EUCLIDEAN)
        ret_two[1] = (float)(-square / 2);
}

static float score_of(const lh_vector_truth *t, const float *query, uint64_t row)
{
    const uint32_t dimensions = t->exact->base->dimensions;
    const float *values = t->exact->base->values + row * dimensions;
    return t->factors[2 * row] *
               lh_vector_kernels_get()->floats.dot_f32(values, query, dimensions) +
           t->factors[2 * row + 1];
}

static const float *query_at(const lh_vector_truth *t, uint64_t query)
{
    return t->exact->queries->values + query * t->exact->queries->dimensions;
}

static int smaller_first(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* The right rows of each query in order of their numbers, for lookups. */
static void sort_ids(lh_vector_truth *t)
{
    for (uint64_t q = 0; q < t->exact->queries->rows; q++)
        qsort(t->ids + q * t->k, t->k, sizeof *t->ids, smaller_first);
}

/* ---- all queries ---- */

typedef struct shared_work {
    lh_ctx *cx; /* of the caller: deadline and cancel */
    lh_vector_truth *truth;
    float *scores; /* queries x k, beside truth->ids */
    atomic_uint_fast64_t next_block;
    atomic_int failed; /* an lh_rc */
} shared_work;

typedef struct best_list {
    int32_t *ids;
    float *scores;
    uint32_t count;
} best_list;

/* Sorted, best first; of equal scores the earlier row stays in front. */
static void offer(best_list *best, uint32_t k, float score, int32_t row)
{
    uint32_t at = best->count < k ? best->count++ : k - 1;
    while (at > 0 && best->scores[at - 1] < score) {
        best->scores[at] = best->scores[at - 1];
        best->ids[at] = best->ids[at - 1];
        at--;
    }
    best->scores[at] = score;
    best->ids[at] = row;
}

static lh_rc find_block(lh_ctx *cx, shared_work *work, uint64_t first, uint32_t count)
{
    const lh_vector_truth *t = work->truth;
    const lh_bitmap *filter = t->exact->filter;
    best_list best[QUERIES_PER_BLOCK];
    for (uint32_t q = 0; q < count; q++)
        best[q] = (best_list){t->ids + (first + q) * t->k, work->scores + (first + q) * t->k, 0};
    for (uint64_t row = 0; row < t->exact->base->rows; row++) {
        if (row % ROWS_BETWEEN_CHECKS == 0)
            LH_TRY(lh_ctx_check(cx));
        if (filter && !lh_bitmap_get(filter, row))
            continue;
        for (uint32_t q = 0; q < count; q++) {
            float score = score_of(t, query_at(t, first + q), row);
            if (best[q].count < t->k || score > best[q].scores[t->k - 1])
                offer(&best[q], t->k, score, (int32_t)row);
        }
    }
    for (uint32_t q = 0; q < count; q++) {
        t->worst[first + q] = best[q].count > 0 ? best[q].scores[best[q].count - 1] : INFINITY;
        for (uint32_t i = best[q].count; i < t->k; i++)
            best[q].ids[i] = -1;
    }
    return LH_OK;
}

static void run_worker(void *arg)
{
    shared_work *work = arg;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    const uint64_t queries = work->truth->exact->queries->rows;
    lh_ctx cx;
    if (!arena) {
        atomic_store(&work->failed, LH_E_NO_MEMORY);
        return;
    }
    lh_ctx_init_child(&cx, arena, work->cx);
    while (atomic_load(&work->failed) == LH_OK) {
        uint64_t first = atomic_fetch_add(&work->next_block, 1) * QUERIES_PER_BLOCK;
        if (first >= queries)
            return;
        uint32_t count = (uint32_t)LH_MIN(queries - first, (uint64_t)QUERIES_PER_BLOCK);
        lh_rc rc = find_block(&cx, work, first, count);
        if (rc != LH_OK)
            atomic_store(&work->failed, (int)rc);
    }
}

static lh_rc run_workers(lh_ctx *cx, shared_work *work)
{
    lh_thread *threads[THREADS_MAX];
    uint32_t wanted = LH_MIN(LH_MAX(work->truth->exact->threads, 1u), (uint32_t)THREADS_MAX);
    uint32_t started = 0;
    for (; started + 1 < wanted; started++)
        if (lh_thread_start(cx, "exact", 0, run_worker, work, &threads[started]) != LH_OK)
            break; /* fewer are enough */
    run_worker(work);
    for (uint32_t i = 0; i < started; i++)
        threads[i] = lh_thread_join(threads[i]);
    lh_rc rc = (lh_rc)atomic_load(&work->failed);
    return rc == LH_OK ? LH_OK : lh_fail(cx, rc, "the exact answers were not finished");
}

static lh_rc start_truth(lh_ctx *cx, const lh_vector_exact *exact, uint32_t k, lh_vector_truth *t)
{
    const uint64_t rows = exact->base->rows;
    const uint64_t queries = exact->queries->rows;
    if (rows > INT32_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "%llu rows; ids in .i32 files end at %d",
                       (unsigned long long)rows, INT32_MAX);
    *t = (lh_vector_truth){.exact = exact, .k = k};
    t->factors = lh_alloc_zero(rows + 1, 2 * sizeof(float));
    t->ids = lh_alloc_zero(queries + 1, k * sizeof(int32_t));
    t->worst = lh_alloc_zero(queries + 1, sizeof(float));
    if (!t->factors || !t->ids || !t->worst)
        return lh_fail(cx, LH_E_NO_MEMORY, "exact answers of %llu queries",
                       (unsigned long long)queries);
    for (uint64_t row = 0; row < rows; row++)
        factors_of(exact, row, t->factors + 2 * row);
    return LH_OK;
}

lh_rc lh_vector_truth_find(lh_ctx *cx, const lh_vector_exact *exact, uint32_t k,
                           lh_vector_truth *ret_truth)
{
    LH_CLEANUP(lh_vector_truth_done) lh_vector_truth t = {.k = 0};
    LH_TRY(start_truth(cx, exact, k, &t));
    shared_work work = {.cx = cx, .truth = &t};
    work.scores = lh_alloc_zero(exact->queries->rows + 1, k * sizeof(float));
    if (!work.scores)
        return lh_fail(cx, LH_E_NO_MEMORY, "exact scores");
    lh_rc rc = run_workers(cx, &work);
    work.scores = lh_free(work.scores);
    LH_TRY(rc);
    sort_ids(&t);
    *ret_truth = t;
    t = (lh_vector_truth){.k = 0};
    return LH_OK;
}

lh_rc lh_vector_truth_from(lh_ctx *cx, const lh_vector_exact *exact, uint32_t k,
                           const lh_vector_neighbours *neighbours, lh_vector_truth *ret_truth)
{
    LH_CLEANUP(lh_vector_truth_done) lh_vector_truth t = {.k = 0};
    if (neighbours->width < k)
        return lh_fail(cx, LH_E_BAD_VALUE, "--truth has %u ids a query, --k is %u",
                       neighbours->width, k);
    LH_TRY(start_truth(cx, exact, k, &t));
    for (uint64_t q = 0; q < exact->queries->rows; q++) {
        const int32_t *from = neighbours->ids + q * neighbours->width;
        t.worst[q] = INFINITY;
        for (uint32_t i = 0; i < k; i++) {
            t.ids[q * k + i] = from[i];
            if (from[i] >= 0)
                t.worst[q] = LH_MIN(t.worst[q], score_of(&t, query_at(&t, q), (uint64_t)from[i]));
        }
    }
    sort_ids(&t);
    *ret_truth = t;
    t = (lh_vector_truth){.k = 0};
    return LH_OK;
}

void lh_vector_truth_done(lh_vector_truth *truth)
{
    truth->factors = lh_free(truth->factors);
    truth->ids = lh_free(truth->ids);
    truth->worst = lh_free(truth->worst);
}

void lh_vector_truth_count(const lh_vector_truth *truth, uint64_t query, const lh_vector_hit *hits,
                           uint32_t hits_count, uint32_t *ret_found, uint32_t *ret_wanted)
{
    const int32_t *ids = truth->ids + query * truth->k;
    uint32_t none = 0;
    uint32_t found = 0;
    while (none < truth->k && ids[none] < 0)
        none++;
    const uint32_t wanted = truth->k - none;
    for (uint32_t i = 0; i < hits_count && i < truth->k; i++) {
        int32_t row = (int32_t)hits[i].row;
        found += bsearch(&row, ids + none, wanted, sizeof row, smaller_first) != NULL ||
                 score_of(truth, query_at(truth, query), hits[i].row) == truth->worst[query];
    }
    *ret_found = LH_MIN(found, wanted);
    *ret_wanted = wanted;
}

/* ---- rows near one row ---- */

static int nearer_first(const void *a, const void *b)
{
    const lh_vector_hit *x = a;
    const lh_vector_hit *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

lh_rc lh_vector_nearest_rows(lh_ctx *cx, const lh_vector_exact *exact, uint64_t row, uint64_t count,
                             lh_bitmap **ret_bitmap)
{
    const uint64_t rows = exact->base->rows;
    lh_bitmap *bitmap;
    LH_TRY(lh_vector_bitmap_new(cx, rows, &bitmap));
    LH_CLEANUP(lh_vector_truth_done) lh_vector_truth t = {.k = 0};
    LH_TRY(start_truth(cx, exact, 1, &t));
    lh_vector_hit *all = lh_alloc_zero(rows + 1, sizeof *all);
    if (!all)
        return lh_fail(cx, LH_E_NO_MEMORY, "scores of %llu rows", (unsigned long long)rows);
    const float *centre = exact->base->values + row * exact->base->dimensions;
    for (uint64_t r = 0; r < rows; r++)
        all[r] = (lh_vector_hit){r, score_of(&t, centre, r)};
    qsort(all, rows, sizeof *all, nearer_first);
    for (uint64_t i = 0; i < LH_MIN(count, rows); i++)
        lh_bitmap_set(bitmap, all[i].row);
    all = lh_free(all);
    *ret_bitmap = bitmap;
    return LH_OK;
}
