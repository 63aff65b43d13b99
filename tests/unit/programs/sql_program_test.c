/* sql_program_test.c - statements through a real worker: formats, parameters, limits, views,
 * errors. links: worker os base */
#include "support/test_pool.h"
#include "support/unit.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>

static lh_test_pool t;

static void open_pool(void)
{
    lh_test_pool_open(&t, &(lh_worker_limits){
                              .workers_max = 1, .queue_max = 1, .memory_bytes = UINT64_C(1) << 30});
}

static lh_rc ask(const lh_test_query *query, lh_test_answer *answer)
{
    return lh_test_sql(&t.cx, t.pool, query, answer);
}

static void expect_query(const lh_test_query *query, const char *wanted)
{
    LH_CLEANUP(lh_test_answer_done) lh_test_answer answer;
    lh_rc rc = ask(query, &answer);
    ck_assert_msg(rc == LH_OK, "%s", t.cx.err.message);
    ck_assert_msg(lh_str_eq(lh_buf_str(&answer.body), lh_str_from(wanted)), "%.*s",
                  LH_STR_ARG(lh_buf_str(&answer.body)));
}

static void expect(const char *sql, int format, const char *wanted)
{
    expect_query(&(lh_test_query){.sql = lh_str_from(sql), .format = format}, wanted);
}

static void expect_error(const lh_test_query *query, lh_rc wanted)
{
    lh_rc rc = ask(query, NULL);
    ck_assert_msg(rc == wanted, "%s: %s", lh_rc_code(rc), rc == LH_OK ? "" : t.cx.err.message);
}

typedef struct value_row {
    const char *sql;  /* expression */
    const char *json; /* as JSON; NULL: not asked */
    const char *csv;
} value_row;

