/* ingest_detect.c - what a file is. Content beats the name where it is certain (magic bytes), the
 * name beats content where content is a matter of taste (is this .txt a table?). */
#include "base/json.h"
#include "worker/programs/ingest_csv.h"
#include "worker/programs/ingest_file.h"

enum { SAMPLE_BYTES = 64 * 1024, CSV_SCORE_MIN = 900 };

typedef struct ending {
    lh_str text;
    lh_ingest_format format;
} ending;

static const ending endings[] = {
    {LH_S_INIT(".csv"), LH_FORMAT_CSV},         {LH_S_INIT(".tsv"), LH_FORMAT_CSV},
    {LH_S_INIT(".tab"), LH_FORMAT_CSV},         {LH_S_INIT(".psv"), LH_FORMAT_CSV},
    {LH_S_INIT(".json"), LH_FORMAT_JSON},       {LH_S_INIT(".ndjson"), LH_FORMAT_NDJSON},
    {LH_S_INIT(".jsonl"), LH_FORMAT_NDJSON},    {LH_S_INIT(".ldjson"), LH_FORMAT_NDJSON},
    {LH_S_INIT(".parquet"), LH_FORMAT_PARQUET}, {LH_S_INIT(".txt"), LH_FORMAT_TEXT},
    {LH_S_INIT(".md"), LH_FORMAT_TEXT},         {LH_S_INIT(".log"), LH_FORMAT_TEXT},
    {LH_S_INIT(".text"), LH_FORMAT_TEXT},       {LH_S_INIT(".rst"), LH_FORMAT_TEXT},
};

static const struct {
    lh_str magic;
    const char *what;
    const char *hint;
} refused[] = {
    {LH_S_INIT("%PDF-"), "a PDF document", "save its text as .txt"},
    {LH_S_INIT("PK\x03\x04"), "a zip archive or a spreadsheet",
     "save the sheet as CSV, or unzip the file"},
    {LH_S_INIT("\xD0\xCF\x11\xE0"), "an old Office document", "save it as CSV or text"},
    {LH_S_INIT("\x89PNG"), "an image", "only tables and text can be read"},
    {LH_S_INIT("\xFF\xD8\xFF"), "an image", "only tables and text can be read"},
    {LH_S_INIT("GIF8"), "an image", "only tables and text can be read"},
    {LH_S_INIT("BZh"), "a bzip2 file", "gzip and zstd can be read"},
    {LH_S_INIT("\xFD"
               "7zXZ"),
     "an xz file", "gzip and zstd can be read"},
    {LH_S_INIT("7z\xBC\xAF"), "a 7-zip archive", "gzip and zstd can be read"},
    {LH_S_INIT("SQLite format 3"), "an SQLite database", "export its tables as CSV"},
    {LH_S_INIT("Obj\x01"), "an Avro file", "convert it to Parquet"},
    {LH_S_INIT("ORC"), "an ORC file", "convert it to Parquet"},
    {LH_S_INIT("\x7F"
               "ELF"),
     "a program", "only tables and text can be read"},
};

lh_str lh_ingest_plain_name(lh_str name)
{
    static const lh_str packings[] = {LH_S_INIT(".gz"), LH_S_INIT(".zst"), LH_S_INIT(".zstd"),
                                      LH_S_INIT(".gzip")};
    for (size_t i = 0; i < LH_ARRAY_LEN(packings); i++)
        if (name.len > packings[i].len &&
            lh_str_eq_nocase(lh_str_from_offset(name, name.len - packings[i].len), packings[i]))
            return lh_str_sub(name, 0, name.len - packings[i].len);
    return name;
}

static lh_ingest_format format_of_name(lh_str name)
{
    name = lh_ingest_plain_name(name);
    for (size_t i = 0; i < LH_ARRAY_LEN(endings); i++)
        if (name.len >= endings[i].text.len &&
            lh_str_eq_nocase(lh_str_from_offset(name, name.len - endings[i].text.len),
                             endings[i].text))
            return endings[i].format;
    return LH_FORMAT_AUTO;
}

/* A first line that is a whole object, with another line behind it: NDJSON, whatever the name. */
static bool is_lines_of_json(lh_ctx *cx, lh_str sample)
{
    size_t line = lh_str_find_char(sample, '\n');
    if (line == LH_STR_NPOS || lh_str_trim(lh_str_from_offset(sample, line)).len == 0)
        return false;
    lh_json_reader reader;
    lh_json_token token;
    lh_json_reader_init(&reader, cx, lh_str_sub(sample, 0, line), LH_JSON_LENIENT_TEXT, 0);
    lh_rc rc = lh_json_next(&reader, &token);
    if (rc == LH_OK)
        rc = lh_json_skip(&reader, &token, NULL);
    if (rc == LH_OK)
        rc = lh_json_next(&reader, &token);
    lh_err_clear(cx);
    return rc == LH_OK && token.kind == LH_JSON_END;
}

