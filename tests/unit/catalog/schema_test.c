/* schema_test.c - types that fit, ids that stay, and the SQL that comes of it. */
#include "catalog/catalog_private.h"
#include "catalog/coltype.h"
#include "catalog_fixture.h"

LH_TEST(types_widen_exactly_or_become_text)
{
    static const struct {
        const char *a, *b, *common;
        lh_coltype_fit fit;
    } rows[] = {
        {"BIGINT", "BIGINT", "BIGINT", LH_COLTYPE_SAME},
        {"bigint", "BIGINT", "BIGINT", LH_COLTYPE_SAME},
        {"INTEGER", "BIGINT", "BIGINT", LH_COLTYPE_WIDER},
        {"TINYINT", "SMALLINT", "SMALLINT", LH_COLTYPE_WIDER},
        {"UTINYINT", "TINYINT", "SMALLINT", LH_COLTYPE_WIDER},
        {"UINTEGER", "INTEGER", "BIGINT", LH_COLTYPE_WIDER},
        {"UBIGINT", "BIGINT", "DECIMAL(20,0)", LH_COLTYPE_WIDER},
        {"UHUGEINT", "BIGINT", "VARCHAR", LH_COLTYPE_TEXT},
        {"FLOAT", "DOUBLE", "DOUBLE", LH_COLTYPE_WIDER},
        {"SMALLINT", "FLOAT", "FLOAT", LH_COLTYPE_WIDER},
        {"INTEGER", "FLOAT", "DOUBLE", LH_COLTYPE_WIDER},
        {"INTEGER", "DOUBLE", "DOUBLE", LH_COLTYPE_WIDER},
        {"BIGINT", "DOUBLE", "VARCHAR", LH_COLTYPE_TEXT},
        {"DECIMAL(10,2)", "DECIMAL(12,2)", "DECIMAL(12,2)", LH_COLTYPE_WIDER},
        {"DECIMAL(10,2)", "DECIMAL(10,4)", "DECIMAL(12,4)", LH_COLTYPE_WIDER},
        {"DECIMAL(38,0)", "DECIMAL(38,10)", "VARCHAR", LH_COLTYPE_TEXT},
        {"DECIMAL(4,1)", "INTEGER", "DECIMAL(11,1)", LH_COLTYPE_WIDER},
        {"DECIMAL(15,2)", "DOUBLE", "DOUBLE", LH_COLTYPE_WIDER},
        {"DECIMAL(4,1)", "FLOAT", "DOUBLE", LH_COLTYPE_WIDER},
        {"DECIMAL(16,2)", "DOUBLE", "VARCHAR", LH_COLTYPE_TEXT},
        {"DATE", "TIMESTAMP", "TIMESTAMP", LH_COLTYPE_WIDER},
        {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR", LH_COLTYPE_TEXT},
        {"BOOLEAN", "BIGINT", "VARCHAR", LH_COLTYPE_TEXT},
        {"VARCHAR", "BIGINT", "VARCHAR", LH_COLTYPE_TEXT},
        {"JSON", "VARCHAR", "VARCHAR", LH_COLTYPE_TEXT},
        {"\"NULL\"", "DATE", "DATE", LH_COLTYPE_WIDER},
        {"INTEGER[]", "BIGINT[]", "BIGINT[]", LH_COLTYPE_WIDER},
        {"INTEGER[]", "INTEGER", "VARCHAR", LH_COLTYPE_TEXT},
        {"FLOAT[3]", "FLOAT[4]", "VARCHAR", LH_COLTYPE_TEXT},
        {"STRUCT(a INTEGER)", "STRUCT(\"a\" INTEGER)", "STRUCT(\"a\" INTEGER)", LH_COLTYPE_SAME},
        {"STRUCT(a INTEGER)", "STRUCT(a BIGINT)", "STRUCT(\"a\" BIGINT)", LH_COLTYPE_WIDER},
        {"STRUCT(a INTEGER)", "STRUCT(b INTEGER)", "VARCHAR", LH_COLTYPE_TEXT},
        {"MAP(VARCHAR, INTEGER)", "MAP(VARCHAR, BIGINT)", "MAP(VARCHAR, BIGINT)", LH_COLTYPE_WIDER},
        {"ENUM('a', 'b''c')", "ENUM('a', 'b''c')", "ENUM('a', 'b''c')", LH_COLTYPE_SAME},
        {"ENUM('a')", "ENUM('b')", "VARCHAR", LH_COLTYPE_TEXT},
        {"GEOMETRY", "GEOMETRY", "GEOMETRY", LH_COLTYPE_SAME},
    };
    lh_scratch s;
    lh_scratch_open(&s);
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++)
        for (int swap = 0; swap < 2; swap++) {
            lh_str a = lh_str_from(swap ? rows[i].b : rows[i].a), common;
            lh_str b = lh_str_from(swap ? rows[i].a : rows[i].b);
            lh_coltype_fit fit;
            ck_lh_ok(&s, lh_coltype_common(&s.cx, a, b, &common, &fit));
            ck_assert_msg(lh_str_eq(common, lh_str_from(rows[i].common)) && fit == rows[i].fit,
                          "%.*s, %.*s: %.*s %d", LH_STR_ARG(a), LH_STR_ARG(b), LH_STR_ARG(common),
                          (int)fit);
        }
    lh_scratch_close(&s);
}

