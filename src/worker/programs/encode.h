/* worker/programs/encode.h - rows of a result as the client asked for them: JSON, NDJSON, CSV,
 * Arrow IPC stream.
 *
 * Owns:    an encoder owns its scratch buffers; columns are borrowed for its life.
 * Threads: one.
 * Limits:  one value's text LH_ENCODE_VALUE_BYTES_MAX.
 * Formats: json, json_arrays: rows joined by commas, no brackets around them. ndjson: one object
 *          per line. csv: RFC 4180 with a header line, CRLF; null is empty, an empty text is "".
 *          arrow: IPC stream, metadata version 5. Numbers: shortest text that reads back; NaN and
 *          infinities are null in JSON and NaN, inf, -inf in CSV. BLOB is base64 in text formats;
 *          nested values are JSON; a UNION is its member's value; dates and times as in sql_text.c.
 *          Arrow: HUGEINT is decimal128(38,0); UHUGEINT, UUID, BIT, TIME WITH TIME ZONE, ENUM and
 *          UNION are text; INTERVAL is month_day_nano.
 * Why:     the worker encodes, the server passes bytes on: it never parses a row. */
#ifndef LH_WORKER_PROGRAMS_ENCODE_H
#define LH_WORKER_PROGRAMS_ENCODE_H

#include "base/buf.h"
#include "worker/messages.h"
#include "worker/programs/sql_column.h"

#define LH_ENCODE_VALUE_BYTES_MAX (512u * 1024u * 1024u)

enum {
    LH_ENCODE_BIG_INTS_AS_TEXT = 1
}; /* JSON: integers and decimals a double cannot hold as strings */

typedef struct lh_encoder lh_encoder;
typedef struct lh_encoder_format {
    lh_rc (*begin)(lh_ctx *cx, lh_encoder *encoder, lh_buf *out);
    lh_rc (*rows)(lh_ctx *cx, lh_encoder *encoder, idx_t from, idx_t count, lh_buf *out);
    lh_rc (*end)(lh_ctx *cx, lh_encoder *encoder, lh_buf *out);
    void (*done)(lh_encoder *encoder);
} lh_encoder_format;

/* Appends one value in the format's way; never called for a NULL. */
typedef lh_rc (*lh_cell_writer)(lh_ctx *cx, lh_encoder *encoder, const lh_column *column, idx_t row,
                                lh_buf *out);

struct lh_encoder {
    const lh_encoder_format *format;
    const lh_column *columns;
    size_t columns_count;
    uint32_t flags;
    int rows_begun;         /* a row was written: the next one needs a comma */
    lh_cell_writer *cells;  /* one per column, text formats */
    lh_str *before;         /* JSON objects: what stands before each value, {"a": or ,"b": */
    lh_buf scratch;         /* CSV: a nested value before it is quoted */
    struct lh_arrow *arrow; /* encode_arrow.c */
};

/* columns must be bound to a chunk before rows() and stay as they are. In the arena of cx but for
 * buffers: call lh_encoder_done. */
LH_WARN_UNUSED lh_rc lh_encoder_init(lh_ctx *cx, lh_encoder *encoder, lh_sql_format format,
                                     const lh_column *columns, size_t count, uint32_t flags);
void lh_encoder_done(lh_encoder *encoder); /* safe on a zeroed encoder */
LH_DEFINE_CLEANUP_VALUE(lh_encoder, lh_encoder_done)
/* The beginning (CSV header, Arrow schema), rows [from, from + count) of the bound chunk, and the
 * end. */
LH_WARN_UNUSED lh_rc lh_encoder_begin(lh_ctx *cx, lh_encoder *encoder, lh_buf *out);
LH_WARN_UNUSED lh_rc lh_encoder_rows(lh_ctx *cx, lh_encoder *encoder, idx_t from, idx_t count,
                                     lh_buf *out);
LH_WARN_UNUSED lh_rc lh_encoder_end(lh_ctx *cx, lh_encoder *encoder, lh_buf *out);

/* Shared by the formats. */
LH_WARN_UNUSED lh_rc lh_encode_json_value(lh_ctx *cx, lh_encoder *encoder, const lh_column *column,
                                          idx_t row, lh_buf *out); /* nulls too */
LH_WARN_UNUSED lh_rc lh_encode_json_text(lh_ctx *cx, lh_str text,
                                         lh_buf *out); /* quoted and escaped */
LH_WARN_UNUSED lh_rc lh_encode_base64(lh_ctx *cx, lh_str bytes, lh_buf *out);
LH_WARN_UNUSED lh_rc lh_encode_bits(lh_ctx *cx, lh_str bytes, lh_buf *out); /* of a BIT: 0101 */
lh_str lh_encode_label(const lh_column *column, idx_t row);                 /* of an ENUM */

extern const lh_encoder_format lh_encoder_json, lh_encoder_json_arrays, lh_encoder_ndjson,
    lh_encoder_csv, lh_encoder_arrow;

#endif