static const value_row values[] = {
    {"NULL::INT", "null", ""},
    {"true", "true", "true"},
    {"(-128)::TINYINT", "-128", "-128"},
    {"9223372036854775807", "9223372036854775807", "9223372036854775807"},
    {"18446744073709551615::UBIGINT", "18446744073709551615", "18446744073709551615"},
    {"(-170141183460469231731687303715884105728)::HUGEINT",
     "-170141183460469231731687303715884105728", NULL},
    {"170141183460469231731687303715884105727::HUGEINT", "170141183460469231731687303715884105727",
     NULL},
    {"340282366920938463463374607431768211455::UHUGEINT", "340282366920938463463374607431768211455",
     NULL},
    {"0.1::DOUBLE", "0.1", "0.1"},
    {"1e300::DOUBLE", "1e+300", "1e+300"},
    {"0.1::FLOAT", "0.1", "0.1"},
    {"'nan'::DOUBLE", "null", "NaN"},
    {"'-inf'::DOUBLE", "null", "-inf"},
    {"'inf'::FLOAT", "null", "inf"},
    {"0.05::DECIMAL(4,2)", "0.05", "0.05"},
    {"(-0.05)::DECIMAL(9,2)", "-0.05", "-0.05"},
    {"1234567890.12::DECIMAL(18,2)", "1234567890.12", "1234567890.12"},
    {"(-12345678901234567890123456789.123)::DECIMAL(38,3)", "-12345678901234567890123456789.123",
     NULL},
    {"'a\"b\\c' || chr(10) || chr(1)", "\"a\\\"b\\\\c\\n\\u0001\"", NULL},
    {"'a,b'", "\"a,b\"", "\"a,b\""},
    {"'say \"hi\"'", NULL, "\"say \"\"hi\"\"\""},
    {"''", "\"\"", "\"\""},
    {"' padded '", "\" padded \"", "\" padded \""},
    {"'größe 名'", "\"größe 名\"", "größe 名"},
    {"'\\x00\\xFFa'::BLOB", "\"AP9h\"", "AP9h"},
    {"'0101'::BIT", "\"0101\"", "0101"},
    {"DATE '2024-02-29'", "\"2024-02-29\"", "2024-02-29"},
    {"DATE '0044-03-15 (BC)'", "\"-0043-03-15\"", "-0043-03-15"},
    {"'infinity'::DATE", "\"infinity\"", "infinity"},
    {"TIME '01:02:03.000004'", "\"01:02:03.000004\"", "01:02:03.000004"},
    {"TIMESTAMP '1969-12-31 23:59:59.5'", "\"1969-12-31T23:59:59.5\"", "1969-12-31T23:59:59.5"},
    {"TIMESTAMP '2024-01-01 00:00:00'", "\"2024-01-01T00:00:00\"", "2024-01-01T00:00:00"},
    {"'-infinity'::TIMESTAMP", "\"-infinity\"", "-infinity"},
    {"'2024-01-01 00:00:00'::TIMESTAMP_S", "\"2024-01-01T00:00:00\"", NULL},
    {"'2024-01-01 00:00:00.120'::TIMESTAMP_MS", "\"2024-01-01T00:00:00.12\"", NULL},
    {"'2024-01-01 00:00:00.123456789'::TIMESTAMP_NS", "\"2024-01-01T00:00:00.123456789\"", NULL},
    {"TIMESTAMPTZ '2024-06-01 12:00:00+02'", "\"2024-06-01T10:00:00Z\"", "2024-06-01T10:00:00Z"},
    {"'12:00:00-02:30'::TIMETZ", "\"12:00:00-02:30\"", "12:00:00-02:30"},
    {"INTERVAL '1 year 2 months 3 days 04:05:06.5'", "\"P1Y2M3DT4H5M6.5S\"", "P1Y2M3DT4H5M6.5S"},
    {"INTERVAL 0 DAY", "\"PT0S\"", "PT0S"},
    {"INTERVAL '-00:00:00.5'", "\"PT-0.5S\"", "PT-0.5S"},
    {"INTERVAL 90 MINUTE", "\"PT1H30M\"", "PT1H30M"},
    {"'f47ac10b-58cc-4372-a567-0e02b2c3d479'::UUID", "\"f47ac10b-58cc-4372-a567-0e02b2c3d479\"",
     NULL},
    {"'b'::ENUM ('a', 'b')", "\"b\"", "b"},
    {"[1, NULL, 3]", "[1,null,3]", "\"[1,null,3]\""},
    {"[]::INT[]", "[]", "[]"},
    {"[[1], [], NULL]", "[[1],[],null]", NULL},
    {"[1, 2]::INT[2]", "[1,2]", "\"[1,2]\""},
    {"{'a': 1, 'b c': {'d': 'x'}}", "{\"a\":1,\"b c\":{\"d\":\"x\"}}", NULL},
    {"MAP {'k': 1, 'l': NULL}", "{\"k\":1,\"l\":null}", NULL},
    {"MAP {1: [true]}", "{\"1\":[true]}", NULL},
    {"MAP {[1, 2]: 3}", "{\"[1,2]\":3}", NULL},
    {"5::UNION(num INT, str VARCHAR)", "5", "5"},
    {"'q'::UNION(num INT, str VARCHAR)", "\"q\"", NULL},
    {"'{\"j\":[1]}'::JSON", "\"{\\\"j\\\":[1]}\"", NULL},
};

LH_TEST(every_type_has_its_text)
{
    open_pool();
    for (size_t i = 0; i < LH_ARRAY_LEN(values); i++) {
        char sql[512], wanted[512];
        (void)snprintf(sql, sizeof(sql), "SELECT %s AS v", values[i].sql);
        (void)snprintf(wanted, sizeof(wanted), "{\"v\":%s}",
                       values[i].json != NULL ? values[i].json : "");
        if (values[i].json != NULL)
            expect(sql, LH_SQL_JSON, wanted);
        (void)snprintf(wanted, sizeof(wanted), "v\r\n%s\r\n",
                       values[i].csv != NULL ? values[i].csv : "");
        if (values[i].csv != NULL)
            expect(sql, LH_SQL_CSV, wanted);
    }
    lh_test_pool_close(&t);
}

