/* segset/segset_filter.c - which rows of a segment a filter over ids allows: a bitmap for its
 * engine.
 *
 * Ids without gaps are a run of the caller's bitmap; a list of ids is found by searches that only
 * get shorter. */
#include "segset/segset_private.h"

static uint64_t word_at(const lh_segset_filter *filter, uint64_t bit)
{
    uint64_t word = bit / 64;
    uint64_t words = filter->by_id_count / 64 + 1;
    unsigned shift = (unsigned)(bit % 64);
    uint64_t low = word < words ? filter->by_id[word] >> shift : 0;
    uint64_t high = shift > 0 && word + 1 < words ? filter->by_id[word + 1] << (64 - shift) : 0;
    return low | high;
}

/* Ids without gaps are a run of the caller's bitmap. */
static void allow_run(const lh_segset_part *part, const lh_segset_filter *filter, uint64_t *words)
{
    uint64_t first = part->ids[0];
    for (uint64_t row = 0; row < part->rows; row += 64) {
        uint64_t left = first + row < filter->by_id_count ? filter->by_id_count - (first + row) : 0;
        left = LH_MIN(left, part->rows - row);
        uint64_t mask = left >= 64 ? UINT64_MAX : (1ull << left) - 1;
        words[row / 64] = left > 0 ? word_at(filter, first + row) & mask : 0;
    }
}

static void allow_by_id(const lh_segset_part *part, const lh_segset_filter *filter, uint64_t *words)
{
    if (part->ids[part->rows - 1] - part->ids[0] == part->rows - 1) {
        allow_run(part, filter, words);
        return;
    }
    for (uint64_t row = 0; row < part->rows; row++)
        if (part->ids[row] < filter->by_id_count &&
            (filter->by_id[part->ids[row] / 64] >> (part->ids[row] % 64) & 1u))
            words[row / 64] |= 1ull << (row % 64);
}

/* Both lists rise: what is searched only gets shorter. */
static void allow_ids(const lh_segset_part *part, const uint64_t *ids, size_t count,
                      uint64_t *words)
{
    uint64_t low = 0;
    for (size_t i = 0; i < count && low < part->rows; i++) {
        if (ids[i] < part->ids[low])
            continue;
        uint64_t step = 1;
        uint64_t high = low;
        while (high < part->rows && part->ids[high] < ids[i]) {
            low = high + 1;
            high += step;
            step *= 2;
        }
        high = LH_MIN(high, part->rows);
        while (low < high) {
            uint64_t middle = low + (high - low) / 2;
            if (part->ids[middle] < ids[i])
                low = middle + 1;
            else
                high = middle;
        }
        if (low < part->rows && part->ids[low] == ids[i])
            words[low / 64] |= 1ull << (low % 64);
    }
}

lh_rc lh_segset_allowed(lh_ctx *cx, const lh_segset_part *part, const lh_segset_filter *filter,
                        const uint64_t **ret_words, uint64_t *ret_count)
{
    *ret_words = part->live;
    *ret_count = part->rows_live;
    if ((!filter->by_id && !filter->ids) || part->rows_live == 0)
        return LH_OK;
    size_t count = (size_t)LH_SEGSET_WORDS(part->rows);
    uint64_t *words = LH_NEW_ARRAY(cx, uint64_t, count);
    if (!words)
        return cx->err.rc;
    if (filter->by_id)
        allow_by_id(part, filter, words);
    else
        allow_ids(part, filter->ids, filter->ids_count, words);
    uint64_t found = 0;
    for (size_t i = 0; i < count; i++) {
        words[i] &= part->live ? part->live[i] : UINT64_MAX;
        found += (uint64_t)__builtin_popcountll(words[i]);
    }
    *ret_words = words;
    *ret_count = found;
    return LH_OK;
}
