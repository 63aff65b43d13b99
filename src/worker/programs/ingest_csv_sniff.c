/* ingest_csv_sniff.c - delimiter, quote, line end, header and names from the first megabyte.
 *
 * A delimiter is judged by how many records have the same number of fields under the full quoting
 * rules, not by counting characters: text columns are full of commas. What is decided here changes
 * how rows look, never whether they arrive, so a rare wrong guess is repaired by giving the
 * option. */
#include "worker/programs/ingest_csv.h"

enum { JUDGED_RECORDS_MAX = 400, FIELD_COUNTS_MAX = 4097, HEADER_NAMED_SHARE = 2 };

/* How the records of a sample look under one dialect. */
typedef struct shape {
    uint32_t records;
    uint32_t common;       /* the most frequent number of fields */
    uint32_t common_count; /* records that have it */
    uint32_t first;        /* fields of the first record */
} shape;

static shape shape_of(const lh_csv_dialect *dialect, lh_str sample, lh_csv_end end)
{
    shape found = {0};
    LH_CLEANUP(lh_csv_record_done) lh_csv_record record = {0};
    uint32_t counts[JUDGED_RECORDS_MAX];
    while (found.records < JUDGED_RECORDS_MAX &&
           lh_csv_split(dialect, sample, end, &record) == LH_CSV_RECORD) {
        sample = lh_str_from_offset(sample, record.bytes);
        if (!lh_csv_blank(&record))
            counts[found.records++] = record.count;
    }
    for (uint32_t i = 0; i < found.records; i++) {
        uint32_t same = 0;
        for (uint32_t j = 0; j < found.records; j++)
            same += counts[j] == counts[i];
        if (same > found.common_count || (same == found.common_count && counts[i] > found.common)) {
            found.common = counts[i];
            found.common_count = same;
        }
    }
    found.first = found.records > 0 ? counts[0] : 0;
    return found;
}

/* 0 = one column; else 1..1100: the share of records of the common width, and a bit for a header
 * that fits. */
static int score_of(const shape *s)
{
    if (s->records == 0 || s->common < 2)
        return 0;
    return (int)(s->common_count * 1000u / s->records) + (s->first == s->common ? 100 : 0);
}

/* Fields that stand in single quotes, when nothing stands in double ones: some SQL dumps are like
 * that. */
static bool looks_single_quoted(lh_str sample, char delimiter, char newline, lh_csv_end end)
{
    if (lh_str_find_char(sample, '"') != LH_STR_NPOS ||
        lh_str_find_char(sample, '\'') == LH_STR_NPOS)
        return false;
    const lh_csv_dialect plain = {.delimiter = delimiter, .newline = newline};
    LH_CLEANUP(lh_csv_record_done) lh_csv_record record = {0};
    uint32_t records = 0;
    uint32_t quoted = 0;
    while (records < JUDGED_RECORDS_MAX &&
           lh_csv_split(&plain, sample, end, &record) == LH_CSV_RECORD) {
        sample = lh_str_from_offset(sample, record.bytes);
        records++;
        for (uint32_t i = 0; i < record.count; i++) {
            const lh_csv_field *field = &record.fields[i];
            quoted +=
                field->len >= 2 && field->ptr[0] == '\'' && field->ptr[field->len - 1] == '\'';
        }
    }
    return quoted >= 2 && quoted * 2 >= records;
}

void lh_csv_guess_dialect(lh_str sample, lh_csv_end end, char delimiter, char quote,
                          lh_csv_dialect *ret_dialect)
{
    static const char candidates[] = {'\t', ';', '|', ','}; /* the rarer in prose wins a tie */
    lh_csv_dialect best = {.delimiter = ',', .quote = quote != 0 ? quote : '"', .newline = '\n'};
    if (lh_str_find_char(sample, '\n') == LH_STR_NPOS &&
        lh_str_find_char(sample, '\r') != LH_STR_NPOS)
        best.newline = '\r';
    if (delimiter != 0) {
        best.delimiter = delimiter;
    } else {
        int best_score = 0;
        for (size_t i = 0; i < sizeof(candidates); i++) {
            lh_csv_dialect tried = best;
            tried.delimiter = candidates[i];
            shape found = shape_of(&tried, sample, end);
            int score = score_of(&found);
            if (score > best_score) {
                best_score = score;
                ret_dialect->delimiter = candidates[i];
            }
        }
        best.delimiter = best_score > 0 ? ret_dialect->delimiter : ',';
    }
    if (quote == 0 && looks_single_quoted(sample, best.delimiter, best.newline, end))
        best.quote = '\'';
    *ret_dialect = best;
}