LH_TEST(formats_frame_their_rows)
{
    open_pool();
    const char *sql =
        "SELECT i AS a, CASE WHEN i > 0 THEN 'x' END AS \"b\"\"c\" FROM range(2) t(i)";
    expect(sql, LH_SQL_JSON, "{\"a\":0,\"b\\\"c\":null},{\"a\":1,\"b\\\"c\":\"x\"}");
    expect(sql, LH_SQL_JSON_ARRAYS, "[0,null],[1,\"x\"]");
    expect(sql, LH_SQL_NDJSON, "{\"a\":0,\"b\\\"c\":null}\n{\"a\":1,\"b\\\"c\":\"x\"}\n");
    expect(sql, LH_SQL_CSV, "a,\"b\"\"c\"\r\n0,\r\n1,x\r\n");
    expect("SELECT 1 AS a WHERE false", LH_SQL_JSON, "");
    expect("SELECT 1 AS a WHERE false", LH_SQL_CSV, "a\r\n");
    lh_test_pool_close(&t);
}

LH_TEST(big_integers_are_text_when_asked)
{
    open_pool();
    lh_test_query query = {
        .sql = LH_S(
            "SELECT 9007199254740992 AS a, 9007199254740993 AS b, -9007199254740993 AS c, 1 AS d, "
            "12345678901234567890::HUGEINT AS e, 1.5::DECIMAL(38,1) AS f, [9007199254740993] AS g"),
        .big_ints_as_text = true};
    expect_query(
        &query,
        "{\"a\":9007199254740992,\"b\":\"9007199254740993\",\"c\":\"-9007199254740993\",\"d\":1,"
        "\"e\":\"12345678901234567890\",\"f\":1.5,\"g\":[\"9007199254740993\"]}");
    lh_test_pool_close(&t);
}

LH_TEST(limit_cuts_and_says_so)
{
    open_pool();
    static const struct {
        uint64_t limit, offset, rows;
        bool truncated;
    } rows[] = {{0, 0, 10000, false},  {10000, 0, 10000, false}, {9999, 0, 9999, true},
                {5, 0, 5, true},       {0, 9990, 10, false},     {5, 9990, 5, true},
                {10, 9990, 10, false}, {5, 10000, 0, false},     {2048, 2048, 2048, true},
                {1, 20000, 0, false},  {2048, 7952, 2048, false}};
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++) {
        lh_test_query query = {.sql = LH_S("SELECT * FROM range(10000)"),
                               .limit = rows[i].limit,
                               .offset = rows[i].offset};
        LH_CLEANUP(lh_test_answer_done) lh_test_answer answer;
        ck_assert_int_eq(ask(&query, &answer), LH_OK);
        ck_assert_uint_eq(answer.done.rows, rows[i].rows);
        ck_assert_int_eq(answer.done.truncated, rows[i].truncated);
        ck_assert_uint_eq(answer.done.bytes, answer.body.len);
    }
    lh_test_pool_close(&t);
}

LH_TEST(parameters_bind_by_place_and_by_name)
{
    open_pool();
    lh_test_query query = {.sql = LH_S("SELECT $1 AS a, $2 AS b, ?::INT IS NULL AS c"),
                           .params = "[1,\"x\",null]"};
    query.sql = LH_S("SELECT $2 AS b, $1 AS a, $3::INT IS NULL AS c");
    expect_query(&query, "{\"b\":\"x\",\"a\":1,\"c\":true}");
    query = (lh_test_query){.sql = LH_S("SELECT ? + ? AS s"), .params = "[1,2.5]"};
    expect_query(&query, "{\"s\":3.5}");
    query = (lh_test_query){.sql = LH_S("SELECT $x::VARCHAR || $y AS s"),
                            .params = "{\"y\":\"b\",\"x\":\"a\"}"};
    expect_query(&query, "{\"s\":\"ab\"}");
    query = (lh_test_query){.sql = LH_S("SELECT $1 = true AS t"), .params = "[true]"};
    expect_query(&query, "{\"t\":true}");
    static const struct {
        const char *sql, *params;
        lh_rc rc;
    } bad[] = {
        {"SELECT $1", "[]", LH_E_SQL_INVALID},
        {"SELECT $1", "[1,2]", LH_E_SQL_INVALID},
        {"SELECT $1", "{\"a\":1}", LH_E_SQL_INVALID},
        {"SELECT $a", "[1]", LH_E_SQL_INVALID},
        {"SELECT $a", "{\"b\":1}", LH_E_SQL_INVALID},
        {"SELECT $a", "{\"a\":1,\"b\":1}", LH_E_SQL_INVALID},
        {"SELECT $1", "[[1]]", LH_E_BAD_VALUE},
        {"SELECT $1", "[{}]", LH_E_BAD_VALUE},
        {"SELECT $1", "5", LH_E_BAD_VALUE},
        {"SELECT 1", "[1]", LH_E_SQL_INVALID},
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++)
        expect_error(&(lh_test_query){.sql = lh_str_from(bad[i].sql), .params = bad[i].params},
                     bad[i].rc);
    lh_test_pool_close(&t);
}

