#include "base/error.h"

#include "support/unit.h"

#include <string.h>

LH_TEST(every_code_is_found_again_and_is_unique)
{
    for (int i = 0; i < LH_RC_COUNT; i++)
        ck_assert_int_eq(lh_rc_find(lh_rc_code((lh_rc)i)), i);
    ck_assert_int_eq(lh_rc_find("no such code"), LH_RC_COUNT);
}

LH_TEST(statuses_are_those_of_the_contract)
{
    static const int allowed[] = {400, 401, 403, 404, 405, 409, 411, 413, 414,
                                  415, 422, 429, 431, 500, 502, 503, 504, 507};
    for (int i = LH_OK + 1; i < LH_RC_COUNT; i++) {
        int known = 0;
        for (size_t j = 0; j < LH_ARRAY_LEN(allowed); j++)
            known |= lh_rc_status((lh_rc)i) == allowed[j];
        ck_assert_msg(known, "%s answers %d", lh_rc_code((lh_rc)i), lh_rc_status((lh_rc)i));
        ck_assert_uint_gt(strlen(lh_rc_text((lh_rc)i)), 5);
    }
    ck_assert_int_eq(lh_rc_status(LH_OK), 200);
    ck_assert_int_eq(lh_rc_retryable(LH_E_UNAVAILABLE), 1);
    ck_assert_int_eq(lh_rc_retryable(LH_E_BAD_JSON), 0);
}
