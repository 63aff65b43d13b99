/* ingest_chunks.c - a table function over the frames of a task, and back. The engine pulls; the
 * function waits for the next frame on the task's own thread, so nothing is queued here. */
#include "worker/programs/ingest_chunks.h"

#include "os/file.h"

enum { ROWS_MAX = 2048, SEND_BYTES = 1024 * 1024 };

/* The frames of the task being written: one at a time, as the environment runs one task. */
typedef struct chunk_stream {
    lh_ctx *cx;
    lh_task *task;
    lh_err err;   /* what went wrong with the frames */
    lh_buf frame; /* a copy of the frame being read */
    lh_str rest;
    bool ended;
    uint64_t rows;
} chunk_stream;

static lh_rc read_u32(lh_str *rest, uint32_t *ret)
{
    if (rest->len < 4)
        return LH_E_CORRUPT;
    unsigned char b[4];
    memcpy(b, rest->ptr, 4);
    *ret = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    *rest = lh_str_from_offset(*rest, 4);
    return LH_OK;
}

static lh_rc read_bytes(lh_str *rest, uint64_t count, lh_str *ret)
{
    if (rest->len < count)
        return LH_E_CORRUPT;
    *ret = lh_str_sub(*rest, 0, (size_t)count);
    *rest = lh_str_from_offset(*rest, (size_t)count);
    return LH_OK;
}

static lh_rc read_row(lh_str *rest, lh_chunk_row *row)
{
    uint32_t bytes;
    uint32_t low;
    uint32_t high;
    uint32_t dimensions;
    LH_TRY(read_u32(rest, &bytes));
    LH_TRY(read_bytes(rest, bytes, &row->doc_id));
    LH_TRY(read_u32(rest, &row->chunk_no));
    LH_TRY(read_u32(rest, &bytes));
    LH_TRY(read_bytes(rest, bytes, &row->text));
    LH_TRY(read_u32(rest, &low));
    LH_TRY(read_u32(rest, &high));
    row->content_hash = (uint64_t)high << 32 | low;
    LH_TRY(read_u32(rest, &dimensions));
    LH_TRY(read_bytes(rest, (uint64_t)dimensions * 4, &row->vector));
    return row->chunk_no <= INT32_MAX ? LH_OK : LH_E_CORRUPT;
}

lh_rc lh_chunk_row_read(lh_ctx *cx, lh_str *rest, lh_chunk_row *ret_row)
{
    lh_str left = *rest;
    lh_chunk_row row;
    if (read_row(&left, &row) != LH_OK)
        return lh_fail(cx, LH_E_CORRUPT, "a frame of chunks does not end with a whole row");
    if (!lh_utf8_valid(row.doc_id) || !lh_utf8_valid(row.text))
        return lh_fail(cx, LH_E_CORRUPT, "a chunk's text is not UTF-8");
    *rest = left;
    *ret_row = row;
    return LH_OK;
}

static lh_rc put_u32(lh_ctx *cx, lh_buf *out, uint32_t value)
{
    const unsigned char b[4] = {(unsigned char)value, (unsigned char)(value >> 8),
                                (unsigned char)(value >> 16), (unsigned char)(value >> 24)};
    return lh_buf_append(cx, out, lh_str_n(b, 4));
}

lh_rc lh_chunk_row_write(lh_ctx *cx, lh_buf *out, const lh_chunk_row *row)
{
    LH_TRY(put_u32(cx, out, (uint32_t)row->doc_id.len));
    LH_TRY(lh_buf_append(cx, out, row->doc_id));
    LH_TRY(put_u32(cx, out, row->chunk_no));
    LH_TRY(put_u32(cx, out, (uint32_t)row->text.len));
    LH_TRY(lh_buf_append(cx, out, row->text));
    LH_TRY(put_u32(cx, out, (uint32_t)row->content_hash));
    LH_TRY(put_u32(cx, out, (uint32_t)(row->content_hash >> 32)));
    LH_TRY(put_u32(cx, out, (uint32_t)(row->vector.len / 4)));
    return lh_buf_append(cx, out, row->vector);
}

/* ---- writing ---- */

static void chunks_bind(duckdb_bind_info info)
{
    static const struct {
        const char *name;
        duckdb_type type;
    } columns[] = {{"doc_id", DUCKDB_TYPE_VARCHAR},
                   {"chunk_no", DUCKDB_TYPE_INTEGER},
                   {"chunk_text", DUCKDB_TYPE_VARCHAR},
                   {"content_hash", DUCKDB_TYPE_BIGINT},
                   {"vector", DUCKDB_TYPE_BLOB}};
    for (size_t i = 0; i < LH_ARRAY_LEN(columns); i++) {
        LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
        type = duckdb_create_logical_type(columns[i].type);
        duckdb_bind_add_result_column(info, columns[i].name, type);
    }
    const lh_ingest_env *env = duckdb_bind_get_extra_info(info);
    duckdb_bind_set_bind_data(info, env->chunks, NULL);
    if (env->chunks == NULL)
        duckdb_bind_set_error(info, "no chunks");
}

