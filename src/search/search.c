/* search/search.c - generations of vectors as a kind of index; opens and closes what searches. */
#include "search/search.h"

#include "search/search_private.h"
#include "search/words_private.h"

/* ---- generations ---- */

static lhi_generation *generation_of(lhi_state *state)
{
    return (lhi_generation *)state; /* its first member */
}

lhi_generation *lhi_generation_unref(lhi_generation *g)
{
    if (g)
        lhi_state_unref(&g->state);
    return NULL;
}

static void free_generation(lhi_state *state)
{
    lhi_generation *g = generation_of(state);
    lhi_vectors_unref(g->vectors);
    lh_arena_free(g->arena);
    lh_free(g);
}

static lhi_about about(const lhi_state *state)
{
    const lh_index_meta *meta = &((const lhi_generation *)state)->meta;
    return (lhi_about){meta->index_name, meta->source, meta->source_fingerprint, meta->generation,
                       meta->damage};
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
    return lhi_put_record(cx, store, lhi_meta_key(cx, &lhi_vector_kind, g->meta.index_name),
                          &lh_index_meta_record, &g->meta);
}

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

static lh_rc new_generation(lh_ctx *cx, lhi_generation **ret)
{
    lhi_generation *g = lh_alloc_zero(1, sizeof *g);
    lh_arena *arena = lh_arena_new(LHI_META_BYTES_MAX * 2);
    if (!g || !arena) {
        lh_arena_free(arena);
        lh_free(g);
        return lh_fail(cx, LH_E_NO_MEMORY, "index generation");
    }
    lhi_state_init(&g->state, &lhi_vector_kind);
    g->arena = arena;
    *ret = g;
    return LH_OK;
}

static lh_rc parse_meta(lh_ctx *cx, lh_str json, lh_index_meta *ret)
{
    lh_str copy = lh_ctx_dup(cx, json);
    if (!copy.ptr)
        return cx->err.rc;
    LH_TRY(lh_record_parse(cx, &lh_index_meta_record, copy, ret));
    if (ret->precision.len == 0) { /* of before precisions could be chosen */
        lh_str version = ret->model_version;
        size_t end = lh_str_find_char(version, ' ');
        ret->precision = lh_str_sub(version, 0, end == LH_STR_NPOS ? version.len : end);
    }
    return LH_OK;
}

lh_rc lhi_generation_open(lh_ctx *cx, lh_search *search, lh_str meta_json, lhi_vectors *vectors,
                          lhi_generation **ret_generation)
{
    LH_CLEANUP(lhi_generation_unref) lhi_generation *g = NULL;
    LH_TRY(new_generation(cx, &g));
    if (vectors)
        atomic_fetch_add(&vectors->references, 1);
    g->vectors = vectors;
    lh_ctx own;
    lh_ctx_init(&own, g->arena);
    lh_rc rc = parse_meta(&own, meta_json, &g->meta);
    if (rc == LH_OK)
        rc = open_vectors(&own, search, g);
    if (rc != LH_OK) {
        cx->err = own.err;
        return rc;
    }
    *ret_generation = LH_TAKE(g);
    return LH_OK;
}

static lh_rc open_state(lh_ctx *cx, lh_search *search, lh_str meta_json, lhi_state **ret_state)
{
    lhi_generation *g = NULL;
    LH_TRY(lhi_generation_open(cx, search, meta_json, NULL, &g));
    *ret_state = &g->state;
    return LH_OK;
}

static lh_rc damaged_state(lh_ctx *cx, lh_str index_name, lh_str meta_json, lh_str why,
                           lhi_state **ret_state)
{
    LH_CLEANUP(lhi_generation_unref) lhi_generation *g = NULL;
    LH_TRY(new_generation(cx, &g));
    lh_ctx own;
    lh_ctx_init(&own, g->arena);
    if (parse_meta(&own, meta_json, &g->meta) != LH_OK) {
        lh_err_clear(&own);
        LH_TRY(lh_record_defaults(cx, &lh_index_meta_record, &g->meta));
    }
    g->meta.index_name = lh_ctx_dup(&own, index_name);
    g->meta.damage = lh_ctx_dup(&own, why);
    if (!g->meta.index_name.ptr || !g->meta.damage.ptr)
        return lh_fail(cx, LH_E_NO_MEMORY, "index generation");
    *ret_state = &LH_TAKE(g)->state;
    return LH_OK;
}

static lh_rc keep_parts(lh_ctx *cx, lhi_keep *keep, const lh_list *list)
{
    const lh_index_part *parts = list->items;
    for (size_t i = 0; i < list->count; i++)
        LH_TRY(lhi_keep_key(cx, keep, parts[i].key));
    return LH_OK;
}

