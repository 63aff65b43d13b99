/* catalog.c - opening and closing the catalog, and who is told of commits. */
#include "base/metric.h"
#include "catalog/catalog_private.h"

lh_rc lh_catalog_open(lh_ctx *cx, lh_store *store, lh_journal *journal, lh_catalog **ret_catalog)
{
    lh_assert(store != NULL && journal != NULL);
    lh_catalog *catalog = lh_alloc_zero(1, sizeof(*catalog));
    if (catalog == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the catalog");
    catalog->store = store;
    catalog->journal = journal;
    lh_mutex_init(&catalog->lock);
    for (size_t i = 0; i < LHI_STRIPES; i++)
        lh_mutex_init(&catalog->stripes[i]);
    lh_rc rc = lhi_catalog_rebuild(cx, catalog);
    if (rc != LH_OK) {
        lh_catalog_close(catalog);
        return rc;
    }
    lh_metric_set(LH_M_CATALOG_DATASETS, (int64_t)lh_catalog_count(catalog));
    *ret_catalog = catalog;
    return LH_OK;
}

static void free_entry(lhi_entry *entry)
{
    if (entry == NULL)
        return;
    lh_snapshot_unref(entry->current);
    lh_free(entry->damage);
    lh_free((void *)(uintptr_t)entry->name.ptr);
    lh_free(entry);
}

/* Without it the next start looks into the journal for each dataset that changed since the last
 * note. */
static void save_note(lh_catalog *catalog)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (arena == NULL)
        return;
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    LH_IGNORE(lhi_journaled_save(&cx, catalog));
}

lh_catalog *lh_catalog_close(lh_catalog *catalog)
{
    if (catalog == NULL)
        return NULL;
    save_note(catalog);
    for (size_t i = 0; i < catalog->entries_count; i++)
        free_entry(catalog->entries[i]);
    lh_free(catalog->entries);
    for (size_t i = 0; i < LHI_OLD_SNAPSHOTS; i++)
        lh_snapshot_unref(catalog->old[i].snapshot);
    for (size_t i = 0; i < LHI_STRIPES; i++)
        lh_mutex_done(&catalog->stripes[i]);
    lh_mutex_done(&catalog->lock);
    return lh_free(catalog);
}

lh_store *lh_catalog_store(lh_catalog *catalog)
{
    return catalog->store;
}

lh_rc lh_catalog_subscribe(lh_ctx *cx, lh_catalog *catalog, lh_catalog_subscriber fn, void *arg)
{
    LH_WITH_LOCK(&catalog->lock);
    if (catalog->subscribers_count == LHI_SUBSCRIBERS_MAX)
        return lh_fail(cx, LH_E_INTERNAL, "more than %d subscribers", (int)LHI_SUBSCRIBERS_MAX);
    catalog->subscribers[catalog->subscribers_count++] = (lhi_subscriber){fn, arg};
    return LH_OK;
}
