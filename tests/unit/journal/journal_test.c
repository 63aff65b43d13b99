/* journal_test.c - the promises of journal/journal.h and the crash matrix
 * tests/fault/journal.crash. */
#include "base/clock.h"
#include "journal/journal.h"
#include "os/thread.h"
#include "support/crash.h"

typedef struct bench {
    lh_scratch *s;
    lh_store *store;
    lh_journal *journal;
    lh_journal_options opts;
} bench;

static void open_all(bench *b)
{
    ck_lh_ok(b->s, lh_store_open_local(&b->s->cx, lh_scratch_path(b->s, "data"),
                                       lh_scratch_path(b->s, "staging"), &b->store));
    ck_lh_ok(b->s, lh_journal_open(&b->s->cx, b->store, &b->opts, &b->journal));
}

static void close_all(bench *b)
{
    b->journal = lh_journal_close(b->journal);
    b->store = lh_store_close(b->store);
}

static void reopen(bench *b)
{
    close_all(b);
    open_all(b);
}

static lh_journal_event event_of(const char *entity, const char *value)
{
    return (lh_journal_event){.entity_type = LH_S("thing"),
                              .entity_id = lh_str_from(entity),
                              .action = LH_S("update"),
                              .field = LH_S("size"),
                              .old_value = LH_S("null"),
                              .new_value = lh_str_from(value),
                              .actor = LH_S("tester"),
                              .source = LH_S("test")};
}

static lh_rc append(bench *b, const char *entity, const char *value)
{
    lh_journal_event event = event_of(entity, value);
    return lh_journal_append(&b->s->cx, b->journal, &event, 1);
}

/* The new values of an entity's history, as one text. */
static const char *history(bench *b, const char *entity)
{
    static char text[8192];
    size_t len = 0;
    text[0] = '\0';
    lh_journal_page page;
    lh_journal_query query = {.entity_id = lh_str_from(entity)};
    ck_lh_ok(b->s, lh_journal_history(&b->s->cx, b->journal, &query, &page));
    for (size_t i = 0; i < page.count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s ",
                                LH_STR_ARG(page.events[i].new_value));
    return text;
}

#define BENCH(name, ...)                                                                           \
    lh_scratch scratch;                                                                            \
    lh_scratch_open(&scratch);                                                                     \
    bench name = {.s = &scratch, .opts = {__VA_ARGS__}};                                           \
    open_all(&name)
#define BENCH_END(name)                                                                            \
    close_all(&name);                                                                              \
    lh_scratch_close(&scratch)

LH_TEST(an_event_comes_back_as_it_was)
{
    BENCH(b, 0);
    lh_journal_event event = {.entity_type = LH_S("candidate"),
                              .entity_id = LH_S("CAND-\"\\1\xc3\xa9"),
                              .action = LH_S("update"),
                              .field = LH_S("phone"),
                              .old_value = LH_S("{\n  \"a\": [1,\r\n2]}"),
                              .new_value = LH_S("12345678901234567890.5"),
                              .actor = LH_S("eve"),
                              .source = LH_S("api"),
                              .workspace_id = LH_S("w1"),
                              .timestamp = 1763733360123456};
    ck_lh_ok(&scratch, lh_journal_append(&scratch.cx, b.journal, &event, 1));
    ck_assert_uint_eq(event.event_id.len, 21);
    reopen(&b);
    lh_journal_page page;
    lh_journal_query query = {.entity_id = event.entity_id, .entity_type = LH_S("candidate")};
    ck_lh_ok(&scratch, lh_journal_history(&scratch.cx, b.journal, &query, &page));
    ck_assert_uint_eq(page.count, 1);
    const lh_journal_event *got = &page.events[0];
    ck_assert(lh_str_eq(got->event_id, event.event_id));
    ck_assert(lh_str_eq(got->entity_id, event.entity_id));
    ck_assert(lh_str_eq(got->field, LH_S("phone")));
    ck_assert(lh_str_eq(got->new_value, event.new_value));
    ck_assert(lh_str_find_char(got->old_value, '\n') == LH_STR_NPOS);
    ck_assert(lh_str_eq(got->workspace_id, LH_S("w1")));
    ck_assert_int_eq(got->timestamp, event.timestamp);
    query.entity_type = LH_S("client");
    ck_lh_ok(&scratch, lh_journal_history(&scratch.cx, b.journal, &query, &page));
    ck_assert_uint_eq(page.count, 0);
    BENCH_END(b);
}

