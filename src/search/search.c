/* search/search.c - opens all indexes, keeps their current generations, lists them. */
#include "search/search.h"

#include "base/log.h"
#include "search/search_private.h"
#include "search/words_private.h"

#define META_BYTES_MAX (64u * 1024u * 1024u)
#define META_PREFIX    "vectors/meta/"

lhi_generation *lhi_generation_unref(lhi_generation *g)
{
    if (!g)
        return NULL;
    lh_search *retired_from = atomic_load(&g->retired_from); /* g may be gone after the next line */
    unsigned before = atomic_fetch_sub(&g->references, 1);
    if (before == 2 && retired_from) {
        LH_WITH_LOCK(&retired_from->lock);
        lh_cond_broadcast(&retired_from->left);
    }
    if (before != 1)
        return NULL;
    lhi_vectors_unref(g->vectors);
    lh_arena_free(g->arena);
    return lh_free(g);
}

/* An index of before sets gets one, and its meta object says so. */
static lh_rc adopt(lh_ctx *cx, lh_search *search, lhi_generation *g)
{
    lh_store *store = lh_catalog_store(search->parts.catalog);
    g->meta.set_prefix = lhi_set_prefix(cx, &g->meta);
    if (!g->meta.set_prefix.ptr)
        return cx->err.rc;
    LH_TRY(lhi_vectors_adopt(cx, search, &g->meta, &g->vectors));
    g->meta.segment_key = LH_STR_NONE;
    g->meta.chunks_key = LH_STR_NONE;
    return lhi_put_record(cx, store, lhi_meta_key(cx, g->meta.index_name), &lh_index_meta_record,
                          &g->meta);
}

/* Damage is not the caller's failure: the generation says it, and every search of it does. */
static lh_rc open_vectors(lh_ctx *cx, lh_search *search, lhi_generation *g)
{
    if (g->meta.set_prefix.len == 0)
        LH_TRY(adopt(cx, search, g));
    else if (!g->vectors)
        LH_TRY(lhi_vectors_open(cx, search, &g->meta, &g->vectors));
    uint64_t chunks = g->meta.chunks;
    LH_TRY(lhi_vectors_describe(cx, g->vectors, &g->meta));
    if (g->meta.chunks == 0 && chunks > 0)
        return lh_fail(cx, LH_E_CORRUPT, "its vectors are gone");
    return LH_OK;
}

lh_rc lhi_generation_open(lh_ctx *cx, lh_search *search, lh_str meta_json, lhi_vectors *vectors,
                          lhi_generation **ret_generation)
{
    LH_CLEANUP(lhi_generation_unref) lhi_generation *g = lh_alloc_zero(1, sizeof *g);
    if (!g)
        return lh_fail(cx, LH_E_NO_MEMORY, "index generation");
    atomic_init(&g->references, 1);
    if (vectors)
        atomic_fetch_add(&vectors->references, 1);
    g->vectors = vectors;
    g->arena = lh_arena_new(META_BYTES_MAX * 2);
    if (!g->arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "index generation");
    lh_ctx own;
    lh_ctx_init(&own, g->arena);
    lh_str json = lh_ctx_dup(&own, meta_json);
    lh_rc rc =
        json.ptr ? lh_record_parse(&own, &lh_index_meta_record, json, &g->meta) : LH_E_NO_MEMORY;
    if (rc == LH_OK && g->meta.precision.len == 0) { /* of before precisions could be chosen */
        lh_str version = g->meta.model_version;
        size_t end = lh_str_find_char(version, ' ');
        g->meta.precision = lh_str_sub(version, 0, end == LH_STR_NPOS ? version.len : end);
    }
    if (rc == LH_OK)
        rc = open_vectors(&own, search, g);
    if (rc == LH_E_NO_MEMORY)
        return lh_fail(cx, LH_E_NO_MEMORY, "index generation");
    if (rc != LH_OK) {
        g->vectors = lhi_vectors_unref(g->vectors);
        g->meta.damage = lh_ctx_dup(&own, lh_str_from(own.err.message));
        if (g->meta.damage.len == 0)
            g->meta.damage = LH_S("its files cannot be read");
    }
    *ret_generation = LH_TAKE(g);
    return LH_OK;
}

