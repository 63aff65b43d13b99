/* search/words_plan.c - POST /text/index and POST /text/refresh: what is asked is checked against
 * the dataset, then a job starts, or there is nothing to do. */
#include "base/clock.h"
#include "search/words_private.h"

typedef struct names_check {
    const lh_grant *grant;
    const char *field;
    size_t least;
    size_t most;
} names_check;

/* Columns as the dataset spells them, each once. */
static lh_rc check_names(lh_ctx *cx, const names_check *check, const lh_list *names, lh_list *ret)
{
    const lh_str *asked = names->items;
    lh_str *items = LH_NEW_ARRAY(cx, lh_str, names->count + 1);
    if (!items)
        return cx->err.rc;
    if (names->count < check->least || names->count > check->most) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "%zu columns, limits %zu and %zu", names->count,
                          check->least, check->most));
        return lh_err_field(cx, "%s", check->field);
    }
    for (size_t i = 0; i < names->count; i++) {
        const lh_column *column = lhi_grant_column(check->grant, asked[i]);
        if (!column)
            return lhi_unknown_column(cx, check->grant, asked[i], "%s[%zu]", check->field, i);
        items[i] = lh_ctx_dup(cx, column->name);
        for (size_t j = 0; j < i; j++)
            if (lh_str_eq(items[i], items[j])) {
                LH_IGNORE(
                    lh_fail(cx, LH_E_BAD_VALUE, "column '%.*s' comes twice", LH_STR_ARG(items[i])));
                return lh_err_field(cx, "%s[%zu]", check->field, i);
            }
    }
    *ret = (lh_list){items, names->count};
    return LH_OK;
}

static lh_rc check_source(lh_ctx *cx, lh_search *search, const lh_words_request *rq,
                          lh_words_meta *plan)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    lh_grant grant;
    LH_TRY(lh_catalog_get(cx, search->parts.catalog, rq->dataset, 0, 0, &snapshot));
    LH_TRY(lh_policy_grant(cx, search->parts.policy, cx->principal, snapshot, &grant));
    const lh_column *id = lhi_grant_column(&grant, rq->id_column);
    if (!id)
        return lhi_unknown_column(cx, &grant, rq->id_column, "id_column");
    plan->id_column = lh_ctx_dup(cx, id->name);
    names_check texts = {&grant, "text_columns", 1, LH_WORDS_COLUMNS_MAX};
    names_check facets = {&grant, "facets", 0, LH_WORDS_FACETS_MAX};
    LH_TRY(check_names(cx, &texts, &rq->text_columns, &plan->text_columns));
    LH_TRY(check_names(cx, &facets, &rq->facets, &plan->facets));
    const lh_manifest *manifest = lh_snapshot_manifest(snapshot);
    plan->source = lh_ctx_dup(cx, manifest->name);
    plan->source_commit = manifest->commit;
    plan->source_fingerprint = lhi_source_fingerprint(cx, manifest);
    return plan->source.ptr && plan->source_fingerprint.ptr ? LH_OK : cx->err.rc;
}

/* Language, stop words and synonyms: the analyser itself says what is wrong. */
static lh_rc check_analyzer(lh_ctx *cx, const lh_words_meta *plan)
{
    lh_text_set_options options = lhi_words_options(cx, plan);
    LH_CLEANUP(lh_text_analyzer_free) lh_text_analyzer *analyzer = NULL;
    lh_rc rc = lh_text_analyzer_new(cx, &options.build.analyzer, &analyzer);
    return rc == LH_OK ? LH_OK : lh_err_field(cx, "language");
}

lh_rc lh_words_build(lh_ctx *cx, lh_search *search, const lh_words_request *rq, lh_str *ret_job_id,
                     lh_str *ret_index_name)
{
    lh_words_meta plan = {.language = rq->language,
                          .keep_accents = rq->keep_accents,
                          .stop_words = rq->stop_words,
                          .synonyms = rq->synonyms,
                          .index_name = rq->index_name};
    LH_TRY(check_source(cx, search, rq, &plan));
    if (plan.index_name.len == 0)
        plan.index_name = lh_ctx_fmt(cx, "%.*s_text", LH_STR_ARG(plan.source));
    LH_TRY(lhi_index_check_name(cx, plan.index_name));
    LH_TRY(check_analyzer(cx, &plan));
    LH_TRY(lhi_words_start(cx, search, &plan, 0, cx->principal, ret_job_id));
    *ret_index_name = plan.index_name;
    return LH_OK;
}

lh_rc lh_words_refresh(lh_ctx *cx, lh_search *search, const lh_words_refresh_request *rq,
                       lh_words_refreshed *ret_result)
{
    int64_t began_us = lh_clock_mono_us();
    lh_words_meta plan;
    lh_str name = rq->index_name;
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    LH_TRY(lh_catalog_get(cx, search->parts.catalog, rq->dataset, 0, 0, &snapshot));
    const lh_manifest *manifest = lh_snapshot_manifest(snapshot);
    if (name.len == 0)
        LH_TRY(lhi_indexes_only(cx, &search->texts, manifest->name, &name));
    LH_TRY(lh_words_get(cx, search, name, &plan));
    if (!lh_str_eq(plan.source, manifest->name)) {
        LH_IGNORE(lh_fail(cx, LH_E_CONFLICT, "text index '%.*s' is one of dataset '%.*s'",
                          LH_STR_ARG(name), LH_STR_ARG(plan.source)));
        return lh_err_field(cx, "index_name");
    }
    lh_str fingerprint = lhi_source_fingerprint(cx, manifest);
    lh_words_refreshed result = {
        .dataset = plan.source, .index_name = plan.index_name, .source_commit = manifest->commit};
    if (plan.damage.len == 0 && lh_str_eq(fingerprint, plan.source_fingerprint)) {
        result.done = result.unchanged = true;
        result.rows = plan.rows;
        result.kept = plan.documents;
        if (manifest->embedding.embedding_stale_since != 0)
            LH_TRY(lhi_note_embedded(cx, &search->texts, plan.source, plan.index_name,
                                     manifest->commit));
    } else {
        lh_words_request same = {.dataset = plan.source,
                                 .id_column = plan.id_column,
                                 .text_columns = plan.text_columns,
                                 .facets = plan.facets};
        plan.damage = LH_STR_NONE;
        LH_TRY(check_source(cx, search, &same, &plan));
        LH_TRY(lhi_words_start(cx, search, &plan, 1, cx->principal, &result.job_id));
    }
    result.took_ms = (lh_clock_mono_us() - began_us) / 1000;
    *ret_result = result;
    return LH_OK;
}
