/* worker/programs/ingest_engine.h - the engine as ingest uses it: one thread per connection, files
 * below two folders.
 *
 * Owns:    an lh_ingest_env owns the database; connections are made per use.
 * Threads: connections on several threads at once; env->job is set by the one job that runs.
 * Limits:  memory_limit is half of the worker's memory: the rest is windows, batches and the
 *          Parquet writer's buffers.
 * Formats: Parquet zstd level 1 (or Snappy).
 * Why:     with one engine thread per connection rows stay in order and parts still use every
 *          core. */
#ifndef LH_WORKER_PROGRAMS_INGEST_ENGINE_H
#define LH_WORKER_PROGRAMS_INGEST_ENGINE_H

#include "base/buf.h"
#include "worker/messages.h"
#include "worker/programs/duckdb_handles.h"
#include "worker/programs/ingest_rows.h"

#define LH_INGEST_SQL_BYTES_MAX (8u * 1024 * 1024)

struct lh_write_job;

typedef struct lh_ingest_env {
    duckdb_database database; /* owned */
    lh_str read_root;
    lh_str spill_dir;
    lh_str staging_dir;
    uint32_t threads;
    uint64_t memory_bytes;
    struct lh_write_job *job; /* whose rows the table function gives */
    void *chunks;             /* of ingest_chunks.c, the same */
    /* How a job reports; may return an error to end it. NULL ok. */
    lh_rc (*progress)(lh_ctx *cx, void *arg, const lh_progress_message *message);
    void *progress_arg;
} lh_ingest_env;

/* Fills env->database; the other members are set by the caller, and env must stay where it is. */
LH_WARN_UNUSED lh_rc lh_ingest_env_open(lh_ctx *cx, lh_ingest_env *env);
void lh_ingest_env_close(lh_ingest_env *env);
LH_DEFINE_CLEANUP_VALUE(lh_ingest_env, lh_ingest_env_close)

LH_WARN_UNUSED lh_rc lh_ingest_connect(lh_ctx *cx, const lh_ingest_env *env,
                                       duckdb_connection *ret_connection);
/* Runs sql; *ret_changed = rows a COPY wrote. Errors of the engine become `otherwise` (see
 * lh_duck_fail). */
LH_WARN_UNUSED lh_rc lh_ingest_copy(lh_ctx *cx, duckdb_connection connection, const char *sql,
                                    lh_rc otherwise, uint64_t *ret_rows);
/* The same for statements that take long: they run beside, this thread reports progress, and a
 * cancel interrupts. */
typedef struct lh_ingest_statement {
    duckdb_connection connection;
    const char *sql;
    lh_rc otherwise;
    const char *phase;
    uint64_t total; /* for the progress; the engine does not say how far it is */
} lh_ingest_statement;
LH_WARN_UNUSED lh_rc lh_ingest_copy_watched(lh_ctx *cx, const lh_ingest_env *env,
                                            const lh_ingest_statement *statement,
                                            uint64_t *ret_rows);
/* Prepares and runs sql as a stream of chunks. The caller destroys the result. */
LH_WARN_UNUSED lh_rc lh_ingest_stream(lh_ctx *cx, duckdb_connection connection, const char *sql,
                                      lh_rc otherwise, duckdb_result *ret_result);

/* 'it''s' and "a""b". */
LH_WARN_UNUSED lh_rc lh_sql_put_text(lh_ctx *cx, lh_buf *out, lh_str text);
LH_WARN_UNUSED lh_rc lh_sql_put_name(lh_ctx *cx, lh_buf *out, lh_str name);
/* " TO '<path>' (FORMAT parquet, ...)"; row_bytes as in a plan. */
LH_WARN_UNUSED lh_rc lh_sql_put_copy_target(lh_ctx *cx, lh_buf *out, const lh_ingest_env *env,
                                            lh_str path, lh_str compression);
LH_WARN_UNUSED lh_rc lh_sql_end(lh_ctx *cx, lh_buf *out, const char **ret_sql); /* NUL-terminated */
/* read_parquet(['a','b']) */
LH_WARN_UNUSED lh_rc lh_sql_put_parquet(lh_ctx *cx, lh_buf *out, const lh_str *paths, size_t count);

/* Absolute path of a part: <prefix>-<number>.parquet, below staging unless the prefix is
 * absolute. */
lh_str lh_ingest_part_path(lh_ctx *cx, const lh_ingest_env *env, lh_str prefix, uint32_t number);
/* The rows a Parquet footer says. LH_E_UNPROCESSABLE when it is none. */
LH_WARN_UNUSED lh_rc lh_ingest_footer_rows(lh_ctx *cx, duckdb_connection connection, lh_str path,
                                           uint64_t *ret_rows);
/* Opens the written file again, makes it durable and checks its footer's rows. */
LH_WARN_UNUSED lh_rc lh_ingest_seal(lh_ctx *cx, duckdb_connection connection, lh_str path,
                                    uint64_t rows_expected, uint64_t *ret_bytes);

#endif
