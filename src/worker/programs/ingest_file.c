/* ingest_file.c - the life of one file: open, unpack, decode, detect, plan, write, perhaps write
 * again, merge, count. */
#include "worker/programs/ingest_file.h"

#include "os/file.h"
#include "os/process.h"
#include "worker/programs/ingest_csv.h"
#include "worker/programs/ingest_json.h"
#include "worker/programs/ingest_parallel.h"
#include "worker/programs/ingest_parquet.h"
#include "worker/programs/ingest_plain.h"
#include "worker/programs/ingest_stats.h"
#include "worker/programs/ingest_upsert.h"

typedef struct job {
    lh_ingest_env *env;
    const lh_ingest_task *task;
    lh_source *source; /* owned by lh_ingest_file */
    lh_write_options write;
    atomic_uint_fast64_t bytes_done; /* of scans */
} job;

static lh_rc report(lh_ctx *cx, const job *j, const char *phase, uint64_t done, uint64_t total)
{
    if (j->env->progress == NULL)
        return lh_ctx_check(cx);
    const lh_progress_message message = {.phase = lh_str_from(phase), .done = done, .total = total};
    return j->env->progress(cx, j->env->progress_arg, &message);
}

static lh_rc report_unpack(lh_ctx *cx, void *arg, uint64_t done, uint64_t total)
{
    return report(cx, arg, "unpack", done, total);
}

static lh_rc report_scan(lh_ctx *cx, void *arg)
{
    job *j = arg;
    return report(cx, j, "scan", atomic_load(&j->bytes_done),
                  lh_source_end(j->source) - lh_source_begin(j->source));
}

/* ---- csv ---- */

typedef struct csv_scan {
    job *job;
    const lh_csv_layout *layout;
    lh_rows_plan *plan;
    lh_csv_scan *scans; /* one per part */
} csv_scan;

static lh_rc scan_piece(lh_ctx *cx, void *arg, uint32_t index)
{
    csv_scan *s = arg;
    lh_rows_part *part = &s->plan->parts[index];
    LH_TRY(lh_csv_scan_part(cx, s->job->source, s->layout, part, &s->scans[index]));
    atomic_fetch_add(&s->job->bytes_done, part->actual_end - LH_MIN(part->begin, part->actual_end));
    return LH_OK;
}

/* Types from every row: parts side by side, joins checked like those of the writer. */
static lh_rc scan_csv_fully(lh_ctx *cx, job *j, const lh_csv_layout *layout, lh_rows_plan *plan,
                            lh_csv_scan *ret_scan)
{
    csv_scan s = {.job = j, .layout = layout, .plan = plan};
    s.scans = LH_NEW_ARRAY(cx, lh_csv_scan, plan->parts_count);
    if (s.scans == NULL)
        return cx->err.rc;
    for (uint32_t i = 0; i < plan->parts_count; i++)
        LH_TRY(lh_csv_scan_init(cx, layout, &s.scans[i]));
    const lh_parallel run = {.threads = j->env->threads,
                             .count = plan->parts_count,
                             .fn = scan_piece,
                             .arg = &s,
                             .tick = report_scan,
                             .tick_arg = j};
    LH_TRY(lh_parallel_run(cx, &run));
    for (uint32_t i = 1; i < plan->parts_count; i++) {
        lh_rows_part *part = &plan->parts[i];
        uint64_t begin = plan->parts[i - 1].actual_end;
        if (part->begin == begin)
            continue;
        *part = (lh_rows_part){.begin = begin, .end = LH_MAX(part->end, begin)};
        LH_TRY(lh_csv_scan_init(cx, layout, &s.scans[i]));
        LH_TRY(lh_csv_scan_part(cx, j->source, layout, part, &s.scans[i]));
    }
    for (uint32_t i = 1; i < plan->parts_count; i++)
        lh_csv_scan_merge(layout, &s.scans[0], &s.scans[i]);
    *ret_scan = s.scans[0];
    return LH_OK;
}

