/* search/chunk_body.c - packs bodies by blocks of rows and unpacks the block of one; what is
 * unpacked is measured before it is believed. */
#include "search/chunk_body_private.h"

#include <zstd.h>

enum { BLOCK_BYTES = 32 * 1024, LEVEL = 1 };
/* A block is full with the body that passes BLOCK_BYTES. */
#define RAW_BYTES_MAX    (LH_CHUNK_BODY_BYTES_MAX + 8u * BLOCK_BYTES)
#define PACKED_BYTES_MAX ((size_t)4 << 30)

void lhi_bodies_init(lhi_bodies *b)
{
    *b = (lhi_bodies){0};
    lh_buf_init(&b->sizes, 4u * BLOCK_BYTES);
    lh_buf_init(&b->block, RAW_BYTES_MAX);
    lh_buf_init(&b->raw, 2u * RAW_BYTES_MAX);
    lh_buf_init(&b->packed, PACKED_BYTES_MAX);
    lh_buf_init(&b->offsets, PACKED_BYTES_MAX);
    lh_buf_init(&b->firsts, PACKED_BYTES_MAX);
}

void lhi_bodies_done(lhi_bodies *b)
{
    lh_buf_done(&b->sizes);
    lh_buf_done(&b->block);
    lh_buf_done(&b->raw);
    lh_buf_done(&b->packed);
    lh_buf_done(&b->offsets);
    lh_buf_done(&b->firsts);
}

static lh_rc begin_block(lh_ctx *cx, lhi_bodies *b)
{
    uint64_t offset = b->packed.len;
    LH_TRY(lh_buf_append(cx, &b->offsets, lh_str_n(&offset, sizeof offset)));
    return lh_buf_append(cx, &b->firsts, lh_str_n(&b->rows, sizeof b->rows));
}

static lh_rc end_block(lh_ctx *cx, lhi_bodies *b)
{
    lh_buf_truncate(&b->raw, 0);
    LH_TRY(lh_buf_append(cx, &b->raw, lh_buf_str(&b->sizes)));
    LH_TRY(lh_buf_append(cx, &b->raw, lh_buf_str(&b->block)));
    size_t bound = ZSTD_compressBound(b->raw.len);
    LH_TRY(lh_buf_reserve(cx, &b->packed, bound));
    size_t got = ZSTD_compress(b->packed.ptr + b->packed.len, bound, b->raw.ptr, b->raw.len, LEVEL);
    if (ZSTD_isError(got))
        return lh_fail(cx, LH_E_NO_MEMORY, "packing %zu bytes", b->raw.len);
    b->packed.len += got;
    lh_buf_truncate(&b->sizes, 0);
    lh_buf_truncate(&b->block, 0);
    return LH_OK;
}

lh_rc lhi_bodies_add(lh_ctx *cx, lhi_bodies *b, lh_str body)
{
    uint32_t bytes = (uint32_t)body.len;
    if (body.len > LH_CHUNK_BODY_BYTES_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "a row of %zu bytes of text, limit %u", body.len,
                       LH_CHUNK_BODY_BYTES_MAX);
    b->has_any |= bytes > 0;
    if (!b->has_any) { /* rows before the first block have none */
        b->rows++;
        return LH_OK;
    }
    if (b->sizes.len == 0)
        LH_TRY(begin_block(cx, b));
    LH_TRY(lh_buf_append(cx, &b->sizes, lh_str_n(&bytes, sizeof bytes)));
    LH_TRY(lh_buf_append(cx, &b->block, body));
    b->rows++;
    return b->sizes.len + b->block.len >= BLOCK_BYTES ? end_block(cx, b) : LH_OK;
}

lh_rc lhi_bodies_write(lh_ctx *cx, lhi_bodies *b, lh_container_writer *container)
{
    if (!b->has_any)
        return LH_OK;
    if (b->sizes.len > 0)
        LH_TRY(end_block(cx, b));
    LH_TRY(begin_block(cx, b)); /* where the last one ends */
    LH_TRY(lh_container_add(cx, container, LH_S("bodies"), 1, lh_buf_str(&b->packed)));
    LH_TRY(lh_container_add(cx, container, LH_S("body_offsets"), sizeof(uint64_t),
                            lh_buf_str(&b->offsets)));
    return lh_container_add(cx, container, LH_S("body_firsts"), sizeof(uint32_t),
                            lh_buf_str(&b->firsts));
}

