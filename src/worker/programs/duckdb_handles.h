/* worker/programs/duckdb_handles.h - cleanup types of DuckDB's handles: nobody calls a destroy by
 * hand.
 *
 *     LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
 *     LH_DUCK_RESULT result = {0};
 *
 * Owns:    the variable it stands beside.
 * Threads: as the handles.
 * Limits:  none.
 * Formats: none.
 * Why:     on some failures DuckDB leaves out structs unwritten, and destroying garbage ends the
 *          process: every handle here starts zeroed and is destroyed exactly once (research: a
 *          failed execute then result_error crashes). */
#ifndef LH_WORKER_PROGRAMS_DUCKDB_HANDLES_H
#define LH_WORKER_PROGRAMS_DUCKDB_HANDLES_H

#include <duckdb.h>

#include "base/ctx.h"

/* Pointer-like handles: destroyed when not NULL. */
#define LH_DUCK_HANDLE(type, destroy)                                                              \
    static inline void lh_##destroy##_scope(type *handle)                                          \
    {                                                                                              \
        if (*handle)                                                                               \
            destroy(handle);                                                                       \
    }
LH_DUCK_HANDLE(duckdb_database, duckdb_close)
LH_DUCK_HANDLE(duckdb_connection, duckdb_disconnect)
LH_DUCK_HANDLE(duckdb_config, duckdb_destroy_config)
LH_DUCK_HANDLE(duckdb_prepared_statement, duckdb_destroy_prepare)
LH_DUCK_HANDLE(duckdb_pending_result, duckdb_destroy_pending)
LH_DUCK_HANDLE(duckdb_data_chunk, duckdb_destroy_data_chunk)
LH_DUCK_HANDLE(duckdb_logical_type, duckdb_destroy_logical_type)
LH_DUCK_HANDLE(duckdb_appender, duckdb_appender_destroy)
LH_DUCK_HANDLE(duckdb_value, duckdb_destroy_value)
LH_DUCK_HANDLE(duckdb_error_data, duckdb_destroy_error_data)
LH_DUCK_HANDLE(duckdb_extracted_statements, duckdb_destroy_extracted)
LH_DUCK_HANDLE(duckdb_table_description, duckdb_table_description_destroy)

/* LH_DUCKDB(type, its destroy) name = NULL; */
#define LH_DUCKDB(type, destroy) __attribute__((cleanup(lh_##destroy##_scope))) type

/* Results are structs: zero one before use, always. */
static inline void lh_duckdb_destroy_result_scope(duckdb_result *result)
{
    if (result->internal_data)
        duckdb_destroy_result(result);
}
#define LH_DUCK_RESULT __attribute__((cleanup(lh_duckdb_destroy_result_scope))) duckdb_result

/* Memory from duckdb_malloc (names, texts). */
static inline void lh_duckdb_free_scope(char **text)
{
    if (*text)
        duckdb_free(*text);
}
#define LH_DUCK_TEXT __attribute__((cleanup(lh_duckdb_free_scope))) char *

/* Runs one statement of ours and drops its result. Errors: lh_duck_fail on what the engine says. */
LH_WARN_UNUSED lh_rc lh_duck_run(lh_ctx *cx, duckdb_connection connection, const char *sql);
/* Turns an engine message into cx: out of memory -> LH_E_MEMORY_LIMIT, interrupt -> LH_E_CANCELLED,
 * full disk -> LH_E_NO_SPACE, otherwise `otherwise`. The message's class, host paths, names of
 * staged files and advice about settings are cut out of the text. Returns the code. */
LH_COLD lh_rc lh_duck_fail(lh_ctx *cx, lh_rc otherwise, const char *engine_message);

/* How a program wants its database; all bytes. */
typedef struct lh_duck_options {
    lh_str read_root;      /* the only folder to read; empty = no files */
    lh_str spill_dir;      /* empty = no spilling */
    lh_str staging_dir;    /* a second allowed folder (ingest); empty = none */
    uint64_t memory_bytes; /* of the process: memory_limit becomes 60 % of it */
} lh_duck_options;
/* An in-memory database: no extensions, no external access beyond the folders, UTC, one thread.
 * Opened before the sandbox is entered. The caller owns *ret_database (LH_DUCKDB(duckdb_database,
 * duckdb_close)). */
LH_WARN_UNUSED lh_rc lh_duck_open(lh_ctx *cx, const lh_duck_options *opts,
                                  duckdb_database *ret_database);
/* Inside the sandbox: starts the threads, which inherit it, and locks the configuration for
 * good. */
LH_WARN_UNUSED lh_rc lh_duck_lock(lh_ctx *cx, duckdb_database database, uint32_t threads);

#endif
