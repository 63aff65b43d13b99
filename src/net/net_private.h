/* net_private.h - the shapes that the files of net/ share: server, connection, request, reply.
 *
 * Owns:    a server owns its connections and requests; a connection owns at most one request; a
 *          request outlives its connection while its handler runs.
 * Threads: everything belongs to the loop thread, except what stands under "shared" (request.lock)
 *          and what a handler owns while it runs (cx, reply, the reading end of the ring).
 * Limits:  the constants below, and lh_server_options.
 * Formats: none.
 * Why:     a connection is small (10,000 of them idle cost a few MB); all that is large hangs on
 *          the request, which exists from the first byte of a request to the last of its reply and
 *          comes from a pool. */
#ifndef LH_NET_PRIVATE_H
#define LH_NET_PRIVATE_H

#include "base/buf.h"
#include "base/clock.h"
#include "net/parser_private.h"
#include "net/router_private.h"
#include "net/server.h"
#include "os/thread.h"

#include <netinet/in.h>
#include <sys/uio.h>
#include <uv.h>

enum {
    LHI_READ_BYTES = 64 * 1024,     /* of the loop's one read buffer */
    LHI_RING_BYTES = 256 * 1024,    /* body bytes between loop and handler */
    LHI_OUT_BYTES_MAX = 256 * 1024, /* reply bytes between handler and loop */
    LHI_CHUNK_BYTES = 32 * 1024,
    LHI_CHUNK_FIRST_BYTES = 4 * 1024,
    LHI_PENDING_BYTES_MAX = 64 * 1024,  /* pipelined behind a request that is being answered */
    LHI_LINGER_BYTES_MAX = 1024 * 1024, /* thrown away so that an early reply reaches its client */
    LHI_REQUESTS_KEPT = 64,             /* in the pool */
    LHI_BODY_KEPT_BYTES = 16 * 1024,
    LHI_WHEEL_SLOTS = 256,
    LHI_HANDLER_STACK_BYTES = 512 * 1024
};
#define LHI_TICK_US        ((int64_t)50 * 1000)
#define LHI_LINGER_US      ((int64_t)2 * 1000 * 1000)
#define LHI_SSE_PING_US    ((int64_t)15 * 1000 * 1000)
#define LHI_PROBE_AFTER_US ((int64_t)20 * 1000)
#define LHI_GONE_CHECK_US  ((int64_t)1000 * 1000)

typedef struct lhi_conn lhi_conn;

/* ---- reply: a queue of byte chunks from the handler to the loop ---- */
typedef struct lhi_chunk {
    struct lhi_chunk *next;
    uint32_t cap;
    uint32_t len;
    uint32_t sent; /* loop */
    char data[];
} lhi_chunk;

struct lh_reply {
    int status;
    lh_buf headers; /* finished lines the handler added */
    lhi_chunk *cur; /* being filled; not yet in the queue */
    uint32_t frame; /* where the open HTTP chunk starts in cur; UINT32_MAX = none */
    uint64_t bytes; /* written by the handler, before compression */
    struct z_stream_s *gzip;
    bool started;    /* the head was written */
    bool any_pushed; /* something was handed to the loop */
    bool streaming;
    bool chunked;
    bool sse;
    bool discard; /* HEAD: the body is not sent */
    bool close;   /* "Connection: close" was said */
    bool cut;     /* the reply broke in the middle: the connection must end without a proper end */
    bool has_encoding; /* the handler set Content-Encoding itself */
};

/* ---- request ---- */
typedef struct lhi_query {
    lh_str name;
    lh_str value;
} lhi_query;

typedef enum lhi_stage { LHI_IN_HEAD, LHI_IN_BODY, LHI_ANSWERING } lhi_stage;

struct lh_request {
    lh_ctx cx;
    lh_cancel cancel;
    lhi_parser parser;
    struct lh_reply reply;
    struct lh_server *server;
    lhi_conn *conn;   /* loop only; NULL when the client left */
    lh_request *next; /* in the pool or in a crew's queue */

    /* Set by the loop before the handler runs, then constant. */
    const lhi_endpoint *endpoint; /* NULL: refused before it was routed */
    lh_str method;
    lh_str path;
    lh_str allow; /* of a 405: the methods there are */
    lh_str params[LHI_PATH_PARAMS_MAX];
    lhi_query *query;
    size_t query_count;
    int64_t started_us;  /* first byte */
    uint64_t body_bytes; /* received so far */
    /* Loop only, what the rate of the body is judged by: */
    uint64_t window_bytes; /* body_bytes when the window began */
    int64_t window_us;     /* its begin, moved by the time we did not read */
    int64_t paused_us;     /* since when we do not read; 0 = we do */
    lh_rc rc;              /* what the handler returned */
    lh_buf body;           /* rows without STREAM_BODY */
    lhi_stage stage;       /* loop only */
    bool keep_alive;
    bool http_1_0;
    bool peer_loopback;
    bool counted;    /* in in_flight */
    bool dispatched; /* a handler thread has it or will */
    bool ran_inline;
    bool wrote; /* loop only: bytes of the reply are on their way */

