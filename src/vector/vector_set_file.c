/* vector/vector_set_file.c - the stored forms of a set: batches, ids of merged segments, manifests.
 *
 * A batch carries its encoded vector segment as a section: one put makes a change durable and
 * searchable. All are containers, so a bent bit in what is read here is found; vectors and codes
 * are verified when a merge reads them all. */
#include "vector/vector_set_private.h"

#include "base/fault.h"

#include <stdio.h>

#define BATCH_KIND    LH_S("vector-batch")
#define IDS_KIND      LH_S("vector-ids")
#define MANIFEST_KIND LH_S("vector-set")
#define VERSION       1u
enum { DIGITS = 20 };

/* ---- names ---- */

static const struct {
    const char *prefix;
    const char *suffix;
} forms[LHI_OBJECT_KINDS] = {
    [LHI_OBJECT_BATCH] = {"batch-", ".lhb"},
    [LHI_OBJECT_SEGMENT] = {"segment-", ".lhv"},
    [LHI_OBJECT_IDS] = {"segment-", ".lhi"},
    [LHI_OBJECT_MANIFEST] = {"manifest-", ".lhm"},
};

lh_str lhi_object_name(lh_ctx *cx, lhi_object_kind kind, uint64_t number)
{
    return lh_ctx_fmt(cx, "%s%0*llu%s", forms[kind].prefix, (int)DIGITS, (unsigned long long)number,
                      forms[kind].suffix);
}

static int parse_digits(lh_str digits, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (digits.len != DIGITS)
        return 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return 0;
        uint64_t digit = (uint64_t)(digits.ptr[i] - '0');
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return 0;
    }
    *ret_number = number;
    return number > 0 && number < UINT64_MAX;
}

lhi_object_kind lhi_object_parse(lh_str name, uint64_t *ret_number)
{
    for (int kind = 0; kind < (int)LHI_OBJECT_KINDS; kind++) {
        lh_str prefix = lh_str_from(forms[kind].prefix);
        lh_str suffix = lh_str_from(forms[kind].suffix);
        if (name.len == prefix.len + DIGITS + suffix.len && lh_str_starts(name, prefix) &&
            lh_str_ends(name, suffix) &&
            parse_digits(lh_str_sub(name, prefix.len, DIGITS), ret_number))
            return (lhi_object_kind)kind;
    }
    return LHI_OBJECT_KINDS;
}

static lh_rc damaged(lh_ctx *cx, lh_str name)
{
    return lh_err_prefix(cx, "%.*s", LH_STR_ARG(name));
}

static int is_rising(const uint64_t *ids, uint64_t count)
{
    for (uint64_t i = 1; i < count; i++)
        if (ids[i - 1] >= ids[i])
            return 0;
    return 1;
}

/* A section of 64-bit numbers that must rise. */
static lh_rc get_ids(lh_ctx *cx, const lh_container *c, lh_str name, uint64_t count,
                     const uint64_t **ret_ids)
{
    lh_str bytes;
    LH_TRY(lh_container_get(cx, c, name, sizeof(uint64_t), &bytes));
    const uint64_t *ids = (const uint64_t *)(const void *)bytes.ptr;
    if (bytes.len / sizeof(uint64_t) != count || !is_rising(ids, count))
        return lh_fail(cx, LH_E_CORRUPT, "section %.*s is not %llu rising ids", LH_STR_ARG(name),
                       (unsigned long long)count);
    *ret_ids = ids;
    return LH_OK;
}

static lh_rc get_meta(lh_ctx *cx, const lh_container *c, void *out, size_t bytes)
{
    lh_str meta;
    if (c->kind_version != VERSION)
        return lh_fail(cx, LH_E_CORRUPT, "version %u, this program reads %u", c->kind_version,
                       VERSION);
    LH_TRY(lh_container_get(cx, c, LH_S("meta"), (uint32_t)bytes, &meta));
    if (meta.len != bytes)
        return lh_fail(cx, LH_E_CORRUPT, "meta of %zu bytes", meta.len);
    memcpy(out, meta.ptr, bytes);
    return LH_OK;
}

/* ---- batches ---- */

typedef struct batch_fill {
    const lh_vector_set *set;
    const lhi_batch *batch;
} batch_fill;

