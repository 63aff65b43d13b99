/* Top-k equals scoring every document: every plan, every kernel, one segment and several, filters,
 * ties, exceptions. */
#include "text_world.h"

enum { DOCS = 9000, WORDS = 400 };

static model_query random_query(world *w, model_mode mode, uint32_t count)
{
    model_query q = {.mode = mode, .field = -1, .not_word = UINT32_MAX, .count = 0};
    while (q.count < count) {
        uint32_t word = world_word(w);
        int known = 0;
        for (uint32_t i = 0; i < q.count; i++)
            known |= q.words[i] == word;
        if (!known)
            q.words[q.count++] = word;
    }
    return q;
}

static model_query phrase_from_doc(world *w, uint32_t count)
{
    for (;;) {
        const world_doc *d = &w->docs[world_draw(w, w->docs_count)];
        if (d->lengths[0] < count)
            continue;
        model_query q = {.mode = MODEL_PHRASE, .field = -1, .not_word = UINT32_MAX};
        uint32_t at = world_draw(w, d->lengths[0] - count + 1);
        for (q.count = 0; q.count < count; q.count++)
            q.words[q.count] = d->terms[0][at + q.count];
        return q;
    }
}

static void check_everything(world *w)
{
    static const uint32_t ks[] = {1, 10, 37, 100, 1000};
    uint8_t *allow = LH_NEW_ARRAY(&w->own, uint8_t, w->docs_count);
    for (uint32_t round = 0; round < 40; round++) {
        uint32_t k = ks[round % LH_ARRAY_LEN(ks)];
        uint32_t percent = round % 3 == 0 ? 2 : 50;
        for (uint32_t d = 0; d < w->docs_count; d++)
            allow[d] = world_draw(w, 100) < percent;
        model_query queries[] = {random_query(w, MODEL_ANY, 1 + world_draw(w, 9)),
                                 random_query(w, MODEL_ALL, 2),
                                 random_query(w, MODEL_ALL, 3),
                                 phrase_from_doc(w, 2),
                                 phrase_from_doc(w, 2 + world_draw(w, 4)),
                                 random_query(w, MODEL_LEAST, 5)};
        for (size_t i = 0; i < LH_ARRAY_LEN(queries); i++) {
            model_query q = queries[i];
            q.least = 2;
            q.field = w->fields > 1 ? (int)world_draw(w, 3) - 1 : -1;
            check_query(w, &q, k, 0);
            check_query(w, &q, k, LH_TEXT_EXHAUSTIVE | LH_TEXT_COUNT);
            q.allow = allow;
            check_query(w, &q, k, 0);
            q.allow = NULL;
            q.not_word = world_word(w);
            check_query(w, &q, k, 0);
        }
    }
}

LH_TEST(one_field_finds_what_scoring_everything_finds)
{
    world w;
    world_open(&w, DOCS, WORDS, 1);
    world_build(&w, (const uint32_t[]){DOCS}, 1);
    check_everything(&w);
    world_close(&w);
}

LH_TEST(two_fields_find_what_scoring_everything_finds)
{
    world w;
    world_open(&w, 3000, WORDS, 2);
    world_build(&w, (const uint32_t[]){3000}, 1);
    check_everything(&w);
    world_close(&w);
}

LH_TEST(several_segments_find_what_one_finds)
{
    world w;
    world_open(&w, DOCS, WORDS, 1);
    world_build(&w, (const uint32_t[]){5000, 5001, 8000, DOCS}, 4);
    check_everything(&w);
    world_close(&w);
}
