/* manifest_parse.c - a stored manifest into memory and back.
 *
 * Reading trusts nothing: the seal first, then the records, then old forms are brought up to
 * date, then every invariant. Whatever is wrong is LH_E_CORRUPT, because a put is atomic: a torn
 * manifest cannot be the work of a crash. */
#include "base/hash.h"
#include "base/num.h"
#include "catalog/catalog_private.h"
#include "catalog/sealed.h"

static lh_rc corrupt(lh_ctx *cx)
{
    if (cx->err.rc == LH_E_NO_MEMORY)
        return LH_E_NO_MEMORY;
    lh_err why = cx->err;
    LH_IGNORE(lh_fail(cx, LH_E_CORRUPT, "not a manifest: %s", why.message));
    if (why.line > 0)
        LH_IGNORE(lh_err_place(cx, why.line, why.column));
    return LH_E_CORRUPT;
}

/* Bucket names of the first versions. */
static void rename_buckets(lh_manifest *m)
{
    lh_data_file *files = m->files.items;
    for (size_t i = 0; i < m->files.count; i++)
        if (files[i].bucket.len == 0 || lh_str_eq(files[i].bucket, LH_S("data")) ||
            lh_str_eq(files[i].bucket, LH_S("local")))
            files[i].bucket = LH_S("primary");
}

static lh_rc upgrade_columns(lh_manifest *m, lh_schema *schema)
{
    lh_column *columns = schema->columns.items;
    for (size_t i = 0; i < schema->columns.count; i++) {
        if (columns[i].field_id == 0) {
            if (i >= INT32_MAX - 1)
                return LH_E_CORRUPT;
            columns[i].field_id = (int32_t)i + 1;
        }
        if (columns[i].field_id < INT32_MAX && columns[i].field_id >= m->next_field_id)
            m->next_field_id = columns[i].field_id + 1;
    }
    return LH_OK;
}

/* Forms without a version: what later versions store is worked out from the rest. Columns
 * without ids are numbered by their place, which is what a reader of such a file by place would
 * have done. */
static lh_rc upgrade(lh_ctx *cx, lh_manifest *m)
{
    if (m->id.len == 0) {
        m->id = lh_ctx_fmt(cx, "ds-%016llx", (unsigned long long)lh_hash64(m->name, 0));
        if (m->id.ptr == NULL)
            return LH_E_NO_MEMORY;
    }
    m->parent = m->commit > 0 ? m->commit - 1 : 0;
    lh_schema *schemas = m->schemas.items;
    for (size_t i = 0; i < m->schemas.count; i++)
        LH_TRY(upgrade_columns(m, &schemas[i]));
    if (m->next_field_id < 1)
        m->next_field_id = 1;
    m->row_count = 0;
    m->bytes = 0;
    lh_data_file *files = m->files.items;
    for (size_t i = 0; i < m->files.count; i++) {
        if (files[i].sequence == 0)
            files[i].sequence = m->commit;
        if (!lh_add_u64(m->row_count, files[i].rows, &m->row_count) ||
            !lh_add_u64(m->bytes, files[i].bytes, &m->bytes))
            return lh_fail(cx, LH_E_CORRUPT, "the files' sums overflow");
    }
    const lh_schema *current = lh_manifest_current(m);
    if (current == NULL)
        return lh_fail(cx, LH_E_CORRUPT, "the current schema is absent");
    return lh_schema_fingerprint(cx, current, &m->fingerprint);
}

lh_rc lh_manifest_parse(lh_ctx *cx, lh_str json, lh_manifest *ret)
{
    lh_manifest m;
    lh_seal seal;
    if (json.len > LH_MANIFEST_BYTES_MAX)
        return lh_fail(cx, LH_E_CORRUPT, "not a manifest: %zu bytes, limit %u", json.len,
                       LH_MANIFEST_BYTES_MAX);
    if (lh_seal_check(cx, json, &seal) != LH_OK)
        return corrupt(cx);
    if (lh_record_parse(cx, &lh_manifest_record, json, &m) != LH_OK)
        return corrupt(cx);
    if (m.format_version > 0 && seal != LH_SEAL_OK)
        return lh_fail(cx, LH_E_CORRUPT, "not a manifest: the checksum is absent");
    rename_buckets(&m);
    if (m.format_version == 0 && upgrade(cx, &m) != LH_OK)
        return corrupt(cx);
    if (lhi_manifest_check(cx, &m) != LH_OK)
        return corrupt(cx);
    *ret = m;
    return LH_OK;
}

lh_rc lh_manifest_write(lh_ctx *cx, const lh_manifest *manifest, lh_str *ret_json)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, LH_MANIFEST_BYTES_MAX);
    LH_TRY(lh_record_append(cx, &lh_manifest_record, manifest, &out));
    LH_TRY(lh_seal_json(cx, &out));
    lh_str json = lh_ctx_dup(cx, lh_buf_str(&out));
    if (json.ptr == NULL)
        return LH_E_NO_MEMORY;
    *ret_json = json;
    return LH_OK;
}
