/* cli/serve.c - wires the parts and runs them: a table of parts, started forward, stopped backward.
 *
 * To add a part: 1. a member of lh_app; 2. a start and a stop function; 3. a row where its needs
 * are met. */
#include "api/app.h"
#include "base/clock.h"
#include "base/log.h"
#include "build_info.h"
#include "cli/cli.h"
#include "cli/config_keys.h"
#include "cli/model_path.h"
#include "cli/serve_private.h"
#include "os/file.h"
#include "os/process.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* ---- parts ---- */

static lh_str below(lh_ctx *cx, const serving *s, const char *name)
{
    return lh_path_join(cx, s->root, lh_str_from(name));
}

static lh_rc start_lock(lh_ctx *cx, serving *s)
{
    LH_TRY(lh_dir_make(cx, s->root));
    lh_rc rc = lh_dir_make(cx, below(cx, s, ".lakehouse/spill"));
    if (rc == LH_OK)
        rc = lh_file_open(cx, below(cx, s, ".lakehouse/lock"), LH_FILE_READ_WRITE, &s->lock);
    if (rc == LH_E_FORBIDDEN)
        return lh_err_hint(cx, "the server's user must be able to write into the data folder; "
                               "give another one with --data");
    LH_TRY(rc);
    rc = lh_file_lock(cx, s->lock);
    if (rc == LH_E_CONFLICT) {
        LH_IGNORE(lh_fail(cx, LH_E_CONFLICT, "another lakehouse serves this data folder"));
        return lh_err_hint(cx, "stop it first, or give this one another folder with --data");
    }
    return rc;
}

static void stop_lock(serving *s)
{
    s->lock = lh_file_close(s->lock);
}

static lh_rc start_store(lh_ctx *cx, serving *s)
{
    return lh_store_open_local(cx, s->root, below(cx, s, ".lakehouse/staging"), &s->app.store);
}

static void stop_store(serving *s)
{
    s->app.store = lh_store_close(s->app.store);
}

static lh_rc start_journal(lh_ctx *cx, serving *s)
{
    lh_journal_options opts = {0};
    return lh_journal_open(cx, s->app.store, &opts, &s->app.journal);
}

static void stop_journal(serving *s)
{
    s->app.journal = lh_journal_close(s->app.journal);
}

static lh_rc start_catalog(lh_ctx *cx, serving *s)
{
    return lh_catalog_open(cx, s->app.store, s->app.journal, &s->app.catalog);
}

static void stop_catalog(serving *s)
{
    s->app.catalog = lh_catalog_close(s->app.catalog);
}

static int listens_on_loopback(lh_str listen)
{
    return lh_str_starts(listen, LH_S("127.")) || lh_str_starts(listen, LH_S("[::1]")) ||
           lh_str_starts(listen, LH_S("localhost:"));
}

static lh_rc start_policy(lh_ctx *cx, serving *s)
{
    lh_app *app = &s->app;
    LH_TRY(lh_policy_open(cx, app->catalog, &app->policy));
    app->auth_on =
        s->config.auth_enabled == LH_AUTH_ON ||
        (s->config.auth_enabled == LH_AUTH_AUTO && !listens_on_loopback(s->config.listen));
    if (s->config.auth_key.len > 0)
        LH_TRY(lh_policy_accept_key(cx, app->policy, s->config.auth_key));
    if (!app->auth_on) {
        LH_LOG(cx, AUTH_OFF, LH_KS("listen", s->config.listen));
        return LH_OK;
    }
    if (lh_policy_keys_count(app->policy) > 0 || s->config.auth_key.len > 0)
        return LH_OK;
    lh_str key;
    LH_TRY(lh_policy_create_key(cx, app->policy, LH_S("owner"), LH_S("owner"), &key));
    lh_cli_say("\n  A key was made for the owner. It is shown once and stored only as a hash:\n\n  "
               "  %.*s\n",
               LH_STR_ARG(key));
    return LH_OK;
}

static void stop_policy(serving *s)
{
    s->app.policy = lh_policy_close(s->app.policy);
}

