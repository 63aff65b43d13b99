/* Segment sets: changes are searchable and durable when acknowledged, ids are unique, views do not
 * change, merges keep every live row, garbage goes, damage is named. */
#include "support/vector_model.h"

typedef struct fixture {
    lh_scratch s;
    model_home home;
    lh_vector_set *set;
    model m;
    uint64_t random;
} fixture;

static const lh_vector_set_options options = {.build.dimensions = MODEL_DIM, .tier_rows = 16};

static void reopen(fixture *f)
{
    f->set = lh_vector_set_close(f->set);
    ck_lh_ok(&f->s, lh_vector_set_open(&f->s.cx, &f->home.home, &options, &f->set));
}

static void begin(fixture *f)
{
    memset(f, 0, sizeof *f);
    f->random = 5;
    model_scratch_open(&f->s);
    model_home_open(&f->home, &f->s);
    reopen(f);
}

static void end(fixture *f)
{
    f->set = lh_vector_set_close(f->set);
    lh_scratch_close(&f->s);
}

typedef lh_rc (*put)(lh_ctx *cx, lh_vector_set *set, const lh_vector_rows *rows);

/* count ids from first on, every step-th. */
static lh_rc put_ids(fixture *f, put how, uint64_t first, size_t count, uint64_t step)
{
    static uint64_t ids[MODEL_IDS];
    static float vectors[MODEL_IDS][MODEL_DIM];
    for (size_t i = 0; i < count; i++) {
        ids[i] = first + i * step;
        model_draw(&f->random, vectors[i]);
    }
    lh_vector_rows rows = {ids, vectors[0], count};
    lh_rc rc = how(&f->s.cx, f->set, &rows);
    for (size_t i = 0; i < count && rc == LH_OK; i++) {
        f->m.there[ids[i]] = 1;
        model_normalise(vectors[i], f->m.vectors[ids[i]]);
    }
    return rc;
}

static void search_and_check(fixture *f, uint32_t k, const unsigned char *allowed,
                             const lh_vector_set_query *filter)
{
    static lh_vector_set_hit hits[LH_VECTOR_K_MAX];
    float vector[MODEL_DIM];
    uint32_t count;
    lh_vector_set_search_stats stats;
    do
        model_draw(&f->random, vector);
    while (model_dot(vector, vector) < 0.01);
    lh_vector_set_query query = {.vector = vector, .k = k};
    if (filter) {
        query.by_id = filter->by_id;
        query.ids = filter->ids;
        query.ids_count = filter->ids_count;
    }
    ck_lh_ok(&f->s, lh_vector_set_search(&f->s.cx, f->set, &query, hits, &count, &stats));
    model_check_hits(&f->m, vector, allowed, k, hits, count);
}

static size_t objects(fixture *f)
{
    lh_str_list names;
    ck_lh_ok(&f->s, f->home.real.list(&f->s.cx, f->home.real.arg, &names));
    return names.count;
}

LH_TEST(a_change_is_searchable_at_once_and_after_a_reopen)
{
    fixture f;
    begin(&f);
    search_and_check(&f, 10, NULL, NULL);
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 100, 40, 3));
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 0, 7, 1));
    search_and_check(&f, 10, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        ck_assert(model_equals(&f.s, f.set, &f.m));
        search_and_check(&f, 60, NULL, NULL);
        reopen(&f);
    }
    end(&f);
}

LH_TEST(an_id_has_one_row_at_most)
{
    fixture f;
    uint64_t twice[2] = {9, 9};
    float vectors[2 * MODEL_DIM] = {1};
    vectors[MODEL_DIM + 1] = 1;
    lh_vector_rows rows = {twice, vectors, 2};
    begin(&f);
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 10, 10, 1));
    ck_lh_fails(put_ids(&f, lh_vector_set_append, 19, 2, 1), LH_E_ALREADY_EXISTS);
    ck_lh_fails(lh_vector_set_append(&f.s.cx, f.set, &rows), LH_E_ALREADY_EXISTS);
    ck_assert(model_equals(&f.s, f.set, &f.m));
    ck_lh_ok(&f.s, lh_vector_set_upsert(&f.s.cx, f.set, &rows)); /* the last one stays */
    f.m.there[9] = 1;
    f.m.vectors[9][1] = 1;
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_upsert, 15, 10, 1));
    ck_assert(model_equals(&f.s, f.set, &f.m));
    search_and_check(&f, 30, NULL, NULL);
    reopen(&f);
    ck_assert(model_equals(&f.s, f.set, &f.m));
    end(&f);
}

