/* The embedder asks the model for a text once, whoever asks and whenever. links: embed programs */
#include "search/embedder.h"

#include "base/clock.h"
#include "embed/pack.h"
#include "search/search_lane_private.h"
#include "support/scratch.h"

enum { DIMENSIONS = 48, DEADLINE_US = 60000000 };

typedef struct fixture {
    lh_scratch s;
    lh_pool *pool;
    lh_embedder *embedder;
} fixture;

static void open_embedder(fixture *f, uint64_t cache_bytes)
{
    lh_embedder_options opts = {f->pool, lh_scratch_path(&f->s, "cache"), cache_bytes};
    ck_lh_ok(&f->s, lh_embedder_open(&f->s.cx, &opts, &f->embedder));
}

static void open_all(fixture *f, uint64_t cache_bytes)
{
    *f = (fixture){0};
    lh_scratch_open(&f->s);
    lh_str packed = lh_scratch_path(&f->s, "tiny.packed");
    ck_lh_ok(&f->s,
             lh_embed_pack(&f->s.cx, lh_ctx_fmt(&f->s.cx, "%s/embed/tiny", getenv("LH_TEST_DATA")),
                           packed, 0, NULL));
    lh_pool_options opts = {.model_path = packed};
    for (int kind = 0; kind < LH_WORKER_KIND_COUNT; kind++)
        opts.kinds[kind] = (lh_worker_limits){.workers_max = 1,
                                              .queue_max = 4,
                                              .memory_bytes = UINT64_C(1) << 30,
                                              .idle_us = DEADLINE_US};
    opts.kinds[LH_WORKER_EMBED_BULK].background = true;
    f->s.cx.deadline_us = lh_clock_mono_us() + DEADLINE_US;
    ck_lh_ok(&f->s, lh_pool_open(&f->s.cx, &opts, &f->pool));
    open_embedder(f, cache_bytes);
}

static void close_all(fixture *f)
{
    lh_embedder_close(f->embedder);
    f->pool = lh_pool_close(f->pool);
    lh_scratch_close(&f->s);
}

static size_t embed(fixture *f, const lh_str *texts, size_t count, lh_embed_lane lane, float *out)
{
    lh_embed_request rq = {
        .texts = texts, .count = count, .purpose = LH_EMBED_AS_DOCUMENT, .lane = lane, .out = out};
    ck_lh_ok(&f->s, lh_embedder_embed(&f->s.cx, f->embedder, &rq));
    return rq.from_model;
}

LH_TEST(a_text_is_embedded_once_across_calls_lanes_and_restarts)
{
    fixture f;
    open_all(&f, 1 << 20);
    lh_str texts[] = {LH_S_INIT("the cat"), LH_S_INIT("a mat"), LH_S_INIT("the cat"),
                      LH_S_INIT("")};
    float first[4 * DIMENSIONS];
    float again[4 * DIMENSIONS];
    ck_assert_uint_eq(embed(&f, texts, 4, LH_EMBED_BULK, first), 3);
    ck_assert_mem_eq(first, first + (size_t)2 * DIMENSIONS, DIMENSIONS * sizeof(float));
    ck_assert_uint_eq(embed(&f, texts, 4, LH_EMBED_INTERACTIVE, again), 0);
    ck_assert_mem_eq(first, again, sizeof first);
    lh_embedder_close(f.embedder);
    open_embedder(&f, 1 << 20);
    memset(again, 0, sizeof again);
    ck_assert_uint_eq(embed(&f, texts, 4, LH_EMBED_INTERACTIVE, again), 0);
    ck_assert_mem_eq(first, again, sizeof first);
    close_all(&f);
}

LH_TEST(without_a_cache_it_works_as_well)
{
    fixture f;
    open_all(&f, 0);
    lh_str texts[] = {LH_S_INIT("the cat")};
    float vector[DIMENSIONS];
    float again[DIMENSIONS];
    ck_assert_uint_eq(embed(&f, texts, 1, LH_EMBED_INTERACTIVE, vector), 1);
    ck_assert_uint_eq(embed(&f, texts, 1, LH_EMBED_BULK, again), 1);
    ck_assert_mem_eq(vector, again, sizeof vector);
    close_all(&f);
}

