/* index_program.c - the index program inside lakehouse-worker: a file of vectors in, a vector
 * segment out.
 *
 * The files come as descriptors, so the sandbox needs no folder; a third is where finished phases
 * are kept for another try. The rows are mapped, not read:
 * what the build needs beside them is bounded by the engine, and a build that goes wrong costs this
 * process only. */
#include "os/file.h"
#include "vector/vector_index.h"
#include "worker/programs/program.h"

enum { FD_ROWS, FD_SEGMENT, FD_COUNT, FD_KEEP = FD_COUNT, FD_COUNT_MAX, THREADS_DEFAULT = 1 };

typedef struct index_state {
    uint32_t threads;
} index_state;

static lh_rc index_setup(lh_ctx *cx, const lh_setup_message *setup, void **ret_state)
{
    index_state *state = LH_NEW(cx, index_state);
    if (state == NULL)
        return cx->err.rc;
    state->threads = setup->threads > 0 ? setup->threads : THREADS_DEFAULT;
    *ret_state = state;
    return LH_OK;
}

typedef struct reporter {
    lh_ctx *cx;
    lh_task *task;
} reporter;

/* The build itself looks at the cancel flag. */
static void report(void *arg, const char *phase, uint64_t done, uint64_t total)
{
    const reporter *r = arg;
    lh_progress_message message = {.phase = lh_str_from(phase), .done = done, .total = total};
    if (lh_task_progress(r->cx, r->task, &message) != LH_OK)
        lh_err_clear(r->cx);
}

static lh_rc check_rows(lh_ctx *cx, const lh_index_task *what, lh_str rows)
{
    uint64_t wanted;
    if (__builtin_mul_overflow(what->rows, what->dimensions * sizeof(float), &wanted) ||
        rows.len != wanted)
        return lh_fail(cx, LH_E_BAD_REQUEST, "%zu bytes are not %llu vectors of %u dimensions",
                       rows.len, (unsigned long long)what->rows, what->dimensions);
    return LH_OK;
}

static lh_rc open_kept(lh_ctx *cx, lh_task *task, lh_file **ret)
{
    if (task->fds_count != FD_COUNT_MAX)
        return LH_OK;
    LH_TRY(lh_file_open_fd(cx, task->fds[FD_KEEP], ret));
    task->fds[FD_KEEP] = -1;
    return LH_OK;
}

static lh_rc index_run(lh_ctx *cx, void *arg, lh_task *task)
{
    const index_state *state = arg;
    lh_index_task what;
    LH_CLEANUP(lh_map_close) lh_map rows = {{NULL, 0}};
    LH_CLEANUP(lh_file_close) lh_file *segment = NULL;
    LH_CLEANUP(lh_file_close) lh_file *kept = NULL;
    LH_TRY(lh_task_parse(cx, task, &lh_index_task_record, &what));
    if (task->fds_count != FD_COUNT && task->fds_count != FD_COUNT_MAX)
        return lh_fail(cx, LH_E_BAD_REQUEST, "%zu files came with the task, not %d or %d",
                       task->fds_count, (int)FD_COUNT, (int)FD_COUNT_MAX);
    LH_TRY(lh_map_fd(cx, task->fds[FD_ROWS], &rows));
    LH_TRY(check_rows(cx, &what, rows.bytes));
    LH_TRY(lh_file_open_fd(cx, task->fds[FD_SEGMENT], &segment));
    task->fds[FD_SEGMENT] = -1;
    LH_TRY(open_kept(cx, task, &kept));
    lh_vector_keep keep = {.file = kept, .rows_min = what.keep_from};
    static const float none;
    reporter r = {cx, task};
    lh_vector_options options = {.dimensions = what.dimensions,
                                 .metric = (lh_vector_metric)what.metric,
                                 .kind = (lh_vector_kind)what.kind,
                                 .threads = what.threads > 0 ? what.threads : state->threads,
                                 .ef_construction = what.ef_construction,
                                 .seed = what.seed,
                                 .progress = report,
                                 .progress_arg = &r,
                                 .keep = kept ? &keep : NULL};
    lh_vector_source source = {.rows = what.rows, .floats = &none};
    if (what.rows > 0)
        source.floats = (const float *)(const void *)rows.bytes.ptr;
    lh_index_done done = {0};
    LH_TRY(lh_vector_build(cx, &options, &source, lh_file_container_sink(segment), &done.bytes));
    done.kept_used = keep.bytes_used;
    done.kept_trouble = lh_str_from(keep.trouble);
    return lh_task_done(cx, task, &lh_index_done_record, &done);
}

const lh_program lh_index_program = {.kind = LH_WORKER_INDEX,
                                     .access = LH_PROGRAM_WRITES_GIVEN,
                                     .setup = index_setup,
                                     .run = index_run};
