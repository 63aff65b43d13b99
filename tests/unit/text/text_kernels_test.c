/* Every instruction set agrees with the scalar reference bit for bit; the worst there is stays
 * bounded. */
#include "text_world.h"

#include "text/text_plan_private.h"

#include "base/clock.h"

static const lh_simd sets[] = {LH_SIMD_AVX2, LH_SIMD_AVX512};

LH_TEST_LOOP(unpacking_equals_scalar_at_every_width, 26)
{
    uint32_t bits = (uint32_t)_i;
    uint32_t seed = 1;
    for (size_t k = 0; k < LH_ARRAY_LEN(sets); k++) {
        const lhi_text_kernels *kernels = lhi_text_kernels_find(sets[k]);
        if (!kernels) {
            printf("skipped: this CPU has no %s\n", lh_simd_name(sets[k]));
            continue;
        }
        for (uint32_t count = 1; count <= LHI_TEXT_BLOCK; count++) {
            uint32_t gaps[LHI_TEXT_BLOCK];
            uint32_t expected[LHI_TEXT_BLOCK + 16];
            uint32_t found[LHI_TEXT_BLOCK + 16];
            uint8_t packed[LHI_TEXT_BLOCK * 4 + LHI_TEXT_SLACK] = {0};
            for (uint32_t i = 0; i < count; i++) {
                seed = seed * 1664525u + 1013904223u;
                gaps[i] = bits ? (seed >> 5) & ((1u << bits) - 1) : 0;
            }
            lhi_text_pack(gaps, count, bits, packed);
            uint32_t base = count % 2 ? UINT32_MAX : 12345;
            lhi_text_kernels_scalar.unpack(packed, bits, base, count, expected);
            kernels->unpack(packed, bits, base, count, found);
            ck_assert_int_eq(memcmp(expected, found, count * sizeof *found), 0);
            uint32_t sum = base;
            for (uint32_t i = 0; i < count; i++) {
                sum += gaps[i] + 1;
                ck_assert_uint_eq(expected[i], sum);
                if (bits > 0)
                    ck_assert_uint_eq(lhi_text_unpack_one(packed, sizeof packed, i, bits), gaps[i]);
            }
        }
    }
}

LH_TEST(weights_equal_scalar_to_the_unit)
{
    double impacts[255];
    for (size_t i = 0; i < 255; i++)
        impacts[i] = 2.2 * (double)(i + 1) / ((double)i + 2.7);
    for (size_t k = 0; k < LH_ARRAY_LEN(sets); k++) {
        const lhi_text_kernels *kernels = lhi_text_kernels_find(sets[k]);
        for (double weight = 1e-9; kernels && weight < 4e8; weight *= 1.37) {
            for (uint32_t count = 1; count <= 255; count += 23) {
                uint32_t expected[255];
                uint32_t found[255];
                lhi_text_kernels_scalar.weigh(impacts, count, weight, expected);
                kernels->weigh(impacts, count, weight, found);
                ck_assert_int_eq(memcmp(expected, found, count * sizeof *found), 0);
            }
        }
    }
}

LH_TEST(lengths_in_a_byte_are_exact_when_small_and_near_when_large)
{
    for (uint32_t length = 0; length < 3000000; length += length < 5000 ? 1 : 997) {
        uint32_t back = lhi_text_length_of(lhi_text_length_code(length));
        ck_assert_uint_le(back, length);
        ck_assert_uint_ge((uint64_t)back * 9, (uint64_t)length * 8);
        if (length < 40)
            ck_assert_uint_eq(back, length);
    }
}

enum { LONG_WORDS = 1000000 };

static void add_long(world *w, lh_text_builder *b)
{
    char *text = lh_alloc((size_t)LONG_WORDS * 8);
    size_t at = 0;
    ck_assert_ptr_nonnull(text);
    for (uint32_t i = 0; i < LONG_WORDS; i++)
        at += (size_t)snprintf(text + at, 8, "%s%u ", i % 3 ? "all" : "x", i % 3 ? 0u : i % 999);
    lh_str field = {text, at};
    lh_text_doc doc = {.row = 1, .fields = &field};
    ck_assert_int_eq(lh_text_builder_add(&w->own, b, &doc), LH_OK);
    lh_free(text);
}