LH_TEST(a_bad_event_changes_nothing)
{
    BENCH(b, 0);
    lh_journal_event bad[6];
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++)
        bad[i] = event_of("x", "1");
    bad[0].entity_id = LH_S("");
    bad[1].action = LH_S("");
    bad[2].new_value = LH_S("{\"a\":");
    bad[3].entity_id = LH_S("\xff");
    bad[4].event_id = LH_S("nonsense");
    bad[5].actor = (lh_str){"x", 0};
    static char big[100 * 1024];
    memset(big, 'x', sizeof(big));
    bad[5].source = lh_str_n(big, sizeof(big));
    const lh_rc codes[] = {LH_E_MISSING_FIELD, LH_E_MISSING_FIELD, LH_E_BAD_JSON,
                           LH_E_BAD_VALUE,     LH_E_BAD_VALUE,     LH_E_BAD_VALUE};
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++) {
        lh_journal_event both[2] = {event_of("x", "1"), bad[i]};
        ck_lh_fails(lh_journal_append(&scratch.cx, b.journal, both, 2), codes[i]);
    }
    ck_assert_str_eq(history(&b, "x"), "");
    BENCH_END(b);
}

LH_TEST(history_survives_restarts_and_merges)
{
    BENCH(b, 0);
    char value[16];
    for (int i = 0; i < 12; i++) {
        snprintf(value, sizeof(value), "%d", i);
        ck_lh_ok(&scratch, append(&b, i % 3 == 0 ? "three" : "other", value));
    }
    ck_assert_str_eq(history(&b, "three"), "0 3 6 9 ");
    ck_lh_ok(&scratch, lh_journal_compact(&scratch.cx, b.journal));
    ck_assert_str_eq(history(&b, "three"), "0 3 6 9 ");
    ck_assert_str_eq(history(&b, "nobody"), "");
    lh_journal_stats stats;
    lh_journal_get_stats(b.journal, &stats);
    ck_assert_uint_eq(stats.persisted_files, 1);
    ck_assert_uint_eq(stats.total_events_created, 12);
    ck_assert_uint_eq(stats.index_entries, 2);
    reopen(&b);
    ck_assert_str_eq(history(&b, "three"), "0 3 6 9 ");
    ck_lh_ok(&scratch, append(&b, "three", "12"));
    ck_assert_str_eq(history(&b, "three"), "0 3 6 9 12 ");
    BENCH_END(b);
}

LH_TEST(past_the_limit_of_the_index_nothing_is_missed)
{
    BENCH(b, .index_entries_max = 3);
    char name[16];
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "e%d", i);
        ck_lh_ok(&scratch, append(&b, name, "1"));
    }
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "e%d", i);
        ck_assert_str_eq(history(&b, name), "1 ");
    }
    lh_journal_stats stats;
    lh_journal_get_stats(b.journal, &stats);
    ck_assert_uint_le(stats.index_entries, 3);
    ck_lh_ok(&scratch, lh_journal_compact(&scratch.cx, b.journal));
    ck_assert_str_eq(history(&b, "e7"), "1 ");
    BENCH_END(b);
}

LH_TEST(pages_and_points_in_time)
{
    BENCH(b, 0);
    char value[16];
    for (int i = 0; i < 7; i++) {
        snprintf(value, sizeof(value), "%d", i);
        lh_journal_event event = event_of("e", value);
        event.timestamp = 1000 + i;
        ck_lh_ok(&scratch, lh_journal_append(&scratch.cx, b.journal, &event, 1));
    }
    lh_journal_page page = {.more = 1};
    lh_journal_query query = {.entity_id = LH_S("e"), .limit = 3};
    int seen = 0;
    while (page.more) {
        ck_lh_ok(&scratch, lh_journal_history(&scratch.cx, b.journal, &query, &page));
        for (size_t i = 0; i < page.count; i++, seen++)
            ck_assert_int_eq(page.events[i].timestamp, 1000 + seen);
        query.after = page.events[page.count - 1].event_id;
    }
    ck_assert_int_eq(seen, 7);
    query = (lh_journal_query){.entity_id = LH_S("e"), .until_us = 1003};
    ck_lh_ok(&scratch, lh_journal_history(&scratch.cx, b.journal, &query, &page));
    ck_assert_uint_eq(page.count, 4);
    BENCH_END(b);
}

