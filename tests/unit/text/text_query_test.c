/* The language: what it means, where its errors are; the plain form, which has none; limits. */
#include "text_world.h"

#include "text/text_highlight.h"

static void check_parse(lh_scratch *s, const char *text, uint32_t flags, const char *expected)
{
    lh_text_node *node = NULL;
    lh_rc rc = lh_text_query_parse(&s->cx, lh_str_from(text), flags, &node);
    ck_assert_msg(rc == LH_OK, "%s: %s", text, s->cx.err.message);
    lh_str out = lh_text_node_text(&s->cx, node);
    ck_assert_msg(lh_str_eq(out, lh_str_from(expected)), "%s: %.*s, not %s", text, LH_STR_ARG(out),
                  expected);
}

LH_TEST(the_language_means_what_it_says)
{
    lh_scratch s;
    lh_scratch_open(&s);
    check_parse(&s, "one two", 0, "(one two)");
    check_parse(&s, "one two", LH_TEXT_ALL, "(+one +two)");
    check_parse(&s, "+one -two three", 0, "(+one -two three)");
    check_parse(&s, "a AND b OR c", 0, "((+a +b) c)");
    check_parse(&s, "a OR b", LH_TEXT_ALL, "(a b)");
    check_parse(&s, "NOT a", 0, "(-a)");
    check_parse(&s, "\"a b\"~3 c* d~ e~2 f^2.5", 0, "(\"a b\"~3 c* d~ e~2 f^2.5)");
    check_parse(&s, "title:(a b) body:\"c d\"", 0, "((title:a title:b) body:\"c d\")");
    check_parse(&s, "(a b c)@2", 0, "(a b c)@2");
    check_parse(&s, "10:30 http://x/y a@b.c", 0, "(10\\:30 http\\://x/y a@b.c)");
    check_parse(&s, "\\+a b\\*", 0, "(\\+a b\\*)");
    check_parse(&s, "*", 0, "*");
    check_parse(&s, "", 0, "()");
    lh_scratch_close(&s);
}

LH_TEST(errors_say_where_and_how)
{
    static const struct {
        const char *text;
        int line;
        int column;
    } cases[] = {{"a \"b", 1, 3},   {"(a b", 1, 1}, {"a b)", 1, 4}, {"a AND", 1, 6},
                 {"a ^2", 1, 3},    {"a^0", 1, 2},  {"a~3", 1, 2},  {"\"a b\"~", 1, 6},
                 {"x\ny OR", 2, 5}, {"OR a", 1, 1}, {"()", 1, 2},   {"a\\", 1, 2},
                 {"(a b)@0", 1, 6}};
    lh_scratch s;
    lh_scratch_open(&s);
    for (size_t i = 0; i < LH_ARRAY_LEN(cases); i++) {
        lh_text_node *node;
        lh_err_clear(&s.cx);
        lh_rc rc = lh_text_query_parse(&s.cx, lh_str_from(cases[i].text), 0, &node);
        ck_assert_msg(rc == LH_E_BAD_REQUEST, "%s: %d", cases[i].text, rc);
        ck_assert_msg(s.cx.err.line == cases[i].line && s.cx.err.column == cases[i].column,
                      "%s: %d:%d", cases[i].text, s.cx.err.line, s.cx.err.column);
        ck_assert_uint_gt(strlen(s.cx.err.hint), 0);
    }
    lh_scratch_close(&s);
}

LH_TEST(deep_or_long_queries_are_refused)
{
    lh_scratch s;
    static char text[20000];
    lh_text_node *node;
    lh_scratch_open(&s);
    memset(text, '(', 100);
    ck_assert_int_eq(lh_text_query_parse(&s.cx, (lh_str){text, 100}, 0, &node), LH_E_TOO_LARGE);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 ? ' ' : 'a';
    ck_assert_int_eq(lh_text_query_parse(&s.cx, (lh_str){text, sizeof text}, 0, &node),
                     LH_E_TOO_LARGE);
    lh_scratch_close(&s);
}

static lh_rc ask(world *w, const char *text, uint32_t flags, lh_text_result *r)
{
    lh_text_node *node;
    lh_rc rc = lh_text_query_parse(&w->own, lh_str_from(text), 0, &node);
    lh_text_request request = {.query = node, .k = 20, .flags = flags};
    return rc == LH_OK ? lh_text_search(&w->own, w->searcher, &request, r) : rc;
}

