/* search/indexes.c - the indexes of one kind by name: found, swapped, built one at a time, deleted.
 *
 * The meta object is the pointer: an index exists from the moment it is put until it is deleted. A
 * plan beside it is a build that goes on, also after a restart. */
#include "search/indexes_private.h"

#include "base/log.h"
#include "search/search_private.h"

/* ---- states ---- */

void lhi_state_init(lhi_state *state, const lhi_index_kind *kind)
{
    state->kind = kind;
    atomic_init(&state->references, 1);
}

void lhi_state_ref(lhi_state *state)
{
    atomic_fetch_add(&state->references, 1);
}

void lhi_state_unref(lhi_state *state)
{
    lhi_indexes *retired_from = atomic_load(&state->retired_from); /* it may be gone below */
    unsigned before = atomic_fetch_sub(&state->references, 1);
    if (before == 2 && retired_from) {
        LH_WITH_LOCK(&retired_from->lock);
        lh_cond_broadcast(&retired_from->left);
    }
    if (before == 1)
        state->kind->free(state);
}

/* ---- the list ---- */

void lhi_indexes_init(lhi_indexes *list, const lhi_index_kind *kind, lh_search *search)
{
    *list = (lhi_indexes){.kind = kind, .search = search};
    lh_mutex_init(&list->lock);
    lh_cond_init(&list->left);
}

void lhi_indexes_done(lhi_indexes *list)
{
    if (!list->kind)
        return;
    while (list->slots) {
        lhi_slot *slot = list->slots;
        list->slots = slot->next;
        if (slot->current)
            lhi_state_unref(slot->current);
        while (slot->retired) {
            lhi_state *state = slot->retired;
            slot->retired = state->next_retired;
            lhi_state_unref(state);
        }
        lh_free(slot);
    }
    lh_cond_done(&list->left);
    lh_mutex_done(&list->lock);
    list->kind = NULL;
}

static lh_store *store_of(const lhi_indexes *list)
{
    return lh_catalog_store(list->search->parts.catalog);
}

/* Under the lock. */
static lhi_slot *find_slot(lhi_indexes *list, lh_str name)
{
    lhi_slot *slot = list->slots;
    while (slot && !lh_str_eq(lh_str_from(slot->name), name))
        slot = slot->next;
    return slot;
}

/* Under the lock. */
static lh_rc find_or_add_slot(lh_ctx *cx, lhi_indexes *list, lh_str name, lhi_slot **ret_slot)
{
    lhi_slot **at = &list->slots;
    while (*at && lh_str_cmp(lh_str_from((*at)->name), name) < 0)
        at = &(*at)->next;
    if (!*at || !lh_str_eq(lh_str_from((*at)->name), name)) {
        lhi_slot *slot = lh_alloc_zero(1, sizeof *slot);
        if (!slot || name.len >= sizeof slot->name) {
            lh_free(slot);
            return lh_fail(cx, LH_E_NO_MEMORY, "%s '%.*s'", list->kind->noun, LH_STR_ARG(name));
        }
        memcpy(slot->name, name.ptr, name.len);
        slot->next = *at;
        *at = slot;
    }
    *ret_slot = *at;
    return LH_OK;
}

static int may_see(lh_ctx *cx, const lhi_indexes *list, const lhi_state *state)
{
    lh_snapshot *snapshot = NULL;
    const lh_search_parts *parts = &list->search->parts;
    if (lh_catalog_get(cx, parts->catalog, list->kind->about(state).source, 0, 0, &snapshot) !=
        LH_OK) {
        lh_err_clear(cx);
        /* the dataset is gone: nothing of it can be returned, but the index can be looked at */
        return 1;
    }
    int sees = lh_policy_may_see(parts->policy, cx->principal, snapshot);
    lh_snapshot_unref(snapshot);
    return sees;
}

/* Under the lock. */
static lh_rc no_such_index(lh_ctx *cx, const lhi_indexes *list, lh_str name)
{
    LH_CLEANUP(lh_buf_done) lh_buf names;
    lh_buf_init(&names, 4096);
    for (const lhi_slot *slot = list->slots; slot && names.len < 200; slot = slot->next)
        if (slot->current && may_see(cx, list, slot->current))
            LH_TRY(lh_buf_printf(cx, &names, "%s%s", names.len ? ", " : "", slot->name));
    LH_IGNORE(lh_fail(cx, LH_E_NOT_FOUND, "no %s '%.*s'", list->kind->noun, LH_STR_ARG(name)));
    LH_IGNORE(lh_err_field(cx, "index_name"));
    if (names.len == 0)
        return lh_err_hint(cx, "build one first: %s", list->kind->to_build);
    return lh_err_hint(cx, "%ses are: %.*s", list->kind->noun, LH_STR_ARG(lh_buf_str(&names)));
}

