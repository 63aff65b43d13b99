/* channel.c - frames over one stream socket: read whole, write whole, or say why not.
 *
 * Reading keeps one buffer that grows to the longest frame seen, so a frame costs one copy out of
 * the kernel. A write that stops in the middle (deadline, cancel) leaves the stream without frame
 * boundaries: the channel is then broken for good, and whoever owns it kills the other side.
 * Descriptors travel with the first byte of their frame; the kernel never merges later bytes into
 * the same read, so those at hand when a SETUP or TASK frame is complete belong to it. */
#include "worker/protocol.h"

#include "os/process.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MAX         8
#define READ_BYTES_MIN  (64u * 1024u) /* room offered to each recv */
#define WAIT_SLICE_MS   20            /* how soon a write that waits notices a cancel */
#define BUFFER_KEEP_MAX (1024u * 1024u)

struct lh_channel {
    int socket;
    int broken;
    lh_buf buf;       /* bytes [taken, len) wait to be parsed */
    size_t taken;     /* end of the frame that was handed out */
    int fds[FDS_MAX]; /* arrived, not yet of a frame */
    size_t fds_count;
    int frame_fds[FDS_MAX]; /* of the last frame read, until taken */
    size_t frame_fds_count;
};

static void close_all(int *fds, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        lh_fd_close(fds[i]);
    *count = 0;
}

lh_rc lh_channel_open(lh_ctx *cx, int socket, lh_channel **ret_channel)
{
    lh_assert(socket >= 0);
    lh_channel *channel = lh_alloc_zero(1, sizeof(*channel));
    if (channel == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a worker channel");
    channel->socket = socket;
    lh_buf_init(&channel->buf, (size_t)LH_FRAME_BYTES_MAX * 2 + READ_BYTES_MIN);
    *ret_channel = channel;
    return LH_OK;
}

lh_channel *lh_channel_close(lh_channel *channel)
{
    if (channel == NULL)
        return NULL;
    close_all(channel->fds, &channel->fds_count);
    close_all(channel->frame_fds, &channel->frame_fds_count);
    lh_fd_close(channel->socket);
    lh_buf_done(&channel->buf);
    return lh_free(channel);
}

int lh_channel_fd(const lh_channel *channel)
{
    return channel->socket;
}

/* ---------------------------------------------------------------- header */

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void write_u32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

lh_rc lh_frame_parse_header(lh_ctx *cx, const uint8_t header[LH_FRAME_HEADER_BYTES],
                            uint32_t *ret_bytes, lh_frame *ret_frame)
{
    uint32_t bytes = read_u32(header);
    uint32_t kind = (uint32_t)header[4] | (uint32_t)header[5] << 8;
    uint32_t version = (uint32_t)header[6] | (uint32_t)header[7] << 8;
    if (version != LH_FRAME_VERSION)
        return lh_fail(cx, LH_E_CORRUPT, "frame of protocol version %u, expected %u", version,
                       LH_FRAME_VERSION);
    if (kind < LH_FRAME_SETUP || kind > LH_FRAME_EXIT)
        return lh_fail(cx, LH_E_CORRUPT, "frame of unknown kind %u", kind);
    if (bytes > LH_FRAME_BYTES_MAX)
        return lh_fail(cx, LH_E_CORRUPT, "frame of %u bytes, limit %u", bytes, LH_FRAME_BYTES_MAX);
    *ret_bytes = bytes;
    *ret_frame = (lh_frame){
        .kind = (lh_frame_kind)kind,
        .sequence = (uint64_t)read_u32(header + 8) | (uint64_t)read_u32(header + 12) << 32,
    };
    return LH_OK;
}

void lh_frame_write_header(uint8_t header[LH_FRAME_HEADER_BYTES], uint32_t bytes,
                           lh_frame_kind kind, uint64_t sequence)
{
    write_u32(header, bytes);
    header[4] = (uint8_t)kind;
    header[5] = (uint8_t)((unsigned)kind >> 8);
    header[6] = LH_FRAME_VERSION;
    header[7] = 0;
    write_u32(header + 8, (uint32_t)sequence);
    write_u32(header + 12, (uint32_t)(sequence >> 32));
}

/* ---------------------------------------------------------------- read */

typedef union fds_control {
    char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
    struct cmsghdr align;
} fds_control;

/* Takes over descriptors that came with a message. More than fit is a broken promise of the other
 * side. */
static lh_rc keep_fds(lh_ctx *cx, lh_channel *channel, struct msghdr *message)
{
    int too_many = (message->msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (channel->fds_count < FDS_MAX) {
                channel->fds[channel->fds_count++] = fd;
            } else {
                lh_fd_close(fd);
                too_many = 1;
            }
        }
    }
    if (too_many)
        return lh_fail(cx, LH_E_CORRUPT, "more than %d descriptors with one frame", FDS_MAX);
    return LH_OK;
}

