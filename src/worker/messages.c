/* messages.c - the record tables behind worker/messages.h: what each side may say, with its limits.
 * One table per struct serves both sides, so a limit cannot differ between the writer and the
 * checker. Limits are generous where the server writes (views over thousands of files) and tight
 * where a worker does: its frames are hostile input. */
#include "worker/messages.h"

#include "worker/pool.h"

#define TEXT_SQL_MAX    (1024 * 1024) /* the gate refuses beyond 256 KiB, with a better message */
#define TEXT_VIEW_MAX   (3 * 1024 * 1024) /* a view lists its Parquet files */
#define TEXT_PATH_MAX   4096
#define TEXT_NAME_MAX   4096
#define TEXT_ERROR_MAX  4096
#define PARTS_MAX       100000
#define COLUMNS_MAX     20000
#define NEED_NAMES_MAX  1000
#define MAX_OF_U32      4294967295LL
#define MAX_OF_COUNTERS INT64_MAX

const char *const lh_worker_kind_names[] = {"sql", "ingest", "embed", "embed_bulk", "index", NULL};
const char *const lh_sql_format_names[] = {"json", "json_arrays", "ndjson", "csv", "arrow", NULL};
const char *const lh_ingest_op_names[] = {"file", "write_chunks", "read_chunks", "inspect", NULL};
const char *const lh_ingest_format_names[] = {"auto",    "csv",  "json", "ndjson",
                                              "parquet", "text", NULL};
const char *const lh_header_mode_names[] = {"auto", "yes", "no", NULL};

static const lh_field setup_fields[] = {
    LH_FIELD("kind", STR, lh_setup_message, kind, .flags = LH_FIELD_REQUIRED, .min = 1, .max = 32,
             .doc = "Program to run."),
    LH_FIELD("domain", STR, lh_setup_message, domain, .max = TEXT_NAME_MAX,
             .doc = "Security domain; empty while it is not lent."),
    LH_FIELD("read_root", STR, lh_setup_message, read_root, .max = TEXT_PATH_MAX,
             .doc = "Folder it may read."),
    LH_FIELD("spill_dir", STR, lh_setup_message, spill_dir, .max = TEXT_PATH_MAX,
             .doc = "Folder it may spill to."),
    LH_FIELD("staging_dir", STR, lh_setup_message, staging_dir, .max = TEXT_PATH_MAX,
             .doc = "Folder for its results."),
    LH_FIELD("model_path", STR, lh_setup_message, model_path, .max = TEXT_PATH_MAX,
             .doc = "Model file of embed workers."),
    LH_FIELD("memory_bytes", U64, lh_setup_message, memory_bytes, .max = MAX_OF_COUNTERS,
             .doc = "Address space limit; 0 = none."),
    LH_FIELD("threads", U32, lh_setup_message, threads, .max = 1024,
             .doc = "Threads of its engine; 0 = 1."),
    LH_FIELD("background", BOOL, lh_setup_message, background,
             .doc = "Runs only while nobody else wants the processor."),
    {0},
};
const lh_record lh_setup_record = {.name = "WorkerSetup",
                                   .size = sizeof(lh_setup_message),
                                   .fields = setup_fields,
                                   .doc = "What a worker is and may touch."};

static const lh_field error_fields[] = {
    LH_FIELD("code", STR, lh_error_message, code, .flags = LH_FIELD_REQUIRED, .min = 1, .max = 64,
             .doc = "Wire code of the error table."),
    LH_FIELD("message", STR, lh_error_message, message, .max = TEXT_ERROR_MAX,
             .doc = "What failed, on what."),
    LH_FIELD("hint", STR, lh_error_message, hint, .max = TEXT_ERROR_MAX, .doc = "What to do."),
    LH_FIELD("field", STR, lh_error_message, field, .max = TEXT_ERROR_MAX,
             .doc = "Part of the input that is meant."),
    LH_FIELD("line", I32, lh_error_message, line, .max = INT32_MAX, .doc = "1-based; 0 = unknown."),
    LH_FIELD("column", I32, lh_error_message, column, .max = INT32_MAX,
             .doc = "1-based, in characters; 0 = unknown."),
    {0},
};
const lh_record lh_error_message_record = {.name = "WorkerError",
                                           .size = sizeof(lh_error_message),
                                           .fields = error_fields,
                                           .doc = "Why a task failed."};

