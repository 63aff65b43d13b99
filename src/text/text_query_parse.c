/* text_query_parse.c - the query language by recursive descent:
 *
 *   sequence := either+                       side by side: any of them, or all
 *   either   := both (OR both)*
 *   both     := clause (AND clause)*
 *   clause   := [+ | - | NOT] [field:] primary suffix*
 *   primary  := ( sequence ) | "phrase" | word | *
 *   suffix   := ~[n] | ^number | @n | *
 *
 * Every error says where it stands and how to write what was meant. */
#include "base/num.h"
#include "text/text_query.h"

enum { FIELD_BYTES_MAX = 63 };

typedef struct parser {
    lh_ctx *cx;
    lh_str text;
    size_t at;
    uint32_t flags;
    uint32_t depth;
    uint32_t clauses;
} parser;

typedef struct clause {
    lh_text_occur occur;
    lh_text_node *node;
} clause;

static lh_rc parse_sequence(parser *p, lh_str field, lh_text_node **ret);

/* ---- errors ---- */

static void place(parser *p, size_t at)
{
    int line = 1;
    int column = 1;
    for (size_t i = 0; i < at && i < p->text.len; i++) {
        if (p->text.ptr[i] == '\n') {
            line++;
            column = 1;
        } else if (((uint8_t)p->text.ptr[i] & 0xC0) != 0x80) {
            column++;
        }
    }
    LH_IGNORE(lh_err_place(p->cx, line, column));
}

static lh_rc refuse(parser *p, size_t at, const char *what, const char *hint)
{
    LH_IGNORE(lh_fail(p->cx, LH_E_BAD_REQUEST, "query: %s", what));
    LH_IGNORE(lh_err_field(p->cx, "query"));
    LH_IGNORE(lh_err_hint(p->cx, "%s", hint));
    place(p, at);
    return LH_E_BAD_REQUEST;
}

/* ---- characters ---- */

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(parser *p)
{
    while (p->at < p->text.len && is_blank(p->text.ptr[p->at]))
        p->at++;
}

static char peek(const parser *p)
{
    return p->at < p->text.len ? p->text.ptr[p->at] : '\0';
}

static int at_end(const parser *p)
{
    return p->at >= p->text.len;
}

/* A keyword stands alone. */
static int is_keyword(const parser *p, lh_str word)
{
    lh_str rest = lh_str_from_offset(p->text, p->at);
    if (!lh_str_starts(rest, word))
        return 0;
    return rest.len == word.len || is_blank(rest.ptr[word.len]) || rest.ptr[word.len] == '(' ||
           rest.ptr[word.len] == ')' || rest.ptr[word.len] == '"';
}

static int take_keyword(parser *p, lh_str word)
{
    skip_blanks(p);
    if (!is_keyword(p, word))
        return 0;
    p->at += word.len;
    return 1;
}

static int ends_word(char c)
{
    return is_blank(c) || c == '(' || c == ')' || c == '"' || c == '^' || c == '~' || c == '*';
}

/* Copies up to a byte that ends it (or, in quotes, the quote), taking \x as x. */
static lh_rc take_text(parser *p, int in_quotes, lh_str *ret)
{
    char *out = lh_ctx_alloc(p->cx, p->text.len - p->at + 1, 1);
    size_t n = 0;
    size_t start = p->at;
    if (!out)
        return LH_E_NO_MEMORY;
    while (!at_end(p)) {
        char c = p->text.ptr[p->at];
        if (in_quotes ? c == '"' : ends_word(c))
            break;
        if (c == '\\') {
            if (p->at + 1 >= p->text.len)
                return refuse(p, p->at, "a backslash with nothing behind it",
                              "write \\\\ for a backslash");
            c = p->text.ptr[++p->at];
        }
        out[n++] = c;
        p->at++;
    }
    if (in_quotes && at_end(p))
        return refuse(p, start - 1, "a quote that does not end", "close it, or write \\\"");
    *ret = lh_str_n(out, n);
    return LH_OK;
}

