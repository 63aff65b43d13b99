/* api/health_routes.c - liveness, readiness, metrics, the API's own description, and the start
 * page. */
#include "api/api_private.h"
#include "base/clock.h"
#include "base/metric.h"
#include "net/docs.h"

static lh_rc health(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    (void)rq;
    return lh_reply_bytes(cx, rp, "application/json", LH_S("{\"status\":\"ok\"}"));
}

typedef struct ready_reply {
    bool ready;
    bool draining;
    bool workers;
    uint64_t datasets;
    lh_str version;
    int64_t uptime_ms;
} ready_reply;
static const lh_field ready_fields[] = {
    LH_FIELD("ready", BOOL, ready_reply, ready, .doc = "Requests are served."),
    LH_FIELD("draining", BOOL, ready_reply, draining, .doc = "The server is stopping."),
    LH_FIELD("workers", BOOL, ready_reply, workers, .doc = "The worker zygote is warm."),
    LH_FIELD("datasets", U64, ready_reply, datasets, .doc = "Datasets loaded."),
    LH_FIELD("version", STR, ready_reply, version, .doc = "Version of the program."),
    LH_FIELD("uptime_ms", I64, ready_reply, uptime_ms,
             .doc = "Time since the start, milliseconds."),
    {0}};
static const lh_record ready_record = {
    .name = "Ready", .size = sizeof(ready_reply), .fields = ready_fields, .doc = "Readiness."};

static lh_rc ready(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_app *app = lhi_app(rq);
    ready_reply reply = {.draining = atomic_load(&app->draining),
                         .workers = lh_pool_ready(app->pool),
                         .datasets = lh_catalog_count(app->catalog),
                         .version = lh_str_from(app->version),
                         .uptime_ms = (lh_clock_real_us() - app->started_at) / 1000};
    reply.ready = atomic_load(&app->ready) && !reply.draining;
    lh_reply_status(rp, reply.ready ? 200 : 503);
    return lh_reply_json(cx, rp, &ready_record, &reply);
}

static lh_rc metrics(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_app *app = lhi_app(rq);
    lh_metric_set(LH_M_CATALOG_DATASETS, (int64_t)lh_catalog_count(app->catalog));
    LH_CLEANUP(lh_buf_done) lh_buf text;
    lh_buf_init(&text, 16u << 20);
    LH_TRY(lh_metric_write_all(cx, &text));
    return lh_reply_bytes(cx, rp, "text/plain; version=0.0.4; charset=utf-8", lh_buf_str(&text));
}

static lh_rc openapi(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, 16u << 20);
    lh_json_writer w;
    lh_jw_init(&w, cx, &json);
    LH_TRY(lh_openapi_write(&w, lh_api_routes, lh_str_from(lhi_app(rq)->version)));
    LH_TRY(lh_jw_end(&w));
    return lh_reply_json_text(cx, rp, lh_buf_str(&json));
}

static lh_rc docs(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    LH_CLEANUP(lh_buf_done) lh_buf html;
    lh_buf_init(&html, 16u << 20);
    LH_TRY(lh_docs_page_write(cx, &html, lh_api_routes, lh_str_from(lhi_app(rq)->version)));
    return lh_reply_bytes(cx, rp, "text/html; charset=utf-8", lh_buf_str(&html));
}

/* ---- the start page ---- */

static lh_rc put_escaped(lh_ctx *cx, lh_buf *html, lh_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        lh_str safe = c == '<'   ? LH_S("&lt;")
                      : c == '>' ? LH_S("&gt;")
                      : c == '&' ? LH_S("&amp;")
                      : c == '"' ? LH_S("&quot;")
                                 : lh_str_n(&text.ptr[i], 1);
        LH_TRY(lh_buf_append(cx, html, safe));
    }
    return LH_OK;
}