int lh_csv_score(lh_str sample, lh_csv_end end)
{
    lh_csv_dialect dialect;
    lh_csv_guess_dialect(sample, end, 0, 0, &dialect);
    shape found = shape_of(&dialect, sample, end);
    int score = score_of(&found);
    return found.records >= 2 ? LH_MIN(score, 1000) : 0;
}

/* "sep=;" as the first line: Excel writes it, and it is no row. Returns its bytes, 0 when there is
 * none. */
static size_t sep_line(lh_str sample, char *ret_delimiter)
{
    if (!lh_str_starts_nocase(sample, LH_S("sep=")) || sample.len < 5)
        return 0;
    size_t bytes = 5;
    if (bytes < sample.len && sample.ptr[bytes] == '\r')
        bytes++;
    if (bytes < sample.len && sample.ptr[bytes] == '\n')
        bytes++;
    if (bytes == 5 && sample.len > 5)
        return 0;
    *ret_delimiter = sample.ptr[4];
    return bytes;
}

static lh_rc one_character(lh_ctx *cx, lh_str option, const char *name, char *ret)
{
    *ret = 0;
    if (option.len == 0)
        return LH_OK;
    if (lh_str_eq(option, LH_S("\\t"))) {
        *ret = '\t';
        return LH_OK;
    }
    if (option.len != 1 || (unsigned char)option.ptr[0] > 0x7F || option.ptr[0] == '\n' ||
        option.ptr[0] == '\r' || option.ptr[0] == 0) {
        LH_IGNORE(
            lh_fail(cx, LH_E_BAD_VALUE, "%s must be one ASCII character, not a line end", name));
        return lh_err_field(cx, "options.%s", name);
    }
    *ret = option.ptr[0];
    return LH_OK;
}

/* The first records of the sample, for the header's question. */
typedef struct header_view {
    uint32_t fields; /* of the first record */
    uint32_t named;  /* not empty */
    uint32_t typed;  /* look like values */
    uint32_t years;  /* of these: years in a row, which head columns of figures */
    uint32_t below;  /* text above a column of values: names */
} header_view;

/* A year, and the one after or before the year before it. */
static bool follows_year(lh_str text, int64_t *year)
{
    enum { YEAR_MIN = 1900, YEAR_MAX = 2100 };
    int64_t value;
    if (!lh_cell_bigint(text, &value) || value < YEAR_MIN || value > YEAR_MAX)
        return false;
    bool follows = *year == 0 || value == *year + 1 || value == *year - 1;
    *year = value;
    return follows;
}

static lh_rc view_header(lh_ctx *cx, const lh_csv_layout *layout, lh_str sample, lh_csv_end end,
                         header_view *ret_view)
{
    LH_CLEANUP(lh_csv_record_done) lh_csv_record first = {0};
    LH_CLEANUP(lh_csv_record_done) lh_csv_record record = {0};
    header_view view = {0};
    *ret_view = view;
    if (lh_csv_split(&layout->dialect, sample, end, &first) != LH_CSV_RECORD)
        return LH_OK;
    sample = lh_str_from_offset(sample, first.bytes);
    lh_column_guess *guesses = LH_NEW_ARRAY(cx, lh_column_guess, first.count);
    if (guesses == NULL)
        return cx->err.rc;
    for (uint32_t i = 0; i < first.count; i++)
        guesses[i] = LH_COLUMN_GUESS_INIT;
    for (uint32_t n = 0; n < JUDGED_RECORDS_MAX &&
                         lh_csv_split(&layout->dialect, sample, end, &record) == LH_CSV_RECORD;
         n++) {
        sample = lh_str_from_offset(sample, record.bytes);
        for (uint32_t i = 0; i < LH_MIN(first.count, record.count); i++) {
            lh_str text = {record.fields[i].ptr, record.fields[i].len};
            if (lh_cell_null_spelling(text))
                continue;
            guesses[i].mask &= lh_cell_mask(text);
            guesses[i].has_value = true;
        }
    }
    view.fields = first.count;
    int64_t year = 0;
    for (uint32_t i = 0; i < first.count; i++) {
        lh_str text = {first.fields[i].ptr, first.fields[i].len};
        bool typed = lh_cell_mask(text) != LH_TYPE_MASK_NONE;
        bool named = lh_str_trim(text).len > 0;
        view.named += named;
        view.typed += typed;
        view.years += typed && follows_year(text, &year);
        view.below += named && !typed && !lh_cell_null_spelling(text) &&
                      lh_column_guess_type(guesses[i]) != LH_CELL_VARCHAR;
    }
    *ret_view = view;
    return LH_OK;
}

