#include "embed/embed.h"

#include "base/hash.h"
#include "os/file.h"
#include "unit/embed/embed_fixture.h"

#include <math.h>
#include <stdbool.h>

#define EXACT_PRECISIONS (1u << LH_EMBED_PRECISION_F32 | 1u << LH_EMBED_PRECISION_BF16)

enum { TINY_DIMENSIONS = 48, MINILM_DIMENSIONS = 384 };

static lh_embed_model *open_precision(lh_scratch *s, lh_str path, const lh_embed_kernels *kernels,
                                      uint32_t threads, const char *precision)
{
    lh_embed_options opts = {
        .threads = threads, .kernels = kernels, .precision = lh_str_from(precision)};
    lh_embed_model *model = NULL;
    ck_lh_ok(s, lh_embed_open(&s->cx, path, &opts, &model));
    return model;
}

static lh_embed_model *open_model(lh_scratch *s, lh_str path, const lh_embed_kernels *kernels,
                                  uint32_t threads)
{
    return open_precision(s, path, kernels, threads, "f32");
}

static float *embed_all(lh_scratch *s, lh_embed_model *model, const lh_str *texts, size_t count,
                        uint32_t flags)
{
    float *out = LH_NEW_ARRAY(&s->cx, float, (count + 1) * lh_embed_info(model)->hidden);
    ck_assert_ptr_nonnull(out);
    lh_embed_batch batch = {.texts = texts, .count = count, .flags = flags, .out = out};
    ck_lh_ok(s, lh_embed_texts(&s->cx, model, &batch));
    return out;
}

static void ck_golden(lh_scratch *s, lh_str packed, const char *name, size_t dimensions,
                      uint32_t flags)
{
    golden g = embed_golden(s, name, dimensions);
    ck_assert_uint_gt(g.count, 5);
    EMBED_FOR_KERNELS(kernels)
    {
        if (kernels == &lh_embed_kernels_scalar && dimensions == MINILM_DIMENSIONS)
            g.count = 3; /* slow */
        lh_embed_model *model = open_model(s, packed, kernels, 1);
        const float *out = embed_all(s, model, g.texts, g.count, flags);
        float distance = embed_distance(g.vectors, out, g.count * dimensions);
        ck_assert_msg(distance < 2e-6f, "%s %s: off by %g", name, kernels->name, (double)distance);
        ck_assert(lh_str_starts(lh_embed_kernel(model), lh_str_from(kernels->name)));
        lh_embed_close(model);
        g = embed_golden(s, name, dimensions);
    }
}

LH_TEST(another_shape_agrees_with_the_reference)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str packed = embed_pack_tiny(&s);
    ck_golden(&s, packed, "tiny_text", TINY_DIMENSIONS, 0);
    ck_golden(&s, packed, "tiny_query", TINY_DIMENSIONS, LH_EMBED_QUERY);
    lh_scratch_close(&s);
}

/* Changes only with LH_EMBED_KERNELS_REVISION: older indexes would silently differ. */
LH_TEST(vector_kernels_give_the_bits_of_their_revision)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str packed = embed_pack_tiny(&s);
    golden g = embed_golden(&s, "tiny_text", TINY_DIMENSIONS);
    EMBED_FOR_KERNELS(kernels)
    {
        if (kernels == &lh_embed_kernels_scalar)
            continue; /* libm's own bits */
        lh_embed_model *model = open_model(&s, packed, kernels, 1);
        const float *out = embed_all(&s, model, g.texts, g.count, 0);
        uint64_t bits = lh_hash64(lh_str_n(out, g.count * TINY_DIMENSIONS * sizeof(float)), 0);
        ck_assert_int_eq(LH_EMBED_KERNELS_REVISION, 4);
        ck_assert_msg(bits == UINT64_C(0x1db5ea759fcd9dcc), "%s: 0x%llx", kernels->name,
                      (unsigned long long)bits);
        lh_embed_close(model);
    }
    lh_scratch_close(&s);
}

LH_TEST(minilm_agrees_with_the_reference)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str folder = embed_minilm(&s);
    if (folder.len > 0) {
        lh_str packed = lh_scratch_path(&s, "minilm");
        ck_lh_ok(&s, lh_embed_pack(&s.cx, folder, packed, EXACT_PRECISIONS, NULL));
        ck_golden(&s, packed, "minilm", MINILM_DIMENSIONS, 0);
    }
    lh_scratch_close(&s);
}

