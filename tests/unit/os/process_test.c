/* process_test.c - the promises of os/process.h and os/thread.h. */
#include "base/clock.h"
#include "os/process.h"
#include "os/thread.h"
#include "support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static lh_process spawn_shell(lh_scratch *s, const char *script, const int *fds, size_t fds_count)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    lh_spawn_options opts = {
        .path = "/bin/sh", .argv = argv, .fds = fds, .fds_count = fds_count, .stderr_fd = -1};
    lh_process process = {.pidfd = -1};
    ck_lh_ok(s, lh_process_spawn(&s->cx, &opts, &process));
    ck_assert_int_ge(process.pidfd, 0);
    return process;
}

LH_TEST(exit_codes_and_signals_are_told_apart)
{
    lh_scratch s;
    int status;
    lh_scratch_open(&s);
    lh_process process = spawn_shell(&s, "exit 7", NULL, 0);
    ck_lh_ok(&s, lh_process_wait(&s.cx, &process, &status));
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    ck_lh_fails(lh_process_wait(&s.cx, &process, &status), LH_E_NOT_FOUND);
    lh_process_kill(&process, SIGKILL); /* ended already: fine */
    lh_process_close(&process);
    ck_assert_int_eq(process.pidfd, -1);

    process = spawn_shell(&s, "exec sleep 100", NULL, 0);
    s.cx.deadline_us = lh_clock_mono_us() + 20000;
    ck_lh_fails(lh_process_wait(&s.cx, &process, &status), LH_E_DEADLINE);
    lh_process_kill(&process, SIGKILL);
    s.cx.deadline_us = LH_NO_DEADLINE;
    ck_lh_ok(&s, lh_process_wait(&s.cx, &process, &status));
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    lh_process_close(&process);
    lh_scratch_close(&s);
}

LH_TEST(a_program_that_is_not_there_is_said)
{
    lh_scratch s;
    lh_scratch_open(&s);
    const char *argv[] = {"x", NULL};
    lh_spawn_options opts = {.path = "/no/such/program", .argv = argv, .stderr_fd = -1};
    lh_process process;
    ck_lh_fails(lh_process_spawn(&s.cx, &opts, &process), LH_E_NOT_FOUND);
    lh_scratch_close(&s);
}

/* Two pipes given in crossed order, at the very numbers they have to take: placing one must not
 * overwrite the other. */
LH_TEST(descriptors_arrive_in_order_and_no_others)
{
    lh_scratch s;
    int first[2];
    int second[2];
    int status;
    lh_scratch_open(&s);
    ck_assert_int_eq(pipe2(first, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(second, O_CLOEXEC), 0);
    int stray = fcntl(first[1], F_DUPFD, 40); /* not close-on-exec */
    ck_assert_int_ge(stray, 40);
    int given[] = {second[1], first[1]};
    lh_process process = spawn_shell(
        &s, "echo three >&3; echo four >&4; [ ! -e /proc/self/fd/5 ] && [ ! -e /proc/self/fd/40 ]",
        given, 2);
    ck_lh_ok(&s, lh_process_wait(&s.cx, &process, &status));
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    char text[16] = "";
    ck_assert_int_eq(read(second[0], text, sizeof(text)), 6);
    ck_assert_int_eq(memcmp(text, "three\n", 6), 0);
    ck_assert_int_eq(read(first[0], text, sizeof(text)), 5);
    ck_assert_int_eq(memcmp(text, "four\n", 5), 0);
    int all[] = {first[0], first[1], second[0], second[1], stray};
    for (size_t i = 0; i < LH_ARRAY_LEN(all); i++)
        lh_fd_close(all[i]);
    lh_process_close(&process);
    lh_scratch_close(&s);
}

LH_TEST(the_child_starts_clean)
{
    lh_scratch s;
    int status;
    lh_scratch_open(&s);
    setenv("LH_TEST_SECRET", "x", 1);
    signal(SIGPIPE, SIG_IGN);
    lh_process process = spawn_shell(&s, "[ -z \"$LH_TEST_SECRET\" ] && kill -PIPE $$", NULL, 0);
    ck_lh_ok(&s, lh_process_wait(&s.cx, &process, &status));
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
    signal(SIGPIPE, SIG_DFL);
    lh_process_close(&process);
    lh_scratch_close(&s);
}

LH_TEST(who_asked_to_die_with_its_parent_does)
{
    lh_scratch s;
    int fds[2];
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_socket_pair(&s.cx, fds));
    pid_t middle = fork();
    if (middle == 0) {
        pid_t self = getpid();
        pid_t child = fork();
        if (child == 0) {
            char byte = 0;
            lh_fd_close(fds[0]);
            if (lh_process_die_with_parent(&s.cx, self) != LH_OK || write(fds[1], &byte, 1) != 1)
                _exit(1);
            for (;;)
                pause();
        }
        char byte;
        ssize_t n = read(fds[0], &byte, 1); /* it has asked */
        _exit(n == 1 ? 0 : 1);
    }
    int status;
    char byte;
    ck_assert_int_eq(waitpid(middle, &status, 0), middle);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    lh_fd_close(fds[1]);
    ck_assert_int_eq(read(fds[0], &byte, 1), 0); /* the last holder of the other end is gone */
    lh_fd_close(fds[0]);
    ck_lh_fails(lh_process_die_with_parent(&s.cx, 1 << 30), LH_E_CANCELLED);
    lh_scratch_close(&s);
}

