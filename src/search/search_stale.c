/* search/search_stale.c - which datasets have indexes that miss changes, and when they will be
 * brought up to date. */
#include "base/clock.h"
#include "base/cron.h"
#include "search/refresher.h"
#include "search/search_private.h"
#include "search/word_search.h"

static const char *const policy_names[] = {"manual", "on_append", "scheduled", NULL};

static const lh_field index_fields[] = {
    LH_FIELD("index_name", STR, lh_stale_index, index_name, .doc = "Index."),
    LH_FIELD("source_commit", U64, lh_stale_index, source_commit,
             .doc = "Commit of the dataset it is at."),
    LH_FIELD("current", BOOL, lh_stale_index, current, .doc = "It has every row."),
    LH_FIELD("mode", STR, lh_stale_index, mode, .doc = "vector or text."),
    {0}};
static const lh_record index_record = {.name = "StaleIndex",
                                       .size = sizeof(lh_stale_index),
                                       .fields = index_fields,
                                       .doc = "How far one index is."};

static const lh_field dataset_fields[] = {
    LH_FIELD("dataset", STR, lh_stale_dataset, dataset, .doc = "Dataset."),
    LH_FIELD("commit", U64, lh_stale_dataset, commit, .doc = "Its current commit."),
    LH_FIELD("last_embedded_at", TIME, lh_stale_dataset, last_embedded_at,
             .doc = "When an index over it was last brought up to date; null = never."),
    LH_FIELD("embedding_stale_since", TIME, lh_stale_dataset, embedding_stale_since,
             .doc = "Since when its indexes miss changes; null = they do not."),
    LH_FIELD("embedding_refresh_policy", ENUM, lh_stale_dataset, embedding_refresh_policy,
             .names = policy_names, .doc = "When indexes are brought up to date."),
    LH_FIELD("schedule", STR, lh_stale_dataset, schedule, .flags = LH_FIELD_NULL_EMPTY,
             .doc = "Cron line (UTC), when scheduled."),
    LH_FIELD("next_refresh_at", TIME, lh_stale_dataset, next_refresh_at,
             .doc = "When it is refreshed by itself; null = it is not, or is not stale."),
    LH_FIELD("indexes", LIST, lh_stale_dataset, indexes, .item = LH_F_OBJECT,
             .record = &index_record, .doc = "Its indexes."),
    {0}};
const lh_record lh_stale_dataset_record = {.name = "Freshness",
                                           .size = sizeof(lh_stale_dataset),
                                           .fields = dataset_fields,
                                           .doc = "How up to date the indexes of a dataset are."};

static const lh_field policy_fields[] = {
    LH_FIELD("policy", ENUM, lh_refresh_policy_request, policy, .flags = LH_FIELD_REQUIRED,
             .names = policy_names,
             .doc = "manual; on_append: after every commit that changes rows; scheduled: by cron."),
    LH_FIELD("schedule", STR, lh_refresh_policy_request, schedule, .max = LH_CRON_TEXT_MAX,
             .doc = "Five fields in UTC, when scheduled: \"0 3 * * *\"."),
    {0}};
const lh_record lh_refresh_policy_request_record = {
    .name = "RefreshPolicy",
    .size = sizeof(lh_refresh_policy_request),
    .fields = policy_fields,
    .doc = "When the indexes of a dataset are brought up to date."};

static lh_rc describe(lh_ctx *cx, lh_search *search, const lh_manifest *m, lh_stale_dataset *ret)
{
    lh_index_meta *metas;
    size_t count;
    LH_TRY(lh_search_list(cx, search, m->name, LH_STR_NONE, &metas, &count));
    lh_words_meta *words;
    size_t words_count;
    LH_TRY(lh_words_list(cx, search, m->name, &words, &words_count));
    lh_stale_index *indexes = LH_NEW_ARRAY(cx, lh_stale_index, count + words_count + 1);
    if (!indexes)
        return cx->err.rc;
    lh_str fingerprint = lhi_source_fingerprint(cx, m);
    for (size_t i = 0; i < count; i++)
        indexes[i] =
            (lh_stale_index){metas[i].index_name, metas[i].source_commit,
                             lh_str_eq(metas[i].source_fingerprint, fingerprint), LH_S("vector")};
    for (size_t i = 0; i < words_count; i++)
        indexes[count + i] =
            (lh_stale_index){words[i].index_name, words[i].source_commit,
                             lh_str_eq(words[i].source_fingerprint, fingerprint), LH_S("text")};
    int64_t due_us = lh_refresh_due_us(cx, &m->embedding);
    *ret = (lh_stale_dataset){.dataset = lh_ctx_dup(cx, m->name),
                              .commit = m->commit,
                              .last_embedded_at = m->embedding.last_embedded_at,
                              .embedding_stale_since = m->embedding.embedding_stale_since,
                              .embedding_refresh_policy = m->embedding.embedding_refresh_policy,
                              .schedule = lh_ctx_dup(cx, m->embedding.schedule),
                              .indexes = {indexes, count + words_count}};
    if (due_us != INT64_MAX)
        ret->next_refresh_at = LH_MAX(due_us, m->embedding.embedding_stale_since);
    return LH_OK;
}