LH_TEST(errors_know_their_place)
{
    open_pool();
    static const struct {
        const char *sql;
        lh_rc rc;
        int line, column;
    } rows[] = {
        {"SELEC 1", LH_E_SQL_SYNTAX, 1, 1},
        {"SELECT 1,\n  2 3 4", LH_E_SQL_SYNTAX, 2, 5},
        {"SELECT\n\n  nope FROM range(3)", LH_E_SQL_INVALID, 3, 3},
        {"SELECT 'größe', nope FROM range(3)", LH_E_SQL_INVALID, 1, 17},
        {"EXPLAIN SELECT\n sleep_ms(1)", LH_E_SQL_DENIED, 2, 2},
        {"SELECT 1 +\n read_text", LH_E_SQL_INVALID, 2, 2},
        {"SELECT *\nFROM missing", LH_E_UNKNOWN_DATASET, 2, 6},
        {"SELECT 1 AS a, 2 AS bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, "
         "3 AS c, nope, 4 AS "
         "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
         LH_E_SQL_INVALID, 1, 97},
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++) {
        expect_error(&(lh_test_query){.sql = lh_str_from(rows[i].sql)}, rows[i].rc);
        ck_assert_msg(t.cx.err.line == rows[i].line && t.cx.err.column == rows[i].column,
                      "%s: %d:%d", rows[i].sql, t.cx.err.line, t.cx.err.column);
    }
    lh_test_pool_close(&t);
}

LH_TEST(unknown_dataset_comes_with_near_names)
{
    open_pool();
    expect_error(&(lh_test_query){.sql = LH_S("SELECT * FROM candidate")}, LH_E_UNKNOWN_DATASET);
    ck_assert_ptr_nonnull(strstr(t.cx.err.hint, "candidates"));
    ck_assert_str_eq(t.cx.err.field, "candidate");
    lh_test_pool_close(&t);
}

LH_TEST(near_functions_are_in_the_hint)
{
    static const struct {
        const char *sql;
        const char *near;
    } rows[] = {{"SELECT lenght('a')", "\"length\""},
                {"SELECT STRPTME('a', 'b')", "\"strptime\""},
                {"SELECT couunt(*)", "\"count\""},
                {"SELECT reed_text('a')", NULL}}; /* near what is denied: not told */
    open_pool();
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++) {
        expect_error(&(lh_test_query){.sql = lh_str_from(rows[i].sql)}, LH_E_SQL_DENIED);
        const char *hint = t.cx.err.hint;
        ck_assert_msg(rows[i].near ? strstr(hint, rows[i].near) != NULL
                                   : strstr(hint, "read_text") == NULL,
                      "%s: %s", rows[i].sql, hint);
    }
    lh_test_pool_close(&t);
}

LH_TEST(near_columns_are_in_the_hint)
{
    open_pool();
    static const lh_test_view views[] = {{"people", "1", "SELECT 1 AS salary, 2 AS city"}, {0}};
    expect_error(&(lh_test_query){.sql = LH_S("SELECT salry FROM people"), .views = views},
                 LH_E_SQL_INVALID);
    ck_assert_ptr_nonnull(strstr(t.cx.err.hint, "salary"));
    lh_test_pool_close(&t);
}

