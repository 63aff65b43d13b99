/* JSON, NDJSON, text, Parquet, packed files, upsert. links: worker os base */
#include "base/fault.h"
#include "unit/programs/ingest_room.h"
#include "worker/programs/ingest_chunks.h"
#include "worker/programs/ingest_stats.h"

#include <zlib.h>

LH_TEST(objects_become_dotted_columns_and_keys_a_union)
{
    room r;
    room_open(&r);
    ck_ingest_ok(&r, "x.ndjson",
                 "{\"a\":1,\"b\":{\"c\":2,\"d\":[1, {\"x\":null}]},\"when\":\"2024-01-01\"}\n"
                 "{\"b\":{\"c\":\"two\"},\"e\":true,\"when\":\"2024-01-02\"}\r\n"
                 "\n"
                 "{\"a\":9007199254740993,\"b\":{},\"f\":18446744073709551616}\n");
    ck_str_is(room_columns(&r),
              "a BIGINT, b.c VARCHAR, b.d VARCHAR, when DATE, e BOOLEAN, b VARCHAR, "
              "f VARCHAR");
    ck_str_is(
        room_rows(&r),
        "{\"a\":1,\"b.c\":\"2\",\"b.d\":\"[1, {\\\"x\\\":null}]\",\"when\":\"2024-01-01\","
        "\"e\":null,\"b\":null,\"f\":null}\n"
        "{\"a\":null,\"b.c\":\"two\",\"b.d\":null,\"when\":\"2024-01-02\",\"e\":true,\"b\":null,"
        "\"f\":null}\n"
        "{\"a\":9007199254740993,\"b.c\":null,\"b.d\":null,\"when\":null,\"e\":null,\"b\":\"{}\","
        "\"f\":\"18446744073709551616\"}\n");
    ck_assert_int_eq(room_oddity(&r, "blank_line"), 1);
    room_close(&r);
}

LH_TEST(a_malformed_line_is_kept_as_a_row)
{
    room r;
    room_open(&r);
    ck_ingest_ok(&r, "x.jsonl", "{\"a\":1}\n{\"a\":2,\"b\":oops}\n{\"a\":3}\n");
    ck_str_is(room_rows(&r), "{\"a\":1,\"_malformed\":null}\n"
                             "{\"a\":null,\"_malformed\":\"{\\\"a\\\":2,\\\"b\\\":oops}\"}\n"
                             "{\"a\":3,\"_malformed\":null}\n");
    ck_assert_int_eq(room_oddity(&r, "malformed_line"), 1);
    ck_assert_int_eq(room_ingest(&r, "x.jsonl", LH_S("no\njson\n")), LH_E_UNPROCESSABLE);
    room_close(&r);
}

LH_TEST(arrays_single_objects_and_values_in_a_row)
{
    room r;
    room_open(&r);
    ck_ingest_ok(&r, "x.json", " [ {\"a\":1} ,\n {\"a\":1.5,\"A\":\"x\"}, 7 ] ");
    ck_str_is(room_rows(&r), "{\"a\":1.0,\"A_2\":null,\"value\":null}\n"
                             "{\"a\":1.5,\"A_2\":\"x\",\"value\":null}\n"
                             "{\"a\":null,\"A_2\":null,\"value\":7}\n");
    ck_ingest_ok(&r, "x.json", "{\n \"a\": {\"b\": 1}\n}");
    ck_str_is(room_rows(&r), "{\"a.b\":1}\n");
    ck_ingest_ok(&r, "x.json", "{\n \"a\":1\n}\n{\n \"a\":2\n}");
    ck_assert_uint_eq(r.done.rows, 2);
    ck_ingest_ok(&r, "x.json", "{\"a.b\":1,\"a\":{\"b\":2}}");
    ck_str_is(room_rows(&r), "{\"a.b\":1,\"a.b_2\":2}\n");
    ck_ingest_ok(&r, "x.json", "{\"a\":1,\"a\":null,\"a\":3}");
    ck_str_is(room_rows(&r), "{\"a\":3}\n");
    ck_assert_int_eq(room_oddity(&r, "duplicate_key"), 2);
    room_close(&r);
}

