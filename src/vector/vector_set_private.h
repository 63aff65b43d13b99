/* vector/vector_set_private.h - segments, views and stored forms of a set; private to vector/.
 *
 *     set -> current view -> items: (segment, live bitmap), all counted
 *
 * Owns:    a view holds its segments and bitmaps; a segment its mappings; the set its graveyard:
 *          segments without readers, which the next change or merge buries.
 * Threads: write_lock: one change or swap at a time. merge_lock: one merge at a time, taken before
 *          write_lock. view_lock and graves_lock: held for a few instructions.
 * Limits:  vector_set.h.
 * Formats: the structs named lhi_*_meta and lhi_manifest_item are stored as they are (README.md).
 * Why:     change, merge, search and stored form are separate verbs over one shape. */
#ifndef LH_VECTOR_VECTOR_SET_PRIVATE_H
#define LH_VECTOR_VECTOR_SET_PRIVATE_H

#include "os/thread.h"
#include "vector/vector_set.h"

#include <stdatomic.h>

typedef struct lhi_set_segment {
    atomic_uint references;
    atomic_int obsolete; /* its objects go when it is buried */
    struct lhi_set_segment *next_grave;
    lh_vector_set *set;
    uint64_t number;
    int merged;          /* segment-<number>, otherwise batch-<number> */
    const uint64_t *ids; /* rising; row r has ids[r] */
    uint64_t rows;
    uint64_t bytes_mapped;
    lh_vector_index *index;
    lh_map map;     /* of the batch, or of segment-<number>.lhv */
    lh_map ids_map; /* of segment-<number>.lhi */
} lhi_set_segment;

/* Which rows of a segment are live. Immutable once a view holds it. */
typedef struct lhi_set_live {
    atomic_uint references;
    uint64_t count;
    uint64_t rows;
    uint64_t words[];
} lhi_set_live;

typedef struct lhi_set_item {
    lhi_set_segment *segment;
    lhi_set_live *live; /* NULL: all rows */
} lhi_set_item;

struct lh_vector_view {
    atomic_uint references;
    lh_vector_set *set;
    size_t count;
    lhi_set_item items[];
};

struct lh_vector_set {
    lh_vector_home home; /* its arg is borrowed */
    lh_vector_set_options opts;
    lh_mutex merge_lock;
    lh_mutex write_lock;
    lh_mutex view_lock;
    lh_mutex graves_lock;
    lh_vector_view *current; /* view_lock */
    lhi_set_segment *graves; /* graves_lock */
    uint64_t changes;        /* write_lock: number of the last batch */
    uint64_t horizon;        /* write_lock: changes that the manifest holds */
    uint64_t manifest;       /* write_lock: number of the newest */
    uint64_t next_segment;   /* merge_lock */
    int broken;              /* write_lock: what is stored is not known any more */
    atomic_ullong merges;    /* since open */
    lh_cancel cancel;        /* of the merge thread */
    lh_thread *thread;       /* NULL without LH_VECTOR_SET_BACKGROUND */
    lh_mutex wake_lock;
    lh_cond wake;
    int due; /* wake_lock */
    int stop;
};

/* ---- views (vector_set.c) ---- */
LH_WARN_UNUSED lh_rc lhi_view_new(lh_ctx *cx, lh_vector_set *set, size_t capacity,
                                  lh_vector_view **ret_view);
/* Adds an item: takes over one reference of segment and live. */
void lhi_view_add(lh_vector_view *view, lhi_set_segment *segment, lhi_set_live *live);
/* A copy that shares segments and bitmaps, with room for extra more items. */
LH_WARN_UNUSED lh_rc lhi_view_copy(lh_ctx *cx, const lh_vector_view *view, size_t extra,
                                   lh_vector_view **ret_view);
/* Under write_lock. Takes the view. */
void lhi_view_publish(lh_vector_set *set, lh_vector_view *view);
LH_WARN_UNUSED lhi_set_segment *lhi_segment_ref(lhi_set_segment *segment);
lhi_set_segment *lhi_segment_unref(lhi_set_segment *segment); /* to the graveyard; NULL ok */
LH_DEFINE_CLEANUP(lhi_set_segment, lhi_segment_unref)
lhi_set_live *lhi_live_ref(lhi_set_live *live); /* NULL ok */
lhi_set_live *lhi_live_unref(lhi_set_live *live);
LH_DEFINE_CLEANUP(lhi_set_live, lhi_live_unref)
/* A copy of live (NULL: all of rows) to be changed. */
LH_WARN_UNUSED lh_rc lhi_live_copy(lh_ctx *cx, const lhi_set_live *live, uint64_t rows,
                                   lhi_set_live **ret_live);
