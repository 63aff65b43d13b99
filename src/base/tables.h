/* tables.h - the declared tables of base/ as JSON arrays, for `lakehouse tables` and docs/api/.
 *
 * Owns:    nothing.
 * Threads: pure.
 * Limits:  none.
 * Formats: one object per row, in the order of the table; a fact that a row does not have is left
 *          out.
 * Why:     the reviewed copies under docs/api/ are made from what the program really does. */
#ifndef LH_BASE_TABLES_H
#define LH_BASE_TABLES_H

#include "base/config.h"
#include "base/json_write.h"

void lh_error_write_table(lh_json_writer *w);  /* code, status, retryable, text */
void lh_fault_write_table(lh_json_writer *w);  /* name, doc */
void lh_log_write_table(lh_json_writer *w);    /* event, level, doc */
void lh_metric_write_table(lh_json_writer *w); /* name, kind, label, help */
/* section, key, env, type, default, min, max, names, reload, secret, doc */
void lh_config_write_table(lh_json_writer *w, const lh_config_key *keys);

#endif
