/* text_phrase.c - are the terms of a phrase where they should be? Each term's positions less its
 * place in the phrase: an exact phrase begins where all agree; with slop, where they differ by slop
 * at most (the measure of Lucene's sloppy phrases). */
#include "text/text_plan_private.h"

/* Sums of tfs of a block: once for all postings of it that are asked for. 0 when bytes are bad. */
static int sum_tfs(lhi_text_cursor *c, uint32_t block)
{
    const uint8_t *codes = lhi_text_cursor_codes(c, block);
    uint32_t count = lhi_text_block_count(c->df, c->blocks, block);
    uint32_t tfs[LHI_TEXT_BLOCK] LHI_TEXT_UNSET;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        tfs[i] = c->tf_of[codes[i]];
    if (c->bits[block] & LHI_TEXT_ESCAPES)
        lhi_text_cursor_escape_tfs(c, block, tfs);
    for (uint32_t i = 0; i < count; i++) {
        c->tf_sums[i] = (uint32_t)sum;
        sum += tfs[i];
    }
    c->tf_sums[count] = (uint32_t)sum;
    c->tfs_block = block;
    return sum <= UINT32_MAX;
}

/* Positions of one posting of a block that may not be asked for again: four sums at once. */
static void tf_range(lhi_text_cursor *c, uint32_t block, uint32_t index, uint32_t range[2])
{
    const uint8_t *codes = lhi_text_cursor_codes(c, block);
    const uint16_t *tf_of = c->tf_of;
    uint32_t sums[4] = {0, 0, 0, 0};
    uint32_t i = 0;
    for (; i + 4 <= index; i += 4) {
        sums[0] += tf_of[codes[i]];
        sums[1] += tf_of[codes[i + 1]];
        sums[2] += tf_of[codes[i + 2]];
        sums[3] += tf_of[codes[i + 3]];
    }
    for (; i < index; i++)
        sums[0] += tf_of[codes[i]];
    range[0] = sums[0] + sums[1] + sums[2] + sums[3];
    range[1] = tf_of[codes[index]];
    if (c->bits[block] & LHI_TEXT_ESCAPES)
        lhi_text_cursor_escape_range(c, block, index, range);
    range[1] += range[0];
}

/* Positions [range[0], range[1]) of so many bytes; -1 when they are not there. Reads up to eight
 * bytes past them, which the section has. */
static int unpack_positions(lhi_text_phrase *p, uint32_t term, lh_str bytes,
                            const uint32_t range[2], uint32_t bits)
{
    lhi_text_vec *out = &p->found[term];
    uint32_t first = range[0];
    uint32_t end = range[1];
    if (end <= first || (bits == 0 && end - first > 1) ||
        ((uint64_t)end * bits + 7) / 8 > bytes.len ||
        lhi_text_vec_reserve(p->cx, out, end - first, sizeof(uint32_t)) != LH_OK)
        return -1;
    uint32_t *positions = out->items;
    uint32_t position = 0;
    uint64_t mask = (1ull << bits) - 1;
    uint64_t bit = (uint64_t)first * bits;
    for (uint32_t i = first; i < end; i++, bit += bits) {
        uint64_t word;
        memcpy(&word, bytes.ptr + (bit >> 3), sizeof word);
        position += (uint32_t)((word >> (bit & 7)) & mask);
        positions[i - first] = position;
    }
    out->count = end - first;
    return 0;
}

static int read_large(lhi_text_phrase *p, uint32_t term, uint32_t block, uint32_t index)
{
    lhi_text_cursor *c = p->cursors[term];
    uint32_t one[2];
    const uint32_t *range = one;
    int again = c->tfs_asked == block;
    c->tfs_asked = block;
    if (c->tfs_block != block && again && !sum_tfs(c, block))
        return -1;
    if (c->tfs_block == block)
        range = &c->tf_sums[index];
    else
        tf_range(c, block, index, one);
    uint32_t at = lhi_text_u32(c->places + 4 * (size_t)block);
    uint32_t end = block + 1 < c->blocks ? lhi_text_u32(c->places + 4 * (size_t)block + 4)
                                         : c->term->positions_bytes;
    lh_str bytes = {c->segment->positions.ptr + c->term->positions + at, end - at};
    return unpack_positions(p, term, bytes, range, c->place_bits[block]);
}

static int read_small(lhi_text_phrase *p, uint32_t term, uint32_t index)
{
    lhi_text_cursor *c = p->cursors[term];
    const lhi_text_term *t = c->term;
    lh_str bytes = {c->segment->positions.ptr + t->positions, t->positions_bytes};
    uint32_t bits;
    uint32_t range[2] = {0, 0};
    if (t->df == 1) {
        if (bytes.len == 0 || (uint8_t)bytes.ptr[0] > LHI_TEXT_BITS_MAX)
            return -1;
        bits = (uint8_t)bytes.ptr[0];
        bytes = lh_str_from_offset(bytes, 1);
    } else {
        bits = ((const uint8_t *)c->segment->postings.ptr + t->postings)[2];
    }
    for (uint32_t i = 0; i < index; i++)
        range[0] += c->tfs[i];
    range[1] = range[0] + c->tfs[index];
    return unpack_positions(p, term, bytes, range, bits);
}

