/* json.c - the pull reader: one token per call, a bit stack instead of recursion, strings found
 * sixteen bytes at a time.
 *
 * A string is first walked once and judged (escapes, surrogates, UTF-8). Only one that has escapes
 * or replaced bytes is decoded into the arena; all others are borrowed from the input, so typical
 * text costs one pass and no copy. */
#include "base/json.h"

#include "base/json_scan_private.h"

#include <stdio.h>

enum state {
    AT_VALUE,       /* a value must come: at the start, after ':' or after ',' in an array */
    AT_FIRST_ITEM,  /* behind '[': a value or ']' */
    AT_FIRST_KEY,   /* behind '{': a key or '}' */
    AT_KEY,         /* behind ',' in an object: a key */
    AFTER_VALUE,    /* ',' or the end of what is open */
    AFTER_DOCUMENT, /* depth 0: the end, or the next value under LH_JSON_MANY */
    AT_DOCUMENT     /* LH_JSON_MANY at the start: a value or the end */
};

const char *lh_json_kind_name(lh_json_kind kind)
{
    static const char *const names[] = {
        [LH_JSON_NULL] = "null",
        [LH_JSON_FALSE] = "boolean",
        [LH_JSON_TRUE] = "boolean",
        [LH_JSON_NUMBER] = "number",
        [LH_JSON_STRING] = "string",
        [LH_JSON_ARRAY] = "array",
        [LH_JSON_OBJECT] = "object",
        [LH_JSON_KEY] = "key",
        [LH_JSON_ARRAY_END] = "end of an array",
        [LH_JSON_END] = "end",
        [LH_JSON_OBJECT_END] = "end of an object",
    };
    lh_assert((unsigned)kind < LH_ARRAY_LEN(names));
    return names[kind];
}

void lh_json_reader_init(lh_json_reader *reader, lh_ctx *cx, lh_str text, uint32_t flags,
                         uint32_t depth_max)
{
    lh_assert(depth_max <= LH_JSON_DEPTH_MAX);
    memset(reader, 0, sizeof(*reader));
    reader->cx = cx;
    reader->text = text;
    reader->flags = flags;
    reader->depth_max = depth_max ? depth_max : LH_JSON_DEPTH_DEFAULT;
    reader->state = (flags & LH_JSON_MANY) ? AT_DOCUMENT : AT_VALUE;
    /* A byte order mark is an error by the letter, and a habit of files made on Windows. */
    if ((flags & LH_JSON_LENIENT_TEXT) && lh_str_starts(text, LH_S("\xEF\xBB\xBF")))
        reader->offset = 3;
}

void lh_json_place(lh_str text, size_t offset, int *ret_line, int *ret_column)
{
    offset = LH_MIN(offset, text.len);
    size_t line_start = 0;
    int64_t line = 1;
    for (;;) {
        lh_str rest = lh_str_sub(text, line_start, offset - line_start);
        size_t at = lh_str_find_char(rest, '\n');
        if (at == LH_STR_NPOS)
            break;
        line_start += at + 1;
        line++;
    }
    int64_t column = 1;
    for (size_t i = line_start; i < offset; i++)
        column += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    *ret_line = (int)LH_MIN(line, (int64_t)INT32_MAX);
    *ret_column = (int)LH_MIN(column, (int64_t)INT32_MAX);
}

