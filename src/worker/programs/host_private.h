/* worker/programs/host_private.h - the state of one child: socket, mailbox, running task.
 *
 * Owns:    the channel, the frames in the mailbox, the arenas.
 * Threads: the reader thread fills the mailbox and carries out CANCEL; the main thread runs tasks
 *          and writes frames.
 * Limits:  LHI_MAILBOX_BYTES_MAX waits in the mailbox, then the reader stops reading (back-pressure
 *          to the server).
 * Formats: worker/protocol.h.
 * Why:     CANCEL must be heard while the main thread is deep inside the engine. */
#ifndef LH_WORKER_PROGRAMS_HOST_PRIVATE_H
#define LH_WORKER_PROGRAMS_HOST_PRIVATE_H

#include "os/thread.h"
#include "worker/programs/program.h"

#define LHI_MAILBOX_BYTES_MAX (16u * 1024u * 1024u)

typedef struct lhi_mail {
    struct lhi_mail *next;
    lh_frame frame; /* payload follows the struct */
    int fds[LH_TASK_FDS_MAX];
    size_t fds_count;
} lhi_mail;

typedef struct lh_host {
    lh_channel *channel;
    const lh_program *program;
    void *state;
    lh_mutex lock;
    lh_cond mail_came;
    lh_cond mail_went;
    lhi_mail *first; /* mailbox, oldest first */
    lhi_mail *last;
    size_t mail_bytes;
    lhi_mail *read_last; /* its payload is lent to the program */
    uint64_t running;    /* sequence of the task in run; 0 = none */
    uint64_t cancelled;  /* highest sequence a CANCEL named */
    lh_cancel cancel;    /* of the running task */
    lh_ctx io;           /* for writes: no deadline, no cancel, so that a frame is never cut */
    lh_buf out;
    int64_t progress_us; /* when the last PROGRESS was sent */
} lh_host;

/* host_mail.c */
void lhi_host_reader(void *host); /* thread; ends the process with the socket */
lhi_mail *lhi_mail_take(lh_host *host, int until_cancelled); /* waits; NULL only when cancelled */
lhi_mail *lhi_mail_free(lhi_mail *mail);

#endif
