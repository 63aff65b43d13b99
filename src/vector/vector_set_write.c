/* vector/vector_set_write.c - changes: append, upsert, delete.
 *
 * Order of a change: everything that can be refused or run out of memory first, then the one put
 * that makes it durable, then the view that makes it visible. When something fails after the put,
 * the batch is taken back, so that what was not acknowledged does not come up later; if even that
 * fails the set takes no more changes, because what is stored is not known. */
#include "vector/vector_set_private.h"

#include "base/fault.h"

#include <stdlib.h>

#define ENCODED_BYTES_MAX (4ull << 30)
/* A change of so many rows is stored as it is and searched exactly (0.3 ms per 10,000 rows of 384)
 * until a merge, soon after, gives it codes: so acknowledging it costs little more than its bytes.
 */
#define EXACT_ROWS_MAX 20000u

lh_rc lhi_view_kill(lh_ctx *cx, lh_vector_view *view, const uint64_t *ids, size_t count,
                    uint64_t *ret_killed)
{
    uint64_t killed = 0;
    for (size_t i = 0; i < view->count; i++) {
        lhi_set_item *item = &view->items[i];
        int own = item->live && atomic_load(&item->live->references) == 1;
        for (size_t n = 0; n < count; n++) {
            uint64_t row;
            if (!lhi_segment_find(item->segment, ids[n], &row) || !lhi_item_is_live(item, row))
                continue;
            if (!own) {
                lhi_set_live *copy;
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

void lhi_set_wake(lh_vector_set *set)
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

typedef enum change_kind { APPEND, UPSERT } change_kind;

typedef struct change {
    change_kind kind;
    const lh_vector_rows *rows;
    entry *entries; /* rising ids, one entry each */
    uint64_t *ids;
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
    size_t count = c->rows->count;
    c->entries = LH_NEW_ARRAY(cx, entry, count);
    c->ids = LH_NEW_ARRAY(cx, uint64_t, count);
    if (!c->entries || !c->ids)
        return cx->err.rc;
    int sorted = 1;
    for (size_t i = 0; i < count; i++) {
        c->entries[i] = (entry){c->rows->ids[i], i};
        sorted = sorted && (i == 0 || c->rows->ids[i - 1] < c->rows->ids[i]);
    }
    c->in_order = sorted;
    if (!sorted)
        qsort(c->entries, count, sizeof *c->entries, by_id);
    for (size_t i = 0; i < count; i++) {
        entry e = c->entries[i];
        if (c->count > 0 && c->ids[c->count - 1] == e.id) {
            if (c->kind == APPEND)
                return twice(cx, e.id);
            c->count--; /* the later one stays */
        }
        c->entries[c->count] = e;
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

typedef struct rows_source {
    const change *change;
    uint32_t dimensions;
} rows_source;

static lh_rc read_ordered(lh_ctx *cx, void *arg, uint64_t first, size_t rows, float *out)
{
    const rows_source *s = arg;
    (void)cx;
    for (size_t i = 0; i < rows; i++)
        memcpy(out + i * s->dimensions,
               s->change->rows->vectors + s->change->entries[first + i].at * s->dimensions,
               s->dimensions * sizeof(float));
    return LH_OK;
}

static lh_rc encode(lh_ctx *cx, const lh_vector_set *set, change *c)
{
    lh_vector_options options = set->opts.build;
    options.preset = LH_VECTOR_FRESH;
    if (c->count <= EXACT_ROWS_MAX)
        options.kind = LH_VECTOR_EXACT;
    rows_source ordered = {c, options.dimensions};
    lh_vector_source source = {.rows = c->count, .read = read_ordered, .arg = &ordered};
    if (c->in_order)
        source.floats = c->rows->vectors;
    lh_container_sink sink = {memory_write_at, &c->index};
    uint64_t bytes;
    LH_TRY(lh_buf_reserve(cx, &c->index, c->count * options.dimensions * sizeof(float) + 65536));
    return lh_vector_build(cx, &options, &source, sink, &bytes);
}

/* ---- the change itself ---- */

static lh_rc check_writable(lh_ctx *cx, const lh_vector_set *set)
{
    if (!set->broken)
        return LH_OK;
    LH_IGNORE(lh_fail(cx, LH_E_UNAVAILABLE, "an earlier change of the vector set failed half-way"));
    return lh_err_hint(cx, "open the set again");
}

static lh_rc check_absent(lh_ctx *cx, const lh_vector_view *view, const change *c)
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
static lh_rc show(lh_ctx *cx, lh_vector_set *set, uint64_t number, lh_vector_view *next, int rows)
{
    LH_FAULT(cx, VECTOR_SET_AFTER_BATCH);
    if (!rows)
        return LH_OK;
    lhi_set_segment *segment;
    LH_TRY(lhi_batch_open_fresh(cx, set, number, &segment));
    lhi_view_add(next, segment, NULL);
    return LH_OK;
}

/* Under write_lock; next has room for one more item. */
static lh_rc commit(lh_ctx *cx, lh_vector_set *set, lhi_batch *batch, lh_vector_view **next)
{
    batch->number = set->changes + 1;
    LH_TRY(lhi_batch_put(cx, set, batch));
    lh_rc rc = show(cx, set, batch->number, *next, batch->rows > 0);
    if (rc != LH_OK) {
        lh_str name = lhi_object_name(cx, LHI_OBJECT_BATCH, batch->number);
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

static lh_rc change_locked(lh_ctx *cx, lh_vector_set *set, change *c)
{
    LH_CLEANUP(lh_vector_view_unref) lh_vector_view *next = NULL;
    uint64_t killed;
    LH_WITH_LOCK(&set->write_lock);
    LH_TRY(check_writable(cx, set));
    LH_TRY(lhi_view_copy(cx, set->current, 1, &next));
    if (c->kind == APPEND)
        LH_TRY(check_absent(cx, next, c));
    else
        LH_TRY(lhi_view_kill(cx, next, c->ids, c->count, &killed));
    lhi_batch batch = {.ids = c->ids, .rows = c->count, .index = lh_buf_str(&c->index)};
    return commit(cx, set, &batch, &next);
}

/* A change that finds the set full of segments does the merge that is due. */
static lh_rc make_room(lh_ctx *cx, lh_vector_set *set)
{
    for (;;) {
        LH_CLEANUP(lh_vector_view_unref) lh_vector_view *view = lh_vector_set_view(set);
        uint64_t merged;
        if (view->count < LH_VECTOR_SET_SEGMENTS_MAX)
            return LH_OK;
        LH_TRY(lh_vector_set_merge(cx, set, LH_VECTOR_MERGE_DUE, &merged));
    }
}

static lh_rc put_rows(lh_ctx *cx, lh_vector_set *set, const lh_vector_rows *rows, change_kind kind)
{
    if (rows->count == 0 || rows->count > LH_VECTOR_SET_BATCH_ROWS_MAX)
        return lh_fail(cx, rows->count ? LH_E_TOO_LARGE : LH_E_BAD_VALUE,
                       "%zu rows in one change, limits 1 and %d", rows->count,
                       LH_VECTOR_SET_BATCH_ROWS_MAX);
    change c = {.kind = kind, .rows = rows};
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(64u << 20);
    if (!arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "change of %zu rows", rows->count);
    lh_ctx own;
    lh_ctx_init_child(&own, arena, cx);
    lh_buf_init(&c.index, ENCODED_BYTES_MAX);
    lh_rc rc = make_room(&own, set);
    if (rc == LH_OK)
        rc = order_rows(&own, &c);
    if (rc == LH_OK)
        rc = encode(&own, set, &c);
    if (rc == LH_OK)
        rc = change_locked(&own, set, &c);
    lh_buf_done(&c.index);
    if (rc != LH_OK)
        cx->err = own.err;
    lhi_set_bury(&own, set);
    lhi_set_wake(set);
    return rc;
}

lh_rc lh_vector_set_append(lh_ctx *cx, lh_vector_set *set, const lh_vector_rows *rows)
{
    return put_rows(cx, set, rows, APPEND);
}

lh_rc lh_vector_set_upsert(lh_ctx *cx, lh_vector_set *set, const lh_vector_rows *rows)
{
    return put_rows(cx, set, rows, UPSERT);
}

/* ---- delete ---- */

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

static lh_rc delete_locked(lh_ctx *cx, lh_vector_set *set, lhi_batch *batch, uint64_t *ret_deleted)
{
    LH_CLEANUP(lh_vector_view_unref) lh_vector_view *next = NULL;
    LH_WITH_LOCK(&set->write_lock);
    LH_TRY(check_writable(cx, set));
    LH_TRY(lhi_view_copy(cx, set->current, 0, &next));
    LH_TRY(lhi_view_kill(cx, next, batch->deletes, batch->deletes_count, ret_deleted));
    return *ret_deleted > 0 ? commit(cx, set, batch, &next) : LH_OK;
}

lh_rc lh_vector_set_delete(lh_ctx *cx, lh_vector_set *set, const uint64_t *ids, size_t count,
                           uint64_t *ret_deleted)
{
    if (count > LH_VECTOR_SET_BATCH_ROWS_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "%zu ids in one change, limit %d", count,
                       LH_VECTOR_SET_BATCH_ROWS_MAX);
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
    lhi_set_bury(&own, set);
    lhi_set_wake(set);
    if (rc != LH_OK) {
        cx->err = own.err;
        return rc;
    }
    *ret_deleted = deleted;
    return LH_OK;
}
