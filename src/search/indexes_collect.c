/* search/indexes_collect.c - objects of states that were replaced, abandoned or deleted go once
 * nobody reads them.
 *
 * What stays: whatever the current state of an index names, whatever the plan of a build that is to
 * go on names, and whatever a replaced state names that a search or a refresh still holds.
 * Everything else below the index's prefix is garbage. Objects are shared between generations, so
 * it is they that are counted out, not folders. An index whose own object or plan cannot be read
 * keeps all it has. Runs at the end of every build, after a deletion and once at start, when no
 * build runs; a crash in it leaves less garbage for the next one. */
#include "base/fault.h"
#include "base/log.h"
#include "search/indexes_private.h"
#include "search/search_private.h"

#include <stdlib.h>

#define READERS_WAIT_US 10000000 /* then their objects wait for the next collection */
#define READERS_LOOK_US 50000

typedef struct names {
    lh_str *items;
    size_t count;
    size_t capacity;
} names;

struct lhi_keep {
    names keys; /* sorted once all are there */
    names prefixes;
};

typedef struct collection {
    lhi_indexes *list;
    lh_str index_name;
    lh_str prefix; /* of its objects */
    lhi_keep keep;
    int keep_all;
    lhi_collected done;
} collection;

/* ---- replaced states ---- */

/* Under the lock: takes those nobody else holds out of the slot's list, into *idle. 1: some are
 * still held. */
static int take_idle(lhi_slot *slot, lhi_state **idle)
{
    int held = 0;
    for (lhi_state **at = &slot->retired; *at;) {
        lhi_state *state = *at;
        if (atomic_load(&state->references) > 1) {
            held = 1;
            at = &state->next_retired;
            continue;
        }
        *at = state->next_retired;
        state->next_retired = *idle;
        *idle = state;
    }
    return held;
}

static lhi_slot *slot_of(const collection *c)
{
    lhi_slot *slot = c->list->slots;
    while (slot && !lh_str_eq(lh_str_from(slot->name), c->index_name))
        slot = slot->next;
    return slot;
}

static void wait_for_readers(const collection *c)
{
    lhi_indexes *list = c->list;
    lhi_state *idle = NULL;
    {
        LH_WITH_LOCK(&list->lock);
        lhi_slot *slot = slot_of(c);
        for (int64_t waited = 0; slot && take_idle(slot, &idle); waited += READERS_LOOK_US) {
            if (waited >= READERS_WAIT_US || atomic_load(&list->search->stopping))
                break;
            (void)lh_cond_wait_for(&list->left, &list->lock, READERS_LOOK_US);
        }
    }
    while (idle) {
        lhi_state *next = idle->next_retired;
        lhi_state_unref(idle);
        idle = next;
    }
}

/* ---- what stays ---- */

static lh_rc add_name(lh_ctx *cx, names *to, lh_str name)
{
    if (name.len == 0)
        return LH_OK;
    LH_TRY(lh_ctx_grow(cx, (void **)&to->items, to->count, &to->capacity, sizeof *to->items));
    to->items[to->count] = lh_ctx_dup(cx, name);
    return to->items[to->count++].ptr ? LH_OK : cx->err.rc;
}

lh_rc lhi_keep_key(lh_ctx *cx, lhi_keep *keep, lh_str key)
{
    return add_name(cx, &keep->keys, key);
}

lh_rc lhi_keep_prefix(lh_ctx *cx, lhi_keep *keep, lh_str prefix)
{
    return add_name(cx, &keep->prefixes, prefix);
}

static lh_rc keep_state(lh_ctx *cx, collection *c, const lhi_state *state)
{
    if (state->kind->about(state).damage.len > 0)
        c->keep_all = 1;
    return state->kind->keep(cx, &c->keep, state);
}

static lh_rc keep_states(lh_ctx *cx, collection *c)
{
    LH_WITH_LOCK(&c->list->lock);
    const lhi_slot *slot = slot_of(c);
    if (slot && slot->current)
        LH_TRY(keep_state(cx, c, slot->current));
    for (const lhi_state *state = slot ? slot->retired : NULL; state; state = state->next_retired)
        LH_TRY(keep_state(cx, c, state));
    return LH_OK;
}

