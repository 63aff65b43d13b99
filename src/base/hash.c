/* hash.c - XXH3 compiled in (a call into the shared library costs short keys a third), SHA-256 by
 * OpenSSL, whose algorithm is fetched once: a look-up by name for every digest would cost more than
 * hashing a short text. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/hash.h"
#include "base/hash_private.h"

#include <openssl/evp.h>
#include <pthread.h>

uint64_t lh_hash64(lh_str bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.ptr, bytes.len, seed);
}

uint64_t lhi_hash64_parts(const lh_str *parts, size_t count)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    (void)XXH3_64bits_reset(&state);
    for (size_t i = 0; i < count; i++)
        if (parts[i].len > 0)
            (void)XXH3_64bits_update(&state, parts[i].ptr, parts[i].len);
    return XXH3_64bits_digest(&state);
}

static EVP_MD *sha256_algorithm;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void)
{
    sha256_algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
}

struct lh_sha256 {
    EVP_MD_CTX *digest;
};

lh_rc lh_sha256_new(lh_ctx *cx, lh_sha256 **ret_digest)
{
    (void)pthread_once(&sha256_once, fetch_sha256);
    lh_sha256 *sha LH_CLEANUP(lh_sha256_free) = lh_alloc_zero(1, sizeof(*sha));
    if (sha == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a SHA-256");
    sha->digest = EVP_MD_CTX_new();
    if (sha->digest == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a SHA-256");
    if (sha256_algorithm == NULL || EVP_DigestInit_ex2(sha->digest, sha256_algorithm, NULL) != 1)
        return lh_fail(cx, LH_E_INTERNAL, "SHA-256 is not to be had from OpenSSL");
    *ret_digest = LH_TAKE(sha);
    return LH_OK;
}

void lh_sha256_update(lh_sha256 *digest, lh_str bytes)
{
    int done = bytes.len == 0 || EVP_DigestUpdate(digest->digest, bytes.ptr, bytes.len) == 1;
    lh_assert(done); /* fails only after final, or without init */
}

void lh_sha256_final(lh_sha256 *digest, uint8_t out[LH_SHA256_BYTES])
{
    int done = EVP_DigestFinal_ex(digest->digest, out, NULL) == 1;
    lh_assert(done);
}

lh_sha256 *lh_sha256_free(lh_sha256 *digest)
{
    if (digest == NULL)
        return NULL;
    EVP_MD_CTX_free(digest->digest);
    return lh_free(digest);
}

lh_rc lh_sha256_of(lh_ctx *cx, lh_str bytes, uint8_t out[LH_SHA256_BYTES])
{
    lh_sha256 *sha LH_CLEANUP(lh_sha256_free) = NULL;
    LH_TRY(lh_sha256_new(cx, &sha));
    lh_sha256_update(sha, bytes);
    lh_sha256_final(sha, out);
    return LH_OK;
}

void lh_hex_text(const uint8_t *bytes, size_t count, char *out)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = hex[bytes[i] >> 4];
        out[2 * i + 1] = hex[bytes[i] & 15];
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int lh_hex_parse(lh_str text, uint8_t *out, size_t count)
{
    if (text.len % 2 != 0 || text.len / 2 != count)
        return 0;
    for (size_t i = 0; i < count; i++) {
        int high = hex_digit(text.ptr[2 * i]);
        int low = hex_digit(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return 0;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 1;
}
