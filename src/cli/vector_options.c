/* vector_options.c - parses the options of `lakehouse vector` from two tables: names and
 * numbers. */
#include "cli/vector_options.h"

#include "base/num.h"
#include "os/process.h"

const lh_cli_option lh_vector_cli_options[] = {
    {"base", 'b', "F.f32", "rows to index: raw little-endian float32"},
    {"dim", 'd', "D", "values in a row"},
    {"queries", 'q', "F.f32", "search, bench: what to look for"},
    {"index", 'x', "FILE", "search, bench: a segment that was built before"},
    {"out", 'o', "FILE", "build: segment to write; bench: keep what was built"},
    {"k", 'k', "N", "answers of a query; 10 by default"},
    {"kind", 0, "KIND", "auto (default), flat, graph, ivf or exact"},
    {"metric", 0, "NAME", "cosine (default), dot or euclidean"},
    {"preset", 0, "NAME", "quality (default) or fresh: a faster build"},
    {"rows", 0, "AS", "rows in the segment: f32, f16, bf16 or external (read from --base)"},
    {"rotation", 0, "HOW", "auto (default), on or off"},
    {"seed", 0, "N", "of leaders and rotation"},
    {"ef-construction", 0, "N", "10 to 400 instead of the preset's"},
    {"memory", 0, "SIZE", "of a build, beside the rows; twice the index by default"},
    {"build-threads", 0, "N", "of a build; all by default"},
    {"keep-from", 0, "ROWS",
     "build: so many rows are gone on with after a kill; 250000 by default"},
    {"threads", 't', "N", "that search; 1 by default"},
    {"ef", 0, "10,20,..", "efforts to try"},
    {"recall", 0, "0.9,0.99,..", "recalls to aim at, instead of --ef"},
    {"plan", 0, "PLAN", "auto (default), exact, scan, flat, graph or ivf"},
    {"tier", 0, "TIER", "codes to search: b1, i4 or f32; chosen by default"},
    {"truth", 0, "F.i32", "right answers; computed when not given"},
    {"filter", 0, "FILE", "a bit for each row: may it be an answer"},
    {"filter-selectivity", 0, "F", "only a share of the rows may be answers"},
    {"filter-kind", 0, "KIND", "random (default) or correlated: the rows nearest to one"},
    {"rounds", 0, "N", "passes of which the median is printed; 1 by default"},
    {"batch", 0, "N", "queries in one call; one by one by default"},
    {"append", 0, "F.f32", "bench: also time an append of these rows to a set of --base"},
    {"hits", 0, "F.i32", "search: write row numbers there, not JSON"},
    {0}};

const char *const lh_vector_kind_names[] = {"auto", "flat", "graph", "ivf", "exact", NULL};
const char *const lh_vector_metric_names[] = {"cosine", "dot", "euclidean", NULL};
static const char *const preset_names[] = {"quality", "fresh", NULL};
static const char *const rows_names[] = {"f32", "f16", "bf16", "external", NULL};
static const char *const rotation_names[] = {"auto", "off", "on", NULL};
static const char *const plan_names[] = {"auto", "exact", "scan", "flat", "graph", "ivf", NULL};
static const char *const tier_names[] = {"auto", "b1", "i4", "f32", NULL};
static const char *const filter_names[] = {"random", "correlated", NULL};

typedef struct name_row {
    const char *option;
    const char *const *names;
    size_t offset; /* of an int of lh_vector_cli: index of the name */
} name_row;
static const name_row name_rows[] = {
    {"kind", lh_vector_kind_names, offsetof(lh_vector_cli, kind)},
    {"metric", lh_vector_metric_names, offsetof(lh_vector_cli, metric)},
    {"preset", preset_names, offsetof(lh_vector_cli, preset)},
    {"rows", rows_names, offsetof(lh_vector_cli, rows_as)},
    {"rotation", rotation_names, offsetof(lh_vector_cli, rotation)},
    {"plan", plan_names, offsetof(lh_vector_cli, plan)},
    {"tier", tier_names, offsetof(lh_vector_cli, tier)},
    {"filter-kind", filter_names, offsetof(lh_vector_cli, filter_kind)},
    {0}};

typedef struct number_row {
    const char *option;
    size_t offset; /* of a uint64_t of lh_vector_cli */
    uint64_t def;
    uint64_t min;
    uint64_t max;
} number_row;
static const number_row number_rows[] = {
    {"dim", offsetof(lh_vector_cli, dim), 0, 1, LH_VECTOR_DIMENSIONS_MAX},
    {"k", offsetof(lh_vector_cli, k), 10, 1, LH_VECTOR_K_MAX},
    {"threads", offsetof(lh_vector_cli, threads), 1, 1, 64},
    {"build-threads", offsetof(lh_vector_cli, build_threads), 0, 1, 64},
    {"rounds", offsetof(lh_vector_cli, rounds), 1, 1, 1000},
    {"batch", offsetof(lh_vector_cli, batch), 0, 1, 256},
    {"seed", offsetof(lh_vector_cli, seed), 0, 0, UINT64_MAX},
    {"keep-from", offsetof(lh_vector_cli, keep_from), LH_VECTOR_KEEP_ROWS_MIN, 1,
     LH_VECTOR_ROWS_MAX},
    {"ef-construction", offsetof(lh_vector_cli, ef_construction), 0, LH_VECTOR_EF_CONSTRUCTION_MIN,
     LH_VECTOR_EF_CONSTRUCTION_MAX},
    {0}};

