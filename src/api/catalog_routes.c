/* api/catalog_routes.c - datasets: create, list, look, metadata, resync with what the files say. */
#include "api/api_private.h"
#include "base/clock.h"

/* ---- what a client sees ---- */

typedef struct dataset_object {
    lh_str bucket;
    lh_str key;
    uint64_t rows;
    uint64_t bytes;
    lh_str sha256;
} dataset_object;
typedef struct dataset_column {
    lh_str name;
    lh_str type;
    int32_t field_id;
    lh_list pii;
    bool sensitive;
} dataset_column;
typedef struct dataset_source {
    lh_str source_system;
    lh_str source_name;
    lh_str ingest_job;
    uint64_t rows;
    uint64_t commit;
    int64_t at;
} dataset_source;
typedef struct dataset {
    lh_str id;
    lh_str name;
    uint64_t commit;
    lh_str operation;
    lh_str fingerprint;
    uint64_t row_count;
    uint64_t bytes;
    lh_list columns;
    lh_list objects;
    lh_str description;
    lh_str owner;
    lh_str sensitivity;
    lh_str freshness;
    lh_list tags;
    lh_list lineage;
    int64_t created_at;
    int64_t updated_at;
    int64_t last_embedded_at;
    int64_t embedding_stale_since;
    int embedding_refresh_policy;
} dataset;

static const char *const refresh_names[] = {"manual", "on_append", "scheduled", NULL};
static const lh_field object_fields[] = {
    LH_FIELD("bucket", STR, dataset_object, bucket, .doc = "Bucket."),
    LH_FIELD("key", STR, dataset_object, key, .doc = "Key of the object."),
    LH_FIELD("rows", U64, dataset_object, rows, .doc = "Rows in it."),
    LH_FIELD("bytes", U64, dataset_object, bytes, .doc = "Size in bytes."),
    LH_FIELD("sha256", STR, dataset_object, sha256, .doc = "SHA-256 of its content, hex."),
    {0}};
static const lh_record object_record = {.name = "DatasetObject",
                                        .size = sizeof(dataset_object),
                                        .fields = object_fields,
                                        .doc = "One file of a dataset."};
static const lh_field column_fields[] = {
    LH_FIELD("name", STR, dataset_column, name, .doc = "Name of the column."),
    LH_FIELD("type", STR, dataset_column, type, .doc = "SQL type."),
    LH_FIELD("field_id", I32, dataset_column, field_id, .doc = "Permanent id; a rename keeps it."),
    LH_FIELD("pii", LIST, dataset_column, pii, .item = LH_F_STR,
             .doc = "Kinds of personal data found in it."),
    LH_FIELD("sensitive", BOOL, dataset_column, sensitive, .doc = "It holds personal data."),
    {0}};
static const lh_record column_record = {.name = "DatasetColumn",
                                        .size = sizeof(dataset_column),
                                        .fields = column_fields,
                                        .doc = "One column of a dataset."};
static const lh_field source_fields[] = {
    LH_FIELD("source_system", STR, dataset_source, source_system,
             .doc = "Kind of source: file, inbox, ..."),
    LH_FIELD("source_name", STR, dataset_source, source_name, .doc = "Name of the file or table."),
    LH_FIELD("ingest_job", STR, dataset_source, ingest_job, .doc = "Job that read it."),
    LH_FIELD("rows", U64, dataset_source, rows, .doc = "Rows it gave."),
    LH_FIELD("commit", U64, dataset_source, commit, .doc = "Commit that made them visible."),
    LH_FIELD("at", TIME, dataset_source, at, .doc = "When."),
    {0}};
static const lh_record source_record = {.name = "DatasetSource",
                                        .size = sizeof(dataset_source),
                                        .fields = source_fields,
                                        .doc = "Lineage: a source of the rows there are."};
