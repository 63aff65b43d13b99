/* cli/cmd_embed.c - `lakehouse embed`: lines of stdin to vectors without a server, and the packing
 * of a model. */
#include "base/clock.h"
#include "base/num.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/embed_stream.h"
#include "cli/model_path.h"
#include "embed/pack.h"
#include "os/process.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SHOW_US 200000

typedef struct embed_run {
    const lh_cli_args *args;
    lh_embed_model *model;
    lh_embed_output output;
    int64_t began_us;
    int64_t shown_us;
} embed_run;

static lh_str option(const embed_run *run, const char *name)
{
    return lh_str_from(lh_cli_get(run->args, name));
}

static void show(void *arg, uint64_t lines)
{
    embed_run *run = arg;
    int64_t now_us = lh_clock_mono_us();
    char unit[64];
    if (now_us - run->shown_us < SHOW_US)
        return;
    run->shown_us = now_us;
    double seconds = (double)(now_us - run->began_us) / 1e6;
    (void)snprintf(unit, sizeof unit, "lines, %.0f a second", (double)lines / seconds);
    lh_cli_bar("embedded", lines, 0, unit);
}

static lh_rc open_output(lh_ctx *cx, const embed_run *run, lh_file **ret_file)
{
    lh_str path = option(run, "out");
    if (run->output == LH_OUTPUT_PARQUET)
        return LH_OK;
    if (path.len > 0)
        return lh_file_open(cx, path, LH_FILE_CREATE, ret_file);
    return lh_file_open_fd(cx, dup(STDOUT_FILENO), ret_file);
}

static lh_rc embed_stdin(lh_ctx *cx, embed_run *run)
{
    LH_CLEANUP(lh_file_close) lh_file *in = NULL;
    LH_CLEANUP(lh_file_close) lh_file *out = NULL;
    lh_embed_stream_sum sum;
    LH_TRY(lh_file_open_fd(cx, dup(STDIN_FILENO), &in));
    LH_TRY(open_output(cx, run, &out));
    run->began_us = run->shown_us = lh_clock_mono_us();
    lh_embed_stream_options opts = {.model = run->model,
                                    .in = in,
                                    .output = run->output,
                                    .out = out,
                                    .out_path = option(run, "out"),
                                    .field = option(run, "field"),
                                    .id_field = option(run, "id"),
                                    .query = lh_cli_has(run->args, "query"),
                                    .on_progress = show,
                                    .arg = run};
    lh_rc rc = lh_embed_stream(cx, &opts, &sum);
    lh_cli_bar_end();
    LH_TRY(rc);
    if (isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO))
        lh_cli_say("%llu lines, %llu tokens, %llu cut, %s", (unsigned long long)sum.lines,
                   (unsigned long long)sum.tokens, (unsigned long long)sum.truncated,
                   lh_embed_kernel(run->model).ptr);
    return LH_OK;
}

static int pack(lh_ctx *cx, const lh_cli_args *args)
{
    lh_embed_model_info info;
    if (args->rest_count != 2)
        return lh_cli_usage(NULL, "embed --pack needs a model folder and a file to write");
    if (lh_embed_pack(cx, lh_str_from(args->rest[0]), lh_str_from(args->rest[1]), 0, &info) !=
        LH_OK)
        return lh_cli_failed(cx);
    lh_cli_say("packed %.*s: %u layers, %u dimensions, %u tokens", LH_STR_ARG(info.name),
               info.layers, info.hidden, info.tokens_max);
    return LH_EXIT_DONE;
}

static lh_rc open_model(lh_ctx *cx, const lh_cli_args *args, embed_run *run)
{
    const char *threads_text = lh_cli_get(args, "threads");
    uint64_t threads = lh_machine_cpus();
    if (threads_text && (!lh_parse_u64(lh_str_from(threads_text), &threads) || threads == 0 ||
                         threads > LH_EMBED_THREADS_MAX))
        return lh_fail(cx, LH_E_BAD_VALUE, "--threads '%s'; 1 to %d", threads_text,
                       LH_EMBED_THREADS_MAX);
    const char *file = lh_cli_get(args, "model");
    lh_str path = file ? lh_str_from(file) : lh_model_path(cx);
    if (path.len == 0) {
        LH_IGNORE(lh_fail(cx, LH_E_NOT_FOUND, "there is no packed model"));
        return lh_err_hint(cx, "make one: lakehouse embed --pack FOLDER FILE, then --model FILE");
    }
    lh_embed_options opts = {.threads = (uint32_t)LH_MIN(threads, (uint64_t)LH_EMBED_THREADS_MAX),
                             .precision = lh_str_from(lh_cli_get(args, "precision"))};
    return lh_embed_open(cx, path, &opts, &run->model);
}

/* NULL when it fits together, else what does not. */
static const char *check_options(const lh_cli_args *args, lh_embed_output output)
{
    const char *out = lh_cli_get(args, "out");
    if (output == LH_OUTPUT_PARQUET && !out)
        return "Parquet needs a file: --out FILE";
    if (output == LH_OUTPUT_F32 && !out && isatty(STDOUT_FILENO))
        return "raw vectors do not fit a terminal: add --format ndjson, --out FILE or redirect";
    if (lh_cli_get(args, "id") && (output != LH_OUTPUT_PARQUET || !lh_cli_get(args, "field")))
        return "--id goes with --field and --format parquet";
    return NULL;
}

int lh_cmd_embed(lh_ctx *cx, const lh_cli_args *args)
{
    const char *format = lh_cli_get(args, "format");
    embed_run run = {.args = args};
    if (lh_cli_has(args, "pack"))
        return pack(cx, args);
    if (args->rest_count > 0)
        return lh_cli_usage(NULL, "embed reads lines from standard input");
    while (format && lh_embed_output_names[run.output] &&
           strcmp(format, lh_embed_output_names[run.output]) != 0)
        run.output++;
    if (!lh_embed_output_names[run.output])
        return lh_cli_usage(NULL, "format '%s': f32, ndjson or parquet", format);
    const char *wrong = check_options(args, run.output);
    if (wrong)
        return lh_cli_usage(NULL, "%s", wrong);
    lh_rc rc = open_model(cx, args, &run);
    if (rc == LH_OK)
        rc = embed_stdin(cx, &run);
    lh_embed_close(run.model);
    return rc == LH_OK ? LH_EXIT_DONE : lh_cli_failed(cx);
}
