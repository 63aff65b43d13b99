/* Flat and graph: recall has floors, bytes and answers do not depend on threads, memory or
 * instruction set, filters are obeyed, hostile segments are refused. */
#include "support/scratch.h"
#include "vector/vector_kernels.h"
#include "vector/vector_private.h"
#include "vector_fixture.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 1500, DIM = 40 };

static lh_vector_index *open_segment(lh_ctx *cx, const fixture_segment *segment, const float *rows,
                                     size_t rows_count)
{
    lh_vector_index *index = NULL;
    lh_str external = lh_str_n(rows, rows ? rows_count * DIM * sizeof(float) : 0);
    lh_rc rc = lh_vector_index_open_external(cx, fixture_bytes(segment), external, &index);
    ck_assert_msg(rc == LH_OK, "%s", cx->err.message);
    return index;
}

static const lh_vector_kind kinds[] = {LH_VECTOR_FLAT, LH_VECTOR_GRAPH, LH_VECTOR_IVF};

/* Every kind with every metric and every way to keep rows. */
LH_TEST_LOOP(recall_has_a_floor_for_every_kind_metric_and_row_type, 36)
{
    lh_scratch s;
    fixture_segment segment;
    lh_scratch_open(&s);
    lh_vector_options o = {.dimensions = DIM,
                           .kind = kinds[_i % 3],
                           .metric = (lh_vector_metric)(_i / 3 % 3),
                           .rows_as = (lh_vector_rows_as)(_i / 9),
                           .rotation = _i % 4 == 1 ? LH_VECTOR_ROTATE_ON : LH_VECTOR_ROTATE_AUTO,
                           .preset = LH_VECTOR_FRESH,
                           .threads = 2};
    float *rows = fixture_rows(ROWS, DIM, 5);
    ck_assert_int_eq(fixture_build(&s.cx, &o, rows, ROWS, &segment), LH_OK);
    int external = o.rows_as == LH_VECTOR_ROWS_EXTERNAL;
    lh_vector_index *index = open_segment(&s.cx, &segment, external ? rows : NULL, ROWS);
    static const lh_vector_plan plans[] = {LH_VECTOR_PLAN_FLAT, LH_VECTOR_PLAN_GRAPH,
                                           LH_VECTOR_PLAN_IVF};
    lh_vector_query query = {.k = 10, .plan = plans[_i % 3], .ef_search = _i % 3 == 1 ? 100 : 300};
    double recall = fixture_recall(&s.cx, index, rows, 60, &query);
    ck_assert_msg(recall >= 0.97, "kind %d metric %d rows %d: %.4f", (int)o.kind, (int)o.metric,
                  (int)o.rows_as, recall);
    lh_vector_query by_recall = {.k = 10, .recall = 0.95f};
    ck_assert(fixture_recall(&s.cx, index, rows, 60, &by_recall) >= 0.93);
    ck_assert_int_eq(lh_vector_index_verify(&s.cx, index), LH_OK);
    lh_vector_index_close(index);
    fixture_free(&segment);
    free(rows);
    lh_scratch_close(&s);
}

static uint64_t answers_of(lh_ctx *cx, const lh_vector_index *index, const float *rows)
{
    uint64_t sum = 0;
    static const lh_vector_plan plans[] = {LH_VECTOR_PLAN_FLAT, LH_VECTOR_PLAN_GRAPH,
                                           LH_VECTOR_PLAN_EXACT, LH_VECTOR_PLAN_SCAN};
    for (size_t q = 0; q < 40; q++) {
        lh_vector_hit hits[20];
        lh_vector_search_stats stats;
        uint32_t count;
        lh_vector_query query = {.vector = rows + q * DIM, .k = 20, .plan = plans[q % 4]};
        ck_assert_int_eq(lh_vector_index_search(cx, index, &query, hits, &count, &stats), LH_OK);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t bits;
            memcpy(&bits, &hits[i].score, sizeof bits);
            sum = (sum ^ hits[i].row ^ (uint64_t)bits << 32) * 0x9e3779b97f4a7c15ull;
        }
        sum += stats.evaluations;
    }
    return sum;
}

