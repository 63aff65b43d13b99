/* router_test.c - which row a path belongs to, and which paths belong nowhere. */
#include "base/mem.h"
#include "net/router_private.h"
#include "support/unit.h"

static lh_rc handler(lh_ctx *cx, lh_request *rq, lh_reply *rp)
{
    (void)cx;
    (void)rq;
    (void)rp;
    return LH_OK;
}
#define ROW(m, p)                                                                                  \
    {                                                                                              \
        .method = (m), .path = (p), .handler = handler                                             \
    }
static const lh_route rows[] = {ROW("GET", "/"),
                                ROW("GET", "/jobs"),
                                ROW("GET", "/jobs/{id}"),
                                ROW("DELETE", "/jobs/{id}"),
                                ROW("GET", "/jobs/{id}/events"),
                                ROW("GET", "/jobs/running"),
                                ROW("GET", "/jobs/running/log"),
                                ROW("GET", "/objects/{key*}"),
                                ROW("PUT", "/objects/{key*}"),
                                ROW("GET", "/buckets/{bucket}/objects/{key*}"),
                                ROW("GET", "/buckets/{bucket}/stats"),
                                {0}};

static lh_arena *arena;
static lh_ctx cx;
static lhi_router *router;

static void setup(void)
{
    static const lh_route *const tables[] = {rows, NULL};
    arena = lh_arena_new(0);
    lh_ctx_init(&cx, arena);
    ck_assert_int_eq(lhi_router_new(&cx, tables, &router), LH_OK);
}

static void teardown(void)
{
    router = lhi_router_free(router);
    arena = lh_arena_free(arena);
}

static void expect(const char *method, const char *path, const char *pattern, const char *params)
{
    lhi_match match;
    lhi_router_find(router, lh_str_from(method), lh_str_from(path), &match);
    if (pattern == NULL) {
        ck_assert_msg(match.endpoint == NULL, "%s %s found %s", method, path,
                      match.endpoint != NULL ? match.endpoint->route->path : "");
        return;
    }
    ck_assert_msg(match.endpoint != NULL, "%s %s found nothing", method, path);
    ck_assert_str_eq(match.endpoint->route->path, pattern);
    lh_str found = LH_S("");
    for (uint32_t i = 0; i < match.endpoint->params_count; i++)
        found = lh_ctx_fmt(&cx, "%.*s%.*s=%.*s;", LH_STR_ARG(found),
                           LH_STR_ARG(match.endpoint->param_names[i]), LH_STR_ARG(match.params[i]));
    ck_assert_msg(lh_str_eq(found, lh_str_from(params)), "%s: %.*s", path, LH_STR_ARG(found));
}

LH_TEST(literals_win_over_parameters_and_walks_go_back)
{
    setup();
    expect("GET", "/", "/", "");
    expect("GET", "/jobs", "/jobs", "");
    expect("GET", "/jobs/7", "/jobs/{id}", "id=7;");
    expect("HEAD", "/jobs/7", "/jobs/{id}", "id=7;");
    expect("DELETE", "/jobs/7", "/jobs/{id}", "id=7;");
    expect("GET", "/jobs/running", "/jobs/running", "");
    expect("GET", "/jobs/running/log", "/jobs/running/log", "");
    expect("GET", "/jobs/running/events", "/jobs/{id}/events", "id=running;");
    expect("DELETE", "/jobs/running", "/jobs/{id}", "id=running;");
    expect("GET", "/objects/a/b/c", "/objects/{key*}", "key=a/b/c;");
    expect("GET", "/buckets/x/objects/a/b", "/buckets/{bucket}/objects/{key*}",
           "bucket=x;key=a/b;");
    expect("GET", "/buckets/x/stats", "/buckets/{bucket}/stats", "bucket=x;");
    expect("GET", "/objects", NULL, NULL);
    expect("GET", "/nothing", NULL, NULL);
    expect("GET", "/jobs/7/events/8", NULL, NULL);
    teardown();
}

