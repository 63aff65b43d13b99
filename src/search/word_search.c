/* search/word_search.c - text indexes as a kind of index: a state is a meta object and the segment
 * set its documents live in, which later states share: a refresh changes the set and then says in
 * the meta object how far it is. */
#include "search/words_private.h"

/* ---- states ---- */

lhi_words_state *lhi_words_state_unref(lhi_words_state *s)
{
    if (s)
        lhi_state_unref(&s->state);
    return NULL;
}

static void free_state(lhi_state *state)
{
    lhi_words_state *s = (lhi_words_state *)state; /* its first member */
    lhi_words_set_unref(s->set);
    lh_arena_free(s->arena);
    lh_free(s);
}

static lhi_about about(const lhi_state *state)
{
    const lh_words_meta *meta = &((const lhi_words_state *)state)->meta;
    return (lhi_about){meta->index_name, meta->source, meta->source_fingerprint, meta->generation,
                       meta->damage};
}

lh_rc lhi_words_state_new(lh_ctx *cx, const lh_words_meta *meta, lhi_words_set *taken,
                          lhi_words_state **ret_state)
{
    LH_CLEANUP(lhi_words_set_unref) lhi_words_set *set = taken;
    lhi_words_state *made = lh_alloc_zero(1, sizeof *made);
    if (!made)
        return lh_fail(cx, LH_E_NO_MEMORY, "text index");
    lhi_state_init(&made->state, &lhi_text_kind);
    LH_CLEANUP(lhi_words_state_unref) lhi_words_state *s = made;
    s->set = LH_TAKE(set);
    s->arena = lh_arena_new(0);
    if (!s->arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "text index");
    lh_ctx own;
    lh_ctx_init(&own, s->arena);
    lh_rc rc = lh_record_copy(&own, &lh_words_meta_record, meta, &s->meta);
    if (rc != LH_OK) {
        cx->err = own.err;
        return rc;
    }
    *ret_state = LH_TAKE(s);
    return LH_OK;
}

static lh_rc open_state(lh_ctx *cx, lh_search *search, lh_str meta_json, lhi_state **ret_state)
{
    lh_words_meta meta;
    lhi_words_set *set = NULL;
    lhi_words_state *s = NULL;
    LH_TRY(lh_record_parse(cx, &lh_words_meta_record, meta_json, &meta));
    meta.damage = LH_STR_NONE;
    LH_TRY(lhi_words_set_open(cx, lh_catalog_store(search->parts.catalog), &meta,
                              LH_SEGSET_BACKGROUND, &set));
    LH_TRY(lhi_words_state_new(cx, &meta, set, &s));
    *ret_state = &s->state;
    return LH_OK;
}

static lh_rc damaged_state(lh_ctx *cx, lh_str index_name, lh_str meta_json, lh_str why,
                           lhi_state **ret_state)
{
    lh_words_meta meta;
    lhi_words_state *s = NULL;
    if (lh_record_parse(cx, &lh_words_meta_record, meta_json, &meta) != LH_OK) {
        lh_err_clear(cx);
        LH_TRY(lh_record_defaults(cx, &lh_words_meta_record, &meta));
    }
    meta.index_name = index_name;
    meta.damage = why;
    LH_TRY(lhi_words_state_new(cx, &meta, NULL, &s));
    *ret_state = &s->state;
    return LH_OK;
}

static lh_rc keep_set(lh_ctx *cx, lhi_keep *keep, const lhi_state *state)
{
    const lhi_words_state *s = (const lhi_words_state *)state;
    return s->set ? lhi_keep_prefix(cx, keep, s->set->numbered.store_home.prefix) : LH_OK;
}

/* A build that was cut off begins again: nothing of it stays. */
static lh_rc keep_plan(lh_ctx *cx, lhi_keep *keep, lh_str plan_json)
{
    (void)cx;
    (void)keep;
    (void)plan_json;
    return LH_OK;
}

static lh_rc resume(lh_ctx *cx, lh_search *search, lh_str plan_json,
                    const struct lh_principal *principal)
{
    lh_words_meta plan;
    lh_str job_id;
    LH_TRY(lh_record_parse(cx, &lh_words_meta_record, plan_json, &plan));
    return lhi_words_start(cx, search, &plan, 0, principal, &job_id);
}

const lhi_index_kind lhi_text_kind = {.noun = "text index",
                                      .to_build = "POST /text/index",
                                      .to_follow = "GET /jobs",
                                      .job = "text_index",
                                      .prefix = "text/",
                                      .about = about,
                                      .free = free_state,
                                      .open = open_state,
                                      .damaged = damaged_state,
                                      .keep = keep_set,
                                      .keep_plan = keep_plan,
                                      .resume = resume};

/* ---- what people see ---- */

lh_rc lhi_words_ref(lh_ctx *cx, lh_search *search, lh_str index_name, lhi_words_state **ret_state)
{
    lhi_state *state = NULL;
    LH_TRY(lhi_indexes_ref(cx, &search->texts, index_name, &state));
    *ret_state = (lhi_words_state *)state;
    return LH_OK;
}

static lh_rc show(lh_ctx *cx, void *arg, const lhi_state *state)
{
    const lhi_words_state *s = (const lhi_words_state *)state;
    lh_words_meta *ret = arg;
    LH_TRY(lh_record_copy(cx, &lh_words_meta_record, &s->meta, ret));
    if (s->set) {
        lh_segset_stats stats;
        lh_text_set_get_stats(s->set->set, &stats);
        ret->documents = stats.rows_live;
        ret->documents_dead = stats.rows_dead;
        ret->segments = stats.segments;
        ret->changes = stats.changes;
        ret->bytes_mapped = stats.bytes_mapped;
        ret->bytes_resident = stats.bytes_resident;
    }
    return LH_OK;
}

typedef struct listing {
    lh_words_meta *items;
    size_t count;
    size_t capacity;
} listing;

static lh_rc add_shown(lh_ctx *cx, void *arg, const lhi_state *state)
{
    listing *l = arg;
    LH_TRY(lh_ctx_grow(cx, (void **)&l->items, l->count, &l->capacity, sizeof *l->items));
    return show(cx, &l->items[l->count++], state);
}

lh_rc lh_words_list(lh_ctx *cx, lh_search *search, lh_str source, lh_words_meta **ret_items,
                    size_t *ret_count)
{
    listing l = {0};
    LH_TRY(lhi_indexes_each(cx, &search->texts, source, add_shown, &l));
    *ret_items = l.items;
    *ret_count = l.count;
    return LH_OK;
}

lh_rc lh_words_get(lh_ctx *cx, lh_search *search, lh_str index_name, lh_words_meta *ret_meta)
{
    return lhi_indexes_show(cx, &search->texts, index_name, show, ret_meta);
}

lh_rc lh_words_delete(lh_ctx *cx, lh_search *search, lh_str index_name,
                      lh_index_deleted *ret_deleted)
{
    return lhi_indexes_delete(cx, &search->texts, index_name, ret_deleted);
}