LH_TEST(bytes_and_answers_do_not_depend_on_threads_memory_or_instruction_set)
{
    static const struct {
        lh_simd simd;
        uint32_t threads;
        uint64_t memory;
    } runs[] = {{LH_SIMD_AVX512, 2, 0},       {LH_SIMD_AVX512, 1, 0}, {LH_SIMD_AVX512, 7, 0},
                {LH_SIMD_AVX2, 7, 0},         {LH_SIMD_AVX2, 2, 0},   {LH_SIMD_AVX2, 1, 1150000},
                {LH_SIMD_AVX512, 2, 1250000}, {LH_SIMD_SCALAR, 2, 0}};
    uint64_t first = 0;
    fixture_segment wanted = {0};
    float *rows = fixture_rows(ROWS, DIM, 6);
    for (size_t i = 0; i < LH_ARRAY_LEN(runs); i++) {
        if (!lh_simd_runs(runs[i].simd))
            continue;
        lh_scratch s;
        fixture_segment segment;
        lh_scratch_open(&s);
        lh_simd_set_test(runs[i].simd);
        lh_vector_options o = {.dimensions = DIM,
                               .kind = LH_VECTOR_GRAPH,
                               .ef_construction = 80,
                               .metric = LH_VECTOR_EUCLIDEAN,
                               .threads = runs[i].threads,
                               .memory_bytes_max = runs[i].memory};
        lh_rc rc = fixture_build(&s.cx, &o, rows, ROWS, &segment);
        ck_assert_msg(rc == LH_OK, "%s", s.cx.err.message);
        lh_vector_index *index = open_segment(&s.cx, &segment, NULL, 0);
        uint64_t answers = answers_of(&s.cx, index, rows);
        if (!wanted.bytes) {
            first = answers;
            wanted = segment;
        } else {
            ck_assert_uint_eq(segment.count, wanted.count);
            ck_assert_msg(memcmp(segment.bytes, wanted.bytes, segment.count) == 0,
                          "%s with %u threads wrote other bytes", lh_simd_name(runs[i].simd),
                          runs[i].threads);
            ck_assert_msg(answers == first, "%s found other answers", lh_simd_name(runs[i].simd));
            fixture_free(&segment);
        }
        lh_vector_index_close(index);
        lh_scratch_close(&s);
    }
    lh_simd_set_test(LH_SIMD_COUNT);
    fixture_free(&wanted);
    free(rows);
}

LH_TEST(filters_of_every_width_are_obeyed_and_meet_the_recall)
{
    lh_scratch s;
    fixture_segment segment;
    uint64_t words[ROWS / 64 + 1];
    lh_scratch_open(&s);
    float *rows = fixture_rows(ROWS, DIM, 7);
    lh_vector_options o = {.dimensions = DIM, .kind = LH_VECTOR_GRAPH, .ef_construction = 80};
    ck_assert_int_eq(fixture_build(&s.cx, &o, rows, ROWS, &segment), LH_OK);
    lh_vector_index *index = open_segment(&s.cx, &segment, NULL, 0);
    static const uint64_t one_in[] = {1, 2, 10, 100, 700};
    for (size_t f = 0; f < LH_ARRAY_LEN(one_in); f++)
        for (int plan = LH_VECTOR_PLAN_AUTO; plan <= LH_VECTOR_PLAN_GRAPH; plan++) {
            lh_bitmap allowed = {words, ROWS};
            uint64_t list[ROWS];
            size_t listed = 0;
            memset(words, 0, sizeof words);
            for (uint64_t r = 0; r < ROWS; r += one_in[f]) {
                lh_bitmap_set(&allowed, r);
                list[listed++] = r;
            }
            lh_vector_query query = {.k = 10, .filter = &allowed, .recall = 0.95f};
            query.plan = (lh_vector_plan)plan;
            if (plan == LH_VECTOR_PLAN_GRAPH)
                query.ef_search = 400;
            double recall = fixture_recall(&s.cx, index, rows, 30, &query);
            /* A walk among few that may answer finds few: the planner does not choose it then. */
            int meant = plan != LH_VECTOR_PLAN_GRAPH || one_in[f] <= 2;
            ck_assert_msg(recall >= 0.93 || !meant, "1 in %u, plan %d: %.4f", (unsigned)one_in[f],
                          plan, recall);
            query.filter = NULL;
            query.rows = list;
            query.rows_count = listed;
            ck_assert(fixture_recall(&s.cx, index, rows, 30, &query) == recall);
            lh_vector_hit hits[10];
            uint32_t count;
            query.vector = rows + DIM;
            ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, hits, &count, NULL),
                             LH_OK);
            for (uint32_t i = 0; i < count; i++)
                ck_assert_uint_eq(hits[i].row % one_in[f], 0);
        }
    lh_vector_index_close(index);
    fixture_free(&segment);
    free(rows);
    lh_scratch_close(&s);
}

