/* os/process.h - child processes, descriptors over sockets, resource use.
 *
 * Owns:    a process handle holds a pidfd; closing it does not kill.
 * Threads: spawn from any thread (posix_spawn); fork only in a single-threaded zygote.
 * Limits:  8 descriptors in one message.
 * Formats: none.
 * Why:     pids are reused, pidfds are not. */
#ifndef LH_OS_PROCESS_H
#define LH_OS_PROCESS_H

#include "base/ctx.h"

#include <sys/types.h>

#define LH_SOCKET_FDS_MAX 8

typedef struct lh_process {
    pid_t pid;
    int pidfd; /* -1 = none */
} lh_process;

typedef struct lh_spawn_options {
    const char *path;
    const char *const *argv; /* NULL-terminated */
    const char *const *env;  /* NULL-terminated; NULL = empty environment */
    const int *fds;          /* become descriptors 3, 4, ... of the child */
    size_t fds_count;
    int stderr_fd; /* -1: inherit */
} lh_spawn_options;
/* The child is in a process group of its own, with default signals, standard input and output on
 * /dev/null, and no other descriptor than those named. */
LH_WARN_UNUSED lh_rc lh_process_spawn(lh_ctx *cx, const lh_spawn_options *opts,
                                      lh_process *ret_process);
/* by pidfd; ended already is fine */
void lh_process_kill(const lh_process *process, int signal_number);
/* Waits until it ends or the deadline passes. *ret_status as waitpid's. LH_E_DEADLINE. Only for own
 * children. */
LH_WARN_UNUSED lh_rc lh_process_wait(lh_ctx *cx, lh_process *process, int *ret_status);
void lh_process_close(lh_process *process);
/* In the child: SIGKILL for this process when the thread that started it ends. parent = the
 * starter's pid, as it told; LH_E_CANCELLED when it is gone already. Note "thread": start
 * long-lived children from a thread that lives as long. */
LH_WARN_UNUSED lh_rc lh_process_die_with_parent(lh_ctx *cx, pid_t parent);

/* Unix stream socket pair, close-on-exec. */
LH_WARN_UNUSED lh_rc lh_socket_pair(lh_ctx *cx, int ret_fds[2]);
/* Sends/receives exactly one message of `bytes` bytes with descriptors: both sides know the length
 * (a fixed header). Received descriptors are close-on-exec. Waits until cx's deadline/cancel.
 * LH_E_UNAVAILABLE: the other side has closed; LH_E_IO: it closed in the middle; LH_E_BAD_VALUE:
 * control data that is cut, unknown or too long (nothing is kept). */
LH_WARN_UNUSED lh_rc lh_socket_send_fds(lh_ctx *cx, int socket, lh_str bytes, const int *fds,
                                        size_t fds_count);
typedef struct lh_received {
    size_t bytes;               /* 0 = closed */
    int fds[LH_SOCKET_FDS_MAX]; /* the caller's to close */
    size_t fds_count;
} lh_received;
LH_WARN_UNUSED lh_rc lh_socket_recv_fds(lh_ctx *cx, int socket, void *out, size_t bytes,
                                        size_t fds_max, lh_received *ret_received);
/* Anonymous memory file, sealed against change when sealed. */
LH_WARN_UNUSED lh_rc lh_memfd_new(lh_ctx *cx, const char *name, lh_str content, int *ret_fd);
void lh_fd_close(int fd); /* -1 ok */
/* Poll one descriptor for reading (or hang-up) until cx's deadline/cancel. LH_E_DEADLINE,
 * LH_E_CANCELLED. */
LH_WARN_UNUSED lh_rc lh_fd_wait_readable(lh_ctx *cx, int fd);

/* From now on this thread, and those it starts, run only while no other thread wants the processor
 * (SCHED_IDLE). There is no way back without a privilege. Where the kernel refuses, the lowest
 * niceness has to do. */
void lh_process_background(void);

uint64_t lh_process_rss_bytes(pid_t pid); /* 0 when gone; 0 = self is pid 0 */
/* of the cgroup when it has a limit, else of the machine */
uint64_t lh_machine_memory_bytes(void);
uint32_t lh_machine_cpus(void); /* usable by this process */
LH_WARN_UNUSED lh_rc lh_random_bytes(lh_ctx *cx, void *out, size_t bytes);
/* Path of the running program's folder, in the arena. */
LH_WARN_UNUSED lh_rc lh_program_dir(lh_ctx *cx, lh_str *ret_path);

#endif
