/* base/container.h - the one checksummed section file of every binary file we own.
 *
 *   0          64                                              table_offset
 *   +----------+-----------+-----------+-- ... --+-------------+---------------------+
 *   | header   | section 0 | section 1 |         | table:      | block checksums:    |
 *   | 64 bytes | (64-byte  |           |         | 64 bytes    | u64 per 256 KiB of  |
 *   |          |  aligned) |           |         | per section | each section        |
 *   +----------+-----------+-----------+-- ... --+-------------+---------------------+
 *   header: "LHCF", u32 version, kind[16], u64 file_bytes, u64 table_offset, u32 sections,
 *           u32 kind_version, u64 flags, u64 checksum (XXH3-64 of the header with this field 0,
 *           then table, then block checksums)
 *
 * Owns:    a reader borrows the mapped bytes; a writer borrows its sink.
 * Threads: a reader is immutable after open; a writer is one thread.
 * Limits:  LH_CONTAINER_SECTIONS_MAX sections; offsets below 2^62.
 * Formats: little-endian; version 1. Opening checks every offset, length, alignment and the
 *          header's checksum, in time that does not grow with the data; blocks are checked by
 *          lh_container_verify.
 * Why:     one reader that trusts nothing, fuzzed once for vector segments, models and indexes
 *          (docs/adr/0005). */
#ifndef LH_BASE_CONTAINER_H
#define LH_BASE_CONTAINER_H

#include "base/ctx.h"

#define LH_CONTAINER_SECTIONS_MAX 256
#define LH_CONTAINER_BLOCK_BYTES  (256u * 1024u)
#define LH_CONTAINER_NAME_MAX     24 /* bytes of a section's name */

typedef struct lh_container_section {
    char name[LH_CONTAINER_NAME_MAX]; /* zero-padded */
    uint64_t offset;
    uint64_t bytes;
    uint32_t item_bytes; /* bytes is a multiple of it; 1 for raw bytes */
    uint32_t flags;
    uint64_t checksum_first; /* index of its first block checksum */
    uint64_t reserved;
} lh_container_section;
_Static_assert(sizeof(lh_container_section) == 64, "the table is stored as it is");

typedef struct lh_container {
    const uint8_t *bytes; /* borrowed */
    uint64_t bytes_count;
    lh_str kind; /* borrowed from the file */
    uint32_t kind_version;
    uint32_t section_count;
    const lh_container_section *sections;
    const uint64_t *checksums;
    uint64_t checksum_count;
} lh_container;

/* bytes must be 8-byte aligned (a mapping is). Errors: LH_E_CORRUPT that names what is wrong. */
LH_WARN_UNUSED lh_rc lh_container_open(lh_ctx *cx, lh_str bytes, lh_str kind, lh_container *ret);
/* As open, but of any kind: for inspect and fsck. */
LH_WARN_UNUSED lh_rc lh_container_open_any(lh_ctx *cx, lh_str bytes, lh_container *ret);
/* The section's bytes; LH_E_CORRUPT when absent, or its item size is not item_bytes (0 = any). */
LH_WARN_UNUSED lh_rc lh_container_get(lh_ctx *cx, const lh_container *c, lh_str name,
                                      uint32_t item_bytes, lh_str *ret_bytes);
int lh_container_has(const lh_container *c, lh_str name);
/* Bytes of the container that begins where these do, by its header; 0 when none does or they end
 * before it. For files that hold several, one after another. Nothing else is checked. */
uint64_t lh_container_length(lh_str bytes);
LH_WARN_UNUSED lh_rc lh_container_verify(lh_ctx *cx,
                                         const lh_container *c); /* every block of every section */
/* Every block of one section, for a reader that touches only a part of a large file. */
LH_WARN_UNUSED lh_rc lh_container_verify_section(lh_ctx *cx, const lh_container *c, lh_str name);

/* Where a writer's bytes go. write_at is called with rising offsets, and once more at offset 0. */
typedef struct lh_container_sink {
    lh_rc (*write_at)(lh_ctx *cx, void *arg, uint64_t offset, lh_str bytes);
    void *arg;
} lh_container_sink;

typedef struct lh_container_writer lh_container_writer;
LH_WARN_UNUSED lh_rc lh_container_writer_new(lh_ctx *cx, lh_container_sink sink, lh_str kind,
                                             uint32_t kind_version, lh_container_writer **ret);
LH_WARN_UNUSED lh_rc lh_container_section_begin(lh_ctx *cx, lh_container_writer *w, lh_str name,
                                                uint32_t item_bytes);
LH_WARN_UNUSED lh_rc lh_container_section_write(lh_ctx *cx, lh_container_writer *w,
                                                lh_str bytes); /* any number of times */
LH_WARN_UNUSED lh_rc lh_container_section_end(lh_ctx *cx, lh_container_writer *w);
LH_WARN_UNUSED lh_rc lh_container_add(lh_ctx *cx, lh_container_writer *w, lh_str name,
                                      uint32_t item_bytes, lh_str bytes);
/* Writes table, checksums and at last the header. The file is valid only after this. */
LH_WARN_UNUSED lh_rc lh_container_finish(lh_ctx *cx, lh_container_writer *w,
                                         uint64_t *ret_file_bytes);
lh_container_writer *lh_container_writer_free(lh_container_writer *w);
LH_DEFINE_CLEANUP(lh_container_writer, lh_container_writer_free)

#endif