LH_TEST(examples_are_not_their_own_answers)
{
    lh_scratch s;
    fixture_segment segment;
    lh_scratch_open(&s);
    float *rows = fixture_rows(ROWS, DIM, 8);
    lh_vector_options o = {.dimensions = DIM, .kind = LH_VECTOR_FLAT};
    ck_assert_int_eq(fixture_build(&s.cx, &o, rows, ROWS, &segment), LH_OK);
    lh_vector_index *index = open_segment(&s.cx, &segment, NULL, 0);
    uint64_t like[] = {3, 5}, unlike[] = {8};
    lh_vector_hit hits[50], exact[50];
    uint32_t count, same = 0;
    lh_vector_query query = {.k = 50, .like = like, .like_count = 2, .plan = LH_VECTOR_PLAN_FLAT};
    query.unlike = unlike;
    query.unlike_count = 1;
    query.ef_search = 800;
    ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, hits, &count, NULL), LH_OK);
    ck_assert_uint_eq(count, 50);
    query.plan = LH_VECTOR_PLAN_EXACT;
    ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, exact, &count, NULL), LH_OK);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert(hits[i].row != 3 && hits[i].row != 5 && hits[i].row != 8);
        for (uint32_t j = 0; j < count; j++)
            same += hits[i].row == exact[j].row;
    }
    ck_assert_uint_ge(same, 45);
    like[0] = ROWS;
    ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, hits, &count, NULL),
                     LH_E_NOT_FOUND);
    query = (lh_vector_query){.vector = rows, .k = 50, .has_score_min = 1, .score_min = 0.6f};
    ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, hits, &count, NULL), LH_OK);
    ck_assert_uint_ge(count, 1);
    for (uint32_t i = 0; i < count; i++)
        ck_assert(hits[i].score >= 0.6f);
    lh_vector_index_close(index);
    fixture_free(&segment);
    free(rows);
    lh_scratch_close(&s);
}

/* As one by one: graph, flat, exact, filtered, by example, several k. */
LH_TEST(a_batch_answers_as_single_searches_do)
{
    enum { COUNT = 37, STRIDE = 25 };
    lh_scratch s;
    fixture_segment segment;
    lh_scratch_open(&s);
    float *rows = fixture_rows(ROWS, DIM, 12);
    lh_vector_options o = {.dimensions = DIM, .kind = LH_VECTOR_GRAPH, .ef_construction = 60};
    ck_assert_int_eq(fixture_build(&s.cx, &o, rows, ROWS, &segment), LH_OK);
    lh_vector_index *index = open_segment(&s.cx, &segment, NULL, 0);
    static lh_vector_query queries[COUNT];
    static lh_vector_hit hits[COUNT * STRIDE], alone[STRIDE];
    uint32_t counts[COUNT], count;
    uint64_t like = 4, some[] = {1, 2, 3, 500, 1000};
    for (size_t i = 0; i < COUNT; i++) {
        queries[i] = (lh_vector_query){.vector = rows + i * DIM, .k = 1 + (uint32_t)i % STRIDE};
        queries[i].plan = i % 3 ? LH_VECTOR_PLAN_GRAPH : (lh_vector_plan)(i / 3 % 4);
        queries[i].diversity = i % 7 == 6 ? 0.5f : 0;
    }
    queries[5].vector = NULL;
    queries[5].like = &like;
    queries[5].like_count = 1;
    queries[8].rows = some;
    queries[8].rows_count = 5;
    lh_vector_batch batch = {queries, COUNT, hits, STRIDE, counts, NULL};
    ck_assert_int_eq(lh_vector_index_search_batch(&s.cx, index, &batch), LH_OK);
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &queries[i], alone, &count, NULL),
                         LH_OK);
        ck_assert_uint_eq(count, counts[i]);
        for (uint32_t h = 0; h < count; h++) {
            ck_assert_uint_eq(alone[h].row, hits[i * STRIDE + h].row);
            ck_assert(alone[h].score == hits[i * STRIDE + h].score);
        }
    }
    queries[20].k = 0; /* one bad question: the batch says so, the scratches are whole */
    ck_assert_int_eq(lh_vector_index_search_batch(&s.cx, index, &batch), LH_E_BAD_VALUE);
    queries[20].k = 3;
    ck_assert_int_eq(lh_vector_index_search_batch(&s.cx, index, &batch), LH_OK);
    lh_vector_index_close(index);
    fixture_free(&segment);
    free(rows);
    lh_scratch_close(&s);
}