    /* Shared, under lock. */
    lh_mutex lock;
    lh_cond changed;
    lhi_chunk *out_first;
    lhi_chunk *out_last;
    size_t out_bytes; /* queued, not yet with the kernel */
    char *ring;       /* STREAM_BODY rows; LHI_RING_BYTES */
    size_t ring_read;
    size_t ring_used;
    size_t ring_lent; /* handed to the handler, freed by its next read */
    lh_rc body_rc;    /* why no more body comes, when it broke */
    lh_err body_err;
    bool body_complete;
    bool want_room;       /* reading is stopped until the handler has read */
    bool want_continue;   /* the client waits for "100 Continue" */
    bool read_asked;      /* ... and the handler has asked for the body */
    bool finished;        /* the handler is done with the request */
    bool gone;            /* the client left */
    bool woken;           /* in the wake list */
    bool pings;           /* an event stream: the loop may put comments between events */
    bool mid_event;       /* an event is half queued: no ping now */
    bool release_on_wake; /* done, but still in the wake list */
    lh_request *wake_next;
    lhi_chunk *first_chunk; /* LHI_CHUNK_FIRST_BYTES, kept with the request */
    bool first_chunk_busy;
};

/* ---- connection ---- */
enum { /* what a connection wants to be told of */
       LHI_WANT_READ = 1,
       LHI_WANT_WRITE = 2,
       LHI_WANT_HANGUP = 4, /* reading is stopped: tell when the client closes */
       LHI_WANT_RESET = 8   /* the client closed its side: tell when it is gone altogether */
};

struct lhi_conn {
    union {
        uv_poll_t poll;
        uv_handle_t handle;
    } uv;
    struct lh_server *server;
    lhi_conn *prev; /* of all connections */
    lhi_conn *next;
    lhi_conn *wheel_prev; /* wheel_prev NULL and not first: see wheel.c */
    lhi_conn *wheel_next;
    lh_request *rq;
    char *pending; /* pipelined bytes, owned */
    int64_t deadline_us;
    int64_t wheel_us; /* when the wheel looks at it; 0 = not in the wheel */
    int64_t read_us;  /* last byte came */
    int64_t write_us; /* last byte went */
    uint32_t pending_from;
    uint32_t pending_len;
    uint32_t lingered;
    uint32_t unsent; /* in the kernel when the write idle time last ran out */
    int fd;
    uint8_t ip[16]; /* of the peer, IPv4 as mapped */
    uint8_t wanted; /* LHI_WANT_* in force */
    uint8_t wheel_slot;
    bool loopback;
    bool served;  /* at least one request was answered */
    bool eof;     /* the client closed its sending side */
    bool hung_up; /* ... known while unread bytes may remain */
    bool probed;
    bool lingering;
    bool late;    /* its headers took too long */
    bool blocked; /* the kernel takes no more bytes */
    bool closed;
    bool consuming; /* lhi_conn_input is on the stack */
    bool per_ip;    /* counted in server->peers */
};

/* How a connection reaches the world: sockets in the server, memory in the fuzzer. */
typedef struct lhi_io {
    ssize_t (*write)(lhi_conn *conn, const struct iovec *iov,
                     int count); /* LHI_WOULD_BLOCK, LHI_BROKEN */
    void (*want)(lhi_conn *conn, uint8_t wanted);
    void (*close)(lhi_conn *conn, int reset); /* reset: the client must see that it was cut */
    void (*finish_writing)(lhi_conn *conn);   /* no more bytes from us */
    bool (*is_gone)(lhi_conn *conn);          /* the peer reset the connection */
    size_t (*unread)(lhi_conn *conn);         /* bytes in the kernel that we have not read */
    size_t (*unsent)(lhi_conn *conn);         /* ... that the client has not acknowledged */
} lhi_io;
enum { LHI_WOULD_BLOCK = -1, LHI_BROKEN = -2 };

/* ---- threads that run handlers ---- */
typedef struct lhi_crew {
    struct lh_server *server;
    const char *name;
    lh_mutex lock;
    lh_cond changed;
    lh_request *first;
    lh_request **end;
    lh_thread **threads;
    uint32_t threads_max;
    uint32_t threads_count;
    uint32_t idle_count;
    uint32_t waiting_count;
    bool stop;
} lhi_crew;

