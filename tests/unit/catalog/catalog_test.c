/* catalog_test.c - commits, readers, time travel, rebuild, damage, and writers that race. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "catalog/catalog_private.h"
#include "catalog/sealed.h"
#include "catalog_fixture.h"
#include "os/thread.h"

LH_TEST(a_commit_is_seen_and_survives_a_restart)
{
    fixture f;
    fixture_open(&f);
    for (uint64_t i = 1; i <= 5; i++)
        lh_snapshot_unref(append(&f, "orders", i, 10 * i));
    for (int round = 0; round < 2; round++) {
        lh_snapshot *snapshot = get(&f, "orders");
        const lh_manifest *m = lh_snapshot_manifest(snapshot);
        ck_assert_uint_eq(m->commit, 5);
        ck_assert_uint_eq(m->row_count, 150);
        ck_assert_uint_eq(m->files.count, 5);
        ck_assert_uint_eq(m->schemas.count, 1);
        ck_assert_uint_eq(lh_catalog_count(f.catalog), 1);
        lh_snapshot_unref(snapshot);
        fixture_restart(&f);
    }
    ck_assert_uint_eq(journal_count(&f.s, f.store, "\"unit 3\""), 1);
    ck_assert_uint_eq(journal_count(&f.s, f.store, "\"event_id\""), 5);
    fixture_close(&f);
}

/* Everything a catalog holds, as texts: equal before and after a rebuild. */
static lh_str everything(fixture *f)
{
    lh_catalog_page page;
    lh_buf out;
    lh_buf_init(&out, 16 << 20);
    ck_lh_ok(&f->s, lh_catalog_list(&f->s.cx, f->catalog, LH_STR_NONE, 0, &page));
    ck_assert_int_eq(page.more, 0);
    for (size_t i = 0; i < page.count; i++) {
        lh_str json;
        ck_lh_ok(&f->s, lh_manifest_write(&f->s.cx, lh_snapshot_manifest(page.items[i]), &json));
        ck_lh_ok(&f->s, lh_buf_append(&f->s.cx, &out, json));
    }
    lh_catalog_page_done(&page);
    lh_str text = lh_ctx_dup(&f->s.cx, lh_buf_str(&out));
    lh_buf_done(&out);
    return text;
}

static const char *const many[] = {"alpha", "Beta", "beta 2", "gamma", "a-1", "z.z", "B"};

LH_TEST(a_rebuild_gives_the_same_catalog)
{
    fixture f;
    fixture_open(&f);
    for (size_t i = 0; i < LH_ARRAY_LEN(many); i++)
        for (uint64_t k = 0; k <= i; k++)
            lh_snapshot_unref(append(&f, many[i], k, k + 1));
    lh_str before = everything(&f);
    fixture_restart(&f);
    ck_assert(lh_str_eq(everything(&f), before));
    fixture_close(&f);
}

LH_TEST(lists_are_in_order_and_in_pages)
{
    static const char *const order[] = {"a-1", "alpha", "B", "Beta", "beta 2", "gamma", "z.z"};
    fixture f;
    fixture_open(&f);
    for (size_t i = 0; i < LH_ARRAY_LEN(many); i++)
        lh_snapshot_unref(append(&f, many[i], 1, 1));
    lh_str after = LH_STR_NONE;
    for (size_t at = 0; at < LH_ARRAY_LEN(order);) {
        lh_catalog_page page;
        ck_lh_ok(&f.s, lh_catalog_list(&f.s.cx, f.catalog, after, 2, &page));
        ck_assert_uint_eq(page.count, LH_MIN((size_t)2, LH_ARRAY_LEN(order) - at));
        for (size_t i = 0; i < page.count; i++, at++) {
            after = lh_ctx_dup(&f.s.cx, lh_snapshot_manifest(page.items[i])->name);
            ck_assert(lh_str_eq(after, lh_str_from(order[at])));
        }
        ck_assert_int_eq(page.more, at < LH_ARRAY_LEN(order));
        lh_catalog_page_done(&page);
    }
    fixture_close(&f);
}

