/* cli/demo.h - the demo data: a staffing company that does not exist, as seven CSV files.
 *
 * Owns:    nothing.
 * Threads: one per call.
 * Limits:  scale 0.0001..10.
 * Formats: CSV (RFC 4180); demo-truth.csv holds candidate_id and the role each resume was written
 *          from. The same seed and scale give the same bytes.
 * Why:     search by meaning can only be judged when the truth is known. Names, companies, phones
 *          (555), domains (example.*) and SSNs (9xx) cannot be real. */
#ifndef LH_CLI_DEMO_H
#define LH_CLI_DEMO_H

#include "base/ctx.h"

typedef enum lh_demo_table {
    LH_DEMO_CANDIDATES,
    LH_DEMO_CLIENTS,
    LH_DEMO_JOB_ORDERS,
    LH_DEMO_PLACEMENTS,
    LH_DEMO_TIMESHEETS,
    LH_DEMO_CALL_LOG,
    LH_DEMO_EMAIL_LOG,
    LH_DEMO_TABLE_COUNT
} lh_demo_table;
extern const char *const lh_demo_table_names[]; /* "candidates", ... */

typedef struct lh_demo_options {
    double scale;
    uint64_t seed; /* 0 = the default one */
    void (*on_progress)(void *arg, uint64_t rows_done, uint64_t rows_total); /* NULL ok */
    void *arg;
} lh_demo_options;

uint64_t lh_demo_rows(lh_demo_table table, double scale);
/* Writes <dir>/<table>.csv for all tables and <dir>/demo-truth.csv. dir is made. LH_E_NO_SPACE,
 * LH_E_CANCELLED. */
LH_WARN_UNUSED lh_rc lh_demo_write(lh_ctx *cx, lh_str dir, const lh_demo_options *opts);

#endif