LH_TEST(plain_text_never_fails)
{
    world w;
    static char text[300000];
    static const char *const odd[] = {"",          "\"",      "((",
                                      "+-~^",      "a0w AND", "\\",
                                      "\"a0w b1w", "title:",  "\"a0w b1w\" c2w \"\"",
                                      "\xff\xfe",  "a0w* b~9"};
    world_open(&w, 2000, 2000, 1);
    world_build(&w, (const uint32_t[]){2000}, 1);
    size_t len = 0;
    for (uint32_t i = 0; len < sizeof text - 10; i++)
        len += (size_t)snprintf(text + len, 10, "%c%uw ", 'a' + (int)(i % 7), i);
    for (size_t i = 0; i <= LH_ARRAY_LEN(odd); i++) {
        lh_str plain = i < LH_ARRAY_LEN(odd) ? lh_str_from(odd[i]) : (lh_str){text, len};
        for (uint32_t flags = 0; flags <= LH_TEXT_ALL; flags++) {
            lh_text_node *node;
            lh_text_result r;
            ck_lh_ok(&w.s, lh_text_query_plain(&w.own, plain, flags, &node));
            lh_text_request request = {.query = node, .k = 10};
            lh_rc rc = lh_text_search(&w.own, w.searcher, &request, &r);
            ck_assert_msg(rc == LH_OK, "%zu: %s", i, w.own.err.message);
            if (i == LH_ARRAY_LEN(odd))
                ck_assert_uint_gt(r.words_dropped, 0);
        }
    }
    world_close(&w);
}

LH_TEST(limits_are_said)
{
    world w;
    lh_text_result r;
    world_open(&w, 200, 50, 2);
    world_build(&w, (const uint32_t[]){200}, 1);
    ck_assert_int_eq(ask(&w, "nofield:a0w", 0, &r), LH_E_BAD_VALUE);
    ck_assert_int_eq(ask(&w, "ab~1", 0, &r), LH_E_BAD_VALUE);
    ck_assert_int_eq(ask(&w, "a0w~ zz~", 0, &r), LH_OK);
    lh_text_node *node = lh_text_node_new(&w.own, LH_TEXT_NODE_WORDS, LH_S("a0w"));
    lh_text_request request = {.query = node, .k = LH_TEXT_K_MAX + 1};
    ck_assert_int_eq(lh_text_search(&w.own, w.searcher, &request, &r), LH_E_BAD_VALUE);
    request.k = 10;
    node->boost = -1;
    ck_assert_int_eq(lh_text_search(&w.own, w.searcher, &request, &r), LH_E_BAD_VALUE);
    node->boost = 1e6; /* enormous boosts cost precision, not correctness */
    ck_assert_int_eq(lh_text_search(&w.own, w.searcher, &request, &r), LH_OK);
    ck_assert(r.score_scale < (1 << 20));
    lh_cancel cancel = {0};
    lh_cancel_request(&cancel);
    w.own.cancel = &cancel;
    ck_assert_int_eq(lh_text_search(&w.own, w.searcher, &request, &r), LH_E_CANCELLED);
    w.own.cancel = NULL;
    world_close(&w);
}

static uint32_t edits(const char *a, const char *b)
{
    size_t n = strlen(a);
    size_t m = strlen(b);
    uint32_t d[32][32];
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            uint32_t v = i == 0 ? (uint32_t)j : j == 0 ? (uint32_t)i : 1000;
            if (i > 0 && j > 0) {
                v = LH_MIN(d[i - 1][j], d[i][j - 1]) + 1;
                v = LH_MIN(v, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            }
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                v = LH_MIN(v, d[i - 2][j - 2] + 1);
            d[i][j] = v;
        }
    return d[n][m];
}

LH_TEST(fuzzy_words_find_every_term_that_near)
{
    world w;
    world_open(&w, 600, 300, 1);
    world_build(&w, (const uint32_t[]){600}, 1);
    for (uint32_t round = 0; round < 60; round++) {
        char word[16];
        uint32_t distance = 1 + round % 2;
        lh_str base = world_word_text(&w, 100 + world_draw(&w, 200));
        snprintf(word, sizeof word, "%.*s", LH_STR_ARG(base));
        word[world_draw(&w, (uint32_t)base.len)] = (char)('0' + world_draw(&w, 10));
        uint32_t expected = 0;
        for (uint32_t d = 0; d < w.docs_count; d++) {
            int near = 0;
            for (uint32_t i = 0; i < w.docs[d].lengths[0] && !near; i++) {
                lh_str text = world_word_text(&w, w.docs[d].terms[0][i]);
                near = edits(word, lh_ctx_cstr(&w.own, text)) <= distance;
            }
            expected += near ? 1u : 0u;
        }
        lh_text_result r;
        const char *query = lh_ctx_cstr(&w.own, lh_ctx_fmt(&w.own, "%s~%u", word, distance));
        ck_lh_ok(&w.s, ask(&w, query, LH_TEXT_COUNT, &r));
        if (distance == 1) /* of two edits there may be more terms than are taken */
            ck_assert_msg(r.total == expected, "%s: %llu, not %u", query,
                          (unsigned long long)r.total, expected);
        else
            ck_assert_uint_le(r.total, expected);
    }
    world_close(&w);
}

