/* catalog_fixture.h - a store with a journal and a catalog for one test, and the smallest
 * builds. */
#ifndef LH_TESTS_UNIT_CATALOG_FIXTURE_H
#define LH_TESTS_UNIT_CATALOG_FIXTURE_H

#include "catalog/catalog.h"
#include "support/scratch.h"

typedef struct fixture {
    lh_scratch s;
    lh_store *store;
    lh_journal *journal;
    lh_catalog *catalog;
} fixture;

static inline void fixture_start(fixture *f)
{
    const lh_journal_options opts = {.flush_records = 1};
    ck_lh_ok(&f->s,
             lh_store_open_local(&f->s.cx, lh_scratch_path(&f->s, "data"),
                                 lh_scratch_path(&f->s, "data/.lakehouse/staging"), &f->store));
    ck_lh_ok(&f->s, lh_journal_open(&f->s.cx, f->store, &opts, &f->journal));
    ck_lh_ok(&f->s, lh_catalog_open(&f->s.cx, f->store, f->journal, &f->catalog));
}

static inline void fixture_stop(fixture *f)
{
    lh_catalog_close(f->catalog);
    lh_journal_close(f->journal);
    lh_store_close(f->store);
    f->catalog = NULL;
    f->journal = NULL;
    f->store = NULL;
}

static inline void fixture_restart(fixture *f)
{
    fixture_stop(f);
    fixture_start(f);
}

static inline void fixture_open(fixture *f)
{
    memset(f, 0, sizeof(*f));
    lh_scratch_open(&f->s);
    fixture_start(f);
}

static inline void fixture_close(fixture *f)
{
    fixture_stop(f);
    lh_scratch_close(&f->s);
}

#define FAKE_SHA256 LH_S("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

static inline lh_data_file fake_file(lh_ctx *cx, lh_str dataset, uint64_t number, uint64_t rows)
{
    return (lh_data_file){.bucket = LH_S("primary"),
                          .key = lh_ctx_fmt(cx, "datasets/%.*s/u%llu.parquet", LH_STR_ARG(dataset),
                                            (unsigned long long)number),
                          .rows = rows,
                          .bytes = 10 * rows,
                          .sha256 = FAKE_SHA256};
}

/* Appends one file of `rows` rows with the given columns. */
typedef struct append_arg {
    uint64_t number;
    uint64_t rows;
    const lh_column *columns;
    size_t columns_count;
} append_arg;

static inline lh_rc build_append(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next,
                                 void *arg)
{
    static const lh_column plain[] = {{.name = LH_S_INIT("id"), .type = LH_S_INIT("BIGINT")},
                                      {.name = LH_S_INIT("note"), .type = LH_S_INIT("VARCHAR")}};
    const append_arg *a = arg;
    lh_data_file file = fake_file(cx, next->name, a->number, a->rows);
    lh_manifest_event event = {.action = parent != NULL ? LH_S("appended") : LH_S("created"),
                               .new_value =
                                   lh_ctx_fmt(cx, "unit %llu", (unsigned long long)a->number),
                               .actor = LH_S("test")};
    const lh_column *columns = a->columns != NULL ? a->columns : plain;
    size_t count = a->columns != NULL ? a->columns_count : LH_ARRAY_LEN(plain);
    LH_TRY(lh_manifest_merge(cx, next, columns, count, &file.schema_id));
    LH_TRY(lh_manifest_add_file(cx, next, &file));
    next->operation = LH_S("append");
    return lh_manifest_add_event(cx, next, &event);
}

static inline lh_snapshot *append(fixture *f, const char *name, uint64_t number, uint64_t rows)
{
    lh_snapshot *made = NULL;
    append_arg arg = {.number = number, .rows = rows};
    ck_lh_ok(&f->s,
             lh_catalog_commit(&f->s.cx, f->catalog, lh_str_from(name), build_append, &arg, &made));
    return made;
}

static inline lh_snapshot *get(fixture *f, const char *name)
{
    lh_snapshot *snapshot = NULL;
    ck_lh_ok(&f->s, lh_catalog_get(&f->s.cx, f->catalog, lh_str_from(name), 0, 0, &snapshot));
    return snapshot;
}

/* How often text is found in the lines of all batches of the journal, read from the store as
 * they are. */
static inline unsigned journal_count(lh_scratch *s, lh_store *store, const char *text)
{
    unsigned count = 0;
    lh_object_page page;
    ck_lh_ok(s, lh_store_list(&s->cx, store, LH_S("journal/"), LH_STR_NONE, 0, &page));
    for (size_t i = 0; i < page.count; i++) {
        lh_str bytes;
        ck_lh_ok(s, lh_store_get(&s->cx, store, page.items[i].key, 64 << 20, &bytes));
        for (size_t at; (at = lh_str_find(bytes, lh_str_from(text))) != LH_STR_NPOS; count++)
            bytes = lh_str_from_offset(bytes, at + 1);
    }
    return count;
}

#endif