static lh_rc keep_generation(lh_ctx *cx, lhi_keep *keep, const lhi_state *state)
{
    const lh_index_meta *meta = &((const lhi_generation *)state)->meta;
    LH_TRY(keep_parts(cx, keep, &meta->parts));
    LH_TRY(lhi_keep_key(cx, keep, meta->dead_key));
    LH_TRY(lhi_keep_prefix(cx, keep, meta->set_prefix));
    LH_TRY(lhi_keep_key(cx, keep, meta->segment_key));
    return lhi_keep_key(cx, keep, meta->chunks_key);
}

static lh_rc keep_plan(lh_ctx *cx, lhi_keep *keep, lh_str plan_json)
{
    lhi_plan plan;
    LH_TRY(lh_record_parse(cx, &lhi_plan_record, plan_json, &plan));
    return keep_parts(cx, keep, &plan.parts);
}

const lhi_index_kind lhi_vector_kind = {.noun = "index",
                                        .to_build = "POST /vectors/index",
                                        .to_follow = "GET /vectors/jobs",
                                        .job = "index",
                                        .prefix = "vectors/",
                                        .about = about,
                                        .free = free_generation,
                                        .open = open_state,
                                        .damaged = damaged_state,
                                        .keep = keep_generation,
                                        .keep_plan = keep_plan,
                                        .resume = lhi_plan_resume};

/* ---- open and close ---- */

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
    lh_cond_init(&search->committed);
    lhi_indexes_init(&search->vectors, &lhi_vector_kind, search);
    lhi_indexes_init(&search->texts, &lhi_text_kind, search);
    lh_rc rc = lhi_filter_cache_new(cx, parts->settings.filter_cache_bytes, &search->filters);
    if (rc == LH_OK)
        rc = lhi_indexes_open(cx, &search->vectors);
    if (rc == LH_OK)
        rc = lhi_indexes_open(cx, &search->texts);
    if (rc == LH_OK)
        rc = lh_catalog_subscribe(cx, parts->catalog, on_commit, search);
    if (rc != LH_OK) {
        lh_search_close(search);
        return rc;
    }
    *ret_search = search;
    return LH_OK;
}

lh_rc lh_search_resume(lh_ctx *cx, lh_search *search, const struct lh_principal *principal)
{
    lhi_kept_collect(cx, search);
    LH_TRY(lhi_indexes_resume(cx, &search->vectors, principal));
    return lhi_indexes_resume(cx, &search->texts, principal);
}

void lh_search_stop(lh_search *search)
{
    atomic_store(&search->stopping, 1);
}

lh_search *lh_search_close(lh_search *search)
{
    if (!search)
        return NULL;
    lhi_indexes_done(&search->vectors);
    lhi_indexes_done(&search->texts);
    lhi_filter_cache_free(search->filters);
    lh_cond_done(&search->committed);
    lh_mutex_done(&search->lock);
    return lh_free(search);
}

/* ---- what people see ---- */

lh_rc lhi_search_ref(lh_ctx *cx, lh_search *search, lh_str index_name,
                     lhi_generation **ret_generation)
{
    lhi_state *state = NULL;
    LH_TRY(lhi_indexes_ref(cx, &search->vectors, index_name, &state));
    *ret_generation = generation_of(state);
    return LH_OK;
}

/* With what the set is now: merges go on between refreshes. */
static lh_rc show(lh_ctx *cx, void *arg, const lhi_state *state)
{
    const lhi_generation *g = (const lhi_generation *)state;
    lh_index_meta *ret = arg;
    LH_TRY(lh_record_copy(cx, &lh_index_meta_record, &g->meta, ret));
    return g->vectors ? lhi_vectors_describe(cx, g->vectors, ret) : LH_OK;
}

typedef struct listing {
    lh_str model;
    lh_index_meta *items;
    size_t count;
    size_t capacity;
} listing;

static lh_rc add_shown(lh_ctx *cx, void *arg, const lhi_state *state)
{
    listing *l = arg;
    if (l->model.len > 0 && !lh_str_eq(l->model, ((const lhi_generation *)state)->meta.model_name))
        return LH_OK;
    LH_TRY(lh_ctx_grow(cx, (void **)&l->items, l->count, &l->capacity, sizeof *l->items));
    return show(cx, &l->items[l->count++], state);
}

lh_rc lh_search_list(lh_ctx *cx, lh_search *search, lh_str source, lh_str model,
                     lh_index_meta **ret_items, size_t *ret_count)
{
    listing l = {.model = model};
    LH_TRY(lhi_indexes_each(cx, &search->vectors, source, add_shown, &l));
    *ret_items = l.items;
    *ret_count = l.count;
    return LH_OK;
}

lh_rc lh_search_get(lh_ctx *cx, lh_search *search, lh_str index_name, lh_index_meta *ret_meta)
{
    return lhi_indexes_show(cx, &search->vectors, index_name, show, ret_meta);
}

lh_rc lh_search_delete(lh_ctx *cx, lh_search *search, lh_str index_name,
                       lh_index_deleted *ret_deleted)
{
    return lhi_indexes_delete(cx, &search->vectors, index_name, ret_deleted);
}
