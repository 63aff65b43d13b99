/* search/search_run.c - one search: vector of the question, bitmap of the rows that may answer,
 * hits, asked columns.
 *
 * The bitmap is made before the search: by the filter and, where the principal may not see every
 * row, by the policy's view (the SELECT for ids runs under it). When the dataset changed since the
 * index was built, ids that are gone from it are dropped the same way, so an old index never shows
 * a row that is no longer there. */
#include "base/clock.h"
#include "base/metric.h"
#include "search/search_private.h"

#define LINE_BYTES_MAX (8u * 1024u * 1024u)

typedef struct search_run {
    lh_search *search;
    const lh_search_request *request;
    lhi_generation *generation;
    lh_snapshot *snapshot;
    lh_grant grant;
    lhi_filter_rows *rows; /* NULL: every row may answer */
    const char *filter;    /* where they come from */
    lh_str columns_json;   /* of the hits, by order of hits */
} search_run;

/* ---- ids that may answer ---- */

typedef struct id_sink {
    search_run *run;
    lh_buf line;
    lh_ctx scratch;
} id_sink;

static void mark(void *arg, uint64_t row)
{
    lh_bitmap_set(arg, row);
}

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
        rc = lh_chunk_store_find(&s->scratch, &s->run->generation->chunks, token.text, mark,
                                 &s->run->rows->bitmap);
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

static lh_rc select_ids(lh_ctx *cx, search_run *r, lh_str where)
{
    const lh_index_meta *meta = &r->generation->meta;
    lh_pair_i64 commit = {meta->source, (int64_t)lh_snapshot_manifest(r->snapshot)->commit};
    lh_query_request query = {
        .sql = lh_ctx_fmt(cx, "SELECT CAST(%.*s AS VARCHAR) AS id FROM %.*s%.*s",
                          LH_STR_ARG(lh_sql_ident(cx, meta->id_column)),
                          LH_STR_ARG(lh_sql_ident(cx, meta->source)), LH_STR_ARG(where)),
        .format = LH_SQL_NDJSON,
        .snapshots = {&commit, 1}};
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(4 * LINE_BYTES_MAX);
    if (!arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "search");
    id_sink s = {.run = r};
    lh_ctx_init_child(&s.scratch, arena, cx);
    lh_buf_init(&s.line, LINE_BYTES_MAX);
    lh_query_sink sink = {.data = id_data, .arg = &s};
    lh_query_outcome outcome;
    lh_rc rc = lh_query_run(cx, r->search->parts.query, &query, &sink, &outcome);
    if (rc == LH_OK && s.line.len > 0)
        rc = take_id(cx, &s, lh_buf_str(&s.line));
    lh_buf_done(&s.line);
    return rc;
}

static int data_changed(const search_run *r)
{
    const lh_manifest *manifest = lh_snapshot_manifest(r->snapshot);
    const lh_data_file *files = manifest->files.items;
    uint64_t rows = 0;
    for (size_t i = 0; i < manifest->files.count; i++) {
        rows += files[i].rows;
        if (files[i].sequence > r->generation->meta.source_commit)
            return 1;
    }
    return rows != r->generation->meta.rows;
}

/* All that the rows depend on; texts are told apart by their lengths. */
static lh_str filter_key(lh_ctx *cx, const search_run *r)
{
    const lh_index_meta *meta = &r->generation->meta;
    lh_str domain = cx->principal ? cx->principal->domain : LH_STR_NONE;
    return lh_ctx_fmt(cx, "%zu:%.*s %zu:%.*s %zu:%.*s %zu:%.*s %.*s", meta->index_name.len,
                      LH_STR_ARG(meta->index_name), meta->generation.len,
                      LH_STR_ARG(meta->generation), r->grant.version.len,
                      LH_STR_ARG(r->grant.version), domain.len, LH_STR_ARG(domain),
                      LH_STR_ARG(r->request->filter));
}

static lh_rc compute_rows(lh_ctx *cx, search_run *r)
{
    lh_str filter = r->request->filter;
    lh_str where = LH_S("");
    r->filter = "computed";
    LH_TRY(lhi_filter_rows_new(cx, r->generation->chunks.count, &r->rows));
    if (filter.len > 0) /* on a line of its own: places in errors are those of the filter */
        where = lh_ctx_fmt(cx, " WHERE (\n%.*s\n)", LH_STR_ARG(filter));
    lh_rc rc = select_ids(cx, r, where);
    if (rc != LH_OK && filter.len > 0 && lh_rc_status(rc) < 500) {
        LH_IGNORE(lh_err_field(cx, "filter"));
        if (cx->err.line > 1)
            LH_IGNORE(lh_err_place(cx, cx->err.line - 1, cx->err.column));
    }
    LH_TRY(rc);
    for (uint64_t i = 0; i <= r->rows->bitmap.rows / 64; i++)
        r->rows->count += (uint64_t)__builtin_popcountll(r->rows->bitmap.words[i]);
    return LH_OK;
}