static lh_rc start_pool(lh_ctx *cx, serving *s)
{
    const lh_config *c = &s->config;
    lh_pool_options opts = {
        .kinds = {[LH_WORKER_SQL] = {.workers_max = (uint32_t)c->query_workers,
                                     .queue_max = (uint32_t)c->query_queue,
                                     .memory_bytes = c->query_memory,
                                     .idle_us = c->worker_idle_us},
                  [LH_WORKER_INGEST] = {.workers_max = (uint32_t)c->ingest_workers,
                                        .queue_max = (uint32_t)c->job_queue,
                                        .tasks_per_life = 1,
                                        .memory_bytes = c->ingest_memory,
                                        .idle_us = c->worker_idle_us},
                  [LH_WORKER_EMBED] = {.workers_max = (uint32_t)c->embed_workers,
                                       .queue_max = (uint32_t)c->query_queue,
                                       .memory_bytes = c->embed_memory,
                                       .idle_us = c->worker_idle_us},
                  [LH_WORKER_EMBED_BULK] = {.workers_max = (uint32_t)c->embed_bulk_workers,
                                            .queue_max = (uint32_t)c->job_queue,
                                            .memory_bytes = c->embed_memory,
                                            .idle_us = c->worker_idle_us,
                                            .background = c->embed_background},
                  [LH_WORKER_INDEX] = {.workers_max = (uint32_t)c->vector_workers,
                                       .queue_max = (uint32_t)c->job_queue,
                                       .tasks_per_life = 1,
                                       .memory_bytes = c->vector_memory,
                                       .idle_us = c->worker_idle_us,
                                       .background = c->vector_background}},
        .grace_us = c->worker_grace_us,
        .read_root = s->root,
        .spill_dir = below(cx, s, ".lakehouse/spill"),
        .staging_dir = lh_store_staging(s->app.store),
        .model_path = c->model.len > 0 ? c->model : lh_model_path(cx)};
    return lh_pool_open(cx, &opts, &s->app.pool);
}

static void stop_pool(serving *s)
{
    s->app.pool = lh_pool_close(s->app.pool);
}

static lh_rc start_jobs(lh_ctx *cx, serving *s)
{
    lh_jobs_options opts = {(uint32_t)s->config.job_threads, (uint32_t)s->config.job_queue,
                            (uint32_t)s->config.job_remembered};
    return lh_jobs_open(cx, &opts, &s->app.jobs);
}

static void stop_jobs(serving *s)
{
    if (s->app.search)
        lh_search_stop(s->app.search);
    s->app.jobs = lh_jobs_close(s->app.jobs);
}

static lh_rc start_engines(lh_ctx *cx, serving *s)
{
    lh_app *app = &s->app;
    lh_query_options query = {s->config.query_timeout_us, s->config.query_timeout_max_us};
    lh_ingest_settings ingest = {s->config.unpacked_bytes_max, s->config.ingest_timeout_us};
    LH_TRY(lh_query_engine_open(cx, app->catalog, app->policy, app->pool, &query, &app->query));
    LH_TRY(lh_ingest_open(cx, app->catalog, app->pool, app->jobs, &ingest, &app->ingest));
    lh_embedder_options embedder = {app->pool, below(cx, s, ".lakehouse/embed-cache"),
                                    s->config.embed_cache};
    LH_TRY(lh_embedder_open(cx, &embedder, &app->embedder));
    const lh_config *c = &s->config;
    lh_search_parts parts = {app->catalog,
                             app->policy,
                             app->query,
                             app->pool,
                             app->jobs,
                             app->embedder,
                             {.kind = c->vector_kind,
                              .ef_construction = (uint32_t)c->vector_ef_construction,
                              .seed = (uint64_t)c->vector_seed,
                              .ef_search = (uint32_t)c->vector_ef_search,
                              .recall = c->vector_recall,
                              .filter_cache_bytes = c->vector_filter_cache,
                              .keep_from = (uint64_t)c->vector_keep_from},
                             c->embed_checkpoint_us,
                             c->embed_background};
    return lh_search_open(cx, &parts, &app->search);
}

static void stop_engines(serving *s)
{
    s->app.search = lh_search_close(s->app.search);
    s->app.embedder = lh_embedder_close(s->app.embedder);
    s->app.ingest = lh_ingest_close(s->app.ingest);
    s->app.query = lh_query_engine_close(s->app.query);
}

static lh_rc start_server(lh_ctx *cx, serving *s)
{
    const lh_config *c = &s->config;
    s->app.version = LH_VERSION;
    s->app.upload_bytes_max = c->upload_bytes_max;
    s->app.query_rows_default = (uint64_t)c->query_rows_default;
    s->app.started_at = lh_clock_real_us();
    lh_server_options opts = {.listen = c->listen,
                              .routes = lh_api_routes,
                              .app = &s->app,
                              .authenticate = lh_api_authenticate,
                              .authenticate_arg = &s->app,
                              .handler_threads = (uint32_t)c->handler_threads,
                              .long_threads_max = (uint32_t)c->events_max,
                              .stream_threads_max = (uint32_t)c->uploads_max,
                              .connections_max = (uint32_t)c->connections_max,
                              .connections_per_ip_max = (uint32_t)c->connections_per_ip_max,
                              .in_flight_max = (uint32_t)c->in_flight_max,
                              .header_bytes_max = (uint32_t)c->header_bytes_max,
                              .headers_max = 100,
                              .url_bytes_max = 8192,
                              .header_timeout_us = c->header_timeout_us,
                              .body_idle_timeout_us = c->body_timeout_us,
                              .body_rate_min = c->body_rate_min,
                              .write_idle_timeout_us = c->write_timeout_us,
                              .idle_timeout_us = c->idle_timeout_us,
                              .request_timeout_us = c->request_timeout_us,
                              .cors_origins = c->cors_origins,
                              .log_access = c->access_log};
    LH_TRY(lh_server_open(cx, &opts, &s->server));
    LH_TRY(lh_server_start(cx, s->server));
    atomic_store(&s->app.ready, 1);
    return LH_OK;
}

