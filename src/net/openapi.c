/* openapi.c - the rows as an OpenAPI 3.1 document, and as a plain table.
 *
 * Errors are grouped by status, because that is how OpenAPI thinks; the codes of each status stand
 * in its description. A tail parameter "{key*}" is "{key}" here: OpenAPI has no word for it, so its
 * description says that it may hold slashes. */
#include "net/docs_private.h"

#include "base/num.h"

static void kv_text(lh_json_writer *w, lh_str key, const char *text)
{
    if (text != NULL)
        lh_jw_kv_str(w, key, lh_str_from(text));
}

/* "/a/{key*}" -> "/a/{key}". */
static lh_str plain_path(lh_ctx *cx, const char *path)
{
    lh_str whole = lh_str_from(path);
    size_t star = lh_str_find_char(whole, '*');
    if (star == LH_STR_NPOS)
        return whole;
    return lh_ctx_fmt(cx, "%.*s%.*s", LH_STR_ARG(lh_str_sub(whole, 0, star)),
                      LH_STR_ARG(lh_str_from_offset(whole, star + 1)));
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* "get_jobs_id_events": stable and unique, because method and path are. */
static lh_str operation_id(lh_ctx *cx, const lh_route *route)
{
    lh_str text = lh_ctx_fmt(cx, "%s%s", route->method, route->path);
    char *out = lh_ctx_alloc(cx, text.len + 1, 1);
    size_t n = 0;
    if (out == NULL || text.ptr == NULL)
        return LH_STR_NONE;
    for (size_t i = 0; i < text.len; i++) {
        char c = lower(text.ptr[i]);
        int is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (is_word)
            out[n++] = c;
        else if (n > 0 && out[n - 1] != '_')
            out[n++] = '_';
    }
    while (n > 0 && out[n - 1] == '_')
        n--;
    return lh_str_n(out, n);
}

static void write_parameter(lh_json_writer *w, lh_str name, const char *in, const char *type,
                            const char *doc)
{
    int in_path = strcmp(in, "path") == 0;
    lh_jw_object_begin(w);
    lh_jw_kv_str(w, LH_S("name"), name);
    kv_text(w, LH_S("in"), in);
    if (in_path)
        lh_jw_kv_bool(w, LH_S("required"), 1);
    kv_text(w, LH_S("description"), doc);
    lh_jw_key(w, LH_S("schema"));
    lh_jw_object_begin(w);
    kv_text(w, LH_S("type"), type);
    lh_jw_object_end(w);
    lh_jw_object_end(w);
}

static void write_parameters(lh_json_writer *w, const lh_route *route)
{
    lh_str rest = lh_str_from(route->path);
    lh_str name;
    int is_tail;
    lh_jw_key(w, LH_S("parameters"));
    lh_jw_array_begin(w);
    while (lhi_docs_next_param(&rest, &name, &is_tail))
        write_parameter(w, name, "path", "string",
                        is_tail ? "The rest of the path; may hold slashes." : NULL);
    for (const lh_query_param *param = route->query; param != NULL && param->name != NULL; param++)
        write_parameter(w, lh_str_from(param->name), "query",
                        param->type != NULL ? param->type : "string", param->doc);
    lh_jw_array_end(w);
}

static void write_content(lh_json_writer *w, const char *type, const lh_record *record)
{
    lh_jw_key(w, LH_S("content"));
    lh_jw_object_begin(w);
    lh_jw_key(w, lh_str_from(type));
    lh_jw_object_begin(w);
    lh_jw_key(w, LH_S("schema"));
    lh_jw_object_begin(w);
    if (record != NULL)
        lh_jw_kv_str(w, LH_S("$ref"), lh_ctx_fmt(w->cx, "#/components/schemas/%s", record->name));
    else if (strcmp(type, "application/json") != 0)
        lh_jw_kv_str(w, LH_S("type"), LH_S("string"));
    lh_jw_object_end(w);
    lh_jw_object_end(w);
    lh_jw_object_end(w);
}

static void write_body(lh_json_writer *w, const lh_route *route)
{
    if (route->body == NULL && route->body_max_bytes == 0)
        return;
    lh_jw_key(w, LH_S("requestBody"));
    lh_jw_object_begin(w);
    lh_jw_kv_bool(w, LH_S("required"),
                  route->body != NULL || (route->flags & LH_ROUTE_STREAM_BODY));
    lh_jw_kv_str(
        w, LH_S("description"),
        lh_ctx_fmt(w->cx, "At most %llu bytes.", (unsigned long long)route->body_max_bytes));
    write_content(w, route->body != NULL ? "application/json" : "*/*", route->body);
    lh_jw_object_end(w);
}

static lh_rc write_error_status(lh_json_writer *w, int status, lhi_code_set codes)
{
    LH_CLEANUP(lh_buf_done) lh_buf text;
    lh_buf_init(&text, 4096);
    for (int i = LH_OK + 1; i < LH_RC_COUNT; i++) {
        if (!(codes & (lhi_code_set)1 << i) || lh_rc_status((lh_rc)i) != status)
            continue;
        LH_TRY(lh_buf_printf(w->cx, &text, "%s`%s`: %s", text.len > 0 ? "\n\n" : "",
                             lh_rc_code((lh_rc)i), lh_rc_text((lh_rc)i)));
    }
    if (text.len == 0)
        return LH_OK;
    lh_jw_key(w, lh_ctx_fmt(w->cx, "%d", status));
    lh_jw_object_begin(w);
    lh_jw_kv_str(w, LH_S("description"), lh_buf_str(&text));
    if (status == 429 || status == 503) {
        lh_jw_key(w, LH_S("headers"));
        lh_jw_raw(w, LH_S("{\"Retry-After\":{\"description\":\"Seconds.\",\"schema\":{\"type\":"
                          "\"integer\"}}}"));
    }
    lh_jw_key(w, LH_S("content"));
    lh_jw_raw(
        w, LH_S("{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Error\"}}}"));
    lh_jw_object_end(w);
    return LH_OK;
}

static lh_rc write_responses(lh_json_writer *w, const lh_route *route)
{
    lhi_code_set codes;
    int success = lhi_docs_reply_status(route);
    const char *type = lhi_docs_reply_type(route);
    LH_TRY(lhi_docs_codes(w->cx, route, &codes));
    lh_jw_key(w, LH_S("responses"));
    lh_jw_object_begin(w);
    lh_jw_key(w, lh_ctx_fmt(w->cx, "%d", success));
    lh_jw_object_begin(w);
    kv_text(w, LH_S("description"),
            route->reply != NULL && route->reply->doc != NULL ? route->reply->doc : "Done.");
    if (type != NULL)
        write_content(w, type, route->reply);
    lh_jw_object_end(w);
    for (int status = 400; status < 600; status++)
        LH_TRY(write_error_status(w, status, codes));
    lh_jw_object_end(w);
    return LH_OK;
}

static lh_rc write_operation(lh_json_writer *w, const lh_route *route)
{
    char method[16];
    size_t len = LH_MIN(strlen(route->method), sizeof(method));
    for (size_t i = 0; i < len; i++)
        method[i] = lower(route->method[i]);
    lh_jw_key(w, lh_str_n(method, len));
    lh_jw_object_begin(w);
    lh_jw_kv_str(w, LH_S("operationId"), operation_id(w->cx, route));
    kv_text(w, LH_S("summary"), route->summary);
    if (route->tag != NULL) {
        lh_jw_key(w, LH_S("tags"));
        lh_jw_array_begin(w);
        lh_jw_str(w, lh_str_from(route->tag));
        lh_jw_array_end(w);
    }
    kv_text(w, LH_S("x-access"), lhi_docs_access_name(route->access));
    lh_jw_key(w, LH_S("security"));
    lh_jw_raw(w, route->access == LH_ACCESS_PUBLIC ? LH_S("[]")
                                                   : LH_S("[{\"bearer\":[]},{\"apiKey\":[]}]"));
    write_parameters(w, route);
    write_body(w, route);
    LH_TRY(write_responses(w, route));
    lh_jw_object_end(w);
    return LH_OK;
}

static lh_rc write_paths(lh_json_writer *w, const lhi_row_list *rows)
{
    lh_jw_key(w, LH_S("paths"));
    lh_jw_object_begin(w);
    for (size_t i = 0; i < rows->count; i++) {
        size_t first = 0;
        while (strcmp(rows->items[first]->path, rows->items[i]->path) != 0)
            first++;
        if (first < i)
            continue; /* written with the first row of this path */
        lh_jw_key(w, plain_path(w->cx, rows->items[i]->path));
        lh_jw_object_begin(w);
        for (size_t k = i; k < rows->count; k++)
            if (strcmp(rows->items[k]->path, rows->items[i]->path) == 0)
                LH_TRY(write_operation(w, rows->items[k]));
        lh_jw_object_end(w);
    }
    lh_jw_object_end(w);
    return LH_OK;
}

static const char error_schema[] =
    "{\"type\":\"object\",\"description\":\"Every error has this "
    "shape.\",\"required\":[\"error\"],\"properties\":{"
    "\"error\":{\"type\":\"object\",\"required\":[\"code\",\"message\",\"hint\",\"field\","
    "\"request_id\"],"
    "\"properties\":{\"code\":{\"type\":\"string\",\"description\":\"Stable; for programs.\"},"
    "\"message\":{\"type\":\"string\",\"description\":\"For people; may change.\"},"
    "\"hint\":{\"type\":[\"string\",\"null\"]},"
    "\"field\":{\"type\":[\"string\",\"null\"],\"description\":\"Field, parameter or header at "
    "fault.\"},"
    "\"line\":{\"type\":\"integer\"},\"column\":{\"type\":\"integer\"},"
    "\"request_id\":{\"type\":[\"string\",\"null\"]}}}}}";

static lh_rc write_components(lh_json_writer *w, const lhi_row_list *rows)
{
    lhi_record_list records;
    LH_TRY(lhi_docs_records(w->cx, rows, &records));
    lh_jw_key(w, LH_S("components"));
    lh_jw_object_begin(w);
    lh_jw_key(w, LH_S("schemas"));
    lh_jw_object_begin(w);
    lh_jw_key(w, LH_S("Error"));
    lh_jw_raw(w, lh_str_n(error_schema, sizeof(error_schema) - 1));
    for (size_t i = 0; i < records.count; i++) {
        for (size_t k = 0; k < i; k++)
            if (strcmp(records.items[k]->name, records.items[i]->name) == 0)
                return lh_fail(w->cx, LH_E_INTERNAL, "two records are called %s",
                               records.items[i]->name);
        lh_jw_key(w, lh_str_from(records.items[i]->name));
        lh_record_write_schema(w, records.items[i]);
    }
    lh_jw_object_end(w);
    lh_jw_key(w, LH_S("securitySchemes"));
    lh_jw_raw(w,
              LH_S("{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"},"
                   "\"apiKey\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-API-Key\"}}"));
    lh_jw_object_end(w);
    return LH_OK;
}

