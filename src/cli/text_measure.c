/* text_measure.c - lines to a segment, with as many builders as threads; queries timed one by one,
 * from text to hits. */
#include "cli/text_measure.h"

#include "base/clock.h"
#include "base/hash.h"
#include "os/thread.h"

#include <stdlib.h>

enum { THREAD_STACK = 1 << 20 };
#define NS_PER_S 1e9

/* ---- lines ---- */

static lh_rc lines_of(lh_ctx *cx, lh_str text, lh_str_list *ret)
{
    size_t count = 0;
    for (const char *p = text.ptr, *end = p + text.len; p < end; count++) {
        const char *next = memchr(p, '\n', (size_t)(end - p));
        p = next ? next + 1 : end;
    }
    ret->items = lh_alloc_zero(count + 1, sizeof *ret->items);
    if (!ret->items)
        return lh_fail(cx, LH_E_NO_MEMORY, "%zu lines", count);
    lh_str rest = text;
    for (ret->count = 0; ret->count < count; ret->count++) {
        size_t len = lh_str_find_char(rest, '\n');
        lh_str line = lh_str_sub(rest, 0, len);
        rest = lh_str_from_offset(rest, len == LH_STR_NPOS ? rest.len : len + 1);
        ret->items[ret->count] = line;
    }
    return LH_OK;
}

void lh_text_bench_done(lh_text_bench *b)
{
    lh_text_searcher_free(b->searcher);
    lh_text_segment_close(b->segment);
    lh_map_close(&b->index_map);
    lh_map_close(&b->docs_map);
    lh_free(b->lines.items);
    if (b->index_is_ours && b->index_path.len > 0) {
        lh_arena *arena = lh_arena_new(0);
        lh_ctx cx;
        lh_ctx_init(&cx, arena);
        LH_IGNORE(lh_file_remove(&cx, b->index_path));
        lh_arena_free(arena);
    }
}

/* ---- build ---- */

typedef struct share {
    const lh_text_build_options *opts;
    const lh_str *lines;
    uint64_t first;
    uint64_t end;
    lh_text_builder *builder;
    lh_thread *thread;
    lh_arena *arena;
    lh_ctx cx;
    lh_rc rc;
} share;

static lh_rc add_lines(share *s)
{
    LH_TRY(lh_text_builder_new(&s->cx, s->opts, &s->builder));
    for (uint64_t i = s->first; i < s->end; i++) {
        lh_text_doc doc = {.row = i, .fields = &s->lines[i]};
        LH_TRY(lh_text_builder_add(&s->cx, s->builder, &doc));
    }
    return LH_OK;
}

static void build_share(void *arg)
{
    share *s = arg;
    s->rc = add_lines(s);
}

static lh_rc start_shares(lh_ctx *cx, const lh_text_bench *b, const lh_text_build_options *opts,
                          share *shares)
{
    for (uint32_t t = 0; t < b->threads; t++) {
        shares[t] = (share){.opts = opts,
                            .lines = b->lines.items,
                            .first = b->lines.count * t / b->threads,
                            .end = b->lines.count * (t + 1) / b->threads,
                            .arena = lh_arena_new(0)};
        if (!shares[t].arena)
            return lh_fail(cx, LH_E_NO_MEMORY, "arena of a builder");
        lh_ctx_init_child(&shares[t].cx, shares[t].arena, cx);
        if (t > 0)
            LH_TRY(lh_thread_start(cx, "text-build", THREAD_STACK, build_share, &shares[t],
                                   &shares[t].thread));
    }
    build_share(&shares[0]);
    return LH_OK;
}

static lh_rc join_shares(lh_ctx *cx, const lh_text_bench *b, share *shares, lh_rc rc)
{
    for (uint32_t t = 1; t < b->threads; t++)
        shares[t].thread = lh_thread_join(shares[t].thread);
    for (uint32_t t = 0; t < b->threads && rc == LH_OK; t++) {
        rc = shares[t].rc;
        if (rc != LH_OK)
            cx->err = shares[t].cx.err;
        else if (t > 0)
            rc = lh_text_builder_absorb(cx, shares[0].builder, shares[t].builder);
    }
    return rc;
}

static lh_rc write_index(lh_ctx *cx, lh_text_bench *b, lh_text_builder *builder, lh_str index)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    lh_str part = lh_ctx_fmt(cx, "%.*s.part", LH_STR_ARG(index));
    LH_TRY(lh_file_remove(cx, part));
    LH_TRY(lh_file_open(cx, part, LH_FILE_CREATE, &file));
    lh_rc rc = lh_text_builder_finish(cx, builder, lh_file_container_sink(file), &b->bytes_file);
    if (rc == LH_OK)
        rc = lh_file_sync(cx, file);
    if (rc == LH_OK)
        rc = lh_file_remove(cx, index);
    if (rc == LH_OK)
        rc = lh_file_move_new(cx, part, index);
    if (rc != LH_OK) {
        lh_err err = cx->err;
        LH_IGNORE(lh_file_remove(cx, part));
        cx->err = err;
    }
    return rc;
}

