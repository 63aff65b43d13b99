/* docs_rows.c - walk rows and records; derive what a route can answer. */
#include "net/docs_private.h"

#include "net/server.h"

static void count_row(void *arg, const lh_route *route)
{
    (void)route;
    ((lhi_row_list *)arg)->count++;
}

static void add_row(void *arg, const lh_route *route)
{
    lhi_row_list *rows = arg;
    rows->items[rows->count++] = route;
}

lh_rc lhi_docs_rows(lh_ctx *cx, const lh_route *const *tables, lhi_row_list *ret_rows)
{
    lhi_row_list rows = {NULL, 0};
    lh_routes_each(tables, count_row, &rows);
    rows.items = LH_NEW_ARRAY(cx, const lh_route *, rows.count + 1);
    if (rows.items == NULL)
        return LH_E_NO_MEMORY;
    rows.count = 0;
    lh_routes_each(tables, add_row, &rows);
    *ret_rows = rows;
    return LH_OK;
}

static lh_rc add_record(lh_ctx *cx, lhi_record_list *list, const lh_record *record)
{
    if (record == NULL)
        return LH_OK;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i] == record)
            return LH_OK;
    LH_TRY(
        lh_ctx_grow(cx, (void **)&list->items, list->count, &list->capacity, sizeof(*list->items)));
    list->items[list->count++] = record;
    return LH_OK;
}

lh_rc lhi_docs_records(lh_ctx *cx, const lhi_row_list *rows, lhi_record_list *ret_records)
{
    lhi_record_list list = {NULL, 0, 0};
    for (size_t i = 0; i < rows->count; i++) {
        LH_TRY(add_record(cx, &list, rows->items[i]->body));
        LH_TRY(add_record(cx, &list, rows->items[i]->reply));
    }
    for (size_t i = 0; i < list.count;
         i++) /* the list grows behind i until nothing new is mentioned */
        for (const lh_field *field = list.items[i]->fields; field->name != NULL; field++)
            LH_TRY(add_record(cx, &list, field->record));
    *ret_records = list;
    return LH_OK;
}

#define CODE(symbol) ((lhi_code_set)1 << LH_E_##symbol)

lh_rc lhi_docs_codes(lh_ctx *cx, const lh_route *route, lhi_code_set *ret_codes)
{
    lhi_code_set codes = CODE(BAD_REQUEST) | CODE(BAD_VALUE) | CODE(UNKNOWN_FIELD) |
                         CODE(URL_TOO_LONG) | CODE(HEADERS_TOO_LARGE) | CODE(TOO_LARGE) |
                         CODE(INTERNAL);
    lh_str method = lh_str_from(route->method);
    if (strchr(route->path, '{') != NULL)
        codes |= CODE(BAD_NAME);
    if (route->access != LH_ACCESS_PUBLIC)
        codes |= CODE(UNAUTHORIZED) | CODE(FORBIDDEN);
    if (!lh_str_eq(method, LH_S("GET")))
        codes |= CODE(FORBIDDEN); /* a page of another origin */
    if (!(route->flags & LH_ROUTE_DRAIN_OK))
        codes |= CODE(UNAVAILABLE);
    if (!(route->flags & LH_ROUTE_INLINE))
        codes |= CODE(UNAVAILABLE) | CODE(POOL_FULL) | CODE(NO_MEMORY);
    if (!(route->flags & (LH_ROUTE_NO_DEADLINE | LH_ROUTE_INLINE)) || route->body_max_bytes > 0)
        codes |= CODE(DEADLINE);
    if (route->body_max_bytes > 0)
        codes |= CODE(UNSUPPORTED_MEDIA);
    if (route->body != NULL)
        codes |= CODE(LENGTH_REQUIRED) | CODE(BAD_JSON) | CODE(MISSING_FIELD);
    if (route->flags & LH_ROUTE_STREAM_BODY)
        codes |= CODE(LENGTH_REQUIRED);
    lh_str rest = route->errors != NULL ? lh_str_from(route->errors) : LH_STR_NONE;
    lh_str code;
    while (lh_str_split_next(&rest, ' ', &code)) {
        if (code.len == 0)
            continue;
        const char *name = lh_ctx_cstr(cx, code);
        lh_rc rc = name != NULL ? lh_rc_find(name) : LH_RC_COUNT;
        if (rc == LH_RC_COUNT)
            return lh_fail(cx, LH_E_INTERNAL, "route %s %s names the unknown error %.*s",
                           route->method, route->path, LH_STR_ARG(code));
        codes |= (lhi_code_set)1 << rc;
    }
    *ret_codes = codes;
    return LH_OK;
}

int lhi_docs_reply_status(const lh_route *route)
{
    return route->reply_status != 0 ? route->reply_status : 200;
}

const char *lhi_docs_reply_type(const lh_route *route)
{
    if (lhi_docs_reply_status(route) == 204)
        return NULL;
    return route->reply_type != NULL ? route->reply_type : "application/json";
}

const char *lhi_docs_access_name(lh_access access)
{
    static const char *const names[] = {[LH_ACCESS_PUBLIC] = "public",
                                        [LH_ACCESS_READ] = "read",
                                        [LH_ACCESS_WRITE] = "write",
                                        [LH_ACCESS_ADMIN] = "admin"};
    return names[access];
}

int lhi_docs_next_param(lh_str *rest, lh_str *ret_name, int *ret_is_tail)
{
    size_t from = lh_str_find_char(*rest, '{');
    size_t to = lh_str_find_char(*rest, '}');
    if (from == LH_STR_NPOS || to == LH_STR_NPOS || to < from)
        return 0;
    *ret_name = lh_str_sub(*rest, from + 1, to - from - 1);
    *rest = lh_str_from_offset(*rest, to + 1);
    *ret_is_tail = lh_str_ends(*ret_name, LH_S("*"));
    if (*ret_is_tail)
        ret_name->len--;
    return 1;
}
