/* text_pack.c - lengths in a byte, numbers in bits, growing arrays: what build and open share. */
#include "text/text_format_private.h"

#include "base/num.h"

enum { LENGTH_EXACT = 24 };

uint32_t lhi_text_length_of(uint32_t code)
{
    if (code < LENGTH_EXACT)
        return code;
    uint32_t rest = code - LENGTH_EXACT;
    uint32_t mantissa = rest & 7;
    uint32_t shift = rest >> 3;
    return LENGTH_EXACT + (shift == 0 ? mantissa : (mantissa | 8) << (shift - 1));
}

uint8_t lhi_text_length_code(uint32_t length)
{
    if (length < LENGTH_EXACT + 8)
        return (uint8_t)length;
    uint32_t low = 0;
    uint32_t high = LHI_TEXT_LENGTH_CODES - 1;
    while (low < high) {
        uint32_t middle = (low + high + 1) / 2;
        if (lhi_text_length_of(middle) <= length)
            low = middle;
        else
            high = middle - 1;
    }
    return (uint8_t)low;
}

double lhi_text_norm(double k1, double b, double length, double average)
{
    return k1 * (1 - b + b * length / average);
}

void lhi_text_pack(const uint32_t *values, uint32_t count, uint32_t bits, uint8_t *out)
{
    uint64_t held = 0;
    uint32_t held_bits = 0;
    for (uint32_t i = 0; i < count; i++) {
        held |= (uint64_t)values[i] << held_bits;
        held_bits += bits;
        while (held_bits >= 8) {
            *out++ = (uint8_t)held;
            held >>= 8;
            held_bits -= 8;
        }
    }
    if (held_bits > 0)
        *out = (uint8_t)held;
}

uint64_t lhi_text_unpack_one(const uint8_t *bytes, size_t bytes_count, uint64_t index,
                             uint32_t bits)
{
    uint64_t bit = index * bits;
    size_t at = (size_t)(bit >> 3);
    uint32_t shift = (uint32_t)(bit & 7);
    uint64_t value = 0;
    if (bits + shift <= 64 && at + sizeof value <= bytes_count) {
        memcpy(&value, bytes + at, sizeof value);
        value >>= shift;
        return bits >= 64 ? value : value & ((1ull << bits) - 1);
    }
    for (uint32_t got = 0; got < bits + shift && at < bytes_count; got += 8, at++) {
        uint64_t byte = bytes[at];
        if (got >= shift)
            value |= got - shift < 64 ? byte << (got - shift) : 0;
        else
            value |= byte >> (shift - got);
    }
    return bits >= 64 ? value : value & ((1ull << bits) - 1);
}

lh_rc lhi_text_vec_reserve(lh_ctx *cx, lhi_text_vec *vec, size_t count, size_t item_bytes)
{
    size_t need;
    if (!lh_add_size(vec->count, count, &need))
        return lh_fail(cx, LH_E_NO_MEMORY, "text index: too many items");
    if (need <= vec->capacity)
        return LH_OK;
    size_t capacity = LH_MAX(need, vec->capacity + vec->capacity / 2);
    capacity = LH_MAX(capacity, (size_t)64);
    void *grown = lh_realloc_array(vec->items, capacity, item_bytes);
    if (!grown)
        return lh_fail(cx, LH_E_NO_MEMORY, "text index: %zu items of %zu bytes", capacity,
                       item_bytes);
    vec->items = grown;
    vec->capacity = capacity;
    return LH_OK;
}

void lhi_text_vec_done(lhi_text_vec *vec)
{
    lh_free(vec->items);
    *vec = (lhi_text_vec){0};
}

lh_rc lhi_text_vec_append(lh_ctx *cx, lhi_text_vec *vec, const void *items, size_t count,
                          size_t item_bytes)
{
    LH_TRY(lhi_text_vec_reserve(cx, vec, count, item_bytes));
    if (count > 0)
        memcpy((char *)vec->items + vec->count * item_bytes, items, count * item_bytes);
    vec->count += count;
    return LH_OK;
}
