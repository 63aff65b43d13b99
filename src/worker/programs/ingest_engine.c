/* ingest_engine.c - opens the engine and keeps the few statements ingest needs in one place. */
#include "worker/programs/ingest_engine.h"

#include "base/fault.h"
#include "os/file.h"
#include "worker/programs/ingest_parallel.h"
#include "worker/programs/ingest_write.h"

#include <malloc.h>

enum {
    LARGE_BLOCK_BYTES = 1024 * 1024,
    ENGINE_MEMORY_PERCENT = 60,
    ENGINE_MEMORY_MIN = 96 * 1024 * 1024,
    GROUP_BYTES_MIN = 4 * 1024 * 1024,
    GROUP_BYTES_MAX = 48 * 1024 * 1024,
    GROUP_SHARE = 16
};

void lh_ingest_env_close(lh_ingest_env *env)
{
    if (env->database != NULL)
        duckdb_close(&env->database);
    env->database = NULL;
}

static lh_rc put_setting(lh_ctx *cx, duckdb_config config, const char *name, const char *value)
{
    if (value == NULL)
        return cx->err.rc;
    if (duckdb_set_config(config, name, value) != DuckDBSuccess)
        return lh_fail(cx, LH_E_INTERNAL, "the engine refuses the setting %s", name);
    return LH_OK;
}

static lh_rc put_settings(lh_ctx *cx, const lh_ingest_env *env, duckdb_config config)
{
    static const char *const fixed[][2] = {
        {"threads", "1"},
        {"preserve_insertion_order",
         "false"}, /* one thread keeps order; allows row groups by bytes */
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"allow_community_extensions", "false"},
        {"allow_unsigned_extensions", "false"},
        {"allow_persistent_secrets", "false"},
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(fixed); i++)
        LH_TRY(put_setting(cx, config, fixed[i][0], fixed[i][1]));
    uint64_t bytes =
        LH_MAX(env->memory_bytes / 100 * ENGINE_MEMORY_PERCENT, (uint64_t)ENGINE_MEMORY_MIN);
    LH_TRY(put_setting(cx, config, "memory_limit",
                       lh_ctx_cstr(cx, lh_ctx_fmt(cx, "%lluB", (unsigned long long)bytes))));
    if (env->spill_dir.len > 0)
        LH_TRY(put_setting(cx, config, "temp_directory", lh_ctx_cstr(cx, env->spill_dir)));
    return LH_OK;
}

/* Paths are allowed first: afterwards the engine refuses to change the list. */
static lh_rc close_doors(lh_ctx *cx, const lh_ingest_env *env)
{
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    LH_TRY(lh_ingest_connect(cx, env, &connection));
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    /* No cache of footers: a part may be written again under its name. */
    LH_TRY(lh_buf_append(cx, &sql, LH_S("SET TimeZone='UTC'; SET allowed_directories=[")));
    const lh_str folders[] = {env->staging_dir, env->read_root, env->spill_dir};
    bool first = true;
    for (size_t i = 0; i < LH_ARRAY_LEN(folders); i++) {
        if (folders[i].len == 0)
            continue;
        if (!first)
            LH_TRY(lh_buf_append_char(cx, &sql, ','));
        first = false;
        LH_TRY(lh_sql_put_text(cx, &sql, folders[i]));
    }
    LH_TRY(lh_buf_append(cx, &sql, LH_S("]; SET enable_external_access=false;")));
    const char *text;
    LH_TRY(lh_sql_end(cx, &sql, &text));
    return lh_duck_run(cx, connection, text);
}

lh_rc lh_ingest_env_open(lh_ctx *cx, lh_ingest_env *env)
{
    /* The sandbox counts address space: an arena of the C library reserves 64 MiB of it, and large
     * blocks that come from the heap once leave holes there. */
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
    LH_DUCKDB(duckdb_config, duckdb_destroy_config) config = NULL;
    if (duckdb_create_config(&config) != DuckDBSuccess)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the engine's settings");
    LH_TRY(put_settings(cx, env, config));
    LH_DUCK_TEXT why = NULL;
    if (duckdb_open_ext(NULL, &env->database, config, &why) != DuckDBSuccess)
        return lh_duck_fail(cx, LH_E_INTERNAL, why != NULL ? why : "the engine does not open");
    LH_TRY(close_doors(cx, env));
    return lh_write_register(cx, env);
}

