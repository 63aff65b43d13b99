/* channel_test.c - frames over a socket pair: whole, split, with descriptors, and hostile. links:
 * os base */
#include "support/unit.h"

#include "base/clock.h"
#include "os/process.h"
#include "worker/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct pair {
    lh_arena *arena;
    lh_ctx cx;
    lh_channel *channel; /* under test */
    int other;           /* bytes go in and out here */
} pair;

static void pair_open(pair *p)
{
    p->arena = lh_arena_new(0);
    lh_ctx_init(&p->cx, p->arena);
    p->cx.deadline_us = lh_clock_mono_us() + 10000000;
    int fds[2];
    ck_assert_int_eq(lh_socket_pair(&p->cx, fds), LH_OK);
    ck_assert_int_eq(lh_channel_open(&p->cx, fds[0], &p->channel), LH_OK);
    p->other = fds[1];
}

static void pair_close(pair *p)
{
    p->channel = lh_channel_close(p->channel);
    lh_fd_close(p->other);
    lh_arena_free(p->arena);
}

static void put(pair *p, const void *bytes, size_t count)
{
    ck_assert_int_eq(write(p->other, bytes, count), (ssize_t)count);
}

static void put_frame(pair *p, lh_frame_kind kind, uint64_t sequence, const char *payload)
{
    uint8_t header[LH_FRAME_HEADER_BYTES];
    lh_frame_write_header(header, (uint32_t)strlen(payload), kind, sequence);
    put(p, header, sizeof(header));
    put(p, payload, strlen(payload));
}

#define ck_assert_frame(f, wanted_kind, wanted_sequence, wanted_payload)                           \
    do {                                                                                           \
        ck_assert_int_eq((f).kind, (wanted_kind));                                                 \
        ck_assert_uint_eq((f).sequence, (wanted_sequence));                                        \
        ck_assert(lh_str_eq((f).payload, lh_str_from(wanted_payload)));                            \
    } while (0)

LH_TEST(frames_arrive_as_they_were_sent)
{
    pair p;
    pair_open(&p);
    put_frame(&p, LH_FRAME_DATA, 7, "hello");
    put_frame(&p, LH_FRAME_DONE, UINT64_MAX, "");
    put_frame(&p, LH_FRAME_ERROR, 8, "{}");
    lh_frame f;
    ck_assert_int_eq(lh_channel_read(&p.cx, p.channel, &f), LH_OK);
    ck_assert_frame(f, LH_FRAME_DATA, 7, "hello");
    ck_assert_int_eq(lh_channel_read(&p.cx, p.channel, &f), LH_OK);
    ck_assert_frame(f, LH_FRAME_DONE, UINT64_MAX, "");
    ck_assert_int_eq(lh_channel_read(&p.cx, p.channel, &f), LH_OK);
    ck_assert_frame(f, LH_FRAME_ERROR, 8, "{}");
    pair_close(&p);
}

/* Every way to cut two frames into two writes. */
LH_TEST_LOOP(frames_survive_any_split, 43)
{
    pair p;
    pair_open(&p);
    uint8_t bytes[43];
    lh_frame_write_header(bytes, 5, LH_FRAME_DATA, 1);
    memcpy(bytes + 16, "abcde", 5);
    lh_frame_write_header(bytes + 21, 6, LH_FRAME_DONE, 1);
    memcpy(bytes + 37, "fghijk", 6);
    put(&p, bytes, (size_t)_i);
    lh_ctx soon = p.cx;
    soon.deadline_us = lh_clock_mono_us() + 1000;
    lh_frame f;
    lh_rc rc = lh_channel_read(&soon, p.channel, &f);
    ck_assert_int_eq(rc, _i >= 21 ? LH_OK : LH_E_DEADLINE);
    put(&p, bytes + _i, sizeof(bytes) - (size_t)_i);
    if (rc != LH_OK)
        ck_assert_int_eq(lh_channel_read(&p.cx, p.channel, &f), LH_OK);
    ck_assert_frame(f, LH_FRAME_DATA, 1, "abcde");
    ck_assert_int_eq(lh_channel_read(&p.cx, p.channel, &f), LH_OK);
    ck_assert_frame(f, LH_FRAME_DONE, 1, "fghijk");
    pair_close(&p);
}