LH_TEST(lone_surrogates_and_bad_bytes_are_replaced_and_counted)
{
    room r;
    room_open(&r);
    ck_ingest_ok(&r, "x.ndjson", "{\"a\":\"x\\ud800y\"}\n{\"a\":\"\xFF\"}\n");
    ck_str_is(room_rows(&r), "{\"a\":\"x\xEF\xBF\xBDy\"}\n{\"a\":\"\xEF\xBF\xBD\"}\n");
    ck_assert_int_eq(room_oddity(&r, "lone_surrogate"), 1);
    ck_assert_int_eq(room_oddity(&r, "bad_utf8"), 1);
    room_close(&r);
}

LH_TEST(broken_arrays_say_where)
{
    static const struct {
        const char *text;
        int line;
        int column;
    } cases[] = {
        {"[{\"a\":1},\n {\"b\":}\n]", 2, 7},
        {"[{\"a\":1}\n {\"b\":1}]", 2, 2},
        {"[{\"a\":1}", 1, 9},
        {"[{\"a\":1},]", 1, 10},
        {"[{\"a\":1}] x", 1, 11},
        {"{\"a\":", 1, 6},
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(cases); i++) {
        room r;
        room_open(&r);
        ck_assert_int_eq(room_ingest(&r, "x.json", lh_str_from(cases[i].text)), LH_E_UNPROCESSABLE);
        ck_assert_msg(r.cx.err.line == cases[i].line && r.cx.err.column == cases[i].column,
                      "%s: %d:%d %s", cases[i].text, r.cx.err.line, r.cx.err.column,
                      r.cx.err.message);
        room_close(&r);
    }
}

LH_TEST_LOOP(json_in_parts_equals_json_in_one, 2)
{
    enum { ROWS = 300000 };
    room r;
    room_open(&r);
    lh_buf out;
    lh_buf_init(&out, 256 * 1024 * 1024);
    if (_i == 0)
        ck_assert_int_eq(lh_buf_append_char(&r.cx, &out, '['), LH_OK);
    for (int i = 0; i < ROWS; i++)
        ck_assert_int_eq(
            lh_buf_printf(
                &r.cx, &out,
                "%s{\"id\":%d,\"t\":\"text, of { row ] %d \\\"x\\\"\",\"o\":{\"k%d\":%d}}",
                i == 0    ? ""
                : _i == 0 ? ",\n"
                          : "\n",
                i, i, i % 5, i),
            LH_OK);
    if (_i == 0)
        ck_assert_int_eq(lh_buf_append_char(&r.cx, &out, ']'), LH_OK);
    const char *name = _i == 0 ? "x.json" : "x.ndjson";
    static const char sum[] = "count(*) n, sum(id)::BIGINT s, sum(coalesce(\"o.k3\",0))::BIGINT k, "
                              "md5(string_agg(t, '|' ORDER BY id)) h";
    ck_assert_int_eq(room_ingest(&r, name, lh_buf_str(&out)), LH_OK);
    ck_assert_uint_gt(r.done.parts.count, 1);
    ck_assert_uint_eq(r.done.rows, ROWS);
    lh_str parallel = room_select(&r, sum);
    r.env.threads = 1;
    ck_assert_int_eq(room_ingest(&r, name, lh_buf_str(&out)), LH_OK);
    ck_assert(lh_str_eq(parallel, room_select(&r, sum)));
    lh_buf_done(&out);
    room_close(&r);
}

LH_TEST(text_files_keep_every_byte)
{
    room r;
    room_open(&r);
    ck_ingest_ok(&r, "a.txt",
                 "Gr\xFC\xDF"
                 "e\n\nsecond");
    ck_str_is(room_rows(&r), "{\"file_name\":\"a.txt\",\"part_no\":1,\"text\":\"Gr\xC3\xBC\xC3\x9F"
                             "e\\n\\nsecond\"}\n");
    ck_ingest_ok(&r, "a.log", "one\r\n\ntwo");
    ck_str_is(room_select(&r, "line_no, text"), "{\"line_no\":1,\"text\":\"one\"}\n"
                                                "{\"line_no\":2,\"text\":\"\"}\n"
                                                "{\"line_no\":3,\"text\":\"two\"}\n");
    lh_buf out;
    lh_buf_init(&out, 16 * 1024 * 1024);
    for (int i = 0; i < 200000; i++)
        ck_assert_int_eq(lh_buf_printf(&r.cx, &out, "paragraph %d\n%s", i, i % 10 == 0 ? "\n" : ""),
                         LH_OK);
    ck_assert_int_eq(room_ingest(&r, "big.md", lh_buf_str(&out)), LH_OK);
    ck_assert_uint_gt(r.done.rows, 2);
    ck_str_is(room_select(&r, "length(string_agg(text, '' ORDER BY part_no)) n"),
              lh_ctx_fmt(&r.cx, "{\"n\":%zu}\n", out.len).ptr);
    lh_buf_done(&out);
    room_close(&r);
}

