#include "embed/kernels.h"

#include "unit/embed/embed_fixture.h"

#include <math.h>
#include <stdbool.h>

enum { FLOATS = 1 << 20, PEAKS = 8, WIDES = 12 };

static float in[FLOATS], weights[FLOATS], bias[4096], extra[FLOATS], want[FLOATS], got[FLOATS],
    scratch[FLOATS], encoded[FLOATS], packed[FLOATS];

static void fill(float *out, size_t count, uint32_t seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        out[i] = (float)(seed >> 8) / (float)(1 << 23) - 1.0f;
    }
}

static void ck_close(const char *name, size_t count, float bound)
{
    float distance = embed_distance(want, got, count);
    ck_assert_msg(distance <= bound, "%s: off by %g", name, (double)distance);
}

static const lh_embed_precision precisions[] = {LH_EMBED_PRECISION_F32, LH_EMBED_PRECISION_BF16,
                                                LH_EMBED_PRECISION_INT8};
#define FOR_PRECISIONS(p)                                                                          \
    for (size_t p##_ = 0; p##_ < LH_ARRAY_LEN(precisions); p##_++)                                 \
        for (lh_embed_precision p = precisions[p##_], *once_ = &p; once_ != NULL; once_ = NULL)

/* A layer of made-up weights, of any precision. */
static lh_embed_linear make_layer(lh_embed_precision precision, uint32_t inputs, uint32_t outputs)
{
    static float scales[4096], sums[4096], reach[4096];
    static uint32_t leads[PEAKS + WIDES + LH_EMBED_PANEL];
    const size_t count = (size_t)inputs * outputs;
    lh_embed_linear layer = {.panels = precision == LH_EMBED_PRECISION_F32 ? weights : packed,
                             .bias = bias,
                             .inputs = inputs,
                             .outputs = outputs,
                             .stride = outputs,
                             .precision = precision};
    fill(weights, count, 2);
    fill(bias, outputs, 3);
    for (size_t i = 0; i < count && precision == LH_EMBED_PRECISION_BF16; i++)
        ((uint16_t *)packed)[i] = lh_embed_half_of(weights[i]);
    if (precision != LH_EMBED_PRECISION_INT8)
        return layer;
    layer.both = LH_EMBED_WORD;
    layer.peaks = PEAKS;
    layer.wides = WIDES;
    for (uint32_t i = 0; i < PEAKS + WIDES; i++)
        leads[i] = ((i < PEAKS + layer.both ? i % PEAKS : i) * 29 + 3) % inputs;
    for (size_t i = 0; i < inputs; i++)
        reach[i] = 1.0f;
    for (size_t i = 0; i < PEAKS; i++)
        reach[leads[i]] = 1.0f / LH_EMBED_PEAK_REACH;
    layer.leads = leads;
    layer.reach = reach;
    layer.scales = scales;
    layer.sums = sums;
    const size_t lines = lh_embed_panel_lines(&layer);
    for (size_t i = 0; i < lines * outputs * 4; i++)
        ((int8_t *)packed)[i] = (int8_t)lrintf(weights[i % count] * 127.0f);
    for (size_t i = 0; i < outputs; i++) {
        int32_t start = (int32_t)(i * 79 % 64) - 32;
        memcpy((int8_t *)packed + i / LH_EMBED_PANEL * lines * 64 + i % LH_EMBED_PANEL * 4, &start,
               4);
        scales[i] = (1.0f + (float)(i % 7)) / 500.0f;
        sums[i] = scales[i] * (float)((int)(i * 37 % 21) - 10);
    }
    return layer;
}

/* Encodes and multiplies; halves are made floats again. */
static void run_linear(const lh_embed_kernels *kernels, const lh_embed_linear *layer,
                       lh_embed_epilogue epilogue, size_t rows, float *out)
{
    static float row_scales[64];
    static int32_t zeros[64];
    lh_embed_operand operand = {in, row_scales, zeros};
    if (layer->precision != LH_EMBED_PRECISION_F32) {
        operand.values = encoded;
        kernels->encode(layer, rows, in, &operand);
    }
    kernels->linear(layer, epilogue, rows, &operand, extra, out);
    if (kernels->half_bytes != sizeof(float) &&
        (epilogue == LH_EMBED_EPILOGUE_STORE_HALF || epilogue == LH_EMBED_EPILOGUE_GELU_HALF))
        for (size_t i = rows * layer->outputs; i-- > 0;) {
            uint16_t half;
            memcpy(&half, (const uint16_t *)(const void *)out + i, sizeof(half));
            out[i] = lh_embed_half_value(half);
        }
}

/* Every number of rows up to two tiles and a bit, and every number of panels the column loop
 * distinguishes. Halves may round to the neighbour (2^-8); GELU is libm's in scalar. */
LH_TEST(linear_agrees_with_scalar_for_every_remainder)
{
    fill(in, 20 * 112, 1);
    fill(extra, 20 * 16 * 9, 4);
    EMBED_FOR_KERNELS(kernels)
    FOR_PRECISIONS(precision)
    for (uint32_t panels = 1; panels <= 9; panels++)
        for (size_t rows = 1; rows <= 14; rows++)
            for (int epilogue = LH_EMBED_EPILOGUE_STORE; epilogue <= LH_EMBED_EPILOGUE_RESIDUAL;
                 epilogue++) {
                const bool halves = epilogue == LH_EMBED_EPILOGUE_STORE_HALF ||
                                    epilogue == LH_EMBED_EPILOGUE_GELU_HALF;
                lh_embed_linear layer = make_layer(precision, 112, panels * LH_EMBED_PANEL);
                run_linear(&lh_embed_kernels_scalar, &layer, (lh_embed_epilogue)epilogue, rows,
                           want);
                got[rows * layer.outputs] = 42.0f; /* nothing is written behind the end */
                run_linear(kernels, &layer, (lh_embed_epilogue)epilogue, rows, got);
                const bool coarse = epilogue == LH_EMBED_EPILOGUE_GELU &&
                                    precision != LH_EMBED_PRECISION_F32; /* its short forms */
                ck_close(kernels->name, rows * layer.outputs,
                         halves   ? 0.07f
                         : coarse ? 3e-4f
                                  : 2e-5f);
                ck_assert(got[rows * layer.outputs] == 42.0f);
            }
}

LH_TEST(sums_of_half_and_int8_are_the_same_bits_everywhere)
{
    fill(in, 20 * 112, 1);
    EMBED_FOR_KERNELS(kernels)
    for (int i = 1; i < LH_EMBED_PRECISIONS; i++) {
        lh_embed_linear layer = make_layer(precisions[i], 112, 9 * LH_EMBED_PANEL);
        run_linear(&lh_embed_kernels_scalar, &layer, LH_EMBED_EPILOGUE_STORE, 17, want);
        run_linear(kernels, &layer, LH_EMBED_EPILOGUE_STORE, 17, got);
        ck_assert_msg(memcmp(want, got, (size_t)17 * layer.outputs * sizeof(float)) == 0, "%s %s",
                      kernels->name, lh_embed_precision_names[i]);
    }
}

static double steps_of(float input)
{
    return 255.0 * (double)input;
}

/* The largest products there are, of both signs: nothing saturates on the way. Inputs are 255 or 0
 * steps, the peaks 3825; weights 127, those of wides 32 times as much more. */
LH_TEST(int8_is_exact_at_its_extremes)
{
    enum { INPUTS = 4096 };
    for (int sign = -1; sign <= 1; sign += 2) {
        lh_embed_linear layer =
            make_layer(LH_EMBED_PRECISION_INT8, INPUTS, (uint32_t)2 * LH_EMBED_PANEL);
        const size_t lines = lh_embed_panel_lines(&layer);
        int32_t start = -sign * LH_EMBED_PEAK_ZERO * 127 * (int32_t)(PEAKS + 32 * layer.both);
        memset(packed, sign * 127, lines * layer.outputs * 4);
        for (size_t i = 0; i < layer.outputs; i++) {
            memcpy((int8_t *)packed + i / LH_EMBED_PANEL * lines * 64 + i % LH_EMBED_PANEL * 4,
                   &start, 4);
            ((float *)(uintptr_t)layer.sums)[i] = 0;
        }
        for (size_t i = 0; i < INPUTS; i++)
            in[i] = i % 5 == 4 ? 0.0f : 1.0f;
        for (size_t i = 0; i < PEAKS; i++)
            in[layer.leads[i]] = LH_EMBED_PEAK_REACH;
        double steps = 0;
        for (size_t i = 0; i < INPUTS; i++)
            steps += steps_of(in[i]);
        for (size_t i = 0; i < WIDES; i++)
            steps += 32.0 * steps_of(in[layer.leads[PEAKS + i]]);
        EMBED_FOR_KERNELS(kernels)
        {
            run_linear(kernels, &layer, LH_EMBED_EPILOGUE_STORE, 1, got);
            for (size_t i = 0; i < layer.outputs; i++) {
                double exact =
                    sign * 127.0 * steps * (double)layer.scales[i] / 255 + (double)layer.bias[i];
                ck_assert_msg(fabs((double)got[i] - exact) < 1e-6 * fabs(exact), "%s: %g, not %g",
                              kernels->name, (double)got[i], exact);
            }
        }
    }
}

/* What a peak is, below and above its range: the nearest that can be said. */
LH_TEST(a_peak_is_said_in_two_parts)
{
    lh_embed_linear layer = make_layer(LH_EMBED_PRECISION_INT8, 64, LH_EMBED_PANEL);
    const size_t width = lh_embed_operand_width(&layer);
    const size_t front = LH_EMBED_WORD + PEAKS + WIDES;
    ck_assert_uint_eq(width, 64 + front);
    EMBED_FOR_KERNELS(kernels)
    for (int step = -60; step <= 60; step++) {
        float scale = 0;
        int32_t zero = 0;
        lh_embed_operand operand = {encoded, &scale, &zero};
        for (size_t i = 0; i < 64; i++)
            in[i] = i % 2 == 0 ? 0.5f : -0.5f;
        in[layer.leads[1]] = (float)step / 8;
        kernels->encode(&layer, 1, in, &operand);
        const bool wide = strcmp(kernels->name, "avx2") == 0;
        int parts[2];
        const size_t places[2] = {1, front + layer.leads[1]};
        for (int i = 0; i < 2; i++)
            parts[i] = wide ? ((int16_t *)encoded)[places[i]] : ((uint8_t *)encoded)[places[i]];
        float value = scale * (float)((parts[0] - LH_EMBED_PEAK_ZERO) * 32 + parts[1] - zero);
        ck_assert_msg(fabsf(value - (float)step / 8) <= 0.51f * scale, "%s: %g for %g",
                      kernels->name, (double)value, (double)step / 8);
    }
}

LH_TEST(halves_round_to_nearest_even)
{
    static const float cases[] = {0.0f,      -0.0f,      1.0f,    1.00390625f, 1.01171875f,
                                  0x1p-127f, -0x1p-130f, 3.4e38f, 0x1p-126f,   -1.003f};
    lh_embed_linear layer = {.inputs = 16, .precision = LH_EMBED_PRECISION_BF16};
    lh_embed_operand operand = {.values = encoded};
    fill(in, 16 * 64, 20);
    memcpy(in, cases, sizeof(cases));
    in[12] = NAN;
    in[13] = INFINITY;
    ck_assert(lh_embed_half_of(1.00390625f) == 0x3F80 && lh_embed_half_of(1.01171875f) == 0x3F82);
    EMBED_FOR_KERNELS(kernels)
    {
        kernels->encode(&layer, 64, in, &operand);
        for (size_t i = 0; i < (size_t)16 * 64; i++) {
            uint16_t half = kernels->half_bytes == 2 ? ((uint16_t *)encoded)[i]
                                                     : lh_embed_half_of(((float *)encoded)[i]);
            ck_assert_msg(half == lh_embed_half_of(in[i]), "%s %g: %x", kernels->name,
                          (double)in[i], half);
        }
    }
}

LH_TEST(a_row_does_not_depend_on_the_rows_beside_it)
{
    EMBED_FOR_KERNELS(kernels)
    FOR_PRECISIONS(precision)
    {
        lh_embed_linear layer = make_layer(precision, 64, 96);
        fill(in, 20 * 64, 5);
        run_linear(kernels, &layer, LH_EMBED_EPILOGUE_GELU, 20, want);
        for (size_t row = 0; row < 20; row++) {
            run_linear(kernels, &layer, LH_EMBED_EPILOGUE_GELU, 1, got);
            ck_assert_mem_eq(got, want + row * 96, 96 * sizeof(float));
            memmove(in, in + 64, (size_t)(19 - row) * 64 * sizeof(float));
        }
    }
}

LH_TEST(gelu_is_the_exact_one)
{
    lh_embed_linear layer = {.panels = weights,
                             .bias = bias,
                             .inputs = 1,
                             .outputs = LH_EMBED_PANEL,
                             .stride = LH_EMBED_PANEL};
    lh_embed_operand operand = {.values = in};
    for (size_t i = 0; i < LH_EMBED_PANEL; i++) {
        weights[i] = 1.0f;
        bias[i] = 0.0f;
    }
    EMBED_FOR_KERNELS(kernels)
    for (int step = -4000; step <= 4000; step++) {
        in[0] = (float)step / 200.0f;
        kernels->linear(&layer, LH_EMBED_EPILOGUE_GELU, 1, &operand, NULL, got);
        double x = (double)in[0];
        double exact = 0.5 * x * erfc(-x / sqrt(2.0));
        ck_assert_msg(fabs((double)got[3] - exact) <= 2.5e-7 * fmax(1.0, fabs(x)), "%s gelu(%g)",
                      kernels->name, x);
    }
}

LH_TEST(a_word_and_its_position_are_added_to_the_bit)
{
    static uint16_t word[400];
    fill(in, 400, 21);
    fill(weights, 400, 22);
    for (size_t i = 0; i < LH_ARRAY_LEN(word); i++)
        word[i] = lh_embed_half_of(weights[i]);
    EMBED_FOR_KERNELS(kernels)
    for (size_t width = 16; width <= 400; width += 16) {
        got[width] = 42.0f; /* nothing is written behind the end */
        kernels->add_word(width, word, in, got);
        for (size_t i = 0; i < width; i++)
            ck_assert(got[i] == lh_embed_half_value(word[i]) + in[i]);
        ck_assert(got[width] == 42.0f);
    }
}

LH_TEST(layer_norm_agrees_with_scalar)
{
    fill(in, 7 * 400, 8);
    fill(weights, 400, 9);
    fill(bias, 400, 10);
    lh_embed_norm norm = {weights, bias, 1e-12f};
    EMBED_FOR_KERNELS(kernels)
    for (size_t width = 16; width <= 400; width += 16)
        for (size_t rows = 1; rows <= 7; rows += 3) {
            lh_embed_kernels_scalar.layer_norm(&norm, width, rows, in, want);
            kernels->layer_norm(&norm, width, rows, in, got);
            ck_close(kernels->name, rows * width, 2e-5f);
        }
}

/* in as halves of the set's own form; out is f32. */
static void attend_half(const lh_embed_kernels *kernels, const lh_embed_heads *heads,
                        uint32_t tokens, float *out)
{
    lh_embed_linear layer = {.inputs = 3 * heads->heads * heads->head_width,
                             .precision = LH_EMBED_PRECISION_BF16};
    lh_embed_operand operand = {.values = encoded};
    kernels->encode(&layer, tokens, in, &operand);
    kernels->attention(heads, LH_EMBED_ATTEND_HALF, tokens, encoded, out, scratch);
}

LH_TEST(attention_agrees_with_scalar_for_every_length)
{
    fill(in, 70 * 3 * 96, 11);
    EMBED_FOR_KERNELS(kernels)
    for (uint32_t width = 16; width <= 96; width += 16) {
        lh_embed_heads heads = {96 / width, width, 96 / width * width};
        size_t hidden = (size_t)heads.heads * heads.head_width;
        for (uint32_t tokens = 1; tokens <= 70; tokens += tokens < 20 ? 1 : 7) {
            ck_assert_uint_le(lh_embed_kernels_scratch_floats(&heads, tokens), FLOATS);
            lh_embed_kernels_scalar.attention(&heads, 0, tokens, in, want, scratch);
            kernels->attention(&heads, 0, tokens, in, got, scratch);
            ck_close(kernels->name, tokens * hidden, 1e-5f);
            attend_half(&lh_embed_kernels_scalar, &heads, tokens, want);
            attend_half(kernels, &heads, tokens, got);
            ck_close(kernels->name, tokens * hidden, 4e-3f); /* a weight may round the other way */
        }
    }
}

LH_TEST(attention_survives_scores_of_any_size)
{
    fill(in, 20 * 3 * 16, 12);
    for (size_t i = 0; i < (size_t)20 * 3 * 16; i++)
        in[i] *= 1000.0f;
    lh_embed_heads heads = {1, 16, 16};
    EMBED_FOR_KERNELS(kernels)
    {
        kernels->attention(&heads, 0, 20, in, got, scratch);
        for (size_t i = 0; i < (size_t)20 * 16; i++)
            ck_assert(isfinite(got[i]));
    }
}

LH_TEST(pool_gives_length_one)
{
    fill(in, 9 * 64, 13);
    EMBED_FOR_KERNELS(kernels)
    for (size_t rows = 1; rows <= 9; rows++) {
        float squares = 0;
        lh_embed_kernels_scalar.pool(64, rows, in, want);
        kernels->pool(64, rows, in, got);
        ck_close(kernels->name, 64, 1e-6f);
        for (size_t i = 0; i < 64; i++)
            squares += got[i] * got[i];
        ck_assert(fabsf(squares - 1.0f) < 1e-6f);
    }
}

LH_TEST(avx2_and_avx512_give_the_same_bits)
{
    const lh_embed_kernels *narrow = lh_embed_kernels_find(LH_SIMD_AVX2);
    const lh_embed_kernels *wide = lh_embed_kernels_find(LH_SIMD_AVX512);
    if (narrow == NULL || wide == NULL) {
        printf("skipped: this CPU has not both\n");
        return;
    }
    lh_embed_norm norm = {weights, bias, 1e-12f};
    lh_embed_heads heads = {3, 32, 96};
    FOR_PRECISIONS(precision)
    for (int epilogue = LH_EMBED_EPILOGUE_STORE; epilogue <= LH_EMBED_EPILOGUE_RESIDUAL;
         epilogue++) {
        lh_embed_linear layer = make_layer(precision, 96, 288);
        fill(in, 33 * 96, 14);
        fill(extra, 33 * 288, 15);
        run_linear(narrow, &layer, (lh_embed_epilogue)epilogue, 33, want);
        run_linear(wide, &layer, (lh_embed_epilogue)epilogue, 33, got);
        ck_assert_mem_eq(want, got, 33 * 288 * sizeof(float));
    }
    fill(in, 33 * 3 * 96, 14);
    fill(weights, 96 * 288, 15);
    fill(bias, 288, 16);
    narrow->attention(&heads, 0, 33, in, want, scratch);
    wide->attention(&heads, 0, 33, in, got, scratch);
    ck_assert_mem_eq(want, got, 33 * 96 * sizeof(float));
    attend_half(narrow, &heads, 33, want);
    attend_half(wide, &heads, 33, got);
    ck_assert_mem_eq(want, got, 33 * 96 * sizeof(float));
    narrow->layer_norm(&norm, 96, 33, in, want);
    wide->layer_norm(&norm, 96, 33, in, got);
    ck_assert_mem_eq(want, got, 33 * 96 * sizeof(float));
    narrow->pool(96, 33, in, want);
    wide->pool(96, 33, in, got);
    ck_assert_mem_eq(want, got, 96 * sizeof(float));
}

LH_TEST(every_instruction_set_finds_its_own_table)
{
    for (lh_simd set = LH_SIMD_SCALAR; set < LH_SIMD_COUNT; set++) {
        const lh_embed_kernels *kernels = lh_embed_kernels_find(set);
        ck_assert_int_eq(kernels != NULL, lh_simd_runs(set));
        if (kernels)
            ck_assert_str_eq(kernels->name, lh_simd_name(set));
    }
}
