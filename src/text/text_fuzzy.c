/* text_fuzzy.c - terms within one or two edits of a word (insert, delete, replace, swap neighbours:
 * optimal string alignment). The dictionary is walked once: terms are front-coded, so the rows of
 * the table that belong to a shared beginning are kept, and a beginning that is already too far
 * skips every term that has it. */
#include "text/text_plan_private.h"

#include <stdlib.h>

enum { CHARS_MAX = LH_TEXT_TERM_BYTES_MAX, CHECK_TERMS = 8192 };

typedef struct walk_state {
    uint32_t word[CHARS_MAX]; /* what is looked for */
    uint32_t word_len;
    uint32_t edits;
    uint32_t chars[CHARS_MAX + 1]; /* of the term so far */
    uint16_t ends[CHARS_MAX + 1];  /* byte where character i ends */
    uint32_t depth;                /* characters whose rows are made */
    uint32_t dead;                 /* characters after which it is too far; UINT32_MAX = not */
    uint8_t rows[CHARS_MAX + 2][CHARS_MAX + 2];
} walk_state;

static uint8_t cap(uint32_t v)
{
    return (uint8_t)LH_MIN(v, 255u);
}

/* Row of one more character; returns its least number. */
static uint32_t add_row(walk_state *w, uint32_t code)
{
    uint32_t i = ++w->depth;
    const uint8_t *above = w->rows[i - 1];
    uint8_t *row = w->rows[i];
    uint32_t least = row[0] = cap(i);
    w->chars[i] = code;
    for (uint32_t j = 1; j <= w->word_len; j++) {
        uint32_t v = above[j - 1] + (w->word[j - 1] != code ? 1u : 0u);
        v = LH_MIN(v, above[j] + 1u);
        v = LH_MIN(v, row[j - 1] + 1u);
        if (i > 1 && j > 1 && w->word[j - 2] == code && w->chars[i - 1] == w->word[j - 1])
            v = LH_MIN(v, w->rows[i - 2][j - 2] + 1u);
        row[j] = cap(v);
        least = LH_MIN(least, v);
    }
    return least;
}

/* Distance of the term, or edits + 1. `shared` bytes are those of the term before. */
static uint32_t distance_of(walk_state *w, lh_str term, uint32_t shared)
{
    while (w->depth > 0 && w->ends[w->depth] > shared)
        w->depth--;
    if (w->dead <= w->depth)
        return w->edits + 1;
    w->dead = UINT32_MAX;
    size_t at = w->depth > 0 ? w->ends[w->depth] : 0;
    uint32_t code;
    while (lh_utf8_next(term, &at, &code)) {
        uint32_t least = add_row(w, code);
        w->ends[w->depth] = (uint16_t)at;
        /* Nor can a swap mend it: the row before is then at its limit. */
        if (least > w->edits || w->depth > w->word_len + w->edits) {
            w->dead = w->depth;
            return w->edits + 1;
        }
    }
    return LH_MIN((uint32_t)w->rows[w->depth][w->word_len], w->edits + 1);
}

static int by_nearness(const void *a, const void *b)
{
    const lhi_text_near *x = a;
    const lhi_text_near *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    if (x->df != y->df)
        return x->df > y->df ? -1 : 1;
    return lh_str_cmp(x->term, y->term);
}

typedef struct found_terms {
    lhi_text_near *items;
    size_t count;
    size_t capacity;
} found_terms;

/* Keeps the best when there are many more than wanted. */
static void trim(found_terms *f)
{
    qsort(f->items, f->count, sizeof *f->items, by_nearness);
    f->count = LH_MIN(f->count, (size_t)LH_TEXT_FUZZY_MAX);
}

static lh_rc walk_segment(lh_ctx *cx, const lh_text_segment *segment, uint32_t field, walk_state *w,
                          found_terms *found)
{
    lhi_text_dict_walk walk;
    int more;
    lhi_text_dict_walk_at(segment, field, segment->fields[field].term_first, &walk);
    w->depth = 0;
    w->dead = UINT32_MAX;
    uint32_t len_before = 0;
    while ((more = lhi_text_dict_next(&walk)) > 0) {
        lh_str term = lh_str_n(walk.bytes, walk.term_len);
        /* The first of a block is written in full, whatever it shares. */
        uint32_t distance = distance_of(w, term, LH_MIN(walk.shared, len_before));
        len_before = walk.term_len;
        if (walk.term % CHECK_TERMS == 0)
            LH_TRY(lh_ctx_check(cx));
        if (distance > w->edits)
            continue;
        if (found->count >= 16 * LH_TEXT_FUZZY_MAX)
            trim(found);
        LH_TRY(lh_ctx_grow(cx, (void **)&found->items, found->count, &found->capacity,
                           sizeof *found->items));
        lh_str copy = lh_ctx_dup(cx, term);
        if (!copy.ptr)
            return LH_E_NO_MEMORY;
        found->items[found->count++] =
            (lhi_text_near){copy, distance, segment->terms[walk.term].df};
    }
    return more < 0 ? lh_fail(cx, LH_E_CORRUPT, "text segment: a dictionary entry") : LH_OK;
}

static int by_term(const void *a, const void *b)
{
    return lh_str_cmp(((const lhi_text_near *)a)->term, ((const lhi_text_near *)b)->term);
}

static void join_equal(found_terms *f)
{
    size_t kept = 0;
    qsort(f->items, f->count, sizeof *f->items, by_term);
    for (size_t i = 0; i < f->count; i++) {
        if (kept > 0 && lh_str_eq(f->items[kept - 1].term, f->items[i].term))
            f->items[kept - 1].df += f->items[i].df;
        else
            f->items[kept++] = f->items[i];
    }
    f->count = kept;
}

lh_rc lhi_text_fuzzy(lh_ctx *cx, const lh_text_searcher *s, uint32_t field,
                     const lhi_text_near *wanted, lhi_text_near **ret_terms, uint32_t *ret_count)
{
    found_terms found = {0};
    walk_state *w = LH_NEW(cx, walk_state);
    size_t at = 0;
    if (!w)
        return LH_E_NO_MEMORY;
    w->edits = wanted->distance;
    while (w->word_len < CHARS_MAX && lh_utf8_next(wanted->term, &at, &w->word[w->word_len]))
        w->word_len++;
    for (uint32_t j = 0; j <= w->word_len; j++)
        w->rows[0][j] = cap(j);
    for (uint32_t i = 0; i < s->count; i++)
        LH_TRY(walk_segment(cx, s->views[i].segment, field, w, &found));
    if (s->count > 1 && found.count > 0)
        join_equal(&found);
    if (found.count > 0)
        trim(&found);
    *ret_terms = found.items;
    *ret_count = (uint32_t)found.count;
    return LH_OK;
}
