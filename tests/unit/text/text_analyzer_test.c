/* What becomes of texts: words, codes, scripts without spaces, accents, stems, lists; and that no
 * bytes break it. */
#include "support/scratch.h"
#include "text/text_analyzer.h"

#include "base/buf.h"

static lh_rc put_token(lh_ctx *cx, void *arg, const lh_text_token *token)
{
    static const char marks[] = {' ', '=', '2', '$', '1'};
    lh_str *out = arg;
    *out = lh_ctx_fmt(cx, "%.*s%s%u%c%.*s", LH_STR_ARG(*out), out->len ? " " : "", token->position,
                      token->kind == LH_TEXT_TOKEN_WORD ? ':' : marks[token->kind],
                      LH_STR_ARG(token->term));
    return out->ptr ? LH_OK : cx->err.rc;
}

static void check(lh_scratch *s, const lh_text_analyzer_options *opts, const char *text,
                  const char *expected)
{
    lh_text_analyzer *a = NULL;
    lh_text_tokenizer *t = NULL;
    lh_str out = LH_S("");
    ck_lh_ok(s, lh_text_analyzer_new(&s->cx, opts, &a));
    ck_lh_ok(s, lh_text_tokenizer_new(&s->cx, a, &t));
    ck_lh_ok(s, lh_text_tokenize(&s->cx, t, lh_str_from(text), 0, put_token, &out));
    ck_assert_msg(lh_str_eq(out, lh_str_from(expected)), "%s:\n  %.*s\n  %s", text, LH_STR_ARG(out),
                  expected);
    lh_text_tokenizer_free(t);
    lh_text_analyzer_free(a);
}

LH_TEST(words_are_folded_and_numbered)
{
    lh_scratch s;
    lh_scratch_open(&s);
    check(&s, NULL, "The quick, BROWN fox", "0:the 1:quick 2:brown 3:fox");
    check(&s, NULL,
          "Caf\xc3\xa9 cafe\xcc\x81 \xc3\x89T\xc3\x89 stra\xc3\x9f"
          "e \xc5\x81\xc3\xb3"
          "d\xc5\xba",
          "0:cafe 1:cafe 2:ete 3:strasse 4:lodz");
    check(&s, NULL, "\xef\xbc\xa1\xef\xbd\x82 \xef\xac\x81n", "0:ab 1:fin");
    check(&s, NULL, "  ", "");
    check(&s, NULL, "don't", "0:don 1:t");
    lh_scratch_close(&s);
}

LH_TEST(accents_can_be_kept)
{
    lh_scratch s;
    lh_text_analyzer_options keep = {.flags = LH_TEXT_KEEP_ACCENTS};
    lh_scratch_open(&s);
    check(&s, &keep, "caf\xc3\xa9 cafe", "0:cafe\xcc\x81 1:cafe");
    lh_scratch_close(&s);
}

LH_TEST(codes_are_kept_whole_and_in_parts)
{
    lh_scratch s;
    lh_text_analyzer_options parts = {.flags = LH_TEXT_NO_CODES};
    lh_scratch_open(&s);
    check(&s, NULL, "CAND-000123.", "0:cand 1:000123 0=cand-000123");
    check(&s, NULL, "A/B-12 x", "0:a 1:b 2:12 0=a/b-12 3:x");
    check(&s, NULL, "me@example.com", "0:me 1:example 2:com 0=me@example.com");
    check(&s, NULL, "https://ex.org/a", "0:https 1:ex 2:org 3:a 1=ex.org/a");
    check(&s, NULL, "v1.2.3-rc1", "0:v1 1:2 2:3 3:rc1 0=v1.2.3-rc1");
    check(&s, NULL, "1,234.5 a,b", "0:1 1:234 2:5 0=1234.5 3:a 4:b");
    check(&s, NULL, "open-source", "0:open 1:source");
    check(&s, NULL, "C++ C# c", "0:c 0=c++ 1:c 1=c# 2:c");
    check(&s, &parts, "CAND-000123", "0:cand 1:000123");
    lh_scratch_close(&s);
}

LH_TEST(scripts_without_spaces_give_pairs)
{
    lh_scratch s;
    lh_scratch_open(&s);
    check(&s, NULL, "\xe6\x9d\xb1\xe4\xba\xac\xe9\x83\xbd x",
          "02\xe6\x9d\xb1\xe4\xba\xac 12\xe4\xba\xac\xe9\x83\xbd 2$\xe9\x83\xbd 3:x");
    check(&s, NULL, "a\xe6\x9d\xb1", "0:a 11\xe6\x9d\xb1");
    lh_scratch_close(&s);
}