static void chunks_init(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1);
}

/* The next frame, copied: rows of a batch may come from two frames, the borrowed one dies with the
 * next read. */
static lh_rc next_frame(chunk_stream *s)
{
    lh_frame frame;
    LH_TRY(lh_task_read(s->cx, s->task, &frame));
    if (frame.kind != LH_FRAME_DATA)
        return lh_fail(s->cx, LH_E_BAD_REQUEST, "chunks come as DATA frames");
    s->ended = frame.payload.len == 0;
    lh_buf_truncate(&s->frame, 0);
    LH_TRY(lh_buf_append(s->cx, &s->frame, frame.payload));
    s->rest = lh_buf_str(&s->frame);
    return LH_OK;
}

static void put_chunk(duckdb_data_chunk chunk, idx_t row, const lh_chunk_row *from)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);
    duckdb_vector_assign_string_element_len(vector, row, from->doc_id.ptr, from->doc_id.len);
    ((int32_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1)))[row] =
        (int32_t)from->chunk_no;
    vector = duckdb_data_chunk_get_vector(chunk, 2);
    duckdb_vector_assign_string_element_len(vector, row, from->text.ptr, from->text.len);
    ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 3)))[row] =
        (int64_t)from->content_hash;
    vector = duckdb_data_chunk_get_vector(chunk, 4);
    if (from->vector.len > 0) {
        duckdb_vector_assign_string_element_len(vector, row, from->vector.ptr, from->vector.len);
        return;
    }
    duckdb_vector_ensure_validity_writable(vector);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

static lh_rc fill_chunks(chunk_stream *s, duckdb_data_chunk chunk, idx_t *ret_rows)
{
    idx_t rows = 0;
    while (rows < ROWS_MAX && !s->ended) {
        if (s->rest.len == 0) {
            LH_TRY(next_frame(s));
            continue;
        }
        lh_chunk_row row;
        LH_TRY(lh_chunk_row_read(s->cx, &s->rest, &row));
        put_chunk(chunk, rows++, &row);
    }
    s->rows += rows;
    *ret_rows = rows;
    return LH_OK;
}

static void chunks_next(duckdb_function_info info, duckdb_data_chunk chunk)
{
    chunk_stream *s = duckdb_function_get_bind_data(info);
    idx_t rows = 0;
    if (fill_chunks(s, chunk, &rows) != LH_OK) {
        s->err = s->cx->err;
        duckdb_function_set_error(info, "the chunks cannot be read");
        return;
    }
    duckdb_data_chunk_set_size(chunk, rows);
}

lh_rc lh_chunks_register(lh_ctx *cx, lh_ingest_env *env)
{
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    LH_TRY(lh_ingest_connect(cx, env, &connection));
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_table_function_set_name(function, "lh_chunks");
    duckdb_table_function_set_extra_info(function, env, NULL);
    duckdb_table_function_set_bind(function, chunks_bind);
    duckdb_table_function_set_init(function, chunks_init);
    duckdb_table_function_set_function(function, chunks_next);
    duckdb_state state = duckdb_register_table_function(connection, function);
    duckdb_destroy_table_function(&function);
    return state == DuckDBSuccess
               ? LH_OK
               : lh_fail(cx, LH_E_INTERNAL, "the engine refuses the chunk source");
}

static lh_rc copy_chunks(lh_ctx *cx, lh_ingest_env *env, chunk_stream *s, lh_str path,
                         uint64_t *ret_bytes)
{
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    LH_TRY(lh_ingest_connect(cx, env, &connection));
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_buf_append(cx, &sql, LH_S("COPY (SELECT * FROM lh_chunks())")));
    LH_TRY(lh_sql_put_copy_target(cx, &sql, env, path, LH_S("none")));
    const char *text;
    LH_TRY(lh_sql_end(cx, &sql, &text));
    uint64_t rows;
    lh_rc rc = lh_ingest_copy(cx, connection, text, LH_E_INTERNAL, &rows);
    if (s->err.rc != LH_OK) /* the engine repeats it, with less in it */
        cx->err = s->err;
    LH_TRY(s->err.rc != LH_OK ? s->err.rc : rc);
    return lh_ingest_seal(cx, connection, path, s->rows, ret_bytes);
}

