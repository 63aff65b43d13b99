/* torture_test.c - every allocation of an append, a history and an open fails once. */
#include "journal/journal.h"
#include "support/scratch.h"

enum { ALLOCATIONS_MAX = 400 };

static lh_journal_event some_event(void)
{
    return (lh_journal_event){.entity_type = LH_S("t"),
                              .entity_id = LH_S("e"),
                              .action = LH_S("update"),
                              .new_value = LH_S("{\"a\":\n1}")};
}

static lh_rc append(lh_ctx *cx, lh_store *store, lh_journal *journal)
{
    (void)store;
    lh_journal_event events[2] = {some_event(), some_event()};
    lh_journal_stats before;
    lh_journal_stats after;
    lh_journal_get_stats(journal, &before);
    lh_rc rc = lh_journal_append(cx, journal, events, 2);
    lh_journal_get_stats(journal, &after);
    ck_assert_uint_eq(after.total_events_created,
                      before.total_events_created + (rc == LH_OK ? 2 : 0));
    return rc;
}

static lh_rc history(lh_ctx *cx, lh_store *store, lh_journal *journal)
{
    (void)store;
    lh_journal_stats stats;
    lh_journal_page page;
    lh_journal_query query = {.entity_id = LH_S("e")};
    lh_rc rc = lh_journal_history(cx, journal, &query, &page);
    lh_journal_get_stats(journal, &stats);
    if (rc == LH_OK)
        ck_assert_uint_eq(page.count, stats.total_events_created);
    return rc;
}

static lh_rc open_again(lh_ctx *cx, lh_store *store, lh_journal *journal)
{
    (void)journal;
    LH_CLEANUP(lh_journal_close) lh_journal *other = NULL;
    lh_journal_options opts = {0};
    return lh_journal_open(cx, store, &opts, &other);
}

static lh_rc (*const calls[])(lh_ctx *cx, lh_store *store, lh_journal *journal) = {append, history,
                                                                                   open_again};

LH_TEST_LOOP(no_allocation_is_taken_for_granted_by_the_journal, (int)(2 * LH_ARRAY_LEN(calls)))
{
    lh_scratch s;
    lh_store *store = NULL;
    lh_journal *journal = NULL;
    lh_journal_options opts = {0};
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_store_open_local(&s.cx, lh_scratch_path(&s, "data"),
                                     lh_scratch_path(&s, "staging"), &store));
    ck_lh_ok(&s, lh_journal_open(&s.cx, store, &opts, &journal));
    int refused = 1;
    for (uint64_t k = 0; refused; k++) {
        lh_journal_event event = some_event();
        ck_assert_uint_lt(k, ALLOCATIONS_MAX);
        if (k == 0 || calls[_i / 2] == history) /* a new batch to index */
            ck_lh_ok(&s, lh_journal_append(&s.cx, journal, &event, 1));
        lh_arena *arena = lh_arena_new(0);
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        lh_alloc_fail_after(k, _i % 2);
        lh_rc rc = calls[_i / 2](&cx, store, journal);
        refused = lh_alloc_failures() > 0;
        lh_alloc_fail_off();
        ck_assert_msg(rc == LH_OK || rc == LH_E_NO_MEMORY, "allocation %llu: %s: %s",
                      (unsigned long long)k, lh_rc_code(rc), cx.err.message);
        lh_arena_free(arena);
    }
    lh_journal_close(journal);
    lh_store_close(store);
    lh_scratch_close(&s);
}