LH_TEST(what_is_deleted_is_gone_and_may_come_again)
{
    fixture f;
    uint64_t ids[] = {12, 500, 10, 12, 11};
    uint64_t deleted;
    begin(&f);
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 10, 10, 1));
    ck_lh_ok(&f.s, lh_vector_set_delete(&f.s.cx, f.set, ids, LH_ARRAY_LEN(ids), &deleted));
    ck_assert_uint_eq(deleted, 3);
    memset(f.m.there + 10, 0, 3);
    search_and_check(&f, 30, NULL, NULL);
    ck_lh_ok(&f.s, lh_vector_set_delete(&f.s.cx, f.set, ids, LH_ARRAY_LEN(ids), &deleted));
    ck_assert_uint_eq(deleted, 0);
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 11, 1, 1));
    reopen(&f);
    ck_assert(model_equals(&f.s, f.set, &f.m));
    search_and_check(&f, 30, NULL, NULL);
    end(&f);
}

LH_TEST(filters_decide_before_the_search)
{
    fixture f;
    static unsigned char allowed[MODEL_IDS];
    static uint64_t words[MODEL_IDS / 64 + 1];
    static uint64_t ids[MODEL_IDS];
    lh_bitmap by_id = {words, 600};
    begin(&f);
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 70, 200, 1)); /* a run that starts mid-word */
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 271, 140, 3));
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_upsert, 90, 30, 2));
    for (uint32_t one_in = 1; one_in < 100; one_in = one_in * 2 + 1) {
        size_t count = 0;
        memset(words, 0, sizeof words);
        memset(allowed, 0, sizeof allowed);
        for (uint64_t id = 0; id < 600; id++) {
            if (model_below(&f.random, one_in) != 0)
                continue;
            allowed[id] = 1;
            lh_bitmap_set(&by_id, id);
            ids[count++] = id;
        }
        search_and_check(&f, 50, allowed, &(lh_vector_set_query){.by_id = &by_id});
        search_and_check(&f, 50, allowed, &(lh_vector_set_query){.ids = ids, .ids_count = count});
    }
    memset(allowed, 0, sizeof allowed);
    search_and_check(&f, 5, allowed, &(lh_vector_set_query){.ids = ids});
    end(&f);
}

LH_TEST(a_view_does_not_change_and_its_files_stay)
{
    fixture f;
    uint64_t merged;
    uint64_t deleted;
    uint64_t gone = 3;
    float vector[MODEL_DIM] = {1};
    lh_vector_set_hit hits[100];
    uint32_t count;
    lh_vector_set_search_stats stats;
    lh_vector_set_query query = {.vector = vector, .k = 100};
    begin(&f);
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 0, 50, 1));
    model before = f.m;
    lh_segset_view *view = lh_vector_set_view(f.set);
    ck_lh_ok(&f.s, lh_vector_set_delete(&f.s.cx, f.set, &gone, 1, &deleted));
    f.m.there[3] = 0;
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_upsert, 40, 50, 1));
    ck_lh_ok(&f.s, lh_vector_set_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_ALL, &merged));
    ck_assert_uint_eq(merged, 2);
    ck_assert_uint_eq(objects(&f),
                      4); /* manifest, segment, its ids; the batch that is still read */
    ck_lh_ok(&f.s, lh_vector_view_search(&f.s.cx, view, &query, hits, &count, &stats));
    model_check_hits(&before, vector, NULL, 100, hits, count);
    lh_segset_view_unref(view);
    ck_lh_ok(&f.s, lh_vector_set_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_ALL, &merged));
    ck_assert_uint_eq(merged, 0);
    ck_assert_uint_eq(objects(&f), 3);
    ck_assert(model_equals(&f.s, f.set, &f.m));
    end(&f);
}

