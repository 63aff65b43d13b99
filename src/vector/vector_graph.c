/* vector/vector_graph.c - a walk over the graph on 4-bit codes: from the leaders near the query,
 * always to the neighbours of the best place not yet expanded, until that one is further off than
 * the k-th best and a margin: an easy query ends soon, a hard one goes on (Al-Jazzazi, Diwan, Gou,
 * Musco, Musco, Suel: Distance Adaptive Beam Search, 2025). The margin is how much further off the
 * ef-th nearest row is than the k-th around the queries of the build's sample, so ef keeps its
 * meaning.
 *
 * The pool is one sorted array (two heaps are slower below some hundred), visited places are bits.
 * The walk waits for memory, not for arithmetic: neighbours are scored four at a time, the codes of
 * the next twelve asked for meanwhile. So that this need not stop at the last neighbour of a place,
 * the next place is expanded before the neighbours of this one are scored. */
#include "vector/vector_walk_private.h"

#define ADJACENT_SOON                                                                              \
    12u /* places at most so far from the next expansion: neighbours are asked for */
#define SUPERS_LOOKED  4u /* for lists; where a walk begins matters less: */
#define SUPERS_TO_WALK 1u
#define POOL_TIMES     4u /* places of the pool for one of ef: hard queries end too */

const uint32_t lhi_efforts[LHI_EFFORTS] = {10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384};

LHI_PREFETCHES void prefetch(const void *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)at + i);
}

/* Scores of items [first, end) of an array of codes, four at a time. */
typedef struct code_array {
    const uint8_t *codes;
    const float *factors;
    const float *halves;
} code_array;

static float score_one(const code_array *a, const lhi_coded_query *q, int32_t sum, uint32_t at)
{
    float score = lhi_i4_score(q, sum, a->factors[at]);
    return a->halves ? score + a->halves[at] : score;
}

/* The `most` best of a run of codes, best first, after those already there. */
static uint32_t best_of(const lh_vector_index *x, const code_array *a, const lhi_coded_query *q,
                        const uint32_t range[2], lhi_near *best, uint32_t count_and_most[2])
{
    size_t bytes = x->meta.padded / 2;
    uint32_t count = count_and_most[0];
    for (uint32_t i = range[0]; i < range[1]; i += 4) {
        LHI_UNSET const uint8_t *rows[4];
        LHI_UNSET int32_t sums[4];
        for (uint32_t z = 0; z < 4; z++)
            rows[z] = a->codes + LH_MIN(i + z, range[1] - 1) * bytes;
        x->kernels->search.i4_four(rows, q->i8, x->meta.padded / 128, sums);
        for (uint32_t z = 0; z < 4 && i + z < range[1]; z++) {
            lhi_near one = {score_one(a, q, sums[z], i + z), i + z};
            if (count < count_and_most[1] || one.score > best[count - 1].score)
                (void)lhi_pool_insert(best, &count, count_and_most[1], one);
        }
    }
    return count;
}

uint32_t lhi_entries(const lh_vector_index *x, const lhi_coded_query *q, lhi_near *ret,
                     uint32_t *ret_lists, uint32_t most, uint64_t *evaluations)
{
    const code_array supers = {x->super_codes, x->super_factors, x->super_halves};
    const code_array leaders = {x->leader_codes, x->leader_factors, x->leader_halves};
    LHI_UNSET lhi_near near[SUPERS_LOOKED + 1];
    uint32_t count = 0;
    LHI_UNSET lhi_near all[LHI_NEAR_LISTS + 1];
    const uint32_t whole[2] = {0, x->meta.supers};
    uint32_t of_supers[2] = {0, ret ? SUPERS_TO_WALK : SUPERS_LOOKED};
    lh_assert(most <= LHI_NEAR_LISTS);
    uint32_t looked = best_of(x, &supers, q, whole, near, of_supers);
    *evaluations += x->meta.supers;
    for (uint32_t s = 0; s < looked; s++) {
        const uint32_t range[2] = {x->super_starts[near[s].place],
                                   x->super_starts[near[s].place + 1]};
        uint32_t state[2] = {count, most};
        if (range[0] == range[1])
            continue;
        count = best_of(x, &leaders, q, range, all, state);
        *evaluations += range[1] - range[0];
    }
    if (count == 0) { /* groups without leaders were nearest */
        const uint32_t range[2] = {0, x->meta.lists};
        uint32_t state[2] = {0, most};
        count = best_of(x, &leaders, q, range, all, state);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (ret_lists)
            ret_lists[i] = all[i].place;
        if (ret)
            ret[i] = (lhi_near){all[i].score, x->leaders[all[i].place]};
    }
    return count;
}

