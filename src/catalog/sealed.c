/* sealed.c - puts a checksum at the end of a JSON text and checks it.
 *
 * The form is fixed to the byte (no space, lower-case digits, no line break at the end), so that
 * a change anywhere in the seal itself either breaks the sum or makes the text an unsealed one,
 * which readers of current versions refuse. */
#include "catalog/sealed.h"

#include "base/hash.h"

#define SEAL_HEAD ",\"checksum\":\""
enum { SEAL_HEX = 16, SEAL_BYTES = sizeof(SEAL_HEAD) - 1 + SEAL_HEX + 2 };

static void seal_text(lh_str body, char out[SEAL_HEX])
{
    uint64_t sum = lh_hash64(body, 0);
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(sum >> (56 - 8 * i));
    lh_hex_text(bytes, sizeof(bytes), out);
}

lh_rc lh_seal_json(lh_ctx *cx, lh_buf *text)
{
    lh_assert(text->len > 2 && text->ptr[text->len - 1] == '}');
    char hex[SEAL_HEX];
    LH_TRY(lh_buf_reserve(cx, text, SEAL_BYTES));
    lh_buf_truncate(text, text->len - 1);
    seal_text(lh_buf_str(text), hex);
    LH_TRY(lh_buf_append(cx, text, LH_S(SEAL_HEAD)));
    LH_TRY(lh_buf_append(cx, text, lh_str_n(hex, sizeof(hex))));
    return lh_buf_append(cx, text, LH_S("\"}"));
}

lh_rc lh_seal_check(lh_ctx *cx, lh_str text, lh_seal *ret_seal)
{
    *ret_seal = LH_SEAL_NONE;
    if (text.len < SEAL_BYTES)
        return LH_OK;
    lh_str body = lh_str_sub(text, 0, text.len - SEAL_BYTES);
    lh_str tail = lh_str_from_offset(text, body.len);
    if (!lh_str_starts(tail, LH_S(SEAL_HEAD)) || !lh_str_ends(tail, LH_S("\"}")))
        return LH_OK;
    char hex[SEAL_HEX];
    seal_text(body, hex);
    if (memcmp(tail.ptr + sizeof(SEAL_HEAD) - 1, hex, SEAL_HEX) != 0)
        return lh_fail(cx, LH_E_CORRUPT, "the checksum does not match: %.*s, computed %.*s",
                       (int)SEAL_HEX, tail.ptr + sizeof(SEAL_HEAD) - 1, (int)SEAL_HEX, hex);
    *ret_seal = LH_SEAL_OK;
    return LH_OK;
}