LH_TEST(merges_keep_the_number_of_segments_small)
{
    fixture f;
    lh_segset_stats stats;
    begin(&f);
    for (uint64_t id = 0; id < MODEL_IDS; id++) {
        uint64_t merged = 1;
        ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, id, 1, 1));
        for (int rounds = 0; merged > 0; rounds++) {
            ck_lh_ok(&f.s, lh_vector_set_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_DUE, &merged));
            ck_assert_int_lt(rounds, 3); /* a merge leaves nothing due */
        }
        lh_vector_set_get_stats(f.set, &stats);
        ck_assert_uint_le(stats.segments, 3 * 4);
        ck_assert_uint_eq(stats.rows_live, id + 1);
    }
    ck_assert_uint_eq(stats.changes, MODEL_IDS);
    search_and_check(&f, 200, NULL, NULL);
    reopen(&f);
    ck_assert(model_equals(&f.s, f.set, &f.m));
    end(&f);
}

LH_TEST(without_merges_changes_make_room_themselves)
{
    fixture f;
    lh_segset_stats stats;
    begin(&f);
    for (uint64_t id = 0; id < 300; id++)
        ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, id, 1, 1));
    lh_vector_set_get_stats(f.set, &stats);
    ck_assert_uint_le(stats.segments, LH_SEGSET_SEGMENTS_MAX + 1);
    ck_assert(model_equals(&f.s, f.set, &f.m));
    end(&f);
}

LH_TEST(deletes_alone_become_a_manifest_in_time)
{
    fixture f;
    begin(&f);
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 0, MODEL_IDS, 1));
    for (uint64_t id = 0; id < 600; id++) {
        uint64_t count;
        ck_lh_ok(&f.s, lh_vector_set_delete(&f.s.cx, f.set, &id, 1, &count));
        f.m.there[id] = 0;
        ck_lh_ok(&f.s, lh_vector_set_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_DUE, &count));
    }
    ck_assert_uint_lt(objects(&f), 300);
    reopen(&f);
    ck_assert(model_equals(&f.s, f.set, &f.m));
    search_and_check(&f, 10, NULL, NULL);
    end(&f);
}

LH_TEST(a_set_without_rows_works)
{
    fixture f;
    uint64_t n;
    static uint64_t all[MODEL_IDS];
    begin(&f);
    ck_lh_ok(&f.s, lh_vector_set_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_ALL, &n));
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 0, 20, 1));
    for (uint64_t i = 0; i < MODEL_IDS; i++)
        all[i] = MODEL_IDS - i;
    ck_lh_ok(&f.s, lh_vector_set_delete(&f.s.cx, f.set, all, MODEL_IDS, &n));
    all[0] = 0;
    ck_lh_ok(&f.s, lh_vector_set_delete(&f.s.cx, f.set, all, 1, &n));
    memset(f.m.there, 0, sizeof f.m.there);
    ck_lh_ok(&f.s, lh_vector_set_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_ALL, &n));
    ck_assert_uint_eq(objects(&f), 1);
    reopen(&f);
    ck_assert(model_equals(&f.s, f.set, &f.m));
    search_and_check(&f, 10, NULL, NULL);
    end(&f);
}

LH_TEST(bad_rows_change_nothing)
{
    fixture f;
    uint64_t id = 1;
    float bad[MODEL_DIM] = {1, NAN};
    lh_vector_rows rows = {&id, bad, 1};
    lh_vector_set *other = NULL;
    begin(&f);
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 5, 5, 1));
    ck_lh_fails(lh_vector_set_upsert(&f.s.cx, f.set, &rows), LH_E_BAD_VALUE);
    rows.count = 0;
    ck_lh_fails(lh_vector_set_upsert(&f.s.cx, f.set, &rows), LH_E_BAD_VALUE);
    rows.count = LH_SEGSET_BATCH_ROWS_MAX + 1;
    ck_lh_fails(lh_vector_set_upsert(&f.s.cx, f.set, &rows), LH_E_TOO_LARGE);
    ck_assert(model_equals(&f.s, f.set, &f.m));
    reopen(&f);
    ck_assert(model_equals(&f.s, f.set, &f.m));
    lh_vector_set_options wrong = {.build.dimensions = MODEL_DIM + 1};
    ck_lh_fails(lh_vector_set_open(&f.s.cx, &f.home.home, &wrong, &other), LH_E_BAD_VALUE);
    end(&f);
}

