/* text_query.c - nodes by hand, the plain form in which every text means something, and a tree
 * written back as text of the language. */
#include "text/text_plan_private.h"

enum { PLAIN_PHRASES_MAX = 8 };

lh_text_node *lh_text_node_new(lh_ctx *cx, lh_text_node_kind kind, lh_str text)
{
    lh_text_node *node = LH_NEW(cx, lh_text_node);
    if (node) {
        node->kind = kind;
        node->text = text;
        node->boost = 1;
    }
    return node;
}

lh_rc lh_text_node_add(lh_ctx *cx, lh_text_node *node, lh_text_occur occur, lh_text_node *child)
{
    lh_assert(node->kind == LH_TEXT_NODE_BOOL);
    if (!child)
        return LH_E_NO_MEMORY;
    if (node->clauses_count >= LH_TEXT_CLAUSES_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "more than %d clauses", LH_TEXT_CLAUSES_MAX);
    /* Room doubles at powers of two, so none need be kept. */
    uint32_t n = node->clauses_count;
    if ((n & (n - 1)) == 0) {
        lh_text_clause *grown = LH_NEW_ARRAY(cx, lh_text_clause, n ? 2 * (size_t)n : 1);
        if (!grown)
            return LH_E_NO_MEMORY;
        for (uint32_t i = 0; i < n; i++)
            grown[i] = node->clauses[i];
        node->clauses = grown;
    }
    node->clauses[node->clauses_count++] = (lh_text_clause){occur, child};
    return LH_OK;
}

/* ---- plain ---- */

static size_t count_quotes(lh_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == '"';
    return n;
}

static lh_text_node *plain_leaf(lh_ctx *cx, lh_text_node_kind kind, lh_str text, uint32_t flags)
{
    lh_text_node *node = lh_text_node_new(cx, kind, text);
    if (node)
        node->flags = (flags & LH_TEXT_ALL) | LHI_TEXT_LENIENT;
    return node;
}

/* What stands outside the first quoted parts, with blanks where those were. */
static lh_rc plain_parts(lh_ctx *cx, lh_str text, uint32_t flags, lh_text_node *node)
{
    char *rest = lh_ctx_alloc(cx, text.len + 1, 1);
    size_t rest_len = 0;
    uint32_t phrases = 0;
    lh_text_occur occur = flags & LH_TEXT_ALL ? LH_TEXT_MUST : LH_TEXT_SHOULD;
    if (!rest)
        return LH_E_NO_MEMORY;
    for (size_t at = 0; at < text.len;) {
        lh_str left = lh_str_from_offset(text, at);
        size_t open = phrases < PLAIN_PHRASES_MAX ? lh_str_find_char(left, '"') : LH_STR_NPOS;
        lh_str before = lh_str_sub(left, 0, open == LH_STR_NPOS ? left.len : open);
        memcpy(rest + rest_len, before.ptr, before.len);
        rest_len += before.len;
        at += before.len;
        if (open == LH_STR_NPOS)
            break;
        rest[rest_len++] = ' ';
        lh_str quoted = lh_str_from_offset(left, open + 1);
        quoted.len = lh_str_find_char(quoted, '"');
        LH_TRY(
            lh_text_node_add(cx, node, occur, plain_leaf(cx, LH_TEXT_NODE_PHRASE, quoted, flags)));
        at += quoted.len + 2;
        phrases++;
    }
    return lh_text_node_add(cx, node, occur,
                            plain_leaf(cx, LH_TEXT_NODE_WORDS, lh_str_n(rest, rest_len), flags));
}

lh_rc lh_text_query_plain(lh_ctx *cx, lh_str text, uint32_t flags, lh_text_node **ret_node)
{
    lh_text_node *node;
    text.len = lh_utf8_cut(text, LH_TEXT_QUERY_BYTES_MAX);
    size_t quotes = count_quotes(text);
    if (quotes == 0 || quotes % 2 != 0) {
        node = plain_leaf(cx, LH_TEXT_NODE_WORDS, text, flags);
        if (!node)
            return LH_E_NO_MEMORY;
    } else {
        node = plain_leaf(cx, LH_TEXT_NODE_BOOL, LH_STR_NONE, flags);
        if (!node)
            return LH_E_NO_MEMORY;
        LH_TRY(plain_parts(cx, text, flags, node));
    }
    *ret_node = node;
    return LH_OK;
}

