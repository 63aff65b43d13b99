/* unit_main.c - runs every registered test: one Check suite per file, in the order of the source.
 * The optional argument keeps the tests whose name contains it. */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_S = 60, FILES_MAX = 128 };

static lh_unit_test *tests_first;
static lh_unit_test **tests_end = &tests_first;

void lh_unit_register(lh_unit_test *node)
{
    *tests_end = node;
    tests_end = &node->next;
}

/* "tests/unit/storage/append_log_test.c" -> "append_log_test"; the copy lives until the process
 * ends. */
static const char *suite_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = strdup(slash != NULL ? slash + 1 : path);
    if (name == NULL)
        abort();
    char *dot = strrchr(name, '.');
    if (dot != NULL)
        *dot = '\0';
    return name;
}

static TCase *case_of_file(SRunner *runner, const char *file)
{
    static struct {
        const char *file;
        TCase *tests;
    } known[FILES_MAX];
    static int known_count;

    for (int i = 0; i < known_count; i++)
        if (strcmp(known[i].file, file) == 0)
            return known[i].tests;
    if (known_count == FILES_MAX)
        abort();
    const char *name = suite_name(file);
    Suite *suite = suite_create(name);
    TCase *tests = tcase_create(name);
    if (getenv("CK_DEFAULT_TIMEOUT") == NULL)
        tcase_set_timeout(tests, TIMEOUT_S);
    suite_add_tcase(suite, tests);
    srunner_add_suite(runner, suite);
    known[known_count].file = file;
    known[known_count++].tests = tests;
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
