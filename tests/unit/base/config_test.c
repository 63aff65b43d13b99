#include "base/config.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/tables.h"
#include "fixture.h"

#include <stdlib.h>

typedef struct settings {
    lh_str listen;
    bool enabled;
    int64_t workers;
    double share;
    uint64_t memory;
    int64_t timeout_us;
    int level;
    lh_str_list origins;
    lh_str password;
} settings;

static const char *const levels[] = {"error", "info", NULL};

#define KEY(section_name, key_name, config_type, member, ...)                                      \
    {                                                                                              \
        .section = (section_name), .key = (key_name), .type = LH_C_##config_type,                  \
        .offset = offsetof(settings, member), __VA_ARGS__                                          \
    }
static const lh_config_key keys[] = {
    KEY("test_a", "listen", STR, listen, .def = "127.0.0.1:3100", .doc = "Where."),
    KEY("test_a", "enabled", BOOL, enabled, .def = "true", .flags = LH_CONFIG_RELOAD,
        .doc = "Whether."),
    KEY("test_a", "workers", I64, workers, .min = 1, .max = 64, .def = "4", .doc = "How many."),
    KEY("test_a", "share", F64, share, .min = 0, .max = 1, .def = "0.5", .doc = "Part."),
    KEY("test_a", "memory", SIZE, memory, .min = 1024, .max = 1 << 30, .def = "1MiB",
        .doc = "Bytes."),
    KEY("test_a.b", "timeout", DURATION, timeout_us, .min = 1000, .max = 60000000, .def = "10s",
        .doc = "Time."),
    KEY("test_a.b", "level", ENUM, level, .names = levels, .def = "info", .doc = "Level."),
    KEY("test_a.b", "origins", STR_LIST, origins, .def = "", .doc = "Derived at start."),
    KEY("test_a.b", "password", STR, password, .flags = LH_CONFIG_SECRET, .def = "",
        .doc = "Hidden."),
    {0}};

static lh_rc load(lh_ctx *cx, const char *toml, settings *s)
{
    return lh_config_load(cx, keys, lh_str_from(toml), "test.toml", s);
}

LH_TEST(defaults_are_as_the_rows_say)
{
    WITH_CX;
    settings s;
    ck_assert_int_eq(load(cx, "", &s), LH_OK);
    ck_assert_text(s.listen, "127.0.0.1:3100");
    ck_assert(s.enabled && s.workers == 4 && s.share == 0.5 && s.memory == 1 << 20);
    ck_assert(s.timeout_us == 10000000 && s.level == 1 && s.origins.count == 0 &&
              s.password.len == 0);
}

LH_TEST(the_file_wins_over_defaults_and_the_environment_over_the_file)
{
    WITH_CX;
    settings s;
    const char *toml =
        "[test_a]\nlisten = \"0.0.0.0:1\"\nenabled = false\nworkers = 64\nshare = 1\nmemory = "
        "\"2KiB\"\n"
        "[test_a.b]\ntimeout = \"1ms\"\nlevel = \"error\"\norigins = [\"a\", \"b\"]\n";
    ck_assert_int_eq(load(cx, toml, &s), LH_OK);
    ck_assert_text(s.listen, "0.0.0.0:1");
    ck_assert(!s.enabled && s.workers == 64 && s.share == 1 && s.memory == 2048 &&
              s.timeout_us == 1000 && s.level == 0);
    ck_assert_uint_eq(s.origins.count, 2);
    ck_assert_text(s.origins.items[1], "b");
    setenv("LAKEHOUSE_TEST_A_WORKERS", "2", 1);
    setenv("LAKEHOUSE_TEST_A_B_ORIGINS", "x, y,z", 1);
    setenv("LAKEHOUSE_TEST_A_MEMORY", "1024", 1);
    ck_assert_int_eq(load(cx, toml, &s), LH_OK);
    ck_assert(s.workers == 2 && s.origins.count == 3 && s.memory == 1024);
    ck_assert_text(s.origins.items[1], "y");
    unsetenv("LAKEHOUSE_TEST_A_WORKERS");
    unsetenv("LAKEHOUSE_TEST_A_B_ORIGINS");
    unsetenv("LAKEHOUSE_TEST_A_MEMORY");
}

static const struct {
    const char *toml;
    const char *field;
    int line, column;
} refused[] = {
    {"[test_a]\nworkers = 0\n", "test_a.workers", 2, 11},
    {"[test_a]\nworkers = 65\n", "test_a.workers", 2, 11},
    {"[test_a]\nworkers = \"4\"\n", "test_a.workers", 2, 11},
    {"[test_a]\nworkers = 4.0\n", "test_a.workers", 2, 11},
    {"[test_a]\nworker = 4\n", "test_a.worker", 2, 10},
    {"workers = 4\n", "workers", 1, 11},
    {"[nothing]\nx = 1\n", "nothing.x", 2, 5},
    {"\"test_a.workers\" = 4\n", "\"test_a.workers\"", 1, 20},
    {"[test_a]\nenabled = 1\n", "test_a.enabled", 2, 11},
    {"[test_a]\nmemory = \"1023B\"\n", "test_a.memory", 2, 10},
    {"[test_a]\nmemory = \"lots\"\n", "test_a.memory", 2, 10},
    {"[test_a.b]\ntimeout = \"61s\"\n", "test_a.b.timeout", 2, 11},
    {"[test_a.b]\nlevel = \"loud\"\n", "test_a.b.level", 2, 9},
    {"[test_a.b]\norigins = \"a\"\n", "test_a.b.origins", 2, 11},
    {"[test_a.b]\norigins = [\"a\", 5]\n", "test_a.b.origins", 2, 17},
    {"[test_a]\nlisten = [\"a\"]\n", "test_a.listen", 2, 11},
    {"[test_a]\nlisten = 2026-01-01\n", "test_a.listen", 2, 10},
};

