/* cli/vector_options.h - what the words of `lakehouse vector` mean.
 *
 * Owns:    nothing; texts are the command line's.
 * Threads: plain data.
 * Limits:  LH_VECTOR_POINTS efforts in one call.
 * Formats: none.
 * Why:     numbers and names are rows of two tables, each with its limits, so that a wrong one is
 *          refused in one way. */
#ifndef LH_CLI_VECTOR_OPTIONS_H
#define LH_CLI_VECTOR_OPTIONS_H

#include "cli/cli.h"
#include "vector/vector_index.h"

#define LH_VECTOR_POINTS 64

enum { LH_FILTER_RANDOM, LH_FILTER_CORRELATED };
/* What answers a search comes from: chosen by the index, or forced. */
enum { LH_TIER_AUTO, LH_TIER_B1, LH_TIER_I4, LH_TIER_F32 };

typedef struct lh_vector_cli {
    const char *base;
    const char *queries;
    const char *truth;
    const char *filter;
    const char *index;
    const char *out;
    const char *hits;
    const char *append;
    uint64_t dim;
    uint64_t k;
    uint64_t threads;
    uint64_t build_threads;
    uint64_t rounds;
    uint64_t batch;
    uint64_t seed;
    uint64_t ef_construction;
    uint64_t memory_bytes;
    uint64_t keep_from; /* rows; 0 = the engine's */
    int metric;
    int kind;
    int preset;
    int rows_as;
    int rotation;
    int plan;
    int tier;
    int filter_kind;
    int rows_given;            /* --rows was on the command line */
    double filter_selectivity; /* 0 = no such filter */
    uint32_t ef[LH_VECTOR_POINTS];
    uint32_t ef_count;
    double recall[LH_VECTOR_POINTS];
    uint32_t recall_count;
} lh_vector_cli;

extern const lh_cli_option lh_vector_cli_options[];
extern const char *const lh_vector_kind_names[];   /* by lh_vector_kind */
extern const char *const lh_vector_metric_names[]; /* by lh_vector_metric */
/* LH_E_BAD_VALUE that names the option and what it takes. */
LH_WARN_UNUSED lh_rc lh_vector_cli_parse(lh_ctx *cx, const lh_cli_args *args, lh_vector_cli *ret);

#endif
