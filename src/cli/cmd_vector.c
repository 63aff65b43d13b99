/* cli/cmd_vector.c - `lakehouse vector build|search|bench`: the vector engine on raw files, without
 * a server. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/json_write.h"
#include "base/num.h"
#include "cli/vector_append.h"
#include "cli/vector_build_file.h"
#include "cli/vector_measure.h"
#include "cli/vector_options.h"
#include "os/process.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINE_BYTES_MAX = 64 << 20 };
#define NS_PER_S 1e9

/* Everything a call has open. */
typedef struct vector_run {
    const lh_vector_cli *o;
    lh_f32_rows base;
    lh_f32_rows queries;
    lh_map segment;
    lh_vector_index *index;
    lh_vector_stats stats;
    const lh_bitmap *filter;
    double build_s; /* < 0: not built by this call */
    double open_ms;
    uint64_t hash; /* of the segment's bytes */
} vector_run;

static void run_done(vector_run *run)
{
    run->index = lh_vector_index_close(run->index);
    lh_map_close(&run->segment);
    lh_f32_rows_close(&run->base);
    lh_f32_rows_close(&run->queries);
}
LH_DEFINE_CLEANUP_VALUE(vector_run, run_done)

/* ---- open ---- */

static lh_str scratch_path(lh_ctx *cx)
{
    const char *folder = getenv("TMPDIR");
    unsigned char random[8];
    char name[2 * sizeof random];
    if (lh_random_bytes(cx, random, sizeof random) != LH_OK)
        return LH_STR_NONE;
    lh_hex_text(random, sizeof random, name);
    return lh_ctx_fmt(cx, "%s/lakehouse-vector-%.*s.lhv", folder && folder[0] ? folder : "/tmp",
                      (int)sizeof name, name);
}

static lh_rc open_index(lh_ctx *cx, vector_run *run)
{
    int64_t begun = lh_clock_mono_ns();
    lh_rc rc = run->base.values ? lh_vector_index_open_external(cx, run->segment.bytes,
                                                                run->base.map.bytes, &run->index)
                                : lh_vector_index_open(cx, run->segment.bytes, &run->index);
    if (rc == LH_E_BAD_VALUE && run->base.values) /* it has rows of its own */
        rc = lh_vector_index_open(cx, run->segment.bytes, &run->index);
    LH_TRY(rc);
    run->open_ms = (double)(lh_clock_mono_ns() - begun) / NS_PER_S * 1e3;
    lh_vector_index_stats(run->index, &run->stats);
    run->hash = lh_hash64(run->segment.bytes, 0);
    lh_vector_index_trim(run->index);
    if (run->stats.dimensions != run->o->dim)
        return lh_fail(cx, LH_E_BAD_VALUE, "--dim %llu, the segment has %u dimensions",
                       (unsigned long long)run->o->dim, run->stats.dimensions);
    if (run->base.values && run->stats.rows != run->base.rows)
        return lh_fail(cx, LH_E_BAD_VALUE, "--base has %llu rows, the segment %llu",
                       (unsigned long long)run->base.rows, (unsigned long long)run->stats.rows);
    return LH_OK;
}

static lh_rc open_segment(lh_ctx *cx, vector_run *run, lh_str path)
{
    LH_TRY(lh_map_open(cx, path, &run->segment));
    return open_index(cx, run);
}

static lh_rc make_filter(lh_ctx *cx, vector_run *run)
{
    const lh_vector_cli *o = run->o;
    const uint64_t rows = run->stats.rows;
    lh_bitmap *bitmap = NULL;
    if (o->filter)
        LH_TRY(lh_vector_bitmap_read(cx, o->filter, rows, &bitmap));
    if (o->filter_selectivity > 0 && o->filter_kind == LH_FILTER_CORRELATED) {
        lh_vector_exact exact = {
            .base = &run->base, .queries = &run->queries, .metric = (lh_vector_metric)o->metric};
        if (!run->base.values || rows == 0)
            return lh_fail(cx, LH_E_BAD_VALUE, "--filter-kind correlated needs --base with rows");
        LH_TRY(lh_vector_nearest_rows(cx, &exact, rows / 2,
                                      (uint64_t)(o->filter_selectivity * (double)rows), &bitmap));
    } else if (o->filter_selectivity > 0) {
        LH_TRY(lh_vector_bitmap_new(cx, rows, &bitmap));
        for (uint64_t row = 0; row < rows; row++) {
            uint64_t dice = lh_hash64(lh_str_n(&row, sizeof row), 1);
            if ((double)dice < o->filter_selectivity * (double)UINT64_MAX)
                lh_bitmap_set(bitmap, row);
        }
    }
    run->filter = bitmap;
    return LH_OK;
}

