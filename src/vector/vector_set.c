/* vector/vector_set.c - opens a set, keeps its views and segments counted, and buries what nobody
 * reads any more.
 *
 * Opening: the newest manifest, then every batch after it in order. Batches have no gaps, so a lost
 * one is noticed. Whatever the manifest does not name and no later batch is, is garbage of a crash
 * and goes. */
#include "vector/vector_set_private.h"

#include "base/fault.h"

enum { FAN_IN = 4, TIER_ROWS = 256, FRESH_ROWS = 20000, THREAD_STACK_BYTES = 8 << 20 };

/* ---- live bitmaps ---- */

lhi_set_live *lhi_live_ref(lhi_set_live *live)
{
    if (live)
        atomic_fetch_add(&live->references, 1);
    return live;
}

lhi_set_live *lhi_live_unref(lhi_set_live *live)
{
    if (live && atomic_fetch_sub(&live->references, 1) == 1)
        lh_free(live);
    return NULL;
}

lh_rc lhi_live_copy(lh_ctx *cx, const lhi_set_live *live, uint64_t rows, lhi_set_live **ret_live)
{
    size_t words = (size_t)(rows / 64 + 1);
    lhi_set_live *copy = lh_alloc(sizeof *copy + words * sizeof(uint64_t));
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

uint64_t lhi_item_live_count(const lhi_set_item *item)
{
    return item->live ? item->live->count : item->segment->rows;
}

/* ---- segments ---- */

lhi_set_segment *lhi_segment_ref(lhi_set_segment *segment)
{
    atomic_fetch_add(&segment->references, 1);
    return segment;
}

lhi_set_segment *lhi_segment_unref(lhi_set_segment *segment)
{
    if (segment && atomic_fetch_sub(&segment->references, 1) == 1) {
        lh_vector_set *set = segment->set;
        {
            LH_WITH_LOCK(&set->graves_lock);
            segment->next_grave = set->graves;
            set->graves = segment;
        }
        if (set->opts.flags & LH_VECTOR_SET_BACKGROUND)
            lhi_set_wake(set);
    }
    return NULL;
}

int lhi_segment_find(const lhi_set_segment *segment, uint64_t id, uint64_t *ret_row)
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

static lh_rc remove_object(lh_ctx *cx, lh_vector_set *set, lhi_object_kind kind, uint64_t number)
{
    lh_str name = lhi_object_name(cx, kind, number);
    LH_FAULT(cx, VECTOR_SET_BEFORE_REMOVE);
    return name.ptr ? set->home.remove(cx, set->home.arg, name) : cx->err.rc;
}

/* What cannot be removed now is garbage that the next open removes. */
static void bury(lh_ctx *cx, lhi_set_segment *segment)
{
    lh_vector_set *set = segment->set;
    lh_vector_index_close(segment->index);
    lh_map_close(&segment->map);
    lh_map_close(&segment->ids_map);
    if (atomic_load(&segment->obsolete)) {
        lhi_object_kind kind = segment->merged ? LHI_OBJECT_SEGMENT : LHI_OBJECT_BATCH;
        LH_IGNORE(remove_object(cx, set, kind, segment->number));
        if (segment->merged)
            LH_IGNORE(remove_object(cx, set, LHI_OBJECT_IDS, segment->number));
    }
    lh_free(segment);
}

void lhi_set_bury(lh_ctx *cx, lh_vector_set *set)
{
    lhi_set_segment *graves;
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
        lhi_set_segment *next = graves->next_grave;
        bury(cx, graves);
        graves = next;
    }
    cx->cancel = cancel;
    cx->err = said;
}

void lhi_take_back(lh_ctx *cx, lh_vector_set *set, lh_str name)
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

lh_rc lhi_view_new(lh_ctx *cx, lh_vector_set *set, size_t capacity, lh_vector_view **ret_view)
{
    lh_vector_view *view = lh_alloc_zero(1, sizeof *view + capacity * sizeof(lhi_set_item));
    if (!view)
        return lh_fail(cx, LH_E_NO_MEMORY, "view of %zu segments", capacity);
    atomic_init(&view->references, 1);
    view->set = set;
    *ret_view = view;
    return LH_OK;
}

void lhi_view_add(lh_vector_view *view, lhi_set_segment *segment, lhi_set_live *live)
{
    view->items[view->count++] = (lhi_set_item){segment, live};
}

lh_rc lhi_view_copy(lh_ctx *cx, const lh_vector_view *view, size_t extra, lh_vector_view **ret_view)
{
    lh_vector_view *copy;
    LH_TRY(lhi_view_new(cx, view->set, view->count + extra, &copy));
    for (size_t i = 0; i < view->count; i++)
        lhi_view_add(copy, lhi_segment_ref(view->items[i].segment),
                     lhi_live_ref(view->items[i].live));
    *ret_view = copy;
    return LH_OK;
}

