/* segset/segset_due.c - which segments a merge takes.
 *
 * Tiers by size, as Lucene and LSM trees do: tier t holds segments of up to tier_rows * fan_in^t
 * live rows; when a tier and those below it hold fan_in segments, all of them become one, so a row
 * is rewritten once per tier. */
#include "segset/segset_private.h"

#include <stdlib.h>

/* A segment of at least so many rows is rewritten when a fifth of them is dead. */
#define DEAD_ROWS_MIN 64u
#define DEAD_FRACTION 5u

typedef struct candidate {
    size_t item;
    uint64_t live;
} candidate;

static int by_size(const void *a, const void *b)
{
    const candidate *x = a;
    const candidate *y = b;
    if (x->live != y->live)
        return x->live < y->live ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static uint32_t tier_of(const lh_segset *set, uint64_t rows)
{
    uint32_t tier = 0;
    for (uint64_t limit = set->opts.tier_rows; rows > limit && tier < 40; tier++)
        limit *= set->opts.fan_in;
    return tier;
}

/* How many of the smallest make one: a full tier takes those below it along, and what it makes may
 * fill the tier it falls into. */
static size_t full_tiers(const lh_segset *set, const candidate *list, size_t count)
{
    size_t take = 0;
    uint64_t rows = 0; /* of the first i */
    uint64_t rows_taken = 0;
    for (size_t i = 0; i < count;) {
        uint32_t tier = tier_of(set, list[i].live);
        size_t end = i;
        while (end < count && tier_of(set, list[end].live) == tier)
            rows += list[end++].live;
        size_t made = take > 0 && tier_of(set, rows_taken) == tier;
        if (end - i + made >= set->opts.fan_in) {
            take = end;
            rows_taken = rows;
        }
        i = end;
    }
    return take;
}

static void choose_item(lhi_merge *m, size_t item)
{
    m->chosen[item] = 1;
    m->chosen_count++;
    m->rows += lhi_item_live_count(&m->view->items[item]);
}

static int mostly_dead(const lhi_item *item)
{
    uint64_t rows = item->segment->rows;
    uint64_t live = lhi_item_live_count(item);
    return live == 0 || (rows >= DEAD_ROWS_MIN && (rows - live) * DEAD_FRACTION > rows);
}

static void choose_plain(lhi_merge *m)
{
    for (size_t i = 0; i < m->view->count && m->chosen_count < LHI_MERGE_INPUTS_MAX; i++) {
        const lhi_item *item = &m->view->items[i];
        if (!item->segment->merged && lhi_item_live_count(item) > m->set->engine->plain_rows_max)
            choose_item(m, i);
    }
}

static lh_rc choose_due(lh_ctx *cx, lhi_merge *m)
{
    size_t count = m->view->count;
    uint64_t rows_max = m->set->engine->segment_rows_max;
    candidate *list = LH_NEW_ARRAY(cx, candidate, count + 1);
    if (!list)
        return cx->err.rc;
    for (size_t i = 0; i < count; i++)
        list[i] = (candidate){i, lhi_item_live_count(&m->view->items[i])};
    qsort(list, count, sizeof *list, by_size);
    size_t take = full_tiers(m->set, list, count);
    if (count >= LH_SEGSET_SEGMENTS_MAX / 2)
        take = LH_MAX(take, count - LH_SEGSET_SEGMENTS_MAX / 4);
    uint64_t rows = 0;
    take = LH_MIN(take, (size_t)LHI_MERGE_INPUTS_MAX);
    for (size_t i = 0; i < take && rows + list[i].live <= rows_max; i++) {
        rows += list[i].live;
        choose_item(m, list[i].item);
    }
    if (m->chosen_count == 0)
        choose_plain(m);
    for (size_t i = 0; i < count && m->chosen_count == 0; i++)
        if (mostly_dead(&m->view->items[i]))
            choose_item(m, i);
    return LH_OK;
}

static int is_clean(const lh_segset_view *view)
{
    return view->count == 0 ||
           (view->count == 1 && view->items[0].segment->merged &&
            lhi_item_live_count(&view->items[0]) == view->items[0].segment->rows);
}

lh_rc lhi_merge_choose(lh_ctx *cx, lhi_merge *m, lh_segset_merge_how how)
{
    m->chosen = LH_NEW_ARRAY(cx, uint8_t, m->view->count + 1);
    if (!m->chosen)
        return cx->err.rc;
    if (how == LH_SEGSET_MERGE_DUE)
        return choose_due(cx, m);
    size_t count = is_clean(m->view) ? 0 : LH_MIN(m->view->count, (size_t)LHI_MERGE_INPUTS_MAX);
    for (size_t i = 0; i < count; i++)
        choose_item(m, i);
    if (m->rows > m->set->engine->segment_rows_max)
        return lh_fail(cx, LH_E_TOO_LARGE, "%llu rows in one segment", (unsigned long long)m->rows);
    return LH_OK;
}
