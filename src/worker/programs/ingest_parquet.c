/* ingest_parquet.c - one COPY with casts. The casts follow what Iceberg tables can hold, because a
 * file is never rewritten for that later: unsigned and huge integers widen, arrays of fixed size
 * become lists, nanoseconds micros. */
#include "worker/programs/ingest_parquet.h"

#include "os/process.h"

/* Types that change; all others stay or are nested. */
static const struct {
    duckdb_type from;
    const char *to;
} casts[] = {
    {DUCKDB_TYPE_TINYINT, "INTEGER"},        {DUCKDB_TYPE_SMALLINT, "INTEGER"},
    {DUCKDB_TYPE_UTINYINT, "INTEGER"},       {DUCKDB_TYPE_USMALLINT, "INTEGER"},
    {DUCKDB_TYPE_UINTEGER, "BIGINT"},        {DUCKDB_TYPE_UBIGINT, "DECIMAL(20,0)"},
    {DUCKDB_TYPE_HUGEINT, "DECIMAL(38,0)"},  {DUCKDB_TYPE_UHUGEINT, "VARCHAR"},
    {DUCKDB_TYPE_TIMESTAMP_S, "TIMESTAMP"},  {DUCKDB_TYPE_TIMESTAMP_MS, "TIMESTAMP"},
    {DUCKDB_TYPE_TIMESTAMP_NS, "TIMESTAMP"}, {DUCKDB_TYPE_TIME_TZ, "VARCHAR"},
    {DUCKDB_TYPE_TIME_NS, "TIME"},           {DUCKDB_TYPE_INTERVAL, "VARCHAR"},
    {DUCKDB_TYPE_ENUM, "VARCHAR"},           {DUCKDB_TYPE_BIT, "VARCHAR"},
    {DUCKDB_TYPE_BIGNUM, "VARCHAR"},         {DUCKDB_TYPE_SQLNULL, "VARCHAR"},
    {DUCKDB_TYPE_UNION, "VARCHAR"},          {DUCKDB_TYPE_GEOMETRY, "VARCHAR"},
    {DUCKDB_TYPE_VARIANT, "VARCHAR"},
};

static const struct {
    duckdb_type type;
    const char *name;
} plain_types[] = {
    {DUCKDB_TYPE_BOOLEAN, "BOOLEAN"}, {DUCKDB_TYPE_INTEGER, "INTEGER"},
    {DUCKDB_TYPE_BIGINT, "BIGINT"},   {DUCKDB_TYPE_FLOAT, "FLOAT"},
    {DUCKDB_TYPE_DOUBLE, "DOUBLE"},   {DUCKDB_TYPE_VARCHAR, "VARCHAR"},
    {DUCKDB_TYPE_BLOB, "BLOB"},       {DUCKDB_TYPE_DATE, "DATE"},
    {DUCKDB_TYPE_TIME, "TIME"},       {DUCKDB_TYPE_TIMESTAMP, "TIMESTAMP"},
    {DUCKDB_TYPE_UUID, "UUID"},       {DUCKDB_TYPE_TIMESTAMP_TZ, "TIMESTAMP WITH TIME ZONE"},
};

enum { TYPE_DEPTH_MAX = 32 };

static lh_rc put_type(lh_ctx *cx, lh_buf *out, duckdb_logical_type type, uint32_t depth);

static lh_rc put_struct(lh_ctx *cx, lh_buf *out, duckdb_logical_type type, uint32_t depth)
{
    idx_t count = duckdb_struct_type_child_count(type);
    LH_TRY(lh_buf_append(cx, out, LH_S("STRUCT(")));
    for (idx_t i = 0; i < count; i++) {
        LH_DUCK_TEXT name = duckdb_struct_type_child_name(type, i);
        LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
        child = duckdb_struct_type_child_type(type, i);
        if (i > 0)
            LH_TRY(lh_buf_append_char(cx, out, ','));
        LH_TRY(lh_sql_put_name(cx, out, lh_str_from(name)));
        LH_TRY(lh_buf_append_char(cx, out, ' '));
        LH_TRY(put_type(cx, out, child, depth + 1));
    }
    return lh_buf_append_char(cx, out, ')');
}

static lh_rc put_map(lh_ctx *cx, lh_buf *out, duckdb_logical_type type, uint32_t depth)
{
    LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
    key = duckdb_map_type_key_type(type);
    LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
    value = duckdb_map_type_value_type(type);
    LH_TRY(lh_buf_append(cx, out, LH_S("MAP(")));
    LH_TRY(put_type(cx, out, key, depth + 1));
    LH_TRY(lh_buf_append_char(cx, out, ','));
    LH_TRY(put_type(cx, out, value, depth + 1));
    return lh_buf_append_char(cx, out, ')');
}

