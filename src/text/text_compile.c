/* text_compile.c - a query tree to operations on lists: nested "any" and "all" are flattened so
 * that the fast plans see as much as they can, and weights are computed from the statistics of all
 * segments. */
#include "text/text_compile_private.h"

static lh_rc compile_node(lhi_text_compiler *c, const lh_text_node *node, double boost,
                          lhi_text_op **ret);

uint64_t lhi_text_df(const lh_text_searcher *s, uint32_t field, lh_str term)
{
    uint64_t df = 0;
    for (uint32_t i = 0; i < s->count; i++)
        df += lh_text_segment_df(s->views[i].segment, field, term);
    return df;
}

/* ---- operations ---- */

lhi_text_op *lhi_text_op_new(lhi_text_compiler *c, lhi_text_op_kind kind, uint32_t field,
                             double boost)
{
    lhi_text_op *op = LH_NEW(c->cx, lhi_text_op);
    if (op) {
        op->kind = kind;
        op->field = field;
        op->boost = boost;
    }
    return op;
}

lh_rc lhi_text_op_add(lhi_text_compiler *c, lhi_text_op *op, lh_text_occur occur,
                      lhi_text_op *child)
{
    /* Room doubles at powers of two, so none need be kept. */
    if ((op->count & (op->count - 1)) == 0) {
        size_t room = op->count ? (size_t)op->count * 2 : 1;
        lhi_text_op **children = LH_NEW_ARRAY(c->cx, lhi_text_op *, room);
        lh_text_occur *occurs = LH_NEW_ARRAY(c->cx, lh_text_occur, room);
        if (!children || !occurs)
            return LH_E_NO_MEMORY;
        for (uint32_t i = 0; i < op->count; i++) {
            children[i] = op->children[i];
            occurs[i] = op->occurs[i];
        }
        op->children = children;
        op->occurs = occurs;
    }
    op->children[op->count] = child;
    op->occurs[op->count++] = occur;
    return LH_OK;
}

static int all_occur(const lhi_text_op *op, lh_text_occur occur)
{
    for (uint32_t i = 0; i < op->count; i++)
        if (op->occurs[i] != occur)
            return 0;
    return 1;
}

static int is_any(const lhi_text_op *op)
{
    return op->kind == LHI_TEXT_OP_BOOL && op->min_should <= 1 && all_occur(op, LH_TEXT_SHOULD);
}

static int is_all(const lhi_text_op *op)
{
    return op->kind == LHI_TEXT_OP_BOOL && op->min_should == 0 && all_occur(op, LH_TEXT_MUST);
}

/* Adds child to a BOOL; one that only says "any" or "all" melts into a parent that says the same;
 * the same term twice is one of twice the weight. */
lh_rc lhi_text_op_melt(lhi_text_compiler *c, lhi_text_op *op, lh_text_occur occur,
                       lhi_text_op *child)
{
    if (child->kind == LHI_TEXT_OP_NONE)
        return LH_OK;
    if ((occur == LH_TEXT_SHOULD && op->min_should <= 1 && is_any(child)) ||
        (occur == LH_TEXT_MUST && is_all(child))) {
        for (uint32_t i = 0; i < child->count; i++)
            LH_TRY(lhi_text_op_melt(c, op, occur, child->children[i]));
        return LH_OK;
    }
    for (uint32_t i = 0; child->kind == LHI_TEXT_OP_TERM && i < op->count; i++) {
        lhi_text_op *other = op->children[i];
        if (op->occurs[i] == occur && op->min_should <= 1 && other->kind == LHI_TEXT_OP_TERM &&
            other->field == child->field && lh_str_eq(other->term, child->term)) {
            other->boost += child->boost;
            return LH_OK;
        }
    }
    return lhi_text_op_add(c, op, occur, child);
}

