/* search/chunk_store.c - writes and reads the rows behind a vector segment; every offset is checked
 * when it is used. */
#include "search/chunk_body_private.h"

#include "base/hash.h"

#include <stdlib.h>

#define KIND      LH_S("chunk-store")
#define VERSION   1u
#define HASH_SEED 7u

typedef struct id_entry {
    uint64_t hash;
    uint64_t row;
} id_entry;

struct lh_chunk_writer {
    lh_container_writer *container;
    uint64_t *offsets;
    id_entry *ids;
    size_t count;
    size_t capacity;
    uint64_t bytes;
    lh_buf row;
    lhi_bodies bodies;
};

lh_rc lh_chunk_writer_new(lh_ctx *cx, lh_container_sink sink, lh_chunk_writer **ret_writer)
{
    LH_CLEANUP(lh_chunk_writer_free) lh_chunk_writer *w = lh_alloc_zero(1, sizeof *w);
    if (!w)
        return lh_fail(cx, LH_E_NO_MEMORY, "chunk store");
    lh_buf_init(&w->row, 64u * 1024u * 1024u);
    lhi_bodies_init(&w->bodies);
    LH_TRY(lh_container_writer_new(cx, sink, KIND, VERSION, &w->container));
    LH_TRY(lh_container_section_begin(cx, w->container, LH_S("rows"), 1));
    *ret_writer = LH_TAKE(w);
    return LH_OK;
}

static lh_rc grow(lh_ctx *cx, lh_chunk_writer *w)
{
    if (w->count + 1 < w->capacity)
        return LH_OK;
    size_t capacity = w->capacity ? w->capacity * 2 : 1024;
    uint64_t *offsets = lh_realloc_array(w->offsets, capacity, sizeof *offsets);
    if (offsets)
        w->offsets = offsets;
    id_entry *ids = lh_realloc_array(w->ids, capacity, sizeof *ids);
    if (ids)
        w->ids = ids;
    if (!offsets || !ids)
        return lh_fail(cx, LH_E_NO_MEMORY, "chunk store of %zu rows", w->count);
    w->capacity = capacity;
    return LH_OK;
}

lh_rc lh_chunk_writer_add(lh_ctx *cx, lh_chunk_writer *w, const lh_chunk_row *row)
{
    if (row->id.len > UINT32_MAX || row->text.len > UINT32_MAX || w->count >= UINT32_MAX - 1)
        return lh_fail(cx, LH_E_TOO_LARGE, "row %zu of the chunk store", w->count);
    LH_TRY(grow(cx, w));
    uint32_t id_bytes = (uint32_t)row->id.len;
    uint32_t text_bytes = (uint32_t)row->text.len;
    lh_buf_truncate(&w->row, 0);
    LH_TRY(lh_buf_append(cx, &w->row, lh_str_n(&id_bytes, sizeof id_bytes)));
    LH_TRY(lh_buf_append(cx, &w->row, row->id));
    LH_TRY(lh_buf_append(cx, &w->row, lh_str_n(&row->chunk_no, sizeof row->chunk_no)));
    LH_TRY(lh_buf_append(cx, &w->row, lh_str_n(&row->content_hash, sizeof row->content_hash)));
    LH_TRY(lh_buf_append(cx, &w->row, lh_str_n(&text_bytes, sizeof text_bytes)));
    LH_TRY(lh_buf_append(cx, &w->row, row->text));
    LH_TRY(lh_container_section_write(cx, w->container, lh_buf_str(&w->row)));
    LH_TRY(lhi_bodies_add(cx, &w->bodies, row->body));
    w->offsets[w->count] = w->bytes;
    w->ids[w->count] = (id_entry){lh_hash64(row->id, HASH_SEED), w->count};
    w->count++;
    w->bytes += w->row.len;
    return LH_OK;
}

