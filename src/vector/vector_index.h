/* vector/vector_index.h - nearest stored vectors behind one interface: build a segment, open it,
 * search it. One segment is immutable; what joins segments into a living set stands above.
 *
 * Owns:    an open index borrows the mapped bytes of its file (and the caller's rows, if external);
 *          a builder owns the rows added to it and borrows its sink.
 * Threads: search from any number of threads at once; a builder is one thread, its work may use
 *          more (options.threads).
 * Limits:  1..4,096 dimensions, 2^32 - 2 rows, k <= 10,000.
 * Formats: container kind "vector-segment", versions 1 (read) and 2 (written), drawn in README.md.
 * Why:     the one seam between the engine and the product. Rows are ordinals 0..rows-1 in the
 *          order they were given; what they mean is the caller's business. */
#ifndef LH_VECTOR_VECTOR_INDEX_H
#define LH_VECTOR_VECTOR_INDEX_H

#include "os/file.h"

#define LH_VECTOR_DIMENSIONS_MAX      4096
#define LH_VECTOR_ROWS_MAX            4294967294u
#define LH_VECTOR_K_MAX               10000
#define LH_VECTOR_EF_CONSTRUCTION_MIN 10
#define LH_VECTOR_EF_CONSTRUCTION_MAX 400
#define LH_VECTOR_EF_SEARCH_MIN       10
#define LH_VECTOR_EF_SEARCH_MAX       400    /* of the product; the engine takes up to 4,096 */
#define LH_VECTOR_EXAMPLES_MAX        256    /* rows of "like" and of "unlike" */
#define LH_VECTOR_KEEP_ROWS_MIN       250000 /* a build of fewer takes seconds */

/* ---- build ---- */

typedef enum lh_vector_metric {
    LH_VECTOR_COSINE,   /* score: cosine, 1 = same direction */
    LH_VECTOR_DOT,      /* score: inner product */
    LH_VECTOR_EUCLIDEAN /* score: minus the distance, 0 = same place */
} lh_vector_metric;

typedef enum lh_vector_kind {
    LH_VECTOR_AUTO,  /* flat for small segments, else graph */
    LH_VECTOR_FLAT,  /* 1-bit scan, 4-bit scores, exact scores */
    LH_VECTOR_GRAPH, /* also a graph walked on 4-bit codes */
    LH_VECTOR_IVF,   /* lists of 1-bit codes: for disk and 10 million rows */
    LH_VECTOR_EXACT  /* rows alone, every search reads them all */
} lh_vector_kind;

typedef enum lh_vector_preset {
    LH_VECTOR_QUALITY, /* merged segments: a better graph, about 1.8 times the build time */
    LH_VECTOR_FRESH    /* new segments */
} lh_vector_preset;

/* Where the exact scores of the last step come from. */
typedef enum lh_vector_rows_as {
    LH_VECTOR_ROWS_F32,
    LH_VECTOR_ROWS_F16,
    LH_VECTOR_ROWS_BF16,
    LH_VECTOR_ROWS_EXTERNAL /* not stored: the caller's own array is given to open again */
} lh_vector_rows_as;

typedef enum lh_vector_rotation {
    LH_VECTOR_ROTATE_AUTO, /* the probe decides: on when dimensions differ much in size */
    LH_VECTOR_ROTATE_OFF,
    LH_VECTOR_ROTATE_ON
} lh_vector_rotation;

/* What finished phases of a long build made, kept in a file so that a build of the same rows with
 * the same options goes on behind them when this one is cut off. */
typedef struct lh_vector_keep {
    lh_file *file;     /* open for reading and writing; borrowed, nobody else's meanwhile. Of no use
                        * once the segment is written: the caller removes it */
    uint64_t rows_min; /* fewer are built anew; 0 = LH_VECTOR_KEEP_ROWS_MIN */
    /* Set by the build. */
    uint64_t bytes_used; /* of the file: what was gone on from; 0 = nothing */
    char trouble[160];   /* why something in it was of no use, or could not be kept; "" = fine */
} lh_vector_keep;

typedef struct lh_vector_options {
    uint32_t dimensions;
    lh_vector_metric metric;
    lh_vector_kind kind;
    lh_vector_preset preset;
    lh_vector_rows_as rows_as;
    lh_vector_rotation rotation;
    uint32_t threads;          /* 0 = 1; the bytes do not depend on it */
    uint32_t ef_construction;  /* 0 = as the preset; else 10..400, mapped to degree and overlap */
    uint64_t seed;             /* of leaders and rotation */
    uint64_t memory_bytes_max; /* of the build beside the rows; 0 = twice the finished index.
                                * A tight limit costs time, never quality. */
    /* May be NULL. Called on the building thread; phase is static text. */
    void (*progress)(void *arg, const char *phase, uint64_t done, uint64_t total);
    void *progress_arg;
    lh_vector_keep *keep; /* borrowed; NULL: a build that is cut off begins anew */
} lh_vector_options;

