/* Recall of a set through its life: after appends, merges, deletes, upserts and a reopen, for each
 * kind of segment, at least the floor. */
#include "support/vector_model.h"

enum { DIM = 48, ROWS = 2400, CLUSTERS = 60, QUERIES = 25, K = 10, BATCH = 400 };
#define FLOOR 0.95

typedef struct life {
    lh_scratch s;
    model_home home;
    lh_vector_set *set;
    lh_vector_set_options options;
    float rows[ROWS][DIM];
    unsigned char there[ROWS];
    uint64_t random;
} life;

static float noise(life *l)
{
    return (float)(model_below(&l->random, 2001)) / 1000.0f - 1.0f;
}

static void draw_row(life *l, float *out)
{
    uint64_t centre = 1000 + model_below(&l->random, CLUSTERS);
    for (size_t i = 0; i < DIM; i++)
        out[i] = (float)(model_below(&centre, 2001)) / 1000.0f - 1.0f + 0.6f * noise(l);
}

static double score(const float *a, const float *b)
{
    double dot = 0;
    double aa = 0;
    double bb = 0;
    for (size_t i = 0; i < DIM; i++) {
        dot += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return dot / sqrt(aa * bb);
}

/* Score of the K-th best, exactly. */
static double least_good(const life *l, const float *query)
{
    static double scores[ROWS];
    size_t n = 0;
    for (size_t i = 0; i < ROWS; i++)
        if (l->there[i])
            scores[n++] = score(l->rows[i], query);
    qsort(scores, n, sizeof *scores, model_by_score);
    return scores[LH_MIN(n, (size_t)K) - 1];
}

static void check(life *l, const char *when)
{
    unsigned found = 0;
    for (int q = 0; q < QUERIES; q++) {
        float vector[DIM];
        lh_vector_set_hit hits[K];
        uint32_t count;
        lh_vector_set_search_stats stats;
        draw_row(l, vector);
        lh_vector_set_query query = {.vector = vector, .k = K, .recall = 0.99f};
        ck_lh_ok(&l->s, lh_vector_set_search(&l->s.cx, l->set, &query, hits, &count, &stats));
        ck_assert_uint_eq(count, K);
        double least = least_good(l, vector) - 1e-5;
        for (uint32_t i = 0; i < count; i++) {
            ck_assert_msg(l->there[hits[i].id], "%s: a dead row", when);
            found += score(l->rows[hits[i].id], vector) >= least;
        }
    }
    double recall = (double)found / (QUERIES * K);
    ck_assert_msg(recall >= FLOOR, "%s: recall %.3f of kind %d", when, recall,
                  (int)l->options.build.kind);
}

static void put_rows(life *l, size_t first, size_t count)
{
    static uint64_t ids[ROWS];
    for (size_t i = 0; i < count; i++) {
        ids[i] = first + i;
        draw_row(l, l->rows[first + i]);
        l->there[first + i] = 1;
    }
    lh_vector_rows rows = {ids, l->rows[first], count};
    ck_lh_ok(&l->s, lh_vector_set_upsert(&l->s.cx, l->set, &rows));
}

static void merge(life *l, lh_segset_merge_how how)
{
    uint64_t merged = 1;
    while (merged > 0)
        ck_lh_ok(&l->s, lh_vector_set_merge(&l->s.cx, l->set, how, &merged));
}

static void delete_some(life *l)
{
    uint64_t ids[ROWS / 8];
    uint64_t deleted;
    for (size_t i = 0; i < LH_ARRAY_LEN(ids); i++) {
        ids[i] = i * 5;
        l->there[ids[i]] = 0;
    }
    ck_lh_ok(&l->s, lh_vector_set_delete(&l->s.cx, l->set, ids, LH_ARRAY_LEN(ids), &deleted));
}

static void reopen(life *l)
{
    l->set = lh_vector_set_close(l->set);
    ck_lh_ok(&l->s, lh_vector_set_open(&l->s.cx, &l->home.home, &l->options, &l->set));
}

LH_TEST_LOOP(recall_holds_through_the_life_of_a_set, 5)
{
    static const lh_vector_kind kinds[] = {LH_VECTOR_AUTO, LH_VECTOR_FLAT, LH_VECTOR_GRAPH,
                                           LH_VECTOR_IVF, LH_VECTOR_GRAPH};
    static life l;
    memset(&l, 0, sizeof l); /* without forks the last round's rows would still be there */
    l.random = 11;
    l.options.build = (lh_vector_options){
        .dimensions = DIM, .kind = kinds[_i], .threads = _i == 4 ? 7 : 1, .seed = 5};
    l.options.fresh_rows = _i == 4 ? 1 : 0; /* also the preset of large segments */
    model_scratch_open(&l.s);
    model_home_open(&l.home, &l.s);
    reopen(&l);
    for (size_t at = 0; at < ROWS * 3 / 4; at += BATCH)
        put_rows(&l, at, LH_MIN((size_t)BATCH, ROWS * 3 / 4 - at));
    check(&l, "appended");
    merge(&l, LH_SEGSET_MERGE_ALL);
    check(&l, "merged");
    put_rows(&l, ROWS * 3 / 4, ROWS / 4);
    delete_some(&l);
    check(&l, "appended and deleted");
    put_rows(&l, 100, 200);
    merge(&l, LH_SEGSET_MERGE_DUE);
    check(&l, "replaced and merged as due");
    merge(&l, LH_SEGSET_MERGE_ALL);
    check(&l, "merged again");
    reopen(&l);
    check(&l, "opened again");
    l.set = lh_vector_set_close(l.set);
    lh_scratch_close(&l.s);
}
