/* base/metric_list.h - every metric of GET /metrics.
 *
 * To add one: a row here (KEEP SORTED): symbol, kind (COUNTER GAUGE HISTOGRAM), name, label ("" =
 * none), help. Histograms observe microseconds and are shown in seconds. Label values are
 * registered by the owner at start.
 *
 * Owns: nothing. Threads: constants. Limits: none. Formats: docs/api/metrics.json. Why: one
 *       table. */
#ifndef LH_BASE_METRIC_LIST_H
#define LH_BASE_METRIC_LIST_H

/* clang-format off */
/* KEEP SORTED */
#define LH_METRIC_LIST(X)                                                                                          \
    X(CATALOG_COMMITS,       COUNTER,   "lakehouse_catalog_commits_total",       "",       "Commits made.")            \
    X(CATALOG_CONFLICTS,     COUNTER,   "lakehouse_catalog_conflicts_total",     "",       "Commits that another writer overtook and that were made again.") \
    X(CATALOG_DATASETS,      GAUGE,     "lakehouse_catalog_datasets",            "",       "Datasets known.")          \
    X(EMBED_CACHE_DAMAGED,   COUNTER,   "lakehouse_embed_cache_damaged_total",   "",       "Entries of the embedding cache whose checksum did not fit; embedded anew.") \
    X(EMBED_CACHE_HITS,      COUNTER,   "lakehouse_embed_cache_hits_total",      "",       "Texts answered from the embedding cache.") \
    X(EMBED_TEXTS,           COUNTER,   "lakehouse_embed_texts_total",           "",       "Texts embedded by the model.") \
    X(HTTP_BYTES_RECEIVED,   COUNTER,   "lakehouse_http_received_bytes_total",   "",       "Bytes read from clients.") \
    X(HTTP_BYTES_SENT,       COUNTER,   "lakehouse_http_sent_bytes_total",       "",       "Bytes written to clients.") \
    X(HTTP_CONNECTIONS,      GAUGE,     "lakehouse_http_connections",            "",       "Open connections.")        \
    X(HTTP_IN_FLIGHT,        GAUGE,     "lakehouse_http_requests_in_flight",     "",       "Requests being answered.") \
    X(HTTP_REJECTED,         COUNTER,   "lakehouse_http_rejected_total",         "",       "Connections and requests refused by a limit.") \
    X(HTTP_REQUESTS,         COUNTER,   "lakehouse_http_requests_total",         "route",  "Requests by route.")       \
    X(HTTP_REQUEST_SECONDS,  HISTOGRAM, "lakehouse_http_request_seconds",        "route",  "Time from the first byte of a request to the last of its reply.") \
    X(HTTP_RESPONSES_CLIENT_ERROR, COUNTER, "lakehouse_http_responses_client_error_total", "", "Replies with a 4xx status.") \
    X(HTTP_RESPONSES_SERVER_ERROR, COUNTER, "lakehouse_http_responses_server_error_total", "", "Replies with a 5xx status.") \
    X(INGEST_BYTES,          COUNTER,   "lakehouse_ingest_bytes_total",          "",       "Bytes of files ingested.") \
    X(INGEST_ROWS,           COUNTER,   "lakehouse_ingest_rows_total",           "",       "Rows ingested.")           \
    X(JOBS_RUNNING,          GAUGE,     "lakehouse_jobs_running",                "",       "Jobs running now.")        \
    X(JOURNAL_EVENTS,        COUNTER,   "lakehouse_journal_events_total",        "",       "Events written to the journal.") \
    X(QUERY_ROWS,            COUNTER,   "lakehouse_query_rows_total",            "",       "Rows sent as query results.") \
    X(QUERY_SECONDS,         HISTOGRAM, "lakehouse_query_seconds",               "",       "Time of SQL queries.")     \
    X(TEXT_SEARCH_SECONDS,   HISTOGRAM, "lakehouse_text_search_seconds",         "",       "Time of text searches.")   \
    X(VECTOR_FILTER_HITS,    COUNTER,   "lakehouse_vector_filter_hits_total",    "",       "Searches whose filter was answered from the cache.") \
    X(VECTOR_FILTER_MISSES,  COUNTER,   "lakehouse_vector_filter_misses_total",  "",       "Searches whose filter was asked of SQL.") \
    X(VECTOR_SEARCH_SECONDS, HISTOGRAM, "lakehouse_vector_search_seconds",       "",       "Time of vector searches, embedding of the query included.") \
    X(WORKERS_BUSY,          GAUGE,     "lakehouse_workers_busy",                "kind",   "Workers at work.")         \
    X(WORKERS_CRASHED,       COUNTER,   "lakehouse_workers_crashed_total",       "kind",   "Workers that ended unexpectedly.") \
    X(WORKERS_KILLED,        COUNTER,   "lakehouse_workers_killed_total",        "kind",   "Workers killed by deadline, memory limit or cancel.") \
    X(WORKERS_STARTED,       COUNTER,   "lakehouse_workers_started_total",       "kind",   "Workers started.")         \
    X(WORKER_QUEUE,          GAUGE,     "lakehouse_worker_queue",                "kind",   "Requests that wait for a worker.")
/* clang-format on */

#endif
