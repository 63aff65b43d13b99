/* socket.c - stream socket pairs that carry descriptors, and sealed memory files.
 *
 * The other side of a pair is a sandboxed worker that may have been taken over: control data that is cut, of another kind
 * or too long is refused, and every descriptor that came with it is closed. */
#include "os/process.h"

#include "os/os_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS_MAX = 8 };

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

typedef union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
} control;

lh_rc lh_socket_pair(lh_ctx *cx, int ret_fds[2])
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return lh_fail_errno(cx, "make a socket pair", errno);
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return LH_OK;
}

static lh_rc fail_socket(lh_ctx *cx, const char *what, int number)
{
    if (number == EPIPE || number == ECONNRESET)
        return lh_fail(cx, LH_E_UNAVAILABLE, "%s: the other side has closed", what);
    return lh_fail_errno(cx, what, number);
}

lh_rc lh_socket_send_fds(lh_ctx *cx, int socket, lh_str bytes, const int *fds, size_t fds_count)
{
    lh_assert(bytes.len > 0 || fds_count == 0); /* descriptors need a byte to travel with */
    if (fds_count > FDS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%zu descriptors in a message, limit %d", fds_count,
                       (int)FDS_MAX);
    control ctl = {0};
    size_t done = 0;
    while (done < bytes.len) {
        struct iovec iov = {.iov_base = (void *)(uintptr_t)(bytes.ptr + done),
                            .iov_len = bytes.len - done};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        if (done == 0 && fds_count > 0) {
            msg.msg_control = ctl.bytes;
            msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds_count);
            struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
            head->cmsg_level = SOL_SOCKET;
            head->cmsg_type = SCM_RIGHTS;
            head->cmsg_len = CMSG_LEN(sizeof(int) * fds_count);
            memcpy(CMSG_DATA(head), fds, sizeof(int) * fds_count);
        }
        ssize_t n = sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            LH_TRY(lhi_poll(cx, socket, POLLOUT));
        else if (n == 0 || errno != EINTR)
            return fail_socket(cx, "send a message", n < 0 ? errno : EPIPE);
    }
    return LH_OK;
}

typedef struct received {
    int fds[FDS_MAX];
    size_t count;
} received;

static void received_close(received *got)
{
    for (size_t i = 0; i < got->count; i++)
        lh_fd_close(got->fds[i]);
    got->count = 0;
}

static lh_rc take_control(lh_ctx *cx, struct msghdr *msg, received *got)
{
    int odd = (msg->msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head != NULL; head = CMSG_NXTHDR(msg, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) {
            odd = 1;
            continue;
        }
        size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(fd));
            if (got->count < FDS_MAX)
                got->fds[got->count++] = fd;
            else
                lh_fd_close(fd), odd = 1;
        }
    }
    if (odd)
        return lh_fail(cx, LH_E_BAD_VALUE, "a message with cut or unknown control data");
    return LH_OK;
}

/* Reads until `bytes` are there. The kernel never joins two messages that carry descriptors in one read. */
static lh_rc recv_all(lh_ctx *cx, int socket, char *out, size_t bytes, received *got,
                      size_t *ret_done)
{
    size_t done = 0;
    while (done < bytes) {
        control ctl;
        struct iovec iov = {.iov_base = out + done, .iov_len = bytes - done};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = ctl.bytes,
                             .msg_controllen = sizeof(ctl.bytes)};
        ssize_t n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n >= 0)
            LH_TRY(take_control(cx, &msg, got));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0)
            break;
        else if (errno == EAGAIN)
            LH_TRY(lhi_poll(cx, socket, POLLIN));
        else if (errno == ECONNRESET)
            break; /* it went away with our bytes unread: closed, as far as reading goes */
        else if (errno != EINTR)
            return fail_socket(cx, "receive a message", errno);
    }
    *ret_done = done;
    return LH_OK;
}

lh_rc lh_socket_recv_fds(lh_ctx *cx, int socket, void *out, size_t bytes, int *ret_fds,
                         size_t fds_max, size_t *ret_fds_count, size_t *ret_bytes)
{
    lh_assert(bytes > 0);
    received got = {0};
    size_t done = 0;
    lh_rc rc = recv_all(cx, socket, out, bytes, &got, &done);
    if (rc == LH_OK && done != 0 && done != bytes)
        rc = lh_fail(cx, LH_E_IO, "the other side closed after %zu of %zu bytes", done, bytes);
    if (rc == LH_OK && got.count > fds_max)
        rc = lh_fail(cx, LH_E_BAD_VALUE, "%zu descriptors came, at most %zu were expected",
                     got.count, fds_max);
    if (rc != LH_OK) {
        received_close(&got);
        return rc;
    }
    if (got.count > 0)
        memcpy(ret_fds, got.fds, got.count * sizeof(int));
    *ret_fds_count = got.count;
    *ret_bytes = done;
    return LH_OK;
}

lh_rc lh_memfd_new(lh_ctx *cx, const char *name, lh_str content, int *ret_fd)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return lh_fail_errno(cx, "make a memory file", errno);
    lh_file *file = NULL;
    LH_TRY(lhi_file_wrap(cx, fd, lh_str_from(name), &file)); /* closes fd when it fails */
    lh_rc rc = lh_file_write_at(cx, file, 0, content);
    if (rc == LH_OK &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
        rc = lh_fail_errno(cx, "seal a memory file", errno);
    if (rc != LH_OK) {
        lh_file_close(file);
        return rc;
    }
    *ret_fd = lh_file_take_fd(file);
    return LH_OK;
}
