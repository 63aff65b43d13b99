/* ingest_csv_split.c - finds separators 16 bytes at a time. A field of ten bytes costs one load and
 * two compares, which is less than any per-byte table; bytes above 0x7F are noticed on the way, so
 * that only those fields are checked. */
#include "worker/programs/ingest_csv_split.h"

#include "base/mem.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

void lh_csv_record_done(lh_csv_record *record)
{
    record->fields = lh_free(record->fields);
    record->count = record->capacity = 0;
}

/* First a or b in [p, end), or end. Adds LH_CSV_NOT_ASCII to *flags for a byte above 0x7F before
 * it. */
static inline const char *find_either(const char *p, const char *end, char a, char b,
                                      uint32_t *flags)
{
#if defined(__SSE2__)
    const __m128i wanted_a = _mm_set1_epi8(a);
    const __m128i wanted_b = _mm_set1_epi8(b);
    unsigned high = 0;
    for (; p < end; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned hits = (unsigned)_mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(bytes, wanted_a), _mm_cmpeq_epi8(bytes, wanted_b)));
        unsigned above = (unsigned)_mm_movemask_epi8(bytes);
        size_t left = (size_t)(end - p);
        if (left < 16) {
            hits &= (1u << left) - 1;
            above &= (1u << left) - 1;
        }
        if (hits != 0) {
            unsigned at = (unsigned)__builtin_ctz(hits);
            high |= above & ((1u << at) - 1);
            if (high != 0)
                *flags |= LH_CSV_NOT_ASCII;
            return p + at;
        }
        high |= above;
    }
    if (high != 0)
        *flags |= LH_CSV_NOT_ASCII;
    return end;
#else
    for (; p < end && *p != a && *p != b; p++)
        if ((unsigned char)*p > 0x7F)
            *flags |= LH_CSV_NOT_ASCII;
    return p;
#endif
}

typedef struct splitter {
    char delimiter;
    char quote;
    char newline;
    bool last; /* nothing follows the text */
    const char *end;
} splitter;

/* What ended a field. */
typedef enum stop { STOP_DELIMITER, STOP_LINE, STOP_MORE, STOP_STRAY } stop;

/* Reads to the next separator from p, where the field may have begun earlier (at start). */
static inline stop read_plain(const splitter *s, const char *start, const char *p,
                              lh_csv_field *field, const char **ret_next)
{
    const char *at = find_either(p, s->end, s->delimiter, s->newline, &field->flags);
    field->ptr = start;
    if (at < s->end && *at == s->delimiter) {
        field->len = (uint32_t)(at - start);
        *ret_next = at + 1;
        return STOP_DELIMITER;
    }
    if (at == s->end && !s->last)
        return STOP_MORE;
    *ret_next = at < s->end ? at + 1 : at;
    if (s->newline == '\n' && at > start && at[-1] == '\r')
        at--;
    field->len = (uint32_t)(at - start);
    return STOP_LINE;
}

/* What follows the closing quote at `at`: on STOP_DELIMITER and STOP_LINE *ret_next is behind
 * it. */
static stop after_quote(const splitter *s, const char *at, const char **ret_next)
{
    const char *p = at + 1;
    if (p == s->end) {
        *ret_next = p;
        return s->last ? STOP_LINE : STOP_MORE;
    }
    if (*p == s->delimiter || *p == s->newline) {
        *ret_next = p + 1;
        return *p == s->delimiter ? STOP_DELIMITER : STOP_LINE;
    }
    if (*p != '\r' || s->newline != '\n')
        return STOP_STRAY;
    if (p + 1 == s->end) {
        *ret_next = p + 1;
        return s->last ? STOP_LINE : STOP_MORE;
    }
    *ret_next = p + 2;
    return p[1] == '\n' ? STOP_LINE : STOP_STRAY;
}

