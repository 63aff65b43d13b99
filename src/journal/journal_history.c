/* journal_history.c - everything that happened to one entity, in order, a page at a time.
 *
 * Only batches whose index may hold the entity are read. Within one, lines are picked by the text
 * of the key and value as our writer puts them, then parsed and compared: the text search only
 * saves parsing what cannot match. */
#include "journal/journal_private.h"

#include <stdlib.h>

typedef struct gather {
    lh_ctx *cx; /* of the caller: its arena keeps the events */
    const lh_journal_query *query;
    lh_str needle; /* "entity_id":"..." */
    lh_journal_event *events;
    size_t count;
    size_t capacity;
} gather;

static lh_rc make_needle(lh_ctx *cx, lh_str entity_id, lh_str *ret_needle)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, 16 * 1024);
    LH_TRY(lh_buf_append(cx, &out, LH_S("\"entity_id\":")));
    LH_TRY(lh_json_escape(cx, &out, entity_id));
    *ret_needle = lh_ctx_dup(cx, lh_buf_str(&out));
    return ret_needle->ptr != NULL ? LH_OK : LH_E_NO_MEMORY;
}

static int wanted(const lh_journal_query *query, const lh_journal_event *event)
{
    return lh_str_eq(event->entity_id, query->entity_id) &&
           (query->entity_type.len == 0 || lh_str_eq(event->entity_type, query->entity_type)) &&
           (query->after.len == 0 || lh_str_cmp(event->event_id, query->after) > 0) &&
           (query->until_us == 0 || event->timestamp <= query->until_us);
}

static lh_rc take_line(lh_ctx *cx, gather *g, lh_str line)
{
    if (lh_str_find(line, g->needle) == LH_STR_NPOS)
        return LH_OK;
    lh_str copy = lh_ctx_dup(cx, line); /* the batch goes, the event stays */
    if (copy.ptr == NULL)
        return LH_E_NO_MEMORY;
    lh_journal_event event;
    LH_TRY(lhi_event_parse(cx, copy, &event));
    if (!wanted(g->query, &event))
        return LH_OK;
    void *events = g->events;
    LH_TRY(lh_ctx_grow(cx, &events, g->count, &g->capacity, sizeof(event)));
    g->events = events;
    g->events[g->count++] = event;
    return LH_OK;
}

static lh_rc take_lines(lh_ctx *own, void *arg, const lh_str *lines, size_t count)
{
    gather *g = arg;
    for (size_t i = 0; i < count; i++) {
        lh_rc rc = take_line(g->cx, g, lines[i]);
        if (rc != LH_OK) {
            own->err = g->cx->err;
            return rc;
        }
    }
    return LH_OK;
}

/* *ret_hits (arena): one byte per batch. Taken under the index's lock, used without it. */
static lh_rc find_hits(lh_ctx *cx, lh_journal *journal, const lh_append_log_pin *pin,
                       lh_str entity_id, char **ret_hits)
{
    char *hits = LH_NEW_ARRAY(cx, char, pin->count + 1);
    if (hits == NULL)
        return LH_E_NO_MEMORY;
    LH_WITH_LOCK(&journal->index_lock);
    LH_TRY(lhi_index_refresh(cx, journal, pin));
    for (size_t i = 0; i < pin->count; i++)
        hits[i] = (char)lhi_index_may_hold(journal, &pin->batches[i], entity_id);
    *ret_hits = hits;
    return LH_OK;
}

static lh_rc take_batches(lh_ctx *cx, lh_journal *journal, const lh_append_log_pin *pin, gather *g)
{
    char *hits = NULL;
    LH_TRY(find_hits(cx, journal, pin, g->query->entity_id, &hits));
    for (size_t i = 0; i < pin->count; i++) {
        LH_TRY(lh_ctx_check(cx));
        if (hits[i])
            LH_TRY(lhi_batch_read(cx, journal, &pin->batches[i], take_lines, g));
    }
    return LH_OK;
}

static int by_id(const void *a, const void *b)
{
    return lh_str_cmp(((const lh_journal_event *)a)->event_id,
                      ((const lh_journal_event *)b)->event_id);
}

/* An append whose answer was lost may have been repeated: the id says that it is the same event. */
static size_t drop_repeated(lh_journal_event *events, size_t count)
{
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (events[i].event_id.len == 0 ||
            !lh_str_eq(events[i].event_id, events[kept - 1].event_id))
            events[kept++] = events[i];
    return kept;
}

lh_rc lh_journal_history(lh_ctx *cx, lh_journal *journal, const lh_journal_query *query,
                         lh_journal_page *ret_page)
{
    gather g = {.cx = cx, .query = query};
    lh_append_log_pin pin;
    LH_TRY(make_needle(cx, query->entity_id, &g.needle));
    LH_TRY(lh_append_log_flush(cx, journal->log)); /* a buffered event is part of the history */
    LH_TRY(lh_append_log_pin_batches(cx, journal->log, &pin));
    lh_rc rc = take_batches(cx, journal, &pin, &g);
    lh_append_log_unpin(journal->log, &pin);
    LH_TRY(rc);
    if (g.count > 1) { /* events assigned early (in a manifest) may have been written late */
        qsort(g.events, g.count, sizeof(*g.events), by_id);
        g.count = drop_repeated(g.events, g.count);
    }
    size_t count = query->limit != 0 ? LH_MIN(query->limit, g.count) : g.count;
    *ret_page = (lh_journal_page){.events = g.events, .count = count, .more = count < g.count};
    return LH_OK;
}
