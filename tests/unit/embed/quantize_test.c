#include "embed/quantize.h"

#include "unit/embed/embed_fixture.h"

#include <math.h>

enum { INPUTS = 48, OUTPUTS = 16, LARGE_WEIGHTS = 7, LARGE_INPUT = 21, LARGE_BOTH = 33 };

static float products[INPUTS * INPUTS], fourth[INPUTS], mean[INPUTS];

/* Inputs that vary alike and on their own: no weight makes up for another. Two are often large. */
static lh_embed_input_stats make_stats(void)
{
    for (size_t i = 0; i < INPUTS; i++) {
        products[i * INPUTS + i] = 1.0f;
        fourth[i] = i == LARGE_INPUT || i == LARGE_BOTH ? 90.0f : 1.0f;
    }
    return (lh_embed_input_stats){
        .inputs = INPUTS, .rows = 1, .fourth = fourth, .mean = mean, .products = products};
}

static float weight_at(size_t output, size_t input)
{
    const float size = input == LARGE_WEIGHTS || input == LARGE_BOTH ? 25.0f
                       : input == LARGE_INPUT                        ? 0.1f
                                                                     : 1.0f;
    return size * ((float)((output * 31 + input * 17) % 41) / 20.0f - 1.0f);
}

static lh_embed_int8_matrix quantized(lh_scratch *s, uint32_t wides)
{
    lh_embed_int8_matrix m = {.inputs = INPUTS,
                              .outputs = OUTPUTS,
                              .both = wides > 0 ? LH_EMBED_WORD : 0,
                              .peaks = 8,
                              .wides = wides,
                              .weights = LH_NEW_ARRAY(&s->cx, float, INPUTS *OUTPUTS),
                              .bias = LH_NEW_ARRAY(&s->cx, float, OUTPUTS),
                              .stored = LH_NEW_ARRAY(&s->cx, int8_t, INPUTS * OUTPUTS),
                              .upper = LH_NEW_ARRAY(&s->cx, int8_t, 8 * OUTPUTS),
                              .scales = LH_NEW_ARRAY(&s->cx, float, OUTPUTS),
                              .reach = LH_NEW_ARRAY(&s->cx, float, INPUTS),
                              .leads = LH_NEW_ARRAY(&s->cx, uint32_t, 16)};
    const lh_embed_input_stats stats = make_stats();
    for (size_t o = 0; o < OUTPUTS; o++)
        for (size_t k = 0; k < INPUTS; k++)
            m.weights[o * INPUTS + k] = weight_at(o, k);
    ck_lh_ok(s, lh_embed_quantize(&s->cx, &stats, &m));
    return m;
}

static bool is_among(const uint32_t *list, size_t count, uint32_t input)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == input)
            return true;
    return false;
}

LH_TEST(large_weights_do_not_widen_the_steps_of_the_others)
{
    lh_scratch s;
    lh_scratch_open(&s);
    const lh_embed_int8_matrix m = quantized(&s, 8);
    const uint32_t *wides = m.leads + m.peaks;
    ck_assert(is_among(wides, m.wides, LARGE_WEIGHTS) && is_among(wides, m.wides, LARGE_BOTH));
    for (size_t o = 0; o < OUTPUTS; o++) {
        ck_assert(m.scales[o] <= 1.0f / 127.0f);
        for (uint32_t k = 0; k < INPUTS; k++) {
            int32_t level = m.stored[o * INPUTS + k];
            for (size_t i = 0; i < m.wides; i++)
                level += wides[i] == k ? 32 * m.upper[o * m.wides + i] : 0;
            const float off = weight_at(o, k) - m.scales[o] * (float)level;
            ck_assert_msg(fabsf(off) <= 0.501f * m.scales[o], "%zu %u: off by %g", o, k,
                          (double)off);
        }
    }
    const lh_embed_int8_matrix plain = quantized(&s, 0);
    ck_assert(plain.scales[0] > 10 * m.scales[0]); /* which is what wides are for */
    lh_scratch_close(&s);
}

LH_TEST(peaks_are_the_inputs_that_are_often_large_and_only_the_first_are_wide)
{
    lh_scratch s;
    lh_scratch_open(&s);
    const lh_embed_int8_matrix m = quantized(&s, 8);
    const uint32_t *wides = m.leads + m.peaks;
    ck_assert_uint_eq(m.leads[0], LARGE_BOTH);
    ck_assert_uint_eq(m.leads[m.both], LARGE_INPUT);
    for (size_t i = 0; i < m.peaks; i++) {
        ck_assert(m.reach[m.leads[i]] == 1.0f / LH_EMBED_PEAK_REACH);
        if (i < m.both)
            ck_assert_uint_eq(m.leads[i], wides[i]);
        else
            ck_assert(!is_among(wides, m.wides, m.leads[i]));
    }
    lh_scratch_close(&s);
}
