/* Random changes, merges, searches, reopenings, failures and kills of a segment set, step by step
 * against a plain model.
 *
 *     LH_MODEL_STEPS=20000 LH_MODEL_SEED=7 build/dev/bin/unit_vector random
 *
 * A kill: the home dies at one of the next I/O steps (the step done, half done or not done), the
 * set is dropped and opened again from what is left. The change under way may be there or not, but
 * whole; every acknowledged one must be. */
#include "base/fault.h"
#include "support/vector_model.h"

enum { STEPS_DEFAULT = 3000, BATCH_MAX = 24, LOOPS = 4 };
static const lh_vector_kind kinds[LOOPS] = {LH_VECTOR_AUTO, LH_VECTOR_EXACT, LH_VECTOR_FLAT,
                                            LH_VECTOR_GRAPH};
#define RECALL_FLOOR 0.97

typedef struct run {
    lh_scratch s;
    model_home home;
    lh_vector_set *set;
    lh_vector_set_options options;
    model m;
    model next; /* if the change under way counts */
    uint64_t random;
    model_recall recall;
    unsigned kills, deaths, failures, merges, searches, reopens, changes;
} run;

static void open_set(run *r)
{
    atomic_store(&r->home.left, -1);
    atomic_store(&r->home.dead, 0);
    r->options.flags = model_below(&r->random, 2) ? LH_SEGSET_BACKGROUND : 0;
    ck_lh_ok(&r->s, lh_vector_set_open(&r->s.cx, &r->home.home, &r->options, &r->set));
}

/* Which of both it is. */
static void settle(run *r)
{
    if (model_equals(&r->s, r->set, &r->m))
        return;
    ck_assert_msg(model_equals(&r->s, r->set, &r->next),
                  "after a kill the set is neither what was acknowledged nor that and the change "
                  "under way");
    r->m = r->next;
}

static void reopen(run *r)
{
    r->set = lh_vector_set_close(r->set);
    open_set(r);
    settle(r);
    r->reopens++;
}

static lh_rc put_some(run *r, int append)
{
    uint64_t ids[BATCH_MAX];
    float vectors[BATCH_MAX][MODEL_DIM];
    size_t count = 1 + model_below(&r->random, BATCH_MAX);
    uint64_t first = model_below(&r->random, MODEL_IDS);
    int run_of_ids = model_below(&r->random, 2) != 0;
    int clash = 0;
    r->next = r->m;
    for (size_t i = 0; i < count; i++) {
        ids[i] = run_of_ids ? (first + i) % MODEL_IDS : model_below(&r->random, MODEL_IDS);
        clash |= r->m.there[ids[i]];
        for (size_t j = 0; j < i; j++)
            clash |= ids[j] == ids[i];
        model_draw(&r->random, vectors[i]);
        r->next.there[ids[i]] = 1;
        model_normalise(vectors[i], r->next.vectors[ids[i]]);
    }
    lh_vector_rows rows = {ids, vectors[0], count};
    if (!append)
        return lh_vector_set_upsert(&r->s.cx, r->set, &rows);
    lh_rc rc = lh_vector_set_append(&r->s.cx, r->set, &rows);
    ck_assert(!clash || rc != LH_OK);
    if (rc == LH_E_ALREADY_EXISTS) {
        ck_assert(clash);
        r->next = r->m;
        rc = LH_OK;
    }
    return rc;
}

static lh_rc delete_some(run *r)
{
    uint64_t ids[BATCH_MAX];
    size_t count = 1 + model_below(&r->random, BATCH_MAX);
    uint64_t deleted = 0;
    uint64_t wanted = 0;
    r->next = r->m;
    for (size_t i = 0; i < count; i++) {
        ids[i] = model_below(&r->random, MODEL_IDS);
        wanted += r->next.there[ids[i]];
        r->next.there[ids[i]] = 0;
    }
    lh_rc rc = lh_vector_set_delete(&r->s.cx, r->set, ids, count, &deleted);
    ck_assert(rc != LH_OK || deleted == wanted);
    return rc;
}

static lh_rc merge_some(run *r)
{
    uint64_t merged = 0;
    lh_segset_merge_how how =
        model_below(&r->random, 8) ? LH_SEGSET_MERGE_DUE : LH_SEGSET_MERGE_ALL;
    r->next = r->m;
    lh_rc rc = lh_vector_set_merge(&r->s.cx, r->set, how, &merged);
    r->merges += rc == LH_OK && merged > 0;
    return rc;
}

static lh_rc change_some(run *r)
{
    uint32_t what = model_below(&r->random, 100);
    r->changes++;
    if (what < 30)
        return put_some(r, 1);
    if (what < 60)
        return put_some(r, 0);
    return what < 85 ? delete_some(r) : merge_some(r);
}

