#include "base/attr.h"

#include "fixture.h"

LH_TEST(the_smaller_and_the_larger_evaluate_each_argument_once)
{
    int low = 1;
    int high = 10;
    ck_assert_int_eq(LH_MIN(low++, high++), 1);
    ck_assert_int_eq(low, 2);
    ck_assert_int_eq(high, 11);
    ck_assert_int_eq(LH_MAX(low++, high++), 11);
    ck_assert_int_eq(low, 3);
    ck_assert_int_eq(high, 12);
}

LH_TEST(nested_ones_keep_their_values_apart)
{
    int calls = 0;
    int value = 7;
    ck_assert_int_eq(LH_MIN(LH_MAX(value, (calls++, 3)), LH_MIN((calls++, 9), 8)), 7);
    ck_assert_int_eq(LH_MAX(LH_MIN(value, 3), LH_MAX(LH_MIN(value, 5), 4)), 5);
    ck_assert_int_eq(calls, 2);
}

LH_TEST(the_result_has_room_for_both)
{
    uint32_t narrow = UINT32_MAX;
    uint64_t wide = (uint64_t)UINT32_MAX + 1;
    ck_assert_uint_eq(LH_MAX(narrow, wide), wide);
    ck_assert_uint_eq(LH_MIN(wide, narrow), narrow);
    ck_assert_uint_eq(sizeof(LH_MIN(narrow, wide)), sizeof(wide));
    ck_assert_double_eq(LH_MAX(0.5, 0.25), 0.5);
}