/* A BOOL of one positive clause is that clause; of none but negative ones, the others of all. */
lh_rc lhi_text_op_close(lhi_text_compiler *c, lhi_text_op *op, lhi_text_op **ret)
{
    uint32_t positive = 0;
    for (uint32_t i = 0; i < op->count; i++)
        positive += op->occurs[i] != LH_TEXT_MUST_NOT;
    if (op->count == 0)
        op->kind = LHI_TEXT_OP_NONE;
    else if (positive == 0) {
        lhi_text_op *all = lhi_text_op_new(c, LHI_TEXT_OP_ALL, 0, op->boost);
        if (!all)
            return LH_E_NO_MEMORY;
        LH_TRY(lhi_text_op_add(c, op, LH_TEXT_MUST, all));
    } else if (op->count == 1 && op->occurs[0] != LH_TEXT_FILTER && op->min_should <= 1) {
        op = op->children[0];
    }
    *ret = op;
    return LH_OK;
}

lh_rc lhi_text_op_term(lhi_text_compiler *c, uint32_t field, lh_str term, double boost,
                       lhi_text_op **ret)
{
    lhi_text_op *op =
        lhi_text_op_new(c, LHI_TEXT_OP_TERM, field, boost * c->shape->fields[field].boost);
    if (!op)
        return LH_E_NO_MEMORY;
    op->term = term;
    op->terms = LH_NEW_ARRAY(c->cx, uint64_t, c->s->count);
    if (!op->terms)
        return LH_E_NO_MEMORY;
    *ret = op;
    return LH_OK;
}

/* ---- fields ---- */

/* From the first of the allowed fields to the last. */
static lh_rc restricted(lhi_text_compiler *c, const lh_text_node *node, lhi_text_field_set *ret)
{
    *ret = (lhi_text_field_set){0, c->s->fields, UINT32_MAX};
    if (node->fields.count == 0)
        return LH_OK;
    ret->mask = 0;
    for (size_t i = 0; i < node->fields.count; i++) {
        int field = lh_text_segment_field_find(c->shape, node->fields.items[i]);
        if (field >= 0)
            ret->mask |= 1u << field;
    }
    if (ret->mask == 0)
        return lh_fail(c->cx, LH_E_BAD_VALUE, "none of the asked fields is in this index");
    ret->first = (uint32_t)__builtin_ctz(ret->mask);
    ret->end = 32u - (uint32_t)__builtin_clz(ret->mask);
    return LH_OK;
}

lh_rc lhi_text_op_fields(lhi_text_compiler *c, const lh_text_node *node, lhi_text_field_set *ret)
{
    if (node->field.len == 0) {
        return restricted(c, node, ret);
    }
    int field = lh_text_segment_field_find(c->shape, node->field);
    if (field < 0) {
        LH_IGNORE(lh_fail(c->cx, LH_E_BAD_VALUE, "no text field '%.*s' in this index",
                          LH_STR_ARG(lh_str_sub(node->field, 0, 80))));
        lh_str names = lh_text_segment_field(c->shape, 0);
        for (uint32_t f = 1; f < c->s->fields; f++)
            names = lh_ctx_fmt(c->cx, "%.*s, %.*s", LH_STR_ARG(names),
                               LH_STR_ARG(lh_text_segment_field(c->shape, f)));
        return lh_err_hint(c->cx, "fields: %.*s", LH_STR_ARG(names));
    }
    *ret = (lhi_text_field_set){(uint32_t)field, (uint32_t)field + 1, 1u << field};
    return LH_OK;
}

/* term in any of the fields, its synonyms among them. */
lh_rc lhi_text_op_add_term(lhi_text_compiler *c, lhi_text_op *any, lhi_text_field_set fields,
                           lh_str term, double boost)
{
    lh_str_list group = lh_text_analyzer_synonyms(c->shape->analyzer, term);
    size_t count = LH_MAX(group.count, (size_t)1);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t f = fields.first; f < fields.end; f++) {
            lhi_text_op *op = NULL;
            if (!lhi_text_has_field(fields, f))
                continue;
            LH_TRY(lhi_text_op_term(c, f, group.count > 0 ? group.items[i] : term, boost, &op));
            LH_TRY(lhi_text_op_melt(c, any, LH_TEXT_SHOULD, op));
        }
    }
    return LH_OK;
}

