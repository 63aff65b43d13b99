/* text_tokenize.c - one pass over the bytes: words, joints of words, runs of a script without
 * spaces. ASCII takes a table and no decoding; everything else takes the class of its code point.
 *
 * A part of a joint is handed on as soon as it ends; its whole follows when the joint ends, so one
 * buffer each is enough. Words that are stemmed are composed first (Snowball's programs know "é",
 * not "e" and an accent) and folded afterwards. */
#include "text/text_analyzer_private.h"
#include "text/text_unicode.h"

#include <libstemmer.h>

enum {
    WORD_BYTES = LH_TEXT_TERM_BYTES_MAX + 4 * LH_TEXT_UNICODE_PARTS_MAX,
    CODES_MAX = LH_TEXT_TERM_BYTES_MAX,
    CHAR_BYTES_MAX = 4 * LH_TEXT_UNICODE_PARTS_MAX
};

typedef struct char_part {
    char bytes[CHAR_BYTES_MAX];
    uint32_t bytes_count;
    uint32_t start;
    uint32_t end;
} char_part;

struct lh_text_tokenizer {
    const lh_text_analyzer *analyzer;
    struct sb_stemmer *stemmer; /* NULL: none */
    lh_text_on_token on_token;
    void *arg;
    lh_str text;
    uint32_t flags;
    uint32_t position;
    uint32_t joints; /* numbers given out */
    /* the word that is open */
    uint32_t word_len;
    uint32_t word_start;
    uint32_t word_end;
    uint8_t word_is_ascii;
    uint8_t word_has_digit;
    uint8_t fold;
    uint32_t codes_count; /* of the word, accents kept, when there is a stemmer */
    /* the joint that is open */
    uint32_t joint; /* 0 = none */
    uint32_t joint_len;
    uint32_t joint_start;
    uint32_t joint_position;
    uint8_t joint_is_code;
    uint8_t joint_is_full;
    /* the run of a script without spaces */
    uint32_t run_chars;
    char_part last;
    char word[WORD_BYTES];
    char whole[LH_TEXT_TERM_BYTES_MAX + 1];
    uint32_t codes[CODES_MAX];
};

/* 0 ends a word; a letter or digit is its lower case; JOINS may stand between two words. */
enum { JOINS = 1, HIGH = 2 };
#define LETTER_ROW(c) [c] = (c), [(c)-32] = (c)
static const uint8_t ascii[256] = {
    ['0'] = '0',     ['1'] = '1',           ['2'] = '2',     ['3'] = '3',     ['4'] = '4',
    ['5'] = '5',     ['6'] = '6',           ['7'] = '7',     ['8'] = '8',     ['9'] = '9',
    LETTER_ROW('a'), LETTER_ROW('b'),       LETTER_ROW('c'), LETTER_ROW('d'), LETTER_ROW('e'),
    LETTER_ROW('f'), LETTER_ROW('g'),       LETTER_ROW('h'), LETTER_ROW('i'), LETTER_ROW('j'),
    LETTER_ROW('k'), LETTER_ROW('l'),       LETTER_ROW('m'), LETTER_ROW('n'), LETTER_ROW('o'),
    LETTER_ROW('p'), LETTER_ROW('q'),       LETTER_ROW('r'), LETTER_ROW('s'), LETTER_ROW('t'),
    LETTER_ROW('u'), LETTER_ROW('v'),       LETTER_ROW('w'), LETTER_ROW('x'), LETTER_ROW('y'),
    LETTER_ROW('z'), ['-'] = JOINS,         ['_'] = JOINS,   ['.'] = JOINS,   ['/'] = JOINS,
    ['@'] = JOINS,   [':'] = JOINS,         ['\''] = JOINS,  ['&'] = JOINS,   [','] = JOINS,
    ['+'] = JOINS,   [0x80 ... 0xFF] = HIGH};

