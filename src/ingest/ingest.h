/* ingest/ingest.h - a staged file becomes one commit of a dataset, as a job.
 *
 * Owns:    the inbox watcher; staged files that were handed over.
 * Threads: all functions from any thread; each ingest runs on a job thread.
 * Limits:  options; a compressed source may not unpack past unpacked_bytes_max.
 * Formats: CSV/TSV, JSON array, NDJSON, Parquet, text, each plain, .gz or .zst
 *          (docs/internals/ingest.md).
 * Why:     one road for uploads and the inbox (databases come later on it): hash, dedup, worker,
 *          publish, commit. */
#ifndef LH_INGEST_INGEST_H
#define LH_INGEST_INGEST_H

#include "catalog/catalog.h"
#include "jobs/jobs.h"
#include "worker/pool.h"

typedef struct lh_ingest lh_ingest;

typedef struct lh_ingest_settings {
    uint64_t unpacked_bytes_max;
    int64_t task_timeout_us; /* of one file in the worker */
} lh_ingest_settings;

/* All borrowed. */
LH_WARN_UNUSED lh_rc lh_ingest_open(lh_ctx *cx, lh_catalog *catalog, lh_pool *pool, lh_jobs *jobs,
                                    const lh_ingest_settings *settings, lh_ingest **ret_ingest);
lh_ingest *lh_ingest_close(lh_ingest *ingest);

typedef enum lh_ingest_mode {
    LH_INGEST_REPLACE,
    LH_INGEST_APPEND,
    LH_INGEST_UPSERT
} lh_ingest_mode;
extern const char *const lh_ingest_mode_names[]; /* replace append upsert */

typedef struct lh_ingest_request {
    lh_str dataset; /* empty = from the file's name */
    int mode;       /* lh_ingest_mode */
    lh_str key;     /* upsert: row key column; empty = the dataset's row key */
    lh_ingest_options options;
    lh_str file_name;     /* last component only is used */
    lh_str bucket;        /* "primary" */
    lh_str source_system; /* "file", "inbox" */
    lh_str sha256;        /* hex of the source as it arrived */
    const struct lh_principal *principal;
    lh_str actor; /* for the journal */
} lh_ingest_request;

/* The job's result. */
typedef struct lh_ingest_result {
    lh_str job_id;
    lh_str state;
    lh_str dataset;
    uint64_t commit;
    uint64_t rows;
    uint64_t bytes;   /* of the source */
    lh_list columns;  /* lh_ingest_result_column */
    lh_list oddities; /* lh_pair_i64 */
    bool duplicate;   /* the same bytes are already in: nothing was done */
} lh_ingest_result;
typedef struct lh_ingest_result_column {
    lh_str name;
    lh_str type;
    int32_t field_id;
    lh_list pii; /* lh_str */
} lh_ingest_result_column;
extern const lh_record lh_ingest_result_record;

/* Copies a file of this machine into staging; its hash (hex, arena) for the request. */
LH_WARN_UNUSED lh_rc lh_ingest_stage_file(lh_ctx *cx, lh_ingest *ingest, lh_str path,
                                          lh_staged **ret_staged, lh_str *ret_sha256);
/* Starts the job and takes the staged source (on success). Texts are copied. Errors: LH_E_BAD_NAME,
 * LH_E_BAD_VALUE, LH_E_POOL_FULL. The job's errors: LH_E_UNPROCESSABLE, LH_E_TOO_LARGE,
 * LH_E_MEMORY_LIMIT, LH_E_NO_SPACE, ... */
LH_WARN_UNUSED lh_rc lh_ingest_start(lh_ctx *cx, lh_ingest *ingest, lh_staged *source,
                                     const lh_ingest_request *request, lh_str *ret_job_id);

/* ---- footers: what the files of a snapshot say about themselves ---- */
typedef struct lh_footers {
    uint64_t rows;
    uint64_t *file_rows; /* by file of the manifest */
    size_t files_count;
    lh_column *columns; /* of the files, when all have one schema; else count 0 */
    size_t columns_count;
} lh_footers;
/* Reads every footer in a worker. LH_E_UNPROCESSABLE (a file that is not Parquet), LH_E_NOT_FOUND
 * (a file is gone). */
LH_WARN_UNUSED lh_rc lh_ingest_read_footers(lh_ctx *cx, lh_ingest *ingest,
                                            const lh_snapshot *snapshot, lh_footers *ret_footers);
int lh_footers_differ(const lh_footers *footers, const lh_manifest *manifest);
/* For a commit's build function: sets rows, and the columns where the files have one schema.
 * LH_E_CONFLICT when next has other files. */
LH_WARN_UNUSED lh_rc lh_footers_apply(lh_ctx *cx, const lh_footers *footers, lh_manifest *next);

/* ---- inbox ---- */
typedef struct lh_inbox lh_inbox;
typedef struct lh_inbox_options {
    lh_str folder;   /* with processed/ and failed/, made when absent */
    int64_t poll_us; /* a file is taken when it did not change between two looks */
    const struct lh_principal *principal;
} lh_inbox_options;
LH_WARN_UNUSED lh_rc lh_inbox_open(lh_ctx *cx, lh_ingest *ingest, const lh_inbox_options *opts,
                                   lh_inbox **ret_inbox);
lh_inbox *lh_inbox_close(lh_inbox *inbox);

#endif
