/* vector/vector_leaf.c - candidates: all pairs within each leaf, the best of each row.
 *
 * A pair is computed once, as a product of int8 panels, and stored twice in a matrix of 16 bits.
 * Rows are then searched for their best by one pass that finds a threshold (the k-th of 32 lane
 * maxima) and one that collects what reaches it. Every (row, leaf) has its own place for
 * candidates: no locks, no order between threads.
 *
 * When memory is tight, candidates are made for a slice of the places at a time. Members of a leaf
 * are in the order of places, so a slice is a run of its rows. */
#include "vector/vector_build_private.h"

/* The norms of a whole leaf must fit 16 bits after the shift. */
#define NORM_LARGEST 32000

typedef struct leaf {
    const lhi_build *b;
    const uint32_t *members;
    uint32_t count;
    uint32_t padded; /* to panels of two */
    size_t ld;
    uint8_t *panels;
    uint8_t *left;
    int16_t *matrix;
    int16_t *half; /* half the squared length of each member */
    uint32_t *places;
} leaf;

static size_t leaf_bytes(const lhi_build *b)
{
    size_t rows = LHI_LEAF_MAX + 32;
    size_t panel = b->kernels->build.panel_bytes(b->padded);
    return rows / LH_VECTOR_PANEL * panel + panel + rows * (rows + 32) * sizeof(int16_t) +
           rows * (sizeof(int16_t) + sizeof(uint32_t)) + 4 * 64;
}

static uint8_t *take(uint8_t **at, size_t bytes)
{
    uint8_t *taken = *at;
    *at += (bytes + 63) / 64 * 64;
    return taken;
}

static void lay_out(leaf *l, uint8_t *memory)
{
    size_t rows = LHI_LEAF_MAX + 32;
    size_t panel = l->b->kernels->build.panel_bytes(l->b->padded);
    l->panels = take(&memory, rows / LH_VECTOR_PANEL * panel);
    l->left = take(&memory, panel);
    l->matrix = (int16_t *)(void *)take(&memory, rows * (rows + 32) * sizeof(int16_t));
    l->half = (int16_t *)(void *)take(&memory, rows * sizeof(int16_t));
    l->places = (uint32_t *)(void *)take(&memory, rows * sizeof(uint32_t));
}

static void pack_leaf(leaf *l)
{
    const lhi_build *b = l->b;
    size_t panel = b->kernels->build.panel_bytes(b->padded);
    for (uint32_t i = 0; i < l->padded; i++) {
        l->places[i] = l->members[LH_MIN(i, l->count - 1)] / b->shape.overlap;
        int32_t half = LHI_I32(b->i8_norm)[l->places[i]] >> (b->shift + 1);
        l->half[i] = (int16_t)(i < l->count ? half : INT16_MAX);
    }
    for (uint32_t p = 0; p < l->padded / LH_VECTOR_PANEL; p++) {
        const uint8_t *rows[LH_VECTOR_PANEL];
        for (uint32_t i = 0; i < LH_VECTOR_PANEL; i++)
            rows[i] = lhi_i8(b, l->places[p * LH_VECTOR_PANEL + i]);
        b->kernels->build.pack(l->panels + p * panel, rows, b->padded);
    }
}

/* Rows of panels [first, end) with all columns; pairs within the range once. */
static void fill_matrix(leaf *l, uint32_t first, uint32_t end)
{
    const lhi_build *b = l->b;
    const lh_vector_build_kernels *k = &b->kernels->build;
    size_t panel = k->panel_bytes(b->padded);
    int32_t value[256] __attribute__((aligned(64)));
    for (uint32_t i = first; i < end; i++) {
        int32_t less[LH_VECTOR_PANEL];
        for (uint32_t r = 0; r < LH_VECTOR_PANEL; r++)
            less[r] = 128 * LHI_I32(b->i8_sum)[l->places[i * LH_VECTOR_PANEL + r]];
        k->unbias(l->left, l->panels + i * panel, b->padded);
        for (uint32_t j = 0; j < l->padded / LH_VECTOR_PANEL; j++) {
            if (j >= first && j < i)
                continue; /* stored when row j was computed */
            k->multiply(l->left, l->panels + j * panel, b->padded, value);
            int16_t *tile = l->matrix + i * LH_VECTOR_PANEL * l->ld + j * LH_VECTOR_PANEL;
            int16_t *mirror = l->matrix + j * LH_VECTOR_PANEL * l->ld + i * LH_VECTOR_PANEL;
            k->store_tile(value, less, b->shift, tile, j > i && j < end ? mirror : NULL, l->ld);
        }
    }
}

/* The best of one row. Keys rise with distance; equal keys are ordered by place. */
static void collect(leaf *l, uint32_t i)
{
    const lhi_build *b = l->b;
    const uint32_t keep = b->shape.leaf_best;
    LHI_UNSET uint16_t columns[LHI_LEAF_MAX + 96];
    LHI_UNSET int16_t scores[LHI_LEAF_MAX + 96];
    LHI_UNSET uint64_t best[LHI_LEAF_BEST_MAX];
    uint32_t count = 0;
    l->matrix[i * l->ld + i] = INT16_MIN;
    size_t found =
        b->kernels->build.leaf_best(l->matrix + i * l->ld, l->half, l->padded,
                                    (int)LH_MIN(b->shape.leaf_sure, l->count), columns, scores);
    for (size_t f = 0; f < found; f++) {
        if (columns[f] >= l->count || columns[f] == i)
            continue;
        uint64_t key = (uint64_t)(uint32_t)(INT16_MAX - scores[f]) << 32 | l->places[columns[f]];
        if (count < keep) {
            best[count++] = key;
            continue;
        }
        uint32_t worst = 0;
        for (uint32_t w = 1; w < keep; w++)
            worst = best[w] > best[worst] ? w : worst;
        if (key < best[worst])
            best[worst] = key;
    }
    uint64_t slot = l->members[i] - l->b->slice_first * b->shape.overlap;
    uint32_t *ids = LHI_U32(b->candidate_ids) + slot * keep;
    uint16_t *keys = (uint16_t *)b->candidate_keys.ptr + slot * keep;
    for (uint32_t c = 0; c < count; c++) {
        ids[c] = (uint32_t)best[c];
        keys[c] = (uint16_t)(best[c] >> 32);
    }
    ((uint8_t *)b->candidate_counts.ptr)[slot] = (uint8_t)count;
}