lh_rc lh_openapi_write(lh_json_writer *w, const lh_route *const *tables, lh_str version)
{
    lhi_row_list rows;
    LH_TRY(lhi_docs_rows(w->cx, tables, &rows));
    lh_jw_object_begin(w);
    lh_jw_kv_str(w, LH_S("openapi"), LH_S("3.1.0"));
    lh_jw_key(w, LH_S("info"));
    lh_jw_object_begin(w);
    lh_jw_kv_str(w, LH_S("title"), LH_S("Lakehouse"));
    lh_jw_kv_str(w, LH_S("version"), version);
    lh_jw_kv_str(w, LH_S("description"),
                 LH_S("Files become tables you can query with SQL and search by meaning."));
    lh_jw_object_end(w);
    LH_TRY(write_paths(w, &rows));
    LH_TRY(write_components(w, &rows));
    lh_jw_object_end(w);
    return LH_OK;
}

/* ---- the table ---- */

static lh_rc write_codes(lh_json_writer *w, const lh_route *route)
{
    lhi_code_set codes;
    LH_TRY(lhi_docs_codes(w->cx, route, &codes));
    lh_jw_key(w, LH_S("errors"));
    lh_jw_array_begin(w);
    for (int i = LH_OK + 1; i < LH_RC_COUNT; i++)
        if (codes & (lhi_code_set)1 << i)
            lh_jw_str(w, lh_str_from(lh_rc_code((lh_rc)i)));
    lh_jw_array_end(w);
    return LH_OK;
}

