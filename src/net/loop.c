/* loop.c - the loop thread: libuv watches sockets, one timer turns the wheel, one async brings what
 * handlers wrote.
 *
 * uv_poll and not uv_tcp: see tcp.c. The loop reads into one shared buffer, so reading costs no
 * memory per connection. The timer runs only while some connection has a deadline: an idle server
 * does not wake up. */
#include "net/net_private.h"

#include "base/mem.h"
#include "base/metric.h"

enum {
    ACCEPTS_PER_EVENT = 64,
    READS_PER_EVENT = 4,
    LOOP_STACK_BYTES = 1024 * 1024 /* inline handlers run here */
};

static struct lh_server *server_of(const uv_handle_t *handle)
{
    return handle->loop->data;
}

static void start_ticking(struct lh_server *server);

/* ---- connections ---- */

static void on_conn_event(uv_poll_t *poll, int status, int events);

static void socket_want(lhi_conn *conn, uint8_t wanted)
{
    int events = 0;
    if (wanted & LHI_WANT_READ)
        events |= UV_READABLE;
    if (wanted & LHI_WANT_WRITE)
        events |= UV_WRITABLE;
    if (wanted & LHI_WANT_HANGUP)
        events |= UV_DISCONNECT;
    /* Errors are reported whatever one waits for, but one must wait for something. */
    if (wanted & LHI_WANT_RESET)
        events |= UV_PRIORITIZED;
    (void)uv_poll_start(&conn->uv.poll, events, on_conn_event);
    start_ticking(conn->server);
}

static void on_conn_closed(uv_handle_t *handle)
{
    lh_free(LH_CONTAINER_OF(handle, lhi_conn, uv.handle));
}

static void socket_close(lhi_conn *conn, int reset)
{
    uv_close(&conn->uv.handle, on_conn_closed);
    lhi_socket_close(conn->fd, reset);
    conn->fd = -1;
}

static ssize_t socket_write(lhi_conn *conn, const struct iovec *iov, int count)
{
    return lhi_socket_write(conn->fd, iov, count);
}

static void socket_finish_writing(lhi_conn *conn)
{
    lhi_socket_finish_writing(conn->fd);
}

static bool socket_is_gone(lhi_conn *conn)
{
    return lhi_socket_is_gone(conn->fd);
}

static size_t socket_unread(lhi_conn *conn)
{
    return lhi_socket_unread(conn->fd);
}

static size_t socket_unsent(lhi_conn *conn)
{
    return lhi_socket_unsent(conn->fd);
}

const lhi_io lhi_socket_io = {.write = socket_write,
                              .want = socket_want,
                              .close = socket_close,
                              .finish_writing = socket_finish_writing,
                              .is_gone = socket_is_gone,
                              .unread = socket_unread,
                              .unsent = socket_unsent};

static void read_conn(lhi_conn *conn)
{
    char *buffer = conn->server->read_buffer;
    for (int i = 0; i < READS_PER_EVENT && !conn->closed; i++) {
        size_t max = lhi_conn_read_max(conn);
        if (max == 0) {
            lhi_conn_update(conn);
            return;
        }
        lh_assert(max <= LHI_READ_BYTES);
        ssize_t n = lhi_socket_read(conn->fd, buffer, max);
        if (n > 0)
            lhi_conn_input(conn, buffer, (size_t)n);
        else if (n == 0)
            lhi_conn_eof(conn);
        else if (n == LHI_BROKEN)
            lhi_conn_broken(conn);
        if (n <= 0 || (size_t)n < max)
            return;
    }
}

static void on_conn_event(uv_poll_t *poll, int status, int events)
{
    lhi_conn *conn = LH_CONTAINER_OF(poll, lhi_conn, uv.poll);
    conn->server->now_us = lh_clock_mono_us();
    if (status < 0) {
        lhi_conn_broken(conn);
        return;
    }
    if (events & UV_READABLE)
        read_conn(conn);
    if (!conn->closed && (events & UV_WRITABLE))
        lhi_conn_pump(conn);
    if (!conn->closed && (events & UV_DISCONNECT))
        lhi_conn_hangup(conn);
    if (!conn->closed && (events & UV_PRIORITIZED)) {
        /* Urgent data nobody reads would wake us for ever: the timer looks instead. */
        if (lhi_socket_is_gone(conn->fd))
            lhi_conn_broken(conn);
        else
            (void)uv_poll_stop(poll);
    }
}

/* ---- accepting ---- */

static void turn_away(int fd)
{
    static const char text[] =
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
        "Content-Type: application/json\r\nContent-Length: 130\r\n\r\n"
        "{\"error\":{\"code\":\"unavailable\",\"message\":\"too many connections\","
        "\"hint\":\"try again in a second\",\"field\":null,\"request_id\":null}}   \n";
    struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = sizeof(text) - 1};
    lh_metric_add(LH_M_HTTP_REJECTED, 1);
    (void)lhi_socket_write(fd, &iov, 1);
    lhi_socket_finish_writing(fd);
    lhi_socket_close(fd, 0);
}

