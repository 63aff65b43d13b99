/* vector/vector_open_codes.c - codes, lists and graph of a segment: every length against the
 * header, every id against the rows, every block against its checksum; then the few things searches
 * want in another shape. */
#include "vector/vector_walk_private.h"

#include "base/hash.h"
#include "base/num.h"
#include "os/file.h"
#include "vector/vector_build_private.h"

#include <math.h>

/* Below, a copy takes longer than it gains: 3 % of a search at 100,000 rows, a sixth at a
 * million. */
#define COPY_BYTES_MIN   ((size_t)128 << 20)

#define CORRUPT(cx, ...) lh_fail((cx), LH_E_CORRUPT, "vector segment: " __VA_ARGS__)

enum {
    HEAP_ARRANGED,
    HEAP_PLACE_OF,
    HEAP_LEADER_CODES,
    HEAP_LEADER_NUMBERS,
    HEAP_SIGNS,
    HEAP_I4,
    HEAP_GRAPH,
    HEAP_COUNT
};
_Static_assert(HEAP_COUNT == LH_ARRAY_LEN(((lh_vector_index *)0)->heap), "a place for each");

/* The section, of exactly so many items, every block checked. */
static lh_rc get(lh_ctx *cx, const lh_vector_index *x, const char *name, uint64_t items,
                 size_t item_bytes, const void **ret)
{
    lh_str bytes;
    LH_TRY(lhi_vector_section(cx, &x->container, name, items, item_bytes, &bytes));
    LH_TRY(lhi_vector_verify_section(cx, &x->container, bytes));
    *ret = bytes.ptr;
    return LH_OK;
}

static lh_rc own(lh_ctx *cx, lh_vector_index *x, int which, size_t bytes, void **ret)
{
    if (!lh_pages_alloc(&x->heap[which], bytes))
        return lh_fail(cx, LH_E_NO_MEMORY, "vector index: %zu bytes", bytes);
    x->heap_bytes += bytes;
    *ret = x->heap[which].ptr;
    return LH_OK;
}

#define GET(name, items, item_bytes, to)                                                           \
    do {                                                                                           \
        const void *at_;                                                                           \
        LH_TRY(get(cx, x, (name), (items), (item_bytes), &at_));                                   \
        (to) = at_;                                                                                \
    } while (0)

static lh_rc check_header(lh_ctx *cx, const lhi_vector_meta *m)
{
    if (m->rows < 1 || m->rows > INT32_MAX || m->lists < 1 || m->lists > m->rows || m->supers < 1 ||
        m->supers > m->lists || m->degree > LHI_DEGREE_MAX ||
        (m->kind == LH_VECTOR_GRAPH) != (m->degree > 0))
        return CORRUPT(cx, "%llu rows in %u lists, degree %u", (unsigned long long)m->rows,
                       m->lists, m->degree);
    return LH_OK;
}

static lh_rc check_starts(lh_ctx *cx, const uint32_t *starts, uint32_t groups, uint64_t items)
{
    uint32_t down = starts[0] != 0 || starts[groups] != items;
    for (uint32_t g = 0; g < groups; g++)
        down |= starts[g] > starts[g + 1];
    return down ? CORRUPT(cx, "lists do not follow one another") : LH_OK;
}

/* Places and rows are a permutation: one slot each. */
static lh_rc invert_rows(lh_ctx *cx, lh_vector_index *x)
{
    void *place_of;
    uint64_t n = x->meta.rows;
    LH_TRY(own(cx, x, HEAP_PLACE_OF, n * sizeof(uint32_t), &place_of));
    uint32_t *places = place_of;
    memset(places, 0xff, n * sizeof *places);
    for (uint64_t place = 0; place < n; place++) {
        uint32_t row = x->row_of[place];
        if (row >= n || places[row] != LHI_NO_ROW)
            return CORRUPT(cx, "row %u stands in two places or none", row);
        places[row] = (uint32_t)place;
    }
    x->place_of = places;
    return LH_OK;
}

static lh_rc check_ids(lh_ctx *cx, const lh_vector_index *x, const uint32_t *ids, uint64_t count,
                       const char *what)
{
    if (x->kernels->build.largest_id(ids, (size_t)count) >= x->meta.rows)
        return CORRUPT(cx, "%s names a row that is not there", what);
    return LH_OK;
}

