/* encode_arrow.c - the engine's vectors become Arrow columns, several chunks to a batch.
 *
 * Values are appended column by column, whole vectors at a time where the layouts agree (all
 * numbers, dates, times). What stands behind a null is zeroed: the engine leaves there what it had,
 * which may be the very value that a view hides. Bodies are padded to 8 bytes; batches grow to
 * BATCH_ROWS, but the first goes out with the first chunk. */
#include "worker/programs/encode_arrow.h"

#define BATCH_ROWS       16384u
#define BATCH_BYTES      (2u * 1024u * 1024u)
#define BUFFER_BYTES_MAX ((size_t)INT32_MAX)

static lh_rc append(lh_ctx *cx, lh_arrow_node *node, const lh_column *column, idx_t from,
                    idx_t count, lh_encoder *e);

/* ---------------------------------------------------------------- tree */

static lh_arrow_kind kind_of(const lh_column *column, size_t *ret_item_bytes)
{
    *ret_item_bytes = 0;
    switch (column->type) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_UTINYINT: *ret_item_bytes = 1; return LH_ARROW_FIXED;
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_USMALLINT: *ret_item_bytes = 2; return LH_ARROW_FIXED;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DATE: *ret_item_bytes = 4; return LH_ARROW_FIXED;
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_DOUBLE:
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIME_NS:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ: *ret_item_bytes = 8; return LH_ARROW_FIXED;
    case DUCKDB_TYPE_DECIMAL:
    case DUCKDB_TYPE_HUGEINT: *ret_item_bytes = 16; return LH_ARROW_DECIMAL;
    case DUCKDB_TYPE_INTERVAL: *ret_item_bytes = 16; return LH_ARROW_INTERVAL;
    case DUCKDB_TYPE_BOOLEAN: return LH_ARROW_BOOL;
    case DUCKDB_TYPE_LIST: return LH_ARROW_LIST;
    case DUCKDB_TYPE_ARRAY: return LH_ARROW_FIXED_LIST;
    case DUCKDB_TYPE_STRUCT: return LH_ARROW_STRUCT;
    case DUCKDB_TYPE_MAP: return LH_ARROW_MAP;
    case DUCKDB_TYPE_SQLNULL: return LH_ARROW_NULL;
    default: return LH_ARROW_BYTES;
    }
}

static void node_init(lh_arrow_node *node, lh_str name)
{
    node->name = name;
    lh_buf_init(&node->validity, BUFFER_BYTES_MAX);
    lh_buf_init(&node->offsets, BUFFER_BYTES_MAX);
    lh_buf_init(&node->values, BUFFER_BYTES_MAX);
}

static lh_rc build(lh_ctx *cx, lh_arrow_node *node, const lh_column *column);

static lh_rc build_children(lh_ctx *cx, lh_arrow_node *node, const lh_column *column)
{
    node->children_count = column->children_count;
    node->children = LH_NEW_ARRAY(cx, lh_arrow_node, LH_MAX(node->children_count, (size_t)1));
    if (node->children == NULL)
        return cx->err.rc;
    for (size_t i = 0; i < node->children_count; i++)
        LH_TRY(build(cx, &node->children[i], &column->children[i]));
    return LH_OK;
}

/* A map is a list of entries, a struct of key and value. */
static lh_rc build_map(lh_ctx *cx, lh_arrow_node *node, const lh_column *column)
{
    node->children_count = 1;
    node->children = LH_NEW(cx, lh_arrow_node);
    if (node->children == NULL)
        return cx->err.rc;
    node_init(node->children, LH_S("entries"));
    node->children->kind = LH_ARROW_STRUCT;
    return build_children(cx, node->children, column);
}

static lh_rc build(lh_ctx *cx, lh_arrow_node *node, const lh_column *column)
{
    node_init(node, column->name);
    node->column = column;
    node->kind = kind_of(column, &node->item_bytes);
    if (node->kind == LH_ARROW_MAP)
        return build_map(cx, node, column);
    if (node->kind == LH_ARROW_LIST || node->kind == LH_ARROW_FIXED_LIST ||
        node->kind == LH_ARROW_STRUCT)
        return build_children(cx, node, column);
    return LH_OK;
}

static void reset(lh_arrow_node *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        nodes[i].length = 0;
        nodes[i].nulls = 0;
        lh_buf_truncate(&nodes[i].validity, 0);
        lh_buf_truncate(&nodes[i].offsets, 0);
        lh_buf_truncate(&nodes[i].values, 0);
        reset(nodes[i].children, nodes[i].children_count);
    }
}

