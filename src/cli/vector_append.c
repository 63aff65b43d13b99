/* vector_append.c - fills a set of segments, appends to it under the clock, asks for what came. */
#include "cli/vector_append.h"

#include "base/clock.h"
#include "vector/vector_set.h"

#define NS_PER_S  1e9
#define NS_PER_US 1e3

/* Ids are the numbers first, first + 1, ...; one change each LH_SEGSET_BATCH_ROWS_MAX rows. */
static lh_rc add_rows(lh_ctx *cx, lh_vector_set *set, const lh_f32_rows *from, uint64_t first)
{
    const uint64_t most = LH_MIN(from->rows, (uint64_t)LH_SEGSET_BATCH_ROWS_MAX);
    uint64_t *ids = lh_alloc_zero(most + 1, sizeof *ids);
    lh_rc rc =
        ids ? LH_OK : lh_fail(cx, LH_E_NO_MEMORY, "ids of %llu rows", (unsigned long long)most);
    for (uint64_t at = 0; at < from->rows && rc == LH_OK; at += most) {
        uint64_t count = LH_MIN(from->rows - at, most);
        for (uint64_t i = 0; i < count; i++)
            ids[i] = first + at + i;
        lh_vector_rows rows = {ids, from->values + at * from->dimensions, count};
        rc = lh_vector_set_append(cx, set, &rows);
    }
    lh_free(ids);
    return rc;
}

static lh_rc measure(lh_ctx *cx, lh_vector_append *a, lh_vector_set *set)
{
    lh_segset_stats stats;
    lh_vector_set_search_stats search;
    lh_vector_set_hit hit = {0};
    uint32_t count = 0;
    LH_TRY(add_rows(cx, set, a->base, 0));
    int64_t begun = lh_clock_mono_ns();
    LH_TRY(add_rows(cx, set, a->more, a->base->rows));
    a->append_s = (double)(lh_clock_mono_ns() - begun) / NS_PER_S;
    begun = lh_clock_mono_ns();
    lh_vector_set_query query = {.vector = a->more->values, .k = 1};
    LH_TRY(lh_vector_set_search(cx, set, &query, &hit, &count, &search));
    a->search_us = (double)(lh_clock_mono_ns() - begun) / NS_PER_US;
    a->found = count == 1 && hit.id == a->base->rows;
    lh_vector_set_get_stats(set, &stats);
    a->segments = stats.segments;
    return LH_OK;
}

lh_rc lh_vector_append_measure(lh_ctx *cx, lh_vector_append *a)
{
    if (a->more->rows == 0)
        return lh_fail(cx, LH_E_BAD_VALUE, "--append has no rows");
    lh_segset_folder folder = {a->folder};
    lh_segset_home home;
    lh_vector_set *set = NULL;
    lh_vector_set_options options = {.build = a->options};
    LH_TRY(lh_segset_home_folder(cx, &folder, &home));
    lh_rc rc = lh_vector_set_open(cx, &home, &options, &set);
    if (rc == LH_OK)
        rc = measure(cx, a, set);
    lh_vector_set_close(set);
    lh_err err = cx->err;
    LH_IGNORE(lh_dir_remove_all(cx, a->folder));
    cx->err = err;
    return rc;
}
