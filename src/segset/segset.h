/* segset/segset.h - a set of immutable segments that lives: append, upsert, delete and search go on
 * while segments are merged behind them. What a segment is, its engine says.
 *
 *     batch 7   batch 8   batch 9        one object per acknowledged change, numbered without gaps
 *        \         |         /
 *      segment 3  segment 4              what merges made of earlier batches
 *             \    /
 *            manifest 5                  "these segments, these live rows, all changes up to 6"
 *
 * State = newest manifest + the batches after it, in order. A row is live until a later change
 * deletes or replaces its id, so an id has at most one live row.
 *
 * Owns:    the open segments, the views on them and, if asked, one merge thread; borrows its home
 *          and the engine's argument.
 * Threads: all functions from any thread. Changes go one after another; searches never wait for
 *          them or for merges: they hold a counted view. Objects of a segment are removed after its
 *          last reader left, by the merge thread or the next change, never by a reader.
 * Limits:  LH_SEGSET_BATCH_ROWS_MAX rows a change, LH_SEGSET_SEGMENTS_MAX segments (changes wait
 *          for a merge there), the engine's rows a segment. Memory: a bit per row, 16 bytes per
 *          row of the change that is written plus its encoded segment; of a merge 16 bytes per row
 *          and what the engine needs.
 * Formats: see README.md: "batch-<n>.lhb", "segment-<n><suffix>", "segment-<n>.lhi",
 *          "manifest-<n>.lhm", all containers.
 * Why:     an index that is repaired in place has races and half-done states in every tracker of
 *          the field; write-once segments with a list of them have neither, and are the same for
 *          vectors and for words. */
#ifndef LH_SEGSET_SEGSET_H
#define LH_SEGSET_SEGSET_H

#include "segset/segset_home.h"

#define LH_SEGSET_BATCH_ROWS_MAX 100000
#define LH_SEGSET_SEGMENTS_MAX   64

typedef struct lh_segset lh_segset;

/* A segment of a view. Rows lie in order of their ids, so an order of rows inside a segment is an
 * order of ids in the set. Borrowed from the view. */
typedef struct lh_segset_part {
    void *index;          /* the engine's open segment */
    const uint64_t *ids;  /* rising; row r has ids[r] */
    const uint64_t *live; /* bit r of word r / 64, LH_SEGSET_WORDS(rows) words; NULL: all rows */
    uint64_t rows;
    uint64_t rows_live;
    uint64_t number; /* for messages */
    int merged;      /* segment <number>, otherwise change <number> */
} lh_segset_part;
/* Words of a bitmap of rows: whole cache lines, at least one bit more than rows. */
#define LH_SEGSET_WORDS(rows) (((uint64_t)(rows) / 512 + 1) * 8)

/* Where a row of a merged segment comes from. */
typedef struct lh_segset_origin {
    uint32_t part;
    uint32_t row;
} lh_segset_origin;
typedef struct lh_segset_merging {
    const lh_segset_part *parts; /* those that are not merged have index NULL */
    size_t parts_count;
    const lh_segset_origin *from; /* by row of the new segment, in order of ids */
    uint64_t rows;
} lh_segset_merging;

/* To add an engine: 1. fill in a const row of this; 2. give its address and your argument to open.
 * Every function may be called from any thread, several at once on one index. */