static void stop_server(serving *s)
{
    s->server = lh_server_close(s->server);
}

static lh_rc start_background(lh_ctx *cx, serving *s)
{
    const lh_principal *owner = lh_policy_local_owner(s->app.policy);
    lh_refresher_options refresher = {.search = s->app.search, .principal = owner};
    LH_TRY(lh_search_resume(cx, s->app.search, owner));
    LH_TRY(lh_refresher_open(cx, &refresher, &s->refresher));
    if (!s->config.inbox_enabled)
        return LH_OK;
    lh_inbox_options opts = {s->config.inbox, s->config.inbox_poll_us, owner};
    return lh_inbox_open(cx, s->app.ingest, &opts, &s->inbox);
}

static void stop_background(serving *s)
{
    s->inbox = lh_inbox_close(s->inbox);
    s->refresher = lh_refresher_close(s->refresher);
}

/* Jobs use the engines: they end before those do, so their row comes after. */
static const struct part {
    const char *name;
    lh_rc (*start)(lh_ctx *cx, serving *s);
    void (*stop)(serving *s);
} parts[] = {{"data folder", start_lock, stop_lock},
             {"storage", start_store, stop_store},
             {"journal", start_journal, stop_journal},
             {"catalog", start_catalog, stop_catalog},
             {"policy", start_policy, stop_policy},
             {"workers", start_pool, stop_pool},
             {"jobs", start_jobs, NULL},
             {"engines", start_engines, stop_engines},
             {"", NULL, stop_jobs},
             {"http", start_server, stop_server},
             {"background", start_background, stop_background}};

static void stop_parts(serving *s, size_t count)
{
    while (count > 0) {
        count--;
        if (parts[count].stop)
            parts[count].stop(s);
    }
}

static lh_rc start_parts(lh_ctx *cx, serving *s)
{
    for (size_t i = 0; i < LH_ARRAY_LEN(parts); i++) {
        lh_rc rc = parts[i].start ? parts[i].start(cx, s) : LH_OK;
        if (rc != LH_OK) {
            stop_parts(s, i + 1);
            return rc;
        }
    }
    return LH_OK;
}