void lhi_crew_init(lhi_crew *crew, struct lh_server *server, const char *name);
LH_WARN_UNUSED lh_rc lhi_crew_open(lh_ctx *cx, lhi_crew *crew, uint32_t threads_max);
/* Hands the request over. queue 0: only when a thread is free or may be started. LH_E_POOL_FULL
 * otherwise. */
LH_WARN_UNUSED lh_rc lhi_crew_submit(lhi_crew *crew, lh_request *rq, int queue);
void lhi_crew_stop(lhi_crew *crew); /* runs what waits (it was cancelled), joins all threads */
void lhi_crew_done(lhi_crew *crew);

/* ---- addresses with too many connections ---- */
typedef struct lhi_peers {
    struct lhi_peer *items; /* open addressing */
    size_t capacity;        /* a power of two, or 0 */
    size_t used;
} lhi_peers;
LH_WARN_UNUSED bool lhi_peers_add(lhi_peers *peers, const uint8_t ip[16], uint32_t max);
void lhi_peers_drop(lhi_peers *peers, const uint8_t ip[16]);
void lhi_peers_done(lhi_peers *peers);

struct lh_server {
    lh_server_options opts; /* texts are copied into arena */
    lh_arena *arena;
    lhi_router *router;
    lhi_limits limits;
    const lhi_io *io;
    lh_str address;
    lhi_crew pool;
    lhi_crew long_crew;
    lhi_crew stream_crew;
    bool run_on_loop; /* fuzzer: no threads; handlers run when the request is complete */

    /* loop thread */
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t tick;
    uv_poll_t listener;
    bool loop_open;
    bool listening;
    bool listener_paused;
    bool ticking;
    int listen_fd;
    lh_thread *thread;
    lhi_conn *conns;
    uint32_t conns_count;
    uint32_t in_flight;
    lhi_peers peers;
    lh_request *free_requests;
    uint32_t free_requests_count;
    int64_t now_us;
    lh_ctx loop_cx; /* errors of the loop about requests whose cx a handler is using */
    uint64_t random[2];
    struct {
        lhi_conn *slots[LHI_WHEEL_SLOTS];
        int64_t at_us; /* slots up to here were looked at */
        uint32_t count;
    } wheel;
    char *read_buffer;

    /* shared */
    lh_mutex lock;
    lh_cond changed;
    lh_request *wake_first;
    lh_request **wake_end;
    bool stop;
    bool started;
    bool quiet; /* draining and nothing in flight */
    atomic_bool draining;
};

/* request.c */
LH_WARN_UNUSED lh_request *lhi_request_take(
    struct lh_server *server);            /* from the pool; NULL: no memory */
void lhi_request_release(lh_request *rq); /* loop; nothing of it is used any more */
lh_request *lhi_request_free(lh_request *rq);
void lhi_request_gone(lh_request *rq); /* loop: the client left; cancels the handler */

/* target.c: from the head to path, query and route */
LH_WARN_UNUSED lh_rc lhi_target_route(lh_request *rq);
LH_WARN_UNUSED lh_rc lhi_query_check(lh_ctx *cx, lh_request *rq);

/* dispatch.c */
void lhi_dispatch_head(lhi_conn *conn); /* the head of conn->rq is there */
void lhi_dispatch_body(lhi_conn *conn); /* ... and now its body is complete */
void lhi_dispatch_run(lh_request *rq);  /* handler thread (or loop): authenticate, handle, finish */
void lhi_dispatch_refuse(lhi_conn *conn); /* answers with cx->err of the request and closes */
/* Says what is logged and counted of a finished request. */
void lhi_request_log(lh_request *rq);

/* ring.c: body bytes from loop to handler */
LH_WARN_UNUSED lh_rc lhi_ring_open(lh_request *rq);
size_t lhi_ring_room(lh_request *rq);
void lhi_ring_put(lh_request *rq, lh_str bytes);      /* at most room */
void lhi_ring_end(lh_request *rq, const lh_err *err); /* NULL: complete; else why no more comes */

/* reply.c, reply_queue.c */
void lhi_reply_reset(lh_request *rq);
void lhi_reply_done(lh_request *rq);
/* Ends the reply of a handler that returned rc; then the loop may release the request. */
void lhi_reply_finish(lh_request *rq, lh_rc rc);
LH_WARN_UNUSED lh_rc lhi_reply_raw(lh_request *rq, lh_str bytes); /* as it is on the wire */
LH_WARN_UNUSED lh_rc lhi_reply_framed(lh_request *rq,
                                      lh_str bytes); /* as HTTP chunks when chunked */