LH_TEST(a_prefix_finds_every_document_with_such_a_term)
{
    world w;
    world_open(&w, 900, 300, 1);
    world_build(&w, (const uint32_t[]){500, 900}, 2);
    for (uint32_t n = 0; n < 20; n++) {
        lh_str prefix = lh_ctx_fmt(&w.own, "%c%u", 'a' + (int)(n % 7), n);
        uint32_t expected = 0;
        for (uint32_t d = 0; d < w.docs_count; d++) {
            int has = 0;
            for (uint32_t i = 0; i < w.docs[d].lengths[0]; i++)
                has |= lh_str_starts(world_word_text(&w, w.docs[d].terms[0][i]), prefix);
            expected += has ? 1u : 0u;
        }
        lh_text_result r;
        const char *query = lh_ctx_cstr(&w.own, lh_ctx_fmt(&w.own, "%.*s*", LH_STR_ARG(prefix)));
        ck_lh_ok(&w.s, ask(&w, query, LH_TEXT_COUNT, &r));
        ck_assert_uint_eq(r.total, expected);
        ck_lh_ok(&w.s, ask(&w, query, 0, &r));
        ck_assert_uint_eq(r.hits_count, LH_MIN(expected, 20u));
    }
    world_close(&w);
}

LH_TEST(explain_adds_up_to_the_score)
{
    static const char *const texts[] = {"a0w b1w c2w", "+a0w title:b1w -c2w", "\"a0w b1w\" d3w",
                                        "a* b1w^2", "(a0w b1w c2w)@2"};
    world w;
    world_open(&w, 800, 60, 2);
    world_build(&w, (const uint32_t[]){500, 800}, 2);
    for (size_t i = 0; i < LH_ARRAY_LEN(texts); i++) {
        lh_text_result r;
        lh_text_node *node;
        ck_lh_ok(&w.s, ask(&w, texts[i], 0, &r));
        ck_assert_uint_gt(r.hits_count, 0);
        ck_lh_ok(&w.s, lh_text_query_parse(&w.own, lh_str_from(texts[i]), 0, &node));
        for (uint32_t h = 0; h < r.hits_count; h++) {
            lh_text_reason reason;
            int matches;
            ck_lh_ok(&w.s,
                     lh_text_explain(&w.own, w.searcher, node, &r.hits[h], &reason, &matches));
            ck_assert_int_eq(matches, 1);
            ck_assert(fabs(reason.score - r.hits[h].score) < 1e-12);
        }
    }
    world_close(&w);
}

LH_TEST(highlights_cut_no_character)
{
    static const char text[] =
        "\xc3\x9c"
        "ber die \xc3\x84pfel: der Gabelstapler f\xc3\xa4hrt \xe6\x9d\xb1\xe4\xba\xac "
        "nachts im Lager, und die \xc3\x84pfel rollen. CAND-000123 \xc3\xa9t\xc3\xa9 ";
    static const char *const queries[] = {"apfel",
                                          "\"gabelstapler fahrt\"",
                                          "lager cand-000123",
                                          "\xe6\x9d\xb1\xe4\xba\xac",
                                          "roll*",
                                          "lagre~",
                                          "nothing"};
    const lh_str text_s = {text, sizeof text - 1};
    lh_scratch s;
    lh_text_analyzer *a = NULL;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_text_analyzer_new(&s.cx, NULL, &a));
    for (size_t q = 0; q < LH_ARRAY_LEN(queries); q++) {
        for (uint32_t bytes = 20; bytes < 150; bytes++) {
            lh_text_node *node;
            lh_text_highlights shown_of;
            lh_text_highlight_options opts = {.fragment_bytes = bytes, .fragments = 3};
            ck_lh_ok(&s, lh_text_query_parse(&s.cx, lh_str_from(queries[q]), 0, &node));
            ck_lh_ok(&s, lh_text_highlight(&s.cx, a, node, text_s, &opts, &shown_of));
            const lh_text_fragment *f = shown_of.fragments;
            ck_assert_uint_ge(shown_of.count, 1);
            for (uint32_t i = 0; i < shown_of.count; i++) {
                lh_str shown = lh_text_fragment_text(&s.cx, text_s, &f[i], LH_S("["), LH_S("]"));
                ck_assert(lh_utf8_valid(shown));
                ck_assert_uint_le(f[i].range.end, sizeof text - 1);
                ck_assert_int_eq(f[i].marks_count > 0, q != LH_ARRAY_LEN(queries) - 1);
                for (uint32_t m = 0; m < f[i].marks_count; m++) {
                    ck_assert_uint_ge(f[i].marks[m].start, f[i].range.start);
                    ck_assert_uint_le(f[i].marks[m].end, f[i].range.end);
                }
            }
        }
    }
    lh_text_analyzer_free(a);
    lh_scratch_close(&s);
}
