/* base/code_table.h: classes and parts are found at every edge of a table. */
#include "base/attr.h"
#include "base/code_table.h"
#include "support/unit.h"

LH_TEST(classes_and_parts_are_found_at_both_ends)
{
    static uint16_t block_of[LH_CODE_BLOCKS];
    static const uint8_t classes[2 * LH_CODE_BLOCK] = {[0] = 3, [127] = 4, [128] = 5, [255] = 6};
    static const lh_code_map maps[] = {{0, 0, 1}, {127, 1, 2}, {128, 0, 3}, {0x10FFFF, 2, 1}};
    static const uint32_t parts[] = {'a', 'b', 'c'};
    static const lh_code_table table = {block_of, classes, maps, LH_ARRAY_LEN(maps), parts};
    block_of[1] = 1;
    block_of[LH_CODE_BLOCKS - 1] = 1;
    ck_assert_uint_eq(lh_code_class(&table, 0), 3);
    ck_assert_uint_eq(lh_code_class(&table, 127), 4);
    ck_assert_uint_eq(lh_code_class(&table, 128), 5);
    ck_assert_uint_eq(lh_code_class(&table, 0x10FFFF), 6);
    ck_assert_uint_eq(lh_code_class(&table, 0x10FFFE), 0);
    for (size_t i = 0; i < LH_ARRAY_LEN(maps); i++) {
        const uint32_t *found;
        ck_assert_uint_eq(lh_code_parts(&table, maps[i].code_point, &found), maps[i].count);
        ck_assert_ptr_eq(found, parts + maps[i].first);
    }
}