static void free_nodes(lh_arrow_node *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lh_buf_done(&nodes[i].validity);
        lh_buf_done(&nodes[i].offsets);
        lh_buf_done(&nodes[i].values);
        free_nodes(nodes[i].children, nodes[i].children_count);
    }
}

static size_t bytes_of(const lh_arrow_node *nodes, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += nodes[i].values.len + nodes[i].offsets.len +
               bytes_of(nodes[i].children, nodes[i].children_count);
    return sum;
}

/* ---------------------------------------------------------------- validity */

/* Room for bits [0, bits), new bytes zeroed. */
static lh_rc grow_bits(lh_ctx *cx, lh_buf *buf, uint64_t bits)
{
    size_t bytes = (size_t)((bits + 7) / 8);
    if (bytes <= buf->len)
        return LH_OK;
    LH_TRY(lh_buf_reserve(cx, buf, bytes - buf->len));
    memset(buf->ptr + buf->len, 0, bytes - buf->len);
    buf->len = bytes;
    return LH_OK;
}

static void set_bit(lh_buf *buf, uint64_t index)
{
    buf->ptr[index / 8] =
        (char)(uint8_t)((unsigned)(uint8_t)buf->ptr[index / 8] | 1u << (index % 8));
}

static lh_rc append_validity(lh_ctx *cx, lh_arrow_node *node, const lh_column *column, idx_t from,
                             idx_t count)
{
    LH_TRY(grow_bits(cx, &node->validity, node->length + count));
    for (idx_t i = 0; i < count; i++) {
        if (column != NULL && lh_column_is_null(column, from + i))
            node->nulls++;
        else
            set_bit(&node->validity, node->length + i);
    }
    return LH_OK;
}

/* ---------------------------------------------------------------- values */

static lh_rc append_fixed(lh_ctx *cx, lh_arrow_node *node, const lh_column *column, idx_t from,
                          idx_t count)
{
    size_t bytes = (size_t)count * node->item_bytes;
    LH_TRY(lh_buf_reserve(cx, &node->values, bytes));
    char *to = node->values.ptr + node->values.len;
    memcpy(to, (const char *)column->data + from * node->item_bytes, bytes);
    node->values.len += bytes;
    if (column->validity == NULL)
        return LH_OK;
    for (idx_t i = 0; i < count; i++)
        if (lh_column_is_null(column, from + i))
            memset(to + i * node->item_bytes, 0, node->item_bytes);
    return LH_OK;
}

static lh_rc append_bools(lh_ctx *cx, lh_arrow_node *node, const lh_column *column, idx_t from,
                          idx_t count)
{
    LH_TRY(grow_bits(cx, &node->values, node->length + count));
    for (idx_t i = 0; i < count; i++)
        if (!lh_column_is_null(column, from + i) && ((const bool *)column->data)[from + i])
            set_bit(&node->values, node->length + i);
    return LH_OK;
}

static __int128 decimal_at(const lh_column *column, idx_t row)
{
    duckdb_type storage =
        column->type == DUCKDB_TYPE_HUGEINT ? DUCKDB_TYPE_HUGEINT : column->storage;
    switch (storage) {
    case DUCKDB_TYPE_SMALLINT: return ((const int16_t *)column->data)[row];
    case DUCKDB_TYPE_INTEGER: return ((const int32_t *)column->data)[row];
    case DUCKDB_TYPE_BIGINT: return ((const int64_t *)column->data)[row];
    default: {
        duckdb_hugeint h = ((const duckdb_hugeint *)column->data)[row];
        return (__int128)((unsigned __int128)(uint64_t)h.upper << 64 | h.lower);
    }
    }
}

static lh_rc append_decimals(lh_ctx *cx, lh_arrow_node *node, const lh_column *column, idx_t from,
                             idx_t count)
{
    LH_TRY(lh_buf_reserve(cx, &node->values, count * 16));
    for (idx_t i = 0; i < count; i++) {
        __int128 value = lh_column_is_null(column, from + i) ? 0 : decimal_at(column, from + i);
        memcpy(node->values.ptr + node->values.len, &value, 16);
        node->values.len += 16;
    }
    return LH_OK;
}

