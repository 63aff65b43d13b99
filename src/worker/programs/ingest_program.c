/* ingest_program.c - the ingest program inside lakehouse-worker: opens the engine, runs tasks in
 * the sandbox. The engine's library is warmed by the sql program in the same zygote. */
#include "os/process.h"
#include "worker/programs/ingest_chunks.h"
#include "worker/programs/ingest_file.h"
#include "worker/programs/program.h"

enum { THREADS_DEFAULT = 2, MEMORY_DEFAULT = 320 * 1024 * 1024 };

static lh_rc send_progress(lh_ctx *cx, void *arg, const lh_progress_message *message)
{
    return lh_task_progress(cx, arg, message);
}

/* Before the sandbox: as it opens, the engine reads what the sandbox hides (cgroup limits) and ends
 * the process when it cannot. It has one thread, so Landlock holds for all of it. */
static lh_rc ingest_setup(lh_ctx *cx, const lh_setup_message *setup, void **ret_state)
{
    lh_ingest_env *env = lh_alloc_zero(1, sizeof(*env));
    if (env == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory for the ingest program");
    env->read_root = setup->read_root;
    env->spill_dir = setup->spill_dir;
    env->staging_dir = setup->staging_dir;
    env->threads = setup->threads > 0 ? setup->threads : THREADS_DEFAULT;
    env->memory_bytes = setup->memory_bytes > 0 ? setup->memory_bytes : MEMORY_DEFAULT;
    lh_rc rc = lh_ingest_env_open(cx, env);
    if (rc == LH_OK)
        rc = lh_chunks_register(cx, env);
    if (rc != LH_OK) {
        lh_ingest_env_close(env);
        lh_free(env);
        return rc;
    }
    *ret_state = env;
    return LH_OK;
}

static lh_rc run_file(lh_ctx *cx, lh_ingest_env *env, lh_task *task, const lh_ingest_task *what,
                      lh_ingest_done *done)
{
    if (task->fds_count == 0)
        return lh_fail(cx, LH_E_BAD_REQUEST, "a file task comes with the file's descriptor");
    int fd = task->fds[0];
    task->fds[0] = -1;
    return lh_ingest_file(cx, env, what, fd, done);
}

/* There is no way back, so only where a worker serves one task in its life. */
static void yield_to_others(const lh_ingest_task *what)
{
    if (what->background)
        lh_process_background();
}

static lh_rc run_op(lh_ctx *cx, lh_ingest_env *env, lh_task *task, const lh_ingest_task *what,
                    lh_ingest_done *done)
{
    switch ((lh_ingest_op)what->op) {
    case LH_INGEST_FILE: return run_file(cx, env, task, what, done);
    case LH_INGEST_INSPECT: return lh_ingest_inspect(cx, env, what, done);
    case LH_INGEST_READ_CHUNKS:
        yield_to_others(what);
        done->format = LH_S("parquet");
        return lh_chunks_read(cx, env, task, what->paths.items, what->paths.count, &done->rows);
    case LH_INGEST_WRITE_CHUNKS: {
        lh_written written;
        yield_to_others(what);
        LH_TRY(lh_chunks_write(cx, env, task, what->output_prefix, &written));
        done->format = LH_S("parquet");
        done->rows = written.rows;
        done->parts = (lh_list){written.parts, written.parts_count};
        return LH_OK;
    }
    }
    return lh_fail(cx, LH_E_BAD_REQUEST, "operation %d is not known", what->op);
}

static lh_rc ingest_run(lh_ctx *cx, void *state, lh_task *task)
{
    lh_ingest_env *env = state;
    lh_ingest_task what;
    lh_ingest_done done = {0};
    LH_TRY(lh_task_parse(cx, task, &lh_ingest_task_record, &what));
    env->progress = send_progress;
    env->progress_arg = task;
    lh_rc rc = run_op(cx, env, task, &what, &done);
    env->progress = NULL;
    LH_TRY(rc);
    return lh_task_done(cx, task, &lh_ingest_done_record, &done);
}

const lh_program lh_ingest_program = {
    .kind = LH_WORKER_INGEST,
    .access = LH_PROGRAM_READS_ROOT | LH_PROGRAM_WRITES_SPILL | LH_PROGRAM_WRITES_STAGING,
    .setup = ingest_setup,
    .run = ingest_run,
};