LH_TEST(an_unknown_name_brings_a_near_one)
{
    fixture f;
    fixture_open(&f);
    lh_snapshot *snapshot;
    ck_lh_fails(lh_catalog_get(&f.s.cx, f.catalog, LH_S("x"), 0, 0, &snapshot),
                LH_E_UNKNOWN_DATASET);
    lh_snapshot_unref(append(&f, "customers", 1, 1));
    lh_snapshot_unref(append(&f, "orders", 1, 1));
    lh_snapshot_unref(append(&f, "orders_2024", 1, 1));
    ck_lh_fails(lh_catalog_get(&f.s.cx, f.catalog, LH_S("custmers"), 0, 0, &snapshot),
                LH_E_UNKNOWN_DATASET);
    ck_assert_ptr_nonnull(strstr(f.s.cx.err.hint, "customers"));
    lh_str_list near;
    ck_lh_ok(&f.s, lh_catalog_near(&f.s.cx, f.catalog, LH_S("order"), &near));
    ck_assert_uint_eq(near.count, 2);
    ck_assert(lh_str_eq(near.items[0], LH_S("orders")));
    ck_lh_ok(&f.s, lh_catalog_near(&f.s.cx, f.catalog, LH_S("qqqqqqqq"), &near));
    ck_assert_uint_eq(near.count, 0);
    ck_lh_fails(lh_catalog_get(&f.s.cx, f.catalog, LH_S("../x"), 0, 0, &snapshot),
                LH_E_UNKNOWN_DATASET);
    fixture_close(&f);
}

static const char *nearest(fixture *f, const char *asked)
{
    lh_str_list near;
    ck_lh_ok(&f->s, lh_catalog_near(&f->s.cx, f->catalog, lh_str_from(asked), &near));
    return near.count > 0 ? lh_ctx_cstr(&f->s.cx, near.items[0]) : "";
}

LH_TEST(two_mistakes_or_a_missing_end_still_bring_the_name)
{
    static const struct {
        const char *asked;
        const char *wanted; /* "" = none */
    } rows[] = {
        {"clint", "clients"},
        {"candidate", "candidates"},
        {"canddate", "candidates"},
        {"cand", "candidates"},
        {"placments", "placements"},
        {"timesheat", "timesheets"},
        {"job_orders2", "job_orders"},
        {"joborder", "job_orders"},
        {"cal", "call_log"},
        {"log", "call_log"},
        {"CLIENT", "clients"},
        {"xyz", ""},
        {"jo", ""},
        {"t", ""},
        {"cat", ""},
    };
    static const char *const names[] = {"clients",    "candidates", "placements",
                                        "timesheets", "job_orders", "call_log"};
    fixture f;
    fixture_open(&f);
    for (size_t i = 0; i < LH_ARRAY_LEN(names); i++)
        lh_snapshot_unref(append(&f, names[i], 1, 1));
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++)
        ck_assert_str_eq(nearest(&f, rows[i].asked), rows[i].wanted);
    fixture_close(&f);
}

LH_TEST(an_older_snapshot_never_comes_over_a_newer_one)
{
    fixture f;
    fixture_open(&f);
    lh_snapshot *first = append(&f, "orders", 1, 1);
    lh_snapshot *second = append(&f, "orders", 2, 1);
    ck_lh_ok(&f.s, lhi_catalog_publish(&f.s.cx, f.catalog, first));
    ck_lh_ok(&f.s, lhi_catalog_publish(&f.s.cx, f.catalog, second));
    lh_snapshot *current = get(&f, "orders");
    ck_assert_uint_eq(lh_snapshot_manifest(current)->commit, 2);
    ck_assert_ptr_eq(current, second);
    lh_snapshot_unref(current);
    lh_snapshot_unref(second);
    lh_snapshot_unref(first);
    fixture_close(&f);
}

