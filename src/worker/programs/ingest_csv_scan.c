/* ingest_csv_scan.c - passes over records that only ask what type the columns have and where parts
 * begin. */
#include "worker/programs/ingest_csv.h"

enum {
    BOUNDARY_BYTES = 1024 * 1024, /* looked at behind a nominal bound */
    BOUNDARY_RECORDS = 24,        /* that must look right behind a candidate */
    BOUNDARY_CANDIDATES_MAX = 512
};

lh_rc lh_csv_scan_init(lh_ctx *cx, const lh_csv_layout *layout, lh_csv_scan *ret_scan)
{
    *ret_scan = (lh_csv_scan){.guesses = LH_NEW_ARRAY(cx, lh_column_guess, layout->fields_count)};
    if (ret_scan->guesses == NULL)
        return cx->err.rc;
    for (uint32_t i = 0; i < layout->fields_count; i++)
        ret_scan->guesses[i] = LH_COLUMN_GUESS_INIT;
    return LH_OK;
}

void lh_csv_scan_merge(const lh_csv_layout *layout, lh_csv_scan *into, const lh_csv_scan *other)
{
    for (uint32_t i = 0; i < layout->fields_count; i++)
        lh_column_guess_merge(&into->guesses[i], other->guesses[i]);
    into->rows += other->rows;
    into->bytes += other->bytes;
    into->long_rows |= other->long_rows;
}

static void scan_record(const lh_csv_layout *layout, const lh_csv_record *record, lh_csv_scan *scan)
{
    uint32_t count = LH_MIN(record->count, layout->fields_count);
    scan->rows++;
    scan->long_rows |= record->count > layout->fields_count;
    for (uint32_t i = 0; i < count; i++) {
        lh_column_guess *guess = &scan->guesses[i];
        const lh_csv_field *field = &record->fields[i];
        if (field->len == 0 || (guess->has_value && guess->mask == LH_TYPE_MASK_NONE))
            continue;
        if (LH_UNLIKELY(layout->null_texts.count > 0) && lh_csv_is_null_text(layout, field))
            continue;
        lh_str text = {field->ptr, field->len};
        lh_type_mask mask = (field->flags & (LH_CSV_NOT_ASCII | LH_CSV_DOUBLED)) != 0
                                ? LH_TYPE_MASK_NONE
                                : lh_cell_mask(text);
        if (mask == LH_TYPE_MASK_NONE && lh_cell_null_spelling(text))
            continue;
        guess->mask &= mask;
        guess->has_value = true;
    }
}

lh_rc lh_csv_scan_part(lh_ctx *cx, const lh_source *source, const lh_csv_layout *layout,
                       lh_rows_part *part, lh_csv_scan *scan)
{
    LH_CLEANUP(lh_csv_cursor_close) lh_csv_cursor cursor = {0};
    LH_TRY(lh_csv_cursor_open(cx, source, layout->dialect, part->begin, &cursor));
    uint32_t until_check = 0;
    while (lh_csv_cursor_position(&cursor) < part->end) {
        bool found;
        LH_TRY(lh_csv_cursor_read(cx, &cursor, &found));
        if (!found)
            break;
        if (!lh_csv_blank(&cursor.record) || layout->fields_count == 1)
            scan_record(layout, &cursor.record, scan);
        if (++until_check % 4096 == 0)
            LH_TRY(lh_ctx_check(cx));
    }
    part->actual_end = lh_csv_cursor_position(&cursor);
    scan->bytes += part->actual_end - LH_MIN(part->begin, part->actual_end);
    return LH_OK;
}

/* Of the records behind a candidate, how many have the expected width? The last, cut one is not
 * counted. */
