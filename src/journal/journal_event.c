/* journal_event.c - one event: its record, its line, its id. */
#include "base/num.h"
#include "journal/journal_private.h"

enum { NAME_BYTES_MAX = 1024, VALUE_BYTES_MAX = 48 * 1024, TIME_DIGITS = 16, COUNTER_DIGITS = 4 };

static const lh_field event_fields[] = {
    LH_FIELD("event_id", STR, lh_journal_event, event_id, .flags = LH_FIELD_READ_ONLY,
             .doc = "Permanent id: microseconds and a counter; rises with time."),
    LH_FIELD("entity_type", STR, lh_journal_event, entity_type, .flags = LH_FIELD_REQUIRED,
             .min = 1, .max = NAME_BYTES_MAX,
             .doc = "Kind of thing, such as dataset or candidate."),
    LH_FIELD("entity_id", STR, lh_journal_event, entity_id, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = NAME_BYTES_MAX, .doc = "Which one."),
    LH_FIELD("field", STR, lh_journal_event, field,
             .flags = LH_FIELD_NULLABLE | LH_FIELD_NULL_EMPTY, .max = NAME_BYTES_MAX,
             .doc = "Field that changed; null: the whole entity."),
    LH_FIELD("action", STR, lh_journal_event, action, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = NAME_BYTES_MAX, .doc = "What happened: insert, update, delete, ingest ..."),
    LH_FIELD("old_value", JSON, lh_journal_event, old_value, .max = VALUE_BYTES_MAX,
             .doc = "Value before."),
    LH_FIELD("new_value", JSON, lh_journal_event, new_value, .max = VALUE_BYTES_MAX,
             .doc = "Value after."),
    LH_FIELD("actor", STR, lh_journal_event, actor,
             .flags = LH_FIELD_NULLABLE | LH_FIELD_NULL_EMPTY, .max = NAME_BYTES_MAX,
             .doc = "Who did it."),
    LH_FIELD("source", STR, lh_journal_event, source,
             .flags = LH_FIELD_NULLABLE | LH_FIELD_NULL_EMPTY, .max = NAME_BYTES_MAX,
             .doc = "By which road: api, inbox, schedule ..."),
    LH_FIELD("workspace_id", STR, lh_journal_event, workspace_id,
             .flags = LH_FIELD_NULLABLE | LH_FIELD_NULL_EMPTY, .max = NAME_BYTES_MAX,
             .doc = "Workspace it happened in."),
    LH_FIELD("timestamp", TIME, lh_journal_event, timestamp, .flags = LH_FIELD_NULLABLE,
             .doc = "When it happened; now if absent."),
    {0}};

const lh_record lh_journal_event_record = {.name = "JournalEvent",
                                           .size = sizeof(lh_journal_event),
                                           .fields = event_fields,
                                           .doc = "One change of one thing, kept for ever."};

/* The same rows, for files that a later version may have written. */
static const lh_record stored_event_record = {.name = "StoredJournalEvent",
                                              .size = sizeof(lh_journal_event),
                                              .fields = event_fields,
                                              .doc = "A line of the journal.",
                                              .flags = LH_RECORD_OPEN};

static lh_rc check_text(lh_ctx *cx, const char *name, lh_str text, size_t min)
{
    if (text.len < min) {
        LH_IGNORE(lh_fail(cx, LH_E_MISSING_FIELD, "an event needs %s", name));
        return lh_err_field(cx, "%s", name);
    }
    if (text.len > NAME_BYTES_MAX || !lh_utf8_valid(text)) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "%s has %zu bytes; up to %d of UTF-8 are allowed",
                          name, text.len, (int)NAME_BYTES_MAX));
        return lh_err_field(cx, "%s", name);
    }
    return LH_OK;
}

/* In valid JSON a line break is white space between tokens, never part of a string: a blank does as
 * well. */
