/* server.c - the life of the server: open binds, start accepts, drain lets go, close waits for
 * everybody. */
#include "net/net_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "os/process.h"

static lh_rc copy_options(lh_ctx *cx, struct lh_server *server, const lh_server_options *opts)
{
    server->opts = *opts;
    server->opts.listen = lh_ctx_dup(cx, opts->listen);
    lh_str *origins = LH_NEW_ARRAY(cx, lh_str, LH_MAX(opts->cors_origins.count, (size_t)1));
    if (server->opts.listen.ptr == NULL || origins == NULL)
        return LH_E_NO_MEMORY;
    for (size_t i = 0; i < opts->cors_origins.count; i++)
        if ((origins[i] = lh_ctx_dup(cx, opts->cors_origins.items[i])).ptr == NULL)
            return LH_E_NO_MEMORY;
    server->opts.cors_origins.items = origins;
    server->limits = (lhi_limits){.header_bytes_max = opts->header_bytes_max,
                                  .headers_max = opts->headers_max,
                                  .url_bytes_max = opts->url_bytes_max};
    return LH_OK;
}

static lh_rc check_options(lh_ctx *cx, const lh_server_options *opts)
{
    const struct {
        const char *name;
        int64_t value;
    } needed[] = {{"handler_threads", opts->handler_threads},
                  {"connections_max", opts->connections_max},
                  {"in_flight_max", opts->in_flight_max},
                  {"header_bytes_max", opts->header_bytes_max},
                  {"headers_max", opts->headers_max},
                  {"url_bytes_max", opts->url_bytes_max},
                  {"header_timeout_us", opts->header_timeout_us},
                  {"body_idle_timeout_us", opts->body_idle_timeout_us},
                  {"write_idle_timeout_us", opts->write_idle_timeout_us},
                  {"idle_timeout_us", opts->idle_timeout_us},
                  {"request_timeout_us", opts->request_timeout_us}};
    for (size_t i = 0; i < LH_ARRAY_LEN(needed); i++)
        if (needed[i].value <= 0)
            return lh_fail(cx, LH_E_BAD_CONFIG, "server.%s must be above 0", needed[i].name);
    return LH_OK;
}

/* Everything that needs no thread and no socket; the fuzzer stops here. */
lh_rc lhi_server_init(lh_ctx *cx, struct lh_server *server, const lh_server_options *opts)
{
    server->listen_fd = -1;
    lh_mutex_init(&server->lock);
    lh_cond_init(&server->changed);
    server->wake_end = &server->wake_first;
    lhi_crew_init(&server->pool, server, "lh-http");
    lhi_crew_init(&server->long_crew, server, "lh-http-long");
    lhi_crew_init(&server->stream_crew, server, "lh-http-body");
    server->arena = lh_arena_new(0);
    if (server->arena == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the server");
    lh_ctx_init(&server->loop_cx, server->arena);
    LH_TRY(check_options(cx, opts));
    lh_rc rc = copy_options(&server->loop_cx, server, opts);
    if (rc != LH_OK) {
        cx->err = server->loop_cx.err;
        return rc;
    }
    server->now_us = lh_clock_mono_us();
    LH_TRY(lhi_router_new(cx, opts->routes, &server->router));
    LH_TRY(lh_random_bytes(cx, server->random, sizeof(server->random)));
    server->random[0] |= 1; /* never all zero */
    return LH_OK;
}

void lhi_server_done(struct lh_server *server)
{
    lhi_crew_done(&server->pool);
    lhi_crew_done(&server->long_crew);
    lhi_crew_done(&server->stream_crew);
    while (server->free_requests != NULL) {
        lh_request *rq = server->free_requests;
        server->free_requests = rq->next;
        lhi_request_free(rq);
    }
    lhi_peers_done(&server->peers);
    lhi_router_free(server->router);
    lh_arena_free(server->arena);
    lh_cond_done(&server->changed);
    lh_mutex_done(&server->lock);
}

static lh_rc open_parts(lh_ctx *cx, struct lh_server *server, const lh_server_options *opts)
{
    size_t labels_count;
    LH_TRY(lhi_server_init(cx, server, opts));
    server->io = &lhi_socket_io;
    LH_TRY(lhi_crew_open(cx, &server->pool, opts->handler_threads));
    LH_TRY(lhi_crew_open(cx, &server->long_crew, opts->long_threads_max));
    LH_TRY(lhi_crew_open(cx, &server->stream_crew,
                         opts->stream_threads_max > 0 ? opts->stream_threads_max
                                                      : opts->handler_threads));
    const char *const *labels = lhi_router_labels(server->router, &labels_count);
    lh_metric_set_labels(LH_M_HTTP_REQUESTS, labels, labels_count);
    lh_metric_set_labels(LH_M_HTTP_REQUEST_SECONDS, labels, labels_count);
    lh_str address;
    lhi_socket_allow(opts->connections_max);
    LH_TRY(lhi_socket_listen(cx, server->opts.listen, &server->listen_fd, &address));
    server->address = lh_ctx_dup(&server->loop_cx, address);
    if (server->address.ptr == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the server");
    return lhi_loop_open(cx, server);
}

lh_rc lh_server_open(lh_ctx *cx, const lh_server_options *opts, lh_server **ret_server)
{
    lh_server *server = lh_alloc_zero(1, sizeof(*server));
    if (server == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the server");
    lh_rc rc = open_parts(cx, server, opts);
    if (rc != LH_OK) {
        lh_server_close(server);
        return rc;
    }
    *ret_server = server;
    return LH_OK;
}

lh_rc lh_server_start(lh_ctx *cx, lh_server *server)
{
    lh_assert(!server->started);
    server->started = true;
    return lhi_loop_start(cx, server);
}

lh_str lh_server_address(const lh_server *server)
{
    return server->address;
}

int lh_server_draining(const lh_server *server)
{
    return atomic_load_explicit(&server->draining, memory_order_relaxed);
}

void lh_server_drain(lh_ctx *cx, lh_server *server)
{
    enum { SLICE_US = 100 * 1000 }; /* a cancel of cx does not wake us */
    if (server->thread == NULL)
        return;
    LH_LOG(cx, SERVER_DRAINING, LH_KI("left_ms", lh_ctx_left_ms(cx, INT32_MAX)));
    atomic_store(&server->draining, true);
    (void)uv_async_send(&server->wake);
    lh_mutex_lock(&server->lock);
    while (!server->quiet && lh_ctx_check(cx) == LH_OK)
        (void)lh_cond_wait_until(&server->changed, &server->lock, lh_clock_mono_us() + SLICE_US);
    lh_mutex_unlock(&server->lock);
    lh_err_clear(cx);
    lhi_loop_stop(server); /* cuts what is left and cancels its handlers */
}

lh_server *lh_server_close(lh_server *server)
{
    if (server == NULL)
        return NULL;
    lhi_loop_stop(server);
    lhi_crew_stop(&server->pool);
    lhi_crew_stop(&server->long_crew);
    lhi_crew_stop(&server->stream_crew);
    lhi_wake_all(server); /* requests whose handlers ended after the loop did */
    lhi_loop_close(server);
    lhi_server_done(server);
    return lh_free(server);
}
