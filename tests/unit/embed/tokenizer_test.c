#include "embed/tokenizer.h"

#include "base/num.h"
#include "unit/embed/embed_fixture.h"

enum { TOKENS_MAX = 256 };

static lh_embed_tokenizer open_vocab(lh_scratch *s, lh_str text)
{
    lh_embed_vocab vocab;
    lh_embed_tokenizer tokenizer;
    ck_lh_ok(s, lh_embed_vocab_build(&s->cx, text, &vocab));
    ck_lh_ok(s, lh_embed_tokenizer_init(&s->cx, &vocab, &tokenizer));
    return tokenizer;
}

static lh_embed_tokenizer open_tiny(lh_scratch *s)
{
    return open_vocab(s, embed_data(s, "tiny/vocab.txt"));
}

static void ck_record(lh_scratch *s, const lh_embed_tokenizer *tokenizer, lh_str line)
{
    lh_str flags;
    lh_str hex;
    lh_str id;
    lh_embed_token items[TOKENS_MAX];
    lh_embed_token_list list = {.items = items, .capacity = TOKENS_MAX};
    lh_str rest = line;
    ck_assert(lh_str_split_next(&rest, ' ', &flags));
    ck_assert(lh_str_split_next(&rest, ' ', &hex));
    lh_str text = embed_unhex(s, hex);
    lh_embed_tokenizer_encode(tokenizer, LH_STR_NONE, text,
                              lh_str_eq(flags, LH_S("1")) ? LH_EMBED_TOKENIZE_SPECIALS : 0, &list);
    uint32_t count = 0;
    for (; lh_str_split_next(&rest, ' ', &id); count++) {
        int64_t expected = -1;
        ck_assert(lh_parse_i64(id, &expected));
        ck_assert_msg(count < list.count && items[count].id == expected, "token %u of %.*s", count,
                      LH_STR_ARG(hex));
        ck_assert_uint_le(items[count].source.start, items[count].source.end);
        ck_assert_uint_le(items[count].source.end, text.len);
    }
    ck_assert_msg(count == list.count, "%u tokens, not %u: %.*s", list.count, count,
                  LH_STR_ARG(hex));
}

LH_TEST(ids_equal_the_reference)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str folder = embed_minilm(&s);
    if (folder.len > 0) {
        lh_str text;
        lh_str line;
        ck_lh_ok(&s, lh_file_read_all(&s.cx, lh_path_join(&s.cx, folder, LH_S("vocab.txt")),
                                      1 << 24, &text));
        lh_embed_tokenizer tokenizer = open_vocab(&s, text);
        size_t records = 0;
        for (lh_str rest = embed_data(&s, "tokens.txt");
             lh_str_split_next(&rest, '\n', &line) && line.len > 0; records++)
            ck_record(&s, &tokenizer, line);
        ck_assert_uint_gt(records, 900);
    }
    lh_scratch_close(&s);
}

static lh_embed_token_list encode(const lh_embed_tokenizer *tokenizer, lh_embed_token *items,
                                  uint32_t capacity, const char *text)
{
    lh_embed_token_list list = {.items = items, .capacity = capacity};
    lh_embed_tokenizer_encode(tokenizer, LH_STR_NONE, lh_str_from(text), 0, &list);
    return list;
}

LH_TEST(spans_point_into_the_source)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_tokenizer t = open_tiny(&s);
    lh_embed_token items[16];
    lh_embed_token_list list = encode(&t, items, 16, "the  Zébra!");
    ck_assert_uint_eq(list.count, 6); /* [CLS] the ze ##bra ! [SEP] */
    ck_assert_uint_eq(items[1].source.start, 0);
    ck_assert_uint_eq(items[1].source.end, 3);
    ck_assert_uint_eq(items[2].source.start, 5);
    ck_assert_uint_eq(items[2].source.end, 8); /* é is two bytes */
    ck_assert_uint_eq(items[3].source.end, 11);
    ck_assert_uint_eq(items[4].source.start, 11);
    lh_scratch_close(&s);
}

LH_TEST(a_long_text_is_cut_and_says_so)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_tokenizer t = open_tiny(&s);
    lh_embed_token items[8];
    lh_embed_token_list list = encode(&t, items, 8, "the cat sat on the mat");
    ck_assert_uint_eq(list.count, 8);
    ck_assert_uint_eq(list.truncated, 0);
    list = encode(&t, items, 8, "the cat sat on the mat.");
    ck_assert_uint_eq(list.count, 8);
    ck_assert_uint_eq(list.truncated, 1);
    ck_assert_int_eq(items[7].id, t.sep);
    list = encode(&t, items, 2, "the");
    ck_assert_uint_eq(list.count, 2);
    ck_assert_uint_eq(list.truncated, 1);
    list = encode(&t, items, 2, " \t");
    ck_assert_uint_eq(list.truncated, 0);
    lh_scratch_close(&s);
}

