/* text_merge.c - other builders and whole segments as runs of a builder. A merged segment is what
 * one builder given the remaining documents in that order would have written, byte for byte. */
#include "text/text_build_private.h"
#include "text/text_segment_private.h"

#include <stdlib.h>

static int same_fields(const lhi_text_field_row *a, const lhi_text_field_row *b, uint32_t count)
{
    for (uint32_t f = 0; f < count; f++)
        if (strcmp(a[f].name, b[f].name) != 0 || a[f].boost != b[f].boost ||
            a[f].flags != b[f].flags)
            return 0;
    return 1;
}

static int same_facets(const lhi_text_facet_row *a, const lhi_text_facet_row *b, uint32_t count)
{
    for (uint32_t f = 0; f < count; f++)
        if (strcmp(a[f].name, b[f].name) != 0)
            return 0;
    return 1;
}

static lh_rc refuse(lh_ctx *cx)
{
    return lh_fail(cx, LH_E_CONFLICT, "text indexes of different fields, analysers, k1 or b");
}

static lh_rc check_room(lh_ctx *cx, const lh_text_builder *b, uint64_t docs)
{
    if (b->meta.docs + docs > LH_TEXT_DOCS_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "a segment of %llu documents, limit %u",
                       (unsigned long long)(b->meta.docs + docs), LH_TEXT_DOCS_MAX);
    return LH_OK;
}

static lh_str value_of(const lhi_text_facet_state *f, uint32_t id)
{
    const uint64_t *ends = f->ends.items;
    if (id == 0)
        return LH_STR_NONE;
    uint64_t start = id > 1 ? ends[id - 2] : 0;
    return lh_str_n((const char *)f->bytes.items + start, (size_t)(ends[id - 1] - start));
}

static lh_rc take_documents(lh_ctx *cx, lh_text_builder *b, lh_text_builder *o)
{
    for (uint32_t f = 0; f < b->meta.fields; f++) {
        lhi_text_field_state *to = &b->field_state[f];
        const lhi_text_field_state *from = &o->field_state[f];
        LH_TRY(lhi_text_vec_append(cx, &to->norms, from->norms.items, from->norms.count, 1));
        LH_TRY(lhi_text_pairs_merge(cx, to->pairs, from->pairs));
        to->tokens += from->tokens;
    }
    for (uint32_t f = 0; f < b->meta.facets; f++) {
        const uint32_t *ids = o->facet_state[f].ids.items;
        for (size_t d = 0; d < o->facet_state[f].ids.count; d++)
            LH_TRY(
                lhi_text_facet_add(cx, &b->facet_state[f], value_of(&o->facet_state[f], ids[d])));
    }
    return lhi_text_vec_append(cx, &b->rows, o->rows.items, o->rows.count, sizeof(uint64_t));
}

lh_rc lh_text_builder_absorb(lh_ctx *cx, lh_text_builder *b, lh_text_builder *o)
{
    lh_assert(!b->is_finished && !o->is_finished && b != o);
    if (b->meta.fields != o->meta.fields || b->meta.facets != o->meta.facets ||
        b->meta.k1 != o->meta.k1 || b->meta.b != o->meta.b ||
        !same_fields(b->fields, o->fields, b->meta.fields) ||
        !same_facets(b->facets, o->facets, b->meta.facets) ||
        !lh_str_eq(lh_text_analyzer_recorded(b->analyzer), lh_text_analyzer_recorded(o->analyzer)))
        return refuse(cx);
    LH_TRY(check_room(cx, b, o->meta.docs));
    LH_TRY(lhi_text_builder_flush(cx, b));
    LH_TRY(lhi_text_builder_flush(cx, o));
    LH_TRY(lhi_text_vec_reserve(cx, &b->runs, o->runs.count, sizeof(lhi_text_run)));
    LH_TRY(take_documents(cx, b, o));
    lhi_text_run *runs = o->runs.items;
    for (size_t i = 0; i < o->runs.count; i++) {
        runs[i].doc_base += b->meta.docs;
        LH_TRY(lhi_text_builder_push(cx, b, &runs[i]));
    }
    b->meta.docs += o->meta.docs;
    b->log_doc_base = b->meta.docs;
    o->runs.count = 0;
    o->is_finished = 1;
    return LH_OK;
}

/* ---- segments ---- */

