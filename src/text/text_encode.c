/* text_encode.c - one term's postings to bytes: alone in the dictionary, a small list of one block
 * with its tfs, or blocks with impact codes and a directory in front. README.md draws all three. */
#include "text/text_build_private.h"

typedef struct term_place {
    uint64_t postings; /* bytes of its list; 0 for a term of one document */
    uint64_t positions;
} term_place;

/* One block of a list. */
typedef struct block {
    const uint32_t *docs;
    const uint32_t *tfs;
    uint32_t count;
    uint32_t base; /* the document before the first; UINT32_MAX = none */
} block;

void lhi_text_encoder_done(lhi_text_encoder *enc)
{
    lhi_text_spool_done(&enc->positions);
    lhi_text_spool_done(&enc->dict);
    lhi_text_vec_done(&enc->dict_blocks);
    lhi_text_vec_done(&enc->scratch);
    lhi_text_vec_done(&enc->place);
}

static uint32_t gaps_of(const block *b, uint32_t *gaps)
{
    uint32_t before = b->base;
    uint32_t all = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        gaps[i] = b->docs[i] - before - 1;
        before = b->docs[i];
        all |= gaps[i];
    }
    return lhi_text_bits_of(all);
}

static lh_rc put_packed(lh_ctx *cx, lhi_text_vec *out, const uint32_t *values, uint32_t count,
                        uint32_t bits)
{
    size_t bytes = lhi_text_packed_bytes(count, bits);
    LH_TRY(lhi_text_vec_reserve(cx, out, bytes, 1));
    lhi_text_pack(values, count, bits, (uint8_t *)out->items + out->count);
    out->count += bytes;
    return LH_OK;
}

/* Positions of a block's postings: each document's first one, then distances. Returns the width. */
static lh_rc put_positions(lh_ctx *cx, lhi_text_encoder *enc, const uint32_t *positions,
                           const block *b, uint32_t *ret_bits, size_t *ret_count)
{
    size_t count = 0;
    for (uint32_t i = 0; i < b->count; i++)
        count += b->tfs[i];
    uint32_t *gaps = lh_alloc(count * sizeof *gaps + 1);
    if (!gaps)
        return lh_fail(cx, LH_E_NO_MEMORY, "%zu positions", count);
    uint32_t all = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t before = 0;
        for (uint32_t j = 0; j < b->tfs[i]; j++, at++) {
            gaps[at] = positions[at] - before;
            before = positions[at];
            all |= gaps[at];
        }
    }
    uint32_t bits = lhi_text_bits_of(all);
    size_t bytes = (count * bits + 7) / 8; /* 0: first words of one-word fields only */
    lh_rc rc = lhi_text_vec_reserve(cx, &enc->place, bytes, 1);
    if (rc == LH_OK && bytes > 0) {
        lhi_text_pack(gaps, (uint32_t)count, bits, (uint8_t *)enc->place.items + enc->place.count);
        enc->place.count += bytes;
    }
    lh_free(gaps);
    *ret_bits = bits;
    *ret_count = count;
    return rc;
}

static lh_rc put_byte(lh_ctx *cx, lhi_text_vec *out, uint32_t byte)
{
    uint8_t b = (uint8_t)byte;
    return lhi_text_vec_append(cx, out, &b, 1, 1);
}

/* bits | bits of tf - 1 | bits of a position (if kept) | gaps | tfs - 1 */
static lh_rc encode_small(lh_ctx *cx, lhi_text_encoder *enc, const block *b,
                          const lhi_text_list *list, int positions)
{
    uint32_t gaps[LHI_TEXT_BLOCK];
    uint32_t tfs[LHI_TEXT_BLOCK];
    uint32_t all = 0;
    uint32_t position_bits = 0;
    size_t count;
    uint32_t bits = gaps_of(b, gaps);
    for (uint32_t i = 0; i < b->count; i++) {
        tfs[i] = b->tfs[i] - 1;
        all |= tfs[i];
    }
    if (positions)
        LH_TRY(put_positions(cx, enc, list->positions.items, b, &position_bits, &count));
    LH_TRY(put_byte(cx, &enc->scratch, bits));
    LH_TRY(put_byte(cx, &enc->scratch, lhi_text_bits_of(all)));
    if (positions)
        LH_TRY(put_byte(cx, &enc->scratch, position_bits));
    LH_TRY(put_packed(cx, &enc->scratch, gaps, b->count, bits));
    return put_packed(cx, &enc->scratch, tfs, b->count, lhi_text_bits_of(all));
}

/* Last code whose impact is no less: what bounds a posting without a code of its own. */
static uint8_t code_above(const lhi_text_codes *codes, double impact)
{
    uint32_t low = 0;
    uint32_t high = codes->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (codes->impacts[middle] >= impact)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint8_t)low;
}

