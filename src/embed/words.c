/* words.c - one pass over the bytes: class of the code point by table, then word, own word,
 * nothing or end of word.
 *
 * The reference works in whole-text passes (clean, space out ideographs, decompose, drop
 * accents, lower-case, split). The passes commute for single code points, so one table look-up
 * does all of them; the only thing that looks at neighbours is the canonical order of combining
 * marks that survive, which put_mark keeps by insertion. ASCII, nearly everything in practice,
 * takes the same path without decoding. */
#include "embed/words.h"

#include "embed/unicode_table.h"

enum { CODE_POINT_END = 0x110000, HANGUL_FIRST = 0xAC00, HANGUL_PARTS_MAX = 3 };

static lh_embed_unicode_class class_of(uint32_t code)
{
    return (lh_embed_unicode_class)lh_code_class(&lh_embed_codes, code);
}

static uint32_t mark_rank(uint32_t code)
{
    for (uint32_t i = 0; i < LH_EMBED_UNICODE_MARKS; i++)
        if (lh_embed_unicode_marks[i].code_point == code)
            return lh_embed_unicode_marks[i].rank;
    return 0;
}

/* Unicode 3.12, conjoining jamo behaviour: L, V and perhaps T of a syllable. */
static uint32_t hangul_parts(uint32_t code, uint32_t parts[HANGUL_PARTS_MAX])
{
    uint32_t index = code - HANGUL_FIRST;
    parts[0] = 0x1100 + index / 588;
    parts[1] = 0x1161 + index % 588 / 28;
    parts[2] = 0x11A7 + index % 28;
    return index % 28 == 0 ? 2 : 3;
}

static void end_word(lh_embed_splitter *s)
{
    s->marks_count = 0;
    if (s->chars_count == 0)
        return;
    lh_embed_word word = {.bytes = s->bytes,
                          .spans = s->spans,
                          .bytes_count = s->bytes_count,
                          .chars_count = s->chars_count,
                          .source = s->source};
    s->bytes_count = 0;
    s->chars_count = 0;
    if (!s->stopped && !s->on_word(s->arg, &word))
        s->stopped = true;
}

/* Counts one character; false when the word is already too long to be looked at. */
static bool count_char(lh_embed_splitter *s, lh_embed_span source)
{
    if (s->chars_count == 0)
        s->source = source;
    s->source.end = source.end;
    return s->chars_count++ <= LH_EMBED_WORD_CHARS_MAX;
}

static void put_bytes(lh_embed_splitter *s, uint32_t at, uint32_t code, lh_embed_span source)
{
    char out[4];
    uint32_t count = (uint32_t)lh_utf8_encode(code, out);
    lh_assert(s->bytes_count + count <= LH_EMBED_WORD_BYTES_MAX);
    memmove(s->bytes + at + count, s->bytes + at, s->bytes_count - at);
    memmove(s->spans + at + count, s->spans + at, (s->bytes_count - at) * sizeof(s->spans[0]));
    memcpy(s->bytes + at, out, count);
    for (uint32_t i = 0; i < count; i++)
        s->spans[at + i] = source;
    s->bytes_count += count;
}

/* A mark goes before the marks of higher rank at the end of the word: canonical order, stable. */
static void put_mark(lh_embed_splitter *s, uint32_t code, lh_embed_span source)
{
    uint32_t rank = mark_rank(code);
    uint32_t place = s->marks_count;
    while (place > 0 && s->marks[place - 1].rank > rank)
        place--;
    uint32_t at = place < s->marks_count ? s->marks[place].at : s->bytes_count;
    uint32_t before = s->bytes_count;
    put_bytes(s, at, code, source);
    uint32_t added = s->bytes_count - before;
    for (uint32_t i = s->marks_count; i > place; i--) {
        s->marks[i] = s->marks[i - 1];
        s->marks[i].at = (uint16_t)(s->marks[i].at + added);
    }
    s->marks[place].at = (uint16_t)at;
    s->marks[place].rank = (uint16_t)rank;
    s->marks_count++;
}