LH_TEST(special_tokens_in_a_text_are_text_unless_asked_for)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_tokenizer t = open_tiny(&s);
    lh_embed_token items[32];
    lh_embed_token_list list = encode(&t, items, 32, "[SEP]");
    for (uint32_t i = 1; i + 1 < list.count; i++)
        ck_assert_int_ne(items[i].id, t.sep);
    lh_embed_tokenizer_encode(&t, LH_STR_NONE, LH_S("a[SEP][MASK]b"), LH_EMBED_TOKENIZE_SPECIALS,
                              &list);
    ck_assert_uint_eq(list.count, 6);
    ck_assert_int_eq(items[2].id, t.sep);
    ck_assert_int_eq(items[3].id, t.mask);
    ck_assert_uint_eq(items[3].source.start, 6);
    lh_scratch_close(&s);
}

LH_TEST(a_prefix_counts_but_has_no_span)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_tokenizer t = open_tiny(&s);
    lh_embed_token items[32];
    lh_embed_token_list list = {.items = items, .capacity = 32};
    lh_embed_tokenizer_encode(&t, LH_S("query: "), LH_S("cat"), 0, &list);
    ck_assert_uint_eq(list.count, 5); /* [CLS] query : cat [SEP] */
    ck_assert_uint_eq(items[1].source.end, 0);
    ck_assert_uint_eq(items[3].source.start, 0);
    ck_assert_uint_eq(items[3].source.end, 3);
    lh_scratch_close(&s);
}

LH_TEST(a_vocabulary_without_its_special_tokens_is_refused_by_name)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_vocab vocab;
    lh_embed_tokenizer tokenizer;
    ck_lh_ok(&s, lh_embed_vocab_build(&s.cx, LH_S("[CLS]\n[UNK]\nthe\n"), &vocab));
    ck_lh_fails(lh_embed_tokenizer_init(&s.cx, &vocab, &tokenizer), LH_E_UNPROCESSABLE);
    ck_assert(lh_str_find(lh_str_from(s.cx.err.message), LH_S("[SEP]")) != LH_STR_NPOS);
    lh_scratch_close(&s);
}

LH_TEST(of_equal_tokens_the_last_counts_and_line_ends_do_not)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_vocab vocab;
    ck_lh_ok(&s, lh_embed_vocab_build(&s.cx, LH_S("a\r\nb\r\na\r\n##c"), &vocab));
    ck_assert_uint_eq(vocab.tokens_count, 4);
    ck_assert_int_eq(lh_embed_vocab_find(&vocab, LH_S("a")), 2);
    ck_assert_int_eq(lh_embed_vocab_find(&vocab, LH_S("b")), 1);
    ck_assert_int_eq(lh_embed_vocab_find(&vocab, LH_S("c")), LH_EMBED_VOCAB_NONE);
    uint32_t bytes = 0;
    ck_assert_int_eq(
        lh_embed_vocab_match(&vocab, LH_EMBED_VOCAB_CONTINUATIONS, LH_S("cab"), &bytes), 3);
    ck_assert_uint_eq(bytes, 1);
    ck_lh_fails(lh_embed_vocab_build(&s.cx, LH_S("\n"), &vocab), LH_E_UNPROCESSABLE);
    lh_scratch_close(&s);
}

LH_TEST(a_trie_that_points_outside_is_refused)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_vocab built;
    lh_embed_vocab opened;
    ck_lh_ok(&s, lh_embed_vocab_build(&s.cx, LH_S("a\nbc\n"), &built));
    lh_str bytes =
        lh_ctx_dup(&s.cx, lh_str_n(built.units, built.units_count * sizeof(lh_embed_vocab_unit)));
    lh_embed_vocab_unit *units = (lh_embed_vocab_unit *)(void *)(uintptr_t)bytes.ptr;
    ck_lh_ok(&s, lh_embed_vocab_open(&s.cx, bytes, 2, &opened));
    units[0].base = built.units_count - 255;
    ck_lh_fails(lh_embed_vocab_open(&s.cx, bytes, 2, &opened), LH_E_CORRUPT);
    units[0] = built.units[0];
    ck_lh_fails(lh_embed_vocab_open(&s.cx, bytes, 1, &opened), LH_E_CORRUPT);
    ck_lh_fails(lh_embed_vocab_open(&s.cx, lh_str_sub(bytes, 0, bytes.len - 1), 2, &opened),
                LH_E_CORRUPT);
    ck_lh_fails(lh_embed_vocab_open(&s.cx, LH_STR_NONE, 2, &opened), LH_E_CORRUPT);
    lh_scratch_close(&s);
}
