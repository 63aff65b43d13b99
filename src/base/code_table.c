/* code_table.c - binary search among the mapped code points. */
#include "base/code_table.h"

#include "base/attr.h"

uint32_t lh_code_parts(const lh_code_table *table, uint32_t code, const uint32_t **ret_parts)
{
    size_t low = 0;
    size_t high = table->maps_count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table->maps[middle].code_point < code)
            low = middle + 1;
        else
            high = middle;
    }
    lh_assert(table->maps[low].code_point == code);
    *ret_parts = table->parts + table->maps[low].first;
    return table->maps[low].count;
}