static int is_stale(const lh_manifest *m)
{
    return m->embedding.last_embedded_at != 0 && m->embedding.embedding_stale_since != 0;
}

lh_rc lh_search_stale(lh_ctx *cx, lh_search *search, lh_stale_dataset **ret_items,
                      size_t *ret_count)
{
    LH_CLEANUP(lh_catalog_page_done) lh_catalog_page page = {0};
    LH_TRY(lh_catalog_list(cx, search->parts.catalog, LH_STR_NONE, 0, &page));
    lh_stale_dataset *items = LH_NEW_ARRAY(cx, lh_stale_dataset, page.count + 1);
    if (!items)
        return cx->err.rc;
    size_t n = 0;
    for (size_t i = 0; i < page.count; i++) {
        const lh_manifest *m = lh_snapshot_manifest(page.items[i]);
        if (is_stale(m) && lh_policy_may_see(search->parts.policy, cx->principal, page.items[i])) {
            LH_TRY(describe(cx, search, m, &items[n]));
            n++;
        }
    }
    *ret_items = items;
    *ret_count = n;
    return LH_OK;
}

static lh_rc get_visible(lh_ctx *cx, lh_search *search, lh_str dataset, lh_snapshot **ret)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    lh_grant grant;
    LH_TRY(lh_catalog_get(cx, search->parts.catalog, dataset, 0, 0, &snapshot));
    LH_TRY(lh_policy_grant(cx, search->parts.policy, cx->principal, snapshot, &grant));
    *ret = LH_TAKE(snapshot);
    return LH_OK;
}

lh_rc lh_search_freshness(lh_ctx *cx, lh_search *search, lh_str dataset, lh_stale_dataset *ret)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    LH_TRY(get_visible(cx, search, dataset, &snapshot));
    return describe(cx, search, lh_snapshot_manifest(snapshot), ret);
}

static lh_rc build_policy(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    const lh_refresh_policy_request *rq = arg;
    if (!parent)
        return lh_fail(cx, LH_E_UNKNOWN_DATASET, "the dataset is gone");
    lh_manifest_event event = {
        .action = LH_S("metadata"),
        .field = LH_S("embedding_refresh_policy"),
        .old_value = lh_str_from(policy_names[parent->embedding.embedding_refresh_policy]),
        .new_value = lh_ctx_fmt(cx, "%s%s%.*s", policy_names[rq->policy],
                                rq->schedule.len ? " " : "", LH_STR_ARG(rq->schedule)),
        .actor = cx->principal ? cx->principal->name : LH_STR_NONE,
        .source = LH_S("api")};
    next->operation = LH_S("metadata");
    next->embedding.embedding_refresh_policy = rq->policy;
    next->embedding.schedule = rq->schedule;
    return lh_manifest_add_event(cx, next, &event);
}

lh_rc lh_search_set_policy(lh_ctx *cx, lh_search *search, lh_str dataset,
                           const lh_refresh_policy_request *rq)
{
    lh_cron cron;
    int scheduled = rq->policy == LH_REFRESH_SCHEDULED;
    if (scheduled != (rq->schedule.len > 0)) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE,
                          scheduled ? "scheduled, but no schedule" : "a schedule, but policy '%s'",
                          policy_names[rq->policy]));
        LH_IGNORE(lh_err_field(cx, "schedule"));
        return lh_err_hint(cx, "{\"policy\":\"scheduled\",\"schedule\":\"0 3 * * *\"}");
    }
    if (scheduled) {
        lh_rc rc = lh_cron_parse(cx, rq->schedule, &cron);
        if (rc != LH_OK) {
            LH_IGNORE(lh_err_field(cx, "schedule"));
            return rc;
        }
    }
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *made = NULL;
    LH_TRY(get_visible(cx, search, dataset, &snapshot));
    lh_refresh_policy_request copy = *rq;
    return lh_catalog_commit(cx, search->parts.catalog, lh_snapshot_manifest(snapshot)->name,
                             build_policy, &copy, &made);
}
