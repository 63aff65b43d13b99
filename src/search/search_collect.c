/* search/search_collect.c - objects of generations that were replaced, abandoned or deleted go once
 * nobody reads them.
 *
 * What stays: whatever the current generation of an index names, whatever the plan of a build that
 * is to go on names, and whatever a replaced generation names that a search or a refresh still
 * holds. Everything else below the index's prefix is garbage. Parts are shared between generations,
 * so it is objects that are counted out, not folders. An index whose own object or plan cannot be
 * read keeps all it has. Runs at the end of every build, after a deletion and once at start, when
 * no build runs; a crash in it leaves less garbage for the next one. */
#include "base/fault.h"
#include "base/log.h"
#include "search/search_private.h"

#include <stdlib.h>

#define PLAN_BYTES_MAX  (64u * 1024u * 1024u)
#define PREFIX          "vectors/"
#define META_PREFIX     "vectors/meta/"
#define PLAN_PREFIX     "vectors/building/"
#define READERS_WAIT_US 10000000 /* then their objects wait for the next collection */
#define READERS_LOOK_US 50000

typedef struct collection {
    lh_search *search;
    lh_str index_name;
    lh_str *keep; /* keys, sorted */
    size_t keep_count;
    size_t keep_capacity;
    lh_str *prefixes; /* of sets */
    size_t prefixes_count;
    size_t prefixes_capacity;
    lh_str *whole; /* indexes that keep all they have */
    size_t whole_count;
    size_t whole_capacity;
    lhi_collected done;
} collection;

/* ---- replaced generations ---- */

/* Under the lock: takes those nobody else holds out of the slot's list, into *idle. 1: some are
 * still held. */
static int take_idle(lhi_slot *slot, lhi_generation **idle)
{
    int held = 0;
    for (lhi_generation **at = &slot->retired; *at;) {
        lhi_generation *g = *at;
        if (atomic_load(&g->references) > 1) {
            held = 1;
            at = &g->next_retired;
            continue;
        }
        *at = g->next_retired;
        g->next_retired = *idle;
        *idle = g;
    }
    return held;
}

static void wait_for_readers(lh_search *search, lh_str index_name)
{
    lhi_generation *idle = NULL;
    {
        LH_WITH_LOCK(&search->lock);
        for (int64_t waited = 0;; waited += READERS_LOOK_US) {
            int held = 0;
            for (lhi_slot *slot = search->slots; slot; slot = slot->next)
                if (lh_str_eq(lh_str_from(slot->name), index_name))
                    held |= take_idle(slot, &idle);
            if (!held || waited >= READERS_WAIT_US || atomic_load(&search->stopping))
                break;
            (void)lh_cond_wait_for(&search->left, &search->lock, READERS_LOOK_US);
        }
    }
    while (idle) {
        lhi_generation *next = idle->next_retired;
        lhi_generation_unref(idle);
        idle = next;
    }
}

/* ---- what stays ---- */

static lh_rc keep_key(lh_ctx *cx, collection *c, lh_str key)
{
    if (key.len == 0)
        return LH_OK;
    LH_TRY(lh_ctx_grow(cx, (void **)&c->keep, c->keep_count, &c->keep_capacity, sizeof *c->keep));
    c->keep[c->keep_count] = lh_ctx_dup(cx, key);
    return c->keep[c->keep_count++].ptr ? LH_OK : cx->err.rc;
}

static lh_rc keep_prefix(lh_ctx *cx, collection *c, lh_str prefix)
{
    if (prefix.len == 0)
        return LH_OK;
    LH_TRY(lh_ctx_grow(cx, (void **)&c->prefixes, c->prefixes_count, &c->prefixes_capacity,
                       sizeof *c->prefixes));
    c->prefixes[c->prefixes_count] = lh_ctx_dup(cx, prefix);
    return c->prefixes[c->prefixes_count++].ptr ? LH_OK : cx->err.rc;
}

static lh_rc keep_parts(lh_ctx *cx, collection *c, const lh_list *list)
{
    const lh_index_part *parts = list->items;
    for (size_t i = 0; i < list->count; i++)
        LH_TRY(keep_key(cx, c, parts[i].key));
    return LH_OK;
}