lh_rc lhi_text_op_any_field(lhi_text_compiler *c, lhi_text_field_set fields, lh_str term,
                            double boost, lhi_text_op **ret)
{
    lhi_text_op *any = lhi_text_op_new(c, LHI_TEXT_OP_BOOL, 0, boost);
    if (!any)
        return LH_E_NO_MEMORY;
    LH_TRY(lhi_text_op_add_term(c, any, fields, term, boost));
    return lhi_text_op_close(c, any, ret);
}

/* ---- trees ---- */

static lh_rc compile_bool(lhi_text_compiler *c, const lh_text_node *node, double boost,
                          lhi_text_op **ret)
{
    lhi_text_op *op = lhi_text_op_new(c, LHI_TEXT_OP_BOOL, 0, boost);
    if (!op)
        return LH_E_NO_MEMORY;
    op->min_should = node->min_should;
    if (node->clauses_count > LH_TEXT_CLAUSES_MAX)
        return lh_fail(c->cx, LH_E_TOO_LARGE, "%u clauses, limit %d", node->clauses_count,
                       LH_TEXT_CLAUSES_MAX);
    for (uint32_t i = 0; i < node->clauses_count; i++) {
        lhi_text_op *child = NULL;
        LH_TRY(compile_node(c, node->clauses[i].node, boost, &child));
        LH_TRY(lhi_text_op_melt(c, op, node->clauses[i].occur, child));
    }
    return lhi_text_op_close(c, op, ret);
}

static lh_rc compile_node(lhi_text_compiler *c, const lh_text_node *node, double boost,
                          lhi_text_op **ret)
{
    if (!(node->boost > 0 && node->boost <= 1e6))
        return lh_fail(c->cx, LH_E_BAD_VALUE, "a boost of %g: above 0, to 1,000,000", node->boost);
    if (++c->query->depth > LH_TEXT_DEPTH_MAX)
        return lh_fail(c->cx, LH_E_TOO_LARGE, "a query nested deeper than %d", LH_TEXT_DEPTH_MAX);
    lh_rc rc = LH_OK;
    boost = LH_MIN(boost * node->boost, 1e12);
    switch (node->kind) {
    case LH_TEXT_NODE_WORDS: rc = lhi_text_compile_words(c, node, boost, ret); break;
    case LH_TEXT_NODE_PHRASE: rc = lhi_text_compile_phrase(c, node, boost, ret); break;
    case LH_TEXT_NODE_PREFIX: rc = lhi_text_compile_prefix(c, node, boost, ret); break;
    case LH_TEXT_NODE_FUZZY: rc = lhi_text_compile_fuzzy(c, node, boost, ret); break;
    case LH_TEXT_NODE_BOOL: rc = compile_bool(c, node, boost, ret); break;
    case LH_TEXT_NODE_ALL_DOCS:
        *ret = lhi_text_op_new(c, LHI_TEXT_OP_ALL, 0, boost);
        rc = *ret ? LH_OK : LH_E_NO_MEMORY;
        break;
    }
    c->query->depth--;
    return rc;
}

/* ---- weights ---- */

static uint32_t terms_of(const lhi_text_op *op)
{
    uint32_t count = op->kind == LHI_TEXT_OP_TERM;
    for (uint32_t i = 0; i < op->count; i++)
        count += terms_of(op->children[i]);
    return count;
}

static void want_terms(const lhi_text_compiler *c, const lhi_text_op *op, lhi_text_wanted *wanted,
                       size_t *count)
{
    for (uint32_t i = 0; op->kind == LHI_TEXT_OP_TERM && i < c->s->count; i++)
        wanted[(*count)++] = (lhi_text_wanted){.segment = c->s->views[i].segment,
                                               .field = op->field,
                                               .text = op->term,
                                               .ret_term = &op->terms[i]};
    for (uint32_t i = 0; i < op->count; i++)
        want_terms(c, op->children[i], wanted, count);
}

