/* manifest_test.c - the stored form: what is written is read, and what is not right is refused. */
#include "base/clock.h"
#include "catalog/sealed.h"
#include "catalog_fixture.h"

static lh_column two_columns[] = {
    {.field_id = 1, .name = LH_S_INIT("id"), .type = LH_S_INIT("BIGINT")},
    {.field_id = 2, .name = LH_S_INIT("Straße \"x\""), .type = LH_S_INIT("VARCHAR")}};

/* A small valid manifest in the arena, for a test to change. */
static lh_manifest *sample(lh_scratch *s)
{
    lh_ctx *cx = &s->cx;
    lh_manifest *m = LH_NEW(cx, lh_manifest);
    lh_schema *schema = LH_NEW(cx, lh_schema);
    lh_column *columns = LH_NEW_ARRAY(cx, lh_column, 2);
    lh_data_file *files = LH_NEW_ARRAY(cx, lh_data_file, 2);
    lh_str *pii = LH_NEW(cx, lh_str);
    *pii = LH_S("address");
    memcpy(columns, two_columns, sizeof(two_columns));
    columns[1].pii = (lh_list){pii, 1};
    *schema = (lh_schema){.schema_id = 3, .columns = {columns, 2}};
    for (size_t i = 0; i < 2; i++) {
        files[i] = fake_file(cx, LH_S("orders"), i, 100 + i);
        files[i].schema_id = 3;
        files[i].sequence = i + 1;
    }
    *m =
        (lh_manifest){.format_version = LH_MANIFEST_VERSION,
                      .id = LH_S("ds-0123456789abcdef"),
                      .name = LH_S("orders"),
                      .commit = 2,
                      .parent = 1,
                      .operation = LH_S("append"),
                      .created_at = 1700000000000001,
                      .committed_at = 1700000000000002,
                      .next_field_id = 3,
                      .current_schema_id = 3,
                      .schemas = {schema, 1},
                      .files = {files, 2},
                      .row_count = 201,
                      .bytes = 2010,
                      .metadata = {.description = LH_S("a \"quoted\"\nline"), .owner = LH_S("me")}};
    ck_lh_ok(s, lh_schema_fingerprint(cx, schema, &m->fingerprint));
    return m;
}

static lh_str written(lh_scratch *s, const lh_manifest *m)
{
    lh_str json;
    ck_lh_ok(s, lh_manifest_write(&s->cx, m, &json));
    return json;
}

static lh_rc parse(lh_scratch *s, lh_str json)
{
    lh_manifest m;
    return lh_manifest_parse(&s->cx, json, &m);
}

/* Seals a text that ends with '}' after a change by hand. */
static lh_str sealed(lh_scratch *s, lh_str json)
{
    lh_buf out;
    lh_buf_init(&out, 1 << 20);
    ck_lh_ok(s, lh_buf_append(&s->cx, &out, json));
    ck_lh_ok(s, lh_seal_json(&s->cx, &out));
    lh_str text = lh_ctx_dup(&s->cx, lh_buf_str(&out));
    lh_buf_done(&out);
    return text;
}

LH_TEST(what_is_written_is_read)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_manifest m;
    lh_str json = written(&s, sample(&s));
    ck_lh_ok(&s, lh_manifest_parse(&s.cx, json, &m));
    ck_assert_uint_eq(m.commit, 2);
    ck_assert_int_eq(m.committed_at, 1700000000000002);
    ck_assert(lh_str_eq(m.metadata.description, LH_S("a \"quoted\"\nline")));
    const lh_column *column = lh_schema_find(lh_manifest_current(&m), LH_S("straße \"X\""));
    ck_assert_ptr_nonnull(column);
    ck_assert_int_eq(column->field_id, 2);
    ck_assert_uint_eq(column->pii.count, 1);
    ck_assert(lh_str_eq(written(&s, &m), json));
    lh_scratch_close(&s);
}

LH_TEST(every_flipped_bit_is_detected)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str json = written(&s, sample(&s));
    char *copy = LH_NEW_ARRAY(&s.cx, char, json.len);
    memcpy(copy, json.ptr, json.len);
    for (size_t i = 0; i < json.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
            lh_ctx cx;
            lh_manifest m;
            lh_ctx_init(&cx, arena);
            copy[i] = (char)(json.ptr[i] ^ (1 << bit));
            lh_rc rc = lh_manifest_parse(&cx, lh_str_n(copy, json.len), &m);
            ck_assert_msg(rc == LH_E_CORRUPT, "byte %zu, bit %d: %s", i, bit, lh_rc_code(rc));
            copy[i] = json.ptr[i];
        }
    lh_scratch_close(&s);
}

LH_TEST(every_cut_and_every_addition_is_detected)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str json = written(&s, sample(&s));
    for (size_t i = 0; i < json.len; i++)
        ck_lh_fails(parse(&s, lh_str_sub(json, 0, i)), LH_E_CORRUPT);
    ck_lh_fails(parse(&s, lh_ctx_fmt(&s.cx, "%.*s\n", LH_STR_ARG(json))), LH_E_CORRUPT);
    ck_lh_fails(parse(&s, lh_ctx_fmt(&s.cx, " %.*s", LH_STR_ARG(json))), LH_E_CORRUPT);
    ck_lh_fails(parse(&s, lh_ctx_fmt(&s.cx, "%.*s%.*s", LH_STR_ARG(json), LH_STR_ARG(json))),
                LH_E_CORRUPT);
    lh_scratch_close(&s);
}

