/* catalog/fsck.h - checks every manifest, file, checksum and reference of a store; offline or
 * beside a server.
 *
 * Owns:    nothing. Threads: one. Limits: none. Formats: findings as records. Why: invariant 10:
 *          a flipped bit is found. */
#ifndef LH_CATALOG_FSCK_H
#define LH_CATALOG_FSCK_H

#include "storage/store.h"

typedef enum lh_finding_kind {
    LH_FINDING_DAMAGED, /* an object fails its checksum, size or parse */
    LH_FINDING_MISSING, /* a referenced object is not there */
    LH_FINDING_ORPHAN,  /* nothing references it: garbage of a crash; repair removes it */
    LH_FINDING_GAP      /* a commit number is missing */
} lh_finding_kind;
typedef struct lh_finding {
    lh_finding_kind kind;
    lh_str key;
    lh_str text;
    int repaired;
} lh_finding;
typedef struct lh_fsck_summary {
    uint64_t datasets;
    uint64_t manifests;
    uint64_t files;
    uint64_t bytes;
    uint64_t findings;
    uint64_t repaired;
    uint64_t unreadable; /* manifests; when there are any, orphans are not looked for */
} lh_fsck_summary;
enum { LH_FSCK_REPAIR = 1, LH_FSCK_QUICK = 2 /* sizes only, no checksums */ };
typedef void (*lh_fsck_report)(void *arg, const lh_finding *finding);
/* Manifests of all datasets (order, links, checksums), their files (there, size, SHA-256), files
 * that nothing references, objects of vector indexes and those that none names, container files
 * under vectors/, batches of the journal, sealed JSON
 * under _access/. LH_OK also with findings; errors only when it could not look. Orphans are not
 * damage. LH_FSCK_REPAIR removes orphans, nothing else, and wants the store for itself: beside a
 * server a file that was published and is not committed yet would look like one. */
LH_WARN_UNUSED lh_rc lh_fsck_run(lh_ctx *cx, lh_store *store, uint32_t flags, lh_fsck_report report,
                                 void *arg, lh_fsck_summary *ret_summary);

#endif
