/* catalog_commit.c - makes the next version: build, put if absent, publish, journal.
 *
 * Of several writers one puts commit N+1; the others are told that it exists, load it and build
 * anew on top of it. Nothing else is needed for correctness; the lock per dataset only spares
 * threads of this process the lost work.
 *
 * A put that fails may have happened (the answer was lost, or the folder's fsync failed). Such
 * an error goes to the caller as it is, but readers see from then on what a restart would see. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metric.h"
#include "catalog/catalog_private.h"
#include "os/process.h"

enum { PAUSE_US_FIRST = 16 * 1000 };

typedef struct commit_run {
    lh_catalog *catalog;
    lh_str name; /* as stored, once the dataset exists */
    lh_commit_build build;
    void *arg;
    int lost_race; /* the last attempt: another writer was first */
} commit_run;

static lh_rc random_hex(lh_ctx *cx, const char *prefix, lh_str *ret)
{
    uint64_t random;
    LH_TRY(lh_random_bytes(cx, &random, sizeof(random)));
    lh_str text = lh_ctx_fmt(cx, "%s%016llx", prefix, (unsigned long long)random);
    if (text.ptr == NULL)
        return LH_E_NO_MEMORY;
    *ret = text;
    return LH_OK;
}

/* The columns of the current schema are copied, because builds may describe or classify them in
 * place. */
static lh_rc copy_schemas(lh_ctx *cx, lh_manifest *next)
{
    lh_schema *schemas = LH_NEW_ARRAY(cx, lh_schema, next->schemas.count + 1);
    if (schemas == NULL)
        return LH_E_NO_MEMORY;
    memcpy(schemas, next->schemas.items, next->schemas.count * sizeof(*schemas));
    for (size_t i = 0; i < next->schemas.count; i++) {
        size_t count = schemas[i].columns.count;
        lh_column *columns = LH_NEW_ARRAY(cx, lh_column, count + 1);
        if (columns == NULL)
            return LH_E_NO_MEMORY;
        if (count > 0)
            memcpy(columns, schemas[i].columns.items, count * sizeof(*columns));
        schemas[i].columns.items = columns;
    }
    next->schemas.items = schemas;
    return LH_OK;
}

static lh_rc start_new(lh_ctx *cx, lh_str name, lh_manifest *next)
{
    lh_schema *schema = LH_NEW(cx, lh_schema);
    if (schema == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(random_hex(cx, "ds-", &next->id));
    next->name = name;
    next->next_field_id = 1;
    next->schemas = (lh_list){schema, 1}; /* schema 0: no columns */
    return LH_OK;
}

static lh_rc start_next(lh_ctx *cx, const commit_run *run, const lh_manifest *parent,
                        lh_manifest *next)
{
    int64_t now = lh_clock_real_us();
    LH_TRY(lh_record_defaults(cx, &lh_manifest_record, next));
    if (parent == NULL) {
        LH_TRY(start_new(cx, run->name, next));
        next->created_at = now;
    } else {
        if (parent->format_version > LH_MANIFEST_VERSION)
            return lh_fail(cx, LH_E_UNAVAILABLE,
                           "dataset '%.*s' was written by a newer program (format %u): it can be "
                           "read, not changed",
                           LH_STR_ARG(parent->name), parent->format_version);
        *next = *parent;
        LH_TRY(copy_schemas(cx, next));
        now = LH_MAX(now, parent->committed_at + 1); /* rises, whatever the clock does */
    }
    next->commit = parent != NULL ? parent->commit + 1 : 1;
    next->parent = next->commit - 1;
    next->committed_at = now;
    next->events = (lh_list){NULL, 0};
    next->operation = LH_STR_NONE;
    return random_hex(cx, "", &next->writer);
}

/* A build may change what a version says, not which version it is. */
static lh_rc run_build(lh_ctx *cx, const commit_run *run, const lh_manifest *parent,
                       lh_manifest *next)
{
    LH_TRY(start_next(cx, run, parent, next));
    const lh_manifest before = *next;
    LH_TRY(run->build(cx, parent, next, run->arg));
    next->id = before.id;
    next->name = before.name;
    next->commit = before.commit;
    next->parent = before.parent;
    next->committed_at = before.committed_at;
    next->writer = before.writer;
    lh_assert(next->next_field_id >= before.next_field_id);
    LH_TRY(lhi_manifest_finish(cx, next));
    if (next->events.count == 0) {
        lh_manifest_event event = {.action = next->operation};
        LH_TRY(lh_manifest_add_event(cx, next, &event));
    }
    return lhi_events_assign(cx, run->catalog, next);
}

static lh_rc put_manifest(lh_ctx *cx, const commit_run *run, const lh_snapshot *made, lh_str json)
{
    lh_str key = lh_manifest_key(cx, run->name, made->manifest.commit);
    if (key.ptr == NULL)
        return LH_E_NO_MEMORY;
    LH_FAULT(cx, CATALOG_BEFORE_MANIFEST);
    LH_TRY(lh_store_put_if_absent(cx, run->catalog->store, key, json));
    LH_FAULT(cx, CATALOG_AFTER_MANIFEST);
    return LH_OK;
}

/* LH_E_ALREADY_EXISTS from the store may be the echo of our own put, repeated below us after a
 * lost answer. */
static lh_rc is_ours(lh_ctx *cx, const commit_run *run, const lh_snapshot *made, int *ret_ours)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *stored = NULL;
    lh_rc rc =
        lhi_snapshot_load(cx, run->catalog->store, run->name, made->manifest.commit, &stored);
    *ret_ours = rc == LH_OK && lh_str_eq(stored->manifest.writer, made->manifest.writer);
    if (rc == LH_E_CORRUPT || rc == LH_E_NOT_FOUND)
        lh_err_clear(cx); /* the refresh that follows judges */
    else
        LH_TRY(rc);
    return LH_OK;
}

