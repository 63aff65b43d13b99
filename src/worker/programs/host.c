/* host.c - the life of one child: set up, lock in, then task after task until the server closes the
 * socket.
 *
 * The order is the point: setup sees the world with one thread, then the sandbox closes for good,
 * and only then do threads start and hostile input arrive. Writes never stop in the middle of a
 * frame: a cancelled task simply stops producing, and a server that does not read any more
 * kills. */
#include "worker/programs/host_private.h"

#include "base/clock.h"
#include "os/file.h"
#include "os/process.h"
#include "os/sandbox.h"

#include <sys/prctl.h>
#include <unistd.h>

#define EXIT_SETUP         5
#define SETUP_US_MAX       20000000
#define FILES_MAX          1024 /* a view may span hundreds of Parquet files */
#define TASK_ARENA_MAX     (256u * 1024u * 1024u)
#define READER_STACK_BYTES (512u * 1024u)
#define PROGRESS_US        100000
#define LIFE_ARENA_MAX     (64u * 1024u * 1024u)

/* ---------------------------------------------------------------- what programs call */

lh_rc lh_task_parse(lh_ctx *cx, const lh_task *task, const lh_record *record, void *out)
{
    return lh_record_parse(cx, record, task->json, out);
}

lh_rc lh_task_read(lh_ctx *cx, lh_task *task, lh_frame *ret_frame)
{
    lh_host *host = task->host;
    for (;;) {
        host->read_last = lhi_mail_free(host->read_last);
        LH_TRY(lh_ctx_check(cx));
        lhi_mail *mail = lhi_mail_take(host, 1);
        if (mail == NULL)
            continue; /* cancelled: the check above says so */
        host->read_last = mail;
        if (mail->frame.sequence != task->sequence)
            continue; /* left over from a task that ended early */
        if (mail->frame.kind == LH_FRAME_TASK)
            return lh_fail(cx, LH_E_INTERNAL, "a second task before the first one ended");
        *ret_frame = mail->frame;
        return LH_OK;
    }
}

static lh_rc send_frame(lh_ctx *cx, lh_task *task, lh_frame_kind kind, lh_str payload)
{
    lh_host *host = task->host;
    lh_rc rc = lh_channel_write(&host->io, host->channel, kind, task->sequence, payload);
    if (rc != LH_OK)
        cx->err = host->io.err;
    return rc;
}

static lh_rc write_record(lh_ctx *cx, lh_host *host, const lh_record *record, const void *message)
{
    lh_buf_truncate(&host->out, 0);
    return lh_record_append(cx, record, message, &host->out);
}

lh_rc lh_task_send(lh_ctx *cx, lh_task *task, lh_frame_kind kind, const lh_record *record,
                   const void *message)
{
    LH_TRY(lh_ctx_check(cx));
    LH_TRY(write_record(cx, task->host, record, message));
    return send_frame(cx, task, kind, lh_buf_str(&task->host->out));
}

lh_rc lh_task_data(lh_ctx *cx, lh_task *task, lh_str bytes)
{
    do {
        LH_TRY(lh_ctx_check(cx));
        lh_str part = lh_str_sub(bytes, 0, LH_FRAME_BYTES_MAX);
        LH_TRY(send_frame(cx, task, LH_FRAME_DATA, part));
        bytes = lh_str_from_offset(bytes, part.len);
    } while (bytes.len > 0);
    return LH_OK;
}

lh_rc lh_task_progress(lh_ctx *cx, lh_task *task, const lh_progress_message *message)
{
    LH_TRY(lh_ctx_check(cx));
    int64_t now_us = lh_clock_mono_us();
    if (now_us - task->host->progress_us < PROGRESS_US)
        return LH_OK;
    task->host->progress_us = now_us;
    return lh_task_send(cx, task, LH_FRAME_PROGRESS, &lh_progress_record, message);
}

lh_rc lh_task_done(lh_ctx *cx, lh_task *task, const lh_record *record, const void *message)
{
    lh_assert(!task->done);
    LH_TRY(write_record(cx, task->host, record, message));
    LH_TRY(send_frame(cx, task, LH_FRAME_DONE, lh_buf_str(&task->host->out)));
    task->done = 1;
    return LH_OK;
}

/* ---------------------------------------------------------------- errors */

static void send_error(lh_ctx *cx, lh_host *host, uint64_t sequence)
{
    lh_error_message message = {
        .code = lh_str_from(lh_rc_code(cx->err.rc == LH_OK ? LH_E_INTERNAL : cx->err.rc)),
        .message = lh_str_from(cx->err.message),
        .hint = lh_str_from(cx->err.hint),
        .field = lh_str_from(cx->err.field),
        .line = cx->err.line,
        .column = cx->err.column,
    };
    if (write_record(&host->io, host, &lh_error_message_record, &message) != LH_OK ||
        lh_channel_write(&host->io, host->channel, LH_FRAME_ERROR, sequence,
                         lh_buf_str(&host->out)) != LH_OK)
        _exit(EXIT_SETUP); /* no way to say it: the closing socket says it */
}