/* Files of the options, then the segment: --index, or built here. */
static lh_rc open_all(lh_ctx *cx, vector_run *run)
{
    const lh_vector_cli *o = run->o;
    if (o->base)
        LH_TRY(lh_f32_rows_open(cx, "base", o->base, (uint32_t)o->dim, &run->base));
    LH_TRY(lh_f32_rows_open(cx, "queries", o->queries, (uint32_t)o->dim, &run->queries));
    if (o->index) {
        LH_TRY(open_segment(cx, run, lh_str_from(o->index)));
    } else {
        lh_str path = o->out ? lh_str_from(o->out) : scratch_path(cx);
        if (path.len == 0)
            return cx->err.rc;
        LH_TRY(lh_vector_build_file(cx, o, &run->base, path, &run->build_s));
        lh_rc rc = open_segment(cx, run, path);
        if (!o->out) { /* the mapping outlives the name */
            lh_err err = cx->err;
            LH_IGNORE(lh_file_remove(cx, path));
            cx->err = err;
        }
        LH_TRY(rc);
    }
    return make_filter(cx, run);
}

/* ---- what is printed ---- */

static lh_str cpu_name(lh_ctx *cx)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    static const char KEY[] = "model name";
    char *text = LH_NEW_ARRAY(cx, char, 4096);
    size_t got;
    if (!text || lh_file_open(cx, LH_S("/proc/cpuinfo"), LH_FILE_READ, &file) != LH_OK ||
        lh_file_read(cx, file, text, 4096, &got) != LH_OK)
        return LH_S("unknown");
    size_t at = lh_str_find(lh_str_n(text, got), lh_str_from(KEY));
    if (at == LH_STR_NPOS)
        return LH_S("unknown");
    lh_str line = lh_str_from_offset(lh_str_n(text, got), at + sizeof KEY - 1);
    line = lh_str_sub(line, 0, LH_MIN(lh_str_find_char(line, '\n'), line.len));
    size_t colon = lh_str_find_char(line, ':');
    return lh_str_trim(colon == LH_STR_NPOS ? line : lh_str_from_offset(line, colon + 1));
}

static void write_segment(lh_json_writer *w, lh_ctx *cx, const vector_run *run)
{
    const lh_vector_stats *s = &run->stats;
    lh_jw_kv_str(w, LH_S("kind"), lh_str_from(s->kind));
    lh_jw_kv_str(w, LH_S("tier"), lh_str_from(s->tiers));
    lh_jw_kv_u64(w, LH_S("n"), s->rows);
    lh_jw_kv_u64(w, LH_S("dim"), s->dimensions);
    lh_jw_kv_str(w, LH_S("metric"), lh_str_from(s->metric));
    lh_jw_kv_str(w, LH_S("preset"), lh_str_from(s->preset));
    lh_jw_kv_str(w, LH_S("rows_as"), lh_str_from(s->rows_as));
    if (run->build_s < 0)
        lh_jw_kv_null(w, LH_S("build_s"));
    else
        lh_jw_kv_f64(w, LH_S("build_s"), run->build_s);
    lh_jw_kv_f64(w, LH_S("open_ms"), run->open_ms);
    lh_jw_kv_u64(w, LH_S("bytes_resident"), s->bytes_resident);
    lh_jw_kv_u64(w, LH_S("bytes_mapped"), s->bytes_mapped);
    lh_jw_kv_u64(w, LH_S("bytes_file"), s->bytes_file);
    lh_jw_kv_str(w, LH_S("simd"), lh_str_from(s->simd));
    lh_jw_kv_str(w, LH_S("hash"), lh_ctx_fmt(cx, "%016llx", (unsigned long long)run->hash));
    lh_jw_kv_str(w, LH_S("cpu"), cpu_name(cx));
}

