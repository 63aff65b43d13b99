/* duckdb_open.c - an engine opened the one way we open it.
 *
 * Options that only a configuration may hold come first, then those that are SET, then external
 * access is closed but for the given folders, and at last, inside the sandbox, threads are started
 * and the configuration is locked: in this order, because each step forbids the earlier ones.
 * The folders are frozen from then on, so the root of the bucket is given, not single datasets;
 * which files a statement may read is the gate's and the views' business, and the kernel's
 * (Landlock) in the end. */
#include "worker/programs/duckdb_handles.h"

#include "base/buf.h"

#define MEMORY_SHARE_PERCENT                                                                       \
    60u /* memory_limit counts buffers only; strings and parser stay outside it */
#define SPILL_BYTES_MAX "20GB"

lh_rc lh_duck_run(lh_ctx *cx, duckdb_connection connection, const char *sql)
{
    LH_DUCK_RESULT result = {0};
    if (duckdb_query(connection, sql, &result) != DuckDBSuccess)
        return lh_duck_fail(cx, LH_E_INTERNAL, duckdb_result_error(&result));
    return LH_OK;
}

/* ---------------------------------------------------------------- open */

static lh_rc set_option(lh_ctx *cx, duckdb_config config, const char *name, const char *value)
{
    if (duckdb_set_config(config, name, value) != DuckDBSuccess)
        return lh_fail(cx, LH_E_INTERNAL, "the engine refuses the option %s", name);
    return LH_OK;
}

static lh_rc set_options(lh_ctx *cx, duckdb_config config, const lh_duck_options *opts)
{
    static const struct {
        const char *name;
        const char *value;
    } fixed[] = {
        {"autoinstall_known_extensions", "false"},    {"autoload_known_extensions", "false"},
        {"allow_community_extensions", "false"},      {"allow_unsigned_extensions", "false"},
        {"allow_persistent_secrets", "false"},        {"storage_compatibility_version", "latest"},
        {"max_temp_directory_size", SPILL_BYTES_MAX},
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(fixed); i++)
        LH_TRY(set_option(cx, config, fixed[i].name, fixed[i].value));
    LH_TRY(set_option(cx, config, "threads", "1"));
    if (opts->memory_bytes > 0) {
        uint64_t limit = opts->memory_bytes / 100 * MEMORY_SHARE_PERCENT;
        LH_TRY(set_option(cx, config, "memory_limit",
                          lh_ctx_fmt(cx, "%lluB", (unsigned long long)limit).ptr));
    }
    const char *spill = lh_ctx_cstr(cx, opts->spill_dir);
    if (spill == NULL)
        return lh_fail(cx, LH_E_BAD_VALUE, "the spill folder's path cannot be used");
    return set_option(cx, config, "temp_directory", spill);
}

/* SQL text literal. */
static lh_rc append_literal(lh_ctx *cx, lh_buf *sql, lh_str text)
{
    LH_TRY(lh_buf_append_char(cx, sql, '\''));
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'')
            LH_TRY(lh_buf_append_char(cx, sql, '\''));
        LH_TRY(lh_buf_append_char(cx, sql, text.ptr[i]));
    }
    return lh_buf_append_char(cx, sql, '\'');
}

static lh_rc close_doors(lh_ctx *cx, duckdb_connection connection, const lh_duck_options *opts)
{
    static const char *const before[] = {"SET TimeZone='UTC'",
                                         "SET GLOBAL parquet_metadata_cache=true"};
    static const char *const after[] = {"SET enable_external_access=false",
                                        "SET allowed_configs=['TimeZone']"};
    for (size_t i = 0; i < LH_ARRAY_LEN(before); i++)
        LH_TRY(lh_duck_run(cx, connection, before[i]));
    LH_CLEANUP(lh_buf_done) lh_buf sql = {0};
    lh_buf_init(&sql, 64 * 1024);
    LH_TRY(lh_buf_append(cx, &sql, LH_S("SET allowed_directories=[")));
    const lh_str folders[] = {opts->read_root, opts->staging_dir};
    int any = 0;
    for (size_t i = 0; i < LH_ARRAY_LEN(folders); i++) {
        if (lh_str_empty(folders[i]))
            continue;
        if (any++)
            LH_TRY(lh_buf_append_char(cx, &sql, ','));
        LH_TRY(append_literal(cx, &sql, folders[i]));
    }
    LH_TRY(lh_buf_append(cx, &sql, lh_str_n("]", 2))); /* with its NUL, for the C interface */
    if (any)
        LH_TRY(lh_duck_run(cx, connection, sql.ptr));
    for (size_t i = 0; i < LH_ARRAY_LEN(after); i++)
        LH_TRY(lh_duck_run(cx, connection, after[i]));
    return LH_OK;
}

lh_rc lh_duck_open(lh_ctx *cx, const lh_duck_options *opts, duckdb_database *ret_database)
{
    LH_DUCKDB(duckdb_config, duckdb_destroy_config) config = NULL;
    LH_DUCKDB(duckdb_database, duckdb_close) database = NULL;
    if (duckdb_create_config(&config) != DuckDBSuccess)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the engine");
    LH_TRY(set_options(cx, config, opts));
    LH_DUCK_TEXT reason = NULL;
    if (duckdb_open_ext(NULL, &database, config, &reason) != DuckDBSuccess)
        return lh_duck_fail(cx, LH_E_UNAVAILABLE, reason);
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    if (duckdb_connect(database, &connection) != DuckDBSuccess)
        return lh_fail(cx, LH_E_UNAVAILABLE, "the engine gives no connection");
    LH_TRY(close_doors(cx, connection, opts));
    *ret_database = LH_TAKE(database);
    return LH_OK;
}

lh_rc lh_duck_lock(lh_ctx *cx, duckdb_database database, uint32_t threads)
{
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    if (duckdb_connect(database, &connection) != DuckDBSuccess)
        return lh_fail(cx, LH_E_UNAVAILABLE, "the engine gives no connection");
    lh_str sql = lh_ctx_fmt(cx, "SET threads=%u", LH_MAX(threads, 1u));
    if (sql.ptr == NULL)
        return cx->err.rc;
    LH_TRY(lh_duck_run(cx, connection, sql.ptr));
    return lh_duck_run(cx, connection, "SET lock_configuration=true");
}
