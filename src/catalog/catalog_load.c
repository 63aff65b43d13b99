/* catalog_load.c - from the store into memory: rebuild at start, newer versions of other
 * writers, time travel.
 *
 * The store is the truth and memory only a view of it. A damaged newest manifest is never
 * replaced by an older one in silence: that would take back acknowledged rows. The dataset is
 * listed as damaged and the others go on. */
#include "base/log.h"
#include "catalog/catalog_private.h"

/* Files read at the same time would not pay: a manifest is read in tens of microseconds. */
static lh_rc mark_damaged(lh_ctx *cx, lh_catalog *catalog, lh_str name, uint64_t commit)
{
    char *text = lh_strdup(cx->err.message);
    lhi_entry *entry;
    if (text == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the state of a dataset");
    LH_LOG(cx, CATALOG_DAMAGED, LH_KS("dataset", name), LH_KI("commit", commit),
           LH_KS("why", lh_str_from(cx->err.message)));
    LH_WITH_LOCK(&catalog->lock);
    lh_rc rc = lhi_catalog_add(cx, catalog, name, &entry);
    if (rc != LH_OK) {
        lh_free(text);
        return rc;
    }
    if (entry->damage == NULL)
        catalog->damaged_count++;
    lh_free(entry->damage);
    entry->damage = text;
    entry->commit_newest = LH_MAX(entry->commit_newest, commit);
    return LH_OK;
}

/* Publishes version `commit`, or lists the dataset as damaged; both are LH_OK. */
static lh_rc load_newest(lh_ctx *cx, lh_catalog *catalog, lh_str name, uint64_t commit)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    lh_rc rc = lhi_snapshot_load(cx, catalog->store, name, commit, &snapshot);
    if (rc == LH_E_CORRUPT || rc == LH_E_IO) {
        LH_TRY(mark_damaged(cx, catalog, name, commit));
        lh_err_clear(cx);
        return LH_OK;
    }
    LH_TRY(rc);
    return lhi_catalog_publish(cx, catalog, snapshot);
}

/* What a crash cut off from the journal is completed now, so that histories are whole from the
 * first request on. When the journal cannot be written now (disk full), reading must work all
 * the same; the next commit tries again. */
static lh_rc complete_journal(lh_ctx *cx, lh_catalog *catalog)
{
    LH_TRY(lhi_journaled_load(cx, catalog));
    for (size_t i = 0; i < catalog->entries_count; i++) {
        const lh_snapshot *current = catalog->entries[i]->current;
        if (current == NULL)
            continue;
        lh_rc rc = lhi_events_complete(cx, catalog, &current->manifest);
        if (rc == LH_E_CANCELLED || rc == LH_E_DEADLINE || rc == LH_E_NO_MEMORY)
            return rc;
        if (rc != LH_OK)
            lh_err_clear(cx);
    }
    if (lhi_journaled_save(cx, catalog) != LH_OK)
        lh_err_clear(cx); /* only costs time at the next start */
    return LH_OK;
}