/* One recv into the free end of the buffer; waits until there is something. */
static lh_rc fill(lh_ctx *cx, lh_channel *channel, size_t bytes_wanted)
{
    LH_TRY(lh_buf_reserve(cx, &channel->buf, LH_MAX(bytes_wanted, (size_t)READ_BYTES_MIN)));
    for (;;) {
        fds_control control;
        struct iovec part = {.iov_base = channel->buf.ptr + channel->buf.len,
                             .iov_len = channel->buf.cap - channel->buf.len};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof(control.bytes)};
        ssize_t got = recvmsg(channel->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got > 0) {
            channel->buf.len += (size_t)got;
            return keep_fds(cx, channel, &message);
        }
        if (got == 0)
            return lh_fail(cx, LH_E_WORKER_CRASHED, "the other side of a worker channel closed it");
        if (errno == EAGAIN)
            LH_TRY(lh_fd_wait_readable(cx, channel->socket));
        else if (errno == ECONNRESET)
            return lh_fail(cx, LH_E_WORKER_CRASHED, "the other side of a worker channel is gone");
        else if (errno != EINTR)
            return lh_fail_errno(cx, "reading a worker channel", errno);
    }
}

/* Drops the frame handed out last; a buffer that one huge frame blew up is given back. */
static void drop_taken(lh_channel *channel)
{
    lh_buf_drop_front(&channel->buf, channel->taken);
    channel->taken = 0;
    if (channel->buf.len == 0 && channel->buf.cap > BUFFER_KEEP_MAX) {
        size_t bytes_max = channel->buf.bytes_max;
        lh_buf_done(&channel->buf);
        lh_buf_init(&channel->buf, bytes_max);
    }
}

static lh_rc read_whole(lh_ctx *cx, lh_channel *channel, lh_frame *ret_frame)
{
    while (channel->buf.len < LH_FRAME_HEADER_BYTES)
        LH_TRY(fill(cx, channel, 0));
    uint32_t bytes;
    lh_frame frame;
    LH_TRY(lh_frame_parse_header(cx, (const uint8_t *)channel->buf.ptr, &bytes, &frame));
    size_t whole = LH_FRAME_HEADER_BYTES + (size_t)bytes;
    while (channel->buf.len < whole)
        LH_TRY(fill(cx, channel, whole - channel->buf.len));
    frame.payload = lh_str_n(channel->buf.ptr + LH_FRAME_HEADER_BYTES, bytes);
    channel->taken = whole;
    if (channel->fds_count > 0) {
        if (frame.kind != LH_FRAME_TASK && frame.kind != LH_FRAME_SETUP &&
            channel->buf.len == whole)
            return lh_fail(cx, LH_E_CORRUPT, "descriptors with a frame of kind %d",
                           (int)frame.kind);
        if (frame.kind == LH_FRAME_TASK || frame.kind == LH_FRAME_SETUP) {
            memcpy(channel->frame_fds, channel->fds, channel->fds_count * sizeof(int));
            channel->frame_fds_count = channel->fds_count;
            channel->fds_count = 0;
        }
    }
    *ret_frame = frame;
    return LH_OK;
}

lh_rc lh_channel_read(lh_ctx *cx, lh_channel *channel, lh_frame *ret_frame)
{
    if (channel->broken)
        return lh_fail(cx, LH_E_CORRUPT, "a worker channel that broke before was read");
    close_all(channel->frame_fds, &channel->frame_fds_count);
    drop_taken(channel);
    lh_rc rc = read_whole(cx, channel, ret_frame);
    if (rc == LH_E_CORRUPT)
        channel->broken = 1;
    return rc;
}

