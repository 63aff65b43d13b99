/* embed/words.h - text to words, exactly as the reference's normaliser and pre-tokenizer make
 * them.
 *
 * Owns:    nothing: a splitter is the caller's memory; a word borrows from it until the callback
 *          returns.
 * Threads: one per splitter.
 * Limits:  words longer than LH_EMBED_WORD_CHARS_MAX characters are cut and say so; offsets
 *          below 4 GiB.
 * Formats: any bytes; ill-formed UTF-8 counts as U+FFFD, which vanishes. Words are UTF-8,
 *          lower-case, decomposed, without accents and controls; punctuation and ideographs
 *          stand alone.
 * Why:     WordPiece is defined on such words; separate from it because each half is tested
 *          alone. */
#ifndef LH_EMBED_WORDS_H
#define LH_EMBED_WORDS_H

#include "base/str.h"

#include <stdbool.h>

#define LH_EMBED_WORD_CHARS_MAX 100
/* Four bytes a character, one character more to see that a word is too long, three parts of a
 * map. */
#define LH_EMBED_WORD_BYTES_MAX ((LH_EMBED_WORD_CHARS_MAX + 4) * 4)

/* Bytes [start, end) of the source. */
typedef struct lh_embed_span {
    uint32_t start;
    uint32_t end;
} lh_embed_span;

typedef struct lh_embed_word {
    const char *bytes;
    const lh_embed_span *spans; /* per byte: the source of the character it belongs to */
    uint32_t bytes_count;
    uint32_t chars_count; /* above LH_EMBED_WORD_CHARS_MAX: the bytes are cut */
    lh_embed_span source; /* of the whole word, cut or not */
} lh_embed_word;

/* False: no more words are wanted. */
typedef bool (*lh_embed_on_word)(void *arg, const lh_embed_word *word);

typedef struct lh_embed_splitter {
    lh_embed_on_word on_word;
    void *arg;
    bool stopped; /* the callback has had enough */
    uint32_t bytes_count;
    uint32_t chars_count;
    uint32_t marks_count; /* length of the run of marks at the end of the word */
    lh_embed_span source;
    char bytes[LH_EMBED_WORD_BYTES_MAX];
    lh_embed_span spans[LH_EMBED_WORD_BYTES_MAX];
    struct {
        uint16_t at; /* byte offset in the word */
        uint16_t rank;
    } marks[LH_EMBED_WORD_CHARS_MAX + 4];
} lh_embed_splitter;

void lh_embed_splitter_init(lh_embed_splitter *splitter, lh_embed_on_word on_word, void *arg);
/* Reads text; its first byte has offset source_start in the source. A word may go on in the next
 * call. */
void lh_embed_splitter_feed(lh_embed_splitter *splitter, lh_str text, uint32_t source_start);
/* Ends the word that is open, if any. */
void lh_embed_splitter_end(lh_embed_splitter *splitter);

#endif
