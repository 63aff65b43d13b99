/* search/source_rows.c - which rows fulfil a condition, and columns of some rows.
 *
 * The SELECT runs as the principal of the context, so its view of the dataset is the gate's: rows
 * it may not see are not among the ids, columns it may not see are not there. */
#include "search/source_rows_private.h"

#include "base/json_write.h"
#include "catalog/catalog.h"

#include <stdarg.h>
#include <stdio.h>

#define IDS_PER_FETCH 500u

/* ---- ids ---- */

typedef struct id_sink {
    lhi_on_id on_id;
    void *arg;
    lh_buf line;
    lh_ctx scratch;
} id_sink;

static lh_rc take_id(lh_ctx *cx, id_sink *s, lh_str line)
{
    lh_json_reader reader;
    lh_json_token token;
    lh_json_reader_init(&reader, &s->scratch, line, 0, 0);
    lh_rc rc = lh_json_next(&reader, &token); /* { */
    if (rc == LH_OK)
        rc = lh_json_next(&reader, &token); /* "id" */
    if (rc == LH_OK)
        rc = lh_json_next(&reader, &token); /* its value */
    if (rc == LH_OK && token.kind == LH_JSON_STRING)
        rc = s->on_id(&s->scratch, s->arg, token.text);
    if (rc != LH_OK)
        cx->err = s->scratch.err;
    lh_arena_reset(s->scratch.arena);
    return rc;
}

static lh_rc id_data(lh_ctx *cx, void *arg, lh_str bytes)
{
    id_sink *s = arg;
    lh_str rest = bytes;
    while (rest.len > 0) {
        size_t end = lh_str_find_char(rest, '\n');
        LH_TRY(
            lh_buf_append(cx, &s->line, lh_str_sub(rest, 0, end == LH_STR_NPOS ? rest.len : end)));
        if (end == LH_STR_NPOS)
            return LH_OK;
        if (s->line.len > 0)
            LH_TRY(take_id(cx, s, lh_buf_str(&s->line)));
        lh_buf_truncate(&s->line, 0);
        rest = lh_str_from_offset(rest, end + 1);
    }
    return LH_OK;
}

static lh_rc select_ids(lh_ctx *cx, const lhi_source *source, lh_str where, id_sink *s)
{
    lh_pair_i64 commit = {source->dataset, (int64_t)source->commit};
    lh_query_request query = {
        .sql = lh_ctx_fmt(cx, "SELECT CAST(%.*s AS VARCHAR) AS id FROM %.*s%.*s",
                          LH_STR_ARG(lh_sql_ident(cx, source->id_column)),
                          LH_STR_ARG(lh_sql_ident(cx, source->dataset)), LH_STR_ARG(where)),
        .format = LH_SQL_NDJSON,
        .snapshots = {&commit, 1}};
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(4 * LHI_LINE_BYTES_MAX);
    if (!arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "search");
    lh_ctx_init_child(&s->scratch, arena, cx);
    lh_buf_init(&s->line, LHI_LINE_BYTES_MAX);
    lh_query_sink sink = {.data = id_data, .arg = s};
    lh_query_outcome outcome;
    lh_rc rc = lh_query_run(cx, source->query, &query, &sink, &outcome);
    if (rc == LH_OK && s->line.len > 0)
        rc = take_id(cx, s, lh_buf_str(&s->line));
    lh_buf_done(&s->line);
    return rc;
}

lh_rc lhi_source_ids(lh_ctx *cx, const lhi_source *source, lh_str filter, lhi_on_id on_id,
                     void *arg)
{
    lh_str where = LH_S("");
    id_sink s = {.on_id = on_id, .arg = arg};
    if (filter.len > 0) /* on a line of its own: places in errors are those of the filter */
        where = lh_ctx_fmt(cx, " WHERE (\n%.*s\n)", LH_STR_ARG(filter));
    lh_rc rc = select_ids(cx, source, where, &s);
    if (rc != LH_OK && filter.len > 0 && lh_rc_status(rc) < 500) {
        LH_IGNORE(lh_err_field(cx, "filter"));
        if (cx->err.line > 1)
            LH_IGNORE(lh_err_place(cx, cx->err.line - 1, cx->err.column));
    }
    return rc;
}

/* ---- columns of some rows ---- */

static lh_rc rows_sql(lh_ctx *cx, const lhi_source *source, const lh_str_list *columns,
                      const lh_str *ids, size_t count, lh_str *ret_sql)
{
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_SQL_BYTES_MAX);
    lh_str id = lh_sql_ident(cx, source->id_column);
    LH_TRY(lh_buf_printf(cx, &sql, "SELECT CAST(%.*s AS VARCHAR)", LH_STR_ARG(id)));
    for (size_t i = 0; i < columns->count; i++)
        LH_TRY(lh_buf_printf(cx, &sql, ", %.*s", LH_STR_ARG(lh_sql_ident(cx, columns->items[i]))));
    LH_TRY(lh_buf_printf(cx, &sql, " FROM %.*s WHERE CAST(%.*s AS VARCHAR) IN (",
                         LH_STR_ARG(lh_sql_ident(cx, source->dataset)), LH_STR_ARG(id)));
    for (size_t i = 0; i < count; i++)
        LH_TRY(lh_buf_printf(cx, &sql, "%s%.*s", i ? "," : "",
                             LH_STR_ARG(lh_sql_literal(cx, ids[i]))));
    LH_TRY(lh_buf_printf(cx, &sql, ")"));
    *ret_sql = lh_ctx_dup(cx, lh_buf_str(&sql));
    return ret_sql->ptr ? LH_OK : cx->err.rc;
}

