/* worker/messages.h - records of the control frames: one declaration for both sides.
 *
 * Owns:    plain data in the arena of whoever parsed it.
 * Threads: constants.
 * Limits:  see the rows in messages.c.
 * Formats: JSON payloads of the frames in worker/protocol.h.
 * Why:     the same records are written by the server and checked by the worker, and the other way
 *          round. */
#ifndef LH_WORKER_MESSAGES_H
#define LH_WORKER_MESSAGES_H

#include "base/record.h"

/* SETUP */
typedef struct lh_setup_message {
    lh_str kind; /* lh_worker_kind_names */
    lh_str domain;
    lh_str read_root;
    lh_str spill_dir;
    lh_str staging_dir;
    lh_str model_path;
    uint64_t memory_bytes;
    uint32_t threads;
    bool background; /* at the lowest priority there is */
} lh_setup_message;

/* ERROR */
typedef struct lh_error_message {
    lh_str code;
    lh_str message;
    lh_str hint;
    lh_str field;
    int32_t line;
    int32_t column;
} lh_error_message;

/* PROGRESS */
typedef struct lh_progress_message {
    lh_str phase;
    uint64_t done;
    uint64_t total;
    uint64_t rows;
} lh_progress_message;

/* ======== sql ======== TASK: one SELECT under the views it will ask for. */
typedef enum lh_sql_format {
    LH_SQL_JSON,
    LH_SQL_JSON_ARRAYS,
    LH_SQL_NDJSON,
    LH_SQL_CSV,
    LH_SQL_ARROW
} lh_sql_format;
extern const char *const lh_sql_format_names[]; /* json json_arrays ndjson csv arrow */

typedef struct lh_sql_task {
    lh_str sql;      /* as the client wrote it: one SELECT, or EXPLAIN <select> */
    lh_str params;   /* raw JSON array (positional) or object (named); empty = none */
    int format;      /* lh_sql_format */
    uint64_t limit;  /* rows at most; 0 = no limit. One row more is looked for, to say truncated */
    uint64_t offset; /* rows skipped first, for cursors */
    bool big_ints_as_text;
} lh_sql_task;

/* NEED of sql: every table name the statement uses, as written, before it is bound. */
typedef struct lh_need_views {
    lh_list names; /* lh_str */
} lh_need_views;

/* GIVE: the views of this principal over one snapshot. The worker keeps them by name and
 * version. */
typedef struct lh_view_message {
    lh_str name;    /* as asked */
    lh_str version; /* the same text = the same view */
    lh_str
        /* SELECT over read_parquet of local files, written by the server; empty = no such
         * dataset */
        sql;
    lh_list near; /* lh_str: names the principal may see that look like it, when there is none */
} lh_view_message;
typedef struct lh_give_views {
    lh_list views; /* lh_view_message */
} lh_give_views;

/* HEAD of sql. */
typedef struct lh_column_message {
    lh_str name;
    lh_str type; /* DuckDB's spelling */
} lh_column_message;
typedef struct lh_sql_head {
    lh_list columns; /* lh_column_message */
} lh_sql_head;
/* Then DATA: formats json and json_arrays give rows joined by commas, without the brackets; the
 * others the whole body. DONE of sql. */
typedef struct lh_sql_done {
    uint64_t rows;
    bool truncated; /* there were more rows than limit */
    uint64_t bytes;
    int64_t cpu_us;
} lh_sql_done;

/* ======== ingest ======== TASK, by op. */
typedef enum lh_ingest_op {
    LH_INGEST_FILE, /* descriptor 0: the source file -> Parquet files in staging */
    /* DATA frames of chunk rows (below) -> one Parquet part; ends with an empty DATA */
    LH_INGEST_WRITE_CHUNKS,
    LH_INGEST_READ_CHUNKS, /* a Parquet part -> DATA frames of chunk rows */
    LH_INGEST_INSPECT      /* footers of Parquet files -> rows and columns */
} lh_ingest_op;
extern const char *const lh_ingest_op_names[]; /* file write_chunks read_chunks inspect */

typedef enum lh_ingest_format {
    LH_FORMAT_AUTO,
    LH_FORMAT_CSV,
    LH_FORMAT_JSON,
    LH_FORMAT_NDJSON,
    LH_FORMAT_PARQUET,
    LH_FORMAT_TEXT
} lh_ingest_format;
extern const char *const lh_ingest_format_names[]; /* auto csv json ndjson parquet text */
typedef enum lh_header_mode { LH_HEADER_AUTO, LH_HEADER_YES, LH_HEADER_NO } lh_header_mode;
extern const char *const lh_header_mode_names[]; /* auto yes no */

