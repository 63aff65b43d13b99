/* Splitting, sniffing and whole CSV files. links: worker os base */
#include "worker/programs/ingest_csv.h"

#include "unit/programs/ingest_room.h"

static const char nasty[] = "id,name,note\r\n"
                            "1,\"a \"\"quoted\"\" word\",plain\r\n"
                            "2,\"two\nlines\",\"\"\r\n"
                            "3,5\" pipe,\"x\"y\n"
                            "4,\"unterminated,z\r\n"
                            "5,\"ok\",\"end\"\r\n"
                            "\r\n"
                            "6\r\n"
                            "7,a,b,c,\"d\"\r\n"
                            "8,\"last\",\"\"\"\"";

/* Splits text given in pieces that end at `cut`: the splitter must ask for more and then agree with
 * itself. */
static uint32_t split_all(lh_str text, size_t cut, lh_csv_record *record, char *out,
                          size_t *ret_len)
{
    const lh_csv_dialect dialect = {',', '"', '\n'};
    uint32_t records = 0;
    size_t len = 0;
    size_t at = 0;
    for (;;) {
        bool cut_now = at <= cut && cut < text.len;
        lh_str rest = lh_str_sub(text, at, cut_now ? cut - at : text.len);
        lh_csv_status status =
            lh_csv_split(&dialect, rest, cut_now ? LH_CSV_MORE_FOLLOWS : LH_CSV_LAST_TEXT, record);
        if (status == LH_CSV_MORE) {
            cut = text.len;
            continue;
        }
        if (status != LH_CSV_RECORD)
            break;
        at += record->bytes;
        records++;
        for (uint32_t i = 0; i < record->count; i++) {
            memcpy(out + len, record->fields[i].ptr, record->fields[i].len);
            len += record->fields[i].len;
            out[len++] = '|';
        }
        out[len++] = '\n';
    }
    *ret_len = len;
    return records;
}

LH_TEST(a_text_cut_anywhere_splits_the_same)
{
    char padded[sizeof(nasty) + LH_CSV_SLACK] = {0};
    char whole[4096];
    char pieces[4096];
    size_t whole_len;
    size_t pieces_len;
    LH_CLEANUP(lh_csv_record_done) lh_csv_record record = {0};
    memcpy(padded, nasty, sizeof(nasty));
    lh_str text = lh_str_n(padded, sizeof(nasty) - 1);
    uint32_t records = split_all(text, text.len, &record, whole, &whole_len);
    ck_assert_uint_eq(records, 10);
    for (size_t cut = 0; cut < text.len; cut++) {
        ck_assert_uint_eq(split_all(text, cut, &record, pieces, &pieces_len), records);
        ck_assert_uint_eq(pieces_len, whole_len);
        ck_assert_mem_eq(pieces, whole, whole_len);
    }
}

typedef struct sniffed {
    const char *text;
    char delimiter;
    char quote;
    char newline;
} sniffed;

LH_TEST(dialects_are_told_apart)
{
    static const sniffed cases[] = {
        {"a,b\n1,2\n", ',', '"', '\n'},
        {"a;b;c\n1,5;2;x\n2,5;3;y\n", ';', '"', '\n'},
        {"a\tb\n1, 2\t3\n", '\t', '"', '\n'},
        {"a|b\n1,1|2\n", '|', '"', '\n'},
        {"name,text\nx,\"a;b;c\"\ny,\"d;e\"\n", ',', '"', '\n'},
        {"'a','b'\n'1,5','2'\n'x','y'\n", ',', '\'', '\n'},
        {"a,b\r1,2\r", ',', '"', '\r'},
        {"only\none\ncolumn\n", ',', '"', '\n'},
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(cases); i++) {
        char padded[256] = {0};
        memcpy(padded, cases[i].text, strlen(cases[i].text));
        lh_csv_dialect found;
        lh_csv_guess_dialect(lh_str_n(padded, strlen(cases[i].text)), LH_CSV_LAST_TEXT, 0, 0,
                             &found);
        ck_assert_msg(found.delimiter == cases[i].delimiter, "%s: '%c'", cases[i].text,
                      found.delimiter);
        ck_assert_msg(found.quote == cases[i].quote, "%s: '%c'", cases[i].text, found.quote);
        ck_assert_int_eq(found.newline, cases[i].newline);
    }
}

