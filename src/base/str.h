/* base/str.h - text and bytes that carry their length.
 *
 * Owns:    an lh_str borrows; whoever made the bytes says how long they live.
 * Threads: plain values.
 * Limits:  none.
 * Formats: bytes; UTF-8 where a function says so.
 * Why:     no strlen on hostile input, embedded NULs are data. C strings only at the edges. */
#ifndef LH_BASE_STR_H
#define LH_BASE_STR_H

#include "base/attr.h"

#include <stdint.h>
#include <string.h>

typedef struct lh_str {
    const char *ptr;
    size_t len;
} lh_str;

/* A list of texts; items and texts have the same owner. */
typedef struct lh_str_list {
    lh_str *items;
    size_t count;
} lh_str_list;

#define LH_S(literal) ((lh_str){("" literal), sizeof(literal) - 1})
#define LH_S_INIT(literal)                                                                         \
    {                                                                                              \
        ("" literal), sizeof(literal) - 1                                                          \
    } /* for static initialisers */
#define LH_STR_NONE ((lh_str){NULL, 0})
/* printf("%.*s", LH_STR_ARG(s)); text longer than INT_MAX is cut. */
#define LH_STR_ARG(s) ((int)LH_MIN((s).len, (size_t)0x7fffffff)), ((s).ptr ? (s).ptr : "")

static inline lh_str lh_str_from(const char *c_string)
{
    return (lh_str){c_string, c_string ? strlen(c_string) : 0};
}
static inline lh_str lh_str_n(const void *ptr, size_t len)
{
    return (lh_str){(const char *)ptr, len};
}
static inline int lh_str_eq(lh_str a, lh_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline int lh_str_empty(lh_str s)
{
    return s.len == 0;
}

int lh_str_eq_nocase(lh_str a, lh_str b); /* ASCII case only */
int lh_str_cmp(lh_str a, lh_str b);       /* byte order; shorter first on a tie */
int lh_str_starts(lh_str s, lh_str prefix);
int lh_str_ends(lh_str s, lh_str suffix);
int lh_str_starts_nocase(lh_str s, lh_str prefix);

#define LH_STR_NPOS ((size_t)-1)
size_t lh_str_find(lh_str s, lh_str needle);          /* offset or LH_STR_NPOS */
size_t lh_str_find_char(lh_str s, char c);            /* first, or LH_STR_NPOS */
size_t lh_str_rfind_char(lh_str s, char c);           /* last, or LH_STR_NPOS */
lh_str lh_str_sub(lh_str s, size_t from, size_t len); /* clamped to s */
lh_str lh_str_from_offset(lh_str s, size_t from);     /* s[from..], clamped */
lh_str lh_str_trim(lh_str s);                         /* ASCII space, tab, CR, LF off both ends */

/* Splits at the first sep: ret_head gets what is before it, *rest what follows. Returns 0 at the
 * end. */
int lh_str_split_next(lh_str *rest, char sep, lh_str *ret_head);

/* Edit distance of two ASCII-case-folded names, bounded: > max returns max + 1. For "Did you
 * mean". */
uint32_t lh_str_distance(lh_str a, lh_str b, uint32_t max);

/* Constant time in the length of the longer text. For secrets. */
int lh_str_eq_secret(lh_str a, lh_str b);

/* UTF-8. */
int lh_utf8_valid(lh_str s);
/* Decodes one code point at s.ptr[*offset] and advances it; ill-formed bytes give 0xFFFD and
 * advance by one maximal subpart (as the Unicode standard recommends). Returns 0 at the end. */
int lh_utf8_next(lh_str s, size_t *offset, uint32_t *ret_code_point);
size_t lh_utf8_encode(uint32_t code_point, char out[4]); /* bytes written, 1..4 */
size_t lh_utf8_cut(lh_str s,
                   size_t bytes_max); /* longest prefix <= bytes_max that ends at a boundary */

#endif
