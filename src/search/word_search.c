/* search/word_search.c - the text indexes there are: opened at start, swapped by builds, listed,
 * deleted, collected.
 *
 * The meta object is the pointer to a generation; its documents live on in a segment set, so a
 * refresh changes the set and then says in the meta object how far it is. */
#include "base/log.h"
#include "search/words_private.h"

#define META_PREFIX    "text/meta/"
#define PLAN_PREFIX    "text/building/"
#define PREFIX         "text/"
#define META_BYTES_MAX (1u << 20)

lh_str lhi_words_meta_key(lh_ctx *cx, lh_str index_name)
{
    return lh_ctx_fmt(cx, META_PREFIX "%.*s.json", LH_STR_ARG(index_name));
}

lh_str lhi_words_plan_key(lh_ctx *cx, lh_str index_name)
{
    return lh_ctx_fmt(cx, PLAN_PREFIX "%.*s.json", LH_STR_ARG(index_name));
}

/* ---- states ---- */

static lh_rc copy_meta(lh_ctx *cx, const lh_words_meta *from, lh_words_meta *ret)
{
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, META_BYTES_MAX);
    LH_TRY(lh_record_append(cx, &lh_words_meta_record, from, &json));
    return lh_record_parse(cx, &lh_words_meta_record, lh_ctx_dup(cx, lh_buf_str(&json)), ret);
}

lhi_words_state *lhi_words_state_unref(lhi_words_state *s)
{
    if (!s || atomic_fetch_sub(&s->references, 1) != 1)
        return NULL;
    lhi_words_set_unref(s->set);
    lh_arena_free(s->arena);
    return lh_free(s);
}

lh_rc lhi_words_state_new(lh_ctx *cx, const lh_words_meta *meta, lhi_words_set *set,
                          lhi_words_state **ret_state)
{
    LH_CLEANUP(lhi_words_state_unref) lhi_words_state *s = lh_alloc_zero(1, sizeof *s);
    if (!s) {
        lhi_words_set_unref(set);
        return lh_fail(cx, LH_E_NO_MEMORY, "text index");
    }
    atomic_init(&s->references, 1);
    s->set = set;
    s->arena = lh_arena_new(0);
    if (!s->arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "text index");
    lh_ctx own;
    lh_ctx_init(&own, s->arena);
    lh_rc rc = copy_meta(&own, meta, &s->meta);
    if (rc != LH_OK) {
        cx->err = own.err;
        return rc;
    }
    *ret_state = LH_TAKE(s);
    return LH_OK;
}

/* ---- the list ---- */

/* Under the lock. */
static lhi_words_slot *find_slot(lhi_words *words, lh_str name)
{
    lhi_words_slot *slot = words->slots;
    while (slot && !lh_str_eq(lh_str_from(slot->name), name))
        slot = slot->next;
    return slot;
}

/* Under the lock. */
static lh_rc find_or_add_slot(lh_ctx *cx, lhi_words *words, lh_str name, lhi_words_slot **ret_slot)
{
    lhi_words_slot **at = &words->slots;
    while (*at && lh_str_cmp(lh_str_from((*at)->name), name) < 0)
        at = &(*at)->next;
    if (!*at || !lh_str_eq(lh_str_from((*at)->name), name)) {
        lhi_words_slot *slot = lh_alloc_zero(1, sizeof *slot);
        if (!slot || name.len >= sizeof slot->name) {
            lh_free(slot);
            return lh_fail(cx, LH_E_NO_MEMORY, "text index '%.*s'", LH_STR_ARG(name));
        }
        memcpy(slot->name, name.ptr, name.len);
        slot->next = *at;
        *at = slot;
    }
    *ret_slot = *at;
    return LH_OK;
}

