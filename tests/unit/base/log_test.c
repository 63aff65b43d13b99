#include "base/log.h"

#include "base/json.h"
#include "fixture.h"

#include <pthread.h>

static char line[16 * 1024];
static size_t line_len;

static void keep_line(void *arg, lh_str text)
{
    (void)arg;
    ck_assert_uint_le(text.len, sizeof(line));
    memcpy(line, text.ptr, text.len);
    line_len = text.len;
}

static void start(lh_log_format format)
{
    lh_log_set_sink(keep_line, NULL);
    lh_log_configure(LH_LOG_INFO, format);
    line_len = 0;
}

static const lh_json *parse_line(lh_ctx *cx)
{
    const lh_json *root;
    ck_assert_uint_gt(line_len, 0);
    ck_assert_int_eq(line[line_len - 1], '\n');
    ck_assert_int_eq(lh_json_parse(cx, lh_str_n(line, line_len), 0, &root), LH_OK);
    return root;
}

LH_TEST(a_json_line_is_json_whatever_the_values_are)
{
    WITH_CX;
    start(LH_LOG_JSON);
    memcpy(cx->request_id, "req-7", 6);
    LH_LOG(cx, CATALOG_COMMIT, LH_KS("dataset", LH_S("a\"b\\\n\x01\xff\x7f")), LH_KI("rows", -5),
           LH_KF("s", 0.25), LH_KF("bad", 0.0 / 0.0));
    const lh_json *root = parse_line(cx);
    ck_assert_text(lh_json_get_str(root, LH_S("event")), "catalog.commit");
    ck_assert_text(lh_json_get_str(root, LH_S("level")), "info");
    ck_assert_text(lh_json_get_str(root, LH_S("request_id")), "req-7");
    ck_assert_text(lh_json_get_str(root, LH_S("dataset")), "a\"b\\\n\x01\xEF\xBF\xBD\x7f");
    ck_assert_text(lh_json_get(root, LH_S("rows"))->text, "-5");
    ck_assert_text(lh_json_get(root, LH_S("s"))->text, "0.25");
    ck_assert_int_eq(lh_json_get(root, LH_S("bad"))->kind, LH_JSON_NULL);
}

LH_TEST(a_text_line_cannot_be_forged)
{
    start(LH_LOG_TEXT);
    LH_LOG(NULL, JOB_FAILED, LH_KS("why", LH_S("x\n00:00:00.000 ERROR fake")),
           LH_KS("plain", LH_S("abc")));
    ck_assert_ptr_eq(memchr(line, '\n', line_len), line + line_len - 1);
    ck_assert(lh_str_find(lh_str_n(line, line_len), LH_S(" WARN job.failed why=\"x\\u000a")) == 12);
    ck_assert(lh_str_find(lh_str_n(line, line_len), LH_S(" plain=abc\n")) != LH_STR_NPOS);
}

static atomic_int lines_whole;

static void count_whole_line(void *arg, lh_str text)
{
    (void)arg;
    int whole = text.ptr[0] == '{' && memchr(text.ptr, '\n', text.len) == text.ptr + text.len - 1;
    atomic_fetch_add(&lines_whole, whole);
}

static void *log_lines(void *arg)
{
    (void)arg;
    for (int i = 0; i < 500; i++)
        LH_LOG(NULL, SERVER_READY); /* an event needs no pairs */
    return NULL;
}

LH_TEST(threads_write_whole_lines)
{
    start(LH_LOG_JSON);
    lh_log_set_sink(count_whole_line, NULL);
    pthread_t threads[4];
    for (size_t i = 0; i < LH_ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, log_lines, NULL), 0);
    for (size_t i = 0; i < LH_ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(atomic_load(&lines_whole), 2000);
}

LH_TEST(levels_decide_before_anything_is_written)
{
    start(LH_LOG_JSON);
    LH_LOG(NULL, WORKER_STARTED, LH_KI("pid", 1)); /* debug */
    ck_assert_uint_eq(line_len, 0);
    lh_log_configure(LH_LOG_DEBUG, LH_LOG_JSON);
    LH_LOG(NULL, WORKER_STARTED, LH_KI("pid", 1));
    ck_assert_uint_gt(line_len, 0);
    lh_log_configure(LH_LOG_ERROR, LH_LOG_JSON);
    ck_assert(!lh_log_enabled(LH_EV_JOB_FAILED) && lh_log_enabled(LH_EV_WORKER_CRASHED));
}

