/* worker/programs/encode_arrow.h - what the Arrow encoder's two files share: a tree of growing
 * buffers, and messages.
 *
 * Owns:    a node owns its buffers; nodes live in the arena of the task.
 * Threads: one.
 * Limits:  2 GiB of text per column and batch (32-bit offsets).
 * Formats: Arrow columnar format 1.5, IPC stream.
 * Why:     encode_arrow.c gathers values, arrow_message.c writes the metadata; neither needs the
 *          other's details. */
#ifndef LH_WORKER_PROGRAMS_ENCODE_ARROW_H
#define LH_WORKER_PROGRAMS_ENCODE_ARROW_H

#include "worker/programs/encode.h"

typedef enum lh_arrow_kind {
    LH_ARROW_NULL,
    LH_ARROW_BOOL,
    LH_ARROW_FIXED,   /* values of item_bytes, stored as the engine has them */
    LH_ARROW_DECIMAL, /* widened to 16 bytes */
    LH_ARROW_INTERVAL,
    LH_ARROW_BYTES, /* offsets and data: utf8 or binary */
    LH_ARROW_LIST,
    LH_ARROW_FIXED_LIST,
    LH_ARROW_STRUCT,
    LH_ARROW_MAP
} lh_arrow_kind;

typedef struct lh_arrow_node {
    const lh_column *column; /* NULL: the entries of a map */
    lh_str name;
    lh_arrow_kind kind;
    size_t item_bytes;
    uint64_t length;
    uint64_t nulls;
    lh_buf validity; /* a bit per value, 1 = there */
    lh_buf offsets;  /* i32, one more than values */
    lh_buf values;
    struct lh_arrow_node *children;
    size_t children_count;
} lh_arrow_node;

typedef struct lh_arrow {
    lh_arrow_node *columns;
    size_t count;
    uint64_t rows;
    int batches; /* written so far */
} lh_arrow;

/* arrow_message.c */
LH_WARN_UNUSED lh_rc lh_arrow_write_schema(lh_ctx *cx, const lh_arrow *arrow, lh_buf *out);
LH_WARN_UNUSED lh_rc lh_arrow_write_batch(lh_ctx *cx, const lh_arrow *arrow, lh_buf *out);
LH_WARN_UNUSED lh_rc lh_arrow_write_end(lh_ctx *cx, lh_buf *out);

#endif