static void do_leaf(leaf *l)
{
    const lhi_build *b = l->b;
    uint32_t first = 0;
    uint32_t end = l->count;
    while (first < end && l->members[first] / b->shape.overlap < b->slice_first)
        first++;
    while (end > first && l->members[end - 1] / b->shape.overlap >= b->slice_end)
        end--;
    if (first == end)
        return;
    l->padded = (l->count + 31) / 32 * 32;
    l->ld = l->padded + 32;
    pack_leaf(l);
    fill_matrix(l, first / LH_VECTOR_PANEL, (end + LH_VECTOR_PANEL - 1) / LH_VECTOR_PANEL);
    for (uint32_t i = first; i < end; i++)
        collect(l, i);
}

static lh_rc leaf_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    lhi_build *b = arg;
    uint8_t *memory = lhi_worker_memory(w, leaf_bytes(b));
    if (!memory)
        return w->cx->err.rc;
    leaf l = {.b = b};
    lay_out(&l, memory);
    for (uint64_t i = first; i < end; i++) {
        l.members = LHI_U32(b->members) + b->leaf_starts[i];
        l.count = b->leaf_starts[i + 1] - b->leaf_starts[i];
        do_leaf(&l);
    }
    return LH_OK;
}

static void choose_shift(lhi_build *b)
{
    int32_t largest = 1;
    for (uint64_t i = 0; i < b->rows; i++)
        largest = LH_MAX(largest, LHI_I32(b->i8_norm)[i]);
    for (b->shift = 0; largest >> b->shift > NORM_LARGEST; b->shift++)
        continue;
}

/* Lists longer than a leaf are cut into even leaves. */
static lh_rc cut_leaves(lhi_build *b, const uint32_t *starts)
{
    uint64_t slots = b->rows * b->shape.overlap;
    size_t most = b->lists + (size_t)(slots / LHI_LEAF_MAX) * 2 + 16;
    b->leaf_starts = LH_NEW_ARRAY(b->cx, uint32_t, most);
    if (!b->leaf_starts)
        return b->cx->err.rc;
    b->leaves = 0;
    for (uint32_t l = 0; l < b->lists; l++) {
        uint64_t rows = starts[l + 1] - starts[l];
        uint64_t parts = (rows + LHI_LEAF_MAX - 1) / LHI_LEAF_MAX;
        for (uint64_t p = 0; p < parts; p++)
            b->leaf_starts[b->leaves++] = starts[l] + (uint32_t)(rows * p / parts);
    }
    b->leaf_starts[b->leaves] = (uint32_t)slots;
    return LH_OK;
}

lh_rc lhi_build_leaves(lhi_build *b)
{
    uint32_t overlap = b->shape.overlap;
    uint32_t *starts = LH_NEW_ARRAY(b->cx, uint32_t, (size_t)b->lists + 2);
    uint32_t *next = LH_NEW_ARRAY(b->cx, uint32_t, (size_t)b->lists + 1);
    if (!starts || !next)
        return b->cx->err.rc;
    if (b->rows * overlap >= UINT32_MAX)
        return lh_fail(b->cx, LH_E_TOO_LARGE, "a graph of %llu rows in %u leaves each",
                       (unsigned long long)b->rows, overlap);
    LH_TRY(lhi_build_pages(b, &b->members, b->rows * overlap, sizeof(uint32_t)));
    const uint32_t *assigned = LHI_U32(b->assigned);
    for (uint64_t i = 0; i < b->rows * overlap; i++)
        starts[assigned[i] + 1]++;
    for (uint32_t l = 0; l < b->lists; l++)
        starts[l + 1] += starts[l];
    memcpy(next, starts, b->lists * sizeof *next);
    for (uint64_t place = 0; place < b->rows; place++) {
        const uint32_t *of = assigned + (uint64_t)LHI_U32(b->row_of)[place] * overlap;
        for (uint32_t f = 0; f < overlap; f++)
            LHI_U32(b->members)[next[of[f]]++] = (uint32_t)(place * overlap + f);
    }
    choose_shift(b);
    LH_TRY(cut_leaves(b, starts));
    lh_pages_free(&b->assigned);
    return LH_OK;
}

lh_rc lhi_build_candidates(lhi_build *b)
{
    uint64_t slots = (b->slice_end - b->slice_first) * b->shape.overlap;
    lhi_build_phase(b, "leaves", b->slice_first);
    LH_TRY(lhi_build_pages(b, &b->candidate_ids, slots * b->shape.leaf_best, sizeof(uint32_t)));
    LH_TRY(lhi_build_pages(b, &b->candidate_keys, slots * b->shape.leaf_best, sizeof(uint16_t)));
    LH_TRY(lhi_build_pages(b, &b->candidate_counts, slots, 1));
    lhi_loop loop = {leaf_piece, b, b->leaves, 1};
    return lhi_vector_parallel(b->cx, b->threads, &loop);
}