static const lh_field progress_fields[] = {
    LH_FIELD("phase", STR, lh_progress_message, phase, .max = 256, .doc = "What is being done."),
    LH_FIELD("done", U64, lh_progress_message, done, .max = MAX_OF_COUNTERS,
             .doc = "Units done, in bytes or items."),
    LH_FIELD("total", U64, lh_progress_message, total, .max = MAX_OF_COUNTERS,
             .doc = "Units in all; 0 = unknown."),
    LH_FIELD("rows", U64, lh_progress_message, rows, .max = MAX_OF_COUNTERS, .doc = "Rows so far."),
    {0},
};
const lh_record lh_progress_record = {.name = "WorkerProgress",
                                      .size = sizeof(lh_progress_message),
                                      .fields = progress_fields,
                                      .doc = "How far a task is."};

/* ---------------------------------------------------------------- sql */

static const lh_field sql_task_fields[] = {
    LH_FIELD("sql", STR, lh_sql_task, sql, .flags = LH_FIELD_REQUIRED, .max = TEXT_SQL_MAX,
             .doc = "One SELECT, or EXPLAIN of one."),
    LH_FIELD("params", JSON, lh_sql_task, params, .max = TEXT_SQL_MAX,
             .doc = "Array (positional) or object (named); absent = none."),
    LH_FIELD("format", ENUM, lh_sql_task, format, .names = lh_sql_format_names, .def = "\"json\"",
             .doc = "How rows are written."),
    LH_FIELD("limit", U64, lh_sql_task, limit, .max = MAX_OF_COUNTERS,
             .doc = "Rows at most; 0 = no limit."),
    LH_FIELD("offset", U64, lh_sql_task, offset, .max = MAX_OF_COUNTERS,
             .doc = "Rows skipped first."),
    LH_FIELD("big_ints_as_text", BOOL, lh_sql_task, big_ints_as_text,
             .doc = "Integers beyond 2^53 as JSON strings."),
    {0},
};
const lh_record lh_sql_task_record = {.name = "WorkerSqlTask",
                                      .size = sizeof(lh_sql_task),
                                      .fields = sql_task_fields,
                                      .doc = "One statement to run."};

static const lh_field need_views_fields[] = {
    LH_FIELD("names", LIST, lh_need_views, names, .item = LH_F_STR, .max = NEED_NAMES_MAX,
             .doc = "Table names as written."),
    {0},
};
const lh_record lh_need_views_record = {.name = "WorkerNeedViews",
                                        .size = sizeof(lh_need_views),
                                        .fields = need_views_fields,
                                        .doc = "Views a statement asks for."};

static const lh_field view_fields[] = {
    LH_FIELD("name", STR, lh_view_message, name, .flags = LH_FIELD_REQUIRED, .max = TEXT_NAME_MAX,
             .doc = "As asked."),
    LH_FIELD("version", STR, lh_view_message, version, .max = TEXT_NAME_MAX,
             .doc = "The same text is the same view."),
    LH_FIELD("sql", STR, lh_view_message, sql, .max = TEXT_VIEW_MAX,
             .doc = "SELECT over local files; empty = no such dataset."),
    LH_FIELD("near", LIST, lh_view_message, near, .item = LH_F_STR, .max = 100,
             .doc = "Names that look like it."),
    {0},
};
static const lh_record view_record = {.name = "WorkerView",
                                      .size = sizeof(lh_view_message),
                                      .fields = view_fields,
                                      .doc = "One view of a dataset."};
static const lh_field give_views_fields[] = {
    LH_FIELD("views", LIST, lh_give_views, views, .item = LH_F_OBJECT, .record = &view_record,
             .max = NEED_NAMES_MAX, .doc = "One for each name, in order."),
    {0},
};
const lh_record lh_give_views_record = {.name = "WorkerGiveViews",
                                        .size = sizeof(lh_give_views),
                                        .fields = give_views_fields,
                                        .doc = "Answer to NEED of sql."};

static const lh_field column_fields[] = {
    LH_FIELD("name", STR, lh_column_message, name, .max = TEXT_SQL_MAX, .doc = "Column name."),
    LH_FIELD("type", STR, lh_column_message, type, .max = TEXT_SQL_MAX,
             .doc = "Type in DuckDB's spelling."),
    {0},
};
static const lh_record column_record = {.name = "WorkerColumn",
                                        .size = sizeof(lh_column_message),
                                        .fields = column_fields,
                                        .doc = "One column of a result."};