static const lh_field dataset_fields[] = {
    LH_FIELD("id", STR, dataset, id, .doc = "Permanent id of the dataset."),
    LH_FIELD("name", STR, dataset, name, .doc = "Name."),
    LH_FIELD("commit", U64, dataset, commit, .doc = "Current commit."),
    LH_FIELD("operation", STR, dataset, operation, .doc = "What that commit did."),
    LH_FIELD("fingerprint", STR, dataset, fingerprint,
             .doc = "Hash of names and types of the columns."),
    LH_FIELD("row_count", U64, dataset, row_count, .doc = "Rows."),
    LH_FIELD("bytes", U64, dataset, bytes, .doc = "Bytes of its files."),
    LH_FIELD("columns", LIST, dataset, columns, .item = LH_F_OBJECT, .record = &column_record,
             .doc = "Columns."),
    LH_FIELD("objects", LIST, dataset, objects, .item = LH_F_OBJECT, .record = &object_record,
             .doc = "Files; not in lists."),
    LH_FIELD("description", STR, dataset, description, .doc = "What it is."),
    LH_FIELD("owner", STR, dataset, owner, .doc = "Who answers for it."),
    LH_FIELD("sensitivity", STR, dataset, sensitivity, .doc = "How sensitive it is."),
    LH_FIELD("freshness", STR, dataset, freshness, .doc = "How fresh it is meant to be."),
    LH_FIELD("tags", LIST, dataset, tags, .item = LH_F_STR, .doc = "Tags."),
    LH_FIELD("lineage", LIST, dataset, lineage, .item = LH_F_OBJECT, .record = &source_record,
             .doc = "Sources of the rows there are."),
    LH_FIELD("created_at", TIME, dataset, created_at, .doc = "When the dataset was made."),
    LH_FIELD("updated_at", TIME, dataset, updated_at, .doc = "When the current commit was made."),
    LH_FIELD("last_embedded_at", TIME, dataset, last_embedded_at,
             .doc = "When it was last embedded; null = never."),
    LH_FIELD("embedding_stale_since", TIME, dataset, embedding_stale_since,
             .doc = "Since when its indexes are older than its rows; null = they are not."),
    LH_FIELD("embedding_refresh_policy", ENUM, dataset, embedding_refresh_policy,
             .names = refresh_names, .doc = "When its indexes are refreshed."),
    {0}};
static const lh_record dataset_record = {.name = "Dataset",
                                         .size = sizeof(dataset),
                                         .fields = dataset_fields,
                                         .doc = "A dataset at its current commit."};
LHI_LIST_RECORD(dataset_list, "DatasetList", dataset_record,
                "A page of datasets in order of name.");

enum { WITH_OBJECTS = 1 };

static lh_rc fill_columns(lh_ctx *cx, const lh_manifest *m, dataset *d)
{
    const lh_schema *schema = lh_manifest_current(m);
    const lh_column *from = schema->columns.items;
    dataset_column *columns =
        LH_NEW_ARRAY(cx, dataset_column, LH_MAX(schema->columns.count, (size_t)1));
    if (!columns)
        return cx->err.rc;
    for (size_t i = 0; i < schema->columns.count; i++)
        columns[i] = (dataset_column){from[i].name, from[i].type, from[i].field_id, from[i].pii,
                                      from[i].pii.count > 0};
    d->columns = (lh_list){columns, schema->columns.count};
    return LH_OK;
}

static lh_rc fill_objects(lh_ctx *cx, const lh_manifest *m, dataset *d)
{
    const lh_data_file *from = m->files.items;
    dataset_object *objects = LH_NEW_ARRAY(cx, dataset_object, LH_MAX(m->files.count, (size_t)1));
    if (!objects)
        return cx->err.rc;
    for (size_t i = 0; i < m->files.count; i++)
        objects[i] = (dataset_object){from[i].bucket, from[i].key, from[i].rows, from[i].bytes,
                                      from[i].sha256};
    d->objects = (lh_list){objects, m->files.count};
    return LH_OK;
}

static lh_rc fill_lineage(lh_ctx *cx, const lh_manifest *m, dataset *d)
{
    const lh_lineage *from = m->lineage.items;
    dataset_source *sources = LH_NEW_ARRAY(cx, dataset_source, LH_MAX(m->lineage.count, (size_t)1));
    if (!sources)
        return cx->err.rc;
    for (size_t i = 0; i < m->lineage.count; i++)
        sources[i] =
            (dataset_source){from[i].source_system, from[i].source_name, from[i].ingest_job,
                             from[i].rows,          from[i].commit,      from[i].at};
    d->lineage = (lh_list){sources, m->lineage.count};
    return LH_OK;
}

