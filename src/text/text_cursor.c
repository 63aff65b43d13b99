/* text_cursor.c - opens a term's list for a run: points per code for a large list, points per
 * document for a small one. */
#include "text/text_plan_private.h"

static void open_large(const lh_text_segment *segment, const lhi_text_table *table,
                       lhi_text_cursor *c)
{
    lhi_text_blocks b;
    uint32_t codes = segment->fields[c->field].codes;
    lhi_text_blocks_of(segment, c->field, c->term, &b);
    c->blocks = b.count;
    c->last = b.last;
    c->offsets = b.offsets;
    c->best_codes = b.best;
    c->bits = b.bits;
    c->data = b.data;
    c->data_bytes = b.data_bytes;
    c->places = b.places;
    c->place_bits = b.place_bits;
    if (c->term->extra > 0) {
        c->bitmap = segment->bitmaps + (uint64_t)(c->term->extra - 1) * segment->bitmap_words;
        c->ranks = segment->ranks + (uint64_t)(c->term->extra - 1) * (segment->bitmap_words / 8);
    }
    /* Code 0 bounds what beats every code; no posting has it. */
    segment->kernels->weigh(table->impacts, codes + 1, c->weight, c->lut);
    memset(c->lut + codes + 1, 0, (255 - codes) * sizeof *c->lut);
    c->bound = c->lut;
    if (!table->is_exact) {
        segment->kernels->weigh(table->bounds, codes + 1, c->weight, c->bounds);
        c->bound = c->bounds;
    }
    c->best = c->bound[b.tail[0]];
}

static lh_rc open_small(lh_ctx *cx, const lh_text_segment *segment, const double *ones,
                        lhi_text_cursor *c)
{
    lhi_text_block b;
    if (lhi_text_block_read(segment, c->field, c->term, 0, &b) < 0)
        return lh_fail(cx, LH_E_CORRUPT, "text segment: a list of postings cannot be read");
    c->block = 0;
    c->count = b.count;
    for (uint32_t i = 0; i < b.count; i++) {
        c->docs[i] = b.docs[i];
        c->tfs[i] = b.tfs[i];
        c->points[i] = b.tfs[i] == 1 ? lhi_text_points(ones[c->lengths[b.docs[i]]], c->weight)
                                     : lhi_text_cursor_escape_points(c, b.docs[i], b.tfs[i]);
        c->best = LH_MAX(c->best, c->points[i]);
    }
    return LH_OK;
}

lh_rc lhi_text_cursor_open(lh_ctx *cx, const lh_text_searcher *s, uint32_t number,
                           const lhi_text_op *op, lhi_text_cursor *c, int *ret_has)
{
    const lh_text_segment *segment = s->views[number].segment;
    const lhi_text_table *table = &s->tables[(size_t)number * s->fields + op->field];
    uint64_t term = op->terms[number];
    *ret_has = term != UINT64_MAX;
    if (term == UINT64_MAX)
        return LH_OK;
    c->segment = segment;
    c->term = &segment->terms[term];
    c->field = op->field;
    c->df = c->term->df;
    c->blocks = 0;
    c->best = 0;
    c->block = LHI_TEXT_NO_BLOCK;
    c->count = 0;
    c->scan = 0;
    c->probe = 0;
    c->in_window = 0;
    c->tfs_block = LHI_TEXT_NO_BLOCK;
    c->tfs_asked = LHI_TEXT_NO_BLOCK;
    c->is_bad = 0;
    c->bitmap = NULL;
    c->norms = s->norms[op->field];
    c->lengths = segment->norms[op->field];
    c->k1 = s->k1;
    c->weight = op->weight;
    c->tf_of = table->tf_of;
    if (c->df <= LHI_TEXT_BLOCK)
        return open_small(cx, segment, s->ones[op->field], c);
    open_large(segment, table, c);
    return LH_OK;
}