LH_TEST(names_are_one_in_any_case)
{
    fixture f;
    fixture_open(&f);
    lh_snapshot_unref(append(&f, "Orders", 1, 1));
    lh_snapshot *made = append(&f, "oRDERS", 2, 1);
    ck_assert(lh_str_eq(lh_snapshot_manifest(made)->name, LH_S("Orders")));
    ck_assert_uint_eq(lh_snapshot_manifest(made)->commit, 2);
    lh_snapshot_unref(made);
    lh_snapshot_unref(get(&f, "ORDERS"));
    ck_assert_uint_eq(lh_catalog_count(f.catalog), 1);
    fixture_close(&f);
}

LH_TEST(bad_names_change_nothing)
{
    static const char *const bad[] = {"", "..", "a/b", "_catalog", "a\\b", "x."};
    fixture f;
    fixture_open(&f);
    append_arg arg = {.number = 1, .rows = 1};
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++)
        ck_lh_fails(
            lh_catalog_commit(&f.s.cx, f.catalog, lh_str_from(bad[i]), build_append, &arg, NULL),
            LH_E_BAD_NAME);
    lh_object_page page;
    ck_lh_ok(&f.s, lh_store_list(&f.s.cx, f.store, LH_S("_catalog/"), LH_STR_NONE, 0, &page));
    ck_assert_uint_eq(page.count, 0);
    fixture_close(&f);
}

static lh_rc build_refuses(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    (void)parent;
    int *calls = arg;
    ++*calls;
    next->operation = LH_S("never");
    return lh_fail(cx, LH_E_CONFLICT, "no");
}

LH_TEST(a_build_that_refuses_makes_nothing_and_is_not_repeated)
{
    fixture f;
    fixture_open(&f);
    int calls = 0;
    lh_snapshot_unref(append(&f, "d", 1, 1));
    ck_lh_fails(lh_catalog_commit(&f.s.cx, f.catalog, LH_S("d"), build_refuses, &calls, NULL),
                LH_E_CONFLICT);
    ck_assert_int_eq(calls, 1);
    lh_snapshot *snapshot = get(&f, "d");
    ck_assert_uint_eq(lh_snapshot_manifest(snapshot)->commit, 1);
    lh_snapshot_unref(snapshot);
    fixture_close(&f);
}

static lh_rc build_invalid(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    (void)parent;
    (void)arg;
    lh_data_file file = fake_file(cx, next->name, 1, 1);
    file.key = LH_S("_access/keys.json");
    return lh_manifest_add_file(cx, next, &file);
}

static lh_rc build_metadata(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    (void)cx;
    (void)parent;
    lh_column *columns = ((lh_schema *)next->schemas.items)->columns.items;
    next->metadata.description = *(lh_str *)arg;
    columns[0].description = *(lh_str *)arg; /* in place is allowed for columns */
    next->operation = LH_S("metadata");
    next->id = LH_S("ds-ffffffffffffffff"); /* not for a build to change */
    next->commit = 77;
    return LH_OK;
}

LH_TEST(a_version_that_would_not_load_is_not_stored)
{
    fixture f;
    fixture_open(&f);
    ck_lh_fails(lh_catalog_commit(&f.s.cx, f.catalog, LH_S("d"), build_invalid, NULL, NULL),
                LH_E_INTERNAL);
    ck_assert_uint_eq(lh_catalog_count(f.catalog), 0);
    fixture_restart(&f);
    ck_assert_uint_eq(lh_catalog_count(f.catalog), 0);
    fixture_close(&f);
}

LH_TEST(a_build_changes_what_is_said_and_not_which_version_it_is)
{
    fixture f;
    fixture_open(&f);
    lh_snapshot *first = append(&f, "d", 1, 1);
    lh_str text = LH_S("said");
    ck_lh_ok(&f.s, lh_catalog_commit(&f.s.cx, f.catalog, LH_S("d"), build_metadata, &text, NULL));
    lh_snapshot *second = get(&f, "d");
    const lh_manifest *a = lh_snapshot_manifest(first), *b = lh_snapshot_manifest(second);
    ck_assert(lh_str_eq(a->id, b->id));
    ck_assert_uint_eq(b->commit, 2);
    ck_assert(lh_str_eq(b->metadata.description, text));
    ck_assert_uint_eq(a->metadata.description.len, 0);
    ck_assert_uint_eq(lh_schema_find_id(lh_manifest_current(a), 1)->description.len, 0);
    ck_assert_uint_eq(lh_schema_find_id(lh_manifest_current(b), 1)->description.len, 4);
    ck_assert_uint_eq(b->events.count, 1); /* every change has an event */
    ck_assert_int_gt(b->committed_at, a->committed_at);
    lh_snapshot_unref(first);
    lh_snapshot_unref(second);
    fixture_close(&f);
}

