/* text_compile_leaf.c - texts of a query to operations: analysed as the documents were, fields and
 * synonyms spread out, codes as phrases of their parts, plain queries cut to their rarest words. */
#include "base/hash.h"
#include "text/text_compile_private.h"

#include <stdlib.h>

typedef struct word {
    lh_str term;
    uint32_t position;
    uint32_t joint;
    lh_text_token_kind kind;
    uint64_t df; /* of its rarest field; when words must be dropped */
} word;

typedef struct words {
    word *items;
    size_t count;
    size_t capacity;
} words;

/* ---- words ---- */

static lh_rc take_word(lh_ctx *cx, void *arg, const lh_text_token *token)
{
    words *w = arg;
    LH_TRY(lh_ctx_grow(cx, (void **)&w->items, w->count, &w->capacity, sizeof *w->items));
    w->items[w->count] = (word){.term = lh_ctx_dup(cx, token->term),
                                .position = token->position,
                                .joint = token->joint,
                                .kind = token->kind};
    return w->items[w->count++].term.ptr ? LH_OK : LH_E_NO_MEMORY;
}

static lh_rc analyse(lhi_text_compiler *c, lh_str text, uint32_t flags, words *ret)
{
    *ret = (words){0};
    if (text.len > LH_TEXT_QUERY_BYTES_MAX)
        return lh_fail(c->cx, LH_E_TOO_LARGE, "a query of %zu bytes, limit %u", text.len,
                       LH_TEXT_QUERY_BYTES_MAX);
    return lh_text_tokenize(c->cx, c->tokenizer, text, flags, take_word, ret);
}

/* Each term once; a hash, as there may be a hundred thousand. */
static lh_rc distinct(lhi_text_compiler *c, words *w)
{
    size_t slots = 16;
    size_t kept = 0;
    while (slots < 2 * w->count)
        slots *= 2;
    uint32_t *table = LH_NEW_ARRAY(c->cx, uint32_t, slots);
    if (!table)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < w->count; i++) {
        size_t at = lh_hash64(w->items[i].term, 0) & (slots - 1);
        while (table[at] != 0 && !lh_str_eq(w->items[table[at] - 1].term, w->items[i].term))
            at = (at + 1) & (slots - 1);
        if (table[at] != 0)
            continue;
        w->items[kept] = w->items[i];
        table[at] = (uint32_t)++kept;
    }
    w->count = kept;
    return LH_OK;
}

static int by_df(const void *a, const void *b)
{
    const word *x = a;
    const word *y = b;
    if (x->df != y->df)
        return x->df < y->df ? -1 : 1;
    return lh_str_cmp(x->term, y->term);
}

/* Plain words past the limit: the rarest say most. Unknown ones say nothing. */
static lh_rc keep_rarest(lhi_text_compiler *c, words *w, lhi_text_field_set fields, size_t keep)
{
    size_t known = 0;
    for (size_t i = 0; i < w->count; i++) {
        w->items[i].df = 0;
        for (uint32_t f = fields.first; f < fields.end; f++)
            w->items[i].df +=
                lhi_text_has_field(fields, f) ? lhi_text_df(c->s, f, w->items[i].term) : 0;
        if (w->items[i].df > 0)
            w->items[known++] = w->items[i];
        if (i % 1024 == 0)
            LH_TRY(lh_ctx_check(c->cx));
    }
    qsort(w->items, known, sizeof *w->items, by_df);
    c->query->words_dropped += (uint32_t)(w->count - LH_MIN(known, keep));
    w->count = LH_MIN(known, keep);
    return LH_OK;
}

static lh_rc set_op(lhi_text_compiler *c, lhi_text_field_set fields, lh_str prefix, double boost,
                    lhi_text_op **ret);

static lh_rc compile_any(lhi_text_compiler *c, const lh_text_node *node, words *w, double boost,
                         lhi_text_op **ret)
{
    lhi_text_field_set fields;
    LH_TRY(lhi_text_op_fields(c, node, &fields));
    lhi_text_op *any = lhi_text_op_new(c, LHI_TEXT_OP_BOOL, 0, boost);
    if (!any)
        return LH_E_NO_MEMORY;
    LH_TRY(distinct(c, w));
    size_t keep = LH_TEXT_TERMS_MAX / 2 / (fields.end - fields.first);
    if (w->count > keep && (node->flags & LHI_TEXT_LENIENT))
        LH_TRY(keep_rarest(c, w, fields, keep));
    if (w->count > LH_TEXT_TERMS_MAX) {
        LH_IGNORE(lh_fail(c->cx, LH_E_TOO_LARGE, "a query of %zu different words, limit %d",
                          w->count, LH_TEXT_TERMS_MAX));
        return lh_err_hint(c->cx, "ask with fewer words, or as plain text: the rarest are kept");
    }
    for (size_t i = 0; i < w->count; i++) {
        lhi_text_op *set = NULL;
        if (w->items[i].kind == LH_TEXT_TOKEN_LAST)
            continue;
        if (w->items[i].kind == LH_TEXT_TOKEN_SINGLE && c->prefixes < LH_TEXT_PREFIXES_MAX) {
            LH_TRY(set_op(c, fields, w->items[i].term, boost, &set));
            LH_TRY(lhi_text_op_melt(c, any, LH_TEXT_SHOULD, set));
        } else {
            LH_TRY(lhi_text_op_add_term(c, any, fields, w->items[i].term, boost));
        }
    }
    return lhi_text_op_close(c, any, ret);
}

