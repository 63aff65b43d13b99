/* _vector_life.c - vector sets for bench/vector_life: appends, and searches beside everything that
 * changes a set. links: vector
 *
 *   _vector_life append DIR BASE.f32 MORE.f32 DIM
 *       a set of BASE in one merged segment; then for each line on stdin: MORE appended, timed
 *       until it returned (searchable and durable); checked; taken out again, untimed
 *   _vector_life pause DIR BASE.f32 QUERIES.f32 DIM WINDOWS MS
 *       windows of MS milliseconds of searches on one thread, by turns quiet and while another
 *       thread appends, upserts and deletes, and merges and swaps go on
 *
 * Replies are lines of JSON. */
#include "_life.h"
#include "base/num.h"
#include "os/file.h"
#include "vector/vector_set.h"

enum { K = 10, LOAD_ROWS = 50000, CHANGE_ROWS = 500 };

typedef struct rows {
    lh_map map;
    const float *floats;
    size_t count;
} rows;

typedef struct bench {
    lh_ctx cx;
    uint32_t dimensions;
    lh_vector_set *set;
    rows base;
    rows queries;
} bench;

static lh_rc open_rows(lh_ctx *cx, const char *path, uint32_t dimensions, rows *ret)
{
    LH_TRY(lh_map_open(cx, lh_str_from(path), &ret->map));
    ret->floats = (const float *)(const void *)ret->map.bytes.ptr;
    ret->count = ret->map.bytes.len / sizeof(float) / dimensions;
    return LH_OK;
}

static lh_rc put(lh_ctx *cx, const bench *b, const rows *from, size_t first, size_t count,
                 uint64_t id)
{
    uint64_t *ids = LH_NEW_ARRAY(cx, uint64_t, count);
    if (!ids)
        return cx->err.rc;
    for (size_t i = 0; i < count; i++)
        ids[i] = id + i;
    lh_vector_rows what = {ids, from->floats + first * b->dimensions, count};
    return lh_vector_set_upsert(cx, b->set, &what);
}

static lh_rc load(bench *b, const char *dir, uint32_t flags)
{
    static lh_segset_folder folder;
    static lh_segset_home home;
    uint64_t merged;
    lh_vector_set_options opts = {.build = {.dimensions = b->dimensions, .seed = 42, .threads = 2},
                                  .flags = flags};
    folder.dir = lh_str_from(dir);
    LH_TRY(lh_segset_home_folder(&b->cx, &folder, &home));
    LH_TRY(lh_vector_set_open(&b->cx, &home, &opts, &b->set));
    for (size_t at = 0; at < b->base.count; at += LOAD_ROWS)
        LH_TRY(put(&b->cx, b, &b->base, at, LH_MIN(b->base.count - at, (size_t)LOAD_ROWS), at));
    return lh_vector_set_merge(&b->cx, b->set, LH_SEGSET_MERGE_ALL, &merged);
}

/* ---- append ---- */

static lh_rc check_found(bench *b, const rows *more, size_t at, uint64_t id)
{
    lh_vector_set_query query = {.vector = more->floats + at * b->dimensions, .k = 1};
    lh_vector_set_hit hit;
    lh_vector_set_search_stats stats;
    uint32_t count;
    LH_TRY(lh_vector_set_search(&b->cx, b->set, &query, &hit, &count, &stats));
    if (count != 1 || (hit.id != id && hit.score < 0.9999f))
        return lh_fail(&b->cx, LH_E_INTERNAL, "row %zu was appended and is not found", at);
    return LH_OK;
}

static lh_rc append_round(bench *b, const rows *more, uint64_t first)
{
    uint64_t deleted;
    uint64_t *ids = LH_NEW_ARRAY(&b->cx, uint64_t, more->count);
    if (!ids)
        return b->cx.err.rc;
    for (size_t i = 0; i < more->count; i++)
        ids[i] = first + i;
    lh_vector_rows what = {ids, more->floats, more->count};
    int64_t began = lh_clock_mono_us();
    LH_TRY(lh_vector_set_append(&b->cx, b->set, &what));
    int64_t took = lh_clock_mono_us() - began;
    for (size_t at = 0; at < more->count; at += 997)
        LH_TRY(check_found(b, more, at, first + at));
    LH_TRY(lh_vector_set_delete(&b->cx, b->set, ids, more->count, &deleted));
    printf("{\"append_s\":%.6f,\"rows\":%zu}\n", (double)took / 1e6, more->count);
    fflush(stdout);
    return lh_vector_set_merge(&b->cx, b->set, LH_SEGSET_MERGE_DUE, &deleted);
}

