/* segset/segset_file.c - the stored forms of a set: names, batches, merged segments and their ids.
 *
 * A batch carries its encoded segment as a section: one put makes a change durable and
 * searchable. All are containers, so a bent bit in what is read here is found; what the
 * engine does not check at open is verified when a merge reads it all. */
#include "segset/segset_private.h"

#include "base/fault.h"

#include <stdio.h>

#define VERSION 1u
enum { DIGITS = 20 };

/* ---- names ---- */

static const struct {
    const char *prefix;
    const char *suffix;
} forms[LHI_OBJECT_KINDS] = {
    [LHI_OBJECT_BATCH] = {"batch-", ".lhb"},
    [LHI_OBJECT_SEGMENT] = {"segment-", NULL}, /* the engine's suffix */
    [LHI_OBJECT_IDS] = {"segment-", ".lhi"},
    [LHI_OBJECT_MANIFEST] = {"manifest-", ".lhm"},
};

static const char *suffix_of(const lh_segset *set, lhi_object_kind kind)
{
    return forms[kind].suffix ? forms[kind].suffix : set->engine->suffix;
}

lh_str lhi_object_name(lh_ctx *cx, const lh_segset *set, lhi_object_kind kind, uint64_t number)
{
    return lh_ctx_fmt(cx, "%s%0*llu%s", forms[kind].prefix, (int)DIGITS, (unsigned long long)number,
                      suffix_of(set, kind));
}

