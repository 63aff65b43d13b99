/* vector/vector_build_private.h - the state of one build and its phases.
 *
 * Owns: lhi_build owns its pages until lhi_build_done. Threads: one, but for loops. Limits:
 *       vector_index.h. Formats: none. Why: phases are files of their own. */
#ifndef LH_VECTOR_VECTOR_BUILD_PRIVATE_H
#define LH_VECTOR_VECTOR_BUILD_PRIVATE_H

#include "os/pages.h"
#include "vector/vector_private.h"

/* ---- vector_parallel.c ---- */

typedef struct lhi_worker {
    lh_ctx *cx; /* its own */
    lh_pages memory;
} lhi_worker;
typedef struct lhi_loop {
    lh_rc (*fn)(lhi_worker *worker, void *arg, uint64_t first, uint64_t end);
    void *arg;
    uint64_t count;
    uint64_t piece;
} lhi_loop;
LH_WARN_UNUSED lh_rc lhi_vector_parallel(lh_ctx *cx, uint32_t threads, const lhi_loop *loop);
/* Kept by the worker until the loop ends; what was there is lost when it grows. NULL: error is
 * said. */
LH_WARN_UNUSED void *lhi_worker_memory(lhi_worker *worker, size_t bytes);

/* ---- the build ---- */

#define LHI_OVERLAP_MAX   16u
#define LHI_LEAF_MAX      1280u
#define LHI_LEAF_BEST_MAX 16u
#define LHI_SUPERS_WIDTH  10u

/* How a graph is built: overlapping leaves of rows near a leader, the best of each leaf, pruned
 * (PiPNN, arXiv 2602.21247). */
typedef struct lhi_shape {
    uint32_t degree;          /* most neighbours of a row */
    uint32_t overlap;         /* leaves a row is in */
    uint32_t leaf_sure;       /* best of a leaf a row is sure to see */
    uint32_t leaf_best;       /* candidates it takes from a leaf at most */
    uint32_t leaf_rows;       /* wanted mean */
    uint32_t two_levels_from; /* leaders: a row looks only at those near its super leader */
    float alpha; /* prune: a candidate is dropped when a kept one is alpha times nearer */
} lhi_shape;

/* The caller's file of finished phases; vector_keep.c. */
typedef struct lhi_kept {
    lh_file *file; /* NULL: nothing is kept */
    lh_map map;    /* what was found there */
    uint64_t key;
    uint64_t used; /* bytes of map that are good */
    uint64_t end;  /* where the next stage goes */
} lhi_kept;

typedef struct lhi_build {
    lh_ctx *cx;
    const lh_vector_options *options;
    const lh_vector_source *source;
    const lh_vector_kernels *kernels;
    uint64_t rows;
    uint32_t dimensions;
    uint32_t padded;
    uint32_t used; /* dimensions of a code that are not padding */
    uint32_t threads;
    lh_vector_kind kind;
    lhi_shape shape;
    /* centre and rotation */
    float *mean;  /* padded */
    float *signs; /* 3 x padded; NULL: not rotated */
    float scale;  /* of int8 */
    /* codes, by row until the partition is made, then in the order of the lists */
    lh_pages i8, i8_sum, i8_norm, i4, i4_factors, b1, b1_factors, half_squares;
    /* partition */
    uint32_t lists; /* leaders */
    uint32_t supers;
    uint32_t *leaders;      /* ordered by super; rows, from the end of the partition on places */
    uint32_t *list_starts;  /* lists + 1 */
    uint32_t *super_starts; /* supers + 1 */
    lh_pages assigned;      /* rows x overlap leader numbers */
    lh_pages row_of;        /* place in the order -> row */
    /* leaves: members are place x overlap + slot */
    lh_pages members;
    uint32_t *leaf_starts;
    uint32_t leaves;
    int shift; /* dot products of leaves lose so many bits to fit 16 */
    /* candidates of the places [slice_first, slice_end) */
    uint64_t slice_first, slice_end;
    lh_pages candidate_ids, candidate_keys, candidate_counts;
    /* graph: rows x degree places and keys of distance, then the reverse edges */
    lh_pages edges, edge_keys;
    lh_pages reverse, reverse_starts;
    lh_pages graph;
    /* what searches and the file share */
    lh_pages b1_blocks;   /* of 32 rows */
    lh_pages super_codes; /* i4 of the mean of a super's leaders */
    float *super_factors, *super_halves;
    lhi_sample sample;
    float spread[LHI_EFFORTS];
    lhi_kept kept;
} lhi_build;