/* ---- phrases ---- */

static lh_rc phrase_in_field(lhi_text_compiler *c, uint32_t field, const words *w, uint32_t slop,
                             double boost, lhi_text_op **ret)
{
    lhi_text_op *op =
        lhi_text_op_new(c, LHI_TEXT_OP_PHRASE, field, boost * c->shape->fields[field].boost);
    if (!op || !(op->places = LH_NEW_ARRAY(c->cx, uint32_t, w->count + 1)))
        return LH_E_NO_MEMORY;
    op->slop = slop;
    for (size_t i = 0; i < w->count; i++) {
        lhi_text_op *term = NULL;
        LH_TRY(lhi_text_op_term(c, field, w->items[i].term, 1, &term));
        op->places[i] = w->items[i].position;
        LH_TRY(lhi_text_op_add(c, op, LH_TEXT_MUST, term));
    }
    *ret = op;
    return LH_OK;
}

static int is_part(const word *w)
{
    return w->kind != LH_TEXT_TOKEN_WHOLE && w->kind != LH_TEXT_TOKEN_LAST;
}

static lh_rc phrase_fields(lhi_text_compiler *c, const lh_text_node *node,
                           lhi_text_field_set fields, int *ret_any)
{
    *ret_any = 0;
    for (uint32_t f = fields.first; f < fields.end; f++)
        *ret_any |=
            lhi_text_has_field(fields, f) && (c->shape->fields[f].flags & LH_TEXT_POSITIONS) != 0;
    if (*ret_any || (node->flags & LHI_TEXT_LENIENT))
        return LH_OK;
    LH_IGNORE(lh_fail(c->cx, LH_E_BAD_VALUE, "field '%s' keeps no positions: no phrases",
                      c->shape->fields[fields.first].name));
    return lh_err_hint(c->cx, "ask for all words instead, or build the index with positions");
}

/* The parts of w as a phrase in any of the fields that keep positions; as all of them in none. */
static lh_rc phrase_of(lhi_text_compiler *c, const lh_text_node *node, words *w, double boost,
                       lhi_text_op **ret)
{
    lhi_text_field_set fields;
    int positions;
    size_t kept = 0;
    LH_TRY(lhi_text_op_fields(c, node, &fields));
    for (size_t i = 0; i < w->count; i++)
        if (is_part(&w->items[i]))
            w->items[kept++] = w->items[i];
    w->count = kept;
    if (kept > LH_TEXT_PHRASE_MAX) {
        if (!(node->flags & LHI_TEXT_LENIENT)) {
            LH_IGNORE(lh_fail(c->cx, LH_E_TOO_LARGE, "a phrase of %zu words, limit %d", kept,
                              LH_TEXT_PHRASE_MAX));
            return lh_err_hint(c->cx, "ask for a shorter part of it");
        }
        c->query->words_dropped += (uint32_t)(kept - LH_TEXT_PHRASE_MAX);
        w->count = LH_TEXT_PHRASE_MAX;
    }
    if (w->count == 1 && w->items[0].kind == LH_TEXT_TOKEN_SINGLE)
        return set_op(c, fields, w->items[0].term, boost, ret);
    if (w->count == 1)
        return lhi_text_op_any_field(c, fields, w->items[0].term, boost, ret);
    LH_TRY(phrase_fields(c, node, fields, &positions));
    lhi_text_op *op = lhi_text_op_new(c, LHI_TEXT_OP_BOOL, 0, boost);
    if (!op)
        return LH_E_NO_MEMORY;
    for (uint32_t f = fields.first; positions && w->count > 0 && f < fields.end; f++) {
        lhi_text_op *phrase = NULL;
        if (!lhi_text_has_field(fields, f) || !(c->shape->fields[f].flags & LH_TEXT_POSITIONS))
            continue;
        LH_TRY(phrase_in_field(c, f, w, node->slop, boost, &phrase));
        LH_TRY(lhi_text_op_add(c, op, LH_TEXT_SHOULD, phrase));
    }
    for (size_t i = 0; !positions && i < w->count; i++) {
        lhi_text_op *term = NULL;
        LH_TRY(lhi_text_op_any_field(c, fields, w->items[i].term, boost, &term));
        LH_TRY(lhi_text_op_melt(c, op, LH_TEXT_MUST, term));
    }
    return lhi_text_op_close(c, op, ret);
}