lh_rc lh_ingest_connect(lh_ctx *cx, const lh_ingest_env *env, duckdb_connection *ret_connection)
{
    duckdb_connection connection = NULL;
    if (duckdb_connect(env->database, &connection) != DuckDBSuccess)
        return lh_fail(cx, LH_E_INTERNAL, "the engine gives no connection");
    *ret_connection = connection;
    return LH_OK;
}

lh_rc lh_ingest_copy(lh_ctx *cx, duckdb_connection connection, const char *sql, lh_rc otherwise,
                     uint64_t *ret_rows)
{
    LH_DUCK_RESULT result = {0};
    if (duckdb_query(connection, sql, &result) != DuckDBSuccess)
        return lh_duck_fail(cx, otherwise, duckdb_result_error(&result));
    LH_DUCKDB(duckdb_data_chunk, duckdb_destroy_data_chunk) chunk = duckdb_fetch_chunk(result);
    if (chunk == NULL || duckdb_data_chunk_get_size(chunk) != 1)
        return lh_fail(cx, LH_E_INTERNAL, "a COPY gave no count");
    const int64_t *count = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    *ret_rows = (uint64_t)count[0];
    return LH_OK;
}

typedef struct watched {
    const lh_ingest_env *env;
    const lh_ingest_statement *statement;
    uint64_t rows;
} watched;

static lh_rc run_watched(lh_ctx *cx, void *arg, uint32_t index)
{
    (void)index;
    watched *w = arg;
    return lh_ingest_copy(cx, w->statement->connection, w->statement->sql, w->statement->otherwise,
                          &w->rows);
}

static lh_rc watch(lh_ctx *cx, void *arg)
{
    const watched *w = arg;
    const lh_progress_message message = {.phase = lh_str_from(w->statement->phase),
                                         .total = w->statement->total};
    lh_rc rc =
        w->env->progress != NULL ? w->env->progress(cx, w->env->progress_arg, &message) : LH_OK;
    if (rc == LH_OK)
        rc = lh_ctx_check(cx);
    if (rc != LH_OK)
        duckdb_interrupt(w->statement->connection);
    return rc;
}

lh_rc lh_ingest_copy_watched(lh_ctx *cx, const lh_ingest_env *env,
                             const lh_ingest_statement *statement, uint64_t *ret_rows)
{
    watched w = {.env = env, .statement = statement};
    const lh_parallel run = {
        .threads = 1, .count = 1, .fn = run_watched, .arg = &w, .tick = watch, .tick_arg = &w};
    LH_TRY(lh_parallel_run(cx, &run));
    *ret_rows = w.rows;
    return LH_OK;
}

/* The one place of the streaming entry, which the engine's header calls deprecated without giving
 * another. */
lh_rc lh_ingest_stream(lh_ctx *cx, duckdb_connection connection, const char *sql, lh_rc otherwise,
                       duckdb_result *ret_result)
{
    LH_DUCKDB(duckdb_prepared_statement, duckdb_destroy_prepare) statement = NULL;
    if (duckdb_prepare(connection, sql, &statement) != DuckDBSuccess)
        return lh_duck_fail(cx, otherwise, duckdb_prepare_error(statement));
    LH_DUCKDB(duckdb_pending_result, duckdb_destroy_pending) pending = NULL;
    if (duckdb_pending_prepared_streaming(statement, &pending) != DuckDBSuccess)
        return lh_duck_fail(cx, otherwise, duckdb_pending_error(pending));
    duckdb_result result = {0};
    if (duckdb_execute_pending(pending, &result) != DuckDBSuccess) {
        /* The message is in the result when there is one, else in the pending query. */
        const char *why = result.internal_data != NULL ? duckdb_result_error(&result) : NULL;
        lh_rc rc = lh_duck_fail(cx, otherwise, why != NULL ? why : duckdb_pending_error(pending));
        if (result.internal_data != NULL)
            duckdb_destroy_result(&result);
        return rc;
    }
    *ret_result = result;
    return LH_OK;
}

static lh_rc put_quoted(lh_ctx *cx, lh_buf *out, lh_str text, char quote)
{
    LH_TRY(lh_buf_append_char(cx, out, quote));
    for (size_t at = 0; at < text.len;) {
        lh_str rest = lh_str_from_offset(text, at);
        size_t found = lh_str_find_char(rest, quote);
        size_t count = found == LH_STR_NPOS ? rest.len : found + 1;
        LH_TRY(lh_buf_append(cx, out, lh_str_sub(rest, 0, count)));
        if (found != LH_STR_NPOS)
            LH_TRY(lh_buf_append_char(cx, out, quote));
        at += count;
    }
    return lh_buf_append_char(cx, out, quote);
}

