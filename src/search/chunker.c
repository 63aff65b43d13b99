/* search/chunker.c - cuts at the last sentence end in the second half of the window, else at the
 * last space, else hard. */
#include "search/chunker.h"

void lh_chunker_init(lh_chunker *chunker, lh_str text, uint32_t size, uint32_t overlap)
{
    lh_assert(size >= LH_CHUNK_SIZE_MIN && size <= LH_CHUNK_SIZE_MAX && overlap < size / 2 + 1);
    *chunker = (lh_chunker){.text = text, .size = size, .overlap = overlap};
}

static int is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Byte offset after `count` code points from `from`, or the end. */
static size_t advance(lh_str text, size_t from, uint32_t count)
{
    size_t at = from;
    for (uint32_t i = 0; i < count && at < text.len; i++) {
        at++;
        while (at < text.len && ((unsigned char)text.ptr[at] & 0xC0) == 0x80)
            at++;
    }
    return at;
}

static size_t go_back(lh_str text, size_t from, size_t floor, uint32_t count)
{
    size_t at = from;
    for (uint32_t i = 0; i < count && at > floor; i++) {
        at--;
        while (at > floor && ((unsigned char)text.ptr[at] & 0xC0) == 0x80)
            at--;
    }
    return at;
}

/* A sentence ends before `at`: punctuation and a space, or an empty line. */
static int sentence_ends(lh_str text, size_t at)
{
    char before = text.ptr[at - 1];
    if (!is_space(text.ptr[at]))
        return 0;
    return before == '.' || before == '!' || before == '?' || before == '\n';
}

static size_t cut(lh_str text, size_t from, size_t to)
{
    if (to >= text.len)
        return text.len;
    size_t half = from + (to - from) / 2;
    for (size_t at = to; at > half; at--) {
        if (sentence_ends(text, at))
            return at;
    }
    for (size_t at = to; at > half; at--) {
        if (is_space(text.ptr[at]))
            return at;
    }
    return to;
}

/* Where the next chunk begins: overlap code points back, then forward to the next word. */
static size_t next_start(const lh_chunker *c, size_t begin, size_t end)
{
    if (c->overlap == 0)
        return end;
    size_t at = go_back(c->text, end, begin, c->overlap);
    while (at < end && at > begin && !is_space(c->text.ptr[at - 1]))
        at++;
    while (at < end && ((unsigned char)c->text.ptr[at] & 0xC0) == 0x80)
        at++;
    return at > begin ? at : end;
}

int lh_chunker_next(lh_chunker *c, lh_str *ret_chunk, size_t *ret_offset)
{
    while (!c->done && c->at < c->text.len && is_space(c->text.ptr[c->at]))
        c->at++;
    if (c->done || c->at >= c->text.len)
        return 0;
    size_t begin = c->at;
    size_t end = cut(c->text, begin, advance(c->text, begin, c->size));
    if (end >= c->text.len)
        c->done = 1;
    else
        c->at = next_start(c, begin, end);
    *ret_chunk = lh_str_trim(lh_str_sub(c->text, begin, end - begin));
    *ret_offset = begin;
    return 1;
}