/* Under the lock. */
static lhi_slot *find_slot(lh_search *search, lh_str name)
{
    for (lhi_slot *slot = search->slots; slot; slot = slot->next) {
        if (lh_str_eq(lh_str_from(slot->name), name))
            return slot;
    }
    return NULL;
}

/* Under the lock. */
static lh_rc find_or_add_slot(lh_ctx *cx, lh_search *search, lh_str name, lhi_slot **ret_slot)
{
    lhi_slot **at = &search->slots;
    while (*at && lh_str_cmp(lh_str_from((*at)->name), name) < 0)
        at = &(*at)->next;
    if (!*at || !lh_str_eq(lh_str_from((*at)->name), name)) {
        lhi_slot *slot = lh_alloc_zero(1, sizeof *slot);
        if (!slot || name.len >= sizeof slot->name) {
            lh_free(slot);
            return lh_fail(cx, LH_E_NO_MEMORY, "index '%.*s'", LH_STR_ARG(name));
        }
        memcpy(slot->name, name.ptr, name.len);
        slot->next = *at;
        *at = slot;
    }
    *ret_slot = *at;
    return LH_OK;
}

static lh_rc open_one(lh_ctx *cx, lh_search *search, lh_str key)
{
    lh_store *store = lh_catalog_store(search->parts.catalog);
    lh_str name = lh_str_from_offset(key, sizeof META_PREFIX - 1);
    if (!lh_str_ends(name, LH_S(".json")) || name.len > LH_DATASET_NAME_MAX + 5)
        return LH_OK;
    name.len -= 5;
    lh_str json;
    LH_TRY(lh_store_get(cx, store, key, META_BYTES_MAX, &json));
    LH_CLEANUP(lhi_generation_unref) lhi_generation *g = NULL;
    LH_TRY(lhi_generation_open(cx, search, json, NULL, &g));
    if (!lh_str_eq(g->meta.index_name,
                   name)) { /* a copied or damaged object: the key is what people ask for */
        lh_ctx own;
        lh_ctx_init(&own, g->arena);
        g->meta.index_name = lh_ctx_dup(&own, name);
        g->meta.damage = LH_S("its meta object names another index");
    }
    if (g->meta.damage.len > 0)
        LH_LOG(cx, INDEX_DAMAGED, LH_KS("index", name), LH_KS("message", g->meta.damage));
    LH_WITH_LOCK(&search->lock);
    lhi_slot *slot;
    LH_TRY(find_or_add_slot(cx, search, name, &slot));
    slot->current = LH_TAKE(g);
    return LH_OK;
}

static void on_commit(void *arg, const lh_snapshot *snapshot, lh_str operation)
{
    lh_search *search = arg;
    (void)snapshot;
    (void)operation;
    atomic_fetch_add(&search->commits, 1);
    LH_WITH_LOCK(&search->lock);
    lh_cond_broadcast(&search->committed);
}

lh_rc lh_search_open(lh_ctx *cx, const lh_search_parts *parts, lh_search **ret_search)
{
    lh_search *search = lh_alloc_zero(1, sizeof *search);
    if (!search)
        return lh_fail(cx, LH_E_NO_MEMORY, "search");
    search->parts = *parts;
    lh_mutex_init(&search->lock);
    lh_cond_init(&search->left);
    lh_cond_init(&search->committed);
    lh_object_page page;
    lh_rc rc = lhi_filter_cache_new(cx, parts->settings.filter_cache_bytes, &search->filters);
    if (rc == LH_OK)
        rc = lh_store_list(cx, lh_catalog_store(parts->catalog), LH_S(META_PREFIX), LH_STR_NONE, 0,
                           &page);
    for (size_t i = 0; rc == LH_OK && i < page.count; i++)
        rc = open_one(cx, search, page.items[i].key);
    if (rc == LH_OK)
        rc = lhi_words_open(cx, search);
    if (rc == LH_OK)
        rc = lh_catalog_subscribe(cx, parts->catalog, on_commit, search);
    if (rc != LH_OK) {
        lh_search_close(search);
        return rc;
    }
    *ret_search = search;
    return LH_OK;
}

