/* worker/programs/sql_functions.h - which functions a statement may call, as tables.
 *
 * Owns:    a function set owns nothing it was given; lh_sql_functions_build copies names into the
 *          arena of its context.
 * Threads: constants after build.
 * Limits:  none.
 * Formats: names in lower case.
 * Why:     allowed is what the engine lists at warm-up minus the deny table (one reason per row),
 *          so a new engine version cannot smuggle in a name that only later becomes dangerous
 *          without showing in `git diff` of a test. */
#ifndef LH_WORKER_PROGRAMS_SQL_FUNCTIONS_H
#define LH_WORKER_PROGRAMS_SQL_FUNCTIONS_H

#include "base/ctx.h"

/* What may be called: sorted by bytes, lower case. */
typedef struct lh_sql_functions {
    lh_str *names;
    size_t count;
    lh_str *
        /* of the engine (pg_tables, duckdb_settings ...): no CTE may have such a name */
        internal_views;
    size_t internal_views_count;
} lh_sql_functions;

/* Reason why a scalar, aggregate or macro is refused, or NULL. name in any case. */
const char *lh_sql_function_denied(lh_str name);
/* Table functions: short allow-list. */
int lh_sql_table_function_allowed(lh_str name);

/* Functions whose result is far larger than their arguments. */
typedef enum lh_sql_growth {
    LH_GROWTH_ARGUMENT, /* argument `argument` is a length or count, at most `max` */
    LH_GROWTH_SPAN,     /* difference of the last two of (start, stop), or stop alone */
    LH_GROWTH_FORMAT    /* argument 0 is a format with widths: constant, widths at most `max` */
} lh_sql_growth;
typedef struct lh_sql_amplifier {
    const char *name;
    lh_sql_growth growth;
    size_t argument;
    double max;
} lh_sql_amplifier;
const lh_sql_amplifier *lh_sql_amplifier_find(lh_str name); /* NULL: it is none */

/* Sorts and filters what the engine lists. names: as listed, duplicates welcome. */
LH_WARN_UNUSED lh_rc lh_sql_functions_build(lh_ctx *cx, const lh_str *names, size_t count,
                                            const lh_str *views, size_t views_count,
                                            lh_sql_functions *ret_functions);
int lh_sql_function_known(const lh_sql_functions *functions, lh_str name);
/* Adds to cx's error which allowed function an unknown one may mean; returns the error's code. */
LH_COLD lh_rc lh_sql_function_hint(lh_ctx *cx, const lh_sql_functions *functions, lh_str name);
int lh_sql_internal_view(const lh_sql_functions *functions, lh_str name);

#endif
