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

/* Where the positions of one posting are: numbers [first, end) of so many bits each. */
typedef struct span {
    lh_str bytes;
    uint32_t range[2];
    uint32_t bits;
} span;

static int find_large(lhi_text_phrase *p, uint32_t term, uint32_t block, uint32_t index, span *s)
{
    lhi_text_cursor *c = p->cursors[term];
    int again = c->tfs_asked == block;
    c->tfs_asked = block;
    if (c->tfs_block != block && again && !sum_tfs(c, block))
        return -1;
    if (c->tfs_block == block)
        memcpy(s->range, &c->tf_sums[index], sizeof s->range);
    else
        tf_range(c, block, index, s->range);
    uint32_t at = lhi_text_u32(c->places + 4 * (size_t)block);
    uint32_t end = block + 1 < c->blocks ? lhi_text_u32(c->places + 4 * (size_t)block + 4)
                                         : c->term->positions_bytes;
    s->bytes = lh_str_n(c->segment->positions.ptr + c->term->positions + at, end - at);
    s->bits = c->place_bits[block];
    return 0;
}

static int find_small(lhi_text_phrase *p, uint32_t term, uint32_t index, span *s)
{
    lhi_text_cursor *c = p->cursors[term];
    const lhi_text_term *t = c->term;
    s->bytes = lh_str_n(c->segment->positions.ptr + t->positions, t->positions_bytes);
    if (t->df == 1) {
        if (s->bytes.len == 0 || (uint8_t)s->bytes.ptr[0] > LHI_TEXT_BITS_MAX)
            return -1;
        s->bits = (uint8_t)s->bytes.ptr[0];
        s->bytes = lh_str_from_offset(s->bytes, 1);
    } else {
        s->bits = ((const uint8_t *)c->segment->postings.ptr + t->postings)[2];
    }
    s->range[0] = 0;
    for (uint32_t i = 0; i < index; i++)
        s->range[0] += c->tfs[i];
    s->range[1] = s->range[0] + c->tfs[index];
    return 0;
}

static void fail_positions(lhi_text_phrase *p)
{
    p->rc = p->cx->err.rc == LH_E_NO_MEMORY ? LH_E_NO_MEMORY : LH_E_CORRUPT;
    if (p->rc == LH_E_CORRUPT)
        LH_IGNORE(lh_fail(p->cx, LH_E_CORRUPT, "text segment: positions cannot be read"));
}

/* Finds the positions of a term in one document, and asks for their memory. */
static int find_span(lhi_text_phrase *p, uint32_t term, uint32_t block, uint32_t index, span *s)
{
    int rc = p->cursors[term]->blocks > 0 ? find_large(p, term, block, index, s)
                                          : find_small(p, term, index, s);
    if (rc < 0 || s->range[1] <= s->range[0] || (s->bits == 0 && s->range[1] - s->range[0] > 1) ||
        ((uint64_t)s->range[1] * s->bits + 7) / 8 > s->bytes.len) {
        fail_positions(p);
        return -1;
    }
    __builtin_prefetch(s->bytes.ptr + (uint64_t)s->range[0] * s->bits / 8);
    return 0;
}