/* Who may not see the dataset does not learn that the index exists. */
static int may_see(lh_ctx *cx, lh_search *search, const lhi_words_state *s)
{
    lh_snapshot *snapshot = NULL;
    if (lh_catalog_get(cx, search->parts.catalog, s->meta.source, 0, 0, &snapshot) != LH_OK) {
        lh_err_clear(cx);
        return 1; /* the dataset is gone: the index can be looked at and deleted */
    }
    int sees = lh_policy_may_see(search->parts.policy, cx->principal, snapshot);
    lh_snapshot_unref(snapshot);
    return sees;
}

/* Under the lock. */
static lh_rc no_such_index(lh_ctx *cx, lh_search *search, lh_str name)
{
    LH_CLEANUP(lh_buf_done) lh_buf names;
    lh_buf_init(&names, 4096);
    for (lhi_words_slot *slot = search->words->slots; slot && names.len < 200; slot = slot->next)
        if (slot->current && may_see(cx, search, slot->current))
            LH_TRY(lh_buf_printf(cx, &names, "%s%s", names.len ? ", " : "", slot->name));
    LH_IGNORE(lh_fail(cx, LH_E_NOT_FOUND, "no text index '%.*s'", LH_STR_ARG(name)));
    LH_IGNORE(lh_err_field(cx, "index_name"));
    if (names.len == 0)
        return lh_err_hint(cx, "build one first: POST /text/index");
    return lh_err_hint(cx, "text indexes are: %.*s", LH_STR_ARG(lh_buf_str(&names)));
}

lh_rc lhi_words_ref(lh_ctx *cx, lh_search *search, lh_str index_name, lhi_words_state **ret_state)
{
    LH_WITH_LOCK(&search->words->lock);
    lhi_words_slot *slot = find_slot(search->words, index_name);
    if (slot && !slot->current && slot->building) {
        LH_IGNORE(
            lh_fail(cx, LH_E_CONFLICT, "text index '%.*s' is being built", LH_STR_ARG(index_name)));
        return lh_err_hint(cx, "GET /jobs shows how far it is");
    }
    if (!slot || !slot->current || !may_see(cx, search, slot->current))
        return no_such_index(cx, search, index_name);
    if (slot->current->meta.damage.len > 0) {
        LH_IGNORE(lh_fail(cx, LH_E_CORRUPT, "text index '%.*s': %.*s", LH_STR_ARG(index_name),
                          LH_STR_ARG(slot->current->meta.damage)));
        return lh_err_hint(cx, "build it again: POST /text/index");
    }
    atomic_fetch_add(&slot->current->references, 1);
    *ret_state = slot->current;
    return LH_OK;
}

lh_rc lhi_words_of_dataset(lh_ctx *cx, lh_search *search, lh_str dataset, lh_str *ret_name)
{
    lh_words_meta *items = NULL;
    size_t count = 0;
    LH_TRY(lh_words_list(cx, search, dataset, &items, &count));
    if (count == 1) {
        *ret_name = items[0].index_name;
        return LH_OK;
    }
    LH_IGNORE(
        count == 0
            ? lh_fail(cx, LH_E_NOT_FOUND, "dataset '%.*s' has no text index", LH_STR_ARG(dataset))
            : lh_fail(cx, LH_E_BAD_VALUE, "dataset '%.*s' has %zu text indexes; which one?",
                      LH_STR_ARG(dataset), count));
    LH_IGNORE(lh_err_field(cx, "index_name"));
    return lh_err_hint(cx, count == 0 ? "build one first: POST /text/index"
                                      : "say index_name; GET /text/indexes lists them");
}

/* Under the lock. A set that goes on in the next state is not retired. */
static void retire(lhi_words *words, lhi_words_state *old, const lhi_words_set *next)
{
    if (old && old->set && old->set != next) {
        atomic_fetch_add(&old->set->references, 1);
        old->set->next_retired = words->retired;
        words->retired = old->set;
    }
}

