/* router_private.h - path and method to route row: a trie of path segments built once from the
 * rows.
 *
 * Owns:    the trie (in its own arena); rows are borrowed.
 * Threads: read-only after it was built.
 * Limits:  LHI_PATH_PARAMS_MAX parameters and LHI_SEGMENTS_MAX segments per path.
 * Formats: patterns "/a/{name}" and "/a/{rest*}" (last; takes at least one segment).
 * Why:     a literal segment wins over a parameter, whatever the order of the rows; 405 needs to
 *          know the methods. */
#ifndef LH_NET_ROUTER_PRIVATE_H
#define LH_NET_ROUTER_PRIVATE_H

#include "base/buf.h"
#include "net/http.h"

#include <stdbool.h>

enum { LHI_PATH_PARAMS_MAX = 8, LHI_SEGMENTS_MAX = 64 };

typedef struct lhi_router lhi_router;

/* One row as the router knows it. */
typedef struct lhi_endpoint {
    const lh_route *route;
    lh_str method;
    lh_str param_names[LHI_PATH_PARAMS_MAX];
    uint32_t params_count;
    uint32_t label;            /* of the metrics; 0 is what no row matched */
    struct lhi_endpoint *next; /* other methods of the same path */
} lhi_endpoint;

typedef struct lhi_match {
    const lhi_endpoint *endpoint; /* NULL: not found */
    const lhi_endpoint *others;   /* the path exists: its methods */
    lh_str params[LHI_PATH_PARAMS_MAX];
} lhi_match;

/* Errors: LH_E_INTERNAL for a bad pattern or a row given twice (our mistake, found at start). */
LH_WARN_UNUSED lh_rc lhi_router_new(lh_ctx *cx, const lh_route *const *tables,
                                    lhi_router **ret_router);
lhi_router *lhi_router_free(lhi_router *router);
LH_DEFINE_CLEANUP(lhi_router, lhi_router_free)

/* Texts "METHOD /pattern" by label, for lh_metric_set_labels. They live as long as the process. */
const char *const *lhi_router_labels(const lhi_router *router, size_t *ret_count);

/* path is decoded and clean (lhi_path_decode). HEAD finds the GET row. */
void lhi_router_find(const lhi_router *router, lh_str method, lh_str path, lhi_match *ret_match);
/* "GET, HEAD, OPTIONS" of a path that exists. */
LH_WARN_UNUSED lh_rc lhi_router_allow(lh_ctx *cx, const lhi_endpoint *endpoints, lh_buf *out);
/* Up to three patterns that resemble path, comma-separated, in the arena; empty when none does. */
lh_str lhi_router_near(lh_ctx *cx, const lhi_router *router, lh_str path);

/* Decodes a request path and refuses what could mean two things: encoded slashes and backslashes,
 * NUL and other controls, "." and ".." segments, empty segments, bytes that are not UTF-8. Errors:
 * LH_E_BAD_NAME. */
LH_WARN_UNUSED lh_rc lhi_path_decode(lh_ctx *cx, lh_str raw, lh_str *ret_path);

#endif
