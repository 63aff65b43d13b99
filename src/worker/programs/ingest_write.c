/* ingest_write.c - the engine pulls rows from a table function, which fills the engine's own
 * vectors from the part's reader. One engine thread per connection: the rows of a part stay in
 * order, the parts run side by side. */
#include "worker/programs/ingest_write.h"

#include "os/file.h"
#include "worker/programs/ingest_parallel.h"

_Static_assert(sizeof(lh_text_cell) == sizeof(duckdb_string_t),
               "same layout as the engine's string");
_Static_assert(offsetof(lh_text_cell, outside.ptr) == offsetof(duckdb_string_t, value.pointer.ptr),
               "same layout as the engine's string");

/* One part being written. */
typedef struct part_writer {
    struct lh_write_job *job;
    uint32_t index;
    lh_ctx *cx; /* of the thread that runs it; what the reader says goes there */
    lh_err err; /* what the reader said, when it failed */
    void *reader;
    lh_batch batch;
    uint64_t reported; /* position counted into job->bytes_done */
} part_writer;

typedef struct lh_write_job {
    lh_ingest_env *env;
    lh_rows_plan *plan;
    const lh_write_options *opts;
    part_writer *writers;
    uint64_t *bytes; /* of each file */
    uint32_t first;  /* pieces of the parallel run are parts from here */
    atomic_bool unfit;
    atomic_uint_fast64_t bytes_done;
    atomic_uint_fast64_t rows_done;
} lh_write_job;

/* ---- the table function ---- */

static const duckdb_type engine_types[LH_CELL_TYPE_COUNT] = {
    DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_BIGINT,    DUCKDB_TYPE_DOUBLE,      DUCKDB_TYPE_BOOLEAN,
    DUCKDB_TYPE_DATE,    DUCKDB_TYPE_TIMESTAMP, DUCKDB_TYPE_TIMESTAMP_TZ};

static void rows_bind(duckdb_bind_info info)
{
    const lh_ingest_env *env = duckdb_bind_get_extra_info(info);
    LH_DUCKDB(duckdb_value, duckdb_destroy_value) value = duckdb_bind_get_parameter(info, 0);
    uint64_t index = duckdb_get_uint64(value);
    lh_write_job *job = env->job;
    if (job == NULL || index >= job->plan->parts_count) {
        duckdb_bind_set_error(info, "no such part");
        return;
    }
    for (uint32_t i = 0; i < job->plan->columns_count; i++) {
        LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
        type = duckdb_create_logical_type(engine_types[job->plan->columns[i].type]);
        duckdb_bind_add_result_column(info, job->plan->columns[i].name.ptr, type);
    }
    duckdb_bind_set_bind_data(info, &job->writers[index], NULL);
}

static void rows_init(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1);
}

static void point_at_vectors(lh_batch *batch, duckdb_data_chunk chunk)
{
    for (uint32_t i = 0; i < batch->columns_count; i++)
        batch->columns[i].data = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, i));
    lh_batch_reset(batch);
}

static void hand_over_nulls(const lh_batch *batch, duckdb_data_chunk chunk)
{
    for (uint32_t i = 0; i < batch->columns_count; i++) {
        const lh_batch_column *column = &batch->columns[i];
        if (!column->has_null)
            continue;
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, i);
        duckdb_vector_ensure_validity_writable(vector);
        memcpy(duckdb_vector_get_validity(vector), column->validity,
               (batch->rows + 63) / 64 * sizeof(uint64_t));
    }
}

static lh_rc fill(part_writer *w)
{
    lh_write_job *job = w->job;
    LH_TRY(lh_ctx_check(w->cx));
    if (atomic_load(&job->unfit))
        return lh_fail(w->cx, LH_E_CANCELLED, "the types of the plan do not fit");
    LH_TRY(job->plan->format->fill(w->cx, w->reader, &w->batch));
    if (job->plan->parts[w->index].unfit) {
        atomic_store(&job->unfit, true);
        return lh_fail(w->cx, LH_E_CANCELLED, "the types of the plan do not fit");
    }
    uint64_t position = job->plan->format->position(w->reader);
    atomic_fetch_add(&job->bytes_done, position - w->reported);
    atomic_fetch_add(&job->rows_done, w->batch.rows);
    w->reported = position;
    job->plan->parts[w->index].rows += w->batch.rows;
    return LH_OK;
}

static void rows_next(duckdb_function_info info, duckdb_data_chunk chunk)
{
    part_writer *w = duckdb_function_get_bind_data(info);
    point_at_vectors(&w->batch, chunk);
    if (fill(w) != LH_OK) {
        w->err = w->cx->err;
        duckdb_function_set_error(info, "the rows cannot be read");
        return;
    }
    hand_over_nulls(&w->batch, chunk);
    duckdb_data_chunk_set_size(chunk, w->batch.rows);
}

