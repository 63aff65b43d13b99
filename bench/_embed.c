/* _embed.c - the embedder for scripts: packs, tokenises, embeds, and times passes over one file
 * on demand. links: embed
 *
 * MODEL of vectors, serve and single: a packed file, or FILE@PRECISION
 *
 *   _embed pack DIR OUT
 *   _embed tokens MODEL FLAGS < lines > one line of "id:start:end" a token, for each line
 *   _embed vectors MODEL THREADS < lines > raw f32
 *   _embed serve MODEL THREADS FILE ... for each line on stdin one pass: seconds, tokens
 *   _embed single MODEL THREADS FILE ... likewise, one text at a time: p50, p99 in seconds
 *   _embed tokbench MODEL FILE ... likewise, tokenising only */
#include "base/clock.h"
#include "base/num.h"
#include "embed/embed.h"
#include "embed/image.h"
#include "embed/pack.h"
#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>

enum { INPUT_BYTES_MAX = 1024 * 1024 * 1024, TOKENS_MAX = 8192 };

typedef struct lines {
    lh_str *items;
    size_t count;
} lines;

static lh_rc read_stream(lh_ctx *cx, lh_file *file, lh_buf *buf)
{
    for (;;) {
        size_t got = 0;
        LH_TRY(lh_buf_reserve(cx, buf, 1 << 16));
        LH_TRY(lh_file_read(cx, file, buf->ptr + buf->len, 1 << 16, &got));
        if (got == 0)
            return LH_OK;
        buf->len += got;
    }
}

/* Lines of a file ("-" = stdin); they live as long as the process. */
static lh_rc read_lines(lh_ctx *cx, lh_str path, lines *ret)
{
    static lh_buf buf;
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    lh_buf_init(&buf, INPUT_BYTES_MAX);
    if (lh_str_eq(path, LH_S("-")))
        LH_TRY(lh_file_open_fd(cx, 0, &file));
    else
        LH_TRY(lh_file_open(cx, path, LH_FILE_READ, &file));
    LH_TRY(read_stream(cx, file, &buf));
    size_t count = 0;
    for (size_t i = 0; i < buf.len; i++)
        count += buf.ptr[i] == '\n';
    ret->items = lh_alloc_zero(count + 1, sizeof(lh_str));
    if (ret->items == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "lines");
    ret->count = 0;
    lh_str line;
    for (lh_str rest = lh_buf_str(&buf);
         ret->count < count && lh_str_split_next(&rest, '\n', &line);)
        ret->items[ret->count++] = line;
    return LH_OK;
}

static lh_rc print_tokens(lh_ctx *cx, char **args)
{
    static lh_embed_token items[TOKENS_MAX];
    LH_CLEANUP(lh_map_close) lh_map map = {0};
    lh_embed_image image;
    lines in;
    LH_TRY(lh_map_open(cx, lh_str_from(args[0]), &map));
    LH_TRY(lh_embed_image_open(cx, map.bytes, LH_STR_NONE, 0, &image));
    LH_TRY(read_lines(cx, LH_S("-"), &in));
    uint32_t flags = args[1][0] == '1' ? LH_EMBED_TOKENIZE_SPECIALS : 0;
    for (size_t i = 0; i < in.count; i++) {
        lh_embed_token_list list = {.items = items, .capacity = image.info.tokens_max};
        lh_embed_tokenizer_encode(&image.tokenizer, LH_STR_NONE, in.items[i], flags, &list);
        for (uint32_t t = 0; t < list.count; t++)
            printf("%s%d:%u:%u", t == 0 ? "" : " ", items[t].id, items[t].source.start,
                   items[t].source.end);
        putchar('\n');
    }
    return LH_OK;
}

static lh_rc open_model(lh_ctx *cx, const char *path, const char *threads, lh_embed_model **ret)
{
    uint64_t count = 0;
    if (!lh_parse_u64(lh_str_from(threads), &count))
        return lh_fail(cx, LH_E_BAD_VALUE, "threads: %s", threads);
    lh_str file = lh_str_from(path);
    size_t at = lh_str_rfind_char(file, '@');
    lh_embed_options opts = {.threads = (uint32_t)count, .flags = LH_EMBED_SOON};
    if (at != LH_STR_NPOS) {
        opts.precision = lh_str_from_offset(file, at + 1);
        file = lh_str_sub(file, 0, at);
    }
    return lh_embed_open(cx, file, &opts, ret);
}

static lh_rc embed_lines(lh_ctx *cx, lh_embed_model *model, lines in, float *out,
                         uint64_t *ret_tokens)
{
    lh_embed_batch batch = {.texts = in.items, .count = in.count, .out = out};
    LH_TRY(lh_embed_texts(cx, model, &batch));
    *ret_tokens = batch.tokens;
    return LH_OK;
}

static lh_rc print_vectors(lh_ctx *cx, char **args)
{
    LH_CLEANUP(lh_embed_close) lh_embed_model *model = NULL;
    lines in;
    uint64_t tokens = 0;
    LH_TRY(open_model(cx, args[0], args[1], &model));
    LH_TRY(read_lines(cx, LH_S("-"), &in));
    size_t floats = in.count * lh_embed_info(model)->hidden;
    float *out = lh_alloc_zero(floats + 1, sizeof(float));
    if (out == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "vectors");
    LH_TRY(embed_lines(cx, model, in, out, &tokens));
    if (fwrite(out, sizeof(float), floats, stdout) != floats)
        return lh_fail(cx, LH_E_IO, "stdout");
    lh_free(out);
    return LH_OK;
}