lh_rc lhi_words_swap(lh_ctx *cx, lh_search *search, lhi_words_state *taken)
{
    lhi_words_state *old = NULL;
    lh_rc rc;
    {
        LH_WITH_LOCK(&search->words->lock);
        lhi_words_slot *slot;
        rc = find_or_add_slot(cx, search->words, taken->meta.index_name, &slot);
        if (rc == LH_OK) {
            old = slot->current;
            slot->current = taken;
            retire(search->words, old, taken->set);
        }
    }
    lhi_words_state_unref(rc == LH_OK ? old : taken);
    return rc;
}

lh_rc lhi_words_begin_build(lh_ctx *cx, lh_search *search, lh_str index_name)
{
    LH_WITH_LOCK(&search->words->lock);
    lhi_words_slot *slot;
    LH_TRY(find_or_add_slot(cx, search->words, index_name, &slot));
    if (slot->building) {
        LH_IGNORE(lh_fail(cx, LH_E_CONFLICT, "text index '%.*s' is being built already",
                          LH_STR_ARG(index_name)));
        return lh_err_hint(cx, "wait for its job (GET /jobs), or cancel it");
    }
    slot->building = 1;
    return LH_OK;
}

void lhi_words_end_build(lh_search *search, lh_str index_name)
{
    LH_WITH_LOCK(&search->words->lock);
    lhi_words_slot *slot = find_slot(search->words, index_name);
    lh_assert(slot && slot->building);
    slot->building = 0;
}

int lhi_words_all_have(lh_search *search, lh_str dataset, lh_str index_name, lh_str fingerprint)
{
    LH_WITH_LOCK(&search->words->lock);
    for (lhi_words_slot *slot = search->words->slots; slot; slot = slot->next) {
        const lhi_words_state *s = slot->current;
        if (s && lh_str_eq(s->meta.source, dataset) && !lh_str_eq(s->meta.index_name, index_name) &&
            !lh_str_eq(s->meta.source_fingerprint, fingerprint))
            return 0;
    }
    return 1;
}

/* ---- what people see ---- */