void lh_search_stop(lh_search *search)
{
    atomic_store(&search->stopping, 1);
}

lh_search *lh_search_close(lh_search *search)
{
    if (!search)
        return NULL;
    while (search->slots) {
        lhi_slot *next = search->slots->next;
        lhi_generation_unref(search->slots->current);
        while (search->slots->retired) {
            lhi_generation *g = search->slots->retired;
            search->slots->retired = g->next_retired;
            lhi_generation_unref(g);
        }
        lh_free(search->slots);
        search->slots = next;
    }
    lhi_words_close(search);
    lhi_filter_cache_free(search->filters);
    lh_cond_done(&search->left);
    lh_cond_done(&search->committed);
    lh_mutex_done(&search->lock);
    return lh_free(search);
}

/* Under the lock. May principal see the dataset behind it? Whoever may not, does not learn that the
 * index exists. */
static int may_see(lh_ctx *cx, lh_search *search, const lhi_generation *g)
{
    lh_snapshot *snapshot = NULL;
    if (lh_catalog_get(cx, search->parts.catalog, g->meta.source, 0, 0, &snapshot) != LH_OK) {
        lh_err_clear(cx);
        /* the dataset is gone: nothing of it can be returned, but the index can be looked at */
        return 1;
    }
    int sees = lh_policy_may_see(search->parts.policy, cx->principal, snapshot);
    lh_snapshot_unref(snapshot);
    return sees;
}

static lh_rc no_such_index(lh_ctx *cx, lh_search *search, lh_str name)
{
    char near[160] = "";
    size_t used = 0;
    for (lhi_slot *slot = search->slots; slot && used < sizeof near - 40; slot = slot->next) {
        lh_str have = lh_str_from(slot->name);
        if (!slot->current || have.len > 30 || !may_see(cx, search, slot->current))
            continue;
        memcpy(near + used, used ? ", " : "", used ? 2 : 0);
        used += used ? 2 : 0;
        memcpy(near + used, have.ptr, have.len);
        used += have.len;
        near[used] = '\0';
    }
    LH_IGNORE(lh_fail(cx, LH_E_NOT_FOUND, "no index '%.*s'", LH_STR_ARG(name)));
    LH_IGNORE(lh_err_field(cx, "index_name"));
    if (used == 0)
        return lh_err_hint(cx, "build one first: POST /vectors/index");
    return lh_err_hint(cx, "indexes are: %s", near);
}

lh_rc lhi_search_ref(lh_ctx *cx, lh_search *search, lh_str index_name,
                     lhi_generation **ret_generation)
{
    LH_WITH_LOCK(&search->lock);
    lhi_slot *slot = find_slot(search, index_name);
    if (!slot || !slot->current || !may_see(cx, search, slot->current)) {
        if (slot && slot->building && !slot->current) {
            LH_IGNORE(
                lh_fail(cx, LH_E_CONFLICT, "index '%.*s' is being built", LH_STR_ARG(index_name)));
            return lh_err_hint(cx, "GET /vectors/jobs shows how far it is");
        }
        return no_such_index(cx, search, index_name);
    }
    if (slot->current->meta.damage.len > 0) {
        LH_IGNORE(lh_fail(cx, LH_E_CORRUPT, "index '%.*s': %.*s", LH_STR_ARG(index_name),
                          LH_STR_ARG(slot->current->meta.damage)));
        return lh_err_hint(cx, "build it again: POST /vectors/index");
    }
    atomic_fetch_add(&slot->current->references, 1);
    *ret_generation = slot->current;
    return LH_OK;
}

