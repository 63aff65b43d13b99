/* vector/vector_flat.c - a scan of all 1-bit codes, then 4-bit scores of what it kept.
 *
 * The lists nearest to the query are scanned first: their rows set a threshold that keeps nearly
 * everything else out. Keys order by score, then by row, so what is kept does not depend on the
 * order of the scan (research/vector_real.md section 3). */
#include "vector/vector_walk_private.h"

#include <stdlib.h>

#define SCORED_AT_ONCE 256u
#define SHORT_SORT     96u
#define BLOCKS_BETWEEN 512u

static void swap_keys(uint64_t *a, uint64_t *b)
{
    uint64_t key = *a;
    *a = *b;
    *b = key;
}

/* The middle of three comes last. */
static void choose_pivot(uint64_t *low, uint64_t *middle, uint64_t *last)
{
    if (*low < *middle)
        swap_keys(low, middle);
    if (*last > *low)
        swap_keys(last, low);
    if (*last < *middle)
        swap_keys(last, middle);
}

/* Larger keys than the pivot to the front, without a branch to guess. Returns where it stands. */
static size_t part_keys(uint64_t *keys, size_t low, size_t last)
{
    choose_pivot(&keys[low], &keys[low + (last - low) / 2], &keys[last]);
    const uint64_t pivot = keys[last];
    size_t at = low;
    for (size_t i = low; i < last; i++) {
        uint64_t key = keys[i];
        keys[i] = keys[at];
        keys[at] = key;
        at += key > pivot;
    }
    swap_keys(&keys[at], &keys[last]);
    return at;
}

/* Quickselect; no two keys are equal. */
void lhi_select_keys(uint64_t *keys, size_t count, size_t keep)
{
    size_t low = 0;
    size_t end = count;
    if (keep == 0 || keep >= count)
        return;
    while (end - low > 1) {
        size_t at = part_keys(keys, low, end - 1);
        if (at == keep || at + 1 == keep)
            return;
        if (at > keep)
            end = at;
        else
            low = at + 1;
    }
}

static int falling(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x > y ? -1 : x < y;
}

void lhi_sort_keys(uint64_t *keys, size_t count)
{
    if (count <= SHORT_SORT) {
        for (size_t i = 1; i < count; i++) {
            uint64_t key = keys[i];
            size_t j = i;
            for (; j > 0 && keys[j - 1] < key; j--)
                keys[j] = keys[j - 1];
            keys[j] = key;
        }
        return;
    }
    qsort(keys, count, sizeof *keys, falling);
}

typedef struct flat_run {
    lh_ctx *cx;
    const lh_vector_index *index;
    lhi_scratch *scratch;
    lh_vector_b1_scan scan;
    uint32_t depth;
    uint64_t scanned;
} flat_run;

/* Keeps the depth best and raises the threshold to the last of them. */
static void compress(flat_run *f)
{
    lh_vector_b1_scan *s = &f->scan;
    if (s->keys_count <= f->depth)
        return;
    lhi_select_keys(s->keys, s->keys_count, f->depth);
    uint64_t least = s->keys[0];
    for (uint32_t i = 1; i < f->depth; i++)
        least = s->keys[i] < least ? s->keys[i] : least;
    s->keys_count = f->depth;
    s->threshold = lh_vector_key_score(least);
}

static lh_rc scan_blocks(flat_run *f, size_t first, size_t end)
{
    size_t at = first;
    while (at < end) {
        size_t stop = LH_MIN(end, at + BLOCKS_BETWEEN);
        size_t next = f->index->kernels->search.b1_scan(&f->scan, at, stop);
        if (next < stop)
            compress(f);
        else if (f->scan.threshold == -__builtin_inff())
            compress(f);
        at = next;
        if (end - first > 1)
            LH_TRY(lh_ctx_check(f->cx));
    }
    f->scanned += (end - first) * f->index->kernels->search.b1_block_rows;
    return LH_OK;
}

lh_rc lhi_rank_lists(lh_ctx *cx, const lh_vector_index *x, lhi_scratch *s, uint32_t count)
{
    const size_t bytes = x->meta.padded / 2;
    const uint32_t lists = x->meta.lists;
    LH_TRY(lhi_scratch_keys(cx, s, lists));
    for (uint32_t l = 0; l < lists; l += 4) {
        LHI_UNSET const uint8_t *rows[4];
        LHI_UNSET int32_t sums[4];
        for (uint32_t z = 0; z < 4; z++)
            rows[z] = x->leader_codes + LH_MIN(l + z, lists - 1) * bytes;
        x->kernels->search.i4_four(rows, s->query.i8, x->meta.padded / 128, sums);
        for (uint32_t z = 0; z < 4 && l + z < lists; z++) {
            float score = lhi_i4_score(&s->query, sums[z], x->leader_factors[l + z]);
            if (x->leader_halves)
                score += x->leader_halves[l + z];
            s->keys[l + z] = lh_vector_key(score, l + z);
        }
    }
    lhi_select_keys(s->keys, lists, count);
    lhi_sort_keys(s->keys, LH_MIN(count, lists));
    for (uint32_t l = 0; l < LH_MIN(count, lists); l++)
        s->lists[l] = lh_vector_key_row(s->keys[l]);
    return LH_OK;
}