static lh_rc put_type(lh_ctx *cx, lh_buf *out, duckdb_logical_type type, uint32_t depth)
{
    duckdb_type id = duckdb_get_type_id(type);
    if (depth > TYPE_DEPTH_MAX)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "types nested deeper than %d", TYPE_DEPTH_MAX);
    for (size_t i = 0; i < LH_ARRAY_LEN(casts); i++)
        if (casts[i].from == id)
            return lh_buf_append(cx, out, lh_str_from(casts[i].to));
    for (size_t i = 0; i < LH_ARRAY_LEN(plain_types); i++)
        if (plain_types[i].type == id)
            return lh_buf_append(cx, out, lh_str_from(plain_types[i].name));
    if (id == DUCKDB_TYPE_DECIMAL)
        return lh_buf_printf(cx, out, "DECIMAL(%u,%u)", duckdb_decimal_width(type),
                             duckdb_decimal_scale(type));
    if (id == DUCKDB_TYPE_STRUCT)
        return put_struct(cx, out, type, depth);
    if (id == DUCKDB_TYPE_MAP)
        return put_map(cx, out, type, depth);
    if (id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_ARRAY) {
        LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
        child = id == DUCKDB_TYPE_LIST ? duckdb_list_type_child_type(type)
                                       : duckdb_array_type_child_type(type);
        LH_TRY(put_type(cx, out, child, depth + 1));
        return lh_buf_append(cx, out, LH_S("[]"));
    }
    return lh_buf_append(cx, out, LH_S("VARCHAR"));
}

static bool changes(duckdb_logical_type type, uint32_t depth)
{
    duckdb_type id = duckdb_get_type_id(type);
    if (id == DUCKDB_TYPE_ARRAY || depth > TYPE_DEPTH_MAX)
        return true;
    if (id == DUCKDB_TYPE_LIST) {
        LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
        child = duckdb_list_type_child_type(type);
        return changes(child, depth + 1);
    }
    if (id == DUCKDB_TYPE_MAP) {
        LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
        key = duckdb_map_type_key_type(type);
        LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
        value = duckdb_map_type_value_type(type);
        return changes(key, depth + 1) || changes(value, depth + 1);
    }
    if (id == DUCKDB_TYPE_STRUCT) {
        for (idx_t i = 0; i < duckdb_struct_type_child_count(type); i++) {
            LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
            child = duckdb_struct_type_child_type(type, i);
            if (changes(child, depth + 1))
                return true;
        }
        return false;
    }
    if (id == DUCKDB_TYPE_DECIMAL)
        return false;
    for (size_t i = 0; i < LH_ARRAY_LEN(plain_types); i++)
        if (plain_types[i].type == id) {
            LH_DUCK_TEXT alias =
                duckdb_logical_type_get_alias(type); /* JSON is a VARCHAR with a name */
            return alias != NULL;
        }
    return true;
}

lh_rc lh_parquet_target_type(lh_ctx *cx, duckdb_logical_type type, lh_str *ret_sql)
{
    *ret_sql = LH_STR_NONE;
    if (!changes(type, 0))
        return LH_OK;
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(put_type(cx, &out, type, 0));
    *ret_sql = lh_ctx_dup(cx, lh_buf_str(&out));
    return ret_sql->ptr != NULL ? LH_OK : cx->err.rc;
}

/* The list of a SELECT with casts where they are needed. */
static lh_rc put_columns(lh_ctx *cx, lh_buf *out, duckdb_connection connection, const char *probe,
                         lh_oddities *oddities)
{
    LH_DUCKDB(duckdb_prepared_statement, duckdb_destroy_prepare) statement = NULL;
    if (duckdb_prepare(connection, probe, &statement) != DuckDBSuccess)
        return lh_duck_fail(cx, LH_E_UNPROCESSABLE, duckdb_prepare_error(statement));
    idx_t count = duckdb_prepared_statement_column_count(statement);
    if (count == 0 || count > LH_COLUMNS_MAX)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "%llu columns, limit %u", (unsigned long long)count,
                       LH_COLUMNS_MAX);
    for (idx_t i = 0; i < count; i++) {
        LH_DUCK_TEXT name = NULL;
        const char *borrowed = duckdb_prepared_statement_column_name(statement, i);
        name = (char *)(uintptr_t)borrowed; /* the engine says: free it */
        LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
        type = duckdb_prepared_statement_column_logical_type(statement, i);
        lh_str target;
        LH_TRY(lh_parquet_target_type(cx, type, &target));
        if (i > 0)
            LH_TRY(lh_buf_append_char(cx, out, ','));
        if (target.len > 0)
            LH_TRY(lh_buf_append(cx, out, LH_S("CAST(")));
        LH_TRY(lh_sql_put_name(cx, out, lh_str_from(name)));
        if (target.len > 0) {
            oddities->counts[LH_ODD_CAST_COLUMN]++;
            LH_TRY(lh_buf_printf(cx, out, " AS %.*s) AS ", LH_STR_ARG(target)));
            LH_TRY(lh_sql_put_name(cx, out, lh_str_from(name)));
        }
    }
    return LH_OK;
}