/* Keeps the error in cx; what cannot be read now shows at the next commit. */
static void see_what_is_stored(lh_ctx *cx, const commit_run *run)
{
    lh_err before = cx->err;
    LH_IGNORE(lhi_catalog_refresh(cx, run->catalog, run->name));
    cx->err = before;
}

static lh_rc take_parent(lh_ctx *cx, commit_run *run, lh_snapshot **ret_parent)
{
    LH_WITH_LOCK(&run->catalog->lock);
    const lhi_entry *entry = lhi_catalog_find(run->catalog, run->name);
    if (entry == NULL)
        return LH_OK;
    if (entry->damage != NULL)
        return lh_fail(cx, LH_E_CORRUPT, "%s", entry->damage);
    run->name = entry->name;
    if (entry->current != NULL)
        *ret_parent = lh_snapshot_ref(entry->current);
    return LH_OK;
}

/* A build may refuse with LH_E_CONFLICT as well, so run->lost_race says whether trying again
 * makes sense. */
static lh_rc attempt(lh_ctx *cx, commit_run *run, lh_snapshot **ret_made)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *parent = NULL;
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *made = NULL;
    lh_manifest next;
    lh_str json;
    LH_TRY(take_parent(cx, run, &parent));
    const lh_manifest *base = parent != NULL ? &parent->manifest : NULL;
    if (base != NULL)
        LH_TRY(lhi_events_complete(cx, run->catalog, base));
    LH_TRY(run_build(cx, run, base, &next));
    LH_TRY(lh_manifest_write(cx, &next, &json));
    lh_rc rc = lhi_snapshot_new(cx, json, run->name, next.commit, &made);
    if (rc == LH_E_CORRUPT) { /* nothing is stored that could not be loaded */
        char why[sizeof(cx->err.message)];
        memcpy(why, cx->err.message, sizeof(why));
        return lh_fail(cx, LH_E_INTERNAL, "the new version is not valid: %s", why);
    }
    LH_TRY(rc);
    rc = put_manifest(cx, run, made, json);
    if (rc == LH_E_ALREADY_EXISTS) {
        int ours = 0;
        LH_TRY(is_ours(cx, run, made, &ours));
        if (!ours) {
            run->lost_race = 1;
            return lh_fail(cx, LH_E_CONFLICT, "another writer made version %llu of '%.*s' first",
                           (unsigned long long)next.commit, LH_STR_ARG(run->name));
        }
    } else if (rc != LH_OK) {
        see_what_is_stored(cx, run);
        return rc;
    }
    LH_TRY(lhi_catalog_publish(cx, run->catalog, made));
    *ret_made = LH_TAKE(made);
    return LH_OK;
}

/* Up to a time that halves: losers do not meet again, and who lost most waits least, or one that
 * commits without a pause would starve it. */
