/* vector/vector_set_merge.c - merges: which segments, one new segment of their live rows, and the
 * swap.
 *
 * Tiers by size, as Lucene and LSM trees do: tier t holds segments of up to tier_rows * fan_in^t
 * live rows; when a tier and those below it hold fan_in segments, all of them become one, so a row
 * is rewritten once per tier. The rows are read from a view while changes go on; the swap then
 * carries over, under the write lock, what was deleted meanwhile. The manifest is the swap: a crash
 * before it leaves the old segments, after it the new one, and the rest is garbage. */
#include "vector/vector_set_private.h"

#include "base/fault.h"

#include <stdlib.h>

/* Changes after the manifest that make a new one due although no tier is full: what a reopen has to
 * replay. */
#define CHANGES_MAX 256u
/* A segment of at least so many rows is rewritten when a fifth of them is dead. */
#define DEAD_ROWS_MIN 64u
#define DEAD_FRACTION 5u
/* Changes of more rows get codes as soon as there is time: until then searches read every row. */
#define PLAIN_ROWS_MAX 1024u
#define RETRY_AFTER_US 1000000
/* Changes that came at once may pass LH_VECTOR_SET_SEGMENTS_MAX by as many. */
#define INPUTS_MAX (2 * LH_VECTOR_SET_SEGMENTS_MAX)

typedef struct origin {
    uint32_t item; /* of the view that is read */
    uint32_t row;
} origin;

typedef struct merge {
    lh_vector_set *set;
    lh_vector_view *view; /* what is read */
    uint8_t *chosen;      /* by item of view */
    size_t chosen_count;
    uint64_t rows; /* live ones of the chosen */
    uint64_t *ids; /* of the new segment, rising */
    origin *from;  /* by row of the new segment */
    uint64_t number;
    lhi_set_segment *made; /* NULL: no live row was left */
} merge;

/* ---- what is due ---- */

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

static uint32_t tier_of(const lh_vector_set *set, uint64_t rows)
{
    uint32_t tier = 0;
    for (uint64_t limit = set->opts.tier_rows; rows > limit && tier < 40; tier++)
        limit *= set->opts.fan_in;
    return tier;
}

/* How many of the smallest make one: a full tier takes those below it along, and what it makes may
 * fill the tier it falls into. */
static size_t full_tiers(const lh_vector_set *set, const candidate *list, size_t count)
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

static void choose_item(merge *m, size_t item)
{
    m->chosen[item] = 1;
    m->chosen_count++;
    m->rows += lhi_item_live_count(&m->view->items[item]);
}

static int mostly_dead(const lhi_set_item *item)
{
    uint64_t rows = item->segment->rows;
    uint64_t live = lhi_item_live_count(item);
    return live == 0 || (rows >= DEAD_ROWS_MIN && (rows - live) * DEAD_FRACTION > rows);
}

static void choose_plain(merge *m)
{
    for (size_t i = 0; i < m->view->count && m->chosen_count < INPUTS_MAX; i++) {
        const lhi_set_item *item = &m->view->items[i];
        if (!item->segment->merged && lhi_item_live_count(item) > PLAIN_ROWS_MAX)
            choose_item(m, i);
    }
}

