/* process.c - children by posix_spawn and pidfd.
 *
 * posix_spawn and not fork: the server is threaded, and glibc's spawn shares memory until exec, so
 * its cost does not grow with the server. Descriptors are first copied above the range they will
 * fill, so placing one cannot overwrite another; then everything above the range is closed in the
 * child. */
#include "os/process.h"

#include "os/os_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum { CHILD_FDS_MAX = 64, CHILD_FD_FIRST = 3 };

void lh_fd_close(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

typedef struct spawn_plan {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int copies[CHILD_FDS_MAX + 1];
    size_t copies_count;
} spawn_plan;

static void plan_done(spawn_plan *plan)
{
    for (size_t i = 0; i < plan->copies_count; i++)
        lh_fd_close(plan->copies[i]);
    (void)posix_spawn_file_actions_destroy(&plan->actions);
    (void)posix_spawnattr_destroy(&plan->attr);
}

/* Errno or 0. */
static int place_fd(spawn_plan *plan, int fd, int target, int above)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, above);
    if (copy < 0)
        return errno;
    plan->copies[plan->copies_count++] = copy;
    return posix_spawn_file_actions_adddup2(&plan->actions, copy, target);
}

static int plan_fds(spawn_plan *plan, const lh_spawn_options *opts)
{
    int above = CHILD_FD_FIRST + (int)opts->fds_count;
    int rc =
        posix_spawn_file_actions_addopen(&plan->actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(&plan->actions, STDOUT_FILENO, "/dev/null", O_WRONLY,
                                              0);
    if (rc == 0 && opts->stderr_fd >= 0)
        rc = place_fd(plan, opts->stderr_fd, STDERR_FILENO, above);
    for (size_t i = 0; rc == 0 && i < opts->fds_count; i++)
        rc = place_fd(plan, opts->fds[i], CHILD_FD_FIRST + (int)i, above);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(&plan->actions, above);
    return rc;
}

/* Own process group: the terminal's ^C reaches the server only, which then drains its children.
 * Signals start as the kernel's defaults, not as the server left them (SIGPIPE ignored, all blocked
 * on a thread of ours). */
static int plan_attr(spawn_plan *plan)
{
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    int rc = posix_spawnattr_setflags(&plan->attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                       POSIX_SPAWN_SETSIGMASK);
    if (rc == 0)
        rc = posix_spawnattr_setpgroup(&plan->attr, 0);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(&plan->attr, &all);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask(&plan->attr, &none);
    return rc;
}

static int spawn(spawn_plan *plan, const lh_spawn_options *opts, pid_t *ret_pid)
{
    static const char *const no_env[] = {NULL};
    int rc = plan_fds(plan, opts);
    if (rc == 0)
        rc = plan_attr(plan);
    if (rc != 0)
        return rc;
    /* posix_spawn's argv and envp are not const for history's sake; it does not write to them. */
    char *const *argv = (char *const *)(uintptr_t)opts->argv;
    char *const *env = (char *const *)(uintptr_t)(opts->env != NULL ? opts->env : no_env);
    return posix_spawn(ret_pid, opts->path, &plan->actions, &plan->attr, argv, env);
}

static lh_rc make_plan(lh_ctx *cx, spawn_plan *plan)
{
    int rc = posix_spawn_file_actions_init(&plan->actions);
    if (rc != 0)
        return lh_fail_errno(cx, "prepare a process", rc);
    rc = posix_spawnattr_init(&plan->attr);
    if (rc != 0) {
        (void)posix_spawn_file_actions_destroy(&plan->actions);
        return lh_fail_errno(cx, "prepare a process", rc);
    }
    return LH_OK;
}

lh_rc lh_process_spawn(lh_ctx *cx, const lh_spawn_options *opts, lh_process *ret_process)
{
    lh_assert(opts->path != NULL && opts->argv != NULL && opts->argv[0] != NULL);
    if (opts->fds_count > CHILD_FDS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%zu descriptors for a process, limit %d",
                       opts->fds_count, (int)CHILD_FDS_MAX);
    spawn_plan plan = {0};
    LH_TRY(make_plan(cx, &plan));
    pid_t pid = 0;
    int rc = spawn(&plan, opts, &pid);
    plan_done(&plan);
    if (rc != 0)
        return lhi_fail_path(cx, "start", lh_str_from(opts->path), rc);

    int pidfd = pidfd_open(pid, 0); /* not reaped yet, so the pid is still this child's */
    if (pidfd < 0) {
        int number = errno;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return lh_fail_errno(cx, "watch a process", number);
    }
    *ret_process = (lh_process){.pid = pid, .pidfd = pidfd};
    return LH_OK;
}

void lh_process_kill(const lh_process *process, int signal_number)
{
    if (process->pidfd >= 0)
        (void)pidfd_send_signal(process->pidfd, signal_number, NULL, 0);
}

/* waitid tells cause and value apart; callers know waitpid's packed form and its macros. */
static int packed_status(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        return (info->si_status & 0xff) << 8;
    return (info->si_status & 0x7f) | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

lh_rc lh_process_wait(lh_ctx *cx, lh_process *process, int *ret_status)
{
    if (process->pidfd < 0)
        return lh_fail(cx, LH_E_NOT_FOUND, "no process to wait for");
    LH_TRY(lhi_poll(cx, process->pidfd, POLLIN));
    siginfo_t info = {0};
    while (waitid((idtype_t)P_PIDFD, (id_t)process->pidfd, &info, WEXITED) != 0)
        if (errno != EINTR)
            return errno == ECHILD ? lh_fail(cx, LH_E_NOT_FOUND,
                                             "not a child of this process, or waited for already")
                                   : lh_fail_errno(cx, "wait for a process", errno);
    *ret_status = packed_status(&info);
    return LH_OK;
}

void lh_process_close(lh_process *process)
{
    lh_fd_close(process->pidfd);
    process->pidfd = -1;
}

lh_rc lh_process_die_with_parent(lh_ctx *cx, pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return lh_fail_errno(cx, "ask to die with the parent", errno);
    if (getppid() != parent) /* it went before the request was in place */
        return lh_fail(cx, LH_E_CANCELLED, "the parent process has ended");
    return LH_OK;
}

lh_rc lhi_poll(lh_ctx *cx, int fd, short events)
{
    for (;;) {
        struct pollfd one = {.fd = fd, .events = events};
        int n = poll(&one, 1, lh_ctx_left_ms(cx, LHI_WAIT_SLICE_MS));
        if (n > 0 && (one.revents & POLLNVAL) != 0)
            return lh_fail(cx, LH_E_INTERNAL, "waiting on a closed descriptor");
        if (n > 0)
            return LH_OK;
        if (n < 0 && errno != EINTR)
            return lh_fail_errno(cx, "wait for a descriptor", errno);
        LH_TRY(lh_ctx_check(cx));
    }
}

lh_rc lh_fd_wait_readable(lh_ctx *cx, int fd)
{
    return lhi_poll(cx, fd, POLLIN);
}

void lh_process_background(void)
{
    enum { NICE_LOWEST = 19 };
    const struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0)
        (void)setpriority(PRIO_PROCESS, 0, NICE_LOWEST);
}
