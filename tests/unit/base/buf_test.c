#include "base/buf.h"

#include "fixture.h"

LH_TEST(a_buffer_grows_to_its_maximum_and_no_further)
{
    WITH_CX;
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 1000);
    for (size_t i = 0; i < 999; i++)
        ck_assert_int_eq(lh_buf_append_char(cx, &buf, 'x'), LH_OK);
    ck_assert_int_eq(lh_buf_append(cx, &buf, LH_S("yz")), LH_E_TOO_LARGE);
    ck_assert_uint_eq(buf.len, 999);
    ck_assert_int_eq(lh_buf_append(cx, &buf, LH_S("y")), LH_OK);
    ck_assert_int_eq(lh_buf_append_char(cx, &buf, 'z'), LH_E_TOO_LARGE);
    ck_assert_int_eq(lh_buf_append(cx, &buf, LH_STR_NONE), LH_OK);
    ck_assert_int_eq(lh_buf_reserve(cx, &buf, SIZE_MAX), LH_E_TOO_LARGE);
    ck_assert_uint_eq(buf.len, 1000);
}

LH_TEST(printf_fits_exactly_or_not_at_all)
{
    WITH_CX;
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 10);
    ck_assert_int_eq(lh_buf_printf(cx, &buf, "%s", "0123456789"), LH_OK);
    ck_assert_text(lh_buf_str(&buf), "0123456789");
    ck_assert_int_eq(lh_buf_printf(cx, &buf, "%s", ""), LH_OK);
    ck_assert_int_eq(lh_buf_printf(cx, &buf, "%d", 1), LH_E_TOO_LARGE);
    lh_buf_truncate(&buf, 4);
    ck_assert_int_eq(lh_buf_printf(cx, &buf, "%s", "abcdefg"), LH_E_TOO_LARGE);
    ck_assert_text(lh_buf_str(&buf), "0123");
    lh_buf_drop_front(&buf, 3);
    ck_assert_text(lh_buf_str(&buf), "3");
    lh_buf_drop_front(&buf, 1);
    ck_assert_uint_eq(buf.len, 0);
}

LH_TEST(a_buffer_without_memory_stays_as_it_was)
{
    WITH_CX;
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 1 << 20);
    ck_assert_int_eq(lh_buf_append(cx, &buf, LH_S("abc")), LH_OK);
    lh_alloc_fail_after(0, 1);
    ck_assert_int_eq(lh_buf_reserve(cx, &buf, 100000), LH_E_NO_MEMORY);
    lh_alloc_fail_off();
    ck_assert_text(lh_buf_str(&buf), "abc");
    lh_buf_done(&buf);
    lh_buf_done(&buf);
}
