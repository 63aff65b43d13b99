/* tokenizer.c - words to pieces: greedy longest match, the whole word is [UNK] when a rest
 * matches nothing. */
#include "embed/tokenizer.h"

typedef struct encoder {
    const lh_embed_tokenizer *tokenizer;
    lh_embed_token *items;
    uint32_t room;  /* for pieces: capacity without [CLS] and [SEP] */
    uint32_t count; /* pieces found, stored or not */
    bool in_prefix; /* spans are not of the text */
} encoder;

static void add_piece(encoder *e, int32_t id, lh_embed_span source)
{
    if (e->count < e->room)
        e->items[e->count] = (lh_embed_token){id, e->in_prefix ? (lh_embed_span){0, 0} : source};
    e->count++;
}

/* Marks may stand in another order than in the source, so the piece's source is the smallest
 * range around all. */
static lh_embed_span source_of(const lh_embed_word *word, uint32_t at, uint32_t bytes)
{
    lh_embed_span source = word->spans[at];
    for (uint32_t i = at + 1; i < at + bytes; i++) {
        source.start = LH_MIN(source.start, word->spans[i].start);
        source.end = LH_MAX(source.end, word->spans[i].end);
    }
    return source;
}

static bool add_word(void *arg, const lh_embed_word *word)
{
    encoder *e = arg;
    uint32_t before = e->count;
    bool known = word->chars_count <= LH_EMBED_WORD_CHARS_MAX;
    lh_embed_vocab_root root = LH_EMBED_VOCAB_WORDS;
    for (uint32_t at = 0; known && at < word->bytes_count;) {
        lh_str rest = lh_str_n(word->bytes + at, word->bytes_count - at);
        uint32_t bytes = 0;
        int32_t id = lh_embed_vocab_match(&e->tokenizer->vocab, root, rest, &bytes);
        known = id != LH_EMBED_VOCAB_NONE;
        if (known)
            add_piece(e, id, source_of(word, at, bytes));
        at += bytes;
        root = LH_EMBED_VOCAB_CONTINUATIONS;
    }
    if (!known) {
        e->count = before;
        add_piece(e, e->tokenizer->unk, word->source);
    }
    return e->count <= e->room; /* one more than fits tells that the text is cut */
}

/* The special token that text begins with. */
static int32_t special_at(const lh_embed_tokenizer *t, lh_str text, size_t *ret_bytes)
{
    const struct {
        lh_str name;
        int32_t id;
    } specials[] = {{LH_S("[PAD]"), t->pad},
                    {LH_S("[UNK]"), t->unk},
                    {LH_S("[CLS]"), t->cls},
                    {LH_S("[SEP]"), t->sep},
                    {LH_S("[MASK]"), t->mask}};
    for (size_t i = 0; i < LH_ARRAY_LEN(specials); i++) {
        if (specials[i].id != LH_EMBED_VOCAB_NONE && lh_str_starts(text, specials[i].name)) {
            *ret_bytes = specials[i].name.len;
            return specials[i].id;
        }
    }
    return LH_EMBED_VOCAB_NONE;
}

/* Special tokens cut the text before anything else looks at it. */
static void feed_with_specials(encoder *e, lh_embed_splitter *splitter, lh_str text)
{
    size_t from = 0;
    for (size_t at = 0; at < text.len && !splitter->stopped;) {
        size_t bytes = 0;
        int32_t id = text.ptr[at] == '['
                         ? special_at(e->tokenizer, lh_str_from_offset(text, at), &bytes)
                         : LH_EMBED_VOCAB_NONE;
        if (id == LH_EMBED_VOCAB_NONE) {
            at++;
            continue;
        }
        lh_embed_splitter_feed(splitter, lh_str_sub(text, from, at - from), (uint32_t)from);
        lh_embed_splitter_end(splitter);
        if (!splitter->stopped)
            add_piece(e, id, (lh_embed_span){(uint32_t)at, (uint32_t)(at + bytes)});
        splitter->stopped = splitter->stopped || e->count > e->room;
        at += bytes;
        from = at;
    }
    if (!splitter->stopped)
        lh_embed_splitter_feed(splitter, lh_str_from_offset(text, from), (uint32_t)from);
}

void lh_embed_tokenizer_encode(const lh_embed_tokenizer *tokenizer, lh_str prefix, lh_str text,
                               uint32_t flags, lh_embed_token_list *list)
{
    lh_assert(list->capacity >= LH_EMBED_TOKENS_MIN);
    encoder e = {.tokenizer = tokenizer,
                 .items = list->items + 1,
                 .room = list->capacity - LH_EMBED_TOKENS_MIN};
    lh_embed_splitter splitter;
    lh_embed_splitter_init(&splitter, add_word, &e);
    text.len = LH_MIN(text.len, (size_t)UINT32_MAX);

    if (prefix.len > 0) {
        e.in_prefix = true;
        lh_embed_splitter_feed(&splitter, prefix, 0);
        e.in_prefix = false;
    }
    if (flags & LH_EMBED_TOKENIZE_SPECIALS)
        feed_with_specials(&e, &splitter, text);
    else
        lh_embed_splitter_feed(&splitter, text, 0);
    lh_embed_splitter_end(&splitter);

    uint32_t pieces = LH_MIN(e.count, e.room);
    list->items[0] = (lh_embed_token){tokenizer->cls, {0, 0}};
    list->items[pieces + 1] = (lh_embed_token){tokenizer->sep, {0, 0}};
    list->count = pieces + LH_EMBED_TOKENS_MIN;
    list->truncated = e.count > e.room;
}

lh_rc lh_embed_tokenizer_init(lh_ctx *cx, const lh_embed_vocab *vocab,
                              lh_embed_tokenizer *ret_tokenizer)
{
    lh_embed_tokenizer t = {.vocab = *vocab};
    const struct {
        lh_str name;
        int32_t *id;
        bool optional;
    } wanted[] = {{LH_S("[CLS]"), &t.cls, false},
                  {LH_S("[SEP]"), &t.sep, false},
                  {LH_S("[UNK]"), &t.unk, false},
                  {LH_S("[PAD]"), &t.pad, true},
                  {LH_S("[MASK]"), &t.mask, true}};
    for (size_t i = 0; i < LH_ARRAY_LEN(wanted); i++) {
        *wanted[i].id = lh_embed_vocab_find(vocab, wanted[i].name);
        if (*wanted[i].id == LH_EMBED_VOCAB_NONE && !wanted[i].optional)
            return lh_fail(cx, LH_E_UNPROCESSABLE, "the vocabulary has no token %.*s",
                           LH_STR_ARG(wanted[i].name));
    }
    *ret_tokenizer = t;
    return LH_OK;
}
