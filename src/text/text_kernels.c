/* text_kernels.c - the tables by instruction set, and what all of them call out of line: the heap
 * and the exceptions, which are rare. */
#include "text/text_plan_private.h"

static const lhi_text_kernels *const tables[LH_SIMD_COUNT] = LH_SIMD_TABLES(lhi_text_kernels);

const lhi_text_kernels *lhi_text_kernels_find(lh_simd set)
{
    return lh_simd_runs(set) ? tables[set] : NULL;
}

const lhi_text_kernels *lhi_text_kernels_get(void)
{
    return tables[lh_simd_chosen()];
}

static int is_worse(const lhi_text_entry *a, const lhi_text_entry *b)
{
    return a->points != b->points ? a->points < b->points : a->order > b->order;
}

static void raise_threshold(lhi_text_top *top)
{
    if (top->k == 0 || top->count < top->k)
        return;
    uint32_t least = top->entries[0].points - (top->is_mixed ? 1u : 0u);
    if (least > top->threshold)
        top->threshold = least;
}

void lhi_text_top_segment(lhi_text_top *top, uint32_t segment, const lh_text_view *view)
{
    uint32_t docs = view->segment->meta.docs;
    top->segment = segment;
    top->ids = view->ids;
    top->is_mixed = view->ids && docs > 0 && segment > 0 && view->ids[0] < top->ids_last;
    if (view->ids && docs > 0)
        top->ids_last = LH_MAX(top->ids_last, view->ids[docs - 1]);
    if (top->is_mixed && top->count > 0 && top->threshold == top->entries[0].points)
        top->threshold--;
    raise_threshold(top);
}

int lhi_text_top_push(lhi_text_top *top, uint32_t doc, uint32_t points)
{
    lhi_text_entry *h = top->entries;
    lhi_text_entry x = {points, doc, top->segment,
                        top->ids ? top->ids[doc] : (uint64_t)top->segment << 32 | doc};
    uint32_t i = 0;
    if (top->k == 0 || (top->count == top->k && is_worse(&x, &h[0])))
        return 0;
    if (top->count < top->k) {
        for (i = top->count++; i > 0 && is_worse(&x, &h[(i - 1) / 2]); i = (i - 1) / 2)
            h[i] = h[(i - 1) / 2];
    } else {
        for (uint32_t child; (child = 2 * i + 1) < top->count; i = child) {
            if (child + 1 < top->count && is_worse(&h[child + 1], &h[child]))
                child++;
            if (!is_worse(&h[child], &x))
                break;
            h[i] = h[child];
        }
    }
    h[i] = x;
    raise_threshold(top);
    return 1;
}

/* ---- exceptions ---- */

static const uint8_t *escapes_of(const lhi_text_cursor *c, uint32_t block, const uint8_t **ret_end)
{
    *ret_end = c->data + (block + 1 < c->blocks ? lhi_text_u32(c->offsets + 4 * (size_t)block + 4)
                                                : c->data_bytes);
    return lhi_text_cursor_codes(c, block) + lhi_text_block_count(c->df, c->blocks, block);
}

/* Reads one exception; 0 at the end or when the bytes are bad. */
static int next_escape(const uint8_t **at, const uint8_t *end, uint32_t *index, uint32_t *tf)
{
    uint64_t value;
    if (*at >= end)
        return 0;
    *index = *(*at)++;
    if (!lhi_text_varint_get(at, end, &value) || value == 0 || value > LH_TEXT_DOC_TOKENS_MAX)
        return 0;
    *tf = (uint32_t)value;
    return 1;
}

uint32_t lhi_text_cursor_escape(lhi_text_cursor *c, uint32_t block, uint32_t index)
{
    const uint8_t *end;
    const uint8_t *at = escapes_of(c, block, &end);
    uint32_t count = at < end ? *at++ : 0;
    uint32_t where;
    uint32_t tf;
    for (; count > 0 && next_escape(&at, end, &where, &tf); count--)
        if (where == index)
            return tf;
    c->is_bad = 1;
    return 0;
}

uint32_t lhi_text_cursor_escape_points(lhi_text_cursor *c, uint32_t doc, uint32_t tf)
{
    return lhi_text_points(lhi_text_impact(c->k1, tf, c->norms[c->lengths[doc]]), c->weight);
}

void lhi_text_cursor_add_escapes(lhi_text_cursor *c, uint32_t from, uint32_t to, uint32_t base,
                                 uint32_t *sums)
{
    const uint8_t *end;
    const uint8_t *at = escapes_of(c, c->block, &end);
    uint32_t count = at < end ? *at++ : 0;
    uint32_t index;
    uint32_t tf;
    for (; count > 0; count--) {
        if (!next_escape(&at, end, &index, &tf) || index >= c->count) {
            c->is_bad = 1;
            return;
        }
        if (index >= from && index < to)
            sums[c->docs[index] - base] += lhi_text_cursor_escape_points(c, c->docs[index], tf);
    }
}

void lhi_text_cursor_escape_tfs(lhi_text_cursor *c, uint32_t block, uint32_t *tfs)
{
    const uint8_t *end;
    const uint8_t *at = escapes_of(c, block, &end);
    uint32_t postings = lhi_text_block_count(c->df, c->blocks, block);
    uint32_t count = at < end ? *at++ : 0;
    uint32_t index;
    uint32_t tf;
    for (; count > 0; count--) {
        if (!next_escape(&at, end, &index, &tf) || index >= postings) {
            c->is_bad = 1;
            return;
        }
        tfs[index] = tf;
    }
}

void lhi_text_cursor_escape_range(lhi_text_cursor *c, uint32_t block, uint32_t index,
                                  uint32_t range[2])
{
    const uint8_t *end;
    const uint8_t *at = escapes_of(c, block, &end);
    uint32_t count = at < end ? *at++ : 0;
    uint32_t where;
    uint32_t tf;
    for (; count > 0; count--) {
        if (!next_escape(&at, end, &where, &tf)) {
            c->is_bad = 1;
            return;
        }
        range[0] += where < index ? tf : 0;
        range[1] += where == index ? tf : 0;
    }
}

void lhi_text_cursor_fix_escapes(lhi_text_cursor *c, uint32_t *points)
{
    uint32_t tfs[LHI_TEXT_BLOCK] = {0};
    lhi_text_cursor_escape_tfs(c, c->block, tfs);
    for (uint32_t i = 0; i < c->count; i++)
        if (tfs[i] > 0)
            points[i] = lhi_text_cursor_escape_points(c, c->docs[i], tfs[i]);
}