static int by_hash(const void *a, const void *b)
{
    const id_entry *x = a;
    const id_entry *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static lh_rc write_ids(lh_ctx *cx, lh_chunk_writer *w)
{
    if (w->count > 0)
        qsort(w->ids, w->count, sizeof *w->ids, by_hash);
    LH_TRY(lh_container_section_begin(cx, w->container, LH_S("id_hashes"), sizeof(uint64_t)));
    for (size_t i = 0; i < w->count; i++)
        LH_TRY(lh_container_section_write(cx, w->container,
                                          lh_str_n(&w->ids[i].hash, sizeof(uint64_t))));
    LH_TRY(lh_container_section_end(cx, w->container));
    LH_TRY(lh_container_section_begin(cx, w->container, LH_S("id_rows"), sizeof(uint32_t)));
    for (size_t i = 0; i < w->count; i++) {
        uint32_t row = (uint32_t)w->ids[i].row;
        LH_TRY(lh_container_section_write(cx, w->container, lh_str_n(&row, sizeof row)));
    }
    return lh_container_section_end(cx, w->container);
}

lh_rc lh_chunk_writer_finish(lh_ctx *cx, lh_chunk_writer *w, uint64_t *ret_file_bytes)
{
    LH_TRY(grow(cx, w));
    w->offsets[w->count] = w->bytes;
    LH_TRY(lh_container_section_end(cx, w->container));
    LH_TRY(lh_container_add(cx, w->container, LH_S("row_offsets"), sizeof(uint64_t),
                            lh_str_n(w->offsets, (w->count + 1) * sizeof *w->offsets)));
    LH_TRY(write_ids(cx, w));
    LH_TRY(lhi_bodies_write(cx, &w->bodies, w->container));
    return lh_container_finish(cx, w->container, ret_file_bytes);
}

lh_chunk_writer *lh_chunk_writer_free(lh_chunk_writer *w)
{
    if (!w)
        return NULL;
    lh_container_writer_free(w->container);
    lh_buf_done(&w->row);
    lhi_bodies_done(&w->bodies);
    lh_free(w->offsets);
    lh_free(w->ids);
    return lh_free(w);
}

lh_rc lh_chunk_store_open(lh_ctx *cx, lh_str bytes, lh_chunk_store *ret_store)
{
    lh_container c;
    lh_str rows;
    lh_str offsets;
    lh_str hashes;
    lh_str id_rows;
    LH_TRY(lh_container_open(cx, bytes, KIND, &c));
    if (c.kind_version != VERSION)
        return lh_fail(cx, LH_E_CORRUPT, "chunk store of version %u, this program reads %u",
                       c.kind_version, VERSION);
    LH_TRY(lh_container_get(cx, &c, LH_S("rows"), 1, &rows));
    LH_TRY(lh_container_get(cx, &c, LH_S("row_offsets"), sizeof(uint64_t), &offsets));
    LH_TRY(lh_container_get(cx, &c, LH_S("id_hashes"), sizeof(uint64_t), &hashes));
    LH_TRY(lh_container_get(cx, &c, LH_S("id_rows"), sizeof(uint32_t), &id_rows));
    uint64_t count = offsets.len / sizeof(uint64_t);
    if (count == 0 || hashes.len / sizeof(uint64_t) != count - 1 ||
        id_rows.len / sizeof(uint32_t) != count - 1)
        return lh_fail(cx, LH_E_CORRUPT, "chunk store: its sections do not fit each other");
    lh_chunk_store store = {.rows = (const uint8_t *)rows.ptr,
                            .rows_bytes = rows.len,
                            .row_offsets = (const uint64_t *)(const void *)offsets.ptr,
                            .id_hashes = (const uint64_t *)(const void *)hashes.ptr,
                            .id_rows = (const uint32_t *)(const void *)id_rows.ptr,
                            .count = count - 1};
    LH_TRY(lhi_bodies_open(cx, &c, &store));
    *ret_store = store;
    return LH_OK;
}

/* Takes bytes bytes off the front of *rest. */
static int take(lh_str *rest, size_t bytes, lh_str *ret)
{
    if (rest->len < bytes)
        return 0;
    *ret = lh_str_n(rest->ptr, bytes);
    *rest = lh_str_from_offset(*rest, bytes);
    return 1;
}

static int take_u32(lh_str *rest, uint32_t *ret)
{
    lh_str bytes;
    if (!take(rest, sizeof *ret, &bytes))
        return 0;
    memcpy(ret, bytes.ptr, sizeof *ret);
    return 1;
}

lh_rc lh_chunk_store_get(lh_ctx *cx, const lh_chunk_store *store, uint64_t row,
                         lh_chunk_row *ret_row)
{
    lh_assert(row < store->count);
    uint64_t begin = store->row_offsets[row];
    uint64_t end = store->row_offsets[row + 1];
    if (begin > end || end > store->rows_bytes)
        return lh_fail(cx, LH_E_CORRUPT, "chunk store: offsets of row %llu",
                       (unsigned long long)row);
    lh_str rest = lh_str_n(store->rows + begin, (size_t)(end - begin));
    lh_str hash;
    uint32_t id_bytes;
    uint32_t text_bytes;
    lh_chunk_row out;
    if (!take_u32(&rest, &id_bytes) || !take(&rest, id_bytes, &out.id) ||
        !take_u32(&rest, &out.chunk_no) || !take(&rest, sizeof(uint64_t), &hash) ||
        !take_u32(&rest, &text_bytes) || rest.len != text_bytes)
        return lh_fail(cx, LH_E_CORRUPT, "chunk store: row %llu", (unsigned long long)row);
    memcpy(&out.content_hash, hash.ptr, sizeof out.content_hash);
    out.text = rest;
    out.body = LH_STR_NONE;
    *ret_row = out;
    return LH_OK;
}

lh_rc lh_chunk_store_find(lh_ctx *cx, const lh_chunk_store *store, lh_str id,
                          void (*visit)(void *arg, uint64_t row), void *arg)
{
    uint64_t hash = lh_hash64(id, HASH_SEED);
    uint64_t low = 0;
    uint64_t high = store->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (store->id_hashes[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < store->count && store->id_hashes[low] == hash; low++) {
        lh_chunk_row row;
        if (store->id_rows[low] >= store->count)
            return lh_fail(cx, LH_E_CORRUPT, "chunk store: row of an id");
        LH_TRY(lh_chunk_store_get(cx, store, store->id_rows[low], &row));
        if (lh_str_eq(row.id, id))
            visit(arg, store->id_rows[low]);
    }
    return LH_OK;
}
