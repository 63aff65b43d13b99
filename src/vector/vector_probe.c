/* vector/vector_probe.c - how good the codes and the graph are for these very vectors: a sample of
 * queries is answered exactly and by each code, and the numbers go into the segment.
 *
 * Half of the queries are rows (without themselves), half stand midway between two rows: the
 * first are easier than real queries, the second harder. The worse of the two counts. */
#include "vector/vector_build_private.h"
#include "vector/vector_half_private.h"
#include "vector/vector_walk_private.h"

#include <math.h>
#include <stdlib.h>

#define QUERIES_MAX    128u /* of a quality build; half for a fresh one */
#define TRUTH          10u
#define FOUND_WITHIN   21u /* twice as many candidates, and the query's own row */
#define CODE_DEPTH     1600u
#define SHIFT          0.5f /* of the way to another row: farthest from both */
#define NEAR           64u  /* of int8 scores, given exact ones */
#define ROWS_PER_PIECE 4096u

static const uint32_t depths[5] = {10, 40, 100, 200, 400};
static const uint32_t flat_settings[] = {20, 40, 60, 100, 150, 200, 300, 400, 800, 1600};
static const uint32_t exact_settings[] = {14, 18, 22, 28, 40, 60, 100, 200, 400, 800};

static const uint32_t list_settings[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
#define SETTINGS LHI_EFFORTS
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
    double *errors;      /* queries x 4: sum of squares and count, of i4 and of b1 */
    float *distances;    /* queries x SETTINGS: of the m-th nearest, m of lhi_efforts; squared */
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

/* ---- exact answers: int8 products of all queries with all rows, then floats of the best ---- */

typedef struct int8_scan {
    probe *p;
    lh_pages left;               /* panels of queries, signed */
    float by_query[QUERIES_MAX]; /* of a row's int8 norm; euclidean */
    lh_vector_hit *best;         /* queries x NEAR */
    uint32_t counts[QUERIES_MAX];
} int8_scan;

static lh_rc pack_queries(int8_scan *t)
{
    probe *p = t->p;
    lhi_build *b = p->b;
    const lh_vector_build_kernels *k = &b->kernels->build;
    size_t panel = k->panel_bytes(b->padded);
    uint8_t *codes = LH_NEW_ARRAY(b->cx, uint8_t, (size_t)t->p->queries * b->padded);
    uint8_t *packed = LH_NEW_ARRAY(b->cx, uint8_t, panel + 64);
    lhi_coded_query q = {.values = LH_NEW_ARRAY(b->cx, float, b->padded),
                         .i8 = LH_NEW_ARRAY(b->cx, int8_t, b->padded)};
    if (!codes || !packed || !q.values || !q.i8)
        return b->cx->err.rc;
    LH_TRY(lhi_build_pages(b, &t->left, t->p->queries / LH_VECTOR_PANEL, panel));
    for (uint32_t i = 0; i < t->p->queries; i++) {
        lhi_code_query(&p->index, p->values + (size_t)i * b->dimensions, &q);
        for (uint32_t d = 0; d < b->padded; d++)
            codes[(size_t)i * b->padded + d] = (uint8_t)(q.i8[d] + 128);
        t->by_query[i] = b->half_squares.ptr ? -0.5f / (b->scale * q.i8_unit) : 0;
    }
    for (uint32_t g = 0; g < t->p->queries / LH_VECTOR_PANEL; g++) {
        const uint8_t *rows[LH_VECTOR_PANEL];
        for (uint32_t i = 0; i < LH_VECTOR_PANEL; i++)
            rows[i] = codes + (size_t)(g * LH_VECTOR_PANEL + i) * b->padded;
        k->pack(packed, rows, b->padded);
        k->unbias((uint8_t *)t->left.ptr + g * panel, packed, b->padded);
    }
    return LH_OK;
}

/* Sixteen places with all queries. */
static void scan_panel(const int8_scan *t, uint64_t first, uint64_t end, uint8_t *panel,
                       lhi_vector_best *best)
{
    const lhi_build *b = t->p->b;
    const lh_vector_build_kernels *k = &b->kernels->build;
    const uint8_t *rows[LH_VECTOR_PANEL];
    int32_t value[256];
    for (uint64_t i = 0; i < LH_VECTOR_PANEL; i++)
        rows[i] = lhi_i8(b, LH_MIN(first + i, end - 1));
    k->pack(panel, rows, b->padded);
    for (uint32_t q = 0; q < t->p->queries; q++) {
        if (q % LH_VECTOR_PANEL == 0)
            k->multiply((const uint8_t *)t->left.ptr +
                            q / LH_VECTOR_PANEL * k->panel_bytes(b->padded),
                        panel, b->padded, value);
        for (uint64_t i = 0; i < LH_VECTOR_PANEL && first + i < end; i++) {
            float s = (float)value[q % LH_VECTOR_PANEL * LH_VECTOR_PANEL + i];
            s += t->by_query[q] * (float)LHI_I32(b->i8_norm)[first + i];
            if (best[q].count == NEAR && s < best[q].hits[0].score)
                continue;
            uint64_t row = LHI_U32(b->row_of)[first + i];
            if (row != t->p->itself[q])
                lhi_vector_best_offer(&best[q], (lh_vector_hit){row, s});
        }
    }
}

static lh_rc scan_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    int8_scan *t = arg;
    size_t panel = t->p->b->kernels->build.panel_bytes(t->p->b->padded);
    uint8_t *memory = lhi_worker_memory(w, panel + t->p->queries * NEAR * sizeof(lh_vector_hit));
    lhi_vector_best best[QUERIES_MAX] = {{0}};
    if (!memory)
        return w->cx->err.rc;
    lh_vector_hit *own = (lh_vector_hit *)(void *)(memory + panel);
    for (uint32_t q = 0; q < t->p->queries; q++)
        best[q] = (lhi_vector_best){own + (size_t)q * NEAR, 0, NEAR};
    for (uint64_t at = first; at < end; at += LH_VECTOR_PANEL)
        scan_panel(t, at, end, memory, best);
    LH_WITH_LOCK(&t->p->lock); /* the best of all do not depend on the order of pieces */
    for (uint32_t q = 0; q < t->p->queries; q++) {
        lhi_vector_best all = {t->best + (size_t)q * NEAR, t->counts[q], NEAR};
        for (uint32_t i = 0; i < best[q].count; i++)
            lhi_vector_best_offer(&all, best[q].hits[i]);
        t->counts[q] = all.count;
    }
    return LH_OK;
}