typedef struct lh_segset_engine {
    const char *name;          /* "vector": of stored kinds and of messages */
    const char *suffix;        /* of merged segments: ".lhv" */
    uint64_t segment_rows_max; /* merges make no larger ones */
    /* Batches of more live rows are merged as soon as there is time, because they were only put
     * down, not indexed. UINT64_MAX: a batch is as good as a segment. */
    uint64_t plain_rows_max;
    /* What must be the same of all segments. stored: of the set that is there, which arg takes
     * over, or refuses (LH_E_BAD_VALUE); NULL: of a new set, which arg says. LH_E_CORRUPT: no
     * program wrote that. */
    lh_rc (*shape)(lh_ctx *cx, void *arg, const uint32_t stored[2], uint32_t ret_shape[2]);
    /* bytes are borrowed until close. LH_E_CORRUPT, also when it has other rows. */
    lh_rc (*open)(lh_ctx *cx, void *arg, lh_str bytes, uint64_t rows, void **ret_index);
    void (*close)(void *index);                     /* NULL ok */
    lh_rc (*verify)(lh_ctx *cx, const void *index); /* every byte of it */
    uint64_t (*bytes_resident)(const void *index);  /* beside its mapping */
    /* Writes the segment of the rows of several. */
    lh_rc (*merge)(lh_ctx *cx, void *arg, const lh_segset_merging *merging, lh_container_sink sink);
    void (*detach)(void *attached); /* frees what lh_segset_view_attach keeps; may be NULL */
} lh_segset_engine;

enum {
    LH_SEGSET_BACKGROUND = 1 /* a thread of low priority merges what is due */
};
typedef struct lh_segset_options {
    const lh_segset_engine *engine;
    void *arg;          /* of the engine; must outlive the set */
    uint32_t fan_in;    /* segments of like size that are merged into one; 0 = 4 */
    uint32_t tier_rows; /* rows of the smallest tier; 0 = 256 */
    uint32_t flags;
} lh_segset_options;

/* Opens the set of that home, or makes an empty one. Objects that a crash left without owner are
 * removed. LH_E_CORRUPT names the object; LH_E_BAD_VALUE when options do not fit what is there. */
LH_WARN_UNUSED lh_rc lh_segset_open(lh_ctx *cx, const lh_segset_home *home,
                                    const lh_segset_options *opts, lh_segset **ret_set);
/* Cancels a merge that runs and waits for it. No search may run any more. Writes nothing that is
 * needed: what was acknowledged is durable already. NULL ok. */
lh_segset *lh_segset_close(lh_segset *set);
LH_DEFINE_CLEANUP(lh_segset, lh_segset_close)

typedef enum lh_segset_how { LH_SEGSET_APPEND, LH_SEGSET_UPSERT } lh_segset_how;
/* Rows of a change in order of their ids. */
typedef struct lh_segset_order {
    const size_t *places; /* in the caller's arrays, of row 0, 1, ... */
    size_t count;
    int as_given; /* places[i] is i */
} lh_segset_order;
typedef struct lh_segset_change {
    lh_segset_how how;
    const uint64_t *ids; /* the caller's names of the rows */
    size_t count;        /* 1..LH_SEGSET_BATCH_ROWS_MAX */
    /* Writes the segment of these rows; called before any lock is taken. */
    lh_rc (*encode)(lh_ctx *cx, void *arg, const lh_segset_order *order, lh_buf *out);
    void *arg; /* of encode */
    /* Ids that go in the same change; none of ids. Those that are not there are no error. */
    const uint64_t *deletes;
    size_t deletes_count;
} lh_segset_change;
/* Visible and durable when it returns LH_OK; on an error nothing of it is. Append:
 * LH_E_ALREADY_EXISTS names an id that is there or comes twice. Upsert: replaces the rows of ids
 * that are there; of an id that comes twice the last one stays. LH_E_BAD_VALUE, LH_E_TOO_LARGE,
 * LH_E_UNAVAILABLE (a change failed and could not be taken back: open the set again), those of
 * encode and of the home. */
LH_WARN_UNUSED lh_rc lh_segset_put(lh_ctx *cx, lh_segset *set, const lh_segset_change *change);
/* Ids that are not there are no error; *ret_deleted says how many were. */
LH_WARN_UNUSED lh_rc lh_segset_delete(lh_ctx *cx, lh_segset *set, const uint64_t *ids, size_t count,
                                      uint64_t *ret_deleted);
/* Gives a set that has seen no change yet its first segment, written elsewhere: fill writes its
 * bytes, row r gets id r. Durable and visible when it returns LH_OK. LH_E_CONFLICT when the set is
 * not new. */
