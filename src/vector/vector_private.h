/* vector/vector_private.h - what build, open and search share: the stored header and the open
 * index.
 *
 * Owns: lh_vector_index owns its heap parts. Threads: an open index does not change, but for the
 *       marks of verified blocks and the pool of scratches. Limits: vector_index.h. Formats:
 *       README.md. Why: one layout, written once, checked once. */
#ifndef LH_VECTOR_VECTOR_PRIVATE_H
#define LH_VECTOR_VECTOR_PRIVATE_H

#include "os/thread.h"
#include "vector/vector_index.h"
#include "vector/vector_kernels.h"

#include <stdatomic.h>

#define LHI_VECTOR_KIND       LH_S("vector-segment")
#define LHI_VECTOR_VERSION_1  1u
#define LHI_VECTOR_VERSION    2u
#define LHI_VECTOR_DEFAULT_EF 64u

/* Section "meta" of version 1. */
typedef struct lhi_vector_meta1 {
    uint64_t rows;
    uint32_t dimensions;
    uint32_t kind;   /* 1: rows of length one in "f32" */
    uint32_t metric; /* 0: cosine */
    uint32_t reserved;
} lhi_vector_meta1;
_Static_assert(sizeof(lhi_vector_meta1) == 24, "stored as it is");

/* Section "meta" of version 2. */
typedef struct lhi_vector_meta {
    uint64_t rows;
    uint64_t seed;
    uint32_t dimensions;
    uint32_t padded; /* dimensions of a code: the next multiple of 128 */
    uint32_t kind;   /* lh_vector_kind, not AUTO */
    uint32_t metric;
    uint32_t preset;
    uint32_t rows_as;
    uint32_t rotated;
    uint32_t degree;
    uint32_t lists;
    uint32_t supers;
    uint32_t ef_construction;
    uint32_t reserved[17];
} lhi_vector_meta;
_Static_assert(sizeof(lhi_vector_meta) == 128, "stored as it is");

typedef float (*lhi_row_score)(const void *row, const float *query, size_t dimensions);

struct lh_vector_index {
    lh_str bytes;
    lh_container container;
    const lh_vector_kernels *kernels;
    lhi_vector_meta meta;
    /* Rows for exact scores, in the order they were given. */
    const uint8_t *rows;
    size_t row_bytes;
    lhi_row_score row_score;
    const float *inverse_norms; /* of external rows under cosine; NULL: rows have length one */
    /* Which blocks of stored rows were checked; NULL: the caller's own array. */
    atomic_uchar *blocks_checked;
    uint64_t block_checksum_first;
};

/* ---- vector_open.c ---- */

/* Checks the blocks that hold this row, once. */
LH_WARN_UNUSED lh_rc lhi_vector_check_block(lh_ctx *cx, const lh_vector_index *index,
                                            uint64_t block);
static inline lh_rc lhi_vector_check_row(lh_ctx *cx, const lh_vector_index *index, uint64_t row)
{
    if (!index->blocks_checked)
        return LH_OK;
    uint64_t first = row * index->row_bytes / LH_CONTAINER_BLOCK_BYTES;
    uint64_t last = (row * index->row_bytes + index->row_bytes - 1) / LH_CONTAINER_BLOCK_BYTES;
    for (uint64_t b = first; b <= last; b++) {
        if (!atomic_load_explicit(&index->blocks_checked[b], memory_order_relaxed))
            LH_TRY(lhi_vector_check_block(cx, index, b));
    }
    return LH_OK;
}
size_t lhi_vector_row_type_bytes(uint32_t rows_as);
/* The stored values of a row, as floats. The row's block was checked. */
void lhi_vector_row_floats(const lh_vector_index *index, uint64_t row, float *out);

/* ---- vector_score.c ---- */

/* A query made ready: of length one for cosine. Values in the arena. */
LH_WARN_UNUSED lh_rc lhi_vector_query_values(lh_ctx *cx, const lh_vector_index *index,
                                             const lh_vector_query *query, float **ret_values);
/* The score of the metric; the row's block was checked. */
static inline float lhi_vector_exact(const lh_vector_index *index, const float *query, uint64_t row)
{
    const void *at = index->rows + row * index->row_bytes;
    float s = index->row_score(at, query, index->meta.dimensions);
    if (index->meta.metric == LH_VECTOR_EUCLIDEAN)
        return -__builtin_sqrtf(s);
    return index->inverse_norms ? s * index->inverse_norms[row] : s;
}

/* The k best of what is offered: a heap with the worst answer on top. */
typedef struct lhi_vector_best {
    lh_vector_hit *hits;
    uint32_t count;
    uint32_t k;
} lhi_vector_best;
void lhi_vector_best_offer(lhi_vector_best *best, lh_vector_hit hit);
void lhi_vector_best_sort(lhi_vector_best *best);

/* Which rows may answer. */
typedef struct lhi_vector_allowed {
    const uint64_t *words; /* NULL: all, or a list */
    const uint64_t *list;
    size_t list_count;
    uint64_t count;        /* rows that may answer */
    const uint64_t *never; /* examples: no answers themselves */
    size_t never_count;
    const uint64_t *never2;
    size_t never2_count;
} lhi_vector_allowed;

/* ---- vector_build.c ---- */

LH_WARN_UNUSED lh_rc lhi_vector_options_check(lh_ctx *cx, const lh_vector_options *options);

#endif