LH_TEST(older_versions_are_found_by_number_and_by_time)
{
    fixture f;
    fixture_open(&f);
    int64_t times[41];
    for (uint64_t i = 1; i <= 40; i++) {
        lh_snapshot *made = append(&f, "d", i, i);
        times[i] = lh_snapshot_manifest(made)->committed_at;
        ck_assert_int_gt(times[i], i > 1 ? times[i - 1] : 0);
        lh_snapshot_unref(made);
    }
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 1; i <= 40; i++) {
            lh_snapshot *by_number = NULL, *by_time = NULL;
            ck_lh_ok(&f.s, lh_catalog_get(&f.s.cx, f.catalog, LH_S("d"), i, 0, &by_number));
            ck_lh_ok(&f.s, lh_catalog_get(&f.s.cx, f.catalog, LH_S("D"), 0, times[i], &by_time));
            ck_assert_uint_eq(lh_snapshot_manifest(by_number)->row_count, i * (i + 1) / 2);
            ck_assert_uint_eq(lh_snapshot_manifest(by_time)->commit, i);
            lh_snapshot_unref(by_number);
            lh_snapshot_unref(by_time);
        }
        fixture_restart(&f);
    }
    lh_snapshot *none;
    ck_lh_fails(lh_catalog_get(&f.s.cx, f.catalog, LH_S("d"), 41, 0, &none), LH_E_NOT_FOUND);
    ck_lh_fails(lh_catalog_get(&f.s.cx, f.catalog, LH_S("d"), 0, times[1] - 1, &none),
                LH_E_NOT_FOUND);
    ck_lh_fails(lh_catalog_get(&f.s.cx, f.catalog, LH_S("d"), 1, times[1], &none), LH_E_BAD_VALUE);
    fixture_close(&f);
}

LH_TEST(times_rise_when_the_clock_does_not)
{
    fixture f;
    fixture_open(&f);
    lh_clock_set_test(lh_clock_mono_us(), 2000000000000000);
    lh_snapshot *first = append(&f, "d", 1, 1);
    lh_clock_set_test(lh_clock_mono_us(), 1000000000000000);
    lh_snapshot *second = append(&f, "d", 2, 1);
    ck_assert_int_gt(lh_snapshot_manifest(second)->committed_at,
                     lh_snapshot_manifest(first)->committed_at);
    lh_clock_reset();
    lh_snapshot_unref(first);
    lh_snapshot_unref(second);
    fixture_close(&f);
}

LH_TEST(a_reader_keeps_its_version_while_others_commit)
{
    fixture f;
    fixture_open(&f);
    lh_snapshot *kept = append(&f, "d", 1, 7);
    lh_str before, after;
    ck_lh_ok(&f.s, lh_manifest_write(&f.s.cx, lh_snapshot_manifest(kept), &before));
    for (uint64_t i = 2; i <= 101; i++)
        lh_snapshot_unref(append(&f, "d", i, 1));
    ck_lh_ok(&f.s, lh_manifest_write(&f.s.cx, lh_snapshot_manifest(kept), &after));
    ck_assert(lh_str_eq(before, after));
    ck_assert_uint_eq(lh_snapshot_manifest(kept)->row_count, 7);
    lh_catalog_close(f.catalog);
    ck_assert_uint_eq(lh_snapshot_manifest(kept)->files.count,
                      1); /* also longer than the catalog */
    lh_snapshot_unref(kept);
    ck_lh_ok(&f.s, lh_catalog_open(&f.s.cx, f.store, f.journal, &f.catalog));
    fixture_close(&f);
}

