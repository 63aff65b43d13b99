/* text_finish.c - runs to a segment: one pass over all of them in order of terms, each term's
 * lists joined in order of documents and encoded. The bytes depend on the documents alone: codes
 * come from counts of the whole, and a list's encoding from the list. */
#include "text/text_build_private.h"

enum { PROGRESS_TERMS = 4096 };

typedef struct merge {
    lhi_text_source *sources;
    size_t count;
    lhi_text_encoder enc;
    lhi_text_list list;
    lhi_text_list other; /* to sort into */
    int is_mixed;
    const uint8_t *norms[LH_TEXT_FIELDS_MAX]; /* borrowed from the builder, for enc */
    uint32_t flags[LH_TEXT_FIELDS_MAX];
    uint64_t terms_total; /* an upper bound, for progress */
} merge;

static int key_cmp(const lhi_text_source *a, const lhi_text_source *b)
{
    return lh_str_cmp(lh_str_n(a->key, a->key_len), lh_str_n(b->key, b->key_len));
}

/* The source whose term comes first; NULL when all are at their end. */
static lhi_text_source *first_source(const merge *m)
{
    lhi_text_source *best = NULL;
    for (size_t i = 0; i < m->count; i++) {
        lhi_text_source *s = &m->sources[i];
        if (s->key_len > 0 && (!best || key_cmp(s, best) < 0))
            best = s;
    }
    return best;
}

/* Joins and encodes the first term of all sources. */
static lh_rc merge_term(lh_ctx *cx, merge *m, const lhi_text_source *first)
{
    uint8_t key[LHI_TEXT_KEY_MAX];
    uint32_t key_len = first->key_len;
    memcpy(key, first->key, key_len);
    lhi_text_list_reset(&m->list);
    for (size_t i = 0; i < m->count; i++) {
        lhi_text_source *s = &m->sources[i];
        if (s->key_len == key_len && memcmp(s->key, key, key_len) == 0) {
            LH_TRY(lhi_text_source_read(cx, s, &m->list));
            LH_TRY(lhi_text_source_next(cx, s));
        }
    }
    if (m->is_mixed)
        LH_TRY(lhi_text_list_sort(cx, &m->list, &m->other));
    /* A merge may have dropped every document of a term. */
    return m->list.docs.count > 0 ? lhi_text_encode_term(cx, &m->enc, key, key_len, &m->list)
                                  : LH_OK;
}

static lh_rc merge_all(lh_ctx *cx, lh_text_builder *b, merge *m)
{
    const lhi_text_source *first;
    uint64_t done = 0;
    while ((first = first_source(m)) != NULL) {
        LH_TRY(merge_term(cx, m, first));
        if (++done % PROGRESS_TERMS == 0) {
            LH_TRY(lh_ctx_check(cx));
            if (b->opts.on_progress)
                b->opts.on_progress(b->opts.progress_arg, LH_MIN(done, m->terms_total),
                                    m->terms_total);
        }
    }
    if (b->opts.on_progress)
        b->opts.on_progress(b->opts.progress_arg, m->terms_total, m->terms_total);
    return LH_OK;
}

static lh_rc open_sources(lh_ctx *cx, lh_text_builder *b, merge *m)
{
    const lhi_text_run *runs = b->runs.items;
    m->sources = lh_alloc_zero(b->runs.count + 1, sizeof *m->sources);
    if (!m->sources)
        return lh_fail(cx, LH_E_NO_MEMORY, "%zu runs", b->runs.count);
    for (size_t i = 0; i < b->runs.count; i++) {
        LH_TRY(lhi_text_source_open(cx, &m->sources[m->count++], &runs[i]));
        m->terms_total += runs[i].terms_count;
    }
    return LH_OK;
}

static lh_rc write_slack(lh_ctx *cx, lh_container_writer *w)
{
    static const char zeros[LHI_TEXT_SLACK];
    return lh_container_section_write(cx, w, lh_str_n(zeros, sizeof zeros));
}

