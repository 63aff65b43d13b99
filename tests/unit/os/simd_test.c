/* os/simd.h: the choice of an instruction set. */
#include "os/simd.h"
#include "support/unit.h"

#include <stdlib.h>

static lh_simd chosen_with(const char *value)
{
    if (value)
        setenv("LH_SIMD", value, 1);
    else
        unsetenv("LH_SIMD");
    lh_simd_set_test(LH_SIMD_COUNT);
    return lh_simd_chosen();
}

LH_TEST(the_widest_set_of_the_cpu_is_chosen)
{
    lh_simd widest = chosen_with(NULL);
    ck_assert(lh_simd_runs(LH_SIMD_SCALAR));
    ck_assert(lh_simd_runs(widest));
    for (lh_simd wider = widest + 1; wider < LH_SIMD_COUNT; wider++)
        ck_assert(!lh_simd_runs(wider));
}

LH_TEST(a_named_set_is_chosen_when_the_cpu_has_it)
{
    lh_simd widest = chosen_with(NULL);
    for (lh_simd set = LH_SIMD_SCALAR; set < LH_SIMD_COUNT; set++)
        ck_assert_int_eq(chosen_with(lh_simd_name(set)), lh_simd_runs(set) ? set : widest);
    ck_assert_int_eq(chosen_with("neon9"), widest);
    ck_assert_int_eq(chosen_with(""), widest);
}