static void flip(fixture *f, const char *key, size_t at)
{
    lh_str bytes;
    ck_lh_ok(&f->s, lh_store_get(&f->s.cx, f->store, lh_str_from(key), 1 << 20, &bytes));
    char *copy = LH_NEW_ARRAY(&f->s.cx, char, bytes.len);
    memcpy(copy, bytes.ptr, bytes.len);
    copy[at % bytes.len] ^= 4;
    ck_lh_ok(&f->s, lh_store_put(&f->s.cx, f->store, lh_str_from(key), lh_str_n(copy, bytes.len)));
}

LH_TEST(a_damaged_dataset_does_not_take_the_others_down)
{
    static const char key[] = "_catalog/datasets/bad/00000000000000000002.json";
    fixture f;
    fixture_open(&f);
    lh_snapshot_unref(append(&f, "bad", 1, 1));
    lh_snapshot_unref(append(&f, "bad", 2, 1));
    lh_snapshot_unref(append(&f, "good", 1, 3));
    flip(&f, key, 100);
    fixture_restart(&f);
    lh_snapshot *snapshot = NULL;
    ck_lh_fails(lh_catalog_get(&f.s.cx, f.catalog, LH_S("bad"), 0, 0, &snapshot), LH_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(f.s.cx.err.message, key));
    append_arg arg = {.number = 3, .rows = 1};
    ck_lh_fails(lh_catalog_commit(&f.s.cx, f.catalog, LH_S("bad"), build_append, &arg, NULL),
                LH_E_CORRUPT);
    ck_assert_uint_eq(lh_catalog_count(f.catalog), 1);
    lh_damaged_dataset *damaged;
    size_t count;
    ck_lh_ok(&f.s, lh_catalog_damaged(&f.s.cx, f.catalog, &damaged, &count));
    ck_assert_uint_eq(count, 1);
    ck_assert(lh_str_eq(damaged[0].name, LH_S("bad")));
    ck_assert_uint_eq(damaged[0].commit, 2);
    lh_snapshot_unref(append(&f, "good", 2, 3));
    ck_lh_ok(&f.s, lh_catalog_get(&f.s.cx, f.catalog, LH_S("bad"), 1, 0, &snapshot));
    lh_snapshot_unref(snapshot); /* what is whole can be read by its number */
    fixture_close(&f);
}

LH_TEST(what_a_newer_program_wrote_is_read_and_not_changed)
{
    fixture f;
    fixture_open(&f);
    lh_snapshot *made = append(&f, "d", 1, 1);
    lh_manifest newer = *lh_snapshot_manifest(made);
    newer.format_version = 9;
    newer.commit = 2;
    newer.parent = 1;
    newer.committed_at++;
    lh_str json;
    ck_lh_ok(&f.s, lh_manifest_write(&f.s.cx, &newer, &json));
    ck_lh_ok(&f.s, lh_store_put_if_absent(&f.s.cx, f.store, lh_manifest_key(&f.s.cx, LH_S("d"), 2),
                                          json));
    lh_snapshot_unref(made);
    fixture_restart(&f);
    made = get(&f, "d");
    ck_assert_uint_eq(lh_snapshot_manifest(made)->commit, 2);
    append_arg arg = {.number = 3, .rows = 1};
    ck_lh_fails(lh_catalog_commit(&f.s.cx, f.catalog, LH_S("d"), build_append, &arg, NULL),
                LH_E_UNAVAILABLE);
    lh_snapshot_unref(made);
    fixture_close(&f);
}

static void count_commits(void *arg, const lh_snapshot *snapshot, lh_str operation)
{
    ck_assert(lh_str_eq(operation, LH_S("append")));
    *(uint64_t *)arg += lh_snapshot_manifest(snapshot)->commit;
}