/* ---- back to text ---- */

static lh_str quoted(lh_ctx *cx, lh_str text, const char *signs)
{
    char *out = lh_ctx_alloc(cx, 2 * text.len + 1, 1);
    size_t n = 0;
    if (!out)
        return LH_STR_NONE;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\' || (text.ptr[i] && strchr(signs, text.ptr[i])))
            out[n++] = '\\';
        out[n++] = text.ptr[i];
    }
    return lh_str_n(out, n);
}

static const char *occur_sign(lh_text_occur occur)
{
    switch (occur) {
    case LH_TEXT_MUST: return "+";
    case LH_TEXT_MUST_NOT: return "-";
    case LH_TEXT_FILTER: return "#";
    case LH_TEXT_SHOULD: break;
    }
    return "";
}

static lh_str leaf_text(lh_ctx *cx, const lh_text_node *node)
{
    lh_str word = quoted(cx, node->text, " \t\n()\"^~*:+-");
    switch (node->kind) {
    case LH_TEXT_NODE_PHRASE: {
        lh_str phrase = quoted(cx, node->text, "\"");
        return node->slop ? lh_ctx_fmt(cx, "\"%.*s\"~%u", LH_STR_ARG(phrase), node->slop)
                          : lh_ctx_fmt(cx, "\"%.*s\"", LH_STR_ARG(phrase));
    }
    case LH_TEXT_NODE_PREFIX: return lh_ctx_fmt(cx, "%.*s*", LH_STR_ARG(word));
    case LH_TEXT_NODE_FUZZY:
        return node->distance ? lh_ctx_fmt(cx, "%.*s~%u", LH_STR_ARG(word), node->distance)
                              : lh_ctx_fmt(cx, "%.*s~", LH_STR_ARG(word));
    case LH_TEXT_NODE_ALL_DOCS: return LH_S("*");
    case LH_TEXT_NODE_WORDS:
    case LH_TEXT_NODE_BOOL: break;
    }
    return word;
}

lh_str lh_text_node_text(lh_ctx *cx, const lh_text_node *node)
{
    lh_str text;
    if (node->kind == LH_TEXT_NODE_BOOL) {
        text = LH_S("(");
        for (uint32_t i = 0; i < node->clauses_count; i++) {
            lh_str child = lh_text_node_text(cx, node->clauses[i].node);
            text = lh_ctx_fmt(cx, "%.*s%s%s%.*s", LH_STR_ARG(text), i > 0 ? " " : "",
                              occur_sign(node->clauses[i].occur), LH_STR_ARG(child));
        }
        text = node->min_should > 1 ? lh_ctx_fmt(cx, "%.*s)@%u", LH_STR_ARG(text), node->min_should)
                                    : lh_ctx_fmt(cx, "%.*s)", LH_STR_ARG(text));
    } else {
        text = leaf_text(cx, node);
    }
    if (node->field.len > 0)
        text = lh_ctx_fmt(cx, "%.*s:%.*s", LH_STR_ARG(node->field), LH_STR_ARG(text));
    if (node->boost < 1 || node->boost > 1)
        text = lh_ctx_fmt(cx, "%.*s^%g", LH_STR_ARG(text), node->boost);
    return text;
}

lh_rc lh_text_node_restrict(lh_ctx *cx, lh_text_node *node, const lh_str_list *fields)
{
    int is_there = node->field.len == 0;
    node->fields = *fields;
    for (size_t i = 0; i < fields->count; i++)
        is_there |= lh_str_eq(fields->items[i], node->field);
    if (!is_there)
        return lh_fail(cx, LH_E_BAD_VALUE, "no text field '%.*s' to search",
                       LH_STR_ARG(lh_str_sub(node->field, 0, 80)));
    for (uint32_t i = 0; i < node->clauses_count; i++)
        LH_TRY(lh_text_node_restrict(cx, node->clauses[i].node, fields));
    return LH_OK;
}
