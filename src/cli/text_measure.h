/* cli/text_measure.h - the text engine on files of lines: build, open, time queries.
 *
 * Owns:    an lh_text_bench owns its maps, segment and searcher.
 * Threads: one; building may start more.
 * Limits:  LH_TEXT_BUILD_THREADS_MAX threads.
 * Formats: one document or query a line; a result is nanoseconds, one line a query.
 * Why:     the command's verbs share it, and it is what the bench measures. */
#ifndef LH_CLI_TEXT_MEASURE_H
#define LH_CLI_TEXT_MEASURE_H

#include "cli/cli.h"
#include "os/file.h"
#include "text/text_highlight.h"
#include "text/text_search.h"

#define LH_TEXT_BUILD_THREADS_MAX 64

typedef enum lh_text_mode {
    LH_TEXT_MODE_ANY,
    LH_TEXT_MODE_ALL,
    LH_TEXT_MODE_PHRASE,
    LH_TEXT_MODE_PREFIX,
    LH_TEXT_MODE_QUERY
} lh_text_mode;

typedef struct lh_text_bench {
    /* what is asked */
    lh_text_mode mode;
    uint32_t k;
    uint32_t rounds;
    uint32_t threads;
    uint32_t filter_percent;
    int positions;
    uint64_t memory_bytes_max;
    lh_text_analyzer_options analyzer;
    lh_str latencies;  /* file to write; empty: none */
    int check;         /* compare each query's hits with those of scoring every match */
    int index_is_ours; /* removed at the end */
    /* what is open */
    lh_map index_map;
    lh_map docs_map;
    lh_str_list lines; /* of docs_map */
    lh_str index_path;
    lh_text_segment *segment;
    lh_text_searcher *searcher;
    uint32_t docs;
    double build_s;
    double open_s;
    uint64_t bytes_file;
} lh_text_bench;
void lh_text_bench_done(lh_text_bench *bench);
LH_DEFINE_CLEANUP_VALUE(lh_text_bench, lh_text_bench_done)

/* Lines of docs to a durable segment file. */
LH_WARN_UNUSED lh_rc lh_text_bench_build(lh_ctx *cx, lh_text_bench *bench, lh_str docs,
                                         lh_str index);
/* docs may be empty: then lines are. */
LH_WARN_UNUSED lh_rc lh_text_bench_open(lh_ctx *cx, lh_text_bench *bench, lh_str index,
                                        lh_str docs);
lh_str lh_text_bench_line(const lh_text_bench *bench, uint64_t row);
LH_WARN_UNUSED lh_rc lh_text_bench_node(lh_ctx *cx, const lh_text_bench *bench, lh_str text,
                                        lh_text_node **ret_node);

typedef struct lh_text_times {
    size_t queries;
    double p50_us; /* of each query's median over the rounds */
    double p95_us;
    double p99_us;
    double mean_us;
    double hits_mean;
} lh_text_times;
LH_WARN_UNUSED lh_rc lh_text_bench_run(lh_ctx *cx, lh_text_bench *bench, lh_str queries,
                                       lh_text_times *ret_times);

#endif