/* name: before a primary; not 10:30, http://x, std::x. */
static lh_str take_field(parser *p)
{
    size_t n = p->at;
    while (n < p->text.len && ((p->text.ptr[n] >= 'a' && p->text.ptr[n] <= 'z') ||
                               (p->text.ptr[n] >= 'A' && p->text.ptr[n] <= 'Z') ||
                               p->text.ptr[n] == '_' || (uint8_t)p->text.ptr[n] >= 0x80 ||
                               (n > p->at && ((p->text.ptr[n] >= '0' && p->text.ptr[n] <= '9') ||
                                              p->text.ptr[n] == '.' || p->text.ptr[n] == '-'))))
        n++;
    if (n == p->at || n - p->at > FIELD_BYTES_MAX || n + 1 >= p->text.len || p->text.ptr[n] != ':')
        return LH_STR_NONE;
    char next = p->text.ptr[n + 1];
    if (is_blank(next) || next == ':' || next == '/' || next == ')')
        return LH_STR_NONE;
    lh_str field = lh_str_sub(p->text, p->at, n - p->at);
    p->at = n + 1;
    return field;
}

/* ---- suffixes ---- */

static lh_str take_number(parser *p)
{
    size_t start = p->at;
    while (!at_end(p) && ((peek(p) >= '0' && peek(p) <= '9') || peek(p) == '.'))
        p->at++;
    return lh_str_sub(p->text, start, p->at - start);
}

static lh_rc parse_tilde(parser *p, lh_text_node *node)
{
    size_t start = p->at++;
    lh_str number = take_number(p);
    uint64_t value = 0;
    if (number.len > 0 && !lh_parse_u64(number, &value))
        return refuse(p, start, "~ wants a whole number", "word~1, \"a phrase\"~3");
    if (node->kind == LH_TEXT_NODE_PHRASE) {
        if (number.len == 0 || value > LH_TEXT_SLOP_MAX)
            return refuse(p, start, "a phrase's ~ wants 0 to 1000", "\"a phrase\"~3");
        node->slop = (uint32_t)value;
        return LH_OK;
    }
    if (node->kind != LH_TEXT_NODE_WORDS)
        return refuse(p, start, "~ belongs to a word or a phrase", "word~, word~2, \"a phrase\"~3");
    if (number.len > 0 && (value < 1 || value > 2))
        return refuse(p, start, "a word's ~ wants 1 or 2 edits", "word~1, word~2, or word~");
    node->kind = LH_TEXT_NODE_FUZZY;
    node->distance = (uint32_t)value;
    return LH_OK;
}

static lh_rc parse_caret(parser *p, lh_text_node *node)
{
    size_t start = p->at++;
    double boost;
    if (!lh_parse_f64(take_number(p), &boost) || !(boost > 0 && boost <= 1e6))
        return refuse(p, start, "^ wants a number above 0, to 1,000,000", "word^2.5");
    node->boost *= boost;
    return LH_OK;
}

static lh_rc parse_least(parser *p, lh_text_node *node)
{
    size_t start = p->at++;
    uint64_t least;
    if (!lh_parse_u64(take_number(p), &least) || least < 1 || least > LH_TEXT_CLAUSES_MAX)
        return refuse(p, start, "@ wants how many of the group must be there", "(a b c)@2");
    for (uint32_t i = 0; i < node->clauses_count; i++)
        if (node->clauses[i].occur == LH_TEXT_MUST && (p->flags & LH_TEXT_ALL))
            node->clauses[i].occur = LH_TEXT_SHOULD; /* @ says how many, instead of all */
    node->min_should = (uint32_t)least;
    return LH_OK;
}

static lh_rc parse_suffixes(parser *p, lh_text_node *node, int is_group)
{
    for (;;) {
        char c = peek(p);
        if (c == '~') {
            LH_TRY(parse_tilde(p, node));
        } else if (c == '^') {
            LH_TRY(parse_caret(p, node));
        } else if (c == '@' && is_group) {
            LH_TRY(parse_least(p, node));
        } else if (c == '*') {
            if (node->kind != LH_TEXT_NODE_WORDS)
                return refuse(p, p->at, "* belongs behind a word", "pref* finds what begins so");
            node->kind = LH_TEXT_NODE_PREFIX;
            p->at++;
        } else {
            break;
        }
    }
    if (!at_end(p) && !is_blank(peek(p)) && peek(p) != ')')
        return refuse(p, p->at, "something right behind a term",
                      "put a blank between, or a backslash before the sign");
    return LH_OK;
}

