/* container.c - opens a section file and believes nothing: there is exactly one layout for given
 * section lengths, and every byte is checked against it (padding and blocks by verify, all else by
 * open). */
#include "base/container_private.h"

#include "base/hash.h"
#include "base/hash_private.h"
#include "base/num.h"

size_t lhi_container_name_len(const char *name, size_t room)
{
    size_t len = strnlen(name, room);
    for (size_t i = len; i < room; i++)
        if (name[i] != '\0')
            return room + 1;
    return len;
}

int lhi_container_name_ok(lh_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'))
            return 0;
    }
    return name.len > 0;
}

uint64_t lhi_container_checksum(const lhi_container_header *header, lh_str tables)
{
    lhi_container_header copy = *header;
    copy.checksum = 0;
    const lh_str parts[] = {lh_str_n(&copy, sizeof(copy)), tables};
    return lhi_hash64_parts(parts, LH_ARRAY_LEN(parts));
}

#define CORRUPT(cx, ...) lh_fail((cx), LH_E_CORRUPT, __VA_ARGS__)

static lh_rc check_header(lh_ctx *cx, const lhi_container_header *header, uint64_t bytes_count)
{
    if (memcmp(header->magic, LHI_CONTAINER_MAGIC, sizeof(header->magic)) != 0)
        return CORRUPT(cx, "not a container file: wrong magic");
    if (header->version != LHI_CONTAINER_VERSION)
        return CORRUPT(cx, "container version %u, this program reads %u", header->version,
                       LHI_CONTAINER_VERSION);
    if (header->file_bytes != bytes_count)
        return CORRUPT(cx, "container says %llu bytes, the file has %llu",
                       (unsigned long long)header->file_bytes, (unsigned long long)bytes_count);
    if (header->flags != 0)
        return CORRUPT(cx, "container has flags of a later version");
    if (!lhi_container_name_ok(
            (lh_str){header->kind, LH_MIN(lhi_container_name_len(header->kind, LHI_CONTAINER_KIND),
                                          (size_t)LHI_CONTAINER_KIND)}) ||
        lhi_container_name_len(header->kind, LHI_CONTAINER_KIND) > LHI_CONTAINER_KIND)
        return CORRUPT(cx, "container kind is not a name");
    if (header->sections > LH_CONTAINER_SECTIONS_MAX)
        return CORRUPT(cx, "container has %u sections, the most is %d", header->sections,
                       LH_CONTAINER_SECTIONS_MAX);
    uint64_t table_bytes = (uint64_t)header->sections * sizeof(lh_container_section);
    if (header->table_offset < sizeof(*header) || header->table_offset % LHI_CONTAINER_ALIGN != 0 ||
        header->table_offset > bytes_count || bytes_count - header->table_offset < table_bytes)
        return CORRUPT(cx, "container table lies outside the file");
    if ((bytes_count - header->table_offset - table_bytes) % sizeof(uint64_t) != 0)
        return CORRUPT(cx, "container checksums do not end with the file");
    lh_str tables = {(const char *)header + header->table_offset,
                     bytes_count - header->table_offset};
    if (lhi_container_checksum(header, tables) != header->checksum)
        return CORRUPT(cx, "container header checksum does not match");
    return LH_OK;
}

static lh_str section_name(const lh_container_section *section)
{
    return (lh_str){section->name, strnlen(section->name, sizeof(section->name))};
}

static lh_rc check_section(lh_ctx *cx, const lh_container *c, uint32_t index, uint64_t *end,
                           uint64_t *checksums)
{
    const lh_container_section *section = &c->sections[index];
    if (lhi_container_name_len(section->name, sizeof(section->name)) > sizeof(section->name) ||
        !lhi_container_name_ok(section_name(section)))
        return CORRUPT(cx, "container section %u has no proper name", index);
    lh_str name = section_name(section);
    for (uint32_t i = 0; i < index; i++)
        if (lh_str_eq(section_name(&c->sections[i]), name))
            return CORRUPT(cx, "container section \"%.*s\" comes twice", LH_STR_ARG(name));
    if (section->offset != lhi_container_align(*end))
        return CORRUPT(cx, "container section \"%.*s\" does not start where the one before ends",
                       LH_STR_ARG(name));
    uint64_t limit = c->bytes_count - (uint64_t)c->section_count * sizeof(lh_container_section) -
                     c->checksum_count * sizeof(uint64_t);
    if (section->offset > limit || section->bytes > limit - section->offset)
        return CORRUPT(cx, "container section \"%.*s\" reaches past the data", LH_STR_ARG(name));
    if (section->item_bytes == 0 || section->bytes % section->item_bytes != 0)
        return CORRUPT(cx, "container section \"%.*s\" is not whole items of %u bytes",
                       LH_STR_ARG(name), section->item_bytes);
    if (section->flags != 0 || section->reserved != 0)
        return CORRUPT(cx, "container section \"%.*s\" has flags of a later version",
                       LH_STR_ARG(name));
    if (section->checksum_first != *checksums)
        return CORRUPT(cx, "container section \"%.*s\" has its checksums elsewhere",
                       LH_STR_ARG(name));
    *end = section->offset + section->bytes;
    *checksums += lhi_container_blocks(section->bytes);
    return LH_OK;
}

