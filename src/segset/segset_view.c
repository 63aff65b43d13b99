/* segset/segset_view.c - views and what they count: segments, live bitmaps; burials of what nobody
 * reads any more. */
#include "segset/segset_private.h"

#include "base/fault.h"

#include <stdlib.h>

/* ---- live bitmaps ---- */

lhi_live *lhi_live_ref(lhi_live *live)
{
    if (live)
        atomic_fetch_add(&live->references, 1);
    return live;
}

lhi_live *lhi_live_unref(lhi_live *live)
{
    if (live && atomic_fetch_sub(&live->references, 1) == 1)
        lh_free(live);
    return NULL;
}

lh_rc lhi_live_copy(lh_ctx *cx, const lhi_live *live, uint64_t rows, lhi_live **ret_live)
{
    size_t words = (size_t)(rows / 64 + 1);
    size_t room = (size_t)LH_SEGSET_WORDS(rows);
    lhi_live *copy = lh_alloc_zero(1, sizeof *copy + room * sizeof(uint64_t));
    if (!copy)
        return lh_fail(cx, LH_E_NO_MEMORY, "bitmap of %llu rows", (unsigned long long)rows);
    atomic_init(&copy->references, 1);
    copy->rows = rows;
    copy->count = live ? live->count : rows;
    if (live) {
        memcpy(copy->words, live->words, words * sizeof(uint64_t));
    } else {
        memset(copy->words, 0xff, words * sizeof(uint64_t));
        copy->words[words - 1] = (1ull << (rows % 64)) - 1;
    }
    *ret_live = copy;
    return LH_OK;
}

uint64_t lhi_item_live_count(const lhi_item *item)
{
    return item->live ? item->live->count : item->segment->rows;
}

/* ---- segments ---- */

lhi_segment *lhi_segment_ref(lhi_segment *segment)
{
    atomic_fetch_add(&segment->references, 1);
    return segment;
}

lhi_segment *lhi_segment_unref(lhi_segment *segment)
{
    if (segment && atomic_fetch_sub(&segment->references, 1) == 1) {
        lh_segset *set = segment->set;
        {
            LH_WITH_LOCK(&set->graves_lock);
            segment->next_grave = set->graves;
            set->graves = segment;
        }
        if (set->opts.flags & LH_SEGSET_BACKGROUND)
            lhi_segset_wake(set);
    }
    return NULL;
}

int lhi_segment_find(const lhi_segment *segment, uint64_t id, uint64_t *ret_row)
{
    const uint64_t *ids = segment->ids;
    uint64_t low = 0;
    uint64_t high = segment->rows;
    if (high == 0 || id < ids[0] || id > ids[high - 1])
        return 0;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_row = low;
    return low < segment->rows && ids[low] == id;
}

/* What cannot be removed now is garbage that the next open removes. */
static void bury(lh_ctx *cx, lhi_segment *segment)
{
    lh_segset *set = segment->set;
    set->engine->close(segment->index);
    lh_map_close(&segment->map);
    lh_map_close(&segment->ids_map);
    if (atomic_load(&segment->obsolete)) {
        lhi_object_kind kind = segment->merged ? LHI_OBJECT_SEGMENT : LHI_OBJECT_BATCH;
        LH_IGNORE(lhi_object_remove(cx, set, kind, segment->number));
        if (segment->merged)
            LH_IGNORE(lhi_object_remove(cx, set, LHI_OBJECT_IDS, segment->number));
    }
    lh_free(segment);
}

void lhi_bury(lh_ctx *cx, lh_segset *set)
{
    lhi_segment *graves;
    {
        LH_WITH_LOCK(&set->graves_lock);
        graves = set->graves;
        set->graves = NULL;
    }
    if (!graves)
        return;
    lh_err said = cx->err;
    lh_cancel *cancel = cx->cancel;
    cx->cancel = NULL;
    while (graves) {
        lhi_segment *next = graves->next_grave;
        bury(cx, graves);
        graves = next;
    }
    cx->cancel = cancel;
    cx->err = said;
}

void lhi_take_back(lh_ctx *cx, lh_segset *set, lh_str name)
{
    lh_err said = cx->err;
    lh_cancel *cancel = cx->cancel;
    cx->cancel = NULL;
    if (set->home.remove(cx, set->home.arg, name) != LH_OK)
        set->broken = 1;
    cx->cancel = cancel;
    cx->err = said;
}

