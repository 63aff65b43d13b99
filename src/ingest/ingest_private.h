/* ingest/ingest_private.h - the job of one file, shared by the files of this folder.
 *
 * Owns: a job owns its arena, its staged source and copies of the request's texts. Threads: one job
 *       thread.
 * Limits: ingest.h. Formats: none. Why: the worker's part and the commit's part are two verbs over
 *         one job. */
#ifndef LH_INGEST_INGEST_PRIVATE_H
#define LH_INGEST_INGEST_PRIVATE_H

#include "ingest/ingest.h"

struct lh_ingest {
    lh_catalog *catalog;
    lh_pool *pool;
    lh_jobs *jobs;
    lh_ingest_settings settings;
};

typedef struct lhi_ingest_job {
    lh_ingest *ingest;
    lh_arena *arena; /* of the texts below */
    lh_staged *source;
    lh_ingest_request request;
    uint64_t source_bytes;
} lhi_ingest_job;

/* The worker's part: source -> Parquet files in staging. base may be NULL. The parts are in the
 * arena of cx. */
LH_WARN_UNUSED lh_rc lhi_ingest_convert(lh_ctx *cx, lh_job *job, lhi_ingest_job *ij,
                                        const lh_snapshot *base, lh_ingest_done *ret_done);
/* The commit's part: publishes the parts and makes the commit. base_commit: what an upsert was
 * computed from. */
LH_WARN_UNUSED lh_rc lhi_ingest_commit(lh_ctx *cx, lh_job *job, lhi_ingest_job *ij,
                                       const lh_ingest_done *done, uint64_t base_commit,
                                       lh_snapshot **ret_snapshot);

#endif