static lh_rc collect(lh_ctx *cx, void *arg, lh_str bytes)
{
    return lh_buf_append(cx, arg, bytes);
}

static lh_rc fetch_page(lh_ctx *cx, const lhi_source *source, const lh_str_list *columns,
                        const lh_str *ids, size_t count, lh_str *ret_json)
{
    lh_pair_i64 commit = {source->dataset, (int64_t)source->commit};
    lh_query_request query = {.format = LH_SQL_JSON_ARRAYS, .snapshots = {&commit, 1}};
    LH_TRY(rows_sql(cx, source, columns, ids, count, &query.sql));
    LH_CLEANUP(lh_buf_done) lh_buf rows;
    lh_buf_init(&rows, 64u * 1024u * 1024u);
    LH_TRY(lh_buf_append_char(cx, &rows, '['));
    lh_query_sink sink = {.data = collect, .arg = &rows};
    lh_query_outcome outcome;
    LH_TRY(lh_query_run(cx, source->query, &query, &sink, &outcome));
    LH_TRY(lh_buf_append_char(cx, &rows, ']'));
    *ret_json = lh_ctx_dup(cx, lh_buf_str(&rows));
    return ret_json->ptr ? LH_OK : cx->err.rc;
}

lh_rc lhi_source_rows(lh_ctx *cx, const lhi_source *source, const lh_str_list *columns,
                      const lh_str_list *ids, lhi_on_row on_row, void *arg)
{
    for (size_t at = 0; at < ids->count; at += IDS_PER_FETCH) {
        const lh_json *list;
        lh_str json;
        size_t count = LH_MIN(ids->count - at, (size_t)IDS_PER_FETCH);
        LH_TRY(fetch_page(cx, source, columns, ids->items + at, count, &json));
        LH_TRY(lh_json_parse(cx, json, 0, &list));
        for (const lh_json *row = list->first; row; row = row->next) {
            if (row->count != columns->count + 1)
                return lh_fail(cx, LH_E_INTERNAL, "a row of %zu values for the hits", row->count);
            LH_TRY(on_row(cx, arg, row->first->text, row->first->next));
        }
    }
    return LH_OK;
}

lh_rc lhi_columns_json(lh_ctx *cx, const lh_str_list *names, const lh_json *value, lh_str *ret_json)
{
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, LHI_LINE_BYTES_MAX);
    lh_json_writer w;
    lh_jw_init(&w, cx, &json);
    lh_jw_object_begin(&w);
    for (size_t i = 0; i < names->count && value; value = value->next, i++) {
        lh_jw_key(&w, names->items[i]);
        lh_jw_raw(&w, value->raw);
    }
    lh_jw_object_end(&w);
    LH_TRY(lh_jw_end(&w));
    *ret_json = lh_ctx_dup(cx, lh_buf_str(&json));
    return ret_json->ptr ? LH_OK : cx->err.rc;
}

/* ---- names of columns ---- */

static size_t place_of(const lh_grant *grant, lh_str name)
{
    size_t i = 0;
    while (i < grant->columns_count && !lh_str_eq_nocase(grant->columns[i]->name, name))
        i++;
    return i;
}

const lh_column *lhi_grant_column(const lh_grant *grant, lh_str name)
{
    size_t i = place_of(grant, name);
    return i < grant->columns_count ? grant->columns[i] : NULL;
}

const lh_column *lhi_grant_clear_column(const lh_grant *grant, lh_str name)
{
    size_t i = place_of(grant, name);
    return i < grant->columns_count && !grant->masked[i] ? grant->columns[i] : NULL;
}

lh_rc lhi_unknown_column(lh_ctx *cx, const lh_grant *grant, lh_str name, const char *field, ...)
{
    lh_str near = LH_STR_NONE;
    uint32_t best = 4;
    char place[64];
    va_list args;
    va_start(args, field);
    (void)vsnprintf(place, sizeof place, field, args);
    va_end(args);
    for (size_t i = 0; i < grant->columns_count; i++) {
        uint32_t distance = lh_str_distance(grant->columns[i]->name, name, best);
        if (distance < best) {
            best = distance;
            near = grant->columns[i]->name;
        }
    }
    LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "the dataset has no column '%.*s'",
                      LH_STR_ARG(lh_str_sub(name, 0, lh_utf8_cut(name, 200)))));
    LH_IGNORE(lh_err_field(cx, "%s", place));
    if (near.len > 0)
        return lh_err_hint(cx, "did you mean '%.*s'?", LH_STR_ARG(near));
    return lh_err_hint(cx, "GET /catalog/datasets/by-name/%.*s lists its columns",
                       LH_STR_ARG(lh_snapshot_manifest(grant->snapshot)->name));
}
