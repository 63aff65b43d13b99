/* segset/segset_change.c - changes: append, upsert, delete.
 *
 * Order of a change: everything that can be refused or run out of memory first, then the one put
 * that makes it durable, then the view that makes it visible. When something fails after the put,
 * the batch is taken back, so that what was not acknowledged does not come up later; if even that
 * fails the set takes no more changes, because what is stored is not known. */
#include "segset/segset_private.h"

#include "base/fault.h"

#include <stdlib.h>

#define ENCODED_BYTES_MAX (4ull << 30)

lh_rc lhi_view_kill(lh_ctx *cx, lh_segset_view *view, const uint64_t *ids, size_t count,
                    uint64_t *ret_killed)
{
    uint64_t killed = 0;
    for (size_t i = 0; i < view->count; i++) {
        lhi_item *item = &view->items[i];
        int own = item->live && atomic_load(&item->live->references) == 1;
        for (size_t n = 0; n < count; n++) {
            uint64_t row;
            if (!lhi_segment_find(item->segment, ids[n], &row) || !lhi_item_is_live(item, row))
                continue;
            if (!own) {
                lhi_live *copy;
                LH_TRY(lhi_live_copy(cx, item->live, item->segment->rows, &copy));
                lhi_live_unref(item->live);
                item->live = copy;
                own = 1;
            }
            item->live->words[row / 64] &= ~(1ull << (row % 64));
            item->live->count--;
            killed++;
        }
    }
    *ret_killed = killed;
    return LH_OK;
}

void lhi_segset_wake(lh_segset *set)
{
    LH_WITH_LOCK(&set->wake_lock);
    set->due = 1;
    lh_cond_signal(&set->wake);
}

/* ---- rows of a change in order of their ids ---- */

typedef struct entry {
    uint64_t id;
    size_t at; /* place in the caller's arrays */
} entry;

