/* worker/protocol.h - frames between the server and a worker over one stream socket.
 *
 *   0     4      6      8            16
 *   +-----+------+------+------------+---------------------+
 *   | len | kind | vers | sequence   | payload (len bytes) |
 *   | u32 | u16  | u16  | u64        |                     |
 *   +-----+------+------+------------+---------------------+        all little-endian
 *
 * Control payloads are JSON by records (worker/messages.h); DATA payloads are bytes as the client
 * will get them, or binary rows where a program's header says so. A worker's frames are hostile
 * input: every field is checked.
 *
 * Owns:    a channel owns its socket and its read buffer.
 * Threads: one reader and one writer may run at once.
 * Limits:  LH_FRAME_BYTES_MAX payload; anything longer ends the channel.
 * Formats: version LH_FRAME_VERSION; another version is refused.
 * Why:     length-prefixed frames over a socketpair, descriptors passed beside them (SCM_RIGHTS)
 *          with HELLO/TASK. */
#ifndef LH_WORKER_PROTOCOL_H
#define LH_WORKER_PROTOCOL_H

#include "base/buf.h"

#define LH_FRAME_VERSION      1
#define LH_FRAME_HEADER_BYTES 16
#define LH_FRAME_BYTES_MAX    (4u * 1024u * 1024u)

typedef enum lh_frame_kind {
    LH_FRAME_SETUP =
        1, /* server -> worker, once: limits, paths; the worker locks itself in and answers READY */
    LH_FRAME_READY = 2, /* worker -> server */
    LH_FRAME_TASK = 3,  /* server -> worker: one request (program's own record) */
    LH_FRAME_NEED = 4,  /* worker -> server: asks for something (views of datasets, next input) */
    LH_FRAME_GIVE = 5,  /* server -> worker: answer to NEED */
    LH_FRAME_HEAD = 6,  /* worker -> server: description of the result, before its data */
    LH_FRAME_DATA = 7,  /* either way: bytes */
    LH_FRAME_PROGRESS = 8, /* worker -> server; also the heartbeat */
    LH_FRAME_DONE = 9,     /* worker -> server: the task ended well, with a summary */
    LH_FRAME_ERROR =
        10, /* worker -> server: the task failed (code, message, hint, field, line, column) */
    LH_FRAME_CANCEL = 11, /* server -> worker: stop the task of that sequence */
    LH_FRAME_EXIT = 12    /* server -> worker: end in peace */
} lh_frame_kind;

typedef struct lh_frame {
    lh_frame_kind kind;
    uint64_t sequence; /* of the task */
    lh_str payload;    /* borrowed until the next read on this channel */
} lh_frame;

typedef struct lh_channel lh_channel;
LH_WARN_UNUSED lh_rc lh_channel_open(lh_ctx *cx, int socket,
                                     lh_channel **ret_channel); /* takes the socket on success */
lh_channel *lh_channel_close(lh_channel *channel);
LH_DEFINE_CLEANUP(lh_channel, lh_channel_close)
int lh_channel_fd(const lh_channel *channel);
/* Blocks until cx's deadline/cancel. LH_E_WORKER_CRASHED when the other side closed, LH_E_CORRUPT
 * on a bad frame. */
LH_WARN_UNUSED lh_rc lh_channel_read(lh_ctx *cx, lh_channel *channel, lh_frame *ret_frame);
LH_WARN_UNUSED lh_rc lh_channel_write(lh_ctx *cx, lh_channel *channel, lh_frame_kind kind,
                                      uint64_t sequence, lh_str payload);
/* The same with descriptors, which arrive through lh_channel_take_fds. Only on SETUP and TASK. */
LH_WARN_UNUSED lh_rc lh_channel_write_fds(lh_ctx *cx, lh_channel *channel, const lh_frame *frame,
                                          const int *fds, size_t fds_count);
size_t lh_channel_take_fds(lh_channel *channel, int *ret_fds,
                           size_t fds_max); /* of the last frame read; caller closes */
/* Pure: header bytes to a frame header; for the fuzzer and the reader. LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lh_frame_parse_header(lh_ctx *cx, const uint8_t header[LH_FRAME_HEADER_BYTES],
                                           uint32_t *ret_bytes, lh_frame *ret_frame);
void lh_frame_write_header(uint8_t header[LH_FRAME_HEADER_BYTES], uint32_t bytes,
                           lh_frame_kind kind, uint64_t sequence);

#endif
