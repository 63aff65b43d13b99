/* search/chunk_store.h - what the numbers of an index are: id, chunk number and text of each, by
 * ordinal and by id; for search by words also what the row says (its body).
 *
 * Owns:    a reader borrows mapped bytes; a writer holds 24 bytes a row until it is finished.
 * Threads: a reader is immutable.
 * Limits:  2^32 - 2 rows; a body of LH_CHUNK_BODY_BYTES_MAX.
 * Formats: container kind "chunk-store", version 1:
 *            rows         bytes: u32 id bytes, id, u32 chunk_no, u64 content hash, u32 text bytes,
 *            text; repeated row_offsets  u64 [rows + 1] into rows
 *            id_hashes    u64 [rows] XXH3 of the id, rising
 *            id_rows      u32 [rows] the row of each hash; equal hashes in order of row
 *          and when a row has a body:
 *            bodies       a zstd frame a block of rows: u32 bytes of each body, then the bodies
 *            body_offsets u64 [blocks + 1] into bodies
 *            body_firsts  u32 [blocks + 1] the first row of each block, at last the rows
 * Why:     texts and ids are read for a handful of hits only: mapped, never loaded. Bodies are
 *          packed by blocks: large enough to pack well, small enough to unpack for one hit. */
#ifndef LH_SEARCH_CHUNK_STORE_H
#define LH_SEARCH_CHUNK_STORE_H

#include "base/container.h"

#define LH_CHUNK_BODY_BYTES_MAX (16u * 1024u * 1024u)

typedef struct lh_chunk_row {
    lh_str id;
    uint32_t chunk_no;
    uint64_t content_hash;
    lh_str text;
    lh_str body; /* of lh_chunk_writer_add; read by lh_chunk_store_body */
} lh_chunk_row;

typedef struct lh_chunk_writer lh_chunk_writer;
LH_WARN_UNUSED lh_rc lh_chunk_writer_new(lh_ctx *cx, lh_container_sink sink,
                                         lh_chunk_writer **ret_writer);
LH_WARN_UNUSED lh_rc lh_chunk_writer_add(lh_ctx *cx, lh_chunk_writer *writer,
                                         const lh_chunk_row *row);
LH_WARN_UNUSED lh_rc lh_chunk_writer_finish(lh_ctx *cx, lh_chunk_writer *writer,
                                            uint64_t *ret_file_bytes);
lh_chunk_writer *lh_chunk_writer_free(lh_chunk_writer *writer);
LH_DEFINE_CLEANUP(lh_chunk_writer, lh_chunk_writer_free)

typedef struct lh_chunk_store {
    const uint8_t *rows;
    uint64_t rows_bytes;
    const uint64_t *row_offsets;
    const uint64_t *id_hashes;
    const uint32_t *id_rows;
    uint64_t count;
    lh_str bodies; /* no blocks: none */
    const uint64_t *body_offsets;
    const uint32_t *body_firsts;
    uint64_t body_blocks;
} lh_chunk_store;
LH_WARN_UNUSED lh_rc lh_chunk_store_open(lh_ctx *cx, lh_str bytes,
                                         lh_chunk_store *ret_store); /* LH_E_CORRUPT */
LH_WARN_UNUSED lh_rc lh_chunk_store_get(lh_ctx *cx, const lh_chunk_store *store, uint64_t row,
                                        lh_chunk_row *ret_row);
/* In the arena; an empty text when the store keeps no bodies. */
LH_WARN_UNUSED lh_rc lh_chunk_store_body(lh_ctx *cx, const lh_chunk_store *store, uint64_t row,
                                         lh_str *ret_body);
/* Calls visit for every row of that id. */
LH_WARN_UNUSED lh_rc lh_chunk_store_find(lh_ctx *cx, const lh_chunk_store *store, lh_str id,
                                         void (*visit)(void *arg, uint64_t row), void *arg);

#endif
