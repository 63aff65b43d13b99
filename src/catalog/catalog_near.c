/* catalog_near.c - names that were probably meant. */
#include "catalog/catalog_private.h"

enum { NEAR_MAX = 3, CONTAINS_MIN = 3, PREFIX_SCORE = 3, CONTAINS_SCORE = 500, NOT_NEAR = 1000 };

static int contains_nocase(lh_str text, lh_str part)
{
    for (size_t i = 0; i + part.len <= text.len; i++)
        if (lh_str_eq_nocase(lh_str_sub(text, i, part.len), part))
            return 1;
    return 0;
}

/* How many mistakes a word of that length may hold and still be meant. */
static uint32_t mistakes_max(size_t len)
{
    if (len <= 2)
        return 0;
    return len == 3 ? 1 : len <= 8 ? 2 : (uint32_t)len / 3;
}

/* 0 = equal but for case, two for each mistake. The beginning of a name comes after one mistake,
 * a piece of it after all of them. */
static uint32_t nearness(lh_str asked, lh_str name)
{
    lh_str shorter = asked.len < name.len ? asked : name;
    lh_str longer = asked.len < name.len ? name : asked;
    uint32_t max = mistakes_max(shorter.len);
    uint32_t distance = lh_str_distance(asked, name, max);
    uint32_t score = distance <= max ? 2 * distance : NOT_NEAR;
    if (shorter.len < CONTAINS_MIN)
        return score;
    if (lh_str_starts_nocase(longer, shorter))
        return LH_MIN(score, (uint32_t)PREFIX_SCORE);
    if (contains_nocase(longer, shorter))
        return LH_MIN(score, (uint32_t)CONTAINS_SCORE);
    return score;
}

lh_rc lh_catalog_near(lh_ctx *cx, lh_catalog *catalog, lh_str name, lh_str_list *ret_names)
{
    lh_mutex_lock(&catalog->lock);
    size_t count = catalog->entries_count;
    lh_str *all = LH_NEW_ARRAY(cx, lh_str, count + 1); /* entries live on, so borrowing is fine */
    for (size_t i = 0; all != NULL && i < count; i++)
        all[i] = catalog->entries[i]->name;
    lh_mutex_unlock(&catalog->lock);
    lh_str *best = LH_NEW_ARRAY(cx, lh_str, NEAR_MAX + 1);
    if (all == NULL || best == NULL)
        return LH_E_NO_MEMORY;
    uint32_t scores[NEAR_MAX + 1];
    size_t found = 0;
    name = lh_str_sub(name, 0, LH_DATASET_NAME_MAX);
    for (size_t i = 0; i < count; i++) {
        uint32_t score = nearness(name, all[i]);
        if (score >= NOT_NEAR)
            continue;
        size_t at = found;
        for (; at > 0 && scores[at - 1] > score; at--) {
            best[at] = best[at - 1];
            scores[at] = scores[at - 1];
        }
        best[at] = all[i];
        scores[at] = score;
        found = LH_MIN(found + 1, (size_t)NEAR_MAX);
    }
    for (size_t i = 0; i < found; i++) {
        best[i] = lh_ctx_dup(cx, best[i]);
        if (best[i].ptr == NULL)
            return LH_E_NO_MEMORY;
    }
    *ret_names = (lh_str_list){best, found};
    return LH_OK;
}
