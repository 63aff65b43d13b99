/* catalog_crash_test.c - tests/fault/catalog.crash: whatever dies wherever, no acknowledged
 * commit and no event is lost, and no event is there twice. */
#include "base/log.h"
#include "catalog_fixture.h"
#include "support/crash.h"

enum { COMMITS = 5 };

static void start(fixture *f, lh_scratch *s)
{
    lh_log_configure(LH_LOG_ERROR, LH_LOG_AUTO);
    memset(f, 0, sizeof(*f));
    f->s = *s;
    fixture_start(f);
}

/* Unit n is a file of n + 1 rows, appended to one dataset or made in one of its own. */
static void work(crash_run *run)
{
    fixture f;
    int own = strcmp(run->row.scenario, "create") == 0;
    start(&f, run->scratch);
    if (!own)
        lh_snapshot_unref(append(&f, "d0", 100, 1)); /* what was there before */
    crash_arm(run);
    for (unsigned char n = 0; n < COMMITS; n++) {
        char name[8];
        snprintf(name, sizeof(name), "d%d", own ? n : 0);
        lh_snapshot_unref(append(&f, name, n, n + 1u));
        crash_ack(run, n);
    }
}

static void see(fixture *f, const lh_manifest *m, crash_found *found)
{
    const lh_data_file *files = m->files.items;
    for (size_t i = 0; i < m->files.count; i++)
        if (files[i].rows <= COMMITS && lh_str_find(files[i].key, LH_S("/u100.")) == LH_STR_NPOS)
            found->seen[files[i].rows - 1]++;
    ck_assert_uint_eq(m->files.count, m->commit);
    (void)f;
}

static void look(crash_run *run, crash_found *found)
{
    fixture f;
    for (int round = 0; round < 2; round++) { /* a second restart changes nothing */
        memset(found, 0, sizeof(*found));
        start(&f, run->scratch);
        lh_catalog_page page;
        ck_lh_ok(&f.s, lh_catalog_list(&f.s.cx, f.catalog, LH_STR_NONE, 0, &page));
        for (size_t i = 0; i < page.count; i++)
            see(&f, lh_snapshot_manifest(page.items[i]), found);
        lh_catalog_page_done(&page);
        for (unsigned n = 0; n < COMMITS; n++) {
            char text[32];
            snprintf(text, sizeof(text), "\"unit %u\"", n);
            unsigned events = journal_count(&f.s, f.store, text);
            ck_assert_msg(events == found->seen[n], "%s %u: %u events of unit %u, %u commits",
                          lh_fault_name(run->row.point), run->row.hit, events, n, found->seen[n]);
        }
        fixture_stop(&f);
    }
}

#if defined(LH_FAULTS) && LH_FAULTS
LH_TEST(a_crash_loses_no_acknowledged_commit_and_no_event)
{
    crash_row rows[CRASH_ROWS_MAX];
    size_t count = crash_rows("catalog.crash", rows);
    for (size_t i = 0; i < count; i++)
        crash_run_row(&rows[i], work, look);
}
#endif