LH_TEST(diversity_avoids_copies)
{
    lh_scratch s;
    fixture_segment segment;
    lh_scratch_open(&s);
    float *rows = fixture_rows(ROWS, DIM, 13);
    for (size_t r = 1; r < 30; r++) /* thirty copies of the first row */
        memcpy(rows + r * DIM, rows, DIM * sizeof(float));
    lh_vector_options o = {.dimensions = DIM, .kind = LH_VECTOR_FLAT};
    ck_assert_int_eq(fixture_build(&s.cx, &o, rows, ROWS, &segment), LH_OK);
    lh_vector_index *index = open_segment(&s.cx, &segment, NULL, 0);
    lh_vector_hit hits[10];
    uint32_t count, copies[2] = {0, 0};
    for (int diverse = 0; diverse < 2; diverse++) {
        lh_vector_query query = {.vector = rows, .k = 10, .diversity = diverse ? 0.6f : 0};
        ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, hits, &count, NULL), LH_OK);
        ck_assert_uint_eq(count, 10);
        for (uint32_t i = 0; i < count; i++)
            copies[diverse] += hits[i].row < 30;
    }
    ck_assert_uint_eq(copies[0], 10);
    ck_assert_uint_le(copies[1], 3);
    lh_vector_index_close(index);
    fixture_free(&segment);
    free(rows);
    lh_scratch_close(&s);
}

LH_TEST(a_build_can_be_stopped)
{
    lh_scratch s;
    fixture_segment segment;
    lh_cancel cancel = {1};
    lh_scratch_open(&s);
    float *rows = fixture_rows(ROWS, DIM, 14);
    lh_vector_options o = {.dimensions = DIM, .kind = LH_VECTOR_GRAPH, .threads = 3};
    s.cx.cancel = &cancel;
    ck_assert_int_eq(fixture_build(&s.cx, &o, rows, ROWS, &segment), LH_E_CANCELLED);
    fixture_free(&segment);
    free(rows);
    lh_scratch_close(&s);
}

LH_TEST_LOOP(sets_that_are_hard_to_cut_are_searched_well, 8)
{
    static const struct {
        size_t rows;
        uint32_t dimensions;
    } sizes[8] = {{1, 3}, {2, 1}, {9, 5}, {33, 130}, {257, 7}, {1200, 2}, {900, 300}, {700, 1}};
    lh_scratch s;
    fixture_segment segment;
    lh_scratch_open(&s);
    size_t n = sizes[_i].rows;
    uint32_t d = sizes[_i].dimensions;
    float *rows = fixture_rows(n, d, 9);
    for (size_t r = 0; r < n; r++) {
        if (r % 3 == 0) /* copies of one row */
            memcpy(rows + r * d, rows, d * sizeof(float));
        if (r % 50 == 7)
            memset(rows + r * d, 0, d * sizeof(float));
        if (d > 4)
            rows[r * d + 2] *= 20; /* a dimension that outshouts the rest */
    }
    for (int kind = LH_VECTOR_AUTO; kind <= LH_VECTOR_IVF; kind++) {
        lh_vector_options o = {.dimensions = d, .kind = (lh_vector_kind)kind, .threads = 2};
        o.metric = LH_VECTOR_EUCLIDEAN;
        ck_assert_int_eq(fixture_build(&s.cx, &o, rows, n, &segment), LH_OK);
        lh_vector_index *index = NULL;
        ck_assert_int_eq(lh_vector_index_open(&s.cx, fixture_bytes(&segment), &index), LH_OK);
        lh_vector_query query = {.vector = rows, .k = 10, .recall = 0.95f};
        size_t right = 0;
        size_t asked = LH_MIN(n, 20u);
        for (size_t q = 0; q < asked; q++) {
            lh_vector_hit hits[10], truth[10];
            uint32_t count, truths;
            query.vector = rows + (q * 31 % n) * d;
            query.plan = LH_VECTOR_PLAN_AUTO;
            ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, hits, &count, NULL),
                             LH_OK);
            query.plan = LH_VECTOR_PLAN_EXACT;
            ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, truth, &truths, NULL),
                             LH_OK);
            ck_assert_uint_eq(count, truths);
            right += hits[0].score == truth[0].score;
        }
        ck_assert_msg(right * 10 >= asked * 9, "%zu of %zu, kind %d", right, asked, kind);
        lh_vector_index_close(index);
        fixture_free(&segment);
    }
    free(rows);
    lh_scratch_close(&s);
}

