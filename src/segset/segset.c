/* segset/segset.c - opens and closes a set.
 *
 * Opening: the newest manifest, then every batch after it in order. Batches have no gaps, so a lost
 * one is noticed. Whatever the manifest does not name and no later batch is, is garbage of a crash
 * and goes. */
#include "segset/segset_private.h"

#include <stdio.h>

enum { FAN_IN = 4, TIER_ROWS = 256, THREAD_STACK_BYTES = 8 << 20 };

typedef struct stored {
    lh_str_list names;
    uint64_t manifest; /* newest; 0 = none */
    uint64_t last_batch;
    uint64_t last_segment;
} stored;

static lh_rc look(lh_ctx *cx, const lh_segset *set, stored *ret)
{
    *ret = (stored){.manifest = 0};
    LH_TRY(set->home.list(cx, set->home.arg, &ret->names));
    for (size_t i = 0; i < ret->names.count; i++) {
        uint64_t number = 0;
        lhi_object_kind kind = lhi_object_parse(set, ret->names.items[i], &number);
        if (kind == LHI_OBJECT_MANIFEST)
            ret->manifest = LH_MAX(ret->manifest, number);
        else if (kind == LHI_OBJECT_BATCH)
            ret->last_batch = LH_MAX(ret->last_batch, number);
        else if (kind == LHI_OBJECT_SEGMENT || kind == LHI_OBJECT_IDS)
            ret->last_segment = LH_MAX(ret->last_segment, number);
    }
    return LH_OK;
}

static lh_rc replay_one(lh_ctx *cx, lh_segset *set, uint64_t number, lh_segset_view *view)
{
    LH_CLEANUP(lhi_segment_unref) lhi_segment *segment = NULL;
    const uint64_t *deletes;
    size_t deletes_count;
    uint64_t killed;
    lh_rc rc = lhi_batch_open(cx, set, number, &segment, &deletes, &deletes_count);
    if (rc == LH_E_NOT_FOUND)
        return lh_fail(cx, LH_E_CORRUPT, "change %llu of the %s set is lost",
                       (unsigned long long)number, set->engine->name);
    LH_TRY(rc);
    LH_TRY(lhi_view_kill(cx, view, deletes, deletes_count, &killed));
    if (segment) {
        LH_TRY(lhi_view_kill(cx, view, segment->ids, segment->rows, &killed));
        lhi_view_add(view, LH_TAKE(segment), NULL);
    }
    set->changes = number;
    return LH_OK;
}

static int is_named(const lh_segset_view *view, int merged, uint64_t number)
{
    for (size_t i = 0; i < view->count; i++)
        if (view->items[i].segment->merged == merged && view->items[i].segment->number == number)
            return 1;
    return 0;
}

static lh_rc remove_orphans(lh_ctx *cx, lh_segset *set, const stored *what,
                            const lh_segset_view *view)
{
    for (size_t i = 0; i < what->names.count; i++) {
        uint64_t number = 0;
        lhi_object_kind kind = lhi_object_parse(set, what->names.items[i], &number);
        int orphan = 0;
        if (kind == LHI_OBJECT_MANIFEST)
            orphan = number != set->manifest;
        else if (kind == LHI_OBJECT_BATCH)
            orphan = number <= set->horizon && !is_named(view, 0, number);
        else if (kind != LHI_OBJECT_KINDS)
            orphan = !is_named(view, 1, number);
        if (orphan)
            LH_TRY(lhi_object_remove(cx, set, kind, number));
    }
    return LH_OK;
}

static lh_rc create(lh_ctx *cx, lh_segset *set, lh_segset_view **ret_view)
{
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = NULL;
    LH_TRY(set->engine->shape(cx, set->opts.arg, NULL, set->shape));
    LH_TRY(lhi_view_new(cx, set, 0, &view));
    LH_TRY(lhi_manifest_put(cx, set, view, 1, 0));
    set->manifest = 1;
    *ret_view = LH_TAKE(view);
    return LH_OK;
}