LH_TEST(view_of_a_new_version_replaces_the_old_one)
{
    open_pool();
    lh_test_view views[] = {{"people", "1", "SELECT 1 AS n"}, {0}};
    lh_test_query query = {.sql = LH_S("SELECT n FROM people"), .views = views};
    expect_query(&query, "{\"n\":1}");
    views[0].sql = "SELECT 2 AS n";
    expect_query(&query, "{\"n\":1}"); /* the same version is the same view */
    views[0].version = "2";
    expect_query(&query, "{\"n\":2}");
    query.sql = LH_S("SELECT n FROM PEOPLE");
    expect_query(&query, "{\"n\":2}");
    lh_test_pool_close(&t);
}

LH_TEST(names_are_quoted_whatever_they_hold)
{
    open_pool();
    static const lh_test_view views[] = {
        {"we\"ird; DROP", "1", "SELECT 1 AS n"}, {"größe", "1", "SELECT 2 AS n"}, {0}};
    expect_query(&(lh_test_query){.sql = LH_S("SELECT n FROM \"we\"\"ird; DROP\""), .views = views},
                 "{\"n\":1}");
    expect_query(&(lh_test_query){.sql = LH_S("SELECT n FROM größe"), .views = views}, "{\"n\":2}");
    lh_test_pool_close(&t);
}

LH_TEST(many_views_push_out_the_oldest)
{
    open_pool();
    for (int i = 0; i < 300; i++) {
        char name[32], sql[64], wanted[64];
        (void)snprintf(name, sizeof(name), "v%d", i % 290);
        (void)snprintf(sql, sizeof(sql), "SELECT n FROM %s", name);
        char view_sql[64];
        (void)snprintf(view_sql, sizeof(view_sql), "SELECT %d AS n", i % 290);
        (void)snprintf(wanted, sizeof(wanted), "{\"n\":%d}", i % 290);
        lh_test_view views[] = {{name, "1", view_sql}, {0}};
        expect_query(&(lh_test_query){.sql = lh_str_from(sql), .views = views}, wanted);
    }
    lh_test_pool_close(&t);
}

LH_TEST(view_that_cannot_be_read_names_no_host_path)
{
    open_pool();
    char sql[256];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT * FROM read_parquet('%s/datasets/secret/gone.parquet')", t.root);
    lh_test_view views[] = {{"people", "1", sql}, {0}};
    lh_test_query query = {.sql = LH_S("SELECT * FROM people"), .views = views};
    expect_error(&query, LH_E_CORRUPT);
    ck_assert_ptr_null(strstr(t.cx.err.message, t.root));
    ck_assert_ptr_null(strstr(t.cx.err.message, "datasets"));
    query.sql = LH_S("SELECT 1 AS a");
    expect_query(&query, "{\"a\":1}");
    lh_test_pool_close(&t);
}

LH_TEST(head_spells_types_as_the_engine_does)
{
    open_pool();
    lh_test_query query = {
        .sql = LH_S(
            "SELECT 'b'::ENUM ('a', 'it''s', 'b') AS e, [{'a': 1, 'B c': MAP {1: [2.5]}}] AS n, "
            "1::UNION(num INT, s VARCHAR) AS u, [1, 2]::INT[2] AS r, '1'::JSON AS j")};
    static const char *const wanted[] = {
        "ENUM('a', 'it''s', 'b')", "STRUCT(a INTEGER, \"B c\" MAP(INTEGER, DECIMAL(2,1)[]))[]",
        "UNION(num INTEGER, s VARCHAR)", "INTEGER[2]", "JSON"};
    LH_CLEANUP(lh_test_answer_done) lh_test_answer answer;
    ck_assert_int_eq(ask(&query, &answer), LH_OK);
    ck_assert_uint_eq(answer.columns_count, LH_ARRAY_LEN(wanted));
    for (size_t i = 0; i < LH_ARRAY_LEN(wanted); i++)
        ck_assert_msg(lh_str_eq(answer.columns[i].type, lh_str_from(wanted[i])), "%.*s",
                      LH_STR_ARG(answer.columns[i].type));
    lh_test_pool_close(&t);
}

