/* sql_lex.c - steps over comments and quotes, finds words. It decides nothing about safety: what it
 * lets through still has to parse as one SELECT and pass the gate, so a lexing mistake costs a
 * worse message, never a hole. */
#include "worker/programs/sql_lex.h"

static int is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static char at(lh_str text, size_t offset)
{
    return offset < text.len ? text.ptr[offset] : '\0';
}

static size_t skip_line(lh_str text, size_t offset)
{
    while (offset < text.len && text.ptr[offset] != '\n')
        offset++;
    return offset;
}

static size_t skip_block(lh_str text, size_t offset)
{
    int depth = 0;
    while (offset < text.len) {
        if (at(text, offset) == '/' && at(text, offset + 1) == '*') {
            depth++;
            offset += 2;
        } else if (at(text, offset) == '*' && at(text, offset + 1) == '/') {
            offset += 2;
            if (--depth == 0)
                return offset;
        } else {
            offset++;
        }
    }
    return offset;
}

size_t lh_sql_skip_blank(lh_str sql, size_t offset)
{
    for (;;) {
        if (offset < sql.len && is_blank(sql.ptr[offset]))
            offset++;
        else if (at(sql, offset) == '-' && at(sql, offset + 1) == '-')
            offset = skip_line(sql, offset);
        else if (at(sql, offset) == '/' && at(sql, offset + 1) == '*')
            offset = skip_block(sql, offset);
        else
            return offset;
    }
}

static size_t skip_quoted(lh_str text, size_t offset, int backslash)
{
    char quote = text.ptr[offset++];
    while (offset < text.len) {
        char c = text.ptr[offset++];
        if (backslash && c == '\\')
            offset++;
        else if (c == quote && at(text, offset) == quote)
            offset++;
        else if (c == quote)
            return offset;
    }
    return text.len;
}

/* $$..$$ or $tag$..$tag$; a lone $1 is a parameter. */
static size_t skip_dollar(lh_str text, size_t offset)
{
    size_t end = offset + 1;
    if (at(text, end) >= '0' && at(text, end) <= '9')
        return end;
    while (end < text.len && is_word(text.ptr[end]))
        end++;
    if (at(text, end) != '$')
        return offset + 1;
    lh_str tag = lh_str_sub(text, offset, end + 1 - offset);
    size_t close = lh_str_find(lh_str_from_offset(text, end + 1), tag);
    return close == LH_STR_NPOS ? text.len : end + 1 + close + tag.len;
}

int lh_sql_next_word(lh_sql_lexer *lexer, lh_str *ret_word)
{
    lh_str text = lexer->text;
    size_t offset = lexer->offset;
    for (;;) {
        offset = lh_sql_skip_blank(text, offset);
        if (offset >= text.len) {
            lexer->offset = text.len;
            return 0;
        }
        char c = text.ptr[offset];
        if ((c == 'e' || c == 'E') && at(text, offset + 1) == '\'') {
            offset = skip_quoted(text, offset + 1, 1);
        } else if (is_word(c)) {
            size_t begin = offset;
            while (offset < text.len && is_word(text.ptr[offset]))
                offset++;
            *ret_word = lh_str_sub(text, begin, offset - begin);
            lexer->offset = offset;
            return 1;
        } else if (c == '\'' || c == '"') {
            offset = skip_quoted(text, offset, 0);
        } else if (c == '$') {
            offset = skip_dollar(text, offset);
        } else {
            offset++;
        }
    }
}

int lh_sql_has_word(lh_str sql, lh_str word)
{
    lh_sql_lexer lexer = {.text = sql};
    lh_str found;
    while (lh_sql_next_word(&lexer, &found))
        if (lh_str_eq_nocase(found, word))
            return 1;
    return 0;
}

/* The word that begins at offset, if any. */
static lh_str word_at(lh_str sql, size_t offset)
{
    size_t end = offset;
    while (end < sql.len && is_word(sql.ptr[end]))
        end++;
    return lh_str_sub(sql, offset, end - offset);
}

lh_rc lh_sql_strip_explain(lh_ctx *cx, lh_str sql, size_t *ret_inner)
{
    size_t begin = lh_sql_skip_blank(sql, 0);
    lh_str first = word_at(sql, begin);
    *ret_inner = 0;
    if (!lh_str_eq_nocase(first, LH_S("explain")))
        return LH_OK;
    size_t inner = lh_sql_skip_blank(sql, begin + first.len);
    if (lh_str_eq_nocase(word_at(sql, inner), LH_S("analyze"))) {
        LH_IGNORE(
            lh_fail(cx, LH_E_SQL_DENIED, "EXPLAIN ANALYZE is not allowed: it runs the statement"));
        return lh_err_hint(cx,
                           "Use EXPLAIN, or run the statement and read its timing in the reply.");
    }
    *ret_inner = inner;
    return LH_OK;
}