LH_WARN_UNUSED lh_rc lhi_reply_push(lh_request *rq); /* what is buffered goes to the loop */
void lhi_reply_queue_chunk(lh_request *rq, lhi_chunk *chunk); /* lock held or no handler */
void lhi_reply_end(lh_request *rq); /* hands over the rest and marks the request finished */
lhi_chunk *lhi_chunk_take(lh_request *rq, size_t bytes); /* NULL: no memory */
void lhi_chunk_give(lh_request *rq, lhi_chunk *chunk);
void lhi_wake(lh_request *rq); /* any thread, rq->lock held: the loop shall look at it */
LH_WARN_UNUSED lh_rc lhi_gzip_begin(lh_request *rq);
LH_WARN_UNUSED lh_rc lhi_gzip_write(lh_request *rq, lh_str bytes, int flush);
void lhi_gzip_done(lh_reply *rp);
static inline lh_request *lhi_request_of(lh_reply *rp)
{
    return LH_CONTAINER_OF(rp, lh_request, reply);
}

/* error_reply.c */
void lhi_reply_error(lh_request *rq); /* writes the reply for cx->err; nothing was started */

/* cors.c */
LH_WARN_UNUSED lh_rc lhi_cors_headers(lh_request *rq);
LH_WARN_UNUSED lh_rc lhi_cors_options(lh_request *rq, const lhi_endpoint *endpoints);

/* conn.c */
LH_WARN_UNUSED lhi_conn *lhi_conn_new(struct lh_server *server, int fd);
void lhi_conn_input(lhi_conn *conn, const char *data, size_t len);
void lhi_conn_eof(lhi_conn *conn);
void lhi_conn_hangup(lhi_conn *conn);  /* the client closed, bytes may still be unread */
void lhi_conn_broken(lhi_conn *conn);  /* reset, or an error of the socket */
void lhi_conn_interim(lhi_conn *conn); /* "100 Continue" */
void lhi_conn_pump(lhi_conn *conn);    /* writes, ends requests, goes on with pipelined ones */
void lhi_conn_timer(lhi_conn *conn);
void lhi_conn_update(lhi_conn *conn); /* interest and deadline after anything happened */
void lhi_conn_close(lhi_conn *conn, int reset);
size_t lhi_conn_read_max(lhi_conn *conn);    /* how many bytes it can take now; 0: do not read */
void lhi_wake_all(struct lh_server *server); /* loop: serves the wake list */

/* server.c: everything of a server that needs no thread and no socket; the fuzzer uses just this */
LH_WARN_UNUSED lh_rc lhi_server_init(lh_ctx *cx, struct lh_server *server,
                                     const lh_server_options *opts);
void lhi_server_done(struct lh_server *server);

/* wheel.c */
void lhi_wheel_set(lhi_conn *conn, int64_t deadline_us);
void lhi_wheel_remove(lhi_conn *conn);
void lhi_wheel_turn(struct lh_server *server);

/* loop.c */
LH_WARN_UNUSED lh_rc lhi_loop_open(lh_ctx *cx, struct lh_server *server);
LH_WARN_UNUSED lh_rc lhi_loop_start(lh_ctx *cx, struct lh_server *server);
void lhi_loop_stop(struct lh_server *server);
void lhi_loop_close(struct lh_server *server);

/* tcp.c: the only file of net/ with socket calls */
LH_WARN_UNUSED lh_rc lhi_socket_listen(lh_ctx *cx, lh_str listen_at, int *ret_fd,
                                       lh_str *ret_address);
/* Lets the process open so many connections and some files, as far as its hard limit goes. */
void lhi_socket_allow(uint32_t connections);
/* A descriptor; LHI_WOULD_BLOCK: nobody waits; LHI_BROKEN: no descriptor is free. */
int lhi_socket_accept(int listen_fd, uint8_t ret_ip[16], bool *ret_loopback);
ssize_t lhi_socket_read(int fd, char *out, size_t len); /* 0 = end; LHI_WOULD_BLOCK, LHI_BROKEN */
ssize_t lhi_socket_write(int fd, const struct iovec *iov, int count);
void lhi_socket_close(int fd, int reset);
void lhi_socket_finish_writing(int fd);
bool lhi_socket_is_gone(int fd);
size_t lhi_socket_unread(int fd);
size_t lhi_socket_unsent(int fd);
extern const lhi_io lhi_socket_io; /* loop.c */

#endif