/* Begins a line of JSON in out; end_line prints it. */
static void begin_line(lh_ctx *cx, lh_json_writer *w, lh_buf *out)
{
    lh_buf_truncate(out, 0);
    lh_jw_init(w, cx, out);
    lh_jw_object_begin(w);
}

static lh_rc end_line(lh_ctx *cx, lh_json_writer *w, lh_buf *out)
{
    lh_jw_object_end(w);
    LH_TRY(lh_jw_end(w));
    LH_TRY(lh_buf_append_char(cx, out, '\n'));
    lh_cli_out(lh_buf_str(out));
    return fflush(stdout) == 0 ? LH_OK : lh_fail(cx, LH_E_IO, "standard output was closed");
}

/* ---- vector build ---- */

static lh_rc run_build(lh_ctx *cx, const lh_vector_cli *o)
{
    LH_CLEANUP(run_done) vector_run run = {.o = o, .build_s = -1};
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_json_writer w;
    lh_buf_init(&out, LINE_BYTES_MAX);
    LH_TRY(lh_f32_rows_open(cx, "base", o->base, (uint32_t)o->dim, &run.base));
    LH_TRY(lh_vector_build_kept(cx, o, &run.base, lh_str_from(o->out), &run.build_s));
    LH_TRY(open_segment(cx, &run, lh_str_from(o->out)));
    begin_line(cx, &w, &out);
    write_segment(&w, cx, &run);
    lh_jw_kv_u64(&w, LH_S("threads"), o->build_threads);
    return end_line(cx, &w, &out);
}

/* ---- vector search ---- */

static lh_vector_plan plan_of(const lh_vector_cli *o, const lh_vector_stats *stats)
{
    switch (o->tier) {
    case LH_TIER_B1: return LH_VECTOR_PLAN_FLAT;
    case LH_TIER_I4: return stats->degree > 0 ? LH_VECTOR_PLAN_GRAPH : LH_VECTOR_PLAN_SCAN;
    case LH_TIER_F32: return LH_VECTOR_PLAN_EXACT;
    default: return (lh_vector_plan)o->plan;
    }
}

static lh_vector_measure measure_of(const vector_run *run)
{
    const lh_vector_cli *o = run->o;
    return (lh_vector_measure){
        .index = run->index,
        .queries = &run->queries,
        .threads = (uint32_t)o->threads,
        .rounds = (uint32_t)o->rounds,
        .batch = (uint32_t)o->batch,
        .query = {.k = (uint32_t)o->k, .filter = run->filter, .plan = plan_of(o, &run->stats)}};
}

static void set_point(const lh_vector_cli *o, uint32_t point, lh_vector_query *query)
{
    query->ef_search = point < o->ef_count ? o->ef[point] : 0;
    query->recall = point < o->recall_count ? (float)o->recall[point] : 0;
}

static lh_rc write_hits(lh_ctx *cx, const lh_vector_measure *m, const char *path)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    int32_t *ids = LH_NEW_ARRAY(cx, int32_t, m->query.k);
    if (!ids)
        return cx->err.rc;
    LH_TRY(lh_file_open(cx, lh_str_from(path), LH_FILE_CREATE, &file));
    for (uint64_t q = 0; q < m->queries->rows; q++) {
        for (uint32_t i = 0; i < m->query.k; i++)
            ids[i] = i < m->counts[q] ? (int32_t)m->hits[q * m->query.k + i].row : -1;
        LH_TRY(lh_file_write(cx, file, lh_str_n(ids, m->query.k * sizeof *ids)));
    }
    return LH_OK;
}

static lh_rc print_hits(lh_ctx *cx, const lh_vector_measure *m)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, LINE_BYTES_MAX);
    for (uint64_t q = 0; q < m->queries->rows; q++) {
        lh_json_writer w;
        begin_line(cx, &w, &out);
        lh_jw_kv_u64(&w, LH_S("query"), q);
        lh_jw_kv_str(&w, LH_S("plan"), lh_str_from(m->stats[q].plan));
        lh_jw_key(&w, LH_S("hits"));
        lh_jw_array_begin(&w);
        for (uint32_t i = 0; i < m->counts[q]; i++) {
            const lh_vector_hit *hit = &m->hits[q * m->query.k + i];
            char score[LH_F64_TEXT_MAX];
            lh_jw_object_begin(&w);
            lh_jw_kv_u64(&w, LH_S("row"), hit->row);
            lh_jw_key(&w, LH_S("score"));
            lh_jw_raw(&w, lh_str_n(score, lh_f32_text(hit->score, score)));
            lh_jw_object_end(&w);
        }
        lh_jw_array_end(&w);
        LH_TRY(end_line(cx, &w, &out));
    }
    return LH_OK;
}

