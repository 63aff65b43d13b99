/* text_lists.c - postings of one term as numbers: directory of a large list, blocks, positions.
 * Everything is checked before it is used: a hostile list gives an error, never a wild read. */
#include "text/text_segment_private.h"

void lhi_text_blocks_of(const lh_text_segment *s, uint32_t field, const lhi_text_term *t,
                        lhi_text_blocks *b)
{
    int positions = (s->fields[field].flags & LH_TEXT_POSITIONS) != 0;
    const uint8_t *p = (const uint8_t *)s->postings.ptr + t->postings;
    uint32_t n = lhi_text_blocks_count(t->df);
    size_t directory = lhi_text_directory_bytes(n, positions);
    b->count = n;
    b->last = p;
    b->offsets = p + 4 * (size_t)n;
    b->places = positions ? p + 8 * (size_t)n : NULL;
    p += (size_t)n * (positions ? 12 : 8);
    b->best = p;
    b->bits = p + n;
    b->place_bits = positions ? p + 2 * (size_t)n : NULL;
    b->tail = (const uint8_t *)s->postings.ptr + t->postings + directory - LHI_TEXT_DIRECTORY_TAIL;
    b->data = b->tail + LHI_TEXT_DIRECTORY_TAIL;
    b->data_bytes = (uint32_t)(t->bytes - directory);
}

static lh_rc bad(lh_ctx *cx, const char *what)
{
    return lh_fail(cx, LH_E_CORRUPT, "text segment: a list has %s", what);
}

static lh_rc check_small(lh_ctx *cx, const lh_text_segment *s, uint32_t field,
                         const lhi_text_term *t)
{
    const uint8_t *p = (const uint8_t *)s->postings.ptr + t->postings;
    size_t head = s->fields[field].flags & LH_TEXT_POSITIONS ? 3 : 2;
    if (t->bytes < head || p[0] > LHI_TEXT_BITS_MAX || p[1] > LHI_TEXT_BITS_MAX ||
        (head == 3 && p[2] > LHI_TEXT_BITS_MAX))
        return bad(cx, "numbers that are too wide");
    if (t->bytes != head + lhi_text_packed_bytes(t->df, p[0]) + lhi_text_packed_bytes(t->df, p[1]))
        return bad(cx, "another length than its numbers");
    return LH_OK;
}

lh_rc lhi_text_blocks_check(lh_ctx *cx, const lh_text_segment *s, uint32_t field,
                            const lhi_text_term *t)
{
    if (t->df <= LHI_TEXT_BLOCK)
        return check_small(cx, s, field, t);
    int positions = (s->fields[field].flags & LH_TEXT_POSITIONS) != 0;
    if (t->bytes < lhi_text_directory_bytes(lhi_text_blocks_count(t->df), positions))
        return bad(cx, "no room for its directory");
    lhi_text_blocks b;
    lhi_text_blocks_of(s, field, t, &b);
    uint32_t place = 0;
    for (uint32_t i = 0; i < b.count; i++) {
        uint32_t last = lhi_text_u32(b.last + 4 * (size_t)i);
        uint32_t at = lhi_text_u32(b.offsets + 4 * (size_t)i);
        uint32_t end = i + 1 < b.count ? lhi_text_u32(b.offsets + 4 * (size_t)i + 4) : b.data_bytes;
        uint32_t bits = b.bits[i] & ~(uint32_t)LHI_TEXT_ESCAPES;
        uint32_t count = lhi_text_block_count(t->df, b.count, i);
        if (last >= s->meta.docs || (i > 0 && last <= lhi_text_u32(b.last + 4 * (size_t)i - 4)))
            return bad(cx, "blocks out of order");
        if ((i == 0 && at != 0) || at > end || end > b.data_bytes || bits > LHI_TEXT_BITS_MAX ||
            end - at < lhi_text_packed_bytes(count, bits) + count)
            return bad(cx, "a block that does not fit");
        if (positions && (lhi_text_u32(b.places + 4 * (size_t)i) < place ||
                          lhi_text_u32(b.places + 4 * (size_t)i) > t->positions_bytes ||
                          b.place_bits[i] > LHI_TEXT_BITS_MAX))
            return bad(cx, "positions that do not fit");
        place = positions ? lhi_text_u32(b.places + 4 * (size_t)i) : 0;
        if (b.best[i] == LHI_TEXT_ESCAPE || b.best[i] > s->fields[field].codes)
            return bad(cx, "a code that stands for nothing");
    }
    for (uint32_t i = 0; i < LHI_TEXT_DIRECTORY_TAIL; i++)
        if (b.tail[i] > s->fields[field].codes)
            return bad(cx, "a code that stands for nothing");
    return LH_OK;
}

