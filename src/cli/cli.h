/* cli/cli.h - subcommands: one row each.
 *
 * To add a command: 1. a file cmd_<name>.c with its run function; 2. a row in cli.c. Help, the man
 * page's list and the "did you mean" follow from the row.
 *
 * Owns:    nothing.
 * Threads: main thread.
 * Limits:  none.
 * Formats: results on stdout, everything else on stderr; exit 0 done, 1 failed, 2 not understood.
 * Why:     a command is a row, as a route is. */
#ifndef LH_CLI_CLI_H
#define LH_CLI_CLI_H

#include "base/ctx.h"

enum { LH_EXIT_DONE = 0, LH_EXIT_FAILED = 1, LH_EXIT_USAGE = 2 };

/* An option of a command: --name VALUE, or a flag without a value. Ends with {0}. */
typedef struct lh_cli_option {
    const char *name;  /* without the dashes */
    char letter;       /* short form, 0 = none */
    const char *value; /* what to write in the help; NULL = a flag */
    const char *doc;
} lh_cli_option;

typedef struct lh_cli_args {
    const lh_cli_option *options;
    const char *values[32]; /* by option; "" for a flag that was given; NULL = not given */
    const char *rest[256];  /* what is not an option */
    size_t rest_count;
} lh_cli_args;

typedef struct lh_cli_command {
    const char *name;
    const char *usage;   /* after the name */
    const char *summary; /* one sentence */
    const char *example;
    const lh_cli_option *options;
    int (*run)(
        lh_ctx *cx,
        const lh_cli_args *args); /* exit code; LH_EXIT_FAILED with cx->err said by the caller */
} lh_cli_command;
extern const lh_cli_command lh_cli_commands[]; /* ends with {0} */

const char *lh_cli_get(const lh_cli_args *args, const char *name); /* NULL when not given */
int lh_cli_has(const lh_cli_args *args, const char *name);
/* Prints cx->err as people read it: code, message, place, hint. Returns LH_EXIT_FAILED. */
int lh_cli_failed(const lh_ctx *cx);
/* Prints what is wrong with the call and where the help is. Returns LH_EXIT_USAGE. */
LH_PRINTF(2, 3) int lh_cli_usage(const lh_cli_command *command, const char *format, ...);
LH_PRINTF(1, 2) void lh_cli_say(const char *format, ...); /* a line on stderr */
/* Absolute path of --data. It must exist: a typo must not make an empty folder that is then found
 * in order. */
LH_WARN_UNUSED lh_rc lh_cli_data_root(lh_ctx *cx, const lh_cli_args *args, lh_str *ret_root);
void lh_cli_out(lh_str bytes); /* on stdout */

int lh_cli_main(int argc, char **argv);

int lh_cmd_serve(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_sql(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_ingest(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_index(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_search(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_demo(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_tables(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_inspect(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_fsck(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_doctor(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_embed(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_text(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_vector(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_key(lh_ctx *cx, const lh_cli_args *args);
int lh_cmd_version(lh_ctx *cx, const lh_cli_args *args);

#endif
