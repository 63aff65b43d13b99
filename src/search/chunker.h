/* search/chunker.h - a text becomes pieces that fit the model, cut at sentences where it can be.
 *
 * Owns:    nothing: chunks are slices of the text.
 * Threads: pure.
 * Limits:  size 50..8,000 code points, overlap below half of it.
 * Formats: UTF-8; offsets are bytes of the source.
 * Why:     a chunk should be what a reader would quote; overlap keeps what stands across a cut
 *          findable. */
#ifndef LH_SEARCH_CHUNKER_H
#define LH_SEARCH_CHUNKER_H

#include "base/ctx.h"

#define LH_CHUNK_SIZE_DEFAULT 1000
#define LH_CHUNK_SIZE_MIN     50
#define LH_CHUNK_SIZE_MAX     8000

typedef struct lh_chunker {
    lh_str text;
    uint32_t size;    /* code points of a chunk at most */
    uint32_t overlap; /* code points of the last chunk that the next one begins with */
    size_t at;        /* byte offset of the next chunk */
    int done;
} lh_chunker;

void lh_chunker_init(lh_chunker *chunker, lh_str text, uint32_t size, uint32_t overlap);
/* The next chunk, trimmed, never empty; 0 at the end. *ret_offset: its first byte in the text. */
int lh_chunker_next(lh_chunker *chunker, lh_str *ret_chunk, size_t *ret_offset);

#endif
