/* accept.c - which of several media types a client likes best: the Accept header of RFC 9110,
 * 12.5.1.
 *
 * The most specific range that covers a type gives its quality. A range whose quality is not a
 * number from 0 to 1 counts for nothing. Parameters other than q are not compared: our types have
 * none that matter. */
#include "net/http.h"
#include "net/text_private.h"

enum { RANK_NONE, RANK_ALL, RANK_MAIN, RANK_EXACT };
enum { QUALITY_MAX = 1000 }; /* three decimals are all there may be */

/* "0.25" -> 250; "1", "1.0". */
static bool parse_quality(lh_str text, unsigned *ret)
{
    unsigned value = 0;
    unsigned unit = QUALITY_MAX;
    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[1] != '.'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (i == 1)
            continue; /* the point */
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value += (unsigned)(text.ptr[i] - '0') * unit;
        unit /= 10;
    }
    *ret = value;
    return value <= QUALITY_MAX;
}

/* "text/csv; header=present; q=0.5" -> "text/csv", 500. */
static bool parse_range(lh_str item, lh_str *ret_range, unsigned *ret_quality)
{
    lh_str part;
    if (!lh_str_split_next(&item, ';', &part))
        return false;
    *ret_range = lh_str_trim(part);
    *ret_quality = QUALITY_MAX;
    while (lh_str_split_next(&item, ';', &part)) {
        part = lh_str_trim(part);
        if (lh_str_starts_nocase(part, LH_S("q=")))
            return parse_quality(lh_str_from_offset(part, 2), ret_quality);
    }
    return true;
}

static int rank_of(lh_str range, lh_str type)
{
    if (lh_str_eq_nocase(range, type))
        return RANK_EXACT;
    if (lh_str_eq(range, LH_S("*/*")))
        return RANK_ALL;
    size_t slash = lh_str_find_char(range, '/');
    if (slash != LH_STR_NPOS && lh_str_eq(lh_str_from_offset(range, slash), LH_S("/*")) &&
        lh_str_starts_nocase(type, lh_str_sub(range, 0, slash + 1)))
        return RANK_MAIN;
    return RANK_NONE;
}

typedef struct liking {
    int rank;
    unsigned quality;
    size_t place; /* of a range that names the type, in the header; others come after all */
} liking;

static liking like(lh_str accept, lh_str type)
{
    liking best = {.place = SIZE_MAX};
    lh_str item, range;
    unsigned quality;
    for (size_t place = 0; lh_str_split_next(&accept, ',', &item); place++) {
        if (!parse_range(item, &range, &quality))
            continue;
        int rank = rank_of(range, type);
        if (rank > best.rank)
            best = (liking){rank, quality, rank == RANK_EXACT ? place : SIZE_MAX};
    }
    return best;
}

size_t lhi_accept_choose(lh_str accept, const char *const *types, size_t count)
{
    size_t chosen = count;
    liking best = {0};
    if (lh_str_trim(accept).len == 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        liking one = like(accept, lh_str_from(types[i]));
        if (one.quality > best.quality ||
            (one.quality > 0 && one.quality == best.quality && one.place < best.place)) {
            best = one;
            chosen = i;
        }
    }
    return chosen;
}

size_t lh_request_prefers(const lh_request *rq, const char *const *types, size_t count)
{
    return lhi_accept_choose(lh_request_header(rq, "Accept"), types, count);
}
