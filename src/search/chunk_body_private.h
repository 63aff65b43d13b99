/* search/chunk_body_private.h - bodies of the rows of a chunk store, packed by blocks.
 *
 * Owns:    a writer owns what is packed until it is written.
 * Threads: one thread a writer; reading is pure.
 * Limits:  chunk_store.h.
 * Formats: chunk_store.h.
 * Why:     apart from chunk_store.c, which maps everything else as it is. */
#ifndef LH_SEARCH_CHUNK_BODY_PRIVATE_H
#define LH_SEARCH_CHUNK_BODY_PRIVATE_H

#include "base/buf.h"
#include "search/chunk_store.h"

typedef struct lhi_bodies {
    lh_buf sizes;   /* u32 each, of the block that is filled */
    lh_buf block;   /* its bodies */
    lh_buf raw;     /* one block as it is packed */
    lh_buf packed;  /* all blocks before */
    lh_buf offsets; /* u64 a block */
    lh_buf firsts;  /* u32 a block */
    uint32_t rows;
    int has_any;
} lhi_bodies;
void lhi_bodies_init(lhi_bodies *bodies);
void lhi_bodies_done(lhi_bodies *bodies);
LH_WARN_UNUSED lh_rc lhi_bodies_add(lh_ctx *cx, lhi_bodies *bodies, lh_str body);
/* Writes the sections; none when every body was empty. */
LH_WARN_UNUSED lh_rc lhi_bodies_write(lh_ctx *cx, lhi_bodies *bodies,
                                      lh_container_writer *container);
/* Sizes of the sections against each other and the store's rows. */
LH_WARN_UNUSED lh_rc lhi_bodies_open(lh_ctx *cx, const lh_container *container,
                                     lh_chunk_store *store);

#endif