/* Types from the first megabyte: right for most files, and wrong ones are noticed while writing. */
static lh_rc scan_csv_head(lh_ctx *cx, const job *j, const lh_csv_layout *layout,
                           lh_csv_scan *ret_scan)
{
    uint64_t end = LH_MIN(layout->data_begin + LH_CSV_SAMPLE_BYTES, lh_source_end(j->source));
    lh_rows_part head = {.begin = layout->data_begin, .end = end};
    LH_TRY(lh_csv_scan_init(cx, layout, ret_scan));
    return lh_csv_scan_part(cx, j->source, layout, &head, ret_scan);
}

static lh_rc ingest_csv(lh_ctx *cx, job *j, lh_written *ret_written)
{
    lh_csv_layout layout;
    lh_csv_scan scan;
    lh_rows_plan plan = {.format = &lh_csv_rows_format, .source = j->source, .layout = &layout};
    LH_TRY(lh_csv_sniff(cx, j->source, &j->task->options, j->task->file_name, &layout));
    LH_TRY(lh_csv_cut(cx, j->source, &layout, j->env->threads, &plan));
    LH_TRY(scan_csv_head(cx, j, &layout, &scan));
    LH_TRY(lh_csv_columns(cx, &layout, &scan, &plan));
    LH_TRY(lh_write_rows(cx, j->env, &plan, &j->write, ret_written));
    if (ret_written->unfit) {
        LH_TRY(lh_csv_cut(cx, j->source, &layout, j->env->threads, &plan));
        LH_TRY(scan_csv_fully(cx, j, &layout, &plan, &scan));
        LH_TRY(lh_csv_columns(cx, &layout, &scan, &plan));
        LH_TRY(lh_write_rows(cx, j->env, &plan, &j->write, ret_written));
        if (ret_written->unfit)
            return lh_fail(cx, LH_E_INTERNAL, "rows do not fit the types their scan decided");
    }
    ret_written->oddities.counts[LH_ODD_RENAMED_COLUMN] += layout.names.changed;
    return LH_OK;
}

/* ---- json, text, parquet ---- */

static lh_rc ingest_json(lh_ctx *cx, job *j, lh_json_shape shape, lh_written *ret_written)
{
    LH_CLEANUP(lh_json_layout_done) lh_json_layout layout = {.shape = shape};
    lh_rows_plan plan = {.format = &lh_json_rows_format, .source = j->source, .layout = &layout};
    const lh_json_scan_options opts = {.source = j->source,
                                       .shape = shape,
                                       .threads = j->env->threads,
                                       .bytes_done = &j->bytes_done,
                                       .tick = report_scan,
                                       .tick_arg = j};
    LH_TRY(lh_json_scan(cx, &opts, &layout, &plan));
    if (plan.columns_count == 0)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "the file has no row with a value");
    if (j->task->options.all_text)
        for (uint32_t i = 0; i < plan.columns_count; i++)
            plan.columns[i].type = LH_CELL_VARCHAR;
    return lh_write_rows(cx, j->env, &plan, &j->write, ret_written);
}

static lh_rc ingest_text(lh_ctx *cx, job *j, lh_written *ret_written)
{
    lh_str name = lh_path_base(j->task->file_name);
    lh_str fixed;
    LH_TRY(lh_encoding_repair(cx, cx->arena, name, &fixed));
    const lh_plain_layout layout = {.file_name = fixed,
                                    .lines = lh_str_ends(lh_ingest_plain_name(name), LH_S(".log"))};
    lh_rows_plan plan;
    LH_TRY(lh_plain_plan(cx, j->source, &layout, &plan));
    return lh_write_rows(cx, j->env, &plan, &j->write, ret_written);
}

static lh_rc ingest_parquet(lh_ctx *cx, job *j, lh_written *ret_written)
{
    LH_TRY(report(cx, j, "write", 0, lh_source_end(j->source)));
    const lh_str *given = j->task->paths.items;
    if (j->task->paths.count == 1 && !lh_source_was_packed(j->source))
        return lh_parquet_rewrite(cx, j->env, given[0], &j->write, ret_written);
    lh_str path;
    LH_TRY(lh_parquet_spill(cx, j->env, j->source, &path));
    lh_rc rc = lh_parquet_rewrite(cx, j->env, path, &j->write, ret_written);
    const lh_err err = cx->err;
    LH_IGNORE(lh_file_remove(cx, path));
    cx->err = err;
    return rc;
}

