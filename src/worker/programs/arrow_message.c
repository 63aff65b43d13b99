/* arrow_message.c - Arrow IPC messages: schema, record batch, end of stream.
 *
 *   u32 0xFFFFFFFF, i32 metadata bytes (padded to 8), metadata (FlatBuffers "Message"), body
 *   (buffers padded to 8)
 *
 * Slot numbers below are those of Arrow's Schema.fbs and Message.fbs, in the order of their
 * fields. */
#include "worker/programs/encode_arrow.h"

#include "worker/programs/flatbuf.h"

#define CONTINUATION     0xffffffffu
#define VERSION_5        4u
#define HEADER_SCHEMA    1u
#define HEADER_BATCH     3u
#define BODY_ALIGN       8u
#define UNIT_SECOND      0u
#define UNIT_MILLISECOND 1u
#define UNIT_MICROSECOND 2u
#define UNIT_NANOSECOND  3u

/* Type union of Schema.fbs. */
enum {
    TYPE_NULL = 1,
    TYPE_INT = 2,
    TYPE_FLOAT = 3,
    TYPE_BINARY = 4,
    TYPE_UTF8 = 5,
    TYPE_BOOL = 6,
    TYPE_DECIMAL = 7,
    TYPE_DATE = 8,
    TYPE_TIME = 9,
    TYPE_TIMESTAMP = 10,
    TYPE_INTERVAL = 11,
    TYPE_LIST = 12,
    TYPE_STRUCT = 13,
    TYPE_FIXED_LIST = 16,
    TYPE_MAP = 17
};

/* ---------------------------------------------------------------- types */

static size_t empty_table(lh_flat *f)
{
    return lh_flat_begin(f, NULL, 0).position;
}

static size_t one_slot(lh_flat *f, uint64_t value, uint8_t bytes)
{
    lh_flat_table t = lh_flat_begin(f, &bytes, 1);
    lh_flat_set(f, &t, 0, value, bytes);
    return t.position;
}

static size_t two_slots(lh_flat *f, uint64_t first, uint8_t first_bytes, uint64_t second,
                        uint8_t second_bytes)
{
    const uint8_t sizes[] = {first_bytes, second_bytes};
    lh_flat_table t = lh_flat_begin(f, sizes, 2);
    lh_flat_set(f, &t, 0, first, first_bytes);
    lh_flat_set(f, &t, 1, second, second_bytes);
    return t.position;
}

static size_t decimal(lh_flat *f, uint32_t precision, uint32_t scale)
{
    static const uint8_t sizes[] = {4, 4, 4};
    lh_flat_table t = lh_flat_begin(f, sizes, 3);
    lh_flat_set(f, &t, 0, precision, 4);
    lh_flat_set(f, &t, 1, scale, 4);
    lh_flat_set(f, &t, 2, 128, 4);
    return t.position;
}

static size_t timestamp(lh_flat *f, uint64_t unit, int utc)
{
    static const uint8_t sizes[] = {2, 4};
    lh_flat_table t = lh_flat_begin(f, sizes, utc ? 2 : 1);
    lh_flat_set(f, &t, 0, unit, 2);
    if (utc)
        lh_flat_fill(f, lh_flat_hole(&t, 1), lh_flat_string(f, LH_S("UTC")));
    return t.position;
}

static size_t integer(lh_flat *f, uint64_t bits, int is_signed)
{
    return two_slots(f, bits, 4, (uint64_t)is_signed, 1);
}

