/* os/pages.h - large memory straight from the kernel: zeroed, aligned to 64 bytes, in huge pages
 * where the kernel has them.
 *
 * Owns:    the caller owns what alloc gives and hands it back to free with its size.
 * Threads: any.
 * Limits:  the machine's memory; less than 2 MiB comes from the heap.
 * Formats: none.
 * Why:     index builds read gigabytes at random: small pages cost them a table walk per row. */
#ifndef LH_OS_PAGES_H
#define LH_OS_PAGES_H

#include "base/attr.h"

typedef struct lh_pages {
    void *ptr; /* NULL: none */
    size_t bytes;
    void *base;
    size_t base_bytes;
} lh_pages;

/* 0 when out of memory. bytes may be 0. */
LH_WARN_UNUSED int lh_pages_alloc(lh_pages *pages, size_t bytes);
void lh_pages_free(lh_pages *pages); /* safe on a zeroed or freed one */
LH_DEFINE_CLEANUP_VALUE(lh_pages, lh_pages_free)

#endif
