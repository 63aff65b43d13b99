/* worker/programs/ingest_names.h - column names people wrote to names a table can have.
 *
 * Owns:    the names live in the arena of the context.
 * Threads: one at a time.
 * Limits:  LH_COLUMNS_MAX names of LH_COLUMN_NAME_BYTES_MAX bytes.
 * Formats: UTF-8 without control characters; unique without regard to ASCII case, as SQL compares
 *          them.
 * Why:     duplicate and empty names are common in real files, and a column must not be lost for
 *          its name. */
#ifndef LH_WORKER_PROGRAMS_INGEST_NAMES_H
#define LH_WORKER_PROGRAMS_INGEST_NAMES_H

#include "base/ctx.h"

#define LH_COLUMNS_MAX           4096u
#define LH_COLUMN_NAME_BYTES_MAX 200u

typedef struct lh_names {
    lh_str *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; /* open addressing over the folded names; 0 = free, else index + 1 */
    uint32_t slots_count;
    uint64_t changed; /* names that are not as written */
} lh_names;

/* Room for names_max names. */
LH_WARN_UNUSED lh_rc lh_names_init(lh_ctx *cx, lh_names *names, size_t names_max);
/* Adds a name: trimmed, cleaned and cut; empty becomes column_<number>; taken ones get _2, _3,
 * ... */
LH_WARN_UNUSED lh_rc lh_names_add(lh_ctx *cx, lh_names *names, lh_str wanted);
/* The index of a name without regard to case, or UINT32_MAX. */
uint32_t lh_names_find(const lh_names *names, lh_str name);

#endif