LH_TEST(a_current_version_without_checksum_is_refused)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str json = written(&s, sample(&s));
    size_t at = lh_str_find(json, LH_S(",\"checksum\""));
    ck_assert_uint_ne(at, LH_STR_NPOS);
    lh_str bare = lh_ctx_fmt(&s.cx, "%.*s}", (int)at, json.ptr);
    ck_lh_fails(parse(&s, bare), LH_E_CORRUPT);
    ck_lh_ok(&s, parse(&s, sealed(&s, bare)));
    lh_scratch_close(&s);
}

LH_TEST(forms_without_a_version_load)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_manifest m;
    lh_str json =
        LH_S("{\"name\":\"old\",\"commit\":4,\"schemas\":[{\"schema_id\":0,\"columns\":["
             "{\"name\":\"a\",\"type\":\"INTEGER\"},{\"name\":\"b\",\"type\":\"VARCHAR\"}]}],"
             "\"files\":[{\"bucket\":\"data\",\"key\":\"datasets/old/"
             "1.parquet\",\"rows\":3,\"bytes\":9},"
             "{\"bucket\":\"\",\"key\":\"datasets/old/2.parquet\",\"rows\":4,\"bytes\":8}]}");
    ck_lh_ok(&s, lh_manifest_parse(&s.cx, json, &m));
    const lh_data_file *files = m.files.items;
    const lh_column *columns = lh_manifest_current(&m)->columns.items;
    ck_assert_uint_eq(m.row_count, 7);
    ck_assert_uint_eq(m.bytes, 17);
    ck_assert_uint_eq(m.parent, 3);
    ck_assert(lh_str_eq(files[0].bucket, LH_S("primary")));
    ck_assert(lh_str_eq(files[1].bucket, LH_S("primary")));
    ck_assert_uint_eq(files[1].sequence, 4);
    ck_assert_int_eq(columns[0].field_id, 1);
    ck_assert_int_eq(columns[1].field_id, 2);
    ck_assert_int_eq(m.next_field_id, 3);
    ck_assert_int_eq(m.embedding.embedding_refresh_policy, LH_REFRESH_MANUAL);
    lh_scratch_close(&s);
}

LH_TEST(forms_of_later_versions_load_without_their_new_fields)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_manifest m;
    lh_manifest *later = sample(&s);
    later->format_version = 7;
    lh_str json = written(&s, later);
    size_t at = lh_str_find(json, LH_S(",\"checksum\""));
    lh_str with_more =
        lh_ctx_fmt(&s.cx, "%.*s,\"tombstones\":[{\"at\":1}],\"x\":null}", (int)at, json.ptr);
    ck_lh_ok(&s, lh_manifest_parse(&s.cx, sealed(&s, with_more), &m));
    ck_assert_uint_eq(m.format_version, 7);
    ck_assert_uint_eq(m.row_count, 201);
    lh_scratch_close(&s);
}

/* Each breaks one invariant of an otherwise good manifest. */
static void break_it(lh_manifest *m, int how)
{
    lh_schema *schema = m->schemas.items;
    lh_column *columns = schema->columns.items;
    lh_data_file *files = m->files.items;
    switch (how) {
    case 0: columns[1].field_id = 1; break;
    case 1: columns[1].field_id = 3; break;
    case 2: columns[1].field_id = -1; break;
    case 3: columns[1].name = LH_S("ID"); break;
    case 4: columns[1].name = LH_S(""); break;
    case 5: columns[1].type = LH_S(""); break;
    case 6: m->current_schema_id = 2; break;
    case 7: m->row_count = 200; break;
    case 8: m->bytes = 1; break;
    case 9: files[0].schema_id = 9; break;
    case 10: files[1].key = files[0].key; break;
    case 11: files[1].key = LH_S("datasets/../keys"); break;
    case 12: files[1].key = LH_S("_access/keys.json"); break;
    case 13: files[1].sequence = 3; break;
    case 14: files[1].sequence = 0; break;
    case 15: files[1].sha256 = LH_S("abc"); break;
    case 16: m->parent = 0; break;
    case 17: m->commit = 0; break;
    case 18: m->name = LH_S("_catalog"); break;
    case 19: m->name = LH_S("a/b"); break;
    case 20: m->id = LH_S("ds-1"); break;
    case 21: m->fingerprint = LH_S("0000000000000000"); break;
    case 22: m->row_key = LH_S("nothing"); break;
    case 23: m->schemas.count = 0; break;
    case 24: files[0].rows = UINT64_MAX; break;
    case 25: m->next_field_id = 1; break;
    default: ck_abort();
    }
}

LH_TEST_LOOP(a_broken_invariant_is_refused, 26)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_manifest *m = sample(&s);
    break_it(m, _i);
    ck_lh_fails(parse(&s, written(&s, m)), LH_E_CORRUPT);
    lh_scratch_close(&s);
}