/* ---- read ---- */

static lh_rc bad(lh_ctx *cx, const char *what)
{
    return lh_fail(cx, LH_E_CORRUPT, "chunk store: %s", what);
}

lh_rc lhi_bodies_open(lh_ctx *cx, const lh_container *container, lh_chunk_store *store)
{
    lh_str offsets;
    lh_str firsts;
    if (!lh_container_has(container, LH_S("bodies")))
        return LH_OK;
    LH_TRY(lh_container_get(cx, container, LH_S("bodies"), 1, &store->bodies));
    LH_TRY(lh_container_get(cx, container, LH_S("body_offsets"), sizeof(uint64_t), &offsets));
    LH_TRY(lh_container_get(cx, container, LH_S("body_firsts"), sizeof(uint32_t), &firsts));
    store->body_offsets = (const uint64_t *)(const void *)offsets.ptr;
    store->body_firsts = (const uint32_t *)(const void *)firsts.ptr;
    uint64_t count = offsets.len / sizeof(uint64_t);
    if (count < 2 || firsts.len / sizeof(uint32_t) != count ||
        store->body_firsts[count - 1] != store->count)
        return bad(cx, "bodies of other rows");
    store->body_blocks = count - 1;
    return LH_OK;
}

static uint64_t block_of(const lh_chunk_store *store, uint64_t row)
{
    uint64_t low = 0;
    uint64_t high = store->body_blocks;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (store->body_firsts[middle] <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static lh_rc unpack(lh_ctx *cx, const lh_chunk_store *store, uint64_t block, lh_str *ret_raw)
{
    uint64_t begin = store->body_offsets[block];
    uint64_t end = store->body_offsets[block + 1];
    if (begin > end || end > store->bodies.len)
        return bad(cx, "a block of bodies outside its section");
    const char *packed = store->bodies.ptr + begin;
    unsigned long long bytes = ZSTD_getFrameContentSize(packed, (size_t)(end - begin));
    if (bytes == ZSTD_CONTENTSIZE_ERROR || bytes == ZSTD_CONTENTSIZE_UNKNOWN ||
        bytes > 2u * RAW_BYTES_MAX)
        return bad(cx, "a block of bodies without a size");
    char *raw = LH_NEW_ARRAY(cx, char, (size_t)bytes + 1);
    if (!raw)
        return cx->err.rc;
    size_t got = ZSTD_decompress(raw, (size_t)bytes, packed, (size_t)(end - begin));
    if (ZSTD_isError(got) || got != bytes)
        return bad(cx, "a block of bodies that cannot be unpacked");
    *ret_raw = lh_str_n(raw, got);
    return LH_OK;
}

lh_rc lh_chunk_store_body(lh_ctx *cx, const lh_chunk_store *store, uint64_t row, lh_str *ret_body)
{
    lh_assert(row < store->count);
    *ret_body = LH_STR_NONE;
    if (store->body_blocks == 0 || row < store->body_firsts[0])
        return LH_OK;
    uint64_t block = block_of(store, row);
    uint64_t first = store->body_firsts[block];
    uint64_t end = store->body_firsts[block + 1];
    lh_str raw = LH_STR_NONE;
    LH_TRY(unpack(cx, store, block, &raw));
    if (!raw.ptr || row < first || row >= end || raw.len / sizeof(uint32_t) < end - first)
        return bad(cx, "a block of bodies of other rows");
    uint64_t at = (end - first) * sizeof(uint32_t);
    uint32_t bytes = 0;
    for (uint64_t i = 0; i <= row - first; i++) {
        at += bytes;
        memcpy(&bytes, raw.ptr + i * sizeof bytes, sizeof bytes);
    }
    if (at > raw.len || bytes > raw.len - at)
        return bad(cx, "a body outside its block");
    *ret_body = lh_str_sub(raw, (size_t)at, bytes);
    return LH_OK;
}
