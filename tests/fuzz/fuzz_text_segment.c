/* fuzz_text_segment.c - opening, searching, verifying and merging hostile segments never reads or
 * writes outside them. A checksum is no defence: when the first byte is not the magic's, the fuzzer
 * repairs magic, size and header checksum, so that the checks of the lists are reached.
 * links: base os text */
#include "base/container_private.h"
#include "text/text_search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair(char *bytes, size_t size)
{
    lhi_container_header *header = (lhi_container_header *)(void *)bytes;
    memcpy(header->magic, LHI_CONTAINER_MAGIC, sizeof(header->magic));
    header->version = LHI_CONTAINER_VERSION;
    header->file_bytes = size;
    if (header->table_offset <= size)
        header->checksum = lhi_container_checksum(
            header, lh_str_n(bytes + header->table_offset, size - header->table_offset));
}

static void search(lh_ctx *cx, lh_text_searcher *searcher, const char *text, uint32_t flags)
{
    lh_text_node *node;
    lh_text_result r;
    lh_text_request request = {.k = 20, .flags = flags};
    lh_assert(lh_text_query_parse(cx, lh_str_from(text), 0, &node) == LH_OK);
    request.query = node;
    lh_rc rc = lh_text_search(cx, searcher, &request, &r);
    for (uint32_t i = 0; rc == LH_OK && i < r.hits_count; i++) {
        lh_text_reason reason;
        int matches;
        LH_IGNORE(lh_text_explain(cx, searcher, node, &r.hits[i], &reason, &matches));
    }
}

static lh_rc drop(lh_ctx *cx, void *arg, uint64_t offset, lh_str bytes)
{
    (void)cx;
    (void)arg;
    (void)offset;
    (void)bytes;
    return LH_OK;
}

static void merge(lh_ctx *cx, const lh_text_segment *segment)
{
    lh_text_builder *b = NULL;
    lh_text_field_options fields[] = {{.name = LH_S("text"), .flags = LH_TEXT_POSITIONS}};
    lh_text_build_options opts = {.fields = fields, .fields_count = 1};
    uint64_t bytes;
    if (lh_text_builder_new(cx, &opts, &b) == LH_OK &&
        lh_text_builder_add_segment(cx, b, segment, NULL) == LH_OK)
        LH_IGNORE(lh_text_builder_finish(cx, b, (lh_container_sink){drop, NULL}, &bytes));
    lh_text_builder_free(b);
}

static void use(lh_ctx *cx, const lh_text_segment *segment)
{
    static const char *const texts[] = {"w0",        "w0 w1 w2 w50", "+w0 +w1",
                                        "\"w0 w1\"", "\"w1 w0\"~3",  "w*",
                                        "w1~1",      "w0 -w2",       "(w0 w1 w2)@2"};
    lh_text_searcher *searcher = NULL;
    lh_text_view view = {.segment = segment};
    lh_text_segment_stats stats;
    lh_text_segment_stats_get(segment, &stats);
    for (uint32_t d = 0; d < LH_MIN(stats.docs, 100u); d++) {
        LH_IGNORE(lh_text_segment_row(segment, d));
        for (uint32_t f = 0; f < stats.facets; f++)
            LH_IGNORE(lh_text_segment_facet(segment, f, d));
    }
    if (lh_text_searcher_new(cx, &view, 1, &searcher) == LH_OK)
        for (size_t i = 0; i < LH_ARRAY_LEN(texts); i++)
            for (uint32_t flags = 0; flags <= LH_TEXT_COUNT; flags++)
                search(cx, searcher, texts[i], flags);
    lh_text_searcher_free(searcher);
    LH_IGNORE(lh_text_segment_verify(cx, segment));
    merge(cx, segment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_text_segment *segment = NULL;
    lh_ctx_init(&cx, arena);
    char *bytes = lh_alloc(size);
    lh_assert(bytes != NULL);
    if (size > 0)
        memcpy(bytes, data, size);
    if (size >= sizeof(lhi_container_header) && bytes[0] != LHI_CONTAINER_MAGIC[0])
        repair(bytes, size);
    if (lh_text_segment_open(&cx, lh_str_n(bytes, size), &segment) == LH_OK)
        use(&cx, segment);
    lh_text_segment_close(segment);
    lh_free(bytes);
    lh_arena_free(arena);
    return 0;
}
