/* vector/vector_run.c - the plans of a search: each finds candidates by codes and gives the best of
 * them exact scores. */
#include "vector/vector_run_private.h"

#define ROWS_BETWEEN_CHECKS  4096u
#define STEPS_BETWEEN_CHECKS 64u
#define NEAR_LISTS           6u
#define SHARE_TO_LOOK        0.03 /* fewer rows may answer: they are scanned anyway */

static int is_example(const lhi_vector_allowed *a, uint64_t row)
{
    for (size_t i = 0; i < a->never_count; i++)
        if (a->never[i] == row)
            return 1;
    for (size_t i = 0; i < a->never2_count; i++)
        if (a->never2[i] == row)
            return 1;
    return 0;
}

/* ---- exact scores ---- */

static lh_rc offer_exact(lhi_run *r, uint64_t row)
{
    LH_TRY(lhi_vector_check_row(r->cx, r->index, row));
    if (++r->stats->exact % ROWS_BETWEEN_CHECKS == 0)
        LH_TRY(lh_ctx_check(r->cx));
    if (is_example(&r->allowed, row))
        return LH_OK;
    float score = lhi_vector_exact(r->index, r->values, row);
    if (!r->query->has_score_min || score >= r->query->score_min)
        lhi_vector_best_offer(&r->best, (lh_vector_hit){row, score});
    return LH_OK;
}

LHI_PREFETCHES void prefetch_row(const lh_vector_index *x, uint64_t row)
{
    const char *at = (const char *)x->rows + row * x->row_bytes;
    for (size_t i = 0; i < x->row_bytes; i += 64)
        __builtin_prefetch(at + i);
    if (x->inverse_norms)
        __builtin_prefetch(x->inverse_norms + row);
}

#define ROWS_AHEAD   4u
#define ROWS_TOUCHED 16u /* most searches for 10 read no more */

/* Its pages only: rows lie far from one another, and finding a page takes as long as reading. */
LHI_PREFETCHES void touch_row(const lh_vector_index *x, uint64_t row)
{
    const char *at = (const char *)x->rows + row * x->row_bytes;
    __builtin_prefetch(at);
    __builtin_prefetch(at + x->row_bytes - 1);
}

/* A candidate of the codes, in falling order of their score. */
static lhi_near key_candidate(const lhi_run *r, uint32_t i)
{
    uint64_t key = r->scratch->keys[i];
    return (lhi_near){lh_vector_key_score(key), lh_vector_key_row(key)};
}

static lhi_near pool_candidate(const lhi_run *r, uint32_t i)
{
    lhi_near one = r->scratch->pool[i];
    return (lhi_near){one.score, one.place & ~LHI_EXPANDED};
}

static lhi_near answer_candidate(const lhi_run *r, uint32_t i)
{
    return r->scratch->answers[i];
}

/* Can its exact score be among the best? The codes err by a share of the row's factor that the
 * build has measured: a candidate further below the last answer than so many deviations is left
 * out, which saves reading its row. */
static int may_be_best(const lhi_run *r, lhi_near one, float deviation)
{
    if (deviation <= 0 || r->best.count < r->best.k)
        return 1;
    float worst = r->best.hits[0].score;
    if (r->index->meta.metric == LH_VECTOR_EUCLIDEAN)
        worst *= -0.5f * worst;
    return one.score + r->scratch->query.offset + deviation * r->index->i4_factors[one.place] >=
           worst;
}

/* Exact scores of candidates of the codes. */
static lh_rc rerank(lhi_run *r, uint32_t count, lhi_near (*candidate)(const lhi_run *r, uint32_t i))
{
    const uint32_t *row_of = r->index->row_of;
    const float deviation =
        r->plan.deviations * r->index->sample->i4_error * r->scratch->query.norm;
    for (uint32_t i = 0; i < LH_MIN(count, ROWS_TOUCHED); i++)
        touch_row(r->index, row_of[candidate(r, i).place]);
    for (uint32_t i = 0; i < LH_MIN(count, ROWS_AHEAD); i++)
        prefetch_row(r->index, row_of[candidate(r, i).place]);
    for (uint32_t i = 0; i < count; i++) {
        lhi_near one = candidate(r, i);
        if (!may_be_best(r, one, deviation))
            continue;
        if (i + ROWS_AHEAD < count) {
            lhi_near soon = candidate(r, i + ROWS_AHEAD);
            if (may_be_best(r, soon, deviation))
                prefetch_row(r->index, row_of[soon.place]);
        }
        LH_TRY(offer_exact(r, row_of[one.place]));
    }
    return LH_OK;
}

