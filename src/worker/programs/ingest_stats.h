/* worker/programs/ingest_stats.h - what written Parquet files hold: columns, values, and which
 * texts look personal.
 *
 * Owns:    results live in the arena of the context.
 * Threads: one at a time.
 * Limits:  about LH_STATS_VALUES_MAX texts are looked at per job, spread over the columns.
 * Formats: none.
 * Why:     one road for every format: the files are asked, not the readers. */
#ifndef LH_WORKER_PROGRAMS_INGEST_STATS_H
#define LH_WORKER_PROGRAMS_INGEST_STATS_H

#include "worker/programs/ingest_engine.h"

#define LH_STATS_VALUES_MAX 1000000u

/* a@b.cd; +1 (555) 010-0100 and other forms of 7..15 digits with something around them;
 * ddd-dd-dddd. Whole text. */
bool lh_like_email(lh_str text);
bool lh_like_phone(lh_str text);
bool lh_like_ssn(lh_str text);

/* Names and types of "SELECT * FROM <from>"; the counts are zero. */
LH_WARN_UNUSED lh_rc lh_stats_columns(lh_ctx *cx, duckdb_connection connection, lh_str from,
                                      lh_rc otherwise, lh_list *ret_columns);
/* Fills in `values` of the columns from the footers, or by counting where they do not say. */
LH_WARN_UNUSED lh_rc lh_stats_values(lh_ctx *cx, duckdb_connection connection, const lh_str *paths,
                                     size_t paths_count, lh_list columns);
/* Fills in sampled and like_*. */
LH_WARN_UNUSED lh_rc lh_stats_sample(lh_ctx *cx, duckdb_connection connection, const lh_str *paths,
                                     size_t paths_count, lh_list columns);

#endif
