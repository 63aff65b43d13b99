/* worker/programs/ingest_file.h - one uploaded file to Parquet: what it is, how it is read, what
 * came of it.
 *
 * Owns:    the result lives in the arena of the context; the descriptor is taken.
 * Threads: one job at a time per environment.
 * Limits:  as the readers.
 * Formats: csv, json, ndjson, parquet, text; gzip and zstd around any of them.
 * Why:     the whole of ingest without frames, so that tests and benches drive it as the program
 *          does. */
#ifndef LH_WORKER_PROGRAMS_INGEST_FILE_H
#define LH_WORKER_PROGRAMS_INGEST_FILE_H

#include "worker/programs/ingest_write.h"

/* What a file is: by what was said, its first bytes, its name (without .gz, .zst), its content.
 * Errors: LH_E_UNSUPPORTED_MEDIA for known formats that are not read (PDF, spreadsheets,
 * images). */
LH_WARN_UNUSED lh_rc lh_ingest_detect(lh_ctx *cx, const lh_source *source,
                                      const lh_ingest_task *task, lh_ingest_format *ret_format);
/* The name without .gz, .zst and the like. */
lh_str lh_ingest_plain_name(lh_str name);
/* Runs op FILE. fd is taken. Errors: those of the readers, LH_E_UNPROCESSABLE, LH_E_TOO_LARGE,
 * LH_E_CANCELLED. */
LH_WARN_UNUSED lh_rc lh_ingest_file(lh_ctx *cx, lh_ingest_env *env, const lh_ingest_task *task,
                                    int fd, lh_ingest_done *ret_done);
/* Runs op INSPECT. */
LH_WARN_UNUSED lh_rc lh_ingest_inspect(lh_ctx *cx, lh_ingest_env *env, const lh_ingest_task *task,
                                       lh_ingest_done *ret_done);

#endif
