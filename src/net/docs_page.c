/* docs_page.c - the rows as a page for people: one HTML file, no scripts, nothing loaded from
 * elsewhere.
 *
 * Text goes through put_text, which escapes; markup is only ever literal. Errors of the buffer
 * stick in page.rc. */
#include "net/docs_private.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct page {
    lh_ctx *cx;
    lh_buf *out;
    lh_rc rc;
} page;

static void put(page *p, lh_str markup)
{
    if (p->rc == LH_OK)
        p->rc = lh_buf_append(p->cx, p->out, markup);
}
#define PUT(p, literal) put((p), LH_S(literal))

static void put_text(page *p, lh_str text)
{
    for (size_t i = 0; i < text.len && p->rc == LH_OK; i++) {
        switch (text.ptr[i]) {
        case '<': PUT(p, "&lt;"); break;
        case '>': PUT(p, "&gt;"); break;
        case '&': PUT(p, "&amp;"); break;
        case '"': PUT(p, "&quot;"); break;
        case '\'': PUT(p, "&#39;"); break;
        default: put(p, lh_str_sub(text, i, 1)); break;
        }
    }
}

LH_PRINTF(2, 3) static void put_format(page *p, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    put_text(p, lh_str_from(text));
}

static void put_cstr(page *p, const char *text)
{
    put_text(p, lh_str_from(text));
}

static const char style[] =
    ":root{color-scheme:light dark;--line:#8884;--soft:#8882;--accent:#2563eb}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem 1.2rem "
    "4rem}"
    "h1{margin-bottom:0}h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}"
    "h3{margin:1.8rem 0 .3rem;font:600 1rem ui-monospace,monospace;overflow-wrap:anywhere}"
    "code,pre{font:13px/1.5 "
    "ui-monospace,monospace;background:var(--soft);border-radius:4px}code{padding:.1em .3em}"
    "pre{padding:.6rem .8rem;overflow-x:auto}.m{color:var(--accent)}.s{opacity:.75}"
    "table{border-collapse:collapse;margin:.4rem 0;font-size:.92rem}td,th{border:1px solid "
    "var(--line);padding:.2rem .55rem;"
    "text-align:left;vertical-align:top}nav a{margin-right:.8rem}a{color:var(--accent)}";

/* ---- one route ---- */

static void put_example_value(page *p, const lh_field *field)
{
    switch (field->type) {
    case LH_F_BOOL: PUT(p, "true"); break;
    case LH_F_F64: PUT(p, "0.5"); break;
    case LH_F_STR: PUT(p, "&quot;...&quot;"); break;
    case LH_F_TIME: PUT(p, "&quot;2026-01-31T12:00:00Z&quot;"); break;
    case LH_F_LIST: PUT(p, "[]"); break;
    case LH_F_ENUM:
        PUT(p, "&quot;");
        put_cstr(p, field->names[0]);
        PUT(p, "&quot;");
        break;
    case LH_F_OBJECT:
    case LH_F_MAP_I64:
    case LH_F_MAP_STR: PUT(p, "{}"); break;
    case LH_F_JSON: PUT(p, "null"); break;
    default: put_format(p, "%lld", (long long)LH_MAX(field->min, (int64_t)1)); break;
    }
}

/* The smallest body that is accepted: the required fields. */
static void put_example_body(page *p, const lh_record *record)
{
    int any = 0;
    PUT(p, "{");
    for (const lh_field *field = record->fields; field->name != NULL; field++) {
        if (!(field->flags & LH_FIELD_REQUIRED) || (field->flags & LH_FIELD_READ_ONLY))
            continue;
        if (any++)
            PUT(p, ", ");
        PUT(p, "&quot;");
        put_cstr(p, field->name);
        PUT(p, "&quot;: ");
        put_example_value(p, field);
    }
    PUT(p, "}");
}

