/* ingest_json_schema.c - the keys of all rows as one tree. Rows of one file mostly have the same
 * keys in the same order, so each node remembers which one followed it: the usual key costs one
 * compare and no hash. */
#include "base/hash.h"
#include "worker/programs/ingest_json.h"

lh_json_schema *lh_json_schema_free(lh_json_schema *schema)
{
    if (schema == NULL)
        return NULL;
    lh_free(schema->nodes);
    lh_free(schema->slots);
    lh_free(schema->columns);
    lh_free(schema->guesses);
    lh_arena_free(schema->arena);
    return lh_free(schema);
}

lh_rc lh_json_schema_new(lh_ctx *cx, lh_json_schema **ret_schema)
{
    enum { FIRST_NODES = 64 };
    LH_CLEANUP(lh_json_schema_free) lh_json_schema *schema = lh_alloc_zero(1, sizeof(*schema));
    if (schema == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a schema");
    schema->arena = lh_arena_new(0);
    schema->nodes = lh_alloc_zero(FIRST_NODES, sizeof(*schema->nodes));
    schema->slots = lh_alloc_zero(2 * FIRST_NODES, sizeof(*schema->slots));
    if (schema->arena == NULL || schema->nodes == NULL || schema->slots == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a schema");
    schema->nodes_capacity = FIRST_NODES;
    schema->slots_count = 2 * FIRST_NODES;
    schema->nodes[0] = (lh_json_node){.parent = LH_JSON_NO_NODE,
                                      .follower = LH_JSON_NO_NODE,
                                      .first = LH_JSON_NO_NODE,
                                      .column = LH_JSON_NO_NODE};
    schema->nodes_count = 1;
    *ret_schema = LH_TAKE(schema);
    return LH_OK;
}

static bool is_node(const lh_json_schema *schema, uint32_t node, uint32_t parent, lh_str key)
{
    return node != LH_JSON_NO_NODE && schema->nodes[node].parent == parent &&
           lh_str_eq(schema->nodes[node].key, key);
}

static uint32_t slot_of(const lh_json_schema *schema, uint32_t parent, lh_str key)
{
    uint32_t slot = (uint32_t)lh_hash64(key, parent) & (schema->slots_count - 1);
    while (schema->slots[slot] != 0 && !is_node(schema, schema->slots[slot] - 1, parent, key))
        slot = (slot + 1) & (schema->slots_count - 1);
    return slot;
}

uint32_t lh_json_schema_find(const lh_json_schema *schema, uint32_t parent, uint32_t previous,
                             lh_str key)
{
    uint32_t guess = previous != LH_JSON_NO_NODE ? schema->nodes[previous].follower
                                                 : schema->nodes[parent].first;
    if (LH_LIKELY(is_node(schema, guess, parent, key)))
        return guess;
    uint32_t found = schema->slots[slot_of(schema, parent, key)];
    return found != 0 ? found - 1 : LH_JSON_NO_NODE;
}

static lh_rc grow_nodes(lh_ctx *cx, lh_json_schema *schema)
{
    uint32_t capacity = schema->nodes_capacity * 2;
    lh_json_node *nodes = lh_realloc_array(schema->nodes, capacity, sizeof(*nodes));
    if (nodes == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for %u keys", capacity);
    schema->nodes = nodes;
    uint32_t *slots = lh_alloc_zero((size_t)capacity * 2, sizeof(*slots));
    if (slots == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for %u keys", capacity);
    lh_free(schema->slots);
    schema->slots = slots;
    schema->slots_count = capacity * 2;
    schema->nodes_capacity = capacity;
    for (uint32_t i = 1; i < schema->nodes_count; i++)
        schema->slots[slot_of(schema, nodes[i].parent, nodes[i].key)] = i + 1;
    return LH_OK;
}

lh_rc lh_json_schema_add(lh_ctx *cx, lh_json_schema *schema, uint32_t parent, uint32_t previous,
                         lh_str key, uint32_t *ret_node)
{
    uint32_t node = lh_json_schema_find(schema, parent, previous, key);
    if (node == LH_JSON_NO_NODE) {
        if (schema->nodes_count >= 4 * LH_COLUMNS_MAX) {
            LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "more than %u different keys",
                              schema->nodes_count));
            return lh_err_hint(cx,
                               "objects used as maps make a column per key: turn them into rows");
        }
        if (schema->nodes_count == schema->nodes_capacity)
            LH_TRY(grow_nodes(cx, schema));
        char *copy = lh_arena_alloc(schema->arena, key.len + 1);
        if (copy == NULL)
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a key of %zu bytes", key.len);
        if (key.len > 0)
            memcpy(copy, key.ptr, key.len);
        node = schema->nodes_count++;
        schema->nodes[node] = (lh_json_node){.key = {copy, key.len},
                                             .parent = parent,
                                             .follower = LH_JSON_NO_NODE,
                                             .first = LH_JSON_NO_NODE,
                                             .column = LH_JSON_NO_NODE};
        schema->slots[slot_of(schema, parent, key)] = node + 1;
    }
    if (previous != LH_JSON_NO_NODE)
        schema->nodes[previous].follower = node;
    else
        schema->nodes[parent].first = node;
    *ret_node = node;
    return LH_OK;
}

lh_rc lh_json_schema_add_column(lh_ctx *cx, lh_json_schema *schema, uint32_t node)
{
    if (schema->nodes[node].column != LH_JSON_NO_NODE)
        return LH_OK;
    if (schema->columns_count >= LH_COLUMNS_MAX - 1) {
        LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE, "more than %u columns", LH_COLUMNS_MAX - 1));
        return lh_err_hint(cx, "objects used as maps make a column per key: turn them into rows");
    }
    if (schema->columns_count == schema->columns_capacity) {
        uint32_t capacity = schema->columns_capacity == 0 ? 64 : schema->columns_capacity * 2;
        uint32_t *columns = lh_realloc_array(schema->columns, capacity, sizeof(*columns));
        if (columns == NULL)
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory for %u columns", capacity);
        schema->columns = columns;
        lh_column_guess *guesses = lh_realloc_array(schema->guesses, capacity, sizeof(*guesses));
        if (guesses == NULL)
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory for %u columns", capacity);
        schema->guesses = guesses;
        schema->columns_capacity = capacity;
    }
    schema->nodes[node].column = schema->columns_count;
    schema->columns[schema->columns_count] = node;
    schema->guesses[schema->columns_count++] = LH_COLUMN_GUESS_INIT;
    return LH_OK;
}