/* Numbers rise and end where they should: sums of 25-bit gaps may wrap 32 bits, hence each. */
static int docs_ok(const lhi_text_block *b, uint32_t base, uint32_t last)
{
    uint32_t before = base + 1;
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->docs[i] < before || b->docs[i] > last)
            return 0;
        before = b->docs[i] + 1;
    }
    return 1;
}

/* A term is at a place once: without bits there is one position a document, the first. */
static int positions_fit(const lhi_text_block *b)
{
    uint64_t tfs = 0;
    for (uint32_t i = 0; i < b->count; i++)
        tfs += b->tfs[i];
    return b->place_bits == 0 ? tfs == b->count : (tfs * b->place_bits + 7) / 8 <= b->place_bytes;
}

static int read_single(const lh_text_segment *s, const lhi_text_term *t, lhi_text_block *b)
{
    b->count = 1;
    b->docs[0] = t->bytes;
    b->tfs[0] = t->extra;
    if (t->positions_bytes == 0)
        return 0;
    const uint8_t *p = (const uint8_t *)s->positions.ptr + t->positions;
    if (p[0] > LHI_TEXT_BITS_MAX)
        return -1;
    b->place_bits = p[0];
    b->place = p + 1;
    b->place_bytes = t->positions_bytes - 1;
    return 0;
}

static int read_small(const lh_text_segment *s, uint32_t field, const lhi_text_term *t,
                      lhi_text_block *b)
{
    const uint8_t *p = (const uint8_t *)s->postings.ptr + t->postings;
    int positions = (s->fields[field].flags & LH_TEXT_POSITIONS) != 0;
    const uint8_t *gaps = p + (positions ? 3 : 2);
    const uint8_t *tfs = gaps + lhi_text_packed_bytes(t->df, p[0]);
    size_t tf_bytes = lhi_text_packed_bytes(t->df, p[1]);
    b->count = t->df;
    s->kernels->unpack(gaps, p[0], UINT32_MAX, t->df, b->docs);
    for (uint32_t i = 0; i < t->df; i++)
        b->tfs[i] = 1 + (p[1] ? (uint32_t)lhi_text_unpack_one(tfs, tf_bytes, i, p[1]) : 0);
    if (positions) {
        b->place_bits = p[2];
        b->place = (const uint8_t *)s->positions.ptr + t->positions;
        b->place_bytes = t->positions_bytes;
    }
    return docs_ok(b, UINT32_MAX, s->meta.docs - 1) ? 0 : -1;
}

static int read_escapes(const uint8_t *at, const uint8_t *end, lhi_text_block *b)
{
    uint32_t count = at < end ? *at++ : 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t tf;
        uint32_t index = at < end ? *at++ : LHI_TEXT_BLOCK;
        if (!lhi_text_varint_get(&at, end, &tf) || index >= b->count || tf == 0 ||
            tf > LH_TEXT_DOC_TOKENS_MAX || b->codes[index] != LHI_TEXT_ESCAPE || b->tfs[index] != 0)
            return -1;
        b->tfs[index] = (uint32_t)tf;
    }
    return 0;
}

