/* vector/vector_set_search.c - searches a view: every segment with a bitmap of its live and allowed
 * rows, hits merged by score.
 *
 * Rows of a segment lie in order of their ids, so "equal scores in order of row" inside a segment
 * is "in order of id" in the set, whatever the segments are. */
#include "vector/vector_set.h"

typedef struct search_run {
    const lh_vector_set_query *query;
    lh_vector_hit *found;      /* of one segment */
    lh_vector_set_hit *best;   /* of all segments so far */
    lh_vector_set_hit *merged; /* room to merge into */
    uint32_t count;
    uint64_t largest; /* rows of the segment whose plan is told */
    lh_vector_set_search_stats stats;
} search_run;

static int before(lh_vector_set_hit a, lh_vector_set_hit b)
{
    return a.score > b.score || (a.score == b.score && a.id < b.id);
}

static void merge_hits(search_run *r, const lh_segset_part *part, uint32_t found)
{
    uint32_t at = 0;
    uint32_t i = 0;
    uint32_t n = 0;
    while (n < r->query->k && (at < r->count || i < found)) {
        lh_vector_set_hit next = {0, 0};
        if (i < found)
            next = (lh_vector_set_hit){part->ids[r->found[i].row], r->found[i].score};
        int take_best = at < r->count && (i == found || before(r->best[at], next));
        r->merged[n++] = take_best ? r->best[at++] : next;
        i += !take_best;
    }
    lh_vector_set_hit *swap = r->best;
    r->best = r->merged;
    r->merged = swap;
    r->count = n;
}

static lh_rc search_part(lh_ctx *cx, search_run *r, const lh_segset_part *part)
{
    const lh_segset_filter filter = {.by_id = r->query->by_id ? r->query->by_id->words : NULL,
                                     .by_id_count = r->query->by_id ? r->query->by_id->rows : 0,
                                     .ids = r->query->ids,
                                     .ids_count = r->query->ids_count};
    const uint64_t *words;
    uint64_t count;
    lh_vector_search_stats stats;
    uint32_t found;
    LH_TRY(lh_segset_allowed(cx, part, &filter, &words, &count));
    if (count == 0)
        return LH_OK;
    lh_bitmap bitmap = {(uint64_t *)(uintptr_t)words, part->rows}; /* only read */
    lh_vector_query query = {.vector = r->query->vector,
                             .k = r->query->k,
                             .filter = words ? &bitmap : NULL,
                             .recall = r->query->recall,
                             .ef_search = r->query->ef_search,
                             .has_score_min = r->query->has_score_min,
                             .score_min = r->query->score_min};
    LH_TRY(lh_vector_index_search(cx, part->index, &query, r->found, &found, &stats));
    merge_hits(r, part, found);
    r->stats.evaluations += stats.evaluations;
    r->stats.hops += stats.hops;
    r->stats.scanned += stats.scanned;
    r->stats.exact += stats.exact;
    r->stats.segments++;
    if (part->rows >= r->largest) {
        r->largest = part->rows;
        r->stats.plan = stats.plan;
        r->stats.ef = stats.ef;
        memcpy(r->stats.why, stats.why, sizeof r->stats.why);
    }
    return LH_OK;
}

lh_rc lh_vector_view_search(lh_ctx *cx, const lh_segset_view *view,
                            const lh_vector_set_query *query, lh_vector_set_hit *ret_hits,
                            uint32_t *ret_count, lh_vector_set_search_stats *ret_stats)
{
    lh_assert(query->k > 0 && query->k <= LH_VECTOR_K_MAX);
    search_run r = {.query = query, .stats = {.plan = "none"}};
    r.found = LH_NEW_ARRAY(cx, lh_vector_hit, query->k);
    r.best = LH_NEW_ARRAY(cx, lh_vector_set_hit, query->k);
    r.merged = LH_NEW_ARRAY(cx, lh_vector_set_hit, query->k);
    if (!r.found || !r.best || !r.merged)
        return cx->err.rc;
    for (size_t i = 0; i < lh_segset_view_count(view); i++) {
        lh_segset_part part = lh_segset_view_part(view, i);
        LH_TRY(search_part(cx, &r, &part));
    }
    if (r.count > 0)
        memcpy(ret_hits, r.best, r.count * sizeof *ret_hits);
    *ret_count = r.count;
    *ret_stats = r.stats;
    return LH_OK;
}

lh_rc lh_vector_set_search(lh_ctx *cx, lh_vector_set *set, const lh_vector_set_query *query,
                           lh_vector_set_hit *ret_hits, uint32_t *ret_count,
                           lh_vector_set_search_stats *ret_stats)
{
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = lh_vector_set_view(set);
    return lh_vector_view_search(cx, view, query, ret_hits, ret_count, ret_stats);
}

lh_rc lh_vector_view_get(lh_ctx *cx, const lh_segset_view *view, uint64_t id, float *ret_vector)
{
    size_t number;
    uint64_t row;
    if (!lh_segset_view_find(view, id, &number, &row))
        return lh_fail(cx, LH_E_NOT_FOUND, "no row with id %llu", (unsigned long long)id);
    return lh_vector_index_row(cx, lh_segset_view_part(view, number).index, row, ret_vector);
}
