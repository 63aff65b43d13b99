#include "embed/forward.h"

#include "unit/embed/embed_fixture.h"

enum { TEXTS = 6 };

static const char *const texts[TEXTS] = {
    "a",          "cats, dogs and 3 birds",
    "",           "the quick brown fox jumps over the lazy dog again",
    "lake house", "x"};

static void fill_chunk(lh_embed_forward *pass, size_t first, size_t count)
{
    lh_embed_chunk *chunk = &pass->chunk;
    chunk->tokens_count = 0;
    chunk->texts_count = 0;
    for (size_t i = 0; i < count; i++) {
        lh_embed_token_list list = {.items = chunk->tokens + chunk->tokens_count,
                                    .capacity = pass->image->info.tokens_max};
        lh_embed_tokenizer_encode(&pass->image->tokenizer, LH_STR_NONE,
                                  lh_str_from(texts[first + i]), 0, &list);
        chunk->texts[i].index = i;
        chunk->texts[i].tokens_count = list.count;
        chunk->tokens_count += list.count;
        chunk->texts_count++;
    }
}

/* The owner's first part runs all of the step, the last one first, as one side and the other. */
static void run_backwards(void *arg, const lh_embed_part *part)
{
    lh_embed_part other = *part;
    for (uint32_t i = part->part == 0 ? part->parts : 0; i-- > 0;) {
        other.part = i;
        other.side = i % 2 == 0 ? LH_EMBED_OWNER : LH_EMBED_HELPER;
        lh_embed_forward_part(arg, &other);
    }
}

static void ck_shared(lh_scratch *s, lh_embed_forward *pass, float *scratch)
{
    const size_t hidden = pass->image->info.hidden;
    float *want = LH_NEW_ARRAY(&s->cx, float, TEXTS *hidden);
    float *got = LH_NEW_ARRAY(&s->cx, float, TEXTS *hidden);
    ck_assert(want != NULL && got != NULL);
    lh_embed_share share;
    lh_embed_share_init(&share, run_backwards, pass);
    for (size_t round = 0; round <= TEXTS; round++) {
        const size_t count = round < TEXTS ? 1 : TEXTS;
        fill_chunk(pass, count == 1 ? round : 0, count);
        pass->share = NULL;
        ck_lh_ok(s, lh_embed_forward_run(&s->cx, pass, want));
        pass->share = &share;
        pass->helper_scratch = scratch;
        ck_lh_ok(s, lh_embed_forward_run(&s->cx, pass, got));
        ck_assert_mem_eq(got, want, count * hidden * sizeof(float));
    }
    lh_embed_share_done(&share);
}

LH_TEST(a_pass_in_parts_gives_the_same_bits_in_any_order)
{
    lh_scratch s;
    lh_scratch_open(&s);
    LH_CLEANUP(lh_map_close) lh_map map = {0};
    ck_lh_ok(&s, lh_map_open(&s.cx, embed_pack_tiny(&s), &map));
    EMBED_FOR_KERNELS(kernels)
    for (size_t i = 0; i < LH_EMBED_PRECISIONS; i++) {
        lh_embed_image image;
        LH_CLEANUP(lh_embed_forward_done) lh_embed_forward pass = {0};
        LH_CLEANUP(lh_embed_forward_done) lh_embed_forward other = {0};
        ck_lh_ok(&s, lh_embed_image_open(&s.cx, map.bytes, lh_str_from(lh_embed_precision_names[i]),
                                         0, &image));
        ck_lh_ok(&s, lh_embed_forward_init(&s.cx, &pass, &image, kernels));
        ck_lh_ok(&s, lh_embed_forward_init(&s.cx, &other, &image, kernels));
        ck_shared(&s, &pass, other.scratch);
    }
    lh_scratch_close(&s);
}