static lh_rc exact_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    int8_scan *t = arg;
    lhi_build *b = t->p->b;
    float *row = lhi_worker_memory(w, b->dimensions * sizeof(float));
    int euclidean = b->options->metric == LH_VECTOR_EUCLIDEAN;
    if (!row)
        return w->cx->err.rc;
    for (uint64_t q = first; q < end; q++) {
        const float *values = t->p->values + q * b->dimensions;
        lhi_vector_best best = {t->p->exact[q].hits, 0, TRUTH};
        for (uint32_t i = 0; i < t->counts[q]; i++) {
            uint64_t number = t->best[q * NEAR + i].row;
            LH_TRY(lhi_build_row(w->cx, b, number, row));
            float s = euclidean ? -b->kernels->floats.square_f32(row, values, b->dimensions)
                                : b->kernels->floats.dot_f32(row, values, b->dimensions);
            lhi_vector_best_offer(&best, (lh_vector_hit){number, s});
        }
        for (uint32_t i = best.count; i < TRUTH; i++)
            best.hits[i] = (lh_vector_hit){UINT64_MAX, -INFINITY};
    }
    return LH_OK;
}

static lh_rc find_truth(probe *p)
{
    lh_ctx *cx = p->b->cx;
    int8_scan t = {.p = p};
    t.best = LH_NEW_ARRAY(cx, lh_vector_hit, p->queries * NEAR);
    if (!t.best)
        return cx->err.rc;
    lh_rc rc = pack_queries(&t);
    lh_mutex_init(&p->lock);
    lhi_loop scan = {scan_piece, &t, p->b->rows, ROWS_PER_PIECE};
    lhi_loop exact = {exact_piece, &t, p->queries, 4};
    if (rc == LH_OK)
        rc = lhi_vector_parallel(cx, p->b->threads, &scan);
    if (rc == LH_OK)
        rc = lhi_vector_parallel(cx, p->b->threads, &exact);
    lh_mutex_done(&p->lock);
    lh_pages_free(&t.left);
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

/* How far the scores of true answers are off, as a share of factor and query. */
static void add_errors(const probe *p, const lhi_coded_query *q, uint32_t number, int b1,
                       const lhi_scratch *s)
{
    const lh_vector_index *x = &p->index;
    double *sums = p->errors + number * 4 + (b1 ? 2 : 0);
    int euclidean = x->meta.metric == LH_VECTOR_EUCLIDEAN;
    for (size_t i = 0; i < s->keys_count; i++) {
        uint32_t place = lh_vector_key_row(s->keys[i]);
        double factor =
            b1 ? (double)lhi_f32_of_bf16(x->b1_factors[place]) : (double)x->i4_factors[place];
        for (uint32_t t = 0; t < TRUTH && factor * (double)q->norm > 0; t++) {
            const lh_vector_hit *hit = &p->exact[number].hits[t];
            if (hit->row != x->row_of[place])
                continue;
            double exact = (double)hit->score * (euclidean ? 0.5 : 1.0);
            double off = (double)lh_vector_key_score(s->keys[i]) + (double)q->offset - exact;
            off /= factor * (double)q->norm;
            sums[0] += off * off;
            sums[1] += 1;
        }
    }
}

/* Distances by rank, of sorted keys; the query's own row does not count. */
static void note_distances(const probe *p, uint32_t q, const lhi_scratch *s)
{
    const lhi_coded_query *c = &s->query;
    float reach = p->b->options->metric == LH_VECTOR_EUCLIDEAN ? -c->offset : 1 - c->offset;
    size_t at = 0;
    uint32_t rank = 0;
    for (size_t i = 0; i < SETTINGS; i++) {
        float score = reach;
        for (; at < s->keys_count && rank < lhi_efforts[i]; at++) {
            score = lh_vector_key_score(s->keys[at]);
            rank += p->index.row_of[lh_vector_key_row(s->keys[at])] != p->itself[q];
        }
        p->distances[q * SETTINGS + i] =
            rank == lhi_efforts[i] ? LH_MAX(reach - score, 0.0f) : 0.0f;
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
    add_errors(p, &s->query, q, 1, s);
    count = lhi_i4_select(&p->index, s, count, count);
    lhi_sort_keys(s->keys, count);
    s->keys_count = count;
    note_distances(p, q, s);
    rank_truth(p, q, s->keys, count, p->i4_rank + (size_t)q * TRUTH);
    add_errors(p, &s->query, q, 0, s);
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

static lh_rc probe_walks(lh_ctx *cx, probe *p, uint32_t q, lhi_scratch *s)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        lhi_walk w = {.index = &p->index, .query = &s->query, .scratch = s};
        lhi_walk_effort(&w, lhi_efforts[i], TRUTH, FOUND_WITHIN);
        lhi_walk_begin(&w);
        while (lhi_walk_step(&w)) {
        }
        lhi_walk_end(&w);
        p->graph_recall[q * SETTINGS + i] =
            found_in_pool(p, q, s->pool, LH_MIN(w.count, FOUND_WITHIN));
        p->graph_evaluations[q * SETTINGS + i] = (float)w.evaluations;
    }
    return lh_ctx_check(cx);
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

typedef lh_rc (*probe_step)(lh_ctx *cx, probe *p, uint32_t q, lhi_scratch *s);

static lh_rc each_query(lhi_worker *w, probe *p, uint64_t first, uint64_t end, probe_step step)
{
    lhi_scratch *s;
    LH_TRY(lhi_scratch_get(w->cx, &p->index, &s));
    lh_rc rc = LH_OK;
    for (uint64_t q = first; rc == LH_OK && q < end; q++) {
        lhi_code_query(&p->index, p->values + q * p->b->dimensions, &s->query);
        rc = step(w->cx, p, (uint32_t)q, s);
    }
    lhi_scratch_put(&p->index, s);
    return rc;
}

static lh_rc codes_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    return each_query(w, arg, first, end, probe_codes);
}

static lh_rc efforts_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    const probe *p = arg;
    return each_query(w, arg, first, end, p->index.graph ? probe_walks : probe_lists);
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

static float error_of(const probe *p, size_t which)
{
    double squares = 0;
    double count = 0;
    for (uint32_t q = 0; q < p->queries; q++) {
        squares += p->errors[q * 4 + which];
        count += p->errors[q * 4 + which + 1];
    }
    return count > 0 ? (float)sqrt(squares / count) : 0;
}

/* How fast rows get further off around the harder half of the queries: what efforts mean to a walk.
 * The mean distance at a rank by that at the first, so that one among duplicates does not count for
 * all. */
static void find_spread(const probe *p, float *spread)
{
    double sums[SETTINGS] = {0};
    for (uint32_t q = 1; q < p->queries; q += 2)
        for (size_t i = 0; i < SETTINGS; i++)
            sums[i] += (double)p->distances[q * SETTINGS + i];
    for (size_t i = 1; i < SETTINGS && sums[0] > 0; i++)
        spread[i] = LH_MAX((float)(sums[i] / sums[0] - 1), spread[i - 1]);
}

static void sum_up(const probe *p, lhi_sample *sample)
{
    sample->queries = p->queries;
    sample->i4_error = error_of(p, 0);
    sample->b1_error = error_of(p, 2);
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
        /* A walk goes on as long as the query is hard: its efforts are judged by both halves. */
        sample->graph_points[sample->graph_points_count++] = (lh_vector_point){
            ivf ? list_settings[i] : lhi_efforts[i],
            ivf ? LH_MIN(recall[0], recall[1]) / half : (recall[0] + recall[1]) / half / 2,
            evaluations / (float)p->queries};
    }
}

