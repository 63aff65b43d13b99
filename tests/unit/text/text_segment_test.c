/* A segment's bytes depend on its documents alone; a changed bit is found out; rows, facets and
 * merges keep what they were given. */
#include "text_world.h"

#include <stdlib.h>

enum { DOCS = 3000 };

static lh_str build_shares(world *w, uint32_t shares, uint64_t memory, const char *scratch)
{
    lh_text_builder *b = NULL;
    w->memory_max = memory;
    w->scratch = scratch;
    for (uint32_t i = 0; i < shares; i++) {
        lh_text_builder *part = world_builder(w);
        world_add(w, part, DOCS * i / shares, DOCS * (i + 1) / shares);
        if (b) {
            ck_lh_ok(&w->s, lh_text_builder_absorb(&w->own, b, part));
            lh_text_builder_free(part);
        } else {
            b = part;
        }
    }
    ck_assert_uint_eq(lh_text_builder_docs(b), DOCS);
    return world_finish(w, b);
}

LH_TEST(bytes_do_not_depend_on_memory_or_shares)
{
    world w;
    world_open(&w, DOCS, 500, 2);
    lh_str one = build_shares(&w, 1, 0, NULL);
    lh_str three = build_shares(&w, 3, 0, NULL);
    lh_str spilled = build_shares(&w, 1, 200 << 10, w.s.dir);
    lh_str both = build_shares(&w, 4, 100 << 10, w.s.dir);
    ck_assert(lh_str_eq(one, three));
    ck_assert(lh_str_eq(one, spilled));
    ck_assert(lh_str_eq(one, both));
    lh_dir_entry *entries;
    size_t count;
    ck_lh_ok(&w.s, lh_dir_list(&w.own, lh_str_from(w.s.dir), &entries, &count));
    ck_assert_uint_eq(count, 1); /* the segment: no scratch file is left */
    world_close(&w);
}

LH_TEST(without_scratch_a_memory_limit_is_an_error)
{
    world w;
    world_open(&w, DOCS, 500, 1);
    w.memory_max = 64 << 10;
    lh_text_builder *b = world_builder(&w);
    lh_rc rc = LH_OK;
    for (uint32_t d = 0; d < DOCS && rc == LH_OK; d++) {
        lh_text_doc doc = {.row = d, .fields = w.docs[d].texts};
        rc = lh_text_builder_add(&w.own, b, &doc);
    }
    ck_assert_int_eq(rc, LH_E_MEMORY_LIMIT);
    lh_text_builder_free(b);
    world_close(&w);
}

LH_TEST(a_merge_is_what_one_build_of_the_rest_would_be)
{
    world w;
    world_open(&w, DOCS, 500, 2);
    world_build(&w, (const uint32_t[]){1000, 1100, DOCS}, 3);
    for (int round = 0; round < 2; round++) {
        lh_text_builder *merged = world_builder(&w);
        lh_text_builder *fresh = world_builder(&w);
        for (uint32_t i = 0; i < 3; i++) {
            uint32_t docs = w.firsts[i + 1] - w.firsts[i];
            uint64_t *live = LH_NEW_ARRAY(&w.own, uint64_t, LH_TEXT_BITMAP_WORDS(docs));
            for (uint32_t d = 0; d < docs; d++) {
                if (round == 1 && world_draw(&w, 3) == 0)
                    continue;
                live[d / 64] |= 1ull << (d % 64);
                world_add(&w, fresh, w.firsts[i] + d, w.firsts[i] + d + 1);
            }
            ck_lh_ok(&w.s, lh_text_builder_add_segment(&w.own, merged, w.segments[i],
                                                       round ? live : NULL));
        }
        lh_str a = world_finish(&w, merged);
        lh_str b = world_finish(&w, fresh);
        ck_assert(lh_str_eq(a, b));
    }
    world_close(&w);
}

LH_TEST(rows_and_facets_come_back)
{
    world w;
    world_open(&w, DOCS, 500, 1);
    world_build(&w, (const uint32_t[]){DOCS}, 1);
    for (uint32_t d = 0; d < DOCS; d++) {
        ck_assert_uint_eq(lh_text_segment_row(w.segments[0], d), w.docs[d].row);
        ck_assert(lh_str_eq(lh_text_segment_facet(w.segments[0], 0, d), w.docs[d].facet));
    }
    uint64_t *bits = LH_NEW_ARRAY(&w.own, uint64_t, LH_TEXT_BITMAP_WORDS(DOCS));
    lh_text_rows rows = {.row_first = 2000, .row_end = 3000};
    lh_text_segment_select(w.segments[0], &rows, bits);
    for (uint32_t d = 0; d < DOCS; d++)
        ck_assert_int_eq((int)(bits[d / 64] >> (d % 64) & 1),
                         w.docs[d].row >= 2000 && w.docs[d].row < 3000);
    world_close(&w);
}

