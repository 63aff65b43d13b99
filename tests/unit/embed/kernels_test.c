#include "embed/kernels.h"

#include "unit/embed/embed_fixture.h"

#include <math.h>

enum { FLOATS = 1 << 20 };

static float in[FLOATS], weights[FLOATS], bias[4096], extra[FLOATS], want[FLOATS], got[FLOATS],
    scratch[FLOATS];

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

/* Every number of rows up to two tiles and a bit, and every number of panels the column loop
 * distinguishes. */
LH_TEST(linear_agrees_with_scalar_for_every_remainder)
{
    fill(in, 20 * 112, 1);
    fill(weights, 112 * 16 * 9, 2);
    fill(bias, 16 * 9, 3);
    fill(extra, 20 * 16 * 9, 4);
    EMBED_FOR_KERNELS(kernels)
    for (uint32_t panels = 1; panels <= 9; panels++)
        for (size_t rows = 1; rows <= 14; rows++)
            for (int epilogue = LH_EMBED_EPILOGUE_STORE; epilogue <= LH_EMBED_EPILOGUE_RESIDUAL;
                 epilogue++) {
                lh_embed_linear layer = {weights, bias, 112, panels * LH_EMBED_PANEL};
                lh_embed_kernels_scalar.linear(&layer, (lh_embed_epilogue)epilogue, rows, in, extra,
                                               want);
                got[rows * layer.outputs] = 42.0f; /* nothing is written behind the end */
                kernels->linear(&layer, (lh_embed_epilogue)epilogue, rows, in, extra, got);
                ck_close(kernels->name, rows * layer.outputs, 1e-5f);
                ck_assert(got[rows * layer.outputs] == 42.0f);
            }
}

LH_TEST(a_row_does_not_depend_on_the_rows_beside_it)
{
    fill(in, 20 * 64, 5);
    fill(weights, 64 * 96, 6);
    fill(bias, 96, 7);
    lh_embed_linear layer = {weights, bias, 64, 96};
    EMBED_FOR_KERNELS(kernels)
    {
        kernels->linear(&layer, LH_EMBED_EPILOGUE_GELU, 20, in, NULL, want);
        for (size_t row = 0; row < 20; row++) {
            kernels->linear(&layer, LH_EMBED_EPILOGUE_GELU, 1, in + row * 64, NULL, got);
            ck_assert_mem_eq(got, want + row * 96, 96 * sizeof(float));
        }
    }
}

LH_TEST(gelu_is_the_exact_one)
{
    lh_embed_linear layer = {weights, bias, 1, LH_EMBED_PANEL};
    for (size_t i = 0; i < LH_EMBED_PANEL; i++) {
        weights[i] = 1.0f;
        bias[i] = 0.0f;
    }
    EMBED_FOR_KERNELS(kernels)
    for (int step = -4000; step <= 4000; step++) {
        in[0] = (float)step / 200.0f;
        kernels->linear(&layer, LH_EMBED_EPILOGUE_GELU, 1, in, NULL, got);
        double x = (double)in[0];
        double exact = 0.5 * x * erfc(-x / sqrt(2.0));
        ck_assert_msg(fabs((double)got[3] - exact) <= 2.5e-7 * fmax(1.0, fabs(x)), "%s gelu(%g)",
                      kernels->name, x);
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

LH_TEST(attention_agrees_with_scalar_for_every_length)
{
    fill(in, 70 * 3 * 96, 11);
    EMBED_FOR_KERNELS(kernels)
    for (uint32_t width = 16; width <= 96; width += 16) {
        lh_embed_heads heads = {96 / width, width};
        size_t hidden = (size_t)heads.heads * heads.head_width;
        for (size_t tokens = 1; tokens <= 70; tokens += tokens < 20 ? 1 : 7) {
            ck_assert_uint_le(lh_embed_kernels_scratch_floats(&heads, tokens), FLOATS);
            lh_embed_kernels_scalar.attention(&heads, tokens, in, want, scratch);
            kernels->attention(&heads, tokens, in, got, scratch);
            ck_close(kernels->name, tokens * hidden, 1e-5f);
        }
    }
}

LH_TEST(attention_survives_scores_of_any_size)
{
    fill(in, 20 * 3 * 16, 12);
    for (size_t i = 0; i < (size_t)20 * 3 * 16; i++)
        in[i] *= 1000.0f;
    lh_embed_heads heads = {1, 16};
    EMBED_FOR_KERNELS(kernels)
    {
        kernels->attention(&heads, 20, in, got, scratch);
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
    const lh_embed_kernels *narrow = lh_embed_kernels_find(LH_S("avx2"));
    const lh_embed_kernels *wide = lh_embed_kernels_find(LH_S("avx512"));
    if (narrow == NULL || wide == NULL) {
        printf("skipped: this CPU has not both\n");
        return;
    }
    fill(in, 33 * 3 * 96, 14);
    fill(weights, 96 * 288, 15);
    fill(bias, 288, 16);
    lh_embed_linear layer = {weights, bias, 96, 288};
    lh_embed_norm norm = {weights, bias, 1e-12f};
    lh_embed_heads heads = {3, 32};
    narrow->linear(&layer, LH_EMBED_EPILOGUE_GELU, 33, in, NULL, want);
    wide->linear(&layer, LH_EMBED_EPILOGUE_GELU, 33, in, NULL, got);
    ck_assert_mem_eq(want, got, 33 * 288 * sizeof(float));
    narrow->attention(&heads, 33, in, want, scratch);
    wide->attention(&heads, 33, in, got, scratch);
    ck_assert_mem_eq(want, got, 33 * 96 * sizeof(float));
    narrow->layer_norm(&norm, 96, 33, in, want);
    wide->layer_norm(&norm, 96, 33, in, got);
    ck_assert_mem_eq(want, got, 33 * 96 * sizeof(float));
    narrow->pool(96, 33, in, want);
    wide->pool(96, 33, in, got);
    ck_assert_mem_eq(want, got, 96 * sizeof(float));
}

LH_TEST(unknown_instruction_sets_are_not_found)
{
    ck_assert_ptr_null(lh_embed_kernels_find(LH_S("neon9")));
    ck_assert_ptr_null(lh_embed_kernels_find(LH_STR_NONE));
    ck_assert_ptr_eq(lh_embed_kernels_find(LH_S("scalar")), &lh_embed_kernels_scalar);
    ck_assert_ptr_nonnull(lh_embed_kernels_get());
}