LH_TEST(the_worst_stays_bounded)
{
    static char words[80000];
    world w;
    lh_text_result r;
    lh_text_node *node = NULL;
    size_t len = 0;
    world_open(&w, 0, 10, 1);
    lh_text_builder *b = world_builder(&w);
    add_long(&w, b);
    for (uint32_t d = 0; d < 5000; d++) { /* a term in every document */
        lh_str text = lh_ctx_fmt(&w.own, "all0 y%u all0 z", d);
        lh_text_doc doc = {.row = 2 + d, .fields = &text};
        ck_lh_ok(&w.s, lh_text_builder_add(&w.own, b, &doc));
    }
    w.bytes[0] = world_finish(&w, b);
    ck_lh_ok(&w.s, lh_text_segment_open(&w.own, w.bytes[0], &w.segments[0]));
    w.segments_count = 1;
    ck_lh_ok(&w.s, lh_text_segment_verify(&w.own, w.segments[0]));
    lh_text_view view = {.segment = w.segments[0]};
    ck_lh_ok(&w.s, lh_text_searcher_new(&w.own, &view, 1, &w.searcher));
    for (uint32_t i = 0; i < 10000; i++)
        len += (size_t)snprintf(words + len, 8, "y%u ", i);
    lh_text_request request = {.k = 10};
    ck_assert_int_eq(lh_text_query_parse(&w.own, (lh_str){words, len}, 0, &node), LH_E_TOO_LARGE);
    ck_lh_ok(&w.s, lh_text_query_plain(&w.own, (lh_str){words, len}, 0, &node));
    request.query = node;
    ck_lh_ok(&w.s, lh_text_search(&w.own, w.searcher, &request, &r));
    ck_assert_uint_eq(r.hits_count, 10);
    static const char *const texts[] = {"all0",   "\"all0 all0\"", "\"all0 all0 x3\"~5", "y*",
                                        "all0 z", "+all0 +z",      "y1~ all~1"};
    for (size_t i = 0; i < LH_ARRAY_LEN(texts); i++) {
        ck_lh_ok(&w.s, lh_text_query_parse(&w.own, lh_str_from(texts[i]), 0, &node));
        request.query = node;
        ck_lh_ok(&w.s, lh_text_search(&w.own, w.searcher, &request, &r));
        ck_assert_uint_gt(r.hits_count, 0);
    }
    w.own.deadline_us = lh_clock_mono_us() - 1;
    ck_assert_int_eq(lh_text_search(&w.own, w.searcher, &request, &r), LH_E_DEADLINE);
    w.own.deadline_us = LH_NO_DEADLINE;
    world_close(&w);
}

/* However far a search has come when its time is over, the next answers as if it had not been. */
LH_TEST(a_search_that_is_ended_on_its_way_leaves_the_searcher_whole)
{
    enum { DOCS = 20000 };
    world w;
    lh_text_result want, got;
    world_open(&w, 0, 10, 1);
    lh_text_builder *b = world_builder(&w);
    for (uint32_t d = 0; d < DOCS; d++) {
        lh_str text = lh_ctx_fmt(&w.own, "all%u y%u z%u x", d % 3, d % 1000, d % 7);
        lh_text_doc doc = {.row = d, .fields = &text};
        ck_lh_ok(&w.s, lh_text_builder_add(&w.own, b, &doc));
    }
    w.bytes[0] = world_finish(&w, b);
    ck_lh_ok(&w.s, lh_text_segment_open(&w.own, w.bytes[0], &w.segments[0]));
    w.segments_count = 1;
    lh_text_view view = {.segment = w.segments[0]};
    ck_lh_ok(&w.s, lh_text_searcher_new(&w.own, &view, 1, &w.searcher));
    static const char *const texts[] = {"all0 y7 z1 x", "+all0 +z1 -y3", "\"x\"", "all1 OR y*"};
    for (size_t i = 0; i < LH_ARRAY_LEN(texts); i++) {
        lh_text_node *node = NULL;
        ck_lh_ok(&w.s, lh_text_query_parse(&w.own, lh_str_from(texts[i]), 0, &node));
        lh_text_request request = {.query = node, .k = 50};
        ck_lh_ok(&w.s, lh_text_search(&w.own, w.searcher, &request, &want));
        uint32_t ended = 0;
        lh_rc rc = LH_E_DEADLINE;
        for (int64_t us = 0; rc != LH_OK; us += 1 + us / 8) {
            w.own.deadline_us = lh_clock_mono_us() + us;
            rc = lh_text_search(&w.own, w.searcher, &request, &got);
            w.own.deadline_us = LH_NO_DEADLINE;
            ck_assert(rc == LH_OK || rc == LH_E_DEADLINE);
            ended += rc != LH_OK;
            ck_lh_ok(&w.s, lh_text_search(&w.own, w.searcher, &request, &got));
            ck_assert_uint_eq(got.hits_count, want.hits_count);
            for (uint32_t h = 0; h < want.hits_count; h++)
                ck_assert(got.hits[h].doc == want.hits[h].doc &&
                          got.hits[h].points == want.hits[h].points);
        }
        ck_assert_uint_gt(ended, 0);
    }
    world_close(&w);
}