static lh_ingest_format format_of_content(lh_ctx *cx, lh_str sample, lh_csv_end end,
                                          lh_ingest_format named)
{
    lh_str text = lh_str_trim(sample);
    char first = text.len > 0 ? text.ptr[0] : 0;
    if (named == LH_FORMAT_JSON || (named == LH_FORMAT_AUTO && (first == '{' || first == '[')))
        return first == '{' && is_lines_of_json(cx, text) ? LH_FORMAT_NDJSON : LH_FORMAT_JSON;
    if (named != LH_FORMAT_AUTO)
        return named;
    return lh_csv_score(sample, end) >= CSV_SCORE_MIN ? LH_FORMAT_CSV : LH_FORMAT_TEXT;
}

/* Control bytes that no text has near its begin: a column may well be called ORC. */
static bool looks_binary(lh_str sample)
{
    enum { LOOKED_AT = 512 };
    for (size_t i = 0; i < LH_MIN(sample.len, (size_t)LOOKED_AT); i++)
        if ((unsigned char)sample.ptr[i] < '\t')
            return true;
    return false;
}

static lh_rc refuse_known(lh_ctx *cx, lh_str sample)
{
    bool certain = looks_binary(sample) || lh_str_starts(sample, LH_S("%PDF-"));
    for (size_t i = 0; certain && i < LH_ARRAY_LEN(refused); i++) {
        if (!lh_str_starts(sample, refused[i].magic))
            continue;
        LH_IGNORE(lh_fail(cx, LH_E_UNSUPPORTED_MEDIA, "the file is %s", refused[i].what));
        return lh_err_hint(cx, "%s", refused[i].hint);
    }
    return LH_OK;
}

/* A name that promises compression over bytes that are plain: a download that unpacked on the way,
 * or a broken head. A guess would make rows of rubbish out of the second. */
static lh_rc check_packing(lh_ctx *cx, const lh_source *source, lh_str name)
{
    lh_str plain = lh_ingest_plain_name(name);
    if (plain.len == name.len || lh_source_was_packed(source))
        return LH_OK;
    LH_IGNORE(lh_fail(cx, LH_E_UNPROCESSABLE,
                      "the name ends in %.*s, the bytes are neither gzip "
                      "nor zstd",
                      LH_STR_ARG(lh_str_from_offset(name, plain.len))));
    return lh_err_hint(cx, "if the file is plain, take the ending off its name (or say which "
                           "format it has); else it is damaged: fetch it again");
}

lh_rc lh_ingest_detect(lh_ctx *cx, const lh_source *source, const lh_ingest_task *task,
                       lh_ingest_format *ret_format)
{
    LH_CLEANUP(lh_window_close) lh_window window = {0};
    LH_TRY(lh_window_open(cx, source, lh_source_begin(source), lh_source_end(source), &window));
    LH_TRY(lh_window_fill(cx, &window));
    lh_str sample = lh_str_sub(lh_window_text(&window), 0, SAMPLE_BYTES);
    bool whole = lh_window_final(&window) && sample.len == window.end;
    if (sample.len == 0)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "the file is empty");
    if (task->options.format != LH_FORMAT_AUTO) {
        *ret_format = (lh_ingest_format)task->options.format;
        if (*ret_format != LH_FORMAT_JSON)
            return LH_OK;
        *ret_format = format_of_content(cx, sample, LH_CSV_MORE_FOLLOWS, LH_FORMAT_JSON);
        return LH_OK;
    }
    if (lh_str_starts(sample, LH_S("PAR1"))) {
        *ret_format = LH_FORMAT_PARQUET;
        return LH_OK;
    }
    LH_TRY(check_packing(cx, source, task->file_name));
    lh_ingest_format named = format_of_name(task->file_name);
    LH_TRY(refuse_known(cx, sample));
    if (named == LH_FORMAT_PARQUET) {
        LH_IGNORE(
            lh_fail(cx, LH_E_UNPROCESSABLE, "the file is called .parquet but is not Parquet"));
        return lh_err_hint(cx, "Parquet begins with PAR1");
    }
    *ret_format =
        format_of_content(cx, sample, whole ? LH_CSV_LAST_TEXT : LH_CSV_MORE_FOLLOWS, named);
    return LH_OK;
}