static lh_rc new_map(lh_ctx *cx, const lh_text_segment *s, lhi_text_run *run)
{
    run->segment = s;
    run->terms_count = (uint32_t)s->meta.terms;
    run->bytes = (uint64_t)s->meta.docs * sizeof *run->doc_map;
    run->doc_map = lh_alloc(run->bytes + 1);
    if (!run->doc_map)
        return lh_fail(cx, LH_E_NO_MEMORY, "%u documents", s->meta.docs);
    return LH_OK;
}

static lh_rc map_documents(lh_ctx *cx, const lh_text_segment *s, const uint64_t *live,
                           lhi_text_run *run, uint32_t *ret_docs)
{
    uint32_t next = 0;
    LH_TRY(new_map(cx, s, run));
    for (uint32_t d = 0; d < s->meta.docs; d++)
        run->doc_map[d] = !live || (live[d / 64] >> (d % 64) & 1) ? next++ : UINT32_MAX;
    *ret_docs = next;
    return LH_OK;
}

static lh_rc take_segment_doc(lh_ctx *cx, lh_text_builder *b, const lh_text_segment *s, uint32_t d,
                              uint64_t row)
{
    LH_TRY(lhi_text_vec_append(cx, &b->rows, &row, 1, sizeof row));
    for (uint32_t f = 0; f < b->meta.fields; f++)
        LH_TRY(lhi_text_vec_append(cx, &b->field_state[f].norms, &s->norms[f][d], 1, 1));
    for (uint32_t f = 0; f < b->meta.facets; f++)
        LH_TRY(lhi_text_facet_add(cx, &b->facet_state[f], lh_text_segment_facet(s, f, d)));
    return LH_OK;
}

static lh_rc take_segment_docs(lh_ctx *cx, lh_text_builder *b, const lh_text_segment *s,
                               const lhi_text_run *run)
{
    for (uint32_t d = 0; d < s->meta.docs; d++)
        if (run->doc_map[d] != UINT32_MAX)
            LH_TRY(take_segment_doc(cx, b, s, d, lh_text_segment_row(s, d)));
    return LH_OK;
}

/* Pairs and lengths of the documents that remain: a length is the sum of its tfs. */
static lh_rc count_field(lh_ctx *cx, lh_text_builder *b, const lh_text_segment *s, uint32_t field,
                         const lhi_text_run *run)
{
    const lhi_text_field_row *row = &s->fields[field];
    lhi_text_block block;
    for (uint64_t t = row->term_first; t < row->term_first + row->terms; t++) {
        const lhi_text_term *term = &s->terms[t];
        for (uint32_t i = 0; i < lhi_text_blocks_count(term->df); i++) {
            if (lhi_text_block_read(s, field, term, i, &block) < 0)
                return lh_fail(cx, LH_E_CORRUPT, "text segment: a block that cannot be read");
            for (uint32_t j = 0; j < block.count; j++) {
                if (run->doc_map[block.docs[j]] == UINT32_MAX)
                    continue;
                b->field_state[field].tokens += block.tfs[j];
                LH_TRY(lhi_text_pairs_add(cx, b->field_state[field].pairs, block.tfs[j],
                                          s->norms[field][block.docs[j]]));
            }
        }
        if (t % 4096 == 0)
            LH_TRY(lh_ctx_check(cx));
    }
    return LH_OK;
}

static lh_rc check_same(lh_ctx *cx, const lh_text_builder *b, const lh_text_segment *s)
{
    if (b->meta.fields != s->meta.fields || b->meta.facets != s->meta.facets ||
        b->meta.k1 != s->meta.k1 || b->meta.b != s->meta.b ||
        !same_fields(b->fields, s->fields, b->meta.fields) ||
        !same_facets(b->facets, s->facets, b->meta.facets) ||
        !lh_str_eq(lh_text_analyzer_recorded(b->analyzer), lh_text_analyzer_recorded(s->analyzer)))
        return refuse(cx);
    return LH_OK;
}

/* The builder owns the run's map when it returns LH_OK. */
static lh_rc take_run(lh_ctx *cx, lh_text_builder *b, const lhi_text_run *run)
{
    for (uint32_t f = 0; f < b->meta.fields; f++)
        LH_TRY(count_field(cx, b, run->segment, f, run));
    return lhi_text_builder_push(cx, b, run);
}

