/* cli/serve_private.h - the running server, shared by serve.c and the demo load.
 *
 * Owns: every part. Threads: main thread; the demo load has one of its own. Limits: configuration.
 *       Formats: none.
 * Why: `serve --demo` loads through the same road as an upload. */
#ifndef LH_CLI_SERVE_PRIVATE_H
#define LH_CLI_SERVE_PRIVATE_H

#include "api/app.h"
#include "cli/cli.h"
#include "cli/config_keys.h"
#include "os/file.h"
#include "os/thread.h"
#include "search/refresher.h"

typedef struct serving {
    const lh_cli_args *args;
    lh_config config;
    lh_str root; /* absolute */
    lh_file *lock;
    lh_app app;
    lh_server *server;
    lh_inbox *inbox;
    lh_refresher *refresher;
    lh_thread *demo;
    lh_cancel demo_cancel;
    unsigned keys_failed; /* looks at the keys since one went well: said once */
} serving;

LH_WARN_UNUSED lh_rc lh_serve_load_config(lh_ctx *cx, const lh_cli_args *args,
                                          lh_config *ret_config);
void lh_serve_start_demo(lh_ctx *cx, serving *s); /* on a thread; nothing when there are datasets */
void lh_serve_stop_demo(serving *s);

#endif