static int read_large(const lh_text_segment *s, uint32_t field, const lhi_text_term *t,
                      uint32_t block, lhi_text_block *b)
{
    lhi_text_blocks d;
    lhi_text_blocks_of(s, field, t, &d);
    const lhi_text_pair *pairs = s->codes + (size_t)field * LHI_TEXT_CODES;
    uint32_t bits = d.bits[block] & ~(uint32_t)LHI_TEXT_ESCAPES;
    const uint8_t *gaps = d.data + lhi_text_u32(d.offsets + 4 * (size_t)block);
    const uint8_t *end =
        d.data +
        (block + 1 < d.count ? lhi_text_u32(d.offsets + 4 * (size_t)block + 4) : d.data_bytes);
    uint32_t base = block > 0 ? lhi_text_u32(d.last + 4 * (size_t)block - 4) : UINT32_MAX;
    b->count = lhi_text_block_count(t->df, d.count, block);
    s->kernels->unpack(gaps, bits, base, b->count, b->docs);
    const uint8_t *codes = gaps + lhi_text_packed_bytes(b->count, bits);
    memcpy(b->codes, codes, b->count);
    for (uint32_t i = 0; i < b->count; i++)
        b->tfs[i] =
            codes[i] >= 1 && codes[i] <= s->fields[field].codes ? pairs[codes[i] - 1].tf : 0;
    if ((d.bits[block] & LHI_TEXT_ESCAPES) && read_escapes(codes + b->count, end, b) < 0)
        return -1;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->tfs[i] == 0)
            return -1;
    if (d.places) {
        uint32_t place = lhi_text_u32(d.places + 4 * (size_t)block);
        uint32_t place_end = block + 1 < d.count ? lhi_text_u32(d.places + 4 * (size_t)block + 4)
                                                 : t->positions_bytes;
        b->place_bits = d.place_bits[block];
        b->place = (const uint8_t *)s->positions.ptr + t->positions + place;
        b->place_bytes = place_end - place;
    }
    uint32_t last = lhi_text_u32(d.last + 4 * (size_t)block);
    return b->docs[b->count - 1] == last && docs_ok(b, base, last) ? 0 : -1;
}

int lhi_text_block_docs(const lh_text_segment *s, uint32_t field, const lhi_text_term *t,
                        uint32_t block, lhi_text_block *b)
{
    if (t->df <= LHI_TEXT_BLOCK) {
        const uint8_t *p = (const uint8_t *)s->postings.ptr + t->postings;
        int positions = (s->fields[field].flags & LH_TEXT_POSITIONS) != 0;
        b->count = t->df;
        s->kernels->unpack(p + (positions ? 3 : 2), p[0], UINT32_MAX, t->df, b->docs);
        return docs_ok(b, UINT32_MAX, s->meta.docs - 1) ? 0 : -1;
    }
    lhi_text_blocks d;
    lhi_text_blocks_of(s, field, t, &d);
    uint32_t bits = d.bits[block] & ~(uint32_t)LHI_TEXT_ESCAPES;
    uint32_t last = lhi_text_u32(d.last + 4 * (size_t)block);
    uint32_t base = block > 0 ? lhi_text_u32(d.last + 4 * (size_t)block - 4) : UINT32_MAX;
    b->count = lhi_text_block_count(t->df, d.count, block);
    s->kernels->unpack(d.data + lhi_text_u32(d.offsets + 4 * (size_t)block), bits, base, b->count,
                       b->docs);
    return b->docs[b->count - 1] == last && docs_ok(b, base, last) ? 0 : -1;
}

int lhi_text_block_read(const lh_text_segment *s, uint32_t field, const lhi_text_term *t,
                        uint32_t block, lhi_text_block *b)
{
    b->place = NULL;
    b->place_bytes = 0;
    b->place_bits = 0;
    if (t->df == 1)
        return read_single(s, t, b) < 0 || (b->place && !positions_fit(b)) ? -1 : 0;
    int rc =
        t->df <= LHI_TEXT_BLOCK ? read_small(s, field, t, b) : read_large(s, field, t, block, b);
    return rc < 0 || !b->place || positions_fit(b) ? rc : -1;
}

int lhi_text_block_positions(const lhi_text_block *b, uint32_t index, uint32_t *out)
{
    uint64_t first = 0;
    for (uint32_t i = 0; i < index; i++)
        first += b->tfs[i];
    if (!b->place || ((first + b->tfs[index]) * b->place_bits + 7) / 8 > b->place_bytes)
        return -1;
    uint32_t position = 0;
    for (uint32_t i = 0; i < b->tfs[index]; i++) {
        if (b->place_bits > 0)
            position +=
                (uint32_t)lhi_text_unpack_one(b->place, b->place_bytes, first + i, b->place_bits);
        out[i] = position;
    }
    return 0;
}