LH_WARN_UNUSED lh_rc lh_segset_import(lh_ctx *cx, lh_segset *set, uint64_t rows,
                                      lh_segset_fill fill, void *fill_arg);
/* A sink for the engine's writer that appends to a buffer. */
lh_container_sink lh_segset_buf_sink(lh_buf *buf);

typedef enum lh_segset_merge_how {
    LH_SEGSET_MERGE_DUE, /* one merge, if a tier is full, a segment is mostly dead, or changes piled
                            up */
    LH_SEGSET_MERGE_ALL  /* everything into one segment without dead rows */
} lh_segset_merge_how;
/* *ret_merged: segments that were replaced; 0 when nothing was due. One merge runs at a time,
 * others wait. Checks cx's deadline and cancel. */
LH_WARN_UNUSED lh_rc lh_segset_merge(lh_ctx *cx, lh_segset *set, lh_segset_merge_how how,
                                     uint64_t *ret_merged);
/* Puts the segment's name before an LH_E_CORRUPT of its engine. */
lh_rc lh_segset_damaged(lh_ctx *cx, const lh_segset_part *part, lh_rc rc);

/* ---- views ---- */

/* A state of the set that does not change: repeated searches see the same rows. */
typedef struct lh_segset_view lh_segset_view;
lh_segset_view *lh_segset_get_view(lh_segset *set);
lh_segset_view *lh_segset_view_unref(lh_segset_view *view);
LH_DEFINE_CLEANUP(lh_segset_view, lh_segset_view_unref)
size_t lh_segset_view_count(const lh_segset_view *view); /* of its segments */
/* How many changes of the set it shows: views of as many have the same rows, merged or not. */
uint64_t lh_segset_view_changes(const lh_segset_view *view);
lh_segset_part lh_segset_view_part(const lh_segset_view *view, size_t number);
/* What an engine derives from a whole view, made at the first asking and kept until the view goes.
 * make is called under a lock of the view. */
LH_WARN_UNUSED lh_rc lh_segset_view_attach(lh_ctx *cx, lh_segset_view *view,
                                           lh_rc (*make)(lh_ctx *cx, lh_segset_view *view,
                                                         void **ret_attached),
                                           void **ret_attached);
/* Live ids in rising order, in the arena. */
LH_WARN_UNUSED lh_rc lh_segset_view_ids(lh_ctx *cx, const lh_segset_view *view, uint64_t **ret_ids,
                                        size_t *ret_count);
/* The live row of an id; 0 when there is none. */
int lh_segset_view_find(const lh_segset_view *view, uint64_t id, size_t *ret_part,
                        uint64_t *ret_row);

/* Ids that may be answers; by_id and ids both NULL = all. */
typedef struct lh_segset_filter {
    const uint64_t *by_id; /* bit per id, ids from by_id_count on may not */
    uint64_t by_id_count;
    const uint64_t *ids; /* rising */
    size_t ids_count;
} lh_segset_filter;
/* The live rows of a segment that the filter allows: *ret_words is NULL when all rows may, else
 * LH_SEGSET_WORDS(rows) words, borrowed from the view or in the arena. *ret_count: how many may. */
LH_WARN_UNUSED lh_rc lh_segset_allowed(lh_ctx *cx, const lh_segset_part *part,
                                       const lh_segset_filter *filter, const uint64_t **ret_words,
                                       uint64_t *ret_count);

typedef struct lh_segset_stats {
    uint64_t rows_live;
    uint64_t rows_dead;
    uint32_t segments; /* batches included */
    uint32_t batches;
    uint64_t manifest; /* number of the newest */
    uint64_t changes;  /* acknowledged since the set was made */
    uint64_t merges;   /* since it was opened */
    uint64_t bytes_mapped;
    uint64_t bytes_resident;
} lh_segset_stats;
void lh_segset_get_stats(lh_segset *set, lh_segset_stats *ret_stats);

#endif
