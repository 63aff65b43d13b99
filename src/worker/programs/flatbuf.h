/* worker/programs/flatbuf.h - the little of FlatBuffers that Arrow's metadata needs: tables,
 * vectors, strings, written front to back.
 *
 * Owns:    the caller's buffer.
 * Threads: one.
 * Limits:  LH_FLAT_SLOTS_MAX fields per table; the buffer's own maximum.
 * Formats: FlatBuffers binary (little-endian): uoffset u32 forward, vtable before its table,
 *          vectors with a u32 count.
 * Why:     offsets point forward, so a table is written first, with holes, and each hole is filled
 *          when its target is written; no builder that works backwards and no library is needed
 *          (docs/adr/0008).
 *
 *     lh_flat_table t;  lh_flat_begin(cx, out, LH_FLAT_SLOTS(..), &t)   // layout is fixed by the
 *     sizes of its fields lh_flat_set_*(t, slot, value)
 *     hole = lh_flat_hole(t, slot); ... later: lh_flat_fill(out, hole)  // points the hole at the
 *     end of the buffer */
#ifndef LH_WORKER_PROGRAMS_FLATBUF_H
#define LH_WORKER_PROGRAMS_FLATBUF_H

#include "base/buf.h"

#define LH_FLAT_SLOTS_MAX 8

typedef struct lh_flat {
    lh_ctx *cx;
    lh_buf *out;
    size_t begin; /* of this flatbuffer in out */
    lh_rc rc;     /* the first error sticks */
} lh_flat;

typedef struct lh_flat_table {
    size_t position;                     /* of the table */
    uint16_t offsets[LH_FLAT_SLOTS_MAX]; /* from position; 0 = absent */
} lh_flat_table;

void lh_flat_init(lh_flat *f, lh_ctx *cx,
                  lh_buf *out); /* writes the root hole: fill it with the first table */
/* sizes[i]: bytes of slot i (1, 2, 4, 8; 0 = absent, so the default). Zeroed. */
lh_flat_table lh_flat_begin(lh_flat *f, const uint8_t *sizes, size_t count);
void lh_flat_set(lh_flat *f, const lh_flat_table *table, size_t slot, uint64_t value, size_t bytes);
size_t lh_flat_hole(const lh_flat_table *table, size_t slot); /* position of an offset slot */
/* Points the hole at `target`, a position after it. */
void lh_flat_fill(lh_flat *f, size_t hole, size_t target);
size_t lh_flat_string(lh_flat *f, lh_str text);                     /* its position */
size_t lh_flat_vector(lh_flat *f, size_t count, size_t item_bytes); /* zeroed items; its position */
static inline size_t lh_flat_item(size_t vector, size_t index, size_t item_bytes)
{
    return vector + 4 + index * item_bytes;
}
void lh_flat_store(lh_flat *f, size_t position, uint64_t value, size_t bytes);
size_t lh_flat_end(lh_flat *f); /* pads to 8; bytes of this flatbuffer */

#endif
