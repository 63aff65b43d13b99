/* cli/vector_files.h - the raw files of `lakehouse vector`: .f32 rows, .i32 neighbours, row
 * filters.
 *
 * Owns:    the mappings, until lh_f32_rows_close and its like.
 * Threads: read-only after open.
 * Limits:  files up to the address space; LH_VECTOR_ROWS_MAX rows.
 * Formats: .f32: little-endian float32, row after row, no header. .i32: little-endian int32, for
 *          each query the same number of row numbers, best first; -1 where there is none. Filter:
 *          bit r % 8 of byte r / 8 says whether row r may be an answer.
 * Why:     any set of vectors can be tried without a server; a file that does not fit is named with
 *          both numbers. */
#ifndef LH_CLI_VECTOR_FILES_H
#define LH_CLI_VECTOR_FILES_H

#include "os/file.h"
#include "vector/vector_index.h"

typedef struct lh_f32_rows {
    lh_map map;
    const float *values; /* rows x dimensions, borrowed from the mapping */
    uint64_t rows;
    uint32_t dimensions;
} lh_f32_rows;
/* option: the word of the command line that gave the path, for errors. LH_E_NOT_FOUND,
 * LH_E_BAD_VALUE when the size is no multiple of a row. */
LH_WARN_UNUSED lh_rc lh_f32_rows_open(lh_ctx *cx, const char *option, const char *path,
                                      uint32_t dimensions, lh_f32_rows *ret_rows);
void lh_f32_rows_close(lh_f32_rows *rows); /* safe on a zeroed or closed one */
LH_DEFINE_CLEANUP_VALUE(lh_f32_rows, lh_f32_rows_close)

typedef struct lh_vector_neighbours {
    lh_map map;
    const int32_t *ids; /* queries x width */
    uint32_t width;
} lh_vector_neighbours;
/* LH_E_BAD_VALUE when the file is not queries times the same number of ids, or an id is no row. */
LH_WARN_UNUSED lh_rc lh_vector_neighbours_open(lh_ctx *cx, const char *path, uint64_t queries,
                                               uint64_t rows, lh_vector_neighbours *ret);
void lh_vector_neighbours_close(lh_vector_neighbours *neighbours);
LH_DEFINE_CLEANUP_VALUE(lh_vector_neighbours, lh_vector_neighbours_close)

/* A bitmap of rows bits in cx's arena, all clear. */
LH_WARN_UNUSED lh_rc lh_vector_bitmap_new(lh_ctx *cx, uint64_t rows, lh_bitmap **ret_bitmap);
LH_WARN_UNUSED lh_rc lh_vector_bitmap_read(lh_ctx *cx, const char *path, uint64_t rows,
                                           lh_bitmap **ret_bitmap);
uint64_t lh_vector_bitmap_count(const lh_bitmap *bitmap);

#endif
