/* embed/share.h - work in steps, each of many parts, shared by two threads.
 *
 * Owns:    a lock; what the parts work on is the caller's.
 * Threads: one owner opens, runs steps and ends; one helper at a time may be in help.
 * Limits:  LH_EMBED_SHARE_PARTS_MAX parts a step.
 * Formats: none.
 * Why:     one text is a millisecond of work in some fifty steps, each of which needs all of the
 *          one before. Parts are taken by a counter: a helper that does not run delays nobody,
 *          because the owner takes them all, and the end of a step waits only for parts that the
 *          helper has taken. Where there is no processor for it the helper costs time: end says
 *          so. The two come from opposite ends, so that each goes through memory
 *          in one direction:
 *
 *            owner ->  0  1  2  3  4 | 5  6  7  8  9  <- helper */
#ifndef LH_EMBED_SHARE_H
#define LH_EMBED_SHARE_H

#include "os/thread.h"

#include <stdatomic.h>
#include <stdbool.h>

#define LH_EMBED_SHARE_PARTS_MAX 32768u

typedef enum lh_embed_side { LH_EMBED_OWNER, LH_EMBED_HELPER } lh_embed_side;

typedef enum lh_embed_help {
    LH_EMBED_HELP_GOOD,    /* or none, at no cost */
    LH_EMBED_HELP_CROWDED, /* the helper was put on the owner's processor */
    LH_EMBED_HELP_LATE     /* it lost its processor with a part in hand */
} lh_embed_help;

typedef struct lh_embed_part {
    uint32_t step;
    uint32_t part;
    uint32_t parts; /* of the step */
    lh_embed_side side;
} lh_embed_part;

typedef struct lh_embed_share {
    void (*run)(void *arg, const lh_embed_part *part);
    void *arg;
    lh_mutex lock;
    lh_cond finished;  /* a part of the helper's, when waits is set */
    uint32_t expected; /* parts the helper has taken since open; the owner's, as the one below */
    bool late;         /* the helper lost its processor with a part in hand */
    char apart[64];    /* what both threads write has cache lines of its own */
    atomic_uint_fast64_t state; /* step, parts, taken: 32, 16, 16 bits */
    char apart_too[64];
    atomic_uint helped; /* parts the helper has finished since open */
    atomic_uint waits;  /* the owner, for finished */
    atomic_int owner_cpu;
    atomic_uint crowded; /* the helper was put on the owner's processor */
} lh_embed_share;

/* run does one part; parts of a step may run at the same time. */
void lh_embed_share_init(lh_embed_share *share, void (*run)(void *arg, const lh_embed_part *part),
                         void *arg);
void lh_embed_share_done(lh_embed_share *share);

/* Nobody may be in help; from now on somebody may come. */
void lh_embed_share_open(lh_embed_share *share);
/* Runs all parts of a step. Steps are counted up by the owner; what a part wrote is seen by the
 * parts of later steps, whoever runs them. */
void lh_embed_share_step(lh_embed_share *share, uint32_t step, uint32_t parts);
/* The helper leaves soon, with nothing taken. */
lh_embed_help lh_embed_share_end(lh_embed_share *share);

/* The helper's part of it; returns after end, when no step came for some 100 microseconds, or when
 * it runs in the owner's place. */
void lh_embed_share_help(lh_embed_share *share);

#endif