static lh_rc choose_rows(lh_ctx *cx, search_run *r)
{
    lh_str filter = r->request->filter;
    lhi_filter_cache *cache = r->search->filters;
    r->filter = "none";
    if (filter.len > 0)
        LH_TRY(lh_sql_check_condition(cx, filter));
    if (filter.len == 0 && r->grant.all_rows && !data_changed(r))
        return LH_OK;
    if (!lhi_filter_is_stable(filter))
        return compute_rows(cx, r);
    lh_str key = filter_key(cx, r);
    if (!key.ptr)
        return cx->err.rc;
    r->filter = "cached";
    r->rows = lhi_filter_cache_find(cache, key);
    if (r->rows)
        return LH_OK;
    LH_TRY(compute_rows(cx, r));
    lhi_filter_cache_put(cache, key, r->rows);
    return LH_OK;
}

/* ---- the question ---- */

static lh_rc query_vector(lh_ctx *cx, search_run *r, float *out)
{
    const lh_index_meta *meta = &r->generation->meta;
    const lh_search_request *rq = r->request;
    if ((rq->query.len > 0) == (rq->vector.count > 0)) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE,
                          rq->query.len ? "query and vector were both sent"
                                        : "neither query nor vector was sent"));
        LH_IGNORE(lh_err_field(cx, "query"));
        return lh_err_hint(cx, "send either the words to look for as query, or a vector");
    }
    if (rq->vector.count > 0) {
        const double *values = rq->vector.items;
        if (rq->vector.count != meta->dimensions) {
            LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "a vector of %zu dimensions, the index has %u",
                              rq->vector.count, meta->dimensions));
            return lh_err_field(cx, "vector");
        }
        for (uint32_t i = 0; i < meta->dimensions; i++)
            out[i] = (float)values[i];
        return LH_OK;
    }
    lh_embedder_model model;
    LH_TRY(lh_embedder_describe(cx, r->search->parts.embedder, meta->precision, &model));
    if (!lhi_same_kind(&model, meta)) {
        LH_IGNORE(lh_fail(cx, LH_E_CONFLICT,
                          "the index was built with model '%.*s' %.*s, this server has '%s' %s %s",
                          LH_STR_ARG(meta->model_name), LH_STR_ARG(meta->model_version), model.name,
                          model.precision, model.kernel));
        return lh_err_hint(cx,
                           "refresh the index (POST /vectors/refresh/%.*s), which embeds it "
                           "anew, or send a vector of its own model",
                           LH_STR_ARG(meta->source));
    }
    lh_embed_request ask = {.texts = &rq->query,
                            .count = 1,
                            .precision = meta->precision,
                            .purpose = LH_EMBED_AS_QUERY,
                            .lane = LH_EMBED_INTERACTIVE,
                            .out = out};
    return lh_embedder_embed(cx, r->search->parts.embedder, &ask);
}

/* ---- columns of the hits ---- */

static const lh_column *visible(const search_run *r, lh_str name)
{
    for (size_t i = 0; i < r->grant.columns_count; i++) {
        if (lh_str_eq_nocase(r->grant.columns[i]->name, name))
            return r->grant.columns[i];
    }
    return NULL;
}

static lh_rc no_column(lh_ctx *cx, const search_run *r, lh_str name, size_t place)
{
    lh_str near = LH_STR_NONE;
    uint32_t best = 4;
    for (size_t i = 0; i < r->grant.columns_count; i++) {
        uint32_t distance = lh_str_distance(name, r->grant.columns[i]->name, best);
        if (distance < best) {
            best = distance;
            near = r->grant.columns[i]->name;
        }
    }
    LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "the dataset has no column '%.*s'",
                      LH_STR_ARG(lh_str_sub(name, 0, lh_utf8_cut(name, 200)))));
    LH_IGNORE(lh_err_field(cx, "columns[%zu]", place));
    if (near.len > 0)
        return lh_err_hint(cx, "Did you mean '%.*s'?", LH_STR_ARG(near));
    return lh_err_hint(cx, "GET /catalog/datasets/by-name/%.*s lists its columns",
                       LH_STR_ARG(r->generation->meta.source));
}

