/* text_world.c - see text_world.h. */
#include "text_world.h"

#include "text/text_format_private.h"

#include <stdlib.h>

uint32_t world_draw(world *w, uint32_t below)
{
    w->seed = w->seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(w->seed >> 4) * below) >> 28);
}

uint32_t world_word(world *w)
{
    uint32_t word = world_draw(w, w->words);
    for (int i = 0; i < 2; i++)
        word = LH_MIN(word, world_draw(w, w->words));
    return world_draw(w, 4) == 0 ? word % (w->words / 16 + 1) : word;
}

lh_str world_word_text(world *w, uint32_t word)
{
    return lh_ctx_fmt(&w->own, "%c%uw", 'a' + (int)(word % 7), word);
}

static void write_text(world *w, world_doc *d, uint32_t field)
{
    uint32_t length = 1 + world_draw(w, 12);
    if (world_draw(w, 200) == 0)
        length += world_draw(w, 900); /* long ones: exceptions, coarse lengths */
    if (world_draw(w, 50) == 0)
        length = 0;
    uint32_t repeat = world_draw(w, 40) == 0 ? world_draw(w, 60) : 0;
    d->terms[field] = LH_NEW_ARRAY(&w->own, uint32_t, length + repeat + 1);
    char *text = lh_ctx_alloc(&w->own, (length + repeat) * 8 + 1, 1);
    size_t at = 0;
    uint32_t word = 0;
    for (uint32_t i = 0; i < length + repeat; i++) {
        if (i <= length)
            word = world_word(w);
        d->terms[field][i] = word;
        at += (size_t)snprintf(text + at, 9, "%c%uw ", 'a' + (int)(word % 7), word);
    }
    d->lengths[field] = length + repeat;
    d->texts[field] = lh_str_n(text, at);
}

void world_open(world *w, uint32_t docs, uint32_t words, uint32_t fields)
{
    *w = (world){.seed = 7, .words = words, .fields = fields, .docs_count = docs};
    lh_scratch_open(&w->s);
    w->arena = lh_arena_new((size_t)2 << 30);
    lh_ctx_init(&w->own, w->arena);
    w->docs = LH_NEW_ARRAY(&w->own, world_doc, docs + 1);
    for (uint32_t d = 0; d < docs; d++) {
        for (uint32_t f = 0; f < fields; f++)
            write_text(w, &w->docs[d], f);
        w->docs[d].row = 1000 + d * 3 + world_draw(w, 3);
        if (world_draw(w, 10) > 0)
            w->docs[d].facet = lh_ctx_fmt(&w->own, "colour %u", world_draw(w, 7));
    }
}

void world_close(world *w)
{
    lh_text_searcher_free(w->searcher);
    for (uint32_t i = 0; i < w->segments_count; i++)
        lh_text_segment_close(w->segments[i]);
    lh_arena_free(w->arena);
    lh_scratch_close(&w->s);
}

lh_text_builder *world_builder(world *w)
{
    static const lh_text_field_options fields[] = {
        {.name = LH_S_INIT("body"), .flags = LH_TEXT_POSITIONS},
        {.name = LH_S_INIT("title"), .flags = LH_TEXT_POSITIONS, .boost = 2}};
    static lh_str facet = LH_S_INIT("colour");
    lh_text_builder *b = NULL;
    lh_text_build_options opts = {.fields = fields,
                                  .fields_count = w->fields,
                                  .facets = {&facet, 1},
                                  .memory_bytes_max = w->memory_max,
                                  .scratch_path = lh_str_from(w->scratch)};
    ck_assert_int_eq(lh_text_builder_new(&w->own, &opts, &b), LH_OK);
    return b;
}

void world_add(world *w, lh_text_builder *b, uint32_t first, uint32_t end)
{
    for (uint32_t d = first; d < end; d++) {
        lh_text_doc doc = {
            .row = w->docs[d].row, .fields = w->docs[d].texts, .facets = &w->docs[d].facet};
        ck_assert_int_eq(lh_text_builder_add(&w->own, b, &doc), LH_OK);
    }
}

lh_str world_finish(world *w, lh_text_builder *b)
{
    lh_str path = lh_scratch_path(&w->s, "segment");
    lh_file *file = NULL;
    uint64_t bytes;
    ck_assert_int_eq(lh_file_remove(&w->own, path), LH_OK);
    ck_assert_int_eq(lh_file_open(&w->own, path, LH_FILE_READ_WRITE, &file), LH_OK);
    lh_rc rc = lh_text_builder_finish(&w->own, b, lh_file_container_sink(file), &bytes);
    ck_assert_msg(rc == LH_OK, "%s", w->own.err.message);
    lh_file_close(file);
    lh_text_builder_free(b);
    lh_str read;
    ck_assert_int_eq(lh_file_read_all(&w->own, path, (size_t)1 << 30, &read), LH_OK);
    ck_assert_uint_eq(read.len, bytes);
    return read;
}