static lh_rc run_append(bench *b, char **arg)
{
    rows more;
    char line[64];
    LH_TRY(open_rows(&b->cx, arg[2], b->dimensions, &more));
    LH_TRY(load(b, arg[0], 0));
    printf("{\"ready\":true,\"rows\":%zu}\n", b->base.count);
    fflush(stdout);
    for (uint64_t first = 1u << 30; fgets(line, sizeof line, stdin); first += more.count)
        LH_TRY(append_round(b, &more, first));
    return LH_OK;
}

/* ---- pause ---- */

static lh_rc change_once(lh_ctx *cx, void *arg, uint64_t n)
{
    const bench *b = arg;
    uint64_t ids[CHANGE_ROWS];
    uint64_t deleted;
    size_t from = (size_t)(n * 7919 * CHANGE_ROWS) % (b->base.count - CHANGE_ROWS);
    uint64_t id = (1u << 30) + n % 40 * CHANGE_ROWS;
    LH_TRY(put(cx, b, &b->base, from, CHANGE_ROWS, id)); /* new, later replaced */
    for (uint64_t i = 0; i < CHANGE_ROWS; i++)
        ids[i] = id + (i * 3) % CHANGE_ROWS;
    LH_TRY(lh_vector_set_delete(cx, b->set, ids, CHANGE_ROWS / 4, &deleted));
    return n % 64 == 63 ? lh_vector_set_merge(cx, b->set, LH_SEGSET_MERGE_ALL, &deleted) : LH_OK;
}

static lh_rc search_once(lh_ctx *cx, void *arg, size_t n)
{
    const bench *b = arg;
    lh_vector_set_query query = {.vector = b->queries.floats + n % b->queries.count * b->dimensions,
                                 .k = K,
                                 .recall = 0.99f};
    lh_vector_set_hit hits[K];
    lh_vector_set_search_stats stats;
    uint32_t count;
    return lh_vector_set_search(cx, b->set, &query, hits, &count, &stats);
}

static lh_rc run_pause(bench *b, char **arg)
{
    int64_t windows;
    int64_t ms;
    life l = {.cx = &b->cx, .arg = b, .search = search_once, .change = change_once};
    if (!lh_parse_i64(lh_str_from(arg[4]), &windows) || !lh_parse_i64(lh_str_from(arg[5]), &ms))
        return lh_fail(&b->cx, LH_E_BAD_VALUE, "windows and milliseconds are numbers");
    LH_TRY(open_rows(&b->cx, arg[2], b->dimensions, &b->queries));
    LH_TRY(load(b, arg[0], LH_SEGSET_BACKGROUND));
    printf("{");
    LH_TRY(life_run(&l, windows, ms));
    lh_segset_stats stats;
    lh_vector_set_get_stats(b->set, &stats);
    printf(",\"merges\":%llu,\"segments\":%u}\n", (unsigned long long)stats.merges, stats.segments);
    return LH_OK;
}

int main(int argc, char **argv)
{
    bench b = {.dimensions = 0};
    int64_t dimensions;
    int appends = argc == 6 && strcmp(argv[1], "append") == 0;
    int pauses = argc == 8 && strcmp(argv[1], "pause") == 0;
    if ((!appends && !pauses) || !lh_parse_i64(lh_str_from(argv[5]), &dimensions) ||
        dimensions < 1 || dimensions > LH_VECTOR_DIMENSIONS_MAX) {
        fprintf(stderr, "usage: _vector_life append|pause DIR BASE.f32 MORE.f32 DIM ...\n");
        return 2;
    }
    lh_arena *arena = lh_arena_new((size_t)8 << 30);
    lh_ctx_init(&b.cx, arena);
    b.dimensions = (uint32_t)dimensions;
    lh_rc rc = open_rows(&b.cx, argv[3], b.dimensions, &b.base);
    if (rc == LH_OK)
        rc = appends ? run_append(&b, argv + 2) : run_pause(&b, argv + 2);
    if (rc != LH_OK)
        fprintf(stderr, "%s: %s\n", lh_rc_code(rc), b.cx.err.message);
    lh_vector_set_close(b.set);
    lh_arena_free(arena);
    return rc == LH_OK ? 0 : 1;
}
