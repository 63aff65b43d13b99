/* json_write.c - the streaming writer. The first error sticks and turns every later call into
 * nothing, so callers write straight on and ask once. */
#include "base/json_write.h"

#include "base/clock.h"
#include "base/json_scan_private.h"
#include "base/num.h"

#include <math.h>

enum { FLUSH_BYTES_DEFAULT = 64 * 1024, SLICE_BYTES_MAX = 16 * 1024, INDENT_SPACES = 2 };

void lh_jw_init(lh_json_writer *w, lh_ctx *cx, lh_buf *out)
{
    *w = (lh_json_writer){.cx = cx, .out = out, .rc = LH_OK};
}

void lh_jw_init_flush(lh_json_writer *w, lh_ctx *cx, lh_buf *out, lh_jw_flush flush, void *arg)
{
    lh_jw_init(w, cx, out);
    w->flush = flush;
    w->flush_arg = arg;
    w->flush_bytes = LH_MIN((size_t)FLUSH_BYTES_DEFAULT, out->bytes_max / 4);
}

static void flush_now(lh_json_writer *w)
{
    if (w->rc == LH_OK && w->out->len > 0)
        w->rc = w->flush(w->cx, w->flush_arg, lh_buf_str(w->out));
    lh_buf_truncate(w->out, 0);
}

static inline void flush_when_long(lh_json_writer *w)
{
    if (w->flush != NULL && w->out->len > w->flush_bytes)
        flush_now(w);
}

/* A long text is written and flushed in pieces: even if every byte of one becomes an escape of six,
 * a piece fits behind what flush_bytes lets stand, in a buffer of four times flush_bytes. */
static size_t slice_bytes(const lh_json_writer *w)
{
    return LH_MAX((size_t)16, LH_MIN((size_t)SLICE_BYTES_MAX, w->flush_bytes / 4));
}

lh_rc lh_jw_end(lh_json_writer *w)
{
    lh_assert(w->rc != LH_OK || (w->depth == 0 && !w->after_key));
    if (w->flush != NULL && w->rc == LH_OK)
        flush_now(w);
    return w->rc;
}

static inline void put(lh_json_writer *w, lh_str text)
{
    if (LH_LIKELY(w->rc == LH_OK))
        w->rc = lh_buf_append(w->cx, w->out, text);
}

static void put_line_break(lh_json_writer *w)
{
    static const char spaces[] = "                                ";
    put(w, LH_S("\n"));
    for (size_t left = (size_t)w->depth * INDENT_SPACES; left > 0;) {
        size_t now = LH_MIN(left, sizeof(spaces) - 1);
        put(w, (lh_str){spaces, now});
        left -= now;
    }
}

/* Comma and indent due before a value or a key. Values at depth 0 follow one another without a
 * comma (NDJSON). */
static inline void before_item(lh_json_writer *w)
{
    if (w->after_key) {
        w->after_key = 0;
        return;
    }
    if (w->depth == 0)
        return;
    uint64_t bit = UINT64_C(1) << w->depth;
    if (w->has_item & bit)
        put(w, LH_S(","));
    w->has_item |= bit;
    if (w->pretty)
        put_line_break(w);
}

static void begin(lh_json_writer *w, lh_str bracket)
{
    before_item(w);
    put(w, bracket);
    if (w->depth + 1 >= LH_JSON_WRITE_DEPTH) {
        if (w->rc == LH_OK)
            w->rc = lh_fail(w->cx, LH_E_INTERNAL, "JSON written deeper than %d levels",
                            LH_JSON_WRITE_DEPTH - 1);
        return;
    }
    w->depth++;
    w->has_item &= ~(UINT64_C(1) << w->depth);
}

static void end(lh_json_writer *w, lh_str bracket)
{
    if (w->rc != LH_OK)
        return; /* a level that failed to open was not counted */
    lh_assert(w->depth > 0 && !w->after_key);
    int had_items = w->has_item >> w->depth & 1;
    w->depth--;
    if (w->pretty && had_items)
        put_line_break(w);
    put(w, bracket);
    flush_when_long(w);
}

void lh_jw_object_begin(lh_json_writer *w)
{
    begin(w, LH_S("{"));
}

void lh_jw_object_end(lh_json_writer *w)
{
    end(w, LH_S("}"));
}

void lh_jw_array_begin(lh_json_writer *w)
{
    begin(w, LH_S("["));
}

void lh_jw_array_end(lh_json_writer *w)
{
    end(w, LH_S("]"));
}

/* Room for one escape behind what is still to come, so that the copies below need no check of their
 * own. */
enum { ESCAPE_BYTES_MAX = 6 };

static char *put_escape(char *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    *out++ = '\\';
    switch (c) {
    case '"':
    case '\\': *out++ = (char)c; break;
    case '\b': *out++ = 'b'; break;
    case '\f': *out++ = 'f'; break;
    case '\n': *out++ = 'n'; break;
    case '\r': *out++ = 'r'; break;
    case '\t': *out++ = 't'; break;
    default:
        memcpy(out, "u00", 3);
        out[3] = hex[c >> 4];
        out[4] = hex[c & 15];
        out += 5;
        break;
    }
    return out;
}

/* Text without its quotes; must be valid UTF-8. */
static lh_rc escape_valid(lh_ctx *cx, lh_buf *out, lh_str text)
{
    if (text.len == 0)
        return LH_OK; /* the pointer may be NULL */
    const char *p = text.ptr;
    const char *end_of_text = text.ptr + text.len;
    while (p < end_of_text) {
        unsigned high = 0;
        const char *special = lhi_json_find_special(p, end_of_text, &high);
        size_t run = (size_t)(special - p);
        LH_TRY(lh_buf_reserve(cx, out, run + (special < end_of_text ? ESCAPE_BYTES_MAX : 0)));
        char *to = out->ptr + out->len;
        memcpy(to, p, run);
        to += run;
        p = special;
        if (p < end_of_text)
            to = put_escape(to, (unsigned char)*p++);
        out->len = (size_t)(to - out->ptr);
    }
    return LH_OK;
}