lh_vector_view *lh_vector_set_view(lh_vector_set *set)
{
    LH_WITH_LOCK(&set->view_lock);
    atomic_fetch_add(&set->current->references, 1);
    return set->current;
}

lh_vector_view *lh_vector_view_unref(lh_vector_view *view)
{
    if (!view || atomic_fetch_sub(&view->references, 1) != 1)
        return NULL;
    for (size_t i = 0; i < view->count; i++) {
        lhi_segment_unref(view->items[i].segment);
        lhi_live_unref(view->items[i].live);
    }
    return lh_free(view);
}

void lhi_view_publish(lh_vector_set *set, lh_vector_view *view)
{
    lh_vector_view *old;
    {
        LH_WITH_LOCK(&set->view_lock);
        old = set->current;
        set->current = view;
    }
    lh_vector_view_unref(old);
}

/* ---- open ---- */

typedef struct stored {
    lh_str_list names;
    uint64_t manifest; /* newest; 0 = none */
    uint64_t last_batch;
    uint64_t last_segment;
} stored;

static lh_rc look(lh_ctx *cx, const lh_vector_set *set, stored *ret)
{
    *ret = (stored){.manifest = 0};
    LH_TRY(set->home.list(cx, set->home.arg, &ret->names));
    for (size_t i = 0; i < ret->names.count; i++) {
        uint64_t number = 0;
        lhi_object_kind kind = lhi_object_parse(ret->names.items[i], &number);
        if (kind == LHI_OBJECT_MANIFEST)
            ret->manifest = LH_MAX(ret->manifest, number);
        else if (kind == LHI_OBJECT_BATCH)
            ret->last_batch = LH_MAX(ret->last_batch, number);
        else if (kind == LHI_OBJECT_SEGMENT || kind == LHI_OBJECT_IDS)
            ret->last_segment = LH_MAX(ret->last_segment, number);
    }
    return LH_OK;
}

static lh_rc replay_one(lh_ctx *cx, lh_vector_set *set, uint64_t number, lh_vector_view *view)
{
    LH_CLEANUP(lhi_segment_unref) lhi_set_segment *segment = NULL;
    const uint64_t *deletes;
    size_t deletes_count;
    uint64_t killed;
    lh_rc rc = lhi_batch_open(cx, set, number, &segment, &deletes, &deletes_count);
    if (rc == LH_E_NOT_FOUND)
        return lh_fail(cx, LH_E_CORRUPT, "change %llu of the vector set is lost",
                       (unsigned long long)number);
    LH_TRY(rc);
    LH_TRY(lhi_view_kill(cx, view, deletes, deletes_count, &killed));
    if (segment) {
        LH_TRY(lhi_view_kill(cx, view, segment->ids, segment->rows, &killed));
        lhi_view_add(view, LH_TAKE(segment), NULL);
    }
    set->changes = number;
    return LH_OK;
}

static int is_named(const lh_vector_view *view, int merged, uint64_t number)
{
    for (size_t i = 0; i < view->count; i++)
        if (view->items[i].segment->merged == merged && view->items[i].segment->number == number)
            return 1;
    return 0;
}

static lh_rc remove_orphans(lh_ctx *cx, lh_vector_set *set, const stored *what,
                            const lh_vector_view *view)
{
    for (size_t i = 0; i < what->names.count; i++) {
        uint64_t number = 0;
        lhi_object_kind kind = lhi_object_parse(what->names.items[i], &number);
        int orphan = 0;
        if (kind == LHI_OBJECT_MANIFEST)
            orphan = number != set->manifest;
        else if (kind == LHI_OBJECT_BATCH)
            orphan = number <= set->horizon && !is_named(view, 0, number);
        else if (kind != LHI_OBJECT_KINDS)
            orphan = !is_named(view, 1, number);
        if (orphan)
            LH_TRY(remove_object(cx, set, kind, number));
    }
    return LH_OK;
}

static lh_rc create(lh_ctx *cx, lh_vector_set *set, lh_vector_view **ret_view)
{
    if (set->opts.build.dimensions == 0 || set->opts.build.dimensions > LH_VECTOR_DIMENSIONS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%u dimensions, limits 1 and %u",
                       set->opts.build.dimensions, LH_VECTOR_DIMENSIONS_MAX);
    if (set->opts.build.rows_as == LH_VECTOR_ROWS_EXTERNAL)
        return lh_fail(cx, LH_E_BAD_VALUE, "the rows of a vector set cannot be external");
    LH_CLEANUP(lh_vector_view_unref) lh_vector_view *view = NULL;
    LH_TRY(lhi_view_new(cx, set, 0, &view));
    LH_TRY(lhi_manifest_put(cx, set, view, 1, 0));
    set->manifest = 1;
    *ret_view = LH_TAKE(view);
    return LH_OK;
}

