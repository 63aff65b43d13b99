/* sql_cases.h - reads the case files of tests/golden/sql_gate.
 *
 * Owns:    texts live in the arena of the context.
 * Threads: one.
 * Limits:  SQL_CASES_MAX cases a file.
 * Formats: "[why] code" on a line, the statement on the lines after it, up to an empty line. #
 *          begins a comment line. @@N{text} in a statement stands for N times text.
 * Why:     anybody can add a case without C. */
#ifndef LH_TESTS_SUPPORT_SQL_CASES_H
#define LH_TESTS_SUPPORT_SQL_CASES_H

#include "base/buf.h"

#define SQL_CASES_MAX 1000

typedef struct lh_sql_case {
    lh_str why;
    lh_str expected;
    lh_str sql;
    int line; /* of the file */
} lh_sql_case;

/* Ends the test when the file cannot be read. Returns how many. */
size_t lh_sql_cases_read(lh_ctx *cx, const char *file_name, lh_sql_case **ret_cases);

#endif
