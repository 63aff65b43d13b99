/* text_explain.c - why a document scores as it does: the same operations on the same lists for one
 * document, written down. */
#include "text/text_plan_private.h"

typedef struct explainer {
    lh_ctx *cx;
    const lh_text_searcher *s;
    uint32_t segment;
    uint32_t doc;
    const lhi_text_query *query;
    lhi_text_cursor *cursors;
    uint32_t points; /* of the operation last explained; 0 = no match */
} explainer;

static lh_rc explain_op(explainer *e, const lhi_text_op *op, lh_text_reason *ret);

static const char *field_name(const explainer *e, uint32_t field)
{
    return e->s->views[e->segment].segment->fields[field].name;
}

static uint32_t length_of(const explainer *e, uint32_t field)
{
    return lhi_text_length_of(e->s->views[e->segment].segment->norms[field][e->doc]);
}

static lh_rc say(explainer *e, lh_text_reason *ret, uint32_t points, lh_str what)
{
    e->points = points;
    ret->score = points / e->query->scale;
    ret->what = what;
    return what.ptr ? LH_OK : LH_E_NO_MEMORY;
}

static uint32_t tf_at(lhi_text_cursor *c, uint32_t block, uint32_t index)
{
    if (c->blocks == 0)
        return c->tfs[index];
    uint8_t code = lhi_text_cursor_codes(c, block)[index];
    return code == LHI_TEXT_ESCAPE ? lhi_text_cursor_escape(c, block, index) : c->tf_of[code];
}

static lh_rc explain_term(explainer *e, const lhi_text_op *op, lh_text_reason *ret)
{
    const lh_text_segment *segment = e->s->views[e->segment].segment;
    lhi_text_cursor *c = &e->cursors[op->cursor];
    int has;
    uint32_t index = 0;
    LH_TRY(lhi_text_cursor_open(e->cx, e->s, e->segment, op, c, &has));
    uint32_t points = has ? segment->kernels->look_up(c, e->doc, &index) : 0;
    if (points == 0)
        return say(e, ret, 0,
                   lh_ctx_fmt(e->cx, "%s:%.*s is not there", field_name(e, op->field),
                              LH_STR_ARG(op->term)));
    uint32_t tf = tf_at(c, c->probe, index);
    double impact = lhi_text_impact(e->s->k1, tf, c->norms[c->lengths[e->doc]]);
    return say(e, ret, points,
               lh_ctx_fmt(e->cx,
                          "%s:%.*s: boost %g x idf %.4f (in %llu of %llu) x %.4f (tf %u, length "
                          "%u, average %.2f)",
                          field_name(e, op->field), LH_STR_ARG(op->term), op->boost, op->idf,
                          (unsigned long long)op->df, (unsigned long long)e->s->docs, impact, tf,
                          length_of(e, op->field), e->s->averages[op->field]));
}

static lh_str phrase_text(explainer *e, const lhi_text_op *op)
{
    lh_str text = LH_S("");
    for (uint32_t i = 0; i < op->count; i++)
        text = lh_ctx_fmt(e->cx, "%.*s%s%.*s", LH_STR_ARG(text), i > 0 ? " " : "",
                          LH_STR_ARG(op->children[i]->term));
    return text;
}

static lh_rc explain_phrase(explainer *e, const lhi_text_op *op, lh_text_reason *ret)
{
    const lh_text_segment *segment = e->s->views[e->segment].segment;
    lhi_text_run_state run = {.cx = e->cx, .searcher = e->s, .segment = e->segment};
    lhi_text_phrase p;
    uint32_t blocks[LH_TEXT_PHRASE_MAX];
    uint32_t indexes[LH_TEXT_PHRASE_MAX];
    int has;
    double count = 0;
    LH_TRY(lhi_text_phrase_open(&run, op, &e->cursors[op->cursor], &p, &has));
    for (uint32_t i = 0; has && i < p.count; i++) {
        has = segment->kernels->look_up(p.cursors[i], e->doc, &indexes[i]) > 0;
        blocks[i] = p.cursors[i]->probe;
    }
    if (has)
        count = lhi_text_phrase_count(&p, blocks, indexes);
    uint32_t points = has ? lhi_text_phrase_points(&p, e->doc, blocks, indexes) : 0;
    lhi_text_phrase_done(&p);
    LH_TRY(p.rc);
    lh_str text = phrase_text(e, op);
    if (points == 0)
        return say(e, ret, 0,
                   lh_ctx_fmt(e->cx, "%s:\"%.*s\" is not there", field_name(e, op->field),
                              LH_STR_ARG(text)));
    double impact =
        lhi_text_impact(e->s->k1, count, e->s->norms[op->field][segment->norms[op->field][e->doc]]);
    return say(e, ret, points,
               lh_ctx_fmt(e->cx, "%s:\"%.*s\": boost %g x idf %.4f x %.4f (tf %.3g, length %u)",
                          field_name(e, op->field), LH_STR_ARG(text), op->boost, op->idf, impact,
                          count, length_of(e, op->field)));
}