static lh_rc rebuild(lh_ctx *scratch, lh_catalog *catalog)
{
    lh_object_page page;
    LH_TRY(lh_store_list(scratch, catalog->store, LH_S(LH_MANIFEST_PREFIX), LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        lh_str name, next_name;
        uint64_t commit, next_commit;
        if (!lh_manifest_key_find(page.items[i].key, &name, &commit))
            continue;
        /* keys are in order, so the last of a dataset is its newest */
        if (i + 1 < page.count &&
            lh_manifest_key_find(page.items[i + 1].key, &next_name, &next_commit) &&
            lh_str_eq(name, next_name))
            continue;
        LH_TRY(load_newest(scratch, catalog, name, commit));
    }
    return complete_journal(scratch, catalog);
}

/* Runs fn with an arena of its own, so that listings leave nothing in the caller's. */
static lh_rc with_scratch(lh_ctx *cx, lh_catalog *catalog, lh_str name,
                          lh_rc (*fn)(lh_ctx *scratch, lh_catalog *catalog, lh_str name))
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(LHI_ARENA_MAX);
    if (arena == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory to read the catalog");
    lh_ctx scratch;
    lh_ctx_init_child(&scratch, arena, cx);
    lh_rc rc = fn(&scratch, catalog, name);
    if (rc != LH_OK)
        cx->err = scratch.err;
    return rc;
}

static lh_rc rebuild_all(lh_ctx *scratch, lh_catalog *catalog, lh_str name)
{
    (void)name;
    return rebuild(scratch, catalog);
}

lh_rc lhi_catalog_rebuild(lh_ctx *cx, lh_catalog *catalog)
{
    LH_TRY(with_scratch(cx, catalog, LH_STR_NONE, rebuild_all));
    LH_LOG(cx, CATALOG_LOADED, LH_KI("datasets", catalog->entries_count),
           LH_KI("damaged", catalog->damaged_count));
    return LH_OK;
}

/* Commits of a dataset after one of them, rising; in the arena. */
static lh_rc list_commits(lh_ctx *cx, lh_store *store, lh_str name, uint64_t after,
                          uint64_t **ret_commits, size_t *ret_count)
{
    lh_object_page page;
    lh_str prefix = lh_ctx_fmt(cx, LH_MANIFEST_PREFIX "%.*s/", LH_STR_ARG(name));
    lh_str start = after > 0 ? lh_manifest_key(cx, name, after) : LH_STR_NONE;
    if (prefix.ptr == NULL || (after > 0 && start.ptr == NULL))
        return LH_E_NO_MEMORY;
    LH_TRY(lh_store_list(cx, store, prefix, start, 0, &page));
    uint64_t *commits = LH_NEW_ARRAY(cx, uint64_t, page.count + 1);
    size_t count = 0;
    if (commits == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < page.count; i++) {
        lh_str found;
        if (lh_manifest_key_find(page.items[i].key, &found, &commits[count]))
            count++;
    }
    *ret_commits = commits;
    *ret_count = count;
    return LH_OK;
}

static lh_rc refresh(lh_ctx *scratch, lh_catalog *catalog, lh_str name)
{
    lh_mutex_lock(&catalog->lock);
    const lhi_entry *entry = lhi_catalog_find(catalog, name);
    uint64_t known = entry != NULL ? entry->commit_newest : 0;
    lh_mutex_unlock(&catalog->lock);
    uint64_t *commits;
    size_t count;
    LH_TRY(list_commits(scratch, catalog->store, name, known, &commits, &count));
    return count > 0 ? load_newest(scratch, catalog, name, commits[count - 1]) : LH_OK;
}

lh_rc lhi_catalog_refresh(lh_ctx *cx, lh_catalog *catalog, lh_str name)
{
    return with_scratch(cx, catalog, name, refresh);
}

static lh_snapshot *find_old(lh_catalog *catalog, lh_str name, uint64_t commit)
{
    LH_WITH_LOCK(&catalog->lock);
    for (size_t i = 0; i < LHI_OLD_SNAPSHOTS; i++) {
        lh_snapshot *snapshot = catalog->old[i].snapshot;
        if (snapshot == NULL || snapshot->manifest.commit != commit ||
            !lh_str_eq(snapshot->manifest.name, name))
            continue;
        catalog->old[i].used = ++catalog->tick;
        return lh_snapshot_ref(snapshot);
    }
    return NULL;
}

/* Puts a reference in the place of the one that was not used for longest. */
static void keep_old(lh_catalog *catalog, lh_snapshot *snapshot)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *evicted = NULL;
    LH_WITH_LOCK(&catalog->lock);
    size_t oldest = 0;
    for (size_t i = 1; i < LHI_OLD_SNAPSHOTS; i++)
        if (catalog->old[i].used < catalog->old[oldest].used)
            oldest = i;
    evicted = catalog->old[oldest].snapshot;
    catalog->old[oldest].snapshot = lh_snapshot_ref(snapshot);
    catalog->old[oldest].used = ++catalog->tick;
}