/* ---------------------------------------------------------------- tasks */

static void begin(lh_host *host, uint64_t sequence)
{
    LH_WITH_LOCK(&host->lock);
    host->running = sequence;
    atomic_store(&host->cancel.requested, host->cancelled >= sequence);
}

static void end(lh_host *host)
{
    LH_WITH_LOCK(&host->lock); /* waits for an interrupt on its way into the program */
    host->running = 0;
}

static void run_task(lh_ctx *cx, lh_host *host, lhi_mail *mail)
{
    lh_task task = {.json = mail->frame.payload,
                    .sequence = mail->frame.sequence,
                    .fds_count = mail->fds_count,
                    .host = host};
    memcpy(task.fds, mail->fds, sizeof(task.fds));
    mail->fds_count = 0; /* the task's now */
    host->progress_us = lh_clock_mono_us();
    cx->cancel = &host->cancel;
    begin(host, task.sequence);
    lh_rc rc = lh_ctx_check(cx);
    if (rc == LH_OK)
        rc = host->program->run(cx, host->state, &task);
    end(host);
    host->read_last = lhi_mail_free(host->read_last);
    for (size_t i = 0; i < task.fds_count; i++)
        lh_fd_close(task.fds[i]);
    if (rc == LH_OK && !task.done)
        rc = lh_fail(cx, LH_E_INTERNAL, "a task ended without a result");
    if (rc != LH_OK && !task.done)
        send_error(cx, host, task.sequence);
}

LH_NORETURN static void serve(lh_host *host)
{
    lh_arena *arena = lh_arena_new(TASK_ARENA_MAX);
    if (arena == NULL)
        _exit(EXIT_SETUP);
    for (;;) {
        lhi_mail *mail = lhi_mail_take(host, 0);
        if (mail->frame.kind == LH_FRAME_TASK) {
            lh_ctx cx;
            lh_ctx_init(&cx, arena);
            run_task(&cx, host, mail);
            lh_arena_reset(arena);
        }
        lhi_mail_free(mail);
    }
}

/* ---------------------------------------------------------------- setup */

static lh_rc read_setup(lh_ctx *cx, lh_host *host, lh_setup_message *ret_setup)
{
    lh_frame frame;
    cx->deadline_us = lh_clock_mono_us() + SETUP_US_MAX;
    LH_TRY(lh_channel_read(cx, host->channel, &frame));
    cx->deadline_us = LH_NO_DEADLINE;
    if (frame.kind != LH_FRAME_SETUP)
        return lh_fail(cx, LH_E_CORRUPT, "the first frame is of kind %d", (int)frame.kind);
    lh_str json =
        lh_ctx_dup(cx, frame.payload); /* the record borrows from it for the life of the process */
    return lh_record_parse(cx, &lh_setup_record, json, ret_setup);
}

static lh_rc find_program(lh_ctx *cx, lh_host *host, lh_str kind, const lh_program *const *programs,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (lh_str_eq(kind, lh_str_from(lh_worker_kind_names[programs[i]->kind])))
            host->program = programs[i];
    if (host->program == NULL)
        return lh_fail(cx, LH_E_BAD_VALUE, "no worker program %.*s", LH_STR_ARG(kind));
    return LH_OK;
}

/* Two engines may not share a spill folder: their file names are the same. The pool removes it when
 * the worker is gone. */
static lh_rc own_spill(lh_ctx *cx, lh_setup_message *setup)
{
    if (lh_str_empty(setup->spill_dir))
        return LH_OK;
    setup->spill_dir = lh_path_join(cx, setup->spill_dir, lh_ctx_fmt(cx, "w%d", (int)getpid()));
    if (setup->spill_dir.ptr == NULL)
        return cx->err.rc;
    return lh_dir_make_scratch(cx, setup->spill_dir);
}

static lh_rc allow(lh_ctx *cx, lh_sandbox_options *opts, lh_sandbox_path *paths, lh_str path,
                   lh_sandbox_access access)
{
    if (lh_str_empty(path))
        return LH_OK;
    const char *c_path = lh_ctx_cstr(cx, path);
    if (c_path == NULL)
        return lh_fail(cx, LH_E_BAD_VALUE, "a worker's folder cannot be used");
    paths[opts->paths_count++] = (lh_sandbox_path){.path = c_path, .access = access};
    return LH_OK;
}

