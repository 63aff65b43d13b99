/* What an effort means to a walk over the graph: it ends by distances, not by a number of
 * places. */
#include "support/scratch.h"
#include "vector_fixture.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 4000, DIM = 48, QUERIES = 40 };

typedef struct walked {
    lh_scratch s;
    fixture_segment segment;
    lh_vector_index *index;
    float *rows;
} walked;

static void begin(walked *w, lh_vector_metric metric)
{
    lh_vector_options o = {
        .dimensions = DIM, .kind = LH_VECTOR_GRAPH, .metric = metric, .threads = 2};
    lh_scratch_open(&w->s);
    w->rows = fixture_rows(ROWS, DIM, 23);
    ck_assert_int_eq(fixture_build(&w->s.cx, &o, w->rows, ROWS, &w->segment), LH_OK);
    ck_assert_int_eq(lh_vector_index_open(&w->s.cx, fixture_bytes(&w->segment), &w->index), LH_OK);
}

static void end(walked *w)
{
    lh_vector_index_close(w->index);
    fixture_free(&w->segment);
    free(w->rows);
    lh_scratch_close(&w->s);
}

/* Hops of one walk; the hits must be as many as asked for. */
static uint64_t walk(walked *w, const lh_vector_query *query, lh_vector_hit *hits)
{
    lh_vector_search_stats stats;
    uint32_t count;
    ck_assert_int_eq(lh_vector_index_search(&w->s.cx, w->index, query, hits, &count, &stats),
                     LH_OK);
    ck_assert_str_eq(stats.plan, "graph");
    ck_assert_uint_eq(count, query->k);
    return stats.hops;
}

LH_TEST_LOOP(more_effort_goes_further_and_finds_no_less, 3)
{
    static const uint32_t efforts[] = {10, 16, 33, 64, 128, 500, 4096};
    enum { MOST = 300 };
    walked w;
    lh_vector_hit hits[MOST];
    begin(&w, (lh_vector_metric)_i);
    for (uint32_t k = 1; k <= MOST; k = k * 5 / 2 + 1) {
        uint64_t hops_before = 0;
        double scores_before = -1e30;
        for (size_t i = 0; i < LH_ARRAY_LEN(efforts); i++) {
            uint64_t hops = 0;
            double scores = 0;
            for (size_t q = 0; q < QUERIES; q++) {
                lh_vector_query query = {.vector = w.rows + q * 97 * DIM,
                                         .k = k,
                                         .ef_search = efforts[i],
                                         .plan = LH_VECTOR_PLAN_GRAPH};
                hops += walk(&w, &query, hits);
                for (uint32_t h = 0; h < k; h++)
                    scores += (double)hits[h].score;
            }
            ck_assert_uint_ge(hops, hops_before);
            ck_assert(scores >= scores_before - 1e-3 * fabs(scores_before));
            hops_before = hops;
            scores_before = scores;
        }
    }
    end(&w);
}

/* Rows stand in clusters: a row has its answers near and the rest far, a point between two rows
 * has everything at about the same distance. */
LH_TEST(a_hard_query_is_given_more_than_an_easy_one)
{
    walked w;
    lh_vector_hit hits[10];
    uint64_t easy = 0;
    uint64_t hard = 0;
    begin(&w, LH_VECTOR_COSINE);
    for (size_t q = 0; q < QUERIES; q++) {
        float between[DIM];
        const float *row = w.rows + q * 97 * DIM;
        const float *other = w.rows + (ROWS - 1 - q * 89) * DIM;
        for (size_t i = 0; i < DIM; i++)
            between[i] = row[i] + other[i];
        lh_vector_query query = {
            .vector = row, .k = 10, .ef_search = 64, .plan = LH_VECTOR_PLAN_GRAPH};
        easy += walk(&w, &query, hits);
        query.vector = between;
        hard += walk(&w, &query, hits);
    }
    ck_assert_uint_gt(hard, easy + easy / 4);
    end(&w);
}

/* ef bounds what is looked at: a pool of four times as many, each with its neighbours. */
LH_TEST(an_effort_has_an_end_where_all_rows_are_alike)
{
    enum { ALIKE = 4000, FEW = 16 };
    lh_scratch s;
    fixture_segment segment;
    lh_vector_index *index;
    lh_vector_hit hits[10];
    lh_vector_search_stats stats;
    uint32_t count;
    uint64_t state = 5;
    lh_scratch_open(&s);
    float *rows = malloc(sizeof(float) * ALIKE * FEW);
    ck_assert_ptr_nonnull(rows);
    for (size_t i = 0; i < (size_t)ALIKE * FEW; i++) { /* copies of eight corners */
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        rows[i] = i % FEW < 3 ? ((i / FEW) >> (i % FEW) & 1 ? 1.0f : -1.0f) : 0.5f;
    }
    lh_vector_options o = {.dimensions = FEW, .kind = LH_VECTOR_GRAPH, .threads = 2};
    ck_assert_int_eq(fixture_build(&s.cx, &o, rows, ALIKE, &segment), LH_OK);
    ck_assert_int_eq(lh_vector_index_open(&s.cx, fixture_bytes(&segment), &index), LH_OK);
    lh_vector_query query = {
        .vector = rows, .k = 10, .ef_search = 32, .plan = LH_VECTOR_PLAN_GRAPH};
    ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, hits, &count, &stats), LH_OK);
    ck_assert_uint_eq(count, 10);
    ck_assert_uint_le(stats.hops, 32 * 4 + 16);
    lh_vector_index_close(index);
    fixture_free(&segment);
    free(rows);
    lh_scratch_close(&s);
}

LH_TEST(a_walk_through_a_filter_finds_as_many_as_there_are)
{
    walked w;
    lh_vector_hit hits[10];
    begin(&w, LH_VECTOR_EUCLIDEAN);
    lh_bitmap filter = {LH_NEW_ARRAY(&w.s.cx, uint64_t, ROWS / 64 + 1), ROWS};
    for (uint64_t r = 0; r < ROWS; r += 3)
        lh_bitmap_set(&filter, r);
    for (size_t q = 0; q < QUERIES; q++) {
        lh_vector_query query = {.vector = w.rows + q * 97 * DIM,
                                 .k = 10,
                                 .filter = &filter,
                                 .ef_search = 64,
                                 .plan = LH_VECTOR_PLAN_GRAPH};
        (void)walk(&w, &query, hits);
        for (size_t i = 0; i < 10; i++)
            ck_assert_uint_eq(hits[i].row % 3, 0);
    }
    end(&w);
}
