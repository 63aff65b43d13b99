/* target.c - from the request line to a route row: path, query, Host, and whether this request may
 * be asked at all. */
#include "net/net_private.h"

#include "base/num.h"
#include "net/text_private.h"

/* Path and query of any form of request target (RFC 9112, 3.2). */
static lh_rc split_target(lh_request *rq, lh_str *ret_path, lh_str *ret_query)
{
    lh_ctx *cx = &rq->cx;
    lh_str url = rq->parser.url;
    if (lh_str_starts_nocase(url, LH_S("http://")) || lh_str_starts_nocase(url, LH_S("https://"))) {
        url = lh_str_from_offset(url, lh_str_find(url, LH_S("//")) + 2);
        size_t slash = lh_str_find_char(url, '/');
        if (slash == LH_STR_NPOS)
            return lh_fail(cx, LH_E_BAD_REQUEST, "the request target has no path");
        url = lh_str_from_offset(url, slash);
    }
    if (lh_str_find_char(url, '#') != LH_STR_NPOS)
        return lh_fail(cx, LH_E_BAD_REQUEST, "the request target has a fragment");
    size_t mark = lh_str_find_char(url, '?');
    *ret_query = mark == LH_STR_NPOS ? LH_STR_NONE : lh_str_from_offset(url, mark + 1);
    *ret_path = mark == LH_STR_NPOS ? url : lh_str_sub(url, 0, mark);
    return LH_OK;
}

static lh_rc check_head(lh_request *rq)
{
    lh_ctx *cx = &rq->cx;
    const lhi_parser *p = &rq->parser;
    uint32_t hosts, encodings;
    (void)lhi_parser_header(p, LH_S("Host"), &hosts);
    if (hosts > 1 || (hosts == 0 && !rq->http_1_0)) {
        (void)lh_fail(cx, LH_E_BAD_REQUEST, "%u Host headers, exactly 1 is needed", hosts);
        return lh_err_field(cx, "Host");
    }
    lh_str encoding = lhi_parser_header(p, LH_S("Transfer-Encoding"), &encodings);
    if (encodings > 0 &&
        (rq->http_1_0 || encodings > 1 || !lh_str_eq_nocase(encoding, LH_S("chunked"))))
        return lh_fail(cx, LH_E_BAD_REQUEST, "only Transfer-Encoding: chunked is understood");
    lh_str expect = lhi_parser_header(p, LH_S("Expect"), NULL);
    if (expect.ptr != NULL && !lh_str_eq_nocase(expect, LH_S("100-continue")))
        return lh_fail(cx, LH_E_BAD_REQUEST, "only Expect: 100-continue is understood");
    return LH_OK;
}

static lh_rc decode_query_text(lh_ctx *cx, lh_str raw, lh_str *ret)
{
    char *out = lh_ctx_alloc(cx, raw.len + 1, 1);
    if (out == NULL)
        return LH_E_NO_MEMORY;
    size_t len;
    if (!lhi_percent_decode(raw, 1, out, &len) || memchr(out, '\0', len) != NULL)
        return lh_fail(cx, LH_E_BAD_VALUE, "the query string has a broken %% escape or a NUL");
    *ret = lh_str_n(out, len);
    if (!lh_utf8_valid(*ret))
        return lh_fail(cx, LH_E_BAD_VALUE, "the query string is not UTF-8");
    return LH_OK;
}

static lh_rc parse_query(lh_request *rq, lh_str query)
{
    lh_ctx *cx = &rq->cx;
    size_t capacity = 0;
    lh_str one;
    while (lh_str_split_next(&query, '&', &one)) {
        if (one.len == 0)
            continue;
        size_t equals = lh_str_find_char(one, '=');
        lhi_query item;
        LH_TRY(decode_query_text(cx, lh_str_sub(one, 0, equals == LH_STR_NPOS ? one.len : equals),
                                 &item.name));
        LH_TRY(decode_query_text(
            cx, equals == LH_STR_NPOS ? LH_S("") : lh_str_from_offset(one, equals + 1),
            &item.value));
        LH_TRY(lh_ctx_grow(cx, (void **)&rq->query, rq->query_count, &capacity, sizeof(item)));
        rq->query[rq->query_count++] = item;
    }
    return LH_OK;
}

static const lh_query_param *find_param(const lh_route *route, lh_str name)
{
    for (const lh_query_param *param = route->query; param != NULL && param->name != NULL; param++)
        if (lh_str_eq(lh_str_from(param->name), name))
            return param;
    return NULL;
}

