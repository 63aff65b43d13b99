/* vector/vector_prune.c - from candidates to a graph: keep what is near and not behind something
 * kept (alpha pruning, DiskANN, NeurIPS 2019), add the reverse edges, prune again.
 *
 * Distances are exact integers of int8 codes, ties are ordered by place. In the second round two
 * candidates that both came through the first need not be compared again. */
#include "vector/vector_build_private.h"

#include <stdlib.h>

#define FORWARD_MAX    (LHI_OVERLAP_MAX * LHI_LEAF_BEST_MAX)
#define JOINED_MAX     160u /* candidates of the second round */
#define AHEAD          8u
#define SAME_PLACE_MAX 4u /* copies of a row among its neighbours: more would wall it in */
#define ROWS_PER_PIECE 256u

typedef struct candidate {
    int32_t distance; /* squared, of int8 codes */
    uint32_t place;
    uint32_t own; /* came through the first round */
} candidate;

typedef struct kept_list {
    uint32_t count;
    uint32_t same;
    int32_t sums[LHI_DEGREE_MAX + 4];
    int32_t norms[LHI_DEGREE_MAX + 4];
    uint8_t own[LHI_DEGREE_MAX + 4];
    uint32_t from[LHI_DEGREE_MAX]; /* index of the candidate */
    int8_t *codes;
} kept_list;

LHI_PREFETCHES void prefetch_code(const lhi_build *b, const candidate *c)
{
    lhi_prefetch(lhi_i8(b, c->place), b->padded);
    __builtin_prefetch(LHI_I32(b->i8_norm) + c->place);
    __builtin_prefetch(LHI_I32(b->i8_sum) + c->place);
}

/* Is some kept row alpha times nearer to the candidate than the row itself? */
static int is_behind(const lhi_build *b, const kept_list *kept, const candidate *c)
{
    const uint8_t *code = lhi_i8(b, c->place);
    const float limit = (float)c->distance / b->shape.alpha;
    const int32_t norm = LHI_I32(b->i8_norm)[c->place];
    for (uint32_t k = 0; k < kept->count; k += 4) {
        uint32_t some = LH_MIN(kept->count - k, 4u);
        LHI_UNSET int32_t dots[4];
        uint32_t own = 0;
        for (uint32_t z = 0; z < some; z++)
            own += kept->own[k + z];
        if (c->own && own == some)
            continue;
        b->kernels->build.dot_four(code, kept->codes + (size_t)k * b->padded, b->padded, dots);
        for (uint32_t z = 0; z < some; z++) {
            int32_t distance = norm + kept->norms[k + z] - 2 * (dots[z] - 128 * kept->sums[k + z]);
            if ((float)distance < limit && !(c->own && kept->own[k + z]))
                return 1;
        }
    }
    return 0;
}

static void keep(const lhi_build *b, kept_list *kept, const candidate *c, uint32_t index)
{
    const uint8_t *code = lhi_i8(b, c->place);
    int8_t *to = kept->codes + (size_t)kept->count * b->padded;
    for (size_t i = 0; i < b->padded; i += 8) {
        uint64_t word;
        memcpy(&word, code + i, sizeof word);
        word ^= 0x8080808080808080ull;
        memcpy(to + i, &word, sizeof word);
    }
    kept->sums[kept->count] = LHI_I32(b->i8_sum)[c->place];
    kept->norms[kept->count] = LHI_I32(b->i8_norm)[c->place];
    kept->own[kept->count] = (uint8_t)c->own;
    kept->same += c->distance == 0;
    kept->from[kept->count++] = index;
}

static void prune(const lhi_build *b, const candidate *c, uint32_t count, kept_list *kept)
{
    kept->count = kept->same = 0;
    for (uint32_t i = 0; i < LH_MIN(count, AHEAD); i++)
        prefetch_code(b, &c[i]);
    for (uint32_t i = 0; i < count && kept->count < b->shape.degree; i++) {
        if (i + AHEAD < count)
            prefetch_code(b, &c[i + AHEAD]);
        if (c[i].distance == 0 && kept->same >= SAME_PLACE_MAX)
            continue;
        if (!is_behind(b, kept, &c[i]))
            keep(b, kept, &c[i], i);
    }
}