static double cosine_of(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Each vector against the reference; the vector sets must also agree bit for bit. floors: of a
 * cosine, by precision. */
static void ck_precisions(lh_scratch *s, lh_str packed, const char *name, size_t dimensions,
                          const double *floors)
{
    golden g = embed_golden(s, name, dimensions);
    for (int i = 0; i < LH_EMBED_PRECISIONS && floors[i] > 0; i++) {
        const float *first = NULL;
        EMBED_FOR_KERNELS(kernels)
        {
            const bool scalar = kernels == &lh_embed_kernels_scalar;
            const size_t count = scalar && dimensions == MINILM_DIMENSIONS ? 3 : g.count;
            lh_embed_model *model =
                open_precision(s, packed, kernels, 1, lh_embed_precision_names[i]);
            const float *out = embed_all(s, model, g.texts, count, 0);
            for (size_t t = 0; t < count; t++) {
                double cosine =
                    cosine_of(out + t * dimensions, g.vectors + t * dimensions, dimensions);
                ck_assert_msg(cosine >= floors[i], "%s %s text %zu: %.7f", kernels->name,
                              lh_embed_precision_names[i], t, cosine);
            }
            if (!scalar && first != NULL)
                ck_assert_mem_eq(out, first, count * dimensions * sizeof(float));
            first = scalar ? NULL : out;
            lh_embed_close(model);
        }
    }
}

/* The tiny model's weights are random: nothing in it is smooth. */
LH_TEST(every_precision_is_close_to_the_reference_on_every_set)
{
    static const double tiny[] = {0.999999, 0.9999, 0.99};
    static const double minilm[] = {0.999999, 0.9999,
                                    0}; /* int8 is the bench's: packing it is slow here */
    lh_scratch s;
    lh_scratch_open(&s);
    ck_precisions(&s, embed_pack_tiny(&s), "tiny_text", TINY_DIMENSIONS, tiny);
    lh_str folder = embed_minilm(&s);
    if (folder.len > 0) {
        lh_str packed = lh_scratch_path(&s, "minilm");
        ck_lh_ok(&s, lh_embed_pack(&s.cx, folder, packed, EXACT_PRECISIONS, NULL));
        ck_precisions(&s, packed, "minilm", MINILM_DIMENSIONS, minilm);
    }
    lh_scratch_close(&s);
}

/* Texts of every length, so that chunks are cut in every way. */
static lh_str *many_texts(lh_scratch *s, size_t count)
{
    lh_str *texts = LH_NEW_ARRAY(&s->cx, lh_str, count);
    ck_assert_ptr_nonnull(texts);
    for (size_t i = 0; i < count; i++) {
        char *text = LH_NEW_ARRAY(&s->cx, char, i % 41 + 1);
        ck_assert_ptr_nonnull(text);
        for (size_t k = 0; k < i % 41; k++)
            text[k] = k % 3 == 2 ? ' ' : (char)('a' + (i * 7 + k * 5) % 26);
        texts[i] = lh_str_n(text, i % 41);
    }
    return texts;
}

LH_TEST(a_vector_does_not_depend_on_batch_or_threads)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str packed = embed_pack_tiny(&s);
    const size_t count = 130;
    lh_str *texts = many_texts(&s, count);
    EMBED_FOR_KERNELS(kernels)
    {
        lh_embed_model *model = open_model(&s, packed, kernels, 1);
        const float *all = embed_all(&s, model, texts, count, 0);
        for (size_t i = 0; i < count; i += 7) {
            const float *one = embed_all(&s, model, texts + i, 1, 0);
            ck_assert_mem_eq(one, all + i * TINY_DIMENSIONS, TINY_DIMENSIONS * sizeof(float));
        }
        lh_embed_close(model);
        for (uint32_t way = 0; way < 4; way++) {
            lh_embed_options opts = {.threads = 2 + way / 2,
                                     .kernels = kernels,
                                     .precision = LH_S("f32"),
                                     .flags = way % 2 == 0 ? LH_EMBED_SOON : 0};
            ck_lh_ok(&s, lh_embed_open(&s.cx, packed, &opts, &model));
            const float *shared = embed_all(&s, model, texts, count, 0);
            ck_assert_mem_eq(shared, all, count * TINY_DIMENSIONS * sizeof(float));
            for (size_t i = 0; i + 1 < count; i += 3) {
                shared = embed_all(&s, model, texts + i, i % 2 + 1, 0);
                ck_assert_mem_eq(shared, all + i * TINY_DIMENSIONS,
                                 (i % 2 + 1) * TINY_DIMENSIONS * sizeof(float));
            }
            lh_embed_close(model);
        }
    }
    lh_scratch_close(&s);
}

