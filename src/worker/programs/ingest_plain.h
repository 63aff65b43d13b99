/* worker/programs/ingest_plain.h - text files as rows: documents whole, logs by line.
 *
 * Owns:    nothing.
 * Threads: as rows.
 * Limits:  a document row holds at most LH_PLAIN_ROW_BYTES; longer documents are cut at a blank
 *          line, else a line end, else a character, so the rows put together give the file.
 * Formats: documents: file_name VARCHAR, part_no BIGINT (from 1), text VARCHAR; logs: file_name,
 *          line_no, text.
 * Why:     a search wants a document in one piece, a query over a log wants lines. */
#ifndef LH_WORKER_PROGRAMS_INGEST_PLAIN_H
#define LH_WORKER_PROGRAMS_INGEST_PLAIN_H

#include "worker/programs/ingest_rows.h"

#define LH_PLAIN_ROW_BYTES (1024u * 1024)

typedef struct lh_plain_layout {
    lh_str file_name;
    bool lines;
} lh_plain_layout;

/* One part over the whole source; layout is borrowed by the plan. */
LH_WARN_UNUSED lh_rc lh_plain_plan(lh_ctx *cx, const lh_source *source,
                                   const lh_plain_layout *layout, lh_rows_plan *plan);
extern const lh_rows_format lh_plain_rows_format;

#endif