static lh_rc find_terms(lhi_text_compiler *c, const lhi_text_op *root)
{
    size_t count = 0;
    c->query->terms = terms_of(root);
    if (c->query->terms > LH_TEXT_TERMS_MAX) {
        LH_IGNORE(lh_fail(c->cx, LH_E_TOO_LARGE,
                          "a query of %u terms (words times fields), limit %d", c->query->terms,
                          LH_TEXT_TERMS_MAX));
        return lh_err_hint(c->cx, "ask with fewer words or in one field");
    }
    lhi_text_wanted *wanted =
        LH_NEW_ARRAY(c->cx, lhi_text_wanted, (size_t)c->query->terms * c->s->count + 1);
    if (!wanted)
        return LH_E_NO_MEMORY;
    want_terms(c, root, wanted, &count);
    lhi_text_dict_find_all(wanted, count);
    c->query->terms = 0;
    return LH_OK;
}

static void count_term(lhi_text_compiler *c, lhi_text_op *op)
{
    op->df = 0;
    for (uint32_t i = 0; i < c->s->count; i++)
        if (op->terms[i] != UINT64_MAX)
            op->df += c->s->views[i].segment->terms[op->terms[i]].df;
    op->idf = lhi_text_idf(c->s->docs, op->df);
}

/* Numbers the lists, adds up what a document could score, says how deep the tree is. */
static double survey(lhi_text_compiler *c, lhi_text_op *op, uint32_t depth, uint32_t *deepest)
{
    double most = 0;
    *deepest = LH_MAX(*deepest, depth);
    switch (op->kind) {
    case LHI_TEXT_OP_NONE: return 0;
    case LHI_TEXT_OP_SET:
    case LHI_TEXT_OP_ALL: return op->boost;
    case LHI_TEXT_OP_TERM:
        op->cursor = c->query->terms++;
        count_term(c, op);
        return op->boost * op->idf * (c->s->k1 + 1);
    case LHI_TEXT_OP_PHRASE:
        op->cursor = c->query->terms;
        for (uint32_t i = 0; i < op->count; i++) {
            LH_IGNORE(survey(c, op->children[i], depth, deepest));
            op->idf += op->children[i]->idf;
        }
        return op->boost * op->idf * (c->s->k1 + 1);
    case LHI_TEXT_OP_BOOL:
        for (uint32_t i = 0; i < op->count; i++) {
            double part = survey(c, op->children[i], depth + 1, deepest);
            most += op->occurs[i] == LH_TEXT_MUST_NOT ? 0 : part;
        }
    }
    return most;
}

static void weigh(lhi_text_op *op, double scale)
{
    int constant = op->kind == LHI_TEXT_OP_SET || op->kind == LHI_TEXT_OP_ALL;
    op->weight = constant ? op->boost * scale : op->boost * op->idf * scale;
    for (uint32_t i = 0; i < op->count; i++)
        weigh(op->children[i], scale);
}

lh_rc lhi_text_compile(lh_ctx *cx, const lh_text_searcher *s, lh_text_tokenizer *tokenizer,
                       const lh_text_node *node, lhi_text_query *ret)
{
    *ret = (lhi_text_query){.scale = 1 << 20};
    lhi_text_compiler c = {
        .cx = cx, .s = s, .shape = s->views[0].segment, .tokenizer = tokenizer, .query = ret};
    LH_TRY(compile_node(&c, node, 1, &ret->root));
    LH_TRY(find_terms(&c, ret->root));
    uint32_t deepest = 0;
    double most = survey(&c, ret->root, 1, &deepest);
    ret->depth = deepest;
    /* Sums stay below 2^30, a unit for each term included. */
    while ((most * ret->scale + LH_TEXT_TERMS_MAX) * 1.01 > (double)(1 << 30))
        ret->scale /= 2;
    weigh(ret->root, ret->scale);
    return LH_OK;
}
