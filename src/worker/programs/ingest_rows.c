/* ingest_rows.c - tables and cuts shared by all row formats. */
#include "worker/programs/ingest_rows.h"

enum {
    PART_BYTES_ALONE =
        8 * 1024 * 1024, /* below, one part: a second file costs more than it gains */
    PART_BYTES_GOOD = 192 * 1024 * 1024
};

const char *lh_oddity_code(lh_oddity oddity)
{
    static const char *const codes[LH_ODD_COUNT] = {
#define LH_ODDITY_CODE(symbol, code) code,
        LH_ODDITY_LIST(LH_ODDITY_CODE)
#undef LH_ODDITY_CODE
    };
    lh_assert((unsigned)oddity < LH_ODD_COUNT);
    return codes[oddity];
}

void lh_oddities_add(lh_oddities *into, const lh_oddities *other)
{
    for (size_t i = 0; i < LH_ODD_COUNT; i++)
        into->counts[i] += other->counts[i];
}

lh_rc lh_rows_cut(lh_ctx *cx, uint64_t begin, uint64_t end, uint32_t threads, lh_rows_plan *plan)
{
    lh_assert(begin <= end && threads > 0);
    uint64_t bytes = end - begin;
    uint64_t count = 1;
    if (threads > 1 && bytes >= (uint64_t)PART_BYTES_ALONE * 2) {
        uint64_t rounds = (bytes + (uint64_t)PART_BYTES_GOOD * threads - 1) /
                          ((uint64_t)PART_BYTES_GOOD * threads);
        count = LH_MIN(rounds * threads, bytes / PART_BYTES_ALONE);
    } else if (bytes > (uint64_t)PART_BYTES_GOOD) {
        count = (bytes + PART_BYTES_GOOD - 1) / PART_BYTES_GOOD;
    }
    count = LH_MIN(count, (uint64_t)LH_PARTS_MAX);
    plan->parts = LH_NEW_ARRAY(cx, lh_rows_part, count);
    if (plan->parts == NULL)
        return cx->err.rc;
    plan->parts_count = (uint32_t)count;
    uint64_t step = bytes / count;
    for (uint64_t i = 0; i < count; i++) {
        plan->parts[i].begin = begin + i * step;
        plan->parts[i].end = i + 1 < count ? begin + (i + 1) * step : end;
    }
    return LH_OK;
}
