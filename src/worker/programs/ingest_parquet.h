/* worker/programs/ingest_parquet.h - other people's Parquet, read once in the sandbox and written
 * as ours.
 *
 * Owns:    nothing.
 * Threads: one at a time.
 * Limits:  the worker's.
 * Formats: any Parquet the engine reads; nested types stay, types that tables do not have are cast
 *          to wider ones.
 * Why:     hostile files are parsed here and never stored; what is stored was written by our own
 *          engine. */
#ifndef LH_WORKER_PROGRAMS_INGEST_PARQUET_H
#define LH_WORKER_PROGRAMS_INGEST_PARQUET_H

#include "worker/programs/ingest_write.h"

/* Rewrites the file at path as one part. Errors: LH_E_UNPROCESSABLE (not Parquet, damaged, lies
 * about its rows). */
LH_WARN_UNUSED lh_rc lh_parquet_rewrite(lh_ctx *cx, lh_ingest_env *env, lh_str path,
                                        const lh_write_options *opts, lh_written *ret_written);
/* The type a column of that type is stored as, as SQL; empty when it stays as it is. Pure. */
LH_WARN_UNUSED lh_rc lh_parquet_target_type(lh_ctx *cx, duckdb_logical_type type, lh_str *ret_sql);
/* A copy of an open source that the engine can open by name, in the spill folder; the caller
 * removes it. */
LH_WARN_UNUSED lh_rc lh_parquet_spill(lh_ctx *cx, const lh_ingest_env *env, const lh_source *source,
                                      lh_str *ret_path);

#endif
