/* embed/forward.h - the forward pass of one chunk: texts laid one after another, no padding
 * between them.
 *
 * Owns:    a pass owns its buffers, all taken when it is made; it borrows image and kernels.
 * Threads: one pass per thread; a second thread may share in it (share.h).
 * Limits:  chunks of at most rows_max tokens and LH_EMBED_CHUNK_TEXTS_MAX texts; a text at most
 *          the model's tokens_max.
 * Formats: none.
 * Why:     the linear layers see one tall matrix whatever the texts' lengths; attention runs
 *          within each text. A layer is nine steps; what a step does to some rows, columns or
 *          heads does not depend on who does the others, so a pass gives the same bits however
 *          it is shared. */
#ifndef LH_EMBED_FORWARD_H
#define LH_EMBED_FORWARD_H

#include "embed/image.h"
#include "embed/share.h"

#define LH_EMBED_CHUNK_TOKENS    128 /* a chunk is closed when it has so many */
#define LH_EMBED_CHUNK_TEXTS_MAX (LH_EMBED_CHUNK_TOKENS / LH_EMBED_TOKENS_MIN)

typedef struct lh_embed_chunk {
    lh_embed_token *tokens; /* room for rows_max of the pass */
    uint32_t tokens_count;
    uint32_t texts_count;
    struct {
        uint32_t tokens_count;
        size_t index; /* of the text in its batch */
    } texts[LH_EMBED_CHUNK_TEXTS_MAX];
} lh_embed_chunk;

/* Sees what a linear layer reads, [rows][inputs] of f32; for calibration, f32 passes only. */
typedef struct lh_embed_observer {
    void (*see)(void *arg, uint32_t layer, lh_embed_linear_name which, const float *in,
                size_t rows);
    void *arg;
} lh_embed_observer;

typedef struct lh_embed_forward {
    const lh_embed_image *image;
    const lh_embed_kernels *kernels;
    lh_embed_observer observer; /* see NULL: nobody looks */
    void *memory;               /* one block behind all that follows */
    lh_embed_chunk chunk;
    float *state;             /* [rows][hidden], the normed value a layer starts from */
    float *sum;               /* [rows][hidden], before a norm */
    void *qkv;                /* [rows][3 * hidden], f32 or half */
    void *mixed;              /* [rows][hidden], f32 or half */
    void *wide;               /* [rows][intermediate], f32 or half */
    lh_embed_operand operand; /* what a linear layer reads that is not f32 */
    float *scratch;           /* attention's */
    lh_embed_share *share;    /* NULL: alone; else steps are run through it. Borrowed */
    float *helper_scratch;    /* of who helps; borrowed */
} lh_embed_forward;

LH_WARN_UNUSED lh_rc lh_embed_forward_init(lh_ctx *cx, lh_embed_forward *pass,
                                           const lh_embed_image *image,
                                           const lh_embed_kernels *kernels);
void lh_embed_forward_done(lh_embed_forward *pass); /* safe on a zeroed pass */
LH_DEFINE_CLEANUP_VALUE(lh_embed_forward, lh_embed_forward_done)
/* Runs pass->chunk; the vector of its text i goes to out + texts[i].index * hidden, length 1.
 * Errors: LH_E_CORRUPT when a vector is not finite (a model with such weights). */
LH_WARN_UNUSED lh_rc lh_embed_forward_run(lh_ctx *cx, lh_embed_forward *pass, float *out);
/* What a share of a pass runs; arg is the pass. */
void lh_embed_forward_part(void *arg, const lh_embed_part *part);

#endif
