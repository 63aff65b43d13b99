/* ingest_program_test.c - the ingest program in its sandbox, through the pool. links: worker os
 * base */
#include "base/clock.h"
#include "os/file.h"
#include "os/process.h"
#include "support/unit.h"
#include "worker/pool.h"
#include "worker/programs/ingest_chunks.h"

#include <stdlib.h>

enum { DEADLINE_US = 50000000 };

typedef struct yard {
    lh_arena *arena;
    lh_ctx cx;
    lh_str folder;
    lh_str staging;
    lh_pool *pool;
} yard;

static void yard_open(yard *y)
{
    char path[] = "/tmp/lh-program-XXXXXX";
    *y = (yard){.arena = lh_arena_new(0)};
    lh_ctx_init(&y->cx, y->arena);
    y->cx.deadline_us = lh_clock_mono_us() + DEADLINE_US;
    ck_assert_ptr_nonnull(mkdtemp(path));
    y->folder = lh_ctx_dup(&y->cx, lh_str_from(path));
    y->staging = lh_path_join(&y->cx, y->folder, LH_S("staging"));
    lh_str spill = lh_path_join(&y->cx, y->folder, LH_S("spill"));
    lh_str root = lh_path_join(&y->cx, y->folder, LH_S("root"));
    ck_assert_int_eq(lh_dir_make(&y->cx, y->staging), LH_OK);
    ck_assert_int_eq(lh_dir_make(&y->cx, spill), LH_OK);
    ck_assert_int_eq(lh_dir_make(&y->cx, root), LH_OK);
    lh_pool_options opts = {.read_root = root, .spill_dir = spill, .staging_dir = y->staging};
    for (int kind = 0; kind < LH_WORKER_KIND_COUNT; kind++)
        opts.kinds[kind] = (lh_worker_limits){.workers_max = 1,
                                              .queue_max = 4,
                                              .memory_bytes = UINT64_C(1) << 30,
                                              .idle_us = DEADLINE_US};
    ck_assert_msg(lh_pool_open(&y->cx, &opts, &y->pool) == LH_OK, "%s", y->cx.err.message);
}

static void yard_close(yard *y)
{
    lh_pool_close(y->pool);
    ck_assert_int_eq(lh_dir_remove_all(&y->cx, y->folder), LH_OK);
    lh_arena_free(y->arena);
}

/* Runs a task: sends the source's descriptor and the frames, collects DATA, parses DONE. */
static lh_rc ask(yard *y, lh_str json, const lh_str *source, lh_str frames, lh_buf *ret_data,
                 lh_ingest_done *done)
{
    lh_ctx *cx = &y->cx;
    int fd = -1;
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    LH_TRY(lh_pool_lease(cx, y->pool, LH_WORKER_INGEST, LH_S("ingest"), &lease));
    if (source != NULL)
        LH_TRY(lh_memfd_new(cx, "source", *source, &fd));
    lh_rc rc = lh_lease_task(cx, lease, json, &fd, source != NULL ? 1 : 0);
    lh_fd_close(fd);
    LH_TRY(rc);
    if (frames.len > 0) {
        LH_TRY(lh_lease_write(cx, lease, LH_FRAME_DATA, frames));
        LH_TRY(lh_lease_write(cx, lease, LH_FRAME_DATA, LH_STR_NONE));
    }
    for (;;) {
        lh_frame frame;
        LH_TRY(lh_lease_read(cx, lease, &frame));
        if (frame.kind == LH_FRAME_DATA && ret_data != NULL)
            LH_TRY(lh_buf_append(cx, ret_data, frame.payload));
        if (frame.kind == LH_FRAME_DONE)
            return lh_record_parse(cx, &lh_ingest_done_record, lh_ctx_dup(cx, frame.payload), done);
    }
}

LH_TEST(a_file_becomes_parts_in_staging)
{
    yard y;
    lh_ingest_done done;
    const lh_str source = LH_S("id,name\n1,a\n2,b\n,c\n");
    yard_open(&y);
    ck_assert_msg(ask(&y, LH_S("{\"op\":\"file\",\"file_name\":\"x.csv\",\"output_prefix\":\"p\"}"),
                      &source, LH_STR_NONE, NULL, &done) == LH_OK,
                  "%s", y.cx.err.message);
    ck_assert_uint_eq(done.rows, 3);
    const lh_ingest_part *parts = done.parts.items;
    const lh_ingest_column *columns = done.columns.items;
    ck_assert_uint_eq(done.parts.count, 1);
    ck_assert(lh_str_eq(parts[0].path, LH_S("p-0.parquet")));
    ck_assert(lh_file_exists(lh_path_join(&y.cx, y.staging, parts[0].path)));
    ck_assert_uint_eq(columns[0].values, 2);

    lh_ingest_done seen;
    lh_str inspect = lh_ctx_fmt(&y.cx, "{\"op\":\"inspect\",\"paths\":[\"%.*s/p-0.parquet\"]}",
                                LH_STR_ARG(y.staging));
    ck_assert_msg(ask(&y, inspect, NULL, LH_STR_NONE, NULL, &seen) == LH_OK, "%s",
                  y.cx.err.message);
    ck_assert_uint_eq(seen.rows, 3);
    ck_assert_uint_eq(seen.columns.count, 2);
    yard_close(&y);
}

