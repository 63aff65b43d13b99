/* text_segment.c - opens a segment: sizes of all sections against the counts that meta and fields
 * give, the dictionary and every list's directory, then bitmaps of the commonest terms. */
#include "text/text_segment_private.h"

#include <math.h>

enum { BITMAP_SHARE = 16, BITMAP_DF_MIN = 512 }; /* a bitmap for terms of 1/16 of the documents */

static lh_rc bad(lh_ctx *cx, const char *what)
{
    return lh_fail(cx, LH_E_CORRUPT, "text segment: %s", what);
}

static lh_rc get_items(lh_ctx *cx, lh_text_segment *s, const char *name, size_t item_bytes,
                       uint64_t items, const void **ret)
{
    lh_str bytes;
    LH_TRY(lh_container_get(cx, &s->container, lh_str_from(name), (uint32_t)item_bytes, &bytes));
    if (bytes.len / item_bytes != items)
        return lh_fail(cx, LH_E_CORRUPT, "text segment: section %s has %zu items, not %llu", name,
                       bytes.len / item_bytes, (unsigned long long)items);
    *ret = bytes.ptr;
    return LH_OK;
}

static lh_rc get_with_slack(lh_ctx *cx, lh_text_segment *s, const char *name, lh_str *ret)
{
    LH_TRY(lh_container_get(cx, &s->container, lh_str_from(name), 1, ret));
    if (ret->len < LHI_TEXT_SLACK)
        return bad(cx, "a section without its slack");
    ret->len -= LHI_TEXT_SLACK;
    return LH_OK;
}

static int name_ends(const char *name)
{
    size_t len = strnlen(name, LH_TEXT_NAME_BYTES_MAX + 1);
    return len > 0 && len <= LH_TEXT_NAME_BYTES_MAX && lh_utf8_valid(lh_str_n(name, len));
}

static lh_rc open_meta(lh_ctx *cx, lh_text_segment *s)
{
    const void *meta;
    LH_TRY(get_items(cx, s, "meta", sizeof s->meta, 1, &meta));
    memcpy(&s->meta, meta, sizeof s->meta);
    if (s->meta.docs > LH_TEXT_DOCS_MAX || s->meta.fields == 0 ||
        s->meta.fields > LH_TEXT_FIELDS_MAX || s->meta.facets > LH_TEXT_FACETS_MAX ||
        s->meta.row_bits > 64 || s->meta.reserved != 0)
        return bad(cx, "counts past their limits");
    if (!(s->meta.k1 > 0 && s->meta.k1 <= 100) || !(s->meta.b >= 0 && s->meta.b <= 1))
        return bad(cx, "k1 or b past its limits");
    const void *fields;
    const void *facets;
    LH_TRY(get_items(cx, s, "fields", sizeof *s->fields, s->meta.fields, &fields));
    LH_TRY(get_items(cx, s, "facets", sizeof *s->facets, s->meta.facets, &facets));
    s->fields = fields;
    s->facets = facets;
    return LH_OK;
}

static lh_rc check_codes(lh_ctx *cx, const lh_text_segment *s, uint32_t field)
{
    const lhi_text_pair *pairs = s->codes + (size_t)field * LHI_TEXT_CODES;
    for (uint32_t i = 0; i < LHI_TEXT_CODES; i++)
        if (pairs[i].zero != 0 || (pairs[i].tf == 0) != (i >= s->fields[field].codes))
            return bad(cx, "impact codes past their count");
    return LH_OK;
}

