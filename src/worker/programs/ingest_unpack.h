/* worker/programs/ingest_unpack.h - gzip and zstd uploads to a plain file.
 *
 * Owns:    the file it makes is unlinked already: it is gone when closed or when the worker dies.
 * Threads: one per call.
 * Limits:  opts->unpacked_bytes_max; zstd windows up to 128 MiB (the format's own advice).
 * Formats: RFC 1952 (members one after another), RFC 8878 (frames one after another, skippable ones
 *          skipped).
 * Why:     see ingest_source.h. */
#ifndef LH_WORKER_PROGRAMS_INGEST_UNPACK_H
#define LH_WORKER_PROGRAMS_INGEST_UNPACK_H

#include "worker/programs/ingest_source.h"

typedef enum lh_packing { LH_PACKING_NONE, LH_PACKING_GZIP, LH_PACKING_ZSTD } lh_packing;

lh_packing lh_packing_detect(lh_str head);
/* Errors: LH_E_TOO_LARGE, LH_E_UNPROCESSABLE (byte of the packed file in the message),
 * LH_E_NO_SPACE. */
LH_WARN_UNUSED lh_rc lh_unpack(lh_ctx *cx, const lh_file *packed, lh_packing packing,
                               const lh_source_options *opts, lh_file **ret_file);
/* An empty, unlinked file in that folder. */
LH_WARN_UNUSED lh_rc lh_spill_file_new(lh_ctx *cx, lh_str folder, lh_file **ret_file);

#endif