void world_build(world *w, const uint32_t *ends, uint32_t count)
{
    lh_text_view views[8] = {0};
    uint32_t first = 0;
    for (uint32_t i = 0; i < count; i++) {
        lh_text_builder *b = world_builder(w);
        world_add(w, b, first, ends[i]);
        w->bytes[i] = world_finish(w, b);
        w->firsts[i] = first;
        first = ends[i];
        w->firsts[i + 1] = first;
        lh_rc rc = lh_text_segment_open(&w->own, w->bytes[i], &w->segments[i]);
        ck_assert_msg(rc == LH_OK, "%s", w->own.err.message);
        w->segments_count = i + 1;
        ck_assert_int_eq(lh_text_segment_verify(&w->own, w->segments[i]), LH_OK);
        views[i].segment = w->segments[i];
    }
    ck_assert_int_eq(lh_text_searcher_new(&w->own, views, count, &w->searcher), LH_OK);
}

/* ---- the model ---- */

typedef struct stats {
    uint32_t df[MODEL_MAX][2];
    double average[2];
} stats;

static uint32_t tf_of(const world_doc *d, uint32_t field, uint32_t word)
{
    uint32_t tf = 0;
    for (uint32_t i = 0; i < d->lengths[field]; i++)
        tf += d->terms[field][i] == word;
    return tf;
}

static int uses_field(const model_query *q, uint32_t field)
{
    return q->field < 0 || (uint32_t)q->field == field;
}

static void gather(world *w, const model_query *q, stats *s)
{
    *s = (stats){0};
    for (uint32_t f = 0; f < w->fields; f++) {
        uint64_t tokens = 0;
        for (uint32_t d = 0; d < w->docs_count; d++) {
            tokens += w->docs[d].lengths[f];
            for (uint32_t i = 0; i < q->count; i++)
                s->df[i][f] += tf_of(&w->docs[d], f, q->words[i]) > 0;
        }
        s->average[f] = (double)tokens / w->docs_count;
    }
}

static double idf_of(const world *w, uint32_t df)
{
    return log(1 + ((double)w->docs_count - df + 0.5) / (df + 0.5));
}

static uint32_t points_of(const world_doc *d, uint32_t f, double tf, double average, double idf)
{
    double length = lhi_text_length_of(lhi_text_length_code(d->lengths[f]));
    double impact = 2.2 * tf / (tf + 1.2 * (0.25 + 0.75 * length / average));
    double points = floor(impact * (f == 1 ? 2 : 1) * idf * 1048576 + 0.5);
    return points < 1 ? 1 : (uint32_t)points;
}

static uint32_t phrase_points(const world *w, const model_query *q, const stats *s,
                              const world_doc *d, uint32_t f)
{
    uint32_t tf = 0;
    double idf = 0;
    for (uint32_t i = 0; i < q->count; i++)
        idf += idf_of(w, s->df[i][f]);
    for (uint32_t at = 0; at + q->count <= d->lengths[f]; at++) {
        uint32_t same = 0;
        while (same < q->count && d->terms[f][at + same] == q->words[same])
            same++;
        tf += same == q->count;
    }
    return tf ? points_of(d, f, tf, s->average[f], idf) : 0;
}

static uint32_t score(const world *w, const model_query *q, const stats *s, const world_doc *d)
{
    uint32_t sum = 0;
    uint32_t there = 0;
    for (uint32_t f = 0; f < w->fields && q->mode == MODEL_PHRASE; f++)
        if (uses_field(q, f))
            sum += phrase_points(w, q, s, d, f);
    for (uint32_t i = 0; i < q->count && q->mode != MODEL_PHRASE; i++) {
        uint32_t before = sum;
        for (uint32_t f = 0; f < w->fields; f++) {
            uint32_t tf = uses_field(q, f) ? tf_of(d, f, q->words[i]) : 0;
            if (tf > 0)
                sum += points_of(d, f, tf, s->average[f], idf_of(w, s->df[i][f]));
        }
        there += sum > before;
    }
    for (uint32_t f = 0; f < w->fields && q->not_word != UINT32_MAX; f++)
        if (tf_of(d, f, q->not_word) > 0)
            return 0;
    if ((q->mode == MODEL_ALL && there < q->count) || (q->mode == MODEL_LEAST && there < q->least))
        return 0;
    return sum;
}

