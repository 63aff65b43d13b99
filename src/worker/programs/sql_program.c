/* sql_program.c - one statement from text to bytes: check, parse, gate, views, prepare, bind, run,
 * encode.
 *
 * The ORIGINAL text is prepared, not a rewritten one, on a fresh connection whose search path holds
 * only the views: names of columns and error places stay the client's, and nothing a statement
 * could do to its connection outlives it. Results stream: duckdb_execute_pending returns with the
 * first rows, each chunk is encoded and sent before the next is asked for, so memory does not grow
 * with the result. Streaming has no entry in the engine's stable interface; it is used in one place
 * (start_stream). */
#include "worker/programs/encode.h"
#include "worker/programs/sql_lex.h"
#include "worker/programs/sql_private.h"

#include <sys/resource.h>

#define FRAME_BYTES   (128u * 1024u) /* a DATA frame is sent when so much waits */
#define SLICE_ROWS    256u           /* rows encoded between looks at the buffer */
#define OUT_BYTES_MAX (1024u * 1024u * 1024u)

/* Made in the zygote, shared by every child. */
static lh_sql_functions functions;

typedef struct run_state {
    const lh_sql_task *request;
    lh_task *task;
    lh_encoder encoder;
    lh_column *columns;
    size_t columns_count;
    lh_buf out;
    uint64_t skipped; /* of offset */
    lh_sql_done done;
    int sent_first;
} run_state;

/* ---------------------------------------------------------------- life */

