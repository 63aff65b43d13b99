/* sandbox_test.c - each promise is tried from inside a child that has locked itself in. */
#include "base/ctx.h"
#include "os/file.h"
#include "os/process.h"
#include "os/sandbox.h"
#include "os/thread.h"
#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { YES = 0, NO = 1, NOT_ENTERED = 77 };

typedef struct place {
    char dir[64];
    char readable[128]; /* a file */
    char writable[128]; /* a folder */
} place;

static void make_place(place *p)
{
    snprintf(p->dir, sizeof(p->dir), "/tmp/lh-sandbox-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(p->dir));
    snprintf(p->readable, sizeof(p->readable), "%s/input", p->dir);
    snprintf(p->writable, sizeof(p->writable), "%s/out", p->dir);
    int fd = open(p->readable, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "hello", 5), 5);
    close(fd);
    ck_assert_int_eq(mkdir(p->writable, 0700), 0);
}

static void drop_place(const place *p)
{
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    ck_assert_int_eq(lh_dir_remove_all(&cx, lh_str_from(p->dir)), LH_OK);
    lh_arena_free(arena);
}

static int enter(const place *p, uint64_t memory_bytes)
{
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_sandbox_path paths[] = {{p->readable, LH_SANDBOX_PATH_READ},
                               {p->writable, LH_SANDBOX_PATH_WRITE}};
    lh_sandbox_options opts = {.paths = paths,
                               .paths_count = LH_ARRAY_LEN(paths),
                               .address_space_bytes = memory_bytes,
                               .file_bytes_max = 1 << 20};
    lh_sandbox_result result;
    lh_rc rc = lh_sandbox_enter(&cx, &opts, &result);
    if (rc != LH_OK)
        fprintf(stderr, "sandbox: %s\n", cx.err.message);
    lh_arena_free(arena);
    return rc == LH_OK && result.seccomp == 1 && result.landlock_abi > 0;
}

/* The status of a child that locks itself in and then tries something; trials answer YES or NO. */
static int tried_with(int (*trial)(const place *p), uint64_t memory_bytes)
{
    lh_sandbox_result offered;
    lh_sandbox_probe(&offered);
    if (!offered.seccomp || offered.landlock_abi == 0) {
        fprintf(stderr, "skipped: this kernel has no Landlock or no seccomp\n");
        exit(0);
    }
    place p;
    make_place(&p);
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(enter(&p, memory_bytes) ? trial(&p) : NOT_ENTERED);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    drop_place(&p);
    return status;
}

static int tried(int (*trial)(const place *p))
{
    return tried_with(trial, 0);
}

static void answers(int (*trial)(const place *p), int wanted)
{
    int status = tried(trial);
    ck_assert_msg(WIFEXITED(status), "ended by signal %d", WTERMSIG(status));
    ck_assert_int_eq(WEXITSTATUS(status), wanted);
}

static void dies_of_sigsys(int (*trial)(const place *p))
{
    int status = tried(trial);
    ck_assert_msg(WIFSIGNALED(status), "ended with %d", WEXITSTATUS(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSYS);
}

static int opens(const char *path, int flags)
{
    return open(path, flags | O_CLOEXEC, 0600) >= 0 ? YES : NO;
}

static int open_passwd(const place *p)
{
    (void)p;
    return opens("/etc/passwd", O_RDONLY);
}
static int open_environ(const place *p)
{
    (void)p;
    return opens("/proc/1/environ", O_RDONLY);
}
static int list_root(const place *p)
{
    (void)p;
    return opens("/", O_RDONLY | O_DIRECTORY);
}
static int list_parent(const place *p)
{
    return opens(p->dir, O_RDONLY | O_DIRECTORY);
}
static int climb(const place *p)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/../../../etc/passwd", p->writable);
    return opens(path, O_RDONLY);
}
static int overwrite_input(const place *p)
{
    return opens(p->readable, O_WRONLY) == YES || truncate(p->readable, 0) == 0 ? YES : NO;
}
static int create_beside(const place *p)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/new", p->dir);
    return opens(path, O_CREAT | O_WRONLY);
}
static int link_out(const place *p)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/link", p->writable);
    return symlink("/etc/passwd", path) == 0 || link(p->readable, path) == 0 ? YES : NO;
}
static int move_input(const place *p)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/taken", p->writable);
    return rename(p->readable, path) == 0 ? YES : NO;
}
static int use_socket(const place *p)
{
    (void)p;
    int fds[2];
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ||
                   socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0
               ? YES
               : NO;
}
static int kill_parent(const place *p)
{
    (void)p;
    return kill(getppid(), 0) == 0 ? YES : NO;
}
static int raise_limits(const place *p)
{
    (void)p;
    struct rlimit more = {1 << 20, 1 << 20};
    return setrlimit(RLIMIT_FSIZE, &more) == 0 || setrlimit(RLIMIT_NOFILE, &more) == 0 ? YES : NO;
}
static int change_user(const place *p)
{
    (void)p;
    return setuid(0) == 0 || setgid(0) == 0 ? YES : NO;
}