static bool is_header(const header_view *view)
{
    if (view->below > 0)
        return true; /* a word above numbers; the figures beside it are names as well */
    if (view->years >= 2 && view->years == view->typed && view->named > view->typed)
        return true;
    return view->typed == 0 && view->named > 0 && view->named * HEADER_NAMED_SHARE >= view->fields;
}

static lh_rc make_names(lh_ctx *cx, lh_csv_layout *layout, const lh_csv_record *header,
                        uint32_t width)
{
    uint32_t named = layout->has_header ? header->count : 0;
    uint32_t count = LH_MAX(LH_MAX(named, width), 1);
    LH_TRY(lh_names_init(cx, &layout->names, count));
    for (uint32_t i = 0; i < count; i++) {
        lh_str name = LH_STR_NONE;
        bool repaired;
        if (i < named)
            LH_TRY(lh_csv_field_text(cx, cx->arena, layout, &header->fields[i], &name, &repaired));
        LH_TRY(lh_names_add(cx, &layout->names, name));
    }
    if (!layout->has_header)
        layout->names.changed = 0;
    layout->fields_count = count;
    return LH_OK;
}

/* Skips blank lines, finds the header and where the rows begin. */
static lh_rc read_header(lh_ctx *cx, lh_csv_layout *layout, int mode, lh_str sample, lh_csv_end end)
{
    LH_CLEANUP(lh_csv_record_done) lh_csv_record record = {0};
    lh_csv_status status;
    while ((status = lh_csv_split(&layout->dialect, sample, end, &record)) == LH_CSV_RECORD &&
           lh_csv_blank(&record)) {
        sample = lh_str_from_offset(sample, record.bytes);
        layout->data_begin += record.bytes;
    }
    if (status == LH_CSV_NO_MEMORY)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for a record");
    shape found = shape_of(&layout->dialect, sample, end);
    header_view view;
    LH_TRY(view_header(cx, layout, sample, end, &view));
    layout->has_header = status == LH_CSV_RECORD &&
                         (mode == LH_HEADER_YES || (mode == LH_HEADER_AUTO && is_header(&view)));
    LH_TRY(make_names(cx, layout, &record, found.common));
    if (layout->has_header)
        layout->data_begin += record.bytes;
    return LH_OK;
}

lh_rc lh_csv_sniff(lh_ctx *cx, const lh_source *source, const lh_ingest_options *options,
                   lh_str file_name, lh_csv_layout *ret_layout)
{
    LH_CLEANUP(lh_window_close) lh_window window = {0};
    uint64_t begin = lh_source_begin(source);
    LH_TRY(lh_window_open(cx, source, begin, lh_source_end(source), &window));
    LH_TRY(lh_window_fill(cx, &window));
    lh_str sample = lh_str_sub(lh_window_text(&window), 0, LH_CSV_SAMPLE_BYTES);
    bool whole = lh_window_final(&window) && sample.len == window.end - window.begin;
    lh_csv_end end = whole ? LH_CSV_LAST_TEXT : LH_CSV_MORE_FOLLOWS;

    char delimiter;
    char quote;
    LH_TRY(one_character(cx, options->delimiter, "delimiter", &delimiter));
    LH_TRY(one_character(cx, options->quote, "quote", &quote));
    char said = 0;
    size_t skipped = sep_line(sample, &said);
    sample = lh_str_from_offset(sample, skipped);
    if (delimiter == 0 && skipped > 0)
        delimiter = said;
    if (delimiter == 0 && lh_str_ends(file_name, LH_S(".tsv")))
        delimiter = '\t';

    lh_csv_layout layout = {.encoding = lh_source_encoding(source),
                            .data_begin = begin + skipped,
                            .null_texts = options->null_texts,
                            .all_text = options->all_text};
    lh_csv_guess_dialect(sample, end, delimiter, quote, &layout.dialect);
    LH_TRY(read_header(cx, &layout, options->header, sample, end));
    *ret_layout = layout;
    return LH_OK;
}
