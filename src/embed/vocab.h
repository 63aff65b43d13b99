/* embed/vocab.h - the vocabulary as two tries in one double array: whole words, and pieces that
 * continue a word.
 *
 *   units[0] root of words   units[1] root of continuations ("##x" stored as "x")
 *   child of n by byte b: c = units[n].base + b, when units[c].parent == n; base 0 = no child
 *
 * Owns:    an lh_embed_vocab borrows its units (a mapped file, or the arena that built them).
 * Threads: immutable.
 * Limits:  LH_EMBED_VOCAB_TOKENS_MAX tokens; tokens longer than a word can be are left out of
 *          the tries.
 * Formats: array of lh_embed_vocab_unit, little-endian, as it is in the packed model; last 256
 *          units are never bases.
 * Why:     longest match in a few cache lines and no start-up cost; J. Aoe, An Efficient Digital
 *          Search Algorithm by Using a Double-Array Structure, 1989. */
#ifndef LH_EMBED_VOCAB_H
#define LH_EMBED_VOCAB_H

#include "base/ctx.h"

#include <stdbool.h>

#define LH_EMBED_VOCAB_TOKENS_MAX 2000000
#define LH_EMBED_VOCAB_NONE       (-1)

typedef struct lh_embed_vocab_unit {
    uint32_t base;
    uint32_t parent; /* UINT32_MAX: free, or a root */
    int32_t id;      /* of the token that ends here, or LH_EMBED_VOCAB_NONE */
} lh_embed_vocab_unit;
_Static_assert(sizeof(lh_embed_vocab_unit) == 12, "units are stored as they are");

typedef enum lh_embed_vocab_root {
    LH_EMBED_VOCAB_WORDS = 0,
    LH_EMBED_VOCAB_CONTINUATIONS = 1
} lh_embed_vocab_root;

typedef struct lh_embed_vocab {
    const lh_embed_vocab_unit *units; /* borrowed */
    uint32_t units_count;
    uint32_t tokens_count;
} lh_embed_vocab;

/* From vocab.txt: one token a line, the line number is its id; of equal tokens the last counts.
 * Units are in the arena. The same text gives the same units. Errors: LH_E_UNPROCESSABLE (empty,
 * too many tokens), LH_E_NO_MEMORY. */
LH_WARN_UNUSED lh_rc lh_embed_vocab_build(lh_ctx *cx, lh_str text, lh_embed_vocab *ret_vocab);

/* Borrows bytes (4-byte aligned) and checks every unit, so that lh_embed_vocab_match needs no
 * bounds. LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lh_embed_vocab_open(lh_ctx *cx, lh_str bytes, uint32_t tokens_count,
                                         lh_embed_vocab *ret_vocab);

/* Longest token that text begins with: its id, and in *ret_bytes its length; LH_EMBED_VOCAB_NONE
 * when there is none. */
int32_t lh_embed_vocab_match(const lh_embed_vocab *vocab, lh_embed_vocab_root root, lh_str text,
                             uint32_t *ret_bytes);
/* Id of exactly that token, or LH_EMBED_VOCAB_NONE. */
int32_t lh_embed_vocab_find(const lh_embed_vocab *vocab, lh_str token);

#endif