/* Rows that can be read again. Either one array, or a reader that may be called from any thread
 * and must give the same values each time. */
typedef struct lh_vector_source {
    uint64_t rows;
    const float *floats; /* rows x dimensions; NULL: read */
    lh_rc (*read)(lh_ctx *cx, void *arg, uint64_t first, size_t rows, float *out);
    void *arg;
} lh_vector_source;

/* Writes a whole segment. Same source, options and seed: same bytes, whatever the threads, the
 * memory limit and the instruction set. LH_E_BAD_VALUE for options out of bounds, NaN or infinity
 * in a row; LH_E_CANCELLED, LH_E_DEADLINE; LH_E_TOO_LARGE when memory_bytes_max is too little. */
LH_WARN_UNUSED lh_rc lh_vector_build(lh_ctx *cx, const lh_vector_options *options,
                                     const lh_vector_source *source, lh_container_sink sink,
                                     uint64_t *ret_file_bytes);

/* The same for rows that come once: they are kept in memory until finish. */
typedef struct lh_vector_builder lh_vector_builder;
LH_WARN_UNUSED lh_rc lh_vector_builder_new(lh_ctx *cx, lh_container_sink sink,
                                           const lh_vector_options *options,
                                           lh_vector_builder **ret_builder);
/* rows x dimensions values; NaN and infinities are LH_E_BAD_VALUE; a zero vector stays zero (its
 * cosine is 0). */
LH_WARN_UNUSED lh_rc lh_vector_builder_add(lh_ctx *cx, lh_vector_builder *builder,
                                           const float *vectors, size_t rows);
LH_WARN_UNUSED lh_rc lh_vector_builder_finish(lh_ctx *cx, lh_vector_builder *builder,
                                              uint64_t *ret_file_bytes);
lh_vector_builder *lh_vector_builder_free(lh_vector_builder *builder);
LH_DEFINE_CLEANUP(lh_vector_builder, lh_vector_builder_free)

/* ---- open ---- */

typedef struct lh_vector_index lh_vector_index;
/* bytes: the mapped segment, borrowed until close. Structure, ids and the checksums of everything
 * but the stored rows are checked here; blocks of stored rows when they are first read.
 * LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lh_vector_index_open(lh_ctx *cx, lh_str bytes, lh_vector_index **ret_index);
/* For LH_VECTOR_ROWS_EXTERNAL: rows is rows x dimensions f32, borrowed until close. */
LH_WARN_UNUSED lh_rc lh_vector_index_open_external(lh_ctx *cx, lh_str bytes, lh_str rows,
                                                   lh_vector_index **ret_index);
lh_vector_index *lh_vector_index_close(lh_vector_index *index);
LH_DEFINE_CLEANUP(lh_vector_index, lh_vector_index_close)
/* When bytes is a lh_map: pages that only opening read are given back to the system. */
void lh_vector_index_trim(const lh_vector_index *index);
/* Every checksum of the file, the stored rows' too. */
LH_WARN_UNUSED lh_rc lh_vector_index_verify(lh_ctx *cx, const lh_vector_index *index);

#define LH_VECTOR_POINTS_MAX 16
/* What a setting came to on the sample of the build. */
typedef struct lh_vector_point {
    uint32_t setting;  /* ef of the graph, lists of ivf, or rows kept by the 1-bit scan */
    float recall;      /* recall@10 on rows and on points between two: the mean for the graph, else
                        * the worse */
    float evaluations; /* scores computed per search */
} lh_vector_point;

typedef struct lh_vector_stats {
    const char *kind;    /* "exact", "flat", "graph", "ivf" */
    const char *metric;  /* "cosine", "dot", "euclidean" */
    const char *preset;  /* "quality", "fresh" */
    const char *rows_as; /* "f32", "f16", "bf16", "external" */
    const char *tiers;   /* "b1+i4+f32" */
    const char *simd;    /* path in use: "scalar", "avx2", "avx512" */
    uint64_t rows;
    uint32_t dimensions;
    uint32_t degree; /* most neighbours of a row; 0 without a graph */
    uint32_t lists;
    int rotated;
    uint64_t seed;
    uint64_t bytes_file;
    uint64_t bytes_resident; /* codes, graph and maps: what searches walk through */
    uint64_t bytes_mapped;   /* rows read for exact scores only, evictable */
    uint64_t bytes_heap;     /* of bytes_resident: not part of the file's mapping */
    /* The probe: recall@10 within the best 10, 40, 100, 200, 400 of each code alone. */
    float probe_b1[5];
    float probe_i4[5];
    uint32_t graph_points_count;
    lh_vector_point graph_points[LH_VECTOR_POINTS_MAX];
    uint32_t flat_points_count;
    lh_vector_point flat_points[LH_VECTOR_POINTS_MAX];
} lh_vector_stats;
void lh_vector_index_stats(const lh_vector_index *index, lh_vector_stats *ret_stats);

