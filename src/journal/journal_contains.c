/* journal_contains.c - whether an event is in the journal, without reading all of it.
 *
 * An event is written after it got its id, so it can only be in a batch that is not older. From
 * there on batches are read in order until it is found: for an event that was written (nearly all
 * that are asked for) that is the first or second one, whatever the size of the journal. */
#include "journal/journal_private.h"

/* How far the clock may be put back between giving an id and naming the batch. After a larger jump
 * an event may be missed here and so be written again; a history drops the second one. */
enum { JUMP_US_MAX = 5 * 1000 };

typedef struct sought {
    lh_str needle;
    int found;
} sought;

static lh_rc look(lh_ctx *own, void *arg, const lh_str *lines, size_t count)
{
    sought *event = arg;
    (void)own;
    for (size_t i = 0; i < count && !event->found; i++)
        event->found = lh_str_starts(lines[i], event->needle);
    return LH_OK;
}

lh_rc lh_journal_contains(lh_ctx *cx, lh_journal *journal, lh_str event_id, int *ret_found)
{
    int64_t us;
    uint32_t counter;
    lh_append_log_pin pin;
    sought event = {0};
    if (!lhi_event_id_parse(event_id, &us, &counter))
        return lh_fail(cx, LH_E_BAD_VALUE, "'%.*s' is no event id",
                       LH_STR_ARG(lh_str_sub(event_id, 0, 64)));
    /* our writer puts the id first */
    event.needle = lh_ctx_fmt(cx, "{\"event_id\":\"%.*s\"", LH_STR_ARG(event_id));
    if (event.needle.ptr == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(lh_append_log_flush(cx, journal->log));
    LH_TRY(lh_append_log_pin_batches(cx, journal->log, &pin));
    lh_rc rc = LH_OK;
    for (size_t i = 0; i < pin.count && rc == LH_OK && !event.found; i++)
        if (pin.batches[i].newest_us >= us - JUMP_US_MAX)
            rc = lhi_batch_read(cx, journal, &pin.batches[i], look, &event);
    lh_append_log_unpin(journal->log, &pin);
    LH_TRY(rc);
    *ret_found = event.found;
    return LH_OK;
}
