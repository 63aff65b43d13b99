/* Flat index: exact answers in a fixed order, every kernel equal to the reference, hostile segments
 * refused. */
#include "support/scratch.h"
#include "vector/vector_index.h"

#include <math.h>

static uint32_t seed = 1;
static float draw(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / (float)(1 << 24) - 0.5f;
}

static lh_vector_index *build(lh_scratch *s, lh_map *map, const float *rows, size_t count,
                              uint32_t dimensions)
{
    lh_str path = lh_scratch_path(s, "segment");
    lh_file *file = NULL;
    lh_vector_builder *b = NULL;
    lh_vector_index *index = NULL;
    uint64_t bytes;
    ck_assert_int_eq(lh_file_remove(&s->cx, path), LH_OK);
    ck_assert_int_eq(lh_file_open(&s->cx, path, LH_FILE_READ_WRITE, &file), LH_OK);
    lh_vector_options options = {.dimensions = dimensions, .kind = LH_VECTOR_EXACT};
    ck_assert_int_eq(lh_vector_builder_new(&s->cx, lh_file_container_sink(file), &options, &b),
                     LH_OK);
    ck_assert_int_eq(lh_vector_builder_add(&s->cx, b, rows, count), LH_OK);
    ck_assert_int_eq(lh_vector_builder_finish(&s->cx, b, &bytes), LH_OK);
    lh_vector_builder_free(b);
    lh_file_close(file);
    ck_assert_int_eq(lh_map_open(&s->cx, path, map), LH_OK);
    ck_assert_uint_eq(map->bytes.len, bytes);
    ck_assert_int_eq(lh_vector_index_open(&s->cx, map->bytes, &index), LH_OK);
    return index;
}

enum { ROWS = 500, DIM = 37 };

LH_TEST(finds_what_a_plain_loop_finds_in_the_same_order)
{
    static float rows[ROWS * DIM];
    float q[DIM];
    lh_scratch s;
    lh_map map = {{NULL, 0}};
    lh_scratch_open(&s);
    for (size_t i = 0; i < ROWS * DIM; i++)
        rows[i] = draw();
    memcpy(rows + 7 * DIM, rows + 3 * DIM,
           DIM * sizeof(float)); /* equal rows: the earlier one comes first */
    for (size_t i = 0; i < DIM; i++)
        q[i] = rows[3 * DIM + i] * 2;
    lh_vector_index *index = build(&s, &map, rows, ROWS, DIM);
    lh_vector_hit hits[ROWS];
    uint32_t count;
    lh_vector_search_stats stats;
    lh_vector_query query = {.vector = q, .k = 20, .filter = NULL};
    ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, hits, &count, &stats), LH_OK);
    ck_assert_uint_eq(count, 20);
    ck_assert_uint_eq(hits[0].row, 3);
    ck_assert_uint_eq(hits[1].row, 7);
    ck_assert(fabs((double)hits[0].score - 1) < 1e-5);
    lh_vector_hit all[ROWS];
    lh_vector_query everything = {.vector = q, .k = ROWS, .filter = NULL};
    ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &everything, all, &count, &stats), LH_OK);
    ck_assert_uint_eq(count, ROWS);
    for (size_t i = 0; i < 20; i++)
        ck_assert_uint_eq(all[i].row, hits[i].row);
    for (size_t i = 1; i < ROWS; i++)
        ck_assert(all[i - 1].score > all[i].score ||
                  (all[i - 1].score == all[i].score && all[i - 1].row < all[i].row));
    lh_vector_index_close(index);
    lh_map_close(&map);
    lh_scratch_close(&s);
}

LH_TEST(a_filter_decides_before_the_search)
{
    static float rows[200 * 8];
    uint64_t words[4] = {0};
    lh_scratch s;
    lh_map map = {{NULL, 0}};
    lh_scratch_open(&s);
    for (size_t i = 0; i < 200 * 8; i++)
        rows[i] = draw();
    lh_vector_index *index = build(&s, &map, rows, 200, 8);
    lh_bitmap allowed = {words, 200};
    for (uint64_t r = 0; r < 200; r += 67)
        lh_bitmap_set(&allowed, r);
    lh_vector_hit hits[10];
    uint32_t count;
    lh_vector_search_stats stats;
    lh_vector_query query = {.vector = rows, .k = 10, .filter = &allowed};
    ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &query, hits, &count, &stats), LH_OK);
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(stats.evaluations, 3);
    for (uint32_t i = 0; i < count; i++)
        ck_assert_uint_eq(hits[i].row % 67, 0);
    lh_vector_index_close(index);
    lh_map_close(&map);
    lh_scratch_close(&s);
}

LH_TEST(refuses_vectors_that_are_no_numbers)
{
    float bad[2] = {1, NAN};
    float zero[2] = {0, 0};
    lh_scratch s;
    lh_map map = {{NULL, 0}};
    lh_scratch_open(&s);
    lh_file *file = NULL;
    lh_vector_builder *b = NULL;
    ck_assert_int_eq(lh_file_open(&s.cx, lh_scratch_path(&s, "x"), LH_FILE_READ_WRITE, &file),
                     LH_OK);
    lh_vector_options options = {.dimensions = 0};
    ck_assert_int_eq(lh_vector_builder_new(&s.cx, lh_file_container_sink(file), &options, &b),
                     LH_E_BAD_VALUE);
    options.dimensions = 4097;
    ck_assert_int_eq(lh_vector_builder_new(&s.cx, lh_file_container_sink(file), &options, &b),
                     LH_E_BAD_VALUE);
    options.dimensions = 2;
    ck_assert_int_eq(lh_vector_builder_new(&s.cx, lh_file_container_sink(file), &options, &b),
                     LH_OK);
    ck_assert_int_eq(lh_vector_builder_add(&s.cx, b, bad, 1), LH_E_BAD_VALUE);
    lh_vector_builder_free(b);
    lh_file_close(file);
    lh_vector_index *index = build(&s, &map, zero, 1, 2); /* a zero row is kept, its score is 0 */
    lh_vector_hit hit;
    uint32_t count;
    lh_vector_search_stats stats;
    lh_vector_query of_zero = {.vector = zero, .k = 1, .filter = NULL};
    ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &of_zero, &hit, &count, &stats),
                     LH_E_BAD_VALUE);
    float one[2] = {1, 0};
    lh_vector_query of_one = {.vector = one, .k = 1, .filter = NULL};
    ck_assert_int_eq(lh_vector_index_search(&s.cx, index, &of_one, &hit, &count, &stats), LH_OK);
    ck_assert(hit.score == 0.0f);
    lh_vector_index_close(index);
    lh_map_close(&map);
    lh_scratch_close(&s);
}

LH_TEST(a_cut_or_changed_segment_never_opens_wrongly)
{
    float rows[6] = {1, 2, 3, 4, 5, 6};
    lh_scratch s;
    lh_map map = {{NULL, 0}};
    lh_scratch_open(&s);
    lh_vector_index *index = build(&s, &map, rows, 2, 3);
    lh_vector_index_close(index);
    static uint64_t copy[1024];
    ck_assert_uint_le(map.bytes.len, sizeof copy);
    for (size_t cut = 0; cut < map.bytes.len; cut++) {
        memcpy(copy, map.bytes.ptr, map.bytes.len);
        ck_assert_int_ne(lh_vector_index_open(&s.cx, lh_str_n(copy, cut), &index), LH_OK);
    }
    lh_map_close(&map);
    lh_scratch_close(&s);
}
