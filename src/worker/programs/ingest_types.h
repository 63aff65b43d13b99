/* worker/programs/ingest_types.h - which type a text is, by round-trip, and its value.
 *
 * Owns:    nothing.
 * Threads: pure functions.
 * Limits:  BIGINT from text has at most 14 digits; DOUBLE at most 17 significant ones; years
 *          0001..9999.
 * Formats: the table in docs/internals/ingest.md.
 * Why:     a value is typed only when nothing is lost by it; ids, phones and postal codes stay text
 *          (contract A16). */
#ifndef LH_WORKER_PROGRAMS_INGEST_TYPES_H
#define LH_WORKER_PROGRAMS_INGEST_TYPES_H

#include "base/ctx.h"

#include <stdbool.h>

typedef enum lh_cell_type {
    LH_CELL_VARCHAR,
    LH_CELL_BIGINT,
    LH_CELL_DOUBLE,
    LH_CELL_BOOLEAN,
    LH_CELL_DATE,        /* int32 days since 1970-01-01 */
    LH_CELL_TIMESTAMP,   /* int64 microseconds, no zone */
    LH_CELL_TIMESTAMPTZ, /* int64 microseconds UTC */
    LH_CELL_TYPE_COUNT
} lh_cell_type;

const char *lh_cell_type_name(lh_cell_type type); /* DuckDB's spelling */

/* A set of types: bit 1 << lh_cell_type. VARCHAR is always possible and has no bit. */
typedef uint8_t lh_type_mask;
#define LH_TYPE_BIT(type) ((lh_type_mask)(1u << (type)))
#define LH_TYPE_MASK_ALL  ((lh_type_mask)(((1u << LH_CELL_TYPE_COUNT) - 1) & ~1u))
#define LH_TYPE_MASK_NONE ((lh_type_mask)0)

/* The types a text of a CSV field round-trips through. Empty text: none (the caller treats it as
 * null). */
lh_type_mask lh_cell_mask(lh_str text);
/* Dates and times only: for strings of JSON, whose writer could have said number or boolean. */
lh_type_mask lh_cell_mask_of_string(lh_str text);
/* A JSON number: integers of any int64 are exact; DOUBLE when the digits survive. */
lh_type_mask lh_cell_mask_of_number(lh_str text);

/* Whole-text conversions; false when the text is not of that type (then *ret is unspecified). */
LH_WARN_UNUSED bool lh_cell_bigint(lh_str text, int64_t *ret);
LH_WARN_UNUSED bool lh_cell_double(lh_str text, double *ret);
LH_WARN_UNUSED bool lh_cell_boolean(lh_str text, uint8_t *ret);
LH_WARN_UNUSED bool lh_cell_date(lh_str text, int32_t *ret_days);
/* type is LH_CELL_TIMESTAMP (no zone may follow) or LH_CELL_TIMESTAMPTZ (a zone must follow). */
LH_WARN_UNUSED bool lh_cell_timestamp(lh_str text, lh_cell_type type, int64_t *ret_us);

/* A spelling of "no value" (NULL, N/A, NA, none, nan, -, ...): null in typed columns, text in text
 * columns. */
LH_WARN_UNUSED bool lh_cell_null_spelling(lh_str text);

/* What is known of one column after some rows. */
typedef struct lh_column_guess {
    lh_type_mask mask; /* of all values so far */
    bool has_value;    /* a value that is neither empty nor a null spelling was seen */
} lh_column_guess;
#define LH_COLUMN_GUESS_INIT ((lh_column_guess){LH_TYPE_MASK_ALL, false})

static inline void lh_column_guess_merge(lh_column_guess *into, lh_column_guess other)
{
    into->mask &= other.mask;
    into->has_value |= other.has_value;
}
/* The type of the column: the strictest one left; VARCHAR without values. */
lh_cell_type lh_column_guess_type(lh_column_guess guess);

#endif
