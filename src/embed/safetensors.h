/* embed/safetensors.h - reads the tensors of a safetensors file.
 *
 * Owns:    tensors borrow from the file's bytes; the list is in the arena.
 * Threads: immutable after open.
 * Limits:  header LH_EMBED_SAFETENSORS_HEADER_MAX bytes, two dimensions (tensors of other ranks
 *          are listed, not readable).
 * Formats: u64 header bytes, JSON header, data; F32, F16, BF16 are readable, other types are
 *          listed only.
 * Why:     models come in this format; what a header says about offsets is checked before it is
 *          believed. */
#ifndef LH_EMBED_SAFETENSORS_H
#define LH_EMBED_SAFETENSORS_H

#include "base/ctx.h"

#define LH_EMBED_SAFETENSORS_HEADER_MAX (16u * 1024u * 1024u)

typedef enum lh_embed_tensor_type {
    LH_EMBED_TENSOR_F32,
    LH_EMBED_TENSOR_F16,
    LH_EMBED_TENSOR_BF16,
    LH_EMBED_TENSOR_OTHER
} lh_embed_tensor_type;

typedef struct lh_embed_tensor {
    lh_str name;
    lh_embed_tensor_type type;
    uint64_t rows; /* 1 for a vector; 0 when it has more than two dimensions */
    uint64_t columns;
    lh_str bytes;
} lh_embed_tensor;

typedef struct lh_embed_safetensors {
    const lh_embed_tensor *items;
    size_t count;
} lh_embed_safetensors;

/* bytes: the whole file, borrowed. Errors: LH_E_UNPROCESSABLE that names what does not fit. */
LH_WARN_UNUSED lh_rc lh_embed_safetensors_open(lh_ctx *cx, lh_str bytes,
                                               lh_embed_safetensors *ret_file);
/* The tensor `name` with exactly these sizes, of a readable type. Errors: LH_E_UNPROCESSABLE
 * (absent, other shape). */
LH_WARN_UNUSED lh_rc lh_embed_safetensors_get(lh_ctx *cx, const lh_embed_safetensors *file,
                                              lh_str name, uint64_t rows, uint64_t columns,
                                              const lh_embed_tensor **ret_tensor);
const lh_embed_tensor *lh_embed_safetensors_find(const lh_embed_safetensors *file,
                                                 lh_str name); /* NULL when absent */
/* Values [first, first + count) as f32; within the tensor. */
void lh_embed_tensor_read(const lh_embed_tensor *tensor, uint64_t first, size_t count, float *out);

#endif
