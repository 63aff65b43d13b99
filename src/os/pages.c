/* pages.c - anonymous mappings aligned to huge pages; small pieces from the heap, so that the
 * allocation counter and the sanitizer see them. */
#include "os/pages.h"

#include "base/mem.h"

#include <stdint.h>
#include <sys/mman.h>

#define HUGE_BYTES  ((size_t)2 << 20)
#define ALIGN_BYTES ((size_t)64)

static int from_heap(lh_pages *pages, size_t bytes)
{
    char *base = lh_alloc_zero(1, bytes + ALIGN_BYTES);
    if (!base)
        return 0;
    size_t skip = (ALIGN_BYTES - (uintptr_t)base % ALIGN_BYTES) % ALIGN_BYTES;
    *pages = (lh_pages){base + skip, bytes, base, 0};
    return 1;
}

int lh_pages_alloc(lh_pages *pages, size_t bytes)
{
    if (bytes < HUGE_BYTES)
        return from_heap(pages, bytes);
    if (bytes > SIZE_MAX / 2)
        return 0;
    size_t whole = (bytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    char *base = mmap(NULL, whole + HUGE_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return 0;
    size_t skip = (HUGE_BYTES - (uintptr_t)base % HUGE_BYTES) % HUGE_BYTES;
    /* Advice only: kernels without huge pages say no. */
    (void)madvise(base + skip, whole, MADV_HUGEPAGE);
    *pages = (lh_pages){base + skip, bytes, base, whole + HUGE_BYTES};
    return 1;
}

void lh_pages_free(lh_pages *pages)
{
    if (pages->base_bytes > 0) {
        int rc = munmap(pages->base, pages->base_bytes);
        lh_assert(rc == 0);
    } else if (pages->base) {
        lh_free(pages->base);
    }
    *pages = (lh_pages){0};
}
