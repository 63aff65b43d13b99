/* vector/vector_probe.c - how good the codes and the graph are for these very vectors: a sample of
 * queries is answered exactly and by each code, and the numbers go into the segment.
 *
 * Half of the queries are rows (without themselves), half are rows shifted towards another row: the
 * first are easier than real queries, the second harder. The worse of the two counts. */
#include "vector/vector_build_private.h"
#include "vector/vector_walk_private.h"

#include <math.h>
#include <stdlib.h>

#define QUERIES        64u
#define TRUTH          10u
#define CODE_DEPTH     1600u
#define SHIFT          0.45f /* how far the second half stands off its row */
#define ROWS_PER_PIECE 512u

static const uint32_t depths[5] = {10, 40, 100, 200, 400};
static const uint32_t flat_settings[] = {20, 40, 60, 100, 150, 200, 300, 400, 800, 1600};
static const uint32_t exact_settings[] = {14, 18, 22, 28, 40, 60, 100, 200, 400, 800};
static const uint32_t graph_settings[] = {10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384};

static const uint32_t list_settings[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
#define SETTINGS LH_ARRAY_LEN(graph_settings)
_Static_assert(LH_ARRAY_LEN(list_settings) == SETTINGS, "one place for both");

typedef struct truth {
    lh_vector_hit hits[TRUTH];
} truth;

typedef struct probe {
    lhi_build *b;
    uint32_t queries;
    float *values;    /* queries x dimensions */
    uint32_t *itself; /* row, by query */
    truth *exact;
    lh_mutex lock;
    lh_vector_index index;
    uint16_t *b1_rank; /* queries x TRUTH: rank of a true answer by the code */
    uint16_t *i4_rank;
    float *graph_recall; /* queries x SETTINGS */
    float *graph_evaluations;
} probe;

static lh_rc draw_queries(probe *p)
{
    lhi_build *b = p->b;
    uint32_t n = b->dimensions;
    float *other = LH_NEW_ARRAY(b->cx, float, n);
    uint64_t state = b->options->seed ^ 0x70726f6265ull;
    if (!other)
        return b->cx->err.rc;
    for (uint32_t q = 0; q < p->queries; q++) {
        float *values = p->values + (size_t)q * n;
        uint64_t row = lhi_mix64(state += 0x9e3779b97f4a7c15ull) % b->rows;
        uint64_t away = lhi_mix64(state += 0x9e3779b97f4a7c15ull) % b->rows;
        p->itself[q] = (uint32_t)row;
        LH_TRY(lhi_build_row(b->cx, b, row, values));
        LH_TRY(lhi_build_row(b->cx, b, away, other));
        for (uint32_t i = 0; q % 2 == 1 && i < n; i++)
            values[i] += SHIFT * (other[i] - values[i]);
        float inverse;
        LH_TRY(lhi_vector_inverse_norm(b->cx, b->kernels, values, n, &inverse));
        if (b->options->metric == LH_VECTOR_COSINE)
            for (uint32_t i = 0; i < n; i++)
                values[i] *= inverse;
    }
    return LH_OK;
}

/* ---- exact answers: all queries for each row, while it is in the cache ---- */

static void score_row(const probe *p, const float *row, uint64_t number, lhi_vector_best *best)
{
    const lhi_build *b = p->b;
    int euclidean = b->options->metric == LH_VECTOR_EUCLIDEAN;
    for (uint32_t q = 0; q < p->queries; q++) {
        const float *values = p->values + (size_t)q * b->dimensions;
        if (p->itself[q] == number)
            continue;
        float s = euclidean ? -b->kernels->floats.square_f32(row, values, b->dimensions)
                            : b->kernels->floats.dot_f32(row, values, b->dimensions);
        lhi_vector_best_offer(&best[q], (lh_vector_hit){number, s});
    }
}

static lh_rc truth_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    probe *p = arg;
    truth *own =
        lhi_worker_memory(w, p->queries * sizeof(truth) + p->b->dimensions * sizeof(float));
    lhi_vector_best best[QUERIES];
    if (!own)
        return w->cx->err.rc;
    float *row = (float *)(void *)(own + p->queries);
    for (uint32_t q = 0; q < p->queries; q++)
        best[q] = (lhi_vector_best){own[q].hits, 0, TRUTH};
    for (uint64_t r = first; r < end; r++) {
        LH_TRY(lhi_build_row(w->cx, p->b, r, row));
        score_row(p, row, r, best);
    }
    LH_WITH_LOCK(&p->lock); /* the best of all do not depend on the order of pieces */
    for (uint32_t q = 0; q < p->queries; q++) {
        lhi_vector_best all = {p->exact[q].hits, TRUTH, TRUTH};
        for (uint32_t i = 0; i < best[q].count; i++)
            lhi_vector_best_offer(&all, best[q].hits[i]);
    }
    return LH_OK;
}