lh_rc lh_text_builder_add_segment(lh_ctx *cx, lh_text_builder *b, const lh_text_segment *s,
                                  const uint64_t *live)
{
    lh_assert(!b->is_finished);
    LH_TRY(check_same(cx, b, s));
    LH_TRY(lhi_text_builder_flush(cx, b));
    lhi_text_run run = {.doc_base = b->meta.docs};
    uint32_t docs = 0;
    lh_rc rc = map_documents(cx, s, live, &run, &docs);
    if (rc == LH_OK)
        rc = check_room(cx, b, docs);
    if (rc == LH_OK)
        rc = take_segment_docs(cx, b, s, &run);
    if (rc == LH_OK)
        rc = take_run(cx, b, &run);
    if (rc != LH_OK) {
        lhi_text_run_done(&run);
        return rc;
    }
    b->meta.docs += docs;
    b->log_doc_base = b->meta.docs;
    return LH_OK;
}

/* ---- segments whose documents lie among one another ---- */

static lh_rc map_merging(lh_ctx *cx, lh_text_builder *b, const lh_segset_merging *m,
                         lhi_text_run *runs)
{
    for (size_t i = 0; i < m->parts_count; i++) {
        if (!m->parts[i].index)
            continue;
        LH_TRY(check_same(cx, b, m->parts[i].index));
        LH_TRY(new_map(cx, m->parts[i].index, &runs[i]));
        memset(runs[i].doc_map, 0xff, runs[i].bytes);
    }
    for (uint64_t n = 0; n < m->rows; n++) {
        lh_segset_origin from = m->from[n];
        const lh_text_segment *s = m->parts[from.part].index;
        runs[from.part].doc_map[from.row] = (uint32_t)n;
        LH_TRY(take_segment_doc(cx, b, s, from.row, n));
        if (n % 65536 == 0)
            LH_TRY(lh_ctx_check(cx));
    }
    return LH_OK;
}

lh_rc lhi_text_builder_add_merging(lh_ctx *cx, lh_text_builder *b, const lh_segset_merging *m)
{
    lh_assert(!b->is_finished && b->meta.docs == 0);
    LH_TRY(check_room(cx, b, m->rows));
    lhi_text_run *runs = LH_NEW_ARRAY(cx, lhi_text_run, m->parts_count + 1);
    if (!runs)
        return cx->err.rc;
    lh_rc rc = map_merging(cx, b, m, runs);
    for (size_t i = 0; i < m->parts_count; i++) {
        if (!runs[i].doc_map)
            continue;
        if (rc == LH_OK)
            rc = lh_segset_damaged(cx, &m->parts[i], take_run(cx, b, &runs[i]));
        if (rc != LH_OK)
            lhi_text_run_done(&runs[i]);
    }
    b->meta.docs = (uint32_t)m->rows;
    b->log_doc_base = b->meta.docs;
    b->is_mixed = 1;
    return rc;
}

typedef struct posting {
    uint32_t doc;
    uint32_t at; /* in the list */
    size_t position;
} posting;

static int by_doc(const void *a, const void *b)
{
    const posting *x = a;
    const posting *y = b;
    return x->doc < y->doc ? -1 : x->doc > y->doc;
}

static int is_sorted(const lhi_text_list *list)
{
    const uint32_t *docs = list->docs.items;
    for (size_t i = 1; i < list->docs.count; i++)
        if (docs[i - 1] > docs[i])
            return 0;
    return 1;
}

static void copy_sorted(const lhi_text_list *list, const posting *order, lhi_text_list *other)
{
    const uint32_t *tfs = list->tfs.items;
    const uint32_t *positions = list->positions.items;
    size_t n = 0;
    for (size_t i = 0; i < list->docs.count; i++) {
        uint32_t tf = tfs[order[i].at];
        ((uint32_t *)other->docs.items)[i] = order[i].doc;
        ((uint32_t *)other->tfs.items)[i] = tf;
        if (list->positions.count > 0)
            memcpy((uint32_t *)other->positions.items + n, positions + order[i].position,
                   tf * sizeof *positions);
        n += tf;
    }
    other->docs.count = list->docs.count;
    other->tfs.count = list->tfs.count;
    other->positions.count = list->positions.count;
}