static bool looks_right(const lh_csv_layout *layout, lh_str text, lh_csv_end end,
                        lh_csv_record *record)
{
    uint32_t seen = 0;
    uint32_t right = 0;
    while (seen < BOUNDARY_RECORDS &&
           lh_csv_split(&layout->dialect, text, end, record) == LH_CSV_RECORD) {
        text = lh_str_from_offset(text, record->bytes);
        if (lh_csv_blank(record) && layout->fields_count > 1)
            continue;
        bool fits = record->count == layout->fields_count;
        if (seen == 0 && !fits)
            return false;
        seen++;
        right += fits;
    }
    return seen == 0 || right * 4 >= seen * 3;
}

lh_rc lh_csv_boundary(lh_ctx *cx, const lh_source *source, const lh_csv_layout *layout,
                      uint64_t nominal, uint64_t *ret_begin)
{
    LH_CLEANUP(lh_window_close) lh_window window = {0};
    LH_CLEANUP(lh_csv_record_done) lh_csv_record record = {0};
    lh_assert(nominal > 0);
    LH_TRY(lh_window_open(cx, source, nominal - 1, lh_source_end(source), &window));
    LH_TRY(lh_window_fill(cx, &window));
    lh_str text = lh_str_sub(lh_window_text(&window), 0, BOUNDARY_BYTES);
    lh_csv_end end =
        lh_window_final(&window) && text.len == window.end ? LH_CSV_LAST_TEXT : LH_CSV_MORE_FOLLOWS;
    size_t first = LH_STR_NPOS;
    size_t at = 0;
    for (uint32_t i = 0; i < BOUNDARY_CANDIDATES_MAX; i++) {
        size_t line = lh_str_find_char(lh_str_from_offset(text, at), layout->dialect.newline);
        if (line == LH_STR_NPOS)
            break;
        at += line + 1;
        if (first == LH_STR_NPOS)
            first = at;
        if (looks_right(layout, lh_str_from_offset(text, at), end, &record)) {
            first = at;
            break;
        }
    }
    *ret_begin = first == LH_STR_NPOS ? nominal : nominal - 1 + first;
    return LH_OK;
}

lh_rc lh_csv_cut(lh_ctx *cx, const lh_source *source, const lh_csv_layout *layout, uint32_t threads,
                 lh_rows_plan *plan)
{
    if (layout->fields_count >= LH_WIDE_COLUMNS)
        threads = 1;
    LH_TRY(lh_rows_cut(cx, layout->data_begin, lh_source_end(source), threads, plan));
    for (uint32_t i = 1; i < plan->parts_count; i++) {
        lh_rows_part *part = &plan->parts[i];
        LH_TRY(lh_csv_boundary(cx, source, layout, part->begin, &part->begin));
    }
    return LH_OK;
}

lh_rc lh_csv_columns(lh_ctx *cx, lh_csv_layout *layout, const lh_csv_scan *scan, lh_rows_plan *plan)
{
    layout->has_extra = scan->long_rows;
    uint32_t count = layout->fields_count + (layout->has_extra ? 1 : 0);
    plan->columns = LH_NEW_ARRAY(cx, lh_rows_column, count);
    if (plan->columns == NULL)
        return cx->err.rc;
    plan->columns_count = count;
    for (uint32_t i = 0; i < layout->fields_count; i++) {
        plan->columns[i].name = layout->names.items[i];
        plan->columns[i].type =
            layout->all_text ? LH_CELL_VARCHAR : lh_column_guess_type(scan->guesses[i]);
        plan->columns[i].untyped = !layout->all_text && !scan->guesses[i].has_value;
    }
    if (layout->has_extra) {
        lh_str name = LH_S("_extra");
        for (uint32_t n = 2; lh_names_find(&layout->names, name) != UINT32_MAX; n++)
            name = lh_ctx_fmt(cx, "_extra_%u", n);
        plan->columns[count - 1] = (lh_rows_column){.name = name, .type = LH_CELL_VARCHAR};
    }
    plan->row_bytes = scan->rows > 0 ? scan->bytes / scan->rows : 0;
    return LH_OK;
}