static lh_rc find_truth(probe *p)
{
    for (uint32_t q = 0; q < p->queries; q++)
        for (uint32_t i = 0; i < TRUTH; i++)
            p->exact[q].hits[i] = (lh_vector_hit){UINT64_MAX, -INFINITY};
    lh_mutex_init(&p->lock);
    lhi_loop loop = {truth_piece, p, p->b->rows, ROWS_PER_PIECE};
    lh_rc rc = lhi_vector_parallel(p->b->cx, p->b->threads, &loop);
    lh_mutex_done(&p->lock);
    return rc;
}

/* ---- codes and walks ---- */

/* Where each true answer stands among sorted keys; the query's own row does not count. */
static void rank_truth(const probe *p, uint32_t q, const uint64_t *keys, uint32_t count,
                       uint16_t *ranks)
{
    const uint32_t *row_of = p->index.row_of;
    for (uint32_t t = 0; t < TRUTH; t++)
        ranks[t] = UINT16_MAX;
    uint16_t rank = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = row_of[lh_vector_key_row(keys[i])];
        if (row == p->itself[q])
            continue;
        for (uint32_t t = 0; t < TRUTH; t++)
            if (p->exact[q].hits[t].row == row)
                ranks[t] = rank;
        rank++;
    }
}

static lh_rc probe_codes(lh_ctx *cx, probe *p, uint32_t q, lhi_scratch *s)
{
    uint32_t depth = (uint32_t)LH_MIN(p->b->rows, (uint64_t)CODE_DEPTH);
    lhi_code_query_b1(&p->index, &s->query);
    lhi_flat_ask ask = {.depth = depth};
    LH_TRY(lhi_flat_scan(cx, &p->index, s, &ask));
    uint32_t count = (uint32_t)s->keys_count;
    lhi_sort_keys(s->keys, count);
    rank_truth(p, q, s->keys, count, p->b1_rank + (size_t)q * TRUTH);
    count = lhi_i4_select(&p->index, s, count, count);
    lhi_sort_keys(s->keys, count);
    rank_truth(p, q, s->keys, count, p->i4_rank + (size_t)q * TRUTH);
    return LH_OK;
}

static float found_in_pool(const probe *p, uint32_t q, const lhi_near *pool, uint32_t count)
{
    uint32_t found = 0;
    uint32_t there = 0;
    for (uint32_t t = 0; t < TRUTH; t++)
        there += p->exact[q].hits[t].row != UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = p->index.row_of[pool[i].place & ~LHI_EXPANDED];
        for (uint32_t t = 0; t < TRUTH; t++)
            found += p->exact[q].hits[t].row == row;
    }
    return there ? (float)found / (float)there : 1.0f;
}

static void probe_walks(probe *p, uint32_t q, lhi_scratch *s)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        lhi_walk w = {.index = &p->index, .query = &s->query, .scratch = s};
        w.ef = graph_settings[i];
        lhi_walk_begin(&w);
        while (lhi_walk_gather(&w))
            lhi_walk_score(&w);
        lhi_walk_end(&w);
        p->graph_recall[q * SETTINGS + i] =
            found_in_pool(p, q, s->pool, LH_MIN(w.count, 2 * TRUTH + 1));
        p->graph_evaluations[q * SETTINGS + i] = (float)w.evaluations;
    }
}

/* Which of the lists, nearest first, hold the true answers. */
static lh_rc probe_lists(lh_ctx *cx, probe *p, uint32_t q, lhi_scratch *s)
{
    const lh_vector_index *x = &p->index;
    const uint32_t lists = x->meta.lists;
    LH_TRY(lhi_rank_lists(cx, x, s, lists));
    uint32_t there = 0;
    for (uint32_t t = 0; t < TRUTH; t++)
        there += p->exact[q].hits[t].row != UINT64_MAX;
    for (size_t i = 0; i < SETTINGS; i++)
        p->graph_recall[q * SETTINGS + i] = there ? 0 : 1;
    for (uint32_t l = 0; l < lists; l++)
        for (uint32_t t = 0; t < TRUTH; t++) {
            uint64_t row = p->exact[q].hits[t].row;
            if (row == UINT64_MAX || x->place_of[row] < x->list_starts[s->lists[l]] ||
                x->place_of[row] >= x->list_starts[s->lists[l] + 1])
                continue;
            for (size_t i = 0; i < SETTINGS; i++)
                if (l < list_settings[i])
                    p->graph_recall[q * SETTINGS + i] += 1.0f / (float)there;
        }
    for (size_t i = 0; i < SETTINGS; i++)
        p->graph_evaluations[q * SETTINGS + i] =
            (float)lists +
            (float)LH_MIN(list_settings[i], lists) * (float)x->meta.rows / (float)lists;
    return LH_OK;
}

