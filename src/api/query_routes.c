/* api/query_routes.c - SQL: run, list, cancel.
 *
 * The head of a JSON reply waits for the first rows, so that a statement that fails early gets its
 * 4xx. After that a failure cuts the connection: a client can tell, because the JSON, the chunked
 * body or the Arrow stream is not closed. */
#include "api/api_private.h"
#include "base/clock.h"

typedef struct sql_request {
    lh_str sql;
    lh_str params;
    int64_t limit;
    int64_t timeout_ms;
    int format;
    lh_list snapshot;
    int64_t as_of;
    lh_str cursor;
    uint64_t present;
} sql_request;

#define LIMIT_MAX 1000000000000ll
static const lh_field sql_fields[] = {
    LH_FIELD("sql", STR, sql_request, sql, .flags = LH_FIELD_REQUIRED, .max = LH_SQL_BYTES_MAX,
             .doc = "One SELECT (or EXPLAIN of one), in DuckDB's dialect."),
    LH_FIELD("params", JSON, sql_request, params, .doc = "Array for ? and $1, object for $name."),
    LH_FIELD("limit", I64, sql_request, limit, .min = 0, .max = LIMIT_MAX,
             .doc = "Rows at most, 0 = all; 10,000 by default for json and json_arrays, all for "
                    "the others."),
    LH_FIELD("timeout_ms", I64, sql_request, timeout_ms, .min = 1, .max = 86400000, .def = "30000",
             .doc = "Deadline of the query, milliseconds."),
    LH_FIELD("format", ENUM, sql_request, format, .names = lh_sql_format_names,
             .doc = "Form of the result; the Accept header does the same."),
    LH_FIELD("snapshot", MAP_I64, sql_request, snapshot,
             .doc = "Commits to read, by dataset; others at their current one."),
    LH_FIELD("as_of", TIME, sql_request, as_of,
             .doc = "Read every dataset as it was at this time."),
    LH_FIELD("cursor", STR, sql_request, cursor,
             .doc = "next_cursor of the page before, with the same sql and params."),
    {0}};
static const lh_record sql_record = {.name = "SqlRequest",
                                     .size = sizeof(sql_request),
                                     .fields = sql_fields,
                                     .doc = "A query.",
                                     .present_offset = offsetof(sql_request, present)};
enum { FIELD_LIMIT = 1u << 2, FIELD_FORMAT = 1u << 4 };

/* Only for the docs: the reply is streamed. */
typedef struct sql_column {
    lh_str name;
    lh_str type;
} sql_column;
typedef struct sql_reply {
    lh_list columns;
    lh_str rows;
    uint64_t row_count;
    bool truncated;
    lh_str next_cursor;
    lh_str query_id;
    int64_t took_ms;
    lh_list snapshots;
} sql_reply;
static const lh_field column_fields[] = {
    LH_FIELD("name", STR, sql_column, name, .doc = "Name of the column."),
    LH_FIELD("type", STR, sql_column, type, .doc = "SQL type."),
    {0}};
static const lh_record column_record = {.name = "SqlColumn",
                                        .size = sizeof(sql_column),
                                        .fields = column_fields,
                                        .doc = "Column of a result."};
static const lh_field reply_fields[] = {
    LH_FIELD("columns", LIST, sql_reply, columns, .item = LH_F_OBJECT, .record = &column_record,
             .doc = "Columns."),
    LH_FIELD("rows", JSON, sql_reply, rows, .doc = "Rows: objects (json) or arrays (json_arrays)."),
    LH_FIELD("row_count", U64, sql_reply, row_count, .doc = "Rows in this reply."),
    LH_FIELD("truncated", BOOL, sql_reply, truncated, .doc = "There are more rows than the limit."),
    LH_FIELD("next_cursor", STR, sql_reply, next_cursor, .flags = LH_FIELD_NULL_EMPTY,
             .doc = "Send it as cursor for the next rows; null at the end."),
    LH_FIELD("query_id", STR, sql_reply, query_id, .doc = "Id of the query."),
    LH_FIELD("took_ms", I64, sql_reply, took_ms, .doc = "Time, milliseconds."),
    LH_FIELD("snapshots", MAP_I64, sql_reply, snapshots,
             .doc = "Commit that was read, by dataset."),
    {0}};
static const lh_record reply_record = {.name = "SqlReply",
                                       .size = sizeof(sql_reply),
                                       .fields = reply_fields,
                                       .doc = "Result of a query."};

LHI_LIST_RECORD(query_list, "QueryList", lh_query_info_record, "Queries.");

static const char *const content_types[] = {[LH_SQL_JSON] = "application/json",
                                            [LH_SQL_JSON_ARRAYS] = "application/json",
                                            [LH_SQL_NDJSON] = "application/x-ndjson",
                                            [LH_SQL_CSV] = "text/csv; charset=utf-8",
                                            [LH_SQL_ARROW] = "application/vnd.apache.arrow.stream"};

