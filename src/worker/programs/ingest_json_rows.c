/* ingest_json_rows.c - the second pass: elements to typed columns. The first pass saw every value,
 * so all of them fit. */
#include "base/num.h"
#include "worker/programs/ingest_json.h"

enum { BATCH_TEXT_BYTES_MAX = 8 * 1024 * 1024 };

typedef struct reader {
    const lh_json_layout *layout;
    lh_rows_part *part;
    lh_json_cursor cursor;
    lh_batch *batch; /* while filling */
    uint64_t
        *row_of; /* per column: number of the row that last had a value, 1-based over the part */
    uint64_t row;
} reader;

static void reader_close(void *state)
{
    reader *r = state;
    if (r == NULL)
        return;
    lh_json_cursor_close(&r->cursor);
    lh_free(r->row_of);
    lh_free(r);
}

static lh_rc reader_open(lh_ctx *cx, const lh_rows_plan *plan, lh_rows_part *part,
                         void **ret_reader)
{
    const lh_json_layout *layout = plan->layout;
    reader *r = lh_alloc_zero(1, sizeof(*r));
    if (r == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a reader");
    r->layout = layout;
    r->part = part;
    r->row_of = lh_alloc_zero(plan->columns_count + 1, sizeof(*r->row_of));
    lh_rc rc = r->row_of != NULL ? LH_OK : lh_fail(cx, LH_E_NO_MEMORY, "no memory for a reader");
    if (rc == LH_OK)
        rc = lh_json_cursor_open(cx, plan->source, layout->shape, part->begin, &r->cursor);
    if (rc == LH_OK)
        rc = lh_window_reserve(cx, &r->cursor.window, lh_rows_window_bytes(plan));
    if (rc != LH_OK) {
        reader_close(r);
        return rc;
    }
    r->cursor.strict = false;
    r->cursor.in_array = layout->array;
    part->actual_end = part->begin;
    *ret_reader = r;
    return LH_OK;
}

static uint64_t reader_position(const void *state)
{
    return lh_window_position(&((const reader *)state)->cursor.window);
}

static bool put_value(lh_batch_column *column, uint32_t row, const lh_json_leaf *leaf)
{
    lh_str text = leaf->text;
    bool truth = leaf->kind == LH_JSON_TRUE;
    switch (column->type) {
    case LH_CELL_BIGINT: return lh_parse_i64(text, (int64_t *)column->data + row);
    case LH_CELL_DOUBLE: return lh_parse_f64(text, (double *)column->data + row);
    case LH_CELL_BOOLEAN: lh_batch_put_bool(column, row, truth); return true;
    case LH_CELL_VARCHAR:
        if (leaf->kind == LH_JSON_TRUE || leaf->kind == LH_JSON_FALSE)
            text = truth ? LH_S("true") : LH_S("false");
        lh_batch_put_text(column, row, text);
        return true;
    default: return lh_batch_put_typed(column, row, text);
    }
}

static lh_rc put_leaf(lh_ctx *cx, void *arg, const lh_json_leaf *leaf)
{
    reader *r = arg;
    uint32_t index = r->layout->schema->nodes[leaf->node].column;
    if (index == LH_JSON_NO_NODE) /* a key that only malformed lines had */
        return LH_OK;
    lh_batch_column *column = &r->batch->columns[index];
    uint32_t row = r->batch->rows;
    if (r->row_of[index] == r->row) {
        r->part->oddities.counts[LH_ODD_DUPLICATE_KEY]++;
        column->validity[row / 64] |= UINT64_C(1) << (row % 64);
    }
    r->row_of[index] = r->row;
    if (leaf->kind == LH_JSON_NULL) {
        lh_batch_put_null(column, row);
        return LH_OK;
    }
    if (!put_value(column, row, leaf))
        return lh_fail(cx, LH_E_INTERNAL, "a JSON value does not fit the type its scan decided");
    return LH_OK;
}

/* Columns of which this row said nothing. */
static void fill_nulls(reader *r)
{
    for (uint32_t i = 0; i < r->layout->columns_count; i++)
        if (r->row_of[i] != r->row)
            lh_batch_put_null(&r->batch->columns[i], r->batch->rows);
}

static lh_rc put_malformed(lh_ctx *cx, reader *r, lh_str line)
{
    lh_str text;
    LH_TRY(lh_encoding_repair(cx, r->batch->arena, line, &text));
    r->part->oddities.counts[LH_ODD_MALFORMED_LINE]++;
    for (uint32_t i = 0; i < r->layout->columns_count; i++) {
        lh_batch_put_null(&r->batch->columns[i], r->batch->rows);
        r->row_of[i] = r->row;
    }
    lh_batch_put_text(&r->batch->columns[r->layout->columns_count], r->batch->rows, text);
    return LH_OK;
}

static lh_rc put_element(lh_ctx *cx, reader *r, lh_str element)
{
    if (r->layout->shape == LH_JSON_SHAPE_LINES && lh_str_trim(element).len == 0) {
        r->part->oddities.counts[LH_ODD_BLANK_LINE]++;
        return LH_OK;
    }
    r->row++;
    lh_json_walk walk = {.schema = r->layout->schema, .leaf = put_leaf, .arg = r};
    lh_oddities before = r->part->oddities;
    lh_rc rc = lh_json_walk_element(cx, &walk, element);
    if (rc == LH_OK) {
        if (r->layout->has_malformed)
            lh_batch_put_null(&r->batch->columns[r->layout->columns_count], r->batch->rows);
        if (walk.replaced > 0) {
            lh_oddity found = lh_utf8_valid(element) ? LH_ODD_LONE_SURROGATE : LH_ODD_BAD_UTF8;
            r->part->oddities.counts[found] += walk.replaced;
        }
    } else if (rc == LH_E_BAD_JSON && r->layout->has_malformed) {
        lh_err_clear(cx);
        r->part->oddities = before;
        LH_TRY(put_malformed(cx, r, element));
    } else {
        return rc;
    }
    fill_nulls(r);
    r->batch->rows++;
    return LH_OK;
}

static lh_rc fill_batch(lh_ctx *cx, reader *r, lh_batch *batch)
{
    lh_window *window = &r->cursor.window;
    while (batch->rows < LH_BATCH_ROWS_MAX && lh_window_position(window) < r->part->end &&
           lh_arena_bytes(batch->arena) < BATCH_TEXT_BYTES_MAX) {
        lh_json_status status = lh_json_cursor_next(&r->cursor);
        if (status == LH_JSON_MORE) {
            if (batch->rows > 0)
                break;
            LH_TRY(lh_json_cursor_refill(cx, &r->cursor));
            continue;
        }
        if (status != LH_JSON_ELEMENT)
            break;
        if (r->cursor.offset >= r->part->end)
            break;
        LH_TRY(put_element(cx, r, r->cursor.element));
    }
    return LH_OK;
}

static lh_rc reader_fill(lh_ctx *cx, void *state, lh_batch *batch)
{
    reader *r = state;
    r->batch = batch;
    /* Decoded texts must live as long as the batch, not as long as the job. */
    lh_arena *arena = cx->arena;
    cx->arena = batch->arena;
    lh_rc rc = fill_batch(cx, r, batch);
    cx->arena = arena;
    if (batch->rows == 0)
        r->part->actual_end = r->part->end; /* cuts of JSON are exact */
    return rc;
}

const lh_rows_format lh_json_rows_format = {.name = "json",
                                            .open = reader_open,
                                            .fill = reader_fill,
                                            .position = reader_position,
                                            .close = reader_close};
