/* ingest/ingest.c - starts the job of one file and runs it: dedup, convert, commit, result.
 *
 * An upsert is computed from the rows of one commit; when somebody else commits meanwhile it is
 * computed again, a few times. Replace and append need no such care: they are rebased inside the
 * commit. */
#include "ingest/ingest.h"

#include "base/log.h"
#include "base/metric.h"
#include "ingest/ingest_private.h"
#include "os/file.h"

#define UPSERT_TRIES    5
#define JOB_ARENA_BYTES (64u * 1024u * 1024u)

const char *const lh_ingest_mode_names[] = {"replace", "append", "upsert", NULL};

static const lh_field column_fields[] = {
    LH_FIELD("name", STR, lh_ingest_result_column, name, .doc = "Name of the column."),
    LH_FIELD("type", STR, lh_ingest_result_column, type, .doc = "SQL type."),
    LH_FIELD("field_id", I32, lh_ingest_result_column, field_id,
             .doc = "Permanent id of the column."),
    LH_FIELD("pii", LIST, lh_ingest_result_column, pii, .item = LH_F_STR,
             .doc = "Kinds of personal data found."),
    {0}};
static const lh_record column_record = {.name = "IngestColumn",
                                        .size = sizeof(lh_ingest_result_column),
                                        .fields = column_fields,
                                        .doc = "One column of the dataset after the ingest."};
static const lh_field result_fields[] = {
    LH_FIELD("job_id", STR, lh_ingest_result, job_id, .doc = "Job of this ingest."),
    LH_FIELD("state", STR, lh_ingest_result, state,
             .doc = "State of the job: done, or running when it was not waited for."),
    LH_FIELD("dataset", STR, lh_ingest_result, dataset, .doc = "Dataset the rows are in."),
    LH_FIELD("commit", U64, lh_ingest_result, commit, .doc = "Commit that made them visible."),
    LH_FIELD("rows", U64, lh_ingest_result, rows, .doc = "Rows of the file."),
    LH_FIELD("bytes", U64, lh_ingest_result, bytes, .doc = "Bytes of the file as it arrived."),
    LH_FIELD("columns", LIST, lh_ingest_result, columns, .item = LH_F_OBJECT,
             .record = &column_record, .doc = "Columns of the dataset."),
    LH_FIELD("oddities", MAP_I64, lh_ingest_result, oddities,
             .doc = "What was odd in the file, and how often."),
    LH_FIELD("duplicate", BOOL, lh_ingest_result, duplicate,
             .doc = "The same bytes were already in the dataset: nothing was done."),
    {0}};
const lh_record lh_ingest_result_record = {.name = "IngestResult",
                                           .size = sizeof(lh_ingest_result),
                                           .fields = result_fields,
                                           .doc = "What an ingest came to."};

lh_rc lh_ingest_open(lh_ctx *cx, lh_catalog *catalog, lh_pool *pool, lh_jobs *jobs,
                     const lh_ingest_settings *settings, lh_ingest **ret_ingest)
{
    lh_ingest *ingest = lh_alloc_zero(1, sizeof *ingest);
    if (!ingest)
        return lh_fail(cx, LH_E_NO_MEMORY, "ingest");
    *ingest = (lh_ingest){catalog, pool, jobs, *settings};
    *ret_ingest = ingest;
    return LH_OK;
}

lh_ingest *lh_ingest_close(lh_ingest *ingest)
{
    return lh_free(ingest);
}

static void job_done(void *arg)
{
    lhi_ingest_job *ij = arg;
    lh_staged_free(ij->source);
    lh_arena_free(ij->arena);
    lh_free(ij);
}

/* The same bytes are in already: as one of an appended dataset's sources, or as the only source of
 * a replaced one. */
static int is_duplicate(const lhi_ingest_job *ij, const lh_manifest *manifest)
{
    const lh_lineage *lineage = manifest->lineage.items;
    size_t count = manifest->lineage.count;
    if (ij->request.mode == LH_INGEST_REPLACE)
        return count == 1 && lh_str_eq(lineage[0].source_sha256, ij->request.sha256);
    if (ij->request.mode == LH_INGEST_UPSERT)
        return count > 0 && lh_str_eq(lineage[count - 1].source_sha256, ij->request.sha256);
    for (size_t i = 0; i < count; i++) {
        if (lh_str_eq(lineage[i].source_sha256, ij->request.sha256))
            return 1;
    }
    return 0;
}

