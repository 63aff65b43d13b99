/* cli/model_path.h - where the installed embedding model is.
 *
 * Owns: the path is in the arena. Threads: any. Limits: none. Formats: a packed model
 *       (embed/pack.h).
 * Why: server, embed and doctor look in the same places. */
#ifndef LH_CLI_MODEL_PATH_H
#define LH_CLI_MODEL_PATH_H

#include "base/ctx.h"

/* Beside the program as `make install` or the build put it; LH_STR_NONE when there is none. */
lh_str lh_model_path(lh_ctx *cx);

#endif