static int read_positions(lhi_text_phrase *p, uint32_t term, uint32_t block, uint32_t index)
{
    p->found[term].count = 0;
    int rc = p->cursors[term]->blocks > 0 ? read_large(p, term, block, index)
                                          : read_small(p, term, index);
    if (rc < 0) {
        p->rc = p->cx->err.rc == LH_E_NO_MEMORY ? LH_E_NO_MEMORY : LH_E_CORRUPT;
        if (p->rc == LH_E_CORRUPT)
            LH_IGNORE(lh_fail(p->cx, LH_E_CORRUPT, "text segment: positions cannot be read"));
    }
    return rc;
}

/* Both hold places of the phrase's beginning (modulo 2^32), in order; keeps what both have. */
static uint32_t intersect(uint32_t *starts, uint32_t count, const uint32_t *positions,
                          uint32_t positions_count, uint32_t place)
{
    uint32_t kept = 0;
    uint32_t j = 0;
    for (uint32_t i = 0; i < count; i++) {
        while (j < positions_count && (int32_t)(positions[j] - place - starts[i]) < 0)
            j++;
        if (j < positions_count && positions[j] - place == starts[i])
            starts[kept++] = starts[i];
    }
    return kept;
}

static double count_exact(lhi_text_phrase *p, const uint32_t *blocks, const uint32_t *indexes)
{
    if (read_positions(p, 0, blocks[0], indexes[0]) < 0)
        return 0;
    uint32_t *starts = p->found[0].items;
    uint32_t count = (uint32_t)p->found[0].count;
    for (uint32_t i = 0; i < count; i++)
        starts[i] -= p->places[0];
    for (uint32_t t = 1; t < p->count && count > 0; t++) {
        if (read_positions(p, t, blocks[t], indexes[t]) < 0)
            return 0;
        count =
            intersect(starts, count, p->found[t].items, (uint32_t)p->found[t].count, p->places[t]);
    }
    return count;
}

/* One word cannot stand for two of the phrase. */
static int shares_a_word(const lhi_text_phrase *p, const uint32_t *at)
{
    for (uint32_t a = 0; a < p->count; a++)
        for (uint32_t b = 0; b < a; b++)
            if (p->cursors[a]->term == p->cursors[b]->term &&
                ((const uint32_t *)p->found[a].items)[at[a]] ==
                    ((const uint32_t *)p->found[b].items)[at[b]])
                return 1;
    return 0;
}

static double count_sloppy(lhi_text_phrase *p, const uint32_t *blocks, const uint32_t *indexes)
{
    uint32_t at[LH_TEXT_PHRASE_MAX] = {0};
    double sum = 0;
    for (uint32_t t = 0; t < p->count; t++)
        if (read_positions(p, t, blocks[t], indexes[t]) < 0)
            return 0;
    for (;;) {
        uint32_t lowest = 0;
        int64_t low = INT64_MAX;
        int64_t high = INT64_MIN;
        for (uint32_t t = 0; t < p->count; t++) {
            int64_t start =
                (int64_t)((const uint32_t *)p->found[t].items)[at[t]] - (int64_t)p->places[t];
            high = LH_MAX(high, start);
            if (start < low) {
                low = start;
                lowest = t;
            }
        }
        if (high - low <= (int64_t)p->slop && !shares_a_word(p, at))
            sum += 1.0 / (1.0 + (double)(high - low));
        if (++at[lowest] == p->found[lowest].count)
            return sum;
    }
}

double lhi_text_phrase_count(lhi_text_phrase *p, const uint32_t *blocks, const uint32_t *indexes)
{
    return p->slop > 0 ? count_sloppy(p, blocks, indexes) : count_exact(p, blocks, indexes);
}

uint32_t lhi_text_phrase_points(lhi_text_phrase *p, uint32_t doc, const uint32_t *blocks,
                                const uint32_t *indexes)
{
    double count = lhi_text_phrase_count(p, blocks, indexes);
    const lhi_text_cursor *c = p->cursors[0];
    if (count <= 0)
        return 0;
    return lhi_text_points(lhi_text_impact(c->k1, count, c->norms[c->lengths[doc]]), p->weight);
}

lh_rc lhi_text_phrase_open(lhi_text_run_state *run, const lhi_text_op *op, lhi_text_cursor *cursors,
                           lhi_text_phrase *p, int *ret_has)
{
    *p = (lhi_text_phrase){.cx = run->cx, .slop = op->slop, .weight = op->weight};
    *ret_has = 1;
    for (uint32_t i = 0; i < op->count && *ret_has; i++) {
        lhi_text_cursor *c = &cursors[i];
        LH_TRY(lhi_text_cursor_open(run->cx, run->searcher, run->segment, op->children[i], c,
                                    ret_has));
        if (!*ret_has)
            return LH_OK;
        uint32_t at = p->count++;
        for (; at > 0 && p->cursors[at - 1]->df > c->df; at--) {
            p->cursors[at] = p->cursors[at - 1];
            p->places[at] = p->places[at - 1];
        }
        p->cursors[at] = c;
        p->places[at] = op->places[i];
    }
    return LH_OK;
}

void lhi_text_phrase_done(lhi_text_phrase *p)
{
    for (uint32_t i = 0; i < LH_TEXT_PHRASE_MAX; i++)
        lhi_text_vec_done(&p->found[i]);
}
