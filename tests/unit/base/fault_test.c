#include "base/fault.h"

#include "fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

LH_TEST(every_point_has_a_name_and_a_sentence)
{
    for (int i = 0; i < LH_FAULT_COUNT; i++) {
        ck_assert_uint_gt(strlen(lh_fault_name((lh_fault_point)i)), 3);
        ck_assert_uint_gt(strlen(lh_fault_doc((lh_fault_point)i)), 5);
    }
}

#if defined(LH_FAULTS) && LH_FAULTS
static lh_rc step(lh_ctx *cx)
{
    LH_FAULT(cx, FILE_BEFORE_SYNC);
    return LH_OK;
}

LH_TEST(the_nth_hit_fails_once_or_always)
{
    WITH_CX;
    lh_fault_disarm_all();
    ck_assert_int_eq(step(cx), LH_OK);
    lh_fault_arm(LH_FAULT_FILE_BEFORE_SYNC, LH_FAULT_FAIL, 2, 0);
    ck_assert_int_eq(step(cx), LH_OK);
    ck_assert_int_eq(step(cx), LH_E_IO);
    ck_assert_int_eq(step(cx), LH_OK);
    ck_assert_int_eq(lh_fault_arm_text(cx, LH_S("FILE_BEFORE_SYNC=fail_always@2")), LH_OK);
    ck_assert_int_eq(step(cx), LH_OK);
    ck_assert_int_eq(step(cx), LH_E_IO);
    ck_assert_int_eq(step(cx), LH_E_IO);
    ck_assert_uint_eq(lh_fault_hits(LH_FAULT_FILE_BEFORE_SYNC), 7);
    lh_fault_disarm_all();
    ck_assert_uint_eq(lh_fault_hits(LH_FAULT_FILE_BEFORE_SYNC), 0);
    ck_assert_int_eq(step(cx), LH_OK);
}

LH_TEST(a_crash_is_a_sigkill)
{
    WITH_CX;
    pid_t child = fork();
    if (child == 0) {
        LH_IGNORE(lh_fault_arm_text(cx, LH_S("FILE_BEFORE_SYNC=crash")));
        LH_IGNORE(step(cx));
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

LH_TEST(texts_that_say_nothing_known_are_refused)
{
    WITH_CX;
    ck_assert_int_eq(lh_fault_arm_text(cx, LH_S("")), LH_OK);
    ck_assert_int_eq(
        lh_fault_arm_text(cx, LH_S(" FILE_BEFORE_SYNC=delay:1@3 ,FILE_BEFORE_RENAME=fail")), LH_OK);
    static const lh_str bad[] = {
        LH_S_INIT("NO_POINT=fail"),           LH_S_INIT("FILE_BEFORE_SYNC"),
        LH_S_INIT("FILE_BEFORE_SYNC=melt"),   LH_S_INIT("FILE_BEFORE_SYNC=fail@0"),
        LH_S_INIT("FILE_BEFORE_SYNC=fail@x"), LH_S_INIT("FILE_BEFORE_SYNC=delay:x")};
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++)
        ck_assert_int_eq(lh_fault_arm_text(cx, bad[i]), LH_E_BAD_CONFIG);
    lh_fault_disarm_all();
}
#endif