lh_rc lhi_indexes_ref(lh_ctx *cx, lhi_indexes *list, lh_str index_name, lhi_state **ret_state)
{
    LH_WITH_LOCK(&list->lock);
    const lhi_slot *slot = find_slot(list, index_name);
    if (slot && !slot->current && slot->building) {
        LH_IGNORE(lh_fail(cx, LH_E_CONFLICT, "%s '%.*s' is being built", list->kind->noun,
                          LH_STR_ARG(index_name)));
        return lh_err_hint(cx, "%s shows how far it is", list->kind->to_follow);
    }
    if (!slot || !slot->current || !may_see(cx, list, slot->current))
        return no_such_index(cx, list, index_name);
    lh_str damage = list->kind->about(slot->current).damage;
    if (damage.len > 0) {
        LH_IGNORE(lh_fail(cx, LH_E_CORRUPT, "%s '%.*s': %.*s", list->kind->noun,
                          LH_STR_ARG(index_name), LH_STR_ARG(damage)));
        return lh_err_hint(cx, "build it again: %s", list->kind->to_build);
    }
    lhi_state_ref(slot->current);
    *ret_state = slot->current;
    return LH_OK;
}

lh_rc lhi_indexes_each(lh_ctx *cx, lhi_indexes *list, lh_str source, lhi_visit visit, void *arg)
{
    LH_WITH_LOCK(&list->lock);
    for (const lhi_slot *slot = list->slots; slot; slot = slot->next) {
        if (!slot->current ||
            (source.len > 0 &&
             !lh_str_eq_nocase(source, list->kind->about(slot->current).source)) ||
            !may_see(cx, list, slot->current))
            continue;
        LH_TRY(visit(cx, arg, slot->current));
    }
    return LH_OK;
}

lh_rc lhi_indexes_show(lh_ctx *cx, lhi_indexes *list, lh_str index_name, lhi_visit visit, void *arg)
{
    LH_WITH_LOCK(&list->lock);
    const lhi_slot *slot = find_slot(list, index_name);
    if (!slot || !slot->current || !may_see(cx, list, slot->current))
        return no_such_index(cx, list, index_name);
    return visit(cx, arg, slot->current);
}

typedef struct only {
    lh_str name;
    size_t count;
} only;

static lh_rc count_one(lh_ctx *cx, void *arg, const lhi_state *state)
{
    only *found = arg;
    found->count++;
    found->name = lh_ctx_dup(cx, state->kind->about(state).index_name);
    return found->name.ptr ? LH_OK : cx->err.rc;
}

lh_rc lhi_indexes_only(lh_ctx *cx, lhi_indexes *list, lh_str dataset, lh_str *ret_name)
{
    const char *noun = list->kind->noun;
    only found = {0};
    LH_TRY(lhi_indexes_each(cx, list, dataset, count_one, &found));
    if (found.count == 1) {
        *ret_name = found.name;
        return LH_OK;
    }
    LH_IGNORE(
        found.count == 0
            ? lh_fail(cx, LH_E_NOT_FOUND, "dataset '%.*s' has no %s", LH_STR_ARG(dataset), noun)
            : lh_fail(cx, LH_E_BAD_VALUE, "dataset '%.*s' has %zu %ses; which one?",
                      LH_STR_ARG(dataset), found.count, noun));
    LH_IGNORE(lh_err_field(cx, "index_name"));
    return found.count == 0 ? lh_err_hint(cx, "build one first: %s", list->kind->to_build)
                            : lh_err_hint(cx, "say index_name");
}

int lhi_indexes_all_have(lhi_indexes *list, lh_str dataset, lh_str index_name, lh_str fingerprint)
{
    LH_WITH_LOCK(&list->lock);
    for (const lhi_slot *slot = list->slots; slot; slot = slot->next) {
        if (!slot->current || lh_str_eq(lh_str_from(slot->name), index_name))
            continue;
        lhi_about about = list->kind->about(slot->current);
        if (lh_str_eq(about.source, dataset) && !lh_str_eq(about.source_fingerprint, fingerprint))
            return 0;
    }
    return 1;
}

/* Under the lock. Who reads it goes on; the next collection lets it go. */
static void retire(lhi_indexes *list, lhi_slot *slot)
{
    lhi_state *state = slot->current;
    slot->current = NULL;
    if (!state)
        return;
    state->next_retired = slot->retired;
    slot->retired = state;
    atomic_store(&state->retired_from, list);
}