static lh_rc fill_batch(lh_ctx *cx, lh_container_sink sink, void *arg)
{
    const batch_fill *f = arg;
    const lhi_batch *b = f->batch;
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *w = NULL;
    lhi_batch_meta meta = {b->number, b->rows, b->deletes_count, f->set->opts.build.dimensions,
                           (uint32_t)f->set->opts.build.metric};
    uint64_t bytes;
    LH_TRY(lh_container_writer_new(cx, sink, BATCH_KIND, VERSION, &w));
    LH_TRY(lh_container_add(cx, w, LH_S("meta"), sizeof meta, lh_str_n(&meta, sizeof meta)));
    LH_TRY(lh_container_add(cx, w, LH_S("deletes"), sizeof(uint64_t),
                            lh_str_n(b->deletes, b->deletes_count * sizeof(uint64_t))));
    LH_TRY(lh_container_add(cx, w, LH_S("ids"), sizeof(uint64_t),
                            lh_str_n(b->ids, b->rows * sizeof(uint64_t))));
    if (b->rows > 0)
        LH_TRY(lh_container_add(cx, w, LH_S("index"), 1, b->index));
    return lh_container_finish(cx, w, &bytes);
}

lh_rc lhi_batch_put(lh_ctx *cx, lh_vector_set *set, const lhi_batch *batch)
{
    lh_str name = lhi_object_name(cx, LHI_OBJECT_BATCH, batch->number);
    if (!name.ptr)
        return cx->err.rc;
    batch_fill fill = {set, batch};
    LH_FAULT(cx, VECTOR_SET_BEFORE_BATCH);
    lh_rc rc = set->home.put(cx, set->home.arg, name, fill_batch, &fill);
    if (rc == LH_E_ALREADY_EXISTS) /* two programs on one home: never touch what is not ours */
        set->broken = 1;
    else if (rc != LH_OK)
        lhi_take_back(cx, set, name);
    return rc;
}

/* ---- segments ---- */

static lh_rc new_segment(lh_ctx *cx, lh_vector_set *set, uint64_t number, int merged,
                         lhi_set_segment **ret_segment)
{
    lhi_set_segment *segment = lh_alloc_zero(1, sizeof *segment);
    if (!segment)
        return lh_fail(cx, LH_E_NO_MEMORY, "vector segment");
    atomic_init(&segment->references, 1);
    atomic_init(&segment->obsolete, 0);
    segment->set = set;
    segment->number = number;
    segment->merged = merged;
    *ret_segment = segment;
    return LH_OK;
}

static lh_rc open_index(lh_ctx *cx, lhi_set_segment *segment, lh_str bytes)
{
    const lh_vector_set *set = segment->set;
    lh_vector_stats stats;
    LH_TRY(lh_vector_index_open(cx, bytes, &segment->index));
    lh_vector_index_stats(segment->index, &stats);
    if (stats.rows != segment->rows || stats.dimensions != set->opts.build.dimensions)
        return lh_fail(cx, LH_E_CORRUPT, "its vectors do not fit its ids or the set");
    segment->bytes_mapped = segment->map.bytes.len + segment->ids_map.bytes.len;
    return LH_OK;
}

typedef enum trust { VERIFY, FRESH } trust;

static lh_rc read_batch(lh_ctx *cx, lhi_set_segment *segment, trust how,
                        const uint64_t **ret_deletes, size_t *ret_deletes_count)
{
    const lh_vector_set *set = segment->set;
    lh_container c;
    lhi_batch_meta meta;
    lh_str index;
    LH_TRY(lh_container_open(cx, segment->map.bytes, BATCH_KIND, &c));
    if (how == VERIFY)
        LH_TRY(lh_container_verify(cx, &c));
    LH_TRY(get_meta(cx, &c, &meta, sizeof meta));
    if (meta.number != segment->number || meta.dimensions != set->opts.build.dimensions ||
        meta.metric != (uint32_t)set->opts.build.metric || meta.rows > LH_VECTOR_SET_BATCH_ROWS_MAX)
        return lh_fail(cx, LH_E_CORRUPT, "it is not change %llu of this set",
                       (unsigned long long)segment->number);
    LH_TRY(get_ids(cx, &c, LH_S("ids"), meta.rows, &segment->ids));
    LH_TRY(get_ids(cx, &c, LH_S("deletes"), meta.deletes, ret_deletes));
    segment->rows = meta.rows;
    *ret_deletes_count = (size_t)meta.deletes;
    if (meta.rows == 0)
        return LH_OK;
    LH_TRY(lh_container_get(cx, &c, LH_S("index"), 1, &index));
    return open_index(cx, segment, index);
}

