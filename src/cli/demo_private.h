/* cli/demo_private.h - random numbers and the CSV writer of the demo data.
 *
 * Owns: a writer owns its file and buffer. Threads: one. Limits: fields below 64 KiB. Formats: RFC
 *       4180, LF.
 * Why: a million rows a second wants no printf. */
#ifndef LH_CLI_DEMO_PRIVATE_H
#define LH_CLI_DEMO_PRIVATE_H

#include "base/buf.h"
#include "cli/demo.h"
#include "os/file.h"

/* xorshift-multiply over a counter (Steele et al., SplitMix64, 2014): a stream per table and row,
 * so rows do not depend on each other. */
typedef struct lhi_random {
    uint64_t state;
} lhi_random;
static inline uint64_t lhi_next(lhi_random *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
/* 0 .. n-1 */
static inline uint64_t lhi_below(lhi_random *r, uint64_t n)
{
    return (uint64_t)(((__uint128_t)lhi_next(r) * n) >> 64);
}
static inline int lhi_chance(lhi_random *r, unsigned percent)
{
    return lhi_below(r, 100) < percent;
}
/* Small numbers are common: the square of a uniform draw. */
static inline uint64_t lhi_skewed(lhi_random *r, uint64_t n)
{
    uint64_t a = lhi_below(r, n);
    uint64_t b = lhi_below(r, n);
    return a < b ? a : b;
}

typedef struct lhi_csv {
    lh_ctx *cx;
    lh_file *file;
    lh_buf buf; /* room for a row is reserved at its start */
    int in_row;
} lhi_csv;
#define LHI_ROW_BYTES_MAX 8192u

LH_WARN_UNUSED lh_rc lhi_csv_open(lh_ctx *cx, lhi_csv *csv, lh_str path, lh_str header);
LH_WARN_UNUSED lh_rc lhi_csv_row(lhi_csv *csv);   /* ends the row before, makes room for the next */
LH_WARN_UNUSED lh_rc lhi_csv_close(lhi_csv *csv); /* writes what is left; frees also on error */
void lhi_csv_text(lhi_csv *csv, lh_str text);     /* quoted where needed */
void lhi_csv_number(lhi_csv *csv, uint64_t value);
void lhi_csv_id(lhi_csv *csv, const char *prefix, uint64_t value,
                unsigned digits);                 /* CAND-000001 */
void lhi_csv_cents(lhi_csv *csv, uint64_t cents); /* 1234 -> 12.34 */
void lhi_csv_date(lhi_csv *csv, int64_t day);     /* days since 1970 */
void lhi_csv_time(lhi_csv *csv, int64_t seconds); /* 2026-01-31 08:15:00 */
void lhi_csv_empty(lhi_csv *csv);

/* demo_resume.c */
typedef struct lhi_person {
    size_t role;
    size_t city;
    unsigned years;
    unsigned availability; /* index of lhi_availability */
    const char *first;
    const char *last;
} lhi_person;
extern const char *const lhi_availability[];
extern const size_t lhi_availability_count;
/* 60 to 150 words in varied wording, consistent with the person. */
size_t lhi_resume(lhi_random *r, const lhi_person *person, char *out, size_t size);

#endif
