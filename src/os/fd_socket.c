/* fd_socket.c - stream socket pairs that carry descriptors, and sealed memory files.
 *
 * The other side of a pair is a sandboxed worker that may have been taken over: control data that
 * is cut, of another kind or too long is refused, and every descriptor that came with it is
 * closed. */
#include "os/process.h"

#include "os/os_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

typedef union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * LH_SOCKET_FDS_MAX)];
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
    if (fds_count > LH_SOCKET_FDS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%zu descriptors in a message, limit %d", fds_count,
                       LH_SOCKET_FDS_MAX);
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

static void received_close(lh_received *got)
{
    for (size_t i = 0; i < got->fds_count; i++)
        lh_fd_close(got->fds[i]);
    got->fds_count = 0;
}

static lh_rc take_control(lh_ctx *cx, struct msghdr *msg, lh_received *got)
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
            if (got->fds_count < LH_SOCKET_FDS_MAX)
                got->fds[got->fds_count++] = fd;
            else
                lh_fd_close(fd), odd = 1;
        }
    }
    if (odd)
        return lh_fail(cx, LH_E_BAD_VALUE, "a message with cut or unknown control data");
    return LH_OK;
}

/* Reads until `bytes` are there. The kernel never joins two messages that carry descriptors in one
 * read. */
static lh_rc recv_all(lh_ctx *cx, int socket, char *out, size_t bytes, lh_received *got)
{
    while (got->bytes < bytes) {
        control ctl;
        struct iovec iov = {.iov_base = out + got->bytes, .iov_len = bytes - got->bytes};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = ctl.bytes,
                             .msg_controllen = sizeof(ctl.bytes)};
        ssize_t n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n >= 0)
            LH_TRY(take_control(cx, &msg, got));
        if (n > 0)
            got->bytes += (size_t)n;
        else if (n == 0)
            break;
        else if (errno == EAGAIN)
            LH_TRY(lhi_poll(cx, socket, POLLIN));
        else if (errno == ECONNRESET)
            break; /* it went away with our bytes unread: closed, as far as reading goes */
        else if (errno != EINTR)
            return fail_socket(cx, "receive a message", errno);
    }
    return LH_OK;
}

lh_rc lh_socket_recv_fds(lh_ctx *cx, int socket, void *out, size_t bytes, size_t fds_max,
                         lh_received *ret_received)
{
    lh_assert(bytes > 0);
    lh_received got = {0};
    lh_rc rc = recv_all(cx, socket, out, bytes, &got);
    if (rc == LH_OK && got.bytes != 0 && got.bytes != bytes)
        rc = lh_fail(cx, LH_E_IO, "the other side closed after %zu of %zu bytes", got.bytes, bytes);
    if (rc == LH_OK && got.fds_count > fds_max)
        rc = lh_fail(cx, LH_E_BAD_VALUE, "%zu descriptors came, at most %zu were expected",
                     got.fds_count, fds_max);
    if (rc != LH_OK) {
        received_close(&got);
        return rc;
    }
    *ret_received = got;
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