typedef struct stream {
    lh_reply *rp;
    int format;
    lh_str query_id;
    lh_str columns_json;
} stream;

static int is_json(int format)
{
    return format == LH_SQL_JSON || format == LH_SQL_JSON_ARRAYS;
}

static lh_rc on_head(lh_ctx *cx, void *arg, lh_str query_id, lh_str columns_json)
{
    stream *s = arg;
    s->query_id = lh_ctx_dup(cx, query_id);
    s->columns_json = lh_ctx_dup(cx, columns_json);
    return s->columns_json.ptr ? LH_OK : cx->err.rc;
}

static lh_rc begin(lh_ctx *cx, stream *s)
{
    if (lh_reply_started(s->rp))
        return LH_OK;
    LH_TRY(lh_reply_header(cx, s->rp, "X-Query-Id", s->query_id));
    LH_TRY(lh_reply_stream(cx, s->rp, content_types[s->format]));
    if (!is_json(s->format))
        return LH_OK;
    LH_TRY(lh_reply_write(cx, s->rp, LH_S("{\"columns\":")));
    LH_TRY(lh_reply_write(cx, s->rp, s->columns_json));
    return lh_reply_write(cx, s->rp, LH_S(",\"rows\":["));
}

static lh_rc on_data(lh_ctx *cx, void *arg, lh_str bytes)
{
    stream *s = arg;
    LH_TRY(begin(cx, s));
    return lh_reply_write(cx, s->rp, bytes);
}

static lh_rc write_tail(lh_ctx *cx, stream *s, const lh_query_request *query,
                        const lh_query_outcome *outcome)
{
    lh_str cursor = LH_STR_NONE;
    if (outcome->truncated)
        LH_TRY(lh_query_cursor_write(cx, query, outcome, &cursor));
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, 1u << 20);
    lh_json_writer w;
    lh_jw_init(&w, cx, &json);
    lh_jw_object_begin(&w);
    lh_jw_kv_u64(&w, LH_S("row_count"), outcome->rows);
    lh_jw_kv_bool(&w, LH_S("truncated"), outcome->truncated);
    if (cursor.len > 0)
        lh_jw_kv_str(&w, LH_S("next_cursor"), cursor);
    else
        lh_jw_kv_null(&w, LH_S("next_cursor"));
    lh_jw_kv_str(&w, LH_S("query_id"), outcome->query_id);
    lh_jw_kv_i64(&w, LH_S("took_ms"), outcome->took_us / 1000);
    lh_jw_key(&w, LH_S("snapshots"));
    lh_jw_object_begin(&w);
    const lh_pair_i64 *pairs = outcome->snapshots.items;
    for (size_t i = 0; i < outcome->snapshots.count; i++)
        lh_jw_kv_i64(&w, pairs[i].key, pairs[i].value);
    lh_jw_object_end(&w);
    lh_jw_object_end(&w);
    LH_TRY(lh_jw_end(&w));
    LH_TRY(lh_reply_write(cx, s->rp, LH_S("],")));
    return lh_reply_write(cx, s->rp, lh_str_from_offset(lh_buf_str(&json), 1)); /* without its { */
}

/* The format of the body wins, else what Accept likes best. A client that accepts none of ours gets
 * JSON, as it gets errors: there is no 406 (contract, A3). */
static void choose_format(const lh_request *rq, const sql_request *request, lh_query_request *query)
{
    static const char *const types[] = {"application/json", "application/x-ndjson",
                                        "application/ndjson", "text/csv",
                                        "application/vnd.apache.arrow.stream"};
    static const int formats[] = {LH_SQL_JSON, LH_SQL_NDJSON, LH_SQL_NDJSON,
                                  LH_SQL_CSV,  LH_SQL_ARROW,  LH_SQL_JSON};
    query->format = request->present & FIELD_FORMAT
                        ? request->format
                        : formats[lh_request_prefers(rq, types, LH_ARRAY_LEN(types))];
}

static lh_rc run_stream(lh_ctx *cx, lh_request *rq, lh_reply *rp, lh_query_request *query)
{
    lh_str big_ints = lh_request_query(rq, "big_ints");
    if (big_ints.len > 0 && !lh_str_eq(big_ints, LH_S("string")) &&
        !lh_str_eq(big_ints, LH_S("number"))) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "big_ints is string or number"));
        return lh_err_field(cx, "big_ints");
    }
    query->big_ints_as_text = lh_str_eq(big_ints, LH_S("string"));
    stream s = {.rp = rp, .format = query->format};
    lh_query_sink sink = {on_head, on_data, &s};
    lh_query_outcome outcome;
    LH_TRY(lh_query_run(cx, lhi_app(rq)->query, query, &sink, &outcome));
    LH_TRY(begin(cx, &s));
    return is_json(query->format) ? write_tail(cx, &s, query, &outcome) : LH_OK;
}

