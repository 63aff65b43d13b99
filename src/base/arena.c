/* arena.c - memory that dies together: a chain of growing blocks, a bump pointer in the newest.
 *
 * A request that is large for a block gets a block of its own behind the current one, so the rest
 * of the current block is not lost: at most a quarter of a block is ever wasted. Under ASan the
 * free part is poisoned and a gap is left between neighbours, so an overrun inside the arena is
 * seen as well. */
#include "base/mem.h"

#include <stdint.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { GAP_BYTES = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(ptr, bytes)   ((void)(ptr), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(ptr, bytes) ((void)(ptr), (void)(bytes))
enum { GAP_BYTES = 0 };
#endif

enum {
    ALIGN_BYTES = 16,
    BLOCK_BYTES_FIRST = 4096 - 32, /* a page together with malloc's own header */
    BLOCK_BYTES_MAX = 256 * 1024 - 32
};
#define BYTES_MAX_DEFAULT ((size_t)256 * 1024 * 1024)

typedef struct arena_block {
    struct arena_block *older;
    size_t bytes; /* of the payload */
    size_t used;
    size_t reserved; /* keeps the payload aligned */
} arena_block;
_Static_assert(sizeof(arena_block) % ALIGN_BYTES == 0, "payload follows the header");

typedef struct deferred {
    struct deferred *older;
    void (*fn)(void *arg);
    void *arg;
} deferred;

struct lh_arena {
    arena_block *current; /* where small requests are served; the chain ends with first */
    arena_block *large;   /* blocks of one request each */
    deferred *deferred;
    size_t bytes_max;
    size_t bytes_used; /* handed out, rounded up to the alignment */
    size_t next_bytes; /* of the next block */
    arena_block first; /* payload follows */
};
_Static_assert(sizeof(lh_arena) % ALIGN_BYTES == 0, "payload follows the header");

static char *payload(arena_block *block)
{
    return (char *)(block + 1);
}

static size_t round_up(size_t bytes)
{
    return (bytes + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
}

lh_arena *lh_arena_new(size_t bytes_max)
{
    lh_arena *arena = lh_alloc(BLOCK_BYTES_FIRST);
    if (arena == NULL)
        return NULL;
    *arena = (lh_arena){
        .current = &arena->first,
        .bytes_max = bytes_max ? round_up(LH_MIN(bytes_max, SIZE_MAX / 2)) : BYTES_MAX_DEFAULT,
        .next_bytes = 2 * BLOCK_BYTES_FIRST,
        .first = {.bytes = BLOCK_BYTES_FIRST - sizeof(lh_arena)},
    };
    ASAN_POISON_MEMORY_REGION(payload(&arena->first), arena->first.bytes);
    return arena;
}

static void free_chain(arena_block *block, const arena_block *end)
{
    while (block != end) {
        arena_block *older = block->older;
        ASAN_UNPOISON_MEMORY_REGION(payload(block), block->bytes);
        lh_free(block);
        block = older;
    }
}

/* Deferred calls may use what lies in the arena, so they come first. */
static void release(lh_arena *arena)
{
    while (arena->deferred != NULL) {
        deferred *note = arena->deferred;
        arena->deferred = note->older;
        note->fn(note->arg);
    }
    free_chain(arena->current, &arena->first);
    free_chain(arena->large, NULL);
    arena->current = &arena->first;
    arena->large = NULL;
    arena->bytes_used = 0;
    arena->next_bytes = 2 * BLOCK_BYTES_FIRST;
}

lh_arena *lh_arena_free(lh_arena *arena)
{
    if (arena == NULL)
        return NULL;
    release(arena);
    ASAN_UNPOISON_MEMORY_REGION(payload(&arena->first), arena->first.bytes);
    return lh_free(arena);
}

void lh_arena_reset(lh_arena *arena)
{
    release(arena);
    arena->first.used = 0;
    ASAN_POISON_MEMORY_REGION(payload(&arena->first), arena->first.bytes);
}

static void *take(arena_block *block, size_t room, size_t bytes)
{
    char *ptr = payload(block) + block->used;
    block->used += room;
    ASAN_UNPOISON_MEMORY_REGION(ptr, bytes);
    return ptr;
}

static arena_block *block_new(size_t bytes)
{
    arena_block *block = lh_alloc(sizeof(arena_block) + bytes);
    if (block == NULL)
        return NULL;
    *block = (arena_block){.bytes = bytes};
    ASAN_POISON_MEMORY_REGION(payload(block), bytes);
    return block;
}

LH_COLD static void *alloc_in_new_block(lh_arena *arena, size_t room, size_t bytes)
{
    int is_large = room > arena->next_bytes / 4;
    arena_block *block = block_new(is_large ? room : arena->next_bytes);
    if (block == NULL)
        return NULL;
    arena_block **chain = is_large ? &arena->large : &arena->current;
    block->older = *chain;
    *chain = block;
    arena->next_bytes = LH_MIN(2 * arena->next_bytes, (size_t)BLOCK_BYTES_MAX);
    arena->bytes_used += room - GAP_BYTES;
    return take(block, room, bytes);
}

void *lh_arena_alloc(lh_arena *arena, size_t bytes)
{
    size_t left = arena->bytes_max - arena->bytes_used;
    if (LH_UNLIKELY(
            bytes >
            left)) /* bytes_max is a multiple of the alignment, so rounding cannot pass it */
        return NULL;
    size_t rounded = round_up(LH_MAX(bytes, (size_t)1));
    if (LH_UNLIKELY(rounded > left))
        return NULL;
    size_t room = rounded + GAP_BYTES;
    arena_block *block = arena->current;
    if (LH_UNLIKELY(room > block->bytes - block->used))
        return alloc_in_new_block(arena, room, bytes);
    arena->bytes_used += rounded;
    return take(block, room, bytes);
}

size_t lh_arena_bytes(const lh_arena *arena)
{
    return arena->bytes_used;
}

int lh_arena_defer(lh_arena *arena, void (*fn)(void *arg), void *arg)
{
    deferred *note = lh_arena_alloc(arena, sizeof(*note));
    if (note == NULL)
        return 0;
    *note = (deferred){arena->deferred, fn, arg};
    arena->deferred = note;
    return 1;
}