static void write_flags(lh_json_writer *w, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {{LH_ROUTE_INLINE, "inline"},
                 {LH_ROUTE_LONG, "long"},
                 {LH_ROUTE_STREAM_BODY, "stream_body"},
                 {LH_ROUTE_NO_DEADLINE, "no_deadline"},
                 {LH_ROUTE_DRAIN_OK, "drain_ok"}};
    lh_jw_key(w, LH_S("flags"));
    lh_jw_array_begin(w);
    for (size_t i = 0; i < LH_ARRAY_LEN(names); i++)
        if (flags & names[i].flag)
            lh_jw_str(w, lh_str_from(names[i].name));
    lh_jw_array_end(w);
}

static lh_rc write_row(lh_json_writer *w, const lh_route *route)
{
    lh_jw_object_begin(w);
    kv_text(w, LH_S("method"), route->method);
    kv_text(w, LH_S("path"), route->path);
    kv_text(w, LH_S("access"), lhi_docs_access_name(route->access));
    write_flags(w, route->flags);
    lh_jw_kv_u64(w, LH_S("body_max_bytes"), route->body_max_bytes);
    if (route->body != NULL)
        kv_text(w, LH_S("body"), route->body->name);
    if (route->reply != NULL)
        kv_text(w, LH_S("reply"), route->reply->name);
    kv_text(w, LH_S("reply_type"), lhi_docs_reply_type(route));
    lh_jw_kv_i64(w, LH_S("reply_status"), lhi_docs_reply_status(route));
    lh_jw_key(w, LH_S("query"));
    lh_jw_array_begin(w);
    for (const lh_query_param *param = route->query; param != NULL && param->name != NULL;
         param++) {
        lh_jw_object_begin(w);
        kv_text(w, LH_S("name"), param->name);
        kv_text(w, LH_S("type"), param->type != NULL ? param->type : "string");
        kv_text(w, LH_S("doc"), param->doc);
        lh_jw_object_end(w);
    }
    lh_jw_array_end(w);
    LH_TRY(write_codes(w, route));
    kv_text(w, LH_S("tag"), route->tag);
    kv_text(w, LH_S("summary"), route->summary);
    lh_jw_object_end(w);
    return LH_OK;
}

lh_rc lh_routes_write_table(lh_json_writer *w, const lh_route *const *tables)
{
    lhi_row_list rows;
    LH_TRY(lhi_docs_rows(w->cx, tables, &rows));
    lh_jw_array_begin(w);
    for (size_t i = 0; i < rows.count; i++)
        LH_TRY(write_row(w, rows.items[i]));
    lh_jw_array_end(w);
    return LH_OK;
}