/* Borrows from the snapshot's manifest. */
static lh_rc fill_dataset(lh_ctx *cx, const lh_snapshot *snapshot, uint32_t flags, dataset *ret)
{
    const lh_manifest *m = lh_snapshot_manifest(snapshot);
    dataset d = {.id = m->id,
                 .name = m->name,
                 .commit = m->commit,
                 .operation = m->operation,
                 .fingerprint = m->fingerprint,
                 .row_count = m->row_count,
                 .bytes = m->bytes,
                 .description = m->metadata.description,
                 .owner = m->metadata.owner,
                 .sensitivity = m->metadata.sensitivity,
                 .freshness = m->metadata.freshness,
                 .tags = m->metadata.tags,
                 .created_at = m->created_at,
                 .updated_at = m->committed_at,
                 .last_embedded_at = m->embedding.last_embedded_at,
                 .embedding_stale_since = m->embedding.embedding_stale_since,
                 .embedding_refresh_policy = m->embedding.embedding_refresh_policy};
    LH_TRY(fill_columns(cx, m, &d));
    LH_TRY(fill_lineage(cx, m, &d));
    if (flags & WITH_OBJECTS)
        LH_TRY(fill_objects(cx, m, &d));
    *ret = d;
    return LH_OK;
}

static lh_rc reply_dataset(lh_ctx *cx, lh_reply *rp, const lh_snapshot *snapshot)
{
    dataset d;
    LH_TRY(fill_dataset(cx, snapshot, WITH_OBJECTS, &d));
    return lh_reply_json(cx, rp, &dataset_record, &d);
}

/* ---- list and look ---- */

static lh_rc datasets_list(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_app *app = lhi_app(rq);
    int64_t limit;
    lh_str after;
    LH_CLEANUP(lh_catalog_page_done) lh_catalog_page page = {0};
    LH_TRY(lhi_page(cx, rq, &limit, &after));
    LH_TRY(lh_catalog_list(cx, app->catalog, after, (size_t)limit, &page));
    dataset *items = LH_NEW_ARRAY(cx, dataset, LH_MAX(page.count, (size_t)1));
    if (!items)
        return cx->err.rc;
    size_t n = 0;
    for (size_t i = 0; i < page.count; i++) {
        if (lh_policy_may_see(app->policy, cx->principal, page.items[i]))
            LH_TRY(fill_dataset(cx, page.items[i], 0, &items[n++]));
    }
    lhi_list_reply reply = {.items = {items, n}};
    if (page.more && page.count > 0)
        reply.next_cursor = lh_snapshot_manifest(page.items[page.count - 1])->name;
    return lh_reply_json(cx, rp, &dataset_list, &reply);
}

/* The dataset of the path, when the principal may know of it. */
static lh_rc get_visible(lh_ctx *cx, lh_request *rq, lh_snapshot **ret_snapshot)
{
    lh_app *app = lhi_app(rq);
    lh_str name = lh_request_param(rq, "name");
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    LH_TRY(lh_catalog_get(cx, app->catalog, name, 0, 0, &snapshot));
    if (!lh_policy_may_see(app->policy, cx->principal, snapshot))
        return lh_fail(cx, LH_E_UNKNOWN_DATASET, "no dataset '%.*s'", LH_STR_ARG(name));
    *ret_snapshot = LH_TAKE(snapshot);
    return LH_OK;
}

static lh_rc dataset_get(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    LH_TRY(get_visible(cx, rq, &snapshot));
    return reply_dataset(cx, rp, snapshot);
}

/* ---- create ---- */

