/* coltype.c - reads and writes DuckDB's type texts.
 *
 * type  = core { "[" [ digits ] "]" } core  = DECIMAL "(" p "," s ")" | STRUCT "(" fields ")" |
 * UNION "(" fields ")" | MAP "(" type "," type ")"
 *         | ENUM "(" labels ")" | word { word }
 *   field = name type;  name = word or "quoted ""name"""
 *
 * Recursive descent with a depth; plain words are letters, digits and underscores only, which is
 * what makes them safe to write into SQL again. */
#include "catalog/coltype.h"

#include "base/buf.h"
#include "base/num.h"
#include "catalog/catalog.h"

typedef struct scanner {
    lh_ctx *cx;
    lh_str text;
    size_t at;
    uint32_t depth;
    uint32_t parts;
} scanner;

static lh_rc parse_type(scanner *s, lh_coltype **ret);

static lh_rc refuse(scanner *s, const char *wanted)
{
    return lh_fail(s->cx, LH_E_BAD_VALUE, "'%.*s' is not a type: %s expected at byte %zu",
                   (int)LH_MIN(s->text.len, (size_t)80), s->text.ptr, wanted, s->at + 1);
}

static void skip_space(scanner *s)
{
    while (s->at < s->text.len && s->text.ptr[s->at] == ' ')
        s->at++;
}

static int peek(scanner *s)
{
    skip_space(s);
    return s->at < s->text.len ? (unsigned char)s->text.ptr[s->at] : -1;
}

static int take(scanner *s, char c)
{
    if (peek(s) != (unsigned char)c)
        return 0;
    s->at++;
    return 1;
}

