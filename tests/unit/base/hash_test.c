#include "base/hash.h"

#include "base/hash_private.h"
#include "fixture.h"

static lh_str hex_of(lh_ctx *cx, lh_str text)
{
    uint8_t digest[LH_SHA256_BYTES];
    char *hex = lh_ctx_alloc(cx, 1, LH_SHA256_HEX);
    ck_assert_int_eq(lh_sha256_of(cx, text, digest), LH_OK);
    lh_hex_text(digest, sizeof(digest), hex);
    return lh_str_n(hex, LH_SHA256_HEX);
}

LH_TEST(sha256_gives_the_vectors_of_fips_180)
{
    WITH_CX;
    ck_assert_text(hex_of(cx, LH_S("")),
                   "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ck_assert_text(hex_of(cx, LH_S("abc")),
                   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    lh_sha256 *sha LH_CLEANUP(lh_sha256_free) = NULL;
    ck_assert_int_eq(lh_sha256_new(cx, &sha), LH_OK);
    lh_sha256_update(sha, LH_S("a"));
    lh_sha256_update(sha, LH_STR_NONE);
    lh_sha256_update(sha, LH_S("bc"));
    uint8_t digest[LH_SHA256_BYTES];
    lh_sha256_final(sha, digest);
    ck_assert_uint_eq(digest[0], 0xba);
    ck_assert_uint_eq(digest[31], 0xad);
}

LH_TEST(sha256_without_memory_is_an_error)
{
    WITH_CX;
    uint8_t digest[LH_SHA256_BYTES];
    lh_alloc_fail_after(0, 0);
    ck_assert_int_eq(lh_sha256_of(cx, LH_S("x"), digest), LH_E_NO_MEMORY);
}

LH_TEST(hash64_is_xxh3_and_the_same_in_parts)
{
    ck_assert_uint_eq(lh_hash64(LH_S(""), 0),
                      0x2d06800538d394c2ull); /* published by xxHash's own tests */
    ck_assert_uint_ne(lh_hash64(LH_S("a"), 0), lh_hash64(LH_S("a"), 1));
    char text[1000];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 31);
    for (size_t cut = 0; cut <= sizeof(text); cut += 7) {
        const lh_str parts[] = {lh_str_n(text, cut), LH_STR_NONE,
                                lh_str_n(text + cut, sizeof(text) - cut)};
        ck_assert_uint_eq(lhi_hash64_parts(parts, 3), lh_hash64(lh_str_n(text, sizeof(text)), 0));
    }
}

LH_TEST(hex_takes_both_cases_and_the_exact_length)
{
    uint8_t bytes[2];
    ck_assert(lh_hex_parse(LH_S("0aFf"), bytes, 2) && bytes[0] == 0x0a && bytes[1] == 0xff);
    ck_assert(!lh_hex_parse(LH_S("0aF"), bytes, 2) && !lh_hex_parse(LH_S("0aFf0"), bytes, 2));
    ck_assert(!lh_hex_parse(LH_S("0aFg"), bytes, 2) && !lh_hex_parse(LH_S("0a"), bytes, 2));
    ck_assert(lh_hex_parse(LH_STR_NONE, bytes, 0));
}