static lh_rc map_batch(lh_ctx *cx, lh_vector_set *set, uint64_t number,
                       lhi_set_segment **ret_segment, lh_str *ret_name)
{
    LH_CLEANUP(lhi_segment_unref) lhi_set_segment *segment = NULL;
    *ret_name = lhi_object_name(cx, LHI_OBJECT_BATCH, number);
    if (!ret_name->ptr)
        return cx->err.rc;
    LH_TRY(new_segment(cx, set, number, 0, &segment));
    lh_assert(segment != NULL);
    LH_TRY(set->home.map(cx, set->home.arg, *ret_name, &segment->map));
    *ret_segment = LH_TAKE(segment);
    return LH_OK;
}

lh_rc lhi_batch_open_fresh(lh_ctx *cx, lh_vector_set *set, uint64_t number,
                           lhi_set_segment **ret_segment)
{
    LH_CLEANUP(lhi_segment_unref) lhi_set_segment *segment = NULL;
    lh_str name;
    const uint64_t *deletes;
    size_t count;
    LH_TRY(map_batch(cx, set, number, &segment, &name));
    lh_assert(segment != NULL);
    if (read_batch(cx, segment, FRESH, &deletes, &count) != LH_OK)
        return damaged(cx, name);
    *ret_segment = LH_TAKE(segment);
    return LH_OK;
}

lh_rc lhi_batch_open(lh_ctx *cx, lh_vector_set *set, uint64_t number, lhi_set_segment **ret_segment,
                     const uint64_t **ret_deletes, size_t *ret_deletes_count)
{
    LH_CLEANUP(lhi_segment_unref) lhi_set_segment *segment = NULL;
    lh_str name;
    const uint64_t *deletes = NULL;
    size_t count = 0;
    LH_TRY(map_batch(cx, set, number, &segment, &name));
    lh_assert(segment != NULL);
    if (read_batch(cx, segment, VERIFY, &deletes, &count) != LH_OK)
        return damaged(cx, name);
    uint64_t *copy = LH_NEW_ARRAY(cx, uint64_t, count + 1);
    if (!copy)
        return cx->err.rc;
    if (count > 0)
        memcpy(copy, deletes, count * sizeof *copy);
    *ret_deletes = copy;
    *ret_deletes_count = count;
    *ret_segment = segment->rows > 0 ? LH_TAKE(segment) : NULL;
    return LH_OK;
}

static lh_rc read_segment(lh_ctx *cx, lhi_set_segment *segment)
{
    lh_container c;
    lh_str ids;
    LH_TRY(lh_container_open(cx, segment->ids_map.bytes, IDS_KIND, &c));
    LH_TRY(lh_container_verify(cx, &c));
    LH_TRY(lh_container_get(cx, &c, LH_S("ids"), sizeof(uint64_t), &ids));
    segment->rows = ids.len / sizeof(uint64_t);
    LH_TRY(get_ids(cx, &c, LH_S("ids"), segment->rows, &segment->ids));
    return open_index(cx, segment, segment->map.bytes);
}

lh_rc lhi_segment_open(lh_ctx *cx, lh_vector_set *set, uint64_t number,
                       lhi_set_segment **ret_segment)
{
    LH_CLEANUP(lhi_segment_unref) lhi_set_segment *segment = NULL;
    lh_str name = lhi_object_name(cx, LHI_OBJECT_SEGMENT, number);
    lh_str ids_name = lhi_object_name(cx, LHI_OBJECT_IDS, number);
    if (!name.ptr || !ids_name.ptr)
        return cx->err.rc;
    LH_TRY(new_segment(cx, set, number, 1, &segment));
    lh_assert(segment != NULL);
    LH_TRY(set->home.map(cx, set->home.arg, name, &segment->map));
    LH_TRY(set->home.map(cx, set->home.arg, ids_name, &segment->ids_map));
    if (read_segment(cx, segment) != LH_OK)
        return damaged(cx, name);
    *ret_segment = LH_TAKE(segment);
    return LH_OK;
}

typedef struct ids_fill {
    const uint64_t *ids;
    size_t count;
} ids_fill;