LH_TEST(subscribers_hear_of_each_commit)
{
    fixture f;
    fixture_open(&f);
    uint64_t sums[LHI_SUBSCRIBERS_MAX + 1] = {0};
    for (size_t i = 0; i < LHI_SUBSCRIBERS_MAX; i++)
        ck_lh_ok(&f.s, lh_catalog_subscribe(&f.s.cx, f.catalog, count_commits, &sums[i]));
    ck_lh_fails(lh_catalog_subscribe(&f.s.cx, f.catalog, count_commits, &sums[8]), LH_E_INTERNAL);
    for (uint64_t i = 1; i <= 4; i++)
        lh_snapshot_unref(append(&f, "d", i, 1));
    ck_assert_uint_eq(sums[0], 10);
    ck_assert_uint_eq(sums[7], 10);
    fixture_close(&f);
}

#if defined(LH_FAULTS) && LH_FAULTS
LH_TEST(a_journal_that_fails_is_completed_before_the_next_commit)
{
    fixture f;
    fixture_open(&f);
    lh_snapshot_unref(append(&f, "d", 1, 1));
    lh_fault_arm(LH_FAULT_CATALOG_BEFORE_JOURNAL, LH_FAULT_FAIL, 1, 0);
    lh_snapshot_unref(append(&f, "d", 2, 1)); /* the commit is made, so it succeeds */
    ck_assert_uint_eq(journal_count(&f.s, f.store, "\"event_id\""), 1);
    lh_fault_arm(LH_FAULT_CATALOG_AFTER_JOURNAL, LH_FAULT_FAIL, 1, 0);
    append_arg arg = {.number = 3, .rows = 1};
    ck_lh_fails(lh_catalog_commit(&f.s.cx, f.catalog, LH_S("d"), build_append, &arg, NULL),
                LH_E_IO);
    lh_fault_disarm_all();
    lh_snapshot_unref(append(&f, "d", 3, 1));
    ck_assert_uint_eq(journal_count(&f.s, f.store, "\"event_id\""), 3);
    ck_assert_uint_eq(journal_count(&f.s, f.store, "\"unit 2\""), 1);
    fixture_restart(&f);
    ck_assert_uint_eq(journal_count(&f.s, f.store, "\"event_id\""), 3);
    fixture_close(&f);
}

LH_TEST(a_put_whose_answer_was_lost_is_seen_by_readers)
{
    fixture f;
    fixture_open(&f);
    lh_snapshot_unref(append(&f, "d", 1, 1));
    lh_fault_arm(LH_FAULT_CATALOG_AFTER_MANIFEST, LH_FAULT_FAIL, 1, 0);
    append_arg arg = {.number = 2, .rows = 1};
    ck_lh_fails(lh_catalog_commit(&f.s.cx, f.catalog, LH_S("d"), build_append, &arg, NULL),
                LH_E_IO);
    lh_fault_disarm_all();
    lh_snapshot *now = get(&f, "d");
    ck_assert_uint_eq(lh_snapshot_manifest(now)->commit, 2); /* what a restart would see */
    lh_snapshot_unref(now);
    lh_snapshot_unref(append(&f, "d", 3, 1));
    ck_assert_uint_eq(journal_count(&f.s, f.store, "\"unit 2\""), 1);
    fixture_close(&f);
}
#endif

