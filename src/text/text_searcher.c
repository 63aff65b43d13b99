/* text_searcher.c - what a set of segments has in common: statistics over all of them, what each
 * segment's codes are worth under those, and memory for searches.
 *
 * A segment's codes are ordered by impact under its own average length. Under another average the
 * order may change, so a bound is not the code's own impact. A posting with impact <= y (as a share
 * of k1 + 1) under norm K has tf <= K y / (1 - y); under norm K' its impact is then at most
 * 1 / (1 + K'/K (1 - y) / y), largest where K'/K is smallest over all lengths. */
#include "text/text_plan_private.h"

enum { CURSORS_FIRST = 64, SUMS = LHI_TEXT_WINDOW_MAX + 64 };

static int same_shape(const lh_text_segment *a, const lh_text_segment *b)
{
    if (a->meta.fields != b->meta.fields || a->meta.facets != b->meta.facets ||
        a->meta.k1 != b->meta.k1 || a->meta.b != b->meta.b)
        return 0;
    for (uint32_t f = 0; f < a->meta.fields; f++)
        if (strcmp(a->fields[f].name, b->fields[f].name) != 0 ||
            a->fields[f].boost != b->fields[f].boost || a->fields[f].flags != b->fields[f].flags)
            return 0;
    for (uint32_t f = 0; f < a->meta.facets; f++)
        if (strcmp(a->facets[f].name, b->facets[f].name) != 0)
            return 0;
    return lh_str_eq(lh_text_analyzer_recorded(a->analyzer),
                     lh_text_analyzer_recorded(b->analyzer));
}

static double average_of(uint64_t tokens, uint64_t docs)
{
    return tokens > 0 && docs > 0 ? (double)tokens / (double)docs : 1.0;
}

static void fill_table(const lh_text_searcher *s, const lh_text_segment *segment, uint32_t field,
                       lhi_text_table *table)
{
    const lhi_text_pair *pairs = segment->codes + (size_t)field * LHI_TEXT_CODES;
    const double *norms = s->norms[field];
    double average = average_of(segment->fields[field].tokens, segment->meta.docs);
    double least = 1e300;
    table->is_exact = average == s->averages[field];
    for (uint32_t l = 0; l < LHI_TEXT_LENGTH_CODES; l++) {
        double built = lhi_text_norm(s->k1, s->b, lhi_text_length_of(l), average);
        if (built > 0)
            least = LH_MIN(least, norms[l] / built);
    }
    table->bounds[0] = s->k1 + 1;
    table->impacts[0] = s->k1 + 1;
    for (uint32_t c = 1; c <= segment->fields[field].codes; c++) {
        const lhi_text_pair *p = &pairs[c - 1];
        double built = lhi_text_impact(
            s->k1, p->tf, lhi_text_norm(s->k1, s->b, lhi_text_length_of(p->length_code), average));
        double share = built / (s->k1 + 1);
        table->tf_of[c] = p->tf;
        table->impacts[c] = lhi_text_impact(s->k1, p->tf, norms[p->length_code]);
        table->bounds[c] = table->impacts[c];
        if (!table->is_exact)
            table->bounds[c] =
                LH_MIN(s->k1 + 1, (s->k1 + 1) / (1 + least * (1 - share) / share) * (1 + 1e-9));
    }
}

static uint64_t live_docs(const lh_text_view *v)
{
    uint64_t live = 0;
    uint32_t docs = v->segment->meta.docs;
    if (!v->live)
        return docs;
    for (uint32_t w = 0; w < docs / 64; w++)
        live += (uint64_t)__builtin_popcountll(v->live[w]);
    if (docs % 64 > 0)
        live += (uint64_t)__builtin_popcountll(v->live[docs / 64] & ((1ull << (docs % 64)) - 1));
    return live;
}

static lh_rc fill(lh_ctx *cx, lh_text_searcher *s)
{
    uint64_t tokens[LH_TEXT_FIELDS_MAX] = {0};
    const lh_text_segment *first = s->views[0].segment;
    s->fields = first->meta.fields;
    s->k1 = first->meta.k1;
    s->b = first->meta.b;
    for (uint32_t i = 0; i < s->count; i++) {
        const lh_text_segment *segment = s->views[i].segment;
        if (!same_shape(first, segment))
            return lh_fail(cx, LH_E_CONFLICT, "text segments of different fields or analysers");
        s->docs += segment->meta.docs;
        s->docs_live += live_docs(&s->views[i]);
        s->tokens += segment->tokens;
        for (uint32_t f = 0; f < s->fields; f++)
            tokens[f] += segment->fields[f].tokens;
    }
    for (uint32_t f = 0; f < s->fields; f++) {
        s->averages[f] = average_of(tokens[f], s->docs);
        for (uint32_t l = 0; l < LHI_TEXT_LENGTH_CODES; l++)
            s->norms[f][l] = lhi_text_norm(s->k1, s->b, lhi_text_length_of(l), s->averages[f]);
        for (uint32_t l = 0; l < LHI_TEXT_LENGTH_CODES; l++)
            s->ones[f][l] = lhi_text_impact(s->k1, 1, s->norms[f][l]);
    }
    s->tables = lh_alloc_zero((size_t)s->count * s->fields, sizeof *s->tables);
    if (!s->tables)
        return lh_fail(cx, LH_E_NO_MEMORY, "scoring tables of %u segments", s->count);
    for (uint32_t i = 0; i < s->count; i++)
        for (uint32_t f = 0; f < s->fields; f++)
            fill_table(s, s->views[i].segment, f, &s->tables[(size_t)i * s->fields + f]);
    return LH_OK;
}