LH_TEST_LOOP(a_bad_file_is_refused_at_its_place, (int)LH_ARRAY_LEN(refused))
{
    WITH_CX;
    settings s;
    ck_assert_int_eq(load(cx, refused[_i].toml, &s), LH_E_BAD_CONFIG);
    ck_assert_str_eq(cx->err.field, refused[_i].field);
    ck_assert_msg(cx->err.line == refused[_i].line && cx->err.column == refused[_i].column,
                  "%s %d:%d", refused[_i].toml, cx->err.line, cx->err.column);
    ck_assert(lh_str_starts(lh_str_from(cx->err.message), LH_S("test.toml:")));
}

LH_TEST(broken_toml_is_refused_at_its_place)
{
    WITH_CX;
    settings s;
    ck_assert_int_eq(load(cx, "[test_a]\nlisten = \n", &s), LH_E_BAD_CONFIG);
    ck_assert_int_eq(cx->err.line, 2);
    ck_assert_int_gt(cx->err.column, 5);
    ck_assert_int_eq(load(cx, "[test_a]\nworkers = 1\nworkers = 2\n", &s), LH_E_BAD_CONFIG);
    ck_assert_int_eq(load(cx, "a = \"\xff\"\n", &s), LH_E_BAD_CONFIG);
}

LH_TEST(a_near_key_is_named)
{
    WITH_CX;
    settings s;
    ck_assert_int_eq(load(cx, "[test_a]\nwokers = 4\n", &s), LH_E_BAD_CONFIG);
    ck_assert_uint_ne(lh_str_find(lh_str_from(cx->err.hint), LH_S("\"test_a.workers\"")),
                      LH_STR_NPOS);
}

LH_TEST(a_bad_variable_is_named)
{
    WITH_CX;
    settings s;
    setenv("LAKEHOUSE_TEST_A_WORKERS", "many", 1);
    ck_assert_int_eq(load(cx, "", &s), LH_E_BAD_CONFIG);
    ck_assert_str_eq(cx->err.field, "LAKEHOUSE_TEST_A_WORKERS");
    unsetenv("LAKEHOUSE_TEST_A_WORKERS");
    setenv("LAKEHOUSE_TEST_A_WORKRES", "1", 1);
    ck_assert_int_eq(load(cx, "", &s), LH_E_BAD_CONFIG);
    ck_assert_str_eq(cx->err.field, "LAKEHOUSE_TEST_A_WORKRES");
    unsetenv("LAKEHOUSE_TEST_A_WORKRES");
    setenv("LAKEHOUSE_KEY", "not ours", 1);
    ck_assert_int_eq(load(cx, "", &s), LH_OK);
    unsetenv("LAKEHOUSE_KEY");
}

LH_TEST(a_secret_is_not_repeated_in_its_error)
{
    WITH_CX;
    settings s;
    ck_assert_int_eq(load(cx, "[test_a.b]\npassword = [\"geheim\"]\n", &s), LH_E_BAD_CONFIG);
    ck_assert_uint_eq(lh_str_find(lh_str_from(cx->err.message), LH_S("geheim")), LH_STR_NPOS);
}

static lh_str table_text(lh_ctx *cx, void (*write)(lh_json_writer *w))
{
    lh_buf buf LH_CLEANUP(lh_buf_done);
    lh_buf_init(&buf, 1 << 20);
    lh_json_writer w;
    lh_jw_init(&w, cx, &buf);
    if (write != NULL)
        write(&w);
    else
        lh_config_write_table(&w, keys);
    ck_assert_int_eq(lh_jw_end(&w), LH_OK);
    return lh_ctx_dup(cx, lh_buf_str(&buf));
}

LH_TEST(tables_are_written_row_by_row)
{
    WITH_CX;
    const lh_json *root;
    ck_assert_int_eq(lh_json_parse(cx, table_text(cx, NULL), 0, &root), LH_OK);
    ck_assert_uint_eq(root->count, 9);
    ck_assert_text(lh_json_get_str(root->first, LH_S("env")), "LAKEHOUSE_TEST_A_LISTEN");
    void (*const tables[])(lh_json_writer *) = {lh_error_write_table, lh_fault_write_table,
                                                lh_log_write_table, lh_metric_write_table};
    for (size_t i = 0; i < LH_ARRAY_LEN(tables); i++) {
        ck_assert_int_eq(lh_json_parse(cx, table_text(cx, tables[i]), 0, &root), LH_OK);
        ck_assert_uint_gt(root->count, 2);
    }
}
