#include "text_set_world.h"

size_t set_model_count(const set_model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < SET_IDS; i++)
        n += m->there[i];
    return n;
}

size_t set_words(uint64_t id, uint32_t version, unsigned char *ret_words)
{
    uint64_t random = id * 7919 + version * 104729 + 1;
    size_t count = model_below(&random, SET_LENGTH_MAX + 1);
    for (size_t i = 0; i < count; i++)
        ret_words[i] = (unsigned char)(model_below(&random, SET_WORDS) *
                                       model_below(&random, SET_WORDS) / SET_WORDS);
    return count;
}

lh_text_doc set_doc(lh_scratch *s, uint64_t id, uint32_t version)
{
    unsigned char words[SET_LENGTH_MAX];
    size_t count = set_words(id, version, words);
    lh_buf text;
    lh_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < count; i++)
        ck_lh_ok(s, lh_buf_printf(&s->cx, &text, "w%d ", (int)words[i]));
    ck_lh_ok(s, lh_buf_printf(&s->cx, &text, "v%llux%u", (unsigned long long)id, version));
    lh_str *texts = LH_NEW_ARRAY(&s->cx, lh_str, 2);
    texts[0] = lh_ctx_dup(&s->cx, lh_buf_str(&text));
    texts[1] = lh_ctx_fmt(&s->cx, "c%llu", (unsigned long long)(id % 5));
    lh_buf_done(&text);
    return (lh_text_doc){.row = id, .fields = &texts[0], .facets = &texts[1]};
}

lh_text_set_options set_options(void)
{
    static const lh_text_field_options field = {.name = LH_S_INIT("text"),
                                                .flags = LH_TEXT_POSITIONS};
    static const lh_str facet = LH_S_INIT("colour");
    return (lh_text_set_options){
        .build = {.fields = &field, .fields_count = 1, .facets = {(lh_str *)(uintptr_t)&facet, 1}},
        .tier_rows = 8,
        .fan_in = 3};
}

int set_equals(lh_scratch *s, lh_text_set *set, const set_model *m)
{
    uint64_t *ids;
    size_t count;
    size_t n = 0;
    int same = 1;
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = lh_text_set_view(set);
    ck_lh_ok(s, lh_segset_view_ids(&s->cx, view, &ids, &count));
    if (count != set_model_count(m))
        return 0;
    for (uint64_t id = 0; id < SET_IDS && same; id++) {
        lh_text_result r;
        if (!m->there[id])
            continue;
        lh_str term = lh_ctx_fmt(&s->cx, "v%llux%u", (unsigned long long)id, m->version[id]);
        lh_text_set_query query = {
            .request = {.query = lh_text_node_new(&s->cx, LH_TEXT_NODE_WORDS, term), .k = 2}};
        ck_lh_ok(s, lh_text_view_search(&s->cx, view, &query, &r));
        same = ids[n++] == id && r.hits_count == 1 && r.hits[0].row == id;
    }
    return same;
}

/* ---- searches ---- */

typedef struct asked {
    lh_text_node *node;
    unsigned char words[4];
    uint32_t count;
    int all;
    int phrase;
} asked;

static asked draw_query(lh_scratch *s, uint64_t *random)
{
    asked q = {.count = 1 + model_below(random, 4)};
    uint32_t kind = model_below(random, 8);
    lh_str text = LH_S("");
    for (uint32_t i = 0; i < q.count; i++) {
        q.words[i] = (unsigned char)model_below(random, SET_WORDS);
        text = lh_ctx_fmt(&s->cx, "%.*s w%d", LH_STR_ARG(text), (int)q.words[i]);
    }
    q.all = kind < 2;
    q.phrase = kind == 2;
    q.node = lh_text_node_new(&s->cx, q.phrase ? LH_TEXT_NODE_PHRASE : LH_TEXT_NODE_WORDS, text);
    q.node->flags = q.all ? LH_TEXT_ALL : 0;
    return q;
}

static int holds_phrase(const asked *q, const unsigned char *words, size_t count)
{
    for (size_t i = 0; i + q->count <= count; i++)
        if (memcmp(words + i, q->words, q->count) == 0)
            return 1;
    return 0;
}

static int matches(const asked *q, uint64_t id, uint32_t version)
{
    unsigned char words[SET_LENGTH_MAX];
    size_t count = set_words(id, version, words);
    uint32_t found = 0;
    if (q->phrase)
        return holds_phrase(q, words, count);
    for (uint32_t i = 0; i < q->count; i++)
        found += memchr(words, q->words[i], count) != NULL;
    return q->all ? found == q->count : found > 0;
}