/* Types of LH_ARROW_FIXED. */
static size_t fixed_type(lh_flat *f, duckdb_type type, uint64_t *ret_tag)
{
    *ret_tag = TYPE_INT;
    switch (type) {
    case DUCKDB_TYPE_TINYINT: return integer(f, 8, 1);
    case DUCKDB_TYPE_SMALLINT: return integer(f, 16, 1);
    case DUCKDB_TYPE_INTEGER: return integer(f, 32, 1);
    case DUCKDB_TYPE_BIGINT: return integer(f, 64, 1);
    case DUCKDB_TYPE_UTINYINT: return integer(f, 8, 0);
    case DUCKDB_TYPE_USMALLINT: return integer(f, 16, 0);
    case DUCKDB_TYPE_UINTEGER: return integer(f, 32, 0);
    case DUCKDB_TYPE_UBIGINT: return integer(f, 64, 0);
    case DUCKDB_TYPE_FLOAT: *ret_tag = TYPE_FLOAT; return one_slot(f, 1, 2);
    case DUCKDB_TYPE_DOUBLE: *ret_tag = TYPE_FLOAT; return one_slot(f, 2, 2);
    case DUCKDB_TYPE_DATE: *ret_tag = TYPE_DATE; return one_slot(f, 0, 2);
    case DUCKDB_TYPE_TIME: *ret_tag = TYPE_TIME; return two_slots(f, UNIT_MICROSECOND, 2, 64, 4);
    case DUCKDB_TYPE_TIME_NS: *ret_tag = TYPE_TIME; return two_slots(f, UNIT_NANOSECOND, 2, 64, 4);
    case DUCKDB_TYPE_TIMESTAMP_S: *ret_tag = TYPE_TIMESTAMP; return timestamp(f, UNIT_SECOND, 0);
    case DUCKDB_TYPE_TIMESTAMP_MS:
        *ret_tag = TYPE_TIMESTAMP;
        return timestamp(f, UNIT_MILLISECOND, 0);
    case DUCKDB_TYPE_TIMESTAMP_NS:
        *ret_tag = TYPE_TIMESTAMP;
        return timestamp(f, UNIT_NANOSECOND, 0);
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        *ret_tag = TYPE_TIMESTAMP;
        return timestamp(f, UNIT_MICROSECOND, 1);
    default: *ret_tag = TYPE_TIMESTAMP; return timestamp(f, UNIT_MICROSECOND, 0);
    }
}

static size_t write_type(lh_flat *f, const lh_arrow_node *node, uint64_t *ret_tag)
{
    const lh_column *column = node->column;
    switch (node->kind) {
    case LH_ARROW_NULL: *ret_tag = TYPE_NULL; return empty_table(f);
    case LH_ARROW_BOOL: *ret_tag = TYPE_BOOL; return empty_table(f);
    case LH_ARROW_FIXED: return fixed_type(f, column->type, ret_tag);
    case LH_ARROW_DECIMAL:
        *ret_tag = TYPE_DECIMAL;
        return column->type == DUCKDB_TYPE_HUGEINT ? decimal(f, 38, 0)
                                                   : decimal(f, column->width, column->scale);
    case LH_ARROW_INTERVAL: *ret_tag = TYPE_INTERVAL; return one_slot(f, 2, 2); /* month_day_nano */
    case LH_ARROW_BYTES:
        *ret_tag = column->shape == LH_SHAPE_BLOB ? TYPE_BINARY : TYPE_UTF8;
        return empty_table(f);
    case LH_ARROW_LIST: *ret_tag = TYPE_LIST; return empty_table(f);
    case LH_ARROW_FIXED_LIST: *ret_tag = TYPE_FIXED_LIST; return one_slot(f, column->array_size, 4);
    case LH_ARROW_STRUCT: *ret_tag = TYPE_STRUCT; return empty_table(f);
    case LH_ARROW_MAP: *ret_tag = TYPE_MAP; return one_slot(f, 0, 1);
    }
    return 0;
}

/* ---------------------------------------------------------------- schema */

static size_t write_fields(lh_flat *f, const lh_arrow_node *nodes, size_t count);

/* Keys and entries of a map are never null; readers insist on it. */
static int may_be_null(const lh_arrow_node *node, const lh_arrow_node *parent)
{
    if (parent == NULL)
        return 1;
    if (parent->kind == LH_ARROW_MAP)
        return 0;
    return !(parent->column == NULL && node == &parent->children[0]);
}

