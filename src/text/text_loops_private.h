/* text/text_loops_private.h - the two plans that take the time, compiled once per instruction set.
 *
 * Owns: nothing. Threads: pure. Limits: text_plan_private.h. Formats: none.
 * Why: a file that includes this has defined unpack_block, lower_bound and collect_group for its
 *      instruction set; everything around them is the same and inlines them.
 *
 * Any of the terms is MaxScore (Turtle, Flood 1995) over windows of documents: terms are sorted by
 * the most they can add; those at the bottom whose sum cannot lift a document over the threshold
 * are only looked up for documents that the others found. The others are added into an array of
 * sums, which costs less per posting than any merge. When looking a term up would cost more than
 * adding it, it is added too. */
#ifndef LH_TEXT_TEXT_LOOPS_PRIVATE_H
#define LH_TEXT_TEXT_LOOPS_PRIVATE_H

#include "text/text_plan_private.h"

/* How much a posting that is added weighs against one that is looked up, when one list is walked
 * alone and when several are added anyway. */
enum { ADD_ALONE = 2, ADD_MORE = 8, SPARSE = 32, WINDOW_POSTINGS = 1024, GROUP = 16 };
/* A filter that lets fewer through, of 256: documents are looked at only if they are among them. */
enum { FEW_ALLOWED = 20 };

static inline uint32_t last_of(const lhi_text_cursor *c, uint32_t block)
{
    return lhi_text_u32(c->last + 4 * (size_t)block);
}

/* First block from `block` on whose last document is >= doc. */
static inline uint32_t seek_block(const lhi_text_cursor *c, uint32_t block, uint32_t doc)
{
    if (block >= c->blocks || last_of(c, block) >= doc)
        return block;
    uint32_t step = 1;
    while (block + step < c->blocks && last_of(c, block + step) < doc) {
        block += step;
        step *= 2;
    }
    uint32_t high = LH_MIN(block + step, c->blocks);
    block++;
    while (block < high) {
        uint32_t middle = (block + high) / 2;
        if (last_of(c, middle) < doc)
            block = middle + 1;
        else
            high = middle;
    }
    return block;
}

static inline void decode_block(lhi_text_cursor *c, uint32_t block)
{
    if (c->block == block)
        return;
    uint32_t bits = c->bits[block] & ~(uint32_t)LHI_TEXT_ESCAPES;
    uint32_t base = block > 0 ? last_of(c, block - 1) : UINT32_MAX;
    uint32_t count = lhi_text_block_count(c->df, c->blocks, block);
    unpack_block(c->data + lhi_text_u32(c->offsets + 4 * (size_t)block), bits, base, count,
                 c->docs);
    c->block = block;
    c->count = count;
    int bad = c->docs[count - 1] != last_of(c, block);
    if (bits == LHI_TEXT_BITS_MAX) /* only so wide can a sum pass 32 bits unseen */
        for (uint32_t i = 1; i < count; i++)
            bad |= c->docs[i] <= c->docs[i - 1];
    if (LH_UNLIKELY(bad)) {
        c->is_bad = 1;
        for (uint32_t i = 0; i < count; i++)
            c->docs[i] = last_of(c, block);
    }
}

static inline uint32_t code_points(lhi_text_cursor *c, uint32_t block, uint32_t index, uint32_t doc)
{
    uint8_t code = lhi_text_cursor_codes(c, block)[index];
    if (LH_LIKELY(code != LHI_TEXT_ESCAPE))
        return c->lut[code];
    return lhi_text_cursor_escape_points(c, doc, lhi_text_cursor_escape(c, block, index));
}

/* Documents before doc of a list with a bitmap. */
static inline uint32_t rank_of(const lhi_text_cursor *c, uint32_t doc)
{
    const uint64_t *group = c->bitmap + (doc >> 9 << 3);
    uint32_t rank = c->ranks[doc >> 9];
    for (uint32_t i = 0; i < ((doc >> 6) & 7); i++)
        rank += (uint32_t)__builtin_popcountll(group[i]);
    return rank + (uint32_t)__builtin_popcountll(group[doc >> 6 & 7] & ((1ull << (doc & 63)) - 1));
}

/* Points of doc, 0 when the list does not have it (or has it with less than need). The place of a
 * hit goes to ret_index, its block to c->probe. */
