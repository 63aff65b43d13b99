/* flatbuf.c - see the header. Alignment counts from the beginning of the flatbuffer; each scalar
 * stands at a multiple of its size, and 8-byte items of vectors after a 4-byte count are aligned by
 * padding before the count. */
#include "worker/programs/flatbuf.h"

static const char zeros[16];

static size_t here(const lh_flat *f)
{
    return f->out->len - f->begin;
}

static void append(lh_flat *f, const void *bytes, size_t count)
{
    if (f->rc == LH_OK)
        f->rc = lh_buf_append(f->cx, f->out, lh_str_n(bytes, count));
}

static void zero(lh_flat *f, size_t count)
{
    for (; count > 0 && f->rc == LH_OK; count -= LH_MIN(count, sizeof(zeros)))
        append(f, zeros, LH_MIN(count, sizeof(zeros)));
}

/* So that position + extra is a multiple of bytes. */
static void align(lh_flat *f, size_t bytes, size_t extra)
{
    zero(f, (bytes - (here(f) + extra) % bytes) % bytes);
}

void lh_flat_store(lh_flat *f, size_t position, uint64_t value, size_t bytes)
{
    if (f->rc != LH_OK)
        return;
    lh_assert(f->begin + position + bytes <= f->out->len);
    for (size_t i = 0; i < bytes; i++)
        f->out->ptr[f->begin + position + i] = (char)(uint8_t)(value >> (8 * i));
}

void lh_flat_init(lh_flat *f, lh_ctx *cx, lh_buf *out)
{
    *f = (lh_flat){.cx = cx, .out = out, .begin = out->len};
    zero(f, 4);
}

lh_flat_table lh_flat_begin(lh_flat *f, const uint8_t *sizes, size_t count)
{
    lh_assert(count <= LH_FLAT_SLOTS_MAX);
    lh_flat_table table = {0};
    size_t bytes = 4; /* the table begins with its distance to the vtable */
    for (size_t size = 8; size > 0; size /= 2) /* widest first: no holes but before the first */
        for (size_t i = 0; i < count; i++)
            if (sizes[i] == size) {
                bytes = (bytes + size - 1) / size * size;
                table.offsets[i] = (uint16_t)bytes;
                bytes += size;
            }
    size_t vtable_bytes = 4 + 2 * count;
    align(f, 8, vtable_bytes); /* the table itself stands at a multiple of 8 */
    size_t vtable = here(f);
    zero(f, vtable_bytes + bytes);
    lh_flat_store(f, vtable, vtable_bytes, 2);
    lh_flat_store(f, vtable + 2, bytes, 2);
    for (size_t i = 0; i < count; i++)
        lh_flat_store(f, vtable + 4 + 2 * i, table.offsets[i], 2);
    table.position = vtable + vtable_bytes;
    lh_flat_store(f, table.position, vtable_bytes, 4);
    return table;
}

void lh_flat_set(lh_flat *f, const lh_flat_table *table, size_t slot, uint64_t value, size_t bytes)
{
    lh_assert(table->offsets[slot] != 0);
    lh_flat_store(f, table->position + table->offsets[slot], value, bytes);
}

size_t lh_flat_hole(const lh_flat_table *table, size_t slot)
{
    lh_assert(table->offsets[slot] != 0);
    return table->position + table->offsets[slot];
}

void lh_flat_fill(lh_flat *f, size_t hole, size_t target)
{
    if (f->rc != LH_OK)
        return;
    lh_assert(target > hole);
    lh_flat_store(f, hole, target - hole, 4);
}

size_t lh_flat_string(lh_flat *f, lh_str text)
{
    align(f, 4, 0);
    size_t position = here(f);
    zero(f, 4);
    lh_flat_store(f, position, text.len, 4);
    if (text.len > 0)
        append(f, text.ptr, text.len);
    zero(f, 1);
    return position;
}

size_t lh_flat_vector(lh_flat *f, size_t count, size_t item_bytes)
{
    align(f, item_bytes > 4 ? 8 : 4, item_bytes > 4 ? 4 : 0);
    size_t position = here(f);
    zero(f, 4 + count * item_bytes);
    lh_flat_store(f, position, count, 4);
    return position;
}

size_t lh_flat_end(lh_flat *f)
{
    align(f, 8, 0);
    return here(f);
}