/* ---- plans ---- */

/* Calls fn for every row that may answer, in order. */
static lh_rc each_allowed(lhi_run *r, lh_rc (*fn)(lhi_run *r, uint64_t row))
{
    const lhi_vector_allowed *a = &r->allowed;
    uint64_t rows = r->index->meta.rows;
    for (size_t i = 0; a->list && i < a->list_count; i++)
        LH_TRY(fn(r, a->list[i]));
    if (a->list)
        return LH_OK;
    for (uint64_t w = 0; w * 64 < rows; w++) {
        for (uint64_t bits = a->words ? a->words[w] : ~0ull; bits; bits &= bits - 1) {
            uint64_t row = w * 64 + (uint64_t)__builtin_ctzll(bits);
            if (row < rows)
                LH_TRY(fn(r, row));
        }
    }
    return LH_OK;
}

static lh_rc run_exact(lhi_run *r)
{
    r->stats->plan = "exact";
    return each_allowed(r, offer_exact);
}

static lh_rc note_place(lhi_run *r, uint64_t row)
{
    r->scratch->keys[r->scratch->keys_count++] = lh_vector_key(0, r->index->place_of[row]);
    return LH_OK;
}

/* Examples are left out at the end: as many more candidates. */
static uint32_t with_examples(const lhi_run *r, uint32_t candidates)
{
    uint64_t more = r->allowed.never_count + r->allowed.never2_count;
    return (uint32_t)LH_MIN(candidates + more, (uint64_t)LHI_DEPTH_MAX);
}

static uint32_t exact_most(const lhi_run *r)
{
    return with_examples(r, r->plan.exact);
}

static lh_rc run_scan(lhi_run *r)
{
    r->stats->plan = "scan";
    LH_TRY(lhi_scratch_keys(r->cx, r->scratch, (size_t)r->allowed.count + 1));
    r->scratch->keys_count = 0;
    LH_TRY(each_allowed(r, note_place));
    uint32_t count = (uint32_t)r->scratch->keys_count;
    r->stats->evaluations += count;
    uint32_t kept = count ? lhi_i4_select(r->index, r->scratch, count, exact_most(r)) : 0;
    lhi_sort_keys(r->scratch->keys, kept);
    return rerank(r, kept, key_candidate);
}

static lh_rc note_allowed(lhi_run *r, uint64_t row)
{
    uint32_t place = r->index->place_of[row];
    r->scratch->allowed[place / 64] |= 1ull << (place % 64);
    return LH_OK;
}

static lh_rc run_flat(lhi_run *r)
{
    const uint64_t *places = NULL;
    int ivf = r->plan.plan == LH_VECTOR_PLAN_IVF;
    r->stats->plan = ivf ? "ivf" : "flat";
    r->stats->ef = ivf ? r->plan.lists : r->plan.depth;
    lhi_code_query_b1(r->index, &r->scratch->query);
    if (r->allowed.words || r->allowed.list) {
        memset(r->scratch->allowed, 0, (size_t)(r->index->meta.rows / 64 + 1) * sizeof(uint64_t));
        LH_TRY(each_allowed(r, note_allowed));
        places = r->scratch->allowed;
    }
    lhi_flat_ask ask = {.allowed_places = places,
                        .depth = LH_MAX(r->plan.depth, exact_most(r)),
                        .lists = ivf ? r->plan.lists : 0};
    LH_TRY(lhi_flat_scan(r->cx, r->index, r->scratch, &ask));
    r->stats->scanned += ask.scanned;
    uint32_t count = (uint32_t)r->scratch->keys_count;
    r->stats->evaluations += count;
    uint32_t kept = count ? lhi_i4_select(r->index, r->scratch, count, exact_most(r)) : 0;
    lhi_sort_keys(r->scratch->keys, kept);
    return rerank(r, kept, key_candidate);
}

