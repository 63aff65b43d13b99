/* cli/embed_parquet.c - sends rows to an ingest worker in frames, then moves what it wrote. */
#include "base/hash.h"
#include "cli/embed_parquet_private.h"
#include "os/file.h"
#include "os/process.h"
#include "worker/pool.h"

#define FRAME_BYTES   (1u << 20)
#define WORKER_MEMORY (UINT64_C(1) << 30)
#define IDLE_US       INT64_C(60000000)
#define PREFIX        "vectors"

struct lhi_parquet {
    lh_str path;
    lh_str scratch; /* folder beside path */
    lh_pool *pool;
    lh_lease *lease;
    lh_buf frame;
};

static lh_rc open_pool(lh_ctx *cx, lhi_parquet *p)
{
    lh_pool_options opts = {.staging_dir = p->scratch, .spill_dir = p->scratch};
    for (int kind = 0; kind < LH_WORKER_KIND_COUNT; kind++)
        opts.kinds[kind] = (lh_worker_limits){
            .workers_max = 1, .queue_max = 1, .memory_bytes = WORKER_MEMORY, .idle_us = IDLE_US};
    LH_TRY(lh_pool_open(cx, &opts, &p->pool));
    return lh_pool_lease(cx, p->pool, LH_WORKER_INGEST, LH_S("ingest"), &p->lease);
}

static lh_rc send_task(lh_ctx *cx, lhi_parquet *p)
{
    lh_ingest_task task = {.op = LH_INGEST_WRITE_CHUNKS, .output_prefix = LH_S(PREFIX)};
    return lh_lease_task_record(cx, p->lease, &lh_ingest_task_record, &task, NULL, 0);
}

lh_rc lhi_parquet_open(lh_ctx *cx, lh_str path, lhi_parquet **ret_parquet)
{
    lh_str folder;
    uint64_t random;
    if (lh_file_exists(path))
        return lh_fail(cx, LH_E_ALREADY_EXISTS, "'%.*s' is there already", LH_STR_ARG(path));
    LH_TRY(lh_path_absolute(cx, lh_path_dir(path), &folder));
    LH_TRY(lh_random_bytes(cx, &random, sizeof random));
    lhi_parquet *p = LH_NEW(cx, lhi_parquet);
    if (!p)
        return cx->err.rc;
    p->path = lh_path_join(cx, folder, lh_path_base(path));
    p->scratch = lh_path_join(
        cx, folder, lh_ctx_fmt(cx, ".lakehouse-embed-%016llx", (unsigned long long)random));
    lh_buf_init(&p->frame, LH_FRAME_BYTES_MAX + FRAME_BYTES);
    lh_rc rc = lh_dir_make_scratch(cx, p->scratch);
    if (rc == LH_OK)
        rc = open_pool(cx, p);
    if (rc == LH_OK)
        rc = send_task(cx, p);
    if (rc != LH_OK) {
        lhi_parquet_close(p);
        return rc;
    }
    *ret_parquet = p;
    return LH_OK;
}

static lh_rc flush(lh_ctx *cx, lhi_parquet *p)
{
    if (p->frame.len > 0)
        LH_TRY(lh_lease_write(cx, p->lease, LH_FRAME_DATA, lh_buf_str(&p->frame)));
    lh_buf_truncate(&p->frame, 0);
    return LH_OK;
}

static lh_rc add_u32(lh_ctx *cx, lh_buf *out, size_t value)
{
    uint32_t number = (uint32_t)value;
    return lh_buf_append(cx, out, lh_str_n(&number, sizeof number));
}

lh_rc lhi_parquet_add(lh_ctx *cx, lhi_parquet *p, const lhi_parquet_row *row)
{
    uint64_t hash = lh_hash64(row->text, 0);
    lh_buf *out = &p->frame;
    lh_str text = lh_str_sub(row->text, 0, lh_utf8_cut(row->text, LH_FRAME_BYTES_MAX / 2));
    if (out->len + text.len > LH_FRAME_BYTES_MAX / 2)
        LH_TRY(flush(cx, p));
    LH_TRY(add_u32(cx, out, row->id.len));
    LH_TRY(lh_buf_append(cx, out, row->id));
    LH_TRY(add_u32(cx, out, 0)); /* chunk_no */
    LH_TRY(add_u32(cx, out, text.len));
    LH_TRY(lh_buf_append(cx, out, text));
    LH_TRY(lh_buf_append(cx, out, lh_str_n(&hash, sizeof hash)));
    LH_TRY(add_u32(cx, out, row->dimensions));
    LH_TRY(lh_buf_append(cx, out, lh_str_n(row->vector, row->dimensions * sizeof(float))));
    return out->len >= FRAME_BYTES ? flush(cx, p) : LH_OK;
}

static lh_rc move_result(lh_ctx *cx, lhi_parquet *p, const lh_ingest_done *done)
{
    const lh_ingest_part *parts = done->parts.items;
    if (done->parts.count != 1)
        return lh_fail(cx, LH_E_INTERNAL, "%zu files of Parquet, not one", done->parts.count);
    lh_str made = lh_path_join(cx, p->scratch, lh_path_base(parts[0].path));
    {
        LH_CLEANUP(lh_file_close) lh_file *file = NULL;
        LH_TRY(lh_file_open(cx, made, LH_FILE_READ_WRITE, &file));
        LH_TRY(lh_file_sync(cx, file));
    }
    return lh_file_move_new(cx, made, p->path);
}

lh_rc lhi_parquet_finish(lh_ctx *cx, lhi_parquet *p)
{
    LH_TRY(flush(cx, p));
    LH_TRY(lh_lease_write(cx, p->lease, LH_FRAME_DATA, LH_STR_NONE));
    lh_ingest_done done;
    LH_TRY(lh_lease_done(cx, p->lease, &lh_ingest_done_record, &done));
    return move_result(cx, p, &done);
}

lhi_parquet *lhi_parquet_close(lhi_parquet *p)
{
    if (!p)
        return NULL;
    lh_lease_release(p->lease);
    lh_pool_close(p->pool);
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    if (arena) {
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        LH_IGNORE(lh_dir_remove_all(&cx, p->scratch));
    }
    lh_buf_done(&p->frame);
    return NULL;
}