static lh_rc get_old(lh_ctx *cx, lh_catalog *catalog, lh_str name, uint64_t commit,
                     lh_snapshot **ret_snapshot)
{
    lh_snapshot *snapshot = find_old(catalog, name, commit);
    if (snapshot == NULL) {
        LH_TRY(lhi_snapshot_load(cx, catalog->store, name, commit, &snapshot));
        keep_old(catalog, snapshot);
    }
    *ret_snapshot = snapshot;
    return LH_OK;
}

/* committed_at rises with the commits (the commit sees to it), so halving finds the newest not
 * after as_of_us. */
static lh_rc get_as_of(lh_ctx *cx, lh_catalog *catalog, lh_str name, int64_t as_of_us,
                       lh_snapshot **ret_snapshot)
{
    uint64_t *commits;
    size_t count, low = 0;
    LH_TRY(list_commits(cx, catalog->store, name, 0, &commits, &count));
    size_t high = count;
    while (low < high) {
        LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
        size_t middle = low + (high - low) / 2;
        LH_TRY(get_old(cx, catalog, name, commits[middle], &snapshot));
        if (snapshot->manifest.committed_at <= as_of_us)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return lh_fail(cx, LH_E_NOT_FOUND, "dataset '%.*s' did not exist at that time",
                       LH_STR_ARG(name));
    return get_old(cx, catalog, name, commits[low - 1], ret_snapshot);
}

static lh_rc unknown(lh_ctx *cx, lh_catalog *catalog, lh_str name)
{
    lh_str_list near;
    LH_TRY(lh_catalog_near(cx, catalog, name, &near));
    LH_IGNORE(lh_fail(cx, LH_E_UNKNOWN_DATASET, "there is no dataset '%.*s'",
                      (int)LH_MIN(name.len, (size_t)LH_DATASET_NAME_MAX),
                      name.ptr != NULL ? name.ptr : ""));
    if (near.count == 0)
        return cx->err.rc;
    return lh_err_hint(cx, "Did you mean '%.*s'?", LH_STR_ARG(near.items[0]));
}

typedef struct lookup {
    lh_str name; /* as stored; lives as long as the catalog; empty: no such dataset */
    lh_snapshot *current;
    lh_str damage; /* arena */
} lookup;

static lh_rc look_up(lh_ctx *cx, lh_catalog *catalog, lh_str name, lookup *ret)
{
    *ret = (lookup){.current = NULL};
    LH_WITH_LOCK(&catalog->lock);
    const lhi_entry *entry = lhi_catalog_find(catalog, name);
    if (entry == NULL)
        return LH_OK;
    if (entry->damage != NULL) {
        ret->damage = lh_ctx_dup(cx, lh_str_from(entry->damage));
        if (ret->damage.ptr == NULL)
            return LH_E_NO_MEMORY;
    } else if (entry->current != NULL) {
        ret->current = lh_snapshot_ref(entry->current);
    }
    ret->name = entry->name;
    return LH_OK;
}

lh_rc lh_catalog_get(lh_ctx *cx, lh_catalog *catalog, lh_str name, uint64_t commit,
                     int64_t as_of_us, lh_snapshot **ret_snapshot)
{
    lookup found;
    if (commit != 0 && as_of_us != 0)
        return lh_fail(cx, LH_E_BAD_VALUE, "a version is named by commit or by time, not by both");
    LH_TRY(look_up(cx, catalog, name, &found));
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *current = found.current;
    if (found.name.len == 0)
        return unknown(cx, catalog, name);
    if (current == NULL && commit == 0 && as_of_us == 0)
        return lh_fail(cx, LH_E_CORRUPT, "%.*s", LH_STR_ARG(found.damage));
    if (current != NULL) {
        const lh_manifest *m = &current->manifest;
        if ((commit == 0 && as_of_us == 0) || commit == m->commit ||
            (as_of_us != 0 && as_of_us >= m->committed_at)) {
            *ret_snapshot = LH_TAKE(current);
            return LH_OK;
        }
    }
    if (as_of_us != 0)
        return get_as_of(cx, catalog, found.name, as_of_us, ret_snapshot);
    return get_old(cx, catalog, found.name, commit, ret_snapshot);
}
