/* search/search_refresh.c - POST /vectors/refresh: nothing to do is said at once, everything else
 * is a build that begins with the generation there is.
 *
 * Equal fingerprints of the data files mean equal rows: then not one row is read. Else rows are
 * compared with what the index holds (search_base.c), also those of files that are new, so that a
 * dataset which was replaced by itself costs no embedding. */
#include "base/clock.h"
#include "search/chunker.h"
#include "search/search_private.h"

#define OVERLAP_DEFAULT 100u

/* The name that is meant when none is given. */
static lh_rc find_name(lh_ctx *cx, lh_search *search, const lh_refresh_request *rq, lh_str *ret)
{
    if (rq->index_name.len > 0) {
        *ret = rq->index_name;
        return LH_OK;
    }
    lh_rc rc = lhi_indexes_only(cx, &search->vectors, rq->dataset, ret);
    if (rc == LH_E_NOT_FOUND)
        LH_IGNORE(lh_err_hint(cx, "say id_column and text_column, and it is built"));
    if ((rc != LH_E_NOT_FOUND && rc != LH_E_BAD_VALUE) || rq->text_column.len == 0)
        return rc;
    lh_err_clear(cx);
    *ret = lh_ctx_fmt(cx, "%.*s_%.*s", LH_STR_ARG(rq->dataset), LH_STR_ARG(rq->text_column));
    return LH_OK;
}

static lh_rc differs(lh_ctx *cx, const lh_index_meta *meta, const char *field)
{
    LH_IGNORE(lh_fail(cx, LH_E_CONFLICT, "index '%.*s' was built with another %s",
                      LH_STR_ARG(meta->index_name), field));
    LH_IGNORE(lh_err_field(cx, "%s", field));
    return lh_err_hint(cx, "leave it out, or build the index anew: POST /vectors/index");
}

/* What is said must be what the index is; what is not said is taken from it. */
static lh_rc fit_index(lh_ctx *cx, const lh_refresh_request *rq, const lh_index_meta *meta,
                       lh_index_request *ret)
{
    if (!lh_str_eq_nocase(meta->source, rq->dataset)) {
        LH_IGNORE(lh_fail(cx, LH_E_CONFLICT, "index '%.*s' is one of dataset '%.*s'",
                          LH_STR_ARG(meta->index_name), LH_STR_ARG(meta->source)));
        return lh_err_field(cx, "index_name");
    }
    if (rq->id_column.len > 0 && !lh_str_eq_nocase(rq->id_column, meta->id_column))
        return differs(cx, meta, "id_column");
    if (rq->text_column.len > 0 && !lh_str_eq_nocase(rq->text_column, meta->text_column))
        return differs(cx, meta, "text_column");
    if (rq->precision.len > 0 && !lh_str_eq(rq->precision, meta->precision))
        return differs(cx, meta, "precision");
    if (rq->chunk_size > 0 && rq->chunk_size != meta->chunk_size)
        return differs(cx, meta, "chunk_size");
    if (rq->overlap >= 0 && rq->overlap != (int64_t)meta->overlap)
        return differs(cx, meta, "overlap");
    *ret = (lh_index_request){.dataset = meta->source,
                              .id_column = meta->id_column,
                              .text_column = meta->text_column,
                              .index_name = meta->index_name,
                              .precision = meta->precision,
                              .chunk_size = meta->chunk_size,
                              .overlap = meta->overlap,
                              .kind = meta->engine.kind_asked,
                              .ef_construction = meta->engine.ef_construction,
                              .seed = meta->engine.seed};
    return LH_OK;
}

