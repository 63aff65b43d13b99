/* search/search_rows.c - which rows of an index may answer: a bitmap made before the search.
 *
 * By the filter and, where the principal may not see every row, by the policy's view (the SELECT
 * for ids runs under it). When the dataset changed since the index was built, ids that are gone
 * from it are dropped the same way, so an old index never shows a row that is no longer there. */
#include "search/search_private.h"

static void allow(void *arg, uint64_t number)
{
    lhi_allowed *a = arg;
    size_t part;
    uint64_t row;
    if (lh_segset_view_find(a->view, number, &part, &row))
        lh_bitmap_set(&a->rows->bitmap, number);
}

static lh_rc allow_id(lh_ctx *cx, void *arg, lh_str id)
{
    lhi_allowed *a = arg;
    return lhi_known_find(cx, a->known, id, allow, a);
}

/* Without what it has found when it fails. */
static lh_rc compute(lh_ctx *cx, lhi_allowed *a)
{
    a->how = "computed";
    LH_TRY(lhi_filter_rows_new(cx, a->known->end, &a->rows));
    LH_TRY(lhi_source_ids(cx, &a->source, a->filter, allow_id, a));
    lhi_filter_rows_count(a->rows);
    return LH_OK;
}

/* All that the rows depend on; texts are told apart by their lengths. */
static lh_str key_of(lh_ctx *cx, const lhi_allowed *a, lhi_about about)
{
    lh_str domain = cx->principal ? cx->principal->domain : LH_STR_NONE;
    return lh_ctx_fmt(
        cx, "%s%zu:%.*s %zu:%.*s %llu.%llu %zu:%.*s %zu:%.*s %.*s", a->state->kind->prefix,
        about.index_name.len, LH_STR_ARG(about.index_name), about.generation.len,
        LH_STR_ARG(about.generation), (unsigned long long)a->known->end,
        (unsigned long long)lh_segset_view_changes(a->view), a->grant->version.len,
        LH_STR_ARG(a->grant->version), domain.len, LH_STR_ARG(domain), LH_STR_ARG(a->filter));
}

lh_rc lhi_allowed_find(lh_ctx *cx, lhi_allowed *a)
{
    lhi_about about = a->state->kind->about(a->state);
    a->how = "none";
    if (a->filter.len > 0)
        LH_TRY(lh_sql_check_condition(cx, a->filter));
    a->is_current = lh_str_eq(lhi_source_fingerprint(cx, a->manifest), about.source_fingerprint);
    if (a->filter.len == 0 && a->grant->all_rows && a->is_current)
        return LH_OK;
    if (!lhi_filter_is_stable(a->filter))
        return compute(cx, a);
    lh_str key = key_of(cx, a, about);
    if (!key.ptr)
        return cx->err.rc;
    a->how = "cached";
    a->rows = lhi_filter_cache_find(a->cache, key);
    if (a->rows)
        return LH_OK;
    LH_TRY(compute(cx, a));
    lhi_filter_cache_put(a->cache, key, a->rows);
    return LH_OK;
}
