/* search/search_part.c - chunk rows to Parquet parts of the vector store; each part is a
 * checkpoint.
 *
 * A part ends between two rows of the source, so that a build that was cut off goes on at a
 * row. The plan that names the part is put after it: a crash between leaves an object nobody
 * names. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "search/search_private.h"

#define FRAME_BYTES           (1u << 20)
#define CHECKPOINT_US_DEFAULT (15 * 1000000)

lh_rc lhi_parts_init(lh_ctx *cx, lhi_parts *p, lh_search *search, lhi_plan *plan)
{
    *p = (lhi_parts){.search = search,
                     .plan = plan,
                     .items_capacity = plan->parts.count + 16,
                     .items_count = plan->parts.count,
                     .began_us = lh_clock_mono_us(),
                     .part_began_us = lh_clock_mono_us(),
                     .checkpoint_us = search->parts.checkpoint_us > 0 ? search->parts.checkpoint_us
                                                                      : CHECKPOINT_US_DEFAULT};
    lh_buf_init(&p->rows, LHI_PART_BYTES_MAX);
    p->items = LH_NEW_ARRAY(cx, lh_index_part, p->items_capacity);
    if (!p->items)
        return cx->err.rc;
    if (plan->parts.count > 0)
        memcpy(p->items, plan->parts.items, plan->parts.count * sizeof *p->items);
    return LH_OK;
}

void lhi_parts_done(lhi_parts *p)
{
    lh_buf_done(&p->rows);
}

lh_rc lhi_parts_save_plan(lh_ctx *cx, lhi_parts *p)
{
    lhi_plan plan = *p->plan;
    plan.spent_ms += (lh_clock_mono_us() - p->began_us) / 1000;
    return lhi_put_record(cx, lh_catalog_store(p->search->parts.catalog),
                          lhi_plan_key(cx, &lhi_vector_kind, plan.request.index_name),
                          &lhi_plan_record, &plan);
}

/* Chunk rows as worker/messages.h draws them. */
static lh_rc add_row(lh_ctx *cx, lh_buf *rows, const lhi_pending *p, const float *vector,
                     uint32_t dimensions)
{
    uint32_t id_bytes = (uint32_t)p->id.len;
    uint32_t text_bytes = (uint32_t)p->text.len;
    uint64_t hash = lh_hash64(p->text, 0);
    LH_TRY(lh_buf_append(cx, rows, lh_str_n(&id_bytes, sizeof id_bytes)));
    LH_TRY(lh_buf_append(cx, rows, p->id));
    LH_TRY(lh_buf_append(cx, rows, lh_str_n(&p->chunk_no, sizeof p->chunk_no)));
    LH_TRY(lh_buf_append(cx, rows, lh_str_n(&text_bytes, sizeof text_bytes)));
    LH_TRY(lh_buf_append(cx, rows, p->text));
    LH_TRY(lh_buf_append(cx, rows, lh_str_n(&hash, sizeof hash)));
    LH_TRY(lh_buf_append(cx, rows, lh_str_n(&dimensions, sizeof dimensions)));
    return lh_buf_append(cx, rows, lh_str_n(vector, dimensions * sizeof(float)));
}

lh_rc lhi_parts_add(lh_ctx *cx, lhi_parts *p, const lhi_batch *batch)
{
    uint32_t dimensions = p->plan->dimensions;
    for (size_t i = 0; i < batch->count; i++) {
        LH_TRY(
            add_row(cx, &p->rows, &batch->items[i], batch->vectors + i * dimensions, dimensions));
        size_t last = p->cuts_count > 0 ? p->cuts[p->cuts_count - 1] : 0;
        if (p->rows.len - last >= FRAME_BYTES)
            p->cuts[p->cuts_count++] = p->rows.len;
    }
    p->chunks += batch->count;
    p->rows_end = batch->rows_end;
    int64_t spent_us = lh_clock_mono_us() - p->part_began_us;
    if (batch->whole && (p->chunks >= LHI_PART_CHUNKS || p->rows.len > LHI_PART_BYTES_MAX / 2 ||
                         spent_us >= p->checkpoint_us))
        return lhi_parts_end(cx, p);
    return LH_OK;
}