lh_rc lh_text_searcher_new(lh_ctx *cx, const lh_text_view *views, uint32_t count,
                           lh_text_searcher **ret_searcher)
{
    if (count > LH_TEXT_SEGMENTS_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "%u text segments, limit %d", count,
                       LH_TEXT_SEGMENTS_MAX);
    LH_CLEANUP(lh_text_searcher_free) lh_text_searcher *s = lh_alloc_zero(1, sizeof *s);
    if (!s || !(s->views = lh_alloc_zero(count + 1, sizeof *s->views)))
        return lh_fail(cx, LH_E_NO_MEMORY, "text searcher");
    for (uint32_t i = 0; i < count; i++)
        s->views[i] = views[i];
    s->count = count;
    if (count > 0)
        LH_TRY(fill(cx, s));
    *ret_searcher = LH_TAKE(s);
    return LH_OK;
}

lh_text_searcher *lh_text_searcher_free(lh_text_searcher *s)
{
    if (!s)
        return NULL;
    for (size_t i = 0; i < LH_ARRAY_LEN(s->spare); i++)
        lhi_text_work_free(atomic_load(&s->spare[i]));
    lh_free(s->tables);
    lh_free(s->views);
    return lh_free(s);
}

void lh_text_searcher_stats_get(const lh_text_searcher *s, lh_text_searcher_stats *ret)
{
    *ret = (lh_text_searcher_stats){.docs = s->docs,
                                    .docs_live = s->docs_live,
                                    .tokens = s->tokens,
                                    .segments = s->count,
                                    .bytes_resident =
                                        sizeof *s + (uint64_t)s->count * sizeof *s->views +
                                        (uint64_t)s->count * s->fields * sizeof *s->tables};
}

/* ---- memory of a search ---- */

static lhi_text_work *work_new(void)
{
    lhi_text_work *w = lh_alloc_zero(1, sizeof *w);
    if (!w)
        return NULL;
    w->sums = lh_alloc_zero(SUMS, sizeof *w->sums);
    w->touched =
        lh_alloc_zero((LHI_TEXT_WINDOW_MAX >> (LHI_TEXT_TOUCH_SHIFT + 6)) + 2, sizeof *w->touched);
    w->docs = lh_alloc(SUMS * sizeof *w->docs);
    w->points = lh_alloc(SUMS * sizeof *w->points);
    w->all = lh_alloc(sizeof *w->all);
    w->below = lh_alloc((LH_TEXT_TERMS_MAX + 1) * sizeof *w->below);
    w->order = lh_alloc(LH_TEXT_TERMS_MAX * sizeof *w->order);
    if (!w->all || !w->below || !w->order || !w->sums || !w->touched || !w->docs || !w->points)
        return lhi_text_work_free(w);
    return w;
}

lhi_text_work *lhi_text_work_free(lhi_text_work *w)
{
    if (!w)
        return NULL;
    lh_free(w->sums);
    lh_free(w->touched);
    lh_free(w->docs);
    lh_free(w->points);
    lh_free(w->cursors);
    lh_free(w->entries);
    lh_free(w->all);
    lh_free(w->below);
    lh_free(w->order);
    lh_text_tokenizer_free(w->tokenizer);
    lhi_text_vec_done(&w->levels);
    return lh_free(w);
}

lh_rc lhi_text_work_take(lh_ctx *cx, lh_text_searcher *s, lhi_text_work **ret_work)
{
    lhi_text_work *w = NULL;
    for (size_t i = 0; i < LH_ARRAY_LEN(s->spare) && !w; i++)
        w = atomic_exchange(&s->spare[i], NULL);
    if (!w)
        w = work_new();
    if (!w)
        return lh_fail(cx, LH_E_NO_MEMORY, "memory of a text search");
    if (!w->tokenizer) {
        lh_rc rc = lh_text_tokenizer_new(cx, s->views[0].segment->analyzer, &w->tokenizer);
        if (rc != LH_OK) {
            lhi_text_work_free(w);
            return rc;
        }
    }
    *ret_work = w;
    return LH_OK;
}

void lhi_text_work_give(lh_text_searcher *s, lhi_text_work *work)
{
    for (size_t i = 0; i < LH_ARRAY_LEN(s->spare); i++) {
        lhi_text_work *none = NULL;
        if (atomic_compare_exchange_strong(&s->spare[i], &none, work))
            return;
    }
    lhi_text_work_free(work);
}