lh_rc lh_text_bench_build(lh_ctx *cx, lh_text_bench *b, lh_str docs, lh_str index)
{
    lh_text_field_options field = {.name = LH_S("text"),
                                   .flags = b->positions ? LH_TEXT_POSITIONS : 0};
    lh_text_build_options opts = {.fields = &field,
                                  .fields_count = 1,
                                  .analyzer = b->analyzer,
                                  .memory_bytes_max = b->memory_bytes_max,
                                  .scratch_path = lh_path_dir(index)};
    share *shares = LH_NEW_ARRAY(cx, share, b->threads);
    if (!shares)
        return cx->err.rc;
    LH_TRY(lh_map_open(cx, docs, &b->docs_map));
    LH_TRY(lines_of(cx, b->docs_map.bytes, &b->lines));
    int64_t begun = lh_clock_mono_ns();
    lh_rc rc = join_shares(cx, b, shares, start_shares(cx, b, &opts, shares));
    if (rc == LH_OK)
        rc = write_index(cx, b, shares[0].builder, index);
    b->build_s = (double)(lh_clock_mono_ns() - begun) / NS_PER_S;
    b->docs = (uint32_t)b->lines.count;
    for (uint32_t t = 0; t < b->threads; t++) {
        lh_text_builder_free(shares[t].builder);
        lh_arena_free(shares[t].arena);
    }
    return rc;
}

/* ---- open ---- */

lh_rc lh_text_bench_open(lh_ctx *cx, lh_text_bench *b, lh_str index, lh_str docs)
{
    b->index_path = index;
    if (docs.len > 0 && !b->docs_map.bytes.ptr) {
        LH_TRY(lh_map_open(cx, docs, &b->docs_map));
        LH_TRY(lines_of(cx, b->docs_map.bytes, &b->lines));
    }
    int64_t begun = lh_clock_mono_ns();
    LH_TRY(lh_map_open(cx, index, &b->index_map));
    LH_TRY(lh_text_segment_open(cx, b->index_map.bytes, &b->segment));
    lh_text_view view = {.segment = b->segment};
    LH_TRY(lh_text_searcher_new(cx, &view, 1, &b->searcher));
    b->open_s = (double)(lh_clock_mono_ns() - begun) / NS_PER_S;
    return LH_OK;
}

lh_str lh_text_bench_line(const lh_text_bench *b, uint64_t row)
{
    return row < b->lines.count ? b->lines.items[row] : LH_STR_NONE;
}

lh_rc lh_text_bench_node(lh_ctx *cx, const lh_text_bench *b, lh_str text, lh_text_node **ret_node)
{
    lh_text_node_kind kind =
        b->mode == LH_TEXT_MODE_PREFIX ? LH_TEXT_NODE_PREFIX : LH_TEXT_NODE_PHRASE;
    switch (b->mode) {
    case LH_TEXT_MODE_ANY: return lh_text_query_plain(cx, text, 0, ret_node);
    case LH_TEXT_MODE_ALL: return lh_text_query_plain(cx, text, LH_TEXT_ALL, ret_node);
    case LH_TEXT_MODE_QUERY: return lh_text_query_parse(cx, text, 0, ret_node);
    case LH_TEXT_MODE_PHRASE:
    case LH_TEXT_MODE_PREFIX: break;
    }
    *ret_node = lh_text_node_new(cx, kind, text);
    return *ret_node ? LH_OK : cx->err.rc;
}

/* ---- queries ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The same documents for every run: a hash decides. */
static uint64_t *make_filter(lh_ctx *cx, const lh_text_bench *b, uint32_t docs)
{
    uint64_t *bits = LH_NEW_ARRAY(cx, uint64_t, LH_TEXT_BITMAP_WORDS(docs) + 1);
    for (uint32_t d = 0; bits && d < docs; d++)
        if (lh_hash64(lh_str_n(&d, sizeof d), 0) % 100 < b->filter_percent)
            bits[d / 64] |= 1ull << (d % 64);
    return bits;
}

static lh_rc write_latencies(lh_ctx *cx, const lh_text_bench *b, const double *us, size_t count)
{
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_buf_init(&out, SIZE_MAX);
    for (size_t i = 0; i < count; i++)
        LH_TRY(lh_buf_printf(cx, &out, "%.0f\n", us[i] * 1e3));
    return lh_file_replace(cx, b->latencies, lh_buf_str(&out));
}

static lh_rc time_query(lh_arena *arena, const lh_text_bench *b, lh_str text,
                        const uint64_t *const *allow, double *ret_us, uint32_t *ret_hits)
{
    lh_ctx cx;
    lh_text_node *node;
    lh_text_result result;
    lh_arena_reset(arena);
    lh_ctx_init(&cx, arena);
    int64_t begun = lh_clock_mono_ns();
    LH_TRY(lh_text_bench_node(&cx, b, text, &node));
    lh_text_request request = {.query = node, .k = b->k, .allow = allow};
    LH_TRY(lh_text_search(&cx, b->searcher, &request, &result));
    *ret_us = (double)(lh_clock_mono_ns() - begun) / 1e3;
    *ret_hits = result.hits_count;
    return LH_OK;
}