lh_rc lh_write_register(lh_ctx *cx, lh_ingest_env *env)
{
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    LH_TRY(lh_ingest_connect(cx, env, &connection));
    duckdb_table_function function = duckdb_create_table_function();
    LH_DUCKDB(duckdb_logical_type, duckdb_destroy_logical_type)
    number = duckdb_create_logical_type(DUCKDB_TYPE_UBIGINT);
    duckdb_table_function_set_name(function, "lh_rows");
    duckdb_table_function_add_parameter(function, number);
    duckdb_table_function_set_extra_info(function, env, NULL);
    duckdb_table_function_set_bind(function, rows_bind);
    duckdb_table_function_set_init(function, rows_init);
    duckdb_table_function_set_function(function, rows_next);
    duckdb_state state = duckdb_register_table_function(connection, function);
    duckdb_destroy_table_function(&function);
    return state == DuckDBSuccess ? LH_OK
                                  : lh_fail(cx, LH_E_INTERNAL, "the engine refuses the row source");
}

/* ---- parts ---- */

static lh_rc copy_part(lh_ctx *cx, part_writer *w, lh_str path)
{
    lh_write_job *job = w->job;
    LH_CLEANUP(lh_buf_done) lh_buf sql;
    lh_buf_init(&sql, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_buf_printf(cx, &sql, "COPY (SELECT * FROM lh_rows(%u::UBIGINT))", w->index));
    LH_TRY(lh_sql_put_copy_target(cx, &sql, job->env, path, job->opts->compression));
    const char *text;
    LH_TRY(lh_sql_end(cx, &sql, &text));
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    LH_TRY(lh_ingest_connect(cx, job->env, &connection));
    uint64_t rows = 0;
    lh_rc rc = lh_ingest_copy(cx, connection, text, LH_E_INTERNAL, &rows);
    if (w->err.rc != LH_OK) /* the engine repeats what the reader said, with less in it */
        cx->err = w->err;
    LH_TRY(w->err.rc != LH_OK ? w->err.rc : rc);
    if (rows != job->plan->parts[w->index].rows)
        return lh_fail(cx, LH_E_INTERNAL, "%llu rows were read, %llu written",
                       (unsigned long long)job->plan->parts[w->index].rows,
                       (unsigned long long)rows);
    return lh_ingest_seal(cx, connection, path, rows, &job->bytes[w->index]);
}

