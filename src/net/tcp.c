/* tcp.c - the only file of net/ that makes socket calls: listen, accept, read, write, close.
 *
 * libuv watches the descriptors; reading and writing them here keeps an idle connection small and
 * lets us keep watching one whose client closed its sending side, which libuv's own streams cannot.
 * */
#include "net/net_private.h"

#include "base/num.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, UNSENT_BYTES_LOW = 128 * 1024 };

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static lh_rc bad_listen(lh_ctx *cx, lh_str listen_at)
{
    (void)lh_fail(cx, LH_E_BAD_CONFIG, "cannot listen on \"%.*s\"", LH_STR_ARG(listen_at));
    return lh_err_hint(cx, "an address and a port: 127.0.0.1:3100, [::1]:3100, 0.0.0.0:3100");
}

/* "127.0.0.1:3100", "[::1]:0", "localhost:3100". */
static lh_rc parse_address(lh_ctx *cx, lh_str listen_at, address *ret, socklen_t *ret_len)
{
    char host[64];
    uint64_t port;
    size_t colon = lh_str_rfind_char(listen_at, ':');
    if (colon == LH_STR_NPOS || !lh_parse_u64(lh_str_from_offset(listen_at, colon + 1), &port) ||
        port > 65535)
        return bad_listen(cx, listen_at);
    lh_str name = lh_str_sub(listen_at, 0, colon);
    bool v6 = lh_str_starts(name, LH_S("[")) && lh_str_ends(name, LH_S("]"));
    if (v6)
        name = lh_str_sub(name, 1, name.len - 2);
    else if (lh_str_eq(name, LH_S("localhost")))
        name = LH_S("127.0.0.1");
    if (name.len == 0 || name.len >= sizeof(host))
        return bad_listen(cx, listen_at);
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    memset(ret, 0, sizeof(*ret));
    if (v6) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons((uint16_t)port);
        *ret_len = sizeof(ret->v6);
        return inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1 ? LH_OK
                                                                  : bad_listen(cx, listen_at);
    }
    ret->v4.sin_family = AF_INET;
    ret->v4.sin_port = htons((uint16_t)port);
    *ret_len = sizeof(ret->v4);
    return inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1 ? LH_OK : bad_listen(cx, listen_at);
}

static lh_str address_text(lh_ctx *cx, const address *at)
{
    char host[INET6_ADDRSTRLEN];
    if (at->any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &at->v6.sin6_addr, host, sizeof(host));
        return lh_ctx_fmt(cx, "[%s]:%u", host, ntohs(at->v6.sin6_port));
    }
    (void)inet_ntop(AF_INET, &at->v4.sin_addr, host, sizeof(host));
    return lh_ctx_fmt(cx, "%s:%u", host, ntohs(at->v4.sin_port));
}

lh_rc lhi_socket_listen(lh_ctx *cx, lh_str listen_at, int *ret_fd, lh_str *ret_address)
{
    address at;
    socklen_t len;
    LH_TRY(parse_address(cx, listen_at, &at, &len));
    int fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return lh_fail_errno(cx, "opening a socket", errno);
    int one = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
                     sizeof(one)); /* what is accepted inherits it */
    /* A slow client must not fill megabytes of kernel memory, and we want to hear soon that there
     * is room. */
    int low = UNSENT_BYTES_LOW;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof(low));
    if (bind(fd, &at.any, len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, &at.any, &len) != 0) {
        int number = errno;
        (void)close(fd);
        if (number == EADDRINUSE) {
            (void)lh_fail(cx, LH_E_CONFLICT, "%.*s is in use by another program",
                          LH_STR_ARG(listen_at));
            return lh_err_hint(cx, "choose another port with --listen, or stop what uses it");
        }
        if (number == EADDRNOTAVAIL)
            return bad_listen(cx, listen_at);
        return lh_fail_errno(cx, "listening", number);
    }
    *ret_fd = fd;
    *ret_address = address_text(cx, &at);
    return LH_OK;
}

void lhi_socket_allow(uint32_t connections)
{
    enum { OTHER_DESCRIPTORS = 512 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    rlim_t wanted = LH_MIN((rlim_t)connections + OTHER_DESCRIPTORS, limit.rlim_max);
    if (limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* without it accept says that there are too many */
}

int lhi_socket_accept(int listen_fd, uint8_t ret_ip[16], bool *ret_loopback)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    address at;
    socklen_t len = sizeof(at);
    int fd;
    do {
        fd = accept4(listen_fd, &at.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO));
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM
                   ? LHI_BROKEN
                   : LHI_WOULD_BLOCK;
    if (at.any.sa_family == AF_INET6) {
        memcpy(ret_ip, &at.v6.sin6_addr, 16);
    } else {
        memcpy(ret_ip, mapped, sizeof(mapped));
        memcpy(ret_ip + 12, &at.v4.sin_addr, 4);
    }
    *ret_loopback = memcmp(ret_ip, mapped, sizeof(mapped)) == 0
                        ? ret_ip[12] == 127
                        : memcmp(ret_ip, &in6addr_loopback, sizeof(in6addr_loopback)) == 0;
    return fd;
}

ssize_t lhi_socket_read(int fd, char *out, size_t len)
{
    ssize_t n;
    do {
        n = recv(fd, out, len, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? LHI_WOULD_BLOCK : LHI_BROKEN;
    return n;
}

ssize_t lhi_socket_write(int fd, const struct iovec *iov, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                             .msg_iovlen = (size_t)count};
    ssize_t n;
    do {
        n = count == 1 ? send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
                       : sendmsg(fd, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? LHI_WOULD_BLOCK : LHI_BROKEN;
    return n;
}

void lhi_socket_close(int fd, int reset)
{
    if (reset) { /* the client sees an error, not an end */
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    (void)close(fd);
}

void lhi_socket_finish_writing(int fd)
{
    (void)shutdown(fd, SHUT_WR);
}

bool lhi_socket_is_gone(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 || info.tcpi_state == TCP_CLOSE;
}

size_t lhi_socket_unread(int fd)
{
    int bytes = 0;
    return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

size_t lhi_socket_unsent(int fd)
{
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}
