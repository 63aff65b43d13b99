/* cli/cmd_embed.c - `lakehouse embed`: lines of stdin to vectors without a server, and the packing
 * of a model. */
#include "base/num.h"
#include "cli/cli.h"
#include "cli/model_path.h"
#include "embed/embed.h"
#include "embed/pack.h"
#include "os/file.h"
#include "os/process.h"

#include <stdio.h>
#include <unistd.h>

#define BATCH_LINES    256u
#define LINE_BYTES_MAX (16u << 20)
#define READ_BYTES     (256u * 1024u)

typedef struct embed_run {
    lh_embed_model *model;
    uint32_t dimensions;
    int ndjson;
    lh_arena *arena; /* of one batch */
} embed_run;

static lh_rc print_ndjson(lh_ctx *cx, const embed_run *run, const float *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        putchar('[');
        for (uint32_t d = 0; d < run->dimensions; d++) {
            char text[LH_F64_TEXT_MAX];
            size_t len = lh_f32_text(vectors[i * run->dimensions + d], text);
            if (d)
                putchar(',');
            fwrite(text, 1, len, stdout);
        }
        fputs("]\n", stdout);
    }
    return ferror(stdout) ? lh_fail(cx, LH_E_IO, "writing the vectors") : LH_OK;
}

static lh_rc embed_lines(lh_ctx *cx, embed_run *run, const lh_str *lines, size_t count)
{
    if (count == 0)
        return LH_OK;
    float *vectors = LH_NEW_ARRAY(cx, float, count * run->dimensions);
    if (!vectors)
        return cx->err.rc;
    lh_embed_batch batch = {.texts = lines, .count = count, .out = vectors};
    LH_TRY(lh_embed_texts(cx, run->model, &batch));
    if (run->ndjson)
        return print_ndjson(cx, run, vectors, count);
    lh_cli_out(lh_str_n(vectors, count * run->dimensions * sizeof(float)));
    return LH_OK;
}

/* Takes whole lines out of *text; what is left of the last one stays. */
static lh_rc take_lines(lh_ctx *cx, embed_run *run, lh_buf *text, int at_end)
{
    lh_str rest = lh_buf_str(text);
    for (;;) {
        lh_str lines[BATCH_LINES];
        size_t count = 0;
        while (count < BATCH_LINES) {
            size_t end = lh_str_find_char(rest, '\n');
            if (end == LH_STR_NPOS && !(at_end && rest.len > 0))
                break;
            lh_str line = lh_str_sub(rest, 0, LH_MIN(end, rest.len));
            rest = lh_str_from_offset(rest, LH_MIN(end, rest.len - 1) + 1);
            lines[count++] =
                lh_str_ends(line, LH_S("\r")) ? lh_str_sub(line, 0, line.len - 1) : line;
        }
        LH_TRY(embed_lines(cx, run, lines, count));
        lh_arena_reset(run->arena);
        if (count < BATCH_LINES)
            break;
    }
    lh_buf_drop_front(text, text->len - rest.len);
    return LH_OK;
}

static lh_rc embed_stdin(lh_ctx *cx, embed_run *run)
{
    LH_CLEANUP(lh_buf_done) lh_buf text;
    LH_CLEANUP(lh_file_close) lh_file *in = NULL;
    lh_buf_init(&text, LINE_BYTES_MAX + READ_BYTES);
    LH_TRY(lh_file_open_fd(cx, dup(STDIN_FILENO), &in));
    run->arena = lh_arena_new(0);
    if (!run->arena)
        return lh_fail(cx, LH_E_NO_MEMORY, "embed");
    lh_ctx batch;
    lh_ctx_init(&batch, run->arena);
    lh_rc rc = LH_OK;
    for (size_t got = 1; rc == LH_OK && got > 0;) {
        rc = lh_buf_reserve(cx, &text, READ_BYTES);
        if (rc == LH_OK)
            rc = lh_file_read(cx, in, text.ptr + text.len, READ_BYTES, &got);
        if (rc != LH_OK)
            break;
        text.len += got;
        rc = take_lines(&batch, run, &text, got == 0);
        if (rc != LH_OK)
            cx->err = batch.err;
    }
    lh_arena_free(run->arena);
    return rc;
}

static int pack(lh_ctx *cx, const lh_cli_args *args)
{
    lh_embed_model_info info;
    if (args->rest_count != 2)
        return lh_cli_usage(NULL, "embed --pack needs a model folder and a file to write");
    if (lh_embed_pack(cx, lh_str_from(args->rest[0]), lh_str_from(args->rest[1]), &info) != LH_OK)
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
    lh_embed_options opts = {.threads = (uint32_t)LH_MIN(threads, (uint64_t)LH_EMBED_THREADS_MAX)};
    LH_TRY(lh_embed_open(cx, path, &opts, &run->model));
    run->dimensions = lh_embed_info(run->model)->hidden;
    return LH_OK;
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
    embed_run run = {.ndjson = format && strcmp(format, "ndjson") == 0};
    if (!run.ndjson && isatty(STDOUT_FILENO))
        return lh_cli_usage(NULL,
                            "raw vectors do not fit a terminal: add --format ndjson or redirect");
    lh_rc rc = open_model(cx, args, &run);
    if (rc == LH_OK)
        rc = embed_stdin(cx, &run);
    lh_embed_close(run.model);
    return rc == LH_OK ? LH_EXIT_DONE : lh_cli_failed(cx);
}
