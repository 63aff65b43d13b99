/* base/ctx.h - what travels with one request or job: arena, error, deadline, cancel, principal,
 * request id.
 *
 * Owns:    borrows everything; whoever starts the request owns the parts.
 * Threads: one thread at a time; only the cancel flag is set from elsewhere.
 * Limits:  see mem.h and error.h.
 * Formats: none.
 * Why:     the first argument on every path that can fail, so nobody needs thread-local slots. */
#ifndef LH_BASE_CTX_H
#define LH_BASE_CTX_H

#include "base/attr.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>

struct lh_principal; /* policy/principal.h */

/* Set once by whoever wants the work to stop; read by every loop and wait. */
typedef struct lh_cancel {
    atomic_int requested;
} lh_cancel;

#define LH_NO_DEADLINE INT64_MAX

typedef struct lh_ctx {
    lh_arena *arena;                      /* borrowed; never NULL */
    lh_err err;                           /* what the failing function said */
    int64_t deadline_us;                  /* lh_clock_mono_us() value, or LH_NO_DEADLINE */
    lh_cancel *cancel;                    /* borrowed; may be NULL */
    const struct lh_principal *principal; /* borrowed; NULL until the caller is known */
    char request_id[24];                  /* NUL-terminated; on every log line */
} lh_ctx;

void lh_ctx_init(lh_ctx *cx, lh_arena *arena); /* no deadline, no cancel, no principal */
/* Copies deadline, cancel, principal and id of parent; own arena, own error. For a sub-task on
 * another thread. */
void lh_ctx_init_child(lh_ctx *cx, lh_arena *arena, const lh_ctx *parent);

/* LH_E_CANCELLED or LH_E_DEADLINE (with message) when the work should stop. */
LH_WARN_UNUSED lh_rc lh_ctx_check(lh_ctx *cx);
/* Milliseconds until the deadline, 0 when past, capped at max_ms. For poll and cond waits. */
int lh_ctx_left_ms(const lh_ctx *cx, int max_ms);
void lh_cancel_request(lh_cancel *cancel);
int lh_cancel_requested(const lh_cancel *cancel); /* NULL: 0 */

/* Tells the static analyzer what it cannot see from here: this function never returns LH_OK. */
#ifdef __clang_analyzer__
static inline lh_rc lh_is_error(lh_rc rc)
{
    if (rc == LH_OK)
        __builtin_unreachable();
    return rc;
}
#define LH_IS_ERROR(call) lh_is_error(call)
#else
#define LH_IS_ERROR(call) (call)
#endif

/* Says an error: replaces what was there, returns rc. Message = what, on what, with the limit or
 * value. */
#define lh_fail(cx, rc, ...) LH_IS_ERROR(lh_fail_at((cx), (rc), __FILE__, __LINE__, __VA_ARGS__))
LH_COLD LH_PRINTF(5, 6) lh_rc
    lh_fail_at(lh_ctx *cx, lh_rc rc, const char *file, int line, const char *format, ...);
/* From errno: maps ENOSPC/EDQUOT, ENOMEM, ENOENT, EACCES ... to rows; adds the reason, never a host
 * path. */
#define lh_fail_errno(cx, what, number)                                                            \
    LH_IS_ERROR(lh_fail_errno_at((cx), __FILE__, __LINE__, (what), (number)))
LH_COLD lh_rc lh_fail_errno_at(lh_ctx *cx, const char *file, int line, const char *what,
                               int number);

/* These refine the error that is there and return its code, so: `return lh_err_hint(cx, "...")`
 * after lh_fail. */
LH_COLD LH_PRINTF(2, 3) lh_rc lh_err_hint(lh_ctx *cx, const char *format, ...);
LH_COLD LH_PRINTF(2, 3) lh_rc lh_err_field(lh_ctx *cx, const char *format, ...);
LH_COLD LH_PRINTF(2, 3) lh_rc
    lh_err_prefix(lh_ctx *cx, const char *format, ...); /* once, by a middle layer */
LH_COLD lh_rc lh_err_place(lh_ctx *cx, int line, int column);
void lh_err_clear(lh_ctx *cx);

/* Arena shorthands that say LH_E_NO_MEMORY in cx and return NULL. Zeroed. */
LH_WARN_UNUSED void *lh_ctx_alloc(lh_ctx *cx, size_t count, size_t item_bytes);
#define LH_NEW(cx, type)              ((type *)lh_ctx_alloc((cx), 1, sizeof(type)))
#define LH_NEW_ARRAY(cx, type, count) ((type *)lh_ctx_alloc((cx), (count), sizeof(type)))
/* Grows an arena array to hold one more: doubles *capacity. Items move; old memory stays in the
 * arena. */
LH_WARN_UNUSED lh_rc lh_ctx_grow(lh_ctx *cx, void **items, size_t count, size_t *capacity,
                                 size_t item_bytes);

/* Text in the arena. On no memory: ptr NULL, len 0 and LH_E_NO_MEMORY in cx. All are NUL-terminated
 * as well. */
lh_str lh_ctx_dup(lh_ctx *cx, lh_str text);
LH_PRINTF(2, 3) lh_str lh_ctx_fmt(lh_ctx *cx, const char *format, ...);
const char *lh_ctx_cstr(lh_ctx *cx,
                        lh_str text); /* NULL when out of memory or when text holds a NUL */

#endif
