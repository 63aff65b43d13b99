/* base/json_write.h - streaming JSON writer: constant memory, commas and escapes never by hand.
 *
 * Owns:    nothing: writes into a borrowed buffer, which it may hand to a flush function when it is
 *          long.
 * Threads: one per writer.
 * Limits:  nesting LH_JSON_WRITE_DEPTH - 1; the buffer's own maximum when there is no flush. With
 *          one, a text or raw value of any size fits; flush_bytes is a quarter of the buffer's
 *          maximum, at most 64 KiB.
 * Formats: RFC 8259; NaN and infinities become null; strings must be UTF-8 (bad bytes become
 *          U+FFFD).
 * Why:     errors stick: write everything, ask once with lh_jw_end. */
#ifndef LH_BASE_JSON_WRITE_H
#define LH_BASE_JSON_WRITE_H

#include "base/buf.h"

#define LH_JSON_WRITE_DEPTH 64

/* Takes the bytes (all of them); called when the buffer is longer than flush_bytes and at the
 * end. */
typedef lh_rc (*lh_jw_flush)(lh_ctx *cx, void *arg, lh_str bytes);

typedef struct lh_json_writer {
    lh_ctx *cx;
    lh_buf *out;
    lh_jw_flush flush;
    void *flush_arg;
    size_t flush_bytes;
    lh_rc rc;
    uint32_t depth;
    uint64_t has_item; /* bit per level: a comma is due */
    uint8_t after_key;
    uint8_t pretty; /* two-space indent */
} lh_json_writer;

void lh_jw_init(lh_json_writer *w, lh_ctx *cx, lh_buf *out);
void lh_jw_init_flush(lh_json_writer *w, lh_ctx *cx, lh_buf *out, lh_jw_flush flush, void *arg);
LH_WARN_UNUSED lh_rc
lh_jw_end(lh_json_writer *w); /* flushes; the first error of all calls. Nesting must be closed. */

void lh_jw_object_begin(lh_json_writer *w);
void lh_jw_object_end(lh_json_writer *w);
void lh_jw_array_begin(lh_json_writer *w);
void lh_jw_array_end(lh_json_writer *w);
void lh_jw_key(lh_json_writer *w, lh_str key);
void lh_jw_str(lh_json_writer *w, lh_str text);
void lh_jw_i64(lh_json_writer *w, int64_t value);
void lh_jw_u64(lh_json_writer *w, uint64_t value);
void lh_jw_f64(lh_json_writer *w, double value);
void lh_jw_bool(lh_json_writer *w, int value);
void lh_jw_null(lh_json_writer *w);
void lh_jw_time(lh_json_writer *w, int64_t real_us); /* RFC 3339 text */
void lh_jw_raw(lh_json_writer *w, lh_str json);      /* a finished JSON value */

/* Key and value in one. */
void lh_jw_kv_str(lh_json_writer *w, lh_str key, lh_str text);
void lh_jw_kv_i64(lh_json_writer *w, lh_str key, int64_t value);
void lh_jw_kv_u64(lh_json_writer *w, lh_str key, uint64_t value);
void lh_jw_kv_f64(lh_json_writer *w, lh_str key, double value);
void lh_jw_kv_bool(lh_json_writer *w, lh_str key, int value);
void lh_jw_kv_null(lh_json_writer *w, lh_str key);

/* Appends text as a quoted JSON string; for encoders that need no writer state. */
LH_WARN_UNUSED lh_rc lh_json_escape(lh_ctx *cx, lh_buf *out, lh_str text);

#endif
