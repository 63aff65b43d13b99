/* conn.c - one connection: bytes in, requests in order, replies in order, and when to give up.
 *
 * One request at a time: what a client pipelines behind it waits in `pending`, so replies cannot
 * overtake each other.
 *
 * A client that leaves and a client that only closed its sending side look the same: a FIN. So at
 * the end of input:
 *   - a request that is not complete never will be: it is cancelled at once;
 *   - a complete one goes on, and if its reply has not begun the client is asked whether it is
 *     still there, by an interim "100 Continue", which every HTTP/1.1 client must skip (RFC 9110,
 *     15.2). A closed socket answers it with a reset within one round trip, and that cancels the
 *     handler. A half-closed one reads on and gets its reply. Requests that end within
 *     LHI_PROBE_AFTER_US see no probe; an open event stream is probed by a comment;
 *   - once a reply is under way, its next bytes are the probe. */
#include "net/net_private.h"

#include "base/mem.h"
#include "base/metric.h"

lhi_conn *lhi_conn_new(struct lh_server *server, int fd)
{
    lhi_conn *conn = lh_alloc_zero(1, sizeof(*conn));
    if (conn == NULL)
        return NULL;
    conn->server = server;
    conn->fd = fd;
    conn->read_us = conn->write_us = server->now_us;
    conn->deadline_us = LH_NO_DEADLINE;
    conn->next = server->conns;
    if (server->conns != NULL)
        server->conns->prev = conn;
    server->conns = conn;
    lh_metric_set(LH_M_HTTP_CONNECTIONS, ++server->conns_count);
    return conn;
}

/* ---- the end of requests and connections ---- */

/* A request no handler uses any more: counted, back to the pool. */
static void retire(lh_request *rq)
{
    struct lh_server *server = rq->server;
    lh_metric_observe_label_us(LH_M_HTTP_REQUEST_SECONDS,
                               rq->endpoint != NULL ? rq->endpoint->label : 0,
                               lh_clock_mono_us() - rq->started_us);
    if (rq->counted) {
        lh_metric_set(LH_M_HTTP_IN_FLIGHT, --server->in_flight);
        if (server->in_flight == 0 &&
            atomic_load_explicit(&server->draining, memory_order_relaxed)) {
            LH_WITH_LOCK(&server->lock);
            server->quiet = true;
            lh_cond_broadcast(&server->changed);
        }
    }
    lhi_request_release(rq);
}

static bool handler_is_done(lh_request *rq)
{
    LH_WITH_LOCK(&rq->lock);
    return !rq->dispatched || rq->finished;
}

void lhi_conn_close(lhi_conn *conn, int reset)
{
    struct lh_server *server = conn->server;
    if (conn->closed)
        return;
    conn->closed = true;
    lhi_wheel_remove(conn);
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    lh_metric_set(LH_M_HTTP_CONNECTIONS, --server->conns_count);
    if (conn->per_ip)
        lhi_peers_drop(&server->peers, conn->ip);
    lh_request *rq = LH_TAKE(conn->rq);
    if (rq != NULL) {
        rq->conn = NULL;
        lhi_request_gone(rq);
        if (handler_is_done(rq))
            retire(rq);
    }
    conn->pending = lh_free(conn->pending);
    server->io->close(conn, reset);
}

/* No more bytes from us, but what the client still sends is read and dropped for a while: closing
 * with unread bytes resets the connection, and the reset would overtake the reply. */
static void linger(lhi_conn *conn)
{
    conn->lingering = true;
    conn->pending = lh_free(conn->pending);
    conn->pending_len = 0;
    /* The time runs from here: what comes in does not extend it. */
    conn->write_us = conn->server->now_us;
    conn->server->io->finish_writing(conn);
}

/* The reply is with the kernel. */
static void complete(lhi_conn *conn)
{
    lh_request *rq = LH_TAKE(conn->rq);
    bool cut = rq->reply.cut;
    bool close = rq->reply.close;
    bool body_left = !rq->body_complete;
    conn->served = true;
    conn->probed = false;
    conn->read_us = conn->server->now_us;
    rq->conn = NULL;
    retire(rq);
    if (cut)
        lhi_conn_close(conn, 1);
    else if (close && !conn->eof && !conn->late &&
             (body_left || conn->pending_len > 0 || conn->server->io->unread(conn) > 0))
        linger(conn);
    else if (close)
        lhi_conn_close(conn, 0);
}

