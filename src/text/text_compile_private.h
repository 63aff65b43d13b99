/* text/text_compile_private.h - the compiler's parts: operations and leaves.
 *
 * Owns: everything lies in the context's arena. Threads: one. Limits: text_search.h. Formats: none.
 * Why: leaves (texts to operations) are one file, operations and weights another. */
#ifndef LH_TEXT_TEXT_COMPILE_PRIVATE_H
#define LH_TEXT_TEXT_COMPILE_PRIVATE_H

#include "text/text_plan_private.h"

typedef struct lhi_text_compiler {
    lh_ctx *cx;
    const lh_text_searcher *s;
    const lh_text_segment *shape; /* of fields and analyser */
    lh_text_tokenizer *tokenizer;
    lhi_text_query *query;
    uint32_t prefixes;
} lhi_text_compiler;

typedef struct lhi_text_field_set {
    uint32_t first;
    uint32_t end;
    uint32_t mask; /* of those in between, a bit each */
} lhi_text_field_set;
static inline int lhi_text_has_field(lhi_text_field_set fields, uint32_t field)
{
    return (int)((fields.mask >> field) & 1u);
}

lhi_text_op *lhi_text_op_new(lhi_text_compiler *c, lhi_text_op_kind kind, uint32_t field,
                             double boost);
LH_WARN_UNUSED lh_rc lhi_text_op_add(lhi_text_compiler *c, lhi_text_op *op, lh_text_occur occur,
                                     lhi_text_op *child);
/* Adds child to a BOOL; one that only says "any" or "all" melts into a parent that says the same;
 * the same term twice is one of twice the weight. */
LH_WARN_UNUSED lh_rc lhi_text_op_melt(lhi_text_compiler *c, lhi_text_op *op, lh_text_occur occur,
                                      lhi_text_op *child);
/* A BOOL of one positive clause is that clause; of none but negative ones, the others of all. */
LH_WARN_UNUSED lh_rc lhi_text_op_close(lhi_text_compiler *c, lhi_text_op *op, lhi_text_op **ret);
LH_WARN_UNUSED lh_rc lhi_text_op_term(lhi_text_compiler *c, uint32_t field, lh_str term,
                                      double boost, lhi_text_op **ret);
LH_WARN_UNUSED lh_rc lhi_text_op_fields(lhi_text_compiler *c, const lh_text_node *node,
                                        lhi_text_field_set *ret);
/* term in any of the fields, its synonyms among them. */
LH_WARN_UNUSED lh_rc lhi_text_op_add_term(lhi_text_compiler *c, lhi_text_op *any,
                                          lhi_text_field_set fields, lh_str term, double boost);
LH_WARN_UNUSED lh_rc lhi_text_op_any_field(lhi_text_compiler *c, lhi_text_field_set fields,
                                           lh_str term, double boost, lhi_text_op **ret);

/* Leaves of a query tree; text_compile_leaf.c. */
LH_WARN_UNUSED lh_rc lhi_text_compile_words(lhi_text_compiler *c, const lh_text_node *node,
                                            double boost, lhi_text_op **ret);
LH_WARN_UNUSED lh_rc lhi_text_compile_phrase(lhi_text_compiler *c, const lh_text_node *node,
                                             double boost, lhi_text_op **ret);
LH_WARN_UNUSED lh_rc lhi_text_compile_prefix(lhi_text_compiler *c, const lh_text_node *node,
                                             double boost, lhi_text_op **ret);
LH_WARN_UNUSED lh_rc lhi_text_compile_fuzzy(lhi_text_compiler *c, const lh_text_node *node,
                                            double boost, lhi_text_op **ret);

#endif