/* Every error of the reader: leaves it standing at the offending byte. */
LH_COLD LH_PRINTF(3, 4) static lh_rc
    fail_text(lh_json_reader *r, size_t offset, const char *format, ...)
{
    char message[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    int line, column;
    lh_json_place(r->text, offset, &line, &column);
    r->offset = offset;
    LH_IGNORE(lh_fail(r->cx, LH_E_BAD_JSON, "%s", message));
    return lh_err_place(r->cx, line, column);
}

/* Names what stands where something else was expected. */
LH_COLD static lh_rc fail_here(lh_json_reader *r, size_t offset, const char *what)
{
    if (offset >= r->text.len)
        return fail_text(r, offset, "%s, but the text ends", what);
    unsigned char c = (unsigned char)r->text.ptr[offset];
    if (c > ' ' && c < 0x7F)
        return fail_text(r, offset, "%s, found '%c'", what, c);
    return fail_text(r, offset, "%s, found byte 0x%02x", what, (unsigned)c);
}

static inline size_t skip_space(lh_str text, size_t at)
{
    while (at < text.len) {
        char c = text.ptr[at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            break;
        at++;
    }
    return at;
}

/* The number of four hexadecimal digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    if (end - p < 4)
        return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int32_t digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static int is_high_surrogate(int32_t unit)
{
    return (unit & 0xFC00) == 0xD800;
}

static int is_low_surrogate(int32_t unit)
{
    return (unit & 0xFC00) == 0xDC00;
}

/* Reads the \uXXXX at p (which has been judged), with the second half of a pair. A lone surrogate
 * gives U+FFFD. */
static const char *decode_unit(const char *p, const char *end, uint32_t *ret_code_point)
{
    int32_t unit = hex4(p + 2, end);
    p += 6;
    if (is_high_surrogate(unit) && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        int32_t low = hex4(p + 2, end);
        if (is_low_surrogate(low)) {
            *ret_code_point = 0x10000u + (((uint32_t)unit & 0x3FF) << 10) + ((uint32_t)low & 0x3FF);
            return p + 6;
        }
    }
    *ret_code_point = is_high_surrogate(unit) || is_low_surrogate(unit) ? 0xFFFD : (uint32_t)unit;
    return p;
}

/* Judges the escape at p and steps over it. */
static lh_rc check_escape(lh_json_reader *r, const char **p_at, const char *end)
{
    const char *p = *p_at;
    size_t offset = (size_t)(p - r->text.ptr);
    if (end - p < 2)
        return fail_here(r, r->text.len, "a string is not closed");
    if (p[1] == 'u') {
        int32_t unit = hex4(p + 2, end);
        if (unit < 0)
            return fail_text(r, offset, "\\u needs four hexadecimal digits");
        uint32_t code_point;
        *p_at = decode_unit(p, end, &code_point);
        if (code_point == 0xFFFD && unit != 0xFFFD) {
            if (!(r->flags & LH_JSON_LENIENT_TEXT))
                return fail_text(r, offset, "half of a surrogate pair stands alone");
            r->replaced_count++;
        }
        return LH_OK;
    }
    if (p[1] == '\0' || strchr("\"\\/bfnrt", p[1]) == NULL)
        return fail_here(r, offset + 1, "not an escape JSON knows");
    *p_at = p + 2;
    return LH_OK;
}

/* Bad UTF-8 in raw: an error at its first byte, or a count of what will be replaced. */
LH_COLD static lh_rc judge_bad_utf8(lh_json_reader *r, lh_str raw)
{
    size_t at = 0;
    size_t start = 0;
    uint32_t code_point;
    while (lh_utf8_next(raw, &at, &code_point)) {
        lh_str bytes = lh_str_sub(raw, start, at - start);
        if (code_point == 0xFFFD && !lh_str_eq(bytes, LH_S("\xEF\xBF\xBD"))) {
            if (!(r->flags & LH_JSON_LENIENT_TEXT))
                return fail_text(r, (size_t)(raw.ptr - r->text.ptr) + start,
                                 "the text is not valid UTF-8");
            r->replaced_count++;
        }
        start = at;
    }
    return LH_OK;
}

static char *decode_escape(const char **p_at, const char *end, char *out)
{
    const char *p = *p_at;
    char c = p[1];
    if (c == 'u') {
        uint32_t code_point;
        *p_at = decode_unit(p, end, &code_point);
        return out + lh_utf8_encode(code_point, out);
    }
    switch (c) {
    case 'b': c = '\b'; break;
    case 'f': c = '\f'; break;
    case 'n': c = '\n'; break;
    case 'r': c = '\r'; break;
    case 't': c = '\t'; break;
    default: break; /* quote, backslash, slash stand for themselves */
    }
    *out = c;
    *p_at = p + 2;
    return out + 1;
}

static char *copy_replacing(lh_str run, char *out)
{
    size_t at = 0;
    uint32_t code_point;
    while (lh_utf8_next(run, &at, &code_point))
        out += lh_utf8_encode(code_point, out);
    return out;
}

/* raw has been judged. An escape never grows; a replaced byte becomes three. */
static lh_rc decode(lh_json_reader *r, lh_str raw, int bad_utf8, lh_str *ret)
{
    char *out_start = lh_arena_alloc(r->cx->arena, bad_utf8 ? raw.len * 3 : raw.len);
    if (out_start == NULL)
        return lh_fail(r->cx, LH_E_NO_MEMORY, "no memory for a JSON string of %zu bytes", raw.len);
    char *out = out_start;
    const char *p = raw.ptr;
    const char *end = raw.ptr + raw.len;
    while (p < end) {
        unsigned high = 0;
        const char *run_end = lhi_json_find_special(p, end, &high);
        lh_str run = {p, (size_t)(run_end - p)};
        if (bad_utf8) {
            out = copy_replacing(run, out);
        } else {
            memcpy(out, run.ptr, run.len);
            out += run.len;
        }
        p = run_end;
        if (p < end)
            out = decode_escape(&p, end, out);
    }
    *ret = (lh_str){out_start, (size_t)(out - out_start)};
    return LH_OK;
}

/* r->offset is behind the opening quote. want 0: judged, but not decoded. */
static lh_rc read_string(lh_json_reader *r, int want, lh_str *ret)
{
    const char *start = r->text.ptr + r->offset;
    const char *end = r->text.ptr + r->text.len;
    const char *p = start;
    unsigned high = 0;
    int escaped = 0;
    for (;;) {
        p = lhi_json_find_special(p, end, &high);
        if (LH_UNLIKELY(p == end))
            return fail_here(r, r->text.len, "a string is not closed");
        if (LH_LIKELY(*p == '"'))
            break;
        if (*p != '\\')
            return fail_here(r, (size_t)(p - r->text.ptr),
                             "a control character must be escaped in a string");
        escaped = 1;
        LH_TRY(check_escape(r, &p, end));
    }
    lh_str raw = {start, (size_t)(p - start)};
    r->offset += raw.len + 1;
    int bad_utf8 = high != 0 && !lh_utf8_valid(raw);
    if (LH_UNLIKELY(bad_utf8))
        LH_TRY(judge_bad_utf8(r, raw));
    if (want && (escaped || bad_utf8))
        return decode(r, raw, bad_utf8, ret);
    *ret = raw;
    return LH_OK;
}

static inline int is_digit(lh_str text, size_t at)
{
    return at < text.len && (unsigned char)(text.ptr[at] - '0') <= 9;
}

static inline size_t skip_digits(lh_str text, size_t at)
{
    while (is_digit(text, at))
        at++;
    return at;
}

static inline int ends_scalar(char c)
{
    return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Scalars must be followed by what can follow a value: "01" and "truex" are one mistake, not two
 * tokens. */
static lh_rc end_scalar(lh_json_reader *r, size_t start, size_t at, lh_json_token *t)
{
    if (at < r->text.len && !ends_scalar(r->text.ptr[at]))
        return fail_here(
            r, at, t->kind == LH_JSON_NUMBER ? "a number must end here" : "a word must end here");
    t->text = lh_str_sub(r->text, start, at - start);
    r->offset = at;
    return LH_OK;
}

static lh_rc read_number(lh_json_reader *r, lh_json_token *t)
{
    lh_str text = r->text;
    size_t start = r->offset;
    size_t at = start + (text.ptr[start] == '-');
    t->kind = LH_JSON_NUMBER;
    if (!is_digit(text, at))
        return fail_here(r, at, "a number needs a digit");
    at = text.ptr[at] == '0' ? at + 1 : skip_digits(text, at);
    if (at < text.len && text.ptr[at] == '.') {
        at++;
        if (!is_digit(text, at))
            return fail_here(r, at, "a fraction needs a digit");
        at = skip_digits(text, at);
    }
    if (at < text.len && (text.ptr[at] | 0x20) == 'e') {
        at++;
        if (at < text.len && (text.ptr[at] == '+' || text.ptr[at] == '-'))
            at++;
        if (!is_digit(text, at))
            return fail_here(r, at, "an exponent needs a digit");
        at = skip_digits(text, at);
    }
    return end_scalar(r, start, at, t);
}

static lh_rc read_word(lh_json_reader *r, lh_str word, lh_json_kind kind, lh_json_token *t)
{
    lh_str rest = lh_str_from_offset(r->text, r->offset);
    if (!lh_str_starts(rest, word))
        return fail_here(r, r->offset, "expected a value");
    t->kind = kind;
    return end_scalar(r, r->offset, r->offset + word.len, t);
}

static inline void after_value(lh_json_reader *r)
{
    r->state = r->depth ? AFTER_VALUE : AFTER_DOCUMENT;
}

static lh_rc open_level(lh_json_reader *r, int is_object, lh_json_token *t)
{
    if (r->depth == r->depth_max)
        return fail_text(r, r->offset, "nested deeper than %u levels", r->depth_max);
    uint8_t bit = (uint8_t)(1u << (r->depth % 8));
    uint8_t *byte = &r->stack[r->depth / 8];
    *byte = (uint8_t)(is_object ? *byte | bit : *byte & ~bit);
    r->depth++;
    t->kind = is_object ? LH_JSON_OBJECT : LH_JSON_ARRAY;
    t->text = lh_str_sub(r->text, r->offset, 1);
    r->offset++;
    r->state = is_object ? AT_FIRST_KEY : AT_FIRST_ITEM;
    return LH_OK;
}

static inline int in_object(const lh_json_reader *r)
{
    uint32_t level = r->depth - 1;
    return r->stack[level / 8] >> (level % 8) & 1;
}

static lh_rc close_level(lh_json_reader *r, lh_json_token *t)
{
    t->kind = in_object(r) ? LH_JSON_OBJECT_END : LH_JSON_ARRAY_END;
    t->text = lh_str_sub(r->text, r->offset, 1);
    r->offset++;
    r->depth--;
    after_value(r);
    return LH_OK;
}

static lh_rc read_value(lh_json_reader *r, int want, lh_json_token *t)
{
    if (r->offset >= r->text.len)
        return fail_here(r, r->offset, "expected a value");
    char c = r->text.ptr[r->offset];
    switch (c) {
    case '"':
        t->kind = LH_JSON_STRING;
        r->offset++;
        LH_TRY(read_string(r, want, &t->text));
        break;
    case '{': return open_level(r, 1, t);
    case '[': return open_level(r, 0, t);
    case 't': LH_TRY(read_word(r, LH_S("true"), LH_JSON_TRUE, t)); break;
    case 'f': LH_TRY(read_word(r, LH_S("false"), LH_JSON_FALSE, t)); break;
    case 'n': LH_TRY(read_word(r, LH_S("null"), LH_JSON_NULL, t)); break;
    default:
        if (c != '-' && !is_digit(r->text, r->offset))
            return fail_here(r, r->offset, "expected a value");
        LH_TRY(read_number(r, t));
        break;
    }
    after_value(r);
    return LH_OK;
}

static lh_rc read_key(lh_json_reader *r, int want, lh_json_token *t)
{
    if (r->offset >= r->text.len || r->text.ptr[r->offset] != '"')
        return fail_here(r, r->offset,
                         r->state == AT_KEY ? "expected a key in quotes"
                                            : "expected a key in quotes or '}'");
    t->kind = LH_JSON_KEY;
    r->offset++;
    LH_TRY(read_string(r, want, &t->text));
    size_t at = skip_space(r->text, r->offset);
    if (at >= r->text.len || r->text.ptr[at] != ':')
        return fail_here(r, at, "expected ':' behind a key");
    r->offset = at + 1;
    r->state = AT_VALUE;
    return LH_OK;
}

static lh_rc read_end(lh_json_reader *r, lh_json_token *t)
{
    if (r->offset < r->text.len)
        return fail_here(r, r->offset, "expected the end behind the value");
    t->kind = LH_JSON_END;
    t->text = LH_STR_NONE;
    return LH_OK;
}

/* The comma or bracket behind a value, and what follows the comma. */
static lh_rc read_after_value(lh_json_reader *r, int want, lh_json_token *t)
{
    int object = in_object(r);
    char c = r->offset < r->text.len ? r->text.ptr[r->offset] : '\0';
    if (c == (object ? '}' : ']'))
        return close_level(r, t);
    if (c != ',')
        return fail_here(r, r->offset, object ? "expected ',' or '}'" : "expected ',' or ']'");
    r->offset = skip_space(r->text, r->offset + 1);
    t->offset = r->offset;
    r->state = object ? AT_KEY : AT_VALUE;
    return object ? read_key(r, want, t) : read_value(r, want, t);
}

static lh_rc next_token(lh_json_reader *r, int want, lh_json_token *t)
{
    r->offset = skip_space(r->text, r->offset);
    t->offset = r->offset;
    char c = r->offset < r->text.len ? r->text.ptr[r->offset] : '\0';
    switch ((enum state)r->state) {
    case AFTER_VALUE: return read_after_value(r, want, t);
    case AT_VALUE: return read_value(r, want, t);
    case AT_FIRST_KEY: return c == '}' ? close_level(r, t) : read_key(r, want, t);
    case AT_KEY: return read_key(r, want, t);
    case AT_FIRST_ITEM: return c == ']' ? close_level(r, t) : read_value(r, want, t);
    case AFTER_DOCUMENT:
    case AT_DOCUMENT: break;
    }
    if ((r->flags & LH_JSON_MANY) && r->offset < r->text.len)
        return read_value(r, want, t);
    return read_end(r, t);
}

lh_rc lh_json_next(lh_json_reader *reader, lh_json_token *ret_token)
{
    return next_token(reader, 1, ret_token);
}

lh_rc lh_json_skip(lh_json_reader *reader, const lh_json_token *token, lh_str *ret_raw)
{
    lh_json_token value = *token;
    if (value.kind == LH_JSON_KEY)
        LH_TRY(next_token(reader, 0, &value));
    if (value.kind == LH_JSON_ARRAY || value.kind == LH_JSON_OBJECT) {
        uint32_t depth = reader->depth - 1;
        lh_json_token inner;
        while (reader->depth > depth)
            LH_TRY(next_token(reader, 0, &inner));
    }
    if (ret_raw != NULL)
        *ret_raw = lh_str_sub(reader->text, value.offset, reader->offset - value.offset);
    return LH_OK;
}