static lh_str gzip(room *r, lh_str text)
{
    uLong bound = compressBound((uLong)text.len) + 64;
    unsigned char *out = lh_arena_alloc(r->arena, bound);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)text.ptr,
                  .avail_in = (unsigned)text.len,
                  .next_out = out,
                  .avail_out = (unsigned)bound};
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return lh_str_n(out, z.total_out);
}

LH_TEST(packed_files_are_unpacked_and_bounded)
{
    room r;
    room_open(&r);
    lh_str packed = gzip(&r, LH_S("a,b\n1,2\n"));
    ck_assert_int_eq(room_ingest(&r, "x.csv.gz", packed), LH_OK);
    ck_str_is(room_rows(&r), "{\"a\":1,\"b\":2}\n");
    ck_assert_int_eq(room_ingest(&r, "x.csv.gz", lh_str_sub(packed, 0, packed.len - 9)),
                     LH_E_UNPROCESSABLE);
    static const char *const names[] = {"x.csv.gz", "x.CSV.GZ", "x.zst", "x.gzip"};
    for (size_t i = 0; i < LH_ARRAY_LEN(names); i++) {
        ck_assert_int_eq(room_ingest(&r, names[i], LH_S("a,b\n1,2\n")), LH_E_UNPROCESSABLE);
        ck_assert_ptr_nonnull(strstr(r.cx.err.hint, "name"));
    }
    r.task.options.format = LH_FORMAT_CSV; /* who says the format is believed */
    ck_assert_int_eq(room_ingest(&r, "x.csv.gz", LH_S("a,b\n1,2\n")), LH_OK);
    r.task.options.format = LH_FORMAT_AUTO;
    r.task.unpacked_bytes_max = 1024 * 1024;
    lh_buf zeros;
    lh_buf_init(&zeros, 64 * 1024 * 1024);
    for (int i = 0; i < 400000; i++)
        ck_assert_int_eq(lh_buf_append(&r.cx, &zeros, LH_S("0,0,0,0\n")), LH_OK);
    ck_assert_int_eq(room_ingest(&r, "x.csv.gz", gzip(&r, lh_buf_str(&zeros))), LH_E_TOO_LARGE);
    lh_buf_done(&zeros);
    lh_dir_entry *entries;
    size_t count;
    ck_assert_int_eq(lh_dir_list(&r.cx, r.folder, &entries, &count), LH_OK);
    ck_assert_uint_eq(count, 1); /* the first file's part, nothing of the failed ones */
    room_close(&r);
}

static lh_str parquet_of(room *r, const char *select)
{
    duckdb_connection connection;
    ck_assert_int_eq(lh_ingest_connect(&r->cx, &r->env, &connection), LH_OK);
    lh_str path = lh_path_join(&r->cx, r->folder, LH_S("made.parquet"));
    lh_str sql =
        lh_ctx_fmt(&r->cx, "COPY (%s) TO '%.*s' (FORMAT parquet)", select, LH_STR_ARG(path));
    ck_assert_msg(lh_duck_run(&r->cx, connection, sql.ptr) == LH_OK, "%s", r->cx.err.message);
    duckdb_disconnect(&connection);
    lh_str bytes;
    ck_assert_int_eq(lh_file_read_all(&r->cx, path, 16 * 1024 * 1024, &bytes), LH_OK);
    return bytes;
}

LH_TEST(parquet_is_rewritten_with_types_tables_can_hold)
{
    room r;
    room_open(&r);
    lh_str bytes = parquet_of(&r, "SELECT 1::UTINYINT a, 2::UBIGINT b, [1,2]::INTEGER[2] c, "
                                  "{'x': 3::UINTEGER, 'y': ['s']} d, MAP {'k': 4::USMALLINT} e, "
                                  "'2024-01-01 00:00:00.123456789'::TIMESTAMP_NS f, '{}'::JSON g");
    ck_assert_msg(room_ingest(&r, "x.parquet", bytes) == LH_OK, "%s", r.cx.err.message);
    ck_str_is(room_columns(&r),
              "a INTEGER, b DECIMAL(20,0), c INTEGER[], d STRUCT(x BIGINT, y VARCHAR[]), "
              "e MAP(VARCHAR, INTEGER), f TIMESTAMP, g VARCHAR");
    ck_str_is(room_select(&r, "a, c, d.x x, d.y[1] y"),
              "{\"a\":1,\"c\":[1,2],\"x\":3,\"y\":\"s\"}\n");
    ck_assert_int_eq(room_ingest(&r, "x.parquet", lh_str_sub(bytes, 0, bytes.len - 20)),
                     LH_E_UNPROCESSABLE);
    ck_assert_int_eq(room_ingest(&r, "x.parquet", LH_S("a,b\n1,2\n")), LH_E_UNPROCESSABLE);
    room_close(&r);
}

