/* json_tree.c - a document as nodes in the arena; built without recursion, so depth costs memory,
 * not stack. */
#include "base/json.h"

typedef struct open_node {
    lh_json *node;
    const lh_json **link; /* where its next child goes */
} open_node;

typedef struct builder {
    lh_ctx *cx;
    open_node *open;
    size_t open_count;
    size_t open_capacity;
    const lh_json *root;
    lh_str key; /* of the value that comes next */
} builder;

static lh_rc add_node(builder *b, const lh_json_token *t, lh_str text, lh_json **ret)
{
    lh_json *node = LH_NEW(b->cx, lh_json);
    if (node == NULL)
        return LH_E_NO_MEMORY;
    node->kind = t->kind;
    node->offset = t->offset;
    node->key = b->key;
    node->text = t->text;
    node->raw = text;
    b->key = LH_STR_NONE;
    if (b->open_count > 0) {
        open_node *parent = &b->open[b->open_count - 1];
        *parent->link = node;
        parent->link = &node->next;
        parent->node->count++;
    } else {
        b->root = node;
    }
    *ret = node;
    return LH_OK;
}

static lh_rc open_container(builder *b, lh_json *node)
{
    void *open = b->open;
    LH_TRY(lh_ctx_grow(b->cx, &open, b->open_count, &b->open_capacity, sizeof(open_node)));
    b->open = open;
    node->text = LH_STR_NONE;
    b->open[b->open_count++] = (open_node){node, &node->first};
    return LH_OK;
}

static lh_rc add_token(builder *b, const lh_json_reader *reader, const lh_json_token *t)
{
    lh_str raw = lh_str_sub(reader->text, t->offset, reader->offset - t->offset);
    lh_json *node;
    switch (t->kind) {
    case LH_JSON_KEY: b->key = t->text; return LH_OK;
    case LH_JSON_ARRAY_END:
    case LH_JSON_OBJECT_END:
        node = b->open[--b->open_count].node;
        node->raw = lh_str_sub(reader->text, node->offset, reader->offset - node->offset);
        return LH_OK;
    case LH_JSON_ARRAY:
    case LH_JSON_OBJECT: LH_TRY(add_node(b, t, raw, &node)); return open_container(b, node);
    default: return add_node(b, t, raw, &node);
    }
}

lh_rc lh_json_parse(lh_ctx *cx, lh_str text, uint32_t depth_max, const lh_json **ret_root)
{
    lh_json_reader reader;
    lh_json_reader_init(&reader, cx, text, 0, depth_max);
    builder b = {.cx = cx};
    for (;;) {
        lh_json_token token;
        LH_TRY(lh_json_next(&reader, &token));
        if (token.kind == LH_JSON_END)
            break;
        LH_TRY(add_token(&b, &reader, &token));
    }
    *ret_root = b.root;
    return LH_OK;
}

const lh_json *lh_json_get(const lh_json *object, lh_str key)
{
    const lh_json *found = NULL;
    if (object == NULL || object->kind != LH_JSON_OBJECT)
        return NULL;
    for (const lh_json *child = object->first; child != NULL; child = child->next)
        if (lh_str_eq(child->key, key))
            found = child;
    return found;
}

lh_str lh_json_get_str(const lh_json *object, lh_str key)
{
    const lh_json *value = lh_json_get(object, key);
    return value != NULL && value->kind == LH_JSON_STRING ? value->text : LH_STR_NONE;
}

bool lh_json_is_true(const lh_json *value)
{
    return value != NULL && value->kind == LH_JSON_TRUE;
}