static lh_rc choose_due(lh_ctx *cx, merge *m)
{
    size_t count = m->view->count;
    candidate *list = LH_NEW_ARRAY(cx, candidate, count + 1);
    if (!list)
        return cx->err.rc;
    for (size_t i = 0; i < count; i++)
        list[i] = (candidate){i, lhi_item_live_count(&m->view->items[i])};
    qsort(list, count, sizeof *list, by_size);
    size_t take = full_tiers(m->set, list, count);
    if (count >= LH_VECTOR_SET_SEGMENTS_MAX / 2)
        take = LH_MAX(take, count - LH_VECTOR_SET_SEGMENTS_MAX / 4);
    uint64_t rows = 0;
    take = LH_MIN(take, (size_t)INPUTS_MAX);
    for (size_t i = 0; i < take && rows + list[i].live < UINT32_MAX - 1; i++) {
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

static int is_clean(const lh_vector_view *view)
{
    return view->count == 0 ||
           (view->count == 1 && view->items[0].segment->merged &&
            lhi_item_live_count(&view->items[0]) == view->items[0].segment->rows);
}

static lh_rc choose(lh_ctx *cx, merge *m, lh_vector_merge_how how)
{
    m->chosen = LH_NEW_ARRAY(cx, uint8_t, m->view->count + 1);
    if (!m->chosen)
        return cx->err.rc;
    if (how == LH_VECTOR_MERGE_DUE)
        return choose_due(cx, m);
    size_t count = is_clean(m->view) ? 0 : LH_MIN(m->view->count, (size_t)INPUTS_MAX);
    for (size_t i = 0; i < count; i++)
        choose_item(m, i);
    if (m->rows >= UINT32_MAX - 1)
        return lh_fail(cx, LH_E_TOO_LARGE, "%llu rows in one segment", (unsigned long long)m->rows);
    return LH_OK;
}

/* ---- the new segment ---- */

typedef struct cursor {
    const lhi_set_item *item;
    uint32_t number; /* of the item */
    uint64_t row;    /* next live one; item's rows at the end */
} cursor;

static void advance(cursor *c)
{
    while (c->row < c->item->segment->rows && !lhi_item_is_live(c->item, c->row))
        c->row++;
}

typedef struct rows_reader {
    cursor cursors[INPUTS_MAX];
    size_t count;
} rows_reader;

/* The live row with the smallest id; 0 at the end. */
static int next_row(rows_reader *r, uint64_t *ret_id, origin *ret_from)
{
    cursor *first = NULL;
    for (size_t i = 0; i < r->count;) {
        cursor *c = &r->cursors[i];
        if (c->row >= c->item->segment->rows) {
            *c = r->cursors[--r->count];
            continue;
        }
        if (!first || c->item->segment->ids[c->row] < first->item->segment->ids[first->row])
            first = c;
        i++;
    }
    if (!first)
        return 0;
    *ret_from = (origin){first->number, (uint32_t)first->row};
    *ret_id = first->item->segment->ids[first->row++];
    advance(first);
    return 1;
}

static void start_reading(const merge *m, rows_reader *r)
{
    for (size_t i = 0; i < m->view->count; i++) {
        if (!m->chosen[i])
            continue;
        lh_assert(r->count < LH_ARRAY_LEN(r->cursors));
        cursor *c = &r->cursors[r->count++];
        *c = (cursor){&m->view->items[i], (uint32_t)i, 0};
        advance(c);
    }
}

/* Where each row of the new segment comes from, in order of ids. */
static lh_rc map_rows(lh_ctx *cx, merge *m)
{
    rows_reader *reader = LH_NEW(cx, rows_reader);
    if (!reader)
        return cx->err.rc;
    start_reading(m, reader);
    uint64_t n = 0;
    while (n < m->rows && next_row(reader, &m->ids[n], &m->from[n])) {
        if (n++ % 65536 == 0)
            LH_TRY(lh_ctx_check(cx));
    }
    lh_assert(n == m->rows);
    return LH_OK;
}

/* A bent bit is named, not copied under a new checksum. */
static lh_rc damaged(lh_ctx *cx, const lhi_set_segment *segment, lh_rc rc)
{
    return rc != LH_E_CORRUPT ? rc
                              : lh_err_prefix(cx, "%s %llu of the vector set",
                                              segment->merged ? "segment" : "change",
                                              (unsigned long long)segment->number);
}

static lh_rc verify(lh_ctx *cx, const merge *m)
{
    for (size_t i = 0; i < m->view->count; i++) {
        const lhi_set_segment *segment = m->view->items[i].segment;
        if (m->chosen[i])
            LH_TRY(damaged(cx, segment, lh_vector_index_verify(cx, segment->index)));
        LH_TRY(lh_ctx_check(cx));
    }
    return LH_OK;
}

static lh_rc read_rows(lh_ctx *cx, void *arg, uint64_t first, size_t rows, float *out)
{
    const merge *m = arg;
    for (size_t i = 0; i < rows; i++) {
        origin from = m->from[first + i];
        const lhi_set_segment *segment = m->view->items[from.item].segment;
        float *to = out + i * m->set->opts.build.dimensions;
        LH_TRY(damaged(cx, segment, lh_vector_index_row(cx, segment->index, from.row, to)));
    }
    return LH_OK;
}

static lh_rc fill_segment(lh_ctx *cx, lh_container_sink sink, void *arg)
{
    merge *m = arg;
    lh_vector_options options = m->set->opts.build;
    options.preset = m->rows <= m->set->opts.fresh_rows ? LH_VECTOR_FRESH : LH_VECTOR_QUALITY;
    lh_vector_source source = {.rows = m->rows, .read = read_rows, .arg = m};
    uint64_t bytes;
    return lh_vector_build(cx, &options, &source, sink, &bytes);
}

static lh_rc put_segment(lh_ctx *cx, merge *m)
{
    lh_vector_set *set = m->set;
    lh_str name = lhi_object_name(cx, LHI_OBJECT_SEGMENT, m->number);
    if (!name.ptr)
        return cx->err.rc;
    LH_FAULT(cx, VECTOR_SET_BEFORE_SEGMENT);
    LH_TRY(set->home.put(cx, set->home.arg, name, fill_segment, m));
    LH_FAULT(cx, VECTOR_SET_AFTER_SEGMENT);
    LH_TRY(lhi_ids_put(cx, set, m->number, m->ids, (size_t)m->rows));
    return lhi_segment_open(cx, set, m->number, &m->made);
}

static lh_rc build(lh_ctx *cx, merge *m)
{
    if (m->rows == 0)
        return LH_OK;
    m->number = m->set->next_segment++;
    m->ids = lh_alloc_zero((size_t)m->rows, sizeof *m->ids);
    m->from = lh_alloc_zero((size_t)m->rows, sizeof *m->from);
    if (!m->ids || !m->from)
        return lh_fail(cx, LH_E_NO_MEMORY, "ids of %llu rows", (unsigned long long)m->rows);
    LH_TRY(verify(cx, m));
    LH_TRY(map_rows(cx, m));
    return put_segment(cx, m);
}

/* A merge that failed leaves nothing: what cannot be removed now goes at the next open. */
static void discard(lh_ctx *cx, merge *m)
{
    lh_vector_set *set = m->set;
    lh_err said = cx->err;
    lh_cancel *cancel = cx->cancel;
    int known; /* otherwise the manifest that failed may be there and name the new segment */
    {
        LH_WITH_LOCK(&set->write_lock);
        known = !set->broken;
    }
    cx->cancel = NULL;
    if (!known) {
        m->made = lhi_segment_unref(m->made);
    } else if (m->made) {
        atomic_store(&m->made->obsolete, 1);
        m->made = lhi_segment_unref(m->made);
    } else if (m->number > 0) {
        LH_IGNORE(set->home.remove(cx, set->home.arg,
                                   lhi_object_name(cx, LHI_OBJECT_SEGMENT, m->number)));
        LH_IGNORE(
            set->home.remove(cx, set->home.arg, lhi_object_name(cx, LHI_OBJECT_IDS, m->number)));
    }
    cx->cancel = cancel;
    cx->err = said;
}

/* ---- the swap ---- */

static lh_rc kill_in_made(lh_ctx *cx, const merge *m, uint64_t id, lhi_set_live **live)
{
    uint64_t row;
    int found = lhi_segment_find(m->made, id, &row);
    lh_assert(found);
    if (!*live)
        LH_TRY(lhi_live_copy(cx, NULL, m->made->rows, live));
    (*live)->words[row / 64] &= ~(1ull << (row % 64));
    (*live)->count--;
    return LH_OK;
}

/* Rows that were live when they were read and are not any more. */
static lh_rc carry_over(lh_ctx *cx, const merge *m, const lhi_set_item *then,
                        const lhi_set_item *now, lhi_set_live **live)
{
    if (then->live == now->live)
        return LH_OK;
    for (uint64_t word = 0; word <= then->segment->rows / 64; word++) {
        uint64_t gone =
            (then->live ? then->live->words[word] : UINT64_MAX) & ~now->live->words[word];
        for (; gone; gone &= gone - 1) {
            uint64_t row = word * 64 + (uint64_t)__builtin_ctzll(gone);
            if (row < then->segment->rows)
                LH_TRY(kill_in_made(cx, m, then->segment->ids[row], live));
        }
    }
    return LH_OK;
}

static const lhi_set_item *chosen_item(const merge *m, const lhi_set_segment *segment)
{
    for (size_t i = 0; i < m->view->count; i++)
        if (m->chosen[i] && m->view->items[i].segment == segment)
            return &m->view->items[i];
    return NULL;
}

/* Under write_lock. */
static lh_rc next_view(lh_ctx *cx, const merge *m, lh_vector_view **ret_view)
{
    const lh_vector_view *now = m->set->current;
    LH_CLEANUP(lh_vector_view_unref) lh_vector_view *view = NULL;
    LH_CLEANUP(lhi_live_unref) lhi_set_live *live = NULL;
    LH_TRY(lhi_view_new(cx, m->set, now->count + 1, &view));
    for (size_t i = 0; i < now->count; i++) {
        const lhi_set_item *then = chosen_item(m, now->items[i].segment);
        if (then)
            LH_TRY(carry_over(cx, m, then, &now->items[i], &live));
        else
            lhi_view_add(view, lhi_segment_ref(now->items[i].segment),
                         lhi_live_ref(now->items[i].live));
    }
    if (m->made)
        lhi_view_add(view, lhi_segment_ref(m->made), LH_TAKE(live));
    *ret_view = LH_TAKE(view);
    return LH_OK;
}

static lh_rc remove_named(lh_ctx *cx, lh_vector_set *set, lhi_object_kind kind, uint64_t number)
{
    lh_str name = lhi_object_name(cx, kind, number);
    LH_FAULT(cx, VECTOR_SET_BEFORE_REMOVE);
    return name.ptr ? set->home.remove(cx, set->home.arg, name) : cx->err.rc;
}

/* Under write_lock, after the swap. Batches of rows are segments and go with their last reader;
 * here go the manifest before this one and batches that only deleted. */
static void clean_up(lh_ctx *cx, merge *m, uint64_t horizon_before)
{
    lh_vector_set *set = m->set;
    for (size_t i = 0; i < m->view->count; i++)
        if (m->chosen[i])
            atomic_store(&m->view->items[i].segment->obsolete, 1);
    LH_IGNORE(remove_named(cx, set, LHI_OBJECT_MANIFEST, set->manifest - 1));
    for (uint64_t number = horizon_before + 1; number <= set->horizon; number++) {
        int has_rows = 0;
        for (size_t i = 0; i < m->view->count; i++)
            has_rows |=
                !m->view->items[i].segment->merged && m->view->items[i].segment->number == number;
        for (size_t i = 0; i < set->current->count; i++)
            has_rows |= !set->current->items[i].segment->merged &&
                        set->current->items[i].segment->number == number;
        if (!has_rows)
            LH_IGNORE(remove_named(cx, set, LHI_OBJECT_BATCH, number));
    }
    lh_err_clear(cx);
}

static lh_rc swap(lh_ctx *cx, merge *m)
{
    lh_vector_set *set = m->set;
    LH_CLEANUP(lh_vector_view_unref) lh_vector_view *next = NULL;
    LH_WITH_LOCK(&set->write_lock);
    if (set->broken)
        return lh_fail(cx, LH_E_UNAVAILABLE, "an earlier change of the vector set failed half-way");
    LH_TRY(next_view(cx, m, &next));
    LH_TRY(lhi_manifest_put(cx, set, next, set->manifest + 1, set->changes));
    uint64_t before = set->horizon;
    set->manifest++;
    set->horizon = set->changes;
    lhi_view_publish(set, LH_TAKE(next));
    clean_up(cx, m, before);
    return LH_OK;
}

static int manifest_due(lh_vector_set *set, lh_vector_merge_how how)
{
    LH_WITH_LOCK(&set->write_lock);
    uint64_t changes = set->changes - set->horizon;
    return changes >= CHANGES_MAX || (how == LH_VECTOR_MERGE_ALL && changes > 0);
}

static lh_rc merge_locked(lh_ctx *cx, lh_vector_set *set, lh_vector_merge_how how,
                          uint64_t *ret_merged)
{
    LH_CLEANUP(lh_vector_view_unref) lh_vector_view *view = lh_vector_set_view(set);
    merge m = {.set = set, .view = view};
    *ret_merged = 0;
    LH_TRY(choose(cx, &m, how));
    if (m.chosen_count == 0 && !manifest_due(set, how))
        return LH_OK;
    lh_rc rc = build(cx, &m);
    if (rc == LH_OK)
        rc = swap(cx, &m);
    lh_free(m.ids);
    lh_free(m.from);
    if (rc != LH_OK) {
        discard(cx, &m);
        return rc;
    }
    lhi_segment_unref(m.made);
    atomic_fetch_add(&set->merges, m.chosen_count > 0);
    *ret_merged = m.chosen_count;
    return LH_OK;
}

lh_rc lh_vector_set_merge(lh_ctx *cx, lh_vector_set *set, lh_vector_merge_how how,
                          uint64_t *ret_merged)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (!arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "merge");
    lh_ctx own;
    lh_ctx_init_child(&own, arena, cx);
    lh_rc rc;
    {
        LH_WITH_LOCK(&set->merge_lock);
        rc = merge_locked(&own, set, how, ret_merged);
    }
    if (rc != LH_OK)
        cx->err = own.err;
    lhi_set_bury(&own, set);
    return rc;
}

/* ---- the thread ---- */

/* Waits until something may be due; 0 when the set closes. */
static int wait_for_work(lh_vector_set *set)
{
    LH_WITH_LOCK(&set->wake_lock);
    while (!set->due && !set->stop)
        lh_cond_wait(&set->wake, &set->wake_lock);
    set->due = 0;
    return !set->stop;
}

static void wait_before_retry(lh_vector_set *set)
{
    LH_WITH_LOCK(&set->wake_lock);
    if (!set->stop)
        (void)lh_cond_wait_for(&set->wake, &set->wake_lock, RETRY_AFTER_US);
    set->due = 1;
}

void lhi_merge_thread(void *arg)
{
    lh_vector_set *set = arg;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_thread_lower_priority();
    while (wait_for_work(set)) {
        lh_ctx cx;
        uint64_t merged = 1;
        lh_rc rc = arena ? LH_OK : LH_E_NO_MEMORY;
        while (rc == LH_OK && merged > 0 && !lh_cancel_requested(&set->cancel)) {
            lh_ctx_init(&cx, arena);
            cx.cancel = &set->cancel;
            rc = lh_vector_set_merge(&cx, set, LH_VECTOR_MERGE_DUE, &merged);
            lh_arena_reset(arena);
        }
        if (rc != LH_OK)
            wait_before_retry(set);
    }
}
