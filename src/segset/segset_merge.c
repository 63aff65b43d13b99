/* segset/segset_merge.c - one new segment of the live rows of several, the swap, and the thread
 * that does what is due.
 *
 * The rows are read from a view while changes go on; the swap then carries over, under the write
 * lock, what was deleted meanwhile. The manifest is the swap: a crash before it leaves the old
 * segments, after it the new one, and the rest is garbage. */
#include "segset/segset_private.h"

#include "base/fault.h"

/* Changes after the manifest that make a new one due although no tier is full: what a reopen has to
 * replay. */
#define CHANGES_MAX    256u
#define RETRY_AFTER_US 1000000

/* ---- the new segment ---- */

typedef struct cursor {
    const lhi_item *item;
    uint32_t number; /* of the item */
    uint64_t row;    /* next live one; item's rows at the end */
} cursor;

static void advance(cursor *c)
{
    while (c->row < c->item->segment->rows && !lhi_item_is_live(c->item, c->row))
        c->row++;
}

typedef struct rows_reader {
    cursor cursors[LHI_MERGE_INPUTS_MAX];
    size_t count;
} rows_reader;

/* The live row with the smallest id; 0 at the end. */
static int next_row(rows_reader *r, uint64_t *ret_id, lh_segset_origin *ret_from)
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
    *ret_from = (lh_segset_origin){first->number, (uint32_t)first->row};
    *ret_id = first->item->segment->ids[first->row++];
    advance(first);
    return 1;
}

static void start_reading(const lhi_merge *m, rows_reader *r)
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
static lh_rc map_rows(lh_ctx *cx, lhi_merge *m)
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

lh_rc lh_segset_damaged(lh_ctx *cx, const lh_segset_part *part, lh_rc rc)
{
    return rc != LH_E_CORRUPT ? rc
                              : lh_err_prefix(cx, "%s %llu", part->merged ? "segment" : "change",
                                              (unsigned long long)part->number);
}

/* A bent bit is named, not copied under a new checksum. */
static lh_rc verify(lh_ctx *cx, const lhi_merge *m)
{
    for (size_t i = 0; i < m->view->count; i++) {
        lh_segset_part part = lhi_item_part(&m->view->items[i]);
        if (m->chosen[i])
            LH_TRY(lh_segset_damaged(cx, &part, m->set->engine->verify(cx, part.index)));
        LH_TRY(lh_ctx_check(cx));
    }
    return LH_OK;
}

static lh_rc fill_segment(lh_ctx *cx, lh_container_sink sink, void *arg)
{
    lhi_merge *m = arg;
    lh_segset_part *parts = LH_NEW_ARRAY(cx, lh_segset_part, m->view->count);
    if (!parts)
        return cx->err.rc;
    for (size_t i = 0; i < m->view->count; i++) {
        parts[i] = lhi_item_part(&m->view->items[i]);
        if (!m->chosen[i])
            parts[i].index = NULL;
    }
    lh_segset_merging merging = {parts, m->view->count, m->from, m->rows};
    return m->set->engine->merge(cx, m->set->opts.arg, &merging, sink);
}

static lh_rc put_segment(lh_ctx *cx, lhi_merge *m)
{
    lh_segset *set = m->set;
    lh_str name = lhi_object_name(cx, set, LHI_OBJECT_SEGMENT, m->number);
    if (!name.ptr)
        return cx->err.rc;
    LH_FAULT(cx, SEGSET_BEFORE_SEGMENT);
    LH_TRY(set->home.put(cx, set->home.arg, name, fill_segment, m));
    LH_FAULT(cx, SEGSET_AFTER_SEGMENT);
    LH_TRY(lhi_ids_put(cx, set, m->number, m->ids, (size_t)m->rows));
    return lhi_segment_open(cx, set, m->number, &m->made);
}

