/* ctx.c - saying errors, stopping work, and arena memory that says when it is out.
 *
 * Every text is formatted into a local array before it replaces the old one, so that `lh_fail(cx,
 * rc, "%s", cx->err.message)` is allowed. */
#include "base/ctx.h"

#include "base/clock.h"
#include "base/num.h"

#include <errno.h>
#include <stdio.h>

void lh_ctx_init(lh_ctx *cx, lh_arena *arena)
{
    lh_assert(arena != NULL);
    memset(cx, 0, sizeof(*cx));
    cx->arena = arena;
    cx->deadline_us = LH_NO_DEADLINE;
}

void lh_ctx_init_child(lh_ctx *cx, lh_arena *arena, const lh_ctx *parent)
{
    lh_ctx_init(cx, arena);
    cx->deadline_us = parent->deadline_us;
    cx->cancel = parent->cancel;
    cx->principal = parent->principal;
    memcpy(cx->request_id, parent->request_id, sizeof(cx->request_id));
}

lh_rc lh_ctx_check(lh_ctx *cx)
{
    if (LH_UNLIKELY(lh_cancel_requested(cx->cancel)))
        return lh_fail(cx, LH_E_CANCELLED, "cancelled by the caller");
    if (cx->deadline_us == LH_NO_DEADLINE)
        return LH_OK;
    int64_t late_us = lh_clock_mono_us() - cx->deadline_us;
    if (LH_LIKELY(late_us < 0))
        return LH_OK;
    return lh_fail(cx, LH_E_DEADLINE, "the deadline passed %lld ms ago",
                   (long long)(late_us / 1000));
}

int lh_ctx_left_ms(const lh_ctx *cx, int max_ms)
{
    if (cx->deadline_us == LH_NO_DEADLINE)
        return max_ms;
    int64_t left_us = cx->deadline_us - lh_clock_mono_us();
    if (left_us <= 0)
        return 0;
    int64_t left_ms =
        left_us / 1000 + (left_us % 1000 != 0); /* up: a wait that ends early would spin */
    return (int)LH_MIN(left_ms, (int64_t)max_ms);
}

void lh_cancel_request(lh_cancel *cancel)
{
    atomic_store_explicit(&cancel->requested, 1, memory_order_release);
}

int lh_cancel_requested(const lh_cancel *cancel)
{
    return cancel != NULL && atomic_load_explicit(&cancel->requested, memory_order_acquire);
}

static void set_text(char *out, size_t bytes, const char *text)
{
    lh_str s = lh_str_from(text);
    size_t len = lh_utf8_cut(s, bytes - 1);
    memcpy(out, s.ptr, len);
    out[len] = '\0';
}

/* Big enough that the cut to the member's size sees whole characters. */
enum { FORMAT_BYTES = sizeof(((lh_err *)0)->message) + 8 };

#define FORMAT_INTO(buffer, format)                                                                \
    do {                                                                                           \
        va_list args_;                                                                             \
        va_start(args_, format);                                                                   \
        if (vsnprintf((buffer), sizeof(buffer), (format), args_) < 0)                              \
            (buffer)[0] = '\0';                                                                    \
        va_end(args_);                                                                             \
    } while (0)

lh_rc lh_fail_at(lh_ctx *cx, lh_rc rc, const char *file, int line, const char *format, ...)
{
    lh_assert(rc != LH_OK);
    char text[FORMAT_BYTES];
    FORMAT_INTO(text, format);
    lh_err_clear(cx);
    cx->err.rc = rc;
    cx->err.source = file;
    cx->err.source_line = line;
    set_text(cx->err.message, sizeof(cx->err.message), text);
    return rc;
}

static lh_rc rc_of_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT: return LH_E_NO_SPACE;
    case ENOMEM: return LH_E_NO_MEMORY;
    case ENOENT: return LH_E_NOT_FOUND;
    case EEXIST: return LH_E_ALREADY_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return LH_E_FORBIDDEN;
    case ENAMETOOLONG:
    case ELOOP: return LH_E_BAD_NAME;
    case EFBIG: return LH_E_TOO_LARGE;
    case ETIMEDOUT: return LH_E_DEADLINE;
    case ECANCELED: return LH_E_CANCELLED;
    case EAGAIN:
    case EBUSY:
    case EMFILE:
    case ENFILE:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH: return LH_E_UNAVAILABLE;
    default: return LH_E_IO;
    }
}