static int is_word(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static lh_str take_word(scanner *s)
{
    skip_space(s);
    size_t from = s->at;
    while (s->at < s->text.len && is_word((unsigned char)s->text.ptr[s->at]))
        s->at++;
    return lh_str_sub(s->text, from, s->at - from);
}

/* Text between two quotes, doubled ones halved. */
static lh_rc take_quoted(scanner *s, char quote, lh_str *ret)
{
    if (!take(s, quote))
        return refuse(s, quote == '"' ? "a name" : "a label");
    char *out = LH_NEW_ARRAY(s->cx, char, s->text.len - s->at + 1);
    if (out == NULL)
        return LH_E_NO_MEMORY;
    size_t len = 0;
    while (s->at < s->text.len) {
        char c = s->text.ptr[s->at++];
        if (c == '\0')
            return refuse(s, "text without NUL");
        if (c == quote) {
            if (s->at >= s->text.len || s->text.ptr[s->at] != quote) {
                *ret = lh_str_n(out, len);
                return LH_OK;
            }
            s->at++;
        }
        out[len++] = c;
    }
    return refuse(s, "a closing quote");
}

static lh_rc take_name(scanner *s, lh_str *ret)
{
    if (peek(s) == '"')
        return take_quoted(s, '"', ret);
    *ret = take_word(s);
    return ret->len > 0 ? LH_OK : refuse(s, "a name");
}

static lh_rc take_number(scanner *s, uint64_t max, uint64_t *ret)
{
    if (!lh_parse_u64(take_word(s), ret) || *ret > max)
        return refuse(s, "a number");
    return LH_OK;
}

static lh_rc add_part(scanner *s, lh_coltype *type, size_t *capacity, lh_str name, lh_coltype *part)
{
    if (++s->parts > LH_COLTYPE_PARTS_MAX)
        return refuse(s, "fewer parts");
    if (type->count == *capacity) {
        size_t names_capacity = *capacity;
        LH_TRY(lh_ctx_grow(s->cx, (void **)&type->names, type->count, &names_capacity,
                           sizeof(*type->names)));
        LH_TRY(
            lh_ctx_grow(s->cx, (void **)&type->parts, type->count, capacity, sizeof(*type->parts)));
    }
    type->names[type->count] = name;
    type->parts[type->count++] = part;
    return LH_OK;
}

static lh_rc parse_fields(scanner *s, lh_coltype *type)
{
    size_t capacity = 0;
    if (!take(s, '('))
        return refuse(s, "'('");
    do {
        lh_str name = LH_STR_NONE;
        lh_coltype *part = NULL;
        if (type->kind == LH_COLTYPE_ENUM) {
            LH_TRY(take_quoted(s, '\'', &name));
        } else {
            if (type->kind != LH_COLTYPE_MAP)
                LH_TRY(take_name(s, &name));
            LH_TRY(parse_type(s, &part));
        }
        LH_TRY(add_part(s, type, &capacity, name, part));
    } while (take(s, ','));
    if (type->kind == LH_COLTYPE_MAP && type->count != 2)
        return refuse(s, "a key and a value");
    return take(s, ')') ? LH_OK : refuse(s, "')'");
}

static lh_rc parse_decimal(scanner *s, lh_coltype *type)
{
    uint64_t precision = 18, scale = 3; /* what DuckDB means by a bare DECIMAL */
    if (take(s, '(')) {
        LH_TRY(take_number(s, 38, &precision));
        scale = 0;
        if (take(s, ','))
            LH_TRY(take_number(s, precision, &scale));
        if (!take(s, ')'))
            return refuse(s, "')'");
    }
    if (precision == 0)
        return refuse(s, "a precision of 1 to 38");
    type->precision = (uint32_t)precision;
    type->scale = (uint32_t)scale;
    return LH_OK;
}

/* Plain types: "TIMESTAMP WITH TIME ZONE" is several words; "NULL" may come quoted. */
static lh_rc parse_words(scanner *s, lh_str first, lh_coltype *type)
{
    char *out = LH_NEW_ARRAY(s->cx, char, s->text.len + 1);
    if (out == NULL)
        return LH_E_NO_MEMORY;
    size_t len = 0;
    for (lh_str word = first; word.len > 0; word = take_word(s)) {
        if (len > 0)
            out[len++] = ' ';
        for (size_t i = 0; i < word.len; i++) {
            char c = word.ptr[i];
            out[len++] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        }
        if (!is_word(peek(s)))
            break;
    }
    type->kind = LH_COLTYPE_WORD;
    type->word = lh_str_n(out, len);
    return LH_OK;
}

static lh_rc parse_core(scanner *s, lh_coltype *type)
{
    static const struct {
        lh_str word;
        lh_coltype_kind kind;
    } constructors[] = {
        {LH_S_INIT("STRUCT"), LH_COLTYPE_STRUCT}, {LH_S_INIT("ROW"), LH_COLTYPE_STRUCT},
        {LH_S_INIT("UNION"), LH_COLTYPE_UNION},   {LH_S_INIT("MAP"), LH_COLTYPE_MAP},
        {LH_S_INIT("ENUM"), LH_COLTYPE_ENUM},
    };
    lh_str word = LH_STR_NONE;
    if (peek(s) == '"') {
        LH_TRY(take_quoted(s, '"', &word));
        if (!lh_str_eq_nocase(word, LH_S("NULL")))
            return refuse(s, "the name of a type");
        type->kind = LH_COLTYPE_WORD;
        type->word = LH_S("NULL");
        return LH_OK;
    }
    word = take_word(s);
    if (word.len == 0 || (word.ptr[0] >= '0' && word.ptr[0] <= '9'))
        return refuse(s, "the name of a type");
    if (lh_str_eq_nocase(word, LH_S("DECIMAL")) || lh_str_eq_nocase(word, LH_S("NUMERIC"))) {
        type->kind = LH_COLTYPE_DECIMAL;
        return parse_decimal(s, type);
    }
    for (size_t i = 0; i < LH_ARRAY_LEN(constructors); i++)
        if (lh_str_eq_nocase(word, constructors[i].word) && peek(s) == '(') {
            type->kind = constructors[i].kind;
            return parse_fields(s, type);
        }
    return parse_words(s, word, type);
}

static lh_rc parse_type(scanner *s, lh_coltype **ret)
{
    lh_coltype *type = LH_NEW(s->cx, lh_coltype);
    if (type == NULL)
        return LH_E_NO_MEMORY;
    if (++s->depth > LH_COLTYPE_DEPTH_MAX)
        return refuse(s, "less nesting");
    LH_TRY(parse_core(s, type));
    while (take(s, '[')) {
        size_t capacity = 0;
        lh_coltype *outer = LH_NEW(s->cx, lh_coltype);
        if (outer == NULL)
            return LH_E_NO_MEMORY;
        outer->kind = LH_COLTYPE_LIST;
        if (peek(s) != ']') {
            outer->kind = LH_COLTYPE_ARRAY;
            LH_TRY(take_number(s, INT32_MAX, &outer->items));
        }
        if (!take(s, ']'))
            return refuse(s, "']'");
        LH_TRY(add_part(s, outer, &capacity, LH_S("element"), type));
        type = outer;
    }
    s->depth--;
    *ret = type;
    return LH_OK;
}

lh_rc lh_coltype_parse(lh_ctx *cx, lh_str text, lh_coltype **ret_type)
{
    scanner s = {.cx = cx, .text = text};
    lh_coltype *type = NULL;
    LH_TRY(parse_type(&s, &type));
    if (peek(&s) != -1)
        return refuse(&s, "the end");
    *ret_type = type;
    return LH_OK;
}

static lh_rc write_type(lh_ctx *cx, lh_buf *out, const lh_coltype *type);

static lh_rc write_parts(lh_ctx *cx, lh_buf *out, const char *word, const lh_coltype *type)
{
    LH_TRY(lh_buf_printf(cx, out, "%s(", word));
    for (size_t i = 0; i < type->count; i++) {
        if (i > 0)
            LH_TRY(lh_buf_append(cx, out, LH_S(", ")));
        if (type->kind == LH_COLTYPE_ENUM)
            LH_TRY(lh_buf_append(cx, out, lh_sql_literal(cx, type->names[i])));
        if (type->kind == LH_COLTYPE_STRUCT || type->kind == LH_COLTYPE_UNION) {
            LH_TRY(lh_buf_append(cx, out, lh_sql_ident(cx, type->names[i])));
            LH_TRY(lh_buf_append_char(cx, out, ' '));
        }
        if (type->parts[i] != NULL)
            LH_TRY(write_type(cx, out, type->parts[i]));
    }
    return lh_buf_append_char(cx, out, ')');
}

static lh_rc write_type(lh_ctx *cx, lh_buf *out, const lh_coltype *type)
{
    switch (type->kind) {
    case LH_COLTYPE_WORD:
        if (lh_str_eq(type->word, LH_S("NULL")))
            return lh_buf_append(cx, out, LH_S("\"NULL\""));
        return lh_buf_append(cx, out, type->word);
    case LH_COLTYPE_DECIMAL:
        return lh_buf_printf(cx, out, "DECIMAL(%u,%u)", type->precision, type->scale);
    case LH_COLTYPE_LIST:
        LH_TRY(write_type(cx, out, type->parts[0]));
        return lh_buf_append(cx, out, LH_S("[]"));
    case LH_COLTYPE_ARRAY:
        LH_TRY(write_type(cx, out, type->parts[0]));
        return lh_buf_printf(cx, out, "[%llu]", (unsigned long long)type->items);
    case LH_COLTYPE_STRUCT: return write_parts(cx, out, "STRUCT", type);
    case LH_COLTYPE_UNION: return write_parts(cx, out, "UNION", type);
    case LH_COLTYPE_MAP: return write_parts(cx, out, "MAP", type);
    case LH_COLTYPE_ENUM: return write_parts(cx, out, "ENUM", type);
    }
    return LH_OK;
}

lh_rc lh_coltype_text(lh_ctx *cx, const lh_coltype *type, lh_str *ret_text)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, (size_t)16 * 1024 * 1024);
    LH_TRY(write_type(cx, &out, type));
    lh_str text = lh_ctx_dup(cx, lh_buf_str(&out));
    if (text.ptr == NULL)
        return LH_E_NO_MEMORY;
    *ret_text = text;
    return LH_OK;
}