/* ---- output ---- */

static void took_bytes(lh_request *rq, size_t sent)
{
    LH_WITH_LOCK(&rq->lock);
    rq->out_bytes -= sent;
    while (sent > 0) {
        lhi_chunk *chunk = rq->out_first;
        size_t n = LH_MIN(sent, (size_t)(chunk->len - chunk->sent));
        chunk->sent += (uint32_t)n;
        sent -= n;
        if (chunk->sent < chunk->len)
            break;
        rq->out_first = chunk->next;
        if (rq->out_first == NULL)
            rq->out_last = NULL;
        lhi_chunk_give(rq, chunk);
    }
    if (rq->out_bytes <= LHI_OUT_BYTES_MAX / 2)
        lh_cond_signal(&rq->changed);
}

static int gather(lh_request *rq, struct iovec *iov, int count_max, size_t *ret_bytes)
{
    LH_WITH_LOCK(&rq->lock);
    int count = 0;
    *ret_bytes = 0;
    for (lhi_chunk *chunk = rq->out_first; chunk != NULL && count < count_max;
         chunk = chunk->next) {
        iov[count].iov_base = chunk->data + chunk->sent;
        iov[count].iov_len = chunk->len - chunk->sent;
        *ret_bytes += iov[count++].iov_len;
    }
    return count;
}

static void flush_out(lhi_conn *conn)
{
    enum { IOV_COUNT = 16 };
    struct iovec iov[IOV_COUNT];
    lh_request *rq = conn->rq;
    size_t bytes;
    int count;
    conn->blocked = false;
    while ((count = gather(rq, iov, IOV_COUNT, &bytes)) > 0) {
        ssize_t sent = conn->server->io->write(conn, iov, count);
        if (sent == LHI_BROKEN) {
            lhi_conn_close(conn, 0);
            return;
        }
        if (sent > 0) {
            rq->wrote = true;
            conn->write_us = conn->server->now_us;
            lh_metric_add(LH_M_HTTP_BYTES_SENT, sent);
            took_bytes(rq, (size_t)sent);
        }
        if (sent < 0 || (size_t)sent < bytes) {
            conn->blocked = true;
            return;
        }
    }
}

/* "100 Continue", alone: as an answer to Expect, and to ask whether the client is still there. */
void lhi_conn_interim(lhi_conn *conn)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = sizeof(text) - 1};
    ssize_t sent = conn->server->io->write(conn, &iov, 1);
    /* Nothing was sent before it, so there is room; half of it would spoil what follows. */
    if (sent != LHI_WOULD_BLOCK && sent != (ssize_t)iov.iov_len)
        lhi_conn_broken(conn);
}

/* A comment between two events. Lock held. */
static void queue_ping(lh_request *rq)
{
    static const char ping[] = "3\r\n:\n\n\r\n"; /* as an HTTP chunk */
    lhi_chunk *chunk = lh_alloc(sizeof(*chunk) + sizeof(ping));
    if (chunk == NULL)
        return;
    chunk->next = NULL;
    chunk->cap = chunk->len = sizeof(ping) - 1;
    chunk->sent = 0;
    memcpy(chunk->data, ping, sizeof(ping) - 1);
    lhi_reply_queue_chunk(rq, chunk);
}

static void ping(lhi_conn *conn)
{
    lh_request *rq = conn->rq;
    lh_mutex_lock(&rq->lock);
    if (rq->pings && !rq->mid_event && !rq->finished && rq->out_first == NULL)
        queue_ping(rq);
    lh_mutex_unlock(&rq->lock);
    flush_out(conn);
}

static bool streams_events(lh_request *rq)
{
    LH_WITH_LOCK(&rq->lock);
    return rq->pings && !rq->finished;
}

static void probe(lhi_conn *conn)
{
    lh_request *rq = conn->rq;
    conn->probed = true;
    if (streams_events(rq))
        ping(conn);
    else if (!rq->wrote && !conn->blocked && !rq->http_1_0)
        lhi_conn_interim(conn);
}