lh_rc lhi_object_remove(lh_ctx *cx, lh_segset *set, lhi_object_kind kind, uint64_t number)
{
    lh_str name = lhi_object_name(cx, set, kind, number);
    LH_FAULT(cx, SEGSET_BEFORE_REMOVE);
    return name.ptr ? set->home.remove(cx, set->home.arg, name) : cx->err.rc;
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

lhi_object_kind lhi_object_parse(const lh_segset *set, lh_str name, uint64_t *ret_number)
{
    for (int kind = 0; kind < (int)LHI_OBJECT_KINDS; kind++) {
        lh_str prefix = lh_str_from(forms[kind].prefix);
        lh_str suffix = lh_str_from(suffix_of(set, (lhi_object_kind)kind));
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

lh_rc lhi_get_meta(lh_ctx *cx, const lh_container *c, void *out, size_t bytes)
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
    const lh_segset *set;
    const lhi_batch *batch;
} batch_fill;

static lh_rc fill_batch(lh_ctx *cx, lh_container_sink sink, void *arg)
{
    const batch_fill *f = arg;
    const lhi_batch *b = f->batch;
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *w = NULL;
    lhi_batch_meta meta = {
        b->number, b->rows, b->deletes_count, {f->set->shape[0], f->set->shape[1]}};
    uint64_t bytes;
    LH_TRY(
        lh_container_writer_new(cx, sink, lhi_stored_kind(f->set, LHI_OBJECT_BATCH), VERSION, &w));
    LH_TRY(lh_container_add(cx, w, LH_S("meta"), sizeof meta, lh_str_n(&meta, sizeof meta)));
    LH_TRY(lh_container_add(cx, w, LH_S("deletes"), sizeof(uint64_t),
                            lh_str_n(b->deletes, b->deletes_count * sizeof(uint64_t))));
    LH_TRY(lh_container_add(cx, w, LH_S("ids"), sizeof(uint64_t),
                            lh_str_n(b->ids, b->rows * sizeof(uint64_t))));
    if (b->rows > 0)
        LH_TRY(lh_container_add(cx, w, LH_S("index"), 1, b->index));
    return lh_container_finish(cx, w, &bytes);
}

lh_rc lhi_batch_put(lh_ctx *cx, lh_segset *set, const lhi_batch *batch)
{
    lh_str name = lhi_object_name(cx, set, LHI_OBJECT_BATCH, batch->number);
    if (!name.ptr)
        return cx->err.rc;
    batch_fill fill = {set, batch};
    LH_FAULT(cx, SEGSET_BEFORE_BATCH);
    lh_rc rc = set->home.put(cx, set->home.arg, name, fill_batch, &fill);
    if (rc == LH_E_ALREADY_EXISTS) /* two programs on one home: never touch what is not ours */
        set->broken = 1;
    else if (rc != LH_OK)
        lhi_take_back(cx, set, name);
    return rc;
}

/* ---- segments ---- */

static lh_rc new_segment(lh_ctx *cx, lh_segset *set, uint64_t number, int merged,
                         lhi_segment **ret_segment)
{
    lhi_segment *segment = lh_alloc_zero(1, sizeof *segment);
    if (!segment)
        return lh_fail(cx, LH_E_NO_MEMORY, "%s segment", set->engine->name);
    atomic_init(&segment->references, 1);
    atomic_init(&segment->obsolete, 0);
    segment->set = set;
    segment->number = number;
    segment->merged = merged;
    *ret_segment = segment;
    return LH_OK;
}

static lh_rc open_index(lh_ctx *cx, lhi_segment *segment, lh_str bytes)
{
    const lh_segset *set = segment->set;
    LH_TRY(set->engine->open(cx, set->opts.arg, bytes, segment->rows, &segment->index));
    segment->bytes_mapped = segment->map.bytes.len + segment->ids_map.bytes.len;
    return LH_OK;
}

typedef enum trust { VERIFY, FRESH } trust;

static lh_rc read_batch(lh_ctx *cx, lhi_segment *segment, trust how, const uint64_t **ret_deletes,
                        size_t *ret_deletes_count)
{
    const lh_segset *set = segment->set;
    lh_container c;
    lhi_batch_meta meta;
    lh_str index;
    LH_TRY(lh_container_open(cx, segment->map.bytes, lhi_stored_kind(set, LHI_OBJECT_BATCH), &c));
    if (how == VERIFY)
        LH_TRY(lh_container_verify(cx, &c));
    LH_TRY(lhi_get_meta(cx, &c, &meta, sizeof meta));
    if (meta.number != segment->number || meta.shape[0] != set->shape[0] ||
        meta.shape[1] != set->shape[1] || meta.rows > LH_SEGSET_BATCH_ROWS_MAX)
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

static lh_rc map_batch(lh_ctx *cx, lh_segset *set, uint64_t number, lhi_segment **ret_segment,
                       lh_str *ret_name)
{
    LH_CLEANUP(lhi_segment_unref) lhi_segment *segment = NULL;
    *ret_name = lhi_object_name(cx, set, LHI_OBJECT_BATCH, number);
    if (!ret_name->ptr)
        return cx->err.rc;
    LH_TRY(new_segment(cx, set, number, 0, &segment));
    lh_assert(segment != NULL);
    LH_TRY(set->home.map(cx, set->home.arg, *ret_name, &segment->map));
    *ret_segment = LH_TAKE(segment);
    return LH_OK;
}

lh_rc lhi_batch_open_fresh(lh_ctx *cx, lh_segset *set, uint64_t number, lhi_segment **ret_segment)
{
    LH_CLEANUP(lhi_segment_unref) lhi_segment *segment = NULL;
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

lh_rc lhi_batch_open(lh_ctx *cx, lh_segset *set, uint64_t number, lhi_segment **ret_segment,
                     const uint64_t **ret_deletes, size_t *ret_deletes_count)
{
    LH_CLEANUP(lhi_segment_unref) lhi_segment *segment = NULL;
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

static lh_rc read_segment(lh_ctx *cx, lhi_segment *segment)
{
    lh_container c;
    lh_str ids;
    LH_TRY(lh_container_open(cx, segment->ids_map.bytes,
                             lhi_stored_kind(segment->set, LHI_OBJECT_IDS), &c));
    LH_TRY(lh_container_verify(cx, &c));
    LH_TRY(lh_container_get(cx, &c, LH_S("ids"), sizeof(uint64_t), &ids));
    segment->rows = ids.len / sizeof(uint64_t);
    LH_TRY(get_ids(cx, &c, LH_S("ids"), segment->rows, &segment->ids));
    return open_index(cx, segment, segment->map.bytes);
}

lh_rc lhi_segment_open(lh_ctx *cx, lh_segset *set, uint64_t number, lhi_segment **ret_segment)
{
    LH_CLEANUP(lhi_segment_unref) lhi_segment *segment = NULL;
    lh_str name = lhi_object_name(cx, set, LHI_OBJECT_SEGMENT, number);
    lh_str ids_name = lhi_object_name(cx, set, LHI_OBJECT_IDS, number);
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
    const lh_segset *set;
    const uint64_t *ids;
    size_t count;
} ids_fill;

static lh_rc fill_ids(lh_ctx *cx, lh_container_sink sink, void *arg)
{
    const ids_fill *f = arg;
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *w = NULL;
    uint64_t bytes;
    LH_TRY(lh_container_writer_new(cx, sink, lhi_stored_kind(f->set, LHI_OBJECT_IDS), VERSION, &w));
    LH_TRY(lh_container_add(cx, w, LH_S("ids"), sizeof(uint64_t),
                            lh_str_n(f->ids, f->count * sizeof(uint64_t))));
    return lh_container_finish(cx, w, &bytes);
}

lh_rc lhi_ids_put(lh_ctx *cx, lh_segset *set, uint64_t number, const uint64_t *ids, size_t count)
{
    ids_fill fill = {set, ids, count};
    lh_str name = lhi_object_name(cx, set, LHI_OBJECT_IDS, number);
    return name.ptr ? set->home.put(cx, set->home.arg, name, fill_ids, &fill) : cx->err.rc;
}