static lh_rc append_intervals(lh_ctx *cx, lh_arrow_node *node, const lh_column *column, idx_t from,
                              idx_t count)
{
    LH_TRY(lh_buf_reserve(cx, &node->values, count * 16));
    for (idx_t i = 0; i < count; i++) {
        duckdb_interval v = {0};
        if (!lh_column_is_null(column, from + i))
            v = ((const duckdb_interval *)column->data)[from + i];
        int64_t nanos;
        if (__builtin_mul_overflow(v.micros, INT64_C(1000), &nanos))
            return lh_fail(cx, LH_E_SQL_INVALID, "column \"%.*s\" has an interval beyond 292 years",
                           LH_STR_ARG(column->name));
        char *to = node->values.ptr + node->values.len;
        memcpy(to, &v.months, 4);
        memcpy(to + 4, &v.days, 4);
        memcpy(to + 8, &nanos, 8);
        node->values.len += 16;
    }
    return LH_OK;
}

/* Without quotes: what a text column would hold. */
static lh_rc append_text(lh_ctx *cx, lh_encoder *e, const lh_column *column, idx_t row, lh_buf *out)
{
    switch (column->shape) {
    case LH_SHAPE_STRING:
    case LH_SHAPE_BLOB: return lh_buf_append(cx, out, lh_column_bytes(column, row));
    case LH_SHAPE_BIT: return lh_encode_bits(cx, lh_column_bytes(column, row), out);
    case LH_SHAPE_ENUM: return lh_buf_append(cx, out, lh_encode_label(column, row));
    case LH_SHAPE_NUMBER:
    case LH_SHAPE_QUOTED:
        LH_TRY(lh_buf_reserve(cx, out, LH_CELL_TEXT_MAX));
        out->len += column->text(column, row, out->ptr + out->len);
        return LH_OK;
    case LH_SHAPE_UNION: {
        const lh_column *member = column->tags[row] < column->children_count
                                      ? &column->children[column->tags[row]]
                                      : NULL;
        if (member == NULL || lh_column_is_null(member, row))
            return LH_OK;
        if (member->shape == LH_SHAPE_BLOB)
            return lh_encode_base64(cx, lh_column_bytes(member, row), out);
        return append_text(cx, e, member, row, out);
    }
    case LH_SHAPE_BOOL:
    case LH_SHAPE_LIST:
    case LH_SHAPE_STRUCT:
    case LH_SHAPE_MAP:
    case LH_SHAPE_NULL: return lh_encode_json_value(cx, e, column, row, out);
    }
    return LH_OK;
}

static void store_offset(lh_buf *offsets, size_t value)
{
    int32_t stored = (int32_t)value;
    memcpy(offsets->ptr + offsets->len, &stored, 4);
    offsets->len += 4;
}

/* The first offset of a batch is 0; then one per value. */
static lh_rc reserve_offsets(lh_ctx *cx, lh_arrow_node *node, idx_t count)
{
    LH_TRY(lh_buf_reserve(cx, &node->offsets, (count + 1) * 4));
    if (node->offsets.len == 0)
        store_offset(&node->offsets, 0);
    return LH_OK;
}

static lh_rc append_texts(lh_ctx *cx, lh_arrow_node *node, const lh_column *column, idx_t from,
                          idx_t count, lh_encoder *e)
{
    LH_TRY(reserve_offsets(cx, node, count));
    for (idx_t i = 0; i < count; i++) {
        if (!lh_column_is_null(column, from + i))
            LH_TRY(append_text(cx, e, column, from + i, &node->values));
        store_offset(&node->offsets, node->values.len);
    }
    return LH_OK;
}

/* ---------------------------------------------------------------- nested */

static lh_rc append_fields(lh_ctx *cx, lh_arrow_node *node, const lh_column *columns, idx_t from,
                           idx_t count, lh_encoder *e)
{
    for (size_t i = 0; i < node->children_count; i++)
        LH_TRY(append(cx, &node->children[i], &columns[i], from, count, e));
    return LH_OK;
}

/* Items of lists: runs that follow one another in the child vector are appended in one go. */
static lh_rc append_items(lh_ctx *cx, lh_arrow_node *node, const lh_column *column, idx_t from,
                          idx_t count, lh_encoder *e)
{
    lh_arrow_node *child = &node->children[0];
    if (count == 0)
        return LH_OK;
    if (node->kind == LH_ARROW_LIST)
        return append(cx, child, &column->children[0], from, count, e);
    LH_TRY(append_validity(cx, child, NULL, 0, count));
    LH_TRY(append_fields(cx, child, column->children, from, count, e));
    child->length += count;
    return LH_OK;
}

