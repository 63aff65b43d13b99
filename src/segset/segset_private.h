/* segset/segset_private.h - segments, views and stored forms of a set; private to segset/.
 *
 *     set -> current view -> items: (segment, live bitmap), all counted
 *
 * Owns:    a view holds its segments and bitmaps; a segment its mappings; the set its graveyard:
 *          segments without readers, which the next change or merge buries.
 * Threads: write_lock: one change or swap at a time. merge_lock: one merge at a time, taken before
 *          write_lock. view_lock and graves_lock: held for a few instructions.
 * Limits:  segset.h.
 * Formats: the structs named lhi_*_meta and lhi_manifest_item are stored as they are (README.md).
 * Why:     change, merge, view and stored form are separate verbs over one shape. */
#ifndef LH_SEGSET_SEGSET_PRIVATE_H
#define LH_SEGSET_SEGSET_PRIVATE_H

#include "os/thread.h"
#include "segset/segset.h"

#include <stdatomic.h>

/* Changes that came at once may pass LH_SEGSET_SEGMENTS_MAX by as many. */
#define LHI_MERGE_INPUTS_MAX (2 * LH_SEGSET_SEGMENTS_MAX)

typedef struct lhi_segment {
    atomic_uint references;
    atomic_int obsolete; /* its objects go when it is buried */
    struct lhi_segment *next_grave;
    lh_segset *set;
    uint64_t number;
    int merged;          /* segment-<number>, otherwise batch-<number> */
    const uint64_t *ids; /* rising; row r has ids[r] */
    uint64_t rows;
    uint64_t bytes_mapped;
    void *index;    /* the engine's */
    lh_map map;     /* of the batch or segment */
    lh_map ids_map; /* of segment-<number>.lhi */
} lhi_segment;

/* Which rows of a segment are live. Immutable once a view holds it. */
typedef struct lhi_live {
    atomic_uint references;
    uint64_t count;
    uint64_t rows;
    uint64_t words[];
} lhi_live;

typedef struct lhi_item {
    lhi_segment *segment;
    lhi_live *live; /* NULL: all rows */
} lhi_item;

struct lh_segset_view {
    atomic_uint references;
    lh_segset *set;
    lh_mutex attach_lock;
    void *attached;   /* attach_lock; the engine's */
    uint64_t changes; /* of the set that it shows */
    size_t count;
    lhi_item items[];
};

typedef enum lhi_object_kind {
    LHI_OBJECT_BATCH,
    LHI_OBJECT_SEGMENT,
    LHI_OBJECT_IDS,
    LHI_OBJECT_MANIFEST,
    LHI_OBJECT_KINDS /* none of ours */
} lhi_object_kind;

struct lh_segset {
    lh_segset_home home; /* its arg is borrowed */
    lh_segset_options opts;
    const lh_segset_engine *engine;
    char kinds[LHI_OBJECT_KINDS][32]; /* of containers */
    uint32_t shape[2];                /* what its segments have in common */
    lh_mutex merge_lock;
    lh_mutex write_lock;
    lh_mutex view_lock;
    lh_mutex graves_lock;
    lh_segset_view *current; /* view_lock */
    lhi_segment *graves;     /* graves_lock */
    uint64_t changes;        /* write_lock: number of the last batch */
    uint64_t horizon;        /* write_lock: changes that the manifest holds */
    uint64_t manifest;       /* write_lock: number of the newest */
    uint64_t next_segment;   /* merge_lock */
    int broken;              /* write_lock: what is stored is not known any more */
    atomic_ullong merges;    /* since open */
    lh_cancel cancel;        /* of the merge thread */
    lh_thread *thread;       /* NULL without LH_SEGSET_BACKGROUND */
    lh_mutex wake_lock;
    lh_cond wake;
    int due; /* wake_lock */
    int stop;
};

/* ---- views (segset_view.c) ---- */
LH_WARN_UNUSED lh_rc lhi_view_new(lh_ctx *cx, lh_segset *set, size_t capacity,
                                  lh_segset_view **ret_view);
/* Adds an item: takes over one reference of segment and live. */
void lhi_view_add(lh_segset_view *view, lhi_segment *segment, lhi_live *live);
/* A copy that shares segments and bitmaps, with room for extra more items. */
LH_WARN_UNUSED lh_rc lhi_view_copy(lh_ctx *cx, const lh_segset_view *view, size_t extra,
                                   lh_segset_view **ret_view);
lh_segset_part lhi_item_part(const lhi_item *item);
/* Under write_lock. Takes the view. */
void lhi_view_publish(lh_segset *set, lh_segset_view *view);
LH_WARN_UNUSED lhi_segment *lhi_segment_ref(lhi_segment *segment);
lhi_segment *lhi_segment_unref(lhi_segment *segment); /* to the graveyard; NULL ok */
LH_DEFINE_CLEANUP(lhi_segment, lhi_segment_unref)
lhi_live *lhi_live_ref(lhi_live *live); /* NULL ok */
lhi_live *lhi_live_unref(lhi_live *live);
LH_DEFINE_CLEANUP(lhi_live, lhi_live_unref)
/* A copy of live (NULL: all of rows) to be changed. */
LH_WARN_UNUSED lh_rc lhi_live_copy(lh_ctx *cx, const lhi_live *live, uint64_t rows,
                                   lhi_live **ret_live);