/* The walk tests rows in a bitmap. */
static const lhi_vector_allowed *as_bitmap(lhi_run *r, lhi_vector_allowed *bits)
{
    *bits = r->allowed;
    if (r->allowed.list) {
        memset(r->scratch->allowed, 0, (size_t)(r->index->meta.rows / 64 + 1) * sizeof(uint64_t));
        for (size_t i = 0; i < r->allowed.list_count; i++)
            r->scratch->allowed[r->allowed.list[i] / 64] |= 1ull << (r->allowed.list[i] % 64);
        bits->words = r->scratch->allowed;
    }
    return bits->words ? bits : NULL;
}

void lhi_run_walk_begin(lhi_run *r)
{
    r->walk = (lhi_walk){.index = r->index,
                         .query = &r->scratch->query,
                         .scratch = r->scratch,
                         .allowed = as_bitmap(r, &r->bits)};
    r->stats->plan = "graph";
    r->stats->ef = r->plan.ef;
    lhi_walk_effort(&r->walk, r->plan.ef, r->best.k, with_examples(r, r->plan.kept));
    lhi_walk_begin(&r->walk);
}

lh_rc lhi_run_walk_finish(lhi_run *r)
{
    r->stats->evaluations += r->walk.evaluations;
    r->stats->hops += r->walk.hops;
    if (r->walk.allowed)
        return rerank(r, LH_MIN(r->walk.answers, exact_most(r)), answer_candidate);
    return rerank(r, LH_MIN(r->walk.count, exact_most(r)), pool_candidate);
}

static lh_rc run_graph(lhi_run *r)
{
    lh_rc rc = LH_OK;
    lhi_run_walk_begin(r);
    for (uint32_t steps = 1; rc == LH_OK && lhi_walk_step(&r->walk); steps++) {
        if (steps % STEPS_BETWEEN_CHECKS == 0)
            rc = lh_ctx_check(r->cx);
    }
    lhi_walk_end(&r->walk);
    LH_TRY(rc);
    return lhi_run_walk_finish(r);
}

/* Which share of the rows near the query may answer: a filter that goes with the query leaves the
 * walk its way, one that goes against it does not, whatever its share of all rows. */
static double share_near(lhi_run *r)
{
    const lh_vector_index *x = r->index;
    uint32_t lists[LHI_NEAR_LISTS];
    uint64_t evaluations = 0;
    uint64_t rows = 0;
    uint64_t allowed = 0;
    uint32_t count = lhi_entries(x, &r->scratch->query, NULL, lists, NEAR_LISTS, &evaluations);
    for (uint32_t l = 0; l < count; l++)
        for (uint32_t place = x->list_starts[lists[l]]; place < x->list_starts[lists[l] + 1];
             place++) {
            uint32_t row = x->row_of[place];
            rows++;
            allowed += r->allowed.words[row / 64] >> (row % 64) & 1u;
        }
    return rows ? (double)allowed / (double)rows : 0;
}

static lh_rc code_query(lhi_run *r)
{
    if (r->scratch)
        return LH_OK;
    LH_TRY(lhi_scratch_get(r->cx, r->index, &r->scratch));
    lhi_code_query(r->index, r->values, &r->scratch->query);
    return LH_OK;
}

lh_rc lhi_run_begin(lhi_run *r)
{
    double share = r->index->meta.rows ? (double)r->allowed.count / (double)r->index->meta.rows : 1;
    r->plan.near = share;
    if (r->index->graph && r->allowed.words && share > SHARE_TO_LOOK && share < 1) {
        LH_TRY(code_query(r));
        r->plan.near = share_near(r);
    }
    LH_TRY(lhi_plan(r->cx, r->index, r->query, r->allowed.count, &r->plan));
    memcpy(r->stats->why, r->plan.why, sizeof r->stats->why);
    if (r->allowed.count == 0)
        r->plan.plan = LH_VECTOR_PLAN_EXACT;
    return r->plan.plan == LH_VECTOR_PLAN_EXACT ? LH_OK : code_query(r);
}

lh_rc lhi_run_plan(lhi_run *r)
{
    switch (r->plan.plan) {
    case LH_VECTOR_PLAN_SCAN: return run_scan(r);
    case LH_VECTOR_PLAN_FLAT:
    case LH_VECTOR_PLAN_IVF: return run_flat(r);
    case LH_VECTOR_PLAN_GRAPH: return run_graph(r);
    default: return run_exact(r);
    }
}

void lhi_run_end(lhi_run *r)
{
    if (r->scratch)
        lhi_scratch_put(r->index, r->scratch);
    r->scratch = NULL;
}
