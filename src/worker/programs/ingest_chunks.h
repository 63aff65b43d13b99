/* worker/programs/ingest_chunks.h - parts of the vector store: chunk rows as frames <-> Parquet.
 *
 * Owns:    nothing.
 * Threads: the worker's main thread.
 * Limits:  a chunk row is at most one frame (LH_FRAME_BYTES_MAX).
 * Formats: frames as worker/messages.h says; Parquet doc_id VARCHAR, chunk_no INTEGER, chunk_text
 *          VARCHAR, content_hash BIGINT (the same 64 bits), vector BLOB (f32 little-endian; null
 *          without dimensions), uncompressed: floats do not shrink, and reading them is then a copy
 *          (contract A13).
 * Why:     the server does not load the engine. */
#ifndef LH_WORKER_PROGRAMS_INGEST_CHUNKS_H
#define LH_WORKER_PROGRAMS_INGEST_CHUNKS_H

#include "worker/programs/ingest_write.h"
#include "worker/programs/program.h"

LH_WARN_UNUSED lh_rc lh_chunks_register(lh_ctx *cx, lh_ingest_env *env);
/* Reads DATA frames of the task until an empty one; writes <prefix>-0.parquet. */
LH_WARN_UNUSED lh_rc lh_chunks_write(lh_ctx *cx, lh_ingest_env *env, lh_task *task, lh_str prefix,
                                     lh_written *ret_written);
/* Sends all rows of the files as DATA frames, whole rows in each; ends with an empty one. */
LH_WARN_UNUSED lh_rc lh_chunks_read(lh_ctx *cx, lh_ingest_env *env, lh_task *task,
                                    const lh_str *paths, size_t paths_count, uint64_t *ret_rows);

typedef struct lh_chunk_row {
    lh_str doc_id;
    uint32_t chunk_no;
    lh_str text;
    uint64_t content_hash;
    lh_str vector; /* bytes */
} lh_chunk_row;
/* The next row of a frame; *rest moves behind it. LH_E_CORRUPT when the frame does not hold a whole
 * row. */
LH_WARN_UNUSED lh_rc lh_chunk_row_read(lh_ctx *cx, lh_str *rest, lh_chunk_row *ret_row);
LH_WARN_UNUSED lh_rc lh_chunk_row_write(lh_ctx *cx, lh_buf *out, const lh_chunk_row *row);

#endif
