/* api/text_routes.c - text indexes: build, list, look, refresh, delete; POST /search. */
#include "api/api_private.h"
#include "search/word_search.h"

LHI_LIST_RECORD(index_list, "TextIndexList", lh_words_meta_record,
                "Text indexes in order of name.");

static lh_rc index_build(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_words_request request;
    lhi_index_started started;
    int64_t wait_ms;
    LH_TRY(lhi_wait_ms(cx, rq, 0, &wait_ms));
    LH_TRY(lh_request_json(cx, rq, &request));
    LH_TRY(lh_words_build(cx, lhi_app(rq)->search, &request, &started.job_id, &started.index_name));
    return lhi_reply_started(cx, rq, rp, &started, wait_ms);
}

static lh_rc indexes_list(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_words_meta *items;
    size_t count;
    LH_TRY(lh_words_list(cx, lhi_app(rq)->search, lh_request_query(rq, "source"), &items, &count));
    lhi_list_reply reply = {.items = {items, count}};
    return lh_reply_json(cx, rp, &index_list, &reply);
}

static lh_rc index_get(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_words_meta meta;
    LH_TRY(lh_words_get(cx, lhi_app(rq)->search, lh_request_param(rq, "name"), &meta));
    return lh_reply_json(cx, rp, &lh_words_meta_record, &meta);
}

static lh_rc index_delete(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_index_deleted deleted;
    LH_TRY(lh_words_delete(cx, lhi_app(rq)->search, lh_request_param(rq, "name"), &deleted));
    return lh_reply_json(cx, rp, &lh_index_deleted_record, &deleted);
}

static lh_rc refresh(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_words_refresh_request request;
    lh_words_refreshed result;
    lh_job_view view;
    int64_t wait_ms;
    LH_TRY(lhi_wait_ms(cx, rq, LHI_WAIT_MS_DEFAULT, &wait_ms));
    LH_TRY(lh_request_json(cx, rq, &request));
    request.dataset = lh_request_param(rq, "dataset");
    LH_TRY(lh_words_refresh(cx, lhi_app(rq)->search, &request, &result));
    if (result.job_id.len == 0)
        return lh_reply_json(cx, rp, &lh_words_refreshed_record, &result);
    LH_TRY(lhi_wait_job(cx, rq, result.job_id, wait_ms, &view));
    return lhi_reply_job(cx, rp, &view, &lh_words_refreshed_record, &result);
}

static lh_rc find(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_find_request request;
    lh_find_result result;
    LH_TRY(lh_request_json(cx, rq, &request));
    LH_TRY(lh_find_run(cx, lhi_app(rq)->search, &request, &result));
    return lh_reply_json(cx, rp, &lh_find_result_record, &result);
}

static const lh_query_param refresh_params[] = {LHI_WAIT_PARAM, {0}};
static const lh_query_param build_params[] = {LHI_BUILD_WAIT_PARAM, {0}};
static const lh_query_param list_params[] = {{"source", "string", "Only indexes of this dataset."},
                                             {0}};

const lh_route lh_text_routes[] = {
    {.method = "POST",
     .path = "/text/index",
     .handler = index_build,
     .access = LH_ACCESS_WRITE,
     .body_max_bytes = 4u << 20,
     .body = &lh_words_request_record,
     .reply = &lhi_index_started_record,
     .reply_status = 202,
     .query = build_params,
     .errors = "unknown_dataset unprocessable conflict bad_name unavailable pool_full",
     .tag = "text",
     .summary = "Build a text index over columns of a dataset, as a job."},
    {.method = "GET",
     .path = "/text/indexes",
     .handler = indexes_list,
     .access = LH_ACCESS_READ,
     .reply = &index_list,
     .query = list_params,
     .tag = "text",
     .summary = "List text indexes."},
    {.method = "GET",
     .path = "/text/indexes/{name}",
     .handler = index_get,
     .access = LH_ACCESS_READ,
     .reply = &lh_words_meta_record,
     .errors = "not_found",
     .tag = "text",
     .summary = "Show one text index."},
    {.method = "DELETE",
     .path = "/text/indexes/{name}",
     .handler = index_delete,
     .access = LH_ACCESS_WRITE,
     .reply = &lh_index_deleted_record,
     .errors = "not_found conflict",
     .tag = "text",
     .summary = "Delete a text index and its objects; its dataset stays."},
    {.method = "POST",
     .path = "/text/refresh/{dataset}",
     .handler = refresh,
     .access = LH_ACCESS_WRITE,
     .body_max_bytes = 64u << 10,
     .body = &lh_words_refresh_record,
     .reply = &lh_words_refreshed_record,
     .query = refresh_params,
     .errors = "unknown_dataset not_found unprocessable conflict unavailable pool_full corrupt",
     .tag = "text",
     .summary = "Index what is new or changed, drop what is gone."},
    {.method = "POST",
     .path = "/search",
     .handler = find,
     .access = LH_ACCESS_READ,
     .body_max_bytes = 1u << 20,
     .body = &lh_find_request_record,
     .reply = &lh_find_result_record,
     .errors = "not_found unknown_dataset unprocessable forbidden conflict unavailable pool_full "
               "sql_syntax sql_invalid sql_denied corrupt too_large",
     .tag = "search",
     .summary = "Search by words, filtered before the search; with facets and highlights."},
    {0}};