lh_rc lhi_indexes_swap(lh_ctx *cx, lhi_indexes *list, lhi_state *taken)
{
    lh_rc rc;
    {
        LH_WITH_LOCK(&list->lock);
        lhi_slot *slot;
        rc = find_or_add_slot(cx, list, list->kind->about(taken).index_name, &slot);
        if (rc == LH_OK) {
            retire(list, slot);
            slot->current = taken;
        }
    }
    if (rc != LH_OK)
        lhi_state_unref(taken);
    return rc;
}

/* ---- builds ---- */

lh_rc lhi_indexes_begin_build(lh_ctx *cx, lhi_indexes *list, lh_str index_name)
{
    LH_WITH_LOCK(&list->lock);
    lhi_slot *slot;
    LH_TRY(find_or_add_slot(cx, list, index_name, &slot));
    if (slot->building) {
        LH_IGNORE(lh_fail(cx, LH_E_CONFLICT, "%s '%.*s' is being built already", list->kind->noun,
                          LH_STR_ARG(index_name)));
        return lh_err_hint(cx, "wait for its job (%s), or cancel it", list->kind->to_follow);
    }
    slot->building = 1;
    return LH_OK;
}

void lhi_indexes_end_build(lhi_indexes *list, lh_str index_name)
{
    LH_WITH_LOCK(&list->lock);
    lhi_slot *slot = find_slot(list, index_name);
    lh_assert(slot && slot->building);
    slot->building = 0;
}

lh_rc lhi_indexes_start(lh_ctx *cx, lhi_indexes *list, const lh_job_spec *spec, lh_str *ret_job_id)
{
    LH_TRY(lhi_indexes_begin_build(cx, list, spec->subject));
    lh_rc rc = lh_jobs_start(cx, list->search->parts.jobs, spec, ret_job_id);
    if (rc != LH_OK)
        lhi_indexes_end_build(list, spec->subject);
    return rc;
}

static void log_failure(lh_ctx *cx, const char *what, lh_str key)
{
    LH_LOG(cx, JOB_FAILED, LH_KS("kind", lh_str_from(what)), LH_KS("key", key),
           LH_KS("message", lh_str_from(cx->err.message)));
    lh_err_clear(cx);
}

lh_rc lhi_indexes_after(lh_ctx *cx, lhi_indexes *list, lh_str index_name, lh_rc rc)
{
    int stopping = atomic_load(&list->search->stopping);
    int comes_back = lh_rc_retryable(rc) || (rc == LH_E_CANCELLED && stopping);
    lh_err said = cx->err;
    lh_cancel *cancel = cx->cancel;
    cx->cancel = NULL; /* also when the job was cancelled */
    lh_err_clear(cx);
    if (rc != LH_OK && !comes_back)
        LH_IGNORE(lh_store_delete(cx, store_of(list), lhi_plan_key(cx, list->kind, index_name)));
    lh_err_clear(cx);
    /* Its failure is not the build's: the next one, at the latest that of the next start, finds
     * the same objects again. */
    lhi_collected collected;
    if (!stopping && lhi_indexes_collect(cx, list, index_name, &collected) != LH_OK)
        log_failure(cx, "collect", index_name);
    cx->cancel = cancel;
    cx->err = said;
    return rc;
}

static lh_rc copy_name(lh_ctx *cx, void *arg, const lhi_state *state)
{
    lh_index_deleted *deleted = arg;
    lhi_about about = state->kind->about(state);
    deleted->index_name = lh_ctx_dup(cx, about.index_name);
    deleted->generation = lh_ctx_dup(cx, about.generation);
    return cx->err.rc;
}

lh_rc lhi_indexes_delete(lh_ctx *cx, lhi_indexes *list, lh_str index_name,
                         lh_index_deleted *ret_deleted)
{
    lh_index_deleted deleted = {0};
    lhi_collected collected = {0};
    LH_TRY(lhi_indexes_show(cx, list, index_name, copy_name, &deleted));
    LH_TRY(lhi_indexes_begin_build(cx, list, index_name));
    lh_rc rc = lh_store_delete(cx, store_of(list), lhi_meta_key(cx, list->kind, index_name));
    if (rc == LH_OK) {
        LH_WITH_LOCK(&list->lock);
        retire(list, find_slot(list, index_name));
    }
    if (rc == LH_OK)
        rc = lh_store_delete(cx, store_of(list), lhi_plan_key(cx, list->kind, index_name));
    if (rc == LH_OK) /* the index is gone; objects that cannot go now go at the next start */
        LH_IGNORE(lhi_indexes_collect(cx, list, index_name, &collected));
    lhi_indexes_end_build(list, index_name);
    deleted.objects = collected.objects;
    deleted.bytes = collected.bytes;
    if (rc == LH_OK)
        *ret_deleted = deleted;
    return rc;
}

