/* base/buf.h - growing byte buffer that takes its maximum at birth.
 *
 * Owns:    its bytes; lh_buf_done frees them.
 * Threads: one at a time.
 * Limits:  bytes_max given at init; an append past it is LH_E_TOO_LARGE and leaves the buffer as it
 *          was.
 * Formats: bytes.
 * Why:     curl's rule: no buffer that hostile input can grow without bound. */
#ifndef LH_BASE_BUF_H
#define LH_BASE_BUF_H

#include "base/ctx.h"

typedef struct lh_buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t bytes_max;
} lh_buf;

void lh_buf_init(lh_buf *buf, size_t bytes_max);
void lh_buf_done(lh_buf *buf); /* safe on a zeroed or done buffer */
LH_DEFINE_CLEANUP_VALUE(lh_buf, lh_buf_done)

/* Makes room for `bytes` more. After success append of that many cannot fail. */
LH_WARN_UNUSED lh_rc lh_buf_reserve(lh_ctx *cx, lh_buf *buf, size_t bytes);
LH_WARN_UNUSED lh_rc lh_buf_append(lh_ctx *cx, lh_buf *buf, lh_str bytes);
LH_WARN_UNUSED LH_PRINTF(3, 4) lh_rc
    lh_buf_printf(lh_ctx *cx, lh_buf *buf, const char *format, ...);
LH_WARN_UNUSED lh_rc lh_buf_append_char(lh_ctx *cx, lh_buf *buf, char c);
void lh_buf_truncate(lh_buf *buf, size_t len); /* len <= buf->len */
void lh_buf_drop_front(lh_buf *buf, size_t bytes);
static inline lh_str lh_buf_str(const lh_buf *buf)
{
    return (lh_str){buf->ptr, buf->len}; /* borrowed until the next change */
}

#endif
