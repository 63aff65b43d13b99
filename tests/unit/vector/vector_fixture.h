/* vector_fixture.h - a set of vectors with clusters, segments in memory, exact answers. */
#ifndef LH_TESTS_VECTOR_FIXTURE_H
#define LH_TESTS_VECTOR_FIXTURE_H

#include "support/unit.h"
#include "vector/vector_index.h"

/* rows x dimensions, the same for the same seed. */
float *fixture_rows(size_t rows, uint32_t dimensions, uint32_t seed);

typedef struct fixture_segment {
    uint64_t *bytes; /* aligned */
    size_t count;
    size_t room;
} fixture_segment;
lh_container_sink fixture_sink(fixture_segment *segment);
/* Builds in memory; the result of lh_vector_build. */
lh_rc fixture_build(lh_ctx *cx, const lh_vector_options *options, const float *rows, size_t count,
                    fixture_segment *ret);
lh_str fixture_bytes(const fixture_segment *segment);
void fixture_free(fixture_segment *segment);

/* Share of the exact k best that the query found, over `queries` shifted rows. change may be NULL;
 * it sets members of each query. */
double fixture_recall(lh_ctx *cx, const lh_vector_index *index, const float *rows, size_t queries,
                      const lh_vector_query *like_this);

#endif
