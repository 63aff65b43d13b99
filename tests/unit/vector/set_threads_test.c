/* Searches while changes, merges and swaps go on: every view is whole, nobody waits for a merge.
 * Worth most under the thread sanitizer. */
#include "os/thread.h"
#include "support/vector_model.h"

enum { DIM = 8, GROUPS = 12, GROUP_ROWS = 16, VERSIONS = 60, READERS = 2 };

typedef struct shared {
    lh_scratch *s;
    lh_vector_set *set;
    atomic_int stop;
    atomic_uint searches;
    atomic_uint torn;
} shared;

/* All rows of a group are replaced in one change and point the same way: a view that has two
 * versions of a group, or only some rows of it, is torn. */
static void group_vector(uint64_t group, uint64_t version, float *out)
{
    for (size_t i = 0; i < DIM; i++)
        out[i] = (float)((group * 31 + version * 17 + i * i * (version + 1)) % 97) - 48.0f;
    out[version % DIM] += 100.0f;
}

static lh_rc look(lh_ctx *cx, shared *sh, uint64_t group)
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
    LH_TRY(lh_vector_set_search(cx, sh->set, &query, hits, &count, &stats));
    int torn = count != 0 && count != GROUP_ROWS;
    for (uint32_t i = 1; i < count; i++) /* equal scores come in order of id */
        torn |= hits[i].score != hits[0].score || hits[i].id != hits[0].id + i;
    atomic_fetch_add(&sh->torn, torn != 0);
    atomic_fetch_add(&sh->searches, 1);
    return LH_OK;
}

static void reader(void *arg)
{
    shared *sh = arg;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    for (uint64_t n = 0; !atomic_load(&sh->stop); n++) {
        if (look(&cx, sh, n % GROUPS) != LH_OK)
            atomic_fetch_add(&sh->torn, 1000);
        lh_arena_reset(arena);
    }
    lh_arena_free(arena);
}

static void merger(void *arg)
{
    shared *sh = arg;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    while (!atomic_load(&sh->stop)) {
        uint64_t merged;
        if (lh_vector_set_merge(&cx, sh->set, LH_SEGSET_MERGE_ALL, &merged) != LH_OK)
            atomic_fetch_add(&sh->torn, 1000);
        lh_arena_reset(arena);
    }
    lh_arena_free(arena);
}

static void write_group(shared *sh, uint64_t group, uint64_t version)
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
        ck_lh_ok(sh->s, lh_vector_set_delete(&sh->s->cx, sh->set, ids, GROUP_ROWS, &deleted));
    else
        ck_lh_ok(sh->s, lh_vector_set_upsert(&sh->s->cx, sh->set, &rows));
}

LH_TEST_LOOP(searches_see_whole_changes_while_everything_moves, 3)
{
    lh_scratch s;
    lh_segset_folder folder;
    lh_segset_home home;
    lh_thread *threads[READERS + 1] = {NULL};
    static const lh_vector_kind kinds[] = {LH_VECTOR_AUTO, LH_VECTOR_FLAT, LH_VECTOR_GRAPH};
    lh_vector_set_options opts = {.build = {.dimensions = DIM, .kind = kinds[_i]},
                                  .tier_rows = 32,
                                  .fan_in = 3,
                                  .flags = LH_SEGSET_BACKGROUND};
    model_scratch_open(&s);
    shared sh = {.s = &s};
    folder.dir = lh_scratch_path(&s, "set");
    ck_lh_ok(&s, lh_segset_home_folder(&s.cx, &folder, &home));
    ck_lh_ok(&s, lh_vector_set_open(&s.cx, &home, &opts, &sh.set));
    for (size_t i = 0; i < READERS; i++)
        ck_lh_ok(&s, lh_thread_start(&s.cx, "reader", 0, reader, &sh, &threads[i]));
    ck_lh_ok(&s, lh_thread_start(&s.cx, "merger", 1 << 20, merger, &sh, &threads[READERS]));
    for (uint64_t version = 0; version < VERSIONS; version++)
        for (uint64_t group = 0; group < GROUPS; group++)
            write_group(&sh, group, version);
    atomic_store(&sh.stop, 1);
    for (size_t i = 0; i <= READERS; i++)
        lh_thread_join(threads[i]);
    ck_assert_uint_eq(atomic_load(&sh.torn), 0);
    ck_assert_uint_gt(atomic_load(&sh.searches), 0);
    lh_segset_stats stats;
    lh_vector_set_get_stats(sh.set, &stats);
    ck_assert_uint_gt(stats.merges, 0);
    ck_assert_uint_eq(stats.changes, (uint64_t)VERSIONS * GROUPS);
    sh.set = lh_vector_set_close(sh.set);
    lh_scratch_close(&s);
}