LH_TEST(type_texts_cannot_carry_sql)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "BIGINT); DROP TABLE x",
                                      "BIGINT --",
                                      "BIGINT;",
                                      "STRUCT(a)",
                                      "STRUCT(a INTEGER",
                                      "INTEGER[",
                                      "INTEGER[x]",
                                      "DECIMAL(0,0)",
                                      "DECIMAL(3,4)",
                                      "DECIMAL(39,0)",
                                      "ENUM(a)",
                                      "\"x\"",
                                      "MAP(VARCHAR)",
                                      "INTEGER[-1]",
                                      "VARCHAR'",
                                      "a.b"};
    lh_scratch s;
    lh_scratch_open(&s);
    lh_coltype *type;
    lh_str text;
    for (size_t i = 0; i < LH_ARRAY_LEN(bad); i++)
        ck_lh_fails(lh_coltype_parse(&s.cx, lh_str_from(bad[i]), &type), LH_E_BAD_VALUE);
    char deep[2000];
    memset(deep, 0, sizeof(deep));
    for (int i = 0; i < 100; i++)
        strcat(deep, "STRUCT(a ");
    ck_lh_fails(lh_coltype_parse(&s.cx, lh_str_from(deep), &type), LH_E_BAD_VALUE);
    ck_lh_ok(&s, lh_coltype_parse(&s.cx, LH_S("STRUCT(\"a\"\" INTEGER); --\" INTEGER)"), &type));
    ck_lh_ok(&s, lh_coltype_text(&s.cx, type, &text));
    ck_assert(lh_str_eq(text, LH_S("STRUCT(\"a\"\" INTEGER); --\" INTEGER)")));
    lh_scratch_close(&s);
}

LH_TEST(identifiers_and_literals_are_quoted)
{
    lh_scratch s;
    lh_scratch_open(&s);
    ck_assert(lh_str_eq(lh_sql_ident(&s.cx, LH_S("a\"b")), LH_S("\"a\"\"b\"")));
    ck_assert(lh_str_eq(lh_sql_literal(&s.cx, LH_S("it's")), LH_S("'it''s'")));
    ck_assert(lh_str_eq(lh_sql_literal(&s.cx, LH_S("a\\'")), LH_S("'a\\'''")));
    ck_assert(lh_str_eq(lh_sql_literal(&s.cx, LH_S("a\0b")), LH_S("'a' || chr(0) || 'b'")));
    ck_assert(lh_str_eq(lh_sql_literal(&s.cx, LH_S("")), LH_S("''")));
    lh_scratch_close(&s);
}

static lh_column column(const char *name, const char *type)
{
    return (lh_column){.name = lh_str_from(name), .type = lh_str_from(type)};
}

static lh_manifest fresh(lh_scratch *s)
{
    lh_manifest m = {.name = LH_S("d"), .commit = 1, .next_field_id = 1};
    lh_schema *schema = LH_NEW(&s->cx, lh_schema);
    m.schemas = (lh_list){schema, 1};
    return m;
}

static int32_t id_of(const lh_manifest *m, const char *name)
{
    const lh_column *c = lh_schema_find(lh_manifest_current(m), lh_str_from(name));
    return c != NULL ? c->field_id : 0;
}

static int32_t evolve(lh_scratch *s, lh_manifest *m, const lh_column *columns, size_t count)
{
    int32_t id = -1;
    ck_lh_ok(s, lh_manifest_evolve(&s->cx, m, columns, count, &id));
    ck_assert_int_eq(m->current_schema_id, id);
    return id;
}