/* ---- signals ---- */

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static int next_signal(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct signalfd_siginfo info;
    if (poll(&p, 1, timeout_ms) != 1 || read(fd, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

typedef struct impatience { /* a second SIGTERM while the server drains */
    int signals;
    lh_thread *thread;
    atomic_int drained;
    lh_cancel cancel;
} impatience;

static void watch_for_second(void *arg)
{
    impatience *w = arg;
    while (!atomic_load(&w->drained)) {
        int number = next_signal(w->signals, 50);
        if (number == SIGTERM || number == SIGINT)
            _exit(LH_EXIT_FAILED); /* at once: what was acknowledged is durable */
    }
}

static void drain(lh_ctx *cx, serving *s, int signals)
{
    impatience w = {.signals = signals};
    atomic_store(&s->app.draining, 1);
    LH_LOG(cx, SERVER_DRAINING, LH_KI("timeout_ms", s->config.drain_timeout_us / 1000));
    lh_err_clear(cx);
    if (lh_thread_start(cx, "lh-signals", 0, watch_for_second, &w, &w.thread) != LH_OK)
        w.thread = NULL;
    s->inbox = lh_inbox_close(s->inbox);
    s->refresher = lh_refresher_close(s->refresher);
    cx->deadline_us = lh_clock_mono_us() + s->config.drain_timeout_us;
    lh_server_drain(cx, s->server);
    cx->deadline_us = LH_NO_DEADLINE;
    stop_parts(s, LH_ARRAY_LEN(parts));
    atomic_store(&w.drained, 1);
    lh_thread_join(w.thread);
}

#define KEYS_LOOK_MS 500 /* how soon a key made or taken back beside the server is known */

/* Keys change beside the server (`lakehouse key`). */
static void follow_keys(serving *s)
{
    lh_ctx cx;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (arena == NULL)
        return;
    lh_ctx_init(&cx, arena);
    if (lh_policy_refresh(&cx, s->app.policy) == LH_OK)
        s->keys_failed = 0;
    else if (!s->keys_failed++)
        lh_cli_failed(&cx);
}

static void reload(serving *s)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (!arena)
        return;
    lh_ctx cx;
    lh_config config;
    lh_ctx_init(&cx, arena);
    if (lh_serve_load_config(&cx, s->args, &config) != LH_OK) {
        lh_cli_failed(&cx);
        return;
    }
    lh_log_configure((lh_log_level)config.log_level, (lh_log_format)config.log_format);
}

/* ---- the command ---- */

static lh_rc write_ready_file(lh_ctx *cx, const serving *s)
{
    const char *path = lh_cli_get(s->args, "ready-file");
    if (!path)
        return LH_OK;
    lh_str address = lh_server_address(s->server);
    lh_str json = lh_ctx_fmt(cx, "{\"http\":\"%.*s\",\"grpc\":null,\"pid\":%d}\n",
                             LH_STR_ARG(address), (int)getpid());
    return lh_file_replace(cx, lh_str_from(path), json);
}

static void say_ready(lh_ctx *cx, const serving *s)
{
    lh_str address = lh_server_address(s->server);
    LH_LOG(cx, SERVER_READY, LH_KS("http", address),
           LH_KI("datasets", lh_catalog_count(s->app.catalog)));
    if (!isatty(STDERR_FILENO))
        return;
    lh_cli_say("\n  Lakehouse %s is ready: http://%.*s\n", LH_VERSION, LH_STR_ARG(address));
    if (!s->app.auth_on)
        lh_cli_say("  No key is asked for, because it listens on loopback only.\n");
}

lh_rc lh_serve_load_config(lh_ctx *cx, const lh_cli_args *args, lh_config *ret_config)
{
    const char *file = lh_cli_get(args, "config");
    lh_str text = LH_S("");
    if (file || lh_file_exists(LH_S("lakehouse.toml")))
        LH_TRY(lh_file_read_all(cx, lh_str_from(file ? file : "lakehouse.toml"), 1u << 20, &text));
    lh_config config = {0};
    LH_TRY(lh_config_load(cx, lh_config_keys, text, file ? file : "lakehouse.toml", &config));
    for (const lh_cli_option *o = args->options; o->name; o++) {
        const char *value = lh_cli_get(args, o->name);
        if (value && strcmp(o->name, "data") == 0)
            config.root = lh_str_from(value);
        if (value && strcmp(o->name, "listen") == 0)
            config.listen = lh_str_from(value);
    }
    lh_config_derive(&config);
    *ret_config = config;
    return LH_OK;
}

static int serve_until_told(lh_ctx *cx, serving *s, int signals)
{
    say_ready(cx, s);
    if (lh_cli_has(s->args, "demo"))
        lh_serve_start_demo(cx, s);
    for (;;) {
        int number = next_signal(signals, KEYS_LOOK_MS);
        if (number == SIGHUP)
            reload(s);
        follow_keys(s);
        if (number == SIGTERM || number == SIGINT)
            break;
    }
    lh_serve_stop_demo(s);
    drain(cx, s, signals);
    LH_LOG(cx, SERVER_STOPPED, LH_KI("pid", getpid()));
    return LH_EXIT_DONE;
}

int lh_cmd_serve(lh_ctx *cx, const lh_cli_args *args)
{
    serving *s = LH_NEW(cx, serving);
    if (!s)
        return lh_cli_failed(cx);
    s->args = args;
    if (args->rest_count > 0)
        return lh_cli_usage(NULL, "serve takes no words, only options");
    if (lh_serve_load_config(cx, args, &s->config) != LH_OK)
        return lh_cli_failed(cx);
    lh_log_configure((lh_log_level)s->config.log_level, (lh_log_format)s->config.log_format);
    int signals = block_signals();
    if (signals < 0)
        return LH_EXIT_FAILED;
    LH_LOG(cx, SERVER_STARTING, LH_KS("version", LH_S(LH_VERSION)), LH_KS("root", s->config.root),
           LH_KI("query_memory_bytes", s->config.query_memory),
           LH_KI("ingest_memory_bytes", s->config.ingest_memory),
           LH_KI("query_workers", s->config.query_workers));
    lh_rc rc = lh_dir_make(cx, s->config.root);
    if (rc == LH_OK)
        rc = lh_path_absolute(cx, s->config.root, &s->root);
    if (rc == LH_OK)
        rc = start_parts(cx, s);
    if (rc == LH_OK)
        rc = write_ready_file(cx, s);
    int code = rc == LH_OK ? serve_until_told(cx, s, signals) : lh_cli_failed(cx);
    lh_fd_close(signals);
    return code;
}