static lh_rc open_fields(lh_ctx *cx, lh_text_segment *s)
{
    const void *codes;
    const void *norms;
    uint64_t terms = 0;
    uint64_t blocks = 0;
    LH_TRY(get_items(cx, s, "codes", sizeof *s->codes, (uint64_t)s->meta.fields * LHI_TEXT_CODES,
                     &codes));
    LH_TRY(get_items(cx, s, "norms", 1, (uint64_t)s->meta.fields * s->meta.docs + LHI_TEXT_SLACK,
                     &norms));
    s->codes = codes;
    for (uint32_t f = 0; f < s->meta.fields; f++) {
        const lhi_text_field_row *row = &s->fields[f];
        if (!name_ends(row->name) || !(row->boost > 0 && row->boost <= 1e6) ||
            row->codes > LHI_TEXT_CODES || row->term_first != terms ||
            row->terms > s->meta.terms - terms || (row->flags & ~(uint32_t)LH_TEXT_POSITIONS) ||
            row->tokens > (uint64_t)s->meta.docs * LH_TEXT_DOC_TOKENS_MAX)
            return bad(cx, "a field that cannot be");
        LH_TRY(check_codes(cx, s, f));
        s->norms[f] = (const uint8_t *)norms + (uint64_t)f * s->meta.docs;
        s->block_first[f] = blocks;
        s->tokens += row->tokens;
        terms += row->terms;
        blocks += (row->terms + LHI_TEXT_DICT_BLOCK - 1) / LHI_TEXT_DICT_BLOCK;
    }
    if (terms != s->meta.terms)
        return bad(cx, "fields that do not add up to its terms");
    const void *dict_blocks;
    LH_TRY(get_items(cx, s, "dict_blocks", sizeof *s->dict_blocks, blocks, &dict_blocks));
    s->dict_blocks = dict_blocks;
    LH_TRY(lh_container_get(cx, &s->container, LH_S("dict"), 1, &s->dict));
    LH_TRY(get_with_slack(cx, s, "postings", &s->postings));
    return get_with_slack(cx, s, "positions", &s->positions);
}

static lh_rc open_rows(lh_ctx *cx, lh_text_segment *s)
{
    uint64_t blocks = ((uint64_t)s->meta.docs + LHI_TEXT_ROW_BLOCK - 1) / LHI_TEXT_ROW_BLOCK;
    const void *least;
    if (s->meta.row_bits == 0)
        return LH_OK;
    LH_TRY(get_items(cx, s, "row_least", sizeof *s->row_least, blocks, &least));
    s->row_least = least;
    LH_TRY(lh_container_get(cx, &s->container, LH_S("rows"), 1, &s->rows));
    if (s->rows.len != ((uint64_t)s->meta.docs * s->meta.row_bits + 7) / 8)
        return bad(cx, "rows of another number of documents");
    return LH_OK;
}

static lh_rc open_facet(lh_ctx *cx, lh_text_segment *s, uint32_t f)
{
    const lhi_text_facet_row *row = &s->facets[f];
    char name[LH_CONTAINER_NAME_MAX];
    const void *ends;
    if (!name_ends(row->name) || row->bits != lhi_text_bits_of(row->values))
        return bad(cx, "a facet that cannot be");
    lh_str part = lh_ctx_fmt(cx, "facet%u.ends", f);
    memcpy(name, part.ptr ? part.ptr : "", part.len + 1);
    LH_TRY(get_items(cx, s, name, sizeof(uint64_t), row->values, &ends));
    s->facet_ends[f] = ends;
    LH_TRY(lh_container_get(cx, &s->container, lh_ctx_fmt(cx, "facet%u.text", f), 1,
                            &s->facet_text[f]));
    LH_TRY(lh_container_get(cx, &s->container, lh_ctx_fmt(cx, "facet%u.docs", f), 1,
                            &s->facet_docs[f]));
    uint64_t before = 0;
    for (uint32_t v = 0; v < row->values; v++) {
        if (s->facet_ends[f][v] <= before || s->facet_ends[f][v] > s->facet_text[f].len)
            return bad(cx, "facet values out of order");
        before = s->facet_ends[f][v];
    }
    if (before != s->facet_text[f].len ||
        s->facet_docs[f].len != lhi_text_packed_bytes(s->meta.docs, row->bits))
        return bad(cx, "facet values of another number of documents");
    return LH_OK;
}

/* ---- bitmaps ---- */

static int wants_bitmap(const lh_text_segment *s, const lhi_text_term *t)
{
    return t->df > BITMAP_DF_MIN && (uint64_t)t->df * BITMAP_SHARE >= s->meta.docs;
}

