/* base/metric.h - counters, gauges and histograms from one table, in Prometheus text.
 *
 * Owns:    the values (static) and copies of label texts.
 * Threads: any; relaxed atomics.
 * Limits:  LH_METRIC_LABELS_MAX label values per metric.
 * Formats: Prometheus text exposition 0.0.4.
 * Why:     rows in metric_list.h; a metric without a row does not exist. */
#ifndef LH_BASE_METRIC_H
#define LH_BASE_METRIC_H

#include "base/buf.h"
#include "base/metric_list.h"

#define LH_METRIC_LABELS_MAX 256

typedef enum lh_metric {
#define LH_METRIC_ENUM(symbol, kind, name, label, help) LH_M_##symbol,
    LH_METRIC_LIST(LH_METRIC_ENUM)
#undef LH_METRIC_ENUM
        LH_METRIC_COUNT
} lh_metric;

/* Label values by index, once at start; texts are borrowed for the life of the process. */
void lh_metric_set_labels(lh_metric metric, const char *const *values, size_t count);
void lh_metric_add(lh_metric metric, int64_t n);
void lh_metric_add_label(lh_metric metric, size_t label_index, int64_t n);
void lh_metric_set(lh_metric metric, int64_t value);
void lh_metric_observe_us(lh_metric metric, int64_t us);
void lh_metric_observe_label_us(lh_metric metric, size_t label_index, int64_t us);
int64_t lh_metric_value(lh_metric metric, size_t label_index); /* histograms: the count */
LH_WARN_UNUSED lh_rc lh_metric_write_all(lh_ctx *cx, lh_buf *out);
void lh_metric_describe(lh_metric metric, const char **ret_name, const char **ret_kind,
                        const char **ret_label, const char **ret_help);

#endif