/* True while a line comes on stdin. */
static int asked(void)
{
    int c = getchar();
    while (c != '\n' && c != EOF)
        c = getchar();
    return c == '\n';
}

static lh_rc serve(lh_ctx *cx, char **args)
{
    LH_CLEANUP(lh_embed_close) lh_embed_model *model = NULL;
    lines in;
    LH_TRY(open_model(cx, args[0], args[1], &model));
    LH_TRY(read_lines(cx, lh_str_from(args[2]), &in));
    float *out = lh_alloc_zero(in.count * lh_embed_info(model)->hidden + 1, sizeof(float));
    if (out == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "vectors");
    printf("%.*s/%s %zu\n", LH_STR_ARG(lh_embed_kernel(model)),
           lh_embed_precision_names[lh_embed_info(model)->precision], in.count);
    for (fflush(stdout); asked(); fflush(stdout)) {
        uint64_t tokens = 0;
        int64_t from = lh_clock_mono_us();
        LH_TRY(embed_lines(cx, model, in, out, &tokens));
        printf("%.6f %llu\n", (double)(lh_clock_mono_us() - from) / 1e6,
               (unsigned long long)tokens);
    }
    lh_free(out);
    return LH_OK;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static lh_rc serve_single(lh_ctx *cx, char **args)
{
    LH_CLEANUP(lh_embed_close) lh_embed_model *model = NULL;
    lines in;
    LH_TRY(open_model(cx, args[0], args[1], &model));
    LH_TRY(read_lines(cx, lh_str_from(args[2]), &in));
    int64_t *times = lh_alloc_zero(in.count + 1, sizeof(int64_t));
    float *out = lh_alloc_zero(lh_embed_info(model)->hidden, sizeof(float));
    if (times == NULL || out == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "times");
    printf("%.*s/%s %zu\n", LH_STR_ARG(lh_embed_kernel(model)),
           lh_embed_precision_names[lh_embed_info(model)->precision], in.count);
    for (fflush(stdout); asked(); fflush(stdout)) {
        for (size_t i = 0; i < in.count; i++) {
            uint64_t tokens = 0;
            int64_t from = lh_clock_mono_us();
            LH_TRY(embed_lines(cx, model, (lines){in.items + i, 1}, out, &tokens));
            times[i] = lh_clock_mono_us() - from;
        }
        qsort(times, in.count, sizeof(times[0]), compare_times);
        printf("%.6f %.6f\n", (double)times[in.count / 2] / 1e6,
               (double)times[in.count * 99 / 100] / 1e6);
    }
    lh_free(times);
    lh_free(out);
    return LH_OK;
}

static lh_rc serve_tokens(lh_ctx *cx, char **args)
{
    static lh_embed_token items[TOKENS_MAX];
    LH_CLEANUP(lh_map_close) lh_map map = {0};
    lh_embed_image image;
    lines in;
    LH_TRY(lh_map_open(cx, lh_str_from(args[0]), &map));
    LH_TRY(lh_embed_image_open(cx, map.bytes, LH_STR_NONE, 0, &image));
    LH_TRY(read_lines(cx, lh_str_from(args[1]), &in));
    printf("tokenizer %zu\n", in.count);
    for (fflush(stdout); asked(); fflush(stdout)) {
        uint64_t tokens = 0;
        int64_t from = lh_clock_mono_us();
        for (size_t i = 0; i < in.count; i++) {
            lh_embed_token_list list = {.items = items, .capacity = image.info.tokens_max};
            lh_embed_tokenizer_encode(&image.tokenizer, LH_STR_NONE, in.items[i], 0, &list);
            tokens += list.count;
        }
        printf("%.6f %llu\n", (double)(lh_clock_mono_us() - from) / 1e6,
               (unsigned long long)tokens);
    }
    return LH_OK;
}

static lh_rc pack(lh_ctx *cx, char **args)
{
    return lh_embed_pack(cx, lh_str_from(args[0]), lh_str_from(args[1]), 0, NULL);
}

static const struct {
    const char *name;
    int args_count;
    lh_rc (*run)(lh_ctx *cx, char **args);
} commands[] = {{"pack", 2, pack},   {"tokens", 2, print_tokens}, {"vectors", 2, print_vectors},
                {"serve", 3, serve}, {"single", 3, serve_single}, {"tokbench", 2, serve_tokens}};

int main(int argc, char **argv)
{
    lh_ctx cx;
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx_init(&cx, arena);
    for (size_t i = 0; i < LH_ARRAY_LEN(commands) && argc > 1; i++) {
        if (!lh_str_eq(lh_str_from(argv[1]), lh_str_from(commands[i].name)) ||
            argc != 2 + commands[i].args_count)
            continue;
        if (commands[i].run(&cx, argv + 2) == LH_OK)
            return 0;
        fprintf(stderr, "_embed: %s: %s\n", lh_rc_code(cx.err.rc), cx.err.message);
        return 1;
    }
    fprintf(stderr, "usage: see the top of bench/_embed.c\n");
    return 2;
}