static lh_rc make_batch(lh_ctx *cx, const lh_rows_plan *plan, lh_batch *batch)
{
    *batch = (lh_batch){.columns_count = plan->columns_count};
    batch->columns = lh_alloc_zero(plan->columns_count, sizeof(*batch->columns));
    batch->arena = lh_arena_new(0);
    if (batch->columns == NULL || batch->arena == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for %u columns", plan->columns_count);
    for (uint32_t i = 0; i < plan->columns_count; i++)
        batch->columns[i].type = plan->columns[i].type;
    return LH_OK;
}

static void part_writer_done(part_writer *w)
{
    if (w->reader != NULL)
        w->job->plan->format->close(w->reader);
    w->reader = NULL;
    w->batch.columns = lh_free(w->batch.columns);
    w->batch.arena = lh_arena_free(w->batch.arena);
    w->cx = NULL;
}

static lh_rc write_part(lh_ctx *cx, void *arg, uint32_t piece)
{
    lh_write_job *job = arg;
    uint32_t index = job->first + piece;
    part_writer *w = &job->writers[index];
    lh_rows_part *part = &job->plan->parts[index];
    *w = (part_writer){.job = job, .index = index, .cx = cx, .reported = part->begin};
    part->rows = 0;
    part->unfit = false;
    lh_str path = lh_ingest_part_path(cx, job->env, job->opts->output_prefix, index);
    lh_rc rc = path.ptr != NULL ? make_batch(cx, job->plan, &w->batch) : cx->err.rc;
    if (rc == LH_OK)
        rc = job->plan->format->open(cx, job->plan, part, &w->reader);
    if (rc == LH_OK)
        rc = copy_part(cx, w, path);
    part_writer_done(w);
    return rc;
}

static lh_rc report(lh_ctx *cx, void *arg)
{
    lh_write_job *job = arg;
    if (job->env->progress == NULL)
        return LH_OK;
    const lh_source *source = job->plan->source;
    const lh_progress_message message = {
        .phase = LH_S("write"),
        .done = atomic_load(&job->bytes_done),
        .total = lh_source_end(source) - lh_source_begin(source),
        .rows = atomic_load(&job->rows_done),
    };
    return job->env->progress(cx, job->env->progress_arg, &message);
}

static lh_rc run_parts(lh_ctx *cx, lh_write_job *job, uint32_t first, uint32_t count)
{
    job->first = first;
    const lh_parallel run = {
        /* A batch of the engine holds 2048 rows of every column: wide tables get one at a time. */
        .threads = job->plan->columns_count >= LH_WIDE_COLUMNS ? 1 : job->env->threads,
        .count = count,
        .fn = write_part,
        .arg = job,
        .tick = report,
        .tick_arg = job,
    };
    return lh_parallel_run(cx, &run);
}

static void remove_part(lh_ctx *cx, const lh_write_job *job, uint32_t index)
{
    lh_str path = lh_ingest_part_path(cx, job->env, job->opts->output_prefix, index);
    const lh_err err = cx->err; /* what went wrong first is what is told */
    if (path.ptr != NULL && lh_file_exists(path))
        LH_IGNORE(lh_file_remove(cx, path));
    cx->err = err;
}

/* A part must begin where the one before it ended; one that does not was guessed wrong and is
 * written again. */
static lh_rc check_joins(lh_ctx *cx, lh_write_job *job)
{
    lh_rows_plan *plan = job->plan;
    for (uint32_t i = 1; i < plan->parts_count; i++) {
        lh_rows_part *part = &plan->parts[i];
        uint64_t begin = plan->parts[i - 1].actual_end;
        if (part->begin == begin)
            continue;
        *part = (lh_rows_part){.begin = begin, .end = LH_MAX(part->end, begin)};
        remove_part(cx, job, i);
        LH_TRY(run_parts(cx, job, i, 1));
    }
    return LH_OK;
}

static lh_rc collect(lh_ctx *cx, const lh_write_job *job, lh_written *ret_written)
{
    const lh_rows_plan *plan = job->plan;
    lh_written written = {.parts = LH_NEW_ARRAY(cx, lh_ingest_part, plan->parts_count),
                          .paths = LH_NEW_ARRAY(cx, lh_str, plan->parts_count)};
    if (written.parts == NULL || written.paths == NULL)
        return cx->err.rc;
    for (uint32_t i = 0; i < plan->parts_count; i++) {
        const lh_rows_part *part = &plan->parts[i];
        lh_oddities_add(&written.oddities, &part->oddities);
        written.rows += part->rows;
        bool last_chance = i + 1 == plan->parts_count && written.parts_count == 0;
        if (part->rows == 0 && !last_chance) {
            remove_part(cx, job, i);
            continue;
        }
        uint32_t at = written.parts_count++;
        lh_str path = lh_ctx_fmt(cx, "%.*s-%u.parquet", LH_STR_ARG(job->opts->output_prefix), i);
        written.paths[at] = lh_ingest_part_path(cx, job->env, job->opts->output_prefix, i);
        if (path.ptr == NULL || written.paths[at].ptr == NULL)
            return cx->err.rc;
        written.parts[at] =
            (lh_ingest_part){.path = path, .rows = part->rows, .bytes = job->bytes[i]};
    }
    *ret_written = written;
    return LH_OK;
}

lh_rc lh_write_rows(lh_ctx *cx, lh_ingest_env *env, lh_rows_plan *plan,
                    const lh_write_options *opts, lh_written *ret_written)
{
    lh_write_job job = {.env = env, .plan = plan, .opts = opts};
    job.writers = LH_NEW_ARRAY(cx, part_writer, plan->parts_count);
    job.bytes = LH_NEW_ARRAY(cx, uint64_t, plan->parts_count);
    if (job.writers == NULL || job.bytes == NULL)
        return cx->err.rc;
    env->job = &job;
    lh_rc rc = run_parts(cx, &job, 0, plan->parts_count);
    if (rc == LH_OK)
        rc = check_joins(cx, &job);
    if (rc == LH_OK)
        rc = collect(cx, &job, ret_written);
    env->job = NULL;
    if (rc == LH_OK)
        return LH_OK;
    for (uint32_t i = 0; i < plan->parts_count; i++)
        remove_part(cx, &job, i);
    if (!atomic_load(&job.unfit))
        return rc;
    lh_err_clear(cx);
    *ret_written = (lh_written){.unfit = true};
    return LH_OK;
}

void lh_written_remove(lh_ctx *cx, const lh_written *written)
{
    const lh_err err = cx->err;
    for (uint32_t i = 0; i < written->parts_count; i++)
        LH_IGNORE(lh_file_remove(cx, written->paths[i]));
    cx->err = err;
}
