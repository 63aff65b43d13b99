/* text_search.c - one request: compile, then segment after segment with the plan that fits, all
 * into one heap, so that later segments profit from the threshold of earlier ones. */
#include "text/text_plan_private.h"

#include <stdlib.h>

/* ---- plans ---- */

static lh_rc check_cursors(lh_ctx *cx, const lhi_text_cursor *cursors, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (cursors[i].is_bad)
            return lh_fail(cx, LH_E_CORRUPT, "text segment: postings cannot be read");
    return LH_OK;
}

/* k postings of one term reach the stored code: what scores less than that is not among the best k.
 * Holds only when no document is left out and codes mean what they meant when built. */
static void seed_threshold(const lhi_text_run_state *run, const lhi_text_cursor *c)
{
    lhi_text_blocks b;
    uint32_t k = run->top->k;
    const lhi_text_table *table =
        &run->searcher->tables[(size_t)run->segment * run->searcher->fields + c->field];
    if (!run->can_seed || c->blocks == 0 || !table->is_exact || k == 0 || k > 100)
        return;
    lhi_text_blocks_of(c->segment, c->field, c->term, &b);
    uint8_t code = b.tail[k <= 10 ? 1 : 2];
    if (code > 0 && c->lut[code] > run->top->threshold + 1)
        run->top->threshold = c->lut[code] - 1;
}

static lh_rc run_any(lhi_text_run_state *run, lhi_text_op *const *ops, uint32_t count)
{
    lhi_text_cursor **order = run->work->order;
    lhi_text_cursor *cursors = run->work->cursors;
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        int has;
        lhi_text_cursor *c = &cursors[n];
        LH_TRY(lhi_text_cursor_open(run->cx, run->searcher, run->segment, ops[i], c, &has));
        if (!has)
            continue;
        uint32_t at = n++;
        for (; at > 0 && order[at - 1]->best > c->best; at--)
            order[at] = order[at - 1];
        order[at] = c;
        seed_threshold(run, c);
    }
    if (n == 0)
        return LH_OK;
    const lh_text_segment *segment = run->searcher->views[run->segment].segment;
    lhi_text_any any = {.cx = run->cx,
                        .cursors = order,
                        .count = n,
                        .docs = segment->meta.docs,
                        .allow = run->allow,
                        .top = run->top,
                        .work = run->work};
    segment->kernels->any(&any);
    LH_TRY(any.rc);
    return check_cursors(run->cx, cursors, n);
}

static lh_rc run_all(lhi_text_run_state *run, lhi_text_op *const *ops, uint32_t count)
{
    lhi_text_cursor **order = run->work->order;
    lhi_text_cursor *cursors = run->work->cursors;
    for (uint32_t i = 0; i < count; i++) {
        int has;
        lhi_text_cursor *c = &cursors[i];
        LH_TRY(lhi_text_cursor_open(run->cx, run->searcher, run->segment, ops[i], c, &has));
        if (!has)
            return LH_OK;
        uint32_t at = i;
        for (; at > 0 && order[at - 1]->df > c->df; at--)
            order[at] = order[at - 1];
        order[at] = c;
    }
    lhi_text_all all = {.cx = run->cx,
                        .cursors = order,
                        .count = count,
                        .allow = run->allow,
                        .top = run->top,
                        .work = run->work};
    run->searcher->views[run->segment].segment->kernels->all(&all);
    LH_TRY(all.rc);
    return check_cursors(run->cx, cursors, count);
}

static void accept_phrase(lhi_text_all *run, lhi_text_all_block *block)
{
    lhi_text_phrase_block(run->accept_arg, block);
}

static lh_rc run_phrase(lhi_text_run_state *run, const lhi_text_op *op)
{
    lhi_text_phrase phrase;
    int has;
    LH_TRY(lhi_text_phrase_open(run, op, run->work->cursors, &phrase, &has));
    if (!has)
        return LH_OK;

    lhi_text_all all = {.cx = run->cx,
                        .cursors = phrase.cursors,
                        .count = phrase.count,
                        .allow = run->allow,
                        .top = run->top,
                        .work = run->work,
                        .accept = accept_phrase,
                        .accept_arg = &phrase};
    for (uint32_t i = 0; i < phrase.count; i++) {
        double weight = phrase.cursors[i]->weight;
        all.phrase_ratios[i] = op->slop == 0 && weight > 0 ? op->weight / weight : 1e300;
    }
    run->searcher->views[run->segment].segment->kernels->all(&all);
    lhi_text_phrase_done(&phrase);
    LH_TRY(all.rc);
    LH_TRY(phrase.rc);
    return check_cursors(run->cx, run->work->cursors, phrase.count);
}