size_t lh_channel_take_fds(lh_channel *channel, int *ret_fds, size_t fds_max)
{
    size_t count = LH_MIN(channel->frame_fds_count, fds_max);
    memcpy(ret_fds, channel->frame_fds, count * sizeof(int));
    for (size_t i = count; i < channel->frame_fds_count; i++)
        lh_fd_close(channel->frame_fds[i]);
    channel->frame_fds_count = 0;
    return count;
}

/* ---------------------------------------------------------------- write */

static lh_rc wait_writable(lh_ctx *cx, int socket)
{
    for (;;) {
        LH_TRY(lh_ctx_check(cx));
        struct pollfd waits = {.fd = socket, .events = POLLOUT};
        int ready = poll(&waits, 1, lh_ctx_left_ms(cx, WAIT_SLICE_MS));
        if (ready > 0)
            return LH_OK;
        if (ready < 0 && errno != EINTR)
            return lh_fail_errno(cx, "waiting for a worker channel", errno);
    }
}

static void put_fds(struct msghdr *message, fds_control *control, const int *fds, size_t count)
{
    memset(control, 0, sizeof(*control));
    message->msg_control = control->bytes;
    message->msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
}

/* Sends parts[0..1] whole. *ret_sent tells whether the stream is still at a frame boundary after a
 * failure. */
static lh_rc send_parts(lh_ctx *cx, int socket, struct iovec parts[2], const int *fds,
                        size_t fds_count, size_t *ret_sent)
{
    size_t first = 0;
    *ret_sent = 0;
    while (first < 2) {
        fds_control control;
        struct msghdr message = {.msg_iov = parts + first, .msg_iovlen = 2 - first};
        if (fds_count > 0)
            put_fds(&message, &control, fds, fds_count);
        ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (errno == EAGAIN)
                LH_TRY(wait_writable(cx, socket));
            else if (errno == EPIPE || errno == ECONNRESET)
                return lh_fail(cx, LH_E_WORKER_CRASHED,
                               "the other side of a worker channel is gone");
            else if (errno != EINTR)
                return lh_fail_errno(cx, "writing a worker channel", errno);
            continue;
        }
        fds_count = 0; /* they went with the first byte */
        *ret_sent += (size_t)sent;
        for (size_t left = (size_t)sent; first < 2;) {
            size_t step = LH_MIN(left, parts[first].iov_len);
            left -= step;
            if (step < parts[first].iov_len) {
                parts[first].iov_base = (char *)parts[first].iov_base + step;
                parts[first].iov_len -= step;
                break;
            }
            first++; /* whole; an empty part may have no address at all */
        }
    }
    return LH_OK;
}

lh_rc lh_channel_write_fds(lh_ctx *cx, lh_channel *channel, const lh_frame *frame, const int *fds,
                           size_t fds_count)
{
    lh_assert(fds_count == 0 || frame->kind == LH_FRAME_SETUP || frame->kind == LH_FRAME_TASK);
    if (frame->payload.len > LH_FRAME_BYTES_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "a message of %zu bytes for a worker, limit %u",
                       frame->payload.len, LH_FRAME_BYTES_MAX);
    if (fds_count > FDS_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "%zu descriptors for a worker, limit %d", fds_count,
                       FDS_MAX);
    if (channel->broken)
        return lh_fail(cx, LH_E_WORKER_CRASHED, "a worker channel that broke before was written");
    uint8_t header[LH_FRAME_HEADER_BYTES];
    lh_frame_write_header(header, (uint32_t)frame->payload.len, frame->kind, frame->sequence);
    union {
        const char *in;
        void *out;
    } bytes = {.in = frame->payload.ptr}; /* iovec has no const; sendmsg does not write */
    struct iovec parts[2] = {{.iov_base = header, .iov_len = sizeof(header)},
                             {.iov_base = bytes.out, .iov_len = frame->payload.len}};
    size_t sent;
    lh_rc rc = send_parts(cx, channel->socket, parts, fds, fds_count, &sent);
    if (rc != LH_OK && sent > 0)
        channel->broken = 1;
    return rc;
}

lh_rc lh_channel_write(lh_ctx *cx, lh_channel *channel, lh_frame_kind kind, uint64_t sequence,
                       lh_str payload)
{
    lh_frame frame = {.kind = kind, .sequence = sequence, .payload = payload};
    return lh_channel_write_fds(cx, channel, &frame, NULL, 0);
}