LH_TEST(a_replaced_schema_keeps_ids_of_compatible_columns)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_manifest m = fresh(&s);
    lh_column first[] = {column("id", "INTEGER"), column("City", "VARCHAR"), column("x", "DATE")};
    int32_t one = evolve(&s, &m, first, 3);
    ck_assert_int_eq(id_of(&m, "id"), 1);
    ck_assert_int_eq(id_of(&m, "x"), 3);
    ck_assert_int_eq(evolve(&s, &m, first, 3), one); /* equal: the same one */
    lh_column second[] = {column("x", "VARCHAR"), column("city", "VARCHAR"), column("id", "BIGINT"),
                          column("new", "BOOLEAN")};
    ck_assert_int_ne(evolve(&s, &m, second, 4), one);
    ck_assert_int_eq(id_of(&m, "id"), 1);   /* wider */
    ck_assert_int_eq(id_of(&m, "city"), 2); /* another case of letters */
    ck_assert_int_eq(id_of(&m, "x"), 4);    /* a date became text: another column */
    ck_assert_int_eq(id_of(&m, "new"), 5);
    ck_assert_int_eq(evolve(&s, &m, first, 2), 3);
    ck_assert_int_eq(id_of(&m, "id"), 1);
    ck_assert_int_eq(m.next_field_id, 6); /* never given a second time */
    lh_scratch_close(&s);
}

LH_TEST(a_pii_class_outlives_a_new_file)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_manifest m = fresh(&s);
    lh_str ssn = LH_S("ssn"), phone = LH_S("phone");
    lh_column first[] = {column("tax", "VARCHAR")};
    first[0].pii = (lh_list){&ssn, 1};
    first[0].description = LH_S("kept");
    evolve(&s, &m, first, 1);
    lh_column second[] = {column("TAX", "BIGINT")};
    second[0].pii = (lh_list){&phone, 1};
    evolve(&s, &m, second, 1);
    const lh_column *c = lh_schema_find(lh_manifest_current(&m), LH_S("tax"));
    ck_assert_uint_eq(c->pii.count, 2);
    ck_assert(lh_str_eq(c->description, LH_S("kept")));
    lh_scratch_close(&s);
}

LH_TEST(nested_parts_get_permanent_ids)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_manifest m = fresh(&s);
    lh_column first[] = {column("a", "STRUCT(x INTEGER, \"y z\" MAP(VARCHAR, DATE[]))")};
    evolve(&s, &m, first, 1);
    const lh_column *c = lh_manifest_current(&m)->columns.items;
    static const char *const paths[] = {"x", "\"y z\"", "\"y z\".key", "\"y z\".value",
                                        "\"y z\".value.element"};
    const lh_nested_id *nested = c->nested.items;
    ck_assert_uint_eq(c->nested.count, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert(lh_str_eq(nested[i].path, lh_str_from(paths[i])));
        ck_assert_int_eq(nested[i].field_id, i + 2);
    }
    int32_t file_schema;
    lh_column second[] = {column("a", "STRUCT(x BIGINT, \"y z\" MAP(VARCHAR, DATE[]))")};
    ck_lh_ok(&s, lh_manifest_merge(&s.cx, &m, second, 1, &file_schema));
    c = lh_manifest_current(&m)->columns.items;
    nested = c->nested.items;
    ck_assert_uint_eq(c->nested.count, 5);
    ck_assert_int_eq(nested[4].field_id, 6);
    ck_assert_int_eq(m.next_field_id, 7);
    lh_scratch_close(&s);
}

LH_TEST(an_append_unites_schemas)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_manifest m = fresh(&s);
    int32_t file_schema;
    lh_column first[] = {column("id", "INTEGER"), column("price", "BIGINT"), column("d", "DATE")};
    ck_lh_ok(&s, lh_manifest_merge(&s.cx, &m, first, 3, &file_schema));
    ck_assert_int_eq(file_schema, m.current_schema_id);
    ck_lh_ok(&s, lh_manifest_merge(&s.cx, &m, first, 3, &file_schema));
    ck_assert_int_eq(file_schema, m.current_schema_id); /* the same columns: one schema */
    lh_column second[] = {column("ID", "BIGINT"), column("price", "VARCHAR"),
                          column("new", "DOUBLE")};
    ck_lh_ok(&s, lh_manifest_merge(&s.cx, &m, second, 3, &file_schema));
    ck_assert_int_ne(file_schema, m.current_schema_id);
    const lh_column *all = lh_manifest_current(&m)->columns.items;
    const lh_column *file = lh_manifest_schema(&m, file_schema)->columns.items;
    ck_assert_uint_eq(lh_manifest_current(&m)->columns.count, 4);
    ck_assert(lh_str_eq(all[0].type, LH_S("BIGINT")) && lh_str_eq(all[0].name, LH_S("id")));
    ck_assert(lh_str_eq(all[1].type, LH_S("VARCHAR")));
    ck_assert(lh_str_eq(all[3].name, LH_S("new")));
    ck_assert_int_eq(file[0].field_id, 1);
    ck_assert_int_eq(file[1].field_id, 2); /* text or not, it is the same column */
    ck_assert_int_eq(file[2].field_id, 4);
    ck_assert(lh_str_eq(file[0].name, LH_S("ID")));
    lh_scratch_close(&s);
}

