/* fixture.h - a request context for one test.
 *
 * Owns:    the arena; freed at the end of the scope.
 * Threads: one.
 * Limits:  the arena's default.
 * Formats: none.
 * Why:     every test of base/ starts with the same three lines.
 *
 *     WITH_CX;
 *     ck_assert_int_eq(lh_json_parse(cx, ...), LH_OK); */
#ifndef LH_TESTS_UNIT_BASE_FIXTURE_H
#define LH_TESTS_UNIT_BASE_FIXTURE_H

#include "base/ctx.h"
#include "support/unit.h"

typedef struct fixture {
    lh_arena *arena;
    lh_ctx cx;
} fixture;

static inline void fixture_init(fixture *f)
{
    f->arena = lh_arena_new(0);
    ck_assert_ptr_nonnull(f->arena);
    lh_ctx_init(&f->cx, f->arena);
}

static inline void fixture_done(fixture *f)
{
    lh_alloc_fail_off();
    f->arena = lh_arena_free(f->arena);
}

#define WITH_CX                                                                                    \
    __attribute__((cleanup(fixture_done))) fixture fixture_;                                       \
    fixture_init(&fixture_);                                                                       \
    lh_ctx *cx = &fixture_.cx

#define ck_assert_text(actual, expected)                                                           \
    do {                                                                                           \
        lh_str actual_ = (actual);                                                                 \
        lh_str expected_ = lh_str_from(expected);                                                  \
        ck_assert_msg(lh_str_eq(actual_, expected_), "got '%.*s', wanted '%.*s'",                  \
                      LH_STR_ARG(actual_), LH_STR_ARG(expected_));                                 \
    } while (0)

#endif
