/* docs_test.c - the documents say what the rows say, and only text that cannot become markup. */
#include "base/buf.h"
#include "base/mem.h"
#include "net/docs.h"
#include "support/unit.h"

typedef struct inner {
    int64_t n;
} inner;
typedef struct outer {
    lh_str text;
    lh_list items;
} outer;
static const lh_field inner_fields[] = {LH_FIELD("n", I64, inner, n, .doc = "A number <b>."), {0}};
static const lh_record inner_record = {
    .name = "Inner", .size = sizeof(inner), .fields = inner_fields, .doc = "In."};
static const lh_field outer_fields[] = {
    LH_FIELD("text", STR, outer, text, .flags = LH_FIELD_REQUIRED, .doc = "Text & more."),
    LH_FIELD("items", LIST, outer, items, .item = LH_F_OBJECT, .record = &inner_record,
             .doc = "Items."),
    {0}};
static const lh_record outer_record = {
    .name = "Outer", .size = sizeof(outer), .fields = outer_fields, .doc = "Out."};

static lh_rc handler(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    (void)cx;
    (void)rq;
    (void)rp;
    return LH_OK;
}

static const lh_query_param query[] = {{"limit", "integer", "How many \"rows\"."}, {0}};
static const lh_route first[] = {{.method = "GET",
                                  .path = "/things/{id}",
                                  .handler = handler,
                                  .reply = &inner_record,
                                  .query = query,
                                  .errors = "not_found conflict",
                                  .access = LH_ACCESS_READ,
                                  .tag = "things",
                                  .summary = "One <script>thing</script>."},
                                 {.method = "GET",
                                  .path = "/health",
                                  .handler = handler,
                                  .flags = LH_ROUTE_INLINE | LH_ROUTE_DRAIN_OK,
                                  .tag = "system",
                                  .summary = "Health."},
                                 {0}};
static const lh_route second[] = {{.method = "PUT",
                                   .path = "/things/{id}",
                                   .handler = handler,
                                   .body = &outer_record,
                                   .body_max_bytes = 10,
                                   .reply_status = 204,
                                   .access = LH_ACCESS_WRITE,
                                   .tag = "things",
                                   .summary = "Put."},
                                  {.method = "GET",
                                   .path = "/files/{key*}",
                                   .handler = handler,
                                   .reply_type = "text/csv",
                                   .tag = "files",
                                   .summary = "A file."},
                                  {0}};
static const lh_route *const tables[] = {first, second, NULL};

static lh_arena *arena;
static lh_ctx cx;
static lh_buf out;

static void setup(void)
{
    arena = lh_arena_new(0);
    lh_ctx_init(&cx, arena);
    lh_buf_init(&out, 1024 * 1024);
}

static void teardown(void)
{
    lh_buf_done(&out);
    arena = lh_arena_free(arena);
}

static const lh_json *at(const lh_json *object, const char *key)
{
    const lh_json *value = lh_json_get(object, lh_str_from(key));
    ck_assert_msg(value != NULL, "no %s", key);
    return value;
}

LH_TEST(openapi_has_every_row_status_and_record)
{
    const lh_json *root;
    lh_json_writer w;
    setup();
    lh_jw_init(&w, &cx, &out);
    ck_assert_int_eq(lh_openapi_write(&w, tables, LH_S("1.2.3")), LH_OK);
    ck_assert_int_eq(lh_jw_end(&w), LH_OK);
    ck_assert_msg(lh_json_parse(&cx, lh_buf_str(&out), 0, &root) == LH_OK, "%s", cx.err.message);
    ck_assert(lh_str_eq(lh_json_get_str(root, LH_S("openapi")), LH_S("3.1.0")));
    const lh_json *paths = at(root, "paths");
    ck_assert_uint_eq(paths->count, 3);
    const lh_json *get = at(at(paths, "/things/{id}"), "get");
    const lh_json *responses = at(get, "responses");
    at(responses, "200");
    at(responses, "401");
    at(responses, "404");
    at(responses, "409");
    at(responses, "503");
    at(responses, "504");
    ck_assert_ptr_null(lh_json_get(responses, LH_S("415")));
    ck_assert_uint_eq(at(get, "parameters")->count, 2);
    const lh_json *put = at(at(paths, "/things/{id}"), "put");
    at(at(put, "responses"), "204");
    at(at(put, "responses"), "411");
    at(put, "requestBody");
    at(at(paths, "/files/{key}"), "get");
    const lh_json *health = at(at(at(paths, "/health"), "get"), "responses");
    ck_assert_ptr_null(lh_json_get(health, LH_S("401")));
    ck_assert_ptr_null(lh_json_get(health, LH_S("503")));
    const lh_json *schemas = at(at(root, "components"), "schemas");
    at(schemas, "Error");
    at(schemas, "Inner");
    at(schemas, "Outer");
    teardown();
}

LH_TEST(an_unknown_error_code_in_a_row_is_found)
{
    static const lh_route wrong[] = {
        {.method = "GET", .path = "/", .handler = handler, .errors = "not_found nonsense"}, {0}};
    static const lh_route *const wrong_tables[] = {wrong, NULL};
    lh_json_writer w;
    setup();
    lh_jw_init(&w, &cx, &out);
    ck_assert_int_eq(lh_openapi_write(&w, wrong_tables, LH_S("1")), LH_E_INTERNAL);
    teardown();
}

LH_TEST(the_table_has_one_object_per_row)
{
    const lh_json *root;
    lh_json_writer w;
    setup();
    lh_jw_init(&w, &cx, &out);
    ck_assert_int_eq(lh_routes_write_table(&w, tables), LH_OK);
    ck_assert_int_eq(lh_jw_end(&w), LH_OK);
    ck_assert_int_eq(lh_json_parse(&cx, lh_buf_str(&out), 0, &root), LH_OK);
    ck_assert_uint_eq(root->count, 4);
    ck_assert(lh_str_eq(lh_json_get_str(root->first, LH_S("path")), LH_S("/things/{id}")));
    teardown();
}

LH_TEST(the_page_escapes_what_it_shows)
{
    setup();
    ck_assert_int_eq(lh_docs_page_write(&cx, &out, tables, LH_S("1<2")), LH_OK);
    lh_str page = lh_buf_str(&out);
    ck_assert(lh_str_find(page, LH_S("<script>")) == LH_STR_NPOS);
    ck_assert(lh_str_find(page, LH_S("One &lt;script&gt;thing")) != LH_STR_NPOS);
    ck_assert(lh_str_find(page, LH_S("A number &lt;b&gt;.")) != LH_STR_NPOS);
    ck_assert(lh_str_find(page, LH_S("How many &quot;rows&quot;.")) != LH_STR_NPOS);
    ck_assert(lh_str_find(page, LH_S("Version 1&lt;2")) != LH_STR_NPOS);
    ck_assert(lh_str_find(page, LH_S("curl -X PUT http://127.0.0.1:3100/things/ID")) !=
              LH_STR_NPOS);
    ck_assert(lh_str_find(page, LH_S("id=\"record-Outer\"")) != LH_STR_NPOS);
    teardown();
}
