/* embed/helper.h - a thread that waits to be given work.
 *
 * Owns:    its thread, from the first work until done.
 * Threads: one owner gives and waits; work runs in the helper's thread.
 * Limits:  one work at a time.
 * Formats: none.
 * Why:     starting a thread takes as long as a tenth of a short text. */
#ifndef LH_EMBED_HELPER_H
#define LH_EMBED_HELPER_H

#include "os/thread.h"

#include <stdbool.h>

typedef struct lh_embed_helper {
    lh_mutex lock;
    lh_cond changed;
    lh_thread *thread;       /* NULL: not started */
    void (*work)(void *arg); /* NULL: waits for some */
    void *arg;
    bool stops;
} lh_embed_helper;

void lh_embed_helper_init(lh_embed_helper *helper);
void lh_embed_helper_done(lh_embed_helper *helper); /* after its work, if it has some */

/* True when it has no work; false also when it cannot be started. */
bool lh_embed_helper_ready(lh_ctx *cx, lh_embed_helper *helper);
void lh_embed_helper_give(lh_embed_helper *helper, void (*work)(void *arg), void *arg); /* ready */
void lh_embed_helper_wait(lh_embed_helper *helper); /* until it has no work */

#endif
