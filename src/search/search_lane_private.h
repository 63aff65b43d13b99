/* search/search_lane_private.h - batches of texts that go through the embedder while others are
 * filled and drained.
 *
 * Owns:    LHI_LANE_BATCHES batches with their arenas, one thread.
 * Threads: fill, seal and drain by the job's thread; the lane's own thread embeds.
 * Limits:  a batch is full at LHI_BATCH_TEXTS texts or LHI_BATCH_BYTES of text, whatever comes
 *          first: about a second of work, so that progress and cancel are seen soon.
 * Formats: none.
 * Why:     the model is the slow part by a factor of a hundred: it must never wait for somebody who
 *          reads rows, writes Parquet or syncs a file. */
#ifndef LH_SEARCH_SEARCH_LANE_PRIVATE_H
#define LH_SEARCH_SEARCH_LANE_PRIVATE_H

#include "search/embedder.h"

#define LHI_LANE_BATCHES 4u
#define LHI_BATCH_TEXTS  512u
#define LHI_BATCH_BYTES  (96u * 1024u)

typedef struct lhi_pending { /* a chunk that waits for its vector; texts in the batch's arena */
    lh_str id;
    uint32_t chunk_no;
    lh_str text;
} lhi_pending;

typedef struct lhi_batch {
    lhi_pending items[LHI_BATCH_TEXTS];
    size_t count;
    size_t bytes;
    uint64_t rows_end; /* source rows that end in this batch or before */
    int whole;         /* its last chunk is the last of its row */
    float *vectors;    /* count x dimensions, when drained */
    size_t from_model;
    /* of the lane */
    lh_arena *arena;
    lh_ctx cx;
    lh_rc rc;
    int state;
} lhi_batch;

typedef struct lhi_lane lhi_lane;
typedef struct lhi_lane_options {
    lh_embedder *embedder;
    lh_str precision; /* borrowed */
    uint32_t dimensions;
} lhi_lane_options;
LH_WARN_UNUSED lh_rc lhi_lane_open(lh_ctx *cx, const lhi_lane_options *opts, lhi_lane **ret_lane);
/* What is still under way is cancelled. NULL ok; returns NULL. */
lhi_lane *lhi_lane_close(lhi_lane *lane);
LH_DEFINE_CLEANUP(lhi_lane, lhi_lane_close)

/* The batch to fill, or NULL when all are on their way: drain one first. */
lhi_batch *lhi_lane_fill(lhi_lane *lane);
/* Copies the texts. LH_E_NO_MEMORY. */
LH_WARN_UNUSED lh_rc lhi_batch_add(lh_ctx *cx, lhi_batch *batch, const lhi_pending *item);
int lhi_batch_full(const lhi_batch *batch);
/* The batch that was filled goes on its way. */
void lhi_lane_seal(lhi_lane *lane);
/* The oldest batch on its way, embedded; NULL when there is none, or none is ready and wait is 0.
 * Valid until lhi_lane_give_back. Its error, or that of cx's deadline and cancel. */
LH_WARN_UNUSED lh_rc lhi_lane_drain(lh_ctx *cx, lhi_lane *lane, int wait, lhi_batch **ret_batch);
void lhi_lane_give_back(lhi_lane *lane, lhi_batch *batch);

#endif
