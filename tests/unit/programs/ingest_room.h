/* ingest_room.h - a folder, an engine and the way from bytes to rows, for tests of ingest.
 *
 * Owns:    a room owns its folder (removed at the end), its engine and its arena.
 * Threads: one test.
 * Limits:  none.
 * Formats: rows come back as JSON lines made by the engine, which is not what wrote them.
 * Why:     a test should read: these bytes in, these rows out. */
#ifndef LH_TESTS_INGEST_ROOM_H
#define LH_TESTS_INGEST_ROOM_H

#include "worker/programs/ingest_file.h"

#include "os/file.h"
#include "os/process.h"
#include "support/unit.h"

#include <stdlib.h>

typedef struct room {
    lh_arena *arena;
    lh_ctx cx;
    lh_str folder;
    lh_ingest_env env;
    lh_ingest_task task;
    lh_ingest_done done;
    lh_rc rc;
} room;

static inline void room_open(room *r)
{
    char path[] = "/tmp/lh-ingest-XXXXXX";
    *r = (room){.arena = lh_arena_new(0)};
    lh_ctx_init(&r->cx, r->arena);
    ck_assert_ptr_nonnull(mkdtemp(path));
    r->folder = lh_ctx_dup(&r->cx, lh_str_from(path));
    r->env = (lh_ingest_env){.staging_dir = r->folder,
                             .spill_dir = r->folder,
                             .read_root = r->folder,
                             .threads = 2,
                             .memory_bytes = 320 * 1024 * 1024};
    ck_assert_int_eq(lh_ingest_env_open(&r->cx, &r->env), LH_OK);
    ck_assert_int_eq(lh_record_defaults(&r->cx, &lh_ingest_task_record, &r->task), LH_OK);
    r->task.output_prefix = LH_S("part");
}

static inline void room_close(room *r)
{
    lh_ingest_env_close(&r->env);
    ck_assert_int_eq(lh_dir_remove_all(&r->cx, r->folder), LH_OK);
    lh_arena_free(r->arena);
}

static inline lh_rc room_ingest(room *r, const char *name, lh_str bytes)
{
    int fd;
    ck_assert_int_eq(lh_memfd_new(&r->cx, "source", bytes, &fd), LH_OK);
    r->task.file_name = lh_str_from(name);
    r->done = (lh_ingest_done){0};
    r->rc = lh_ingest_file(&r->cx, &r->env, &r->task, fd, &r->done);
    return r->rc;
}

/* All rows as JSON, one line each; sql is a SELECT list over the parts. */
static inline lh_str room_select(room *r, const char *list)
{
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    const lh_ingest_part *parts = r->done.parts.items;
    lh_str *paths = LH_NEW_ARRAY(&r->cx, lh_str, r->done.parts.count + 1);
    for (size_t i = 0; i < r->done.parts.count; i++)
        paths[i] = lh_path_join(&r->cx, r->folder, parts[i].path);
    const char *text;
    duckdb_connection connection;
    ck_assert_int_eq(lh_ingest_connect(&r->cx, &r->env, &connection), LH_OK);
    ck_assert_int_eq(
        lh_buf_printf(&r->cx, &sql, "SELECT to_json(lh_all)::VARCHAR FROM (SELECT %s FROM ", list),
        LH_OK);
    ck_assert_int_eq(lh_sql_put_parquet(&r->cx, &sql, paths, r->done.parts.count), LH_OK);
    ck_assert_int_eq(lh_buf_append(&r->cx, &sql, LH_S(") lh_all")), LH_OK);
    ck_assert_int_eq(lh_sql_end(&r->cx, &sql, &text), LH_OK);
    duckdb_result result = {0};
    ck_assert_msg(duckdb_query(connection, text, &result) == DuckDBSuccess, "%s",
                  duckdb_result_error(&result));
    lh_buf out;
    lh_buf_init(&out, 64 * 1024 * 1024);
    for (;;) {
        duckdb_data_chunk chunk = duckdb_fetch_chunk(result);
        if (chunk == NULL)
            break;
        duckdb_string_t *rows = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++) {
            lh_str row = lh_str_n(duckdb_string_t_data(&rows[i]), duckdb_string_t_length(rows[i]));
            ck_assert_int_eq(lh_buf_append(&r->cx, &out, row), LH_OK);
            ck_assert_int_eq(lh_buf_append_char(&r->cx, &out, '\n'), LH_OK);
        }
        duckdb_destroy_data_chunk(&chunk);
    }
    lh_str rows = lh_ctx_dup(&r->cx, lh_buf_str(&out));
    lh_buf_done(&out);
    duckdb_destroy_result(&result);
    duckdb_disconnect(&connection);
    return rows;
}

static inline lh_str room_rows(room *r)
{
    return room_select(r, "*");
}

static inline int64_t room_oddity(const room *r, const char *code)
{
    const lh_pair_i64 *pairs = r->done.oddities.items;
    for (size_t i = 0; i < r->done.oddities.count; i++)
        if (lh_str_eq(pairs[i].key, lh_str_from(code)))
            return pairs[i].value;
    return 0;
}

/* "name TYPE, name TYPE" */
static inline lh_str room_columns(room *r)
{
    lh_str text = LH_S("");
    const lh_ingest_column *columns = r->done.columns.items;
    for (size_t i = 0; i < r->done.columns.count; i++)
        text = lh_ctx_fmt(&r->cx, "%.*s%s%.*s %.*s", LH_STR_ARG(text), i > 0 ? ", " : "",
                          LH_STR_ARG(columns[i].name), LH_STR_ARG(columns[i].type));
    return text;
}

#define ck_str_is(got, wanted)                                                                     \
    do {                                                                                           \
        lh_str got_ = (got);                                                                       \
        lh_str wanted_ = lh_str_from(wanted);                                                      \
        ck_assert_msg(lh_str_eq(got_, wanted_), "got %.*s\nwanted %.*s", LH_STR_ARG(got_),         \
                      LH_STR_ARG(wanted_));                                                        \
    } while (0)

#define ck_ingest_ok(r, name, text)                                                                \
    ck_assert_msg(room_ingest((r), (name), lh_str_n((text), sizeof(text) - 1)) == LH_OK, "%s",     \
                  (r)->cx.err.message)

#endif
