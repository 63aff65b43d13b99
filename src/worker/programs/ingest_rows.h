/* worker/programs/ingest_rows.h - what readers of rows and the Parquet writer agree on.
 *
 * Owns:    a plan (schema and parts) is plain data in the arena of the job.
 * Threads: a plan is read by all; a part belongs to the thread that runs it; counters are atomic.
 * Limits:  LH_COLUMNS_MAX columns, LH_PARTS_MAX parts.
 * Formats: none.
 * Why:     CSV, JSON and text differ only in how they fill a batch. */
#ifndef LH_WORKER_PROGRAMS_INGEST_ROWS_H
#define LH_WORKER_PROGRAMS_INGEST_ROWS_H

#include "worker/programs/ingest_batch.h"
#include "worker/programs/ingest_names.h"
#include "worker/programs/ingest_source.h"

#define LH_PARTS_MAX 1024u
/* From so many columns on a table is wide: its batches are large in the engine, so they must be
 * full and one at a time. */
#define LH_WIDE_COLUMNS      300u
#define LH_WIDE_WINDOW_BYTES (12u * 1024 * 1024)

/* What was found and taken as it is. To add one: a row here; the wire code goes to DONE and to the
 * reply. */
/* clang-format off */
#define LH_ODDITY_LIST(X)                                                                         \
    X(LONG_ROW,       "long_row")       /* more fields than columns: the rest is in _extra */      \
    X(SHORT_ROW,      "short_row")      /* fewer fields than columns: null */                      \
    X(BLANK_LINE,     "blank_line")     /* skipped */                                              \
    X(BAD_UTF8,       "bad_utf8")       /* values with bytes that were read as Latin-1 */          \
    X(LONE_SURROGATE, "lone_surrogate") /* became U+FFFD */                                        \
    X(NULL_TEXT,      "null_text")      /* NULL, N/A, - ... in a typed column: null */             \
    X(STRAY_QUOTE,    "stray_quote")    /* values with quotes that do not fit: kept as written */  \
    X(MALFORMED_LINE, "malformed_line") /* not JSON: the line is in _malformed */                  \
    X(DUPLICATE_KEY,  "duplicate_key")  /* of one JSON object: the last one is kept */             \
    X(RENAMED_COLUMN, "renamed_column") /* empty, duplicate or unprintable name */                 \
    X(CAST_COLUMN,    "cast_column")    /* Parquet type that tables do not have: widened */        \
    X(DUPLICATE_ROW_KEY, "duplicate_row_key") /* upsert: an earlier row of the same key in the file */
/* clang-format on */
typedef enum lh_oddity {
#define LH_ODDITY_ENUM(symbol, code) LH_ODD_##symbol,
    LH_ODDITY_LIST(LH_ODDITY_ENUM)
#undef LH_ODDITY_ENUM
        LH_ODD_COUNT
} lh_oddity;
typedef struct lh_oddities {
    uint64_t counts[LH_ODD_COUNT];
} lh_oddities;
const char *lh_oddity_code(lh_oddity oddity);
void lh_oddities_add(lh_oddities *into, const lh_oddities *other);

/* A contiguous range of the source: records that begin in [begin, end). */
typedef struct lh_rows_part {
    uint64_t begin;      /* of its first record; a guess until the part before has been read */
    uint64_t end;        /* where the next part begins, nominally */
    uint64_t actual_end; /* begin of the first record not in this part; set by reading */
    uint64_t first_row;  /* for readers that number their rows */
    uint64_t rows;
    lh_oddities oddities;
    bool
        /* a value did not fit the plan's types: the plan must be made again from a full scan */
        unfit;
} lh_rows_part;

typedef struct lh_rows_column {
    lh_str name;
    lh_cell_type type;
    bool untyped; /* only nulls were seen when the plan was made: a value makes the plan unfit */
} lh_rows_column;

typedef struct lh_rows_plan lh_rows_plan;

/* How a format is read. open may read; fill adds rows to an empty batch, none at the end of the
 * part or when unfit. */
typedef struct lh_rows_format {
    const char *name; /* "csv" */
    lh_rc (*open)(lh_ctx *cx, const lh_rows_plan *plan, lh_rows_part *part, void **ret_reader);
    lh_rc (*fill)(lh_ctx *cx, void *reader, lh_batch *batch);
    uint64_t (*position)(const void *reader); /* in the source, for progress */
    void (*close)(void *reader);
} lh_rows_format;

struct lh_rows_plan {
    const lh_rows_format *format;
    const lh_source *source;
    const void *layout; /* the format's own: lh_csv_layout, lh_json_layout, lh_plain_layout */
    lh_rows_column *columns;
    uint32_t columns_count;
    lh_rows_part *parts;
    uint32_t parts_count;
    uint64_t row_bytes; /* rough mean of one row in the source, for row groups; 0 = not known */
};

/* Bytes a reader's window should hold so that a batch of this plan is full; 0 = as usual. */
static inline size_t lh_rows_window_bytes(const lh_rows_plan *plan)
{
    uint64_t bytes = plan->row_bytes * LH_BATCH_ROWS_MAX * 5 / 4;
    return plan->columns_count < LH_WIDE_COLUMNS
               ? 0
               : (size_t)LH_MIN(bytes, (uint64_t)LH_WIDE_WINDOW_BYTES);
}

/* Equal ranges over [begin, end), at least bytes_min each, a multiple of threads when there are
 * several. Only the nominal bounds are set. */
LH_WARN_UNUSED lh_rc lh_rows_cut(lh_ctx *cx, uint64_t begin, uint64_t end, uint32_t threads,
                                 lh_rows_plan *plan);

#endif
