/* text/text_highlight.h - which bytes of a text a query was about, and the best pieces to show.
 *
 * Owns:    results live in the arena.
 * Threads: pure.
 * Limits:  fragment_bytes 20..4,096 (0 = 160), fragments 1..16 (0 = 1), marks of a fragment
 *          LH_TEXT_MARKS_MAX; a text of any size is read once.
 * Formats: byte ranges of the text given; no range cuts a UTF-8 character, fragments begin and end
 *          at words where they can.
 * Why:     works on the text the caller was allowed to read (masked as the gate masked it), never
 *          on anything stored in the index, so that it cannot leak. */
#ifndef LH_TEXT_TEXT_HIGHLIGHT_H
#define LH_TEXT_TEXT_HIGHLIGHT_H

#include "text/text_analyzer.h"
#include "text/text_query.h"

#define LH_TEXT_MARKS_MAX 256

typedef struct lh_text_range {
    uint32_t start;
    uint32_t end;
} lh_text_range;
typedef struct lh_text_fragment {
    lh_text_range range;
    lh_text_range *marks; /* in order, within range, apart from one another */
    uint32_t marks_count;
} lh_text_fragment;
typedef struct lh_text_highlight_options {
    lh_str field; /* clauses of other fields do not count; empty: all do */
    uint32_t fragment_bytes;
    uint32_t fragments;
} lh_text_highlight_options;
typedef struct lh_text_highlights {
    lh_text_fragment *fragments; /* in order of the text; one at least */
    uint32_t count;
} lh_text_highlights;

/* Without any match: one fragment from the beginning, without marks. */
LH_WARN_UNUSED lh_rc lh_text_highlight(lh_ctx *cx, const lh_text_analyzer *analyzer,
                                       const lh_text_node *query, lh_str text,
                                       const lh_text_highlight_options *opts,
                                       lh_text_highlights *ret_highlights);
/* A fragment as text, its marks between open and close; in the arena. */
lh_str lh_text_fragment_text(lh_ctx *cx, lh_str text, const lh_text_fragment *fragment, lh_str open,
                             lh_str close);

#endif