LH_TEST(stems_and_stop_words_apply_when_asked)
{
    lh_scratch s;
    lh_str stops[] = {LH_S("The"), LH_S("of")};
    lh_text_analyzer_options english = {.stem = LH_S("english"), .stop_words = {stops, 2}};
    lh_text_analyzer_options german = {.stem = LH_S("german")};
    lh_text_analyzer_options french = {.stem = LH_S("french")};
    lh_scratch_open(&s);
    check(&s, &english, "The drivers of running trucks", "1:driver 3:run 4:truck");
    check(&s, &german, "H\xc3\xa4user Haus", "0:haus 1:haus");
    check(&s, &french, "continu\xc3\xa9 continuer", "0:continu 1:continu");
    lh_text_analyzer_options nobody = {.stem = LH_S("klingon")};
    lh_text_analyzer *a = NULL;
    ck_assert_int_eq(lh_text_analyzer_new(&s.cx, &nobody, &a), LH_E_BAD_VALUE);
    lh_scratch_close(&s);
}

LH_TEST(a_recorded_analyser_is_the_same_again)
{
    lh_scratch s;
    lh_str stops[] = {LH_S("the")};
    lh_str lines[] = {LH_S("car, automobile, Auto"), LH_S("big, large")};
    lh_text_analyzer_options opts = {
        .stem = LH_S("english"), .stop_words = {stops, 1}, .synonyms = {lines, 2}};
    lh_text_analyzer *a = NULL;
    lh_text_analyzer *b = NULL;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_text_analyzer_new(&s.cx, &opts, &a));
    lh_str recorded = lh_ctx_dup(&s.cx, lh_text_analyzer_recorded(a));
    ck_lh_ok(&s, lh_text_analyzer_parse(&s.cx, recorded, &b));
    ck_assert(lh_str_eq(lh_text_analyzer_recorded(b), recorded));
    ck_assert_uint_eq(lh_text_analyzer_synonyms(b, LH_S("auto")).count, 3);
    ck_assert_uint_eq(lh_text_analyzer_synonyms(b, LH_S("bus")).count, 0);
    lh_text_analyzer_free(a);
    lh_text_analyzer_free(b);
    for (size_t i = 0; i < recorded.len; i++) { /* a cut is refused, unless it drops whole lines */
        b = NULL;
        if (i > 0 && recorded.ptr[i - 1] == '\n')
            continue;
        ck_assert_int_eq(lh_text_analyzer_parse(&s.cx, lh_str_sub(recorded, 0, i), &b),
                         LH_E_CORRUPT);
    }
    lh_scratch_close(&s);
}

static lh_rc check_token(lh_ctx *cx, void *arg, const lh_text_token *token)
{
    const lh_str *text = arg;
    (void)cx;
    ck_assert_uint_gt(token->term.len, 0);
    ck_assert_uint_le(token->term.len, LH_TEXT_TERM_BYTES_MAX);
    ck_assert(lh_utf8_valid(token->term));
    ck_assert_uint_lt(token->start, token->end);
    ck_assert_uint_le(token->end, text->len);
    return LH_OK;
}

LH_TEST(no_bytes_break_a_tokenizer)
{
    lh_scratch s;
    static char bytes[4000];
    static const char *const pieces[] = {
        "-",        ".", "a", "9", "\xe6\x9d\xb1", "\xcc\x81", "\xff",
        "\xc3\x89", " ", "@", ",", "++",           "#",        "\xe2\x80\x8b"};
    lh_text_analyzer_options opts = {.stem = LH_S("english")};
    lh_text_analyzer *a = NULL;
    lh_text_tokenizer *t = NULL;
    uint32_t seed = 1;
    lh_scratch_open(&s);
    ck_lh_ok(&s, lh_text_analyzer_new(&s.cx, &opts, &a));
    ck_lh_ok(&s, lh_text_tokenizer_new(&s.cx, a, &t));
    for (int round = 0; round < 400; round++) {
        size_t len = 0;
        while (len < sizeof bytes - 8) {
            seed = seed * 1664525u + 1013904223u;
            const char *piece = pieces[(seed >> 20) % LH_ARRAY_LEN(pieces)];
            size_t n = strlen(piece);
            if (round % 3 == 0)
                bytes[len++] = (char)(seed >> 24);
            memcpy(bytes + len, piece, n);
            len += n;
            if (round % 7 == 0 && (seed >> 10) % 50 == 0)
                break;
        }
        lh_str text = {bytes, len};
        ck_lh_ok(&s, lh_text_tokenize(&s.cx, t, text, 0, check_token, &text));
    }
    memset(bytes, 'x', sizeof bytes); /* a word longer than any term */
    lh_str text = {bytes, sizeof bytes};
    ck_lh_ok(&s, lh_text_tokenize(&s.cx, t, text, 0, check_token, &text));
    lh_text_tokenizer_free(t);
    lh_text_analyzer_free(a);
    lh_scratch_close(&s);
}
