/* embed/embed.h - texts to vectors with a packed model.
 *
 * Owns:    a model owns its mapping, arena and buffers; batches are the caller's.
 * Threads: a model serves one batch at a time (from any thread) and uses opts.threads threads
 *          for it, started when there is work for them and parked between batches; each takes
 *          whole texts, so nobody waits for anybody. A model opened to be soon done shares a batch
 *          of one chunk between two threads, step by step (share.h): that spends some processor
 *          time on waiting, at most 0.3 ms at a time.
 * Limits:  memory is fixed at open: the mapped file, a copy of its layers in huge pages, and, a
 *          thread, (127 + tokens_max) tokens of activations (6 MiB for MiniLM). Texts longer than
 *          tokens_max are cut and counted; any bytes are accepted.
 * Formats: vectors: f32, dimensions of the model, length 1.
 * Why:     the product searches by meaning without a model server (contract A10). A vector
 *          depends on the text, the model and the kernel's name and revision only: not on the
 *          batch, its order or the number of threads. */
#ifndef LH_EMBED_EMBED_H
#define LH_EMBED_EMBED_H

#include "embed/model_info.h"

#define LH_EMBED_THREADS_MAX 64

typedef struct lh_embed_model lh_embed_model;

typedef struct lh_embed_options {
    uint32_t threads;                /* 0 = 1 */
    const lh_embed_kernels *kernels; /* NULL = lh_embed_kernels_get() */
    lh_str precision; /* "f32", "bf16", "int8"; empty: bf16 where the CPU multiplies it, else f32 */
    uint32_t flags;   /* LH_EMBED_SOON */
} lh_embed_options;

enum { LH_EMBED_SOON = 1 /* somebody waits for each batch: one text is shared by two threads */ };

/* Maps a packed file (embed/pack.h) and checks all of it that the precision uses. opts may be NULL.
 * Errors: LH_E_NOT_FOUND, LH_E_CORRUPT, LH_E_UNPROCESSABLE (a kind or version not known, a
 *          precision that is not in the file), LH_E_BAD_VALUE (no such precision),
 *          LH_E_NO_MEMORY. */
LH_WARN_UNUSED lh_rc lh_embed_open(lh_ctx *cx, lh_str path, const lh_embed_options *opts,
                                   lh_embed_model **ret_model);
/* The same over bytes that are in memory: borrowed until close, 64-byte aligned. */
LH_WARN_UNUSED lh_rc lh_embed_open_bytes(lh_ctx *cx, lh_str bytes, const lh_embed_options *opts,
                                         lh_embed_model **ret_model);
lh_embed_model *lh_embed_close(lh_embed_model *model); /* NULL ok; returns NULL */
LH_DEFINE_CLEANUP(lh_embed_model, lh_embed_close)

/* Borrowed; its precision is the one that was opened. */
const lh_embed_model_info *lh_embed_info(const lh_embed_model *model);
lh_str lh_embed_kernel(
    const lh_embed_model *model); /* "avx2/1": instruction set and revision; borrowed */

enum {
    LH_EMBED_QUERY =
        1 /* questions, not texts to be stored: the model's query prefix is put before them */
};

typedef struct lh_embed_batch {
    const lh_str *texts;
    size_t count;
    uint32_t flags;
    float *out; /* [count][dimensions] */
    /* Called between chunks in the calling thread with the texts finished so far; an error ends
     * the batch. NULL ok. */
    lh_rc (*on_progress)(lh_ctx *cx, void *arg, size_t done);
    void *arg;
    uint64_t tokens;    /* out: tokens computed, special ones included */
    uint32_t truncated; /* out: texts that had more than tokens_max */
} lh_embed_batch;

/* Deadline and cancel of cx are looked at between chunks (128 tokens: 20 to 30 ms a thread). On
 * error the content of batch->out is unspecified. Errors: LH_E_CANCELLED, LH_E_DEADLINE,
 * LH_E_CORRUPT, what on_progress gave. */
LH_WARN_UNUSED lh_rc lh_embed_texts(lh_ctx *cx, lh_embed_model *model, lh_embed_batch *batch);

#endif
