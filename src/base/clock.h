/* base/clock.h - time that tests can drive, and its RFC 3339 text.
 *
 * Owns: nothing. Threads: any. Limits: years 0001..9999. Formats: RFC 3339 UTC with microseconds.
 * Why: deadlines use the monotonic clock, records the wall clock; tests set both. */
#ifndef LH_BASE_CLOCK_H
#define LH_BASE_CLOCK_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

int64_t lh_clock_mono_us(void); /* never goes back; for deadlines and durations */
/* the machine's, never the tests'; to measure what takes microseconds */
int64_t lh_clock_mono_ns(void);
int64_t lh_clock_real_us(void); /* microseconds since 1970-01-01 UTC */

/* Tests: from now on both clocks read these values until moved again; lh_clock_real() gives them
 * back. */
void lh_clock_set_test(int64_t mono_us, int64_t real_us);
void lh_clock_advance_test(int64_t us);
void lh_clock_reset(void);

#define LH_TIME_TEXT_BYTES 28
/* "2026-11-21T13:36:00.123456Z" (27 bytes + NUL). */
lh_str lh_time_text(int64_t real_us, char out[LH_TIME_TEXT_BYTES]);
/* Accepts a 'Z' or +hh:mm offset, 0 to 9 fraction digits (cut to microseconds). */
LH_WARN_UNUSED bool lh_time_parse(lh_str text, int64_t *ret_real_us);
/* Days since 1970-01-01 of a proleptic Gregorian date and back. */
int64_t lh_days_from_civil(int year, int month, int day);
void lh_civil_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day);

#endif