static lh_rc write_lists(lh_ctx *cx, merge *m, lh_container_writer *w)
{
    LH_TRY(lh_container_section_begin(cx, w, LH_S("positions"), 1));
    LH_TRY(lhi_text_spool_write(cx, &m->enc.positions, w));
    LH_TRY(write_slack(cx, w));
    LH_TRY(lh_container_section_end(cx, w));
    LH_TRY(lh_container_section_begin(cx, w, LH_S("dict"), 1));
    LH_TRY(lhi_text_spool_write(cx, &m->enc.dict, w));
    LH_TRY(lh_container_section_end(cx, w));
    return lh_container_add(
        cx, w, LH_S("dict_blocks"), sizeof(uint64_t),
        lh_str_n(m->enc.dict_blocks.items, m->enc.dict_blocks.count * sizeof(uint64_t)));
}

static lh_rc write_norms(lh_ctx *cx, const lh_text_builder *b, lh_container_writer *w)
{
    LH_TRY(lh_container_section_begin(cx, w, LH_S("norms"), 1));
    for (uint32_t f = 0; f < b->meta.fields; f++)
        LH_TRY(lh_container_section_write(
            cx, w, lh_str_n(b->field_state[f].norms.items, b->field_state[f].norms.count)));
    LH_TRY(write_slack(cx, w));
    return lh_container_section_end(cx, w);
}

/* Rows that count up need no bytes; others are the least of each 128, and the rest in bits. */
static lh_rc write_rows(lh_ctx *cx, lh_text_builder *b, lh_container_writer *w)
{
    const uint64_t *rows = b->rows.items;
    uint32_t docs = b->meta.docs;
    uint64_t widest = 0;
    int counts_up = 1;
    uint64_t blocks = ((uint64_t)docs + LHI_TEXT_ROW_BLOCK - 1) / LHI_TEXT_ROW_BLOCK;
    uint64_t *least = lh_alloc_zero(blocks + 1, sizeof *least);
    if (!least)
        return lh_fail(cx, LH_E_NO_MEMORY, "%u rows", docs);
    for (uint32_t d = 0; d < docs; d++) {
        uint64_t *l = &least[d / LHI_TEXT_ROW_BLOCK];
        *l = d % LHI_TEXT_ROW_BLOCK == 0 ? rows[d] : LH_MIN(*l, rows[d]);
        counts_up &= rows[d] == rows[0] + d;
    }
    for (uint32_t d = 0; d < docs; d++)
        widest |= rows[d] - least[d / LHI_TEXT_ROW_BLOCK];
    b->meta.row_first = counts_up && docs > 0 ? rows[0] : 0;
    b->meta.row_bits = counts_up ? 0 : 64 - (uint32_t)__builtin_clzll(widest | 1);
    lh_rc rc = LH_OK;
    if (!counts_up) {
        size_t bytes = (size_t)(((uint64_t)docs * b->meta.row_bits + 7) / 8);
        uint8_t *packed = lh_alloc_zero(bytes + 1, 1);
        for (uint64_t bit = 0, d = 0; packed && d < docs; d++, bit += b->meta.row_bits) {
            uint64_t value = rows[d] - least[d / LHI_TEXT_ROW_BLOCK];
            for (uint32_t i = 0; i < b->meta.row_bits; i++)
                packed[(bit + i) / 8] |= (uint8_t)((value >> i & 1) << ((bit + i) % 8));
        }
        rc = packed ? lh_container_add(cx, w, LH_S("row_least"), sizeof(uint64_t),
                                       lh_str_n(least, blocks * sizeof *least))
                    : lh_fail(cx, LH_E_NO_MEMORY, "%u rows", docs);
        if (rc == LH_OK)
            rc = lh_container_add(cx, w, LH_S("rows"), 1, lh_str_n(packed, bytes));
        lh_free(packed);
    }
    lh_free(least);
    return rc;
}