static int (*const refused[])(const place *) = {
    open_passwd,   open_environ, list_root,  list_parent, climb,        overwrite_input,
    create_beside, link_out,     move_input, use_socket,  raise_limits, change_user};

LH_TEST_LOOP(what_was_not_given_is_refused, (int)LH_ARRAY_LEN(refused))
{
    answers(refused[_i], NO);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
static int fork_again(const place *p)
{
    (void)p;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0 ? YES : NO;
}
LH_TEST(no_new_process_and_no_foreign_signal)
{
    answers(fork_again, NO);
    answers(kill_parent, NO);
}
static int trace(const place *p)
{
    (void)p;
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? YES : NO;
}
LH_TEST(tracing_ends_the_process)
{
    dies_of_sigsys(trace);
}
static int eat_memory(const place *p)
{
    (void)p;
    void *at = mmap(NULL, 1u << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at != MAP_FAILED ? YES : NO;
}
LH_TEST(memory_past_the_limit_is_refused)
{
    int status = tried_with(eat_memory, 512u << 20);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == NO);
}
#else
LH_TEST(memory_limit_and_fork_are_not_tried_under_sanitizers)
{
    (void)kill_parent;
    fprintf(stderr, "skipped: sanitizers need address space, fork and ptrace\n");
}
#endif

static int read_input(const place *p)
{
    char text[8];
    int fd = open(p->readable, O_RDONLY);
    return fd >= 0 && read(fd, text, sizeof(text)) == 5 ? YES : NO;
}
static int write_output(const place *p)
{
    char path[256];
    char moved[256];
    snprintf(path, sizeof(path), "%s/sub", p->writable);
    if (mkdir(path, 0700) != 0)
        return NO;
    snprintf(path, sizeof(path), "%s/sub/a", p->writable);
    snprintf(moved, sizeof(moved), "%s/b", p->writable);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    return fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0 && ftruncate(fd, 0) == 0 &&
                   rename(path, moved) == 0 && unlink(moved) == 0
               ? YES
               : NO;
}
static int read_random(const place *p)
{
    (void)p;
    char byte;
    int fd = open("/dev/urandom", O_RDONLY);
    return fd >= 0 && read(fd, &byte, 1) == 1 ? YES : NO;
}
static void set_flag(void *arg)
{
    *(int *)arg = 1;
}
static int run_threads(const place *p)
{
    (void)p;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    int flag = 0;
    lh_thread *thread = NULL;
    if (lh_thread_start(&cx, "inside", 0, set_flag, &flag, &thread) != LH_OK)
        return NO;
    lh_thread_join(thread);
    lh_arena_free(arena);
    return flag ? YES : NO;
}
static int big_file(const place *p)
{
    char path[256];
    static char block[1 << 16];
    snprintf(path, sizeof(path), "%s/big", p->writable);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    for (int i = 0; i < 64; i++)
        if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
            return i == 16 && write(fd, block, 1) < 0 && errno == EFBIG ? YES : NO;
    return NO;
}

static int (*const given[])(const place *) = {read_input, write_output, read_random, run_threads,
                                              big_file};

LH_TEST_LOOP(what_was_given_works, (int)LH_ARRAY_LEN(given))
{
    answers(given[_i], YES);
}

static int become_shell(const place *p)
{
    (void)p;
    execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
    return NO;
}
static int load_program(const place *p)
{
    (void)p;
    return syscall(SYS_bpf, 0, NULL, 0) == 0 ? YES : NO;
}
static int mount_something(const place *p)
{
    return syscall(SYS_mount, "none", p->writable, "tmpfs", 0UL, NULL) == 0 ? YES : NO;
}
static int (*const deadly[])(const place *) = {become_shell, load_program, mount_something};

LH_TEST_LOOP(taken_over_processes_end, (int)LH_ARRAY_LEN(deadly))
{
    dies_of_sigsys(deadly[_i]);
}

static int uring_is_absent(const place *p)
{
    (void)p;
    return syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == ENOSYS ? YES : NO;
}
LH_TEST(io_uring_does_not_exist)
{
    answers(uring_is_absent, YES);
}

static int dumps_are_off(const place *p)
{
    (void)p;
    struct rlimit core;
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && getrlimit(RLIMIT_CORE, &core) == 0 &&
                   core.rlim_max == 0
               ? YES
               : NO;
}
LH_TEST(no_core_file_can_hold_our_memory)
{
    answers(dumps_are_off, YES);
}

LH_TEST(a_path_that_is_missing_is_an_error)
{
    place p;
    make_place(&p);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        unlink(p.readable);
        _exit(enter(&p, 0) ? YES : NO);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    drop_place(&p);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == NO);
}
