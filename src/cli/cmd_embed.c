/* cli/cmd_embed.c - `lakehouse embed`: lines of stdin to vectors without a server, and the packing
 * of a model. */
#include "base/num.h"
#include "cli/cli.h"
#include "cli/model_path.h"
#include "embed/lines.h"
#include "embed/pack.h"
#include "os/process.h"

#include <string.h>
#include <unistd.h>

typedef struct embed_run {
    lh_embed_model *model;
    lh_embed_format format;
} embed_run;

static lh_rc embed_stdin(lh_ctx *cx, const embed_run *run)
{
    LH_CLEANUP(lh_file_close) lh_file *in = NULL;
    LH_CLEANUP(lh_file_close) lh_file *out = NULL;
    LH_TRY(lh_file_open_fd(cx, dup(STDIN_FILENO), &in));
    LH_TRY(lh_file_open_fd(cx, dup(STDOUT_FILENO), &out));
    lh_embed_lines_job job = {.in = in, .out = out, .format = run->format};
    return lh_embed_lines(cx, run->model, &job);
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

int lh_cmd_embed(lh_ctx *cx, const lh_cli_args *args)
{
    const char *format = lh_cli_get(args, "format");
    if (lh_cli_has(args, "pack"))
        return pack(cx, args);
    if (args->rest_count > 0)
        return lh_cli_usage(NULL, "embed reads lines from standard input");
    if (format && strcmp(format, "f32") != 0 && strcmp(format, "ndjson") != 0)
        return lh_cli_usage(NULL, "format '%s': f32 or ndjson", format);
    embed_run run = {.format = format && strcmp(format, "ndjson") == 0 ? LH_EMBED_FORMAT_NDJSON
                                                                       : LH_EMBED_FORMAT_F32};
    if (run.format == LH_EMBED_FORMAT_F32 && isatty(STDOUT_FILENO))
        return lh_cli_usage(NULL,
                            "raw vectors do not fit a terminal: add --format ndjson or redirect");
    lh_rc rc = open_model(cx, args, &run);
    if (rc == LH_OK)
        rc = embed_stdin(cx, &run);
    lh_embed_close(run.model);
    return rc == LH_OK ? LH_EXIT_DONE : lh_cli_failed(cx);
}