lh_rc lh_fail_errno_at(lh_ctx *cx, const char *file, int line, const char *what, int number)
{
    const char *reason = strerrordesc_np(number);
    if (reason == NULL)
        return lh_fail_at(cx, rc_of_errno(number), file, line, "%s: error %d", what, number);
    return lh_fail_at(cx, rc_of_errno(number), file, line, "%s: %s", what, reason);
}

lh_rc lh_err_hint(lh_ctx *cx, const char *format, ...)
{
    char text[FORMAT_BYTES];
    FORMAT_INTO(text, format);
    set_text(cx->err.hint, sizeof(cx->err.hint), text);
    return cx->err.rc;
}

lh_rc lh_err_field(lh_ctx *cx, const char *format, ...)
{
    char text[FORMAT_BYTES];
    FORMAT_INTO(text, format);
    set_text(cx->err.field, sizeof(cx->err.field), text);
    return cx->err.rc;
}

lh_rc lh_err_prefix(lh_ctx *cx, const char *format, ...)
{
    char text[FORMAT_BYTES];
    FORMAT_INTO(text, format);
    char whole[2 * FORMAT_BYTES];
    if (snprintf(whole, sizeof(whole), "%s: %s", text, cx->err.message) > 0)
        set_text(cx->err.message, sizeof(cx->err.message), whole);
    return cx->err.rc;
}

lh_rc lh_err_place(lh_ctx *cx, int line, int column)
{
    cx->err.line = line;
    cx->err.column = column;
    return cx->err.rc;
}

void lh_err_clear(lh_ctx *cx)
{
    lh_err *err = &cx->err;
    err->rc = LH_OK;
    err->line = err->column = err->retry_after_s = err->source_line = 0;
    err->source = NULL;
    err->message[0] = err->hint[0] = err->field[0] = '\0';
}

LH_COLD static void *fail_alloc(lh_ctx *cx, size_t bytes)
{
    LH_IGNORE(lh_fail(cx, LH_E_NO_MEMORY, "%zu bytes more than the %zu in use are not to be had",
                      bytes, lh_arena_bytes(cx->arena)));
    return NULL;
}

static void *alloc_bytes(lh_ctx *cx, size_t bytes)
{
    void *ptr = lh_arena_alloc(cx->arena, bytes);
    return LH_LIKELY(ptr != NULL) ? ptr : fail_alloc(cx, bytes);
}

void *lh_ctx_alloc(lh_ctx *cx, size_t count, size_t item_bytes)
{
    size_t bytes;
    if (!lh_mul_size(count, item_bytes, &bytes))
        return fail_alloc(cx, SIZE_MAX);
    void *ptr = alloc_bytes(cx, bytes);
    return ptr ? memset(ptr, 0, bytes) : NULL;
}

lh_rc lh_ctx_grow(lh_ctx *cx, void **items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (LH_LIKELY(count < *capacity))
        return LH_OK;
    size_t more = *capacity ? *capacity : 4;
    size_t wanted;
    if (!lh_add_size(*capacity, more, &wanted))
        return fail_alloc(cx, SIZE_MAX), LH_E_NO_MEMORY;
    void *grown = lh_ctx_alloc(cx, wanted, item_bytes);
    if (grown == NULL)
        return LH_E_NO_MEMORY;
    if (count > 0)
        memcpy(grown, *items, count * item_bytes);
    *items = grown;
    *capacity = wanted;
    return LH_OK;
}

lh_str lh_ctx_dup(lh_ctx *cx, lh_str text)
{
    char *copy = alloc_bytes(cx, text.len + 1);
    if (copy == NULL)
        return LH_STR_NONE;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return (lh_str){copy, text.len};
}

lh_str lh_ctx_fmt(lh_ctx *cx, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    lh_assert(len >= 0);
    if ((size_t)len < sizeof(small))
        return lh_ctx_dup(cx, (lh_str){small, (size_t)len});

    char *out = alloc_bytes(cx, (size_t)len + 1);
    if (out == NULL)
        return LH_STR_NONE;
    va_start(args, format);
    (void)vsnprintf(out, (size_t)len + 1, format, args);
    va_end(args);
    return (lh_str){out, (size_t)len};
}

const char *lh_ctx_cstr(lh_ctx *cx, lh_str text)
{
    if (lh_str_find_char(text, '\0') != LH_STR_NPOS) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "a text of %zu bytes holds a NUL where none can be",
                          text.len));
        return NULL;
    }
    return lh_ctx_dup(cx, text).ptr;
}