/* ---- at start ---- */

lh_str lhi_meta_key(lh_ctx *cx, const lhi_index_kind *kind, lh_str index_name)
{
    return lh_ctx_fmt(cx, "%smeta/%.*s.json", kind->prefix, LH_STR_ARG(index_name));
}

lh_str lhi_plan_key(lh_ctx *cx, const lhi_index_kind *kind, lh_str index_name)
{
    return lh_ctx_fmt(cx, "%sbuilding/%.*s.json", kind->prefix, LH_STR_ARG(index_name));
}

lh_rc lhi_index_check_name(lh_ctx *cx, lh_str index_name)
{
    lh_rc rc = lh_dataset_check_name(cx, index_name);
    if (rc == LH_OK &&
        (lh_str_eq(index_name, LH_S("meta")) || lh_str_eq(index_name, LH_S("building"))))
        rc = lh_fail(cx, LH_E_BAD_NAME, "an index cannot be named '%.*s'", LH_STR_ARG(index_name));
    if (rc != LH_OK)
        LH_IGNORE(lh_err_field(cx, "index_name"));
    return rc;
}

static lh_rc open_index(lh_ctx *cx, const lhi_indexes *list, lh_str name, lh_str json,
                        lhi_state **ret)
{
    lhi_state *state = NULL;
    LH_TRY(list->kind->open(cx, list->search, json, &state));
    if (!lh_str_eq(list->kind->about(state).index_name, name)) {
        lhi_state_unref(state);
        return lh_fail(cx, LH_E_CORRUPT, "its meta object names another index");
    }
    *ret = state;
    return LH_OK;
}

static lh_rc open_one(lh_ctx *cx, lhi_indexes *list, lh_str key, lh_str name)
{
    lh_str json = LH_STR_NONE;
    lhi_state *state = NULL;
    lh_rc rc = lh_store_get(cx, store_of(list), key, LHI_META_BYTES_MAX, &json);
    if (rc == LH_OK)
        rc = open_index(cx, list, name, json, &state);
    if (rc == LH_E_NO_MEMORY)
        return rc;
    if (rc != LH_OK) {
        lh_str why = lh_ctx_dup(cx, lh_str_from(cx->err.message));
        LH_LOG(cx, INDEX_DAMAGED, LH_KS("index", name), LH_KS("message", why));
        lh_err_clear(cx);
        LH_TRY(list->kind->damaged(cx, name, json, why, &state));
    }
    return lhi_indexes_swap(cx, list, state);
}

static lh_rc list_objects(lh_ctx *cx, const lhi_indexes *list, const char *folder,
                          lh_object_page *ret_page)
{
    lh_str prefix = lh_ctx_fmt(cx, "%s%s", list->kind->prefix, folder);
    if (!prefix.ptr)
        return cx->err.rc;
    return lh_store_list(cx, store_of(list), prefix, LH_STR_NONE, 0, ret_page);
}

lh_rc lhi_indexes_open(lh_ctx *cx, lhi_indexes *list)
{
    lh_object_page page = {0};
    size_t folder = strlen(list->kind->prefix) + sizeof "meta/" - 1;
    LH_TRY(list_objects(cx, list, "meta/", &page));
    for (size_t i = 0; i < page.count; i++) {
        lh_str name = lh_str_from_offset(page.items[i].key, folder);
        if (!lh_str_ends(name, LH_S(".json")) || name.len > LH_DATASET_NAME_MAX + 5)
            continue;
        name.len -= 5;
        LH_TRY(open_one(cx, list, page.items[i].key, name));
    }
    return LH_OK;
}

lh_rc lhi_indexes_resume(lh_ctx *cx, lhi_indexes *list, const struct lh_principal *principal)
{
    lh_object_page page = {0};
    LH_TRY(lhi_indexes_collect_all(cx, list));
    LH_TRY(list_objects(cx, list, "building/", &page));
    for (size_t i = 0; i < page.count; i++) {
        lh_str json;
        LH_TRY(lh_store_get(cx, store_of(list), page.items[i].key, LHI_META_BYTES_MAX, &json));
        if (list->kind->resume(cx, list->search, json, principal) != LH_OK)
            log_failure(cx, list->kind->job, page.items[i].key);
    }
    return LH_OK;
}