static lh_rc add_list_bits(lh_ctx *cx, const lh_text_segment *s, uint32_t field,
                           const lhi_text_term *t, uint64_t *bits)
{
    if (t->df == 1) {
        bits[t->bytes / 64] |= 1ull << (t->bytes % 64);
        return LH_OK;
    }
    if (t->df > LHI_TEXT_BLOCK && t->extra > 0) {
        const uint64_t *words = s->bitmaps + (uint64_t)(t->extra - 1) * s->bitmap_words;
        for (uint64_t w = 0; w < s->bitmap_words; w++)
            bits[w] |= words[w];
        return LH_OK;
    }
    lhi_text_block b;
    for (uint32_t i = 0; i < lhi_text_blocks_count(t->df); i++) {
        if (lhi_text_block_docs(s, field, t, i, &b) < 0)
            return lh_fail(cx, LH_E_CORRUPT, "text segment: a list of postings cannot be read");
        for (uint32_t j = 0; j < b.count; j++)
            bits[b.docs[j] / 64] |= 1ull << (b.docs[j] % 64);
    }
    return LH_OK;
}

static int begins_with(const lhi_text_dict_walk *w, lh_str prefix)
{
    return w->term_len >= prefix.len && memcmp(w->bytes, prefix.ptr, prefix.len) == 0;
}

lh_rc lhi_text_set_bits(lh_ctx *cx, const lh_text_segment *s, const lhi_text_op *op, uint64_t *bits)
{
    lhi_text_dict_walk w;
    uint64_t first = lhi_text_dict_lower(s, op->field, op->term);
    uint32_t terms = 0;
    int more;
    lhi_text_dict_walk_at(s, op->field, first, &w);
    while ((more = lhi_text_dict_next(&w)) > 0) {
        if (w.term < first)
            continue;
        if (!begins_with(&w, op->term))
            break;
        if (++terms > LH_TEXT_PREFIX_MAX) {
            LH_IGNORE(lh_fail(cx, LH_E_TOO_LARGE, "more than %d terms begin with '%.*s'",
                              LH_TEXT_PREFIX_MAX, LH_STR_ARG(op->term)));
            return lh_err_hint(cx, "write more letters before the *");
        }
        LH_TRY(add_list_bits(cx, s, op->field, &s->terms[w.term], bits));
        if (terms % 256 == 0)
            LH_TRY(lh_ctx_check(cx));
    }
    return more < 0 ? lh_fail(cx, LH_E_CORRUPT, "text segment: a dictionary entry") : LH_OK;
}

