/* search/embedder.h - texts to vectors through embed workers, answers cached by content hash.
 *
 * Owns:    the cache files below cache_dir.
 * Threads: all functions from any thread.
 * Limits:  LH_EMBED_BATCH_MAX texts a call; one call holds one worker; the cache of all models
 *          together stays below cache_bytes_max.
 * Formats: f32 vectors of length one.
 * Why:     the same text is not embedded twice for the same model, whoever asks and whenever.
 *          Searches and jobs share one road to the model, but not one queue: people wait for
 *          workers that run at once, jobs use workers that run when nobody else wants the
 *          processor. */
#ifndef LH_SEARCH_EMBEDDER_H
#define LH_SEARCH_EMBEDDER_H

#include "worker/pool.h"

#define LH_EMBED_BATCH_MAX 1024

typedef struct lh_embedder lh_embedder;
typedef struct lh_embedder_options {
    lh_pool *pool;            /* borrowed */
    lh_str cache_dir;         /* copied; made at the first use */
    uint64_t cache_bytes_max; /* 0 = no cache */
} lh_embedder_options;
LH_WARN_UNUSED lh_rc lh_embedder_open(lh_ctx *cx, const lh_embedder_options *opts,
                                      lh_embedder **ret_embedder);
lh_embedder *lh_embedder_close(lh_embedder *embedder);

/* What the model is. Vectors of two models that differ in anything here are never compared, but
 * for the instruction set in kernel: f32 and bf16 agree across those. */
typedef struct lh_embedder_model {
    char name[128];
    char precision[16];
    char kernel[32]; /* instruction set and revision: "avx512/2" */
    uint32_t dimensions;
} lh_embedder_model;
/* precision: "" = the best this machine has. Starts a worker the first time. LH_E_UNAVAILABLE with
 * a hint when there is no model, LH_E_UNPROCESSABLE when it has no such precision. */
LH_WARN_UNUSED lh_rc lh_embedder_describe(lh_ctx *cx, lh_embedder *embedder, lh_str precision,
                                          lh_embedder_model *ret_model);

typedef enum lh_embed_purpose { LH_EMBED_AS_DOCUMENT, LH_EMBED_AS_QUERY } lh_embed_purpose;
typedef enum lh_embed_lane {
    LH_EMBED_INTERACTIVE, /* somebody waits */
    LH_EMBED_BULK         /* a job */
} lh_embed_lane;

typedef struct lh_embed_request {
    const lh_str *texts;
    size_t count; /* <= LH_EMBED_BATCH_MAX */
    lh_str precision;
    lh_embed_purpose purpose;
    lh_embed_lane lane;
    float *out;        /* count x dimensions */
    size_t from_model; /* out: texts the model was asked for; the others came from the cache or are
                          equal to one of those */
} lh_embed_request;
LH_WARN_UNUSED lh_rc lh_embedder_embed(lh_ctx *cx, lh_embedder *embedder,
                                       lh_embed_request *request);

#endif
