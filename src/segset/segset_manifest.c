/* segset/segset_manifest.c - the list of a set's segments and of their live rows: put whole under a
 * new number, it is the swap. */
#include "segset/segset_private.h"

#include "base/fault.h"

#define VERSION 1u

typedef struct manifest_fill {
    const lh_segset *set;
    const lh_segset_view *view;
    lhi_manifest_meta meta;
    lhi_manifest_item *items;
} manifest_fill;

static lh_rc fill_manifest(lh_ctx *cx, lh_container_sink sink, void *arg)
{
    const manifest_fill *f = arg;
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *w = NULL;
    uint64_t bytes;
    LH_TRY(lh_container_writer_new(cx, sink, lhi_stored_kind(f->set, LHI_OBJECT_MANIFEST), VERSION,
                                   &w));
    LH_TRY(
        lh_container_add(cx, w, LH_S("meta"), sizeof f->meta, lh_str_n(&f->meta, sizeof f->meta)));
    LH_TRY(lh_container_add(cx, w, LH_S("segments"), sizeof *f->items,
                            lh_str_n(f->items, f->view->count * sizeof *f->items)));
    LH_TRY(lh_container_section_begin(cx, w, LH_S("live"), sizeof(uint64_t)));
    for (size_t i = 0; i < f->view->count; i++) {
        const lhi_live *live = f->view->items[i].live;
        if (live)
            LH_TRY(lh_container_section_write(
                cx, w, lh_str_n(live->words, (size_t)(live->rows / 64 + 1) * sizeof(uint64_t))));
    }
    LH_TRY(lh_container_section_end(cx, w));
    return lh_container_finish(cx, w, &bytes);
}

static lh_rc put_manifest(lh_ctx *cx, lh_segset *set, lh_str name, manifest_fill *fill)
{
    LH_TRY(set->home.put(cx, set->home.arg, name, fill_manifest, fill));
    LH_FAULT(cx, SEGSET_AFTER_MANIFEST);
    return LH_OK;
}

lh_rc lhi_manifest_put(lh_ctx *cx, lh_segset *set, const lh_segset_view *view, uint64_t number,
                       uint64_t horizon)
{
    manifest_fill fill = {
        .set = set,
        .view = view,
        .meta = {number, horizon, set->next_segment, {set->shape[0], set->shape[1]}}};
    fill.items = LH_NEW_ARRAY(cx, lhi_manifest_item, view->count + 1);
    lh_str name = lhi_object_name(cx, set, LHI_OBJECT_MANIFEST, number);
    if (!fill.items || !name.ptr)
        return cx->err.rc;
    uint64_t words = 0;
    for (size_t i = 0; i < view->count; i++) {
        const lhi_item *item = &view->items[i];
        fill.items[i] = (lhi_manifest_item){.number = item->segment->number,
                                            .rows = item->segment->rows,
                                            .live = lhi_item_live_count(item),
                                            .live_first = item->live ? words : LHI_ALL_LIVE,
                                            .merged = (uint32_t)item->segment->merged};
        words += item->live ? item->live->rows / 64 + 1 : 0;
    }
    LH_FAULT(cx, SEGSET_BEFORE_MANIFEST);
    lh_rc rc = put_manifest(cx, set, name, &fill);
    if (rc == LH_E_ALREADY_EXISTS)
        set->broken = 1;
    else if (rc != LH_OK)
        lhi_take_back(cx, set, name);
    return rc;
}

/* The bitmap of an item; its count of live rows must be what the manifest says. */
static lh_rc get_live(lh_ctx *cx, const lhi_manifest_item *item, lh_str words, lhi_live **ret_live)
{
    uint64_t have = words.len / sizeof(uint64_t);
    uint64_t need = item->rows / 64 + 1;
    if (item->live_first > have || have - item->live_first < need)
        return lh_fail(cx, LH_E_CORRUPT, "a bitmap lies outside its section");
    LH_CLEANUP(lhi_live_unref) lhi_live *live = NULL;
    LH_TRY(lhi_live_copy(cx, NULL, item->rows, &live));
    uint64_t last_mask = live->words[need - 1];
    memcpy(live->words, words.ptr + item->live_first * sizeof(uint64_t),
           (size_t)need * sizeof(uint64_t));
    live->count = 0;
    for (uint64_t i = 0; i < need; i++)
        live->count += (uint64_t)__builtin_popcountll(live->words[i]);
    if (live->count != item->live || (live->words[need - 1] & ~last_mask) != 0)
        return lh_fail(cx, LH_E_CORRUPT, "a bitmap does not fit its rows");
    *ret_live = LH_TAKE(live);
    return LH_OK;
}

