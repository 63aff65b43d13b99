/* ingest_encoding.c - reads what people's programs write; see the header for why it is decided byte
 * by byte. */
#include "worker/programs/ingest_encoding.h"

enum { DETECT_BYTES_MAX = 4096 };

lh_encoding lh_encoding_detect(lh_str head, size_t *ret_mark)
{
    const unsigned char *p = (const unsigned char *)head.ptr;
    *ret_mark = 0;
    if (head.len >= 3 && p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF) {
        *ret_mark = 3;
        return LH_ENCODING_UTF8;
    }
    if (head.len >= 2 && p[0] == 0xFF && p[1] == 0xFE) {
        *ret_mark = 2;
        return LH_ENCODING_UTF16LE;
    }
    if (head.len >= 2 && p[0] == 0xFE && p[1] == 0xFF) {
        *ret_mark = 2;
        return LH_ENCODING_UTF16BE;
    }
    size_t count = LH_MIN(head.len, (size_t)DETECT_BYTES_MAX) & ~(size_t)1;
    size_t nul[2] = {0, 0};
    for (size_t i = 0; i < count; i++)
        nul[i & 1] += p[i] == 0;
    size_t units = count / 2;
    /* Text with ASCII delimiters has a NUL in most units, always on the same side. */
    if (units >= 2 && nul[1] * 10 >= units * 4 && nul[0] * 20 <= units)
        return LH_ENCODING_UTF16LE;
    if (units >= 2 && nul[0] * 10 >= units * 4 && nul[1] * 20 <= units)
        return LH_ENCODING_UTF16BE;
    return LH_ENCODING_UTF8;
}

lh_rc lh_encoding_parse(lh_ctx *cx, lh_str name, lh_str head, lh_encoding *ret_encoding)
{
    static const struct {
        lh_str name;
        lh_encoding encoding;
    } rows[] = {
        {LH_S_INIT("utf-8"), LH_ENCODING_UTF8},
        {LH_S_INIT("utf8"), LH_ENCODING_UTF8},
        {LH_S_INIT("latin-1"), LH_ENCODING_LATIN1},
        {LH_S_INIT("latin1"), LH_ENCODING_LATIN1},
        {LH_S_INIT("iso-8859-1"), LH_ENCODING_LATIN1},
        {LH_S_INIT("windows-1252"), LH_ENCODING_LATIN1},
        {LH_S_INIT("cp1252"), LH_ENCODING_LATIN1},
        {LH_S_INIT("utf-16le"), LH_ENCODING_UTF16LE},
        {LH_S_INIT("utf-16be"), LH_ENCODING_UTF16BE},
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++) {
        if (lh_str_eq_nocase(name, rows[i].name)) {
            *ret_encoding = rows[i].encoding;
            return LH_OK;
        }
    }
    if (lh_str_eq_nocase(name, LH_S("utf-16")) || lh_str_eq_nocase(name, LH_S("utf16"))) {
        size_t mark;
        lh_encoding found = lh_encoding_detect(head, &mark);
        *ret_encoding = found == LH_ENCODING_UTF16BE ? found : LH_ENCODING_UTF16LE;
        return LH_OK;
    }
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "encoding \"%.*s\" is not known",
                      LH_STR_ARG(lh_str_sub(name, 0, 40))));
    LH_IGNORE(lh_err_field(cx, "options.encoding"));
    return lh_err_hint(cx, "one of utf-8, latin-1, utf-16le, utf-16be");
}

/* Code points of 0x80..0x9F in Windows-1252; the five holes stay control characters. */
static uint32_t code_point_of(unsigned char byte)
{
    static const uint16_t high[32] = {
        0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
        0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
        0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};
    return byte >= 0x80 && byte < 0xA0 ? high[byte - 0x80] : byte;
}

/* Bytes of the valid UTF-8 sequence at p, 0 when there is none (RFC 3629: no overlong forms, no
 * surrogates). */
static size_t sequence_bytes(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4 || left < 2)
        return 0;
    unsigned char low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return 0;
    size_t bytes = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (left < bytes)
        return 0;
    for (size_t i = 2; i < bytes; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return bytes;
}

static lh_rc rewrite(lh_ctx *cx, lh_arena *arena, lh_str text, lh_encoding from, lh_str *ret_text)
{
    char *out = lh_arena_alloc(arena, text.len * 3 + 1); /* 1252's dearest character has 3 bytes */
    if (out == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a text of %zu bytes", text.len);
    size_t len = 0;
    const unsigned char *p = (const unsigned char *)text.ptr;
    for (size_t i = 0; i < text.len;) {
        size_t bytes = from == LH_ENCODING_UTF8 ? sequence_bytes(p + i, text.len - i) : 0;
        if (bytes > 0) {
            memcpy(out + len, p + i, bytes);
            len += bytes;
            i += bytes;
        } else {
            len += lh_utf8_encode(code_point_of(p[i]), out + len);
            i++;
        }
    }
    *ret_text = (lh_str){out, len};
    return LH_OK;
}

lh_rc lh_encoding_repair(lh_ctx *cx, lh_arena *arena, lh_str text, lh_str *ret_text)
{
    if (lh_utf8_valid(text)) {
        *ret_text = text;
        return LH_OK;
    }
    return rewrite(cx, arena, text, LH_ENCODING_UTF8, ret_text);
}

lh_rc lh_encoding_from_latin1(lh_ctx *cx, lh_arena *arena, lh_str text, lh_str *ret_text)
{
    return rewrite(cx, arena, text, LH_ENCODING_LATIN1, ret_text);
}

static uint32_t unit_at(const lh_utf16_step *step, const unsigned char *p)
{
    return step->encoding == LH_ENCODING_UTF16LE ? (uint32_t)p[0] | (uint32_t)p[1] << 8
                                                 : (uint32_t)p[1] | (uint32_t)p[0] << 8;
}

size_t lh_utf16_to_utf8(lh_utf16_step *step, const unsigned char *in, size_t units_count, char *out,
                        size_t *ret_used)
{
    size_t len = 0;
    size_t i = 0;
    while (i < units_count) {
        uint32_t unit = unit_at(step, in + 2 * i);
        if (unit >= 0xD800 && unit < 0xDC00) {
            if (i + 1 == units_count && !step->final)
                break;
            uint32_t low = i + 1 < units_count ? unit_at(step, in + 2 * (i + 1)) : 0;
            if (low >= 0xDC00 && low < 0xE000) {
                unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                i++;
            }
        }
        if (unit >= 0xD800 && unit < 0xE000) {
            unit = 0xFFFD;
            step->replaced++;
        }
        len += lh_utf8_encode(unit, out + len);
        i++;
    }
    *ret_used = i;
    return len;
}
