/* api/app.h - what handlers reach: the running program's parts, wired once at start.
 *
 * Owns:    nothing; cli/serve.c owns the parts and outlives the server.
 * Threads: set before the server starts, constant after it, except ready.
 * Limits:  none.
 * Formats: none.
 * Why:     one struct behind lh_request_app instead of globals. */
#ifndef LH_API_APP_H
#define LH_API_APP_H

#include "ingest/ingest.h"
#include "journal/journal.h"
#include "net/server.h"
#include "query/query.h"
#include "search/search.h"

#include <stdatomic.h>

typedef struct lh_app {
    lh_store *store;
    lh_journal *journal;
    lh_catalog *catalog;
    lh_policy *policy;
    lh_pool *pool;
    lh_jobs *jobs;
    lh_query_engine *query;
    lh_ingest *ingest;
    lh_embedder *embedder;
    lh_search *search;
    const char *version; /* static */
    int auth_on;
    uint64_t upload_bytes_max;
    uint64_t query_rows_default; /* of format json when no limit is asked */
    int64_t started_at;
    atomic_int ready;    /* requests are served */
    atomic_int draining; /* no new work */
} lh_app;

/* Every route table, NULL-terminated: what the server, OpenAPI and `lakehouse tables routes` are
 * made from. */
extern const lh_route *const lh_api_routes[];

/* For lh_server_options.authenticate; arg is the lh_app. */
LH_WARN_UNUSED lh_rc lh_api_authenticate(lh_ctx *cx, void *arg, const lh_request *rq,
                                         lh_str secret);

#endif