LH_TEST(json_that_is_no_manifest_is_refused)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{}",
                                        "null",
                                        "{\"name\":\"a\"}",
                                        "{\"name\":1,\"commit\":1}",
                                        "{\"commit\":-1,\"name\":\"a\"}",
                                        "{\"name\":\"a\",\"commit\":1,\"schemas\":{}}"};
    lh_scratch s;
    lh_scratch_open(&s);
    for (size_t i = 0; i < LH_ARRAY_LEN(texts); i++)
        ck_lh_fails(parse(&s, lh_str_from(texts[i])), LH_E_CORRUPT);
    lh_scratch_close(&s);
}

LH_TEST(names_of_datasets)
{
    static const char *const good[] = {"a", "orders", "Orders 2024", "a-b_c.d", "1", "x.csv", "-a"};
    static const char *const bad[] = {"",         ".",     "..",  ".hidden", "_catalog", "a/b",
                                      "a\\b",     " a",    "a ",  "a.",      "a..b",     "a\tb",
                                      "a\nb",     "a:b",   "a*b", "a?b",     "a\"b",     "a'b",
                                      "\xc3\xa4", "a%2fb", "a;b", "~",       "a$b",      "\x7f"};
    lh_scratch s;
    lh_scratch_open(&s);
    char longest[LH_DATASET_NAME_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    for (size_t i = 0; i < LH_ARRAY_LEN(good); i++)
        ck_lh_ok(&s, lh_dataset_check_name(&s.cx, lh_str_from(good[i])));
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++)
        ck_lh_fails(lh_dataset_check_name(&s.cx, lh_str_from(bad[i])), LH_E_BAD_NAME);
    ck_lh_fails(lh_dataset_check_name(&s.cx, LH_S("a\0b")), LH_E_BAD_NAME);
    ck_lh_ok(&s, lh_dataset_check_name(&s.cx, lh_str_n(longest, LH_DATASET_NAME_MAX)));
    ck_lh_fails(lh_dataset_check_name(&s.cx, lh_str_n(longest, sizeof(longest))), LH_E_BAD_NAME);
    lh_scratch_close(&s);
}

LH_TEST(a_file_name_becomes_a_good_name)
{
    static const struct {
        const char *file;
        const char *name;
    } rows[] = {
        {"Kunden 2024.csv.gz", "kunden_2024"},
        {"orders.csv", "orders"},
        {"/tmp/x/Orders.PARQUET", "orders"},
        {"C:\\Users\\me\\Umsatz (neu).tsv", "umsatz_neu"},
        {"Stra\xc3\x9f"
         "enverzeichnis \xc3\x9c"
         "bersicht.ndjson",
         "strassenverzeichnis_uebersicht"},
        {"caf\xc3\xa9_\xc5\x82"
         "odzi.json.zst",
         "cafe_lodzi"},
        {"cafe\xcc\x81.csv", "cafe"},
        {"a.b.c.csv", "a_b_c"},
        {"../../etc/passwd", "passwd"},
        {"..", "dataset"},
        {"", "dataset"},
        {".csv", "csv"},
        {"\xe6\x97\xa5\xe6\x9c\xac.csv", "dataset"},
        {"___x___", "x"},
        {"\xff\xfe.csv", "dataset"},
    };
    lh_scratch s;
    lh_scratch_open(&s);
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++) {
        lh_str name = lh_dataset_name_from_file(&s.cx, lh_str_from(rows[i].file));
        ck_assert_msg(lh_str_eq(name, lh_str_from(rows[i].name)), "%s: %.*s", rows[i].file,
                      LH_STR_ARG(name));
        ck_lh_ok(&s, lh_dataset_check_name(&s.cx, name));
    }
    char huge[5000];
    memset(huge, 'Z', sizeof(huge));
    lh_str name = lh_dataset_name_from_file(&s.cx, lh_str_n(huge, sizeof(huge)));
    ck_assert_uint_eq(name.len, LH_DATASET_NAME_MAX);
    lh_scratch_close(&s);
}

LH_TEST(keys_of_manifests_are_read_back)
{
    static const char *const bad[] = {"_catalog/datasets/a/1.json",
                                      "_catalog/datasets/a/00000000000000000000.json",
                                      "_catalog/datasets/00000000000000000001.json",
                                      "_catalog/datasets/a/b/00000000000000000001.json",
                                      "_catalog/datasets/a/0000000000000000000x.json",
                                      "_catalog/datasets/a/00000000000000000001.json.tmp",
                                      "datasets/a/00000000000000000001.json",
                                      ""};
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str name;
    uint64_t commit;
    lh_str key = lh_manifest_key(&s.cx, LH_S("a b"), UINT64_MAX);
    ck_assert(lh_manifest_key_find(key, &name, &commit));
    ck_assert(lh_str_eq(name, LH_S("a b")));
    ck_assert_uint_eq(commit, UINT64_MAX);
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++)
        ck_assert(!lh_manifest_key_find(lh_str_from(bad[i]), &name, &commit));
    lh_scratch_close(&s);
}