static lh_rc keep_whole(lh_ctx *cx, collection *c, lh_str index_name)
{
    LH_TRY(
        lh_ctx_grow(cx, (void **)&c->whole, c->whole_count, &c->whole_capacity, sizeof *c->whole));
    c->whole[c->whole_count] = lh_ctx_dup(cx, index_name);
    return c->whole[c->whole_count++].ptr ? LH_OK : cx->err.rc;
}

static lh_rc keep_generation(lh_ctx *cx, collection *c, const lhi_generation *g)
{
    const lh_index_meta *meta = &g->meta;
    if (meta->damage.len > 0)
        LH_TRY(keep_whole(cx, c, meta->index_name));
    LH_TRY(keep_parts(cx, c, &meta->parts));
    LH_TRY(keep_key(cx, c, meta->dead_key));
    LH_TRY(keep_prefix(cx, c, meta->set_prefix));
    LH_TRY(keep_key(cx, c, meta->segment_key));
    return keep_key(cx, c, meta->chunks_key);
}

static lh_rc keep_generations(lh_ctx *cx, collection *c)
{
    LH_WITH_LOCK(&c->search->lock);
    for (lhi_slot *slot = c->search->slots; slot; slot = slot->next) {
        if (slot->current)
            LH_TRY(keep_generation(cx, c, slot->current));
        for (const lhi_generation *g = slot->retired; g; g = g->next_retired)
            LH_TRY(keep_generation(cx, c, g));
    }
    return LH_OK;
}