static lh_rc fill_ids(lh_ctx *cx, lh_container_sink sink, void *arg)
{
    const ids_fill *f = arg;
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *w = NULL;
    uint64_t bytes;
    LH_TRY(lh_container_writer_new(cx, sink, IDS_KIND, VERSION, &w));
    LH_TRY(lh_container_add(cx, w, LH_S("ids"), sizeof(uint64_t),
                            lh_str_n(f->ids, f->count * sizeof(uint64_t))));
    return lh_container_finish(cx, w, &bytes);
}

lh_rc lhi_ids_put(lh_ctx *cx, lh_vector_set *set, uint64_t number, const uint64_t *ids,
                  size_t count)
{
    ids_fill fill = {ids, count};
    lh_str name = lhi_object_name(cx, LHI_OBJECT_IDS, number);
    return name.ptr ? set->home.put(cx, set->home.arg, name, fill_ids, &fill) : cx->err.rc;
}

/* ---- manifests ---- */

typedef struct manifest_fill {
    const lh_vector_view *view;
    lhi_manifest_meta meta;
    lhi_manifest_item *items;
} manifest_fill;

static lh_rc fill_manifest(lh_ctx *cx, lh_container_sink sink, void *arg)
{
    const manifest_fill *f = arg;
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *w = NULL;
    uint64_t bytes;
    LH_TRY(lh_container_writer_new(cx, sink, MANIFEST_KIND, VERSION, &w));
    LH_TRY(
        lh_container_add(cx, w, LH_S("meta"), sizeof f->meta, lh_str_n(&f->meta, sizeof f->meta)));
    LH_TRY(lh_container_add(cx, w, LH_S("segments"), sizeof *f->items,
                            lh_str_n(f->items, f->view->count * sizeof *f->items)));
    LH_TRY(lh_container_section_begin(cx, w, LH_S("live"), sizeof(uint64_t)));
    for (size_t i = 0; i < f->view->count; i++) {
        const lhi_set_live *live = f->view->items[i].live;
        if (live)
            LH_TRY(lh_container_section_write(
                cx, w, lh_str_n(live->words, (size_t)(live->rows / 64 + 1) * sizeof(uint64_t))));
    }
    LH_TRY(lh_container_section_end(cx, w));
    return lh_container_finish(cx, w, &bytes);
}

static lh_rc put_manifest(lh_ctx *cx, lh_vector_set *set, lh_str name, manifest_fill *fill)
{
    LH_TRY(set->home.put(cx, set->home.arg, name, fill_manifest, fill));
    LH_FAULT(cx, VECTOR_SET_AFTER_MANIFEST);
    return LH_OK;
}

lh_rc lhi_manifest_put(lh_ctx *cx, lh_vector_set *set, const lh_vector_view *view, uint64_t number,
                       uint64_t horizon)
{
    manifest_fill fill = {.view = view,
                          .meta = {number, horizon, set->next_segment, set->opts.build.dimensions,
                                   (uint32_t)set->opts.build.metric}};
    fill.items = LH_NEW_ARRAY(cx, lhi_manifest_item, view->count + 1);
    lh_str name = lhi_object_name(cx, LHI_OBJECT_MANIFEST, number);
    if (!fill.items || !name.ptr)
        return cx->err.rc;
    uint64_t words = 0;
    for (size_t i = 0; i < view->count; i++) {
        const lhi_set_item *item = &view->items[i];
        fill.items[i] = (lhi_manifest_item){.number = item->segment->number,
                                            .rows = item->segment->rows,
                                            .live = lhi_item_live_count(item),
                                            .live_first = item->live ? words : LHI_ALL_LIVE,
                                            .merged = (uint32_t)item->segment->merged};
        words += item->live ? item->live->rows / 64 + 1 : 0;
    }
    LH_FAULT(cx, VECTOR_SET_BEFORE_MANIFEST);
    lh_rc rc = put_manifest(cx, set, name, &fill);
    if (rc == LH_E_ALREADY_EXISTS)
        set->broken = 1;
    else if (rc != LH_OK)
        lhi_take_back(cx, set, name);
    return rc;
}

