/* unit_main.c - runs every registered test: one Check suite per file, in the order of the source.
 * The optional argument keeps the tests whose name contains it. */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A test that hangs must end; one on a busy machine may take ten times its few seconds. */
enum { TIMEOUT_S = 180, FILES_MAX = 128, SUITE_NAME_MAX = 128 };

static lh_unit_test *tests_first;
static lh_unit_test **tests_end = &tests_first;

void lh_unit_register(lh_unit_test *node)
{
    *tests_end = node;
    tests_end = &node->next;
}

static struct {
    char name[SUITE_NAME_MAX]; /* lives as long as the program: Check keeps the pointer */
    const char *file;
    TCase *tests;
} suites[FILES_MAX];
static int suites_count;

/* "tests/unit/storage/append_log_test.c" -> "append_log_test" */
static void suite_name(const char *path, char name[SUITE_NAME_MAX])
{
    const char *slash = strrchr(path, '/');
    snprintf(name, SUITE_NAME_MAX, "%s", slash != NULL ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot != NULL)
        *dot = '\0';
}

static TCase *case_of_file(SRunner *runner, const char *file)
{
    for (int i = 0; i < suites_count; i++)
        if (strcmp(suites[i].file, file) == 0)
            return suites[i].tests;
    if (suites_count == FILES_MAX)
        abort();
    char *name = suites[suites_count].name;
    suite_name(file, name);
    Suite *suite = suite_create(name);
    TCase *tests = tcase_create(name);
    if (getenv("CK_DEFAULT_TIMEOUT") == NULL)
        tcase_set_timeout(tests, TIMEOUT_S);
    suite_add_tcase(suite, tests);
    srunner_add_suite(runner, suite);
    suites[suites_count].file = file;
    suites[suites_count++].tests = tests;
    return tests;
}

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : "";
    SRunner *runner = srunner_create(NULL);
    int selected = 0;

    for (lh_unit_test *test = tests_first; test != NULL; test = test->next) {
        if (strstr(test->test->name, wanted) == NULL)
            continue;
        tcase_add_loop_test(case_of_file(runner, test->file), test->test, 0, test->loops_count);
        selected++;
    }
    if (selected == 0) {
        fprintf(stderr, "no test has \"%s\" in its name\n", wanted);
        srunner_free(runner);
        return EXIT_FAILURE;
    }
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