LH_TEST(a_buffered_journal_answers_with_what_it_holds)
{
    BENCH(b, .flush_records = 100);
    ck_lh_ok(&scratch, append(&b, "e", "1"));
    ck_lh_ok(&scratch, append(&b, "e", "2"));
    lh_journal_stats stats;
    lh_journal_get_stats(b.journal, &stats);
    ck_assert_uint_eq(stats.buffer_size, 2);
    ck_assert_uint_eq(stats.persisted_files, 0);
    lh_journal_event *events;
    size_t count;
    ck_lh_ok(&scratch, lh_journal_recent(&scratch.cx, b.journal, 1, &events, &count));
    ck_assert_uint_eq(count, 1);
    ck_assert(lh_str_eq(events[0].new_value, LH_S("2")));
    ck_assert_str_eq(history(&b, "e"), "1 2 ");
    ck_lh_ok(&scratch, lh_journal_flush(&scratch.cx, b.journal));
    lh_journal_get_stats(b.journal, &stats);
    ck_assert_uint_eq(stats.buffer_size, 0);
    BENCH_END(b);
}

LH_TEST(ids_rise_when_the_clock_does_not)
{
    BENCH(b, 0);
    lh_clock_set_test(0, 1763733360123456);
    lh_journal_event events[3] = {event_of("e", "1"), event_of("e", "2"), event_of("e", "3")};
    ck_lh_ok(&scratch, lh_journal_append(&scratch.cx, b.journal, events, 2));
    lh_clock_set_test(0, 1763733000000000);
    reopen(&b);
    ck_lh_ok(&scratch, lh_journal_append(&scratch.cx, b.journal, events + 2, 1));
    lh_clock_reset();
    ck_assert_int_lt(lh_str_cmp(events[0].event_id, events[1].event_id), 0);
    ck_assert_int_lt(lh_str_cmp(events[1].event_id, events[2].event_id), 0);
    ck_assert_str_eq(history(&b, "e"), "1 2 3 ");
    BENCH_END(b);
}

LH_TEST(events_of_a_manifest_are_appended_once)
{
    BENCH(b, 0);
    lh_journal_event events[3] = {event_of("e", "1"), event_of("e", "2"), event_of("f", "3")};
    ck_lh_ok(&scratch, lh_journal_assign(&scratch.cx, b.journal, events, 3));
    lh_journal_event one = events[1];
    ck_lh_ok(&scratch, lh_journal_append(&scratch.cx, b.journal, &one, 1));
    size_t appended;
    ck_lh_ok(&scratch, lh_journal_append_missing(&scratch.cx, b.journal, events, 3, &appended));
    ck_assert_uint_eq(appended, 2);
    ck_lh_ok(&scratch, lh_journal_append_missing(&scratch.cx, b.journal, events, 3, &appended));
    ck_assert_uint_eq(appended, 0);
    ck_assert_str_eq(history(&b, "e"), "1 2 ");
    ck_assert_str_eq(history(&b, "f"), "3 ");
    BENCH_END(b);
}

enum { WRITERS = 4, EACH = 60 };

typedef struct writer {
    lh_journal *journal;
    int id;
    int failed;
} writer;

static void write_many(void *arg)
{
    writer *me = arg;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    for (int i = 0; i < EACH; i++) {
        lh_str value = lh_ctx_fmt(&cx, "%d", i);
        lh_str entity = lh_ctx_fmt(&cx, "w%d", me->id);
        lh_journal_event event = event_of(entity.ptr, value.ptr);
        me->failed += lh_journal_append(&cx, me->journal, &event, 1) != LH_OK;
        lh_journal_page page;
        lh_journal_query query = {.entity_id = entity};
        if (i % 20 == 19)
            me->failed += lh_journal_history(&cx, me->journal, &query, &page) != LH_OK ||
                          page.count != (size_t)i + 1;
    }
    lh_arena_free(arena);
}

LH_TEST(writers_readers_and_merges_at_once)
{
    BENCH(b, .batches_max = 10);
    writer writers[WRITERS];
    lh_thread *threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (writer){.journal = b.journal, .id = i};
        ck_lh_ok(&scratch,
                 lh_thread_start(&scratch.cx, "writer", 0, write_many, &writers[i], &threads[i]));
    }
    for (int i = 0; i < WRITERS; i++) {
        lh_thread_join(threads[i]);
        ck_assert_int_eq(writers[i].failed, 0);
    }
    lh_journal_stats stats;
    lh_journal_get_stats(b.journal, &stats);
    ck_assert_uint_eq(stats.total_events_created, WRITERS * EACH);
    reopen(&b);
    char name[16];
    for (int i = 0; i < WRITERS; i++) {
        lh_journal_page page;
        snprintf(name, sizeof(name), "w%d", i);
        lh_journal_query query = {.entity_id = lh_str_from(name)};
        ck_lh_ok(&scratch, lh_journal_history(&scratch.cx, b.journal, &query, &page));
        ck_assert_uint_eq(page.count, EACH);
    }
    BENCH_END(b);
}

