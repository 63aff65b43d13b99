/* vector/vector_open.c - opens a segment and believes nothing: every section's length and every id
 * is checked against the header before anything is read through it.
 *
 * Codes, graph and maps are verified here (tens of megabytes, milliseconds); stored rows, which are
 * the bulk of the file and only values, block by block when first read. */
#include "vector/vector_walk_private.h"

#include "base/hash.h"
#include "base/num.h"
#include "vector/vector_half_private.h"

#include <math.h>

#define CORRUPT(cx, ...) lh_fail((cx), LH_E_CORRUPT, "vector segment: " __VA_ARGS__)

size_t lhi_vector_row_type_bytes(uint32_t rows_as)
{
    return rows_as == LH_VECTOR_ROWS_F16 || rows_as == LH_VECTOR_ROWS_BF16 ? sizeof(uint16_t)
                                                                           : sizeof(float);
}

static const char *const row_sections[] = {"f32", "f16", "bf16", ""};

static lhi_row_score row_score_of(const lh_vector_kernels *k, const lhi_vector_meta *meta)
{
    int squares = meta->metric == LH_VECTOR_EUCLIDEAN;
    switch (meta->rows_as) {
    case LH_VECTOR_ROWS_F16: return squares ? k->floats.square_f16 : k->floats.dot_f16;
    case LH_VECTOR_ROWS_BF16: return squares ? k->floats.square_bf16 : k->floats.dot_bf16;
    default: return squares ? k->floats.square_f32 : k->floats.dot_f32;
    }
}

#define SPREAD_MOST 1e30f

static lh_rc read_meta1(lh_ctx *cx, const lh_container *c, lhi_vector_meta *ret)
{
    lh_str bytes;
    lhi_vector_meta1 old;
    LH_TRY(lh_container_get(cx, c, LH_S("meta"), sizeof old, &bytes));
    if (bytes.len != sizeof old)
        return CORRUPT(cx, "meta of %zu bytes", bytes.len);
    memcpy(&old, bytes.ptr, sizeof old);
    if (old.kind != 1 || old.metric != LH_VECTOR_COSINE)
        return CORRUPT(cx, "kind %u, metric %u", old.kind, old.metric);
    *ret = (lhi_vector_meta){.rows = old.rows,
                             .dimensions = old.dimensions,
                             .padded = (old.dimensions + 127) / 128 * 128,
                             .kind = LH_VECTOR_EXACT,
                             .metric = LH_VECTOR_COSINE,
                             .rows_as = LH_VECTOR_ROWS_F32};
    return LH_OK;
}

static lh_rc read_meta(lh_ctx *cx, const lh_container *c, lhi_vector_meta *ret)
{
    if (c->kind_version == LHI_VECTOR_VERSION_1)
        return read_meta1(cx, c, ret);
    if (c->kind_version != LHI_VECTOR_VERSION)
        return CORRUPT(cx, "version %u, this program reads 1 and %u", c->kind_version,
                       LHI_VECTOR_VERSION);
    lh_str bytes;
    LH_TRY(lh_container_get(cx, c, LH_S("meta"), sizeof *ret, &bytes));
    if (bytes.len != sizeof *ret)
        return CORRUPT(cx, "meta of %zu bytes", bytes.len);
    memcpy(ret, bytes.ptr, sizeof *ret);
    return LH_OK;
}

static lh_rc check_meta(lh_ctx *cx, const lhi_vector_meta *m)
{
    if (m->dimensions == 0 || m->dimensions > LH_VECTOR_DIMENSIONS_MAX ||
        m->rows > LH_VECTOR_ROWS_MAX || m->padded != (m->dimensions + 127) / 128 * 128)
        return CORRUPT(cx, "%llu rows of %u dimensions", (unsigned long long)m->rows,
                       m->dimensions);
    if (m->kind <= LH_VECTOR_AUTO || m->kind > LH_VECTOR_EXACT || m->metric > LH_VECTOR_EUCLIDEAN ||
        m->rows_as > LH_VECTOR_ROWS_EXTERNAL || m->preset > LH_VECTOR_FRESH || m->rotated > 1)
        return CORRUPT(cx, "a kind, metric, preset or row type of a later version");
    for (size_t i = 0; i < LHI_EFFORTS; i++)
        if (!(m->spread[i] >= (i > 0 ? m->spread[i - 1] : 0)) || m->spread[i] > SPREAD_MOST)
            return CORRUPT(cx, "distances that do not rise");
    return LH_OK;
}