static lh_rc warm(lh_ctx *cx)
{
    lh_duck_options opts = {0};
    LH_DUCKDB(duckdb_database, duckdb_close) database = NULL;
    LH_TRY(lh_duck_open(cx, &opts, &database));
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    if (duckdb_connect(database, &connection) != DuckDBSuccess)
        return lh_fail(cx, LH_E_UNAVAILABLE, "the engine gives no connection");
    static lh_arena *arena; /* lives as long as the process: the set points into it */
    arena = lh_arena_new(4 * 1024 * 1024);
    if (arena == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the function list");
    lh_ctx own;
    lh_ctx_init(&own, arena);
    lh_rc rc = lhi_sql_list_functions(&own, connection, &functions);
    if (rc != LH_OK)
        cx->err = own.err;
    return rc;
}

static lh_rc setup_sql(lh_ctx *cx, const lh_setup_message *setup, void **ret_state)
{
    lhi_sql *s = LH_NEW(cx, lhi_sql);
    if (s == NULL)
        return cx->err.rc;
    lh_mutex_init(&s->lock);
    lh_duck_options opts = {.read_root = setup->read_root,
                            .spill_dir = setup->spill_dir,
                            .memory_bytes = setup->memory_bytes};
    LH_TRY(lh_duck_open(cx, &opts, &s->database));
    *ret_state = s;
    return LH_OK;
}

static lh_rc open_sql(lh_ctx *cx, const lh_setup_message *setup, void **state, lh_str *ret_ready)
{
    (void)ret_ready;
    lhi_sql *s = *state;
    LH_TRY(lh_duck_lock(cx, s->database, setup->threads));
    if (duckdb_connect(s->database, &s->admin) != DuckDBSuccess)
        return lh_fail(cx, LH_E_UNAVAILABLE, "the engine gives no connection");
    LH_TRY(lh_duck_run(cx, s->admin, "CREATE SCHEMA " LH_SQL_VIEWS_SCHEMA));
    return lhi_sql_prepare_parser(cx, s);
}

static void interrupt(void *state)
{
    lhi_sql *s = state;
    LH_WITH_LOCK(&s->lock);
    if (s->running != NULL)
        duckdb_interrupt(s->running);
}

static void set_running(lhi_sql *s, duckdb_connection connection)
{
    LH_WITH_LOCK(&s->lock);
    s->running = connection;
}

/* ---------------------------------------------------------------- before running */

static lh_rc gate_text(lh_ctx *cx, lhi_sql *s, lh_str sql, lh_gate_tables *ret_tables)
{
    LH_TRY(lh_sql_check_text(cx, sql));
    size_t offset;
    LH_TRY(lh_sql_strip_explain(cx, sql, &offset));
    lh_gate_input input = {.sql = sql, .sql_offset = offset, .functions = &functions};
    LH_TRY(lhi_sql_tree(cx, s, sql, offset, &input.tree));
    return lh_sql_gate(cx, &input, ret_tables);
}

static lh_rc connect_client(lh_ctx *cx, lhi_sql *s, duckdb_connection *ret_connection)
{
    if (duckdb_connect(s->database, ret_connection) != DuckDBSuccess)
        return lh_fail(cx, LH_E_UNAVAILABLE, "the engine gives no connection");
    return lh_duck_run(cx, *ret_connection, "SET search_path='" LH_SQL_VIEWS_SCHEMA "'");
}

/* What the gate let through is a SELECT; this only agrees, with the engine's own word. */
static lh_rc check_type(lh_ctx *cx, duckdb_prepared_statement statement)
{
    duckdb_statement_type type = duckdb_prepared_statement_type(statement);
    if (type == DUCKDB_STATEMENT_TYPE_SELECT || type == DUCKDB_STATEMENT_TYPE_EXPLAIN)
        return LH_OK;
    return lh_fail(cx, LH_E_SQL_DENIED, "only one SELECT can be run here");
}

static lh_rc prepare(lh_ctx *cx, duckdb_connection connection, lh_str sql,
                     duckdb_prepared_statement *ret)
{
    const char *text = lh_ctx_cstr(cx, sql);
    if (text == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the statement");
    if (duckdb_prepare(connection, text, ret) != DuckDBSuccess)
        return lhi_sql_fail(cx, sql, duckdb_prepare_error(*ret));
    return check_type(cx, *ret);
}

/* ---------------------------------------------------------------- sending */

static lh_rc send_head(lh_ctx *cx, const run_state *r)
{
    lh_column_message *items = LH_NEW_ARRAY(cx, lh_column_message, r->columns_count + 1);
    if (items == NULL)
        return cx->err.rc;
    for (size_t i = 0; i < r->columns_count; i++)
        items[i] = (lh_column_message){.name = r->columns[i].name, .type = r->columns[i].type_name};
    lh_sql_head head = {.columns = {.items = items, .count = r->columns_count}};
    return lh_task_send(cx, r->task, LH_FRAME_HEAD, &lh_sql_head_record, &head);
}

static lh_rc flush(lh_ctx *cx, run_state *r)
{
    if (r->out.len == 0)
        return LH_OK;
    r->done.bytes += r->out.len;
    lh_rc rc = lh_task_data(cx, r->task, lh_buf_str(&r->out));
    lh_buf_truncate(&r->out, 0);
    return rc;
}

/* Rows [from, from + count) of the bound chunk. */
static lh_rc encode_rows(lh_ctx *cx, run_state *r, idx_t from, idx_t count)
{
    while (count > 0) {
        idx_t slice = LH_MIN(count, (idx_t)SLICE_ROWS);
        LH_TRY(lh_encoder_rows(cx, &r->encoder, from, slice, &r->out));
        r->done.rows += slice;
        from += slice;
        count -= slice;
        if (r->out.len >= FRAME_BYTES)
            LH_TRY(flush(cx, r));
    }
    if (!r->sent_first) {
        r->sent_first = 1;
        return flush(cx, r);
    }
    return LH_OK;
}

/* ---------------------------------------------------------------- running */

static lh_rc start_stream(lh_ctx *cx, lh_str sql, duckdb_prepared_statement statement,
                          duckdb_result *result)
{
    LH_DUCKDB(duckdb_pending_result, duckdb_destroy_pending) pending = NULL;
    if (duckdb_pending_prepared_streaming(statement, &pending) != DuckDBSuccess)
        return lhi_sql_fail(cx, sql, duckdb_pending_error(pending));
    LH_TRY(lh_ctx_check(cx)); /* a cancel before this point found nothing to interrupt */
    if (duckdb_execute_pending(pending, result) == DuckDBSuccess)
        return LH_OK;
    const char *reason =
        result->internal_data != NULL ? duckdb_result_error(result) : duckdb_pending_error(pending);
    return lhi_sql_fail(cx, sql, reason);
}

/* Skips offset, cuts at limit; *ret_more 0 when no further chunk is needed. */
static lh_rc take_chunk(lh_ctx *cx, run_state *r, duckdb_data_chunk chunk, int *ret_more)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    idx_t from = 0;
    if (r->skipped < r->request->offset) {
        from = LH_MIN(rows, r->request->offset - r->skipped);
        r->skipped += from;
    }
    idx_t count = rows - from;
    *ret_more = 1;
    if (r->request->limit > 0 && count > r->request->limit - r->done.rows) {
        count = r->request->limit - r->done.rows;
        r->done.truncated = true;
        *ret_more = 0;
    }
    if (count == 0)
        return LH_OK;
    lh_columns_bind(r->columns, r->columns_count, chunk);
    return encode_rows(cx, r, from, count);
}

static lh_rc stream(lh_ctx *cx, run_state *r, duckdb_result *result)
{
    for (int more = 1; more;) {
        LH_TRY(lh_ctx_check(cx));
        LH_DUCKDB(duckdb_data_chunk, duckdb_destroy_data_chunk) chunk = duckdb_fetch_chunk(*result);
        if (chunk == NULL || duckdb_data_chunk_get_size(chunk) == 0) {
            const char *reason = duckdb_result_error(result);
            if (reason != NULL && reason[0] != '\0')
                return lhi_sql_fail(cx, r->request->sql, reason);
            break;
        }
        LH_TRY(take_chunk(cx, r, chunk, &more));
    }
    return LH_OK;
}

static int64_t cpu_us(void)
{
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) != 0)
        return 0;
    return ((int64_t)used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
           used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static lh_rc run_statement(lh_ctx *cx, run_state *r, duckdb_connection connection)
{
    LH_DUCKDB(duckdb_prepared_statement, duckdb_destroy_prepare) statement = NULL;
    LH_DUCK_RESULT result = {0};
    const lh_sql_task *request = r->request;
    LH_TRY(prepare(cx, connection, request->sql, &statement));
    LH_TRY(lhi_sql_bind(cx, statement, request->params));
    LH_TRY(start_stream(cx, request->sql, statement, &result));
    LH_TRY(lh_columns_of_result(cx, &result, &r->columns, &r->columns_count));
    uint32_t flags = request->big_ints_as_text ? LH_ENCODE_BIG_INTS_AS_TEXT : 0;
    LH_TRY(lh_encoder_init(cx, &r->encoder, (lh_sql_format)request->format, r->columns,
                           r->columns_count, flags));
    LH_TRY(send_head(cx, r));
    LH_TRY(lh_encoder_begin(cx, &r->encoder, &r->out));
    LH_TRY(stream(cx, r, &result));
    LH_TRY(lh_encoder_end(cx, &r->encoder, &r->out));
    return flush(cx, r);
}

/* On its own connection, which interrupt may stop meanwhile. */
static lh_rc run_connected(lh_ctx *cx, lhi_sql *s, run_state *r)
{
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    LH_TRY(connect_client(cx, s, &connection));
    set_running(s, connection);
    lh_rc rc = run_statement(cx, r, connection);
    set_running(s, NULL);
    return rc;
}

static lh_rc run(lh_ctx *cx, void *state, lh_task *task)
{
    lhi_sql *s = state;
    int64_t begin_us = cpu_us();
    s->tasks++;
    lh_sql_task request;
    LH_TRY(lh_task_parse(cx, task, &lh_sql_task_record, &request));
    lh_gate_tables tables = {0};
    LH_TRY(gate_text(cx, s, request.sql, &tables));
    LH_TRY(lhi_sql_need_views(cx, s, task, request.sql, &tables));
    run_state r = {.request = &request, .task = task};
    lh_buf_init(&r.out, OUT_BYTES_MAX);
    lh_rc rc = run_connected(cx, s, &r);
    lh_encoder_done(&r.encoder);
    lh_buf_done(&r.out);
    if (rc != LH_OK)
        return rc;
    r.done.cpu_us = cpu_us() - begin_us;
    return lh_task_done(cx, task, &lh_sql_done_record, &r.done);
}

const lh_program lh_sql_program = {.kind = LH_WORKER_SQL,
                                   .access = LH_PROGRAM_READS_ROOT | LH_PROGRAM_WRITES_SPILL,
                                   .warm = warm,
                                   .setup = setup_sql,
                                   .open = open_sql,
                                   .run = run,
                                   .interrupt = interrupt};
