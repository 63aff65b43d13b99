/* text_highlight.c - reads a text once with the index's analyser, marks the terms that the query
 * names, and picks the pieces with the most different ones. */
#include "text/text_plan_private.h"

#include "text/text_highlight.h"

#include <stdlib.h>

enum {
    FRAGMENT_DEFAULT = 160,
    FRAGMENT_MIN = 20,
    FRAGMENT_MAX = 4096,
    FRAGMENTS_MAX = 16,
    WANTED_MAX = 4096,
    MATCHES_MAX = 100000
};

typedef struct wanted {
    lh_str term;
    uint32_t edits; /* of a fuzzy word */
    uint8_t is_prefix;
} wanted;

typedef struct match {
    lh_text_range range;
    uint32_t wanted;
} match;

typedef struct marker {
    const lh_text_analyzer *analyzer;
    lh_text_tokenizer *tokenizer;
    lh_str field;
    lh_str text;
    uint32_t bytes; /* of a fragment */
    wanted *wanted;
    size_t wanted_count;
    size_t wanted_capacity;
    lh_text_node_kind kind; /* of the leaf that is read */
    uint32_t distance;
    match *matches;
    size_t matches_count;
    size_t matches_capacity;
} marker;

/* ---- what is wanted ---- */

static lh_rc want(lh_ctx *cx, marker *m, lh_str term, const wanted *like)
{
    if (m->wanted_count >= WANTED_MAX)
        return LH_OK;
    LH_TRY(lh_ctx_grow(cx, (void **)&m->wanted, m->wanted_count, &m->wanted_capacity,
                       sizeof *m->wanted));
    m->wanted[m->wanted_count] = *like;
    m->wanted[m->wanted_count].term = lh_ctx_dup(cx, term);
    return m->wanted[m->wanted_count++].term.ptr ? LH_OK : LH_E_NO_MEMORY;
}

static lh_rc take_wanted(lh_ctx *cx, void *arg, const lh_text_token *token)
{
    marker *m = arg;
    wanted like = {.is_prefix =
                       m->kind == LH_TEXT_NODE_PREFIX || token->kind == LH_TEXT_TOKEN_SINGLE};
    if (token->kind == LH_TEXT_TOKEN_LAST)
        return LH_OK;
    if (m->kind == LH_TEXT_NODE_FUZZY)
        like.edits = m->distance           ? m->distance
                     : token->term.len < 3 ? 0
                     : token->term.len < 6 ? 1
                                           : 2;
    lh_str_list group = lh_text_analyzer_synonyms(m->analyzer, token->term);
    for (size_t i = 0; i < group.count; i++)
        LH_TRY(want(cx, m, group.items[i], &like));
    return group.count > 0 ? LH_OK : want(cx, m, token->term, &like);
}

static lh_rc collect(lh_ctx *cx, marker *m, const lh_text_node *node, uint32_t depth)
{
    if (depth > LH_TEXT_DEPTH_MAX)
        return LH_OK;
    if (node->kind == LH_TEXT_NODE_BOOL) {
        for (uint32_t i = 0; i < node->clauses_count; i++)
            if (node->clauses[i].occur != LH_TEXT_MUST_NOT)
                LH_TRY(collect(cx, m, node->clauses[i].node, depth + 1));
        return LH_OK;
    }
    if (node->kind == LH_TEXT_NODE_ALL_DOCS ||
        (m->field.len > 0 && node->field.len > 0 && !lh_str_eq(m->field, node->field)))
        return LH_OK;
    int whole = node->kind == LH_TEXT_NODE_WORDS || node->kind == LH_TEXT_NODE_PHRASE;
    m->kind = node->kind;
    m->distance = node->distance;
    return lh_text_tokenize(cx, m->tokenizer, lh_str_sub(node->text, 0, LH_TEXT_QUERY_BYTES_MAX),
                            whole ? 0 : LH_TEXT_NO_STEM, take_wanted, m);
}

/* ---- matches ---- */

/* Edit distance of two short words, swaps of neighbours included, by characters; above max: max
 * + 1. */