static inline uint32_t look_up(lhi_text_cursor *c, uint32_t doc, uint32_t need, uint32_t *ret_index)
{
    if (c->bitmap) {
        uint64_t word = c->bitmap[doc >> 6];
        if (!(word >> (doc & 63) & 1))
            return 0;
        uint32_t rank = rank_of(c, doc);
        c->probe = rank / LHI_TEXT_BLOCK;
        *ret_index = rank % LHI_TEXT_BLOCK;
        return code_points(c, c->probe, *ret_index, doc);
    }
    if (c->blocks > 0) {
        c->probe = seek_block(c, c->probe, doc);
        if (c->probe >= c->blocks || c->bound[c->best_codes[c->probe]] < need)
            return 0;
        decode_block(c, c->probe);
    }
    uint32_t i = lower_bound(c->docs, c->count, doc);
    if (i >= c->count || c->docs[i] != doc)
        return 0;
    *ret_index = i;
    return c->blocks > 0 ? code_points(c, c->probe, i, doc) : c->points[i];
}

/* Adds a list's documents of [start, end) to the sums. */
static inline __attribute__((always_inline)) void add_list(lhi_text_cursor *c, lhi_text_work *work,
                                                           uint32_t start, uint32_t end, int sparse)
{
    uint32_t *restrict sums = work->sums;
    uint64_t *restrict touched = work->touched;
#define TOUCH(at)                                                                                  \
    if (sparse)                                                                                    \
    touched[(at) >> (LHI_TEXT_TOUCH_SHIFT + 6)] |= 1ull << (((at) >> LHI_TEXT_TOUCH_SHIFT) & 63)
    if (c->blocks == 0) {
        for (; c->scan < c->count && c->docs[c->scan] < end; c->scan++) {
            uint32_t at = c->docs[c->scan] - start;
            sums[at] += c->points[c->scan];
            TOUCH(at);
        }
        return;
    }
    uint32_t block = seek_block(c, c->scan, start);
    for (; block < c->blocks; block++) {
        decode_block(c, block);
        const uint8_t *restrict codes = lhi_text_cursor_codes(c, block);
        const uint32_t *restrict docs = c->docs;
        const uint32_t *restrict lut = c->lut;
        uint32_t from = docs[0] < start ? lower_bound(docs, c->count, start) : 0;
        uint32_t to = last_of(c, block) >= end ? lower_bound(docs, c->count, end) : c->count;
        for (uint32_t i = from; i < to; i++) {
            uint32_t at = docs[i] - start;
            sums[at] += lut[codes[i]];
            TOUCH(at);
        }
        if (c->bits[block] & LHI_TEXT_ESCAPES)
            lhi_text_cursor_add_escapes(c, from, to, start, sums);
        if (to < c->count)
            break;
    }
#undef TOUCH
    c->scan = block;
}

/* Points of a decoded block's postings. */
static inline void block_points(lhi_text_cursor *c, uint32_t *out)
{
    const uint8_t *codes = lhi_text_cursor_codes(c, c->block);
    for (uint32_t i = 0; i < c->count; i++)
        out[i] = c->lut[codes[i]];
    if (c->bits[c->block] & LHI_TEXT_ESCAPES)
        lhi_text_cursor_fix_escapes(c, out);
}

/* The documents of one list alone, straight to candidates. */
static inline uint32_t stream_list(lhi_text_cursor *c, const lhi_text_any *run, uint32_t start,
                                   uint32_t end, uint32_t threshold)
{
    uint32_t *docs_out = run->work->docs;
    uint32_t *points_out = run->work->points;
    const uint64_t *allow = run->allow;
    uint32_t decoded[LHI_TEXT_BLOCK] LHI_TEXT_UNSET;
    uint32_t n = 0;
#define KEEP(doc_, points_)                                                                        \
    docs_out[n] = (doc_);                                                                          \
    points_out[n] = (points_);                                                                     \
    n += (points_) > threshold && (!allow || (allow[(doc_) >> 6] >> ((doc_)&63) & 1))
    if (c->blocks == 0) {
        for (; c->scan < c->count && c->docs[c->scan] < end; c->scan++) {
            KEEP(c->docs[c->scan], c->points[c->scan]);
        }
        return n;
    }
    uint32_t block = seek_block(c, c->scan, start);
    for (; block < c->blocks; block++) {
        if (block > 0 && last_of(c, block - 1) >= end - 1)
            break;
        if (c->bound[c->best_codes[block]] <= threshold) {
            if (last_of(c, block) >= end)
                break;
            continue;
        }
        decode_block(c, block);
        block_points(c, decoded);
        uint32_t from = c->docs[0] < start ? lower_bound(c->docs, c->count, start) : 0;
        uint32_t to = last_of(c, block) >= end ? lower_bound(c->docs, c->count, end) : c->count;
        for (uint32_t i = from; i < to; i++) {
            KEEP(c->docs[i], decoded[i]);
        }
        if (to < c->count)
            break;
    }
#undef KEEP
    c->scan = block;
    return n;
}