/* Parents have smaller numbers than their children, so one pass maps all nodes. */
lh_rc lh_json_schema_merge(lh_ctx *cx, lh_json_schema *into, const lh_json_schema *other)
{
    uint32_t *map = LH_NEW_ARRAY(cx, uint32_t, other->nodes_count);
    uint32_t *last_child = LH_NEW_ARRAY(cx, uint32_t, other->nodes_count);
    if (map == NULL || last_child == NULL)
        return cx->err.rc;
    for (uint32_t i = 0; i < other->nodes_count; i++)
        last_child[i] = LH_JSON_NO_NODE;
    for (uint32_t i = 1; i < other->nodes_count; i++) {
        const lh_json_node *node = &other->nodes[i];
        uint32_t previous = last_child[node->parent];
        LH_TRY(lh_json_schema_add(cx, into, map[node->parent],
                                  previous != LH_JSON_NO_NODE ? map[previous] : LH_JSON_NO_NODE,
                                  node->key, &map[i]));
        last_child[node->parent] = i;
    }
    for (uint32_t i = 0; i < other->columns_count; i++) {
        uint32_t node = map[other->columns[i]];
        LH_TRY(lh_json_schema_add_column(cx, into, node));
        lh_column_guess_merge(&into->guesses[into->nodes[node].column], other->guesses[i]);
    }
    return LH_OK;
}
