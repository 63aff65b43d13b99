/* worker/programs/ingest_upsert.h - new rows over the rows there are, as a full new base.
 *
 * Owns:    nothing; the parts of the new rows are removed when the base stands.
 * Threads: one at a time.
 * Limits:  the keys of the new rows are held (and spilled) by the engine.
 * Formats: part 0 = kept rows of the base in their order, part 1 = the new rows in theirs.
 * Why:     the last row of a key in the file wins; rows without a key are appended, never
 *          matched. */
#ifndef LH_WORKER_PROGRAMS_INGEST_UPSERT_H
#define LH_WORKER_PROGRAMS_INGEST_UPSERT_H

#include "worker/programs/ingest_write.h"

typedef struct lh_upsert {
    lh_str base_sql; /* SELECT; empty = there is no base yet */
    lh_str key;      /* column, in any case */
} lh_upsert;

/* Merges the written rows with the base. LH_E_BAD_VALUE (field key) when the new rows or the base
 * lack the column. */
LH_WARN_UNUSED lh_rc lh_upsert_merge(lh_ctx *cx, lh_ingest_env *env, const lh_upsert *upsert,
                                     const lh_written *fresh, const lh_write_options *opts,
                                     lh_written *ret_written);

#endif