static lh_rc query_sql(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    sql_request request;
    LH_TRY(lh_request_json(cx, rq, &request));
    lh_query_request query = {.sql = request.sql,
                              .params = request.params,
                              .limit = (uint64_t)request.limit,
                              .timeout_us = request.timeout_ms * 1000,
                              .snapshots = request.snapshot,
                              .as_of_us = request.as_of};
    choose_format(rq, &request, &query);
    if (!(request.present & FIELD_LIMIT) && is_json(query.format))
        query.limit = lhi_app(rq)->query_rows_default;
    if (request.cursor.len > 0)
        LH_TRY(lh_query_cursor_apply(cx, request.cursor, &query));
    cx->deadline_us =
        LH_MAX(cx->deadline_us,
               lh_clock_mono_us() + query.timeout_us); /* the query's own deadline rules */
    return run_stream(cx, rq, rp, &query);
}

static lh_rc dataset_preview(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    int64_t limit;
    LH_TRY(lh_request_query_i64(cx, rq, "limit", 20, 1, 1000, &limit));
    lh_query_request query = {.limit = (uint64_t)limit, .format = LH_SQL_JSON};
    lh_str name = lh_request_param(rq, "name");
    LH_TRY(lh_dataset_check_name(cx, name));
    query.sql = lh_ctx_fmt(cx, "SELECT * FROM %.*s", LH_STR_ARG(lh_sql_ident(cx, name)));
    return run_stream(cx, rq, rp, &query);
}

static lh_rc list_queries(lh_ctx *cx, lh_request *rq, lh_reply *rp, int running_only)
{
    lh_query_info *items;
    size_t count;
    LH_TRY(lh_query_list(cx, lhi_app(rq)->query, running_only, &items, &count));
    lhi_list_reply reply = {.items = {items, count}};
    return lh_reply_json(cx, rp, &query_list, &reply);
}

static lh_rc query_running(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    return list_queries(cx, rq, rp, 1);
}

static lh_rc query_recent(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    return list_queries(cx, rq, rp, 0);
}

static lh_rc query_cancel(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    LH_TRY(lh_query_cancel(cx, lhi_app(rq)->query, lh_request_param(rq, "query_id")));
    return lh_reply_json_text(cx, rp, LH_S("{\"cancelled\":true}"));
}

static const lh_query_param sql_params[] = {
    {"big_ints", "string",
     "string: integers beyond 2^53 come as text; number (default): as numbers."},
    {0}};
static const lh_query_param preview_params[] = {
    {"limit", "integer", "Rows, 1 to 1,000; 20 by default."},
    {"big_ints", "string", "As for /query/sql."},
    {0}};

#define SQL_ERRORS                                                                                 \
    "sql_syntax sql_invalid sql_denied unknown_dataset memory_limit worker_crashed pool_full "     \
    "no_space"

const lh_route lh_query_routes[] = {{.method = "POST",
                                     .path = "/query/sql",
                                     .handler = query_sql,
                                     .access = LH_ACCESS_READ,
                                     .body_max_bytes = 4u << 20,
                                     .body = &sql_record,
                                     .reply = &reply_record,
                                     .query = sql_params,
                                     .errors = SQL_ERRORS,
                                     .tag = "query",
                                     .summary = "Run one SELECT; the result is streamed."},
                                    {.method = "GET",
                                     .path = "/query/running",
                                     .handler = query_running,
                                     .access = LH_ACCESS_READ,
                                     .reply = &query_list,
                                     .tag = "query",
                                     .summary = "List the queries that run now."},
                                    {.method = "GET",
                                     .path = "/query/recent",
                                     .handler = query_recent,
                                     .access = LH_ACCESS_READ,
                                     .reply = &query_list,
                                     .tag = "query",
                                     .summary = "List running and recent queries with their cost."},
                                    {.method = "DELETE",
                                     .path = "/query/{query_id}",
                                     .handler = query_cancel,
                                     .access = LH_ACCESS_WRITE,
                                     .errors = "not_found",
                                     .tag = "query",
                                     .summary = "Cancel a running query."},
                                    {.method = "GET",
                                     .path = "/catalog/datasets/by-name/{name}/preview",
                                     .handler = dataset_preview,
                                     .access = LH_ACCESS_READ,
                                     .reply = &reply_record,
                                     .query = preview_params,
                                     .errors = SQL_ERRORS,
                                     .tag = "catalog",
                                     .summary = "Show the first rows of a dataset."},
                                    {0}};