/* Restart, commit, time travel and SQL with the n-th allocation failing, until all goes well. */
LH_TEST(a_failed_allocation_is_an_error_and_nothing_worse)
{
    fixture f;
    fixture_open(&f);
    lh_log_configure(LH_LOG_ERROR, LH_LOG_AUTO);
    lh_snapshot_unref(append(&f, "d", 1000, 1));
    ck_lh_ok(&f.s, lh_store_put(&f.s.cx, f.store, LH_S("datasets/d/u1000.parquet"), LH_S("x")));
    lh_rc rc = LH_E_NO_MEMORY;
    for (uint64_t n = 0; rc != LH_OK; n++) {
        lh_arena *arena = lh_arena_new(0);
        lh_ctx cx;
        lh_catalog *other = NULL;
        lh_snapshot *old = NULL;
        lh_str sql;
        append_arg arg = {.number = n, .rows = 1};
        lh_ctx_init(&cx, arena);
        ck_assert_uint_lt(n, 5000);
        lh_alloc_fail_after(n, 0);
        rc = lh_catalog_open(&cx, f.store, f.journal, &other);
        if (rc == LH_OK)
            rc = lh_catalog_commit(&cx, other, LH_S("d"), build_append, &arg, NULL);
        if (rc == LH_OK)
            rc = lh_catalog_get(&cx, other, LH_S("d"), 1, 0, &old);
        if (rc == LH_OK)
            rc = lh_snapshot_sql(&cx, f.store, old, &sql);
        if (rc == LH_OK && lh_alloc_failures() > 0)
            rc = LH_E_NO_MEMORY; /* it was not needed: go on with the next */
        lh_alloc_fail_off();
        ck_assert_msg(rc == LH_OK || rc == LH_E_NO_MEMORY, "allocation %llu: %s (%s)",
                      (unsigned long long)n, lh_rc_code(rc), cx.err.message);
        lh_snapshot_unref(old);
        lh_catalog_close(other);
        lh_arena_free(arena);
    }
    fixture_restart(&f);
    lh_snapshot *now = get(&f, "d");
    const lh_manifest *m = lh_snapshot_manifest(now);
    ck_assert_uint_eq(m->files.count, m->commit);
    ck_assert_uint_eq(journal_count(&f.s, f.store, "\"event_id\""), m->commit);
    lh_snapshot_unref(now);
    fixture_close(&f);
}

enum { WRITERS = 8, APPENDS = 50 };

typedef struct writer {
    lh_catalog *catalog;
    uint64_t id;
    lh_rc rc;
    char why[512];
} writer;

static void write_many(void *arg)
{
    writer *w = arg;
    for (uint64_t i = 0; i < APPENDS && w->rc == LH_OK; i++) {
        lh_arena *arena = lh_arena_new(0);
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        append_arg a = {.number = w->id * 1000 + i, .rows = i + 1};
        w->rc = lh_catalog_commit(&cx, w->catalog, LH_S("raced"), build_append, &a, NULL);
        memcpy(w->why, cx.err.message, sizeof(w->why));
        lh_arena_free(arena);
    }
}

typedef struct reader {
    lh_catalog *catalog;
    atomic_int stop;
    uint64_t reads;
    int went_back;
    int torn;
} reader;

static void read_many(void *arg)
{
    reader *r = arg;
    uint64_t last = 0;
    while (!atomic_load(&r->stop)) {
        lh_arena *arena = lh_arena_new(0);
        lh_ctx cx;
        lh_snapshot *snapshot = NULL;
        lh_ctx_init(&cx, arena);
        if (lh_catalog_get(&cx, r->catalog, LH_S("raced"), 0, 0, &snapshot) == LH_OK) {
            const lh_manifest *m = lh_snapshot_manifest(snapshot);
            const lh_data_file *files = m->files.items;
            uint64_t rows = 0;
            for (size_t i = 0; i < m->files.count; i++)
                rows += files[i].rows;
            r->went_back |= m->commit < last;
            r->torn |= rows != m->row_count || m->files.count != m->commit;
            last = m->commit;
            r->reads++;
        }
        lh_snapshot_unref(snapshot);
        lh_arena_free(arena);
    }
}

