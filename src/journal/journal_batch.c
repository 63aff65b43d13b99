/* journal_batch.c - one batch at a time: a journal is larger than what a request may hold. */
#include "journal/journal_private.h"

lh_rc lhi_batch_read(lh_ctx *cx, lh_journal *journal, const lh_append_log_batch *batch,
                     lhi_batch_use use, void *arg)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (arena == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory to read a batch");
    lh_ctx own;
    lh_ctx_init_child(&own, arena, cx);
    lh_str *lines;
    size_t count;
    lh_rc rc = lh_append_log_read(&own, journal->log, batch, &lines, &count);
    if (rc == LH_OK)
        rc = use(&own, arg, lines, count);
    if (rc != LH_OK)
        cx->err = own.err;
    return rc;
}
