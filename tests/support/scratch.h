/* scratch.h - a folder of its own and a context for one test.
 *
 *     lh_scratch s;
 *     lh_scratch_open(&s);
 *     ck_assert_int_eq(lh_file_replace(&s.cx, lh_scratch_path(&s, "a"), LH_S("x")), LH_OK);
 *     lh_scratch_close(&s);
 *
 * Owns:    the folder (below TMPDIR, removed by close) and the arena of the context.
 * Threads: one; another thread makes a context of its own.
 * Limits:  none.
 * Formats: none.
 * Why:     tests leave nothing behind and never meet each other's files. */
#ifndef LH_TESTS_SUPPORT_SCRATCH_H
#define LH_TESTS_SUPPORT_SCRATCH_H

#include "base/ctx.h"
#include "os/file.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct lh_scratch {
    lh_ctx cx;
    lh_arena *arena;
    char dir[256];
} lh_scratch;

static inline void lh_scratch_open(lh_scratch *s)
{
    const char *base = getenv("TMPDIR");
    snprintf(s->dir, sizeof(s->dir), "%s/lh-test-XXXXXX", base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    s->arena = lh_arena_new(0);
    ck_assert_ptr_nonnull(s->arena);
    lh_ctx_init(&s->cx, s->arena);
}

static inline lh_str lh_scratch_path(lh_scratch *s, const char *name)
{
    lh_str path = lh_ctx_fmt(&s->cx, "%s/%s", s->dir, name);
    ck_assert_ptr_nonnull(path.ptr);
    return path;
}

static inline void lh_scratch_close(lh_scratch *s)
{
    ck_assert_int_eq(lh_dir_remove_all(&s->cx, lh_str_from(s->dir)), LH_OK);
    lh_arena_free(s->arena);
}

#define ck_lh_ok(scratch, expr)                                                                    \
    do {                                                                                           \
        lh_rc rc_ = (expr);                                                                        \
        ck_assert_msg(rc_ == LH_OK, "%s: %s (%s)", #expr, lh_rc_code(rc_),                         \
                      (scratch)->cx.err.message);                                                  \
    } while (0)
#define ck_lh_fails(expr, code)                                                                    \
    do {                                                                                           \
        lh_rc rc_ = (expr);                                                                        \
        ck_assert_msg(rc_ == (code), "%s: %s, wanted %s", #expr, lh_rc_code(rc_),                  \
                      lh_rc_code(code));                                                           \
    } while (0)

#endif
