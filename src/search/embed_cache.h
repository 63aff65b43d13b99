/* search/embed_cache.h - vectors by content hash on disk, so that one text is embedded once.
 *
 * Owns:    one file; the folder belongs to the server (data/.lakehouse, may be lost at any time).
 * Threads: all functions from any thread, one at a time inside.
 * Limits:  the file never grows past bytes_max; it is sparse until it is filled.
 * Formats: little-endian, version 1:
 *
 *   0        4096                                        4096 + set_bytes
 *   +--------+--------------------+------------------------+-----
 *   | header | heads of set 0     | vectors of set 0       | set 1 ...
 *   |        | 8 x 48 bytes       | 8 x f32[dimensions]    |
 *   +--------+--------------------+------------------------+-----
 *   header: "LHEC", u32 version, u32 dimensions, u32 ways, u64 sets, u32 identity bytes,
 *           identity; at 4088: u64 XXH3-64 of the bytes before
 *   head:   SHA-256 of purpose and text, u64 XXH3-64 of that and the vector, u32 used at (seconds
 *           since 1970), u32 0; all zero: free
 *
 * Why:     a text may stand in one of eight places, chosen by its hash, so nothing has to be read
 *          at start and nothing is kept in memory. What is read is believed only when its checksum
 *          fits: a kill between two writes, a torn page or a bent bit is a miss, never a wrong
 *          vector. Eviction: the one of the eight that was used longest ago. Nothing is synced; a
 *          power cut may cost entries, a kill costs none that was put. */
#ifndef LH_SEARCH_EMBED_CACHE_H
#define LH_SEARCH_EMBED_CACHE_H

#include "base/hash.h"

typedef struct lh_embed_cache lh_embed_cache;

typedef struct lh_embed_cache_options {
    lh_str dir;      /* is made when absent */
    lh_str identity; /* model, precision, kernel revision: vectors of two never meet in a file */
    uint32_t dimensions;
    uint64_t bytes_max; /* of the file; too small for one set: LH_E_TOO_LARGE */
} lh_embed_cache_options;

#define LH_EMBED_CACHE_FILES_MAX 2

/* Opens the file of that identity, or makes it anew when it is absent, damaged, or of another size.
 * Files of other identities beyond LH_EMBED_CACHE_FILES_MAX are removed, oldest first. */
LH_WARN_UNUSED lh_rc lh_embed_cache_open(lh_ctx *cx, const lh_embed_cache_options *opts,
                                         lh_embed_cache **ret_cache);
lh_embed_cache *lh_embed_cache_close(lh_embed_cache *cache); /* NULL ok; returns NULL */
LH_DEFINE_CLEANUP(lh_embed_cache, lh_embed_cache_close)

typedef struct lh_embed_key {
    uint8_t bytes[LH_SHA256_BYTES];
} lh_embed_key;
/* purpose: what the model was told the text is; the same text as question and as document are
 * two. */
LH_WARN_UNUSED lh_rc lh_embed_key_of(lh_ctx *cx, int purpose, lh_str text, lh_embed_key *ret_key);

/* 1: out holds the vector. 0: not there, damaged (counted) or not readable. NULL cache: 0. */
int lh_embed_cache_get(lh_embed_cache *cache, const lh_embed_key *key, float *out);
/* Failing to write is not an error: the cache then stops taking more until it is opened again. */
void lh_embed_cache_put(lh_embed_cache *cache, const lh_embed_key *key, const float *vector);

typedef struct lh_embed_cache_stats {
    uint64_t capacity; /* vectors */
    uint64_t damaged;  /* entries whose checksum did not fit, since open */
    uint64_t evicted;
    int full_disk; /* it takes no more */
} lh_embed_cache_stats;
void lh_embed_cache_get_stats(lh_embed_cache *cache, lh_embed_cache_stats *ret_stats);

#endif