static void put_curl(page *p, const lh_route *route)
{
    PUT(p, "<pre>curl");
    if (strcmp(route->method, "GET") != 0) {
        PUT(p, " -X ");
        put_cstr(p, route->method);
    }
    PUT(p, " http://127.0.0.1:3100");
    for (const char *c = route->path; *c != '\0'; c++) { /* {id} reads as ID */
        if (*c != '{') {
            put_text(p, lh_str_n(c, 1));
            continue;
        }
        for (c++; *c != '\0' && *c != '}'; c++)
            if (*c != '*')
                put_format(p, "%c", *c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        if (*c == '\0')
            break;
    }
    if (route->access != LH_ACCESS_PUBLIC)
        PUT(p, " \\\n  -H &quot;Authorization: Bearer $LAKEHOUSE_KEY&quot;");
    if (route->body != NULL) {
        PUT(p, " \\\n  -H &#39;Content-Type: application/json&#39; -d &#39;");
        put_example_body(p, route->body);
        PUT(p, "&#39;");
    } else if (route->flags & LH_ROUTE_STREAM_BODY) {
        PUT(p, " \\\n  --data-binary @FILE");
    }
    PUT(p, "</pre>");
}

static void put_query(page *p, const lh_route *route)
{
    if (route->query == NULL || route->query->name == NULL)
        return;
    PUT(p, "<table><tr><th>query<th>type<th>meaning");
    for (const lh_query_param *param = route->query; param->name != NULL; param++) {
        PUT(p, "<tr><td><code>");
        put_cstr(p, param->name);
        PUT(p, "</code><td>");
        put_cstr(p, param->type != NULL ? param->type : "string");
        PUT(p, "<td>");
        put_cstr(p, param->doc != NULL ? param->doc : "");
    }
    PUT(p, "</table>");
}

static void put_record_link(page *p, const lh_record *record)
{
    PUT(p, "<a href=\"#record-");
    put_cstr(p, record->name);
    PUT(p, "\">");
    put_cstr(p, record->name);
    PUT(p, "</a>");
}

static void put_errors(page *p, const lh_route *route)
{
    lhi_code_set codes;
    if (p->rc != LH_OK)
        return;
    p->rc = lhi_docs_codes(p->cx, route, &codes);
    PUT(p, "<details class=s><summary>errors</summary>");
    for (int i = LH_OK + 1; i < LH_RC_COUNT && p->rc == LH_OK; i++) {
        if (!(codes & (lhi_code_set)1 << i))
            continue;
        put_format(p, "%d ", lh_rc_status((lh_rc)i));
        PUT(p, "<code>");
        put_cstr(p, lh_rc_code((lh_rc)i));
        PUT(p, "</code> ");
    }
    PUT(p, "</details>");
}

static void put_route(page *p, const lh_route *route)
{
    const char *type = lhi_docs_reply_type(route);
    PUT(p, "<h3><span class=m>");
    put_cstr(p, route->method);
    PUT(p, "</span> ");
    put_cstr(p, route->path);
    PUT(p, "</h3><p>");
    put_cstr(p, route->summary != NULL ? route->summary : "");
    PUT(p, " <span class=s>Access: ");
    put_cstr(p, lhi_docs_access_name(route->access));
    PUT(p, ".");
    if (route->body != NULL) {
        PUT(p, " Takes ");
        put_record_link(p, route->body);
        PUT(p, ".");
    }
    put_format(p, " Replies %d", lhi_docs_reply_status(route));
    if (type != NULL) {
        PUT(p, " <code>");
        put_cstr(p, type);
        PUT(p, "</code>");
    }
    if (route->reply != NULL) {
        PUT(p, " ");
        put_record_link(p, route->reply);
    }
    PUT(p, ".</span></p>");
    put_query(p, route);
    put_curl(p, route);
    put_errors(p, route);
}

/* ---- records ---- */

static const char *type_name(lh_field_type type)
{
    static const char *const names[] = {[LH_F_BOOL] = "boolean",
                                        [LH_F_I64] = "integer",
                                        [LH_F_U64] = "integer",
                                        [LH_F_I32] = "integer",
                                        [LH_F_U32] = "integer",
                                        [LH_F_F64] = "number",
                                        [LH_F_STR] = "string",
                                        [LH_F_ENUM] = "one of",
                                        [LH_F_TIME] = "time",
                                        [LH_F_JSON] = "any",
                                        [LH_F_OBJECT] = "object",
                                        [LH_F_LIST] = "list of",
                                        [LH_F_MAP_I64] = "map of integers",
                                        [LH_F_MAP_STR] = "map of strings"};
    return names[type];
}

static void put_field_type(page *p, const lh_field *field)
{
    put_cstr(p, type_name(field->type));
    if (field->type == LH_F_ENUM)
        for (const char *const *name = field->names; *name != NULL; name++) {
            PUT(p, " <code>");
            put_cstr(p, *name);
            PUT(p, "</code>");
        }
    if (field->type == LH_F_LIST && field->item != LH_F_OBJECT)
        put_format(p, " %s", type_name(field->item));
    if (field->record != NULL) {
        PUT(p, " ");
        put_record_link(p, field->record);
    }
}

static void put_record(page *p, const lh_record *record)
{
    PUT(p, "<h3 id=\"record-");
    put_cstr(p, record->name);
    PUT(p, "\">");
    put_cstr(p, record->name);
    PUT(p, "</h3><p>");
    put_cstr(p, record->doc != NULL ? record->doc : "");
    PUT(p, "</p><table><tr><th>field<th>type<th>default<th>meaning");
    for (const lh_field *field = record->fields; field->name != NULL; field++) {
        PUT(p, "<tr><td><code>");
        put_cstr(p, field->name);
        PUT(p, "</code>");
        if (field->flags & LH_FIELD_REQUIRED)
            PUT(p, " *");
        PUT(p, "<td>");
        put_field_type(p, field);
        PUT(p, "<td>");
        put_cstr(p, field->def != NULL ? field->def : "");
        PUT(p, "<td>");
        put_cstr(p, field->doc != NULL ? field->doc : "");
    }
    PUT(p, "</table>");
}

/* ---- the page ---- */

static const char *tag_of(const lh_route *route)
{
    return route->tag != NULL ? route->tag : "other";
}

/* 1 when no earlier row has this tag. */
static int is_first_of_tag(const lhi_row_list *rows, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(tag_of(rows->items[k]), tag_of(rows->items[i])) == 0)
            return 0;
    return 1;
}