lh_rc lh_sql_put_text(lh_ctx *cx, lh_buf *out, lh_str text)
{
    return put_quoted(cx, out, text, '\'');
}

lh_rc lh_sql_put_name(lh_ctx *cx, lh_buf *out, lh_str name)
{
    return put_quoted(cx, out, name, '"');
}

lh_rc lh_sql_end(lh_ctx *cx, lh_buf *out, const char **ret_sql)
{
    LH_TRY(lh_buf_append_char(cx, out, '\0'));
    *ret_sql = out->ptr;
    return LH_OK;
}

lh_rc lh_sql_put_parquet(lh_ctx *cx, lh_buf *out, const lh_str *paths, size_t count)
{
    LH_TRY(lh_buf_append(cx, out, LH_S("read_parquet([")));
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            LH_TRY(lh_buf_append_char(cx, out, ','));
        LH_TRY(lh_sql_put_text(cx, out, paths[i]));
    }
    return lh_buf_append(cx, out, LH_S("])"));
}

lh_rc lh_sql_put_copy_target(lh_ctx *cx, lh_buf *out, const lh_ingest_env *env, lh_str path,
                             lh_str compression)
{
    /* A row group is held until it is written, then again as pages, then compressed: hence the
     * small share. */
    uint64_t group_bytes = env->memory_bytes / (GROUP_SHARE * (uint64_t)env->threads);
    group_bytes = LH_MAX(LH_MIN(group_bytes, (uint64_t)GROUP_BYTES_MAX), (uint64_t)GROUP_BYTES_MIN);
    LH_TRY(lh_buf_append(cx, out, LH_S(" TO ")));
    LH_TRY(lh_sql_put_text(cx, out, path));
    LH_TRY(lh_buf_append(cx, out, LH_S(" (FORMAT parquet, ")));
    if (lh_str_eq(compression, LH_S("none")))
        LH_TRY(lh_buf_append(cx, out, LH_S("COMPRESSION uncompressed")));
    else if (lh_str_eq(compression, LH_S("snappy")))
        LH_TRY(lh_buf_append(cx, out, LH_S("COMPRESSION snappy")));
    else
        LH_TRY(lh_buf_append(cx, out, LH_S("COMPRESSION zstd, COMPRESSION_LEVEL 1")));
    return lh_buf_printf(cx, out, ", ROW_GROUP_SIZE 122880, ROW_GROUP_SIZE_BYTES '%lluB')",
                         (unsigned long long)group_bytes);
}

lh_str lh_ingest_part_path(lh_ctx *cx, const lh_ingest_env *env, lh_str prefix, uint32_t number)
{
    lh_str path = lh_ctx_fmt(cx, "%.*s-%u.parquet", LH_STR_ARG(prefix), number);
    return lh_str_starts(path, LH_S("/")) || path.ptr == NULL
               ? path
               : lh_path_join(cx, env->staging_dir, path);
}

lh_rc lh_ingest_footer_rows(lh_ctx *cx, duckdb_connection connection, lh_str path,
                            uint64_t *ret_rows)
{
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_buf_append(cx, &sql, LH_S("SELECT num_rows::BIGINT FROM parquet_file_metadata(")));
    LH_TRY(lh_sql_put_text(cx, &sql, path));
    LH_TRY(lh_buf_append_char(cx, &sql, ')'));
    const char *text;
    LH_TRY(lh_sql_end(cx, &sql, &text));
    return lh_ingest_copy(cx, connection, text, LH_E_UNPROCESSABLE, ret_rows);
}

/* The engine neither syncs what it writes nor reports a failed close, so the file is asked
 * itself. */
lh_rc lh_ingest_seal(lh_ctx *cx, duckdb_connection connection, lh_str path, uint64_t rows_expected,
                     uint64_t *ret_bytes)
{
    LH_FAULT(cx, INGEST_PART_BEFORE_SYNC);
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_file_open(cx, path, LH_FILE_READ, &file));
    LH_TRY(lh_file_sync(cx, file));
    LH_TRY(lh_file_size(cx, file, ret_bytes));
    uint64_t rows;
    LH_TRY(lh_ingest_footer_rows(cx, connection, path, &rows));
    if (rows != rows_expected)
        return lh_fail(cx, LH_E_IO, "a written Parquet file says %llu rows, %llu were written",
                       (unsigned long long)rows, (unsigned long long)rows_expected);
    return LH_OK;
}