LH_TEST(an_error_crosses_with_its_place_and_the_worker_lives)
{
    yard y;
    lh_ingest_done done;
    const lh_str broken = LH_S("[{\"a\":1},\n {\"b\":}\n]");
    const lh_str good = LH_S("[{\"a\":1}]");
    const lh_str task = LH_S("{\"op\":\"file\",\"file_name\":\"x.json\",\"output_prefix\":\"p\"}");
    yard_open(&y);
    ck_assert_int_eq(ask(&y, task, &broken, LH_STR_NONE, NULL, &done), LH_E_UNPROCESSABLE);
    ck_assert_int_eq(y.cx.err.line, 2);
    ck_assert_int_eq(y.cx.err.column, 7);
    lh_err_clear(&y.cx);
    ck_assert_msg(ask(&y, task, &good, LH_STR_NONE, NULL, &done) == LH_OK, "%s", y.cx.err.message);
    ck_assert_uint_eq(done.rows, 1);
    yard_close(&y);
}

LH_TEST(chunks_come_back_as_they_were)
{
    enum { ROWS = 3000, DIMENSIONS = 16 };
    yard y;
    lh_ingest_done done;
    lh_buf rows;
    lh_buf back;
    yard_open(&y);
    lh_buf_init(&rows, 8 << 20);
    lh_buf_init(&back, 8 << 20);
    for (uint32_t i = 0; i < ROWS; i++) {
        float vector[DIMENSIONS];
        for (int d = 0; d < DIMENSIONS; d++)
            vector[d] = (float)i / (float)(d + 1);
        const lh_chunk_row row = {.doc_id = lh_ctx_fmt(&y.cx, "CAND-%06u", i),
                                  .chunk_no = i % 3,
                                  .text = lh_ctx_fmt(&y.cx, "text of %u, longer than twelve", i),
                                  .content_hash = UINT64_C(0x9E3779B97F4A7C15) * i,
                                  .vector = lh_str_n(vector, i % 100 == 0 ? 0 : sizeof(vector))};
        ck_assert_int_eq(lh_chunk_row_write(&y.cx, &rows, &row), LH_OK);
    }
    ck_assert_msg(ask(&y, LH_S("{\"op\":\"write_chunks\",\"output_prefix\":\"c\"}"), NULL,
                      lh_buf_str(&rows), NULL, &done) == LH_OK,
                  "%s", y.cx.err.message);
    ck_assert_uint_eq(done.rows, ROWS);
    lh_str read = lh_ctx_fmt(&y.cx, "{\"op\":\"read_chunks\",\"paths\":[\"%.*s/c-0.parquet\"]}",
                             LH_STR_ARG(y.staging));
    ck_assert_msg(ask(&y, read, NULL, LH_STR_NONE, &back, &done) == LH_OK, "%s", y.cx.err.message);
    ck_assert_uint_eq(done.rows, ROWS);
    ck_assert_uint_eq(back.len, rows.len);
    ck_assert_mem_eq(back.ptr, rows.ptr, rows.len);
    lh_buf_done(&rows);
    lh_buf_done(&back);
    yard_close(&y);
}

LH_TEST(a_broken_frame_of_chunks_is_refused)
{
    yard y;
    lh_ingest_done done;
    yard_open(&y);
    lh_rc rc = ask(&y, LH_S("{\"op\":\"write_chunks\",\"output_prefix\":\"c\"}"), NULL,
                   LH_S("\xFF\xFF\xFF\x7Fgarbage"), NULL, &done);
    ck_assert_msg(rc == LH_E_CORRUPT, "%s %s", lh_rc_code(rc), y.cx.err.message);
    ck_assert(!lh_file_exists(lh_path_join(&y.cx, y.staging, LH_S("c-0.parquet"))));
    yard_close(&y);
}

LH_TEST(a_broken_parquet_file_names_no_file_of_the_host)
{
    yard y;
    lh_ingest_done done;
    const lh_str broken = LH_S("PAR1 these bytes are no Parquet file PAR2");
    yard_open(&y);
    ck_assert_int_eq(
        ask(&y, LH_S("{\"op\":\"file\",\"file_name\":\"x.parquet\",\"output_prefix\":\"p\"}"),
            &broken, LH_STR_NONE, NULL, &done),
        LH_E_UNPROCESSABLE);
    ck_assert_ptr_null(strchr(y.cx.err.message, '/'));
    ck_assert_ptr_null(strstr(y.cx.err.message, "source-"));
    ck_assert_ptr_null(strstr(y.cx.err.message, ".parquet"));
    yard_close(&y);
}