/* A field whose first byte is the quote, at p. */
static stop read_quoted(const splitter *s, const char *p, lh_csv_field *field,
                        const char **ret_next)
{
    const char *from = p + 1;
    for (;;) {
        const char *at = find_either(from, s->end, s->quote, s->quote, &field->flags);
        if ((size_t)(at - p) > LH_CSV_QUOTED_BYTES_MAX || (at == s->end && s->last))
            break;
        if (at == s->end)
            return STOP_MORE;
        if (at + 1 < s->end && at[1] == s->quote) {
            field->flags |= LH_CSV_DOUBLED;
            from = at + 2;
            continue;
        }
        stop found = after_quote(s, at, ret_next);
        if (found == STOP_STRAY) {
            field->flags = (field->flags & LH_CSV_NOT_ASCII) | LH_CSV_STRAY;
            if (memchr(p, s->newline, (size_t)(at - p)) != NULL)
                return read_plain(s, p, p, field, ret_next);
            return read_plain(s, p, at + 1, field, ret_next);
        }
        field->flags |= LH_CSV_QUOTED;
        field->ptr = p + 1;
        field->len = (uint32_t)(at - p - 1);
        return found;
    }
    field->flags = LH_CSV_STRAY;
    return read_plain(s, p, p, field, ret_next);
}

static bool make_room(lh_csv_record *record)
{
    if (record->count < record->capacity)
        return true;
    uint32_t capacity = record->capacity == 0 ? 64 : record->capacity * 2;
    lh_csv_field *fields = lh_realloc_array(record->fields, capacity, sizeof(*fields));
    if (fields == NULL)
        return false;
    record->fields = fields;
    record->capacity = capacity;
    return true;
}

/* The rest of a line with absurdly many fields, as one field. */
static stop read_rest(const splitter *s, const char *p, lh_csv_field *field, const char **ret_next)
{
    splitter line = *s;
    line.delimiter = s->newline;
    stop found = read_plain(&line, p, p, field, ret_next);
    if (found != STOP_DELIMITER)
        return found;
    if (s->newline == '\n' && field->len > 0 && field->ptr[field->len - 1] == '\r')
        field->len--;
    return STOP_LINE;
}

lh_csv_status lh_csv_split(const lh_csv_dialect *dialect, lh_str text, lh_csv_end end,
                           lh_csv_record *record)
{
    const splitter s = {.delimiter = dialect->delimiter,
                        .quote = dialect->quote,
                        .newline = dialect->newline,
                        .last = end == LH_CSV_LAST_TEXT,
                        .end = text.ptr + text.len};
    record->count = 0;
    if (text.len == 0)
        return s.last ? LH_CSV_END : LH_CSV_MORE;
    const char *p = text.ptr;
    stop found;
    do {
        if (!make_room(record))
            return LH_CSV_NO_MEMORY;
        lh_csv_field *field = &record->fields[record->count++];
        field->flags = 0;
        if (LH_UNLIKELY(record->count == LH_CSV_FIELDS_MAX))
            found = read_rest(&s, p, field, &p);
        else if (p < s.end && s.quote != 0 && *p == s.quote)
            found = read_quoted(&s, p, field, &p);
        else
            found = read_plain(&s, p, p, field, &p);
    } while (found == STOP_DELIMITER);
    if (found == STOP_MORE)
        return LH_CSV_MORE;
    record->bytes = (size_t)(p - text.ptr);
    return LH_CSV_RECORD;
}

size_t lh_csv_undouble(const lh_csv_field *field, char quote, char *out)
{
    size_t len = 0;
    const char *p = field->ptr;
    const char *end = p + field->len;
    while (p < end) {
        const char *at = memchr(p, quote, (size_t)(end - p));
        size_t count = at != NULL ? (size_t)(at - p) + 1 : (size_t)(end - p);
        memcpy(out + len, p, count);
        len += count;
        p += count + (at != NULL ? 1 : 0); /* the second of the pair */
    }
    return len;
}