/* Before the search, so that a request which cannot be answered costs nothing. */
static lh_rc check_columns(lh_ctx *cx, const search_run *r)
{
    const lh_str *names = r->request->columns.items;
    for (size_t i = 0; i < r->request->columns.count; i++) {
        if (!visible(r, names[i]))
            return no_column(cx, r, names[i], i);
    }
    return LH_OK;
}

static lh_rc columns_sql(lh_ctx *cx, search_run *r, const lh_search_hit *hits, size_t count,
                         lh_str *ret_sql)
{
    const lh_str *names = r->request->columns.items;
    const lh_index_meta *meta = &r->generation->meta;
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_SQL_BYTES_MAX);
    lh_str id = lh_sql_ident(cx, meta->id_column);
    LH_TRY(lh_buf_printf(cx, &sql, "SELECT CAST(%.*s AS VARCHAR)", LH_STR_ARG(id)));
    for (size_t i = 0; i < r->request->columns.count; i++) {
        LH_TRY(lh_buf_printf(cx, &sql, ", %.*s", LH_STR_ARG(lh_sql_ident(cx, names[i]))));
    }
    LH_TRY(lh_buf_printf(cx, &sql, " FROM %.*s WHERE CAST(%.*s AS VARCHAR) IN (",
                         LH_STR_ARG(lh_sql_ident(cx, meta->source)), LH_STR_ARG(id)));
    for (size_t i = 0; i < count; i++)
        LH_TRY(lh_buf_printf(cx, &sql, "%s%.*s", i ? "," : "",
                             LH_STR_ARG(lh_sql_literal(cx, hits[i].id))));
    LH_TRY(lh_buf_printf(cx, &sql, ")"));
    *ret_sql = lh_ctx_dup(cx, lh_buf_str(&sql));
    return ret_sql->ptr ? LH_OK : cx->err.rc;
}

static lh_rc collect(lh_ctx *cx, void *arg, lh_str bytes)
{
    return lh_buf_append(cx, arg, bytes);
}

/* [id, value, ...] -> {"name": value, ...} for every hit of that id; the first row of an id
 * counts. */
static lh_rc give_columns(lh_ctx *cx, search_run *r, const lh_json *row, lh_search_hit *hits,
                          size_t count)
{
    const lh_str *names = r->request->columns.items;
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, LINE_BYTES_MAX);
    lh_json_writer w;
    lh_jw_init(&w, cx, &json);
    lh_jw_object_begin(&w);
    size_t i = 0;
    for (const lh_json *value = row->first->next; value; value = value->next, i++) {
        lh_jw_key(&w, names[i]);
        lh_jw_raw(&w, value->raw);
    }
    lh_jw_object_end(&w);
    LH_TRY(lh_jw_end(&w));
    for (size_t h = 0; h < count; h++) {
        if (hits[h].columns.len == 0 && lh_str_eq(hits[h].id, row->first->text))
            hits[h].columns = lh_ctx_dup(cx, lh_buf_str(&json));
    }
    return LH_OK;
}

static lh_rc fetch_page(lh_ctx *cx, search_run *r, lh_search_hit *hits, size_t count)
{
    lh_pair_i64 commit = {r->generation->meta.source,
                          (int64_t)lh_snapshot_manifest(r->snapshot)->commit};
    lh_query_request query = {.format = LH_SQL_JSON_ARRAYS, .snapshots = {&commit, 1}};
    LH_TRY(columns_sql(cx, r, hits, count, &query.sql));
    LH_CLEANUP(lh_buf_done) lh_buf rows;
    lh_buf_init(&rows, 64u * 1024u * 1024u);
    LH_TRY(lh_buf_append_char(cx, &rows, '['));
    lh_query_sink sink = {.data = collect, .arg = &rows};
    lh_query_outcome outcome;
    LH_TRY(lh_query_run(cx, r->search->parts.query, &query, &sink, &outcome));
    LH_TRY(lh_buf_append_char(cx, &rows, ']'));
    const lh_json *list;
    LH_TRY(lh_json_parse(cx, lh_ctx_dup(cx, lh_buf_str(&rows)), 0, &list));
    for (const lh_json *row = list->first; row; row = row->next) {
        if (row->count != r->request->columns.count + 1)
            return lh_fail(cx, LH_E_INTERNAL, "a row of %zu values for the hits", row->count);
        LH_TRY(give_columns(cx, r, row, hits, count));
    }
    return LH_OK;
}

#define HITS_PER_FETCH 500u

static lh_rc fetch_columns(lh_ctx *cx, search_run *r, lh_search_hit *hits, size_t count)
{
    if (r->request->columns.count == 0)
        return LH_OK;
    for (size_t at = 0; at < count; at += HITS_PER_FETCH)
        LH_TRY(fetch_page(cx, r, hits + at, LH_MIN(count - at, (size_t)HITS_PER_FETCH)));
    return LH_OK;
}