static lh_rc put_rewrite(lh_ctx *cx, lh_buf *sql, duckdb_connection connection, lh_str path,
                         lh_oddities *oddities)
{
    LH_CLEANUP(lh_buf_done) lh_buf probe;
    lh_buf_init(&probe, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_buf_append(cx, &probe, LH_S("SELECT * FROM ")));
    LH_TRY(lh_sql_put_parquet(cx, &probe, &path, 1));
    const char *text;
    LH_TRY(lh_sql_end(cx, &probe, &text));
    LH_TRY(lh_buf_append(cx, sql, LH_S("COPY (SELECT ")));
    LH_TRY(put_columns(cx, sql, connection, text, oddities));
    LH_TRY(lh_buf_append(cx, sql, LH_S(" FROM ")));
    LH_TRY(lh_sql_put_parquet(cx, sql, &path, 1));
    return lh_buf_append_char(cx, sql, ')');
}

/* A refusal with what the sender can do. */
static lh_rc refused(lh_ctx *cx, lh_rc rc)
{
    return rc == LH_E_UNPROCESSABLE && cx->err.hint[0] == '\0'
               ? lh_err_hint(cx, "The file is no whole Parquet file: write it again and compare "
                                 "its size on both sides.")
               : rc;
}

static lh_rc rewrite(lh_ctx *cx, lh_ingest_env *env, lh_str path, const lh_write_options *opts,
                     lh_written *ret_written)
{
    lh_written written = {
        .parts = LH_NEW(cx, lh_ingest_part), .paths = LH_NEW(cx, lh_str), .parts_count = 1};
    if (written.parts == NULL || written.paths == NULL)
        return cx->err.rc;
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    LH_TRY(lh_ingest_connect(cx, env, &connection));
    uint64_t claimed;
    LH_TRY(lh_ingest_footer_rows(cx, connection, path, &claimed));
    written.paths[0] = lh_ingest_part_path(cx, env, opts->output_prefix, 0);
    written.parts[0].path = lh_ctx_fmt(cx, "%.*s-0.parquet", LH_STR_ARG(opts->output_prefix));
    if (written.paths[0].ptr == NULL || written.parts[0].path.ptr == NULL)
        return cx->err.rc;
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(put_rewrite(cx, &sql, connection, path, &written.oddities));
    LH_TRY(lh_sql_put_copy_target(cx, &sql, env, written.paths[0], opts->compression));
    const char *text;
    LH_TRY(lh_sql_end(cx, &sql, &text));
    const lh_ingest_statement copy = {
        .connection = connection, .sql = text, .otherwise = LH_E_UNPROCESSABLE, .phase = "write"};
    lh_rc rc = lh_ingest_copy_watched(cx, env, &copy, &written.rows);
    if (rc == LH_OK && written.rows != claimed)
        rc = lh_fail(cx, LH_E_UNPROCESSABLE, "the footer says %llu rows, the file has %llu",
                     (unsigned long long)claimed, (unsigned long long)written.rows);
    if (rc == LH_OK)
        rc =
            lh_ingest_seal(cx, connection, written.paths[0], written.rows, &written.parts[0].bytes);
    if (rc != LH_OK) {
        if (lh_file_exists(written.paths[0]))
            lh_written_remove(cx, &written);
        return rc;
    }
    written.parts[0].rows = written.rows;
    *ret_written = written;
    return LH_OK;
}

lh_rc lh_parquet_rewrite(lh_ctx *cx, lh_ingest_env *env, lh_str path, const lh_write_options *opts,
                         lh_written *ret_written)
{
    return refused(cx, rewrite(cx, env, path, opts, ret_written));
}

lh_rc lh_parquet_spill(lh_ctx *cx, const lh_ingest_env *env, const lh_source *source,
                       lh_str *ret_path)
{
    uint64_t number;
    LH_TRY(lh_random_bytes(cx, &number, sizeof(number)));
    lh_str path = lh_path_join(
        cx, env->spill_dir, lh_ctx_fmt(cx, "source-%016llx.parquet", (unsigned long long)number));
    if (path.ptr == NULL)
        return cx->err.rc;
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_file_open(cx, path, LH_FILE_CREATE, &file));
    LH_CLEANUP(lh_window_close) lh_window window = {0};
    lh_rc rc = lh_window_open(cx, source, 0, lh_source_end(source), &window);
    while (rc == LH_OK) {
        rc = lh_window_fill(cx, &window);
        if (rc == LH_OK && window.begin == window.end)
            break;
        if (rc == LH_OK)
            rc = lh_file_write(cx, file, lh_window_text(&window));
        window.begin = window.end;
        if (rc == LH_OK)
            rc = lh_ctx_check(cx);
    }
    if (rc != LH_OK) {
        const lh_err err = cx->err;
        LH_IGNORE(lh_file_remove(cx, path));
        cx->err = err;
        return rc;
    }
    *ret_path = path;
    return LH_OK;
}