typedef struct codes_seen {
    uint8_t best;
    uint32_t at_least[LHI_TEXT_CODES + 2]; /* postings whose impact is no less than the code's */
} codes_seen;

/* gaps | a code a posting | when there are: number of exceptions, then per one its place and its
 * tf as a varint */
static lh_rc encode_block(lh_ctx *cx, lhi_text_encoder *enc, uint32_t field, const block *b,
                          codes_seen *seen, uint32_t *ret_bits)
{
    const lhi_text_codes *codes = &enc->codes[field];
    const uint8_t *norms = enc->norms[field];
    uint32_t gaps[LHI_TEXT_BLOCK];
    uint8_t bytes[LHI_TEXT_BLOCK];
    uint8_t escapes[1 + LHI_TEXT_BLOCK * (1 + LHI_TEXT_VARINT_MAX)] = {0};
    uint32_t escapes_len = 1;
    uint32_t bits = gaps_of(b, gaps);
    seen->best = LHI_TEXT_ESCAPE;
    for (uint32_t i = 0; i < b->count; i++) {
        uint8_t length = norms[b->docs[i]];
        uint8_t code = lhi_text_code_of(codes, b->tfs[i], length);
        uint8_t bound = code;
        uint32_t counts_from = code;
        if (code == LHI_TEXT_ESCAPE) {
            bound = code_above(codes, lhi_text_impact(codes->k1, b->tfs[i], codes->norms[length]));
            counts_from = bound + 1u;
            escapes[0]++;
            escapes[escapes_len++] = (uint8_t)i;
            escapes_len += lhi_text_varint_put(b->tfs[i], escapes + escapes_len);
        }
        seen->best = bound < seen->best ? bound : seen->best;
        seen->at_least[counts_from]++;
        bytes[i] = code;
    }
    *ret_bits = bits | (escapes[0] > 0 ? (uint32_t)LHI_TEXT_ESCAPES : 0u);
    LH_TRY(put_packed(cx, &enc->scratch, gaps, b->count, bits));
    LH_TRY(lhi_text_vec_append(cx, &enc->scratch, bytes, b->count, 1));
    return escapes[0] > 0 ? lhi_text_vec_append(cx, &enc->scratch, escapes, escapes_len, 1) : LH_OK;
}

/* The code that k postings reach; 0 when there are not so many with a code. */
static uint8_t code_of_rank(const lhi_text_codes *codes, const codes_seen *seen, uint64_t k)
{
    uint64_t sum = 0;
    for (uint32_t c = 1; c <= codes->count; c++) {
        sum += seen->at_least[c];
        if (sum >= k)
            return (uint8_t)c;
    }
    return 0;
}

static lh_rc encode_large(lh_ctx *cx, lhi_text_encoder *enc, uint32_t field,
                          const lhi_text_list *list, int positions)
{
    const uint32_t *docs = list->docs.items;
    const uint32_t *tfs = list->tfs.items;
    const uint32_t *place = list->positions.items;
    size_t df = list->docs.count;
    size_t blocks = (df + LHI_TEXT_BLOCK - 1) / LHI_TEXT_BLOCK;
    size_t directory = lhi_text_directory_bytes(blocks, positions);
    LH_TRY(lhi_text_vec_reserve(cx, &enc->scratch, directory, 1));
    memset(enc->scratch.items, 0, directory);
    enc->scratch.count = directory;
    codes_seen seen = {.best = 0};
    uint8_t best = LHI_TEXT_ESCAPE;
    size_t wide = positions ? 12 : 8;
    for (size_t i = 0; i < blocks; i++) {
        block b = {docs + i * LHI_TEXT_BLOCK, tfs + i * LHI_TEXT_BLOCK,
                   (uint32_t)LH_MIN(df - i * LHI_TEXT_BLOCK, (size_t)LHI_TEXT_BLOCK),
                   i > 0 ? docs[i * LHI_TEXT_BLOCK - 1] : UINT32_MAX};
        uint32_t bits = 0;
        uint32_t position_bits = 0;
        size_t count = 0;
        uint32_t words[3] = {b.docs[b.count - 1], (uint32_t)(enc->scratch.count - directory),
                             (uint32_t)enc->place.count};
        if (enc->scratch.count - directory > UINT32_MAX || enc->place.count > UINT32_MAX)
            return lh_fail(cx, LH_E_TOO_LARGE, "the postings of one term pass 4 GiB");
        LH_TRY(encode_block(cx, enc, field, &b, &seen, &bits));
        if (positions)
            LH_TRY(put_positions(cx, enc, place, &b, &position_bits, &count));
        place += count;
        uint8_t *out = enc->scratch.items;
        memcpy(out + 4 * i, &words[0], 4);
        memcpy(out + 4 * (blocks + i), &words[1], 4);
        if (positions)
            memcpy(out + 4 * (2 * blocks + i), &words[2], 4);
        out[wide * blocks + i] = seen.best;
        out[(wide + 1) * blocks + i] = (uint8_t)bits;
        if (positions)
            out[(wide + 2) * blocks + i] = (uint8_t)position_bits;
        best = seen.best < best ? seen.best : best;
    }
    uint8_t *tail = (uint8_t *)enc->scratch.items + directory - LHI_TEXT_DIRECTORY_TAIL;
    tail[0] = best;
    tail[1] = code_of_rank(&enc->codes[field], &seen, 10);
    tail[2] = code_of_rank(&enc->codes[field], &seen, 100);
    return LH_OK;
}

