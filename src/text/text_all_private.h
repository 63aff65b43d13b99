/* text/text_all_private.h - all of the terms, and phrases, compiled once per instruction set: some
 * blocks of the rarest list at a time are narrowed down by one list after the other.
 *
 * Owns: nothing. Threads: pure. Limits: text_plan_private.h. Formats: none.
 * Why: candidates are far from each other in the longer lists, so it is memory that is waited for.
 *      Where the postings of all candidates lie is found before one is read, and what they need is
 *      asked for together; one after the other, each would wait its turn. */
#ifndef LH_TEXT_TEXT_ALL_PRIVATE_H
#define LH_TEXT_TEXT_ALL_PRIVATE_H

enum { CACHE_LINE = 64 };

/* Points a term must pass where its phrase is to pass the threshold: a phrase is no oftener there
 * than its words, so it has their points times the ratio of the weights, roundings aside. */
static inline int64_t phrase_need(const lhi_text_all *run, uint32_t term)
{
    double need = ((double)run->top->threshold - 2) / run->phrase_ratios[term] - 2;
    return need > 0 ? (int64_t)need - 1 : -1;
}

/* Keeps the documents from `from` on that have their bit: cheap, so done before anything is looked
 * up. */
static inline void all_keep(lhi_text_all_block *b, uint32_t from, const uint64_t *bits)
{
    uint32_t n = from;
    for (uint32_t i = from; i < b->count; i++) {
        uint32_t doc = b->docs[i];
        b->docs[n] = doc;
        b->points[n] = b->points[i];
        b->indexes[0][n] = b->indexes[0][i];
        n += (uint32_t)(bits[doc >> 6] >> (doc & 63) & 1);
    }
    b->count = n;
}

/* Adds the rarest term's documents of one block that pass filter, bound and every other bitmap. */
static inline void all_first(const lhi_text_all *run, uint32_t block, uint64_t rest,
                             lhi_text_all_block *b)
{
    lhi_text_cursor *c = run->cursors[0];
    const uint32_t from = b->count;
    int64_t need = run->accept ? phrase_need(run, 0) : (int64_t)run->top->threshold - (int64_t)rest;
    uint32_t n = from;
    if (c->blocks > 0)
        decode_block(c, block);
    if (run->accept && need < 0) { /* points of a phrase's words are not added up */
        for (uint32_t i = 0; i < c->count; i++, n++) {
            b->docs[n] = c->docs[i];
            b->indexes[0][n] = i;
        }
    } else {
        uint32_t decoded[LHI_TEXT_BLOCK] LHI_TEXT_UNSET;
        const uint32_t *points = c->points;
        if (c->blocks > 0) {
            block_points(c, decoded);
            points = decoded;
        }
        for (uint32_t i = 0; i < c->count; i++) {
            b->docs[n] = c->docs[i];
            b->points[n] = points[i];
            b->indexes[0][n] = i;
            n += (int64_t)points[i] > need;
        }
    }
    b->count = n;
    if (run->allow)
        all_keep(b, from, run->allow);
    for (uint32_t t = 1; t < run->count && b->count > from; t++)
        if (run->cursors[t]->bitmap)
            all_keep(b, from, run->cursors[t]->bitmap);
    for (uint32_t i = from; run->accept && i < b->count; i++)
        b->blocks[0][i] = block;
}

/* Candidate i becomes candidate kept; a phrase remembers its place in the lists before. */
static inline void all_move(const lhi_text_all *run, lhi_text_all_block *b, uint32_t terms,
                            uint32_t i, uint32_t kept)
{
    b->docs[kept] = b->docs[i];
    b->points[kept] = b->points[i];
    for (uint32_t j = 0; run->accept && j < terms; j++) {
        b->blocks[j][kept] = b->blocks[j][i];
        b->indexes[j][kept] = b->indexes[j][i];
    }
}

/* Points that candidate i must have of a term to stay. */
static inline int64_t all_need(const lhi_text_all *run, const lhi_text_all_block *b,
                               int64_t phrase_least, uint64_t rest, uint32_t i)
{
    return run->accept ? phrase_least + 1
                       : (int64_t)run->top->threshold - (int64_t)(b->points[i] + rest) + 1;
}

/* The block of each candidate's posting, if there is one; those whose block is not good enough are
 * dropped. */
static inline void all_locate(const lhi_text_all *run, uint32_t term, uint32_t row, uint64_t rest,
                              lhi_text_all_block *b)
{
    lhi_text_cursor *c = run->cursors[term];
    const int64_t phrase_least = run->accept ? phrase_need(run, term) : 0;
    uint32_t block = c->probe;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        block = seek_block(c, block, b->docs[i]);
        if (block >= c->blocks)
            break;
        __builtin_prefetch(c->offsets + 4 * (size_t)block);
        __builtin_prefetch(c->bits + block);
        if ((int64_t)c->bound[c->best_codes[block]] < all_need(run, b, phrase_least, rest, i))
            continue;
        all_move(run, b, term, i, kept);
        b->blocks[row][kept++] = block;
    }
    c->probe = block;
    b->count = kept;
}