/* Writes what there is; ends the request when that was all. */
static void settle(lhi_conn *conn)
{
    lh_request *rq = conn->rq;
    if (conn->closed || rq == NULL)
        return;
    flush_out(conn);
    if (conn->closed || conn->blocked)
        return;
    lh_mutex_lock(&rq->lock);
    bool done = rq->finished && rq->out_first == NULL;
    lh_mutex_unlock(&rq->lock);
    if (done)
        complete(conn);
}

/* ---- input ---- */

static void keep_pending(lhi_conn *conn, const char *data, size_t len)
{
    char *bigger = lh_realloc(conn->pending, conn->pending_len + len);
    if (bigger == NULL) {
        lhi_conn_close(conn, 1);
        return;
    }
    memcpy(bigger + conn->pending_len, data, len);
    conn->pending = bigger;
    conn->pending_len += (uint32_t)len;
}

static void parse_failed(lhi_conn *conn)
{
    lh_request *rq = conn->rq;
    if (!rq->dispatched) {
        rq->keep_alive = false;
        lhi_dispatch_refuse(conn);
        return;
    }
    lhi_ring_end(rq, &rq->parser.cx->err); /* the handler answers */
}

static lh_request *begin_request(lhi_conn *conn)
{
    lh_request *rq = lhi_request_take(conn->server);
    if (rq == NULL)
        return NULL;
    rq->conn = conn;
    conn->rq = rq;
    return rq;
}

static void consume(lhi_conn *conn, const char *data, size_t len)
{
    while (len > 0 && !conn->closed && !conn->lingering) {
        lh_request *rq = conn->rq;
        if (rq == NULL &&
            (*data == '\r' || *data == '\n')) { /* empty lines between requests (RFC 9112, 2.2) */
            data++;
            len--;
            continue;
        }
        if (rq == NULL && (rq = begin_request(conn)) == NULL) {
            lhi_conn_close(conn, 1);
            return;
        }
        if (rq->stage == LHI_ANSWERING) {
            keep_pending(conn, data, len);
            return;
        }
        size_t used = 0;
        switch (lhi_parser_feed(&rq->parser, data, len, &used)) {
        case LHI_PARSE_MORE: break;
        case LHI_PARSE_HEAD:
            lhi_dispatch_head(conn);
            settle(conn);
            break;
        case LHI_PARSE_DONE:
            lhi_dispatch_body(conn);
            settle(conn);
            break;
        case LHI_PARSE_ERROR:
            parse_failed(conn);
            settle(conn);
            return;
        }
        data += used;
        len -= used;
    }
}

void lhi_conn_input(lhi_conn *conn, const char *data, size_t len)
{
    conn->read_us = conn->server->now_us;
    lh_metric_add(LH_M_HTTP_BYTES_RECEIVED, (int64_t)len);
    if (conn->lingering) {
        conn->lingered += (uint32_t)len;
        if (conn->lingered > LHI_LINGER_BYTES_MAX)
            lhi_conn_close(conn, 1);
        return;
    }
    consume(conn, data, len);
    lhi_conn_pump(conn);
}

static void answer_expect(lhi_conn *conn)
{
    lh_request *rq = conn->rq;
    if (!(rq->dispatched && rq->stage == LHI_IN_BODY))
        return;
    lh_mutex_lock(&rq->lock);
    bool ask = rq->want_continue && rq->read_asked && !rq->finished && rq->body_bytes == 0;
    if (rq->read_asked)
        rq->want_continue = false;
    lh_mutex_unlock(&rq->lock);
    if (ask)
        lhi_conn_interim(conn);
}

void lhi_conn_pump(lhi_conn *conn)
{
    if (conn->closed)
        return;
    if (conn->rq != NULL) {
        answer_expect(conn);
        settle(conn);
    }
    while (!conn->closed && !conn->lingering && conn->rq == NULL && conn->pending_len > 0) {
        char *bytes = LH_TAKE(conn->pending);
        size_t len = conn->pending_len;
        conn->pending_len = 0;
        consume(conn, bytes, len);
        lh_free(bytes);
    }
    if (!conn->closed && conn->eof && (conn->rq == NULL || conn->rq->stage != LHI_ANSWERING))
        lhi_conn_close(conn, 0);
    lhi_conn_update(conn);
}

/* ---- the client's end ---- */

void lhi_conn_broken(lhi_conn *conn)
{
    lhi_conn_close(conn, 0);
}