static int may_answer(const lhi_walk *w, uint32_t place)
{
    uint32_t row = w->index->row_of[place];
    return (int)(w->allowed->words[row / 64] >> (row % 64) & 1u);
}

/* Position in the pool; pool_most when it was not taken. */
static inline uint32_t offer(lhi_walk *w, float score, uint32_t place)
{
    lhi_scratch *s = w->scratch;
    const lhi_near one = {score, place};
    if (w->allowed && may_answer(w, place) &&
        (w->answers < w->kept || score > s->answers[w->answers - 1].score))
        (void)lhi_pool_insert(s->answers, &w->answers, w->kept, one);
    if (w->count == w->pool_most && !(score > s->pool[w->count - 1].score))
        return w->pool_most;
    return lhi_pool_insert(s->pool, &w->count, w->pool_most, one);
}

/* Share of the distance of the 10th nearest row by which the m-th is further. */
static float spread_at(const lhi_vector_meta *m, uint32_t rank)
{
    uint32_t i = 1;
    while (i + 1 < LHI_EFFORTS && lhi_efforts[i] < rank)
        i++;
    const float slope =
        (m->spread[i] - m->spread[i - 1]) / (float)(lhi_efforts[i] - lhi_efforts[i - 1]);
    return m->spread[i] + slope * ((float)rank - (float)lhi_efforts[i]);
}

void lhi_walk_effort(lhi_walk *w, uint32_t ef, uint32_t k, uint32_t kept)
{
    const lhi_vector_meta *m = &w->index->meta;
    w->pool_most = LH_MIN(ef, LHI_EF_MAX);
    w->known = 0;
    w->kept = LH_MIN(kept, w->allowed ? LHI_EF_MAX : w->pool_most);
    w->bound = -__builtin_inff();
    if (w->allowed || !(m->spread[LHI_EFFORTS - 1] > 0))
        return;
    w->known = LH_MAX(k, lhi_efforts[0]);
    w->kept = LH_MIN(kept, LHI_EF_MAX);
    w->pool_most = LH_MIN(LH_MAX(w->pool_most * POOL_TIMES, w->kept), LHI_EF_MAX);
    w->margin = 0;
    if (ef > w->known)
        w->margin = (1 + spread_at(m, ef)) / (1 + spread_at(m, w->known)) - 1;
    w->reach = m->metric == LH_VECTOR_EUCLIDEAN ? -w->query->offset : 1 - w->query->offset;
}

/* The score a place must beat to change anything. The walk goes on until the best place not
 * expanded is further off than the last of the known best and the margin; a few more than are
 * wanted are kept though they are not expanded, because codes err and exact scores decide. */
static float least_score(lhi_walk *w)
{
    const lhi_near *pool = w->scratch->pool;
    const lhi_near *answers = w->allowed ? w->scratch->answers : pool;
    const uint32_t count = w->allowed ? w->answers : w->count;
    if (w->known > 0 && w->count >= w->known) {
        const float last = pool[w->known - 1].score;
        w->bound = last - w->margin * LH_MAX(w->reach - last, 0.0f);
    }
    if (count < w->kept || (w->known == 0 && w->count < w->pool_most))
        return -__builtin_inff();
    return LH_MIN(answers[w->kept - 1].score, w->known > 0 ? w->bound : pool[w->count - 1].score);
}