/* ---- all, at least m ---- */

/* One word as a user sees it, from item i on: a joint is a phrase of its parts (or its whole, when
 * it has but one), else the term. Moves *i behind it. */
static lh_rc unit_of(lhi_text_compiler *c, const lh_text_node *node, const words *w, size_t *i,
                     double boost, lhi_text_op **ret)
{
    lhi_text_field_set fields;
    const word *first = &w->items[*i];
    LH_TRY(lhi_text_op_fields(c, node, &fields));
    if (first->joint == 0) {
        ++*i;
        if (first->kind == LH_TEXT_TOKEN_SINGLE && c->prefixes < LH_TEXT_PREFIXES_MAX)
            return set_op(c, fields, first->term, boost, ret);
        return lhi_text_op_any_field(c, fields, first->term, boost, ret);
    }
    size_t end = *i;
    words parts = {.items = LH_NEW_ARRAY(c->cx, word, w->count - *i)};
    if (!parts.items)
        return LH_E_NO_MEMORY;
    while (end < w->count && w->items[end].joint == first->joint) {
        if (is_part(&w->items[end]))
            parts.items[parts.count++] = w->items[end];
        end++;
    }
    *i = end;
    if (parts.count <= 1)
        return lhi_text_op_any_field(c, fields, w->items[end - 1].term, boost, ret);
    lh_text_node joint = *node;
    joint.slop = 0;
    joint.flags |= LHI_TEXT_LENIENT; /* without positions: all parts */
    return phrase_of(c, &joint, &parts, boost, ret);
}

static lh_rc compile_units(lhi_text_compiler *c, const lh_text_node *node, const words *w,
                           double boost, lhi_text_op **ret)
{
    lhi_text_op *op = lhi_text_op_new(c, LHI_TEXT_OP_BOOL, 0, boost);
    int all = (node->flags & LH_TEXT_ALL) != 0;
    if (!op)
        return LH_E_NO_MEMORY;
    op->min_should = all ? 0 : node->min_should;
    for (size_t i = 0; i < w->count;) {
        lhi_text_op *unit = NULL;
        if (w->items[i].kind == LH_TEXT_TOKEN_LAST) {
            i++;
            continue;
        }
        if (op->count >= LH_TEXT_CLAUSES_MAX) {
            if (!(node->flags & LHI_TEXT_LENIENT))
                return lh_fail(c->cx, LH_E_TOO_LARGE, "a query of more than %d words",
                               LH_TEXT_CLAUSES_MAX);
            c->query->words_dropped += (uint32_t)(w->count - i);
            break;
        }
        LH_TRY(unit_of(c, node, w, &i, boost, &unit));
        LH_TRY(lhi_text_op_melt(c, op, all ? LH_TEXT_MUST : LH_TEXT_SHOULD, unit));
    }
    return lhi_text_op_close(c, op, ret);
}

lh_rc lhi_text_compile_words(lhi_text_compiler *c, const lh_text_node *node, double boost,
                             lhi_text_op **ret)
{
    words w;
    LH_TRY(analyse(c, node->text, 0, &w));
    if ((node->flags & LH_TEXT_ALL) || node->min_should > 1) {
        if (w.count > LH_TEXT_CLAUSES_MAX)
            LH_TRY(distinct(c, &w));
        return compile_units(c, node, &w, boost, ret);
    }
    return compile_any(c, node, &w, boost, ret);
}

lh_rc lhi_text_compile_phrase(lhi_text_compiler *c, const lh_text_node *node, double boost,
                              lhi_text_op **ret)
{
    words w;
    if (node->slop > LH_TEXT_SLOP_MAX)
        return lh_fail(c->cx, LH_E_TOO_LARGE, "a slop of %u, limit %d", node->slop,
                       LH_TEXT_SLOP_MAX);
    LH_TRY(analyse(c, node->text, 0, &w));
    return phrase_of(c, node, &w, boost, ret);
}

/* ---- prefixes, fuzzy words ---- */

