/* embed/tokenizer.h - BERT WordPiece, token for token as the reference tokenizer.
 *
 * Owns:    borrows its vocabulary.
 * Threads: immutable; any number of threads encode at once.
 * Limits:  words above LH_EMBED_WORD_CHARS_MAX characters are one [UNK]; reading stops once
 *          tokens_max tokens are full.
 * Formats: ids of the vocabulary; [CLS] ... [SEP] around each text; spans in bytes of the text.
 * Why:     an index made here must mean the same as one made by the model's authors; a tokenizer
 *          that differs in one code point in a thousand shifts every later token of that text. */
#ifndef LH_EMBED_TOKENIZER_H
#define LH_EMBED_TOKENIZER_H

#include "embed/vocab.h"
#include "embed/words.h"

enum {
    LH_EMBED_TOKENIZE_SPECIALS =
        1 /* "[SEP]" and the like inside the text mean the special token, as the reference's
                                default has it; without the flag they are text like any other */
};

#define LH_EMBED_TOKENS_MIN 2 /* [CLS] and [SEP] */

typedef struct lh_embed_token {
    int32_t id;
    lh_embed_span source; /* bytes of the text; empty for [CLS], [SEP] and tokens of a prefix */
} lh_embed_token;

typedef struct lh_embed_tokenizer {
    lh_embed_vocab vocab;
    int32_t cls;
    int32_t sep;
    int32_t unk;
    int32_t pad;  /* LH_EMBED_VOCAB_NONE when the vocabulary has none */
    int32_t mask; /* the same */
} lh_embed_tokenizer;

typedef struct lh_embed_token_list {
    lh_embed_token *items; /* the caller's, room for capacity */
    uint32_t capacity;     /* at least LH_EMBED_TOKENS_MIN */
    uint32_t count;        /* out */
    uint32_t truncated;    /* out: 1 when the text has more tokens than fit */
} lh_embed_token_list;

/* Finds the special tokens in vocab. Errors: LH_E_UNPROCESSABLE naming the one that is missing. */
LH_WARN_UNUSED lh_rc lh_embed_tokenizer_init(lh_ctx *cx, const lh_embed_vocab *vocab,
                                             lh_embed_tokenizer *ret_tokenizer);

/* Tokens of prefix and text, read as one. Any bytes are accepted; nothing is allocated. */
void lh_embed_tokenizer_encode(const lh_embed_tokenizer *tokenizer, lh_str prefix, lh_str text,
                               uint32_t flags, lh_embed_token_list *list);

#endif
