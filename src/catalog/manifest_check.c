/* manifest_check.c - what must hold in every manifest, whoever wrote it.
 *
 * Run on each one that is read and on each one before it is written, so that nothing gets stored
 * that could not be loaded. Uniqueness is checked by sorting copies in an arena of its own, so a
 * snapshot keeps no scratch memory. */
#include "base/hash.h"
#include "base/num.h"
#include "catalog/catalog_private.h"

#include <stdlib.h>

#define CORRUPT(cx, ...) lh_fail((cx), LH_E_CORRUPT, __VA_ARGS__)

static int cmp_i32(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int cmp_name(const void *a, const void *b)
{
    return lhi_name_cmp(*(const lh_str *)a, *(const lh_str *)b);
}

static int cmp_str(const void *a, const void *b)
{
    return lh_str_cmp(*(const lh_str *)a, *(const lh_str *)b);
}

static lh_rc check_ids(lh_ctx *cx, int32_t *ids, size_t count, int32_t next_id)
{
    qsort(ids, count, sizeof(*ids), cmp_i32);
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 1 || ids[i] >= next_id)
            return CORRUPT(cx, "field id %d is outside 1..%d", ids[i], next_id - 1);
        if (i > 0 && ids[i] == ids[i - 1])
            return CORRUPT(cx, "field id %d is used twice", ids[i]);
    }
    return LH_OK;
}

static lh_rc check_names(lh_ctx *cx, lh_str *names, size_t count)
{
    qsort(names, count, sizeof(*names), cmp_name);
    for (size_t i = 0; i < count; i++) {
        if (names[i].len == 0 || memchr(names[i].ptr, 0, names[i].len) != NULL)
            return CORRUPT(cx, "a column has an empty name or one with a NUL");
        if (i > 0 && lh_str_eq_nocase(names[i], names[i - 1]))
            return CORRUPT(cx, "two columns are named '%.*s'",
                           (int)LH_MIN(names[i].len, (size_t)80), names[i].ptr);
    }
    return LH_OK;
}

static lh_rc check_schema(lh_ctx *scratch, const lh_schema *schema, int32_t next_id)
{
    const lh_column *columns = schema->columns.items;
    size_t ids_count = schema->columns.count;
    for (size_t i = 0; i < schema->columns.count; i++)
        ids_count += columns[i].nested.count;
    int32_t *ids = LH_NEW_ARRAY(scratch, int32_t, ids_count + 1);
    lh_str *names = LH_NEW_ARRAY(scratch, lh_str, schema->columns.count + 1);
    if (ids == NULL || names == NULL)
        return LH_E_NO_MEMORY;
    size_t id = 0;
    for (size_t i = 0; i < schema->columns.count; i++) {
        const lh_nested_id *nested = columns[i].nested.items;
        ids[id++] = columns[i].field_id;
        for (size_t k = 0; k < columns[i].nested.count; k++)
            ids[id++] = nested[k].field_id;
        names[i] = columns[i].name;
        if (columns[i].type.len == 0)
            return CORRUPT(scratch, "a column has no type");
    }
    LH_TRY(check_ids(scratch, ids, id, next_id));
    return check_names(scratch, names, schema->columns.count);
}

static lh_rc check_schemas(lh_ctx *scratch, const lh_manifest *m)
{
    int32_t *ids = LH_NEW_ARRAY(scratch, int32_t, m->schemas.count + 1);
    if (ids == NULL)
        return LH_E_NO_MEMORY;
    const lh_schema *schemas = m->schemas.items;
    for (size_t i = 0; i < m->schemas.count; i++) {
        ids[i] = schemas[i].schema_id;
        LH_TRY(check_schema(scratch, &schemas[i], m->next_field_id));
    }
    qsort(ids, m->schemas.count, sizeof(*ids), cmp_i32);
    for (size_t i = 1; i < m->schemas.count; i++)
        if (ids[i] == ids[i - 1])
            return CORRUPT(scratch, "schema id %d is used twice", ids[i]);
    const lh_schema *current = lh_manifest_current(m);
    if (current == NULL)
        return CORRUPT(scratch, "the current schema %d is absent", m->current_schema_id);
    if (m->row_key.len > 0 && lh_schema_find(current, m->row_key) == NULL)
        return CORRUPT(scratch, "the row key is no column");
    lh_str fingerprint;
    LH_TRY(lh_schema_fingerprint(scratch, current, &fingerprint));
    if (!lh_str_eq(fingerprint, m->fingerprint))
        return CORRUPT(scratch, "the fingerprint is not that of the columns");
    return LH_OK;
}

static int is_sha256(lh_str text)
{
    uint8_t bytes[LH_SHA256_BYTES];
    return text.len == LH_SHA256_HEX && lh_hex_parse(text, bytes, sizeof(bytes));
}

