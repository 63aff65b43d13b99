/* text/text_format_private.h - the segment's layout and the small tools that build and open share.
 *
 * Owns:    nothing.
 * Threads: plain data, pure functions.
 * Limits:  text_index.h.
 * Formats: README.md draws them; all little-endian.
 * Why:     one layout, written once and checked once. */
#ifndef LH_TEXT_TEXT_FORMAT_PRIVATE_H
#define LH_TEXT_TEXT_FORMAT_PRIVATE_H

#include "text/text_index.h"

#define LHI_TEXT_KIND    LH_S("text-segment")
#define LHI_TEXT_VERSION 1u

enum {
    LHI_TEXT_BLOCK = 128,     /* postings of a block */
    LHI_TEXT_DICT_BLOCK = 16, /* terms between two that are written in full */
    LHI_TEXT_BITS_MAX = 25,   /* of a packed number that kernels unpack: fits a 32-bit window */
    LHI_TEXT_SLACK = 64,      /* bytes a kernel may read past a list */
    LHI_TEXT_CODES = 254,     /* impact codes 1..254, best first; 0 = better than all */
    LHI_TEXT_ESCAPE = 255,    /* the posting's tf is in the block's list of exceptions */
    LHI_TEXT_ESCAPES = 0x80,  /* in a block's bits: it has exceptions */
    LHI_TEXT_LENGTH_CODES = 256,
    LHI_TEXT_ROW_BLOCK = 128,
    LHI_TEXT_KEY_MAX = LH_TEXT_TERM_BYTES_MAX + 1 /* field number, then the term */
};

typedef struct lhi_text_meta {
    uint32_t docs;
    uint32_t fields;
    uint32_t facets;
    uint32_t row_bits; /* of a row above its block's least; 0 and no "rows": row_first + doc */
    uint64_t row_first;
    uint64_t terms;
    uint64_t postings;
    double k1;
    double b;
    uint64_t reserved;
} lhi_text_meta;
_Static_assert(sizeof(lhi_text_meta) == 64, "stored as it is");

typedef struct lhi_text_field_row {
    char name[LH_TEXT_NAME_BYTES_MAX + 1];
    double boost;
    uint32_t flags;
    uint32_t codes;      /* used of LHI_TEXT_CODES */
    uint64_t term_first; /* its terms are [term_first, term_first + terms) */
    uint64_t terms;
    uint64_t tokens;
    uint64_t reserved[3];
} lhi_text_field_row;
_Static_assert(sizeof(lhi_text_field_row) == 128, "stored as it is");

typedef struct lhi_text_facet_row {
    char name[LH_TEXT_NAME_BYTES_MAX + 1];
    uint32_t values;
    uint32_t bits; /* of a document's value + 1; 0 = none */
    uint64_t reserved[7];
} lhi_text_facet_row;
_Static_assert(sizeof(lhi_text_facet_row) == 128, "stored as it is");

/* What an impact code stands for: code c of a field at its c - 1. */
typedef struct lhi_text_pair {
    uint16_t tf;
    uint8_t length_code;
    uint8_t zero;
} lhi_text_pair;
_Static_assert(sizeof(lhi_text_pair) == 4, "stored as it is");

/* Field lengths in one byte: exact to 39, then three bits of mantissa, as Lucene's norms. */
uint32_t lhi_text_length_of(uint32_t code);
uint8_t lhi_text_length_code(uint32_t length);
/* k1 (1 - b + b len / avg) */
double lhi_text_norm(double k1, double b, double length, double average);
/* (k1 + 1) tf / (tf + norm) */
static inline double lhi_text_impact(double k1, double tf, double norm)
{
    return (k1 + 1) * tf / (tf + norm);
}

static inline uint32_t lhi_text_bits_of(uint32_t value)
{
    return value ? 32u - (uint32_t)__builtin_clz(value) : 0;
}
static inline size_t lhi_text_packed_bytes(uint32_t count, uint32_t bits)
{
    return ((size_t)count * bits + 7) / 8;
}
/* Least significant bit first, numbers one after another. out has lhi_text_packed_bytes. */
void lhi_text_pack(const uint32_t *values, uint32_t count, uint32_t bits, uint8_t *out);
/* The bits' worth at index; 1..64 bits. Reads only bytes of bytes_count; past them is 0. */
uint64_t lhi_text_unpack_one(const uint8_t *bytes, size_t bytes_count, uint64_t index,
                             uint32_t bits);

#define LHI_TEXT_VARINT_MAX 10
static inline uint32_t lhi_text_varint_put(uint64_t value, uint8_t *out)
{
    uint32_t n = 0;
    while (value >= 0x80) {
        out[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (uint8_t)value;
    return n;
}
/* 0 when it runs past end or is longer than 64 bits. */
static inline int lhi_text_varint_get(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    uint64_t value = 0;
    const uint8_t *p = *at;
    for (uint32_t shift = 0; shift < 64 && p < end; shift += 7) {
        uint8_t byte = *p++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            *at = p;
            *ret = value;
            return 1;
        }
    }
    return 0;
}
static inline uint32_t lhi_text_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* A large list's directory, at its start: arrays of blocks_count each, in this order:
 *   u32 last document | u32 offset of the block's data, from the end of the directory |
 *   u32 offset of its positions | u8 best code | u8 bits | u8 bits of a position
 * (both of positions only when the field has them), then u8 best code of all, u8 code of the 10th
 * and u8 of the 100th best posting (0 = fewer). */
enum { LHI_TEXT_DIRECTORY_TAIL = 3 };
static inline size_t lhi_text_directory_bytes(size_t blocks, int positions)
{
    return blocks * (positions ? 15 : 10) + LHI_TEXT_DIRECTORY_TAIL;
}

/* Growing array of plain items outside an arena: memory that a builder gives back. */
typedef struct lhi_text_vec {
    void *items;
    size_t count;
    size_t capacity;
} lhi_text_vec;
/* Room for count more; LH_E_NO_MEMORY leaves it as it was. */
LH_WARN_UNUSED lh_rc lhi_text_vec_reserve(lh_ctx *cx, lhi_text_vec *vec, size_t count,
                                          size_t item_bytes);
void lhi_text_vec_done(lhi_text_vec *vec);
LH_WARN_UNUSED lh_rc lhi_text_vec_append(lh_ctx *cx, lhi_text_vec *vec, const void *items,
                                         size_t count, size_t item_bytes);

#endif
