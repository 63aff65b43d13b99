/* query/condition.c - checks that a filter is one expression before it is put between brackets.
 *
 * Not the gate: the whole statement still passes it. This keeps "x) UNION SELECT ... --" from
 * changing what the statement around the filter means, and gives an error that speaks about the
 * filter. */
#include "query/query.h"

typedef struct scan {
    lh_str text;
    size_t at;
    int depth;
} scan;

static lh_rc refuse(lh_ctx *cx, const scan *s, const char *what)
{
    int line = 1;
    int column = 1;
    lh_json_place(s->text, s->at, &line, &column);
    LH_IGNORE(lh_fail(cx, LH_E_SQL_SYNTAX, "the filter %s", what));
    LH_IGNORE(lh_err_field(cx, "filter"));
    LH_IGNORE(lh_err_place(cx, line, column));
    return lh_err_hint(
        cx, "a filter is one condition, for example: status = 'active' AND state = 'IL'");
}

static char peek(const scan *s, size_t ahead)
{
    return s->at + ahead < s->text.len ? s->text.ptr[s->at + ahead] : '\0';
}

/* Past the closing quote; a doubled quote is one inside. */
static lh_rc skip_quoted(lh_ctx *cx, scan *s, char quote)
{
    scan begin = *s;
    s->at++;
    while (s->at < s->text.len) {
        if (peek(s, 0) == quote) {
            if (peek(s, 1) != quote) {
                s->at++;
                return LH_OK;
            }
            s->at++;
        }
        s->at++;
    }
    return refuse(cx, &begin, "has a quote that is not closed");
}

static lh_rc step(lh_ctx *cx, scan *s)
{
    char c = peek(s, 0);
    char after = peek(s, 1);
    if (c == '\'' || c == '"')
        return skip_quoted(cx, s, c);
    if (c == ';')
        return refuse(cx, s, "holds a semicolon");
    if (c == '\0')
        return refuse(cx, s, "holds a NUL byte");
    if ((c == '-' && after == '-') || (c == '/' && after == '*'))
        return refuse(cx, s, "holds a comment");
    if (c == '$' && (after == '$' || (after >= 'A' && after <= 'Z') ||
                     (after >= 'a' && after <= 'z') || after == '_'))
        return refuse(cx, s, "holds a dollar quote or a parameter");
    if (c == '(' || c == '[' || c == '{')
        s->depth++;
    if (c == ')' || c == ']' || c == '}')
        s->depth--;
    if (s->depth < 0)
        return refuse(cx, s, "closes a bracket it did not open");
    s->at++;
    return LH_OK;
}

lh_rc lh_sql_check_condition(lh_ctx *cx, lh_str condition)
{
    scan s = {.text = condition};
    if (lh_str_trim(condition).len == 0)
        return refuse(cx, &s, "is empty");
    if (condition.len > LH_SQL_BYTES_MAX / 4)
        return lh_fail(cx, LH_E_TOO_LARGE, "filter of %zu bytes, limit %u", condition.len,
                       LH_SQL_BYTES_MAX / 4);
    if (!lh_utf8_valid(condition))
        return refuse(cx, &s, "is not UTF-8");
    while (s.at < condition.len)
        LH_TRY(step(cx, &s));
    return s.depth == 0 ? LH_OK : refuse(cx, &s, "leaves a bracket open");
}
