/* text/text_set.c - text segments as an engine of segment sets (segset/segset.h): how one is made
 * of new documents, opened, verified and merged.
 *
 * Documents of a segment lie in order of their ids, and their rows are their numbers, which need no
 * bytes: what they are called is the set's business. */
#include "text/text_set.h"

#include "base/hash.h"
#include "text/text_build_private.h"

struct lh_text_set {
    lh_arena *arena; /* of the options */
    lh_text_set_options opts;
    lh_text_analyzer *analyzer;
    uint64_t shape;
    lh_segset *segments;
};

/* ---- options ---- */

static lh_rc copy_list(lh_ctx *cx, lh_str_list *list)
{
    lh_str *items = LH_NEW_ARRAY(cx, lh_str, list->count + 1);
    if (!items)
        return cx->err.rc;
    for (size_t i = 0; i < list->count; i++)
        items[i] = lh_ctx_dup(cx, list->items[i]);
    list->items = items;
    return cx->err.rc;
}

static lh_rc copy_options(lh_ctx *cx, lh_text_build_options *b)
{
    if (b->fields) {
        lh_text_field_options *fields = LH_NEW_ARRAY(cx, lh_text_field_options, b->fields_count);
        if (!fields)
            return cx->err.rc;
        for (uint32_t i = 0; i < b->fields_count; i++) {
            fields[i] = b->fields[i];
            fields[i].name = lh_ctx_dup(cx, b->fields[i].name);
        }
        b->fields = fields;
    }
    LH_TRY(copy_list(cx, &b->facets));
    LH_TRY(copy_list(cx, &b->analyzer.stop_words));
    LH_TRY(copy_list(cx, &b->analyzer.synonyms));
    b->analyzer.stem = lh_ctx_dup(cx, b->analyzer.stem);
    b->scratch_path = lh_ctx_dup(cx, b->scratch_path);
    return cx->err.rc;
}

static uint64_t shape_of(const lh_text_builder *b)
{
    double numbers[2] = {b->meta.k1, b->meta.b};
    uint64_t shape = lh_hash64(lh_str_n(numbers, sizeof numbers), b->meta.fields);
    for (uint32_t f = 0; f < b->meta.fields; f++) {
        shape = lh_hash64(lh_str_from(b->fields[f].name), shape);
        shape = lh_hash64(lh_str_n(&b->fields[f].boost, sizeof b->fields[f].boost), shape);
        shape = lh_hash64(lh_str_n(&b->fields[f].flags, sizeof b->fields[f].flags), shape);
    }
    for (uint32_t f = 0; f < b->meta.facets; f++)
        shape = lh_hash64(lh_str_from(b->facets[f].name), shape + 1);
    return lh_hash64(lh_text_analyzer_recorded(b->analyzer), shape);
}

/* A builder checks the options, and knows what their defaults come to. */
static lh_rc take_options(lh_ctx *cx, lh_text_set *set, const lh_text_set_options *opts)
{
    LH_CLEANUP(lh_text_builder_free) lh_text_builder *builder = NULL;
    set->opts = *opts;
    set->arena = lh_arena_new(0);
    if (!set->arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "text set");
    lh_ctx own;
    lh_ctx_init_child(&own, set->arena, cx);
    if (copy_options(&own, &set->opts.build) != LH_OK)
        return lh_fail(cx, LH_E_NO_MEMORY, "text set");
    LH_TRY(lh_text_builder_new(cx, &set->opts.build, &builder));
    set->shape = shape_of(builder);
    return lh_text_analyzer_new(cx, &set->opts.build.analyzer, &set->analyzer);
}

/* ---- the engine ---- */

static lh_rc take_shape(lh_ctx *cx, void *arg, const uint32_t *stored, uint32_t *ret_shape)
{
    const lh_text_set *set = arg;
    memcpy(ret_shape, &set->shape, sizeof set->shape);
    if (stored && memcmp(stored, &set->shape, sizeof set->shape) != 0)
        return lh_fail(cx, LH_E_BAD_VALUE, "the text set has other fields, facets or analyser");
    return LH_OK;
}

static lh_rc open_segment(lh_ctx *cx, void *arg, lh_str bytes, uint64_t rows, void **ret_index)
{
    LH_CLEANUP(lh_text_segment_close) lh_text_segment *segment = NULL;
    lh_text_segment_stats stats;
    (void)arg;
    LH_TRY(lh_text_segment_open(cx, bytes, &segment));
    lh_text_segment_stats_get(segment, &stats);
    if (stats.docs != rows)
        return lh_fail(cx, LH_E_CORRUPT, "its documents do not fit its ids");
    *ret_index = LH_TAKE(segment);
    return LH_OK;
}