static const lh_field sql_head_fields[] = {
    LH_FIELD("columns", LIST, lh_sql_head, columns, .item = LH_F_OBJECT, .record = &column_record,
             .max = COLUMNS_MAX, .doc = "Columns in order."),
    {0},
};
const lh_record lh_sql_head_record = {.name = "WorkerSqlHead",
                                      .size = sizeof(lh_sql_head),
                                      .fields = sql_head_fields,
                                      .doc = "Description of a result."};

static const lh_field sql_done_fields[] = {
    LH_FIELD("rows", U64, lh_sql_done, rows, .max = MAX_OF_COUNTERS, .doc = "Rows sent."),
    LH_FIELD("truncated", BOOL, lh_sql_done, truncated, .doc = "There were more than limit."),
    LH_FIELD("bytes", U64, lh_sql_done, bytes, .max = MAX_OF_COUNTERS,
             .doc = "Bytes of DATA sent."),
    LH_FIELD("cpu_us", I64, lh_sql_done, cpu_us, .max = MAX_OF_COUNTERS,
             .doc = "CPU time of the worker for this task, in microseconds."),
    {0},
};
const lh_record lh_sql_done_record = {.name = "WorkerSqlDone",
                                      .size = sizeof(lh_sql_done),
                                      .fields = sql_done_fields,
                                      .doc = "Summary of a statement that ran."};

/* ---------------------------------------------------------------- ingest */

static const lh_field ingest_options_fields[] = {
    LH_FIELD("format", ENUM, lh_ingest_options, format, .names = lh_ingest_format_names,
             .def = "\"auto\"", .doc = "Format of the file; auto = by name and content."),
    LH_FIELD("delimiter", STR, lh_ingest_options, delimiter, .max = 4,
             .doc = "Column separator of CSV, one character; empty = detect."),
    LH_FIELD("quote", STR, lh_ingest_options, quote, .max = 4,
             .doc = "Quote of CSV, one character; empty = detect."),
    LH_FIELD("header", ENUM, lh_ingest_options, header, .names = lh_header_mode_names,
             .def = "\"auto\"", .doc = "Whether the first row of a CSV names the columns."),
    LH_FIELD("encoding", STR, lh_ingest_options, encoding, .max = 32,
             .doc = "utf-8, utf-16le, utf-16be or latin-1; empty = detect."),
    LH_FIELD("null_texts", LIST, lh_ingest_options, null_texts, .item = LH_F_STR, .max = 100,
             .doc = "Spellings of null beyond the empty field."),
    LH_FIELD("all_text", BOOL, lh_ingest_options, all_text,
             .doc = "No types: every column stays text."),
    LH_FIELD("compression", STR, lh_ingest_options, compression, .max = 16,
             .doc = "Of the Parquet written: zstd (default) or snappy."),
    {0},
};
const lh_record lh_ingest_options_record = {
    .name = "IngestOptions",
    .size = sizeof(lh_ingest_options),
    .fields = ingest_options_fields,
    .doc = "How to read a file; what is not given is detected."};

static const lh_field ingest_task_fields[] = {
    LH_FIELD("op", ENUM, lh_ingest_task, op, .flags = LH_FIELD_REQUIRED,
             .names = lh_ingest_op_names, .doc = "What to do."),
    LH_FIELD("file_name", STR, lh_ingest_task, file_name, .max = TEXT_NAME_MAX,
             .doc = "Name of the source, for its ending."),
    LH_FIELD("options", OBJECT, lh_ingest_task, options, .record = &lh_ingest_options_record,
             .doc = "What the caller said."),
    LH_FIELD("output_prefix", STR, lh_ingest_task, output_prefix, .max = TEXT_PATH_MAX,
             .doc = "Path below staging."),
    LH_FIELD("unpacked_bytes_max", U64, lh_ingest_task, unpacked_bytes_max, .max = MAX_OF_COUNTERS,
             .doc = "A compressed source may not grow past this; 0 = no limit."),
    LH_FIELD("base_sql", STR, lh_ingest_task, base_sql, .max = TEXT_VIEW_MAX,
             .doc = "Upsert: SELECT of the rows there are."),
    LH_FIELD("key", STR, lh_ingest_task, key, .max = TEXT_NAME_MAX, .doc = "Upsert: key column."),
    LH_FIELD("paths", LIST, lh_ingest_task, paths, .item = LH_F_STR, .max = PARTS_MAX,
             .doc = "Local files to read."),
    LH_FIELD("background", BOOL, lh_ingest_task, background,
             .doc = "The worker runs only while nobody else wants the processor."),
    {0},
};
const lh_record lh_ingest_task_record = {.name = "WorkerIngestTask",
                                         .size = sizeof(lh_ingest_task),
                                         .fields = ingest_task_fields,
                                         .doc = "One piece of ingest work."};