/* Blocks of the lists in scratch->lists; marked, so that they are not scanned again. */
static lh_rc scan_lists(flat_run *f, uint32_t count)
{
    const lh_vector_index *x = f->index;
    const uint32_t rows = (uint32_t)x->kernels->search.b1_block_rows;
    for (uint32_t l = 0; l < count; l++) {
        uint32_t first = x->list_starts[f->scratch->lists[l]];
        uint32_t end = x->list_starts[f->scratch->lists[l] + 1];
        for (uint32_t b = first / rows; first < end && b <= (end - 1) / rows; b++) {
            if (f->scratch->blocks[b / 64] >> (b % 64) & 1u)
                continue;
            f->scratch->blocks[b / 64] |= 1ull << (b % 64);
            LH_TRY(scan_blocks(f, b, b + 1));
        }
    }
    compress(f);
    return LH_OK;
}

/* Runs of blocks that were not scanned yet. */
static lh_rc scan_rest(flat_run *f)
{
    const size_t rows = f->index->kernels->search.b1_block_rows;
    const size_t blocks = (size_t)((f->index->meta.rows + rows - 1) / rows);
    const uint64_t *seen = f->scratch->blocks;
    for (size_t at = 0; at < blocks;) {
        uint64_t left = ~seen[at / 64] >> (at % 64);
        if (left == 0) {
            at = (at / 64 + 1) * 64;
            continue;
        }
        at += (size_t)__builtin_ctzll(left);
        size_t end = at;
        while (end < blocks && !(seen[end / 64] >> (end % 64) & 1u))
            end = seen[end / 64] == 0 && end % 64 == 0 ? end + 64 : end + 1;
        end = LH_MIN(end, blocks);
        if (at < end)
            LH_TRY(scan_blocks(f, at, end));
        at = LH_MAX(end, at + 1);
    }
    return LH_OK;
}

lh_rc lhi_flat_scan(lh_ctx *cx, const lh_vector_index *index, lhi_scratch *s, lhi_flat_ask *ask)
{
    const uint32_t depth = ask->depth;
    uint32_t lists = LH_MIN(ask->lists, index->meta.lists);
    uint64_t evaluations = 0;
    if (lists > 0)
        LH_TRY(lhi_rank_lists(cx, index, s, lists));
    else
        lists = lhi_entries(index, &s->query, NULL, s->lists, LHI_NEAR_LISTS, &evaluations);
    LH_TRY(lhi_scratch_keys(cx, s, (size_t)depth * 2 + 256));
    flat_run f = {.cx = cx, .index = index, .scratch = s, .depth = depth};
    f.scan = (lh_vector_b1_scan){.blocks = index->b1_blocks,
                                 .block_bytes = index->b1_block_bytes,
                                 .factors = index->b1_factors,
                                 .offsets = index->halves,
                                 .allowed = ask->allowed_places,
                                 .table = s->query.table,
                                 .padded = index->meta.padded,
                                 .rows = (uint32_t)index->meta.rows,
                                 .base = s->query.b1_base,
                                 .unit = s->query.b1_unit,
                                 .threshold = -__builtin_inff(),
                                 .keys = s->keys,
                                 .keys_max = (size_t)depth * 2 + 256};
    memset(s->blocks, 0, (size_t)(index->meta.rows / 32 / 64 + 1) * sizeof(uint64_t));
    LH_TRY(scan_lists(&f, lists));
    if (ask->lists == 0)
        LH_TRY(scan_rest(&f));
    compress(&f);
    s->keys_count = f.scan.keys_count;
    ask->scanned = f.scanned;
    return LH_OK;
}

/* The largest to the front; the least of them is what others must reach. */
static uint32_t keep_largest(uint64_t *keys, uint32_t count, uint32_t keep, uint64_t *ret_least)
{
    lhi_select_keys(keys, count, keep);
    uint64_t least = keys[0];
    for (uint32_t i = 1; i < LH_MIN(count, keep); i++)
        least = LH_MIN(least, keys[i]);
    *ret_least = least;
    return LH_MIN(count, keep);
}

uint32_t lhi_i4_select(const lh_vector_index *index, lhi_scratch *s, uint32_t count, uint32_t keep)
{
    uint64_t *keys = s->keys;
    uint64_t least = 0;
    uint32_t kept = 0;
    lh_vector_i4_ask ask = lhi_i4_ask(index, &s->query);
    for (uint32_t first = 0; first < count; first += SCORED_AT_ONCE) {
        LHI_UNSET uint32_t places[SCORED_AT_ONCE];
        LHI_UNSET float scores[SCORED_AT_ONCE];
        uint32_t some = LH_MIN(count - first, SCORED_AT_ONCE);
        for (uint32_t i = 0; i < some; i++)
            places[i] = lh_vector_key_row(keys[first + i]);
        for (uint32_t i = some; i % 4 != 0; i++)
            places[i] = places[some - 1];
        index->kernels->search.i4_scores(&ask, places, some, scores);
        for (uint32_t i = 0; i < some; i++) { /* never ahead of what was read */
            keys[kept] = lh_vector_key(scores[i], places[i]);
            kept += keys[kept] > least;
        }
        if (kept > 2 * keep + SCORED_AT_ONCE)
            kept = keep_largest(keys, kept, keep, &least);
    }
    lhi_select_keys(keys, kept, keep);
    return LH_MIN(kept, keep);
}
