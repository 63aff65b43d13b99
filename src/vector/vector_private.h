/* vector/vector_private.h - what build, open and search share: the stored header and the open
 * index.
 *
 * Owns: lh_vector_index owns its heap parts. Threads: an open index does not change, but for the
 *       marks of verified blocks and the pool of scratches. Limits: vector_index.h. Formats:
 *       README.md. Why: one layout, written once, checked once. */
#ifndef LH_VECTOR_VECTOR_PRIVATE_H
#define LH_VECTOR_VECTOR_PRIVATE_H

#include "os/pages.h"
#include "os/thread.h"
#include "vector/vector_index.h"
#include "vector/vector_kernels.h"

#include <stdatomic.h>

#define LHI_VECTOR_KIND      LH_S("vector-segment")
#define LHI_VECTOR_VERSION_1 1u
#define LHI_VECTOR_VERSION   2u
#define LHI_NO_ROW           UINT32_MAX
#define LHI_DEGREE_MAX       64u
#define LHI_RECALL_DEFAULT   0.99f

/* Efforts of a walk (ef) that a build tries out. */
#define LHI_EFFORTS 11u
extern const uint32_t lhi_efforts[LHI_EFFORTS];

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
    /* How much further off than the 10th nearest row the m-th is, as a share of the distance of the
     * 10th (squared), for m of lhi_efforts; the mean of the sample. All 0: not known. */
    float spread[LHI_EFFORTS];
    uint32_t reserved[17 - LHI_EFFORTS];
} lhi_vector_meta;
_Static_assert(sizeof(lhi_vector_meta) == 128, "stored as it is");

/* Section "sample": the probe and the calibration. */
typedef struct lhi_sample {
    float probe_b1[5]; /* recall@10 within the best 10, 40, 100, 200, 400 */
    float probe_i4[5];
    uint32_t queries;
    uint32_t graph_points_count;
    uint32_t flat_points_count;
    uint32_t exact_points_count;
    float i4_error; /* root mean square of (4-bit score - exact) / (factor x |query|); 0: unknown */
    float b1_error; /* the same of 1-bit estimates */
    lh_vector_point graph_points[LH_VECTOR_POINTS_MAX];
    lh_vector_point flat_points[LH_VECTOR_POINTS_MAX];
    lh_vector_point exact_points[LH_VECTOR_POINTS_MAX]; /* setting: rows given exact scores */
} lhi_sample;
_Static_assert(sizeof(lhi_sample) == 64 + 3 * LH_VECTOR_POINTS_MAX * 12, "stored as it is");

typedef float (*lhi_row_score)(const void *row, const float *query, size_t dimensions);
struct lhi_scratch;

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
    /* Codes, in the order of places; NULL for kind exact. */
    const float *mean;
    const float *signs;       /* NULL: not rotated */
    const uint32_t *row_of;   /* place -> row */
    const uint32_t *place_of; /* row -> place */
    const uint8_t *i4;
    const float *i4_factors;
    const float *halves;      /* minus half the squared length, for euclidean; else NULL */
    const uint8_t *b1_blocks; /* as the kernels want them */
    size_t b1_block_bytes;
    /* What was arranged anew or copied and is not read again; NULL: nothing. */
    const uint8_t *b1_stored;
    const uint8_t *i4_stored;
    const uint32_t *graph_stored;
    const uint16_t *b1_factors;
    /* Lists and where searches begin. */
    const uint32_t *list_starts;
    const uint32_t *super_starts;
    const uint32_t *leaders;
    const uint8_t *super_codes;
    const float *super_factors;
    const float *super_halves;
    const uint8_t *leader_codes; /* copies, one after another */
    const float *leader_factors;
    const float *leader_halves;
    const uint32_t *graph; /* rows x degree places, LHI_NO_ROW at the end; NULL: none */
    const lhi_sample *sample;
    /* Own. */
    lh_pages heap[7];
    uint64_t heap_bytes;
    lh_mutex scratch_lock;
    struct lhi_scratch *scratches;
};

/* ---- vector_open.c ---- */

/* The section, when it is exactly so many items. */
LH_WARN_UNUSED lh_rc lhi_vector_section(lh_ctx *cx, const lh_container *c, const char *name,
                                        uint64_t items, size_t item_bytes, lh_str *ret);
/* vector_open_codes.c */
LH_WARN_UNUSED lh_rc lhi_vector_verify_section(lh_ctx *cx, const lh_container *c, lh_str section);
LH_WARN_UNUSED lh_rc lhi_vector_open_codes(lh_ctx *cx, lh_vector_index *index);
/* From what is stored to what searches read: inverse map, leaders' codes, arranged 1-bit blocks. */
LH_WARN_UNUSED lh_rc lhi_vector_shape_for_search(lh_ctx *cx, lh_vector_index *index);
/* Codes and graph -> memory of its own, in huge pages. */
LH_WARN_UNUSED lh_rc lhi_vector_copy_walk(lh_ctx *cx, lh_vector_index *index);
/* Bytes of the file that searches do not read, because they have them in another shape. */
uint64_t lhi_vector_stored_unread(const lh_vector_index *index);
void lhi_vector_free_shapes(lh_vector_index *index);

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

/* A query made ready: of length one for cosine. values: room for the dimensions. */
LH_WARN_UNUSED lh_rc lhi_vector_query_values(lh_ctx *cx, const lh_vector_index *index,
                                             const lh_vector_query *query, float *values);
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