/* The thread sanitizer has a thread of its own, which touches no files. */
#if defined(__SANITIZE_THREAD__)
#define THREADS_BEFORE_SANDBOX 2
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREADS_BEFORE_SANDBOX 2
#endif
#endif
#ifndef THREADS_BEFORE_SANDBOX
#define THREADS_BEFORE_SANDBOX 1
#endif

/* A thread that was there before would stay outside Landlock. */
static lh_rc check_alone(lh_ctx *cx)
{
    lh_dir_entry *threads;
    size_t count;
    LH_TRY(lh_dir_list(cx, LH_S("/proc/self/task"), &threads, &count));
    if (count > THREADS_BEFORE_SANDBOX)
        return lh_fail(cx, LH_E_INTERNAL, "%zu threads before the sandbox", count);
    return LH_OK;
}

/* Half as much again as the memory: what an allocator reserves and does not use counts as well,
 * and an engine that spills in time was measured at 1.6 times its own limit. The pool watches what
 * is really used. */
static uint64_t address_space(uint64_t memory_bytes)
{
    return memory_bytes + memory_bytes / 2;
}

static lh_rc lock_in(lh_ctx *cx, const lh_program *program, const lh_setup_message *setup)
{
    LH_TRY(check_alone(cx));
    lh_sandbox_path paths[3];
    lh_sandbox_options opts = {.paths = paths,
                               .address_space_bytes = address_space(setup->memory_bytes),
                               .files_max = FILES_MAX};
    if (program->access & LH_PROGRAM_READS_ROOT)
        LH_TRY(allow(cx, &opts, paths, setup->read_root, LH_SANDBOX_PATH_READ));
    if (program->access & LH_PROGRAM_WRITES_SPILL)
        LH_TRY(allow(cx, &opts, paths, setup->spill_dir, LH_SANDBOX_PATH_WRITE));
    if (program->access & LH_PROGRAM_WRITES_STAGING)
        LH_TRY(allow(cx, &opts, paths, setup->staging_dir, LH_SANDBOX_PATH_WRITE));
    if (program->access &
        (LH_PROGRAM_WRITES_SPILL | LH_PROGRAM_WRITES_STAGING | LH_PROGRAM_WRITES_GIVEN))
        opts.file_bytes_max = UINT64_MAX;
    lh_sandbox_result result;
    return lh_sandbox_enter(cx, &opts, &result);
}

static lh_rc start(lh_ctx *cx, lh_host *host, const lh_program *const *programs, size_t count)
{
    lh_setup_message *setup = LH_NEW(cx, lh_setup_message);
    if (setup == NULL)
        return cx->err.rc;
    LH_TRY(read_setup(cx, host, setup));
    LH_TRY(find_program(cx, host, setup->kind, programs, count));
    const lh_program *program = host->program;
    (void)prctl(PR_SET_NAME, lh_ctx_fmt(cx, "lh-%s", lh_worker_kind_names[program->kind]).ptr);
    if (program->access & LH_PROGRAM_WRITES_SPILL)
        LH_TRY(own_spill(cx, setup));
    if (program->setup != NULL)
        LH_TRY(program->setup(cx, setup, &host->state));
    LH_TRY(lock_in(cx, program, setup));
    lh_str ready = LH_STR_NONE;
    if (program->open != NULL)
        LH_TRY(program->open(cx, setup, &host->state, &ready));
    lh_thread *reader; /* answers a cancel at once, whatever the rest has to wait for */
    LH_TRY(lh_thread_start(cx, "lh-reader", READER_STACK_BYTES, lhi_host_reader, host, &reader));
    LH_TRY(lh_channel_write(&host->io, host->channel, LH_FRAME_READY, 0, ready));
    if (setup->background)
        lh_process_background(); /* not before: being ready has a deadline */
    return LH_OK;
}

void lh_host_run(const lh_program *const *programs, size_t count, int socket)
{
    lh_arena *arena = lh_arena_new(LIFE_ARENA_MAX);
    if (arena == NULL)
        _exit(EXIT_SETUP);
    lh_host *host = lh_alloc_zero(1, sizeof(*host));
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    if (host == NULL || lh_channel_open(&cx, socket, &host->channel) != LH_OK)
        _exit(EXIT_SETUP);
    lh_mutex_init(&host->lock);
    lh_cond_init(&host->mail_came);
    lh_cond_init(&host->mail_went);
    lh_buf_init(&host->out, LH_FRAME_BYTES_MAX);
    lh_ctx_init(&host->io, arena);
    if (start(&cx, host, programs, count) != LH_OK) {
        send_error(&cx, host, 0);
        _exit(EXIT_SETUP);
    }
    serve(host);
}