static void search_some(run *r)
{
    static lh_vector_set_hit hits[MODEL_IDS + 1];
    static uint64_t words[MODEL_IDS / 64 + 1];
    static uint64_t ids[MODEL_IDS];
    unsigned char allowed[MODEL_IDS] = {0};
    float vector[MODEL_DIM];
    uint32_t count;
    lh_vector_set_search_stats stats;
    lh_bitmap by_id = {words, MODEL_IDS};
    uint32_t filter = model_below(&r->random, 3);
    uint32_t one_in = 1 + model_below(&r->random, 20);
    lh_vector_set_query query = {.vector = vector, .k = 1 + model_below(&r->random, 40)};
    do
        model_draw(&r->random, vector);
    while (model_dot(vector, vector) < 0.01);
    memset(words, 0, sizeof words);
    for (uint64_t id = 0; id < MODEL_IDS; id++) {
        if (model_below(&r->random, one_in) != 0)
            continue;
        allowed[id] = 1;
        lh_bitmap_set(&by_id, id);
        ids[query.ids_count++] = id;
    }
    query.by_id = filter == 1 ? &by_id : NULL;
    query.ids = filter == 2 ? ids : NULL;
    if (model_below(&r->random, 50) == 0)
        query.k = MODEL_IDS + 1;
    ck_lh_ok(&r->s, lh_vector_set_search(&r->s.cx, r->set, &query, hits, &count, &stats));
    int exact = r->options.build.kind == LH_VECTOR_EXACT;
    model_query check = {vector, filter ? allowed : NULL, query.k, exact ? NULL : &r->recall};
    model_check_query(&r->m, &check, hits, count);
    r->searches++;
}

static void kill_some(run *r)
{
    r->kills++;
    r->next = r->m;
    atomic_store(&r->home.left, (int)model_below(&r->random, 12));
    for (int i = 0; i < 4 && !atomic_load(&r->home.dead); i++)
        if (change_some(r) == LH_OK)
            r->m = r->next;
    r->deaths += atomic_load(&r->home.dead) != 0;
    reopen(r);
}

/* One I/O step fails and the program goes on: what was refused must not come up, neither now nor
 * after a reopen, unless the set itself says that it does not know. */
static void fail_some(run *r)
{
#if defined(LH_FAULTS) && LH_FAULTS
    static const lh_fault_point points[] = {
        LH_FAULT_SEGSET_AFTER_BATCH,     LH_FAULT_SEGSET_AFTER_MANIFEST,
        LH_FAULT_SEGSET_AFTER_SEGMENT,   LH_FAULT_SEGSET_BEFORE_BATCH,
        LH_FAULT_SEGSET_BEFORE_MANIFEST, LH_FAULT_SEGSET_BEFORE_REMOVE,
        LH_FAULT_SEGSET_BEFORE_SEGMENT,  LH_FAULT_FILE_BEFORE_WRITE,
        LH_FAULT_FILE_BEFORE_SYNC,       LH_FAULT_FILE_BEFORE_RENAME,
        LH_FAULT_FILE_BEFORE_DIR_SYNC,   LH_FAULT_FILE_BEFORE_REMOVE};
    lh_fault_arm(points[model_below(&r->random, LH_ARRAY_LEN(points))], LH_FAULT_FAIL,
                 1 + model_below(&r->random, 3), 0);
    lh_rc rc = change_some(r);
    lh_fault_disarm_all();
    if (rc == LH_OK) {
        r->m = r->next;
        return;
    }
    r->failures++;
    uint64_t id = 0;
    uint64_t deleted;
    if (lh_vector_set_delete(&r->s.cx, r->set, &id, 1, &deleted) == LH_E_UNAVAILABLE) {
        reopen(r);
        return;
    }
    r->m.there[0] = 0;
    r->next = r->m;
    ck_assert(model_equals(&r->s, r->set, &r->m));
    if (model_below(&r->random, 2))
        reopen(r);
#else
    (void)r;
#endif
}

static void step(run *r)
{
    uint32_t what = model_below(&r->random, 1000);
    if (what < 400) {
        search_some(r);
    } else if (what < 940) {
        lh_rc rc = change_some(r);
        ck_assert_msg(rc == LH_OK, "%s: %s", lh_rc_code(rc), r->s.cx.err.message);
        r->m = r->next;
    } else if (what < 955) {
        r->next = r->m;
        reopen(r);
    } else if (what < 985) {
        kill_some(r);
    } else {
        fail_some(r);
    }
    if (what % 16 == 0)
        ck_assert(model_equals(&r->s, r->set, &r->m));
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

LH_TEST_LOOP(random_changes_kills_and_searches_equal_the_model, LOOPS)
{
    static run r;
    uint64_t steps = from_environment("LH_MODEL_STEPS", STEPS_DEFAULT) / LOOPS;
    memset(&r, 0, sizeof r); /* without forks the last round's rows would still be there */
    r.random = from_environment("LH_MODEL_SEED", 1) * 1000 + (uint64_t)_i;
    r.options = (lh_vector_set_options){.build.dimensions = MODEL_DIM, .tier_rows = 8, .fan_in = 3};
    r.options.build.kind = kinds[_i];
    model_scratch_open(&r.s);
    model_home_open(&r.home, &r.s);
    open_set(&r);
    for (uint64_t i = 0; i < steps; i++) {
        step(&r);
        lh_arena_reset(r.s.arena);
    }
    r.next = r.m;
    reopen(&r);
    r.set = lh_vector_set_close(r.set);
    double recall = r.recall.wanted ? (double)r.recall.found / (double)r.recall.wanted : 1.0;
    printf("kind %d, recall %.4f, %llu steps: %u searches, %u changes (%u merges), %u kills (%u in "
           "a step), %u failures, "
           "%u reopens, %zu rows\n",
           (int)kinds[_i], recall, (unsigned long long)steps, r.searches, r.changes, r.merges,
           r.kills, r.deaths, r.failures, r.reopens, model_count(&r.m));
    ck_assert_msg(recall >= RECALL_FLOOR, "recall %.4f of kind %d", recall, (int)kinds[_i]);
    ck_assert(steps < 500 || (r.merges > 0 && r.deaths > 0 && r.searches > 0));
    lh_scratch_close(&r.s);
}
