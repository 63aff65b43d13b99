/* unit.h - tests that register themselves, on top of Check.
 *
 * Owns:    nothing; each test puts one static node into the list that unit_main.c runs.
 * Threads: tests of one program run one after another, each in a process of its own (CK_FORK=no: in
 *          one).
 * Limits:  60 s per test (CK_DEFAULT_TIMEOUT changes it).
 * Formats: Check's summary line, which tools/test_run.py adds up.
 * Why:     a suite that must be listed in a second place is a suite that gets forgotten.
 *
 *     LH_TEST(append_is_durable_when_it_returns)
 *     {
 *         ck_assert_int_eq(lines_in(store, "log/"), 1);
 *     }
 *     LH_TEST_LOOP(round_trips_every_size, 100) { check_size(_i); }     _i = 0 .. 99
 *
 * A file is a suite, named after the file: CK_RUN_CASE=append_log_test runs one, `unit_storage
 * durable` runs the
 * tests whose name contains a word. A file that needs more than its module says so: links: storage
 * net  */
#ifndef LH_TESTS_SUPPORT_UNIT_H
#define LH_TESTS_SUPPORT_UNIT_H

#include <check.h>

typedef struct lh_unit_test {
    const TTest *test;
    const char *file;
    int loops_count;
    struct lh_unit_test *next;
} lh_unit_test;

/* Adds a test; the node must live as long as the program. Called before main. */
void lh_unit_register(lh_unit_test *node);

#define LH_TEST_LOOP(name, count)                                                                  \
    static void lh_unit_##name##_fn(int _i);                                                       \
    static const TTest lh_unit_##name##_ttest = {#name, lh_unit_##name##_fn, __FILE__, __LINE__};  \
    static lh_unit_test lh_unit_##name##_node = {&lh_unit_##name##_ttest, __FILE__, (count), 0};   \
    __attribute__((constructor)) static void lh_unit_##name##_register(void)                       \
    {                                                                                              \
        lh_unit_register(&lh_unit_##name##_node);                                                  \
    }                                                                                              \
    static void lh_unit_##name##_fn(int _i __attribute__((unused)))

#define LH_TEST(name) LH_TEST_LOOP(name, 1)

#endif