/* The stored values of a row (of length one for cosine unless external). Checks the block's
 * checksum. LH_E_NOT_FOUND when there is no such row. */
LH_WARN_UNUSED lh_rc lh_vector_index_row(lh_ctx *cx, const lh_vector_index *index, uint64_t row,
                                         float *ret_values);

/* ---- search ---- */

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
    float score; /* of the metric; higher is better for each */
} lh_vector_hit;

typedef enum lh_vector_plan {
    LH_VECTOR_PLAN_AUTO,
    LH_VECTOR_PLAN_EXACT, /* every row that may answer, exact scores */
    LH_VECTOR_PLAN_SCAN,  /* 4-bit scores of the rows of the filter */
    LH_VECTOR_PLAN_FLAT,  /* 1-bit scores of all */
    LH_VECTOR_PLAN_GRAPH,
    LH_VECTOR_PLAN_IVF
} lh_vector_plan;

/* Zero is a good value for every member but k and what to look for. */
typedef struct lh_vector_query {
    const float *vector; /* dimensions values, any length; NULL: by example (below) */
    uint32_t k;
    const lh_bitmap *filter; /* borrowed; NULL = all rows; its rows are the index's */
    /* The same as a list, rising, without doubles; NULL = all rows. Not both. */
    const uint64_t *rows;
    size_t rows_count;
    /* Stored rows to be near to and far from: the mean of like, moved away from the mean of
     * unlike. They are no answers themselves. Only when vector is NULL. */
    const uint64_t *like;
    size_t like_count;
    const uint64_t *unlike;
    size_t unlike_count;
    float recall;        /* wanted recall@k, met from the calibration; 0 = 0.99 */
    uint32_t ef_search;  /* effort given instead of recall, 10..4,096: places near the query that
                         * a walk expands where the sample's distances hold (harder queries up to
                         * four times as many), lists of ivf, or rows the 1-bit scan keeps; 0 = by
                         * recall */
    lh_vector_plan plan; /* AUTO, or forced (LH_E_BAD_VALUE when the segment cannot) */
    /* Answers with a score of at least score_min only (k is still the most). */
    int has_score_min;
    float score_min;
    float diversity; /* 0 = none .. 1: maximal marginal relevance among 4 k candidates */
} lh_vector_query;

typedef struct lh_vector_search_stats {
    uint64_t evaluations; /* scores computed on 4-bit codes and on rows */
    uint64_t hops;        /* rows whose neighbours were read */
    uint64_t scanned;     /* 1-bit codes looked at */
    uint64_t exact;       /* exact scores computed */
    uint32_t ef;          /* effort used; 0 when the plan has none */
    const char *plan;     /* "exact", "scan", "flat", "graph", "ivf" */
    char why[96];         /* why this plan, one line */
} lh_vector_search_stats;

/* Best first (with diversity: in the order they were chosen); equal scores in order of row.
 * ret_hits has room for k. Checks cx's deadline and
 * cancel. Same query, same answers, whatever the instruction set.
 * LH_E_BAD_VALUE: a vector that is zero (cosine), NaN or infinite, or a bad knob. */
LH_WARN_UNUSED lh_rc lh_vector_index_search(lh_ctx *cx, const lh_vector_index *index,
                                            const lh_vector_query *query, lh_vector_hit *ret_hits,
                                            uint32_t *ret_count, lh_vector_search_stats *ret_stats);

/* Many queries on this thread, walked side by side so that one waits for memory while another
 * computes. ret_hits: hits_stride places per query (>= each k); ret_counts, ret_stats: one per
 * query, ret_stats may be NULL. The same answers as one by one. */
typedef struct lh_vector_batch {
    const lh_vector_query *queries;
    size_t count;
    lh_vector_hit *hits;
    size_t hits_stride;
    uint32_t *counts;
    lh_vector_search_stats *stats;
} lh_vector_batch;
LH_WARN_UNUSED lh_rc lh_vector_index_search_batch(lh_ctx *cx, const lh_vector_index *index,
                                                  const lh_vector_batch *batch);

#endif