static void close_segment(void *index)
{
    lh_text_segment_close(index);
}

static lh_rc verify_segment(lh_ctx *cx, const void *index)
{
    return lh_text_segment_verify(cx, index);
}

static uint64_t bytes_resident(const void *index)
{
    lh_text_segment_stats stats;
    lh_text_segment_stats_get(index, &stats);
    return stats.bytes_resident;
}

static lh_rc merge_segments(lh_ctx *cx, void *arg, const lh_segset_merging *merging,
                            lh_container_sink sink)
{
    const lh_text_set *set = arg;
    LH_CLEANUP(lh_text_builder_free) lh_text_builder *builder = NULL;
    uint64_t bytes;
    LH_TRY(lh_text_builder_new(cx, &set->opts.build, &builder));
    LH_TRY(lhi_text_builder_add_merging(cx, builder, merging));
    return lh_text_builder_finish(cx, builder, sink, &bytes);
}

/* ---- searches of a view ---- */

typedef struct searching {
    lh_text_searcher *searcher;
    size_t count;
    size_t parts[]; /* of the view, by segment of the searcher: in order of their first ids, so that
                       ids that only grow never lie among one another */
} searching;

static void detach(void *attached)
{
    searching *s = attached;
    lh_text_searcher_free(s->searcher);
    lh_free(s);
}

static const lh_segset_engine engine = {.name = "text",
                                        .suffix = ".lht",
                                        .segment_rows_max = LH_TEXT_DOCS_MAX,
                                        .plain_rows_max = UINT64_MAX,
                                        .shape = take_shape,
                                        .open = open_segment,
                                        .close = close_segment,
                                        .verify = verify_segment,
                                        .bytes_resident = bytes_resident,
                                        .merge = merge_segments,
                                        .detach = detach};

static void order_parts(const lh_segset_view *view, searching *s)
{
    for (size_t i = 0; i < s->count; i++) {
        uint64_t first = lh_segset_view_part(view, i).ids[0];
        size_t at = i;
        for (; at > 0 && lh_segset_view_part(view, s->parts[at - 1]).ids[0] > first; at--)
            s->parts[at] = s->parts[at - 1];
        s->parts[at] = i;
    }
}

static lh_rc make_searching(lh_ctx *cx, lh_segset_view *view, void **ret_attached)
{
    size_t count = lh_segset_view_count(view);
    lh_text_view *views = LH_NEW_ARRAY(cx, lh_text_view, count + 1);
    searching *s = lh_alloc_zero(1, sizeof *s + count * sizeof *s->parts);
    if (!views || !s) {
        lh_free(s);
        return lh_fail(cx, LH_E_NO_MEMORY, "searcher of %zu segments", count);
    }
    s->count = count;
    order_parts(view, s);
    for (size_t i = 0; i < count; i++) {
        lh_segset_part part = lh_segset_view_part(view, s->parts[i]);
        views[i] = (lh_text_view){.segment = part.index, .live = part.live, .ids = part.ids};
    }
    lh_rc rc = lh_text_searcher_new(cx, views, (uint32_t)count, &s->searcher);
    if (rc != LH_OK) {
        lh_free(s);
        return rc;
    }
    *ret_attached = s;
    return LH_OK;
}

lh_rc lh_text_view_search(lh_ctx *cx, lh_segset_view *view, const lh_text_set_query *query,
                          lh_text_result *ret_result)
{
    void *attached;
    lh_text_request request = query->request;
    lh_assert(!request.allow);
    LH_TRY(lh_segset_view_attach(cx, view, make_searching, &attached));
    const searching *s = attached;
    if (query->filter.by_id || query->filter.ids) {
        const uint64_t **allow = LH_NEW_ARRAY(cx, const uint64_t *, s->count + 1);
        uint64_t count;
        if (!allow)
            return cx->err.rc;
        for (size_t i = 0; i < s->count; i++) {
            lh_segset_part part = lh_segset_view_part(view, s->parts[i]);
            LH_TRY(lh_segset_allowed(cx, &part, &query->filter, &allow[i], &count));
        }
        request.allow = allow;
    }
    return lh_text_search(cx, s->searcher, &request, ret_result);
}

lh_rc lh_text_view_explain(lh_ctx *cx, lh_segset_view *view, const lh_text_node *query,
                           const lh_text_hit *hit, lh_text_reason *ret_reason, int *ret_matches)
{
    void *attached;
    LH_TRY(lh_segset_view_attach(cx, view, make_searching, &attached));
    return lh_text_explain(cx, ((const searching *)attached)->searcher, query, hit, ret_reason,
                           ret_matches);
}

/* ---- open, close ---- */