enum { EF_MIN = 10, EF_MAX = 4096 };
#define RECALL_MIN 0.01

static lh_rc parse_names(lh_ctx *cx, const lh_cli_args *args, lh_vector_cli *o)
{
    for (const name_row *row = name_rows; row->option; row++) {
        const char *given = lh_cli_get(args, row->option);
        int *value = (int *)(void *)((char *)o + row->offset);
        if (!given)
            continue;
        while (row->names[*value] &&
               !lh_str_eq(lh_str_from(row->names[*value]), lh_str_from(given)))
            ++*value;
        if (row->names[*value])
            continue;
        LH_IGNORE(lh_fail(cx, LH_E_BAD_VALUE, "--%s '%s'", row->option, given));
        lh_str known = LH_STR_NONE;
        for (int i = 0; row->names[i]; i++)
            known = i ? lh_ctx_fmt(cx, "%.*s, %s", LH_STR_ARG(known), row->names[i])
                      : lh_str_from(row->names[i]);
        return lh_err_hint(cx, "one of %.*s", LH_STR_ARG(known));
    }
    return LH_OK;
}

static lh_rc parse_numbers(lh_ctx *cx, const lh_cli_args *args, lh_vector_cli *o)
{
    for (const number_row *row = number_rows; row->option; row++) {
        const char *given = lh_cli_get(args, row->option);
        uint64_t *value = (uint64_t *)(void *)((char *)o + row->offset);
        *value = row->def;
        if (given &&
            (!lh_parse_u64(lh_str_from(given), value) || *value < row->min || *value > row->max))
            return lh_fail(cx, LH_E_BAD_VALUE, "--%s '%s'; a number from %llu to %llu", row->option,
                           given, (unsigned long long)row->min, (unsigned long long)row->max);
    }
    if (o->build_threads == 0)
        o->build_threads = lh_machine_cpus();
    return LH_OK;
}

typedef struct number_list {
    double min;
    double max;
    double values[LH_VECTOR_POINTS];
    uint32_t count;
} number_list;

/* "10,20,40": the parts, each a number between the limits. */
static lh_rc parse_list(lh_ctx *cx, const lh_cli_args *args, const char *option, number_list *list)
{
    const char *given = lh_cli_get(args, option);
    lh_str rest = given ? lh_str_from(given) : LH_STR_NONE;
    lh_str part;
    while (given && lh_str_split_next(&rest, ',', &part)) {
        if (list->count == LH_VECTOR_POINTS)
            return lh_fail(cx, LH_E_TOO_LARGE, "--%s: more than %d numbers", option,
                           LH_VECTOR_POINTS);
        double *value = &list->values[list->count++];
        if (!lh_parse_f64(part, value) || *value < list->min || *value > list->max)
            return lh_fail(cx, LH_E_BAD_VALUE,
                           "--%s '%s'; numbers from %g to %g with commas between", option, given,
                           list->min, list->max);
    }
    return LH_OK;
}

static lh_rc parse_effort(lh_ctx *cx, const lh_cli_args *args, lh_vector_cli *o)
{
    number_list ef = {.min = EF_MIN, .max = EF_MAX};
    number_list recall = {.min = RECALL_MIN, .max = 1};
    number_list share = {.min = 0, .max = 1};
    LH_TRY(parse_list(cx, args, "ef", &ef));
    LH_TRY(parse_list(cx, args, "recall", &recall));
    LH_TRY(parse_list(cx, args, "filter-selectivity", &share));
    if (ef.count > 0 && recall.count > 0)
        return lh_fail(cx, LH_E_BAD_VALUE, "--ef and --recall: one of them");
    if (share.count > 1)
        return lh_fail(cx, LH_E_BAD_VALUE, "--filter-selectivity takes one number");
    for (uint32_t i = 0; i < ef.count; i++)
        o->ef[i] = (uint32_t)ef.values[i];
    memcpy(o->recall, recall.values, sizeof o->recall);
    o->ef_count = ef.count;
    o->recall_count = recall.count;
    o->filter_selectivity = share.count ? share.values[0] : 0;
    return LH_OK;
}

lh_rc lh_vector_cli_parse(lh_ctx *cx, const lh_cli_args *args, lh_vector_cli *ret)
{
    *ret = (lh_vector_cli){.base = lh_cli_get(args, "base"),
                           .queries = lh_cli_get(args, "queries"),
                           .truth = lh_cli_get(args, "truth"),
                           .filter = lh_cli_get(args, "filter"),
                           .index = lh_cli_get(args, "index"),
                           .out = lh_cli_get(args, "out"),
                           .hits = lh_cli_get(args, "hits"),
                           .append = lh_cli_get(args, "append"),
                           .rows_given = lh_cli_has(args, "rows")};
    const char *memory = lh_cli_get(args, "memory");
    LH_TRY(parse_names(cx, args, ret));
    LH_TRY(parse_numbers(cx, args, ret));
    LH_TRY(parse_effort(cx, args, ret));
    if (memory && !lh_parse_size(lh_str_from(memory), &ret->memory_bytes))
        return lh_fail(cx, LH_E_BAD_VALUE, "--memory '%s'; a size such as 512MiB", memory);
    if (ret->filter && ret->filter_selectivity > 0)
        return lh_fail(cx, LH_E_BAD_VALUE, "--filter and --filter-selectivity: one of them");
    return LH_OK;
}
