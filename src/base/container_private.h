/* container_private.h - the header as it lies in the file; private to base/.
 *
 * Owns: nothing. Threads: pure. Limits: little-endian machines. Formats: see container.h. Why: one
 *       place for reader and
 * writer. */
#ifndef LH_BASE_CONTAINER_PRIVATE_H
#define LH_BASE_CONTAINER_PRIVATE_H

#include "base/container.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is mapped as it is");

#define LHI_CONTAINER_MAGIC   "LHCF"
#define LHI_CONTAINER_VERSION 1u
#define LHI_CONTAINER_ALIGN   64u
#define LHI_CONTAINER_KIND    16u
/* No offset reaches it, so sums of two offsets cannot wrap. */
#define LHI_CONTAINER_BYTES_MAX (UINT64_C(1) << 62)

typedef struct lhi_container_header {
    char magic[4];
    uint32_t version;
    char kind[LHI_CONTAINER_KIND]; /* zero-padded */
    uint64_t file_bytes;
    uint64_t table_offset;
    uint32_t sections;
    uint32_t kind_version;
    uint64_t flags; /* 0 in version 1 */
    uint64_t checksum;
} lhi_container_header;
_Static_assert(sizeof(lhi_container_header) == 64, "the header is stored as it is");

static inline uint64_t lhi_container_align(uint64_t offset)
{
    return (offset + LHI_CONTAINER_ALIGN - 1) & ~(uint64_t)(LHI_CONTAINER_ALIGN - 1);
}
static inline uint64_t lhi_container_blocks(uint64_t bytes)
{
    return bytes / LH_CONTAINER_BLOCK_BYTES + (bytes % LH_CONTAINER_BLOCK_BYTES != 0);
}
/* The text of a zero-padded name; len == room + 1 when it is not padded with zeros to its end. */
size_t lhi_container_name_len(const char *name, size_t room);
/* 1 for names a section or a kind may have: [a-z0-9._-]+. */
int lhi_container_name_ok(lh_str name);
/* Of the header with its checksum taken as 0, and what follows the sections. */
uint64_t lhi_container_checksum(const lhi_container_header *header, lh_str tables);

#endif
