/* cli/cmd_text.c - `lakehouse text build|search|bench`: the text engine on files of lines, without
 * a server. Line n is document n, its row is n - 1. */
#include "base/clock.h"
#include "base/json_write.h"
#include "base/num.h"
#include "cli/text_measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { K_DEFAULT = 10, FRAGMENT_BYTES = 160, OUT_BYTES_MAX = 64 << 20 };

/* ---- options ---- */

static lh_rc number_of(lh_ctx *cx, const lh_cli_args *args, const char *name, uint64_t most,
                       uint64_t *value)
{
    const char *text = lh_cli_get(args, name);
    if (!text)
        return LH_OK;
    if (lh_parse_u64(lh_str_from(text), value) && *value <= most)
        return LH_OK;
    return lh_fail(cx, LH_E_BAD_VALUE, "--%s '%s': a number up to %llu", name, text,
                   (unsigned long long)most);
}

static lh_rc mode_of(lh_ctx *cx, const lh_cli_args *args, lh_text_bench *b)
{
    static const char *const names[] = {"any", "all", "phrase", "prefix", "query"};
    const char *text = lh_cli_get(args, "mode");
    b->mode = LH_TEXT_MODE_ANY;
    for (size_t i = 0; text && i < LH_ARRAY_LEN(names); i++)
        if (strcmp(text, names[i]) == 0) {
            b->mode = (lh_text_mode)i;
            return LH_OK;
        }
    if (!text)
        return LH_OK;
    LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "--mode '%s'", text));
    return lh_err_hint(cx, "any, all, phrase, prefix or query (the query language)");
}

static lh_rc options_of(lh_ctx *cx, const lh_cli_args *args, lh_text_bench *b)
{
    uint64_t k = K_DEFAULT;
    uint64_t rounds = 5;
    uint64_t threads = 1;
    uint64_t percent = 100;
    uint64_t memory = 0;
    const char *stem = lh_cli_get(args, "stem");
    const char *size = lh_cli_get(args, "memory");
    LH_TRY(number_of(cx, args, "k", LH_TEXT_K_MAX, &k));
    LH_TRY(number_of(cx, args, "rounds", 1000, &rounds));
    LH_TRY(number_of(cx, args, "threads", LH_TEXT_BUILD_THREADS_MAX, &threads));
    LH_TRY(number_of(cx, args, "filter-percent", 100, &percent));
    if (size && !lh_parse_size(lh_str_from(size), &memory))
        return lh_fail(cx, LH_E_BAD_VALUE, "--memory '%s': a size as 256MiB", size);
    b->k = (uint32_t)k;
    b->rounds = (uint32_t)LH_MAX(rounds, UINT64_C(1));
    b->threads = (uint32_t)LH_MAX(threads, UINT64_C(1));
    b->filter_percent = (uint32_t)percent;
    b->memory_bytes_max = memory;
    b->positions = !lh_cli_has(args, "no-positions");
    b->analyzer.stem = lh_str_from(stem);
    b->analyzer.flags = lh_cli_has(args, "keep-accents") ? LH_TEXT_KEEP_ACCENTS : 0;
    b->latencies = lh_str_from(lh_cli_get(args, "latencies"));
    b->check = lh_cli_has(args, "check");
    return mode_of(cx, args, b);
}

/* ---- build ---- */

static int run_build(lh_ctx *cx, const lh_cli_args *args, lh_text_bench *b)
{
    const char *docs = lh_cli_get(args, "docs");
    const char *index = lh_cli_get(args, "index");
    if (!docs || !index)
        return lh_cli_usage(NULL, "text build needs --docs FILE and --index FILE");
    if (lh_text_bench_build(cx, b, lh_str_from(docs), lh_str_from(index)) != LH_OK)
        return lh_cli_failed(cx);
    printf("{\"docs\":%u,\"build_s\":%.3f,\"docs_per_s\":%.0f,\"bytes_file\":%llu,"
           "\"threads\":%u}\n",
           b->docs, b->build_s, b->docs / LH_MAX(b->build_s, 1e-9),
           (unsigned long long)b->bytes_file, b->threads);
    return LH_EXIT_DONE;
}

/* ---- search ---- */

