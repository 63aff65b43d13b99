/* ingest/ingest_footers.c - row counts and columns out of the footers of a snapshot's files, and
 * back into a manifest.
 *
 * Columns are taken only when all files have one schema: with several, the manifest knows more than
 * any footer does (permanent field ids across renames). */
#include "ingest/ingest_private.h"

static int one_schema(const lh_manifest *m)
{
    const lh_data_file *files = m->files.items;
    for (size_t i = 0; i < m->files.count; i++) {
        if (files[i].kind != LH_FILE_KIND_BASE || files[i].schema_id != m->current_schema_id)
            return 0;
    }
    return m->files.count > 0;
}

static lh_rc inspect(lh_ctx *cx, lh_ingest *ingest, lh_list paths, lh_ingest_done *ret_done)
{
    lh_ingest_task task = {.op = LH_INGEST_INSPECT, .paths = paths};
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    LH_TRY(lh_pool_lease(cx, ingest->pool, LH_WORKER_INGEST, LH_S("ingest"), &lease));
    LH_TRY(lh_lease_task_record(cx, lease, &lh_ingest_task_record, &task, NULL, 0));
    return lh_lease_done(cx, lease, &lh_ingest_done_record, ret_done);
}

static lh_rc take_columns(lh_ctx *cx, const lh_ingest_done *done, lh_footers *footers)
{
    const lh_ingest_column *from = done->columns.items;
    lh_column *columns = LH_NEW_ARRAY(cx, lh_column, LH_MAX(done->columns.count, (size_t)1));
    if (!columns)
        return cx->err.rc;
    lh_pii_hints none = {0, 0, 0};
    for (size_t i = 0; i < done->columns.count; i++) {
        columns[i] = (lh_column){.name = from[i].name, .type = from[i].type};
        LH_TRY(lh_pii_detect(cx, from[i].name, from[i].type, &none, &columns[i].pii));
    }
    footers->columns = columns;
    footers->columns_count = done->columns.count;
    return LH_OK;
}

lh_rc lh_ingest_read_footers(lh_ctx *cx, lh_ingest *ingest, const lh_snapshot *snapshot,
                             lh_footers *ret_footers)
{
    const lh_manifest *m = lh_snapshot_manifest(snapshot);
    const lh_data_file *files = m->files.items;
    lh_footers footers = {.files_count = m->files.count};
    footers.file_rows = LH_NEW_ARRAY(cx, uint64_t, LH_MAX(m->files.count, (size_t)1));
    lh_str *paths = LH_NEW_ARRAY(cx, lh_str, LH_MAX(m->files.count, (size_t)1));
    if (!footers.file_rows || !paths)
        return cx->err.rc;
    for (size_t i = 0; i < m->files.count; i++)
        LH_TRY(lh_store_local_path(cx, lh_catalog_store(ingest->catalog), files[i].key, &paths[i]));
    if (m->files.count > 0) {
        lh_ingest_done done;
        LH_TRY(inspect(cx, ingest, (lh_list){paths, m->files.count}, &done));
        const lh_ingest_part *parts = done.parts.items;
        if (done.parts.count != m->files.count)
            return lh_fail(cx, LH_E_INTERNAL, "%zu footers of %zu files", done.parts.count,
                           m->files.count);
        for (size_t i = 0; i < done.parts.count; i++) {
            footers.file_rows[i] = parts[i].rows;
            footers.rows += parts[i].rows;
        }
        if (one_schema(m))
            LH_TRY(take_columns(cx, &done, &footers));
    }
    *ret_footers = footers;
    return LH_OK;
}

int lh_footers_differ(const lh_footers *footers, const lh_manifest *m)
{
    const lh_data_file *files = m->files.items;
    if (footers->rows != m->row_count || footers->files_count != m->files.count)
        return 1;
    for (size_t i = 0; i < m->files.count; i++) {
        if (files[i].rows != footers->file_rows[i])
            return 1;
    }
    if (footers->columns_count == 0)
        return 0;
    const lh_schema *schema = lh_manifest_current(m);
    const lh_column *columns = schema->columns.items;
    if (schema->columns.count != footers->columns_count)
        return 1;
    for (size_t i = 0; i < footers->columns_count; i++) {
        if (!lh_str_eq(columns[i].name, footers->columns[i].name) ||
            !lh_str_eq(columns[i].type, footers->columns[i].type))
            return 1;
    }
    return 0;
}

lh_rc lh_footers_apply(lh_ctx *cx, const lh_footers *footers, lh_manifest *next)
{
    if (next->files.count != footers->files_count)
        return lh_fail(cx, LH_E_CONFLICT, "dataset '%.*s' changed meanwhile",
                       LH_STR_ARG(next->name));
    lh_data_file *files = LH_NEW_ARRAY(cx, lh_data_file, LH_MAX(next->files.count, (size_t)1));
    if (!files)
        return cx->err.rc;
    size_t count = next->files.count;
    if (count > 0)
        memcpy(files, next->files.items, count * sizeof *files);
    int32_t schema_id = next->current_schema_id;
    lh_manifest_clear_files(next);
    if (footers->columns_count > 0)
        LH_TRY(lh_manifest_evolve(cx, next, footers->columns, footers->columns_count, &schema_id));
    for (size_t i = 0; i < count; i++) {
        files[i].rows = footers->file_rows[i];
        if (footers->columns_count > 0)
            files[i].schema_id = schema_id;
        LH_TRY(lh_manifest_add_file(cx, next, &files[i]));
    }
    return LH_OK;
}
