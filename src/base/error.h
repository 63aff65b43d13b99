/* base/error.h - result codes and the message that goes with one.
 *
 * Owns:    an lh_err is caller-owned plain data; it never points to the heap, so it works when
 *          memory is out.
 * Threads: plain data; one thread at a time.
 * Limits:  message 511 bytes, hint 255, field 127: longer text is cut at a UTF-8 boundary.
 * Formats: the JSON shape of contract A3 is written by net/reply.
 * Why:     code + message + hint, said once by the first place that knows
 *          (docs/adr/0002-errors.md). */
#ifndef LH_BASE_ERROR_H
#define LH_BASE_ERROR_H

#include "base/attr.h"
#include "base/error_list.h"

typedef enum lh_rc {
    LH_OK = 0,
#define LH_ERROR_ENUM(symbol, code, status, retryable, text) LH_E_##symbol,
    LH_ERROR_LIST(LH_ERROR_ENUM)
#undef LH_ERROR_ENUM
        LH_RC_COUNT
} lh_rc;

typedef struct lh_err {
    lh_rc rc;
    int line;           /* place in the caller's input, 1-based; 0 = not known */
    int column;         /* in characters, 1-based; 0 = not known */
    int retry_after_s;  /* for retryable errors; 0 = no advice */
    int source_line;    /* of our code, for the log only */
    const char *source; /* file of our code, static text */
    char message[512];
    char hint[256];
    char field[128]; /* JSON path, header, query parameter or column; "" = none */
} lh_err;

const char *lh_rc_code(lh_rc rc);   /* "bad_json"; "ok" for LH_OK */
int lh_rc_status(lh_rc rc);         /* HTTP status; 200 for LH_OK */
int lh_rc_retryable(lh_rc rc);      /* 1 when the same call may succeed later */
const char *lh_rc_text(lh_rc rc);   /* one sentence for people */
lh_rc lh_rc_find(const char *code); /* LH_RC_COUNT when no row has that wire code */

/* Forwards any failure of expr to the caller. */
#define LH_TRY(expr)                                                                               \
    do {                                                                                           \
        lh_rc try_rc_ = (expr);                                                                    \
        if (LH_UNLIKELY(try_rc_ != LH_OK))                                                         \
            return try_rc_;                                                                        \
    } while (0)

#endif