static void admit_conn(struct lh_server *server, int fd, const uint8_t ip[16], bool loopback)
{
    uint32_t per_ip = loopback ? 0 : server->opts.connections_per_ip_max;
    if (server->conns_count >= server->opts.connections_max ||
        (per_ip > 0 && !lhi_peers_add(&server->peers, ip, per_ip))) {
        turn_away(fd);
        return;
    }
    lhi_conn *conn = lhi_conn_new(server, fd);
    if (conn == NULL) {
        if (per_ip > 0)
            lhi_peers_drop(&server->peers, ip);
        lhi_socket_close(fd, 1);
        return;
    }
    memcpy(conn->ip, ip, sizeof(conn->ip));
    conn->loopback = loopback;
    conn->per_ip = per_ip > 0;
    int rc = uv_poll_init(&server->loop, &conn->uv.poll, fd);
    lh_assert(rc == 0); /* a fresh socket can be polled */
    lhi_conn_update(conn);
}

static void on_listener_event(uv_poll_t *poll, int status, int events)
{
    struct lh_server *server = server_of((uv_handle_t *)poll);
    (void)events;
    server->now_us = lh_clock_mono_us();
    for (int i = 0; i < ACCEPTS_PER_EVENT && status == 0; i++) {
        uint8_t ip[16];
        bool loopback;
        int fd = lhi_socket_accept(server->listen_fd, ip, &loopback);
        if (fd == LHI_BROKEN) { /* no descriptors: look again at the next tick, not in a circle */
            lh_metric_add(LH_M_HTTP_REJECTED, 1);
            (void)uv_poll_stop(poll);
            server->listener_paused = true;
            start_ticking(server);
            return;
        }
        if (fd < 0)
            return;
        admit_conn(server, fd, ip, loopback);
    }
}

static void stop_listening(struct lh_server *server)
{
    if (!server->listening)
        return;
    server->listening = false;
    server->listener_paused = false;
    uv_close((uv_handle_t *)&server->listener, NULL);
    lhi_socket_close(server->listen_fd, 0);
    server->listen_fd = -1;
}

/* ---- timer and wake-ups ---- */

static void on_tick(uv_timer_t *timer)
{
    struct lh_server *server = server_of((uv_handle_t *)timer);
    server->now_us = lh_clock_mono_us();
    if (server->listener_paused) {
        server->listener_paused = false;
        (void)uv_poll_start(&server->listener, UV_READABLE, on_listener_event);
    }
    lhi_wheel_turn(server);
    if (server->wheel.count == 0 && !server->listener_paused) {
        (void)uv_timer_stop(timer);
        server->ticking = false;
    }
}

static void start_ticking(struct lh_server *server)
{
    if (server->ticking)
        return;
    server->ticking = true;
    uv_update_time(&server->loop);
    (void)uv_timer_start(&server->tick, on_tick, LHI_TICK_US / 1000, LHI_TICK_US / 1000);
}

static void on_wake(uv_async_t *async)
{
    struct lh_server *server = server_of((uv_handle_t *)async);
    server->now_us = lh_clock_mono_us();
    lhi_wake_all(server);
    lh_mutex_lock(&server->lock);
    bool stop = server->stop;
    lh_mutex_unlock(&server->lock);
    if (!stop && !atomic_load_explicit(&server->draining, memory_order_relaxed))
        return;
    stop_listening(server);
    lh_mutex_lock(&server->lock);
    server->quiet = server->in_flight == 0;
    lh_cond_broadcast(&server->changed);
    lh_mutex_unlock(&server->lock);
    if (!stop)
        return;
    while (server->conns != NULL)
        lhi_conn_close(server->conns, 0);
    uv_stop(&server->loop);
}

static void run(void *arg)
{
    struct lh_server *server = arg;
    (void)uv_run(&server->loop, UV_RUN_DEFAULT);
}

/* ---- life ---- */

lh_rc lhi_loop_open(lh_ctx *cx, struct lh_server *server)
{
    server->read_buffer = lh_alloc(LHI_READ_BYTES);
    if (server->read_buffer == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the event loop");
    if (uv_loop_init(&server->loop) != 0)
        return lh_fail(cx, LH_E_INTERNAL, "the event loop cannot be made");
    server->loop.data = server;
    server->loop_open = true;
    if (uv_async_init(&server->loop, &server->wake, on_wake) != 0 ||
        uv_timer_init(&server->loop, &server->tick) != 0 ||
        uv_poll_init(&server->loop, &server->listener, server->listen_fd) != 0)
        return lh_fail(cx, LH_E_INTERNAL, "the event loop cannot be made");
    server->listening = true;
    return LH_OK;
}

lh_rc lhi_loop_start(lh_ctx *cx, struct lh_server *server)
{
    (void)uv_poll_start(&server->listener, UV_READABLE, on_listener_event);
    return lh_thread_start(cx, "lh-http-loop", LOOP_STACK_BYTES, run, server, &server->thread);
}

void lhi_loop_stop(struct lh_server *server)
{
    lh_mutex_lock(&server->lock);
    server->stop = true;
    lh_mutex_unlock(&server->lock);
    if (server->thread == NULL)
        return;
    (void)uv_async_send(&server->wake);
    server->thread = lh_thread_join(server->thread);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void lhi_loop_close(struct lh_server *server)
{
    if (server->loop_open) {
        if (server->listening)
            stop_listening(server);
        uv_walk(&server->loop, close_handle, NULL);
        (void)uv_run(&server->loop, UV_RUN_DEFAULT);
        int rc = uv_loop_close(&server->loop);
        lh_assert(rc == 0);
        server->loop_open = false;
    } else if (server->listen_fd >= 0) {
        lhi_socket_close(server->listen_fd, 0);
    }
    server->read_buffer = lh_free(server->read_buffer);
}