/* Asks for the candidates' blocks. */
static inline void all_fetch(const lhi_text_cursor *c, uint32_t row, const lhi_text_all_block *b)
{
    uint32_t before = c->block;
    for (uint32_t i = 0; i < b->count; i++) {
        const uint32_t block = b->blocks[row][i];
        if (block == before)
            continue;
        const uint8_t *at = c->data + lhi_text_u32(c->offsets + 4 * (size_t)block);
        const uint8_t *end = lhi_text_cursor_codes(c, block) + LHI_TEXT_BLOCK;
        for (before = block; at < end; at += CACHE_LINE)
            __builtin_prefetch(at);
    }
}

/* Are the candidates further from each other than a block of the list reaches? */
static inline int all_are_far(const lhi_text_cursor *c, const lhi_text_all_block *b)
{
    const uint64_t span = b->docs[b->count - 1] - b->docs[0];
    return !c->bitmap && c->blocks > 0 &&
           span * c->blocks > (uint64_t)last_of(c, c->blocks - 1) * b->count;
}

/* Keeps the candidates that a list has, with points enough. A phrase needs no points as long as
 * there are fewer hits than asked for. */
static inline void all_next(const lhi_text_all *run, uint32_t term, uint64_t rest,
                            lhi_text_all_block *b)
{
    lhi_text_cursor *c = run->cursors[term];
    const int64_t phrase_least = run->accept ? phrase_need(run, term) : 0;
    const uint32_t row = run->accept ? term : 0;
    const int are_far = all_are_far(c, b);
    uint32_t kept = 0;
    if (are_far) {
        all_locate(run, term, row, rest, b);
        all_fetch(c, row, b);
    }
    for (uint32_t i = 0; i < b->count; i++) {
        const int64_t need = LH_MAX(all_need(run, b, phrase_least, rest, i), INT64_C(1));
        uint32_t index = 0;
        uint32_t points = 1;
        if (are_far) {
            c->probe = b->blocks[row][i];
            decode_block(c, c->probe);
            index = lower_bound(c->docs, c->count, b->docs[i]);
            if (index >= c->count || c->docs[index] != b->docs[i])
                continue;
            if (!run->accept || phrase_least >= 0)
                points = code_points(c, c->probe, index, b->docs[i]);
        } else if (c->bitmap && run->accept && phrase_least < 0) {
            const uint32_t rank = rank_of(c, b->docs[i]);
            c->probe = rank / LHI_TEXT_BLOCK;
            index = rank % LHI_TEXT_BLOCK;
        } else {
            points = look_up(c, b->docs[i], (uint32_t)LH_MIN(need, (int64_t)UINT32_MAX), &index);
        }
        if ((int64_t)points < need)
            continue;
        all_move(run, b, term, i, kept);
        if (run->accept) {
            b->blocks[term][kept] = c->probe;
            b->indexes[term][kept] = index;
        }
        b->points[kept++] += points;
    }
    b->count = kept;
}

static inline void all_accept(lhi_text_all *run, lhi_text_all_block *b)
{
    if (run->accept && b->count > 0)
        run->accept(run, b);
    for (uint32_t i = 0; i < b->count; i++)
        if (b->points[i] > run->top->threshold)
            lhi_text_top_push(run->top, b->docs[i], b->points[i]);
}

static inline void all_rest(lhi_text_all *run, const uint64_t *rest, lhi_text_all_block *b)
{
    for (uint32_t t = 1; t < run->count && b->count > 0; t++)
        all_next(run, t, rest[t + 1], b);
    all_accept(run, b);
    b->count = 0;
}

static void run_all(lhi_text_all *run)
{
    lhi_text_all_block *b = run->work->all;
    uint64_t *rest = run->work->below;
    lhi_text_cursor *first = run->cursors[0];
    rest[run->count] = 0;
    for (uint32_t i = run->count; i-- > 0;)
        rest[i] = rest[i + 1] + run->cursors[i]->best;
    uint32_t blocks = LH_MAX(first->blocks, 1u);
    b->count = 0;
    for (uint32_t block = 0; block < blocks; block++) {
        if (first->blocks > 0) {
            uint32_t best = first->bound[first->best_codes[block]];
            if (!run->accept && best + rest[1] <= run->top->threshold)
                continue;
            if (run->accept && (int64_t)best <= phrase_need(run, 0))
                continue;
        }
        all_first(run, block, rest[1], b);
        if (b->count > LHI_TEXT_ALL_MAX - LHI_TEXT_BLOCK)
            all_rest(run, rest, b);
        if (block % 64 == 0 && (run->rc = lh_ctx_check(run->cx)) != LH_OK)
            return;
    }
    all_rest(run, rest, b);
}

#endif
