/* ingest_json_walk.c - one element to its leaves: objects are entered, arrays are kept as text. */
#include "worker/programs/ingest_json.h"

/* Raw JSON with bytes that are no UTF-8: they become U+FFFD, as in decoded strings. */
static lh_rc clean_raw(lh_ctx *cx, lh_str raw, lh_str *ret_text)
{
    char *out = lh_ctx_alloc(cx, raw.len, 3);
    if (out == NULL)
        return cx->err.rc;
    size_t len = 0;
    size_t offset = 0;
    uint32_t code_point;
    while (lh_utf8_next(raw, &offset, &code_point))
        len += lh_utf8_encode(code_point, out + len);
    *ret_text = (lh_str){out, len};
    return LH_OK;
}

static lh_rc walk_value(lh_ctx *cx, lh_json_walk *walk, lh_json_reader *reader,
                        const lh_json_token *token, uint32_t node);

static lh_rc node_of_key(lh_ctx *cx, lh_json_walk *walk, uint32_t parent, uint32_t previous,
                         lh_str key, uint32_t *ret_node)
{
    if (walk->grow != NULL)
        return lh_json_schema_add(cx, walk->grow, parent, previous, key, ret_node);
    *ret_node = lh_json_schema_find(walk->schema, parent, previous, key);
    return LH_OK;
}

/* Behind '{'. An empty object below the row is a value of its own: {} is not the same as no key. */
static lh_rc walk_object(lh_ctx *cx, lh_json_walk *walk, lh_json_reader *reader, uint32_t parent)
{
    uint32_t previous = LH_JSON_NO_NODE;
    lh_json_token token;
    LH_TRY(lh_json_next(reader, &token));
    if (token.kind == LH_JSON_OBJECT_END && parent != 0) {
        const lh_json_leaf leaf = {parent, LH_JSON_OBJECT, LH_S("{}")};
        return walk->leaf(cx, walk->arg, &leaf);
    }
    while (token.kind == LH_JSON_KEY) {
        uint32_t node;
        LH_TRY(node_of_key(cx, walk, parent, previous, token.text, &node));
        LH_TRY(lh_json_next(reader, &token));
        if (node == LH_JSON_NO_NODE) {
            LH_TRY(lh_json_skip(reader, &token, NULL));
        } else {
            LH_TRY(walk_value(cx, walk, reader, &token, node));
            previous = node;
        }
        LH_TRY(lh_json_next(reader, &token));
    }
    return LH_OK;
}

static lh_rc walk_value(lh_ctx *cx, lh_json_walk *walk, lh_json_reader *reader,
                        const lh_json_token *token, uint32_t node)
{
    if (token->kind == LH_JSON_OBJECT)
        return walk_object(cx, walk, reader, node);
    lh_json_leaf leaf = {node, token->kind, token->text};
    if (token->kind == LH_JSON_ARRAY) {
        uint32_t before = reader->replaced_count;
        LH_TRY(lh_json_skip(reader, token, &leaf.text));
        if (reader->replaced_count != before && !lh_utf8_valid(leaf.text))
            LH_TRY(clean_raw(cx, leaf.text, &leaf.text));
    }
    return walk->leaf(cx, walk->arg, &leaf);
}

lh_rc lh_json_walk_element(lh_ctx *cx, lh_json_walk *walk, lh_str element)
{
    lh_json_reader reader;
    lh_json_token token;
    lh_json_reader_init(&reader, cx, element, LH_JSON_LENIENT_TEXT, 0);
    LH_TRY(lh_json_next(&reader, &token));
    if (token.kind == LH_JSON_OBJECT) {
        LH_TRY(walk_object(cx, walk, &reader, 0));
    } else {
        uint32_t node; /* a row that is no object has one column */
        LH_TRY(node_of_key(cx, walk, 0, LH_JSON_NO_NODE, LH_S("value"), &node));
        LH_TRY(node != LH_JSON_NO_NODE ? walk_value(cx, walk, &reader, &token, node)
                                       : lh_json_skip(&reader, &token, NULL));
    }
    LH_TRY(lh_json_next(&reader, &token));
    lh_assert(token.kind == LH_JSON_END);
    walk->replaced += reader.replaced_count;
    return LH_OK;
}