static lh_rc flatten_value(lh_ctx *cx, const char *name, lh_str *value)
{
    if (value->len == 0)
        return LH_OK;
    if (value->len > VALUE_BYTES_MAX) {
        LH_IGNORE(lh_fail(cx, LH_E_TOO_LARGE, "%s has %zu bytes, limit %d", name, value->len,
                          (int)VALUE_BYTES_MAX));
        return lh_err_field(cx, "%s", name);
    }
    const lh_json *root;
    lh_rc rc = lh_json_parse(cx, *value, LH_JSON_DEPTH_DEFAULT, &root);
    if (rc != LH_OK)
        return lh_err_field(cx, "%s", name);
    if (lh_str_find_char(*value, '\n') == LH_STR_NPOS &&
        lh_str_find_char(*value, '\r') == LH_STR_NPOS)
        return LH_OK;
    lh_str copy = lh_ctx_dup(cx, *value);
    if (copy.ptr == NULL)
        return LH_E_NO_MEMORY;
    char *at = (char *)(uintptr_t)copy.ptr;
    for (size_t i = 0; i < copy.len; i++)
        if (at[i] == '\n' || at[i] == '\r')
            at[i] = ' ';
    *value = copy;
    return LH_OK;
}

lh_rc lhi_event_check(lh_ctx *cx, lh_journal_event *event)
{
    LH_TRY(check_text(cx, "entity_type", event->entity_type, 1));
    LH_TRY(check_text(cx, "entity_id", event->entity_id, 1));
    LH_TRY(check_text(cx, "action", event->action, 1));
    LH_TRY(check_text(cx, "field", event->field, 0));
    LH_TRY(check_text(cx, "actor", event->actor, 0));
    LH_TRY(check_text(cx, "source", event->source, 0));
    LH_TRY(check_text(cx, "workspace_id", event->workspace_id, 0));
    LH_TRY(flatten_value(cx, "old_value", &event->old_value));
    LH_TRY(flatten_value(cx, "new_value", &event->new_value));
    int64_t us;
    uint32_t counter;
    if (event->event_id.len > 0 && !lhi_event_id_parse(event->event_id, &us, &counter))
        return lh_fail(cx, LH_E_BAD_VALUE, "'%.*s' is no event id",
                       LH_STR_ARG(lh_str_sub(event->event_id, 0, 64)));
    return LH_OK;
}

lh_rc lhi_event_line(lh_ctx *cx, const lh_journal_event *event, lh_str *ret_line)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, 4 * (size_t)LH_APPEND_LOG_RECORD_MAX);
    LH_TRY(lh_record_append(cx, &lh_journal_event_record, event, &out));
    lh_str line = lh_ctx_dup(cx, lh_buf_str(&out));
    if (line.ptr == NULL)
        return LH_E_NO_MEMORY;
    *ret_line = line;
    return LH_OK;
}

lh_rc lhi_event_parse(lh_ctx *cx, lh_str line, lh_journal_event *ret_event)
{
    lh_rc rc = lh_record_parse(cx, &stored_event_record, line, ret_event);
    if (rc == LH_OK || rc == LH_E_NO_MEMORY)
        return rc;
    char reason[sizeof(cx->err.message)];
    memcpy(reason, cx->err.message, sizeof(reason));
    return lh_fail(cx, LH_E_CORRUPT, "a line of the journal is no event: %s", reason);
}

int lhi_event_id_parse(lh_str id, int64_t *ret_us, uint32_t *ret_counter)
{
    uint64_t us;
    uint64_t counter;
    if (id.len != TIME_DIGITS + 1 + COUNTER_DIGITS || id.ptr[TIME_DIGITS] != '-' ||
        !lh_parse_u64(lh_str_sub(id, 0, TIME_DIGITS), &us) ||
        !lh_parse_u64(lh_str_from_offset(id, TIME_DIGITS + 1), &counter))
        return 0;
    *ret_us = (int64_t)us;
    *ret_counter = (uint32_t)counter;
    return 1;
}
