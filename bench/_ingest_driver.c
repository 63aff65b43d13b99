/* _ingest_driver.c - the ingest program's core without server, frames and sandbox: one file in, one
 * JSON line out. links: programs
 *
 *     _ingest_driver FILE OUT_PREFIX SPILL_DIR [threads [memory_mib [key [base_sql]]]]
 *
 * For bench/ingest_csv and for looking into a file's fate by hand. Paths are absolute. */
#include "worker/programs/ingest_file.h"

#include "base/clock.h"
#include "base/num.h"
#include "os/file.h"
#include "os/process.h"

#include <stdio.h>
#include <string.h>

static lh_rc run(lh_ctx *cx, int argc, char **argv, lh_ingest_done *ret_done)
{
    lh_ingest_task task;
    uint64_t threads = 2;
    uint64_t memory_mib = 320;
    LH_TRY(lh_record_defaults(cx, &lh_ingest_task_record, &task));
    task.op = LH_INGEST_FILE;
    task.file_name = lh_path_base(lh_str_from(argv[1]));
    task.output_prefix = lh_str_from(argv[2]);
    if ((argc > 4 && !lh_parse_u64(lh_str_from(argv[4]), &threads)) ||
        (argc > 5 && !lh_parse_u64(lh_str_from(argv[5]), &memory_mib)))
        return lh_fail(cx, LH_E_BAD_VALUE, "threads and memory are numbers");
    if (argc > 6)
        task.key = lh_str_from(argv[6]);
    if (argc > 7)
        task.base_sql = lh_str_from(argv[7]);
    LH_CLEANUP(lh_ingest_env_close)
    lh_ingest_env env = {.staging_dir = lh_path_dir(lh_str_from(argv[2])),
                         .read_root = lh_path_dir(lh_str_from(argv[1])),
                         .spill_dir = lh_str_from(argv[3]),
                         .threads = (uint32_t)threads,
                         .memory_bytes = memory_mib * 1024 * 1024};
    LH_TRY(lh_ingest_env_open(cx, &env));
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_file_open(cx, lh_str_from(argv[1]), LH_FILE_READ, &file));
    int fd = lh_file_take_fd(LH_TAKE(file));
    return lh_ingest_file(cx, &env, &task, fd, ret_done);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: _ingest_driver FILE OUT_PREFIX SPILL_DIR [threads [memory_mib [key "
                        "[base_sql]]]]\n");
        return 2;
    }
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_ingest_done done = {0};
    int64_t begin = lh_clock_mono_us();
    lh_rc rc = run(&cx, argc, argv, &done);
    double seconds = (double)(lh_clock_mono_us() - begin) / 1e6;
    if (rc != LH_OK) {
        fprintf(stderr, "%s: %s (%s) line %d column %d\n", lh_rc_code(rc), cx.err.message,
                cx.err.hint, cx.err.line, cx.err.column);
        return 1;
    }
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_json_writer w;
    lh_buf_init(&out, 64 * 1024 * 1024);
    lh_jw_init(&w, &cx, &out);
    lh_record_write(&w, &lh_ingest_done_record, &done);
    if (lh_jw_end(&w) != LH_OK)
        return 1;
    printf("{\"seconds\":%.4f,\"rss_now_mib\":%llu,\"done\":%.*s}\n", seconds,
           (unsigned long long)(lh_process_rss_bytes(0) >> 20), LH_STR_ARG(lh_buf_str(&out)));
    return 0;
}