static lh_rc run_search(lh_ctx *cx, const lh_vector_cli *o)
{
    LH_CLEANUP(run_done) vector_run run = {.o = o, .build_s = -1};
    LH_CLEANUP(lh_vector_measure_done) lh_vector_measure m = {.index = NULL};
    lh_vector_timing timing;
    LH_TRY(open_all(cx, &run));
    m = measure_of(&run);
    set_point(o, 0, &m.query);
    LH_TRY(lh_vector_measure_init(cx, &m));
    LH_TRY(lh_vector_measure_run(cx, &m, 0, &timing));
    return o->hits ? write_hits(cx, &m, o->hits) : print_hits(cx, &m);
}

/* ---- vector bench ---- */

static lh_rc find_truth(lh_ctx *cx, const vector_run *run, const lh_vector_exact *exact,
                        lh_vector_truth *ret_truth)
{
    LH_CLEANUP(lh_vector_neighbours_close) lh_vector_neighbours given = {.width = 0};
    if (!run->o->truth)
        return lh_vector_truth_find(cx, exact, (uint32_t)run->o->k, ret_truth);
    LH_TRY(lh_vector_neighbours_open(cx, run->o->truth, run->queries.rows, run->base.rows, &given));
    return lh_vector_truth_from(cx, exact, (uint32_t)run->o->k, &given, ret_truth);
}

static void write_point(lh_json_writer *w, const vector_run *run, const lh_vector_measure *m,
                        const lh_vector_timing *timing)
{
    static const lh_vector_search_stats NOTHING = {.plan = "none"};
    const lh_vector_search_stats *first = run->queries.rows > 0 ? &m->stats[0] : &NOTHING;
    lh_jw_kv_u64(w, LH_S("k"), m->query.k);
    lh_jw_kv_u64(w, LH_S("ef"), m->query.ef_search ? m->query.ef_search : first->ef);
    if (m->query.recall > 0) {
        char wanted[LH_F64_TEXT_MAX];
        lh_jw_key(w, LH_S("recall_wanted"));
        lh_jw_raw(w, lh_str_n(wanted, lh_f32_text(m->query.recall, wanted)));
    }
    lh_jw_kv_str(w, LH_S("plan"), lh_str_from(first->plan));
    lh_jw_kv_str(w, LH_S("why"), lh_str_from(first->why));
    lh_jw_kv_f64(w, LH_S("p50_us"), timing->p50_us);
    lh_jw_kv_f64(w, LH_S("p95_us"), timing->p95_us);
    lh_jw_kv_f64(w, LH_S("p99_us"), timing->p99_us);
    lh_jw_kv_f64(w, LH_S("qps"), timing->qps);
    lh_jw_kv_f64(w, LH_S("evaluations_mean"), lh_vector_measure_evaluations(m));
    lh_jw_kv_u64(w, LH_S("queries"), run->queries.rows);
    lh_jw_kv_u64(w, LH_S("threads"), m->threads);
    lh_jw_kv_u64(w, LH_S("rounds"), m->rounds);
    if (m->batch > 0)
        lh_jw_kv_u64(w, LH_S("batch"), m->batch);
    if (run->filter)
        lh_jw_kv_u64(w, LH_S("filter_rows"), lh_vector_bitmap_count(run->filter));
}

static lh_rc bench_points(lh_ctx *cx, const vector_run *run, const lh_vector_truth *truth)
{
    const lh_vector_cli *o = run->o;
    LH_CLEANUP(lh_vector_measure_done) lh_vector_measure m = measure_of(run);
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, LINE_BYTES_MAX);
    LH_TRY(lh_vector_measure_init(cx, &m));
    const uint32_t points = LH_MAX(LH_MAX(o->ef_count, o->recall_count), 1u);
    for (uint32_t point = 0; point < points; point++) {
        lh_vector_timing timing;
        lh_json_writer w;
        set_point(o, point, &m.query);
        LH_TRY(lh_vector_measure_run(cx, &m, 1, &timing));
        begin_line(cx, &w, &out);
        write_segment(&w, cx, run);
        write_point(&w, run, &m, &timing);
        lh_jw_kv_f64(&w, LH_S("recall_at_k"), lh_vector_measure_recall(&m, truth));
        LH_TRY(end_line(cx, &w, &out));
    }
    return LH_OK;
}