lh_rc lh_chunks_write(lh_ctx *cx, lh_ingest_env *env, lh_task *task, lh_str prefix,
                      lh_written *ret_written)
{
    lh_written written = {
        .parts = LH_NEW(cx, lh_ingest_part), .paths = LH_NEW(cx, lh_str), .parts_count = 1};
    if (written.parts == NULL || written.paths == NULL)
        return cx->err.rc;
    written.paths[0] = lh_ingest_part_path(cx, env, prefix, 0);
    written.parts[0].path = lh_ctx_fmt(cx, "%.*s-0.parquet", LH_STR_ARG(prefix));
    if (written.paths[0].ptr == NULL || written.parts[0].path.ptr == NULL)
        return cx->err.rc;
    chunk_stream s = {.cx = cx, .task = task};
    lh_buf_init(&s.frame, LH_FRAME_BYTES_MAX);
    env->chunks = &s;
    lh_rc rc = copy_chunks(cx, env, &s, written.paths[0], &written.parts[0].bytes);
    env->chunks = NULL;
    lh_buf_done(&s.frame);
    if (rc != LH_OK) {
        if (lh_file_exists(written.paths[0]))
            lh_written_remove(cx, &written);
        return rc;
    }
    written.rows = written.parts[0].rows = s.rows;
    *ret_written = written;
    return LH_OK;
}

/* ---- reading ---- */

static lh_str text_at(duckdb_data_chunk chunk, idx_t column, idx_t row)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
    uint64_t *valid = duckdb_vector_get_validity(vector);
    if (valid != NULL && !duckdb_validity_row_is_valid(valid, row))
        return LH_STR_NONE;
    duckdb_string_t *text = (duckdb_string_t *)duckdb_vector_get_data(vector) + row;
    return lh_str_n(duckdb_string_t_data(text), duckdb_string_t_length(*text));
}

static lh_rc send_chunk(lh_ctx *cx, lh_task *task, duckdb_data_chunk chunk, lh_buf *out)
{
    const int32_t *numbers = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
    const int64_t *hashes = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 3));
    for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++) {
        const lh_chunk_row row = {.doc_id = text_at(chunk, 0, i),
                                  .chunk_no = (uint32_t)numbers[i],
                                  .text = text_at(chunk, 2, i),
                                  .content_hash = (uint64_t)hashes[i],
                                  .vector = text_at(chunk, 4, i)};
        size_t before = out->len;
        LH_TRY(lh_chunk_row_write(cx, out, &row));
        if (out->len <= SEND_BYTES)
            continue;
        /* Frames hold whole rows: what was there before this row goes, unless the row came
         * alone. */
        size_t count = before > 0 ? before : out->len;
        LH_TRY(lh_task_data(cx, task, lh_str_n(out->ptr, count)));
        lh_buf_drop_front(out, count);
    }
    return LH_OK;
}

lh_rc lh_chunks_read(lh_ctx *cx, lh_ingest_env *env, lh_task *task, const lh_str *paths,
                     size_t paths_count, uint64_t *ret_rows)
{
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    LH_TRY(lh_ingest_connect(cx, env, &connection));
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_buf_append(cx, &sql,
                         LH_S("SELECT doc_id::VARCHAR, chunk_no::INTEGER, chunk_text::VARCHAR, "
                              "content_hash::BIGINT, vector::BLOB FROM ")));
    LH_TRY(lh_sql_put_parquet(cx, &sql, paths, paths_count));
    const char *text;
    LH_TRY(lh_sql_end(cx, &sql, &text));
    LH_DUCK_RESULT result = {0};
    LH_TRY(lh_ingest_stream(cx, connection, text, LH_E_CORRUPT, &result));
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, SEND_BYTES + LH_FRAME_BYTES_MAX + 64);
    uint64_t rows = 0;
    for (;;) {
        LH_TRY(lh_ctx_check(cx));
        LH_DUCKDB(duckdb_data_chunk, duckdb_destroy_data_chunk) chunk = duckdb_fetch_chunk(result);
        if (chunk == NULL)
            break;
        rows += duckdb_data_chunk_get_size(chunk);
        LH_TRY(send_chunk(cx, task, chunk, &out));
    }
    const char *broken = duckdb_result_error(&result);
    if (broken != NULL)
        return lh_duck_fail(cx, LH_E_CORRUPT, broken);
    if (out.len > 0)
        LH_TRY(lh_task_data(cx, task, lh_buf_str(&out)));
    LH_TRY(lh_task_data(cx, task, LH_S("")));
    *ret_rows = rows;
    return LH_OK;
}
