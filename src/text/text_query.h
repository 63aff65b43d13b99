/* text/text_query.h - what is asked: a tree, made by hand, from the query language or from plain
 * words.
 *
 * Owns:    nodes live in the arena of the context that made them.
 * Threads: plain data.
 * Limits:  LH_TEXT_QUERY_BYTES_MAX bytes of text, nesting LH_TEXT_DEPTH_MAX, LH_TEXT_CLAUSES_MAX
 *          clauses: more is LH_E_TOO_LARGE here, and a cut that says so in the plain form.
 * Formats: the language
 *              word  "a phrase"  "a phrase"~2  prefix*  fuzzy~  fuzzy~2  field:word  field:( ... )
 *              +must  -must_not  a AND b  a OR b  NOT c  ( ... )  word^2.5  (a b c)@2  *
 *          Clauses side by side are any of them (or all, with LH_TEXT_ALL); @2 = at least two of
 *          the group's; AND binds closer than OR; a backslash takes the next character as it is; an
 *          escaped or quoted sign means nothing; ~ alone lets edits grow with the word's length.
 * Why:     a language for those who know it, with places in its errors; for a search box the plain
 *          form, in which every text means something. */
#ifndef LH_TEXT_TEXT_QUERY_H
#define LH_TEXT_TEXT_QUERY_H

#include "base/ctx.h"

#define LH_TEXT_QUERY_BYTES_MAX (1u << 20)
#define LH_TEXT_DEPTH_MAX       32
#define LH_TEXT_CLAUSES_MAX     1024
#define LH_TEXT_SLOP_MAX        1000

typedef enum lh_text_node_kind {
    LH_TEXT_NODE_WORDS,  /* text: its terms, any or all by flags */
    LH_TEXT_NODE_PHRASE, /* text: its terms in order, up to slop places out of place */
    LH_TEXT_NODE_PREFIX, /* text: a term begins with it; every hit scores boost */
    LH_TEXT_NODE_FUZZY,  /* text: a term within distance edits; score / (1 + edits) */
    LH_TEXT_NODE_BOOL,
    LH_TEXT_NODE_ALL_DOCS /* every document, score boost */
} lh_text_node_kind;

typedef enum lh_text_occur {
    LH_TEXT_SHOULD,
    LH_TEXT_MUST,
    LH_TEXT_MUST_NOT,
    LH_TEXT_FILTER /* must, without a score */
} lh_text_occur;

enum { LH_TEXT_ALL = 1 }; /* of WORDS and of the parsers: all words, not any */

typedef struct lh_text_node lh_text_node;
typedef struct lh_text_clause {
    lh_text_occur occur;
    lh_text_node *node;
} lh_text_clause;

struct lh_text_node {
    lh_text_node_kind kind;
    uint32_t flags;
    lh_str field;        /* empty: every field, or every one of fields */
    lh_str_list fields;  /* of lh_text_node_restrict; none: no restriction */
    lh_str text;         /* not BOOL */
    double boost;        /* 1 by default; finite, above 0 */
    uint32_t slop;       /* PHRASE */
    uint32_t distance;   /* FUZZY: 1, 2; 0 = by length (below 3 letters none, below 6 one) */
    uint32_t min_should; /* WORDS, BOOL: at least so many of the words or SHOULD clauses; 0 = one
                            when there is no MUST, else none */
    lh_text_clause *clauses; /* BOOL */
    uint32_t clauses_count;
};

/* LH_E_BAD_REQUEST with place (line, column) and hint; LH_E_TOO_LARGE. flags: LH_TEXT_ALL. */
LH_WARN_UNUSED lh_rc lh_text_query_parse(lh_ctx *cx, lh_str text, uint32_t flags,
                                         lh_text_node **ret_node);
/* Words, any of them or all (LH_TEXT_ALL); "quoted" parts are phrases when the quotes pair up. No
 * text is an error; only memory can fail. An empty text finds nothing. */
LH_WARN_UNUSED lh_rc lh_text_query_plain(lh_ctx *cx, lh_str text, uint32_t flags,
                                         lh_text_node **ret_node);
/* A leaf, for trees made by hand; NULL when out of memory. */
lh_text_node *lh_text_node_new(lh_ctx *cx, lh_text_node_kind kind, lh_str text);
/* Puts child under a BOOL node. */
LH_WARN_UNUSED lh_rc lh_text_node_add(lh_ctx *cx, lh_text_node *node, lh_text_occur occur,
                                      lh_text_node *child);
/* Leaves that name no field mean these, borrowed, and none other. LH_E_BAD_VALUE names a field of
 * the tree that is not among them. */
LH_WARN_UNUSED lh_rc lh_text_node_restrict(lh_ctx *cx, lh_text_node *node,
                                           const lh_str_list *fields);
/* The tree as text of the language, for logs and tests; in the arena. */
lh_str lh_text_node_text(lh_ctx *cx, const lh_text_node *node);

#endif
