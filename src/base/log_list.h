/* base/log_list.h - every event the program logs.
 *
 * To add one: a row here (KEEP SORTED): symbol, level, event name, what it means for an operator.
 *
 * Owns: nothing. Threads: constants. Limits: none. Formats: docs/api/log_events.json. Why:
 *       operators get a catalogue. */
#ifndef LH_BASE_LOG_LIST_H
#define LH_BASE_LOG_LIST_H

/* clang-format off */
/* KEEP SORTED */
#define LH_LOG_LIST(X)                                                                                  \
    X(ASSERT_FAILED,   ERROR, "assert.failed",   "A mistake of ours was found; the process ends.")      \
    X(AUTH_OFF,        WARN,  "auth.off",        "Requests need no key: the server listens on loopback only.") \
    X(CATALOG_COMMIT,  INFO,  "catalog.commit",  "A new version of a dataset became visible.")          \
    X(CATALOG_DAMAGED, ERROR, "catalog.damaged", "A dataset's newest manifest cannot be read; the others go on.") \
    X(CATALOG_LOADED,  INFO,  "catalog.loaded",  "The catalog was rebuilt from its manifests.")         \
    X(EMBED_CACHE_OFF, WARN,  "embed.cache_off", "The embedding cache cannot be opened; texts are embedded every time.") \
    X(HTTP_ACCESS,     INFO,  "http.access",     "One request was answered.")                           \
    X(HTTP_ERROR,      ERROR, "http.error",      "A request failed with a 5xx status.")                 \
    X(INDEX_COLLECTED, INFO,  "index.collected", "Objects of replaced or deleted index generations were removed.") \
    X(INDEX_DAMAGED,   ERROR, "index.damaged",   "A vector index cannot be searched; build it again.")  \
    X(INDEX_NOT_RESUMED, WARN, "index.not_resumed", "What a cut-off build of an index left is of no use; it is made again.") \
    X(INDEX_RESUMED,   INFO,  "index.resumed",   "A build of an index went on behind the phases that were finished.") \
    X(INGEST_DONE,     INFO,  "ingest.done",     "A file became a commit.")                             \
    X(INGEST_FAILED,   WARN,  "ingest.failed",   "A file could not be ingested; nothing changed.")      \
    X(JOB_DONE,        INFO,  "job.done",        "A job ended.")                                        \
    X(JOB_FAILED,      WARN,  "job.failed",      "A job failed.")                                       \
    X(JOURNAL_BEHIND,  WARN,  "journal.behind",  "A commit was made, its events wait: they are written before the next one.") \
    X(JOURNAL_MERGE_FAILED, WARN, "journal.merge_failed", "Batches of the journal could not be merged; nothing is lost, it is tried again.") \
    X(KEYS_CHANGED,    INFO,  "keys.changed",    "Keys were made or taken back beside the server, which follows.") \
    X(REFRESH_FAILED,  WARN,  "refresh.failed",  "An index could not be brought up to date; it is tried again later.") \
    X(SERVER_DRAINING, INFO,  "server.draining", "No new requests are taken; open ones finish.")        \
    X(SERVER_READY,    INFO,  "server.ready",    "Requests are served.")                                \
    X(SERVER_STARTING, INFO,  "server.starting", "The server starts; limits in force are listed.")      \
    X(SERVER_STOPPED,  INFO,  "server.stopped",  "The server has stopped.")                             \
    X(STAGING_CLEANED, INFO,  "staging.cleaned", "Left-overs of an earlier run were removed.")          \
    X(WORKER_CRASHED,  ERROR, "worker.crashed",  "A worker ended unexpectedly; its request failed.")    \
    X(WORKER_KILLED,   WARN,  "worker.killed",   "A worker was killed: deadline, memory or cancel.")    \
    X(WORKER_STARTED,  DEBUG, "worker.started",  "A worker process was started.")
/* clang-format on */

#endif
