/* mem.c - malloc behind one door, so that a test can refuse the n-th allocation. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_int fail_armed; /* 0 off, 1 once, 2 from then on */
static _Atomic uint64_t fail_left;
static _Atomic uint64_t fail_count;

LH_COLD static int refuse_armed(int armed)
{
    uint64_t left = atomic_load(&fail_left);
    while (left > 0)
        if (atomic_compare_exchange_weak(&fail_left, &left, left - 1))
            return 0;
    if (armed == 1) {
        int once = 1;
        if (!atomic_compare_exchange_strong(&fail_armed, &once, 0))
            return 0;
    }
    atomic_fetch_add(&fail_count, 1);
    return 1;
}

static inline int refuse(void)
{
    int armed = atomic_load_explicit(&fail_armed, memory_order_relaxed);
    return LH_UNLIKELY(armed != 0) && refuse_armed(armed);
}

void *lh_alloc(size_t bytes)
{
    return refuse() ? NULL : malloc(bytes ? bytes : 1);
}

void *lh_alloc_zero(size_t count, size_t item_bytes)
{
    size_t bytes;
    if (refuse() || __builtin_mul_overflow(count, item_bytes, &bytes))
        return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *lh_realloc(void *ptr, size_t bytes)
{
    return refuse() ? NULL : realloc(ptr, bytes ? bytes : 1);
}

void *lh_realloc_array(void *ptr, size_t count, size_t item_bytes)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, item_bytes, &bytes))
        return NULL;
    return lh_realloc(ptr, bytes);
}

void *lh_free(void *ptr)
{
    free(ptr);
    return NULL;
}

char *lh_strdup(const char *c_string)
{
    size_t bytes = strlen(c_string) + 1;
    char *copy = lh_alloc(bytes);
    if (copy != NULL)
        memcpy(copy, c_string, bytes);
    return copy;
}

void lh_alloc_fail_after(uint64_t n, int forever)
{
    atomic_store(&fail_armed, 0);
    atomic_store(&fail_count, 0);
    atomic_store(&fail_left, n);
    atomic_store(&fail_armed, forever ? 2 : 1);
}

void lh_alloc_fail_off(void)
{
    atomic_store(&fail_armed, 0);
}

uint64_t lh_alloc_failures(void)
{
    return atomic_load(&fail_count);
}