/* Frames end with whole rows (worker/messages.h): at the cuts that were noted while the part
 * grew. */
static lh_rc send_rows(lh_ctx *cx, lhi_parts *p, lh_lease *lease)
{
    lh_str rows = lh_buf_str(&p->rows);
    size_t begin = 0;
    for (size_t i = 0; i <= p->cuts_count; i++) {
        size_t end = i < p->cuts_count ? p->cuts[i] : rows.len;
        if (end > begin)
            LH_TRY(lh_lease_write(cx, lease, LH_FRAME_DATA, lh_str_sub(rows, begin, end - begin)));
        begin = end;
    }
    return lh_lease_write(cx, lease, LH_FRAME_DATA, LH_STR_NONE);
}

static lh_rc write_part(lh_ctx *cx, lhi_parts *p, lh_ingest_done *ret_done)
{
    lh_ingest_task task = {
        .op = LH_INGEST_WRITE_CHUNKS,
        .background = p->search->parts.background,
        .output_prefix =
            lh_ctx_fmt(cx, "part-%.*s-%zu", LH_STR_ARG(p->plan->generation), p->items_count)};
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    LH_TRY(lh_pool_lease(cx, p->search->parts.pool, LH_WORKER_INGEST, LH_S("ingest"), &lease));
    LH_TRY(lh_lease_task_record(cx, lease, &lh_ingest_task_record, &task, NULL, 0));
    LH_TRY(send_rows(cx, p, lease));
    return lh_lease_done(cx, lease, &lh_ingest_done_record, ret_done);
}

lh_rc lhi_parts_end(lh_ctx *cx, lhi_parts *p)
{
    if (p->chunks == 0)
        return LH_OK;
    lh_store *store = lh_catalog_store(p->search->parts.catalog);
    lh_ingest_done done;
    LH_TRY(write_part(cx, p, &done));
    const lh_ingest_part *made = done.parts.items;
    if (done.parts.count != 1 || made[0].rows != p->chunks)
        return lh_fail(cx, LH_E_INTERNAL, "a part of %llu chunks came back as %zu files",
                       (unsigned long long)p->chunks, done.parts.count);
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    LH_TRY(lh_store_adopt(cx, store, lh_path_base(made[0].path), &staged));
    lh_object_sum sum;
    /* A crash between publish and plan leaves the part's key taken: the time makes the next try
     * another key. */
    lh_str key = lh_ctx_fmt(
        cx, "vectors/%.*s/%.*s/part-%06zu-%llx.parquet", LH_STR_ARG(p->plan->request.index_name),
        LH_STR_ARG(p->plan->generation), p->items_count, (unsigned long long)lh_clock_real_us());
    LH_FAULT(cx, INDEX_BEFORE_PART);
    LH_TRY(lh_staged_publish(cx, staged, key, &sum));
    LH_FAULT(cx, INDEX_AFTER_PART);
    LH_TRY(
        lh_ctx_grow(cx, (void **)&p->items, p->items_count, &p->items_capacity, sizeof *p->items));
    p->items[p->items_count++] =
        (lh_index_part){key, p->chunks, sum.bytes, lh_ctx_dup(cx, lh_str_from(sum.sha256))};
    p->plan->parts = (lh_list){p->items, p->items_count};
    p->plan->rows_done = p->rows_end;
    p->plan->chunks_done += p->chunks;
    lh_buf_truncate(&p->rows, 0);
    p->cuts_count = 0;
    p->chunks = 0;
    p->part_began_us = lh_clock_mono_us();
    return lhi_parts_save_plan(cx, p);
}
