/* worker/programs/sql_gate.h - walks the syntax tree of one statement and lets through what is
 * allowed, nothing else.
 *
 * Owns:    results live in the arena of the context.
 * Threads: pure.
 * Limits:  LH_SQL_BYTES_MAX of text, LH_GATE_TREE_BYTES_MAX of tree, depth LH_JSON_DEPTH_MAX,
 *          LH_GATE_NODES_MAX nodes.
 * Formats: what DuckDB's json_serialize_sql returns (1.5).
 * Why:     the engine's settings do not keep a statement from reading other files of the same
 *          folder, settings, definitions or writing copies (research: duckdb 1c). Allow-lists only:
 *          an unknown node is refused. */
#ifndef LH_WORKER_PROGRAMS_SQL_GATE_H
#define LH_WORKER_PROGRAMS_SQL_GATE_H

#include "worker/programs/sql_functions.h"

#define LH_SQL_BYTES_MAX       (256u * 1024u)
#define LH_GATE_TREE_BYTES_MAX (12u * 1024u * 1024u)
#define LH_GATE_NODES_MAX      50000u
#define LH_GATE_TABLES_MAX     200u
#define LH_SQL_VIEWS_SCHEMA    "lake" /* the only schema a statement sees */

typedef struct lh_gate_input {
    lh_str tree;       /* JSON of json_serialize_sql */
    lh_str sql;        /* the whole text, for places */
    size_t sql_offset; /* where the part that was parsed begins in it */
    const lh_sql_functions *functions;
} lh_gate_input;

/* Names of tables the statement reads, as first written, each once (ASCII case ignored). */
typedef struct lh_gate_tables {
    lh_str *names;
    size_t *offsets; /* where it stands in the text; LH_STR_NPOS = not known */
    size_t count;
} lh_gate_tables;

/* Errors: LH_E_SQL_SYNTAX (line, column), LH_E_SQL_DENIED (what and what to do instead),
 *         LH_E_TOO_LARGE. */
LH_WARN_UNUSED lh_rc lh_sql_gate(lh_ctx *cx, const lh_gate_input *input,
                                 lh_gate_tables *ret_tables);

/* Before parsing: length, UTF-8, NUL. */
LH_WARN_UNUSED lh_rc lh_sql_check_text(lh_ctx *cx, lh_str sql);

#endif
