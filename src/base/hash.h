/* base/hash.h - XXH3 for checksums and tables, SHA-256 for content identity.
 *
 * Owns: a digest object is the caller's. Threads: one per object. Limits: none.
 * Formats: XXH3-64 (stable since 0.8); lower-case hex. Why: xxHash and OpenSSL are measured fast
 *          and kept. */
#ifndef LH_BASE_HASH_H
#define LH_BASE_HASH_H

#include "base/ctx.h"

uint64_t lh_hash64(lh_str bytes, uint64_t seed); /* XXH3-64 */

#define LH_SHA256_BYTES 32
#define LH_SHA256_HEX   64

typedef struct lh_sha256 lh_sha256;
LH_WARN_UNUSED lh_rc lh_sha256_new(lh_ctx *cx, lh_sha256 **ret_digest);
void lh_sha256_update(lh_sha256 *digest, lh_str bytes);
void lh_sha256_final(lh_sha256 *digest, uint8_t out[LH_SHA256_BYTES]); /* then only free */
lh_sha256 *lh_sha256_free(lh_sha256 *digest);
LH_DEFINE_CLEANUP(lh_sha256, lh_sha256_free)
LH_WARN_UNUSED lh_rc lh_sha256_of(lh_ctx *cx, lh_str bytes, uint8_t out[LH_SHA256_BYTES]);

void lh_hex_text(const uint8_t *bytes, size_t count, char *out); /* 2*count chars, no NUL */
LH_WARN_UNUSED int lh_hex_parse(lh_str text, uint8_t *out,
                                size_t count); /* 0 when not exactly count bytes of hex */

#endif