/* A prefix alone: all matches score the same, so the first k are the best. */
static lh_rc run_set(lhi_text_run_state *run, const lhi_text_op *op)
{
    const lh_text_segment *s = run->searcher->views[run->segment].segment;
    uint32_t points = lhi_text_points(1, op->weight);
    if (points <= run->top->threshold)
        return LH_OK;
    uint64_t *bits = (uint64_t *)(void *)run->work->sums; /* zero, and left zero */
    uint64_t words = LH_TEXT_BITMAP_WORDS(s->meta.docs);
    int fits = words * sizeof *bits <= LHI_TEXT_WINDOW_MAX * sizeof *run->work->sums;
    if (!fits && !(bits = LH_NEW_ARRAY(run->cx, uint64_t, words)))
        return LH_E_NO_MEMORY;
    lh_rc rc = lhi_text_set_bits(run->cx, s, op, bits);
    for (uint64_t w = 0; rc == LH_OK && w < words && run->top->threshold < points; w++) {
        uint64_t word = run->allow ? bits[w] & run->allow[w] : bits[w];
        for (; word && run->top->threshold < points; word &= word - 1)
            if (!lhi_text_top_push(run->top, (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(word),
                                   points)) {
                w = words; /* the rest of the segment comes later still */
                break;
            }
    }
    if (fits)
        memset(bits, 0, words * sizeof *bits);
    return rc;
}

static int all_are(const lhi_text_op *op, lh_text_occur occur, lhi_text_op_kind kind)
{
    for (uint32_t i = 0; i < op->count; i++)
        if (op->occurs[i] != occur || op->children[i]->kind != kind)
            return 0;
    return op->kind == LHI_TEXT_OP_BOOL;
}

typedef enum plan { PLAN_NONE, PLAN_ANY, PLAN_ALL, PLAN_PHRASE, PLAN_PREFIX, PLAN_TREE } plan;
static const char *const plan_names[] = {"none", "any", "all", "phrase", "prefix", "tree"};

static plan plan_of(const lhi_text_query *q, uint32_t flags)
{
    lhi_text_op *op = q->root;
    if (op->kind == LHI_TEXT_OP_NONE)
        return PLAN_NONE;
    if (flags & (LH_TEXT_COUNT | LH_TEXT_EXHAUSTIVE))
        return PLAN_TREE;
    if (op->kind == LHI_TEXT_OP_TERM ||
        (all_are(op, LH_TEXT_SHOULD, LHI_TEXT_OP_TERM) && op->min_should <= 1))
        return PLAN_ANY;
    if (all_are(op, LH_TEXT_MUST, LHI_TEXT_OP_TERM) && op->min_should == 0)
        return PLAN_ALL;
    if (op->kind == LHI_TEXT_OP_PHRASE)
        return PLAN_PHRASE;
    return op->kind == LHI_TEXT_OP_SET ? PLAN_PREFIX : PLAN_TREE;
}

static lh_rc run_segment(lhi_text_run_state *run, const lhi_text_query *q, plan how)
{
    lhi_text_op *root = q->root;
    switch (how) {
    case PLAN_NONE: return LH_OK;
    case PLAN_ANY:
        return root->kind == LHI_TEXT_OP_TERM ? run_any(run, &root, 1)
                                              : run_any(run, root->children, root->count);
    case PLAN_ALL: return run_all(run, root->children, root->count);
    case PLAN_PHRASE: return run_phrase(run, root);
    case PLAN_PREFIX: return run_set(run, root);
    case PLAN_TREE: break;
    }
    return lhi_text_run_tree(run, q);
}

/* ---- filters ---- */

/* The documents of a segment that may be answers: asked for and alive. NULL = all. */
static lh_rc allowed(lh_ctx *cx, const lh_text_searcher *s, const lh_text_request *request,
                     uint32_t segment, const uint64_t **ret)
{
    const uint64_t *allow = request->allow ? request->allow[segment] : NULL;
    const uint64_t *live = s->views[segment].live;
    *ret = allow ? allow : live;
    if (!allow || !live)
        return LH_OK;
    uint64_t words = LH_TEXT_BITMAP_WORDS(s->views[segment].segment->meta.docs);
    uint64_t *both = LH_NEW_ARRAY(cx, uint64_t, words);
    if (!both)
        return LH_E_NO_MEMORY;
    for (uint64_t w = 0; w < words; w++)
        both[w] = allow[w] & live[w];
    *ret = both;
    return LH_OK;
}

/* ---- facets ---- */

typedef struct facet_run {
    uint32_t numbers[LH_TEXT_FACETS_MAX];
    uint64_t *counts[LH_TEXT_FACETS_MAX]; /* of one segment */
    lh_text_facet *results;
    struct value_sum {
        lh_str value;
        uint64_t count;
    } * values[LH_TEXT_FACETS_MAX]; /* over segments, not joined */
    size_t values_count[LH_TEXT_FACETS_MAX];
    size_t values_capacity[LH_TEXT_FACETS_MAX];
} facet_run;

static lh_rc find_facets(lh_ctx *cx, const lh_text_segment *s, const lh_text_request *request,
                         facet_run *f)
{
    if (request->facets.count > LH_TEXT_FACETS_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "%zu facets, limit %d", request->facets.count,
                       LH_TEXT_FACETS_MAX);
    for (size_t i = 0; i < request->facets.count; i++) {
        uint32_t n = 0;
        while (n < s->meta.facets &&
               !lh_str_eq(lh_str_from(s->facets[n].name), request->facets.items[i]))
            n++;
        if (n == s->meta.facets)
            return lh_fail(cx, LH_E_BAD_VALUE, "no facet '%.*s' in this index",
                           LH_STR_ARG(lh_str_sub(request->facets.items[i], 0, 80)));
        f->numbers[i] = n;
    }
    f->results = LH_NEW_ARRAY(cx, lh_text_facet, request->facets.count + 1);
    return f->results ? LH_OK : LH_E_NO_MEMORY;
}

static lh_rc begin_facets(lh_ctx *cx, const lh_text_segment *s, facet_run *f, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        f->counts[i] = LH_NEW_ARRAY(cx, uint64_t, (size_t)s->facets[f->numbers[i]].values + 1);
        if (!f->counts[i])
            return LH_E_NO_MEMORY;
    }
    return LH_OK;
}

