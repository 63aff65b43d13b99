/* buf.c - growing bytes: doubles until the maximum, never past it. One byte more than the capacity
 * is allocated, for the NUL that vsnprintf insists on. */
#include "base/buf.h"

#include "base/num.h"

#include <stdio.h>

enum { CAP_FIRST = 256 };

void lh_buf_init(lh_buf *buf, size_t bytes_max)
{
    *buf = (lh_buf){.bytes_max = bytes_max};
}

void lh_buf_done(lh_buf *buf)
{
    buf->ptr = lh_free(buf->ptr);
    buf->len = buf->cap = 0;
}

LH_COLD static lh_rc grow(lh_ctx *cx, lh_buf *buf, size_t bytes)
{
    size_t needed;
    if (!lh_add_size(buf->len, bytes, &needed) || needed > buf->bytes_max)
        return lh_fail(cx, LH_E_TOO_LARGE, "%zu bytes do not fit behind %zu, limit %zu", bytes,
                       buf->len, buf->bytes_max);
    size_t doubled = buf->cap > buf->bytes_max / 2 ? buf->bytes_max : 2 * buf->cap;
    size_t cap = LH_MAX(doubled, LH_MAX(needed, LH_MIN((size_t)CAP_FIRST, buf->bytes_max)));
    char *ptr = lh_realloc(buf->ptr, cap + 1);
    if (ptr == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a buffer of %zu bytes", cap);
    buf->ptr = ptr;
    buf->cap = cap;
    return LH_OK;
}

lh_rc lh_buf_reserve(lh_ctx *cx, lh_buf *buf, size_t bytes)
{
    if (LH_LIKELY(buf->ptr != NULL && bytes <= buf->cap - buf->len))
        return LH_OK;
    return grow(cx, buf, bytes);
}

lh_rc lh_buf_append(lh_ctx *cx, lh_buf *buf, lh_str bytes)
{
    if (bytes.len == 0)
        return LH_OK;
    LH_TRY(lh_buf_reserve(cx, buf, bytes.len));
    memcpy(buf->ptr + buf->len, bytes.ptr, bytes.len);
    buf->len += bytes.len;
    return LH_OK;
}

lh_rc lh_buf_append_char(lh_ctx *cx, lh_buf *buf, char c)
{
    LH_TRY(lh_buf_reserve(cx, buf, 1));
    buf->ptr[buf->len++] = c;
    return LH_OK;
}

lh_rc lh_buf_printf(lh_ctx *cx, lh_buf *buf, const char *format, ...)
{
    LH_TRY(lh_buf_reserve(cx, buf, 0));
    size_t room = buf->cap - buf->len;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(buf->ptr + buf->len, room + 1, format, args);
    va_end(args);
    lh_assert(len >= 0);
    if ((size_t)len > room) {
        LH_TRY(lh_buf_reserve(cx, buf, (size_t)len));
        va_start(args, format);
        (void)vsnprintf(buf->ptr + buf->len, (size_t)len + 1, format, args);
        va_end(args);
    }
    buf->len += (size_t)len;
    return LH_OK;
}

void lh_buf_truncate(lh_buf *buf, size_t len)
{
    lh_assert(len <= buf->len);
    buf->len = len;
}

void lh_buf_drop_front(lh_buf *buf, size_t bytes)
{
    lh_assert(bytes <= buf->len);
    if (bytes > 0 && bytes < buf->len)
        memmove(buf->ptr, buf->ptr + bytes, buf->len - bytes);
    buf->len -= bytes;
}