LH_TEST(racing_writers_through_two_catalogs_lose_nothing)
{
    fixture f;
    fixture_open(&f);
    lh_log_configure(LH_LOG_WARN, LH_LOG_AUTO);
    lh_catalog *other = NULL;
    ck_lh_ok(&f.s, lh_catalog_open(&f.s.cx, f.store, f.journal, &other));
    writer writers[WRITERS] = {0};
    reader readers[2] = {{.catalog = f.catalog}, {.catalog = other}};
    lh_thread *threads[WRITERS + 2];
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (writer){.catalog = i % 2 ? f.catalog : other, .id = i};
        ck_lh_ok(&f.s, lh_thread_start(&f.s.cx, "writer", 0, write_many, &writers[i], &threads[i]));
    }
    for (size_t i = 0; i < 2; i++)
        ck_lh_ok(&f.s, lh_thread_start(&f.s.cx, "reader", 0, read_many, &readers[i],
                                       &threads[WRITERS + i]));
    for (size_t i = 0; i < WRITERS; i++) {
        lh_thread_join(threads[i]);
        ck_assert_msg(writers[i].rc == LH_OK, "%s: %s", lh_rc_code(writers[i].rc), writers[i].why);
    }
    for (size_t i = 0; i < 2; i++) {
        atomic_store(&readers[i].stop, 1);
        lh_thread_join(threads[WRITERS + i]);
        ck_assert_int_eq(readers[i].went_back, 0);
        ck_assert_int_eq(readers[i].torn, 0);
        ck_assert_uint_gt(readers[i].reads, 0);
    }
    lh_catalog_close(other);
    fixture_restart(&f);
    lh_snapshot *snapshot = get(&f, "raced");
    const lh_manifest *m = lh_snapshot_manifest(snapshot);
    ck_assert_uint_eq(m->commit, WRITERS * APPENDS);
    ck_assert_uint_eq(m->files.count, WRITERS * APPENDS);
    ck_assert_uint_eq(m->row_count, WRITERS * APPENDS * (APPENDS + 1) / 2);
    lh_snapshot_unref(snapshot);
    ck_assert_uint_eq(journal_count(&f.s, f.store, "\"event_id\""), WRITERS * APPENDS);
    fixture_close(&f);
}

typedef struct hurrier {
    lh_catalog *catalog;
    atomic_int stop;
    lh_rc rc;
} hurrier;

static void write_until_told(void *arg)
{
    hurrier *h = arg;
    for (uint64_t i = 0; h->rc == LH_OK && !atomic_load(&h->stop); i++) {
        lh_arena *arena = lh_arena_new(0);
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        append_arg a = {.number = 1000 + i, .rows = 1};
        h->rc = lh_catalog_commit(&cx, h->catalog, LH_S("raced"), build_append, &a, NULL);
        lh_arena_free(arena);
    }
}

/* Another process that commits without a pause must not starve this one. */
LH_TEST(a_writer_beside_one_in_a_hurry_gets_its_turn)
{
    fixture f;
    fixture_open(&f);
    lh_log_configure(LH_LOG_WARN, LH_LOG_AUTO);
    hurrier other = {0};
    lh_thread *thread;
    ck_lh_ok(&f.s, lh_catalog_open(&f.s.cx, f.store, f.journal, &other.catalog));
    ck_lh_ok(&f.s, lh_thread_start(&f.s.cx, "hurrier", 0, write_until_told, &other, &thread));
    for (uint64_t i = 0; i < 5; i++) {
        append_arg a = {.number = i, .rows = 1};
        ck_lh_ok(&f.s,
                 lh_catalog_commit(&f.s.cx, f.catalog, LH_S("raced"), build_append, &a, NULL));
    }
    atomic_store(&other.stop, 1);
    lh_thread_join(thread);
    ck_assert_int_eq(other.rc, LH_OK);
    lh_catalog_close(other.catalog);
    fixture_close(&f);
}

LH_TEST(fifty_datasets_are_there_in_no_time)
{
    fixture f;
    fixture_open(&f);
    lh_log_configure(LH_LOG_WARN, LH_LOG_AUTO);
    for (int i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof(name), "dataset_%d", i);
        for (uint64_t k = 0; k < 3; k++)
            lh_snapshot_unref(append(&f, name, k, 1));
    }
    lh_catalog_close(f.catalog);
    int64_t from = lh_clock_mono_us();
    ck_lh_ok(&f.s, lh_catalog_open(&f.s.cx, f.store, f.journal, &f.catalog));
    printf("rebuild of 50 datasets: %lld us\n", (long long)(lh_clock_mono_us() - from));
    ck_assert_uint_eq(lh_catalog_count(f.catalog), 50);
    fixture_close(&f);
}
