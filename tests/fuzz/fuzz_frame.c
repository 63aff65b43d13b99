/* fuzz_frame.c - any bytes from a worker: header, framing, and the records of control frames.
 * links: worker os base */
#include "base/clock.h"
#include "os/process.h"
#include "worker/messages.h"
#include "worker/protocol.h"

#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_payload(lh_ctx *cx, const lh_frame *frame)
{
    static const struct {
        lh_frame_kind kind;
        const lh_record *record;
    } rows[] = {
        {LH_FRAME_ERROR, &lh_error_message_record}, {LH_FRAME_PROGRESS, &lh_progress_record},
        {LH_FRAME_NEED, &lh_need_views_record},     {LH_FRAME_HEAD, &lh_sql_head_record},
        {LH_FRAME_DONE, &lh_ingest_done_record},    {LH_FRAME_READY, &lh_model_record},
        {LH_FRAME_TASK, &lh_sql_task_record},       {LH_FRAME_GIVE, &lh_give_views_record},
        {LH_FRAME_SETUP, &lh_setup_record},
    };
    _Alignas(16) char out[512];
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++)
        if (rows[i].kind == frame->kind && rows[i].record->size <= sizeof(out))
            LH_IGNORE(lh_record_parse(cx, rows[i].record, frame->payload, out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 64 * 1024)
        return 0;
    lh_arena *arena = lh_arena_new(16 * 1024 * 1024);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    int fds[2];
    lh_channel *channel = NULL;
    if (lh_socket_pair(&cx, fds) == LH_OK && lh_channel_open(&cx, fds[0], &channel) == LH_OK) {
        if (write(fds[1], data, size) == (ssize_t)size)
            (void)shutdown(fds[1], SHUT_WR);
        lh_fd_close(fds[1]);
        lh_frame frame;
        while (lh_channel_read(&cx, channel, &frame) == LH_OK)
            parse_payload(&cx, &frame);
    }
    lh_channel_close(channel);
    lh_arena_free(arena);
    return 0;
}