void lhi_walk_begin(lhi_walk *w)
{
    lhi_near entries[LHI_ENTRIES];
    w->count = w->answers = w->at = w->ids_count = 0;
    w->ask = lhi_i4_ask(w->index, w->query);
    uint32_t count = lhi_entries(w->index, w->query, entries, NULL, LHI_ENTRIES, &w->evaluations);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bit = 1ull << (entries[i].place % 64);
        if (w->scratch->visited[entries[i].place / 64] & bit)
            continue;
        w->scratch->visited[entries[i].place / 64] |= bit;
        (void)offer(w, entries[i].score, entries[i].place);
        prefetch(w->index->graph + (size_t)entries[i].place * w->index->meta.degree,
                 w->index->meta.degree * sizeof(uint32_t));
    }
}

static uint32_t padded4(uint32_t count)
{
    return (count + 3) / 4 * 4;
}

/* Neighbours, not seen before, of the best place not yet expanded. 0: there is no such place. */
static int gather(lhi_walk *w, uint32_t *ids, uint32_t *ret_count)
{
    const lh_vector_index *x = w->index;
    lhi_near *pool = w->scratch->pool;
    uint64_t *visited = w->scratch->visited;
    const uint32_t degree = x->meta.degree;
    uint32_t n = 0;
    *ret_count = 0;
    while (w->at < w->count && pool[w->at].place & LHI_EXPANDED)
        w->at++;
    if (w->at >= w->count || pool[w->at].score < w->bound)
        return 0;
    const uint32_t *edges = x->graph + (size_t)pool[w->at].place * degree;
    pool[w->at].place |= LHI_EXPANDED;
    w->hops++;
    for (uint32_t e = 0; e < degree && edges[e] != LHI_NO_ROW; e++) {
        uint64_t bit = 1ull << (edges[e] % 64);
        uint64_t *word = &visited[edges[e] / 64];
        ids[n] = edges[e]; /* written always, kept when new: no branch to guess */
        n += !(*word & bit);
        *word |= bit;
    }
    *ret_count = n;
    for (; n > 0 && n % 4 != 0; n++)
        ids[n] = ids[n - 1];
    return 1;
}

/* Neighbours found by the step before are offered to the pool. */
static void score_found(lhi_walk *w)
{
    const lh_vector_index *x = w->index;
    LHI_UNSET float scores[LHI_WALK_IDS];
    float least = least_score(w);
    uint32_t low = w->at;
    x->kernels->search.i4_scores(&w->ask, w->ids, w->ids_count, scores);
    uint32_t good = 0;
    for (uint32_t i = 0; i < w->ids_count; i++) { /* no branch to guess */
        w->good[good] = (lhi_near){scores[i], w->ids[i]};
        good += scores[i] > least;
    }
    for (const lhi_near *one = w->good; one < w->good + good; one++) {
        if (!(one->score > least))
            continue;
        uint32_t at = offer(w, one->score, one->place);
        least = least_score(w);
        if (at < w->at + ADJACENT_SOON)
            prefetch(x->graph + (size_t)one->place * x->meta.degree,
                     x->meta.degree * sizeof(uint32_t));
        low = at < low ? at : low;
    }
    w->at = low;
    w->evaluations += w->ids_count;
}

int lhi_walk_step(lhi_walk *w)
{
    uint32_t *next = w->ids + padded4(w->ids_count);
    uint32_t count;
    const int more = gather(w, next, &count) || w->ids_count > 0;
    w->ask.soon = padded4(count);
    if (w->ids_count > 0)
        score_found(w);
    w->ask.asked = w->ids_count > 0;
    memmove(w->ids, next, w->ask.soon * sizeof *next);
    w->ids_count = count;
    return more;
}

void lhi_walk_end(lhi_walk *w)
{
    memset(w->scratch->visited, 0, (size_t)(w->index->meta.rows / 64 + 1) * sizeof(uint64_t));
}