LH_TEST(what_is_known_of_values_lets_types_meet)
{
    static const struct {
        const char *before, *after, *common;
        int range_before, range_after, range;
    } rows[] = {
        {"DOUBLE", "BIGINT", "DOUBLE", LH_RANGE_ANY, LH_RANGE_DOUBLE, LH_RANGE_ANY},
        {"BIGINT", "DOUBLE", "DOUBLE", LH_RANGE_DOUBLE, LH_RANGE_ANY, LH_RANGE_ANY},
        {"DOUBLE", "BIGINT", "VARCHAR", LH_RANGE_ANY, LH_RANGE_ANY, LH_RANGE_ANY},
        {"BIGINT", "BIGINT", "BIGINT", LH_RANGE_DOUBLE, LH_RANGE_DOUBLE, LH_RANGE_DOUBLE},
        {"BIGINT", "BIGINT", "BIGINT", LH_RANGE_DOUBLE, LH_RANGE_ANY, LH_RANGE_ANY},
        {"BIGINT", "VARCHAR", "BIGINT", LH_RANGE_DOUBLE, LH_RANGE_NONE, LH_RANGE_DOUBLE},
        {"VARCHAR", "DATE", "DATE", LH_RANGE_NONE, LH_RANGE_ANY, LH_RANGE_ANY},
        {"VARCHAR", "VARCHAR", "VARCHAR", LH_RANGE_NONE, LH_RANGE_NONE, LH_RANGE_NONE},
        {"BIGINT", "DATE", "VARCHAR", LH_RANGE_NONE, LH_RANGE_ANY, LH_RANGE_ANY},
    };
    lh_scratch s;
    lh_scratch_open(&s);
    for (size_t i = 0; i < LH_ARRAY_LEN(rows); i++) {
        lh_manifest m = fresh(&s);
        int32_t id;
        lh_column before = column("a", rows[i].before), after = column("a", rows[i].after);
        before.range = rows[i].range_before;
        after.range = rows[i].range_after;
        ck_lh_ok(&s, lh_manifest_merge(&s.cx, &m, &before, 1, &id));
        ck_lh_ok(&s, lh_manifest_merge(&s.cx, &m, &after, 1, &id));
        const lh_column *all = lh_manifest_current(&m)->columns.items;
        ck_assert_msg(lh_str_eq(all[0].type, lh_str_from(rows[i].common)) &&
                          all[0].range == rows[i].range && all[0].field_id == 1,
                      "row %zu: %.*s %d", i, LH_STR_ARG(all[0].type), all[0].range);
    }
    lh_scratch_close(&s);
}

LH_TEST(columns_that_cannot_be_are_refused)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_manifest m = fresh(&s);
    int32_t id;
    lh_column twice[] = {column("a", "DATE"), column("A", "DATE")};
    lh_column no_name[] = {column("", "DATE")};
    lh_column no_type[] = {column("a", "DATE); --")};
    lh_column nul[] = {{.name = LH_S_INIT("a\0b"), .type = LH_S_INIT("DATE")}};
    ck_lh_fails(lh_manifest_evolve(&s.cx, &m, twice, 2, &id), LH_E_BAD_VALUE);
    ck_assert_str_eq(s.cx.err.field, "columns[1].name");
    ck_lh_fails(lh_manifest_evolve(&s.cx, &m, no_name, 1, &id), LH_E_BAD_NAME);
    ck_lh_fails(lh_manifest_evolve(&s.cx, &m, nul, 1, &id), LH_E_BAD_NAME);
    ck_lh_fails(lh_manifest_merge(&s.cx, &m, no_type, 1, &id), LH_E_BAD_VALUE);
    ck_assert_str_eq(s.cx.err.field, "columns[0].type");
    lh_scratch_close(&s);
}

static lh_str sql_of(fixture *f, const char *name)
{
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *snapshot = get(f, name);
    lh_str sql;
    ck_lh_ok(&f->s, lh_snapshot_sql(&f->s.cx, f->store, snapshot, &sql));
    return sql;
}

