/* base/log.h - structured log: text on a terminal, JSON lines otherwise; secrets are removed on the
 * way out.
 *
 * Owns:    the sink (stderr by default).
 * Threads: any; one line is one write.
 * Limits:  a line is cut at 8 KiB; values at 1 KiB.
 * Formats: {"time","level","event","request_id",...} one per line, or "13:36:00.123 INFO event
 *          key=value".
 * Why:     events are rows (log_list.h); the level is tested before arguments are evaluated. */
#ifndef LH_BASE_LOG_H
#define LH_BASE_LOG_H

#include "base/ctx.h"
#include "base/log_list.h"

typedef enum lh_log_level { LH_LOG_ERROR, LH_LOG_WARN, LH_LOG_INFO, LH_LOG_DEBUG } lh_log_level;

typedef enum lh_log_event {
#define LH_LOG_ENUM(symbol, level, name, doc) LH_EV_##symbol,
    LH_LOG_LIST(LH_LOG_ENUM)
#undef LH_LOG_ENUM
        LH_LOG_EVENT_COUNT
} lh_log_event;

typedef struct lh_log_kv {
    const char *key;
    enum { LH_KV_STR, LH_KV_I64, LH_KV_F64 } kind;
    lh_str text;
    int64_t number;
    double real;
} lh_log_kv;
#define LH_KS(k, s) ((lh_log_kv){.key = (k), .kind = LH_KV_STR, .text = (s)})
#define LH_KI(k, n) ((lh_log_kv){.key = (k), .kind = LH_KV_I64, .number = (int64_t)(n)})
#define LH_KF(k, x) ((lh_log_kv){.key = (k), .kind = LH_KV_F64, .real = (x)})

/* LH_LOG(cx, CATALOG_COMMIT, LH_KS("dataset", name), LH_KI("rows", n)); cx may be NULL. */
#define LH_LOG(cx, event, ...)                                                                     \
    do {                                                                                           \
        if (lh_log_enabled(LH_EV_##event)) {                                                       \
            const lh_log_kv kvs_[] = {__VA_ARGS__};                                                \
            lh_log_write((cx), LH_EV_##event, kvs_, LH_ARRAY_LEN(kvs_));                           \
        }                                                                                          \
    } while (0)

typedef enum lh_log_format { LH_LOG_AUTO, LH_LOG_TEXT, LH_LOG_JSON } lh_log_format;
void lh_log_configure(lh_log_level level_max, lh_log_format format);
void lh_log_set_sink(void (*sink)(void *arg, lh_str line), void *arg); /* NULL: stderr again */
int lh_log_enabled(lh_log_event event);
void lh_log_write(const lh_ctx *cx, lh_log_event event, const lh_log_kv *kvs, size_t count);
/* Rows, for `lakehouse tables log_events`. */
const char *lh_log_event_name(lh_log_event event);
const char *lh_log_event_doc(lh_log_event event);
lh_log_level lh_log_event_level(lh_log_event event);
const char *lh_log_level_name(lh_log_level level);

/* Hides what looks like a credential: scheme://user:PASS@, password=..., Bearer ..., lhk_... . In
 * place; for anything that leaves the process as text. */
void lh_redact(char *text, size_t len);

#endif