static lh_rc write_tables(lh_ctx *cx, lh_text_builder *b, const lhi_text_codes *codes,
                          lh_container_writer *w)
{
    LH_TRY(write_norms(cx, b, w));
    LH_TRY(write_rows(cx, b, w));
    LH_TRY(lh_container_section_begin(cx, w, LH_S("codes"), sizeof(lhi_text_pair)));
    for (uint32_t f = 0; f < b->meta.fields; f++)
        LH_TRY(lh_container_section_write(cx, w, lh_str_n(codes[f].pairs, sizeof codes[f].pairs)));
    LH_TRY(lh_container_section_end(cx, w));
    for (uint32_t f = 0; f < b->meta.facets; f++)
        LH_TRY(lhi_text_facet_write(cx, &b->facet_state[f], f, w, &b->facets[f]));
    LH_TRY(lh_container_add(cx, w, LH_S("fields"), sizeof b->fields[0],
                            lh_str_n(b->fields, b->meta.fields * sizeof b->fields[0])));
    LH_TRY(lh_container_add(cx, w, LH_S("facets"), sizeof b->facets[0],
                            lh_str_n(b->facets, b->meta.facets * sizeof b->facets[0])));
    LH_TRY(lh_container_add(cx, w, LH_S("analyzer"), 1, lh_text_analyzer_recorded(b->analyzer)));
    return lh_container_add(cx, w, LH_S("meta"), sizeof b->meta,
                            lh_str_n(&b->meta, sizeof b->meta));
}

static lh_rc prepare(lh_ctx *cx, lh_text_builder *b, merge *m, lhi_text_codes *codes)
{
    for (uint32_t f = 0; f < b->meta.fields; f++) {
        b->fields[f].tokens = b->field_state[f].tokens;
        double average =
            b->meta.docs > 0 ? (double)b->fields[f].tokens / (double)b->meta.docs : 1.0;
        LH_TRY(lhi_text_codes_init(cx, &codes[f], b->field_state[f].pairs, &b->meta,
                                   average > 0 ? average : 1.0));
        b->fields[f].codes = codes[f].count;
    }
    m->enc.rows = b->fields;
    m->enc.codes = codes;
    m->enc.positions.folder = b->opts.scratch_path;
    m->enc.positions.memory_max = b->opts.memory_bytes_max / 4;
    m->enc.dict.folder = b->opts.scratch_path;
    m->enc.dict.memory_max = b->opts.memory_bytes_max / 4;
    m->is_mixed = b->is_mixed;
    return open_sources(cx, b, m);
}

static lh_rc write_segment(lh_ctx *cx, lh_text_builder *b, merge *m, lh_container_writer *w)
{
    for (uint32_t f = 0; f < b->meta.fields; f++) {
        m->norms[f] = b->field_state[f].norms.items;
        m->flags[f] = b->fields[f].flags;
    }
    m->enc.norms = m->norms;
    m->enc.flags = m->flags;
    m->enc.writer = w;
    LH_TRY(lh_container_section_begin(cx, w, LH_S("postings"), 1));
    LH_TRY(merge_all(cx, b, m));
    LH_TRY(write_slack(cx, w));
    LH_TRY(lh_container_section_end(cx, w));
    uint64_t terms = 0;
    for (uint32_t f = 0; f < b->meta.fields; f++) {
        b->fields[f].term_first = terms;
        terms += b->fields[f].terms;
    }
    b->meta.terms = m->enc.terms;
    b->meta.postings = m->enc.postings;
    LH_TRY(write_lists(cx, m, w));
    return write_tables(cx, b, m->enc.codes, w);
}

lh_rc lh_text_builder_finish(lh_ctx *cx, lh_text_builder *b, lh_container_sink sink,
                             uint64_t *ret_file_bytes)
{
    lh_assert(!b->is_finished);
    LH_CLEANUP(lh_container_writer_free) lh_container_writer *w = NULL;
    merge m = {0};
    LH_TRY(lhi_text_builder_flush(cx, b));
    b->is_finished = 1;
    LH_TRY(lh_container_writer_new(cx, sink, LHI_TEXT_KIND, LHI_TEXT_VERSION, &w));
    lhi_text_codes *codes = lh_alloc_zero(b->meta.fields, sizeof *codes);
    lh_rc rc = codes ? prepare(cx, b, &m, codes) : lh_fail(cx, LH_E_NO_MEMORY, "impact codes");
    if (rc == LH_OK)
        rc = write_segment(cx, b, &m, w);
    if (rc == LH_OK)
        rc = lh_container_finish(cx, w, ret_file_bytes);
    for (size_t i = 0; i < m.count; i++)
        lhi_text_source_done(&m.sources[i]);
    lh_free(m.sources);
    lhi_text_list_done(&m.list);
    lhi_text_list_done(&m.other);
    lhi_text_encoder_done(&m.enc);
    lh_free(codes);
    return rc;
}