static void pause_before_retry(const lh_ctx *cx, uint64_t random, int tries)
{
    int64_t longest = (int64_t)PAUSE_US_FIRST >> LH_MIN(tries, 30);
    int64_t wait_us = (int64_t)(random % (uint64_t)(longest + 1));
    int64_t until = LH_MIN(lh_clock_mono_us() + wait_us, cx->deadline_us);
    lh_mutex mutex;
    lh_cond never;
    lh_mutex_init(&mutex);
    lh_cond_init(&never);
    lh_mutex_lock(&mutex);
    while (lh_cond_wait_until(&never, &mutex, until)) {
    }
    lh_mutex_unlock(&mutex);
    lh_cond_done(&never);
    lh_mutex_done(&mutex);
}

/* The commit is made, so this can no longer fail it: what is missing in the journal comes before
 * the next commit. */
static void journal_events(lh_ctx *cx, lh_catalog *catalog, const lh_manifest *m)
{
    if (lhi_events_complete(cx, catalog, m) == LH_OK)
        return;
    LH_LOG(cx, JOURNAL_BEHIND, LH_KS("dataset", m->name), LH_KI("commit", m->commit),
           LH_KS("why", lh_str_from(cx->err.message)));
    lh_err_clear(cx);
}

static lh_rc commit_queued(lh_ctx *cx, commit_run *run, lh_mutex *queue, lh_snapshot **ret_made)
{
    LH_WITH_LOCK(queue);
    for (int tries = 0;; tries++) {
        uint64_t random;
        LH_TRY(lh_ctx_check(cx));
        LH_TRY(lh_random_bytes(cx, &random, sizeof(random)));
        run->lost_race = 0;
        lh_rc rc = attempt(cx, run, ret_made);
        if (rc == LH_OK)
            journal_events(cx, run->catalog, &(*ret_made)->manifest);
        if (!run->lost_race)
            return rc;
        lh_metric_add(LH_M_CATALOG_CONFLICTS, 1);
        if (tries >= LH_COMMIT_RETRIES) {
            see_what_is_stored(cx, run);
            return rc;
        }
        pause_before_retry(cx, random, tries);
        /* After the pause: the parent must be the newest there is when the attempt starts. */
        LH_TRY(lhi_catalog_refresh(cx, run->catalog, run->name));
    }
}

static lh_mutex *queue_of(lh_catalog *catalog, lh_str name)
{
    char letters[LH_DATASET_NAME_MAX];
    size_t len = LH_MIN(name.len, sizeof(letters));
    for (size_t i = 0; i < len; i++)
        letters[i] = (char)(name.ptr[i] | 0x20); /* any case of a name queues together */
    return &catalog->stripes[lh_hash64(lh_str_n(letters, len), 0) % LHI_STRIPES];
}

static void tell_subscribers(lh_catalog *catalog, const lh_snapshot *made)
{
    lhi_subscriber subscribers[LHI_SUBSCRIBERS_MAX];
    lh_mutex_lock(&catalog->lock);
    size_t count = catalog->subscribers_count;
    memcpy(subscribers, catalog->subscribers, sizeof(subscribers));
    lh_mutex_unlock(&catalog->lock);
    for (size_t i = 0; i < count; i++)
        subscribers[i].fn(subscribers[i].arg, made, made->manifest.operation);
}

lh_rc lh_catalog_commit(lh_ctx *cx, lh_catalog *catalog, lh_str name, lh_commit_build build,
                        void *arg, lh_snapshot **ret_snapshot)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *made = NULL;
    commit_run run = {.catalog = catalog, .name = name, .build = build, .arg = arg};
    LH_TRY(lh_dataset_check_name(cx, name));
    LH_TRY(commit_queued(cx, &run, queue_of(catalog, name), &made));
    const lh_manifest *m = &made->manifest;
    lh_metric_add(LH_M_CATALOG_COMMITS, 1);
    lh_metric_set(LH_M_CATALOG_DATASETS, (int64_t)lh_catalog_count(catalog));
    LH_LOG(cx, CATALOG_COMMIT, LH_KS("dataset", m->name), LH_KI("commit", m->commit),
           LH_KS("operation", m->operation), LH_KI("rows", m->row_count));
    tell_subscribers(catalog, made);
    if (ret_snapshot != NULL)
        *ret_snapshot = LH_TAKE(made);
    return LH_OK;
}