static lh_rc build(lh_ctx *cx, lhi_merge *m)
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
static void discard(lh_ctx *cx, lhi_merge *m)
{
    lh_segset *set = m->set;
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
                                   lhi_object_name(cx, set, LHI_OBJECT_SEGMENT, m->number)));
        LH_IGNORE(set->home.remove(cx, set->home.arg,
                                   lhi_object_name(cx, set, LHI_OBJECT_IDS, m->number)));
    }
    cx->cancel = cancel;
    cx->err = said;
}

/* ---- the swap ---- */

static lh_rc kill_in_made(lh_ctx *cx, const lhi_merge *m, uint64_t id, lhi_live **live)
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
static lh_rc carry_over(lh_ctx *cx, const lhi_merge *m, const lhi_item *then, const lhi_item *now,
                        lhi_live **live)
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

static const lhi_item *chosen_item(const lhi_merge *m, const lhi_segment *segment)
{
    for (size_t i = 0; i < m->view->count; i++)
        if (m->chosen[i] && m->view->items[i].segment == segment)
            return &m->view->items[i];
    return NULL;
}

/* Under write_lock. */
static lh_rc next_view(lh_ctx *cx, const lhi_merge *m, lh_segset_view **ret_view)
{
    const lh_segset_view *now = m->set->current;
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = NULL;
    LH_CLEANUP(lhi_live_unref) lhi_live *live = NULL;
    LH_TRY(lhi_view_new(cx, m->set, now->count + 1, &view));
    for (size_t i = 0; i < now->count; i++) {
        const lhi_item *then = chosen_item(m, now->items[i].segment);
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

/* Under write_lock, after the swap. Batches of rows are segments and go with their last reader;
 * here go the manifest before this one and batches that only deleted. */
static void clean_up(lh_ctx *cx, lhi_merge *m, uint64_t horizon_before)
{
    lh_segset *set = m->set;
    for (size_t i = 0; i < m->view->count; i++)
        if (m->chosen[i])
            atomic_store(&m->view->items[i].segment->obsolete, 1);
    LH_IGNORE(lhi_object_remove(cx, set, LHI_OBJECT_MANIFEST, set->manifest - 1));
    for (uint64_t number = horizon_before + 1; number <= set->horizon; number++) {
        int has_rows = 0;
        for (size_t i = 0; i < m->view->count; i++)
            has_rows |=
                !m->view->items[i].segment->merged && m->view->items[i].segment->number == number;
        for (size_t i = 0; i < set->current->count; i++)
            has_rows |= !set->current->items[i].segment->merged &&
                        set->current->items[i].segment->number == number;
        if (!has_rows)
            LH_IGNORE(lhi_object_remove(cx, set, LHI_OBJECT_BATCH, number));
    }
    lh_err_clear(cx);
}

static lh_rc swap(lh_ctx *cx, lhi_merge *m)
{
    lh_segset *set = m->set;
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *next = NULL;
    LH_WITH_LOCK(&set->write_lock);
    if (set->broken)
        return lh_fail(cx, LH_E_UNAVAILABLE, "an earlier change of the %s set failed half-way",
                       set->engine->name);
    LH_TRY(next_view(cx, m, &next));
    LH_TRY(lhi_manifest_put(cx, set, next, set->manifest + 1, set->changes));
    uint64_t before = set->horizon;
    set->manifest++;
    set->horizon = set->changes;
    lhi_view_publish(set, LH_TAKE(next));
    clean_up(cx, m, before);
    return LH_OK;
}

static int manifest_due(lh_segset *set, lh_segset_merge_how how)
{
    LH_WITH_LOCK(&set->write_lock);
    uint64_t changes = set->changes - set->horizon;
    return changes >= CHANGES_MAX || (how == LH_SEGSET_MERGE_ALL && changes > 0);
}

static lh_rc merge_locked(lh_ctx *cx, lh_segset *set, lh_segset_merge_how how, uint64_t *ret_merged)
{
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = lh_segset_get_view(set);
    lhi_merge m = {.set = set, .view = view};
    *ret_merged = 0;
    LH_TRY(lhi_merge_choose(cx, &m, how));
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

lh_rc lh_segset_merge(lh_ctx *cx, lh_segset *set, lh_segset_merge_how how, uint64_t *ret_merged)
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
    lhi_bury(&own, set);
    return rc;
}

/* ---- a first segment from elsewhere ---- */

static lh_rc import_locked(lh_ctx *cx, lhi_merge *m, lh_segset_fill fill, void *fill_arg)
{
    lh_segset *set = m->set;
    lh_str name = lhi_object_name(cx, set, LHI_OBJECT_SEGMENT, m->number);
    m->ids = lh_alloc_zero((size_t)m->rows, sizeof *m->ids);
    if (!m->ids || !name.ptr)
        return lh_fail(cx, LH_E_NO_MEMORY, "ids of %llu rows", (unsigned long long)m->rows);
    for (uint64_t row = 0; row < m->rows; row++)
        m->ids[row] = row;
    LH_FAULT(cx, SEGSET_BEFORE_SEGMENT);
    LH_TRY(set->home.put(cx, set->home.arg, name, fill, fill_arg));
    LH_FAULT(cx, SEGSET_AFTER_SEGMENT);
    LH_TRY(lhi_ids_put(cx, set, m->number, m->ids, (size_t)m->rows));
    LH_TRY(lhi_segment_open(cx, set, m->number, &m->made));
    return swap(cx, m);
}

lh_rc lh_segset_import(lh_ctx *cx, lh_segset *set, uint64_t rows, lh_segset_fill fill,
                       void *fill_arg)
{
    LH_WITH_LOCK(&set->merge_lock);
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = lh_segset_get_view(set);
    lh_segset_stats stats;
    lh_segset_get_stats(set, &stats);
    if (stats.changes > 0 || view->count > 0)
        return lh_fail(cx, LH_E_CONFLICT, "the %s set is not new", set->engine->name);
    if (rows == 0)
        return LH_OK;
    if (rows > set->engine->segment_rows_max)
        return lh_fail(cx, LH_E_TOO_LARGE, "%llu rows in one segment", (unsigned long long)rows);
    lhi_merge m = {.set = set, .view = view, .rows = rows, .number = set->next_segment++};
    lh_rc rc = import_locked(cx, &m, fill, fill_arg);
    lh_free(m.ids);
    if (rc != LH_OK) {
        discard(cx, &m);
        return rc;
    }
    lhi_segment_unref(m.made);
    return LH_OK;
}

/* ---- the thread ---- */

/* Waits until something may be due; 0 when the set closes. */
static int wait_for_work(lh_segset *set)
{
    LH_WITH_LOCK(&set->wake_lock);
    while (!set->due && !set->stop)
        lh_cond_wait(&set->wake, &set->wake_lock);
    set->due = 0;
    return !set->stop;
}

static void wait_before_retry(lh_segset *set)
{
    LH_WITH_LOCK(&set->wake_lock);
    if (!set->stop)
        (void)lh_cond_wait_for(&set->wake, &set->wake_lock, RETRY_AFTER_US);
    set->due = 1;
}

void lhi_merge_thread(void *arg)
{
    lh_segset *set = arg;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_thread_lower_priority();
    while (wait_for_work(set)) {
        lh_ctx cx;
        uint64_t merged = 1;
        lh_rc rc = arena ? LH_OK : LH_E_NO_MEMORY;
        while (rc == LH_OK && merged > 0 && !lh_cancel_requested(&set->cancel)) {
            lh_ctx_init(&cx, arena);
            cx.cancel = &set->cancel;
            rc = lh_segset_merge(&cx, set, LH_SEGSET_MERGE_DUE, &merged);
            lh_arena_reset(arena);
        }
        if (rc != LH_OK)
            wait_before_retry(set);
    }
}
