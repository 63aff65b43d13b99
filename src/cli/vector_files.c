/* vector_files.c - maps the raw files of `lakehouse vector` and checks that their sizes make sense
 * before anything is read from them. */
#include "cli/vector_files.h"

static lh_rc map_file(lh_ctx *cx, const char *option, const char *path, lh_map *ret_map)
{
    lh_rc rc = lh_map_open(cx, lh_str_from(path), ret_map);
    if (rc != LH_OK)
        return lh_err_field(cx, "--%s %s", option, path);
    return LH_OK;
}

lh_rc lh_f32_rows_open(lh_ctx *cx, const char *option, const char *path, uint32_t dimensions,
                       lh_f32_rows *ret_rows)
{
    LH_CLEANUP(lh_f32_rows_close) lh_f32_rows r = {.dimensions = dimensions};
    LH_TRY(map_file(cx, option, path, &r.map));
    const uint64_t row_bytes = (uint64_t)dimensions * sizeof(float);
    if (r.map.bytes.len % row_bytes != 0) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE,
                          "%zu bytes are no whole number of rows of %u float32 values (%llu bytes)",
                          r.map.bytes.len, dimensions, (unsigned long long)row_bytes));
        LH_IGNORE(lh_err_hint(cx, "is --dim right? the file has no header, only values"));
        return lh_err_field(cx, "--%s %s", option, path);
    }
    r.rows = r.map.bytes.len / row_bytes;
    if (r.rows > LH_VECTOR_ROWS_MAX) {
        LH_IGNORE(lh_fail(cx, LH_E_TOO_LARGE, "%llu rows, limit %u", (unsigned long long)r.rows,
                          LH_VECTOR_ROWS_MAX));
        return lh_err_field(cx, "--%s %s", option, path);
    }
    r.values = (const float *)(const void *)r.map.bytes.ptr;
    *ret_rows = r;
    r.map = (lh_map){.bytes = LH_STR_NONE};
    return LH_OK;
}

void lh_f32_rows_close(lh_f32_rows *rows)
{
    lh_map_close(&rows->map);
    rows->values = NULL;
    rows->rows = 0;
}

lh_rc lh_vector_neighbours_open(lh_ctx *cx, const char *path, uint64_t queries, uint64_t rows,
                                lh_vector_neighbours *ret)
{
    LH_CLEANUP(lh_vector_neighbours_close) lh_vector_neighbours n = {.width = 0};
    LH_TRY(map_file(cx, "truth", path, &n.map));
    const uint64_t ids = n.map.bytes.len / sizeof(int32_t);
    if (n.map.bytes.len % sizeof(int32_t) != 0 || queries == 0 || ids % queries != 0 ||
        ids / queries == 0 || ids / queries > LH_VECTOR_K_MAX) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE,
                          "%zu bytes are not the same number of int32 ids for each of %llu queries",
                          n.map.bytes.len, (unsigned long long)queries));
        return lh_err_field(cx, "--truth %s", path);
    }
    n.ids = (const int32_t *)(const void *)n.map.bytes.ptr;
    n.width = (uint32_t)(ids / queries);
    for (uint64_t i = 0; i < ids; i++) {
        if (n.ids[i] < -1 || (n.ids[i] >= 0 && (uint64_t)n.ids[i] >= rows)) {
            LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "id %d of query %llu is none of %llu rows",
                              n.ids[i], (unsigned long long)(i / n.width),
                              (unsigned long long)rows));
            return lh_err_field(cx, "--truth %s", path);
        }
    }
    *ret = n;
    n.map = (lh_map){.bytes = LH_STR_NONE};
    return LH_OK;
}

void lh_vector_neighbours_close(lh_vector_neighbours *neighbours)
{
    lh_map_close(&neighbours->map);
    neighbours->ids = NULL;
}

lh_rc lh_vector_bitmap_new(lh_ctx *cx, uint64_t rows, lh_bitmap **ret_bitmap)
{
    lh_bitmap *bitmap = LH_NEW(cx, lh_bitmap);
    uint64_t *words = LH_NEW_ARRAY(cx, uint64_t, rows / 64 + 1);
    if (!bitmap || !words)
        return LH_E_NO_MEMORY; /* said */
    *bitmap = (lh_bitmap){words, rows};
    *ret_bitmap = bitmap;
    return LH_OK;
}

lh_rc lh_vector_bitmap_read(lh_ctx *cx, const char *path, uint64_t rows, lh_bitmap **ret_bitmap)
{
    LH_CLEANUP(lh_map_close) lh_map map = {LH_STR_NONE};
    lh_bitmap *bitmap = NULL;
    LH_TRY(map_file(cx, "filter", path, &map));
    const uint64_t wanted = (rows + 7) / 8;
    if (map.bytes.len != wanted) {
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE,
                          "%zu bytes; a bit for each of %llu rows is %llu bytes", map.bytes.len,
                          (unsigned long long)rows, (unsigned long long)wanted));
        return lh_err_field(cx, "--filter %s", path);
    }
    LH_TRY(lh_vector_bitmap_new(cx, rows, &bitmap));
    for (uint64_t row = 0; row < rows; row++)
        if (((uint32_t)(unsigned char)map.bytes.ptr[row / 8] >> (row % 8)) & 1u)
            lh_bitmap_set(bitmap, row);
    *ret_bitmap = bitmap;
    return LH_OK;
}

uint64_t lh_vector_bitmap_count(const lh_bitmap *bitmap)
{
    uint64_t count = 0;
    for (uint64_t word = 0; word < (bitmap->rows + 63) / 64; word++)
        count += (uint64_t)__builtin_popcountll(bitmap->words[word]);
    return count;
}