static const lh_field ingest_column_fields[] = {
    LH_FIELD("name", STR, lh_ingest_column, name, .doc = "Unique name."),
    LH_FIELD("type", STR, lh_ingest_column, type, .max = TEXT_SQL_MAX,
             .doc = "Type in DuckDB's spelling."),
    LH_FIELD("values", U64, lh_ingest_column, values, .max = MAX_OF_COUNTERS, .doc = "Not null."),
    LH_FIELD("fits_double", BOOL, lh_ingest_column, fits_double, .flags = LH_FIELD_OMIT_EMPTY,
             .doc = "Every value of a BIGINT is exactly a DOUBLE."),
    LH_FIELD("sampled", U64, lh_ingest_column, sampled, .max = MAX_OF_COUNTERS,
             .doc = "Texts looked at for the counts."),
    LH_FIELD("like_email", U64, lh_ingest_column, like_email, .max = MAX_OF_COUNTERS,
             .doc = "Sampled texts that look like an e-mail address."),
    LH_FIELD("like_phone", U64, lh_ingest_column, like_phone, .max = MAX_OF_COUNTERS,
             .doc = "Sampled texts that look like a phone number."),
    LH_FIELD("like_ssn", U64, lh_ingest_column, like_ssn, .max = MAX_OF_COUNTERS,
             .doc = "Sampled texts that look like a social security number."),
    {0},
};
static const lh_record ingest_column_record = {.name = "WorkerIngestColumn",
                                               .size = sizeof(lh_ingest_column),
                                               .fields = ingest_column_fields,
                                               .doc = "One column that was read."};
static const lh_field ingest_part_fields[] = {
    LH_FIELD("path", STR, lh_ingest_part, path, .max = TEXT_PATH_MAX, .doc = "Path of the file."),
    LH_FIELD("rows", U64, lh_ingest_part, rows, .max = MAX_OF_COUNTERS, .doc = "Rows in it."),
    LH_FIELD("bytes", U64, lh_ingest_part, bytes, .max = MAX_OF_COUNTERS, .doc = "Its size."),
    {0},
};
static const lh_record ingest_part_record = {.name = "WorkerIngestPart",
                                             .size = sizeof(lh_ingest_part),
                                             .fields = ingest_part_fields,
                                             .doc = "One Parquet file."};
static const lh_field ingest_done_fields[] = {
    LH_FIELD("format", STR, lh_ingest_done, format, .max = 64, .doc = "What the file was."),
    LH_FIELD("rows", U64, lh_ingest_done, rows, .max = MAX_OF_COUNTERS, .doc = "Rows in all."),
    LH_FIELD("parts", LIST, lh_ingest_done, parts, .item = LH_F_OBJECT,
             .record = &ingest_part_record, .max = PARTS_MAX,
             .doc = "Files written or read, in row order."),
    LH_FIELD("columns", LIST, lh_ingest_done, columns, .item = LH_F_OBJECT,
             .record = &ingest_column_record, .max = COLUMNS_MAX, .doc = "Columns in order."),
    LH_FIELD("oddities", MAP_I64, lh_ingest_done, oddities, .max = 1000,
             .doc = "What was not as it should be: code and count."),
    {0},
};
const lh_record lh_ingest_done_record = {.name = "WorkerIngestDone",
                                         .size = sizeof(lh_ingest_done),
                                         .fields = ingest_done_fields,
                                         .doc = "Summary of ingest work."};

/* ---------------------------------------------------------------- embed */

