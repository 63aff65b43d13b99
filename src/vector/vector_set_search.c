/* vector/vector_set_search.c - searches a view: every segment with a bitmap of its live and allowed
 * rows, hits merged by score.
 *
 * Rows of a segment lie in order of their ids, so "equal scores in order of row" inside a segment
 * is "in order of id" in the set, whatever the segments are. */
#include "vector/vector_set_private.h"

#include <stdlib.h>

/* ---- which rows of a segment may answer ---- */

static uint64_t word_at(const lh_bitmap *bitmap, uint64_t bit)
{
    uint64_t word = bit / 64;
    uint64_t words = bitmap->rows / 64 + 1;
    unsigned shift = (unsigned)(bit % 64);
    uint64_t low = word < words ? bitmap->words[word] >> shift : 0;
    uint64_t high = shift > 0 && word + 1 < words ? bitmap->words[word + 1] << (64 - shift) : 0;
    return low | high;
}

/* Ids without gaps are a run of the caller's bitmap. */
static void allow_run(const lhi_set_segment *segment, const lh_bitmap *by_id, uint64_t *words)
{
    uint64_t first = segment->ids[0];
    for (uint64_t row = 0; row < segment->rows; row += 64) {
        uint64_t left = first + row < by_id->rows ? by_id->rows - (first + row) : 0;
        left = LH_MIN(left, segment->rows - row);
        uint64_t mask = left >= 64 ? UINT64_MAX : (1ull << left) - 1;
        words[row / 64] = left > 0 ? word_at(by_id, first + row) & mask : 0;
    }
}

static void allow_by_id(const lhi_set_segment *segment, const lh_bitmap *by_id, uint64_t *words)
{
    if (segment->ids[segment->rows - 1] - segment->ids[0] == segment->rows - 1) {
        allow_run(segment, by_id, words);
        return;
    }
    for (uint64_t row = 0; row < segment->rows; row++)
        if (segment->ids[row] < by_id->rows && lh_bitmap_get(by_id, segment->ids[row]))
            words[row / 64] |= 1ull << (row % 64);
}

/* Both lists rise: what is searched only gets shorter. */
static void allow_ids(const lhi_set_segment *segment, const uint64_t *ids, size_t count,
                      uint64_t *words)
{
    uint64_t low = 0;
    for (size_t i = 0; i < count && low < segment->rows; i++) {
        if (ids[i] < segment->ids[low])
            continue;
        uint64_t step = 1;
        uint64_t high = low;
        while (high < segment->rows && segment->ids[high] < ids[i]) {
            low = high + 1;
            high += step;
            step *= 2;
        }
        high = LH_MIN(high, segment->rows);
        while (low < high) {
            uint64_t middle = low + (high - low) / 2;
            if (segment->ids[middle] < ids[i])
                low = middle + 1;
            else
                high = middle;
        }
        if (low < segment->rows && segment->ids[low] == ids[i])
            words[low / 64] |= 1ull << (low % 64);
    }
}

/* *ret_bitmap without words: all rows may. *ret_count: how many may. */
static lh_rc allowed(lh_ctx *cx, const lhi_set_item *item, const lh_vector_set_query *query,
                     lh_bitmap *ret_bitmap, uint64_t *ret_count)
{
    const lhi_set_segment *segment = item->segment;
    *ret_bitmap = (lh_bitmap){item->live ? item->live->words : NULL, segment->rows};
    *ret_count = lhi_item_live_count(item);
    if ((!query->by_id && !query->ids) || *ret_count == 0)
        return LH_OK;
    size_t count = (size_t)(segment->rows / 64 + 1);
    uint64_t *words = LH_NEW_ARRAY(cx, uint64_t, count);
    if (!words)
        return cx->err.rc;
    if (query->by_id)
        allow_by_id(segment, query->by_id, words);
    else
        allow_ids(segment, query->ids, query->ids_count, words);
    uint64_t found = 0;
    for (size_t i = 0; i < count; i++) {
        words[i] &= item->live ? item->live->words[i] : UINT64_MAX;
        found += (uint64_t)__builtin_popcountll(words[i]);
    }
    ret_bitmap->words = words;
    *ret_count = found;
    return LH_OK;
}

/* ---- hits ---- */

typedef struct search_run {
    const lh_vector_set_query *query;
    lh_vector_hit *found;      /* of one segment */
    lh_vector_set_hit *best;   /* of all segments so far */
    lh_vector_set_hit *merged; /* room to merge into */
    uint32_t count;
    lh_vector_set_search_stats stats;
} search_run;