/* The bitmap of an item; its count of live rows must be what the manifest says. */
static lh_rc get_live(lh_ctx *cx, const lhi_manifest_item *item, lh_str words,
                      lhi_set_live **ret_live)
{
    uint64_t have = words.len / sizeof(uint64_t);
    uint64_t need = item->rows / 64 + 1;
    if (item->live_first > have || have - item->live_first < need)
        return lh_fail(cx, LH_E_CORRUPT, "a bitmap lies outside its section");
    LH_CLEANUP(lhi_live_unref) lhi_set_live *live = NULL;
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

static lh_rc open_item(lh_ctx *cx, lh_vector_set *set, const lhi_manifest_item *item, lh_str words,
                       lh_vector_view *view)
{
    LH_CLEANUP(lhi_segment_unref) lhi_set_segment *segment = NULL;
    LH_CLEANUP(lhi_live_unref) lhi_set_live *live = NULL;
    const uint64_t *deletes;
    size_t deletes_count;
    lh_rc rc = item->merged
                   ? lhi_segment_open(cx, set, item->number, &segment)
                   : lhi_batch_open(cx, set, item->number, &segment, &deletes, &deletes_count);
    if (rc == LH_E_NOT_FOUND)
        return lh_fail(cx, LH_E_CORRUPT, "%s %llu of the vector set is lost",
                       item->merged ? "segment" : "change", (unsigned long long)item->number);
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

static lh_rc check_options(lh_ctx *cx, lh_vector_set *set, const lhi_manifest_meta *meta)
{
    if (set->opts.build.dimensions != 0 && set->opts.build.dimensions != meta->dimensions)
        return lh_fail(cx, LH_E_BAD_VALUE, "the vector set has %u dimensions, not %u",
                       meta->dimensions, set->opts.build.dimensions);
    if (set->opts.build.dimensions != 0 && (uint32_t)set->opts.build.metric != meta->metric)
        return lh_fail(cx, LH_E_BAD_VALUE, "the vector set has another metric");
    set->opts.build.dimensions = meta->dimensions;
    set->opts.build.metric = (lh_vector_metric)meta->metric;
    set->horizon = meta->horizon;
    set->manifest = meta->number;
    set->next_segment = LH_MAX(meta->next_segment, (uint64_t)1);
    return LH_OK;
}

static lh_rc read_manifest(lh_ctx *cx, lh_vector_set *set, lh_str bytes, uint64_t number,
                           lh_vector_view **ret_view)
{
    lh_container c;
    lhi_manifest_meta meta;
    lh_str items;
    lh_str words;
    LH_TRY(lh_container_open(cx, bytes, MANIFEST_KIND, &c));
    LH_TRY(lh_container_verify(cx, &c));
    LH_TRY(get_meta(cx, &c, &meta, sizeof meta));
    LH_TRY(lh_container_get(cx, &c, LH_S("segments"), sizeof(lhi_manifest_item), &items));
    LH_TRY(lh_container_get(cx, &c, LH_S("live"), sizeof(uint64_t), &words));
    if (meta.number != number || meta.dimensions == 0 || meta.next_segment == UINT64_MAX ||
        meta.dimensions > LH_VECTOR_DIMENSIONS_MAX || meta.metric > LH_VECTOR_EUCLIDEAN)
        return lh_fail(cx, LH_E_CORRUPT, "its meta section is not that of a manifest");
    LH_TRY(check_options(cx, set, &meta));
    size_t count = items.len / sizeof(lhi_manifest_item);
    const lhi_manifest_item *list = (const lhi_manifest_item *)(const void *)items.ptr;
    LH_CLEANUP(lh_vector_view_unref) lh_vector_view *view = NULL;
    LH_TRY(lhi_view_new(cx, set, count, &view));
    for (size_t i = 0; i < count; i++)
        LH_TRY(open_item(cx, set, &list[i], words, view));
    *ret_view = LH_TAKE(view);
    return LH_OK;
}

lh_rc lhi_manifest_open(lh_ctx *cx, lh_vector_set *set, uint64_t number, lh_vector_view **ret_view)
{
    LH_CLEANUP(lh_map_close) lh_map map = {{NULL, 0}};
    lh_str name = lhi_object_name(cx, LHI_OBJECT_MANIFEST, number);
    if (!name.ptr)
        return cx->err.rc;
    LH_TRY(set->home.map(cx, set->home.arg, name, &map));
    lh_rc rc = read_manifest(cx, set, map.bytes, number, ret_view);
    return rc == LH_E_CORRUPT ? damaged(cx, name) : rc;
}