static lh_rc check_numbers(lh_ctx *cx, const float *values, uint64_t count, const char *what)
{
    float sum = 0; /* NaN and infinities survive multiplication by zero */
    for (uint64_t i = 0; i < count; i++)
        sum += values[i] * 0.0f;
    return sum == 0 ? LH_OK : CORRUPT(cx, "%s holds NaN or infinity", what);
}

/* Leaders' codes, copied next to one another: entries read all of a group. */
static lh_rc copy_leaders(lh_ctx *cx, lh_vector_index *x)
{
    size_t bytes = x->meta.padded / 2;
    uint32_t n = x->meta.lists;
    void *codes;
    void *numbers;
    LH_TRY(own(cx, x, HEAP_LEADER_CODES, n * bytes, &codes));
    LH_TRY(own(cx, x, HEAP_LEADER_NUMBERS, 2 * n * sizeof(float), &numbers));
    float *factors = numbers;
    float *halves = factors + n;
    for (uint32_t l = 0; l < n; l++) {
        memcpy((uint8_t *)codes + l * bytes, x->i4 + x->leaders[l] * bytes, bytes);
        factors[l] = x->i4_factors[x->leaders[l]];
        halves[l] = x->halves ? x->halves[x->leaders[l]] : 0;
    }
    x->leader_codes = codes;
    x->leader_factors = factors;
    x->leader_halves = x->halves ? halves : NULL;
    return LH_OK;
}

static lh_rc arrange_b1(lh_ctx *cx, lh_vector_index *x)
{
    const lh_vector_search_kernels *k = &x->kernels->search;
    uint32_t padded = x->meta.padded;
    uint64_t stored = (x->meta.rows + 31) / 32;
    void *to;
    if (!k->b1_arranged_bytes)
        return LH_OK;
    size_t bytes = k->b1_arranged_bytes(padded);
    LH_TRY(own(cx, x, HEAP_ARRANGED, (stored + 1) / 2 * bytes, &to));
    for (uint64_t b = 0; b < stored; b += 2)
        k->b1_arrange(x->b1_blocks + b * padded * 4, b + 1 < stored ? 2 : 1, x->b1_factors + b * 32,
                      padded, (uint8_t *)to + b / 2 * bytes);
    x->b1_stored = x->b1_blocks;
    x->b1_blocks = to;
    x->b1_block_bytes = bytes;
    return LH_OK;
}

static size_t i4_bytes(const lhi_vector_meta *m)
{
    return (size_t)m->rows * (m->padded / 2);
}

static size_t graph_bytes(const lhi_vector_meta *m)
{
    return (size_t)m->rows * m->degree * sizeof(uint32_t);
}

/* A walk reads codes and edges at random: through pages of 4 KiB each costs a table walk once the
 * tables do not fit the caches. */
lh_rc lhi_vector_copy_walk(lh_ctx *cx, lh_vector_index *x)
{
    void *i4;
    void *graph;
    LH_TRY(own(cx, x, HEAP_I4, i4_bytes(&x->meta), &i4));
    LH_TRY(own(cx, x, HEAP_GRAPH, graph_bytes(&x->meta), &graph));
    memcpy(i4, x->i4, i4_bytes(&x->meta));
    memcpy(graph, x->graph, graph_bytes(&x->meta));
    x->i4_stored = x->i4;
    x->graph_stored = x->graph;
    x->i4 = i4;
    x->graph = graph;
    return LH_OK;
}

void lh_vector_index_trim(const lh_vector_index *x)
{
    size_t b1_bytes = (size_t)((x->meta.rows + 31) / 32) * x->meta.padded * 4;
    if (x->b1_stored)
        lh_map_forget(lh_str_n(x->b1_stored, b1_bytes));
    if (x->i4_stored) {
        lh_map_forget(lh_str_n(x->i4_stored, i4_bytes(&x->meta)));
        lh_map_forget(lh_str_n(x->graph_stored, graph_bytes(&x->meta)));
    }
}

uint64_t lhi_vector_stored_unread(const lh_vector_index *x)
{
    const lhi_vector_meta *m = &x->meta;
    uint64_t bytes = 0;
    if (x->b1_stored)
        bytes += (m->rows + 31) / 32 * m->padded * 4 + (m->rows + 63) / 64 * 64 * sizeof(uint16_t);
    if (x->i4_stored)
        bytes += i4_bytes(m) + graph_bytes(m);
    return bytes;
}

