/* cli/client.h - calls to a running server, for commands.
 *
 * Owns:    a client owns its connections.
 * Threads: one.
 * Limits:  replies of 1 GiB.
 * Formats: JSON; errors of the server become cx->err, with code, place and hint as it said them.
 * Why:     commands use the same API as everybody else. */
#ifndef LH_CLI_CLIENT_H
#define LH_CLI_CLIENT_H

#include "base/json.h"
#include "cli/cli.h"
#include "net/http_client.h"

typedef struct lh_client {
    lh_http_client *http;
    lh_str url; /* without a slash at the end */
    lh_str key; /* empty = none */
} lh_client;

/* From --url and --key (or LAKEHOUSE_URL, LAKEHOUSE_KEY). */
LH_WARN_UNUSED lh_rc lh_client_open(lh_ctx *cx, const lh_cli_args *args, lh_client *ret_client);
void lh_client_close(lh_client *client);
LH_DEFINE_CLEANUP_VALUE(lh_client, lh_client_close)

typedef struct lh_client_call {
    const char *method;
    lh_str path;      /* "/query/sql", with its query */
    lh_str body;      /* JSON, or empty */
    lh_str header;    /* one more header, "Name: value"; empty = none */
    const char *file; /* upload this file as the body instead */
    void (*on_sent)(void *arg, uint64_t sent, uint64_t total);
    void *arg;
} lh_client_call;
/* *ret_body (may be NULL): the reply, in the arena. A status of 400 and above is an error. */
LH_WARN_UNUSED lh_rc lh_client_send(lh_ctx *cx, lh_client *client, const lh_client_call *call,
                                    lh_str *ret_body);
LH_WARN_UNUSED lh_rc lh_client_json(lh_ctx *cx, lh_client *client, const lh_client_call *call,
                                    const lh_json **ret_root);

/* Shows a job's progress as a bar on a terminal until it ends; its error becomes cx->err. *ret_job:
 * the job's tree. */
LH_WARN_UNUSED lh_rc lh_client_watch(lh_ctx *cx, lh_client *client, lh_str job_id,
                                     const lh_json **ret_job);
/* A bar on stderr, when that is a terminal; redrawn in place. total 0: a count only. */
void lh_cli_bar(const char *label, uint64_t done, uint64_t total, const char *unit);
void lh_cli_bar_end(void);

lh_str lh_client_encode(lh_ctx *cx, lh_str text); /* percent-encoded for a path or query */

#endif
