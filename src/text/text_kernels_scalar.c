/* text_kernels_scalar.c - the reference: what every other instruction set must do, bit for bit. */
#include "text/text_plan_private.h"

static inline void unpack_block(const uint8_t *gaps, uint32_t bits, uint32_t base, uint32_t count,
                                uint32_t *out)
{
    uint64_t bit = 0;
    uint32_t mask = (uint32_t)((1ull << bits) - 1);
    for (uint32_t i = 0; i < count; i++, bit += bits) {
        base += ((lhi_text_u32(gaps + (bit >> 3)) >> (bit & 7)) & mask) + 1;
        out[i] = base;
    }
}

static inline uint32_t lower_bound(const uint32_t *sorted, uint32_t count, uint32_t x)
{
    uint32_t low = 0;
    while (count > 0) {
        uint32_t half = count / 2;
        if (sorted[low + half] < x) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

static inline uint32_t collect_group(lhi_text_work *work, uint32_t at, uint32_t start,
                                     uint32_t threshold, const uint64_t *allow, uint32_t n)
{
    for (uint32_t i = at; i < at + 16; i++) {
        uint32_t sum = work->sums[i];
        uint32_t doc = start + i;
        work->sums[i] = 0;
        work->docs[n] = doc;
        work->points[n] = sum;
        n += sum > threshold && (!allow || (allow[doc >> 6] >> (doc & 63) & 1));
    }
    return n;
}

static void weigh(const double *impacts, uint32_t count, double weight, uint32_t *out)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = lhi_text_points(impacts[i], weight);
}

#include "text/text_loops_private.h"

const lhi_text_kernels lhi_text_kernels_scalar = {"scalar", LHI_TEXT_LOOPS};
