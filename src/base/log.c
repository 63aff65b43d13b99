/* log.c - one event becomes one line in a local array and one write; nothing is allocated, so it
 * works when memory is out, and values are redacted before they are escaped, so a credential cannot
 * hide behind an escape. */
#include "base/log.h"

#include "base/clock.h"
#include "base/num.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum {
    LINE_BYTES_MAX = 8 * 1024,
    VALUE_BYTES_MAX = 1024,
    TAIL_BYTES = 32 /* kept free for what closes a cut line */
};

static const struct {
    const char *name;
    const char *doc;
    lh_log_level level;
} rows[LH_LOG_EVENT_COUNT] = {
#define LOG_ROW(symbol, event_level, event_name, sentence)                                         \
    [LH_EV_##symbol] = {(event_name), (sentence), LH_LOG_##event_level},
    LH_LOG_LIST(LOG_ROW)
#undef LOG_ROW
};

static atomic_int level_max_now = LH_LOG_INFO;
static atomic_int format_now = LH_LOG_AUTO;

static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    void (*fn)(void *arg, lh_str line);
    void *arg;
} sink_now;

const char *lh_log_event_name(lh_log_event event)
{
    lh_assert((unsigned)event < LH_LOG_EVENT_COUNT);
    return rows[event].name;
}

const char *lh_log_event_doc(lh_log_event event)
{
    lh_assert((unsigned)event < LH_LOG_EVENT_COUNT);
    return rows[event].doc;
}

lh_log_level lh_log_event_level(lh_log_event event)
{
    lh_assert((unsigned)event < LH_LOG_EVENT_COUNT);
    return rows[event].level;
}

const char *lh_log_level_name(lh_log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    lh_assert((unsigned)level < LH_ARRAY_LEN(names));
    return names[level];
}

void lh_log_configure(lh_log_level level_max, lh_log_format format)
{
    atomic_store(&level_max_now, (int)level_max);
    atomic_store(&format_now, (int)format);
}

void lh_log_set_sink(void (*sink)(void *arg, lh_str line), void *arg)
{
    (void)pthread_mutex_lock(&sink_lock);
    sink_now.fn = sink;
    sink_now.arg = arg;
    (void)pthread_mutex_unlock(&sink_lock);
}

int lh_log_enabled(lh_log_event event)
{
    return (int)lh_log_event_level(event) <=
           atomic_load_explicit(&level_max_now, memory_order_relaxed);
}

typedef struct log_line {
    size_t len;
    int cut;
    char text[LINE_BYTES_MAX];
} log_line;

/* All or nothing: a half key would be taken for another. */
static int put(log_line *line, lh_str text)
{
    if (line->cut || text.len > sizeof(line->text) - TAIL_BYTES - line->len) {
        line->cut = 1;
        return 0;
    }
    memcpy(line->text + line->len, text.ptr, text.len);
    line->len += text.len;
    return 1;
}

/* The escapes of JSON; text lines use the same inside quotes, so a line break in a value cannot
 * forge a line. */
static void put_escaped(log_line *line, lh_str text)
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    uint32_t code_point;
    while (lh_utf8_next(text, &at, &code_point)) {
        char out[8];
        size_t len = 0;
        if (code_point < 0x20 || code_point == 0x7F) {
            memcpy(out, "\\u00", 4);
            out[4] = hex[code_point >> 4];
            out[5] = hex[code_point & 15];
            len = 6;
        } else {
            if (code_point == '"' || code_point == '\\')
                out[len++] = '\\';
            len += lh_utf8_encode(code_point, out + len);
        }
        if (!put(line, (lh_str){out, len}))
            return;
    }
}

/* Redacts a copy that is longer than what is shown, so that the end of a credential cannot be cut
 * off before it is recognised. */
static void put_value(log_line *line, lh_str text, int quoted)
{
    char copy[2 * VALUE_BYTES_MAX];
    size_t len = lh_utf8_cut(text, sizeof(copy));
    if (len > 0)
        memcpy(copy, text.ptr, len);
    lh_redact(copy, len);
    lh_str shown = {copy, len};
    shown.len = lh_utf8_cut(shown, VALUE_BYTES_MAX);
    if (quoted)
        put(line, LH_S("\""));
    put_escaped(line, shown);
    if (shown.len < text.len)
        put(line, LH_S("..."));
    if (quoted)
        put(line, LH_S("\""));
}