static lh_rc show(lh_ctx *cx, const lhi_words_state *s, lh_words_meta *ret)
{
    LH_TRY(copy_meta(cx, &s->meta, ret));
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

lh_rc lh_words_list(lh_ctx *cx, lh_search *search, lh_str source, lh_words_meta **ret_items,
                    size_t *ret_count)
{
    LH_WITH_LOCK(&search->words->lock);
    size_t count = 0;
    for (lhi_words_slot *slot = search->words->slots; slot; slot = slot->next)
        count++;
    lh_words_meta *items = LH_NEW_ARRAY(cx, lh_words_meta, count + 1);
    if (!items)
        return cx->err.rc;
    size_t n = 0;
    for (lhi_words_slot *slot = search->words->slots; slot; slot = slot->next) {
        const lhi_words_state *s = slot->current;
        if (!s || (source.len > 0 && !lh_str_eq_nocase(source, s->meta.source)) ||
            !may_see(cx, search, s))
            continue;
        LH_TRY(show(cx, s, &items[n]));
        n++;
    }
    *ret_items = items;
    *ret_count = n;
    return LH_OK;
}

lh_rc lh_words_get(lh_ctx *cx, lh_search *search, lh_str index_name, lh_words_meta *ret_meta)
{
    LH_WITH_LOCK(&search->words->lock);
    lhi_words_slot *slot = find_slot(search->words, index_name);
    if (!slot || !slot->current || !may_see(cx, search, slot->current))
        return no_such_index(cx, search, index_name);
    return show(cx, slot->current, ret_meta);
}

/* ---- what goes ---- */

/* Retired sets without readers are closed. */
static void close_idle(lhi_words *words)
{
    lhi_words_set *idle = NULL;
    {
        LH_WITH_LOCK(&words->lock);
        for (lhi_words_set **at = &words->retired; *at;) {
            lhi_words_set *set = *at;
            if (atomic_load(&set->references) > 1) {
                at = &set->next_retired;
                continue;
            }
            *at = set->next_retired;
            set->next_retired = idle;
            idle = set;
        }
    }
    while (idle) {
        lhi_words_set *next = idle->next_retired;
        lhi_words_set_unref(idle);
        idle = next;
    }
}

/* Under the lock: is that object one of a generation somebody uses? */
static int stays(const lhi_words *words, const lhi_words_slot *slot, lh_str key)
{
    if (slot->current && slot->current->meta.damage.len > 0)
        return 1;
    if (slot->current && slot->current->set &&
        lh_str_starts(key, slot->current->set->numbered.store_home.prefix))
        return 1;
    for (const lhi_words_set *set = words->retired; set; set = set->next_retired)
        if (lh_str_starts(key, set->numbered.store_home.prefix))
            return 1;
    return 0;
}

lh_rc lhi_words_collect(lh_ctx *cx, lh_search *search, lh_str index_name,
                        lhi_collected *ret_collected)
{
    lh_store *store = lh_catalog_store(search->parts.catalog);
    lhi_words *words = search->words;
    lh_object_page page;
    *ret_collected = (lhi_collected){0};
    close_idle(words);
    LH_TRY(lh_store_list(cx, store, lh_ctx_fmt(cx, PREFIX "%.*s/", LH_STR_ARG(index_name)),
                         LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        {
            LH_WITH_LOCK(&words->lock);
            const lhi_words_slot *slot = find_slot(words, index_name);
            if (slot && stays(words, slot, page.items[i].key))
                continue;
        }
        LH_TRY(lh_store_delete(cx, store, page.items[i].key));
        ret_collected->objects++;
        ret_collected->bytes += page.items[i].bytes;
    }
    return LH_OK;
}

lh_rc lh_words_delete(lh_ctx *cx, lh_search *search, lh_str index_name,
                      lh_index_deleted *ret_deleted)
{
    lh_store *store = lh_catalog_store(search->parts.catalog);
    lhi_collected collected = {0};
    lh_words_meta meta;
    lhi_words_state *old = NULL;
    LH_TRY(lh_words_get(cx, search, index_name, &meta));
    LH_TRY(lhi_words_begin_build(cx, search, index_name));
    lh_rc rc = lh_store_delete(cx, store, lhi_words_meta_key(cx, index_name));
    if (rc == LH_OK) {
        LH_WITH_LOCK(&search->words->lock);
        lhi_words_slot *slot = find_slot(search->words, index_name);
        old = slot->current;
        slot->current = NULL;
        retire(search->words, old, NULL);
    }
    lhi_words_state_unref(old);
    if (rc == LH_OK) /* objects that cannot go now go at the next start */
        LH_IGNORE(lhi_words_collect(cx, search, index_name, &collected));
    lhi_words_end_build(search, index_name);
    if (rc == LH_OK)
        *ret_deleted = (lh_index_deleted){.index_name = meta.index_name,
                                          .generation = meta.generation,
                                          .objects = collected.objects,
                                          .bytes = collected.bytes};
    return rc;
}

/* ---- open, close ---- */

static lh_rc open_one(lh_ctx *cx, lh_search *search, lh_str key)
{
    lh_store *store = lh_catalog_store(search->parts.catalog);
    lh_str name = lh_str_from_offset(key, sizeof META_PREFIX - 1);
    lh_str json;
    lh_words_meta meta = {.damage = LH_S("")};
    lhi_words_set *set = NULL;
    lhi_words_state *state;
    if (!lh_str_ends(name, LH_S(".json")) || name.len > LH_DATASET_NAME_MAX + 5)
        return LH_OK;
    name.len -= 5;
    lh_rc rc = lh_store_get(cx, store, key, META_BYTES_MAX, &json);
    if (rc == LH_OK)
        rc = lh_record_parse(cx, &lh_words_meta_record, json, &meta);
    if (rc == LH_OK && !lh_str_eq(meta.index_name, name))
        rc = lh_fail(cx, LH_E_CORRUPT, "its meta object names another index");
    if (rc == LH_OK)
        rc = lhi_words_set_open(cx, store, &meta, LH_SEGSET_BACKGROUND, &set);
    if (rc == LH_E_NO_MEMORY)
        return rc;
    meta.index_name = name;
    meta.damage = rc == LH_OK ? LH_STR_NONE : lh_ctx_dup(cx, lh_str_from(cx->err.message));
    if (rc != LH_OK)
        LH_LOG(cx, INDEX_DAMAGED, LH_KS("index", name), LH_KS("message", meta.damage));
    lh_err_clear(cx);
    LH_TRY(lhi_words_state_new(cx, &meta, set, &state));
    return lhi_words_swap(cx, search, state);
}

lh_rc lhi_words_open(lh_ctx *cx, lh_search *search)
{
    lh_object_page page;
    search->words = lh_alloc_zero(1, sizeof *search->words);
    if (!search->words)
        return lh_fail(cx, LH_E_NO_MEMORY, "text indexes");
    lh_mutex_init(&search->words->lock);
    LH_TRY(lhi_filter_cache_new(cx, search->parts.settings.filter_cache_bytes,
                                &search->words->filters));
    LH_TRY(lh_store_list(cx, lh_catalog_store(search->parts.catalog), LH_S(META_PREFIX),
                         LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++)
        LH_TRY(open_one(cx, search, page.items[i].key));
    return LH_OK;
}

static void collect_idle(lh_ctx *cx, lh_search *search, lh_str index_name)
{
    lhi_collected collected;
    if (lhi_words_begin_build(cx, search, index_name) == LH_OK) {
        LH_IGNORE(lhi_words_collect(cx, search, index_name, &collected));
        lhi_words_end_build(search, index_name);
    }
    lh_err_clear(cx);
}

/* What a crash left, then the builds it cut off. */
lh_rc lhi_words_resume(lh_ctx *cx, lh_search *search, const struct lh_principal *principal)
{
    lh_store *store = lh_catalog_store(search->parts.catalog);
    lh_object_page page;
    lh_str last = LH_STR_NONE;
    LH_TRY(lh_store_list(cx, store, LH_S(PREFIX), LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        lh_str name = lh_str_from_offset(page.items[i].key, sizeof PREFIX - 1);
        name.len = LH_MIN(name.len, lh_str_find_char(name, '/'));
        if (!lh_str_starts(page.items[i].key, LH_S(META_PREFIX)) &&
            !lh_str_starts(page.items[i].key, LH_S(PLAN_PREFIX)) && !lh_str_eq(name, last))
            collect_idle(cx, search, name);
        last = name;
    }
    LH_TRY(lh_store_list(cx, store, LH_S(PLAN_PREFIX), LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        lh_str json;
        lh_str job_id;
        lh_words_meta plan;
        LH_TRY(lh_store_get(cx, store, page.items[i].key, META_BYTES_MAX, &json));
        if (lh_record_parse(cx, &lh_words_meta_record, json, &plan) != LH_OK ||
            lhi_words_start(cx, search, &plan, 0, principal, &job_id) != LH_OK) {
            LH_LOG(cx, JOB_FAILED, LH_KS("kind", LH_S("text_index")),
                   LH_KS("key", page.items[i].key), LH_KS("message", lh_str_from(cx->err.message)));
            lh_err_clear(cx);
        }
    }
    return LH_OK;
}

void lhi_words_close(lh_search *search)
{
    lhi_words *words = search->words;
    if (!words)
        return;
    while (words->slots) {
        lhi_words_slot *next = words->slots->next;
        lhi_words_state_unref(words->slots->current);
        lh_free(words->slots);
        words->slots = next;
    }
    while (words->retired) {
        lhi_words_set *next = words->retired->next_retired;
        lhi_words_set_unref(words->retired);
        words->retired = next;
    }
    lhi_filter_cache_free(words->filters);
    lh_mutex_done(&words->lock);
    search->words = lh_free(words);
}
