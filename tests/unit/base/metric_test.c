#include "base/metric.h"

#include "fixture.h"

#include <pthread.h>

static const char *const routes[] = {"GET /health", "a\"b\\c\n"};

static lh_str exposed(lh_ctx *cx)
{
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 1 << 20);
    ck_assert_int_eq(lh_metric_write_all(cx, &buf), LH_OK);
    return lh_ctx_dup(cx, lh_buf_str(&buf));
}

#define has(text, part) ck_assert_msg(lh_str_find((text), LH_S(part)) != LH_STR_NPOS, "%s", part)

LH_TEST(counters_and_gauges_are_exposed)
{
    WITH_CX;
    lh_metric_add(LH_M_CATALOG_COMMITS, 2);
    lh_metric_add(LH_M_CATALOG_COMMITS, 3);
    lh_metric_set(LH_M_CATALOG_DATASETS, 7);
    lh_metric_add(LH_M_CATALOG_DATASETS, -1);
    ck_assert_int_eq(lh_metric_value(LH_M_CATALOG_COMMITS, 0), 5);
    lh_str text = exposed(cx);
    has(text,
        "# TYPE lakehouse_catalog_commits_total counter\nlakehouse_catalog_commits_total 5\n");
    has(text, "# TYPE lakehouse_catalog_datasets gauge\nlakehouse_catalog_datasets 6\n");
}

LH_TEST(families_have_one_value_per_label)
{
    WITH_CX;
    lh_metric_add_label(LH_M_HTTP_REQUESTS, 1, 1); /* before the labels are known: dropped */
    lh_metric_set_labels(LH_M_HTTP_REQUESTS, routes, 2);
    lh_metric_set_labels(LH_M_HTTP_REQUEST_SECONDS, routes, 2);
    lh_metric_add_label(LH_M_HTTP_REQUESTS, 1, 4);
    lh_metric_add_label(LH_M_HTTP_REQUESTS, 2, 4); /* no such label: dropped */
    lh_metric_observe_label_us(LH_M_HTTP_REQUEST_SECONDS, 0, 100);
    ck_assert_int_eq(lh_metric_value(LH_M_HTTP_REQUESTS, 1), 4);
    ck_assert_int_eq(lh_metric_value(LH_M_HTTP_REQUEST_SECONDS, 0), 1);
    lh_str text = exposed(cx);
    has(text, "lakehouse_http_requests_total{route=\"GET /health\"} 0\n");
    has(text, "lakehouse_http_requests_total{route=\"a\\\"b\\\\c\\n\"} 4\n");
    has(text, "lakehouse_http_request_seconds_bucket{route=\"GET /health\",le=\"0.0001\"} 1\n");
    lh_metric_set_labels(LH_M_HTTP_REQUESTS, routes, 1);
    ck_assert_int_eq(lh_metric_value(LH_M_HTTP_REQUESTS, 1), 0);
}

LH_TEST(histograms_are_cumulative_and_in_seconds)
{
    WITH_CX;
    static const int64_t us[] = {0, 100, 101, 2500, 10000000, 10000001};
    for (size_t i = 0; i < LH_ARRAY_LEN(us); i++)
        lh_metric_observe_us(LH_M_QUERY_SECONDS, us[i]);
    ck_assert_int_eq(lh_metric_value(LH_M_QUERY_SECONDS, 0), 6);
    lh_str text = exposed(cx);
    has(text, "lakehouse_query_seconds_bucket{le=\"0.0001\"} 2\n");
    has(text, "lakehouse_query_seconds_bucket{le=\"0.00025\"} 3\n");
    has(text, "lakehouse_query_seconds_bucket{le=\"0.0025\"} 4\n");
    has(text, "lakehouse_query_seconds_bucket{le=\"10\"} 5\n");
    has(text, "lakehouse_query_seconds_bucket{le=\"+Inf\"} 6\n");
    has(text, "lakehouse_query_seconds_sum 20.002702\n");
    has(text, "lakehouse_query_seconds_count 6\n");
}

LH_TEST(names_follow_the_conventions_of_prometheus)
{
    for (int i = 0; i < LH_METRIC_COUNT; i++) {
        const char *name, *kind, *label, *help;
        lh_metric_describe((lh_metric)i, &name, &kind, &label, &help);
        ck_assert(lh_str_starts(lh_str_from(name), LH_S("lakehouse_")));
        int is_total = lh_str_ends(lh_str_from(name), LH_S("_total"));
        ck_assert_int_eq(is_total, strcmp(kind, "counter") == 0);
        ck_assert_int_eq(lh_str_ends(lh_str_from(name), LH_S("_seconds")),
                         strcmp(kind, "histogram") == 0);
    }
}

LH_TEST(labels_without_memory_drop_updates)
{
    lh_alloc_fail_after(0, 1);
    lh_metric_set_labels(LH_M_HTTP_REQUEST_SECONDS, routes, 2);
    lh_alloc_fail_after(1, 1);
    lh_metric_set_labels(LH_M_HTTP_REQUEST_SECONDS, routes, 2);
    lh_alloc_fail_off();
    lh_metric_observe_label_us(LH_M_HTTP_REQUEST_SECONDS, 1, 5);
    ck_assert_int_eq(lh_metric_value(LH_M_HTTP_REQUEST_SECONDS, 1), 0);
}

enum { THREADS = 4, ROUNDS = 5000 };

static void *count_and_observe(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        lh_metric_add(LH_M_JOURNAL_EVENTS, 1);
        lh_metric_observe_us(LH_M_VECTOR_SEARCH_SECONDS, i);
    }
    return NULL;
}

LH_TEST(threads_lose_no_counts)
{
    WITH_CX;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_and_observe, NULL), 0);
    (void)exposed(cx); /* reading meanwhile is allowed */
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(lh_metric_value(LH_M_JOURNAL_EVENTS, 0), THREADS * ROUNDS);
    ck_assert_int_eq(lh_metric_value(LH_M_VECTOR_SEARCH_SECONDS, 0), THREADS * ROUNDS);
}