uint64_t lhi_item_live_count(const lhi_item *item);
static inline int lhi_item_is_live(const lhi_item *item, uint64_t row)
{
    return !item->live || (int)((item->live->words[row / 64] >> (row % 64)) & 1u);
}
/* The row of id, dead or alive; 0 when the segment never had it. */
int lhi_segment_find(const lhi_segment *segment, uint64_t id, uint64_t *ret_row);
/* Unmaps segments without readers and removes the objects of obsolete ones. */
void lhi_bury(lh_ctx *cx, lh_segset *set);

/* ---- changes (segset_change.c) ---- */
/* In a view that nobody else has yet: no row of these ids (rising) is live any more.
 * *ret_killed counts. */
LH_WARN_UNUSED lh_rc lhi_view_kill(lh_ctx *cx, lh_segset_view *view, const uint64_t *ids,
                                   size_t count, uint64_t *ret_killed);
void lhi_segset_wake(lh_segset *set); /* the merge thread looks what is due */

/* ---- merges (segset_merge.c, segset_due.c) ---- */
void lhi_merge_thread(void *set);
typedef struct lhi_merge {
    lh_segset *set;
    lh_segset_view *view; /* what is read */
    uint8_t *chosen;      /* by item of view */
    size_t chosen_count;
    uint64_t rows;          /* live ones of the chosen */
    uint64_t *ids;          /* of the new segment, rising */
    lh_segset_origin *from; /* by row of the new segment */
    uint64_t number;
    lhi_segment *made; /* NULL: no live row was left */
} lhi_merge;
/* Fills in chosen, chosen_count and rows. */
LH_WARN_UNUSED lh_rc lhi_merge_choose(lh_ctx *cx, lhi_merge *m, lh_segset_merge_how how);

/* ---- stored forms (segset_file.c, segset_manifest.c) ---- */
typedef struct lhi_batch_meta {
    uint64_t number;
    uint64_t rows;
    uint64_t deletes;
    uint32_t shape[2];
} lhi_batch_meta;
_Static_assert(sizeof(lhi_batch_meta) == 32, "stored as it is");

typedef struct lhi_manifest_meta {
    uint64_t number;
    uint64_t horizon;      /* changes up to here are in the items */
    uint64_t next_segment; /* above every segment that was ever published */
    uint32_t shape[2];
} lhi_manifest_meta;
_Static_assert(sizeof(lhi_manifest_meta) == 32, "stored as it is");

#define LHI_ALL_LIVE UINT64_MAX
typedef struct lhi_manifest_item {
    uint64_t number;
    uint64_t rows;
    uint64_t live;       /* rows */
    uint64_t live_first; /* first word of its bitmap in section "live"; LHI_ALL_LIVE: no bitmap */
    uint32_t merged;
    uint32_t reserved;
} lhi_manifest_item;
_Static_assert(sizeof(lhi_manifest_item) == 40, "stored as it is");

lh_str lhi_object_name(lh_ctx *cx, const lh_segset *set, lhi_object_kind kind, uint64_t number);
lhi_object_kind lhi_object_parse(const lh_segset *set, lh_str name, uint64_t *ret_number);
/* Removes it. */
LH_WARN_UNUSED lh_rc lhi_object_remove(lh_ctx *cx, lh_segset *set, lhi_object_kind kind,
                                       uint64_t number);
/* Kind of its container: "vector-batch" and the like; not of merged segments. */
static inline lh_str lhi_stored_kind(const lh_segset *set, lhi_object_kind kind)
{
    return lh_str_from(set->kinds[kind]);
}
LH_WARN_UNUSED lh_rc lhi_get_meta(lh_ctx *cx, const lh_container *c, void *out, size_t bytes);

typedef struct lhi_batch {
    uint64_t number;
    const uint64_t *ids; /* rising */
    size_t rows;
    lh_str index;            /* encoded segment; empty without rows */
    const uint64_t *deletes; /* rising */
    size_t deletes_count;
} lhi_batch;
LH_WARN_UNUSED lh_rc lhi_batch_put(lh_ctx *cx, lh_segset *set, const lhi_batch *batch);
/* The segment of a batch (NULL when it only deletes) and the ids it deletes, in the arena. */
LH_WARN_UNUSED lh_rc lhi_batch_open(lh_ctx *cx, lh_segset *set, uint64_t number,
                                    lhi_segment **ret_segment, const uint64_t **ret_deletes,
                                    size_t *ret_deletes_count);
/* The same without reading every byte back: of a batch that was written a moment ago. */
LH_WARN_UNUSED lh_rc lhi_batch_open_fresh(lh_ctx *cx, lh_segset *set, uint64_t number,
                                          lhi_segment **ret_segment);
LH_WARN_UNUSED lh_rc lhi_segment_open(lh_ctx *cx, lh_segset *set, uint64_t number,
                                      lhi_segment **ret_segment);
LH_WARN_UNUSED lh_rc lhi_ids_put(lh_ctx *cx, lh_segset *set, uint64_t number, const uint64_t *ids,
                                 size_t count);
LH_WARN_UNUSED lh_rc lhi_manifest_put(lh_ctx *cx, lh_segset *set, const lh_segset_view *view,
                                      uint64_t number, uint64_t horizon);
/* Opens everything the manifest names into a view; horizon, numbers and options go to the set. */
LH_WARN_UNUSED lh_rc lhi_manifest_open(lh_ctx *cx, lh_segset *set, uint64_t number,
                                       lh_segset_view **ret_view);
/* Removes an object whose put is not to count; set->broken when even that fails. */
void lhi_take_back(lh_ctx *cx, lh_segset *set, lh_str name);

#endif
