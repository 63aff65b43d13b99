/* ingest_plain.c - see the header; the only question here is where to cut. */
#include "worker/programs/ingest_plain.h"

enum { BATCH_TEXT_BYTES_MAX = 8 * 1024 * 1024, COLUMNS = 3 };

typedef struct reader {
    const lh_rows_plan *plan;
    const lh_plain_layout *layout;
    lh_rows_part *part;
    lh_window window;
    int64_t number; /* of the last row */
} reader;

lh_rc lh_plain_plan(lh_ctx *cx, const lh_source *source, const lh_plain_layout *layout,
                    lh_rows_plan *plan)
{
    *plan = (lh_rows_plan){.format = &lh_plain_rows_format,
                           .source = source,
                           .layout = layout,
                           .columns_count = COLUMNS,
                           .parts_count = 1};
    plan->columns = LH_NEW_ARRAY(cx, lh_rows_column, COLUMNS);
    plan->parts = LH_NEW_ARRAY(cx, lh_rows_part, 1);
    if (plan->columns == NULL || plan->parts == NULL)
        return cx->err.rc;
    plan->columns[0] = (lh_rows_column){.name = LH_S("file_name"), .type = LH_CELL_VARCHAR};
    plan->columns[1] = (lh_rows_column){.name = layout->lines ? LH_S("line_no") : LH_S("part_no"),
                                        .type = LH_CELL_BIGINT};
    plan->columns[2] = (lh_rows_column){.name = LH_S("text"), .type = LH_CELL_VARCHAR};
    plan->parts[0] = (lh_rows_part){.begin = lh_source_begin(source), .end = lh_source_end(source)};
    return LH_OK;
}

static void reader_close(void *state)
{
    reader *r = state;
    if (r == NULL)
        return;
    lh_window_close(&r->window);
    lh_free(r);
}

static lh_rc reader_open(lh_ctx *cx, const lh_rows_plan *plan, lh_rows_part *part,
                         void **ret_reader)
{
    reader *r = lh_alloc_zero(1, sizeof(*r));
    if (r == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a reader");
    *r = (reader){.plan = plan, .layout = plan->layout, .part = part};
    lh_rc rc = lh_window_open(cx, plan->source, part->begin, part->end, &r->window);
    if (rc != LH_OK) {
        lh_free(r);
        return rc;
    }
    *ret_reader = r;
    return LH_OK;
}

static uint64_t reader_position(const void *state)
{
    return lh_window_position(&((const reader *)state)->window);
}

/* Bytes of the next row of a document, from at least one of text. */
static size_t document_bytes(lh_str text, bool final)
{
    if (text.len <= LH_PLAIN_ROW_BYTES && final)
        return text.len;
    lh_str head = lh_str_sub(text, 0, LH_PLAIN_ROW_BYTES);
    size_t line = LH_STR_NPOS;
    for (size_t at = head.len; at > head.len / 2; at--) {
        if (head.ptr[at - 1] != '\n')
            continue;
        if (line == LH_STR_NPOS)
            line = at;
        if (at >= 2 &&
            (head.ptr[at - 2] == '\n' || lh_str_ends(lh_str_sub(head, 0, at), LH_S("\n\r\n"))))
            return at;
    }
    if (line != LH_STR_NPOS)
        return line;
    size_t cut = head.len;
    while (cut > head.len - 4 && cut < text.len && ((unsigned char)text.ptr[cut] & 0xC0) == 0x80)
        cut--;
    return cut;
}

/* The next row's text; *ret_bytes of the window belong to it. False: more must be read. */
static bool next_text(const reader *r, lh_str *ret_text, size_t *ret_bytes)
{
    lh_str text = lh_window_text(&r->window);
    bool final = lh_window_final(&r->window);
    if (r->layout->lines) {
        size_t line = lh_str_find_char(text, '\n');
        if (line == LH_STR_NPOS && !final)
            return false;
        *ret_bytes = line == LH_STR_NPOS ? text.len : line + 1;
        *ret_text = lh_str_sub(text, 0, line == LH_STR_NPOS ? text.len : line);
        if (ret_text->len > 0 && ret_text->ptr[ret_text->len - 1] == '\r')
            ret_text->len--;
        return true;
    }
    if (text.len < LH_PLAIN_ROW_BYTES && !final)
        return false;
    *ret_bytes = document_bytes(text, final);
    *ret_text = lh_str_sub(text, 0, *ret_bytes);
    return true;
}

static lh_rc put_row(lh_ctx *cx, reader *r, lh_batch *batch, lh_str text)
{
    lh_str fixed = text;
    if (lh_source_encoding(r->plan->source) == LH_ENCODING_LATIN1) {
        LH_TRY(lh_encoding_from_latin1(cx, batch->arena, text, &fixed));
    } else {
        LH_TRY(lh_encoding_repair(cx, batch->arena, text, &fixed));
        r->part->oddities.counts[LH_ODD_BAD_UTF8] += fixed.ptr != text.ptr;
    }
    lh_batch_put_text(&batch->columns[0], batch->rows, r->layout->file_name);
    lh_batch_put_i64(&batch->columns[1], batch->rows, ++r->number);
    lh_batch_put_text(&batch->columns[2], batch->rows, fixed);
    batch->rows++;
    return LH_OK;
}

static lh_rc reader_fill(lh_ctx *cx, void *state, lh_batch *batch)
{
    reader *r = state;
    while (batch->rows < LH_BATCH_ROWS_MAX && lh_window_position(&r->window) < r->part->end &&
           lh_arena_bytes(batch->arena) < BATCH_TEXT_BYTES_MAX) {
        lh_str text;
        size_t bytes;
        if (!next_text(r, &text, &bytes)) {
            if (batch->rows > 0)
                break;
            LH_TRY(lh_window_grow(cx, &r->window, "a line"));
            continue;
        }
        r->window.begin += bytes;
        LH_TRY(put_row(cx, r, batch, text));
    }
    r->part->actual_end = lh_window_position(&r->window);
    return LH_OK;
}

const lh_rows_format lh_plain_rows_format = {.name = "text",
                                             .open = reader_open,
                                             .fill = reader_fill,
                                             .position = reader_position,
                                             .close = reader_close};
