/* catalog_private.h - what the files of this folder share; private to catalog/.
 *
 * Owns:    see the structs.
 * Threads: said at each member: which lock guards it.
 * Limits:  LHI_OLD_SNAPSHOTS versions of time travel are kept in memory.
 * Formats: none of its own.
 * Why:     one lock for names and current versions, held for pointers only, so that readers
 *          never wait for writers. */
#ifndef LH_CATALOG_PRIVATE_H
#define LH_CATALOG_PRIVATE_H

#include "catalog/catalog.h"
#include "os/thread.h"

#include <stdatomic.h>

enum { LHI_STRIPES = 64, LHI_OLD_SNAPSHOTS = 16, LHI_SUBSCRIBERS_MAX = 8 };
#define LHI_DATASETS_MAX  100000u
#define LHI_ARENA_MAX     ((size_t)2 * 1024 * 1024 * 1024)
#define LHI_SNAPSHOT_NONE ((lh_snapshot *)NULL)

struct lh_snapshot {
    atomic_uint refs;
    lh_arena *arena; /* owned; holds this struct too */
    lh_manifest manifest;
};

/* One dataset. Never freed before the catalog is closed, so a pointer to it stays good without a
 * lock. */
typedef struct lhi_entry {
    lh_str name;            /* owned */
    lh_snapshot *current;   /* catalog->lock; NULL when damaged */
    uint64_t commit_newest; /* catalog->lock; also of a damaged one */
    uint64_t
        commit_journaled; /* catalog->lock; events of this and older commits are in the journal */
    char *damage;         /* catalog->lock; owned; why it cannot be read; NULL when it can */
} lhi_entry;

typedef struct lhi_subscriber {
    lh_catalog_subscriber fn;
    void *arg;
} lhi_subscriber;

struct lh_catalog {
    lh_store *store;     /* borrowed */
    lh_journal *journal; /* borrowed */
    lh_mutex lock;       /* entries, their members, old, subscribers; never held during I/O */
    lhi_entry **entries; /* in order of lhi_name_cmp */
    size_t entries_count;
    size_t entries_capacity;
    size_t damaged_count;
    int journaled_changed; /* the note in the store is behind */
    struct {
        lh_snapshot *snapshot;
        uint64_t used; /* tick of the last use */
    } old[LHI_OLD_SNAPSHOTS];
    uint64_t tick;
    lhi_subscriber subscribers[LHI_SUBSCRIBERS_MAX];
    size_t subscribers_count;
    lh_mutex stripes[LHI_STRIPES]; /* writers of one dataset queue here: saves work only */
};

/* Letters of any case are equal, bytes decide among equals. */
int lhi_name_cmp(lh_str a, lh_str b);

/* catalog_entries.c; the caller holds catalog->lock. */
lhi_entry *lhi_catalog_find(lh_catalog *catalog, lh_str name); /* exact, else any case; NULL */
LH_WARN_UNUSED lh_rc lhi_catalog_add(lh_ctx *cx, lh_catalog *catalog, lh_str name,
                                     lhi_entry **ret_entry); /* finds the exact name or adds it */
/* Takes the lock. Makes snapshot (a reference is taken) current unless a newer one is. */
LH_WARN_UNUSED lh_rc lhi_catalog_publish(lh_ctx *cx, lh_catalog *catalog, lh_snapshot *snapshot);

/* snapshot.c */
/* Parses json (copied) into an arena of its own; it must be version `commit` of `name`.
 * LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lhi_snapshot_new(lh_ctx *cx, lh_str json, lh_str name, uint64_t commit,
                                      lh_snapshot **ret_snapshot);
/* Reads the manifest from the store. LH_E_NOT_FOUND, LH_E_CORRUPT with the key in the message. */
LH_WARN_UNUSED lh_rc lhi_snapshot_load(lh_ctx *cx, lh_store *store, lh_str name, uint64_t commit,
                                       lh_snapshot **ret_snapshot);

/* catalog_load.c */
LH_WARN_UNUSED lh_rc lhi_catalog_rebuild(lh_ctx *cx, lh_catalog *catalog);
/* Looks into the store for commits after the one in memory and publishes the newest. */
LH_WARN_UNUSED lh_rc lhi_catalog_refresh(lh_ctx *cx, lh_catalog *catalog, lh_str name);

/* catalog_events.c */
/* Gives the events of a version that is being built their permanent ids. */
LH_WARN_UNUSED lh_rc lhi_events_assign(lh_ctx *cx, lh_catalog *catalog, lh_manifest *next);
/* The events of this version are in the journal when it returns LH_OK; each exactly once. */
LH_WARN_UNUSED lh_rc lhi_events_complete(lh_ctx *cx, lh_catalog *catalog,
                                         const lh_manifest *manifest);
/* The note of what is known to be in the journal: read after the entries are there, written at
 * close. */
LH_WARN_UNUSED lh_rc lhi_journaled_load(lh_ctx *cx, lh_catalog *catalog);
LH_WARN_UNUSED lh_rc lhi_journaled_save(lh_ctx *cx, lh_catalog *catalog);

/* manifest_check.c: every invariant of a manifest in memory. LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lhi_manifest_check(lh_ctx *cx, const lh_manifest *manifest);
/* manifest_edit.c: sums, fingerprint, sequences and unused schemas, after a build. */
LH_WARN_UNUSED lh_rc lhi_manifest_finish(lh_ctx *cx, lh_manifest *next);

/* dataset_name.c: lower-case ASCII letters and digits for one code point ("ä" is "ae", "É" is
 * "e"); 0 when it has none. */
size_t lhi_latin_fold(uint32_t code_point, char out[2]);

#endif
