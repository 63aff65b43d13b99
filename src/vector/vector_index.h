/* vector/vector_index.h - nearest stored vectors behind one interface; one kind so far: flat
 * (exact).
 *
 * Owns:    an open index borrows the mapped bytes of its segment file; a builder borrows its sink.
 * Threads: search from any number of threads at once; a builder is one thread.
 * Limits:  1..4,096 dimensions, 2^32 - 2 rows, k <= 10,000.
 * Formats: container kind "vector-segment", version 1: sections "meta" (lhv_meta below) and "f32"
 *          (rows x dimensions, little-endian, rows of length one for cosine).
 * Why:     the seam the vector engine fills with more kinds: build, open, search with a filter,
 *          stats. Rows are ordinals 0..rows-1; what they mean is the caller's business. */
#ifndef LH_VECTOR_VECTOR_INDEX_H
#define LH_VECTOR_VECTOR_INDEX_H

#include "base/container.h"

#define LH_VECTOR_DIMENSIONS_MAX 4096
#define LH_VECTOR_K_MAX          10000

typedef enum lh_vector_metric { LH_VECTOR_COSINE } lh_vector_metric;

typedef struct lh_vector_builder lh_vector_builder;
LH_WARN_UNUSED lh_rc lh_vector_builder_new(lh_ctx *cx, lh_container_sink sink, uint32_t dimensions,
                                           lh_vector_metric metric,
                                           lh_vector_builder **ret_builder);
/* rows x dimensions values; NaN and infinities are LH_E_BAD_VALUE; a zero vector stays zero (its
 * score is 0). */
LH_WARN_UNUSED lh_rc lh_vector_builder_add(lh_ctx *cx, lh_vector_builder *builder,
                                           const float *vectors, size_t rows);
LH_WARN_UNUSED lh_rc lh_vector_builder_finish(lh_ctx *cx, lh_vector_builder *builder,
                                              uint64_t *ret_file_bytes);
lh_vector_builder *lh_vector_builder_free(lh_vector_builder *builder);
LH_DEFINE_CLEANUP(lh_vector_builder, lh_vector_builder_free)

typedef struct lh_vector_index lh_vector_index;
/* bytes: the mapped segment, borrowed until close. Everything is validated. LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lh_vector_index_open(lh_ctx *cx, lh_str bytes, lh_vector_index **ret_index);
lh_vector_index *lh_vector_index_close(lh_vector_index *index);
LH_DEFINE_CLEANUP(lh_vector_index, lh_vector_index_close)

typedef struct lh_vector_stats {
    const char *kind; /* "flat" */
    uint64_t rows;
    uint32_t dimensions;
    uint64_t bytes_mapped;
    uint64_t bytes_resident;
    const char *simd; /* path in use: "scalar", "avx2" */
} lh_vector_stats;
void lh_vector_index_stats(const lh_vector_index *index, lh_vector_stats *ret_stats);

/* Which rows may be answers: bit r of word r / 64. NULL words: all. */
typedef struct lh_bitmap {
    uint64_t *words;
    uint64_t rows;
} lh_bitmap;
static inline void lh_bitmap_set(lh_bitmap *bitmap, uint64_t row)
{
    bitmap->words[row / 64] |= 1ull << (row % 64);
}
static inline int lh_bitmap_get(const lh_bitmap *bitmap, uint64_t row)
{
    return (int)((bitmap->words[row / 64] >> (row % 64)) & 1u);
}

typedef struct lh_vector_hit {
    uint64_t row;
    float score; /* cosine, 1 = same direction */
} lh_vector_hit;
typedef struct lh_vector_query {
    const float *vector; /* dimensions values; any length */
    uint32_t k;
    const lh_bitmap *filter; /* borrowed; NULL = all rows */
} lh_vector_query;
typedef struct lh_vector_search_stats {
    uint64_t evaluations; /* distances computed */
    const char *plan;     /* "flat" */
} lh_vector_search_stats;
/* Best first; equal scores in order of row. ret_hits has room for k. Checks cx's deadline and
 * cancel. */
LH_WARN_UNUSED lh_rc lh_vector_index_search(lh_ctx *cx, const lh_vector_index *index,
                                            const lh_vector_query *query, lh_vector_hit *ret_hits,
                                            uint32_t *ret_count, lh_vector_search_stats *ret_stats);

#endif
