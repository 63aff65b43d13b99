/* worker/programs/sql_lex.h - the little that must be known of SQL text before the engine sees it.
 *
 * Owns:    nothing; tokens borrow the text.
 * Threads: pure.
 * Limits:  the text's own length.
 * Formats: SQL as DuckDB lexes it: -- and nested block comments, '..' "..", E'..' and $tag$..$tag$.
 * Why:     json_serialize_sql refuses EXPLAIN and dynamic PIVOT; both deserve better than "only
 *          SELECT". */
#ifndef LH_WORKER_PROGRAMS_SQL_LEX_H
#define LH_WORKER_PROGRAMS_SQL_LEX_H

#include "base/ctx.h"

typedef struct lh_sql_lexer {
    lh_str text;
    size_t offset;
} lh_sql_lexer;

/* The next word (letters, digits, _) outside comments and quotes; everything else is stepped over.
 * 0 at the end. */
int lh_sql_next_word(lh_sql_lexer *lexer, lh_str *ret_word);
/* Offset of the first byte that is not blank and not in a comment. */
size_t lh_sql_skip_blank(lh_str sql, size_t offset);
/* EXPLAIN in front: *ret_inner = offset of what is explained; 0 = there is none. EXPLAIN ANALYZE is
 * LH_E_SQL_DENIED: it executes. */
LH_WARN_UNUSED lh_rc lh_sql_strip_explain(lh_ctx *cx, lh_str sql, size_t *ret_inner);
/* Whether a word stands anywhere outside comments and quotes. */
int lh_sql_has_word(lh_str sql, lh_str word);

#endif