static lh_rc write_result(lh_ctx *cx, lh_job *job, const lhi_ingest_job *ij,
                          const lh_snapshot *snapshot, const lh_ingest_done *done)
{
    const lh_manifest *manifest = lh_snapshot_manifest(snapshot);
    const lh_schema *schema = lh_manifest_current(manifest);
    const lh_column *columns = schema->columns.items;
    lh_ingest_result_column *shown =
        LH_NEW_ARRAY(cx, lh_ingest_result_column, LH_MAX(schema->columns.count, (size_t)1));
    if (!shown)
        return cx->err.rc;
    for (size_t i = 0; i < schema->columns.count; i++)
        shown[i] = (lh_ingest_result_column){columns[i].name, columns[i].type, columns[i].field_id,
                                             columns[i].pii};
    lh_ingest_result result = {.job_id = lh_job_id(job),
                               .state = LH_S("done"),
                               .dataset = manifest->name,
                               .commit = manifest->commit,
                               .rows = done ? done->rows : 0,
                               .bytes = ij->source_bytes,
                               .columns = {shown, schema->columns.count},
                               .oddities = done ? done->oddities : (lh_list){NULL, 0},
                               .duplicate = done == NULL};
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, 16u * 1024u * 1024u);
    LH_TRY(lh_record_append(cx, &lh_ingest_result_record, &result, &json));
    lh_job_result(job, lh_buf_str(&json));
    return LH_OK;
}

/* One try: reads the current commit, converts over it, commits. LH_E_CONFLICT: somebody was faster
 * (upsert only). */
static lh_rc run_once(lh_ctx *cx, lh_job *job, lhi_ingest_job *ij)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *base = NULL;
    lh_rc rc = lh_catalog_get(cx, ij->ingest->catalog, ij->request.dataset, 0, 0, &base);
    if (rc != LH_OK && rc != LH_E_UNKNOWN_DATASET)
        return rc;
    lh_err_clear(cx);
    if (base && is_duplicate(ij, lh_snapshot_manifest(base)))
        return write_result(cx, job, ij, base, NULL);
    if (ij->request.mode == LH_INGEST_UPSERT && ij->request.key.len == 0) {
        if (!base || lh_snapshot_manifest(base)->row_key.len == 0) {
            LH_IGNORE(lh_fail(cx, LH_E_MISSING_FIELD, "an upsert needs the key column"));
            LH_IGNORE(lh_err_field(cx, "key"));
            return lh_err_hint(cx, "send key=<column>, or ingest with mode=append");
        }
        ij->request.key = lh_ctx_dup(cx, lh_snapshot_manifest(base)->row_key);
    }
    lh_ingest_done done;
    LH_TRY(lhi_ingest_convert(cx, job, ij, base, &done));
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *made = NULL;
    LH_TRY(lhi_ingest_commit(cx, job, ij, &done, base ? lh_snapshot_manifest(base)->commit : 0,
                             &made));
    lh_metric_add(LH_M_INGEST_ROWS, (int64_t)done.rows);
    lh_metric_add(LH_M_INGEST_BYTES, (int64_t)ij->source_bytes);
    LH_LOG(cx, INGEST_DONE, LH_KS("dataset", ij->request.dataset), LH_KI("rows", done.rows),
           LH_KI("bytes", ij->source_bytes), LH_KI("commit", lh_snapshot_manifest(made)->commit));
    return write_result(cx, job, ij, made, &done);
}

static lh_rc job_run(lh_ctx *cx, lh_job *job, void *arg)
{
    lhi_ingest_job *ij = arg;
    lh_rc rc = LH_E_CONFLICT;
    for (int i = 0; i < UPSERT_TRIES && rc == LH_E_CONFLICT; i++) {
        lh_err_clear(cx);
        rc = run_once(cx, job, ij);
    }
    if (rc != LH_OK)
        LH_LOG(cx, INGEST_FAILED, LH_KS("dataset", ij->request.dataset),
               LH_KS("file", ij->request.file_name), LH_KS("code", lh_str_from(lh_rc_code(rc))),
               LH_KS("message", lh_str_from(cx->err.message)));
    return rc;
}