static lh_rc fill_bitmap(lh_ctx *cx, lh_text_segment *s, uint32_t field, lhi_text_term *t,
                         uint32_t number)
{
    uint64_t *words = s->bitmaps + (uint64_t)number * s->bitmap_words;
    uint32_t *ranks = s->ranks + (uint64_t)number * (s->bitmap_words / 8);
    lhi_text_block block;
    for (uint32_t b = 0; b < lhi_text_blocks_count(t->df); b++) {
        if (lhi_text_block_read(s, field, t, b, &block) < 0)
            return bad(cx, "a block of postings that cannot be read");
        for (uint32_t i = 0; i < block.count; i++)
            words[block.docs[i] / 64] |= 1ull << (block.docs[i] % 64);
    }
    uint32_t sum = 0;
    for (uint64_t w = 0; w < s->bitmap_words; w++) {
        if (w % 8 == 0)
            ranks[w / 8] = sum;
        sum += (uint32_t)__builtin_popcountll(words[w]);
    }
    t->extra = number + 1;
    return LH_OK;
}

static lh_rc make_bitmaps(lh_ctx *cx, lh_text_segment *s)
{
    uint64_t count = 0;
    for (uint64_t t = 0; t < s->meta.terms; t++)
        count += (uint64_t)wants_bitmap(s, &s->terms[t]);
    s->bitmap_words = LH_TEXT_BITMAP_WORDS(s->meta.docs);
    if (count == 0)
        return LH_OK;
    if (!lh_pages_alloc(&s->pages[2], count * s->bitmap_words * sizeof *s->bitmaps) ||
        !lh_pages_alloc(&s->pages[3], count * (s->bitmap_words / 8) * sizeof *s->ranks))
        return lh_fail(cx, LH_E_NO_MEMORY, "bitmaps of %llu terms", (unsigned long long)count);
    s->bitmaps = s->pages[2].ptr;
    s->ranks = s->pages[3].ptr;
    s->bytes_resident += count * (s->bitmap_words * 8 + s->bitmap_words / 2);
    for (uint32_t f = 0; f < s->meta.fields; f++) {
        const lhi_text_field_row *row = &s->fields[f];
        for (uint64_t t = row->term_first; t < row->term_first + row->terms; t++)
            if (wants_bitmap(s, &s->terms[t]))
                LH_TRY(fill_bitmap(cx, s, f, &s->terms[t], s->bitmaps_count++));
        LH_TRY(lh_ctx_check(cx));
    }
    return LH_OK;
}

lh_rc lh_text_segment_open(lh_ctx *cx, lh_str bytes, lh_text_segment **ret_segment)
{
    LH_CLEANUP(lh_text_segment_close) lh_text_segment *s = lh_alloc_zero(1, sizeof *s);
    if (!s)
        return lh_fail(cx, LH_E_NO_MEMORY, "text segment");
    s->kernels = lhi_text_kernels_get();
    LH_TRY(lh_container_open(cx, bytes, LHI_TEXT_KIND, &s->container));
    if (s->container.kind_version != LHI_TEXT_VERSION)
        return bad(cx, "a version this program does not read");
    LH_TRY(open_meta(cx, s));
    LH_TRY(open_fields(cx, s));
    LH_TRY(open_rows(cx, s));
    for (uint32_t f = 0; f < s->meta.facets; f++)
        LH_TRY(open_facet(cx, s, f));
    lh_str recorded;
    LH_TRY(lh_container_get(cx, &s->container, LH_S("analyzer"), 1, &recorded));
    LH_TRY(lh_text_analyzer_parse(cx, recorded, &s->analyzer));
    LH_TRY(lhi_text_dict_open(cx, s));
    LH_TRY(make_bitmaps(cx, s));
    *ret_segment = LH_TAKE(s);
    return LH_OK;
}

lh_text_segment *lh_text_segment_close(lh_text_segment *s)
{
    if (!s)
        return NULL;
    lh_text_analyzer_free(s->analyzer);
    for (size_t i = 0; i < LH_ARRAY_LEN(s->pages); i++)
        lh_pages_free(&s->pages[i]);
    return lh_free(s);
}

