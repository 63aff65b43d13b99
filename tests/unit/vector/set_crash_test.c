/* The crash matrix of segment sets (tests/fault/vector_set.crash): the program dies at a point, the
 * next opens what is left, twice. */
#include "support/crash.h"
#include "support/vector_model.h"

static void open_in(crash_run *run, lh_segset_folder *folder, lh_segset_home *home,
                    lh_vector_set **ret_set)
{
    lh_vector_set_options opts = {.build.dimensions = 2};
    folder->dir = lh_scratch_path(run->scratch, "set");
    ck_lh_ok(run->scratch, lh_segset_home_folder(&run->scratch->cx, folder, home));
    ck_lh_ok(run->scratch, lh_vector_set_open(&run->scratch->cx, home, &opts, ret_set));
}

static void put(crash_run *run, lh_vector_set *set, uint64_t id)
{
    float vector[2] = {1, (float)id};
    lh_vector_rows rows = {&id, vector, 1};
    if (lh_vector_set_upsert(&run->scratch->cx, set, &rows) != LH_OK)
        _exit(98);
}

static void work(crash_run *run)
{
    lh_segset_folder folder;
    lh_segset_home home;
    lh_vector_set *set = NULL;
    uint64_t n;
    int merges = strcmp(run->row.scenario, "merge") == 0;
    int deletes = strcmp(run->row.scenario, "delete") == 0;
    open_in(run, &folder, &home, &set);
    if (deletes) /* units are ids that are gone */
        for (uint64_t id = 0; id < 5; id++)
            put(run, set, id);
    if (!merges)
        crash_arm(run);
    for (uint64_t id = 0; id < 5; id++) {
        if (!deletes)
            put(run, set, id);
        else if (lh_vector_set_delete(&run->scratch->cx, set, &id, 1, &n) != LH_OK)
            _exit(98);
        crash_ack(run, (unsigned char)id);
    }
    if (merges) {
        crash_arm(run);
        if (lh_vector_set_merge(&run->scratch->cx, set, LH_SEGSET_MERGE_ALL, &n) != LH_OK)
            _exit(98);
    }
    lh_vector_set_close(set);
}

static void look(crash_run *run, crash_found *found)
{
    int deletes = strcmp(run->row.scenario, "delete") == 0;
    for (int again = 0; again < 2; again++) {
        lh_segset_folder folder;
        lh_segset_home home;
        lh_vector_set *set = NULL;
        uint64_t *ids;
        size_t count;
        lh_str_list names;
        memset(found, 0, sizeof *found);
        open_in(run, &folder, &home, &set);
        lh_segset_view *view = lh_vector_set_view(set);
        ck_lh_ok(run->scratch, lh_segset_view_ids(&run->scratch->cx, view, &ids, &count));
        for (uint64_t id = 0; id < 5 && deletes; id++)
            found->seen[id] = 1;
        for (size_t i = 0; i < count; i++)
            found->seen[ids[i]] += deletes ? -1u : 1u;
        lh_segset_view_unref(view);
        /* no garbage: the manifest and what is live */
        ck_lh_ok(run->scratch, home.list(&run->scratch->cx, home.arg, &names));
        ck_assert_uint_le(names.count, 11);
        lh_vector_set_close(set);
    }
}

LH_TEST(every_row_of_the_crash_matrix)
{
    crash_row rows[CRASH_ROWS_MAX];
    size_t count = crash_rows("vector_set.crash", rows);
    ck_assert_uint_gt(count, 20);
    for (size_t i = 0; i < count; i++)
        crash_run_row(&rows[i], work, look);
}