static lh_rc new_index(lh_ctx *cx, const lh_refresh_request *rq, lh_str name, lh_index_request *ret)
{
    if (rq->id_column.len == 0 || rq->text_column.len == 0) {
        LH_IGNORE(lh_fail(cx, LH_E_NOT_FOUND, "no index '%.*s'", LH_STR_ARG(name)));
        LH_IGNORE(lh_err_field(cx, "index_name"));
        return lh_err_hint(cx, "say id_column and text_column, and it is built");
    }
    if (rq->chunk_size > 0 && rq->chunk_size < LH_CHUNK_SIZE_MIN) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "chunk_size %u, at least %u", rq->chunk_size,
                          LH_CHUNK_SIZE_MIN));
        return lh_err_field(cx, "chunk_size");
    }
    uint32_t size = rq->chunk_size > 0 ? rq->chunk_size : LH_CHUNK_SIZE_DEFAULT;
    *ret = (lh_index_request){.dataset = rq->dataset,
                              .id_column = rq->id_column,
                              .text_column = rq->text_column,
                              .index_name = name,
                              .precision = rq->precision,
                              .chunk_size = size,
                              .overlap = rq->overlap >= 0 ? (uint32_t)rq->overlap
                                                          : LH_MIN(OVERLAP_DEFAULT, size / 2)};
    return LH_OK;
}

/* The index as it is; NULL when there is none that can be gone on from. */
static lh_rc current_index(lh_ctx *cx, lh_search *search, lh_str name, lhi_generation **ret)
{
    lh_rc rc = lhi_search_ref(cx, search, name, ret);
    if (rc == LH_E_NOT_FOUND || rc == LH_E_CORRUPT) {
        lh_err_clear(cx);
        *ret = NULL;
        return LH_OK;
    }
    return rc;
}

static int is_stale(lh_ctx *cx, lh_search *search, lh_str dataset)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    if (lh_catalog_get(cx, search->parts.catalog, dataset, 0, 0, &snapshot) != LH_OK) {
        lh_err_clear(cx);
        return 0;
    }
    return lh_snapshot_manifest(snapshot)->embedding.embedding_stale_since != 0;
}

static lh_rc refresh_from(lh_ctx *cx, lh_search *search, const lh_index_request *request,
                          const lhi_generation *current, lh_refresh_result *ret)
{
    lhi_plan plan;
    lh_embedder_model model;
    LH_TRY(lhi_plan_make(cx, search, request, &plan));
    LH_TRY(lh_embedder_describe(cx, search->parts.embedder, plan.request.precision, &model));
    plan.refresh = true;
    int same_kind = current && lhi_same_kind(&model, &current->meta);
    ret->dataset = plan.request.dataset;
    ret->index_name = plan.request.index_name;
    ret->source_commit = plan.source_commit;
    if (same_kind && lh_str_eq(plan.source_fingerprint, current->meta.source_fingerprint)) {
        ret->done = ret->unchanged = true;
        ret->rows = current->meta.rows;
        ret->chunks = ret->kept = current->meta.chunks;
        return is_stale(cx, search, plan.request.dataset)
                   ? lhi_note_embedded(cx, &search->vectors, plan.request.dataset,
                                       plan.request.index_name, plan.source_commit)
                   : LH_OK;
    }
    /* Vectors of another model or kernel revision stay with it: then everything is embedded. */
    if (same_kind)
        plan.base = lh_ctx_dup(cx, current->meta.generation);
    return lhi_plan_start(cx, search, &plan, cx->principal, &ret->job_id);
}

lh_rc lh_search_refresh(lh_ctx *cx, lh_search *search, const lh_refresh_request *rq,
                        lh_refresh_result *ret_result)
{
    int64_t began_us = lh_clock_mono_us();
    lh_refresh_result result = {0};
    lh_index_request request;
    lh_str name = LH_STR_NONE;
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    LH_CLEANUP(lhi_generation_unref) lhi_generation *current = NULL;
    LH_TRY(lh_catalog_get(cx, search->parts.catalog, rq->dataset, 0, 0, &snapshot));
    LH_TRY(find_name(cx, search, rq, &name));
    LH_TRY(current_index(cx, search, name, &current));
    if (current)
        LH_TRY(fit_index(cx, rq, &current->meta, &request));
    else
        LH_TRY(new_index(cx, rq, name, &request));
    LH_TRY(refresh_from(cx, search, &request, current, &result));
    result.took_ms = (lh_clock_mono_us() - began_us) / 1000;
    *ret_result = result;
    return LH_OK;
}