static lh_text_unicode_class class_of(uint32_t code)
{
    return (lh_text_unicode_class)lh_code_class(&lh_text_codes, code);
}

/* Letters whose stroke is no accent to Unicode; folded as people spell them without it. */
static lh_str stroke_fold(uint32_t code)
{
    static const struct {
        uint16_t code;
        char text[3];
    } table[] = {{0xE6, "ae"}, {0xF0, "d"},   {0xF8, "o"},  {0xFE, "th"},
                 {0x111, "d"}, {0x127, "h"},  {0x131, "i"}, {0x142, "l"},
                 {0x14B, "n"}, {0x153, "oe"}, {0x167, "t"}};
    for (size_t i = 0; i < LH_ARRAY_LEN(table); i++)
        if (table[i].code == code)
            return lh_str_from(table[i].text);
    return LH_STR_NONE;
}

/* Bytes of one code point of a normal form as a term has it; 0 when it vanishes. */
static uint32_t fold_code(uint32_t code, int fold, char *out)
{
    if (fold && class_of(code) == LH_TEXT_UNICODE_ACCENT)
        return 0;
    if (fold && code >= 0xE6 && code <= 0x167) {
        lh_str folded = stroke_fold(code);
        memcpy(out, folded.len ? folded.ptr : "", folded.len);
        if (folded.len > 0)
            return (uint32_t)folded.len;
    }
    return (uint32_t)lh_utf8_encode(code, out);
}

static uint32_t compose(uint32_t base, uint32_t accent)
{
    uint32_t low = 0;
    uint32_t high = LH_TEXT_UNICODE_COMPOSED;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const lh_text_unicode_pair *p = &lh_text_unicode_composed[middle];
        if (p->base < base || (p->base == base && p->accent < accent))
            low = middle + 1;
        else
            high = middle;
    }
    const lh_text_unicode_pair *p = &lh_text_unicode_composed[low];
    return low < LH_TEXT_UNICODE_COMPOSED && p->base == base && p->accent == accent ? p->composed
                                                                                    : 0;
}

/* The word with its accents put together, as a stemmer wants it. */
static uint32_t composed_word(lh_text_tokenizer *t, char *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->codes_count; i++) {
        uint32_t code = t->codes[i];
        while (i + 1 < t->codes_count) {
            uint32_t both = compose(code, t->codes[i + 1]);
            if (both == 0)
                break;
            code = both;
            i++;
        }
        count += (uint32_t)lh_utf8_encode(code, out + count);
    }
    return count;
}

/* Decomposes and folds a stem back into the word's buffer. */
static void put_stem(lh_text_tokenizer *t, lh_str stem)
{
    size_t at = 0;
    uint32_t code;
    uint32_t len = 0;
    while (lh_utf8_next(stem, &at, &code) && len <= LH_TEXT_TERM_BYTES_MAX) {
        lh_text_unicode_class class = class_of(code);
        const uint32_t *parts = &code;
        uint32_t count = 1;
        if (class == LH_TEXT_UNICODE_MAP)
            count = lh_code_parts(&lh_text_codes, code, &parts);
        for (uint32_t i = 0; i < count; i++)
            len += fold_code(parts[i], t->fold, t->word + len);
    }
    t->word_len = len;
}

static lh_rc stem_word(lh_ctx *cx, lh_text_tokenizer *t)
{
    char composed[4 * CODES_MAX];
    lh_str in = {t->word, t->word_len};
    if (!t->word_is_ascii)
        in = lh_str_n(composed, composed_word(t, composed));
    const sb_symbol *out =
        sb_stemmer_stem(t->stemmer, (const sb_symbol *)in.ptr, (int)LH_MIN(in.len, 4000u));
    if (!out)
        return lh_fail(cx, LH_E_NO_MEMORY, "stemmer");
    int len = sb_stemmer_length(t->stemmer);
    if (len > 0)
        put_stem(t, lh_str_n(out, (size_t)len));
    return LH_OK;
}

