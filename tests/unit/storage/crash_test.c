/* crash_test.c - the crash matrix of this folder: tests/fault/{store,append_log}.crash. */
#include "storage/append_log.h"
#include "support/crash.h"

static lh_store *open_store(lh_scratch *s)
{
    lh_store *store = NULL;
    ck_lh_ok(s, lh_store_open_local(&s->cx, lh_scratch_path(s, "data"),
                                    lh_scratch_path(s, "data/.lakehouse/staging"), &store));
    return store;
}

static lh_append_log *open_log(lh_scratch *s, lh_store *store)
{
    lh_append_log *log = NULL;
    lh_append_log_options opts = {.prefix = LH_S("log/"), .flush_records = 1};
    ck_lh_ok(s, lh_append_log_open(&s->cx, store, &opts, &log));
    return log;
}

#if defined(LH_FAULTS) && LH_FAULTS
static void append_units(crash_run *run, lh_append_log *log, unsigned first, unsigned count)
{
    lh_str lines[8];
    for (unsigned i = 0; i < count; i++)
        lines[i] = lh_ctx_fmt(&run->scratch->cx, "{\"n\":%u}", first + i);
    if (lh_append_log_append(&run->scratch->cx, log, lines, count) != LH_OK)
        _exit(98);
    for (unsigned i = 0; i < count; i++)
        crash_ack(run, (unsigned char)(first + i));
}

static void work_on_log(crash_run *run)
{
    lh_append_log *log = open_log(run->scratch, open_store(run->scratch));
    lh_append_log_compacted done;
    int merge = strcmp(run->row.scenario, "merge") == 0;
    int pairs = strcmp(run->row.scenario, "pairs") == 0;
    if (!merge)
        crash_arm(run);
    for (unsigned i = 0; i < 5; i += pairs ? 2 : 1)
        append_units(run, log, i, pairs ? 2 : 1);
    if (merge) {
        crash_arm(run);
        LH_IGNORE(lh_append_log_compact(&run->scratch->cx, log, LH_APPEND_LOG_COMPACT_ALL, &done));
    }
}

/* Read twice: what the first restart finds and repairs, the second must find again. */
static void look_at_log(crash_run *run, crash_found *found)
{
    lh_scratch *s = run->scratch;
    for (int round = 0; round < 2; round++) {
        lh_store *store = open_store(s);
        lh_append_log *log = open_log(s, store);
        lh_append_log_pin pin;
        ck_lh_ok(s, lh_append_log_pin_batches(&s->cx, log, &pin));
        for (size_t b = 0; b < pin.count; b++) {
            lh_str *lines;
            size_t count;
            ck_lh_ok(s, lh_append_log_read(&s->cx, log, &pin.batches[b], &lines, &count));
            for (size_t i = 0; i < count && round == 1; i++)
                found->seen[lines[i].ptr[5] - '0']++;
        }
        lh_append_log_unpin(log, &pin);
        lh_append_log_stats stats;
        lh_append_log_get_stats(log, &stats);
        lh_object_page page;
        ck_lh_ok(s, lh_store_list(&s->cx, store, LH_S("log/"), LH_S(""), 0, &page));
        ck_assert_uint_eq(page.count, stats.batches);
        lh_append_log_close(log);
        lh_store_close(store);
    }
}

LH_TEST(the_append_log_survives_every_crash)
{
    crash_row rows[CRASH_ROWS_MAX];
    size_t count = crash_rows("append_log.crash", rows);
    ck_assert_uint_gt(count, 20);
    for (size_t i = 0; i < count; i++)
        crash_run_row(&rows[i], work_on_log, look_at_log);
}

static lh_str key_of(lh_scratch *s, unsigned unit)
{
    return lh_ctx_fmt(&s->cx, "things/object-%u", unit);
}

static void publish_unit(lh_scratch *s, lh_store *store, unsigned unit)
{
    lh_staged *staged = NULL;
    lh_object_sum sum;
    ck_lh_ok(s, lh_store_stage(&s->cx, store, &staged));
    ck_lh_ok(s, lh_staged_write(&s->cx, staged, LH_S("who")));
    ck_lh_ok(s, lh_staged_write(&s->cx, staged, LH_S("le")));
    ck_lh_ok(s, lh_staged_publish(&s->cx, staged, key_of(s, unit), &sum));
}

static void work_on_store(crash_run *run)
{
    lh_scratch *s = run->scratch;
    lh_store *store = open_store(s);
    int publish = strcmp(run->row.scenario, "publish") == 0;
    int replace = strcmp(run->row.scenario, "replace") == 0;
    if (!replace)
        crash_arm(run);
    for (unsigned unit = 0; unit < 3; unit++) {
        if (publish)
            publish_unit(s, store, unit);
        else
            ck_lh_ok(s, lh_store_put_if_absent(&s->cx, store, key_of(s, unit), LH_S("whole")));
        crash_ack(run, (unsigned char)unit);
    }
    if (replace)
        crash_arm(run);
    for (unsigned unit = 0; unit < 3 && replace; unit++)
        ck_lh_ok(s, lh_store_put(&s->cx, store, key_of(s, unit), LH_S("renewed")));
}

static void look_at_store(crash_run *run, crash_found *found)
{
    lh_scratch *s = run->scratch;
    lh_store *store = open_store(s);
    lh_object_page page;
    lh_dir_entry *entries;
    size_t count;
    ck_lh_ok(s, lh_store_list(&s->cx, store, LH_S(""), LH_S(""), 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        lh_str bytes;
        ck_assert(lh_str_starts(page.items[i].key, LH_S("things/object-")));
        ck_lh_ok(s, lh_store_get(&s->cx, store, page.items[i].key, 100, &bytes));
        ck_assert(lh_str_eq(bytes, LH_S("whole")) || lh_str_eq(bytes, LH_S("renewed")));
        found->seen[page.items[i].key.ptr[page.items[i].key.len - 1] - '0']++;
    }
    ck_lh_ok(s, lh_dir_list(&s->cx, lh_store_staging(store), &entries, &count));
    ck_assert_uint_eq(count, 1); /* the store's mark */
    lh_store_close(store);
}

LH_TEST(the_store_survives_every_crash)
{
    crash_row rows[CRASH_ROWS_MAX];
    size_t count = crash_rows("store.crash", rows);
    ck_assert_uint_gt(count, 20);
    for (size_t i = 0; i < count; i++)
        crash_run_row(&rows[i], work_on_store, look_at_store);
}
#else
LH_TEST(the_crash_matrix_needs_fault_points)
{
    (void)open_log;
    fprintf(stderr, "skipped: built without LH_FAULTS\n");
}
#endif