static lh_rc keep_plans(lh_ctx *cx, collection *c)
{
    lh_store *store = lh_catalog_store(c->search->parts.catalog);
    lh_object_page page;
    LH_TRY(lh_store_list(cx, store, LH_S(PLAN_PREFIX), LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        lh_str json;
        lhi_plan plan;
        lh_str key = page.items[i].key;
        lh_rc rc = lh_store_get(cx, store, key, PLAN_BYTES_MAX, &json);
        if (rc == LH_E_NOT_FOUND) { /* a build that ended since */
            lh_err_clear(cx);
            continue;
        }
        if (rc == LH_OK)
            rc = lh_record_parse(cx, &lhi_plan_record, json, &plan);
        if (rc == LH_OK) {
            LH_TRY(keep_parts(cx, c, &plan.parts));
            continue;
        }
        lh_str name = lh_str_from_offset(key, sizeof PLAN_PREFIX - 1);
        LH_TRY(keep_whole(cx, c, lh_str_sub(name, 0, name.len - LH_MIN(name.len, (size_t)5))));
        lh_err_clear(cx);
    }
    return LH_OK;
}

static int by_text(const void *a, const void *b)
{
    return lh_str_cmp(*(const lh_str *)a, *(const lh_str *)b);
}

/* ---- what goes ---- */

static int stays(const collection *c, lh_str key)
{
    if (lh_str_starts(key, LH_S(META_PREFIX)) || lh_str_starts(key, LH_S(PLAN_PREFIX)))
        return 1;
    lh_str name = lh_str_from_offset(key, sizeof PREFIX - 1);
    name.len = LH_MIN(name.len, lh_str_find_char(name, '/'));
    for (size_t i = 0; i < c->whole_count; i++)
        if (lh_str_eq(c->whole[i], name))
            return 1;
    for (size_t i = 0; i < c->prefixes_count; i++)
        if (lh_str_starts(key, c->prefixes[i]))
            return 1;
    return c->keep_count > 0 &&
           bsearch(&key, c->keep, c->keep_count, sizeof *c->keep, by_text) != NULL;
}

static lh_rc remove_rest(lh_ctx *cx, collection *c)
{
    lh_store *store = lh_catalog_store(c->search->parts.catalog);
    lh_object_page page;
    lh_str prefix = lh_ctx_fmt(cx, PREFIX "%.*s/", LH_STR_ARG(c->index_name));
    if (!prefix.ptr)
        return cx->err.rc;
    LH_TRY(lh_store_list(cx, store, prefix, LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        if (stays(c, page.items[i].key))
            continue;
        LH_FAULT(cx, INDEX_IN_COLLECT);
        LH_TRY(lh_store_delete(cx, store, page.items[i].key));
        c->done.objects++;
        c->done.bytes += page.items[i].bytes;
    }
    return LH_OK;
}

static lh_rc collect(lh_ctx *cx, collection *c)
{
    LH_TRY(keep_generations(cx, c));
    LH_TRY(keep_plans(cx, c));
    if (c->keep_count > 0)
        qsort(c->keep, c->keep_count, sizeof *c->keep, by_text);
    return remove_rest(cx, c);
}

lh_rc lhi_search_collect(lh_ctx *cx, lh_search *search, lh_str index_name,
                         lhi_collected *ret_collected)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (!arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "collection of index objects");
    lh_ctx own;
    lh_ctx_init_child(&own, arena, cx);
    own.cancel = NULL; /* what is left is not much, and nobody comes back for it soon */
    own.deadline_us = LH_NO_DEADLINE;
    collection c = {.search = search, .index_name = index_name};
    wait_for_readers(search, index_name);
    lh_rc rc = collect(&own, &c);
    if (c.done.objects > 0)
        LH_LOG(&own, INDEX_COLLECTED, LH_KS("index", index_name), LH_KI("objects", c.done.objects),
               LH_KI("bytes", c.done.bytes));
    *ret_collected = c.done;
    if (rc != LH_OK)
        cx->err = own.err;
    return rc;
}

/* Under the flag of a build, so that no build publishes what its plan does not name yet. */
static void collect_idle(lh_ctx *cx, lh_search *search, lh_str index_name)
{
    lhi_collected collected;
    if (lhi_search_begin_build(cx, search, index_name) == LH_OK) {
        if (lhi_search_collect(cx, search, index_name, &collected) != LH_OK)
            LH_LOG(cx, JOB_FAILED, LH_KS("kind", LH_S("collect")), LH_KS("key", index_name),
                   LH_KS("message", lh_str_from(cx->err.message)));
        lhi_search_end_build(search, index_name);
    }
    lh_err_clear(cx); /* a build of it runs: it collects at its end */
}

lh_rc lhi_search_collect_all(lh_ctx *cx, lh_search *search)
{
    lh_object_page page;
    lh_str last = LH_STR_NONE;
    LH_TRY(lh_store_list(cx, lh_catalog_store(search->parts.catalog), LH_S(PREFIX), LH_STR_NONE, 0,
                         &page));
    for (size_t i = 0; i < page.count; i++) {
        lh_str key = page.items[i].key;
        lh_str name = lh_str_from_offset(key, sizeof PREFIX - 1);
        size_t end = lh_str_find_char(name, '/');
        if (end == LH_STR_NPOS || lh_str_starts(key, LH_S(META_PREFIX)) ||
            lh_str_starts(key, LH_S(PLAN_PREFIX)))
            continue;
        name.len = end;
        if (!lh_str_eq(name, last))
            collect_idle(cx, search, name);
        last = name;
    }
    return LH_OK;
}

lh_rc lh_search_delete(lh_ctx *cx, lh_search *search, lh_str index_name,
                       lh_index_deleted *ret_deleted)
{
    lh_store *store = lh_catalog_store(search->parts.catalog);
    lh_index_meta meta;
    LH_TRY(lh_search_get(cx, search, index_name, &meta));
    LH_TRY(lhi_search_begin_build(cx, search, index_name));
    lh_rc rc = lh_store_delete(cx, store, lhi_meta_key(cx, index_name));
    lhi_collected collected = {0};
    if (rc == LH_OK) {
        lhi_search_retire(search, index_name);
        rc = lh_store_delete(cx, store, lhi_plan_key(cx, index_name));
    }
    if (rc == LH_OK) /* the index is gone; objects that cannot go now go at the next start */
        LH_IGNORE(lhi_search_collect(cx, search, index_name, &collected));
    lhi_search_end_build(search, index_name);
    if (rc == LH_OK)
        *ret_deleted = (lh_index_deleted){.index_name = meta.index_name,
                                          .generation = meta.generation,
                                          .objects = collected.objects,
                                          .bytes = collected.bytes};
    return rc;
}
