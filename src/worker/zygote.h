/* worker/zygote.h - messages between the pool and the zygote over its control socket.
 *
 *   pool -> zygote   FORK    id, descriptor: the worker's end of its channel
 *   zygote -> pool   READY   it is warm
 *                    FORKED  id, pid, descriptor: pidfd
 *                    FAILED  id, status: errno of fork
 *                    EXITED  id, pid, status as waitpid's
 *
 * Owns:    nothing.
 * Threads: plain data.
 * Limits:  LH_ZYGOTE_CHILDREN_MAX children at a time.
 * Formats: one fixed-size struct, both sides are the same machine and the same build.
 * Why:     the zygote has one thread and parses nothing: it must stay forkable and small. */
#ifndef LH_WORKER_ZYGOTE_H
#define LH_WORKER_ZYGOTE_H

#include <stdint.h>

#define LH_ZYGOTE_CHILDREN_MAX 256
#define LH_ZYGOTE_CONTROL_FD   3

typedef enum lh_zygote_op {
    LH_ZYGOTE_FORK = 1,
    LH_ZYGOTE_READY = 2,
    LH_ZYGOTE_FORKED = 3,
    LH_ZYGOTE_FAILED = 4,
    LH_ZYGOTE_EXITED = 5
} lh_zygote_op;

typedef struct lh_zygote_message {
    uint32_t op; /* lh_zygote_op */
    uint32_t id; /* of the request, chosen by the pool */
    int32_t pid;
    int32_t status;
} lh_zygote_message;
_Static_assert(sizeof(lh_zygote_message) == 16, "both sides read whole messages");

#endif