LH_TEST(every_row_of_a_nasty_file_arrives)
{
    room r;
    room_open(&r);
    ck_ingest_ok(&r, "nasty.csv", nasty);
    ck_str_is(room_columns(&r), "id BIGINT, name VARCHAR, note VARCHAR, _extra VARCHAR");
    ck_str_is(room_rows(&r),
              "{\"id\":1,\"name\":\"a \\\"quoted\\\" word\",\"note\":\"plain\",\"_extra\":null}\n"
              "{\"id\":2,\"name\":\"two\\nlines\",\"note\":\"\",\"_extra\":null}\n"
              "{\"id\":3,\"name\":\"5\\\" pipe\",\"note\":\"\\\"x\\\"y\",\"_extra\":null}\n"
              "{\"id\":4,\"name\":\"\\\"unterminated\",\"note\":\"z\",\"_extra\":null}\n"
              "{\"id\":5,\"name\":\"ok\",\"note\":\"end\",\"_extra\":null}\n"
              "{\"id\":6,\"name\":null,\"note\":null,\"_extra\":null}\n"
              "{\"id\":7,\"name\":\"a\",\"note\":\"b\",\"_extra\":\"[\\\"c\\\",\\\"d\\\"]\"}\n"
              "{\"id\":8,\"name\":\"last\",\"note\":\"\\\"\",\"_extra\":null}\n");
    ck_assert_int_eq(room_oddity(&r, "blank_line"), 1);
    ck_assert_int_eq(room_oddity(&r, "short_row"), 1);
    ck_assert_int_eq(room_oddity(&r, "long_row"), 1);
    ck_assert_int_eq(room_oddity(&r, "stray_quote"), 2);
    room_close(&r);
}

LH_TEST(encodings_are_read)
{
    static const struct {
        const char *bytes;
        size_t len;
    } files[] = {
#define FILE_OF(text) {text, sizeof(text) - 1}
        FILE_OF("n\nK\xC3\xB6ln\n"),
        FILE_OF("\xEF\xBB\xBFn\nK\xC3\xB6ln\n"),
        FILE_OF("n\nK\xF6ln\n"),
        FILE_OF("\xFF\xFEn\0\n\0K\0\xF6\0l\0n\0\n\0"),
        FILE_OF("\xFE\xFF\0n\0\n\0K\0\xF6\0l\0n\0\n"),
        FILE_OF("n\0\n\0K\0\xF6\0l\0n\0\n\0"),
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(files); i++) {
        room r;
        room_open(&r);
        ck_assert_int_eq(room_ingest(&r, "x.csv", lh_str_n(files[i].bytes, files[i].len)), LH_OK);
        ck_str_is(room_rows(&r), "{\"n\":\"K\xC3\xB6ln\"}\n");
        ck_assert_int_eq(room_oddity(&r, "bad_utf8"), i == 2);
        room_close(&r);
    }
}

LH_TEST(names_are_made_unique)
{
    room r;
    room_open(&r);
    ck_ingest_ok(&r, "x.csv", "a,A,,a, b \n1,2,3,4,5\n");
    ck_str_is(room_columns(&r), "a BIGINT, A_2 BIGINT, column_3 BIGINT, a_3 BIGINT, b BIGINT");
    ck_assert_int_eq(room_oddity(&r, "renamed_column"), 4);
    room_close(&r);
}

