/* base/cron.h - the five fields of a cron line, and the next minute they mean.
 *
 * Owns:    nothing: plain data.
 * Threads: pure.
 * Limits:  lines of LH_CRON_TEXT_MAX bytes; a line that means no minute of eight years is refused
 *          (February 30; February 29 is found).
 * Formats: "minute hour day-of-month month day-of-week", UTC: 0-59 0-23 1-31 1-12 0-7 (0 and 7 are
 *          Sunday). A field is a list of "*", "n", "a-b", each with an optional step: "*" "/" n or
 *          a-b/n. Months and weekdays also by their first three letters. As cron has it: when both
 *          days are restricted, one of them is enough. @hourly @daily @weekly @monthly @yearly.
 * Why:     UTC has no hour that comes twice or never, so a schedule is arithmetic. No library of
 *          the distribution parses this; the grammar is small enough to be strict about. */
#ifndef LH_BASE_CRON_H
#define LH_BASE_CRON_H

#include "base/ctx.h"

#include <stdbool.h>

#define LH_CRON_TEXT_MAX 1024

typedef struct lh_cron {
    uint64_t minutes;  /* bit per minute */
    uint32_t hours;    /* bit per hour */
    uint32_t days;     /* bits 1..31 */
    uint32_t months;   /* bits 1..12 */
    uint32_t weekdays; /* bits 0..6, 0 = Sunday */
    bool any_day;      /* the field began with a star */
    bool any_weekday;
} lh_cron;

/* LH_E_BAD_VALUE names the field and what is wrong with it. */
LH_WARN_UNUSED lh_rc lh_cron_parse(lh_ctx *cx, lh_str text, lh_cron *ret_cron);
/* The first minute after that time (microseconds since 1970, UTC), as its first microsecond. */
int64_t lh_cron_next(const lh_cron *cron, int64_t after_us);

#endif