#if defined(LH_FAULTS) && LH_FAULTS
static lh_journal_event unit_event(lh_scratch *s, unsigned unit)
{
    lh_journal_event event = event_of("e", lh_ctx_fmt(&s->cx, "%u", unit).ptr);
    return event;
}

static void append_units(crash_run *run, bench *b, lh_journal_event *events, unsigned first,
                         unsigned count)
{
    if (lh_journal_append(&run->scratch->cx, b->journal, events, count) != LH_OK)
        _exit(98);
    for (unsigned i = 0; i < count; i++)
        crash_ack(run, (unsigned char)(first + i));
}

/* Stands for the manifest: the events with their ids, durable before the journal has them. */
static void keep_manifest(lh_scratch *s, const lh_journal_event *events, size_t count)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, 1 << 16);
    for (size_t i = 0; i < count; i++)
        ck_lh_ok(s, lh_buf_printf(&s->cx, &out, "%.*s\n", LH_STR_ARG(events[i].event_id)));
    ck_lh_ok(s, lh_file_replace(&s->cx, lh_scratch_path(s, "manifest"), lh_buf_str(&out)));
}

static void work_on_journal(crash_run *run)
{
    bench b = {.s = run->scratch};
    open_all(&b);
    int merge = strcmp(run->row.scenario, "merge") == 0;
    int pairs = strcmp(run->row.scenario, "pairs") == 0;
    lh_journal_event events[6];
    for (unsigned i = 0; i < 6; i++)
        events[i] = unit_event(run->scratch, i);
    if (strcmp(run->row.scenario, "again") == 0) {
        ck_lh_ok(run->scratch, lh_journal_assign(&run->scratch->cx, b.journal, events, 5));
        keep_manifest(run->scratch, events, 5);
    }
    if (!merge)
        crash_arm(run);
    for (unsigned i = 0; i < 5; i += pairs ? 2 : 1)
        append_units(run, &b, &events[i], i, pairs ? 2 : 1);
    if (merge) {
        crash_arm(run);
        LH_IGNORE(lh_journal_compact(&run->scratch->cx, b.journal));
    }
}

static void recover(crash_run *run, bench *b)
{
    lh_journal_event events[5];
    lh_str ids;
    size_t appended;
    ck_lh_ok(run->scratch,
             lh_file_read_all(&run->scratch->cx, lh_scratch_path(run->scratch, "manifest"), 1 << 16,
                              &ids));
    for (unsigned i = 0; i < 5; i++) {
        events[i] = unit_event(run->scratch, i);
        (void)lh_str_split_next(&ids, '\n', &events[i].event_id);
    }
    ck_lh_ok(run->scratch,
             lh_journal_append_missing(&run->scratch->cx, b->journal, events, 5, &appended));
}

static void look_at_journal(crash_run *run, crash_found *found)
{
    bench b = {.s = run->scratch};
    for (int round = 0; round < 2;
         round++) { /* the second restart must find what the first found */
        lh_journal_page page;
        lh_journal_query query = {.entity_id = LH_S("e")};
        open_all(&b);
        if (strcmp(run->row.scenario, "again") == 0)
            recover(run, &b);
        ck_lh_ok(run->scratch, lh_journal_history(&run->scratch->cx, b.journal, &query, &page));
        lh_journal_stats stats;
        lh_journal_get_stats(b.journal, &stats);
        ck_assert_uint_eq(stats.total_events_created, page.count);
        for (size_t i = 0; i < page.count && round == 1; i++) {
            ck_assert(i == 0 ||
                      lh_str_cmp(page.events[i - 1].event_id, page.events[i].event_id) < 0);
            found->seen[page.events[i].new_value.ptr[0] - '0']++;
        }
        close_all(&b);
    }
}

LH_TEST(the_journal_survives_every_crash)
{
    crash_row rows[CRASH_ROWS_MAX];
    size_t count = crash_rows("journal.crash", rows);
    ck_assert_uint_gt(count, 20);
    for (size_t i = 0; i < count; i++)
        crash_run_row(&rows[i], work_on_journal, look_at_journal);
}
#endif