static lh_rc load(lh_ctx *cx, lh_vector_set *set)
{
    stored what;
    LH_CLEANUP(lh_vector_view_unref) lh_vector_view *view = NULL;
    LH_TRY(look(cx, set, &what));
    if (what.manifest == 0 && what.last_batch > 0)
        return lh_fail(cx, LH_E_CORRUPT, "the vector set has changes but no manifest");
    if (what.manifest == 0) {
        LH_TRY(create(cx, set, &view));
    } else {
        LH_CLEANUP(lh_vector_view_unref) lh_vector_view *named = NULL;
        LH_TRY(lhi_manifest_open(cx, set, what.manifest, &named));
        uint64_t later = what.last_batch > set->horizon ? what.last_batch - set->horizon : 0;
        if (later > what.names.count)
            return lh_fail(cx, LH_E_CORRUPT, "changes of the vector set are lost");
        LH_TRY(lhi_view_copy(cx, named, (size_t)later, &view));
        set->changes = set->horizon;
        for (uint64_t number = set->horizon + 1; number <= what.last_batch; number++)
            LH_TRY(replay_one(cx, set, number, view));
    }
    set->next_segment = LH_MAX(set->next_segment, what.last_segment + 1);
    LH_TRY(remove_orphans(cx, set, &what, view));
    set->current = LH_TAKE(view);
    return LH_OK;
}

lh_rc lh_vector_set_open(lh_ctx *cx, const lh_vector_home *home, const lh_vector_set_options *opts,
                         lh_vector_set **ret_set)
{
    LH_CLEANUP(lh_vector_set_close) lh_vector_set *set = lh_alloc_zero(1, sizeof *set);
    if (!set)
        return lh_fail(cx, LH_E_NO_MEMORY, "vector set");
    set->home = *home;
    set->opts = *opts;
    set->opts.fan_in = opts->fan_in ? LH_MAX(opts->fan_in, 2u) : (uint32_t)FAN_IN;
    set->opts.tier_rows = opts->tier_rows ? opts->tier_rows : (uint32_t)TIER_ROWS;
    set->opts.fresh_rows = opts->fresh_rows ? opts->fresh_rows : (uint32_t)FRESH_ROWS;
    lh_mutex_init(&set->merge_lock);
    lh_mutex_init(&set->write_lock);
    lh_mutex_init(&set->view_lock);
    lh_mutex_init(&set->graves_lock);
    lh_mutex_init(&set->wake_lock);
    lh_cond_init(&set->wake);
    set->next_segment = 1;
    LH_TRY(load(cx, set));
    if (opts->flags & LH_VECTOR_SET_BACKGROUND) {
        set->due = 1;
        LH_TRY(lh_thread_start(cx, "lh-vector-merge", THREAD_STACK_BYTES, lhi_merge_thread, set,
                               &set->thread));
    }
    *ret_set = LH_TAKE(set);
    return LH_OK;
}

static void stop_thread(lh_vector_set *set)
{
    {
        LH_WITH_LOCK(&set->wake_lock);
        set->stop = 1;
        lh_cond_broadcast(&set->wake);
    }
    lh_cancel_request(&set->cancel);
    set->thread = lh_thread_join(set->thread);
}

lh_vector_set *lh_vector_set_close(lh_vector_set *set)
{
    if (!set)
        return NULL;
    if (set->thread)
        stop_thread(set);
    lh_vector_view_unref(set->current);
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (arena) {
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        lhi_set_bury(&cx, set);
    }
    lh_assert(!set->graves || !arena);
    lh_cond_done(&set->wake);
    lh_mutex_done(&set->wake_lock);
    lh_mutex_done(&set->graves_lock);
    lh_mutex_done(&set->view_lock);
    lh_mutex_done(&set->write_lock);
    lh_mutex_done(&set->merge_lock);
    return lh_free(set);
}

void lh_vector_set_get_stats(lh_vector_set *set, lh_vector_set_stats *ret_stats)
{
    lh_vector_set_stats s = {.dimensions = set->opts.build.dimensions,
                             .merges = atomic_load(&set->merges)};
    lh_vector_view *view;
    {
        LH_WITH_LOCK(&set->write_lock);
        s.manifest = set->manifest;
        s.changes = set->changes;
        view = lh_vector_set_view(set);
    }
    for (size_t i = 0; i < view->count; i++) {
        const lhi_set_item *item = &view->items[i];
        lh_vector_stats of_index;
        lh_vector_index_stats(item->segment->index, &of_index);
        s.rows_live += lhi_item_live_count(item);
        s.rows_dead += item->segment->rows - lhi_item_live_count(item);
        s.batches += !item->segment->merged;
        s.bytes_mapped += item->segment->bytes_mapped;
        s.bytes_resident += of_index.bytes_resident + sizeof *item->segment +
                            (item->live ? item->live->rows / 8 : 0);
    }
    s.segments = (uint32_t)view->count;
    lh_vector_view_unref(view);
    *ret_stats = s;
}