typedef struct hostile {
    uint32_t bytes;
    uint16_t kind;
    uint16_t version;
} hostile;

static const hostile hostiles[] = {
    {0, 0, LH_FRAME_VERSION},
    {0, LH_FRAME_EXIT + 1, LH_FRAME_VERSION},
    {0, 0xffff, LH_FRAME_VERSION},
    {0, LH_FRAME_DATA, 0},
    {0, LH_FRAME_DATA, 2},
    {LH_FRAME_BYTES_MAX + 1, LH_FRAME_DATA, LH_FRAME_VERSION},
    {UINT32_MAX, LH_FRAME_DATA, LH_FRAME_VERSION},
};

LH_TEST_LOOP(hostile_header_ends_the_channel, (int)LH_ARRAY_LEN(hostiles))
{
    pair p;
    pair_open(&p);
    uint8_t header[LH_FRAME_HEADER_BYTES] = {0};
    memcpy(header, &hostiles[_i].bytes, 4);
    memcpy(header + 4, &hostiles[_i].kind, 2);
    memcpy(header + 6, &hostiles[_i].version, 2);
    put(&p, header, sizeof(header));
    lh_frame f;
    ck_assert_int_eq(lh_channel_read(&p.cx, p.channel, &f), LH_E_CORRUPT);
    put_frame(&p, LH_FRAME_DATA, 1, "fine");
    ck_assert_int_eq(lh_channel_read(&p.cx, p.channel, &f), LH_E_CORRUPT);
    pair_close(&p);
}

LH_TEST(end_in_the_middle_of_a_frame_is_a_crash)
{
    pair p;
    pair_open(&p);
    uint8_t header[LH_FRAME_HEADER_BYTES];
    lh_frame_write_header(header, 100, LH_FRAME_DATA, 1);
    put(&p, header, sizeof(header));
    put(&p, "half", 4);
    lh_fd_close(p.other);
    p.other = -1;
    lh_frame f;
    ck_assert_int_eq(lh_channel_read(&p.cx, p.channel, &f), LH_E_WORKER_CRASHED);
    ck_assert_int_ne(lh_channel_write(&p.cx, p.channel, LH_FRAME_DATA, 1, LH_S("x")), LH_OK);
    pair_close(&p);
}

LH_TEST(largest_frame_passes_and_a_larger_one_is_refused)
{
    pair p;
    pair_open(&p);
    char *big = lh_alloc_zero(LH_FRAME_BYTES_MAX + 1, 1);
    lh_channel *back;
    ck_assert_int_eq(lh_channel_open(&p.cx, p.other, &back), LH_OK);
    p.other = -1;
    ck_assert_int_eq(
        lh_channel_write(&p.cx, p.channel, LH_FRAME_DATA, 1, lh_str_n(big, LH_FRAME_BYTES_MAX + 1)),
        LH_E_TOO_LARGE);
    pid_t reader = fork();
    if (reader == 0) {
        lh_frame f;
        int good = lh_channel_read(&p.cx, back, &f) == LH_OK && f.payload.len == LH_FRAME_BYTES_MAX;
        _exit(good ? 0 : 1);
    }
    ck_assert_int_eq(
        lh_channel_write(&p.cx, p.channel, LH_FRAME_DATA, 1, lh_str_n(big, LH_FRAME_BYTES_MAX)),
        LH_OK);
    lh_process child = {.pid = reader, .pidfd = -1};
    (void)child;
    lh_channel_close(back);
    lh_free(big);
    pair_close(&p);
}

