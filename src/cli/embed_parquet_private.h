/* cli/embed_parquet_private.h - rows of vectors to one Parquet file, through a worker.
 *
 * Owns:    a pool with one ingest worker, a scratch folder beside the file that is made.
 * Threads: one.
 * Limits:  a row is at most one frame.
 * Formats: as the parts of an index (worker/messages.h).
 * Why:     the engine that writes Parquet lives in workers only; rows stream through it, so the
 *          file may be larger than memory. */
#ifndef LH_CLI_EMBED_PARQUET_PRIVATE_H
#define LH_CLI_EMBED_PARQUET_PRIVATE_H

#include "base/ctx.h"

typedef struct lhi_parquet lhi_parquet;
typedef struct lhi_parquet_row {
    lh_str id;
    lh_str text;
    const float *vector;
    uint32_t dimensions;
} lhi_parquet_row;

/* LH_E_ALREADY_EXISTS */
LH_WARN_UNUSED lh_rc lhi_parquet_open(lh_ctx *cx, lh_str path, lhi_parquet **ret_parquet);
LH_WARN_UNUSED lh_rc lhi_parquet_add(lh_ctx *cx, lhi_parquet *parquet, const lhi_parquet_row *row);
/* The file is there when it returns LH_OK. */
LH_WARN_UNUSED lh_rc lhi_parquet_finish(lh_ctx *cx, lhi_parquet *parquet);
lhi_parquet *lhi_parquet_close(lhi_parquet *parquet); /* NULL ok; returns NULL */

#endif
