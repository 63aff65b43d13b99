/* net/docs.h - what the route rows say, for machines (OpenAPI, a table) and for people (a page).
 *
 * Owns:    nothing; working memory is the arena of the writer's context.
 * Threads: any.
 * Limits:  nesting of records as deep as the tables go.
 * Formats: OpenAPI 3.1 JSON, HTML without scripts or external parts.
 * Why:     declared, not coded: what is documented is what the router, the checks and the parsers
 *          use. */
#ifndef LH_NET_DOCS_H
#define LH_NET_DOCS_H

#include "net/http.h"

/* tables: NULL-terminated, as in lh_server_options. Errors: LH_E_INTERNAL when a row names an
 * unknown error code. */
LH_WARN_UNUSED lh_rc lh_openapi_write(lh_json_writer *w, const lh_route *const *tables,
                                      lh_str version);

/* For `lakehouse tables routes --json`: an array, one object per row. */
LH_WARN_UNUSED lh_rc lh_routes_write_table(lh_json_writer *w, const lh_route *const *tables);

/* The reference for people, grouped by tag, with an example for curl per route. */
LH_WARN_UNUSED lh_rc lh_docs_page_write(lh_ctx *cx, lh_buf *out, const lh_route *const *tables,
                                        lh_str version);

#endif
