/* text_tree.c - the plan for everything: a window of documents at a time, each operation gives a
 * bitmap of its matches and their points, and its parent combines them. It skips nothing, so it
 * also counts, fills facets, and is what the fast plans are tested against. */
#include "text/text_plan_private.h"

enum { SPAN = 4096, WORDS = SPAN / 64 };

typedef struct level {
    uint64_t bits[WORDS];
    uint32_t points[SPAN];
    uint16_t counts[SPAN]; /* of SHOULD clauses that match */
} level;

typedef struct tree {
    lhi_text_run_state *run;
    const lh_text_segment *segment;
    lhi_text_cursor *cursors;
    uint8_t *has;             /* per cursor: the segment has the term */
    lhi_text_phrase *phrases; /* by the op's cursor */
    uint64_t **sets;          /* of SET ops, in the order they are met */
    const lhi_text_op **set_ops;
    uint32_t sets_count;
    level *levels;
    uint32_t start;
    uint32_t end;
} tree;

static void set_bit(level *l, uint32_t at, uint32_t points)
{
    l->bits[at / 64] |= 1ull << (at % 64);
    l->points[at] = points;
}

static int any_bit(const level *l)
{
    uint64_t all = 0;
    for (uint32_t w = 0; w < WORDS; w++)
        all |= l->bits[w];
    return all != 0;
}

/* Calls fn for the cursor's documents in the window: index i of docs, block of it. */
typedef void (*on_posting)(tree *t, lhi_text_cursor *c, uint32_t index, level *out,
                           const lhi_text_op *op);

static void each_posting(tree *t, lhi_text_cursor *c, const lhi_text_op *op, level *out,
                         on_posting fn)
{
    if (c->blocks == 0) {
        for (; c->scan < c->count && c->docs[c->scan] < t->end; c->scan++)
            if (c->docs[c->scan] >= t->start)
                fn(t, c, c->scan, out, op);
        return;
    }
    while (c->scan < c->blocks && lhi_text_u32(c->last + 4 * (size_t)c->scan) < t->start)
        c->scan++;
    for (uint32_t b = c->scan; b < c->blocks; b++) {
        t->segment->kernels->decode(c, b);
        for (uint32_t i = 0; i < c->count && c->docs[i] < t->end; i++)
            if (c->docs[i] >= t->start)
                fn(t, c, i, out, op);
        if (lhi_text_u32(c->last + 4 * (size_t)b) >= t->end - 1)
            break;
    }
}

static void term_posting(tree *t, lhi_text_cursor *c, uint32_t index, level *out,
                         const lhi_text_op *op)
{
    (void)op;
    uint32_t doc = c->docs[index];
    uint32_t points = c->points[index];
    if (c->blocks > 0) {
        uint8_t code = lhi_text_cursor_codes(c, c->block)[index];
        points =
            code != LHI_TEXT_ESCAPE
                ? c->lut[code]
                : lhi_text_cursor_escape_points(c, doc, lhi_text_cursor_escape(c, c->block, index));
    }
    set_bit(out, doc - t->start, points);
}

static void phrase_posting(tree *t, lhi_text_cursor *c, uint32_t index, level *out,
                           const lhi_text_op *op)
{
    lhi_text_phrase *p = &t->phrases[op->cursor];
    uint32_t blocks[LH_TEXT_PHRASE_MAX] = {c->block};
    uint32_t indexes[LH_TEXT_PHRASE_MAX] = {index};
    uint32_t doc = c->docs[index];
    for (uint32_t i = 1; i < p->count; i++) {
        if (t->segment->kernels->look_up(p->cursors[i], doc, &indexes[i]) == 0)
            return;
        blocks[i] = p->cursors[i]->probe;
    }
    uint32_t points = lhi_text_phrase_points(p, doc, blocks, indexes);
    if (points > 0)
        set_bit(out, doc - t->start, points);
}

static void eval_set(tree *t, const lhi_text_op *op, level *out)
{
    const uint64_t *bits = NULL;
    uint32_t points = lhi_text_points(1, op->weight);
    for (uint32_t i = 0; i < t->sets_count; i++)
        if (t->set_ops[i] == op)
            bits = t->sets[i];
    uint32_t words = (t->end - t->start + 63) / 64;
    memcpy(out->bits, bits + t->start / 64, words * sizeof *bits);
    for (uint32_t i = 0; i < SPAN; i++)
        out->points[i] = points;
}

static void eval_all(tree *t, const lhi_text_op *op, level *out)
{
    uint32_t points = lhi_text_points(1, op->weight);
    for (uint32_t i = 0; i < t->end - t->start; i++)
        set_bit(out, i, points);
}

static int eval(tree *t, const lhi_text_op *op, uint32_t depth);