static lh_rc set_op(lhi_text_compiler *c, lhi_text_field_set fields, lh_str prefix, double boost,
                    lhi_text_op **ret)
{
    lhi_text_op *any = lhi_text_op_new(c, LHI_TEXT_OP_BOOL, 0, boost);
    if (!any)
        return LH_E_NO_MEMORY;
    for (uint32_t f = fields.first; f < fields.end; f++) {
        if (!lhi_text_has_field(fields, f))
            continue;
        lhi_text_op *op = lhi_text_op_new(c, LHI_TEXT_OP_SET, f, boost * c->shape->fields[f].boost);
        if (!op)
            return LH_E_NO_MEMORY;
        if (++c->prefixes > LH_TEXT_PREFIXES_MAX)
            return lh_fail(c->cx, LH_E_TOO_LARGE, "more than %d prefixes (times fields)",
                           LH_TEXT_PREFIXES_MAX);
        op->term = prefix;
        LH_TRY(lhi_text_op_add(c, any, LH_TEXT_SHOULD, op));
    }
    return lhi_text_op_close(c, any, ret);
}

lh_rc lhi_text_compile_prefix(lhi_text_compiler *c, const lh_text_node *node, double boost,
                              lhi_text_op **ret)
{
    words w;
    lhi_text_field_set fields;
    LH_TRY(lhi_text_op_fields(c, node, &fields));
    LH_TRY(analyse(c, node->text, LH_TEXT_NO_STEM, &w));
    lhi_text_op *all = lhi_text_op_new(c, LHI_TEXT_OP_BOOL, 0, boost);
    if (!all)
        return LH_E_NO_MEMORY;
    /* A code is searched whole; of several words all but the last must be there. */
    size_t last = w.count;
    while (last > 0 && w.items[last - 1].kind == LH_TEXT_TOKEN_LAST && last > 1)
        last--;
    for (size_t i = 0; i < last; i++) {
        lhi_text_op *op = NULL;
        if (i + 1 == last)
            LH_TRY(set_op(c, fields, w.items[i].term, boost, &op));
        else if (w.items[last - 1].kind == LH_TEXT_TOKEN_WHOLE &&
                 w.items[i].joint == w.items[last - 1].joint)
            continue;
        else
            LH_TRY(lhi_text_op_any_field(c, fields, w.items[i].term, boost, &op));
        LH_TRY(lhi_text_op_melt(c, all, LH_TEXT_MUST, op));
    }
    return lhi_text_op_close(c, all, ret);
}

static lh_rc edits_of(lhi_text_compiler *c, const lh_text_node *node, lh_str term, uint32_t *ret)
{
    uint32_t chars = 0;
    for (size_t i = 0; i < term.len; i++)
        chars += ((uint8_t)term.ptr[i] & 0xC0) != 0x80;
    *ret = node->distance;
    if (node->distance == 0) {
        *ret = chars < 3 ? 0 : chars < 6 ? 1 : 2;
        return LH_OK;
    }
    if (node->distance > 2)
        return lh_fail(c->cx, LH_E_BAD_VALUE, "%u edits, limit 2", node->distance);
    if (chars < 2 + node->distance) {
        LH_IGNORE(lh_fail(c->cx, LH_E_BAD_VALUE, "'%.*s' is too short for %u edits",
                          LH_STR_ARG(term), node->distance));
        return lh_err_hint(c->cx, "1 edit needs 3 letters, 2 need 4; ~ alone chooses");
    }
    return LH_OK;
}

lh_rc lhi_text_compile_fuzzy(lhi_text_compiler *c, const lh_text_node *node, double boost,
                             lhi_text_op **ret)
{
    words w;
    lhi_text_field_set fields;
    LH_TRY(lhi_text_op_fields(c, node, &fields));
    LH_TRY(analyse(c, node->text, LH_TEXT_NO_STEM, &w));
    lhi_text_op *any = lhi_text_op_new(c, LHI_TEXT_OP_BOOL, 0, boost);
    if (!any)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < w.count; i++) {
        lhi_text_near wanted = {.term = w.items[i].term};
        LH_TRY(edits_of(c, node, w.items[i].term, &wanted.distance));
        for (uint32_t f = fields.first; f < fields.end; f++) {
            lhi_text_near *near;
            uint32_t count;
            if (!lhi_text_has_field(fields, f))
                continue;
            LH_TRY(lhi_text_fuzzy(c->cx, c->s, f, &wanted, &near, &count));
            for (uint32_t j = 0; j < count; j++) {
                lhi_text_op *op = NULL;
                LH_TRY(lhi_text_op_term(c, f, near[j].term, boost / (1.0 + near[j].distance), &op));
                LH_TRY(lhi_text_op_melt(c, any, LH_TEXT_SHOULD, op));
            }
        }
    }
    return lhi_text_op_close(c, any, ret);
}