LH_TEST(descriptors_cross_a_socket_with_their_message)
{
    lh_scratch s;
    int pair[2];
    int files[2];
    lh_received got;
    char out[5];
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_socket_pair(&s.cx, pair));
    ck_lh_ok(&s, lh_memfd_new(&s.cx, "one", LH_S("first"), &files[0]));
    ck_lh_ok(&s, lh_memfd_new(&s.cx, "two", LH_S(""), &files[1]));
    ck_lh_ok(&s, lh_socket_send_fds(&s.cx, pair[0], LH_S("hello"), files, 2));
    ck_lh_ok(&s, lh_socket_recv_fds(&s.cx, pair[1], out, sizeof(out), 4, &got));
    ck_assert_uint_eq(got.fds_count, 2);
    ck_assert_uint_eq(got.bytes, 5);
    ck_assert_int_eq(memcmp(out, "hello", 5), 0);
    ck_assert(fcntl(got.fds[0], F_GETFD) & FD_CLOEXEC);
    char content[5];
    ck_assert_int_eq(pread(got.fds[0], content, 5, 0), 5);
    ck_assert_int_eq(memcmp(content, "first", 5), 0);
    ck_assert(write(got.fds[0], "x", 1) < 0 && errno == EPERM); /* sealed */
    ck_assert(ftruncate(got.fds[0], 0) < 0);
    for (int i = 0; i < 2; i++) {
        lh_fd_close(got.fds[i]);
        lh_fd_close(files[i]);
    }
    lh_fd_close(pair[0]);
    ck_lh_ok(&s, lh_socket_recv_fds(&s.cx, pair[1], out, sizeof(out), 4, &got));
    ck_assert(got.bytes == 0 && got.fds_count == 0);
    ck_lh_fails(lh_socket_send_fds(&s.cx, pair[1], LH_S("x"), NULL, 0), LH_E_UNAVAILABLE);
    lh_fd_close(pair[1]);
    lh_scratch_close(&s);
}

