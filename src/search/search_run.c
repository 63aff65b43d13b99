/* search/search_run.c - one search: vector of the question, rows that may answer, hits, asked
 * columns. */
#include "base/clock.h"
#include "base/metric.h"
#include "search/search_private.h"

typedef struct search_run {
    lh_search *search;
    const lh_search_request *request;
    lhi_generation *generation;
    lh_segset_view *view;
    lhi_known known; /* what its rows are */
    uint64_t live;
    lh_snapshot *snapshot;
    lh_grant grant;
    lhi_allowed allowed;
} search_run;

static lhi_source source_of(const search_run *r)
{
    return (lhi_source){.query = r->search->parts.query,
                        .dataset = r->generation->meta.source,
                        .id_column = r->generation->meta.id_column,
                        .commit = lh_snapshot_manifest(r->snapshot)->commit};
}

static lh_rc find_allowed(lh_ctx *cx, search_run *r)
{
    r->allowed = (lhi_allowed){.cache = r->search->filters,
                               .state = &r->generation->state,
                               .source = source_of(r),
                               .manifest = lh_snapshot_manifest(r->snapshot),
                               .grant = &r->grant,
                               .filter = r->request->filter,
                               .view = r->view,
                               .known = &r->known};
    return lhi_allowed_find(cx, &r->allowed);
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

/* Before the search, so that a request which cannot be answered costs nothing. */
static lh_rc check_columns(lh_ctx *cx, const search_run *r)
{
    const lh_str *names = r->request->columns.items;
    for (size_t i = 0; i < r->request->columns.count; i++) {
        if (!lhi_grant_column(&r->grant, names[i]))
            return lhi_unknown_column(cx, &r->grant, names[i], "columns[%zu]", i);
    }
    return LH_OK;
}

typedef struct hit_columns {
    lh_str_list names;
    lh_search_hit *hits;
    size_t count;
} hit_columns;

/* For every hit of that id; the first row of an id counts. */
static lh_rc give_columns(lh_ctx *cx, void *arg, lh_str id, const lh_json *value)
{
    hit_columns *to = arg;
    lh_str json;
    LH_TRY(lhi_columns_json(cx, &to->names, value, &json));
    for (size_t h = 0; h < to->count; h++) {
        if (to->hits[h].columns.len == 0 && lh_str_eq(to->hits[h].id, id))
            to->hits[h].columns = json;
    }
    return LH_OK;
}

static lh_rc fetch_columns(lh_ctx *cx, search_run *r, lh_search_hit *hits, size_t count)
{
    lhi_source source = source_of(r);
    hit_columns to = {{r->request->columns.items, r->request->columns.count}, hits, count};
    lh_str *ids = LH_NEW_ARRAY(cx, lh_str, count + 1);
    if (!ids)
        return cx->err.rc;
    if (to.names.count == 0)
        return LH_OK;
    for (size_t i = 0; i < count; i++)
        ids[i] = hits[i].id;
    lh_str_list list = {ids, count};
    return lhi_source_rows(cx, &source, &to.names, &list, give_columns, &to);
}

/* ---- all of it ---- */

static lh_rc make_hits(lh_ctx *cx, search_run *r, const lh_vector_set_hit *found, uint32_t count,
                       lh_search_hit *hits)
{
    int text_visible = lhi_grant_column(&r->grant, r->generation->meta.text_column) != NULL;
    for (uint32_t i = 0; i < count; i++) {
        lh_chunk_row row;
        LH_TRY(lhi_known_row(cx, &r->known, found[i].id, &row));
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
static lh_vector_set_query vector_query(const search_run *r, const float *vector)
{
    const lh_search_settings *s = &r->search->parts.settings;
    const lh_search_request *rq = r->request;
    lh_vector_set_query query = {.vector = vector,
                                 .k = rq->k,
                                 .by_id = r->allowed.rows ? &r->allowed.rows->bitmap : NULL,
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
    lh_vector_set_hit *found = LH_NEW_ARRAY(cx, lh_vector_set_hit, r->request->k);
    lh_search_hit *hits = LH_NEW_ARRAY(cx, lh_search_hit, r->request->k);
    if (!vector || !found || !hits)
        return cx->err.rc;
    LH_TRY(query_vector(cx, r, vector));
    r->view = lh_vector_set_view(r->generation->vectors->set);
    LH_TRY(lhi_numbered_known(cx, &r->generation->vectors->numbered, &r->known));
    for (size_t i = 0; i < lh_segset_view_count(r->view); i++)
        r->live += lh_segset_view_part(r->view, i).rows_live;
    LH_TRY(find_allowed(cx, r));
    lh_vector_set_search_stats stats;
    uint32_t count;
    lh_vector_set_query query = vector_query(r, vector);
    LH_TRY(lh_vector_view_search(cx, r->view, &query, found, &count, &stats));
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
                 .rows_allowed = r->allowed.rows ? r->allowed.rows->count : r->live,
                 .filter = lh_str_from(r->allowed.how),
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
    lh_segset_view_unref(r.view);
    lh_snapshot_unref(r.snapshot);
    lhi_filter_rows_unref(r.allowed.rows);
    lhi_generation_unref(r.generation);
    int64_t took_us = lh_clock_mono_us() - began_us;
    lh_metric_observe_us(LH_M_VECTOR_SEARCH_SECONDS, took_us);
    if (rc == LH_OK)
        ret_result->took_ms = took_us / 1000;
    return rc;
}
