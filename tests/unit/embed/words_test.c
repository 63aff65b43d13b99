#include "embed/words.h"

#include "base/hash.h"
#include "base/num.h"
#include "unit/embed/embed_fixture.h"

enum { BLOCK = 4096, SURROGATE_FIRST = 0xD800, SURROGATE_LAST = 0xDFFF };

/* All words of a text, joined by spaces. */
typedef struct joined {
    char text[8192];
    size_t len;
    lh_embed_word last; /* its pointers are stale */
    lh_embed_span first_span;
    size_t words;
} joined;

static bool join(void *arg, const lh_embed_word *word)
{
    joined *j = arg;
    /* A plain if: Check writes a note for every ck_assert, and this runs a million times. */
    if (j->len + word->bytes_count + 1 >= sizeof(j->text))
        ck_abort_msg("a word too long");
    if (j->words++ > 0)
        j->text[j->len++] = ' ';
    memcpy(j->text + j->len, word->bytes, word->bytes_count);
    j->len += word->bytes_count;
    j->last = *word;
    j->first_span = word->spans[0];
    for (uint32_t i = 0; i < word->bytes_count; i++)
        if (word->spans[i].start >= word->spans[i].end)
            ck_abort_msg("a byte without a source");
    return true;
}

static void split(lh_str text, joined *j)
{
    lh_embed_splitter splitter;
    j->len = 0;
    j->words = 0;
    lh_embed_splitter_init(&splitter, join, j);
    lh_embed_splitter_feed(&splitter, text, 0);
    lh_embed_splitter_end(&splitter);
}

static void ck_words(const char *text, const char *expected)
{
    joined j;
    split(lh_str_from(text), &j);
    ck_assert_msg(lh_str_eq(lh_str_n(j.text, j.len), lh_str_from(expected)),
                  "got '%.*s', wanted '%s'", (int)j.len, j.text, expected);
}

static void digest_block(lh_scratch *s, uint32_t start, char hex[LH_SHA256_HEX])
{
    lh_sha256 *digest = NULL;
    uint8_t out[LH_SHA256_BYTES];
    joined j;
    ck_lh_ok(s, lh_sha256_new(&s->cx, &digest));
    for (uint32_t code = start; code < start + BLOCK; code++) {
        if (code >= SURROGATE_FIRST && code <= SURROGATE_LAST)
            continue;
        char text[8] = "a";
        size_t bytes = 1 + lh_utf8_encode(code, text + 1);
        text[bytes++] = 'b';
        split(lh_str_n(text, bytes), &j);
        j.text[j.len++] = '\n';
        lh_sha256_update(digest, lh_str_n(j.text, j.len));
    }
    lh_sha256_final(digest, out);
    lh_sha256_free(digest);
    lh_hex_text(out, LH_SHA256_BYTES, hex);
}

LH_TEST(every_code_point_behaves_as_in_the_reference)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str line;
    uint32_t blocks = 0;
    for (lh_str rest = embed_data(&s, "code_points.txt");
         lh_str_split_next(&rest, '\n', &line) && line.len > 0; blocks++) {
        char hex[LH_SHA256_HEX];
        digest_block(&s, blocks * BLOCK, hex);
        ck_assert_msg(lh_str_ends(line, lh_str_n(hex, 16)), "block %.*s differs", LH_STR_ARG(line));
    }
    ck_assert_uint_eq(blocks, 0x110000 / BLOCK);
    lh_scratch_close(&s);
}

LH_TEST(case_accents_punctuation_and_ideographs)
{
    ck_words("Hello, World!", "hello , world !");
    ck_words("  Crème\tBRÛLÉE  ", "creme brulee");
    ck_words("北京x", "北 京 x");
    ck_words("a\x01"
             "b\x7f"
             "c",
             "abc");
    ck_words("don't", "don ' t");
    ck_words("", "");
    ck_words("\xff\xfe", "");
    ck_words("a\xc3(", "a (");
}

LH_TEST(marks_take_canonical_order_even_across_what_vanishes)
{
    ck_words("q\U0001D16D\u302E", "q\u302E\U0001D16D");
    ck_words("q\U0001D16D\u0300\u302E", "q\u302E\U0001D16D");
    ck_words("q\U0001D16D\u200B\u302E", "q\u302E\U0001D16D");
    ck_words("q\U0001D16D\u0901\u302E", "q\U0001D16D\u302E"); /* a starter, although it vanishes */
}

LH_TEST(a_word_that_is_too_long_says_so_and_keeps_its_range)
{
    static char text[1000];
    joined j;
    memset(text, 'x', sizeof(text));
    split(lh_str_n(text, LH_EMBED_WORD_CHARS_MAX), &j);
    ck_assert_uint_eq(j.last.chars_count, LH_EMBED_WORD_CHARS_MAX);
    split(lh_str_n(text, sizeof(text)), &j);
    ck_assert_uint_gt(j.last.chars_count, LH_EMBED_WORD_CHARS_MAX);
    ck_assert_uint_eq(j.last.source.end, sizeof(text));
}

LH_TEST(a_word_may_come_in_pieces)
{
    joined j = {0};
    lh_embed_splitter splitter;
    lh_embed_splitter_init(&splitter, join, &j);
    lh_embed_splitter_feed(&splitter, LH_S("for"), 0);
    lh_embed_splitter_feed(&splitter, LH_S("klift x"), 3);
    lh_embed_splitter_end(&splitter);
    ck_assert(lh_str_eq(lh_str_n(j.text, j.len), LH_S("forklift x")));
    ck_assert_uint_eq(j.last.source.start, 9);
}

static bool stop_after_two(void *arg, const lh_embed_word *word)
{
    (void)word;
    return ++*(int *)arg < 2;
}

LH_TEST(nothing_is_read_once_the_callback_has_enough)
{
    int calls = 0;
    lh_embed_splitter splitter;
    lh_embed_splitter_init(&splitter, stop_after_two, &calls);
    lh_embed_splitter_feed(&splitter, LH_S("a b c d e f"), 0);
    lh_embed_splitter_end(&splitter);
    ck_assert_int_eq(calls, 2);
}
