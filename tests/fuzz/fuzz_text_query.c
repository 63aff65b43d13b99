/* fuzz_text_query.c - the query language and the plain form: any bytes parse or are refused with a
 * place inside them; what parses can be written back, runs on a small index with every plan, and
 * both plans agree on the best document. The first byte chooses flags.
 * links: base os text */
#include "text/text_highlight.h"
#include "text/text_search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct memory {
    char *bytes;
    size_t len;
} memory;

static lh_rc write_at(lh_ctx *cx, void *arg, uint64_t offset, lh_str bytes)
{
    memory *m = arg;
    size_t end = (size_t)offset + bytes.len;
    (void)cx;
    if (end > m->len) {
        m->bytes = lh_realloc(m->bytes, end);
        lh_assert(m->bytes != NULL);
        memset(m->bytes + m->len, 0, end - m->len);
        m->len = end;
    }
    memcpy(m->bytes + offset, bytes.ptr, bytes.len);
    return LH_OK;
}

static lh_text_searcher *searcher;
static lh_text_segment *segment;

/* Made once: a few hundred documents of few words. */
static void make_index(lh_ctx *cx)
{
    static const char *const words[] = {"red",
                                        "blue",
                                        "lager",
                                        "fork",
                                        "lift",
                                        "a-1",
                                        "b.2",
                                        "\xc3\xa9t\xc3\xa9",
                                        "\xe6\x9d\xb1\xe4\xba\xac",
                                        "night"};
    static memory file;
    lh_text_field_options fields[] = {{.name = LH_S("body"), .flags = LH_TEXT_POSITIONS},
                                      {.name = LH_S("title"), .flags = LH_TEXT_POSITIONS}};
    lh_text_build_options opts = {.fields = fields, .fields_count = 2};
    lh_text_builder *b = NULL;
    uint64_t bytes;
    uint32_t seed = 1;
    lh_assert(lh_text_builder_new(cx, &opts, &b) == LH_OK);
    for (uint32_t d = 0; d < 300; d++) {
        lh_str texts[2] = {LH_S(""), LH_S("")};
        for (uint32_t i = 0; i < 12; i++) {
            seed = seed * 1664525u + 1013904223u;
            texts[i % 4 == 0] = lh_ctx_fmt(cx, "%.*s %s", LH_STR_ARG(texts[i % 4 == 0]),
                                           words[(seed >> 20) % LH_ARRAY_LEN(words)]);
        }
        lh_assert(lh_text_builder_add(cx, b, &(lh_text_doc){.row = d, .fields = texts}) == LH_OK);
    }
    lh_container_sink sink = {write_at, &file};
    lh_assert(lh_text_builder_finish(cx, b, sink, &bytes) == LH_OK);
    lh_text_builder_free(b);
    lh_assert(lh_text_segment_open(cx, (lh_str){file.bytes, file.len}, &segment) == LH_OK);
    lh_text_view view = {.segment = segment};
    lh_assert(lh_text_searcher_new(cx, &view, 1, &searcher) == LH_OK);
}

static void run(lh_ctx *cx, const lh_text_node *node, lh_str text)
{
    lh_text_result fast;
    lh_text_result slow;
    lh_text_highlights h;
    lh_text_highlight_options opts = {.fragment_bytes = 40, .fragments = 2};
    lh_text_request request = {.query = node, .k = 5};
    lh_rc rc = lh_text_search(cx, searcher, &request, &fast);
    request.flags = LH_TEXT_EXHAUSTIVE;
    lh_assert(lh_text_search(cx, searcher, &request, &slow) == rc);
    if (rc == LH_OK) {
        lh_assert(fast.hits_count == slow.hits_count);
        for (uint32_t i = 0; i < fast.hits_count; i++)
            lh_assert(fast.hits[i].doc == slow.hits[i].doc &&
                      fast.hits[i].points == slow.hits[i].points);
    }
    lh_assert(lh_text_highlight(cx, lh_text_segment_analyzer(segment), node, text, &opts, &h) ==
              LH_OK);
    for (uint32_t i = 0; i < h.count; i++)
        LH_IGNORE(lh_text_fragment_text(cx, text, &h.fragments[i], LH_S("["), LH_S("]")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lh_arena *own;
    if (!own) {
        lh_ctx made;
        own = lh_arena_new(0);
        lh_ctx_init(&made, own);
        make_index(&made);
    }
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    uint32_t flags = size > 0 && data[0] & 1 ? LH_TEXT_ALL : 0;
    lh_str text = lh_str_n(data + (size > 0), size - (size > 0));
    lh_text_node *node;
    lh_rc rc = lh_text_query_parse(&cx, text, flags, &node);
    lh_assert(rc == LH_OK || rc == LH_E_BAD_REQUEST || rc == LH_E_TOO_LARGE);
    if (rc == LH_OK) {
        lh_assert(lh_text_node_text(&cx, node).ptr != NULL);
        run(&cx, node, text);
    } else if (rc == LH_E_BAD_REQUEST) {
        lh_assert(cx.err.line > 0 && cx.err.column > 0 && cx.err.hint[0]);
    }
    lh_assert(lh_text_query_plain(&cx, text, flags, &node) == LH_OK);
    run(&cx, node, text);
    lh_arena_free(arena);
    return 0;
}