LH_TEST(a_known_path_says_its_methods)
{
    setup();
    lhi_match match;
    LH_CLEANUP(lh_buf_done) lh_buf allow;
    lh_buf_init(&allow, 200);
    lhi_router_find(router, LH_S("POST"), LH_S("/jobs/7"), &match);
    ck_assert_ptr_null(match.endpoint);
    ck_assert_ptr_nonnull(match.others);
    ck_assert_int_eq(lhi_router_allow(&cx, match.others, &allow), LH_OK);
    ck_assert(lh_str_find(lh_buf_str(&allow), LH_S("DELETE")) != LH_STR_NPOS);
    ck_assert(lh_str_find(lh_buf_str(&allow), LH_S("GET, HEAD")) != LH_STR_NPOS);
    teardown();
}

LH_TEST(a_path_that_resembles_one_is_told)
{
    setup();
    ck_assert(lh_str_find(lhi_router_near(&cx, router, LH_S("/job")), LH_S("/jobs")) !=
              LH_STR_NPOS);
    ck_assert(lhi_router_near(&cx, router, LH_S("/completely-else-where-far")).len == 0);
    teardown();
}

LH_TEST(bad_tables_are_refused_at_start)
{
    static const lh_route twice[] = {ROW("GET", "/a"), ROW("GET", "/a"), {0}};
    static const lh_route tail[] = {ROW("GET", "/a/{k*}/b"), {0}};
    static const lh_route open_brace[] = {ROW("GET", "/a/{k"), {0}};
    static const lh_route relative[] = {ROW("GET", "a"), {0}};
    static const lh_route *const tables[][2] = {
        {twice, NULL}, {tail, NULL}, {open_brace, NULL}, {relative, NULL}};
    setup();
    for (size_t i = 0; i < LH_ARRAY_LEN(tables); i++) {
        lhi_router *bad = NULL;
        ck_assert_int_eq(lhi_router_new(&cx, tables[i], &bad), LH_E_INTERNAL);
    }
    teardown();
}

static const struct {
    const char *raw;
    const char *decoded; /* NULL: refused */
} paths[] = {{"/", "/"},
             {"/a/b", "/a/b"},
             {"/a%20b/%C3%A9", "/a b/\xc3\xa9"},
             {"/a%3Fb", "/a?b"},
             {"/a%25b", "/a%b"},
             {"/...", "/..."},
             {"/a..b", "/a..b"},
             {"", NULL},
             {"a", NULL},
             {"*", NULL},
             {"//", NULL},
             {"/a//b", NULL},
             {"/a/", NULL},
             {"/.", NULL},
             {"/a/../b", NULL},
             {"/a/%2e%2e/b", NULL},
             {"/a/.%2E", NULL},
             {"/a%2Fb", NULL},
             {"/a%2fb", NULL},
             {"/a%5Cb", NULL},
             {"/a\\b", NULL},
             {"/a%00b", NULL},
             {"/a%0Ab", NULL},
             {"/a%7Fb", NULL},
             {"/a%", NULL},
             {"/a%2", NULL},
             {"/a%zz", NULL},
             {"/a%C3", NULL},
             {"/a%C0%AF", NULL}};

LH_TEST_LOOP(paths_mean_one_thing_or_are_refused, LH_ARRAY_LEN(paths))
{
    setup();
    lh_str path;
    lh_rc rc = lhi_path_decode(&cx, lh_str_from(paths[_i].raw), &path);
    if (paths[_i].decoded == NULL)
        ck_assert_msg(rc == LH_E_BAD_NAME, "%s was accepted", paths[_i].raw);
    else
        ck_assert_msg(rc == LH_OK && lh_str_eq(path, lh_str_from(paths[_i].decoded)), "%s: %s",
                      paths[_i].raw, cx.err.message);
    teardown();
}