/* One code point of a normal form. */
static void put_part(lh_embed_splitter *s, uint32_t code, lh_embed_span source)
{
    lh_embed_unicode_class class = class_of(code);
    if (class == LH_EMBED_UNICODE_PUNCT)
        end_word(s);
    if (!count_char(s, source))
        return;
    if (class == LH_EMBED_UNICODE_MARK) {
        put_mark(s, code, source);
        return;
    }
    s->marks_count = 0;
    put_bytes(s, s->bytes_count, code, source);
    if (class == LH_EMBED_UNICODE_PUNCT)
        end_word(s);
}

static void put_code_point(lh_embed_splitter *s, uint32_t code, lh_embed_span source)
{
    lh_embed_unicode_class class = class_of(code);
    const uint32_t *parts = &code;
    uint32_t parts_count = 1;
    uint32_t jamo[HANGUL_PARTS_MAX];
    bool alone = class == LH_EMBED_UNICODE_CJK || class == LH_EMBED_UNICODE_CJK_MAP;

    switch (class) {
    case LH_EMBED_UNICODE_SPACE: end_word(s); return;
    case LH_EMBED_UNICODE_DROP: return;
    case LH_EMBED_UNICODE_DROP_STARTER: s->marks_count = 0; return;
    case LH_EMBED_UNICODE_MAP:
    case LH_EMBED_UNICODE_CJK_MAP:
        parts_count = lh_code_parts(&lh_embed_codes, code, &parts);
        break;
    case LH_EMBED_UNICODE_HANGUL:
        parts_count = hangul_parts(code, jamo);
        parts = jamo;
        break;
    case LH_EMBED_UNICODE_WORD:
    case LH_EMBED_UNICODE_PUNCT:
    case LH_EMBED_UNICODE_CJK:
    case LH_EMBED_UNICODE_MARK: break;
    }
    if (alone)
        end_word(s);
    for (uint32_t i = 0; i < parts_count; i++)
        put_part(s, parts[i], source);
    if (alone)
        end_word(s);
}

static void put_ascii(lh_embed_splitter *s, uint8_t c, uint32_t at)
{
    lh_embed_span source = {at, at + 1};
    lh_embed_unicode_class class = class_of(c);
    if (class == LH_EMBED_UNICODE_SPACE) {
        end_word(s);
    } else if (class == LH_EMBED_UNICODE_WORD || class == LH_EMBED_UNICODE_MAP) {
        if (!count_char(s, source))
            return;
        s->marks_count = 0;
        s->bytes[s->bytes_count] = (char)(class == LH_EMBED_UNICODE_MAP ? c | 32 : c);
        s->spans[s->bytes_count++] = source;
    } else {
        put_code_point(s, c, source);
    }
}

void lh_embed_splitter_init(lh_embed_splitter *s, lh_embed_on_word on_word, void *arg)
{
    s->on_word = on_word;
    s->arg = arg;
    s->stopped = false;
    s->bytes_count = 0;
    s->chars_count = 0;
    s->marks_count = 0;
}

void lh_embed_splitter_feed(lh_embed_splitter *s, lh_str text, uint32_t source_start)
{
    text.len = LH_MIN(text.len, (size_t)(UINT32_MAX - source_start));
    for (size_t at = 0; at < text.len && !s->stopped;) {
        uint8_t byte = (uint8_t)text.ptr[at];
        if (byte < 0x80) {
            put_ascii(s, byte, source_start + (uint32_t)at);
            at++;
            continue;
        }
        uint32_t code = 0;
        size_t next = at;
        if (!lh_utf8_next(text, &next, &code))
            break;
        lh_assert(code < CODE_POINT_END);
        put_code_point(s, code,
                       (lh_embed_span){source_start + (uint32_t)at, source_start + (uint32_t)next});
        at = next;
    }
}

void lh_embed_splitter_end(lh_embed_splitter *s)
{
    end_word(s);
}