static uint32_t edits_between(lh_str a, lh_str b, uint32_t max)
{
    uint32_t x[LH_TEXT_TERM_BYTES_MAX];
    uint32_t y[LH_TEXT_TERM_BYTES_MAX];
    uint32_t rows[3][LH_TEXT_TERM_BYTES_MAX + 1];
    size_t at = 0;
    uint32_t n = 0;
    uint32_t m = 0;
    while (n < LH_TEXT_TERM_BYTES_MAX && lh_utf8_next(a, &at, &x[n]))
        n++;
    at = 0;
    while (m < LH_TEXT_TERM_BYTES_MAX && lh_utf8_next(b, &at, &y[m]))
        m++;
    if (n > m + max || m > n + max)
        return max + 1;
    for (uint32_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (uint32_t i = 1; i <= n; i++) {
        uint32_t *row = rows[i % 3];
        const uint32_t *above = rows[(i - 1) % 3];
        row[0] = i;
        for (uint32_t j = 1; j <= m; j++) {
            uint32_t v = above[j - 1] + (x[i - 1] != y[j - 1] ? 1u : 0u);
            v = LH_MIN(v, LH_MIN(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1])
                v = LH_MIN(v, rows[(i - 2) % 3][j - 2] + 1);
            row[j] = v;
        }
    }
    return LH_MIN(rows[n % 3][m], max + 1);
}

static int fits(const wanted *w, lh_str term)
{
    if (w->is_prefix)
        return lh_str_starts(term, w->term);
    if (w->edits > 0)
        return edits_between(w->term, term, w->edits) <= w->edits;
    return lh_str_eq(w->term, term);
}

static lh_rc take_match(lh_ctx *cx, void *arg, const lh_text_token *token)
{
    marker *m = arg;
    if (m->matches_count >= MATCHES_MAX)
        return LH_OK;
    for (uint32_t i = 0; i < m->wanted_count; i++) {
        if (!fits(&m->wanted[i], token->term))
            continue;
        LH_TRY(lh_ctx_grow(cx, (void **)&m->matches, m->matches_count, &m->matches_capacity,
                           sizeof *m->matches));
        m->matches[m->matches_count++] = (match){{token->start, token->end}, i};
        break;
    }
    return LH_OK;
}

/* ---- fragments ---- */

static uint32_t char_begin(lh_str text, uint32_t at)
{
    while (at > 0 && at < text.len && ((uint8_t)text.ptr[at] & 0xC0) == 0x80)
        at--;
    return at;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The nearest beginning of a word at or before at, no further than a quarter of a fragment. */
static uint32_t word_begin(lh_str text, uint32_t at, uint32_t bytes)
{
    uint32_t least = at > bytes / 4 ? at - bytes / 4 : 0;
    for (uint32_t i = at; i > least; i--)
        if (is_blank(text.ptr[i - 1]))
            return i;
    return least == 0 ? 0 : char_begin(text, at);
}

static uint32_t word_end(lh_str text, uint32_t start, uint32_t bytes, uint32_t must)
{
    if (text.len - start <= bytes)
        return (uint32_t)text.len;
    uint32_t end = char_begin(text, start + bytes);
    for (uint32_t i = end; i > LH_MAX(must, start + bytes / 2); i--)
        if (is_blank(text.ptr[i]))
            return i;
    return LH_MAX(end, must);
}

/* Worth of the matches from first on that lie in a piece of so many bytes: different terms weigh
 * most. */
static uint32_t worth_of(const marker *m, size_t first, uint32_t bytes, size_t *ret_end)
{
    uint32_t worth = 0;
    size_t i = first;
    for (; i < m->matches_count && m->matches[i].range.end - m->matches[first].range.start <= bytes;
         i++) {
        int is_new = 1;
        for (size_t j = i; j > first && i - j < 64; j--)
            is_new &= m->matches[j - 1].wanted != m->matches[i].wanted;
        worth += is_new ? 16 : 1;
    }
    *ret_end = i;
    return worth;
}

static lh_rc make_fragment(lh_ctx *cx, const marker *m, const size_t matches[2],
                           lh_text_fragment *ret)
{
    lh_str text = m->text;
    uint32_t bytes = m->bytes;
    size_t first = matches[0];
    size_t end = matches[1];
    lh_text_fragment f = {0};
    uint32_t from = m->matches[first].range.start;
    uint32_t to = m->matches[end - 1].range.end;
    uint32_t spare = to - from < bytes ? bytes - (to - from) : 0;
    f.range.start = word_begin(text, from - LH_MIN(from, spare / 2), bytes);
    f.range.end = word_end(text, f.range.start, bytes, to);
    f.marks = LH_NEW_ARRAY(cx, lh_text_range, LH_TEXT_MARKS_MAX);
    if (!f.marks)
        return LH_E_NO_MEMORY;
    for (size_t i = first; i < m->matches_count && m->matches[i].range.end <= f.range.end; i++) {
        lh_text_range *last = f.marks_count ? &f.marks[f.marks_count - 1] : NULL;
        if (last && m->matches[i].range.start <= last->end) {
            last->start = LH_MIN(last->start, m->matches[i].range.start);
            last->end = LH_MAX(last->end, m->matches[i].range.end);
        } else if (f.marks_count < LH_TEXT_MARKS_MAX) {
            f.marks[f.marks_count++] = m->matches[i].range;
        }
    }
    f.range.start = f.marks_count ? LH_MIN(f.range.start, f.marks[0].start) : f.range.start;
    *ret = f;
    return LH_OK;
}

static int by_start(const void *a, const void *b)
{
    const match *x = a;
    const match *y = b;
    if (x->range.start != y->range.start)
        return x->range.start < y->range.start ? -1 : 1;
    return x->range.end > y->range.end ? -1 : x->range.end < y->range.end;
}

static int by_place(const void *a, const void *b)
{
    uint32_t x = ((const lh_text_fragment *)a)->range.start;
    uint32_t y = ((const lh_text_fragment *)b)->range.start;
    return x < y ? -1 : x > y;
}

/* The best piece that overlaps none of those taken; 0 when no match is left. */
static int best_piece(const marker *m, const lh_text_fragment *taken, uint32_t count,
                      uint32_t bytes, size_t *ret_range)
{
    uint32_t best = 0;
    for (size_t i = 0; i < m->matches_count; i++) {
        size_t end;
        int is_free = 1;
        uint32_t worth = worth_of(m, i, bytes, &end);
        end = LH_MAX(end, i + 1);
        for (uint32_t t = 0; t < count; t++)
            is_free &= m->matches[end - 1].range.end + bytes / 2 <= taken[t].range.start ||
                       m->matches[i].range.start >= taken[t].range.end + bytes / 2;
        if (is_free && LH_MAX(worth, 1u) > best) {
            best = LH_MAX(worth, 1u);
            ret_range[0] = i;
            ret_range[1] = end;
        }
    }
    return best > 0;
}

static lh_rc pick(lh_ctx *cx, const marker *m, uint32_t wanted_count, lh_text_highlights *ret)
{
    lh_text_fragment *f = LH_NEW_ARRAY(cx, lh_text_fragment, wanted_count);
    uint32_t count = 0;
    size_t range[2];
    if (!f)
        return LH_E_NO_MEMORY;
    while (count < wanted_count && best_piece(m, f, count, m->bytes, range)) {
        LH_TRY(make_fragment(cx, m, range, &f[count]));
        count++;
    }
    if (count == 0) {
        f[0] = (lh_text_fragment){.range = {0, word_end(m->text, 0, m->bytes, 0)}};
        count = 1;
    }
    qsort(f, count, sizeof *f, by_place);
    *ret = (lh_text_highlights){f, count};
    return LH_OK;
}

lh_rc lh_text_highlight(lh_ctx *cx, const lh_text_analyzer *analyzer, const lh_text_node *query,
                        lh_str text, const lh_text_highlight_options *opts,
                        lh_text_highlights *ret_highlights)
{
    LH_CLEANUP(lh_text_tokenizer_free) lh_text_tokenizer *t = NULL;
    uint32_t bytes = opts->fragment_bytes ? opts->fragment_bytes : FRAGMENT_DEFAULT;
    uint32_t fragments = opts->fragments ? opts->fragments : 1;
    if (bytes < FRAGMENT_MIN || bytes > FRAGMENT_MAX || fragments > FRAGMENTS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%u fragments of %u bytes; up to %d of %d to %d",
                       fragments, bytes, FRAGMENTS_MAX, FRAGMENT_MIN, FRAGMENT_MAX);
    LH_TRY(lh_text_tokenizer_new(cx, analyzer, &t));
    marker m = {
        .analyzer = analyzer, .tokenizer = t, .field = opts->field, .text = text, .bytes = bytes};
    LH_TRY(collect(cx, &m, query, 0));
    LH_TRY(lh_text_tokenize(cx, t, text, 0, take_match, &m));
    if (m.matches_count > 0)
        qsort(m.matches, m.matches_count, sizeof *m.matches, by_start);
    return pick(cx, &m, fragments, ret_highlights);
}

lh_str lh_text_fragment_text(lh_ctx *cx, lh_str text, const lh_text_fragment *f, lh_str open,
                             lh_str close)
{
    size_t room = f->range.end - f->range.start + f->marks_count * (open.len + close.len);
    char *out = lh_ctx_alloc(cx, room + 1, 1);
    size_t n = 0;
    uint32_t at = f->range.start;
    if (!out)
        return LH_STR_NONE;
    open = open.len > 0 ? open : LH_S(""); /* marks may be nothing, also without a pointer */
    close = close.len > 0 ? close : LH_S("");
    for (uint32_t i = 0; i <= f->marks_count; i++) {
        uint32_t next = i < f->marks_count ? f->marks[i].start : f->range.end;
        memcpy(out + n, text.ptr + at, next - at);
        n += next - at;
        at = next;
        if (i == f->marks_count)
            break;
        memcpy(out + n, open.ptr, open.len);
        n += open.len;
        memcpy(out + n, text.ptr + at, f->marks[i].end - at);
        n += f->marks[i].end - at;
        at = f->marks[i].end;
        memcpy(out + n, close.ptr, close.len);
        n += close.len;
    }
    return lh_str_n(out, n);
}