/* Sums above the threshold to candidates; sums become zero again. */
static inline uint32_t collect(const lhi_text_any *run, uint32_t start, uint32_t end,
                               uint32_t threshold, int sparse)
{
    lhi_text_work *work = run->work;
    uint32_t n = 0;
    if (!sparse) {
        for (uint32_t at = 0; at < end - start; at += GROUP)
            n = collect_group(work, at, start, threshold, run->allow, n);
        return n;
    }
    for (uint32_t w = 0; w <= (end - start - 1) >> (LHI_TEXT_TOUCH_SHIFT + 6); w++) {
        uint64_t groups = work->touched[w];
        work->touched[w] = 0;
        for (; groups; groups &= groups - 1) {
            uint32_t at = (w << 6 | (uint32_t)__builtin_ctzll(groups)) << LHI_TEXT_TOUCH_SHIFT;
            n = collect_group(work, at, start, threshold, run->allow, n);
        }
    }
    return n;
}

/* A list's bitmap and the filter's, word by word; ranks are counted along. start is a multiple of
 * 512. */
static inline void add_allowed_bits(lhi_text_cursor *c, const lhi_text_any *run, uint32_t start,
                                    uint32_t end)
{
    uint32_t *restrict sums = run->work->sums;
    uint32_t rank = c->ranks[start >> 9];
    for (uint32_t w = start >> 6; w <= (end - 1) >> 6; w++) {
        uint64_t have = c->bitmap[w];
        for (uint64_t both = have & run->allow[w]; both; both &= both - 1) {
            uint64_t lowest = both & -both;
            uint32_t at = rank + (uint32_t)__builtin_popcountll(have & (lowest - 1));
            uint32_t doc = w << 6 | (uint32_t)__builtin_ctzll(both);
            sums[doc - start] += code_points(c, at / LHI_TEXT_BLOCK, at % LHI_TEXT_BLOCK, doc);
        }
        rank += (uint32_t)__builtin_popcountll(have);
    }
}

/* As add_list, but only documents that the filter lets through. */
static inline void add_allowed(lhi_text_cursor *c, const lhi_text_any *run, uint32_t start,
                               uint32_t end)
{
    uint32_t *restrict sums = run->work->sums;
    const uint64_t *restrict allow = run->allow;
    if (c->bitmap) {
        add_allowed_bits(c, run, start, end);
        return;
    }
#define IS_ALLOWED(doc_) (allow[(doc_) >> 6] >> ((doc_)&63) & 1)
    if (c->blocks == 0) {
        for (; c->scan < c->count && c->docs[c->scan] < end; c->scan++)
            if (IS_ALLOWED(c->docs[c->scan]))
                sums[c->docs[c->scan] - start] += c->points[c->scan];
        return;
    }
    uint32_t block = seek_block(c, c->scan, start);
    for (; block < c->blocks; block++) {
        decode_block(c, block);
        uint32_t from = c->docs[0] < start ? lower_bound(c->docs, c->count, start) : 0;
        uint32_t to = last_of(c, block) >= end ? lower_bound(c->docs, c->count, end) : c->count;
        for (uint32_t i = from; i < to; i++)
            if (LH_UNLIKELY(IS_ALLOWED(c->docs[i])))
                sums[c->docs[i] - start] += code_points(c, block, i, c->docs[i]);
        if (to < c->count)
            break;
    }
#undef IS_ALLOWED
    c->scan = block;
}

/* As collect, after add_allowed. */
static inline uint32_t collect_allowed(const lhi_text_any *run, uint32_t start, uint32_t end,
                                       uint32_t threshold)
{
    lhi_text_work *work = run->work;
    uint32_t n = 0;
    for (uint32_t w = start >> 6; w <= (end - 1) >> 6; w++) {
        uint64_t bits = run->allow[w];
        if (end - (w << 6) < 64)
            bits &= (1ull << (end & 63)) - 1;
        for (; bits; bits &= bits - 1) {
            uint32_t doc = w << 6 | (uint32_t)__builtin_ctzll(bits);
            uint32_t points = work->sums[doc - start];
            work->sums[doc - start] = 0;
            work->docs[n] = doc;
            work->points[n] = points;
            n += points > threshold;
        }
    }
    return n;
}

/* Looks the terms below `essential` up for the candidates, dropping those that cannot make it. */
static inline uint32_t look_up_rest(const lhi_text_any *run, const uint64_t *below, uint32_t first,
                                    uint32_t n)
{
    uint32_t *docs = run->work->docs;
    uint32_t *sums = run->work->points;
    uint64_t threshold = run->top->threshold;
    for (uint32_t i = first; i-- > 0 && n > 0;) {
        lhi_text_cursor *c = run->cursors[i];
        uint32_t kept = 0;
        uint32_t index;
        for (uint32_t j = 0; j < n; j++) {
            uint64_t sum = sums[j];
            uint32_t doc = docs[j];
            if (c->in_window) {
                if (sum + below[i + 1] <= threshold)
                    continue;
                uint64_t have = sum + below[i];
                sum += look_up(c, doc, have <= threshold ? (uint32_t)(threshold - have + 1) : 0,
                               &index);
            }
            docs[kept] = doc;
            sums[kept] = (uint32_t)sum;
            kept += sum + below[i] > threshold;
        }
        n = kept;
    }
    return n;
}