static const char page_head[] =
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
    "content='width=device-width'>"
    "<title>Lakehouse</title><style>body{font:16px/1.5 "
    "system-ui,sans-serif;max-width:52rem;margin:3rem auto;padding:0 "
    "1rem;color:#1c2430;background:#fff}h1{margin:0}p.sub{color:#5a6675;margin:.2rem 0 "
    "2rem}table{border-collapse:"
    "collapse;width:100%;margin:.5rem 0 2rem}th,td{text-align:left;padding:.45rem "
    ".6rem;border-bottom:1px solid #e3e8ee}"
    "th{font-weight:600;color:#5a6675}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    "a{"
    "color:#0b5cad}"
    "nav a{margin-right:1.2rem}pre{background:#f4f6f9;padding:.8rem "
    "1rem;overflow:auto;border-radius:6px}"
    "@media(prefers-color-scheme:dark){body{background:#12161c;color:#dfe6ee}th,td{border-color:#"
    "2a323d}"
    "pre{background:#1b222b}a{color:#6db3ff}}</style><h1>Lakehouse</h1>";

static lh_rc put_datasets(lh_ctx *cx, lh_buf *html, lh_snapshot *const *snapshots, size_t count)
{
    LH_TRY(lh_buf_printf(cx, html, "<h2>Datasets</h2>"));
    if (count == 0)
        return lh_buf_printf(
            cx, html,
            "<p>None yet. Drop a CSV, JSON, Parquet or text file into the inbox, or upload one:"
            "</p><pre>lakehouse ingest FILE</pre>");
    LH_TRY(lh_buf_printf(cx, html,
                         "<table><tr><th>name<th class=n>rows<th class=n>columns<th "
                         "class=n>commit<th>changed (UTC)"));
    for (size_t i = 0; i < count; i++) {
        const lh_manifest *m = lh_snapshot_manifest(snapshots[i]);
        char time[LH_TIME_TEXT_BYTES];
        LH_TRY(lh_buf_printf(cx, html, "<tr><td>"));
        LH_TRY(put_escaped(cx, html, m->name));
        LH_TRY(lh_buf_printf(cx, html, "<td class=n>%llu<td class=n>%zu<td class=n>%llu<td>%.19s",
                             (unsigned long long)m->row_count,
                             lh_manifest_current(m)->columns.count, (unsigned long long)m->commit,
                             lh_time_text(m->committed_at, time).ptr));
    }
    return lh_buf_printf(cx, html, "</table>");
}

static lh_rc put_indexes(lh_ctx *cx, lh_buf *html, const lh_index_meta *items, size_t count)
{
    if (count == 0)
        return LH_OK;
    LH_TRY(lh_buf_printf(
        cx, html,
        "<h2>Vector indexes</h2><table><tr><th>name<th>dataset<th class=n>chunks<th>model"));
    for (size_t i = 0; i < count; i++) {
        LH_TRY(lh_buf_printf(cx, html, "<tr><td>"));
        LH_TRY(put_escaped(cx, html, items[i].index_name));
        LH_TRY(lh_buf_printf(cx, html, "<td>"));
        LH_TRY(put_escaped(cx, html, items[i].source));
        LH_TRY(
            lh_buf_printf(cx, html, "<td class=n>%llu<td>", (unsigned long long)items[i].chunks));
        LH_TRY(put_escaped(cx, html, items[i].model_name));
    }
    return lh_buf_printf(cx, html, "</table>");
}

static lh_rc put_page(lh_ctx *cx, lh_app *app, lh_buf *html, lh_snapshot *const *snapshots,
                      size_t count)
{
    LH_TRY(lh_buf_printf(
        cx, html,
        "%s<p class=sub>version %s</p><nav><a href=/docs>API reference</a>"
        "<a href=/openapi.json>OpenAPI</a><a href=/metrics>Metrics</a><a href=/ready>Readiness"
        "</a></nav>",
        page_head, app->version));
    if (app->auth_on && !cx->principal)
        return lh_buf_printf(
            cx, html,
            "<p>This server asks for a key; what it holds is shown to those who have one.</p>");
    LH_TRY(put_datasets(cx, html, snapshots, count));
    lh_index_meta *indexes;
    size_t indexes_count;
    LH_TRY(lh_search_list(cx, app->search, LH_STR_NONE, LH_STR_NONE, &indexes, &indexes_count));
    LH_TRY(put_indexes(cx, html, indexes, indexes_count));
    return lh_buf_printf(
        cx, html,
        "<h2>Try</h2><pre>lakehouse sql \"SELECT * FROM &lt;dataset&gt; LIMIT 5\"\n"
        "lakehouse ingest FILE\n"
        "lakehouse index DATASET --id ID --text TEXT\n"
        "lakehouse search INDEX \"what you look for\"</pre>");
}

static lh_rc start_page(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_app *app = lhi_app(rq);
    LH_CLEANUP(lh_catalog_page_done) lh_catalog_page page = {0};
    LH_CLEANUP(lh_buf_done) lh_buf html;
    lh_buf_init(&html, 4u << 20);
    LH_TRY(lh_catalog_list(cx, app->catalog, LH_STR_NONE, 1000, &page));
    LH_TRY(put_page(cx, app, &html, page.items, page.count));
    return lh_reply_bytes(cx, rp, "text/html; charset=utf-8", lh_buf_str(&html));
}

const lh_route lh_health_routes[] = {{.method = "GET",
                                      .path = "/",
                                      .handler = start_page,
                                      .access = LH_ACCESS_PUBLIC,
                                      .reply_type = "text/html",
                                      .tag = "server",
                                      .summary = "Start page: what is loaded, and where to go."},
                                     {.method = "GET",
                                      .path = "/health",
                                      .handler = health,
                                      .access = LH_ACCESS_PUBLIC,
                                      .flags = LH_ROUTE_INLINE | LH_ROUTE_DRAIN_OK,
                                      .tag = "server",
                                      .summary = "Say that the process lives."},
                                     {.method = "GET",
                                      .path = "/ready",
                                      .handler = ready,
                                      .access = LH_ACCESS_PUBLIC,
                                      .flags = LH_ROUTE_DRAIN_OK,
                                      .reply = &ready_record,
                                      .errors = "unavailable",
                                      .tag = "server",
                                      .summary = "Say whether requests are served; 503 when not."},
                                     {.method = "GET",
                                      .path = "/metrics",
                                      .handler = metrics,
                                      .access = LH_ACCESS_PUBLIC,
                                      .flags = LH_ROUTE_DRAIN_OK,
                                      .reply_type = "text/plain",
                                      .tag = "server",
                                      .summary = "Metrics as Prometheus text."},
                                     {.method = "GET",
                                      .path = "/openapi.json",
                                      .handler = openapi,
                                      .access = LH_ACCESS_PUBLIC,
                                      .tag = "server",
                                      .summary = "This API as an OpenAPI 3.1 document."},
                                     {.method = "GET",
                                      .path = "/docs",
                                      .handler = docs,
                                      .access = LH_ACCESS_PUBLIC,
                                      .reply_type = "text/html",
                                      .tag = "server",
                                      .summary = "This API as a page to read."},
                                     {0}};