LH_TEST(facets_count_all_matches_over_all_segments)
{
    world w;
    world_open(&w, DOCS, 500, 1);
    world_build(&w, (const uint32_t[]){1234, DOCS}, 2);
    lh_str name = LH_S("colour");
    lh_text_node *all = lh_text_node_new(&w.own, LH_TEXT_NODE_ALL_DOCS, LH_STR_NONE);
    lh_text_request request = {.query = all, .facets = {&name, 1}, .facet_values_max = 5};
    lh_text_result r;
    ck_lh_ok(&w.s, lh_text_search(&w.own, w.searcher, &request, &r));
    ck_assert_uint_eq(r.total, DOCS);
    ck_assert_uint_eq(r.facets[0].values_count, 5);
    uint64_t sum = r.facets[0].missing + r.facets[0].others;
    for (uint32_t v = 0; v < 5; v++) {
        uint64_t expected = 0;
        for (uint32_t d = 0; d < DOCS; d++)
            expected += lh_str_eq(w.docs[d].facet, r.facets[0].values[v].value) ? 1u : 0u;
        ck_assert_uint_eq(r.facets[0].values[v].count, expected);
        ck_assert(v == 0 || r.facets[0].values[v - 1].count >= expected);
        sum += expected;
    }
    ck_assert_uint_eq(sum, DOCS);
    world_close(&w);
}

LH_TEST(deleted_documents_are_not_found_and_still_count_as_statistics)
{
    world w;
    world_open(&w, 500, 100, 1);
    world_build(&w, (const uint32_t[]){500}, 1);
    uint64_t *live = LH_NEW_ARRAY(&w.own, uint64_t, LH_TEXT_BITMAP_WORDS(500));
    for (uint32_t d = 0; d < 500; d += 2)
        live[d / 64] |= 1ull << (d % 64);
    lh_text_view view = {w.segments[0], live};
    lh_text_searcher_free(w.searcher);
    ck_lh_ok(&w.s, lh_text_searcher_new(&w.own, &view, 1, &w.searcher));
    lh_text_node *node = lh_text_node_new(&w.own, LH_TEXT_NODE_WORDS, world_word_text(&w, 1));
    for (uint32_t flags = 0; flags <= LH_TEXT_EXHAUSTIVE; flags += LH_TEXT_EXHAUSTIVE) {
        lh_text_request request = {.query = node, .k = 100, .flags = flags};
        lh_text_result r;
        ck_lh_ok(&w.s, lh_text_search(&w.own, w.searcher, &request, &r));
        ck_assert_uint_gt(r.hits_count, 3);
        for (uint32_t i = 0; i < r.hits_count; i++)
            ck_assert_uint_eq(r.hits[i].doc % 2, 0);
    }
    world_close(&w);
}

/* Runs every kind of query; what it finds does not matter, only that it ends well. */
static void search_all(lh_ctx *cx, const lh_text_segment *segment)
{
    static const char *const texts[] = {"a0w b1w", "+a0w +b1w", "\"a0w b1w\"",
                                        "a*",      "b1w~1",     "\"a0w b1w\"~4 -c2w"};
    lh_text_searcher *searcher = NULL;
    lh_text_view view = {.segment = segment};
    if (lh_text_searcher_new(cx, &view, 1, &searcher) != LH_OK)
        return;
    for (size_t i = 0; i < LH_ARRAY_LEN(texts); i++) {
        lh_text_node *node;
        lh_text_result r;
        ck_assert_int_eq(lh_text_query_parse(cx, lh_str_from(texts[i]), 0, &node), LH_OK);
        lh_text_request request = {.query = node, .k = 10, .flags = i % 2 ? LH_TEXT_COUNT : 0};
        lh_rc rc = lh_text_search(cx, searcher, &request, &r);
        ck_assert(rc == LH_OK || rc == LH_E_CORRUPT || rc == LH_E_TOO_LARGE);
    }
    lh_text_searcher_free(searcher);
}

