/* os/sandbox_syscalls.h - what a locked-in process may ask of the kernel. Included once, by
 * sandbox.c.
 *
 * Everything that is not listed is refused with EPERM. To allow more: 1. a row in the group it
 * belongs to, or a new group with its reason; 2. run the worker suites: a list is right when they
 * pass and tests/unit/os/sandbox_test.c still does. Names that the installed libseccomp or this
 * architecture does not know are skipped, so older spellings may stand beside.
 *
 * Owns: nothing. Threads: constants. Limits: none. Formats: none. Why: reviewing a table is easier
 *       than reviewing code. */
#ifndef LH_OS_SANDBOX_SYSCALLS_H
#define LH_OS_SANDBOX_SYSCALLS_H

typedef struct syscall_group {
    const char *reason;
    const char *const *names; /* NULL-terminated */
} syscall_group;

#define GROUP(...) ((const char *const[]){__VA_ARGS__, NULL})

static const syscall_group allowed_groups[] = {
    {"move bytes through descriptors that are open already",
     GROUP("read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev",
           "preadv2", "pwritev2", "lseek", "copy_file_range", "sendfile", "splice", "tee",
           "vmsplice")},
    {"open and look at files: Landlock decides which",
     GROUP("open", "openat", "openat2", "creat", "close", "close_range", "stat", "lstat", "fstat",
           "newfstatat", "fstatat64", "statx", "access", "faccessat", "faccessat2", "readlink",
           "readlinkat", "getcwd", "statfs", "fstatfs", "getdents", "getdents64")},
    {"write results and spill files: Landlock decides where",
     GROUP("mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2",
           "truncate", "ftruncate", "fallocate", "fadvise64", "fsync", "fdatasync",
           "sync_file_range", "flock", "fcntl", "umask", "fchmod", "utimensat")},
    {"memory of this process",
     GROUP("brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "mincore", "msync", "mlock",
           "munlock", "membarrier", "memfd_create", "get_mempolicy")},
    {"threads of this process (clone itself is checked by argument)",
     GROUP("futex", "futex_waitv", "set_robust_list", "get_robust_list", "set_tid_address", "rseq",
           "exit", "exit_group", "gettid", "getpid", "getppid", "getpgrp", "getpgid", "getsid",
           "arch_prctl", "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam",
           "sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min",
           "sched_setscheduler", "getpriority", "getcpu", "restart_syscall")},
    {"signal handlers and masks of this process (sending is checked by argument)",
     GROUP("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
           "rt_sigsuspend", "sigaltstack", "pause", "alarm", "setitimer", "getitimer")},
    {"time", GROUP("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday",
                   "time", "times", "timerfd_create", "timerfd_settime", "timerfd_gettime")},
    {"random numbers", GROUP("getrandom")},
    {"wait for descriptors and wake other threads",
     GROUP("poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl",
           "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2", "pipe", "pipe2",
           "dup", "dup2", "dup3")},
    {"talk over sockets that are open already",
     GROUP("sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "shutdown",
           "getsockopt", "getsockname", "getpeername")},
    {"facts about the machine and this process",
     GROUP("uname", "sysinfo", "getrlimit", "getrusage", "getuid", "geteuid", "getgid", "getegid",
           "getresuid", "getresgid", "getgroups", "capget")},
};

/* A process that asks for these has been taken over: it ends at once, whatever it had in mind. */
static const syscall_group deadly_groups[] = {
    {"become another program", GROUP("execve", "execveat", "uselib")},
    {"look into or steer other processes",
     GROUP("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd")},
    {"load code into the kernel", GROUP("bpf", "init_module", "finit_module", "delete_module",
                                        "create_module", "kexec_load", "kexec_file_load")},
    {"change what is mounted or which namespace this is",
     GROUP("mount", "umount", "umount2", "pivot_root", "chroot", "unshare", "setns", "move_mount",
           "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "swapon",
           "swapoff", "quotactl", "acct")},
    {"kernel keys", GROUP("keyctl", "add_key", "request_key")},
    {"interfaces with a history of kernel holes",
     GROUP("userfaultfd", "perf_event_open", "iopl", "ioperm", "modify_ldt", "vm86", "vm86old",
           "lookup_dcookie", "nfsservctl", "open_by_handle_at", "name_to_handle_at")},
    {"the machine itself", GROUP("reboot", "settimeofday", "clock_settime", "clock_adjtime",
                                 "adjtimex", "sethostname", "setdomainname", "syslog", "vhangup")},
};

/* Callers look for an older way when these do not exist; EPERM would make them give up. */
static const syscall_group absent_groups[] = {
    {"glibc starts threads with clone when clone3 is missing; clone's flags can be checked, "
     "clone3's cannot",
     GROUP("clone3")},
    {"a second road around this very filter",
     GROUP("io_uring_setup", "io_uring_enter", "io_uring_register")},
    {"newer than the list above: their callers all know how to do without",
     GROUP("process_madvise", "process_mrelease", "set_mempolicy_home_node",
           "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")},
};

/* Numbers above what libseccomp 2.5.4 has names for (unified over architectures since 424); absent
 * as well. */
enum { UNKNOWN_SYSCALL_FIRST = 451, UNKNOWN_SYSCALL_LAST = 480 };

#if LHI_SANITIZED
/* The sanitizers' runtimes: leak check at exit (a tracer thread that stops the others), reports,
 * symbolizer's pipes. */
static const syscall_group sanitizer_groups[] = {
    {"leak sanitizer stops the process's own threads",
     GROUP("ptrace", "wait4", "process_vm_readv", "clone", "prctl")},
    {"reports", GROUP("kill", "tgkill", "personality", "getrlimit")},
};
#endif

#undef GROUP
#endif