/* Under the lock. Who reads it goes on; the next collection lets it go. */
static void retire(lh_search *search, lhi_slot *slot, lhi_generation *generation)
{
    if (!generation)
        return;
    generation->next_retired = slot->retired;
    slot->retired = generation;
    atomic_store(&generation->retired_from, search);
}

lh_rc lhi_search_swap(lh_ctx *cx, lh_search *search, lhi_generation *taken)
{
    LH_WITH_LOCK(&search->lock);
    lhi_slot *slot;
    lh_rc rc = find_or_add_slot(cx, search, taken->meta.index_name, &slot);
    if (rc != LH_OK) {
        lhi_generation_unref(taken);
        return rc;
    }
    retire(search, slot, slot->current);
    slot->current = taken;
    return LH_OK;
}

void lhi_search_retire(lh_search *search, lh_str index_name)
{
    LH_WITH_LOCK(&search->lock);
    lhi_slot *slot = find_slot(search, index_name);
    if (!slot)
        return;
    retire(search, slot, slot->current);
    slot->current = NULL;
}

lh_rc lhi_search_begin_build(lh_ctx *cx, lh_search *search, lh_str index_name)
{
    LH_WITH_LOCK(&search->lock);
    lhi_slot *slot;
    LH_TRY(find_or_add_slot(cx, search, index_name, &slot));
    if (slot->building) {
        LH_IGNORE(lh_fail(cx, LH_E_CONFLICT, "index '%.*s' is being built already",
                          LH_STR_ARG(index_name)));
        return lh_err_hint(cx, "wait for its job (GET /vectors/jobs), or cancel it");
    }
    slot->building = 1;
    return LH_OK;
}

void lhi_search_end_build(lh_search *search, lh_str index_name)
{
    LH_WITH_LOCK(&search->lock);
    lhi_slot *slot = find_slot(search, index_name);
    lh_assert(slot && slot->building);
    slot->building = 0;
}

/* With what the set is now: merges go on between refreshes. */
static lh_rc copy_meta(lh_ctx *cx, const lhi_generation *g, lh_index_meta *ret)
{
    const lh_index_meta *from = &g->meta;
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, META_BYTES_MAX);
    LH_TRY(lh_record_append(cx, &lh_index_meta_record, from, &json));
    LH_TRY(lh_record_parse(cx, &lh_index_meta_record, lh_ctx_dup(cx, lh_buf_str(&json)), ret));
    return g->vectors ? lhi_vectors_describe(cx, g->vectors, ret) : LH_OK;
}

lh_rc lh_search_list(lh_ctx *cx, lh_search *search, lh_str source, lh_str model,
                     lh_index_meta **ret_items, size_t *ret_count)
{
    LH_WITH_LOCK(&search->lock);
    size_t count = 0;
    for (lhi_slot *slot = search->slots; slot; slot = slot->next)
        count++;
    lh_index_meta *items = LH_NEW_ARRAY(cx, lh_index_meta, LH_MAX(count, (size_t)1));
    if (!items)
        return cx->err.rc;
    size_t n = 0;
    for (lhi_slot *slot = search->slots; slot; slot = slot->next) {
        const lhi_generation *g = slot->current;
        if (!g || (source.len && !lh_str_eq(source, g->meta.source)) ||
            (model.len && !lh_str_eq(model, g->meta.model_name)) || !may_see(cx, search, g))
            continue;
        LH_TRY(copy_meta(cx, g, &items[n]));
        n++;
    }
    *ret_items = items;
    *ret_count = n;
    return LH_OK;
}

lh_rc lh_search_get(lh_ctx *cx, lh_search *search, lh_str index_name, lh_index_meta *ret_meta)
{
    LH_WITH_LOCK(&search->lock);
    lhi_slot *slot = find_slot(search, index_name);
    if (!slot || !slot->current || !may_see(cx, search, slot->current))
        return no_such_index(cx, search, index_name);
    return copy_meta(cx, slot->current, ret_meta);
}