LH_TEST(long_values_and_lines_are_cut_and_stay_json)
{
    WITH_CX;
    start(LH_LOG_JSON);
    static char big[5000];
    memset(big, 'x', sizeof(big));
    lh_str text = lh_str_n(big, sizeof(big));
    LH_LOG(NULL, JOB_FAILED, LH_KS("v", text));
    ck_assert_uint_eq(lh_json_get_str(parse_line(cx), LH_S("v")).len, 1024 + 3);
    lh_log_kv many[12];
    for (size_t i = 0; i < LH_ARRAY_LEN(many); i++)
        many[i] = LH_KS("v", text);
    lh_log_write(NULL, LH_EV_JOB_FAILED, many, LH_ARRAY_LEN(many));
    ck_assert_uint_le(line_len, 8 * 1024);
    ck_assert(lh_json_is_true(lh_json_get(parse_line(cx), LH_S("cut"))));
}

LH_TEST(a_secret_never_reaches_the_line)
{
    start(LH_LOG_JSON);
    static char big[1100];
    memset(big, 'x', sizeof(big));
    memcpy(big + 1000, "postgres://me:geheim@db/x?password=geheim", 41);
    LH_LOG(NULL, JOB_FAILED, LH_KS("dsn", LH_S("postgres://me:geheim@db/x")),
           LH_KS("big", lh_str_n(big, sizeof(big))));
    ck_assert_uint_eq(lh_str_find(lh_str_n(line, line_len), LH_S("geheim")), LH_STR_NPOS);
}

static const struct {
    const char *from;
    const char *to;
} redacted[] = {
    {"postgresql://user:p4ss@host:5432/db", "postgresql://user:****@host:5432/db"},
    {"mysql://root:a@b@host/db", "mysql://root:***@host/db"},
    {"s3://key:se/cret@host", "s3://key:*******@host"},
    {"amqp://user:cut-off-passw", "amqp://user:*************"},
    {"http://localhost:3100/x", "http://localhost:3100/x"},
    {"http://localhost:3100", "http://localhost:3100"},
    {"http://[::1]:3100", "http://[::1]:3100"},
    {"host=db password=abc user=x", "host=db password=*** user=x"},
    {"PWD='a b';x", "PWD='***';x"},
    {"db_password = secret1", "db_password = *******"},
    {"{\"password\":\"a\\\"b\",\"x\":1}", "{\"password\":\"****\",\"x\":1}"},
    {"api_key=abc&x=1", "api_key=***&x=1"},
    {"Authorization: Basic dXNlcg==\r\nHost: x", "Authorization: **************\r\nHost: x"},
    {"got Bearer abc.def-1", "got Bearer *********"},
    {"key lhk_abc123, next", "key lhk_******, next"},
    {"sk-abcdefgh1234 done", "sk-************ done"},
    {"task-force and sk-learn", "task-force and sk-learn"},
    {"unexpected token: select", "unexpected token: select"},
    {"max_tokens=100", "max_tokens=100"},
    {"token=abc", "token=***"},
    {"the password was wrong", "the password was wrong"},
    {"password=", "password="},
    {"", ""},
};

LH_TEST_LOOP(credentials_are_starred_and_nothing_else, (int)LH_ARRAY_LEN(redacted))
{
    char text[200];
    size_t len = strlen(redacted[_i].from);
    memcpy(text, redacted[_i].from, len);
    lh_redact(text, len);
    ck_assert_text(lh_str_n(text, len), redacted[_i].to);
}

LH_TEST(rows_have_names_levels_and_sentences)
{
    for (int i = 0; i < LH_LOG_EVENT_COUNT; i++) {
        ck_assert_ptr_nonnull(strchr(lh_log_event_name((lh_log_event)i), '.'));
        ck_assert_uint_gt(strlen(lh_log_event_doc((lh_log_event)i)), 5);
        ck_assert_uint_gt(strlen(lh_log_level_name(lh_log_event_level((lh_log_event)i))), 3);
    }
}