/* ---- structure ---- */

static lh_rc parse_group(parser *p, lh_str field, lh_text_node **ret)
{
    size_t start = p->at++;
    if (++p->depth >= LH_TEXT_DEPTH_MAX) {
        LH_IGNORE(lh_fail(p->cx, LH_E_TOO_LARGE, "query: groups nested deeper than %d",
                          LH_TEXT_DEPTH_MAX - 1));
        place(p, start);
        return LH_E_TOO_LARGE;
    }
    LH_TRY(parse_sequence(p, field, ret));
    p->depth--;
    if (peek(p) != ')')
        return refuse(p, start, "a group that does not end", "close it with ), or write \\(");
    p->at++;
    if ((*ret)->kind != LH_TEXT_NODE_BOOL) { /* @ belongs to a group */
        lh_text_node *group = lh_text_node_new(p->cx, LH_TEXT_NODE_BOOL, LH_STR_NONE);
        if (!group)
            return LH_E_NO_MEMORY;
        LH_TRY(lh_text_node_add(p->cx, group, LH_TEXT_SHOULD, *ret));
        *ret = group;
    }
    return LH_OK;
}

static lh_rc parse_primary(parser *p, lh_str field, lh_text_node **ret)
{
    lh_text_node *node = NULL;
    size_t start = p->at;
    lh_str text = LH_STR_NONE;
    char c = peek(p);
    if (++p->clauses > LH_TEXT_CLAUSES_MAX) {
        LH_IGNORE(
            lh_fail(p->cx, LH_E_TOO_LARGE, "query: more than %d clauses", LH_TEXT_CLAUSES_MAX));
        LH_IGNORE(lh_err_hint(p->cx, "ask with fewer words, or as plain text"));
        place(p, start);
        return LH_E_TOO_LARGE;
    }
    if (c == '(') {
        LH_TRY(parse_group(p, field, &node));
        LH_TRY(parse_suffixes(p, node, 1));
        *ret = node;
        return LH_OK;
    }
    if (c == '"') {
        p->at++;
        LH_TRY(take_text(p, 1, &text));
        p->at++;
        node = lh_text_node_new(p->cx, LH_TEXT_NODE_PHRASE, text);
    } else if (c == '*') {
        p->at++;
        node = lh_text_node_new(p->cx, LH_TEXT_NODE_ALL_DOCS, LH_STR_NONE);
    } else {
        LH_TRY(take_text(p, 0, &text));
        if (text.len == 0)
            return refuse(p, start, "a word is missing here",
                          "a sign that is meant as itself takes a backslash");
        node = lh_text_node_new(p->cx, LH_TEXT_NODE_WORDS, text);
    }
    if (!node)
        return LH_E_NO_MEMORY;
    if (node->kind == LH_TEXT_NODE_WORDS)
        node->flags = LH_TEXT_ALL; /* the parts of a code belong together */
    node->field = field;
    LH_TRY(parse_suffixes(p, node, 0));
    *ret = node;
    return LH_OK;
}

static lh_rc parse_clause(parser *p, lh_str field, clause *ret)
{
    skip_blanks(p);
    size_t start = p->at;
    lh_text_occur occur = LH_TEXT_SHOULD;
    if (take_keyword(p, LH_S("NOT")))
        occur = LH_TEXT_MUST_NOT;
    else if (peek(p) == '+' || peek(p) == '-')
        occur = p->text.ptr[p->at++] == '+' ? LH_TEXT_MUST : LH_TEXT_MUST_NOT;
    if (occur == LH_TEXT_MUST_NOT)
        skip_blanks(p);
    if (at_end(p) || peek(p) == ')' || is_blank(peek(p)))
        return refuse(p, start, "a word is missing here", "word, \"a phrase\", (a group)");
    lh_str own = take_field(p);
    LH_TRY(parse_primary(p, own.len > 0 ? own : field, &ret->node));
    ret->occur = occur;
    return LH_OK;
}