LH_TEST(upsert_replaces_by_key_and_appends_what_has_none)
{
    room r;
    room_open(&r);
    r.task.key = LH_S("ID");
    r.task.base_sql =
        LH_S("SELECT * FROM (VALUES (1, 'old', true), (3, 'keep', false), (NULL, 'nk', true)) "
             "t(id, v, w)");
    ck_ingest_ok(&r, "x.csv", "id,v\n1,new\n2,first\n2,second\n,nokey\n");
    ck_str_is(room_rows(&r), "{\"id\":3,\"v\":\"keep\",\"w\":false}\n"
                             "{\"id\":null,\"v\":\"nk\",\"w\":true}\n"
                             "{\"id\":1,\"v\":\"new\",\"w\":null}\n"
                             "{\"id\":2,\"v\":\"second\",\"w\":null}\n"
                             "{\"id\":null,\"v\":\"nokey\",\"w\":null}\n");
    ck_assert_int_eq(room_oddity(&r, "duplicate_row_key"), 1);
    r.task.key = LH_S("idd");
    ck_assert_int_eq(room_ingest(&r, "x.csv", LH_S("id,v\n1,new\n")), LH_E_BAD_VALUE);
    ck_assert_str_eq(r.cx.err.field, "key");
    room_close(&r);
}

LH_TEST(keys_of_different_types_meet_as_text)
{
    room r;
    room_open(&r);
    r.task.key = LH_S("id");
    r.task.base_sql = LH_S("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) t(id, v)");
    ck_ingest_ok(&r, "x.csv", "id,v\n2,B\nx7,C\n");
    ck_str_is(room_rows(&r), "{\"id\":\"1\",\"v\":\"a\"}\n{\"id\":\"2\",\"v\":\"B\"}\n"
                             "{\"id\":\"x7\",\"v\":\"C\"}\n");
    room_close(&r);
}

LH_TEST(a_cancelled_job_leaves_no_file)
{
    room r;
    room_open(&r);
    lh_cancel cancel = {0};
    lh_cancel_request(&cancel);
    r.cx.cancel = &cancel;
    ck_assert_int_eq(room_ingest(&r, "x.csv", LH_S("a,b\n1,2\n")), LH_E_CANCELLED);
    r.cx.cancel = NULL;
    lh_dir_entry *entries;
    size_t count;
    ck_assert_int_eq(lh_dir_list(&r.cx, r.folder, &entries, &count), LH_OK);
    ck_assert_uint_eq(count, 0);
    room_close(&r);
}

LH_TEST(chunk_rows_survive_their_frame)
{
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, 4096);
    const lh_chunk_row row = {LH_S("CAND-1"), 3, LH_S("text"), UINT64_C(0xFEDCBA9876543210),
                              LH_S("\0\0\x80?")};
    lh_chunk_row back;
    ck_assert_int_eq(lh_chunk_row_write(&cx, &out, &row), LH_OK);
    lh_str rest = lh_buf_str(&out);
    ck_assert_int_eq(lh_chunk_row_read(&cx, &rest, &back), LH_OK);
    ck_assert_uint_eq(rest.len, 0);
    ck_assert(lh_str_eq(back.doc_id, row.doc_id) && lh_str_eq(back.vector, row.vector));
    ck_assert_uint_eq(back.content_hash, row.content_hash);
    for (size_t cut = 0; cut < out.len; cut++) {
        rest = lh_str_sub(lh_buf_str(&out), 0, cut);
        ck_assert_int_eq(lh_chunk_row_read(&cx, &rest, &back), LH_E_CORRUPT);
    }
    lh_arena_free(arena);
}