static int by_rank(const void *a, const void *b)
{
    const model_hit *x = a;
    const model_hit *y = b;
    if (x->points != y->points)
        return x->points > y->points ? -1 : 1;
    return x->doc < y->doc ? -1 : 1;
}

uint32_t model_search(world *w, const model_query *q, model_hit *ret_hits)
{
    stats s;
    uint32_t n = 0;
    gather(w, q, &s);
    for (uint32_t d = 0; d < w->docs_count; d++) {
        uint32_t points = q->allow && !q->allow[d] ? 0 : score(w, q, &s, &w->docs[d]);
        if (points > 0)
            ret_hits[n++] = (model_hit){points, d};
    }
    if (n > 0)
        qsort(ret_hits, n, sizeof *ret_hits, by_rank);
    return n;
}

static lh_str words_text(world *w, const model_query *q)
{
    lh_str text = LH_S("");
    for (uint32_t i = 0; i < q->count; i++) {
        lh_str word = world_word_text(w, q->words[i]);
        text = lh_ctx_fmt(&w->own, "%.*s %.*s", LH_STR_ARG(text), LH_STR_ARG(word));
    }
    return text;
}

lh_text_node *model_node(world *w, const model_query *q)
{
    lh_text_node *node = lh_text_node_new(
        &w->own, q->mode == MODEL_PHRASE ? LH_TEXT_NODE_PHRASE : LH_TEXT_NODE_WORDS,
        words_text(w, q));
    if (q->mode == MODEL_ALL)
        node->flags = LH_TEXT_ALL;
    if (q->mode == MODEL_LEAST)
        node->min_should = q->least;
    if (q->field >= 0)
        node->field = q->field ? LH_S("title") : LH_S("body");
    if (q->not_word == UINT32_MAX)
        return node;
    lh_text_node *both = lh_text_node_new(&w->own, LH_TEXT_NODE_BOOL, LH_STR_NONE);
    lh_text_node *no =
        lh_text_node_new(&w->own, LH_TEXT_NODE_WORDS, world_word_text(w, q->not_word));
    ck_assert_int_eq(lh_text_node_add(&w->own, both, LH_TEXT_MUST, node), LH_OK);
    ck_assert_int_eq(lh_text_node_add(&w->own, both, LH_TEXT_MUST_NOT, no), LH_OK);
    return both;
}

static const uint64_t **bitmaps_of(world *w, const uint8_t *allow)
{
    const uint64_t **all = LH_NEW_ARRAY(&w->own, const uint64_t *, 8);
    for (uint32_t i = 0; i < w->segments_count; i++) {
        uint32_t docs = w->firsts[i + 1] - w->firsts[i];
        uint64_t *bits = LH_NEW_ARRAY(&w->own, uint64_t, LH_TEXT_BITMAP_WORDS(docs) + 1);
        for (uint32_t d = 0; d < docs; d++)
            bits[d / 64] |= (uint64_t)allow[w->firsts[i] + d] << (d % 64);
        all[i] = bits;
    }
    return all;
}

void check_query(world *w, const model_query *q, uint32_t k, uint32_t flags)
{
    static model_hit expected[1 << 16];
    lh_text_result result;
    lh_text_request request = {.query = model_node(w, q), .k = k, .flags = flags};
    if (q->allow)
        request.allow = bitmaps_of(w, q->allow);
    uint32_t n = model_search(w, q, expected);
    lh_rc rc = lh_text_search(&w->own, w->searcher, &request, &result);
    ck_assert_msg(rc == LH_OK, "%s", w->own.err.message);
    lh_str asked = lh_text_node_text(&w->own, request.query);
    ck_assert_msg(result.hits_count == LH_MIN(n, k), "%.*s (%s): %u hits, not %u",
                  LH_STR_ARG(asked), result.plan, result.hits_count, LH_MIN(n, k));
    if (flags & LH_TEXT_COUNT)
        ck_assert_uint_eq(result.total, n);
    for (uint32_t i = 0; i < result.hits_count; i++) {
        uint32_t doc = w->firsts[result.hits[i].segment] + result.hits[i].doc;
        ck_assert_msg(doc == expected[i].doc && result.hits[i].points == expected[i].points,
                      "%.*s (%s) hit %u: document %u with %u, not %u with %u", LH_STR_ARG(asked),
                      result.plan, i, doc, result.hits[i].points, expected[i].doc,
                      expected[i].points);
        ck_assert_uint_eq(result.hits[i].row, w->docs[doc].row);
    }
}
