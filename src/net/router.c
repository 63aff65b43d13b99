/* router.c - build the trie from rows, walk it per request.
 *
 * A walk tries the literal child, then the parameter, then the tail, and goes back when a branch
 * ends nowhere: so /jobs/{id}/events and /jobs/running/log can live side by side. Rows are few and
 * ours, so going back is bounded. */
#include "net/router_private.h"

#include "base/mem.h"
#include "base/metric.h"
#include "net/server.h"
#include "net/text_private.h"

#include <string.h>

typedef struct node {
    lh_str literal;
    struct node *children; /* literals */
    struct node *sibling;
    struct node *param;
    lhi_endpoint *endpoints; /* the path may end here */
    lhi_endpoint *tails;     /* ... or go on to any end */
} node;

typedef struct row_list {
    lhi_endpoint **items;
    size_t count;
    size_t capacity;
} row_list;

struct lhi_router {
    lh_arena *arena;
    node root;
    row_list rows;
    const char *const *labels;
    size_t labels_count;
};

void lh_routes_each(const lh_route *const *tables, lh_route_visit visit, void *arg)
{
    for (; *tables != NULL; tables++)
        for (const lh_route *route = *tables; route->path != NULL; route++)
            visit(arg, route);
}

static node *child_of(lh_ctx *cx, node *parent, lh_str literal)
{
    for (node *child = parent->children; child != NULL; child = child->sibling)
        if (lh_str_eq(child->literal, literal))
            return child;
    node *child = LH_NEW(cx, node);
    if (child == NULL)
        return NULL;
    child->literal = literal;
    child->sibling = parent->children;
    parent->children = child;
    return child;
}

static lh_rc add_method(lh_ctx *cx, lhi_endpoint **list, lhi_endpoint *endpoint)
{
    for (lhi_endpoint *other = *list; other != NULL; other = other->next)
        if (lh_str_eq(other->method, endpoint->method))
            return lh_fail(cx, LH_E_INTERNAL, "two rows for %s %s", endpoint->route->method,
                           endpoint->route->path);
    endpoint->next = *list;
    *list = endpoint;
    return LH_OK;
}

static lh_rc add_param(lh_ctx *cx, lhi_endpoint *endpoint, lh_str name)
{
    if (name.len == 0 || endpoint->params_count == LHI_PATH_PARAMS_MAX)
        return lh_fail(cx, LH_E_INTERNAL, "route %s: a bad or one too many parameter",
                       endpoint->route->path);
    endpoint->param_names[endpoint->params_count++] = name;
    return LH_OK;
}

/* Walks the pattern of the row down the trie, making what is missing. */
static lh_rc add_row(lh_ctx *cx, node *at, lhi_endpoint *endpoint)
{
    lh_str rest = lh_str_from(endpoint->route->path);
    if (!lh_str_starts(rest, LH_S("/")))
        return lh_fail(cx, LH_E_INTERNAL, "route %s does not start with a slash",
                       endpoint->route->path);
    rest = lh_str_from_offset(rest, 1);
    lh_str segment;
    while (rest.len > 0 && lh_str_split_next(&rest, '/', &segment)) {
        if (!lh_str_starts(segment, LH_S("{"))) {
            at = child_of(cx, at, segment);
            if (at == NULL)
                return LH_E_NO_MEMORY;
            continue;
        }
        if (!lh_str_ends(segment, LH_S("}")))
            return lh_fail(cx, LH_E_INTERNAL, "route %s: { without }", endpoint->route->path);
        lh_str name = lh_str_sub(segment, 1, segment.len - 2);
        if (lh_str_ends(name, LH_S("*"))) {
            if (rest.len > 0)
                return lh_fail(cx, LH_E_INTERNAL, "route %s: a tail must be last",
                               endpoint->route->path);
            LH_TRY(add_param(cx, endpoint, lh_str_sub(name, 0, name.len - 1)));
            return add_method(cx, &at->tails, endpoint);
        }
        LH_TRY(add_param(cx, endpoint, name));
        if (at->param == NULL && (at->param = LH_NEW(cx, node)) == NULL)
            return LH_E_NO_MEMORY;
        at = at->param;
    }
    return add_method(cx, &at->endpoints, endpoint);
}

static lh_rc add_rows(lh_ctx *cx, lhi_router *router, const lh_route *const *tables)
{
    for (; *tables != NULL; tables++) {
        for (const lh_route *route = *tables; route->path != NULL; route++) {
            if (route->method == NULL || route->handler == NULL)
                return lh_fail(cx, LH_E_INTERNAL, "route %s has no method or no handler",
                               route->path);
            lhi_endpoint *endpoint = LH_NEW(cx, lhi_endpoint);
            if (endpoint == NULL)
                return LH_E_NO_MEMORY;
            endpoint->route = route;
            endpoint->method = lh_str_from(route->method);
            size_t label = router->rows.count + 1;
            endpoint->label = label < LH_METRIC_LABELS_MAX ? (uint32_t)label : 0;
            LH_TRY(lh_ctx_grow(cx, (void **)&router->rows.items, router->rows.count,
                               &router->rows.capacity, sizeof(*router->rows.items)));
            router->rows.items[router->rows.count++] = endpoint;
            LH_TRY(add_row(cx, &router->root, endpoint));
        }
    }
    return LH_OK;
}

