/* catalog_entries.c - names to current versions: find, add, publish, list.
 *
 * One sorted array of pointers under one lock. The lock is held for a binary search and a
 * counter, never during I/O, so readers do not wait for writers; entries are never freed while
 * the catalog is open, so a pointer outlives the lock. */
#include "catalog/catalog_private.h"

/* Index of the first entry that is not before name. */
static size_t lower_bound(const lh_catalog *catalog, lh_str name, int (*cmp)(lh_str a, lh_str b))
{
    size_t low = 0, high = catalog->entries_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cmp(catalog->entries[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The order of lhi_name_cmp without its last resort, so equal letters are one run. */
static int cmp_letters(lh_str a, lh_str b)
{
    return lh_str_eq_nocase(a, b) ? 0 : lhi_name_cmp(a, b);
}

lhi_entry *lhi_catalog_find(lh_catalog *catalog, lh_str name)
{
    size_t first = lower_bound(catalog, name, cmp_letters);
    lhi_entry *found = NULL;
    for (size_t i = first; i < catalog->entries_count; i++) {
        lhi_entry *entry = catalog->entries[i];
        if (!lh_str_eq_nocase(entry->name, name))
            break;
        if (found == NULL || lh_str_eq(entry->name, name))
            found = entry;
    }
    return found;
}

static lh_rc no_memory(lh_ctx *cx, lh_str name)
{
    return lh_fail(cx, LH_E_NO_MEMORY, "no memory for dataset '%.*s'", LH_STR_ARG(name));
}

static lh_rc new_entry(lh_ctx *cx, lh_str name, lhi_entry **ret_entry)
{
    char *copy = lh_alloc(name.len + 1);
    lhi_entry *entry = lh_alloc_zero(1, sizeof(*entry));
    if (copy == NULL || entry == NULL) {
        lh_free(copy);
        lh_free(entry);
        return no_memory(cx, name);
    }
    memcpy(copy, name.ptr, name.len);
    copy[name.len] = '\0';
    entry->name = lh_str_n(copy, name.len);
    *ret_entry = entry;
    return LH_OK;
}

lh_rc lhi_catalog_add(lh_ctx *cx, lh_catalog *catalog, lh_str name, lhi_entry **ret_entry)
{
    size_t at = lower_bound(catalog, name, lhi_name_cmp);
    if (at < catalog->entries_count && lh_str_eq(catalog->entries[at]->name, name)) {
        *ret_entry = catalog->entries[at];
        return LH_OK;
    }
    if (catalog->entries_count >= LHI_DATASETS_MAX)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "there are %u datasets, which is the limit",
                       LHI_DATASETS_MAX);
    if (catalog->entries_count == catalog->entries_capacity) {
        size_t wanted = catalog->entries_capacity > 0 ? 2 * catalog->entries_capacity : 64;
        void *grown = lh_realloc_array(catalog->entries, wanted, sizeof(lhi_entry *));
        if (grown == NULL)
            return no_memory(cx, name);
        catalog->entries = grown;
        catalog->entries_capacity = wanted;
    }
    lhi_entry *entry;
    LH_TRY(new_entry(cx, name, &entry));
    memmove(&catalog->entries[at + 1], &catalog->entries[at],
            (catalog->entries_count - at) * sizeof(lhi_entry *));
    catalog->entries[at] = entry;
    catalog->entries_count++;
    *ret_entry = entry;
    return LH_OK;
}

/* Under the lock; what must be freed outside comes back. */
static lh_rc publish_locked(lh_ctx *cx, lh_catalog *catalog, lh_snapshot *snapshot,
                            lh_snapshot **ret_replaced)
{
    lhi_entry *entry;
    LH_WITH_LOCK(&catalog->lock);
    LH_TRY(lhi_catalog_add(cx, catalog, snapshot->manifest.name, &entry));
    uint64_t commit = snapshot->manifest.commit;
    if (entry->current != NULL && commit <= entry->current->manifest.commit)
        return LH_OK;
    *ret_replaced = entry->current;
    entry->current = lh_snapshot_ref(snapshot);
    entry->commit_newest = LH_MAX(entry->commit_newest, commit);
    if (entry->damage != NULL && commit >= entry->commit_newest) {
        entry->damage = lh_free(entry->damage);
        catalog->damaged_count--;
    }
    return LH_OK;
}

lh_rc lhi_catalog_publish(lh_ctx *cx, lh_catalog *catalog, lh_snapshot *snapshot)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *replaced = NULL;
    return publish_locked(cx, catalog, snapshot, &replaced);
}

void lh_catalog_page_done(lh_catalog_page *page)
{
    for (size_t i = 0; i < page->count; i++)
        lh_snapshot_unref(page->items[i]);
    *page = (lh_catalog_page){0};
}

lh_rc lh_catalog_list(lh_ctx *cx, lh_catalog *catalog, lh_str after, size_t limit,
                      lh_catalog_page *ret_page)
{
    lh_mutex_lock(&catalog->lock);
    size_t room = catalog->entries_count;
    lh_mutex_unlock(&catalog->lock);
    room = limit > 0 ? LH_MIN(room, limit) : room;
    lh_snapshot **items = LH_NEW_ARRAY(cx, lh_snapshot *, room + 1);
    if (items == NULL)
        return LH_E_NO_MEMORY;
    size_t count = 0;
    LH_WITH_LOCK(&catalog->lock);
    size_t i = after.len > 0 ? lower_bound(catalog, after, lhi_name_cmp) : 0;
    if (i < catalog->entries_count && lh_str_eq(catalog->entries[i]->name, after))
        i++;
    for (; i < catalog->entries_count && count < room; i++)
        if (catalog->entries[i]->damage == NULL && catalog->entries[i]->current != NULL)
            items[count++] = lh_snapshot_ref(catalog->entries[i]->current);
    while (i < catalog->entries_count && catalog->entries[i]->damage != NULL)
        i++;
    *ret_page = (lh_catalog_page){items, count, i < catalog->entries_count};
    return LH_OK;
}

lh_rc lh_catalog_damaged(lh_ctx *cx, lh_catalog *catalog, lh_damaged_dataset **ret_items,
                         size_t *ret_count)
{
    LH_WITH_LOCK(&catalog->lock);
    lh_damaged_dataset *items = LH_NEW_ARRAY(cx, lh_damaged_dataset, catalog->damaged_count + 1);
    size_t count = 0;
    if (items == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < catalog->entries_count; i++) {
        const lhi_entry *entry = catalog->entries[i];
        if (entry->damage == NULL)
            continue;
        lh_assert(count < catalog->damaged_count);
        items[count].name = lh_ctx_dup(cx, entry->name);
        items[count].commit = entry->commit_newest;
        items[count].text = lh_ctx_dup(cx, lh_str_from(entry->damage));
        if (items[count].name.ptr == NULL || items[count].text.ptr == NULL)
            return LH_E_NO_MEMORY;
        count++;
    }
    *ret_items = items;
    *ret_count = count;
    return LH_OK;
}

size_t lh_catalog_count(lh_catalog *catalog)
{
    LH_WITH_LOCK(&catalog->lock);
    return catalog->entries_count - catalog->damaged_count;
}
