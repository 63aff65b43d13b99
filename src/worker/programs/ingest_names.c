/* ingest_names.c - a set of folded names beside the list, so that 4,000 columns stay linear. */
#include "worker/programs/ingest_names.h"

#include "base/hash.h"

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static uint64_t hash_of(lh_str name)
{
    char folded[LH_COLUMN_NAME_BYTES_MAX + 16];
    size_t len = LH_MIN(name.len, sizeof(folded));
    for (size_t i = 0; i < len; i++)
        folded[i] = fold(name.ptr[i]);
    return lh_hash64(lh_str_n(folded, len), 0);
}

/* The slot of that name, or the free one where it belongs. */
static uint32_t slot_of(const lh_names *names, lh_str name)
{
    uint32_t slot = (uint32_t)hash_of(name) & (names->slots_count - 1);
    while (names->slots[slot] != 0 && !lh_str_eq_nocase(names->items[names->slots[slot] - 1], name))
        slot = (slot + 1) & (names->slots_count - 1);
    return slot;
}

lh_rc lh_names_init(lh_ctx *cx, lh_names *names, size_t names_max)
{
    if (names_max > LH_COLUMNS_MAX) {
        LH_IGNORE(
            lh_fail(cx, LH_E_UNPROCESSABLE, "%zu columns, limit %u", names_max, LH_COLUMNS_MAX));
        return lh_err_hint(cx, "turn columns into rows first, or check the delimiter");
    }
    *names = (lh_names){.capacity = (uint32_t)names_max, .slots_count = 16};
    while (names->slots_count < 2 * names_max)
        names->slots_count *= 2;
    names->items = LH_NEW_ARRAY(cx, lh_str, names_max + 1);
    names->slots = LH_NEW_ARRAY(cx, uint32_t, names->slots_count);
    return names->items != NULL && names->slots != NULL ? LH_OK : cx->err.rc;
}

uint32_t lh_names_find(const lh_names *names, lh_str name)
{
    if (names->slots_count == 0)
        return UINT32_MAX;
    uint32_t found = names->slots[slot_of(names, name)];
    return found != 0 ? found - 1 : UINT32_MAX;
}

/* Trimmed, valid UTF-8, runs of control characters as one space, cut at a character. */
static lh_rc clean(lh_ctx *cx, lh_str wanted, lh_str *ret_name)
{
    wanted = lh_str_trim(wanted);
    char *out = lh_ctx_alloc(cx, 3 * LH_COLUMN_NAME_BYTES_MAX + 8, 1);
    if (out == NULL)
        return cx->err.rc;
    size_t len = 0;
    size_t offset = 0;
    uint32_t code_point;
    while (len < LH_COLUMN_NAME_BYTES_MAX && lh_utf8_next(wanted, &offset, &code_point)) {
        if (code_point < 0x20 || code_point == 0x7F) {
            if (len > 0 && out[len - 1] != ' ')
                out[len++] = ' ';
        } else {
            len += lh_utf8_encode(code_point, out + len);
        }
    }
    lh_str name = lh_str_trim((lh_str){out, len});
    /* A copy, so that a NUL follows: the engine takes names as C strings. */
    *ret_name = lh_ctx_dup(cx, lh_str_sub(name, 0, lh_utf8_cut(name, LH_COLUMN_NAME_BYTES_MAX)));
    return ret_name->ptr != NULL ? LH_OK : cx->err.rc;
}

lh_rc lh_names_add(lh_ctx *cx, lh_names *names, lh_str wanted)
{
    lh_assert(names->count < names->capacity);
    lh_str name;
    LH_TRY(clean(cx, wanted, &name));
    if (name.len == 0)
        name = lh_ctx_fmt(cx, "column_%u", names->count + 1);
    lh_str base = name;
    for (uint32_t n = 2; name.ptr != NULL && lh_names_find(names, name) != UINT32_MAX; n++)
        name = lh_ctx_fmt(cx, "%.*s_%u", LH_STR_ARG(base), n);
    if (name.ptr == NULL)
        return cx->err.rc;
    names->changed += !lh_str_eq(name, wanted);
    names->items[names->count] = name;
    names->slots[slot_of(names, name)] = ++names->count;
    return LH_OK;
}
