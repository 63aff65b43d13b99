/* host_mail.c - the reader thread of a child: frames into the mailbox, CANCEL into the running
 * task. */
#include "worker/programs/host_private.h"

#include "os/process.h"

#include <unistd.h>

#define EXIT_PEACE    0
#define EXIT_PROTOCOL 4

lhi_mail *lhi_mail_free(lhi_mail *mail)
{
    if (mail == NULL)
        return NULL;
    for (size_t i = 0; i < mail->fds_count; i++)
        lh_fd_close(mail->fds[i]);
    return lh_free(mail);
}

static void cancel_task(lh_host *host, uint64_t sequence)
{
    LH_WITH_LOCK(&host->lock);
    host->cancelled = LH_MAX(host->cancelled, sequence);
    if (host->running == 0 || host->running != sequence)
        return;
    lh_cancel_request(&host->cancel);
    if (host->program->interrupt != NULL)
        host->program->interrupt(
            host->state); /* under the lock: run cannot end and the next begin meanwhile */
    lh_cond_broadcast(&host->mail_came);
}

static void put_mail(lh_host *host, const lh_frame *frame)
{
    lhi_mail *mail = lh_alloc(sizeof(*mail) + frame->payload.len);
    if (mail == NULL)
        _exit(EXIT_PROTOCOL); /* the server sees the socket close and says so */
    char *bytes = (char *)(mail + 1);
    if (frame->payload.len > 0)
        memcpy(bytes, frame->payload.ptr, frame->payload.len);
    *mail = (lhi_mail){.frame = *frame};
    mail->frame.payload = lh_str_n(bytes, frame->payload.len);
    mail->fds_count = lh_channel_take_fds(host->channel, mail->fds, LH_TASK_FDS_MAX);

    LH_WITH_LOCK(&host->lock);
    while (host->mail_bytes > LHI_MAILBOX_BYTES_MAX)
        lh_cond_wait(&host->mail_went, &host->lock);
    if (host->last != NULL)
        host->last->next = mail;
    else
        host->first = mail;
    host->last = mail;
    host->mail_bytes += mail->frame.payload.len;
    lh_cond_signal(&host->mail_came);
}

void lhi_host_reader(void *arg)
{
    lh_host *host = arg;
    lh_arena *arena = lh_arena_new(1024 * 1024);
    lh_assert(arena != NULL);
    for (;;) {
        lh_ctx cx;
        lh_frame frame;
        lh_arena_reset(arena);
        lh_ctx_init(&cx, arena);
        lh_rc rc = lh_channel_read(&cx, host->channel, &frame);
        if (rc != LH_OK)
            _exit(rc == LH_E_WORKER_CRASHED ? EXIT_PEACE : EXIT_PROTOCOL); /* the server left */
        switch (frame.kind) {
        case LH_FRAME_CANCEL: cancel_task(host, frame.sequence); break;
        case LH_FRAME_EXIT: _exit(EXIT_PEACE);
        case LH_FRAME_TASK:
        case LH_FRAME_GIVE:
        case LH_FRAME_DATA: put_mail(host, &frame); break;
        case LH_FRAME_SETUP:
        case LH_FRAME_READY:
        case LH_FRAME_NEED:
        case LH_FRAME_HEAD:
        case LH_FRAME_PROGRESS:
        case LH_FRAME_DONE:
        case LH_FRAME_ERROR: _exit(EXIT_PROTOCOL);
        }
    }
}

lhi_mail *lhi_mail_take(lh_host *host, int until_cancelled)
{
    LH_WITH_LOCK(&host->lock);
    while (host->first == NULL) {
        if (until_cancelled && lh_cancel_requested(&host->cancel))
            return NULL;
        lh_cond_wait(&host->mail_came, &host->lock);
    }
    lhi_mail *mail = host->first;
    host->first = mail->next;
    if (host->first == NULL)
        host->last = NULL;
    host->mail_bytes -= mail->frame.payload.len;
    lh_cond_signal(&host->mail_went);
    return mail;
}
