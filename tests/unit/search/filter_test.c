/* filter_test.c - the cache of filter rows: what may be kept, what is found, what leaves. */
#include "search/search_private.h"
#include "support/scratch.h"

static lhi_filter_rows *rows_of(lh_scratch *s, uint64_t rows, uint64_t first)
{
    lhi_filter_rows *r;
    ck_lh_ok(s, lhi_filter_rows_new(&s->cx, rows, &r));
    lh_bitmap_set(&r->bitmap, first);
    r->count = 1;
    return r;
}

LH_TEST(conditions_on_the_row_alone_may_be_kept)
{
    static const char *const stable[] = {"",
                                         "a = 1",
                                         "city IN ('Rome', 'Oslo') AND x < 3",
                                         "name LIKE '%x%'",
                                         "length(b) > 2 OR c IS NULL",
                                         "nowhere = 1",
                                         "my_random < 2"};
    static const char *const unstable[] = {"a < random()",        "t > now()",
                                           "t > CURRENT_DATE",    "id IN (SELECT id FROM other)",
                                           "a < RANDOM ( )",      "t>today()",
                                           "x = uuid()",          "date_part('year', age(t))",
                                           "id IN (FROM other)",  "id IN (TABLE other)",
                                           "a = getvariable('b')"};
    for (size_t i = 0; i < LH_ARRAY_LEN(stable); i++)
        ck_assert_msg(lhi_filter_is_stable(lh_str_from(stable[i])), "%s", stable[i]);
    for (size_t i = 0; i < LH_ARRAY_LEN(unstable); i++)
        ck_assert_msg(!lhi_filter_is_stable(lh_str_from(unstable[i])), "%s", unstable[i]);
}

LH_TEST(what_was_put_is_found_under_its_key_only)
{
    lh_scratch s;
    lhi_filter_cache *cache;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lhi_filter_cache_new(&s.cx, 1 << 20, &cache));
    lhi_filter_rows *mine = rows_of(&s, 100, 7);
    lhi_filter_cache_put(cache, LH_S("one"), mine);
    lhi_filter_rows_unref(mine);
    ck_assert_ptr_null(lhi_filter_cache_find(cache, LH_S("on")));
    ck_assert_ptr_null(lhi_filter_cache_find(cache, LH_S("one more")));
    lhi_filter_rows *found = lhi_filter_cache_find(cache, LH_S("one"));
    ck_assert_ptr_nonnull(found);
    lhi_filter_rows *other = rows_of(&s, 100, 9);
    lhi_filter_cache_put(cache, LH_S("one"), other); /* replaced; who reads the old one goes on */
    lhi_filter_rows_unref(other);
    ck_assert(lh_bitmap_get(&found->bitmap, 7) && !lh_bitmap_get(&found->bitmap, 9));
    lhi_filter_rows_unref(found);
    found = lhi_filter_cache_find(cache, LH_S("one"));
    ck_assert(lh_bitmap_get(&found->bitmap, 9));
    lhi_filter_cache_free(cache);
    ck_assert(lh_bitmap_get(&found->bitmap, 9)); /* also after the cache */
    lhi_filter_rows_unref(found);
    lh_scratch_close(&s);
}

LH_TEST(the_one_used_longest_ago_leaves_first)
{
    lh_scratch s;
    lhi_filter_cache *cache;
    const uint64_t rows = 80000; /* some 10 KB each */
    lh_scratch_open(&s);
    ck_lh_ok(&s, lhi_filter_cache_new(&s.cx, 35000, &cache));
    for (uint64_t i = 0; i < 3; i++) {
        lhi_filter_rows *r = rows_of(&s, rows, i);
        lhi_filter_cache_put(cache, lh_ctx_fmt(&s.cx, "%d", (int)i), r);
        lhi_filter_rows_unref(r);
    }
    lhi_filter_rows_unref(lhi_filter_cache_find(cache, LH_S("0")));
    lhi_filter_rows *r = rows_of(&s, rows, 3);
    lhi_filter_cache_put(cache, LH_S("3"), r);
    lhi_filter_rows_unref(r);
    lhi_filter_rows *kept = lhi_filter_cache_find(cache, LH_S("0"));
    ck_assert_ptr_nonnull(kept);
    lhi_filter_rows_unref(kept);
    ck_assert_ptr_null(lhi_filter_cache_find(cache, LH_S("1")));
    r = rows_of(&s, 400000, 3); /* larger than the cache: not kept, nothing leaves for it */
    lhi_filter_cache_put(cache, LH_S("4"), r);
    lhi_filter_rows_unref(r);
    ck_assert_ptr_null(lhi_filter_cache_find(cache, LH_S("4")));
    kept = lhi_filter_cache_find(cache, LH_S("3"));
    ck_assert_ptr_nonnull(kept);
    lhi_filter_rows_unref(kept);
    lhi_filter_cache_free(cache);
    lh_scratch_close(&s);
}
