/* text/text_analyzer.h - text to terms, the same way for an index and for its queries.
 *
 * Owns:    an analyser owns copies of its options; a tokenizer borrows its analyser.
 * Threads: an analyser is immutable and shared; a tokenizer (it holds a stemmer) is one thread's.
 * Limits:  terms of LH_TEXT_TERM_BYTES_MAX bytes: longer ones are cut there, at a character;
 *          LH_TEXT_LIST_MAX stop words and synonym groups; offsets below 4 GiB.
 * Formats: any bytes, ill-formed UTF-8 ends a word; the recorded form ("unicode 1", then one option
 *          a line) is stored in a segment, so that a query is cut as the documents were.
 * Why:     words, codes, addresses and scripts without spaces each have one rule, written here:
 *          - a word is letters, digits and marks, case-folded, decomposed, accents dropped unless
 *            LH_TEXT_KEEP_ACCENTS; the rest ends it;
 *          - words joined by single - _ . / @ : ' & , + (CAND-000123, a.b@c.d, v1.2.3, A/B-12) are
 *            terms at successive positions; when the joint has a digit, @, a dot, a slash or an
 *            underscore, the whole is one more term at the position of the first part (1,234.5
 *            loses its commas); C++ and C# are such wholes too;
 *          - a run of Han, kana or Hangul gives a term per pair of neighbours, and its last
 *            character alone, so that one character is found as a prefix;
 *          - stop words leave a hole in the positions; a stem replaces its word. */
#ifndef LH_TEXT_TEXT_ANALYZER_H
#define LH_TEXT_TEXT_ANALYZER_H

#include "base/ctx.h"

#define LH_TEXT_TERM_BYTES_MAX 255
#define LH_TEXT_LIST_MAX       10000

enum {
    LH_TEXT_KEEP_ACCENTS = 1, /* cafe does not find café */
    LH_TEXT_NO_CODES = 2      /* parts only: no whole of joined words */
};

typedef struct lh_text_analyzer_options {
    uint32_t flags;
    lh_str stem;            /* language of Snowball ("english", "german", ...); empty: none */
    lh_str_list stop_words; /* none by default */
    lh_str_list synonyms;   /* each "car, automobile, auto": a query for one asks for all */
} lh_text_analyzer_options;

typedef struct lh_text_analyzer lh_text_analyzer;
/* Copies opts (NULL: all defaults). LH_E_BAD_VALUE that names the option. */
LH_WARN_UNUSED lh_rc lh_text_analyzer_new(lh_ctx *cx, const lh_text_analyzer_options *opts,
                                          lh_text_analyzer **ret_analyzer);
/* From the recorded form. LH_E_CORRUPT. */
LH_WARN_UNUSED lh_rc lh_text_analyzer_parse(lh_ctx *cx, lh_str recorded,
                                            lh_text_analyzer **ret_analyzer);
lh_text_analyzer *lh_text_analyzer_free(lh_text_analyzer *analyzer);
LH_DEFINE_CLEANUP(lh_text_analyzer, lh_text_analyzer_free)
lh_str lh_text_analyzer_recorded(const lh_text_analyzer *analyzer); /* borrowed */
/* The terms of its synonym group, itself among them, borrowed; count 0 when it has none. */
lh_str_list lh_text_analyzer_synonyms(const lh_text_analyzer *analyzer, lh_str term);

typedef enum lh_text_token_kind {
    LH_TEXT_TOKEN_WORD,  /* a word of its own, or a part of a joint */
    LH_TEXT_TOKEN_WHOLE, /* a whole joint, beside its parts */
    LH_TEXT_TOKEN_PAIR,  /* two characters of a script without spaces */
    LH_TEXT_TOKEN_LAST,  /* the last character of such a run, alone */
    LH_TEXT_TOKEN_SINGLE /* such a character that stands alone: a query takes it as a prefix */
} lh_text_token_kind;

typedef struct lh_text_token {
    lh_str term;       /* borrowed until the callback returns */
    uint32_t position; /* from 0; may jump (stop words) and repeat (wholes) */
    uint32_t start;    /* bytes [start, end) of the source */
    uint32_t end;
    uint32_t joint; /* parts and their whole share a number above 0; 0 = stands alone */
    lh_text_token_kind kind;
} lh_text_token;
typedef lh_rc (*lh_text_on_token)(lh_ctx *cx, void *arg, const lh_text_token *token);

enum { LH_TEXT_NO_STEM = 1 }; /* of one call: for prefixes and fuzzy words */

typedef struct lh_text_tokenizer lh_text_tokenizer;
LH_WARN_UNUSED lh_rc lh_text_tokenizer_new(lh_ctx *cx, const lh_text_analyzer *analyzer,
                                           lh_text_tokenizer **ret_tokenizer);
lh_text_tokenizer *lh_text_tokenizer_free(lh_text_tokenizer *tokenizer);
LH_DEFINE_CLEANUP(lh_text_tokenizer, lh_text_tokenizer_free)
/* Calls on_token for every term, in order of position (a whole after its parts); stops at its
 * first error and returns it. */
LH_WARN_UNUSED lh_rc lh_text_tokenize(lh_ctx *cx, lh_text_tokenizer *tokenizer, lh_str text,
                                      uint32_t flags, lh_text_on_token on_token, void *arg);

#endif