lh_rc lhi_build_probe(lhi_build *b)
{
    lh_ctx *cx = b->cx;
    const uint32_t queries = b->options->preset == LH_VECTOR_FRESH ? QUERIES_MAX / 2 : QUERIES_MAX;
    probe p = {.b = b, .queries = queries};
    lhi_build_phase(b, "probe", 0);
    p.values = LH_NEW_ARRAY(cx, float, (size_t)queries * b->dimensions);
    p.itself = LH_NEW_ARRAY(cx, uint32_t, queries);
    p.exact = LH_NEW_ARRAY(cx, truth, queries);
    p.b1_rank = LH_NEW_ARRAY(cx, uint16_t, queries * TRUTH);
    p.i4_rank = LH_NEW_ARRAY(cx, uint16_t, queries * TRUTH);
    p.errors = LH_NEW_ARRAY(cx, double, queries * 4);
    p.distances = LH_NEW_ARRAY(cx, float, queries *SETTINGS);
    p.graph_recall = LH_NEW_ARRAY(cx, float, queries *SETTINGS);
    p.graph_evaluations = LH_NEW_ARRAY(cx, float, queries *SETTINGS);
    if (!p.values || !p.itself || !p.exact || !p.b1_rank || !p.i4_rank || !p.errors ||
        !p.distances || !p.graph_recall || !p.graph_evaluations)
        return cx->err.rc;
    lhi_build_as_index(b, &p.index);
    LH_TRY(draw_queries(&p));
    LH_TRY(find_truth(&p));
    lh_mutex_init(&p.index.scratch_lock);
    lh_rc rc = lhi_vector_shape_for_search(cx, &p.index);
    lhi_loop codes = {codes_piece, &p, queries, 2};
    lhi_loop efforts = {efforts_piece, &p, queries, 2};
    if (rc == LH_OK)
        rc = lhi_vector_parallel(cx, b->threads, &codes);
    if (rc == LH_OK && p.index.graph && b->options->metric != LH_VECTOR_DOT)
        find_spread(&p, b->spread);
    memcpy(p.index.meta.spread, b->spread, sizeof b->spread);
    if (rc == LH_OK && (p.index.graph || p.index.meta.kind == LH_VECTOR_IVF))
        rc = lhi_vector_parallel(cx, b->threads, &efforts);
    lhi_vector_free_shapes(&p.index);
    if (rc == LH_OK)
        sum_up(&p, &b->sample);
    return rc;
}