/* Share of documents that a filter lets through, of 256. */
static inline uint32_t density(const uint64_t *allow, uint32_t docs)
{
    uint32_t words = docs / 64;
    if (!allow || words == 0)
        return 256;
    uint32_t step = words / 256 + 1;
    uint32_t seen = 0;
    uint32_t set = 0;
    for (uint32_t i = 0; i < words; i += step, seen += 64)
        set += (uint32_t)__builtin_popcountll(allow[i]);
    return set * 256 / seen + 1;
}

/* Can the list have a document in [start, end)? Small lists know. */
static inline uint32_t bound_in(lhi_text_cursor *c, uint32_t start, uint32_t end)
{
    if (c->blocks > 0)
        return c->scan < c->blocks || c->bitmap ? c->best : 0;
    while (c->scan < c->count && c->docs[c->scan] < start)
        c->scan++;
    return c->scan < c->count && c->docs[c->scan] < end ? c->best : 0;
}

static uint64_t postings_in(const lhi_text_cursor *c, const lhi_text_any *run, uint32_t span)
{
    return c->in_window ? (uint64_t)c->df * span / run->docs + 1 : 0;
}

/* One window. Returns the postings that were added, 0 when it was passed over. */
static inline uint64_t any_window(lhi_text_any *run, uint64_t *below, uint32_t start, uint32_t end,
                                  uint32_t share)
{
    lhi_text_top *top = run->top;
    uint32_t n = run->count;
    below[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        run->cursors[i]->in_window = bound_in(run->cursors[i], start, end);
        below[i + 1] = below[i] + run->cursors[i]->in_window;
    }
    if (below[n] <= top->threshold)
        return 0;
    uint32_t first = 0;
    while (first < n && below[first + 1] <= top->threshold)
        first++;
    uint64_t added = 0;
    for (uint32_t i = first; i < n; i++)
        added += postings_in(run->cursors[i], run, end - start);
    uint64_t worth = first + 1 < n ? ADD_MORE : ADD_ALONE;
    for (; first > 0; first--) {
        uint64_t more = postings_in(run->cursors[first - 1], run, end - start);
        if (more * 256 > added * worth * share)
            break;
        added += more;
    }
    uint32_t threshold = top->threshold - (uint32_t)below[first];
    uint32_t found;
    if (first + 1 == n) {
        found = stream_list(run->cursors[first], run, start, end, threshold);
    } else if (share < FEW_ALLOWED) {
        for (uint32_t i = first; i < n; i++)
            if (run->cursors[i]->in_window > 0)
                add_allowed(run->cursors[i], run, start, end);
        found = collect_allowed(run, start, end, threshold);
    } else {
        int sparse = added * SPARSE < end - start;
        for (uint32_t i = first; i < n; i++) {
            if (run->cursors[i]->in_window == 0)
                continue;
            if (sparse)
                add_list(run->cursors[i], run->work, start, end, 1);
            else
                add_list(run->cursors[i], run->work, start, end, 0);
        }
        found = collect(run, start, end, threshold, sparse);
    }
    found = look_up_rest(run, below, first, found);
    for (uint32_t i = 0; i < found; i++)
        if (run->work->points[i] > top->threshold)
            lhi_text_top_push(top, run->work->docs[i], run->work->points[i]);
    return first + 1 < n ? added : 0;
}

static void run_any(lhi_text_any *run)
{
    uint64_t *below = run->work->below;
    uint32_t share = density(run->allow, run->docs);
    uint32_t span = LHI_TEXT_WINDOW_MIN;
    for (uint32_t start = 0; start < run->docs;) {
        uint32_t end = LH_MIN(start + span, run->docs);
        uint64_t added = any_window(run, below, start, end, share);
        if (added > (uint64_t)WINDOW_POSTINGS * 2 && span > LHI_TEXT_WINDOW_MIN)
            span /= 2;
        else if (added <= WINDOW_POSTINGS && span < LHI_TEXT_WINDOW_MAX)
            span *= 2;
        start = end;
        run->rc = lh_ctx_check(run->cx);
        if (run->rc != LH_OK)
            return;
    }
}

#include "text/text_all_private.h"

static uint32_t look_up_any(lhi_text_cursor *c, uint32_t doc, uint32_t *ret_index)
{
    return look_up(c, doc, 0, ret_index);
}

static void decode_any(lhi_text_cursor *c, uint32_t block)
{
    decode_block(c, block);
}

#define LHI_TEXT_LOOPS unpack_block, weigh, run_any, run_all, look_up_any, decode_any

#endif
