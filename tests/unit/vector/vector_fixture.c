/* vector_fixture.c - see the header. */
#include "vector_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static float bell(uint32_t *state)
{
    float sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (float)next(state) / (float)(1 << 24) - 0.5f;
    return sum * 1.7f;
}

float *fixture_rows(size_t rows, uint32_t dimensions, uint32_t seed)
{
    enum { CENTRES = 40 };
    float *at = malloc((rows + 1) * dimensions * sizeof *at);
    float *centres = malloc(CENTRES * dimensions * sizeof *centres);
    for (size_t i = 0; i < (size_t)CENTRES * dimensions; i++)
        centres[i] = bell(&seed);
    for (size_t r = 0; r < rows; r++) {
        const float *centre = centres + next(&seed) % CENTRES * dimensions;
        for (uint32_t i = 0; i < dimensions; i++)
            at[r * dimensions + i] = 0.3f + centre[i] + 0.7f * bell(&seed);
    }
    free(centres);
    return at;
}

static lh_rc write_at(lh_ctx *cx, void *arg, uint64_t offset, lh_str bytes)
{
    fixture_segment *s = arg;
    (void)cx;
    size_t end = (size_t)offset + bytes.len;
    if (end > s->room) {
        size_t room = end * 2 + 4096;
        s->bytes = realloc(s->bytes, room);
        ck_assert_ptr_nonnull(s->bytes);
        memset((char *)s->bytes + s->room, 0, room - s->room);
        s->room = room;
    }
    if (bytes.len > 0)
        memcpy((char *)s->bytes + offset, bytes.ptr, bytes.len);
    s->count = LH_MAX(s->count, end);
    return LH_OK;
}

lh_container_sink fixture_sink(fixture_segment *segment)
{
    return (lh_container_sink){write_at, segment};
}

lh_rc fixture_build(lh_ctx *cx, const lh_vector_options *options, const float *rows, size_t count,
                    fixture_segment *ret)
{
    lh_vector_source source = {.rows = count, .floats = rows};
    uint64_t bytes;
    *ret = (fixture_segment){0};
    lh_rc rc = lh_vector_build(cx, options, &source, fixture_sink(ret), &bytes);
    if (rc == LH_OK)
        ck_assert_uint_eq(bytes, ret->count);
    return rc;
}

lh_str fixture_bytes(const fixture_segment *segment)
{
    return lh_str_n(segment->bytes, segment->count);
}

void fixture_free(fixture_segment *segment)
{
    free(segment->bytes);
    *segment = (fixture_segment){0};
}

double fixture_recall(lh_ctx *cx, const lh_vector_index *index, const float *rows, size_t queries,
                      const lh_vector_query *like_this)
{
    lh_vector_stats about;
    lh_vector_index_stats(index, &about);
    uint32_t n = about.dimensions;
    lh_vector_hit *truth = malloc(like_this->k * sizeof *truth);
    lh_vector_hit *found = malloc(like_this->k * sizeof *found);
    float *vector = malloc(n * sizeof *vector);
    uint64_t hits = 0, all = 0;
    uint32_t seed = 99;
    for (size_t q = 0; q < queries; q++) {
        lh_vector_search_stats stats;
        uint32_t truths, count;
        const float *row = rows + q * 7919 % about.rows * n;
        for (uint32_t i = 0; i < n; i++)
            vector[i] = row[i] + 0.4f * bell(&seed);
        lh_vector_query query = *like_this;
        query.vector = vector;
        ck_assert_int_eq(lh_vector_index_search(cx, index, &query, found, &count, &stats), LH_OK);
        query.plan = LH_VECTOR_PLAN_EXACT;
        ck_assert_int_eq(lh_vector_index_search(cx, index, &query, truth, &truths, &stats), LH_OK);
        ck_assert_uint_le(count, truths);
        for (uint32_t i = 0; i < count; i++)
            for (uint32_t t = 0; t < truths; t++)
                hits += found[i].row == truth[t].row;
        for (uint32_t i = 1; i < count; i++)
            ck_assert(found[i - 1].score > found[i].score ||
                      (found[i - 1].score == found[i].score && found[i - 1].row < found[i].row));
        all += truths;
    }
    free(vector);
    free(found);
    free(truth);
    return all ? (double)hits / (double)all : 1.0;
}