static int before(lh_vector_set_hit a, lh_vector_set_hit b)
{
    return a.score > b.score || (a.score == b.score && a.id < b.id);
}

static void merge_hits(search_run *r, const lhi_set_segment *segment, uint32_t found)
{
    uint32_t at = 0;
    uint32_t i = 0;
    uint32_t n = 0;
    while (n < r->query->k && (at < r->count || i < found)) {
        lh_vector_set_hit next = {0, 0};
        if (i < found)
            next = (lh_vector_set_hit){segment->ids[r->found[i].row], r->found[i].score};
        int take_best = at < r->count && (i == found || before(r->best[at], next));
        r->merged[n++] = take_best ? r->best[at++] : next;
        i += !take_best;
    }
    lh_vector_set_hit *swap = r->best;
    r->best = r->merged;
    r->merged = swap;
    r->count = n;
}

static lh_rc search_item(lh_ctx *cx, search_run *r, const lhi_set_item *item)
{
    lh_bitmap bitmap;
    uint64_t count;
    lh_vector_search_stats stats;
    uint32_t found;
    LH_TRY(allowed(cx, item, r->query, &bitmap, &count));
    if (count == 0)
        return LH_OK;
    lh_vector_query query = {
        .vector = r->query->vector, .k = r->query->k, .filter = bitmap.words ? &bitmap : NULL};
    LH_TRY(lh_vector_index_search(cx, item->segment->index, &query, r->found, &found, &stats));
    merge_hits(r, item->segment, found);
    r->stats.evaluations += stats.evaluations;
    r->stats.hops += stats.hops;
    r->stats.scanned += stats.scanned;
    r->stats.exact += stats.exact;
    r->stats.segments++;
    return LH_OK;
}

lh_rc lh_vector_view_search(lh_ctx *cx, const lh_vector_view *view,
                            const lh_vector_set_query *query, lh_vector_set_hit *ret_hits,
                            uint32_t *ret_count, lh_vector_set_search_stats *ret_stats)
{
    lh_assert(query->k > 0 && query->k <= LH_VECTOR_K_MAX);
    search_run r = {.query = query};
    r.found = LH_NEW_ARRAY(cx, lh_vector_hit, query->k);
    r.best = LH_NEW_ARRAY(cx, lh_vector_set_hit, query->k);
    r.merged = LH_NEW_ARRAY(cx, lh_vector_set_hit, query->k);
    if (!r.found || !r.best || !r.merged)
        return cx->err.rc;
    for (size_t i = 0; i < view->count; i++)
        LH_TRY(search_item(cx, &r, &view->items[i]));
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
    LH_CLEANUP(lh_vector_view_unref) lh_vector_view *view = lh_vector_set_view(set);
    return lh_vector_view_search(cx, view, query, ret_hits, ret_count, ret_stats);
}

lh_rc lh_vector_view_get(lh_ctx *cx, const lh_vector_view *view, uint64_t id, float *ret_vector)
{
    for (size_t i = 0; i < view->count; i++) {
        const lhi_set_item *item = &view->items[i];
        uint64_t row;
        if (!lhi_segment_find(item->segment, id, &row) || !lhi_item_is_live(item, row))
            continue;
        return lh_vector_index_row(cx, item->segment->index, row, ret_vector);
    }
    return lh_fail(cx, LH_E_NOT_FOUND, "no row with id %llu", (unsigned long long)id);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

lh_rc lh_vector_view_ids(lh_ctx *cx, const lh_vector_view *view, uint64_t **ret_ids,
                         size_t *ret_count)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < view->count; i++)
        rows += lhi_item_live_count(&view->items[i]);
    uint64_t *ids = LH_NEW_ARRAY(cx, uint64_t, (size_t)rows + 1);
    if (!ids)
        return cx->err.rc;
    size_t n = 0;
    for (size_t i = 0; i < view->count; i++) {
        const lhi_set_item *item = &view->items[i];
        for (uint64_t row = 0; row < item->segment->rows; row++)
            if (lhi_item_is_live(item, row))
                ids[n++] = item->segment->ids[row];
    }
    lh_assert(n == rows);
    qsort(ids, n, sizeof *ids, by_number);
    *ret_ids = ids;
    *ret_count = n;
    return LH_OK;
}
