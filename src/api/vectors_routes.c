/* api/vectors_routes.c - vector indexes: build, list, look, search. */
#include "api/api_private.h"

LHI_LIST_RECORD(index_list, "IndexList", lh_index_meta_record, "Vector indexes in order of name.");

typedef struct index_started {
    lh_str job_id;
    lh_str index_name;
} index_started;
static const lh_field started_fields[] = {
    LH_FIELD("job_id", STR, index_started, job_id, .doc = "Job that builds it."),
    LH_FIELD("index_name", STR, index_started, index_name, .doc = "Name of the index."),
    {0}};
static const lh_record started_record = {.name = "IndexStarted",
                                         .size = sizeof(index_started),
                                         .fields = started_fields,
                                         .doc = "A build was started."};

static lh_rc index_build(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_index_request request;
    index_started started;
    int64_t wait_ms;
    LH_TRY(lh_request_query_i64(cx, rq, "wait_ms", 0, 0, 3600000, &wait_ms));
    LH_TRY(lh_request_json(cx, rq, &request));
    LH_TRY(
        lh_search_build(cx, lhi_app(rq)->search, &request, &started.job_id, &started.index_name));
    if (wait_ms > 0) {
        lh_job_view view;
        LH_TRY(lh_jobs_wait_end(cx, lhi_app(rq)->jobs, started.job_id, wait_ms, &view));
        if (view.state == LH_JOB_FAILED || view.state == LH_JOB_CANCELLED)
            return lh_job_view_error(cx, &view);
    }
    return lh_reply_json(cx, rp, &started_record, &started);
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

static const lh_query_param build_params[] = {
    {"wait_ms", "integer", "Wait so long for the end of the job, milliseconds; 0 by default."},
    {0}};
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
     .reply = &started_record,
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
    {0}};