static lh_rc open_item(lh_ctx *cx, lh_segset *set, const lhi_manifest_item *item, lh_str words,
                       lh_segset_view *view)
{
    LH_CLEANUP(lhi_segment_unref) lhi_segment *segment = NULL;
    LH_CLEANUP(lhi_live_unref) lhi_live *live = NULL;
    const uint64_t *deletes;
    size_t deletes_count;
    lh_rc rc = item->merged
                   ? lhi_segment_open(cx, set, item->number, &segment)
                   : lhi_batch_open(cx, set, item->number, &segment, &deletes, &deletes_count);
    if (rc == LH_E_NOT_FOUND)
        return lh_fail(cx, LH_E_CORRUPT, "%s %llu of the %s set is lost",
                       item->merged ? "segment" : "change", (unsigned long long)item->number,
                       set->engine->name);
    LH_TRY(rc);
    if (!segment || segment->rows != item->rows)
        return lh_fail(cx, LH_E_CORRUPT, "segment %llu has other rows than the manifest says",
                       (unsigned long long)item->number);
    if (item->live_first != LHI_ALL_LIVE)
        LH_TRY(get_live(cx, item, words, &live));
    else if (item->live != item->rows)
        return lh_fail(cx, LH_E_CORRUPT, "the bitmap of segment %llu is missing",
                       (unsigned long long)item->number);
    lhi_view_add(view, LH_TAKE(segment), LH_TAKE(live));
    return LH_OK;
}

static lh_rc take_meta(lh_ctx *cx, lh_segset *set, const lhi_manifest_meta *meta, uint64_t number)
{
    if (meta->number != number || meta->next_segment == UINT64_MAX)
        return lh_fail(cx, LH_E_CORRUPT, "its meta section is not that of a manifest");
    LH_TRY(set->engine->shape(cx, set->opts.arg, meta->shape, set->shape));
    set->horizon = meta->horizon;
    set->manifest = meta->number;
    set->next_segment = LH_MAX(meta->next_segment, (uint64_t)1);
    return LH_OK;
}

static lh_rc read_manifest(lh_ctx *cx, lh_segset *set, lh_str bytes, uint64_t number,
                           lh_segset_view **ret_view)
{
    lh_container c;
    lhi_manifest_meta meta;
    lh_str items;
    lh_str words;
    LH_TRY(lh_container_open(cx, bytes, lhi_stored_kind(set, LHI_OBJECT_MANIFEST), &c));
    LH_TRY(lh_container_verify(cx, &c));
    LH_TRY(lhi_get_meta(cx, &c, &meta, sizeof meta));
    LH_TRY(lh_container_get(cx, &c, LH_S("segments"), sizeof(lhi_manifest_item), &items));
    LH_TRY(lh_container_get(cx, &c, LH_S("live"), sizeof(uint64_t), &words));
    LH_TRY(take_meta(cx, set, &meta, number));
    size_t count = items.len / sizeof(lhi_manifest_item);
    const lhi_manifest_item *list = (const lhi_manifest_item *)(const void *)items.ptr;
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = NULL;
    LH_TRY(lhi_view_new(cx, set, count, &view));
    for (size_t i = 0; i < count; i++)
        LH_TRY(open_item(cx, set, &list[i], words, view));
    *ret_view = LH_TAKE(view);
    return LH_OK;
}

lh_rc lhi_manifest_open(lh_ctx *cx, lh_segset *set, uint64_t number, lh_segset_view **ret_view)
{
    LH_CLEANUP(lh_map_close) lh_map map = {{NULL, 0}};
    lh_str name = lhi_object_name(cx, set, LHI_OBJECT_MANIFEST, number);
    if (!name.ptr)
        return cx->err.rc;
    LH_TRY(set->home.map(cx, set->home.arg, name, &map));
    lh_rc rc = read_manifest(cx, set, map.bytes, number, ret_view);
    return rc == LH_E_CORRUPT ? lh_err_prefix(cx, "%.*s", LH_STR_ARG(name)) : rc;
}
