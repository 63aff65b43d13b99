/* text/text_segment_private.h - an open segment and its dictionary.
 *
 * Owns: the segment owns what open derives. Threads: immutable after open. Limits: text_index.h.
 * Formats: none. Why: search, merge, explain and verify read the same lists. */
#ifndef LH_TEXT_TEXT_SEGMENT_PRIVATE_H
#define LH_TEXT_TEXT_SEGMENT_PRIVATE_H

#include "os/pages.h"
#include "text/text_format_private.h"
#include "text/text_kernels_private.h"

/* A term's place, decoded from the dictionary at open. */
typedef struct lhi_text_term {
    uint64_t postings;  /* offset of its list */
    uint64_t positions; /* offset of its positions */
    uint32_t df;
    uint32_t bytes;           /* of the list; df 1: the document */
    uint32_t positions_bytes; /* 0 when not kept */
    uint32_t extra;           /* df 1: tf; large lists: number of its bitmap + 1, 0 = none */
} lhi_text_term;

struct lh_text_segment {
    lh_container container;
    lhi_text_meta meta;
    const lhi_text_field_row *fields;
    const lhi_text_facet_row *facets;
    const lhi_text_pair *codes;               /* LHI_TEXT_CODES a field */
    const uint8_t *norms[LH_TEXT_FIELDS_MAX]; /* length codes, a byte a document */
    uint64_t block_first[LH_TEXT_FIELDS_MAX]; /* in dict_blocks */
    lh_str postings;                          /* without the slack that follows */
    lh_str positions;
    lh_str dict;
    const uint64_t *dict_blocks;
    lh_str rows;
    const uint64_t *row_least;
    const uint64_t *facet_ends[LH_TEXT_FACETS_MAX];
    lh_str facet_text[LH_TEXT_FACETS_MAX];
    lh_str facet_docs[LH_TEXT_FACETS_MAX];
    lh_text_analyzer *analyzer;
    lhi_text_term *terms;
    uint64_t *slots; /* upper half of the hash << 32 | term + 1 */
    uint64_t slots_count;
    uint64_t *bitmaps; /* bitmap_words each */
    uint32_t *ranks;   /* documents before each 512, bitmap_words / 8 each */
    /* of terms, slots, bitmaps, ranks: read at random, so huge where it can be */
    lh_pages pages[4];
    uint32_t bitmaps_count;
    uint64_t bitmap_words;
    uint64_t tokens;
    uint64_t bytes_resident;
    const lhi_text_kernels *kernels;
};

/* Walks dictionary entries of one field in order. */
typedef struct lhi_text_dict_walk {
    const lh_text_segment *segment;
    const uint8_t *at;
    const uint8_t *end;
    uint64_t term; /* number of the entry last read */
    uint64_t next;
    uint64_t term_end;
    uint32_t field;
    uint32_t term_len;
    uint32_t shared; /* bytes it shares with the one before */
    uint8_t bytes[LH_TEXT_TERM_BYTES_MAX];
    uint64_t numbers[3]; /* df; list bytes or document; tf - 1 of a single */
    uint64_t positions_bytes;
} lhi_text_dict_walk;
/* At the block that holds term (of field). */
void lhi_text_dict_walk_at(const lh_text_segment *segment, uint32_t field, uint64_t term,
                           lhi_text_dict_walk *walk);
/* Reads one entry: 1; 0 at the field's end; -1 when the bytes are bad. */
int lhi_text_dict_next(lhi_text_dict_walk *walk);
/* Number of a term, or UINT64_MAX. */
uint64_t lhi_text_dict_find(const lh_text_segment *segment, uint32_t field, lh_str term);
/* One of many terms that are looked up together. */
typedef struct lhi_text_wanted {
    const lh_text_segment *segment;
    lh_str text;
    uint64_t *ret_term; /* its number, or UINT64_MAX */
    uint64_t hash;      /* set by find_all */
    uint64_t slot;
    uint32_t field;
} lhi_text_wanted;
void lhi_text_dict_find_all(lhi_text_wanted *wanted, size_t count);
/* First term of the field that is >= text in byte order (term_first + terms: none). */
uint64_t lhi_text_dict_lower(const lh_text_segment *segment, uint32_t field, lh_str text);
uint64_t lhi_text_dict_hash(uint32_t field, lh_str term);
/* Fills terms, slots; checks every entry. */
LH_WARN_UNUSED lh_rc lhi_text_dict_open(lh_ctx *cx, lh_text_segment *segment);

/* A large list's parts, checked at open. */
typedef struct lhi_text_blocks {
    uint32_t count;
    const uint8_t *last;       /* u32 each, not aligned */
    const uint8_t *offsets;    /* u32 each, from data */
    const uint8_t *places;     /* u32 each; NULL without positions */
    const uint8_t *best;       /* code each */
    const uint8_t *bits;       /* each */
    const uint8_t *place_bits; /* NULL without positions */
    const uint8_t *tail;
    const uint8_t *data;
    uint32_t data_bytes;
} lhi_text_blocks;
void lhi_text_blocks_of(const lh_text_segment *segment, uint32_t field, const lhi_text_term *term,
                        lhi_text_blocks *ret);
static inline uint32_t lhi_text_block_count(uint32_t df, uint32_t blocks, uint32_t block)
{
    return block + 1 < blocks ? (uint32_t)LHI_TEXT_BLOCK : df - LHI_TEXT_BLOCK * (blocks - 1);
}
LH_WARN_UNUSED lh_rc lhi_text_blocks_check(lh_ctx *cx, const lh_text_segment *segment,
                                           uint32_t field, const lhi_text_term *term);

/* Documents, tfs and positions of one block (or of a whole small or single list), checked. */
typedef struct lhi_text_block {
    uint32_t count;
    uint32_t docs[LHI_TEXT_BLOCK + 16];
    uint32_t tfs[LHI_TEXT_BLOCK];
    uint8_t codes[LHI_TEXT_BLOCK]; /* large lists */
    const uint8_t *place;          /* positions; NULL when not kept */
    size_t place_bytes;
    uint32_t place_bits;
} lhi_text_block;
/* 0, or -1 when the bytes are bad. */
int lhi_text_block_read(const lh_text_segment *segment, uint32_t field, const lhi_text_term *term,
                        uint32_t block, lhi_text_block *ret);
/* The documents alone, of a list of two at least. */
int lhi_text_block_docs(const lh_text_segment *segment, uint32_t field, const lhi_text_term *term,
                        uint32_t block, lhi_text_block *ret);
static inline uint32_t lhi_text_blocks_count(uint32_t df)
{
    return (df + LHI_TEXT_BLOCK - 1) / LHI_TEXT_BLOCK;
}
/* Positions of the index'th posting into out (tfs[index] of them); -1 when the bytes are bad. */
int lhi_text_block_positions(const lhi_text_block *block, uint32_t index, uint32_t *out);

#endif
