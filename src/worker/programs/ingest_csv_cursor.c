/* ingest_csv_cursor.c - records out of a sliding window, and what stands in a field. */
#include "worker/programs/ingest_csv.h"

lh_rc lh_csv_cursor_open(lh_ctx *cx, const lh_source *source, lh_csv_dialect dialect, uint64_t from,
                         lh_csv_cursor *ret_cursor)
{
    lh_window window;
    LH_TRY(lh_window_open(cx, source, from, lh_source_end(source), &window));
    *ret_cursor = (lh_csv_cursor){.window = window, .dialect = dialect};
    return LH_OK;
}

void lh_csv_cursor_close(lh_csv_cursor *cursor)
{
    lh_window_close(&cursor->window);
    lh_csv_record_done(&cursor->record);
}

lh_csv_status lh_csv_cursor_next(lh_csv_cursor *cursor)
{
    lh_window *window = &cursor->window;
    lh_csv_end end = lh_window_final(window) ? LH_CSV_LAST_TEXT : LH_CSV_MORE_FOLLOWS;
    lh_csv_status status =
        lh_csv_split(&cursor->dialect, lh_window_text(window), end, &cursor->record);
    if (status == LH_CSV_RECORD)
        window->begin += cursor->record.bytes;
    return status;
}

lh_rc lh_csv_cursor_refill(lh_ctx *cx, lh_csv_cursor *cursor)
{
    return lh_window_grow(cx, &cursor->window, "a record");
}

lh_rc lh_csv_cursor_read(lh_ctx *cx, lh_csv_cursor *cursor, bool *ret_found)
{
    for (;;) {
        switch (lh_csv_cursor_next(cursor)) {
        case LH_CSV_RECORD: *ret_found = true; return LH_OK;
        case LH_CSV_END: *ret_found = false; return LH_OK;
        case LH_CSV_NO_MEMORY: return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a record");
        case LH_CSV_MORE: LH_TRY(lh_csv_cursor_refill(cx, cursor));
        }
    }
}

lh_rc lh_csv_field_text(lh_ctx *cx, lh_arena *arena, const lh_csv_layout *layout,
                        const lh_csv_field *field, lh_str *ret_text, bool *ret_repaired)
{
    lh_str text = {field->ptr, field->len};
    *ret_repaired = false;
    if (field->flags & LH_CSV_DOUBLED) {
        char *out = lh_arena_alloc(arena, field->len + 1);
        if (out == NULL)
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a field of %u bytes", field->len);
        text = (lh_str){out, lh_csv_undouble(field, layout->dialect.quote, out)};
    }
    if (field->flags & LH_CSV_NOT_ASCII) {
        const char *before = text.ptr;
        if (layout->encoding == LH_ENCODING_LATIN1)
            return lh_encoding_from_latin1(cx, arena, text, ret_text);
        LH_TRY(lh_encoding_repair(cx, arena, text, &text));
        *ret_repaired = text.ptr != before;
    }
    *ret_text = text;
    return LH_OK;
}

bool lh_csv_is_null_text(const lh_csv_layout *layout, const lh_csv_field *field)
{
    if (field->flags & LH_CSV_QUOTED)
        return false;
    const lh_str *texts = layout->null_texts.items;
    for (size_t i = 0; i < layout->null_texts.count; i++)
        if (lh_str_eq(texts[i], (lh_str){field->ptr, field->len}))
            return true;
    return false;
}
