/* api/api_private.h - small pieces every resource uses.
 *
 * Owns: nothing. Threads: handlers. Limits: page sizes below. Formats: lists are
 *       {"items","next_cursor"}.
 * Why: one page shape, one way to reply with a job. */
#ifndef LH_API_API_PRIVATE_H
#define LH_API_API_PRIVATE_H

#include "api/app.h"

#define LHI_PAGE_DEFAULT 100
#define LHI_PAGE_MAX     1000

static inline lh_app *lhi_app(const lh_request *rq)
{
    return lh_request_app(rq);
}

/* Any list reply: items of any record; next_cursor null at the end. */
typedef struct lhi_list_reply {
    lh_list items;
    lh_str next_cursor;
} lhi_list_reply;
#define LHI_LIST_RECORD(symbol, record_name, item_record, text)                                    \
    static const lh_field symbol##_fields[] = {                                                    \
        LH_FIELD("items", LIST, lhi_list_reply, items, .item = LH_F_OBJECT,                        \
                 .record = &(item_record), .doc = "The items of this page."),                      \
        LH_FIELD("next_cursor", STR, lhi_list_reply, next_cursor, .flags = LH_FIELD_NULL_EMPTY,    \
                 .doc = "Send it as ?cursor= for the next page; null at the end."),                \
        {0}};                                                                                      \
    static const lh_record symbol = {.name = (record_name),                                        \
                                     .size = sizeof(lhi_list_reply),                               \
                                     .fields = symbol##_fields,                                    \
                                     .doc = (text)}

#define LHI_PAGE_PARAMS                                                                            \
    {"limit", "integer", "Items of a page, 1 to 1,000; 100 by default."},                          \
    {                                                                                              \
        "cursor", "string", "next_cursor of the page before."                                      \
    }
LH_WARN_UNUSED lh_rc lhi_page(lh_ctx *cx, const lh_request *rq, int64_t *ret_limit,
                              lh_str *ret_after);

/* ---- job_reply.c: requests that start a job ---- */

#define LHI_WAIT_MS_DEFAULT 30000
#define LHI_WAIT_PARAM                                                                             \
    {                                                                                              \
        "wait_ms", "integer",                                                                      \
            "Wait so long for the end, milliseconds; 30,000 by default. What is not finished "     \
            "then is a 202 with its job."                                                          \
    }
/* ?wait_ms=; asked before anything is done, so that a bad one changes nothing. */
LH_WARN_UNUSED lh_rc lhi_wait_ms(lh_ctx *cx, const lh_request *rq, int64_t default_ms,
                                 int64_t *ret_ms);
/* At most so long, and not up to the request's own deadline. A job that failed or was cancelled is
 * the request's failure; else it is done, or it still runs. */
LH_WARN_UNUSED lh_rc lhi_wait_job(lh_ctx *cx, lh_request *rq, lh_str job_id, int64_t wait_ms,
                                  lh_job_view *ret_view);
/* The job's result, or 202 with a record of the same kind. */
LH_WARN_UNUSED lh_rc lhi_reply_job(lh_ctx *cx, lh_reply *rp, const lh_job_view *view,
                                   const lh_record *record, const void *running);

typedef struct lhi_index_started {
    lh_str job_id;
    lh_str index_name;
} lhi_index_started;
extern const lh_record lhi_index_started_record;
#define LHI_BUILD_WAIT_PARAM                                                                       \
    {                                                                                              \
        "wait_ms", "integer", "Wait so long for the end of the job, milliseconds; 0 by default."   \
    }
LH_WARN_UNUSED lh_rc lhi_reply_started(lh_ctx *cx, lh_request *rq, lh_reply *rp,
                                       const lhi_index_started *started, int64_t wait_ms);

/* A type as a client writes it, in the spelling that is stored. LH_E_BAD_VALUE at
 * columns[column].type. */
LH_WARN_UNUSED lh_rc lhi_column_type(lh_ctx *cx, lh_str text, size_t column, lh_str *ret_type);

/* Tables of the resources, in the order of the docs. */
extern const lh_route lh_health_routes[], lh_ingest_routes[], lh_jobs_routes[], lh_query_routes[],
    lh_catalog_routes[], lh_vectors_routes[], lh_text_routes[], lh_journal_routes[];

extern const lh_record lhi_manifest_reply_record; /* what a client sees of a manifest */

#endif