static size_t write_field(lh_flat *f, const lh_arrow_node *node, const lh_arrow_node *parent)
{
    /* name, nullable, type_type, type, dictionary, children */
    static const uint8_t sizes[] = {4, 1, 1, 4, 0, 4};
    lh_flat_table t = lh_flat_begin(f, sizes, LH_ARRAY_LEN(sizes));
    lh_flat_set(f, &t, 1, (uint64_t)may_be_null(node, parent), 1);
    lh_flat_fill(f, lh_flat_hole(&t, 0), lh_flat_string(f, node->name));
    uint64_t tag = 0;
    lh_flat_fill(f, lh_flat_hole(&t, 3), write_type(f, node, &tag));
    lh_flat_set(f, &t, 2, tag, 1);
    size_t vector = lh_flat_vector(f, node->children_count, 4);
    lh_flat_fill(f, lh_flat_hole(&t, 5), vector);
    for (size_t i = 0; i < node->children_count; i++)
        lh_flat_fill(f, lh_flat_item(vector, i, 4), write_field(f, &node->children[i], node));
    return t.position;
}

static size_t write_fields(lh_flat *f, const lh_arrow_node *nodes, size_t count)
{
    size_t vector = lh_flat_vector(f, count, 4);
    for (size_t i = 0; i < count; i++)
        lh_flat_fill(f, lh_flat_item(vector, i, 4), write_field(f, &nodes[i], NULL));
    return vector;
}

/* ---------------------------------------------------------------- messages */

/* Where the metadata of a message begins: after marker and length, which end_message fills in. */
static lh_rc begin_message(lh_ctx *cx, lh_buf *out, uint64_t header_type, lh_flat *ret_flat,
                           lh_flat_table *ret_message)
{
    static const char marker[8] = {'\xff', '\xff', '\xff', '\xff', 0, 0, 0, 0};
    LH_TRY(lh_buf_append(cx, out, lh_str_n(marker, sizeof(marker))));
    lh_flat_init(ret_flat, cx, out);
    /* version, header_type, header, bodyLength */
    static const uint8_t sizes[] = {2, 1, 4, 8};
    *ret_message = lh_flat_begin(ret_flat, sizes, LH_ARRAY_LEN(sizes));
    lh_flat_fill(ret_flat, 0, ret_message->position);
    lh_flat_set(ret_flat, ret_message, 0, VERSION_5, 2);
    lh_flat_set(ret_flat, ret_message, 1, header_type, 1);
    return ret_flat->rc;
}

static lh_rc end_message(lh_flat *f)
{
    size_t bytes = lh_flat_end(f);
    if (f->rc != LH_OK)
        return f->rc;
    for (size_t i = 0; i < 4; i++)
        f->out->ptr[f->begin - 4 + i] = (char)(uint8_t)(bytes >> (8 * i));
    return LH_OK;
}

lh_rc lh_arrow_write_schema(lh_ctx *cx, const lh_arrow *arrow, lh_buf *out)
{
    lh_flat f;
    lh_flat_table message;
    LH_TRY(begin_message(cx, out, HEADER_SCHEMA, &f, &message));
    /* endianness, fields */
    static const uint8_t sizes[] = {2, 4};
    lh_flat_table schema = lh_flat_begin(&f, sizes, LH_ARRAY_LEN(sizes));
    lh_flat_fill(&f, lh_flat_hole(&message, 2), schema.position);
    lh_flat_fill(&f, lh_flat_hole(&schema, 1), write_fields(&f, arrow->columns, arrow->count));
    return end_message(&f);
}

typedef struct layout {
    size_t nodes;
    size_t buffers;
} layout;

static size_t buffers_of(const lh_arrow_node *node)
{
    switch (node->kind) {
    case LH_ARROW_NULL: return 0;
    case LH_ARROW_BOOL:
    case LH_ARROW_FIXED:
    case LH_ARROW_DECIMAL:
    case LH_ARROW_INTERVAL: return 2;
    case LH_ARROW_BYTES: return 3;
    case LH_ARROW_LIST:
    case LH_ARROW_MAP: return 2;
    case LH_ARROW_FIXED_LIST:
    case LH_ARROW_STRUCT: return 1;
    }
    return 0;
}

static void measure(const lh_arrow_node *nodes, size_t count, layout *sum)
{
    for (size_t i = 0; i < count; i++) {
        sum->nodes++;
        sum->buffers += buffers_of(&nodes[i]);
        measure(nodes[i].children, nodes[i].children_count, sum);
    }
}

