/* Searches while changes, merges and swaps go on: every view is whole, nobody waits for a merge.
 * Worth most under the thread sanitizer. */
#include "support/set_threads.h"
#include "support/vector_model.h"

enum { DIM = 8, GROUPS = 12, GROUP_ROWS = 16, VERSIONS = 60 };

/* All rows of a group are replaced in one change and point the same way: a view that has two
 * versions of a group, or only some rows of it, is torn. */
static void group_vector(uint64_t group, uint64_t version, float *out)
{
    for (size_t i = 0; i < DIM; i++)
        out[i] = (float)((group * 31 + version * 17 + i * i * (version + 1)) % 97) - 48.0f;
    out[version % DIM] += 100.0f;
}

static lh_rc look(lh_ctx *cx, void *set, uint64_t group, int *ret_torn)
{
    float vector[DIM];
    uint64_t ids[GROUP_ROWS];
    lh_vector_set_hit hits[GROUP_ROWS + 1];
    uint32_t count;
    lh_vector_set_search_stats stats;
    for (uint64_t i = 0; i < GROUP_ROWS; i++)
        ids[i] = group * GROUP_ROWS + i;
    group_vector(group, 3, vector);
    lh_vector_set_query query = {
        .vector = vector, .k = GROUP_ROWS + 1, .ids = ids, .ids_count = GROUP_ROWS};
    LH_TRY(lh_vector_set_search(cx, set, &query, hits, &count, &stats));
    *ret_torn = count != 0 && count != GROUP_ROWS;
    for (uint32_t i = 1; i < count; i++) /* equal scores come in order of id */
        *ret_torn |= hits[i].score != hits[0].score || hits[i].id != hits[0].id + i;
    return LH_OK;
}

static lh_rc merge_all(lh_ctx *cx, void *set)
{
    uint64_t merged;
    return lh_vector_set_merge(cx, set, LH_SEGSET_MERGE_ALL, &merged);
}

static void write_group(lh_scratch *s, lh_vector_set *set, uint64_t group, uint64_t version)
{
    uint64_t ids[GROUP_ROWS];
    float vectors[GROUP_ROWS][DIM];
    uint64_t deleted;
    for (uint64_t i = 0; i < GROUP_ROWS; i++) {
        ids[i] = group * GROUP_ROWS + i;
        group_vector(group, version, vectors[i]);
    }
    lh_vector_rows rows = {ids, vectors[0], GROUP_ROWS};
    if (version % 7 == 6)
        ck_lh_ok(s, lh_vector_set_delete(&s->cx, set, ids, GROUP_ROWS, &deleted));
    else
        ck_lh_ok(s, lh_vector_set_upsert(&s->cx, set, &rows));
}

LH_TEST_LOOP(searches_see_whole_changes_while_everything_moves, 3)
{
    lh_scratch s;
    lh_segset_folder folder;
    lh_segset_home home;
    lh_vector_set *set = NULL;
    static const lh_vector_kind kinds[] = {LH_VECTOR_AUTO, LH_VECTOR_FLAT, LH_VECTOR_GRAPH};
    lh_vector_set_options opts = {.build = {.dimensions = DIM, .kind = kinds[_i]},
                                  .tier_rows = 32,
                                  .fan_in = 3,
                                  .flags = LH_SEGSET_BACKGROUND};
    model_scratch_open(&s);
    folder.dir = lh_scratch_path(&s, "set");
    ck_lh_ok(&s, lh_segset_home_folder(&s.cx, &folder, &home));
    ck_lh_ok(&s, lh_vector_set_open(&s.cx, &home, &opts, &set));
    set_threads t = {.set = set, .groups = GROUPS, .look = look, .merge = merge_all};
    set_threads_start(&s, &t);
    for (uint64_t version = 0; version < VERSIONS; version++)
        for (uint64_t group = 0; group < GROUPS; group++)
            write_group(&s, set, group, version);
    set_threads_stop(&t);
    lh_segset_stats stats;
    lh_vector_set_get_stats(set, &stats);
    ck_assert_uint_gt(stats.merges, 0);
    ck_assert_uint_eq(stats.changes, (uint64_t)VERSIONS * GROUPS);
    lh_vector_set_close(set);
    lh_scratch_close(&s);
}
