/* snapshot.c - one version of one dataset in memory: one arena, counted references, never
 * changed.
 *
 * The arena holds the struct, the JSON and what was parsed from it, so the last reader frees a
 * version with one call. */
#include "catalog/catalog_private.h"

static lh_rc no_memory(lh_ctx *cx)
{
    return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a version of a dataset");
}

static lh_rc corrupt(lh_ctx *cx, lh_str name, uint64_t commit, const char *why)
{
    return lh_fail(cx, LH_E_CORRUPT, LH_MANIFEST_PREFIX "%.*s/%020llu.json: %s", LH_STR_ARG(name),
                   (unsigned long long)commit, why);
}

typedef struct load {
    lh_store *store; /* NULL: json is given */
    lh_str json;
    lh_str name;
    uint64_t commit;
} load;

/* Everything in the arena of own; errors stay in own. */
static lh_rc fill(lh_ctx *own, const load *from, lh_snapshot **ret)
{
    lh_str json = from->json;
    if (from->store != NULL) {
        lh_str key = lh_manifest_key(own, from->name, from->commit);
        if (key.ptr == NULL)
            return LH_E_NO_MEMORY;
        LH_TRY(lh_store_get(own, from->store, key, LH_MANIFEST_BYTES_MAX, &json));
    } else {
        json = lh_ctx_dup(own, json);
        if (json.ptr == NULL)
            return LH_E_NO_MEMORY;
    }
    lh_snapshot *snapshot = LH_NEW(own, lh_snapshot);
    if (snapshot == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(lh_manifest_parse(own, json, &snapshot->manifest));
    if (!lh_str_eq(snapshot->manifest.name, from->name) ||
        snapshot->manifest.commit != from->commit)
        return lh_fail(own, LH_E_CORRUPT, "it is version %llu of '%.*s'",
                       (unsigned long long)snapshot->manifest.commit,
                       LH_STR_ARG(snapshot->manifest.name));
    *ret = snapshot;
    return LH_OK;
}

static lh_rc make(lh_ctx *cx, const load *from, lh_snapshot **ret_snapshot)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(LHI_ARENA_MAX);
    if (arena == NULL)
        return no_memory(cx);
    lh_ctx own;
    lh_snapshot *snapshot = NULL;
    lh_ctx_init_child(&own, arena, cx);
    lh_rc rc = fill(&own, from, &snapshot);
    if (rc == LH_E_CORRUPT || rc == LH_E_TOO_LARGE)
        return corrupt(cx, from->name, from->commit, own.err.message);
    if (rc == LH_E_NOT_FOUND)
        return lh_fail(cx, rc, "dataset '%.*s' has no version %llu", LH_STR_ARG(from->name),
                       (unsigned long long)from->commit);
    if (rc != LH_OK) {
        cx->err = own.err;
        return rc;
    }
    atomic_init(&snapshot->refs, 1);
    snapshot->arena = LH_TAKE(arena);
    *ret_snapshot = snapshot;
    return LH_OK;
}

lh_rc lhi_snapshot_new(lh_ctx *cx, lh_str json, lh_str name, uint64_t commit,
                       lh_snapshot **ret_snapshot)
{
    return make(cx, &(load){.json = json, .name = name, .commit = commit}, ret_snapshot);
}

lh_rc lhi_snapshot_load(lh_ctx *cx, lh_store *store, lh_str name, uint64_t commit,
                        lh_snapshot **ret_snapshot)
{
    return make(cx, &(load){.store = store, .name = name, .commit = commit}, ret_snapshot);
}

lh_snapshot *lh_snapshot_ref(lh_snapshot *snapshot)
{
    unsigned before = atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    lh_assert(before > 0 && before < UINT32_MAX / 2);
    return snapshot;
}

lh_snapshot *lh_snapshot_unref(lh_snapshot *snapshot)
{
    if (snapshot == NULL)
        return NULL;
    unsigned before = atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel);
    lh_assert(before > 0);
    if (before == 1)
        lh_arena_free(snapshot->arena);
    return NULL;
}

const lh_manifest *lh_snapshot_manifest(const lh_snapshot *snapshot)
{
    return &snapshot->manifest;
}