static lh_rc bench_append(lh_ctx *cx, const vector_run *run)
{
    const lh_vector_cli *o = run->o;
    LH_CLEANUP(lh_f32_rows_close) lh_f32_rows more = {.rows = 0};
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_json_writer w;
    lh_vector_append a = {.folder = scratch_path(cx),
                          .base = &run->base,
                          .more = &more,
                          .options = {.dimensions = (uint32_t)o->dim,
                                      .metric = (lh_vector_metric)o->metric,
                                      .threads = (uint32_t)o->build_threads}};
    lh_buf_init(&out, LINE_BYTES_MAX);
    LH_TRY(lh_f32_rows_open(cx, "append", o->append, (uint32_t)o->dim, &more));
    LH_TRY(lh_vector_append_measure(cx, &a));
    begin_line(cx, &w, &out);
    lh_jw_kv_u64(&w, LH_S("n"), run->base.rows);
    lh_jw_kv_u64(&w, LH_S("append_rows"), more.rows);
    lh_jw_kv_f64(&w, LH_S("append_s"), a.append_s);
    lh_jw_kv_f64(&w, LH_S("first_search_us"), a.search_us);
    lh_jw_kv_bool(&w, LH_S("found"), a.found);
    lh_jw_kv_u64(&w, LH_S("segments"), a.segments);
    return end_line(cx, &w, &out);
}

static lh_rc run_bench(lh_ctx *cx, const lh_vector_cli *o)
{
    LH_CLEANUP(run_done) vector_run run = {.o = o, .build_s = -1};
    LH_CLEANUP(lh_vector_truth_done) lh_vector_truth truth = {.k = 0};
    LH_TRY(open_all(cx, &run));
    lh_vector_exact exact = {.base = &run.base,
                             .queries = &run.queries,
                             .metric = (lh_vector_metric)o->metric,
                             .filter = run.filter,
                             .threads = (uint32_t)o->build_threads};
    LH_TRY(find_truth(cx, &run, &exact, &truth));
    LH_TRY(bench_points(cx, &run, &truth));
    return o->append ? bench_append(cx, &run) : LH_OK;
}

/* ---- the command ---- */

typedef struct vector_verb {
    const char *name;
    const char *needs[3]; /* options that must be given */
    lh_rc (*run)(lh_ctx *cx, const lh_vector_cli *o);
} vector_verb;
static const vector_verb verbs[] = {{"build", {"base", "dim", "out"}, run_build},
                                    {"search", {"queries", "dim", NULL}, run_search},
                                    {"bench", {"base", "queries", "dim"}, run_bench},
                                    {0}};

int lh_cmd_vector(lh_ctx *cx, const lh_cli_args *args)
{
    lh_vector_cli o;
    const vector_verb *verb = verbs;
    const char *name = args->rest_count > 0 ? args->rest[0] : "";
    while (verb->name && !lh_str_eq(lh_str_from(verb->name), lh_str_from(name)))
        verb++;
    if (!verb->name || args->rest_count != 1)
        return lh_cli_usage(NULL, "vector: say `vector build`, `vector search` or `vector bench`");
    for (size_t i = 0; i < LH_ARRAY_LEN(verb->needs) && verb->needs[i]; i++)
        if (!lh_cli_has(args, verb->needs[i]))
            return lh_cli_usage(NULL, "vector %s needs --%s", verb->name, verb->needs[i]);
    if (verb->run == run_search && !lh_cli_has(args, "index") && !lh_cli_has(args, "base"))
        return lh_cli_usage(NULL, "vector search needs --index or --base");
    if (lh_vector_cli_parse(cx, args, &o) != LH_OK)
        return (void)lh_cli_failed(cx), LH_EXIT_USAGE;
    return verb->run(cx, &o) == LH_OK ? LH_EXIT_DONE : lh_cli_failed(cx);
}