static void add_points(level *to, const level *from, int count)
{
    for (uint32_t w = 0; w < WORDS; w++)
        for (uint64_t bits = from->bits[w]; bits; bits &= bits - 1) {
            uint32_t at = w * 64 + (uint32_t)__builtin_ctzll(bits);
            to->points[at] += from->points[at];
            to->counts[at] = (uint16_t)(to->counts[at] + count);
        }
}

/* MUST and FILTER clauses into out; 0 when nothing is left. */
static int eval_required(tree *t, const lhi_text_op *op, uint32_t depth, int *ret_has)
{
    level *out = &t->levels[depth];
    const level *in = &t->levels[depth + 1];
    *ret_has = 0;
    for (uint32_t i = 0; i < op->count; i++) {
        if (op->occurs[i] != LH_TEXT_MUST && op->occurs[i] != LH_TEXT_FILTER)
            continue;
        if (!eval(t, op->children[i], depth + 1))
            return 0;
        for (uint32_t w = 0; w < WORDS; w++)
            out->bits[w] = *ret_has ? out->bits[w] & in->bits[w] : in->bits[w];
        *ret_has = 1;
        if (op->occurs[i] == LH_TEXT_MUST)
            add_points(out, in, 0);
    }
    return !*ret_has || any_bit(out);
}

static void require_counts(level *out, uint32_t least)
{
    for (uint32_t w = 0; w < WORDS; w++)
        for (uint64_t bits = out->bits[w]; bits; bits &= bits - 1) {
            uint32_t at = w * 64 + (uint32_t)__builtin_ctzll(bits);
            if (out->counts[at] < least)
                out->bits[w] &= ~(1ull << (at % 64));
        }
}

static void eval_bool(tree *t, const lhi_text_op *op, uint32_t depth)
{
    level *out = &t->levels[depth];
    const level *in = &t->levels[depth + 1];
    int required;
    memset(out->points, 0, sizeof out->points);
    memset(out->counts, 0, sizeof out->counts);
    if (!eval_required(t, op, depth, &required)) {
        memset(out->bits, 0, sizeof out->bits);
        return;
    }
    for (uint32_t i = 0; i < op->count; i++) {
        if (op->occurs[i] != LH_TEXT_SHOULD || !eval(t, op->children[i], depth + 1))
            continue;
        for (uint32_t w = 0; w < WORDS && !required; w++)
            out->bits[w] |= in->bits[w];
        add_points(out, in, 1);
    }
    if (op->min_should > (required ? 0u : 1u))
        require_counts(out, op->min_should);
    for (uint32_t i = 0; i < op->count; i++) {
        if (op->occurs[i] != LH_TEXT_MUST_NOT || !any_bit(out) ||
            !eval(t, op->children[i], depth + 1))
            continue;
        for (uint32_t w = 0; w < WORDS; w++)
            out->bits[w] &= ~in->bits[w];
    }
    /* A document of only FILTER clauses scores one unit, so that it counts as found. */
    for (uint32_t w = 0; w < WORDS; w++)
        for (uint64_t bits = out->bits[w]; bits; bits &= bits - 1) {
            uint32_t at = w * 64 + (uint32_t)__builtin_ctzll(bits);
            out->points[at] = LH_MAX(out->points[at], 1u);
        }
}

/* Matches of op in the window, into levels[depth]; 0 when there are none. */
static int eval(tree *t, const lhi_text_op *op, uint32_t depth)
{
    level *out = &t->levels[depth];
    memset(out->bits, 0, sizeof out->bits);
    switch (op->kind) {
    case LHI_TEXT_OP_NONE: return 0;
    case LHI_TEXT_OP_TERM:
        if (!t->has[op->cursor])
            return 0;
        each_posting(t, &t->cursors[op->cursor], op, out, term_posting);
        break;
    case LHI_TEXT_OP_PHRASE:
        if (!t->has[op->cursor])
            return 0;
        each_posting(t, t->phrases[op->cursor].cursors[0], op, out, phrase_posting);
        break;
    case LHI_TEXT_OP_SET: eval_set(t, op, out); break;
    case LHI_TEXT_OP_ALL: eval_all(t, op, out); break;
    case LHI_TEXT_OP_BOOL: eval_bool(t, op, depth); break;
    }
    return any_bit(out);
}

/* ---- opening ---- */