lh_rc lh_text_set_open(lh_ctx *cx, const lh_segset_home *home, const lh_text_set_options *opts,
                       lh_text_set **ret_set)
{
    LH_CLEANUP(lh_text_set_close) lh_text_set *set = lh_alloc_zero(1, sizeof *set);
    if (!set)
        return lh_fail(cx, LH_E_NO_MEMORY, "text set");
    LH_TRY(take_options(cx, set, opts));
    lh_segset_options options = {.engine = &engine,
                                 .arg = set,
                                 .fan_in = opts->fan_in,
                                 .tier_rows = opts->tier_rows,
                                 .flags = opts->flags};
    LH_TRY(lh_segset_open(cx, home, &options, &set->segments));
    *ret_set = LH_TAKE(set);
    return LH_OK;
}

lh_text_set *lh_text_set_close(lh_text_set *set)
{
    if (!set)
        return NULL;
    lh_segset_close(set->segments);
    lh_text_analyzer_free(set->analyzer);
    lh_arena_free(set->arena);
    return lh_free(set);
}

/* ---- changes ---- */

typedef struct new_docs {
    const lh_text_set *set;
    const lh_text_doc *docs;
} new_docs;

static lh_rc encode(lh_ctx *cx, void *arg, const lh_segset_order *order, lh_buf *out)
{
    const new_docs *n = arg;
    LH_CLEANUP(lh_text_builder_free) lh_text_builder *builder = NULL;
    uint64_t bytes;
    LH_TRY(lh_text_builder_new(cx, &n->set->opts.build, &builder));
    for (size_t i = 0; i < order->count; i++) {
        lh_text_doc doc = n->docs[order->places[i]];
        doc.row = i;
        LH_TRY(lh_text_builder_add(cx, builder, &doc));
    }
    return lh_text_builder_finish(cx, builder, lh_segset_buf_sink(out), &bytes);
}

static lh_rc put_docs(lh_ctx *cx, lh_text_set *set, const lh_text_change *asked, lh_segset_how how)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    new_docs n = {set, asked->docs};
    lh_segset_change change = {.how = how,
                               .count = asked->count,
                               .encode = encode,
                               .arg = &n,
                               .deletes = asked->deletes,
                               .deletes_count = asked->deletes_count};
    if (!arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "change of %zu documents", asked->count);
    lh_ctx own;
    lh_ctx_init_child(&own, arena, cx);
    if (asked->count <= LH_SEGSET_BATCH_ROWS_MAX) {
        uint64_t *ids = LH_NEW_ARRAY(&own, uint64_t, asked->count + 1);
        if (!ids)
            return lh_fail(cx, LH_E_NO_MEMORY, "change of %zu documents", asked->count);
        for (size_t i = 0; i < asked->count; i++)
            ids[i] = asked->docs[i].row;
        change.ids = ids;
    }
    return lh_segset_put(cx, set->segments, &change);
}

lh_rc lh_text_set_append(lh_ctx *cx, lh_text_set *set, const lh_text_doc *docs, size_t count)
{
    return put_docs(cx, set, &(lh_text_change){.docs = docs, .count = count}, LH_SEGSET_APPEND);
}

lh_rc lh_text_set_upsert(lh_ctx *cx, lh_text_set *set, const lh_text_doc *docs, size_t count)
{
    return put_docs(cx, set, &(lh_text_change){.docs = docs, .count = count}, LH_SEGSET_UPSERT);
}

lh_rc lh_text_set_change(lh_ctx *cx, lh_text_set *set, const lh_text_change *change)
{
    uint64_t deleted;
    if (change->count > 0)
        return put_docs(cx, set, change, LH_SEGSET_APPEND);
    return lh_text_set_delete(cx, set, change->deletes, change->deletes_count, &deleted);
}

lh_rc lh_text_set_delete(lh_ctx *cx, lh_text_set *set, const uint64_t *ids, size_t count,
                         uint64_t *ret_deleted)
{
    return lh_segset_delete(cx, set->segments, ids, count, ret_deleted);
}

lh_rc lh_text_set_merge(lh_ctx *cx, lh_text_set *set, lh_segset_merge_how how, uint64_t *ret_merged)
{
    return lh_segset_merge(cx, set->segments, how, ret_merged);
}

lh_segset_view *lh_text_set_view(lh_text_set *set)
{
    return lh_segset_get_view(set->segments);
}

void lh_text_set_get_stats(lh_text_set *set, lh_segset_stats *ret_stats)
{
    lh_segset_get_stats(set->segments, ret_stats);
}

const lh_text_analyzer *lh_text_set_analyzer(const lh_text_set *set)
{
    return set->analyzer;
}