static void check_hits(const asked *q, const set_model *m, const unsigned char *allowed,
                       const lh_text_result *r, uint32_t k)
{
    uint32_t wanted = 0;
    unsigned char seen[SET_IDS] = {0};
    for (uint64_t id = 0; id < SET_IDS; id++)
        wanted += m->there[id] && allowed[id] && matches(q, id, m->version[id]);
    ck_assert_uint_eq(r->hits_count, LH_MIN(wanted, k));
    ck_assert(!r->total_is_exact || r->total == wanted);
    for (uint32_t i = 0; i < r->hits_count; i++) {
        uint64_t id = r->hits[i].row;
        ck_assert_uint_lt(id, SET_IDS);
        ck_assert_msg(m->there[id] && allowed[id] && !seen[id] && matches(q, id, m->version[id]),
                      "hit %u: id %llu is dead, filtered, no match or there twice", i,
                      (unsigned long long)id);
        seen[id] = 1;
        if (i > 0)
            ck_assert(r->hits[i - 1].points > r->hits[i].points ||
                      (r->hits[i - 1].points == r->hits[i].points && r->hits[i - 1].row < id));
    }
}

static void check_same(const lh_text_result *a, const lh_text_result *b)
{
    ck_assert_uint_eq(a->hits_count, b->hits_count);
    for (uint32_t i = 0; i < a->hits_count; i++)
        ck_assert_msg(a->hits[i].row == b->hits[i].row && a->hits[i].points == b->hits[i].points,
                      "hit %u: id %llu with %u points, not %llu with %u (%s)", i,
                      (unsigned long long)a->hits[i].row, a->hits[i].points,
                      (unsigned long long)b->hits[i].row, b->hits[i].points, a->plan);
}

/* One segment of the model's documents. */
static void check_against_one(lh_scratch *s, const set_model *m, const lh_text_set_query *query,
                              const unsigned char *allowed, const lh_text_result *r)
{
    lh_text_set_options options = set_options();
    lh_text_builder *builder = NULL;
    lh_text_segment *segment = NULL;
    lh_text_searcher *searcher = NULL;
    lh_text_result expected;
    lh_buf bytes;
    uint64_t size;
    uint64_t words[LH_TEXT_BITMAP_WORDS(SET_IDS)] = {0};
    uint32_t n = 0;
    lh_buf_init(&bytes, 1 << 24);
    ck_lh_ok(s, lh_text_builder_new(&s->cx, &options.build, &builder));
    for (uint64_t id = 0; id < SET_IDS; id++) {
        if (!m->there[id])
            continue;
        lh_text_doc doc = set_doc(s, id, m->version[id]);
        ck_lh_ok(s, lh_text_builder_add(&s->cx, builder, &doc));
        words[n / 64] |= (uint64_t)(allowed[id] != 0) << (n % 64);
        n++;
    }
    ck_lh_ok(s, lh_text_builder_finish(&s->cx, builder, lh_segset_buf_sink(&bytes), &size));
    ck_lh_ok(s, lh_text_segment_open(&s->cx, lh_buf_str(&bytes), &segment));
    lh_text_view view = {.segment = segment};
    ck_lh_ok(s, lh_text_searcher_new(&s->cx, &view, 1, &searcher));
    lh_text_request request = query->request;
    const uint64_t *allow = words;
    request.allow = &allow;
    ck_lh_ok(s, lh_text_search(&s->cx, searcher, &request, &expected));
    check_same(r, &expected);
    lh_text_searcher_free(searcher);
    lh_text_segment_close(segment);
    lh_text_builder_free(builder);
    lh_buf_done(&bytes);
}

/* It has documents, and none of them is dead. */
static int is_whole(const lh_segset_view *view)
{
    size_t count = lh_segset_view_count(view);
    for (size_t i = 0; i < count; i++)
        if (lh_segset_view_part(view, i).rows_live < lh_segset_view_part(view, i).rows)
            return 0;
    return count > 0;
}

void set_check_search(lh_scratch *s, lh_text_set *set, const set_model *m, uint64_t *random)
{
    asked q = draw_query(s, random);
    unsigned char allowed[SET_IDS];
    uint64_t ids[SET_IDS];
    uint64_t words[SET_IDS / 64 + 1] = {0};
    uint32_t one_in = 1 + model_below(random, 6);
    uint32_t filter = model_below(random, 3);
    lh_text_result fast;
    lh_text_result slow;
    lh_text_set_query query = {.request = {.query = q.node, .k = 1 + model_below(random, 30)}};
    for (uint64_t id = 0; id < SET_IDS; id++) {
        allowed[id] = filter == 0 || model_below(random, one_in) == 0;
        if (!allowed[id])
            continue;
        ids[query.filter.ids_count++] = id;
        words[id / 64] |= 1ull << (id % 64);
    }
    query.filter.ids = filter == 1 ? ids : NULL;
    query.filter.by_id = filter == 2 ? words : NULL;
    query.filter.by_id_count = SET_IDS;
    LH_CLEANUP(lh_segset_view_unref) lh_segset_view *view = lh_text_set_view(set);
    ck_lh_ok(s, lh_text_view_search(&s->cx, view, &query, &fast));
    check_hits(&q, m, allowed, &fast, query.request.k);
    query.request.flags = LH_TEXT_EXHAUSTIVE | LH_TEXT_COUNT;
    ck_lh_ok(s, lh_text_view_search(&s->cx, view, &query, &slow));
    check_hits(&q, m, allowed, &slow, query.request.k);
    check_same(&fast, &slow);
    if (is_whole(view) && model_below(random, 3) == 0)
        check_against_one(s, m, &query, allowed, &fast);
}
