/* cli/vector_append.h - how long rows take until they are durable and found.
 *
 * Owns:    a set of segments in a scratch folder, removed at the end.
 * Threads: the caller's.
 * Limits:  as lh_vector_set_append.
 * Formats: none.
 * Why:     an index is built once but rows come every day: what counts is the time of one append to
 *          a set that is large already, with its sync to disk. */
#ifndef LH_CLI_VECTOR_APPEND_H
#define LH_CLI_VECTOR_APPEND_H

#include "cli/vector_files.h"

typedef struct lh_vector_append {
    lh_str folder;             /* must not exist */
    const lh_f32_rows *base;   /* there before */
    const lh_f32_rows *more;   /* appended under the clock */
    lh_vector_options options; /* of segments */
    double append_s;           /* out */
    double search_us;          /* out: the first search after it */
    int found;                 /* out: the first appended row is its own nearest */
    uint32_t segments;         /* out */
} lh_vector_append;
LH_WARN_UNUSED lh_rc lh_vector_append_measure(lh_ctx *cx, lh_vector_append *append);

#endif
