/* cli/config_keys.c - the rows. Defaults work on a laptop; those that depend on the machine are
 * derived at start. */
#include "cli/config_keys.h"

#include "os/process.h"
#include "search/search.h"
#include "vector/vector_index.h"

#define KIB    1024ll
#define MIB    (1024ll * KIB)
#define GIB    (1024ll * MIB)
#define SECOND 1000000ll
#define HOUR   (3600ll * SECOND)

static const char *const auth_names[] = {"auto", "on", "off", NULL};
static const char *const level_names[] = {"error", "warn", "info", "debug", NULL};
static const char *const format_names[] = {"auto", "text", "json", NULL};

#define KEY(sect, name, ctype, member, dflt, low, high, text)                                      \
    {                                                                                              \
        .section = (sect), .key = (name), .type = (ctype), .offset = offsetof(lh_config, member),  \
        .def = (dflt), .min = (low), .max = (high), .doc = (text)                                  \
    }

/* clang-format off */
const lh_config_key lh_config_keys[] = {
    KEY("server", "listen", LH_C_STR, listen, "127.0.0.1:3100", 0, 255, "Address and port of HTTP; port 0 picks one."),
    KEY("server", "handler_threads", LH_C_I64, handler_threads, "32", 1, 1024, "Threads that run handlers."),
    KEY("server", "connections_max", LH_C_I64, connections_max, "20000", 1, 1000000, "Open connections at once."),
    KEY("server", "connections_per_ip_max", LH_C_I64, connections_per_ip_max, "1000", 0, 1000000, "Open connections of one address; 0 = no limit. Loopback is not limited."),
    KEY("server", "in_flight_max", LH_C_I64, in_flight_max, "512", 1, 100000, "Requests being answered or waiting for a thread; more get 503."),
    KEY("server", "events_max", LH_C_I64, events_max, "256", 1, 10000, "Open event streams (SSE)."),
    KEY("server", "uploads_max", LH_C_I64, uploads_max, "64", 1, 1024, "Uploads at once, each with a thread of its own; more get 503."),
    KEY("server", "header_bytes_max", LH_C_SIZE, header_bytes_max, "32KiB", 1 * KIB, 1 * MIB, "Bytes of a request's headers."),
    KEY("server", "header_timeout", LH_C_DURATION, header_timeout_us, "10s", SECOND / 10, HOUR, "From the first byte of a request to the end of its headers."),
    KEY("server", "body_timeout", LH_C_DURATION, body_timeout_us, "30s", SECOND / 10, HOUR, "Between two pieces of a body."),
    KEY("server", "body_rate_min", LH_C_SIZE, body_rate_min, "1KiB", 0, 1 * GIB, "Bytes per second a body must bring, over each server.body_timeout; 0 = any."),
    KEY("server", "write_timeout", LH_C_DURATION, write_timeout_us, "30s", SECOND / 10, HOUR, "A client that does not read its reply."),
    KEY("server", "idle_timeout", LH_C_DURATION, idle_timeout_us, "75s", SECOND / 10, 24 * HOUR, "A kept connection without a request."),
    KEY("server", "request_timeout", LH_C_DURATION, request_timeout_us, "60s", SECOND / 10, 24 * HOUR, "Deadline of a request that sets none of its own."),
    KEY("server", "drain_timeout", LH_C_DURATION, drain_timeout_us, "10s", 0, HOUR, "Time open requests get after SIGTERM."),
    KEY("server", "cors_origins", LH_C_STR_LIST, cors_origins, "", 0, 0, "Origins that browsers may call from; * = any. Empty: none."),
    KEY("server", "access_log", LH_C_BOOL, access_log, "true", 0, 0, "Log every request."),
    KEY("storage", "root", LH_C_STR, root, "data", 1, 4000, "Folder of the primary bucket."),
    {.section = "auth", .key = "enabled", .type = LH_C_ENUM, .offset = offsetof(lh_config, auth_enabled), .def = "auto", .names = auth_names, .doc = "auto: off on loopback, on elsewhere; on; off."},
    {.section = "auth", .key = "key", .type = LH_C_STR, .flags = LH_CONFIG_SECRET, .offset = offsetof(lh_config, auth_key), .def = "", .max = 512, .doc = "A key that is accepted as the owner's, beside the stored ones."},
    KEY("query", "workers", LH_C_I64, query_workers, "4", 1, 256, "SQL worker processes."),
    KEY("query", "queue", LH_C_I64, query_queue, "64", 1, 10000, "Queries that may wait for a worker; more get 503."),
    KEY("query", "memory", LH_C_SIZE, query_memory, "", 0, 0, "Memory of one SQL worker; empty: a quarter of the machine's, 512 MiB to 16 GiB."),
    KEY("query", "timeout", LH_C_DURATION, query_timeout_us, "30s", SECOND / 1000, 24 * HOUR, "Deadline of a query that sets none."),
    KEY("query", "timeout_max", LH_C_DURATION, query_timeout_max_us, "24h", SECOND, 24 * HOUR, "Longest deadline a query may ask for."),
    KEY("query", "rows_default", LH_C_I64, query_rows_default, "10000", 1, 100000000, "Rows of a JSON reply when no limit is asked."),
    KEY("ingest", "inbox", LH_C_STR, inbox, "inbox", 1, 4000, "Folder that is watched, with processed/ and failed/ inside."),
    KEY("ingest", "inbox_enabled", LH_C_BOOL, inbox_enabled, "true", 0, 0, "Watch the inbox."),
    KEY("ingest", "inbox_poll", LH_C_DURATION, inbox_poll_us, "2s", SECOND / 20, HOUR, "How often the inbox is looked at; a file is taken when it did not change between two looks."),
    KEY("ingest", "workers", LH_C_I64, ingest_workers, "2", 1, 64, "Ingest worker processes."),
    KEY("ingest", "memory", LH_C_SIZE, ingest_memory, "", 0, 0, "Memory of one ingest worker; empty: an eighth of the machine's, 384 MiB to 4 GiB."),
    KEY("ingest", "upload_bytes_max", LH_C_SIZE, upload_bytes_max, "64GiB", 1, 1024 * GIB, "Bytes of one upload."),
    KEY("ingest", "unpacked_bytes_max", LH_C_SIZE, unpacked_bytes_max, "64GiB", 1, 16384 * GIB, "Bytes a compressed file may unpack to."),
    KEY("ingest", "timeout", LH_C_DURATION, ingest_timeout_us, "2h", SECOND, 240 * HOUR, "Deadline of one file in its worker."),
    KEY("embed", "model", LH_C_STR, model, "", 0, 4000, "Packed embedding model; empty: the installed all-MiniLM-L6-v2."),
    KEY("embed", "workers", LH_C_I64, embed_workers, "2", 1, 64, "Embed worker processes for searches: people wait for them."),
    KEY("embed", "bulk_workers", LH_C_I64, embed_bulk_workers, "1", 1, 64, "Embed worker processes for jobs; each uses all processors."),
    KEY("embed", "background", LH_C_BOOL, embed_background, "true", 0, 0, "Jobs embed only while nobody else wants the processor. false: as fast as anybody."),
    KEY("embed", "checkpoint", LH_C_DURATION, embed_checkpoint_us, "15s", SECOND / 100, 24 * HOUR, "A build is saved after so long, or after 4,096 chunks; what is younger is embedded again after a crash, unless the cache has it."),
    KEY("embed", "memory", LH_C_SIZE, embed_memory, "1GiB", 128 * MIB, 64 * GIB, "Memory of one embed worker."),
    KEY("embed", "cache", LH_C_SIZE, embed_cache, "1GiB", 0, 4096 * GIB, "Disk for vectors kept by content hash, below .lakehouse; 0 = none. Each of two models or precisions may fill half."),
    {.section = "vector", .key = "kind", .type = LH_C_ENUM, .offset = offsetof(lh_config, vector_kind), .def = "auto", .names = lh_search_kind_names, .doc = "Kind of new indexes: auto (by rows), flat, graph, ivf, exact."},
    KEY("vector", "ef_construction", LH_C_I64, vector_ef_construction, "0", 0, LH_VECTOR_EF_CONSTRUCTION_MAX, "Effort of building graphs, 10 to 400; 0: the engine's own, which is above that of 200 in HNSW."),
    KEY("vector", "ef_search", LH_C_I64, vector_ef_search, "0", 0, LH_VECTOR_EF_SEARCH_MAX, "Effort of searches that ask for none, 10 to 400; 0: as much as vector.recall needs."),
    KEY("vector", "recall", LH_C_F64, vector_recall, "0.99", 0, 1, "Recall of searches that ask for none, met from what was measured when the index was built."),
    KEY("vector", "seed", LH_C_I64, vector_seed, "42", 0, INT64_MAX, "Of the random choices of a build; equal rows and seed give equal bytes."),
    KEY("vector", "workers", LH_C_I64, vector_workers, "1", 1, 64, "Index worker processes; each builds one segment with all processors."),
    KEY("vector", "memory", LH_C_SIZE, vector_memory, "", 0, 0, "Memory of one index worker; empty: half of the machine's, 1 GiB to 64 GiB."),
    KEY("vector", "background", LH_C_BOOL, vector_background, "true", 0, 0, "Indexes are built only while nobody else wants the processor. false: as fast as anybody."),
    KEY("vector", "keep_from", LH_C_I64, vector_keep_from, "250000", 1, UINT32_MAX, "Vectors from which on a build keeps what its finished phases made, so that one that was cut off goes on behind them."),
    KEY("vector", "filter_cache", LH_C_SIZE, vector_filter_cache, "64MiB", 0, 64 * GIB, "Memory for which rows fulfil a search's filter, by data version, filter and reader; 0 = none."),
    KEY("jobs", "threads", LH_C_I64, job_threads, "3", 1, 64, "Jobs that run at once."),
    KEY("jobs", "queue", LH_C_I64, job_queue, "1000", 1, 100000, "Jobs that may wait."),
    KEY("jobs", "remembered", LH_C_I64, job_remembered, "1000", 1, 100000, "Ended jobs that are remembered."),
    KEY("worker", "idle", LH_C_DURATION, worker_idle_us, "60s", SECOND, 24 * HOUR, "An idle worker beyond the first ends after so long."),
    KEY("worker", "grace", LH_C_DURATION, worker_grace_us, "500ms", SECOND / 100, 60 * SECOND, "Between asking a worker to stop and killing it."),
    {.section = "log", .key = "level", .type = LH_C_ENUM, .flags = LH_CONFIG_RELOAD, .offset = offsetof(lh_config, log_level), .def = "info", .names = level_names, .doc = "error, warn, info or debug."},
    {.section = "log", .key = "format", .type = LH_C_ENUM, .flags = LH_CONFIG_RELOAD, .offset = offsetof(lh_config, log_format), .def = "auto", .names = format_names, .doc = "text, json, or auto: text on a terminal."},
    {0}};
/* clang-format on */

static uint64_t clamp(uint64_t value, long long low, long long high)
{
    return LH_MIN(LH_MAX(value, (uint64_t)low), (uint64_t)high);
}

void lh_config_derive(lh_config *config)
{
    uint64_t memory = lh_machine_memory_bytes();
    if (config->query_memory == 0)
        config->query_memory = clamp(memory / 4, 512 * MIB, 16 * GIB);
    if (config->ingest_memory == 0)
        config->ingest_memory = clamp(memory / 8, 384 * MIB, 4 * GIB);
    if (config->vector_memory == 0)
        config->vector_memory = clamp(memory / 2, GIB, 64 * GIB);
}