/* A term of one document: number, tf - 1 and, packed after its width, positions. */
static lh_rc encode_single(lh_ctx *cx, lhi_text_encoder *enc, const lhi_text_list *list,
                           int positions)
{
    block b = {list->docs.items, list->tfs.items, 1, UINT32_MAX};
    if (!positions)
        return LH_OK;
    uint32_t bits = 0;
    size_t count = 0;
    LH_TRY(put_byte(cx, &enc->place, 0));
    LH_TRY(put_positions(cx, enc, list->positions.items, &b, &bits, &count));
    *(uint8_t *)enc->place.items = (uint8_t)bits;
    return LH_OK;
}

/* bytes shared with the term before | more bytes | those | documents | one: its number, tf - 1;
 * more: bytes of the list | bytes of the positions, if kept */
static lh_rc put_entry(lh_ctx *cx, lhi_text_encoder *enc, const uint8_t *key, uint32_t key_len,
                       const lhi_text_list *list)
{
    uint8_t out[6 * LHI_TEXT_VARINT_MAX + LHI_TEXT_KEY_MAX];
    uint32_t n = 0;
    uint32_t shared = 1;
    uint32_t field = key[0];
    int positions = (enc->flags[field] & LH_TEXT_POSITIONS) != 0;
    if (enc->key_len == 0 || enc->key[0] != field) {
        enc->rows[field].term_first = enc->terms;
        enc->key_len = 0;
    }
    if ((enc->terms - enc->rows[field].term_first) % LHI_TEXT_DICT_BLOCK == 0) {
        uint64_t offset = enc->dict.total;
        LH_TRY(lhi_text_vec_append(cx, &enc->dict_blocks, &offset, 1, sizeof offset));
    } else {
        while (shared < key_len && shared < enc->key_len && key[shared] == enc->key[shared])
            shared++;
    }
    size_t df = list->docs.count;
    n += lhi_text_varint_put(shared - 1, out + n);
    n += lhi_text_varint_put(key_len - shared, out + n);
    memcpy(out + n, key + shared, key_len - shared);
    n += key_len - shared;
    n += lhi_text_varint_put(df, out + n);
    if (df == 1) {
        n += lhi_text_varint_put(((const uint32_t *)list->docs.items)[0], out + n);
        n += lhi_text_varint_put(((const uint32_t *)list->tfs.items)[0] - 1, out + n);
    } else {
        n += lhi_text_varint_put(enc->scratch.count, out + n);
    }
    if (positions)
        n += lhi_text_varint_put(enc->place.count, out + n);
    memcpy(enc->key, key, key_len);
    enc->key_len = key_len;
    enc->rows[field].terms++;
    enc->terms++;
    enc->postings += df;
    return lhi_text_spool_put(cx, &enc->dict, out, n);
}

lh_rc lhi_text_encode_term(lh_ctx *cx, lhi_text_encoder *enc, const uint8_t *key, uint32_t key_len,
                           const lhi_text_list *list)
{
    size_t df = list->docs.count;
    uint32_t field = key[0];
    int positions = (enc->flags[field] & LH_TEXT_POSITIONS) != 0;
    lh_assert(df > 0);
    enc->scratch.count = 0;
    enc->place.count = 0;
    if (df == 1) {
        LH_TRY(encode_single(cx, enc, list, positions));
    } else if (df <= LHI_TEXT_BLOCK) {
        block b = {list->docs.items, list->tfs.items, (uint32_t)df, UINT32_MAX};
        LH_TRY(encode_small(cx, enc, &b, list, positions));
    } else {
        LH_TRY(encode_large(cx, enc, field, list, positions));
    }
    LH_TRY(put_entry(cx, enc, key, key_len, list));
    LH_TRY(lhi_text_spool_put(cx, &enc->positions, enc->place.items, enc->place.count));
    return lh_container_section_write(cx, enc->writer,
                                      lh_str_n(enc->scratch.items, enc->scratch.count));
}
