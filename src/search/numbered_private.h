/* search/numbered_private.h - what the numbers of a segment set in the store stand for: rows of the
 * dataset, in objects beside the set's own.
 *
 * Owns:    the mapped objects; borrows the store.
 * Threads: known and reading from any thread; adding by the one build that runs.
 * Limits:  those of a chunk store an object.
 * Formats: "<prefix>rows-<first, 20 digits>.lhc", a container "chunk-store": its rows have the
 *          numbers first, first + 1, ...
 * Why:     a number is given once. What it stands for is durable before the change that makes it
 *          searchable, so that every hit can be named; what a crash leaves names numbers that
 *          never came, which nobody asks for. */
#ifndef LH_SEARCH_NUMBERED_PRIVATE_H
#define LH_SEARCH_NUMBERED_PRIVATE_H

#include "os/thread.h"
#include "search/chunk_store.h"
#include "search/store_home_private.h"

typedef struct lhi_rows_object {
    uint64_t first;
    lh_map map;
    lh_chunk_store store;
} lhi_rows_object;

typedef struct lhi_numbered {
    lh_arena *arena; /* of the prefix */
    lhi_store_home store_home;
    lh_segset_home home; /* of the set beside it */
    lh_mutex lock;
    lhi_rows_object **objects; /* lock; in order of first; only grows */
    size_t count;
    size_t capacity;
    uint64_t next; /* number, of the one build that runs */
} lhi_numbered;
/* Below prefix, which ends with '/' and is copied. Nothing is read yet. */
LH_WARN_UNUSED lh_rc lhi_numbered_init(lh_ctx *cx, lhi_numbered *n, lh_store *store, lh_str prefix);
/* Opens the objects there are. LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lhi_numbered_load(lh_ctx *cx, lhi_numbered *n);
void lhi_numbered_done(lhi_numbered *n);

/* Rows as they are known now, in the arena; valid as long as n. Take the set's view before. */
typedef struct lhi_known {
    lhi_rows_object **items;
    size_t count;
    uint64_t end; /* numbers are below */
} lhi_known;
LH_WARN_UNUSED lh_rc lhi_numbered_known(lh_ctx *cx, lhi_numbered *n, lhi_known *ret);
LH_WARN_UNUSED lh_rc lhi_known_row(lh_ctx *cx, const lhi_known *known, uint64_t number,
                                   lh_chunk_row *ret_row);
/* What it was put with; empty when it has none. */
LH_WARN_UNUSED lh_rc lhi_known_body(lh_ctx *cx, const lhi_known *known, uint64_t number,
                                    lh_str *ret_body);
/* Calls visit for every number of that id, dead ones too. */
LH_WARN_UNUSED lh_rc lhi_known_find(lh_ctx *cx, const lhi_known *known, lh_str id,
                                    void (*visit)(void *arg, uint64_t number), void *arg);

/* Name of the object of the next rows, for those who write it elsewhere; then load it. */
lh_str lhi_numbered_next_name(lh_ctx *cx, const lhi_numbered *n);
LH_WARN_UNUSED lh_rc lhi_numbered_load_next(lh_ctx *cx, lhi_numbered *n);
/* Writes what the next count numbers are, durably. */
LH_WARN_UNUSED lh_rc lhi_numbered_add(lh_ctx *cx, lhi_numbered *n, const lh_chunk_row *rows,
                                      size_t count, uint64_t *ret_first);

#endif