static void sort_short(uint64_t *keys, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint64_t key = keys[i];
        size_t j = i;
        for (; j > 0 && keys[j - 1] > key; j--)
            keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sort_keys(uint64_t *keys, size_t count)
{
    if (count <= 96)
        sort_short(keys, count);
    else
        qsort(keys, count, sizeof *keys, by_key);
}

static lh_rc kept_memory(lhi_worker *w, const lhi_build *b, size_t more, kept_list *kept,
                         void **ret_more)
{
    size_t codes = (size_t)(LHI_DEGREE_MAX + 4) * b->padded;
    uint8_t *memory = lhi_worker_memory(w, codes + more);
    if (!memory)
        return w->cx->err.rc;
    kept->codes = (int8_t *)memory;
    if (ret_more)
        *ret_more = memory + codes;
    return LH_OK;
}

/* Distinct candidates of a place, nearest first: key of 16 bits above the place. */
static uint32_t gather(const lhi_build *b, uint64_t place, uint64_t *keys)
{
    LHI_UNSET uint32_t seen[512];
    uint32_t count = 0;
    memset(seen, 0xff, sizeof seen);
    for (uint32_t f = 0; f < b->shape.overlap; f++) {
        uint64_t slot = (place - b->slice_first) * b->shape.overlap + f;
        const uint32_t *ids = LHI_U32(b->candidate_ids) + slot * b->shape.leaf_best;
        const uint16_t *of = (const uint16_t *)b->candidate_keys.ptr + slot * b->shape.leaf_best;
        for (uint32_t c = 0; c < ((const uint8_t *)b->candidate_counts.ptr)[slot]; c++) {
            uint32_t at = (ids[c] * 2654435761u) >> 23;
            while (seen[at] != LHI_NO_ROW && seen[at] != ids[c])
                at = (at + 1) & 511;
            if (seen[at] == ids[c])
                continue;
            seen[at] = ids[c];
            keys[count++] = (uint64_t)of[c] << 32 | ids[c];
        }
    }
    sort_keys(keys, count);
    return count;
}

/* A leaf's score lost its low bits: what the key says about the distance. */
static int32_t distance_of(const lhi_build *b, uint64_t place, uint32_t key)
{
    int64_t score = (int64_t)(INT16_MAX - (int32_t)key) * (2ll << b->shift);
    int64_t distance = LHI_I32(b->i8_norm)[place] - score;
    return distance < 0 ? 0 : distance > INT32_MAX ? INT32_MAX : (int32_t)distance;
}

static lh_rc forward_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    lhi_build *b = arg;
    kept_list kept;
    LH_TRY(kept_memory(w, b, 0, &kept, NULL));
    uint64_t keys[FORWARD_MAX];
    candidate c[FORWARD_MAX];
    for (uint64_t i = first; i < end; i++) {
        uint64_t place = b->slice_first + i;
        uint32_t count = gather(b, place, keys);
        for (uint32_t j = 0; j < count; j++)
            c[j] =
                (candidate){distance_of(b, place, (uint32_t)(keys[j] >> 32)), (uint32_t)keys[j], 0};
        prune(b, c, count, &kept);
        uint32_t *edges = LHI_U32(b->edges) + place * b->shape.degree;
        uint16_t *edge_keys = (uint16_t *)b->edge_keys.ptr + place * b->shape.degree;
        for (uint32_t j = 0; j < b->shape.degree; j++) {
            edges[j] = j < kept.count ? c[kept.from[j]].place : LHI_NO_ROW;
            edge_keys[j] = j < kept.count ? (uint16_t)(keys[kept.from[j]] >> 32) : 0;
        }
    }
    return LH_OK;
}

lh_rc lhi_build_forward(lhi_build *b)
{
    lhi_build_phase(b, "prune", b->slice_first);
    lhi_loop loop = {forward_piece, b, b->slice_end - b->slice_first, ROWS_PER_PIECE};
    lh_rc rc = lhi_vector_parallel(b->cx, b->threads, &loop);
    lh_pages_free(&b->candidate_ids);
    lh_pages_free(&b->candidate_keys);
    lh_pages_free(&b->candidate_counts);
    return rc;
}

/* ---- reverse edges ---- */

typedef struct reverse_edge {
    uint32_t place;
    int32_t distance;
} reverse_edge;

