/* fuzz_container.c - opening, reading and verifying hostile container files never reads outside
 * them. A checksum is no defence: when the first byte is not the magic's, the fuzzer repairs magic,
 * size and header checksum, so that the checks of the layout are reached.
 * links: base */
#include "base/container.h"
#include "base/container_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair(char *bytes, size_t size)
{
    lhi_container_header *header = (lhi_container_header *)(void *)bytes;
    memcpy(header->magic, LHI_CONTAINER_MAGIC, sizeof(header->magic));
    header->version = LHI_CONTAINER_VERSION;
    header->file_bytes = size;
    if (header->table_offset <= size)
        header->checksum = lhi_container_checksum(
            header, lh_str_n(bytes + header->table_offset, size - header->table_offset));
}

static void read_all(lh_ctx *cx, const lh_container *c)
{
    static volatile uint8_t sum;
    for (uint32_t i = 0; i < c->section_count; i++) {
        lh_str name =
            lh_str_n(c->sections[i].name, strnlen(c->sections[i].name, LH_CONTAINER_NAME_MAX));
        lh_str bytes;
        lh_assert(lh_container_has(c, name));
        lh_assert(lh_container_get(cx, c, name, c->sections[i].item_bytes, &bytes) == LH_OK);
        for (size_t at = 0; at < bytes.len; at++)
            sum = (uint8_t)(sum + (uint8_t)bytes.ptr[at]);
    }
    LH_IGNORE(lh_container_verify(cx, c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    char *bytes = lh_alloc(size); /* aligned, and exactly as long as the file */
    lh_assert(bytes != NULL);
    if (size > 0)
        memcpy(bytes, data, size);
    if (size >= sizeof(lhi_container_header) && bytes[0] != LHI_CONTAINER_MAGIC[0])
        repair(bytes, size);
    lh_container c;
    lh_rc rc = lh_container_open_any(&cx, lh_str_n(bytes, size), &c);
    lh_assert(rc == LH_OK || rc == LH_E_CORRUPT);
    if (rc == LH_OK)
        read_all(&cx, &c);
    lh_free(bytes);
    lh_arena_free(arena);
    return 0;
}
