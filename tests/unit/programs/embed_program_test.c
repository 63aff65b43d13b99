/* embed_program_test.c - the embed program in its sandbox, through the pool. links: worker embed
 * os base programs */
#include "base/clock.h"
#include "embed/embed.h"
#include "unit/embed/embed_fixture.h"
#include "worker/pool.h"

enum { DIMENSIONS = 48, DEADLINE_US = 60000000 };

typedef struct embed_pool {
    lh_scratch s;
    lh_str packed;
    lh_pool *pool;
} embed_pool;

static void pool_open(embed_pool *p, lh_str model_path)
{
    lh_pool_options opts = {.model_path = model_path};
    for (int kind = 0; kind < LH_WORKER_KIND_COUNT; kind++)
        opts.kinds[kind] = (lh_worker_limits){.workers_max = 1,
                                              .queue_max = 4,
                                              .memory_bytes = UINT64_C(1) << 30,
                                              .idle_us = DEADLINE_US};
    p->s.cx.deadline_us = lh_clock_mono_us() + DEADLINE_US;
    ck_lh_ok(&p->s, lh_pool_open(&p->s.cx, &opts, &p->pool));
}

static void open_tiny(embed_pool *p)
{
    *p = (embed_pool){0};
    lh_scratch_open(&p->s);
    p->packed = lh_scratch_path(&p->s, "tiny.packed");
    ck_lh_ok(&p->s,
             lh_embed_pack(&p->s.cx, lh_ctx_fmt(&p->s.cx, "%s/embed/tiny", getenv("LH_TEST_DATA")),
                           p->packed, 0, NULL));
    pool_open(p, p->packed);
}

static void close_all(embed_pool *p)
{
    p->pool = lh_pool_close(p->pool);
    lh_scratch_close(&p->s);
}

static void put_text(embed_pool *p, lh_buf *out, lh_str text)
{
    uint32_t length = (uint32_t)text.len;
    ck_lh_ok(&p->s, lh_buf_append(&p->s.cx, out, lh_str_n(&length, sizeof(length))));
    ck_lh_ok(&p->s, lh_buf_append(&p->s.cx, out, text));
}

/* Sends json and bytes in frames of frame_bytes, collects DATA, parses DONE. */
static lh_rc ask(embed_pool *p, const char *json, lh_str bytes, size_t frame_bytes, lh_buf *ret,
                 lh_embed_done *done)
{
    lh_ctx *cx = &p->s.cx;
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    LH_TRY(lh_pool_lease(cx, p->pool, LH_WORKER_EMBED, LH_S("embed"), &lease));
    LH_TRY(lh_lease_task(cx, lease, lh_str_from(json), NULL, 0));
    while (bytes.len > 0) {
        LH_TRY(lh_lease_write(cx, lease, LH_FRAME_DATA, lh_str_sub(bytes, 0, frame_bytes)));
        bytes = lh_str_from_offset(bytes, frame_bytes);
    }
    LH_TRY(lh_lease_write(cx, lease, LH_FRAME_DATA, LH_STR_NONE));
    for (;;) {
        lh_frame frame;
        LH_TRY(lh_lease_read(cx, lease, &frame));
        if (frame.kind == LH_FRAME_DATA)
            LH_TRY(lh_buf_append(cx, ret, frame.payload));
        if (frame.kind == LH_FRAME_DONE)
            return lh_record_parse(cx, &lh_embed_done_record, lh_ctx_dup(cx, frame.payload), done);
    }
}

LH_TEST(vectors_of_the_worker_are_those_of_the_library)
{
    embed_pool p;
    open_tiny(&p);
    lh_str texts[700];
    lh_buf bytes;
    lh_buf vectors;
    lh_embed_done done;
    lh_buf_init(&bytes, 1 << 20);
    lh_buf_init(&vectors, 1 << 20);
    for (size_t i = 0; i < LH_ARRAY_LEN(texts); i++) {
        texts[i] = lh_ctx_fmt(&p.s.cx, "%.*s cat %zu", (int)(i % 9), "the mats.", i);
        put_text(&p, &bytes, texts[i]);
    }
    ck_lh_ok(&p.s,
             ask(&p, "{\"count\":700,\"query\":true}", lh_buf_str(&bytes), 1000, &vectors, &done));
    ck_assert_uint_eq(done.count, 700);
    ck_assert_uint_eq(vectors.len, sizeof(float) * DIMENSIONS * 700);

    lh_embed_model *model = NULL;
    ck_lh_ok(&p.s, lh_embed_open(&p.s.cx, p.packed, NULL, &model));
    float *own = LH_NEW_ARRAY(&p.s.cx, float, DIMENSIONS * 700);
    lh_embed_batch batch = {.texts = texts, .count = 700, .flags = LH_EMBED_QUERY, .out = own};
    ck_lh_ok(&p.s, lh_embed_texts(&p.s.cx, model, &batch));
    ck_assert_mem_eq(own, vectors.ptr, vectors.len);
    ck_assert_uint_eq(done.tokens, batch.tokens);
    lh_embed_close(model);
    lh_buf_done(&bytes);
    lh_buf_done(&vectors);
    close_all(&p);
}

LH_TEST(texts_that_do_not_add_up_are_refused_and_the_worker_lives)
{
    embed_pool p;
    open_tiny(&p);
    lh_embed_done done;
    LH_CLEANUP(lh_buf_done) lh_buf vectors;
    LH_CLEANUP(lh_buf_done) lh_buf bytes;
    lh_buf_init(&vectors, 1 << 20);
    lh_buf_init(&bytes, 1 << 20);
    put_text(&p, &bytes, LH_S("cat"));
    lh_str one = lh_buf_str(&bytes);
    ck_lh_fails(ask(&p, "{\"count\":2}", one, 100, &vectors, &done), LH_E_BAD_REQUEST);
    ck_lh_fails(ask(&p, "{\"count\":0}", one, 100, &vectors, &done), LH_E_BAD_REQUEST);
    ck_lh_fails(ask(&p, "{\"count\":1}", lh_str_sub(one, 0, 6), 100, &vectors, &done),
                LH_E_BAD_REQUEST);
    ck_lh_fails(ask(&p, "{\"count\":1}", LH_S("\xff\xff\xff\xff"), 100, &vectors, &done),
                LH_E_BAD_REQUEST);
    ck_lh_fails(ask(&p, "{\"count\":1,\"x\":1}", one, 100, &vectors, &done), LH_E_UNKNOWN_FIELD);
    ck_assert_uint_eq(vectors.len, 0);
    ck_lh_ok(&p.s, ask(&p, "{\"count\":0}", LH_STR_NONE, 100, &vectors, &done));
    ck_lh_ok(&p.s, ask(&p, "{\"count\":1}", one, 1, &vectors, &done));
    ck_assert_uint_eq(vectors.len, sizeof(float) * DIMENSIONS);
    lh_pool_stats stats;
    lh_pool_get_stats(p.pool, LH_WORKER_EMBED, &stats);
    ck_assert_uint_eq(stats.started, 1);
    close_all(&p);
}

LH_TEST(without_a_model_the_request_says_so)
{
    embed_pool p = {0};
    lh_embed_done done;
    lh_buf none;
    lh_buf_init(&none, 100);
    lh_scratch_open(&p.s);
    pool_open(&p, LH_STR_NONE);
    ck_lh_fails(ask(&p, "{\"count\":0}", LH_STR_NONE, 1, &none, &done), LH_E_UNAVAILABLE);
    close_all(&p);
}