lh_rc lhi_vector_shape_for_search(lh_ctx *cx, lh_vector_index *x)
{
    LH_TRY(invert_rows(cx, x));
    LH_TRY(copy_leaders(cx, x));
    if (x->meta.rotated && !x->signs) {
        void *signs;
        LH_TRY(own(cx, x, HEAP_SIGNS, 3 * (size_t)x->meta.padded * sizeof(float), &signs));
        lhi_rotation_signs(x->meta.seed, x->meta.padded, signs);
        x->signs = signs;
    }
    return arrange_b1(cx, x);
}

lh_rc lhi_vector_open_codes(lh_ctx *cx, lh_vector_index *x)
{
    const lhi_vector_meta *m = &x->meta;
    uint64_t n = m->rows;
    LH_TRY(check_header(cx, m));
    GET("mean", m->padded, sizeof(float), x->mean);
    GET("rows", n, sizeof(uint32_t), x->row_of);
    GET("lists", (uint64_t)m->lists + 1, sizeof(uint32_t), x->list_starts);
    GET("supers", (uint64_t)m->supers + 1, sizeof(uint32_t), x->super_starts);
    GET("leaders", m->lists, sizeof(uint32_t), x->leaders);
    GET("supers.i4", m->supers, m->padded / 2, x->super_codes);
    GET("supers.factors", m->supers, sizeof(float), x->super_factors);
    if (m->metric == LH_VECTOR_EUCLIDEAN) {
        GET("supers.halves", m->supers, sizeof(float), x->super_halves);
        GET("halves", n, sizeof(float), x->halves);
        LH_TRY(check_numbers(cx, x->halves, n, "halves"));
        LH_TRY(check_numbers(cx, x->super_halves, m->supers, "supers.halves"));
    }
    GET("b1", (n + 31) / 32, (size_t)m->padded * 4, x->b1_blocks);
    GET("b1.factors", (n + 63) / 64 * 64, sizeof(uint16_t), x->b1_factors);
    GET("i4", n, m->padded / 2, x->i4);
    GET("i4.factors", n, sizeof(float), x->i4_factors);
    GET("sample", 1, sizeof(lhi_sample), x->sample);
    x->b1_block_bytes = (size_t)m->padded * 4;
    LH_TRY(check_numbers(cx, x->mean, m->padded, "mean"));
    LH_TRY(check_numbers(cx, x->i4_factors, n, "i4.factors"));
    LH_TRY(check_numbers(cx, x->super_factors, m->supers, "supers.factors"));
    LH_TRY(check_starts(cx, x->list_starts, m->lists, n));
    LH_TRY(check_starts(cx, x->super_starts, m->supers, m->lists));
    LH_TRY(check_ids(cx, x, x->leaders, m->lists, "leaders"));
    for (uint32_t l = 0; l < m->lists; l++)
        if (x->leaders[l] == LHI_NO_ROW)
            return CORRUPT(cx, "leader %u is no row", l);
    if (m->degree > 0) {
        GET("graph", n, m->degree * sizeof(uint32_t), x->graph);
        LH_TRY(check_ids(cx, x, x->graph, n * m->degree, "graph"));
        if (i4_bytes(m) + graph_bytes(m) >= COPY_BYTES_MIN)
            LH_TRY(lhi_vector_copy_walk(cx, x));
    }
    if (x->sample->graph_points_count > LH_VECTOR_POINTS_MAX ||
        x->sample->flat_points_count > LH_VECTOR_POINTS_MAX ||
        x->sample->exact_points_count > LH_VECTOR_POINTS_MAX || !(x->sample->i4_error >= 0) ||
        !(x->sample->b1_error >= 0))
        return CORRUPT(cx, "calibration of too many points");
    return lhi_vector_shape_for_search(cx, x);
}

lh_rc lhi_vector_verify_section(lh_ctx *cx, const lh_container *c, lh_str section)
{
    for (uint32_t i = 0; i < c->section_count; i++) {
        const lh_container_section *s = &c->sections[i];
        if ((const char *)c->bytes + s->offset != section.ptr || s->bytes != section.len)
            continue;
        for (uint64_t at = 0, b = 0; at < s->bytes; at += LH_CONTAINER_BLOCK_BYTES, b++) {
            lh_str block = lh_str_sub(section, at, LH_CONTAINER_BLOCK_BYTES);
            if (lh_hash64(block, 0) != c->checksums[s->checksum_first + b])
                return CORRUPT(cx, "section %u: block %llu fails its checksum", i,
                               (unsigned long long)b);
        }
    }
    return LH_OK;
}
