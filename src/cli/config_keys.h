/* cli/config_keys.h - everything that can be configured, as one struct and one table.
 *
 * To add a key: 1. a member; 2. a row in config_keys.c; 3. use it where the part is opened
 * (serve.c).
 *
 * Owns:    texts live in the arena of the load.
 * Threads: constant after the load.
 * Limits:  in the rows.
 * Formats: lakehouse.toml; docs/api/config.json.
 * Why:     one table documents, checks and sets them all. */
#ifndef LH_CLI_CONFIG_KEYS_H
#define LH_CLI_CONFIG_KEYS_H

#include "base/config.h"

typedef enum lh_auth_mode { LH_AUTH_AUTO, LH_AUTH_ON, LH_AUTH_OFF } lh_auth_mode;

typedef struct lh_config {
    /* server */
    lh_str listen;
    int64_t handler_threads;
    int64_t uploads_max;
    int64_t connections_max;
    int64_t connections_per_ip_max;
    int64_t in_flight_max;
    int64_t events_max;
    uint64_t header_bytes_max;
    int64_t header_timeout_us;
    int64_t body_timeout_us;
    uint64_t body_rate_min;
    int64_t write_timeout_us;
    int64_t idle_timeout_us;
    int64_t request_timeout_us;
    int64_t drain_timeout_us;
    lh_str_list cors_origins;
    bool access_log;
    /* storage */
    lh_str root;
    /* auth */
    int auth_enabled;
    lh_str auth_key;
    /* query */
    int64_t query_workers;
    int64_t query_queue;
    uint64_t query_memory;
    int64_t query_timeout_us;
    int64_t query_timeout_max_us;
    int64_t query_rows_default;
    /* ingest */
    lh_str inbox;
    bool inbox_enabled;
    int64_t inbox_poll_us;
    int64_t ingest_workers;
    uint64_t ingest_memory;
    uint64_t upload_bytes_max;
    uint64_t unpacked_bytes_max;
    int64_t ingest_timeout_us;
    /* embed */
    lh_str model;
    int64_t embed_workers;
    uint64_t embed_memory;
    uint64_t embed_cache;
    int64_t embed_bulk_workers;
    bool embed_background;
    int64_t embed_checkpoint_us;
    /* vector */
    int vector_kind;
    int64_t vector_ef_construction;
    int64_t vector_ef_search;
    double vector_recall;
    int64_t vector_seed;
    int64_t vector_workers;
    uint64_t vector_memory;
    bool vector_background;
    int64_t vector_keep_from;
    uint64_t vector_filter_cache;
    /* jobs */
    int64_t job_threads;
    int64_t job_queue;
    int64_t job_remembered;
    /* worker */
    int64_t worker_idle_us;
    int64_t worker_grace_us;
    /* log */
    int log_level;
    int log_format;
} lh_config;

extern const lh_config_key lh_config_keys[];

/* Fills what "" stands for from the machine: memory of workers, threads. */
void lh_config_derive(lh_config *config);

#endif