static void put_head(page *p, const lhi_row_list *rows, lh_str version)
{
    PUT(p, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
           "content=\"width=device-width\">"
           "<title>Lakehouse API</title><style>");
    put(p, lh_str_n(style, sizeof(style) - 1));
    PUT(p, "</style><h1>Lakehouse API</h1><p class=s>Version ");
    put_text(p, version);
    PUT(p, ". The same for programs: <a href=\"/openapi.json\">openapi.json</a>. Every error is "
           "<code>{&quot;error&quot;:{&quot;code&quot;,&quot;message&quot;,&quot;hint&quot;,&quot;"
           "field&quot;,"
           "&quot;request_id&quot;}}</code>; unknown fields and parameters are errors.</p><nav>");
    for (size_t i = 0; i < rows->count; i++) {
        if (!is_first_of_tag(rows, i))
            continue;
        PUT(p, "<a href=\"#");
        put_cstr(p, tag_of(rows->items[i]));
        PUT(p, "\">");
        put_cstr(p, tag_of(rows->items[i]));
        PUT(p, "</a>");
    }
    PUT(p, "<a href=\"#records\">records</a></nav>");
}

lh_rc lh_docs_page_write(lh_ctx *cx, lh_buf *out, const lh_route *const *tables, lh_str version)
{
    page p = {cx, out, LH_OK};
    lhi_row_list rows;
    lhi_record_list records;
    LH_TRY(lhi_docs_rows(cx, tables, &rows));
    LH_TRY(lhi_docs_records(cx, &rows, &records));
    put_head(&p, &rows, version);
    for (size_t i = 0; i < rows.count; i++) {
        if (!is_first_of_tag(&rows, i))
            continue;
        PUT(&p, "<h2 id=\"");
        put_cstr(&p, tag_of(rows.items[i]));
        PUT(&p, "\">");
        put_cstr(&p, tag_of(rows.items[i]));
        PUT(&p, "</h2>");
        for (size_t k = i; k < rows.count; k++)
            if (strcmp(tag_of(rows.items[k]), tag_of(rows.items[i])) == 0)
                put_route(&p, rows.items[k]);
    }
    PUT(&p, "<h2 id=records>records</h2><p class=s>* is required.</p>");
    for (size_t i = 0; i < records.count; i++)
        put_record(&p, records.items[i]);
    PUT(&p, "</html>\n");
    return p.rc;
}