/* Bad bytes become U+FFFD: a reply must not be invalid because a stored text is. */
LH_COLD static lh_rc escape_replacing(lh_ctx *cx, lh_buf *out, lh_str text)
{
    size_t at = 0;
    uint32_t code_point;
    while (lh_utf8_next(text, &at, &code_point)) {
        char bytes[4];
        size_t count = lh_utf8_encode(code_point, bytes);
        LH_TRY(escape_valid(cx, out, (lh_str){bytes, count}));
    }
    return LH_OK;
}

static lh_rc escape_text(lh_ctx *cx, lh_buf *out, lh_str text)
{
    return LH_LIKELY(lh_utf8_valid(text)) ? escape_valid(cx, out, text)
                                          : escape_replacing(cx, out, text);
}

lh_rc lh_json_escape(lh_ctx *cx, lh_buf *out, lh_str text)
{
    size_t before = out->len;
    LH_TRY(lh_buf_reserve(cx, out, 1));
    out->ptr[out->len++] = '"';
    lh_rc rc = escape_text(cx, out, text);
    if (rc == LH_OK)
        rc = lh_buf_append_char(cx, out, '"');
    if (rc != LH_OK)
        lh_buf_truncate(out, before);
    return rc;
}

/* The buffer may be far smaller than the text when somebody takes its bytes. */
static void put_long_text(lh_json_writer *w, lh_str text)
{
    put(w, LH_S("\""));
    while (text.len > 0 && w->rc == LH_OK) {
        size_t len = lh_utf8_cut(text, slice_bytes(w));
        w->rc = escape_text(w->cx, w->out, lh_str_sub(text, 0, len));
        text = lh_str_from_offset(text, len);
        flush_when_long(w);
    }
    put(w, LH_S("\""));
}

static void put_text(lh_json_writer *w, lh_str text)
{
    if (w->flush != NULL && text.len > slice_bytes(w))
        put_long_text(w, text);
    else if (LH_LIKELY(w->rc == LH_OK))
        w->rc = lh_json_escape(w->cx, w->out, text);
}

void lh_jw_key(lh_json_writer *w, lh_str key)
{
    lh_assert(w->rc != LH_OK || (w->depth > 0 && !w->after_key));
    before_item(w);
    put_text(w, key);
    put(w, w->pretty ? LH_S(": ") : LH_S(":"));
    w->after_key = 1;
}

void lh_jw_str(lh_json_writer *w, lh_str text)
{
    before_item(w);
    put_text(w, text);
    flush_when_long(w);
}

static void put_value(lh_json_writer *w, lh_str text)
{
    before_item(w);
    put(w, text);
    flush_when_long(w);
}

void lh_jw_i64(lh_json_writer *w, int64_t value)
{
    char digits[24];
    put_value(w, (lh_str){digits, lh_i64_text(value, digits)});
}

void lh_jw_u64(lh_json_writer *w, uint64_t value)
{
    char digits[24];
    put_value(w, (lh_str){digits, lh_u64_text(value, digits)});
}

void lh_jw_f64(lh_json_writer *w, double value)
{
    char digits[LH_F64_TEXT_MAX];
    if (!isfinite(value))
        lh_jw_null(w);
    else
        put_value(w, (lh_str){digits, lh_f64_text(value, digits)});
}

void lh_jw_bool(lh_json_writer *w, int value)
{
    put_value(w, value ? LH_S("true") : LH_S("false"));
}

void lh_jw_null(lh_json_writer *w)
{
    put_value(w, LH_S("null"));
}

void lh_jw_time(lh_json_writer *w, int64_t real_us)
{
    char text[LH_TIME_TEXT_BYTES];
    lh_jw_str(w, lh_time_text(real_us, text));
}

void lh_jw_raw(lh_json_writer *w, lh_str json)
{
    lh_assert(json.len > 0);
    if (w->flush == NULL || json.len <= slice_bytes(w)) {
        put_value(w, json);
        return;
    }
    before_item(w);
    while (json.len > 0 && w->rc == LH_OK) {
        put(w, lh_str_sub(json, 0, slice_bytes(w)));
        json = lh_str_from_offset(json, slice_bytes(w));
        flush_when_long(w);
    }
}

void lh_jw_kv_str(lh_json_writer *w, lh_str key, lh_str text)
{
    lh_jw_key(w, key);
    lh_jw_str(w, text);
}

void lh_jw_kv_i64(lh_json_writer *w, lh_str key, int64_t value)
{
    lh_jw_key(w, key);
    lh_jw_i64(w, value);
}

void lh_jw_kv_u64(lh_json_writer *w, lh_str key, uint64_t value)
{
    lh_jw_key(w, key);
    lh_jw_u64(w, value);
}

void lh_jw_kv_f64(lh_json_writer *w, lh_str key, double value)
{
    lh_jw_key(w, key);
    lh_jw_f64(w, value);
}

void lh_jw_kv_bool(lh_json_writer *w, lh_str key, int value)
{
    lh_jw_key(w, key);
    lh_jw_bool(w, value);
}

void lh_jw_kv_null(lh_json_writer *w, lh_str key)
{
    lh_jw_key(w, key);
    lh_jw_null(w);
}
