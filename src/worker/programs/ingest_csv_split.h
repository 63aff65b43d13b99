/* worker/programs/ingest_csv_split.h - one record of a CSV file to its fields, whatever people's
 * programs wrote.
 *
 * Owns:    a record owns its array of fields; the fields borrow from the text.
 * Threads: one per record.
 * Limits:  LH_CSV_QUOTED_BYTES_MAX of one quoted field; LH_CSV_FIELDS_MAX fields, the last one
 *          takes the rest.
 * Formats: RFC 4180 and what is found beside it, below.
 * Why:     every byte of the input is in exactly one field, a separator or a line end: nothing is
 *          lost (A16).
 *
 * Rules. A field that begins with the quote runs to the quote that a separator, a line end or the
 * end of the file follows; doubled quotes inside are one. When something else follows a closing
 * quote:
 *   - within one line: the whole is taken as written, up to the next separator ("5" pipe);
 *   - after a line end inside: the opening quote was a stray one, the field is read again without
 *     it.
 * The same when no closing quote comes before the end of the file or the limit. So a stray quote
 * costs one line. Runs of quotes make both readings agree soon, so the work stays linear. */
#ifndef LH_WORKER_PROGRAMS_INGEST_CSV_SPLIT_H
#define LH_WORKER_PROGRAMS_INGEST_CSV_SPLIT_H

#include "base/ctx.h"

#include <stdbool.h>

#define LH_CSV_QUOTED_BYTES_MAX (16u * 1024 * 1024)
#define LH_CSV_FIELDS_MAX       65536u
#define LH_CSV_SLACK            16 /* readable bytes behind the text, any value */

typedef struct lh_csv_dialect {
    char delimiter;
    char quote;   /* 0 = none */
    char newline; /* '\n' (one '\r' before it belongs to it) or '\r' */
} lh_csv_dialect;

enum {
    LH_CSV_QUOTED = 1,    /* text is what stands between the quotes */
    LH_CSV_DOUBLED = 2,   /* with doubled quotes still in it */
    LH_CSV_NOT_ASCII = 4, /* has bytes above 0x7F */
    LH_CSV_STRAY = 8      /* a quote that does not fit: text is as written */
};

typedef struct lh_csv_field {
    const char *ptr;
    uint32_t len;
    uint32_t flags;
} lh_csv_field;

typedef struct lh_csv_record {
    lh_csv_field *fields; /* owned */
    uint32_t count;
    uint32_t capacity;
    size_t bytes; /* with its line end */
} lh_csv_record;

typedef enum lh_csv_status {
    LH_CSV_RECORD, /* a whole record */
    LH_CSV_MORE,   /* the text ends inside the record and more of the file follows */
    LH_CSV_END,    /* no text */
    LH_CSV_NO_MEMORY
} lh_csv_status;

void lh_csv_record_done(lh_csv_record *record);
LH_DEFINE_CLEANUP_VALUE(lh_csv_record, lh_csv_record_done)

typedef enum lh_csv_end { LH_CSV_MORE_FOLLOWS, LH_CSV_LAST_TEXT } lh_csv_end;
/* text is followed by LH_CSV_SLACK readable bytes. */
LH_WARN_UNUSED lh_csv_status lh_csv_split(const lh_csv_dialect *dialect, lh_str text,
                                          lh_csv_end end, lh_csv_record *record);
/* An empty line: one field, empty, without quotes. */
static inline bool lh_csv_blank(const lh_csv_record *record)
{
    return record->count == 1 && record->fields[0].len == 0 &&
           (record->fields[0].flags & LH_CSV_QUOTED) == 0;
}
/* Copies a LH_CSV_DOUBLED field with single quotes; out has room for field->len. Returns the
 * length. */
size_t lh_csv_undouble(const lh_csv_field *field, char quote, char *out);

#endif
