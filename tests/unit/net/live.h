/* live.h - a real server on port 0 in this process, and clients that speak through raw sockets.
 *
 * Owns:    one server at a time.
 * Threads: handlers run on the server's; a test drives it from its own.
 * Limits:  every read of a client gives up after 10 s, so a hang is a failure and not a wait.
 * Formats: bytes as they are on the wire.
 * Why:     what matters here (order, limits, leaving) is only true on a socket. */
#ifndef LH_TESTS_UNIT_NET_LIVE_H
#define LH_TESTS_UNIT_NET_LIVE_H

#include "base/clock.h"
#include "net/server.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the handlers of live.c share with the tests. */
typedef struct live_app {
    atomic_int entered;   /* handlers that began */
    atomic_int left;      /* ... and ended */
    atomic_int cancelled; /* ... because they were cancelled */
    atomic_int release;   /* GET /wait returns when it is 1 */
    atomic_ullong bytes;  /* read by POST /upload */
    atomic_int last_rc;   /* of the last handler that ended */
} live_app;

extern live_app live_state;

/* Options that fit tests; change what the test is about. */
lh_server_options live_options(void);
void live_open(const lh_server_options *opts);
void live_close(void);
lh_server *live_server(void);
lh_ctx *live_cx(void); /* of the test's own thread */

int live_connect(void);
void live_send(int fd, const char *text);
void live_send_bytes(int fd, const void *bytes, size_t len);
int live_try_send(int fd, const void *bytes, size_t len); /* 0 when the server closed */
/* Reads until `count` replies are complete or the server closes. NUL-terminated, static. */
const char *live_replies(int fd, int count);
const char *live_read_all(int fd); /* until the server closes */
const char *live_read_until(int fd, const char *mark);
int live_is_closed(int fd); /* waits for the end of input */
void live_disconnect(int fd);
/* One connection, one request, everything until the server closes. */
const char *live_ask(const char *request);
int live_status(const char *reply); /* of the first reply in text */
const char *live_body(const char *reply);
/* Waits until *value >= wanted; fails the test after 10 s. */
void live_wait_for(atomic_int *value, int wanted);

#endif