LH_TEST(weights_in_memory_and_those_of_a_file_give_the_same)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str packed = embed_pack_tiny(&s);
    lh_str *texts = many_texts(&s, 20);
    LH_CLEANUP(lh_map_close) lh_map map = {0};
    ck_lh_ok(&s, lh_map_open(&s.cx, packed, &map));
    for (size_t i = 0; i < LH_EMBED_PRECISIONS; i++) {
        const char *precision = lh_embed_precision_names[i];
        lh_embed_options opts = {.precision = lh_str_from(precision)};
        lh_embed_model *file = open_precision(&s, packed, NULL, 1, precision);
        lh_embed_model *memory = NULL;
        ck_lh_ok(&s, lh_embed_open_bytes(&s.cx, map.bytes, &opts, &memory));
        ck_assert_mem_eq(embed_all(&s, memory, texts, 20, 0), embed_all(&s, file, texts, 20, 0),
                         20 * TINY_DIMENSIONS * sizeof(float));
        lh_embed_close(memory);
        lh_embed_close(file);
    }
    lh_scratch_close(&s);
}

LH_TEST(counts_tokens_and_cut_texts)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_embed_model *model = open_model(&s, embed_pack_tiny(&s), NULL, 1);
    static char long_text[100000];
    memset(long_text, '.', sizeof(long_text));
    lh_str texts[] = {LH_S("cat"), lh_str_n(long_text, sizeof(long_text)), LH_STR_NONE};
    float out[3 * TINY_DIMENSIONS];
    lh_embed_batch batch = {.texts = texts, .count = 3, .out = out};
    ck_lh_ok(&s, lh_embed_texts(&s.cx, model, &batch));
    ck_assert_uint_eq(batch.truncated, 1);
    ck_assert_uint_eq(batch.tokens, 5 + 24 + 4); /* "passage" and ":" are part of each */
    batch = (lh_embed_batch){.out = out};
    ck_lh_ok(&s, lh_embed_texts(&s.cx, model, &batch));
    ck_assert_uint_eq(batch.tokens, 0);
    lh_embed_close(model);
    lh_scratch_close(&s);
}

static lh_rc cancel_soon(lh_ctx *cx, void *arg, size_t done)
{
    (void)cx;
    ck_assert_uint_gt(done, 0);
    lh_cancel_request(arg);
    return LH_OK;
}

static lh_rc refuse(lh_ctx *cx, void *arg, size_t done)
{
    (void)arg;
    return lh_fail(cx, LH_E_IO, "enough at %zu", done);
}

LH_TEST(cancel_and_errors_end_a_batch_between_chunks)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str *texts = many_texts(&s, 2000);
    float *out = LH_NEW_ARRAY(&s.cx, float, 2000 * TINY_DIMENSIONS);
    ck_assert_ptr_nonnull(out);
    for (uint32_t threads = 1; threads <= 2; threads++) {
        lh_embed_model *model = open_model(&s, embed_pack_tiny(&s), NULL, threads);
        lh_cancel cancel = {0};
        lh_embed_batch batch = {
            .texts = texts, .count = 2000, .out = out, .on_progress = cancel_soon, .arg = &cancel};
        s.cx.cancel = &cancel;
        ck_lh_fails(lh_embed_texts(&s.cx, model, &batch), LH_E_CANCELLED);
        s.cx.cancel = NULL;
        batch.on_progress = refuse;
        ck_lh_fails(lh_embed_texts(&s.cx, model, &batch), LH_E_IO);
        s.cx.deadline_us = 1;
        ck_lh_fails(lh_embed_texts(&s.cx, model, &batch), LH_E_DEADLINE);
        s.cx.deadline_us = LH_NO_DEADLINE;
        batch.on_progress = NULL;
        ck_lh_ok(&s, lh_embed_texts(&s.cx, model, &batch)); /* the model is as good as before */
        lh_embed_close(model);
    }
    lh_scratch_close(&s);
}

/* Fails the n-th allocation of an open, for every n. */
LH_TEST(no_memory_leaves_nothing_behind)
{
    lh_scratch s;
    lh_scratch_open(&s);
    lh_str packed = embed_pack_tiny(&s);
    lh_embed_options opts = {.threads = 2};
    for (uint64_t n = 0;; n++) {
        lh_embed_model *model = NULL;
        lh_alloc_fail_after(n, 0);
        lh_rc rc = lh_embed_open(&s.cx, packed, &opts, &model);
        uint64_t failures = lh_alloc_failures();
        lh_alloc_fail_off();
        ck_assert(rc == LH_OK || rc == LH_E_NO_MEMORY);
        ck_assert((rc == LH_OK) == (model != NULL));
        lh_embed_close(model);
        if (failures == 0)
            break;
        ck_assert_uint_lt(n, 1000);
    }
    lh_scratch_close(&s);
}