static lh_rc ingest_format(lh_ctx *cx, job *j, lh_ingest_format format, lh_written *ret_written)
{
    switch (format) {
    case LH_FORMAT_CSV: return ingest_csv(cx, j, ret_written);
    case LH_FORMAT_JSON: return ingest_json(cx, j, LH_JSON_SHAPE_VALUES, ret_written);
    case LH_FORMAT_NDJSON: return ingest_json(cx, j, LH_JSON_SHAPE_LINES, ret_written);
    case LH_FORMAT_PARQUET: return ingest_parquet(cx, j, ret_written);
    case LH_FORMAT_TEXT: return ingest_text(cx, j, ret_written);
    default: return lh_fail(cx, LH_E_INTERNAL, "format %d has no reader", (int)format);
    }
}

/* ---- the whole ---- */

static lh_rc merge_base(lh_ctx *cx, job *j, lh_str prefix, lh_written *written)
{
    const lh_upsert upsert = {.base_sql = j->task->base_sql, .key = j->task->key};
    const lh_written fresh = *written;
    LH_TRY(report(cx, j, "merge", 0, fresh.rows));
    j->write.output_prefix = prefix;
    *written = (lh_written){0};
    return lh_upsert_merge(cx, j->env, &upsert, &fresh, &j->write, written);
}

static lh_rc put_oddities(lh_ctx *cx, const lh_oddities *oddities, lh_list *ret_list)
{
    lh_pair_i64 *pairs = LH_NEW_ARRAY(cx, lh_pair_i64, LH_ODD_COUNT);
    if (pairs == NULL)
        return cx->err.rc;
    size_t count = 0;
    for (int i = 0; i < LH_ODD_COUNT; i++)
        if (oddities->counts[i] > 0)
            pairs[count++] = (lh_pair_i64){lh_str_from(lh_oddity_code((lh_oddity)i)),
                                           (int64_t)oddities->counts[i]};
    *ret_list = (lh_list){pairs, count};
    return LH_OK;
}

/* Asks the written files what they hold. */
static lh_rc describe(lh_ctx *cx, const job *j, const lh_written *written, lh_ingest_done *done)
{
    LH_TRY(report(cx, j, "verify", 0, written->rows));
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    LH_TRY(lh_ingest_connect(cx, j->env, &connection));
    LH_CLEANUP(lh_buf_done) lh_buf from;
    lh_buf_init(&from, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_sql_put_parquet(cx, &from, written->paths, written->parts_count));
    LH_TRY(lh_stats_columns(cx, connection, lh_buf_str(&from), LH_E_IO, &done->columns));
    LH_TRY(lh_stats_values(cx, connection, written->paths, written->parts_count, done->columns));
    LH_TRY(lh_stats_sample(cx, connection, written->paths, written->parts_count, done->columns));
    done->rows = written->rows;
    done->parts = (lh_list){written->parts, written->parts_count};
    return put_oddities(cx, &written->oddities, &done->oddities);
}

static lh_rc open_source(lh_ctx *cx, job *j, int fd, lh_ingest_format *ret_format)
{
    const lh_source_options opts = {.spill_dir = j->env->spill_dir,
                                    .unpacked_bytes_max = j->task->unpacked_bytes_max,
                                    .progress = report_unpack,
                                    .progress_arg = j};
    LH_TRY(lh_source_open(cx, fd, &opts, &j->source));
    LH_TRY(lh_ingest_detect(cx, j->source, j->task, ret_format));
    if (*ret_format == LH_FORMAT_PARQUET)
        return LH_OK;
    LH_TRY(lh_source_decode(cx, j->source, j->task->options.encoding, &opts));
    /* What it is may show only once it is UTF-8. */
    return lh_ingest_detect(cx, j->source, j->task, ret_format);
}

