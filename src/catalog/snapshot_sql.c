/* snapshot_sql.c - the rows of a version as one SELECT over its Parquet files.
 *
 * Columns are matched by field id, so a renamed column is found under its old name in old files
 * and one that was dropped and made anew is not confused with the old one. Files whose columns
 * read alike and have the same types share one read_parquet (which reads all its files with the
 * types of the first), and with a single such group the text is a plain SELECT, which keeps
 * count(*) and filters fast. */
#include "base/buf.h"
#include "catalog/catalog_private.h"
#include "catalog/coltype.h"

#define SQL_BYTES_MAX ((size_t)256 * 1024 * 1024)

typedef struct group {
    lh_str columns; /* select list */
    lh_str casts;   /* types it casts from, in order */
    size_t first;   /* index of its first file */
    size_t last;
} group;

/* Parsed and written anew: a type text comes from a file somebody made. */
static lh_rc safe_type(lh_ctx *cx, lh_str text, lh_str *ret)
{
    lh_coltype *type = NULL;
    if (lh_coltype_parse(cx, text, &type) != LH_OK)
        return lh_fail(cx, LH_E_CORRUPT, "a column has the type '%.*s', which is none",
                       (int)LH_MIN(text.len, (size_t)80), text.ptr);
    return lh_coltype_text(cx, type, ret);
}

static lh_rc same_type(lh_ctx *cx, lh_str a, lh_str b, int *ret_same)
{
    lh_coltype_fit fit;
    lh_str common;
    if (lh_str_eq(a, b)) {
        *ret_same = 1;
        return LH_OK;
    }
    LH_TRY(lh_coltype_common(cx, a, b, &common, &fit));
    *ret_same = fit == LH_COLTYPE_SAME;
    return LH_OK;
}

/* One column of the view out of a file with these columns; file NULL: there is none, so a typed
 * NULL. */
static lh_rc write_column(lh_ctx *cx, const lh_column *wanted, const lh_column *file, lh_buf *out)
{
    int same = 0;
    lh_str name = lh_sql_ident(cx, wanted->name), type;
    if (file == NULL) {
        LH_TRY(safe_type(cx, wanted->type, &type));
        return lh_buf_printf(cx, out, "NULL::%.*s AS %.*s", LH_STR_ARG(type), LH_STR_ARG(name));
    }
    lh_str source = lh_sql_ident(cx, file->name);
    LH_TRY(same_type(cx, wanted->type, file->type, &same));
    if (!same) {
        LH_TRY(safe_type(cx, wanted->type, &type));
        return lh_buf_printf(cx, out, "CAST(%.*s AS %.*s) AS %.*s", LH_STR_ARG(source),
                             LH_STR_ARG(type), LH_STR_ARG(name));
    }
    LH_TRY(lh_buf_append(cx, out, source));
    if (!lh_str_eq(wanted->name, file->name))
        LH_TRY(lh_buf_printf(cx, out, " AS %.*s", LH_STR_ARG(name)));
    return LH_OK;
}

static lh_rc select_list(lh_ctx *cx, const lh_schema *wanted, const lh_schema *file,
                         lh_str *ret_columns, lh_str *ret_casts)
{
    LH_CLEANUP(lh_buf_done) lh_buf out, casts;
    lh_buf_init(&out, SQL_BYTES_MAX);
    lh_buf_init(&casts, SQL_BYTES_MAX);
    const lh_column *columns = wanted->columns.items;
    for (size_t i = 0; i < wanted->columns.count; i++) {
        const lh_column *source =
            file != NULL ? lh_schema_find_id(file, columns[i].field_id) : NULL;
        if (i > 0)
            LH_TRY(lh_buf_append(cx, &out, LH_S(", ")));
        LH_TRY(write_column(cx, &columns[i], source, &out));
        if (source != NULL && !lh_str_eq(source->type, columns[i].type))
            LH_TRY(lh_buf_printf(cx, &casts, "%zu %.*s\n", i, LH_STR_ARG(source->type)));
    }
    lh_str text = lh_ctx_dup(cx, lh_buf_str(&out));
    lh_str types = lh_ctx_dup(cx, lh_buf_str(&casts));
    if (text.ptr == NULL || types.ptr == NULL)
        return LH_E_NO_MEMORY;
    *ret_columns = text;
    *ret_casts = types;
    return LH_OK;
}

