/* api/vectors_routes.c - vector indexes: build, list, look, search. */
#include "api/api_private.h"
#include "search/refresher.h"

LHI_LIST_RECORD(index_list, "IndexList", lh_index_meta_record, "Vector indexes in order of name.");

static lh_rc index_build(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_index_request request;
    lhi_index_started started;
    int64_t wait_ms;
    LH_TRY(lhi_wait_ms(cx, rq, 0, &wait_ms));
    LH_TRY(lh_request_json(cx, rq, &request));
    LH_TRY(
        lh_search_build(cx, lhi_app(rq)->search, &request, &started.job_id, &started.index_name));
    return lhi_reply_started(cx, rq, rp, &started, wait_ms);
}

static lh_rc indexes_list(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_index_meta *items;
    size_t count;
    LH_TRY(lh_search_list(cx, lhi_app(rq)->search, lh_request_query(rq, "source"),
                          lh_request_query(rq, "model"), &items, &count));
    lhi_list_reply reply = {.items = {items, count}};
    return lh_reply_json(cx, rp, &index_list, &reply);
}

static lh_rc index_get(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_index_meta meta;
    LH_TRY(lh_search_get(cx, lhi_app(rq)->search, lh_request_param(rq, "name"), &meta));
    return lh_reply_json(cx, rp, &lh_index_meta_record, &meta);
}

static lh_rc index_delete(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_index_deleted deleted;
    LH_TRY(lh_search_delete(cx, lhi_app(rq)->search, lh_request_param(rq, "name"), &deleted));
    return lh_reply_json(cx, rp, &lh_index_deleted_record, &deleted);
}

static lh_rc vectors_search(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_search_request request;
    lh_search_result result;
    LH_TRY(lh_request_json(cx, rq, &request));
    LH_TRY(lh_search_run(cx, lhi_app(rq)->search, &request, &result));
    return lh_reply_json(cx, rp, &lh_search_result_record, &result);
}

static lh_rc refresh(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_refresh_request request;
    lh_refresh_result result;
    lh_job_view view;
    int64_t wait_ms;
    LH_TRY(lhi_wait_ms(cx, rq, LHI_WAIT_MS_DEFAULT, &wait_ms));
    LH_TRY(lh_request_json(cx, rq, &request));
    request.dataset = lh_request_param(rq, "dataset");
    LH_TRY(lh_search_refresh(cx, lhi_app(rq)->search, &request, &result));
    if (result.job_id.len == 0)
        return lh_reply_json(cx, rp, &lh_refresh_result_record, &result);
    LH_TRY(lhi_wait_job(cx, rq, result.job_id, wait_ms, &view));
    return lhi_reply_job(cx, rp, &view, &lh_refresh_result_record, &result);
}

LHI_LIST_RECORD(stale_list, "FreshnessList", lh_stale_dataset_record,
                "Datasets whose indexes miss changes, in order of name.");

static lh_rc stale(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_stale_dataset *items;
    size_t count;
    LH_TRY(lh_search_stale(cx, lhi_app(rq)->search, &items, &count));
    lhi_list_reply reply = {.items = {items, count}};
    return lh_reply_json(cx, rp, &stale_list, &reply);
}

static lh_rc freshness(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_stale_dataset state;
    LH_TRY(lh_search_freshness(cx, lhi_app(rq)->search, lh_request_param(rq, "dataset"), &state));
    return lh_reply_json(cx, rp, &lh_stale_dataset_record, &state);
}

static lh_rc policy(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_refresh_policy_request request;
    LH_TRY(lh_request_json(cx, rq, &request));
    LH_TRY(
        lh_search_set_policy(cx, lhi_app(rq)->search, lh_request_param(rq, "dataset"), &request));
    return freshness(cx, rq, rp);
}

static const lh_query_param refresh_params[] = {LHI_WAIT_PARAM, {0}};
static const lh_query_param build_params[] = {LHI_BUILD_WAIT_PARAM, {0}};
static const lh_query_param list_params[] = {
    {"source", "string", "Only indexes of this dataset."},
    {"model", "string", "Only indexes of this embedding model."},
    {0}};

const lh_route lh_vectors_routes[] = {
    {.method = "POST",
     .path = "/vectors/index",
     .handler = index_build,
     .access = LH_ACCESS_WRITE,
     .body_max_bytes = 1u << 20,
     .body = &lh_index_request_record,
     .reply = &lhi_index_started_record,
     .reply_status = 202,
     .query = build_params,
     .errors = "unknown_dataset unprocessable conflict bad_name unavailable pool_full",
     .tag = "vectors",
     .summary = "Build a vector index over a text column, as a job."},
    {.method = "GET",
     .path = "/vectors/indexes",
     .handler = indexes_list,
     .access = LH_ACCESS_READ,
     .reply = &index_list,
     .query = list_params,
     .tag = "vectors",
     .summary = "List vector indexes."},
    {.method = "GET",
     .path = "/vectors/indexes/{name}",
     .handler = index_get,
     .access = LH_ACCESS_READ,
     .reply = &lh_index_meta_record,
     .errors = "not_found",
     .tag = "vectors",
     .summary = "Show one vector index."},
    {.method = "DELETE",
     .path = "/vectors/indexes/{name}",
     .handler = index_delete,
     .access = LH_ACCESS_WRITE,
     .reply = &lh_index_deleted_record,
     .errors = "not_found conflict",
     .tag = "vectors",
     .summary = "Delete a vector index and its objects; its dataset stays."},
    {.method = "POST",
     .path = "/vectors/search",
     .handler = vectors_search,
     .access = LH_ACCESS_READ,
     .body_max_bytes = 4u << 20,
     .body = &lh_search_request_record,
     .reply = &lh_search_result_record,
     .errors = "not_found unprocessable conflict unavailable pool_full sql_syntax sql_invalid "
               "sql_denied corrupt",
     .tag = "vectors",
     .summary = "Search by meaning or by vector, filtered before the search."},
    {.method = "GET",
     .path = "/vectors/stale",
     .handler = stale,
     .access = LH_ACCESS_READ,
     .reply = &stale_list,
     .tag = "vectors",
     .summary = "List datasets whose indexes miss changes."},
    {.method = "POST",
     .path = "/vectors/refresh/{dataset}",
     .handler = refresh,
     .access = LH_ACCESS_WRITE,
     .body_max_bytes = 1u << 20,
     .body = &lh_refresh_request_record,
     .reply = &lh_refresh_result_record,
     .query = refresh_params,
     .errors = "unknown_dataset not_found unprocessable conflict bad_name unavailable pool_full "
               "corrupt",
     .tag = "vectors",
     .summary = "Embed what is new or changed, drop what is gone."},
    {.method = "GET",
     .path = "/vectors/refresh/{dataset}",
     .handler = freshness,
     .access = LH_ACCESS_READ,
     .reply = &lh_stale_dataset_record,
     .errors = "unknown_dataset",
     .tag = "vectors",
     .summary = "Show how up to date the indexes of a dataset are."},
    {.method = "PATCH",
     .path = "/vectors/refresh/{dataset}",
     .handler = policy,
     .access = LH_ACCESS_WRITE,
     .body_max_bytes = 64u << 10,
     .body = &lh_refresh_policy_request_record,
     .reply = &lh_stale_dataset_record,
     .errors = "unknown_dataset conflict",
     .tag = "vectors",
     .summary = "Set when the indexes of a dataset are brought up to date."},
    {0}};