static lh_rc open_op(tree *t, const lhi_text_op *op)
{
    lhi_text_run_state *run = t->run;
    int has = 0;
    switch (op->kind) {
    case LHI_TEXT_OP_NONE:
    case LHI_TEXT_OP_ALL: return LH_OK;
    case LHI_TEXT_OP_TERM:
        LH_TRY(lhi_text_cursor_open(run->cx, run->searcher, run->segment, op,
                                    &t->cursors[op->cursor], &has));
        t->has[op->cursor] = (uint8_t)has;
        return LH_OK;
    case LHI_TEXT_OP_PHRASE:
        LH_TRY(
            lhi_text_phrase_open(run, op, &t->cursors[op->cursor], &t->phrases[op->cursor], &has));
        t->has[op->cursor] = (uint8_t)has;
        return LH_OK;
    case LHI_TEXT_OP_SET: {
        uint64_t *bits =
            LH_NEW_ARRAY(run->cx, uint64_t, LH_TEXT_BITMAP_WORDS(t->segment->meta.docs) + WORDS);
        if (!bits)
            return LH_E_NO_MEMORY;
        LH_TRY(lhi_text_set_bits(run->cx, t->segment, op, bits));
        t->sets[t->sets_count] = bits;
        t->set_ops[t->sets_count++] = op;
        return LH_OK;
    }
    case LHI_TEXT_OP_BOOL:
        for (uint32_t i = 0; i < op->count; i++)
            LH_TRY(open_op(t, op->children[i]));
    }
    return LH_OK;
}

static lh_rc open_tree(tree *t, const lhi_text_query *query)
{
    lh_ctx *cx = t->run->cx;
    lhi_text_vec *levels = &t->run->work->levels;
    levels->count = 0;
    LH_TRY(lhi_text_vec_reserve(cx, levels, query->depth + 2, sizeof(level)));
    t->levels = levels->items;
    t->cursors = t->run->work->cursors;
    t->has = LH_NEW_ARRAY(cx, uint8_t, query->terms + 1);
    t->phrases = LH_NEW_ARRAY(cx, lhi_text_phrase, query->terms + 1);
    t->sets = LH_NEW_ARRAY(cx, uint64_t *, LH_TEXT_PREFIXES_MAX);
    t->set_ops = LH_NEW_ARRAY(cx, const lhi_text_op *, LH_TEXT_PREFIXES_MAX);
    if (!t->has || !t->phrases || !t->sets || !t->set_ops)
        return LH_E_NO_MEMORY;
    return open_op(t, query->root);
}

/* ---- results ---- */

static void count_facets(lhi_text_run_state *run, const lh_text_segment *s, uint32_t doc)
{
    for (uint32_t f = 0; f < run->facets_count; f++) {
        uint32_t number = run->facet_numbers[f];
        const lhi_text_facet_row *row = &s->facets[number];
        uint64_t id = row->bits ? lhi_text_unpack_one((const uint8_t *)s->facet_docs[number].ptr,
                                                      s->facet_docs[number].len, doc, row->bits)
                                : 0;
        run->facets[f][id <= row->values ? id : 0]++;
    }
}

static void take_window(tree *t)
{
    lhi_text_run_state *run = t->run;
    const level *l = &t->levels[0];
    for (uint32_t w = 0; w < (t->end - t->start + 63) / 64; w++) {
        uint64_t bits = l->bits[w];
        if (run->allow)
            bits &= run->allow[t->start / 64 + w];
        run->total += (uint32_t)__builtin_popcountll(bits);
        for (; bits; bits &= bits - 1) {
            uint32_t at = w * 64 + (uint32_t)__builtin_ctzll(bits);
            if (l->points[at] > run->top->threshold)
                lhi_text_top_push(run->top, t->start + at, l->points[at]);
            if (run->facets_count > 0)
                count_facets(run, t->segment, t->start + at);
        }
    }
}

static lh_rc check_bad(const tree *t, const lhi_text_query *query)
{
    for (uint32_t i = 0; i < query->terms; i++) {
        if (t->has[i] && t->cursors[i].is_bad)
            return lh_fail(t->run->cx, LH_E_CORRUPT, "text segment: postings cannot be read");
        if (t->phrases[i].rc != LH_OK)
            return t->phrases[i].rc;
    }
    return LH_OK;
}

lh_rc lhi_text_run_tree(lhi_text_run_state *run, const lhi_text_query *query)
{
    tree t = {.run = run, .segment = run->searcher->views[run->segment].segment};
    lh_rc rc = open_tree(&t, query);
    uint32_t docs = t.segment->meta.docs;
    for (t.start = 0; rc == LH_OK && t.start < docs; t.start = t.end) {
        t.end = LH_MIN(t.start + SPAN, docs);
        if (eval(&t, query->root, 0))
            take_window(&t);
        rc = lh_ctx_check(run->cx);
    }
    if (rc == LH_OK)
        rc = check_bad(&t, query);
    for (uint32_t i = 0; t.phrases && i < query->terms; i++)
        lhi_text_phrase_done(&t.phrases[i]);
    return rc;
}