LH_TEST(headers_are_found_or_not)
{
    static const struct {
        const char *text;
        const char *columns;
    } cases[] = {
        {"1,a\n2,b\n", "column_1 BIGINT, column_2 VARCHAR"},
        {"id,a\n2,b\n", "id BIGINT, a VARCHAR"},
        {"country,2019,2020\nUS,1.5,2\n", "country VARCHAR, 2019 DOUBLE, 2020 BIGINT"},
        {"x,y\na,b\n", "x VARCHAR, y VARCHAR"},
        {"sep=;\r\na;b\r\n1;2\r\n", "a BIGINT, b BIGINT"},
        {"a,b\n1,2,3\n4,5,6\n", "a BIGINT, b BIGINT, column_3 BIGINT"},
        {"only,names\n", "only VARCHAR, names VARCHAR"},
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(cases); i++) {
        room r;
        room_open(&r);
        ck_assert_int_eq(room_ingest(&r, "x.csv", lh_str_from(cases[i].text)), LH_OK);
        ck_str_is(room_columns(&r), cases[i].columns);
        room_close(&r);
    }
}

LH_TEST(spelled_nulls_are_null_only_in_typed_columns)
{
    room r;
    room_open(&r);
    ck_ingest_ok(&r, "x.csv", "n,t,e\n1,NULL,\nN/A,x,\"\"\n\"\",-,z\n");
    ck_str_is(room_rows(&r), "{\"n\":1,\"t\":\"NULL\",\"e\":null}\n"
                             "{\"n\":null,\"t\":\"x\",\"e\":\"\"}\n"
                             "{\"n\":null,\"t\":\"-\",\"e\":\"z\"}\n");
    ck_assert_int_eq(room_oddity(&r, "null_text"), 2);
    lh_str texts[] = {LH_S("-"), LH_S("1")};
    r.task.options.null_texts = (lh_list){texts, 2};
    ck_ingest_ok(&r, "x.csv", "n,t\n1,-\n2,x\n");
    ck_str_is(room_rows(&r), "{\"n\":null,\"t\":null}\n{\"n\":2,\"t\":\"x\"}\n");
    room_close(&r);
}

/* Rows with everything that makes cutting hard; the sum of ids says whether each came once. */
static lh_str big_file(room *r, size_t rows, const char *last)
{
    lh_buf out;
    lh_buf_init(&out, 256 * 1024 * 1024);
    ck_assert_int_eq(lh_buf_append(&r->cx, &out, LH_S("id,v,text\n")), LH_OK);
    for (size_t i = 0; i < rows; i++)
        ck_assert_int_eq(
            lh_buf_printf(&r->cx, &out,
                          "%zu,%zu,\"line one of %zu\n%zu,%zu,fake\n, \"\"said\"\" he%s\"\n", i,
                          i * 3, i, i, i, i % 7 == 0 ? "\r\n\r\nand more, much more, of it" : ""),
            LH_OK);
    ck_assert_int_eq(lh_buf_append(&r->cx, &out, lh_str_from(last)), LH_OK);
    lh_str text = lh_ctx_dup(&r->cx, lh_buf_str(&out));
    lh_buf_done(&out);
    return text;
}

LH_TEST(parts_side_by_side_equal_one_part)
{
    enum { ROWS = 350000 };
    room r;
    room_open(&r);
    lh_str text = big_file(&r, ROWS, "");
    ck_assert_uint_gt(text.len, 16 * 1024 * 1024);
    ck_assert_int_eq(room_ingest(&r, "x.csv", text), LH_OK);
    ck_assert_uint_gt(r.done.parts.count, 1);
    ck_assert_uint_eq(r.done.rows, ROWS);
    static const char sum[] =
        "count(*) n, sum(id)::BIGINT s, sum(v)::BIGINT v, sum(length(text))::BIGINT t, "
        "md5(string_agg(text, '|' ORDER BY id)) h, bool_and(v = 3 * id) ok";
    lh_str parallel = room_select(&r, sum);
    r.env.threads = 1;
    ck_assert_int_eq(room_ingest(&r, "x.csv", text), LH_OK);
    ck_assert_uint_eq(r.done.parts.count, 1);
    ck_assert_msg(lh_str_eq(parallel, room_select(&r, sum)), "%.*s", LH_STR_ARG(parallel));
    /* Order is the file's. */
    ck_str_is(room_select(&r, "list(id) = list(id ORDER BY id) ok"), "{\"ok\":true}\n");
    room_close(&r);
}

