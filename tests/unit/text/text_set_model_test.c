/* Random changes, merges, searches, reopenings, failures and kills of a set of texts, step by step
 * against a plain model.
 *
 *     LH_MODEL_STEPS=20000 LH_MODEL_SEED=7 build/dev/bin/unit_text random
 */
#include "base/fault.h"
#include "text_set_world.h"

enum { STEPS_DEFAULT = 1500, BATCH_MAX = 20 };

typedef struct run {
    lh_scratch s;
    model_home home;
    lh_text_set *set;
    set_model m;
    set_model next; /* if the change under way counts */
    uint64_t random;
    uint32_t versions;
    unsigned kills, deaths, failures, merges, searches, changes;
} run;

static void open_set(run *r)
{
    lh_text_set_options options = set_options();
    atomic_store(&r->home.left, -1);
    atomic_store(&r->home.dead, 0);
    options.flags = model_below(&r->random, 2) ? LH_SEGSET_BACKGROUND : 0;
    ck_lh_ok(&r->s, lh_text_set_open(&r->s.cx, &r->home.home, &options, &r->set));
}

static void reopen(run *r)
{
    r->set = lh_text_set_close(r->set);
    open_set(r);
    if (set_equals(&r->s, r->set, &r->m))
        return;
    ck_assert_msg(set_equals(&r->s, r->set, &r->next),
                  "after a kill the set is neither what was acknowledged nor that and the change "
                  "under way");
    r->m = r->next;
}

static lh_rc put_some(run *r, int append)
{
    lh_text_doc docs[BATCH_MAX];
    size_t count = 1 + model_below(&r->random, BATCH_MAX);
    uint64_t first = model_below(&r->random, SET_IDS);
    int run_of_ids = model_below(&r->random, 2) != 0;
    int clash = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t id =
            run_of_ids ? (first + i) % SET_IDS : (uint64_t)model_below(&r->random, SET_IDS);
        clash |= r->next.there[id];
        r->next.there[id] = 1;
        r->next.version[id] = ++r->versions;
        docs[i] = set_doc(&r->s, id, r->versions);
    }
    if (!append)
        return lh_text_set_upsert(&r->s.cx, r->set, docs, count);
    lh_rc rc = lh_text_set_append(&r->s.cx, r->set, docs, count);
    ck_assert(!clash || rc != LH_OK);
    if (rc != LH_E_ALREADY_EXISTS)
        return rc;
    ck_assert(clash);
    r->next = r->m;
    return LH_OK;
}

static lh_rc delete_some(run *r)
{
    uint64_t ids[BATCH_MAX];
    size_t count = 1 + model_below(&r->random, BATCH_MAX);
    uint64_t deleted = 0;
    uint64_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        ids[i] = model_below(&r->random, SET_IDS);
        wanted += r->next.there[ids[i]];
        r->next.there[ids[i]] = 0;
    }
    lh_rc rc = lh_text_set_delete(&r->s.cx, r->set, ids, count, &deleted);
    ck_assert(rc != LH_OK || deleted == wanted);
    return rc;
}

/* New documents and deletes of others in one change. */
static lh_rc replace_some(run *r)
{
    lh_text_doc docs[BATCH_MAX];
    uint64_t deletes[BATCH_MAX];
    lh_text_change change = {.docs = docs, .deletes = deletes};
    uint64_t first = model_below(&r->random, SET_IDS);
    for (uint64_t i = 0; i < BATCH_MAX; i++) {
        uint64_t id = (first + i) % SET_IDS;
        if (r->next.there[id]) {
            deletes[change.deletes_count++] = id;
            r->next.there[id] = 0;
        } else {
            r->next.there[id] = 1;
            r->next.version[id] = ++r->versions;
            docs[change.count++] = set_doc(&r->s, id, r->versions);
        }
    }
    return lh_text_set_change(&r->s.cx, r->set, &change);
}

static lh_rc change_some(run *r)
{
    uint32_t what = model_below(&r->random, 100);
    uint64_t merged = 0;
    r->changes++;
    r->next = r->m;
    if (what < 35)
        return put_some(r, 1);
    if (what < 55)
        return put_some(r, 0);
    if (what < 65)
        return delete_some(r);
    if (what < 75)
        return replace_some(r);
    lh_rc rc = lh_text_set_merge(&r->s.cx, r->set,
                                 what < 90 ? LH_SEGSET_MERGE_DUE : LH_SEGSET_MERGE_ALL, &merged);
    r->merges += rc == LH_OK && merged > 0;
    return rc;
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

/* One step fails and the program goes on: what was refused must not come up. */
static void fail_some(run *r)
{
#if defined(LH_FAULTS) && LH_FAULTS
    static const lh_fault_point points[] = {
        LH_FAULT_SEGSET_AFTER_BATCH,    LH_FAULT_SEGSET_AFTER_MANIFEST,
        LH_FAULT_SEGSET_AFTER_SEGMENT,  LH_FAULT_SEGSET_BEFORE_BATCH,
        LH_FAULT_SEGSET_BEFORE_REMOVE,  LH_FAULT_SEGSET_BEFORE_MANIFEST,
        LH_FAULT_SEGSET_BEFORE_SEGMENT, LH_FAULT_FILE_BEFORE_SYNC,
        LH_FAULT_FILE_BEFORE_RENAME,    LH_FAULT_FILE_BEFORE_DIR_SYNC};
    lh_fault_arm(points[model_below(&r->random, LH_ARRAY_LEN(points))], LH_FAULT_FAIL,
                 1 + model_below(&r->random, 3), 0);
    lh_rc rc = change_some(r);
    lh_fault_disarm_all();
    if (rc == LH_OK) {
        r->m = r->next;
        return;
    }
    r->failures++;
    reopen(r);
#else
    (void)r;
#endif
}

static void step(run *r)
{
    uint32_t what = model_below(&r->random, 1000);
    if (what < 500) {
        set_check_search(&r->s, r->set, &r->m, &r->random);
        r->searches++;
    } else if (what < 945) {
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
    if (what % 32 == 0)
        ck_assert(set_equals(&r->s, r->set, &r->m));
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

LH_TEST(random_changes_kills_and_searches_equal_the_model)
{
    static run r;
    uint64_t steps = from_environment("LH_MODEL_STEPS", STEPS_DEFAULT);
    memset(&r, 0, sizeof r);
    r.random = from_environment("LH_MODEL_SEED", 1);
    model_scratch_open(&r.s);
    model_home_open(&r.home, &r.s);
    open_set(&r);
    for (uint64_t i = 0; i < steps; i++) {
        step(&r);
        lh_arena_reset(r.s.arena);
    }
    r.next = r.m;
    reopen(&r);
    r.set = lh_text_set_close(r.set);
    printf("%llu steps: %u searches, %u changes (%u merges), %u kills (%u in a step), %u failures, "
           "%zu documents\n",
           (unsigned long long)steps, r.searches, r.changes, r.merges, r.kills, r.deaths,
           r.failures, set_model_count(&r.m));
    ck_assert(steps < 500 || (r.merges > 0 && r.deaths > 0 && r.searches > 0));
    lh_scratch_close(&r.s);
}
