/* fsck_private.h - what the files of fsck share; private to catalog/.
 *
 * Owns:    a run borrows everything; its tables live in the arena of the caller's context.
 * Threads: one.
 * Limits:  memory grows with the number of distinct data files.
 * Formats: none.
 * Why:     manifests tell what must be there; objects are what is there; this is where both
 *          meet. */
#ifndef LH_CATALOG_FSCK_PRIVATE_H
#define LH_CATALOG_FSCK_PRIVATE_H

#include "base/json.h"
#include "catalog/catalog_private.h"
#include "catalog/fsck.h"

/* An object as the first manifest or index that names it tells it. */
#define LHI_FSCK_BYTES_UNKNOWN UINT64_MAX
typedef struct lhi_fsck_ref {
    lh_str key;
    lh_str sha256;  /* empty: not known */
    uint64_t bytes; /* LHI_FSCK_BYTES_UNKNOWN: not known */
} lhi_fsck_ref;

typedef struct lhi_fsck_run {
    lh_ctx *cx;
    lh_store *store;
    uint32_t flags;
    lh_fsck_report report;
    void *arg;
    lh_fsck_summary summary;
    lhi_fsck_ref **slots; /* open addressing, capacity a power of two */
    size_t slots_count;
    size_t refs_count;
} lhi_fsck_run;

/* fsck_findings.c
 * Arena-free work: fn gets an arena that dies after it; only errors of the world come back. */
typedef lh_rc (*lhi_fsck_step)(lh_ctx *scratch, lhi_fsck_run *run, void *arg);
LH_WARN_UNUSED lh_rc lhi_fsck_scratch(lhi_fsck_run *run, lhi_fsck_step fn, void *arg);

void lhi_fsck_tell(lhi_fsck_run *run, const lh_finding *finding);
LH_PRINTF(4, 5)
void lhi_fsck_found(lhi_fsck_run *run, lh_finding_kind kind, lh_str key, const char *format, ...);
/* What an object read from the store can be: 1 and a finding when rc says so; 0 when rc must go
 * to the caller. */
int lhi_fsck_judge(lhi_fsck_run *run, lh_str key, lh_rc rc, const char *message);

const lhi_fsck_ref *lhi_fsck_find(const lhi_fsck_run *run, lh_str key);
LH_WARN_UNUSED lh_rc lhi_fsck_add(lhi_fsck_run *run, const lh_data_file *file);

/* Prefixes that keep all that is below them: segment sets, whose own names say what is live. */
typedef struct lhi_fsck_kept {
    lh_str *items;
    size_t count;
    size_t capacity;
    int unreadable; /* something that might have kept more could not be read, which was told */
} lhi_fsck_kept;
LH_WARN_UNUSED lh_rc lhi_fsck_keep(lhi_fsck_run *run, lhi_fsck_kept *kept, lh_str prefix);
int lhi_fsck_is_kept(const lhi_fsck_kept *kept, lh_str key);
/* The object of an index. *ret_root NULL: gone since it was listed, or unreadable. */
LH_WARN_UNUSED lh_rc lhi_fsck_read_json(lh_ctx *scratch, lhi_fsck_run *run, lh_str key,
                                        size_t bytes_max, lhi_fsck_kept *kept,
                                        const lh_json **ret_root);

/* Reports, and when asked removes, the objects that nothing references. */
LH_WARN_UNUSED lh_rc lhi_fsck_orphans(lhi_fsck_run *run, const lh_object_page *objects, lh_str why);

/* fsck_manifests.c: every manifest; fills the references. */
LH_WARN_UNUSED lh_rc lhi_fsck_manifests(lhi_fsck_run *run);
/* fsck_vectors.c: what indexes name, into the references, and the objects under vectors/ that none
 * does. */
LH_WARN_UNUSED lh_rc lhi_fsck_vectors(lhi_fsck_run *run);
/* fsck_text.c: the same of text indexes. */
LH_WARN_UNUSED lh_rc lhi_fsck_text(lhi_fsck_run *run);
/* fsck_objects.c: the data files, then everything else that carries a checksum. */
LH_WARN_UNUSED lh_rc lhi_fsck_files(lhi_fsck_run *run);
LH_WARN_UNUSED lh_rc lhi_fsck_containers(lhi_fsck_run *run);
LH_WARN_UNUSED lh_rc lhi_fsck_batches(lhi_fsck_run *run, lh_str prefix);
LH_WARN_UNUSED lh_rc lhi_fsck_sealed(lhi_fsck_run *run, lh_str prefix);

#endif