static lh_rc verify_term(lh_ctx *cx, const lh_text_segment *s, uint32_t field,
                         const lhi_text_term *t)
{
    lhi_text_block block;
    for (uint32_t b = 0; b < lhi_text_blocks_count(t->df); b++) {
        if (lhi_text_block_read(s, field, t, b, &block) < 0)
            return bad(cx, "a block of postings that cannot be read");
        uint64_t tfs = 0;
        for (uint32_t i = 0; i < block.count; i++)
            tfs += block.tfs[i];
        if (block.place && (tfs * block.place_bits + 7) / 8 != block.place_bytes)
            return bad(cx, "positions of another number of postings");
    }
    return LH_OK;
}

lh_rc lh_text_segment_verify(lh_ctx *cx, const lh_text_segment *s)
{
    LH_TRY(lh_container_verify(cx, &s->container));
    for (uint32_t f = 0; f < s->meta.fields; f++) {
        const lhi_text_field_row *row = &s->fields[f];
        for (uint64_t t = row->term_first; t < row->term_first + row->terms; t++) {
            LH_TRY(verify_term(cx, s, f, &s->terms[t]));
            if (t % 4096 == 0)
                LH_TRY(lh_ctx_check(cx));
        }
    }
    return LH_OK;
}

/* ---- what it says ---- */

void lh_text_segment_stats_get(const lh_text_segment *s, lh_text_segment_stats *ret)
{
    *ret = (lh_text_segment_stats){.docs = s->meta.docs,
                                   .fields = s->meta.fields,
                                   .facets = s->meta.facets,
                                   .terms = s->meta.terms,
                                   .tokens = s->tokens,
                                   .postings = s->meta.postings,
                                   .bytes_mapped = s->container.bytes_count,
                                   .bytes_resident = s->bytes_resident,
                                   .simd = s->kernels->name};
}

const lh_text_analyzer *lh_text_segment_analyzer(const lh_text_segment *s)
{
    return s->analyzer;
}

lh_str lh_text_segment_field(const lh_text_segment *s, uint32_t field)
{
    lh_assert(field < s->meta.fields);
    return lh_str_from(s->fields[field].name);
}

int lh_text_segment_field_find(const lh_text_segment *s, lh_str name)
{
    for (uint32_t f = 0; f < s->meta.fields; f++)
        if (lh_str_eq(lh_text_segment_field(s, f), name))
            return (int)f;
    return -1;
}

uint64_t lh_text_segment_row(const lh_text_segment *s, uint32_t doc)
{
    lh_assert(doc < s->meta.docs);
    if (s->meta.row_bits == 0)
        return s->meta.row_first + doc;
    return s->row_least[doc / LHI_TEXT_ROW_BLOCK] +
           lhi_text_unpack_one((const uint8_t *)s->rows.ptr, s->rows.len, doc, s->meta.row_bits);
}

uint32_t lh_text_segment_df(const lh_text_segment *s, uint32_t field, lh_str term)
{
    lh_assert(field < s->meta.fields);
    uint64_t t = lhi_text_dict_find(s, field, term);
    return t == UINT64_MAX ? 0 : s->terms[t].df;
}

lh_str lh_text_segment_facet(const lh_text_segment *s, uint32_t facet, uint32_t doc)
{
    lh_assert(facet < s->meta.facets && doc < s->meta.docs);
    const lhi_text_facet_row *row = &s->facets[facet];
    if (row->bits == 0)
        return LH_STR_NONE;
    uint64_t id = lhi_text_unpack_one((const uint8_t *)s->facet_docs[facet].ptr,
                                      s->facet_docs[facet].len, doc, row->bits);
    if (id == 0 || id > row->values)
        return LH_STR_NONE;
    uint64_t start = id > 1 ? s->facet_ends[facet][id - 2] : 0;
    return lh_str_sub(s->facet_text[facet], start, s->facet_ends[facet][id - 1] - start);
}

void lh_text_segment_select(const lh_text_segment *s, const lh_text_rows *rows, uint64_t *ret_docs)
{
    uint64_t end = rows->row_end ? rows->row_end : UINT64_MAX;
    for (uint32_t d = 0; d < s->meta.docs; d++) {
        uint64_t row = lh_text_segment_row(s, d);
        if (row < rows->row_first || row >= end)
            continue;
        if (rows->words && (row >= rows->rows_count || !(rows->words[row / 64] >> (row % 64) & 1)))
            continue;
        ret_docs[d / 64] |= 1ull << (d % 64);
    }
}
