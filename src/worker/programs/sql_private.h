/* worker/programs/sql_private.h - the state of the SQL program and the steps of a statement.
 *
 * Owns:    the database, the connection that parses and holds views, the views that were created.
 * Threads: the main thread; `running` is also read by the reader thread, under its lock.
 * Limits:  LHI_VIEWS_MAX views kept.
 * Formats: worker/messages.h.
 * Why:     one file per step: sql_parse.c (tree), sql_gate.c, sql_views.c, sql_bind.c, sql_error.c,
 *          sql_program.c. */
#ifndef LH_WORKER_PROGRAMS_SQL_PRIVATE_H
#define LH_WORKER_PROGRAMS_SQL_PRIVATE_H

#include "os/thread.h"
#include "worker/programs/duckdb_handles.h"
#include "worker/programs/program.h"
#include "worker/programs/sql_gate.h"

#define LHI_VIEWS_MAX 256

typedef struct lhi_kept_view {
    char *name;    /* owned, as created */
    char *version; /* owned */
    uint64_t used; /* task that used it last */
} lhi_kept_view;

typedef struct lhi_sql {
    duckdb_database database;
    duckdb_connection admin; /* parses, creates views; never runs a client's statement */
    duckdb_prepared_statement serialize;
    lhi_kept_view views[LHI_VIEWS_MAX];
    size_t views_count;
    uint64_t tasks;
    lh_mutex lock;
    duckdb_connection running; /* what interrupt stops; NULL = nothing */
} lhi_sql;

/* sql_parse.c: the tree of one statement as JSON, in the arena. LH_E_SQL_SYNTAX with place,
 * LH_E_SQL_DENIED. */
LH_WARN_UNUSED lh_rc lhi_sql_tree(lh_ctx *cx, lhi_sql *s, lh_str sql, size_t offset,
                                  lh_str *ret_tree);
LH_WARN_UNUSED lh_rc lhi_sql_prepare_parser(lh_ctx *cx, lhi_sql *s);
/* Names of what the engine offers; in the arena. */
LH_WARN_UNUSED lh_rc lhi_sql_list_functions(lh_ctx *cx, duckdb_connection connection,
                                            lh_sql_functions *ret);

/* sql_views.c: asks the server for the views of these tables and makes sure they stand.
 * LH_E_UNKNOWN_DATASET. */
LH_WARN_UNUSED lh_rc lhi_sql_need_views(lh_ctx *cx, lhi_sql *s, lh_task *task, lh_str sql,
                                        const lh_gate_tables *tables);

/* sql_bind.c: parameters from JSON. LH_E_SQL_INVALID, LH_E_BAD_VALUE with field params[i]. */
LH_WARN_UNUSED lh_rc lhi_sql_bind(lh_ctx *cx, duckdb_prepared_statement statement, lh_str params);

/* sql_error.c: what the engine says about a client's statement: code, place, hint. */
LH_COLD lh_rc lhi_sql_fail(lh_ctx *cx, lh_str sql, const char *engine_message);

#endif
