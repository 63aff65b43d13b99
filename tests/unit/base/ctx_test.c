#include "base/ctx.h"

#include "base/clock.h"
#include "fixture.h"

#include <errno.h>

LH_TEST(a_failure_carries_code_message_hint_field_and_place)
{
    WITH_CX;
    ck_assert_int_eq(lh_fail(cx, LH_E_BAD_VALUE, "%d is too much", 7), LH_E_BAD_VALUE);
    ck_assert_int_eq(lh_err_hint(cx, "try %d", 6), LH_E_BAD_VALUE);
    ck_assert_int_eq(lh_err_field(cx, "limit"), LH_E_BAD_VALUE);
    ck_assert_int_eq(lh_err_place(cx, 3, 4), LH_E_BAD_VALUE);
    ck_assert_int_eq(lh_err_prefix(cx, "view"), LH_E_BAD_VALUE);
    ck_assert_str_eq(cx->err.message, "view: 7 is too much");
    ck_assert_str_eq(cx->err.hint, "try 6");
    ck_assert_int_eq(cx->err.line, 3);
    ck_assert_ptr_nonnull(cx->err.source);
    LH_IGNORE(
        lh_fail(cx, LH_E_IO, "again: %s", cx->err.message)); /* its own message as an argument */
    ck_assert_str_eq(cx->err.message, "again: view: 7 is too much");
    ck_assert_str_eq(cx->err.hint, "");
    ck_assert_int_eq(cx->err.line, 0);
    lh_err_clear(cx);
    ck_assert_int_eq(cx->err.rc, LH_OK);
}

LH_TEST(long_texts_are_cut_between_characters)
{
    WITH_CX;
    char text[700];
    for (size_t i = 0; i + 3 <= sizeof(text); i += 3)
        memcpy(text + i, "\xE2\x82\xAC", 3);
    text[699] = '\0';
    LH_IGNORE(lh_fail(cx, LH_E_IO, "%s", text));
    ck_assert_uint_eq(strlen(cx->err.message), 510);
    LH_IGNORE(lh_fail(cx, LH_E_IO, "x%s", text));
    ck_assert_uint_eq(strlen(cx->err.message), 511);
    LH_IGNORE(lh_err_field(cx, "%s", text));
    ck_assert_uint_eq(strlen(cx->err.field), 126);
    ck_assert(lh_utf8_valid(lh_str_from(cx->err.field)) &&
              lh_utf8_valid(lh_str_from(cx->err.message)));
}

LH_TEST(errno_becomes_a_row)
{
    WITH_CX;
    static const struct {
        int number;
        lh_rc rc;
    } cases[] = {{ENOSPC, LH_E_NO_SPACE},       {EDQUOT, LH_E_NO_SPACE},
                 {ENOMEM, LH_E_NO_MEMORY},      {ENOENT, LH_E_NOT_FOUND},
                 {EEXIST, LH_E_ALREADY_EXISTS}, {EACCES, LH_E_FORBIDDEN},
                 {EROFS, LH_E_FORBIDDEN},       {EIO, LH_E_IO},
                 {EMFILE, LH_E_UNAVAILABLE},    {99999, LH_E_IO}};
    for (size_t i = 0; i < LH_ARRAY_LEN(cases); i++) {
        ck_assert_int_eq(lh_fail_errno(cx, "writing x", cases[i].number), cases[i].rc);
        ck_assert(lh_str_starts(lh_str_from(cx->err.message), LH_S("writing x: ")));
    }
}

LH_TEST(work_stops_on_cancel_and_at_the_deadline)
{
    WITH_CX;
    lh_cancel cancel = {0};
    lh_clock_set_test(1000000, 0);
    ck_assert_int_eq(lh_ctx_check(cx), LH_OK);
    ck_assert_int_eq(lh_ctx_left_ms(cx, 77), 77);
    cx->deadline_us = 1001500;
    ck_assert_int_eq(lh_ctx_check(cx), LH_OK);
    ck_assert_int_eq(lh_ctx_left_ms(cx, 1000),
                     2); /* rounded up: a wait of 1 ms would end too early */
    ck_assert_int_eq(lh_ctx_left_ms(cx, 1), 1);
    lh_clock_advance_test(1499);
    ck_assert_int_eq(lh_ctx_check(cx), LH_OK);
    lh_clock_advance_test(1);
    ck_assert_int_eq(lh_ctx_check(cx), LH_E_DEADLINE);
    ck_assert_int_eq(lh_ctx_left_ms(cx, 1000), 0);
    cx->cancel = &cancel;
    lh_cancel_request(&cancel);
    ck_assert_int_eq(lh_ctx_check(cx), LH_E_CANCELLED);
    ck_assert_int_eq(lh_cancel_requested(NULL), 0);
    lh_clock_reset();
}

LH_TEST(a_child_inherits_all_but_arena_and_error)
{
    WITH_CX;
    lh_cancel cancel = {0};
    cx->cancel = &cancel;
    cx->deadline_us = 5;
    memcpy(cx->request_id, "r-1", 4);
    LH_IGNORE(lh_fail(cx, LH_E_IO, "x"));
    lh_arena *arena = lh_arena_new(0);
    lh_ctx child;
    lh_ctx_init_child(&child, arena, cx);
    ck_assert(child.cancel == &cancel && child.deadline_us == 5 && child.arena == arena);
    ck_assert_str_eq(child.request_id, "r-1");
    ck_assert_int_eq(child.err.rc, LH_OK);
    lh_arena_free(arena);
}

LH_TEST(arena_texts_end_with_a_nul)
{
    WITH_CX;
    char long_text[1000];
    memset(long_text, 'z', sizeof(long_text));
    long_text[999] = '\0';
    lh_str s = lh_ctx_fmt(cx, "%s-%d", "a", 5);
    ck_assert_str_eq(s.ptr, "a-5");
    s = lh_ctx_fmt(cx, "%s", long_text);
    ck_assert_uint_eq(s.len, 999);
    ck_assert_str_eq(s.ptr, long_text);
    ck_assert_str_eq(lh_ctx_dup(cx, LH_STR_NONE).ptr, "");
    ck_assert_str_eq(lh_ctx_cstr(cx, LH_S("abc")), "abc");
    ck_assert_ptr_null(lh_ctx_cstr(cx, LH_S("a\0c")));
}

LH_TEST(arrays_grow_and_keep_their_items)
{
    WITH_CX;
    void *items = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < 1000; i++) {
        ck_assert_int_eq(lh_ctx_grow(cx, &items, i, &capacity, sizeof(size_t)), LH_OK);
        ((size_t *)items)[i] = i;
    }
    for (size_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(((size_t *)items)[i], i);
}

LH_TEST(memory_that_is_out_is_said)
{
    WITH_CX;
    lh_alloc_fail_after(0, 1);
    ck_assert_ptr_null(lh_ctx_alloc(cx, 1, 1 << 20));
    ck_assert_int_eq(cx->err.rc, LH_E_NO_MEMORY);
    lh_err_clear(cx);
    ck_assert_ptr_null(lh_ctx_alloc(cx, SIZE_MAX / 2, 4));
    ck_assert_int_eq(cx->err.rc, LH_E_NO_MEMORY);
    lh_alloc_fail_off();
    const unsigned char *zeroed = lh_ctx_alloc(cx, 3, 5);
    for (size_t i = 0; i < 15; i++)
        ck_assert_uint_eq(zeroed[i], 0);
}
