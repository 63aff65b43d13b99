/* str.c - searching, cutting and comparing text that carries its length. */
#include "base/str.h"

static unsigned char fold(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 'A' && u <= 'Z') ? (unsigned char)(u | 0x20) : u;
}

int lh_str_eq_nocase(lh_str a, lh_str b)
{
    if (a.len != b.len)
        return 0;
    for (size_t i = 0; i < a.len; i++)
        if (fold(a.ptr[i]) != fold(b.ptr[i]))
            return 0;
    return 1;
}

int lh_str_cmp(lh_str a, lh_str b)
{
    size_t common = LH_MIN(a.len, b.len);
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

int lh_str_starts(lh_str s, lh_str prefix)
{
    return s.len >= prefix.len && lh_str_eq((lh_str){s.ptr, prefix.len}, prefix);
}

int lh_str_ends(lh_str s, lh_str suffix)
{
    return s.len >= suffix.len && lh_str_eq(lh_str_from_offset(s, s.len - suffix.len), suffix);
}

int lh_str_starts_nocase(lh_str s, lh_str prefix)
{
    return s.len >= prefix.len && lh_str_eq_nocase((lh_str){s.ptr, prefix.len}, prefix);
}

size_t lh_str_find(lh_str s, lh_str needle)
{
    if (needle.len == 0)
        return 0;
    if (s.len < needle.len)
        return LH_STR_NPOS;
    const char *hit = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return hit ? (size_t)(hit - s.ptr) : LH_STR_NPOS;
}

size_t lh_str_find_char(lh_str s, char c)
{
    const char *hit = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return hit ? (size_t)(hit - s.ptr) : LH_STR_NPOS;
}

size_t lh_str_rfind_char(lh_str s, char c)
{
    const char *hit = s.len ? memrchr(s.ptr, c, s.len) : NULL;
    return hit ? (size_t)(hit - s.ptr) : LH_STR_NPOS;
}

lh_str lh_str_sub(lh_str s, size_t from, size_t len)
{
    lh_str tail = lh_str_from_offset(s, from);
    return (lh_str){tail.ptr, LH_MIN(len, tail.len)};
}

lh_str lh_str_from_offset(lh_str s, size_t from)
{
    if (s.ptr == NULL)
        return s;
    from = LH_MIN(from, s.len);
    return (lh_str){s.ptr + from, s.len - from};
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

lh_str lh_str_trim(lh_str s)
{
    while (s.len > 0 && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

int lh_str_split_next(lh_str *rest, char sep, lh_str *ret_head)
{
    if (rest->ptr == NULL)
        return 0;
    size_t at = lh_str_find_char(*rest, sep);
    if (at == LH_STR_NPOS) {
        *ret_head = *rest;
        *rest =
            /* a NULL pointer, not a zero length, is the end: "a," has an empty second part */
            LH_STR_NONE;
        return 1;
    }
    *ret_head = (lh_str){rest->ptr, at};
    *rest = lh_str_from_offset(*rest, at + 1);
    return 1;
}

/* Names longer than this are not typed by hand, so nobody misspells them. */
enum { DISTANCE_LEN_MAX = 128 };

static uint32_t min3(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t m = LH_MIN(a, b);
    return LH_MIN(m, c);
}

/* Optimal string alignment (edits and swaps of neighbours), three rows; stops when a whole row is
 * past max. */
uint32_t lh_str_distance(lh_str a, lh_str b, uint32_t max)
{
    size_t longer = LH_MAX(a.len, b.len);
    size_t shorter = LH_MIN(a.len, b.len);
    if (longer - shorter > max)
        return max + 1;
    if (longer > DISTANCE_LEN_MAX)
        return lh_str_eq_nocase(a, b) ? 0 : max + 1;

    uint32_t rows[3][DISTANCE_LEN_MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = (uint32_t)j;
    for (size_t i = 1; i <= a.len; i++) {
        uint32_t *row = rows[i % 3];
        const uint32_t *above = rows[(i - 1) % 3];
        const uint32_t *above2 = rows[(i + 1) % 3];
        uint32_t row_min = row[0] = (uint32_t)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned char ca = fold(a.ptr[i - 1]);
            unsigned char cb = fold(b.ptr[j - 1]);
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (ca != cb));
            if (i > 1 && j > 1 && ca == fold(b.ptr[j - 2]) && cb == fold(a.ptr[i - 2]))
                row[j] = LH_MIN(row[j], above2[j - 2] + 1);
            row_min = LH_MIN(row_min, row[j]);
        }
        if (row_min > max)
            return max + 1;
    }
    uint32_t distance = rows[a.len % 3][b.len];
    return LH_MIN(distance, max + 1);
}

int lh_str_eq_secret(lh_str a, lh_str b)
{
    size_t longer = LH_MAX(a.len, b.len);
    unsigned char difference = a.len != b.len;
    for (size_t i = 0; i < longer; i++) {
        unsigned char ca = i < a.len ? (unsigned char)a.ptr[i] : 0;
        unsigned char cb = i < b.len ? (unsigned char)b.ptr[i] : 0;
        difference = (unsigned char)(difference | (ca ^ cb));
        __asm__ volatile(""
                         : "+r"(difference)); /* keeps the compiler from leaving the loop early */
    }
    return difference == 0;
}