/* What the caller of POST /ingest/file may say; empty = detect. */
typedef struct lh_ingest_options {
    int format;         /* lh_ingest_format */
    lh_str delimiter;   /* one character */
    lh_str quote;       /* one character */
    int header;         /* lh_header_mode */
    lh_str encoding;    /* utf-8, utf-16le, utf-16be, latin-1 */
    lh_list null_texts; /* lh_str: spellings of null beyond the empty field */
    bool all_text;      /* no types: every column stays text */
    lh_str compression; /* of the Parquet written: zstd (default), snappy */
} lh_ingest_options;
extern const lh_record lh_ingest_options_record; /* "IngestOptions", also a request record */

typedef struct lh_ingest_task {
    int op;           /* lh_ingest_op */
    lh_str file_name; /* FILE: for the format by its ending */
    lh_ingest_options options;
    lh_str
        output_prefix; /* FILE, WRITE_CHUNKS: path below staging; parts are <prefix>-<n>.parquet */
    uint64_t unpacked_bytes_max; /* a compressed source may not grow past this */
    lh_str base_sql;             /* upsert: SELECT of the rows there are; empty = none */
    lh_str key;                  /* upsert: column */
    lh_list paths;               /* READ_CHUNKS, INSPECT: lh_str, local files */
    bool background;             /* *_CHUNKS: from now on the worker yields to everybody */
} lh_ingest_task;

typedef struct lh_ingest_column {
    lh_str name;      /* unique, as it will be seen */
    lh_str type;      /* DuckDB's spelling: VARCHAR BIGINT DOUBLE BOOLEAN DATE TIMESTAMP ... */
    uint64_t values;  /* not null */
    bool fits_double; /* BIGINT: every value is exactly a DOUBLE */
    uint64_t sampled; /* texts looked at for the counts below */
    uint64_t like_email;
    uint64_t like_phone;
    uint64_t like_ssn;
} lh_ingest_column;
typedef struct lh_ingest_part {
    lh_str path;
    uint64_t rows;
    uint64_t bytes;
} lh_ingest_part;
/* DONE of ingest, all ops. */
typedef struct lh_ingest_done {
    lh_str format; /* what it was, FILE */
    uint64_t rows;
    lh_list parts;    /* lh_ingest_part, in row order */
    lh_list columns;  /* lh_ingest_column */
    lh_list oddities; /* lh_pair_i64: code -> count (long_row, short_row, bad_utf8, ...) */
} lh_ingest_done;

/* Chunk rows in DATA frames, one after another, little-endian; a frame to the worker ends with a
 * whole row:
 *   u32 doc_id bytes, doc_id, u32 chunk_no, u32 text bytes, text, u64 content_hash, u32 dimensions,
 *   f32[dimensions] */

/* ======== embed ======== The domain of its workers says the precision: this and "f32", "bf16" or
 * "int8"; any other domain: the best the machine has. */
#define LH_EMBED_DOMAIN_PREFIX "model-"

/* TASK: texts follow as DATA frames (u32 bytes, text; repeated), closed by
 * an empty DATA. */
typedef struct lh_embed_task {
    uint32_t count; /* texts that follow */
    bool query;     /* a question: models with a prefix for queries use it */
} lh_embed_task;
/* READY of embed carries this. */
typedef struct lh_model_message {
    lh_str model;
    lh_str precision; /* f32 bf16 int8 */
    lh_str kernel;    /* instruction set and revision, "avx2/1" */
    uint32_t dimensions;
    uint32_t tokens_max;
} lh_model_message;
/* DATA frames back: f32[dimensions] per text, in order. DONE of embed. */
typedef struct lh_embed_done {
    uint32_t count;
    uint64_t tokens;
    uint32_t truncated; /* texts longer than tokens_max */
} lh_embed_done;

/* ======== index ======== TASK: descriptor 0: f32[rows][dimensions], a regular file; descriptor 1:
 * an empty file that becomes the segment (vector/vector_index.h). The numbers are those of its
 * enums. PROGRESS while it works. */
typedef struct lh_index_task {
    uint64_t rows;
    uint32_t dimensions;
    uint32_t kind;
    uint32_t metric;
    uint32_t ef_construction;
    uint64_t seed;
    uint32_t threads; /* 0 = those of its setup */
    /* rows from which on a third file keeps finished phases; 0 = the engine's */
    uint64_t keep_from;
} lh_index_task;
/* DONE of index. */
typedef struct lh_index_done {
    uint64_t bytes;
    uint64_t kept_used; /* bytes of an earlier try that were gone on from */
    lh_str kept_trouble;
} lh_index_done;

extern const lh_record lh_setup_record, lh_error_message_record, lh_progress_record,
    lh_sql_task_record, lh_need_views_record, lh_give_views_record, lh_sql_head_record,
    lh_sql_done_record, lh_ingest_task_record, lh_ingest_done_record, lh_embed_task_record,
    lh_model_record, lh_embed_done_record, lh_index_task_record, lh_index_done_record;

#endif