/* Labels outlive the router, because metrics are read until the process ends: texts and arrays are
 * made once, equal ones are shared, and all stay in these lists for good. Called at start, by one
 * thread. */
static struct kept_text {
    struct kept_text *next;
    char text[];
} * kept_texts;
static struct kept_list {
    struct kept_list *next;
    size_t count;
    const char *texts[];
} * kept_lists;

static const char *label_text(lh_ctx *cx, const lh_route *route)
{
    lh_str text = lh_ctx_fmt(cx, "%s %s", route->method, route->path);
    if (text.ptr == NULL)
        return NULL;
    for (struct kept_text *label = kept_texts; label != NULL; label = label->next)
        if (strcmp(label->text, text.ptr) == 0)
            return label->text;
    struct kept_text *label = lh_alloc(sizeof(*label) + text.len + 1);
    if (label == NULL)
        return NULL;
    memcpy(label->text, text.ptr, text.len + 1);
    label->next = kept_texts;
    kept_texts = label;
    return label->text;
}

static lh_rc make_labels(lh_ctx *cx, lhi_router *router)
{
    size_t count = LH_MIN(router->rows.count + 1, (size_t)LH_METRIC_LABELS_MAX);
    size_t bytes = count * sizeof(const char *);
    struct kept_list *list = lh_alloc(sizeof(*list) + bytes);
    if (list == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the labels of routes");
    list->count = count;
    list->texts[0] = "none";
    for (size_t i = 1; i < count; i++)
        if ((list->texts[i] = label_text(cx, router->rows.items[i - 1]->route)) == NULL) {
            lh_free(list);
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the labels of routes");
        }
    router->labels_count = count;
    for (struct kept_list *old = kept_lists; old != NULL; old = old->next)
        if (old->count == count &&
            memcmp(old->texts + 1, list->texts + 1, bytes - sizeof(char *)) == 0) {
            lh_free(list);
            router->labels = old->texts;
            return LH_OK;
        }
    list->next = kept_lists;
    kept_lists = list;
    router->labels = list->texts;
    return LH_OK;
}

lh_rc lhi_router_new(lh_ctx *cx, const lh_route *const *tables, lhi_router **ret_router)
{
    lh_arena *arena = lh_arena_new(0);
    if (arena == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the routes");
    lh_ctx own;
    lh_ctx_init(&own, arena);
    lhi_router *router = LH_NEW(&own, lhi_router);
    if (router != NULL)
        router->arena = arena;
    lh_rc rc = router != NULL ? add_rows(&own, router, tables) : LH_E_NO_MEMORY;
    if (rc == LH_OK)
        rc = make_labels(&own, router);
    if (rc != LH_OK) {
        cx->err = own.err;
        lh_arena_free(arena);
        return rc;
    }
    *ret_router = router;
    return LH_OK;
}

lhi_router *lhi_router_free(lhi_router *router)
{
    if (router != NULL)
        lh_arena_free(router->arena);
    return NULL;
}

const char *const *lhi_router_labels(const lhi_router *router, size_t *ret_count)
{
    *ret_count = router->labels_count;
    return router->labels;
}

static const lhi_endpoint *by_method(const lhi_endpoint *list, lh_str method)
{
    const lhi_endpoint *get = NULL;
    for (; list != NULL; list = list->next) {
        if (lh_str_eq(list->method, method))
            return list;
        if (lh_str_eq(list->method, LH_S("GET")))
            get = list;
    }
    return lh_str_eq(method, LH_S("HEAD")) ? get : NULL;
}

static bool end_at(const lhi_endpoint *list, lh_str method, lhi_match *match)
{
    if (list == NULL)
        return false;
    if (match->others == NULL)
        match->others = list;
    match->endpoint = by_method(list, method);
    return match->endpoint != NULL;
}

static bool walk(const node *at, lh_str method, lh_str rest, uint32_t params, lhi_match *match)
{
    if (rest.len == 0)
        return end_at(at->endpoints, method, match);
    lh_str after = rest;
    lh_str segment;
    if (!lh_str_split_next(&after, '/', &segment))
        return false;
    for (const node *child = at->children; child != NULL; child = child->sibling)
        if (lh_str_eq(child->literal, segment) && walk(child, method, after, params, match))
            return true;
    if (params == LHI_PATH_PARAMS_MAX)
        return false;
    if (at->param != NULL) {
        match->params[params] = segment;
        if (walk(at->param, method, after, params + 1, match))
            return true;
    }
    match->params[params] = rest;
    return end_at(at->tails, method, match);
}

void lhi_router_find(const lhi_router *router, lh_str method, lh_str path, lhi_match *ret_match)
{
    ret_match->endpoint = NULL;
    ret_match->others = NULL;
    if (path.len > 0)
        (void)walk(&router->root, method, lh_str_from_offset(path, 1), 0, ret_match);
}

lh_rc lhi_router_allow(lh_ctx *cx, const lhi_endpoint *endpoints, lh_buf *out)
{
    for (; endpoints != NULL; endpoints = endpoints->next) {
        LH_TRY(lh_buf_append(cx, out, endpoints->method));
        LH_TRY(lh_buf_append(cx, out, LH_S(", ")));
        if (lh_str_eq(endpoints->method, LH_S("GET")))
            LH_TRY(lh_buf_append(cx, out, LH_S("HEAD, ")));
    }
    return lh_buf_append(cx, out, LH_S("OPTIONS"));
}

lh_str lhi_router_near(lh_ctx *cx, const lhi_router *router, lh_str path)
{
    enum { NEAR_MAX = 3, DISTANCE_MAX = 4, PATH_MAX_BYTES = 128 };
    const char *near[NEAR_MAX];
    size_t found = 0;
    if (path.len > PATH_MAX_BYTES)
        return LH_STR_NONE;
    for (uint32_t wanted = 0; wanted <= DISTANCE_MAX && found < NEAR_MAX; wanted++) {
        for (size_t i = 0; i < router->rows.count && found < NEAR_MAX; i++) {
            const char *pattern = router->rows.items[i]->route->path;
            bool known = false;
            for (size_t k = 0; k < found; k++)
                known = known || strcmp(near[k], pattern) == 0;
            if (!known && lh_str_distance(path, lh_str_from(pattern), DISTANCE_MAX) == wanted)
                near[found++] = pattern;
        }
    }
    if (found == 0)
        return LH_STR_NONE;
    return lh_ctx_fmt(cx, "%s%s%s%s%s", near[0], found > 1 ? ", " : "", found > 1 ? near[1] : "",
                      found > 2 ? ", " : "", found > 2 ? near[2] : "");
}

static lh_rc check_segments(lh_ctx *cx, lh_str path)
{
    lh_str rest = lh_str_from_offset(path, 1);
    for (size_t segments = 1; path.len > 1; segments++) {
        size_t slash = lh_str_find_char(rest, '/');
        lh_str segment = slash == LH_STR_NPOS ? rest : lh_str_sub(rest, 0, slash);
        if (segment.len == 0)
            return lh_fail(cx, LH_E_BAD_NAME, "the path has an empty segment");
        if (lh_str_eq(segment, LH_S(".")) || lh_str_eq(segment, LH_S("..")))
            return lh_fail(cx, LH_E_BAD_NAME, "the path has a \"%.*s\" segment",
                           LH_STR_ARG(segment));
        if (segments > LHI_SEGMENTS_MAX)
            return lh_fail(cx, LH_E_BAD_NAME, "the path has more than %d segments",
                           LHI_SEGMENTS_MAX);
        if (slash == LH_STR_NPOS)
            break;
        rest = lh_str_from_offset(rest, slash + 1);
    }
    return LH_OK;
}

/* Escapes of '/' and '\' would make one segment out of two, or two out of one, depending on who
 * reads. */
static bool has_hidden_slash(lh_str raw)
{
    for (size_t i = 0; i + 2 < raw.len; i++) {
        char high = raw.ptr[i + 1];
        char low = (char)(raw.ptr[i + 2] | 0x20);
        if (raw.ptr[i] == '%' && ((high == '2' && low == 'f') || (high == '5' && low == 'c')))
            return true;
    }
    return false;
}

lh_rc lhi_path_decode(lh_ctx *cx, lh_str raw, lh_str *ret_path)
{
    if (!lh_str_starts(raw, LH_S("/")))
        return lh_fail(cx, LH_E_BAD_NAME, "the path does not start with a slash");
    lh_str path = raw;
    if (lh_str_find_char(raw, '%') != LH_STR_NPOS) {
        if (has_hidden_slash(raw))
            return lh_fail(cx, LH_E_BAD_NAME, "the path has an encoded slash or backslash");
        char *decoded = lh_ctx_alloc(cx, raw.len, 1);
        if (decoded == NULL)
            return LH_E_NO_MEMORY;
        if (!lhi_percent_decode(raw, 0, decoded, &path.len))
            return lh_fail(cx, LH_E_BAD_NAME, "the path has a broken %% escape");
        path.ptr = decoded;
    }
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '\\')
            return lh_fail(cx, LH_E_BAD_NAME, "the path has a control character or a backslash");
    }
    if (!lh_utf8_valid(path))
        return lh_fail(cx, LH_E_BAD_NAME, "the path is not UTF-8");
    LH_TRY(check_segments(cx, path));
    *ret_path = path;
    return LH_OK;
}