static lh_rc copy_list(lh_ctx *cx, const lh_list *from, lh_list *ret)
{
    const lh_str *items = from->items;
    lh_str *copies = LH_NEW_ARRAY(cx, lh_str, LH_MAX(from->count, (size_t)1));
    if (!copies)
        return cx->err.rc;
    for (size_t i = 0; i < from->count; i++) {
        copies[i] = lh_ctx_dup(cx, items[i]);
        if (!copies[i].ptr)
            return cx->err.rc;
    }
    *ret = (lh_list){copies, from->count};
    return LH_OK;
}

/* Copies every text of the request into the job's own arena; the request of the client ends before
 * the job does. */
static lh_rc copy_request(lh_ctx *cx, lh_arena *arena, const lh_ingest_request *from,
                          lh_ingest_request *ret)
{
    lh_ctx own;
    lh_ctx_init_child(&own, arena, cx);
    lh_ingest_request r = *from;
    lh_str *texts[] = {&r.dataset,
                       &r.key,
                       &r.file_name,
                       &r.bucket,
                       &r.source_system,
                       &r.sha256,
                       &r.actor,
                       &r.options.delimiter,
                       &r.options.quote,
                       &r.options.encoding,
                       &r.options.compression};
    for (size_t i = 0; i < LH_ARRAY_LEN(texts); i++) {
        *texts[i] = lh_ctx_dup(&own, *texts[i]);
        if (!texts[i]->ptr)
            return lh_fail(cx, LH_E_NO_MEMORY, "ingest request");
    }
    if (copy_list(&own, &from->options.null_texts, &r.options.null_texts) != LH_OK)
        return lh_fail(cx, LH_E_NO_MEMORY, "ingest request");
    *ret = r;
    return LH_OK;
}

static lh_rc check_request(lh_ctx *cx, const lh_ingest_request *request)
{
    if (request->bucket.len > 0 && !lh_str_eq(request->bucket, LH_S("primary"))) {
        LH_IGNORE(lh_fail(cx, LH_E_NOT_FOUND, "no bucket '%.*s'", LH_STR_ARG(request->bucket)));
        LH_IGNORE(lh_err_field(cx, "X-Lakehouse-Bucket"));
        return lh_err_hint(cx, "buckets are: primary");
    }
    if (request->key.len > 0 && request->mode != LH_INGEST_UPSERT) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "a key is for mode upsert only"));
        return lh_err_field(cx, "key");
    }
    return LH_OK;
}

lh_rc lh_ingest_start(lh_ctx *cx, lh_ingest *ingest, lh_staged *source,
                      const lh_ingest_request *request, lh_str *ret_job_id)
{
    LH_TRY(check_request(cx, request));
    if (lh_staged_bytes(source) == 0) {
        LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "the file is empty"));
        return lh_err_hint(cx, "an empty dataset is made by POST /catalog/datasets");
    }
    lh_ingest_request r = *request;
    r.file_name = lh_path_base(r.file_name);
    if (r.dataset.len == 0) {
        r.dataset = lh_dataset_name_from_file(cx, r.file_name);
        if (!r.dataset.ptr)
            return cx->err.rc;
    }
    LH_TRY(lh_dataset_check_name(cx, r.dataset));
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(JOB_ARENA_BYTES);
    lhi_ingest_job *ij = lh_alloc_zero(1, sizeof *ij);
    if (!arena || !ij) {
        lh_free(ij);
        return lh_fail(cx, LH_E_NO_MEMORY, "ingest job");
    }
    lh_rc rc = copy_request(cx, arena, &r, &ij->request);
    ij->ingest = ingest;
    ij->source_bytes = lh_staged_bytes(source);
    ij->source = source;
    ij->arena = arena;
    lh_job_spec spec = {.kind = LH_S("ingest"),
                        .subject = ij->request.dataset,
                        .run = job_run,
                        .done = job_done,
                        .arg = ij,
                        .principal = request->principal};
    if (rc == LH_OK)
        rc = lh_jobs_start(cx, ingest->jobs, &spec, ret_job_id);
    if (rc != LH_OK) {
        lh_free(ij);
        return rc;
    }
    arena = NULL; /* the job's now */
    return LH_OK;
}