LH_TEST(a_late_value_changes_the_type_of_the_whole_column)
{
    room r;
    room_open(&r);
    lh_str text = big_file(&r, 60000, "x,1.5,last,extra\n");
    ck_assert_int_eq(room_ingest(&r, "x.csv", text), LH_OK);
    ck_str_is(room_columns(&r), "id VARCHAR, v DOUBLE, text VARCHAR, _extra VARCHAR");
    ck_assert_uint_eq(r.done.rows, 60001);
    ck_assert_int_eq(room_oddity(&r, "long_row"), 1);
    room_close(&r);
}

LH_TEST(a_column_that_starts_empty_is_typed_by_what_comes)
{
    room r;
    room_open(&r);
    lh_buf out;
    lh_buf_init(&out, 64 * 1024 * 1024);
    ck_assert_int_eq(lh_buf_append(&r.cx, &out, LH_S("a,b\n")), LH_OK);
    for (int i = 0; i < 400000; i++)
        ck_assert_int_eq(lh_buf_printf(&r.cx, &out, "%d,\n", i), LH_OK);
    ck_assert_int_eq(lh_buf_append(&r.cx, &out, LH_S("1,2024-05-06\n")), LH_OK);
    ck_assert_int_eq(room_ingest(&r, "x.csv", lh_buf_str(&out)), LH_OK);
    ck_str_is(room_columns(&r), "a BIGINT, b DATE");
    lh_buf_done(&out);
    room_close(&r);
}

LH_TEST(a_wide_table_goes_through)
{
    enum { COLUMNS = 2000, ROWS = 60 };
    room r;
    room_open(&r);
    lh_buf out;
    lh_buf_init(&out, 64 * 1024 * 1024);
    for (int row = -1; row < ROWS; row++)
        for (int i = 0; i < COLUMNS; i++)
            ck_assert_int_eq(lh_buf_printf(&r.cx, &out, "%s%d%s", row < 0 ? "c" : "",
                                           row < 0 ? i : row * i, i + 1 < COLUMNS ? "," : "\n"),
                             LH_OK);
    ck_assert_int_eq(room_ingest(&r, "x.csv", lh_buf_str(&out)), LH_OK);
    ck_assert_uint_eq(r.done.columns.count, COLUMNS);
    ck_assert_uint_eq(r.done.rows, ROWS);
    lh_buf_done(&out);
    room_close(&r);
}

LH_TEST(options_that_cannot_be_are_refused)
{
    room r;
    room_open(&r);
    r.task.options.delimiter = LH_S("ab");
    ck_assert_int_eq(room_ingest(&r, "x.csv", LH_S("a,b\n")), LH_E_BAD_VALUE);
    ck_assert_str_eq(r.cx.err.field, "options.delimiter");
    r.task.options.delimiter = LH_STR_NONE;
    r.task.options.encoding = LH_S("ebcdic");
    ck_assert_int_eq(room_ingest(&r, "x.csv", LH_S("a,b\n")), LH_E_BAD_VALUE);
    r.task.options.encoding = LH_STR_NONE;
    ck_assert_int_eq(room_ingest(&r, "x.csv", LH_S("")), LH_E_UNPROCESSABLE);
    ck_assert_int_eq(room_ingest(&r, "x.csv", LH_S("%PDF-1.7\n")), LH_E_UNSUPPORTED_MEDIA);
    room_close(&r);
}

LH_TEST(personal_looking_columns_are_counted)
{
    room r;
    room_open(&r);
    ck_ingest_ok(&r, "x.csv", "m,p,s,t\na@example.com,555-010-0100,900-12-3456,x\n,,,\n");
    const lh_ingest_column *columns = r.done.columns.items;
    ck_assert_uint_eq(columns[0].like_email, 1);
    ck_assert_uint_eq(columns[1].like_phone, 1);
    ck_assert_uint_eq(columns[2].like_ssn, 1);
    ck_assert_uint_eq(columns[3].like_email + columns[3].like_phone + columns[3].like_ssn, 0);
    ck_assert_uint_eq(columns[0].values, 1);
    room_close(&r);
}