lh_rc lhi_vector_section(lh_ctx *cx, const lh_container *c, const char *name, uint64_t items,
                         size_t item_bytes, lh_str *ret)
{
    uint64_t wanted;
    LH_TRY(lh_container_get(cx, c, lh_str_from(name), 0, ret));
    if (!lh_mul_u64(items, item_bytes, &wanted) || ret->len != wanted)
        return CORRUPT(cx, "section \"%s\" does not fit its header", name);
    return LH_OK;
}

static lh_rc open_rows(lh_ctx *cx, lh_vector_index *x, lh_str external)
{
    const lhi_vector_meta *m = &x->meta;
    lh_str rows;
    x->row_bytes = m->dimensions * lhi_vector_row_type_bytes(m->rows_as);
    if (m->rows_as == LH_VECTOR_ROWS_EXTERNAL) {
        uint64_t wanted = m->rows * x->row_bytes;
        if (external.len != wanted || (uintptr_t)external.ptr % sizeof(float) != 0)
            return lh_fail(cx, LH_E_BAD_VALUE,
                           "the segment needs %llu bytes of aligned rows, got %zu",
                           (unsigned long long)wanted, external.len);
        x->rows = (const uint8_t *)external.ptr;
        if (m->metric != LH_VECTOR_COSINE)
            return LH_OK;
        LH_TRY(lhi_vector_section(cx, &x->container, "norms", m->rows, sizeof(float), &rows));
        LH_TRY(lhi_vector_verify_section(cx, &x->container, rows));
        x->inverse_norms = (const float *)(const void *)rows.ptr;
        return LH_OK;
    }
    LH_TRY(lhi_vector_section(cx, &x->container, row_sections[m->rows_as], m->rows, x->row_bytes,
                              &rows));
    x->rows = (const uint8_t *)rows.ptr;
    uint64_t blocks = (rows.len + LH_CONTAINER_BLOCK_BYTES - 1) / LH_CONTAINER_BLOCK_BYTES;
    x->blocks_checked = lh_alloc_zero(blocks + 1, sizeof *x->blocks_checked);
    if (!x->blocks_checked)
        return lh_fail(cx, LH_E_NO_MEMORY, "vector index");
    for (uint32_t i = 0; i < x->container.section_count; i++) {
        if (x->container.bytes + x->container.sections[i].offset == x->rows &&
            x->container.sections[i].bytes == rows.len)
            x->block_checksum_first = x->container.sections[i].checksum_first;
    }
    return LH_OK;
}

lh_rc lh_vector_index_open_external(lh_ctx *cx, lh_str bytes, lh_str rows,
                                    lh_vector_index **ret_index)
{
    LH_CLEANUP(lh_vector_index_close) lh_vector_index *x = lh_alloc_zero(1, sizeof *x);
    if (!x)
        return lh_fail(cx, LH_E_NO_MEMORY, "vector index");
    x->bytes = bytes;
    x->kernels = lh_vector_kernels_get();
    lh_mutex_init(&x->scratch_lock);
    LH_TRY(lh_container_open(cx, bytes, LHI_VECTOR_KIND, &x->container));
    LH_TRY(read_meta(cx, &x->container, &x->meta));
    LH_TRY(check_meta(cx, &x->meta));
    LH_TRY(open_rows(cx, x, rows));
    if (x->meta.kind != LH_VECTOR_EXACT)
        LH_TRY(lhi_vector_open_codes(cx, x));
    x->row_score = row_score_of(x->kernels, &x->meta);
    *ret_index = LH_TAKE(x);
    return LH_OK;
}

lh_rc lh_vector_index_open(lh_ctx *cx, lh_str bytes, lh_vector_index **ret_index)
{
    return lh_vector_index_open_external(cx, bytes, LH_STR_NONE, ret_index);
}

void lhi_vector_free_shapes(lh_vector_index *index)
{
    lhi_scratch_free_all(index);
    lh_mutex_done(&index->scratch_lock);
    for (size_t i = 0; i < LH_ARRAY_LEN(index->heap); i++)
        lh_pages_free(&index->heap[i]);
}

lh_vector_index *lh_vector_index_close(lh_vector_index *index)
{
    if (!index)
        return NULL;
    lhi_vector_free_shapes(index);
    lh_free(index->blocks_checked);
    return lh_free(index);
}

