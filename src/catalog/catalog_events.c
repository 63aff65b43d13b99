/* catalog_events.c - the events of a commit reach the journal, each exactly once.
 *
 * The manifest is the commit and carries its events with ids that never change, so the journal
 * can be completed from it at any time. Before version N+1 is put, the events of N are made sure
 * of; so only the newest version of a dataset can be behind, and a start looks at no other.
 * Whoever completes a version looks for its first event (they are appended together) and appends
 * while holding a lock that all catalogs of this process share.
 *
 * A note in the store says up to which version the journal is known to be complete, so that a
 * start after a clean stop looks at nothing. It may be behind or absent, which costs time, and
 * it is never ahead. */
#include "base/buf.h"
#include "base/fault.h"
#include "base/hash.h"
#include "catalog/catalog_private.h"
#include "catalog/sealed.h"

#include <stdlib.h>

enum { TEXT_BYTES_MAX = 1000, VALUE_BYTES_MAX = 12 * 1024, STRIPES = 16 };
#define NOTE_KEY       LH_S("_catalog/journaled.json")
#define NOTE_BYTES_MAX ((size_t)64 * 1024 * 1024)

static lh_mutex journal_locks[STRIPES] = {[0 ... STRIPES - 1] = LH_MUTEX_INIT};

/* Long texts are cut the same way each time; the manifest has them whole. */
static lh_str cut(lh_str text, size_t bytes_max)
{
    return lh_str_sub(text, 0, lh_utf8_cut(text, bytes_max));
}

/* A text as a JSON string of limited size; empty stays empty. */
static lh_rc json_value(lh_ctx *cx, lh_str text, lh_str *ret)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, (size_t)8 * VALUE_BYTES_MAX);
    *ret = LH_STR_NONE;
    if (text.len == 0)
        return LH_OK;
    text = cut(text, VALUE_BYTES_MAX);
    LH_TRY(lh_json_escape(cx, &out, text));
    while (out.len > VALUE_BYTES_MAX) { /* control characters take six bytes each */
        text = cut(text, text.len / 2);
        lh_buf_truncate(&out, 0);
        LH_TRY(lh_json_escape(cx, &out, text));
    }
    *ret = lh_ctx_dup(cx, lh_buf_str(&out));
    return ret->ptr != NULL ? LH_OK : LH_E_NO_MEMORY;
}

static lh_rc to_journal(lh_ctx *cx, const lh_manifest *m, const lh_manifest_event *from,
                        lh_journal_event *ret)
{
    *ret = (lh_journal_event){.event_id = from->event_id,
                              .entity_type = LH_S("dataset"),
                              .entity_id = m->name,
                              .field = cut(from->field, TEXT_BYTES_MAX),
                              .action = cut(from->action, TEXT_BYTES_MAX),
                              .actor = cut(from->actor, TEXT_BYTES_MAX),
                              .source = cut(from->source, TEXT_BYTES_MAX),
                              .timestamp = m->committed_at};
    if (ret->action.len == 0)
        ret->action = LH_S("update");
    LH_TRY(json_value(cx, from->old_value, &ret->old_value));
    return json_value(cx, from->new_value, &ret->new_value);
}

lh_rc lhi_events_assign(lh_ctx *cx, lh_catalog *catalog, lh_manifest *next)
{
    size_t count = next->events.count;
    lh_journal_event *ids = LH_NEW_ARRAY(cx, lh_journal_event, count);
    lh_manifest_event *events = LH_NEW_ARRAY(cx, lh_manifest_event, count);
    if (ids == NULL || events == NULL)
        return LH_E_NO_MEMORY;
    memcpy(events, next->events.items, count * sizeof(*events));
    for (size_t i = 0; i < count; i++)
        ids[i] = (lh_journal_event){.entity_type = LH_S("dataset"),
                                    .entity_id = next->name,
                                    .action = LH_S("commit"),
                                    .timestamp = next->committed_at};
    LH_TRY(lh_journal_assign(cx, catalog->journal, ids, count));
    for (size_t i = 0; i < count; i++)
        events[i].event_id = ids[i].event_id;
    next->events.items = events;
    return LH_OK;
}

static int is_journaled(lh_catalog *catalog, const lh_manifest *m)
{
    LH_WITH_LOCK(&catalog->lock);
    const lhi_entry *entry = lhi_catalog_find(catalog, m->name);
    return entry != NULL && entry->commit_journaled >= m->commit;
}

static void mark_journaled(lh_catalog *catalog, const lh_manifest *m)
{
    LH_WITH_LOCK(&catalog->lock);
    lhi_entry *entry = lhi_catalog_find(catalog, m->name);
    if (entry == NULL || entry->commit_journaled >= m->commit)
        return;
    entry->commit_journaled = m->commit;
    catalog->journaled_changed = 1;
}

