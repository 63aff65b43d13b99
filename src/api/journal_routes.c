/* api/journal_routes.c - the journal: history of an entity, recent events, statistics, events of
 * clients. */
#include "api/api_private.h"

LHI_LIST_RECORD(event_list, "JournalEventList", lh_journal_event_record, "Events of the journal.");

static lh_rc journal_history(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    int64_t limit;
    lh_journal_page page;
    lh_journal_query query = {.entity_id = lh_request_param(rq, "entity_id"),
                              .entity_type = lh_request_query(rq, "entity_type")};
    LH_TRY(lhi_page(cx, rq, &limit, &query.after));
    query.limit = (size_t)limit;
    LH_TRY(lh_journal_history(cx, lhi_app(rq)->journal, &query, &page));
    lhi_list_reply reply = {.items = {page.events, page.count},
                            .next_cursor = page.more && page.count > 0
                                               ? page.events[page.count - 1].event_id
                                               : LH_STR_NONE};
    return lh_reply_json(cx, rp, &event_list, &reply);
}

static lh_rc journal_recent(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    int64_t limit;
    lh_journal_event *events;
    size_t count;
    LH_TRY(lh_request_query_i64(cx, rq, "limit", 50, 1, 1000, &limit));
    LH_TRY(lh_journal_recent(cx, lhi_app(rq)->journal, (size_t)limit, &events, &count));
    lhi_list_reply reply = {.items = {events, count}};
    return lh_reply_json(cx, rp, &event_list, &reply);
}

static lh_rc journal_stats(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_journal_stats stats;
    lh_journal_get_stats(lhi_app(rq)->journal, &stats);
    return lh_reply_json(cx, rp, &lh_journal_stats_record, &stats);
}

typedef struct event_request {
    lh_str entity_type;
    lh_str entity_id;
    lh_str field;
    lh_str action;
    lh_str old_value;
    lh_str new_value;
    lh_str source;
    lh_str workspace_id;
} event_request;
static const lh_field event_fields[] = {
    LH_FIELD("entity_type", STR, event_request, entity_type, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = 128, .doc = "Kind of entity."),
    LH_FIELD("entity_id", STR, event_request, entity_id, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = 512, .doc = "Id of the entity."),
    LH_FIELD("field", STR, event_request, field, .max = 512,
             .doc = "Field that changed; empty = the whole entity."),
    LH_FIELD("action", STR, event_request, action, .flags = LH_FIELD_REQUIRED, .min = 1, .max = 64,
             .doc = "What happened: insert, update, delete, ..."),
    LH_FIELD("old_value", JSON, event_request, old_value, .max = 16384, .doc = "Value before."),
    LH_FIELD("new_value", JSON, event_request, new_value, .max = 16384, .doc = "Value after."),
    LH_FIELD("source", STR, event_request, source, .max = 256, .doc = "Where it came from."),
    LH_FIELD("workspace_id", STR, event_request, workspace_id, .max = 128,
             .doc = "Workspace it belongs to."),
    {0}};
static const lh_record event_record = {.name = "JournalEventRequest",
                                       .size = sizeof(event_request),
                                       .fields = event_fields,
                                       .doc = "An event to record; the actor is the caller."};

static lh_rc journal_event(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    event_request request;
    LH_TRY(lh_request_json(cx, rq, &request));
    lh_journal_event event = {.entity_type = request.entity_type,
                              .entity_id = request.entity_id,
                              .field = request.field,
                              .action = request.action,
                              .old_value = request.old_value,
                              .new_value = request.new_value,
                              .actor = cx->principal->name,
                              .source = request.source.len > 0 ? request.source : LH_S("api"),
                              .workspace_id = request.workspace_id};
    LH_TRY(lh_journal_append(cx, lhi_app(rq)->journal, &event, 1));
    return lh_reply_json(cx, rp, &lh_journal_event_record, &event);
}

static lh_rc journal_flush(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    LH_TRY(lh_journal_flush(cx, lhi_app(rq)->journal));
    return journal_stats(cx, rq, rp);
}

static const lh_query_param history_params[] = {
    LHI_PAGE_PARAMS, {"entity_type", "string", "Only entities of this kind."}, {0}};
static const lh_query_param recent_params[] = {
    {"limit", "integer", "Events, 1 to 1,000; 50 by default."}, {0}};

const lh_route lh_journal_routes[] = {
    {.method = "GET",
     .path = "/journal/history/{entity_id}",
     .handler = journal_history,
     .access = LH_ACCESS_READ,
     .reply = &event_list,
     .query = history_params,
     .errors = "bad_value",
     .tag = "journal",
     .summary = "Show what happened to one entity, oldest first."},
    {.method = "GET",
     .path = "/journal/recent",
     .handler = journal_recent,
     .access = LH_ACCESS_READ,
     .reply = &event_list,
     .query = recent_params,
     .tag = "journal",
     .summary = "Show recent events, newest first."},
    {.method = "GET",
     .path = "/journal/stats",
     .handler = journal_stats,
     .access = LH_ACCESS_READ,
     .reply = &lh_journal_stats_record,
     .tag = "journal",
     .summary = "Count events and files of the journal."},
    {.method = "POST",
     .path = "/journal/event",
     .handler = journal_event,
     .access = LH_ACCESS_WRITE,
     .body_max_bytes = 64u << 10,
     .body = &event_record,
     .reply = &lh_journal_event_record,
     .reply_status = 201,
     .errors = "no_space",
     .tag = "journal",
     .summary = "Record an event; durable when it is answered."},
    {.method = "POST",
     .path = "/journal/flush",
     .handler = journal_flush,
     .access = LH_ACCESS_WRITE,
     .reply = &lh_journal_stats_record,
     .errors = "no_space",
     .tag = "journal",
     .summary = "Write buffered events; they are durable then."},
    {0}};