LH_TEST(explain_answers_with_a_plan)
{
    open_pool();
    lh_test_query query = {.sql = LH_S("EXPLAIN SELECT 1")};
    LH_CLEANUP(lh_test_answer_done) lh_test_answer answer;
    ck_assert_int_eq(ask(&query, &answer), LH_OK);
    ck_assert_uint_ge(answer.done.rows, 1);
    lh_test_pool_close(&t);
}

LH_TEST(long_result_arrives_whole_in_many_frames)
{
    open_pool();
    lh_test_query query = {.sql = LH_S("SELECT i, 'row ' || i AS s FROM range(200000) t(i)"),
                           .format = LH_SQL_NDJSON};
    LH_CLEANUP(lh_test_answer_done) lh_test_answer answer;
    ck_assert_int_eq(ask(&query, &answer), LH_OK);
    ck_assert_uint_eq(answer.done.rows, 200000);
    ck_assert_uint_gt(answer.frames_count, 10);
    lh_str rest = lh_buf_str(&answer.body);
    lh_str line;
    size_t count = 0;
    while (lh_str_split_next(&rest, '\n', &line) && line.len > 0) {
        char wanted[64];
        (void)snprintf(wanted, sizeof(wanted), "{\"i\":%zu,\"s\":\"row %zu\"}", count, count);
        ck_assert(lh_str_eq(line, lh_str_from(wanted)));
        count++;
    }
    ck_assert_uint_eq(count, 200000);
    lh_test_pool_close(&t);
}

LH_TEST(one_value_may_be_larger_than_a_frame)
{
    open_pool();
    lh_test_query query = {
        .sql = LH_S("SELECT string_agg(repeat('x', 100000), '') AS s FROM range(60)"),
        .format = LH_SQL_CSV};
    LH_CLEANUP(lh_test_answer_done) lh_test_answer answer;
    ck_assert_int_eq(ask(&query, &answer), LH_OK);
    ck_assert_uint_eq(answer.body.len, 6000000 + 5);
    ck_assert_uint_ge(answer.frames_count, 2);
    lh_test_pool_close(&t);
}

/* Marker, length, padding of every message; the end marker at the end. What is inside is checked
 * with pyarrow. */
LH_TEST(arrow_stream_is_framed)
{
    open_pool();
    lh_test_query query = {
        .sql = LH_S("SELECT i, [i] AS l, {'a': 'x' || i} AS s FROM range(50000) t(i)"),
        .format = LH_SQL_ARROW};
    LH_CLEANUP(lh_test_answer_done) lh_test_answer answer;
    ck_assert_int_eq(ask(&query, &answer), LH_OK);
    ck_assert_uint_eq(answer.body.len % 8, 0);
    static const char end[8] = {'\xff', '\xff', '\xff', '\xff', 0, 0, 0, 0};
    ck_assert(lh_str_ends(lh_buf_str(&answer.body), lh_str_n(end, 8)));
    ck_assert(lh_str_starts(lh_buf_str(&answer.body), lh_str_n(end, 4)));
    uint32_t metadata;
    memcpy(&metadata, answer.body.ptr + 4, 4);
    ck_assert_uint_eq(metadata % 8, 0);
    ck_assert(lh_str_starts(lh_str_n(answer.body.ptr + 8 + metadata, 4), lh_str_n(end, 4)));
    lh_test_pool_close(&t);
}

LH_TEST(nothing_of_one_statement_is_left_for_the_next)
{
    open_pool();
    expect_error(&(lh_test_query){.sql = LH_S("SELECT nope")}, LH_E_SQL_INVALID);
    expect("SELECT 1 AS a", LH_SQL_JSON, "{\"a\":1}");
    expect_error(&(lh_test_query){.sql = LH_S("SELECT ('x' || i)::INT FROM range(100000) t(i)")},
                 LH_E_SQL_INVALID);
    expect("SELECT 1 AS a", LH_SQL_JSON, "{\"a\":1}");
    lh_pool_stats stats;
    lh_pool_get_stats(t.pool, LH_WORKER_SQL, &stats);
    ck_assert_uint_eq(stats.started, 1);
    lh_test_pool_close(&t);
}