LH_TEST(write_that_nobody_reads_ends_at_the_deadline_and_breaks_the_channel)
{
    pair p;
    pair_open(&p);
    char *big = lh_alloc_zero(LH_FRAME_BYTES_MAX, 1);
    p.cx.deadline_us = lh_clock_mono_us() + 50000;
    ck_assert_int_eq(
        lh_channel_write(&p.cx, p.channel, LH_FRAME_DATA, 1, lh_str_n(big, LH_FRAME_BYTES_MAX)),
        LH_E_DEADLINE);
    p.cx.deadline_us = LH_NO_DEADLINE;
    ck_assert_int_ne(lh_channel_write(&p.cx, p.channel, LH_FRAME_CANCEL, 1, LH_STR_NONE), LH_OK);
    lh_free(big);
    pair_close(&p);
}

LH_TEST(cancel_ends_a_read)
{
    pair p;
    pair_open(&p);
    lh_cancel cancel = {0};
    lh_cancel_request(&cancel);
    p.cx.cancel = &cancel;
    lh_frame f;
    ck_assert_int_eq(lh_channel_read(&p.cx, p.channel, &f), LH_E_CANCELLED);
    pair_close(&p);
}

static lh_rc write_task(pair *p, uint64_t sequence, int fd)
{
    lh_frame frame = {.kind = LH_FRAME_TASK, .sequence = sequence, .payload = LH_S("{}")};
    return lh_channel_write_fds(&p->cx, p->channel, &frame, &fd, 1);
}

LH_TEST(descriptors_come_with_their_task)
{
    pair p;
    pair_open(&p);
    lh_channel *back;
    ck_assert_int_eq(lh_channel_open(&p.cx, p.other, &back), LH_OK);
    p.other = -1;
    int memory;
    ck_assert_int_eq(lh_memfd_new(&p.cx, "test", LH_S("content"), &memory), LH_OK);
    ck_assert_int_eq(lh_channel_write(&p.cx, p.channel, LH_FRAME_DATA, 1, LH_S("before")), LH_OK);
    ck_assert_int_eq(write_task(&p, 2, memory), LH_OK);
    ck_assert_int_eq(lh_channel_write(&p.cx, p.channel, LH_FRAME_DATA, 2, LH_S("after")), LH_OK);
    lh_frame f;
    int fds[8];
    ck_assert_int_eq(lh_channel_read(&p.cx, back, &f), LH_OK);
    ck_assert_uint_eq(lh_channel_take_fds(back, fds, 8), 0);
    ck_assert_int_eq(lh_channel_read(&p.cx, back, &f), LH_OK);
    ck_assert_uint_eq(lh_channel_take_fds(back, fds, 8), 1);
    char text[8] = {0};
    ck_assert_int_eq(pread(fds[0], text, 7, 0), 7);
    ck_assert_str_eq(text, "content");
    ck_assert_int_ne(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(lh_channel_read(&p.cx, back, &f), LH_OK);
    ck_assert_frame(f, LH_FRAME_DATA, 2, "after");
    lh_fd_close(fds[0]);
    lh_fd_close(memory);
    lh_channel_close(back);
    pair_close(&p);
}

LH_TEST(descriptors_nobody_takes_are_closed)
{
    pair p;
    pair_open(&p);
    lh_channel *back;
    ck_assert_int_eq(lh_channel_open(&p.cx, p.other, &back), LH_OK);
    p.other = -1;
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write_task(&p, 1, ends[1]), LH_OK);
    ck_assert_int_eq(lh_channel_write(&p.cx, p.channel, LH_FRAME_DATA, 1, LH_STR_NONE), LH_OK);
    lh_frame f;
    ck_assert_int_eq(lh_channel_read(&p.cx, back, &f), LH_OK);
    ck_assert_int_eq(lh_channel_read(&p.cx, back, &f), LH_OK);
    lh_fd_close(ends[1]);
    char byte;
    ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* no writer is left anywhere */
    lh_fd_close(ends[0]);
    lh_channel_close(back);
    pair_close(&p);
}
