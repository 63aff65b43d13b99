/* fuzz_tokenizer.c - any bytes are tokenised within the caller's array, with spans inside the
 * text, the same in any capacity, and independent of how the text is cut into feeds. links:
 * embed */
#include "embed/tokenizer.h"

#include "base/num.h"

enum { CAPACITY = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static lh_embed_tokenizer tokenizer;

/* Small, but with every kind of token: specials, words, continuations, punctuation, other
 * scripts. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    static lh_ctx cx;
    lh_embed_vocab vocab;
    lh_ctx_init(&cx, lh_arena_new(0));
    lh_str text = LH_S("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nab\nabc\n##a\n##b\n##c\n##"
                       "bc\n##cab\n[\n]\n.\n#\n1\n"
                       "##1\n\xe5\x8c\x97\n\xe1\x84\x80\n##\xe1\x85\xa1\n##\xcc\xb8\n\xce\xb1\n##"
                       "\xcf\x83\nsep\nmask\n");
    lh_assert(lh_embed_vocab_build(&cx, text, &vocab) == LH_OK);
    lh_assert(lh_embed_tokenizer_init(&cx, &vocab, &tokenizer) == LH_OK);
    return 0;
}

static lh_embed_token_list encode(lh_str text, uint32_t flags, lh_embed_token *items,
                                  uint32_t capacity)
{
    lh_embed_token_list list = {.items = items, .capacity = capacity};
    lh_embed_tokenizer_encode(&tokenizer, LH_STR_NONE, text, flags, &list);
    lh_assert(list.count >= LH_EMBED_TOKENS_MIN && list.count <= capacity);
    lh_assert(items[0].id == tokenizer.cls && items[list.count - 1].id == tokenizer.sep);
    for (uint32_t i = 1; i + 1 < list.count; i++) {
        lh_assert(items[i].id >= 0 && (uint32_t)items[i].id < tokenizer.vocab.tokens_count);
        lh_assert(items[i].source.start < items[i].source.end && items[i].source.end <= text.len);
    }
    return list;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint32_t flags = data[0] & 1 ? LH_EMBED_TOKENIZE_SPECIALS : 0;
    lh_str text = lh_str_n(data + 1, size - 1);
    lh_embed_token whole[CAPACITY];
    lh_embed_token part[CAPACITY];
    lh_embed_token_list list = encode(text, flags, whole, CAPACITY);
    for (uint32_t capacity = LH_EMBED_TOKENS_MIN; capacity < CAPACITY; capacity += 7) {
        lh_embed_token_list cut = encode(text, flags, part, capacity);
        lh_assert(cut.truncated == (list.truncated || list.count > capacity));
        for (uint32_t i = 0; i + 1 < cut.count; i++)
            lh_assert(part[i].id == whole[i].id && part[i].source.start == whole[i].source.start);
    }
    /* An ASCII prefix read apart is the same as one read within. */
    if (flags == 0 && text.len > 1 && (uint8_t)text.ptr[0] < 0x80) {
        lh_embed_token_list apart = {.items = part, .capacity = CAPACITY};
        lh_embed_tokenizer_encode(&tokenizer, lh_str_sub(text, 0, 1), lh_str_from_offset(text, 1),
                                  0, &apart);
        lh_assert(apart.count == list.count && apart.truncated == list.truncated);
        for (uint32_t i = 0; i < list.count; i++)
            lh_assert(part[i].id == whole[i].id);
    }
    return 0;
}