lh_rc lh_vector_index_verify(lh_ctx *cx, const lh_vector_index *index)
{
    return lh_container_verify(cx, &index->container);
}

lh_rc lhi_vector_check_block(lh_ctx *cx, const lh_vector_index *index, uint64_t block)
{
    uint64_t at = block * LH_CONTAINER_BLOCK_BYTES;
    uint64_t end = LH_MIN(index->meta.rows * index->row_bytes, at + LH_CONTAINER_BLOCK_BYTES);
    uint64_t checksum = index->container.checksums[index->block_checksum_first + block];
    if (lh_hash64(lh_str_n(index->rows + at, end - at), 0) != checksum)
        return CORRUPT(cx, "block %llu of the rows fails its checksum", (unsigned long long)block);
    atomic_store_explicit(&index->blocks_checked[block], 1, memory_order_relaxed);
    return LH_OK;
}

void lhi_vector_row_floats(const lh_vector_index *index, uint64_t row, float *out)
{
    const uint8_t *at = index->rows + row * index->row_bytes;
    uint32_t n = index->meta.dimensions;
    if (index->meta.rows_as == LH_VECTOR_ROWS_F16 || index->meta.rows_as == LH_VECTOR_ROWS_BF16) {
        const uint16_t *half = (const uint16_t *)(const void *)at;
        for (uint32_t i = 0; i < n; i++)
            out[i] = index->meta.rows_as == LH_VECTOR_ROWS_F16 ? lhi_f32_of_f16(half[i])
                                                               : lhi_f32_of_bf16(half[i]);
        return;
    }
    memcpy(out, at, n * sizeof(float));
}

lh_rc lh_vector_index_row(lh_ctx *cx, const lh_vector_index *index, uint64_t row, float *ret_values)
{
    if (row >= index->meta.rows)
        return lh_fail(cx, LH_E_NOT_FOUND, "row %llu of %llu", (unsigned long long)row,
                       (unsigned long long)index->meta.rows);
    LH_TRY(lhi_vector_check_row(cx, index, row));
    lhi_vector_row_floats(index, row, ret_values);
    return LH_OK;
}

void lh_vector_index_stats(const lh_vector_index *index, lh_vector_stats *ret_stats)
{
    static const char *const kinds[] = {"auto", "flat", "graph", "ivf", "exact"};
    static const char *const metrics[] = {"cosine", "dot", "euclidean"};
    static const char *const presets[] = {"quality", "fresh"};
    static const char *const rows_as[] = {"f32", "f16", "bf16", "external"};
    const lhi_vector_meta *m = &index->meta;
    uint64_t rows_bytes = m->rows * index->row_bytes;
    uint64_t own = sizeof *index + index->heap_bytes;
    int external = m->rows_as == LH_VECTOR_ROWS_EXTERNAL;
    *ret_stats =
        (lh_vector_stats){.kind = kinds[m->kind],
                          .metric = metrics[m->metric],
                          .preset = presets[m->preset],
                          .rows_as = rows_as[m->rows_as],
                          .tiers = rows_as[external ? LH_VECTOR_ROWS_F32 : m->rows_as],
                          .simd = index->kernels->name,
                          .rows = m->rows,
                          .dimensions = m->dimensions,
                          .degree = m->degree,
                          .lists = m->lists,
                          .rotated = (int)m->rotated,
                          .seed = m->seed,
                          .bytes_file = index->bytes.len,
                          .bytes_mapped = rows_bytes,
                          .bytes_resident = index->bytes.len - (external ? 0 : rows_bytes) -
                                            lhi_vector_stored_unread(index) + own,
                          .bytes_heap = own};
    if (!index->i4)
        return;
    ret_stats->tiers = m->rows_as == LH_VECTOR_ROWS_F16    ? "b1+i4+f16"
                       : m->rows_as == LH_VECTOR_ROWS_BF16 ? "b1+i4+bf16"
                                                           : "b1+i4+f32";
    const lhi_sample *s = index->sample;
    memcpy(ret_stats->probe_b1, s->probe_b1, sizeof s->probe_b1);
    memcpy(ret_stats->probe_i4, s->probe_i4, sizeof s->probe_i4);
    ret_stats->graph_points_count = s->graph_points_count;
    ret_stats->flat_points_count = s->flat_points_count;
    memcpy(ret_stats->graph_points, s->graph_points, sizeof s->graph_points);
    memcpy(ret_stats->flat_points, s->flat_points, sizeof s->flat_points);
}