/* A counting sort of all edges by their end. */
static lh_rc make_reverse(lhi_build *b)
{
    const uint64_t slots = b->rows * b->shape.degree;
    const uint32_t *edges = LHI_U32(b->edges);
    LH_TRY(lhi_build_pages(b, &b->reverse_starts, b->rows + 2, sizeof(uint64_t)));
    uint64_t *starts = b->reverse_starts.ptr;
    for (uint64_t e = 0; e < slots; e++)
        if (edges[e] != LHI_NO_ROW)
            starts[edges[e] + 2]++;
    for (uint64_t i = 2; i < b->rows + 2; i++)
        starts[i] += starts[i - 1];
    LH_TRY(lhi_build_pages(b, &b->reverse, starts[b->rows + 1], sizeof(reverse_edge)));
    reverse_edge *reverse = b->reverse.ptr;
    for (uint64_t place = 0; place < b->rows; place++)
        for (uint64_t e = place * b->shape.degree;
             e < (place + 1) * b->shape.degree && edges[e] != LHI_NO_ROW; e++) {
            uint16_t key = ((const uint16_t *)b->edge_keys.ptr)[e];
            reverse[starts[edges[e] + 1]++] =
                (reverse_edge){(uint32_t)place, distance_of(b, place, key)};
        }
    return LH_OK; /* starts[p] .. starts[p + 1]: one step was left for the sort */
}

/* Own edges and incoming ones in order of distance; an edge in both directions counts as own. */
static uint32_t join(const lhi_build *b, uint64_t place, uint64_t *keys, candidate *c)
{
    const uint64_t *starts = b->reverse_starts.ptr;
    const reverse_edge *reverse = b->reverse.ptr;
    const uint32_t *edges = LHI_U32(b->edges) + place * b->shape.degree;
    const uint16_t *edge_keys = (const uint16_t *)b->edge_keys.ptr + place * b->shape.degree;
    size_t count = 0;
    uint32_t joined = 0;
    for (uint32_t i = 0; i < b->shape.degree && edges[i] != LHI_NO_ROW; i++)
        keys[count++] = (uint64_t)(uint32_t)distance_of(b, place, edge_keys[i]) << 33 | edges[i];
    for (uint64_t e = starts[place]; e < starts[place + 1]; e++)
        keys[count++] =
            (uint64_t)(uint32_t)reverse[e].distance << 33 | 1ull << 32 | reverse[e].place;
    sort_keys(keys, count);
    for (size_t i = 0; i < count && joined < JOINED_MAX; i++) {
        uint32_t id = (uint32_t)keys[i];
        if (joined > 0 && c[joined - 1].place == id)
            continue;
        c[joined++] = (candidate){(int32_t)(keys[i] >> 33), id, !((uint32_t)(keys[i] >> 32) & 1u)};
    }
    return joined;
}

static lh_rc graph_piece(lhi_worker *w, void *arg, uint64_t first, uint64_t end)
{
    lhi_build *b = arg;
    const uint64_t *starts = b->reverse_starts.ptr;
    uint64_t most = 0;
    for (uint64_t p = first; p < end; p++)
        most = LH_MAX(most, starts[p + 1] - starts[p]);
    kept_list kept;
    void *keys = NULL;
    candidate c[JOINED_MAX];
    LH_TRY(kept_memory(w, b, (most + LHI_DEGREE_MAX) * sizeof(uint64_t), &kept, &keys));
    lh_assert(keys != NULL);
    for (uint64_t place = first; place < end; place++) {
        uint32_t count = join(b, place, keys, c);
        uint32_t *out = LHI_U32(b->graph) + place * b->shape.degree;
        int all = count <= b->shape.degree;
        if (!all)
            prune(b, c, count, &kept);
        uint32_t edges = all ? count : kept.count;
        for (uint32_t i = 0; i < b->shape.degree; i++)
            out[i] = i >= edges ? LHI_NO_ROW : all ? c[i].place : c[kept.from[i]].place;
    }
    return LH_OK;
}

lh_rc lhi_build_graph(lhi_build *b)
{
    lhi_build_phase(b, "reverse", 0);
    LH_TRY(make_reverse(b));
    lh_pages_free(&b->members);
    LH_TRY(lhi_build_pages(b, &b->graph, b->rows * b->shape.degree, sizeof(uint32_t)));
    lhi_build_phase(b, "join", 0);
    lhi_loop loop = {graph_piece, b, b->rows, ROWS_PER_PIECE};
    lh_rc rc = lhi_vector_parallel(b->cx, b->threads, &loop);
    lh_pages_free(&b->edges);
    lh_pages_free(&b->edge_keys);
    lh_pages_free(&b->reverse);
    lh_pages_free(&b->reverse_starts);
    return rc;
}