static lh_rc unknown_param(lh_ctx *cx, const lh_route *route, lh_str name)
{
    lh_str shown = lh_str_sub(name, 0, lh_utf8_cut(name, 64));
    (void)lh_fail(cx, LH_E_UNKNOWN_FIELD, "query parameter \"%.*s\" is not known",
                  LH_STR_ARG(shown));
    (void)lh_err_field(cx, "%.*s", LH_STR_ARG(name));
    if (route->query == NULL || route->query->name == NULL)
        return lh_err_hint(cx, "%s %s takes no query parameters", route->method, route->path);
    const char *near = NULL;
    uint32_t best = 3;
    for (const lh_query_param *param = route->query; param->name != NULL; param++) {
        uint32_t distance = lh_str_distance(name, lh_str_from(param->name), best);
        if (distance < best) {
            best = distance;
            near = param->name;
        }
    }
    if (near != NULL)
        return lh_err_hint(cx, "Did you mean %s?", near);
    return lh_err_hint(cx, "the first one known is %s; see /docs", route->query->name);
}

/* Every parameter must be known to the row, be there once, and have the type the row says. */
lh_rc lhi_query_check(lh_ctx *cx, lh_request *rq)
{
    const lh_route *route = rq->endpoint->route;
    for (size_t i = 0; i < rq->query_count; i++) {
        lhi_query item = rq->query[i];
        const lh_query_param *param = find_param(route, item.name);
        if (param == NULL)
            return unknown_param(cx, route, item.name);
        int64_t number;
        lh_str type = lh_str_from(param->type != NULL ? param->type : "string");
        bool fits = true;
        if (lh_str_eq(type, LH_S("integer")))
            fits = lh_parse_i64(item.value, &number);
        else if (lh_str_eq(type, LH_S("boolean")))
            fits = lh_str_eq(item.value, LH_S("true")) || lh_str_eq(item.value, LH_S("false"));
        for (size_t k = 0; k < i; k++)
            if (lh_str_eq(rq->query[k].name, item.name)) {
                (void)lh_fail(cx, LH_E_BAD_VALUE, "query parameter %s is there twice", param->name);
                return lh_err_field(cx, "%s", param->name);
            }
        if (!fits) {
            (void)lh_fail(cx, LH_E_BAD_VALUE, "query parameter %s must be %s", param->name,
                          lh_str_eq(type, LH_S("integer")) ? "an integer" : "true or false");
            return lh_err_field(cx, "%s", param->name);
        }
    }
    return LH_OK;
}

static lh_rc not_found(lh_request *rq)
{
    lh_ctx *cx = &rq->cx;
    lh_str path = rq->path;
    size_t cut = lh_utf8_cut(path, 200);
    lh_str near = lhi_router_near(cx, rq->server->router, path);
    (void)lh_fail(cx, LH_E_NOT_FOUND, "no such path: %.*s", LH_STR_ARG(lh_str_sub(path, 0, cut)));
    if (near.len > 0)
        return lh_err_hint(cx, "Did you mean %.*s?", LH_STR_ARG(near));
    return lh_err_hint(cx, "GET /docs lists every path");
}

static lh_rc method_not_allowed(lh_request *rq, const lhi_endpoint *others)
{
    enum { ALLOW_BYTES_MAX = 256 };
    lh_ctx *cx = &rq->cx;
    LH_CLEANUP(lh_buf_done) lh_buf allow;
    lh_buf_init(&allow, ALLOW_BYTES_MAX);
    LH_TRY(lhi_router_allow(cx, others, &allow));
    rq->allow = lh_ctx_dup(cx, lh_buf_str(&allow));
    (void)lh_fail(cx, LH_E_METHOD_NOT_ALLOWED, "%.*s is not possible here", LH_STR_ARG(rq->method));
    return lh_err_hint(cx, "Allowed: %.*s", LH_STR_ARG(rq->allow));
}

lh_rc lhi_target_route(lh_request *rq)
{
    lh_ctx *cx = &rq->cx;
    lh_str raw_path, raw_query;
    rq->http_1_0 = rq->parser.http.http_minor == 0;
    rq->method = lh_str_from(llhttp_method_name((llhttp_method_t)rq->parser.http.method));
    rq->reply.discard = lh_str_eq(rq->method, LH_S("HEAD"));
    LH_TRY(check_head(rq));
    bool options = lh_str_eq(rq->method, LH_S("OPTIONS"));
    if (options && lh_str_eq(rq->parser.url, LH_S("*")))
        return lhi_cors_options(rq, NULL);
    LH_TRY(split_target(rq, &raw_path, &raw_query));
    LH_TRY(lhi_path_decode(cx, raw_path, &rq->path));
    lhi_match match;
    lhi_router_find(rq->server->router, rq->method, rq->path, &match);
    if (match.endpoint == NULL && match.others == NULL)
        return not_found(rq);
    if (match.endpoint == NULL && options)
        return lhi_cors_options(rq, match.others);
    if (match.endpoint == NULL)
        return method_not_allowed(rq, match.others);
    rq->endpoint = match.endpoint;
    for (uint32_t i = 0; i < match.endpoint->params_count; i++)
        rq->params[i] = match.params[i];
    if (raw_query.len == 0)
        return LH_OK;
    LH_TRY(parse_query(rq, raw_query));
    return lhi_query_check(cx, rq);
}