void lhi_conn_eof(lhi_conn *conn)
{
    lh_request *rq = conn->rq;
    conn->eof = true;
    if (conn->lingering || rq == NULL || rq->stage != LHI_ANSWERING) {
        lhi_conn_close(conn, 0);
        return;
    }
    if (conn->server->now_us - rq->started_us >= LHI_PROBE_AFTER_US)
        probe(conn);
    lhi_conn_update(conn);
}

void lhi_conn_hangup(lhi_conn *conn)
{
    lh_request *rq = conn->rq;
    conn->hung_up = true;
    /* A body that cannot become complete with what the kernel still holds is lost now, not when the
     * handler gets there. */
    if (rq != NULL && rq->stage == LHI_IN_BODY && rq->parser.has_length &&
        rq->parser.content_length - rq->body_bytes > conn->server->io->unread(conn))
        lhi_conn_close(conn, 0);
    lhi_conn_update(conn);
}

/* ---- what to wait for ---- */

static bool body_broke(lh_request *rq)
{
    LH_WITH_LOCK(&rq->lock);
    return rq->body_rc != LH_OK || rq->finished;
}

size_t lhi_conn_read_max(lhi_conn *conn)
{
    lh_request *rq = conn->rq;
    if (conn->closed || conn->eof)
        return 0;
    if (conn->lingering || rq == NULL || rq->stage == LHI_IN_HEAD)
        return LHI_READ_BYTES;
    if (rq->stage == LHI_ANSWERING)
        return conn->pending_len < LHI_PENDING_BYTES_MAX ? LHI_PENDING_BYTES_MAX - conn->pending_len
                                                         : 0;
    if (rq->ring == NULL)
        return LHI_READ_BYTES;
    if (body_broke(rq))
        return 0;
    size_t room = lhi_ring_room(rq); /* asked once: the handler changes it meanwhile */
    return LH_MIN(room, (size_t)LHI_READ_BYTES);
}

static int64_t next_deadline(lhi_conn *conn)
{
    const lh_server_options *opts = &conn->server->opts;
    lh_request *rq = conn->rq;
    if (conn->lingering)
        return conn->write_us + LHI_LINGER_US;
    if (rq == NULL)
        return conn->read_us + (conn->served
                                    ? opts->idle_timeout_us
                                    : LH_MIN(opts->idle_timeout_us, opts->header_timeout_us));
    if (rq->stage == LHI_IN_HEAD)
        return rq->started_us + opts->header_timeout_us;
    int64_t deadline_us = LH_NO_DEADLINE;
    if (rq->stage == LHI_IN_BODY && (conn->wanted & LHI_WANT_READ)) {
        int64_t from_us =
            opts->body_rate_min > 0 ? LH_MIN(conn->read_us, rq->window_us) : conn->read_us;
        deadline_us = from_us + opts->body_idle_timeout_us;
    }
    if (conn->blocked)
        deadline_us = LH_MIN(deadline_us, conn->write_us + opts->write_idle_timeout_us);
    if (rq->ran_inline)
        return deadline_us;
    if (conn->eof)
        deadline_us = LH_MIN(deadline_us, conn->probed ? conn->server->now_us + LHI_GONE_CHECK_US
                                                       : rq->started_us + LHI_PROBE_AFTER_US);
    if (!conn->blocked && streams_events(rq))
        deadline_us = LH_MIN(deadline_us, conn->write_us + LHI_SSE_PING_US);
    return deadline_us;
}

/* The time we did not listen is not the client's. */
static void note_reading(lhi_conn *conn, uint8_t wanted)
{
    lh_request *rq = conn->rq;
    int64_t now_us = conn->server->now_us;
    if (wanted & ~conn->wanted & LHI_WANT_READ) {
        conn->read_us = now_us;
        if (rq != NULL && rq->paused_us != 0)
            rq->window_us += now_us - rq->paused_us;
    }
    if (rq != NULL)
        rq->paused_us = wanted & LHI_WANT_READ ? 0 : now_us;
}