typedef struct create_column {
    lh_str name;
    lh_str type;
    lh_str description;
} create_column;
typedef struct create_request {
    lh_str name;
    lh_list columns;
    lh_metadata metadata;
} create_request;
static const lh_field create_column_fields[] = {
    LH_FIELD("name", STR, create_column, name, .flags = LH_FIELD_REQUIRED, .min = 1, .max = 1024,
             .doc = "Name."),
    LH_FIELD("type", STR, create_column, type, .flags = LH_FIELD_REQUIRED, .min = 1, .max = 1024,
             .doc = "SQL type: VARCHAR, BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP, ..."),
    LH_FIELD("description", STR, create_column, description, .max = 4096, .doc = "What it holds."),
    {0}};
static const lh_record create_column_record = {.name = "NewColumn",
                                               .size = sizeof(create_column),
                                               .fields = create_column_fields,
                                               .doc = "A column of a new dataset."};
static const lh_field create_fields[] = {
    LH_FIELD("name", STR, create_request, name, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = LH_DATASET_NAME_MAX, .doc = "Name of the dataset."),
    LH_FIELD("columns", LIST, create_request, columns, .flags = LH_FIELD_REQUIRED,
             .item = LH_F_OBJECT, .record = &create_column_record, .min = 1, .max = 4096,
             .doc = "Its columns."),
    LH_FIELD("description", STR, create_request, metadata.description, .max = 65536,
             .doc = "What it is."),
    LH_FIELD("owner", STR, create_request, metadata.owner, .max = 256,
             .doc = "Who answers for it."),
    LH_FIELD("sensitivity", STR, create_request, metadata.sensitivity, .max = 64,
             .doc = "How sensitive it is."),
    LH_FIELD("freshness", STR, create_request, metadata.freshness, .max = 256,
             .doc = "How fresh it is meant to be."),
    LH_FIELD("tags", LIST, create_request, metadata.tags, .item = LH_F_STR, .max = 100,
             .doc = "Tags."),
    {0}};
static const lh_record create_record = {.name = "NewDataset",
                                        .size = sizeof(create_request),
                                        .fields = create_fields,
                                        .doc = "An empty dataset."};

static lh_rc add_event(lh_ctx *cx, lh_manifest *next, const char *action, lh_str value)
{
    lh_manifest_event event = {.action = lh_str_from(action),
                               .new_value = value,
                               .actor = cx->principal ? cx->principal->name : LH_STR_NONE,
                               .source = LH_S("api")};
    return lh_manifest_add_event(cx, next, &event);
}

static lh_rc build_create(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    const create_request *request = arg;
    if (parent) {
        LH_IGNORE(
            lh_fail(cx, LH_E_ALREADY_EXISTS, "dataset '%.*s' exists", LH_STR_ARG(request->name)));
        return lh_err_hint(cx, "ingest into it with mode append, replace or upsert");
    }
    const create_column *from = request->columns.items;
    lh_column *columns = LH_NEW_ARRAY(cx, lh_column, request->columns.count);
    if (!columns)
        return cx->err.rc;
    lh_pii_hints none = {0, 0, 0};
    for (size_t i = 0; i < request->columns.count; i++) {
        columns[i] = (lh_column){.name = from[i].name, .description = from[i].description};
        LH_TRY(lhi_column_type(cx, from[i].type, i, &columns[i].type));
        LH_TRY(lh_pii_detect(cx, from[i].name, columns[i].type, &none, &columns[i].pii));
    }
    int32_t schema_id;
    LH_TRY(lh_manifest_evolve(cx, next, columns, request->columns.count, &schema_id));
    next->metadata = request->metadata;
    next->operation = LH_S("create");
    return add_event(cx, next, "created", LH_STR_NONE);
}

static lh_rc dataset_create(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    create_request request;
    LH_TRY(lh_request_json(cx, rq, &request));
    LH_TRY(lh_dataset_check_name(cx, request.name));
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *made = NULL;
    LH_TRY(
        lh_catalog_commit(cx, lhi_app(rq)->catalog, request.name, build_create, &request, &made));
    return reply_dataset(cx, rp, made);
}

/* ---- metadata ---- */

