/* ingest_csv_rows.c - records to typed columns. One loop splits a record, one converts its fields:
 * the fields of a record stay in the first cache level between the two, and each loop stays simple
 * enough to be fast. */
#include "base/json_write.h"
#include "worker/programs/ingest_csv.h"

enum { EXTRA_BYTES_MAX = 64 * 1024 * 1024 };

typedef struct reader {
    const lh_csv_layout *layout;
    const lh_rows_plan *plan;
    lh_rows_part *part;
    lh_csv_cursor cursor;
    size_t batch_bytes; /* of a full batch, as the last ones were */
} reader;

static void reader_close(void *state)
{
    reader *r = state;
    if (r == NULL)
        return;
    lh_csv_cursor_close(&r->cursor);
    lh_free(r);
}

static lh_rc reader_open(lh_ctx *cx, const lh_rows_plan *plan, lh_rows_part *part,
                         void **ret_reader)
{
    const lh_csv_layout *layout = plan->layout;
    reader *r = lh_alloc_zero(1, sizeof(*r));
    if (r == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a reader");
    r->layout = layout;
    r->plan = plan;
    r->part = part;
    part->actual_end = part->begin;
    lh_rc rc = lh_csv_cursor_open(cx, plan->source, layout->dialect, part->begin, &r->cursor);
    if (rc == LH_OK)
        rc = lh_window_reserve(cx, &r->cursor.window, lh_rows_window_bytes(plan));
    if (rc != LH_OK) {
        reader_close(r);
        return rc;
    }
    *ret_reader = r;
    return LH_OK;
}

static uint64_t reader_position(const void *state)
{
    return lh_csv_cursor_position(&((const reader *)state)->cursor);
}

/* A field that is not plain ASCII as it stands: quotes to take out, bytes to repair. */
static LH_COLD lh_rc put_odd_text(lh_ctx *cx, reader *r, lh_batch *batch, uint32_t column,
                                  const lh_csv_field *field)
{
    lh_str text;
    bool repaired;
    LH_TRY(lh_csv_field_text(cx, batch->arena, r->layout, field, &text, &repaired));
    r->part->oddities.counts[LH_ODD_BAD_UTF8] += repaired;
    r->part->oddities.counts[LH_ODD_STRAY_QUOTE] += (field->flags & LH_CSV_STRAY) != 0;
    lh_batch_put_text(&batch->columns[column], batch->rows, text);
    return LH_OK;
}

/* A field that is no value of its typed column: a spelling of null, or the plan is wrong. */
static LH_COLD void put_unfit(reader *r, lh_batch *batch, uint32_t column,
                              const lh_csv_field *field)
{
    lh_str text = {field->ptr, field->len};
    if (lh_cell_null_spelling(text)) {
        lh_batch_put_null(&batch->columns[column], batch->rows);
        r->part->oddities.counts[LH_ODD_NULL_TEXT]++;
        return;
    }
    r->part->unfit = true;
}

static inline lh_rc put_field(lh_ctx *cx, reader *r, lh_batch *batch, uint32_t index,
                              const lh_csv_field *field)
{
    lh_batch_column *column = &batch->columns[index];
    lh_str text = {field->ptr, field->len};
    if (field->len == 0 && (field->flags & LH_CSV_QUOTED) == 0) {
        lh_batch_put_null(column, batch->rows);
        return LH_OK;
    }
    if (LH_UNLIKELY(r->layout->null_texts.count > 0) && lh_csv_is_null_text(r->layout, field)) {
        lh_batch_put_null(column, batch->rows);
        return LH_OK;
    }
    if (column->type != LH_CELL_VARCHAR) {
        if (LH_UNLIKELY(!lh_batch_put_typed(column, batch->rows, text)))
            put_unfit(r, batch, index, field);
        return LH_OK;
    }
    if (LH_UNLIKELY(r->plan->columns[index].untyped) && !lh_cell_null_spelling(text))
        r->part->unfit = true;
    if (field->flags & ~(uint32_t)LH_CSV_QUOTED)
        return put_odd_text(cx, r, batch, index, field);
    lh_batch_put_text(column, batch->rows, text);
    return LH_OK;
}

/* Fields beyond the columns, as a JSON list of texts. */
static LH_COLD lh_rc put_extra(lh_ctx *cx, reader *r, lh_batch *batch, const lh_csv_record *record)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_json_writer w;
    lh_buf_init(&out, EXTRA_BYTES_MAX);
    lh_jw_init(&w, cx, &out);
    lh_jw_array_begin(&w);
    for (uint32_t i = r->layout->fields_count; i < record->count; i++) {
        lh_str text;
        bool repaired;
        LH_TRY(
            lh_csv_field_text(cx, batch->arena, r->layout, &record->fields[i], &text, &repaired));
        r->part->oddities.counts[LH_ODD_BAD_UTF8] += repaired;
        lh_jw_str(&w, text);
    }
    lh_jw_array_end(&w);
    LH_TRY(lh_jw_end(&w));
    char *copy = lh_arena_alloc(batch->arena, out.len);
    if (copy == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a row of %u fields", record->count);
    memcpy(copy, out.ptr, out.len);
    lh_batch_put_text(&batch->columns[r->layout->fields_count], batch->rows,
                      (lh_str){copy, out.len});
    return LH_OK;
}

static LH_COLD lh_rc put_ragged(lh_ctx *cx, reader *r, lh_batch *batch, const lh_csv_record *record)
{
    for (uint32_t i = record->count; i < r->layout->fields_count; i++)
        lh_batch_put_null(&batch->columns[i], batch->rows);
    if (record->count < r->layout->fields_count) {
        r->part->oddities.counts[LH_ODD_SHORT_ROW]++;
        return LH_OK;
    }
    r->part->oddities.counts[LH_ODD_LONG_ROW]++;
    if (r->layout->has_extra)
        return put_extra(cx, r, batch, record);
    r->part->unfit = true;
    return LH_OK;
}

static inline lh_rc put_record(lh_ctx *cx, reader *r, lh_batch *batch)
{
    const lh_csv_record *record = &r->cursor.record;
    const lh_csv_layout *layout = r->layout;
    if (LH_UNLIKELY(lh_csv_blank(record)) && layout->fields_count > 1) {
        r->part->oddities.counts[LH_ODD_BLANK_LINE]++;
        return LH_OK;
    }
    uint32_t count = LH_MIN(record->count, layout->fields_count);
    for (uint32_t i = 0; i < count; i++)
        LH_TRY(put_field(cx, r, batch, i, &record->fields[i]));
    if (layout->has_extra && record->count <= layout->fields_count)
        lh_batch_put_null(&batch->columns[layout->fields_count], batch->rows);
    if (LH_UNLIKELY(record->count != layout->fields_count))
        LH_TRY(put_ragged(cx, r, batch, record));
    batch->rows++;
    return LH_OK;
}

/* Texts of a batch borrow from the window, so it is filled before the first row and then left
 * alone. */
static lh_rc prepare_window(lh_ctx *cx, reader *r)
{
    lh_window *window = &r->cursor.window;
    size_t left = window->end - window->begin;
    if (left < LH_MIN(r->batch_bytes + r->batch_bytes / 4, window->capacity) &&
        !lh_window_final(window))
        return lh_window_fill(cx, window);
    return LH_OK;
}

static lh_rc reader_fill(lh_ctx *cx, void *state, lh_batch *batch)
{
    reader *r = state;
    LH_TRY(prepare_window(cx, r));
    uint64_t begin = lh_csv_cursor_position(&r->cursor);
    uint64_t position = begin;
    while (batch->rows < LH_BATCH_ROWS_MAX && position < r->part->end && !r->part->unfit) {
        lh_csv_status status = lh_csv_cursor_next(&r->cursor);
        if (status == LH_CSV_END)
            break;
        if (status == LH_CSV_NO_MEMORY)
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a record");
        if (status == LH_CSV_MORE) {
            if (batch->rows > 0)
                break;
            LH_TRY(lh_csv_cursor_refill(cx, &r->cursor));
            continue;
        }
        LH_TRY(put_record(cx, r, batch));
        position += r->cursor.record.bytes;
    }
    r->part->actual_end = position;
    if (batch->rows == LH_BATCH_ROWS_MAX)
        r->batch_bytes = (size_t)(position - begin);
    else if (r->batch_bytes == 0)
        r->batch_bytes = r->cursor.window.capacity / 2;
    return LH_OK;
}

const lh_rows_format lh_csv_rows_format = {.name = "csv",
                                           .open = reader_open,
                                           .fill = reader_fill,
                                           .position = reader_position,
                                           .close = reader_close};