uint64_t lhi_item_live_count(const lhi_set_item *item);
static inline int lhi_item_is_live(const lhi_set_item *item, uint64_t row)
{
    return !item->live || (int)((item->live->words[row / 64] >> (row % 64)) & 1u);
}
/* The row of id, dead or alive; 0 when the segment never had it. */
int lhi_segment_find(const lhi_set_segment *segment, uint64_t id, uint64_t *ret_row);
/* Unmaps segments without readers and removes the objects of obsolete ones. */
void lhi_set_bury(lh_ctx *cx, lh_vector_set *set);

/* ---- changes (vector_set_write.c) ---- */
/* In a view that nobody else has yet: no row of these ids (rising) is live any more.
 * *ret_killed counts. */
LH_WARN_UNUSED lh_rc lhi_view_kill(lh_ctx *cx, lh_vector_view *view, const uint64_t *ids,
                                   size_t count, uint64_t *ret_killed);
void lhi_set_wake(lh_vector_set *set); /* the merge thread looks what is due */

/* ---- merges (vector_set_merge.c) ---- */
void lhi_merge_thread(void *set);

/* ---- stored forms (vector_set_file.c) ---- */
typedef struct lhi_batch_meta {
    uint64_t number;
    uint64_t rows;
    uint64_t deletes;
    uint32_t dimensions;
    uint32_t metric;
} lhi_batch_meta;
_Static_assert(sizeof(lhi_batch_meta) == 32, "stored as it is");

typedef struct lhi_manifest_meta {
    uint64_t number;
    uint64_t horizon;      /* changes up to here are in the items */
    uint64_t next_segment; /* above every segment that was ever published */
    uint32_t dimensions;
    uint32_t metric;
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

typedef enum lhi_object_kind {
    LHI_OBJECT_BATCH,
    LHI_OBJECT_SEGMENT,
    LHI_OBJECT_IDS,
    LHI_OBJECT_MANIFEST,
    LHI_OBJECT_KINDS /* none of ours */
} lhi_object_kind;
lh_str lhi_object_name(lh_ctx *cx, lhi_object_kind kind, uint64_t number);
lhi_object_kind lhi_object_parse(lh_str name, uint64_t *ret_number);

typedef struct lhi_batch {
    uint64_t number;
    const uint64_t *ids; /* rising */
    size_t rows;
    lh_str index;            /* encoded vector segment; empty without rows */
    const uint64_t *deletes; /* rising */
    size_t deletes_count;
} lhi_batch;
LH_WARN_UNUSED lh_rc lhi_batch_put(lh_ctx *cx, lh_vector_set *set, const lhi_batch *batch);
/* The segment of a batch (NULL when it only deletes) and the ids it deletes, in the arena. */
LH_WARN_UNUSED lh_rc lhi_batch_open(lh_ctx *cx, lh_vector_set *set, uint64_t number,
                                    lhi_set_segment **ret_segment, const uint64_t **ret_deletes,
                                    size_t *ret_deletes_count);
/* The same without reading every byte back: of a batch that was written a moment ago. */
LH_WARN_UNUSED lh_rc lhi_batch_open_fresh(lh_ctx *cx, lh_vector_set *set, uint64_t number,
                                          lhi_set_segment **ret_segment);
LH_WARN_UNUSED lh_rc lhi_segment_open(lh_ctx *cx, lh_vector_set *set, uint64_t number,
                                      lhi_set_segment **ret_segment);
LH_WARN_UNUSED lh_rc lhi_ids_put(lh_ctx *cx, lh_vector_set *set, uint64_t number,
                                 const uint64_t *ids, size_t count);
LH_WARN_UNUSED lh_rc lhi_manifest_put(lh_ctx *cx, lh_vector_set *set, const lh_vector_view *view,
                                      uint64_t number, uint64_t horizon);
/* Opens everything the manifest names into a view; horizon, numbers and options go to the set. */
LH_WARN_UNUSED lh_rc lhi_manifest_open(lh_ctx *cx, lh_vector_set *set, uint64_t number,
                                       lh_vector_view **ret_view);
/* Removes an object whose put is not to count; set->broken when even that fails. */
void lhi_take_back(lh_ctx *cx, lh_vector_set *set, lh_str name);

#endif
