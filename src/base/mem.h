/* base/mem.h - the only way to the heap, and the arena that dies with a request.
 *
 * Owns:    lh_alloc memory has one owner, who calls lh_free; arena memory dies with
 *          lh_arena_free/reset.
 * Threads: the heap from any thread; an arena belongs to one thread at a time.
 * Limits:  an arena refuses to grow past bytes_max (0 = 256 MiB).
 * Formats: none.
 * Why:     a counter that can fail the n-th allocation (tests), arenas so that request code has no
 *          free. */
#ifndef LH_BASE_MEM_H
#define LH_BASE_MEM_H

#include "base/attr.h"

#include <stdint.h>

LH_WARN_UNUSED void *lh_alloc(size_t bytes);                         /* NULL when out of memory */
LH_WARN_UNUSED void *lh_alloc_zero(size_t count, size_t item_bytes); /* checked product, zeroed */
LH_WARN_UNUSED void *lh_realloc(void *ptr, size_t bytes);            /* NULL leaves ptr valid */
LH_WARN_UNUSED void *lh_realloc_array(void *ptr, size_t count, size_t item_bytes);
void *lh_free(void *ptr); /* NULL ok; returns NULL */
LH_WARN_UNUSED char *lh_strdup(const char *c_string);

/* Fails the n-th allocation from now (0 = the next), once or from then on; tests only. */
void lh_alloc_fail_after(uint64_t n, int forever);
void lh_alloc_fail_off(void);
uint64_t lh_alloc_failures(void); /* how many were refused since the last fail_after */

typedef struct lh_arena lh_arena;

LH_WARN_UNUSED lh_arena *lh_arena_new(size_t bytes_max); /* NULL when out of memory */
lh_arena *lh_arena_free(lh_arena *arena); /* runs the deferred calls, newest first; NULL ok */
LH_DEFINE_CLEANUP(lh_arena, lh_arena_free)
void lh_arena_reset(lh_arena *arena); /* as free, but keeps the first block */
/* 16-byte aligned, not zeroed. NULL when out of memory or past the limit. */
LH_WARN_UNUSED void *lh_arena_alloc(lh_arena *arena, size_t bytes);
size_t lh_arena_bytes(const lh_arena *arena); /* handed out so far */
/* Calls fn(arg) when the arena is reset or freed. 0 when there was no memory for the note. */
LH_WARN_UNUSED int lh_arena_defer(lh_arena *arena, void (*fn)(void *arg), void *arg);

#endif