static lh_rc search_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    probe *p = arg;
    lhi_scratch *s;
    LH_TRY(lhi_scratch_get(w->cx, &p->index, &s));
    lh_rc rc = LH_OK;
    for (uint64_t q = first; rc == LH_OK && q < end; q++) {
        lhi_code_query(&p->index, p->values + q * p->b->dimensions, &s->query);
        rc = probe_codes(w->cx, p, (uint32_t)q, s);
        if (rc == LH_OK && p->index.graph)
            probe_walks(p, (uint32_t)q, s);
        if (rc == LH_OK && p->index.meta.kind == LH_VECTOR_IVF)
            rc = probe_lists(w->cx, p, (uint32_t)q, s);
    }
    lhi_scratch_put(&p->index, s);
    return rc;
}

/* ---- sums ---- */

/* The worse of the two halves: share of true answers that stand before `depth`. */
static float recall_within(const probe *p, const uint16_t *ranks, uint32_t depth)
{
    uint32_t found[2] = {0, 0};
    uint32_t all[2] = {0, 0};
    for (uint32_t q = 0; q < p->queries; q++)
        for (uint32_t t = 0; t < TRUTH; t++) {
            if (p->exact[q].hits[t].row == UINT64_MAX)
                continue;
            all[q % 2]++;
            found[q % 2] += ranks[q * TRUTH + t] < depth;
        }
    float rows = all[0] ? (float)found[0] / (float)all[0] : 1.0f;
    float shifted = all[1] ? (float)found[1] / (float)all[1] : 1.0f;
    return LH_MIN(rows, shifted);
}

static void sum_up(const probe *p, lhi_sample *sample)
{
    sample->queries = p->queries;
    for (size_t i = 0; i < LH_ARRAY_LEN(depths); i++) {
        sample->probe_b1[i] = recall_within(p, p->b1_rank, depths[i]);
        sample->probe_i4[i] = recall_within(p, p->i4_rank, depths[i]);
    }
    for (size_t i = 0; i < LH_ARRAY_LEN(flat_settings); i++)
        sample->flat_points[sample->flat_points_count++] =
            (lh_vector_point){flat_settings[i], recall_within(p, p->b1_rank, flat_settings[i]),
                              (float)flat_settings[i]};
    for (size_t i = 0; i < LH_ARRAY_LEN(exact_settings); i++)
        sample->exact_points[sample->exact_points_count++] =
            (lh_vector_point){exact_settings[i], recall_within(p, p->i4_rank, exact_settings[i]),
                              (float)exact_settings[i]};
    int ivf = p->index.meta.kind == LH_VECTOR_IVF;
    for (size_t i = 0; (ivf || p->index.graph) && i < SETTINGS; i++) {
        float recall[2] = {0, 0};
        float evaluations = 0;
        for (uint32_t q = 0; q < p->queries; q++) {
            recall[q % 2] += p->graph_recall[q * SETTINGS + i];
            evaluations += p->graph_evaluations[q * SETTINGS + i];
        }
        float half = (float)p->queries / 2;
        sample->graph_points[sample->graph_points_count++] =
            (lh_vector_point){ivf ? list_settings[i] : graph_settings[i],
                              LH_MIN(recall[0], recall[1]) / half, evaluations / (float)p->queries};
    }
}

lh_rc lhi_build_probe(lhi_build *b)
{
    lh_ctx *cx = b->cx;
    probe p = {.b = b, .queries = QUERIES};
    lhi_build_phase(b, "probe", 0);
    p.values = LH_NEW_ARRAY(cx, float, (size_t)QUERIES * b->dimensions);
    p.itself = LH_NEW_ARRAY(cx, uint32_t, QUERIES);
    p.exact = LH_NEW_ARRAY(cx, truth, QUERIES);
    p.b1_rank = LH_NEW_ARRAY(cx, uint16_t, QUERIES * TRUTH);
    p.i4_rank = LH_NEW_ARRAY(cx, uint16_t, QUERIES * TRUTH);
    p.graph_recall = LH_NEW_ARRAY(cx, float, QUERIES *SETTINGS);
    p.graph_evaluations = LH_NEW_ARRAY(cx, float, QUERIES *SETTINGS);
    if (!p.values || !p.itself || !p.exact || !p.b1_rank || !p.i4_rank || !p.graph_recall ||
        !p.graph_evaluations)
        return cx->err.rc;
    LH_TRY(draw_queries(&p));
    LH_TRY(find_truth(&p));
    lhi_build_as_index(b, &p.index);
    lh_mutex_init(&p.index.scratch_lock);
    lh_rc rc = lhi_vector_shape_for_search(cx, &p.index);
    lhi_loop loop = {search_piece, &p, QUERIES, 2};
    if (rc == LH_OK)
        rc = lhi_vector_parallel(cx, b->threads, &loop);
    lhi_vector_free_shapes(&p.index);
    if (rc == LH_OK)
        sum_up(&p, &b->sample);
    return rc;
}
