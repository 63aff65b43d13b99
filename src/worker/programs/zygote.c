/* zygote.c - one warm, single-threaded process that does nothing but fork.
 *
 * Everything a child needs and that costs time is done here once: the library is loaded and
 * relocated, a database was opened and closed, function lists were read. A child then starts with
 * those pages shared. No request data ever comes here. Never more than one thread: a fork copies
 * only the calling thread, and locks of the others would stay locked. */
#include "worker/zygote.h"

#include "base/fault.h"
#include "worker/programs/program.h"

#include "os/process.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARENAS_MAX                                                                                 \
    2 /* of malloc: each reserves 64 MiB of the address space a child is limited to */
#define ARENA_BYTES_MAX   (64u * 1024u * 1024u)
#define CHILD_SOCKET_FD   3
#define EXIT_NOT_BY_HAND  2
#define EXIT_CANNOT_START 3

typedef struct child {
    pid_t pid; /* 0 = free row */
    uint32_t id;
} child;

typedef struct zygote {
    const lh_program *const *programs;
    size_t programs_count;
    int control;
    int signals;
    child children[LH_ZYGOTE_CHILDREN_MAX];
} zygote;

static lh_rc tell(lh_ctx *cx, const zygote *z, lh_zygote_message message, int fd)
{
    return lh_socket_send_fds(cx, z->control, lh_str_n(&message, sizeof(message)), &fd,
                              fd >= 0 ? 1 : 0);
}

/* In the child: nothing of the zygote stays open but the socket. */
LH_NORETURN static void become_child(lh_ctx *cx, const zygote *z, int socket, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    if (lh_process_die_with_parent(cx, parent) != LH_OK || dup2(socket, CHILD_SOCKET_FD) < 0 ||
        sigprocmask(SIG_SETMASK, &none, NULL) != 0)
        _exit(EXIT_CANNOT_START);
    (void)close_range(CHILD_SOCKET_FD + 1, ~0u, 0);
    lh_host_run(z->programs, z->programs_count, CHILD_SOCKET_FD);
}

static child *free_row(zygote *z)
{
    for (size_t i = 0; i < LH_ZYGOTE_CHILDREN_MAX; i++)
        if (z->children[i].pid == 0)
            return &z->children[i];
    return NULL;
}

static lh_rc fork_child(lh_ctx *cx, zygote *z, uint32_t id, int socket)
{
    child *row = free_row(z);
    pid_t self = getpid();
    pid_t pid = row != NULL ? fork() : -1;
    if (pid == 0)
        become_child(cx, z, socket, self);
    if (pid < 0)
        return tell(cx, z,
                    (lh_zygote_message){
                        .op = LH_ZYGOTE_FAILED, .id = id, .status = row != NULL ? errno : EAGAIN},
                    -1);
    *row = (child){.pid = pid, .id = id};
    int pidfd = pidfd_open(pid, 0); /* it is not reaped yet, so the number is still its own */
    lh_rc rc =
        tell(cx, z, (lh_zygote_message){.op = LH_ZYGOTE_FORKED, .id = id, .pid = pid}, pidfd);
    lh_fd_close(pidfd);
    return rc;
}

static lh_rc reap(lh_ctx *cx, zygote *z)
{
    struct signalfd_siginfo info;
    LH_IGNORE(read(z->signals, &info, sizeof(info))); /* one signal may stand for several exits */
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0)
            return LH_OK;
        for (size_t i = 0; i < LH_ZYGOTE_CHILDREN_MAX; i++) {
            if (z->children[i].pid != pid)
                continue;
            lh_zygote_message message = {
                .op = LH_ZYGOTE_EXITED, .id = z->children[i].id, .pid = pid, .status = status};
            z->children[i] = (child){0};
            LH_TRY(tell(cx, z, message, -1));
        }
    }
}

/* *ret_open 0: the pool has closed the socket. */
static lh_rc hear(lh_ctx *cx, zygote *z, int *ret_open)
{
    lh_zygote_message message;
    lh_received got;
    *ret_open = 0;
    LH_TRY(lh_socket_recv_fds(cx, z->control, &message, sizeof(message), 1, &got));
    if (got.bytes == 0)
        return LH_OK;
    *ret_open = 1;
    lh_rc rc = LH_OK;
    if (message.op == LH_ZYGOTE_FORK && got.fds_count == 1)
        rc = fork_child(cx, z, message.id, got.fds[0]);
    if (got.fds_count > 0)
        lh_fd_close(got.fds[0]);
    return rc;
}

static lh_rc serve(lh_arena *arena, zygote *z)
{
    for (;;) {
        lh_ctx cx;
        lh_arena_reset(arena);
        lh_ctx_init(&cx, arena);
        struct pollfd waits[2] = {{.fd = z->control, .events = POLLIN},
                                  {.fd = z->signals, .events = POLLIN}};
        if (poll(waits, 2, -1) < 0)
            continue;
        if (waits[1].revents != 0)
            LH_TRY(reap(&cx, z));
        int open = 1;
        if (waits[0].revents != 0)
            LH_TRY(hear(&cx, z, &open));
        if (!open)
            return LH_OK;
    }
}

static lh_rc prepare(lh_ctx *cx, zygote *z)
{
    LH_TRY(lh_process_die_with_parent(cx, getppid()));
    (void)prctl(PR_SET_NAME, "lh-zygote");
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)mallopt(M_ARENA_MAX, ARENAS_MAX);
    sigset_t exits;
    sigemptyset(&exits);
    sigaddset(&exits, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &exits, NULL) != 0)
        return lh_fail_errno(cx, "block a signal", errno);
    z->signals = signalfd(-1, &exits, SFD_CLOEXEC | SFD_NONBLOCK);
    if (z->signals < 0)
        return lh_fail_errno(cx, "watch children", errno);
    for (size_t i = 0; i < z->programs_count; i++)
        if (z->programs[i]->warm != NULL)
            LH_TRY(z->programs[i]->warm(cx));
    return tell(cx, z, (lh_zygote_message){.op = LH_ZYGOTE_READY, .pid = getpid()}, -1);
}

static int is_socket(int fd)
{
    int type = 0;
    socklen_t bytes = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_STREAM;
}

/* Workers have points of their own, so that a crash meant for the server does not hit one of them
 * first. */
static lh_rc arm_faults(lh_ctx *cx)
{
#if defined(LH_FAULTS) && LH_FAULTS
    const char *faults =
        getenv("LAKEHOUSE_FAULTS_OF_WORKERS"); /* check: allow getenv, test builds only */
    if (faults != NULL)
        return lh_fault_arm_text(cx, lh_str_from(faults));
#endif
    (void)cx;
    return LH_OK;
}

int lh_zygote_run(const lh_program *const *programs, size_t count, int control)
{
    if (!is_socket(control)) {
        fprintf(stderr, "lakehouse-worker is started by `lakehouse serve`, not by hand.\n");
        return EXIT_NOT_BY_HAND;
    }
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(ARENA_BYTES_MAX);
    if (arena == NULL)
        return EXIT_CANNOT_START;
    zygote z = {.programs = programs, .programs_count = count, .control = control, .signals = -1};
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_rc rc = arm_faults(&cx);
    if (rc == LH_OK)
        rc = prepare(&cx, &z);
    if (rc == LH_OK)
        rc = serve(arena, &z);
    if (rc != LH_OK)
        fprintf(stderr, "lakehouse-worker: %s: %s\n", lh_rc_code(rc), cx.err.message);
    return rc == LH_OK ? 0 : EXIT_CANNOT_START;
}