static size_t open_fds(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

LH_TEST(more_descriptors_than_expected_are_closed)
{
    lh_scratch s;
    int pair[2];
    lh_received got;
    char out[1];
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_socket_pair(&s.cx, pair));
    int many[] = {0, 1, 2, 0, 1, 2, 0, 1};
    size_t before = open_fds();
    ck_lh_ok(&s, lh_socket_send_fds(&s.cx, pair[0], LH_S("x"), many, 8));
    ck_lh_fails(lh_socket_recv_fds(&s.cx, pair[1], out, 1, 2, &got), LH_E_BAD_VALUE);
    ck_assert_uint_eq(open_fds(), before);
    ck_lh_fails(lh_socket_send_fds(&s.cx, pair[0], LH_S("x"), many, 9), LH_E_BAD_VALUE);

    /* A message with 12, which our receiver's space cuts. */
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(12 * sizeof(int))];
    } ctl = {0};
    struct iovec iov = {.iov_base = out, .iov_len = 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = ctl.bytes,
                         .msg_controllen = sizeof(ctl.bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(12 * sizeof(int));
    int twelve[12] = {0};
    memcpy(CMSG_DATA(head), twelve, sizeof(twelve));
    ck_assert_int_eq(sendmsg(pair[0], &msg, 0), 1);
    ck_lh_fails(lh_socket_recv_fds(&s.cx, pair[1], out, 1, 8, &got), LH_E_BAD_VALUE);
    ck_assert_uint_eq(open_fds(), before);
    lh_fd_close(pair[0]);
    lh_fd_close(pair[1]);
    lh_scratch_close(&s);
}

typedef struct big_message {
    int socket;
    lh_str bytes;
    lh_rc rc;
} big_message;

static void send_big(void *arg)
{
    big_message *message = arg;
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    int fd = 0;
    lh_ctx_init(&cx, arena);
    message->rc = lh_socket_send_fds(&cx, message->socket, message->bytes, &fd, 1);
    lh_arena_free(arena);
}

LH_TEST(a_message_longer_than_the_socket_buffer_arrives)
{
    enum { BYTES = 3 << 20 };
    lh_scratch s;
    int pair[2];
    lh_received got;
    lh_thread *thread = NULL;
    lh_scratch_open(&s);
    char *in = lh_ctx_alloc(&s.cx, 1, BYTES);
    char *out = lh_ctx_alloc(&s.cx, 1, BYTES);
    for (size_t i = 0; i < BYTES; i++)
        in[i] = (char)(i * 31);
    ck_lh_ok(&s, lh_socket_pair(&s.cx, pair));
    big_message message = {.socket = pair[0], .bytes = lh_str_n(in, BYTES)};
    ck_lh_ok(&s, lh_thread_start(&s.cx, "sender", 0, send_big, &message, &thread));
    ck_lh_ok(&s, lh_socket_recv_fds(&s.cx, pair[1], out, BYTES, 1, &got));
    lh_thread_join(thread);
    ck_assert_int_eq(message.rc, LH_OK);
    ck_assert_uint_eq(got.fds_count, 1);
    ck_assert_int_eq(memcmp(in, out, BYTES), 0);
    lh_fd_close(got.fds[0]);
    ck_assert_int_eq(write(pair[0], "abc", 3), 3);
    lh_fd_close(pair[0]);
    ck_lh_fails(lh_socket_recv_fds(&s.cx, pair[1], out, 5, 1, &got), LH_E_IO);
    lh_fd_close(pair[1]);
    lh_scratch_close(&s);
}

LH_TEST(waits_hear_deadline_and_cancel)
{
    lh_scratch s;
    int pair[2];
    lh_cancel cancel = {0};
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_socket_pair(&s.cx, pair));
    s.cx.deadline_us = lh_clock_mono_us() + 20000;
    ck_lh_fails(lh_fd_wait_readable(&s.cx, pair[0]), LH_E_DEADLINE);
    s.cx.deadline_us = LH_NO_DEADLINE;
    s.cx.cancel = &cancel;
    lh_cancel_request(&cancel);
    ck_lh_fails(lh_fd_wait_readable(&s.cx, pair[0]), LH_E_CANCELLED);
    ck_assert_int_eq(write(pair[1], "x", 1), 1);
    ck_lh_ok(&s, lh_fd_wait_readable(&s.cx, pair[0]));
    lh_fd_close(pair[0]);
    lh_fd_close(pair[1]);
    lh_scratch_close(&s);
}