static lh_rc check_file(lh_ctx *scratch, const lh_manifest *m, const lh_data_file *file)
{
    LH_TRY(lh_store_check_key(scratch, file->key));
    if (!lh_str_starts(file->key, LH_S("datasets/")))
        return CORRUPT(scratch, "file '%.*s' is outside datasets/", LH_STR_ARG(file->key));
    if (file->bucket.len == 0)
        return CORRUPT(scratch, "file '%.*s' has no bucket", LH_STR_ARG(file->key));
    if (lh_manifest_schema(m, file->schema_id) == NULL)
        return CORRUPT(scratch, "file '%.*s' has an unknown schema %d", LH_STR_ARG(file->key),
                       file->schema_id);
    if (file->sequence < 1 || file->sequence > m->commit)
        return CORRUPT(scratch, "file '%.*s' is of commit %llu", LH_STR_ARG(file->key),
                       (unsigned long long)file->sequence);
    if (file->sha256.len > 0 && !is_sha256(file->sha256))
        return CORRUPT(scratch, "file '%.*s' has a bad SHA-256", LH_STR_ARG(file->key));
    return LH_OK;
}

/* Rows: what deletes take away and what a newer row replaces is known only to whoever wrote
 * them, so the sum is exact for base files and plain appends, and a bound otherwise. */
static lh_rc check_sums(lh_ctx *cx, const lh_manifest *m)
{
    uint64_t rows = 0, bytes = 0;
    int is_exact = 1;
    const lh_data_file *files = m->files.items;
    for (size_t i = 0; i < m->files.count; i++) {
        if (files[i].kind == LH_FILE_KIND_DELETES)
            is_exact = 0;
        else if (!lh_add_u64(rows, files[i].rows, &rows))
            return CORRUPT(cx, "the files' rows overflow");
        if (files[i].kind == LH_FILE_KIND_DELTA && m->row_key.len > 0)
            is_exact = 0;
        if (!lh_add_u64(bytes, files[i].bytes, &bytes))
            return CORRUPT(cx, "the files' bytes overflow");
    }
    if (is_exact ? rows != m->row_count : rows < m->row_count)
        return CORRUPT(cx, "row_count is %llu, the files have %llu",
                       (unsigned long long)m->row_count, (unsigned long long)rows);
    if (bytes != m->bytes)
        return CORRUPT(cx, "bytes is %llu, the files have %llu", (unsigned long long)m->bytes,
                       (unsigned long long)bytes);
    return LH_OK;
}

static lh_rc check_files(lh_ctx *scratch, const lh_manifest *m)
{
    lh_str *keys = LH_NEW_ARRAY(scratch, lh_str, m->files.count + 1);
    if (keys == NULL)
        return LH_E_NO_MEMORY;
    const lh_data_file *files = m->files.items;
    for (size_t i = 0; i < m->files.count; i++) {
        LH_TRY(check_file(scratch, m, &files[i]));
        keys[i] = files[i].key;
    }
    qsort(keys, m->files.count, sizeof(*keys), cmp_str);
    for (size_t i = 1; i < m->files.count; i++)
        if (lh_str_eq(keys[i], keys[i - 1]))
            return CORRUPT(scratch, "file '%.*s' is listed twice", LH_STR_ARG(keys[i]));
    return check_sums(scratch, m);
}

static lh_rc check_all(lh_ctx *scratch, const lh_manifest *m)
{
    uint8_t id[8];
    LH_TRY(lh_dataset_check_name(scratch, m->name));
    if (!lh_str_starts(m->id, LH_S("ds-")) ||
        !lh_hex_parse(lh_str_from_offset(m->id, 3), id, sizeof(id)))
        return CORRUPT(scratch, "the id '%.*s' is not one of a dataset", LH_STR_ARG(m->id));
    if (m->commit == 0 || m->parent != m->commit - 1)
        return CORRUPT(scratch, "commit %llu has parent %llu", (unsigned long long)m->commit,
                       (unsigned long long)m->parent);
    const lh_lineage *lineage = m->lineage.items;
    for (size_t i = 0; i < m->lineage.count; i++)
        if (lineage[i].commit > m->commit)
            return CORRUPT(scratch, "lineage names a later commit");
    LH_TRY(check_schemas(scratch, m));
    return check_files(scratch, m);
}

lh_rc lhi_manifest_check(lh_ctx *cx, const lh_manifest *manifest)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(LHI_ARENA_MAX);
    if (arena == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory to check a manifest");
    lh_ctx scratch;
    lh_ctx_init_child(&scratch, arena, cx);
    lh_rc rc = check_all(&scratch, manifest);
    if (rc == LH_OK)
        return LH_OK;
    if (rc == LH_E_NO_MEMORY)
        return lh_fail(cx, rc, "no memory to check a manifest");
    return CORRUPT(cx, "%s", scratch.err.message);
}