uint64_t lh_container_length(lh_str bytes)
{
    lhi_container_header header;
    if (bytes.len < sizeof header)
        return 0;
    memcpy(&header, bytes.ptr, sizeof header);
    if (memcmp(header.magic, LHI_CONTAINER_MAGIC, sizeof header.magic) != 0 ||
        header.file_bytes < sizeof header || header.file_bytes > bytes.len)
        return 0;
    return header.file_bytes;
}

lh_rc lh_container_open_any(lh_ctx *cx, lh_str bytes, lh_container *ret)
{
    /* The length first: the bytes of an empty file may lie anywhere. */
    if (bytes.len < sizeof(lhi_container_header) || bytes.len >= LHI_CONTAINER_BYTES_MAX)
        return CORRUPT(cx, "a container of %zu bytes cannot be", bytes.len);
    lh_assert((uintptr_t)bytes.ptr % sizeof(uint64_t) == 0);
    const lhi_container_header *header = (const lhi_container_header *)(const void *)bytes.ptr;
    LH_TRY(check_header(cx, header, bytes.len));

    uint64_t checksums_offset =
        header->table_offset + (uint64_t)header->sections * sizeof(lh_container_section);
    lh_container c = {
        .bytes = (const uint8_t *)bytes.ptr,
        .bytes_count = bytes.len,
        .kind = {header->kind, lhi_container_name_len(header->kind, LHI_CONTAINER_KIND)},
        .kind_version = header->kind_version,
        .section_count = header->sections,
        .sections = (const lh_container_section *)(const void *)(bytes.ptr + header->table_offset),
        .checksums = (const uint64_t *)(const void *)(bytes.ptr + checksums_offset),
        .checksum_count = (bytes.len - checksums_offset) / sizeof(uint64_t),
    };
    uint64_t end = sizeof(*header);
    uint64_t checksums = 0;
    for (uint32_t i = 0; i < c.section_count; i++)
        LH_TRY(check_section(cx, &c, i, &end, &checksums));
    if (lhi_container_align(end) != header->table_offset)
        return CORRUPT(cx, "container table does not start where the last section ends");
    if (checksums != c.checksum_count)
        return CORRUPT(cx, "container has %llu block checksums, its sections need %llu",
                       (unsigned long long)c.checksum_count, (unsigned long long)checksums);
    *ret = c;
    return LH_OK;
}

lh_rc lh_container_open(lh_ctx *cx, lh_str bytes, lh_str kind, lh_container *ret)
{
    lh_container c;
    LH_TRY(lh_container_open_any(cx, bytes, &c));
    if (!lh_str_eq(c.kind, kind))
        return CORRUPT(cx, "container is a \"%.*s\", wanted \"%.*s\"", LH_STR_ARG(c.kind),
                       LH_STR_ARG(kind));
    *ret = c;
    return LH_OK;
}

static const lh_container_section *find_section(const lh_container *c, lh_str name)
{
    for (uint32_t i = 0; i < c->section_count; i++)
        if (lh_str_eq(section_name(&c->sections[i]), name))
            return &c->sections[i];
    return NULL;
}

int lh_container_has(const lh_container *c, lh_str name)
{
    return find_section(c, name) != NULL;
}

lh_rc lh_container_get(lh_ctx *cx, const lh_container *c, lh_str name, uint32_t item_bytes,
                       lh_str *ret_bytes)
{
    const lh_container_section *section = find_section(c, name);
    if (section == NULL)
        return CORRUPT(cx, "container \"%.*s\" has no section \"%.*s\"", LH_STR_ARG(c->kind),
                       LH_STR_ARG(name));
    if (item_bytes != 0 && section->item_bytes != item_bytes)
        return CORRUPT(cx, "container section \"%.*s\" has items of %u bytes, wanted %u",
                       LH_STR_ARG(name), section->item_bytes, item_bytes);
    *ret_bytes = lh_str_n(c->bytes + section->offset, section->bytes);
    return LH_OK;
}

static lh_rc verify_section(lh_ctx *cx, const lh_container *c, const lh_container_section *section)
{
    lh_str rest = lh_str_n(c->bytes + section->offset, section->bytes);
    for (uint64_t block = 0; rest.len > 0; block++) {
        lh_str bytes = lh_str_sub(rest, 0, LH_CONTAINER_BLOCK_BYTES);
        if (lh_hash64(bytes, 0) != c->checksums[section->checksum_first + block])
            return CORRUPT(cx, "container section \"%.*s\": block %llu fails its checksum",
                           LH_STR_ARG(section_name(section)), (unsigned long long)block);
        rest = lh_str_from_offset(rest, bytes.len);
        LH_TRY(lh_ctx_check(cx));
    }
    uint64_t end = section->offset + section->bytes;
    for (uint64_t at = end; at < lhi_container_align(end); at++)
        if (c->bytes[at] != 0)
            return CORRUPT(cx, "container section \"%.*s\" has bytes in its padding",
                           LH_STR_ARG(section_name(section)));
    return LH_OK;
}

lh_rc lh_container_verify(lh_ctx *cx, const lh_container *c)
{
    for (uint32_t i = 0; i < c->section_count; i++)
        LH_TRY(verify_section(cx, c, &c->sections[i]));
    return LH_OK;
}

lh_rc lh_container_verify_section(lh_ctx *cx, const lh_container *c, lh_str name)
{
    for (uint32_t i = 0; i < c->section_count; i++)
        if (lh_str_eq(section_name(&c->sections[i]), name))
            return verify_section(cx, c, &c->sections[i]);
    return CORRUPT(cx, "container section \"%.*s\" is missing", LH_STR_ARG(name));
}