LH_TEST(the_machine_is_measured)
{
    lh_scratch s;
    lh_str dir;
    uint64_t a[4] = {0};
    uint64_t b[4] = {0};
    lh_scratch_open(&s);
    ck_assert_uint_gt(lh_machine_memory_bytes(), 16u << 20);
    ck_assert_uint_ge(lh_machine_cpus(), 1);
    ck_assert_uint_gt(lh_process_rss_bytes(0), 100 * 1024);
    ck_assert_uint_gt(lh_process_rss_bytes(getpid()), 100 * 1024);
    ck_assert_uint_eq(lh_process_rss_bytes(1 << 30), 0);
    ck_lh_ok(&s, lh_program_dir(&s.cx, &dir));
    ck_assert(lh_file_exists(dir) && dir.ptr[0] == '/');
    ck_lh_ok(&s, lh_random_bytes(&s.cx, a, sizeof(a)));
    ck_lh_ok(&s, lh_random_bytes(&s.cx, b, sizeof(b)));
    ck_assert_int_ne(memcmp(a, b, sizeof(a)), 0);
    lh_scratch_close(&s);
}

typedef struct observed {
    size_t stack_bytes;
    int blocks_term;
    char name[16];
} observed;

static void observe(void *arg)
{
    observed *seen = arg;
    pthread_attr_t attr;
    sigset_t mask;
    ck_assert_int_eq(pthread_getattr_np(pthread_self(), &attr), 0);
    ck_assert_int_eq(pthread_attr_getstacksize(&attr, &seen->stack_bytes), 0);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seen->blocks_term = sigismember(&mask, SIGTERM);
    pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
}

LH_TEST(threads_get_stack_name_and_no_signals)
{
    lh_scratch s;
    lh_scratch_open(&s);
    const size_t sizes[] = {0, 8u << 20};
    for (size_t i = 0; i < LH_ARRAY_LEN(sizes); i++) {
        observed seen = {0};
        lh_thread *thread = NULL;
        ck_lh_ok(&s, lh_thread_start(&s.cx, "fifteen-letters", sizes[i], observe, &seen, &thread));
        ck_assert_ptr_null(lh_thread_join(thread));
        ck_assert_uint_ge(seen.stack_bytes, LH_MAX(sizes[i], (size_t)256 * 1024));
        ck_assert_str_eq(seen.name, "fifteen-letters");
        ck_assert_int_eq(seen.blocks_term, 1);
    }
    ck_assert_ptr_null(lh_thread_join(NULL));
    lh_scratch_close(&s);
}

typedef struct counter {
    lh_mutex lock;
    lh_cond changed;
    int value;
} counter;

static int add_under_lock(counter *c)
{
    LH_WITH_LOCK(&c->lock);
    if (c->value < 0)
        return -1; /* released on this way out as well */
    c->value++;
    lh_cond_signal(&c->changed);
    return c->value;
}

static void count_up(void *arg)
{
    for (int i = 0; i < 1000; i++)
        (void)add_under_lock(arg);
}

LH_TEST(locks_end_with_their_block_and_waits_with_their_time)
{
    lh_scratch s;
    counter c = {.lock = LH_MUTEX_INIT};
    lh_thread *threads[4];
    lh_scratch_open(&s);
    lh_cond_init(&c.changed);
    for (int i = 0; i < 4; i++)
        ck_lh_ok(&s, lh_thread_start(&s.cx, "counter", 0, count_up, &c, &threads[i]));
    lh_mutex_lock(&c.lock);
    while (c.value < 4000)
        ck_assert(lh_cond_wait_for(&c.changed, &c.lock, 30 * 1000000LL));
    lh_mutex_unlock(&c.lock);
    for (int i = 0; i < 4; i++)
        lh_thread_join(threads[i]);
    LH_WITH_LOCK(&c.lock);
    int64_t before_us = lh_clock_mono_us();
    ck_assert_int_eq(lh_cond_wait_until(&c.changed, &c.lock, before_us + 20000), 0);
    ck_assert_int_ge(lh_clock_mono_us() - before_us, 20000);
    ck_assert_int_eq(lh_cond_wait_until(&c.changed, &c.lock, 0), 0);
    lh_scratch_close(&s);
}

/* A processor that runs nothing else counts as free to whoever wakes, which keeps the latency of
 * requests; any niceness leaves them waiting at times. */
LH_TEST(background_work_runs_when_nobody_else_wants_to)
{
    lh_process_background();
    ck_assert_int_eq(sched_getscheduler(0), SCHED_IDLE);
}