/* ---- all of it ---- */

static lh_rc make_hits(lh_ctx *cx, search_run *r, const lh_vector_hit *found, uint32_t count,
                       lh_search_hit *hits)
{
    int text_visible = visible(r, r->generation->meta.text_column) != NULL;
    for (uint32_t i = 0; i < count; i++) {
        lh_chunk_row row;
        LH_TRY(lh_chunk_store_get(cx, &r->generation->chunks, found[i].row, &row));
        hits[i] =
            (lh_search_hit){.id = lh_ctx_dup(cx, row.id),
                            .chunk_no = row.chunk_no,
                            .score = (double)found[i].score,
                            .text = text_visible ? lh_ctx_dup(cx, row.text) : LH_STR_NONE,
                            .columns = r->request->columns.count == 0 ? LH_S("{}") : LH_STR_NONE};
        if (!hits[i].id.ptr)
            return cx->err.rc;
    }
    return LH_OK;
}

/* What the request says, else what is configured. Effort and recall exclude each other. */
static lh_vector_query vector_query(const search_run *r, const float *vector)
{
    const lh_search_settings *s = &r->search->parts.settings;
    const lh_search_request *rq = r->request;
    lh_vector_query query = {.vector = vector,
                             .k = rq->k,
                             .filter = r->rows ? &r->rows->bitmap : NULL,
                             .ef_search = rq->ef_search,
                             .recall = (float)rq->recall};
    if (rq->ef_search == 0 && rq->recall == 0) {
        query.ef_search = s->ef_search;
        query.recall = (float)s->recall;
    }
    return query;
}

static lh_rc run_on_generation(lh_ctx *cx, search_run *r, lh_search_result *ret_result)
{
    const lh_index_meta *meta = &r->generation->meta;
    LH_TRY(lh_catalog_get(cx, r->search->parts.catalog, meta->source, 0, 0, &r->snapshot));
    LH_TRY(lh_policy_grant(cx, r->search->parts.policy, cx->principal, r->snapshot, &r->grant));
    LH_TRY(check_columns(cx, r));
    float *vector = LH_NEW_ARRAY(cx, float, meta->dimensions);
    lh_vector_hit *found = LH_NEW_ARRAY(cx, lh_vector_hit, r->request->k);
    lh_search_hit *hits = LH_NEW_ARRAY(cx, lh_search_hit, r->request->k);
    if (!vector || !found || !hits)
        return cx->err.rc;
    LH_TRY(query_vector(cx, r, vector));
    LH_TRY(choose_rows(cx, r));
    lh_vector_search_stats stats;
    uint32_t count;
    lh_vector_query query = vector_query(r, vector);
    LH_TRY(lh_vector_index_search(cx, r->generation->index, &query, found, &count, &stats));
    LH_TRY(make_hits(cx, r, found, count, hits));
    LH_TRY(fetch_columns(cx, r, hits, count));
    *ret_result = (lh_search_result){
        .hits = {hits, count},
        .index = {lh_ctx_dup(cx, meta->index_name), lh_ctx_dup(cx, meta->generation),
                  lh_ctx_dup(cx, meta->kind), lh_ctx_dup(cx, meta->model_name), meta->dimensions},
        .evaluations = stats.evaluations,
        .plan = {.plan = lh_str_from(stats.plan),
                 .why = lh_ctx_dup(cx, lh_str_from(stats.why)),
                 .ef = stats.ef,
                 .rows_allowed = r->rows ? r->rows->count : r->generation->chunks.count,
                 .filter = lh_str_from(r->filter),
                 .hops = stats.hops,
                 .scanned = stats.scanned,
                 .exact = stats.exact}};
    return LH_OK;
}

lh_rc lh_search_run(lh_ctx *cx, lh_search *search, const lh_search_request *request,
                    lh_search_result *ret_result)
{
    int64_t began_us = lh_clock_mono_us();
    search_run r = {.search = search, .request = request};
    LH_TRY(lhi_search_ref(cx, search, request->index_name, &r.generation));
    lh_rc rc = run_on_generation(cx, &r, ret_result);
    lh_snapshot_unref(r.snapshot);
    lhi_filter_rows_unref(r.rows);
    lhi_generation_unref(r.generation);
    int64_t took_us = lh_clock_mono_us() - began_us;
    lh_metric_observe_us(LH_M_VECTOR_SEARCH_SECONDS, took_us);
    if (rc == LH_OK)
        ret_result->took_ms = took_us / 1000;
    return rc;
}