static const lh_field embed_task_fields[] = {
    LH_FIELD("count", U32, lh_embed_task, count, .max = MAX_OF_U32, .doc = "Texts that follow."),
    LH_FIELD("query", BOOL, lh_embed_task, query, .doc = "The texts are questions."),
    {0},
};
const lh_record lh_embed_task_record = {.name = "WorkerEmbedTask",
                                        .size = sizeof(lh_embed_task),
                                        .fields = embed_task_fields,
                                        .doc = "Texts to embed."};

static const lh_field model_fields[] = {
    LH_FIELD("model", STR, lh_model_message, model, .max = 256, .doc = "Name of the model."),
    LH_FIELD("precision", STR, lh_model_message, precision, .max = 32, .doc = "f32, bf16 or int8."),
    LH_FIELD("kernel", STR, lh_model_message, kernel, .max = 64,
             .doc = "Instruction set and revision."),
    LH_FIELD("dimensions", U32, lh_model_message, dimensions, .max = 65536,
             .doc = "Floats per vector."),
    LH_FIELD("tokens_max", U32, lh_model_message, tokens_max, .max = MAX_OF_U32,
             .doc = "Longer texts are cut."),
    {0},
};
const lh_record lh_model_record = {.name = "WorkerModel",
                                   .size = sizeof(lh_model_message),
                                   .fields = model_fields,
                                   .doc = "The model an embed worker runs."};

static const lh_field embed_done_fields[] = {
    LH_FIELD("count", U32, lh_embed_done, count, .max = MAX_OF_U32, .doc = "Vectors sent."),
    LH_FIELD("tokens", U64, lh_embed_done, tokens, .max = MAX_OF_COUNTERS, .doc = "Tokens read."),
    LH_FIELD("truncated", U32, lh_embed_done, truncated, .max = MAX_OF_U32,
             .doc = "Texts longer than the model takes."),
    {0},
};
const lh_record lh_embed_done_record = {.name = "WorkerEmbedDone",
                                        .size = sizeof(lh_embed_done),
                                        .fields = embed_done_fields,
                                        .doc = "Summary of an embed task."};

/* ---------------------------------------------------------------- index */

static const lh_field index_task_fields[] = {
    LH_FIELD("rows", U64, lh_index_task, rows, .max = MAX_OF_U32, .doc = "Vectors in the file."),
    LH_FIELD("dimensions", U32, lh_index_task, dimensions, .flags = LH_FIELD_REQUIRED, .min = 1,
             .max = MAX_OF_U32, .doc = "Floats per vector."),
    LH_FIELD("kind", U32, lh_index_task, kind, .max = 64, .doc = "Kind of index, by number."),
    LH_FIELD("metric", U32, lh_index_task, metric, .max = 64, .doc = "Metric, by number."),
    LH_FIELD("ef_construction", U32, lh_index_task, ef_construction, .max = MAX_OF_U32,
             .doc = "Effort of the build; 0 = the engine's."),
    LH_FIELD("seed", U64, lh_index_task, seed, .max = MAX_OF_COUNTERS, .doc = "Of random choices."),
    LH_FIELD("threads", U32, lh_index_task, threads, .max = 1024, .doc = "0 = those it has."),
    LH_FIELD("keep_from", U64, lh_index_task, keep_from, .max = MAX_OF_U32,
             .doc = "Rows from which on finished phases are kept; 0 = the engine's."),
    {0},
};
const lh_record lh_index_task_record = {.name = "WorkerIndexTask",
                                        .size = sizeof(lh_index_task),
                                        .fields = index_task_fields,
                                        .doc = "A vector segment to build."};

static const lh_field index_done_fields[] = {
    LH_FIELD("bytes", U64, lh_index_done, bytes, .max = MAX_OF_COUNTERS,
             .doc = "Size of the segment."),
    LH_FIELD("kept_used", U64, lh_index_done, kept_used, .max = MAX_OF_COUNTERS,
             .doc = "Bytes of an earlier try that were gone on from."),
    LH_FIELD("kept_trouble", STR, lh_index_done, kept_trouble,
             .doc = "Why what was kept is of no use; empty: nothing was wrong."),
    {0},
};
const lh_record lh_index_done_record = {.name = "WorkerIndexDone",
                                        .size = sizeof(lh_index_done),
                                        .fields = index_done_fields,
                                        .doc = "Summary of an index task."};