/* ---- views ---- */

lh_rc lhi_view_new(lh_ctx *cx, lh_segset *set, size_t capacity, lh_segset_view **ret_view)
{
    lh_segset_view *view = lh_alloc_zero(1, sizeof *view + capacity * sizeof(lhi_item));
    if (!view)
        return lh_fail(cx, LH_E_NO_MEMORY, "view of %zu segments", capacity);
    atomic_init(&view->references, 1);
    view->set = set;
    lh_mutex_init(&view->attach_lock);
    *ret_view = view;
    return LH_OK;
}

void lhi_view_add(lh_segset_view *view, lhi_segment *segment, lhi_live *live)
{
    view->items[view->count++] = (lhi_item){segment, live};
}

lh_rc lhi_view_copy(lh_ctx *cx, const lh_segset_view *view, size_t extra, lh_segset_view **ret_view)
{
    lh_segset_view *copy;
    LH_TRY(lhi_view_new(cx, view->set, view->count + extra, &copy));
    for (size_t i = 0; i < view->count; i++)
        lhi_view_add(copy, lhi_segment_ref(view->items[i].segment),
                     lhi_live_ref(view->items[i].live));
    *ret_view = copy;
    return LH_OK;
}

lh_segset_view *lh_segset_get_view(lh_segset *set)
{
    LH_WITH_LOCK(&set->view_lock);
    atomic_fetch_add(&set->current->references, 1);
    return set->current;
}

lh_segset_view *lh_segset_view_unref(lh_segset_view *view)
{
    if (!view || atomic_fetch_sub(&view->references, 1) != 1)
        return NULL;
    if (view->attached)
        view->set->engine->detach(view->attached);
    lh_mutex_done(&view->attach_lock);
    for (size_t i = 0; i < view->count; i++) {
        lhi_segment_unref(view->items[i].segment);
        lhi_live_unref(view->items[i].live);
    }
    return lh_free(view);
}

void lhi_view_publish(lh_segset *set, lh_segset_view *view)
{
    lh_segset_view *old;
    view->changes = set->changes;
    {
        LH_WITH_LOCK(&set->view_lock);
        old = set->current;
        set->current = view;
    }
    lh_segset_view_unref(old);
}

uint64_t lh_segset_view_changes(const lh_segset_view *view)
{
    return view->changes;
}

/* ---- what engines see ---- */

lh_segset_part lhi_item_part(const lhi_item *item)
{
    const lhi_segment *segment = item->segment;
    return (lh_segset_part){.index = segment->index,
                            .ids = segment->ids,
                            .live = item->live ? item->live->words : NULL,
                            .rows = segment->rows,
                            .rows_live = lhi_item_live_count(item),
                            .number = segment->number,
                            .merged = segment->merged};
}

size_t lh_segset_view_count(const lh_segset_view *view)
{
    return view->count;
}

lh_segset_part lh_segset_view_part(const lh_segset_view *view, size_t number)
{
    lh_assert(number < view->count);
    return lhi_item_part(&view->items[number]);
}

lh_rc lh_segset_view_attach(lh_ctx *cx, lh_segset_view *view,
                            lh_rc (*make)(lh_ctx *cx, lh_segset_view *view, void **ret_attached),
                            void **ret_attached)
{
    LH_WITH_LOCK(&view->attach_lock);
    if (!view->attached)
        LH_TRY(make(cx, view, &view->attached));
    *ret_attached = view->attached;
    return LH_OK;
}

int lh_segset_view_find(const lh_segset_view *view, uint64_t id, size_t *ret_part,
                        uint64_t *ret_row)
{
    for (size_t i = 0; i < view->count; i++) {
        const lhi_item *item = &view->items[i];
        uint64_t row;
        if (!lhi_segment_find(item->segment, id, &row) || !lhi_item_is_live(item, row))
            continue;
        *ret_part = i;
        *ret_row = row;
        return 1;
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

lh_rc lh_segset_view_ids(lh_ctx *cx, const lh_segset_view *view, uint64_t **ret_ids,
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
        const lhi_item *item = &view->items[i];
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