static lh_rc end_facets(lh_ctx *cx, const lh_text_segment *s, facet_run *f, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t n = f->numbers[i];
        f->results[i].missing += f->counts[i][0];
        for (uint32_t v = 0; v < s->facets[n].values; v++) {
            if (f->counts[i][v + 1] == 0)
                continue;
            uint64_t start = v > 0 ? s->facet_ends[n][v - 1] : 0;
            LH_TRY(lh_ctx_grow(cx, (void **)&f->values[i], f->values_count[i],
                               &f->values_capacity[i], sizeof *f->values[i]));
            f->values[i][f->values_count[i]++] =
                (struct value_sum){lh_str_sub(s->facet_text[n], start, s->facet_ends[n][v] - start),
                                   f->counts[i][v + 1]};
        }
    }
    return LH_OK;
}

static int by_value(const void *a, const void *b)
{
    return lh_str_cmp(((const struct value_sum *)a)->value, ((const struct value_sum *)b)->value);
}

static int by_count(const void *a, const void *b)
{
    const struct value_sum *x = a;
    const struct value_sum *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return lh_str_cmp(x->value, y->value);
}

static lh_rc close_facet(lh_ctx *cx, facet_run *f, uint32_t i, uint32_t values_max)
{
    size_t kept = 0;
    struct value_sum *v = f->values[i];
    lh_text_facet *r = &f->results[i];
    if (f->values_count[i] > 0)
        qsort(v, f->values_count[i], sizeof *v, by_value);
    for (size_t j = 0; j < f->values_count[i]; j++) {
        if (kept > 0 && lh_str_eq(v[kept - 1].value, v[j].value))
            v[kept - 1].count += v[j].count;
        else
            v[kept++] = v[j];
    }
    if (kept > 0)
        qsort(v, kept, sizeof *v, by_count);
    r->values_count = (uint32_t)LH_MIN(kept, (size_t)(values_max ? values_max : 10));
    r->values = LH_NEW_ARRAY(cx, lh_text_facet_value, r->values_count + 1);
    if (!r->values)
        return LH_E_NO_MEMORY;
    for (size_t j = 0; j < kept; j++) {
        if (j < r->values_count)
            r->values[j] = (lh_text_facet_value){lh_ctx_dup(cx, v[j].value), v[j].count};
        else
            r->others += v[j].count;
    }
    return LH_OK;
}

/* ---- the request ---- */