static lh_rc load(lh_ctx *cx, lh_segset *set)
{
    stored what;
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = NULL;
    LH_TRY(look(cx, set, &what));
    if (what.manifest == 0 && what.last_batch > 0)
        return lh_fail(cx, LH_E_CORRUPT, "the %s set has changes but no manifest",
                       set->engine->name);
    if (what.manifest == 0) {
        LH_TRY(create(cx, set, &view));
    } else {
        LH_CLEANUP(lh_segset_view_unref) lh_segset_view *named = NULL;
        LH_TRY(lhi_manifest_open(cx, set, what.manifest, &named));
        uint64_t later = what.last_batch > set->horizon ? what.last_batch - set->horizon : 0;
        if (later > what.names.count)
            return lh_fail(cx, LH_E_CORRUPT, "changes of the %s set are lost", set->engine->name);
        LH_TRY(lhi_view_copy(cx, named, (size_t)later, &view));
        set->changes = set->horizon;
        for (uint64_t number = set->horizon + 1; number <= what.last_batch; number++)
            LH_TRY(replay_one(cx, set, number, view));
    }
    set->next_segment = LH_MAX(set->next_segment, what.last_segment + 1);
    LH_TRY(remove_orphans(cx, set, &what, view));
    view->changes = set->changes;
    set->current = LH_TAKE(view);
    return LH_OK;
}

static void name_kinds(lh_segset *set)
{
    static const char *const what[LHI_OBJECT_KINDS] = {[LHI_OBJECT_BATCH] = "batch",
                                                       [LHI_OBJECT_SEGMENT] = "segment",
                                                       [LHI_OBJECT_IDS] = "ids",
                                                       [LHI_OBJECT_MANIFEST] = "set"};
    for (int kind = 0; kind < (int)LHI_OBJECT_KINDS; kind++)
        (void)snprintf(set->kinds[kind], sizeof set->kinds[kind], "%s-%s", set->engine->name,
                       what[kind]);
}

lh_rc lh_segset_open(lh_ctx *cx, const lh_segset_home *home, const lh_segset_options *opts,
                     lh_segset **ret_set)
{
    LH_CLEANUP(lh_segset_close) lh_segset *set = lh_alloc_zero(1, sizeof *set);
    if (!set)
        return lh_fail(cx, LH_E_NO_MEMORY, "%s set", opts->engine->name);
    set->home = *home;
    set->opts = *opts;
    set->engine = opts->engine;
    name_kinds(set);
    set->opts.fan_in = opts->fan_in ? LH_MAX(opts->fan_in, 2u) : (uint32_t)FAN_IN;
    set->opts.tier_rows = opts->tier_rows ? opts->tier_rows : (uint32_t)TIER_ROWS;
    lh_mutex_init(&set->merge_lock);
    lh_mutex_init(&set->write_lock);
    lh_mutex_init(&set->view_lock);
    lh_mutex_init(&set->graves_lock);
    lh_mutex_init(&set->wake_lock);
    lh_cond_init(&set->wake);
    set->next_segment = 1;
    LH_TRY(load(cx, set));
    if (opts->flags & LH_SEGSET_BACKGROUND) {
        set->due = 1;
        LH_TRY(lh_thread_start(cx, "lh-merge", THREAD_STACK_BYTES, lhi_merge_thread, set,
                               &set->thread));
    }
    *ret_set = LH_TAKE(set);
    return LH_OK;
}

static void stop_thread(lh_segset *set)
{
    {
        LH_WITH_LOCK(&set->wake_lock);
        set->stop = 1;
        lh_cond_broadcast(&set->wake);
    }
    lh_cancel_request(&set->cancel);
    set->thread = lh_thread_join(set->thread);
}

lh_segset *lh_segset_close(lh_segset *set)
{
    if (!set)
        return NULL;
    if (set->thread)
        stop_thread(set);
    lh_segset_view_unref(set->current);
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (arena) {
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        lhi_bury(&cx, set);
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

void lh_segset_get_stats(lh_segset *set, lh_segset_stats *ret_stats)
{
    lh_segset_stats s = {.merges = atomic_load(&set->merges)};
    lh_segset_view *view;
    {
        LH_WITH_LOCK(&set->write_lock);
        s.manifest = set->manifest;
        s.changes = set->changes;
        view = lh_segset_get_view(set);
    }
    for (size_t i = 0; i < view->count; i++) {
        const lhi_item *item = &view->items[i];
        s.rows_live += lhi_item_live_count(item);
        s.rows_dead += item->segment->rows - lhi_item_live_count(item);
        s.batches += !item->segment->merged;
        s.bytes_mapped += item->segment->bytes_mapped;
        s.bytes_resident += set->engine->bytes_resident(item->segment->index) +
                            sizeof *item->segment + (item->live ? item->live->rows / 8 : 0);
    }
    s.segments = (uint32_t)view->count;
    lh_segset_view_unref(view);
    *ret_stats = s;
}