/* Every object in turn loses each of some bits, its end, itself: opening says so, or a merge does,
 * or it was harmless: but no wrong answer. */
LH_TEST(damage_is_found_and_named)
{
    fixture f;
    uint64_t merged;
    lh_str_list names;
    begin(&f);
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 0, 40, 1));
    ck_lh_ok(&f.s, lh_vector_set_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_ALL, &merged));
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 50, 20, 2));
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_upsert, 20, 30, 1));
    f.set = lh_vector_set_close(f.set);
    ck_lh_ok(&f.s, f.home.real.list(&f.s.cx, f.home.real.arg, &names));
    ck_assert_uint_eq(names.count, 5);
    unsigned found = 0;
    unsigned tried = 0;
    for (size_t i = 0; i < names.count; i++) {
        lh_str path = lh_path_join(&f.s.cx, f.home.folder.dir, names.items[i]);
        lh_str whole;
        ck_lh_ok(&f.s, lh_file_read_all(&f.s.cx, path, 1 << 24, &whole));
        for (int cut = 0; cut < 24; cut++) {
            lh_str bent = lh_ctx_dup(&f.s.cx, whole);
            if (cut == 0)
                bent.len = model_below(&f.random, (uint32_t)whole.len);
            else
                ((char *)(uintptr_t)bent.ptr)[model_below(&f.random, (uint32_t)whole.len)] ^= 4;
            ck_lh_ok(&f.s, lh_file_replace(&f.s.cx, path, bent));
            lh_rc rc = lh_vector_set_open(&f.s.cx, &f.home.home, &options, &f.set);
            if (rc == LH_OK)
                rc = lh_vector_set_merge(&f.s.cx, f.set, LH_SEGSET_MERGE_ALL, &merged);
            f.set = lh_vector_set_close(f.set);
            ck_assert_msg(rc == LH_E_CORRUPT, "%.*s: bent, and nobody noticed (%s)",
                          LH_STR_ARG(names.items[i]), lh_rc_code(rc));
            found++;
            tried++;
        }
        ck_lh_ok(&f.s, lh_file_replace(&f.s.cx, path, whole));
    }
    for (size_t i = 0; i < names.count; i++) { /* objects that are lost */
        lh_str path = lh_path_join(&f.s.cx, f.home.folder.dir, names.items[i]);
        lh_str whole;
        if (lh_str_starts(names.items[i], LH_S("batch-")) && i == 1)
            continue; /* the newest change cannot be missed by anybody */
        ck_lh_ok(&f.s, lh_file_read_all(&f.s.cx, path, 1 << 24, &whole));
        ck_lh_ok(&f.s, lh_file_remove(&f.s.cx, path));
        ck_lh_fails(lh_vector_set_open(&f.s.cx, &f.home.home, &options, &f.set), LH_E_CORRUPT);
        ck_lh_ok(&f.s, lh_file_replace(&f.s.cx, path, whole));
    }
    ck_assert_uint_eq(found, tried);
    reopen(&f);
    ck_assert(model_equals(&f.s, f.set, &f.m));
    end(&f);
}

LH_TEST(knobs_of_a_query_reach_every_segment)
{
    fixture f;
    float vector[MODEL_DIM] = {1};
    lh_vector_set_hit hits[20];
    uint32_t count;
    lh_vector_set_search_stats stats;
    begin(&f);
    ck_lh_ok(&f.s, put_ids(&f, lh_vector_set_append, 0, 20, 1));
    lh_vector_set_query query = {
        .vector = vector, .k = 20, .has_score_min = 1, .score_min = 1.5f}; /* no cosine is */
    ck_lh_ok(&f.s, lh_vector_set_search(&f.s.cx, f.set, &query, hits, &count, &stats));
    ck_assert_uint_eq(count, 0);
    query = (lh_vector_set_query){.vector = vector, .k = 20, .recall = 7.0f};
    ck_lh_fails(lh_vector_set_search(&f.s.cx, f.set, &query, hits, &count, &stats), LH_E_BAD_VALUE);
    end(&f);
}