/* Reads up to eight bytes past the positions, which the section has. */
static int read_positions(lhi_text_phrase *p, uint32_t term, const span *s)
{
    lhi_text_vec *out = &p->found[term];
    out->count = 0;
    if (lhi_text_vec_reserve(p->cx, out, s->range[1] - s->range[0], sizeof(uint32_t)) != LH_OK) {
        fail_positions(p);
        return -1;
    }
    uint32_t *positions = out->items;
    uint32_t position = 0;
    uint64_t mask = (1ull << s->bits) - 1;
    uint64_t bit = (uint64_t)s->range[0] * s->bits;
    for (uint32_t i = s->range[0]; i < s->range[1]; i++, bit += s->bits) {
        uint64_t word;
        memcpy(&word, s->bytes.ptr + (bit >> 3), sizeof word);
        position += (uint32_t)((word >> (bit & 7)) & mask);
        positions[i - s->range[0]] = position;
    }
    out->count = s->range[1] - s->range[0];
    return 0;
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

/* Of the first terms alone. */
static double count_exact(lhi_text_phrase *p, const span *spans, uint32_t terms)
{
    if (read_positions(p, 0, &spans[0]) < 0)
        return 0;
    uint32_t *starts = p->found[0].items;
    uint32_t count = (uint32_t)p->found[0].count;
    for (uint32_t i = 0; i < count; i++)
        starts[i] -= p->places[0];
    for (uint32_t t = 1; t < terms && count > 0; t++) {
        if (read_positions(p, t, &spans[t]) < 0)
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

static double count_sloppy(lhi_text_phrase *p, const span *spans)
{
    uint32_t at[LH_TEXT_PHRASE_MAX] = {0};
    double sum = 0;
    for (uint32_t t = 0; t < p->count; t++)
        if (read_positions(p, t, &spans[t]) < 0)
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
    span spans[LH_TEXT_PHRASE_MAX] LHI_TEXT_UNSET;
    for (uint32_t t = 0; t < p->count; t++)
        if (find_span(p, t, blocks[t], indexes[t], &spans[t]) < 0)
            return 0;
    return p->slop > 0 ? count_sloppy(p, spans) : count_exact(p, spans, p->count);
}

static uint32_t points_of(const lhi_text_phrase *p, uint32_t doc, double count)
{
    const lhi_text_cursor *c = p->cursors[0];
    if (count <= 0)
        return 0;
    return lhi_text_points(lhi_text_impact(c->k1, count, c->norms[c->lengths[doc]]), p->weight);
}

uint32_t lhi_text_phrase_points(lhi_text_phrase *p, uint32_t doc, const uint32_t *blocks,
                                const uint32_t *indexes)
{
    return points_of(p, doc, lhi_text_phrase_count(p, blocks, indexes));
}

/* Documents that are looked at together: enough to have their memory on the way, few enough to have
 * it all in the nearest cache. */
enum { TOGETHER = 16 };

/* Two words next to each other are rarer than three in one document: the rest is asked of those
 * that have the first two. */
static void together(lhi_text_phrase *p, lhi_text_all_block *b, uint32_t first, uint32_t count)
{
    span spans[TOGETHER][LH_TEXT_PHRASE_MAX] LHI_TEXT_UNSET;
    uint32_t left[TOGETHER] = {0};
    const uint32_t head = p->slop > 0 ? p->count : LH_MIN(p->count, 2u);
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        __builtin_prefetch(p->cursors[0]->lengths + b->docs[first + i]);
        b->points[first + i] = 0;
        for (uint32_t t = 0; t < head; t++)
            if (find_span(p, t, b->blocks[t][first + i], b->indexes[t][first + i], &spans[i][t]))
                return;
    }
    for (uint32_t i = 0; i < count; i++) {
        left[n] = i;
        n += head == p->count || count_exact(p, spans[i], head) > 0;
        for (uint32_t t = head; t < p->count && n > 0 && left[n - 1] == i; t++)
            if (find_span(p, t, b->blocks[t][first + i], b->indexes[t][first + i], &spans[i][t]))
                return;
    }
    for (uint32_t j = 0; j < n; j++) {
        const span *s = spans[left[j]];
        b->points[first + left[j]] =
            points_of(p, b->docs[first + left[j]],
                      p->slop > 0 ? count_sloppy(p, s) : count_exact(p, s, p->count));
    }
}

void lhi_text_phrase_block(lhi_text_phrase *p, lhi_text_all_block *b)
{
    for (uint32_t i = 0; i < b->count && p->rc == LH_OK; i += TOGETHER)
        together(p, b, i, LH_MIN((uint32_t)TOGETHER, b->count - i));
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