static int by_id(const void *a, const void *b)
{
    const entry *x = a;
    const entry *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

typedef struct change {
    const lh_segset_change *asked;
    entry *entries; /* rising ids, one entry each */
    uint64_t *ids;
    size_t *order; /* places of the entries */
    size_t count;
    int in_order; /* the caller's rows are in order of ids already */
    lh_buf index;
} change;

static lh_rc twice(lh_ctx *cx, uint64_t id)
{
    return lh_fail(cx, LH_E_ALREADY_EXISTS, "id %llu comes twice", (unsigned long long)id);
}

static lh_rc order_rows(lh_ctx *cx, change *c)
{
    size_t count = c->asked->count;
    const uint64_t *ids = c->asked->ids;
    c->entries = LH_NEW_ARRAY(cx, entry, count);
    c->ids = LH_NEW_ARRAY(cx, uint64_t, count);
    c->order = LH_NEW_ARRAY(cx, size_t, count);
    if (!c->entries || !c->ids || !c->order)
        return cx->err.rc;
    c->in_order = 1;
    for (size_t i = 0; i < count; i++) {
        c->entries[i] = (entry){ids[i], i};
        c->in_order = c->in_order && (i == 0 || ids[i - 1] < ids[i]);
    }
    if (!c->in_order)
        qsort(c->entries, count, sizeof *c->entries, by_id);
    for (size_t i = 0; i < count; i++) {
        entry e = c->entries[i];
        if (c->count > 0 && c->ids[c->count - 1] == e.id) {
            if (c->asked->how == LH_SEGSET_APPEND)
                return twice(cx, e.id);
            c->count--; /* the later one stays */
        }
        c->order[c->count] = e.at;
        c->ids[c->count++] = e.id;
    }
    return LH_OK;
}

/* ---- the encoded segment of a change ---- */

static lh_rc memory_write_at(lh_ctx *cx, void *arg, uint64_t offset, lh_str bytes)
{
    static const char zeros[64];
    lh_buf *buf = arg;
    while (offset > buf->len)
        LH_TRY(lh_buf_append(cx, buf, lh_str_n(zeros, (size_t)LH_MIN(offset - buf->len, 64ull))));
    size_t over = (size_t)LH_MIN((uint64_t)bytes.len, buf->len - offset);
    if (over > 0)
        memcpy(buf->ptr + offset, bytes.ptr, over);
    return lh_buf_append(cx, buf, lh_str_from_offset(bytes, over));
}

lh_container_sink lh_segset_buf_sink(lh_buf *buf)
{
    return (lh_container_sink){memory_write_at, buf};
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static lh_rc rising_copy(lh_ctx *cx, const uint64_t *ids, size_t count, lhi_batch *batch)
{
    uint64_t *copy = LH_NEW_ARRAY(cx, uint64_t, LH_MAX(count, (size_t)1));
    if (!copy)
        return cx->err.rc;
    if (count > 0) {
        memcpy(copy, ids, count * sizeof *copy);
        qsort(copy, count, sizeof *copy, by_number);
    }
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (n == 0 || copy[n - 1] != copy[i])
            copy[n++] = copy[i];
    batch->deletes = copy;
    batch->deletes_count = n;
    return LH_OK;
}

/* ---- the change itself ---- */

static lh_rc check_writable(lh_ctx *cx, const lh_segset *set)
{
    if (!set->broken)
        return LH_OK;
    LH_IGNORE(lh_fail(cx, LH_E_UNAVAILABLE, "an earlier change of the %s set failed half-way",
                      set->engine->name));
    return lh_err_hint(cx, "open the set again");
}

static lh_rc check_absent(lh_ctx *cx, const lh_segset_view *view, const change *c)
{
    for (size_t i = 0; i < view->count; i++) {
        for (size_t n = 0; n < c->count; n++) {
            uint64_t row;
            if (lhi_segment_find(view->items[i].segment, c->ids[n], &row) &&
                lhi_item_is_live(&view->items[i], row))
                return lh_fail(cx, LH_E_ALREADY_EXISTS, "id %llu is there already",
                               (unsigned long long)c->ids[n]);
        }
    }
    return LH_OK;
}

/* Durable already: from here on a failure takes the batch back. */
static lh_rc show(lh_ctx *cx, lh_segset *set, uint64_t number, lh_segset_view *next, int rows)
{
    LH_FAULT(cx, SEGSET_AFTER_BATCH);
    if (!rows)
        return LH_OK;
    lhi_segment *segment;
    LH_TRY(lhi_batch_open_fresh(cx, set, number, &segment));
    lhi_view_add(next, segment, NULL);
    return LH_OK;
}

/* Under write_lock; next has room for one more item. */
static lh_rc commit(lh_ctx *cx, lh_segset *set, lhi_batch *batch, lh_segset_view **next)
{
    batch->number = set->changes + 1;
    LH_TRY(lhi_batch_put(cx, set, batch));
    lh_rc rc = show(cx, set, batch->number, *next, batch->rows > 0);
    if (rc != LH_OK) {
        lh_str name = lhi_object_name(cx, set, LHI_OBJECT_BATCH, batch->number);
        if (name.ptr)
            lhi_take_back(cx, set, name);
        else
            set->broken = 1;
        return rc;
    }
    set->changes = batch->number;
    lhi_view_publish(set, LH_TAKE(*next));
    return LH_OK;
}

static lh_rc change_locked(lh_ctx *cx, lh_segset *set, change *c)
{
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *next = NULL;
    uint64_t killed;
    LH_WITH_LOCK(&set->write_lock);
    LH_TRY(check_writable(cx, set));
    LH_TRY(lhi_view_copy(cx, set->current, 1, &next));
    if (c->asked->how == LH_SEGSET_APPEND)
        LH_TRY(check_absent(cx, next, c));
    else
        LH_TRY(lhi_view_kill(cx, next, c->ids, c->count, &killed));
    lhi_batch batch = {.ids = c->ids, .rows = c->count, .index = lh_buf_str(&c->index)};
    if (c->asked->deletes_count > 0) {
        LH_TRY(rising_copy(cx, c->asked->deletes, c->asked->deletes_count, &batch));
        LH_TRY(lhi_view_kill(cx, next, batch.deletes, batch.deletes_count, &killed));
    }
    return commit(cx, set, &batch, &next);
}

/* A change that finds the set full of segments does the merge that is due. */
static lh_rc make_room(lh_ctx *cx, lh_segset *set)
{
    for (;;) {
        LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = lh_segset_get_view(set);
        uint64_t merged;
        if (view->count < LH_SEGSET_SEGMENTS_MAX)
            return LH_OK;
        LH_TRY(lh_segset_merge(cx, set, LH_SEGSET_MERGE_DUE, &merged));
    }
}

static lh_rc put_rows(lh_ctx *cx, lh_segset *set, change *c)
{
    LH_TRY(make_room(cx, set));
    LH_TRY(order_rows(cx, c));
    lh_segset_order order = {c->order, c->count, c->in_order};
    LH_TRY(c->asked->encode(cx, c->asked->arg, &order, &c->index));
    return change_locked(cx, set, c);
}

lh_rc lh_segset_put(lh_ctx *cx, lh_segset *set, const lh_segset_change *asked)
{
    if (asked->count == 0 || asked->count > LH_SEGSET_BATCH_ROWS_MAX)
        return lh_fail(cx, asked->count ? LH_E_TOO_LARGE : LH_E_BAD_VALUE,
                       "%zu rows in one change, limits 1 and %d", asked->count,
                       LH_SEGSET_BATCH_ROWS_MAX);
    if (asked->deletes_count > LH_SEGSET_BATCH_ROWS_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "%zu ids deleted in one change, limit %d",
                       asked->deletes_count, LH_SEGSET_BATCH_ROWS_MAX);
    change c = {.asked = asked};
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(64u << 20);
    if (!arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "change of %zu rows", asked->count);
    lh_ctx own;
    lh_ctx_init_child(&own, arena, cx);
    lh_buf_init(&c.index, ENCODED_BYTES_MAX);
    lh_rc rc = put_rows(&own, set, &c);
    lh_buf_done(&c.index);
    if (rc != LH_OK)
        cx->err = own.err;
    lhi_bury(&own, set);
    lhi_segset_wake(set);
    return rc;
}

/* ---- delete ---- */

static lh_rc delete_locked(lh_ctx *cx, lh_segset *set, lhi_batch *batch, uint64_t *ret_deleted)
{
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *next = NULL;
    LH_WITH_LOCK(&set->write_lock);
    LH_TRY(check_writable(cx, set));
    LH_TRY(lhi_view_copy(cx, set->current, 0, &next));
    LH_TRY(lhi_view_kill(cx, next, batch->deletes, batch->deletes_count, ret_deleted));
    return *ret_deleted > 0 ? commit(cx, set, batch, &next) : LH_OK;
}

lh_rc lh_segset_delete(lh_ctx *cx, lh_segset *set, const uint64_t *ids, size_t count,
                       uint64_t *ret_deleted)
{
    if (count > LH_SEGSET_BATCH_ROWS_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "%zu ids in one change, limit %d", count,
                       LH_SEGSET_BATCH_ROWS_MAX);
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(64u << 20);
    if (!arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "change of %zu rows", count);
    lh_ctx own;
    lh_ctx_init_child(&own, arena, cx);
    lhi_batch batch = {.rows = 0};
    uint64_t deleted = 0;
    lh_rc rc = rising_copy(&own, ids, count, &batch);
    if (rc == LH_OK)
        rc = delete_locked(&own, set, &batch, &deleted);
    lhi_bury(&own, set);
    lhi_segset_wake(set);
    if (rc != LH_OK) {
        cx->err = own.err;
        return rc;
    }
    *ret_deleted = deleted;
    return LH_OK;
}