/* The buffers of one node in the format's order; an absent validity bitmap has no bytes. */
static size_t list_buffers(const lh_arrow_node *node, lh_str out[3])
{
    size_t count = buffers_of(node);
    if (count == 0)
        return 0;
    out[0] = node->nulls > 0 ? lh_buf_str(&node->validity) : LH_STR_NONE;
    if (node->kind == LH_ARROW_BYTES || node->kind == LH_ARROW_LIST || node->kind == LH_ARROW_MAP)
        out[1] = lh_buf_str(&node->offsets);
    else if (count == 2)
        out[1] = lh_buf_str(&node->values);
    if (count == 3)
        out[2] = lh_buf_str(&node->values);
    return count;
}

static size_t padded(size_t bytes)
{
    return (bytes + BODY_ALIGN - 1) / BODY_ALIGN * BODY_ALIGN;
}

typedef struct body_plan {
    size_t nodes_vector;
    size_t buffers_vector;
    size_t node;
    size_t buffer;
    uint64_t offset; /* in the body */
} body_plan;

static void plan_nodes(lh_flat *f, const lh_arrow_node *nodes, size_t count, body_plan *plan)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = lh_flat_item(plan->nodes_vector, plan->node++, 16);
        lh_flat_store(f, at, nodes[i].length, 8);
        lh_flat_store(f, at + 8, nodes[i].nulls, 8);
        lh_str buffers[3] = {{0}};
        size_t buffers_count = list_buffers(&nodes[i], buffers);
        for (size_t b = 0; b < buffers_count; b++) {
            at = lh_flat_item(plan->buffers_vector, plan->buffer++, 16);
            lh_flat_store(f, at, plan->offset, 8);
            lh_flat_store(f, at + 8, buffers[b].len, 8);
            plan->offset += padded(buffers[b].len);
        }
        plan_nodes(f, nodes[i].children, nodes[i].children_count, plan);
    }
}

static lh_rc append_body(lh_ctx *cx, const lh_arrow_node *nodes, size_t count, lh_buf *out)
{
    static const char zeros[BODY_ALIGN];
    for (size_t i = 0; i < count; i++) {
        lh_str buffers[3] = {{0}};
        size_t buffers_count = list_buffers(&nodes[i], buffers);
        for (size_t b = 0; b < buffers_count; b++) {
            if (buffers[b].len > 0)
                LH_TRY(lh_buf_append(cx, out, buffers[b]));
            LH_TRY(
                lh_buf_append(cx, out, lh_str_n(zeros, padded(buffers[b].len) - buffers[b].len)));
        }
        LH_TRY(append_body(cx, nodes[i].children, nodes[i].children_count, out));
    }
    return LH_OK;
}

lh_rc lh_arrow_write_batch(lh_ctx *cx, const lh_arrow *arrow, lh_buf *out)
{
    lh_flat f;
    lh_flat_table message;
    LH_TRY(begin_message(cx, out, HEADER_BATCH, &f, &message));
    /* length, nodes, buffers */
    static const uint8_t sizes[] = {8, 4, 4};
    lh_flat_table batch = lh_flat_begin(&f, sizes, LH_ARRAY_LEN(sizes));
    lh_flat_fill(&f, lh_flat_hole(&message, 2), batch.position);
    lh_flat_set(&f, &batch, 0, arrow->rows, 8);
    layout sum = {0};
    measure(arrow->columns, arrow->count, &sum);
    body_plan plan = {0};
    plan.nodes_vector = lh_flat_vector(&f, sum.nodes, 16);
    lh_flat_fill(&f, lh_flat_hole(&batch, 1), plan.nodes_vector);
    plan.buffers_vector = lh_flat_vector(&f, sum.buffers, 16);
    lh_flat_fill(&f, lh_flat_hole(&batch, 2), plan.buffers_vector);
    plan_nodes(&f, arrow->columns, arrow->count, &plan);
    lh_flat_set(&f, &message, 3, plan.offset, 8);
    LH_TRY(end_message(&f));
    return append_body(cx, arrow->columns, arrow->count, out);
}

lh_rc lh_arrow_write_end(lh_ctx *cx, lh_buf *out)
{
    static const char marker[8] = {'\xff', '\xff', '\xff', '\xff', 0, 0, 0, 0};
    return lh_buf_append(cx, out, lh_str_n(marker, sizeof(marker)));
}
