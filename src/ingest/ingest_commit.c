/* ingest/ingest_commit.c - the commit's part: publishes what the worker wrote and makes it visible
 * at once.
 *
 * Objects are published first (hashed again, synced, moved to their key), the manifest last. A
 * crash between leaves objects that nothing references; fsck removes them. */
#include "base/clock.h"
#include "ingest/ingest_private.h"
#include "os/file.h"
#include "os/process.h"

#include <math.h>

typedef struct commit_plan {
    lhi_ingest_job *ij;
    lh_job *job;
    const lh_ingest_done *done;
    uint64_t base_commit;
    lh_column *columns;
    lh_data_file *files;
    size_t files_count;
} commit_plan;

static lh_rc plan_columns(lh_ctx *cx, commit_plan *plan)
{
    const lh_ingest_column *from = plan->done->columns.items;
    size_t count = plan->done->columns.count;
    plan->columns = LH_NEW_ARRAY(cx, lh_column, LH_MAX(count, (size_t)1));
    if (!plan->columns)
        return cx->err.rc;
    for (size_t i = 0; i < count; i++) {
        /* Shares of a few values say nothing. */
        double sampled =
            from[i].sampled >= LH_PII_SAMPLES_MIN ? (double)from[i].sampled : (double)INFINITY;
        lh_pii_hints hints = {(double)from[i].like_email / sampled,
                              (double)from[i].like_phone / sampled,
                              (double)from[i].like_ssn / sampled};
        plan->columns[i] = (lh_column){.name = from[i].name,
                                       .type = from[i].type,
                                       .range = from[i].values == 0   ? LH_RANGE_NONE
                                                : from[i].fits_double ? LH_RANGE_DOUBLE
                                                                      : LH_RANGE_ANY};
        LH_TRY(lh_pii_detect(cx, from[i].name, from[i].type, &hints, &plan->columns[i].pii));
    }
    return LH_OK;
}

static lh_rc publish(lh_ctx *cx, commit_plan *plan)
{
    lh_store *store = lh_catalog_store(plan->ij->ingest->catalog);
    const lh_ingest_part *parts = plan->done->parts.items;
    plan->files = LH_NEW_ARRAY(cx, lh_data_file, LH_MAX(plan->done->parts.count, (size_t)1));
    if (!plan->files)
        return cx->err.rc;
    uint64_t random;
    LH_TRY(lh_random_bytes(cx, &random, sizeof random));
    lh_job_phase(plan->job, "publishing", "files", plan->done->parts.count);
    for (size_t i = 0; i < plan->done->parts.count; i++) {
        LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
        LH_TRY(lh_store_adopt(cx, store, lh_path_base(parts[i].path), &staged));
        lh_str key =
            lh_ctx_fmt(cx, "datasets/%.*s/%016llx-%04zu.parquet",
                       LH_STR_ARG(plan->ij->request.dataset), (unsigned long long)random, i);
        lh_object_sum sum;
        LH_TRY(lh_staged_publish(cx, staged, key, &sum));
        plan->files[plan->files_count++] =
            (lh_data_file){.bucket = LH_S("primary"),
                           .key = key,
                           .kind = LH_FILE_KIND_BASE,
                           .rows = parts[i].rows,
                           .bytes = sum.bytes,
                           .sha256 = lh_ctx_dup(cx, lh_str_from(sum.sha256))};
        lh_job_add(plan->job, 1);
    }
    return LH_OK;
}

static lh_rc add_lineage(lh_ctx *cx, const commit_plan *plan, lh_manifest *next)
{
    const lh_ingest_request *rq = &plan->ij->request;
    size_t kept = rq->mode == LH_INGEST_REPLACE ? 0 : next->lineage.count;
    lh_lineage *items = LH_NEW_ARRAY(cx, lh_lineage, kept + 1);
    if (!items)
        return cx->err.rc;
    if (kept > 0)
        memcpy(items, next->lineage.items, kept * sizeof *items);
    items[kept] = (lh_lineage){.source_system = rq->source_system,
                               .source_name = rq->file_name,
                               .source_sha256 = rq->sha256,
                               .ingest_job = lh_ctx_dup(cx, lh_job_id(plan->job)),
                               .rows = plan->done->rows,
                               .commit = next->commit,
                               .at = lh_clock_real_us()};
    next->lineage = (lh_list){items, kept + 1};
    return LH_OK;
}

static const char *action_of(const commit_plan *plan, const lh_manifest *parent)
{
    static const char *const actions[] = {"replaced", "appended", "upserted"};
    return parent ? actions[plan->ij->request.mode] : "created";
}

static lh_rc build(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    commit_plan *plan = arg;
    const lh_ingest_request *rq = &plan->ij->request;
    if (rq->mode == LH_INGEST_UPSERT && (parent ? parent->commit : 0) != plan->base_commit)
        return lh_fail(cx, LH_E_CONFLICT, "dataset '%.*s' changed meanwhile",
                       LH_STR_ARG(rq->dataset));
    int32_t schema_id;
    if (rq->mode == LH_INGEST_APPEND) {
        LH_TRY(lh_manifest_merge(cx, next, plan->columns, plan->done->columns.count, &schema_id));
    } else {
        lh_manifest_clear_files(next);
        LH_TRY(lh_manifest_evolve(cx, next, plan->columns, plan->done->columns.count, &schema_id));
    }
    for (size_t i = 0; i < plan->files_count; i++) {
        lh_data_file file = plan->files[i];
        file.schema_id = schema_id;
        file.sequence = next->commit;
        LH_TRY(lh_manifest_add_file(cx, next, &file));
    }
    next->operation = lh_str_from(lh_ingest_mode_names[rq->mode]);
    if (rq->mode == LH_INGEST_UPSERT)
        next->row_key = rq->key;
    if (next->embedding.last_embedded_at != 0 && next->embedding.embedding_stale_since == 0)
        next->embedding.embedding_stale_since = lh_clock_real_us();
    LH_TRY(add_lineage(cx, plan, next));
    lh_manifest_event event = {
        .action = lh_str_from(action_of(plan, parent)),
        .new_value = lh_ctx_fmt(cx, "%llu rows", (unsigned long long)plan->done->rows),
        .actor = rq->actor,
        .source = rq->file_name};
    return lh_manifest_add_event(cx, next, &event);
}

lh_rc lhi_ingest_commit(lh_ctx *cx, lh_job *job, lhi_ingest_job *ij, const lh_ingest_done *done,
                        uint64_t base_commit, lh_snapshot **ret_snapshot)
{
    commit_plan plan = {.ij = ij, .job = job, .done = done, .base_commit = base_commit};
    LH_TRY(plan_columns(cx, &plan));
    LH_TRY(publish(cx, &plan));
    lh_job_phase(job, "committing", "files", plan.files_count);
    return lh_catalog_commit(cx, ij->ingest->catalog, ij->request.dataset, build, &plan,
                             ret_snapshot);
}
