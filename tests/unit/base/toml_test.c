#include "base/toml.h"

#include "fixture.h"

static const lh_toml_entry *find(const lh_toml_entry *entries, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (lh_str_eq(entries[i].path, lh_str_from(path)))
            return &entries[i];
    ck_abort_msg("no %s", path);
    return NULL;
}

LH_TEST(values_come_flat_with_their_places)
{
    WITH_CX;
    lh_str text = LH_S(
        "top = 1\n[server]\nlisten = \"a:1\" # note\nratio = 0.5\non = true\nsince = 2026-01-01\n"
        "none = []\n\"odd.key\" = -7\n[[buckets]]\nname = \"x\"\n[[buckets]]\nname = 'y'\nlist = "
        "[1, [2]]\n");
    lh_toml_entry *entries;
    size_t count;
    ck_assert_int_eq(lh_toml_parse(cx, text, &entries, &count), LH_OK);
    ck_assert_uint_eq(count, 11);
    static const struct {
        const char *path, *text;
        lh_toml_kind kind;
        int line, column;
    } wanted[] = {
        {"top", "1", LH_TOML_INT, 1, 7},
        {"server.listen", "a:1", LH_TOML_STR, 3, 10},
        {"server.ratio", "0.5", LH_TOML_FLOAT, 4, 9},
        {"server.on", "true", LH_TOML_BOOL, 5, 6},
        {"server.since", "", LH_TOML_OTHER, 6, 9},
        {"server.none", "", LH_TOML_EMPTY_ARRAY, 7, 8},
        {"server.\"odd.key\"", "-7", LH_TOML_INT, 8, 13},
        {"buckets[0].name", "x", LH_TOML_STR, 10, 8},
        {"buckets[1].name", "y", LH_TOML_STR, 12, 8},
        {"buckets[1].list[1][0]", "2", LH_TOML_INT, 13, 13},
    };
    for (size_t i = 0; i < LH_ARRAY_LEN(wanted); i++) {
        const lh_toml_entry *entry = find(entries, count, wanted[i].path);
        ck_assert_text(entry->text, wanted[i].text);
        ck_assert_int_eq(entry->kind, wanted[i].kind);
        ck_assert_msg(entry->line == wanted[i].line && entry->column == wanted[i].column,
                      "%s %d:%d", wanted[i].path, entry->line, entry->column);
    }
}

LH_TEST(mistakes_have_places)
{
    WITH_CX;
    lh_toml_entry *entries;
    size_t count;
    ck_assert_int_eq(lh_toml_parse(cx, LH_S("a = 1\nb = [1, 2\nc = 3\n"), &entries, &count),
                     LH_E_BAD_CONFIG);
    ck_assert_int_ge(cx->err.line, 2);
    ck_assert_int_eq(lh_toml_parse(cx, LH_S("a = 99999999999999999999\n"), &entries, &count),
                     LH_E_BAD_CONFIG);
    ck_assert_int_eq(lh_toml_parse(cx, LH_S(""), &entries, &count), LH_OK);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(lh_toml_parse(cx, LH_STR_NONE, &entries, &count), LH_OK);
}

LH_TEST(text_is_limited_to_a_mebibyte)
{
    WITH_CX;
    char *text = lh_ctx_alloc(cx, 1, (1 << 20) + 1);
    memset(text, '\n', (1 << 20) + 1);
    lh_toml_entry *entries;
    size_t count;
    ck_assert_int_eq(lh_toml_parse(cx, lh_str_n(text, 1 << 20), &entries, &count), LH_OK);
    ck_assert_int_eq(lh_toml_parse(cx, lh_str_n(text, (1 << 20) + 1), &entries, &count),
                     LH_E_BAD_CONFIG);
}

LH_TEST(a_walk_without_memory_is_an_error)
{
    WITH_CX;
    ck_assert_ptr_nonnull(lh_ctx_alloc(cx, 1, 3900));
    lh_toml_entry *entries;
    size_t count;
    lh_alloc_fail_after(0, 1);
    ck_assert_int_eq(lh_toml_parse(cx, LH_S("a = 1\nb = \"some text\"\n"), &entries, &count),
                     LH_E_NO_MEMORY);
    lh_alloc_fail_off();
}
