#include "base/mem.h"

#include "fixture.h"

LH_TEST(the_nth_allocation_fails_once_or_from_then_on)
{
    lh_alloc_fail_after(1, 0);
    void *a = lh_alloc(1), *b = lh_alloc(1), *c = lh_alloc(1);
    ck_assert(a && !b && c);
    ck_assert_uint_eq(lh_alloc_failures(), 1);
    lh_alloc_fail_after(0, 1);
    void *d = lh_alloc_zero(1, 1), *e = lh_realloc(a, 100);
    ck_assert(!d && !e); /* a is still ours */
    ck_assert_uint_eq(lh_alloc_failures(), 2);
    lh_alloc_fail_off();
    lh_free(a);
    lh_free(c);
    ck_assert_ptr_null(lh_free(NULL));
}

LH_TEST(products_that_wrap_are_refused)
{
    size_t half = SIZE_MAX / 2;
    void *volatile p = lh_realloc_array(NULL, half, 3);
    ck_assert_ptr_null(p);
    ck_assert_ptr_null(lh_alloc_zero(half, 3));
    void *empty = lh_alloc(0), *empty2 = lh_alloc_zero(0, 8);
    ck_assert(empty && empty2);
    lh_free(empty);
    lh_free(empty2);
    char *copy = lh_strdup("text");
    ck_assert_str_eq(copy, "text");
    lh_free(copy);
}

LH_TEST(an_arena_gives_aligned_memory_that_does_not_overlap)
{
    lh_arena *arena = lh_arena_new(0);
    unsigned char *parts[300];
    for (size_t i = 0; i < LH_ARRAY_LEN(parts); i++) {
        size_t bytes = i * 37 % 5000 + 1;
        parts[i] = lh_arena_alloc(arena, bytes);
        ck_assert_ptr_nonnull(parts[i]);
        ck_assert_uint_eq((uintptr_t)parts[i] % 16, 0);
        memset(parts[i], (int)(i & 0xff), bytes);
    }
    for (size_t i = 0; i < LH_ARRAY_LEN(parts); i++)
        for (size_t b = 0; b < i * 37 % 5000 + 1; b++)
            if (parts[i][b] != (unsigned char)(i & 0xff))
                ck_abort_msg("part %zu was overwritten", i);
    lh_arena_free(arena);
}

LH_TEST(an_arena_stops_at_its_limit)
{
    lh_arena *arena = lh_arena_new(4096);
    ck_assert_ptr_null(lh_arena_alloc(arena, 4097));
    ck_assert_ptr_nonnull(lh_arena_alloc(arena, 4095));
    ck_assert_ptr_null(lh_arena_alloc(arena, 1));
    lh_arena_reset(arena);
    ck_assert_uint_eq(lh_arena_bytes(arena), 0);
    ck_assert_ptr_nonnull(lh_arena_alloc(arena, 4096));
    ck_assert_ptr_null(lh_arena_alloc(arena, SIZE_MAX));
    ck_assert_ptr_null(lh_arena_alloc(arena, SIZE_MAX - 8));
    lh_arena_free(arena);
    ck_assert_ptr_null(lh_arena_free(NULL));
}

static int calls[4];
static int calls_count;

static void note(void *arg)
{
    calls[calls_count++] = *(int *)arg; /* the argument lies in the arena and must still be there */
}

LH_TEST(deferred_calls_run_newest_first)
{
    lh_arena *arena = lh_arena_new(0);
    for (int i = 0; i < 3; i++) {
        int *number = lh_arena_alloc(arena, sizeof(int));
        *number = i;
        ck_assert(lh_arena_defer(arena, note, number));
    }
    lh_arena_reset(arena);
    ck_assert_int_eq(calls_count, 3);
    ck_assert(calls[0] == 2 && calls[1] == 1 && calls[2] == 0);
    lh_arena_free(arena);
    ck_assert_int_eq(calls_count, 3);
}

LH_TEST(an_arena_survives_a_failed_allocation)
{
    lh_arena *arena = lh_arena_new(0);
    lh_alloc_fail_after(0, 0);
    ck_assert_ptr_null(lh_arena_alloc(arena, 100000));
    ck_assert_ptr_nonnull(lh_arena_alloc(arena, 100000));
    lh_alloc_fail_after(0, 0);
    ck_assert_ptr_null(lh_arena_new(0));
    lh_alloc_fail_off();
    lh_arena_free(arena);
}