static lh_rc keep_plan(lh_ctx *cx, collection *c)
{
    lh_str json;
    lh_store *store = lh_catalog_store(c->list->search->parts.catalog);
    lh_rc rc = lh_store_get(cx, store, lhi_plan_key(cx, c->list->kind, c->index_name),
                            LHI_META_BYTES_MAX, &json);
    if (rc == LH_OK)
        rc = c->list->kind->keep_plan(cx, &c->keep, json);
    if (rc == LH_E_NO_MEMORY)
        return rc;
    c->keep_all |= rc != LH_OK && rc != LH_E_NOT_FOUND;
    lh_err_clear(cx);
    return LH_OK;
}

static int by_text(const void *a, const void *b)
{
    return lh_str_cmp(*(const lh_str *)a, *(const lh_str *)b);
}

/* ---- what goes ---- */

static int stays(const lhi_keep *keep, lh_str key)
{
    for (size_t i = 0; i < keep->prefixes.count; i++)
        if (lh_str_starts(key, keep->prefixes.items[i]))
            return 1;
    return keep->keys.count > 0 && bsearch(&key, keep->keys.items, keep->keys.count,
                                           sizeof *keep->keys.items, by_text) != NULL;
}

static lh_rc remove_rest(lh_ctx *cx, collection *c)
{
    lh_store *store = lh_catalog_store(c->list->search->parts.catalog);
    lh_object_page page;
    LH_TRY(lh_store_list(cx, store, c->prefix, LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        if (stays(&c->keep, page.items[i].key))
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
    names *keys = &c->keep.keys;
    c->prefix = lh_ctx_fmt(cx, "%s%.*s/", c->list->kind->prefix, LH_STR_ARG(c->index_name));
    if (!c->prefix.ptr)
        return cx->err.rc;
    LH_TRY(keep_states(cx, c));
    LH_TRY(keep_plan(cx, c));
    if (c->keep_all)
        return LH_OK;
    if (keys->count > 0)
        qsort(keys->items, keys->count, sizeof *keys->items, by_text);
    return remove_rest(cx, c);
}

lh_rc lhi_indexes_collect(lh_ctx *cx, lhi_indexes *list, lh_str index_name,
                          lhi_collected *ret_collected)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (!arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "collection of index objects");
    lh_ctx own;
    lh_ctx_init_child(&own, arena, cx);
    own.cancel = NULL; /* what is left is not much, and nobody comes back for it soon */
    own.deadline_us = LH_NO_DEADLINE;
    collection c = {.list = list, .index_name = index_name};
    wait_for_readers(&c);
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
static void collect_idle(lh_ctx *cx, lhi_indexes *list, lh_str index_name)
{
    lhi_collected collected;
    if (lhi_indexes_begin_build(cx, list, index_name) == LH_OK) {
        if (lhi_indexes_collect(cx, list, index_name, &collected) != LH_OK)
            LH_LOG(cx, JOB_FAILED, LH_KS("kind", LH_S("collect")), LH_KS("key", index_name),
                   LH_KS("message", lh_str_from(cx->err.message)));
        lhi_indexes_end_build(list, index_name);
    }
    lh_err_clear(cx); /* a build of it runs: it collects at its end */
}

lh_rc lhi_indexes_collect_all(lh_ctx *cx, lhi_indexes *list)
{
    lh_object_page page;
    lh_str last = LH_STR_NONE;
    lh_str prefix = lh_str_from(list->kind->prefix);
    LH_TRY(lh_store_list(cx, lh_catalog_store(list->search->parts.catalog), prefix, LH_STR_NONE, 0,
                         &page));
    for (size_t i = 0; i < page.count; i++) {
        lh_str name = lh_str_from_offset(page.items[i].key, prefix.len);
        size_t end = lh_str_find_char(name, '/');
        if (end == LH_STR_NPOS)
            continue;
        name.len = end;
        if (lh_str_eq(name, last) || lh_str_eq(name, LH_S("meta")) ||
            lh_str_eq(name, LH_S("building")))
            continue;
        collect_idle(cx, list, name);
        last = name;
    }
    return LH_OK;
}