static lh_rc explain_set(explainer *e, const lhi_text_op *op, lh_text_reason *ret)
{
    const lh_text_segment *segment = e->s->views[e->segment].segment;
    uint64_t *bits = LH_NEW_ARRAY(e->cx, uint64_t, LH_TEXT_BITMAP_WORDS(segment->meta.docs));
    if (!bits)
        return LH_E_NO_MEMORY;
    LH_TRY(lhi_text_set_bits(e->cx, segment, op, bits));
    int has = (int)(bits[e->doc / 64] >> (e->doc % 64) & 1);
    return say(e, ret, has ? lhi_text_points(1, op->weight) : 0,
               lh_ctx_fmt(e->cx, "%s:%.*s*: %s", field_name(e, op->field), LH_STR_ARG(op->term),
                          has ? "a term begins so" : "no term begins so"));
}

typedef struct tally {
    uint32_t required;
    uint32_t required_there;
    uint32_t should;
    uint32_t should_there;
    uint32_t refused; /* MUST_NOT clauses that match */
    uint32_t points;
} tally;

static void count_clause(tally *t, lh_text_occur occur, uint32_t points)
{
    switch (occur) {
    case LH_TEXT_MUST:
    case LH_TEXT_FILTER:
        t->required++;
        t->required_there += points > 0;
        t->points += occur == LH_TEXT_MUST ? points : 0;
        break;
    case LH_TEXT_SHOULD:
        t->should++;
        t->should_there += points > 0;
        t->points += points;
        break;
    case LH_TEXT_MUST_NOT: t->refused += points > 0; break;
    }
}

static lh_rc explain_bool(explainer *e, const lhi_text_op *op, lh_text_reason *ret)
{
    tally t = {0};
    ret->children = LH_NEW_ARRAY(e->cx, lh_text_reason, (size_t)op->count + 1);
    if (!ret->children)
        return LH_E_NO_MEMORY;
    for (uint32_t i = 0; i < op->count; i++) {
        lh_text_reason *child = &ret->children[ret->children_count];
        *child = (lh_text_reason){0};
        LH_TRY(explain_op(e, op->children[i], child));
        count_clause(&t, op->occurs[i], e->points);
        ret->children_count += e->points > 0 || op->occurs[i] != LH_TEXT_SHOULD;
    }
    uint32_t least = LH_MAX(op->min_should, t.required == 0 ? 1u : 0u);
    int matches = t.refused == 0 && t.required_there == t.required && t.should_there >= least;
    return say(e, ret, matches ? LH_MAX(t.points, 1u) : 0,
               lh_ctx_fmt(e->cx,
                          "%s: %u of %u required, %u of %u optional (at least %u), %u "
                          "excluding",
                          matches ? "sum" : "no match", t.required_there, t.required,
                          t.should_there, t.should, least, t.refused));
}

static lh_rc explain_op(explainer *e, const lhi_text_op *op, lh_text_reason *ret)
{
    switch (op->kind) {
    case LHI_TEXT_OP_NONE: break;
    case LHI_TEXT_OP_TERM: return explain_term(e, op, ret);
    case LHI_TEXT_OP_PHRASE: return explain_phrase(e, op, ret);
    case LHI_TEXT_OP_SET: return explain_set(e, op, ret);
    case LHI_TEXT_OP_BOOL: return explain_bool(e, op, ret);
    case LHI_TEXT_OP_ALL:
        return say(e, ret, lhi_text_points(1, op->weight), LH_S("every document"));
    }
    return say(e, ret, 0, LH_S("the query has no words"));
}

lh_rc lh_text_explain(lh_ctx *cx, lh_text_searcher *s, const lh_text_node *node,
                      const lh_text_hit *hit, lh_text_reason *ret_reason, int *ret_matches)
{
    uint32_t segment = hit->segment;
    uint32_t doc = hit->doc;
    LH_CLEANUP(lh_text_tokenizer_free) lh_text_tokenizer *tokenizer = NULL;
    lhi_text_query query;
    lh_text_reason reason = {0};
    if (segment >= s->count || doc >= s->views[segment].segment->meta.docs)
        return lh_fail(cx, LH_E_BAD_VALUE, "no document %u in segment %u", doc, segment);
    LH_TRY(lh_text_tokenizer_new(cx, s->views[0].segment->analyzer, &tokenizer));
    LH_TRY(lhi_text_compile(cx, s, tokenizer, node, &query));
    explainer e = {.cx = cx, .s = s, .segment = segment, .doc = doc, .query = &query};
    e.cursors = LH_NEW_ARRAY(cx, lhi_text_cursor, (size_t)query.terms + 1);
    if (!e.cursors)
        return LH_E_NO_MEMORY;
    LH_TRY(explain_op(&e, query.root, &reason));
    const uint64_t *live = s->views[segment].live;
    int alive = !live || (live[doc / 64] >> (doc % 64) & 1);
    *ret_matches = alive && e.points > 0;
    if (!alive)
        LH_TRY(say(&e, &reason, 0, LH_S("the document is deleted")));
    *ret_reason = reason;
    return LH_OK;
}
