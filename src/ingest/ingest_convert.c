/* ingest/ingest_convert.c - the worker's part: one descriptor in, Parquet files in staging and
 * their description out. */
#include "base/clock.h"
#include "ingest/ingest_private.h"
#include "os/file.h"
#include "os/process.h"

static lh_rc fill_task(lh_ctx *cx, const lhi_ingest_job *ij, const lh_snapshot *base,
                       lh_ingest_task *task)
{
    *task = (lh_ingest_task){.op = LH_INGEST_FILE,
                             .file_name = ij->request.file_name,
                             .options = ij->request.options,
                             .unpacked_bytes_max = ij->ingest->settings.unpacked_bytes_max};
    uint64_t random;
    LH_TRY(lh_random_bytes(cx, &random, sizeof random));
    task->output_prefix = lh_ctx_fmt(cx, "ingest-%016llx", (unsigned long long)random);
    if (!task->output_prefix.ptr)
        return cx->err.rc;
    if (ij->request.mode == LH_INGEST_UPSERT) {
        task->key = ij->request.key;
        if (base)
            LH_TRY(
                lh_snapshot_sql(cx, lh_catalog_store(ij->ingest->catalog), base, &task->base_sql));
    }
    return LH_OK;
}

static lh_rc on_progress(lh_ctx *cx, lh_job *job, lh_str payload, const char **phase)
{
    lh_progress_message p;
    LH_TRY(lh_record_parse(cx, &lh_progress_record, payload, &p));
    /* Phases of the worker are a small fixed set; the job wants static text. */
    static const char *const phases[] = {"unpack", "scan", "write", "merge", "verify", NULL};
    for (size_t i = 0; phases[i]; i++) {
        if (lh_str_eq(p.phase, lh_str_from(phases[i])) && *phase != phases[i]) {
            *phase = phases[i];
            lh_job_phase(job, phases[i], "bytes", p.total);
        }
    }
    lh_job_progress(job, p.done);
    return LH_OK;
}

static lh_rc read_result(lh_ctx *cx, lh_job *job, lh_lease *lease, lh_ingest_done *ret_done)
{
    const char *phase = NULL;
    for (;;) {
        lh_frame frame;
        LH_TRY(lh_lease_read(cx, lease, &frame));
        if (frame.kind == LH_FRAME_PROGRESS)
            LH_TRY(on_progress(cx, job, frame.payload, &phase));
        else if (frame.kind == LH_FRAME_DONE)
            return lh_record_parse(cx, &lh_ingest_done_record, lh_ctx_dup(cx, frame.payload),
                                   ret_done);
        else
            return lh_fail(cx, LH_E_INTERNAL, "frame kind %d in an ingest", (int)frame.kind);
    }
}

lh_rc lhi_ingest_convert(lh_ctx *cx, lh_job *job, lhi_ingest_job *ij, const lh_snapshot *base,
                         lh_ingest_done *ret_done)
{
    lh_ingest_task task;
    LH_TRY(fill_task(cx, ij, base, &task));
    LH_CLEANUP(lh_file_close) lh_file *source = NULL;
    LH_TRY(lh_file_open(cx, lh_staged_path(ij->source), LH_FILE_READ, &source));
    lh_job_phase(job, "waiting", "bytes", ij->source_bytes);
    LH_CLEANUP(lh_lease_release) lh_lease *lease = NULL;
    cx->deadline_us =
        LH_MIN(cx->deadline_us, lh_clock_mono_us() + ij->ingest->settings.task_timeout_us);
    LH_TRY(lh_pool_lease(cx, ij->ingest->pool, LH_WORKER_INGEST, LH_S("ingest"), &lease));
    int fd = lh_file_fd(source);
    LH_TRY(lh_lease_task_record(cx, lease, &lh_ingest_task_record, &task, &fd, 1));
    lh_rc rc = read_result(cx, job, lease, ret_done);
    cx->deadline_us = LH_NO_DEADLINE;
    return rc;
}