static lh_rc build_columns(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    int32_t id;
    (void)parent;
    append_arg *a = arg;
    return lh_manifest_evolve(cx, next, a->columns, a->columns_count, &id);
}

static void commit(fixture *f, lh_commit_build build, append_arg *arg)
{
    ck_lh_ok(&f->s, lh_catalog_commit(&f->s.cx, f->catalog, LH_S("d x"), build, arg, NULL));
}

static void put_file(fixture *f, int number)
{
    lh_str key = lh_ctx_fmt(&f->s.cx, "datasets/d x/u%d.parquet", number);
    ck_lh_ok(&f->s, lh_store_put(&f->s.cx, f->store, key, LH_S("x")));
}

LH_TEST(a_dataset_without_files_has_columns_and_no_rows)
{
    fixture f;
    fixture_open(&f);
    lh_column columns[] = {column("a \"b\"", "DECIMAL(4,1)"),
                           column("t", "TIMESTAMP WITH TIME ZONE")};
    commit(&f, build_columns, &(append_arg){.columns = columns, .columns_count = 2});
    ck_assert(lh_str_eq(sql_of(&f, "d x"),
                        LH_S("SELECT NULL::DECIMAL(4,1) AS \"a \"\"b\"\"\", NULL::TIMESTAMP WITH "
                             "TIME ZONE AS \"t\" WHERE false")));
    fixture_close(&f);
}

LH_TEST(files_of_other_schemas_are_cast_by_field_id)
{
    fixture f;
    fixture_open(&f);
    lh_column first[] = {column("id", "INTEGER"), column("v", "BIGINT")};
    lh_column second[] = {column("v", "VARCHAR"), column("w", "DATE")};
    for (int i = 0; i < 3; i++)
        put_file(&f, i);
    commit(&f, build_append, &(append_arg){0, 5, first, 2});
    commit(&f, build_append, &(append_arg){1, 6, second, 2});
    commit(&f, build_append, &(append_arg){2, 7, first, 2});
    lh_str root = lh_store_root(f.store);
    lh_str wanted = lh_ctx_fmt(
        &f.s.cx,
        "SELECT \"id\", CAST(\"v\" AS VARCHAR) AS \"v\", NULL::DATE AS \"w\" FROM "
        "read_parquet(['%.*s/datasets/d x/u0.parquet', '%.*s/datasets/d x/u2.parquet'], "
        "hive_partitioning = false) UNION ALL SELECT NULL::INTEGER AS \"id\", \"v\", \"w\" FROM "
        "read_parquet(['%.*s/datasets/d x/u1.parquet'], hive_partitioning = false)",
        LH_STR_ARG(root), LH_STR_ARG(root), LH_STR_ARG(root));
    lh_str sql = sql_of(&f, "d x");
    ck_assert_msg(lh_str_eq(sql, wanted), "%.*s", LH_STR_ARG(sql));
    fixture_restart(&f);
    ck_assert(lh_str_eq(sql_of(&f, "d x"), wanted));
    fixture_close(&f);
}

LH_TEST(a_missing_object_is_said_by_its_key)
{
    fixture f;
    fixture_open(&f);
    lh_snapshot *made = append(&f, "d", 1, 1);
    lh_str sql;
    ck_lh_fails(lh_snapshot_sql(&f.s.cx, f.store, made, &sql), LH_E_CORRUPT);
    lh_snapshot_unref(made);
    fixture_close(&f);
}

static lh_rc build_deletes(lh_ctx *cx, const lh_manifest *parent, lh_manifest *next, void *arg)
{
    (void)parent;
    (void)arg;
    lh_data_file file = fake_file(cx, next->name, 99, 1);
    file.kind = LH_FILE_KIND_DELETES;
    file.schema_id = next->current_schema_id;
    return lh_manifest_add_file(cx, next, &file);
}

LH_TEST(deletes_that_cannot_be_applied_are_never_ignored)
{
    fixture f;
    fixture_open(&f);
    lh_snapshot_unref(append(&f, "d", 1, 5));
    LH_CLEANUP(lh_snapshot_unref) lh_snapshot *made = NULL;
    lh_str sql;
    ck_lh_ok(&f.s, lh_catalog_commit(&f.s.cx, f.catalog, LH_S("d"), build_deletes, NULL, &made));
    ck_lh_fails(lh_snapshot_sql(&f.s.cx, f.store, made, &sql), LH_E_UNAVAILABLE);
    fixture_close(&f);
}