static lh_rc print_hits(lh_ctx *cx, const lh_text_bench *b, const lh_text_node *node, int json)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_text_result r;
    lh_text_request request = {.query = node, .k = b->k};
    lh_buf_init(&out, OUT_BYTES_MAX);
    LH_TRY(lh_text_search(cx, b->searcher, &request, &r));
    for (uint32_t i = 0; i < r.hits_count; i++) {
        lh_str line = lh_text_bench_line(b, r.hits[i].row);
        lh_text_highlights h;
        lh_text_highlight_options opts = {.fragment_bytes = FRAGMENT_BYTES};
        LH_TRY(lh_text_highlight(cx, lh_text_segment_analyzer(b->segment), node, line, &opts, &h));
        lh_str shown =
            lh_text_fragment_text(cx, line, &h.fragments[0], json ? LH_S("<b>") : LH_S("["),
                                  json ? LH_S("</b>") : LH_S("]"));
        if (json) {
            lh_json_writer w;
            lh_jw_init(&w, cx, &out);
            lh_jw_object_begin(&w);
            lh_jw_kv_u64(&w, LH_S("row"), r.hits[i].row);
            lh_jw_kv_f64(&w, LH_S("score"), r.hits[i].score);
            lh_jw_kv_str(&w, LH_S("text"), shown);
            lh_jw_object_end(&w);
            LH_TRY(lh_jw_end(&w));
            LH_TRY(lh_buf_append_char(cx, &out, '\n'));
        } else {
            LH_TRY(lh_buf_printf(cx, &out, "%8.4f  %-8llu  %.*s\n", r.hits[i].score,
                                 (unsigned long long)r.hits[i].row, LH_STR_ARG(shown)));
        }
    }
    lh_cli_out(lh_buf_str(&out));
    return LH_OK;
}

static int run_search(lh_ctx *cx, const lh_cli_args *args, lh_text_bench *b)
{
    const char *docs = lh_cli_get(args, "docs");
    const char *index = lh_cli_get(args, "index");
    lh_text_node *node;
    if (!index || args->rest_count != 2)
        return lh_cli_usage(NULL, "text search needs --index FILE and one text in quotes");
    lh_rc rc = lh_text_bench_open(cx, b, lh_str_from(index), lh_str_from(docs));
    if (rc == LH_OK)
        rc = lh_text_bench_node(cx, b, lh_str_from(args->rest[1]), &node);
    if (rc == LH_OK)
        rc = print_hits(cx, b, node, lh_cli_has(args, "json"));
    return rc == LH_OK ? LH_EXIT_DONE : lh_cli_failed(cx);
}

/* ---- bench ---- */

static lh_rc bench(lh_ctx *cx, const lh_cli_args *args, lh_text_bench *b)
{
    lh_str docs = lh_str_from(lh_cli_get(args, "docs"));
    lh_str index = lh_str_from(lh_cli_get(args, "index"));
    lh_text_times times;
    lh_text_segment_stats stats;
    if (index.len == 0) {
        index = lh_ctx_fmt(cx, "%.*s.lht", LH_STR_ARG(docs));
        b->index_is_ours = 1;
    }
    if (docs.len > 0 && (b->index_is_ours || !lh_file_exists(index)))
        LH_TRY(lh_text_bench_build(cx, b, docs, index));
    LH_TRY(lh_text_bench_open(cx, b, index, docs));
    LH_TRY(lh_text_bench_run(cx, b, lh_str_from(lh_cli_get(args, "queries")), &times));
    lh_text_segment_stats_get(b->segment, &stats);
    static const char *const names[] = {"any", "all", "phrase", "prefix", "query"};
    printf("{\"name\":\"text\",\"mode\":\"%s\",\"k\":%u,\"filter_percent\":%u,\"docs\":%u,"
           "\"queries\":%zu,\"rounds\":%u,\"p50_us\":%.3f,\"p95_us\":%.3f,\"p99_us\":%.3f,"
           "\"mean_us\":%.3f,\"hits_mean\":%.2f,\"build_s\":%.3f,\"open_s\":%.4f,"
           "\"bytes_file\":%llu,\"bytes_resident\":%llu,\"terms\":%llu,\"simd\":\"%s\"}\n",
           names[b->mode], b->k, b->filter_percent, stats.docs, times.queries, b->rounds,
           times.p50_us, times.p95_us, times.p99_us, times.mean_us, times.hits_mean, b->build_s,
           b->open_s, (unsigned long long)stats.bytes_mapped,
           (unsigned long long)stats.bytes_resident, (unsigned long long)stats.terms, stats.simd);
    return LH_OK;
}

static int run_bench(lh_ctx *cx, const lh_cli_args *args, lh_text_bench *b)
{
    if (!lh_cli_get(args, "queries") || (!lh_cli_get(args, "docs") && !lh_cli_get(args, "index")))
        return lh_cli_usage(NULL, "text bench needs --queries FILE and --docs FILE (or --index)");
    return bench(cx, args, b) == LH_OK ? LH_EXIT_DONE : lh_cli_failed(cx);
}

int lh_cmd_text(lh_ctx *cx, const lh_cli_args *args)
{
    static const struct {
        const char *name;
        int (*run)(lh_ctx *cx, const lh_cli_args *args, lh_text_bench *b);
    } verbs[] = {{"build", run_build}, {"search", run_search}, {"bench", run_bench}};
    LH_CLEANUP(lh_text_bench_done) lh_text_bench b = {0};
    for (size_t i = 0; args->rest_count > 0 && i < LH_ARRAY_LEN(verbs); i++)
        if (strcmp(args->rest[0], verbs[i].name) == 0)
            return options_of(cx, args, &b) == LH_OK ? verbs[i].run(cx, args, &b)
                                                     : lh_cli_failed(cx);
    return lh_cli_usage(NULL, "text build, text search or text bench");
}