static lh_rc emit(lh_ctx *cx, lh_text_tokenizer *t, const lh_text_token *token)
{
    return t->on_token(cx, t->arg, token);
}

static lh_rc emit_whole(lh_ctx *cx, lh_text_tokenizer *t, uint32_t end)
{
    lh_text_token token = {.term = {t->whole, t->joint_len},
                           .position = t->joint_position,
                           .start = t->joint_start,
                           .end = end,
                           .joint = t->joint,
                           .kind = LH_TEXT_TOKEN_WHOLE};
    return emit(cx, t, &token);
}

static void joint_put(lh_text_tokenizer *t, const char *bytes, uint32_t count)
{
    if (t->joint_is_full || t->joint_len + count > LH_TEXT_TERM_BYTES_MAX) {
        t->joint_is_full = 1;
        return;
    }
    memcpy(t->whole + t->joint_len, bytes, count);
    t->joint_len += count;
}

/* Does a word begin at offset? */
static int begins_word(const lh_text_tokenizer *t, size_t offset)
{
    if (offset >= t->text.len)
        return 0;
    uint8_t c = ascii[(uint8_t)t->text.ptr[offset]];
    if (c != HIGH)
        return c > HIGH;
    uint32_t code;
    if (!lh_utf8_next(t->text, &offset, &code) || code == 0xFFFD)
        return 0;
    lh_text_unicode_class class = class_of(code);
    return class == LH_TEXT_UNICODE_WORD || class == LH_TEXT_UNICODE_MAP;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The joining byte at `at`, when a word stands on both sides of it. */
static char joint_at(const lh_text_tokenizer *t, size_t at)
{
    if (at >= t->text.len || ascii[(uint8_t)t->text.ptr[at]] != JOINS || !begins_word(t, at + 1))
        return 0;
    char c = t->text.ptr[at];
    if (c == ',' && !(is_digit(t->text.ptr[at - 1]) && is_digit(t->text.ptr[at + 1])))
        return 0;
    return c;
}

/* Length of the "++" or "#" that ends C++ and C#, when nothing joins on. */
static uint32_t sign_at(const lh_text_tokenizer *t, size_t at)
{
    uint32_t len = 0;
    if (at < t->text.len && t->text.ptr[at] == '#')
        len = 1;
    else if (at + 1 < t->text.len && t->text.ptr[at] == '+' && t->text.ptr[at + 1] == '+')
        len = 2;
    return len > 0 && !begins_word(t, at + len) ? len : 0;
}

static void joint_open(lh_text_tokenizer *t)
{
    t->joint = ++t->joints;
    t->joint_len = 0;
    t->joint_is_code = 0;
    t->joint_is_full = 0;
    t->joint_start = t->word_start;
    t->joint_position = t->position;
}

/* Ends the open word, which is followed by the byte at `at`. */
static lh_rc end_word(lh_ctx *cx, lh_text_tokenizer *t, size_t at)
{
    if (t->word_len == 0)
        return LH_OK;
    int codes = !(t->analyzer->flags & LH_TEXT_NO_CODES);
    char joins = codes ? joint_at(t, at) : 0;
    uint32_t sign = codes && !joins ? sign_at(t, at) : 0;
    if ((joins || sign) && !t->joint)
        joint_open(t);
    if (t->word_len > LH_TEXT_TERM_BYTES_MAX)
        t->word_len = (uint32_t)lh_utf8_cut((lh_str){t->word, t->word_len}, LH_TEXT_TERM_BYTES_MAX);
    if (t->joint) {
        joint_put(t, t->word, t->word_len);
        if (joins && joins != ',')
            joint_put(t, &joins, 1);
        joint_put(t, t->text.ptr + at, sign);
        t->joint_is_code |= t->word_has_digit || sign > 0 || joins == '@' || joins == '.' ||
                            joins == '/' || joins == '_';
    }
    int stopped = lhi_text_words_find(&t->analyzer->stops, (lh_str){t->word, t->word_len}, NULL);
    if (t->stemmer && !t->word_has_digit && !(t->flags & LH_TEXT_NO_STEM) && !stopped)
        LH_TRY(stem_word(cx, t));
    lh_text_token token = {.term = {t->word, t->word_len},
                           .position = t->position++,
                           .start = t->word_start,
                           .end = t->word_end,
                           .joint = t->joint,
                           .kind = LH_TEXT_TOKEN_WORD};
    t->word_len = 0;
    t->codes_count = 0;
    if (!stopped)
        LH_TRY(emit(cx, t, &token));
    if (!joins && t->joint) {
        if (t->joint_is_code && !t->joint_is_full)
            LH_TRY(emit_whole(cx, t, (uint32_t)at + sign));
        t->joint = 0;
    }
    return LH_OK;
}

static lh_rc end_run(lh_ctx *cx, lh_text_tokenizer *t)
{
    if (t->run_chars == 0)
        return LH_OK;
    lh_text_token token = {.term = {t->last.bytes, t->last.bytes_count},
                           .position = t->position++,
                           .start = t->last.start,
                           .end = t->last.end,
                           .kind = t->run_chars == 1 ? LH_TEXT_TOKEN_SINGLE : LH_TEXT_TOKEN_LAST};
    t->run_chars = 0;
    return emit(cx, t, &token);
}

static lh_rc put_run_char(lh_ctx *cx, lh_text_tokenizer *t, const char_part *part)
{
    if (t->run_chars++ > 0) {
        char pair[2 * CHAR_BYTES_MAX];
        memcpy(pair, t->last.bytes, t->last.bytes_count);
        memcpy(pair + t->last.bytes_count, part->bytes, part->bytes_count);
        lh_text_token token = {.term = {pair, t->last.bytes_count + part->bytes_count},
                               .position = t->position++,
                               .start = t->last.start,
                               .end = part->end,
                               .kind = LH_TEXT_TOKEN_PAIR};
        LH_TRY(emit(cx, t, &token));
    }
    t->last = *part;
    return LH_OK;
}

static void put_code(lh_text_tokenizer *t, uint32_t code, uint32_t start, uint32_t end)
{
    if (t->word_len == 0) {
        t->word_start = start;
        t->word_is_ascii = 1;
        t->word_has_digit = 0;
        t->codes_count = 0;
    }
    t->word_end = end;
    if (code >= 0x80)
        t->word_is_ascii = 0;
    else if (is_digit((char)code))
        t->word_has_digit = 1;
    if (t->stemmer && t->codes_count < CODES_MAX)
        t->codes[t->codes_count++] = code;
    if (t->word_len <= LH_TEXT_TERM_BYTES_MAX)
        t->word_len += fold_code(code, t->fold, t->word + t->word_len);
}

static lh_rc put_high(lh_ctx *cx, lh_text_tokenizer *t, uint32_t code, size_t start, size_t end)
{
    lh_text_unicode_class class = code == 0xFFFD ? LH_TEXT_UNICODE_BREAK : class_of(code);
    if (class == LH_TEXT_UNICODE_DROP)
        return LH_OK;
    if ((class == LH_TEXT_UNICODE_ACCENT || class == LH_TEXT_UNICODE_MARK) && t->word_len == 0)
        return LH_OK; /* an accent on nothing, or on a character of a run */
    const uint32_t *parts = &code;
    uint32_t count = 1;
    if (class == LH_TEXT_UNICODE_MAP || class == LH_TEXT_UNICODE_CJK_MAP)
        count = lh_code_parts(&lh_text_codes, code, &parts);
    if (class == LH_TEXT_UNICODE_CJK || class == LH_TEXT_UNICODE_CJK_MAP) {
        char_part part = {.start = (uint32_t)start, .end = (uint32_t)end};
        LH_TRY(end_word(cx, t, start));
        for (uint32_t i = 0; i < count; i++)
            part.bytes_count += (uint32_t)lh_utf8_encode(parts[i], part.bytes + part.bytes_count);
        return put_run_char(cx, t, &part);
    }
    LH_TRY(end_run(cx, t));
    if (class == LH_TEXT_UNICODE_BREAK)
        return end_word(cx, t, start);
    for (uint32_t i = 0; i < count; i++)
        put_code(t, parts[i], (uint32_t)start, (uint32_t)end);
    return LH_OK;
}

/* Letters and digits from at on; the common case. Returns the offset behind them. */
static size_t put_ascii(lh_text_tokenizer *t, size_t at)
{
    if (t->word_len == 0) {
        t->word_start = (uint32_t)at;
        t->word_is_ascii = 1;
        t->word_has_digit = 0;
        t->codes_count = 0;
    }
    uint8_t c;
    for (; at < t->text.len && (c = ascii[(uint8_t)t->text.ptr[at]]) > HIGH; at++) {
        if (t->stemmer && t->codes_count < CODES_MAX)
            t->codes[t->codes_count++] = c;
        t->word_has_digit |= c <= '9';
        if (t->word_len <= LH_TEXT_TERM_BYTES_MAX)
            t->word[t->word_len++] = (char)c;
    }
    t->word_end = (uint32_t)at;
    return at;
}

static lh_rc scan(lh_ctx *cx, lh_text_tokenizer *t)
{
    for (size_t at = 0; at < t->text.len;) {
        uint8_t c = ascii[(uint8_t)t->text.ptr[at]];
        if (c > HIGH) {
            if (t->run_chars > 0)
                LH_TRY(end_run(cx, t));
            at = put_ascii(t, at);
            continue;
        }
        if (c != HIGH) {
            if (t->word_len > 0)
                LH_TRY(end_word(cx, t, at));
            else if (t->run_chars > 0)
                LH_TRY(end_run(cx, t));
            at++;
            continue;
        }
        size_t next = at;
        uint32_t code = 0;
        if (!lh_utf8_next(t->text, &next, &code))
            break;
        LH_TRY(put_high(cx, t, code, at, next));
        at = next;
    }
    LH_TRY(end_word(cx, t, t->text.len));
    return end_run(cx, t);
}

lh_rc lh_text_tokenizer_new(lh_ctx *cx, const lh_text_analyzer *analyzer,
                            lh_text_tokenizer **ret_tokenizer)
{
    LH_CLEANUP(lh_text_tokenizer_free) lh_text_tokenizer *t = lh_alloc_zero(1, sizeof *t);
    if (!t)
        return lh_fail(cx, LH_E_NO_MEMORY, "text tokenizer");
    t->analyzer = analyzer;
    t->fold = !(analyzer->flags & LH_TEXT_KEEP_ACCENTS);
    if (analyzer->stem[0]) {
        t->stemmer = sb_stemmer_new(analyzer->stem, "UTF_8");
        if (!t->stemmer)
            return lh_fail(cx, LH_E_NO_MEMORY, "stemmer");
    }
    *ret_tokenizer = LH_TAKE(t);
    return LH_OK;
}

lh_text_tokenizer *lh_text_tokenizer_free(lh_text_tokenizer *t)
{
    if (!t)
        return NULL;
    if (t->stemmer)
        sb_stemmer_delete(t->stemmer);
    return lh_free(t);
}

lh_rc lh_text_tokenize(lh_ctx *cx, lh_text_tokenizer *t, lh_str text, uint32_t flags,
                       lh_text_on_token on_token, void *arg)
{
    if (text.len >= UINT32_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "a text of %zu bytes, limit 4 GiB", text.len);
    t->text = text;
    t->flags = flags;
    t->on_token = on_token;
    t->arg = arg;
    t->position = 0;
    t->joints = 0;
    t->joint = 0;
    t->word_len = 0;
    t->codes_count = 0;
    t->run_chars = 0;
    return scan(cx, t);
}
