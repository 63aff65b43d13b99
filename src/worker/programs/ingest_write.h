/* worker/programs/ingest_write.h - a plan's rows to Parquet parts, side by side.
 *
 * Owns:    a job lives on the stack of lh_write_rows; files that are not reported are removed.
 * Threads: env->threads connections, a part each; lh_write_rows is called by one thread.
 * Limits:  LH_PARTS_MAX parts.
 * Formats: <prefix>-<n>.parquet, n from 0 in row order.
 * Why:     parts begin at guessed places and are checked against each other afterwards, so nobody
 *          waits. */
#ifndef LH_WORKER_PROGRAMS_INGEST_WRITE_H
#define LH_WORKER_PROGRAMS_INGEST_WRITE_H

#include "worker/programs/ingest_engine.h"

typedef struct lh_write_options {
    lh_str output_prefix; /* as in the task */
    lh_str compression;
} lh_write_options;

typedef struct lh_written {
    lh_ingest_part *parts; /* in the arena; without empty ones, but at least one */
    lh_str *paths;         /* absolute, same order */
    uint32_t parts_count;
    uint64_t rows;
    lh_oddities oddities;
    bool
        /* a value did not fit the plan: nothing is left of the files; scan all and write again */
        unfit;
} lh_written;

/* The table function lh_rows(part), once per environment. */
LH_WARN_UNUSED lh_rc lh_write_register(lh_ctx *cx, lh_ingest_env *env);
LH_WARN_UNUSED lh_rc lh_write_rows(lh_ctx *cx, lh_ingest_env *env, lh_rows_plan *plan,
                                   const lh_write_options *opts, lh_written *ret_written);
/* Removes files of a job that failed later. */
void lh_written_remove(lh_ctx *cx, const lh_written *written);

#endif
