/* container_write.c - writes a section file front to back in constant memory: sections stream
 * through one block buffer (whole blocks of the caller's bytes go past it), table and checksums
 * follow, the header comes last. Until then the file has no magic, so a torn write can never be
 * taken for a container. */
#include "base/container_private.h"

#include "base/hash.h"

struct lh_container_writer {
    lh_container_sink sink;
    lhi_container_header header;
    uint64_t offset; /* of the next byte to hand to the sink */
    int in_section;
    int is_finished;
    lh_container_section sections[LH_CONTAINER_SECTIONS_MAX];
    uint64_t *checksums;
    size_t checksum_count;
    size_t checksum_capacity;
    uint8_t *block; /* LH_CONTAINER_BLOCK_BYTES */
    size_t block_len;
};

lh_rc lh_container_writer_new(lh_ctx *cx, lh_container_sink sink, lh_str kind,
                              uint32_t kind_version, lh_container_writer **ret)
{
    lh_assert(sink.write_at != NULL);
    lh_assert(kind.len <= LHI_CONTAINER_KIND && lhi_container_name_ok(kind));
    lh_container_writer *w LH_CLEANUP(lh_container_writer_free) = lh_alloc_zero(1, sizeof(*w));
    if (w == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a container writer");
    w->block = lh_alloc(LH_CONTAINER_BLOCK_BYTES);
    if (w->block == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a block of %u bytes",
                       LH_CONTAINER_BLOCK_BYTES);
    w->sink = sink;
    memcpy(w->header.magic, LHI_CONTAINER_MAGIC, sizeof(w->header.magic));
    w->header.version = LHI_CONTAINER_VERSION;
    memcpy(w->header.kind, kind.ptr, kind.len);
    w->header.kind_version = kind_version;
    w->offset = sizeof(w->header);
    *ret = LH_TAKE(w);
    return LH_OK;
}

lh_container_writer *lh_container_writer_free(lh_container_writer *w)
{
    if (w == NULL)
        return NULL;
    lh_free(w->block);
    lh_free(w->checksums);
    return lh_free(w);
}

static lh_rc put(lh_ctx *cx, lh_container_writer *w, lh_str bytes)
{
    if (bytes.len >= LHI_CONTAINER_BYTES_MAX - w->offset)
        return lh_fail(cx, LH_E_TOO_LARGE, "a container may not reach 2^62 bytes");
    LH_TRY(w->sink.write_at(cx, w->sink.arg, w->offset, bytes));
    w->offset += bytes.len;
    return LH_OK;
}

static lh_container_section *current(lh_container_writer *w)
{
    lh_assert(w->in_section);
    return &w->sections[w->header.sections - 1];
}

lh_rc lh_container_section_begin(lh_ctx *cx, lh_container_writer *w, lh_str name,
                                 uint32_t item_bytes)
{
    lh_assert(!w->in_section && !w->is_finished);
    lh_assert(name.len <= LH_CONTAINER_NAME_MAX && lhi_container_name_ok(name));
    lh_assert(item_bytes > 0);
    if (w->header.sections == LH_CONTAINER_SECTIONS_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "a container has at most %d sections",
                       LH_CONTAINER_SECTIONS_MAX);
    lh_container_section section = {
        .offset = w->offset, .item_bytes = item_bytes, .checksum_first = w->checksum_count};
    memcpy(section.name, name.ptr, name.len);
    for (uint32_t i = 0; i < w->header.sections; i++)
        lh_assert(memcmp(w->sections[i].name, section.name, sizeof(section.name)) != 0);
    w->sections[w->header.sections++] = section;
    w->in_section = 1;
    return LH_OK;
}

static lh_rc add_checksum(lh_ctx *cx, lh_container_writer *w, uint64_t checksum)
{
    if (w->checksum_count == w->checksum_capacity) {
        size_t capacity = w->checksum_capacity ? 2 * w->checksum_capacity : 16;
        uint64_t *grown = lh_realloc_array(w->checksums, capacity, sizeof(*grown));
        if (grown == NULL)
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory for %zu block checksums", capacity);
        w->checksums = grown;
        w->checksum_capacity = capacity;
    }
    w->checksums[w->checksum_count++] = checksum;
    return LH_OK;
}

static lh_rc put_block(lh_ctx *cx, lh_container_writer *w, lh_str bytes)
{
    LH_TRY(add_checksum(cx, w, lh_hash64(bytes, 0)));
    return put(cx, w, bytes);
}

static lh_rc flush_block(lh_ctx *cx, lh_container_writer *w)
{
    if (w->block_len == 0)
        return LH_OK;
    lh_str bytes = lh_str_n(w->block, w->block_len);
    w->block_len = 0;
    return put_block(cx, w, bytes);
}

lh_rc lh_container_section_write(lh_ctx *cx, lh_container_writer *w, lh_str bytes)
{
    current(w)->bytes += bytes.len;
    while (bytes.len > 0) {
        if (w->block_len == 0 && bytes.len >= LH_CONTAINER_BLOCK_BYTES) {
            LH_TRY(put_block(cx, w, lh_str_sub(bytes, 0, LH_CONTAINER_BLOCK_BYTES)));
            bytes = lh_str_from_offset(bytes, LH_CONTAINER_BLOCK_BYTES);
            continue;
        }
        size_t len = LH_MIN(bytes.len, (size_t)LH_CONTAINER_BLOCK_BYTES - w->block_len);
        memcpy(w->block + w->block_len, bytes.ptr, len);
        w->block_len += len;
        bytes = lh_str_from_offset(bytes, len);
        if (w->block_len == LH_CONTAINER_BLOCK_BYTES)
            LH_TRY(flush_block(cx, w));
    }
    return LH_OK;
}

lh_rc lh_container_section_end(lh_ctx *cx, lh_container_writer *w)
{
    static const char zeros[LHI_CONTAINER_ALIGN];
    lh_assert(current(w)->bytes % current(w)->item_bytes == 0);
    LH_TRY(flush_block(cx, w));
    w->in_section = 0;
    uint64_t padding = lhi_container_align(w->offset) - w->offset;
    return padding > 0 ? put(cx, w, (lh_str){zeros, padding}) : LH_OK;
}

lh_rc lh_container_add(lh_ctx *cx, lh_container_writer *w, lh_str name, uint32_t item_bytes,
                       lh_str bytes)
{
    LH_TRY(lh_container_section_begin(cx, w, name, item_bytes));
    LH_TRY(lh_container_section_write(cx, w, bytes));
    return lh_container_section_end(cx, w);
}

/* Table and checksums as one piece: the header's checksum covers them together. */
static lh_rc join_tables(lh_ctx *cx, const lh_container_writer *w, char **ret, size_t *ret_len)
{
    size_t table_bytes = w->header.sections * sizeof(lh_container_section);
    size_t checksum_bytes = w->checksum_count * sizeof(uint64_t);
    char *tables = lh_alloc(table_bytes + checksum_bytes);
    if (tables == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the tables of a container");
    memcpy(tables, w->sections, table_bytes);
    if (checksum_bytes > 0)
        memcpy(tables + table_bytes, w->checksums, checksum_bytes);
    *ret = tables;
    *ret_len = table_bytes + checksum_bytes;
    return LH_OK;
}

lh_rc lh_container_finish(lh_ctx *cx, lh_container_writer *w, uint64_t *ret_file_bytes)
{
    lh_assert(!w->in_section && !w->is_finished);
    char *tables = NULL;
    size_t len = 0;
    w->header.table_offset = w->offset;
    LH_TRY(join_tables(cx, w, &tables, &len));
    w->header.file_bytes = w->offset + len;
    w->header.checksum = lhi_container_checksum(&w->header, (lh_str){tables, len});
    lh_rc rc = len > 0 ? put(cx, w, (lh_str){tables, len}) : LH_OK;
    lh_free(tables);
    LH_TRY(rc);
    LH_TRY(w->sink.write_at(cx, w->sink.arg, 0, lh_str_n(&w->header, sizeof(w->header))));
    w->is_finished = 1;
    *ret_file_bytes = w->header.file_bytes;
    return LH_OK;
}