void lhi_conn_update(lhi_conn *conn)
{
    if (conn->closed)
        return;
    uint8_t wanted = 0;
    if (lhi_conn_read_max(conn) > 0)
        wanted = LHI_WANT_READ;
    else if (conn->eof || conn->hung_up)
        wanted = LHI_WANT_RESET;
    else
        wanted = LHI_WANT_HANGUP;
    if (conn->blocked)
        wanted |= LHI_WANT_WRITE;
    if (wanted != conn->wanted) {
        note_reading(conn, wanted);
        conn->wanted = wanted;
        conn->server->io->want(conn, wanted);
    }
    lhi_wheel_set(conn, next_deadline(conn));
}

static void head_is_late(lhi_conn *conn)
{
    lh_request *rq = conn->rq;
    (void)lh_fail(&rq->cx, LH_E_DEADLINE, "the headers were not complete after %lld ms",
                  (long long)(conn->server->opts.header_timeout_us / 1000));
    conn->late = true; /* no further patience: the reply goes out, the connection ends */
    parse_failed(conn);
    settle(conn);
}

/* The body came too slowly, or not at all. A sender that is in time begins a new window. */
static void judge_body(lhi_conn *conn)
{
    const lh_server_options *opts = &conn->server->opts;
    lh_request *rq = conn->rq;
    int64_t now_us = conn->server->now_us;
    int64_t waited_us = now_us - rq->window_us;
    uint64_t came = rq->body_bytes - rq->window_bytes;
    if (now_us - conn->read_us >= opts->body_idle_timeout_us) {
        (void)lh_fail(rq->parser.cx, LH_E_DEADLINE, "no byte of the body came for %lld ms",
                      (long long)(opts->body_idle_timeout_us / 1000));
    } else if (waited_us < opts->body_idle_timeout_us) {
        return;
    } else if ((double)came < (double)opts->body_rate_min * ((double)waited_us / 1e6)) {
        (void)lh_fail(rq->parser.cx, LH_E_DEADLINE,
                      "%llu bytes of the body came in %lld ms, %llu per second is the least",
                      (unsigned long long)came, (long long)(waited_us / 1000),
                      (unsigned long long)opts->body_rate_min);
    } else {
        rq->window_us = now_us;
        rq->window_bytes = rq->body_bytes;
        return;
    }
    parse_failed(conn);
    settle(conn);
}

/* The kernel says that it takes more only when a third of its buffer is free; a slow client may
 * still be reading. */
static bool client_reads(lhi_conn *conn)
{
    uint32_t unsent = (uint32_t)conn->server->io->unsent(conn);
    if (unsent == conn->unsent)
        return false;
    conn->unsent = unsent;
    conn->write_us = conn->server->now_us;
    return true;
}

void lhi_conn_timer(lhi_conn *conn)
{
    const lh_server_options *opts = &conn->server->opts;
    int64_t now_us = conn->server->now_us;
    lh_request *rq = conn->rq;
    if (conn->lingering || rq == NULL) {
        lhi_conn_close(conn, 0);
        return;
    }
    if (conn->blocked && now_us - conn->write_us >= opts->write_idle_timeout_us &&
        !client_reads(conn)) {
        lhi_conn_close(conn, 1);
        return;
    }
    if (rq->stage == LHI_IN_HEAD)
        head_is_late(conn);
    else if (rq->stage == LHI_IN_BODY && (conn->wanted & LHI_WANT_READ))
        judge_body(conn);
    else if (conn->eof && !conn->probed)
        probe(conn);
    else if (conn->eof && conn->server->io->is_gone(conn))
        lhi_conn_close(conn, 0);
    else if (!conn->blocked && now_us - conn->write_us >= LHI_SSE_PING_US && streams_events(rq))
        ping(conn);
    lhi_conn_pump(conn);
}

/* ---- the wake list ---- */

void lhi_wake_all(struct lh_server *server)
{
    lh_mutex_lock(&server->lock);
    lh_request *rq = server->wake_first;
    server->wake_first = NULL;
    server->wake_end = &server->wake_first;
    lh_mutex_unlock(&server->lock);
    while (rq != NULL) {
        lh_request *next = rq->wake_next;
        lh_mutex_lock(&rq->lock);
        rq->woken = false;
        bool finished = rq->finished;
        bool release = rq->release_on_wake;
        lh_mutex_unlock(&rq->lock);
        if (release)
            lhi_request_release(rq);
        else if (rq->conn != NULL)
            lhi_conn_pump(rq->conn);
        else if (finished)
            retire(rq);
        rq = next;
    }
}