static lh_rc run_job(lh_ctx *cx, job *j, int fd, lh_ingest_done *done)
{
    lh_ingest_format format;
    lh_written written = {0};
    lh_str prefix = j->task->output_prefix;
    bool upsert = j->task->key.len > 0;
    LH_TRY(open_source(cx, j, fd, &format));
    j->write.output_prefix = upsert ? lh_ctx_fmt(cx, "%.*s-new", LH_STR_ARG(prefix)) : prefix;
    if (j->write.output_prefix.ptr == NULL)
        return cx->err.rc;
    LH_TRY(ingest_format(cx, j, format, &written));
    written.oddities.counts[LH_ODD_LONE_SURROGATE] += lh_source_replaced(j->source);
    if (upsert)
        LH_TRY(merge_base(cx, j, prefix, &written));
    done->format = lh_str_from(lh_ingest_format_names[format]);
    lh_rc rc = describe(cx, j, &written, done);
    if (rc != LH_OK)
        lh_written_remove(cx, &written);
    return rc;
}

static lh_rc check_options(lh_ctx *cx, const lh_ingest_options *options)
{
    if (options->compression.len == 0 || lh_str_eq(options->compression, LH_S("zstd")) ||
        lh_str_eq(options->compression, LH_S("snappy")))
        return LH_OK;
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "compression \"%.*s\" is not known",
                      LH_STR_ARG(lh_str_sub(options->compression, 0, 20))));
    LH_IGNORE(lh_err_field(cx, "options.compression"));
    return lh_err_hint(cx, "one of zstd, snappy");
}

lh_rc lh_ingest_file(lh_ctx *cx, lh_ingest_env *env, const lh_ingest_task *task, int fd,
                     lh_ingest_done *ret_done)
{
    lh_ingest_done done = {0};
    job j = {.env = env, .task = task, .write = {.compression = task->options.compression}};
    lh_rc rc = check_options(cx, &task->options);
    if (rc == LH_OK)
        rc = run_job(cx, &j, fd, &done);
    else
        lh_fd_close(fd);
    lh_source_close(j.source);
    if (rc == LH_OK)
        *ret_done = done;
    return rc;
}

lh_rc lh_ingest_inspect(lh_ctx *cx, lh_ingest_env *env, const lh_ingest_task *task,
                        lh_ingest_done *ret_done)
{
    const lh_str *paths = task->paths.items;
    size_t count = task->paths.count;
    if (count == 0)
        return lh_fail(cx, LH_E_BAD_VALUE, "inspect needs paths");
    LH_DUCKDB(duckdb_connection, duckdb_disconnect) connection = NULL;
    LH_TRY(lh_ingest_connect(cx, env, &connection));
    lh_ingest_done done = {.format = LH_S("parquet")};
    lh_ingest_part *parts = LH_NEW_ARRAY(cx, lh_ingest_part, count);
    if (parts == NULL)
        return cx->err.rc;
    for (size_t i = 0; i < count; i++) {
        LH_CLEANUP(lh_file_close) lh_file *file = NULL;
        LH_TRY(lh_file_open(cx, paths[i], LH_FILE_READ, &file));
        parts[i].path = paths[i];
        LH_TRY(lh_file_size(cx, file, &parts[i].bytes));
        LH_TRY(lh_ingest_footer_rows(cx, connection, paths[i], &parts[i].rows));
        done.rows += parts[i].rows;
    }
    done.parts = (lh_list){parts, count};
    LH_CLEANUP(lh_buf_done) lh_buf from;
    lh_buf_init(&from, LH_INGEST_SQL_BYTES_MAX);
    LH_TRY(lh_sql_put_parquet(cx, &from, paths, count));
    LH_TRY(lh_stats_columns(cx, connection, lh_buf_str(&from), LH_E_UNPROCESSABLE, &done.columns));
    LH_TRY(lh_stats_values(cx, connection, paths, count, done.columns));
    *ret_done = done;
    return LH_OK;
}