static lh_rc check_readable(lh_ctx *cx, const lh_manifest *m)
{
    const lh_data_file *files = m->files.items;
    for (size_t i = 0; i < m->files.count; i++) {
        if (files[i].kind == LH_FILE_KIND_DELETES ||
            (files[i].kind == LH_FILE_KIND_DELTA && m->row_key.len > 0))
            return lh_fail(cx, LH_E_UNAVAILABLE,
                           "version %llu of '%.*s' has deletes or deltas by key, which this "
                           "program cannot apply",
                           (unsigned long long)m->commit, LH_STR_ARG(m->name));
        if (!lh_str_eq(files[i].bucket, LH_S("primary")))
            return lh_fail(cx, LH_E_UNAVAILABLE, "bucket '%.*s' is not configured",
                           LH_STR_ARG(files[i].bucket));
    }
    return LH_OK;
}

/* Groups of files with the same select list and types, in order of their first file; group_of[i] is
 * the group of file i. */
static lh_rc make_groups(lh_ctx *cx, const lh_manifest *m, group *groups, size_t *ret_count,
                         size_t *group_of)
{
    size_t count = 0;
    const lh_data_file *files = m->files.items;
    const lh_schema *current = lh_manifest_current(m);
    for (size_t i = 0; i < m->files.count; i++) {
        size_t k = count;
        for (size_t j = 0; j < count && k == count; j++)
            if (files[groups[j].first].schema_id == files[i].schema_id)
                k = j;
        if (k == count) {
            group new = {.first = i};
            LH_TRY(select_list(cx, current, lh_manifest_schema(m, files[i].schema_id), &new.columns,
                               &new.casts));
            for (k = 0; k < count && !(lh_str_eq(groups[k].columns, new.columns) &&
                                       lh_str_eq(groups[k].casts, new.casts));)
                k++;
            if (k == count)
                groups[count++] = new;
        }
        groups[k].last = i;
        group_of[i] = k;
    }
    *ret_count = count;
    return LH_OK;
}

static lh_rc write_path(lh_ctx *cx, lh_store *store, const lh_data_file *file, lh_buf *out)
{
    lh_str path;
    lh_rc rc = lh_store_local_path(cx, store, file->key, &path);
    if (rc == LH_E_NOT_FOUND)
        return lh_fail(cx, LH_E_CORRUPT, "object '%.*s' is missing", LH_STR_ARG(file->key));
    LH_TRY(rc);
    lh_str literal = lh_sql_literal(cx, path);
    return literal.ptr == NULL ? LH_E_NO_MEMORY : lh_buf_append(cx, out, literal);
}

static lh_rc write_groups(lh_ctx *cx, lh_store *store, const lh_manifest *m, lh_buf *out)
{
    const lh_data_file *files = m->files.items;
    group *groups = LH_NEW_ARRAY(cx, group, m->files.count);
    size_t *group_of = LH_NEW_ARRAY(cx, size_t, m->files.count);
    size_t count = 0;
    if (groups == NULL || group_of == NULL)
        return LH_E_NO_MEMORY;
    LH_TRY(make_groups(cx, m, groups, &count, group_of));
    for (size_t k = 0; k < count; k++) {
        if (k > 0)
            LH_TRY(lh_buf_append(cx, out, LH_S(" UNION ALL ")));
        LH_TRY(lh_buf_append(cx, out, LH_S("SELECT ")));
        LH_TRY(lh_buf_append(cx, out, groups[k].columns));
        LH_TRY(lh_buf_append(cx, out, LH_S(" FROM read_parquet([")));
        for (size_t i = groups[k].first; i <= groups[k].last; i++) {
            if (group_of[i] != k)
                continue;
            if (i > groups[k].first)
                LH_TRY(lh_buf_append(cx, out, LH_S(", ")));
            LH_TRY(write_path(cx, store, &files[i], out));
        }
        LH_TRY(lh_buf_append(cx, out, LH_S("], hive_partitioning = false)")));
    }
    return LH_OK;
}

lh_rc lh_snapshot_sql(lh_ctx *cx, lh_store *store, const lh_snapshot *snapshot, lh_str *ret_sql)
{
    const lh_manifest *m = &snapshot->manifest;
    const lh_schema *current = lh_manifest_current(m);
    if (current->columns.count == 0) {
        LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "dataset '%.*s' has no columns yet",
                          LH_STR_ARG(m->name)));
        return lh_err_hint(cx, "ingest a file into it");
    }
    LH_TRY(check_readable(cx, m));
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, SQL_BYTES_MAX);
    if (m->files.count == 0) {
        lh_str columns, casts;
        LH_TRY(select_list(cx, current, NULL, &columns, &casts));
        LH_TRY(lh_buf_printf(cx, &out, "SELECT %.*s WHERE false", LH_STR_ARG(columns)));
    } else {
        LH_TRY(write_groups(cx, store, m, &out));
    }
    lh_str sql = lh_ctx_dup(cx, lh_buf_str(&out));
    if (sql.ptr == NULL)
        return LH_E_NO_MEMORY;
    *ret_sql = sql;
    return LH_OK;
}