/* A clause of its own that says no: as a node. */
static lh_rc positive(parser *p, const clause *c, lh_text_node **ret)
{
    *ret = c->node;
    if (c->occur != LH_TEXT_MUST_NOT)
        return LH_OK;
    lh_text_node *not_it = lh_text_node_new(p->cx, LH_TEXT_NODE_BOOL, LH_STR_NONE);
    if (!not_it)
        return LH_E_NO_MEMORY;
    *ret = not_it;
    return lh_text_node_add(p->cx, not_it, LH_TEXT_MUST_NOT, c->node);
}

static lh_rc parse_both(parser *p, lh_str field, clause *ret)
{
    lh_text_node *all = NULL;
    LH_TRY(parse_clause(p, field, ret));
    while (take_keyword(p, LH_S("AND"))) {
        clause next = {0};
        if (!all) {
            all = lh_text_node_new(p->cx, LH_TEXT_NODE_BOOL, LH_STR_NONE);
            if (!all)
                return LH_E_NO_MEMORY;
            LH_TRY(lh_text_node_add(
                p->cx, all, ret->occur == LH_TEXT_MUST_NOT ? LH_TEXT_MUST_NOT : LH_TEXT_MUST,
                ret->node));
            *ret = (clause){LH_TEXT_SHOULD, all};
        }
        LH_TRY(parse_clause(p, field, &next));
        LH_TRY(lh_text_node_add(p->cx, all,
                                next.occur == LH_TEXT_MUST_NOT ? LH_TEXT_MUST_NOT : LH_TEXT_MUST,
                                next.node));
    }
    return LH_OK;
}

static lh_rc parse_either(parser *p, lh_str field, clause *ret)
{
    lh_text_node *any = NULL;
    LH_TRY(parse_both(p, field, ret));
    while (take_keyword(p, LH_S("OR"))) {
        clause next = {0};
        lh_text_node *child;
        if (!any) {
            any = lh_text_node_new(p->cx, LH_TEXT_NODE_BOOL, LH_STR_NONE);
            if (!any)
                return LH_E_NO_MEMORY;
            LH_TRY(positive(p, ret, &child));
            LH_TRY(lh_text_node_add(p->cx, any, LH_TEXT_SHOULD, child));
            *ret = (clause){LH_TEXT_SHOULD, any};
        }
        LH_TRY(parse_both(p, field, &next));
        LH_TRY(positive(p, &next, &child));
        LH_TRY(lh_text_node_add(p->cx, any, LH_TEXT_SHOULD, child));
    }
    return LH_OK;
}

static lh_rc parse_sequence(parser *p, lh_str field, lh_text_node **ret)
{
    lh_text_node *node = lh_text_node_new(p->cx, LH_TEXT_NODE_BOOL, LH_STR_NONE);
    if (!node)
        return LH_E_NO_MEMORY;
    for (skip_blanks(p); !at_end(p) && peek(p) != ')'; skip_blanks(p)) {
        clause c;
        if (is_keyword(p, LH_S("AND")) || is_keyword(p, LH_S("OR")))
            return refuse(p, p->at, "AND and OR stand between two clauses",
                          "as a word, write it in quotes or small letters");
        LH_TRY(parse_either(p, field, &c));
        if (c.occur == LH_TEXT_SHOULD && (p->flags & LH_TEXT_ALL))
            c.occur = LH_TEXT_MUST;
        LH_TRY(lh_text_node_add(p->cx, node, c.occur, c.node));
    }
    if (node->clauses_count == 0 && p->depth > 0)
        return refuse(p, p->at, "a group with nothing in it", "(a b), or \\( \\)");
    int one = node->clauses_count == 1 && node->clauses[0].occur != LH_TEXT_MUST_NOT;
    *ret = one ? node->clauses[0].node : node;
    return LH_OK;
}

lh_rc lh_text_query_parse(lh_ctx *cx, lh_str text, uint32_t flags, lh_text_node **ret_node)
{
    parser p = {.cx = cx, .text = text, .flags = flags};
    lh_text_node *node = NULL;
    if (text.len > LH_TEXT_QUERY_BYTES_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "query: %zu bytes, limit %u", text.len,
                       LH_TEXT_QUERY_BYTES_MAX);
    LH_TRY(parse_sequence(&p, LH_STR_NONE, &node));
    if (!at_end(&p))
        return refuse(&p, p.at, "a ) without its (", "write \\) when it is meant as itself");
    *ret_node = node;
    return LH_OK;
}