LH_TEST(ten_thousand_flipped_bits_are_found_out)
{
    world w;
    world_open(&w, 400, 60, 2);
    world_build(&w, (const uint32_t[]){400}, 1);
    lh_str good = w.bytes[0];
    char *bytes = lh_alloc(good.len);
    ck_assert_ptr_nonnull(bytes);
    for (uint32_t i = 0; i < 10000; i++) {
        lh_arena *arena = lh_arena_new(0);
        lh_ctx cx;
        lh_text_segment *segment = NULL;
        size_t bit = (size_t)i * good.len * 8 / 10000 + world_draw(&w, 4);
        lh_ctx_init(&cx, arena);
        memcpy(bytes, good.ptr, good.len);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << (bit % 8)));
        lh_rc rc = lh_text_segment_open(&cx, (lh_str){bytes, good.len}, &segment);
        ck_assert(rc == LH_OK || rc == LH_E_CORRUPT);
        if (rc == LH_OK) {
            if (i % 16 == 0)
                search_all(&cx, segment);
            /* Padding between sections is nobody's. */
            if (lh_text_segment_verify(&cx, segment) == LH_OK)
                ck_assert_int_eq(good.ptr[bit / 8], 0);
        }
        lh_text_segment_close(segment);
        lh_arena_free(arena);
    }
    lh_free(bytes);
    world_close(&w);
}

LH_TEST(an_empty_index_answers_nothing)
{
    world w;
    world_open(&w, 0, 10, 1);
    world_build(&w, (const uint32_t[]){0}, 1);
    lh_text_node *node = lh_text_node_new(&w.own, LH_TEXT_NODE_WORDS, LH_S("a0w b1w"));
    lh_text_request request = {.query = node, .k = 10};
    lh_text_result r;
    ck_lh_ok(&w.s, lh_text_search(&w.own, w.searcher, &request, &r));
    ck_assert_uint_eq(r.hits_count, 0);
    world_close(&w);
}

LH_TEST(memory_that_runs_out_anywhere_leaves_nothing_behind)
{
    world w;
    world_open(&w, 60, 30, 1);
    for (uint64_t n = 0;; n++) {
        lh_arena *arena = lh_arena_new(0);
        lh_ctx cx;
        lh_text_builder *b = NULL;
        lh_ctx_init(&cx, arena);
        lh_str path = lh_scratch_path(&w.s, "torture");
        lh_file *file = NULL;
        uint64_t bytes;
        ck_lh_ok(&w.s, lh_file_remove(&w.own, path));
        ck_lh_ok(&w.s, lh_file_open(&w.own, path, LH_FILE_READ_WRITE, &file));
        lh_alloc_fail_after(n, 0);
        lh_rc rc = lh_text_builder_new(&cx, &(lh_text_build_options){0}, &b);
        for (uint32_t d = 0; d < 60 && rc == LH_OK; d++) {
            lh_text_doc doc = {.row = d, .fields = w.docs[d].texts};
            rc = lh_text_builder_add(&cx, b, &doc);
        }
        if (rc == LH_OK)
            rc = lh_text_builder_finish(&cx, b, lh_file_container_sink(file), &bytes);
        uint64_t failures = lh_alloc_failures();
        lh_alloc_fail_off();
        lh_text_builder_free(b);
        lh_file_close(file);
        lh_arena_free(arena);
        ck_assert(rc == LH_OK || rc == LH_E_NO_MEMORY);
        if (failures == 0)
            break;
    }
    world_close(&w);
}

/* Whatever step of it fails, each run of postings still has one owner: both builders can be freed
 * (a second free would end the program). */
LH_TEST(absorbing_without_memory_leaves_nothing_behind)
{
    world w;
    world_open(&w, 400, 30, 1);
    for (uint64_t n = 0;; n++) {
        lh_arena *arena = lh_arena_new(0);
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        lh_text_builder *parts[6];
        for (uint32_t i = 0; i < LH_ARRAY_LEN(parts); i++) {
            parts[i] = world_builder(&w);
            world_add(&w, parts[i], 60 * i, 60 * (i + 1));
        }
        lh_rc rc = LH_OK;
        lh_alloc_fail_after(n, 0);
        for (uint32_t i = 1; i < LH_ARRAY_LEN(parts) && rc == LH_OK; i++)
            rc = lh_text_builder_absorb(&cx, parts[0], parts[i]);
        uint64_t failures = lh_alloc_failures();
        lh_alloc_fail_off();
        for (uint32_t i = 0; i < LH_ARRAY_LEN(parts); i++)
            lh_text_builder_free(parts[i]);
        lh_arena_free(arena);
        ck_assert(rc == LH_OK || rc == LH_E_NO_MEMORY);
        if (failures == 0)
            break;
    }
    world_close(&w);
}