static lh_rc append_lists(lh_ctx *cx, lh_arrow_node *node, const lh_column *column, idx_t from,
                          idx_t count, lh_encoder *e)
{
    LH_TRY(reserve_offsets(cx, node, count));
    const duckdb_list_entry *entries = column->data;
    uint64_t total = node->children[0].length;
    idx_t run_from = 0;
    idx_t run_count = 0;
    for (idx_t i = 0; i < count; i++) {
        duckdb_list_entry entry = {0};
        if (!lh_column_is_null(column, from + i))
            entry = entries[from + i];
        if (entry.length > 0 && (run_count == 0 || entry.offset != run_from + run_count)) {
            LH_TRY(append_items(cx, node, column, run_from, run_count, e));
            run_from = entry.offset;
            run_count = 0;
        }
        run_count += entry.length;
        total += entry.length;
        if (total > INT32_MAX)
            return lh_fail(cx, LH_E_TOO_LARGE, "more than 2^31 list items in one batch");
        store_offset(&node->offsets, total);
    }
    return append_items(cx, node, column, run_from, run_count, e);
}

static lh_rc append(lh_ctx *cx, lh_arrow_node *node, const lh_column *column, idx_t from,
                    idx_t count, lh_encoder *e)
{
    if (node->kind == LH_ARROW_NULL) {
        node->nulls += count;
        node->length += count;
        return LH_OK;
    }
    LH_TRY(append_validity(cx, node, column, from, count));
    lh_rc rc = LH_OK;
    switch (node->kind) {
    case LH_ARROW_NULL: break;
    case LH_ARROW_BOOL: rc = append_bools(cx, node, column, from, count); break;
    case LH_ARROW_FIXED: rc = append_fixed(cx, node, column, from, count); break;
    case LH_ARROW_DECIMAL: rc = append_decimals(cx, node, column, from, count); break;
    case LH_ARROW_INTERVAL: rc = append_intervals(cx, node, column, from, count); break;
    case LH_ARROW_BYTES: rc = append_texts(cx, node, column, from, count, e); break;
    case LH_ARROW_LIST:
    case LH_ARROW_MAP: rc = append_lists(cx, node, column, from, count, e); break;
    case LH_ARROW_FIXED_LIST:
        rc = append(cx, &node->children[0], &column->children[0], from * column->array_size,
                    count * column->array_size, e);
        break;
    case LH_ARROW_STRUCT: rc = append_fields(cx, node, column->children, from, count, e); break;
    }
    node->length += count;
    return rc;
}

/* ---------------------------------------------------------------- format */

static lh_rc begin(lh_ctx *cx, lh_encoder *e, lh_buf *out)
{
    lh_arrow *arrow = LH_NEW(cx, lh_arrow);
    if (arrow == NULL)
        return cx->err.rc;
    arrow->columns = LH_NEW_ARRAY(cx, lh_arrow_node, e->columns_count + 1);
    if (arrow->columns == NULL)
        return cx->err.rc;
    arrow->count = e->columns_count;
    for (size_t i = 0; i < e->columns_count; i++)
        LH_TRY(build(cx, &arrow->columns[i], &e->columns[i]));
    e->arrow = arrow;
    return lh_arrow_write_schema(cx, arrow, out);
}

/* An empty batch still needs the first offset of its columns. */
static lh_rc flush(lh_ctx *cx, lh_arrow *arrow, lh_buf *out)
{
    LH_TRY(lh_arrow_write_batch(cx, arrow, out));
    arrow->rows = 0;
    arrow->batches++;
    reset(arrow->columns, arrow->count);
    return LH_OK;
}

static lh_rc rows(lh_ctx *cx, lh_encoder *e, idx_t from, idx_t count, lh_buf *out)
{
    lh_arrow *arrow = e->arrow;
    for (size_t i = 0; i < arrow->count; i++)
        LH_TRY(append(cx, &arrow->columns[i], &e->columns[i], from, count, e));
    arrow->rows += count;
    if (arrow->batches == 0 || arrow->rows >= BATCH_ROWS ||
        bytes_of(arrow->columns, arrow->count) >= BATCH_BYTES)
        return flush(cx, arrow, out);
    return LH_OK;
}

static lh_rc end(lh_ctx *cx, lh_encoder *e, lh_buf *out)
{
    if (e->arrow->rows > 0)
        LH_TRY(flush(cx, e->arrow, out));
    return lh_arrow_write_end(cx, out);
}

static void done(lh_encoder *e)
{
    if (e->arrow != NULL)
        free_nodes(e->arrow->columns, e->arrow->count);
    e->arrow = NULL;
}

const lh_encoder_format lh_encoder_arrow = {.begin = begin, .rows = rows, .end = end, .done = done};