LH_TEST(likenesses_are_told_apart)
{
    ck_assert(lh_like_email(LH_S("a.b+c@example.co.uk")) && !lh_like_email(LH_S("a@b")));
    ck_assert(!lh_like_email(LH_S("see a@b.com now")) && !lh_like_email(LH_S("@b.com")));
    ck_assert(lh_like_phone(LH_S("+1 (555) 010-0100")) && lh_like_phone(LH_S("5550100100")));
    ck_assert(!lh_like_phone(LH_S("2024-01-02")) && !lh_like_phone(LH_S("12345678901")));
    ck_assert(lh_like_ssn(LH_S("900-12-3456")) && !lh_like_phone(LH_S("900-12-3456")));
}

static lh_rc cancel_at_once(lh_ctx *cx, void *arg, const lh_progress_message *message)
{
    (void)arg;
    (void)message;
    return lh_fail(cx, LH_E_CANCELLED, "the test says stop");
}

LH_TEST(a_job_stopped_while_writing_says_so_and_leaves_no_file)
{
    room r;
    room_open(&r);
    lh_buf out;
    lh_buf_init(&out, 256 * 1024 * 1024);
    for (int i = 0; i < 2000000; i++)
        ck_assert_int_eq(lh_buf_printf(&r.cx, &out, "%d,some text of row %d\n", i, i), LH_OK);
    r.env.progress = cancel_at_once;
    ck_assert_int_eq(room_ingest(&r, "x.csv", lh_buf_str(&out)), LH_E_CANCELLED);
    ck_assert_int_eq(r.cx.err.rc, LH_E_CANCELLED);
    lh_dir_entry *entries;
    size_t count;
    ck_assert_int_eq(lh_dir_list(&r.cx, r.folder, &entries, &count), LH_OK);
    ck_assert_uint_eq(count, 0);
    lh_buf_done(&out);
    room_close(&r);
}

static size_t files_in(room *r)
{
    lh_dir_entry *entries;
    size_t count;
    ck_assert_int_eq(lh_dir_list(&r->cx, r->folder, &entries, &count), LH_OK);
    return count;
}

#if defined(LH_FAULTS) && LH_FAULTS
LH_TEST(a_part_that_cannot_be_synced_is_no_part)
{
    room r;
    room_open(&r);
    lh_fault_arm(LH_FAULT_INGEST_PART_BEFORE_SYNC, LH_FAULT_FAIL, 1, 0);
    ck_assert_int_eq(room_ingest(&r, "x.csv", LH_S("a,b\n1,2\n")), LH_E_IO);
    lh_fault_disarm_all();
    ck_assert_uint_eq(files_in(&r), 0);
    ck_ingest_ok(&r, "x.csv", "a,b\n1,2\n");
    room_close(&r);
}
#endif

/* Every allocation of ours fails once: an honest error, no file, no leak (the sanitizer looks). */
LH_TEST_LOOP(memory_that_runs_out_is_an_error, 2)
{
    static const struct {
        const char *name;
        const char *text;
    } files[] = {{"x.csv", "a,b\n1,\"x \"\"y\"\"\"\nK\xF6ln,2,3\n\n4\n"},
                 {"x.ndjson", "{\"a\":{\"b\":[1]},\"c\":\"\\u00e9\"}\noops\n{\"d\":1}\n"}};
    room r;
    room_open(&r);
    for (uint64_t n = 0;; n++) {
        int fd;
        ck_assert_int_eq(lh_memfd_new(&r.cx, "source", lh_str_from(files[_i].text), &fd), LH_OK);
        r.task.file_name = lh_str_from(files[_i].name);
        lh_alloc_fail_after(n, 0);
        lh_rc rc = lh_ingest_file(&r.cx, &r.env, &r.task, fd, &r.done);
        uint64_t failed = lh_alloc_failures();
        lh_alloc_fail_off();
        ck_assert_msg(rc == LH_OK || rc == LH_E_NO_MEMORY, "allocation %d: %s %s", (int)n,
                      lh_rc_code(rc), r.cx.err.message);
        ck_assert_uint_eq(files_in(&r), rc == LH_OK ? 1 : 0);
        if (rc == LH_OK)
            ck_assert_int_eq(
                lh_file_remove(&r.cx, lh_path_join(&r.cx, r.folder, LH_S("part-0.parquet"))),
                LH_OK);
        lh_err_clear(&r.cx);
        if (failed == 0)
            break;
    }
    ck_assert_uint_eq(r.done.rows, 3);
    room_close(&r);
}