LH_TEST(a_precision_that_is_not_there_is_refused_by_name)
{
    fixture f;
    open_all(&f, 1 << 20);
    lh_embedder_model model;
    ck_lh_fails(lh_embedder_describe(&f.s.cx, f.embedder, LH_S("f16"), &model), LH_E_UNPROCESSABLE);
    ck_assert_str_eq(f.s.cx.err.field, "precision");
    ck_lh_fails(lh_embedder_describe(&f.s.cx, f.embedder, LH_S("a name that is too long"), &model),
                LH_E_UNPROCESSABLE);
    ck_lh_ok(&f.s, lh_embedder_describe(&f.s.cx, f.embedder, LH_S(""), &model));
    ck_assert_uint_eq(model.dimensions, DIMENSIONS);
    /* the default's own name is the default */
    ck_lh_ok(&f.s, lh_embedder_describe(&f.s.cx, f.embedder, lh_str_from(model.precision), &model));
    close_all(&f);
}

/* A lane keeps the order, whole rows or not, and cannot be overfilled. */
LH_TEST(batches_come_back_in_order)
{
    fixture f;
    open_all(&f, 1 << 20);
    lhi_lane *lane = NULL;
    lhi_lane_options opts = {f.embedder, LH_S_INIT(""), DIMENSIONS};
    ck_lh_ok(&f.s, lhi_lane_open(&f.s.cx, &opts, &lane));
    uint64_t sealed = 0;
    uint64_t drained = 0;
    while (drained < 12) {
        lhi_batch *batch = sealed < 12 ? lhi_lane_fill(lane) : NULL;
        if (batch != NULL) {
            lhi_pending item = {lh_ctx_fmt(&f.s.cx, "id %d", (int)sealed), 0,
                                lh_ctx_fmt(&f.s.cx, "cat %d", (int)sealed)};
            ck_lh_ok(&f.s, lhi_batch_add(&f.s.cx, batch, &item));
            batch->rows_end = ++sealed;
            lhi_lane_seal(lane);
            continue;
        }
        ck_lh_ok(&f.s, lhi_lane_drain(&f.s.cx, lane, 1, &batch));
        ck_assert_ptr_nonnull(batch);
        ck_assert_uint_eq(batch->rows_end, ++drained);
        float vector[DIMENSIONS];
        ck_assert_uint_eq(embed(&f, &batch->items[0].text, 1, LH_EMBED_INTERACTIVE, vector), 0);
        ck_assert_mem_eq(vector, batch->vectors, sizeof vector);
        lhi_lane_give_back(lane, batch);
    }
    lhi_batch *none;
    ck_lh_ok(&f.s, lhi_lane_drain(&f.s.cx, lane, 1, &none));
    ck_assert_ptr_null(none);
    lhi_lane_close(lane);
    close_all(&f);
}

LH_TEST(a_lane_that_is_closed_in_the_middle_waits_for_nothing)
{
    fixture f;
    open_all(&f, 0);
    lhi_lane *lane = NULL;
    lhi_lane_options opts = {f.embedder, LH_S_INIT(""), DIMENSIONS};
    ck_lh_ok(&f.s, lhi_lane_open(&f.s.cx, &opts, &lane));
    lhi_batch *batch;
    while ((batch = lhi_lane_fill(lane)) != NULL) {
        for (int i = 0; i < 200; i++) {
            lhi_pending item = {LH_S("id"), 0, lh_ctx_fmt(&f.s.cx, "cat %d", i)};
            ck_lh_ok(&f.s, lhi_batch_add(&f.s.cx, batch, &item));
        }
        lhi_lane_seal(lane);
    }
    lhi_lane_close(lane);
    close_all(&f);
}