static int is_plain_word(lh_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_word((unsigned char)name.ptr[i]))
            return 0;
    return name.len > 0;
}

static lh_rc add_paths(lh_ctx *cx, lh_str prefix, const lh_coltype *type, lh_str_list *paths,
                       size_t *capacity)
{
    static const char *const map_names[] = {"key", "value"};
    if (type->kind == LH_COLTYPE_ENUM)
        return LH_OK;
    for (size_t i = 0; i < type->count; i++) {
        lh_str name = type->kind == LH_COLTYPE_MAP ? lh_str_from(map_names[i & 1]) : type->names[i];
        if (!is_plain_word(name))
            name = lh_sql_ident(cx, name);
        lh_str path = lh_ctx_fmt(cx, "%.*s%s%.*s", LH_STR_ARG(prefix), prefix.len > 0 ? "." : "",
                                 LH_STR_ARG(name));
        if (path.ptr == NULL)
            return LH_E_NO_MEMORY;
        LH_TRY(lh_ctx_grow(cx, (void **)&paths->items, paths->count, capacity, sizeof(lh_str)));
        paths->items[paths->count++] = path;
        LH_TRY(add_paths(cx, path, type->parts[i], paths, capacity));
    }
    return LH_OK;
}

lh_rc lh_coltype_paths(lh_ctx *cx, lh_str text, lh_str_list *ret_paths)
{
    lh_coltype *type = NULL;
    LH_TRY(lh_coltype_parse(cx, text, &type));
    lh_str_list paths = {NULL, 0};
    size_t capacity = 0;
    LH_TRY(add_paths(cx, LH_STR_NONE, type, &paths, &capacity));
    *ret_paths = paths;
    return LH_OK;
}