static void put_number(log_line *line, const lh_log_kv *kv, int is_json)
{
    char digits[LH_F64_TEXT_MAX];
    if (kv->kind == LH_KV_I64)
        put(line, (lh_str){digits, lh_i64_text(kv->number, digits)});
    else if (is_json && !isfinite(kv->real))
        put(line, LH_S("null"));
    else
        put(line, (lh_str){digits, lh_f64_text(kv->real, digits)});
}

/* A pair that does not fit is taken back whole. */
static void put_json_kv(log_line *line, const lh_log_kv *kv)
{
    size_t before = line->len;
    put(line, LH_S(",\""));
    put_escaped(line, lh_str_from(kv->key));
    put(line, LH_S("\":"));
    if (kv->kind == LH_KV_STR)
        put_value(line, kv->text, 1);
    else
        put_number(line, kv, 1);
    if (line->cut)
        line->len = before;
}

static void put_json_line(log_line *line, const lh_ctx *cx, lh_log_event event,
                          const lh_log_kv *kvs, size_t count)
{
    char time_text[LH_TIME_TEXT_BYTES];
    put(line, LH_S("{\"time\":\""));
    put(line, lh_time_text(lh_clock_real_us(), time_text));
    put(line, LH_S("\",\"level\":\""));
    put(line, lh_str_from(lh_log_level_name(rows[event].level)));
    put(line, LH_S("\",\"event\":\""));
    put(line, lh_str_from(rows[event].name));
    put(line, LH_S("\""));
    if (cx != NULL && cx->request_id[0] != '\0') {
        put(line, LH_S(",\"request_id\":"));
        put_value(line, lh_str_from(cx->request_id), 1);
    }
    for (size_t i = 0; i < count && !line->cut; i++)
        put_json_kv(line, &kvs[i]);
    lh_str end = line->cut ? LH_S(",\"cut\":true}") : LH_S("}");
    memcpy(line->text + line->len, end.ptr, end.len); /* TAIL_BYTES are free */
    line->len += end.len;
}

static int needs_quotes(lh_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F)
            return 1;
    }
    return text.len == 0;
}

static void put_text_kv(log_line *line, const lh_log_kv *kv)
{
    size_t before = line->len;
    put(line, LH_S(" "));
    put(line, lh_str_from(kv->key));
    put(line, LH_S("="));
    if (kv->kind == LH_KV_STR)
        put_value(line, kv->text, needs_quotes(kv->text));
    else
        put_number(line, kv, 0);
    if (line->cut)
        line->len = before;
}

static void put_text_line(log_line *line, const lh_ctx *cx, lh_log_event event,
                          const lh_log_kv *kvs, size_t count)
{
    static const lh_str level_words[] = {LH_S_INIT(" ERROR "), LH_S_INIT(" WARN "),
                                         LH_S_INIT(" INFO "), LH_S_INIT(" DEBUG ")};
    char time_text[LH_TIME_TEXT_BYTES];
    put(line, lh_str_sub(lh_time_text(lh_clock_real_us(), time_text), 11, 12)); /* hh:mm:ss.mmm */
    put(line, level_words[rows[event].level]);
    put(line, lh_str_from(rows[event].name));
    if (cx != NULL && cx->request_id[0] != '\0') {
        put(line, LH_S(" request_id="));
        put_value(line, lh_str_from(cx->request_id), 0);
    }
    for (size_t i = 0; i < count && !line->cut; i++)
        put_text_kv(line, &kvs[i]);
    if (line->cut) {
        memcpy(line->text + line->len, " cut=true", 9);
        line->len += 9;
    }
}

static void write_stderr(void *arg, lh_str line)
{
    (void)arg;
    (void)fwrite(line.ptr, 1, line.len, stderr); /* unbuffered: one write(2) */
}

static int is_json_now(void)
{
    int format = atomic_load_explicit(&format_now, memory_order_relaxed);
    return format == LH_LOG_JSON || (format == LH_LOG_AUTO && !isatty(STDERR_FILENO));
}

void lh_log_write(const lh_ctx *cx, lh_log_event event, const lh_log_kv *kvs, size_t count)
{
    lh_assert((unsigned)event < LH_LOG_EVENT_COUNT);
    log_line line;
    line.len = 0;
    line.cut = 0;
    if (is_json_now())
        put_json_line(&line, cx, event, kvs, count);
    else
        put_text_line(&line, cx, event, kvs, count);
    line.text[line.len++] = '\n';

    (void)pthread_mutex_lock(&sink_lock);
    void (*sink)(void *, lh_str) = sink_now.fn != NULL ? sink_now.fn : write_stderr;
    void *arg = sink_now.arg;
    (void)pthread_mutex_unlock(&sink_lock);
    sink(arg, (lh_str){line.text, line.len});
}
