/* search/embedder.h - texts to vectors through embed workers, answers cached by content hash.
 *
 * Owns:    the cache.
 * Threads: all functions from any thread.
 * Limits:  cache of bytes_max; one call holds one worker.
 * Formats: f32 vectors of length one.
 * Why:     the same text is not embedded twice for the same model; searches and builds share one
 *          road to the model. */
#ifndef LH_SEARCH_EMBEDDER_H
#define LH_SEARCH_EMBEDDER_H

#include "worker/pool.h"

#define LH_EMBED_BATCH_MAX 256

typedef struct lh_embedder lh_embedder;
LH_WARN_UNUSED lh_rc lh_embedder_open(lh_ctx *cx, lh_pool *pool, uint64_t cache_bytes_max,
                                      lh_embedder **ret_embedder);
lh_embedder *lh_embedder_close(lh_embedder *embedder);

/* What the model is. Starts a worker the first time. LH_E_UNAVAILABLE with a hint when there is no
 * model. */
typedef struct lh_embedder_model {
    char name[128];
    char precision[16];
    char kernel[32];
    uint32_t dimensions;
} lh_embedder_model;
LH_WARN_UNUSED lh_rc lh_embedder_describe(lh_ctx *cx, lh_embedder *embedder,
                                          lh_embedder_model *ret_model);

/* out: count x dimensions floats. query: the texts are questions. count <= LH_EMBED_BATCH_MAX. */
typedef enum lh_embed_purpose { LH_EMBED_AS_DOCUMENT, LH_EMBED_AS_QUERY } lh_embed_purpose;
LH_WARN_UNUSED lh_rc lh_embedder_embed(lh_ctx *cx, lh_embedder *embedder, const lh_str *texts,
                                       size_t count, lh_embed_purpose purpose, float *out);

#endif
