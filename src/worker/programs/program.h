/* worker/programs/program.h - what a program inside lakehouse-worker is: a row of functions and a
 * task to run.
 *
 * To add a program: 1. a kind in worker/pool.h; 2. one `const lh_program`; 3. a row in main.c.
 *
 * Owns:    the host (host.c) owns the channel, the mailbox of frames and the task; a program owns
 *          its state.
 * Threads: warm runs in the zygote (which must have one thread when it returns); setup, open and
 *          run in the one main thread of the child (8 MiB stack); interrupt from the host's reader
 *          thread, while run is running.
 * Limits:  frames as worker/protocol.h; LH_TASK_FDS_MAX descriptors with a task; 16 MiB of frames
 *          wait in the mailbox.
 * Formats: worker/messages.h.
 * Why:     three programs share one life: warm in the zygote, fork, setup, lock in, open, run tasks
 *          until EXIT.
 *
 *   zygote   warm (all programs, once)
 *   child    setup -> sandbox is entered -> open -> READY -> run, run, ... -> EXIT or end of the
 *   socket
 *
 * The sandbox is entered while the child has one thread (checked): Landlock holds for the calling
 * thread and the ones it starts. What setup leaves open (a mapped model, a database) stays usable.
 * DuckDB is opened in setup with one thread, because it reads cgroup files as it opens and ends the
 * process when it may not; more threads are started in open. */
#ifndef LH_WORKER_PROGRAMS_PROGRAM_H
#define LH_WORKER_PROGRAMS_PROGRAM_H

#include "base/record.h"
#include "worker/messages.h"
#include "worker/pool.h"
#include "worker/protocol.h"

#define LH_TASK_FDS_MAX 8

/* What the sandbox leaves to a program. */
enum {
    LH_PROGRAM_READS_ROOT = 1,     /* setup.read_root, read only */
    LH_PROGRAM_WRITES_SPILL = 2,   /* setup.spill_dir */
    LH_PROGRAM_WRITES_STAGING = 4, /* setup.staging_dir */
    LH_PROGRAM_WRITES_GIVEN = 8,   /* files whose descriptors come with a task, no folder */
};

typedef struct lh_task lh_task;

typedef struct lh_program {
    lh_worker_kind kind;
    uint32_t access; /* LH_PROGRAM_* */
    /* Zygote, once: load and touch what every child needs. NULL ok. Must leave one thread and no
     * open database. */
    lh_rc (*warm)(lh_ctx *cx);
    /* Child, before the sandbox: open what lies outside it (model, engine). No threads. NULL ok.
     * setup and its texts live as long as the process; so does cx's arena. */
    lh_rc (*setup)(lh_ctx *cx, const lh_setup_message *setup, void **ret_state);
    /* Child, inside the sandbox: start threads. NULL ok. *state is what setup gave (NULL without
     * setup) and may be set here. *ret_ready: JSON payload of READY (starts empty). */
    lh_rc (*open)(lh_ctx *cx, const lh_setup_message *setup, void **state, lh_str *ret_ready);
    /* One task. cx has a fresh arena and a cancel flag that CANCEL sets: check lh_ctx_check(cx) in
     * loops. Ends with lh_task_done and LH_OK, or with an error in cx, which the host sends as
     * ERROR. */
    lh_rc (*run)(lh_ctx *cx, void *state, lh_task *task);
    /* CANCEL came for the running task (the flag is set already): wake what does not look at flags.
     * NULL ok. The host calls it only between the begin and the end of run, under a lock that run's
     * end waits for. */
    void (*interrupt)(void *state);
} lh_program;

/* One request as a program sees it. */
struct lh_task {
    lh_str json; /* TASK payload, lives until run returns */
    int fds
        /* descriptors that came with it; the host closes what is not -1 afterwards */
        [LH_TASK_FDS_MAX];
    size_t fds_count;
    uint64_t sequence;
    struct lh_host *host;
    int done; /* lh_task_done was sent */
};

/* The task's record into *out (record->size bytes). Errors as lh_record_parse. */
LH_WARN_UNUSED lh_rc lh_task_parse(lh_ctx *cx, const lh_task *task, const lh_record *record,
                                   void *out);
/* The next GIVE or DATA frame of this task; an empty DATA is the end where the messages say so. The
 * payload is borrowed until the next read. LH_E_CANCELLED when CANCEL came. */
LH_WARN_UNUSED lh_rc lh_task_read(lh_ctx *cx, lh_task *task, lh_frame *ret_frame);
/* Sends a record as a control frame: NEED, HEAD, PROGRESS. */
LH_WARN_UNUSED lh_rc lh_task_send(lh_ctx *cx, lh_task *task, lh_frame_kind kind,
                                  const lh_record *record, const void *message);
/* Bytes of the result, cut into frames of at most LH_FRAME_BYTES_MAX. Empty: one empty frame.
 * Blocks while the server does not read; LH_E_CANCELLED when CANCEL came meanwhile. */
LH_WARN_UNUSED lh_rc lh_task_data(lh_ctx *cx, lh_task *task, lh_str bytes);
/* PROGRESS, at most every 100 ms (the rest is dropped), so that it may be called in any loop. Also
 * a cancel check. */
LH_WARN_UNUSED lh_rc lh_task_progress(lh_ctx *cx, lh_task *task,
                                      const lh_progress_message *message);
/* DONE: the last frame of a task that went well. */
LH_WARN_UNUSED lh_rc lh_task_done(lh_ctx *cx, lh_task *task, const lh_record *record,
                                  const void *message);

extern const lh_program lh_sql_program;        /* sql_program.c */
extern const lh_program lh_ingest_program;     /* ingest_program.c */
extern const lh_program lh_embed_program;      /* embed_program.c */
extern const lh_program lh_embed_bulk_program; /* the same for jobs */
extern const lh_program lh_index_program;      /* index_program.c */

/* host.c: serves one child on its socket until EXIT; never returns. */
LH_NORETURN void lh_host_run(const lh_program *const *programs, size_t count, int socket);
/* zygote.c: serves fork requests on the control socket until it closes; returns the exit status. */
int lh_zygote_run(const lh_program *const *programs, size_t count, int control);

#endif