/* The hits are those of the plan that scores every match. */
static lh_rc check_query(lh_ctx *cx, const lh_text_bench *b, lh_str text,
                         const uint64_t *const *allow)
{
    lh_text_node *node;
    lh_text_result fast;
    lh_text_result slow;
    LH_TRY(lh_text_bench_node(cx, b, text, &node));
    lh_text_request request = {.query = node, .k = b->k, .allow = allow};
    LH_TRY(lh_text_search(cx, b->searcher, &request, &fast));
    request.flags = LH_TEXT_EXHAUSTIVE;
    LH_TRY(lh_text_search(cx, b->searcher, &request, &slow));
    int same = fast.hits_count == slow.hits_count;
    for (uint32_t i = 0; same && i < fast.hits_count; i++)
        same = fast.hits[i].doc == slow.hits[i].doc && fast.hits[i].points == slow.hits[i].points;
    return same ? LH_OK : lh_fail(cx, LH_E_INTERNAL, "other hits than by scoring every match");
}

static lh_rc check_all(lh_ctx *cx, const lh_text_bench *b, const lh_str_list *queries,
                       const uint64_t *const *allow)
{
    lh_arena *arena = lh_arena_new(0);
    lh_rc rc = arena ? LH_OK : lh_fail(cx, LH_E_NO_MEMORY, "checking");
    for (size_t q = 0; q < queries->count && rc == LH_OK; q++) {
        lh_ctx own;
        lh_arena_reset(arena);
        lh_ctx_init(&own, arena);
        rc = check_query(&own, b, queries->items[q], allow);
        if (rc != LH_OK)
            LH_IGNORE(lh_fail(cx, rc, "query %zu: %s", q + 1, own.err.message));
    }
    lh_arena_free(arena);
    return rc;
}

static lh_rc time_all(lh_ctx *cx, const lh_text_bench *b, const lh_str_list *queries, double *us,
                      double *ret_hits)
{
    lh_text_segment_stats stats;
    lh_text_segment_stats_get(b->segment, &stats);
    const uint64_t *filter[1] = {b->filter_percent < 100 ? make_filter(cx, b, stats.docs) : NULL};
    if (b->check)
        LH_TRY(check_all(cx, b, queries, filter));
    double *rounds = LH_NEW_ARRAY(cx, double, b->rounds);
    lh_arena *arena = lh_arena_new(0);
    lh_rc rc = rounds && arena ? LH_OK : lh_fail(cx, LH_E_NO_MEMORY, "timing");
    uint64_t hits = 0;
    for (size_t q = 0; q < queries->count && rc == LH_OK; q++) {
        uint32_t found = 0;
        for (uint32_t r = 0; r < b->rounds && rc == LH_OK; r++)
            rc = time_query(arena, b, queries->items[q], filter, &rounds[r], &found);
        if (rc != LH_OK) {
            lh_ctx again; /* the arena that had the message is gone with it: say it once more */
            lh_ctx_init(&again, cx->arena);
            lh_text_node *node;
            LH_IGNORE(lh_text_bench_node(&again, b, queries->items[q], &node));
            lh_arena_free(arena);
            return lh_fail(cx, rc, "query %zu cannot be answered: %s", q + 1, again.err.message);
        }
        qsort(rounds, b->rounds, sizeof *rounds, by_value);
        us[q] = rounds[b->rounds / 2];
        hits += found;
    }
    lh_arena_free(arena);
    *ret_hits = queries->count ? (double)hits / (double)queries->count : 0;
    return rc;
}

lh_rc lh_text_bench_run(lh_ctx *cx, lh_text_bench *b, lh_str path, lh_text_times *ret)
{
    lh_map map = {{NULL, 0}};
    lh_str_list queries = {NULL, 0};
    *ret = (lh_text_times){0};
    LH_TRY(lh_map_open(cx, path, &map));
    lh_rc rc = lines_of(cx, map.bytes, &queries);
    double *us = LH_NEW_ARRAY(cx, double, queries.count + 1);
    if (rc == LH_OK && !us)
        rc = cx->err.rc;
    if (rc == LH_OK)
        rc = time_all(cx, b, &queries, us, &ret->hits_mean);
    if (rc == LH_OK && b->latencies.len > 0)
        rc = write_latencies(cx, b, us, queries.count);
    size_t n = queries.count;
    lh_free(queries.items);
    lh_map_close(&map);
    if (rc != LH_OK || n == 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        ret->mean_us += us[i] / (double)n;
    qsort(us, n, sizeof *us, by_value);
    ret->queries = n;
    ret->p50_us = us[n / 2];
    ret->p95_us = us[n * 95 / 100];
    ret->p99_us = us[n * 99 / 100];
    return LH_OK;
}