/* Durable when it returns, also with a journal that buffers. */
static lh_rc append(lh_ctx *cx, lh_catalog *catalog, const lh_manifest *m)
{
    const lh_manifest_event *from = m->events.items;
    lh_journal_event *events = LH_NEW_ARRAY(cx, lh_journal_event, m->events.count);
    if (events == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < m->events.count; i++)
        LH_TRY(to_journal(cx, m, &from[i], &events[i]));
    LH_FAULT(cx, CATALOG_BEFORE_JOURNAL);
    LH_TRY(lh_journal_append(cx, catalog->journal, events, m->events.count));
    LH_TRY(lh_journal_flush(cx, catalog->journal));
    LH_FAULT(cx, CATALOG_AFTER_JOURNAL);
    return LH_OK;
}

lh_rc lhi_events_complete(lh_ctx *cx, lh_catalog *catalog, const lh_manifest *m)
{
    const lh_manifest_event *events = m->events.items;
    if (is_journaled(catalog, m))
        return LH_OK;
    if (m->events.count > 0 && events[0].event_id.len > 0) {
        int found = 0;
        LH_WITH_LOCK(&journal_locks[lh_hash64(m->id, 0) % STRIPES]);
        LH_TRY(lh_journal_contains(cx, catalog->journal, events[0].event_id, &found));
        if (!found)
            LH_TRY(append(cx, catalog, m));
    }
    mark_journaled(catalog, m);
    return LH_OK;
}

typedef struct note {
    uint32_t format_version;
    lh_list datasets; /* lh_pair_i64: id, commit */
} note;
static const lh_field note_fields[] = {
    LH_FIELD("format_version", U32, note, format_version, .max = UINT32_MAX,
             .doc = "Version of this format."),
    LH_FIELD("datasets", MAP_I64, note, datasets,
             .doc = "Id of a dataset and the version up to which its events are in the journal."),
    {0}};
static const lh_record note_record = {.name = "JournaledNote",
                                      .size = sizeof(note),
                                      .fields = note_fields,
                                      .doc = "What need not be looked for in the journal.",
                                      .flags = LH_RECORD_OPEN};

static int cmp_pair(const void *a, const void *b)
{
    return lh_str_cmp(((const lh_pair_i64 *)a)->key, ((const lh_pair_i64 *)b)->key);
}

static void use_note(lh_catalog *catalog, note *n)
{
    if (n->datasets.count == 0)
        return;
    qsort(n->datasets.items, n->datasets.count, sizeof(lh_pair_i64), cmp_pair);
    LH_WITH_LOCK(&catalog->lock);
    for (size_t i = 0; i < catalog->entries_count; i++) {
        lhi_entry *entry = catalog->entries[i];
        if (entry->current == NULL)
            continue;
        lh_pair_i64 wanted = {.key = entry->current->manifest.id};
        const lh_pair_i64 *pair =
            bsearch(&wanted, n->datasets.items, n->datasets.count, sizeof(lh_pair_i64), cmp_pair);
        if (pair != NULL && pair->value > 0)
            entry->commit_journaled = (uint64_t)pair->value;
    }
}

lh_rc lhi_journaled_load(lh_ctx *cx, lh_catalog *catalog)
{
    lh_str json;
    lh_seal seal = LH_SEAL_NONE;
    note n;
    lh_rc rc = lh_store_get(cx, catalog->store, NOTE_KEY, NOTE_BYTES_MAX, &json);
    if (rc == LH_OK)
        rc = lh_seal_check(cx, json, &seal);
    if (rc == LH_OK && seal == LH_SEAL_OK)
        rc = lh_record_parse(cx, &note_record, json, &n);
    if (rc == LH_OK && seal == LH_SEAL_OK) {
        use_note(catalog, &n);
        return LH_OK;
    }
    if (rc == LH_E_NO_MEMORY || rc == LH_E_CANCELLED || rc == LH_E_DEADLINE)
        return rc;
    lh_err_clear(cx); /* absent or damaged: everything is looked for */
    return LH_OK;
}

static lh_rc collect(lh_ctx *cx, lh_catalog *catalog, note *ret)
{
    LH_WITH_LOCK(&catalog->lock);
    lh_pair_i64 *pairs = LH_NEW_ARRAY(cx, lh_pair_i64, catalog->entries_count + 1);
    size_t count = 0;
    if (pairs == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < catalog->entries_count; i++) {
        const lhi_entry *entry = catalog->entries[i];
        if (entry->current == NULL || entry->commit_journaled == 0)
            continue;
        pairs[count].key = lh_ctx_dup(cx, entry->current->manifest.id);
        pairs[count++].value = (int64_t)entry->commit_journaled;
    }
    *ret = (note){.format_version = 1, .datasets = {pairs, count}};
    catalog->journaled_changed = 0;
    return LH_OK;
}

lh_rc lhi_journaled_save(lh_ctx *cx, lh_catalog *catalog)
{
    note n;
    if (!catalog->journaled_changed)
        return LH_OK;
    LH_TRY(collect(cx, catalog, &n));
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, NOTE_BYTES_MAX);
    LH_TRY(lh_record_append(cx, &note_record, &n, &out));
    LH_TRY(lh_seal_json(cx, &out));
    return lh_store_put(cx, catalog->store, NOTE_KEY, lh_buf_str(&out));
}