lh_rc lhi_text_list_sort(lh_ctx *cx, lhi_text_list *list, lhi_text_list *other)
{
    size_t count = list->docs.count;
    size_t position = 0;
    if (is_sorted(list))
        return LH_OK;
    posting *order = lh_alloc(count * sizeof *order);
    if (!order)
        return lh_fail(cx, LH_E_NO_MEMORY, "a list of %zu documents", count);
    for (size_t i = 0; i < count; i++) {
        order[i] = (posting){((const uint32_t *)list->docs.items)[i], (uint32_t)i, position};
        position += ((const uint32_t *)list->tfs.items)[i];
    }
    qsort(order, count, sizeof *order, by_doc);
    lhi_text_list_reset(other);
    lh_rc rc = lhi_text_vec_reserve(cx, &other->docs, count, sizeof(uint32_t));
    if (rc == LH_OK)
        rc = lhi_text_vec_reserve(cx, &other->tfs, count, sizeof(uint32_t));
    if (rc == LH_OK)
        rc = lhi_text_vec_reserve(cx, &other->positions, list->positions.count, sizeof(uint32_t));
    if (rc == LH_OK) {
        copy_sorted(list, order, other);
        lhi_text_list swap = *list;
        *list = *other;
        *other = swap;
    }
    lh_free(order);
    return rc;
}

/* ---- reading a segment as a run ---- */

typedef struct segment_cursor {
    lhi_text_dict_walk walk;
    uint32_t field;
    lhi_text_block block;
} segment_cursor;

lh_rc lhi_text_segment_next(lh_ctx *cx, lhi_text_source *src)
{
    const lh_text_segment *s = src->run->segment;
    segment_cursor *c = src->cursor;
    if (!c) {
        src->cursor = c = lh_alloc_zero(1, sizeof *c);
        if (!c)
            return lh_fail(cx, LH_E_NO_MEMORY, "cursor of a segment");
        lhi_text_dict_walk_at(s, 0, s->fields[0].term_first, &c->walk);
    }
    for (;;) {
        int more = lhi_text_dict_next(&c->walk);
        if (more < 0)
            return lh_fail(cx, LH_E_CORRUPT, "text segment: a dictionary entry");
        if (more > 0)
            break;
        if (++c->field >= s->meta.fields) {
            src->key_len = 0;
            return LH_OK;
        }
        lhi_text_dict_walk_at(s, c->field, s->fields[c->field].term_first, &c->walk);
    }
    src->key[0] = (uint8_t)c->field;
    memcpy(src->key + 1, c->walk.bytes, c->walk.term_len);
    src->key_len = c->walk.term_len + 1;
    return LH_OK;
}

static lh_rc append_block(lh_ctx *cx, lhi_text_source *src, const lhi_text_block *block,
                          lhi_text_list *list)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < block->count; i++)
        total += block->tfs[i];
    LH_TRY(lhi_text_vec_reserve(cx, &list->docs, block->count, sizeof(uint32_t)));
    LH_TRY(lhi_text_vec_reserve(cx, &list->tfs, block->count, sizeof(uint32_t)));
    if (block->place) {
        if ((total * block->place_bits + 7) / 8 > block->place_bytes)
            return lh_fail(cx, LH_E_CORRUPT, "text segment: positions of a block");
        LH_TRY(lhi_text_vec_reserve(cx, &list->positions, total, sizeof(uint32_t)));
    }
    uint32_t *positions = list->positions.items;
    uint64_t at = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        uint32_t doc = src->run->doc_map[block->docs[i]];
        if (doc == UINT32_MAX) {
            at += block->tfs[i];
            continue;
        }
        ((uint32_t *)list->docs.items)[list->docs.count++] = doc + src->run->doc_base;
        ((uint32_t *)list->tfs.items)[list->tfs.count++] = block->tfs[i];
        uint32_t position = 0;
        for (uint32_t j = 0; block->place && j < block->tfs[i]; j++, at++) {
            if (block->place_bits > 0)
                position += (uint32_t)lhi_text_unpack_one(block->place, block->place_bytes, at,
                                                          block->place_bits);
            positions[list->positions.count++] = position;
        }
    }
    return LH_OK;
}

lh_rc lhi_text_segment_read(lh_ctx *cx, lhi_text_source *src, lhi_text_list *list)
{
    segment_cursor *c = src->cursor;
    const lh_text_segment *s = src->run->segment;
    const lhi_text_term *term = &s->terms[c->walk.term];
    for (uint32_t b = 0; b < lhi_text_blocks_count(term->df); b++) {
        if (lhi_text_block_read(s, c->field, term, b, &c->block) < 0)
            return lh_fail(cx, LH_E_CORRUPT, "text segment: a block that cannot be read");
        LH_TRY(append_block(cx, src, &c->block, list));
    }
    return LH_OK;
}