static inline uint8_t *lhi_i8(const lhi_build *b, uint64_t at)
{
    return (uint8_t *)b->i8.ptr + at * b->padded;
}
#define LHI_U32(pages) ((uint32_t *)(pages).ptr)
#define LHI_I32(pages) ((int32_t *)(pages).ptr)
#define LHI_F32(pages) ((float *)(pages).ptr)

/* Prefetches the whole of something. */
LHI_PREFETCHES void lhi_prefetch(const void *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)at + i);
}

LH_WARN_UNUSED lh_rc lhi_build_pages(lhi_build *b, lh_pages *pages, uint64_t items,
                                     size_t item_bytes);
void lhi_build_phase(lhi_build *b, const char *phase, uint64_t done);

/* vector_encode.c: mean, rotation and scale from a sample; then every row's codes. */
LH_WARN_UNUSED lh_rc lhi_build_sample(lhi_build *b);
LH_WARN_UNUSED lh_rc lhi_build_encode(lhi_build *b);
/* One row of the source, of length one for cosine. */
LH_WARN_UNUSED lh_rc lhi_build_row(lh_ctx *cx, const lhi_build *b, uint64_t row, float *out);
LH_WARN_UNUSED lh_rc lhi_vector_inverse_norm(lh_ctx *cx, const lh_vector_kernels *kernels,
                                             const float *row, uint32_t dimensions,
                                             float *ret_inverse);
/* vector_rotate.c */
size_t lhi_rotation_block(uint32_t padded);
void lhi_rotation_signs(uint64_t seed, uint32_t padded, float *ret_signs);
/* vector_keep.c: looks at the file once codes are made. Then each phase asks whether its work is
 * there already, and hands over what it made; a file that cannot be written is no error. */
LH_WARN_UNUSED lh_rc lhi_keep_open(lhi_build *b);
void lhi_keep_close(lhi_build *b);
LH_WARN_UNUSED int lhi_keep_take_partition(lhi_build *b);
LH_WARN_UNUSED lh_rc lhi_keep_partition(lhi_build *b);
/* Puts the edges of the first places back; returns how many places those are. */
LH_WARN_UNUSED uint64_t lhi_keep_take_edges(lhi_build *b);
LH_WARN_UNUSED lh_rc lhi_keep_edges(lhi_build *b); /* of the slice */
LH_WARN_UNUSED int lhi_keep_has_graph(const lhi_build *b);
void lhi_keep_take_graph(lhi_build *b);
LH_WARN_UNUSED lh_rc lhi_keep_graph(lhi_build *b);
/* vector_partition.c: leaders, lists, the order of rows; codes are put into that order. */
LH_WARN_UNUSED lh_rc lhi_build_partition(lhi_build *b);
/* vector_leaf.c: members of leaves; then candidates of the current slice. */
LH_WARN_UNUSED lh_rc lhi_build_leaves(lhi_build *b);
LH_WARN_UNUSED lh_rc lhi_build_candidates(lhi_build *b);
/* vector_prune.c: forward edges of the slice; then the graph with reverse edges. */
LH_WARN_UNUSED lh_rc lhi_build_forward(lhi_build *b);
LH_WARN_UNUSED lh_rc lhi_build_graph(lhi_build *b);
/* vector_reach.c: every row can be reached from a leader. */
LH_WARN_UNUSED lh_rc lhi_build_reach(lhi_build *b);
/* vector_finish.c: 1-bit blocks and super codes; an index over the build's own memory. */
LH_WARN_UNUSED lh_rc lhi_build_arrange(lhi_build *b);
void lhi_build_as_index(const lhi_build *b, lh_vector_index *ret_index);
/* vector_probe.c: what each code and each effort come to, on a sample. */
LH_WARN_UNUSED lh_rc lhi_build_probe(lhi_build *b);
/* vector_write.c: every section. */
LH_WARN_UNUSED lh_rc lhi_build_write(lhi_build *b, lh_container_writer *out);
void lhi_build_meta(const lhi_build *b, lhi_vector_meta *ret_meta);

static inline uint64_t lhi_mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

#endif