typedef struct patch_request {
    lh_metadata metadata;
    uint64_t present;
} patch_request;
enum {
    PATCH_DESCRIPTION = 1,
    PATCH_OWNER = 2,
    PATCH_SENSITIVITY = 4,
    PATCH_FRESHNESS = 8,
    PATCH_TAGS = 16
};
static const lh_field patch_fields[] = {
    LH_FIELD("description", STR, patch_request, metadata.description, .max = 65536,
             .doc = "What it is."),
    LH_FIELD("owner", STR, patch_request, metadata.owner, .max = 256, .doc = "Who answers for it."),
    LH_FIELD("sensitivity", STR, patch_request, metadata.sensitivity, .max = 64,
             .doc = "How sensitive it is."),
    LH_FIELD("freshness", STR, patch_request, metadata.freshness, .max = 256,
             .doc = "How fresh it is meant to be."),
    LH_FIELD("tags", LIST, patch_request, metadata.tags, .item = LH_F_STR, .max = 100,
             .doc = "Tags."),
    {0}};
static const lh_record patch_record = {.name = "MetadataPatch",
                                       .size = sizeof(patch_request),
                                       .fields = patch_fields,
                                       .doc = "Fields that are sent are set, others stay.",
                                       .present_offset = offsetof(patch_request, present)};

static lh_rc build_patch(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    const patch_request *patch = arg;
    if (!parent)
        return lh_fail(cx, LH_E_UNKNOWN_DATASET, "the dataset is gone");
    if (patch->present & PATCH_DESCRIPTION)
        next->metadata.description = patch->metadata.description;
    if (patch->present & PATCH_OWNER)
        next->metadata.owner = patch->metadata.owner;
    if (patch->present & PATCH_SENSITIVITY)
        next->metadata.sensitivity = patch->metadata.sensitivity;
    if (patch->present & PATCH_FRESHNESS)
        next->metadata.freshness = patch->metadata.freshness;
    if (patch->present & PATCH_TAGS)
        next->metadata.tags = patch->metadata.tags;
    next->operation = LH_S("metadata");
    return add_event(cx, next, "metadata", LH_STR_NONE);
}

static lh_rc metadata_patch(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    patch_request patch;
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *made = NULL;
    LH_TRY(get_visible(cx, rq, &snapshot));
    LH_TRY(lh_request_json(cx, rq, &patch));
    if (patch.present == 0)
        return lh_fail(cx, LH_E_MISSING_FIELD, "no field to set was sent");
    LH_TRY(lh_catalog_commit(cx, lhi_app(rq)->catalog, lh_snapshot_manifest(snapshot)->name,
                             build_patch, &patch, &made));
    return reply_dataset(cx, rp, made);
}

/* ---- resync ---- */

