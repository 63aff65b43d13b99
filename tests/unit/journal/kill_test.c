/* kill_test.c - a process that appends from several threads and merges is killed again and again;
 * what it was told is durable is there once, and what it was not told is there at most once. */
#include "journal/journal.h"
#include "os/thread.h"
#include "support/scratch.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLS = 6, WRITERS = 3, UNITS_MAX = 1 << 16 };

static unsigned char acked[UNITS_MAX];
static unsigned char found[UNITS_MAX];

static void open_all(lh_scratch *s, lh_store **store, lh_journal **journal)
{
    lh_journal_options opts = {.batches_max = 8};
    ck_lh_ok(s, lh_store_open_local(&s->cx, lh_scratch_path(s, "data"),
                                    lh_scratch_path(s, "staging"), store));
    ck_lh_ok(s, lh_journal_open(&s->cx, *store, &opts, journal));
}

typedef struct writer {
    lh_journal *journal;
    unsigned first;
    int pipe;
} writer;

static void write_forever(void *arg)
{
    const writer *me = arg;
    for (unsigned unit = me->first; unit < UNITS_MAX; unit += WRITERS) {
        lh_arena *arena = lh_arena_new(0);
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        lh_journal_event event = {
            .entity_type = LH_S("t"), .entity_id = LH_S("e"), .action = LH_S("x")};
        event.new_value = lh_ctx_fmt(&cx, "%u", unit);
        if (lh_journal_append(&cx, me->journal, &event, 1) != LH_OK ||
            write(me->pipe, &unit, sizeof(unit)) != (ssize_t)sizeof(unit))
            _exit(1);
        lh_arena_free(arena);
    }
}

static void child(lh_scratch *s, unsigned first, int pipe)
{
    lh_store *store = NULL;
    lh_journal *journal = NULL;
    writer writers[WRITERS];
    lh_thread *threads[WRITERS];
    open_all(s, &store, &journal);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (writer){.journal = journal, .first = first + i, .pipe = pipe};
        ck_lh_ok(s, lh_thread_start(&s->cx, "writer", 0, write_forever, &writers[i], &threads[i]));
    }
    lh_thread_join(threads[0]);
    _exit(1); /* only the kill ends it */
}

/* Kills after so many acknowledgements; reads those that came meanwhile. Returns the largest unit
 * seen. */
static unsigned kill_after(lh_scratch *s, unsigned first, int acks)
{
    int fds[2];
    int status;
    unsigned unit;
    unsigned largest = first;
    ck_assert_int_eq(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child(s, first, fds[1]);
    }
    close(fds[1]);
    for (int n = 0; read(fds[0], &unit, sizeof(unit)) == (ssize_t)sizeof(unit); n++) {
        ck_assert_uint_lt(unit, UNITS_MAX);
        acked[unit] = 1;
        largest = LH_MAX(largest, unit);
        if (n == acks)
            kill(pid, SIGKILL);
    }
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status), "the child ended by itself");
    return largest;
}

static void count_found(lh_scratch *s)
{
    lh_store *store = NULL;
    lh_journal *journal = NULL;
    lh_journal_page page;
    lh_journal_query query = {.entity_id = LH_S("e")};
    memset(found, 0, sizeof(found));
    open_all(s, &store, &journal);
    ck_lh_ok(s, lh_journal_history(&s->cx, journal, &query, &page));
    lh_journal_stats stats;
    lh_journal_get_stats(journal, &stats);
    ck_assert_uint_eq(stats.total_events_created, page.count);
    for (size_t i = 0; i < page.count; i++) {
        unsigned unit;
        ck_assert_int_eq(sscanf(page.events[i].new_value.ptr, "%u", &unit), 1);
        ck_assert_uint_lt(unit, UNITS_MAX);
        ck_assert_uint_eq(found[unit], 0);
        found[unit] = 1;
    }
    lh_journal_close(journal);
    lh_store_close(store);
}

LH_TEST(nothing_acknowledged_is_lost_or_doubled_by_kills_under_load)
{
    lh_scratch s;
    lh_scratch_open(&s);
    unsigned next = 0;
    for (int i = 0; i < KILLS; i++) {
        next = kill_after(&s, next, 3 + 17 * i % 50) + WRITERS + 1;
        count_found(&s);
        for (unsigned unit = 0; unit < UNITS_MAX; unit++)
            ck_assert_msg(!acked[unit] || found[unit], "unit %u was acknowledged and is lost",
                          unit);
    }
    lh_scratch_close(&s);
}
