/* search/search_filter.c - keeps which chunks a filter allows: the same question asked again costs
 * no SQL.
 *
 * The key holds everything the rows depend on: the generation (what a row number is), the version
 * of the grant (data and rules) and the security domain, and the text of the filter. A filter that
 * can give other rows later, because it asks the clock, chance or another dataset, is not kept.
 * Entries leave from the one used longest ago. */
#include "base/metric.h"
#include "search/search_private.h"

#include <ctype.h>

typedef struct entry {
    struct entry *newer;
    struct entry *older;
    lhi_filter_rows *rows;
    uint64_t bytes;
    size_t key_len;
    char key[];
} entry;

struct lhi_filter_cache {
    lh_mutex lock;
    uint64_t bytes_max;
    uint64_t bytes;
    entry *newest;
    entry *oldest;
};

/* ---- rows ---- */

lh_rc lhi_filter_rows_new(lh_ctx *cx, uint64_t rows, lhi_filter_rows **ret_rows)
{
    lhi_filter_rows *r = lh_alloc_zero(1, sizeof *r);
    if (!r)
        return lh_fail(cx, LH_E_NO_MEMORY, "rows of a filter");
    atomic_init(&r->references, 1);
    r->bitmap.rows = rows;
    r->bitmap.words = lh_alloc_zero((size_t)(rows / 64 + 1), sizeof(uint64_t));
    if (!r->bitmap.words) {
        lh_free(r);
        return lh_fail(cx, LH_E_NO_MEMORY, "rows of a filter");
    }
    *ret_rows = r;
    return LH_OK;
}

lhi_filter_rows *lhi_filter_rows_unref(lhi_filter_rows *rows)
{
    if (!rows || atomic_fetch_sub(&rows->references, 1) != 1)
        return NULL;
    lh_free(rows->bitmap.words);
    return lh_free(rows);
}

/* ---- what may be kept ---- */

static int is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Words that make a condition depend on more than its row. Also as part of a name in quotes or of a
 * text: then the filter is only slower than it need be. */
int lhi_filter_is_stable(lh_str filter)
{
    static const char *const words[] = {"select",
                                        "from",
                                        "table",
                                        "values",
                                        "random",
                                        "setseed",
                                        "uuid",
                                        "gen_random_uuid",
                                        "uuidv4",
                                        "uuidv7",
                                        "now",
                                        "today",
                                        "age",
                                        "current_date",
                                        "current_time",
                                        "current_timestamp",
                                        "current_localtime",
                                        "current_localtimestamp",
                                        "localtime",
                                        "localtimestamp",
                                        "get_current_time",
                                        "get_current_timestamp",
                                        "transaction_timestamp",
                                        "nextval",
                                        "currval",
                                        "txid_current",
                                        "getvariable",
                                        "current_setting",
                                        "query",
                                        "query_table"};
    for (size_t at = 0; at < filter.len;) {
        size_t end = at;
        while (end < filter.len && is_word(filter.ptr[end]))
            end++;
        for (size_t i = 0; end > at && i < LH_ARRAY_LEN(words); i++)
            if (lh_str_eq_nocase(lh_str_sub(filter, at, end - at), lh_str_from(words[i])))
                return 0;
        at = end > at ? end : at + 1;
    }
    return 1;
}

/* ---- the cache ---- */

void lhi_filter_rows_count(lhi_filter_rows *rows)
{
    rows->count = 0;
    for (uint64_t i = 0; i <= rows->bitmap.rows / 64; i++)
        rows->count += (uint64_t)__builtin_popcountll(rows->bitmap.words[i]);
}

lh_rc lhi_filter_cache_new(lh_ctx *cx, uint64_t bytes_max, lhi_filter_cache **ret_cache)
{
    lhi_filter_cache *cache = lh_alloc_zero(1, sizeof *cache);
    if (!cache)
        return lh_fail(cx, LH_E_NO_MEMORY, "filter cache");
    lh_mutex_init(&cache->lock);
    cache->bytes_max = bytes_max;
    *ret_cache = cache;
    return LH_OK;
}

/* Under the lock. */
static void unlink_entry(lhi_filter_cache *cache, entry *e)
{
    *(e->newer ? &e->newer->older : &cache->newest) = e->older;
    *(e->older ? &e->older->newer : &cache->oldest) = e->newer;
    e->newer = NULL;
    e->older = NULL;
}

/* Under the lock. */
static void link_newest(lhi_filter_cache *cache, entry *e)
{
    e->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = e;
    cache->newest = e;
}

/* Under the lock. */
static void drop(lhi_filter_cache *cache, entry *e)
{
    unlink_entry(cache, e);
    cache->bytes -= e->bytes;
    lhi_filter_rows_unref(e->rows);
    lh_free(e);
}

lhi_filter_cache *lhi_filter_cache_free(lhi_filter_cache *cache)
{
    if (!cache)
        return NULL;
    while (cache->oldest)
        drop(cache, cache->oldest);
    lh_mutex_done(&cache->lock);
    return lh_free(cache);
}

/* Under the lock. A few hundred entries at most are looked through: less than one SQL statement. */
static entry *find(lhi_filter_cache *cache, lh_str key)
{
    entry *e = cache->newest;
    while (e && !lh_str_eq(lh_str_n(e->key, e->key_len), key))
        e = e->older;
    return e;
}

lhi_filter_rows *lhi_filter_cache_find(lhi_filter_cache *cache, lh_str key)
{
    lhi_filter_rows *rows = NULL;
    {
        LH_WITH_LOCK(&cache->lock);
        entry *e = find(cache, key);
        if (e) {
            unlink_entry(cache, e);
            link_newest(cache, e);
            rows = e->rows;
            atomic_fetch_add(&rows->references, 1);
        }
    }
    lh_metric_add(rows ? LH_M_VECTOR_FILTER_HITS : LH_M_VECTOR_FILTER_MISSES, 1);
    return rows;
}

#define ENTRIES_MAX 512u

void lhi_filter_cache_put(lhi_filter_cache *cache, lh_str key, lhi_filter_rows *rows)
{
    uint64_t bytes = rows->bitmap.rows / 8 + sizeof(entry) + sizeof *rows + key.len;
    uint64_t least = cache->bytes_max / ENTRIES_MAX; /* bounds how many there are */
    bytes = LH_MAX(bytes, least);
    if (bytes > cache->bytes_max)
        return;
    entry *e = lh_alloc_zero(1, sizeof *e + key.len);
    if (!e)
        return;
    e->rows = rows;
    e->bytes = bytes;
    e->key_len = key.len;
    memcpy(e->key, key.ptr, key.len);
    LH_WITH_LOCK(&cache->lock);
    entry *same = find(cache, key);
    if (same)
        drop(cache, same);
    while (cache->oldest && cache->bytes + bytes > cache->bytes_max)
        drop(cache, cache->oldest);
    atomic_fetch_add(&rows->references, 1);
    link_newest(cache, e);
    cache->bytes += bytes;
}