typedef struct resync_result {
    lh_str dataset;
    bool changed;
    uint64_t row_count_before;
    uint64_t row_count;
    lh_str error;
} resync_result;
static const lh_field resync_fields[] = {
    LH_FIELD("dataset", STR, resync_result, dataset, .doc = "Dataset."),
    LH_FIELD("changed", BOOL, resync_result, changed,
             .doc = "Its files said something else, and a commit was made."),
    LH_FIELD("row_count_before", U64, resync_result, row_count_before, .doc = "Rows before."),
    LH_FIELD("row_count", U64, resync_result, row_count, .doc = "Rows that the files have."),
    LH_FIELD("error", STR, resync_result, error, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Why it could not be checked."),
    {0}};
static const lh_record resync_record = {.name = "ResyncResult",
                                        .size = sizeof(resync_result),
                                        .fields = resync_fields,
                                        .doc = "What the files of a dataset say."};
LHI_LIST_RECORD(resync_list, "ResyncList", resync_record,
                "One entry per dataset that drifted or could not be checked.");

static lh_rc build_resync(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    const lh_footers *footers = arg;
    if (!parent)
        return lh_fail(cx, LH_E_UNKNOWN_DATASET, "the dataset is gone");
    LH_TRY(lh_footers_apply(cx, footers, next));
    next->operation = LH_S("resync");
    return add_event(cx, next, "resynced",
                     lh_ctx_fmt(cx, "%llu rows", (unsigned long long)next->row_count));
}

static lh_rc resync_one(lh_ctx *cx, lh_app *app, const lh_snapshot *snapshot, resync_result *ret)
{
    const lh_manifest *m = lh_snapshot_manifest(snapshot);
    lh_footers footers;
    LH_TRY(lh_ingest_read_footers(cx, app->ingest, snapshot, &footers));
    *ret = (resync_result){.dataset = m->name,
                           .row_count_before = m->row_count,
                           .row_count = footers.rows,
                           .changed = lh_footers_differ(&footers, m)};
    if (!ret->changed)
        return LH_OK;
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *made = NULL;
    return lh_catalog_commit(cx, app->catalog, m->name, build_resync, &footers, &made);
}

static lh_rc dataset_resync(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = NULL;
    resync_result result;
    LH_TRY(get_visible(cx, rq, &snapshot));
    LH_TRY(resync_one(cx, lhi_app(rq), snapshot, &result));
    return lh_reply_json(cx, rp, &resync_record, &result);
}

static lh_rc resync_missing(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    lh_app *app = lhi_app(rq);
    LH_CLEANUP(lh_catalog_page_done) lh_catalog_page page = {0};
    LH_TRY(lh_catalog_list(cx, app->catalog, LH_STR_NONE, 100000, &page));
    resync_result *results = LH_NEW_ARRAY(cx, resync_result, LH_MAX(page.count, (size_t)1));
    if (!results)
        return cx->err.rc;
    size_t n = 0;
    for (size_t i = 0; i < page.count; i++) {
        LH_TRY(lh_ctx_check(cx));
        if (resync_one(cx, app, page.items[i], &results[n]) != LH_OK) {
            results[n].dataset = lh_snapshot_manifest(page.items[i])->name;
            results[n].error = lh_ctx_dup(cx, lh_str_from(cx->err.message));
            lh_err_clear(cx);
        }
        if (results[n].changed || results[n].error.len > 0)
            n++;
    }
    lhi_list_reply reply = {.items = {results, n}};
    return lh_reply_json(cx, rp, &resync_list, &reply);
}

static const lh_query_param page_params[] = {LHI_PAGE_PARAMS, {0}};

const lh_route lh_catalog_routes[] = {
    {.method = "GET",
     .path = "/catalog/datasets",
     .handler = datasets_list,
     .access = LH_ACCESS_READ,
     .reply = &dataset_list,
     .query = page_params,
     .tag = "catalog",
     .summary = "List datasets in order of name."},
    {.method = "POST",
     .path = "/catalog/datasets",
     .handler = dataset_create,
     .access = LH_ACCESS_WRITE,
     .body_max_bytes = 4u << 20,
     .body = &create_record,
     .reply = &dataset_record,
     .reply_status = 201,
     .errors = "bad_name already_exists conflict no_space",
     .tag = "catalog",
     .summary = "Create an empty dataset."},
    {.method = "GET",
     .path = "/catalog/datasets/by-name/{name}",
     .handler = dataset_get,
     .access = LH_ACCESS_READ,
     .reply = &dataset_record,
     .errors = "unknown_dataset bad_name corrupt",
     .tag = "catalog",
     .summary = "Show one dataset."},
    {.method = "PATCH",
     .path = "/catalog/datasets/by-name/{name}/metadata",
     .handler = metadata_patch,
     .access = LH_ACCESS_WRITE,
     .body_max_bytes = 1u << 20,
     .body = &patch_record,
     .reply = &dataset_record,
     .errors = "unknown_dataset bad_name conflict no_space",
     .tag = "catalog",
     .summary = "Set description, owner, sensitivity, tags or freshness."},
    {.method = "POST",
     .path = "/catalog/datasets/{name}/resync",
     .handler = dataset_resync,
     .access = LH_ACCESS_WRITE,
     .reply = &resync_record,
     .errors = "unknown_dataset bad_name conflict unprocessable pool_full",
     .tag = "catalog",
     .summary = "Read row count and columns from the files' footers again."},
    {.method = "POST",
     .path = "/catalog/resync-missing",
     .handler = resync_missing,
     .access = LH_ACCESS_WRITE,
     .flags = LH_ROUTE_NO_DEADLINE,
     .reply = &resync_list,
     .errors = "pool_full",
     .tag = "catalog",
     .summary = "Resync every dataset whose files say something else."},
    {0}};