/* ---- hostile segments ---- */

static int same_answers(lh_ctx *cx, const lh_vector_index *index, const float *rows,
                        const lh_vector_hit *wanted)
{
    for (int plan = LH_VECTOR_PLAN_EXACT; plan <= LH_VECTOR_PLAN_GRAPH; plan++) {
        lh_vector_hit hits[5];
        uint32_t count;
        lh_vector_query query = {.vector = rows, .k = 5, .plan = (lh_vector_plan)plan};
        query.ef_search = 50;
        if (lh_vector_index_search(cx, index, &query, hits, &count, NULL) != LH_OK)
            return cx->err.rc == LH_E_CORRUPT;
        if (count != 5)
            return 0;
        for (int i = 0; i < 5; i++)
            if (hits[i].row != wanted[i].row || hits[i].score != wanted[i].score)
                return 0;
    }
    return 1;
}

LH_TEST(flipped_bits_and_cut_ends_are_found_or_harmless)
{
    enum { SMALL = 300 };
    lh_scratch s;
    fixture_segment segment;
    lh_scratch_open(&s);
    float *rows = fixture_rows(SMALL, DIM, 11);
    lh_vector_options o = {.dimensions = DIM, .kind = LH_VECTOR_GRAPH, .ef_construction = 40};
    ck_assert_int_eq(fixture_build(&s.cx, &o, rows, SMALL, &segment), LH_OK);
    lh_vector_index *index = open_segment(&s.cx, &segment, NULL, 0);
    lh_vector_hit wanted[5];
    uint32_t count;
    lh_vector_query query = {.vector = rows, .k = 5, .plan = LH_VECTOR_PLAN_EXACT};
    ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, wanted, &count, NULL), LH_OK);
    ck_assert(same_answers(&s.cx, index, rows, wanted));
    lh_vector_index_close(index);
    char *bytes = (char *)segment.bytes;
    uint32_t state = 1;
    for (int round = 0; round < 10000; round++) {
        state = state * 1664525u + 1013904223u;
        size_t at = (size_t)((uint64_t)state * segment.count >> 32);
        char was = bytes[at];
        size_t cut = segment.count;
        if (round % 10 == 9)
            cut = at;
        else
            bytes[at] = (char)(was ^ (1 << round % 8));
        lh_rc rc = lh_vector_index_open(&s.cx, lh_str_n(segment.bytes, cut), &index);
        if (rc == LH_OK) {
            ck_assert_msg(same_answers(&s.cx, index, rows, wanted), "bit %d of byte %zu", round % 8,
                          at);
            lh_vector_index_close(index);
        } else {
            ck_assert_int_eq(rc, LH_E_CORRUPT);
        }
        bytes[at] = was;
        lh_arena_reset(s.arena);
    }
    fixture_free(&segment);
    free(rows);
    lh_scratch_close(&s);
}