static int by_rank(const void *a, const void *b)
{
    const lhi_text_entry *x = a;
    const lhi_text_entry *y = b;
    if (x->points != y->points)
        return x->points > y->points ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static lh_rc make_room(lh_ctx *cx, lhi_text_work *work, uint32_t terms, uint32_t k)
{
    if (terms > work->cursors_max) {
        lhi_text_cursor *grown = lh_realloc_array(work->cursors, terms, sizeof *grown);
        if (!grown)
            return lh_fail(cx, LH_E_NO_MEMORY, "cursors of %u terms", terms);
        work->cursors = grown;
        work->cursors_max = terms;
    }
    if (k > work->entries_max) {
        lhi_text_entry *grown = lh_realloc_array(work->entries, k, sizeof *grown);
        if (!grown)
            return lh_fail(cx, LH_E_NO_MEMORY, "%u hits", k);
        work->entries = grown;
        work->entries_max = k;
    }
    return LH_OK;
}

static lh_rc run_segments(lhi_text_run_state *run, const lhi_text_query *q,
                          const lh_text_request *request, facet_run *f, lh_text_result *result)
{
    const lh_text_searcher *s = run->searcher;
    uint32_t flags = request->flags;
    run->facets_count = (uint32_t)request->facets.count;
    run->facets = f->counts;
    run->facet_numbers = f->numbers;
    if (run->facets_count > 0)
        flags |= LH_TEXT_COUNT;
    plan how = plan_of(q, flags);
    result->plan = plan_names[how];
    run->counts = how == PLAN_TREE || how == PLAN_NONE;
    for (uint32_t i = 0; i < s->count && q->root->kind != LHI_TEXT_OP_NONE; i++) {
        const lh_text_segment *segment = s->views[i].segment;
        if (segment->meta.docs == 0)
            continue;
        run->segment = i;
        lhi_text_top_segment(run->top, i, &s->views[i]);
        LH_TRY(allowed(run->cx, s, request, i, &run->allow));
        run->can_seed = run->allow == NULL;
        LH_TRY(begin_facets(run->cx, segment, f, run->facets_count));
        LH_TRY(run_segment(run, q, how));
        LH_TRY(end_facets(run->cx, segment, f, run->facets_count));
        LH_TRY(lh_ctx_check(run->cx));
    }
    for (uint32_t i = 0; i < run->facets_count; i++) {
        f->results[i].name = request->facets.items[i];
        LH_TRY(close_facet(run->cx, f, i, request->facet_values_max));
    }
    result->facets = f->results;
    result->facets_count = run->facets_count;
    return LH_OK;
}

static lh_rc fill_hits(lh_ctx *cx, const lh_text_searcher *s, lhi_text_top *top,
                       const lhi_text_query *q, lh_text_result *result)
{
    if (top->count > 0)
        qsort(top->entries, top->count, sizeof *top->entries, by_rank);
    result->hits = LH_NEW_ARRAY(cx, lh_text_hit, top->count + 1);
    if (!result->hits)
        return LH_E_NO_MEMORY;
    for (uint32_t i = 0; i < top->count; i++) {
        lhi_text_entry e = top->entries[i];
        result->hits[i] =
            (lh_text_hit){.row = s->views[e.segment].ids
                                     ? s->views[e.segment].ids[e.doc]
                                     : lh_text_segment_row(s->views[e.segment].segment, e.doc),
                          .score = e.points / q->scale,
                          .points = e.points,
                          .segment = e.segment,
                          .doc = e.doc};
    }
    result->hits_count = top->count;
    result->words_dropped = q->words_dropped;
    result->score_scale = q->scale;
    return LH_OK;
}

static lh_rc search(lh_ctx *cx, lh_text_searcher *s, const lh_text_request *request,
                    lhi_text_work *work, lh_text_result *result)
{
    lhi_text_query query;
    facet_run facets = {0};
    LH_TRY(find_facets(cx, s->views[0].segment, request, &facets));
    LH_TRY(lhi_text_compile(cx, s, work->tokenizer, request->query, &query));
    LH_TRY(make_room(cx, work, query.terms + 1, request->k));
    lhi_text_top top = {.entries = work->entries, .k = request->k};
    if (request->k == 0)
        top.threshold = UINT32_MAX; /* nothing enters */
    lhi_text_run_state run = {.cx = cx, .searcher = s, .top = &top, .work = work};
    LH_TRY(run_segments(&run, &query, request, &facets, result));
    result->total = run.counts ? run.total : top.count;
    result->total_is_exact = run.counts || top.count < request->k;
    return fill_hits(cx, s, &top, &query, result);
}

lh_rc lh_text_search(lh_ctx *cx, lh_text_searcher *s, const lh_text_request *request,
                     lh_text_result *ret_result)
{
    lh_text_result result = {.score_scale = 1 << 20, .plan = "none", .total_is_exact = 1};
    lhi_text_work *work;
    if (request->k > LH_TEXT_K_MAX)
        return lh_fail(cx, LH_E_BAD_VALUE, "k %u, limit %d", request->k, LH_TEXT_K_MAX);
    LH_TRY(lh_ctx_check(cx));
    if (s->count > 0) {
        LH_TRY(lhi_text_work_take(cx, s, &work));
        lh_rc rc = search(cx, s, request, work, &result);
        if (rc != LH_OK) {
            lhi_text_work_free(work); /* a window may be half done */
            return rc;
        }
        lhi_text_work_give(s, work);
    }
    *ret_result = result;
    return LH_OK;
}
