/* docs_private.h - what both documents derive from rows.
 *
 * Owns:    nothing; lists live in the arena.
 * Threads: any.
 * Limits:  none of its own.
 * Formats: none.
 * Why:     the OpenAPI document and the page must not have two opinions. */
#ifndef LH_NET_DOCS_PRIVATE_H
#define LH_NET_DOCS_PRIVATE_H

#include "net/docs.h"

typedef uint64_t lhi_code_set; /* bit = lh_rc */
_Static_assert(LH_RC_COUNT <= 64, "a set of codes is one word");

typedef struct lhi_row_list {
    const lh_route **items;
    size_t count;
} lhi_row_list;

typedef struct lhi_record_list {
    const lh_record **items;
    size_t count;
    size_t capacity;
} lhi_record_list;

LH_WARN_UNUSED lh_rc lhi_docs_rows(lh_ctx *cx, const lh_route *const *tables,
                                   lhi_row_list *ret_rows);
/* Every record a row or a record mentions, each once, in order of mention. */
LH_WARN_UNUSED lh_rc lhi_docs_records(lh_ctx *cx, const lhi_row_list *rows,
                                      lhi_record_list *ret_records);
/* Every code this route can answer with: what its flags imply and what its row says. */
LH_WARN_UNUSED lh_rc lhi_docs_codes(lh_ctx *cx, const lh_route *route, lhi_code_set *ret_codes);
int lhi_docs_reply_status(const lh_route *route);
const char *lhi_docs_reply_type(const lh_route *route); /* NULL: no body */
const char *lhi_docs_access_name(lh_access access);
/* Path parameters in order; a tail's name comes without its star. Returns 0 at the end. */
int lhi_docs_next_param(lh_str *rest, lh_str *ret_name, int *ret_is_tail);

#endif
