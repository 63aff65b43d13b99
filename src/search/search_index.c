/* search/search_index.c - has an index worker build the segment of a file of vectors, and says what
 * a segment is.
 *
 * The worker gets two or three descriptors and nothing else; its memory and its time are its own.
 * What it wrote is opened here before it is published, as anybody's file would be. */
#include "search/search_private.h"

static lh_index_task task_of(const lh_search *search, const lhi_plan *plan, uint64_t rows)
{
    const lh_search_settings *s = &search->parts.settings;
    const lh_index_request *rq = &plan->request;
    return (lh_index_task){.rows = rows,
                           .dimensions = plan->dimensions,
                           .kind = (uint32_t)(rq->kind != LH_VECTOR_AUTO ? rq->kind : s->kind),
                           .metric = LH_VECTOR_COSINE,
                           .ef_construction =
                               rq->ef_construction ? rq->ef_construction : s->ef_construction,
                           .seed = rq->seed ? rq->seed : s->seed,
                           .keep_from = s->keep_from};
}

/* A phase of the engine is told as one of the job when its total changes. */
static void tell_progress(lh_job *job, const lh_progress_message *p, uint64_t *total)
{
    if (p->total != *total)
        lh_job_phase(job, "indexing", "rows", p->total);
    *total = p->total;
    lh_job_progress(job, p->done);
}

static lh_rc wait_for_worker(lh_ctx *cx, lh_lease *lease, lh_job *job, lh_index_done *ret_done)
{
    uint64_t total = UINT64_MAX;
    for (;;) {
        lh_frame frame;
        LH_TRY(lh_lease_read(cx, lease, &frame));
        if (frame.kind == LH_FRAME_DONE)
            return lh_record_parse(cx, &lh_index_done_record, lh_ctx_dup(cx, frame.payload),
                                   ret_done);
        lh_progress_message progress;
        if (frame.kind != LH_FRAME_PROGRESS)
            return lh_fail(cx, LH_E_INTERNAL, "frame kind %d while a segment is built",
                           (int)frame.kind);
        LH_TRY(lh_record_parse(cx, &lh_progress_record, frame.payload, &progress));
        tell_progress(job, &progress, &total);
    }
}

lh_rc lhi_index_build(lh_ctx *cx, lh_search *search, lh_job *job, const lhi_plan *plan,
                      lh_staged *rows, lh_staged *segment)
{
    LH_CLEANUP(lh_file_close) lh_file *in = NULL;
    LH_CLEANUP(lh_file_close) lh_file *out = NULL;
    LH_CLEANUP(lh_file_close) lh_file *kept = NULL;
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    uint64_t bytes;
    LH_TRY(lh_file_open(cx, lh_staged_path(rows), LH_FILE_READ_WRITE, &in));
    LH_TRY(lh_file_open(cx, lh_staged_path(segment), LH_FILE_READ_WRITE, &out));
    LH_TRY(lh_file_size(cx, in, &bytes));
    lh_index_task task = task_of(search, plan, bytes / (plan->dimensions * sizeof(float)));
    LH_TRY(lh_pool_lease(cx, search->parts.pool, LH_WORKER_INDEX, LH_S("index"), &lease));
    LH_TRY(lhi_kept_open(cx, search, plan, task.rows, &kept));
    int fds[] = {lh_file_fd(in), lh_file_fd(out), kept ? lh_file_fd(kept) : -1};
    lh_index_done done;
    LH_TRY(lh_lease_task_record(cx, lease, &lh_index_task_record, &task, fds,
                                LH_ARRAY_LEN(fds) - (kept ? 0 : 1)));
    LH_TRY(wait_for_worker(cx, lease, job, &done));
    lhi_kept_tell(cx, plan, &done);
    return LH_OK;
}

static lh_rc doubles(lh_ctx *cx, const float *values, size_t count, lh_list *ret)
{
    double *items = LH_NEW_ARRAY(cx, double, count);
    if (!items)
        return cx->err.rc;
    for (size_t i = 0; i < count; i++)
        items[i] = (double)values[i];
    *ret = (lh_list){items, count};
    return LH_OK;
}

static lh_rc points(lh_ctx *cx, const lh_vector_point *from, size_t count, lh_list *ret)
{
    lh_index_point *items = LH_NEW_ARRAY(cx, lh_index_point, count + 1);
    if (!items)
        return cx->err.rc;
    for (size_t i = 0; i < count; i++)
        items[i] =
            (lh_index_point){from[i].setting, (double)from[i].recall, (double)from[i].evaluations};
    *ret = (lh_list){items, count};
    return LH_OK;
}

lh_rc lhi_index_describe(lh_ctx *cx, const lh_vector_index *index, lh_index_meta *meta)
{
    lh_vector_stats s;
    lh_vector_index_stats(index, &s);
    meta->kind = lh_str_from(s.kind);
    lh_index_engine e = {.kind_asked = meta->engine.kind_asked,
                         .segments = 1,
                         .tiers = lh_ctx_dup(cx, lh_str_from(s.tiers)),
                         .preset = lh_str_from(s.preset),
                         .metric = lh_str_from(s.metric),
                         .simd = lh_str_from(s.simd),
                         .degree = s.degree,
                         .lists = s.lists,
                         .ef_construction = meta->engine.ef_construction,
                         .seed = s.seed,
                         .rotated = s.rotated != 0,
                         .bytes_file = s.bytes_file,
                         .bytes_resident = s.bytes_resident,
                         .bytes_mapped = s.bytes_mapped};
    if (!e.tiers.ptr)
        return cx->err.rc;
    if (strcmp(s.kind, "exact") != 0) { /* an exact segment has no codes to measure */
        LH_TRY(doubles(cx, s.probe_b1, LH_ARRAY_LEN(s.probe_b1), &e.probe_b1));
        LH_TRY(doubles(cx, s.probe_i4, LH_ARRAY_LEN(s.probe_i4), &e.probe_i4));
    }
    LH_TRY(points(cx, s.graph_points, s.graph_points_count, &e.graph_points));
    LH_TRY(points(cx, s.flat_points, s.flat_points_count, &e.flat_points));
    meta->engine = e;
    return LH_OK;
}