LH_TEST(segments_of_version_1_stay_readable)
{
    lh_scratch s;
    lh_map map = {{NULL, 0}};
    lh_vector_index *index = NULL;
    lh_vector_stats about;
    float row[5];
    lh_scratch_open(&s);
    const char *data = getenv("LH_TEST_DATA");
    lh_str path =
        lh_ctx_fmt(&s.cx, "%s/../compat/vector_segment_v1.lhv", data ? data : "tests/data");
    ck_assert_int_eq(lh_map_open(&s.cx, path, &map), LH_OK);
    ck_assert_int_eq(lh_vector_index_open(&s.cx, map.bytes, &index), LH_OK);
    lh_vector_index_stats(index, &about);
    ck_assert_uint_eq(about.rows, 20);
    ck_assert_uint_eq(about.dimensions, 5);
    for (uint64_t r = 0; r < 20; r++) {
        double square = 0;
        float value[5];
        for (uint32_t i = 0; i < 5; i++) {
            value[i] = (float)(((r * 5 + i) * 37 + 11) % 53) / 53.0f - 0.4f;
            square += (double)value[i] * (double)value[i];
        }
        ck_assert_int_eq(lh_vector_index_row(&s.cx, index, r, row), LH_OK);
        for (uint32_t i = 0; i < 5; i++)
            ck_assert(fabs((double)row[i] - (double)value[i] / sqrt(square)) < 1e-6);
        lh_vector_hit hit;
        uint32_t count;
        lh_vector_query query = {.vector = value, .k = 1};
        ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, &hit, &count, NULL), LH_OK);
        ck_assert_uint_eq(hit.row, r);
    }
    lh_vector_index_close(index);
    lh_map_close(&map);
    lh_scratch_close(&s);
}

/* 100 rows, each its own nearest. */
static void check_v2(lh_ctx *cx, const lh_vector_index *index)
{
    for (uint64_t r = 0; r < 100; r++) {
        float value[5];
        lh_vector_hit hit;
        uint32_t count;
        lh_vector_search_stats stats;
        for (uint64_t i = 0; i < 5; i++)
            value[i] = (float)(((r * 5 + i) * 37 + 11) % 101) / 101.0f - 0.4f;
        lh_vector_query query = {.vector = value, .k = 1, .ef_search = 64};
        query.plan = LH_VECTOR_PLAN_GRAPH;
        ck_assert_int_eq(lh_vector_index_search(cx, index, &query, &hit, &count, &stats), LH_OK);
        ck_assert_uint_eq(hit.row, r);
        ck_assert_str_eq(stats.plan, "graph");
        query.plan = LH_VECTOR_PLAN_FLAT;
        ck_assert_int_eq(lh_vector_index_search(cx, index, &query, &hit, &count, &stats), LH_OK);
        ck_assert_uint_eq(hit.row, r);
    }
}

LH_TEST(a_graph_of_version_2_is_walked)
{
    lh_scratch s;
    lh_map map = {0};
    lh_vector_index *index = NULL;
    lh_scratch_open(&s);
    const char *data = getenv("LH_TEST_DATA");
    lh_str path =
        lh_ctx_fmt(&s.cx, "%s/../compat/vector_segment_v2.lhv", data ? data : "tests/data");
    ck_assert_int_eq(lh_map_open(&s.cx, path, &map), LH_OK);
    ck_assert_int_eq(lh_vector_index_open(&s.cx, map.bytes, &index), LH_OK);
    lh_vector_index_trim(index);
    check_v2(&s.cx, index);
    lh_vector_stats before;
    lh_vector_stats after;
    lh_vector_index_stats(index, &before);
    ck_assert_int_eq(lhi_vector_copy_walk(&s.cx, index), LH_OK); /* as for large ones at opening */
    lh_vector_index_trim(index);
    check_v2(&s.cx, index);
    lh_vector_index_stats(index, &after);
    ck_assert_uint_eq(after.bytes_resident, before.bytes_resident);
    ck_assert_uint_gt(after.bytes_heap, before.bytes_heap);
    lh_vector_index_close(index);
    lh_map_close(&map);
    lh_scratch_close(&s);
}

/* In three dimensions codes tell next to nothing: the probe sees it, more rows are read. With fewer
 * rows every plan reads them all. */
LH_TEST(where_codes_say_little_more_rows_are_read)
{
    enum { MANY = 20000, THREE = 3 };
    lh_scratch s;
    fixture_segment segment = {0};
    float *rows = fixture_rows(MANY, THREE, 5);
    lh_vector_options o = {.dimensions = THREE, .kind = LH_VECTOR_GRAPH, .seed = 3};
    lh_scratch_open(&s);
    ck_assert_int_eq(fixture_build(&s.cx, &o, rows, MANY, &segment), LH_OK);
    lh_vector_index *index = open_segment(&s.cx, &segment, NULL, 0);
    lh_vector_query query = {.k = 10, .recall = 0.99f};
    ck_assert(fixture_recall(&s.cx, index, rows, 60, &query) >= 0.97);
    lh_vector_index_close(index);
    fixture_free(&segment);
    free(rows);
    lh_scratch_close(&s);
}
